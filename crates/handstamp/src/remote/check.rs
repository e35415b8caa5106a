//! Access tokens, presented: checked here, and told to the server where it is to know.

use super::keys::Ring;
use super::link::Answer;
use super::messages::{Body, Reply, Status};
use super::{Inner, Remote, RemoteError, operations};
use crate::clock::UnixMillis;
use crate::engine::{
    AntiCsrf, Failure, SignatureCheck, TryRefresh, Used, Verification, Verified, Verify,
    VerifyRefused, judge,
};
use crate::token::Secret;
use crate::token::access::{self, Rejected};

impl Remote {
    /// What the signature says, and whether the token names a parent.
    pub(crate) fn check_at_once(
        &self,
        token: &str,
        anti_csrf: AntiCsrf<'_>,
    ) -> Option<(Verification, bool)> {
        let now = self.now();
        let ring = self.inner.keys.held(now)?;
        match open(token, &ring, now) {
            // The server may have made a key since.
            Err(Rejected::UnknownKey) => None,
            opened => Some(judged(token, anti_csrf, opened)),
        }
    }

    pub(crate) async fn check(
        &self,
        token: &str,
        anti_csrf: AntiCsrf<'_>,
    ) -> Result<(Verification, bool), Failure> {
        let opened = self.open(token).await?;
        Ok(judged(token, anti_csrf, opened))
    }

    pub(crate) async fn check_storage(
        &self,
        token: &str,
        anti_csrf: AntiCsrf<'_>,
    ) -> Result<Verification, Failure> {
        let here = match self.check(token, anti_csrf).await? {
            (Verification::Valid(here), _) => here,
            (refused, _) => return Ok(refused),
        };
        let answer = self.ask_about(token, anti_csrf, true).await?;
        let ends = [Status::Ok, Status::Unauthorised, Status::TryRefresh];
        let mut reply = Reply::of(&answer, &ends)?;
        match reply.status {
            Status::Unauthorised => Ok(Verification::Unauthorised(VerifyRefused::NoSession)),
            Status::Ok => {
                let session = reply.session()?;
                if session.handle != here.session.handle {
                    return Err(answer.nonsense("it is about another session").into());
                }
                let replacement = reply.take_access();
                Ok(Verification::Valid(Verified {
                    session,
                    expires_at: replacement
                        .as_ref()
                        .map_or(here.expires_at, |token| token.expires_at),
                    replacement,
                    payload_differs: None,
                }))
            }
            _ => Ok(Verification::TryRefresh(match reply.message() {
                "Access token expired" => TryRefresh::Expired,
                "anti-csrf check failed" => TryRefresh::AntiCsrf,
                // It was good here; there the key has been taken out of use, or was never known.
                _ => TryRefresh::Rejected(Rejected::UnknownKey),
            })),
        }
    }

    /// Whatever the answer says of the token: it was good when it was used, and nobody waits for it any more.
    pub(crate) async fn confirm(&self, token: &Secret) -> Result<(), Failure> {
        self.ask_about(token.expose(), AntiCsrf::Unchecked, false)
            .await?;
        Ok(())
    }

    async fn ask_about(
        &self,
        token: &str,
        anti_csrf: AntiCsrf<'_>,
        check_storage: bool,
    ) -> Result<Answer, RemoteError> {
        let (checks, passed) = match anti_csrf {
            AntiCsrf::Passed(passed) => (true, passed),
            AntiCsrf::Unchecked => (false, None),
        };
        let body = Body {
            access_token: Some(token),
            anti_csrf_token: passed,
            enable_anti_csrf: Some(checks),
            do_anti_csrf_check: Some(checks),
            check_database: Some(check_storage),
            ..Body::default()
        };
        self.ask(&operations::VERIFY, body.into()).await
    }

    /// Checks form and signature, and if no known key can have made that, asks for newer ones.
    pub(super) async fn open(&self, token: &str) -> Result<Result<Used, Rejected>, RemoteError> {
        let Inner { link, keys, .. } = &*self.inner;
        let began = self.now();
        let ring = keys.ring(link).await?;
        let opened = match open(token, &ring, began) {
            Err(Rejected::UnknownKey) => match keys.newer(link, &ring, began).await? {
                Some(newer) => open(token, &newer, began),
                None => Err(Rejected::UnknownKey),
            },
            opened => opened,
        };
        Ok(opened)
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.inner.link.clock.now()
    }
}

fn open(token: &str, ring: &Ring, now: UnixMillis) -> Result<Used, Rejected> {
    let (claims, format) = access::open(token, &ring.keys)?;
    Ok(Used {
        claims,
        format,
        now,
    })
}

fn judged(
    token: &str,
    anti_csrf: AntiCsrf<'_>,
    opened: Result<Used, Rejected>,
) -> (Verification, bool) {
    let ask = Verify {
        anti_csrf,
        ..Verify::new(token)
    };
    let SignatureCheck {
        verification,
        confirmation,
    } = judge(&ask, opened);
    (verification, confirmation.is_some())
}

//! Check an access token by its signature alone, and leave for later what its use says of the session.

use super::verify::{Used, valid};
use super::{Engine, Failure, TryRefresh, Verification, Verify};
use crate::id::{AppId, SessionHandle};
use crate::rotation::Policy;
use crate::storage::Confirm;
use crate::token::Hash1;
use crate::token::access::{self, Rejected};

/// What a token's signature says.
#[derive(Debug, Clone)]
#[must_use]
pub struct SignatureCheck {
    /// The same as [`Engine::verify`] would answer, but for sessions that were revoked and for a token to use from now on.
    pub verification: Verification,
    /// What is to be told to the store, if the token is the first sign that its client got the last refresh's answer. Once for
    /// each token is enough; a loss costs nothing, as the client's next refresh says it, too.
    pub confirmation: Option<Confirmation>,
}

/// That somebody uses an access token whose refresh token nobody had been seen to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Confirmation {
    app: AppId,
    handle: SessionHandle,
    child: Hash1,
    parent: Hash1,
}

impl Engine {
    /// Checks an access token without asking the store of the session: `check_storage` is not looked at. The keys may have to be
    /// read first.
    ///
    /// # Errors
    /// When the store or the keys fail: then nothing is known of the token.
    pub async fn verify_by_signature(&self, ask: &Verify<'_>) -> Result<SignatureCheck, Failure> {
        let opened = self.open(&ask.app, ask.token).await?;
        Ok(judge(ask, opened))
    }

    /// The same without waiting for anything; `None` where the store has to be asked for keys first.
    #[must_use]
    pub fn verify_by_signature_at_once(&self, ask: &Verify<'_>) -> Option<SignatureCheck> {
        let ring = self.inner.rings.held(&ask.app)?;
        let (now, life) = (self.now(), self.config().key_life());
        let opened = match access::open(ask.token, &ring.verifying(now, life)) {
            // Another server may have made a key since.
            Err(Rejected::UnknownKey) => return None,
            opened => opened.map(|(claims, format)| Used {
                claims,
                format,
                now,
            }),
        };
        Some(judge(ask, opened))
    }

    /// What [`Engine::verify`] would answer, if that can be said without waiting for anything; `None` where the store has to be
    /// asked first, be it for keys. For callers that must not wait, such as an event loop.
    #[must_use]
    pub fn verify_at_once(&self, ask: &Verify<'_>) -> Option<Verification> {
        let SignatureCheck {
            verification,
            confirmation,
        } = self.verify_by_signature_at_once(ask)?;
        let is_all = !matches!(verification, Verification::Valid(_))
            || (confirmation.is_none() && !ask.check_storage);
        is_all.then_some(verification)
    }

    /// Tells the store what the use of a token showed. One conditional write; nothing to do is nothing wrong.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn confirm(&self, confirmation: &Confirmation) -> Result<(), Failure> {
        let Confirmation {
            app,
            handle,
            child,
            parent,
        } = confirmation;
        let now = self.now();
        let step = Confirm {
            child: child.hash2(),
            parent: parent.hash2(),
            now,
            expires_at: self.idle_end(now),
        };
        self.storage().confirm(app, handle, step).await?;
        Ok(())
    }
}

/// What the signature says, and the times and tokens beside it.
pub(crate) fn judge(ask: &Verify<'_>, opened: Result<Used, Rejected>) -> SignatureCheck {
    let refused = |why| SignatureCheck {
        verification: Verification::TryRefresh(why),
        confirmation: None,
    };
    let used = match opened {
        Ok(used) => used,
        Err(why) => return refused(TryRefresh::Rejected(why)),
    };
    if let Some(why) = used.is_refused(ask) {
        return refused(why);
    }
    let parent = used.claims.parent_hash;
    let confirmation = parent
        .filter(|_| ask.policy == Policy::ConfirmOnUse)
        .map(|parent| Confirmation {
            app: ask.app.clone(),
            handle: used.claims.handle.clone(),
            child: used.claims.refresh_hash,
            parent,
        });
    SignatureCheck {
        verification: valid(used.claims, None),
        confirmation,
    }
}

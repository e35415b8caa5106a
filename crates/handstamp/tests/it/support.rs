//! What the tests of the engine share: an engine over a store in memory whose clock moves when told, and clients of it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not seen to be tests"
)]

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use handstamp::clock::{Clock, ManualClock, UnixMillis};
use handstamp::engine::{
    Create, Issued, OnReuse, Refresh, RefreshRefused, Refreshed, TryRefresh, Verification,
    Verified, Verify, VerifyRefused,
};
use handstamp::entropy::SeededEntropy;
use handstamp::jws::{Algorithm, FixtureKeys, SigningKey};
use handstamp::rotation::{Policy, Reuse};
use handstamp::session::Session;
use handstamp::storage::{KeyKind, Storage, StoredKey};
use handstamp::token::access::{self, AccessClaims, NamedKey, TokenFormat};
use handstamp::{AppId, Config, Engine, JsonObject, Parts, SessionHandle, UserId};

mod watched;

pub(crate) use watched::Watched;

pub(crate) const APP: AppId = AppId::PUBLIC;
pub(crate) const START: UnixMillis = UnixMillis::new(1_700_000_000_000);
pub(crate) const MILLI: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// A store, a clock, and servers that use them.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Arc<Watched>,
    keys: Arc<FixtureKeys>,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let clock = Arc::new(ManualClock::new(START));
        let store = Arc::new(Watched::default());
        let keys = Arc::new(FixtureKeys::default());
        Self {
            engine: engine(&store, &clock, &keys, 1, config),
            clock,
            store,
            keys,
        }
    }

    /// The historical rules: no grace.
    pub(crate) fn without_grace() -> Self {
        Self::new(
            Config::builder()
                .grace_window(Duration::ZERO)
                .build()
                .unwrap(),
        )
    }

    /// Another server on the same store. `seed` has to be one of its own.
    pub(crate) fn another(&self, seed: u64, config: Config) -> Engine {
        engine(&self.store, &self.clock, &self.keys, seed, config)
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    pub(crate) async fn create(&self) -> Client {
        Client::of(&self.engine.create(with_anti_csrf()).await.unwrap())
    }

    pub(crate) async fn session(&self, handle: &SessionHandle) -> Option<Session> {
        self.store.inner.session(&APP, handle).await.unwrap()
    }

    pub(crate) async fn keys(&self, kind: KeyKind) -> Vec<StoredKey> {
        let mut keys = self.store.inner.keys(&APP).await.unwrap();
        keys.retain(|key| key.kind == kind);
        keys.sort_by_key(|key| key.generation);
        keys
    }

    /// The newest signing key, as somebody who has the store has it.
    pub(crate) async fn signing_key(&self) -> SigningKey {
        let keys = self.keys(KeyKind::Dynamic(Algorithm::Rs256)).await;
        SigningKey::from_pkcs8(Algorithm::Rs256, &keys.last().unwrap().material).unwrap()
    }

    /// The newest key of that kind.
    pub(crate) async fn key(&self, kind: KeyKind) -> SigningKey {
        let keys = self.keys(kind).await;
        SigningKey::from_pkcs8(kind.algorithm().unwrap(), &keys.last().unwrap().material).unwrap()
    }

    /// What an access token says.
    pub(crate) async fn read(&self, token: &str) -> AccessClaims {
        self.read_form(token).await.0
    }

    /// What an access token says, and in which form. Any key of the store may have signed it, under any name.
    pub(crate) async fn read_form(&self, token: &str) -> (AccessClaims, TokenFormat) {
        let header: serde_json::Value = serde_json::from_str(&parts_of(token).0).unwrap();
        let id = header.get("kid").map_or("", |kid| kid.as_str().unwrap());
        let keys = self.store.inner.keys(&APP).await.unwrap();
        let mut signing = keys.iter().filter_map(|stored| {
            Some(SigningKey::from_pkcs8(stored.kind.algorithm()?, &stored.material).unwrap())
        });
        signing
            .find_map(|key| access::open(token, &[NamedKey { id, key: &key }]).ok())
            .unwrap()
    }

    pub(crate) async fn verify(&self, token: &str) -> Verification {
        self.engine.verify(&Verify::new(token)).await.unwrap()
    }

    pub(crate) async fn verify_in_store(&self, token: &str) -> Verification {
        let ask = Verify {
            check_storage: true,
            ..Verify::new(token)
        };
        self.engine.verify(&ask).await.unwrap()
    }

    /// Refreshes; on reuse the session is left as it is, so that a test can go on.
    pub(crate) async fn refresh(&self, token: &str) -> Refreshed {
        self.refresh_by(token, Policy::ConfirmOnUse).await
    }

    pub(crate) async fn refresh_by(&self, token: &str, policy: Policy) -> Refreshed {
        let ask = Refresh {
            anti_csrf: true,
            policy,
            on_reuse: OnReuse::Report,
            ..refresh_v1(token)
        };
        self.engine.refresh(&ask).await.unwrap()
    }
}

fn engine(
    store: &Arc<Watched>,
    clock: &Arc<ManualClock>,
    keys: &Arc<FixtureKeys>,
    seed: u64,
    config: Config,
) -> Engine {
    let parts = Parts {
        storage: store.clone(),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(seed)),
        keys: keys.clone(),
    };
    Engine::new(parts, config)
}

pub(crate) fn user() -> UserId {
    UserId::parse("user-1").unwrap()
}

pub(crate) fn with_anti_csrf() -> Create {
    Create {
        anti_csrf: true,
        ..create_v1(user())
    }
}

pub(crate) fn json(text: &str) -> JsonObject {
    JsonObject::parse(text).unwrap()
}

/// A holder of tokens: a browser, a tab of one, or a thief.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) handle: SessionHandle,
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) anti_csrf: Option<String>,
}

impl Client {
    pub(crate) fn of(issued: &Issued) -> Self {
        let anti_csrf = issued.refresh.anti_csrf();
        Self {
            handle: issued.session.handle.clone(),
            access: issued.access.token.expose().to_owned(),
            refresh: issued.refresh.text().expose().to_owned(),
            anti_csrf: anti_csrf.map(|token| token.expose().to_owned()),
        }
    }

    /// What a refresh would bring, which is not taken: its answer may get lost.
    pub(crate) async fn asks(&self, world: &World) -> Self {
        Self::of(&renewed(world.refresh(&self.refresh).await))
    }

    /// Refreshes and takes the answer.
    pub(crate) async fn refreshes(&mut self, world: &World) {
        *self = self.asks(world).await;
    }

    /// Makes a request with the access token, and takes a new one if it gets one.
    pub(crate) async fn uses(&mut self, world: &World) {
        if let Some(new) = valid(world.verify(&self.access).await).replacement {
            new.token.expose().clone_into(&mut self.access);
        }
    }

    /// How its refresh is reported as reuse; `None` if it is not.
    pub(crate) async fn reuses(&self, world: &World) -> Option<Reuse> {
        match world.refresh(&self.refresh).await {
            Refreshed::Reuse {
                kind,
                handle,
                user_id,
            } => {
                assert_eq!((handle, user_id), (self.handle.clone(), user()));
                Some(kind)
            }
            Refreshed::Renewed(_) | Refreshed::Unauthorised(_) => None,
        }
    }

    /// Uses, and refreshes every hour, three times: a client that is well.
    pub(crate) async fn goes_on(&mut self, world: &World) {
        for _ in 0..3 {
            self.uses(world).await;
            world.advance(HOUR);
            self.refreshes(world).await;
        }
    }
}

#[track_caller]
pub(crate) fn renewed(refreshed: Refreshed) -> Issued {
    match refreshed {
        Refreshed::Renewed(issued) => *issued,
        other => panic!("not renewed: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused(refreshed: Refreshed) -> RefreshRefused {
    match refreshed {
        Refreshed::Unauthorised(why) => why,
        other => panic!("not refused: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn reused(refreshed: Refreshed) -> Reuse {
    match refreshed {
        Refreshed::Reuse { kind, .. } => kind,
        other => panic!("not reuse: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn valid(verification: Verification) -> Verified {
    match verification {
        Verification::Valid(verified) => verified,
        other => panic!("not valid: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn try_refresh(verification: Verification) -> TryRefresh {
    match verification {
        Verification::TryRefresh(why) => why,
        other => panic!("no refresh to be tried: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn unauthorised(verification: Verification) -> VerifyRefused {
    match verification {
        Verification::Unauthorised(why) => why,
        other => panic!("not unauthorised: {other:?}"),
    }
}

/// A session as a client of protocol 1.0 asks for it.
pub(crate) fn create_v1(user: UserId) -> Create {
    Create {
        format: TokenFormat::V1,
        cookie: Some(access::COOKIE.into()),
        ..Create::new(user)
    }
}

/// A refresh as a client of protocol 1.0 asks for it.
pub(crate) fn refresh_v1(token: &str) -> Refresh<'_> {
    Refresh {
        format: TokenFormat::V1,
        ..Refresh::new(token)
    }
}

/// A session whose access token has that form.
pub(crate) fn create_as(format: TokenFormat) -> Create {
    Create {
        format,
        ..Create::new(user())
    }
}

/// A refresh that asks for an access token of that form.
pub(crate) fn refresh_as(token: &str, format: TokenFormat) -> Refresh<'_> {
    Refresh {
        format,
        ..Refresh::new(token)
    }
}

/// The texts of an access token's header and payload, in the alphabet that its form has.
pub(crate) fn parts_of(token: &str) -> (String, String) {
    let (header, rest) = token.split_once('.').unwrap();
    let (payload, _) = rest.split_once('.').unwrap();
    let text = |part: &str| {
        let bytes =
            if header.contains("InZlcnNpb24iOiIxIn0") || header.contains("InZlcnNpb24iOiIyIn0") {
                STANDARD.decode(part)
            } else {
                URL_SAFE_NO_PAD.decode(part)
            };
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    (text(header), text(payload))
}

/// What the header of a JWT names its key.
pub(crate) fn kid_of(token: &str) -> String {
    let header: serde_json::Value = serde_json::from_str(&parts_of(token).0).unwrap();
    header.get("kid").unwrap().as_str().unwrap().to_owned()
}

/// A JWT of any header and payload.
pub(crate) fn jwt(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

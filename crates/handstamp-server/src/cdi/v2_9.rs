//! Since 2.9 replies list all keys that tokens are checked by, and JWTs of the application's own can be signed.

use std::time::Duration;

use axum::http::Method;
use handstamp::engine::{JwkSet, KeySet, PublishedKey};
use handstamp::jws::Algorithm;
use handstamp::token::Secret;
use handstamp::{AppId, Engine};
use serde::Serialize;

use super::body::Body;
use super::handlers::keys::{self, JwtAsk};
use super::handlers::{self, FromBody, Render};
use super::operations::Operations;
use super::parts::{Keys, Session, Status, Token};
use super::reply::Refusal;
use super::v1_0::{self, Created, VerifyReply};
use super::v2_4::{HandshakeOf, Issue};
use super::{Call, Cdi, v2_6, v2_8};

pub(super) fn operations() -> Operations {
    v2_8::operations()
        .changed(
            &Method::POST,
            "/recipe/handshake",
            keys::handshake::<HandshakeOf<KeyInfo>, KeyInfo>,
        )
        .changed(
            &Method::POST,
            "/recipe/session",
            handlers::create::<v2_6::CreateSession, Created<Issue, KeyInfo>, KeyInfo>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/verify",
            handlers::verify::<v2_6::VerifySession, VerifyReply<Session, Token, KeyInfo, true>, _>,
        )
        .added(
            Method::POST,
            "/recipe/jwt",
            keys::create_jwt::<CreateJwt, JwtReply>,
        )
        .added(Method::GET, "/recipe/jwt/jwks", keys::key_set::<Jwks>)
}

/// The key that signs now, and all that tokens are checked by, the newest first.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyInfo {
    #[serde(flatten)]
    signing: v1_0::KeyInfo,
    jwt_signing_public_key_list: Vec<ListedKey>,
}

impl Keys for KeyInfo {
    async fn of(engine: &Engine, app: &AppId, is_static: bool) -> Result<Self, Refusal> {
        let signing = v1_0::KeyInfo::of(engine, app, is_static).await?;
        let keys = engine.key_set(app).await?.keys;
        // Tokens of these protocols are signed by RSA, whatever others are.
        let rsa = keys
            .into_iter()
            .filter(|key| key.algorithm == Algorithm::Rs256);
        Ok(Self {
            signing,
            jwt_signing_public_key_list: rsa.map(ListedKey::from).collect(),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedKey {
    public_key: String,
    expiry_time: i64,
    created_at: i64,
}

impl From<PublishedKey> for ListedKey {
    fn from(key: PublishedKey) -> Self {
        const TEN_YEARS: Duration = Duration::from_hours(10 * 365 * 24);
        Self {
            public_key: key.public_key,
            expiry_time: if key.is_dynamic {
                key.expires_at.as_millis()
            } else {
                key.created_at.plus(TEN_YEARS).as_millis()
            },
            created_at: key.created_at.as_millis(),
        }
    }
}

pub(super) struct CreateJwt;

impl FromBody for CreateJwt {
    type Ask = JwtAsk;

    fn read(body: &Body<'_>, _: &Call) -> Result<JwtAsk, Refusal> {
        let algorithm = body.string("algorithm")?;
        let issuer = body.string("jwksDomain")?;
        let payload = body.object("payload")?;
        let validity = u64::try_from(body.whole("validity")?).unwrap_or(0);
        if validity == 0 {
            return Err(Refusal::WrongFields(
                "validity must be greater than or equal to 0",
            ));
        }
        Ok(JwtAsk {
            algorithm,
            issuer,
            payload,
            validity: Duration::from_secs(validity),
            static_key: true,
        })
    }
}

#[derive(Serialize)]
pub(super) struct JwtReply {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<String>,
}

impl Render<Option<Secret>> for JwtReply {
    fn render(jwt: Option<Secret>, _: &Cdi) -> Self {
        Self {
            status: if jwt.is_some() {
                Status::Ok
            } else {
                Status::UnsupportedAlgorithm
            },
            jwt: jwt.map(|jwt| jwt.expose().to_owned()),
        }
    }
}

#[derive(Serialize)]
struct Jwks {
    #[serde(flatten)]
    set: JwkSet,
    status: Status,
}

impl Render<KeySet> for Jwks {
    fn render(set: KeySet, cdi: &Cdi) -> Self {
        Self {
            set: JwkSet::render(set, cdi),
            status: Status::Ok,
        }
    }
}

impl Render<KeySet> for JwkSet {
    fn render(set: KeySet, _: &Cdi) -> Self {
        Self::from(set)
    }
}

//! The refresh token: opaque to its holder, not to be forged, and made again from its nonce by a server that is shown its
//! parent. That is how a repeated refresh gets the same answer although no store holds anything usable.
//!
//! ```text
//! hsrt_  base64url( version 1 · key id 4 · flags 1 · session 16 · tenant length 1 · tenant
//!                   · nonce 16 · parent's hash1 0 or 32 · HMAC-SHA256 32 )
//! ```

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Hash1, Nonce, Secret};
use crate::id::{AppId, SessionHandle, TenantId};
use crate::rotation::Presented;

/// What every refresh token begins with, for scanners that look for leaked secrets.
pub const PREFIX: &str = "hsrt_";

/// Longer text is not looked at: the longest token there is takes 224 characters.
const MAX_LEN: usize = 256;
const VERSION: u8 = 1;
const HAS_PARENT: u8 = 1;
const HAS_ANTI_CSRF: u8 = 2;
const TAG_LEN: usize = 32;

/// What goes into a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshClaims {
    /// The session.
    pub handle: SessionHandle,
    /// The random part.
    pub nonce: Nonce,
    /// The hash of the token this one is made from.
    pub parent: Option<Hash1>,
    /// Whether an anti-CSRF token goes with it.
    pub anti_csrf: bool,
}

/// A refresh token and all that is derived from it.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    claims: RefreshClaims,
    text: Secret,
    hash: Hash1,
    anti_csrf: Option<Secret>,
    id_refresh: Uuid,
}

impl RefreshToken {
    /// What is in it.
    #[must_use]
    pub fn claims(&self) -> &RefreshClaims {
        &self.claims
    }

    /// The token itself.
    #[must_use]
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// The hash that access tokens carry.
    #[must_use]
    pub fn hash(&self) -> Hash1 {
        self.hash
    }

    /// The anti-CSRF token that goes with it, in the shape of a UUID.
    #[must_use]
    pub fn anti_csrf(&self) -> Option<&Secret> {
        self.anti_csrf.as_ref()
    }

    /// What front ends of the 1.x family watch to learn of a refresh; no server checks it.
    #[must_use]
    pub fn id_refresh(&self) -> Uuid {
        self.id_refresh
    }

    /// The token as the decision sees it.
    #[must_use]
    pub fn presented(&self) -> Presented {
        Presented {
            hash: self.hash,
            nonce: self.claims.nonce,
            parent: self.claims.parent,
        }
    }
}

/// Makes and opens the refresh tokens of one app. The app is part of the MAC, not of the token.
pub struct RefreshKey {
    id: u32,
    key: hmac::Key,
    app: AppId,
}

impl RefreshKey {
    /// The key's length in bytes.
    pub const LEN: usize = 32;

    /// The key `id` of `app`.
    #[must_use]
    pub fn new(id: u32, secret: &[u8; Self::LEN], app: AppId) -> Self {
        Self {
            id,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            app,
        }
    }

    /// Makes the token that `claims` describe. The same claims give the same text.
    #[must_use]
    pub fn make(&self, claims: RefreshClaims) -> RefreshToken {
        let mut body = Zeroizing::new(Vec::with_capacity(MAX_LEN));
        body.push(VERSION);
        body.extend_from_slice(&self.id.to_be_bytes());
        let parent_flag = if claims.parent.is_some() {
            HAS_PARENT
        } else {
            0
        };
        body.push(parent_flag | if claims.anti_csrf { HAS_ANTI_CSRF } else { 0 });
        body.extend_from_slice(claims.handle.id().as_bytes());
        let tenant = match claims.handle.tenant() {
            tenant if *tenant == TenantId::PUBLIC => "",
            tenant => tenant.as_str(),
        };
        body.push(u8::try_from(tenant.len()).unwrap_or(u8::MAX));
        body.extend_from_slice(tenant.as_bytes());
        body.extend_from_slice(claims.nonce.as_bytes());
        if let Some(parent) = &claims.parent {
            body.extend_from_slice(parent.as_bytes());
        }
        let derived = self.derive(&body);
        let tag = self.sign(b"refresh token", &body);
        body.extend_from_slice(tag.as_ref());
        let mut text = String::with_capacity(MAX_LEN);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&*body, &mut text);
        derived.token(claims, text)
    }

    /// Reads and checks a token.
    ///
    /// # Errors
    /// When `text` is not a token that this key made for this app.
    pub fn open(&self, text: &str) -> Result<RefreshToken, NotOurs> {
        let encoded = text
            .strip_prefix(PREFIX)
            .filter(|_| text.len() <= MAX_LEN)
            .ok_or(NotOurs)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| NotOurs)?);
        let (body, tag) = bytes.split_last_chunk::<TAG_LEN>().ok_or(NotOurs)?;
        let (&[VERSION, a, b, c, d, flags], rest) = body.split_first_chunk::<6>().ok_or(NotOurs)?
        else {
            return Err(NotOurs);
        };
        if u32::from_be_bytes([a, b, c, d]) != self.id {
            return Err(NotOurs);
        }
        // Nothing past this line is read unless this server wrote it.
        let mut signed = self.signing(b"refresh token");
        signed.update(body);
        let expected = signed.sign();
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_ref(), tag)
            .map_err(|_| NotOurs)?;

        let (id, rest) = rest.split_first_chunk::<16>().ok_or(NotOurs)?;
        let (&tenant_len, rest) = rest.split_first().ok_or(NotOurs)?;
        let (tenant, rest) = rest.split_at_checked(tenant_len.into()).ok_or(NotOurs)?;
        let tenant = match tenant {
            [] => TenantId::PUBLIC,
            name => TenantId::parse(std::str::from_utf8(name).map_err(|_| NotOurs)?)
                .map_err(|_| NotOurs)?,
        };
        let (nonce, rest) = rest.split_first_chunk::<16>().ok_or(NotOurs)?;
        let parent = match (flags & HAS_PARENT != 0, rest) {
            (false, []) => None,
            (true, parent) => Some(Hash1::from_bytes(parent.try_into().map_err(|_| NotOurs)?)),
            (false, _) => return Err(NotOurs),
        };
        let claims = RefreshClaims {
            handle: SessionHandle::new(tenant, Uuid::from_bytes(*id)),
            nonce: Nonce::from_bytes(*nonce),
            parent,
            anti_csrf: flags & HAS_ANTI_CSRF != 0,
        };
        Ok(self.derive(body).token(claims, text.to_owned()))
    }

    fn derive(&self, body: &[u8]) -> Derived {
        Derived {
            anti_csrf: self.uuid(b"anti-csrf token", body),
            id_refresh: self.uuid(b"id refresh token", body),
        }
    }

    /// What else belongs to a token comes from the same inputs under another label, so that a repeat gets the same.
    fn uuid(&self, label: &[u8], body: &[u8]) -> Uuid {
        let mut bytes = [0; 16];
        let tag = self.sign(label, body);
        bytes
            .iter_mut()
            .zip(tag.as_ref())
            .for_each(|(to, from)| *to = *from);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }

    fn sign(&self, label: &[u8], body: &[u8]) -> hmac::Tag {
        let mut context = self.signing(label);
        context.update(body);
        context.sign()
    }

    /// Begins a MAC with the label and the app, each ended by a byte that neither can contain.
    fn signing(&self, label: &[u8]) -> hmac::Context {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(label);
        context.update(&[0]);
        context.update(self.app.as_str().as_bytes());
        context.update(&[0]);
        context
    }
}

impl fmt::Debug for RefreshKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshKey")
            .field("id", &self.id)
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

struct Derived {
    anti_csrf: Uuid,
    id_refresh: Uuid,
}

impl Derived {
    fn token(self, claims: RefreshClaims, text: String) -> RefreshToken {
        RefreshToken {
            hash: Hash1::of(&text),
            text: Secret::new(text),
            anti_csrf: claims
                .anti_csrf
                .then(|| Secret::new(self.anti_csrf.to_string())),
            id_refresh: self.id_refresh,
            claims,
        }
    }
}

/// The text is not a refresh token of this app, or somebody changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a refresh token of this app")]
pub struct NotOurs;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u32, app: &str) -> RefreshKey {
        RefreshKey::new(id, &[7; RefreshKey::LEN], AppId::parse(app).unwrap())
    }

    fn claims(tenant: &str, parent: Option<Hash1>) -> RefreshClaims {
        RefreshClaims {
            handle: SessionHandle::new(TenantId::parse(tenant).unwrap(), Uuid::from_bytes([3; 16])),
            nonce: Nonce::from_bytes([9; 16]),
            parent,
            anti_csrf: true,
        }
    }

    #[test]
    fn made_twice_it_is_the_same_and_opens_to_what_went_in() {
        for claims in [
            claims("public", None),
            claims("public", Some(Hash1::of("x"))),
            claims(&"t".repeat(64), Some(Hash1::of("x"))),
        ] {
            let (made, again) = (
                key(1, "public").make(claims.clone()),
                key(1, "public").make(claims.clone()),
            );
            assert_eq!(made.text().expose(), again.text().expose());
            assert_eq!(made.anti_csrf(), again.anti_csrf());
            assert!(made.text().expose().len() <= MAX_LEN);
            let opened = key(1, "public").open(made.text().expose()).unwrap();
            assert_eq!(opened.claims(), &claims);
            assert_eq!(opened.presented(), made.presented());
            assert_eq!(
                (opened.anti_csrf(), opened.id_refresh()),
                (made.anti_csrf(), made.id_refresh())
            );
        }
    }

    #[test]
    fn another_key_app_or_secret_does_not_open_it() {
        let made = key(1, "public").make(claims("public", None));
        let text = made.text().expose();
        assert_eq!(key(2, "public").open(text).unwrap_err(), NotOurs);
        assert_eq!(key(1, "other").open(text).unwrap_err(), NotOurs);
        let stranger = RefreshKey::new(1, &[8; RefreshKey::LEN], AppId::PUBLIC);
        assert_eq!(stranger.open(text).unwrap_err(), NotOurs);
    }

    #[test]
    fn any_change_to_the_text_is_noticed() {
        let made = key(1, "public").make(claims("public", Some(Hash1::of("x"))));
        let text = made.text().expose();
        for at in 0..text.len() {
            for put in ['A', 'B', '_', '.', '='] {
                let mut changed = text.to_owned();
                changed.replace_range(at..=at, &put.to_string());
                if changed != text {
                    assert!(key(1, "public").open(&changed).is_err(), "{put} at {at}");
                }
            }
            assert!(key(1, "public").open(&text[..at]).is_err());
        }
        for junk in [
            "",
            PREFIX,
            ".",
            &"A".repeat(1 << 20),
            &format!("{PREFIX}{}", "A".repeat(1 << 20)),
        ] {
            assert!(key(1, "public").open(junk).is_err());
        }
        assert!(key(1, "public").open(&format!("{text}A")).is_err());
    }
}

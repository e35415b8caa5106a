//! What names things: apps, tenants, users, sessions. None of these is a secret.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::clock::UnixMillis;
use crate::entropy::{Entropy, EntropyError};

/// A value from outside that is not what it must be. The text names the field and what was expected, never the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {expected}")]
pub struct Invalid {
    field: &'static str,
    expected: Cow<'static, str>,
}

impl Invalid {
    pub(crate) fn new(field: &'static str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self {
            field,
            expected: expected.into(),
        }
    }

    /// Which value it is, e.g. `user id`.
    #[must_use]
    pub fn field(&self) -> &'static str {
        self.field
    }

    /// What it must be, as the rest of a sentence that begins with the field: `must be at most 128 characters long`.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }
}

/// Both namespaces' default.
const PUBLIC: &str = "public";

macro_rules! namespace {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Cow<'static, str>);

        impl $name {
            /// The default one, `public`.
            pub const PUBLIC: Self = Self(Cow::Borrowed(PUBLIC));

            /// Reads a name: 1 to 64 of `a-z`, `0-9` and `-`.
            ///
            /// # Errors
            /// When `text` is anything else.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                if text == PUBLIC {
                    return Ok(Self::PUBLIC);
                }
                let fits = (1..=64).contains(&text.len())
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
                if fits {
                    Ok(Self(Cow::Owned(text.to_owned())))
                } else {
                    Err(Invalid::new($field, "must be 1 to 64 characters of a-z, 0-9 and -"))
                }
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::PUBLIC
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

namespace!(
    /// An application: its own users, sessions and keys.
    AppId,
    "app id"
);
namespace!(
    /// A part of an application's users, such as one customer's.
    TenantId,
    "tenant id"
);

/// The application's own name for one of its users.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Box<str>);

impl UserId {
    /// The longest user id, in characters.
    pub const MAX_CHARS: usize = 128;

    /// Reads a user id: up to 128 characters, any but NUL (which not every database can hold). It is compared byte for byte.
    ///
    /// # Errors
    /// When `text` is longer, or holds a NUL.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text.len() > Self::MAX_CHARS && text.chars().nth(Self::MAX_CHARS).is_some() {
            return Err(Invalid::new(
                "user id",
                "must be at most 128 characters long",
            ));
        }
        if text.contains('\0') {
            return Err(Invalid::new("user id", "must not contain a NUL character"));
        }
        Ok(Self(text.into()))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names a session. Its text is a UUID, with `_` and the tenant behind it where that is not the default one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionHandle {
    tenant: TenantId,
    id: Uuid,
}

impl SessionHandle {
    /// The handle of session `id` in `tenant`.
    #[must_use]
    pub const fn new(tenant: TenantId, id: Uuid) -> Self {
        Self { tenant, id }
    }

    /// A new handle.
    pub(crate) fn generate(
        tenant: TenantId,
        order: HandleOrder,
        now: UnixMillis,
        entropy: &dyn Entropy,
    ) -> Result<Self, EntropyError> {
        let mut random = [0; 16];
        entropy.fill(&mut random)?;
        let built = match order {
            HandleOrder::Time => {
                let millis = u64::try_from(now.as_millis()).unwrap_or(0);
                let [rest @ .., _, _, _, _, _, _] = random;
                uuid::Builder::from_unix_timestamp_millis(millis, &rest)
            }
            HandleOrder::Random => uuid::Builder::from_random_bytes(random),
        };
        Ok(Self::new(tenant, built.into_uuid()))
    }

    /// The tenant the session belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// What tells the session from the tenant's others.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.id
    }
}

/// How new session handles follow each other. Those of either kind live side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HandleOrder {
    /// In time (UUID version 7), so that a big table's index grows at one edge and the rest of it can rest.
    #[default]
    Time,
    /// By chance (UUID version 4), so that databases that shard by ranges of keys have no hot shard.
    Random,
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.as_hyphenated().fmt(f)?;
        if self.tenant != TenantId::PUBLIC {
            write!(f, "_{}", self.tenant)?;
        }
        Ok(())
    }
}

impl FromStr for SessionHandle {
    type Err = Invalid;

    /// Reads a handle as [`SessionHandle`] writes it, and in no other spelling, so that a session has one name only.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("session handle", "must be one that was handed out");
        let (id, tenant) = match text.split_once('_') {
            Some((id, tenant)) => (id, TenantId::parse(tenant).map_err(|_| invalid())?),
            None => (text, TenantId::PUBLIC),
        };
        let handle = Self::new(tenant, Uuid::parse_str(id).map_err(|_| invalid())?);
        if handle.to_string() == text {
            Ok(handle)
        } else {
            Err(invalid())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_one_spelling() {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057";
        let tenant = "01890a5d-ac96-774b-bcce-b302099a8057_customer-1";
        for text in [id, tenant] {
            assert_eq!(text.parse::<SessionHandle>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "_",
            "01890A5D-AC96-774B-BCCE-B302099A8057",
            "01890a5dac96774bbcceb302099a8057",
            "01890a5d-ac96-774b-bcce-b302099a8057_",
            "01890a5d-ac96-774b-bcce-b302099a8057_public",
            "01890a5d-ac96-774b-bcce-b302099a8057_A",
            "01890a5d-ac96-774b-bcce-b302099a8057_a_b",
            "' OR 1=1 --",
        ] {
            text.parse::<SessionHandle>().unwrap_err();
        }
    }

    #[test]
    fn a_user_id_is_counted_in_characters() {
        assert!(UserId::parse(&"é".repeat(128)).is_ok());
        assert!(UserId::parse(&"é".repeat(129)).is_err());
        assert!(UserId::parse(&"e".repeat(129)).is_err());
        assert!(UserId::parse("").is_ok());
        assert_eq!(
            UserId::parse("a\0b").unwrap_err().to_string(),
            "user id must not contain a NUL character"
        );
    }

    #[test]
    fn a_tenant_is_named_in_lower_case() {
        assert!(TenantId::parse("customer-1").is_ok());
        for text in ["", "A", "a_b", "a b", &"a".repeat(65)] {
            assert!(TenantId::parse(text).is_err(), "{text:?}");
        }
    }
}

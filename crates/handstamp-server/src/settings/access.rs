//! Who may ask: from which addresses, with which keys, in which versions, below which path.

use std::fmt;
use std::net::IpAddr;

use handstamp::token::Secret;
use regex::Regex;

use super::SettingsError;
use super::typed::Reader;
use crate::cdi::{Allowed, Version};

/// Who may ask.
#[derive(Clone, Default)]
pub struct Access {
    keys: Vec<Secret>,
    allow: Option<Regex>,
    deny: Option<Regex>,
    /// What all paths begin with: nothing, or a slash and a name.
    pub(crate) base_path: String,
    /// In which versions.
    pub(crate) allowed: Allowed,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("keys", &self.keys.len())
            .field("allow", &self.allow)
            .field("deny", &self.deny)
            .field("base_path", &self.base_path)
            .field("allowed", &self.allowed)
            .finish()
    }
}

impl Access {
    pub(super) fn read(read: &Reader<'_>) -> Result<Self, SettingsError> {
        const VERSION: &str = "a protocol version that is spoken, such as 5.4";
        let version = |name| read.optional(name, VERSION, Version::spoken);
        let allowed = Allowed {
            min: version("supertokens_min_cdi_version")?,
            max: version("supertokens_max_cdi_version")?,
        };
        if let (Some(min), Some(max)) = (allowed.min, allowed.max)
            && min > max
        {
            let not_above = format!("at most supertokens_max_cdi_version, which is {max}");
            return Err(read.invalid("supertokens_min_cdi_version", not_above));
        }
        let regex = |name| read.optional(name, "a regular expression", whole);
        let mut keys = read.optional("api_keys", KEYS, keys)?.unwrap_or_default();
        let secret = read.optional("supertokens_saas_secret", SECRET, |text| {
            (text.len() >= 40).then(|| Secret::new(text.to_owned()))
        })?;
        if let Some(secret) = secret {
            if keys.is_empty() {
                return Err(read.invalid("supertokens_saas_secret", "unset without api_keys"));
            }
            keys.push(secret);
        }
        Ok(Self {
            keys,
            allow: regex("ip_allow_regex")?,
            deny: regex("ip_deny_regex")?,
            base_path: read
                .optional("base_path", "a path without spaces", base_path)?
                .unwrap_or_default(),
            allowed,
        })
    }

    /// Whether requests from `address` are answered. One that is not known is none that was allowed, or none that was not denied.
    pub(crate) fn admits(&self, address: Option<IpAddr>) -> bool {
        if self.allow.is_none() && self.deny.is_none() {
            return true;
        }
        // An IPv4 address has one spelling, whatever socket it came by.
        let Some(address) = address.map(|address| address.to_canonical().to_string()) else {
            return false;
        };
        let matches = |regex: &Regex| regex.is_match(&address);
        self.allow.as_ref().is_none_or(matches) && !self.deny.as_ref().is_some_and(matches)
    }

    /// Whether `given` lets somebody in. All keys are compared, each in constant time.
    pub(crate) fn is_key(&self, given: Option<&str>) -> bool {
        if self.keys.is_empty() {
            return true;
        }
        let given = given.unwrap_or_default().trim();
        let compared = self.keys.iter().map(|key| key.is(given));
        compared.fold(false, |found, same| found | same)
    }
}

const SECRET: &str = "40 or more characters";
const KEYS: &str =
    "keys with commas between them, each 20 or more characters of A-Z, a-z, 0-9, = and -";

fn keys(text: &str) -> Option<Vec<Secret>> {
    let keys = text.split(',').map(str::trim).map(|key| {
        let fits = key.len() >= 20
            && key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'-'));
        fits.then(|| Secret::new(key.to_owned()))
    });
    keys.collect()
}

fn whole(text: &str) -> Option<Regex> {
    Regex::new(&format!("^(?:{text})$")).ok()
}

fn base_path(text: &str) -> Option<String> {
    let path = text.trim_matches('/');
    let fits = path.bytes().all(|byte| byte.is_ascii_graphic());
    let path = if path.is_empty() {
        String::new()
    } else {
        format!("/{path}")
    };
    fits.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv4_address_is_the_same_by_any_socket() {
        let access = Access {
            allow: whole(r"127\.0\.0\.1|::1"),
            ..Access::default()
        };
        for (address, admitted) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.2", false),
            ("::127.0.0.1", false),
        ] {
            assert_eq!(access.admits(address.parse().ok()), admitted, "{address}");
        }
    }
}

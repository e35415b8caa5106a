//! Which protocol versions there are, and which one a request means.

use std::fmt;

use super::operations::Operations;
use super::reply::Refusal;
use super::{
    v1_0, v2_0, v2_2, v2_3, v2_4, v2_6, v2_7, v2_8, v2_9, v2_16, v2_21, v3_0, v4_0, v5_0, v5_6,
};

/// A protocol version: two numbers, ordered as such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u32,
    minor: u32,
}

const fn version(major: u32, minor: u32) -> Version {
    Version { major, minor }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl Version {
    /// The version of that name, if it is spoken.
    #[must_use]
    pub fn spoken(text: &str) -> Option<Self> {
        SPOKEN
            .iter()
            .copied()
            .find(|spoken| spoken.to_string() == text)
    }
}

/// The protocol versions that are spoken, oldest first.
pub const SPOKEN: &[Version] = &[
    OLDEST,
    version(2, 0),
    version(2, 1),
    version(2, 2),
    version(2, 3),
    version(2, 4),
    version(2, 5),
    version(2, 6),
    version(2, 7),
    version(2, 8),
    version(2, 9),
    version(2, 10),
    version(2, 11),
    version(2, 12),
    version(2, 13),
    version(2, 14),
    version(2, 15),
    version(2, 16),
    version(2, 17),
    version(2, 18),
    version(2, 19),
    version(2, 20),
    version(2, 21),
    version(3, 0),
    version(3, 1),
    version(4, 0),
    version(5, 0),
    version(5, 1),
    version(5, 2),
    version(5, 3),
    version(5, 4),
    version(5, 5),
    version(5, 6),
];

/// What requests without a word for it mean on the paths that only the oldest SDKs use.
const OLDEST: Version = version(1, 0);

/// A version, and all operations there are since.
type Epoch = (Version, fn() -> Operations);

/// The versions that changed something, and what there is since. A version that is not here is like the one before.
pub(super) const EPOCHS: &[Epoch] = &[
    (OLDEST, v1_0::operations),
    (version(2, 0), v2_0::operations),
    (version(2, 2), v2_2::operations),
    (version(2, 3), v2_3::operations),
    (version(2, 4), v2_4::operations),
    (version(2, 6), v2_6::operations),
    (version(2, 7), v2_7::operations),
    (version(2, 8), v2_8::operations),
    (version(2, 9), v2_9::operations),
    (version(2, 16), v2_16::operations),
    (version(2, 21), v2_21::operations),
    (version(3, 0), v3_0::operations),
    (version(4, 0), v4_0::operations),
    (version(5, 0), v5_0::operations),
    (version(5, 6), v5_6::operations),
];

/// The versions that changed something, oldest first: each is like those after it up to the next.
pub fn epochs() -> impl Iterator<Item = Version> {
    EPOCHS.iter().map(|(first, _)| *first)
}

/// Paths that began with one of these before all paths began with `/recipe`.
pub(super) const LEGACY: &[&str] = &["session", "handshake", "jwt", "config", "devproductionmode"];

/// Which versions requests may mean.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// None older.
    pub min: Option<Version>,
    /// None newer.
    pub max: Option<Version>,
}

impl Allowed {
    /// The versions that SDKs may choose from.
    pub(super) fn offered(self) -> impl Iterator<Item = Version> {
        SPOKEN
            .iter()
            .copied()
            .filter(move |version| self.max.is_none_or(|max| *version <= max))
    }

    fn newest(self) -> Version {
        self.offered().last().unwrap_or(OLDEST)
    }

    /// The version that a request names, within the bounds; or what it means without a word.
    pub(super) fn named(
        self,
        header: Option<&[u8]>,
        is_legacy: bool,
    ) -> Result<Named<'_>, Refusal> {
        let Some(text) = header else {
            let version = if is_legacy { OLDEST } else { self.newest() };
            self.bounded(version, &version.to_string())?;
            return Ok(Named {
                version,
                unspoken: None,
            });
        };
        let (version, text) = read(text).ok_or_else(Refusal::bad_version)?;
        self.bounded(version, text)?;
        Ok(Named {
            version,
            unspoken: Some(text).filter(|text| Version::spoken(text).is_none()),
        })
    }

    fn bounded(self, version: Version, text: &str) -> Result<(), Refusal> {
        if self.max.is_some_and(|max| version > max) {
            return Err(Refusal::unsupported(text));
        }
        match self.min {
            Some(min) if version < min => Err(Refusal::bad_request(format!(
                "cdi-version {text} is lower than the minimum allowed version {min}"
            ))),
            _ => Ok(()),
        }
    }
}

/// The version that a request names. It need not be one that is spoken.
pub(super) struct Named<'h> {
    pub(super) version: Version,
    /// How it was written, if that is none.
    pub(super) unspoken: Option<&'h str>,
}

/// Reads numbers with dots between them. What comes after the second is of no account here, but makes another version of it.
fn read(header: &[u8]) -> Option<(Version, &str)> {
    /// So that what is shown in an answer stays short.
    const LONGEST: usize = 32;
    let text = std::str::from_utf8(header).ok()?.trim();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() > LONGEST || !text.split('.').all(is_number) {
        return None;
    }
    // A number that does not fit is newer than all there are.
    let mut numbers = text.split('.').map(|part| part.parse().unwrap_or(u32::MAX));
    let major = numbers.next()?;
    Some((version(major, numbers.next().unwrap_or(0)), text))
}

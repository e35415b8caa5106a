//! Names for tokens and ages for times: the record as small as it can be, and to and fro between it and the real one.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a wrong index or an empty option is a mistake in this test, and should stop it"
)]

use std::sync::LazyLock;
use std::time::Duration;

use handstamp::clock::UnixMillis;
use handstamp::rotation::{Child, Current, Previous, Rotation};
use handstamp::token::{Hash1, Hash2, Nonce};

/// A refresh token's name. Names of tokens that nobody can present any more are given out again.
pub(crate) type Token = u8;

pub(super) const NAMES: u8 = 24;
pub(super) const COUNT: usize = 24;
/// Stands for all parents that nobody can present and the record does not know any more.
pub(super) const GONE: Token = NAMES - 1;
pub(super) const TICK: Duration = Duration::from_secs(1);
pub(super) const NOW: UnixMillis = UnixMillis::new(1_000_000);

pub(super) static HASHES: LazyLock<Vec<(Hash1, Hash2, Nonce)>> = LazyLock::new(|| {
    let hashes = (0..NAMES).map(|token| {
        let hash = Hash1::of(&format!("token {token}"));
        (hash, hash.hash2(), Nonce::from_bytes([token; 16]))
    });
    hashes.collect()
});

pub(super) fn by_hash2(hash: Hash2) -> Token {
    let at = HASHES.iter().position(|(_, known, _)| *known == hash);
    u8::try_from(at.unwrap()).unwrap()
}

pub(super) fn by_nonce(nonce: Nonce) -> Token {
    nonce.as_bytes()[0]
}

pub(super) fn ago(age: u8) -> UnixMillis {
    NOW.minus(TICK * u32::from(age))
}

pub(super) fn age_of(time: UnixMillis) -> u8 {
    u8::try_from(NOW.since(time).as_secs()).unwrap()
}

/// The record, with names for hashes and ages for times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Record {
    pub(super) current: Token,
    pub(super) nonce_known: bool,
    pub(super) child: Option<(Token, u8)>,
    pub(super) previous: Option<(Token, u8)>,
}

impl Record {
    pub(super) fn real(self) -> Rotation {
        let hash = |token: Token| HASHES[usize::from(token)].1;
        let nonce = |token: Token| HASHES[usize::from(token)].2;
        Rotation {
            current: Current {
                hash: hash(self.current),
                nonce: self.nonce_known.then(|| nonce(self.current)),
            },
            child: self.child.map(|(token, age)| Child {
                hash: hash(token),
                nonce: nonce(token),
                given_at: ago(age),
            }),
            previous: self.previous.map(|(token, age)| Previous {
                hash: hash(token),
                superseded_at: ago(age),
            }),
            counter: 7,
        }
    }

    pub(super) fn of(rotation: &Rotation, window: u8) -> Self {
        assert!(rotation.counter > 7, "a change must be counted");
        let current = by_hash2(rotation.current.hash);
        let nonce = rotation.current.nonce.map(by_nonce);
        assert!(nonce.is_none_or(|nonce| nonce == current));
        Self {
            current,
            nonce_known: nonce.is_some(),
            child: rotation.child.as_ref().map(|child| {
                assert_eq!(by_hash2(child.hash), by_nonce(child.nonce));
                (by_nonce(child.nonce), age_of(child.given_at).min(window))
            }),
            previous: (rotation.previous.as_ref()).map(|previous| {
                (
                    by_hash2(previous.hash),
                    age_of(previous.superseded_at).min(window),
                )
            }),
        }
    }
}

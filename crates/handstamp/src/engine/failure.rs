//! What an engine suffers from.

use std::error::Error as StdError;
use std::fmt;

use crate::entropy::EntropyError;
use crate::jws::KeyError;
#[cfg(feature = "remote")]
use crate::remote::RemoteError;
use crate::storage::{StorageError, StorageFault};

/// The store, the keys, the randomness or a server elsewhere failed.
#[derive(Debug)]
pub struct Failure(FailureKind);

#[derive(Debug)]
enum FailureKind {
    Storage(StorageError),
    Key(KeyError),
    Entropy(EntropyError),
    Contended(&'static str),
    #[cfg(feature = "remote")]
    Remote(RemoteError),
}

impl Failure {
    #[cfg(feature = "remote")]
    pub(crate) fn remote(error: RemoteError) -> Self {
        Self(FailureKind::Remote(error))
    }

    pub(crate) fn contended(what: &'static str) -> Self {
        Self(FailureKind::Contended(what))
    }

    /// What the store suffers from, if it is the store.
    #[must_use]
    pub fn storage_fault(&self) -> Option<StorageFault> {
        match &self.0 {
            FailureKind::Storage(error) => Some(error.fault()),
            FailureKind::Key(_) | FailureKind::Entropy(_) | FailureKind::Contended(_) => None,
            #[cfg(feature = "remote")]
            FailureKind::Remote(_) => None,
        }
    }

    /// Whether a write may have happened although the request failed. Repeating the request is safe all the same, but at a
    /// server elsewhere, where it may be carried out twice.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match &self.0 {
            FailureKind::Storage(error) => error.is_outcome_unknown(),
            #[cfg(feature = "remote")]
            FailureKind::Remote(error) => error.is_outcome_unknown(),
            FailureKind::Key(_) | FailureKind::Entropy(_) | FailureKind::Contended(_) => false,
        }
    }

    /// Whether the same request may succeed later without anybody mending anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match &self.0 {
            FailureKind::Storage(error) => error.is_transient(),
            FailureKind::Contended(_) => true,
            #[cfg(feature = "remote")]
            FailureKind::Remote(error) => error.is_transient(),
            FailureKind::Key(_) | FailureKind::Entropy(_) => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            FailureKind::Storage(error) => error.fmt(f),
            FailureKind::Key(error) => error.fmt(f),
            FailureKind::Entropy(error) => error.fmt(f),
            FailureKind::Contended(what) => {
                write!(f, "too many changed the same {what} at the same time")
            }
            #[cfg(feature = "remote")]
            FailureKind::Remote(error) => error.fmt(f),
        }
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            FailureKind::Storage(error) => error.source(),
            #[cfg(feature = "remote")]
            FailureKind::Remote(error) => error.cause(),
            FailureKind::Key(_) | FailureKind::Entropy(_) | FailureKind::Contended(_) => None,
        }
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self(FailureKind::Storage(error))
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self(FailureKind::Key(error))
    }
}

impl From<EntropyError> for Failure {
    fn from(error: EntropyError) -> Self {
        Self(FailureKind::Entropy(error))
    }
}

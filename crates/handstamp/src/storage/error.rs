//! When a database does not do its part.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// A database did not do its part. Says whether the write may have happened all the same, and whether trying again makes sense.
#[derive(Debug)]
pub struct StorageError {
    fault: StorageFault,
    outcome_unknown: bool,
    detail: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`StorageError`], as far as an operator acts on them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageFault {
    /// Not reached, or lost on the way.
    Unavailable,
    /// Held up by others for too long.
    Busy,
    /// No space left.
    Full,
    /// Not to be written to.
    ReadOnly,
    /// What is stored contradicts itself or the schema.
    Inconsistent,
    /// Not one of ours, or of a version that is not known here.
    Unsuitable,
    /// The store has been closed.
    Closed,
    /// Anything else.
    Other,
}

impl StorageError {
    /// A fault that left nothing written.
    #[must_use]
    pub fn new(fault: StorageFault, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            fault,
            outcome_unknown: false,
            detail: detail.into(),
            source: None,
        }
    }

    /// A stored value that cannot be: `place` is `table.column`.
    #[must_use]
    pub fn inconsistent(place: &'static str, why: impl fmt::Display) -> Self {
        Self::new(StorageFault::Inconsistent, format!("{place}: {why}"))
    }

    /// The same, with its cause.
    #[must_use]
    pub fn because(self, source: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Box::new(source)),
            ..self
        }
    }

    /// The same, but the write may have happened.
    #[must_use]
    pub fn with_outcome_unknown(self) -> Self {
        Self {
            outcome_unknown: true,
            ..self
        }
    }

    /// What kind of fault it is.
    #[must_use]
    pub fn fault(&self) -> StorageFault {
        self.fault
    }

    /// Whether the write may have happened although it was not acknowledged.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }

    /// Whether the same call may succeed later without anybody mending anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.fault, StorageFault::Unavailable | StorageFault::Busy)
    }
}

impl fmt::Display for StorageFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the database is not available",
            Self::Busy => "the database is busy",
            Self::Full => "the database has no space left",
            Self::ReadOnly => "the database is read-only",
            Self::Inconsistent => "the database contradicts itself",
            Self::Unsuitable => "the database cannot be used",
            Self::Closed => "the database has been closed",
            Self::Other => "the database failed",
        })
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = self.fault;
        write!(f, "{fault}: {}", self.detail)?;
        if self.outcome_unknown {
            f.write_str(" (the write may have happened)")?;
        }
        Ok(())
    }
}

impl StdError for StorageError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

//! What goes wrong between a pool and a server, in our terms, whatever the kind of database.

use std::borrow::Cow;
use std::io::ErrorKind;

use sqlx::Error;

use super::super::StorageError;
use super::{Access, Driver, Failed, Remedy, StorageFault};

/// Why there is no connection.
pub(in crate::storage) struct NoConnection {
    fault: StorageFault,
    why: String,
}

impl NoConnection {
    /// `why` says where as well.
    pub(in crate::storage) fn new(fault: StorageFault, why: impl Into<String>) -> Self {
        Self {
            fault,
            why: why.into(),
        }
    }

    /// Whether there may be one in a moment, or another server may have one.
    pub(in crate::storage) fn may_pass(&self) -> bool {
        may_pass(self.fault)
    }

    pub(in crate::storage) fn failed(self) -> Failed {
        without_a_row(self.fault, self.why)
    }
}

/// Whether a server that failed to take a connection in this way may take one in a moment, or another server may.
pub(in crate::storage) fn may_pass(fault: StorageFault) -> bool {
    matches!(
        fault,
        StorageFault::Unavailable | StorageFault::Busy | StorageFault::ReadOnly
    )
}

/// What the failure of a piece of work means.
pub(super) fn of_work<D: Driver>(error: &Error, access: Access) -> (Failed, Remedy) {
    match error {
        Error::Database(error) => D::reported(&**error, access),
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => {
            (lost(error.to_string(), access), Remedy::Reconnect)
        }
        // No statement that may find nothing is asked for one row: this says that it was undone because of others.
        Error::RowNotFound => {
            let failed = without_a_row(StorageFault::Busy, "others change the same rows");
            (failed, Remedy::Repeat)
        }
        // Values that cannot be sent, rows that cannot be read: the driver's words for these may quote them.
        _ => {
            let mut failed = without_a_row(StorageFault::Other, "the driver cannot do that");
            failed.outcome_unknown = access == Access::Write;
            (failed, Remedy::GiveUp)
        }
    }
}

/// What the failure to connect means, and why it is one.
pub(in crate::storage) fn to_connect<D: Driver>(error: &Error) -> (StorageFault, String) {
    match error {
        Error::Database(error) => {
            let failed = D::reported(&**error, Access::Read).0;
            (failed.fault, failed.detail.into_owned())
        }
        // What TLS makes of a certificate or of the server's words. Another server may do better, or this one with another certificate.
        Error::Io(why) if why.kind() == ErrorKind::InvalidData => {
            (StorageFault::Unavailable, format!("no encryption: {why}"))
        }
        Error::Io(why) => (StorageFault::Unavailable, why.to_string()),
        // As when the server ends half-way.
        Error::Protocol(why) => (StorageFault::Unavailable, why.clone()),
        Error::Configuration(why) => (StorageFault::Other, why.to_string()),
        Error::Tls(why) => (StorageFault::Other, format!("no encryption: {why}")),
        _ => (StorageFault::Other, error.to_string()),
    }
}

/// The same, where there is nobody to be told but an operator.
pub(in crate::storage) fn not_connected<D: Driver>(error: &Error, place: &str) -> StorageError {
    let (fault, why) = to_connect::<D>(error);
    StorageError::new(fault, format!("{} at {place}: {why}", D::NAME))
}

/// The connection was lost, or the answer did not come in time.
pub(super) fn lost(why: impl Into<Cow<'static, str>>, access: Access) -> Failed {
    Failed {
        outcome_unknown: access == Access::Write,
        ..without_a_row(StorageFault::Unavailable, why)
    }
}

/// A failure that has to do with no row, and left nothing written.
pub(in crate::storage) fn without_a_row(
    fault: StorageFault,
    detail: impl Into<Cow<'static, str>>,
) -> Failed {
    Failed {
        fault,
        outcome_unknown: false,
        detail: detail.into(),
        may_be_one_row: false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
pub(in crate::storage) fn told(failed: Failed) -> StorageError {
    failed.told()
}

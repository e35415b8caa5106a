//! What PostgreSQL reports, in our terms. Its messages name tables, columns and constraints; what holds values is left out.

use std::borrow::Cow;

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::storage::StorageFault;
use crate::storage::coalesce::Failed;

/// Whether a statement changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What is to be done about a failure before anybody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing was done, because others were at the same rows: once more.
    Repeat,
    /// The connection is of no use any more; another may be.
    Reconnect,
    /// The server takes no writes; another may.
    Elsewhere,
    /// The connection is of no use any more, and it took long to find out.
    GiveUp,
    /// None.
    None,
}

/// What the failure of a statement means.
pub(super) fn of_statement(error: &Error, access: Access) -> (Failed, Remedy) {
    match error {
        Error::Database(error) => reported(&**error, access),
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => {
            (lost(error.to_string(), access), Remedy::Reconnect)
        }
        Error::PoolClosed => (
            without_a_row(StorageFault::Closed, "PostgreSQL"),
            Remedy::None,
        ),
        // Values that cannot be sent, rows that cannot be read: the driver's words for these may quote them.
        _ => {
            let mut failed = without_a_row(StorageFault::Other, "the driver cannot do that");
            failed.outcome_unknown = access == Access::Write;
            (failed, Remedy::GiveUp)
        }
    }
}

/// The connection was lost, or the answer did not come in time.
pub(super) fn lost(why: impl Into<Cow<'static, str>>, access: Access) -> Failed {
    Failed {
        outcome_unknown: access == Access::Write,
        ..without_a_row(StorageFault::Unavailable, why)
    }
}

/// A failure that has to do with no row, and left nothing written.
pub(super) fn without_a_row(fault: StorageFault, detail: impl Into<Cow<'static, str>>) -> Failed {
    Failed {
        fault,
        outcome_unknown: false,
        detail: detail.into(),
        may_be_one_row: false,
    }
}

/// What the failure to connect means, and why it is one.
pub(super) fn to_connect(error: &Error) -> (StorageFault, String) {
    match error {
        Error::Database(error) => (fault_of(error.code().as_deref()), told(&**error)),
        Error::Io(why) => (StorageFault::Unavailable, why.to_string()),
        // As when the server ends half-way.
        Error::Protocol(why) => (StorageFault::Unavailable, why.clone()),
        Error::Configuration(why) => (StorageFault::Other, why.to_string()),
        Error::Tls(why) => (StorageFault::Other, format!("no encryption: {why}")),
        _ => (StorageFault::Other, error.to_string()),
    }
}

pub(super) fn code(error: &Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

fn reported(error: &dyn DatabaseError, access: Access) -> (Failed, Remedy) {
    let code = error.code();
    let fault = fault_of(code.as_deref());
    let severity = error
        .try_downcast_ref::<PgDatabaseError>()
        .map(PgDatabaseError::severity);
    // An ERROR has undone the statement. With anything graver the server hangs up, and does not say what became of it.
    let hung_up = matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic));
    let failed = Failed {
        fault,
        outcome_unknown: hung_up && access == Access::Write,
        detail: told(error).into(),
        may_be_one_row: !hung_up
            && matches!(
                fault,
                StorageFault::Inconsistent | StorageFault::Busy | StorageFault::Other
            ),
    };
    let remedy = match code.as_deref() {
        _ if hung_up => Remedy::Reconnect,
        Some(SERIALIZATION | DEADLOCK) => Remedy::Repeat,
        Some(READ_ONLY) => Remedy::Elsewhere,
        _ => Remedy::None,
    };
    (failed, remedy)
}

/// The server's message, but for those that quote what they complain of.
fn told(error: &dyn DatabaseError) -> String {
    let code = error.code().unwrap_or_default();
    if code.starts_with("22") {
        format!("PostgreSQL refused a value (SQLSTATE {code})")
    } else {
        format!("{} (SQLSTATE {code})", error.message())
    }
}

const SERIALIZATION: &str = "40001";
const DEADLOCK: &str = "40P01";
const READ_ONLY: &str = "25006";

fn fault_of(code: Option<&str>) -> StorageFault {
    let code = code.unwrap_or_default();
    match code {
        SERIALIZATION | DEADLOCK | "55P03" | "57014" | "53300" | "53200" => StorageFault::Busy,
        "53100" => StorageFault::Full,
        READ_ONLY | "42501" => StorageFault::ReadOnly,
        _ => match code.get(..2).unwrap_or_default() {
            "08" | "57" | "58" => StorageFault::Unavailable,
            "22" | "23" | "42" | "XX" => StorageFault::Inconsistent,
            _ => StorageFault::Other,
        },
    }
}

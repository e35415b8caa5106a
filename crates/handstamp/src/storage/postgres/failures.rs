//! What PostgreSQL reports, in our terms. Its messages name tables, columns and constraints; what holds values is left out.

use std::borrow::Cow;

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

use crate::storage::StorageFault;
use crate::storage::coalesce::Failed;
use crate::storage::pool::{Access, Remedy};

pub(super) fn code(error: &Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// What a failure that PostgreSQL reported means.
pub(super) fn reported(error: &dyn DatabaseError, access: Access) -> (Failed, Remedy) {
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

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
    let severity = error
        .try_downcast_ref::<PgDatabaseError>()
        .map(PgDatabaseError::severity);
    let graver = matches!(severity, Some(PgSeverity::Fatal | PgSeverity::Panic));
    let (fault, hung_up) = gravity(code.as_deref().unwrap_or_default(), graver);
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

/// What it is, and whether nobody knows what became of the statement. An ERROR has undone it. With anything graver the server hangs up,
/// and does not say; nor do those that stand between us and it, when they say that they lost it, or it, when it says that it does not know.
fn gravity(code: &str, graver: bool) -> (StorageFault, bool) {
    let class = code.get(..2).unwrap_or_default();
    let hung_up = graver || class == "08" || code == COMPLETION_UNKNOWN;
    let fault = match fault_of(Some(code)) {
        StorageFault::Inconsistent if hung_up && class == "XX" => StorageFault::Unavailable,
        fault => fault,
    };
    (fault, hung_up)
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
const COMPLETION_UNKNOWN: &str = "40003";
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
            _ if code == COMPLETION_UNKNOWN => StorageFault::Unavailable,
            "22" | "23" | "42" | "XX" => StorageFault::Inconsistent,
            _ => StorageFault::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_knows_what_became_of_a_statement_whose_server_was_lost() {
        use StorageFault::{Busy, Inconsistent, Other, ReadOnly, Unavailable};
        for (code, graver, expected) in [
            ("23505", false, (Inconsistent, false)),
            ("40001", false, (Busy, false)),
            ("25006", false, (ReadOnly, false)),
            ("P0001", false, (Other, false)),
            // What distributed databases say of a commit that they lost sight of.
            ("40003", false, (Unavailable, true)),
            // Poolers say so of servers that are gone, and do not hang up.
            ("08006", false, (Unavailable, true)),
            ("08007", false, (Unavailable, true)),
            ("XX000", false, (Inconsistent, false)),
            ("XX000", true, (Unavailable, true)),
            ("57P01", true, (Unavailable, true)),
            ("53300", true, (Busy, true)),
            // A wrong password is not better in a moment.
            ("28P01", true, (Other, true)),
        ] {
            assert_eq!(gravity(code, graver), expected, "{code}");
        }
    }
}

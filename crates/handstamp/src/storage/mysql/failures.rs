//! What MySQL and MariaDB report, in our terms. Many of their messages quote values, so only those are told that do not.

use sqlx::Error;
use sqlx::error::DatabaseError;
use sqlx::mysql::MySqlDatabaseError;

use crate::storage::StorageFault;
use crate::storage::coalesce::Failed;
use crate::storage::pool::{Access, Remedy};

/// What a failure that the server reported means.
pub(super) fn reported(error: &dyn DatabaseError, access: Access) -> (Failed, Remedy) {
    let number = number(error);
    let (fault, hung_up, remedy) = gravity(number);
    let failed = Failed {
        fault,
        outcome_unknown: hung_up && access == Access::Write,
        detail: told(error, number).into(),
        may_be_one_row: matches!(
            fault,
            StorageFault::Inconsistent | StorageFault::Busy | StorageFault::Other
        ),
    };
    (failed, remedy)
}

/// What it is, whether nobody knows what became of the statement, and what is to be done. What is reported otherwise has undone the
/// statement. When a server is lost it hangs up, and does not say.
fn gravity(number: u16) -> (StorageFault, bool, Remedy) {
    let fault = fault_of(number);
    let hung_up = fault == StorageFault::Unavailable;
    let remedy = match number {
        _ if hung_up => Remedy::Reconnect,
        DEADLOCK | LOCK_WAIT | CHANGED | HOOK | CERTIFICATION => Remedy::Repeat,
        // The server has hung up, but it says that it did nothing.
        PACKET_TOO_LARGE => Remedy::Reconnect,
        // There may be another primary by now.
        1290 | 1792 | 1836 => Remedy::Elsewhere,
        _ => Remedy::None,
    };
    (fault, hung_up, remedy)
}

/// There is a row of that key already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    has_number(error, DUPLICATE)
}

/// It was undone, because others were at the same rows, also at another node.
pub(super) fn is_deadlock(error: &Error) -> bool {
    has_number(error, DEADLOCK)
}

pub(super) fn is_missing_table(error: &Error) -> bool {
    has_number(error, NO_SUCH_TABLE)
}

fn has_number(error: &Error, expected: u16) -> bool {
    let error = error.as_database_error();
    error.is_some_and(|error| number(error) == expected)
}

fn number(error: &dyn DatabaseError) -> u16 {
    let error = error.try_downcast_ref::<MySqlDatabaseError>();
    error.map_or(0, MySqlDatabaseError::number)
}

fn told(error: &dyn DatabaseError, number: u16) -> String {
    match number {
        PACKET_TOO_LARGE => {
            format!("the server's max_allowed_packet is too small for this (error {number})")
        }
        _ if QUOTES_NOTHING.contains(&number) => format!("{} (error {number})", error.message()),
        _ if fault_of(number) == StorageFault::Inconsistent => {
            format!("MySQL refused a value (error {number})")
        }
        _ => format!("MySQL reports error {number}"),
    }
}

fn fault_of(number: u16) -> StorageFault {
    match number {
        // Too many connections, out of memory, a limit of the account, interrupted, not in time.
        DEADLOCK | LOCK_WAIT | CHANGED | HOOK | CERTIFICATION | 1037 | 1040 | 1041 | 1203
        | 1226 | 1317 | 1969 | 3024 => StorageFault::Busy,
        1021 | 1114 => StorageFault::Full,
        1142 | 1143 | 1290 | 1792 | 1836 => StorageFault::ReadOnly,
        // Shut down, killed, idle for too long, garbled or cut on the way, not yet or no longer part of a cluster, failed in the
        // middle of a commit.
        1047 | 1053 | 1077 | 1079 | 1152 | 1154..=1161 | 1180 | 1184 | 1927 | 3169 | 4031 => {
            StorageFault::Unavailable
        }
        // Null, unknown column, syntax, too long, out of range, no default, not text, a constraint that does not hold.
        DUPLICATE | NO_SUCH_TABLE | 1048 | 1054 | 1064 | 1264 | 1265 | 1292 | 1364 | 1366
        | 1406 | 3819 | 4025 => StorageFault::Inconsistent,
        _ => StorageFault::Other,
    }
}

const DEADLOCK: u16 = 1213;
const LOCK_WAIT: u16 = 1205;
/// MariaDB: the row has changed since the transaction began to look.
const CHANGED: u16 = 1020;
/// MySQL: what replicates to a group has rolled it back, as members wrote to the same rows, or as the group was not to be had.
const HOOK: u16 = 3100;
const CERTIFICATION: u16 = 3101;
const DUPLICATE: u16 = 1062;
const NO_SUCH_TABLE: u16 = 1146;
const PACKET_TOO_LARGE: u16 = 1153;

/// Their messages name tables, columns, accounts, databases and settings at the most.
const QUOTES_NOTHING: &[u16] = &[
    DEADLOCK,
    LOCK_WAIT,
    NO_SUCH_TABLE,
    1021,
    1040,
    1044,
    1045,
    1047,
    1048,
    1049,
    1053,
    1054,
    1114,
    1129,
    1130,
    1142,
    1203,
    1226,
    1264,
    1290,
    1317,
    1364,
    1406,
    1665,
    1698,
    1792,
    1836,
    1927,
    1969,
    3024,
    3819,
    4025,
    4031,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_knows_what_became_of_a_statement_whose_server_was_lost() {
        use StorageFault::{Busy, Inconsistent, Other, ReadOnly, Unavailable};
        for (number, expected) in [
            (DUPLICATE, (Inconsistent, false, Remedy::None)),
            (DEADLOCK, (Busy, false, Remedy::Repeat)),
            // Rolled back by what replicates.
            (3100, (Busy, false, Remedy::Repeat)),
            (3101, (Busy, false, Remedy::Repeat)),
            (PACKET_TOO_LARGE, (Other, false, Remedy::Reconnect)),
            (1290, (ReadOnly, false, Remedy::Elsewhere)),
            // On the way to the server, or back.
            (1154, (Unavailable, true, Remedy::Reconnect)),
            (1155, (Unavailable, true, Remedy::Reconnect)),
            (1156, (Unavailable, true, Remedy::Reconnect)),
            (1157, (Unavailable, true, Remedy::Reconnect)),
            (1158, (Unavailable, true, Remedy::Reconnect)),
            (1161, (Unavailable, true, Remedy::Reconnect)),
            (1053, (Unavailable, true, Remedy::Reconnect)),
            // A wrong password is not better in a moment.
            (1045, (Other, false, Remedy::None)),
        ] {
            assert_eq!(gravity(number), expected, "{number}");
        }
    }
}

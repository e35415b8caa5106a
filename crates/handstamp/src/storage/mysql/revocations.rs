//! Revocations, alone or many in a statement.

use sqlx::query;

use super::asked::{Asked, asked};
use super::batches::{bind_place, hold_and_write};
use super::database::Database;
use crate::storage::coalesce::{Failed, Place, Statement};

pub(super) struct Revoke(pub(super) Database);

impl Statement for Revoke {
    type Work = ();
    /// Whether it was there.
    type Outcome = bool;
    const ONE_PER_SESSION: bool = true;

    async fn run(&self, batch: &[(Place, ())]) -> Result<Vec<bool>, Failed> {
        if let [(place, ())] = batch {
            let revoked = self.0.count(|| bind_place(query(REVOKE), place));
            return Ok(vec![revoked.await? > 0]);
        }
        let numbered: Vec<_> = (1..).zip(batch).collect();
        let asked: Result<Vec<_>, _> = numbered
            .chunks(REVOKED_AT_ONCE)
            .map(|some| {
                let some = some
                    .iter()
                    .map(|(number, (place, work))| (*number, &place.app, &place.handle, work));
                Asked::of_some(some, self.0.most_bytes, |_, ()| {})
            })
            .collect();
        hold_and_write(&self.0, &asked?, (HOLD_MANY, DELETE_MANY), batch.len()).await
    }
}

/// How many sessions one statement names.
const REVOKED_AT_ONCE: usize = 1_000;

pub(super) const REVOKE: &str =
    "DELETE FROM handstamp_sessions WHERE app = ? AND tenant = ? AND handle = ?";

pub(super) const HOLD_MANY: &str = concat!("SELECT asked.number FROM ", asked!(), " FOR UPDATE");

pub(super) const DELETE_MANY: &str = concat!("DELETE s FROM ", asked!());

//! Rotations: conditional writes, alone or many in a statement.

use sqlx::query;

use super::asked::{Asked, asked};
use super::batches::{ask_rotation, bind_place, bind_rotation, hold_and_write};
use super::database::Database;
use crate::storage::coalesce::{Failed, Place, Statement};
use crate::storage::work::{guarded, signed};
use crate::storage::{Guarded, Renewal};

/// What a rotation is to be, and what it depends on.
pub(super) struct Rotated {
    pub(super) expected: u64,
    /// The payload's version, where the whole session must be as it was read.
    pub(super) payload_version: Option<u64>,
    pub(super) next: Renewal,
}

pub(super) struct Rotate(pub(super) Database);

impl Statement for Rotate {
    type Work = Rotated;
    type Outcome = Guarded;
    const ONE_PER_SESSION: bool = true;

    async fn run(&self, batch: &[(Place, Rotated)]) -> Result<Vec<Guarded>, Failed> {
        if let [(place, work)] = batch {
            let rotated = self.0.count(|| {
                let bound = bind_rotation(query(ROTATE), &work.next.rotation)
                    .bind(work.next.static_key)
                    .bind(work.next.expires_at.as_millis())
                    .bind(work.next.expires_at.as_millis());
                bind_place(bound, place)
                    .bind(signed(work.expected))
                    .bind(work.payload_version.map(signed))
            });
            return Ok(vec![guarded(rotated.await? > 0)]);
        }
        let asked = Asked::for_each(batch, self.0.most_bytes, |asked, work| {
            asked.number("expected", signed(work.expected));
            asked.number("payload_version", work.payload_version.map(signed));
            asked.number("expires_at", work.next.expires_at.as_millis());
            asked.number("static_key", i64::from(work.next.static_key));
            ask_rotation(asked, &work.next.rotation);
        })?;
        let statements = (HOLD_ROTATIONS, ROTATE_MANY);
        let rotated = hold_and_write(&self.0, &[asked], statements, batch.len()).await?;
        Ok(rotated.into_iter().map(guarded).collect())
    }
}

pub(super) const ROTATE: &str = "UPDATE handstamp_sessions SET
         current_hash = ?, current_nonce = ?, child_hash = ?, child_nonce = ?, child_given_at = ?,
         previous_hash = ?, previous_superseded_at = ?, counter = ?,
         static_key = ?, expires_at = ?, sweep_at = LEAST(sweep_at, ?)
     WHERE app = ? AND tenant = ? AND handle = ? AND counter = ?
         AND payload_version = COALESCE(?, payload_version)";

macro_rules! asked_rotations {
    () => {
        asked!(
            , "expected BIGINT PATH '$.expected'",
            "payload_version BIGINT PATH '$.payload_version'",
            "expires_at BIGINT PATH '$.expires_at'",
            "static_key BIGINT PATH '$.static_key'",
            "current_hash VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.current_hash'",
            "current_nonce VARCHAR(32) CHARACTER SET utf8mb4 PATH '$.current_nonce'",
            "child_hash VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.child_hash'",
            "child_nonce VARCHAR(32) CHARACTER SET utf8mb4 PATH '$.child_nonce'",
            "child_given_at BIGINT PATH '$.child_given_at'",
            "previous_hash VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.previous_hash'",
            "previous_superseded_at BIGINT PATH '$.previous_superseded_at'",
            "counter BIGINT PATH '$.counter'"
        )
    };
}

macro_rules! rotations_that_hold {
    () => {
        " WHERE s.counter = asked.expected AND s.payload_version = COALESCE(asked.payload_version, s.payload_version)"
    };
}

pub(super) const HOLD_ROTATIONS: &str = concat!(
    "SELECT asked.number FROM ",
    asked_rotations!(),
    rotations_that_hold!(),
    " FOR UPDATE"
);

pub(super) const ROTATE_MANY: &str = concat!(
    "UPDATE ",
    asked_rotations!(),
    " SET
         s.current_hash = UNHEX(asked.current_hash), s.current_nonce = UNHEX(asked.current_nonce),
         s.child_hash = UNHEX(asked.child_hash), s.child_nonce = UNHEX(asked.child_nonce),
         s.child_given_at = asked.child_given_at,
         s.previous_hash = UNHEX(asked.previous_hash), s.previous_superseded_at = asked.previous_superseded_at,
         s.counter = asked.counter, s.static_key = asked.static_key, s.expires_at = asked.expires_at,
         s.sweep_at = LEAST(s.sweep_at, asked.expires_at)",
    rotations_that_hold!()
);

//! Writes of JWT payloads, alone or many in a statement.

use sqlx::query;

use super::asked::{Asked, asked};
use super::batches::{bind_place, hold_and_write};
use super::database::Database;
use crate::storage::coalesce::{Failed, Place, Statement};
use crate::storage::work::NewPayload;

pub(super) struct WritePayload(pub(super) Database);

impl Statement for WritePayload {
    type Work = NewPayload;
    /// Whether there was a session that is alive.
    type Outcome = bool;
    const ONE_PER_SESSION: bool = true;

    fn bytes(work: &NewPayload) -> usize {
        work.payload.as_str().len()
    }

    async fn run(&self, batch: &[(Place, NewPayload)]) -> Result<Vec<bool>, Failed> {
        if let [(place, work)] = batch {
            let written = self.0.count(|| {
                let bound = query(WRITE_PAYLOAD).bind(work.payload.as_str());
                bind_place(bound, place).bind(work.now.as_millis())
            });
            return Ok(vec![written.await? > 0]);
        }
        let asked = Asked::for_each(batch, self.0.most_bytes, |asked, work| {
            asked.text("payload", work.payload.as_str());
            asked.number("moment", work.now.as_millis());
        })?;
        let statements = (HOLD_PAYLOADS, WRITE_PAYLOADS);
        hold_and_write(&self.0, &[asked], statements, batch.len()).await
    }
}

pub(super) const WRITE_PAYLOAD: &str = "UPDATE handstamp_sessions
     SET jwt_payload = ?, payload_version = payload_version + 1
     WHERE app = ? AND tenant = ? AND handle = ? AND expires_at > ?";

macro_rules! asked_payloads {
    () => {
        asked!(
            , "payload LONGTEXT CHARACTER SET utf8mb4 PATH '$.payload'",
            "moment BIGINT PATH '$.moment'"
        )
    };
}

pub(super) const HOLD_PAYLOADS: &str = concat!(
    "SELECT asked.number FROM ",
    asked_payloads!(),
    " WHERE s.expires_at > asked.moment FOR UPDATE"
);

pub(super) const WRITE_PAYLOADS: &str = concat!(
    "UPDATE ",
    asked_payloads!(),
    " SET s.jwt_payload = asked.payload, s.payload_version = s.payload_version + 1
     WHERE s.expires_at > asked.moment"
);

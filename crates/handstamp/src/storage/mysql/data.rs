//! Writes of session data, alone or many in a statement.

use std::collections::BTreeSet;

use sqlx::mysql::MySqlRow;
use sqlx::{Error, MySql, Row as _, Transaction, query};

use super::asked::{Asked, asked};
use super::batches::{all_of, bind_place};
use super::database::{Database, Steps, Together};
use crate::storage::coalesce::{Failed, Place, Statement};
use crate::storage::pool::{Access, without_a_row};
use crate::storage::rows::{self, Meaning};
use crate::storage::work::{NewData, signed};
use crate::storage::{DataWrite, StorageFault};

pub(super) struct WriteData(pub(super) Database);

impl Statement for WriteData {
    type Work = NewData;
    type Outcome = Option<Meaning<DataWrite>>;
    const ONE_PER_SESSION: bool = true;

    fn bytes(work: &NewData) -> usize {
        work.data.as_str().len()
    }

    async fn run(&self, batch: &[(Place, NewData)]) -> Result<Vec<Self::Outcome>, Failed> {
        if let [(place, work)] = batch {
            return Ok(vec![self.write_one(place, work).await?]);
        }
        let asked = Asked::for_each(batch, self.0.most_bytes, |asked, work| {
            asked.text("data", work.data.as_str());
            asked.number("expected", work.expected.map(signed));
            asked.number("moment", work.now.as_millis());
        })?;
        let work = Together(WriteMany(&asked));
        let held = self.0.run(Access::Write, &work).await?;
        rows::in_order(&held, Access::Write, batch.len(), rows::data_write)
    }
}

impl WriteData {
    async fn write_one(
        &self,
        place: &Place,
        work: &NewData,
    ) -> Result<Option<Meaning<DataWrite>>, Failed> {
        /// Others may come in between, but not for ever.
        const ROUNDS: u32 = 16;
        let expected = work.expected.map(signed);
        for _ in 0..ROUNDS {
            let written = self.0.count_and_id(|| {
                let bound = query(WRITE_DATA).bind(work.data.as_str());
                bind_place(bound, place)
                    .bind(work.now.as_millis())
                    .bind(expected)
            });
            let written = written.await?;
            if written.rows > 0 {
                return Ok(Some(Ok(DataWrite::Written(written.id))));
            }
            let found = self.0.rows(Access::Read, || {
                bind_place(query(DATA_VERSION), place).bind(work.now.as_millis())
            });
            let version = match found.await?.first().map(rows::data_version) {
                None => return Ok(None),
                Some(Err(error)) => return Ok(Some(Err(error))),
                Some(Ok(version)) => version,
            };
            if expected.is_some_and(|expected| expected != version) {
                return Ok(Some(Ok(DataWrite::Conflict)));
            }
            // It came, or came to have this version, just now.
        }
        Err(without_a_row(
            StorageFault::Busy,
            "others change the same rows",
        ))
    }
}

struct WriteMany<'a>(&'a Asked);

impl Steps for WriteMany<'_> {
    type Outcome = Vec<MySqlRow>;

    async fn steps(
        &self,
        transaction: &mut Transaction<'_, MySql>,
    ) -> Result<Vec<MySqlRow>, Error> {
        let held = self.0.bind(HOLD_DATA).fetch_all(&mut **transaction).await?;
        let mut fit = BTreeSet::new();
        for row in &held {
            if row.try_get::<Option<i64>, _>(1)?.is_some() {
                fit.insert(row.try_get(0)?);
            }
        }
        if !fit.is_empty() {
            let written = self.0.bind(WRITE_MANY).execute(&mut **transaction).await?;
            all_of(written.rows_affected(), &fit)?;
        }
        Ok(held)
    }
}

// LAST_INSERT_ID with a value brings that back with the answer, and has nothing to do with insertions.
pub(super) const WRITE_DATA: &str = "UPDATE handstamp_sessions
     SET data = ?, data_version = LAST_INSERT_ID(data_version + 1)
     WHERE app = ? AND tenant = ? AND handle = ? AND expires_at > ?
         AND data_version = COALESCE(?, data_version)";

pub(super) const DATA_VERSION: &str = "SELECT data_version FROM handstamp_sessions
     WHERE app = ? AND tenant = ? AND handle = ? AND expires_at > ?";

macro_rules! asked_data {
    () => {
        asked!(
            , "data LONGTEXT CHARACTER SET utf8mb4 PATH '$.data'",
            "expected BIGINT PATH '$.expected'",
            "moment BIGINT PATH '$.moment'"
        )
    };
}

// The version it is going to have, if the expected one is there.
pub(super) const HOLD_DATA: &str = concat!(
    "SELECT asked.number,
         CASE WHEN s.data_version = COALESCE(asked.expected, s.data_version) THEN s.data_version + 1 END
     FROM ",
    asked_data!(),
    " WHERE s.expires_at > asked.moment FOR UPDATE"
);

pub(super) const WRITE_MANY: &str = concat!(
    "UPDATE ",
    asked_data!(),
    " SET s.data = asked.data, s.data_version = s.data_version + 1
     WHERE s.expires_at > asked.moment AND s.data_version = COALESCE(asked.expected, s.data_version)"
);

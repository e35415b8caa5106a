//! The steps that go alone, and the text of their statements.

use sqlx::mysql::MySqlRow;
use sqlx::{Error, MySql, Transaction, query};

use super::asked::{Asked, asked};
use super::database::{Database, Steps, Together};
use super::revocations::DELETE_MANY;
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::storage::StorageError;
use crate::storage::coalesce::Place;
use crate::storage::pool::{Access, told};
use crate::storage::rows;

pub(super) type Answer<T> = Result<T, StorageError>;

pub(super) async fn handles_of_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    now: UnixMillis,
) -> Answer<Vec<SessionHandle>> {
    let alive = of_user(database, app, tenant, user, Some(now)).await?;
    Ok(alive.into_iter().map(|(handle, _)| handle).collect())
}

/// With their ends; only those that are alive `at` a time, if there is one.
pub(super) async fn of_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    at: Option<UnixMillis>,
) -> Answer<Vec<(SessionHandle, UnixMillis)>> {
    let found = database.rows(Access::Read, || {
        query(OF_USER)
            .bind(app.as_str().as_bytes())
            .bind(user.as_str().as_bytes())
            .bind(tenant.map(|tenant| tenant.as_str().as_bytes()))
            .bind(at.map(UnixMillis::as_millis))
    });
    let found = found.await.map_err(told)?;
    found.iter().map(rows::handle_and_end).collect()
}

pub(super) const OF_USER: &str = "SELECT tenant, handle, expires_at FROM handstamp_sessions
     WHERE app = ? AND user_id = ? AND tenant = COALESCE(?, tenant) AND COALESCE(expires_at > ?, TRUE)";

/// Looks at rows that are due until it has deleted as many as it may, or no more are due. Rows that somebody is working on are
/// left for the next time.
pub(super) async fn sweep(database: &Database, now: UnixMillis, limit: u32) -> Answer<u32> {
    let mut swept = 0;
    while swept < limit {
        let most = (limit - swept).min(SWEEP_AT_ONCE);
        let work = Together(Sweep {
            now,
            most,
            most_bytes: database.most_bytes,
        });
        let looked = database.run(Access::Write, &work).await.map_err(told)?;
        let (due, gone) = looked?;
        swept += gone;
        if due < most {
            break;
        }
    }
    Ok(swept)
}

/// How many rows one statement of a sweep takes, so that nobody waits long behind it.
const SWEEP_AT_ONCE: u32 = 500;

struct Sweep {
    now: UnixMillis,
    most: u32,
    most_bytes: usize,
}

impl Steps for Sweep {
    /// How many were due, and how many of them have gone.
    type Outcome = Answer<(u32, u32)>;

    async fn steps(
        &self,
        transaction: &mut Transaction<'_, MySql>,
    ) -> Result<Self::Outcome, Error> {
        let due = query(DUE)
            .bind(self.now.as_millis())
            .bind(self.most)
            .fetch_all(&mut **transaction);
        let due = due.await?;
        let (ended, alive) = match self.sorted(&due) {
            Ok(sorted) => sorted,
            // Nothing was written.
            Err(error) => return Ok(Err(error)),
        };
        for (sql, asked) in [(DELETE_MANY, &ended), (PUT_OFF, &alive)] {
            if let Some(asked) = &asked.rows {
                asked.bind(sql).execute(&mut **transaction).await?;
            }
        }
        let due = u32::try_from(due.len()).unwrap_or(u32::MAX);
        Ok(Ok((due, ended.count)))
    }
}

/// Some of the rows that were due.
struct Batch {
    rows: Option<Asked>,
    count: u32,
}

impl Sweep {
    /// Those that have ended, and those that live on.
    fn sorted(&self, due: &[MySqlRow]) -> Answer<(Batch, Batch)> {
        let (mut ended, mut alive) = (Vec::new(), Vec::new());
        for row in due {
            let (place, expires_at) = rows::swept(row)?;
            if expires_at <= self.now {
                ended.push((place, ()));
            } else {
                alive.push((place, ()));
            }
        }
        Ok((self.batch(&ended)?, self.batch(&alive)?))
    }

    fn batch(&self, places: &[(Place, ())]) -> Answer<Batch> {
        let asked = Asked::for_each(places, self.most_bytes, |_, ()| {}).map_err(told)?;
        Ok(Batch {
            rows: (!places.is_empty()).then_some(asked),
            count: u32::try_from(places.len()).unwrap_or(u32::MAX),
        })
    }
}

pub(super) const DUE: &str = "SELECT app, tenant, handle, expires_at FROM handstamp_sessions
     WHERE sweep_at <= ? ORDER BY sweep_at LIMIT ? FOR UPDATE SKIP LOCKED";

pub(super) const PUT_OFF: &str = concat!("UPDATE ", asked!(), " SET s.sweep_at = s.expires_at");

pub(super) async fn ping(database: &Database) -> Answer<()> {
    let read = database.rows(Access::Read, || query(PING));
    read.await.map(drop).map_err(told)
}

// Of a table that stays small: the first row of another may stand behind many that were deleted.
const PING: &str = "SELECT MAX(version) FROM handstamp_schema";

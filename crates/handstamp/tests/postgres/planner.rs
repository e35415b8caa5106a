//! The plans that PostgreSQL makes by itself: without what our connections say to its planner, and with rows that were counted.

use handstamp::storage::Storage as _;
use libtest_mimic::Failed;
use testbed::postgres::Postgres;

use crate::fixture::{self, Town};
use crate::{explained, steps};

/// On a server of its own, which logs the plan of everything it runs.
pub(crate) fn no_statement_reads_all_sessions() -> Result<(), Failed> {
    let server = Postgres::start(&[]).unwrap();
    let quiet = server.url();
    fixture::run(&quiet, async |town| {
        let storage = town.open().await;
        steps::keep_all(&storage).await;
        storage.close().await;
        let mut client = town.client().await;
        client.run(MORE).await;
        client.run("ANALYZE handstamp_sessions").await;

        let told = Town {
            server: server.explained_url(),
            schema: town.schema,
        };
        let mut options = told.options();
        // With a limit goes what is said to the planner. One at a time, because the log is for all.
        (options.statement_timeout, options.max_connections) = (None, 1);
        let storage = told.open_with(&options).await;
        steps::take_every_step(&storage).await;
        storage.close().await;
    })?;
    explained::check(server.plans().unwrap(), "postgres");
    Ok(())
}

/// 33 of each: enough for reading all of them to cost more than looking for some.
const MORE: &str = "INSERT INTO handstamp_sessions (
         app, tenant, handle, user_id, created_at, expires_at, sweep_at, ends_at,
         counter, data_version, static_key, current_hash, jwt_payload, data)
     SELECT app, tenant, gen_random_uuid(), user_id || '-' || n, created_at, 20000 + n, 20000 + n, ends_at,
         counter, data_version, static_key, current_hash, jwt_payload, data
     FROM handstamp_sessions, generate_series(1, 33) AS n";

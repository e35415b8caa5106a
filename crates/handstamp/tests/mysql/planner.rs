//! The plans that MariaDB makes.

use handstamp::storage::Storage as _;
use libtest_mimic::Failed;
use testbed::mariadb::MariaDb;

use crate::fixture;
use crate::{explained, steps};

/// On a server of its own, which logs the plan of everything it runs.
pub(crate) fn no_statement_reads_all_sessions() -> Result<(), Failed> {
    let server = MariaDb::start().unwrap();
    fixture::run(server.url(), async |town| {
        let storage = town.open().await;
        steps::keep_all(&storage).await;
        storage.close().await;
        let mut client = town.client().await;
        client.run(MORE).await;
        client.run("ANALYZE TABLE handstamp_sessions").await;

        server.explain().unwrap();
        let storage = town.open().await;
        steps::take_every_step(&storage).await;
        storage.close().await;
    })?;
    explained::check(server.plans().unwrap(), "mysql");
    Ok(())
}

/// 33 of each: enough for reading all of them to cost more than looking for some.
const MORE: &str = "INSERT INTO handstamp_sessions (
         app, tenant, handle, user_id, created_at, expires_at, sweep_at, ends_at,
         counter, data_version, payload_version, static_key, current_hash, jwt_payload, data)
     SELECT app, tenant, UNHEX(MD5(CONCAT(handle, n))), CONCAT(user_id, '-', n), created_at, 20000 + n, 20000 + n,
         ends_at, counter, data_version, payload_version, static_key, current_hash, jwt_payload, data
     FROM handstamp_sessions, (
         WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < 33)
         SELECT n FROM numbers) AS n";

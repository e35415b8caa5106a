//! TLS to PostgreSQL: that it is used where it is asked for, and that a server which cannot show who it is gets no password.

use handstamp::storage::postgres::PostgresStorage;
use handstamp::storage::{Storage as _, StorageFault};
use libtest_mimic::Failed;
use testbed::Authority;
use testbed::postgres::Postgres;

use crate::fixture::{self, Town};
use crate::migrations::refused;
use crate::steps;

/// What the certificates of these tests are for: `127.0.0.1`, where the servers are as well, is another name.
const NAME: &str = "localhost";

/// By a server that takes nothing else, with the login that is usual.
pub(crate) fn steps_are_taken_over_tls() -> Result<(), Failed> {
    let authority = Authority::new().unwrap();
    let server = Postgres::start_encrypted(&authority, &[NAME]).unwrap();
    let by_name = server.url().replace("127.0.0.1", NAME);
    let trusted = format!("sslrootcert={}", authority.file().display());
    for url in [
        format!("{}?sslmode=require", server.url()),
        format!("{}?sslmode=verify-ca&{trusted}", server.url()),
        format!("{by_name}?sslmode=verify-full&{trusted}"),
        // The first of them cannot show that it is who it is said to be.
        two_hosts(&server, &format!("sslmode=verify-full&{trusted}")),
    ] {
        fixture::run(&server.url(), async |town| {
            let storage = town.open_at(&url, &town.options()).await;
            steps::keep_all(&storage).await;
            steps::take_every_step(&storage).await;
            let mut client = town.client().await;
            assert!(client.number(&connections(&town, "ssl")).await > 0);
            assert_eq!(client.number(&connections(&town, "NOT ssl")).await, 0);
            storage.close().await;
        })?;
    }
    Ok(())
}

/// One server by two names, of which the second is that of its certificate.
fn two_hosts(server: &Postgres, values: &str) -> String {
    let (login, address) = (server.login(), server.address());
    let named = address.replace("127.0.0.1", NAME);
    format!("postgres://{login}@{address},{named}/postgres?{values}")
}

/// How many the test's store has of that kind.
fn connections(town: &Town, kind: &str) -> String {
    format!(
        "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
         WHERE application_name = '{}' AND {kind}",
        town.schema
    )
}

pub(crate) fn a_server_that_cannot_show_who_it_is_is_refused() -> Result<(), Failed> {
    let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let server = Postgres::start_encrypted(&authority, &[NAME]).unwrap();
    let by_name = server.url().replace("127.0.0.1", NAME);
    let trusting = |authority: &Authority| format!("sslrootcert={}", authority.file().display());
    for (url, why) in [
        (
            format!("{by_name}?sslmode=verify-full&{}", trusting(&other)),
            "UnknownIssuer",
        ),
        (
            format!("{by_name}?sslmode=verify-ca&{}", trusting(&other)),
            "UnknownIssuer",
        ),
        // Nor is it one of those that are trusted without being named.
        (format!("{by_name}?sslmode=verify-full"), "UnknownIssuer"),
        (
            format!(
                "{}?sslmode=verify-full&{}",
                server.url(),
                trusting(&authority)
            ),
            "not valid for name \"127.0.0.1\"",
        ),
    ] {
        fixture::run(&server.url(), async |town| {
            let (fault, told) = not_connected(&url, &town, &server).await;
            assert_eq!(fault, StorageFault::Unavailable, "{told}");
            assert!(
                told.contains("no encryption: invalid peer certificate"),
                "{told}"
            );
            assert!(told.contains(why), "{told}");
        })?;
    }
    Ok(())
}

pub(crate) fn where_one_side_wants_tls_and_the_other_has_none_that_is_said() -> Result<(), Failed> {
    let authority = Authority::new().unwrap();
    let encrypted = Postgres::start_encrypted(&authority, &[NAME]).unwrap();
    let plain = Postgres::start(&[]).unwrap();
    for (server, mode, why) in [
        (&encrypted, "disable", "no encryption"),
        (
            &plain,
            "require",
            "no encryption: server does not support TLS",
        ),
    ] {
        fixture::run(&server.url(), async |town| {
            let url = format!("{}?sslmode={mode}", server.url());
            let (fault, told) = not_connected(&url, &town, server).await;
            assert_eq!(fault, StorageFault::Other, "{told}");
            assert!(told.contains(why), "{told}");
        })?;
    }
    Ok(())
}

async fn not_connected(url: &str, town: &Town, server: &Postgres) -> (StorageFault, String) {
    let error = refused(PostgresStorage::connect(url, &town.options()).await);
    let told = format!("{error} {error:?}");
    assert!(!told.contains(server.password()));
    (error.fault(), told)
}

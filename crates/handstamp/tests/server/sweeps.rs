//! Sweeps: what they take, what they leave for later, and who does them.

use handstamp::storage::{Guarded, Storage as _};

use crate::fixture::{APP, Town, at, handle, keep, rotate, session, with_child};

pub(crate) async fn a_sweep_puts_off_those_that_live_on(town: Town) {
    let storage = town.open().await;
    keep(&storage, 0..5).await;
    let rotate = async |id, expires_at| {
        let (handle, next) = (handle(id), with_child(&session(id), 2));
        let rotated = rotate(&storage, &APP, &handle, 0, &next, at(expires_at));
        assert_eq!(rotated.await.unwrap(), Guarded::Written);
    };
    for id in 0..3 {
        rotate(id, 20_000).await;
    }
    let mut client = town.client().await;
    let indexed = "SELECT COUNT(*) FROM handstamp_sessions WHERE sweep_at = 10000";
    assert_eq!(
        client.number(indexed).await,
        5,
        "a rotation touched an index"
    );
    // A clock may be set back, or the configuration changed.
    rotate(4, 5_000).await;
    assert_eq!(storage.sweep(at(5_000), 1).await.unwrap(), 1);
    assert_eq!(storage.sweep(at(9_999), 9).await.unwrap(), 0);
    // Three that live on may come before the one that has ended.
    assert_eq!(storage.sweep(at(10_000), 1).await.unwrap(), 1);
    assert_eq!(storage.sweep(at(10_000), 9).await.unwrap(), 0);
    let put_off = "SELECT COUNT(*) FROM handstamp_sessions WHERE sweep_at = 20000";
    assert_eq!(client.number(put_off).await, 3);
    assert_eq!(storage.sweep(at(20_000), 2).await.unwrap(), 2);
    assert_eq!(storage.sweep(at(20_000), 2).await.unwrap(), 1);
}

pub(crate) async fn sweeps_pass_by_rows_in_use(town: Town) {
    let storage = town.open().await;
    keep(&storage, 0..3).await;
    let mut client = town.client().await;
    for sql in [
        "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
        "BEGIN",
        "UPDATE handstamp_sessions SET counter = 5
         WHERE user_id = 'canary-user-1' AND app = 'public'",
    ] {
        client.run(sql).await;
    }
    assert_eq!(storage.sweep(at(10_000), 10).await.unwrap(), 2);
    client.run("COMMIT").await;
    assert_eq!(storage.sweep(at(10_000), 10).await.unwrap(), 1);
}

pub(crate) async fn servers_share_the_sweeping(town: Town) {
    let stores = [town.open().await, town.open().await, town.open().await];
    keep(&stores[0], 0..900).await;
    let sweeps = stores.map(|storage| {
        tokio::spawn(async move {
            let mut swept = 0;
            loop {
                match storage.sweep(at(10_000), 50).await.unwrap() {
                    0 => return swept,
                    some => swept += some,
                }
            }
        })
    });
    let mut swept = 0;
    for sweep in sweeps {
        swept += sweep.await.unwrap();
    }
    assert_eq!(swept, 900, "each was counted once");
}

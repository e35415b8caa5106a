//! Session data: overwritten by version, or whatever the version.

use std::sync::Arc;

use super::{Town, app, at, at_once, count, initial_data, json, session, tenant};
use crate::id::{AppId, TenantId};
use crate::json::JsonObject;
use crate::session::SessionData;
use crate::storage::{DataWrite, Guarded, Storage};

const NOW: i64 = 2_000;

async fn write(town: &Town, data: &JsonObject, expected: Option<u64>, now: i64) -> DataWrite {
    let written = town
        .storage
        .write_session_data(&town.app, town.handle(), data, expected, at(now))
        .await;
    written.expect("write")
}

async fn read(town: &Town) -> (JsonObject, u64) {
    let data = town.storage.session_data(&town.app, town.handle()).await;
    let data = data.expect("session data").expect("the session's data");
    (data.data, data.version)
}

/// To the byte, up to 1 MiB and more, whether inserted or overwritten.
pub async fn are_read_back_exactly(storage: Arc<dyn Storage>) {
    let long = |unit: &str, bytes: usize| {
        json(&["{\"long\":\"", &unit.repeat(bytes / unit.len()), "\"}"].concat())
    };
    let texts = [
        json("{}"),
        json(r#"{"z":1,"a":2,"nul":"\u0000","none":null,"spaced" : [ 1.10, 1E5 ]}"#),
        long("x", 1024 * 1024),
        long("🦀é", 2 * 1024 * 1024),
    ];
    let places = [
        (AppId::PUBLIC, TenantId::PUBLIC),
        (app("elsewhere"), TenantId::PUBLIC),
        (AppId::PUBLIC, tenant("elsewhere")),
    ];
    for (app, tenant) in places {
        for (id, text) in (1..).zip(&texts) {
            let session = session(tenant.clone(), id, "user");
            let inserted = storage.insert(&app, &session, text).await;
            assert_eq!(inserted.expect("insert"), Guarded::Written);
            for version in [1, 2] {
                let expected = SessionData {
                    data: text.clone(),
                    version,
                    expires_at: session.expires_at,
                };
                let read = storage.session_data(&app, &session.handle).await;
                assert_eq!(read.expect("session data"), Some(expected));
                let written = storage
                    .write_session_data(&app, &session.handle, text, None, at(NOW))
                    .await;
                let written = written.expect("write");
                assert_eq!(written, DataWrite::Written(version + 1));
            }
        }
    }
}

/// Each write counts one up, also one that changes nothing.
pub async fn are_counted_by_version(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    for version in 2..5 {
        let written = write(&town, &json("{}"), None, NOW).await;
        assert_eq!(written, DataWrite::Written(version));
        assert_eq!(read(&town).await, (json("{}"), version));
    }
    let session = town.read().await;
    assert_eq!(
        session.as_ref(),
        Some(&town.session),
        "only the data changed"
    );
    town.neighbours_are_untouched().await;
}

/// A write that names a version writes over that version and no other.
pub async fn are_overwritten_only_in_the_version_expected(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    for wrong in [0, 2, u64::MAX] {
        let written = write(&town, &json("{}"), Some(wrong), NOW).await;
        assert_eq!(written, DataWrite::Conflict, "{wrong}");
        assert_eq!(read(&town).await, (initial_data(), 1));
    }
    let first = json(r#"{"first":1}"#);
    let written = write(&town, &first, Some(1), NOW).await;
    assert_eq!(written, DataWrite::Written(2));
    let written = write(&town, &json("{}"), Some(1), NOW).await;
    assert_eq!(written, DataWrite::Conflict);
    assert_eq!(read(&town).await, (first, 2));
    town.neighbours_are_untouched().await;
}

/// Ended is: now is not before the end. A version that does not fit matters only to a session that is there.
pub async fn of_ended_and_unknown_sessions_are_not_written(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let end = town.session.expires_at.as_millis();
    for expected in [None, Some(1), Some(9)] {
        let written = write(&town, &json("{}"), expected, end).await;
        assert_eq!(written, DataWrite::Missing);
        assert_eq!(read(&town).await, (initial_data(), 1));
        let nobody = session(TenantId::PUBLIC, 99, "user").handle;
        let written = town
            .storage
            .write_session_data(&town.app, &nobody, &json("{}"), expected, at(NOW))
            .await;
        assert_eq!(written.expect("write"), DataWrite::Missing);
    }
    let written = write(&town, &json("{}"), None, end - 1).await;
    assert_eq!(written, DataWrite::Written(2));
    town.neighbours_are_untouched().await;
}

/// Of many who read one version, one writes.
pub async fn take_one_of_many_writes_of_one_version(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let outcomes = writes_at_once(&town, Some(1)).await;
    assert_eq!(count(&outcomes, &DataWrite::Written(2)), 1);
    assert_eq!(count(&outcomes, &DataWrite::Conflict), outcomes.len() - 1);
    assert_eq!(read(&town).await.1, 2);
    town.neighbours_are_untouched().await;
}

/// Writes that expect no version all happen, one after the other.
pub async fn take_each_of_many_writes(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let outcomes = writes_at_once(&town, None).await;
    for version in (2..).take(outcomes.len()) {
        assert_eq!(count(&outcomes, &DataWrite::Written(version)), 1);
    }
    town.neighbours_are_untouched().await;
}

async fn writes_at_once(town: &Town, expected: Option<u64>) -> Vec<DataWrite> {
    at_once(64, |_| {
        let (storage, app) = (Arc::clone(&town.storage), town.app.clone());
        let handle = town.handle().clone();
        async move {
            let data = json("{}");
            let written = storage
                .write_session_data(&app, &handle, &data, expected, at(NOW))
                .await;
            written.expect("write")
        }
    })
    .await
}

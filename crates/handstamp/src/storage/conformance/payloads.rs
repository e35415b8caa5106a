//! JWT payloads: overwritten while the session lives.

use std::sync::Arc;

use super::{Town, at, initial_data, json};
use crate::storage::Storage;

/// To the byte, and nothing else of the session with it.
pub async fn are_overwritten_exactly(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    for payload in [
        "{}",
        r#"{"z":null,"a":{"nul":"\u0000","n":1.10}}"#,
        r#"{ "é" : "🦀" }"#,
    ] {
        let payload = json(payload);
        let written = town
            .storage
            .write_jwt_payload(&town.app, town.handle(), &payload, at(2_000))
            .await;
        assert!(written.expect("write"));
        let mut expected = town.session.clone();
        expected.jwt_payload = payload;
        assert_eq!(town.read().await, Some(expected));
    }
    let data = town.storage.session_data(&town.app, town.handle()).await;
    let data = data.expect("session data").expect("data");
    assert_eq!((data.data, data.version), (initial_data(), 1));
    town.neighbours_are_untouched().await;
}

/// Nor are those of sessions that never were, or were revoked.
pub async fn of_ended_sessions_are_not_written(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let write = async |now| {
        let payload = json(r#"{"late":true}"#);
        let written = town
            .storage
            .write_jwt_payload(&town.app, town.handle(), &payload, at(now))
            .await;
        written.expect("write")
    };
    assert!(!write(10_000).await);
    assert_eq!(town.read().await.as_ref(), Some(&town.session));
    assert!(write(9_999).await);
    let revoked = town
        .storage
        .revoke(&town.app, &[town.handle().clone()])
        .await;
    assert_eq!(revoked.expect("revoke").len(), 1);
    assert!(!write(2_000).await);
    assert_eq!(town.read().await, None);
    town.neighbours_are_untouched().await;
}

/// Whoever writes what is there already has written.
pub async fn are_written_though_nothing_changes(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    for _ in 0..3 {
        let payload = &town.session.jwt_payload;
        let written = town
            .storage
            .write_jwt_payload(&town.app, town.handle(), payload, at(2_000))
            .await;
        assert!(written.expect("write"));
        assert_eq!(town.read().await.as_ref(), Some(&town.session));
    }
}

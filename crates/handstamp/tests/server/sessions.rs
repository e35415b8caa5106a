//! Sessions to put into a store, and ways to begin several steps at once. Each of the test binaries has its own `fixture::Store`.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use handstamp::clock::UnixMillis;
use handstamp::rotation::{Child, Rotation};
use handstamp::session::Session;
use handstamp::storage::{Guarded, Renewal, Storage as _, StorageError};
use handstamp::token::{Hash2, Nonce};
use handstamp::{AppId, JsonObject, SessionHandle, TenantId, UserId};
use uuid::Uuid;

use crate::fixture::Store;

pub(crate) const APP: AppId = AppId::PUBLIC;

/// A step that has begun.
pub(crate) type Begun<'s, T> = Pin<Box<dyn Future<Output = T> + Send + 's>>;

pub(crate) fn begin<T>(step: &mut Begun<'_, T>) {
    let mut context = Context::from_waker(Waker::noop());
    assert!(step.as_mut().poll(&mut context).is_pending());
}

/// Asks until the answer is yes.
pub(crate) async fn until(mut asked: impl AsyncFnMut() -> bool) {
    let answered = async {
        while !asked().await {
            tokio::task::yield_now().await;
        }
    };
    let limit = Duration::from_mins(1);
    tokio::time::timeout(limit, answered).await.unwrap();
}

pub(crate) fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(millis)
}

pub(crate) fn handle(id: u32) -> SessionHandle {
    SessionHandle::new(TenantId::PUBLIC, Uuid::from_u128(id.into()))
}

pub(crate) fn session(id: u32) -> Session {
    Session {
        handle: handle(id),
        user_id: UserId::parse(&format!("canary-user-{id}")).unwrap(),
        jwt_payload: JsonObject::parse(r#"{"canary":"payload"}"#).unwrap(),
        created_at: at(1_000),
        expires_at: at(10_000),
        ends_at: UnixMillis::MAX,
        static_key: false,
        rotation: Rotation::starting_with(Hash2::from_bytes([1; 32])),
    }
}

pub(crate) fn with_child(session: &Session, seed: u8) -> Rotation {
    session.rotation.clone().with_child(Child {
        hash: Hash2::from_bytes([seed; 32]),
        nonce: Nonce::from_bytes([seed; 16]),
        given_at: at(2_000),
    })
}

pub(crate) async fn keep(storage: &Store, ids: impl Iterator<Item = u32>) {
    let sessions: Vec<_> = ids.map(session).collect();
    let data = JsonObject::empty();
    for written in all(sessions.iter().map(|one| storage.insert(&APP, one, &data))).await {
        assert_eq!(written.unwrap(), Guarded::Written);
    }
}

/// Begins all before it waits for the first, so that they may share statements.
pub(crate) async fn all<'s, T>(steps: impl Iterator<Item = Begun<'s, T>>) -> Vec<T> {
    let mut outcomes = Vec::new();
    let mut steps: Vec<_> = steps
        .map(|mut step| {
            let mut context = Context::from_waker(Waker::noop());
            (step.as_mut().poll(&mut context), step)
        })
        .collect();
    for (begun, step) in &mut steps {
        outcomes.push(match std::mem::replace(begun, Poll::Pending) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => step.await,
        });
    }
    outcomes
}

/// A rotation that leaves the kind of key alone.
pub(crate) fn rotate<'a>(
    storage: &'a Store,
    app: &'a AppId,
    handle: &'a SessionHandle,
    expected: u64,
    next: &Rotation,
    expires_at: UnixMillis,
) -> Pin<Box<dyn Future<Output = Result<Guarded, StorageError>> + Send + 'a>> {
    let next = Renewal {
        rotation: next.clone(),
        expires_at,
        static_key: false,
    };
    Box::pin(async move { storage.rotate(app, handle, expected, &next).await })
}

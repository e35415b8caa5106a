//! The suite that every [`super::Storage`] passes. Not a stable part of the public API: cases are added as they are thought of.
//!
//! Each case wants an empty store of its own and panics on what is wrong. [`crate::conformance!`] makes tests of them. Most
//! cases put neighbours of the same name into another app and another tenant and see that nothing reaches those.

#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test suite: panicking is how it reports"
)]

use std::pin::Pin;
use std::sync::Arc;

use uuid::Uuid;

use super::{Confirm, Guarded, Renewal, Storage};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation::{Child, Current, Previous, Rotation};
use crate::session::Session;
use crate::token::{Hash2, Nonce};

pub mod data;
pub mod engines;
pub mod keys;
pub mod life;
pub mod limits;
pub mod payloads;
pub mod revocation;
pub mod rotations;
pub mod sessions;
pub mod tenants;
pub mod users;

/// Makes a module `$name` with one test per case. `$fixture` is evaluated in each, in an async context, and gives a pair: an
/// `Arc<dyn Storage>` over an empty store, and what has to live as long as that.
///
/// The tests need tokio with the features `macros` and `rt-multi-thread`.
///
/// Without arguments it is the list of all cases, `Vec<(&'static str, Case)>`, for whoever runs them by other means.
#[macro_export]
macro_rules! conformance {
    ($name:ident, $fixture:expr) => {
        mod $name {
            use super::*;

            $crate::conformance! { @all topics $fixture }
        }
    };
    () => {
        $crate::conformance! { @all cases () }
    };
    (@all $made:ident $fixture:expr) => {
        $crate::conformance! {
            @$made $fixture;
            data {
                are_counted_by_version
                are_overwritten_only_in_the_version_expected
                are_read_back_exactly
                of_ended_and_unknown_sessions_are_not_written
                take_each_of_many_writes
                take_one_of_many_writes_of_one_version
            }
            engines {
                bring_no_revoked_session_back
                make_one_lineage
            }
            keys {
                are_kept_once
                are_read_back_exactly
                are_retired_but_for_the_newest
                take_one_of_many_of_the_same_name
            }
            life {
                answers_a_ping
                ends_with_close
            }
            limits {
                are_borne_by_many_at_once
                are_borne_in_every_field
            }
            payloads {
                are_overwritten_exactly
                are_written_though_nothing_changes
                of_ended_sessions_are_not_written
            }
            revocation {
                beats_writes_in_flight
                beats_writes_in_flight_however_it_comes
                is_reported_to_one_of_many
                is_undone_by_no_write
                of_a_list_answers_those_that_were_there
                of_a_user_is_by_tenant_or_all
            }
            rotations {
                are_confirmed_as_the_rule_says
                are_confirmed_once_of_many_times
                are_refused_to_all_but_one_of_many
                are_written_though_nothing_changes
                leave_payload_and_data_alone
                need_the_counter_that_was_read
                switch_the_kind_of_key
            }
            sessions {
                are_absent_elsewhere
                are_inserted_by_one_of_many
                are_not_inserted_over_others
                are_read_back_exactly
                are_read_when_they_have_ended
                are_swept_within_bounds
                bear_the_ends_of_time
            }
            tenants {
                are_kept_apart_by_every_method
                are_put_and_listed
                are_put_by_many_at_once
                are_removed_with_their_app
                are_removed_with_their_sessions
            }
            users {
                are_told_apart_byte_for_byte
                are_told_apart_when_many_come_at_once
                have_handles_while_sessions_live
            }
        }
    };
    (@topics $fixture:expr; $($topic:ident { $($case:ident)* })*) => {
        $(mod $topic {
            use super::*;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let (storage, _kept) = $fixture;
                $crate::storage::conformance::$topic::$case(::std::sync::Arc::clone(&storage)).await;
                storage.close().await;
            })*
        })*
    };
    (@cases $nothing:expr; $($topic:ident { $($case:ident)* })*) => {{
        let mut cases: Vec<(&'static str, $crate::storage::conformance::Case)> = Vec::new();
        $($(cases.push((
            concat!(stringify!($topic), "::", stringify!($case)),
            |storage| Box::pin($crate::storage::conformance::$topic::$case(storage)),
        ));)*)*
        cases
    }};
}

/// A case: what it does with an empty store.
pub type Case = fn(Arc<dyn Storage>) -> Pin<Box<dyn Future<Output = ()>>>;

/// A store with a session in the default app and tenant, and neighbours that share its UUID, its user, or both.
struct Town {
    storage: Arc<dyn Storage>,
    app: AppId,
    session: Session,
    neighbours: Vec<(AppId, Session)>,
}

impl Town {
    async fn in_store(storage: Arc<dyn Storage>) -> Self {
        let session = session(TenantId::PUBLIC, 1, "user");
        let neighbours = vec![
            (app("elsewhere"), session.clone()),
            (AppId::PUBLIC, self::session(tenant("elsewhere"), 1, "user")),
            (AppId::PUBLIC, self::session(TenantId::PUBLIC, 2, "another")),
        ];
        let town = Self {
            storage,
            app: AppId::PUBLIC,
            session,
            neighbours,
        };
        town.keep(&town.app, &town.session).await;
        for (app, session) in &town.neighbours {
            town.keep(app, session).await;
        }
        town
    }

    fn handle(&self) -> &SessionHandle {
        &self.session.handle
    }

    async fn keep(&self, app: &AppId, session: &Session) {
        let inserted = self.storage.insert(app, session, &initial_data()).await;
        assert_eq!(inserted.expect("insert"), Guarded::Written);
    }

    /// The session as the store has it.
    async fn read(&self) -> Option<Session> {
        let read = self.storage.session(&self.app, self.handle()).await;
        read.expect("session")
    }

    /// Whatever was done to the session was done to no other.
    async fn neighbours_are_untouched(&self) {
        for (app, session) in &self.neighbours {
            let read = self.storage.session(app, &session.handle).await;
            let read = read.expect("session");
            assert_eq!(read.as_ref(), Some(session), "neighbour in {app}");
            let data = self.storage.session_data(app, &session.handle).await;
            let data = data.expect("session data").expect("neighbour's data");
            assert_eq!((data.data, data.version), (initial_data(), 1));
        }
    }
}

fn app(name: &str) -> AppId {
    AppId::parse(name).expect("an app id")
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).expect("a tenant id")
}

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a user id")
}

fn json(text: &str) -> JsonObject {
    JsonObject::parse(text).expect("a JSON object")
}

fn initial_data() -> JsonObject {
    json(r#"{"initial":true}"#)
}

fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(millis)
}

fn hash(seed: u8) -> Hash2 {
    Hash2::from_bytes([seed; 32])
}

fn nonce(seed: u8) -> Nonce {
    Nonce::from_bytes([seed; 16])
}

/// A session that lives from 1,000 until 10,000, and at the most until 100,000.
fn session(tenant: TenantId, id: u128, user_id: &str) -> Session {
    Session {
        handle: SessionHandle::new(tenant, Uuid::from_u128(id)),
        user_id: user(user_id),
        jwt_payload: json(r#"{"b":1,"a":null}"#),
        created_at: at(1_000),
        expires_at: at(10_000),
        ends_at: at(100_000),
        static_key: false,
        rotation: Rotation::starting_with(hash(CURRENT)),
    }
}

/// A record with everything in it.
fn full_rotation() -> Rotation {
    Rotation {
        current: Current {
            hash: hash(CURRENT),
            nonce: Some(nonce(CURRENT)),
        },
        child: Some(Child {
            hash: hash(CHILD),
            nonce: nonce(CHILD),
            given_at: at(1_500),
        }),
        previous: Some(Previous {
            hash: hash(PREVIOUS),
            superseded_at: at(1_200),
        }),
        counter: 7,
    }
}

/// The confirmation of the child in [`full_rotation`].
fn confirmation(now: UnixMillis) -> Confirm {
    Confirm {
        child: hash(CHILD),
        parent: hash(CURRENT),
        now,
        expires_at: at(20_000),
    }
}

const CURRENT: u8 = 1;
const CHILD: u8 = 2;
const PREVIOUS: u8 = 3;
const OTHER: u8 = 4;

/// Does `work` so many times at once; answers what each came to.
async fn at_once<T, F>(times: u8, work: impl Fn(u8) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..times).map(|n| tokio::spawn(work(n))).collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.expect("a task that does not panic"));
    }
    outcomes
}

fn count<T: PartialEq>(outcomes: &[T], wanted: &T) -> usize {
    outcomes.iter().filter(|outcome| *outcome == wanted).count()
}

/// What a refresh makes of a session: these tokens, until then.
fn renewal(rotation: &Rotation, expires_at: UnixMillis) -> Renewal {
    Renewal {
        rotation: rotation.clone(),
        expires_at,
        static_key: false,
    }
}

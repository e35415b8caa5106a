//! Revocation: what is revoked stays so.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Town, app, at, at_once, confirmation, full_rotation, json, renewal, session, tenant, user,
};
use crate::id::{AppId, SessionHandle, TenantId};
use crate::storage::{DataWrite, Guarded, Storage, TenantRecord};

/// Nothing but an insert makes a session.
pub async fn is_undone_by_no_write(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let (storage, app, handle) = (&town.storage, &town.app, town.handle());
    let revoked = storage.revoke(app, std::slice::from_ref(handle)).await;
    assert_eq!(revoked.expect("revoke"), std::slice::from_ref(handle));

    let rotated = storage
        .rotate(app, handle, 0, &renewal(&full_rotation(), at(20_000)))
        .await;
    assert_eq!(rotated.expect("rotate"), Guarded::Lost);
    let confirmed = storage.confirm(app, handle, confirmation(at(2_000))).await;
    assert_eq!(confirmed.expect("confirm"), None);
    for expected in [None, Some(1)] {
        let written = storage
            .write_session_data(app, handle, &json("{}"), expected, at(2_000))
            .await;
        assert_eq!(written.expect("write"), DataWrite::Missing);
    }
    assert_is_gone(&town).await;
    town.neighbours_are_untouched().await;
}

/// Writes that were on their way when the session was revoked.
pub async fn beats_writes_in_flight(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    for round in 0..8_u8 {
        if round > 0 {
            town.keep(&town.app, &town.session).await;
        }
        at_once(16, |n| {
            let (storage, app) = (Arc::clone(&town.storage), town.app.clone());
            let handle = town.handle().clone();
            async move {
                // A different one in the middle of the others each time.
                match n.wrapping_add(round) % 8 {
                    0 | 4 => {
                        let next = full_rotation();
                        let rotated = storage
                            .rotate(&app, &handle, 0, &renewal(&next, at(20_000)))
                            .await;
                        rotated.map(drop).expect("rotate");
                    }
                    1 | 5 => {
                        let confirmed = storage
                            .confirm(&app, &handle, confirmation(at(2_000)))
                            .await;
                        confirmed.map(drop).expect("confirm");
                    }
                    2 => {
                        let revoked = storage.revoke(&app, std::slice::from_ref(&handle)).await;
                        revoked.map(drop).expect("revoke");
                    }
                    _ => {
                        let data = json("{}");
                        let written = storage
                            .write_session_data(&app, &handle, &data, None, at(2_000))
                            .await;
                        written.map(drop).expect("write");
                    }
                }
            }
        })
        .await;
        assert_is_gone(&town).await;
    }
    town.neighbours_are_untouched().await;
}

/// By handle, in a list, by user, with the tenant, with the app.
pub async fn beats_writes_in_flight_however_it_comes(storage: Arc<dyn Storage>) {
    const WAYS: u8 = 5;
    let town = Town::in_store(storage).await;
    let here = tenant("here");
    let doomed = session(here.clone(), 7, "doomed");
    let app = app("doomed");
    for round in 0..WAYS * 2 {
        let record = TenantRecord {
            app: app.clone(),
            tenant: here.clone(),
            created_at: at(0),
            config: json("{}"),
        };
        // It may be there from the round before.
        let _: Guarded = town.storage.put_tenant(&record, None).await.expect("put");
        town.keep(&app, &doomed).await;
        at_once(24, |n| {
            let (storage, app, here) = (Arc::clone(&town.storage), app.clone(), here.clone());
            let (handle, user) = (doomed.handle.clone(), doomed.user_id.clone());
            async move {
                let list = [handle.clone(), session(here.clone(), 8, "nobody").handle];
                match (n == 11, round % WAYS, n % 4) {
                    (true, 0, _) => drop(storage.revoke(&app, &list[..1]).await.expect("revoke")),
                    (true, 1, _) => drop(storage.revoke(&app, &list).await.expect("revoke")),
                    (true, 2, _) => {
                        let revoked = storage.revoke_user(&app, Some(&here), &user, at(2_000));
                        drop(revoked.await.expect("revoke"));
                    }
                    (true, 3, _) => {
                        let removed = storage.remove_tenant(&app, &here).await;
                        assert!(removed.expect("remove"));
                    }
                    (true, _, _) => {
                        let removed = storage.remove_app(&app).await;
                        removed.map(drop).expect("remove");
                    }
                    (_, _, 0) => {
                        let next = renewal(&full_rotation(), at(20_000));
                        let rotated = storage.rotate(&app, &handle, 0, &next).await;
                        rotated.map(drop).expect("rotate");
                    }
                    (_, _, 1) => {
                        let confirmed = storage.confirm(&app, &handle, confirmation(at(2_000)));
                        confirmed.await.map(drop).expect("confirm");
                    }
                    (_, _, 2) => {
                        let data = json("{}");
                        let written =
                            storage.write_session_data(&app, &handle, &data, None, at(2_000));
                        written.await.map(drop).expect("write");
                    }
                    _ => {
                        let payload = json("{}");
                        let written = storage.write_jwt_payload(&app, &handle, &payload, at(2_000));
                        written.await.map(drop).expect("write");
                    }
                }
            }
        })
        .await;
        let left = town.storage.session(&app, &doomed.handle).await;
        assert_eq!(left.expect("session"), None, "round {round}");
        let data = town.storage.session_data(&app, &doomed.handle).await;
        assert_eq!(data.expect("session data"), None, "round {round}");
    }
    town.neighbours_are_untouched().await;
    assert_eq!(town.read().await.as_ref(), Some(&town.session));
}

/// A list may name sessions twice, and such as never were.
pub async fn of_a_list_answers_those_that_were_there(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let second = session(TenantId::PUBLIC, 3, "user");
    town.keep(&town.app, &second).await;
    let in_tenant = session(tenant("third"), 1, "user");
    town.keep(&town.app, &in_tenant).await;
    let nobody = session(TenantId::PUBLIC, 99, "user").handle;

    let none = town.storage.revoke(&town.app, &[]).await;
    assert_eq!(none.expect("revoke"), []);
    let list = [
        nobody,
        second.handle.clone(),
        town.handle().clone(),
        second.handle.clone(),
        in_tenant.handle.clone(),
    ];
    let revoked = town.storage.revoke(&town.app, &list).await;
    let expected = [second.handle, town.handle().clone(), in_tenant.handle];
    assert_eq!(set(revoked.expect("revoke")), set(expected));
    let again = town.storage.revoke(&town.app, &list).await;
    assert_eq!(again.expect("revoke"), []);
    assert_is_gone(&town).await;
    town.neighbours_are_untouched().await;
}

/// Of many who revoke one session, one is told that it was there.
pub async fn is_reported_to_one_of_many(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let outcomes = at_once(32, |_| {
        let (storage, app) = (Arc::clone(&town.storage), town.app.clone());
        let handle = town.handle().clone();
        async move {
            let revoked = storage.revoke(&app, std::slice::from_ref(&handle)).await;
            revoked.expect("revoke").len()
        }
    })
    .await;
    assert_eq!(outcomes.iter().sum::<usize>(), 1);
    town.neighbours_are_untouched().await;
}

/// In one tenant or in all, and never another user's or another app's. Sessions that have ended go as well, but nobody is told.
pub async fn of_a_user_is_by_tenant_or_all(storage: Arc<dyn Storage>) {
    let (here, there) = (tenant("here"), tenant("there"));
    let places = [
        (AppId::PUBLIC, TenantId::PUBLIC),
        (AppId::PUBLIC, here.clone()),
        (AppId::PUBLIC, there.clone()),
        (app("elsewhere"), here.clone()),
    ];
    let now = at(2_000);
    let mut handles = Vec::new();
    for (app, tenant) in &places {
        for (id, user) in [(1, "user"), (2, "user"), (3, "another")] {
            let mut session = session(tenant.clone(), id, user);
            if id == 2 {
                session.expires_at = now;
            }
            let inserted = storage.insert(app, &session, &json("{}")).await;
            assert_eq!(inserted.expect("insert"), Guarded::Written);
            handles.push((app, user, session));
        }
    }
    let of = |of_app: &AppId, tenant: Option<&TenantId>| {
        let named = handles.iter().filter(move |(app, user, session)| {
            let named = tenant.is_none_or(|name| session.handle.tenant() == name);
            *app == of_app && *user == "user" && named && session.is_alive(now)
        });
        set(named.map(|(_, _, session)| session.handle.clone()))
    };
    let user = user("user");
    let revoke = async |app: &AppId, tenant: Option<&TenantId>| {
        set(storage
            .revoke_user(app, tenant, &user, now)
            .await
            .expect("revoke"))
    };
    let public = AppId::PUBLIC;
    let in_here = of(&public, Some(&here));
    assert_eq!(in_here.len(), 1);
    assert_eq!(revoke(&public, Some(&here)).await, in_here);
    assert_eq!(revoke(&public, Some(&here)).await, set([]));
    let in_all: BTreeSet<_> = of(&public, None).difference(&in_here).cloned().collect();
    assert_eq!(in_all.len(), 2);
    assert_eq!(revoke(&public, None).await, in_all);

    for (app, user, session) in &handles {
        let handle = &session.handle;
        let left = storage.session(app, handle).await.expect("session");
        let revoked = **app == public && *user == "user";
        assert_eq!(left.is_none(), revoked, "{app} {user} {handle}");
    }
}

async fn assert_is_gone(town: &Town) {
    assert_eq!(town.read().await, None);
    let data = town.storage.session_data(&town.app, town.handle()).await;
    assert_eq!(data.expect("session data"), None);
}

fn set(handles: impl IntoIterator<Item = SessionHandle>) -> BTreeSet<SessionHandle> {
    let mut all = BTreeSet::new();
    for handle in handles {
        assert!(all.insert(handle), "answered twice");
    }
    all
}

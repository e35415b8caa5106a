//! Users: whose sessions are whose.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{app, at, initial_data, session, tenant, user};
use crate::id::{AppId, SessionHandle, TenantId};
use crate::storage::{Guarded, Storage};

/// No collation, no pattern, no trimming, no normal form.
pub async fn are_told_apart_byte_for_byte(storage: Arc<dyn Storage>) {
    let long = "🦀".repeat(128);
    let longer_by_one_other = ["🦀".repeat(127), "é".to_owned()].concat();
    let names = [
        "",
        " ",
        "a",
        "A",
        "a ",
        "á",
        "a\u{301}",
        "%",
        "_",
        "a%",
        "'",
        "\"",
        "\\",
        "' OR '1'='1",
        "1",
        "01",
        "1.0",
        "ß",
        "ss",
        "שלום",
        "\u{202e}abc",
        "👩‍👩‍👧",
        "\n",
        &long,
        &longer_by_one_other,
    ];
    let mut expected = Vec::new();
    for (id, name) in (1..).zip(names) {
        let session = session(TenantId::PUBLIC, id, name);
        let inserted = storage
            .insert(&AppId::PUBLIC, &session, &initial_data())
            .await;
        assert_eq!(inserted.expect("insert"), Guarded::Written);
        let read = storage.session(&AppId::PUBLIC, &session.handle).await;
        assert_eq!(read.expect("session").as_ref(), Some(&session));
        expected.push((user(name), session.handle));
    }
    for (user, handle) in &expected {
        let handles = storage
            .handles_of_user(&AppId::PUBLIC, None, user, at(2_000))
            .await;
        assert_eq!(
            handles.expect("handles"),
            std::slice::from_ref(handle),
            "{user:?}"
        );
        let elsewhere = app("elsewhere");
        let handles = storage
            .handles_of_user(&elsewhere, None, user, at(2_000))
            .await;
        assert_eq!(handles.expect("handles"), []);
    }
    for (user, handle) in &expected {
        let revoked = storage.revoke_user(&AppId::PUBLIC, None, user).await;
        assert_eq!(
            revoked.expect("revoke"),
            std::slice::from_ref(handle),
            "{user:?}"
        );
    }
}

/// The living only, in one tenant or in all of one app.
pub async fn have_handles_while_sessions_live(storage: Arc<dyn Storage>) {
    let (here, elsewhere) = (tenant("here"), app("elsewhere"));
    let places = [
        (AppId::PUBLIC, TenantId::PUBLIC),
        (AppId::PUBLIC, here.clone()),
        (elsewhere.clone(), TenantId::PUBLIC),
    ];
    for (app, tenant) in &places {
        for (id, expires_at) in [(1, 5_000), (2, 5_001), (3, 10_000)] {
            let mut session = session(tenant.clone(), id, "user");
            session.expires_at = at(expires_at);
            let inserted = storage.insert(app, &session, &initial_data()).await;
            assert_eq!(inserted.expect("insert"), Guarded::Written);
        }
    }
    let handles = async |app: &AppId, tenant: Option<&TenantId>, now| {
        let handles = storage
            .handles_of_user(app, tenant, &user("user"), at(now))
            .await;
        let handles = handles.expect("handles");
        let (count, set) = (handles.len(), BTreeSet::from_iter(handles));
        assert_eq!(count, set.len(), "answered twice");
        set
    };
    let named = |tenants: &[&TenantId], ids: &[u128]| -> BTreeSet<SessionHandle> {
        tenants
            .iter()
            .flat_map(|tenant| {
                ids.iter()
                    .map(|id| session((*tenant).clone(), *id, "user").handle)
            })
            .collect()
    };
    let public = (AppId::PUBLIC, TenantId::PUBLIC);
    let all = [&public.1, &here];
    assert_eq!(
        handles(&public.0, None, 4_999).await,
        named(&all, &[1, 2, 3])
    );
    assert_eq!(handles(&public.0, None, 5_000).await, named(&all, &[2, 3]));
    assert_eq!(handles(&public.0, None, 10_000).await, named(&all, &[]));
    assert_eq!(
        handles(&public.0, Some(&here), 5_000).await,
        named(&[&here], &[2, 3])
    );
    assert_eq!(
        handles(&elsewhere, None, 5_001).await,
        named(&[&public.1], &[3])
    );
    assert_eq!(handles(&elsewhere, Some(&here), 0).await, named(&[], &[]));
}

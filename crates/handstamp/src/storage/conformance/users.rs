//! Users: whose sessions are whose.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{app, at, at_once, initial_data, session, tenant, user};
use crate::id::{AppId, SessionHandle, TenantId};
use crate::storage::{Guarded, Storage};

/// Ids that somebody might take for each other, or for something else. NUL is in none: [`UserId`](crate::UserId) refuses it.
fn names() -> Vec<String> {
    let crab = "🦀".repeat(128);
    let by_one_other = ["🦀".repeat(127), "é".to_owned()].concat();
    let spaces = " ".repeat(128);
    [
        "",
        " ",
        "  ",
        "\t",
        "\n",
        "\r\n",
        "a",
        "A",
        "a ",
        " a",
        "a\t",
        "á",
        "a\u{301}",
        "Á",
        "ａ",
        "%",
        "_",
        "a%",
        "a_",
        "'",
        "''",
        "\"",
        "\\",
        "\\'",
        "\\0",
        "\\u0000",
        "' OR '1'='1",
        "'; DROP TABLE handstamp_sessions; --",
        "/*",
        "?",
        "$1",
        ":a",
        "1",
        "01",
        "1.0",
        "1e0",
        "null",
        "NULL",
        "true",
        "{}",
        "[]",
        "ß",
        "ss",
        "ẞ",
        "ı",
        "I",
        "i",
        "İ",
        "ﬁ",
        "fi",
        "שלום",
        "\u{202e}abc",
        "abc",
        "\u{feff}abc",
        "a\u{200b}bc",
        "\u{1}",
        "\u{7f}",
        "\u{fffd}",
        "\u{10ffff}",
        "👩‍👩‍👧",
        "👩👩👧",
        &crab,
        &by_one_other,
        &spaces,
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The same where a store puts the work of many together.
pub async fn are_told_apart_when_many_come_at_once(storage: Arc<dyn Storage>) {
    let names = Arc::new(names());
    let count = u8::try_from(names.len()).expect("not so many");
    let kept = at_once(count, |n| {
        let (storage, names) = (Arc::clone(&storage), Arc::clone(&names));
        async move {
            let name = names.get(usize::from(n)).expect("a name");
            let session = session(TenantId::PUBLIC, n.into(), name);
            let inserted = storage
                .insert(&AppId::PUBLIC, &session, &initial_data())
                .await;
            assert_eq!(inserted.expect("insert"), Guarded::Written);
            let read = storage.session(&AppId::PUBLIC, &session.handle).await;
            assert_eq!(read.expect("session").as_ref(), Some(&session));
            (session.user_id, session.handle)
        }
    })
    .await;
    for (user, handle) in kept {
        let revoked = storage
            .revoke_user(&AppId::PUBLIC, None, &user, at(0))
            .await;
        assert_eq!(revoked.expect("revoke"), [handle], "{user:?}");
    }
}

/// No collation, no pattern, no trimming, no normal form.
pub async fn are_told_apart_byte_for_byte(storage: Arc<dyn Storage>) {
    let names = names();
    let mut expected = Vec::new();
    for (id, name) in (1..).zip(&names) {
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
        let revoked = storage.revoke_user(&AppId::PUBLIC, None, user, at(0)).await;
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

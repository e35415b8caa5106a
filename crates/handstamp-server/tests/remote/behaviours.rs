//! What a backend does, wherever the sessions are.

use handstamp::backend::{NewSession, Present, Renewal};
use handstamp::engine::{AntiCsrf, OnReuse, RefreshRefused, Regenerated, TryRefresh, Verification};
use handstamp::token::access::Rejected;
use handstamp::{Error, SessionHandle, TenantId};

use crate::support::{LATER, World, json, new_session, refused, renewed, try_refresh, user, valid};

const UNCHECKED: AntiCsrf<'_> = AntiCsrf::Unchecked;

pub(crate) async fn a_new_session_is_good_at_once(world: World) {
    let made = world.create("ada").await;
    assert_eq!(made.session.user_id, user("ada"));
    assert_eq!(made.session.jwt_payload, new_session("").jwt_payload);
    assert!(made.access.created_at < made.access.expires_at);
    assert!(made.access.expires_at < made.refresh_expires_at);
    assert!(made.anti_csrf.is_none());
    let token = made.access.token.expose();
    let check = world.backend.check(token, UNCHECKED).await.unwrap();
    assert!(check.confirmation.is_none());
    let verified = valid(check.verification);
    assert_eq!(verified.session, made.session);
    assert_eq!(verified.expires_at, made.access.expires_at);
    // The keys are there now.
    let check = world.backend.check_at_once(token, UNCHECKED).unwrap();
    assert_eq!(valid(check.verification).session, made.session);
}

pub(crate) async fn a_token_ends_and_so_does_a_session(world: World) {
    let made = world.create("ada").await;
    let token = made.access.token.expose();
    world.clock.set(made.access.expires_at.plus(LATER));
    let check = world.backend.check(token, UNCHECKED).await.unwrap();
    assert_eq!(try_refresh(&check.verification), TryRefresh::Expired);
    let stored = world.backend.check_storage(token, UNCHECKED).await.unwrap();
    assert_eq!(try_refresh(&stored), TryRefresh::Expired);
    let next = renewed(world.refresh(&made).await);
    world.clock.set(next.refresh_expires_at.plus(LATER));
    let ended = world.refresh(&next).await;
    assert_eq!(refused(&ended), RefreshRefused::NoSession);
}

pub(crate) async fn a_refresh_repeated_is_the_same(world: World) {
    let made = world.create("ada").await;
    let first = renewed(world.refresh(&made).await);
    let second = renewed(world.refresh(&made).await);
    assert_eq!(first.refresh, second.refresh);
    assert_ne!(first.refresh, made.refresh);
    assert_eq!(first.session, made.session);
}

pub(crate) async fn a_use_that_is_confirmed_makes_the_old_token_reuse(world: World) {
    let made = world.create("ada").await;
    let next = renewed(world.refresh(&made).await);
    let token = next.access.token.expose();
    let check = world.backend.check(token, UNCHECKED).await.unwrap();
    assert_eq!(valid(check.verification).session, made.session);
    let confirmation = check.confirmation.unwrap();
    world.backend.confirm(&confirmation).await.unwrap();
    world.backend.confirm(&confirmation).await.unwrap();
    world.clock.advance(LATER);
    assert!(matches!(
        world.refresh(&made).await,
        Renewal::Reuse { handle, user_id } if handle == made.session.handle && user_id == user("ada")
    ));
}

pub(crate) async fn a_use_that_is_not_confirmed_does_not(world: World) {
    let made = world.create("ada").await;
    let _lost = renewed(world.refresh(&made).await);
    world.clock.advance(LATER);
    renewed(world.refresh(&made).await);
}

pub(crate) async fn reuse_ends_the_session(world: World) {
    let made = world.create("ada").await;
    let next = renewed(world.refresh(&made).await);
    renewed(world.refresh(&next).await);
    world.clock.advance(LATER);
    assert!(matches!(world.refresh(&made).await, Renewal::Reuse { .. }));
    let data = world.backend.session_data(&made.session.handle).await;
    assert!(data.unwrap().is_none());
    let after = world.refresh(&next).await;
    assert_eq!(refused(&after), RefreshRefused::NoSession);
}

pub(crate) async fn a_revoked_session_is_gone(world: World) {
    let (made, other) = (world.create("ada").await, world.create("ada").await);
    let handle = &made.session.handle;
    assert!(world.backend.revoke(handle).await.unwrap());
    assert!(!world.backend.revoke(handle).await.unwrap());
    let token = made.access.token.expose();
    // The signature does not know.
    let check = world.backend.check(token, UNCHECKED).await.unwrap();
    assert!(matches!(check.verification, Verification::Valid(_)));
    let stored = world.backend.check_storage(token, UNCHECKED).await.unwrap();
    assert!(matches!(stored, Verification::Unauthorised(_)));
    let renewal = world.refresh(&made).await;
    assert_eq!(refused(&renewal), RefreshRefused::NoSession);
    renewed(world.refresh(&other).await);
}

pub(crate) async fn all_sessions_of_a_user_are_found_and_ended(world: World) {
    // What an address has to spell in another way.
    let name = "é & b=c+d%20?#/\u{1f600}";
    let tenant = world.tenant("t1").await;
    let mut expected = vec![world.create(name).await.session.handle];
    let elsewhere = NewSession {
        tenant,
        ..new_session(name)
    };
    let elsewhere = world.backend.create(elsewhere).await.unwrap();
    expected.push(elsewhere.session.handle);
    let other = world.create("b").await;
    expected.sort();
    let mut found = world.backend.handles_of_user(&user(name)).await.unwrap();
    found.sort();
    assert_eq!(found, expected);
    let mut ended = world.backend.revoke_user(&user(name)).await.unwrap();
    ended.sort();
    assert_eq!(ended, expected);
    assert_eq!(world.backend.revoke_user(&user(name)).await.unwrap(), []);
    assert_eq!(
        world.backend.handles_of_user(&user("b")).await.unwrap(),
        [other.session.handle]
    );
}

pub(crate) async fn data_are_read_and_overwritten(world: World) {
    let handle = world.create("ada").await.session.handle;
    let read = || world.backend.session_data(&handle);
    assert_eq!(read().await.unwrap(), Some(json(r#"{"n":1}"#)));
    let data = json(r#"{"b":[1,null,{"é":"\u0000"}],"a":1.0}"#);
    assert!(
        world
            .backend
            .write_session_data(&handle, &data)
            .await
            .unwrap()
    );
    assert_eq!(read().await.unwrap(), Some(data.clone()));
    world.backend.revoke(&handle).await.unwrap();
    assert_eq!(read().await.unwrap(), None);
    assert!(
        !world
            .backend
            .write_session_data(&handle, &data)
            .await
            .unwrap()
    );
}

pub(crate) async fn another_payload_makes_another_token(world: World) {
    let made = world.create("ada").await;
    let token = made.access.token.expose();
    let payload = json(r#"{"role":"y"}"#);
    let again = world.backend.regenerate(token, payload.clone(), None).await;
    let Regenerated::Done {
        session,
        access: Some(access),
    } = again.unwrap()
    else {
        panic!("no token")
    };
    assert_eq!(session.jwt_payload, payload);
    assert_eq!(access.expires_at, made.access.expires_at);
    let check = world.backend.check(access.token.expose(), UNCHECKED).await;
    assert_eq!(valid(check.unwrap().verification).session, session);
    let next = renewed(world.refresh(&made).await);
    assert_eq!(next.session.jwt_payload, payload);
    world.clock.set(made.access.expires_at.plus(LATER));
    let late = world.backend.regenerate(token, payload.clone(), None).await;
    assert!(matches!(
        late.unwrap(),
        Regenerated::Done { access: None, .. }
    ));
    world.backend.revoke(&session.handle).await.unwrap();
    let gone = world.backend.regenerate(token, payload.clone(), None).await;
    assert!(matches!(gone.unwrap(), Regenerated::NoSession));
    let made_up = world.backend.regenerate("x.y.z", payload, None).await;
    assert!(matches!(made_up.unwrap(), Regenerated::NoSession));
}

pub(crate) async fn an_anti_csrf_token_is_compared(world: World) {
    let new = NewSession {
        anti_csrf: true,
        ..new_session("ada")
    };
    let made = world.backend.create(new).await.unwrap();
    let beside = made.anti_csrf.as_ref().unwrap().expose();
    let token = made.access.token.expose();
    for (passed, good) in [(Some(beside), true), (Some("x"), false), (None, false)] {
        let passed = AntiCsrf::Passed(passed);
        let check = world.backend.check(token, passed).await.unwrap();
        let stored = world.backend.check_storage(token, passed).await.unwrap();
        for verification in [check.verification, stored] {
            if good {
                valid(verification);
            } else {
                assert_eq!(try_refresh(&verification), TryRefresh::AntiCsrf);
            }
        }
    }
    let present = |passed| Present {
        token: made.refresh.expose(),
        anti_csrf: true,
        passed: AntiCsrf::Passed(passed),
        on_reuse: OnReuse::Revoke,
    };
    for passed in [None, Some("x")] {
        let renewal = world.backend.refresh(present(passed)).await.unwrap();
        assert_eq!(refused(&renewal), RefreshRefused::AntiCsrf);
    }
    let renewal = world.backend.refresh(present(Some(beside))).await.unwrap();
    let next = renewed(renewal);
    let beside = next.anti_csrf.as_ref().unwrap().expose();
    let check = world
        .backend
        .check(next.access.token.expose(), AntiCsrf::Passed(Some(beside)))
        .await;
    valid(check.unwrap().verification);
}

pub(crate) async fn a_check_of_the_store_confirms(world: World) {
    let made = world.create("ada").await;
    let next = renewed(world.refresh(&made).await);
    world.clock.advance(LATER);
    let token = next.access.token.expose();
    let stored = world.backend.check_storage(token, UNCHECKED).await.unwrap();
    let verified = valid(stored);
    let replacement = verified.replacement.unwrap();
    assert_eq!(
        verified.expires_at.as_millis() / 1000,
        replacement.expires_at.as_millis() / 1000
    );
    assert!(replacement.expires_at > next.access.expires_at);
    let check = world
        .backend
        .check(replacement.token.expose(), UNCHECKED)
        .await
        .unwrap();
    assert!(check.confirmation.is_none());
    assert_eq!(valid(check.verification).session, made.session);
    world.clock.advance(LATER);
    assert!(matches!(world.refresh(&made).await, Renewal::Reuse { .. }));
}

pub(crate) async fn tenants_are_apart(world: World) {
    let tenant = world.tenant("t1").await;
    let new = NewSession {
        tenant: tenant.clone(),
        ..new_session("ada")
    };
    let made = world.backend.create(new).await.unwrap();
    assert_eq!(*made.session.handle.tenant(), tenant);
    let token = made.access.token.expose();
    let check = world.backend.check(token, UNCHECKED).await.unwrap();
    assert_eq!(valid(check.verification).session, made.session);
    let stored = world.backend.check_storage(token, UNCHECKED).await.unwrap();
    valid(stored);
    // The same name in another tenant is another session's.
    let elsewhere = SessionHandle::new(TenantId::PUBLIC, made.session.handle.id());
    assert!(!world.backend.revoke(&elsewhere).await.unwrap());
    let next = renewed(world.refresh(&made).await);
    assert_eq!(next.session, made.session);
    assert!(world.backend.revoke(&made.session.handle).await.unwrap());
}

pub(crate) async fn what_cannot_be_is_refused_alike(world: World) {
    let large = |bytes: usize| json(&format!(r#"{{"x":"{}"}}"#, "x".repeat(bytes)));
    let of_field = |error: Error| match error {
        Error::Invalid(invalid) => invalid.field(),
        Error::ProtectedClaim => "a protected claim",
        Error::Failure(failure) => panic!("{failure}"),
    };
    let made = world.create("ada").await;
    let token = made.access.token.expose();
    // A little more than a server stores, and more than it reads.
    for bytes in [1024 * 1024, 3 * 1024 * 1024] {
        let new = NewSession {
            session_data: large(bytes),
            ..new_session("ada")
        };
        let error = world.backend.create(new).await.unwrap_err();
        assert_eq!(of_field(error), "session data");
        let handle = &made.session.handle;
        let data = large(bytes);
        let written = world.backend.write_session_data(handle, &data).await;
        assert_eq!(of_field(written.unwrap_err()), "session data");
    }
    for (payload, field) in [
        (large(64 * 1024), "JWT payload"),
        (json(r#"{"sub":1}"#), "a protected claim"),
        (json(r#"{"rsub":1}"#), "a protected claim"),
    ] {
        let new = NewSession {
            jwt_payload: payload.clone(),
            ..new_session("ada")
        };
        let error = world.backend.create(new).await.unwrap_err();
        assert_eq!(of_field(error), field);
        let error = world
            .backend
            .regenerate(token, payload, None)
            .await
            .unwrap_err();
        assert_eq!(of_field(error), field);
    }
    let found = world.backend.handles_of_user(&user("ada")).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&made.session.handle));

    for text in ["", "x", "a.b.c", made.refresh.expose(), &"x".repeat(70_000)] {
        let check = world.backend.check(text, UNCHECKED).await.unwrap();
        let malformed = TryRefresh::Rejected(Rejected::Malformed);
        assert_eq!(try_refresh(&check.verification), malformed);
        let stored = world.backend.check_storage(text, UNCHECKED).await.unwrap();
        assert_eq!(try_refresh(&stored), malformed);
    }
    let (signed, _) = token.rsplit_once('.').unwrap();
    let resigned = format!("{signed}.{}", "A".repeat(342));
    let check = world.backend.check(&resigned, UNCHECKED).await.unwrap();
    let forged = TryRefresh::Rejected(Rejected::Signature);
    assert_eq!(try_refresh(&check.verification), forged);
    for text in ["", "x", token, "\u{1f600}\0", &made.refresh.expose()[1..]] {
        let present = Present {
            token: text,
            anti_csrf: false,
            passed: UNCHECKED,
            on_reuse: OnReuse::Revoke,
        };
        let renewal = world.backend.refresh(present).await.unwrap();
        assert!(matches!(renewal, Renewal::Unauthorised(_)), "{renewal:?}");
    }
}

pub(crate) async fn a_payload_that_its_cookie_cannot_carry_is_refused(world: World) {
    let large = json(&format!(r#"{{"text":"{}"}}"#, "x".repeat(4000)));
    let cookie = "__Host-sAccessToken";
    let new = NewSession {
        jwt_payload: large.clone(),
        cookie: Some(cookie.to_owned()),
        ..new_session("ada")
    };
    let error = world.backend.create(new).await.unwrap_err();
    assert!(error.to_string().contains("bytes of a cookie"), "{error}");
    let handles = world.backend.handles_of_user(&user("ada")).await;
    assert_eq!(handles.unwrap(), []);
    let made = world.create("ada").await;
    let token = made.access.token.expose();
    let grown = world.backend.regenerate(token, large.clone(), Some(cookie));
    assert!(matches!(grown.await, Err(Error::Invalid(_))));
    let next = renewed(world.refresh(&made).await);
    assert_eq!(next.session.jwt_payload, made.session.jwt_payload);
    // Elsewhere there is room.
    let grown = world.backend.regenerate(token, large, None).await.unwrap();
    assert!(matches!(grown, Regenerated::Done { .. }));
}

pub(crate) async fn reuse_that_is_only_to_be_told_ends_nothing(world: World) {
    let made = world.create("ada").await;
    let next = renewed(world.refresh(&made).await);
    let last = renewed(world.refresh(&next).await);
    world.clock.advance(LATER);
    let present = |on_reuse| Present {
        token: made.refresh.expose(),
        anti_csrf: false,
        passed: UNCHECKED,
        on_reuse,
    };
    let told = world.backend.refresh(present(OnReuse::Report)).await;
    assert!(matches!(told.unwrap(), Renewal::Reuse { .. }));
    let _ = renewed(world.refresh(&last).await);
    let told = world.backend.refresh(present(OnReuse::Revoke)).await;
    assert!(matches!(told.unwrap(), Renewal::Reuse { .. }));
    assert_eq!(
        refused(&world.refresh(&last).await),
        RefreshRefused::NoSession
    );
}

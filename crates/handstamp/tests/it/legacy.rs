//! Without a grace window the default policy is the rule that protocol 1.0 to 5.5 had, row by row. Two differences are meant:
//! a refresh slides the session's idle end at once, and a session that has ended is gone for verification too.

use handstamp::engine::{RefreshRefused, TryRefresh, VerifyRefused};
use handstamp::rotation::Reuse;
use handstamp::token::access::Rejected;
use handstamp::token::{Hash1, Hash2};

use crate::support::{
    APP, Client, DAY, HOUR, MILLI, MINUTE, SECOND, World, json, refused, try_refresh, unauthorised,
    valid,
};

fn hash2(token: &str) -> Hash2 {
    Hash1::of(token).hash2()
}

// Verify.

#[tokio::test]
async fn verify_of_what_is_no_token_says_try_refresh() {
    let world = World::without_grace();
    let client = world.create().await;
    let why = try_refresh(world.verify("nonsense").await);
    assert_eq!(why, TryRefresh::Rejected(Rejected::Malformed));
    world.advance(HOUR + MILLI);
    let why = try_refresh(world.verify(&client.access).await);
    assert_eq!(why, TryRefresh::Expired);
}

#[tokio::test]
async fn verify_without_a_parent_asks_nobody_and_mints_nothing() {
    let world = World::without_grace();
    let client = world.create().await;
    world.store.calls();
    assert!(
        valid(world.verify(&client.access).await)
            .replacement
            .is_none()
    );
    assert!(world.store.calls().is_empty());
    // Not even that the session is gone.
    world
        .engine
        .revoke(&APP, std::slice::from_ref(&client.handle))
        .await
        .unwrap();
    assert!(
        valid(world.verify(&client.access).await)
            .replacement
            .is_none()
    );
}

#[tokio::test]
async fn verify_against_the_store_finds_a_session_gone() {
    let world = World::without_grace();
    let client = world.create().await;
    assert!(
        valid(world.verify_in_store(&client.access).await)
            .replacement
            .is_none()
    );
    world
        .engine
        .revoke(&APP, std::slice::from_ref(&client.handle))
        .await
        .unwrap();
    let why = unauthorised(world.verify_in_store(&client.access).await);
    assert_eq!(why, VerifyRefused::NoSession);
}

#[tokio::test]
async fn verify_of_an_unconfirmed_token_finds_a_session_gone() {
    let world = World::without_grace();
    let child = world.create().await.asks(&world).await;
    world
        .engine
        .revoke(&APP, std::slice::from_ref(&child.handle))
        .await
        .unwrap();
    let why = unauthorised(world.verify(&child.access).await);
    assert_eq!(why, VerifyRefused::NothingToConfirm);
    let why = unauthorised(world.verify_in_store(&child.access).await);
    assert_eq!(why, VerifyRefused::NoSession);
}

#[tokio::test]
async fn verify_promotes_the_child_of_the_current_token() {
    let world = World::without_grace();
    let first = world.create().await;
    world.advance(HOUR);
    let child = first.asks(&world).await;
    world.advance(MINUTE);
    let verified = valid(world.verify(&child.access).await);

    let row = world.session(&child.handle).await.unwrap();
    assert_eq!(row.rotation.current.hash, hash2(&child.refresh));
    let previous = row.rotation.previous.unwrap();
    assert_eq!(previous.hash, hash2(&first.refresh));
    assert_eq!(previous.superseded_at, world.now());
    assert_eq!(row.rotation.child, None);
    assert_eq!(row.expires_at, world.now().plus(100 * DAY));

    let new = verified.replacement.unwrap();
    assert_eq!(new.created_at, world.now());
    assert_eq!(new.expires_at, world.now().plus(HOUR));
    let (old, new) = (
        world.read(&child.access).await,
        world.read(new.token.expose()).await,
    );
    assert_eq!(old.parent_hash, Some(Hash1::of(&first.refresh)));
    assert_eq!(new.parent_hash, None);
    assert_eq!(new.refresh_hash, Hash1::of(&child.refresh));
    assert_eq!(new.anti_csrf, old.anti_csrf);
    assert!(new.anti_csrf.is_some());
    assert_eq!(new.expires_at, world.now().plus(HOUR));
}

#[tokio::test]
async fn verify_of_a_promoted_child_mints_again_and_writes_nothing() {
    let world = World::without_grace();
    let mut client = world.create().await.asks(&world).await;
    let unconfirmed = client.access.clone();
    client.uses(&world).await;
    let row = world.session(&client.handle).await;
    world.advance(MINUTE);
    let again = valid(world.verify(&unconfirmed).await).replacement.unwrap();
    assert_eq!(world.read(again.token.expose()).await.parent_hash, None);
    assert_eq!(again.expires_at, world.now().plus(HOUR));
    assert_eq!(world.session(&client.handle).await, row);
    // What it got in exchange does not go to the store any more.
    world.store.calls();
    assert!(
        valid(world.verify(&client.access).await)
            .replacement
            .is_none()
    );
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn verify_of_a_sibling_is_good_and_mints_nothing() {
    let world = World::without_grace();
    let first = world.create().await;
    let sibling = first.asks(&world).await;
    let mut winner = first.asks(&world).await;
    winner.uses(&world).await;
    let row = world.session(&first.handle).await;
    let verified = valid(world.verify(&sibling.access).await);
    assert!(verified.replacement.is_none());
    assert_eq!(verified.session.jwt_payload, json("{}"));
    assert!(
        valid(world.verify_in_store(&sibling.access).await)
            .replacement
            .is_none()
    );
    assert_eq!(world.session(&first.handle).await, row);
}

/// The payload is fixed at creation, so another one gets into the store by other ways only.
#[tokio::test]
async fn verify_against_the_store_brings_the_payload_that_is_there() {
    for kind in ["first", "unconfirmed", "promoted", "sibling"] {
        let world = World::without_grace();
        let first = world.create().await;
        let child = first.asks(&world).await;
        let token = match kind {
            "first" => &first.access,
            "unconfirmed" => &child.access,
            "promoted" => {
                child.clone().uses(&world).await;
                &child.access
            }
            _ => {
                first.asks(&world).await.uses(&world).await;
                &child.access
            }
        };
        let mut row = world.session(&first.handle).await.unwrap();
        row.jwt_payload = json(r#"{"role":"new"}"#);
        let other = World::without_grace();
        other.store.adopt(&world.store, &row).await;
        let verified = valid(other.verify_in_store(token).await);
        assert_eq!(verified.session.jwt_payload, row.jwt_payload, "{kind}");
        let new = verified.replacement.unwrap();
        let new = other.read(new.token.expose()).await;
        assert_eq!(new.payload, row.jwt_payload, "{kind}");
        assert_eq!(new.parent_hash, None);
        assert_eq!(new.refresh_hash, world.read(token).await.refresh_hash);
    }
}

// Refresh.

#[tokio::test]
async fn refresh_of_the_current_token_makes_a_child_and_leaves_it_current() {
    let world = World::without_grace();
    let first = world.create().await;
    world.advance(DAY);
    let child = first.asks(&world).await;
    let row = world.session(&first.handle).await.unwrap();
    assert_eq!(row.rotation.current.hash, hash2(&first.refresh));
    assert_eq!(row.rotation.previous, None);
    assert_eq!(row.expires_at, world.now().plus(100 * DAY));
    let claims = world.read(&child.access).await;
    assert_eq!(claims.refresh_hash, Hash1::of(&child.refresh));
    assert_eq!(claims.parent_hash, Some(Hash1::of(&first.refresh)));
    assert_ne!(child.anti_csrf, first.anti_csrf);
}

#[tokio::test]
async fn refresh_of_a_child_promotes_it_and_makes_its_child() {
    let world = World::without_grace();
    let first = world.create().await;
    let child = first.asks(&world).await;
    world.advance(MINUTE);
    let grandchild = child.asks(&world).await;
    let row = world.session(&first.handle).await.unwrap();
    assert_eq!(row.rotation.current.hash, hash2(&child.refresh));
    let previous = row.rotation.previous.unwrap();
    assert_eq!(previous.hash, hash2(&first.refresh));
    assert_eq!(previous.superseded_at, world.now());
    assert_eq!(row.expires_at, world.now().plus(100 * DAY));
    let claims = world.read(&grandchild.access).await;
    assert_eq!(claims.parent_hash, Some(Hash1::of(&child.refresh)));
}

#[tokio::test]
async fn refresh_of_any_other_token_is_reuse_and_writes_nothing() {
    let world = World::without_grace();
    let first = world.create().await;
    let sibling = first.asks(&world).await;
    let mut client = first.asks(&world).await;
    client.uses(&world).await;
    let row = world.session(&first.handle).await;
    // In the same millisecond: there is no grace.
    assert_eq!(first.reuses(&world).await, Some(Reuse::Previous));
    assert_eq!(sibling.reuses(&world).await, Some(Reuse::Sibling));
    assert_eq!(world.session(&first.handle).await, row);
    client.refreshes(&world).await;
    client.uses(&world).await;
    assert_eq!(first.reuses(&world).await, Some(Reuse::Stale));
    client.goes_on(&world).await;
}

#[tokio::test]
async fn refresh_without_a_session_is_refused() {
    let world = World::without_grace();
    let why = refused(world.refresh("nonsense").await);
    assert_eq!(why, RefreshRefused::NotOurs);
    let revoked = world.create().await;
    world
        .engine
        .revoke(&APP, std::slice::from_ref(&revoked.handle))
        .await
        .unwrap();
    let why = refused(world.refresh(&revoked.refresh).await);
    assert_eq!(why, RefreshRefused::NoSession);
    let ended = world.create().await;
    world.advance(100 * DAY);
    let why = refused(world.refresh(&ended.refresh).await);
    assert_eq!(why, RefreshRefused::NoSession);
}

// What follows.

#[tokio::test]
async fn the_same_token_may_be_refreshed_for_ever_and_the_first_child_used_wins() {
    let world = World::without_grace();
    let first = world.create().await;
    let mut children: Vec<Client> = Vec::new();
    for _ in 0..20 {
        children.push(first.asks(&world).await);
        world.advance(SECOND);
    }
    let mut texts: Vec<_> = children.iter().map(|child| &child.refresh).collect();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 20);

    // Not the newest, and used for a request, not for a refresh.
    let mut winner = children.remove(7);
    winner.uses(&world).await;
    for sibling in &children {
        assert_eq!(sibling.reuses(&world).await, Some(Reuse::Sibling));
        assert!(
            valid(world.verify(&sibling.access).await)
                .replacement
                .is_none()
        );
    }
    assert_eq!(first.reuses(&world).await, Some(Reuse::Previous));
    winner.goes_on(&world).await;
    for sibling in &children {
        assert_eq!(
            try_refresh(world.verify(&sibling.access).await),
            TryRefresh::Expired
        );
    }
}

#[tokio::test]
async fn two_uses_of_one_child_both_get_an_access_token() {
    let world = World::without_grace();
    let child = world.create().await.asks(&world).await;
    let (one, other) = tokio::join!(world.verify(&child.access), world.verify(&child.access));
    for verification in [one, other] {
        let new = valid(verification).replacement.unwrap();
        assert_eq!(world.read(new.token.expose()).await.parent_hash, None);
    }
}

#[tokio::test]
async fn the_use_of_a_child_counts_as_such_although_the_parent_is_refreshed_meanwhile() {
    let world = World::without_grace();
    let first = world.create().await;
    let mut child = first.asks(&world).await;
    let other = first.asks(&world).await;
    child.uses(&world).await;
    assert_eq!(other.reuses(&world).await, Some(Reuse::Sibling));
    child.goes_on(&world).await;
}

#[tokio::test]
async fn tokens_made_while_a_session_is_revoked_lead_nowhere() {
    let world = World::without_grace();
    let child = world.create().await.asks(&world).await;
    world
        .engine
        .revoke(&APP, std::slice::from_ref(&child.handle))
        .await
        .unwrap();
    assert_eq!(
        refused(world.refresh(&child.refresh).await),
        RefreshRefused::NoSession
    );
    assert_eq!(world.session(&child.handle).await, None);
}

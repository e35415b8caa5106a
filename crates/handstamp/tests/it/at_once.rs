//! What can be said of an access token without waiting is what is said of it otherwise, and nothing is said where the store has
//! to be asked.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use handstamp::Config;
use handstamp::engine::{AntiCsrf, TryRefresh, Verification, Verify};
use handstamp::rotation::Policy;
use handstamp::token::Hash1;

use crate::support::{APP, Client, HOUR, MILLI, World, try_refresh, valid, with_anti_csrf};

fn at_once(world: &World, ask: &Verify<'_>) -> Option<Verification> {
    world.store.calls();
    let answer = world.engine.verify_at_once(ask);
    assert!(world.store.calls().is_empty());
    answer
}

async fn signed_in(world: &World) -> Client {
    Client::of(&world.engine.create(with_anti_csrf()).await.unwrap())
}

#[tokio::test]
async fn a_good_token_is_good_until_it_ends() {
    let world = World::new(Config::default());
    let client = signed_in(&world).await;
    let ask = Verify::new(&client.access);
    let verified = valid(at_once(&world, &ask).unwrap());
    assert_eq!(verified.session.handle, client.handle);
    assert_eq!(verified.expires_at, world.now().plus(HOUR));
    assert_eq!(
        verified.expires_at,
        valid(world.verify(&client.access).await).expires_at
    );
    world.advance(HOUR);
    let _ = valid(at_once(&world, &ask).unwrap());
    world.advance(MILLI);
    assert_eq!(
        try_refresh(at_once(&world, &ask).unwrap()),
        TryRefresh::Expired
    );
}

#[tokio::test]
async fn an_anti_csrf_token_is_compared() {
    let world = World::new(Config::default());
    let client = signed_in(&world).await;
    let with = |anti_csrf| Verify {
        anti_csrf,
        ..Verify::new(&client.access)
    };
    let _ = valid(at_once(&world, &with(AntiCsrf::Passed(client.anti_csrf.as_deref()))).unwrap());
    for wrong in [None, Some(""), Some("wrong")] {
        let refused = at_once(&world, &with(AntiCsrf::Passed(wrong))).unwrap();
        assert_eq!(try_refresh(refused), TryRefresh::AntiCsrf);
    }
}

#[tokio::test]
async fn the_store_is_left_to_those_who_can_wait() {
    let world = World::new(Config::default());
    let client = signed_in(&world).await;
    let ask = Verify {
        check_storage: true,
        ..Verify::new(&client.access)
    };
    assert!(at_once(&world, &ask).is_none());

    // Its use is to confirm the refresh token that came with it.
    let unconfirmed = client.asks(&world).await;
    let ask = Verify::new(&unconfirmed.access);
    assert!(at_once(&world, &ask).is_none());
    let ask = Verify {
        policy: Policy::RotateAtOnce,
        ..ask
    };
    let _ = valid(at_once(&world, &ask).unwrap());

    // Nobody has read the keys yet.
    let other = world.another(2, Config::default());
    assert!(other.verify_at_once(&Verify::new(&client.access)).is_none());
    other.prepare(&APP).await.unwrap();
    let _ = valid(other.verify_at_once(&Verify::new(&client.access)).unwrap());
}

#[tokio::test]
async fn what_was_not_made_here_is_refused_and_what_another_server_made_is_not() {
    let world = World::new(Config::default());
    let client = signed_in(&world).await;
    for forged in ["not a token", &format!("{}AA", client.access)] {
        let refused = at_once(&world, &Verify::new(forged)).unwrap();
        assert!(matches!(try_refresh(refused), TryRefresh::Rejected(_)));
    }

    // Another server has made a key since.
    let other = world.another(2, Config::default());
    world.advance(169 * HOUR);
    let theirs = Client::of(&other.create(with_anti_csrf()).await.unwrap());
    let ask = Verify::new(&theirs.access);
    assert!(at_once(&world, &ask).is_none());
    let _ = valid(world.verify(&theirs.access).await);
    let _ = valid(at_once(&world, &ask).unwrap());
}

#[tokio::test]
async fn the_use_of_a_new_token_is_told_to_the_store_later() {
    let world = World::new(Config::default());
    let first = signed_in(&world).await;
    let child = first.asks(&world).await;
    world.store.calls();
    let check = world
        .engine
        .verify_by_signature_at_once(&Verify::new(&child.access))
        .unwrap();
    assert_eq!(valid(check.verification).session.handle, child.handle);
    assert!(world.store.calls().is_empty());

    let confirmation = check.confirmation.unwrap();
    world.engine.confirm(&confirmation).await.unwrap();
    world.engine.confirm(&confirmation).await.unwrap();
    let session = world.session(&child.handle).await.unwrap();
    let previous = session.rotation.previous.unwrap();
    assert_eq!(previous.hash, Hash1::of(&first.refresh).hash2());
    assert_eq!(
        session.rotation.current.hash,
        Hash1::of(&child.refresh).hash2()
    );
    assert_eq!(session.rotation.child, None);
}

#[tokio::test]
async fn a_first_token_and_one_that_rotated_at_once_confirm_nothing() {
    let world = World::new(Config::default());
    let first = signed_in(&world).await;
    let of = |ask: &Verify<'_>| {
        let check = world.engine.verify_by_signature_at_once(ask).unwrap();
        let _ = valid(check.verification);
        check.confirmation
    };
    assert_eq!(of(&Verify::new(&first.access)), None);
    let child = first.asks(&world).await;
    let ask = Verify {
        policy: Policy::RotateAtOnce,
        ..Verify::new(&child.access)
    };
    assert_eq!(of(&ask), None);
}

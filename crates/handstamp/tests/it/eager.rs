//! The other policy: a new refresh token counts at once; and sessions that meet both.

#![expect(
    clippy::unchecked_time_subtraction,
    reason = "of spans that are known, the larger first"
)]

use handstamp::Config;
use handstamp::rotation::{Policy, Reuse};
use handstamp::token::Hash1;

use crate::support::{Client, DAY, HOUR, MILLI, MINUTE, SECOND, World, renewed, reused, valid};

const EAGER: Policy = Policy::RotateAtOnce;
const WINDOW: std::time::Duration = std::time::Duration::from_secs(10);

fn world() -> World {
    World::new(Config::default())
}

async fn eagerly(world: &World, client: &Client) -> Client {
    Client::of(&renewed(world.refresh_by(&client.refresh, EAGER).await))
}

async fn kind(world: &World, client: &Client) -> Reuse {
    reused(world.refresh_by(&client.refresh, EAGER).await)
}

#[tokio::test]
async fn the_new_token_is_current_at_once_and_the_presented_one_previous() {
    let world = world();
    let first = world.create().await;
    world.advance(DAY);
    world.store.calls();
    let second = eagerly(&world, &first).await;
    assert_eq!(world.store.calls(), ["session", "rotate"]);
    let row = world.session(&first.handle).await.unwrap();
    let previous = row.rotation.previous.unwrap();
    assert_eq!(
        row.rotation.current.hash,
        Hash1::of(&second.refresh).hash2()
    );
    assert_eq!(previous.hash, Hash1::of(&first.refresh).hash2());
    assert_eq!(previous.superseded_at, world.now());
    assert_eq!(row.rotation.child, None);
    assert_eq!(row.expires_at, world.now().plus(100 * DAY));
}

#[tokio::test]
async fn its_access_tokens_name_no_parent_and_verification_never_writes() {
    let world = world();
    let second = eagerly(&world, &world.create().await).await;
    assert_eq!(world.read(&second.access).await.parent_hash, None);
    world.store.calls();
    assert!(
        valid(world.verify(&second.access).await)
            .replacement
            .is_none()
    );
    assert!(world.store.calls().is_empty());
    assert!(
        valid(world.verify_in_store(&second.access).await)
            .replacement
            .is_none()
    );
    assert_eq!(world.store.calls(), ["session"]);
}

#[tokio::test]
async fn within_the_window_the_previous_token_gets_the_current_one_again() {
    let world = world();
    let first = world.create().await;
    let second = eagerly(&world, &first).await;
    let row = world.session(&first.handle).await;
    world.advance(WINDOW - MILLI);
    for _ in 0..3 {
        let again = eagerly(&world, &first).await;
        assert_eq!(again.refresh, second.refresh);
        assert_eq!(again.anti_csrf, second.anti_csrf);
        assert_eq!(world.read(&again.access).await.parent_hash, None);
    }
    assert_eq!(world.session(&first.handle).await, row);
    world.advance(MILLI);
    assert_eq!(kind(&world, &first).await, Reuse::Previous);
}

#[tokio::test]
async fn an_unconfirmed_child_made_under_the_other_policy_is_rotated_too() {
    let world = world();
    let first = world.create().await;
    let child = first.asks(&world).await;
    let next = eagerly(&world, &child).await;
    let row = world.session(&first.handle).await.unwrap().rotation;
    assert_eq!(row.current.hash, Hash1::of(&next.refresh).hash2());
    // What was presented becomes previous, not what was current.
    assert_eq!(
        row.previous.unwrap().hash,
        Hash1::of(&child.refresh).hash2()
    );
    assert_eq!(eagerly(&world, &child).await.refresh, next.refresh);
    assert_eq!(kind(&world, &first).await, Reuse::Stale);
}

#[tokio::test]
async fn a_sibling_has_no_grace() {
    let world = world();
    let first = world.create().await;
    let child = first.asks(&world).await;
    let next = eagerly(&world, &first).await;
    assert_ne!(next.refresh, child.refresh);
    assert_eq!(kind(&world, &child).await, Reuse::Sibling);
}

#[tokio::test]
async fn two_behind_has_no_grace() {
    let world = world();
    let first = world.create().await;
    let second = eagerly(&world, &first).await;
    eagerly(&world, &second).await;
    assert_eq!(kind(&world, &first).await, Reuse::Stale);
    world.advance(WINDOW);
    assert_eq!(kind(&world, &second).await, Reuse::Previous);
}

#[tokio::test]
async fn without_a_window_there_is_no_grace() {
    let world = World::without_grace();
    let first = world.create().await;
    eagerly(&world, &first).await;
    assert_eq!(kind(&world, &first).await, Reuse::Previous);
}

/// What a session may meet between two refreshes of an honest client.
#[tokio::test]
async fn a_session_may_meet_the_policies_in_any_order() {
    for pattern in 0_u32..64 {
        let world = world();
        let mut client = world.create().await;
        for round in 0..6 {
            let old = client.clone();
            let policy = if pattern >> round & 1 == 1 {
                EAGER
            } else {
                Policy::ConfirmOnUse
            };
            client = Client::of(&renewed(world.refresh_by(&old.refresh, policy).await));
            if round % 2 == 0 {
                client.uses(&world).await;
            }
            // The first answer got lost: within the window a retry is met the same way by both.
            world.advance(SECOND);
            for again in [Policy::ConfirmOnUse, policy] {
                let repeated = renewed(world.refresh_by(&old.refresh, again).await);
                let repeated = repeated.refresh.text().expose().to_owned();
                assert_eq!(repeated, client.refresh, "{pattern:06b} round {round}");
            }
            world.advance(HOUR - SECOND);
        }
        client.goes_on(&world).await;
    }
}

#[tokio::test]
async fn a_copy_is_found_out_whichever_policies_it_meets() {
    for pattern in 0_u32..16 {
        let policy = |turn: u32| {
            if pattern >> turn & 1 == 1 {
                EAGER
            } else {
                Policy::ConfirmOnUse
            }
        };
        let world = world();
        let mut victim = world.create().await;
        let mut thief = victim.clone();
        let mut found = false;
        for turn in 0..4 {
            world.advance(10 * MINUTE);
            let client = if turn % 2 == 0 {
                &mut victim
            } else {
                &mut thief
            };
            match world.refresh_by(&client.refresh, policy(turn)).await {
                handstamp::engine::Refreshed::Renewed(issued) => *client = Client::of(&issued),
                other => {
                    reused(other);
                    found = true;
                    break;
                }
            }
        }
        assert!(found, "{pattern:04b}");
    }
}

/// The access token of a child that lost to a rotation stays good until it ends; it confirms nothing.
#[tokio::test]
async fn the_use_of_a_child_that_lost_to_a_rotation_changes_nothing() {
    let world = world();
    let first = world.create().await;
    let child = first.asks(&world).await;
    let mut winner = eagerly(&world, &first).await;
    let row = world.session(&first.handle).await;
    assert!(
        valid(world.verify(&child.access).await)
            .replacement
            .is_none()
    );
    assert_eq!(world.session(&first.handle).await, row);
    winner.goes_on(&world).await;
    world.advance(MINUTE);
    assert_eq!(child.reuses(&world).await, Some(Reuse::Stale));
}

//! Who survives what: honest clients in bad luck, and thieves. Each test is a row of the table that refresh rotations are compared
//! by; the clients use their access tokens between refreshes, as clients do.

#![expect(
    clippy::unchecked_time_subtraction,
    reason = "of spans that are known, the larger first"
)]

use std::time::Duration;

use handstamp::Config;
use handstamp::rotation::Reuse;

use crate::support::{Client, HOUR, MINUTE, SECOND, World};

fn world() -> World {
    World::new(Config::default())
}

/// Two tabs that do not share what they store refresh in the same second, hour after hour.
#[tokio::test]
async fn a1_two_tabs_with_stores_of_their_own_both_go_on() {
    let world = world();
    let mut one = world.create().await;
    let mut other = one.clone();
    for _ in 0..24 {
        world.advance(HOUR);
        one.refreshes(&world).await;
        one.uses(&world).await;
        world.advance(SECOND);
        other.refreshes(&world).await;
        other.uses(&world).await;
        assert_eq!(one.refresh, other.refresh);
    }
}

/// Both tabs refresh with the token of the one jar they share; the answers come in either order, and are used in between.
#[tokio::test]
async fn a3_one_cookie_jar_answers_out_of_order() {
    for late_first in [false, true] {
        let world = world();
        let mut jar = world.create().await;
        for _ in 0..3 {
            world.advance(HOUR);
            let first = jar.asks(&world).await;
            world.advance(SECOND);
            let second = jar.asks(&world).await;
            let (early, late) = if late_first {
                (second, first)
            } else {
                (first, second)
            };
            jar = early;
            jar.uses(&world).await;
            jar = late;
            jar.uses(&world).await;
        }
        jar.goes_on(&world).await;
    }
}

/// The same with a minute between the two: now the answers differ, and whichever the jar holds in the end is good.
#[tokio::test]
async fn a3_one_cookie_jar_answers_a_minute_apart() {
    for keeps_first in [false, true] {
        let world = world();
        let old = world.create().await;
        let first = old.asks(&world).await;
        world.advance(MINUTE);
        let second = old.asks(&world).await;
        assert_ne!(first.refresh, second.refresh);
        let mut jar = if keeps_first { first } else { second };
        jar.goes_on(&world).await;
    }
}

async fn retries_after(wait: Duration) {
    let world = world();
    let mut client = world.create().await;
    for _ in 0..3 {
        let _lost = client.asks(&world).await;
        world.advance(wait);
        client.refreshes(&world).await;
        client.goes_on(&world).await;
    }
}

#[tokio::test]
async fn b1_lost_answer_retried_after_five_seconds() {
    retries_after(5 * SECOND).await;
    let world = world();
    let client = world.create().await;
    let lost = client.asks(&world).await;
    world.advance(5 * SECOND);
    assert_eq!(client.asks(&world).await.refresh, lost.refresh);
}

#[tokio::test]
async fn b2_lost_answer_retried_after_five_minutes() {
    retries_after_is_another(5 * MINUTE).await;
}

#[tokio::test]
async fn b3_lost_answer_retried_after_eight_hours() {
    retries_after_is_another(8 * HOUR).await;
}

async fn retries_after_is_another(wait: Duration) {
    retries_after(wait).await;
    // The answer that was lost and found by somebody else is good for nothing once the client uses its own.
    let world = world();
    let mut client = world.create().await;
    let lost = client.asks(&world).await;
    world.advance(wait);
    client.refreshes(&world).await;
    assert_ne!(client.refresh, lost.refresh);
    client.uses(&world).await;
    world.advance(MINUTE);
    assert_eq!(lost.reuses(&world).await, Some(Reuse::Sibling));
}

#[tokio::test]
async fn c1_stolen_token_one_behind_is_detected() {
    let world = world();
    let mut victim = world.create().await;
    let thief = victim.clone();
    victim.refreshes(&world).await;
    victim.uses(&world).await;
    world.advance(10 * MINUTE);
    assert_eq!(thief.reuses(&world).await, Some(Reuse::Previous));
}

#[tokio::test]
async fn c2_stolen_token_two_behind_is_detected() {
    let world = world();
    let mut victim = world.create().await;
    let thief = victim.clone();
    for _ in 0..2 {
        victim.refreshes(&world).await;
        victim.uses(&world).await;
    }
    // The window is for one generation.
    assert_eq!(thief.reuses(&world).await, Some(Reuse::Stale));
    world.advance(10 * MINUTE);
    assert_eq!(thief.reuses(&world).await, Some(Reuse::Stale));
}

/// The hour in which one of two holders of the same token is found out, if both refresh hourly, the second `behind` the first.
async fn found_out_in(behind: Duration, hours: u32) -> Option<u32> {
    let world = world();
    let mut victim = world.create().await;
    let mut thief = victim.clone();
    for hour in 1..=hours {
        world.advance(HOUR - behind);
        if turn(&world, &mut victim).await {
            return Some(hour);
        }
        world.advance(behind);
        if turn(&world, &mut thief).await {
            return Some(hour);
        }
    }
    assert_eq!(victim.refresh, thief.refresh);
    None
}

/// Whether the client's refresh was reported.
async fn turn(world: &World, client: &mut Client) -> bool {
    if client.reuses(world).await.is_some() {
        return true;
    }
    client.refreshes(world).await;
    client.uses(world).await;
    false
}

#[tokio::test]
async fn d1_thief_and_victim_ten_minutes_apart_are_detected_within_an_hour() {
    assert_eq!(found_out_in(10 * MINUTE, 48).await, Some(1));
    // So they are however little more than the window lies between them.
    assert_eq!(found_out_in(10 * SECOND, 48).await, Some(1));
}

/// The limit of the rule, stated: who always refreshes within the window of the victim looks like the victim's second tab.
#[tokio::test]
async fn d2_thief_and_victim_two_seconds_apart_are_not_detected() {
    assert_eq!(found_out_in(2 * SECOND, 48).await, None);
}

/// A session without use between refreshes, neither side's: the copy is found out one refresh later.
#[tokio::test]
async fn d1_without_any_use_of_access_tokens_it_takes_the_second_refresh() {
    let world = world();
    let mut victim = world.create().await;
    let mut thief = victim.clone();
    let mut found = None;
    for round in 1..=48 {
        world.advance(HOUR);
        if victim.reuses(&world).await.is_some() {
            found = Some(round);
            break;
        }
        victim.refreshes(&world).await;
        world.advance(10 * MINUTE);
        if thief.reuses(&world).await.is_some() {
            found = Some(round);
            break;
        }
        thief.refreshes(&world).await;
    }
    assert_eq!(found, Some(2));
}

//! What an engine does while nobody asks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use handstamp::Config;
use handstamp::engine::{Chore, KEYS_EVERY, SWEEP_EVERY};

use crate::support::{DAY, World};

/// Lets tasks do what they can until they wait for time.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ended_sessions_are_forgotten_and_keys_looked_after() {
    let world = World::new(Config::default());
    let client = world.create().await;
    let upkeep = tokio::spawn(world.engine.clone().upkeep());
    settle().await;
    assert!(world.session(&client.handle).await.is_some());
    world.store.calls();
    tokio::time::advance(KEYS_EVERY).await;
    settle().await;
    assert_eq!(world.store.calls(), ["keys"]);
    world.advance(DAY * 101);
    tokio::time::advance(SWEEP_EVERY).await;
    settle().await;
    assert!(world.session(&client.handle).await.is_none());
    upkeep.abort();
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_told_and_tried_again() {
    let world = World::new(Config::default());
    let client = world.create().await;
    world.store.fail(true);
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = {
        let told = Arc::clone(&told);
        move |chore, _| told.lock().unwrap().push(chore)
    };
    let upkeep = tokio::spawn(world.engine.clone().upkeep_telling(tell));
    settle().await;
    let mut failed = std::mem::take(&mut *told.lock().unwrap());
    failed.sort();
    assert_eq!(failed, [Chore::TendKeys, Chore::Sweep]);
    world.store.fail(false);
    world.advance(DAY * 101);
    tokio::time::advance(SWEEP_EVERY + Duration::from_millis(1)).await;
    settle().await;
    assert_eq!(*told.lock().unwrap(), []);
    assert!(world.session(&client.handle).await.is_none());
    upkeep.abort();
}

/// More than go at a time.
#[tokio::test]
async fn all_that_have_ended_are_forgotten_in_one_turn() {
    let world = World::new(Config::default());
    for _ in 0..501 {
        world.create().await;
    }
    world.advance(DAY * 101);
    let last = world.create().await;
    assert_eq!(world.engine.sweep_all().await.unwrap(), 501);
    assert_eq!(world.engine.sweep_all().await.unwrap(), 0);
    assert!(world.session(&last.handle).await.is_some());
}

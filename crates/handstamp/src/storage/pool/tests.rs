//! What becomes of connections, seen by a server that is not there.

use std::sync::atomic::Ordering;

use tokio::time::advance;

use self::server::{Job, Mood, Server};
use super::*;

mod server;

const LONG: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn the_last_to_come_back_goes_first_and_untested() {
    let server = Server::new();
    let pool = server.pool(3, LONG);
    for _ in 0..3 {
        assert_eq!(pool.run(Access::Write, &Job::Fine).await.unwrap(), 1);
    }
    server.warm(&pool, 3).await;
    assert_eq!(server.seen(), (3, 0, 3));
    // What was used a moment ago is good; later nobody knows.
    advance(Duration::from_millis(1_001)).await;
    pool.run(Access::Write, &Job::Fine).await.unwrap();
    pool.run(Access::Write, &Job::Fine).await.unwrap();
    assert_eq!(server.seen(), (3, 1, 3));
}

#[tokio::test(start_paused = true)]
async fn what_somebody_left_half_way_is_closed() {
    let server = Server::new();
    let pool = server.pool(1, LONG);
    let task = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(Access::Read, &Job::Wait).await })
    };
    server.sees_waiting(1).await;
    assert_eq!(server.seen(), (1, 0, 1));
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(server.seen(), (1, 0, 0), "at once, with what it held");
    assert_eq!(pool.run(Access::Write, &Job::Fine).await.unwrap(), 2);
    assert_eq!(server.seen(), (2, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_broke_is_not_used_again_and_the_others_are_tested() {
    let server = Server::new();
    let pool = server.pool(3, LONG);
    server.warm(&pool, 3).await;
    let broke = pool.run(Access::Write, &Job::Break).await.unwrap_err();
    assert!(broke.outcome_unknown);
    assert_eq!(server.seen(), (3, 0, 2));
    let next = pool.run(Access::Write, &Job::Fine).await.unwrap();
    assert!(next <= 3);
    assert_eq!(server.seen(), (3, 1, 2));

    // If one of them is dead, the others need not be tried.
    let broke = pool.run(Access::Write, &Job::Break).await.unwrap_err();
    assert!(broke.outcome_unknown);
    server.warm(&pool, 2).await;
    let broke = pool.run(Access::Write, &Job::Break).await.unwrap_err();
    assert!(broke.outcome_unknown);
    server.warm(&pool, 3).await;
    let (made, tested, open) = server.seen();
    assert_eq!(open, 3);
    advance(Duration::from_secs(2)).await;
    server.is_now(Mood::Dead);
    assert_eq!(
        pool.run(Access::Write, &Job::Fine).await.unwrap(),
        made + 1,
        "none that was there before"
    );
    assert_eq!(server.seen(), (made + 1, tested + 1, 1));
}

/// Also those that were in use at that time.
#[tokio::test(start_paused = true)]
async fn what_comes_back_after_all_were_given_up_is_closed() {
    let server = Server::new();
    let pool = server.pool(3, LONG);
    server.warm(&pool, 2).await;
    advance(Duration::from_secs(2)).await;
    let task = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(Access::Read, &Job::Wait).await })
    };
    server.sees_waiting(1).await;
    server.is_now(Mood::Dead);
    assert_eq!(pool.run(Access::Write, &Job::Fine).await.unwrap(), 3);
    assert_eq!(server.seen().2, 2);
    server.lets_go_on();
    task.await.unwrap().unwrap();
    assert_eq!(server.seen().2, 1);
    assert_eq!(pool.run(Access::Write, &Job::Fine).await.unwrap(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_test_that_is_not_answered_ends_and_condemns_all() {
    let server = Server::new();
    let pool = server.pool(3, LONG);
    server.warm(&pool, 3).await;
    advance(Duration::from_secs(2)).await;
    server.is_now(Mood::Silent);
    assert_eq!(pool.run(Access::Write, &Job::Fine).await.unwrap(), 4);
    assert_eq!(server.seen(), (4, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_in_a_hurry_closes_no_connections_of_others() {
    let server = Server::new();
    let pool = server.pool(3, Duration::from_secs(1));
    server.warm(&pool, 3).await;
    advance(Duration::from_secs(2)).await;
    server.is_now(Mood::Silent);
    let failed = pool.run(Access::Write, &Job::Fine).await.unwrap_err();
    assert_eq!(failed.fault, StorageFault::Unavailable);
    assert!(!failed.outcome_unknown);
    // The one it tested is of no use to anybody else.
    assert_eq!(server.seen(), (3, 1, 2));
    server.is_now(Mood::Good);
    assert!(pool.run(Access::Write, &Job::Fine).await.unwrap() <= 3);
    assert_eq!(server.seen(), (3, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_too_long_is_told_that_all_are_in_use() {
    let server = Server::new();
    let pool = server.pool(1, LONG);
    let task = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(Access::Read, &Job::Wait).await })
    };
    server.sees_waiting(1).await;
    let failed = pool.run(Access::Read, &Job::Fine).await.unwrap_err();
    assert_eq!(failed.fault, StorageFault::Busy);
    assert_eq!(failed.detail, "all connections to Fake are in use");
    let waiting = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(Access::Read, &Job::Fine).await })
    };
    tokio::task::yield_now().await;
    server.lets_go_on();
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn connecting_is_tried_again_while_there_is_time() {
    let server = Server::new();
    server.0.refusals.store(5, Ordering::SeqCst);
    let pool = server.pool(1, LONG);
    assert_eq!(pool.run(Access::Write, &Job::Fine).await.unwrap(), 1);
    assert_eq!(server.0.asked.load(Ordering::SeqCst), 6);

    let server = Server::new();
    server.0.refusals.store(u32::MAX, Ordering::SeqCst);
    let pool = server.pool(1, LONG);
    let began = Instant::now();
    let failed = pool.run(Access::Write, &Job::Fine).await.unwrap_err();
    assert_eq!(failed.fault, StorageFault::Unavailable);
    assert!(!failed.outcome_unknown);
    assert!(began.elapsed() <= LONG);
    assert!(server.0.asked.load(Ordering::SeqCst) > 5);

    // The answer is remembered, though the last to be asked had no time to give one.
    let server = Server::that(true, StorageFault::ReadOnly);
    server.0.refusals.store(u32::MAX, Ordering::SeqCst);
    let failed = server.pool(1, LONG).run(Access::Read, &Job::Fine).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.fault, StorageFault::ReadOnly);
    assert_eq!(failed.detail, "refused");

    // What nobody but an operator can mend is told at once.
    let server = Server::that(false, StorageFault::Other);
    server.0.refusals.store(u32::MAX, Ordering::SeqCst);
    let pool = server.pool(1, LONG);
    let failed = pool.run(Access::Write, &Job::Fine).await.unwrap_err();
    assert_eq!(failed.fault, StorageFault::Other);
    assert_eq!(server.0.asked.load(Ordering::SeqCst), 1);
}

/// As where the server takes no more connections: those that there are serve all.
#[tokio::test(start_paused = true)]
async fn who_is_refused_takes_what_another_gives_back() {
    let server = Server::new();
    let pool = server.pool(2, LONG);
    let task = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(Access::Read, &Job::Wait).await })
    };
    server.sees_waiting(1).await;
    server.0.refusals.store(u32::MAX, Ordering::SeqCst);
    let refused = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(Access::Read, &Job::Fine).await })
    };
    while server.0.asked.load(Ordering::SeqCst) < 3 {
        advance(Duration::from_millis(10)).await;
        tokio::task::yield_now().await;
    }
    server.lets_go_on();
    assert_eq!(refused.await.unwrap().unwrap(), 1);
    task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_server_that_takes_no_writes_refuses_goes_to_another() {
    let server = Server::that(true, StorageFault::Unavailable);
    let pool = server.pool(3, LONG);
    server.warm(&pool, 3).await;
    assert_eq!(pool.run(Access::Write, &Job::Write).await.unwrap(), 4);
    assert_eq!(server.seen(), (4, 0, 1), "the others lead to the same");

    // Where there is no other, they may still read.
    let server = Server::new();
    let pool = server.pool(3, LONG);
    server.warm(&pool, 3).await;
    let failed = pool.run(Access::Write, &Job::Write).await.unwrap_err();
    assert_eq!(failed.fault, StorageFault::ReadOnly);
    assert_eq!(server.seen(), (3, 0, 2));
}

/// A primary that has become a standby still answers, so it is asked now and then.
#[tokio::test(start_paused = true)]
async fn where_there_is_a_choice_connections_in_use_are_tested_as_well() {
    for (is_a_choice, tests) in [(true, 3), (false, 0)] {
        let server = Server::that(is_a_choice, StorageFault::Unavailable);
        let pool = server.pool(1, LONG);
        for _ in 0..10 {
            pool.run(Access::Write, &Job::Fine).await.unwrap();
            advance(Duration::from_millis(400)).await;
        }
        assert_eq!(server.seen(), (1, tests, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_nobody_needs_are_closed() {
    let server = Server::new();
    let pool = server.pool(3, LONG);
    server.warm(&pool, 3).await;
    for minute in 1..=6 {
        advance(Duration::from_secs(61)).await;
        pool.run(Access::Write, &Job::Fine).await.unwrap();
        let open = if minute < 5 { 3 } else { 1 };
        assert_eq!(server.seen().2, open, "after {minute}");
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_those_in_use_and_says_good_bye_to_all() {
    let server = Server::new();
    let pool = server.pool(3, LONG);
    server.warm(&pool, 3).await;
    let task = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.run(Access::Read, &Job::Wait).await })
    };
    server.sees_waiting(1).await;
    let closing = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.close().await })
    };
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!closing.is_finished() && !pool.is_closed());
    server.lets_go_on();
    task.await.unwrap().unwrap();
    closing.await.unwrap();
    assert!(pool.is_closed());
    assert_eq!(server.seen().2, 0);
    assert_eq!(server.0.farewells.load(Ordering::SeqCst), 3);
    let failed = pool.run(Access::Read, &Job::Fine).await.unwrap_err();
    assert_eq!(failed.fault, StorageFault::Closed);
}

/// A primary whose standby is away takes statements, and does not come to their end.
#[tokio::test(start_paused = true)]
async fn those_that_write_leave_a_place_to_those_that_read() {
    let server = Server::new();
    let pool = server.pool(4, LONG);
    let stuck: Vec<_> = (0..3)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(Access::Write, &Job::Wait).await })
        })
        .collect();
    server.sees_waiting(3).await;
    let failed = pool.run(Access::Write, &Job::Fine).await.unwrap_err();
    assert_eq!(failed.fault, StorageFault::Busy);
    assert!(!failed.outcome_unknown);
    pool.run(Access::Read, &Job::Fine).await.unwrap();

    // Nobody limits them but us, and what became of them is not known.
    for task in stuck {
        let failed = task.await.unwrap().unwrap_err();
        assert_eq!(failed.fault, StorageFault::Unavailable);
        assert!(failed.outcome_unknown);
    }
    pool.run(Access::Write, &Job::Fine).await.unwrap();
}

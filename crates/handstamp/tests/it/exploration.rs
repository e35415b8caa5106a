//! What must be true of rotation, shown by walking through everything that can happen in a small world (`world.rs` says what
//! that is). The worlds are finite and the walks end by themselves, so there is no bound on the length of what they cover; the
//! bound is on how many messages are under way at the same time.
//!
//! Times are in ticks. `a` is the longest a request takes to be decided, `b` the longest an answer takes to arrive after that,
//! `W` the grace window. What takes longer counts as lost.
#![expect(clippy::panic, reason = "a limit that is none should stop the test")]

mod names;
mod naming;
mod parties;
mod rules;
mod theft;
mod walk;
mod world;

use handstamp::rotation::Policy;

use rules::Rules;
use walk::{Walk, story, walk};
use world::World;

/// Walks, and shows how far it was.
fn explore(name: &str, rules: &Rules) -> Walk {
    let start = World::new(rules);
    let walked = walk(start.clone(), rules, |_| true);
    let (states, steps) = (walked.states, walked.steps);
    println!("{name}: {states} states, {steps} steps");
    if let Some((way, why)) = &walked.wrong {
        println!("{why}:\n{}", story(&start, rules, way).join("\n"));
    }
    walked
}

fn holds(name: &str, rules: &Rules) {
    let walked = explore(name, rules);
    assert!(walked.wrong.is_none(), "{name}: {:?}", walked.wrong);
}

/// What the first client that is let down gets, if there is one.
fn fails(name: &str, rules: &Rules) -> String {
    let wrong = explore(name, rules).wrong;
    wrong
        .unwrap_or_else(|| panic!("{name}: nobody is let down"))
        .1
}

/// H for one jar whose client sends one refresh at a time and waits until it is answered or lost: it holds with any delay,
/// any number of losses, any crash of a server, and retries after any time, however long or short the window is.
#[test]
fn one_refresh_at_a_time_is_never_let_down() {
    for (window, leg) in [(0, 1), (1, 2), (3, 1)] {
        let rules = Rules {
            window,
            request_leg: leg,
            answer_leg: leg,
            rest: 0,
            refreshes: 1,
            ..Rules::ONE_JAR
        };
        holds(
            &format!("one at a time, W = {window}, a = b = {leg}"),
            &rules,
        );
    }
}

/// H for one jar with concurrent, repeated, lost, late and reordered requests and answers. The premise:
///
/// 1. `a + b <= W / 2`: a round trip that takes more than half the window counts as lost;
/// 2. nobody refreshes a token that arrived `a + b` ago or less (access tokens live longer than that).
///
/// One tick is the finest time here, so "longer than 2 ticks" is 3.
#[test]
fn one_jar_is_never_let_down() {
    holds("one jar", &Rules::ONE_JAR);
    for (request_leg, answer_leg) in [(0, 1), (1, 0)] {
        let rules = Rules {
            window: 2,
            rest: 2,
            request_leg,
            answer_leg,
            ..Rules::ONE_JAR
        };
        holds(
            &format!("one jar, W = 2, a = {request_leg}, b = {answer_leg}"),
            &rules,
        );
    }
}

/// Part 1 of the premise is needed: an answer that repeats the child late in the window is still on its way when the next
/// request gets a sibling of it. Both arrive in the jar; the first is used, the second stays.
#[test]
fn limit_round_trips_longer_than_half_the_window() {
    for window in [2, 3] {
        let rules = Rules {
            window,
            ..Rules::ONE_JAR
        };
        let why = fails(&format!("a + b = 2, W = {window}"), &rules);
        assert_eq!(why, "an honest client got Superseded");
    }
}

/// Part 2 of the premise is needed: an answer with a token that has been replaced twice meanwhile overwrites the jar.
#[test]
fn limit_tokens_refreshed_as_soon_as_they_arrive() {
    for rest in [0, 1, 2] {
        let rules = Rules {
            rest,
            ..Rules::ONE_JAR
        };
        let why = fails(&format!("refreshed after {rest} ticks"), &rules);
        assert!(why.contains("Reuse"), "{why}");
    }
}

/// H for clients with stores of their own that began with the same token. The premise: every holder of a token has its
/// successor less than `d` after anybody's request with it was decided, `d + a <= W`, and nobody refreshes a token that
/// arrived less than `d + a` ago. When answers are repeated does not matter then.
#[test]
fn own_stores_in_step_are_never_let_down() {
    let two = Rules {
        in_step: Some(2),
        jars: 2,
        uses: 1,
        ..Rules::ONE_JAR
    };
    holds("two stores", &two);
    let three = Rules {
        window: 2,
        rest: 2,
        request_leg: 0,
        answer_leg: 0,
        jars: 3,
        ..two
    };
    holds("three stores", &three);
}

/// The premise for own stores is needed: who comes later than the window cannot be told from a thief.
#[test]
fn limit_own_stores_out_of_step() {
    let rules = Rules {
        in_step: Some(3),
        jars: 2,
        uses: 1,
        ..Rules::ONE_JAR
    };
    let why = fails("two stores, d + a > W", &rules);
    assert!(why.contains("Superseded") || why.contains("Reuse"), "{why}");
}

/// So is its last part: who refreshes sooner gets two tokens ahead of the others.
#[test]
fn limit_own_stores_and_tokens_refreshed_too_soon() {
    let rules = Rules {
        in_step: Some(2),
        rest: 2,
        jars: 2,
        uses: 1,
        ..Rules::ONE_JAR
    };
    let why = fails("two stores, refreshed too soon", &rules);
    assert_eq!(why, "an honest client got Reuse(Stale)");
}

/// H for the other policy: all holders of a token (a client alone, or several) have its successor less than `d` after the
/// first request with it was decided, `d + a <= W`: a lost answer has to be asked for again within the window.
#[test]
fn rotating_at_once_lets_nobody_down_within_the_window() {
    for jars in [1, 2] {
        let rules = Rules {
            policy: Policy::RotateAtOnce,
            in_step: Some(2),
            jars,
            uses: 0,
            ..Rules::ONE_JAR
        };
        holds(&format!("rotate at once, {jars} stores"), &rules);
    }
}

/// Rotating at once, a lost answer that is asked for again after the window looks like theft. This is the limit that
/// confirming on use does not have.
#[test]
fn limit_rotating_at_once_and_a_retry_after_the_window() {
    let rules = Rules {
        policy: Policy::RotateAtOnce,
        refreshes: 1,
        uses: 0,
        ..Rules::ONE_JAR
    };
    let why = fails("rotate at once, late retry", &rules);
    assert_eq!(why, "an honest client got Reuse(Previous)");
}

/// R: whatever is under way when a session is revoked, it stays revoked. (Checked at each step of the walk.)
#[test]
fn a_revoked_session_stays_revoked() {
    for policy in [Policy::ConfirmOnUse, Policy::RotateAtOnce] {
        let rules = Rules {
            policy,
            in_step: Some(2),
            revocation: true,
            ..Rules::ONE_JAR
        };
        holds(&format!("revocation, {policy:?}"), &rules);
    }
}

fn presenters(policy: Policy, guarded: bool) -> Walk {
    let rules = Rules {
        policy,
        request_leg: 1,
        answer_leg: 1,
        jars: 3,
        refreshes: 3,
        uses: usize::from(policy == Policy::ConfirmOnUse),
        rest: 0,
        asks: false,
        guarded,
        ..Rules::ONE_JAR
    };
    let walked = walk(
        World::all_presenting(&rules),
        &rules,
        World::has_one_lineage,
    );
    let states = walked.states;
    println!("three presenters, {policy:?}, guarded {guarded}: {states} states");
    walked
}

/// A: three requests with one token, on servers that read, decide, write, lose and decide anew in any order, are answered with
/// one and the same token.
#[test]
fn one_token_has_one_child() {
    for policy in [Policy::ConfirmOnUse, Policy::RotateAtOnce] {
        let walked = presenters(policy, true);
        assert!(walked.wrong.is_none(), "{policy:?}: {:?}", walked.wrong);
        assert!(walked.states > 50);
    }
}

/// The walk would notice a store whose guard does not work.
#[test]
fn without_the_guard_one_token_has_several_children() {
    for policy in [Policy::ConfirmOnUse, Policy::RotateAtOnce] {
        assert!(presenters(policy, false).wrong.is_some(), "{policy:?}");
    }
}

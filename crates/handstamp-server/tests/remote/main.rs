//! The library's client of a server elsewhere: against this server over the machine's own network, which does what an engine in
//! the process does, fails in all the ways that a network has, or says what no server says.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "in a test, what goes wrong may stop it"
)]

mod behaviours;
mod hosts;
mod keys;
mod nonsense;
mod support;

/// Each behaviour, by an engine here and by a server elsewhere.
macro_rules! on_each {
    ($($behaviour:ident,)*) => {
        mod embedded {
            $(#[tokio::test]
            async fn $behaviour() {
                crate::behaviours::$behaviour(crate::support::World::embedded()).await;
            })*
        }

        mod remote {
            $(#[tokio::test]
            async fn $behaviour() {
                crate::behaviours::$behaviour(crate::support::World::remote().await).await;
            })*
        }
    };
}

on_each! {
    a_new_session_is_good_at_once,
    a_token_ends_and_so_does_a_session,
    a_refresh_repeated_is_the_same,
    a_use_that_is_confirmed_makes_the_old_token_reuse,
    a_payload_that_its_cookie_cannot_carry_is_refused,
    reuse_that_is_only_to_be_told_ends_nothing,
    a_use_that_is_not_confirmed_does_not,
    reuse_ends_the_session,
    a_revoked_session_is_gone,
    all_sessions_of_a_user_are_found_and_ended,
    data_are_read_and_overwritten,
    another_payload_makes_another_token,
    an_anti_csrf_token_is_compared,
    a_check_of_the_store_confirms,
    tenants_are_apart,
    what_cannot_be_is_refused_alike,
}

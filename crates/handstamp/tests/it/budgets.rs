//! What each operation costs at the store, and that a repeated refresh brings the same tokens.

#![expect(
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests; spans that are known are subtracted"
)]

use handstamp::Config;
use handstamp::engine::{Refresh, RefreshRefused, Refreshed};
use handstamp::storage::DataWrite;

use crate::support::{
    APP, Client, MILLI, SECOND, World, json, refresh_v1, refused, renewed, user, valid,
    with_anti_csrf,
};

fn world() -> World {
    World::new(Config::default())
}

/// A world whose keys are made, with one session.
async fn prepared() -> (World, Client) {
    let world = world();
    world.engine.prepare(&APP).await.unwrap();
    assert_eq!(
        world.store.calls(),
        ["keys", "add_key", "keys", "add_key", "keys"]
    );
    let client = world.create().await;
    assert_eq!(world.store.calls(), ["insert"]);
    (world, client)
}

#[tokio::test]
async fn create_is_one_write_and_verify_is_nothing() {
    let (world, client) = prepared().await;
    let _ = valid(world.verify(&client.access).await);
    assert!(world.store.calls().is_empty());
    let _ = valid(world.verify_in_store(&client.access).await);
    assert_eq!(world.store.calls(), ["session"]);
}

#[tokio::test]
async fn refresh_is_one_read_and_one_write_and_an_early_repeat_does_not_write() {
    let (world, first) = prepared().await;
    let child = first.asks(&world).await;
    assert_eq!(world.store.calls(), ["session", "rotate"]);
    world.advance(5 * SECOND - MILLI);
    assert_eq!(first.asks(&world).await.refresh, child.refresh);
    assert_eq!(world.store.calls(), ["session"]);
    // In the second half of the window the repeat is written down, and the window starts anew.
    world.advance(MILLI);
    assert_eq!(first.asks(&world).await.refresh, child.refresh);
    assert_eq!(world.store.calls(), ["session", "rotate"]);
    world.advance(5 * SECOND - MILLI);
    assert_eq!(first.asks(&world).await.refresh, child.refresh);
    assert_eq!(world.store.calls(), ["session"]);
    // A confirmation by refresh and the new child are one write.
    let grandchild = child.asks(&world).await;
    assert_eq!(world.store.calls(), ["session", "rotate"]);
    // The previous token within the window: no write either.
    assert_eq!(first.asks(&world).await.refresh, child.refresh);
    assert_eq!(child.asks(&world).await.refresh, grandchild.refresh);
    assert_eq!(world.store.calls(), ["session", "session"]);
}

#[tokio::test]
async fn confirmation_is_one_conditional_write() {
    let (world, first) = prepared().await;
    let mut child = first.asks(&world).await;
    world.store.calls();
    child.uses(&world).await;
    assert_eq!(world.store.calls(), ["confirm"]);
    child.uses(&world).await;
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn data_and_revocation_are_one_step_each() {
    let (world, client) = prepared().await;
    let (engine, handle) = (&world.engine, &client.handle);
    let read = engine.session_data(&APP, handle).await.unwrap().unwrap();
    assert_eq!(read.version, 1);
    assert_eq!(world.store.calls(), ["session_data"]);
    let data = json(r#"{"a":1}"#);
    let written = engine
        .write_session_data(&APP, handle, &data, Some(1))
        .await;
    assert_eq!(written.unwrap(), DataWrite::Written(2));
    assert_eq!(world.store.calls(), ["write_session_data"]);
    assert_eq!(
        engine
            .handles_of_user(&APP, None, &user())
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(world.store.calls(), ["handles_of_user"]);
    assert_eq!(
        engine.revoke_user(&APP, None, &user()).await.unwrap().len(),
        1
    );
    assert_eq!(world.store.calls(), ["revoke_user"]);
    let handles = std::slice::from_ref(handle);
    assert!(engine.revoke(&APP, handles).await.unwrap().is_empty());
    assert_eq!(world.store.calls(), ["revoke"]);
    assert!(engine.revoke(&APP, &[]).await.unwrap().is_empty());
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn a_forged_refresh_token_never_reaches_the_store() {
    let (world, client) = prepared().await;
    let cut = client.refresh.len() - 1;
    let forged = [
        client.refresh[..cut].to_owned(),
        format!("{}A", client.refresh),
        client.access,
    ];
    for token in forged {
        assert_eq!(
            refused(world.refresh(&token).await),
            RefreshRefused::NotOurs
        );
    }
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn reuse_is_one_read_and_the_revocation() {
    let (world, first) = prepared().await;
    first.asks(&world).await.uses(&world).await;
    world.advance(10 * SECOND);
    world.store.calls();
    let refreshed = world.engine.refresh(&refresh_v1(&first.refresh)).await;
    assert!(matches!(refreshed.unwrap(), Refreshed::Reuse { .. }));
    assert_eq!(world.store.calls(), ["session", "revoke"]);
}

/// The same again whatever the anti-CSRF setting says by then, of a child and of a token that is current meanwhile.
#[tokio::test]
async fn a_repeated_refresh_brings_the_same_tokens() {
    for (before, after) in [(true, true), (false, false), (true, false), (false, true)] {
        let (world, client) = prepared().await;
        let ask = |anti_csrf| Refresh {
            anti_csrf,
            ..refresh_v1(&client.refresh)
        };
        let made = renewed(world.engine.refresh(&ask(before)).await.unwrap());
        assert_eq!(made.refresh.anti_csrf().is_some(), before);
        let id_refresh = made.refresh.id_refresh().to_string();
        assert_ne!(client.anti_csrf.as_ref(), Some(&id_refresh));
        assert_ne!(Client::of(&made).anti_csrf, Some(id_refresh));
        for used in [false, true] {
            world.advance(SECOND);
            if used {
                Client::of(&made).uses(&world).await;
            }
            let again = renewed(world.engine.refresh(&ask(after)).await.unwrap());
            assert_eq!(again.refresh.text().expose(), made.refresh.text().expose());
            assert_eq!(again.refresh.anti_csrf(), made.refresh.anti_csrf());
            assert_eq!(again.refresh.id_refresh(), made.refresh.id_refresh());
            let claims = world.read(again.access.token.expose()).await;
            assert_eq!(claims.anti_csrf.as_ref(), made.refresh.anti_csrf());
            assert_eq!(claims.parent_hash.is_none(), used);
        }
    }
}

/// All read before the first writes; the others find that they lost, read again, and repeat what the first one got.
#[tokio::test]
async fn many_refreshes_at_once_are_one_lineage() {
    let (world, client) = prepared().await;
    let ask = refresh_v1(&client.refresh);
    let (a, b, c, d) = tokio::join!(
        world.engine.refresh(&ask),
        world.engine.refresh(&ask),
        world.engine.refresh(&ask),
        world.engine.refresh(&ask),
    );
    let texts = [a, b, c, d].map(|refreshed| {
        let issued = renewed(refreshed.unwrap());
        issued.refresh.text().expose().to_owned()
    });
    assert!(texts.iter().all(|text| *text == texts[0]));
    let row = world.session(&client.handle).await.unwrap();
    assert_eq!(row.rotation.counter, 1);
    let calls = world.store.calls();
    assert_eq!(calls.iter().filter(|call| **call == "rotate").count(), 4);
    assert_eq!(calls.iter().filter(|call| **call == "session").count(), 7);
}

/// A session that was there first stays as it is.
#[tokio::test]
async fn two_servers_with_the_same_randomness_make_one_session() {
    let (world, _) = prepared().await;
    let twins = [2, 2].map(|seed| world.another(seed, Config::default()));
    twins[0].create(with_anti_csrf()).await.unwrap();
    let refused = twins[1].create(with_anti_csrf()).await.unwrap_err();
    assert!(refused.to_string().contains("session handle"), "{refused}");
}

//! Who shares a statement with whom, and who does not: seen by statements that are counted.

use handstamp::JsonObject;
use handstamp::storage::{Confirm, DataWrite, Guarded, Storage as _};
use handstamp::token::Hash2;

use crate::fixture::{
    APP, Client, Town, at, behind_a_lock, handle, keep, rotate, session, with_child,
};

/// Each caller is told its own outcome.
pub(crate) async fn payloads_and_revocations_share_statements(town: Town) {
    let mut options = town.options();
    options.lanes = 1;
    let storage = town.open_with(&options).await;
    keep(&storage, 0..5).await;
    let mut client = town.client().await;
    note_statements(&mut client).await;

    let (payload, handles): (_, Vec<_>) = (
        JsonObject::parse("{\"new\":1}").unwrap(),
        (0..100).map(handle).collect(),
    );
    let write = |id: usize, now| storage.write_jwt_payload(&APP, &handles[id], &payload, at(now));
    let others = vec![write(1, 0), write(99, 0), write(2, 10_000), write(3, 0)];
    let outcomes = behind_a_lock(&town, write(0, 0), others).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    assert_eq!(outcomes, [true, true, false, false, true]);
    for (id, written) in [(0, true), (1, true), (2, false), (3, true), (4, false)] {
        let read = storage.session(&APP, &handle(id)).await.unwrap().unwrap();
        assert_eq!(read.jwt_payload == payload, written, "{id}");
    }
    assert_eq!(
        client.number(UPDATES).await,
        2,
        "the first, and the others together"
    );

    let revoke = |id: usize| storage.revoke(&APP, &handles[id..=id]);
    let others = vec![revoke(1), revoke(99), revoke(3)];
    let revoked = behind_a_lock(&town, revoke(0), others).await;
    let revoked: Vec<_> = revoked.into_iter().map(Result::unwrap).collect();
    let those = |ids: &[u32]| ids.iter().copied().map(handle).collect::<Vec<_>>();
    assert_eq!(revoked, [those(&[0]), those(&[1]), vec![], those(&[3])]);
    assert_eq!(
        client.number(DELETIONS).await,
        2,
        "the first, and the others together"
    );
    for (id, left) in [(0, false), (1, false), (2, true), (3, false), (4, true)] {
        let read = storage.session(&APP, &handle(id)).await.unwrap();
        assert_eq!(read.is_some(), left, "{id}");
    }
}

const UPDATES: &str = "SELECT count(*) FROM noted WHERE what = 'UPDATE'";
const DELETIONS: &str = "SELECT count(*) FROM noted WHERE what = 'DELETE'";

/// From now on each statement that writes is counted.
async fn note_statements(client: &mut Client) {
    client
        .run(
            "CREATE TABLE noted (what text);
             CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO noted VALUES (TG_OP);
                 RETURN NULL;
             END $$;
             CREATE TRIGGER note AFTER UPDATE OR DELETE ON handstamp_sessions
                 FOR EACH STATEMENT EXECUTE FUNCTION note()",
        )
        .await;
}

/// The second of each pair depends on what the first leaves behind.
pub(crate) async fn two_writes_to_one_session_do_not_share_a_statement(town: Town) {
    let mut options = town.options();
    options.lanes = 1;
    let storage = town.open_with(&options).await;
    keep(&storage, 0..4).await;
    let handles: Vec<_> = (0..4).map(handle).collect();
    let empty = JsonObject::empty();

    let (one, new) = (session(9), session(10));
    let inserts = [&one, &new, &new].map(|session| storage.insert(&APP, session, &empty));
    let [first, others @ ..] = inserts;
    let inserted = behind_a_lock(&town, first, others.into()).await;
    let inserted: Vec<_> = inserted.into_iter().map(Result::unwrap).collect();
    let (written, lost) = (Guarded::Written, Guarded::Lost);
    assert_eq!(inserted, [written, written, lost]);

    let child = with_child(&session(1), 2);
    let mut again = child.clone();
    again.counter += 1;
    let rotate = |id: usize, expected, next| {
        rotate(&storage, &APP, &handles[id], expected, next, at(20_000))
    };
    let rotations = vec![rotate(1, 0, &child), rotate(1, 1, &again)];
    let rotated = behind_a_lock(&town, rotate(0, 0, &child), rotations).await;
    let rotated: Vec<_> = rotated.into_iter().map(Result::unwrap).collect();
    assert_eq!(rotated, [written; 3]);

    let confirm = |id: usize, parent, child| {
        let step = Confirm {
            child: Hash2::from_bytes([child; 32]),
            parent: Hash2::from_bytes([parent; 32]),
            now: at(2_000),
            expires_at: at(20_000),
        };
        storage.confirm(&APP, &handles[id], step)
    };
    let confirmations = vec![confirm(2, 1, 2), confirm(2, 2, 3)];
    let confirmed = behind_a_lock(&town, confirm(0, 1, 2), confirmations).await;
    let counters = confirmed
        .into_iter()
        .map(|one| one.unwrap().unwrap().rotation.counter);
    assert_eq!(counters.collect::<Vec<_>>(), [2, 1, 2]);

    let write = |id: usize, expected| {
        storage.write_session_data(&APP, &handles[id], &empty, Some(expected), at(0))
    };
    let writes = vec![write(3, 1), write(3, 2)];
    let outcomes = behind_a_lock(&town, write(0, 1), writes).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let version = DataWrite::Written;
    assert_eq!(outcomes, [version(2), version(2), version(3)]);

    let mut client = town.client().await;
    note_statements(&mut client).await;
    let payloads = [1, 2, 3].map(|n| JsonObject::parse(&format!("{{\"n\":{n}}}")).unwrap());
    let write =
        |id: usize, n: usize| storage.write_jwt_payload(&APP, &handles[id], &payloads[n], at(0));
    let outcomes = behind_a_lock(&town, write(0, 0), vec![write(3, 1), write(3, 2)]).await;
    assert!(outcomes.into_iter().all(Result::unwrap));
    let read = storage.session(&APP, &handles[3]).await.unwrap().unwrap();
    assert_eq!(read.jwt_payload, payloads[2], "the last one stays");
    assert_eq!(client.number(UPDATES).await, 3);

    let revoke = |id: usize| storage.revoke(&APP, &handles[id..=id]);
    let revoked = behind_a_lock(&town, revoke(0), vec![revoke(3), revoke(3)]).await;
    let revoked: Vec<_> = revoked.into_iter().map(Result::unwrap).collect();
    assert_eq!(revoked, [vec![handle(0)], vec![handle(3)], vec![]]);
    assert_eq!(client.number(DELETIONS).await, 3);
}

//! What goes together, and what does not: seen by a statement that waits until it is told to go on.

use std::collections::BTreeSet;
use std::sync::Mutex as StdMutex;

use tokio::sync::Semaphore;
use uuid::Uuid;

use super::*;
use crate::id::TenantId;

/// Keeps what ran with what, and does nothing before it has a permit.
#[derive(Clone, Default)]
struct Recorder(Arc<Recorded>);

struct Recorded {
    batches: StdMutex<Vec<Vec<(Place, u32)>>>,
    begun: Semaphore,
    go: Semaphore,
}

impl Default for Recorded {
    fn default() -> Self {
        Self {
            batches: StdMutex::default(),
            begun: Semaphore::new(0),
            go: Semaphore::new(0),
        }
    }
}

impl Recorder {
    fn batches(&self) -> Vec<Vec<u32>> {
        let batches = self.0.batches.lock().unwrap();
        let work = |batch: &Vec<(Place, u32)>| batch.iter().map(|(_, work)| *work).collect();
        batches.iter().map(work).collect()
    }

    /// Waits until a statement has begun that has no permit yet.
    async fn has_begun(&self) {
        self.0.begun.acquire().await.unwrap().forget();
    }

    fn go(&self, statements: usize) {
        self.0.go.add_permits(statements);
    }
}

/// Work that fails any statement it is part of, and work that panics.
const BAD: u32 = 666;
const PANIC: u32 = 667;
/// Work that takes the connection with it.
const CUT: u32 = 668;
/// The same, if it is alone.
const CUT_ALONE: u32 = 669;
/// Work on a row that somebody else holds.
const HELD: u32 = 670;

fn failed(fault: StorageFault, may_be_one_row: bool) -> Failed {
    Failed {
        fault,
        outcome_unknown: !may_be_one_row,
        detail: "on purpose".into(),
        may_be_one_row,
    }
}

impl Statement for Recorder {
    type Work = u32;
    type Outcome = u32;
    const ONE_PER_SESSION: bool = true;

    async fn run(&self, batch: &[(Place, u32)]) -> Result<Vec<u32>, Failed> {
        self.0.batches.lock().unwrap().push(batch.to_vec());
        self.0.begun.add_permits(1);
        self.0.go.acquire().await.unwrap().forget();
        let has = |wanted| batch.iter().any(|(_, work)| *work == wanted);
        assert!(!has(PANIC), "on purpose");
        if has(CUT) || (has(CUT_ALONE) && batch.len() == 1) {
            return Err(failed(StorageFault::Unavailable, false));
        }
        if has(HELD) {
            return Err(failed(StorageFault::Busy, true));
        }
        if has(BAD) {
            return Err(failed(StorageFault::Inconsistent, true));
        }
        Ok(batch.iter().map(|(_, work)| work + 1_000).collect())
    }
}

fn place(id: u32) -> Place {
    let handle = SessionHandle::new(TenantId::PUBLIC, Uuid::from_u128(id.into()));
    Place::new(&AppId::PUBLIC, &handle)
}

const BOUNDS: Bounds = Bounds {
    lanes: 1,
    batch: 8,
    waiting: 64,
};

type Answers = Vec<Result<u32, StorageFault>>;

/// Has the first of `work` under way while the others arrive; answers what all come to.
async fn behind_the_first(recorder: &Recorder, work: &[(u32, u32)]) -> Answers {
    let coalescer = Arc::new(Coalescer::start(recorder.clone(), BOUNDS));
    let mut tasks = Vec::new();
    for (n, (session, work)) in work.iter().copied().enumerate() {
        let coalescer = Arc::clone(&coalescer);
        let lane = coalescer.lanes[0].clone();
        tasks.push(tokio::spawn(async move {
            coalescer.take(place(session), work).await
        }));
        if n == 0 {
            recorder.has_begun().await;
        }
        while lane.len() < n {
            tokio::task::yield_now().await;
        }
    }
    recorder.go(100);
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap().map_err(|error| error.fault()));
    }
    coalescer.close().await;
    answers
}

#[tokio::test]
async fn a_step_alone_waits_for_nobody() {
    let recorder = Recorder::default();
    recorder.go(1);
    let coalescer = Coalescer::start(recorder.clone(), BOUNDS);
    assert_eq!(coalescer.take(place(1), 7).await.unwrap(), 1_007);
    assert_eq!(recorder.batches(), [[7]]);
}

#[tokio::test]
async fn what_arrives_during_a_statement_shares_the_next_ones() {
    let recorder = Recorder::default();
    let work: Vec<_> = (0..14).map(|n| (100 - n, n)).collect();
    let answers = behind_the_first(&recorder, &work).await;
    let expected: Answers = (0..14).map(|n| Ok(n + 1_000)).collect();
    assert_eq!(answers, expected);
    let batches = recorder.batches();
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 8, 5]);
    for batch in recorder.0.batches.lock().unwrap().iter() {
        assert!(batch.is_sorted_by(|one, other| one.0 < other.0));
    }
}

#[tokio::test]
async fn steps_about_one_session_follow_each_other_in_order() {
    let recorder = Recorder::default();
    let work = [(9, 0), (1, 1), (1, 2), (2, 3), (1, 4), (2, 5), (3, 6)];
    let answers = behind_the_first(&recorder, &work).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(
        recorder.batches(),
        [vec![0], vec![1, 3, 6], vec![2, 5], vec![4]]
    );
}

#[tokio::test]
async fn a_session_that_all_write_to_does_not_take_in_the_whole_queue() {
    let recorder = Recorder::default();
    let work: Vec<_> = (0..40)
        .map(|n| (if n % 13 == 12 { n } else { 1 }, n))
        .collect();
    let answers = behind_the_first(&recorder, &work).await;
    let expected: Answers = (0..40).map(|n| Ok(n + 1_000)).collect();
    assert_eq!(answers, expected);
    let all: BTreeSet<_> = recorder.batches().into_iter().flatten().collect();
    assert_eq!(all, (0..40).collect());
}

#[tokio::test]
async fn a_bad_row_fails_nobody_else() {
    let recorder = Recorder::default();
    let work = [(9, 0), (1, 1), (2, BAD), (3, 3)];
    let answers = behind_the_first(&recorder, &work).await;
    let expected = [
        Ok(1_000),
        Ok(1_001),
        Err(StorageFault::Inconsistent),
        Ok(1_003),
    ];
    assert_eq!(answers, expected);
    let batches = [vec![0], vec![1, BAD, 3], vec![1], vec![BAD], vec![3]];
    assert_eq!(recorder.batches(), batches);
}

/// One by one they would each wait for as long as the first.
#[tokio::test]
async fn a_bad_database_is_not_asked_for_each_of_many() {
    let recorder = Recorder::default();
    let work = [(9, 0), (1, HELD), (2, 2), (3, HELD), (4, 4), (5, HELD)];
    let answers = behind_the_first(&recorder, &work).await;
    let busy = Err(StorageFault::Busy);
    assert_eq!(answers, [Ok(1_000), busy, Ok(1_002), busy, busy, busy]);
    assert_eq!(recorder.batches().len(), 5);

    let recorder = Recorder::default();
    let work = [(9, 0), (1, 1), (2, CUT_ALONE), (3, BAD), (4, 4)];
    let answers = behind_the_first(&recorder, &work).await;
    let cut = Err(StorageFault::Unavailable);
    assert_eq!(answers, [Ok(1_000), Ok(1_001), cut, cut, cut]);
    assert_eq!(recorder.batches().len(), 4);
}

/// They may have happened, so they must not happen again.
#[tokio::test]
async fn writes_of_unknown_outcome_are_not_replayed() {
    let recorder = Recorder::default();
    let work = [(9, 0), (1, 1), (2, CUT), (3, 3)];
    let answers = behind_the_first(&recorder, &work).await;
    let cut = Err(StorageFault::Unavailable);
    assert_eq!(answers, [Ok(1_000), cut, cut, cut]);
    assert_eq!(recorder.batches(), [vec![0], vec![1, CUT, 3]]);
}

#[tokio::test]
async fn a_panic_costs_those_that_take_part() {
    let recorder = Recorder::default();
    recorder.go(10);
    let coalescer = Coalescer::start(recorder.clone(), BOUNDS);
    let error = coalescer.take(place(1), PANIC).await.unwrap_err();
    assert!(error.is_outcome_unknown());
    assert_eq!(coalescer.take(place(1), 1).await.unwrap(), 1_001);
}

#[tokio::test]
async fn what_was_taken_is_done_before_closing() {
    let recorder = Recorder::default();
    let coalescer = Arc::new(Coalescer::start(recorder.clone(), BOUNDS));
    let task = {
        let coalescer = Arc::clone(&coalescer);
        tokio::spawn(async move { coalescer.take(place(1), 1).await })
    };
    recorder.has_begun().await;
    let closing = {
        let coalescer = Arc::clone(&coalescer);
        tokio::spawn(async move { coalescer.close().await })
    };
    while !coalescer.lanes[0].is_closed() {
        tokio::task::yield_now().await;
    }
    let late = coalescer.take(place(2), 2).await.unwrap_err();
    assert_eq!(late.fault(), StorageFault::Closed);
    recorder.go(1);
    assert_eq!(task.await.unwrap().unwrap(), 1_001);
    closing.await.unwrap();
}

/// Eight clients that come again soon after they are served, some sooner than others, need one statement for each time, but for a
/// few at the beginning.
#[tokio::test]
async fn those_who_were_served_together_share_the_next_statement() {
    const CLIENTS: u32 = 8;
    const TIMES: u32 = 20;
    let recorder = Recorder::default();
    recorder.go(1_000);
    let coalescer = Arc::new(Coalescer::start(recorder.clone(), BOUNDS));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let coalescer = Arc::clone(&coalescer);
            tokio::spawn(async move {
                for _ in 0..TIMES {
                    coalescer.take(place(client), client).await.unwrap();
                    for _ in 0..client % 4 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let statements = recorder.batches().len();
    assert!(statements <= 25, "{statements} statements");
}

//! Concurrent steps of one kind, put together into one statement: those that arrive while a statement is under way go in the
//! next. A step that comes alone waits for nobody.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use async_channel::{Receiver, Sender};
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinHandle;

use super::{StorageError, StorageFault};
use crate::id::{AppId, SessionHandle};

/// The session that a step is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) app: AppId,
    pub(super) handle: SessionHandle,
}

impl Place {
    pub(super) fn new(app: &AppId, handle: &SessionHandle) -> Self {
        Self {
            app: app.clone(),
            handle: handle.clone(),
        }
    }
}

/// A kind of step that works on many sessions at once.
pub(super) trait Statement: Send + Sync + 'static {
    /// What is to be done with one session.
    type Work: Send + Sync + 'static;
    /// What became of it.
    type Outcome: Send + 'static;
    /// Whether two steps about one session must not share a statement, as each depends on what the other leaves behind.
    const ONE_PER_SESSION: bool;

    /// How many bytes the work brings along, if that can be many.
    fn bytes(_: &Self::Work) -> usize {
        0
    }

    /// Does all of `batch`, which is ordered by place, or nothing of it; answers in the same order.
    fn run(
        &self,
        batch: &[(Place, Self::Work)],
    ) -> impl Future<Output = Result<Vec<Self::Outcome>, Failed>> + Send;
}

/// Why a statement failed, to be told to everybody who took part.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) fault: StorageFault,
    pub(super) outcome_unknown: bool,
    pub(super) detail: Cow<'static, str>,
    /// Whether it may be the fault of one row only, so that the others would succeed without it.
    pub(super) may_be_one_row: bool,
}

impl Failed {
    pub(super) fn told(&self) -> StorageError {
        let error = StorageError::new(self.fault, self.detail.clone());
        if self.outcome_unknown {
            error.with_outcome_unknown()
        } else {
            error
        }
    }
}

/// How much goes on at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// How many statements of the kind are under way at the most; a session is always served by the same of these lanes.
    pub(super) lanes: usize,
    /// How many steps share a statement at the most.
    pub(super) batch: usize,
    /// How many steps wait in a lane at the most; more wait for a place.
    pub(super) waiting: usize,
}

/// The lanes of one kind of step.
pub(super) struct Coalescer<S: Statement> {
    statement: Arc<S>,
    lanes: Box<[Sender<Job<S>>]>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

struct Job<S: Statement> {
    place: Place,
    work: S::Work,
    caller: oneshot::Sender<Result<S::Outcome, StorageError>>,
}

impl<S: Statement> fmt::Debug for Coalescer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalescer").finish_non_exhaustive()
    }
}

impl<S: Statement> Coalescer<S> {
    /// Begins to serve, by tasks of the runtime it is called in.
    pub(super) fn start(statement: S, bounds: Bounds) -> Self {
        let statement = Arc::new(statement);
        let (mut lanes, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..bounds.lanes.max(1) {
            let (lane, queue) = async_channel::bounded(bounds.waiting.max(1));
            let statement = Arc::clone(&statement);
            tasks.push(tokio::spawn(serve(statement, queue, bounds.batch.max(1))));
            lanes.push(lane);
        }
        Self {
            statement,
            lanes: lanes.into(),
            tasks: Mutex::new(tasks),
        }
    }

    /// Has `work` done, together with that of others.
    pub(super) async fn take(
        &self,
        place: Place,
        work: S::Work,
    ) -> Result<S::Outcome, StorageError> {
        let (caller, outcome) = oneshot::channel();
        let lane = self.lane(&place).ok_or_else(closed)?;
        let job = Job {
            place,
            work,
            caller,
        };
        lane.send(job).await.map_err(|_| closed())?;
        outcome.await.unwrap_or_else(|_| Err(stopped()))
    }

    fn lane(&self, place: &Place) -> Option<&Sender<Job<S>>> {
        let mut hasher = DefaultHasher::new();
        place.hash(&mut hasher);
        let lanes = u64::try_from(self.lanes.len()).ok()?;
        let lane = hasher.finish().checked_rem(lanes)?;
        self.lanes.get(usize::try_from(lane).ok()?)
    }

    /// Takes nothing any more, and waits until what was taken is done.
    pub(super) async fn close(&self) {
        for lane in &self.lanes {
            lane.close();
        }
        let mut tasks = self.tasks.lock().await;
        while let Some(task) = tasks.last_mut() {
            // A lane that panicked has ended, too.
            drop(task.await);
            tasks.pop();
        }
    }
}

impl<S: Statement<Work = (), Outcome = bool>> Coalescer<S> {
    /// Those of a list that the step answers yes for. One alone goes together with those of others; many are a step of their own,
    /// which is done with all or with none.
    pub(super) async fn take_all(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError> {
        // In order, as batches are.
        let handles: BTreeSet<_> = handles.iter().collect();
        let batch: Vec<_> = handles
            .into_iter()
            .map(|handle| (Place::new(app, handle), ()))
            .collect();
        let answers = match batch.as_slice() {
            _ if self.lanes.iter().any(Sender::is_closed) => return Err(closed()),
            [] => Vec::new(),
            [(place, ())] => vec![self.take(place.clone(), ()).await?],
            many => {
                let ran = self.statement.run(many).await;
                ran.map_err(|failed| failed.told())?
            }
        };
        let named = batch.into_iter().zip(answers);
        let those = named.filter(|(_, answer)| *answer);
        Ok(those.map(|((place, ()), _)| place.handle).collect())
    }
}

pub(super) fn closed() -> StorageError {
    StorageError::new(StorageFault::Closed, "it takes no more work")
}

fn stopped() -> StorageError {
    StorageError::new(StorageFault::Other, "the work stopped half-way").with_outcome_unknown()
}

/// Works until the queue is closed and empty.
async fn serve<S: Statement>(statement: Arc<S>, queue: Receiver<Job<S>>, most: usize) {
    let (mut held_back, mut was_shared) = (VecDeque::new(), false);
    loop {
        if held_back.is_empty() {
            match queue.recv().await {
                Ok(first) => held_back.push_back(first),
                Err(_) => return,
            }
        }
        // Those who were served together come back together. Without a moment's patience the first to be back would have a
        // statement, and its wait for the disk, to itself, and the others would share only every second one.
        for _ in 0..if was_shared { PATIENCE } else { 0 } {
            tokio::task::yield_now().await;
        }
        let batch = next_batch(&mut held_back, &queue, most);
        was_shared = batch.len() > 1;
        run_batch(&statement, batch).await;
    }
}

/// Takes what is waiting, but of each session the first step only where that matters; the others are held back, in order.
fn next_batch<S: Statement>(
    held_back: &mut VecDeque<Job<S>>,
    queue: &Receiver<Job<S>>,
    most: usize,
) -> Vec<Job<S>> {
    let mut batch = Vec::new();
    let mut places = HashSet::new();
    let mut seconds = VecDeque::new();
    let mut bytes = 0_usize;
    // A session that everybody writes to must not make the lane take in the whole queue.
    while batch.len() < most && seconds.len() < most && bytes < BATCH_BYTES {
        let Some(job) = held_back.pop_front().or_else(|| queue.try_recv().ok()) else {
            break;
        };
        if !S::ONE_PER_SESSION || places.insert(job.place.clone()) {
            bytes = bytes.saturating_add(S::bytes(&job.work));
            batch.push(job);
        } else {
            seconds.push_back(job);
        }
    }
    seconds.append(held_back);
    *held_back = seconds;
    // Everybody locks rows in the same order, other servers too, so that statements do not wait for each other in a circle.
    batch.sort_by(|one, other| one.place.cmp(&other.place));
    batch
}

async fn run_batch<S: Statement>(statement: &Arc<S>, batch: Vec<Job<S>>) {
    let (mut callers, mut work) = (Vec::new(), Vec::new());
    for job in batch {
        callers.push(job.caller);
        work.push((job.place, job.work));
    }
    let statement = Arc::clone(statement);
    // A task of its own, because a panic costs those that take part, and no one after them.
    let ran = tokio::spawn(async move { outcomes(&*statement, &work).await }).await;
    for (caller, outcome) in callers.into_iter().zip(ran.unwrap_or_default()) {
        // A caller that has gone away does not want to know.
        drop(caller.send(outcome.map_err(|failed| failed.told())));
    }
}

async fn outcomes<S: Statement>(
    statement: &S,
    work: &[(Place, S::Work)],
) -> Vec<Result<S::Outcome, Failed>> {
    let failed = match statement.run(work).await {
        Ok(outcomes) => return outcomes.into_iter().map(Ok).collect(),
        Err(failed) => failed,
    };
    if work.len() < 2 || !failed.may_be_one_row {
        return work.iter().map(|_| Err(failed.clone())).collect();
    }
    // One bad row must not fail its neighbours, and a bad database must not keep all of them waiting one after the other.
    let mut outcomes = Vec::new();
    let (mut busy, mut over) = (0, None);
    for one in work.chunks(1) {
        let ran = match &over {
            Some(why) => Err(Failed::clone(why)),
            None => statement.run(one).await,
        };
        let outcome = ran.and_then(|mut one| one.pop().ok_or_else(|| failed.clone()));
        if let (Err(why), None) = (&outcome, &over) {
            busy += u32::from(why.fault == StorageFault::Busy);
            if !why.may_be_one_row || busy == BUSY {
                // Those that are left are not even sent.
                over = Some(Failed {
                    outcome_unknown: false,
                    ..why.clone()
                });
            }
        }
        outcomes.push(outcome);
    }
    outcomes
}

/// So many rows that are held by others may be met one by one; then it is not the rows.
const BUSY: u32 = 2;

/// How many turns others get before the next statement goes, after one that was shared.
const PATIENCE: u32 = 8;
/// A statement that carries as much as this takes no more.
const BATCH_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests;

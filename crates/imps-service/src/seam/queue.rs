//! Where batches from many tasks meet and become one commit.
//!
//! An engine's committer takes whatever waits, commits it as one transaction, and wakes everybody. The window is the
//! time that the previous commit took: there is no timer to tune, alone it is fast, together it is cheap. When many were
//! just answered, the next commit waits a quarter of that time for them to come back. A task pays for one push and one
//! wake; there is no thread between it and the committer.
//!
//! Beside the batches lie the writes that nobody waits for: merged by key, the latest wins. They go along with the next
//! group, or by themselves after a while.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rustc_hash::FxBuildHasher;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::oneshot;

use super::engine::{Batch, Space, StoreError};
use super::key::Key;

/// How much may wait, and how much of it makes one commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// So many batches may wait; one more is [`StoreError::Busy`].
    pub batches: usize,
    /// So many bytes may wait. A single larger batch is taken when nothing else waits.
    pub bytes: usize,
    /// So many batches are committed together at most.
    pub group_batches: usize,
    /// With so many bytes a group is full.
    pub group_bytes: usize,
    /// So many merged writes may wait.
    pub later: usize,
    /// A merged write waits so long when no group takes it along.
    pub delay: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            batches: 16_384,
            bytes: 64 << 20,
            group_batches: 4_096,
            group_bytes: 8 << 20,
            later: 65_536,
            delay: Duration::from_secs(1),
        }
    }
}

/// What the store did since it was opened, and what waits now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoreNumbers {
    /// Transactions committed.
    pub commits: u64,
    /// Batches committed.
    pub batches: u64,
    /// Puts, deletes and range deletes committed.
    pub rows: u64,
    /// Batches that were left out because a condition did not hold.
    pub conditions: u64,
    /// Batches that failed otherwise.
    pub failures: u64,
    /// Batches that were not taken because too much waited.
    pub busy: u64,
    /// Microseconds spent committing.
    pub commit_micros: u64,
    /// Writes that a later one to the same key replaced before they were written.
    pub merged: u64,
    /// Batches that wait now.
    pub waiting: u64,
    /// Bytes that wait now.
    pub waiting_bytes: u64,
    /// Merged writes that wait now.
    pub later: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    commits: AtomicU64,
    batches: AtomicU64,
    rows: AtomicU64,
    conditions: AtomicU64,
    failures: AtomicU64,
    busy: AtomicU64,
    commit_micros: AtomicU64,
    merged: AtomicU64,
}

impl Counters {
    pub(crate) fn numbers(&self) -> StoreNumbers {
        StoreNumbers {
            commits: self.commits.load(Relaxed),
            batches: self.batches.load(Relaxed),
            rows: self.rows.load(Relaxed),
            conditions: self.conditions.load(Relaxed),
            failures: self.failures.load(Relaxed),
            busy: self.busy.load(Relaxed),
            commit_micros: self.commit_micros.load(Relaxed),
            merged: self.merged.load(Relaxed),
            ..StoreNumbers::default()
        }
    }

    pub(crate) fn commit(&self, took: Duration) {
        self.commits.fetch_add(1, Relaxed);
        self.commit_micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn result(&self, result: &Result<(), StoreError>, rows: usize) {
        match result {
            Ok(()) => {
                self.batches.fetch_add(1, Relaxed);
                self.rows.fetch_add(rows as u64, Relaxed);
            }
            Err(StoreError::Condition) => {
                self.conditions.fetch_add(1, Relaxed);
            }
            Err(_) => {
                self.failures.fetch_add(1, Relaxed);
            }
        }
    }
}

/// The answer to a batch, when it comes.
pub type Answer = oneshot::Receiver<Result<(), StoreError>>;

/// A write that nobody waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Later {
    /// Where.
    pub space: Space,
    /// Which row.
    pub key: Key,
    /// Its new value; none: it is deleted.
    pub value: Option<Bytes>,
    // How many batches had been pushed before it: its place among them.
    after: u64,
}

#[derive(Debug)]
struct Waiting {
    batch: Batch,
    bytes: usize,
    answer: oneshot::Sender<Result<(), StoreError>>,
}

/// What the committer does with its time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Committer {
    /// It will look at the queue before it sleeps.
    Awake,
    /// It sleeps until it is woken, or has other work to do.
    Asleep,
    /// It sleeps until it is woken or the merged writes are due.
    Dozing,
    /// It waits a moment for so many batches.
    Gathering(usize),
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    later: HashMap<(Space, Key), (Option<Bytes>, u64), FxBuildHasher>,
    pushed: u64,
    taken: u64,
    committer: Committer,
    /// How many batches the last group had, and how long its commit took.
    last: (usize, Duration),
    closed: bool,
}

/// Batches that wait for the committer. Bounded: see [`Bounds`].
#[derive(Debug)]
pub struct CommitQueue {
    state: Mutex<State>,
    arrived: Condvar,
    bounds: Bounds,
    counters: Counters,
    /// Where the callers run, as soon as one of them was seen.
    callers: OnceLock<Handle>,
    answers: Arc<Answers>,
}

/// From so many callers on, they are woken from among themselves: the committer wakes one task, and that wakes the rest
/// without a lock or a call of the system for each.
const MANY_CALLERS: usize = 4;

impl CommitQueue {
    /// An empty queue.
    pub fn new(bounds: Bounds) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            later: HashMap::default(),
            pushed: 0,
            taken: 0,
            committer: Committer::Awake,
            last: (0, Duration::ZERO),
            closed: false,
        };
        let (arrived, counters, callers) = (Condvar::new(), Counters::default(), OnceLock::new());
        Self { state: Mutex::new(state), arrived, bounds, counters, callers, answers: Arc::default() }
    }

    /// Puts a batch behind those that wait. It will be committed even if nobody waits for the answer, and before every
    /// batch that is pushed after it. An answer that is cut off means [`StoreError::Unknown`].
    pub fn push(&self, batch: Batch) -> Result<Answer, StoreError> {
        if self.callers.get().is_none()
            && let Ok(callers) = Handle::try_current()
            // Only threads of its own carry on what is handed to a runtime while its owner waits for something else.
            && callers.runtime_flavor() == RuntimeFlavor::MultiThread
        {
            let _ = self.callers.set(callers);
        }
        let bytes = batch.bytes();
        let (answer, receiver) = oneshot::channel();
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        let full = state.waiting.len() >= self.bounds.batches || state.bytes.saturating_add(bytes) > self.bounds.bytes;
        if full && !state.waiting.is_empty() {
            drop(state);
            self.counters.busy.fetch_add(1, Relaxed);
            return Err(StoreError::Busy);
        }
        state.bytes += bytes;
        state.pushed += 1;
        state.waiting.push_back(Waiting { batch, bytes, answer });
        let sleeps = match state.committer {
            Committer::Awake => false,
            Committer::Asleep | Committer::Dozing => true,
            Committer::Gathering(enough) => state.waiting.len() >= enough,
        };
        if sleeps {
            state.committer = Committer::Awake;
        }
        drop(state);
        if sleeps {
            self.arrived.notify_one();
        }
        Ok(receiver)
    }

    /// Writes a value, or deletes it, at some time soon; a later call for the same key replaces it. Batches that are
    /// pushed before come before it, batches pushed after it after it.
    pub fn later(&self, space: Space, key: Key, value: Option<Bytes>) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(closed());
        }
        let after = state.pushed;
        let is_full = state.later.len() >= self.bounds.later;
        match state.later.get_mut(&(space, key.clone())) {
            Some(waiting) => {
                *waiting = (value, after);
                drop(state);
                self.counters.merged.fetch_add(1, Relaxed);
                return Ok(());
            }
            None if is_full => {
                drop(state);
                self.counters.busy.fetch_add(1, Relaxed);
                return Err(StoreError::Busy);
            }
            None => state.later.insert((space, key), (value, after)),
        };
        // A committer that dozes knows already that it has to wake up for these.
        let sleeps = state.committer == Committer::Asleep;
        if sleeps {
            state.committer = Committer::Awake;
        }
        drop(state);
        if sleeps {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Refuses everything from now on. The committer still gets what waits.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Closes, and lets go of what waits, unanswered: for a committer that can go on no longer.
    pub fn abandon(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.closed = true;
            state.later.clear();
            state.bytes = 0;
            std::mem::take(&mut state.waiting)
        };
        drop(waiting);
    }

    /// For the committer: waits until there is something to do and takes it into an empty group. `false` when the queue
    /// is closed and empty.
    pub fn take(&self, group: &mut Group) -> bool {
        while self.take_within(group, None) {
            if !group.is_empty() {
                return true;
            }
        }
        false
    }

    /// The same for a committer with other work to do: when nothing came for so long, the group is empty.
    pub fn take_within(&self, group: &mut Group, patience: Option<Duration>) -> bool {
        let mut state = self.state.lock();
        while state.waiting.is_empty() && !state.closed {
            let delay = Some(self.bounds.delay).filter(|_| !state.later.is_empty());
            let Some(delay) = delay.into_iter().chain(patience).min() else {
                state.committer = Committer::Asleep;
                self.arrived.wait(&mut state);
                continue;
            };
            state.committer = if state.later.is_empty() { Committer::Asleep } else { Committer::Dozing };
            if self.arrived.wait_for(&mut state, delay).timed_out() {
                break;
            }
        }
        self.gather(&mut state);
        state.committer = Committer::Awake;
        group.first = state.taken;
        let mut bytes = 0;
        while bytes < self.bounds.group_bytes && group.waiting.len() < self.bounds.group_batches {
            let Some(next) = state.waiting.pop_front() else { break };
            bytes += next.bytes;
            group.waiting.push(next);
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        state.taken += group.waiting.len() as u64;
        if !state.later.is_empty() {
            let until = state.taken;
            let due = state.later.extract_if(|_, (_, after)| *after <= until);
            group.later.extend(due.map(|((space, key), (value, after))| Later { space, key, value, after }));
            group.later.sort_unstable_by_key(|later| later.after);
        }
        !group.is_empty() || !state.closed
    }

    /// Those who were just answered are about to come back, all together. Committing the first of them alone would make
    /// the others wait for it, and cost a second sync.
    fn gather(&self, state: &mut MutexGuard<'_, State>) {
        let (batches, took) = state.last;
        let enough = batches - batches / 4;
        if batches < 8 || state.waiting.len() >= enough || state.closed {
            return;
        }
        state.committer = Committer::Gathering(enough);
        self.arrived.wait_for(state, took / 4);
    }

    /// For the committer: answers every batch of the group and empties it. `outcome` has a result for each batch, in
    /// their order, or the error that all of them met; the merged writes of a group that failed wait again.
    pub fn answer(&self, group: &mut Group, outcome: Result<Vec<Result<(), StoreError>>, StoreError>, took: Duration) {
        let many = group.waiting.len() >= MANY_CALLERS;
        self.state.lock().last = (group.waiting.len(), took);
        match outcome {
            Ok(results) => {
                self.counters.commit(took);
                self.counters.rows.fetch_add(group.later.len() as u64, Relaxed);
                group.later.clear();
                let mut results = results.into_iter();
                let mut answers = Vec::with_capacity(group.waiting.len());
                for waiting in group.waiting.drain(..) {
                    let result = results.next().unwrap_or(Err(StoreError::Unknown));
                    self.counters.result(&result, waiting.batch.rows());
                    answers.push((waiting, result));
                }
                if self.answers.push(answers) {
                    let answers = self.answers.clone();
                    match self.callers.get().filter(|_| many) {
                        Some(callers) => drop(callers.spawn(async move { answers.give_out() })),
                        None => answers.give_out(),
                    }
                }
            }
            Err(error) => {
                self.put_back(group);
                for waiting in group.waiting.drain(..) {
                    let result = Err(error.clone());
                    self.counters.result(&result, 0);
                    let _ = waiting.answer.send(result);
                }
            }
        }
    }

    fn put_back(&self, group: &mut Group) {
        let mut state = self.state.lock();
        // At the end there is no later: the committer would try for ever.
        if !state.closed {
            for later in group.later.drain(..) {
                state.later.entry((later.space, later.key)).or_insert((later.value, 0));
            }
        }
        group.later.clear();
    }

    /// What happened, and what waits.
    pub fn numbers(&self) -> StoreNumbers {
        let state = self.state.lock();
        StoreNumbers {
            waiting: state.waiting.len() as u64,
            waiting_bytes: state.bytes as u64,
            later: state.later.len() as u64,
            ..self.counters.numbers()
        }
    }
}

/// Answers of one group after the other, in the order of the commits: what two requests of one connection do after their
/// commits happens in the order of these.
#[derive(Debug, Default)]
struct Answers(Mutex<AnswersState>);

#[derive(Debug, Default)]
struct AnswersState {
    groups: VecDeque<Vec<(Waiting, Result<(), StoreError>)>>,
    /// Somebody is giving them out.
    is_busy: bool,
}

impl Answers {
    /// Adds a group's. Whether somebody has to give them out.
    fn push(&self, answers: Vec<(Waiting, Result<(), StoreError>)>) -> bool {
        let mut state = self.0.lock();
        state.groups.push_back(answers);
        !std::mem::replace(&mut state.is_busy, true)
    }

    fn give_out(&self) {
        loop {
            let group = {
                let mut state = self.0.lock();
                let group = state.groups.pop_front();
                state.is_busy = group.is_some();
                group
            };
            let Some(group) = group else { return };
            for (waiting, result) in group {
                // Nobody may be waiting any more; what is committed stays committed.
                let _ = waiting.answer.send(result);
            }
        }
    }
}

fn closed() -> StoreError {
    StoreError::Io("the store is closed".to_owned())
}

/// What is committed together.
#[derive(Debug, Default)]
pub struct Group {
    waiting: Vec<Waiting>,
    later: Vec<Later>,
    first: u64,
}

/// A part of a group.
#[derive(Debug)]
pub enum Step<'a> {
    /// A write that nobody waits for.
    Later(&'a Later),
    /// A batch, whose result counts.
    Batch(&'a Batch),
}

impl Group {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.later.is_empty()
    }

    /// How many batches it has.
    pub fn batches(&self) -> usize {
        self.waiting.len()
    }

    /// How many writes it has.
    pub fn rows(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.batch.rows()).sum::<usize>() + self.later.len()
    }

    /// About how many bytes it has.
    pub fn bytes(&self) -> usize {
        let later = self.later.iter().map(|later| later.value.as_ref().map_or(0, Bytes::len));
        self.waiting.iter().map(|waiting| waiting.bytes).sum::<usize>() + later.sum::<usize>()
    }

    /// Its batches and merged writes in the order in which they must happen.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let mut later = self.later.iter().peekable();
        let mut batches = self.waiting.iter().zip(self.first..).peekable();
        std::iter::from_fn(move || {
            let next = batches.peek().map_or(u64::MAX, |(_, number)| *number);
            match later.next_if(|later| later.after <= next) {
                Some(later) => Some(Step::Later(later)),
                None => batches.next().map(|(waiting, _)| Step::Batch(&waiting.batch)),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(value: &'static str) -> Batch {
        let mut batch = Batch::new();
        batch.put(Space::Presence, "alice", value);
        batch
    }

    fn later(queue: &CommitQueue, value: &'static str) {
        queue.later(Space::Presence, Key::from("alice"), Some(Bytes::from(value))).unwrap();
    }

    fn values(group: &Group) -> Vec<Bytes> {
        let value = |step: Step<'_>| match step {
            Step::Later(later) => later.value.clone().unwrap(),
            Step::Batch(batch) => match batch.writes.first() {
                Some(super::super::Write::Put { value, .. }) => value.clone(),
                other => panic!("{other:?}"),
            },
        };
        group.steps().map(value).collect()
    }

    #[test]
    fn a_merged_write_keeps_its_place_among_the_batches() {
        let queue = CommitQueue::new(Bounds::default());
        later(&queue, "first");
        let _one = queue.push(put("second")).unwrap();
        let _two = queue.push(put("third")).unwrap();
        let mut group = Group::default();
        assert!(queue.take(&mut group));
        assert_eq!(values(&group), ["first", "second", "third"]);
        queue.answer(&mut group, Ok(vec![Ok(()), Ok(())]), Duration::ZERO);

        let _one = queue.push(put("first")).unwrap();
        later(&queue, "replaced");
        let _two = queue.push(put("second")).unwrap();
        later(&queue, "third");
        assert!(queue.take(&mut group));
        assert_eq!(values(&group), ["first", "second", "third"]);
        assert_eq!(queue.numbers().merged, 1);
    }

    #[test]
    fn a_group_that_is_cut_short_leaves_the_later_writes_in_their_place() {
        let queue = CommitQueue::new(Bounds { group_batches: 2, ..Bounds::default() });
        let _answers: Vec<_> = ["1", "2", "3"].map(|value| queue.push(put(value)).unwrap()).into();
        later(&queue, "4");
        let mut group = Group::default();
        assert!(queue.take(&mut group));
        assert_eq!(values(&group), ["1", "2"]);
        queue.answer(&mut group, Ok(vec![Ok(()), Ok(())]), Duration::ZERO);
        assert!(queue.take(&mut group));
        assert_eq!(values(&group), ["3", "4"]);
    }

    #[test]
    fn what_failed_is_written_later_unless_it_was_replaced() {
        let queue = CommitQueue::new(Bounds { delay: Duration::from_millis(1), ..Bounds::default() });
        let mut group = Group::default();
        later(&queue, "old");
        assert!(queue.take(&mut group));
        queue.answer(&mut group, Err(StoreError::Full), Duration::ZERO);
        assert!(group.is_empty());
        assert!(queue.take(&mut group));
        assert_eq!(values(&group), ["old"]);
        later(&queue, "new");
        queue.answer(&mut group, Err(StoreError::Full), Duration::ZERO);
        assert!(queue.take(&mut group));
        assert_eq!(values(&group), ["new"]);
    }

    #[test]
    fn a_full_queue_says_so_and_recovers() {
        let queue = CommitQueue::new(Bounds { batches: 2, bytes: 10_000, later: 1, ..Bounds::default() });
        let mut big = Batch::new();
        big.put(Space::Messages, "key", vec![0; 20_000]);
        let _taken = queue.push(big.clone()).expect("alone it is taken, whatever its size");
        assert_eq!(queue.push(put("x")).unwrap_err(), StoreError::Busy);
        let mut group = Group::default();
        assert!(queue.take(&mut group));
        let _one = queue.push(put("x")).unwrap();
        assert_eq!(queue.push(big).unwrap_err(), StoreError::Busy);
        let _two = queue.push(put("x")).unwrap();
        assert_eq!(queue.push(put("x")).unwrap_err(), StoreError::Busy);
        later(&queue, "x");
        assert_eq!(queue.later(Space::Presence, Key::from("bob"), None), Err(StoreError::Busy));
        let numbers = queue.numbers();
        assert_eq!((numbers.waiting, numbers.later, numbers.busy), (2, 1, 4));
    }

    #[test]
    fn those_who_were_answered_together_are_committed_together_again() {
        let queue = CommitQueue::new(Bounds::default());
        let push = || drop(queue.push(put("x")).unwrap());
        let mut group = Group::default();
        (0..8).for_each(|_| push());
        assert!(queue.take(&mut group));
        queue.answer(&mut group, Ok(vec![Ok(()); 8]), Duration::from_secs(400));
        std::thread::scope(|scope| {
            scope.spawn(|| (0..6).for_each(|_| push()));
            assert!(queue.take(&mut group));
        });
        assert_eq!(group.batches(), 6);

        // They may not come back: then the one that did does not wait long.
        queue.answer(&mut group, Ok(vec![Ok(()); 6]), Duration::from_secs(400));
        push();
        assert!(queue.take(&mut group), "after a small group nobody is waited for");
        queue.answer(&mut group, Ok(vec![Ok(())]), Duration::ZERO);
        (0..8).for_each(|_| push());
        assert!(queue.take(&mut group));
        queue.answer(&mut group, Ok(vec![Ok(()); 8]), Duration::from_millis(4));
        push();
        assert!(queue.take(&mut group));
        assert_eq!(group.batches(), 1);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_then_ends() {
        let queue = CommitQueue::new(Bounds::default());
        let mut answer = queue.push(put("x")).unwrap();
        queue.close();
        assert!(matches!(queue.push(put("y")), Err(StoreError::Io(_))));
        let mut group = Group::default();
        assert!(queue.take(&mut group));
        queue.answer(&mut group, Ok(vec![Err(StoreError::Condition)]), Duration::ZERO);
        assert_eq!(answer.try_recv(), Ok(Err(StoreError::Condition)));
        assert!(!queue.take(&mut group));
    }
}

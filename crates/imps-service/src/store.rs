//! The store as the service elements use it: an engine, with everything done once that no engine should do itself.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};

use crate::seam::queue::{Answer, Counters};
use crate::seam::{Batch, Engine, Key, KeyRange, Order, Row, Space, StoreError, StoreNumbers};

/// The truth. Cloning it gives another handle to the same one.
///
/// A batch that is committed is on the disk. A read sees every batch whose commit was answered before it began, but
/// not the writes that [`later`](Store::later) still holds.
#[derive(Clone)]
pub struct Store {
    engine: Arc<dyn Engine>,
    // Only of use for an engine without a queue; the queue counts for itself.
    counters: Arc<Counters>,
}

impl Store {
    /// A store on this engine.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, counters: Arc::default() }
    }

    /// The engine underneath.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.engine
    }

    /// Hands a batch to the engine at once; the future waits until it is committed. Batches are committed in the order
    /// of these calls. Dropping the future does not take the batch back.
    ///
    /// Whatever waits while a commit is under way becomes the next commit, whole. [`StoreError::Busy`] when too much
    /// waits, [`StoreError::Full`] when the disk is: in both cases nothing of the batch happened.
    pub fn commit(&self, batch: Batch) -> Commit {
        match self.engine.queue() {
            Some(queue) => match queue.push(batch) {
                Ok(answer) => Commit(Progress::Queued(answer)),
                Err(error) => Commit(Progress::Done(Some(Err(error)))),
            },
            None => self.apply(batch),
        }
    }

    fn apply(&self, batch: Batch) -> Commit {
        let this = self.clone();
        let mut applying = async move {
            let rows = batch.rows();
            let result = this.engine.apply(std::slice::from_ref(&batch)).await.pop();
            let result = result.unwrap_or(Err(StoreError::Unknown));
            if result.is_ok() {
                this.counters.commit(Duration::ZERO);
            }
            this.counters.result(&result, rows);
            result
        }
        .boxed();
        // An engine in memory is through with the first poll, and then the batch has happened when this returns.
        match (&mut applying).now_or_never() {
            Some(result) => Commit(Progress::Done(Some(result))),
            None => Commit(Progress::Applying(applying)),
        }
    }

    /// Writes a value at some time soon, with the next commit or after about a second; a call for the same key before
    /// then replaces it. For what may be lost in a crash, such as presence. It keeps its place among the batches:
    /// a batch that is committed after this call is not undone by it.
    pub fn later(&self, space: Space, key: impl Into<Key>, value: impl Into<Bytes>) -> Result<(), StoreError> {
        self.later_write(space, key.into(), Some(value.into()))
    }

    /// Like [`later`](Store::later), but the key loses its value.
    pub fn later_delete(&self, space: Space, key: impl Into<Key>) -> Result<(), StoreError> {
        self.later_write(space, key.into(), None)
    }

    fn later_write(&self, space: Space, key: Key, value: Option<Bytes>) -> Result<(), StoreError> {
        if let Some(queue) = self.engine.queue() {
            return queue.later(space, key, value);
        }
        let mut batch = Batch::new();
        match value {
            Some(value) => batch.put(space, key, value),
            None => batch.delete(space, key),
        };
        match self.apply(batch).0 {
            Progress::Done(Some(result)) => result,
            _ => Err(StoreError::Unknown),
        }
    }

    /// Waits until everything that was handed over before, the later writes too, is committed. For the shutdown.
    pub async fn flush(&self) -> Result<(), StoreError> {
        // A commit takes the later writes along, even one that has nothing of its own.
        self.commit(Batch::new()).await
    }

    /// The values of some keys, each in the place of its key.
    pub async fn get(&self, space: Space, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        self.engine.get(space, keys).await
    }

    /// The value of a key.
    pub async fn get_one(&self, space: Space, key: impl Into<Key>) -> Result<Option<Bytes>, StoreError> {
        let key = key.into();
        Ok(self.engine.get(space, std::slice::from_ref(&key)).await?.pop().flatten())
    }

    /// Up to `limit` rows of a range, as of one moment.
    pub async fn scan(
        &self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.engine.scan(space, range, order, limit).await
    }

    /// All rows of several ranges, each range in its place.
    pub async fn scan_each(&self, space: Space, ranges: &[KeyRange]) -> Result<Vec<Vec<Row>>, StoreError> {
        self.engine.scan_each(space, ranges).await
    }

    /// A consistent copy of everything in a new file, while running.
    pub async fn snapshot(&self, to: &Path) -> Result<(), StoreError> {
        self.flush().await?;
        self.engine.snapshot(to).await
    }

    /// What the store did, and what waits.
    pub fn numbers(&self) -> StoreNumbers {
        self.engine.queue().map_or_else(|| self.counters.numbers(), |queue| queue.numbers())
    }

    /// What the engine shows of itself: a name and a number each.
    pub fn gauges(&self) -> Vec<(&'static str, u64)> {
        self.engine.gauges()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("numbers", &self.numbers()).finish_non_exhaustive()
    }
}

/// A batch on its way to the disk; see [`Store::commit`].
#[must_use = "only when it has been awaited is it known whether the batch was committed"]
pub struct Commit(Progress);

enum Progress {
    Done(Option<Result<(), StoreError>>),
    Queued(Answer),
    Applying(BoxFuture<'static, Result<(), StoreError>>),
}

impl Future for Commit {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            // Asked again after the answer there is nothing more to say, so it says that it does not know.
            Progress::Done(result) => Poll::Ready(result.take().unwrap_or(Err(StoreError::Unknown))),
            Progress::Queued(answer) => answer.poll_unpin(cx).map(|answer| answer.unwrap_or(Err(StoreError::Unknown))),
            Progress::Applying(applying) => applying.poll_unpin(cx),
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Progress::Done(_) => "Commit(done)",
            Progress::Queued(_) | Progress::Applying(_) => "Commit(under way)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::MemoryEngine;

    fn put(key: &str) -> Batch {
        let mut batch = Batch::new();
        batch.if_absent(Space::Users, key).put(Space::Users, key, "value");
        batch
    }

    #[tokio::test]
    async fn commits_are_carried_out_and_counted() {
        let engine = Arc::new(MemoryEngine::new());
        let store = Store::new(engine.clone());
        store.commit(put("alice")).await.unwrap();
        assert_eq!(store.commit(put("alice")).await, Err(StoreError::Condition));
        engine.refuse(Some(StoreError::Full));
        assert_eq!(store.commit(put("bob")).await, Err(StoreError::Full));
        assert_eq!(store.later(Space::Presence, "bob", "x"), Err(StoreError::Full));
        engine.refuse(None);
        store.later(Space::Presence, "alice", "here").unwrap();
        store.later_delete(Space::Users, "alice").unwrap();
        store.flush().await.unwrap();
        assert_eq!(store.get_one(Space::Users, "alice").await, Ok(None));
        assert_eq!(store.get_one(Space::Presence, "alice").await, Ok(Some(Bytes::from("here"))));
        let numbers = store.numbers();
        assert_eq!((numbers.rows, numbers.conditions, numbers.failures), (3, 1, 2));
    }

    #[tokio::test]
    async fn a_batch_happens_though_nobody_waits_for_it() {
        let store = Store::new(Arc::new(MemoryEngine::new()));
        drop(store.commit(put("alice")));
        let rows = store.scan(Space::Users, KeyRange::all(), Order::Forwards, 10).await.unwrap();
        assert_eq!(rows, [Row { key: Key::from("alice"), value: Bytes::from("value") }]);
    }
}

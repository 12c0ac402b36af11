//! The writer: one thread that commits whatever waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Instant;

use imps_service::seam::queue::{Group, Later, Step};
use imps_service::seam::{Batch, CommitQueue, Condition, Key, KeyRange, Space, StoreError, Write};
use rusqlite::{Connection, Statement};
use tracing::{error, info, warn};

use super::checkpoint::Wal;
use super::schema::{Sql, commit_error, store_error};

/// What the writer shares with the rest of the engine.
pub(super) struct Shared {
    pub(super) queue: Arc<CommitQueue>,
    pub(super) wal: Arc<Wal>,
    /// For tests: the file may not grow beyond so many pages; 0 is no limit.
    pub(super) page_limit: Arc<AtomicU32>,
}

/// Commits until the queue is closed and empty.
pub(super) fn run(connection: Connection, shared: &Shared) {
    let _end = Abandon(&shared.queue);
    match Writer::new(&connection) {
        Ok(mut writer) => writer.run(shared),
        Err(error) => error!(%error, "the writer cannot start"),
    }
}

/// However the writer ends, nobody may go on waiting for it.
struct Abandon<'a>(&'a CommitQueue);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

struct Writer<'c> {
    connection: &'c Connection,
    begin: Statement<'c>,
    commit: Statement<'c>,
    rollback: Statement<'c>,
    spaces: Vec<Statements<'c>>,
    page_limit: u32,
    is_failing: bool,
}

struct Statements<'c> {
    value: Statement<'c>,
    put: Statement<'c>,
    delete: Statement<'c>,
    delete_from: Statement<'c>,
    delete_between: Statement<'c>,
}

type Results = Vec<Result<(), StoreError>>;

impl<'c> Writer<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        let statements = |sql: &Sql| {
            Ok(Statements {
                value: connection.prepare(&sql.value)?,
                put: connection.prepare(&sql.put)?,
                delete: connection.prepare(&sql.delete)?,
                delete_from: connection.prepare(&sql.delete_from)?,
                delete_between: connection.prepare(&sql.delete_between)?,
            })
        };
        Ok(Self {
            connection,
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            rollback: connection.prepare("ROLLBACK")?,
            spaces: Sql::all().iter().map(statements).collect::<rusqlite::Result<_>>()?,
            page_limit: 0,
            is_failing: false,
        })
    }

    fn run(&mut self, shared: &Shared) {
        let mut group = Group::default();
        while shared.queue.take(&mut group) {
            self.limit_pages(shared.page_limit.load(Relaxed));
            let began = now();
            let mut outcome = self.transact(&group);
            if outcome == Err(StoreError::Full) {
                // Once its pages are home the log starts anew in the space that it has already.
                shared.wal.finish(self.connection);
                outcome = self.transact(&group);
            }
            self.report(outcome.as_ref().err());
            let (rows, bytes) = (group.rows(), group.bytes());
            shared.queue.answer(&mut group, outcome, began.elapsed());
            shared.wal.committed(self.connection, rows, bytes);
        }
    }

    /// Commits a group. The conditions of a batch are checked before its writes, within the transaction, so a batch
    /// that is left out has left no trace, and the group needs no savepoint, which would copy every page it touches.
    fn transact(&mut self, group: &Group) -> Result<Results, StoreError> {
        let is_idle = |step| matches!(step, Step::Batch(batch) if batch.is_empty());
        if group.steps().all(is_idle) {
            return Ok(vec![Ok(()); group.batches()]);
        }
        self.begin.raw_execute().map_err(|error| store_error(&error))?;
        let outcome = self.steps(group).map_err(|error| store_error(&error));
        let outcome = outcome.and_then(|results| {
            self.commit.raw_execute().map_err(|error| commit_error(&error))?;
            Ok(results)
        });
        // Some errors have rolled back already.
        if outcome.is_err()
            && !self.connection.is_autocommit()
            && let Err(error) = self.rollback.raw_execute()
        {
            error!(%error, "a transaction could not be rolled back");
        }
        outcome
    }

    fn steps(&mut self, group: &Group) -> rusqlite::Result<Results> {
        let mut results = Vec::with_capacity(group.batches());
        for step in group.steps() {
            match step {
                Step::Later(later) => self.later(later)?,
                Step::Batch(batch) => results.push(self.batch(batch)?),
            }
        }
        Ok(results)
    }

    fn batch(&mut self, batch: &Batch) -> rusqlite::Result<Result<(), StoreError>> {
        for condition in &batch.conditions {
            if !self.holds(condition)? {
                return Ok(Err(StoreError::Condition));
            }
        }
        for write in &batch.writes {
            match write {
                Write::Put { space, key, value } => self.put(*space, key, value)?,
                Write::Delete { space, key } => self.delete(*space, key)?,
                Write::DeleteRange { space, range } => self.delete_range(*space, range)?,
            }
        }
        Ok(Ok(()))
    }

    fn later(&mut self, later: &Later) -> rusqlite::Result<()> {
        match &later.value {
            Some(value) => self.put(later.space, &later.key, value),
            None => self.delete(later.space, &later.key),
        }
    }

    fn statements(&mut self, space: Space) -> rusqlite::Result<&mut Statements<'c>> {
        self.spaces.get_mut(space.index()).ok_or(rusqlite::Error::InvalidQuery)
    }

    fn holds(&mut self, condition: &Condition) -> rusqlite::Result<bool> {
        let (Condition::Absent { space, key } | Condition::Equals { space, key, .. }) = condition;
        let statement = &mut self.statements(*space)?.value;
        statement.raw_bind_parameter(1, key.as_bytes())?;
        let mut rows = statement.raw_query();
        let row = rows.next()?;
        Ok(match condition {
            Condition::Absent { .. } => row.is_none(),
            Condition::Equals { value, .. } => match row {
                Some(row) => row.get_ref(0)?.as_blob()? == &value[..],
                None => false,
            },
        })
    }

    fn put(&mut self, space: Space, key: &Key, value: &[u8]) -> rusqlite::Result<()> {
        let statement = &mut self.statements(space)?.put;
        statement.raw_bind_parameter(1, key.as_bytes())?;
        statement.raw_bind_parameter(2, value)?;
        statement.raw_execute().map(drop)
    }

    fn delete(&mut self, space: Space, key: &Key) -> rusqlite::Result<()> {
        let statement = &mut self.statements(space)?.delete;
        statement.raw_bind_parameter(1, key.as_bytes())?;
        statement.raw_execute().map(drop)
    }

    fn delete_range(&mut self, space: Space, range: &KeyRange) -> rusqlite::Result<()> {
        let statements = self.statements(space)?;
        let statement = match &range.end {
            None => &mut statements.delete_from,
            Some(end) => {
                statements.delete_between.raw_bind_parameter(2, end.as_bytes())?;
                &mut statements.delete_between
            }
        };
        statement.raw_bind_parameter(1, range.start.as_bytes())?;
        statement.raw_execute().map(drop)
    }

    /// Says once when commits begin to fail and once when they succeed again, not for every group.
    fn report(&mut self, error: Option<&StoreError>) {
        match error {
            Some(error) if !self.is_failing => warn!(%error, "commits fail"),
            None if self.is_failing => info!("commits succeed again"),
            _ => {}
        }
        self.is_failing = error.is_some();
    }

    fn limit_pages(&mut self, limit: u32) {
        if limit == self.page_limit {
            return;
        }
        self.page_limit = limit;
        // The largest number that the library knows stands for no limit.
        let pages = if limit == 0 { 4_294_967_294 } else { i64::from(limit) };
        let set = format!("PRAGMA max_page_count = {pages}");
        if let Err(error) = self.connection.query_row(&set, [], |_| Ok(())) {
            warn!(%error, "the file cannot be limited");
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a commit took is measured, nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

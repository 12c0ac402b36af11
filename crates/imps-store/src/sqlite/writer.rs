//! The writer: one thread that commits whatever waits, each group as one row of the journal, and brings what has been there
//! for a moment into the tables.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use imps_service::seam::queue::{Group, Later, Step};
use imps_service::seam::{CommitQueue, Key, Space, StoreError};
use rusqlite::{Connection, Statement};
use tracing::{error, info, warn};

use super::checkpoint::Wal;
use super::journal::{self, Change};
use super::pending::Pending;
use super::recent::{Entry, Recent, Rows};
use super::schema::{commit_error, store_error};
use super::tables::Tables;

/// What the writer shares with the rest of the engine.
pub(super) struct Shared {
    pub(super) queue: Arc<CommitQueue>,
    pub(super) wal: Arc<Wal>,
    /// For tests: the file may not grow beyond so many pages; 0 is no limit.
    pub(super) page_limit: Arc<AtomicU32>,
    pub(super) recent: Arc<Recent>,
    /// After so long a row is brought into its table.
    pub(super) settle: Duration,
}

/// Commits until the queue is closed and empty.
pub(super) fn run(connection: Connection, shared: &Shared, written: journal::Written) {
    let _end = Abandon(&shared.queue);
    match Writer::new(&connection, shared, written) {
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

/// The keys that a commit wrote.
struct Written {
    number: u64,
    since: Instant,
    rows: Vec<(Space, Key)>,
    /// So many of them are in the tables, or were changed by a later commit.
    done: usize,
}

/// How far rows were brought into the tables.
#[derive(Default)]
struct Home {
    /// Those that are, with the commit that wrote them.
    rows: Vec<(u64, (Space, Key))>,
    /// So many commits have nothing left in the journal.
    commits: usize,
    /// So many rows of the next one are done.
    done: usize,
}

struct Writer<'c> {
    connection: &'c Connection,
    begin: Statement<'c>,
    commit: Statement<'c>,
    rollback: Statement<'c>,
    note: Statement<'c>,
    trim: Statement<'c>,
    tables: Tables<'c>,
    recent: &'c Recent,
    settle: Duration,
    written: VecDeque<Written>,
    /// The row of the journal that is being made.
    row: Vec<u8>,
    /// How many rows of tables the last commit changed, and how many bytes it wrote beside them.
    changed: (usize, usize),
    page_limit: u32,
    is_failing: bool,
}

type Results = Vec<Result<(), StoreError>>;

/// Rows are brought into their tables before their time when all of them take so many bytes.
const BYTES: usize = 24 << 20;
/// At least so many rows are brought home with a commit, or by themselves while nothing is to be committed.
const ROWS: usize = 256;
/// How often the journal is looked after while nothing is to be committed.
const LOOKS: Duration = Duration::from_millis(250);

impl<'c> Writer<'c> {
    fn new(connection: &'c Connection, shared: &'c Shared, written: journal::Written) -> rusqlite::Result<Self> {
        let (recent, settle, since) = (&*shared.recent, shared.settle, now());
        let written = written.into_iter().map(|(number, rows)| Written { number, since, rows, done: 0 }).collect();
        Ok(Self {
            connection,
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            rollback: connection.prepare("ROLLBACK")?,
            note: connection.prepare("INSERT INTO journal (number, changes) VALUES (?1, ?2)")?,
            trim: connection.prepare("DELETE FROM journal WHERE number <= ?1")?,
            tables: Tables::new(connection)?,
            recent,
            settle,
            written,
            row: Vec::new(),
            changed: (0, 0),
            page_limit: 0,
            is_failing: false,
        })
    }

    fn run(&mut self, shared: &Shared) {
        let mut group = Group::default();
        while shared.queue.take_within(&mut group, self.patience()) {
            self.limit_pages(shared.page_limit.load(Relaxed));
            if group.is_empty() {
                let rows = self.look_after(false);
                shared.wal.committed(self.connection, rows, 0);
                continue;
            }
            let began = now();
            let mut outcome = self.transact(&group, false);
            if outcome == Err(StoreError::Full) {
                // Once its pages are home the log starts anew in the space that it has already, and without its journal the
                // file has room for what the journal holds.
                shared.wal.finish(self.connection);
                outcome = self.transact(&group, true);
            }
            self.report(outcome.as_ref().err());
            shared.queue.answer(&mut group, outcome, began.elapsed());
            let (rows, bytes) = std::mem::take(&mut self.changed);
            shared.wal.committed(self.connection, rows, bytes);
        }
        while !self.written.is_empty() && self.look_after(true) > 0 {}
    }

    /// How long the writer may wait for work: not at all while rows are due in their tables, without end when the journal
    /// is empty.
    fn patience(&self) -> Option<Duration> {
        let oldest = self.written.front()?;
        Some(if self.is_failing || oldest.since.elapsed() < self.settle {
            LOOKS.min(self.settle)
        } else {
            Duration::ZERO
        })
    }

    /// Commits a group. The conditions of a batch are checked before its writes, within the transaction, so a batch
    /// that is left out has left no trace, and the group needs no savepoint, which would copy every page it touches.
    fn transact(&mut self, group: &Group, is_direct: bool) -> Result<Results, StoreError> {
        let is_idle = |step| matches!(step, Step::Batch(batch) if batch.is_empty());
        if group.steps().all(is_idle) {
            return Ok(vec![Ok(()); group.batches()]);
        }
        let outcome = self
            .begin
            .raw_execute()
            .map_err(|error| store_error(&error))
            .and_then(|_| if is_direct { self.commit_direct(group) } else { self.commit_journalled(group) });
        self.end(outcome.is_err());
        if outcome == Err(StoreError::Unknown) {
            self.read_again();
        }
        outcome
    }

    /// Nobody knows whether a commit happened: what the journal has now is what counts.
    fn read_again(&mut self) {
        match journal::load(self.connection) {
            Ok((rows, written)) => {
                let since = now();
                let written = written.into_iter().map(|(number, rows)| Written { number, since, rows, done: 0 });
                self.written = written.collect();
                self.recent.turn(rows.number()).committed(|recent| *recent = rows);
            }
            Err(error) => error!(%error, "the journal cannot be read"),
        }
    }

    /// A transaction is over; one that failed leaves nothing behind.
    fn end(&mut self, is_failed: bool) {
        // Some errors have rolled back already.
        if is_failed
            && !self.connection.is_autocommit()
            && let Err(error) = self.rollback.raw_execute()
        {
            error!(%error, "a transaction could not be rolled back");
        }
    }

    /// The group becomes a row of the journal. What is due there goes into the tables along with it.
    fn commit_journalled(&mut self, group: &Group) -> Result<Results, StoreError> {
        let number = self.recent.look(Rows::number) + 1;
        let made = self.bring_home(group.rows().saturating_mul(2).max(ROWS), false).and_then(|home| {
            let (results, pending) = self.steps(group, Pending::default())?;
            if !pending.changes.is_empty() {
                self.row.clear();
                journal::write(&pending.changes, &mut self.row);
                self.note.raw_bind_parameter(1, i64::try_from(number).unwrap_or(i64::MAX))?;
                self.note.raw_bind_parameter(2, &self.row[..])?;
                self.note.raw_execute()?;
            }
            Ok((home, results, pending))
        });
        let (home, results, pending) = made.map_err(|error| store_error(&error))?;
        let newest = if pending.is_in_tables { Some(number) } else { home.rows.iter().map(|row| row.0).max() };
        let turn = self.recent.turn(newest.unwrap_or(0));
        self.commit.raw_execute().map_err(|error| commit_error(&error))?;
        self.changed = (home.rows.len() + home.commits + 1, group.bytes());
        let rows = pending.changes.iter().filter_map(Change::row).collect();
        turn.committed(|recent| {
            recent.is_home(home.rows.iter().map(|(number, row)| (*number, row)));
            recent.apply(number, pending.changes);
        });
        self.is_home(&home);
        self.written.push_back(Written { number, since: now(), rows, done: 0 });
        Ok(results)
    }

    /// The whole journal goes into the tables, and the group after it: for a disk that has no room for both.
    fn commit_direct(&mut self, group: &Group) -> Result<Results, StoreError> {
        let number = self.recent.look(Rows::number) + 1;
        let made = self.trim_to(u64::MAX).and_then(|()| {
            let (recent, tables) = (self.recent, &mut self.tables);
            recent.look(|rows| rows.all().try_for_each(|(space, key, entry)| put_home(tables, space, key, entry)))?;
            self.steps(group, Pending::direct())
        });
        let (results, _) = made.map_err(|error| store_error(&error))?;
        let turn = self.recent.turn(number);
        self.commit.raw_execute().map_err(|error| commit_error(&error))?;
        turn.committed(|recent| recent.are_home(number));
        self.changed =
            (group.rows() + self.written.iter().map(|written| written.rows.len()).sum::<usize>(), group.bytes());
        self.written.clear();
        Ok(results)
    }

    /// Brings due rows home by themselves, `all` or those that are old enough. How many.
    fn look_after(&mut self, all: bool) -> usize {
        let made = self.begin.raw_execute().and_then(|_| self.bring_home(ROWS * 4, all));
        let outcome = made.map_err(|error| store_error(&error)).and_then(|home| {
            let turn = self.recent.turn(home.rows.iter().map(|row| row.0).max().unwrap_or(0));
            self.commit.raw_execute().map_err(|error| commit_error(&error))?;
            turn.committed(|recent| recent.is_home(home.rows.iter().map(|(number, row)| (*number, row))));
            self.is_home(&home);
            Ok(home.rows.len() + home.commits)
        });
        self.end(outcome.is_err());
        self.report(outcome.as_ref().err());
        outcome.unwrap_or(0)
    }

    /// Writes up to so many of the oldest rows of the journal into the tables: those that are due, or `all`.
    fn bring_home(&mut self, most: usize, all: bool) -> rusqlite::Result<Home> {
        let mut home = Home::default();
        let Some(oldest) = self.written.front() else { return Ok(home) };
        let is_full = self.recent.look(|rows| rows.bytes() > BYTES);
        if !(all || is_full || oldest.since.elapsed() >= self.settle) {
            return Ok(home);
        }
        // What was changed since costs nothing but the look at it.
        let mut looks = most.saturating_mul(8);
        let mut last = None;
        for written in &self.written {
            if !(all || is_full || written.since.elapsed() >= self.settle) {
                break;
            }
            home.done = written.done;
            for row in written.rows.iter().skip(written.done) {
                if home.rows.len() >= most || looks == 0 {
                    break;
                }
                looks -= 1;
                home.done += 1;
                let (space, key) = row;
                let entry = self.recent.look(|rows| rows.get(*space, key).cloned());
                if let Some(entry) = entry.filter(|entry| entry.number == written.number) {
                    put_home(&mut self.tables, *space, key, &entry)?;
                    home.rows.push((written.number, row.clone()));
                }
            }
            if home.done < written.rows.len() {
                break;
            }
            (home.done, last) = (0, Some(written.number));
            home.commits += 1;
        }
        if let Some(last) = last {
            self.trim_to(last)?;
        }
        Ok(home)
    }

    fn trim_to(&mut self, number: u64) -> rusqlite::Result<()> {
        self.trim.raw_bind_parameter(1, i64::try_from(number).unwrap_or(i64::MAX))?;
        self.trim.raw_execute().map(drop)
    }

    /// What was brought home is committed.
    fn is_home(&mut self, home: &Home) {
        self.written.drain(..home.commits.min(self.written.len()));
        if let Some(next) = self.written.front_mut()
            && (home.done > 0)
        {
            next.done = home.done;
        }
    }

    fn steps(&mut self, group: &Group, mut pending: Pending) -> rusqlite::Result<(Results, Pending)> {
        let mut results = Vec::with_capacity(group.batches());
        let (recent, tables) = (self.recent, &mut self.tables);
        for step in group.steps() {
            match step {
                Step::Later(Later { space, key, value: Some(value), .. }) => {
                    pending.put(*space, key, value, false, tables)?;
                }
                Step::Later(Later { space, key, value: None, .. }) => pending.delete(*space, key, tables)?,
                Step::Batch(batch) => results.push(recent.look(|rows| pending.batch(batch, rows, tables))?),
            }
        }
        Ok((results, pending))
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

fn put_home(tables: &mut Tables<'_>, space: Space, key: &Key, entry: &Entry) -> rusqlite::Result<()> {
    match &entry.value {
        Some(value) => tables.put(space, key, value),
        None => tables.delete(space, key),
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a commit took is measured, nothing is decided by it")]
fn now() -> Instant {
    Instant::now()
}

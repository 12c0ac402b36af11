//! The embedded engine: SQLite with a write-ahead log, one file, a table per space.

mod checkpoint;
mod copy;
mod journal;
mod pending;
mod recent;
mod schema;
mod tables;
mod writer;

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, join_all};
use imps_service::seam::queue::CommitQueue;
use imps_service::seam::{Batch, Engine, Key, KeyRange, Order, Row, Space, StoreError};
use parking_lot::Mutex;
use rusqlite::backup::Backup;
use rusqlite::{Connection, Statement};

use self::checkpoint::Wal;
pub use self::copy::Copy;
use self::recent::{Entry, Recent, Rows};
use self::schema::{Sql, store_error, unusable};
use crate::lock::FolderLock;
use crate::open::{OpenError, Options, sync_folder};

/// Reads of no more rows than this are done where they are asked for: they take less time than handing them to another
/// thread does. Longer ones leave the tasks of this thread alone.
const SHORT: usize = 64;
/// The same for ranges, which are a user's each and mostly hold a few rows.
const FEW: usize = 8;

/// The embedded engine; see [`open`](crate::open()). Dropping it commits what waits and lets go of the folder.
pub struct SqliteEngine {
    path: PathBuf,
    queue: Arc<CommitQueue>,
    wal: Arc<Wal>,
    readers: Arc<Readers>,
    page_limit: Arc<AtomicU32>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    // After the threads, so that nobody else opens the folder while they are at it.
    _lock: FolderLock,
}

impl SqliteEngine {
    pub(crate) fn open(path: &Path, options: Options, lock: FolderLock) -> Result<Self, OpenError> {
        let writer = schema::writer(path, &options)?;
        let page: i64 = writer.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(unusable)?;
        let page = u64::try_from(page).unwrap_or(0).max(512);
        let checkpointer = schema::checkpointer(path, &options).map_err(unusable)?;
        let (rows, written) = journal::load(&writer).map_err(unusable)?;
        let recent = Arc::new(Recent::new(rows));
        let readers = Readers::new(path, &options, recent.clone()).map_err(unusable)?;
        let queue = Arc::new(CommitQueue::new(options.queue));
        let wal = Arc::new(Wal::new(page, options.wal, options.wal_bound));
        let page_limit = Arc::new(AtomicU32::new(0));
        let engine = Self {
            path: path.to_owned(),
            queue: queue.clone(),
            wal: wal.clone(),
            readers: Arc::new(readers),
            page_limit: page_limit.clone(),
            threads: Mutex::new(Vec::new()),
            _lock: lock,
        };
        let shared = writer::Shared { queue, wal: wal.clone(), page_limit, recent, settle: options.settle };
        engine.start("store-writer", move || writer::run(writer, &shared, written))?;
        engine.start("store-wal", move || wal.run(&checkpointer))?;
        Ok(engine)
    }

    fn start(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|error| OpenError::Folder { path: self.path.clone(), error })?;
        self.threads.lock().push(thread);
        Ok(())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that is wrong with the file, a line each; nothing when all is well. Reads all of it, and blocks
    /// meanwhile; commits go on.
    pub fn integrity_check(&self) -> Result<Vec<String>, StoreError> {
        let check = || {
            let connection = schema::reader(&self.path, 1 << 20)?;
            let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
            let lines =
                statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(lines)
        };
        let lines = check().map_err(|error| store_error(&error))?;
        Ok(if lines == ["ok"] { Vec::new() } else { lines })
    }

    /// How many rows a space has. Reads its whole table, and blocks meanwhile.
    pub fn count(&self, space: Space) -> Result<u64, StoreError> {
        self.readers.count(space)
    }

    /// Commits what waits, and refuses everything after that. Blocks until it is done. Reads go on.
    pub fn close(&self) {
        self.queue.close();
        self.wal.stop();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
        }
    }

    /// For tests of a full disk: the file may not grow beyond so many pages from the next commit on.
    #[doc(hidden)]
    pub fn limit_pages(&self, pages: Option<u32>) {
        self.page_limit.store(pages.unwrap_or(0), Relaxed);
    }

    /// For tests of a full disk: how many pages the file has.
    #[doc(hidden)]
    pub fn pages(&self) -> Result<u32, StoreError> {
        self.readers.with(|connection| connection.query_row("PRAGMA page_count", [], |row| row.get(0)))
    }

    fn copy(path: &Path, to: &Path) -> Result<(), StoreError> {
        if to.exists() {
            return Err(StoreError::Io(format!("{} exists already", to.display())));
        }
        let mut partial = to.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let copied = copy_pages(path, &partial).map_err(|error| store_error(&error)).and_then(|()| {
            let finish = || -> io::Result<()> {
                File::open(&partial)?.sync_all()?;
                fs::rename(&partial, to)?;
                to.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
            };
            finish().map_err(|error| StoreError::Io(error.to_string()))
        });
        if copied.is_err() {
            // What is left of a copy that failed is in the way of the next one; if it cannot be removed, that one says so.
            let _ = fs::remove_file(&partial);
        }
        copied
    }
}

fn copy_pages(path: &Path, to: &Path) -> rusqlite::Result<()> {
    let from = schema::reader(path, 1 << 20)?;
    let mut copy = Connection::open(to)?;
    // All in one step: between two, a commit would make it begin again.
    Backup::new(&from, &mut copy)?.step(-1)?;
    // A copy is one file that needs no log beside it.
    copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))?;
    journal::settle(&mut copy)?;
    copy.close().map_err(|(_, error)| error)
}

impl Drop for SqliteEngine {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for SqliteEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteEngine").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Engine for SqliteEngine {
    fn get<'a>(&'a self, space: Space, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, StoreError>> {
        if keys.len() <= SHORT {
            return async move { self.readers.get(space, keys) }.boxed();
        }
        let (readers, keys) = (self.readers.clone(), keys.to_vec());
        aside(move || readers.get(space, &keys)).boxed()
    }

    fn scan<'a>(
        &'a self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        async move {
            // Whoever asks for many rows mostly gets few.
            let rows = self.readers.scan(space, &range, order, limit.min(SHORT))?;
            if rows.len() < SHORT || limit <= SHORT {
                return Ok(rows);
            }
            let readers = self.readers.clone();
            aside(move || readers.scan(space, &range, order, limit)).await
        }
        .boxed()
    }

    fn scan_each<'a>(
        &'a self,
        space: Space,
        ranges: &'a [KeyRange],
    ) -> BoxFuture<'a, Result<Vec<Vec<Row>>, StoreError>> {
        if ranges.len() <= FEW {
            return async move { self.readers.scan_each(space, ranges) }.boxed();
        }
        let (readers, ranges) = (self.readers.clone(), ranges.to_vec());
        aside(move || readers.scan_each(space, &ranges)).boxed()
    }

    fn apply<'a>(&'a self, batches: &'a [Batch]) -> BoxFuture<'a, Vec<Result<(), StoreError>>> {
        // Pushed one behind the other at once, they are taken together.
        let answers: Vec<_> = batches.iter().map(|batch| self.queue.push(batch.clone())).collect();
        join_all(answers.into_iter().map(|pushed| async { pushed?.await.unwrap_or(Err(StoreError::Unknown)) })).boxed()
    }

    fn snapshot<'a>(&'a self, to: &'a Path) -> BoxFuture<'a, Result<(), StoreError>> {
        let (path, to) = (self.path.clone(), to.to_owned());
        aside(move || Self::copy(&path, &to)).boxed()
    }

    fn queue(&self) -> Option<&Arc<CommitQueue>> {
        Some(&self.queue)
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        let size = fs::metadata(&self.path).map_or(0, |file| file.len());
        vec![("file_bytes", size), ("wal_bytes", self.wal.bytes()), ("checkpoints", self.wal.checkpoints())]
    }
}

/// Does something long on a thread where it may block.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StoreError::Io(error.to_string())),
    }
}

/// Connections that only read, each used by one thread at a time.
struct Readers {
    pool: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    recent: Arc<Recent>,
}

impl Readers {
    fn new(path: &Path, options: &Options, recent: Arc<Recent>) -> rusqlite::Result<Self> {
        let reader = |_| schema::reader(path, options.reader_cache).map(Mutex::new);
        let pool = (0..options.readers.max(1)).map(reader).collect::<rusqlite::Result<_>>()?;
        Ok(Self { pool, next: AtomicUsize::new(0), recent })
    }

    fn with<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let free = self.pool.iter().find_map(Mutex::try_lock);
        let connection = match free {
            Some(connection) => connection,
            None => {
                let turn = self.next.fetch_add(1, Relaxed) % self.pool.len();
                let connection = self.pool.get(turn).ok_or_else(|| StoreError::Io("no reader".to_owned()))?;
                connection.lock()
            }
        };
        read(&connection).map_err(|error| store_error(&error))
    }

    fn get(&self, space: Space, keys: &[Key]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let sql = Sql::on(space)?;
        let look = |rows: &Rows| {
            keys.iter().map(|key| rows.get(space, key).map(|entry| entry.value.clone())).collect::<Vec<_>>()
        };
        self.recent.read(look, |recent| {
            let missing = recent.iter().filter(|one| one.is_none()).count();
            if missing == 0 {
                return Ok(recent.into_iter().map(Option::flatten).collect());
            }
            self.with(|connection| {
                let mut statement = connection.prepare_cached(&sql.value)?;
                // Several keys are read as of one moment.
                let moment = (missing > 1).then(|| connection.unchecked_transaction()).transpose()?;
                let both = keys.iter().zip(recent);
                let values = both.map(|(key, recent)| recent.map_or_else(|| value(&mut statement, key), Ok));
                let values = values.collect::<rusqlite::Result<_>>()?;
                moment.map_or(Ok(()), rusqlite::Transaction::finish)?;
                Ok(values)
            })
        })
    }

    fn scan(&self, space: Space, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        if range.is_empty() || limit == 0 {
            return Ok(Vec::new());
        }
        let sql = sql_of(Sql::on(space)?, range, order);
        self.recent.read(
            |rows| in_range(rows, space, range),
            |recent| {
                self.with(|connection| {
                    let mut statement = connection.prepare_cached(sql)?;
                    // Each of the recent rows may be in the place of one of the table's.
                    let found = rows(&mut statement, range, limit.saturating_add(recent.len()))?;
                    Ok(merged(found, recent, order, limit))
                })
            },
        )
    }

    fn scan_each(&self, space: Space, ranges: &[KeyRange]) -> Result<Vec<Vec<Row>>, StoreError> {
        let sql = Sql::on(space)?;
        let look = |rows: &Rows| ranges.iter().map(|range| in_range(rows, space, range)).collect::<Vec<_>>();
        self.recent.read(look, |recent| {
            self.with(|connection| {
                // As of one moment, and the page cache is looked after once.
                let moment = (ranges.len() > 1).then(|| connection.unchecked_transaction()).transpose()?;
                let mut all = Vec::with_capacity(ranges.len());
                for (range, recent) in ranges.iter().zip(recent) {
                    let mut statement = connection.prepare_cached(sql_of(sql, range, Order::Forwards))?;
                    let found = if range.is_empty() { Vec::new() } else { rows(&mut statement, range, usize::MAX)? };
                    all.push(merged(found, recent, Order::Forwards, usize::MAX));
                }
                moment.map_or(Ok(()), rusqlite::Transaction::finish)?;
                Ok(all)
            })
        })
    }

    fn count(&self, space: Space) -> Result<u64, StoreError> {
        let sql = Sql::on(space)?;
        self.recent.read(
            |rows| in_range(rows, space, &KeyRange::all()),
            |recent| {
                self.with(|connection| {
                    let moment = connection.unchecked_transaction()?;
                    let all = format!("SELECT count(*) FROM {}", space.table());
                    let mut count = connection.query_row(&all, [], |row| row.get::<_, i64>(0))?;
                    let mut statement = connection.prepare_cached(&sql.value)?;
                    for (key, entry) in recent {
                        let is_there = value(&mut statement, &key)?.is_some();
                        count += i64::from(entry.value.is_some()) - i64::from(is_there);
                    }
                    moment.finish()?;
                    Ok(u64::try_from(count).unwrap_or(0))
                })
            },
        )
    }
}

/// What the journal has of a range, in order.
fn in_range(rows: &Rows, space: Space, range: &KeyRange) -> Vec<(Key, Entry)> {
    rows.range(space, range).map(|(key, entry)| (key.clone(), entry.clone())).collect()
}

/// The rows of a table with what is newer over them. Both are of one range; `found` is in the order that is wanted.
fn merged(found: Vec<Row>, mut recent: Vec<(Key, Entry)>, order: Order, limit: usize) -> Vec<Row> {
    if recent.is_empty() {
        return found;
    }
    if order == Order::Backwards {
        recent.reverse();
    }
    let comes_first = |one: &Key, other: &Key| match order {
        Order::Forwards => one <= other,
        Order::Backwards => one >= other,
    };
    let mut all = Vec::with_capacity(found.len().saturating_add(recent.len()).min(limit));
    let mut found = found.into_iter().peekable();
    let mut recent = recent.into_iter().peekable();
    while all.len() < limit {
        let is_recent = match (found.peek(), recent.peek()) {
            (None, None) => break,
            (Some(_), None) => false,
            (None, Some(_)) => true,
            (Some(row), Some((key, _))) => comes_first(key, &row.key),
        };
        if !is_recent {
            all.extend(found.next());
        } else if let Some((key, entry)) = recent.next() {
            found.next_if(|row| row.key == key);
            all.extend(entry.value.map(|value| Row { key, value }));
        }
    }
    all
}

/// The statement for a range in this order.
fn sql_of<'a>(sql: &'a Sql, range: &KeyRange, order: Order) -> &'a str {
    let [to_the_end, to_a_key] = match (order, &sql.scan) {
        (Order::Forwards, [forwards, _]) => forwards,
        (Order::Backwards, [_, backwards]) => backwards,
    };
    if range.end.is_some() { to_a_key } else { to_the_end }
}

fn rows(statement: &mut Statement<'_>, range: &KeyRange, limit: usize) -> rusqlite::Result<Vec<Row>> {
    statement.raw_bind_parameter(1, range.start.as_bytes())?;
    statement.raw_bind_parameter(2, i64::try_from(limit).unwrap_or(i64::MAX))?;
    if let Some(end) = &range.end {
        statement.raw_bind_parameter(3, end.as_bytes())?;
    }
    let mut rows = statement.raw_query();
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let value = Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?);
        found.push(Row { key: Key::from(row.get_ref(0)?.as_blob()?), value });
    }
    Ok(found)
}

fn value(statement: &mut Statement<'_>, key: &Key) -> rusqlite::Result<Option<Bytes>> {
    statement.raw_bind_parameter(1, key.as_bytes())?;
    let mut rows = statement.raw_query();
    Ok(match rows.next()? {
        Some(row) => Some(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?)),
        None => None,
    })
}

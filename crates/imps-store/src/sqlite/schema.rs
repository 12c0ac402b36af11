//! The file: its settings, its tables, and the statements on them.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use imps_service::seam::{Space, StoreError};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::open::{OpenError, Options};

/// "Haml": says in the file's header whose it is.
const APPLICATION: i64 = 0x4861_6d6c;

/// The version of the tables. A new space is no new version: its table is made when it is missing. Version 2 has the journal,
/// which a program of version 1 would leave unread.
const VERSION: i64 = 2;

/// A checkpoint, or the tool of an operator, may hold a lock for a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// The statements on one space.
pub(super) struct Sql {
    pub(super) value: String,
    pub(super) put: String,
    pub(super) delete: String,
    pub(super) delete_from: String,
    pub(super) delete_between: String,
    /// Forwards and backwards, to the end of the space and to the end of the range.
    pub(super) scan: [[String; 2]; 2],
}

static SQL: LazyLock<Vec<Sql>> = LazyLock::new(|| Space::ALL.iter().map(|space| Sql::of(*space)).collect());

impl Sql {
    fn of(space: Space) -> Self {
        let table = space.table();
        let scan = |until: &str, order: &str| {
            format!("SELECT key, value FROM {table} WHERE key >= ?1 {until} ORDER BY key {order} LIMIT ?2")
        };
        let both = |order: &str| [scan("", order), scan("AND key < ?3", order)];
        Self {
            value: format!("SELECT value FROM {table} WHERE key = ?1"),
            // On a table whose only index is its primary key, this overwrites without looking first.
            put: format!("REPLACE INTO {table} (key, value) VALUES (?1, ?2)"),
            delete: format!("DELETE FROM {table} WHERE key = ?1"),
            delete_from: format!("DELETE FROM {table} WHERE key >= ?1"),
            delete_between: format!("DELETE FROM {table} WHERE key >= ?1 AND key < ?2"),
            scan: [both("ASC"), both("DESC")],
        }
    }

    /// All of them, in the order of [`Space::ALL`].
    pub(super) fn all() -> &'static [Self] {
        &SQL
    }

    /// Those of one space.
    pub(super) fn on(space: Space) -> Result<&'static Self, StoreError> {
        SQL.get(space.index()).ok_or_else(|| StoreError::Io("no such space".to_owned()))
    }
}

fn connect(path: &Path, cache: usize) -> rusqlite::Result<Connection> {
    // No connection is ever used by two threads at once, so the library need not lock each call.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    // A negative size is one in KiB.
    connection.pragma_update(None, "cache_size", -number(cache as u64 / 1024))?;
    connection.set_prepared_statement_cache_capacity(Space::ALL.len() * 5);
    Ok(connection)
}

/// The connection that writes. Makes the file and its tables when they are missing.
pub(super) fn writer(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    let connection = connect(path, options.cache).map_err(unusable)?;
    let is_new = check(&connection, path)?;
    prepare(&connection, is_new, options).map_err(unusable)?;
    Ok(connection)
}

/// Whether the file is new; an error when it is not for us.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(unusable);
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let is_new = application == 0 && version == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
    if !is_new && application != APPLICATION {
        return Err(OpenError::NotOurs(path.to_owned()));
    }
    if version > VERSION {
        return Err(OpenError::Newer { found: version, known: VERSION });
    }
    Ok(is_new)
}

fn prepare(connection: &Connection, is_new: bool, options: &Options) -> rusqlite::Result<()> {
    if is_new {
        connection.pragma_update(None, "page_size", options.page)?;
    }
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        tracing::error!(mode, "the file system does not allow a write-ahead log");
        return Err(rusqlite::Error::InvalidQuery);
    }
    // Every commit is synced before it is acknowledged.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The checkpointer does this, not whoever happens to commit.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // When the log starts anew its file keeps its size up to here: writing over it syncs in half the time.
    connection.pragma_update(None, "journal_size_limit", number(options.wal_bound))?;
    if is_complete(connection)? {
        // Nothing is written, so that a server can be started on a full disk.
        return Ok(());
    }
    let tables: String = Space::ALL
        .iter()
        .map(|space| {
            let table = space.table();
            format!("CREATE TABLE IF NOT EXISTS {table} (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;\n")
        })
        .collect();
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         PRAGMA application_id = {APPLICATION};
         PRAGMA user_version = {VERSION};
         CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, made_at TEXT NOT NULL);
         INSERT OR IGNORE INTO schema_versions VALUES ({VERSION}, datetime('now'));
         CREATE TABLE IF NOT EXISTS journal (number INTEGER PRIMARY KEY, changes BLOB NOT NULL);
         {tables}
         COMMIT;"
    ))
}

fn is_complete(connection: &Connection) -> rusqlite::Result<bool> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let mut exists = connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?;
    let mut all = version == VERSION;
    for space in Space::ALL {
        all = all && exists.exists([space.table()])?;
    }
    Ok(all)
}

/// A connection that cannot write.
pub(super) fn reader(path: &Path, cache: usize) -> rusqlite::Result<Connection> {
    let connection = connect(path, cache)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The connection that brings pages home from the log.
pub(super) fn checkpointer(path: &Path, options: &Options) -> rusqlite::Result<Connection> {
    let connection = connect(path, 64 << 10)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_size_limit", number(options.wal_bound))?;
    Ok(connection)
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unusable(error: rusqlite::Error) -> OpenError {
    OpenError::Database(error.to_string())
}

/// What an error of the library means to whoever called.
pub(super) fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Io(error.to_string()),
    }
}

/// The same for an error of COMMIT itself.
pub(super) fn commit_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        // The frames may be on the disk, and be found there after a crash, although the sync failed.
        Some(ErrorCode::SystemIoFailure) => StoreError::Unknown,
        _ => store_error(error),
    }
}

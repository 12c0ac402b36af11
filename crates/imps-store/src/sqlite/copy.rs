//! A database that no engine has open: a backup, to be looked at before it is trusted.

use std::fmt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use imps_service::seam::{Key, Row, Space, StoreError};
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use super::schema::{check, store_error, unusable};
use crate::open::OpenError;

/// A copy that [`snapshot`](imps_service::seam::Engine::snapshot) made, opened for reading alone. All calls block.
pub struct Copy {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Copy {
    /// Opens the file.
    ///
    /// # Errors
    /// When it cannot be read, is another program's, or of a later version.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(unusable)?;
        if check(&connection, path)? {
            return Err(OpenError::NotOurs(path.to_owned()));
        }
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        read(&self.connection.lock()).map_err(|error| store_error(&error))
    }

    /// Everything that is wrong with the file, a line each; nothing when all is well. Reads all of it.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub fn integrity_check(&self) -> Result<Vec<String>, StoreError> {
        let lines = self.read(|connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
            statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        Ok(if lines == ["ok"] { Vec::new() } else { lines })
    }

    /// Whether the version that made the copy had this space.
    fn has(connection: &Connection, space: Space) -> rusqlite::Result<bool> {
        connection.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?.exists([space.table()])
    }

    /// How many rows a space has.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn count(&self, space: Space) -> Result<u64, StoreError> {
        let count = self.read(|connection| {
            if !Self::has(connection, space)? {
                return Ok(0);
            }
            connection.query_row(&format!("SELECT count(*) FROM {}", space.table()), [], |row| row.get::<_, i64>(0))
        })?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Up to `limit` rows behind a key, in order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rows(&self, space: Space, after: Option<&Key>, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.read(|connection| {
            if !Self::has(connection, space)? {
                return Ok(Vec::new());
            }
            let table = space.table();
            let condition = if after.is_some() { "WHERE key > ?2" } else { "" };
            let sql = format!("SELECT key, value FROM {table} {condition} ORDER BY key LIMIT ?1");
            let mut statement = connection.prepare_cached(&sql)?;
            statement.raw_bind_parameter(1, i64::try_from(limit).unwrap_or(i64::MAX))?;
            if let Some(after) = after {
                statement.raw_bind_parameter(2, after.as_bytes())?;
            }
            let mut rows = statement.raw_query();
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let value = Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?);
                found.push(Row { key: Key::from(row.get_ref(0)?.as_blob()?), value });
            }
            Ok(found)
        })
    }
}

impl fmt::Debug for Copy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copy").field("path", &self.path).finish_non_exhaustive()
    }
}

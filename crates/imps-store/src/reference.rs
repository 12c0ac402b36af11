//! The reference of the benchmark: the same rows, straight into SQLite, with nothing of ours between.

use std::fs;
use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

/// Inserts `rows` rows with ordered keys of 16 octets and values of `value_len`, `batch` to a transaction, into a new
/// database `reference.db` in `folder`, with the settings of the embedded engine: write-ahead log, `synchronous=FULL`.
/// The library checkpoints by itself, as it does when nobody tells it otherwise. Returns rows per second; the file is
/// removed afterwards.
///
/// For benchmarks only: the server's own rows go through [`open`](crate::open()).
pub fn raw_inserts(folder: &Path, rows: u64, batch: u64, value_len: usize) -> Result<f64, String> {
    fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    let path = folder.join("reference.db");
    let result = insert(&path, rows, batch.max(1), value_len).map_err(|error| error.to_string());
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        // The log is gone already when the connection was closed in peace.
        let _ = fs::remove_file(file);
    }
    result
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures")]
fn insert(path: &Path, rows: u64, batch: u64, value_len: usize) -> rusqlite::Result<f64> {
    let connection = Connection::open(path)?;
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")?;
    let mut put = connection.prepare("REPLACE INTO rows (key, value) VALUES (?1, ?2)")?;
    let value = vec![0x61_u8; value_len];
    let began = Instant::now();
    let mut done = 0;
    while done < rows {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let until = rows.min(done + batch);
        for number in done..until {
            put.execute(params![u128::from(number).to_be_bytes(), value])?;
        }
        connection.execute_batch("COMMIT")?;
        done = until;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

//! The write-ahead log: brought home by a thread of its own, and kept short.
//!
//! Commits append pages to the log; a checkpoint copies them to where they belong. The log starts anew only when a
//! commit finds it copied to its very end, which under load never happens by itself: pages arrive while others are
//! copied. So the checkpointer copies beside the writer until little is left, and then asks the writer to copy the rest
//! between two commits, which takes a millisecond or two instead of the whole checkpoint.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tracing::warn;

/// How often the log is looked at while commits go on.
const LOOK: Duration = Duration::from_millis(25);

/// After so many looks without a commit, what is in the log is brought home.
const IDLE_LOOKS: u32 = 40;

/// How often a checkpoint is repeated, at once, to leave little to the writer.
const ROUNDS: u32 = 4;

/// What the checkpointer and the writer tell each other.
#[derive(Debug)]
pub(super) struct Wal {
    page: u64,
    wanted: u64,
    bound: u64,
    is_dirty: AtomicBool,
    finish: AtomicBool,
    frames: AtomicU64,
    /// Pages that the commits since the last look may have added to the log, at most.
    added: AtomicU64,
    checkpoints: AtomicU64,
    /// Held during a checkpoint: two at once would only keep each other from finishing.
    running: Mutex<()>,
    stop: Mutex<bool>,
    changed: Condvar,
}

/// What the log holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Log {
    frames: u64,
    home: u64,
}

impl Log {
    fn left(self) -> u64 {
        self.frames.saturating_sub(self.home)
    }
}

fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<Log> {
    // It answers whether it was kept from finishing, and two numbers that are -1 when there is no log.
    let number = |value: i64| u64::try_from(value).unwrap_or(0);
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        Ok(Log { frames: number(row.get(1)?), home: number(row.get(2)?) })
    })
}

impl Wal {
    pub(super) fn new(page: u64, wanted: u64, bound: u64) -> Self {
        Self {
            page,
            wanted: wanted / page,
            bound: bound.max(wanted) / page,
            is_dirty: AtomicBool::new(true),
            finish: AtomicBool::new(false),
            frames: AtomicU64::new(0),
            added: AtomicU64::new(0),
            running: Mutex::new(()),
            checkpoints: AtomicU64::new(0),
            stop: Mutex::new(false),
            changed: Condvar::new(),
        }
    }

    /// For the writer, between two commits: so many rows with so many bytes have just been written.
    pub(super) fn committed(&self, connection: &Connection, rows: usize, bytes: usize) {
        // A row changes a page, or two when it splits one, and fills as many as it is long.
        let pages = rows as u64 * 2 + bytes as u64 / self.page;
        let added = self.added.fetch_add(pages, Relaxed) + pages;
        if self.finish.load(Relaxed) || (added > self.bound / 2 && self.is_over()) {
            self.finish(connection);
        }
        if !self.is_dirty.swap(true, Relaxed) {
            let _held = self.stop.lock();
            self.changed.notify_one();
        }
    }

    /// Whether the log may have reached its bound before anybody looked at it again. Commits then wait for a checkpoint:
    /// the disk cannot follow them.
    fn is_over(&self) -> bool {
        self.frames.load(Relaxed) + self.added.load(Relaxed) >= self.bound
    }

    /// For the writer: brings home what is left, so that the next commit starts the log anew.
    pub(super) fn finish(&self, connection: &Connection) {
        match self.checkpoint(connection, "PASSIVE") {
            // While an old page is still being read, it is tried again later.
            Ok(log) if log.left() == 0 => {
                self.finish.store(false, Relaxed);
                self.seen(0);
            }
            Ok(log) => self.seen(log.frames),
            Err(error) => {
                self.finish.store(false, Relaxed);
                self.added.store(0, Relaxed);
                warn!(%error, "the log could not be brought home");
            }
        }
    }

    fn checkpoint(&self, connection: &Connection, mode: &str) -> rusqlite::Result<Log> {
        let _running = self.running.lock();
        self.checkpoints.fetch_add(1, Relaxed);
        checkpoint(connection, mode)
    }

    fn seen(&self, frames: u64) {
        self.frames.store(frames, Relaxed);
        self.added.store(0, Relaxed);
    }

    pub(super) fn stop(&self) {
        *self.stop.lock() = true;
        self.changed.notify_one();
    }

    /// Bytes in the log when it was last looked at.
    pub(super) fn bytes(&self) -> u64 {
        self.frames.load(Relaxed) * self.page
    }

    pub(super) fn checkpoints(&self) -> u64 {
        self.checkpoints.load(Relaxed)
    }

    /// The checkpointer's thread.
    pub(super) fn run(&self, connection: &Connection) {
        let mut last = None;
        let mut idle_looks = 0;
        let mut is_failing = false;
        while self.wait() {
            let looked = checkpoint(connection, "NOOP").and_then(|log| {
                idle_looks = if last == Some(log.frames) { idle_looks + 1 } else { 0 };
                last = Some(log.frames);
                self.look(connection, log, idle_looks >= IDLE_LOOKS)
            });
            match looked {
                Ok(()) => is_failing = false,
                Err(error) => {
                    // A full disk says this at every look until there is space again; once is enough.
                    if !is_failing {
                        warn!(%error, "checkpoints fail");
                    }
                    is_failing = true;
                }
            }
        }
    }

    /// Waits until there may be something to look at; `false` at the end.
    fn wait(&self) -> bool {
        let mut stop = self.stop.lock();
        while !*stop && !self.is_dirty.load(Relaxed) {
            self.changed.wait(&mut stop);
        }
        if !*stop {
            self.changed.wait_for(&mut stop, LOOK);
        }
        !*stop
    }

    fn look(&self, connection: &Connection, log: Log, is_idle: bool) -> rusqlite::Result<()> {
        self.seen(log.frames);
        if is_idle {
            // From here on a commit makes it dirty again.
            self.is_dirty.store(false, Relaxed);
            let mode = if log.frames > self.bound { "TRUNCATE" } else { "PASSIVE" };
            if log.left() > 0 || log.frames > self.bound {
                self.seen(self.checkpoint(connection, mode)?.frames);
            }
            return Ok(());
        }
        if log.frames < self.wanted || log.left() == 0 {
            return Ok(());
        }
        let mut log = log;
        for _ in 0..ROUNDS {
            let before = log.left();
            log = self.checkpoint(connection, "PASSIVE")?;
            // A round that leaves more than half of what it found does not catch up with the writer any further.
            if log.left() < self.wanted / 16 || log.left() > before / 2 {
                break;
            }
        }
        self.seen(log.frames);
        if log.left() < self.wanted / 4 || log.frames >= self.bound {
            self.finish.store(true, Relaxed);
        }
        Ok(())
    }
}

//! The suite over both engines.

#![expect(clippy::unwrap_used, reason = "what fails is a failed test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use imps_service::seam::{Engine, MemoryEngine};
use imps_store::suite::{Folder, Subject};
use imps_store::{DATABASE, Options, SqliteEngine, engine_suite, open};

struct InMemory {
    engine: Arc<MemoryEngine>,
    folder: Arc<Folder>,
}

impl InMemory {
    fn new() -> Self {
        Self { engine: Arc::new(MemoryEngine::new()), folder: Arc::new(Folder::new()) }
    }
}

impl Subject for InMemory {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.clone()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn reopen(self) -> Self {
        self
    }

    fn load(&self, copy: &Path) -> Self {
        Self { engine: Arc::new(MemoryEngine::load(copy).unwrap()), folder: self.folder.clone() }
    }
}

struct OnDisk {
    engine: Checked,
    data: PathBuf,
    folder: Arc<Folder>,
    settle: Duration,
}

impl OnDisk {
    /// Rows stay in the journal for so long.
    fn new(settle: Duration) -> Self {
        let folder = Arc::new(Folder::new());
        Self::at(folder.path().join("data"), folder, settle)
    }

    fn at(data: PathBuf, folder: Arc<Folder>, settle: Duration) -> Self {
        // A log so short that every test sees checkpoints.
        let options = Options { wal: 128 << 10, wal_bound: 512 << 10, settle, ..Options::default() };
        Self { engine: Checked(open(&data, options).unwrap()), data, folder, settle }
    }
}

impl Subject for OnDisk {
    fn engine(&self) -> Arc<dyn Engine> {
        self.engine.0.clone()
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn reopen(self) -> Self {
        let Self { engine, data, folder, settle } = self;
        assert_eq!(Arc::strong_count(&engine.0), 1, "somebody else holds it");
        drop(engine);
        Self::at(data, folder, settle)
    }

    fn load(&self, copy: &Path) -> Self {
        let mut data = copy.as_os_str().to_owned();
        data.push("-opened");
        let data = PathBuf::from(data);
        std::fs::create_dir_all(&data).unwrap();
        std::fs::copy(copy, data.join(DATABASE)).unwrap();
        Self::at(data, self.folder.clone(), self.settle)
    }
}

/// Whatever a test did, the file is well afterwards.
struct Checked(Arc<SqliteEngine>);

impl Drop for Checked {
    fn drop(&mut self) {
        assert_eq!(self.0.integrity_check(), Ok(vec![]));
    }
}

engine_suite!(memory, InMemory::new());
engine_suite!(sqlite, OnDisk::new(Duration::from_secs(1)), durable);

/// The same with rows that leave the journal at once, or while others are being written.
mod settling {
    use super::*;

    engine_suite!(at_once, OnDisk::new(Duration::ZERO), durable);
}

mod settling_soon {
    use super::*;

    engine_suite!(soon, OnDisk::new(Duration::from_millis(3)), durable);
}

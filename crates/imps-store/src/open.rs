//! Opening a data folder: the lock, the file, the tables.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use imps_service::seam::Bounds;

use crate::lock::{FolderLock, LockError};
use crate::sqlite::SqliteEngine;

/// The name of the database in the data folder.
pub const DATABASE: &str = "hamlet.db";

/// The name of the lock file in the data folder.
pub const LOCK: &str = "lock";

/// How the embedded engine works. The defaults suit a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Bytes of pages that the writer keeps in memory.
    pub cache: usize,
    /// Bytes of pages that each reader keeps in memory. A reader forgets them whenever something was committed.
    pub reader_cache: usize,
    /// How many reads can go on at the same time.
    pub readers: usize,
    /// Bytes of a page of a new database.
    pub page: u32,
    /// With so many bytes in the write-ahead log, its pages are brought home.
    pub wal: u64,
    /// The log does not grow beyond this, save while a long read such as a snapshot needs its old pages.
    pub wal_bound: u64,
    /// After so long a row is brought from the journal into its table. What is deleted sooner never comes there.
    pub settle: Duration,
    /// How much may wait for the writer.
    pub queue: Bounds,
}

impl Default for Options {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Self {
            // Beyond this the system keeps them: a larger cache grows with the database and makes a commit no faster.
            cache: 2 << 20,
            reader_cache: 1 << 20,
            readers: processors.clamp(2, 8) + 1,
            page: 4096,
            wal: 16 << 20,
            wal_bound: 64 << 20,
            settle: Duration::from_secs(1),
            queue: Bounds::default(),
        }
    }
}

/// Why a data folder could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// Another process uses the folder.
    Locked {
        /// The folder.
        folder: PathBuf,
        /// The process, if it said which one it is.
        process: Option<u32>,
    },
    /// The folder or a file in it cannot be made, read or written.
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The database belongs to another program.
    NotOurs(PathBuf),
    /// The database was written by a later version of this program.
    Newer {
        /// The version of the tables in the file.
        found: i64,
        /// The latest version that this program knows.
        known: i64,
    },
    /// The database is damaged or cannot be used.
    Database(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { folder, process: Some(process) } => {
                write!(f, "the data folder {} is used by process {process}", folder.display())
            }
            Self::Locked { folder, process: None } => {
                write!(f, "the data folder {} is used by another process", folder.display())
            }
            Self::Folder { path, error } => write!(f, "{}: {error}", path.display()),
            Self::NotOurs(path) => write!(f, "{} is a database of another program", path.display()),
            Self::Newer { found, known } => {
                write!(f, "the database has version {found}, and this program knows {known} at most")
            }
            Self::Database(why) => write!(f, "the database cannot be opened: {why}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// A data folder that is kept from everybody else, until this is dropped.
#[derive(Debug)]
pub struct Locked(#[expect(dead_code, reason = "held")] FolderLock);

/// Makes the folder if it is not there, and locks it without opening what is in it.
///
/// # Errors
/// When another process has it, or it cannot be made.
pub fn lock(folder: &Path) -> Result<Locked, OpenError> {
    take(folder).map(Locked)
}

fn take(folder: &Path) -> Result<FolderLock, OpenError> {
    let fails = |path: &Path| {
        let path = path.to_owned();
        move |error| OpenError::Folder { path, error }
    };
    make_folder(folder).map_err(fails(folder))?;
    let lock_path = folder.join(LOCK);
    FolderLock::take(&lock_path).map_err(|error| match error {
        LockError::Held(process) => OpenError::Locked { folder: folder.to_owned(), process },
        LockError::Io(error) => fails(&lock_path)(error),
    })
}

/// Opens the embedded engine in a data folder, which is made if it is not there, and locks the folder until the engine
/// is dropped. After a crash nothing needs repair: what was acknowledged is there, what was not is there whole or not
/// at all.
///
/// Blocks while it reads and writes.
pub fn open(folder: &Path, options: Options) -> Result<Arc<SqliteEngine>, OpenError> {
    let lock = take(folder)?;
    let engine = SqliteEngine::open(&folder.join(DATABASE), options, lock)?;
    sync_folder(folder).map_err(|error| OpenError::Folder { path: folder.to_owned(), error })?;
    Ok(Arc::new(engine))
}

fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    folder.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or(Ok(()), sync_folder)
}

/// A new file is only there after a power cut when its folder was synced too.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

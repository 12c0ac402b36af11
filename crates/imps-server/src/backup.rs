//! Backups: a folder with the database and the key file, made while the server runs; and how one is put in place again.
//!
//! ```text
//!   restore: verified ──> copied to DATA/restoring ──(marked complete)──> put in place at the next opening of the folder
//! ```
//!
//! What was there before is kept in a folder beside. Every step can be interrupted: without the mark nothing has
//! happened, with it the next opening finishes what is left to do.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use imps_service::Clock;
use imps_service::seam::Space;
use imps_store::{Copy, DATABASE};
use serde::{Deserialize, Serialize};

use crate::command::{Failure, moment};
use crate::key;
use crate::wire::Node;

/// What says, in a backup, what it is.
const ABOUT: &str = "backup.json";

/// In the data folder: what is about to be put in place.
const STAGE: &str = "restoring";

/// In there, when all of it is there.
const COMPLETE: &str = "complete";

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// When it was made.
    pub(crate) made: String,
    /// The version of the program that made it.
    pub(crate) program: String,
    /// The domain that it is of.
    pub(crate) domain: String,
    /// Rows of each space.
    pub(crate) rows: BTreeMap<String, u64>,
}

fn fails(path: &Path) -> impl Fn(io::Error) -> Failure {
    move |error| Failure::new(format!("{}: {error}", path.display()))
}

/// Makes a backup in a folder that is new or empty, and verifies it.
pub(crate) async fn make(node: &Node, to: &Path) -> Result<About, Failure> {
    prepare(to)?;
    let made = fill(node, to).await;
    if made.is_err() {
        // A backup that failed must not be taken for one.
        for name in [DATABASE, key::FILE, ABOUT] {
            let _ = fs::remove_file(to.join(name));
        }
        let _ = fs::remove_dir(to);
    }
    made
}

fn prepare(to: &Path) -> Result<(), Failure> {
    match fs::read_dir(to) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(Failure::new(format!("{} is not empty", to.display())).hint("name a new folder")),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().mode(0o700).create(to).map_err(fails(to))
        }
        Err(error) => Err(fails(to)(error)),
    }
}

async fn fill(node: &Node, to: &Path) -> Result<About, Failure> {
    let database = to.join(DATABASE);
    let copied = node.services.store.snapshot(&database).await;
    copied.map_err(|error| Failure::new(format!("the database cannot be copied: {error}")))?;
    fs::set_permissions(&database, fs::Permissions::from_mode(key::MODE)).map_err(fails(&database))?;
    copy_key(node.engine.path().parent().unwrap_or(Path::new(".")), to)?;
    let folder = to.to_owned();
    let rows = tokio::task::spawn_blocking(move || inspect(&folder)).await;
    let about = About {
        made: moment(Clock::system().now()),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        domain: node.services.router.home().to_string(),
        rows: rows.map_err(|error| Failure::new(error.to_string()))??,
    };
    let text = serde_json::to_vec_pretty(&about).map_err(|error| Failure::new(error.to_string()))?;
    write_synced(&to.join(ABOUT), &text)?;
    Ok(about)
}

/// The key file goes with the database: without it the phone passwords in there cannot be read.
fn copy_key(from: &Path, to: &Path) -> Result<(), Failure> {
    match fs::read(key::path(from)) {
        Ok(octets) => write_synced(&key::path(to), &octets),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(fails(&key::path(from))(error)),
    }
}

fn write_synced(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    let write = || {
        let mut options = fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), key::MODE);
        let mut file = options.open(path)?;
        io::Write::write_all(&mut file, octets)?;
        file.sync_all()
    };
    write().map_err(fails(path))
}

/// Reads a backup through: how many rows each space has, or what is wrong with it. Blocks.
pub(crate) fn inspect(folder: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    let path = folder.join(DATABASE);
    if !path.exists() {
        return Err(Failure::new(format!("{} is no backup: it has no {DATABASE}", folder.display()))
            .hint("name the folder that `hamlet backup` made"));
    }
    let damaged = |why: String| {
        Failure::new(format!("the backup {} is damaged: {why}", folder.display())).hint("take an earlier one")
    };
    let copy = Copy::open(&path).map_err(|error| Failure::new(error.to_string()))?;
    let problems = copy.integrity_check().map_err(|error| damaged(error.to_string()))?;
    if let Some(first) = problems.first() {
        return Err(damaged(first.clone()));
    }
    let mut rows = BTreeMap::new();
    for space in Space::ALL {
        let count = copy.count(*space).map_err(|error| damaged(error.to_string()))?;
        rows.insert(space.table().to_owned(), count);
    }
    Ok(rows)
}

/// Verifies a backup and lays it ready in the data folder, for [`finish`]. Blocks.
pub(crate) fn stage(from: &Path, data: &Path) -> Result<BTreeMap<String, u64>, Failure> {
    inspect(from)?;
    let stage = data.join(STAGE);
    let _ = fs::remove_dir_all(&stage);
    fs::DirBuilder::new().mode(0o700).create(&stage).map_err(fails(&stage))?;
    let copied = fs::copy(from.join(DATABASE), stage.join(DATABASE))
        .and_then(|_| fs::File::open(stage.join(DATABASE))?.sync_all())
        .map_err(fails(&stage));
    let staged = copied.and_then(|()| copy_key(from, &stage)).and_then(|()| {
        let rows = inspect(&stage)?;
        write_synced(&stage.join(COMPLETE), b"")?;
        fs::File::open(&stage).and_then(|folder| folder.sync_all()).map_err(fails(&stage))?;
        Ok(rows)
    });
    if staged.is_err() {
        let _ = fs::remove_dir_all(&stage);
    }
    staged
}

/// Whether something is laid ready.
pub(crate) fn is_staged(data: &Path) -> bool {
    data.join(STAGE).join(COMPLETE).exists()
}

/// Puts in place what [`stage`] laid ready, if anything; what was there before is kept in the folder whose path is
/// returned. Nobody else may use the data folder meanwhile.
pub(crate) fn finish(data: &Path) -> Result<Option<PathBuf>, Failure> {
    let stage = data.join(STAGE);
    if !is_staged(data) {
        return Ok(None);
    }
    let former = former(data)?;
    let put = |name: &str, and: &[&str]| -> io::Result<()> {
        if !stage.join(name).exists() {
            return Ok(());
        }
        for name in and.iter().chain([&name]) {
            match fs::rename(data.join(name), former.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(stage.join(name), data.join(name))?;
        fs::File::open(data)?.sync_all()
    };
    let wal = format!("{DATABASE}-wal");
    let shm = format!("{DATABASE}-shm");
    // The key first: a database without its key would be no use, a key without its database is put right by the next try.
    put(key::FILE, &[]).and_then(|()| put(DATABASE, &[&wal, &shm])).map_err(fails(data))?;
    fs::remove_dir_all(&stage).map_err(fails(&stage))?;
    Ok(Some(former))
}

/// A new folder for what is replaced.
fn former(data: &Path) -> Result<PathBuf, Failure> {
    let now = Clock::system().now().date_time().to_basic();
    for count in 0..1000 {
        let name = if count == 0 { format!("before-restore-{now}") } else { format!("before-restore-{now}-{count}") };
        let path = data.join(name);
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fails(&path)(error)),
        }
    }
    Err(Failure::new("too many folders of former restores").hint("remove those that are not needed any more"))
}

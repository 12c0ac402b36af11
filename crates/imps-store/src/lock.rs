//! The lock of a data folder: one process uses it at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// Held as long as this value lives. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

/// Why the lock was not given.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process has it; which one, if it said so.
    Held(Option<u32>),
    /// The file could not be made or locked.
    Io(io::Error),
}

impl FolderLock {
    /// Takes the lock in this file, and writes into it who has it.
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The holder may not have written its number yet; then nobody can say which process it is.
                let _ = (&file).take(32).read_to_string(&mut text);
                return Err(LockError::Held(text.trim().parse().ok()));
            }
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        // The number is for people. A full disk, which keeps it from being written, must not keep the server from
        // starting.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

//! What the system allows this process: open files, space on the disk.

use std::path::Path;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Files and connections that may be open at once; none: no limit.
pub(crate) fn open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Takes as many open files as the system gives without asking: the soft limit is for programs that use `select`.
pub(crate) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
}

/// What the server opens beside connections of clients.
const OTHER_FILES: u64 = 64;

/// Connections that can be served when so many are wanted: accepting must not fail for want of files, since then the
/// store's would fail too.
pub(crate) fn connections(wanted: usize) -> usize {
    let most = open_files().map_or(u64::MAX, |limit| limit.saturating_sub(OTHER_FILES).max(1));
    wanted.min(usize::try_from(most).unwrap_or(usize::MAX))
}

/// Places for connections of every kind together: whatever they are for, they need descriptors; none where the system
/// sets no limit.
pub(crate) fn places() -> Option<std::sync::Arc<tokio::sync::Semaphore>> {
    let most = open_files().map(|limit| limit.saturating_sub(OTHER_FILES).max(1))?;
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(tokio::sync::Semaphore::MAX_PERMITS);
    Some(std::sync::Arc::new(tokio::sync::Semaphore::new(most)))
}

/// CIR connections that can be had when so many are wanted: they come first, and must leave some for requests.
pub(crate) fn called(wanted: usize) -> usize {
    wanted.min(connections(usize::MAX) / 5 * 4).max(1)
}

/// Of so many connections for requests those that may last for days: they must leave some for who comes and goes.
pub(crate) fn lasting(connections: usize) -> usize {
    (connections - connections / 4).max(1)
}

/// Bytes that are free on the disk of this folder.
pub(crate) fn free_space(folder: &Path) -> std::io::Result<u64> {
    let disk = rustix::fs::statvfs(folder)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Memory of this program beyond which it takes no more requests: what is set, or four fifths of what the machine has.
pub(crate) fn memory(set: u64) -> Option<u64> {
    if set > 0 {
        return Some(set);
    }
    let info = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes.saturating_mul(1024) / 5 * 4)
}

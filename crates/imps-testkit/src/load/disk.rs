//! What the disk itself takes: whoever answers after a sync cannot be faster.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use super::{Latencies, Outcome, now};

/// What is written before each sync: as much as a commit of some dozens of rows.
const WRITE: usize = 16 * 1024;
/// The file, written over again and again as the log of a database is.
const SIZE: usize = 4 * 1024 * 1024;
const TIMES: usize = 500;
/// Between one and the next, as commits have it.
const PAUSE: Duration = Duration::from_millis(1);

/// Writes and syncs, and nothing else, in a folder.
pub(crate) fn syncs(folder: &Path) -> Outcome<Latencies> {
    let path = folder.join("syncs");
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", path.display());
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path).map_err(failed)?;
    file.write_all(&vec![1; SIZE]).and_then(|()| file.sync_all()).map_err(failed)?;
    let (block, mut latencies) = ([2; WRITE], Latencies::new());
    for number in 0..TIMES {
        let at = (number * WRITE % SIZE) as u64;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&block)).map_err(failed)?;
        let began = now();
        file.sync_data().map_err(failed)?;
        latencies.record(began.elapsed());
        std::thread::sleep(PAUSE);
    }
    std::fs::remove_file(&path).map_err(failed)?;
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    use super::super::server::{Folder, default_folder};
    use super::*;

    #[test]
    fn each_sync_is_measured_and_nothing_is_left() -> Outcome {
        let folder = Folder::new(&default_folder(), "disk")?;
        let latencies = syncs(folder.path())?;
        assert_eq!(latencies.0.len(), TIMES as u64);
        assert_eq!(std::fs::read_dir(folder.path()).map_err(|error| error.to_string())?.count(), 0);
        Ok(())
    }
}

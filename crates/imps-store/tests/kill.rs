//! A process that is killed at any moment loses nothing that it acknowledged, and leaves nothing half done.

#![expect(clippy::unwrap_used, reason = "what fails is a failed test")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use imps_service::seam::{Batch, Engine, Key, KeyRange, Order, Space};
use imps_service::store::Store;
use imps_store::suite::{Dice, Folder};
use imps_store::{Options, SqliteEngine, open};

const SPACES: [Space; 3] = [Space::Messages, Space::MessageIndex, Space::Transactions];
const DATA: &str = "HAMLET_KILL_TEST_DATA";
const FIRST: &str = "HAMLET_KILL_TEST_FIRST";

fn opened(folder: &Path) -> Arc<SqliteEngine> {
    // So short a log that the kill hits checkpoints too, and so short a time in the journal that it hits settling.
    let settle = Duration::from_millis(10);
    open(folder, Options { wal: 64 << 10, wal_bound: 256 << 10, settle, ..Options::default() }).unwrap()
}

fn batch(number: u64) -> Batch {
    let mut batch = Batch::new();
    for space in SPACES {
        batch.insert(space, Key::build().u64(number).done(), vec![b'x'; (number % 3000) as usize]);
    }
    batch
}

/// Every fourth is deleted again, some at once and some after a while.
fn is_deleted(number: u64) -> bool {
    number.is_multiple_of(4)
}

fn deletion(number: u64) -> Batch {
    let mut batch = Batch::new();
    for space in SPACES {
        batch.delete(space, Key::build().u64(number).done());
    }
    batch
}

fn say(what: &str, number: u64) {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("\n{what} {number}\n").as_bytes()).unwrap();
    output.flush().unwrap();
}

/// Writes from several tasks: so many and then no more, or for ever, saying of each number when it is committed.
async fn write(folder: PathBuf, first: u64, count: Option<u64>) {
    let store = Store::new(opened(&folder));
    let next = Arc::new(AtomicU64::new(first));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, next) = (store.clone(), next.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if count.is_some_and(|count| number >= first + count) {
                        return;
                    }
                    store.commit(batch(number)).await.unwrap();
                    if count.is_some() {
                        continue;
                    }
                    say("committed", number);
                    if is_deleted(number) {
                        if number.is_multiple_of(3) {
                            tokio::time::sleep(Duration::from_millis(25)).await;
                        }
                        store.commit(deletion(number)).await.unwrap();
                        say("deleted", number);
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Every number that is there, having checked that it is there with all its rows.
async fn numbers(folder: &Path) -> Vec<u64> {
    let engine = opened(folder);
    assert_eq!(engine.integrity_check(), Ok(vec![]));
    let mut all = Vec::new();
    for space in SPACES {
        let rows = engine.scan(space, KeyRange::all(), Order::Forwards, usize::MAX).await.unwrap();
        let number = |key: &Key| key.read().u64().unwrap();
        assert!(rows.iter().all(|row| row.value.len() as u64 == number(&row.key) % 3000));
        all.push(rows.iter().map(|row| number(&row.key)).collect::<Vec<_>>());
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "a batch is there in part");
    all.pop().unwrap()
}

/// The process that is killed; run by itself, it writes a little and ends in peace.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_writer_says_what_is_committed() {
    if let Ok(data) = std::env::var(DATA) {
        let first = std::env::var(FIRST).unwrap().parse().unwrap();
        write(data.into(), first, None).await;
        return;
    }
    let folder = Folder::new();
    write(folder.path().to_owned(), 5, Some(200)).await;
    assert_eq!(numbers(folder.path()).await, (5..205).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let folder = Folder::new();
    let mut dice = Dice::new(11);
    let (mut acknowledged, mut deleted) = (Vec::new(), Vec::new());
    for cycle in 0..8_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_writer_says_what_is_committed", "--nocapture"])
            .env(DATA, folder.path())
            .env(FIRST, (cycle * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let until = acknowledged.len() as u64 + 50 + dice.roll(500);
        for line in lines {
            let line = line.unwrap();
            acknowledged.extend(line.strip_prefix("committed ").map(|number| number.parse::<u64>().unwrap()));
            deleted.extend(line.strip_prefix("deleted ").map(|number| number.parse::<u64>().unwrap()));
            if acknowledged.len() as u64 == until {
                // What is said after this is in the pipe already, and counts.
                child.kill().unwrap();
            }
        }
        let status = child.wait().unwrap();
        assert!(!status.success());
        assert!(acknowledged.len() as u64 >= until, "the writer ended by itself: {status}");

        let found = numbers(folder.path()).await;
        acknowledged.sort_unstable();
        let is_there = |number: &&u64| found.binary_search(number).is_ok();
        let kept = acknowledged.iter().filter(|number| !is_deleted(**number));
        let lost: Vec<_> = kept.filter(|number| !is_there(number)).collect();
        assert!(lost.is_empty(), "cycle {cycle} lost {lost:?}");
        let back: Vec<_> = deleted.iter().filter(is_there).collect();
        assert!(back.is_empty(), "cycle {cycle}: {back:?} came back");
        // At most those that were under way may be there without having been acknowledged: eight in each cycle.
        let unheard = found.iter().filter(|number| acknowledged.binary_search(number).is_err()).count();
        assert!(unheard <= 8 * (cycle as usize + 1), "cycle {cycle}: {unheard}");
    }
}

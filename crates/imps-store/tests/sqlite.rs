//! What only the embedded engine must do: locks, full disks, a log that stays short, files of other programs.

use std::sync::Arc;
use std::time::Duration;

use imps_service::seam::{Batch, Bounds, Engine, Key, KeyRange, Order, Space, StoreError};
use imps_service::store::Store;
use imps_store::suite::Folder;
use imps_store::{DATABASE, LOCK, OpenError, Options, SqliteEngine, open, reference};

fn put(key: impl Into<Key>, size: usize) -> Batch {
    let mut batch = Batch::new();
    batch.put(Space::Messages, key, vec![b'x'; size]);
    batch
}

fn gauge(engine: &SqliteEngine, name: &str) -> u64 {
    engine.gauges().iter().find(|gauge| gauge.0 == name).expect(name).1
}

#[tokio::test]
async fn the_second_who_opens_the_folder_is_told_who_has_it() {
    let folder = Folder::new();
    let first = open(folder.path(), Options::default()).unwrap();
    let error = open(folder.path(), Options::default()).unwrap_err();
    let own = std::process::id();
    assert!(matches!(error, OpenError::Locked { process: Some(process), .. } if process == own), "{error:?}");
    assert!(error.to_string().contains(&own.to_string()), "{error}");
    std::fs::write(folder.path().join(LOCK), "nonsense").unwrap();
    let error = open(folder.path(), Options::default()).unwrap_err();
    assert!(matches!(error, OpenError::Locked { process: None, .. }), "{error:?}");
    drop(first);
    drop(open(folder.path(), Options::default()).unwrap());
}

#[test]
fn files_that_are_not_ours_are_left_alone() {
    let folder = Folder::new();
    let path = folder.path().join(DATABASE);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE other (it TEXT)").unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(open(folder.path(), Options::default()), Err(OpenError::NotOurs(_))));
    assert!(std::fs::read(&path).unwrap() == before);

    std::fs::write(&path, "this is a text and no database, although it is long enough to be one ".repeat(100)).unwrap();
    assert!(matches!(open(folder.path(), Options::default()), Err(OpenError::Database(_))));

    std::fs::remove_file(&path).unwrap();
    drop(open(folder.path(), Options::default()).unwrap());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    assert!(matches!(open(folder.path(), Options::default()), Err(OpenError::Newer { found: 99, .. })));

    let blocked = folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    assert!(matches!(open(&blocked, Options::default()), Err(OpenError::Folder { .. })));
}

#[test]
fn a_database_of_an_earlier_version_gets_the_tables_it_lacks() {
    let folder = Folder::new();
    drop(open(folder.path(), Options::default()).unwrap());
    let earlier = rusqlite::Connection::open(folder.path().join(DATABASE)).unwrap();
    earlier.execute_batch("DROP TABLE lists").unwrap();
    drop(earlier);
    let engine = open(folder.path(), Options::default()).unwrap();
    assert_eq!(engine.count(Space::Lists), Ok(0));
}

#[test]
fn opening_what_is_complete_writes_nothing() {
    let folder = Folder::new();
    drop(open(folder.path(), Options::default()).unwrap());
    let path = folder.path().join(DATABASE);
    let before = std::fs::read(&path).unwrap();
    let engine = open(folder.path(), Options::default()).unwrap();
    assert_eq!(std::fs::metadata(folder.path().join(format!("{DATABASE}-wal"))).unwrap().len(), 0);
    drop(engine);
    assert!(std::fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_is_over_when_there_is_space() {
    let folder = Folder::new();
    let engine = open(folder.path(), Options::default()).unwrap();
    let store = Store::new(engine.clone());
    store.commit(put("first", 100)).await.unwrap();
    engine.limit_pages(Some(engine.pages().unwrap() + 20));
    let mut acknowledged = 0_u32;
    let refused = loop {
        match store.commit(put(&acknowledged.to_be_bytes(), 3000)).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1000, "the limit is not felt");
    };
    assert_eq!(refused, StoreError::Full);
    assert!(refused.is_temporary());
    assert!(acknowledged > 0);

    // Reads go on, nothing is half there, and what nobody waits for stays until it can be written.
    store.later(Space::Presence, "alice", vec![b'x'; 100_000]).unwrap();
    assert_eq!(store.flush().await, Err(StoreError::Full));
    assert_eq!(store.commit(put("large", 1 << 20)).await, Err(StoreError::Full));
    assert_eq!(engine.count(Space::Messages), Ok(u64::from(acknowledged) + 1));
    assert_eq!(store.get_one(Space::Messages, "large").await, Ok(None));
    assert_eq!(engine.integrity_check(), Ok(vec![]));
    assert!(store.numbers().failures >= 2);

    engine.limit_pages(None);
    store.commit(put("large", 1 << 20)).await.unwrap();
    store.flush().await.unwrap();
    assert!(store.get_one(Space::Presence, "alice").await.unwrap().is_some());
    assert_eq!(engine.count(Space::Messages), Ok(u64::from(acknowledged) + 2));
    assert_eq!(engine.integrity_check(), Ok(vec![]));
}

#[tokio::test]
async fn room_that_deletes_make_can_be_used_on_a_full_disk() {
    let folder = Folder::new();
    let engine = open(folder.path(), Options::default()).unwrap();
    let store = Store::new(engine.clone());
    engine.limit_pages(Some(engine.pages().unwrap() + 50));
    let mut number = 0_u32;
    while store.commit(put(&number.to_be_bytes(), 3000)).await.is_ok() {
        number += 1;
        assert!(number < 1000);
    }
    let mut batch = Batch::new();
    batch.delete_range(Space::Messages, KeyRange::new(&0_u32.to_be_bytes(), &(number / 2).to_be_bytes()));
    store.commit(batch).await.unwrap();
    store.commit(put("again", 3000)).await.unwrap();
}

#[tokio::test]
async fn the_log_stays_short_under_load_and_behind_a_long_read() {
    let folder = Folder::new();
    let bound = 1 << 20;
    let engine = open(folder.path(), Options { wal: bound / 4, wal_bound: bound, ..Options::default() }).unwrap();
    let log = folder.path().join(format!("{DATABASE}-wal"));
    let size = || std::fs::metadata(&log).unwrap().len();
    let store = Store::new(engine.clone());
    let mut next = 0;
    let mut write = async |count: u64| {
        let mut largest = 0;
        for _ in 0..count {
            next += 1;
            // Other octets each time: what is the same already is not written again.
            let mut batch = Batch::new();
            batch.put(Space::Messages, Key::build().u64(next * 7919 % 1000).done(), vec![(next % 251) as u8; 20_000]);
            store.commit(batch).await.unwrap();
            largest = largest.max(size());
        }
        largest
    };
    let largest = write(400).await;
    assert!(largest < 3 * bound, "{largest}");
    assert!(gauge(&engine, "checkpoints") > 5);

    // A read that holds on to old pages makes it grow; when it is over the file shrinks again by itself.
    let reader = rusqlite::Connection::open(folder.path().join(DATABASE)).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM messages").unwrap();
    let grown = write(200).await;
    assert!(grown > 3 * bound, "{grown}");
    reader.execute_batch("COMMIT").unwrap();
    let again = async {
        while size() > 2 * bound {
            write(1).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.expect("the log shrinks");
    assert_eq!(engine.integrity_check(), Ok(vec![]));
}

#[tokio::test]
async fn the_file_is_complete_when_nothing_happens_for_a_while() {
    let folder = Folder::new();
    let engine = open(folder.path(), Options::default()).unwrap();
    let before = gauge(&engine, "file_bytes");
    Store::new(engine.clone()).commit(put("key", 100_000)).await.unwrap();
    let grown = async {
        while gauge(&engine, "file_bytes") <= before + 100_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), grown).await.expect("the log is brought home");
}

#[tokio::test]
async fn later_writes_need_no_commit_beside_them() {
    let folder = Folder::new();
    let queue = Bounds { delay: Duration::from_millis(50), ..Bounds::default() };
    let store = Store::new(open(folder.path(), Options { queue, ..Options::default() }).unwrap());
    store.later(Space::Presence, "alice", "here").unwrap();
    assert_eq!(store.get_one(Space::Presence, "alice").await, Ok(None));
    let written = async {
        while store.get_one(Space::Presence, "alice").await != Ok(Some("here".into())) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), written).await.expect("it is written by itself");
    assert_eq!(store.numbers().later, 0);
}

#[tokio::test]
async fn a_closed_engine_refuses_and_still_reads() {
    let folder = Folder::new();
    let engine = open(folder.path(), Options::default()).unwrap();
    let store = Store::new(engine.clone());
    let waiting: Vec<_> = (0..100_u32).map(|number| store.commit(put(&number.to_be_bytes(), 10))).collect();
    engine.close();
    for commit in waiting {
        commit.await.unwrap();
    }
    assert!(matches!(store.commit(put("late", 1)).await, Err(StoreError::Io(_))));
    assert!(matches!(store.later(Space::Presence, "late", "x"), Err(StoreError::Io(_))));
    let rows = store.scan(Space::Messages, KeyRange::all(), Order::Forwards, 1000).await.unwrap();
    assert_eq!(rows.len(), 100);
}

#[tokio::test]
async fn what_waits_is_bounded() {
    let folder = Folder::new();
    let queue = Bounds { batches: 4, ..Bounds::default() };
    let store = Store::new(open(folder.path(), Options { queue, ..Options::default() }).unwrap());
    // A thousand in the time that one of them takes.
    let all: Vec<_> = (0..1000_u32).map(|number| store.commit(put(&number.to_be_bytes(), 1000))).collect();
    let (mut committed, mut busy) = (0, 0);
    for commit in all {
        match commit.await {
            Ok(()) => committed += 1,
            Err(error) => {
                assert_eq!(error, StoreError::Busy);
                busy += 1;
            }
        }
    }
    assert!(committed >= 4 && busy > 0, "{committed} {busy}");
    let rows = store.scan(Space::Messages, KeyRange::all(), Order::Forwards, 2000).await.unwrap();
    assert_eq!(rows.len(), committed);
    assert_eq!(store.numbers().busy, busy);
}

#[tokio::test]
async fn damage_is_reported() {
    let folder = Folder::new();
    let engine = open(folder.path(), Options::default()).unwrap();
    let store = Store::new(engine.clone());
    for number in 0..200_u32 {
        store.commit(put(&number.to_be_bytes(), 2000)).await.unwrap();
    }
    drop(store);
    drop(Arc::into_inner(engine).unwrap());
    let path = folder.path().join(DATABASE);
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2;
    bytes[half..half + 8192].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let engine = open(folder.path(), Options::default()).unwrap();
    assert!(!engine.integrity_check().unwrap_or_else(|error| vec![error.to_string()]).is_empty());
}

#[test]
fn the_reference_inserts_and_leaves_nothing() {
    let folder = Folder::new();
    let speed = reference::raw_inserts(folder.path(), 2000, 500, 100).unwrap();
    assert!(speed > 100.0, "{speed}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

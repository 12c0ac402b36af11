//! What every engine must do, as tests that run over any of them.
//!
//! ```text
//! engine_suite!(memory, InMemory::new());
//! engine_suite!(sqlite, OnDisk::new(), durable);
//! ```
//!
//! The expression makes a fresh [`Subject`] for each test. `durable` adds what only an engine with a disk can do, and the
//! comparison with the in-memory engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use bytes::Bytes;
use imps_service::seam::{Batch, Engine, Key, KeyRange, MemoryEngine, Order, Row, Space, StoreError};
use imps_service::store::Store;

/// Makes a module of tests of this name. See [`suite`](crate::suite).
#[macro_export]
macro_rules! engine_suite {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;
            $crate::engine_suite!(@tests $make;
                puts_gets_and_deletes keys_are_ordered_as_octets scans_keep_order_and_limit ranges_are_read_together prefixes_and_ranges
                ranges_are_deleted conditions_are_checked batches_happen_whole_or_not_at_all
                a_left_out_batch_does_not_hurt_its_neighbours values_of_every_size spaces_are_apart
                many_tasks_commit_together later_writes_are_merged a_snapshot_is_equal);
        }
    };
    ($name:ident, $make:expr, durable) => {
        $crate::engine_suite!($name, $make);
        mod durable {
            use super::*;
            $crate::engine_suite!(@tests $make;
                everything_is_there_after_opening_again random_writes_like_the_model);
        }
    };
    (@tests $make:expr; $($test:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                $crate::suite::$test($make).await;
            }
        )*
    };
}

/// An engine under test, and how to get at it again.
pub trait Subject: Sized + Send + Sync + 'static {
    /// The engine.
    fn engine(&self) -> Arc<dyn Engine>;

    /// A folder for the files of a test, which is gone with the last subject that uses it.
    fn folder(&self) -> &Path;

    /// Closes the engine and opens the same one again. Nobody else holds it.
    #[must_use]
    fn reopen(self) -> Self;

    /// Opens an engine on a copy that [`snapshot`](Engine::snapshot) made.
    #[must_use]
    fn load(&self, copy: &Path) -> Self;
}

/// A folder that is removed when it is dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Folder {
    /// A new empty one among the system's temporary files.
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("hamlet-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        // One of an earlier process that had the same number and was killed.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder can be made");
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left lies among temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbers that look random and are the same each time.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Other numbers for another seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `sides`.
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides.max(1)
    }
}

const SPACE: Space = Space::Messages;

fn put(key: impl Into<Key>, value: impl Into<Bytes>) -> Batch {
    let mut batch = Batch::new();
    batch.put(SPACE, key, value);
    batch
}

async fn commit(engine: &Arc<dyn Engine>, batch: Batch) {
    assert_eq!(engine.apply(&[batch]).await, [Ok(())]);
}

async fn fill(engine: &Arc<dyn Engine>, keys: &[&'static str]) {
    let batches: Vec<Batch> = keys.iter().map(|key| put(*key, *key)).collect();
    assert!(engine.apply(&batches).await.iter().all(Result::is_ok));
}

async fn value(engine: &Arc<dyn Engine>, key: impl Into<Key>) -> Option<Bytes> {
    engine.get(SPACE, &[key.into()]).await.expect("a read").pop().flatten()
}

async fn keys(engine: &Arc<dyn Engine>, range: KeyRange, order: Order, limit: usize) -> Vec<String> {
    let rows = engine.scan(SPACE, range, order, limit).await.expect("a scan");
    rows.iter().map(|row| String::from_utf8_lossy(row.key.as_bytes()).into_owned()).collect()
}

async fn everything(engine: &Arc<dyn Engine>) -> BTreeMap<Space, Vec<Row>> {
    let mut all = BTreeMap::new();
    for space in Space::ALL {
        let rows = engine.scan(*space, KeyRange::all(), Order::Forwards, usize::MAX).await.expect("a scan");
        all.insert(*space, rows);
    }
    all
}

/// A value is what was put last, and nothing after a delete.
pub async fn puts_gets_and_deletes(subject: impl Subject) {
    let engine = subject.engine();
    assert_eq!(value(&engine, "a").await, None);
    commit(&engine, put("a", "one")).await;
    commit(&engine, put("b", "two")).await;
    commit(&engine, put("a", "three")).await;
    let found = engine.get(SPACE, &["b".into(), "none".into(), "a".into(), "b".into()]).await.expect("a read");
    assert_eq!(found, [Some("two".into()), None, Some("three".into()), Some("two".into())]);
    let mut batch = Batch::new();
    batch.delete(SPACE, "a").delete(SPACE, "none");
    commit(&engine, batch).await;
    assert_eq!(value(&engine, "a").await, None);
    assert_eq!(value(&engine, "b").await, Some("two".into()));
    assert_eq!(engine.get(SPACE, &[]).await, Ok(vec![]));
    assert_eq!(engine.apply(&[]).await, []);
    commit(&engine, Batch::new()).await;
    // Within a batch the writes happen in their order.
    let mut batch = put("c", "first");
    batch.delete(SPACE, "c").put(SPACE, "c", "last").put(SPACE, "d", "x").delete(SPACE, "d");
    commit(&engine, batch).await;
    assert_eq!((value(&engine, "c").await, value(&engine, "d").await), (Some("last".into()), None));
    // More keys than a short read has.
    let many: Vec<Key> = (0..1000_u32).map(|number| Key::from(&number.to_be_bytes())).collect();
    let mut batch = Batch::new();
    for key in many.iter().step_by(2) {
        batch.put(SPACE, key, "even");
    }
    commit(&engine, batch).await;
    let found = engine.get(SPACE, &many).await.expect("a read");
    assert!(found.iter().enumerate().all(|(at, value)| value.is_some() == (at % 2 == 0)));
    assert_eq!(found.len(), 1000);
}

/// Keys are ordered as octets, and every octet may be in them.
pub async fn keys_are_ordered_as_octets(subject: impl Subject) {
    let engine = subject.engine();
    let mut sorted: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0, 0], vec![0, 255], vec![1], vec![127], vec![128]];
    sorted.extend([vec![128, 0], vec![255], vec![255, 0], vec![255, 255], vec![255, 255, 255]]);
    for key in sorted.iter().rev() {
        commit(&engine, put(key.clone(), "x")).await;
    }
    for order in [Order::Forwards, Order::Backwards] {
        let rows = engine.scan(SPACE, KeyRange::all(), order, 100).await.expect("a scan");
        let found: Vec<Vec<u8>> = rows.into_iter().map(|row| row.key.as_bytes().to_vec()).collect();
        assert_eq!(found, sorted);
        sorted.reverse();
    }
}

/// A scan gives the first rows from the end that was asked for.
pub async fn scans_keep_order_and_limit(subject: impl Subject) {
    let engine = subject.engine();
    fill(&engine, &["d", "b", "a", "e", "c"]).await;
    let all = KeyRange::all;
    assert_eq!(keys(&engine, all(), Order::Forwards, 3).await, ["a", "b", "c"]);
    assert_eq!(keys(&engine, all(), Order::Backwards, 2).await, ["e", "d"]);
    assert_eq!(keys(&engine, all(), Order::Forwards, usize::MAX).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(keys(&engine, all(), Order::Forwards, 0).await, Vec::<String>::new());
    // Page by page, over more rows than a short read has.
    let mut batch = Batch::new();
    for number in 0..500_u16 {
        batch.put(Space::Presence, &number.to_be_bytes(), "x");
    }
    commit(&engine, batch).await;
    let (mut forwards, mut backwards) = (KeyRange::all(), KeyRange::all());
    for page in 0..5_u16 {
        let rows = engine.scan(Space::Presence, forwards.clone(), Order::Forwards, 100).await.expect("a scan");
        assert_eq!(rows.first().map(|row| row.key.clone()), Some(Key::from(&(page * 100).to_be_bytes())));
        forwards = forwards.after(&rows.last().expect("a row").key);
        let rows = engine.scan(Space::Presence, backwards.clone(), Order::Backwards, 100).await.expect("a scan");
        assert_eq!(rows.first().map(|row| row.key.clone()), Some(Key::from(&(499 - page * 100).to_be_bytes())));
        backwards = backwards.before(&rows.last().expect("a row").key);
    }
    assert_eq!(engine.scan(Space::Presence, forwards, Order::Forwards, 100).await, Ok(vec![]));
    assert_eq!(engine.scan(Space::Presence, backwards, Order::Backwards, 100).await, Ok(vec![]));
}

/// Several ranges come each in its place, few or many of them.
pub async fn ranges_are_read_together(subject: impl Subject) {
    let engine = subject.engine();
    fill(&engine, &["a1", "a2", "b1", "d1"]).await;
    let prefixes: Vec<KeyRange> =
        ["a", "c", "b", "d", "a"].iter().map(|prefix| KeyRange::prefix(prefix.as_bytes())).collect();
    let many: Vec<KeyRange> = prefixes.iter().cycle().take(100).cloned().collect();
    for ranges in [&prefixes[..0], &prefixes[..1], &prefixes, &many] {
        let all = engine.scan_each(SPACE, ranges).await.expect("a scan");
        assert_eq!(all.len(), ranges.len());
        for (rows, range) in all.iter().zip(ranges) {
            let alone = engine.scan(SPACE, range.clone(), Order::Forwards, usize::MAX).await.expect("a scan");
            assert_eq!(rows, &alone);
        }
    }
}

/// A range has its start and not its end.
pub async fn prefixes_and_ranges(subject: impl Subject) {
    let engine = subject.engine();
    fill(&engine, &["a", "ab", "ab1", "ab2", "ac", "b"]).await;
    let check = async |range: KeyRange, expected: &[&str]| {
        assert_eq!(keys(&engine, range.clone(), Order::Forwards, 100).await, expected);
        let mut reversed = expected.to_vec();
        reversed.reverse();
        assert_eq!(keys(&engine, range, Order::Backwards, 100).await, reversed);
    };
    check(KeyRange::prefix(b"ab"), &["ab", "ab1", "ab2"]).await;
    check(KeyRange::prefix(b"abc"), &[]).await;
    check(KeyRange::prefix(b"\xff"), &[]).await;
    check(KeyRange::new("ab", "ac"), &["ab", "ab1", "ab2"]).await;
    check(KeyRange::new("aa", "ab1"), &["ab"]).await;
    check(KeyRange::from("ab2"), &["ab2", "ac", "b"]).await;
    check(KeyRange::new("b", "a"), &[]).await;
    check(KeyRange::new("ab", "ab"), &[]).await;
}

/// A range delete takes exactly its keys.
pub async fn ranges_are_deleted(subject: impl Subject) {
    let engine = subject.engine();
    fill(&engine, &["a", "ab", "ab1", "ab2", "ac", "b", "c"]).await;
    let mut batch = Batch::new();
    batch.delete_range(SPACE, KeyRange::prefix(b"ab")).delete_range(SPACE, KeyRange::new("c", "b"));
    commit(&engine, batch).await;
    assert_eq!(keys(&engine, KeyRange::all(), Order::Forwards, 100).await, ["a", "ac", "b", "c"]);
    let mut batch = Batch::new();
    batch.delete_range(SPACE, KeyRange::from("b"));
    commit(&engine, batch).await;
    assert_eq!(keys(&engine, KeyRange::all(), Order::Forwards, 100).await, ["a", "ac"]);
    let mut batch = put("z", "new");
    batch.delete_range(SPACE, KeyRange::all()).put(SPACE, "y", "newer");
    commit(&engine, batch).await;
    assert_eq!(keys(&engine, KeyRange::all(), Order::Forwards, 100).await, ["y"]);
}

/// A batch happens only if what it asks for holds, as its predecessors left it.
pub async fn conditions_are_checked(subject: impl Subject) {
    let engine = subject.engine();
    let if_absent = |key: &'static str| {
        let mut batch = put(key, "made");
        batch.if_absent(SPACE, key);
        batch
    };
    let if_equals = |old: &'static str, new: &'static str| {
        let mut batch = put("a", new);
        batch.if_equals(SPACE, "a", old);
        batch
    };
    let failed = Err(StoreError::Condition);
    let fails = async |batch: Batch| assert_eq!(engine.apply(&[batch]).await, [Err(StoreError::Condition)]);
    fails(if_equals("made", "x")).await;
    assert_eq!(engine.apply(&[if_absent("a"), if_absent("a")]).await, [Ok(()), failed.clone()]);
    let steps = [if_equals("made", "second"), if_equals("made", "lost"), if_equals("second", "third")];
    assert_eq!(engine.apply(&steps).await, [Ok(()), failed.clone(), Ok(())]);
    assert_eq!(value(&engine, "a").await, Some("third".into()));
    // All of several must hold, and they are about what was there before the batch.
    let mut batch = put("b", "x");
    batch.if_absent(SPACE, "b").if_equals(SPACE, "a", "second");
    fails(batch).await;
    let mut batch = put("b", "x");
    batch.delete(SPACE, "a").if_absent(SPACE, "b").if_equals(SPACE, "a", "third");
    assert_eq!(engine.apply(&[batch]).await, [Ok(())]);
    // An empty value is a value.
    commit(&engine, put("empty", "")).await;
    let mut batch = put("empty", "x");
    batch.if_absent(SPACE, "empty");
    fails(batch).await;
    let mut batch = put("empty", "x");
    batch.if_equals(SPACE, "empty", "");
    assert_eq!(engine.apply(&[batch]).await, [Ok(())]);
    // A batch may be nothing but a question.
    let mut batch = Batch::new();
    batch.if_equals(SPACE, "empty", "x");
    assert_eq!(engine.apply(&[batch]).await, [Ok(())]);
}

/// No reader ever sees half of a batch.
pub async fn batches_happen_whole_or_not_at_all(subject: impl Subject) {
    let engine = subject.engine();
    let both = ["first", "second"].map(Key::from);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (engine, stop) = (engine.clone(), stop.clone());
        async move {
            let mut number = 0_u32;
            while !stop.load(Relaxed) {
                number += 1;
                let mut batch = put("first", number.to_be_bytes().to_vec());
                batch.put(SPACE, "second", number.to_be_bytes().to_vec());
                commit(&engine, batch).await;
                tokio::task::yield_now().await;
            }
        }
    });
    let mut different = 0;
    let mut last = None;
    while different < 100 {
        let found = engine.get(SPACE, &both).await.expect("a read");
        assert_eq!(found.first(), found.last());
        let rows = engine.scan(SPACE, KeyRange::all(), Order::Backwards, 10).await.expect("a scan");
        assert_eq!(rows.first().map(|row| &row.value), rows.last().map(|row| &row.value));
        different += u32::from(last != found.first().cloned());
        last = found.first().cloned();
        tokio::task::yield_now().await;
    }
    stop.store(true, Relaxed);
    writer.await.expect("the writer");
}

/// Those beside a batch that is left out are committed.
pub async fn a_left_out_batch_does_not_hurt_its_neighbours(subject: impl Subject) {
    let engine = subject.engine();
    commit(&engine, put("taken", "x")).await;
    let batches: Vec<Batch> = (0..100_u8)
        .map(|number| {
            let mut batch = put(&[number], "x");
            if number % 3 == 0 {
                batch.put(Space::Users, &[number], "x").if_absent(SPACE, "taken");
            }
            batch
        })
        .collect();
    let results = engine.apply(&batches).await;
    assert_eq!(results.len(), 100);
    for (number, result) in (0..100_u8).zip(results) {
        let left_out = number % 3 == 0;
        assert_eq!(result, if left_out { Err(StoreError::Condition) } else { Ok(()) }, "{number}");
        assert_eq!(value(&engine, &[number]).await.is_none(), left_out, "{number}");
    }
    assert_eq!(engine.scan(Space::Users, KeyRange::all(), Order::Forwards, 1).await, Ok(vec![]));
}

/// Values from nothing to 2 MiB come back as they were.
pub async fn values_of_every_size(subject: impl Subject) {
    let engine = subject.engine();
    let mut dice = Dice::new(1);
    for size in [0, 1, 100, 500, 1000, 1001, 4000, 4096, 4097, 10_000, 65_536, 1 << 20, 2 << 20] {
        let long: Vec<u8> = (0..size).map(|_| dice.roll(256) as u8).collect();
        let key = Key::build().u64(size).done();
        commit(&engine, put(&key, long.clone())).await;
        assert!(value(&engine, &key).await.is_some_and(|value| value == long), "{size}");
        let rows = engine.scan(SPACE, KeyRange::prefix(key.as_bytes()), Order::Forwards, 10).await.expect("a scan");
        assert!(rows.iter().map(|row| &row.value[..]).eq([&long[..]]), "{size}");
        commit(&engine, put(&key, "short")).await;
        assert_eq!(value(&engine, &key).await, Some("short".into()));
    }
    let long_key = Key::from(vec![b'k'; 2000]);
    commit(&engine, put(&long_key, "x")).await;
    assert_eq!(value(&engine, &long_key).await, Some("x".into()));
}

/// The same key in two spaces is two rows.
pub async fn spaces_are_apart(subject: impl Subject) {
    let engine = subject.engine();
    let mut batch = Batch::new();
    for space in Space::ALL {
        batch.put(*space, "key", space.table());
    }
    commit(&engine, batch).await;
    let mut batch = Batch::new();
    batch.delete_range(Space::Users, KeyRange::all());
    commit(&engine, batch).await;
    for space in Space::ALL {
        let rows = engine.scan(*space, KeyRange::all(), Order::Forwards, 10).await.expect("a scan");
        let expected = Row { key: "key".into(), value: space.table().into() };
        assert_eq!(rows, if *space == Space::Users { vec![] } else { vec![expected] });
    }
}

/// 64 tasks at once: nobody's write is lost, and a condition lets exactly one of them through each time.
pub async fn many_tasks_commit_together(subject: impl Subject) {
    const TASKS: u32 = 64;
    const ROUNDS: u32 = 20;
    let store = Store::new(subject.engine());
    let number = |bytes: Option<Bytes>| bytes.and_then(|bytes| Some(u32::from_be_bytes(bytes[..].try_into().ok()?)));
    store.commit(put("count", 0_u32.to_be_bytes().to_vec())).await.expect("a commit");
    let running: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut won = 0;
                for round in 0..ROUNDS {
                    store.commit(put(Key::build().u32(task).u32(round).done(), "x")).await.expect("a commit");
                    let old = number(store.get_one(SPACE, "count").await.expect("a read")).expect("a number");
                    let mut batch = put("count", (old + 1).to_be_bytes().to_vec());
                    batch.if_equals(SPACE, "count", old.to_be_bytes().to_vec());
                    match store.commit(batch).await {
                        Ok(()) => won += 1,
                        Err(error) => assert_eq!(error, StoreError::Condition),
                    }
                }
                won
            })
        })
        .collect();
    let mut won = 0;
    for task in running {
        won += task.await.expect("a task");
    }
    assert!(won >= ROUNDS, "{won}");
    assert_eq!(number(store.get_one(SPACE, "count").await.expect("a read")), Some(won));
    let rows = store.scan(SPACE, KeyRange::all(), Order::Forwards, usize::MAX).await.expect("a scan");
    assert_eq!(rows.len() as u32, TASKS * ROUNDS + 1);
    let numbers = store.numbers();
    assert_eq!(numbers.batches + numbers.conditions, u64::from(2 * TASKS * ROUNDS + 1));
    assert_eq!((numbers.failures, numbers.waiting), (0, 0));
}

/// Writes for which nobody waits: the last one counts, in its place among the batches.
pub async fn later_writes_are_merged(subject: impl Subject) {
    let store = Store::new(subject.engine());
    for number in 0..1000_u32 {
        let key = Key::build().u32(number % 10).done();
        store.later(SPACE, key, number.to_be_bytes().to_vec()).expect("taken");
    }
    store.later(SPACE, "gone", "x").expect("taken");
    store.later_delete(SPACE, "gone").expect("taken");
    store.flush().await.expect("a flush");
    let rows = store.scan(SPACE, KeyRange::all(), Order::Forwards, 100).await.expect("a scan");
    let expected =
        |number: u32| Row { key: Key::build().u32(number).done(), value: (990 + number).to_be_bytes().to_vec().into() };
    assert_eq!(rows, (0..10).map(expected).collect::<Vec<_>>());
    // A batch after it wins, a batch before it loses.
    store.later(SPACE, "a", "later").expect("taken");
    let deleted = store.commit({
        let mut batch = Batch::new();
        batch.delete(SPACE, "a");
        batch
    });
    let made = store.commit(put("b", "batch"));
    store.later(SPACE, "b", "later").expect("taken");
    assert_eq!((deleted.await, made.await), (Ok(()), Ok(())));
    store.flush().await.expect("a flush");
    assert_eq!(store.get_one(SPACE, "a").await, Ok(None));
    assert_eq!(store.get_one(SPACE, "b").await, Ok(Some("later".into())));
}

/// A copy holds what was there when it was made, although writing goes on.
pub async fn a_snapshot_is_equal(subject: impl Subject) {
    let engine = subject.engine();
    let mut dice = Dice::new(2);
    for space in Space::ALL {
        let mut batch = Batch::new();
        for _ in 0..50 {
            batch.put(*space, Key::build().u64(dice.roll(1000)).done(), vec![7; dice.roll(3000) as usize]);
        }
        commit(&engine, batch).await;
    }
    let before = everything(&engine).await;
    let copy = subject.folder().join("copy");
    engine.snapshot(&copy).await.expect("a snapshot");
    commit(&engine, put("after", "x")).await;
    assert!(matches!(engine.snapshot(&copy).await, Err(StoreError::Io(_))), "a copy is never overwritten");
    let loaded = subject.load(&copy);
    assert!(everything(&loaded.engine()).await == before);

    // While one task writes pairs, every copy has whole pairs.
    let writer = tokio::spawn({
        let engine = engine.clone();
        async move {
            for number in 0..200_u32 {
                let mut batch = put("pair", number.to_be_bytes().to_vec());
                batch.put(Space::Users, "pair", number.to_be_bytes().to_vec());
                commit(&engine, batch).await;
            }
        }
    });
    for number in 0..3 {
        let copy = subject.folder().join(format!("copy-{number}"));
        engine.snapshot(&copy).await.expect("a snapshot");
        let loaded = subject.load(&copy).engine();
        let other = loaded.get(Space::Users, &["pair".into()]).await.expect("a read").pop().flatten();
        assert_eq!(value(&loaded, "pair").await, other);
    }
    writer.await.expect("the writer");
}

/// A long random history leaves the same rows, and gives the same answers, as the in-memory engine.
pub async fn random_writes_like_the_model(subject: impl Subject) {
    let engine = subject.engine();
    let model: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
    let mut dice = Dice::new(3);
    let spaces = [Space::Users, Space::Messages, Space::MessageIndex];
    let mut made = 0;
    for round in 0..300 {
        let mut batches: Vec<Batch> = (0..=dice.roll(8)).map(|_| random_batch(&mut dice, &spaces)).collect();
        // Rows under keys that are used once, most of which are deleted soon.
        for batch in &mut batches {
            let back = dice.roll(20);
            match dice.roll(3) {
                0 => batch.insert(SPACE, numbered(made), random_value(&mut dice)),
                1 if back < made => batch.delete(SPACE, numbered(made - back)),
                _ => continue,
            };
            made += 1;
        }
        if round % 10 == 0 {
            // Somebody who waits, as phones do, so that rows grow old.
            tokio::time::sleep(std::time::Duration::from_millis(4)).await;
        }
        assert_eq!(engine.apply(&batches).await, model.apply(&batches).await, "round {round}: {batches:?}");
        for space in spaces {
            let range = random_range(&mut dice);
            let order = if dice.roll(2) == 0 { Order::Forwards } else { Order::Backwards };
            let limit = dice.roll(100) as usize;
            let of = async |engine: &Arc<dyn Engine>| engine.scan(space, range.clone(), order, limit).await;
            assert_eq!(of(&engine).await, of(&model).await, "round {round}: {range:?} {order:?} {limit}");
            let keys: Vec<Key> = (0..dice.roll(5)).map(|_| random_key(&mut dice)).collect();
            assert_eq!(engine.get(space, &keys).await, model.get(space, &keys).await, "round {round}: {keys:?}");
        }
    }
    assert!(everything(&engine).await == everything(&model).await);
}

fn numbered(number: u64) -> Key {
    Key::build().u16(u16::from_be_bytes(*b"nn")).u64(number).done()
}

fn random_key(dice: &mut Dice) -> Key {
    const OCTETS: [u8; 6] = [0, 1, b'a', b'b', 254, 255];
    let octets: Vec<u8> = (0..dice.roll(4)).map(|_| OCTETS[dice.roll(6) as usize]).collect();
    octets.into()
}

fn random_range(dice: &mut Dice) -> KeyRange {
    match dice.roll(4) {
        0 => KeyRange::all(),
        1 => KeyRange::prefix(random_key(dice).as_bytes()),
        2 => KeyRange::from(random_key(dice)),
        _ => KeyRange::new(random_key(dice), random_key(dice)),
    }
}

fn random_batch(dice: &mut Dice, spaces: &[Space]) -> Batch {
    let mut batch = Batch::new();
    for _ in 0..dice.roll(6) {
        let space = spaces[dice.roll(spaces.len() as u64) as usize];
        match dice.roll(12) {
            0 => batch.delete_range(space, random_range(dice)),
            1 | 2 => batch.delete(space, random_key(dice)),
            3 => batch.if_absent(space, random_key(dice)),
            4 => batch.if_equals(space, random_key(dice), random_value(dice)),
            _ => batch.put(space, random_key(dice), random_value(dice)),
        };
    }
    batch
}

/// Few different ones, so that a condition may hold, and some long.
fn random_value(dice: &mut Dice) -> Vec<u8> {
    let size = [0, 1, 1, 1, 1, 5000][dice.roll(6) as usize];
    vec![b'0' + dice.roll(2) as u8; size]
}

/// What was acknowledged, and what was to be written later, is there when the engine is opened again.
pub async fn everything_is_there_after_opening_again(subject: impl Subject) {
    let store = Store::new(subject.engine());
    for number in 0..100_u32 {
        store.commit(put(&number.to_be_bytes(), vec![1; number as usize * 100])).await.expect("a commit");
    }
    store.later(Space::Presence, "alice", "here").expect("taken");
    let before = everything(store.engine()).await;
    drop(store);
    let subject = subject.reopen();
    let engine = subject.engine();
    let mut after = everything(&engine).await;
    let presence = after.insert(Space::Presence, vec![]);
    assert_eq!(presence, Some(vec![Row { key: "alice".into(), value: "here".into() }]));
    assert!(after == before);
    commit(&engine, put("more", "x")).await;
}

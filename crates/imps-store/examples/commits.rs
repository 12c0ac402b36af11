//! Measures the embedded engine with rows like those of a message, beside the same number of rows put straight into
//! SQLite: `cargo run --example commits -- [SECONDS [VALUE [BACKLOG [FOLDER]]]]`.
//!
//! Each of some tasks commits a batch of four puts and waits for it, again and again. The keys are those of messages:
//! body, expiry and transaction in order, the index by recipient; then the index in order too, to see what that costs.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement reads the clock and prints")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use imps_service::seam::{Batch, Engine, Key, KeyBuilder, Order, Space};
use imps_service::store::Store;
use imps_store::{Options, SqliteEngine, open, reference};

fn message(number: u64, value: &[u8], by_recipient: bool) -> Batch {
    let index = if by_recipient { recipient(number) } else { Key::build() };
    let mut batch = Batch::new();
    batch
        .put(Space::Messages, Key::build().u64(number).done(), value.to_vec())
        .put(Space::MessageIndex, index.u64(number).done(), vec![1; 24])
        .put(Space::MessageExpiry, Key::build().u64(number / 1000).u64(number).done(), vec![2; 12])
        .put(Space::Transactions, Key::build().u64(number / 1000).u64(number).done(), vec![3; 60]);
    batch
}

/// One of 64, in no order.
fn recipient(number: u64) -> KeyBuilder {
    Key::build().text(&format!("wv:user{}@a.example", number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58))
}

fn cpu_micros(thread: &str) -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of = |path: PathBuf| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        let (name, rest) = stat.split_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        name.ends_with(thread).then_some(ticks * 10_000)
    };
    tasks.filter_map(|task| of(task.path())).sum()
}

async fn run(
    engine: &Arc<SqliteEngine>,
    next: &Arc<AtomicU64>,
    tasks: usize,
    value: usize,
    by_recipient: bool,
    time: Duration,
) {
    let store = Store::new(engine.clone());
    let (before, cpu, wal) = (store.numbers(), cpu_micros("store-writer"), cpu_micros("store-wal"));
    let began = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let (store, next) = (store.clone(), next.clone());
            tokio::spawn(async move {
                let value = vec![b'x'; value];
                let mut times = Vec::new();
                while began.elapsed() < time {
                    let batch = message(next.fetch_add(1, Relaxed), &value, by_recipient);
                    let start = Instant::now();
                    store.commit(batch).await.expect("a commit");
                    times.push(start.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    let mut largest_wal = 0;
    for task in running {
        while !task.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            largest_wal =
                largest_wal.max(engine.gauges().iter().find(|gauge| gauge.0 == "wal_bytes").map_or(0, |g| g.1));
        }
        times.extend(task.await.expect("a task"));
    }
    let elapsed = began.elapsed();
    times.sort_unstable();
    let at = |share: f64| times.get((times.len() as f64 * share) as usize).copied().unwrap_or_default();
    let after = store.numbers();
    let (commits, batches) = (after.commits - before.commits, after.batches - before.batches);
    let cpu = cpu_micros("store-writer") - cpu;
    let wal = cpu_micros("store-wal") - wal;
    println!(
        "{tasks:4} tasks: {:7.0} batches/s  p50 {:6.2?} p99 {:6.2?} max {:6.2?}  {:5.1} batches/commit  writer {:5.2} us CPU/batch  \
         log thread {:5.2}  log {} MiB",
        batches as f64 / elapsed.as_secs_f64(),
        at(0.5),
        at(0.99),
        at(0.9999),
        batches as f64 / commits as f64,
        cpu as f64 / batches as f64,
        wal as f64 / batches as f64,
        largest_wal >> 20,
    );
}

async fn reads(store: &Store, rows: u64) {
    let began = Instant::now();
    for number in 0..20_000_u64 {
        let key = Key::build().u64(number.wrapping_mul(0x9e37_79b9) % rows).done();
        store.get_one(Space::Messages, key).await.expect("a read").expect("a row");
    }
    let gets = began.elapsed() / 20_000;
    let began = Instant::now();
    for number in 0..20_000 {
        let range = recipient(number).range();
        store.scan(Space::MessageIndex, range, Order::Forwards, 10).await.expect("a scan");
    }
    println!("     reads: {gets:.2?} a get, {:.2?} a scan of 10", began.elapsed() / 20_000);
}

async fn measure(folder: &Path, seconds: f64, value: usize, backlog: u64) {
    let engine = open(folder, Options::default()).expect("the store");
    let next = Arc::new(AtomicU64::new(0));
    let store = Store::new(engine.clone());
    let body = vec![b'x'; value];
    while next.load(Relaxed) < backlog {
        let number = |_| next.fetch_add(1, Relaxed);
        let commits: Vec<_> = (0..1000).map(number).map(|number| store.commit(message(number, &body, true))).collect();
        for commit in commits {
            commit.await.expect("a commit");
        }
    }
    println!("backlog of {backlog} messages, values of {value} octets");
    for by_recipient in [true, false] {
        println!("index {}", if by_recipient { "by recipient, one of 64" } else { "in order too" });
        for tasks in [1, 16, 64, 500, 4000] {
            run(&engine, &next, tasks, value, by_recipient, Duration::from_secs_f64(seconds)).await;
        }
    }
    reads(&store, next.load(Relaxed)).await;
    println!("{:?}", engine.gauges());
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(3.0);
    let value = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(200);
    let backlog = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    let folder = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("hamlet-commits-{}", std::process::id()));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(measure(&folder, seconds, value, backlog));
    for batch in [4, 256, 2000] {
        let rows = if batch == 4 { 8_000 } else { 400_000 };
        let speed = reference::raw_inserts(&folder, rows, batch, value).expect("the reference");
        println!("reference: {speed:.0} rows/s straight into SQLite, {batch} to a transaction");
    }
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

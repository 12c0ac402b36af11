//! The load generator: what `hamlet-bench` and `hamlet-torture` are made of.
//!
//! It is a process of its own beside the server, on one thread, and does as little as it can for each request, since it
//! takes its time from the same processors: requests are rendered once and filled in ([`template`]), answers are
//! scanned without building anything ([`scan`]), and sockets are served by one loop ([`net`]). Every answer is looked
//! at, and a wrong one is a fault.

pub mod bench;
pub mod soak;
pub mod torture;

mod called;
mod chat;
mod codec;
mod disk;
mod echo;
mod faults;
mod group;
mod idle;
mod lines;
mod lists;
mod login;
mod net;
mod presence;
mod repeat;
mod report;
mod scan;
mod search;
mod server;
mod sockets;
mod talk;
mod template;
mod trace;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// A result whose error is a sentence for the person at the terminal.
pub type Outcome<T = ()> = Result<T, String>;

#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The span that is measured, after a warm-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) until: Instant,
}

impl Window {
    pub(crate) fn new(warm_up: Duration, time: Duration) -> Self {
        let from = now() + warm_up;
        Self { from, until: from + time }
    }

    pub(crate) fn contains(&self, moment: Instant) -> bool {
        self.from <= moment && moment < self.until
    }

    pub(crate) fn seconds(&self) -> f64 {
        (self.until - self.from).as_secs_f64()
    }
}

/// Latencies, in microseconds.
#[derive(Clone)]
pub(crate) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(crate) fn new() -> Self {
        Self(Histogram::new_with_bounds(1, 600_000_000, 3).unwrap_or_else(|_| unreachable!("these bounds are valid")))
    }

    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
    }

    /// The same for one who looks every `interval`: while he was kept, others would have waited too, each a little less.
    pub(crate) fn record_expecting(&mut self, took: Duration, interval: Duration) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).max(1);
        // Only a value beyond ten minutes does not fit.
        let _ = self.0.record_correct(micros(took), micros(interval));
    }

    /// Milliseconds below which this share of the values lies.
    pub(crate) fn at(&self, share: f64) -> f64 {
        self.0.value_at_quantile(share) as f64 / 1000.0
    }
}

/// A thread that merely sleeps, half a millisecond at a time: how late it is woken is what no server on this machine can
/// be faster than.
pub(crate) struct Sleeper {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Latencies>,
}

impl Sleeper {
    pub(crate) fn start() -> Self {
        const NAP: Duration = Duration::from_micros(500);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut late = Latencies::new();
            while !stopped.load(Ordering::Relaxed) {
                let began = now();
                std::thread::sleep(NAP);
                late.record_expecting(began.elapsed().saturating_sub(NAP), NAP);
            }
            late
        });
        Self { stop, thread }
    }

    /// How late it was woken.
    pub(crate) fn stop(self) -> Latencies {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Latencies::new())
    }
}

/// A number that only has to be different each time: xorshift, begun anywhere.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound.max(1)
    }
}

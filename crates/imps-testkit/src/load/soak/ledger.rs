//! What happened: every message that was accepted and not seen, latencies of the minute, and what went wrong.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::Latencies;
use super::tell;

/// Errors that are told one by one.
const TOLD: u64 = 50;

/// A message between two users.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// Accepted, and not seen yet.
    Waits,
    /// Its acknowledgement was answered.
    Done,
}

/// What somebody else may take back before it was told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) enum Told {
    /// To those of the group with this number: that he has come. Leaving it he takes that back.
    Coming(usize),
    /// To the phone with this number: that he asks to watch. Unsubscribing he takes that back.
    Question(usize),
}

/// How often something is taken back.
#[derive(Clone, Copy, Debug, Default)]
struct TakenBack {
    /// So many are being answered.
    under_way: u32,
    /// When the last one was answered.
    last: Option<Instant>,
}

/// The books of one run.
#[derive(Default)]
pub(super) struct Ledger {
    messages: HashMap<String, Fate>,
    /// Acknowledged before their sender had the answer with the ID.
    early: HashMap<String, ()>,
    pub(super) delivered: u64,
    pub(super) doubled: u64,
    pub(super) faults: u64,
    /// How often what was done.
    pub(super) totals: BTreeMap<&'static str, u64>,
    latencies: Option<Latencies>,
    done: u64,
    accepted: u64,
    taken_back: HashMap<Told, TakenBack>,
}

/// A minute as it is told.
#[derive(Clone, Debug)]
pub(super) struct Minute {
    pub(super) number: u64,
    /// Bytes of memory of the server.
    pub(super) memory: u64,
    done: u64,
    p50: f64,
    p99: f64,
    worst: f64,
    faults: u64,
}

impl Minute {
    pub(super) fn line(&self) -> String {
        format!(
            "minute {:>3}: {:>6} actions, p50 {:.2} ms, p99 {:.2} ms, longest {:.1} ms, memory {:.1} MiB, errors {}",
            self.number,
            self.done,
            self.p50,
            self.p99,
            self.worst,
            self.memory as f64 / 1_048_576.0,
            self.faults
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({ "minute": self.number, "actions": self.done, "p50_ms": self.p50, "p99_ms": self.p99,
            "longest_ms": self.worst, "memory": self.memory, "errors": self.faults })
    }
}

impl Ledger {
    /// Something happened.
    pub(super) fn count(&mut self, what: &'static str) {
        *self.totals.entry(what).or_default() += 1;
    }

    /// Something was done, and its answer took so long.
    pub(super) fn done(&mut self, what: &'static str, took: Duration) {
        self.count(what);
        self.done += 1;
        self.latencies.get_or_insert_with(Latencies::new).record(took);
    }

    /// Something was not as it should be.
    pub(super) fn fault(&mut self, what: &str) {
        self.faults += 1;
        if self.faults <= TOLD {
            tell(&format!("error: {what}"));
        }
    }

    /// A message was accepted.
    pub(super) fn accept(&mut self, id: &str) {
        self.accepted += 1;
        let fate = if self.early.remove(id).is_some() { Fate::Done } else { Fate::Waits };
        self.messages.insert(id.to_owned(), fate);
    }

    /// A message's acknowledgement was answered.
    pub(super) fn deliver(&mut self, id: &str) {
        match self.messages.get_mut(id) {
            Some(fate @ Fate::Waits) => {
                *fate = Fate::Done;
                self.delivered += 1;
            }
            Some(Fate::Done) => {
                self.doubled += 1;
                tell(&format!("error: {id} came again after its acknowledgement was answered"));
            }
            None if self.early.insert(id.to_owned(), ()).is_some() => {
                self.doubled += 1;
                tell(&format!("error: {id} came twice before it was accepted"));
            }
            None => self.delivered += 1,
        }
        // What came long ago is not asked for any more.
        if self.messages.len() > 200_000 {
            self.messages.retain(|_, fate| *fate == Fate::Waits);
        }
    }

    /// Messages that were accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Messages that were accepted and never came.
    pub(super) fn lost(&self) -> u64 {
        self.messages.values().filter(|fate| **fate == Fate::Waits).count() as u64
    }

    /// Somebody asks for what takes something back.
    pub(super) fn takes_back(&mut self, told: Told) {
        self.taken_back.entry(told).or_default().under_way += 1;
    }

    /// He was answered.
    pub(super) fn has_taken_back(&mut self, told: Told, now: Instant) {
        let times = self.taken_back.entry(told).or_default();
        times.under_way = times.under_way.saturating_sub(1);
        times.last = Some(now);
    }

    /// Whether somebody took this back since then, or does so now.
    pub(super) fn is_taken_back(&self, told: Told, since: Instant) -> bool {
        let times = self.taken_back.get(&told);
        times.is_some_and(|times| times.under_way > 0 || times.last.is_some_and(|last| last >= since))
    }

    /// Closes a minute.
    pub(super) fn minute(&mut self, number: u64, memory: u64) -> Minute {
        let latencies = self.latencies.take().unwrap_or_else(Latencies::new);
        let (p50, p99, worst) = (latencies.at(0.5), latencies.at(0.99), latencies.at(1.0));
        Minute { number, memory, done: std::mem::take(&mut self.done), p50, p99, worst, faults: self.faults }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_back_since_then() {
        let (mut ledger, start) = (Ledger::default(), super::super::super::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        ledger.takes_back(Told::Coming(1));
        assert!(ledger.is_taken_back(Told::Coming(1), at(9)), "under way");
        assert!(!ledger.is_taken_back(Told::Coming(2), start) && !ledger.is_taken_back(Told::Question(1), start));
        ledger.has_taken_back(Told::Coming(1), at(5));
        assert!(ledger.is_taken_back(Told::Coming(1), at(5)) && !ledger.is_taken_back(Told::Coming(1), at(6)));
    }

    #[test]
    fn each_message_comes_once() {
        let mut ledger = Ledger::default();
        ledger.accept("a");
        ledger.accept("b");
        ledger.deliver("a");
        ledger.deliver("c");
        assert_eq!((ledger.lost(), ledger.doubled, ledger.delivered), (1, 0, 2));
        ledger.accept("c");
        assert_eq!(ledger.lost(), 1, "only b is missing");
        ledger.deliver("a");
        assert_eq!(ledger.doubled, 1);
    }
}

//! What happened: every message that was accepted and not seen, latencies of the minute, and what went wrong.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

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
    /// Something was done, and its answer took so long.
    pub(super) fn done(&mut self, what: &'static str, took: Duration) {
        *self.totals.entry(what).or_default() += 1;
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

//! Where MessageIDs come from.

use parking_lot::Mutex;

use crate::clock::Timestamp;

/// Numbers that only grow: the time in milliseconds, and a count below it. So they need not be stored, and the keys of
/// the hot spaces, which begin with them, are written in order.
#[derive(Debug, Default)]
pub(crate) struct Sequence {
    last: Mutex<u64>,
}

/// Numbers for each millisecond.
const COUNT_BITS: u32 = 20;

impl Sequence {
    /// Takes the next number and does something with it before anybody gets a later one: what is handed to the store in
    /// `act` is committed in the order of the numbers.
    pub(crate) fn next<T>(&self, now: Timestamp, act: impl FnOnce(&mut dyn FnMut() -> u64) -> T) -> T {
        let mut last = self.last.lock();
        let mut take = || {
            *last = (*last + 1).max(now.0 << COUNT_BITS);
            *last
        };
        act(&mut take)
    }

    /// The last number that was given out.
    pub(crate) fn last(&self) -> u64 {
        *self.last.lock()
    }

    /// No number up to this one is given out again.
    pub(crate) fn after(&self, used: u64) {
        let mut last = self.last.lock();
        *last = (*last).max(used);
    }

    /// When this number was given out, or a little later.
    pub(super) fn time(sequence: u64) -> Timestamp {
        Timestamp(sequence >> COUNT_BITS)
    }

    /// The least number of this time: a bound for keys.
    pub(crate) fn at(time: Timestamp) -> u64 {
        time.0 << COUNT_BITS
    }
}

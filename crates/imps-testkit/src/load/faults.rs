//! What went wrong, counted; the first few in words.

/// Wrong answers and broken connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) count: u64,
    pub(crate) first: Vec<String>,
}

const KEPT: usize = 5;

impl Faults {
    pub(crate) fn add(&mut self, what: impl FnOnce() -> String) {
        self.add_many(1, what);
    }

    pub(crate) fn add_many(&mut self, count: u64, what: impl FnOnce() -> String) {
        if count > 0 {
            self.count += count;
            if self.first.len() < KEPT {
                self.first.push(what());
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.first.extend(other.first);
        self.first.truncate(KEPT);
    }
}

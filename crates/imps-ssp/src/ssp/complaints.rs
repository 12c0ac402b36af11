//! What is logged of others who fail, and not each time.

use std::time::Duration;

use imps_service::Timestamp;
use imps_types::Domain;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// How often the same is said of a domain.
const PAUSE: Duration = Duration::from_secs(3600);
/// Of how many: whoever speaks may invent names.
const MOST: usize = 1000;

/// What was said of whom, and when.
#[derive(Default)]
pub(super) struct Complaints(Mutex<FxHashMap<(Domain, &'static str), Timestamp>>);

impl Complaints {
    /// Whether this is to be said of a domain now.
    pub(super) fn is_due(&self, domain: &Domain, what: &'static str, now: Timestamp) -> bool {
        let mut said = self.0.lock();
        let key = (domain.clone(), what);
        if said.get(&key).is_some_and(|at| now.since(*at) < PAUSE) {
            return false;
        }
        if said.len() >= MOST {
            said.retain(|_, at| now.since(*at) < PAUSE);
        }
        let has_room = said.len() < MOST;
        if has_room {
            said.insert(key, now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_an_hour_and_of_so_many_only() {
        let (complaints, now) = (Complaints::default(), Timestamp(1_000_000));
        let of = |number: usize| Domain::parse(&format!("d{number}.example")).expect("a domain");
        assert!(complaints.is_due(&of(0), "a", now) && complaints.is_due(&of(0), "b", now));
        assert!(!complaints.is_due(&of(0), "a", now.plus(PAUSE - Duration::from_secs(1))));
        for number in 1..=MOST {
            assert_eq!(complaints.is_due(&of(number), "a", now), number < MOST - 1, "{number}");
        }
        assert!(complaints.is_due(&of(MOST), "a", now.plus(PAUSE)));
        assert!(complaints.is_due(&of(0), "a", now.plus(PAUSE)));
    }
}

//! Who posts what is refused. A session ID, or a step of a set-up, can be tried without end where nobody counts; and what anybody
//! can post fills no log.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use imps_service::Timestamp;
use imps_service::access::network_of;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// How many times a source may be answered 401 in a minute.
const REFUSED_MAX: u32 = 20;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
/// How many sources are told from each other; all others count as one.
const SOURCES_MAX: usize = 4096;

#[derive(Default)]
struct Source {
    since: Timestamp,
    refused: u32,
    /// When it was last written down that it is not heard for a while, and that what it posts cannot be read.
    told: Option<Timestamp>,
    noted: Option<Timestamp>,
}

impl Source {
    fn is_over(&self, now: Timestamp) -> bool {
        let is_past = |at: Option<Timestamp>, time| at.is_none_or(|at| now.since(at) >= time);
        now.since(self.since) >= MINUTE && is_past(self.told, HOUR) && is_past(self.noted, MINUTE)
    }
}

/// What was refused lately, by where it came from.
#[derive(Default)]
pub(super) struct Refusals(Mutex<Sources>);

#[derive(Default)]
struct Sources {
    all: FxHashMap<IpAddr, Source>,
    swept: Timestamp,
}

impl Sources {
    fn of(&mut self, from: Option<IpAddr>, now: Timestamp) -> &mut Source {
        let mut key = from.map_or(NOWHERE, network_of);
        if self.all.len() >= SOURCES_MAX && !self.all.contains_key(&key) {
            if now.since(self.swept) >= MINUTE {
                self.swept = now;
                self.all.retain(|_, source| !source.is_over(now));
            }
            if self.all.len() >= SOURCES_MAX {
                key = NOWHERE;
            }
        }
        let source = self.all.entry(key).or_default();
        if now.since(source.since) >= MINUTE {
            (source.since, source.refused) = (now, 0);
        }
        source
    }
}

const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Refusals {
    /// For how long nothing is heard from there: too much of it was refused.
    pub(super) fn pause(&self, from: Option<IpAddr>, now: Timestamp) -> Option<Duration> {
        let from = from?;
        let mut sources = self.0.lock();
        let source = sources.of(Some(from), now);
        (source.refused >= REFUSED_MAX).then(|| MINUTE.saturating_sub(now.since(source.since)))
    }

    /// Something from there was answered 401.
    pub(super) fn count(&self, from: Option<IpAddr>, now: Timestamp) {
        if from.is_none() {
            return;
        }
        let mut sources = self.0.lock();
        let source = sources.of(from, now);
        source.refused += 1;
        let is_new = source.told.is_none_or(|at| now.since(at) >= HOUR);
        if source.refused == REFUSED_MAX && is_new {
            source.told = Some(now);
            drop(sources);
            tracing::warn!(?from, "so much from there is of no session and no set-up that it is not heard for a while");
        }
    }

    /// Whether something from there that cannot be read is written down: once a minute.
    pub(super) fn is_noted(&self, from: Option<IpAddr>, now: Timestamp) -> bool {
        let mut sources = self.0.lock();
        let source = sources.of(from, now);
        let is_noted = source.noted.is_none_or(|at| now.since(at) >= MINUTE);
        if is_noted {
            source.noted = Some(now);
        }
        is_noted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u32) -> Option<IpAddr> {
        Some(IpAddr::from(number.to_be_bytes()))
    }

    #[test]
    fn who_guesses_is_not_heard_for_a_while() {
        let (refusals, now) = (Refusals::default(), Timestamp(1_000_000));
        for _ in 0..REFUSED_MAX {
            assert_eq!(refusals.pause(at(7), now), None);
            refusals.count(at(7), now);
        }
        assert_eq!(refusals.pause(at(7), now.plus(Duration::from_secs(20))), Some(Duration::from_secs(40)));
        assert_eq!(refusals.pause(at(8), now), None, "others are");
        assert_eq!(refusals.pause(at(7), now.plus(MINUTE)), None);
        let of = |text: &str| Some(text.parse().expect("an address"));
        (0..REFUSED_MAX).for_each(|_| refusals.count(of("2001:db8::1"), now));
        assert!(refusals.pause(of("2001:db8::2:3"), now).is_some(), "one network");
        assert!(refusals.pause(of("2001:db8:0:1::1"), now).is_none(), "another one");
    }

    #[test]
    fn they_have_a_bound_together_and_are_forgotten() {
        let (refusals, now) = (Refusals::default(), Timestamp(1_000_000));
        (1..20_000).for_each(|number| refusals.count(at(number), now));
        assert!(refusals.0.lock().all.len() <= SOURCES_MAX + 1);
        assert!(refusals.pause(at(19_999), now).is_some(), "those beyond count as one");
        refusals.count(at(30_000), now.plus(MINUTE));
        assert!(refusals.0.lock().all.len() <= 3);
    }

    #[test]
    fn what_cannot_be_read_is_written_down_once_a_minute() {
        let (refusals, now) = (Refusals::default(), Timestamp(1_000_000));
        let noted: Vec<_> =
            [0, 1, 59, 60, 61].map(|seconds| refusals.is_noted(at(7), now.plus(Duration::from_secs(seconds)))).into();
        assert_eq!(noted, [true, false, false, true, false]);
        assert!(refusals.is_noted(at(8), now));
    }
}

//! The one place that reads the clock. Tests set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use imps_types::DateTime;

/// A moment: milliseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment so much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it is yet to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// As date and time in UTC.
    pub fn date_time(self) -> DateTime {
        DateTime::from_unix(self.seconds())
    }
}

/// When something that is done now and then was done last.
#[derive(Debug, Default)]
pub(crate) struct LastTime(AtomicU64);

impl LastTime {
    /// Whether so much time has gone since this last said yes.
    pub(crate) fn is_due(&self, now: Timestamp, interval: Duration) -> bool {
        let is_due = now.since(Timestamp(self.0.load(Ordering::Relaxed))) >= interval;
        if is_due {
            self.0.store(now.0, Ordering::Relaxed);
        }
        is_due
    }
}

/// Tells the time: the system's, or one that a test sets.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    // Runs with the monotonic clock between two settings, so that a step of the system's clock does not come unnoticed.
    System { started: Instant, offset: Arc<AtomicU64> },
    Set(Arc<AtomicU64>),
}

fn system_now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(0))
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the clock")]
        let started = Instant::now();
        Self(Source::System { started, offset: Arc::new(AtomicU64::new(system_now())) })
    }

    /// A clock that stands until it is moved.
    pub fn set(now: Timestamp) -> Self {
        Self(Source::Set(Arc::new(AtomicU64::new(now.0))))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        Timestamp(match &self.0 {
            Source::System { started, offset } => {
                let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(0);
                offset.load(Ordering::Relaxed).saturating_add(elapsed)
            }
            Source::Set(now) => now.load(Ordering::Relaxed),
        })
    }

    /// Moves a set clock; a system clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Set(now) = &self.0 {
            now.fetch_add(u64::try_from(by.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
    }

    /// Milliseconds that the system's clock was moved since this one followed it last, forwards or backwards; 0 for a set
    /// clock.
    pub fn drift(&self) -> i64 {
        match &self.0 {
            Source::System { .. } => i64::try_from(i128::from(system_now()) - i128::from(self.now().0)).unwrap_or(0),
            Source::Set(_) => 0,
        }
    }

    /// Follows corrections of the system's clock; called now and then by the sweep, which sees to it that a step expires
    /// no session.
    pub fn adjust(&self) {
        if let Source::System { started, offset } = &self.0 {
            let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(0);
            offset.store(system_now().saturating_sub(elapsed), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_clock_is_followed() {
        let clock = Clock::system();
        assert!(clock.drift().abs() < 1000);
        if let Source::System { offset, .. } = &clock.0 {
            offset.fetch_sub(3_600_000, Ordering::Relaxed);
        }
        assert!((3_599_000..3_601_000).contains(&clock.drift()), "as if it had been put forward by an hour");
        clock.adjust();
        assert!(clock.drift().abs() < 1000);
        assert_eq!(Clock::set(Timestamp(5)).drift(), 0);
    }
}

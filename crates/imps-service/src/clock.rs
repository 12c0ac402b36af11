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

/// Tells the time: the system's, or one that a test sets.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    // Runs with the monotonic clock between two settings, so that a step of the system's clock expires nobody.
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

    /// Follows corrections of the system's clock; called now and then by the sweep.
    pub fn adjust(&self) {
        if let Source::System { started, offset } = &self.0 {
            let elapsed = u64::try_from(started.elapsed().as_millis()).unwrap_or(0);
            offset.store(system_now().saturating_sub(elapsed), Ordering::Relaxed);
        }
    }
}

//! How often somebody may do something: buckets that leak (GCRA). One number each, and no clock of its own.

use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::clock::Timestamp;

/// The source that an address stands for: whoever has one address of IPv6 has all of its network.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

/// So many a second, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Microseconds that each one takes; 0: nothing is limited.
    each: u64,
    /// Microseconds that may be taken in advance.
    burst: u64,
}

impl Rate {
    /// So many in this time, of which so many may come at once; none: nothing is limited.
    pub fn new(count: u32, within: Duration, at_once: u32) -> Self {
        let within = u64::try_from(within.as_micros()).unwrap_or(u64::MAX);
        let each = within.checked_div(count.into()).unwrap_or(0);
        Self { each, burst: each.saturating_mul(at_once.max(1).into()) }
    }

    /// Whether nothing is limited.
    pub fn is_unlimited(self) -> bool {
        self.each == 0
    }

    /// What the bucket is after one more, or how long that has to wait.
    fn next(self, until: u64, now: Timestamp) -> Result<u64, Duration> {
        let now = now.0.saturating_mul(1000);
        let next = until.max(now).saturating_add(self.each);
        let ahead = next - now;
        if ahead <= self.burst { Ok(next) } else { Err(Duration::from_micros(ahead - self.burst)) }
    }
}

/// One bucket.
#[derive(Debug, Default)]
pub struct Bucket(AtomicU64);

impl Bucket {
    /// Takes one out; how long to wait if there is none.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&self, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        if rate.is_unlimited() {
            return Ok(());
        }
        let mut until = self.0.load(Ordering::Relaxed);
        loop {
            let next = rate.next(until, now)?;
            match self.0.compare_exchange_weak(until, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(other) => until = other,
            }
        }
    }
}

/// Buckets that are remembered in one shard.
const REMEMBERED: usize = 8192;
const SHARDS: usize = 16;

/// A bucket for each of many. Full ones need not be remembered.
#[derive(Debug)]
pub struct Buckets<K> {
    shards: [Mutex<FxHashMap<K, u64>>; SHARDS],
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { shards: Default::default() }
    }
}

impl<K: Hash + Eq> Buckets<K> {
    /// Takes one out of the bucket of `key`.
    ///
    /// # Errors
    /// How long to wait if there is none.
    pub fn take(&self, key: K, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        if rate.is_unlimited() {
            return Ok(());
        }
        // The index is below the number of shards.
        let mut shard = self.shards[shard_of(&key)].lock();
        if shard.len() >= REMEMBERED {
            let micros = now.0.saturating_mul(1000);
            shard.retain(|_, until| *until > micros);
            if shard.len() >= REMEMBERED {
                shard.clear();
            }
        }
        let until = shard.entry(key).or_insert(0);
        *until = rate.next(*until, now)?;
        Ok(())
    }
}

/// In which shard a key is kept.
fn shard_of(key: &impl Hash) -> usize {
    // Other bits than those that choose the place within a map.
    usize::try_from(FxBuildHasher.hash_one(key) >> 20).unwrap_or(0) % SHARDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp(1_000_000 + milliseconds)
    }

    #[test]
    fn so_many_at_once_and_then_so_many_a_second() {
        let (bucket, rate) = (Bucket::default(), Rate::new(10, Duration::from_secs(1), 3));
        let taken = |now| std::iter::from_fn(|| bucket.take(rate, now).ok()).count();
        assert_eq!(taken(at(0)), 3);
        assert_eq!(bucket.take(rate, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(taken(at(99)), 0);
        assert_eq!(taken(at(100)), 1);
        assert_eq!(taken(at(400)), 3, "it recovers by itself");
        assert_eq!(taken(at(60_000)), 3, "and saves no more than that");
    }

    #[test]
    fn nothing_is_limited_where_no_limit_is() {
        let rate = Rate::new(0, Duration::from_secs(1), 3);
        let bucket = Bucket::default();
        assert!((0..1000).all(|_| bucket.take(rate, at(0)).is_ok()));
        let buckets = Buckets::default();
        assert!((0..1000).all(|_| buckets.take(1, rate, at(0)).is_ok()));
    }

    #[test]
    fn everybody_has_a_bucket_of_his_own_and_many_are_forgotten() {
        let (buckets, rate) = (Buckets::default(), Rate::new(1, Duration::from_secs(60), 2));
        for key in [1, 2] {
            assert!(buckets.take(key, rate, at(0)).is_ok() && buckets.take(key, rate, at(0)).is_ok());
            assert!(buckets.take(key, rate, at(0)).is_err());
        }
        for key in 3..400_000 {
            assert!(buckets.take(key, rate, at(0)).is_ok());
        }
        let kept: usize = buckets.shards.iter().map(|shard| shard.lock().len()).sum();
        assert!(kept <= SHARDS * REMEMBERED, "{kept}");
    }
}

//! The memory of large bodies: what has come of each is counted, and when there is no more room, what does not come on makes
//! room for what does. Whoever sends a body is nobody yet: it may never end.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use imps_service::access::network_of;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::gateway::Networks;

/// Bodies up to this size may come on every connection at once; only larger ones are counted.
pub(super) const SMALL_BODY: usize = 64 * 1024;
/// By how much a share grows at least.
const PART: usize = 16 * 1024;
/// When memory is short, a body of which no further part came for so long makes room. So what is large must come with 16 KiB
/// in a second then, which phones do that send large things at all: the largest body takes four minutes with that, and has
/// one. As long as there is room nobody is hurried, and nobody loses his place by a pause of the radio.
const STALLED: Duration = Duration::from_secs(1);
/// When memory is short, a source that has more than this part of it makes room for those that have less, however fast it
/// sends: eight sources and not one are needed to fill it.
const FAIR: usize = 8;

/// The large bodies that are in memory.
pub(super) struct Bodies {
    /// Octets of all together.
    most: usize,
    /// Of one source, when memory is short.
    fair: usize,
    /// Behind these addresses there are many.
    gateways: Networks,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    octets: usize,
    last: u64,
    shares: FxHashMap<u64, Holder>,
}

struct Holder {
    /// None: there are many at this address, and each stands for himself.
    source: Option<IpAddr>,
    octets: usize,
    /// When the last part came; none: all of it has come.
    grown: Option<Instant>,
    gives_way: Arc<Notify>,
}

/// The place of one body; it grows with what comes, and is free again when this is dropped.
pub(super) struct Share<'a> {
    bodies: &'a Bodies,
    source: Option<IpAddr>,
    /// Its number, when it is large.
    number: Option<u64>,
    octets: usize,
    gives_way: Option<Arc<Notify>>,
}

/// There is no room, or no more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Bodies {
    /// `most`: octets of all together; `one`: of the largest one.
    pub(super) fn new(most: usize, one: usize, gateways: Networks) -> Self {
        Self { most: most.max(one), fair: (most / FAIR).max(one), gateways, held: Mutex::default() }
    }

    /// A body from there, of which nothing has come yet.
    pub(super) fn share(&self, from: IpAddr) -> Share<'_> {
        let is_many = from.to_canonical().is_loopback() || self.gateways.contain(from);
        let source = (!is_many).then(|| network_of(from));
        Share { bodies: self, source, number: None, octets: 0, gives_way: None }
    }

    #[cfg(test)]
    fn octets(&self) -> usize {
        self.held.lock().octets
    }
}

impl Held {
    fn remove(&mut self, number: u64) -> Option<Holder> {
        let holder = self.shares.remove(&number)?;
        self.octets -= holder.octets;
        Some(holder)
    }

    /// Who makes room for this one: of those that have stalled, and of those whose source has more than is fair, the one of
    /// which nothing came for longest.
    fn who_gives_way(&self, number: Option<u64>, source: Option<IpAddr>, fair: usize, now: Instant) -> Option<u64> {
        let mut of_source = FxHashMap::<IpAddr, usize>::default();
        for holder in self.shares.values() {
            if let Some(source) = holder.source {
                *of_source.entry(source).or_default() += holder.octets;
            }
        }
        let of = |source: Option<IpAddr>| source.and_then(|source| of_source.get(&source)).copied().unwrap_or_default();
        let own = of(source);
        let gives_way = |holder: &Holder, grown: Instant| {
            let theirs = of(holder.source);
            now.saturating_duration_since(grown) >= STALLED || (theirs > fair && own + PART < theirs)
        };
        let others = self.shares.iter().filter(|(other, _)| Some(**other) != number);
        let coming = others.filter_map(|(other, holder)| Some((*other, holder, holder.grown?)));
        let those = coming.filter(|(_, holder, grown)| gives_way(holder, *grown));
        those.min_by_key(|(other, _, grown)| (*grown, *other)).map(|(other, ..)| other)
    }
}

impl Share<'_> {
    /// So much of the body has come; whether there is room for it.
    pub(super) fn grow(&mut self, octets: usize, now: Instant) -> Result<(), Full> {
        if octets <= SMALL_BODY || octets <= self.octets {
            return Ok(());
        }
        let octets = octets.next_multiple_of(PART);
        let more = octets - self.octets;
        let mut held = self.bodies.held.lock();
        if self.number.is_some_and(|number| !held.shares.contains_key(&number)) {
            return Err(Full);
        }
        while held.octets + more > self.bodies.most {
            let victim = held.who_gives_way(self.number, self.source, self.bodies.fair, now).ok_or(Full)?;
            if let Some(victim) = held.remove(victim) {
                victim.gives_way.notify_one();
            }
        }
        let number = self.number.unwrap_or_else(|| {
            held.last += 1;
            held.last
        });
        held.octets += more;
        let gives_way = self.gives_way.get_or_insert_default().clone();
        held.shares.insert(number, Holder { source: self.source, octets, grown: Some(now), gives_way });
        (self.number, self.octets) = (Some(number), octets);
        Ok(())
    }

    /// All of the body has come: what is done with it is done. Whether its place was its own to the end.
    pub(super) fn is_whole(&self) -> Result<(), Full> {
        let Some(number) = self.number else { return Ok(()) };
        let mut held = self.bodies.held.lock();
        held.shares.get_mut(&number).map(|holder| holder.grown = None).ok_or(Full)
    }

    /// Waits until the place was given to somebody else.
    pub(super) async fn given_away(&self) {
        match &self.gives_way {
            Some(gives_way) => gives_way.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.bodies.held.lock().remove(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn bodies(most: usize) -> Bodies {
        Bodies::new(most, MIB, Networks::parse("10.0.0.0/8").unwrap())
    }

    fn at(address: &str) -> IpAddr {
        address.parse().unwrap()
    }

    #[test]
    fn what_stalls_makes_room_and_what_comes_on_does_not() {
        let (bodies, begun) = (bodies(4 * MIB), Instant::now());
        let mut shares: Vec<_> = (0..4).map(|_| bodies.share(at("127.0.0.1"))).collect();
        shares.iter_mut().for_each(|share| assert_eq!(share.grow(MIB, begun), Ok(())));
        let mut late = bodies.share(at("127.0.0.1"));
        assert_eq!(late.grow(SMALL_BODY, begun), Ok(()), "what is small is not counted");
        assert_eq!(late.grow(SMALL_BODY + 1, begun), Err(Full));
        // One trickles on, and one has come.
        let later = begun + STALLED;
        assert_eq!(shares[0].grow(MIB - 1, later), Ok(()));
        assert_eq!(shares[1].is_whole(), Ok(()));
        for _ in 0..2 {
            assert_eq!(late.grow(late.octets + MIB, later), Ok(()));
        }
        assert_eq!(shares[1].is_whole(), Ok(()));
        let given: Vec<_> = shares.iter().map(|share| share.is_whole().is_err()).collect();
        assert_eq!(given.iter().filter(|given| **given).count(), 2, "{given:?}");
        assert_eq!(bodies.octets(), 4 * MIB);
        // It hears so, however much of it comes yet.
        let victim = shares.iter_mut().find(|share| share.is_whole().is_err()).unwrap();
        assert!(futures_util::FutureExt::now_or_never(victim.given_away()).is_some());
        assert_eq!(victim.grow(2 * MIB, later), Err(Full));
        drop((shares, late));
        assert_eq!(bodies.octets(), 0);
    }

    #[test]
    fn a_source_that_has_more_than_its_part_makes_room_for_others() {
        let (bodies, now) = (bodies(32 * MIB), Instant::now());
        let of = |address: &str| {
            let mut share = bodies.share(at(address));
            share.grow(MIB, now).map(|()| share)
        };
        let mut flood: Vec<_> = (0..32).map(|_| of("2001:db8::7").ok().unwrap()).collect();
        assert!(of("2001:db8::8").is_err(), "one network is one source");
        let (phone, gateway) = (of("192.0.2.1"), of("10.0.0.1"));
        assert!(phone.is_ok() && gateway.is_ok());
        flood.retain(|share| share.is_whole().is_ok());
        assert_eq!(flood.len(), 30);
        // Those behind a gateway are many, however much they have together.
        drop(flood);
        let _phones: Vec<_> = (0..30).map(|_| of("10.0.0.1").ok().unwrap()).collect();
        assert!(of("192.0.2.2").is_err());
    }
}

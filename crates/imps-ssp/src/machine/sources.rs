//! Where a peer's messages come from. Steps of a set-up can be posted by anybody (SSP 6.1); where the peer was proved to be tells
//! which are more likely its own. It is no proof: whoever is nowhere else is heard all the same.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use imps_service::Timestamp;
use imps_types::TransactionId;

/// Sources of the peer that are remembered: it may have several machines.
const OF_PEER_MAX: usize = 8;
/// Addresses where it is published that count.
const PUBLISHED_MAX: usize = 64;
/// Sources of those who were somebody else.
const LIARS_MAX: usize = 64;
/// For how long.
const LIARS_FOR: Duration = Duration::from_secs(3600);
/// Set-ups of which it is remembered which session they led to.
const HALVES_MAX: usize = 16;

/// The sources of the peer, and of those who say that they are it.
#[derive(Default)]
pub(super) struct Sources {
    /// Where it was proved to be, the last one first.
    of_peer: VecDeque<IpAddr>,
    /// Where an operator, or DNS, says that it is. It may well speak from elsewhere, and whoever does is heard as anybody.
    published: Vec<IpAddr>,
    liars: VecDeque<(IpAddr, Timestamp)>,
}

impl Sources {
    /// A proof came from there.
    pub(super) fn peer_is_at(&mut self, from: Option<IpAddr>) {
        let Some(from) = from else { return };
        self.liars.retain(|(liar, _)| *liar != from);
        self.of_peer.retain(|it| *it != from);
        self.of_peer.push_front(from);
        self.of_peer.truncate(OF_PEER_MAX);
    }

    /// It is published there, and nowhere else any more.
    pub(super) fn peer_is_published_at(&mut self, mut addresses: Vec<IpAddr>) {
        addresses.truncate(PUBLISHED_MAX);
        addresses.iter_mut().for_each(|address| *address = address.to_canonical());
        self.published = addresses;
    }

    /// What came from there was wrong.
    pub(super) fn lies(&mut self, from: Option<IpAddr>, now: Timestamp) {
        let Some(from) = from.filter(|from| !self.of_peer.contains(from)) else { return };
        self.liars.retain(|(liar, at)| *liar != from && now.since(*at) < LIARS_FOR);
        self.liars.push_front((from, now));
        self.liars.truncate(LIARS_MAX);
    }

    /// Whether the peer was proved to be there.
    pub(super) fn is_of_peer(&self, from: Option<IpAddr>) -> bool {
        from.is_some_and(|from| self.of_peer.contains(&from))
    }

    /// Whether the peer was proved to be there, or is published there: others cannot take the places of what comes from there.
    pub(super) fn has_places(&self, from: Option<IpAddr>) -> bool {
        self.is_of_peer(from) || from.is_some_and(|from| self.published.contains(&from.to_canonical()))
    }

    /// Whether it is known of no place that the peer is there.
    pub(super) fn is_empty(&self) -> bool {
        self.of_peer.is_empty()
    }

    /// How likely it is that something from there is somebody else's: 0 when nothing speaks for it. What has no source came on
    /// a connection of our own.
    pub(super) fn rank(&self, from: Option<IpAddr>, now: Timestamp) -> u8 {
        let Some(address) = from else { return 0 };
        let has_lied = self.liars.iter().any(|(liar, at)| *liar == address && now.since(*at) < LIARS_FOR);
        match (self.is_of_peer(from), has_lied) {
            (true, _) => 0,
            (false, false) => u8::from(!self.of_peer.is_empty()),
            (false, true) => 2,
        }
    }

    /// Whether two things may come from the same one: from the same source, from places where the peer was proved to be, or from
    /// where nobody knows.
    pub(super) fn may_be_same(&self, one: Option<IpAddr>, other: Option<IpAddr>) -> bool {
        one.is_none() || other.is_none() || one == other || self.is_of_peer(other)
    }
}

/// What a set-up of the peer led to.
pub(super) struct Half {
    pub(super) id: TransactionId,
    /// The number of the session.
    pub(super) session: u64,
    /// The peer's ID of it.
    pub(super) peer_id: Arc<str>,
    pub(super) proof_from: Option<IpAddr>,
}

/// What the last set-ups of the peer led to.
#[derive(Default)]
pub(super) struct Halves(VecDeque<Half>);

impl Halves {
    pub(super) fn put(&mut self, half: Half) {
        self.forget(&half.id.clone());
        self.0.push_front(half);
        self.0.truncate(HALVES_MAX);
    }

    pub(super) fn of(&self, id: &TransactionId) -> Option<&Half> {
        self.0.iter().find(|half| half.id == *id)
    }

    pub(super) fn forget(&mut self, id: &TransactionId) {
        self.0.retain(|half| half.id != *id);
    }
}

/// About how many bits of an ID somebody who has not seen it must guess: what its characters differ by.
pub(super) fn bits_of(id: &str) -> f64 {
    let own = id.rsplit_once('@').map_or(id, |(own, _)| own);
    let mut counts = [0_u32; 256];
    for octet in own.bytes() {
        if let Some(count) = counts.get_mut(usize::from(octet)) {
            *count += 1;
        }
    }
    let all = f64::from(u32::try_from(own.len()).unwrap_or(u32::MAX));
    counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) * (all / f64::from(*count)).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_can_be_guessed_is_told_from_one_that_cannot() {
        for weak in
            ["", "17@a.example", "4711@b.example", "session-000042@b.example", "00000000000000000000000000000001@b"]
        {
            assert!(bits_of(weak) < 64.0, "{weak}: {}", bits_of(weak));
        }
        for strong in ["9f86d081884c7d659a2feaa0c55ad015@a.example", "7c9e6679-7425-40de-944b-e07fc1f90ae7@b.example"] {
            assert!(bits_of(strong) >= 64.0, "{strong}: {}", bits_of(strong));
        }
    }

    #[test]
    fn sources_are_bounded_and_a_proof_clears_a_name() {
        let at = |last: u32| Some(IpAddr::from(last.to_be_bytes()));
        let (mut sources, now) = (Sources::default(), Timestamp(1_000_000));
        assert_eq!((sources.rank(at(1), now), sources.rank(None, now)), (0, 0), "nothing speaks against anybody");
        (0..1000).for_each(|number| sources.lies(at(number), now));
        assert_eq!(sources.liars.len(), LIARS_MAX);
        assert_eq!((sources.rank(at(999), now), sources.rank(at(999), now.plus(LIARS_FOR))), (2, 0));
        sources.peer_is_at(at(999));
        assert_eq!((sources.rank(at(999), now), sources.rank(at(5000), now), sources.rank(at(998), now)), (0, 1, 2));
        sources.lies(at(999), now);
        assert_eq!(sources.rank(at(999), now), 0, "it was proved");
        (0..100).for_each(|number| sources.peer_is_at(at(number)));
        assert_eq!(sources.of_peer.len(), OF_PEER_MAX);
    }
}

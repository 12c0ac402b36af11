//! Domains that no operator wrote down, and that are peers only because every domain is (SSP 3): their names cost nothing, so
//! there is a bound to how many are spoken with, and each may cost less than one with whom there is a contract.

use std::sync::Arc;

use imps_types::{Domain, Service, Status};
use rustc_hash::FxHashMap;

use super::{Peer, Ssp, Unanswered};
use crate::machine::LinkSettings;

/// How many of them may be half way to a session at once.
const HALF_WAY_MAX: usize = 256;
/// The part that one of them has of what a peer may take.
const SHARE: usize = 16;

/// Why there is no machine for one more.
pub(super) const FULL: Unanswered = Unanswered {
    status: Status::SERVER_UNAVAILABLE,
    try_again: Some(std::time::Duration::from_secs(60)),
    taken: false,
};

/// What holds for one of them.
pub(super) fn settings_of(link: &LinkSettings) -> LinkSettings {
    let part = |of: usize| (of / SHARE).max(1);
    LinkSettings {
        rate: u32::try_from(part(link.rate as usize)).unwrap_or(link.rate),
        remember_max: part(link.remember_max),
        remember_bytes: part(link.remember_bytes),
        open_max: part(link.open_max),
        open_bytes: part(link.open_bytes),
        reply_bytes: part(link.reply_bytes),
        ..link.clone()
    }
}

impl Ssp {
    /// Whether no operator wrote this domain down: it came by itself, and may be anybody.
    pub(crate) fn is_stranger(&self, domain: &Domain) -> bool {
        self.finder.line(domain).is_none()
    }

    /// Whether no operator wrote down a way to this domain: neither itself, nor who is in front of it.
    pub(crate) fn is_from_stranger(&self, domain: &Domain) -> bool {
        let is_known = |service: &Service| self.requestor(domain, *service).is_some_and(|it| !self.is_stranger(&it));
        self.is_stranger(domain) && !Service::ALL.iter().any(is_known)
    }

    /// Whether too many of them are half way to a session.
    pub(super) fn is_full_of_strangers(&self) -> bool {
        let peers: Vec<_> = self.peers.lock().values().cloned().collect();
        let now = self.clock.now();
        let is_half_way = |peer: &&Arc<Peer>| self.is_stranger(&peer.domain) && !peer.link.lock().is_up(now);
        peers.len() >= HALF_WAY_MAX && peers.iter().filter(is_half_way).count() >= HALF_WAY_MAX
    }

    /// Whether one more may be spoken with, by whomever that is begun.
    pub(super) fn has_room_for_stranger(&self, peers: &FxHashMap<Domain, Arc<Peer>>) -> bool {
        let most = self.config.strangers_max;
        peers.len() < most || peers.keys().filter(|domain| self.is_stranger(domain)).count() < most
    }

    /// Whether a domain may be at public addresses only.
    pub(super) fn is_outside(&self, domain: &Domain) -> bool {
        !self.config.open_private && self.is_stranger(domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_them_may_take_a_part_of_everything_and_never_nothing() {
        let link = LinkSettings::default();
        let part = settings_of(&link);
        assert_eq!((part.rate, part.open_max, part.remember_max), (312, 62, 103_125));
        assert_eq!((part.remember_bytes, part.open_bytes), (2 << 20, 4 << 20));
        assert_eq!((part.recipients_max, part.keep_alive), (link.recipients_max, link.keep_alive));
        let little = settings_of(&LinkSettings { rate: 1, open_max: 1, ..link });
        assert_eq!((little.rate, little.open_max), (1, 1));
    }
}

//! What an operator is shown of peers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imps_service::Timestamp;
use imps_types::Domain;

use super::{Peer, Ssp};
use crate::agreement::Agreement;
use crate::machine::OpenTransaction;

/// A peer as an operator sees it.
#[derive(Clone, Debug)]
pub struct PeerState {
    /// Who.
    pub domain: Domain,
    /// Our ID, the peer's, and the end of each session that is up.
    pub sessions: Vec<(Arc<str>, Arc<str>, Timestamp)>,
    /// What holds.
    pub agreement: Agreement,
    /// Answers that are remembered, so that nothing is carried out twice.
    pub remembered: usize,
    /// Our requests that are not through.
    pub requests: usize,
    /// Its transactions that are being worked on.
    pub transactions: usize,
    /// The address that is used.
    pub way: Option<String>,
    /// POSTs that went out, and those of them that were not taken.
    pub posts: (u64, u64),
    /// Messages that came in, and those of them that were refused.
    pub arrivals: (u64, u64),
    /// From when on it is tried again to reach it, if it could not be reached.
    pub next_try: Option<Timestamp>,
    /// When a POST was not taken last, and what happened.
    pub last_failure: Option<(Timestamp, String)>,
}

impl Ssp {
    /// The peers that there is something to say of.
    pub fn peers(&self) -> Vec<PeerState> {
        let peers: Vec<_> = self.peers.lock().values().cloned().collect();
        peers.iter().map(|peer| self.state(peer)).collect()
    }

    /// What is open with a peer: our requests, and its transactions; so many of each.
    pub fn open_with(&self, domain: &Domain, most: usize) -> (Vec<OpenTransaction>, Vec<OpenTransaction>) {
        let peer = self.peers.lock().get(domain).cloned();
        let open = peer.map(|peer| {
            let link = peer.link.lock();
            (link.requests(most), link.transactions(most))
        });
        open.unwrap_or_default()
    }

    /// Whether a domain remembers what it was told, so that it may be told again: those do that know of agreements (SSP 11).
    pub(crate) fn remembers(&self, domain: &Domain) -> bool {
        let peer = self.peers.lock().get(domain).cloned();
        peer.is_some_and(|peer| !peer.link.lock().may_be_silent())
    }

    /// Whether a session with a domain is up.
    pub(crate) fn has_session(&self, domain: &Domain) -> bool {
        let peer = self.peers.lock().get(domain).cloned();
        peer.is_some_and(|peer| peer.link.lock().is_up(self.clock.now()))
    }

    /// Every domain that operators wrote down.
    pub fn table(&self) -> Vec<Domain> {
        self.finder.domains()
    }

    fn state(&self, peer: &Peer) -> PeerState {
        let count =
            |(all, failed): &(AtomicU64, AtomicU64)| (all.load(Ordering::Relaxed), failed.load(Ordering::Relaxed));
        let link = peer.link.lock();
        PeerState {
            domain: peer.domain.clone(),
            sessions: link.sessions(self.clock.now()),
            agreement: link.agreement().clone(),
            remembered: link.remembered(),
            requests: link.open_requests(),
            transactions: link.open_transactions(),
            way: peer.way.lock().clone(),
            posts: count(&peer.posts),
            arrivals: count(&peer.arrivals),
            next_try: link.next_try(self.clock.now()),
            last_failure: peer.last_failure.lock().clone(),
        }
    }
}

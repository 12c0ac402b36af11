//! Peers hear that we are there: what waits for us there does not wait for its next attempt.

use std::sync::{Arc, Weak};
use std::time::Duration;

use imps_types::Domain;

use super::Ssp;

/// How long whoever has something to say may do it before peers are hailed that nothing is said to.
const GREETED_AFTER: Duration = Duration::from_secs(2);
/// Between one peer and the next: a long table is not for one moment.
const BETWEEN: Duration = Duration::from_millis(10);
/// After so many, the others can wait longer, so that they do not cost a part of the processor that anybody notices.
const SOON: usize = 32;
const LATER: Duration = Duration::from_millis(100);

impl Ssp {
    /// Hails these domains, one after the other, in a moment. After the start, or when a line was written.
    pub fn greet(self: &Arc<Self>, domains: Vec<Domain>) {
        tokio::spawn(greet_each(Arc::downgrade(self), domains));
    }
}

async fn greet_each(ssp: Weak<Ssp>, domains: Vec<Domain>) {
    tokio::time::sleep(GREETED_AFTER).await;
    for (number, domain) in domains.iter().enumerate() {
        let Some(ssp) = ssp.upgrade() else { return };
        ssp.hail(domain).await;
        drop(ssp);
        tokio::time::sleep(if number < SOON { BETWEEN } else { LATER }).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::BoxFuture;
    use imps_proto::ssp::Primitive;
    use imps_service::{Clock, Timestamp};
    use imps_types::{Status, TransactionId};
    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;
    use crate::machine::status;
    use crate::ssp::Service;
    use crate::{PeerConfig, SspConfig};

    /// Who was hailed, and when.
    struct Hailed {
        begun: Instant,
        domains: Mutex<Vec<(String, Duration)>>,
    }

    impl Service for Hailed {
        fn perform<'a>(&'a self, _: &'a Domain, _: &'a TransactionId, _: Primitive) -> BoxFuture<'a, Primitive> {
            Box::pin(async { status(Status::SUCCESSFUL, "") })
        }

        fn hailed(&self, peer: &Domain) {
            self.domains.lock().push((peer.to_string(), self.begun.elapsed()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_peer_hears_that_we_are_there_a_moment_after_the_start() {
        let domain = |name: &str| Domain::parse(name).expect("a domain");
        let names = ["b.example", "c.example"];
        let peers = names.map(|name| PeerConfig::of(domain(name))).into();
        let hailed = Arc::new(Hailed { begun: Instant::now(), domains: Mutex::default() });
        let config = SspConfig { peers, ..SspConfig::of(domain("a.example")) };
        let ssp = Ssp::new(config, hailed.clone(), None, Clock::set(Timestamp(1_000_000)));
        ssp.greet(names.map(domain).into());
        tokio::time::sleep(GREETED_AFTER - Duration::from_millis(1)).await;
        assert!(hailed.domains.lock().is_empty(), "whoever has something to say does it first");
        assert!(ssp.peers().is_empty());
        tokio::time::sleep(2 * BETWEEN).await;
        let all = hailed.domains.lock().clone();
        let [(first, at), (second, later)] = &all[..] else { panic!("{all:?}") };
        assert_eq!([first, second], names);
        assert!(*at >= GREETED_AFTER && *later >= *at + BETWEEN, "{all:?}");
        assert_eq!(ssp.peers().len(), 2, "each of them is reached for");
        // Who is no peer is not, nor anybody by a server that ends.
        ssp.greet(vec![domain("x.example")]);
        tokio::time::sleep(GREETED_AFTER + BETWEEN).await;
        ssp.greet(names.map(domain).into());
        ssp.stop(Duration::ZERO).await;
        tokio::time::sleep(GREETED_AFTER + 2 * BETWEEN).await;
        assert_eq!(hailed.domains.lock().len(), 2);
    }
}

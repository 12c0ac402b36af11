//! Where a peer that an operator wrote down is published. Anybody can begin set-ups in its name; from there nobody else can, so
//! what comes from there has places of its own, before anything was proved.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use imps_service::Timestamp;

use super::{Peer, Ssp};
use crate::find::host_of;

/// How often it is looked up, while set-ups are begun in its name. A name may lead elsewhere by then.
const AGAIN: Duration = Duration::from_secs(300);

impl Ssp {
    /// Looks up where a peer is published, unless that was done lately. Nobody waits for it.
    pub(super) fn look_up(&self, peer: &Arc<Peer>) {
        let now = self.clock.now();
        let last = peer.looked_up.load(Ordering::Relaxed);
        if last != 0 && now.since(Timestamp(last)) < AGAIN {
            return;
        }
        peer.looked_up.store(now.0.max(1), Ordering::Relaxed);
        self.spawn(peer, |this, peer| async move {
            let Ok(ways) = this.finder.ways(&peer.domain).await else { return };
            let addresses = addresses_of(&ways).await;
            tracing::debug!(peer = %peer.domain, ?addresses, "where a peer is published");
            peer.link.lock().is_published_at(addresses);
        });
    }
}

/// Where these URLs lead to.
async fn addresses_of(urls: &[String]) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for host in urls.iter().filter_map(|url| host_of(url)) {
        match tokio::net::lookup_host((host, 0)).await {
            Ok(found) => addresses.extend(found.map(|address| address.ip())),
            Err(error) => tracing::debug!(host, %error, "a host of a peer is not found"),
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn urls_lead_to_addresses() {
        let urls = ["http://192.0.2.7:8080/ssp", "https://[2001:db8::1]/", "nonsense"].map(str::to_owned);
        let expected: [IpAddr; 2] = ["192.0.2.7".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(addresses_of(&urls).await, expected);
    }
}

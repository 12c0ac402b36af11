//! How much is asked at once: of one client, from one address, of all. What is beyond is answered 503 with the time to try
//! again, and once there is room things go on by themselves.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use imps_service::access::{Buckets, Rate};
use imps_service::{Services, Session};

use crate::link::ClientLink;
use crate::transport::gateway::Networks;

/// How much may be asked.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Messages of one session in a second; 0: any number.
    pub session_rate: u32,
    /// Messages of one session at once.
    pub session_burst: u32,
    /// Messages from one address in a second; 0: any number. This machine, and gateways, are not limited.
    pub address_rate: u32,
    /// Messages from one address at once.
    pub address_burst: u32,
    /// Messages that are being answered at once.
    pub busy_max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self { session_rate: 100, session_burst: 500, address_rate: 1000, address_burst: 4000, busy_max: 20_000 }
    }
}

/// How long to wait while there is too much of everything.
const OVERLOADED: Duration = Duration::from_secs(10);
const BUSY: Duration = Duration::from_secs(2);

/// What is counted.
pub(crate) struct Limits {
    session: Rate,
    address: Rate,
    busy_max: usize,
    gateways: Networks,
    addresses: Buckets<IpAddr>,
    busy: AtomicUsize,
}

/// A message that is being answered.
pub(crate) struct Busy<'a>(&'a AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Limits {
    pub(crate) fn new(limits: RequestLimits, gateways: &str) -> Self {
        let second = Duration::from_secs(1);
        Self {
            session: Rate::new(limits.session_rate, second, limits.session_burst),
            address: Rate::new(limits.address_rate, second, limits.address_burst),
            busy_max: limits.busy_max,
            gateways: Networks::parse(gateways).unwrap_or_default(),
            addresses: Buckets::default(),
            busy: AtomicUsize::new(0),
        }
    }

    /// One more is being answered, until this is dropped.
    pub(crate) fn begin(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::Relaxed);
        Busy(&self.busy)
    }

    /// Whether a message is to be answered now.
    ///
    /// # Errors
    /// How long to wait.
    pub(crate) fn admit(
        &self,
        services: &Services,
        peer: Option<IpAddr>,
        session: Option<&std::sync::Arc<Session>>,
    ) -> Result<(), Duration> {
        if services.is_overloaded() {
            return Err(OVERLOADED);
        }
        if self.busy.load(Ordering::Relaxed) > self.busy_max {
            return Err(BUSY);
        }
        let now = services.clock.now();
        if let Some(peer) = peer.filter(|peer| !self.address.is_unlimited() && !self.is_exempt(*peer)) {
            self.addresses.take(peer, self.address, now)?;
        }
        if let Some(link) = session.filter(|_| !self.session.is_unlimited()).and_then(ClientLink::of) {
            link.rate().take(self.session, now)?;
        }
        Ok(())
    }

    /// Behind a proxy on this machine, and behind a gateway, there are many.
    fn is_exempt(&self, peer: IpAddr) -> bool {
        peer.to_canonical().is_loopback() || self.gateways.contain(peer)
    }
}

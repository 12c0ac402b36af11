//! The Client-Server Protocol's face: bytes of phones in, bytes for phones out.
//!
//! Invariant: what a request *does* is decided in `imps-service`; here it is only translated.
//! Invariant: whatever comes in, something goes out: nothing here panics or hangs.

mod answer;
mod calls;
mod channel;
pub mod cir;
pub mod clp;
mod elsewhere;
mod events;
mod finish;
mod form;
mod language;
mod limits;
mod link;
mod outgoing;
mod segments;
mod transactions;
pub mod transport;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use answer::{Answer, Exchange};
pub use channel::{CallMethod, CallResult, CallUse, Channel, Channels, Poked, channels, poke};
use cir::{Cir, CirConfig};
pub use elsewhere::{Elsewhere, Here};
use imps_proto::wire::{Limits, PtsCodes};
use imps_service::{Services, Session};
pub use limits::RequestLimits;
pub use segments::SegmentLimits;

/// Settings of the face.
#[derive(Clone, Debug)]
pub struct CspConfig {
    /// What one message may cost.
    pub limits: Limits,
    /// Whether PTS has our own codes, and names of elements in full, beside the codes that a real client is known to use.
    pub pts_project_codes: bool,
    /// ClientIDs, between commas, of clients that read lists of joined users without the level of UserMapping (CSP 18,
    /// row 7): each stands for all that begin so.
    pub two_level_clients: String,
    /// When a transaction of the server that was not acknowledged is sent again.
    pub redeliver_after: Duration,
    /// How often; messages until they are acknowledged or their validity ends.
    pub redeliveries: u32,
    /// Transactions of the server that are open at once with a client that did not say how many it takes.
    pub open_max: u32,
    /// When a request that is not through yet is answered 408; it is carried out to its end all the same. Phones give up
    /// after 20 s (Nokia) or 45 s (Android).
    pub answer_within: Duration,
    /// Networks of gateways that are believed when they name the subscriber of a request, with commas or blanks between.
    pub gateways: String,
    /// The headers in which they do, with commas between.
    pub gateway_headers: String,
    /// How much may be asked.
    pub requests: RequestLimits,
    /// What the pieces of messages may cost that are too large for who must parse them.
    pub segments: SegmentLimits,
    /// How clients are called that something waits for.
    pub cir: CirConfig,
}

impl Default for CspConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            pts_project_codes: false,
            two_level_clients: String::new(),
            redeliver_after: Duration::from_secs(60),
            redeliveries: 3,
            open_max: 8,
            answer_within: Duration::from_secs(15),
            gateways: String::new(),
            gateway_headers: transport::gateway::HEADERS.to_owned(),
            requests: RequestLimits::default(),
            segments: SegmentLimits::default(),
            cir: CirConfig::default(),
        }
    }
}

impl CspConfig {
    /// Whether the client of this session reads lists of joined users without the level of UserMapping.
    pub(crate) fn reads_two_levels(&self, session: &Session) -> bool {
        if self.two_level_clients.is_empty() {
            return false;
        }
        let client = session.client.to_string().to_lowercase();
        let named = self.two_level_clients.split(',').map(|name| name.trim().to_lowercase());
        named.filter(|name| !name.is_empty()).any(|name| client.starts_with(&name))
    }

    /// The codes of PTS.
    pub(crate) fn pts_codes(&self) -> PtsCodes {
        if self.pts_project_codes { PtsCodes::Project } else { PtsCodes::Attested }
    }
}

/// CSP over any transport.
pub struct Csp {
    services: Arc<Services>,
    config: CspConfig,
    cir: Arc<Cir>,
    segments: segments::Segments,
    busy: limits::Limits,
    elsewhere: OnceLock<Arc<dyn Elsewhere>>,
}

impl Csp {
    /// A face of these services.
    pub fn new(services: Arc<Services>, config: CspConfig) -> Arc<Self> {
        let cir = Cir::new(&services, &config);
        let segments = segments::Segments::new(config.segments);
        let busy = limits::Limits::new(config.requests, &config.gateways);
        Arc::new(Self { services, config, cir, segments, busy, elsewhere: OnceLock::new() })
    }

    /// The services.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    pub(crate) fn busy(&self) -> &limits::Limits {
        &self.busy
    }

    pub(crate) fn cir(&self) -> &Arc<Cir> {
        &self.cir
    }

    /// Opens the socket from which clients are called by UDP.
    ///
    /// # Errors
    /// When this address cannot be had.
    pub fn open_udp(&self, from: std::net::SocketAddr) -> std::io::Result<()> {
        self.cir.open_udp(from)
    }

    /// Calls those again who were called and have not polled, until `stop` turns true.
    pub fn call_again(&self, stop: tokio::sync::watch::Receiver<bool>) -> impl Future<Output = ()> + Send + use<> {
        self.cir.clone().run(stop)
    }

    /// The settings.
    pub fn config(&self) -> &CspConfig {
        &self.config
    }
}

//! Everything that the service elements share, in one struct.

use std::sync::Arc;

use crate::access::{Access, LoginGuard};
use crate::clock::Clock;
use crate::config::ServiceConfig;
use crate::im::{Im, Sequence};
use crate::metrics::Metrics;
use crate::presence::Presence;
use crate::routing::Router;
use crate::seam::Bus;
use crate::session::SessionTable;
use crate::store::Store;
use crate::user::UserTable;

/// The service elements and what they work with. One for each node.
pub struct Services {
    /// Settings.
    pub config: ServiceConfig,
    /// The time.
    pub clock: Clock,
    /// What survives.
    pub store: Store,
    /// Where addresses live.
    pub router: Router,
    /// Who is logged in.
    pub sessions: SessionTable,
    /// Users in memory.
    pub users: UserTable,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Nonces, throttling and the workers for passwords.
    pub(crate) guard: LoginGuard,
    /// Where MessageIDs come from.
    pub(crate) sequence: Sequence,
}

/// The key under which phone passwords are sealed: 32 octets of the key file.
pub type SealKey = imps_types::Secret<[u8; 32]>;

impl Services {
    /// Puts the parts together. Nothing is read yet: see [`Services::resume`].
    pub fn new(config: ServiceConfig, clock: Clock, store: Store, bus: Arc<dyn Bus>, key: SealKey) -> Arc<Self> {
        let guard = LoginGuard::new(&config, key);
        let router = Router::new(config.domain.clone(), bus);
        Arc::new(Self {
            config,
            clock,
            store,
            router,
            sessions: SessionTable::default(),
            users: UserTable::default(),
            metrics: Arc::default(),
            guard,
            sequence: Sequence::default(),
        })
    }

    /// The Access service element: login, sessions, negotiation.
    pub fn access(&self) -> Access<'_> {
        Access(self)
    }

    /// The Presence service element: contact lists, attribute lists, presence.
    pub fn presence(&self) -> Presence<'_> {
        Presence(self)
    }

    /// The IM service element: messages and reports.
    pub fn im(&self) -> Im<'_> {
        Im(self)
    }

    /// Takes up what the store has: call once, before anything is served.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn resume(&self) -> Result<(), crate::Error> {
        self.im().resume_sequence().await?;
        self.access().resume_sessions().await?;
        self.im().resume_repeats().await
    }

    /// Does what is due: expires sessions and messages, lets go of unused users. Call every second or so; a test calls it
    /// after moving the clock.
    pub async fn sweep(&self) {
        self.clock.adjust();
        self.access().sweep().await;
        self.im().sweep().await;
        let now = self.clock.now();
        self.users.let_go(crate::Timestamp(now.0.saturating_sub(600_000)));
        self.metrics.users_loaded.set(self.users.len() as u64);
        self.metrics.sessions.set(self.sessions.len() as u64);
    }
}

//! Everything that the service elements share, in one struct.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use crate::access::{Access, Broadcasts, CirOffer, GuestTable, LoginGuard};
use crate::clock::{Clock, LastTime, Timestamp};
use crate::common::{Common, Searches};
use crate::config::ServiceConfig;
use crate::group::{GroupTable, Groups};
use crate::im::{Im, Sequence};
use crate::metrics::Metrics;
use crate::presence::{Pairs, Presence, WatchedGuests};
use crate::routing::Router;
use crate::seam::Bus;
use crate::session::SessionTable;
use crate::store::Store;
use crate::terminal::{TerminalTable, Terminals};
use crate::user::UserTable;

/// Milliseconds from which on a correction of the system's clock is a step.
const STEP: u64 = 1000;
/// How often memory is gone through for what nobody needs any more.
const TIDY: Duration = Duration::from_secs(30);
/// How long the state of a user stays in memory whom nobody uses.
const UNUSED: Duration = Duration::from_secs(600);

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
    /// Users of other domains who have a session here.
    pub(crate) guests: GuestTable,
    /// Those whom somebody watches here.
    pub(crate) watched_guests: WatchedGuests,
    /// Groups.
    pub groups: GroupTable,
    /// Ways of calling clients that the faces have (CSP 15.4).
    pub(crate) cir: RwLock<CirOffer>,
    /// What the URLs of large contents begin with.
    pub(crate) content_url: RwLock<Option<Box<str>>>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Whether there is no memory for more: set by the program around this.
    overloaded: AtomicBool,
    /// Nonces, throttling and the workers for passwords.
    pub(crate) guard: LoginGuard,
    /// What the service says to its users.
    pub(crate) broadcasts: Broadcasts,
    /// Where MessageIDs come from.
    pub(crate) sequence: Sequence,
    /// Up to which number what waits has rows of its end.
    pub(crate) aged: AtomicU64,
    /// How much waits for other domains.
    pub(crate) abroad: crate::im::AbroadLoads,
    /// Messages to groups that are in memory.
    pub(crate) group_bodies: crate::im::GroupBodies,
    /// Guards what lies between a watcher and those whom he watches.
    pub(crate) pairs: Pairs,
    /// How far the watcher lists were gone through for what is too old.
    pub(crate) tidying: parking_lot::Mutex<Option<crate::seam::Key>>,
    /// Who can be found, and the searches that are open.
    pub(crate) searches: Searches,
    /// What is kept for clients that have only a line of text.
    pub(crate) terminals: TerminalTable,
    tidied: LastTime,
}

/// The key under which phone passwords are sealed: 32 octets of the key file.
pub type SealKey = imps_types::Secret<[u8; 32]>;

impl Services {
    /// Puts the parts together. Nothing is read yet: see [`Services::resume`].
    pub fn new(config: ServiceConfig, clock: Clock, store: Store, bus: Arc<dyn Bus>, key: SealKey) -> Arc<Self> {
        let guard = LoginGuard::new(&config, key);
        let searches = Searches::new(&config);
        let router = Router::new(config.domain.clone(), bus);
        Arc::new(Self {
            config,
            clock,
            store,
            router,
            sessions: SessionTable::default(),
            users: UserTable::default(),
            guests: GuestTable::default(),
            watched_guests: WatchedGuests::default(),
            groups: GroupTable::default(),
            cir: RwLock::default(),
            content_url: RwLock::default(),
            metrics: Arc::default(),
            overloaded: AtomicBool::new(false),
            guard,
            broadcasts: Broadcasts::default(),
            sequence: Sequence::default(),
            aged: AtomicU64::new(0),
            abroad: crate::im::AbroadLoads::default(),
            group_bodies: crate::im::GroupBodies::default(),
            pairs: Pairs::default(),
            tidying: parking_lot::Mutex::default(),
            searches,
            terminals: TerminalTable::default(),
            tidied: LastTime::default(),
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

    /// The Group service element: groups, their people, who has joined.
    pub fn group(&self) -> Groups<'_> {
        Groups(self)
    }

    /// The Common features: search, invitations, names and profiles.
    pub fn common(&self) -> Common<'_> {
        Common(self)
    }

    /// What is kept for clients that have only a line of text: numbers and settings.
    pub fn terminals(&self) -> Terminals<'_> {
        Terminals(self)
    }

    /// Whether there is no memory for more requests.
    pub fn is_overloaded(&self) -> bool {
        self.overloaded.load(Ordering::Relaxed)
    }

    /// Says so, or that there is again.
    pub fn set_overloaded(&self, is_overloaded: bool) {
        if self.overloaded.swap(is_overloaded, Ordering::Relaxed) != is_overloaded {
            tracing::warn!(is_overloaded, "memory");
        }
        self.metrics.overloaded.set(is_overloaded.into());
    }

    /// Takes up what the store has: call once, before anything is served.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn resume(&self) -> Result<(), crate::Error> {
        self.im().resume_sequence().await?;
        self.group().resume_groups().await?;
        self.access().resume_broadcasts().await?;
        self.access().resume_sessions().await?;
        self.group().resumed().await?;
        self.im().resume_repeats().await
    }

    /// Does what is due: expires sessions and messages, lets go of unused users. Call every second or so; a test calls it
    /// after moving the clock.
    pub async fn sweep(&self) {
        let drift = self.clock.drift();
        if drift.unsigned_abs() >= STEP {
            tracing::warn!(milliseconds = drift, "the system's clock was put to another time");
            self.clock_stepped(drift);
        }
        self.clock.adjust();
        self.access().sweep().await;
        self.im().sweep().await;
        self.group().sweep().await;
        self.common().sweep().await;
        let now = self.clock.now();
        if self.tidied.is_due(now, TIDY) {
            self.im().forget_repeats(now);
            self.group_bodies.tidy();
            if let Err(error) = self.presence().tidy_watcher_lists().await {
                tracing::warn!(%error, "watcher lists are not tidied");
            }
            self.access().forget_old_broadcasts().await;
            self.access().forget_old_codes().await;
            self.access().tidy_guests().await;
            let unused = u64::try_from(UNUSED.as_millis()).unwrap_or(u64::MAX);
            self.users.let_go(Timestamp(now.0.saturating_sub(unused)));
        }
        self.metrics.users_loaded.set(self.users.len() as u64);
        self.metrics.groups.set(self.groups.len() as u64);
        self.metrics.sessions.set(self.sessions.len() as u64);
    }

    /// The clock is about to be moved by so many milliseconds: that is no time in which clients were silent.
    fn clock_stepped(&self, drift: i64) {
        for shard in 0..self.sessions.shards() {
            for session in self.sessions.collect(shard, |_| true) {
                session.touch(Timestamp(session.last_seen().0.saturating_add_signed(drift)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[tokio::test]
    async fn a_step_of_the_clock_expires_nobody() {
        let world = World::of(&["alice"]).await;
        let alice = world.login("alice").await;
        let days = Duration::from_secs(3 * 86_400);
        world.services.clock_stepped(i64::try_from(days.as_millis()).unwrap());
        world.services.clock.advance(days);
        world.services.sweep().await;
        assert!(!alice.is_closed());
        world.services.clock.advance(world.services.config.ttl_default * 2);
        world.services.sweep().await;
        assert!(alice.is_closed());
    }
}

//! Sessions: one for each client that is logged in.

mod negotiated;
mod outbox;
mod presence_queue;
mod saved;
mod table;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use imps_types::element::{DeliveryMethod, NotificationTypes};
use imps_types::{ClientId, GroupId, SessionId, Version};
use parking_lot::{Mutex, MutexGuard};

pub use negotiated::{Negotiated, Taking, TransferEncodings};
pub(crate) use outbox::Promise;
pub use outbox::{Outbox, Pending};
pub(crate) use presence_queue::Told;
pub(crate) use saved::SavedSession;
pub use table::{Ended, SessionTable};

use crate::clock::Timestamp;
use crate::group::GroupState;
use crate::presence::SessionSubscriptions;
use crate::seam::Link;
use crate::user::UserState;

/// A client that is logged in. Small: there are many, and most are idle.
///
/// ```text
///   login ──> open ──(logout, expiry, disconnect, replaced)──> closed
/// ```
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user: Arc<UserState>,
    /// Which client of the user.
    pub client: ClientId,
    /// 1.3: the application.
    pub application: Option<Box<str>>,
    /// What a CIR tells the client: as its last login has it.
    cookie: Mutex<Box<str>>,
    /// The version, fixed at login.
    pub version: Version,
    /// When it was opened.
    pub opened: Timestamp,
    /// The last number of a message that was there before it.
    pub(crate) opened_after: AtomicU64,
    last_seen: AtomicU64,
    time_to_live: AtomicU32,
    closed: AtomicBool,
    /// Whether the store keeps a row of it. Held while a write of the row is handed over, so that the writes are in the
    /// order of what they say, and none comes after the row's deletion. Taken before the other locks of a session.
    pub(crate) has_row: Mutex<bool>,
    /// Whether it was written: not yet that of a guest who has only asked something.
    pub(crate) is_written: AtomicBool,
    negotiated: Mutex<Negotiated>,
    outbox: Mutex<Outbox>,
    /// Types of general notification that it subscribed to, as bits.
    notifications: AtomicU32,
    /// Where its client's last message came from, as far as a face says.
    address: Mutex<Option<IpAddr>>,
    /// The groups that it has joined.
    pub(crate) groups: Mutex<Vec<JoinedGroup>>,
    /// The groups of other domains that it has joined.
    pub(crate) abroad: Mutex<Vec<JoinedAbroad>>,
    has_auto_joined: AtomicBool,
    /// Whose presence it subscribed to.
    pub subscriptions: Mutex<SessionSubscriptions>,
    /// The last messages that it sent, so that a repeated request is carried out once.
    pub(crate) sent: Mutex<crate::im::SentRing>,
    /// Its messages are handed to the store in the order in which they came, and offered in that order.
    pub(crate) sending: Sending,
    /// One fetch from the store at a time.
    pub(crate) refill: tokio::sync::Mutex<()>,
    /// What the face keeps of this client.
    link: OnceLock<Arc<dyn Link>>,
}

/// Where the messages of one session that are sent together wait for each other: in both places first come, first served.
#[derive(Default)]
pub(crate) struct Sending {
    /// From the look at its recipients until a message is handed to the store.
    pub(crate) submits: tokio::sync::Mutex<()>,
    /// From then on; taken before the first is let go.
    pub(crate) offers: tokio::sync::Mutex<()>,
}

/// A group that a session has joined.
pub(crate) struct JoinedGroup {
    pub(crate) group: Arc<GroupState>,
    /// How its messages come, if otherwise than others.
    pub(crate) delivery: Option<DeliveryMethod>,
    /// Bytes of its largest message to push, if otherwise than of others.
    pub(crate) push_length: Option<u32>,
}

/// A group of another domain that a session has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedAbroad {
    /// Which.
    pub group: GroupId,
    /// Whether the client is told of changes.
    pub subscribed: bool,
}

/// What a new session consists of.
pub(crate) struct NewSession {
    pub(crate) id: SessionId,
    pub(crate) user: Arc<UserState>,
    pub(crate) client: ClientId,
    pub(crate) application: Option<Box<str>>,
    pub(crate) cookie: Box<str>,
    pub(crate) version: Version,
    pub(crate) opened: Timestamp,
    pub(crate) time_to_live: u32,
}

impl Session {
    pub(crate) fn new(new: NewSession, now: Timestamp) -> Self {
        Self {
            id: new.id,
            user: new.user,
            client: new.client,
            application: new.application,
            cookie: Mutex::new(new.cookie),
            version: new.version,
            opened: new.opened,
            opened_after: AtomicU64::new(0),
            last_seen: AtomicU64::new(now.0),
            time_to_live: AtomicU32::new(new.time_to_live),
            closed: AtomicBool::new(false),
            has_row: Mutex::new(true),
            is_written: AtomicBool::new(true),
            negotiated: Mutex::new(Negotiated::default()),
            outbox: Mutex::new(Outbox::default()),
            notifications: AtomicU32::new(0),
            address: Mutex::default(),
            groups: Mutex::default(),
            abroad: Mutex::default(),
            has_auto_joined: AtomicBool::new(false),
            subscriptions: Mutex::default(),
            sent: Mutex::default(),
            sending: Sending::default(),
            refill: tokio::sync::Mutex::default(),
            link: OnceLock::new(),
        }
    }

    /// What a CIR tells the client.
    pub fn cookie(&self) -> Box<str> {
        self.cookie.lock().clone()
    }

    pub(crate) fn set_cookie(&self, cookie: Box<str>) {
        *self.cookie.lock() = cookie;
    }

    /// Notes that the client is there.
    pub fn touch(&self, now: Timestamp) {
        self.last_seen.store(now.0, Ordering::Relaxed);
    }

    /// When the client was last heard of.
    pub fn last_seen(&self) -> Timestamp {
        Timestamp(self.last_seen.load(Ordering::Relaxed))
    }

    /// Seconds without a sign after which the session ends, grace not counted.
    pub fn time_to_live(&self) -> u32 {
        self.time_to_live.load(Ordering::Relaxed)
    }

    pub(crate) fn set_time_to_live(&self, seconds: u32) {
        self.time_to_live.store(seconds, Ordering::Relaxed);
    }

    /// Whether the client has not been heard of for too long. The grace is this percentage, 5 s at least.
    pub fn is_expired(&self, now: Timestamp, grace_percent: u32) -> bool {
        let ttl = u64::from(self.time_to_live());
        let grace = (ttl * u64::from(grace_percent) / 100).max(5);
        now.since(self.last_seen()) > Duration::from_secs(ttl + grace)
    }

    /// Whether it is over.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Marks it as over; `false` when it was already.
    pub(crate) fn close(&self) -> bool {
        !self.closed.swap(true, Ordering::AcqRel)
    }

    /// Types of general notification that it subscribed to (CSP 4.10).
    pub fn notifications(&self) -> NotificationTypes {
        NotificationTypes::from_bits(self.notifications.load(Ordering::Relaxed))
    }

    pub(crate) fn set_notifications(&self, types: NotificationTypes) {
        self.notifications.store(types.bits(), Ordering::Relaxed);
    }

    /// Where its client's last message came from; after a restart, where that was when the session was written last.
    pub fn address(&self) -> Option<IpAddr> {
        *self.address.lock()
    }

    /// A message came from here. `None` changes nothing.
    pub fn set_address(&self, address: Option<IpAddr>) {
        if address.is_some() {
            *self.address.lock() = address;
        }
    }

    /// What was negotiated, under its lock.
    pub fn negotiated(&self) -> MutexGuard<'_, Negotiated> {
        self.negotiated.lock()
    }

    /// The groups that it has joined.
    pub fn joined_groups(&self) -> Vec<Arc<GroupState>> {
        self.groups.lock().iter().map(|one| one.group.clone()).collect()
    }

    /// Whether it is to join now what its user joins by himself: once.
    pub(crate) fn begin_auto_join(&self) -> bool {
        !self.has_auto_joined.swap(true, Ordering::AcqRel)
    }

    /// Whether it has joined the group with this canonical address.
    pub(crate) fn has_joined(&self, group: &str) -> bool {
        self.groups.lock().iter().any(|one| one.group.id.as_str() == group)
            || self.abroad.lock().iter().any(|one| one.group.as_str() == group)
    }

    /// The groups of other domains that it has joined.
    pub fn joined_abroad(&self) -> Vec<JoinedAbroad> {
        self.abroad.lock().clone()
    }

    /// How messages of a group come, where that is otherwise than for others; none when it has not joined.
    pub(crate) fn group_delivery(&self, group: &GroupId) -> Option<(Option<DeliveryMethod>, Option<u32>)> {
        let groups = self.groups.lock();
        groups.iter().find(|one| one.group.id == *group).map(|one| (one.delivery, one.push_length))
    }

    /// The events that wait, under their lock.
    pub fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock()
    }

    /// What the face keeps of this client, made when it is first asked for.
    pub fn link(&self, make: impl FnOnce() -> Arc<dyn Link>) -> &Arc<dyn Link> {
        self.link.get_or_init(make)
    }

    /// What the face keeps of this client, if it was heard of by this process.
    pub fn linked(&self) -> Option<&Arc<dyn Link>> {
        self.link.get()
    }

    /// Tells the face that something waits.
    pub fn wake(&self) {
        if let Some(link) = self.link.get() {
            link.wake(&self.id);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Session({:?} of {})", self.id, self.user.id)
    }
}

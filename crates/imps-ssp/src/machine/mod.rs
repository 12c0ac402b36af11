//! One peer as a machine: what comes in are events, what goes out are actions, and the time is told. No sockets, no
//! clock, no tasks: the program around it posts what it is told to post, and says how that went.

mod handshake;
mod incoming;
mod outgoing;
mod seen;
mod sessions;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use imps_proto::ssp::{Body, Dialect, Message, MetaInfo, Mode, Primitive};
use imps_service::Timestamp;
use imps_types::{Domain, Secret, Status, TransactionId};

use crate::access::Territory;
use crate::agreement::Agreement;
use crate::trust::DigestScheme;

pub(crate) use incoming::only_reads;
pub use outgoing::OpenTransaction;
pub(crate) use outgoing::{Failure, Haste, Outgoing};

/// A session ID that has fewer random bits than these can be guessed.
const ID_BITS: f64 = 64.0;

/// What holds for every peer.
#[derive(Clone, Debug)]
pub struct LinkSettings {
    /// For how long a session is wanted.
    pub time_to_live: Duration,
    /// How long a set-up may take.
    pub setup_within: Duration,
    /// The pause after a set-up that failed; it doubles each time.
    pub setup_pause: Duration,
    /// The longest pause.
    pub setup_pause_max: Duration,
    /// How many set-ups a peer may begin in a minute.
    pub setups_per_minute: u32,
    /// How long we wait at a second attempt before we show that we received a token: some keep theirs only then.
    pub patience: Duration,
    /// How long a request waits for its answer (T1).
    pub reply_within: Duration,
    /// When nothing was sent for half of this time, the peer is asked whether it is there.
    pub keep_alive: Duration,
    /// For how long an answer is remembered.
    pub remember: Duration,
    /// How many answers are: with room for them, 30 octets each. Beyond, the oldest are forgotten before their time.
    pub remember_max: usize,
    /// How many octets those that say more than a status have together; of those beyond, the status is remembered.
    pub remember_bytes: usize,
    /// Transactions of the peer that are open at once; and as many of ours.
    pub open_max: usize,
    /// Octets of the peer's transactions that are open at once.
    pub open_bytes: usize,
    /// Octets of answers that wait for the peer to take them.
    pub reply_bytes: usize,
    /// Transactions of the peer per second.
    pub rate: u32,
    /// Recipients of a message.
    pub recipients_max: usize,
    /// POSTs that are under way to a peer at once.
    pub posts_max: usize,
    /// Transactions in one POST.
    pub batch_max: usize,
    /// Bytes after which no further transaction is put into a POST.
    pub batch_bytes: usize,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            time_to_live: Duration::from_secs(86_400),
            setup_within: Duration::from_secs(60),
            setup_pause: Duration::from_secs(10),
            setup_pause_max: Duration::from_secs(900),
            setups_per_minute: 10,
            patience: Duration::from_millis(300),
            reply_within: Duration::from_secs(30),
            keep_alive: Duration::from_secs(300),
            remember: Duration::from_secs(600),
            // 2,500 a second, for the time and a tenth of it.
            remember_max: 1_650_000,
            remember_bytes: 32 << 20,
            open_max: 1000,
            open_bytes: 64 << 20,
            reply_bytes: 16 << 20,
            rate: 5000,
            recipients_max: 500,
            posts_max: 4,
            batch_max: 32,
            batch_bytes: 256 << 10,
        }
    }
}

/// Where random numbers come from.
pub(crate) trait Dice: Send {
    /// 32 octets that nobody can guess; none: the system has none, and nothing is begun that needs them.
    fn octets(&mut self) -> Option<[u8; 32]>;
}

/// How a POST went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    /// It was taken.
    Taken,
    /// 401: the session, or the set-up, is not known there.
    Unauthorized,
    /// The connection was closed without an answer.
    Closed,
    /// Another HTTP status: it will never be taken.
    Refused(u16),
    /// 503: later.
    Busy(Duration),
    /// No connection.
    Unreachable,
    /// There is no way to this domain: not in the table, not in DNS.
    NoWay,
}

impl std::fmt::Display for Posted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Taken => f.write_str("it was taken"),
            Self::Unauthorized => f.write_str("HTTP 401: the session, or this domain as a peer, is not known there"),
            Self::Closed => f.write_str("the connection was closed without an answer"),
            Self::Refused(status) => write!(f, "HTTP {status}: no SSP is spoken there"),
            Self::Busy(pause) => write!(f, "HTTP 503: try again in {} s", pause.as_secs()),
            Self::Unreachable => f.write_str("there is no connection to it"),
            Self::NoWay => f.write_str("it has no address that may be used"),
        }
    }
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// POST this to the peer, and say how it went.
    Post(Post),
    /// Carry out what the peer asks for, and say what it is answered; unless it only tells.
    Perform(TransactionId, Primitive),
    /// A request of ours is through.
    Finished(u64, Result<Primitive, Failure>),
    /// An answer came after its time; a message's state may still change by it.
    Late(TransactionId, Primitive),
    /// A session came up, or the last one went.
    Session(bool),
}

/// A message to be posted.
#[derive(Debug, PartialEq)]
pub(crate) struct Post {
    /// By what its outcome is told.
    pub(crate) id: u64,
    /// The message.
    pub(crate) body: Vec<u8>,
    /// The header `x-wv-transactionid`, if it has one transaction.
    pub(crate) transaction: Option<TransactionId>,
    /// The header `x-wv-sessionid`.
    pub(crate) session: Option<Arc<str>>,
    /// Whether every address of the peer is tried, and the first that takes it is kept: it is a token.
    pub(crate) finds_way: bool,
    /// Where to post instead of the peer's usual address.
    pub(crate) instead: Option<Box<str>>,
    /// Not before this time has gone.
    pub(crate) after: Duration,
}

/// What the HTTP answer to a peer's POST is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// 200.
    Taken,
    /// 401 with `x-wv-status: 604`.
    Unauthorized,
    /// 503 with Retry-After.
    Busy,
}

/// One peer.
pub(crate) struct Link {
    names: Names,
    settings: Arc<LinkSettings>,
    territory: Arc<Territory>,
    agreement: Agreement,
    dialect: Option<Dialect>,
    /// The peer is one of those that never answer what they are told (SSP 17).
    is_old: bool,
    dice: Box<dyn Dice>,
    /// We have ended the session for good: no other one is begun.
    is_over: bool,
    setup: handshake::Setup,
    sessions: sessions::Sessions,
    outgoing: outgoing::Queue,
    incoming: incoming::Incoming,
    /// POSTs whose outcome is awaited, and what was in them.
    posts: rustc_hash::FxHashMap<u64, InPost>,
    last_post: u64,
    actions: VecDeque<Action>,
}

/// Who talks to whom.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    /// We.
    pub(crate) own: Domain,
    /// The other.
    pub(crate) peer: Domain,
}

impl Names {
    fn own_id(&self) -> String {
        format!("wv:@{}", self.own)
    }

    fn peer_id(&self) -> String {
        format!("wv:@{}", self.peer)
    }

    /// MetaInfo of what we ask for ourselves.
    pub(crate) fn meta(&self) -> MetaInfo {
        MetaInfo::of_domain(self.own_id().as_str().into())
    }
}

/// What is in a POST.
enum InPost {
    /// A step of a set-up.
    Setup(handshake::Step),
    /// Transactions.
    Transactions(outgoing::Batch),
}

impl Link {
    pub(crate) fn new(
        names: Names,
        settings: Arc<LinkSettings>,
        territory: Arc<Territory>,
        agreement: Agreement,
        scheme: DigestScheme,
        dice: Box<dyn Dice>,
    ) -> Self {
        Self {
            setup: handshake::Setup::new(scheme),
            sessions: sessions::Sessions::default(),
            outgoing: outgoing::Queue::default(),
            incoming: incoming::Incoming::new(settings.rate),
            names,
            settings,
            territory,
            agreement,
            dialect: None,
            is_old: false,
            is_over: false,
            dice,
            posts: rustc_hash::FxHashMap::default(),
            last_post: 0,
            actions: VecDeque::new(),
        }
    }

    /// What is to be done, in order.
    pub(crate) fn actions(&mut self) -> Vec<Action> {
        self.actions.drain(..).collect()
    }

    /// What holds with the peer.
    pub(crate) fn agreement(&self) -> &Agreement {
        &self.agreement
    }

    pub(crate) fn set_agreement(&mut self, agreement: Agreement) {
        self.agreement = agreement;
    }

    /// A message came from the peer, or from somebody at this address who says that he is the peer.
    pub(crate) fn receive(&mut self, message: Message, from: Option<IpAddr>, now: Timestamp) -> Verdict {
        self.expire(now);
        let dialect = message.dialect;
        let verdict = match message.body {
            Body::Setup { mode, id, primitive } => {
                self.take_setup((mode, id, *primitive), handshake::Origin { from, dialect }, now)
            }
            Body::Session { id, transactions } => {
                let Some(session) = self.sessions.find(&id, now) else { return Verdict::Unauthorized };
                if !self.may_speak_from(&id, from) {
                    tracing::warn!(peer = %self.names.peer, ?from, "a session that can be guessed, from where it was not opened");
                    return Verdict::Unauthorized;
                }
                self.dialect.get_or_insert(dialect);
                self.outgoing.heard();
                for transaction in transactions {
                    match transaction.mode {
                        Mode::Request => self.take_request(session, transaction, now),
                        Mode::Response => self.take_response(transaction, now),
                    }
                }
                Verdict::Taken
            }
        };
        self.pump(now);
        verdict
    }

    /// Whether a session of this ID of the peer may be spoken in from there: one that can be guessed only from where the peer
    /// was proved to be.
    fn may_speak_from(&self, id: &str, from: Option<IpAddr>) -> bool {
        let sources = &self.setup.sources;
        from.is_none() || sources.is_empty() || sources.is_of_peer(from) || sources::bits_of(id) >= ID_BITS
    }

    /// Whether the peer was proved to be there.
    pub(crate) fn is_at(&self, from: Option<IpAddr>) -> bool {
        self.setup.sources.is_of_peer(from)
    }

    /// Where the peer is published: its set-ups have places of their own there, before anything was proved.
    pub(crate) fn is_published_at(&mut self, addresses: Vec<IpAddr>) {
        self.setup.sources.peer_is_published_at(addresses);
    }

    /// A POST is through.
    pub(crate) fn posted(&mut self, id: u64, how: Posted, now: Timestamp) {
        self.expire(now);
        match self.posts.remove(&id) {
            Some(InPost::Setup(step)) => self.setup_posted(step, how, now),
            Some(InPost::Transactions(batch)) => self.batch_posted(batch, how, now),
            None => {}
        }
        self.pump(now);
    }

    /// Time has gone.
    pub(crate) fn tick(&mut self, now: Timestamp) {
        self.expire(now);
        self.pump(now);
    }

    /// When the next [`tick`](Self::tick) is due at the latest.
    pub(crate) fn next_tick(&self, now: Timestamp) -> Option<Timestamp> {
        // With a session, what waits does not wait for a set-up.
        let waits = self.outgoing.waits_from().filter(|_| !self.is_up(now));
        let setup = self.setup.next_tick(waits);
        let sessions = self.sessions.next_tick(&self.settings, self.setup.opens_from());
        let outgoing = self.outgoing.next_tick(now);
        let incoming = self.incoming.next_tick(&self.settings);
        [setup, sessions, outgoing, incoming].into_iter().flatten().map(|at| at.max(now)).min()
    }

    /// Whether nothing would be lost if this were forgotten.
    pub(crate) fn is_idle(&self, now: Timestamp) -> bool {
        self.sessions.is_empty()
            && self.outgoing.is_idle()
            && self.setup.is_idle(now)
            && self.incoming.is_idle()
            && self.posts.is_empty()
    }

    /// What time does: set-ups that took too long, sessions that ended, requests that nobody answered.
    fn expire(&mut self, now: Timestamp) {
        self.expire_setups(now);
        self.expire_sessions(now);
        self.expire_requests(now);
        self.forget_old(now);
        if self.agreement.until.is_some_and(|until| until <= now) {
            self.agreement = Agreement::default_with(self.territory.table().offered());
        }
    }

    fn post(&mut self, what: InPost, post: Post) {
        self.posts.insert(post.id, what);
        self.actions.push_back(Action::Post(post));
    }

    fn next_post(&mut self) -> u64 {
        self.last_post += 1;
        self.last_post
    }

    fn dialect(&self) -> Dialect {
        self.dialect.unwrap_or_default()
    }

    /// Random octets as digits.
    fn random_text(&mut self, octets: usize) -> Option<String> {
        use std::fmt::Write as _;
        let mut text = String::with_capacity(2 * octets);
        for octet in self.dice.octets()?.iter().take(octets) {
            let _ = write!(text, "{octet:02x}");
        }
        Some(text)
    }

    fn new_transaction(&mut self) -> Option<TransactionId> {
        Some(TransactionId::new(&self.random_text(16)?))
    }

    fn new_token(&mut self) -> Option<Secret<Box<[u8]>>> {
        Some(Secret::new(self.random_text(32)?.into_bytes().into()))
    }
}

/// What a transaction is answered whose ID was used for another one.
fn used_again() -> Primitive {
    status(Status::INVALID_TRANSACTION_ID, "the ID was used for something else")
}

/// What a request is answered for which there is no room now.
fn try_later(why: &str) -> Primitive {
    let mut result = imps_types::element::ResultInfo::of(Status::SERVER_UNAVAILABLE);
    result.description = Some(why.into());
    result.try_again = Some(1);
    Primitive::Status(result)
}

/// A plain answer.
pub(crate) fn status(status: Status, why: &str) -> Primitive {
    let mut result = imps_types::element::ResultInfo::of(status);
    if !why.is_empty() {
        result.description = Some(why.into());
    }
    Primitive::Status(result)
}

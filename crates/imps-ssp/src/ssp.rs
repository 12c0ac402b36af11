//! Peers over HTTP: what the machines want done is done, and what comes is given to them.

mod probe;

use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use imps_proto::ssp::{
    self, Body, GetServiceListResponse, Message, MetaInfo, Mode, Primitive, Service as Offered,
    SetServiceAgreementRequest,
};
use imps_proto::wire::{Form, utf8};
use imps_service::seam::Reach;
use imps_service::{Clock, Timestamp};
use imps_types::element::ResultInfo;
use imps_types::{Address, Domain, Status, TransactionId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::access::{Territory, domain_of};
use crate::agreement::{self, Agreement, Origin, Terms};
use crate::config::{PeerConfig, SspConfig};
use crate::find::{Finder, NoWay, Resolver, TlsPolicy};
use crate::machine::{
    Action, Dice, Failure, Link, LinkSettings, Names, OpenTransaction, Outgoing, Post, Posted, Verdict, status,
};
use crate::post::{Poster, is_ssp};
use crate::tls::TlsTrust;
use crate::trust::DigestScheme;

pub use probe::Step;

/// How many unknown domains are looked up at once for those who claim to be them.
const LOOKUPS_MAX: usize = 32;
/// In how many lanes a peer's transactions are carried out; those of one user keep their order.
const LANES: usize = 64;
/// How long a machine that has nothing to do is kept.
const KEPT: Duration = Duration::from_secs(60);

/// What is done with what peers say.
pub trait Service: Send + Sync {
    /// Carries out what a peer asks for, or was told; what comes back is the answer, where one is wanted.
    fn perform<'a>(&'a self, peer: &'a Domain, said: Primitive) -> BoxFuture<'a, Primitive>;

    /// An answer came after its time was over.
    fn late(&self, peer: &Domain, id: &TransactionId, said: Primitive) {
        let _ = said;
        tracing::info!(%peer, id = id.as_str(), "an answer came too late");
    }

    /// A session with a peer came up, or the last one went.
    fn session(&self, peer: &Domain, is_up: bool) {
        tracing::info!(%peer, is_up, "session with a peer");
    }

    /// What holds with a peer has changed.
    fn agreed<'a>(&'a self, peer: &'a Domain, agreement: &'a Agreement) -> BoxFuture<'a, ()> {
        tracing::info!(%peer, id = %agreement.id, "agreement with a peer");
        Box::pin(async {})
    }

    /// What held with a peer before the server was started again.
    fn kept<'a>(&'a self, peer: &'a Domain) -> BoxFuture<'a, Option<Agreement>> {
        let _ = peer;
        Box::pin(async { None })
    }
}

/// A request came by HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    /// Its body.
    pub body: &'a Bytes,
    /// The header Content-Type.
    pub content_type: Option<&'a str>,
    /// Whether it came by TLS.
    pub secure: bool,
}

/// What it is answered. The body is empty, or says in words what was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The HTTP status.
    pub status: u16,
    /// The header `x-wv-status`.
    pub wv_status: Option<u16>,
    /// The header Retry-After, seconds.
    pub retry_after: Option<u32>,
    /// What was wrong.
    pub why: &'static str,
}

impl Receipt {
    const TAKEN: Self = Self { status: 200, wv_status: None, retry_after: None, why: "" };
    const UNKNOWN: Self =
        Self { status: 401, wv_status: Some(604), retry_after: None, why: "no such session, or no such set-up" };

    const fn refused(status: u16, why: &'static str) -> Self {
        Self { status, wv_status: None, retry_after: None, why }
    }

    const fn later(seconds: u32, why: &'static str) -> Self {
        Self { status: 503, wv_status: None, retry_after: Some(seconds), why }
    }
}

/// Why there is no answer, and what whoever asked is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// The status.
    pub status: Status,
    /// When to try again, where that is known.
    pub try_again: Option<Duration>,
    /// Whether the peer has taken the request, and only the answer is missing.
    pub taken: bool,
}

/// A request to a peer, and what is said of it.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What it says.
    pub primitive: Primitive,
    /// Its ID of an attempt before.
    pub id: Option<TransactionId>,
    /// Of all with the same one, one is under way at a time.
    pub lane: Option<u64>,
    /// How long it may take; none: T1.
    pub within: Option<Duration>,
}

impl Ask {
    /// A request about which nothing else is to be said.
    pub fn of(primitive: impl Into<Primitive>) -> Self {
        Self { primitive: primitive.into(), id: None, lane: None, within: None }
    }
}

/// A peer as an operator sees it.
#[derive(Clone, Debug)]
pub struct PeerState {
    /// Who.
    pub domain: Domain,
    /// Our ID, the peer's, and the end of each session that is up.
    pub sessions: Vec<(Arc<str>, Arc<str>, Timestamp)>,
    /// What holds.
    pub agreement: Agreement,
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
    /// When a POST was not taken last, and what happened.
    pub last_failure: Option<(Timestamp, String)>,
}

type Waiting = oneshot::Sender<Result<Primitive, Unanswered>>;

struct Peer {
    domain: Domain,
    link: Mutex<Link>,
    /// When the machine's timer wakes; the task sleeps until then.
    armed: AtomicU64,
    rearm: Notify,
    /// The address that took our last token.
    way: Mutex<Option<String>>,
    poster: OnceLock<Option<Poster>>,
    asks: Mutex<FxHashMap<u64, Waiting>>,
    last_ask: AtomicU64,
    lanes: Vec<Mutex<Lane>>,
    /// When an agreement was asked for last.
    negotiated: AtomicU64,
    posts: (AtomicU64, AtomicU64),
    arrivals: (AtomicU64, AtomicU64),
    /// When a POST was not taken last, and what happened.
    last_failure: Mutex<Option<(Timestamp, String)>>,
    /// Its line was changed: another machine is in its place.
    is_retired: AtomicBool,
}

/// Transactions that are carried out one after the other.
#[derive(Default)]
struct Lane {
    waiting: VecDeque<(TransactionId, Primitive)>,
    is_running: bool,
}

/// SSP over HTTP.
pub struct Ssp {
    config: SspConfig,
    settings: Arc<LinkSettings>,
    territory: Arc<Territory>,
    finder: Finder,
    clock: Clock,
    service: Arc<dyn Service>,
    peers: Mutex<FxHashMap<Domain, Arc<Peer>>>,
    lookups: Semaphore,
    /// No session is begun any more.
    is_stopping: AtomicBool,
    this: Weak<Self>,
}

/// The system's random numbers.
struct SystemDice;

impl Dice for SystemDice {
    fn octets(&mut self) -> Option<[u8; 32]> {
        let mut octets = [0; 32];
        match getrandom::fill(&mut octets) {
            Ok(()) => Some(octets),
            Err(error) => {
                tracing::error!(%error, "no random numbers: no session with another domain is begun");
                None
            }
        }
    }
}

impl Ssp {
    /// A face of this service. Without a resolver, only the table of peers counts.
    pub fn new(
        config: SspConfig,
        service: Arc<dyn Service>,
        resolver: Option<Arc<dyn Resolver>>,
        clock: Clock,
    ) -> Arc<Self> {
        let mut territory = Territory::of(config.domain.clone(), config.offered.iter().copied());
        territory.served.extend(config.served.iter().cloned());
        let finder = Finder::new(config.peers.clone(), resolver, clock.clone());
        Arc::new_cyclic(|this| Self {
            settings: Arc::new(config.link.clone()),
            territory: Arc::new(territory),
            finder,
            clock,
            service,
            peers: Mutex::default(),
            lookups: Semaphore::new(LOOKUPS_MAX),
            is_stopping: AtomicBool::new(false),
            this: this.clone(),
            config,
        })
    }

    /// Whether a request of this type is for this face.
    pub fn takes(content_type: &str) -> bool {
        is_ssp(Some(content_type))
    }

    /// MetaInfo of what we ask for ourselves.
    pub fn meta(&self) -> MetaInfo {
        MetaInfo::of_domain(format!("wv:@{}", self.config.domain).as_str().into())
    }

    /// A message was posted to us.
    pub async fn receive(&self, arrival: Arrival<'_>) -> Receipt {
        if !is_ssp(arrival.content_type) {
            return Receipt::refused(415, "messages of application/vnd.wv.ssp+xml are taken here");
        }
        if arrival.body.len() > self.config.body_max {
            return Receipt::refused(413, "the message is too large");
        }
        let message = match utf8(Form::Xml, arrival.body) {
            Ok(text) => Message::read(&text, &ssp::limits(self.config.body_max)),
            Err(error) => Err(error.into()),
        };
        match message {
            Ok(message) => self.take(message, arrival.secure).await,
            Err(error) => {
                tracing::info!(%error, "a message that cannot be read");
                Receipt::refused(400, "this is no message of SSP")
            }
        }
    }

    async fn take(&self, message: Message, secure: bool) -> Receipt {
        let Some(domain) = self.speaker(&message) else { return Receipt::UNKNOWN };
        if self.territory.is_own(domain.as_str()) {
            return Receipt::UNKNOWN;
        }
        if self.finder.policy(&domain) == TlsPolicy::Required && !secure {
            return Receipt::refused(401, "this domain is spoken with by TLS only");
        }
        let begins = matches!(&message.body, Body::Setup { mode: Mode::Request, primitive, .. }
            if matches!(**primitive, Primitive::SendSecretToken(_)));
        let known = self.peers.lock().get(&domain).cloned();
        let peer = match known {
            Some(peer) => peer,
            None if begins && (self.config.open || self.finder.line(&domain).is_some()) => {
                let Ok(_lookup) = self.lookups.try_acquire() else {
                    return Receipt::later(10, "too many domains begin at once");
                };
                // A token is answered where the domain is published, or not at all.
                if self.finder.ways(&domain).await.is_err() {
                    tracing::info!(%domain, "a token of a domain that is published nowhere");
                    return Receipt::UNKNOWN;
                }
                self.peer(&domain).await
            }
            None => return Receipt::UNKNOWN,
        };
        peer.arrivals.0.fetch_add(1, Ordering::Relaxed);
        let verdict = peer.link.lock().receive(message, self.clock.now());
        self.settle(&peer);
        let receipt = match verdict {
            Verdict::Taken => return Receipt::TAKEN,
            Verdict::Unauthorized => Receipt::UNKNOWN,
            Verdict::Busy => Receipt::later(60, "too many set-ups"),
        };
        peer.arrivals.1.fetch_add(1, Ordering::Relaxed);
        receipt
    }

    /// The domain that a message claims to be from.
    fn speaker(&self, message: &Message) -> Option<Domain> {
        let of_session = |id: &str| Domain::parse(id.rsplit_once('@')?.1).ok();
        let of_service = |id: &Address| Domain::parse(&domain_of(id)?).ok();
        match &message.body {
            Body::Session { id, .. } => of_session(id),
            Body::Setup { id, primitive, .. } => match &**primitive {
                Primitive::SendSecretToken(said) => of_service(&said.service_id),
                Primitive::LoginRequest(said) => of_service(&said.service_id),
                // A refusal names no session: it is an answer to the set-up of this ID.
                Primitive::LoginResponse(said) => match &said.session_id {
                    Some(session) => of_session(session),
                    None => self.opening(id),
                },
                _ => None,
            },
        }
    }

    fn opening(&self, id: &TransactionId) -> Option<Domain> {
        let peers: Vec<_> = self.peers.lock().values().cloned().collect();
        peers.into_iter().find(|peer| peer.link.lock().is_opening(id)).map(|peer| peer.domain.clone())
    }

    /// The machine of a peer; made if it is not there.
    async fn peer(&self, domain: &Domain) -> Arc<Peer> {
        if let Some(peer) = self.peers.lock().get(domain) {
            return peer.clone();
        }
        let line = self.finder.line(domain);
        let agreement = match line.as_ref().and_then(|line| line.contract.clone()) {
            Some(contract) => Agreement::of_contract(contract),
            None => match self.service.kept(domain).await {
                Some(kept) => kept,
                None => Agreement::default_with(&self.territory.offered),
            },
        };
        let names = Names { own: self.config.domain.clone(), peer: domain.clone() };
        let scheme = line.map_or_else(DigestScheme::default, |line| line.digest);
        let (settings, territory) = (self.settings.clone(), self.territory.clone());
        let link = Link::new(names, settings, territory, agreement, scheme, Box::new(SystemDice));
        let peer = Arc::new(Peer {
            domain: domain.clone(),
            link: Mutex::new(link),
            armed: AtomicU64::new(u64::MAX),
            rearm: Notify::new(),
            way: Mutex::default(),
            poster: OnceLock::new(),
            asks: Mutex::default(),
            last_ask: AtomicU64::new(0),
            lanes: (0..LANES).map(|_| Mutex::default()).collect(),
            negotiated: AtomicU64::new(0),
            posts: Default::default(),
            arrivals: Default::default(),
            last_failure: Mutex::default(),
            is_retired: AtomicBool::new(false),
        });
        match self.peers.lock().entry(domain.clone()) {
            Entry::Occupied(there) => there.get().clone(),
            Entry::Vacant(place) => {
                place.insert(peer.clone());
                tokio::spawn(keep_time(self.this.clone(), peer.clone()));
                peer
            }
        }
    }

    /// Does what the machine wants done.
    fn settle(&self, peer: &Arc<Peer>) {
        let now = self.clock.now();
        let (actions, rearm) = {
            let mut link = peer.link.lock();
            let next = link.next_tick(now).map_or(u64::MAX, |at| at.0);
            // The task that keeps the time sets this under the same lock.
            let rearm = next < peer.armed.load(Ordering::Relaxed);
            if rearm {
                peer.armed.store(next, Ordering::Relaxed);
            }
            (link.actions(), rearm)
        };
        self.act(peer, actions);
        if rearm {
            peer.rearm.notify_one();
        }
    }

    fn act(&self, peer: &Arc<Peer>, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Post(post) => self.spawn(peer, |this, peer| async move { this.post(peer, post).await }),
                Action::Perform(id, said) => self.enqueue(peer, id, said),
                Action::Finished(number, how) => {
                    if let Some(waiting) = peer.asks.lock().remove(&number) {
                        // Whoever asked may be gone.
                        let _ = waiting.send(how.map_err(Unanswered::from));
                    }
                }
                Action::Late(id, said) => self.service.late(&peer.domain, &id, said),
                Action::Session(is_up) => {
                    self.service.session(&peer.domain, is_up);
                    if is_up {
                        self.spawn(peer, |this, peer| async move { this.negotiate(&peer).await });
                    }
                }
            }
        }
    }

    fn spawn<F>(&self, peer: &Arc<Peer>, work: impl FnOnce(Arc<Self>, Arc<Peer>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(this) = self.this.upgrade() {
            tokio::spawn(work(this, peer.clone()));
        }
    }

    /// Posts a message, and tells the machine how that went.
    async fn post(self: Arc<Self>, peer: Arc<Peer>, mut post: Post) {
        if !post.after.is_zero() {
            tokio::time::sleep(post.after).await;
        }
        let body = Bytes::from(std::mem::take(&mut post.body));
        let (how, answer) = self.post_somewhere(&peer, &post, &body).await;
        peer.posts.0.fetch_add(1, Ordering::Relaxed);
        if how != Posted::Taken {
            peer.posts.1.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(peer = %peer.domain, ?how, "a message was not taken");
            *peer.last_failure.lock() = Some((self.clock.now(), how.to_string()));
        }
        peer.link.lock().posted(post.id, how, self.clock.now());
        self.settle(&peer);
        // Peers answer by a POST of their own; one that answers here is understood as well.
        let message = answer.and_then(|answer| Message::read(&answer, &ssp::limits(self.config.body_max)).ok());
        if let Some(message) = message.filter(|message| self.speaker(message).as_ref() == Some(&peer.domain)) {
            peer.link.lock().receive(message, self.clock.now());
            self.settle(&peer);
        }
    }

    async fn post_somewhere(&self, peer: &Peer, post: &Post, body: &Bytes) -> (Posted, Option<Bytes>) {
        let Some(poster) = peer.poster.get_or_init(|| self.poster(&peer.domain)) else {
            return (Posted::Unreachable, None);
        };
        let kept = peer.way.lock().clone().filter(|_| !post.finds_way);
        let ways = match (&post.instead, kept) {
            (Some(url), _) => vec![url.to_string()],
            (None, Some(way)) => vec![way],
            (None, None) => match self.finder.ways(&peer.domain).await {
                Ok(ways) => ways,
                Err(NoWay::Unknown | NoWay::NotSecure) => return (Posted::NoWay, None),
                Err(NoWay::Failed) => return (Posted::Unreachable, None),
            },
        };
        let mut last = (Posted::Unreachable, None);
        for way in ways {
            if self.finder.policy(&peer.domain) == TlsPolicy::Required && !way.starts_with("https://") {
                continue;
            }
            last = poster.post(&way, post, body).await;
            if last.0 == Posted::Taken {
                if post.finds_way {
                    *peer.way.lock() = Some(way);
                }
                break;
            }
            // Somebody was there and said no: the others are the same domain.
            if last.0 != Posted::Unreachable {
                break;
            }
        }
        last
    }

    fn poster(&self, domain: &Domain) -> Option<Poster> {
        let trust = self.finder.line(domain).map_or_else(TlsTrust::default, |line| line.trust.clone());
        match Poster::new(domain, &trust, &self.config.post) {
            Ok(poster) => Some(poster),
            Err(error) => {
                tracing::error!(peer = %domain, error, "no way to this domain");
                None
            }
        }
    }

    /// Puts a transaction into its lane: those of one user are carried out in the order in which they came.
    fn enqueue(&self, peer: &Arc<Peer>, id: TransactionId, said: Primitive) {
        use std::hash::BuildHasher as _;
        let user = said.meta().and_then(|meta| meta.requestor.user.as_ref()).map(|user| user.user_id.as_str());
        let key = rustc_hash::FxBuildHasher.hash_one(user.unwrap_or_default());
        let at = usize::try_from(key % LANES as u64).unwrap_or_default();
        let Some(lane) = peer.lanes.get(at) else { return };
        let mut lane = lane.lock();
        lane.waiting.push_back((id, said));
        if !std::mem::replace(&mut lane.is_running, true) {
            self.spawn(peer, |this, peer| async move { this.run_lane(&peer, at).await });
        }
    }

    async fn run_lane(&self, peer: &Arc<Peer>, at: usize) {
        let Some(lane) = peer.lanes.get(at) else { return };
        loop {
            let next = {
                let mut lane = lane.lock();
                let next = lane.waiting.pop_front();
                lane.is_running = next.is_some();
                next
            };
            let Some((id, said)) = next else { return };
            let answer = self.perform(peer, said).await;
            peer.link.lock().answered(&id, answer, self.clock.now());
            self.settle(peer);
        }
    }

    /// What is between the domains themselves is done here.
    async fn perform(&self, peer: &Arc<Peer>, said: Primitive) -> Primitive {
        match said {
            Primitive::GetServiceListRequest(_) => {
                let services = Some(agreement::service_list(&self.territory.offered));
                GetServiceListResponse { status: ResultInfo::of(Status::SUCCESSFUL), services }.into()
            }
            Primitive::SetServiceAgreementRequest(asked) => self.agree(peer, &asked).await,
            said => self.service.perform(&peer.domain, said).await,
        }
    }

    async fn agree(&self, peer: &Arc<Peer>, asked: &SetServiceAgreementRequest) -> Primitive {
        let now = self.clock.now();
        let (answer, changed) = peer.link.lock().agreement().answer(asked, &self.territory.offered, now);
        if let Some(changed) = changed {
            self.set_agreement(peer, changed).await;
        }
        answer.into()
    }

    async fn set_agreement(&self, peer: &Arc<Peer>, agreement: Agreement) {
        peer.link.lock().set_agreement(agreement.clone());
        self.service.agreed(&peer.domain, &agreement).await;
    }

    /// Asks a new peer what it has, and for an agreement on what both have (SSP 11).
    async fn negotiate(&self, peer: &Arc<Peer>) {
        const PAUSE: Duration = Duration::from_secs(3600);
        const VALIDITY: u32 = 2_592_000;
        let now = self.clock.now();
        let is_open = peer.link.lock().agreement().origin == Origin::Default;
        let last = Timestamp(peer.negotiated.load(Ordering::Relaxed));
        if !self.config.negotiates || !is_open || (last.0 > 0 && now.since(last) < PAUSE) {
            return;
        }
        peer.negotiated.store(now.0, Ordering::Relaxed);
        let ask = imps_proto::ssp::GetServiceListRequest { meta: self.meta() };
        let Ok(Primitive::GetServiceListResponse(list)) = self.ask_peer(peer, Ask::of(ask)).await else { return };
        let theirs = list.services.iter().flat_map(|it| &it.services).filter_map(|it| Offered::parse(&it.name));
        let interop = theirs.filter(|service| self.territory.offered.contains(service)).collect();
        let wish = Terms { interop, ..Terms::default() };
        let id = format!("{}-{}", self.config.domain, now.seconds());
        let ask = agreement::proposal(self.meta(), &id, &wish, VALIDITY);
        let answer = self.ask_peer(peer, Ask::of(ask)).await;
        let until = Some(self.clock.now().plus(Duration::from_secs(u64::from(VALIDITY))));
        if let Ok(Primitive::SetServiceAgreementResponse(answer)) = answer
            && let Some(granted) = Agreement::granted(&wish, &answer, until)
        {
            self.set_agreement(peer, granted).await;
        }
    }

    /// Asks a domain for something.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, domain: &Domain, ask: Ask) -> Result<Primitive, Unanswered> {
        let is_known = self.config.open || self.finder.line(domain).is_some();
        if self.territory.is_own(domain.as_str()) || !is_known {
            return Err(Unanswered { status: Status::DOMAIN_NOT_SUPPORTED, try_again: None, taken: false });
        }
        if self.is_stopping.load(Ordering::Acquire) {
            return Err(Unanswered { status: Status::SERVER_UNAVAILABLE, try_again: None, taken: false });
        }
        let peer = self.peer(domain).await;
        self.ask_peer(&peer, ask).await
    }

    /// How long a request waits for its answer, unless it says otherwise.
    pub(crate) fn reply_within(&self) -> Duration {
        self.settings.reply_within
    }

    async fn ask_peer(&self, peer: &Arc<Peer>, ask: Ask) -> Result<Primitive, Unanswered> {
        // What is outside the agreement is not even sent.
        let is_allowed = {
            let link = peer.link.lock();
            ask.primitive.service().is_none_or(|service| link.agreement().allows(service))
        };
        if !is_allowed {
            return Err(Unanswered { status: Status::SERVICE_NOT_AGREED, try_again: None, taken: false });
        }
        let (sender, receiver) = oneshot::channel();
        let number = peer.last_ask.fetch_add(1, Ordering::Relaxed) + 1;
        peer.asks.lock().insert(number, sender);
        let within = ask.within.unwrap_or(self.settings.reply_within);
        let outgoing = Outgoing { number, id: ask.id, primitive: ask.primitive, lane: ask.lane, within };
        peer.link.lock().send(outgoing, self.clock.now());
        self.settle(peer);
        let gone = Unanswered { status: Status::SERVER_UNAVAILABLE, try_again: None, taken: false };
        receiver.await.unwrap_or(Err(gone))
    }

    /// Whether a domain is a peer, and this service agreed on with it. Where that is not known yet, it is found out by
    /// asking.
    pub fn reaches(&self, domain: &Domain, service: Offered) -> Reach {
        let line = self.finder.line(domain);
        if self.territory.is_own(domain.as_str()) || !(self.config.open || line.is_some()) {
            return Reach::Unknown;
        }
        let peer = self.peers.lock().get(domain).cloned();
        let allows = match (peer, line.as_ref().and_then(|line| line.contract.as_ref())) {
            (Some(peer), _) => peer.link.lock().agreement().allows(service),
            (None, Some(contract)) => Agreement::of_contract(contract.clone()).allows(service),
            (None, None) => Agreement::default_with(&self.territory.offered).allows(service),
        };
        if allows { Reach::Agreed } else { Reach::NotAgreed }
    }

    /// Tells a domain something in the form of an answer to this transaction (SSP 17).
    pub async fn tell_as_answer(&self, domain: &Domain, id: TransactionId, said: Primitive) {
        let peer = self.peer(domain).await;
        peer.link.lock().tell_as_answer(id, said, self.clock.now());
        self.settle(&peer);
    }

    /// Ends every session, politely, and waits a moment for the answers.
    pub async fn stop(&self, within: Duration) {
        self.is_stopping.store(true, Ordering::Release);
        let peers: Vec<_> = self.peers.lock().values().cloned().collect();
        for peer in &peers {
            peer.link.lock().log_out(self.clock.now());
            self.settle(peer);
        }
        let ended = async {
            while peers.iter().any(|peer| peer.link.lock().is_up(self.clock.now())) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(within, ended).await;
    }

    /// Takes a line of the table of peers, or the line anew: what is under way with the peer begins anew by it.
    pub fn set_peer(&self, line: PeerConfig) {
        let domain = line.domain.clone();
        self.finder.set_line(line);
        self.retire(&domain);
    }

    /// Strikes the line of a domain out: it is no peer any more, unless every domain is.
    pub fn remove_peer(&self, domain: &Domain) {
        self.finder.remove_line(domain);
        self.retire(domain);
    }

    /// Ends what goes on with a peer. Who waits for an answer is told to try again.
    fn retire(&self, domain: &Domain) {
        let Some(peer) = self.peers.lock().remove(domain) else { return };
        peer.link.lock().log_out(self.clock.now());
        self.settle(&peer);
        peer.is_retired.store(true, Ordering::Release);
        peer.asks.lock().clear();
        peer.rearm.notify_one();
    }

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
            requests: link.open_requests(),
            transactions: link.open_transactions(),
            way: peer.way.lock().clone(),
            posts: count(&peer.posts),
            arrivals: count(&peer.arrivals),
            last_failure: peer.last_failure.lock().clone(),
        }
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        let try_again = match failure {
            Failure::NotSent(_, _, pause) => Some(pause),
            _ => None,
        };
        let taken = matches!(failure, Failure::NoAnswer | Failure::WrongAnswer(_));
        Self { status: failure.status(), try_again, taken }
    }
}

impl Unanswered {
    /// As the answer to somebody for whom it was asked.
    pub fn answer(&self) -> Primitive {
        let Primitive::Status(mut result) = status(self.status, "") else { return status(self.status, "") };
        result.try_again = self.try_again.map(|pause| u32::try_from(pause.as_secs().max(1)).unwrap_or(u32::MAX));
        Primitive::Status(result)
    }
}

/// Tells the machine of a peer the time when it wants to know it; and forgets it when there is nothing to remember.
async fn keep_time(ssp: Weak<Ssp>, peer: Arc<Peer>) {
    loop {
        let Some(this) = ssp.upgrade() else { return };
        if peer.is_retired.load(Ordering::Acquire) {
            return;
        }
        let now = this.clock.now();
        let (actions, next, is_idle) = {
            let mut link = peer.link.lock();
            link.tick(now);
            let next = link.next_tick(now);
            peer.armed.store(next.map_or(u64::MAX, |at| at.0), Ordering::Relaxed);
            (link.actions(), next, link.is_idle())
        };
        this.act(&peer, actions);
        drop(this);
        let pause = next.map_or(KEPT, |at| at.since(now).max(Duration::from_millis(1)));
        let woken = tokio::select! {
            () = tokio::time::sleep(pause) => false,
            () = peer.rearm.notified() => true,
        };
        if !woken && is_idle && forget(&ssp, &peer) {
            return;
        }
    }
}

/// Forgets a peer with which nothing goes on. False: something does.
fn forget(ssp: &Weak<Ssp>, peer: &Arc<Peer>) -> bool {
    let Some(this) = ssp.upgrade() else { return true };
    let mut peers = this.peers.lock();
    // Nobody else holds it: the table and this task do.
    let is_there = peers.get(&peer.domain).is_some_and(|there| Arc::ptr_eq(there, peer));
    let is_idle = is_there && Arc::strong_count(peer) <= 2 && peer.asks.lock().is_empty() && peer.link.lock().is_idle();
    if is_idle {
        peers.remove(&peer.domain);
    }
    is_idle
}

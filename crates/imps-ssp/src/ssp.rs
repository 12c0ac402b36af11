//! Peers over HTTP: what the machines want done is done, and what comes is given to them.

mod agreeing;
mod complaints;
mod exchange;
mod greeting;
mod lanes;
mod places;
mod posting;
mod probe;
mod profiles;
mod refusals;
mod relaying;
mod service;
mod shown;
mod strangers;
mod time;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use imps_proto::ssp::{self, Body, Message, MetaInfo, Mode, Primitive, Service as Offered};
use imps_proto::wire::{Form, utf8};
use imps_service::seam::Reach;
use imps_service::{Clock, Timestamp};
use imps_types::{Domain, Status, TransactionId};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::access::Territory;
use crate::agreement::Agreement;
use crate::config::{PeerConfig, SspConfig};
use crate::find::{Finder, Resolver, TlsPolicy};
use crate::machine::{Action, Dice, Haste, Link, LinkSettings, Names, Outgoing, Verdict};
use crate::post::{Poster, is_ssp};
use crate::relay::{Circles, RouteLine, TransactionTable, home_of};
use crate::trust::DigestScheme;

use complaints::Complaints;
pub use exchange::{Arrival, Ask, Receipt, Unanswered};
use lanes::{LANES, Lane};
pub use probe::Step;
use profiles::Profiles;
pub use service::Service;
pub use shown::PeerState;

/// How many unknown domains are looked up at once for those who claim to be them.
const LOOKUPS_MAX: usize = 32;

/// Why a message that came without TLS is refused.
const NO_TLS: &str = "this domain is spoken with by TLS only";

type Waiting = oneshot::Sender<Result<Primitive, Unanswered>>;
type Answering = oneshot::Receiver<Result<Primitive, Unanswered>>;

struct Peer {
    domain: Domain,
    link: Mutex<Link>,
    /// When the machine's timer wakes; the task sleeps until then.
    armed: AtomicU64,
    rearm: Notify,
    /// The address that took our last token.
    way: Mutex<Option<String>>,
    /// POSTs in a row that did not get through to it.
    unreachable: AtomicU32,
    poster: OnceLock<Result<Poster, String>>,
    asks: Mutex<FxHashMap<u64, Waiting>>,
    last_ask: AtomicU64,
    lanes: Vec<Mutex<Lane>>,
    /// When an agreement was asked for last.
    negotiated: AtomicU64,
    posts: (AtomicU64, AtomicU64),
    arrivals: (AtomicU64, AtomicU64),
    /// When a POST was not taken last, and what happened.
    last_failure: Mutex<Option<(Timestamp, String)>>,
    /// When it was looked up where it is published; 0: never.
    looked_up: AtomicU64,
    /// Its line was changed: another machine is in its place.
    is_retired: AtomicBool,
}

/// SSP over HTTP.
pub struct Ssp {
    config: SspConfig,
    settings: Arc<LinkSettings>,
    /// What holds for domains that nobody wrote down.
    of_strangers: Arc<LinkSettings>,
    territory: Arc<Territory>,
    finder: Finder,
    clock: Clock,
    service: Arc<dyn Service>,
    peers: Mutex<FxHashMap<Domain, Arc<Peer>>>,
    lookups: Semaphore,
    /// What operators wrote down of services, besides contracts.
    routes: Mutex<Vec<RouteLine>>,
    transactions: Mutex<TransactionTable>,
    circles: Mutex<Circles>,
    profiles: Profiles,
    complaints: Complaints,
    /// Who answered last with a token to a set-up that was not begun with it, and when.
    strange_token: Mutex<Option<(Domain, Timestamp)>>,
    refusals: refusals::Refusals,
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
        let finder = Finder::new(config.peers.clone(), resolver, clock.clone());
        let table = config.service_table();
        if let Err(why) = table.check() {
            tracing::error!(why, "the table of services");
        }
        let territory = Territory::of(config.domain.clone(), table);
        Arc::new_cyclic(|this| Self {
            settings: Arc::new(config.link.clone()),
            of_strangers: Arc::new(strangers::settings_of(&config.link)),
            territory: Arc::new(territory),
            finder,
            clock,
            service,
            peers: Mutex::default(),
            lookups: Semaphore::new(LOOKUPS_MAX),
            routes: Mutex::new(config.routes.clone()),
            transactions: Mutex::default(),
            circles: Mutex::default(),
            profiles: Profiles::default(),
            complaints: Complaints::default(),
            strange_token: Mutex::default(),
            refusals: refusals::Refusals::default(),
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
            Ok(message) => {
                let receipt = self.take(message, arrival).await;
                if receipt == Receipt::UNKNOWN {
                    self.refusals.count(arrival.from, self.clock.now());
                }
                receipt
            }
            Err(error) => {
                if self.refusals.is_noted(arrival.from, self.clock.now()) {
                    tracing::info!(%error, from = ?arrival.from, "a message that cannot be read");
                }
                Receipt::refused(400, "this is no message of SSP")
            }
        }
    }

    async fn take(&self, message: Message, arrival: Arrival<'_>) -> Receipt {
        let Some(domain) = self.speaker(&message) else { return Receipt::UNKNOWN };
        let answers = matches!(&message.body, Body::Setup { mode: Mode::Response, primitive, .. }
            if matches!(**primitive, Primitive::SendSecretToken(_)));
        let receipt = self.take_from(domain.clone(), message, arrival).await;
        if receipt.status == 401 {
            self.complain(&domain, answers, receipt.why);
        }
        receipt
    }

    /// Something of a domain, or of whoever says that he is it, was refused.
    fn complain(&self, domain: &Domain, answers: bool, why: &'static str) {
        let now = self.clock.now();
        if answers {
            *self.strange_token.lock() = Some((domain.clone(), now));
            if self.complaints.is_due(domain, "token", now) {
                tracing::warn!(%domain, "it answers a set-up that was not begun with it: is it a peer by another name?");
            }
        } else if !self.is_peer(domain) {
            if self.complaints.is_due(domain, "stranger", now) {
                tracing::info!(%domain, "a domain that is no peer is refused: `hamlet peer add` makes it one");
            }
        } else if why == NO_TLS && self.complaints.is_due(domain, "tls", now) {
            tracing::warn!(%domain, "it speaks without TLS, and is refused: `hamlet peer add --tls` says what it needs");
        }
    }

    async fn take_from(&self, domain: Domain, message: Message, arrival: Arrival<'_>) -> Receipt {
        if self.territory.is_own(domain.as_str()) {
            // An operator who gave a peer our own URL is to hear of it.
            *self.strange_token.lock() = Some((domain, self.clock.now()));
            return Receipt::UNKNOWN;
        }
        if self.finder.policy(&domain) == TlsPolicy::Required && !arrival.secure {
            return Receipt::refused(401, NO_TLS);
        }
        let begins = matches!(&message.body, Body::Setup { mode: Mode::Request, primitive, .. }
            if matches!(**primitive, Primitive::SendSecretToken(_)));
        if begins && self.is_stopping.load(Ordering::Acquire) {
            return Receipt::later(60, "this domain is going down");
        }
        let known = self.peers.lock().get(&domain).cloned();
        // Where a peer was proved to be, it is heard whatever others post from there.
        let is_there = known.as_ref().is_some_and(|peer| peer.link.lock().is_at(arrival.from));
        if !is_there && let Some(pause) = self.refusals.pause(arrival.from, self.clock.now()) {
            let seconds = u32::try_from(pause.as_secs().max(1)).unwrap_or(u32::MAX);
            return Receipt::later(seconds, "too much from there was refused");
        }
        let is_written = self.finder.line(&domain).is_some();
        let speaks = matches!(message.body, Body::Session { .. });
        let peer = match known {
            Some(peer) => peer,
            // Of a session from before our last start, perhaps.
            None if is_written && speaks => match self.peer(&domain).await {
                Ok(peer) => peer,
                Err(_) => return Receipt::later(60, "too many domains are spoken with"),
            },
            None if begins && (self.config.open || is_written) => {
                if !is_written && self.is_full_of_strangers() {
                    return Receipt::later(60, "too many domains begin at once");
                }
                let Ok(_lookup) = self.lookups.try_acquire() else {
                    return Receipt::later(10, "too many domains begin at once");
                };
                // A token is answered where the domain is published, or not at all.
                if self.finder.ways(&domain).await.is_err() {
                    if self.refusals.is_noted(arrival.from, self.clock.now()) {
                        tracing::info!(%domain, from = ?arrival.from, "a token of a domain that is published nowhere");
                    }
                    return Receipt::UNKNOWN;
                }
                match self.peer(&domain).await {
                    Ok(peer) => peer,
                    Err(_) => return Receipt::later(60, "too many domains are spoken with"),
                }
            }
            None => return Receipt::UNKNOWN,
        };
        if begins && is_written {
            self.look_up(&peer);
        }
        peer.arrivals.0.fetch_add(1, Ordering::Relaxed);
        let verdict = {
            let (mut link, now) = (peer.link.lock(), self.clock.now());
            let verdict = link.receive(message, arrival.from, now);
            // Only where an operator wants a session anyhow: else anybody could make us open one to anybody.
            let is_wanted = is_written && !self.is_stopping.load(Ordering::Acquire);
            if verdict == Verdict::Unauthorized && speaks && is_wanted {
                link.reopen(now);
            }
            verdict
        };
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
        match &message.body {
            Body::Session { id, .. } => of_session(id),
            Body::Setup { id, primitive, .. } => match &**primitive {
                Primitive::SendSecretToken(said) => home_of(&said.service_id),
                Primitive::LoginRequest(said) => home_of(&said.service_id),
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
    ///
    /// # Errors
    /// Nobody wrote it down, and too many such are spoken with.
    async fn peer(&self, domain: &Domain) -> Result<Arc<Peer>, Unanswered> {
        if let Some(peer) = self.peers.lock().get(domain) {
            return Ok(peer.clone());
        }
        let line = self.finder.line(domain);
        let agreement = match line.as_ref().and_then(|line| line.contract.clone()) {
            Some(contract) => Agreement::of_contract(contract),
            None => match self.service.kept(domain).await {
                Some(kept) => kept,
                None => Agreement::default_with(self.territory.table().offered()),
            },
        };
        let names = Names { own: self.config.domain.clone(), peer: domain.clone() };
        let settings = if line.is_some() { &self.settings } else { &self.of_strangers };
        let scheme = line.map_or_else(DigestScheme::default, |line| line.digest);
        let (settings, territory) = (settings.clone(), self.territory.clone());
        let link = Link::new(names, settings, territory, agreement, scheme, Box::new(SystemDice));
        let peer = Arc::new(Peer {
            domain: domain.clone(),
            link: Mutex::new(link),
            armed: AtomicU64::new(u64::MAX),
            rearm: Notify::new(),
            way: Mutex::default(),
            unreachable: AtomicU32::new(0),
            poster: OnceLock::new(),
            asks: Mutex::default(),
            last_ask: AtomicU64::new(0),
            lanes: (0..LANES).map(|_| Mutex::default()).collect(),
            negotiated: AtomicU64::new(0),
            posts: Default::default(),
            arrivals: Default::default(),
            last_failure: Mutex::default(),
            looked_up: AtomicU64::new(0),
            is_retired: AtomicBool::new(false),
        });
        let mut peers = self.peers.lock();
        if let Some(there) = peers.get(domain) {
            return Ok(there.clone());
        }
        if self.is_stranger(domain) && !self.has_room_for_stranger(&peers) {
            return Err(strangers::FULL);
        }
        peers.insert(domain.clone(), peer.clone());
        tokio::spawn(time::keep_time(self.this.clone(), peer.clone()));
        Ok(peer)
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
            (self.take_actions(peer, &mut link), rearm)
        };
        self.act(peer, actions);
        if rearm {
            peer.rearm.notify_one();
        }
    }

    /// What the machine wants done. What it wants carried out is in its lane already, in the order in which it came: nobody
    /// else has the machine meanwhile.
    fn take_actions(&self, peer: &Arc<Peer>, link: &mut Link) -> Vec<Action> {
        let mut rest = Vec::new();
        for action in link.actions() {
            match action {
                Action::Perform(id, said) => self.enqueue(peer, id, said),
                other => rest.push(other),
            }
        }
        rest
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

    /// Whether this domain may be spoken with.
    pub fn is_peer(&self, domain: &Domain) -> bool {
        let is_known = self.config.open || self.finder.line(domain).is_some();
        is_known && !self.territory.is_own(domain.as_str())
    }

    /// Asks a domain for something.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn ask(&self, domain: &Domain, ask: Ask) -> Result<Primitive, Unanswered> {
        if !self.is_peer(domain) {
            return Err(Unanswered { status: Status::DOMAIN_NOT_SUPPORTED, try_again: None, taken: false });
        }
        if self.is_stopping.load(Ordering::Acquire) {
            return Err(Unanswered { status: Status::SERVER_UNAVAILABLE, try_again: None, taken: false });
        }
        let peer = self.peer(domain).await?;
        self.ask_peer(&peer, ask).await
    }

    /// How long a request waits for its answer, unless it says otherwise.
    pub(crate) fn reply_within(&self) -> Duration {
        self.settings.reply_within
    }

    async fn ask_peer(&self, peer: &Arc<Peer>, ask: Ask) -> Result<Primitive, Unanswered> {
        let gone = Unanswered { status: Status::SERVER_UNAVAILABLE, try_again: None, taken: false };
        let haste = if ask.hurries { Haste::UntilPause } else { Haste::None };
        self.begin_ask(peer, ask, haste)?.await.unwrap_or(Err(gone))
    }

    /// Begins to ask.
    fn begin_ask(&self, peer: &Arc<Peer>, ask: Ask, haste: Haste) -> Result<Answering, Unanswered> {
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
        let outgoing = Outgoing { number, id: ask.id, primitive: ask.primitive, lane: ask.lane, within, haste };
        peer.link.lock().send(outgoing, self.clock.now());
        self.settle(peer);
        Ok(receiver)
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
            (None, None) => Agreement::default_with(self.territory.table().offered()).allows(service),
        };
        if allows { Reach::Agreed } else { Reach::NotAgreed }
    }

    /// Tells a domain something in the form of an answer to this transaction (SSP 17).
    pub async fn tell_as_answer(&self, domain: &Domain, id: TransactionId, said: Primitive) {
        let Ok(peer) = self.peer(domain).await else { return };
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
        self.set_table();
        self.retire(&domain);
    }

    /// Reaches for a peer now, if there is no session with it, whatever has failed before: it hears that we are there, too.
    pub async fn hail(&self, domain: &Domain) {
        if !self.is_peer(domain) || self.is_stopping.load(Ordering::Acquire) {
            return;
        }
        self.service.hailed(domain);
        let Ok(peer) = self.peer(domain).await else { return };
        peer.link.lock().hail(self.clock.now());
        self.settle(&peer);
    }

    /// Ends the pause that is made after attempts to reach a peer that failed, for what waits for it.
    pub fn end_pause(&self, domain: &Domain) {
        if let Some(peer) = self.peers.lock().get(domain).cloned() {
            peer.link.lock().end_pause(self.clock.now());
            self.settle(&peer);
        }
        self.service.hailed(domain);
    }

    /// Strikes the line of a domain out: it is no peer any more, unless every domain is.
    pub fn remove_peer(&self, domain: &Domain) {
        self.finder.remove_line(domain);
        self.set_table();
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
}

//! The set-up: six steps, after which each side knows that the other one is where it is published. SSP 6.1 to 6.3.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use imps_proto::ssp::{
    Dialect, LoginRequest, LoginResponse, Mode, Primitive, SESSION_ID_MAX, SendSecretToken, Token, write_setup,
};
use imps_service::Timestamp;
use imps_types::element::ResultInfo;
use imps_types::{Secret, Status, TransactionId};

use super::sources::{Half, Halves, Sources};
use super::{InPost, Link, Post, Posted, Verdict};
use crate::relay::home_of;
use crate::trust::{DigestScheme, Proof};

type Octets = Secret<Box<[u8]>>;

/// How many set-ups of one peer may be half done.
const HALF_DONE_MAX: usize = 8;
/// How many times as many set-ups of one domain may begin in a minute as of one source: anybody can say that he is it.
const SOURCES: usize = 10;
/// How many tokens that may be the peer's answer are kept.
const HEARD_MAX: usize = 8;
/// How long we wait for another token when the one that came is perhaps not the peer's.
const HEAR_OTHERS: Duration = Duration::from_secs(2);
/// How many set-ups in a row may begin at once, since somebody else answered the one before.
const FORGED_MAX: u32 = 8;
/// The shortest life of a session.
const LIFE_MIN: Duration = Duration::from_secs(60);

/// Where a step of a set-up comes from, of which nothing is proved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The source of the connection.
    pub(super) from: Option<IpAddr>,
    /// The namespace.
    pub(super) dialect: Dialect,
}

/// What was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// 1: our token, to begin.
    Token(u64),
    /// 2: our token, in answer.
    TokenBack(u64),
    /// 3: our proof.
    Proof(u64),
    /// 4: our proof, in answer.
    ProofBack(u64),
    /// 5: our half of the session.
    Half(u64),
    /// 6: our half, in answer: the session of this number is known on both sides.
    HalfBack(u64),
}

/// A set-up that we began.
struct Opening {
    number: u64,
    id: TransactionId,
    own: Octets,
    state: Opened,
    /// Tokens that came in answer and are not the one that is used: anybody can post one (SSP 6.1).
    heard: Vec<Heard>,
    /// When one of them is used, if no better one comes.
    decides: Option<Timestamp>,
    /// Where the one that is used came from.
    token_from: Option<IpAddr>,
    /// How long we wait before the proof.
    pause: Duration,
    until: Timestamp,
}

/// A token that came in answer to ours.
struct Heard {
    token: Octets,
    is_old: bool,
    from: Option<IpAddr>,
}

#[allow(clippy::enum_variant_names, reason = "these are the names of the states")]
enum Opened {
    TokenSent,
    LoginSent { peer: Octets, is_old: bool },
    ResponseSent { own_id: Arc<str> },
}

/// A set-up that the peer began.
struct Accepting {
    number: u64,
    id: TransactionId,
    peer: Octets,
    own: Octets,
    /// The life the peer wants, once it has shown its proof.
    verified: Option<Duration>,
    until: Timestamp,
    origin: Origin,
    /// Where the proof came from.
    proof_from: Option<IpAddr>,
    /// It is one of those that never answer what they are told (SSP 17).
    is_old: bool,
}

/// The set-ups with a peer.
pub(super) struct Setup {
    scheme: DigestScheme,
    opening: Option<Opening>,
    accepting: Vec<Accepting>,
    last_number: u64,
    /// Failures in a row.
    failures: u32,
    /// Whether the last attempt was hung up on at the proof, and one more is due before it counts as refused.
    hung_up: bool,
    /// Where the peer sent us, once.
    redirect: Option<Box<str>>,
    /// Before this time we do not begin again.
    pub(super) not_before: Timestamp,
    /// When the peer's last set-ups began, and where they came from.
    begun: VecDeque<(Timestamp, Option<IpAddr>)>,
    /// Sources, of the peer and of others.
    pub(super) sources: Sources,
    /// Set-ups in a row that began at once, since somebody else answered the one before.
    forged: u32,
    /// What the last set-ups of the peer led to.
    halves: Halves,
}

impl Setup {
    pub(super) fn new(scheme: DigestScheme) -> Self {
        Self {
            scheme,
            opening: None,
            accepting: Vec::new(),
            last_number: 0,
            failures: 0,
            hung_up: false,
            redirect: None,
            not_before: Timestamp(0),
            begun: VecDeque::new(),
            sources: Sources::default(),
            forged: 0,
            halves: Halves::default(),
        }
    }

    pub(super) fn is_idle(&self, now: Timestamp) -> bool {
        let has_rested = self.failures == 0 || self.not_before <= now;
        self.opening.is_none() && self.accepting.is_empty() && has_rested
    }

    #[cfg(test)]
    pub(super) fn is_accepting(&self, id: &TransactionId) -> bool {
        self.accepting.iter().any(|it| it.id == *id)
    }

    /// Whether another set-up of the peer may begin, which is counted then.
    fn may_begin(&mut self, per_minute: u32, from: Option<IpAddr>, now: Timestamp) -> bool {
        while self.begun.front().is_some_and(|(at, _)| now.since(*at) >= Duration::from_secs(60)) {
            self.begun.pop_front();
        }
        let most = usize::try_from(per_minute).unwrap_or(usize::MAX);
        let of_source = self.begun.iter().filter(|(_, source)| *source == from).count();
        // What others claim costs the peer nothing where it was proved to be, or is published.
        let is_full = !self.sources.has_places(from) && self.begun.len() >= most.saturating_mul(SOURCES);
        if of_source >= most || is_full {
            return false;
        }
        self.begun.push_back((now, from));
        true
    }

    /// Makes room for one more set-up of the peer: whoever has begun most must begin again, but for who is the peer.
    fn make_room(&mut self) {
        if self.accepting.len() < HALF_DONE_MAX {
            return;
        }
        let of_source = |from| self.accepting.iter().filter(|it| it.origin.from == from).count();
        let rank = |it: &Accepting| {
            let may_be_anybody = it.verified.is_none() && !self.sources.has_places(it.origin.from);
            (may_be_anybody, of_source(it.origin.from))
        };
        let most = self.accepting.iter().map(rank).max();
        let first = self.accepting.iter().position(|it| Some(rank(it)) == most);
        self.accepting.remove(first.unwrap_or_default());
    }

    /// `waits`: from when on something waits for a session.
    pub(super) fn next_tick(&self, waits: Option<Timestamp>) -> Option<Timestamp> {
        let opening = self.opening.as_ref().map(|it| it.decides.map_or(it.until, |at| at.min(it.until)));
        let accepting = self.accepting.iter().map(|it| it.until).min();
        let again = waits.filter(|_| self.opening.is_none() && self.failures > 0).map(|at| at.max(self.not_before));
        [opening, accepting, again].into_iter().flatten().min()
    }

    /// From when on we may begin; none: we have begun.
    pub(super) fn opens_from(&self) -> Option<Timestamp> {
        self.opening.is_none().then_some(self.not_before)
    }

    /// Counts a failure that has no pause, if there was none before.
    pub(super) fn is_first_failure(&mut self) -> bool {
        let is_first = self.failures == 0;
        self.failures = self.failures.max(1);
        is_first
    }

    /// A set-up led to a session that is worth something.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}

/// Whether this names the domain.
fn names(service_id: &imps_types::Address, domain: &imps_types::Domain) -> bool {
    home_of(service_id).as_ref() == Some(domain)
}

impl Link {
    /// How long until a set-up that failed is tried again.
    pub(super) fn setup_pause(&self, now: Timestamp) -> Duration {
        self.setup.not_before.since(now)
    }

    /// Whether we began a set-up under this ID.
    pub(crate) fn is_opening(&self, id: &TransactionId) -> bool {
        self.setup.opening.as_ref().is_some_and(|it| it.id == *id)
    }

    /// Whether a set-up of ours is under way.
    pub(crate) fn is_setting_up(&self) -> bool {
        self.setup.opening.is_some()
    }

    /// The peer speaks in a session that we know nothing of. Some never begin anew by themselves (SSP 6.4), so we do.
    pub(crate) fn reopen(&mut self, now: Timestamp) {
        if !self.is_up(now) && self.setup.accepting.is_empty() && !self.sessions.has_just_left(now) {
            self.open(now);
        }
    }

    /// Begins a set-up now, whatever has failed before, unless there is a session or will be one in a moment.
    pub(crate) fn hail(&mut self, now: Timestamp) {
        self.try_now(now);
        if !self.is_up(now) && self.setup.accepting.is_empty() {
            self.open(now);
        }
        self.pump(now);
    }

    /// Begins a set-up, unless one is under way or has just failed.
    pub(super) fn open(&mut self, now: Timestamp) {
        if self.is_over {
            return self.fail_waiting(Status::SERVER_UNAVAILABLE, "the session is ended");
        }
        if self.setup.opening.is_some() || now < self.setup.not_before {
            return;
        }
        let (Some(id), Some(own)) = (self.new_transaction(), self.new_token()) else { return self.opening_failed(now) };
        let number = self.setup.number();
        let pause = if self.setup.hung_up { self.settings.patience } else { Duration::ZERO };
        let until = now.plus(self.settings.setup_within);
        let token = self.token(own.clone());
        self.setup.opening = Some(Opening {
            number,
            id: id.clone(),
            own,
            state: Opened::TokenSent,
            heard: Vec::new(),
            decides: None,
            token_from: None,
            pause,
            until,
        });
        self.post_setup(Step::Token(number), &id, token, Duration::ZERO);
    }

    fn token(&self, own: Octets) -> Primitive {
        Primitive::SendSecretToken(SendSecretToken {
            service_id: self.names.own_id().as_str().into(),
            protocol: Some("WV-SSP".into()),
            protocol_version: Some("1.3".into()),
            misspelt_version: None,
            token: Token(own),
        })
    }

    fn life(&self) -> u32 {
        u32::try_from(self.settings.time_to_live.as_secs()).unwrap_or(u32::MAX)
    }

    /// Answers a step in the namespace that it came in.
    fn post_back(&mut self, step: Step, id: &TransactionId, primitive: Primitive, dialect: Dialect) {
        let body = write_setup(dialect, Mode::Response, id, &primitive);
        self.post_step(step, id, body, Duration::ZERO);
    }

    fn post_setup(&mut self, step: Step, id: &TransactionId, primitive: Primitive, after: Duration) {
        let body = write_setup(self.dialect(), Mode::Request, id, &primitive);
        self.post_step(step, id, body, after);
    }

    fn post_step(&mut self, step: Step, id: &TransactionId, body: Vec<u8>, after: Duration) {
        let finds_way = matches!(step, Step::Token(_) | Step::TokenBack(_));
        let instead = if matches!(step, Step::Token(_)) { self.setup.redirect.clone() } else { None };
        let transaction = Some(id.clone());
        let post = Post { id: self.next_post(), body, transaction, session: None, finds_way, instead, after };
        self.post(InPost::Setup(step), post);
    }

    /// A step of the peer's.
    pub(super) fn take_setup(
        &mut self,
        (mode, id, said): (Mode, TransactionId, Primitive),
        origin: Origin,
        now: Timestamp,
    ) -> Verdict {
        match (mode, said) {
            (Mode::Request, Primitive::SendSecretToken(said)) => self.take_token(id, said, origin, now),
            (Mode::Response, Primitive::SendSecretToken(said)) => self.take_token_back(said, origin.from, now),
            (Mode::Request, Primitive::LoginRequest(said)) => self.take_proof(&id, &said, origin.from),
            (Mode::Response, Primitive::LoginRequest(said)) => self.take_proof_back(&id, &said, origin, now),
            (Mode::Request, Primitive::LoginResponse(said)) => self.take_half(&id, &said, origin.from, now),
            (Mode::Response, Primitive::LoginResponse(said)) => self.take_half_back(&id, &said, origin.from, now),
            _ => Verdict::Unauthorized,
        }
    }

    /// Step 1: the peer begins.
    fn take_token(&mut self, id: TransactionId, said: SendSecretToken, origin: Origin, now: Timestamp) -> Verdict {
        if !names(&said.service_id, &self.names.peer) {
            return Verdict::Unauthorized;
        }
        if !self.setup.may_begin(self.settings.setups_per_minute, origin.from, now) {
            return Verdict::Busy;
        }
        self.setup.make_room();
        // The ID of this answer is our own, odd as it is.
        let (Some(own), Some(answer_id)) = (self.new_token(), self.new_transaction()) else { return Verdict::Busy };
        let number = self.setup.number();
        let until = now.plus(self.settings.setup_within);
        let token = self.token(own.clone());
        let (peer, is_old) = (said.token.0, said.misspelt_version.is_some());
        // A peer that begins twice under one ID has lost its first attempt.
        self.setup.accepting.retain(|it| it.id != id);
        self.setup.accepting.push(Accepting {
            number,
            id,
            peer,
            own,
            verified: None,
            until,
            origin,
            proof_from: None,
            is_old,
        });
        self.post_back(Step::TokenBack(number), &answer_id, token, origin.dialect);
        Verdict::Taken
    }

    /// Step 2: found by the domain, not by the ID. Anybody can post one, and the peer takes one proof only: so it matters where
    /// a token comes from.
    fn take_token_back(&mut self, said: SendSecretToken, from: Option<IpAddr>, now: Timestamp) -> Verdict {
        if !names(&said.service_id, &self.names.peer) {
            return Verdict::Unauthorized;
        }
        let sources = &self.setup.sources;
        let Some(opening) = self.setup.opening.as_mut().filter(|it| it.until > now) else {
            return Verdict::Unauthorized;
        };
        let heard = Heard { token: said.token.0, is_old: said.misspelt_version.is_some(), from };
        if !matches!(opening.state, Opened::TokenSent) {
            // Too late; but that there were two says that somebody lies.
            let is_used = match &opening.state {
                Opened::LoginSent { peer, .. } => peer.expose() == heard.token.expose(),
                Opened::TokenSent | Opened::ResponseSent { .. } => true,
            };
            if !is_used {
                opening.hear(heard);
            }
            return Verdict::Unauthorized;
        }
        if sources.rank(from, now) == 0 {
            self.prove(heard);
        } else {
            opening.hear(heard);
            opening.decides.get_or_insert(now.plus(HEAR_OTHERS));
        }
        Verdict::Taken
    }

    /// No better token has come: of those that did, one is used.
    fn decide(&mut self, now: Timestamp) {
        let Setup { opening, sources, forged, .. } = &mut self.setup;
        let Some(opening) = opening.as_mut().filter(|it| it.decides.is_some_and(|at| at <= now)) else { return };
        opening.decides = None;
        let rank = |heard: &Heard| sources.rank(heard.from, now);
        let Some(best) = opening.heard.iter().map(rank).min() else { return };
        let of_best: Vec<_> =
            (0..opening.heard.len()).filter(|at| opening.heard.get(*at).map(rank) == Some(best)).collect();
        // Not the same one each time.
        let turn = usize::try_from(*forged).unwrap_or_default() % of_best.len().max(1);
        let Some(at) = of_best.get(turn) else { return };
        let heard = opening.heard.remove(*at);
        self.prove(heard);
    }

    /// Step 3, with a token that came.
    fn prove(&mut self, heard: Heard) {
        let (own_id, peer_id) = (self.names.own_id(), self.names.peer_id());
        let Some(opening) = &mut self.setup.opening else { return };
        let Heard { token: peer, is_old, from } = heard;
        let digest = Proof {
            scheme: self.setup.scheme,
            opener: opening.own.expose(),
            other: peer.expose(),
            received: peer.expose(),
            from: &own_id,
            to: &peer_id,
            transaction: opening.id.as_str(),
        }
        .digest();
        opening.state = Opened::LoginSent { peer, is_old };
        opening.token_from = from;
        opening.decides = None;
        let (id, number, pause) = (opening.id.clone(), opening.number, opening.pause);
        let login = LoginRequest { service_id: own_id.as_str().into(), time_to_live: Some(self.life()), digest };
        self.post_setup(Step::Proof(number), &id, login.into(), pause);
    }

    /// Step 3: the peer shows that our token reached it.
    fn take_proof(&mut self, id: &TransactionId, said: &LoginRequest, from: Option<IpAddr>) -> Verdict {
        let Some(at) = self.setup.accepting.iter().position(|it| it.id == *id) else { return Verdict::Unauthorized };
        let (own_id, peer_id) = (self.names.own_id(), self.names.peer_id());
        let Some(row) = self.setup.accepting.get_mut(at) else { return Verdict::Unauthorized };
        let proof = |received, from, to| Proof {
            scheme: self.setup.scheme,
            opener: row.peer.expose(),
            other: row.own.expose(),
            received,
            from,
            to,
            transaction: id.as_str(),
        };
        let is_proved = proof(row.own.expose(), &peer_id, &own_id).is(&said.digest);
        // A token is good for one proof: right or wrong, there is no second one.
        if row.verified.is_some() || !is_proved || !names(&said.service_id, &self.names.peer) {
            self.setup.accepting.remove(at);
            return Verdict::Unauthorized;
        }
        let digest = proof(row.peer.expose(), &own_id, &peer_id).digest();
        let wanted = said.time_to_live.map_or(Duration::MAX, |seconds| Duration::from_secs(u64::from(seconds)));
        row.verified = Some(wanted);
        row.proof_from = from;
        let (number, dialect, is_old) = (row.number, row.origin.dialect, row.is_old);
        self.dialect.get_or_insert(dialect);
        self.is_old = is_old;
        self.setup.sources.peer_is_at(from);
        let login = LoginRequest { service_id: own_id.as_str().into(), time_to_live: Some(self.life()), digest };
        self.post_back(Step::ProofBack(number), id, login.into(), dialect);
        Verdict::Taken
    }

    /// Step 4: and so does the peer that we began with.
    fn take_proof_back(&mut self, id: &TransactionId, said: &LoginRequest, origin: Origin, now: Timestamp) -> Verdict {
        let (own_id, peer_id) = (self.names.own_id(), self.names.peer_id());
        let Some(opening) = self.setup.opening.as_mut().filter(|it| it.id == *id) else { return Verdict::Unauthorized };
        let Opened::LoginSent { peer, is_old } = &opening.state else { return Verdict::Unauthorized };
        let proof = Proof {
            scheme: self.setup.scheme,
            opener: opening.own.expose(),
            other: peer.expose(),
            received: opening.own.expose(),
            from: &peer_id,
            to: &own_id,
            transaction: id.as_str(),
        };
        if !proof.is(&said.digest) || !names(&said.service_id, &self.names.peer) {
            self.opening_failed(now);
            return Verdict::Unauthorized;
        }
        self.dialect.get_or_insert(origin.dialect);
        self.is_old = *is_old;
        let number = opening.number;
        for from in [opening.token_from, origin.from] {
            self.setup.sources.peer_is_at(from);
        }
        let Some(session_id) = self.new_session_id() else {
            self.opening_failed(now);
            return Verdict::Busy;
        };
        if let Some(opening) = &mut self.setup.opening {
            opening.state = Opened::ResponseSent { own_id: session_id.clone() };
        }
        let half = self.half(&session_id);
        self.post_setup(Step::Half(number), id, half, Duration::ZERO);
        Verdict::Taken
    }

    fn new_session_id(&mut self) -> Option<Arc<str>> {
        Some(format!("{}@{}", self.random_text(16)?, self.names.own).into())
    }

    fn half(&self, session_id: &str) -> Primitive {
        Primitive::LoginResponse(LoginResponse {
            session_id: Some(session_id.into()),
            time_to_live: Some(self.life()),
            status: ResultInfo::of(Status::SUCCESSFUL),
            redirect: None,
        })
    }

    /// The peer's ID of the session, if it gave one that can be its own.
    fn session_of(&self, said: &LoginResponse) -> Option<Arc<str>> {
        let id = said.session_id.as_deref().filter(|_| said.status.status.is_success())?;
        let (_, domain) = id.rsplit_once('@')?;
        let is_theirs = domain.eq_ignore_ascii_case(self.names.peer.as_str()) && id.len() <= SESSION_ID_MAX;
        is_theirs.then(|| id.into())
    }

    fn life_with(&self, wanted: Option<u32>) -> Duration {
        let wanted = wanted.map_or(Duration::MAX, |seconds| Duration::from_secs(u64::from(seconds)));
        self.settings.time_to_live.min(wanted)
    }

    /// A session that ends as soon as it is up is none.
    fn is_too_short(&self, life: Duration) -> bool {
        life < LIFE_MIN.min(self.settings.time_to_live)
    }

    /// Step 5: the peer's half of the session, from where its proof came from: this step proves nothing itself.
    fn take_half(&mut self, id: &TransactionId, said: &LoginResponse, from: Option<IpAddr>, now: Timestamp) -> Verdict {
        let at = self.setup.accepting.iter().position(|it| it.id == *id);
        let Some(row) = at.and_then(|at| self.setup.accepting.get(at)) else {
            return self.take_half_again(id, said, from, now);
        };
        if row.verified.is_some() && !self.setup.sources.may_be_same(row.proof_from, from) {
            tracing::info!(peer = %self.names.peer, ?from, "a step of a set-up from where its proof did not come from");
            return Verdict::Unauthorized;
        }
        let row = self.setup.accepting.remove(at.unwrap_or_default());
        let (Some(wanted), Some(peer_id)) = (row.verified, self.session_of(said)) else {
            return Verdict::Unauthorized;
        };
        let life = self.life_with(said.time_to_live).min(wanted);
        if self.is_too_short(life) {
            return Verdict::Unauthorized;
        }
        let Some(own_id) = self.new_session_id() else { return Verdict::Busy };
        let number = self.session_up((own_id.clone(), peer_id.clone()), life, false, now);
        self.setup.halves.put(Half { id: id.clone(), session: number, peer_id, proof_from: row.proof_from });
        let half = self.half(&own_id);
        self.post_back(Step::HalfBack(number), id, half, row.origin.dialect);
        Verdict::Taken
    }

    /// Step 5 once more. If it names another session, one of the two was not the peer's: that there is none is safe.
    fn take_half_again(
        &mut self,
        id: &TransactionId,
        said: &LoginResponse,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Verdict {
        let Some(half) = self.setup.halves.of(id) else { return Verdict::Unauthorized };
        let is_other = self.session_of(said).is_some_and(|named| named != half.peer_id);
        if is_other && self.setup.sources.may_be_same(half.proof_from, from) {
            tracing::warn!(peer = %self.names.peer, ?from, "two sessions are named for one set-up: neither holds");
            let session = half.session;
            self.setup.halves.forget(id);
            self.session_lost(session, now);
        }
        Verdict::Unauthorized
    }

    /// Step 6: and the session is up.
    fn take_half_back(
        &mut self,
        id: &TransactionId,
        said: &LoginResponse,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Verdict {
        let Some(opening) = self.setup.opening.as_ref().filter(|it| it.id == *id) else { return Verdict::Unauthorized };
        let Opened::ResponseSent { own_id } = &opening.state else { return self.take_refusal(said, now) };
        let own_id = own_id.clone();
        let Some(peer_id) = self.session_of(said) else { return self.take_refusal(said, now) };
        let life = self.life_with(said.time_to_live);
        if self.is_too_short(life) {
            return self.take_refusal(said, now);
        }
        self.setup.opening = None;
        self.setup.forged = 0;
        self.setup.sources.peer_is_at(from);
        self.setup.hung_up = false;
        self.setup.redirect = None;
        self.setup.not_before = now;
        self.session_up((own_id, peer_id), life, true, now);
        Verdict::Taken
    }

    /// No session, but perhaps another address of the same domain: it is tried once.
    fn take_refusal(&mut self, said: &LoginResponse, now: Timestamp) -> Verdict {
        let is_new = self.setup.redirect.is_none();
        let first = said.redirect.as_ref().and_then(|list| list.urls.first()).filter(|_| is_new);
        let redirect = first.filter(|url| is_of(url, self.names.peer.as_str())).cloned();
        self.opening_failed(now);
        let (peer, status) = (&self.names.peer, said.status.status.code());
        tracing::warn!(%peer, status, "no session with a peer: it refuses one");
        self.setup.redirect = redirect;
        if self.setup.redirect.is_some() {
            self.setup.not_before = now;
            self.open(now);
        }
        Verdict::Taken
    }

    /// Our set-up did not come to its end.
    fn opening_failed(&mut self, now: Timestamp) {
        let opening = self.setup.opening.take();
        self.setup.redirect = None;
        let Some(opening) = opening.filter(Opening::is_contested) else { return self.setup_in_vain(now) };
        // Somebody else has answered: that is not the peer's failure.
        self.setup.sources.lies(opening.token_from, now);
        let failures = self.setup.failures;
        self.setup.failures = 0;
        self.setup_in_vain(now);
        self.setup.failures = failures.max(1);
    }

    /// Our proof was not taken. If somebody else may have answered our token, a new set-up begins at once.
    fn proof_refused(&mut self, now: Timestamp) -> bool {
        let Some(opening) = &self.setup.opening else { return false };
        let (from, is_contested) = (opening.token_from, opening.is_contested());
        self.setup.sources.lies(from, now);
        let again = is_contested && self.setup.forged < FORGED_MAX;
        self.setup.forged = if again { self.setup.forged + 1 } else { 0 };
        again
    }

    /// The next set-up has time, the more the more of them were in vain.
    pub(super) fn setup_in_vain(&mut self, now: Timestamp) {
        let doubled = 1_u32.checked_shl(self.setup.failures.min(16)).unwrap_or(u32::MAX);
        self.setup.failures = self.setup.failures.saturating_add(1);
        let pause = self.settings.setup_pause.saturating_mul(doubled).min(self.settings.setup_pause_max);
        self.setup.not_before = now.plus(pause);
    }

    pub(super) fn expire_setups(&mut self, now: Timestamp) {
        self.setup.accepting.retain(|it| it.until > now);
        self.decide(now);
        if self.setup.opening.as_ref().is_some_and(|it| it.until <= now) {
            self.opening_failed(now);
            let (peer, pause) = (&self.names.peer, self.setup_pause(now).as_secs());
            tracing::warn!(%peer, try_again = pause, "no session with a peer: it did not go on with the set-up in time");
        }
    }

    /// A step was posted.
    pub(super) fn setup_posted(&mut self, step: Step, how: Posted, now: Timestamp) {
        match (step, how) {
            (Step::HalfBack(number), Posted::Taken) => {
                self.setup.not_before = now;
                self.session_known(number);
            }
            (Step::HalfBack(number), _) => self.session_lost(number, now),
            (_, Posted::Taken) => {}
            (Step::TokenBack(number) | Step::ProofBack(number), _) => {
                self.setup.accepting.retain(|it| it.number != number);
            }
            (Step::Token(number) | Step::Proof(number) | Step::Half(number), _) => {
                if self.setup.opening.as_ref().is_none_or(|it| it.number != number) {
                    return;
                }
                // Some keep their half of a set-up late, and hang up on who is quick: once more, with patience.
                let is_hung_up = matches!(how, Posted::Unauthorized | Posted::Closed);
                let is_refused = matches!(step, Step::Proof(_)) && is_hung_up;
                let is_first = is_refused && !self.setup.hung_up;
                let again = (is_refused && self.proof_refused(now)) || is_first;
                let failures = self.setup.failures;
                self.opening_failed(now);
                self.setup.hung_up = again;
                if let Posted::Busy(pause) = how {
                    self.setup.not_before = self.setup.not_before.max(now.plus(pause));
                }
                if again {
                    self.setup.failures = failures;
                    self.setup.not_before = now;
                    self.open(now);
                }
                if how == Posted::NoWay {
                    self.fail_waiting(Status::DOMAIN_NOT_SUPPORTED, "there is no way to this domain");
                }
            }
        }
    }
}

impl Opening {
    /// Keeps a token, one of each source.
    fn hear(&mut self, heard: Heard) {
        self.heard.retain(|it| it.from != heard.from || heard.from.is_none());
        if self.heard.len() < HEARD_MAX {
            self.heard.push(heard);
        }
    }

    /// Whether more than one has answered our token.
    fn is_contested(&self) -> bool {
        !self.heard.is_empty() && !matches!(self.state, Opened::TokenSent)
    }
}

/// Whether the host of this URL is the domain, or inside it.
fn is_of(url: &str, domain: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return false;
    }
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).to_ascii_lowercase();
    host == domain || host.strip_suffix(domain).is_some_and(|before| before.ends_with('.'))
}

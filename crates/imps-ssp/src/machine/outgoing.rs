//! Our transactions with a peer: what waits, what is under way, what was taken and awaits its answer. SSP 7.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use imps_proto::ssp::{Kind, Mode, Primitive, SessionWriter, Transaction};
use imps_service::Timestamp;
use imps_types::{Status, TransactionId};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Action, InPost, Link, Post, Posted};
use crate::agreement::Origin;

/// The number of requests that are the machine's own.
const OWN: u64 = 0;
/// The pauses between attempts to reach a peer that cannot be reached.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// After so many of these in a row, the peer may be at another of its addresses, and a session is opened anew there.
const FAILURES_MAX: u32 = 3;
/// About how many octets an answer is that says nothing but a status.
const SMALL: usize = 512;
/// How long we listen, after something was taken that the peer need not answer, whether it is refused all the same.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// What is to be sent to a peer.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    /// By what its end is told.
    pub(crate) number: u64,
    /// The ID of an attempt before, so that the peer can tell it is the same.
    pub(crate) id: Option<TransactionId>,
    /// What it says.
    pub(crate) primitive: Primitive,
    /// Of all with the same one, only one is under way at a time: the order between them holds.
    pub(crate) lane: Option<u64>,
    /// How long it may take, all in all.
    pub(crate) within: Duration,
    /// Whether it waits for a peer that cannot be reached.
    pub(crate) haste: Haste,
}

/// Whether a request waits for a peer that cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// As long as it may take: nobody sits before it.
    None,
    /// As long as a session is up, or a set-up is under way; not until the next one is due.
    UntilPause,
    /// Not at all: it is passed on for somebody, who is told when to try again.
    Great,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It never reached the peer; the status that says why, and when to try again.
    NotSent(Status, &'static str, Duration),
    /// The peer took it, and did not answer in time.
    NoAnswer,
    /// The peer's HTTP side will never take it.
    Refused(u16),
    /// The answer is of another kind than the question has.
    WrongAnswer(&'static str),
}

impl Failure {
    /// The status that whoever asked is answered with.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::NotSent(status, ..) => *status,
            Self::NoAnswer => Status::TIMEOUT,
            Self::Refused(413) => Status::RESPONSE_TOO_LARGE,
            // What cannot be read there now cannot be read later.
            Self::Refused(400 | 415) => Status::BAD_PARAMETER,
            Self::Refused(_) => Status::SERVER_UNAVAILABLE,
            Self::WrongAnswer(_) => Status::INTERNAL_ERROR,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Posted,
    Taken,
}

struct Request {
    what: Outgoing,
    state: State,
    until: Timestamp,
    /// Posted by itself, since a message with others was not taken.
    alone: bool,
    /// Whether the peer said once that it does not know the session that this came in.
    retried: bool,
}

impl Request {
    /// Whether it need not be answered: when such a peer has taken it, silence is a success (SSP 7.3).
    fn tells(&self) -> bool {
        self.what.primitive.name().row().kind == Kind::Tell
    }
}

/// What is in one POST.
pub(super) struct Batch {
    session: u64,
    requests: Vec<TransactionId>,
    /// The lanes of the requests: an answer may be here before the receipt, and the request gone.
    lanes: Vec<u64>,
    replies: Vec<Reply>,
}

/// An answer of ours, or what is told in the form of one.
#[derive(Clone)]
struct Reply {
    id: TransactionId,
    primitive: Primitive,
    until: Timestamp,
    /// The machine forgets the sessions up to this one when this was taken.
    ends: Option<u64>,
    /// Posted by itself, since a message with others was not taken.
    alone: bool,
    /// About how many octets it is.
    bytes: usize,
}

#[derive(Default)]
pub(super) struct Queue {
    requests: FxHashMap<TransactionId, Request>,
    waiting: VecDeque<TransactionId>,
    replies: VecDeque<Reply>,
    ends: BinaryHeap<Reverse<(Timestamp, TransactionId)>>,
    lanes: FxHashSet<u64>,
    posts: usize,
    /// Attempts in a row that did not get through.
    failures: u32,
    not_before: Timestamp,
    /// Whether the last attempt found nobody; else whoever was there said when to come again.
    found_nobody: bool,
    /// Whether the last connection was closed without an answer.
    was_closed: bool,
}

impl Queue {
    pub(super) fn is_idle(&self) -> bool {
        self.requests.is_empty() && self.replies.is_empty()
    }

    /// About how many octets the answers are that wait: few of them say much.
    pub(super) fn reply_bytes(&self) -> usize {
        self.replies.iter().map(|it| it.bytes).sum()
    }

    /// How connections of sessions before ended says nothing about a new one.
    pub(super) fn session_is_new(&mut self) {
        self.was_closed = false;
        self.failures = 0;
        self.heard();
    }

    /// The peer is there, since it speaks: what waits because nobody was there waits no longer.
    pub(super) fn heard(&mut self) {
        if self.found_nobody {
            self.found_nobody = false;
            self.not_before = Timestamp(0);
        }
    }

    /// From when on a session is wanted.
    pub(super) fn waits_from(&self) -> Option<Timestamp> {
        (!self.waiting.is_empty()).then_some(self.not_before)
    }

    pub(super) fn next_tick(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.ends.peek().map(|Reverse((at, _))| *at);
        let waits = !self.waiting.is_empty() || !self.replies.is_empty();
        // What could go already waits for something else: a session, or a POST that is under way.
        let again = (waits && self.not_before > now).then_some(self.not_before);
        let replies = self.replies.front().map(|it| it.until);
        [ends, again, replies].into_iter().flatten().min()
    }
}

/// Whether an answer may be more than a status and a few words.
fn says_much(answer: &Primitive) -> bool {
    let detailed = answer.outcome().map_or(0, |it| it.detailed.len());
    !matches!(answer, Primitive::Status(_) | Primitive::SendMessageResponse(_) | Primitive::MessageDelivered(_))
        || detailed > 0
}

/// A transaction that is not through, for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Its ID.
    pub id: TransactionId,
    /// The primitive that began it, where that is remembered.
    pub name: Option<&'static str>,
    /// How far it has come.
    pub state: &'static str,
    /// When it counts as failed; of the peer's own, the peer knows.
    pub until: Option<Timestamp>,
}

impl Link {
    /// Our requests that are not through: so many of them.
    pub(crate) fn requests(&self, most: usize) -> Vec<OpenTransaction> {
        let open = |(id, request): (&TransactionId, &Request)| OpenTransaction {
            id: id.clone(),
            name: Some(request.what.primitive.name().as_str()),
            state: match request.state {
                State::Waiting => "waits for a session",
                State::Posted => "is being posted",
                State::Taken => "waits for its answer",
            },
            until: Some(request.until),
        };
        self.outgoing.requests.iter().take(most).map(open).collect()
    }

    /// How many requests are not through.
    pub(crate) fn open_requests(&self) -> usize {
        self.outgoing.requests.len()
    }

    /// Sends a request, as soon as there is a session.
    pub(crate) fn send(&mut self, what: Outgoing, now: Timestamp) {
        if self.outgoing.requests.len() >= self.settings.open_max && what.number != OWN {
            let failure = Failure::NotSent(Status::SERVER_UNAVAILABLE, "too many requests are open", PAUSE);
            self.actions.push_back(Action::Finished(what.number, Err(failure)));
            return;
        }
        let id = match &what.id {
            Some(id) if !self.outgoing.requests.contains_key(id) => id.clone(),
            _ => match self.new_transaction() {
                Some(id) => id,
                None => {
                    let failure = Failure::NotSent(Status::SERVER_UNAVAILABLE, "there are no random numbers", PAUSE);
                    self.actions.push_back(Action::Finished(what.number, Err(failure)));
                    return;
                }
            },
        };
        let until = now.plus(what.within);
        self.outgoing.ends.push(Reverse((until, id.clone())));
        self.outgoing.waiting.push_back(id.clone());
        let request = Request { what, state: State::Waiting, until, alone: false, retried: false };
        self.outgoing.requests.insert(id, request);
        self.pump(now);
    }

    /// Tells something in the form of an answer under this ID: some peers take a delivery report in no other (SSP 17).
    pub(crate) fn tell_as_answer(&mut self, id: TransactionId, primitive: Primitive, now: Timestamp) {
        self.reply_with(id, primitive, None, now);
        self.pump(now);
    }

    pub(super) fn reply_with(&mut self, id: TransactionId, primitive: Primitive, ends: Option<u64>, now: Timestamp) {
        let until = now.plus(self.settings.reply_within);
        if self.outgoing.replies.len() >= 2 * self.settings.open_max {
            self.outgoing.replies.pop_front();
        }
        let (mut primitive, mut bytes) = (primitive, 0);
        if says_much(&primitive) {
            bytes = super::incoming::written(&primitive).len();
            if self.outgoing.reply_bytes().saturating_add(bytes) > self.settings.reply_bytes && bytes > SMALL {
                tracing::info!(peer = %self.names.peer, id = ?id.as_str(), bytes, "an answer has no room: the peer takes none");
                (primitive, bytes) = (super::try_later("too many answers wait"), 0);
            }
        }
        let bytes = bytes.max(SMALL);
        self.outgoing.replies.push_back(Reply { id, primitive, until, ends, alone: false, bytes });
    }

    pub(super) fn ask_alive(&mut self, now: Timestamp) {
        let seconds = u32::try_from(self.settings.keep_alive.as_secs()).unwrap_or(u32::MAX);
        let ask = imps_proto::ssp::KeepAliveRequest { time_to_live: Some(seconds) };
        self.send_own(ask.into(), now);
    }

    /// What waits for its time, since the peer could not be reached, does not wait any longer.
    pub(crate) fn try_now(&mut self, now: Timestamp) {
        self.setup.not_before = now;
        self.outgoing.not_before = Timestamp(0);
    }

    /// The same, and what waits is tried at once.
    pub(crate) fn end_pause(&mut self, now: Timestamp) {
        self.try_now(now);
        self.pump(now);
    }

    /// Ends the session, politely, and for good.
    pub(crate) fn log_out(&mut self, now: Timestamp) {
        self.is_over = true;
        self.fail_waiting(Status::SERVER_UNAVAILABLE, "the session is ended");
        if self.is_up(now) {
            let meta = Some(self.names.meta());
            self.send_own(imps_proto::ssp::LogoutRequest { meta }.into(), now);
        }
    }

    fn send_own(&mut self, primitive: Primitive, now: Timestamp) {
        let within = self.settings.reply_within;
        self.send(Outgoing { number: OWN, id: None, primitive, lane: None, within, haste: Haste::None }, now);
    }

    /// Posts what can be posted.
    pub(super) fn pump(&mut self, now: Timestamp) {
        self.fail_hasty(now);
        let queue = &self.outgoing;
        if queue.replies.is_empty() && queue.waiting.is_empty() {
            return;
        }
        if now < queue.not_before {
            return;
        }
        if !self.is_up(now) {
            // A reply belongs to a session that was there; a request is worth a new one.
            if !self.outgoing.waiting.is_empty() {
                self.open(now);
                self.fail_hasty(now);
            }
            return;
        }
        while self.outgoing.posts < self.settings.posts_max {
            if !self.post_batch(now) {
                break;
            }
        }
    }

    /// Makes one message of what waits. False: there is nothing that may go now.
    fn post_batch(&mut self, now: Timestamp) -> bool {
        let Some(session) = self.sessions.current(now) else { return false };
        let (number, own_id) = (session.number, session.own_id.clone());
        let mut writer = SessionWriter::new(self.dialect(), &own_id);
        let mut batch = Batch { session: number, requests: Vec::new(), lanes: Vec::new(), replies: Vec::new() };
        let queue = &mut self.outgoing;
        let (most, bytes) = (self.settings.batch_max.max(1), self.settings.batch_bytes);
        let mut is_full = false;
        while batch.replies.len() < most && (batch.replies.is_empty() || writer.len() < bytes) {
            let Some(reply) = queue.replies.pop_front() else { break };
            if reply.alone && !batch.replies.is_empty() {
                queue.replies.push_front(reply);
                break;
            }
            writer.transaction(Mode::Response, &reply.id, &reply.primitive);
            is_full = reply.alone;
            batch.replies.push(reply);
            if is_full {
                break;
            }
        }
        let mut passed = VecDeque::new();
        while !is_full && batch.replies.len() + batch.requests.len() < most {
            let is_first = batch.replies.is_empty() && batch.requests.is_empty();
            if !is_first && writer.len() >= bytes {
                break;
            }
            let Some(id) = queue.waiting.pop_front() else { break };
            let waits = |it: &&mut Request| it.state == State::Waiting;
            let Some(request) = queue.requests.get_mut(&id).filter(waits) else { continue };
            let is_blocked = request.what.lane.is_some_and(|lane| queue.lanes.contains(&lane));
            if is_blocked || (request.alone && !is_first) {
                passed.push_back(id);
                continue;
            }
            queue.lanes.extend(request.what.lane);
            batch.lanes.extend(request.what.lane);
            request.state = State::Posted;
            writer.transaction(Mode::Request, &id, &request.what.primitive);
            batch.requests.push(id);
            if request.alone {
                break;
            }
        }
        // What was passed over stands before what was not looked at.
        while let Some(id) = passed.pop_back() {
            queue.waiting.push_front(id);
        }
        if batch.replies.is_empty() && batch.requests.is_empty() {
            return false;
        }
        queue.posts += 1;
        self.sessions.last_sent = now;
        let transaction = match (batch.replies.as_slice(), batch.requests.as_slice()) {
            ([one], []) => Some(one.id.clone()),
            ([], [one]) => Some(one.clone()),
            _ => None,
        };
        let post = Post {
            id: self.next_post(),
            body: writer.finish(),
            transaction,
            session: Some(own_id),
            finds_way: false,
            instead: None,
            after: Duration::ZERO,
        };
        self.post(InPost::Transactions(batch), post);
        true
    }

    /// A message was posted.
    pub(super) fn batch_posted(&mut self, batch: Batch, how: Posted, now: Timestamp) {
        self.outgoing.posts = self.outgoing.posts.saturating_sub(1);
        for lane in &batch.lanes {
            self.outgoing.lanes.remove(lane);
        }
        let was_closed = std::mem::replace(&mut self.outgoing.was_closed, how == Posted::Closed);
        match how {
            Posted::Taken => self.batch_taken(batch, now),
            Posted::Unauthorized => {
                self.session_denied(batch.session, now);
                self.put_back(batch);
            }
            // Some have no other word for a session that they do not know (SSP 4).
            Posted::Closed if was_closed => {
                self.session_denied(batch.session, now);
                self.put_back(batch);
            }
            Posted::Closed => self.put_back(batch),
            Posted::Refused(status) => self.batch_refused(batch, status),
            Posted::Busy(pause) => {
                self.outgoing.found_nobody = false;
                self.outgoing.failures = self.outgoing.failures.saturating_add(1);
                self.outgoing.not_before = now.plus(pause);
                self.put_back(batch);
            }
            Posted::Unreachable | Posted::NoWay => {
                self.outgoing.found_nobody = true;
                let doubled = 1_u32.checked_shl(self.outgoing.failures.min(16)).unwrap_or(u32::MAX);
                self.outgoing.failures = self.outgoing.failures.saturating_add(1);
                self.outgoing.not_before = now.plus(PAUSE.saturating_mul(doubled).min(PAUSE_MAX));
                self.put_back(batch);
                if self.outgoing.failures == FAILURES_MAX {
                    self.sessions_lost(now);
                    // A set-up has pauses of its own.
                    self.outgoing.not_before = now;
                }
            }
        }
    }

    /// Whether the peer may be one of those that never answer what they are told. With whom we have agreed on something
    /// answers all, as we do: without an answer it may have been lost there, after it was taken.
    pub(crate) fn may_be_silent(&self) -> bool {
        self.is_old || self.agreement.origin == Origin::Default
    }

    fn batch_taken(&mut self, batch: Batch, now: Timestamp) {
        let may_be_silent = self.may_be_silent();
        self.session_proved(batch.session);
        self.outgoing.failures = 0;
        self.outgoing.not_before = Timestamp(0);
        for id in batch.requests {
            let Some(request) = self.outgoing.requests.get_mut(&id) else { continue };
            if request.state != State::Posted {
                continue;
            }
            request.state = State::Taken;
            if may_be_silent && request.tells() {
                request.until = request.until.min(now.plus(TOLD_WITHIN));
                self.outgoing.ends.push(Reverse((request.until, id)));
            }
        }
        if let Some(newest) = batch.replies.iter().filter_map(|it| it.ends).max() {
            self.sessions_ended(newest, now);
        }
    }

    /// It will be posted again, under the same IDs.
    fn put_back(&mut self, batch: Batch) {
        for id in batch.requests.into_iter().rev() {
            if let Some(request) = self.outgoing.requests.get_mut(&id)
                && request.state == State::Posted
            {
                request.state = State::Waiting;
                self.outgoing.waiting.push_front(id);
            }
        }
        for reply in batch.replies.into_iter().rev() {
            self.outgoing.replies.push_front(reply);
        }
    }

    /// The peer does not take this message. If it has several transactions, one of them may be the reason.
    fn batch_refused(&mut self, batch: Batch, status: u16) {
        let several = batch.requests.len() + batch.replies.len() > 1;
        for id in batch.requests.into_iter().rev() {
            let Some(request) = self.outgoing.requests.get_mut(&id) else { continue };
            if several && request.state == State::Posted {
                request.state = State::Waiting;
                request.alone = true;
                self.outgoing.waiting.push_front(id);
            } else {
                self.finish(&id, Err(Failure::Refused(status)));
            }
        }
        // An answer that cannot be read is worth nothing to the peer, but the others in the message are.
        if several {
            let mut replies = batch.replies;
            replies.retain(|it| !it.alone);
            for mut reply in replies.into_iter().rev() {
                reply.alone = true;
                self.outgoing.replies.push_front(reply);
            }
        }
    }

    /// A request is through.
    fn finish(&mut self, id: &TransactionId, how: Result<Primitive, Failure>) {
        let Some(request) = self.outgoing.requests.remove(id) else { return };
        if request.what.number != OWN {
            self.actions.push_back(Action::Finished(request.what.number, how));
        }
    }

    /// The peer answers.
    pub(super) fn take_response(&mut self, transaction: Transaction, now: Timestamp) {
        let id = transaction.id;
        let said = match transaction.content {
            Ok(said) => said,
            Err(refusal) => {
                let Some(request) = self.outgoing.requests.get(&id) else {
                    self.incoming.is_within_rate(now);
                    return;
                };
                self.sessions.asking &= request.what.number != OWN;
                tracing::debug!(peer = %self.names.peer, id = ?id.as_str(), reason = ?refusal.reason, "answer cannot be read");
                self.finish(&id, Err(Failure::WrongAnswer("the answer cannot be read")));
                return;
            }
        };
        // A report comes as an answer from those who know it so (SSP 17).
        if matches!(said, Primitive::DeliveryStatusReport(_)) {
            self.take_told(id, said, now);
            return;
        }
        let Some(request) = self.outgoing.requests.get_mut(&id) else {
            // What nobody asked for counts as what is asked of us does.
            if self.incoming.is_within_rate(now) {
                self.actions.push_back(Action::Late(id, said));
            }
            return;
        };
        self.sessions.asking &= request.what.number != OWN;
        let code = said.outcome().map(|it| it.status);
        let lost = [Status::SESSION_EXPIRED, Status::NOT_LOGGED_IN];
        if code.is_some_and(|code| lost.contains(&code)) && request.what.number != OWN && !request.retried {
            request.retried = true;
            if request.state == State::Taken {
                request.state = State::Waiting;
                self.outgoing.waiting.push_front(id);
            }
            self.sessions_lost(now);
            return;
        }
        let asked = request.what.primitive.name();
        let is_fit = matches!(said, Primitive::Status(_)) || asked.row().replies.contains(&said.name());
        if matches!(request.what.primitive, Primitive::LogoutRequest(_)) {
            self.finish(&id, Ok(said));
            self.sessions_lost(now);
            return;
        }
        let how = if is_fit { Ok(said) } else { Err(Failure::WrongAnswer("another answer than the question has")) };
        self.finish(&id, how);
    }

    /// Requests whose time is over.
    pub(super) fn expire_requests(&mut self, now: Timestamp) {
        let open = self.outgoing.requests.len();
        while let Some(Reverse((until, _))) = self.outgoing.ends.peek() {
            if *until > now {
                break;
            }
            let Some(Reverse((_, id))) = self.outgoing.ends.pop() else { break };
            // The ID may have been used again since.
            let Some(request) = self.outgoing.requests.get(&id).filter(|it| it.until <= now) else { continue };
            let how = match request.state {
                State::Taken if request.tells() && self.may_be_silent() => Ok(super::status(Status::SUCCESSFUL, "")),
                State::Taken => Err(Failure::NoAnswer),
                State::Waiting | State::Posted => {
                    let pause = self.setup_pause(now).max(self.outgoing.not_before.since(now)).max(PAUSE);
                    Err(Failure::NotSent(Status::SERVER_UNAVAILABLE, "the domain cannot be reached", pause))
                }
            };
            if matches!(request.what.primitive, Primitive::KeepAliveRequest(_)) && request.what.number == OWN {
                self.sessions_lost(now);
            }
            self.finish(&id, how);
        }
        let queue = &mut self.outgoing;
        if queue.requests.len() < open {
            // What comes again under the same ID stands in the row once.
            queue.waiting.retain(|id| queue.requests.contains_key(id));
        }
        let is_over = |it: &Reply| it.until <= now;
        while self.outgoing.replies.front().is_some_and(is_over) {
            self.outgoing.replies.pop_front();
        }
    }

    /// There is no way: nothing that has not been taken will be.
    pub(super) fn fail_waiting(&mut self, status: Status, why: &'static str) {
        let pause = self.settings.setup_pause;
        for id in std::mem::take(&mut self.outgoing.waiting) {
            self.finish(&id, Err(Failure::NotSent(status, why, pause)));
        }
    }

    /// When it is tried again to reach a peer that could not be reached, if something is to be said then; none: nothing is
    /// waited for, or it is being tried.
    pub(crate) fn next_try(&self, now: Timestamp) -> Option<Timestamp> {
        let opens = if self.is_up(now) { now } else { self.setup.not_before };
        let is_idle = self.is_up(now) || !self.is_setting_up();
        Some(opens.max(self.outgoing.not_before)).filter(|at| *at > now && is_idle)
    }

    /// Who waits for the answer, or what is passed on for others, does not wait until the next attempt: who asked is told
    /// when that is.
    fn fail_hasty(&mut self, now: Timestamp) {
        let queue = &self.outgoing;
        let opens = if self.is_up(now) || self.is_setting_up() { now } else { self.setup.not_before };
        let again = opens.max(queue.not_before);
        let is_hasty = |id: &TransactionId| {
            queue.requests.get(id).is_some_and(|it| match it.what.haste {
                Haste::None => false,
                Haste::UntilPause => opens > now || again >= it.until,
                Haste::Great => true,
            })
        };
        if again <= now || !queue.waiting.iter().any(is_hasty) {
            return;
        }
        let (hasty, patient): (VecDeque<_>, VecDeque<_>) = queue.waiting.iter().cloned().partition(is_hasty);
        self.outgoing.waiting = patient;
        let pause = again.since(now);
        for id in hasty {
            let failure = Failure::NotSent(Status::SERVER_UNAVAILABLE, "the domain cannot be reached", pause);
            self.finish(&id, Err(failure));
        }
    }

    /// The peer goes: what was taken and not answered will not be.
    pub(super) fn fail_taken(&mut self) {
        let is_open = |(id, it): (&TransactionId, &Request)| (it.state == State::Taken).then(|| id.clone());
        let open: Vec<_> = self.outgoing.requests.iter().filter_map(is_open).collect();
        for id in open {
            let failure = Failure::NotSent(Status::SERVER_UNAVAILABLE, "the peer ended the session", PAUSE);
            self.finish(&id, Err(failure));
        }
    }
}

//! The peer's transactions: each is carried out once, and answered the same way however often it comes. SSP 7, 15.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use imps_proto::ssp::{KeepAliveResponse, Kind, Name, Primitive, SendMessageResponse, Transaction};
use imps_service::Timestamp;
use imps_types::element::ResultInfo;
use imps_types::{Status, TransactionId};
use rustc_hash::FxHashMap;

use super::{Action, Link, LinkSettings, OpenTransaction, status};
use crate::access;

/// A transaction of the peer.
struct Seen {
    /// By what it is found in the order in which they came.
    place: u64,
    /// What it said, as a number.
    print: u64,
    /// Its octets, while it is being worked on.
    bytes: usize,
    /// Whether it asks for something and changes nothing: it may be carried out again, and its answer is not remembered.
    only_reads: bool,
    /// What it was answered; nothing yet: it is being worked on.
    answer: Option<Kept>,
}

/// An answer as it is remembered: most are a number, or a number and a MessageID.
enum Kept {
    Plain(Status),
    Message(Option<Box<str>>, Status),
    Whole(Box<Primitive>),
}

impl Kept {
    fn of(answer: &Primitive) -> Self {
        let is_plain = |result: &ResultInfo| *result == ResultInfo::of(result.status);
        match answer {
            Primitive::Status(result) if is_plain(result) => Self::Plain(result.status),
            Primitive::SendMessageResponse(it) if is_plain(&it.status) => {
                Self::Message(it.message_id.clone(), it.status.status)
            }
            other => Self::Whole(Box::new(other.clone())),
        }
    }

    /// What is left when there is no room for all of it.
    fn shortened(&self) -> Self {
        match self {
            Self::Whole(answer) => Self::Plain(answer.outcome().map_or(Status::SUCCESSFUL, |it| it.status)),
            Self::Plain(status) | Self::Message(_, status) => Self::Plain(*status),
        }
    }

    fn answer(&self) -> Primitive {
        match self {
            Self::Plain(status) => Primitive::Status(ResultInfo::of(*status)),
            Self::Message(id, status) => {
                SendMessageResponse { message_id: id.clone(), status: ResultInfo::of(*status) }.into()
            }
            Self::Whole(answer) => (**answer).clone(),
        }
    }
}

/// How many transactions came, and how many may yet come this second.
struct Bucket {
    per_second: u64,
    left: u64,
    filled: Timestamp,
}

impl Bucket {
    fn take(&mut self, now: Timestamp) -> bool {
        let gone = u64::try_from(now.since(self.filled).as_millis()).unwrap_or(u64::MAX);
        let more = gone.saturating_mul(self.per_second) / 1000;
        if more > 0 {
            self.left = self.left.saturating_add(more).min(self.per_second);
            self.filled = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

pub(super) struct Incoming {
    seen: FxHashMap<TransactionId, Seen>,
    /// In which order they came, and when.
    order: BTreeMap<u64, (Timestamp, TransactionId)>,
    /// The place of the next one.
    next: u64,
    /// Answers that are remembered as they were, oldest first, by their places, and their octets.
    whole: VecDeque<(u64, TransactionId, usize)>,
    whole_bytes: usize,
    /// What was told in the form of an answer and is being worked on, by the ID that it came under: the octets of each.
    told: FxHashMap<TransactionId, Vec<usize>>,
    /// How many are being worked on, and their octets.
    open: usize,
    open_bytes: usize,
    bucket: Bucket,
}

impl Incoming {
    pub(super) fn new(rate: u32) -> Self {
        let per_second = u64::from(rate.max(1));
        Self {
            seen: FxHashMap::default(),
            order: BTreeMap::new(),
            next: 0,
            whole: VecDeque::new(),
            whole_bytes: 0,
            told: FxHashMap::default(),
            open: 0,
            open_bytes: 0,
            bucket: Bucket { per_second, left: per_second, filled: Timestamp(0) },
        }
    }

    fn begins(&mut self, bytes: usize) {
        self.open += 1;
        self.open_bytes = self.open_bytes.saturating_add(bytes);
    }

    fn ends(&mut self, bytes: usize) {
        self.open = self.open.saturating_sub(1);
        self.open_bytes = self.open_bytes.saturating_sub(bytes);
    }

    /// What was told in the form of an answer is not answered.
    fn told_is_through(&mut self, id: &TransactionId) {
        let Some(left) = self.told.get_mut(id) else { return };
        let bytes = left.pop().unwrap_or_default();
        if left.is_empty() {
            self.told.remove(id);
        }
        self.ends(bytes);
    }

    /// Remembers an answer, within so many octets of them all; the oldest are shortened.
    fn remember(&mut self, id: &TransactionId, answer: &Primitive, most: usize) {
        let Some(seen) = self.seen.get_mut(id) else { return };
        let kept = Kept::of(answer);
        if let Kept::Whole(whole) = &kept {
            let (_, bytes) = print_of_all(whole);
            self.whole_bytes = self.whole_bytes.saturating_add(bytes);
            self.whole.push_back((seen.place, id.clone(), bytes));
        }
        seen.answer = Some(kept);
        while self.whole_bytes > most {
            let Some((place, id, bytes)) = self.whole.pop_front() else { break };
            self.whole_bytes = self.whole_bytes.saturating_sub(bytes);
            if let Some(seen) = self.seen.get_mut(&id).filter(|seen| seen.place == place) {
                seen.answer = seen.answer.as_ref().map(Kept::shortened);
            }
        }
    }

    fn forget(&mut self, id: &TransactionId) {
        let Some(seen) = self.seen.remove(id) else { return };
        self.order.remove(&seen.place);
        if seen.answer.is_none() {
            self.ends(seen.bytes);
        }
        // Answers that were remembered before it go before it.
        while let Some((_, _, bytes)) = self.whole.front().filter(|(place, ..)| !self.order.contains_key(place)) {
            self.whole_bytes = self.whole_bytes.saturating_sub(*bytes);
            self.whole.pop_front();
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open == 0 && self.seen.is_empty()
    }

    /// When the last answer may be forgotten; those before it are when the next transaction comes.
    pub(super) fn next_tick(&self, settings: &LinkSettings) -> Option<Timestamp> {
        self.order.last_key_value().map(|(_, (came, _))| came.plus(settings.remember))
    }
}

/// Requests that change nothing: their answers may be large, and it is right to make them anew.
const READS: &[Name] = &[
    Name::GetServiceListRequest,
    Name::GetUserProfileRequest,
    Name::SearchRequest,
    Name::VerifyIdRequest,
    Name::GetPublicProfileRequest,
    Name::GetSpInfoRequest,
    Name::GetListRequest,
    Name::GetAttributeListRequest,
    Name::GetPresenceRequest,
    Name::GetWatcherListRequest,
    Name::GetMessageListRequest,
    Name::GetMessageRequest,
    Name::GetBlockedListRequest,
    Name::GetGroupMemberRequest,
    Name::GetJoinedUsersRequest,
    Name::GetGroupPropsRequest,
    Name::GetGroupSubStatusRequest,
];

/// The same for the same content: what a transaction says, in our own form, as a number; and how many octets it is. How
/// long a message is good yet is another number at the next attempt.
fn print_of(primitive: &mut Primitive) -> (u64, usize) {
    let Primitive::SendMessageRequest(it) = primitive else { return print_of_all(primitive) };
    let validity = it.info.validity.take();
    let print = print_of_all(primitive);
    if let Primitive::SendMessageRequest(it) = primitive {
        it.info.validity = validity;
    }
    print
}

fn print_of_all(primitive: &Primitive) -> (u64, usize) {
    let mut hasher = DefaultHasher::new();
    primitive.name().hash(&mut hasher);
    let id = TransactionId::default();
    let mut writer = imps_proto::ssp::SessionWriter::new(imps_proto::ssp::Dialect::Bare, "");
    writer.transaction(imps_proto::ssp::Mode::Request, &id, primitive);
    let octets = writer.finish();
    octets.hash(&mut hasher);
    (hasher.finish(), octets.len())
}

impl Link {
    /// The peer's transactions that are being worked on: so many of them.
    pub(crate) fn transactions(&self, most: usize) -> Vec<OpenTransaction> {
        let seen = self.incoming.seen.iter().filter(|(_, seen)| seen.answer.is_none());
        let open =
            |id: &TransactionId| OpenTransaction { id: id.clone(), name: None, state: "is carried out", until: None };
        seen.take(most).map(|(id, _)| open(id)).collect()
    }

    /// How many of the peer's transactions are remembered: one that comes again is not carried out again.
    pub(crate) fn remembered(&self) -> usize {
        self.incoming.seen.len()
    }

    /// How many of the peer's transactions are being worked on.
    pub(crate) fn open_transactions(&self) -> usize {
        self.incoming.open
    }

    /// The peer asks for something, or tells something.
    pub(super) fn take_request(&mut self, session: u64, transaction: Transaction, now: Timestamp) {
        let id = transaction.id;
        let mut said = match transaction.content {
            Ok(said) => said,
            Err(refusal) => return self.reply_with(id, refusal.answer(), None, now),
        };
        let (print, bytes) = print_of(&mut said);
        if let Some(seen) = self.incoming.seen.get(&id) {
            let answer = match &seen.answer {
                _ if seen.print != print => {
                    Some(status(Status::INVALID_TRANSACTION_ID, "the ID was used for something else"))
                }
                answer => answer.as_ref().map(Kept::answer),
            };
            if let Some(answer) = answer {
                self.reply_with(id, answer, None, now);
            }
            return;
        }
        if self.take_managing(session, &id, &said, now) {
            return;
        }
        if let Some(refused) = self.over_limit(&said, bytes, now) {
            // It is not remembered: the next attempt may be luckier.
            return self.reply_with(id, refused, None, now);
        }
        if said.name().row().kind == Kind::Reply {
            let refused = status(Status::BAD_PARAMETER, "an answer is no request");
            return self.reply_with(id, refused, None, now);
        }
        let place = self.incoming.next;
        self.incoming.next += 1;
        self.incoming.order.insert(place, (now, id.clone()));
        let only_reads = READS.contains(&said.name());
        self.incoming.seen.insert(id.clone(), Seen { place, print, bytes, only_reads, answer: None });
        self.incoming.begins(bytes);
        match access::check(&self.names.peer, &self.agreement, &self.territory, &said) {
            Ok(()) => self.actions.push_back(Action::Perform(id, said)),
            Err((refused, why)) => {
                tracing::info!(peer = %self.names.peer, id = id.as_str(), primitive = %said.name(), %refused, why, "refused");
                self.answer(&id, status(refused, why), now);
            }
        }
    }

    /// What a peer tells in the form of an answer.
    pub(super) fn take_told(&mut self, id: TransactionId, said: Primitive, now: Timestamp) {
        let (_, bytes) = print_of_all(&said);
        if self.over_limit(&said, bytes, now).is_some() {
            // Nobody waits for an answer, so there is nobody to say it to.
            tracing::info!(peer = %self.names.peer, id = id.as_str(), primitive = %said.name(), "too much at once");
            return;
        }
        match access::check(&self.names.peer, &self.agreement, &self.territory, &said) {
            Ok(()) => {
                self.incoming.begins(bytes);
                self.incoming.told.entry(id.clone()).or_default().push(bytes);
                self.actions.push_back(Action::Perform(id, said));
            }
            Err((refused, why)) => {
                tracing::info!(peer = %self.names.peer, id = id.as_str(), primitive = %said.name(), %refused, why, "refused");
            }
        }
    }

    /// What is between the two machines only. False: it is not.
    fn take_managing(&mut self, session: u64, id: &TransactionId, said: &Primitive, now: Timestamp) -> bool {
        match said {
            Primitive::KeepAliveRequest(ask) => {
                let answer =
                    KeepAliveResponse { time_to_live: ask.time_to_live, status: ResultInfo::of(Status::SUCCESSFUL) };
                self.reply_with(id.clone(), answer.into(), None, now);
            }
            Primitive::LogoutRequest(_) => {
                self.sessions.left = Some(now);
                self.fail_taken();
                let newest = self.sessions.newest();
                self.reply_with(id.clone(), status(Status::SUCCESSFUL, ""), Some(newest), now);
            }
            Primitive::Disconnect(_) => {
                self.sessions.left = Some(now);
                self.fail_taken();
                self.session_lost(session, now);
            }
            _ => return false,
        }
        true
    }

    fn over_limit(&mut self, said: &Primitive, bytes: usize, now: Timestamp) -> Option<Primitive> {
        if said.recipients() > self.settings.recipients_max {
            return Some(status(Status::MESSAGE_QUEUE_IS_FULL, "too many recipients in one message"));
        }
        // A single one may be as large as a message of the peer.
        let is_heavy = self.incoming.open > 0 && self.incoming.open_bytes + bytes > self.settings.open_bytes;
        let is_full = is_heavy || self.incoming.open >= self.settings.open_max;
        if is_full || !self.incoming.bucket.take(now) {
            let mut result = ResultInfo::of(Status::SERVER_UNAVAILABLE);
            let why = if is_full { "too many transactions are open" } else { "too many transactions at once" };
            result.description = Some(why.into());
            result.try_again = Some(1);
            return Some(Primitive::Status(result));
        }
        None
    }

    /// A transaction of the peer was carried out.
    pub(crate) fn answered(&mut self, id: &TransactionId, answer: Primitive, now: Timestamp) {
        self.expire(now);
        self.answer(id, answer, now);
        self.pump(now);
    }

    fn answer(&mut self, id: &TransactionId, answer: Primitive, now: Timestamp) {
        let Some(seen) = self.incoming.seen.get(id).filter(|it| it.answer.is_none()) else {
            return self.incoming.told_is_through(id);
        };
        if seen.only_reads {
            self.incoming.forget(id);
        } else {
            let bytes = seen.bytes;
            self.incoming.ends(bytes);
            self.incoming.remember(id, &answer, self.settings.remember_bytes);
        }
        self.reply_with(id.clone(), answer, None, now);
    }

    pub(super) fn forget_old(&mut self, now: Timestamp) {
        let most = self.settings.remember_max;
        while let Some((_, (came, id))) = self.incoming.order.first_key_value() {
            let is_old = now.since(*came) >= self.settings.remember || self.incoming.order.len() > most;
            if !is_old {
                break;
            }
            let id = id.clone();
            self.incoming.forget(&id);
        }
    }
}

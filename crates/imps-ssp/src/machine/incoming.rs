//! The peer's transactions: each is carried out once, and answered the same way however often it comes. SSP 7, 15.

use imps_proto::ssp::{KeepAliveResponse, Kind, Name, Primitive, Transaction};
use imps_service::Timestamp;
use imps_types::element::ResultInfo;
use imps_types::{Status, TransactionId};
use rustc_hash::FxHashMap;

use super::seen::{Answers, message_of};
use super::{Action, Link, LinkSettings, OpenTransaction, status, try_later, used_again};
use crate::access;

/// A transaction of the peer that is being worked on.
struct Open {
    /// What it said, as a number.
    print: u64,
    /// Its octets.
    bytes: usize,
    /// Whether it asks for something and changes nothing: it may be carried out again, and its answer is not remembered.
    only_reads: bool,
    /// The MessageID that it bears: its answer has the same.
    message: Option<Box<str>>,
}

/// How many transactions came, and how many may yet come this second.
struct Bucket {
    per_second: u64,
    left: u64,
    filled: Timestamp,
}

impl Bucket {
    fn new(per_second: u64) -> Self {
        Self { per_second, left: per_second, filled: Timestamp(0) }
    }

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
    /// What is being worked on.
    seen: FxHashMap<TransactionId, Open>,
    /// And what was, with its answers.
    answers: Answers,
    /// What was told in the form of an answer and is being worked on, by the ID that it came under: the octets of each.
    told: FxHashMap<TransactionId, Vec<usize>>,
    /// How many are being worked on, and their octets.
    open: usize,
    open_bytes: usize,
    bucket: Bucket,
    /// Of what was refused, a line each second: what a peer can say fills no log.
    notes: Bucket,
}

impl Incoming {
    pub(super) fn new(rate: u32) -> Self {
        let per_second = u64::from(rate.max(1));
        Self {
            seen: FxHashMap::default(),
            answers: Answers::default(),
            told: FxHashMap::default(),
            open: 0,
            open_bytes: 0,
            bucket: Bucket::new(per_second),
            notes: Bucket::new(1),
        }
    }

    /// Counts something that the peer said without being asked. False: it is too much at once.
    pub(super) fn is_within_rate(&mut self, now: Timestamp) -> bool {
        self.bucket.take(now)
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

    pub(super) fn is_idle(&self) -> bool {
        self.open == 0 && self.seen.is_empty() && self.answers.is_empty()
    }

    /// When the oldest answers may be forgotten.
    pub(super) fn next_tick(&self, settings: &LinkSettings) -> Option<Timestamp> {
        self.answers.next_end(settings)
    }

    /// The same for the same content: what a transaction says, in our own form, as a number; and how many octets it is. How
    /// long a message is good yet is another number at the next attempt.
    fn print_of(&self, primitive: &mut Primitive) -> (u64, usize) {
        let validity = match primitive {
            Primitive::SendMessageRequest(it) => it.info.validity.take(),
            _ => None,
        };
        let octets = written(primitive);
        if let Primitive::SendMessageRequest(it) = primitive {
            it.info.validity = validity;
        }
        (self.answers.hash(&octets), octets.len())
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

/// Whether it only asks for something.
pub(crate) fn only_reads(name: Name) -> bool {
    READS.contains(&name)
}

/// A primitive in our own form, as octets: its name is among them.
pub(super) fn written(primitive: &Primitive) -> Vec<u8> {
    let id = TransactionId::default();
    let mut writer = imps_proto::ssp::SessionWriter::new(imps_proto::ssp::Dialect::Bare, "");
    writer.transaction(imps_proto::ssp::Mode::Request, &id, primitive);
    writer.finish()
}

impl Link {
    /// The peer's transactions that are being worked on: so many of them.
    pub(crate) fn transactions(&self, most: usize) -> Vec<OpenTransaction> {
        let open =
            |id: &TransactionId| OpenTransaction { id: id.clone(), name: None, state: "is carried out", until: None };
        self.incoming.seen.keys().take(most).map(open).collect()
    }

    /// How many of the peer's transactions are remembered: one that comes again is not carried out again.
    pub(crate) fn remembered(&self) -> usize {
        self.incoming.answers.len()
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
        let (print, bytes) = self.incoming.print_of(&mut said);
        if let Some(open) = self.incoming.seen.get(&id) {
            if open.print != print {
                self.reply_with(id, used_again(), None, now);
            }
            return;
        }
        if let Some(answer) = self.incoming.answers.get(&id, print, &said) {
            return self.reply_with(id, answer, None, now);
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
        let only_reads = only_reads(said.name());
        let message = message_of(&said).map(Box::from);
        self.incoming.seen.insert(id.clone(), Open { print, bytes, only_reads, message });
        self.incoming.begins(bytes);
        match access::check(&self.names.peer, &self.agreement, &self.territory, &said) {
            Ok(()) => self.actions.push_back(Action::Perform(id, said)),
            Err((refused, why)) => {
                self.note_refused(&id, &said, refused, why, now);
                self.answer(&id, status(refused, why), now);
            }
        }
    }

    /// What a peer tells in the form of an answer.
    pub(super) fn take_told(&mut self, id: TransactionId, said: Primitive, now: Timestamp) {
        let bytes = written(&said).len();
        if self.over_limit(&said, bytes, now).is_some() {
            // Nobody waits for an answer, so there is nobody to say it to.
            return self.note_refused(&id, &said, Status::SERVER_UNAVAILABLE, "too much at once", now);
        }
        match access::check(&self.names.peer, &self.agreement, &self.territory, &said) {
            Ok(()) => {
                self.incoming.begins(bytes);
                self.incoming.told.entry(id.clone()).or_default().push(bytes);
                self.actions.push_back(Action::Perform(id, said));
            }
            Err((refused, why)) => {
                self.note_refused(&id, &said, refused, why, now);
            }
        }
    }

    fn note_refused(&mut self, id: &TransactionId, said: &Primitive, status: Status, why: &str, now: Timestamp) {
        if self.incoming.notes.take(now) {
            tracing::info!(peer = %self.names.peer, id = ?id.as_str(), primitive = %said.name(), %status, why, "refused");
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
            let why = if is_full { "too many transactions are open" } else { "too many transactions at once" };
            return Some(try_later(why));
        }
        // Whoever asks for much and takes no answers is asked to take them first.
        (self.outgoing.reply_bytes() >= self.settings.reply_bytes).then(|| try_later("too many answers wait"))
    }

    /// A transaction of the peer was carried out.
    pub(crate) fn answered(&mut self, id: &TransactionId, answer: Primitive, now: Timestamp) {
        self.expire(now);
        self.answer(id, answer, now);
        self.pump(now);
    }

    fn answer(&mut self, id: &TransactionId, answer: Primitive, now: Timestamp) {
        let Some(open) = self.incoming.seen.remove(id) else {
            return self.incoming.told_is_through(id);
        };
        self.incoming.ends(open.bytes);
        if !open.only_reads {
            let what = (id, open.print, open.message.as_deref());
            self.incoming.answers.put(what, &answer, || written(&answer).len(), &self.settings, now);
        }
        self.reply_with(id.clone(), answer, None, now);
    }

    pub(super) fn forget_old(&mut self, now: Timestamp) {
        self.incoming.answers.forget_old(&self.settings, now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_gives_so_many_a_second_and_no_more_after_a_pause() {
        let begun = Timestamp(1_000_000);
        for per_second in [1, 50] {
            let mut bucket = Bucket::new(per_second);
            for pause in [0, 1, 3600] {
                let now = begun.plus(Duration::from_secs(pause));
                let given = (0..1000).filter(|_| bucket.take(now)).count();
                assert_eq!(u64::try_from(given), Ok(per_second), "after {pause} s");
            }
        }
    }
}

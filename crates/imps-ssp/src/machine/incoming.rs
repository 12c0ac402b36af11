//! The peer's transactions: each is carried out once, and answered the same way however often it comes. SSP 7, 15.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use imps_proto::ssp::{KeepAliveResponse, Kind, Primitive, Transaction};
use imps_service::Timestamp;
use imps_types::element::ResultInfo;
use imps_types::{Status, TransactionId};
use rustc_hash::FxHashMap;

use super::{Action, Link, OpenTransaction, status};
use crate::access;

/// A transaction of the peer.
struct Seen {
    /// What it said, as a number.
    print: u64,
    /// What it was answered; nothing yet: it is being worked on.
    answer: Option<Primitive>,
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
    order: VecDeque<(Timestamp, TransactionId)>,
    /// What was told in the form of an answer and is being worked on, by the ID that it came under.
    told: FxHashMap<TransactionId, usize>,
    /// How many are being worked on.
    open: usize,
    bucket: Bucket,
}

impl Incoming {
    pub(super) fn new(rate: u32) -> Self {
        let per_second = u64::from(rate.max(1));
        let bucket = Bucket { per_second, left: per_second, filled: Timestamp(0) };
        Self { seen: FxHashMap::default(), told: FxHashMap::default(), order: VecDeque::new(), open: 0, bucket }
    }

    /// What was told in the form of an answer is not answered.
    fn told_is_through(&mut self, id: &TransactionId) {
        let Some(left) = self.told.get_mut(id) else { return };
        self.open = self.open.saturating_sub(1);
        *left -= 1;
        if *left == 0 {
            self.told.remove(id);
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.open == 0 && self.seen.is_empty()
    }
}

/// The same for the same content: what a transaction says, in our own form. How long a message is good yet is another
/// number at the next attempt.
fn print_of(primitive: &mut Primitive) -> u64 {
    let Primitive::SendMessageRequest(it) = primitive else { return print_of_all(primitive) };
    let validity = it.info.validity.take();
    let print = print_of_all(primitive);
    if let Primitive::SendMessageRequest(it) = primitive {
        it.info.validity = validity;
    }
    print
}

fn print_of_all(primitive: &Primitive) -> u64 {
    let mut hasher = DefaultHasher::new();
    primitive.name().hash(&mut hasher);
    let id = TransactionId::default();
    let mut writer = imps_proto::ssp::SessionWriter::new(imps_proto::ssp::Dialect::Bare, "");
    writer.transaction(imps_proto::ssp::Mode::Request, &id, primitive);
    writer.finish().hash(&mut hasher);
    hasher.finish()
}

impl Link {
    /// The peer's transactions that are being worked on: so many of them.
    pub(crate) fn transactions(&self, most: usize) -> Vec<OpenTransaction> {
        let seen = self.incoming.seen.iter().filter(|(_, seen)| seen.answer.is_none());
        let open = |id: &TransactionId| OpenTransaction { id: id.clone(), name: None, state: "is carried out" };
        seen.take(most).map(|(id, _)| open(id)).collect()
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
            Err(refusal) => return self.reply_with(id, refusal.answer(), false, now),
        };
        self.forget_old(now);
        let print = print_of(&mut said);
        if let Some(seen) = self.incoming.seen.get(&id) {
            let answer = match &seen.answer {
                _ if seen.print != print => {
                    Some(status(Status::INVALID_TRANSACTION_ID, "the ID was used for something else"))
                }
                answer => answer.clone(),
            };
            if let Some(answer) = answer {
                self.reply_with(id, answer, false, now);
            }
            return;
        }
        if self.take_managing(session, &id, &said, now) {
            return;
        }
        if let Some(refused) = self.over_limit(&said, now) {
            // It is not remembered: the next attempt may be luckier.
            return self.reply_with(id, refused, false, now);
        }
        if said.name().row().kind == Kind::Reply {
            let refused = status(Status::BAD_PARAMETER, "an answer is no request");
            return self.reply_with(id, refused, false, now);
        }
        self.incoming.order.push_back((now, id.clone()));
        self.incoming.seen.insert(id.clone(), Seen { print, answer: None });
        self.incoming.open += 1;
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
        if self.over_limit(&said, now).is_some() {
            // Nobody waits for an answer, so there is nobody to say it to.
            tracing::info!(peer = %self.names.peer, id = id.as_str(), primitive = %said.name(), "too much at once");
            return;
        }
        match access::check(&self.names.peer, &self.agreement, &self.territory, &said) {
            Ok(()) => {
                self.incoming.open += 1;
                *self.incoming.told.entry(id.clone()).or_default() += 1;
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
                self.reply_with(id.clone(), answer.into(), false, now);
            }
            Primitive::LogoutRequest(_) => {
                self.fail_taken();
                self.reply_with(id.clone(), status(Status::SUCCESSFUL, ""), true, now);
            }
            Primitive::Disconnect(_) => {
                self.fail_taken();
                self.session_lost(session, now);
            }
            _ => return false,
        }
        true
    }

    fn over_limit(&mut self, said: &Primitive, now: Timestamp) -> Option<Primitive> {
        if said.recipients() > self.settings.recipients_max {
            return Some(status(Status::MESSAGE_QUEUE_IS_FULL, "too many recipients in one message"));
        }
        let is_full = self.incoming.open >= self.settings.open_max;
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
        let Some(seen) = self.incoming.seen.get_mut(id).filter(|it| it.answer.is_none()) else {
            return self.incoming.told_is_through(id);
        };
        seen.answer = Some(answer.clone());
        self.incoming.open = self.incoming.open.saturating_sub(1);
        self.reply_with(id.clone(), answer, false, now);
    }

    fn forget_old(&mut self, now: Timestamp) {
        let most = self.settings.remember_max;
        while let Some((came, id)) = self.incoming.order.front() {
            let is_old = now.since(*came) >= self.settings.remember || self.incoming.order.len() > most;
            if !is_old {
                break;
            }
            if self.incoming.seen.remove(id).is_some_and(|it| it.answer.is_none()) {
                self.incoming.open = self.incoming.open.saturating_sub(1);
            }
            self.incoming.order.pop_front();
        }
    }
}

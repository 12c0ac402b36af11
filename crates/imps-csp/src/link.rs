//! What only CSP needs to know of a client: the server's open transactions, their IDs, and its own last requests.

use std::sync::Arc;
use std::time::Duration;

use imps_proto::csp::StatusPrimitive;
use imps_proto::csp::catalogue::Response;
use imps_proto::wire::Form;
use imps_proto::wire::pts::MAX_TRANSACTION_ID;
use imps_service::event::Event;
use imps_service::seam::Link;
use imps_service::{Session, Timestamp};
use imps_types::{SessionId, Status};
use parking_lot::Mutex;

/// Requests that a client's memory reaches back to.
const RECENT: usize = 4;

/// Transactions that are remembered as open, also of a client that answers none of them.
const OPEN_MAX: usize = 64;

/// How often the time to the next repeat of a message doubles.
const DOUBLINGS: u32 = 6;

/// A transaction of the server that the client has not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) transaction: u32,
    pub(crate) event: Event,
    offered: Timestamp,
    times: u32,
}

impl Open {
    /// Whether it is about this message: it is pushed, or its client is told of it.
    pub(crate) fn is_message(&self, id: &str) -> bool {
        match &self.event {
            Event::NewMessage(message) | Event::MessageNotification(message) => {
                message.info.message_id.as_deref() == Some(id)
            }
            Event::DeliveryReport(_)
            | Event::Notice(_)
            | Event::Notification(_)
            | Event::Presence(_)
            | Event::Disconnect(_) => false,
        }
    }

    /// Whether it is time to offer it again. A client that does not take a message will hardly take it the next minute.
    fn is_due(&self, now: Timestamp, after: Duration, most: u32) -> bool {
        let doublings = self.times.saturating_sub(most).min(DOUBLINGS);
        now.since(self.offered) >= after.saturating_mul(1 << doublings)
    }

    fn is_given_up(&self, now: Timestamp, after: Duration, most: u32) -> bool {
        let is_over = match &self.event {
            Event::NewMessage(message) => message.expires <= now,
            _ => self.times > most,
        };
        is_over && now.since(self.offered) >= after
    }
}

/// A request that changed something, and its answer: for the gateway that sends it again (CSP 15.1).
struct Recent {
    transaction: Box<str>,
    content: u64,
    /// None while it is being carried out.
    answer: Option<Kept>,
    at: Timestamp,
}

/// An answer that is kept. Most say no more than a code, and every idle session has some.
enum Kept {
    Code(Status),
    Whole(Box<Response>),
}

impl Kept {
    fn new(answer: &Response) -> Self {
        match answer {
            Response::Status(status) if *status == StatusPrimitive::of(status.result.status) => {
                Self::Code(status.result.status)
            }
            _ => Self::Whole(Box::new(answer.clone())),
        }
    }

    fn response(&self) -> Response {
        match self {
            Self::Code(status) => Response::Status(StatusPrimitive::of(*status)),
            Self::Whole(answer) => (**answer).clone(),
        }
    }
}

impl Recent {
    fn is(&self, transaction: &str, content: u64) -> bool {
        self.content == content && *self.transaction == *transaction
    }
}

/// What is known of a request.
#[expect(clippy::large_enum_variant, reason = "there is one, for the time of one transaction")]
pub(crate) enum Known {
    /// Not seen before; it is remembered as under way now.
    New,
    /// Its first copy is being carried out.
    UnderWay,
    /// It was carried out, and answered so.
    Done(Response),
}

#[derive(Default)]
struct State {
    last: u32,
    open: Vec<Open>,
    recent: Vec<Recent>,
}

impl State {
    /// The next TransactionID: one that no open transaction has, in PTS neither.
    fn next_transaction(&mut self) -> u32 {
        loop {
            self.last = self.last.wrapping_add(1);
            let short = short_transaction(self.last);
            // There are far fewer open ones than there are short IDs.
            if self.open.iter().all(|open| short_transaction(open.transaction) != short) {
                return self.last;
            }
        }
    }

    fn take(&mut self, index: Option<usize>) -> Option<Open> {
        let open = self.open.remove(index?);
        if self.open.is_empty() {
            // An idle session keeps no memory of a burst.
            self.open = Vec::new();
        }
        Some(open)
    }
}

/// The face's side of a session.
#[derive(Default)]
pub(crate) struct ClientLink(Mutex<State>);

impl Link for ClientLink {
    // Whoever polls finds it; ways to call a client come with the CIR channels.
    fn wake(&self, _session: &SessionId) {}
}

impl ClientLink {
    /// The link of a session, made at its first request, after a restart too.
    pub(crate) fn of(session: &Session) -> Option<&Self> {
        let link = session.link(|| Arc::new(Self::begin()));
        let link: &dyn std::any::Any = link.as_ref();
        link.downcast_ref()
    }

    fn begin() -> Self {
        // Nokia drops a transaction whose ID is among the last it has seen, so a restarted server must not count from one.
        let mut random = [0; 4];
        let _ = getrandom::fill(&mut random);
        Self(Mutex::new(State { last: u32::from_be_bytes(random) & 0x00ff_ffff, ..State::default() }))
    }

    /// An open transaction that was offered so long ago that it is time again, under a new ID: those of messages until
    /// they are acknowledged, after `most` repeats at longer and longer intervals; others are dropped then.
    pub(crate) fn overdue(&self, now: Timestamp, after: Duration, most: u32) -> Option<Open> {
        let mut state = self.0.lock();
        state.open.retain(|open| !open.is_given_up(now, after, most));
        let index = state.open.iter().position(|open| open.is_due(now, after, most))?;
        let mut open = state.open.remove(index);
        open.transaction = state.next_transaction();
        open.offered = now;
        open.times += 1;
        state.open.push(open.clone());
        Some(open)
    }

    /// Whether another transaction may be opened. One that was not answered within `after` has timed out and does not
    /// count: a message that its client never acknowledges must not keep everything else from it.
    pub(crate) fn may_open(&self, most: u32, now: Timestamp, after: Duration) -> bool {
        let state = self.0.lock();
        let open = state.open.iter().filter(|open| now.since(open.offered) < after).count();
        state.open.len() < OPEN_MAX && (open as u64) < u64::from(most)
    }

    /// Opens a transaction.
    pub(crate) fn open(&self, event: Event, now: Timestamp) -> Open {
        let mut state = self.0.lock();
        let open = Open { transaction: state.next_transaction(), event, offered: now, times: 1 };
        // A Disconnect is not answered.
        if !matches!(open.event, Event::Disconnect(_)) {
            state.open.push(open.clone());
        }
        open
    }

    /// Takes the open transaction with this ID out: while its answer is being dealt with it is not offered again.
    pub(crate) fn take(&self, transaction: &str, form: Form) -> Option<Open> {
        let wanted = parse_transaction(transaction, form)?;
        let number = |open: &Open| match form {
            Form::Pts(_) => short_transaction(open.transaction),
            Form::Xml | Form::Wbxml | Form::Json => open.transaction,
        };
        let mut state = self.0.lock();
        let index = state.open.iter().position(|open| number(open) == wanted);
        state.take(index)
    }

    /// The client cannot be told of this in the encoding that it speaks: it is not open, and what is in the store stays
    /// there for its next session.
    pub(crate) fn withdraw(&self, transaction: u32) {
        self.0.lock().open.retain(|open| open.transaction != transaction);
    }

    /// Likewise the one that waits longest: what a stray Status answers (CSP 17, Colibria).
    pub(crate) fn take_oldest(&self) -> Option<Open> {
        let mut state = self.0.lock();
        let oldest = state.open.iter().enumerate().min_by_key(|(_, open)| open.offered).map(|(index, _)| index);
        state.take(oldest)
    }

    /// Likewise the NewMessage of this message.
    pub(crate) fn take_message(&self, id: &str) -> Option<Open> {
        let mut state = self.0.lock();
        let is_it = |open: &Open| matches!(open.event, Event::NewMessage(_)) && open.is_message(id);
        let index = state.open.iter().position(is_it);
        state.take(index)
    }

    /// The answer could not be dealt with, or was none: the transaction is open still.
    pub(crate) fn put_back(&self, open: Open) {
        self.0.lock().open.push(open);
    }

    /// The client is through with this message: nothing more is said of it.
    pub(crate) fn close_message(&self, id: &str) {
        let mut state = self.0.lock();
        if !state.open.is_empty() {
            state.open.retain(|open| !open.is_message(id));
            if state.open.is_empty() {
                state.open = Vec::new();
            }
        }
    }

    /// What is known of this request; if nothing is, it is under way from now on, until [`ClientLink::finish`].
    pub(crate) fn begin_request(&self, transaction: &str, content: u64, now: Timestamp, window: Duration) -> Known {
        let mut state = self.0.lock();
        state.recent.retain(|recent| now.since(recent.at) <= window);
        if let Some(recent) = state.recent.iter().find(|recent| recent.is(transaction, content)) {
            return recent.answer.as_ref().map_or(Known::UnderWay, |answer| Known::Done(answer.response()));
        }
        if state.recent.len() >= RECENT {
            state.recent.remove(0);
        }
        state.recent.push(Recent { transaction: transaction.into(), content, answer: None, at: now });
        Known::New
    }

    /// Remembers how a request was answered; without an answer it was not carried out and may come again.
    pub(crate) fn finish_request(&self, transaction: &str, content: u64, answer: Option<&Response>) {
        let mut state = self.0.lock();
        let index = state.recent.iter().position(|recent| recent.is(transaction, content));
        match (answer, index.and_then(|index| state.recent.get_mut(index))) {
            (Some(answer), Some(recent)) => recent.answer = Some(Kept::new(answer)),
            (None, Some(_)) => state.recent.retain(|recent| !recent.is(transaction, content)),
            (_, None) => {}
        }
    }
}

/// A TransactionID of the server as it is written: not to be confused with those of the client. PTS has numbers only, up to
/// 999 (Encoding 2.2); 0 is for what is not answered.
pub(crate) fn transaction_text(transaction: u32, form: Form) -> String {
    match form {
        Form::Pts(_) => short_transaction(transaction).to_string(),
        Form::Xml | Form::Wbxml | Form::Json => format!("s{transaction}"),
    }
}

fn parse_transaction(text: &str, form: Form) -> Option<u32> {
    match form {
        Form::Pts(_) => text.parse().ok(),
        Form::Xml | Form::Wbxml | Form::Json => text.strip_prefix('s')?.parse().ok(),
    }
}

fn short_transaction(transaction: u32) -> u32 {
    match transaction {
        0 => 0,
        other => (other - 1) % u32::from(MAX_TRANSACTION_ID) + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use imps_service::event::{Message, PresenceSnapshot};
    use imps_types::presence::PresenceSubList;
    use imps_types::{MessageId, UserId};

    const MINUTE: Duration = Duration::from_secs(60);

    fn seconds(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn message(sequence: u64) -> Event {
        let user = UserId::from_canonical("wv:bob@a.example");
        let id = MessageId::new(sequence);
        let message_id = Some(id.to_string().into());
        let info = imps_types::element::MessageInfo { message_id, ..Default::default() };
        Event::NewMessage(Arc::new(Message {
            id,
            sender: user,
            info,
            content: Bytes::new(),
            binary: false,
            report: false,
            shared: false,
            expires: seconds(1_000_000),
        }))
    }

    fn presence() -> Event {
        let user = UserId::from_canonical("wv:bob@a.example");
        Event::Presence(Arc::new(PresenceSnapshot::new(user, PresenceSubList::default())))
    }

    #[test]
    fn a_message_that_is_never_acknowledged_comes_again_and_keeps_nothing_else_away() {
        let link = ClientLink::default();
        assert!(link.may_open(1, seconds(0), MINUTE));
        link.open(message(1), seconds(0));
        assert!(!link.may_open(1, seconds(59), MINUTE), "one is open");
        let mut again = Vec::new();
        for now in 1..=1000 {
            if let Some(open) = link.overdue(seconds(now), MINUTE, 3) {
                assert!(open.is_message(&MessageId::new(1).to_string()));
                again.push(now);
            }
        }
        assert_eq!(again, [60, 120, 180, 300, 540], "a few times each minute, then less often");
        assert!(link.may_open(1, seconds(1000), MINUTE), "it does not count for ever");
    }

    #[test]
    fn what_is_no_message_is_given_up() {
        let link = ClientLink::default();
        link.open(presence(), seconds(0));
        let again: Vec<_> = (1..=1000).filter(|now| link.overdue(seconds(*now), MINUTE, 3).is_some()).collect();
        assert_eq!(again, [60, 120, 180]);
        assert!(link.take_oldest().is_none());
    }

    #[test]
    fn open_transactions_are_bounded() {
        let link = ClientLink::default();
        let mut now = 0;
        while link.may_open(u32::MAX, seconds(now), MINUTE) {
            link.open(message(now), seconds(now));
            now += 61;
        }
        assert_eq!(now, 61 * 64);
    }

    #[test]
    fn an_answer_that_is_dealt_with_is_not_offered_meanwhile() {
        let link = ClientLink::default();
        let open = link.open(message(1), seconds(0));
        let taken = link.take(&transaction_text(open.transaction, Form::Xml), Form::Xml).unwrap();
        assert!(link.overdue(seconds(61), MINUTE, 3).is_none());
        link.put_back(taken);
        assert!(link.overdue(seconds(61), MINUTE, 3).is_some());
    }

    #[test]
    fn in_pts_every_open_transaction_has_its_own_short_number() {
        let form = Form::Pts(imps_proto::wire::PtsCodes::Attested);
        let link = ClientLink::default();
        let first = link.open(message(0), seconds(0));
        for _ in 1..3 * u32::from(MAX_TRANSACTION_ID) {
            let open = link.open(presence(), seconds(0));
            let text = transaction_text(open.transaction, form);
            assert!((1..=MAX_TRANSACTION_ID).contains(&text.parse().unwrap()), "{text}");
            assert!(link.take(&text, Form::Xml).is_none(), "an ID of its client in XML");
            assert_eq!(link.take(&text, form).unwrap().transaction, open.transaction);
        }
        assert_eq!(transaction_text(first.transaction, form), "1");
        assert!(link.take("1", form).unwrap().is_message(&MessageId::new(0).to_string()));
        assert_eq!(transaction_text(0, form), "0");
    }

    #[test]
    fn a_copy_waits_for_the_first() {
        let link = ClientLink::default();
        let begin = |now| link.begin_request("1", 7, seconds(now), 10 * MINUTE);
        assert!(matches!(begin(0), Known::New));
        assert!(matches!(begin(0), Known::UnderWay));
        link.finish_request("1", 7, None);
        assert!(matches!(begin(0), Known::New), "it was not carried out");
        let plain = Response::Status(StatusPrimitive::of(Status::SUCCESSFUL));
        link.finish_request("1", 7, Some(&plain));
        assert!(matches!(begin(600), Known::Done(known) if known == plain));
        let result = imps_types::element::ResultInfo::with_text(Status::BAD_PARAMETER, "because");
        let wordy = Response::Status(StatusPrimitive::new(result));
        link.finish_request("1", 7, Some(&wordy));
        assert!(matches!(begin(600), Known::Done(known) if known == wordy));
        assert!(matches!(link.begin_request("1", 8, seconds(0), 10 * MINUTE), Known::New), "other content");
        assert!(matches!(begin(601), Known::New));
    }
}

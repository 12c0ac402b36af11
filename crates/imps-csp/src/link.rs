//! What only CSP needs to know of a client: the server's open transactions, their IDs, and its own last requests.

use std::sync::{Arc, Weak};
use std::time::Duration;

use imps_proto::csp::StatusPrimitive;
use imps_proto::csp::catalogue::Response;
use imps_proto::wire::Form;
use imps_proto::wire::pts::MAX_TRANSACTION_ID;
use imps_service::access::Bucket;
use imps_service::event::Event;
use imps_service::seam::Link;
use imps_service::{Session, Timestamp};
use imps_types::{SessionId, Status};
use parking_lot::{Mutex, MutexGuard};

use crate::calls::Calls;
use crate::channel::{Channels, DataUse, Poked};
use crate::cir::Cir;
use crate::transport::websocket::Socket;

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
            // Clients before 1.3 get it as a message.
            Event::Notice(notice) => notice.content.system_message().is_some() && notice.id.to_string() == id,
            Event::DeliveryReport(_)
            | Event::Notification(_)
            | Event::GroupChange(_)
            | Event::ForcedLeave(_)
            | Event::Presence(_)
            | Event::Disconnect(_) => false,
        }
    }

    /// Where it pushes a message: the same transaction, in which its client is told of the message instead.
    pub(crate) fn as_notification(&self) -> Option<Self> {
        match &self.event {
            Event::NewMessage(message) => {
                Some(Self { event: Event::MessageNotification(message.clone()), ..self.clone() })
            }
            _ => None,
        }
    }

    /// Whether it is time to offer it again. A client that does not take a message will hardly take it the next minute.
    fn is_due(&self, now: Timestamp, after: Duration, most: u32) -> bool {
        self.due_at(after, most) <= now
    }

    fn due_at(&self, after: Duration, most: u32) -> Timestamp {
        let doublings = self.times.saturating_sub(most).min(DOUBLINGS);
        self.offered.plus(after.saturating_mul(1 << doublings))
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
pub(crate) struct ClientLink {
    state: Mutex<State>,
    /// How often the client asks.
    rate: Bucket,
    calls: Mutex<Calls>,
    // Which owns this.
    session: Weak<Session>,
}

impl Link for ClientLink {
    fn wake(&self, session: &SessionId) {
        let mut calls = self.calls.lock();
        if let Some(socket) = &calls.socket {
            let socket = socket.clone();
            drop(calls);
            return socket.ready(*session);
        }
        // Whoever only polls finds it.
        if let (Some(cir), Some(session)) = (calls.cir.clone(), self.session.upgrade()) {
            cir.wake(&session, &mut calls);
        }
    }

    fn close(&self, session: &SessionId) {
        let (socket, tcp, http) = {
            let mut calls = self.calls.lock();
            (calls.socket.clone(), calls.tcp.take(), calls.http.take())
        };
        // A request that waits is answered with nothing by being dropped.
        drop(http);
        if let Some(tcp) = tcp {
            tcp.close();
        }
        if let Some(socket) = socket {
            socket.ready(*session);
        }
    }
}

impl ClientLink {
    /// The link of a session, made at its first request, after a restart too.
    pub(crate) fn of(session: &Arc<Session>) -> Option<&Self> {
        Self::from(session.link(|| Arc::new(Self::begin(Arc::downgrade(session)))))
    }

    /// The link of a session whose client was heard of already.
    pub(crate) fn known(session: &Session) -> Option<&Self> {
        Self::from(session.linked()?)
    }

    fn from(link: &Arc<dyn Link>) -> Option<&Self> {
        let link: &dyn std::any::Any = link.as_ref();
        link.downcast_ref()
    }

    /// How the client is reached, under its lock.
    pub(crate) fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock()
    }

    /// What an operator is shown.
    pub(crate) fn channels(&self) -> Channels {
        let calls = self.calls.lock();
        let got = |data: &DataUse| match data.answer {
            Some(0) => "answered with nothing".to_owned(),
            Some(bytes) => format!("answered with {bytes} bytes"),
            None => "being answered".to_owned(),
        };
        let form = |data: &DataUse| {
            let name = format!("{:?}", data.form).to_lowercase();
            name.split('(').next().unwrap_or_default().to_owned()
        };
        let open = [
            calls.socket.as_ref().map(|_| "websocket"),
            calls.tcp.as_ref().map(|_| "cir tcp"),
            calls.http.as_ref().map(|_| "cir http"),
        ];
        Channels {
            data: calls.data.as_ref().map(|data| (data.channel.name(), form(data), data.at, got(data))),
            call: calls.call.clone(),
            open: open.into_iter().flatten().collect(),
            is_told: calls.is_told(),
        }
    }

    /// Calls the client at an operator's wish.
    pub(crate) fn poke(&self, session: &Arc<Session>) -> Poked {
        let mut calls = self.calls.lock();
        if let Some(socket) = calls.socket.clone() {
            drop(calls);
            socket.ready(session.id);
            return Poked::Connected;
        }
        match calls.cir.clone() {
            Some(cir) => cir.poke(session, &mut calls),
            None => Poked::NoWay,
        }
    }

    /// A message of the client has come; what it is told of is decided when it is answered: see [`Talk`].
    pub(crate) fn talk(&self, cir: &Arc<Cir>, data: DataUse) -> Talk<'_> {
        let mut calls = self.calls.lock();
        calls.cir.get_or_insert_with(|| cir.clone());
        calls.begin(data);
        Talk { link: self, cir: cir.clone(), answer: None }
    }

    /// The client is connected by this WebSocket from now on.
    pub(crate) fn attach(&self, socket: &Arc<Socket>) {
        let mut calls = self.calls.lock();
        if calls.socket.as_ref().is_some_and(|one| Arc::ptr_eq(one, socket)) {
            return;
        }
        let is_moved = calls.socket.replace(socket.clone()).is_some();
        drop(calls);
        if is_moved {
            self.offer_again();
        }
    }

    /// What was sent where nobody listens any more is due at once.
    pub(crate) fn offer_again(&self) {
        self.state.lock().open.iter_mut().for_each(|open| open.offered = Timestamp(0));
    }

    /// Whether this WebSocket is the client's.
    pub(crate) fn is_attached(&self, socket: &Arc<Socket>) -> bool {
        self.calls.lock().socket.as_ref().is_some_and(|one| Arc::ptr_eq(one, socket))
    }

    /// This WebSocket is gone: what was sent on it and not acknowledged is offered again by the next way, and called for.
    pub(crate) fn detach(&self, socket: &Arc<Socket>) {
        let mut calls = self.calls.lock();
        if calls.socket.as_ref().is_some_and(|one| Arc::ptr_eq(one, socket)) {
            calls.socket = None;
            let cir = calls.cir.clone();
            drop(calls);
            self.offer_again();
            if let (Some(cir), Some(session), Ok(runtime)) =
                (cir, self.session.upgrade(), tokio::runtime::Handle::try_current())
            {
                runtime.spawn(async move { cir.look(&session).await });
            }
        }
    }

    /// When the next of the open transactions is to be offered again.
    pub(crate) fn next_repeat(&self, after: Duration, most: u32) -> Option<Timestamp> {
        let state = self.state.lock();
        let is_message = |open: &&Open| matches!(open.event, Event::NewMessage(_)) || open.times <= most;
        state.open.iter().filter(is_message).map(|open| open.due_at(after, most)).min()
    }

    /// The client has logged in again and goes on with its session: whatever it had before is gone. It is told anew of
    /// what it did not acknowledge, wherever it speaks next.
    pub(crate) fn taken_up(&self, session: &SessionId) {
        let socket = {
            let mut calls = self.calls.lock();
            calls.settled();
            calls.socket.take()
        };
        self.offer_again();
        if let Some(socket) = socket {
            // That connection finds that it has lost the session.
            socket.ready(*session);
        }
    }

    fn begin(session: Weak<Session>) -> Self {
        // Nokia drops a transaction whose ID is among the last it has seen, so a restarted server must not count from one.
        let mut random = [0; 4];
        let _ = getrandom::fill(&mut random);
        let state = State { last: u32::from_be_bytes(random) & 0x00ff_ffff, ..State::default() };
        Self { state: Mutex::new(state), rate: Bucket::default(), calls: Mutex::default(), session }
    }

    /// An open transaction that was offered so long ago that it is time again, under a new ID: those of messages until
    /// they are acknowledged, after `most` repeats at longer and longer intervals; others are dropped then.
    pub(crate) fn overdue(&self, now: Timestamp, after: Duration, most: u32) -> Option<Open> {
        let mut state = self.state.lock();
        state.open.retain(|open| !open.is_given_up(now, after, most));
        let index = state.open.iter().position(|open| open.is_due(now, after, most))?;
        let mut open = state.open.remove(index);
        open.transaction = state.next_transaction();
        open.offered = now;
        open.times += 1;
        state.open.push(open.clone());
        Some(open)
    }

    /// What an open transaction tells is another thing now.
    pub(crate) fn renew(&self, open: &Open) {
        let mut state = self.state.lock();
        if let Some(old) = state.open.iter_mut().find(|old| old.transaction == open.transaction) {
            old.event = open.event.clone();
        }
    }

    /// Whether another transaction may be opened. One that was not answered within `after` has timed out and does not
    /// count: a message that its client never acknowledges must not keep everything else from it.
    pub(crate) fn may_open(&self, most: u32, now: Timestamp, after: Duration) -> bool {
        let state = self.state.lock();
        let open = state.open.iter().filter(|open| now.since(open.offered) < after).count();
        state.open.len() < OPEN_MAX && (open as u64) < u64::from(most)
    }

    /// Opens a transaction.
    pub(crate) fn open(&self, event: Event, now: Timestamp) -> Open {
        let mut state = self.state.lock();
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
        let mut state = self.state.lock();
        let index = state.open.iter().position(|open| number(open) == wanted);
        state.take(index)
    }

    /// The client is told of this with its next poll: there was no room for it.
    pub(crate) fn postpone(&self, transaction: u32) {
        let mut state = self.state.lock();
        if let Some(open) = state.open.iter_mut().find(|open| open.transaction == transaction) {
            open.offered = Timestamp(0);
            open.times = open.times.saturating_sub(1);
        }
    }

    /// How often the client asks.
    pub(crate) fn rate(&self) -> &Bucket {
        &self.rate
    }

    /// A number for a transaction of the server that is not kept as open.
    pub(crate) fn number(&self) -> u32 {
        self.state.lock().next_transaction()
    }

    /// The client cannot be told of this in the encoding that it speaks: it is not open, and what is in the store stays
    /// there for its next session.
    pub(crate) fn withdraw(&self, transaction: u32) {
        self.state.lock().open.retain(|open| open.transaction != transaction);
    }

    /// Likewise the one that waits longest: what a stray Status answers (CSP 17, Colibria).
    pub(crate) fn take_oldest(&self) -> Option<Open> {
        let mut state = self.state.lock();
        let oldest = state.open.iter().enumerate().min_by_key(|(_, open)| open.offered).map(|(index, _)| index);
        state.take(oldest)
    }

    /// Likewise the NewMessage of this message, or of a notice that came as one.
    pub(crate) fn take_message(&self, id: &str) -> Option<Open> {
        let mut state = self.state.lock();
        let is_it = |open: &Open| matches!(open.event, Event::NewMessage(_) | Event::Notice(_)) && open.is_message(id);
        let index = state.open.iter().position(is_it);
        state.take(index)
    }

    /// Likewise the notice that came as this message.
    pub(crate) fn take_notice(&self, id: &str) -> Option<Open> {
        let mut state = self.state.lock();
        let is_it = |open: &Open| matches!(open.event, Event::Notice(_)) && open.is_message(id);
        let index = state.open.iter().position(is_it);
        state.take(index)
    }

    /// The answer could not be dealt with, or was none: the transaction is open still.
    pub(crate) fn put_back(&self, open: Open) {
        self.state.lock().open.push(open);
    }

    /// The client is through with this message: nothing more is said of it.
    pub(crate) fn close_message(&self, id: &str) {
        let mut state = self.state.lock();
        if !state.open.is_empty() {
            state.open.retain(|open| !open.is_message(id));
            if state.open.is_empty() {
                state.open = Vec::new();
            }
        }
    }

    /// What is known of this request; if nothing is, it is under way from now on, until [`ClientLink::finish`].
    pub(crate) fn begin_request(&self, transaction: &str, content: u64, now: Timestamp, window: Duration) -> Known {
        let mut state = self.state.lock();
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
        let mut state = self.state.lock();
        let index = state.recent.iter().position(|recent| recent.is(transaction, content));
        match (answer, index.and_then(|index| state.recent.get_mut(index))) {
            (Some(answer), Some(recent)) => recent.answer = Some(Kept::new(answer)),
            (None, Some(_)) => state.recent.retain(|recent| !recent.is(transaction, content)),
            (_, None) => {}
        }
    }
}

/// A message of the client while it is being answered.
pub(crate) struct Talk<'a> {
    link: &'a ClientLink,
    cir: Arc<Cir>,
    answer: Option<u32>,
}

impl Talk<'_> {
    /// The client asks for what waits.
    pub(crate) fn polls(&self) {
        if self.link.calls.lock().polled(self.cir.clock.now()) {
            self.cir.metrics.cir_answered.up();
        }
    }

    /// The answer is made: so many bytes, and what its Poll flag tells.
    pub(crate) fn is_answered(&mut self, bytes: usize, poll: Option<bool>) {
        self.answer = Some(u32::try_from(bytes).unwrap_or(u32::MAX));
        match (poll, self.link.session.upgrade()) {
            (Some(true), Some(session)) => self.cir.flagged(&session, &mut self.link.calls.lock()),
            // Whatever it was told of, it has got.
            (Some(false), _) => self.link.calls.lock().settled(),
            _ => {}
        }
    }

    /// The answer hands something over that has to be acknowledged.
    pub(crate) fn expects_answer(&self) {
        if let Some(session) = self.link.session.upgrade() {
            self.cir.expect_answer(&session, &mut self.link.calls.lock());
        }
    }
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        let mut calls = self.link.calls.lock();
        if calls.end(self.answer)
            && let Some(session) = self.link.session.upgrade()
        {
            self.cir.wake(&session, &mut calls);
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
    use imps_types::presence::{AttributeSet, PresenceSubList};
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
            kept: Default::default(),
        }))
    }

    fn presence() -> Event {
        let user = UserId::from_canonical("wv:bob@a.example");
        Event::Presence(vec![Arc::new(PresenceSnapshot::new(user, AttributeSet::EMPTY, PresenceSubList::default()))])
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

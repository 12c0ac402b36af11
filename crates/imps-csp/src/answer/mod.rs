//! Bytes in, bytes out: the envelope, the session, the transactions in it (CSP 3, 15.1).

mod acknowledge;
mod carry_out;
mod pieces;
mod read;
mod waiting;

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use imps_proto::csp::catalogue::{self, Place, Request, Response};
use imps_proto::csp::message::refusal;
use imps_proto::csp::{Disconnect, MessageWriter, Mode, Namespaces, Shape, StatusPrimitive, VersionDiscoveryResponse};
use imps_proto::elements::{SegmentContent, SegmentInfo};
use imps_proto::grammar::Primitive;
use imps_proto::wire::{DecodeError, Form};
use imps_service::{Error, Session};
use imps_types::element::ResultInfo;
use imps_types::{SessionId, Status, TransactionId, Version};
use parking_lot::Mutex;

pub(crate) use self::carry_out::REMEMBERED_ID_MAX;
pub(crate) use self::waiting::Pushed;
use crate::Csp;
use crate::channel::{Channel, DataUse};
use crate::events::Manner;
use crate::finish::Finish;
use crate::language;
use crate::link::{ClientLink, Talk};
use crate::outgoing::{Addressee, Outgoing};
use crate::transactions::Reply;

/// A message as a transport received it.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// The message.
    pub body: &'a Bytes,
    /// What the transport says it is.
    pub content_type: Option<&'a str>,
    /// Where it comes from.
    pub peer: Option<IpAddr>,
    /// The number of the subscriber, where a gateway tells it that is to be believed: digits.
    pub msisdn: Option<&'a str>,
    /// What carried it.
    pub channel: Channel,
}

/// An answer, and what a transport that pushes must know.
pub(crate) struct Answered {
    pub(crate) answer: Answer,
    /// The session that the message was in.
    pub(crate) session: Option<Arc<Session>>,
    /// Whether the client asked for what waits.
    pub(crate) is_poll: bool,
}

impl Answered {
    pub(crate) fn of(answer: Answer) -> Self {
        Self { answer, session: None, is_poll: false }
    }
}

/// What goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A message: HTTP 200, with the content type of the request.
    Message(Vec<u8>),
    /// Nothing to send: HTTP 200 with an empty body.
    Nothing,
    /// It was no CSP that could be answered: an HTTP status, and what was wrong.
    NoCsp(u16, String),
}

/// A transaction as it was read.
struct Incoming {
    mode: Mode,
    id: TransactionId,
    /// Which piece of a message it is, if it is one.
    segment: Option<SegmentInfo>,
    content: Content,
}

enum Content {
    Request(Asked),
    Answer(Option<catalogue::Answer>),
    /// The first piece of a request that is too large for one message.
    Piece(SegmentInfo, SegmentContent),
    Bad(ResultInfo),
}

/// A request until it is carried out.
struct Asked {
    is_poll: bool,
    is_outband: bool,
    /// Whether it may be carried out beside those that stand before and after it.
    is_apart: bool,
    request: Mutex<Option<Box<Request>>>,
}

impl Asked {
    fn new(request: Request) -> Self {
        Self {
            is_poll: matches!(request, Request::Polling(_)),
            is_outband: request.row().is_some_and(|row| row.place == Place::Outband),
            is_apart: matches!(request, Request::SendMessage(_) | Request::MessageDelivered(_)),
            request: Mutex::new(Some(Box::new(request))),
        }
    }

    /// The request, for once: it is carried out by value.
    fn take(&self) -> Option<Box<Request>> {
        self.request.lock().take()
    }
}

/// A message as it was read.
struct Received {
    form: Form,
    version: Version,
    tells_version: bool,
    is_unsupported: bool,
    namespaces: Namespaces,
    shape: Shape,
    session_id: Option<Box<str>>,
    transactions: Vec<Incoming>,
    /// A hash over the whole message.
    hash: u64,
    /// The number of the subscriber, as a gateway tells it.
    msisdn: Option<Box<str>>,
    /// What carried it.
    channel: Channel,
}

/// What a message asks for while it is being answered.
pub(crate) struct Asking(Arc<Received>);

impl Received {
    fn only_polls(&self) -> bool {
        self.transactions.iter().all(Incoming::is_poll)
    }

    /// Whether all that it asks belongs outside sessions: a client that names its last session when it logs in gets in.
    fn is_outband(&self) -> bool {
        let is_outband = |one: &Incoming| match &one.content {
            Content::Request(asked) => asked.is_outband,
            Content::Answer(_) | Content::Piece(..) | Content::Bad(_) => false,
        };
        self.transactions.iter().all(is_outband)
    }
}

impl Incoming {
    /// One of which nothing is known but what is wrong with it.
    fn bad(result: ResultInfo) -> Self {
        Self { mode: Mode::Request, id: TransactionId::default(), segment: None, content: Content::Bad(result) }
    }

    fn is_poll(&self) -> bool {
        matches!(&self.content, Content::Request(asked) if asked.is_poll)
    }

    /// Whether nothing of it depends on the transactions beside it: messages are sent and acknowledged each by itself, and
    /// one commit serves them all; those that are sent keep their order.
    fn is_apart(&self) -> bool {
        match &self.content {
            Content::Request(asked) => asked.is_apart,
            Content::Answer(answer) => matches!(answer, Some(catalogue::Answer::MessageDelivered(_))),
            Content::Piece(..) | Content::Bad(_) => false,
        }
    }
}

impl Csp {
    /// Answers one message. What it asks for is carried out to its end even when nobody waits for the answer any more: a
    /// phone that loses coverage after its POST must not leave a message committed and never offered.
    pub async fn answer(self: &Arc<Self>, exchange: Exchange<'_>) -> Answer {
        self.converse(exchange).await.answer
    }

    /// Likewise, for a transport that pushes.
    pub(crate) async fn converse(self: &Arc<Self>, exchange: Exchange<'_>) -> Answered {
        let received = match self.admit(exchange) {
            Ok(received) => received,
            Err(refused) => return refused,
        };
        if received.only_polls() {
            // Changes nothing, and is the busiest of all.
            let _busy = self.busy.begin();
            return self.carry(&received, exchange.peer).await;
        }
        let asking = Asking(Arc::new(received));
        let carried = self.carried(asking.0.clone(), exchange.peer);
        let answered = tokio::time::timeout(self.config.answer_within, carried).await;
        answered.unwrap_or_else(|_| Answered::of(self.too_late(&asking)))
    }

    /// Likewise, for a transport that has several messages under way and looks after those that take too long by itself:
    /// what is read is read at once, and what is left to wait for is small and needs no timer of its own.
    ///
    /// # Errors
    /// The answer, where there is nothing to wait for.
    pub(crate) fn begin(
        self: &Arc<Self>,
        exchange: Exchange<'_>,
    ) -> Result<(impl Future<Output = Answered> + Send + use<>, Asking), Answered> {
        let received = Arc::new(self.admit(exchange)?);
        Ok((self.carried(received.clone(), exchange.peer), Asking(received)))
    }

    /// Reads a message, if there is room for it.
    fn admit(&self, exchange: Exchange<'_>) -> Result<Received, Answered> {
        self.services.metrics.requests.up();
        let received = self.read(exchange).map_err(|refused| {
            self.services.metrics.malformed.up();
            Answered::of(refused)
        })?;
        let _busy = self.busy.begin();
        match self.too_much(&received, exchange.peer) {
            Some(refused) => {
                self.services.metrics.requests_limited.up();
                Err(Answered::of(refused))
            }
            None => Ok(received),
        }
    }

    /// The answer to what was read; that is carried out to its end though nobody waits for it any more.
    fn carried(
        self: &Arc<Self>,
        received: Arc<Received>,
        peer: Option<IpAddr>,
    ) -> impl Future<Output = Answered> + Send + use<> {
        let (csp, carrier) = (self.clone(), self.clone());
        let carried = Finish::new(async move { AssertUnwindSafe(carrier.carry(&received, peer)).catch_unwind().await });
        async move {
            let _busy = csp.busy.begin();
            carried.await.unwrap_or_else(|_| Answered::of(Answer::NoCsp(500, "the server failed".to_owned())))
        }
    }

    /// What is answered where it takes too long.
    pub(crate) fn too_late(&self, Asking(received): &Asking) -> Answer {
        let text = "this takes longer than usual, ask again with the same TransactionID";
        self.refuse_all(received, &ResultInfo::with_text(Status::REQUEST_TIMEOUT, text))
    }

    /// The refusal of a message that is one too many now. What only answers is always heard: it makes room.
    fn too_much(&self, received: &Received, peer: Option<IpAddr>) -> Option<Answer> {
        let only_answers = |one: &Incoming| matches!(one.content, Content::Answer(_)) && one.mode == Mode::Response;
        if received.transactions.iter().all(only_answers) {
            return None;
        }
        let id = received.session_id.as_deref().and_then(SessionId::parse);
        let session = id.and_then(|id| self.services.sessions.find(&id));
        let wait = self.busy.admit(&self.services, peer, session.as_ref()).err()?;
        let error = Error::TooManyRequests(wait.max(Duration::from_secs(1)));
        let mut result = result_of(&error);
        if let Some(session) = &session {
            // It is there, and must not expire for having asked too much.
            session.touch(self.services.clock.now());
            language::translate(&mut result, language::of(session));
        }
        Some(self.refuse_all_with(received, &result, session.is_some().then_some(false)))
    }

    async fn carry(&self, received: &Received, peer: Option<IpAddr>) -> Answered {
        // Version discovery is for those who speak what is not spoken here.
        if received.is_unsupported && received.shape == Shape::Session {
            return Answered::of(self.refuse_all(received, &ResultInfo::of(Status::VERSION_NOT_SUPPORTED)));
        }
        match &received.session_id {
            Some(id) if !received.is_outband() => match self.services.access().session(id) {
                Ok(session) => {
                    let answer = self.inband(received, &session, peer).await;
                    let is_poll = received.transactions.iter().any(Incoming::is_poll);
                    Answered { answer, session: Some(session), is_poll }
                }
                Err(error) => Answered::of(self.without_session(received, id, &error)),
            },
            _ => Answered::of(self.outband(received, peer).await),
        }
    }

    /// The same refusal for every request of a message.
    fn refuse_all(&self, received: &Received, result: &ResultInfo) -> Answer {
        self.refuse_all_with(received, result, None)
    }

    fn refuse_all_with(&self, received: &Received, result: &ResultInfo, poll: Option<bool>) -> Answer {
        let refuse = |one: &Incoming| match one.mode {
            Mode::Request => {
                Some(Outgoing::Response(one.id.clone(), Response::Status(StatusPrimitive::new(result.clone()))))
            }
            Mode::Response => None,
        };
        let outgoing: Vec<_> = received.transactions.iter().filter_map(refuse).collect();
        self.write(received, received.version, received.session_id.as_deref(), outgoing, poll)
    }

    /// There is no such session. A poll of one that the server ended is told so, once; everything else is 604.
    fn without_session(&self, received: &Received, id: &str, error: &Error) -> Answer {
        if received.transactions.iter().any(Incoming::is_poll)
            && let Some(last) = self.last_words(received, id)
        {
            return last;
        }
        let result = result_of(error);
        let refuse = |one: &Incoming| match (&one.content, one.mode) {
            (Content::Answer(_), Mode::Response) => None,
            _ => Some(Outgoing::Response(one.id.clone(), Response::Status(StatusPrimitive::new(result.clone())))),
        };
        let mut outgoing: Vec<_> = received.transactions.iter().filter_map(refuse).collect();
        if outgoing.is_empty() {
            // Only answers came: their client must learn that its session is gone all the same.
            if let Some(one) = received.transactions.first() {
                let status = Response::Status(StatusPrimitive::new(result.clone()));
                outgoing.push(Outgoing::Response(one.id.clone(), status));
            }
        }
        self.write(received, received.version, Some(id), outgoing, Some(false))
    }

    /// Tells a client that the server ended its session, if it was not told.
    fn last_words(&self, received: &Received, id: &str) -> Option<Answer> {
        let ended = self.services.access().ended(id)?;
        let last = Outgoing::Last(Disconnect { result: ended.result });
        Some(self.write(received, ended.version, Some(id), vec![last], Some(false)))
    }

    /// A version of which not even the envelope is known.
    fn unknown_version(&self, form: Form, error: &DecodeError) -> Vec<u8> {
        let status = Response::Status(StatusPrimitive::new(refusal(error)));
        let outgoing = vec![Outgoing::Response(TransactionId::default(), status)];
        self.message(form, Version::V1_1, Namespaces::standard(), None, &outgoing, None)
    }

    async fn outband(&self, received: &Received, peer: Option<IpAddr>) -> Answer {
        let mut outgoing = Vec::with_capacity(1);
        for (index, one) in received.transactions.iter().enumerate() {
            let cx = self.cx(received, None, &one.id, index, peer);
            match &one.content {
                Content::Request(asked) => match self.carry_out(&cx, asked.take()).await {
                    Reply::Response(response) => outgoing.push(Outgoing::Response(one.id.clone(), response)),
                    // In PTS it is a transaction like any other.
                    Reply::Discovery(response) if received.shape == Shape::Session => {
                        outgoing.push(Outgoing::Response(one.id.clone(), response.into()));
                    }
                    Reply::Discovery(response) => return Answer::Message(self.discovery(received, &response)),
                    // Nobody polls outside a session.
                    Reply::Poll => {
                        let status = StatusPrimitive::new(result_of(&Error::NotLoggedIn));
                        outgoing.push(Outgoing::Response(one.id.clone(), Response::Status(status)));
                    }
                },
                Content::Bad(result) => {
                    let status = Response::Status(StatusPrimitive::new(result.clone()));
                    outgoing.push(Outgoing::Response(one.id.clone(), status));
                }
                Content::Piece(..) => {
                    let status = StatusPrimitive::new(result_of(&Error::NotLoggedIn));
                    outgoing.push(Outgoing::Response(one.id.clone(), Response::Status(status)));
                }
                Content::Answer(_) => {}
            }
        }
        self.write(received, received.version, None, outgoing, None)
    }

    /// The answer to a message in a session. Meanwhile its client is not called: the answer tells that something waits.
    async fn inband(&self, received: &Received, session: &Arc<Session>, peer: Option<IpAddr>) -> Answer {
        let Some(link) = ClientLink::of(session) else { return Answer::Nothing };
        let now = self.services.clock.now();
        let data = DataUse { channel: received.channel, form: received.form, at: now, answer: None };
        session.set_address(peer);
        let mut talk = link.talk(self.cir(), data);
        if received.transactions.iter().any(Incoming::is_poll) {
            talk.polls();
        }
        let (answer, poll) = self.converse_inband(received, session, peer, &talk).await;
        let bytes = if let Answer::Message(message) = &answer { message.len() } else { 0 };
        talk.is_answered(bytes, poll);
        answer
    }

    /// The answer, and its Poll flag.
    async fn converse_inband(
        &self,
        received: &Received,
        session: &Arc<Session>,
        peer: Option<IpAddr>,
        talk: &Talk<'_>,
    ) -> (Answer, Option<bool>) {
        let version = if received.tells_version { received.version } else { session.version };
        let (outgoing, carries) = self.carry_out_all(received, session, peer).await;
        if session.is_closed() {
            if outgoing.is_empty() && carries {
                return (self.last_words(received, session.id.as_str()).unwrap_or(Answer::Nothing), None);
            }
            // A logout's answer: nothing waits any more.
            return (self.write(received, version, Some(session.id.as_str()), outgoing, Some(false)), None);
        }
        if carries && outgoing.is_empty() {
            return self.carry_event(received, session, talk).await;
        }
        let poll = self.must_poll(received.channel, session).await;
        let is_told = Some(poll).filter(|_| !outgoing.is_empty());
        if outgoing.is_empty() {
            return (Answer::Nothing, is_told);
        }
        let mut outgoing = outgoing;
        self.translate(session, &mut outgoing);
        let to = self.addressee(received, session, version, Some(poll));
        // A response that is too large is refused, so there is always a message.
        (self.fitted(&to, outgoing).map_or(Answer::Nothing, Answer::Message), is_told)
    }

    /// How a client reads what it is told.
    fn manner(&self, session: &Session) -> Manner {
        Manner { two_levels: self.config.reads_two_levels(session), language: language::of(session) }
    }

    /// Puts what the client is answered into its language.
    fn translate(&self, session: &Session, outgoing: &mut [Outgoing]) {
        let language = language::of(session);
        for one in outgoing {
            if let Outgoing::Response(_, response) = one {
                language::translate_response(response, language);
            }
        }
    }

    /// Whom a message is for, and how it is written.
    fn addressee<'a>(
        &self,
        received: &'a Received,
        session: &'a Session,
        version: Version,
        poll: Option<bool>,
    ) -> Addressee<'a> {
        // The request's own spelling fits its own version only.
        let namespaces = if version == received.version { &received.namespaces } else { Namespaces::standard() };
        Addressee { session, form: received.form, version, namespaces, poll }
    }

    fn write(
        &self,
        received: &Received,
        version: Version,
        session_id: Option<&str>,
        outgoing: Vec<Outgoing>,
        poll: Option<bool>,
    ) -> Answer {
        if outgoing.is_empty() {
            return Answer::Nothing;
        }
        // The request's own spelling fits its own version only.
        let namespaces = if version == received.version { &received.namespaces } else { Namespaces::standard() };
        Answer::Message(self.message(received.form, version, namespaces, session_id, &outgoing, poll))
    }

    fn discovery(&self, received: &Received, response: &VersionDiscoveryResponse) -> Vec<u8> {
        MessageWriter::discovery(
            received.form,
            received.version,
            &received.namespaces,
            received.shape,
            VersionDiscoveryResponse::ELEMENT,
            response,
            Vec::with_capacity(512),
        )
    }
}

/// The Result for a failure: its code, and words that say what was wrong.
pub(crate) fn result_of(error: &Error) -> ResultInfo {
    let text = match error {
        // What the store says is for the operator.
        Error::Store(_) => "the server cannot take this now, try again later".to_owned(),
        _ => error.to_string(),
    };
    let system_messages = match error {
        Error::AnswerFirst(messages) => messages.clone(),
        _ => Vec::new(),
    };
    ResultInfo { system_messages, try_again: error.try_again(), ..ResultInfo::with_text(error.status(), &text) }
}

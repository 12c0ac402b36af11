//! Bytes in, bytes out: the envelope, the session, the transactions in it (CSP 3, 15.1).

use std::hash::Hasher;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use imps_proto::Element;
use imps_proto::csp::catalogue::{self, Place, Request, Response, Row};
use imps_proto::csp::message::{is_recoverable, refusal};
use imps_proto::csp::{
    Disconnect, DropSegmentRequest, Envelope, GetSegmentRequest, MessageWriter, Mode, Namespaces, Shape,
    StatusPrimitive, VersionDiscoveryResponse,
};
use imps_proto::elements::{SegmentContent, SegmentInfo};
use imps_proto::grammar::Primitive;
use imps_proto::wire::{self, DecodeError, DecodeErrorKind, Form, Tag};
use imps_service::event::Event;
use imps_service::session::Outbox;
use imps_service::{Error, Session};
use imps_types::element::ResultInfo;
use imps_types::service_tree::Function;
use imps_types::{SessionId, Status, TransactionId, Version};
use parking_lot::Mutex;
use tracing::Instrument;

use crate::Csp;
use crate::channel::{Channel, DataUse};
use crate::events::Manner;
use crate::finish::Finish;
use crate::form::form_of;
use crate::language;
use crate::link::{ClientLink, Known, Open, Talk, transaction_text};
use crate::outgoing::{Addressee, Outgoing};
use crate::segments::{Progress, Unfinished};
use crate::transactions::{Cx, Reply, dispatch, reply};

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

/// What goes out without being asked for.
#[derive(Default)]
pub(crate) struct Pushed {
    /// Messages, each with one transaction.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Whether there may be more.
    pub(crate) is_more: bool,
    /// Whether the last of them says that the session is over.
    pub(crate) is_last: bool,
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
    request: Mutex<Option<Box<Request>>>,
}

impl Asked {
    fn new(request: Request) -> Self {
        Self {
            is_poll: matches!(request, Request::Polling(_)),
            is_outband: request.row().is_some_and(|row| row.place == Place::Outband),
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
}

/// Transactions of the server that one message has at most.
const PER_MESSAGE_MAX: usize = 16;

/// Transactions that one message may hold.
const TRANSACTIONS_MAX: usize = 64;

/// Bytes of the longest TransactionID by which a repeat is known: phones keep 50 (CSP 2).
pub(crate) const REMEMBERED_ID_MAX: usize = 255;

/// How often, and at which interval, a repeat looks whether the first copy is done.
const REPEAT_LOOKS: u32 = 500;
const REPEAT_INTERVAL: Duration = Duration::from_millis(20);

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

    /// Reads a message to its end, before anything in it is carried out.
    fn read(&self, exchange: Exchange<'_>) -> Result<Received, Answer> {
        let no_csp = |error: DecodeError| Answer::NoCsp(400, format!("this is no CSP message: {error}"));
        let Some(form) = form_of(exchange.content_type, exchange.body, self.config.pts_codes()) else {
            return Err(Answer::NoCsp(415, "CSP is spoken here, in XML, WBXML, PTS or JSON".to_owned()));
        };
        let text = wire::utf8(form, exchange.body).map_err(no_csp)?;
        let unreadable = |error: DecodeError| match error.kind {
            DecodeErrorKind::UnsupportedVersion => Answer::Message(self.unknown_version(form, &error)),
            _ => no_csp(error),
        };
        let mut reader = wire::reader(form, &text, &self.config.limits).map_err(unreadable)?;
        let mut envelope = Envelope::open(reader.as_dyn()).map_err(unreadable)?;
        let mut transactions = Vec::with_capacity(1);
        let mut broken = None;
        loop {
            let head = match envelope.next_transaction() {
                Ok(Some(head)) => head,
                Ok(None) => break,
                Err(error) => {
                    broken = Some(error);
                    if transactions.is_empty() || is_recoverable(&error) {
                        // Without a head: it is answered without a name.
                        transactions.push(Incoming::bad(refusal(&error)));
                    }
                    if is_recoverable(&error) && transactions.len() < TRANSACTIONS_MAX {
                        continue;
                    }
                    break;
                }
            };
            let (is_answer, mode, id, segment) = (head.is_answer(), head.mode, head.transaction_id, head.segment);
            let is_piece = !is_answer && head.primitive == Some(Tag::Known(Element::GetSegmentResponse));
            if transactions.len() >= TRANSACTIONS_MAX {
                let result = ResultInfo::with_text(Status::BAD_REQUEST, "too many transactions in one message");
                transactions.push(Incoming { mode, id, segment, content: Content::Bad(result) });
                continue;
            }
            let content = if is_answer {
                envelope.read_answer().map(Content::Answer)
            } else if is_piece {
                envelope.read_segment().map(|piece| {
                    let nothing = || (SegmentInfo { count: None, id: None }, SegmentContent::default());
                    let (info, content) = piece.map_or_else(nothing, |piece| {
                        let info = segment.clone().or(piece.info);
                        (info.unwrap_or(SegmentInfo { count: None, id: None }), piece.content)
                    });
                    Content::Piece(info, content)
                })
            } else {
                envelope.read_request().map(|request| Content::Request(Asked::new(request)))
            };
            match content {
                Ok(content) => transactions.push(Incoming { mode, id, segment, content }),
                Err(error) => {
                    let content = Content::Bad(refusal(&error));
                    transactions.push(Incoming { mode, id, segment, content });
                    if !is_recoverable(&error) {
                        broken = Some(error);
                        break;
                    }
                }
            }
        }
        if let Some(error) = broken {
            // The rest is damaged: nothing of it is carried out, since nobody knows what the whole was to be.
            for one in &mut transactions {
                one.content = Content::Bad(refusal(&error));
            }
        }
        if transactions.is_empty() {
            let kind = DecodeErrorKind::Missing(Element::Transaction);
            transactions.push(Incoming::bad(refusal(&DecodeError { kind, position: 0 })));
        }
        let mut hasher = rustc_hash::FxHasher::default();
        hasher.write(exchange.body);
        Ok(Received {
            form,
            version: envelope.version(),
            tells_version: envelope.tells_version(),
            is_unsupported: envelope.is_unsupported(),
            namespaces: envelope.namespaces(),
            shape: envelope.shape(),
            // An old SessionID in a message that says it is of no session means nothing.
            session_id: envelope.session_id().filter(|_| envelope.is_inband()).map(Into::into),
            transactions,
            hash: hasher.finish(),
            msisdn: exchange.msisdn.map(Into::into),
            channel: exchange.channel,
        })
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

    /// Carries out what a message asks for: what goes back, and whether something that waits may go along.
    async fn carry_out_all(
        &self,
        received: &Received,
        session: &Arc<Session>,
        peer: Option<IpAddr>,
    ) -> (Vec<Outgoing>, bool) {
        let mut outgoing = Vec::with_capacity(1);
        // The answer to a poll, and to what the client answered, may carry what waits.
        let mut carries = false;
        for (index, one) in received.transactions.iter().enumerate() {
            let refuse =
                |result: ResultInfo| Outgoing::Response(one.id.clone(), Response::Status(StatusPrimitive::new(result)));
            match &one.content {
                Content::Request(asked) if asked.is_poll => carries = true,
                Content::Request(asked) => {
                    let cx = self.cx(received, Some(session), &one.id, index, peer);
                    match self.carry_out(&cx, asked.take()).await {
                        Reply::Response(response) => outgoing.push(Outgoing::Response(one.id.clone(), response)),
                        Reply::Poll => carries = true,
                        Reply::Discovery(_) => {}
                    }
                }
                Content::Piece(info, content) => {
                    let progress = self.begin_pieces(received, session, &one.id, info, content);
                    match progress {
                        Ok(progress) => {
                            let pieces = self.go_on_with_pieces(received, session, peer, progress);
                            outgoing.extend(Box::pin(pieces).await);
                        }
                        Err(status) => outgoing.push(refuse(ResultInfo::of(status))),
                    }
                }
                Content::Answer(Some(catalogue::Answer::GetSegment(piece))) => {
                    let link = ClientLink::of(session);
                    let asked = link.map(|link| transaction_text(link.number(), received.form)).unwrap_or_default();
                    let (now, info) = (self.services.clock.now(), one.segment.as_ref().or(piece.info.as_ref()));
                    let answered = one.id.as_str();
                    match self.segments.go_on(&session.id, answered, info, &piece.content, &asked, now) {
                        Some(Ok(progress)) => {
                            let pieces = self.go_on_with_pieces(received, session, peer, (progress, asked));
                            outgoing.extend(Box::pin(pieces).await);
                        }
                        Some(Err((transaction, status))) => {
                            let status = Response::Status(StatusPrimitive::of(status));
                            outgoing.push(Outgoing::Response(transaction, status));
                        }
                        None => carries = true,
                    }
                }
                Content::Answer(answer) => match self.acknowledge(session, received.form, one, answer.as_ref()).await {
                    // A client that answers by requests takes nothing along (CSP 17, Colibria).
                    // Nor does one to whom all is pushed.
                    Ok(()) => carries |= one.mode == Mode::Response && !received.channel.is_pushed(),
                    Err(error) => outgoing.push(refuse(result_of(&error))),
                },
                Content::Bad(result) => outgoing.push(refuse(result.clone())),
            }
        }
        (outgoing, carries)
    }

    /// The first piece of a request has come. What it leads to, and the transaction in which the next one is asked for.
    fn begin_pieces(
        &self,
        received: &Received,
        session: &Arc<Session>,
        transaction: &TransactionId,
        info: &SegmentInfo,
        content: &SegmentContent,
    ) -> Result<(Progress, String), Status> {
        if session.version < Version::V1_3 || session.negotiated().refused.contains(Function::Sgmnt) {
            return Err(Status::SERVICE_NOT_AGREED);
        }
        let link = ClientLink::of(session).ok_or(Status::INTERNAL_ERROR)?;
        let asked = transaction_text(link.number(), received.form);
        let now = self.services.clock.now();
        let progress = self.segments.begin(&session.id, transaction, info, content, &asked, now)?;
        Ok((progress, asked))
    }

    /// A piece has come: the next one is asked for, or the whole is carried out.
    async fn go_on_with_pieces(
        &self,
        received: &Received,
        session: &Arc<Session>,
        peer: Option<IpAddr>,
        (progress, asked): (Progress, String),
    ) -> Vec<Outgoing> {
        let bytes = match progress {
            Progress::Ask(segment_id) => {
                return vec![Outgoing::Ask(asked, GetSegmentRequest { segment_id }.into())];
            }
            Progress::Whole(bytes) => bytes,
        };
        let exchange = Exchange { body: &bytes, content_type: None, peer, msisdn: None, channel: received.channel };
        let mut whole = match self.read(exchange) {
            Ok(whole) if whole.form == received.form => whole,
            _ => {
                let result = ResultInfo::with_text(Status::BAD_REQUEST, "the pieces are no CSP message");
                let status = Response::Status(StatusPrimitive::new(result));
                return vec![Outgoing::Response(TransactionId::default(), status)];
            }
        };
        for one in &mut whole.transactions {
            if matches!(one.content, Content::Piece(..)) {
                let text = "a message in pieces has no pieces of others in it";
                one.content = Content::Bad(ResultInfo::with_text(Status::BAD_REQUEST, text));
            }
        }
        self.carry_out_all(&whole, session, peer).await.0
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

    /// What the Poll flag tells: whether something new waits, or something that is to be offered again. Nobody has to poll
    /// for what is pushed.
    async fn must_poll(&self, channel: Channel, session: &Session) -> bool {
        !channel.is_pushed() && (self.is_overdue(session) || self.has_pending(session).await)
    }

    /// Whether something is to be offered again that the client did not answer in time.
    fn is_overdue(&self, session: &Session) -> bool {
        let repeat = |link: &ClientLink| link.next_repeat(self.config.redeliver_after, self.config.redeliveries);
        ClientLink::known(session).and_then(repeat).is_some_and(|at| at <= self.services.clock.now())
    }

    /// Whether [`Csp::push`] may find something, as far as can be said without asking the store.
    pub(crate) fn may_push(&self, session: &Session) -> bool {
        let waits = |outbox: &Outbox| !outbox.is_empty() || outbox.wants_refill().is_some();
        session.is_closed() || waits(&session.outbox()) || self.is_overdue(session)
    }

    /// What waits for a client that need not poll, up to so many messages.
    pub(crate) async fn push(&self, session: &Arc<Session>, form: Form, most: usize) -> Pushed {
        let mut pushed = Pushed::default();
        let id = session.id.as_str();
        let to = |version: Version| Addressee {
            session,
            form,
            version,
            namespaces: Namespaces::standard(),
            poll: Some(false),
        };
        loop {
            if session.is_closed() {
                pushed.is_last = true;
                if let Some(ended) = self.services.access().ended(id) {
                    let last = Outgoing::Last(Disconnect { result: ended.result });
                    pushed.messages.push(self.message_to(&to(ended.version), &[last]));
                }
                break;
            }
            if pushed.messages.len() >= most {
                pushed.is_more = true;
                break;
            }
            let Some(open) = self.next_open(session).await else { break };
            // The session ended just now: the next round tells.
            if matches!(open.event, Event::Disconnect(_)) {
                continue;
            }
            pushed.messages.extend(self.written(session, open, |event| self.fitted_alone(&to(session.version), event)));
        }
        if !pushed.messages.is_empty()
            && let Some(link) = ClientLink::known(session)
        {
            self.services.metrics.websocket_pushed.add(pushed.messages.len() as u64);
            self.cir.expect_answer(session, &mut link.calls());
        }
        pushed
    }

    /// The oldest of what waits, in the session's version and the request's encoding; or nothing.
    async fn carry_event(
        &self,
        received: &Received,
        session: &Arc<Session>,
        talk: &Talk<'_>,
    ) -> (Answer, Option<bool>) {
        let id = session.id.as_str();
        if let Some(unfinished) = self.segments.unfinished(&session.id, self.services.clock.now()) {
            return (self.ask_about_pieces(received, session, unfinished), None);
        }
        let to = self.addressee(received, session, session.version, Some(true));
        let most = self.per_message(session, received.form);
        let mut outgoing = Vec::with_capacity(most.min(2));
        let mut bytes = 0;
        while outgoing.len() < most {
            let Some(open) = self.next_open(session).await else { break };
            if matches!(open.event, Event::Disconnect(_)) {
                if outgoing.is_empty() {
                    // The session ended just now. Two polls at once are not both told.
                    return (self.last_words(received, id).unwrap_or(Answer::Nothing), None);
                }
                break;
            }
            if most == 1 {
                // The usual case, without measuring first what is written then.
                let poll = self.must_poll(received.channel, session).await;
                let to = Addressee { poll: Some(poll), ..to };
                match self.written(session, open, |event| self.fitted_alone(&to, event)) {
                    Some(message) => {
                        talk.expects_answer();
                        return (Answer::Message(message), Some(poll));
                    }
                    None => continue,
                }
            }
            let transaction = open.transaction;
            let Some((event, size)) = self.written(session, open, |event| self.fitted_one(&to, event)) else {
                continue;
            };
            bytes += size;
            if !outgoing.is_empty() && bytes > self.parser_size(session) {
                ClientLink::of(session).into_iter().for_each(|link| link.postpone(transaction));
                break;
            }
            outgoing.push(event);
        }
        if outgoing.is_empty() {
            return (Answer::Nothing, Some(false));
        }
        let poll = self.must_poll(received.channel, session).await;
        talk.expects_answer();
        let message = self.message_to(&Addressee { poll: Some(poll), ..to }, &outgoing);
        (Answer::Message(message), Some(poll))
    }

    /// An open transaction as `write` puts it. A message that is too large with what stands beside its content is one that
    /// its client is told of. What does not fit then either, or has no code in PTS, is withdrawn.
    fn written<T>(&self, session: &Session, open: Open, write: impl Fn(Outgoing) -> Option<T>) -> Option<T> {
        let (transaction, told, manner) = (open.transaction, open.as_notification(), self.manner(session));
        if let Some(written) = write(Outgoing::Event(open, manner)) {
            return Some(written);
        }
        let link = ClientLink::known(session)?;
        if let Some(told) = told {
            link.renew(&told);
            if let Some(written) = write(Outgoing::Event(told, manner)) {
                return Some(written);
            }
        }
        link.withdraw(transaction);
        None
    }

    /// Transactions of the server in one message: as many as the client agreed to (CSP 3); PTS carries one.
    fn per_message(&self, session: &Session, form: Form) -> usize {
        let agreed = session.negotiated();
        let asked = if session.version >= Version::V1_3 { agreed.multi_trans_per_message } else { agreed.multi_trans };
        let most = asked.map_or(1, |asked| usize::try_from(asked).unwrap_or(PER_MESSAGE_MAX));
        if matches!(form, Form::Pts(_)) { 1 } else { most.clamp(1, PER_MESSAGE_MAX) }
    }

    /// A client polls that has sent a part of a request: it is asked for the rest, or told that it is given up.
    fn ask_about_pieces(&self, received: &Received, session: &Arc<Session>, unfinished: Unfinished) -> Answer {
        let number = || ClientLink::of(session).map(|link| transaction_text(link.number(), received.form));
        let ask = match unfinished {
            Unfinished::Ask(asked, segment_id) => Outgoing::Ask(asked.into(), GetSegmentRequest { segment_id }.into()),
            Unfinished::Drop(segment_id) => {
                Outgoing::Ask(number().unwrap_or_default(), DropSegmentRequest { segment_id }.into())
            }
        };
        let to = self.addressee(received, session, session.version, Some(true));
        Answer::Message(self.message_to(&to, &[ask]))
    }

    /// The next transaction for the client: one that it did not answer in time, or a new one.
    async fn next_open(&self, session: &Arc<Session>) -> Option<Open> {
        let link = ClientLink::of(session)?;
        let now = self.services.clock.now();
        let after = self.config.redeliver_after;
        while let Some(mut open) = link.overdue(now, after, self.config.redeliveries) {
            if !Box::pin(self.is_to_be_repeated(session, &mut open)).await {
                link.withdraw(open.transaction);
                continue;
            }
            link.renew(&open);
            self.services.metrics.redelivered.up();
            return Some(open);
        }
        if !link.may_open(self.open_max(session), now, after) {
            return None;
        }
        let event = self.services.im().next_event(session).await?;
        Some(link.open(event, now))
    }

    /// Whether what its client did not answer is still to be told: a notice that was taken back, or that another client of
    /// the user has acknowledged, is not; and presence is told as it is now.
    async fn is_to_be_repeated(&self, session: &Session, open: &mut Open) -> bool {
        match &mut open.event {
            Event::Notice(notice) => self.services.im().is_notice_waiting(notice).await,
            Event::Presence(snapshots) => {
                *snapshots = self.services.presence().renewed(session, snapshots);
                !snapshots.is_empty()
            }
            _ => true,
        }
    }

    /// How many transactions may be open at once: as many as the client said it can take.
    fn open_max(&self, session: &Session) -> u32 {
        session.negotiated().multi_trans.map_or(self.config.open_max, |most| most.max(1))
    }

    /// What the Poll flag tells.
    async fn has_pending(&self, session: &Session) -> bool {
        self.services.im().has_pending(session).await
    }

    fn cx<'a>(
        &'a self,
        received: &'a Received,
        session: Option<&'a Arc<Session>>,
        transaction: &'a TransactionId,
        index: usize,
        peer: Option<IpAddr>,
    ) -> Cx<'a> {
        Cx {
            services: &self.services,
            config: &self.config,
            segments: &self.segments,
            session,
            version: match session {
                Some(session) if !received.tells_version => session.version,
                _ => received.version,
            },
            form: received.form,
            transaction: transaction.as_str(),
            content: received.hash.wrapping_add(index as u64),
            msisdn: received.msisdn.as_deref(),
            peer,
        }
    }

    /// One transaction: recognised, agreed upon, not carried out before; then it is.
    async fn carry_out(&self, cx: &Cx<'_>, request: Option<Box<Request>>) -> Reply {
        let Some(request) = request else { return Reply::status(Status::INTERNAL_ERROR) };
        if let Request::Polling(_) = *request {
            return Reply::Poll;
        }
        let row = request.row();
        if let (Some(session), Some(function)) = (cx.session, row.and_then(|row| row.function)) {
            let is_told = session.negotiated().refused.contains(function);
            if is_told || self.services.access().off_for(session).contains(function) {
                return Reply::status(match *request {
                    // Android asks for its blocked list whatever was agreed, and goes on after 501 only (CSP 14).
                    Request::GetBlockedList(_) => Status::NOT_IMPLEMENTED,
                    _ if is_told => Status::SERVICE_NOT_AGREED,
                    _ => Status::SERVICE_NOT_SUPPORTED,
                });
            }
        }
        // Messages have a memory of their own, which a restart does not erase.
        let is_message =
            |row: &Row| matches!(row.request, Element::SendMessageRequest | Element::ForwardMessageRequest);
        let is_remembered = row.is_some_and(|row| row.once && !is_message(row));
        let can_be_repeated = (1..=REMEMBERED_ID_MAX).contains(&cx.transaction.len());
        let link = cx.session.filter(|_| is_remembered && can_be_repeated).and_then(|session| ClientLink::of(session));
        let Some(link) = link else {
            self.services.metrics.transactions.up();
            return self.guarded(cx, request, row).await;
        };
        let (now, window) = (self.services.clock.now(), self.services.config.repeat_window);
        let mut looks = 0;
        loop {
            match link.begin_request(cx.transaction, cx.content, now, window) {
                Known::New => break,
                Known::Done(answer) => return Reply::Response(answer),
                Known::UnderWay if looks == REPEAT_LOOKS => return Reply::status(Status::SERVER_UNAVAILABLE),
                Known::UnderWay => {}
            }
            // Out here, where no answer has to be kept meanwhile.
            tokio::time::sleep(REPEAT_INTERVAL).await;
            looks += 1;
        }
        self.services.metrics.transactions.up();
        let reply = self.guarded(cx, request, row).await;
        let failed = |status: Status| matches!(status, Status::SERVER_UNAVAILABLE | Status::INTERNAL_ERROR);
        let answer = match &reply {
            Reply::Response(Response::Status(status)) if failed(status.result.status) => None,
            Reply::Response(answer) => Some(answer),
            Reply::Poll | Reply::Discovery(_) => None,
        };
        link.finish_request(cx.transaction, cx.content, answer);
        reply
    }

    /// A defect of the server costs its transaction, not the connection or the session.
    async fn guarded(&self, cx: &Cx<'_>, request: Box<Request>, row: Option<&'static Row>) -> Reply {
        let name = row.map_or("unknown", |row| row.request.name());
        let span = tracing::debug_span!("transaction", name, version = %cx.version);
        let run = AssertUnwindSafe(dispatch(request, cx)).catch_unwind().instrument(span);
        match run.await {
            Ok(Ok(reply)) => reply,
            Ok(Err(error)) => {
                if matches!(error, Error::Store(_)) {
                    self.services.metrics.store_failures.up();
                    tracing::warn!(name, %error, "transaction failed");
                }
                Reply::Response(Response::Status(StatusPrimitive::new(result_of(&error))))
            }
            Err(_) => {
                self.services.metrics.panics.up();
                tracing::error!(name, "a transaction panicked");
                Reply::status(Status::INTERNAL_ERROR)
            }
        }
    }

    /// A client answers a transaction of the server (CSP 12.2). Answers to what is not open any more say nothing.
    async fn acknowledge(
        &self,
        session: &Arc<Session>,
        form: Form,
        incoming: &Incoming,
        answer: Option<&catalogue::Answer>,
    ) -> Result<(), Error> {
        let Some(link) = ClientLink::of(session) else { return Ok(()) };
        self.segments.is_over(&session.id, incoming.id.as_str());
        // Taken out, so that a poll meanwhile does not get it again.
        let open = match incoming.mode {
            Mode::Response => link.take(incoming.id.as_str(), form),
            // Status as a request of its own answers whatever waits longest (CSP 17, Colibria).
            Mode::Request => link.take(incoming.id.as_str(), form).or_else(|| link.take_oldest()),
        };
        match answer {
            Some(catalogue::Answer::MessageDelivered(delivered)) => {
                let id = delivered.message_id.trim();
                let open = match open {
                    Some(open) if open.is_message(id) => Some(open),
                    other => {
                        other.into_iter().for_each(|open| link.put_back(open));
                        link.take_message(id)
                    }
                };
                if let Some(Event::Notice(notice)) = open.as_ref().map(|open| &open.event) {
                    if let Err(error) = Box::pin(self.services.im().notice_acknowledged(notice)).await {
                        open.into_iter().for_each(|open| link.put_back(open));
                        return Err(error);
                    }
                    return Ok(());
                }
                let known = open.as_ref().and_then(|open| match &open.event {
                    Event::NewMessage(message) | Event::MessageNotification(message) => Some(message),
                    _ => None,
                });
                match self.services.im().delivered(session, id, known).await {
                    Ok(()) | Err(Error::UnknownMessage) => link.close_message(id),
                    Err(error) => {
                        open.into_iter().for_each(|open| link.put_back(open));
                        return Err(error);
                    }
                }
            }
            Some(catalogue::Answer::Status(status)) => {
                let Some(open) = open else { return Ok(()) };
                let heard = Box::pin(self.heard(session, &open, status.result.status)).await;
                if !matches!(heard, Ok(true)) {
                    link.put_back(open);
                }
                heard?;
            }
            // The answer to an invitation in the invitation's own transaction: it was heard, and this is what is said to it.
            Some(catalogue::Answer::InviteUserResponse(response)) => {
                let common = self.services.common();
                let answered = Box::pin(common.answer_invitation(session, reply(response.clone()))).await;
                if answered.is_err() {
                    open.into_iter().for_each(|open| link.put_back(open));
                }
                answered?;
            }
            // A piece that nobody asked for is no answer.
            Some(catalogue::Answer::GetSegment(_)) | None => open.into_iter().for_each(|open| link.put_back(open)),
        }
        Ok(())
    }

    /// A client has answered with a Status. Whether that is the end of it.
    async fn heard(&self, session: &Session, open: &Open, status: Status) -> Result<bool, Error> {
        match &open.event {
            // Some say Status instead of MessageDelivered.
            Event::NewMessage(message) if status.is_success() => {
                let id = message.id.to_string();
                match self.services.im().delivered(session, &id, Some(message)).await {
                    Ok(()) | Err(Error::UnknownMessage) => Ok(true),
                    Err(error) => Err(error),
                }
            }
            // One that could not take the message gets it again.
            Event::NewMessage(_) => Ok(false),
            Event::DeliveryReport(report) => self.services.im().report_acknowledged(report).await.map(|()| true),
            Event::Notice(notice) => self.services.im().notice_acknowledged(notice).await.map(|()| true),
            Event::ForcedLeave(leave) => self.services.group().leave_heard(session, &leave.group).await.map(|()| true),
            Event::MessageNotification(_)
            | Event::Notification(_)
            | Event::GroupChange(_)
            | Event::Presence(_)
            | Event::Disconnect(_) => Ok(true),
        }
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

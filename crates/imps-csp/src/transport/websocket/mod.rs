//! CSP over WebSocket: one message for each frame, in both directions, and what waits goes out at once.
//!
//! One task serves a connection. It polls everything that the connection has to do: reading, requests that are being
//! carried out (several at a time: most wait for a commit), what is to be pushed, and writing. So a message costs no task
//! and no channel, and all answers that are ready go out with one write.
//!
//! Back-pressure: while too much waits to be written, nothing is read and nothing pushed; while too many requests are
//! being carried out, nothing is read.

mod close;
mod memory;
mod subprotocol;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::task::AtomicWaker;
use futures_util::{Sink, Stream};
use imps_proto::wire::Form;
use imps_service::Session;
use imps_service::metrics::Metrics;
use imps_service::seam::Link;
use imps_types::SessionId;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig as Protocol};
use tokio_tungstenite::tungstenite::{Error, Message};

use self::close::Why;
pub(crate) use self::memory::Memory;
use self::memory::Metered;
pub(crate) use self::subprotocol::{Agreed, subprotocols};
use crate::answer::{Answered, Asking, Pushed};
use crate::channel::Channel;
use crate::form::form_of;
use crate::link::ClientLink;
use crate::{Answer, Csp, Exchange};

/// Settings of WebSocket connections.
#[derive(Clone, Debug)]
pub struct WebSocketConfig {
    /// Where clients connect on the HTTP listeners.
    pub path: String,
    /// Bytes of the largest message.
    pub message_max: usize,
    /// Requests of one connection that are carried out at the same time; further ones wait.
    pub pipeline: usize,
    /// Bytes that may wait to be written to one connection; with more, nothing is read from it and nothing pushed to it.
    pub buffer_max: usize,
    /// How often a connection from which nothing came is asked whether it is still there. Without an answer until the next
    /// time it is closed.
    pub ping: Duration,
    /// How long a connection may have no session.
    pub login_within: Duration,
    /// How long a client may take none of what is sent to it.
    pub write_timeout: Duration,
    /// Sessions of one connection.
    pub sessions_max: usize,
    /// Connections at once; further ones are told to come back.
    pub connections_max: usize,
    /// Bytes that all connections together have read and not answered, or are yet to write. Beyond that, those that have
    /// more of it than their small share are told to come back.
    pub memory: usize,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            path: "/ws".to_owned(),
            message_max: 2 << 20,
            pipeline: 128,
            buffer_max: 256 << 10,
            ping: Duration::from_secs(60),
            login_within: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            sessions_max: 64,
            connections_max: 15_000,
            memory: 256 << 20,
        }
    }
}

/// What links know of a connection: whom it has to look after.
#[derive(Default)]
pub(crate) struct Socket {
    ready: Mutex<Vec<SessionId>>,
    waker: AtomicWaker,
}

impl Socket {
    /// Something waits for this session, or it has ended.
    pub(crate) fn ready(&self, session: SessionId) {
        {
            let mut ready = self.ready.lock();
            if ready.contains(&session) {
                return;
            }
            ready.push(session);
        }
        self.waker.wake();
    }

    fn take_ready(&self) -> Vec<SessionId> {
        std::mem::take(&mut *self.ready.lock())
    }
}

/// Something that was carried out.
enum Done {
    /// The message of this number is answered.
    Answered(u64, Answered),
    /// Something waits no longer.
    Pushed(Arc<Session>, Pushed),
}

/// A message that is being answered.
struct Asked {
    asking: Asking,
    since: Instant,
    /// It is answered in a frame of the kind in which it came.
    is_text: bool,
    bytes: usize,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Under way.
    Open,
    /// Under way still, but the client was told that it takes too long.
    Late,
    Done,
}

/// A session of a connection.
struct Joined {
    session: Arc<Session>,
    /// What waits for it is being fetched.
    is_pushing: bool,
    /// Something came to wait meanwhile.
    again: bool,
}

/// Messages that are fetched at once for one session.
const PUSH_BATCH: usize = 32;
/// Between two looks at what does not happen.
const LOOKS: Duration = Duration::from_secs(2);
/// Bytes that are read at once, and that are kept for reading.
const READ_BUFFER: usize = 8 << 10;
/// From so many bytes on, writing does not wait for more to write.
const WRITE_BUFFER: usize = 64 << 10;
/// Bytes that a connection may hold whatever the others do.
const SHARE: usize = 64 << 10;
/// Bytes of a frame of a ping or a pong beside what is in it.
const CONTROL_HEAD: usize = 6;
/// How long a client may take to answer a close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// What a connection is opened with.
pub(crate) struct Opening {
    pub(crate) csp: Arc<Csp>,
    pub(crate) config: WebSocketConfig,
    pub(crate) agreed: Agreed,
    pub(crate) channel: Channel,
    pub(crate) peer: IpAddr,
    /// The number of the subscriber, as a gateway told it.
    pub(crate) msisdn: Option<Box<str>>,
    /// What came after the request for the upgrade.
    pub(crate) read: Bytes,
    /// What it shares with the other connections.
    pub(crate) memory: Arc<Memory>,
}

/// Serves a connection until it is over.
pub(crate) async fn serve<S>(stream: S, opening: Opening, stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let protocol = Protocol::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(Some(opening.config.message_max))
        .max_frame_size(Some(opening.config.message_max));
    let read = opening.read.to_vec();
    let stream = Metered { stream, unread: 0, written: 0 };
    let web_socket = WebSocketStream::from_partially_read(stream, read, Role::Server, Some(protocol)).await;
    let metrics = opening.csp.services().metrics.clone();
    metrics.websockets.up();
    let mut connection = Connection::new(web_socket, opening, stop);
    std::future::poll_fn(|context| connection.poll(context)).await;
    drop(connection);
    metrics.websockets.down();
}

/// The connection is over.
struct Over;

struct Connection<S> {
    web_socket: WebSocketStream<Metered<S>>,
    memory: Arc<Memory>,
    /// Bytes that are counted there.
    weight: usize,
    csp: Arc<Csp>,
    metrics: Arc<Metrics>,
    config: WebSocketConfig,
    agreed: Agreed,
    /// The encoding of what is pushed: what was agreed upon, or what the client spoke first.
    form: Option<Form>,
    channel: Channel,
    peer: IpAddr,
    msisdn: Option<Box<str>>,
    socket: Arc<Socket>,
    sessions: FxHashMap<SessionId, Joined>,
    /// Sessions that wait until what is pushed can be written.
    held: Vec<SessionId>,
    work: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Messages from the first on that is not answered, and its number.
    asked: VecDeque<Asked>,
    first_asked: u64,
    /// Messages that are being answered, and their bytes.
    requests: usize,
    request_bytes: usize,
    out: VecDeque<Message>,
    out_bytes: usize,
    /// Something was handed to the protocol and not written yet.
    is_dirty: bool,
    /// Since when nothing of what is to be written could be, and what was written by then.
    stuck: Option<(Instant, u64)>,
    heard: Instant,
    /// Since when it is asked whether it is there.
    pinged: Option<Instant>,
    /// Since when it has no session.
    lonely: Instant,
    /// The server stops: what is being answered is answered still.
    is_stopping: bool,
    /// The server has closed it, and when.
    closing: Option<Instant>,
    /// Nothing can be read any more.
    is_deaf: bool,
    looks: Interval,
    stop: BoxFuture<'static, ()>,
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.memory.changes(self.weight, 0);
        for joined in self.sessions.values() {
            if let Some(link) = ClientLink::known(&joined.session) {
                link.detach(&self.socket);
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(web_socket: WebSocketStream<Metered<S>>, opening: Opening, mut stop: watch::Receiver<bool>) -> Self {
        let now = Instant::now();
        let period = LOOKS.min(opening.csp.config().answer_within.max(Duration::from_millis(10)));
        let mut looks = tokio::time::interval_at(now + period, period);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            web_socket,
            memory: opening.memory,
            weight: 0,
            metrics: opening.csp.services().metrics.clone(),
            form: opening
                .agreed
                .0
                .and_then(|one| form_of(Some(one.content_type), b"", opening.csp.config().pts_codes())),
            csp: opening.csp,
            msisdn: opening.msisdn,
            config: opening.config,
            agreed: opening.agreed,
            channel: opening.channel,
            peer: opening.peer,
            socket: Arc::default(),
            sessions: FxHashMap::default(),
            held: Vec::new(),
            work: FuturesUnordered::new(),
            asked: VecDeque::new(),
            first_asked: 0,
            requests: 0,
            request_bytes: 0,
            out: VecDeque::new(),
            out_bytes: 0,
            is_dirty: false,
            stuck: None,
            heard: now,
            pinged: None,
            lonely: now,
            is_stopping: false,
            closing: None,
            is_deaf: false,
            looks,
            stop: Box::pin(async move {
                let _ = stop.wait_for(|stop| *stop).await;
            }),
        }
    }

    /// Does whatever can be done, until nothing can.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.advance(context) {
            Ok(()) => Poll::Pending,
            Err(Over) => Poll::Ready(()),
        }
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Result<(), Over> {
        // First, so that whoever becomes ready from here on wakes this again.
        self.socket.waker.register(context.waker());
        loop {
            let mut progress = false;
            while let Poll::Ready(Some(done)) = Pin::new(&mut self.work).poll_next(context) {
                progress = true;
                self.done(done);
            }
            for session in self.socket.take_ready() {
                progress = true;
                self.push(session);
            }
            progress |= self.hand_over(context)?;
            if self.may_read() {
                match self.read(context) {
                    Poll::Ready(outcome) => {
                        progress = true;
                        outcome?;
                    }
                    Poll::Pending => {}
                }
            }
            if !progress {
                break;
            }
        }
        self.write(context)?;
        self.weigh();
        while self.looks.poll_tick(context).is_ready() {
            self.look()?;
        }
        if !self.is_stopping && self.stop.as_mut().poll(context).is_ready() {
            self.is_stopping = true;
        }
        if self.is_stopping && self.requests == 0 {
            self.close(Why::ServerStops);
        }
        if self.out.is_empty() {
            let is_written = !self.is_dirty;
            // Whoever cannot be heard any more has been told why; and a server that stops does not wait for an answer.
            let is_over = self.closing.is_some() && (self.is_deaf || self.is_stopping) && is_written;
            if is_over { Err(Over) } else { Ok(()) }
        } else {
            // A ping or a close came to be sent just now; unless the socket takes no more, which wakes by itself.
            if self.stuck.is_none() {
                context.waker().wake_by_ref();
            }
            Ok(())
        }
    }

    /// Counts what is held. Too much of it, while all hold too much: the client is told to come back.
    fn weigh(&mut self) {
        let unread = self.web_socket.get_ref().unread.saturating_sub(READ_BUFFER);
        let weight = unread + self.request_bytes + self.out_bytes;
        let is_too_much = self.memory.changes(self.weight, weight);
        self.weight = weight;
        if is_too_much && weight > SHARE && self.closing.is_none() {
            // What it has not taken comes again by the next way.
            self.out.clear();
            self.out_bytes = 0;
            self.is_deaf = true;
            self.close(Why::TooMuch);
        }
    }

    fn is_full(&self) -> bool {
        self.out_bytes > self.config.buffer_max
    }

    fn may_read(&self) -> bool {
        let has_room = !self.is_full()
            && self.requests < self.config.pipeline
            && self.request_bytes <= self.config.message_max
            && !self.is_stopping;
        // The answer to a close is read whatever else waits.
        !self.is_deaf && (has_room || self.closing.is_some())
    }

    /// Reads a message.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Over>> {
        let read = ready!(Pin::new(&mut self.web_socket).poll_next(context));
        Poll::Ready(match read {
            None => {
                self.is_deaf = true;
                // Nobody is there to be answered, or the close was answered.
                Err(Over)
            }
            Some(Err(error)) => self.refuse(&error),
            Some(Ok(message)) => {
                self.heard = Instant::now();
                self.pinged = None;
                self.received(message);
                Ok(())
            }
        })
    }

    /// What was read is no message.
    fn refuse(&mut self, error: &Error) -> Result<(), Over> {
        self.is_deaf = true;
        let why = match error {
            Error::Capacity(CapacityError::MessageTooLong { .. }) => Why::TooLarge,
            Error::Utf8(_) => Why::NotText,
            Error::Protocol(tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
            | Error::Io(_) => return Err(Over),
            _ => Why::NotProtocol,
        };
        self.close(why);
        Ok(())
    }

    fn received(&mut self, message: Message) {
        let unread = &mut self.web_socket.get_mut().unread;
        let (body, is_text) = match message {
            Message::Text(text) => (Bytes::from(text), true),
            Message::Binary(bytes) => (bytes, false),
            // The protocol answers these by itself; its answers want to be written.
            Message::Ping(_) | Message::Close(_) => {
                *unread = unread.saturating_sub(message.len() + CONTROL_HEAD);
                self.is_dirty = true;
                return;
            }
            Message::Pong(_) | Message::Frame(_) => {
                *unread = unread.saturating_sub(message.len() + CONTROL_HEAD);
                return;
            }
        };
        *unread = 0;
        if self.closing.is_some() {
            return;
        }
        self.metrics.websocket_received.up();
        let content_type = self.agreed.0.map(|one| one.content_type);
        if self.form.is_none() {
            self.form = form_of(content_type, &body, self.csp.config().pts_codes());
        }
        let (csp, peer, channel) = (self.csp.clone(), Some(self.peer), self.channel);
        let msisdn = self.msisdn.clone();
        let bytes = body.len();
        match csp.begin(Exchange { body: &body, content_type, peer, msisdn: msisdn.as_deref(), channel }) {
            Ok((answered, asking)) => {
                let number = self.first_asked + self.asked.len() as u64;
                self.requests += 1;
                self.request_bytes += bytes;
                self.asked.push_back(Asked { asking, since: self.heard, is_text, bytes, state: State::Open });
                self.work.push(Box::pin(async move { Done::Answered(number, answered.await) }));
            }
            Err(answered) => self.answer(answered, Some(is_text)),
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Answered(number, answered) => {
                let is_text = self.is_done(number);
                self.answer(answered, is_text);
            }
            Done::Pushed(session, pushed) => {
                let id = session.id;
                if let Some(link) = ClientLink::known(&session)
                    && !pushed.is_last
                    && !link.is_attached(&self.socket)
                {
                    // Its client has gone elsewhere meanwhile, and gets it there.
                    self.forget(id);
                    if !pushed.messages.is_empty() {
                        link.offer_again();
                        link.wake(&id);
                    }
                    return;
                }
                let is_text = self.agreed.0.map_or(self.form != Some(Form::Wbxml), |one| one.is_text);
                let is_told = !pushed.messages.is_empty();
                for message in pushed.messages {
                    self.send(message, is_text);
                }
                if pushed.is_last {
                    self.leave(id);
                    if is_told && self.sessions.is_empty() {
                        self.close(Why::SessionsEnded);
                    }
                    return;
                }
                let Some(joined) = self.sessions.get_mut(&id) else { return };
                joined.is_pushing = false;
                if pushed.is_more || joined.again {
                    self.push(id);
                }
            }
        }
    }

    /// The message of this number is answered: whether in a text frame; `None` if its client does not wait any more.
    fn is_done(&mut self, number: u64) -> Option<bool> {
        let index = usize::try_from(number.checked_sub(self.first_asked)?).ok()?;
        let asked = self.asked.get_mut(index)?;
        let (is_text, bytes) = (asked.is_text, asked.bytes);
        let was_open = std::mem::replace(&mut asked.state, State::Done) == State::Open;
        while self.asked.front().is_some_and(|asked| asked.state == State::Done) {
            self.asked.pop_front();
            self.first_asked += 1;
        }
        if was_open {
            self.requests -= 1;
            self.request_bytes -= bytes;
        }
        was_open.then_some(is_text)
    }

    /// Sends an answer, if somebody waits for it.
    fn answer(&mut self, answered: Answered, is_text: Option<bool>) {
        match (answered.answer, is_text) {
            (_, None) => {}
            (Answer::Message(message), Some(is_text)) => self.send(message, is_text),
            // Whoever asks is answered: with nothing, if nothing waits.
            (Answer::Nothing, Some(is_text)) if answered.is_poll => self.send(Vec::new(), is_text),
            (Answer::Nothing, _) => {}
            (Answer::NoCsp(413, _), _) => self.close(Why::TooLarge),
            (Answer::NoCsp(500, _), _) => self.close(Why::ServerFailed),
            (Answer::NoCsp(..), _) => self.close(Why::NotCsp),
        }
        if let Some(session) = answered.session {
            self.join(session);
        }
    }

    /// Tells those who wait for too long; what they asked for is carried out all the same.
    fn tell_late(&mut self, now: Instant) {
        let within = self.csp.config().answer_within;
        let mut told = Vec::new();
        for asked in self.asked.iter_mut().take_while(|asked| now - asked.since >= within) {
            if asked.state == State::Open {
                asked.state = State::Late;
                self.requests -= 1;
                self.request_bytes -= asked.bytes;
                told.push((self.csp.too_late(&asked.asking), asked.is_text));
            }
        }
        for (answer, is_text) in told {
            self.answer(Answered::of(answer), Some(is_text));
        }
    }

    /// A message of this session has come on this connection: it is where the session's client is now.
    fn join(&mut self, session: Arc<Session>) {
        let id = session.id;
        if !self.sessions.contains_key(&id) {
            if session.is_closed() {
                // That was its logout.
                return;
            }
            if self.sessions.len() >= self.config.sessions_max {
                return self.close(Why::TooManySessions);
            }
            self.sessions.insert(id, Joined { session: session.clone(), is_pushing: false, again: false });
        }
        if let Some(link) = ClientLink::of(&session) {
            link.attach(&self.socket);
        }
        self.push(id);
    }

    fn leave(&mut self, id: SessionId) {
        if let Some(link) = self.sessions.get(&id).and_then(|joined| ClientLink::known(&joined.session)) {
            link.detach(&self.socket);
        }
        self.forget(id);
    }

    /// The session is none of this connection any more.
    fn forget(&mut self, id: SessionId) {
        if self.sessions.remove(&id).is_some() && self.sessions.is_empty() {
            self.lonely = Instant::now();
        }
    }

    /// Sends what waits for this session, if it can be written soon.
    fn push(&mut self, id: SessionId) {
        let is_full = self.is_full();
        let Some(joined) = self.sessions.get_mut(&id) else { return };
        if joined.is_pushing {
            joined.again = true;
            return;
        }
        let session = joined.session.clone();
        let Some(link) = ClientLink::known(&session) else { return };
        if !link.is_attached(&self.socket) {
            // It has another connection now.
            return self.forget(id);
        }
        if self.closing.is_some() || !self.csp.may_push(&session) {
            return;
        }
        if is_full {
            if !self.held.contains(&id) {
                self.held.push(id);
            }
            return;
        }
        let Some(form) = self.form else { return };
        joined.is_pushing = true;
        joined.again = false;
        let csp = self.csp.clone();
        self.work.push(Box::pin(async move {
            let pushed = csp.push(&session, form, PUSH_BATCH).await;
            Done::Pushed(session, pushed)
        }));
    }

    fn send(&mut self, message: Vec<u8>, is_text: bool) {
        self.metrics.websocket_sent.up();
        self.out_bytes += message.len();
        // What is no text after all goes out as what it is.
        let message = match is_text {
            true => String::from_utf8(message)
                .map_or_else(|error| Message::Binary(error.into_bytes().into()), |text| Message::Text(text.into())),
            false => Message::Binary(message.into()),
        };
        self.out.push_back(message);
    }

    /// Hands what is to be sent over to the protocol, as long as it takes it. Whether any was taken.
    fn hand_over(&mut self, context: &mut Context<'_>) -> Result<bool, Over> {
        let mut progress = false;
        while !self.out.is_empty() {
            match Pin::new(&mut self.web_socket).poll_ready(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Err(Over),
                Poll::Pending => break,
            }
            let Some(message) = self.out.pop_front() else { break };
            self.out_bytes -= if message.is_close() { 0 } else { message.len() };
            Pin::new(&mut self.web_socket).start_send(message).map_err(|_| Over)?;
            (progress, self.is_dirty) = (true, true);
        }
        if !self.held.is_empty() && !self.is_full() {
            progress = true;
            for id in std::mem::take(&mut self.held) {
                self.push(id);
            }
        }
        Ok(progress)
    }

    /// Writes all that the protocol has.
    fn write(&mut self, context: &mut Context<'_>) -> Result<(), Over> {
        if self.is_dirty {
            match Pin::new(&mut self.web_socket).poll_flush(context) {
                Poll::Ready(Ok(())) => self.is_dirty = false,
                Poll::Ready(Err(_)) => return Err(Over),
                Poll::Pending => {}
            }
        }
        let written = self.web_socket.get_ref().written;
        if !self.is_dirty && self.out.is_empty() {
            self.stuck = None;
        } else if self.stuck.is_none_or(|(_, before)| before != written) {
            self.stuck = Some((Instant::now(), written));
        }
        Ok(())
    }

    /// Ends the connection, and says why.
    fn close(&mut self, why: Why) {
        if self.closing.is_some() {
            return;
        }
        if why.is_refusal() {
            self.metrics.websocket_refused.up();
        }
        tracing::debug!(peer = %self.peer, ?why, "WebSocket closed");
        self.closing = Some(Instant::now());
        self.out.push_back(Message::Close(Some(why.frame())));
    }

    /// Looks after what does not happen.
    fn look(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        if self.closing.is_some_and(|since| now - since > CLOSE_WITHIN) {
            return Err(Over);
        }
        if self.stuck.is_some_and(|(since, _)| now - since > self.config.write_timeout) {
            self.metrics.websocket_refused.up();
            return Err(Over);
        }
        if self.closing.is_some() {
            return Ok(());
        }
        self.tell_late(now);
        if self.sessions.is_empty() && now - self.lonely > self.config.login_within {
            self.close(Why::NoLogin);
        } else if self.pinged.is_some_and(|since| now - since > self.config.ping) {
            self.close(Why::NoSignOfLife);
        } else if now - self.heard > self.config.ping && self.pinged.is_none() {
            self.pinged = Some(now);
            self.out.push_back(Message::Ping(Bytes::new()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

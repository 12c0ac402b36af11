//! STCP: the client keeps a TCP connection, on which it is called (CSP 15.4).
//!
//! ```text
//!   C: HELO session        S: OK                     unknown session: closed
//!                          S: WVCI 1.2 cookie        a moment later, and whenever something waits
//!   C: PING                S: OK
//! ```
//!
//! Thousands of phones are connected and say nothing for hours, so a connection is a socket, a small task that waits for
//! it to become readable, and no buffer. Calling writes from wherever something came to wait, without that task.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use imps_service::Session;
use imps_types::SessionId;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::Cir;
use super::dialogue::{Command, LINE_MAX, Lines, OK};
use crate::Csp;

/// Lines that a connection may say within a minute; more is no phone.
const LINES_A_MINUTE: u32 = 60;

/// Lines that mean nothing which a connection may say.
const NONSENSE_MAX: u32 = 8;

/// Of the connections so many may not have named a session yet: one in this number; beyond it the oldest has to go.
const UNNAMED_SHARE: usize = 4;
const UNNAMED_MIN: usize = 64;

/// What came of saying something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoken {
    /// It is on its way.
    Said,
    /// Something was said just now: later.
    Later,
    /// The connection is of no use any more.
    Failed(&'static str),
}

/// A connection that has named its session, or may yet.
pub(crate) struct Connection {
    stream: TcpStream,
    /// When something was said last.
    spoke: Mutex<Option<Instant>>,
    /// A call waits for the end of the pause.
    later: AtomicBool,
    /// It is to be closed.
    closing: Notify,
    pause: Duration,
}

impl Connection {
    fn new(stream: TcpStream, pause: Duration) -> Self {
        Self { stream, spoke: Mutex::default(), later: AtomicBool::new(false), closing: Notify::new(), pause }
    }

    /// Sends an invitation, unless something was said so shortly before that the client would overlook it.
    pub(crate) fn call(&self, invitation: &str, at_once: bool) -> Spoken {
        if !at_once && self.rest_of_pause().is_some() {
            return Spoken::Later;
        }
        self.say(format!("{invitation}\r\n").as_bytes())
    }

    /// Whether the call that has to wait for the end of the pause is the first one: it is made for all that come meanwhile.
    pub(crate) fn begins_to_wait(&self) -> bool {
        !self.later.swap(true, Ordering::AcqRel)
    }

    /// The pause is over.
    pub(crate) fn has_waited(&self) {
        self.later.store(false, Ordering::Release);
    }

    /// Something is about to be said.
    fn begin_pause(&self) {
        *self.spoke.lock() = Some(Instant::now());
    }

    /// How long it is until something may be said that is not to be taken for one with the last.
    fn rest_of_pause(&self) -> Option<Duration> {
        let spoke = (*self.spoke.lock())?;
        self.pause.checked_sub(spoke.elapsed()).filter(|rest| !rest.is_zero())
    }

    /// Sends a line at once, whole, or not at all.
    fn say(&self, line: &[u8]) -> Spoken {
        let outcome = match self.stream.try_write(line) {
            Ok(written) if written == line.len() => Spoken::Said,
            // Half a line: nothing that comes after it would be understood.
            Ok(_) => Spoken::Failed("the client does not read"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Spoken::Failed("the client does not read"),
            Err(_) => Spoken::Failed("the connection is broken"),
        };
        match outcome {
            Spoken::Failed(_) => self.close(),
            Spoken::Said | Spoken::Later => self.begin_pause(),
        }
        outcome
    }

    /// Ends the connection. What was said before arrives.
    pub(crate) fn close(&self) {
        self.closing.notify_one();
    }
}

/// What the connections of a listener share.
struct Shared {
    cir: Arc<Cir>,
    /// Connections that have named no session yet, oldest first.
    unnamed: Mutex<VecDeque<Weak<Connection>>>,
    unnamed_max: usize,
}

/// Serves CIR connections until `stop` turns true. Each takes a place of `places`, which it shares with whatever else
/// needs descriptors, if there is such a limit.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    csp: Arc<Csp>,
    places: Option<Arc<Semaphore>>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let cir = csp.cir().clone();
    let most = cir.config.tcp_connections_max.clamp(1, Semaphore::MAX_PERMITS);
    let own = Arc::new(Semaphore::new(most));
    let unnamed_max = (most / UNNAMED_SHARE).max(UNNAMED_MIN);
    let shared = Arc::new(Shared { cir, unnamed: Mutex::default(), unnamed_max });
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "CIR connection not accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let Some(place) = place(&own, places.as_ref()) else {
            // There is no word for "later": its client polls, and tries again.
            shared.cir.metrics.cir_tcp_refused.up();
            continue;
        };
        let connection = Arc::new(Connection::new(stream, shared.cir.config.pause));
        // An invitation is one small packet: it must not wait for the next.
        let _ = connection.stream.set_nodelay(true);
        shared.enrol(&connection);
        tokio::spawn(attend(shared.clone(), connection, peer, place, stop.clone()));
    }
}

type Place = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

fn place(own: &Arc<Semaphore>, shared: Option<&Arc<Semaphore>>) -> Option<Place> {
    let own = own.clone().try_acquire_owned().ok()?;
    match shared {
        Some(shared) => Some((own, Some(shared.clone().try_acquire_owned().ok()?))),
        None => Some((own, None)),
    }
}

impl Shared {
    /// Notes a connection without a session. Too many: the one that has said nothing for longest goes.
    fn enrol(&self, connection: &Arc<Connection>) {
        let mut unnamed = self.unnamed.lock();
        if unnamed.len() >= self.unnamed_max {
            unnamed.retain(|one| one.strong_count() > 0);
        }
        if unnamed.len() >= self.unnamed_max
            && let Some(oldest) = unnamed.pop_front().and_then(|oldest| oldest.upgrade())
        {
            oldest.close();
        }
        unnamed.push_back(Arc::downgrade(connection));
    }

    fn strike_out(&self, connection: &Arc<Connection>) {
        let mut unnamed = self.unnamed.lock();
        if let Some(at) = unnamed.iter().position(|one| std::ptr::eq(one.as_ptr(), Arc::as_ptr(connection))) {
            unnamed.remove(at);
        }
    }
}

async fn attend(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    peer: SocketAddr,
    place: Place,
    mut stop: watch::Receiver<bool>,
) {
    let cir = shared.cir.clone();
    cir.metrics.cir_tcp_connections.up();
    let mut guest = Guest::new(shared, connection);
    let why = tokio::select! {
        why = guest.converse() => why,
        _ = stop.wait_for(|stop| *stop) => End::Closed,
    };
    if why != End::Closed {
        tracing::debug!(%peer, ?why, "CIR connection ended");
        cir.metrics.cir_tcp_refused.up();
    }
    guest.leave();
    cir.metrics.cir_tcp_connections.down();
    drop(place);
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By its client, or because it is of no use any more: the session is over, or has another connection.
    Closed,
    /// It named no session in time.
    NoHello,
    /// It named a session that is not there.
    UnknownSession,
    /// A line was too long.
    TooLong,
    /// It said too much, or too much that means nothing.
    Nonsense,
}

/// The other end of a connection.
struct Guest {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    lines: Lines,
    session: Option<Arc<Session>>,
    minute: Instant,
    said: u32,
    nonsense: u32,
}

/// What a line asks for.
#[derive(Clone, Copy)]
enum Wish {
    Hello(Option<SessionId>),
    Ok,
}

impl Guest {
    fn new(shared: Arc<Shared>, connection: Arc<Connection>) -> Self {
        let minute = Instant::now();
        Self { shared, connection, lines: Lines::default(), session: None, minute, said: 0, nonsense: 0 }
    }

    async fn converse(&mut self) -> End {
        let within = self.shared.cir.config.hello_within;
        // The first session must be named in time; then a phone may be silent for as long as its session lives.
        match tokio::time::timeout(within, self.listen(true)).await {
            Err(_) => return End::NoHello,
            Ok(Err(end)) => return end,
            Ok(Ok(())) => {}
        }
        match self.listen(false).await {
            Ok(()) => End::Closed,
            Err(end) => end,
        }
    }

    /// Answers what is said, until the connection ends or, if `is_new`, a session is named.
    async fn listen(&mut self, is_new: bool) -> Result<(), End> {
        loop {
            tokio::select! {
                biased;
                () = self.connection.closing.notified() => return Err(End::Closed),
                ready = self.connection.stream.readable() => if ready.is_err() { return Err(End::Closed) },
            }
            let mut wishes = Wishes::default();
            self.read(&mut wishes)?;
            for wish in wishes.taken() {
                // Nokia looks at the first of what one read returns: OK must not come together with a WVCI.
                if let Some(rest) = self.connection.rest_of_pause() {
                    tokio::time::sleep(rest).await;
                }
                match wish {
                    Wish::Hello(id) => self.hello(id)?,
                    Wish::Ok => self.ok()?,
                }
                if matches!(wish, Wish::Hello(_)) {
                    self.look_later();
                }
            }
            if is_new && self.session.is_some() {
                return Ok(());
            }
        }
    }

    /// Reads what is there. Of what comes together, the last HELO and one PING count.
    fn read(&mut self, wishes: &mut Wishes) -> Result<(), End> {
        let mut buffer = [0; LINE_MAX];
        let read = match self.connection.stream.try_read(&mut buffer) {
            Ok(0) => return Err(End::Closed),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(End::Closed),
        };
        let mut lines = 0;
        let mut nonsense = 0;
        let fed = self.lines.feed(buffer.get(..read).unwrap_or_default(), |line| {
            lines += 1;
            match Command::read(line) {
                Command::Hello(session) => wishes.hello = Some(SessionId::parse(session)),
                Command::Ping => wishes.ping = true,
                Command::Empty => {}
                Command::Unknown => nonsense += 1,
            }
            true
        });
        fed.map_err(|_| End::TooLong)?;
        if self.minute.elapsed() >= Duration::from_secs(60) {
            (self.minute, self.said) = (Instant::now(), 0);
        }
        self.said += lines;
        self.nonsense += nonsense;
        if self.said > LINES_A_MINUTE || self.nonsense > NONSENSE_MAX { Err(End::Nonsense) } else { Ok(()) }
    }

    fn ok(&self) -> Result<(), End> {
        match self.connection.say(OK) {
            Spoken::Failed(_) => Err(End::Closed),
            Spoken::Said | Spoken::Later => Ok(()),
        }
    }

    /// The client names its session: the connection is this session's from now on, in place of one that it had.
    fn hello(&mut self, id: Option<SessionId>) -> Result<(), End> {
        let cir = self.shared.cir.clone();
        let session = id.and_then(|id| cir.session(&id)).ok_or(End::UnknownSession)?;
        // From its OK on the client may do anything, and by then everything is in its place; but it is not called yet.
        self.connection.begin_pause();
        if self.session.as_ref().is_some_and(|before| before.id != session.id) {
            self.let_go();
        }
        let link = cir.link(&session).ok_or(End::UnknownSession)?;
        let before = {
            let mut calls = link.calls();
            // Whatever was said on another connection may not have arrived.
            calls.settled();
            calls.tcp.replace(self.connection.clone())
        };
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(before, &self.connection)) {
            before.close();
        }
        if self.session.is_none() {
            self.shared.strike_out(&self.connection);
            cir.metrics.cir_tcp_sessions.up();
        }
        // It may have ended just now; then nobody would close this.
        if session.is_closed() {
            self.connection.close();
        }
        self.session = Some(session);
        self.ok()
    }

    /// After the pause: what waits for the session is told.
    fn look_later(&self) {
        if let Some(session) = &self.session {
            self.shared.cir.look_after_pause(session);
        }
    }

    /// The session has this connection no longer.
    fn let_go(&mut self) {
        let Some(session) = self.session.take() else { return };
        self.shared.cir.metrics.cir_tcp_sessions.down();
        if let Some(link) = crate::link::ClientLink::known(&session) {
            let mut calls = link.calls();
            if calls.tcp.as_ref().is_some_and(|one| Arc::ptr_eq(one, &self.connection)) {
                calls.tcp = None;
            }
        }
    }

    fn leave(&mut self) {
        if self.session.is_none() {
            self.shared.strike_out(&self.connection);
        }
        self.let_go();
    }
}

/// What the lines of one read ask for.
#[derive(Default)]
struct Wishes {
    hello: Option<Option<SessionId>>,
    ping: bool,
}

impl Wishes {
    fn taken(self) -> impl Iterator<Item = Wish> {
        self.hello.map(Wish::Hello).into_iter().chain(self.ping.then_some(Wish::Ok))
    }
}

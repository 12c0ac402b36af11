//! The Command Line Protocol over TCP, plain or TLS (CLP 7): a line in, lines out, and what happens in between.
//!
//! One task serves a line. Thousands of them say nothing for a long time, so between two commands a line is a socket, a
//! small task and no buffer: what is read lies on the stack until a line of it is complete.
//!
//! Back-pressure: the next command is carried out when the answer to the last one is written, and what happened is fetched
//! when there is nothing to be written. What was written to the end counts as heard.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use imps_proto::clp::{Line, LineReader, Writer};
use imps_service::event::Event;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use super::tls::Tls;
use crate::clp::{Clp, Dialogue, Heard, Next, Read};

#[cfg(test)]
mod tests;

/// What telnet's own sequences begin with; no octet of UTF-8.
const IAC: u8 = 255;
/// Octets that are read at once.
const READ: usize = 4096;
/// Octets from which on answers are written before more is carried out.
const WRITE: usize = 16 << 10;
/// Events that are fetched at once.
const EVENTS: usize = 32;
/// When what could not be noted as heard is noted again.
const AGAIN: Duration = Duration::from_secs(10);

/// The lines, for one listener or several.
pub struct Lines {
    clp: Arc<Clp>,
    /// Lines that may be opened yet.
    open: Arc<Semaphore>,
    /// Likewise, shared with whatever else needs descriptors.
    places: Option<Arc<Semaphore>>,
}

type Place = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

impl Lines {
    /// What the listeners share. Each line takes one of `places`, if there is such a limit.
    pub fn new(clp: Arc<Clp>, places: Option<Arc<Semaphore>>) -> Arc<Self> {
        let open = Arc::new(Semaphore::new(most(&clp)));
        Arc::new(Self { clp, open, places })
    }

    /// Serves the lines of a listener until `stop` turns true, then tells whoever is there, and ends.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let own = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "line not accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            let is_refused = self.clp.is_refused(peer.ip());
            let place = self.place();
            let (Some(place), false) = (place, is_refused) else {
                refuse(stream, tls.is_some(), is_refused);
                continue;
            };
            // An answer is one small packet: it must not wait for the next.
            let _ = stream.set_nodelay(true);
            let Ok(busy) = own.clone().try_acquire_owned() else { continue };
            let guest = Guest { clp: self.clp.clone(), peer, stop: stop.clone(), _place: place, _busy: busy };
            match tls.clone() {
                None => drop(tokio::spawn(guest.plain(stream))),
                Some(tls) => drop(tokio::spawn(guest.secure(stream, tls))),
            }
        }
        drop(listener);
        let ended = async {
            while own.available_permits() < Semaphore::MAX_PERMITS {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(self.clp.config().stop_timeout, ended).await;
        Ok(())
    }

    fn place(&self) -> Option<Place> {
        let own = self.open.clone().try_acquire_owned().ok()?;
        match &self.places {
            Some(places) => Some((own, Some(places.clone().try_acquire_owned().ok()?))),
            None => Some((own, None)),
        }
    }
}

fn most(clp: &Clp) -> usize {
    clp.config().connections_max.clamp(1, Semaphore::MAX_PERMITS)
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Says why, and hangs up. It fits into the empty buffer of the socket, so this does not wait.
fn refuse(stream: TcpStream, is_secure: bool, is_failure: bool) {
    let line: &[u8] = match is_failure {
        true => b"-401 too many wrong passwords from your address, bye\r\n",
        false => b"-503 full, try again later\r\n",
    };
    if let (false, Ok(mut stream)) = (is_secure, stream.into_std()) {
        let _ = io::Write::write(&mut stream, line);
    }
}

/// A line that was accepted.
struct Guest {
    clp: Arc<Clp>,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
    _place: Place,
    _busy: OwnedSemaphorePermit,
}

impl Guest {
    async fn plain(self, stream: TcpStream) {
        let is_private = self.peer.ip().is_loopback() || self.clp.config().allow_plain;
        self.converse(stream, is_private).await;
    }

    async fn secure(self, stream: TcpStream, tls: Arc<Tls>) {
        let accepted = tokio::time::timeout(self.clp.config().handshake_timeout, tls.accept(stream)).await;
        match accepted {
            Ok(Ok(stream)) => self.converse(stream, true).await,
            _ => {
                tracing::debug!(peer = %self.peer, "no TLS connection came about");
                self.clp.services().metrics.tls_failures.up();
            }
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send>(self, stream: S, is_private: bool) {
        let metrics = self.clp.services().metrics.clone();
        metrics.clp_lines.up();
        let dialogue = Dialogue::new(self.clp.clone(), self.peer.ip(), is_private);
        let mut line = Connection::new(stream, dialogue, self.clp.clone());
        let ended = line.run(self.stop.clone()).await;
        // Whatever ends a line ends its session.
        line.dialogue.hang_up().await;
        if let Err(error) = ended {
            tracing::debug!(peer = %self.peer, %error, "line ended");
        }
        metrics.clp_lines.down();
    }
}

/// Why a line waits no longer.
enum Woken {
    Read(usize),
    Event,
    Time,
    Stop,
}

struct Connection<S> {
    stream: S,
    clp: Arc<Clp>,
    dialogue: Dialogue,
    reader: LineReader,
    writer: Writer,
    /// What was read and is not looked at yet.
    input: Vec<u8>,
    /// The client has sent a sequence of telnet's, so it understands them; others would show them.
    speaks_telnet: bool,
    opened: Instant,
    heard: Instant,
    /// Happened, and could not be told.
    untold: VecDeque<Event>,
    /// Told, and not noted as heard.
    unheard: Vec<Heard>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn new(stream: S, dialogue: Dialogue, clp: Arc<Clp>) -> Self {
        let now = Instant::now();
        Self {
            stream,
            clp,
            dialogue,
            reader: LineReader::default(),
            writer: Writer::default(),
            input: Vec::new(),
            speaks_telnet: false,
            opened: now,
            heard: now,
            untold: VecDeque::new(),
            unheard: Vec::new(),
        }
    }

    /// Serves the line until somebody hangs up.
    async fn run(&mut self, mut stop: watch::Receiver<bool>) -> io::Result<()> {
        self.dialogue.greeting().write(None, &mut self.writer);
        self.flush().await?;
        loop {
            let link = self.dialogue.link().clone();
            let deadline = self.deadline();
            let woken = tokio::select! {
                biased;
                () = stopped(&mut stop) => Woken::Stop,
                read = read(&mut self.stream, &mut self.input) => Woken::Read(read?),
                () = link.woken() => Woken::Event,
                () = tokio::time::sleep_until(deadline) => Woken::Time,
            };
            let goes_on = match woken {
                Woken::Read(0) => false,
                Woken::Read(_) => {
                    self.hear();
                    // The work needs more room than the waiting, and there are many who wait.
                    Box::pin(self.carry_out()).await? && Box::pin(self.tell()).await?
                }
                Woken::Event | Woken::Time => Box::pin(self.tell()).await?,
                Woken::Stop => {
                    self.writer.event(None, "bye the server stops");
                    false
                }
            };
            // However much comes in, its time is its time.
            if !goes_on || !self.is_in_time() {
                self.flush().await?;
                return self.shut().await;
            }
            // That TALK has ended is said at once.
            self.flush().await?;
        }
    }

    /// The peer is there, whether he says something or not; so is his session.
    fn hear(&mut self) {
        self.heard = Instant::now();
        if let Some(session) = self.dialogue.session() {
            session.touch(self.clp.services().clock.now());
        }
    }

    /// When something is to be done though nothing happens.
    fn deadline(&self) -> Instant {
        let config = self.clp.config();
        let mut deadline = match self.dialogue.session() {
            None => self.opened + config.login_within,
            Some(_) => self.heard + config.idle,
        };
        if let Some(at) = self.dialogue.talk_ends_in().map(|left| Instant::now() + left) {
            deadline = deadline.min(at);
        }
        if !self.unheard.is_empty() || !self.untold.is_empty() {
            deadline = deadline.min(Instant::now() + AGAIN);
        }
        deadline
    }

    /// Whether the line may go on; else it is said why not. TALK ends here by itself.
    fn is_in_time(&mut self) -> bool {
        let config = self.clp.config();
        let now = Instant::now();
        if self.dialogue.session().is_none() && now >= self.opened + config.login_within {
            self.dialogue.refusal().write(None, &mut self.writer);
            return false;
        }
        if self.dialogue.session().is_some() && now >= self.heard + config.idle {
            self.writer.event(None, "bye idle");
            return false;
        }
        self.dialogue.end_idle_talk(&mut self.writer);
        true
    }

    /// Carries out every line that is complete. Whether the line goes on.
    async fn carry_out(&mut self) -> io::Result<bool> {
        let input = std::mem::take(&mut self.input);
        self.speaks_telnet |= input.contains(&IAC);
        let mut rest: &[u8] = &input;
        while let Some(line) = self.reader.next_line(&mut rest, &mut self.writer.out) {
            let (goes_on, read) = self.turn(line).await;
            if let Some(read) = read {
                // Delivered when it is written, and before the next line asks what waits.
                self.flush().await?;
                self.unheard.push(Heard::Read(read));
                self.note().await;
            }
            if !goes_on {
                return Ok(false);
            }
            if self.writer.out.len() >= WRITE {
                self.flush().await?;
            }
        }
        self.flush().await?;
        Ok(true)
    }

    /// One line and its answer. Whether the line goes on, and the message that was shown.
    async fn turn(&mut self, line: Line) -> (bool, Option<Read>) {
        let was_secret = self.dialogue.is_asking();
        let was_there = self.dialogue.session().is_some();
        let turn = self.dialogue.line(line).await;
        if was_secret && self.speaks_telnet {
            self.writer.out.extend_from_slice(&LineReader::echo(true));
        }
        if let Some(reply) = turn.reply {
            reply.write(turn.tag.as_deref(), &mut self.writer);
        }
        if was_there && self.dialogue.session().is_none() {
            self.opened = Instant::now();
        }
        let goes_on = match turn.next {
            Next::Go => true,
            Next::Close => false,
            Next::Secret => {
                self.reader.expect_secret();
                let tag = turn.tag.map(|tag| format!("{tag} ")).unwrap_or_default();
                self.writer.out.extend_from_slice(format!("{tag}:password\r\n").as_bytes());
                if self.speaks_telnet {
                    self.writer.out.extend_from_slice(&LineReader::echo(false));
                }
                true
            }
        };
        (goes_on, turn.read)
    }

    /// Tells what happened, a batch of it; what was written is heard. Whether the line goes on.
    async fn tell(&mut self) -> io::Result<bool> {
        self.note().await;
        // Nothing is fetched that would pile up here.
        let room = EVENTS.saturating_sub(self.untold.len() + self.unheard.len());
        let was_behind = !self.untold.is_empty();
        let (events, is_over) = self.dialogue.waiting(room).await;
        let is_more = room > 0 && events.len() == room;
        self.untold.extend(events);
        let mut told = Vec::new();
        while let Some(event) = self.untold.pop_front() {
            if !self.dialogue.tell(&event, &mut self.writer) {
                self.untold.push_front(event);
                break;
            }
            told.push(Heard::Event(event));
        }
        self.flush().await?;
        self.clp.services().metrics.clp_events.add(told.len() as u64);
        self.unheard.extend(told);
        self.note().await;
        if is_over {
            self.dialogue.last_words(&mut self.writer);
            return Ok(false);
        }
        if (is_more || was_behind) && self.untold.is_empty() {
            // After a look at what comes in.
            self.dialogue.link().poke();
        }
        Ok(true)
    }

    /// Notes what was told as heard; all at once, since each waits for a commit.
    async fn note(&mut self) {
        if self.unheard.is_empty() {
            return;
        }
        let told = std::mem::take(&mut self.unheard);
        let noted = futures_util::future::join_all(told.iter().map(|one| self.dialogue.heard(one))).await;
        for (one, noted) in told.into_iter().zip(noted) {
            if let Err(error) = noted {
                tracing::debug!(%error, "what was told is not noted as heard yet");
                self.unheard.push(one);
            }
        }
    }

    /// Hangs up.
    async fn shut(&mut self) -> io::Result<()> {
        in_time(self.clp.config().write_timeout, self.stream.shutdown()).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.writer.out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(&mut self.writer.out);
        let written = async {
            self.stream.write_all(&out).await?;
            self.stream.flush().await
        };
        in_time(self.clp.config().write_timeout, written).await
    }
}

/// Waits for a peer, but not for ever.
async fn in_time(patience: Duration, written: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    match tokio::time::timeout(patience, written).await {
        Ok(written) => written,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not read")),
    }
}

/// Reads what is there. Nothing is held while nothing is, and nothing is lost when this is dropped.
async fn read<S: AsyncRead + Unpin>(stream: &mut S, input: &mut Vec<u8>) -> io::Result<usize> {
    std::future::poll_fn(|context| {
        let mut bytes = [0; READ];
        let mut buffer = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        input.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
    .await
}

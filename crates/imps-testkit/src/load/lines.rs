//! Commands over lines of text (Command Line Protocol), each sent when the former is answered; and the reference: whatever
//! comes goes back, and nothing behind it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::faults::Faults;
use super::repeat::Repeated;
use super::server::PASSWORD;
use super::{Latencies, Outcome, Window, now};

/// How long a login may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who answers.
#[derive(Clone, Copy)]
pub(crate) enum Peer<'a> {
    /// The server, and who logs in on each line.
    Server(&'a [String]),
    /// The reference.
    Echo,
}

struct Line {
    stream: TcpStream,
    read: Vec<u8>,
    number: usize,
    sent: Instant,
}

/// Sends the commands in turn on so many lines, until the window is over.
pub(crate) fn repeat(
    address: SocketAddr,
    peer: Peer<'_>,
    count: usize,
    commands: &[String],
    window: impl FnOnce() -> Window,
) -> Outcome<Repeated> {
    let failed = |error: io::Error| format!("a line: {error}");
    let mut poll = Poll::new().map_err(failed)?;
    let mut lines = Vec::with_capacity(count);
    for index in 0..count {
        let user = match peer {
            Peer::Server(users) => Some(users.get(index).ok_or("a user for each line")?.as_str()),
            Peer::Echo => None,
        };
        let mut stream = TcpStream::from_std(open(address, user)?);
        poll.registry().register(&mut stream, Token(index), Interest::READABLE).map_err(failed)?;
        lines.push(Line { stream, read: Vec::with_capacity(512), number: index, sent: now() });
    }
    let mut result =
        Repeated { count: 0, seconds: 0.0, latencies: Latencies::new(), faults: Faults::default(), body: 0 };
    let window = window();
    result.seconds = window.seconds();
    let mut open = lines.len();
    for line in &mut lines {
        line.send(commands, &mut result.faults);
    }
    let mut events = Events::with_capacity(256);
    while open > 0 {
        poll.poll(&mut events, Some(Duration::from_secs(5))).map_err(failed)?;
        if events.is_empty() {
            return Err("the lines are silent".to_owned());
        }
        for event in &events {
            let Some(line) = lines.get_mut(event.token().0) else { continue };
            let Some(answer) = line.receive(peer, &mut result.faults) else { continue };
            let moment = now();
            if window.contains(moment) {
                result.count += 1;
                result.latencies.record(moment - line.sent);
            }
            result.body = answer;
            if moment >= window.until {
                open -= 1;
            } else {
                line.send(commands, &mut result.faults);
            }
        }
    }
    Ok(result)
}

/// Opens a line, and logs in.
fn open(address: SocketAddr, user: Option<&str>) -> Outcome<std::net::TcpStream> {
    let failed = |error: io::Error| format!("a line: {error}");
    let stream = std::net::TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    if let Some(user) = user {
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        let mut reader = BufReader::new(stream.try_clone().map_err(failed)?);
        (&stream).write_all(format!("login {user} {PASSWORD}\r\n").as_bytes()).map_err(failed)?;
        let mut said = String::new();
        reader.read_line(&mut said).map_err(failed)?;
        said.clear();
        reader.read_line(&mut said).map_err(failed)?;
        if !said.starts_with("+200 hello") {
            return Err(format!("a login was answered with {}", said.trim()));
        }
    }
    stream.set_nonblocking(true).map_err(failed)?;
    Ok(stream)
}

impl Line {
    fn send(&mut self, commands: &[String], faults: &mut Faults) {
        let command = commands.get(self.number % commands.len().max(1)).map_or(&b"ping\r\n"[..], |one| one.as_bytes());
        self.number += 1;
        self.sent = now();
        // It fits into the empty buffer of the socket.
        if !matches!(self.stream.write(command), Ok(written) if written == command.len()) {
            faults.add(|| "a command could not be sent".to_owned());
        }
    }

    /// Reads what is there: the size of the answer, when it is complete.
    fn receive(&mut self, peer: Peer<'_>, faults: &mut Faults) -> Option<usize> {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    faults.add(|| "a line was closed".to_owned());
                    return None;
                }
                Ok(count) => self.read.extend_from_slice(bytes.get(..count)?),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => {
                    faults.add(|| format!("a line broke: {error}"));
                    return None;
                }
            }
        }
        let whole = self.read.strip_suffix(b"\r\n")?;
        let start = memchr::memrchr(b'\n', whole).map_or(0, |at| at + 1);
        let last = whole.get(start..)?;
        if matches!(peer, Peer::Server(_)) {
            match last.first() {
                Some(b'+') => {}
                Some(b'-') => faults.add(|| String::from_utf8_lossy(last).into_owned()),
                // Data lines, and the rest is on its way.
                _ => return None,
            }
        }
        let size = self.read.len();
        self.read.clear();
        Some(size)
    }
}

/// Serves until it is killed: what comes goes back.
pub(crate) fn serve_echo() -> Outcome {
    let failed = |error: io::Error| format!("the echo server cannot start: {error}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mut output = io::stdout();
        writeln!(output, "{address}").and_then(|()| output.flush()).map_err(failed)?;
        loop {
            let (mut stream, _) = listener.accept().await.map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            tokio::spawn(async move {
                let mut bytes = [0; 4096];
                while let Ok(count) = stream.read(&mut bytes).await
                    && count > 0
                    && let Some(read) = bytes.get(..count)
                    && stream.write_all(read).await.is_ok()
                {}
            });
        }
    })
}

//! HTTP/1.1 on many connections and one thread.
//!
//! A connection has one request under way at most. What comes back is handed to the [`Driver`], which sends the next
//! one, on this connection or another, at once or after a while.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::{Outcome, now};

/// What came back.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

/// What decides about the next request.
pub(crate) trait Driver {
    /// An answer came.
    fn answered(&mut self, net: &mut Net, connection: usize, answer: &Answer<'_>);

    /// The moment of [`Net::wake_at`] has come.
    fn woken(&mut self, _net: &mut Net, _what: usize) {}

    /// The connection is gone.
    fn broken(&mut self, net: &mut Net, connection: usize, why: &str);

    /// Whether the loop may end.
    fn is_done(&self) -> bool;
}

/// The sockets and the moments that are waited for.
pub(crate) struct Net {
    poll: Poll,
    connections: Vec<Connection>,
    moments: BinaryHeap<Reverse<(Instant, usize)>>,
    failed: Vec<(usize, String)>,
}

struct Connection {
    stream: Option<TcpStream>,
    output: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    filled: usize,
}

const BUFFER: usize = 4096;
/// A server that says nothing for so long has lost a request.
const STALLED: Duration = Duration::from_secs(30);
/// As long as the loop sleeps when something is due sooner than the system's timer can tell.
const NAP: Duration = Duration::from_micros(50);
const HEAD_MAX: usize = 16 << 10;

impl Net {
    /// Opens so many connections.
    pub(crate) fn open(address: SocketAddr, count: usize) -> Outcome<Self> {
        let poll = Poll::new().map_err(|error| format!("no event queue: {error}"))?;
        let connections = (0..count)
            .map(|_| Connection {
                stream: None,
                output: Vec::with_capacity(1024),
                written: 0,
                input: vec![0; BUFFER],
                filled: 0,
            })
            .collect();
        let mut net = Self { poll, connections, moments: BinaryHeap::new(), failed: Vec::new() };
        net.reopen(address)?;
        Ok(net)
    }

    /// Opens all connections anew; what was under way is forgotten.
    pub(crate) fn reopen(&mut self, address: SocketAddr) -> Outcome {
        self.moments.clear();
        self.failed.clear();
        for (index, connection) in self.connections.iter_mut().enumerate() {
            let stream = std::net::TcpStream::connect(address)
                .and_then(|stream| {
                    stream.set_nodelay(true)?;
                    stream.set_nonblocking(true)?;
                    Ok(stream)
                })
                .map_err(|error| format!("cannot connect to {address}: {error}"))?;
            let mut stream = TcpStream::from_std(stream);
            self.poll
                .registry()
                .register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)
                .map_err(|error| format!("cannot watch a connection: {error}"))?;
            connection.stream = Some(stream);
            connection.output.clear();
            connection.written = 0;
            connection.filled = 0;
        }
        Ok(())
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether the connection is there still.
    pub(crate) fn is_open(&self, connection: usize) -> bool {
        self.connections.get(connection).is_some_and(|connection| connection.stream.is_some())
    }

    /// Sends the request that `render` appends.
    pub(crate) fn send(&mut self, connection: usize, render: impl FnOnce(&mut Vec<u8>)) {
        let Some(it) = self.connections.get_mut(connection) else { return };
        it.output.clear();
        it.written = 0;
        render(&mut it.output);
        self.flush(connection);
    }

    /// Calls the driver with `what` at this moment.
    pub(crate) fn wake_at(&mut self, moment: Instant, what: usize) {
        self.moments.push(Reverse((moment, what)));
    }

    fn flush(&mut self, connection: usize) {
        let Some(it) = self.connections.get_mut(connection) else { return };
        while it.written < it.output.len() {
            let Some(stream) = &mut it.stream else { return };
            match stream.write(it.output.get(it.written..).unwrap_or_default()) {
                Ok(count) => it.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.fail(connection, error.to_string()),
            }
        }
    }

    fn fail(&mut self, connection: usize, why: String) {
        if let Some(it) = self.connections.get_mut(connection)
            && it.stream.take().is_some()
        {
            self.failed.push((connection, why));
        }
    }

    /// Serves the connections until the driver has enough.
    pub(crate) fn run<D: Driver>(&mut self, driver: &mut D) -> Outcome {
        let mut events = Events::with_capacity(1024);
        let mut last = now();
        while !driver.is_done() {
            self.wait(&mut events)?;
            if events.is_empty() {
                if last.elapsed() > STALLED {
                    return Err(format!("the server has not answered for {} s", STALLED.as_secs()));
                }
            } else {
                last = now();
            }
            for event in &events {
                let Token(connection) = event.token();
                if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.read(connection, driver);
                }
                if event.is_writable() {
                    self.flush(connection);
                }
            }
            let moment = now();
            while let Some(Reverse((due, what))) = self.moments.peek().copied()
                && due <= moment
            {
                self.moments.pop();
                driver.woken(self, what);
            }
            while let Some((connection, why)) = self.failed.pop() {
                driver.broken(self, connection, &why);
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> Outcome {
        let left = self.moments.peek().map(|Reverse((due, _))| due.saturating_duration_since(now()));
        // The system counts whole milliseconds, upwards.
        let whole = left.map_or(Duration::from_millis(100), |left| Duration::from_millis(left.as_millis() as u64));
        let pending = !self.failed.is_empty();
        match self.poll.poll(events, Some(if pending { Duration::ZERO } else { whole })) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot wait for answers: {error}")),
        }
        if let Some(left) = left
            && whole.is_zero()
            && !left.is_zero()
            && !pending
            && events.is_empty()
        {
            std::thread::sleep(left.min(NAP));
        }
        Ok(())
    }

    fn read<D: Driver>(&mut self, connection: usize, driver: &mut D) {
        let Some(it) = self.connections.get_mut(connection) else { return };
        let Some(mut stream) = it.stream.take() else { return };
        let mut input = std::mem::take(&mut it.input);
        let mut filled = it.filled;
        let mut end = None;
        loop {
            if filled == input.len() {
                input.resize(input.len() * 2, 0);
            }
            let room = input.get_mut(filled..).unwrap_or_default();
            let space = room.len();
            match stream.read(room) {
                Ok(0) => end = Some("closed by the server".to_owned()),
                Ok(count) => {
                    filled += count;
                    // A short read emptied the socket; whatever comes later is told again.
                    if count == space {
                        continue;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => end = Some(error.to_string()),
            }
            break;
        }
        it.stream = Some(stream);
        let mut start = 0;
        while let Some(bytes) = input.get(start..filled)
            && !bytes.is_empty()
        {
            match split(bytes) {
                Split::Whole { status, head, total } => {
                    let answer = Answer { status, body: bytes.get(head..total).unwrap_or_default() };
                    driver.answered(self, connection, &answer);
                    start += total;
                }
                Split::Incomplete => break,
                Split::Bad(why) => {
                    end = Some(why.to_owned());
                    break;
                }
            }
        }
        input.copy_within(start..filled, 0);
        if let Some(it) = self.connections.get_mut(connection) {
            it.input = input;
            it.filled = filled - start;
        }
        if let Some(why) = end {
            self.fail(connection, why);
        }
    }
}

enum Split {
    Whole { status: u16, head: usize, total: usize },
    Incomplete,
    Bad(&'static str),
}

/// Cuts the first answer off: its status, where its body begins and ends.
fn split(bytes: &[u8]) -> Split {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return if bytes.len() > HEAD_MAX { Split::Bad("an endless head") } else { Split::Incomplete };
    };
    let head = bytes.get(..end).unwrap_or_default();
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(number);
    let Some(status) = status else { return Split::Bad("no HTTP/1.1") };
    let mut length = None;
    for line in head.split(|&byte| byte == b'\n').skip(1) {
        let name = line.get(..15).unwrap_or_default();
        if name.eq_ignore_ascii_case(b"content-length:") {
            length = number(line.get(15..).unwrap_or_default().trim_ascii());
        }
    }
    // Phones need the length (CSP 15.1), so an answer without one is wrong.
    let Some(length) = length else { return Split::Bad("an answer without Content-Length") };
    let total = end + 4 + length;
    if bytes.len() < total {
        return Split::Incomplete;
    }
    Split::Whole { status: u16::try_from(status).unwrap_or(0), head: end + 4, total }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_cut_where_they_end() {
        let bytes = b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 404";
        let Split::Whole { status: 200, head, total } = split(bytes) else { unreachable!("a whole answer") };
        assert_eq!(&bytes[head..total], b"abc");
        assert!(matches!(split(&bytes[..head + 2]), Split::Incomplete));
        assert!(matches!(split(&bytes[..20]), Split::Incomplete));
        assert!(matches!(split(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), Split::Bad(_)));
        assert!(matches!(split(b"nonsense\r\n\r\n"), Split::Bad(_)));
    }
}

//! WebSocket on many connections and one thread: frames out, frames in, several at a time.
//!
//! What is sent while the events of one round are dealt with goes out together at its end. Frames are masked with
//! zeros, which is a mask like any other and costs the generator nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::{Outcome, now};

/// What decides about the next frames.
pub(crate) trait Driver {
    /// A message came.
    fn came(&mut self, sockets: &mut Sockets, connection: usize, message: &[u8]);

    /// The moment of [`Sockets::wake_at`] has come.
    fn woken(&mut self, sockets: &mut Sockets, what: usize);

    /// The connection is gone.
    fn broken(&mut self, connection: usize, why: &str);

    /// Whether the loop may end.
    fn is_done(&self) -> bool;
}

/// The connections and the moments that are waited for.
pub(crate) struct Sockets {
    poll: Poll,
    connections: Vec<Connection>,
    moments: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Connections with something to be written.
    dirty: Vec<usize>,
    failed: Vec<(usize, String)>,
    is_text: bool,
}

struct Connection {
    stream: Option<TcpStream>,
    output: Vec<u8>,
    written: usize,
    is_dirty: bool,
    input: Vec<u8>,
    filled: usize,
}

const BUFFER: usize = 32 << 10;
const STALLED: Duration = Duration::from_secs(30);
const NAP: Duration = Duration::from_micros(50);

impl Sockets {
    /// Opens so many connections for this subprotocol.
    pub(crate) fn open(address: SocketAddr, count: usize, subprotocol: &str, is_text: bool) -> Outcome<Self> {
        Self::open_at(&[address], count, subprotocol, is_text)
    }

    /// The same, to these in turn.
    pub(crate) fn open_at(addresses: &[SocketAddr], count: usize, subprotocol: &str, is_text: bool) -> Outcome<Self> {
        let poll = Poll::new().map_err(|error| format!("no event queue: {error}"))?;
        let mut connections = Vec::with_capacity(count);
        for (index, address) in addresses.iter().cycle().take(count).enumerate() {
            let stream = handshake(*address, subprotocol)?;
            let mut stream = TcpStream::from_std(stream);
            poll.registry()
                .register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)
                .map_err(|error| format!("cannot watch a connection: {error}"))?;
            connections.push(Connection {
                stream: Some(stream),
                output: Vec::with_capacity(BUFFER),
                written: 0,
                is_dirty: false,
                input: vec![0; BUFFER],
                filled: 0,
            });
        }
        let (moments, dirty, failed) = (BinaryHeap::new(), Vec::new(), Vec::new());
        Ok(Self { poll, connections, moments, dirty, failed, is_text })
    }

    /// Sends the message that `render` appends, with the other frames of this round.
    pub(crate) fn send(&mut self, connection: usize, render: impl FnOnce(&mut Vec<u8>)) {
        const HEAD: usize = 8;
        let Some(it) = self.connections.get_mut(connection) else { return };
        let start = it.output.len();
        // Two octets, two of length, four of mask: every message here fits between the short and the long form.
        it.output.extend_from_slice(&[if self.is_text { 0x81 } else { 0x82 }, 0x80 | 126, 0, 0, 0, 0, 0, 0]);
        render(&mut it.output);
        let length = it.output.len() - start - HEAD;
        let octets = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        if length < 126 {
            // The short form has two octets less.
            it.output.drain(start + 2..start + 4);
            if let Some(octet) = it.output.get_mut(start + 1) {
                *octet = 0x80 | length as u8;
            }
        } else if let Some(place) = it.output.get_mut(start + 2..start + 4) {
            place.copy_from_slice(&octets);
        }
        if !it.is_dirty {
            it.is_dirty = true;
            self.dirty.push(connection);
        }
    }

    /// Calls the driver with `what` at this moment.
    pub(crate) fn wake_at(&mut self, moment: Instant, what: usize) {
        self.moments.push(Reverse((moment, what)));
    }

    fn flush(&mut self, connection: usize) {
        let Some(it) = self.connections.get_mut(connection) else { return };
        it.is_dirty = false;
        while it.written < it.output.len() {
            let Some(stream) = &mut it.stream else { return };
            match stream.write(it.output.get(it.written..).unwrap_or_default()) {
                Ok(count) => it.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    it.stream = None;
                    return self.failed.push((connection, error.to_string()));
                }
            }
        }
        it.output.clear();
        it.written = 0;
    }

    /// Serves the connections until the driver has enough.
    pub(crate) fn run<D: Driver>(&mut self, driver: &mut D) -> Outcome {
        let mut events = Events::with_capacity(1024);
        let mut last = now();
        while !driver.is_done() {
            for connection in std::mem::take(&mut self.dirty) {
                self.flush(connection);
            }
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
                driver.broken(connection, &why);
            }
        }
        Ok(())
    }

    fn wait(&mut self, events: &mut Events) -> Outcome {
        let left = self.moments.peek().map(|Reverse((due, _))| due.saturating_duration_since(now()));
        let whole = left.map_or(Duration::from_millis(100), |left| Duration::from_millis(left.as_millis() as u64));
        match self.poll.poll(events, Some(whole)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("cannot wait for messages: {error}")),
        }
        if let Some(left) = left
            && whole.is_zero()
            && !left.is_zero()
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
        while let Some(bytes) = input.get(start..filled) {
            let Some((opcode, head, length)) = frame(bytes) else { break };
            let Some(payload) = bytes.get(head..head + length) else { break };
            match opcode {
                1 | 2 => driver.came(self, connection, payload),
                8 => end = Some(format!("closed: {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default()))),
                // Pings are not answered: no measurement takes that long.
                _ => {}
            }
            start += head + length;
        }
        input.copy_within(start..filled, 0);
        if let Some(it) = self.connections.get_mut(connection) {
            it.input = input;
            it.filled = filled - start;
            if let Some(why) = end {
                it.stream = None;
                self.failed.push((connection, why));
            }
        }
    }
}

/// Opcode, length of the head and of what follows, of a frame of the server.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let &[first, second, ..] = bytes else { return None };
    let (head, length) = match second & 0x7f {
        126 => (4, u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    Some((first & 0x0f, head, usize::try_from(length).ok()?))
}

/// Connects, and agrees on WebSocket.
fn handshake(address: SocketAddr, subprotocol: &str) -> Outcome<std::net::TcpStream> {
    let failed = |error: io::Error| format!("cannot connect to {address}: {error}");
    let mut stream = std::net::TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).map_err(failed)?;
        head.push(byte[0]);
    }
    if !head.starts_with(b"HTTP/1.1 101 ") {
        return Err(format!("no WebSocket: {}", String::from_utf8_lossy(&head)));
    }
    stream.set_nonblocking(true).map_err(failed)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_where_they_end() {
        assert_eq!(frame(&[0x82, 3, 1, 2, 3]), Some((2, 2, 3)));
        assert_eq!(frame(&[0x81, 126, 1, 0]), Some((1, 4, 256)));
        assert_eq!(frame(&[0x81, 126, 1]), None);
        assert_eq!(frame(&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]), Some((2, 10, 65_536)));
        assert_eq!(frame(&[0x82]), None);
    }
}

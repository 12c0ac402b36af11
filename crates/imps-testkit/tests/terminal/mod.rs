//! A person at a terminal, for tests of the Command Line Protocol.

#![allow(dead_code, reason = "each test takes of this what it needs")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use imps_testkit::secure::{self, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long an answer may take that is on its way.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// What telnet's sequences begin with.
pub(crate) const IAC: u8 = 255;

/// A person at a terminal.
pub(crate) struct Terminal {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) bytes: Vec<u8>,
}

impl Terminal {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::connect_by(address, false).await
    }

    pub(crate) async fn connect_by(address: SocketAddr, is_secure: bool) -> Self {
        let stream = secure::connect(address, is_secure).await.expect("a line");
        Self { stream, bytes: Vec::new() }
    }

    /// A line at the beginning of what was read, without telnet's own sequences.
    pub(crate) fn take_line(&mut self) -> Option<String> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')?;
        let line: Vec<u8> = self.bytes.drain(..=end).collect();
        assert!(line.ends_with(b"\r\n"), "a line ends in CR LF: {line:?}");
        let mut text = Vec::new();
        let mut rest = line.iter().copied();
        while let Some(byte) = rest.next() {
            match byte {
                IAC => drop((rest.next(), rest.next())),
                other => text.push(other),
            }
        }
        Some(String::from_utf8(text).expect("UTF-8").trim_end_matches("\r\n").to_owned())
    }

    /// The next line; none when the line is closed, or nothing comes for so long.
    pub(crate) async fn line_within(&mut self, patience: Duration) -> Option<String> {
        loop {
            if let Some(line) = self.take_line() {
                return Some(line);
            }
            let mut buffer = [0; 4096];
            match tokio::time::timeout(patience, self.stream.read(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => self.bytes.extend_from_slice(buffer.get(..count).expect("what was read")),
                _ => return None,
            }
        }
    }

    pub(crate) async fn line(&mut self) -> String {
        self.line_within(PATIENCE).await.expect("a line within the time")
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.expect("a line that is taken");
    }

    /// Says something; the lines up to the end of the answer, events among them.
    pub(crate) async fn ask(&mut self, line: &str) -> Vec<String> {
        self.say(line).await;
        let mut lines = Vec::new();
        loop {
            lines.push(self.line().await);
            if lines.last().is_some_and(|line| ends(line)) {
                return lines;
            }
        }
    }

    /// The last line of an answer.
    pub(crate) async fn outcome(&mut self, line: &str) -> String {
        self.ask(line).await.pop().unwrap_or_default()
    }

    /// Whatever comes until a line begins so, that line included.
    pub(crate) async fn until(&mut self, beginning: &str) -> String {
        loop {
            let line = self.line().await;
            if line.starts_with(beginning) {
                return line;
            }
        }
    }

    pub(crate) async fn is_closed(&mut self) -> bool {
        self.line_within(PATIENCE).await.is_none() && self.stream.read(&mut [0; 1]).await.is_ok_and(|count| count == 0)
    }
}

/// Whether a line is the last of an answer.
pub(crate) fn ends(line: &str) -> bool {
    let bare = match line.split_once(' ') {
        Some((tag, rest)) if tag.starts_with('=') => rest,
        _ => line,
    };
    bare.starts_with(['+', '-']) || bare == ":password"
}

pub(crate) fn free_port() -> SocketAddr {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    taken.local_addr().expect("its address")
}

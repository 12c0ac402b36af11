//! Idle sessions with a CIR connection each: what they cost in memory, and that they are called.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::net::Net;
use super::scan::Scanner;
use super::server::Hamlet;
use super::template::Requests;
use super::{Outcome, login, now};

/// What was measured.
pub(crate) struct Called {
    pub(crate) sessions: usize,
    pub(crate) before: u64,
    pub(crate) after: u64,
    /// From connecting to OK, for all of them.
    pub(crate) helloes: Duration,
}

/// Connections for logging in; they are closed before memory is looked at.
const CONNECTIONS: usize = 32;

/// What this process has open beside the connections.
const OTHER_FILES: u64 = 200;

/// As many connections as this process may have, of those that are wanted.
pub(crate) fn most(wanted: usize) -> usize {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // With the old limit there are fewer.
    let _ = setrlimit(Resource::Nofile, limit);
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(OTHER_FILES);
    wanted.min(usize::try_from(allowed).unwrap_or(usize::MAX))
}

/// Logs all users in, connects each by TCP, and looks at the server's memory before and after.
pub(crate) fn measure(server: &Hamlet, requests: &Requests, scanner: &Scanner, users: &[String]) -> Outcome<Called> {
    std::thread::sleep(Duration::from_millis(500));
    let before = server.memory()?;
    let mut net = Net::open(server.address, CONNECTIONS)?;
    let sessions = login::log_in(&mut net, requests, scanner, users)?;
    drop(net);
    let began = now();
    let mut lines = Vec::with_capacity(sessions.len());
    for session in &sessions {
        let failed = |error: std::io::Error| format!("a CIR connection: {error}");
        let mut line = TcpStream::connect(server.cir).map_err(failed)?;
        line.set_read_timeout(Some(Duration::from_secs(10))).map_err(failed)?;
        line.write_all(&[b"HELO ", session.as_slice(), b"\r\n"].concat()).map_err(failed)?;
        let mut ok = [0; 4];
        line.read_exact(&mut ok).map_err(failed)?;
        if ok != *b"OK\r\n" {
            return Err(format!("HELO was answered with {:?}", String::from_utf8_lossy(&ok)));
        }
        lines.push(line);
    }
    let helloes = began.elapsed();
    // The pauses after OK go by, and the allocator gives pages back with some delay.
    std::thread::sleep(Duration::from_secs(4));
    let counted = server.metrics().get("hamlet_cir_tcp_sessions");
    if counted != lines.len() as f64 {
        return Err(format!("the server has {counted} CIR connections and should have {}", lines.len()));
    }
    Ok(Called { sessions: sessions.len(), before, after: server.memory()?, helloes })
}

//! Sessions that hold no connection: what each costs in memory.

use std::time::Duration;

use super::net::Net;
use super::scan::Scanner;
use super::server::Hamlet;
use super::template::Requests;
use super::{Outcome, login};

/// What was measured.
pub(crate) struct Idle {
    pub(crate) sessions: usize,
    pub(crate) before: u64,
    pub(crate) after: u64,
}

/// Connections at the same time; they are closed before memory is looked at.
const CONNECTIONS: usize = 32;

/// Logs all users in, lets go of the connections, and looks at the server's memory before and after.
pub(crate) fn measure(server: &Hamlet, requests: &Requests, scanner: &Scanner, users: &[String]) -> Outcome<Idle> {
    std::thread::sleep(Duration::from_millis(500));
    let before = server.memory()?;
    let mut net = Net::open(server.address, CONNECTIONS)?;
    let sessions = login::log_in(&mut net, requests, scanner, users)?;
    drop(net);
    // The sweep comes every second, and the allocator gives pages back with some delay.
    std::thread::sleep(Duration::from_secs(3));
    let counted = server.metrics().get("hamlet_sessions");
    if counted != sessions.len() as f64 {
        return Err(format!("the server has {counted} sessions and should have {}", sessions.len()));
    }
    Ok(Idle { sessions: sessions.len(), before, after: server.memory()? })
}

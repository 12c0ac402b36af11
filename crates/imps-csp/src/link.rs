//! What only CSP needs to know of a client: the server's open transactions, their IDs, and its own last requests.

use std::sync::Arc;
use std::time::Duration;

use imps_proto::csp::catalogue::Response;
use imps_service::event::Event;
use imps_service::seam::Link;
use imps_service::{Session, Timestamp};
use imps_types::SessionId;
use parking_lot::Mutex;

/// Requests that a client's memory reaches back to.
const RECENT: usize = 4;

/// A transaction of the server that the client has not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub(crate) transaction: u32,
    pub(crate) event: Event,
    offered: Timestamp,
    times: u32,
}

/// A request that changed something, and its answer: for the gateway that sends it again (CSP 15.1).
struct Recent {
    transaction: Box<str>,
    content: u64,
    answer: Response,
    at: Timestamp,
}

#[derive(Default)]
struct State {
    last: u32,
    open: Vec<Open>,
    recent: Vec<Recent>,
}

/// The face's side of a session.
#[derive(Default)]
pub(crate) struct ClientLink(Mutex<State>);

impl Link for ClientLink {
    // Whoever polls finds it; ways to call a client come with the CIR channels.
    fn wake(&self, _session: &SessionId) {}
}

impl ClientLink {
    /// The link of a session, made at its first request, after a restart too.
    pub(crate) fn of(session: &Session) -> Option<&Self> {
        let link = session.link(|| Arc::new(Self::begin()));
        let link: &dyn std::any::Any = link.as_ref();
        link.downcast_ref()
    }

    fn begin() -> Self {
        // Nokia drops a transaction whose ID is among the last it has seen, so a restarted server must not count from one.
        let mut random = [0; 4];
        let _ = getrandom::fill(&mut random);
        Self(Mutex::new(State { last: u32::from_be_bytes(random) & 0x00ff_ffff, ..State::default() }))
    }

    /// An open transaction that was offered so long ago that it is time again, under a new ID. Those that are given up
    /// are dropped.
    pub(crate) fn overdue(&self, now: Timestamp, after: Duration, most: u32) -> Option<Open> {
        let mut state = self.0.lock();
        let is_due = |open: &Open| now.since(open.offered) >= after;
        state.open.retain(|open| {
            let ended = match &open.event {
                Event::NewMessage(message) => message.expires <= now,
                _ => open.times > most,
            };
            !(is_due(open) && ended)
        });
        let index = state.open.iter().position(is_due)?;
        let mut open = state.open.remove(index);
        state.last = state.last.wrapping_add(1);
        open.transaction = state.last;
        open.offered = now;
        open.times += 1;
        state.open.push(open.clone());
        Some(open)
    }

    /// Whether another transaction may be opened.
    pub(crate) fn may_open(&self, most: u32) -> bool {
        (self.0.lock().open.len() as u64) < u64::from(most)
    }

    /// Opens a transaction.
    pub(crate) fn open(&self, event: Event, now: Timestamp) -> Open {
        let mut state = self.0.lock();
        state.last = state.last.wrapping_add(1);
        let open = Open { transaction: state.last, event, offered: now, times: 1 };
        // A Disconnect is not answered.
        if !matches!(open.event, Event::Disconnect(_)) {
            state.open.push(open.clone());
        }
        open
    }

    /// The open transaction with this ID.
    pub(crate) fn find(&self, transaction: &str) -> Option<Open> {
        let transaction = parse_transaction(transaction)?;
        self.0.lock().open.iter().find(|open| open.transaction == transaction).cloned()
    }

    /// The one that waits longest: what a stray Status answers (CSP 17, Colibria).
    pub(crate) fn oldest(&self) -> Option<Open> {
        self.0.lock().open.iter().min_by_key(|open| open.offered).cloned()
    }

    /// The open NewMessage of this message.
    pub(crate) fn find_message(&self, id: &str) -> Option<Open> {
        let is_it =
            |open: &&Open| matches!(&open.event, Event::NewMessage(m) if m.info.message_id.as_deref() == Some(id));
        self.0.lock().open.iter().find(is_it).cloned()
    }

    /// The client has answered.
    pub(crate) fn close(&self, transaction: u32) {
        let mut state = self.0.lock();
        state.open.retain(|open| open.transaction != transaction);
        if state.open.is_empty() {
            state.open = Vec::new();
        }
    }

    /// What this request was answered when it came before.
    pub(crate) fn repeated(
        &self,
        transaction: &str,
        content: u64,
        now: Timestamp,
        window: Duration,
    ) -> Option<Response> {
        let mut state = self.0.lock();
        state.recent.retain(|recent| now.since(recent.at) <= window);
        let is_it = |recent: &&Recent| recent.content == content && *recent.transaction == *transaction;
        state.recent.iter().find(is_it).map(|recent| recent.answer.clone())
    }

    /// Remembers an answer.
    pub(crate) fn answered(&self, transaction: &str, content: u64, answer: &Response, now: Timestamp) {
        let mut state = self.0.lock();
        if state.recent.len() >= RECENT {
            state.recent.remove(0);
        }
        state.recent.push(Recent { transaction: transaction.into(), content, answer: answer.clone(), at: now });
    }
}

/// A TransactionID of the server as it is written: not to be confused with those of the client.
pub(crate) fn transaction_text(transaction: u32) -> String {
    format!("s{transaction}")
}

fn parse_transaction(text: &str) -> Option<u32> {
    text.strip_prefix('s')?.parse().ok()
}

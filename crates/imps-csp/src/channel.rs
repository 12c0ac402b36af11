//! The channels of a client: which carried its messages last, how it was called last, and what came of it (CSP 15).
//!
//! What an operator is shown of a session that "gets nothing" is here.

use std::sync::Arc;
use std::time::Duration;

use imps_proto::wire::Form;
use imps_service::{Session, Timestamp};

use crate::link::ClientLink;

/// What carries messages of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Channel {
    /// HTTP: the client asks, and polls for what the server has.
    #[default]
    Http,
    /// The same inside TLS.
    Https,
    /// WebSocket: the server sends what it has at once.
    WebSocket,
    /// The same inside TLS.
    SecureWebSocket,
}

impl Channel {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::WebSocket => "websocket",
            Self::SecureWebSocket => "websocket over tls",
        }
    }

    /// Whether what waits for the client goes out without being asked for.
    pub(crate) fn is_pushed(self) -> bool {
        matches!(self, Self::WebSocket | Self::SecureWebSocket)
    }
}

/// A way to call a client that something waits (CSP 15.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallMethod {
    /// STCP: a line on the connection that the client keeps.
    Tcp,
    /// SUDP: a datagram.
    Udp,
    /// SHTTP: the answer to a request that waits.
    Http,
}

impl CallMethod {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Http => "http",
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It was sent, and no poll has followed yet.
    Sent,
    /// A poll followed, after so long.
    Answered(Duration),
    /// No poll followed in time.
    Unanswered,
    /// It could not be sent.
    Failed(&'static str),
}

impl std::fmt::Display for CallResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sent => f.write_str("sent, no poll yet"),
            Self::Answered(after) => write!(f, "polled after {:.1} s", after.as_secs_f64()),
            Self::Unanswered => f.write_str("sent, and no poll followed"),
            Self::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// A message of the client, and what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DataUse {
    pub(crate) channel: Channel,
    pub(crate) form: Form,
    pub(crate) at: Timestamp,
    /// Bytes of the answer; none: the answer is not made yet.
    pub(crate) answer: Option<u32>,
}

/// A call, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallUse {
    /// How.
    pub method: CallMethod,
    /// When.
    pub at: Timestamp,
    /// What came of it.
    pub result: CallResult,
}

/// What is known of the channels of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// The data channel that was used last, the encoding, when, and what the client got: in words.
    pub data: Option<(&'static str, String, Timestamp, String)>,
    /// The last call.
    pub call: Option<CallUse>,
    /// What is connected or waits right now.
    pub open: Vec<&'static str>,
    /// Whether the client was told that something waits, by a call or a Poll flag, and has not polled since.
    pub is_told: bool,
}

/// What is known of the channels of this session; nothing of a client that was not heard of by this process.
pub fn channels(session: &Session) -> Channels {
    ClientLink::known(session).map(ClientLink::channels).unwrap_or_default()
}

/// What came of a wish to call a client at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poked {
    /// It was called so.
    Called(CallMethod),
    /// It is connected by WebSocket: what waits goes out at once anyway.
    Connected,
    /// The last way that was tried failed for this reason.
    Failed(&'static str),
    /// There is no way to call it: it has to poll.
    NoWay,
}

/// Calls a client now, whether something waits for it or not.
pub fn poke(session: &Arc<Session>) -> Poked {
    ClientLink::known(session).map_or(Poked::NoWay, |link| link.poke(session))
}

//! Closes: their codes and words.

use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// Why the server closes a connection: what its client is told. Codes from 4000 on are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    ServerStops,
    NoLogin,
    SessionsEnded,
    NoSignOfLife,
    TooManySessions,
    TooLarge,
    TooMuch,
    NotProtocol,
    NotText,
    NotCsp,
    ServerFailed,
}

/// Code and words of each.
pub(super) const CLOSES: &[(Why, u16, &str)] = &[
    (Why::ServerStops, 1001, "the server stops"),
    (Why::NotProtocol, 1002, "this is not how WebSocket is spoken"),
    (Why::NotCsp, 1003, "this is no CSP message"),
    (Why::NotText, 1007, "a text frame must be UTF-8"),
    (Why::TooManySessions, 1008, "too many sessions on one connection"),
    (Why::TooLarge, 1009, "the message is too large"),
    (Why::ServerFailed, 1011, "the server failed"),
    (Why::TooMuch, 1013, "too much at once, try again later"),
    (Why::NoLogin, 4000, "no session was opened in time"),
    (Why::SessionsEnded, 4001, "the session has ended"),
    (Why::NoSignOfLife, 4002, "no answer to a ping"),
];

impl Why {
    pub(super) fn frame(self) -> CloseFrame {
        let row = CLOSES.iter().find(|row| row.0 == self);
        let (code, reason) = row.map_or((1011, ""), |row| (row.1, row.2));
        CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::from_static(reason) }
    }

    /// Whether the client is to blame.
    pub(super) fn is_refusal(self) -> bool {
        !matches!(self, Self::ServerStops | Self::SessionsEnded | Self::ServerFailed)
    }
}

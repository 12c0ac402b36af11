//! A client's way out: what a face gives the session so that the client can be told that something waits.

use imps_types::id::SessionId;

/// One client's way out. Called when its outbox is no longer empty: a poll that waits is answered, or a CIR is sent
/// (CSP 6), or the next response carries the Poll flag.
///
/// Called under no lock, and must not block.
pub trait Link: std::any::Any + Send + Sync {
    /// The outbox of this session has something in it.
    fn wake(&self, session: &SessionId);

    /// The session is over: whatever the face keeps open for it may go.
    fn close(&self, session: &SessionId);
}

//! The way to the client of a session that is a line: whoever serves the line is woken.

use imps_service::seam::Link;
use imps_types::SessionId;
use tokio::sync::Notify;

/// What a session knows of its line.
#[derive(Default)]
pub(crate) struct LineLink(Notify);

impl LineLink {
    /// Waits until something came to wait, or the session has ended.
    pub(crate) async fn woken(&self) {
        self.0.notified().await;
    }

    /// Wakes whoever serves the line.
    pub(crate) fn poke(&self) {
        self.0.notify_one();
    }
}

impl Link for LineLink {
    fn wake(&self, _: &SessionId) {
        self.poke();
    }

    fn close(&self, _: &SessionId) {
        self.poke();
    }
}

//! SHTTP: a client asks for its CIR URL, and is answered when something waits (CSP 15.4).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Cir;
use super::dialogue::invitation;
use crate::channel::CallMethod;

/// A request that waits.
pub(crate) struct Waiting(oneshot::Sender<String>);

impl Waiting {
    pub(crate) fn new() -> (Self, oneshot::Receiver<String>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers it.
    pub(crate) fn answer(self, invitation: String) -> Result<(), &'static str> {
        self.0.send(invitation).map_err(|_| "the request has been given up")
    }
}

/// What a request for a CIR URL is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    /// Something waits: 200 with the invitation.
    Pending(String),
    /// Nothing came: 204.
    Nothing,
    /// The URL names no open session: 404.
    NoSession,
}

/// Counts a request that waits.
struct Counted<'a>(&'a Cir);

impl<'a> Counted<'a> {
    fn new(cir: &'a Cir) -> Self {
        cir.metrics.cir_http_waiting.up();
        Self(cir)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.metrics.cir_http_waiting.down();
    }
}

impl Cir {
    /// Answers a request for the CIR URL with this last part: at once when something waits, else when something comes, or
    /// after the time that such requests are held. A second request of a session takes the place of the first.
    pub(crate) async fn wait(self: &Arc<Self>, token: &str) -> Called {
        let id = self.services.upgrade().and_then(|services| services.access().session_of_cir_token(token));
        let Some(session) = id.and_then(|id| self.session(&id)) else {
            self.metrics.cir_http_refused.up();
            return Called::NoSession;
        };
        let Some(link) = self.link(&session) else { return Called::NoSession };
        let (waiting, called) = Waiting::new();
        // In its place before the look, so that what comes between is not missed.
        let replaced = link.calls().http.replace(waiting);
        drop(replaced);
        let is_overdue = |at| at <= self.clock.now();
        let waits = match self.services.upgrade() {
            Some(services) => {
                self.next_repeat(link).is_some_and(is_overdue) || services.im().has_pending(&session).await
            }
            None => false,
        };
        if waits {
            let mut calls = link.calls();
            calls.http = None;
            self.metrics.cir_called_http.up();
            calls.called(CallMethod::Http, self.clock.now());
            let at = self.clock.now().plus(self.config.repeat_after);
            self.look_at(&session, &mut calls, at);
            return Called::Pending(invitation(session.version, &session.cookie()));
        }
        let _counted = Counted::new(self);
        match tokio::time::timeout(self.config.http_hold.max(Duration::from_millis(1)), called).await {
            Ok(Ok(invitation)) => Called::Pending(invitation),
            Ok(Err(_)) | Err(_) => Called::Nothing,
        }
    }
}

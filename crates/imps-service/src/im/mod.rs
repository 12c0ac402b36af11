//! The IM service element: messages and delivery reports (CSP 12), and the queue in which they and all other notices wait.
//!
//! ```text
//!   send ──commit──> answered to the sender
//!           └──────> offered to the recipient's sessions ──MessageDelivered──> deleted
//!                         └─(or nobody is there: the row waits)──(validity)──> deleted
//! ```

mod abroad;
mod acknowledge;
mod addressees;
mod blocking;
mod charset;
mod content;
mod delivery;
mod expire;
mod fetch;
mod forward;
mod group;
mod handling;
mod notice;
mod offer;
mod provided;
mod queue;
mod repeat;
mod report;
mod said_there;
mod send;
mod sequence;
#[cfg(test)]
mod tests;

pub(crate) use abroad::AbroadLoads;
pub use abroad::{Abroad, AbroadWhat, Backlog, FromAbroad};
pub use blocking::{Blocking, Entities, Entity, Origin};
pub(crate) use delivery::parser_room;
pub use fetch::WaitingMessage;
pub use forward::Forward;
pub(crate) use group::{GroupBodies, delete_group_body};
pub use handling::Handling;
pub use notice::NewNotice;
pub use queue::WaitingKind;
pub(crate) use repeat::SentRing;
pub use repeat::{Once, Sent};
pub use send::OutgoingMessage;
pub(crate) use sequence::Sequence;

use std::sync::atomic::Ordering;

use crate::Services;
use crate::happening::Happening;

/// Access to the IM service element.
#[derive(Clone, Copy)]
pub struct Im<'a>(pub(crate) &'a Services);

impl std::ops::Deref for Im<'_> {
    type Target = Services;

    fn deref(&self) -> &Services {
        self.0
    }
}

impl Im<'_> {
    /// Hears what happened. A new session's outbox begins in the store, so the messages that wait are found by its first
    /// look. Where a user has several clients, each looks at once: else a message that came meanwhile would be missed by
    /// those who have not polled yet, as soon as one of them acknowledges it.
    pub(crate) async fn on(&self, what: &Happening) {
        if let Happening::SessionOpened { session, resumed } = what {
            // After a restart the last number is not known; that of the time is near enough.
            let last = if *resumed { Sequence::at(session.opened) } else { self.sequence.last() };
            session.opened_after.store(last, Ordering::Relaxed);
            let sessions = session.user.sessions();
            if sessions.len() > 1 {
                for session in &sessions {
                    self.fill(session).await;
                }
            }
            if !resumed {
                session.wake();
            }
        }
        if let Happening::SessionOpened { session, .. } | Happening::SessionClosed { session, .. } = what {
            // Which of the user's clients comes first may be another one now.
            self.choose_again(&session.user).await;
        }
    }
}

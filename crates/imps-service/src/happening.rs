//! What one service element lets the others know. A closed list: it can be read who hears of what.

use std::sync::Arc;

use imps_types::Status;

use crate::Services;
use crate::session::Session;
use crate::user::UserState;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A session was opened, or taken up again after a restart (`resumed`).
    SessionOpened {
        /// The session.
        session: Arc<Session>,
        /// It existed before the server was started.
        resumed: bool,
    },
    /// A session ended, with the reason that its client is told.
    SessionClosed {
        /// The session.
        session: Arc<Session>,
        /// Logout (200), expiry (600), forced (601).
        reason: Status,
    },
    /// A user's contact lists or attribute lists changed: who may see what must be looked at again.
    AuthorisationChanged {
        /// The publisher.
        user: Arc<UserState>,
    },
    /// Members of a contact list changed: automatic subscriptions follow.
    ListChanged {
        /// The owner.
        user: Arc<UserState>,
        /// The list.
        list: imps_types::ContactListId,
    },
    /// What a search finds of a user changed: his account, his alias or his public profile. Or he is gone.
    FindableChanged {
        /// The user.
        user: imps_types::UserId,
    },
}

impl Services {
    /// Tells every service element, in this order.
    pub async fn tell(&self, what: Happening) {
        // Before messages are offered: those of groups are for whoever has joined.
        self.group().on(&what).await;
        self.access().on(&what).await;
        self.presence().on(&what).await;
        self.im().on(&what).await;
        self.common().on(&what);
    }
}

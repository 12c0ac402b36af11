//! *PresenceNotification-Request*: a watcher is told of presence. CSP 10.

use crate::grammar::primitive;
use imps_types::presence::PresenceInfo;

primitive! {
    /// Presence of users: all that was subscribed and authorised at first, later what changed.
    PresenceNotificationRequest {
        /// One for each user.
        many presence: PresenceInfo = Presence,
    }
}

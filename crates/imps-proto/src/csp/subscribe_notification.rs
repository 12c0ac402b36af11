//! *SubscribeNotification-Request*: a client wants to hear of what happens to its user's things. CSP 4.10, 1.3.

use crate::grammar::primitive;
use imps_types::element::NotificationType;

primitive! {
    /// A client names the types of notification that it wants from now on, beside those it has.
    SubscribeNotificationRequest {
        /// The types.
        required types: Vec<NotificationType> = NotificationTypeList,
    }
}

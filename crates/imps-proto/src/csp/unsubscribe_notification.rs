//! *UnsubscribeNotification-Request*: a client has heard enough. CSP 4.10, 1.3.

use crate::grammar::primitive;
use imps_types::element::NotificationType;

primitive! {
    /// A client names the types of notification that it wants no longer.
    UnsubscribeNotificationRequest {
        /// The types.
        required types: Vec<NotificationType> = NotificationTypeList,
    }
}

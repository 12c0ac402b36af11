//! *PresenceAuth-Request*: the publisher is asked who may see his presence; in 1.3 by *Notification-Request* with type ANU.
//! CSP 9, 4.10.

use imps_proto::csp::PresenceAuthRequest;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_types::element::{Authorization, Notification, NotificationType};
use imps_types::presence::{AttributeSet, PresenceSubList};
use imps_types::{Address, UserId, Version};

use super::notification;

pub(super) fn write(watcher: &UserId, attributes: Option<AttributeSet>, writer: &mut dyn Writer) {
    let user_id = Address::from(watcher);
    if writer.version() < Version::V1_3 {
        let presence_sub_list = attributes.map(PresenceSubList::of_names);
        return PresenceAuthRequest { user_id, presence_sub_list }.write(writer);
    }
    let needed = Authorization {
        // Here the list is not left out.
        attributes: Some(PresenceSubList::of_names(attributes.unwrap_or(AttributeSet::ALL))),
        users: vec![user_id],
        ..Authorization::default()
    };
    notification::write(&Notification::of_authorization(NotificationType::AuthorizationOfUser, needed), writer);
}

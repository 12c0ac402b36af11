//! *Notification-Request*: something of the user's changed. CSP 4.10.

use imps_proto::csp::NotificationRequest;
use imps_proto::elements::UserList;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_types::element::{Authorization, Notification, Payload};

pub(super) fn write(notification: &Notification, writer: &mut dyn Writer) {
    primitive(notification).write(writer);
}

fn primitive(notification: &Notification) -> NotificationRequest {
    let bare = NotificationRequest {
        kind: notification.kind,
        block_list_in_use: None,
        grant_list_in_use: None,
        group_id: None,
        invite_id: None,
        online_handling: None,
        session_priority: None,
        user_list: None,
        user_id_pair: None,
        presence_sub_list: None,
        user_ids: Vec::new(),
        contact_lists: Vec::new(),
        default_list: None,
    };
    match &notification.payload {
        Payload::Nothing => bare,
        Payload::BlockListInUse(in_use) => NotificationRequest { block_list_in_use: Some(*in_use), ..bare },
        Payload::GrantListInUse(in_use) => NotificationRequest { grant_list_in_use: Some(*in_use), ..bare },
        Payload::Group(group) => NotificationRequest { group_id: Some(group.clone()), ..bare },
        Payload::Invite(invite) => NotificationRequest { invite_id: Some(invite.clone()), ..bare },
        Payload::OnlineHandling(handling) => NotificationRequest { online_handling: Some(*handling), ..bare },
        Payload::SessionPriority(priority) => NotificationRequest { session_priority: Some(*priority), ..bare },
        Payload::ContactLists(lists) => NotificationRequest { contact_lists: lists.clone(), ..bare },
        Payload::Users(users) => {
            let users = UserList { users: users.clone(), screen_names: Vec::new() };
            NotificationRequest { user_list: Some(users), ..bare }
        }
        Payload::Authorization(Authorization { attributes, users, contact_lists, default_list }) => {
            NotificationRequest {
                presence_sub_list: attributes.clone(),
                user_ids: users.clone(),
                contact_lists: contact_lists.clone(),
                default_list: *default_list,
                ..bare
            }
        }
    }
}

//! *Notification-Request*: what happened to something of the client's user. CSP 4.10, 1.3.

use crate::elements::{UserIdPair, UserList};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{NotificationType, OnlineHandling};
use imps_types::presence::PresenceSubList;

primitive! {
    /// A general notification; which of the other elements there are depends on its type.
    NotificationRequest {
        /// What happened.
        required kind: NotificationType = NotificationType,
        /// Whether the block list is used.
        optional block_list_in_use: bool = BlockListInUse,
        /// Whether the grant list is used.
        optional grant_list_in_use: bool = GrantListInUse,
        /// Which group.
        optional group_id: Address = GroupId,
        /// Which invitation.
        optional invite_id: Box<str> = InviteId,
        /// Which clients of the user get messages.
        optional online_handling: OnlineHandling = OnlineEtemHandling,
        /// Which priority.
        optional session_priority: u32 = SessionPriority,
        /// Who.
        optional user_list: UserList = UserList,
        /// Who was meant.
        optional user_id_pair: UserIdPair = UserIdPair,
        /// Which presence attributes.
        optional presence_sub_list: PresenceSubList = PresenceSubList,
        /// For whom.
        list user_ids: Address = UserIdList,
        /// For whom, or which.
        list contact_lists: Address = ContactListIdList,
        /// For everybody else.
        optional default_list: bool = DefaultList,
    }
}

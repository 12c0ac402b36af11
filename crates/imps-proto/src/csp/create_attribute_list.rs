//! *CreateAttributeList-Request*: who may see which presence attributes. CSP 9.

use crate::elements::{ContactLists, UserIds};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::presence::PresenceSubList;

primitive! {
    /// A user authorises attributes, replacing what the same targets had before.
    CreateAttributeListRequest {
        /// The attributes; an empty list authorises nothing.
        default presence_sub_list: PresenceSubList = PresenceSubList,
        /// Users to whom it is attached.
        via user_ids: Vec<Address> = UserIds,
        /// Contact lists to which it is attached.
        via contact_lists: Vec<Address> = ContactLists,
        /// Whether it becomes the default.
        default default_list: bool = DefaultList,
        /// Whether the user is told when somebody asks for more than the default, 1.3.
        optional default_notify: bool = DefaultNotify since V1_3,
        /// The same for the named users, 1.3.
        optional user_notify: bool = UserNotify since V1_3,
        /// The same for the named contact lists, 1.3.
        optional contact_list_notify: bool = ContactListNotify since V1_3,
    }
}

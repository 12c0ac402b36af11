//! *SubscribePresence-Request*: a user watches others. CSP 10.

use crate::elements::{ContactLists, Users};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::User;
use imps_types::presence::PresenceSubList;

primitive! {
    /// A user wants to be told of presence, now and whenever it changes.
    SubscribePresenceRequest {
        /// Of users.
        via users: Vec<User> = Users,
        /// Of those on contact lists.
        via contact_lists: Vec<Address> = ContactLists,
        /// Which attributes; absent or empty: all.
        optional presence_sub_list: PresenceSubList = PresenceSubList,
        /// Whether users that come to the lists later are watched too; since 1.2.
        optional auto_subscribe: bool = AutoSubscribe since V1_2,
    }
}

//! *GetPresence-Request* and *-Response*: presence once. CSP 10.

use crate::elements::{ContactLists, Users};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{ResultInfo, User};
use imps_types::presence::{PresenceInfo, PresenceSubList};

primitive! {
    /// A user asks for presence.
    GetPresenceRequest {
        /// Of users.
        via users: Vec<User> = Users,
        /// Of those on contact lists.
        via contact_lists: Vec<Address> = ContactLists,
        /// Which attributes; absent or empty: all.
        optional presence_sub_list: PresenceSubList = PresenceSubList,
    }
}

primitive! {
    /// The presence that he may see.
    GetPresenceResponse {
        /// How it went.
        required result: ResultInfo = Result,
        /// One for each user.
        many presence: PresenceInfo = Presence,
    }
}

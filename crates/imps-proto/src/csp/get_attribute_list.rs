//! *GetAttributeList-Request* and *-Response*: which attributes are authorised for whom. CSP 9.

use crate::elements::{ContactLists, Users};
use crate::grammar::{element, primitive};
use imps_types::Address;
use imps_types::element::{ResultInfo, User};
use imps_types::presence::{PresenceInfo, PresenceSubList};

primitive! {
    /// A user asks for his attribute lists.
    GetAttributeListRequest {
        /// Whether he wants the default.
        default default_list: bool = DefaultList,
        /// Contact lists.
        via contact_lists: Vec<Address> = ContactLists,
        /// Users.
        via users: Vec<User> = Users,
    }
}

element! {
    /// The default list (`DefaultAttributeList`).
    DefaultAttributeList {
        /// Whether the user is told when somebody asks for more, 1.3.
        optional notify: bool = DefaultNotify since V1_3,
        /// Its attributes; more than one list only in what others send.
        many lists: PresenceSubList = PresenceSubList,
    }
}

primitive! {
    /// The attribute lists.
    GetAttributeListResponse {
        /// How it went.
        required result: ResultInfo = Result,
        /// The default.
        optional default_attribute_list: DefaultAttributeList = DefaultAttributeList,
        /// Those of users and contact lists.
        many presence: PresenceInfo = Presence,
    }
}

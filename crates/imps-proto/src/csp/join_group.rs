//! *JoinGroup-Request* and *-Response*: a user joins a group. CSP 13.3.

use crate::elements::{JoinedOfResponse, JoinedUsers};
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{Property, ScreenName, WelcomeNote};

primitive! {
    /// A user joins a group, or changes his screen name in it.
    JoinGroupRequest {
        /// Which group.
        required group_id: Address = GroupId,
        /// How he wants to be called there.
        optional screen_name: ScreenName = ScreenName,
        /// Whether he wants to know who is there.
        default joined_request: bool = JoinedRequest,
        /// Whether he is told of changes.
        default subscribe_notification: bool = SubscribeNotification,
        /// His own properties in it; since 1.2.
        list own_properties: Property = OwnProperties since V1_2,
    }
}

primitive! {
    /// He has joined.
    JoinGroupResponse {
        /// Who is there, he himself among them.
        via joined: Option<JoinedUsers> = JoinedOfResponse,
        /// How he is called there, 1.3.
        optional screen_name: ScreenName = ScreenName since V1_3,
        /// What the group shows to those who join.
        optional welcome_note: WelcomeNote = WelcomeNote,
    }
}

//! *InviteUser-Request*: the server brings an invitation. CSP 7.2.

use crate::elements::Urls;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{InviteType, Recipient, ScreenName, Sender};
use imps_types::presence::PresenceSubList;

primitive! {
    /// A user is invited.
    InviteUserRequest {
        /// The inviting client's name for it.
        required invite_id: Box<str> = InviteId,
        /// To what.
        required invite_type: InviteType = InviteType,
        /// Who invites; by his screen name, if he used it.
        required sender: Sender = Sender,
        /// How the invited was named, 1.3.
        optional recipient: Recipient = Recipient since V1_3,
        /// Which application, 1.3.
        optional application_id: Box<str> = ApplicationId since V1_3,
        /// Which group.
        optional group_id: Address = GroupId,
        /// Which presence attributes.
        optional presence_sub_list: PresenceSubList = PresenceSubList,
        /// Which content.
        via urls: Vec<Box<str>> = Urls,
        /// The inviter's word.
        optional invite_note: Box<str> = InviteNote,
        /// The inviter's screen name in the group, 1.3.
        optional screen_name: ScreenName = ScreenName since V1_3,
        /// For how many seconds the invitation is good.
        optional validity: u32 = Validity,
    }
}

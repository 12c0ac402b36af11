//! *CancelInviteUser-Request*: the server tells that an invitation was taken back. CSP 7.2.

use crate::elements::Urls;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{Recipient, ScreenName, Sender};
use imps_types::presence::PresenceSubList;

primitive! {
    /// A user is invited no longer.
    CancelInviteUserRequest {
        /// Which invitation.
        required invite_id: Box<str> = InviteId,
        /// Who invited; by his screen name, if he used it.
        required sender: Sender = Sender,
        /// How the invited was named, 1.3.
        optional recipient: Recipient = Recipient since V1_3,
        /// The inviter's word.
        optional invite_note: Box<str> = InviteNote,
        /// Which application, 1.3.
        optional application_id: Box<str> = ApplicationId since V1_3,
        /// Which group, 1.3.
        optional group_id: Address = GroupId since V1_3,
        /// Which presence attributes, 1.3.
        optional presence_sub_list: PresenceSubList = PresenceSubList since V1_3,
        /// Which content is shared no longer.
        via urls: Vec<Box<str>> = Urls,
        /// The inviter's screen name in the group, 1.3.
        optional screen_name: ScreenName = ScreenName since V1_3,
    }
}

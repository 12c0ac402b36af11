//! *CancelInvite-Request*: a user takes an invitation back. CSP 7.2.

use crate::elements::Urls;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{Recipient, ScreenName, Sender};
use imps_types::presence::PresenceSubList;

primitive! {
    /// A user invites no longer.
    CancelInviteRequest {
        /// Which invitation.
        required invite_id: Box<str> = InviteId,
        /// Who invited, 1.3.
        optional sender: Sender = Sender since V1_3,
        /// Who is not invited any more; absent: nobody is.
        optional recipient: Recipient = Recipient,
        /// A word to them.
        optional invite_note: Box<str> = InviteNote,
        /// Which application, 1.3.
        optional application_id: Box<str> = ApplicationId since V1_3,
        /// Which group, 1.3.
        optional group_id: Address = GroupId since V1_3,
        /// Which presence attributes, 1.3.
        optional presence_sub_list: PresenceSubList = PresenceSubList since V1_3,
        /// Which content is shared no longer.
        via urls: Vec<Box<str>> = Urls,
        /// The inviter's screen name in the group.
        optional screen_name: ScreenName = ScreenName,
    }
}

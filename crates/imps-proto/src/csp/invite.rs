//! *Invite-Request*: a user invites others. CSP 7.2.

use crate::elements::Urls;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{InviteType, Recipient, ScreenName, Sender};
use imps_types::presence::PresenceSubList;

primitive! {
    /// A user invites others to something.
    InviteRequest {
        /// The inviting client's name for it.
        required invite_id: Box<str> = InviteId,
        /// To what.
        required invite_type: InviteType = InviteType,
        /// Who invites, 1.3: the user, or his screen name.
        optional sender: Sender = Sender since V1_3,
        /// Whom.
        required recipient: Recipient = Recipient,
        /// Which application, 1.3.
        optional application_id: Box<str> = ApplicationId since V1_3,
        /// Which group.
        optional group_id: Address = GroupId,
        /// Which presence attributes.
        optional presence_sub_list: PresenceSubList = PresenceSubList,
        /// Which content.
        via urls: Vec<Box<str>> = Urls,
        /// A word to the invited.
        optional invite_note: Box<str> = InviteNote,
        /// The inviter's screen name in the group.
        optional screen_name: ScreenName = ScreenName,
        /// For how many seconds the invitation is good.
        optional validity: u32 = Validity,
    }
}

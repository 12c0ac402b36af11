//! *Invite-Response*: the server brings the answer to an invitation. CSP 7.2.

use crate::grammar::primitive;
use imps_types::element::{Recipient, ScreenName, Sender};

primitive! {
    /// Somebody who was invited has answered.
    InviteResponse {
        /// Which invitation.
        required invite_id: Box<str> = InviteId,
        /// Whether he accepts.
        required acceptance: bool = Acceptance,
        /// Who: as the inviter named him.
        required sender: Sender = Sender,
        /// The inviter, 1.3.
        optional recipient: Recipient = Recipient since V1_3,
        /// The inviter's word, 1.3.
        optional invite_note: Box<str> = InviteNote since V1_3,
        /// The word of who was invited.
        optional response_note: Box<str> = ResponseNote,
        /// The screen name that he wants to have in the group, 1.3.
        optional screen_name: ScreenName = ScreenName since V1_3,
    }
}

//! *InviteUser-Response*: a user answers an invitation. CSP 7.2.

use crate::elements::AnswerSender;
use crate::grammar::primitive;
use imps_types::element::{Recipient, ScreenName, Sender};

primitive! {
    /// A user accepts or rejects.
    InviteUserResponse {
        /// Which invitation.
        required invite_id: Box<str> = InviteId,
        /// Whether he accepts.
        required acceptance: bool = Acceptance,
        /// Since 1.2: himself; clients differ, and some name the inviter.
        via sender: Option<Sender> = AnswerSender,
        /// The inviter, 1.3.
        optional recipient: Recipient = Recipient since V1_3,
        /// A word to the inviter.
        optional response_note: Box<str> = ResponseNote,
        /// The screen name that he wants to have in the group.
        optional screen_name: ScreenName = ScreenName,
    }
}

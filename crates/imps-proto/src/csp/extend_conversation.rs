//! *ExtendConversation-Request* and *-Response*: a chat of two becomes a group, 1.3. CSP 13.7.

use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::{ResultInfo, ScreenName, User, WelcomeNote};

primitive! {
    /// A user turns a chat into a group.
    ExtendConversationRequest {
        /// His name for the conversation.
        optional extend_conversation_id: Box<str> = ExtendConversationId,
        /// Whom to invite beside the partner.
        list users: Address = UserIdList,
        /// The partner of the chat.
        optional partner: User = ExtendConversationUser,
        /// Whether he is told of changes of the group.
        optional subscribe_notification: bool = SubscribeNotification,
        /// What the group shows to those who join.
        optional welcome_note: WelcomeNote = WelcomeNote,
        /// How he wants to be called there.
        optional screen_name: ScreenName = ScreenName,
    }
}

primitive! {
    /// The group that it has become.
    ExtendConversationResponse {
        /// The name from the request.
        optional extend_conversation_id: Box<str> = ExtendConversationId,
        /// The group.
        optional group_id: Address = GroupId,
        /// A word to the user.
        optional response_note: Box<str> = ResponseNote,
        /// How it went.
        optional result: ResultInfo = Result,
    }
}

//! Messages. SSP 9.6.

use super::carried::{Answered, Asked};
use super::content::ContentData;
use super::error::Error;
use super::grammar::{Part, primitive, structure};
use super::io::{In, Out, Start};
use crate::csp;
use imps_types::DateTime;
use imps_types::element::{Group, MessageInfo, Recipient, ResultInfo, ScreenName, Sender};

primitive! {
    /// Somebody sends a message: it is submitted.
    SendMessageRequest (meta) [
        /// Whether he wants to know when it has arrived.
        optional delivery_report: bool = "deliveryReport",
    ] {
        /// What is known of it.
        required info: MessageInfo = "MessageInfo",
        /// Its content.
        optional content: ContentData = "ContentData",
    }
}

primitive! {
    /// It was taken.
    SendMessageResponse [
        /// As what.
        optional message_id: Box<str> = "messageID",
    ] {
        /// How it went.
        required status: ResultInfo = "Status",
    }
}

structure! {
    /// What became of a message (`DeliveryResult`).
    DeliveryResult [] {
        /// 200: it has arrived.
        required status: ResultInfo = "Status",
    }
}

/// When a message arrived (`DeliveryTime`); nothing where the peer's clock is not to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryTime(pub Option<DateTime>);

impl Part for DeliveryTime {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let mut inner = None;
        let text = input.mixed(&mut |_, input| {
            inner = inner.take().or(Some(input.text()?));
            Ok(())
        })?;
        Ok(Self(DateTime::parse(inner.as_deref().unwrap_or(&text))))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        if let Some(time) = self.0 {
            out.text(&time.to_utc().to_extended());
        }
        out.end(name);
    }
}

primitive! {
    /// What became of a message that was sent from the receiver's domain.
    DeliveryStatusReport (meta?) [] {
        /// What became of it.
        required result: DeliveryResult = "DeliveryResult",
        /// When.
        optional time: DeliveryTime = "DeliveryTime",
        /// Which message.
        required info: MessageInfo = "MessageInfo",
    }
}

primitive! {
    /// A message for a user of the receiver's domain: it is delivered.
    NewMessage (meta) [] {
        /// What is known of it.
        required info: MessageInfo = "MessageInfo",
        /// Its content.
        optional content: ContentData = "ContentData",
    }
}

primitive! {
    /// His client has it: the answer to NewMessage or, once that is over, told by itself.
    MessageDelivered (meta?) [
        /// Which.
        required message_id: Box<str> = "messageID",
    ] {
        /// How it went, where more is to be said.
        optional status: ResultInfo = "Status",
    }
}

primitive! {
    /// A message waits for a user of the receiver's domain.
    MessageNotification (meta) [] {
        /// What is known of it.
        required info: MessageInfo = "MessageInfo",
    }
}

/// Which messages wait for a user?
pub type GetMessageListRequest = Asked<csp::GetMessageListRequest>;
/// These.
pub type GetMessageListResponse = Answered<csp::GetMessageListResponse>;

primitive! {
    /// A user fetches a message.
    GetMessageRequest (meta) [
        /// Which.
        required message_id: Box<str> = "messageID",
    ] {}
}

primitive! {
    /// The message.
    GetMessageResponse [] {
        /// How it went.
        required status: ResultInfo = "Status",
        /// What is known of it.
        optional info: MessageInfo = "MessageInfo",
        /// Its content.
        optional content: ContentData = "ContentData",
    }
}

/// A user does not want messages.
pub type RejectMessageRequest = Asked<csp::RejectMessageRequest>;
/// A user sends a message that waits for him on.
pub type ForwardMessageRequest = Asked<csp::ForwardMessageRequest>;
/// A client chooses how it gets messages.
pub type SetMessageDeliveryMethodRequest = Asked<csp::SetDeliveryMethodRequest>;
/// Whom does a user block?
pub type GetBlockedListRequest = Asked<csp::GetBlockedListRequest>;
/// These.
pub type GetBlockedListResponse = Answered<csp::GetBlockedListResponse>;
/// A user blocks somebody.
pub type BlockEntityRequest = Asked<csp::BlockEntityRequest>;

impl SendMessageRequest {
    /// Whether a group sends it to users, or to one of them by his name there: they are told, nobody asks for anything.
    pub fn is_from_group(&self) -> bool {
        let Recipient { users, groups, .. } = &self.info.recipient;
        let is_told = || self.meta.requestor.user.is_none() && !users.is_empty();
        matches!(self.info.sender, Some(Sender::Group(_)))
            && (groups.is_empty() || is_told() && groups.iter().all(|group| is_name_beside_sender(&self.info, group)))
    }
}

/// Whether this is somebody's name in the group in whose name a message is sent.
pub fn is_name_beside_sender(info: &MessageInfo, group: &Group) -> bool {
    let Some(Sender::Group(Group::Id(from) | Group::ScreenName(ScreenName { group_id: from, .. }))) = &info.sender
    else {
        return false;
    };
    matches!(group, Group::ScreenName(name) if name.group_id.as_str().eq_ignore_ascii_case(from.as_str()))
}

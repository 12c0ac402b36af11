//! Messages, and whom a user lets reach him (SSP 9.6, 8.3).

use imps_proto::csp;
use imps_proto::csp::catalogue::Response;
use imps_proto::elements::Message as MessageElement;
use imps_proto::ssp::{
    ContentData, DeliveryResult, DeliveryStatusReport, DeliveryTime, GetMessageRequest, GetMessageResponse,
    MessageDelivered, MessageNotification, MetaInfo, NewMessage, Primitive, SendMessageRequest, SendMessageResponse,
    is_name_beside_sender,
};
use imps_service::event::{Message, Report};
use imps_types::element::{Content, Group, MessageInfo, Recipient, ResultInfo, ScreenName, Sender, User};
use imps_types::{Address, UserId, Version};

use super::addresses::same;
use super::{Told, Transaction, Way, carried, outcome, status_in, status_out, success};

carried! {
    SetDeliveryMethodRequest;
    GetMessageListRequest => GetMessageListResponse GetMessageList;
    RejectMessageRequest;
    ForwardMessageRequest;
    GetBlockedListRequest => GetBlockedListResponse GetBlockedList;
    BlockEntityRequest;
}

fn size_of(content: &Content) -> u32 {
    u32::try_from(content.data.len()).unwrap_or(u32::MAX)
}

impl Transaction for csp::SendMessageRequest {
    type Said = SendMessageRequest;

    /// The sender stands by his address even where he uses a name in a group: a domain may speak for its users, and not
    /// for the group of another (SSP 15); that knows by which name he has joined.
    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        let mut info = self.message.info;
        info.message_id = None;
        info.ext_blocks = Vec::new();
        info.font = None;
        info.sender = meta.requestor.user.clone().map(Sender::User).or(info.sender);
        let content = self.message.content.map(|content| {
            info.content_size = size_of(&content);
            ContentData::of(&info, content)
        });
        Some(SendMessageRequest { meta, delivery_report: Some(self.delivery_report), info, content })
    }

    /// Whoever asks is the sender; which of his clients it was is his domain's business.
    fn taken(said: &Self::Said) -> Option<Self> {
        if said.is_from_group() {
            return None;
        }
        let requestor = said.meta.requestor.user.as_ref();
        let mut info = said.info.clone();
        info.sender = match info.sender {
            Some(Sender::User(user)) if requestor.is_some_and(|by| same(&by.user_id, &user.user_id)) => None,
            Some(Sender::User(user)) => Some(Sender::User(User::of(user.user_id))),
            other => other,
        };
        let content = said.content.clone().map(|content| content.settle(&mut info));
        let message = MessageElement { info, content };
        Some(Self { delivery_report: said.delivery_report.unwrap_or_default(), message })
    }

    fn answer_in(&self, _: Version, answer: Primitive) -> Response {
        let result = answer.outcome().cloned().unwrap_or_else(success);
        let message_id = match answer {
            Primitive::SendMessageResponse(sent) => sent.message_id,
            _ => None,
        };
        if !result.status.is_success() {
            return super::status_of(result);
        }
        csp::SendMessageResponse { result, message_id }.into()
    }

    fn answer_out(_: &Self::Said, response: Response) -> Primitive {
        match response {
            Response::SendMessage(sent) => {
                SendMessageResponse { message_id: sent.message_id, status: sent.result }.into()
            }
            other => status_out(&other),
        }
    }
}

impl Transaction for csp::GetMessageRequest {
    type Said = GetMessageRequest;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(GetMessageRequest { meta, message_id: self.message_id })
    }

    fn taken(said: &Self::Said) -> Option<Self> {
        Some(Self { message_id: said.message_id.clone() })
    }

    fn answer_in(&self, _: Version, answer: Primitive) -> Response {
        match answer {
            Primitive::GetMessageResponse(GetMessageResponse { status, info: Some(mut info), content })
                if status.status.is_success() =>
            {
                let content = content.map(|content| content.settle(&mut info));
                csp::GetMessageResponse { message: MessageElement { info, content } }.into()
            }
            other => status_in(&other),
        }
    }

    fn answer_out(_: &Self::Said, response: Response) -> Primitive {
        let status = outcome(&response);
        let Response::GetMessage(csp::GetMessageResponse { message: MessageElement { info, content } }) = response
        else {
            return Primitive::Status(status);
        };
        let content = content.map(|content| ContentData::of(&info, content));
        GetMessageResponse { status, info: Some(info), content }.into()
    }
}

impl Transaction for csp::MessageDelivered {
    type Said = MessageDelivered;

    fn out(self, meta: MetaInfo) -> Option<Self::Said> {
        Some(MessageDelivered { meta: Some(meta), message_id: self.message_id, status: None })
    }

    /// With a Status in it, it says that something else became of the message: no client says that.
    fn taken(said: &Self::Said) -> Option<Self> {
        let is_delivered = said.status.as_ref().is_none_or(|it| it.status.is_success());
        is_delivered.then(|| Self { message_id: said.message_id.clone() })
    }
}

/// A message as guests get it: each by his address, whatever the sender called him. What is for one alone in a group names
/// him as he is called there besides: so it is told from what is for all.
fn info_for(message: &Message, guests: &[UserId]) -> MessageInfo {
    let groups = &message.info.recipient.groups;
    let groups = groups.iter().filter(|group| is_name_beside_sender(&message.info, group)).cloned().collect();
    MessageInfo {
        recipient: Recipient { users: guests.iter().map(User::of).collect(), groups, ..Recipient::default() },
        ext_blocks: Vec::new(),
        font: None,
        ..message.info.clone()
    }
}

/// A message for guests: of a group that they have joined, or of anybody if we have their messages (SSP 9.6, 9.7).
pub(super) fn message(message: &Message, guests: &[UserId], own: &Address, way: Way) -> Primitive {
    let info = info_for(message, guests);
    let content = Content { data: message.content.clone(), binary: message.binary };
    let content = Some(ContentData::of(&info, content));
    let meta = MetaInfo::of_domain(own.clone());
    match way {
        Way::Direct => SendMessageRequest { meta, delivery_report: Some(message.report), info, content }.into(),
        Way::Pse => NewMessage { meta, info, content }.into(),
    }
}

/// A message waits here for guests whose messages we have; equals have no word for it.
pub(super) fn notification(
    message: &Message,
    guests: &[UserId],
    own: &Address,
    way: Way,
) -> Option<MessageNotification> {
    let meta = MetaInfo::of_domain(own.clone());
    (way == Way::Pse).then(|| MessageNotification { meta, info: info_for(message, guests) })
}

/// What became of a message of a guest.
pub(super) fn report(report: &Report, own: &Address) -> DeliveryStatusReport {
    DeliveryStatusReport {
        meta: Some(MetaInfo::of_domain(own.clone())),
        result: DeliveryResult { status: ResultInfo::of(report.result) },
        time: Some(DeliveryTime(Some(report.time))),
        // In a group he is shown by another name; here it says whose the report is.
        info: MessageInfo { sender: Some(Sender::User(User::of(&report.recipient))), ..report.info.clone() },
    }
}

/// The users that a message is for; what comes from a group is for the group, towards them, or for one of them alone there.
fn recipients(info: &mut MessageInfo) -> Vec<Address> {
    let users = info.recipient.users.iter().map(|user| user.user_id.clone()).collect();
    if let Some(Sender::Group(from)) = &info.sender {
        let (Group::Id(id) | Group::ScreenName(ScreenName { group_id: id, .. })) = from;
        let own_name = info.recipient.groups.iter().find(|group| is_name_beside_sender(info, group)).cloned();
        let groups = vec![own_name.unwrap_or_else(|| Group::Id(id.clone()))];
        info.recipient = Recipient { groups, ..Recipient::default() };
    }
    users
}

/// A message that another domain brings to our users.
pub(super) fn message_told(mut info: MessageInfo, content: Option<ContentData>, report: bool) -> Told {
    let users = recipients(&mut info);
    let content = content.map(|content| content.settle(&mut info)).unwrap_or_default();
    Told::Message { users, info, content: Some(content), report }
}

/// A message that waits at another domain for our users.
pub(super) fn notification_told(said: MessageNotification) -> Told {
    let mut info = said.info;
    let users = recipients(&mut info);
    Told::Message { users, info, content: None, report: false }
}

//! What users ask for (CSP), and what happens to them, in the words that domains have between each other (SSP 8 to 10).
//!
//! | | towards another domain | from it |
//! |---|---|---|
//! | a request | [`request_out`] | [`request_in`] |
//! | its answer | [`answer_in`] | [`answer_out`] |
//! | what happens | [`event_out`] | [`told_in`] |
//!
//! What a user asks for is taken apart by domains before ([`split`]), and the answers are put together ([`merge`]).
//!
//! Invariant: nothing here waits, sends, or decides what a request does; and no address that comes in is checked.

mod addresses;
mod common;
mod group;
mod im;
mod lists;
mod presence;
mod split;
#[cfg(test)]
mod tests;

pub(crate) use common::reply_in;
pub(crate) use split::{Split, group_of, merge, split};

use std::sync::Arc;

use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{self, StatusPrimitive};
use imps_proto::ssp::{MetaInfo, Name, Primitive, Service};
use imps_service::event::{Event, NoticeContent};
use imps_types::element::{
    Content, GroupProperties, InviteType, Mapping, MessageInfo, Property, ResultInfo, ScreenName, SubscribeType,
};
use imps_types::presence::PresenceSubList;
use imps_types::{Address, Domain, Status, UserId, Version};

/// Where events of a guest go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To his home domain, as between equals.
    Direct,
    /// From a PSE to the home domain that it serves (SSP 9.6).
    Pse,
}

/// A transaction of CSP that domains have too.
trait Transaction: Sized {
    /// What is said for it between domains.
    type Said;

    /// The request as it goes out. None: SSP cannot say it.
    fn out(self, meta: MetaInfo) -> Option<Self::Said>;

    /// The request as it came in. None: it is none of a user.
    fn taken(said: &Self::Said) -> Option<Self>;

    /// The answer as it came in; unless it says otherwise, CSP has only Status.
    fn answer_in(&self, version: Version, answer: Primitive) -> Response {
        let _ = version;
        status_in(&answer)
    }

    /// The answer as it goes out; unless it says otherwise, SSP has only Status.
    fn answer_out(said: &Self::Said, response: Response) -> Primitive {
        let _ = said;
        status_out(&response)
    }
}

/// What never leaves home (SSP 10), and what SSP has no word for: maps, conversations that become groups (their group is
/// made at home), and decisions as a list.
macro_rules! stays {
    () => {
        Request::VersionDiscovery(_)
            | Request::Login(_)
            | Request::Logout(_)
            | Request::KeepAlive(_)
            | Request::Polling(_)
            | Request::Service(_)
            | Request::ClientCapability(_)
            | Request::SystemMessageUser(_)
            | Request::SubscribeNotification(_)
            | Request::UnsubscribeNotification(_)
            | Request::GetMap(_)
            | Request::GetReactiveAuthStatus(_)
            | Request::ExtendConversation(_)
            | Request::GetSegment(_)
            | Request::DropSegment(_)
            | Request::Unbuilt(_)
            | Request::Unknown
    };
}

/// The table of SSP 10. Beside its rows stand a subscription to a group's changes, which has three primitives here, and the
/// answer to an invitation, which is told and not asked.
macro_rules! transactions {
    ($($request:ident $type:ident $said:ident;)*) => {
        /// A request of our user, all about one other domain, as that is asked. None: SSP has nothing of that meaning.
        ///
        /// Addresses without a domain are completed with that of `meta`. A message has no MessageID yet: one that a client
        /// made up is not known to be the only one of its name.
        pub(crate) fn request_out(request: &Request, meta: MetaInfo) -> Option<Primitive> {
            let mut request = request.clone();
            if let Some(home) = home_of(&meta) {
                addresses::complete(&mut request, &home);
            }
            match request {
                $(Request::$request(it) => it.out(meta).map(Primitive::$said),)*
                Request::SubscribeGroupNotice(it) => Some(group::subscription_out(it, meta)),
                Request::InviteUserResponse(it) => Some(common::reply_out(it, meta).into()),
                stays!() => None,
            }
        }

        /// The request of a peer as a guest session performs it. None: it is none of a user.
        pub(crate) fn request_in(said: &Primitive) -> Option<Request> {
            match said {
                $(Primitive::$said(it) => csp::$type::taken(it).map(Request::$request),)*
                Primitive::SubscribeGroupChangeRequest(it) => {
                    Some(group::subscription_in(&it.group_id, SubscribeType::Set))
                }
                Primitive::UnsubscribeGroupChangeRequest(it) => {
                    Some(group::subscription_in(&it.group_id, SubscribeType::Unset))
                }
                Primitive::GetGroupSubStatusRequest(it) => Some(group::subscription_in(&it.group_id, SubscribeType::Get)),
                _ => None,
            }
        }

        /// What the other domain answered, as the user is answered.
        pub(crate) fn answer_in(request: &Request, version: Version, answer: Primitive) -> Response {
            match request {
                $(Request::$request(it) => it.answer_in(version, answer),)*
                Request::SubscribeGroupNotice(it) => group::subscription_answer_in(it, &answer),
                Request::InviteUserResponse(_) | stays!() => status_in(&answer),
            }
        }

        /// What the guest was answered, as his domain is answered.
        pub(crate) fn answer_out(said: &Primitive, response: Response) -> Primitive {
            match said {
                $(Primitive::$said(it) => csp::$type::answer_out(it, response),)*
                Primitive::GetGroupSubStatusRequest(it) => group::subscription_answer_out(it, &response),
                _ => status_out(&response),
            }
        }

        /// What a request becomes.
        fn name_of(request: &Request) -> Option<Name> {
            match request {
                $(Request::$request(_) => Some(Name::$said),)*
                Request::SubscribeGroupNotice(it) => Some(group::subscription_name(it.subscribe_type)),
                Request::InviteUserResponse(_) => Some(Name::InviteResponse),
                stays!() => None,
            }
        }
    };
}

transactions! {
    // CSP                 its type                    SSP
    // common.rs
    GetSpInfo              GetSpInfoRequest            GetSpInfoRequest;
    Search                 SearchRequest               SearchRequest;
    StopSearch             StopSearchRequest           StopSearchRequest;
    Invite                 InviteRequest               InviteRequest;
    CancelInvite           CancelInviteRequest         CancelInviteRequest;
    VerifyId               VerifyIdRequest             VerifyIdRequest;
    GetPublicProfile       GetPublicProfileRequest     GetPublicProfileRequest;
    UpdatePublicProfile    UpdatePublicProfileRequest  UpdatePublicProfileRequest;
    // lists.rs
    GetList                GetListRequest              GetListRequest;
    CreateList             CreateListRequest           CreateListRequest;
    DeleteList             DeleteListRequest           DeleteListRequest;
    ListManage             ListManageRequest           ListManageRequest;
    CreateAttributeList    CreateAttributeListRequest  CreateAttributeListRequest;
    DeleteAttributeList    DeleteAttributeListRequest  DeleteAttributeListRequest;
    GetAttributeList       GetAttributeListRequest     GetAttributeListRequest;
    // presence.rs
    SubscribePresence      SubscribePresenceRequest    SubscribeRequest;
    UnsubscribePresence    UnsubscribePresenceRequest  UnsubscribeRequest;
    GetPresence            GetPresenceRequest          GetPresenceRequest;
    UpdatePresence         UpdatePresenceRequest       UpdatePresenceRequest;
    GetWatcherList         GetWatcherListRequest       GetWatcherListRequest;
    PresenceAuthUser       PresenceAuthUser            AuthorizationResponse;
    CancelAuth             CancelAuthRequest           CancelAuthorizationRequest;
    // im.rs
    SendMessage            SendMessageRequest          SendMessageRequest;
    SetDeliveryMethod      SetDeliveryMethodRequest    SetMessageDeliveryMethodRequest;
    GetMessageList         GetMessageListRequest       GetMessageListRequest;
    GetMessage             GetMessageRequest           GetMessageRequest;
    MessageDelivered       MessageDelivered            MessageDelivered;
    RejectMessage          RejectMessageRequest        RejectMessageRequest;
    ForwardMessage         ForwardMessageRequest       ForwardMessageRequest;
    GetBlockedList         GetBlockedListRequest       GetBlockedListRequest;
    BlockEntity            BlockEntityRequest          BlockEntityRequest;
    // group.rs
    CreateGroup            CreateGroupRequest          CreateGroupRequest;
    DeleteGroup            DeleteGroupRequest          DeleteGroupRequest;
    JoinGroup              JoinGroupRequest            JoinGroupRequest;
    LeaveGroup             LeaveGroupRequest           LeaveGroupRequest;
    GetGroupMembers        GetGroupMembersRequest      GetGroupMemberRequest;
    GetJoinedUsers         GetJoinedUsersRequest       GetJoinedUsersRequest;
    AddGroupMembers        AddGroupMembersRequest      AddGroupMemberRequest;
    RemoveGroupMembers     RemoveGroupMembersRequest   RemoveGroupMemberRequest;
    MemberAccess           MemberAccessRequest         MemberAccessRequest;
    GetGroupProps          GetGroupPropsRequest        GetGroupPropsRequest;
    SetGroupProps          SetGroupPropsRequest        SetGroupPropsRequest;
    RejectList             RejectListRequest           RejectListRequest;
}

/// The service that must be agreed on for a request that goes to another domain: that of the primitive which it becomes.
/// None: it never leaves home.
pub(crate) fn service_of(request: &Request) -> Option<Service> {
    match request {
        // Everybody has a provider of his own.
        Request::GetSpInfo(_) => None,
        // The same as the primitive says of itself (SSP 9.8, 13.2).
        Request::Invite(it) if it.invite_type == InviteType::Content => Some(Service::Content),
        Request::CancelInvite(it) if !it.urls.is_empty() => Some(Service::Content),
        Request::SendMessage(it) if !it.message.info.recipient.groups.is_empty() => Some(Service::Group),
        Request::VerifyId(it) if common::is_on_groups(&it.id_list) => Some(Service::Group),
        _ => name_of(request)?.row().service,
    }
}

/// What happened to guests of one domain, as their home domain is told. `own` is our service ID, `wv:@a.example`. None:
/// nothing is said of it.
///
/// What is for one user alone (invitations, questions) goes to the recipient that it names, whoever the guests are.
pub(crate) fn event_out(event: &Event, guests: &[UserId], own: &Address, way: Way) -> Option<Primitive> {
    match event {
        Event::NewMessage(message) => Some(im::message(message, guests, own, way)),
        Event::MessageNotification(message) => im::notification(message, guests, own, way).map(Into::into),
        Event::DeliveryReport(report) => Some(im::report(report, own).into()),
        Event::GroupChange(change) => Some(group::change(change, guests, own).into()),
        Event::ForcedLeave(leave) => Some(group::forced_leave(leave, guests, own).into()),
        Event::Presence(snapshots) => Some(presence::notification(snapshots, guests, own).into()),
        Event::Notice(notice) => match &notice.content {
            NoticeContent::SystemMessage(_) => None,
            NoticeContent::PresenceAuth { watcher, attributes } => {
                (way == Way::Pse).then(|| presence::authorization(watcher, *attributes, &notice.recipient, own).into())
            }
            NoticeContent::Invitation(one) => common::invitation(one, &notice.recipient, own, way).map(Into::into),
            NoticeContent::InvitationAnswer(one) => Some(common::invitation_answer(one, own, way).into()),
            NoticeContent::InvitationCancelled(one) => {
                common::invitation_cancelled(one, &notice.recipient, own, way).map(Into::into)
            }
        },
        Event::Notification(_) | Event::Disconnect(_) => None,
    }
}

/// What another domain tells our users, taken apart. The addresses are not checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Told {
    /// Presence changed.
    Presence {
        /// Who is to know.
        watchers: Vec<Address>,
        /// Whose, and what it is now.
        values: Vec<(Address, PresenceSubList)>,
    },
    /// A group changed.
    Group {
        /// Which.
        group: Address,
        /// Who is to know.
        users: Vec<Address>,
        /// Who joined; domains tell each other no addresses.
        joined: Vec<Mapping>,
        /// The screen names of those who left.
        left: Vec<Arc<str>>,
        /// Of those who were not let in.
        joined_blocked: Vec<Arc<str>>,
        /// Of those who had to leave.
        left_blocked: Vec<Arc<str>>,
        /// Properties that changed.
        properties: Option<GroupProperties>,
        /// The users' own, if they changed.
        own_properties: Option<Vec<Property>>,
    },
    /// Users were made to leave a group.
    LeftGroup {
        /// Which.
        group: Address,
        /// Who. Nobody, from peers that do not say it.
        users: Vec<Address>,
        /// Why.
        reason: Status,
    },
    /// Somebody who was invited has answered. Which of the two parties is which must be told by the InviteID: some peers
    /// have them the other way round (SSP 17).
    InviteAnswer {
        /// The inviter's name for the invitation.
        id: Box<str>,
        /// Who had invited.
        inviting: Option<Address>,
        /// Who answers.
        responding: Option<Address>,
        /// Whether he comes.
        accepted: bool,
        /// A word with it.
        note: Option<Box<str>>,
        /// The name that he wants to have in the group.
        screen_name: Option<ScreenName>,
    },
    /// A publisher is to say who may see him.
    Authorization {
        /// Who is to say it; some leave him out.
        publisher: Option<Address>,
        /// Who asks.
        watcher: Address,
        /// For which attributes; none: all.
        attributes: Option<PresenceSubList>,
    },
    /// A message for our users: of a group of the other domain, or from the domain that has their messages.
    Message {
        /// Who gets it.
        users: Vec<Address>,
        /// What is known of it. Its recipient is the group, if it comes from one.
        info: MessageInfo,
        /// Its content. None: it waits there to be fetched.
        content: Option<Content>,
        /// Whether the sender wants to know what became of it.
        report: bool,
    },
}

/// What a peer says if it is no request of a user, but something that our users are told.
pub(crate) fn told_in(said: Primitive) -> Option<Told> {
    match said {
        Primitive::PresenceNotification(it) => Some(presence::told(it)),
        Primitive::AuthorizationRequest(it) => Some(presence::authorization_told(it)),
        Primitive::GroupChangeNotice(it) => Some(group::change_told(it)),
        Primitive::LeaveGroupIndication(it) => Some(group::leave_told(it)),
        Primitive::InviteResponse(it) => Some(common::answer_told(it)),
        Primitive::NewMessage(it) => Some(im::message_told(it.info, it.content, false)),
        Primitive::MessageNotification(it) => Some(im::notification_told(it)),
        Primitive::SendMessageRequest(it) if it.is_from_group() => {
            Some(im::message_told(it.info, it.content, it.delivery_report.unwrap_or_default()))
        }
        _ => None,
    }
}

/// Our own domain, as the head of a request says it.
fn home_of(meta: &MetaInfo) -> Option<Domain> {
    Domain::parse(meta.requestor.service_id.as_str()).ok()
}

/// How it went. What has no Result of its own went well.
fn outcome(response: &Response) -> ResultInfo {
    let result = match response {
        Response::Status(it) => Some(&it.result),
        Response::GetPublicProfile(it) => Some(&it.result),
        Response::ListManage(it) => Some(&it.result),
        Response::GetAttributeList(it) => Some(&it.result),
        Response::GetPresence(it) => Some(&it.result),
        Response::SendMessage(it) => Some(&it.result),
        Response::LeaveGroup(it) => Some(&it.result),
        _ => None,
    };
    result.cloned().unwrap_or_else(success)
}

fn success() -> ResultInfo {
    ResultInfo::of(Status::SUCCESSFUL)
}

/// Just how it went, towards the user. An answer without a Status means success (SSP 17).
fn status_in(answer: &Primitive) -> Response {
    status_of(answer.outcome().cloned().unwrap_or_else(success))
}

fn status_of(result: ResultInfo) -> Response {
    Response::Status(StatusPrimitive::new(result))
}

/// Just how it went, towards the domain.
fn status_out(response: &Response) -> Primitive {
    Primitive::Status(outcome(response))
}

/// Transactions with the body that they have in CSP (SSP 9.4), and behind the arrow the answer that has it too: its type,
/// the variant of `Response`, and its field for the Result, if it has one.
macro_rules! carried {
    ($($request:ident $(=> $answer:ident $response:ident $($result:ident)?)?;)*) => {$(
        impl $crate::translate::Transaction for imps_proto::csp::$request {
            type Said = imps_proto::ssp::Asked<Self>;

            fn out(self, meta: imps_proto::ssp::MetaInfo) -> Option<Self::Said> {
                Some(imps_proto::ssp::Asked { meta, body: self })
            }

            fn taken(said: &Self::Said) -> Option<Self> {
                Some(said.body.clone())
            }

            $(
                fn answer_in(
                    &self,
                    _: imps_types::Version,
                    answer: imps_proto::ssp::Primitive,
                ) -> imps_proto::csp::Response {
                    use imps_proto::ssp::{Answered, Primitive};
                    match answer {
                        Primitive::$answer(Answered { status, body: Some(body) }) if status.status.is_success() => {
                            $(let body = imps_proto::csp::$answer { $result: status, ..body };)?
                            imps_proto::csp::Response::$response(body)
                        }
                        other => $crate::translate::status_in(&other),
                    }
                }

                fn answer_out(_: &Self::Said, response: imps_proto::csp::Response) -> imps_proto::ssp::Primitive {
                    use imps_proto::ssp::{Answered, Primitive};
                    let status = $crate::translate::outcome(&response);
                    match response {
                        imps_proto::csp::Response::$response(body) if status.status.is_success() => {
                            Primitive::$answer(Answered { status, body: Some(body) })
                        }
                        _ => Primitive::Status(status),
                    }
                }
            )?
        }
    )*};
}
use carried;

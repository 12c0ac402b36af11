//! Every primitive of SSP, one row each. SSP 9, 11, 12.
//!
//! From the rows come [`Primitive`] and [`Name`], and what a domain must know of a primitive before it looks inside: how
//! it is answered, and by which service it is agreed upon.

use super::common::{MetaInfo, Party};
use super::error::Error;
use super::grammar::{About, Part};
use super::group::*;
use super::im::*;
use super::invitation::*;
use super::io::{In, Out, Start};
use super::presence::*;
use super::service::*;
use super::session::*;
use imps_types::Address;
pub use imps_types::Service;
use imps_types::element::{Group, InviteType, MessageInfo, Recipient, Sender};
use std::fmt;

/// Where the form of a primitive comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The seed asks for it, by this name.
    S,
    /// A working peer has it on the wire.
    B,
    /// As remembered of the specification, or in its style.
    M,
    /// Our own.
    D,
}

/// What a primitive does in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It stands in a set-up, and nowhere else.
    Setup,
    /// It asks, and is answered.
    Ask,
    /// It tells; peers that do not answer it have taken it all the same (SSP 7.3).
    Tell,
    /// It answers.
    Reply,
}

/// A primitive, before anybody looks inside.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Which.
    pub name: Name,
    /// What it does in a transaction.
    pub kind: Kind,
    /// What it may be answered by, besides `Status`.
    pub replies: &'static [Name],
    /// The service that must be agreed on. None: it manages sessions, transactions or agreements.
    pub service: Option<Service>,
    /// Where its form comes from.
    pub source: Source,
}

macro_rules! service {
    (-) => {
        None
    };
    ($service:ident) => {
        Some(Service::$service)
    };
}

macro_rules! catalogue {
    ($($name:ident $word:literal $kind:ident [$($reply:ident)*] $service:tt $source:ident;)*) => {
        /// The name of a primitive.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Name {
            $(#[doc = concat!("`", $word, "`")] $name,)*
        }

        impl Name {
            /// Its element.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $word,)*
                }
            }

            /// The row that it has.
            pub fn row(self) -> &'static Row {
                match self {
                    $(Self::$name => &const {
                        Row {
                            name: Name::$name,
                            kind: Kind::$kind,
                            replies: &[$(Name::$reply),*],
                            service: service!($service),
                            source: Source::$source,
                        }
                    },)*
                }
            }
        }

        /// Every primitive, in the order of the chapter.
        pub const NAMES: &[Name] = &[$(Name::$name),*];

        /// A primitive.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "there is one, for the time of one transaction")]
        pub enum Primitive {
            $(#[doc = concat!("[`", stringify!($name), "`]")] $name($name),)*
        }

        impl Primitive {
            /// Reads the primitive whose start is `start`, through its end. `None`, and nothing read: there is none of
            /// this name.
            pub(super) fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Option<Self>, Error> {
                $(if start.is(&[$word]) {
                    return Ok(Some(Self::$name(Part::read(start, input)?)));
                })*
                Ok(None)
            }

            pub(super) fn write(&self, out: &mut Out) {
                match self {
                    $(Self::$name(primitive) => primitive.write($word, out),)*
                }
            }

            /// Which it is.
            pub fn name(&self) -> Name {
                match self {
                    $(Self::$name(_) => Name::$name,)*
                }
            }

            fn about(&self) -> &dyn About {
                match self {
                    $(Self::$name(primitive) => primitive,)*
                }
            }

            fn about_mut(&mut self) -> &mut dyn About {
                match self {
                    $(Self::$name(primitive) => primitive,)*
                }
            }
        }

        $(impl From<$name> for Primitive {
            fn from(primitive: $name) -> Self {
                Self::$name(primitive)
            }
        })*

        #[cfg(test)]
        impl Primitive {
            /// One of each, with something in it.
            pub(super) fn samples(dice: &mut super::sample::Dice) -> Vec<Self> {
                vec![$(Self::$name(super::sample::Sample::sample(dice))),*]
            }
        }
    };
}

catalogue! {
    // primitive                   element                            kind  [replies]                   service     source
    // 9.1 session and transaction management
    SendSecretToken                "SendSecretToken"                  Setup []                            -           B;
    LoginRequest                   "LoginRequest"                     Setup []                            -           B;
    LoginResponse                  "LoginResponse"                    Setup []                            -           B;
    KeepAliveRequest               "KeepAliveRequest"                 Ask   [KeepAliveResponse]           -           D;
    KeepAliveResponse              "KeepAliveResponse"                Reply []                            -           D;
    LogoutRequest                  "LogoutRequest"                    Ask   []                            -           D;
    Disconnect                     "Disconnect"                       Tell  []                            -           D;
    Status                         "Status"                           Reply []                            -           B;
    // 9.2, 11, 12 service and profile management
    GetServiceListRequest          "GetServiceListRequest"            Ask   [GetServiceListResponse]      -           D;
    GetServiceListResponse         "GetServiceListResponse"           Reply []                            -           D;
    SetServiceAgreementRequest     "SetServiceAgreementRequest"       Ask   [SetServiceAgreementResponse] -           D;
    SetServiceAgreementResponse    "SetServiceAgreementResponse"      Reply []                            -           D;
    GetUserProfileRequest          "GetUserProfileRequest"            Ask   [GetUserProfileResponse]      Profile     S;
    GetUserProfileResponse         "GetUserProfileResponse"           Reply []                            Profile     S;
    UpdateUserProfileRequest       "UpdateUserProfileRequest"         Ask   []                            Profile     S;
    // 9.3 common features
    InviteRequest                  "InviteRequest"                    Ask   []                            Common      B;
    InviteResponse                 "InviteResponse"                   Tell  []                            Common      B;
    CancelInviteRequest            "CancelInviteRequest"              Ask   []                            Common      B;
    SearchRequest                  "SearchRequest"                    Ask   [SearchResponse]              Common      M;
    SearchResponse                 "SearchResponse"                   Reply []                            Common      M;
    StopSearchRequest              "StopSearchRequest"                Ask   []                            Common      M;
    VerifyIdRequest                "VerifyIDRequest"                  Ask   []                            Common      M;
    GetPublicProfileRequest        "GetPublicProfileRequest"          Ask   [GetPublicProfileResponse]    Common      M;
    GetPublicProfileResponse       "GetPublicProfileResponse"         Reply []                            Common      M;
    UpdatePublicProfileRequest     "UpdatePublicProfileRequest"       Ask   []                            Common      M;
    GetSpInfoRequest               "GetSPInfoRequest"                 Ask   [GetSpInfoResponse]           Common      M;
    GetSpInfoResponse              "GetSPInfoResponse"                Reply []                            Common      M;
    // 9.4 contact lists
    GetListRequest                 "GetListRequest"                   Ask   [GetListResponse]             ContactList M;
    GetListResponse                "GetListResponse"                  Reply []                            ContactList M;
    CreateListRequest              "CreateListRequest"                Ask   []                            ContactList M;
    DeleteListRequest              "DeleteListRequest"                Ask   []                            ContactList M;
    ListManageRequest              "ListManageRequest"                Ask   [ListManageResponse]          ContactList M;
    ListManageResponse             "ListManageResponse"               Reply []                            ContactList M;
    CreateAttributeListRequest     "CreateAttributeListRequest"       Ask   []                            ContactList M;
    DeleteAttributeListRequest     "DeleteAttributeListRequest"       Ask   []                            ContactList M;
    GetAttributeListRequest        "GetAttributeListRequest"          Ask   [GetAttributeListResponse]    ContactList M;
    GetAttributeListResponse       "GetAttributeListResponse"         Reply []                            ContactList M;
    // 9.5 presence
    SubscribeRequest               "SubscribeRequest"                 Ask   []                            Presence    B;
    UnsubscribeRequest             "UnsubscribeRequest"               Ask   []                            Presence    B;
    PresenceNotification           "PresenceNotification"             Tell  []                            Presence    B;
    GetPresenceRequest             "GetPresenceRequest"               Ask   [GetPresenceResponse]         Presence    B;
    GetPresenceResponse            "GetPresenceResponse"              Reply []                            Presence    B;
    UpdatePresenceRequest          "UpdatePresenceRequest"            Ask   []                            Presence    M;
    GetWatcherListRequest          "GetWatcherListRequest"            Ask   [GetWatcherListResponse]      Presence    M;
    GetWatcherListResponse         "GetWatcherListResponse"           Reply []                            Presence    M;
    AuthorizationRequest           "AuthorizationRequest"             Ask   []                            Presence    M;
    AuthorizationResponse          "AuthorizationResponse"            Ask   []                            Presence    M;
    CancelAuthorizationRequest     "CancelAuthorizationRequest"       Ask   []                            Presence    M;
    // 9.6 IM
    SendMessageRequest             "SendMessageRequest"               Ask   [SendMessageResponse]         Im          B;
    SendMessageResponse            "SendMessageResponse"              Reply []                            Im          B;
    DeliveryStatusReport           "DeliveryStatusReport"             Tell  []                            Im          B;
    NewMessage                     "NewMessage"                       Ask   [MessageDelivered]            Im          M;
    MessageDelivered               "MessageDelivered"                 Tell  []                            Im          M;
    MessageNotification            "MessageNotification"              Ask   []                            Im          M;
    GetMessageListRequest          "GetMessageListRequest"            Ask   [GetMessageListResponse]      Im          M;
    GetMessageListResponse         "GetMessageListResponse"           Reply []                            Im          M;
    GetMessageRequest              "GetMessageRequest"                Ask   [GetMessageResponse]          Im          M;
    GetMessageResponse             "GetMessageResponse"               Reply []                            Im          M;
    RejectMessageRequest           "RejectMessageRequest"             Ask   []                            Im          M;
    ForwardMessageRequest          "ForwardMessageRequest"            Ask   []                            Im          M;
    SetMessageDeliveryMethodRequest "SetMessageDeliveryMethodRequest" Ask   []                            Im          M;
    GetBlockedListRequest          "GetBlockedListRequest"            Ask   [GetBlockedListResponse]      Im          M;
    GetBlockedListResponse         "GetBlockedListResponse"           Reply []                            Im          M;
    BlockEntityRequest             "BlockEntityRequest"               Ask   []                            Im          M;
    // 9.7 groups
    CreateGroupRequest             "CreateGroupRequest"               Ask   []                            Group       M;
    DeleteGroupRequest             "DeleteGroupRequest"               Ask   []                            Group       B;
    JoinGroupRequest               "JoinGroupRequest"                 Ask   [JoinGroupResponse]           Group       B;
    JoinGroupResponse              "JoinGroupResponse"                Reply []                            Group       B;
    LeaveGroupRequest              "LeaveGroupRequest"                Ask   [LeaveGroupIndication]        Group       B;
    LeaveGroupIndication           "LeaveGroupIndication"             Tell  []                            Group       B;
    GetGroupMemberRequest          "GetGroupMemberRequest"            Ask   [GetGroupMemberResponse]      Group       B;
    GetGroupMemberResponse         "GetGroupMemberResponse"           Reply []                            Group       B;
    GetJoinedUsersRequest          "GetJoinedUsersRequest"            Ask   [GetJoinedUsersResponse]      Group       B;
    GetJoinedUsersResponse         "GetJoinedUsersResponse"           Reply []                            Group       B;
    AddGroupMemberRequest          "AddGroupMemberRequest"            Ask   []                            Group       B;
    RemoveGroupMemberRequest       "RemoveGroupMemberRequest"         Ask   []                            Group       B;
    MemberAccessRequest            "MemberAccessRequest"              Ask   []                            Group       B;
    GetGroupPropsRequest           "GetGroupPropsRequest"             Ask   [GetGroupPropsResponse]       Group       B;
    GetGroupPropsResponse          "GetGroupPropsResponse"            Reply []                            Group       B;
    SetGroupPropsRequest           "SetGroupPropsRequest"             Ask   []                            Group       B;
    RejectListRequest              "RejectListRequest"                Ask   [RejectListResponse]          Group       B;
    RejectListResponse             "RejectListResponse"               Reply []                            Group       B;
    SubscribeGroupChangeRequest    "SubscribeGroupChangeRequest"      Ask   []                            Group       B;
    UnsubscribeGroupChangeRequest  "UnsubscribeGroupChangeRequest"    Ask   []                            Group       B;
    GetGroupSubStatusRequest       "GetGroupSubStatusRequest"         Ask   [GetGroupSubStatusResponse]   Group       B;
    GetGroupSubStatusResponse      "GetGroupSubStatusResponse"        Reply []                            Group       B;
    GroupChangeNotice              "GroupChangeNotice"                Tell  []                            Group       B;
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Primitive {
    /// Who asks, if the primitive says it.
    pub fn meta(&self) -> Option<&MetaInfo> {
        self.about().meta()
    }

    /// The same, to be changed on the way through a relay.
    pub fn meta_mut(&mut self) -> Option<&mut MetaInfo> {
        self.about_mut().meta_mut()
    }

    /// The service that must be agreed on for this one: shared content and messages to groups look like something
    /// else (SSP 9.8, 13.2).
    pub fn service(&self) -> Option<Service> {
        let is_for_group = |recipient: &Recipient| !recipient.groups.is_empty();
        let is_of_group = |info: &MessageInfo| matches!(info.sender, Some(Sender::Group(_)));
        match self {
            Self::InviteRequest(invite) if invite.invite_type == InviteType::Content => Some(Service::Content),
            Self::CancelInviteRequest(cancel) if cancel.contents.is_some() => Some(Service::Content),
            Self::SendMessageRequest(send) if is_for_group(&send.info.recipient) || send.is_from_group() => {
                Some(Service::Group)
            }
            Self::NewMessage(it) if is_of_group(&it.info) => Some(Service::Group),
            Self::MessageNotification(it) if is_of_group(&it.info) => Some(Service::Group),
            // Whether there is such a group is known by who has the groups.
            Self::VerifyIdRequest(it) if it.user_ids.is_empty() && it.domains.is_empty() => Some(Service::Group),
            _ => self.name().row().service,
        }
    }

    /// How it went, if it is an answer. One without a Status means success (SSP 17).
    pub fn outcome(&self) -> Option<&Status> {
        match self {
            Self::Status(status) => Some(status),
            Self::KeepAliveResponse(it) => Some(&it.status),
            Self::GetServiceListResponse(it) => Some(&it.status),
            Self::SetServiceAgreementResponse(it) => Some(&it.status),
            Self::GetUserProfileResponse(it) => Some(&it.status),
            Self::SearchResponse(it) => Some(&it.status),
            Self::GetPublicProfileResponse(it) => Some(&it.status),
            Self::GetSpInfoResponse(it) => Some(&it.status),
            Self::GetListResponse(it) => Some(&it.status),
            Self::ListManageResponse(it) => Some(&it.status),
            Self::GetAttributeListResponse(it) => Some(&it.status),
            Self::GetPresenceResponse(it) => it.status.as_ref(),
            Self::GetWatcherListResponse(it) => Some(&it.status),
            Self::SendMessageResponse(it) => Some(&it.status),
            Self::MessageDelivered(it) => it.status.as_ref(),
            Self::GetMessageListResponse(it) => Some(&it.status),
            Self::GetMessageResponse(it) => Some(&it.status),
            Self::GetBlockedListResponse(it) => Some(&it.status),
            Self::JoinGroupResponse(it) => Some(&it.status),
            Self::LeaveGroupIndication(it) => it.status.as_ref(),
            Self::GetGroupMemberResponse(it) => Some(&it.status),
            Self::GetJoinedUsersResponse(it) => Some(&it.status),
            Self::GetGroupPropsResponse(it) => Some(&it.status),
            Self::RejectListResponse(it) => Some(&it.status),
            Self::GetGroupSubStatusResponse(it) => Some(&it.status),
            _ => None,
        }
    }

    /// How many parties it is for: what a peer's limit counts (SSP 15.7).
    pub fn recipients(&self) -> usize {
        let of = |info: &MessageInfo| info.recipient.users.len() + info.recipient.groups.len();
        match self {
            Self::SendMessageRequest(it) => of(&it.info),
            Self::NewMessage(it) => of(&it.info),
            Self::MessageNotification(it) => of(&it.info),
            Self::SubscribeRequest(it) => it.user_ids.len(),
            Self::UnsubscribeRequest(it) => it.user_ids.len(),
            Self::GetPresenceRequest(it) => it.user_ids.len(),
            Self::PresenceNotification(it) => it.users.len().max(it.values.len()),
            Self::GroupChangeNotice(it) => it.users.len(),
            Self::AddGroupMemberRequest(it) => it.user_ids.len(),
            Self::RemoveGroupMemberRequest(it) => it.user_ids.len(),
            Self::VerifyIdRequest(it) => {
                it.user_ids.len() + it.group_ids.len() + it.screen_names.len() + it.domains.len()
            }
            _ => 1,
        }
    }

    /// Every address that the sender speaks *for*, those of MetaInfo apart (SSP 15, rule 2).
    pub fn spoken_for(&self) -> Vec<&Address> {
        let mut addresses = Vec::new();
        match self {
            Self::SendMessageRequest(it) => addresses.extend(sender_of(&it.info)),
            Self::NewMessage(it) => addresses.extend(sender_of(&it.info)),
            Self::MessageNotification(it) => addresses.extend(sender_of(&it.info)),
            Self::DeliveryStatusReport(it) => {
                addresses.extend(it.info.recipient.users.iter().map(|user| &user.user_id))
            }
            Self::InviteRequest(it) => addresses.push(it.inviting.address()),
            Self::InviteResponse(it) => addresses.extend(it.responding.as_ref().map(Party::address)),
            Self::CancelInviteRequest(it) => addresses.push(it.canceling.address()),
            Self::PresenceNotification(it) => addresses.extend(it.values.iter().map(|value| &value.user_id)),
            Self::GroupChangeNotice(it) => addresses.push(&it.group_id),
            Self::LeaveGroupIndication(it) => addresses.push(&it.group_id),
            Self::UpdateUserProfileRequest(it) => addresses.push(&it.profile.user_id),
            _ => {}
        }
        addresses
    }

    /// Every address that the sender speaks *to*, or about (SSP 15, rule 3): what must be of a domain that the receiver
    /// serves.
    pub fn spoken_to(&self) -> Vec<&Address> {
        let mut addresses = Vec::new();
        match self {
            Self::SendMessageRequest(it) => {
                recipients_of(&it.info, it.is_from_group(), &mut addresses);
            }
            Self::NewMessage(it) => recipients_of(&it.info, true, &mut addresses),
            Self::MessageNotification(it) => recipients_of(&it.info, true, &mut addresses),
            Self::InviteRequest(it) => addresses.push(it.invited.address()),
            Self::CancelInviteRequest(it) => addresses.push(it.canceled.address()),
            Self::SubscribeRequest(it) => addresses.extend(&it.user_ids),
            Self::UnsubscribeRequest(it) => addresses.extend(&it.user_ids),
            Self::GetPresenceRequest(it) => addresses.extend(&it.user_ids),
            Self::PresenceNotification(it) => addresses.extend(it.users.iter().map(|user| &user.user_id)),
            Self::GroupChangeNotice(it) => addresses.extend(it.users.iter().map(|user| &user.user_id)),
            Self::GetUserProfileRequest(it) => addresses.push(&it.user_id),
            Self::AuthorizationRequest(it) => addresses.extend(&it.publisher),
            Self::GetPublicProfileRequest(it) => addresses.extend(&it.body.user_ids),
            _ => addresses.extend(self.group()),
        }
        addresses
    }

    /// The group that a request of a user is about.
    fn group(&self) -> Option<&Address> {
        match self {
            Self::CreateGroupRequest(it) => Some(&it.group_id),
            Self::DeleteGroupRequest(it) => Some(&it.group_id),
            Self::JoinGroupRequest(it) => Some(&it.group_id),
            Self::LeaveGroupRequest(it) => Some(&it.group_id),
            Self::GetGroupMemberRequest(it) => Some(&it.group_id),
            Self::GetJoinedUsersRequest(it) => Some(&it.group_id),
            Self::AddGroupMemberRequest(it) => Some(&it.group_id),
            Self::RemoveGroupMemberRequest(it) => Some(&it.group_id),
            Self::MemberAccessRequest(it) => Some(&it.group_id),
            Self::GetGroupPropsRequest(it) => Some(&it.group_id),
            Self::SetGroupPropsRequest(it) => Some(&it.group_id),
            Self::RejectListRequest(it) => Some(&it.group_id),
            Self::SubscribeGroupChangeRequest(it) => Some(&it.group_id),
            Self::UnsubscribeGroupChangeRequest(it) => Some(&it.group_id),
            Self::GetGroupSubStatusRequest(it) => Some(&it.group_id),
            _ => None,
        }
    }
}

fn sender_of(info: &MessageInfo) -> Option<&Address> {
    match info.sender.as_ref()? {
        Sender::User(user) => Some(&user.user_id),
        Sender::Group(group) => Some(address_of(group)),
    }
}

fn address_of(group: &Group) -> &Address {
    match group {
        Group::Id(id) => id,
        Group::ScreenName(name) => &name.group_id,
    }
}

/// `told`: a group says it. What a user is called in the group that speaks to him is no address besides his own.
fn recipients_of<'a>(info: &'a MessageInfo, told: bool, addresses: &mut Vec<&'a Address>) {
    let Recipient { users, groups, .. } = &info.recipient;
    addresses.extend(users.iter().map(|user| &user.user_id));
    let is_own_name = |group: &&Group| told && !users.is_empty() && super::is_name_beside_sender(info, group);
    addresses.extend(groups.iter().filter(|group| !is_own_name(group)).map(address_of));
}

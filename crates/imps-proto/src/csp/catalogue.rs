//! Every transaction of CSP 1.1 to 1.3, one row each. CSP, Appendix B.
//!
//! From the rows come [`Request`] and its relatives, and [`client_transactions!`](crate::client_transactions), with which
//! the face makes its dispatch: a row without its handler does not compile there.

use super::*;
use crate::element::Element;
use crate::grammar::{Decode, Primitive};
use crate::wire::{DecodeError, Reader, Tag, Writer};
use imps_types::Version;
use imps_types::service_tree::Function;
use std::sync::LazyLock;

/// Who begins a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initiator {
    /// The client.
    Client,
    /// The server.
    Server,
    /// Either.
    Both,
}

/// Where a client may begin a transaction. CSP 3, "SessionType".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Only inside a session.
    Inband,
    /// Only outside: it opens one, or needs none.
    Outband,
    /// Inside or outside.
    Either,
}

/// A transaction.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The primitive that begins it.
    pub request: Element,
    /// What it may be answered by. None: it is not answered.
    pub responses: &'static [Element],
    /// Who begins it.
    pub initiator: Initiator,
    /// Where.
    pub place: Place,
    /// The first version that has it.
    pub since: Version,
    /// The last version that has it.
    pub until: Version,
    /// The function by which 506 is decided. None: it is part of every session.
    pub function: Option<Function>,
    /// Whether the same request, come twice, must be carried out once only (CSP 15.1).
    pub once: bool,
    /// Whether this server has it; else it answers 501.
    pub built: bool,
}

macro_rules! function {
    (-) => {
        None
    };
    ($function:ident) => {
        Some(Function::$function)
    };
}

macro_rules! row {
    ($initiator:ident $built:literal
     $request:ident [$($response:ident)*] $place:ident $since:ident $until:ident $function:tt $once:ident) => {
        Row {
            request: Element::$request,
            responses: &[$(Element::$response),*],
            initiator: Initiator::$initiator,
            place: Place::$place,
            since: Version::$since,
            until: Version::$until,
            function: function!($function),
            once: row!(@$once),
            built: $built,
        }
    };
    (@once) => { true };
    (@again) => { false };
}

/// An enumeration of primitives: read by element, written as what it is.
macro_rules! one_of {
    ($(#[$doc:meta])* $name:ident {
        $($variant:ident $module:ident $type:ident $element:ident;)*
    } $($(#[$other_doc:meta])* $other:ident $(($inner:ty))?),*) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "there is one, for the time of one transaction")]
        pub enum $name {
            $(#[doc = concat!("[`", stringify!($type), "`]")] $variant($type),)*
            $($(#[$other_doc])* $other $(($inner))?,)*
        }

        impl $name {
            /// Reads the primitive whose start was taken, through its end. `None`, and nothing read, when it is none of
            /// these.
            pub fn decode_as(element: Element, reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
                $(if element == Element::$element {
                    return Ok(Some(Self::$variant($type::decode(reader)?)));
                })*
                Ok(None)
            }
        }

        $(impl From<$type> for $name {
            fn from(primitive: $type) -> Self {
                Self::$variant(primitive)
            }
        })*
    };
}

macro_rules! writes {
    ($name:ident { $($variant:ident $module:ident $type:ident $element:ident;)* }) => {
        impl $name {
            /// The primitive's element.
            pub fn element(&self) -> Element {
                match self {
                    $(Self::$variant(_) => Element::$element,)*
                }
            }

            /// Writes it.
            pub fn write(&self, writer: &mut dyn Writer) {
                match self {
                    $(Self::$variant(primitive) => primitive.write(writer),)*
                }
            }
        }
    };
}

macro_rules! catalogue {
    (
        $dollar:tt
        client { $(
            $variant:ident $module:ident $type:ident
            $request:ident $responses:tt $place:ident $since:ident $until:ident $function:tt $once:ident;
        )* }
        both { $(
            $b_variant:ident $b_module:ident $b_type:ident
            $b_request:ident $b_responses:tt $b_since:ident $b_until:ident $b_function:tt $b_once:ident;
        )* }
        client_unbuilt { $(
            $u_request:ident $u_responses:tt $u_by:ident $u_since:ident $u_until:ident $u_function:tt $u_once:ident;
        )* }
        server { $(
            $s_variant:ident $s_module:ident $s_type:ident
            $s_request:ident $s_responses:tt $s_since:ident $s_until:ident $s_function:tt;
        )* }
        server_unbuilt { $(
            $v_request:ident $v_responses:tt $v_since:ident $v_until:ident $v_function:tt;
        )* }
        responses { $($r_variant:ident $r_module:ident $r_type:ident $r_element:ident;)* }
        answers { $($a_variant:ident $a_module:ident $a_type:ident $a_element:ident;)* }
    ) => {
        /// The catalogue.
        pub const CATALOGUE: &[Row] = &[
            $(row!(Client true $request $responses $place $since $until $function $once),)*
            $(row!(Both true $b_request $b_responses Inband $b_since $b_until $b_function $b_once),)*
            $(row!($u_by false $u_request $u_responses Inband $u_since $u_until $u_function $u_once),)*
            $(row!(Server true $s_request $s_responses Inband $s_since $s_until $s_function again),)*
            $(row!(Server false $v_request $v_responses Inband $v_since $v_until $v_function again),)*
        ];

        one_of! {
            /// What a client asks for.
            Request { $($variant $module $type $request;)* $($b_variant $b_module $b_type $b_request;)* }
            /// Part of CSP, but not of this server: Status 501.
            Unbuilt(Element),
            /// No primitive of CSP: Status 501 too.
            Unknown
        }

        impl Request {
            /// The primitive's element; `None` for [`Request::Unknown`].
            pub fn element(&self) -> Option<Element> {
                match self {
                    $(Self::$variant(_) => Some(Element::$request),)*
                    $(Self::$b_variant(_) => Some(Element::$b_request),)*
                    Self::Unbuilt(element) => Some(*element),
                    Self::Unknown => None,
                }
            }

            /// Writes it, as a client does. What is not built has nothing to be written.
            pub fn write(&self, writer: &mut dyn Writer) {
                match self {
                    $(Self::$variant(primitive) => primitive.write(writer),)*
                    $(Self::$b_variant(primitive) => primitive.write(writer),)*
                    Self::Unbuilt(element) => writer.empty(*element),
                    Self::Unknown => {}
                }
            }
        }

        one_of! {
            /// What the server asks of a client.
            ServerRequest { $($s_variant $s_module $s_type $s_request;)* $($b_variant $b_module $b_type $b_request;)* }
        }
        writes! {
            ServerRequest { $($s_variant $s_module $s_type $s_request;)* $($b_variant $b_module $b_type $b_request;)* }
        }

        one_of! {
            /// What the server answers to a client.
            Response { $($r_variant $r_module $r_type $r_element;)* }
        }
        writes! { Response { $($r_variant $r_module $r_type $r_element;)* } }

        one_of! {
            /// What a client answers to the server.
            Answer { $($a_variant $a_module $a_type $a_element;)* }
        }
        writes! { Answer { $($a_variant $a_module $a_type $a_element;)* } }

        /// Calls the macro named in it with a row `Variant module Type;` for each transaction that clients begin and this
        /// server has: the variant of [`Request`](crate::csp::Request), the module in [`csp`](crate::csp), and the type
        /// of the primitive. What stands before the rows in the call comes before them:
        /// `client_transactions!(dispatch! { request, session })` becomes `dispatch! { request, session; rows }`.
        #[macro_export]
        macro_rules! client_transactions {
            ($dollar callback:ident ! { $dollar ($dollar arguments:tt)* }) => {
                $dollar callback! {
                    $dollar ($dollar arguments)* ; $($variant $module $type;)* $($b_variant $b_module $b_type;)*
                }
            };
            ($dollar callback:ident) => {
                $dollar callback! { $($variant $module $type;)* $($b_variant $b_module $b_type;)* }
            };
        }
    };
}

catalogue! { $
    client {
        // variant             module                primitive                    request                      responses                           where   since until function repeat
        VersionDiscovery       version_discovery     VersionDiscoveryRequest      WvCspVersionDiscoveryRequest [WvCspVersionDiscoveryResponse]     Outband V1_2 V1_3 -     again;
        Login                  login                 LoginRequest                 LoginRequest                 [LoginResponse Status]              Outband V1_1 V1_3 -     again;
        Logout                 logout                LogoutRequest                LogoutRequest                [Disconnect Status]                 Inband  V1_1 V1_3 -     again;
        KeepAlive              keep_alive            KeepAliveRequest             KeepAliveRequest             [KeepAliveResponse Status]          Inband  V1_1 V1_3 -     again;
        Polling                polling               PollingRequest               PollingRequest               []                                  Inband  V1_1 V1_3 -     again;
        GetSpInfo              get_sp_info           GetSpInfoRequest             GetSpInfoRequest             [GetSpInfoResponse Status]          Either  V1_1 V1_3 GetSpi again;
        Service                service               ServiceRequest               ServiceRequest               [ServiceResponse Status]            Inband  V1_1 V1_3 -     again;
        ClientCapability       client_capability     ClientCapabilityRequest      ClientCapabilityRequest      [ClientCapabilityResponse Status]   Inband  V1_1 V1_3 -     again;
        SystemMessageUser      system_message_user   SystemMessageUser            SystemMessageUser            [Status]                            Inband  V1_3 V1_3 -     once;
        SubscribeNotification  subscribe_notification SubscribeNotificationRequest SubscribeNotificationRequest [Status]                           Inband  V1_3 V1_3 -     once;
        UnsubscribeNotification unsubscribe_notification UnsubscribeNotificationRequest UnsubscribeNotificationRequest [Status]                    Inband  V1_3 V1_3 -     once;
        Search                 search                SearchRequest                SearchRequest                [SearchResponse Status]             Inband  V1_1 V1_3 Srch  once;
        StopSearch             stop_search           StopSearchRequest            StopSearchRequest            [Status]                            Inband  V1_1 V1_3 StSrc once;
        Invite                 invite                InviteRequest                InviteRequest                [Status]                            Inband  V1_1 V1_3 Invit once;
        InviteUserResponse     invite_user_response  InviteUserResponse           InviteUserResponse           [Status]                            Inband  V1_1 V1_3 Invit once;
        CancelInvite           cancel_invite         CancelInviteRequest          CancelInviteRequest          [Status]                            Inband  V1_1 V1_3 CaInv once;
        VerifyId               verify_id             VerifyIdRequest              VerifyIdRequest              [Status]                            Inband  V1_2 V1_3 Vrid  again;
        GetMap                 get_map               GetMapRequest                GetMapRequest                [GetMapResponse Status]             Inband  V1_3 V1_3 GetMap again;
        GetPublicProfile       get_public_profile    GetPublicProfileRequest      GetPublicProfileRequest      [GetPublicProfileResponse Status]   Inband  V1_3 V1_3 -     again;
        UpdatePublicProfile    update_public_profile UpdatePublicProfileRequest   UpdatePublicProfileRequest   [Status]                            Inband  V1_3 V1_3 -     once;
        GetList                get_list              GetListRequest               GetListRequest               [GetListResponse Status]            Inband  V1_1 V1_3 Gcli  again;
        CreateList             create_list           CreateListRequest            CreateListRequest            [Status CreateListResponse]         Inband  V1_1 V1_3 Ccli  once;
        DeleteList             delete_list           DeleteListRequest            DeleteListRequest            [Status]                            Inband  V1_1 V1_3 Dcli  once;
        ListManage             list_manage           ListManageRequest            ListManageRequest            [ListManageResponse Status]         Inband  V1_1 V1_3 Mcls  once;
        CreateAttributeList    create_attribute_list CreateAttributeListRequest   CreateAttributeListRequest   [Status]                            Inband  V1_1 V1_3 Cali  once;
        DeleteAttributeList    delete_attribute_list DeleteAttributeListRequest   DeleteAttributeListRequest   [Status]                            Inband  V1_1 V1_3 Dali  once;
        GetAttributeList       get_attribute_list    GetAttributeListRequest      GetAttributeListRequest      [GetAttributeListResponse Status]   Inband  V1_1 V1_3 Gals  again;
        SubscribePresence      subscribe_presence    SubscribePresenceRequest     SubscribePresenceRequest     [Status]                            Inband  V1_1 V1_3 Mp    once;
        UnsubscribePresence    unsubscribe_presence  UnsubscribePresenceRequest   UnsubscribePresenceRequest   [Status]                            Inband  V1_1 V1_3 Mp    once;
        GetPresence            get_presence          GetPresenceRequest           GetPresenceRequest           [GetPresenceResponse Status]        Inband  V1_1 V1_3 GetPr again;
        UpdatePresence         update_presence       UpdatePresenceRequest        UpdatePresenceRequest        [Status]                            Inband  V1_1 V1_3 UpdPr once;
        GetWatcherList         get_watcher_list      GetWatcherListRequest        GetWatcherListRequest        [GetWatcherListResponse Status]     Inband  V1_1 V1_3 GetWl again;
        PresenceAuthUser       presence_auth_user    PresenceAuthUser             PresenceAuthUser             [Status]                            Inband  V1_1 V1_2 React once;
        CancelAuth             cancel_auth           CancelAuthRequest            CancelAuthRequest            [Status]                            Inband  V1_1 V1_2 CaAut once;
        GetReactiveAuthStatus  get_reactive_auth_status GetReactiveAuthStatusRequest GetReactiveAuthStatusRequest [GetReactiveAuthStatusResponse Status] Inband V1_2 V1_2 GetAut again;
        SendMessage            send_message          SendMessageRequest           SendMessageRequest           [SendMessageResponse Status]        Inband  V1_1 V1_3 Mm    once;
        SetDeliveryMethod      set_delivery_method   SetDeliveryMethodRequest     SetDeliveryMethodRequest     [Status]                            Inband  V1_1 V1_3 Setd  once;
        GetMessageList         get_message_list      GetMessageListRequest        GetMessageListRequest        [GetMessageListResponse Status]     Inband  V1_1 V1_3 GetLm again;
        RejectMessage          reject_message        RejectMessageRequest         RejectMessageRequest         [Status]                            Inband  V1_1 V1_3 Rejcm once;
        GetMessage             get_message           GetMessageRequest            GetMessageRequest            [GetMessageResponse Status]         Inband  V1_1 V1_3 GetM  again;
        MessageDelivered       message_delivered     MessageDelivered             MessageDelivered             [Status]                            Inband  V1_1 V1_3 Mm    once;
        ForwardMessage         forward_message       ForwardMessageRequest        ForwardMessageRequest        [Status ForwardMessageResponse]     Inband  V1_1 V1_3 FwMsg once;
        GetBlockedList         get_blocked_list      GetBlockedListRequest        GetBlockedListRequest        [GetBlockedListResponse Status]     Inband  V1_1 V1_3 Glblu again;
        BlockEntity            block_entity          BlockEntityRequest           BlockEntityRequest           [Status]                            Inband  V1_1 V1_3 Blent once;
        CreateGroup            create_group          CreateGroupRequest           CreateGroupRequest           [Status]                            Inband  V1_1 V1_3 Creag once;
        DeleteGroup            delete_group          DeleteGroupRequest           DeleteGroupRequest           [Status]                            Inband  V1_1 V1_3 Delgr once;
        JoinGroup              join_group            JoinGroupRequest             JoinGroupRequest             [JoinGroupResponse Status]          Inband  V1_1 V1_3 Mg    once;
        LeaveGroup             leave_group           LeaveGroupRequest            LeaveGroupRequest            [LeaveGroupResponse Status]         Inband  V1_1 V1_3 Mg    once;
        GetGroupMembers        get_group_members     GetGroupMembersRequest       GetGroupMembersRequest       [GetGroupMembersResponse Status]    Inband  V1_1 V1_3 GetGm again;
        GetJoinedUsers         get_joined_users      GetJoinedUsersRequest        GetJoinedUsersRequest        [GetJoinedUsersResponse Status]     Inband  V1_2 V1_3 GetJu again;
        AddGroupMembers        add_group_members     AddGroupMembersRequest       AddGroupMembersRequest       [Status]                            Inband  V1_1 V1_3 AddGm once;
        RemoveGroupMembers     remove_group_members  RemoveGroupMembersRequest    RemoveGroupMembersRequest    [Status]                            Inband  V1_1 V1_3 RmvGm once;
        MemberAccess           member_access         MemberAccessRequest          MemberAccessRequest          [Status]                            Inband  V1_1 V1_3 Mbrac once;
        GetGroupProps          get_group_props       GetGroupPropsRequest         GetGroupPropsRequest         [GetGroupPropsResponse Status]      Inband  V1_1 V1_3 GetGp again;
        SetGroupProps          set_group_props       SetGroupPropsRequest         SetGroupPropsRequest         [Status]                            Inband  V1_1 V1_3 SetGp once;
        RejectList             reject_list           RejectListRequest            RejectListRequest            [RejectListResponse Status]         Inband  V1_1 V1_3 Rejec once;
        SubscribeGroupNotice   subscribe_group_notice SubscribeGroupNoticeRequest  SubscribeGroupNoticeRequest  [SubscribeGroupNoticeResponse Status] Inband  V1_1 V1_3 SubGcn once;
        ExtendConversation     extend_conversation   ExtendConversationRequest    ExtendConversationRequest    [ExtendConversationResponse Status] Inband  V1_3 V1_3 Excon once;
    }
    both {
        // variant             module                primitive                    request                      responses                           since until function repeat
        GetSegment             get_segment           GetSegmentRequest            GetSegmentRequest            [GetSegmentResponse Status]         V1_3 V1_3 Sgmnt again;
        DropSegment            drop_segment          DropSegmentRequest           DropSegmentRequest           [Status]                            V1_3 V1_3 Sgmnt again;
    }
    client_unbuilt {
        // request                      responses                                by     since until function repeat
    }
    server {
        // variant             module                primitive                    request                      responses                since until function
        Disconnect             disconnect            Disconnect                   Disconnect                   []                        V1_1 V1_3 -;
        SystemMessage          system_message        SystemMessageRequest         SystemMessageRequest         [Status]                  V1_3 V1_3 -;
        Notification           notification          NotificationRequest          NotificationRequest          [Status]                  V1_3 V1_3 -;
        InviteUser             invite_user_request   InviteUserRequest            InviteUserRequest            [Status]                 V1_1 V1_3 Invit;
        Invite                 invite_response       InviteResponse               InviteResponse               [Status]                 V1_1 V1_3 Invit;
        CancelInviteUser       cancel_invite_user    CancelInviteUserRequest      CancelInviteUserRequest      [Status]                 V1_1 V1_3 CaInv;
        PresenceNotification   presence_notification PresenceNotificationRequest  PresenceNotificationRequest  [Status]                  V1_1 V1_3 Mp;
        PresenceAuthRequest    presence_auth_request PresenceAuthRequest          PresenceAuthRequest          [Status]                  V1_1 V1_2 React;
        NewMessage             new_message           NewMessage                   NewMessage                   [MessageDelivered Status] V1_1 V1_3 NewM;
        MessageNotification    message_notification  MessageNotification          MessageNotification          [Status]                  V1_1 V1_3 Notif;
        DeliveryReport         delivery_report       DeliveryReportRequest        DeliveryReportRequest        [Status]                  V1_1 V1_3 Mdeliv;
        ForcedLeave            leave_group           LeaveGroupResponse           LeaveGroupResponse           [Status]                  V1_1 V1_3 Mg;
        GroupChange            group_change_notice   GroupChangeNotice            GroupChangeNotice            [Status]                  V1_1 V1_3 Grchn;
    }
    server_unbuilt {
        // request                      responses                                since until function
    }
    responses {
        Status                 status                StatusPrimitive              Status;
        Disconnect             disconnect            Disconnect                   Disconnect;
        VersionDiscovery       version_discovery     VersionDiscoveryResponse     WvCspVersionDiscoveryResponse;
        Login                  login                 LoginResponse                LoginResponse;
        KeepAlive              keep_alive            KeepAliveResponse            KeepAliveResponse;
        GetSpInfo              get_sp_info           GetSpInfoResponse            GetSpInfoResponse;
        Service                service               ServiceResponse              ServiceResponse;
        ClientCapability       client_capability     ClientCapabilityResponse     ClientCapabilityResponse;
        GetSegment             get_segment           GetSegmentResponse           GetSegmentResponse;
        Search                 search                SearchResponse               SearchResponse;
        GetMap                 get_map               GetMapResponse               GetMapResponse;
        GetPublicProfile       get_public_profile    GetPublicProfileResponse     GetPublicProfileResponse;
        GetList                get_list              GetListResponse              GetListResponse;
        CreateList             create_list           CreateListResponse           CreateListResponse;
        ListManage             list_manage           ListManageResponse           ListManageResponse;
        GetAttributeList       get_attribute_list    GetAttributeListResponse     GetAttributeListResponse;
        GetPresence            get_presence          GetPresenceResponse          GetPresenceResponse;
        GetWatcherList         get_watcher_list      GetWatcherListResponse       GetWatcherListResponse;
        GetReactiveAuthStatus  get_reactive_auth_status GetReactiveAuthStatusResponse GetReactiveAuthStatusResponse;
        SendMessage            send_message          SendMessageResponse          SendMessageResponse;
        GetMessageList         get_message_list      GetMessageListResponse       GetMessageListResponse;
        GetMessage             get_message           GetMessageResponse           GetMessageResponse;
        ForwardMessage         forward_message       ForwardMessageResponse       ForwardMessageResponse;
        GetBlockedList         get_blocked_list      GetBlockedListResponse       GetBlockedListResponse;
        JoinGroup              join_group            JoinGroupResponse            JoinGroupResponse;
        LeaveGroup             leave_group           LeaveGroupResponse           LeaveGroupResponse;
        GetGroupMembers        get_group_members     GetGroupMembersResponse      GetGroupMembersResponse;
        GetJoinedUsers         get_joined_users      GetJoinedUsersResponse       GetJoinedUsersResponse;
        GetGroupProps          get_group_props       GetGroupPropsResponse        GetGroupPropsResponse;
        RejectList             reject_list           RejectListResponse           RejectListResponse;
        SubscribeGroupNotice   subscribe_group_notice SubscribeGroupNoticeResponse SubscribeGroupNoticeResponse;
        ExtendConversation     extend_conversation   ExtendConversationResponse   ExtendConversationResponse;
    }
    answers {
        Status                 status                StatusPrimitive              Status;
        MessageDelivered       message_delivered     MessageDelivered             MessageDelivered;
        InviteUserResponse     invite_user_response  InviteUserResponse           InviteUserResponse;
        GetSegment             get_segment           GetSegmentResponse           GetSegmentResponse;
    }
}

/// By the element's number: where its row is, among those that clients begin and those that the server begins.
static INDEX: LazyLock<[Vec<Option<u8>>; 2]> = LazyLock::new(|| {
    let mut index = [vec![None; Element::ALL.len()], vec![None; Element::ALL.len()]];
    for (number, row) in CATALOGUE.iter().enumerate() {
        for (side, by_server) in index.iter_mut().zip([false, true]) {
            let other = if by_server { Initiator::Client } else { Initiator::Server };
            if row.initiator != other
                && let Some(place) = side.get_mut(row.request as usize)
            {
                *place = u8::try_from(number).ok();
            }
        }
    }
    index
});

impl Row {
    /// The transaction that a client begins with this primitive.
    pub fn of_client(request: Element) -> Option<&'static Self> {
        Self::find(&INDEX[0], request)
    }

    /// The transaction that the server begins with this primitive.
    pub fn of_server(request: Element) -> Option<&'static Self> {
        Self::find(&INDEX[1], request)
    }

    fn find(index: &[Option<u8>], request: Element) -> Option<&'static Self> {
        let number = index.get(request as usize).copied().flatten()?;
        CATALOGUE.get(usize::from(number))
    }

    /// Whether a version has it.
    pub fn is_in(&self, version: Version) -> bool {
        self.since <= version && version <= self.until
    }
}

impl Request {
    /// Reads the primitive whose start was taken, through its end; what is not built is skipped.
    pub fn decode(tag: Tag<'_>, reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let Some(element) = tag.known() else {
            reader.skip()?;
            return Ok(Self::Unknown);
        };
        match Self::decode_as(element, reader)? {
            Some(request) => Ok(request),
            None => {
                reader.skip()?;
                Ok(Self::Unbuilt(element))
            }
        }
    }

    /// Its row; `None` for what no client begins.
    pub fn row(&self) -> Option<&'static Row> {
        Row::of_client(self.element()?)
    }
}

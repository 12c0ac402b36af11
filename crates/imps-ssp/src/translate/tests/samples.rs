//! One request of each kind that domains have too, with an answer; as they are after a journey.

use imps_proto::csp::*;
use imps_proto::elements::{JoinedUsers, Listed, Message, UserMapList};
use imps_types::element::{
    AccessList, AccessLists, AdminMapList, Content, DeliveryMethod, EntityList, Group, GroupProperties, IdList,
    InviteType, Mapping, MessageInfo, NickEntry, Property, PublicProfile, Recipient, ResultInfo, ScreenName,
    SearchPair, SearchResult, Sender, SubscribeType, User, UserList, Watcher, WatcherStatus, WelcomeNote,
};
use imps_types::presence::{Attribute, PresenceAttribute, PresenceInfo, PresenceSubList};
use imps_types::{Address, ClientId, Status};

const GROUP: &str = "wv:bob/cars@b.example";

fn address(text: &str) -> Address {
    Address::new(text)
}

fn users(names: &[&str]) -> Vec<User> {
    names.iter().map(|name| User::of(*name)).collect()
}

fn addresses(names: &[&str]) -> Vec<Address> {
    names.iter().map(|name| address(name)).collect()
}

fn name(text: &str) -> ScreenName {
    ScreenName { name: text.into(), group_id: address(GROUP) }
}

fn user_list(names: &[&str]) -> UserList {
    UserList { users: users(names), screen_names: Vec::new() }
}

fn names() -> PresenceSubList {
    let names = [Attribute::OnlineStatus, Attribute::StatusText].map(PresenceAttribute::name_only);
    PresenceSubList { attributes: names.into(), extensions: Vec::new() }
}

fn values() -> PresenceSubList {
    let value = PresenceAttribute::with_value(Attribute::StatusText, "in a meeting & <busy>");
    PresenceSubList { attributes: vec![value], extensions: Vec::new() }
}

fn done() -> Response {
    StatusPrimitive::of(Status::SUCCESSFUL).into()
}

fn good() -> ResultInfo {
    ResultInfo::of(Status::SUCCESSFUL)
}

fn content(text: &str) -> Content {
    Content::text(text)
}

fn properties() -> Vec<Property> {
    vec![Property::new("Name", "Cars"), Property::new("Topic", "Fast ones")]
}

fn group_properties() -> GroupProperties {
    let welcome_note = WelcomeNote { content_type: "text/plain".into(), content: content("Welcome!") };
    GroupProperties { properties: properties(), welcome_note: Some(welcome_note) }
}

fn info() -> MessageInfo {
    MessageInfo {
        content_type: Some("text/plain".into()),
        content_size: 5,
        recipient: Recipient { groups: vec![Group::Id(address(GROUP))], ..Recipient::default() },
        validity: Some(600),
        ..MessageInfo::default()
    }
}

pub(super) fn send() -> SendMessageRequest {
    SendMessageRequest { delivery_report: true, message: Message { info: info(), content: Some(content("hello")) } }
}

pub(super) fn search() -> SearchRequest {
    let pair = |element: &str, string: &str| SearchPair {
        element: element.into(),
        string: Some(string.into()),
        pair_id: None,
    };
    SearchRequest {
        pairs: vec![pair("USER_FIRST_NAME", "Bob"), pair("USER_ID", "@b.example")],
        advanced_criteria: None,
        search_limit: Some(5),
        search_id: None,
        search_index: None,
    }
}

pub(super) fn invite() -> InviteRequest {
    InviteRequest {
        invite_id: "i-5".into(),
        invite_type: InviteType::Group,
        sender: Some(Sender::User(User::of("wv:alice@a.example"))),
        recipient: Recipient::user(User::of("wv:bob@b.example")),
        application_id: Some("chess".into()),
        group_id: Some(address("wv:alice/cars@a.example")),
        presence_sub_list: Some(names()),
        urls: vec!["http://a.example/1".into(), "http://a.example/2".into()],
        invite_note: Some("Come!".into()),
        screen_name: Some(ScreenName { name: "Speedy".into(), group_id: address("wv:alice/cars@a.example") }),
        validity: Some(3600),
    }
}

pub(super) fn cancel() -> CancelInviteRequest {
    let it = invite();
    CancelInviteRequest {
        invite_id: it.invite_id,
        sender: it.sender,
        recipient: Some(it.recipient),
        invite_note: it.invite_note,
        application_id: it.application_id,
        group_id: it.group_id,
        presence_sub_list: it.presence_sub_list,
        urls: it.urls,
        screen_name: it.screen_name,
    }
}

/// All of them.
pub(super) fn all() -> Vec<(Request, Response)> {
    [common(), lists(), presence(), im(), groups(), group_lists()].concat()
}

fn common() -> Vec<(Request, Response)> {
    let verified = IdList {
        user_ids: addresses(&["wv:bob@b.example"]),
        contact_lists: Vec::new(),
        group_ids: addresses(&[GROUP]),
        screen_names: vec![name("Bo")],
        domains: vec!["b.example".into()],
    };
    let found = SearchResponse {
        search_id: None,
        search_findings: 2,
        completion_flag: true,
        search_index: None,
        search_result: Some(SearchResult::Users(addresses(&["wv:bob@b.example", "wv:bea@b.example"]))),
    };
    let profile = |user: &str| PublicProfile {
        user_id: Some(address(user)),
        properties: vec![Property::new("PP_CITY", "Turku")],
    };
    let provider = GetSpInfoResponse {
        client_id: None,
        name: "B".into(),
        logo: None,
        description: Some("The other one".into()),
        url: Some("http://b.example/".into()),
    };
    let reply = InviteUserResponse {
        invite_id: "i-5".into(),
        acceptance: false,
        sender: Some(Sender::User(User::of("wv:alice@a.example"))),
        recipient: Some(Recipient::user(User::of("wv:bob@b.example"))),
        response_note: Some("No time".into()),
        screen_name: None,
    };
    vec![
        (GetSpInfoRequest { client_id: Some(ClientId::of_url("wv:phone")) }.into(), provider.into()),
        (search().into(), found.into()),
        (StopSearchRequest { search_id: "7".into() }.into(), done()),
        (invite().into(), done()),
        (cancel().into(), done()),
        (reply.into(), done()),
        (VerifyIdRequest { id_list: verified }.into(), done()),
        (
            GetPublicProfileRequest { user_ids: addresses(&["wv:bob@b.example"]) }.into(),
            GetPublicProfileResponse { result: good(), profiles: vec![profile("wv:bob@b.example")] }.into(),
        ),
        (
            UpdatePublicProfileRequest {
                clear_public_profile: Some(true),
                public_profile: Some(PublicProfile { user_id: None, properties: properties() }),
            }
            .into(),
            done(),
        ),
    ]
}

fn lists() -> Vec<(Request, Response)> {
    let list = || address("wv:alice/friends@a.example");
    let nicks = || vec![NickEntry { name: Some("Bobby".into()), user_id: address("wv:bob@b.example") }];
    vec![
        (
            GetListRequest {}.into(),
            GetListResponse { contact_lists: vec![list()], default_contact_list: Some(list()) }.into(),
        ),
        (
            CreateListRequest { contact_list: list(), nick_list: nicks(), properties: properties() }.into(),
            CreateListResponse { contact_list: list(), properties: properties() }.into(),
        ),
        (DeleteListRequest { contact_list: list() }.into(), done()),
        (
            ListManageRequest {
                contact_list: list(),
                add_nick_list: nicks(),
                remove_nick_list: addresses(&["wv:bea@b.example"]),
                properties: properties(),
                receive_list: Some(true),
                authorize_and_grant: Some(false),
            }
            .into(),
            ListManageResponse { result: good(), nick_list: Some(nicks()), properties: properties() }.into(),
        ),
        (
            CreateAttributeListRequest {
                presence_sub_list: names(),
                user_ids: addresses(&["wv:bob@b.example"]),
                contact_lists: vec![list()],
                default_list: true,
                default_notify: Some(true),
                user_notify: None,
                contact_list_notify: None,
            }
            .into(),
            done(),
        ),
        (
            DeleteAttributeListRequest {
                user_ids: addresses(&["wv:bob@b.example"]),
                contact_lists: vec![list()],
                default_list: false,
            }
            .into(),
            done(),
        ),
        (
            GetAttributeListRequest {
                default_list: true,
                contact_lists: vec![list()],
                users: users(&["wv:bob@b.example"]),
            }
            .into(),
            GetAttributeListResponse {
                result: good(),
                default_attribute_list: Some(DefaultAttributeList { notify: Some(true), lists: vec![names()] }),
                presence: Vec::new(),
            }
            .into(),
        ),
    ]
}

fn presence() -> Vec<(Request, Response)> {
    let watched = || users(&["wv:bob@b.example", "wv:bea@b.example"]);
    let info =
        |user: &str| PresenceInfo { user_id: Some(address(user)), lists: vec![values()], ..PresenceInfo::default() };
    let watcher = Watcher {
        user_id: address("wv:bob@b.example"),
        friendly_name: None,
        status: Some(WatcherStatus::CurrentSubscriber),
    };
    vec![
        (
            SubscribePresenceRequest {
                users: watched(),
                contact_lists: Vec::new(),
                presence_sub_list: Some(names()),
                auto_subscribe: None,
            }
            .into(),
            done(),
        ),
        (UnsubscribePresenceRequest { users: watched(), contact_lists: Vec::new() }.into(), done()),
        (
            GetPresenceRequest { users: watched(), contact_lists: Vec::new(), presence_sub_list: Some(names()) }.into(),
            GetPresenceResponse { result: good(), presence: vec![info("wv:bob@b.example"), info("wv:bea@b.example")] }
                .into(),
        ),
        (UpdatePresenceRequest { presence_sub_list: values() }.into(), done()),
        (
            GetWatcherListRequest { history_period: Some(60), max_watcher_list: Some(9) }.into(),
            GetWatcherListResponse { history_period: Some(60), watcher_count: Some(1), watchers: vec![watcher] }.into(),
        ),
        (
            PresenceAuthUser {
                user_id: address("wv:bob@b.example"),
                acceptance: true,
                presence_sub_list: Some(names()),
            }
            .into(),
            done(),
        ),
        (CancelAuthRequest { user_id: address("wv:bob@b.example") }.into(), done()),
    ]
}

fn im() -> Vec<(Request, Response)> {
    let waiting = || MessageInfo {
        message_id: Some("m1".into()),
        recipient: Recipient::user(User::of("wv:alice@a.example")),
        sender: Some(Sender::User(User::of("wv:bob@b.example"))),
        ..info()
    };
    let blocked =
        || EntityList { domains: vec!["c.example".into()], ..EntityList::users([address("wv:bob@b.example")]) };
    vec![
        (send().into(), SendMessageResponse { result: good(), message_id: Some("m81".into()) }.into()),
        (
            SetDeliveryMethodRequest {
                delivery_method: Some(DeliveryMethod::Notify),
                accepted_content_length: Some(1000),
                group_id: Some(address(GROUP)),
                group_content_limit: Some(2000),
            }
            .into(),
            done(),
        ),
        (
            GetMessageListRequest { group_id: Some(address(GROUP)), message_count: Some(3) }.into(),
            GetMessageListResponse { messages: vec![waiting()], message_total_count: Some(1) }.into(),
        ),
        (
            GetMessageRequest { message_id: "m1".into() }.into(),
            GetMessageResponse { message: Message { info: waiting(), content: Some(content("hello")) } }.into(),
        ),
        (MessageDelivered { message_id: "m1".into() }.into(), done()),
        (RejectMessageRequest { message_ids: vec!["m1".into(), "m2".into()] }.into(), done()),
        (
            ForwardMessageRequest {
                message_id: "m1".into(),
                sender: Some(Sender::User(User::of("wv:alice@a.example"))),
                recipient: Recipient::user(User::of("wv:bob@b.example")),
            }
            .into(),
            done(),
        ),
        (
            GetBlockedListRequest {}.into(),
            GetBlockedListResponse {
                lists: AccessLists {
                    block: Some(AccessList { in_use: Some(true), entities: Some(blocked()), add: None, remove: None }),
                    grant: None,
                },
            }
            .into(),
        ),
        (
            BlockEntityRequest {
                lists: AccessLists {
                    block: None,
                    grant: Some(AccessList {
                        in_use: Some(false),
                        entities: None,
                        add: Some(blocked()),
                        remove: Some(blocked()),
                    }),
                },
            }
            .into(),
            done(),
        ),
    ]
}

fn groups() -> Vec<(Request, Response)> {
    let group_id = || address(GROUP);
    let mapping = |name: &str| Mapping { name: name.into(), user_id: None };
    let list = UserMapList { mappings: vec![mapping("Bo"), mapping("Speedy")], two_levels: false };
    vec![
        (
            CreateGroupRequest {
                group_id: group_id(),
                group_properties: group_properties(),
                own_properties: properties(),
                join_group: true,
                screen_name: Some(name("Speedy")),
                subscribe_notification: false,
            }
            .into(),
            done(),
        ),
        (DeleteGroupRequest { group_id: group_id() }.into(), done()),
        (
            JoinGroupRequest {
                group_id: group_id(),
                screen_name: Some(name("Speedy")),
                joined_request: true,
                subscribe_notification: true,
                own_properties: properties(),
            }
            .into(),
            JoinGroupResponse {
                joined: Some(JoinedUsers { group_id: group_id(), list }),
                screen_name: Some(name("Speedy")),
                welcome_note: group_properties().welcome_note,
            }
            .into(),
        ),
        (
            LeaveGroupRequest { group_id: group_id() }.into(),
            LeaveGroupResponse { group_id: Some(group_id()), result: good() }.into(),
        ),
        (
            GetGroupPropsRequest { group_id: group_id() }.into(),
            GetGroupPropsResponse { group_properties: group_properties(), own_properties: properties() }.into(),
        ),
        (
            SetGroupPropsRequest {
                group_id: group_id(),
                group_properties: Some(group_properties()),
                own_properties: properties(),
            }
            .into(),
            done(),
        ),
        (
            SubscribeGroupNoticeRequest { group_id: group_id(), subscribe_type: SubscribeType::Get }.into(),
            SubscribeGroupNoticeResponse { value: true }.into(),
        ),
        (SubscribeGroupNoticeRequest { group_id: group_id(), subscribe_type: SubscribeType::Set }.into(), done()),
        (SubscribeGroupNoticeRequest { group_id: group_id(), subscribe_type: SubscribeType::Unset }.into(), done()),
    ]
}

fn group_lists() -> Vec<(Request, Response)> {
    let group_id = || address(GROUP);
    let (some, others) =
        (|| user_list(&["wv:bob@b.example"]), || user_list(&["wv:bea@b.example", "wv:carol@c.example"]));
    let mapped = |name: &str, user: &str| Mapping { name: name.into(), user_id: Some(address(user)) };
    let by_role = AdminMapList {
        admins: vec![mapped("Bo", "wv:bob@b.example")],
        mods: Vec::new(),
        users: vec![mapped("Speedy", "wv:alice@a.example"), Mapping { name: "Nobody".into(), user_id: None }],
    };
    let rejected = |users: &[&str]| EntityList::users(addresses(users));
    vec![
        (
            GetGroupMembersRequest { group_id: group_id() }.into(),
            GetGroupMembersResponse { admins: Some(Listed(some())), mods: None, users: Some(others()) }.into(),
        ),
        (
            GetJoinedUsersRequest { group_id: group_id() }.into(),
            GetJoinedUsersResponse {
                admin_map_list: Some(by_role),
                user_map_list: None,
                joined_blocked: Some(Listed(UserList { users: Vec::new(), screen_names: vec![name("Nobody")] })),
            }
            .into(),
        ),
        (
            GetJoinedUsersRequest { group_id: group_id() }.into(),
            GetJoinedUsersResponse {
                admin_map_list: None,
                user_map_list: Some(UserMapList {
                    mappings: vec![mapped("Bo", "wv:bob@b.example")],
                    two_levels: false,
                }),
                joined_blocked: None,
            }
            .into(),
        ),
        (AddGroupMembersRequest { group_id: group_id(), users: others() }.into(), done()),
        (RemoveGroupMembersRequest { group_id: group_id(), users: some() }.into(), done()),
        (
            MemberAccessRequest {
                group_id: group_id(),
                admins: Some(Listed(some())),
                mods: Some(Listed(others())),
                users: None,
            }
            .into(),
            done(),
        ),
        (
            RejectListRequest {
                group_id: group_id(),
                add_list: Some(rejected(&["wv:carol@c.example"])),
                remove_list: Some(rejected(&["wv:bea@b.example"])),
            }
            .into(),
            RejectListResponse { user_list: Some(user_list(&["wv:carol@c.example"])) }.into(),
        ),
    ]
}

//! Primitives of all kinds of content, written in every version and encoding and read again. What a version does not
//! have is taken out of the expectation, in one place for each type.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use bytes::Bytes;
use imps_proto::csp::{
    AddGroupMembersRequest, BlockEntityRequest, CancelInviteRequest, CancelInviteUserRequest, ClientCapabilityRequest,
    ClientCapabilityResponse, CreateAttributeListRequest, CreateGroupRequest, CreateListRequest, Disconnect,
    ExtendConversationRequest, ExtendConversationResponse, ForwardMessageRequest, ForwardMessageResponse,
    GetAttributeListRequest, GetBlockedListResponse, GetGroupMembersResponse, GetJoinedUsersResponse, GetListResponse,
    GetMapRequest, GetMapResponse, GetMessageListResponse, GetPublicProfileRequest, GetPublicProfileResponse,
    GetSpInfoResponse, GroupChangeNotice, InviteRequest, InviteResponse, InviteUserRequest, InviteUserResponse,
    JoinGroupRequest, JoinGroupResponse, LeaveGroupResponse, ListManageRequest, ListManageResponse, LoginRequest,
    LoginResponse, Logo, Map, MemberAccessRequest, NewMessage, NotificationRequest, PresenceNotificationRequest,
    RejectListResponse, SearchRequest, SearchResponse, SendMessageRequest, ServiceRequest, StatusPrimitive,
    StopSearchRequest, SubscribeNotificationRequest, SubscribePresenceRequest, UnsubscribeNotificationRequest,
    UpdatePublicProfileRequest, VerifyIdRequest,
};
use imps_proto::csp::{DropSegmentRequest, GetSegmentRequest, GetSegmentResponse};
use imps_proto::csp::{SystemMessageRequest, SystemMessageUser};
use imps_proto::elements::{JoinedUsers, Listed, Message, UserIdPair, UserMapList};
use imps_proto::elements::{SegmentContent, SegmentId, SegmentInfo};
use imps_proto::grammar::{Decode, Primitive};
use imps_proto::wire::{self, Form, Limits, Tag, Token};
use imps_types::element::{
    AcceptedContentType, AccessList, AccessLists, AdminMapList, Bearer, CapabilityList, CirMethod, ClientType, Content,
    ContentEncoding, DeliveryMethod, DetailedResult, DigestSchema, EntityList, Font, Group, GroupProperties, IdList,
    InviteType, Mapping, MessageInfo, NOTIFICATION_TYPES, NickEntry, NotificationType, OfflineHandling, OnlineHandling,
    Property, PublicProfile, Recipient, ResultInfo, ScreenName, SearchPair, SearchResult, Sender, User, UserList,
    WelcomeNote,
};
use imps_types::element::{AnswerOption, SystemMessage, SystemMessageResponse, Verification};
use imps_types::presence::{
    ATTRIBUTES, Extension, Field, FieldKind, FieldRow, FieldValue, PresenceAttribute, PresenceInfo, PresenceSubList,
};
use imps_types::service_tree::{Function, FunctionSet};
use imps_types::{Address, ClientId, DateTime, Secret, Status, TransactionId, Version};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Writes and reads in every version and encoding.
fn check<T: Primitive + Clone + PartialEq + std::fmt::Debug>(value: &T, in_version: impl Fn(&mut T, Version)) {
    for version in Version::ALL {
        let mut expected = value.clone();
        in_version(&mut expected, version);
        for form in [Form::Xml, Form::Wbxml, Form::Json] {
            let mut writer = wire::writer(form, version, Vec::new());
            value.write(writer.as_dyn());
            let bytes = writer.finish();
            let mut reader = wire::reader(form, &bytes, &Limits::default()).unwrap();
            let reader = reader.as_dyn();
            let Token::Start(start) = reader.next().unwrap() else { panic!("no start") };
            assert_eq!(start.tag, Tag::Known(T::ELEMENT));
            let again = T::decode(reader).unwrap_or_else(|error| panic!("{version} {form:?}: {error}: {value:?}"));
            assert_eq!(again, expected, "{version} {form:?} {}", String::from_utf8_lossy(&bytes));
            assert_eq!(reader.next().unwrap(), Token::Eof);
        }
    }
}

fn text() -> impl Strategy<Value = Box<str>> {
    "([!-~\u{a1}-\u{2ff}]([ -~\u{e4}\u{20ac}\u{1f600}]{0,12}[!-~])?)?".prop_map(String::into_boxed_str)
}

fn address() -> impl Strategy<Value = Address> {
    "(wv:)?[a-z+~/&]{1,8}(@[a-z.]{1,8})?".prop_map(|text| Address::new(&text))
}

fn client_id() -> impl Strategy<Value = ClientId> {
    (option::of(text()), option::of(text())).prop_map(|(url, msisdn)| ClientId { url, msisdn })
}

fn user() -> impl Strategy<Value = User> {
    (address(), option::of(text()), option::of(client_id()), option::of(text())).prop_map(
        |(user_id, friendly_name, client_id, application_id)| User {
            user_id,
            friendly_name,
            client_id,
            application_id,
        },
    )
}

fn user_in(user: &mut User, version: Version) {
    if version < Version::V1_3 {
        user.friendly_name = None;
    }
    if version < Version::V1_3 || user.client_id.is_some() {
        user.application_id = None;
    }
}

/// Where 1.3 has UserIDList, only the address is left.
fn listed_users_in(users: &mut Vec<User>, version: Version) {
    for user in users {
        user_in(user, version);
        if version == Version::V1_3 {
            *user = User::of(user.user_id.clone());
        }
    }
}

fn screen_name() -> impl Strategy<Value = ScreenName> {
    (text(), address()).prop_map(|(name, group_id)| ScreenName { name, group_id })
}

fn group() -> impl Strategy<Value = Group> {
    prop_oneof![address().prop_map(Group::Id), screen_name().prop_map(Group::ScreenName)]
}

fn entity_list() -> impl Strategy<Value = EntityList> {
    let addresses = || vec(address(), 0..2);
    (addresses(), vec(screen_name(), 0..2), addresses(), addresses(), vec(text(), 0..2), vec(text(), 0..2)).prop_map(
        |(user_ids, screen_names, group_ids, contact_lists, application_ids, domains)| EntityList {
            user_ids,
            screen_names,
            group_ids,
            contact_lists,
            application_ids,
            domains,
        },
    )
}

fn access_list() -> impl Strategy<Value = AccessList> {
    let entities = || option::of(entity_list());
    (
        option::of(any::<bool>()),
        prop_oneof![
            entities().prop_map(|entities| (entities, None, None)),
            (entities(), entities()).prop_map(|(add, remove)| (None, add, remove)),
        ],
    )
        .prop_map(|(in_use, (entities, add, remove))| AccessList { in_use, entities, add, remove })
}

fn access_lists_in(lists: &mut AccessLists, version: Version) {
    for list in [&mut lists.block, &mut lists.grant] {
        if version >= Version::V1_3 {
            list.take_if(|list| *list == AccessList::default());
            continue;
        }
        let entities = list.iter_mut().flat_map(|list| [&mut list.entities, &mut list.add, &mut list.remove]);
        for entities in entities.flatten() {
            entities.contact_lists.clear();
            entities.application_ids.clear();
            entities.domains.clear();
        }
    }
}

fn property() -> impl Strategy<Value = Property> {
    (text(), option::of(text())).prop_map(|(name, value)| Property { name, value })
}

fn nick() -> impl Strategy<Value = NickEntry> {
    (option::of(text()), address()).prop_map(|(name, user_id)| NickEntry { name, user_id })
}

fn date() -> impl Strategy<Value = DateTime> {
    (0_u64..4_000_000_000).prop_map(DateTime::from_unix)
}

fn status() -> impl Strategy<Value = Status> {
    (100_u16..1000).prop_map(Status::new)
}

fn detailed() -> impl Strategy<Value = DetailedResult> {
    let first = (status(), option::of(text()), vec(text(), 0..2), vec(address(), 0..3), vec(address(), 0..2));
    let second = (vec(screen_name(), 0..2), vec(text(), 0..2), vec(address(), 0..2), vec(text(), 0..2));
    (first, second).prop_map(|(first, (screen_names, message_ids, contact_lists, domains))| {
        let (status, description, search_elements, user_ids, group_ids) = first;
        DetailedResult {
            status,
            description,
            search_elements,
            user_ids,
            group_ids,
            screen_names,
            message_ids,
            contact_lists,
            domains,
        }
    })
}

fn system_message() -> impl Strategy<Value = SystemMessage> {
    let option = (any::<u32>(), text()).prop_map(|(id, text)| AnswerOption { id, text });
    let verification = (any::<bool>(), text())
        .prop_map(|(in_text, text)| if in_text { Verification::InText(text) } else { Verification::Url(text) });
    (text(), any::<bool>(), option::of(text()), vec(option, 0..3), option::of(verification)).prop_map(
        |(id, requires_response, text, options, verification)| SystemMessage {
            id,
            requires_response,
            text,
            options,
            verification,
        },
    )
}

fn system_message_response() -> impl Strategy<Value = SystemMessageResponse> {
    (text(), option::of(any::<u32>()), option::of(text()))
        .prop_map(|(id, chosen_option, verification_key)| SystemMessageResponse { id, chosen_option, verification_key })
}

fn result() -> impl Strategy<Value = ResultInfo> {
    let system_messages = vec(system_message(), 0..2);
    (status(), option::of(text()), vec(detailed(), 0..3), system_messages, option::of(any::<u32>())).prop_map(
        |(status, description, detailed, system_messages, try_again)| ResultInfo {
            status,
            description,
            detailed,
            system_messages,
            try_again,
        },
    )
}

fn result_in(result: &mut ResultInfo, version: Version) {
    if version < Version::V1_3 {
        result.system_messages.clear();
        result.try_again = None;
    }
    for one in &mut result.detailed {
        if version < Version::V1_3 {
            one.search_elements.clear();
        }
        if version < Version::V1_2 {
            one.message_ids.clear();
            one.contact_lists.clear();
            one.domains.clear();
        }
    }
}

fn content_type() -> impl Strategy<Value = AcceptedContentType> {
    (text(), option::of(any::<u32>()), option::of(select(vec!["N", "C", "R"])), option::of(any::<u32>())).prop_map(
        |(content_type, rich_length, policy, policy_limit)| AcceptedContentType {
            content_type,
            rich_length,
            policy: policy.map(Into::into),
            policy_limit,
        },
    )
}

fn capabilities() -> impl Strategy<Value = CapabilityList> {
    let number = || option::of(any::<u32>());
    let words = (
        option::of(select(ClientType::ALL)),
        option::of(select(DeliveryMethod::ALL)),
        vec(select(Bearer::ALL), 0..3),
        vec(select(CirMethod::ALL), 0..4),
        option::of(select(OnlineHandling::ALL)),
        option::of(select(OfflineHandling::ALL)),
        option::of(any::<bool>()),
    );
    let lists = (vec(any::<u32>(), 0..3), vec(content_type(), 0..3), vec(text(), 0..2), vec(text(), 0..2));
    let lengths = (number(), number(), number(), number(), number(), number(), number());
    let addresses =
        (option::of(text()), option::of(text()), option::of(text()), option::of(text()), option::of(text()));
    let ports = (number(), number(), number(), number(), number());
    (words, lists, lengths, addresses, ports).prop_map(|(words, lists, lengths, addresses, ports)| CapabilityList {
        client_type: words.0,
        initial_delivery_method: words.1,
        bearers: words.2,
        cir_methods: words.3,
        online_handling: words.4,
        offline_handling: words.5,
        any_content: words.6,
        charsets: lists.0,
        content_types: lists.1,
        transfer_encodings: lists.2,
        offline_bearers: lists.3,
        content_length: lengths.0,
        push_length: lengths.1,
        pull_length: lengths.2,
        text_content_length: lengths.3,
        multi_trans: lengths.4,
        multi_trans_per_message: lengths.5,
        parser_size: lengths.6,
        udp_address: addresses.0,
        tcp_address: addresses.1,
        cir_sms_address: addresses.2,
        cir_url: addresses.3,
        default_language: addresses.4,
        udp_port: ports.0,
        tcp_port: ports.1,
        server_poll_min: ports.2,
        session_priority: ports.3,
        user_session_limit: ports.4,
    })
}

/// What a client tells.
fn wishes_in(list: &mut CapabilityList, version: Version) {
    list.udp_address = None;
    list.cir_sms_address = None;
    list.cir_url = None;
    list.user_session_limit = None;
    if version > Version::V1_1 {
        list.tcp_address = None;
        list.tcp_port = None;
    }
    if version == Version::V1_3 {
        list.content_length = None;
        return;
    }
    list.push_length = None;
    list.pull_length = None;
    list.text_content_length = None;
    list.multi_trans_per_message = None;
    list.online_handling = None;
    list.offline_handling = None;
    list.offline_bearers.clear();
    list.session_priority = None;
    for one in &mut list.content_types {
        *one = AcceptedContentType { content_type: one.content_type.clone(), ..AcceptedContentType::default() };
    }
}

/// What the server decides.
fn agreed_in(list: &mut CapabilityList, version: Version) {
    if version == Version::V1_1 {
        return wishes_in(list, version);
    }
    let all = list.clone();
    if version == Version::V1_2 {
        *list = CapabilityList {
            bearers: all.bearers,
            cir_methods: all.cir_methods,
            tcp_address: all.tcp_address,
            tcp_port: all.tcp_port,
            server_poll_min: all.server_poll_min,
            cir_url: all.cir_url,
            ..CapabilityList::default()
        };
        return;
    }
    list.client_type = None;
    list.initial_delivery_method = None;
    list.charsets.clear();
    list.content_length = None;
    list.parser_size = None;
    list.default_language = None;
}

fn functions() -> impl Strategy<Value = FunctionSet> {
    any::<u128>().prop_map(|bits| {
        let marks: FunctionSet = [Function::Mf, Function::Mp, Function::Mm, Function::Mg].into_iter().collect();
        FunctionSet::leaves(Version::V1_3, false).and(FunctionSet::from_bits(bits)).without(marks)
    })
}

/// A tree is read in the version of its message, and these have no envelope to tell it, so they are read as 1.2. What is
/// compared are the functions that both versions have.
fn common(set: FunctionSet, version: Version) -> FunctionSet {
    let marks: FunctionSet = [Function::Mf, Function::Mp, Function::Mm, Function::Mg].into_iter().collect();
    let known = FunctionSet::leaves(version, false).and(FunctionSet::leaves(Version::V1_2, false));
    set.and(known).without(marks)
}

fn font() -> impl Strategy<Value = Font> {
    (option::of(text()), vec(text(), 0..3), option::of(text())).prop_map(|(size, styles, color)| Font {
        size,
        styles,
        color,
    })
}

fn info() -> impl Strategy<Value = MessageInfo> {
    let recipient = (vec(user(), 0..3), vec(group(), 0..2), vec(address(), 0..2))
        .prop_map(|(users, groups, contact_lists)| Recipient { users, groups, contact_lists });
    let sender = prop_oneof![user().prop_map(Sender::User), group().prop_map(Sender::Group)];
    let first = (option::of(text()), option::of(text()), option::of(text()), option::of(select(ContentEncoding::ALL)));
    let second = (any::<u32>(), option::of(text()), recipient, option::of(sender));
    let third = (option::of(date()), option::of(font()), option::of(any::<u32>()));
    (first, second, third, ext_blocks()).prop_map(|(first, second, third, fourth)| MessageInfo {
        message_id: first.0,
        message_uri: first.1,
        content_type: first.2,
        content_encoding: first.3,
        content_size: second.0,
        content_name: second.1,
        recipient: second.2,
        sender: second.3,
        date_time: third.0,
        font: third.1,
        validity: third.2,
        ext_blocks: fourth,
    })
}

/// ExtBlockETEM: what is in one is as free as an extension of presence.
fn ext_blocks() -> impl Strategy<Value = Vec<Extension>> {
    extensions().prop_map(|mut blocks| {
        blocks.iter_mut().for_each(|block| block.name = "ExtBlockETEM".into());
        blocks.truncate(3);
        blocks
    })
}

fn info_in(info: &mut MessageInfo, version: Version) {
    if version < Version::V1_3 {
        info.content_name = None;
        info.font = None;
        info.ext_blocks.clear();
    }
    info.recipient.users.iter_mut().for_each(|user| user_in(user, version));
    if let Some(Sender::User(user)) = &mut info.sender {
        user_in(user, version);
    }
}

fn content() -> impl Strategy<Value = Content> {
    let plain = "[ -~\n\t\u{e4}\u{20ac}\u{1f600}]{0,40}";
    prop_oneof![
        plain.prop_map(|text| Content::text(&text)),
        vec(any::<u8>(), 0..60).prop_map(|data| Content { data: Bytes::from(data), binary: true }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    (info(), option::of(content())).prop_map(|(mut info, content)| {
        if let Some(content) = &content {
            info.content_size = content.data.len() as u32;
            let as_text = info.content_encoding.map(|_| ContentEncoding::None);
            info.content_encoding = if content.binary { Some(ContentEncoding::Base64) } else { as_text };
        }
        Message { info, content }
    })
}

fn word_of(kind: FieldKind) -> BoxedStrategy<Box<str>> {
    match kind {
        FieldKind::Boolean => select(vec!["T", "F"]).prop_map(Into::into).boxed(),
        FieldKind::Integer => any::<u32>().prop_map(|number| number.to_string().into()).boxed(),
        FieldKind::Words(words) => select(words).prop_map(Into::into).boxed(),
        _ => text().boxed(),
    }
}

/// Fields in the order of their rows.
fn fields(rows: &'static [FieldRow]) -> BoxedStrategy<Vec<(Field, FieldValue)>> {
    let each: Vec<_> = rows
        .iter()
        .map(|row| {
            let field = row.field;
            match row.kind {
                FieldKind::Struct { fields: inner, repeats } => {
                    let most = if repeats { 3 } else { 2 };
                    vec(fields(inner).prop_map(move |inner| (field, FieldValue::Struct(inner))), 0..most).boxed()
                }
                kind => vec(word_of(kind).prop_map(move |word| (field, FieldValue::Text(word))), 0..2).boxed(),
            }
        })
        .collect();
    each.prop_map(|fields| fields.into_iter().flatten().collect()).boxed()
}

fn sub_list() -> impl Strategy<Value = PresenceSubList> {
    let one = select(ATTRIBUTES).prop_flat_map(|row| {
        (option::of(any::<bool>()), fields(row.fields), option::of(client_id())).prop_map(
            move |(qualifier, fields, client_id)| PresenceAttribute {
                attribute: row.attribute,
                qualifier,
                fields,
                client_id,
                extensions: Vec::new(),
            },
        )
    });
    let one = (one, extensions()).prop_map(|(one, extensions)| PresenceAttribute { extensions, ..one });
    (vec(one, 0..5), extensions()).prop_map(|(attributes, extensions)| {
        let mut list = PresenceSubList { attributes, extensions };
        list.sort();
        list
    })
}

/// Elements of somebody's own: names that no table has, with text or children.
fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    let name = || "x[A-Z]{1,6}".prop_map(String::into_boxed_str);
    let namespace = || option::of("http://[a-z]{1,5}/[a-z0-9.]{0,5}".prop_map(String::into_boxed_str));
    let leaf = || {
        (name(), namespace(), text()).prop_map(|(name, namespace, text)| Extension {
            name,
            namespace,
            text,
            children: Vec::new(),
        })
    };
    let children = vec(leaf(), 1..3);
    let node = (name(), namespace(), children).prop_map(|(name, namespace, children)| Extension {
        name,
        namespace,
        text: "".into(),
        children,
    });
    vec(prop_oneof![leaf(), node], 0..3)
}

fn presence() -> impl Strategy<Value = PresenceInfo> {
    let flags = (option::of(any::<bool>()), option::of(any::<bool>()));
    (option::of(address()), option::of(address()), flags, vec(sub_list(), 0..2)).prop_map(
        |(user_id, contact_list, (user_notify, contact_list_notify), lists)| PresenceInfo {
            user_id,
            contact_list,
            user_notify,
            contact_list_notify,
            lists,
        },
    )
}

fn presence_in(presence: &mut PresenceInfo, version: Version) {
    if version < Version::V1_3 {
        presence.user_notify = None;
        presence.contact_list_notify = None;
    }
    presence.lists.iter_mut().for_each(|list| *list = list.for_version(version));
}

fn notification_type() -> impl Strategy<Value = NotificationType> {
    select(NOTIFICATION_TYPES).prop_map(|row| row.kind)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn login(
        who in (option::of(address()), option::of(client_id()), option::of(text())),
        proof in (option::of(text()), option::of(text()), vec(select(DigestSchema::ALL), 0..4)),
        session in (option::of(text()), option::of(any::<u32>()), option::of(text())),
        system_message_responses in vec(system_message_response(), 0..2),
        capability_list in option::of(capabilities()),
    ) {
        let request = LoginRequest {
            user_id: who.0, client_id: who.1, application_id: who.2,
            password: proof.0.map(Secret::new), digest_bytes: proof.1, digest_schemas: proof.2,
            session_id: session.0, time_to_live: session.1, session_cookie: session.2,
            system_message_responses, functions: None, capability_list: capability_list.map(Box::new),
        };
        check(&request, |request, version| {
            if version < Version::V1_3 {
                request.application_id = None;
                request.session_id = None;
                request.system_message_responses.clear();
                request.capability_list = None;
            }
            if let Some(list) = &mut request.capability_list {
                wishes_in(list, version);
            }
        });
    }

    #[test]
    fn login_response(
        who in (option::of(address()), option::of(client_id()), option::of(text())),
        result in result(),
        proof in (option::of(text()), option::of(select(DigestSchema::ALL)), option::of(text())),
        rest in (option::of(any::<u32>()), option::of(any::<bool>()), option::of(capabilities())),
    ) {
        let response = LoginResponse {
            user_id: who.0, client_id: who.1, password: who.2.map(Secret::new), result,
            nonce: proof.0, digest_schema: proof.1, session_id: proof.2,
            keep_alive_time: rest.0, capability_request: rest.1, functions: None,
            agreed_capability_list: rest.2.map(Box::new),
        };
        check(&response, |response, version| {
            result_in(&mut response.result, version);
            if version < Version::V1_3 {
                response.user_id = None;
                response.password = None;
                response.agreed_capability_list = None;
            }
            if let Some(list) = &mut response.agreed_capability_list {
                agreed_in(list, version);
            }
        });
    }

    #[test]
    fn capability(client_id in option::of(client_id()), list in capabilities()) {
        let request = ClientCapabilityRequest { client_id: client_id.clone(), capability_list: Box::new(list.clone()) };
        check(&request, |request, version| {
            wishes_in(&mut request.capability_list, version);
            request.client_id.take_if(|_| version > Version::V1_1);
        });
        let response = ClientCapabilityResponse { client_id, capability_list: Some(Box::new(list)) };
        check(&response, |response, version| {
            agreed_in(response.capability_list.as_mut().unwrap(), version);
            response.client_id.take_if(|_| version > Version::V1_1);
        });
    }

    #[test]
    fn service(client_id in option::of(client_id()), functions in functions(), all in any::<bool>()) {
        for version in Version::ALL {
            let functions = common(functions, version);
            let request = ServiceRequest {
                client_id: client_id.clone(), functions: Some(functions), all_functions_request: all,
            };
            for form in [Form::Xml, Form::Wbxml, Form::Json] {
                let mut writer = wire::writer(form, version, Vec::new());
                request.write(writer.as_dyn());
                let bytes = writer.finish();
                let mut reader = wire::reader(form, &bytes, &Limits::default()).unwrap();
                reader.as_dyn().next().unwrap();
                let again = ServiceRequest::decode(reader.as_dyn()).unwrap();
                let read = common(again.functions.unwrap(), version);
                prop_assert_eq!(read, functions, "{} {:?}", version, form);
                prop_assert_eq!(again.client_id, request.client_id.clone().filter(|_| version == Version::V1_1));
                prop_assert_eq!(again.all_functions_request, all);
            }
        }
    }

    #[test]
    fn send_message(delivery_report in any::<bool>(), message in message()) {
        let in_version = |message: &mut Message, version| info_in(&mut message.info, version);
        check(&NewMessage { message: message.clone() }, |new, version| in_version(&mut new.message, version));
        let request = SendMessageRequest { delivery_report, message };
        check(&request, |request, version| in_version(&mut request.message, version));
    }

    #[test]
    fn get_message_list(messages in vec(info(), 0..3), message_total_count in option::of(any::<u32>())) {
        check(&GetMessageListResponse { messages, message_total_count }, |response, version| {
            response.messages.iter_mut().for_each(|info| info_in(info, version));
            response.message_total_count.take_if(|_| version < Version::V1_3);
        });
    }

    #[test]
    fn get_sp_info(client_id in option::of(client_id()), name in text(), logo in option::of((text(), content()))) {
        let logo = logo.map(|content| Logo { content });
        check(&GetSpInfoResponse { client_id, name, logo, description: None, url: None }, |_, _| {});
    }

    #[test]
    fn presence_notification(presence in vec(presence(), 0..3)) {
        check(&PresenceNotificationRequest { presence }, |request, version| {
            request.presence.iter_mut().for_each(|presence| presence_in(presence, version));
        });
    }

    #[test]
    fn attribute_lists(
        presence_sub_list in sub_list(),
        user_ids in vec(address(), 0..3),
        contact_lists in vec(address(), 0..3),
        default_list in any::<bool>(),
        notify in [option::of(any::<bool>()), option::of(any::<bool>()), option::of(any::<bool>())],
        users in vec(user(), 0..3),
    ) {
        let [default_notify, user_notify, contact_list_notify] = notify;
        let request = CreateAttributeListRequest {
            presence_sub_list, user_ids, contact_lists: contact_lists.clone(), default_list,
            default_notify, user_notify, contact_list_notify,
        };
        check(&request, |request, version| {
            request.presence_sub_list = request.presence_sub_list.for_version(version);
            if version < Version::V1_3 {
                request.default_notify = None;
                request.user_notify = None;
                request.contact_list_notify = None;
            }
        });
        let request = GetAttributeListRequest { default_list, contact_lists, users };
        check(&request, |request, version| listed_users_in(&mut request.users, version));
    }

    #[test]
    fn subscribe(
        users in vec(user(), 0..3),
        contact_lists in vec(address(), 0..3),
        presence_sub_list in option::of(sub_list()),
        auto_subscribe in option::of(any::<bool>()),
    ) {
        let request = SubscribePresenceRequest { users, contact_lists, presence_sub_list, auto_subscribe };
        check(&request, |request, version| {
            listed_users_in(&mut request.users, version);
            request.presence_sub_list = request.presence_sub_list.as_ref().map(|list| list.for_version(version));
            request.auto_subscribe.take_if(|_| version < Version::V1_2);
        });
    }

    #[test]
    fn contact_lists(
        contact_list in address(),
        lists in vec(address(), 0..3),
        add in vec(nick(), 0..3),
        remove_nick_list in vec(address(), 0..3),
        properties in vec(property(), 0..3),
        flags in (option::of(any::<bool>()), option::of(any::<bool>())),
        result in result(),
    ) {
        let response = GetListResponse { contact_lists: lists, default_contact_list: Some(contact_list.clone()) };
        check(&response, |_, _| {});
        let create = CreateListRequest {
            contact_list: contact_list.clone(), nick_list: add.clone(), properties: properties.clone(),
        };
        check(&create, |_, _| {});
        let manage = ListManageRequest {
            contact_list, add_nick_list: add.clone(), remove_nick_list, properties: properties.clone(),
            receive_list: flags.0, authorize_and_grant: flags.1,
        };
        check(&manage, |request, version| {
            request.receive_list.take_if(|_| version < Version::V1_2);
            request.authorize_and_grant.take_if(|_| version < Version::V1_3);
        });
        let response = ListManageResponse { result, nick_list: Some(add), properties };
        check(&response, |response, version| result_in(&mut response.result, version));
    }

    #[test]
    fn notifications(
        kinds in vec(notification_type(), 0..4),
        kind in notification_type(),
        values in (option::of(any::<bool>()), option::of(any::<bool>()), option::of(any::<u32>())),
        names in (option::of(address()), option::of(text()), option::of(select(OnlineHandling::ALL))),
        people in (vec(user(), 0..3), vec(screen_name(), 0..2), option::of((address(), address()))),
        who in (option::of(sub_list()), vec(address(), 0..3), vec(address(), 0..3), option::of(any::<bool>())),
    ) {
        check(&SubscribeNotificationRequest { types: kinds.clone() }, |_, _| {});
        check(&UnsubscribeNotificationRequest { types: kinds }, |_, _| {});
        let request = NotificationRequest {
            kind,
            block_list_in_use: values.0, grant_list_in_use: values.1, session_priority: values.2,
            group_id: names.0, invite_id: names.1, online_handling: names.2,
            user_list: Some(imps_proto::elements::UserList { users: people.0, screen_names: people.1 }),
            user_id_pair: people.2.map(|(unrecognized, valid)| UserIdPair { unrecognized, valid }),
            presence_sub_list: who.0, user_ids: who.1, contact_lists: who.2, default_list: who.3,
        };
        check(&request, |request, version| {
            request.presence_sub_list = request.presence_sub_list.as_ref().map(|list| list.for_version(version));
            let users = request.user_list.iter_mut().flat_map(|list| &mut list.users);
            users.for_each(|user| user_in(user, version));
        });
    }

    #[test]
    fn block_and_grant_lists(block in option::of(access_list()), grant in option::of(access_list())) {
        let lists = AccessLists { block, grant };
        check(&BlockEntityRequest { lists: lists.clone() }, |it, version| access_lists_in(&mut it.lists, version));
        check(&GetBlockedListResponse { lists }, |it, version| access_lists_in(&mut it.lists, version));
    }

    #[test]
    fn forward_message(message_id in text(), users in vec(user(), 0..3), groups in vec(group(), 0..2), own in option::of(user())) {
        let recipient = Recipient { users, groups, ..Recipient::default() };
        let request = ForwardMessageRequest { message_id: message_id.clone(), sender: own.map(Sender::User), recipient };
        check(&request, |request, version| {
            request.sender.take_if(|_| version < Version::V1_3);
            if let Some(Sender::User(user)) = &mut request.sender {
                user_in(user, version);
            }
            request.recipient.users.iter_mut().for_each(|user| user_in(user, version));
        });
        check(&ForwardMessageResponse { message_id }, |_, _| {});
    }

    #[test]
    fn system_messages(messages in vec(system_message(), 0..3), responses in vec(system_message_response(), 0..3)) {
        check(&SystemMessageRequest { messages }, |_, _| {});
        check(&SystemMessageUser { responses }, |_, _| {});
    }

    #[test]
    fn segments(
        id in ("[a-z0-9#]{1,8}", any::<u32>()),
        count in option::of(any::<u32>()),
        part in "([ -~]|[\u{e4}\u{20ac}\u{1f600}<>&]){0,40}",
    ) {
        let id = SegmentId { transaction_id: TransactionId::new(&id.0), reference: id.1 };
        check(&GetSegmentRequest { segment_id: id.clone() }, |_, _| {});
        check(&DropSegmentRequest { segment_id: id.clone() }, |_, _| {});
        let info = Some(SegmentInfo { count, id: Some(id) });
        check(&GetSegmentResponse { content: SegmentContent(part.into()), info }, |_, _| {});
    }

    #[test]
    fn outcomes(result in result(), client_id in option::of(client_id())) {
        check(&Disconnect { result: result.clone() }, |it, version| result_in(&mut it.result, version));
        check(&StatusPrimitive { result, client_id }, |it, version| result_in(&mut it.result, version));
    }

    #[test]
    fn searches(
        pairs in vec((text(), option::of(text()), option::of(any::<u32>())).prop_map(|(element, string, pair_id)|
            SearchPair { element, string, pair_id }), 0..3),
        rest in (option::of(text()), option::of(any::<u32>()), option::of(text()), option::of(any::<u32>())),
        found in (any::<u32>(), any::<bool>(), option::of(any::<bool>()), vec(address(), 0..3)),
    ) {
        let (advanced_criteria, search_limit, search_id, search_index) = rest;
        let request = SearchRequest {
            pairs, advanced_criteria, search_limit, search_id: search_id.clone(), search_index,
        };
        check(&request, |request, version| {
            if version < Version::V1_3 {
                request.advanced_criteria = None;
                request.pairs.iter_mut().for_each(|pair| pair.pair_id = None);
            }
        });
        let items = found.3;
        let search_result =
            found.2.map(|users| if users { SearchResult::Users(items) } else { SearchResult::Groups(items) });
        let response = SearchResponse {
            search_id: search_id.clone(), search_findings: found.0, completion_flag: found.1, search_index, search_result,
        };
        check(&response, |_, _| {});
        check(&StopSearchRequest { search_id: search_id.unwrap_or_default() }, |_, _| {});
    }

    #[test]
    fn invitations(
        what in (text(), select(InviteType::ALL), any::<bool>()),
        sender in prop_oneof![user().prop_map(Sender::User), group().prop_map(Sender::Group)],
        recipient in (vec(user(), 0..3), vec(group(), 0..2), vec(address(), 0..2))
            .prop_map(|(users, groups, contact_lists)| Recipient { users, groups, contact_lists }),
        named in (option::of(text()), option::of(address()), option::of(screen_name())),
        content in (option::of(sub_list()), vec(text(), 0..3), option::of(text()), option::of(any::<u32>())),
    ) {
        let (invite_id, invite_type, acceptance) = what;
        let (application_id, group_id, screen_name) = named;
        let (presence_sub_list, urls, invite_note, validity) = content;
        let list_in = |list: &mut Option<PresenceSubList>, version| {
            *list = list.as_ref().map(|list| list.for_version(version));
        };
        let sender_in = |sender: &mut Sender, version| {
            if let Sender::User(user) = sender {
                user_in(user, version);
            }
        };
        let recipient_in = |recipient: &mut Option<Recipient>, version| match recipient {
            _ if version < Version::V1_3 => *recipient = None,
            Some(recipient) => recipient.users.iter_mut().for_each(|user| user_in(user, version)),
            None => {}
        };
        let request = InviteRequest {
            invite_id: invite_id.clone(), invite_type, sender: Some(sender.clone()), recipient: recipient.clone(),
            application_id: application_id.clone(), group_id: group_id.clone(),
            presence_sub_list: presence_sub_list.clone(), urls: urls.clone(), invite_note: invite_note.clone(),
            screen_name: screen_name.clone(), validity,
        };
        check(&request, |it, version| {
            if version < Version::V1_3 {
                (it.sender, it.application_id) = (None, None);
            }
            it.sender.iter_mut().for_each(|sender| sender_in(sender, version));
            it.recipient.users.iter_mut().for_each(|user| user_in(user, version));
            list_in(&mut it.presence_sub_list, version);
        });
        let delivered = InviteUserRequest {
            invite_id: invite_id.clone(), invite_type, sender: sender.clone(), recipient: Some(recipient.clone()),
            application_id: application_id.clone(), group_id: group_id.clone(),
            presence_sub_list: presence_sub_list.clone(), urls: urls.clone(), invite_note: invite_note.clone(),
            screen_name: screen_name.clone(), validity,
        };
        check(&delivered, |it, version| {
            if version < Version::V1_3 {
                (it.application_id, it.screen_name) = (None, None);
            }
            sender_in(&mut it.sender, version);
            recipient_in(&mut it.recipient, version);
            list_in(&mut it.presence_sub_list, version);
        });
        let answer = InviteUserResponse {
            invite_id: invite_id.clone(), acceptance, sender: Some(sender.clone()), recipient: Some(recipient.clone()),
            response_note: invite_note.clone(), screen_name: screen_name.clone(),
        };
        check(&answer, |it, version| {
            it.sender.take_if(|_| version < Version::V1_2);
            it.sender.iter_mut().for_each(|sender| sender_in(sender, version));
            recipient_in(&mut it.recipient, version);
        });
        let told = InviteResponse {
            invite_id: invite_id.clone(), acceptance, sender: sender.clone(), recipient: Some(recipient.clone()),
            invite_note: invite_note.clone(), response_note: invite_note.clone(), screen_name: screen_name.clone(),
        };
        check(&told, |it, version| {
            if version < Version::V1_3 {
                (it.invite_note, it.screen_name) = (None, None);
            }
            sender_in(&mut it.sender, version);
            recipient_in(&mut it.recipient, version);
        });
        let cancel = CancelInviteRequest {
            invite_id: invite_id.clone(), sender: Some(sender.clone()), recipient: Some(recipient.clone()),
            invite_note: invite_note.clone(), application_id: application_id.clone(), group_id: group_id.clone(),
            presence_sub_list: presence_sub_list.clone(), urls: urls.clone(), screen_name: screen_name.clone(),
        };
        check(&cancel, |it, version| {
            if version < Version::V1_3 {
                (it.sender, it.application_id, it.group_id, it.presence_sub_list) = (None, None, None, None);
            }
            it.sender.iter_mut().for_each(|sender| sender_in(sender, version));
            it.recipient.iter_mut().flat_map(|it| &mut it.users).for_each(|user| user_in(user, version));
            list_in(&mut it.presence_sub_list, version);
        });
        let cancelled = CancelInviteUserRequest {
            invite_id, sender, recipient: Some(recipient), invite_note, application_id, group_id, presence_sub_list,
            urls, screen_name,
        };
        check(&cancelled, |it, version| {
            if version < Version::V1_3 {
                (it.application_id, it.group_id) = (None, None);
                (it.presence_sub_list, it.screen_name) = (None, None);
            }
            sender_in(&mut it.sender, version);
            recipient_in(&mut it.recipient, version);
            list_in(&mut it.presence_sub_list, version);
        });
    }

    #[test]
    fn names_and_profiles(
        user_ids in vec(address(), 0..3),
        others in (vec(address(), 0..2), vec(address(), 0..2), vec(screen_name(), 0..2), vec(text(), 0..2)),
        profiles in vec((option::of(address()), vec(property(), 0..3))
            .prop_map(|(user_id, properties)| PublicProfile { user_id, properties }), 0..3),
        result in result(),
        rest in (option::of(any::<bool>()), option::of(sub_list()), text(), content(), option::of(text())),
    ) {
        let (contact_lists, group_ids, screen_names, domains) = others;
        let id_list = IdList { user_ids: user_ids.clone(), contact_lists, group_ids, screen_names, domains };
        check(&VerifyIdRequest { id_list }, |_, _| {});
        let (clear_public_profile, presence_sub_list, content_type, content, url) = rest;
        let update = UpdatePublicProfileRequest { clear_public_profile, public_profile: profiles.first().cloned() };
        check(&update, |_, _| {});
        let map = GetMapRequest { user_id: user_ids.first().cloned(), presence_sub_list };
        check(&map, |it, version| {
            it.presence_sub_list = it.presence_sub_list.as_ref().map(|list| list.for_version(version));
        });
        check(&GetMapResponse { map: Some(Map { content: (content_type, content) }), url }, |_, _| {});
        check(&GetPublicProfileRequest { user_ids }, |_, _| {});
        let response = GetPublicProfileResponse { result, profiles };
        check(&response, |it, version| result_in(&mut it.result, version));
    }
}

/// The criteria of a search as they are written in 1.3, with and without a SearchPair around each.
#[test]
fn the_parts_of_criteria_are_told_apart() {
    let flat = "<SearchPairList><SearchElement>USER_ID</SearchElement><SearchString>a</SearchString>\
        <SearchElement>USER_ALIAS</SearchElement><SearchString>b</SearchString><PairID>2</PairID></SearchPairList>\
        <SearchPairList><PairID>3</PairID><SearchElement>USER_CITY</SearchElement><SearchString>c</SearchString></SearchPairList>";
    let wrapped = "<SearchPairList><SearchPair><SearchElement>USER_ID</SearchElement><SearchString>a</SearchString>\
        </SearchPair><SearchPair><PairID>2</PairID><SearchElement>USER_ALIAS</SearchElement><SearchString>b</SearchString>\
        </SearchPair></SearchPairList><SearchPairList><SearchPair><SearchElement>USER_CITY</SearchElement>\
        <SearchString>c</SearchString><PairID>3</PairID></SearchPair></SearchPairList>";
    let pair = |element: &str, string: &str, pair_id| SearchPair {
        element: element.into(),
        string: Some(string.into()),
        pair_id,
    };
    let expected = [pair("USER_ID", "a", None), pair("USER_ALIAS", "b", Some(2)), pair("USER_CITY", "c", Some(3))];
    for pairs in [flat, wrapped] {
        let text = format!("<Search-Request>{pairs}</Search-Request>");
        let mut reader = wire::reader(Form::Xml, text.as_bytes(), &Limits::default()).unwrap();
        let reader = reader.as_dyn();
        reader.next().unwrap();
        assert_eq!(SearchRequest::decode(reader).unwrap().pairs, expected);
    }
}

/// Android answers an invitation with a bare User, which holds the inviter (CSP 7.2).
#[test]
fn the_answer_of_an_android_names_the_inviter() {
    let text = "<InviteUser-Response><InviteID>1</InviteID><Acceptance>T</Acceptance>\
        <User><UserID>wv:alice@x</UserID></User></InviteUser-Response>";
    let mut reader = wire::reader(Form::Xml, text.as_bytes(), &Limits::default()).unwrap();
    let reader = reader.as_dyn();
    reader.next().unwrap();
    let answer = InviteUserResponse::decode(reader).unwrap();
    assert_eq!(answer.sender, Some(Sender::User(User::of("wv:alice@x"))));
}

fn user_list() -> impl Strategy<Value = UserList> {
    (vec(user(), 0..3), vec(screen_name(), 0..3)).prop_map(|(users, screen_names)| UserList { users, screen_names })
}

fn user_list_in(list: &mut UserList, version: Version) {
    list.users.iter_mut().for_each(|user| user_in(user, version));
}

fn mapping() -> impl Strategy<Value = Mapping> {
    (text(), option::of(address())).prop_map(|(name, user_id)| Mapping { name, user_id })
}

fn welcome_note() -> impl Strategy<Value = WelcomeNote> {
    let content = prop_oneof![
        "[ -~]{1,30}".prop_map(|text| Content::text(&text)),
        vec(any::<u8>(), 1..30).prop_map(|data| Content { data: Bytes::from(data), binary: true }),
    ];
    (text(), content).prop_map(|(content_type, content)| WelcomeNote { content_type, content })
}

fn group_properties() -> impl Strategy<Value = GroupProperties> {
    (vec(property(), 0..4), option::of(welcome_note()))
        .prop_map(|(properties, welcome_note)| GroupProperties { properties, welcome_note })
}

fn joined_users() -> impl Strategy<Value = JoinedUsers> {
    (address(), vec(mapping(), 0..4), any::<bool>()).prop_map(|(group_id, mappings, two_levels)| JoinedUsers {
        group_id,
        list: UserMapList { two_levels: two_levels && !mappings.is_empty(), mappings },
    })
}

/// 1.1 has the group beside each name and no addresses; the others have no group there.
fn joined_in(joined: &mut JoinedUsers, version: Version) {
    if version > Version::V1_1 || joined.list.mappings.is_empty() {
        joined.group_id = Address::default();
    }
    if version == Version::V1_1 {
        joined.list.two_levels = false;
        joined.list.mappings.iter_mut().for_each(|mapping| mapping.user_id = None);
    }
}

/// One that names nobody is as one that is not there.
fn listed() -> impl Strategy<Value = Option<Listed>> {
    option::of(user_list().prop_map(Listed))
}

fn listed_in(listed: &mut Option<Listed>, version: Version) {
    if let Some(Listed(list)) = listed {
        user_list_in(list, version);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn groups_are_made_joined_and_left(
        group_id in address(),
        properties in group_properties(),
        own in vec(property(), 0..3),
        screen_name in option::of(screen_name()),
        (first, second) in (any::<bool>(), any::<bool>()),
        joined in option::of(joined_users()),
        note in option::of(welcome_note()),
    ) {
        let create = CreateGroupRequest {
            group_id: group_id.clone(),
            group_properties: properties,
            own_properties: own.clone(),
            join_group: first,
            screen_name: screen_name.clone(),
            subscribe_notification: second,
        };
        check(&create, |expected, version| if version < Version::V1_3 { expected.own_properties.clear() });
        let join = JoinGroupRequest {
            group_id: group_id.clone(),
            screen_name: screen_name.clone(),
            joined_request: first,
            subscribe_notification: second,
            own_properties: own,
        };
        check(&join, |expected, version| if version < Version::V1_2 { expected.own_properties.clear() });
        check(&JoinGroupResponse { joined, screen_name, welcome_note: note }, |expected, version| {
            if version < Version::V1_3 {
                expected.screen_name = None;
            }
            if let Some(joined) = &mut expected.joined {
                joined_in(joined, version);
            }
        });
        let result = ResultInfo::of(Status::REJECTED);
        check(&LeaveGroupResponse { group_id: Some(group_id), result }, |_, _| ());
    }

    #[test]
    fn people_of_groups(
        group_id in address(),
        (admins, mods) in (listed(), listed()),
        users in option::of(user_list()),
        maps in (vec(mapping(), 0..3), vec(mapping(), 0..3), vec(mapping(), 0..3)),
        blocked in listed(),
    ) {
        let members = GetGroupMembersResponse { admins: admins.clone(), mods: mods.clone(), users: users.clone() };
        check(&members, |expected, version| {
            listed_in(&mut expected.admins, version);
            listed_in(&mut expected.mods, version);
            expected.users.iter_mut().for_each(|list| user_list_in(list, version));
        });
        let access = MemberAccessRequest { group_id: group_id.clone(), admins, mods, users: users.clone() };
        check(&access, |expected, version| {
            listed_in(&mut expected.admins, version);
            listed_in(&mut expected.mods, version);
            expected.users.iter_mut().for_each(|list| user_list_in(list, version));
        });
        let users = users.unwrap_or_default();
        check(&AddGroupMembersRequest { group_id, users: users.clone() }, |expected, version| {
            // A UserIDList has addresses only.
            if version == Version::V1_3 && expected.users.screen_names.is_empty() {
                listed_users_in(&mut expected.users.users, version);
            } else {
                user_list_in(&mut expected.users, version);
            }
        });
        let (admins, mods, all) = maps;
        let by_role = GetJoinedUsersResponse {
            admin_map_list: Some(AdminMapList { admins, mods, users: all }),
            user_map_list: None,
            joined_blocked: blocked,
        };
        check(&by_role, |expected, version| {
            listed_in(&mut expected.joined_blocked, version);
            if version < Version::V1_3 {
                expected.joined_blocked = None;
            }
        });
        let user_list = (!users.is_empty()).then_some(users);
        check(&RejectListResponse { user_list }, |expected, version| {
            expected.user_list.iter_mut().for_each(|list| user_list_in(list, version));
        });
    }

    #[test]
    fn changes_of_groups(
        group_id in address(),
        joined in option::of(joined_users()),
        (left, joined_blocked, left_blocked) in (listed(), listed(), listed()),
        properties in option::of(group_properties()),
        own in vec(property(), 0..3),
    ) {
        let notice = GroupChangeNotice {
            group_id,
            joined,
            left,
            joined_blocked,
            left_blocked,
            group_properties: properties,
            own_properties: own,
        };
        check(&notice, |expected, version| {
            if let Some(joined) = &mut expected.joined {
                joined_in(joined, version);
            }
            listed_in(&mut expected.left, version);
            listed_in(&mut expected.joined_blocked, version);
            listed_in(&mut expected.left_blocked, version);
            if version < Version::V1_3 {
                (expected.joined_blocked, expected.left_blocked) = (None, None);
            }
        });
    }

    #[test]
    fn conversations(
        id in option::of(text()),
        users in vec(address(), 0..3),
        partner in option::of(user()),
        subscribe in option::of(any::<bool>()),
        note in option::of(welcome_note()),
        screen_name in option::of(screen_name()),
        group_id in option::of(address()),
    ) {
        let request = ExtendConversationRequest {
            extend_conversation_id: id.clone(),
            users,
            partner,
            subscribe_notification: subscribe,
            welcome_note: note,
            screen_name,
        };
        check(&request, |expected, version| expected.partner.iter_mut().for_each(|user| user_in(user, version)));
        let result = Some(ResultInfo::of(Status::SUCCESSFUL));
        let response = ExtendConversationResponse {
            extend_conversation_id: id.clone(),
            group_id,
            response_note: id,
            result,
        };
        check(&response, |_, _| ());
    }
}

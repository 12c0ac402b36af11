//! Every row of SSP 10 there and back, over the wire; and what has no row, by name.

mod events;
mod parts;
mod samples;

use imps_proto::csp::{CATALOGUE, Initiator};
use imps_proto::element::Element;
use imps_proto::ssp::{Body, Dialect, Kind, Message, Mode, NAMES, limits};
use imps_types::TransactionId;
use imps_types::element::{DetailedResult, User};

use super::*;

fn home() -> Domain {
    Domain::parse("a.example").unwrap()
}

/// Alice of home asks.
fn meta() -> MetaInfo {
    MetaInfo::of_user(own(), User::of("wv:alice@a.example"))
}

fn own() -> Address {
    Address::new("wv:@a.example")
}

/// As the other side reads it.
fn wire(primitive: Primitive) -> Primitive {
    let transaction =
        imps_proto::ssp::Transaction { mode: Mode::Request, id: TransactionId::new("1"), content: Ok(primitive) };
    let body = Body::Session { id: "s@a.example".into(), transactions: vec![transaction] };
    let text = Message { dialect: Dialect::V1_3, body }.write();
    let read = Message::read(&text, &limits(1 << 20));
    let Ok(Message { body: Body::Session { transactions, .. }, .. }) = read else {
        panic!("{read:?} of {}", String::from_utf8_lossy(&text));
    };
    let read = transactions.into_iter().next().unwrap().content;
    read.unwrap_or_else(|refusal| panic!("{refusal:?} of {}", String::from_utf8_lossy(&text)))
}

fn out(request: &Request) -> Primitive {
    wire(request_out(request, meta()).unwrap_or_else(|| panic!("{request:?} has no meaning in SSP")))
}

#[test]
fn requests_come_as_they_went() {
    for (request, _) in samples::all() {
        let said = out(&request);
        let taken = match &said {
            Primitive::InviteResponse(said) => Some(reply_in(said).into()),
            said => request_in(said),
        };
        assert_eq!(taken.as_ref(), Some(&request), "{said:?}");
    }
}

#[test]
fn answers_come_as_they_went() {
    for (request, response) in samples::all() {
        let said = out(&request);
        let answer = wire(answer_out(&said, response.clone()));
        let row = said.name().row();
        assert!(answer.name() == Name::Status || row.replies.contains(&answer.name()), "{answer:?} to {}", row.name);
        // What has an answer of its own is answered by it.
        assert_eq!(answer.name() == Name::Status, row.replies.is_empty(), "{answer:?} to {}", row.name);
        assert_eq!(answer_in(&request, Version::V1_3, answer), response, "to {}", row.name);
    }
}

#[test]
fn failures_come_as_they_are() {
    let user_ids = vec![Address::new("wv:bob@b.example")];
    let detail = DetailedResult { user_ids, ..DetailedResult::of(Status::UNKNOWN_USER) };
    for (request, _) in samples::all() {
        let result = ResultInfo {
            detailed: vec![detail.clone()],
            try_again: Some(30),
            ..ResultInfo::with_text(Status::SERVER_UNAVAILABLE, "later")
        };
        let answer = wire(answer_out(&out(&request), status_of(result.clone())));
        assert_eq!(answer.outcome(), Some(&result), "{request:?}");
        assert_eq!(answer_in(&request, Version::V1_3, answer), status_of(result), "{request:?}");
    }
}

#[test]
fn a_plain_success_is_one_whatever_was_asked() {
    for (request, _) in samples::all() {
        let answer = Primitive::Status(success());
        assert!(outcome(&answer_in(&request, Version::V1_1, answer)).status.is_success(), "{request:?}");
    }
}

#[test]
fn the_service_is_that_of_the_primitive() {
    for (request, _) in samples::all() {
        let said = out(&request);
        assert_eq!(name_of(&request), Some(said.name()));
        let service = said.service().filter(|_| !matches!(request, Request::GetSpInfo(_)));
        assert_eq!(service_of(&request), service, "{request:?}");
    }
}

/// Transactions of CSP that SSP has not.
const HOME_ALONE: &[Element] = &[
    // They never leave home (SSP 10).
    Element::WvCspVersionDiscoveryRequest,
    Element::LoginRequest,
    Element::LogoutRequest,
    Element::KeepAliveRequest,
    Element::PollingRequest,
    Element::ServiceRequest,
    Element::ClientCapabilityRequest,
    Element::SystemMessageUser,
    Element::SubscribeNotificationRequest,
    Element::UnsubscribeNotificationRequest,
    Element::GetSegmentRequest,
    Element::DropSegmentRequest,
    // SSP has no word for them.
    Element::GetMapRequest,
    Element::GetReactiveAuthStatusRequest,
    Element::ExtendConversationRequest,
];

#[test]
fn every_transaction_of_csp_has_its_row_or_is_named() {
    let translated: Vec<_> = samples::all().iter().filter_map(|(request, _)| request.element()).collect();
    for row in CATALOGUE.iter().filter(|row| row.initiator != Initiator::Server) {
        let (is_translated, is_named) = (translated.contains(&row.request), HOME_ALONE.contains(&row.request));
        assert!(is_translated != is_named, "{:?}", row.request);
    }
}

/// Primitives that domains say for themselves, and what they are answered.
const OF_DOMAINS: &[Name] = &[
    Name::SendSecretToken,
    Name::LoginRequest,
    Name::LoginResponse,
    Name::KeepAliveRequest,
    Name::KeepAliveResponse,
    Name::LogoutRequest,
    Name::Disconnect,
    Name::GetServiceListRequest,
    Name::GetServiceListResponse,
    Name::SetServiceAgreementRequest,
    Name::SetServiceAgreementResponse,
    Name::GetUserProfileRequest,
    Name::GetUserProfileResponse,
    Name::UpdateUserProfileRequest,
];

/// What users are told: `event_out` and `told_in`.
const TOLD: &[Name] = &[
    Name::InviteResponse,
    Name::PresenceNotification,
    Name::AuthorizationRequest,
    Name::NewMessage,
    Name::MessageNotification,
    Name::GroupChangeNotice,
    Name::LeaveGroupIndication,
];

/// What became of messages, for the sender's domain.
const OF_MESSAGES: &[Name] = &[Name::DeliveryStatusReport];

#[test]
fn every_primitive_of_ssp_has_its_row_or_is_named() {
    let mut asked = Vec::new();
    let mut answered = vec![Name::Status];
    for (request, response) in samples::all() {
        let said = out(&request);
        if request_in(&said).is_some() {
            asked.push(said.name());
        }
        answered.push(answer_out(&said, response).name());
    }
    for name in NAMES {
        let places = [
            asked.contains(name),
            OF_DOMAINS.contains(name),
            TOLD.contains(name),
            OF_MESSAGES.contains(name),
            name.row().kind == Kind::Reply && !OF_DOMAINS.contains(name) && answered.contains(name),
        ];
        assert_eq!(places.iter().filter(|is_there| **is_there).count(), 1, "{name}: {places:?}");
    }
}

#[test]
fn addresses_are_completed_on_the_way_out() {
    let request = csp::AddGroupMembersRequest {
        group_id: Address::new("bob/cars@b.example"),
        users: imps_types::element::UserList { users: vec![User::of("carol")], screen_names: Vec::new() },
    };
    let Primitive::AddGroupMemberRequest(said) = out(&request.into()) else { panic!("it is another") };
    assert_eq!(said.group_id.as_str(), "wv:bob/cars@b.example");
    assert_eq!(said.user_ids, [Address::new("wv:carol@a.example")]);
}

#[test]
fn the_list_of_those_who_joined_is_what_was_asked_for() {
    let group_id = Address::new("wv:bob/cars@b.example");
    let request = |joined_request| csp::JoinGroupRequest {
        group_id: group_id.clone(),
        screen_name: Some(ScreenName { name: "Speedy".into(), group_id: Address::default() }),
        joined_request,
        subscribe_notification: true,
        own_properties: Vec::new(),
    };
    let names = imps_proto::ssp::Names { names: vec!["Bo".into(), "Speedy".into()] };
    let told = imps_proto::ssp::JoinGroupResponse { status: success(), joined: Some(names), welcome_note: None };
    for (is_wanted, version) in [(false, Version::V1_2), (true, Version::V1_1), (true, Version::V1_3)] {
        let answer = answer_in(&request(is_wanted).into(), version, told.clone().into());
        let Response::JoinGroup(joined) = answer else { panic!("it is another") };
        assert_eq!(joined.joined.is_some(), is_wanted);
        let list = joined.joined.unwrap_or_default();
        assert_eq!(list.list.mappings.len(), if is_wanted { 2 } else { 0 });
        assert!(!is_wanted || list.group_id == group_id, "1.1 has it beside each name");
        // The group in which the name is, though the client left it out.
        let own = (version == Version::V1_3).then(|| ScreenName { name: "Speedy".into(), group_id: group_id.clone() });
        assert_eq!(joined.screen_name, own);
    }
    // A peer that says no more than 200.
    let answer = answer_in(&request(true).into(), Version::V1_2, Primitive::Status(success()));
    assert!(matches!(answer, Response::JoinGroup(joined) if joined.joined.is_some()));
}

#[test]
fn presence_of_others_is_not_heard() {
    let request = csp::GetPresenceRequest {
        users: vec![User::of("wv:bob@b.example")],
        contact_lists: Vec::new(),
        presence_sub_list: None,
    };
    let value = |user: &str| imps_proto::ssp::PresenceValue { user_id: Address::new(user), lists: Vec::new() };
    let values = vec![value("BOB@b.example"), value("wv:carol@c.example")];
    // As Baraza writes it: without a Status (SSP 17).
    let told = imps_proto::ssp::GetPresenceResponse { status: None, values };
    let Response::GetPresence(told) = answer_in(&request.into(), Version::V1_2, told.into()) else { panic!("another") };
    let users: Vec<_> = told.presence.iter().filter_map(|info| info.user_id.as_ref()).map(Address::as_str).collect();
    assert_eq!(users, ["wv:bob@b.example"]);
    assert_eq!(told.result.status, Status::SUCCESSFUL);
}

#[test]
fn part_of_the_presence_is_a_success_to_those_who_take_nothing_else() {
    let users = ["wv:bob@b.example", "wv:zoe@b.example"].map(User::of).to_vec();
    let request: Request = csp::GetPresenceRequest { users, contact_lists: Vec::new(), presence_sub_list: None }.into();
    let user_ids = vec![Address::new("wv:zoe@b.example")];
    let detail = DetailedResult { user_ids, ..DetailedResult::of(Status::UNKNOWN_USER) };
    let result = ResultInfo::partial(true, vec![detail]);
    let response: Response = csp::GetPresenceResponse { result, presence: Vec::new() }.into();
    let answer = wire(answer_out(&out(&request), response.clone()));
    assert_eq!(answer.outcome().map(|result| result.status), Some(Status::SUCCESSFUL));
    assert_eq!(answer_in(&request, Version::V1_2, answer), response);
}

#[test]
fn a_search_goes_on_where_it_began() {
    let begin = |request: &csp::SearchRequest| match split(request.clone().into(), &home()) {
        Split { here: Some(_), .. } => None,
        Split { there, .. } => there.into_iter().next(),
    };
    let mut search = samples::search();
    let (domain, part) = begin(&search).unwrap();
    assert_eq!(domain.as_str(), "b.example");
    let found = imps_proto::ssp::SearchResponse {
        search_id: Some("7".into()),
        findings: Some(9),
        index: Some(6),
        completion: Some(false),
        status: success(),
        user_ids: vec![Address::new("wv:bob@b.example")],
        group_ids: Vec::new(),
    };
    let Response::Search(told) = answer_in(&part, Version::V1_2, found.clone().into()) else { panic!("another") };
    assert_eq!(told.search_id.as_deref(), Some("7@b.example"));
    search.pairs.clear();
    search.search_id = told.search_id;
    let (domain, part) = begin(&search).unwrap();
    assert_eq!(domain.as_str(), "b.example");
    let Primitive::SearchRequest(said) = out(&part) else { panic!("another") };
    assert_eq!(said.search_id.as_deref(), Some("7"));
    let Response::Search(told) = answer_in(&part, Version::V1_2, found.into()) else { panic!("another") };
    assert_eq!(told.search_id.as_deref(), Some("7@b.example"));
}

#[test]
fn nobody_speaks_for_the_group_of_another_domain() {
    let name = |group: &str| ScreenName { name: "Speedy".into(), group_id: Address::new(group) };
    let invite = |group: &str| {
        let mut invite = samples::invite();
        invite.screen_name = None;
        let shown = imps_types::element::Group::ScreenName(name(group));
        invite.sender = Some(imps_types::element::Sender::Group(shown));
        let Primitive::InviteRequest(said) = out(&invite.into()) else { panic!("another") };
        said
    };
    let said = invite("wv:bob/cars@b.example");
    assert_eq!(said.inviting.address().as_str(), "wv:alice@a.example");
    assert_eq!(said.screen_name, Some(name("wv:bob/cars@b.example")), "the name is told beside it");
    let said = invite("alice/cars");
    assert_eq!(said.inviting, imps_proto::ssp::Party::ScreenName(name("wv:alice/cars@a.example")));
    // A message has its sender's address in any case.
    let mut send = samples::send();
    send.message.info.sender =
        Some(imps_types::element::Sender::Group(imps_types::element::Group::ScreenName(name("wv:bob/cars@b.example"))));
    send.message.info.message_id = Some("1".into());
    let Primitive::SendMessageRequest(said) = out(&send.into()) else { panic!("another") };
    assert_eq!(said.info.sender, Some(imps_types::element::Sender::User(User::of("wv:alice@a.example"))));
    assert_eq!(said.info.message_id, None, "a client's name for it is nobody's");
}

#[test]
fn what_ssp_cannot_say_is_not_said_in_part() {
    let screen_name = ScreenName { name: "Bo".into(), group_id: Address::new("wv:bob/cars@b.example") };
    let users = imps_types::element::UserList {
        users: vec![User::of("wv:bea@b.example")],
        screen_names: vec![screen_name.clone()],
    };
    let group_id = screen_name.group_id.clone();
    let entities = imps_types::element::EntityList { screen_names: vec![screen_name], ..Default::default() };
    let mut search = samples::search();
    search.advanced_criteria = Some("1 OR 2".into());
    let mut invite = samples::invite();
    invite.recipient.users.push(User::of("wv:bea@b.example"));
    let mut cancel = samples::cancel();
    cancel.recipient = None;
    let requests: Vec<Request> = vec![
        csp::AddGroupMembersRequest { group_id: group_id.clone(), users: users.clone() }.into(),
        csp::RemoveGroupMembersRequest { group_id: group_id.clone(), users: users.clone() }.into(),
        csp::MemberAccessRequest { group_id: group_id.clone(), admins: None, mods: None, users: Some(users) }.into(),
        csp::RejectListRequest { group_id, add_list: Some(entities), remove_list: None }.into(),
        search.into(),
        invite.into(),
        cancel.into(),
    ];
    for request in requests {
        assert_eq!(request_out(&request, meta()), None, "{request:?}");
    }
}

//! Requests about several domains, and their answers.

use imps_types::element::{Group, PublicProfile, Recipient};
use imps_types::presence::PresenceInfo;

use super::*;

const HERE: &str = "wv:bill@a.example";
const B: &str = "wv:bob@b.example";
const C: &str = "wv:carol@C.example";

fn users(names: &[&str]) -> Vec<User> {
    names.iter().map(|name| User::of(*name)).collect()
}

fn watch(names: &[&str]) -> csp::SubscribePresenceRequest {
    csp::SubscribePresenceRequest {
        users: users(names),
        contact_lists: Vec::new(),
        presence_sub_list: None,
        auto_subscribe: None,
    }
}

fn get(names: &[&str]) -> Request {
    let users = users(names);
    csp::GetPresenceRequest { users, contact_lists: Vec::new(), presence_sub_list: None }.into()
}

fn group(text: &str) -> Group {
    Group::Id(Address::new(text))
}

/// The parts for other domains by the domains' names.
fn there(split: &Split) -> Vec<(&str, &Request)> {
    split.there.iter().map(|(domain, request)| (domain.as_str(), request)).collect()
}

#[test]
fn what_is_about_home_stays() {
    for names in [&[HERE, "bill", "wv:bill"][..], &[]] {
        let whole = Request::from(watch(names));
        assert_eq!(split(whole.clone(), &home()), Split { here: Some(whole), there: Vec::new() });
    }
    let local = csp::LeaveGroupRequest { group_id: Address::new("alice/cars") };
    assert_eq!(split(local.clone().into(), &home()).here, Some(local.into()));
    // Users of other domains, too: the services bring messages there.
    let mut send = samples::send();
    send.message.info.recipient = Recipient { users: users(&[HERE, B]), ..Recipient::default() };
    assert_eq!(split(send.clone().into(), &home()), Split { here: Some(send.into()), there: Vec::new() });
    let reply = csp::InviteUserResponse {
        invite_id: "i".into(),
        acceptance: true,
        sender: None,
        recipient: Some(Recipient::user(User::of(B))),
        response_note: None,
        screen_name: None,
    };
    assert_eq!(split(reply.clone().into(), &home()).here, Some(reply.into()));
}

#[test]
fn what_is_about_others_goes_there() {
    let split_up = split(watch(&[B, C, "BEA@B.example"]).into(), &home());
    assert_eq!(split_up.here, None);
    let (to_b, to_c) = (Request::from(watch(&[B, "BEA@B.example"])), Request::from(watch(&[C])));
    assert_eq!(there(&split_up), [("b.example", &to_b), ("c.example", &to_c)]);
    let join = Request::from(csp::LeaveGroupRequest { group_id: Address::new("wv:bob/cars@b.example") });
    let split_up = split(join.clone(), &home());
    assert_eq!((split_up.here.as_ref(), there(&split_up)), (None, vec![("b.example", &join)]));
}

#[test]
fn every_request_about_a_group_goes_where_it_is() {
    let about = |request: &Request| {
        let said = request_out(request, meta())?;
        said.spoken_to().first().map(|address| address.as_str().contains("/cars@b.example"))
    };
    let mut count = 0;
    for (request, _) in samples::all() {
        if service_of(&request) == Some(Service::Group) && about(&request) == Some(true) {
            let split_up = split(request.clone(), &home());
            assert_eq!((split_up.here.as_ref(), there(&split_up)), (None, vec![("b.example", &request)]));
            count += 1;
        }
    }
    // All of 9.7, one twice, and a message.
    assert_eq!(count, 17);
}

#[test]
fn contact_lists_stay_with_home() {
    let mut whole = watch(&[B]);
    whole.contact_lists = vec![Address::new("alice/friends")];
    whole.auto_subscribe = Some(true);
    let split_up = split(whole.clone().into(), &home());
    whole.users.clear();
    assert_eq!(split_up.here, Some(whole.into()));
    assert_eq!(there(&split_up), [("b.example", &Request::from(watch(&[B])))]);
}

#[test]
fn an_invitation_is_for_each_by_himself() {
    let mut invite = samples::invite();
    invite.recipient = Recipient {
        users: users(&[HERE, B, "wv:bea@b.example"]),
        groups: vec![group("wv:/news@c.example"), group("/news")],
        contact_lists: Vec::new(),
    };
    let split_up = split(invite.into(), &home());
    let recipient = |request: &Request| match request {
        Request::Invite(part) => part.recipient.clone(),
        other => panic!("{other:?}"),
    };
    let rest = Recipient { users: users(&[HERE]), groups: vec![group("/news")], contact_lists: Vec::new() };
    assert_eq!(split_up.here.as_ref().map(recipient), Some(rest));
    let parts: Vec<_> = split_up.there.iter().map(|(domain, part)| (domain.as_str(), recipient(part))).collect();
    let whole_group = Recipient { groups: vec![group("wv:/news@c.example")], ..Recipient::default() };
    assert_eq!(
        parts,
        [
            ("b.example", Recipient::user(User::of(B))),
            ("b.example", Recipient::user(User::of("wv:bea@b.example"))),
            ("c.example", whole_group),
        ]
    );
    assert!(split_up.there.iter().all(|(_, part)| request_out(part, meta()).is_some()));
    // Whom it was for, home knows.
    let mut cancel = samples::cancel();
    cancel.recipient = None;
    assert_eq!(split(cancel.clone().into(), &home()), Split { here: Some(cancel.into()), there: Vec::new() });
}

#[test]
fn a_message_goes_to_the_groups_of_each_domain() {
    let mut send = samples::send();
    let name = ScreenName { name: "Bo".into(), group_id: Address::new("wv:bob/cars@b.example") };
    send.message.info.recipient = Recipient {
        users: users(&[HERE, B]),
        groups: vec![group("/lobby"), group("wv:/news@b.example"), Group::ScreenName(name.clone())],
        contact_lists: Vec::new(),
    };
    let split_up = split(send.into(), &home());
    let recipient = |request: &Request| match request {
        Request::SendMessage(part) => part.message.info.recipient.clone(),
        other => panic!("{other:?}"),
    };
    let rest = Recipient { users: users(&[HERE, B]), groups: vec![group("/lobby")], contact_lists: Vec::new() };
    assert_eq!(split_up.here.as_ref().map(recipient), Some(rest));
    let groups = vec![group("wv:/news@b.example"), Group::ScreenName(name)];
    let parts: Vec<_> = split_up.there.iter().map(|(_, part)| recipient(part)).collect();
    assert_eq!(parts, [Recipient { groups, ..Recipient::default() }]);
}

#[test]
fn names_are_verified_where_they_are_of() {
    let address = |text: &str| vec![Address::new(text)];
    let ids = imps_types::element::IdList {
        user_ids: address(B),
        contact_lists: address("alice/friends"),
        group_ids: address("wv:/news@b.example"),
        screen_names: vec![ScreenName { name: "Bo".into(), group_id: Address::new("wv:/news@c.example") }],
        domains: vec!["b.example".into()],
    };
    let split_up = split(csp::VerifyIdRequest { id_list: ids.clone() }.into(), &home());
    let part = |id_list| Request::from(csp::VerifyIdRequest { id_list });
    let (mut here, mut to_b, mut to_c) = (ids.clone(), ids.clone(), ids.clone());
    (here.user_ids, here.group_ids, here.screen_names) = Default::default();
    (to_b.contact_lists, to_b.group_ids, to_b.screen_names, to_b.domains) = Default::default();
    // The groups of B may be kept by somebody else than its users are.
    let groups_of_b = imps_types::element::IdList { group_ids: ids.group_ids, ..Default::default() };
    (to_c.user_ids, to_c.contact_lists, to_c.group_ids, to_c.domains) = Default::default();
    assert_eq!(split_up.here, Some(part(here)));
    let parts = [("b.example", &part(to_b)), ("b.example", &part(groups_of_b)), ("c.example", &part(to_c))];
    assert_eq!(there(&split_up), parts);
}

#[test]
fn who_types_a_part_of_home_looks_at_home() {
    for (text, domain) in [
        ("bob@b.example", Some("b.example")),
        ("@b", Some("b")),
        ("bob", None),
        ("bob@a.example", None),
        ("bob@a.ex", None),
    ] {
        let mut search = samples::search();
        search.pairs.retain(|pair| &*pair.element == "USER_ID");
        search.pairs.iter_mut().for_each(|pair| pair.string = Some(text.into()));
        let split_up = split(search.clone().into(), &home());
        assert_eq!(there(&split_up).first().map(|(domain, _)| *domain), domain, "{text}");
        search.advanced_criteria = Some("1 OR 2".into());
        assert!(split(search.into(), &home()).there.is_empty());
    }
    for (id, is_there) in [("7", false), ("7@b.example", true), ("7@a.example", false)] {
        let stop = csp::StopSearchRequest { search_id: id.into() };
        assert_eq!(!split(stop.into(), &home()).there.is_empty(), is_there, "{id}");
    }
}

#[test]
fn what_would_be_too_much_stays_whole() {
    let many: Vec<_> = (0..501).map(|number| format!("wv:bob@b{number}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(split(watch(&many).into(), &home()).there.is_empty());
    assert_eq!(split(watch(&many[..500]).into(), &home()).there.len(), 500);
    // Of one domain there may be more.
    let same: Vec<_> = (0..501).map(|number| format!("wv:bob{number}@b.example")).collect();
    let same: Vec<&str> = same.iter().map(String::as_str).collect();
    assert_eq!(split(watch(&same).into(), &home()).there.len(), 1);
    let mut invite = samples::invite();
    invite.recipient.users = users(&many[..100]);
    assert_eq!(split(invite.clone().into(), &home()).there.len(), 100);
    invite.invite_note = Some("x".repeat(100_000).into());
    assert_eq!(split(invite.clone().into(), &home()), Split { here: Some(invite.into()), there: Vec::new() });
}

fn status(code: Status) -> Response {
    status_of(ResultInfo::of(code))
}

/// The code of the whole, and the codes of the details with the users in them.
fn result_of(response: &Response) -> (u16, Vec<(u16, Vec<&str>)>) {
    let result = match response {
        Response::Status(it) => &it.result,
        Response::GetPresence(it) => &it.result,
        Response::GetPublicProfile(it) => &it.result,
        Response::SendMessage(it) => &it.result,
        other => panic!("{other:?}"),
    };
    let details =
        result.detailed.iter().map(|one| (one.status.code(), one.user_ids.iter().map(Address::as_str).collect()));
    (result.status.code(), details.collect())
}

fn merged(answers: &[(&str, Status)]) -> (u16, Vec<(u16, Vec<String>)>) {
    let whole = watch(&answers.iter().map(|(user, _)| *user).collect::<Vec<_>>());
    let parts = answers.iter().map(|(user, code)| (watch(&[*user]).into(), status(*code))).collect();
    let response = merge(&whole.into(), Version::V1_2, parts);
    let (code, details) = result_of(&response);
    let own = |users: Vec<&str>| users.into_iter().map(str::to_owned).collect();
    (code, details.into_iter().map(|(code, users)| (code, own(users))).collect())
}

#[test]
fn one_answer_is_made_of_several() {
    let own = |users: &[&str]| users.iter().map(|user| (*user).to_owned()).collect::<Vec<_>>();
    let (good, down, unknown) = (Status::SUCCESSFUL, Status::SERVER_UNAVAILABLE, Status::DOMAIN_NOT_SUPPORTED);
    assert_eq!(merged(&[(HERE, good), (B, good), (C, good)]), (200, vec![]));
    assert_eq!(merged(&[(HERE, good), (B, down), (C, good)]), (201, vec![(503, own(&[B]))]));
    assert_eq!(merged(&[(HERE, good), (B, unknown), (C, down)]), (201, vec![(503, own(&[C])), (516, own(&[B]))]));
    // Nothing went well: one code if it is the same for all.
    assert_eq!(merged(&[(B, down), (C, down)]), (503, vec![(503, own(&[B, C]))]));
    assert_eq!(merged(&[(B, unknown), (C, down)]), (900, vec![(503, own(&[C])), (516, own(&[B]))]));
    // What is under way has not failed.
    assert_eq!(merged(&[(B, Status::ACCEPTED), (C, Status::ACCEPTED)]), (202, vec![]));
    assert_eq!(merged(&[(B, Status::QUEUED), (C, good)]), (200, vec![]));
    // A single part is the answer.
    assert_eq!(merged(&[(B, down)]), (503, vec![]));
}

#[test]
fn details_of_the_parts_are_kept() {
    let detail = |code, user: &str| DetailedResult { user_ids: vec![Address::new(user)], ..DetailedResult::of(code) };
    let partly = |user| ResultInfo::partial(true, vec![detail(Status::UNKNOWN_USER, user)]);
    let parts = vec![
        (watch(&[HERE, "wv:zoe@a.example"]).into(), status_of(partly("wv:zoe@a.example"))),
        (watch(&[B, "wv:zoe@b.example"]).into(), status_of(partly("wv:zoe@b.example"))),
        (watch(&[C]).into(), status_of(ResultInfo { try_again: Some(30), ..ResultInfo::of(Status::TIMEOUT) })),
    ];
    let response = merge(&watch(&[]).into(), Version::V1_3, parts);
    let expected = vec![(504, vec![C]), (531, vec!["wv:zoe@a.example", "wv:zoe@b.example"])];
    assert_eq!(result_of(&response), (201, expected));
    assert!(matches!(response, Response::Status(it) if it.result.try_again == Some(30)));
}

#[test]
fn presence_of_all_is_one_list() {
    let told = |user: &str| {
        let info = PresenceInfo { user_id: Some(Address::new(user)), ..PresenceInfo::default() };
        Response::from(csp::GetPresenceResponse { result: success(), presence: vec![info] })
    };
    let parts = vec![(get(&[HERE]), told(HERE)), (get(&[B]), told(B)), (get(&[C]), status(Status::TIMEOUT))];
    let response = merge(&get(&[HERE, B, C]), Version::V1_1, parts);
    assert_eq!(result_of(&response), (201, vec![(504, vec![C])]));
    let Response::GetPresence(list) = response else { panic!("another") };
    let users: Vec<_> = list.presence.iter().filter_map(|info| info.user_id.as_ref()).map(Address::as_str).collect();
    assert_eq!(users, [HERE, B]);
    // Nobody said anything.
    let parts = vec![(get(&[B]), status(Status::TIMEOUT)), (get(&[C]), status(Status::TIMEOUT))];
    let response = merge(&get(&[B, C]), Version::V1_1, parts);
    assert!(matches!(response, Response::Status(_)));
    assert_eq!(result_of(&response), (504, vec![(504, vec![B, C])]));
}

#[test]
fn profiles_and_messages_of_all_are_one_answer() {
    let profile = |user: &str| PublicProfile { user_id: Some(Address::new(user)), properties: Vec::new() };
    let ask = |user: &str| csp::GetPublicProfileRequest { user_ids: vec![Address::new(user)] };
    let told = |user: &str| csp::GetPublicProfileResponse { result: success(), profiles: vec![profile(user)] };
    let parts = vec![(ask(HERE).into(), told(HERE).into()), (ask(B).into(), told(B).into())];
    let Response::GetPublicProfile(all) = merge(&ask(HERE).into(), Version::V1_3, parts) else { panic!("another") };
    assert_eq!(all.profiles, [profile(HERE), profile(B)]);

    let sent = |id: &str| csp::SendMessageResponse { result: success(), message_id: Some(id.into()) };
    let whole = Request::from(samples::send());
    let parts = vec![(whole.clone(), sent("m1").into()), (whole.clone(), sent("m2").into())];
    let response = merge(&whole, Version::V1_2, parts);
    assert!(matches!(&response, Response::SendMessage(one) if one.message_id.as_deref() == Some("m1")));
    let failed = vec![(whole.clone(), sent("m1").into()), (whole.clone(), status(Status::TIMEOUT))];
    let Response::SendMessage(one) = merge(&whole, Version::V1_2, failed) else { panic!("another") };
    assert_eq!(one.result.status, Status::PARTIALLY_SUCCESSFUL);
    assert_eq!(one.result.detailed.first().map(|detail| detail.group_ids.len()), Some(1));
}

//! The scenarios of SSP 16.2 and 16.3, hop by hop.

use imps_proto::ssp::{
    DeliveryResult, DeliveryStatusReport, GetUserProfileRequest, MetaInfo, NewMessage, PresenceNotification,
    PresenceValue, SendMessageRequest, SubscribeRequest,
};
use imps_types::element::{Group, MessageInfo, Recipient, ResultInfo, ScreenName, User};

use super::*;
use crate::agreement::{Provision, Terms};

fn of(name: &str) -> Domain {
    Domain::parse(name).expect("a domain")
}

fn peer(name: &str) -> Next {
    Next::Peer(of(name))
}

type Lines<'a> = &'a [(Service, &'a str)];

fn table(own: &str, has: &[Service], contracts: &[(&str, Lines<'_>, Lines<'_>)]) -> ServiceTable {
    let all = |lines: Lines<'_>| {
        lines.iter().map(|(service, name)| Provision { service: *service, domain: of(name) }).collect()
    };
    let contracts: Vec<_> = contracts
        .iter()
        .map(|(name, theirs, ours)| (of(name), Terms { theirs: all(theirs), ours: all(ours), ..Terms::default() }))
        .collect();
    ServiceTable::of(&of(own), has.iter().copied(), contracts.iter().map(|(name, terms)| (name, terms)), &[])
}

const IM: Service = Service::Im;
const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";

/// Home B, the relays H1 and H2, and P, the provider of IM (SSP 16.3).
fn chain() -> [ServiceTable; 4] {
    let of_b: Lines<'_> = &[(IM, "b.example")];
    [
        table("b.example", &[Service::Common], &[("h1.example", of_b, &[])]),
        table("h1.example", &[IM], &[("b.example", &[], of_b), ("h2.example", of_b, &[])]),
        table("h2.example", &[IM], &[("h1.example", &[], of_b), ("p.example", of_b, &[])]),
        table("p.example", &[IM], &[("h2.example", &[], of_b)]),
    ]
}

/// Presence and groups at A, IM and content at B (SSP 16.2).
fn complementary() -> (ServiceTable, ServiceTable) {
    use Service::{Content, Group, Presence};
    let at_a: Lines<'_> = &[(Presence, "b.example"), (Group, "b.example")];
    let at_b: Lines<'_> = &[(IM, "a.example"), (Content, "a.example")];
    (
        table("a.example", &[Service::Common, Presence, Group], &[("b.example", at_b, at_a)]),
        table("b.example", &[Service::Common, IM, Content], &[("a.example", at_a, at_b)]),
    )
}

fn info(from: &str, to: &[&str]) -> MessageInfo {
    MessageInfo {
        message_id: Some("m-1".into()),
        recipient: Recipient { users: to.iter().map(|it| User::of(*it)).collect(), ..Recipient::default() },
        sender: Some(Sender::User(User::of(from))),
        ..MessageInfo::default()
    }
}

fn meta(user: &str) -> MetaInfo {
    let (_, domain) = user.rsplit_once('@').expect("a domain");
    MetaInfo::of_user(format!("wv:@{domain}").as_str().into(), User::of(user))
}

fn send(from: &str, to: &[&str]) -> Primitive {
    SendMessageRequest { meta: meta(from), delivery_report: None, info: info(from, to), content: None }.into()
}

fn deliver(from: &str, to: &[&str]) -> Primitive {
    let meta = MetaInfo::of_domain("wv:@p.example".into());
    NewMessage { meta, info: info(from, to), content: None }.into()
}

fn report(sender: Option<&str>, recipient: &str) -> Primitive {
    let mut info = info(sender.unwrap_or(ALICE), &[recipient]);
    info.sender = info.sender.filter(|_| sender.is_some());
    let result = DeliveryResult { status: ResultInfo::of(Status::SUCCESSFUL) };
    DeliveryStatusReport { meta: None, result, time: None, info }.into()
}

fn subscribe(from: &str, to: &str) -> Primitive {
    SubscribeRequest { meta: meta(from), user_ids: vec![to.into()], attributes: None }.into()
}

fn presence(of_user: &str, to: &str) -> Primitive {
    let value = PresenceValue { user_id: of_user.into(), lists: Vec::new() };
    let meta = Some(MetaInfo::of_domain("wv:@a.example".into()));
    PresenceNotification { meta, users: vec![User::of(to)], values: vec![value] }.into()
}

#[test]
fn a_message_goes_up_the_chain_and_what_comes_of_it_down() {
    let [b, h1, h2, p] = chain();
    let (of_a, of_b, of_h1, of_h2, of_p) =
        (of("a.example"), of("b.example"), of("h1.example"), of("h2.example"), of("p.example"));
    let said = send(ALICE, &[BOB]);
    assert_eq!(next(&b, &said, Some(&of_a)), peer("h1.example"));
    assert_eq!(next(&h1, &said, Some(&of_b)), peer("h2.example"));
    assert_eq!(next(&h2, &said, Some(&of_h1)), peer("p.example"));
    assert_eq!(next(&p, &said, Some(&of_h2)), Next::Local);
    for said in [deliver(ALICE, &[BOB]), report(Some(ALICE), BOB)] {
        assert_eq!(next(&p, &said, None), peer("h2.example"));
        assert_eq!(next(&h2, &said, Some(&of_p)), peer("h1.example"));
        assert_eq!(next(&h1, &said, Some(&of_h2)), peer("b.example"));
    }
    assert_eq!(next(&b, &deliver(ALICE, &[BOB]), Some(&of_h1)), Next::Local);
    // The report is for Alice, and B has the session with her domain.
    assert_eq!(next(&b, &report(Some(ALICE), BOB), Some(&of_h1)), peer("a.example"));
    assert_eq!(next(&b, &report(None, BOB), Some(&of_h1)), Next::Local, "whose it was is in the store");
    // Bob sends to Alice: no relay has to do with it.
    assert_eq!(next(&b, &send(BOB, &[ALICE]), None), peer("a.example"));
    // His own data.
    let list = imps_proto::ssp::GetMessageRequest { meta: meta(BOB), message_id: "m-1".into() };
    assert_eq!(next(&b, &list.clone().into(), None), peer("h1.example"));
    assert_eq!(next(&h2, &list.clone().into(), Some(&of_h1)), peer("p.example"));
    assert_eq!(next(&p, &list.into(), Some(&of_h2)), Next::Local);
    // A profile is asked for at home, and told to who provides.
    let ask =
        GetUserProfileRequest { meta: MetaInfo::of_domain("wv:@p.example".into()), user_id: BOB.into(), items: None };
    assert_eq!(next(&p, &ask.clone().into(), None), peer("h2.example"));
    assert_eq!(next(&h1, &ask.clone().into(), Some(&of_h2)), peer("b.example"));
    assert_eq!(next(&b, &ask.into(), Some(&of_h1)), Next::Local);
}

#[test]
fn complementary_domains_send_nothing_in_a_circle() {
    let (a, b) = complementary();
    let (of_a, of_b, of_d) = (of("a.example"), of("b.example"), of("d.example"));
    const CAROL: &str = "wv:carol@a.example";
    // Alice to Carol, both at A: up to B, which delivers down to A.
    assert_eq!(next(&a, &send(ALICE, &[CAROL]), None), peer("b.example"));
    assert_eq!(next(&b, &send(ALICE, &[CAROL]), Some(&of_a)), Next::Local);
    assert_eq!(next(&b, &deliver(ALICE, &[CAROL]), None), peer("a.example"));
    assert_eq!(next(&a, &deliver(ALICE, &[CAROL]), Some(&of_b)), Next::Local);
    assert_eq!(next(&a, &send(ALICE, &[BOB]), None), Next::Peer(of_b.clone()));
    assert_eq!(next(&b, &send(ALICE, &[BOB]), Some(&of_a)), Next::Local);
    // Dave of D subscribes to Bob, whose presence A has; what he sees comes over B.
    let said = subscribe("wv:dave@d.example", BOB);
    assert_eq!(next(&b, &said, Some(&of_d)), peer("a.example"));
    assert_eq!(next(&a, &said, Some(&of_b)), Next::Local);
    let told = presence(BOB, "wv:dave@d.example");
    assert_eq!(next(&a, &told, None), peer("b.example"));
    assert_eq!(next(&b, &told, Some(&of_a)), peer("d.example"));
    assert_eq!(next(&a, &report(Some(ALICE), BOB), Some(&of_b)), Next::Local);
    assert_eq!(next(&a, &report(None, BOB), Some(&of_b)), Next::Local, "it is A that asked for it");
    // What is nowhere, and what is nobody's business here.
    let group = imps_proto::ssp::DeleteGroupRequest { meta: meta(ALICE), group_id: "wv:alice/cars@a.example".into() };
    assert_eq!(next(&a, &group.into(), None), Next::Local);
    let alone = table("a.example", &[Service::Common], &[]);
    assert_eq!(next(&alone, &send(BOB, &[ALICE]), Some(&of_b)), ABSENT);
    assert_eq!(next(&a, &send("wv:dave@d.example", &["wv:eve@e.example"]), Some(&of_d)), FOREIGN);
    assert_eq!(next(&b, &send(ALICE, &[BOB, "wv:eve@e.example"]), Some(&of_a)), FOREIGN);
    assert_eq!(next(&b, &presence("wv:dave@d.example", "wv:eve@e.example"), Some(&of_a)), FOREIGN);
    assert_eq!(next(&b, &send(ALICE, &["bob"]), Some(&of_a)), FOREIGN);
    assert_eq!(next(&a, &presence(ALICE, BOB), None), peer("b.example"));
}

#[test]
fn what_is_served_in_two_places_is_not_torn_apart() {
    let of_both = table(
        "h.example",
        &[IM],
        &[("b.example", &[], &[(IM, "b.example")]), ("p.example", &[(IM, "b.example")], &[])],
    );
    let said = send(ALICE, &[BOB, "wv:hans@h.example"]);
    assert_eq!(next(&of_both, &said, Some(&of("b.example"))), SEVERAL);
}

#[test]
fn without_a_route_nothing_goes_back_to_where_it_came_from() {
    let [_, h1, ..] = chain();
    let (of_b, of_h2) = (of("b.example"), of("h2.example"));
    let mut said = send(ALICE, &[BOB]);
    assert_eq!(next(&h1, &said, Some(&of_h2)), LOOP);
    let route = Route { id: "1".into(), hops_left: 7, ms_left: 28_000, via: vec!["wv:@b.example".into()] };
    said.meta_mut().expect("it has one").route = Some(route);
    assert_eq!(next(&h1, &said, Some(&of_h2)), peer("h2.example"), "the other one will find itself in it");
    assert_eq!(next(&h1, &deliver(ALICE, &[BOB]), Some(&of_b)), LOOP);
}

#[test]
fn invitations_go_up_and_come_down() {
    let (a, b) = complementary();
    let (of_a, of_b) = (of("a.example"), of("b.example"));
    let text = include_str!("../../../../imps-proto/tests/ssp/good/invite_request.xml").replace("\"GR\"", "\"SC\"");
    let read = imps_proto::ssp::Message::read(text.as_bytes(), &imps_proto::ssp::limits(1 << 20)).expect("a message");
    let imps_proto::ssp::Body::Session { mut transactions, .. } = read.body else { panic!("a session") };
    let Ok(Primitive::InviteRequest(mut invite)) = transactions.remove(0).content else { panic!("an invitation") };
    invite.inviting = imps_proto::ssp::Party::User(User::of(ALICE));
    invite.invited = imps_proto::ssp::Party::User(User::of("wv:carol@a.example"));
    let said = Primitive::from(invite);
    assert_eq!(next(&a, &said, None), peer("b.example"));
    assert_eq!(next(&b, &said, Some(&of_a)), Next::Local, "B keeps it");
    assert_eq!(next(&a, &said, Some(&of_b)), Next::Local, "and brings it to Carol");
    let answer = |inviting: &str, responding: &str| {
        let party = |user: &str| Some(imps_proto::ssp::Party::User(User::of(user)));
        let (inviting, responding) = (party(inviting), party(responding));
        let (meta, status, note, screen_name) = (None, None, None, None);
        let invite_id = "i-5".into();
        Primitive::from(imps_proto::ssp::InviteResponse {
            meta,
            invite_id,
            acceptance: true,
            status,
            inviting,
            responding,
            note,
            screen_name,
        })
    };
    assert_eq!(next(&b, &answer(ALICE, "wv:carol@a.example"), Some(&of_a)), Next::Local);
    assert_eq!(next(&b, &answer(ALICE, BOB), None), peer("a.example"));
    // Swapped, as some write it.
    assert_eq!(next(&a, &answer("wv:dave@d.example", ALICE), Some(&of("d.example"))), Next::Local);
}

fn route(hops_left: u32, ms_left: u32, via: &[&str]) -> Route {
    Route { id: "r".into(), hops_left, ms_left, via: via.iter().map(|it| Address::new(it)).collect() }
}

#[test]
fn time_and_hops_run_out_on_the_way() {
    let settings = RelaySettings::default();
    let within = Duration::from_secs(30);
    let go = |route: Option<&Route>, own: &str, gone| {
        travel(route, own, "o-1", Duration::from_millis(gone), within, &settings)
    };
    let (first, time) = go(None, "wv:@b.example", 0).expect("passed on");
    assert_eq!(first, Route { id: "o-1".into(), ..route(7, 28_000, &["wv:@b.example"]) });
    assert_eq!(time, Duration::from_secs(28));
    let (second, time) = go(Some(&first), "wv:@h1.example", 500).expect("passed on");
    assert_eq!(second, Route { id: "o-1".into(), ..route(6, 25_500, &["wv:@b.example", "wv:@h1.example"]) });
    assert_eq!(time, Duration::from_millis(25_500));
    let looped = go(Some(&second), "wv:@B.example", 0);
    assert_eq!(looped, Err((Status::DOMAIN_NOT_SUPPORTED, "routing loop")));
    for (hops, ms, expected) in [
        (0, 28_000, Err((Status::DOMAIN_NOT_SUPPORTED, "hop limit"))),
        (1, 28_000, Ok((0, 26_000))),
        // No more than we would give it ourselves.
        (4_000_000_000, 4_000_000_000, Ok((7, 28_000))),
        (5, 3_000, Ok((4, 1_000))),
        (5, 2_999, Err((Status::TIMEOUT, "no time is left for another relay"))),
        (5, 0, Err((Status::TIMEOUT, "no time is left for another relay"))),
    ] {
        let gone = go(Some(&route(hops, ms, &["wv:@x.example"])), "wv:@h1.example", 0);
        assert_eq!(gone.map(|(it, _)| (it.hops_left, it.ms_left)), expected, "{hops} {ms}");
    }
    let many: Vec<_> = (0..8).map(|number| format!("wv:@x{number}.example")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert_eq!(
        go(Some(&route(8, 30_000, &many)), "wv:@h1.example", 0).map(|_| ()).map_err(|it| it.1),
        Err("hop limit")
    );
}

#[test]
fn what_comes_around_without_a_route_is_known_again() {
    let settings = RelaySettings { remember_max: 3, ..RelaySettings::default() };
    let mut circles = Circles::default();
    let (of_b, of_h2, now) = (of("b.example"), of("h2.example"), Timestamp(1_000_000));
    let id = TransactionId::new;
    let said = send(ALICE, &[BOB]);
    let key = circles.begins(&said, &id("1"), &of_b, now, &settings).expect("new");
    // Under another ID, from whomever, while it is on its way.
    assert_eq!(circles.begins(&said, &id("2"), &of_h2, now, &settings), None);
    assert_eq!(circles.begins(&said, &id("3"), &of_b, now, &settings), None);
    // One ID, other recipients.
    assert!(circles.begins(&send(ALICE, &["wv:bea@b.example"]), &id("4"), &of_b, now, &settings).is_some());
    circles.ended(key);
    assert_eq!(circles.begins(&said, &id("5"), &of_h2, now, &settings), None, "it was here in this minute");
    assert!(circles.begins(&said, &id("6"), &of_b, now, &settings).is_some(), "B tries again");
    let later = now.plus(settings.remember);
    assert!(circles.begins(&said, &id("7"), &of_h2, later, &settings).is_some());
    // What has no ID of its own goes by the transaction's.
    let ask = subscribe(ALICE, BOB);
    assert!(circles.begins(&ask, &id("8"), &of_b, later, &settings).is_some());
    assert!(circles.begins(&ask, &id("9"), &of_b, later, &settings).is_some());
    assert_eq!(circles.begins(&ask, &id("9"), &of_h2, later, &settings), None);
    for number in 10..20 {
        assert!(circles.begins(&ask, &id(&number.to_string()), &of_b, later, &settings).is_some());
    }
    assert!(circles.seen.len() <= 3 && circles.order.len() <= 3);
}

#[test]
fn what_is_said_in_a_group_elsewhere_is_for_those_who_have_joined_it_whoever_has_the_messages_of_their_domain() {
    let (a, b) = complementary();
    let in_group = |to: &str, name: Option<&str>| -> Primitive {
        let in_boats =
            |name: &str| Group::ScreenName(ScreenName { name: name.into(), group_id: "wv:dan/boats@d.example".into() });
        let mut info = MessageInfo { sender: Some(Sender::Group(in_boats("Dan"))), ..info(to, &[to]) };
        info.recipient.groups.extend(name.map(in_boats));
        let meta = MetaInfo::of_domain("wv:@d.example".into());
        SendMessageRequest { meta, delivery_report: None, info, content: None }.into()
    };
    for name in [None, Some("Speedy")] {
        assert_eq!(in_group(ALICE, name).service(), Some(Service::Group));
        // A's messages are at B, and B's groups at A.
        assert_eq!(next(&a, &in_group(ALICE, name), Some(&of("d.example"))), Next::Local, "{name:?}");
        assert_eq!(next(&b, &in_group(BOB, name), Some(&of("d.example"))), Next::Local, "{name:?}");
    }
    assert_eq!(next(&a, &send("wv:dan@d.example", &[ALICE]), Some(&of("d.example"))), peer("b.example"));
}

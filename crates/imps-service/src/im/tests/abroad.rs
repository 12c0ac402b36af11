//! Messages to and from other domains.

use std::sync::Arc;
use std::time::Duration;

use imps_types::element::{Group, MessageInfo, Recipient, ScreenName, Sender, User};
use imps_types::{Address, Domain, GroupId, Service, Status, UserId};
use parking_lot::Mutex;

use super::{outcome, reported, text};
use crate::Error;
use crate::event::Event;
use crate::im::abroad::{relay_key, sent_key, taken_key};
use crate::im::{Abroad, AbroadWhat, FromAbroad};
use crate::record::RecordWriter;
use crate::seam::{Batch, Gateway, Reach, Space};
use crate::testing::World;

/// For how long after its end a message is remembered.
pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// A gateway that reaches one domain, and another one without messages; it remembers when it was woken.
#[derive(Default)]
pub(super) struct OneWay(Mutex<Vec<Domain>>);

impl Gateway for OneWay {
    fn reaches(&self, domain: &Domain, service: Service) -> Reach {
        match domain.as_str() {
            "b.example" => Reach::Agreed,
            "dumb.example" if service == Service::Im => Reach::NotAgreed,
            _ => Reach::Unknown,
        }
    }

    fn keeps(&self, domain: &str, _: Service) -> bool {
        domain == "x"
    }

    fn wake(&self, domain: &Domain) {
        self.0.lock().push(domain.clone());
    }

    fn wake_guest(&self, _: &UserId) {}

    fn watching_changed(&self, _: &str) {}

    fn left_group(&self, _: &UserId, _: &GroupId) {}

    fn user_changed(&self, _: &UserId) {}
}

pub(super) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(super) async fn world() -> (World, Arc<OneWay>) {
    let world = World::of(&["alice", "carl"]).await;
    let gateway = Arc::new(OneWay::default());
    world.services.router.set_gateway(gateway.clone());
    (world, gateway)
}

pub(super) fn from(id: &str) -> FromAbroad {
    FromAbroad {
        peer: domain("b.example"),
        sender: UserId::from_canonical("wv:bob@b.example"),
        id: Some(id.into()),
        transaction: None,
    }
}

impl World {
    pub(super) async fn waiting_for(&self, name: &str) -> Vec<Abroad> {
        self.im().waiting_abroad(&domain(name), 0, 100).await.unwrap()
    }
}

#[tokio::test]
async fn what_goes_abroad_waits_in_order_until_it_was_taken() {
    let (world, gateway) = world().await;
    let (alice, carl) = (world.login("alice").await, world.login("carl").await);
    let names = &["wv:bob@b.example", "carl", "zoe@c.example", "dan@dumb.example", "bob@B.example"];
    let sent = world.send(&alice, text(names, "hi")).await;
    assert_eq!(outcome(&sent.result), "201 516[zoe@c.example] 506[dan@dumb.example]");
    world.send(&alice, reported(&["bea@b.example"], "there")).await;
    assert_eq!(world.offered(&carl).await, ["new hi"]);
    assert_eq!(world.services.metrics.messages_accepted.value(), 3, "each recipient counted, wherever he is");
    assert_eq!(gateway.0.lock().len(), 2);
    let waiting = world.waiting_for("b.example").await;
    let [first, second] = waiting.as_slice() else { panic!("{waiting:?}") };
    let (AbroadWhat::Message(one), AbroadWhat::Message(two)) = (&first.what, &second.what) else {
        panic!("{waiting:?}")
    };
    let users: Vec<_> = one.info.recipient.users.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!((users.as_slice(), &*one.content), (&["wv:bob@b.example"][..], &b"hi"[..]));
    assert_eq!(one.info.message_id.as_deref(), Some(&*sent.id.unwrap().to_string()), "the others have the same one");
    assert!(first.sequence < second.sequence && !one.report && two.report);
    // What waits is there after a restart.
    let world = world.restarted().await;
    assert_eq!(world.im().domains_waited_for().await.unwrap(), [domain("b.example")]);
    assert_eq!(world.waiting_for("b.example").await, waiting);
    let alice = world.login("alice").await;
    world.im().settled_abroad(first, &[]).await.unwrap();
    let refused = [(Address::new("wv:bea@b.example"), Status::UNKNOWN_USER)];
    world.im().settled_abroad(second, &refused).await.unwrap();
    assert_eq!(world.waiting_for("b.example").await, []);
    assert_eq!(world.offered(&alice).await, ["report 531 wv:bea@b.example"]);
}

#[tokio::test]
async fn without_a_gateway_nobody_is_reached() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let sent = world.send(&alice, text(&["bob@b.example"], "hi")).await;
    assert_eq!(outcome(&sent.result), "516 516[bob@b.example]");
}

#[tokio::test]
async fn what_comes_from_abroad_is_taken_once_and_reported_by_its_name_there() {
    let (world, gateway) = world().await;
    let alice = world.login("alice").await;
    let message = || reported(&["alice@x", "wv:nobody@x", "eve@y.example"], "hello");
    let sent = world.im().receive(from("m-9"), message()).await.unwrap();
    assert_eq!(outcome(&sent.result), "201 531[wv:nobody@x] 516[eve@y.example]");
    let again = world.im().receive(from("m-9"), message()).await.unwrap();
    assert_eq!((again.id, outcome(&again.result)), (sent.id, outcome(&sent.result)), "and answered the same");
    let pushed = world.pushed(&alice).await;
    assert_eq!(pushed.sender.as_str(), "wv:bob@b.example");
    assert!(world.im().next_event(&alice).await.is_none(), "once");
    world.im().delivered(&alice, &pushed.id.to_string(), Some(&pushed)).await.unwrap();
    let waiting = world.waiting_for("b.example").await;
    let [Abroad { what: AbroadWhat::Report(report), .. }] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((report.result, report.info.message_id.as_deref()), (Status::SUCCESSFUL, Some("m-9")));
    assert_eq!(report.recipient.as_str(), "wv:bob@b.example");
    assert_eq!(*gateway.0.lock(), [domain("b.example")]);
    world.im().settled_abroad(&waiting[0], &[]).await.unwrap();
    assert_eq!(world.waiting_for("b.example").await, []);
    // At the end of its validity, all that was kept of it goes.
    world.services.clock.advance(world.services.config.validity_default + DAY + Duration::from_secs(61));
    world.services.sweep().await;
    for space in [Space::Relay, Space::RelayExpiry, Space::RelaySent, Space::Relayed, Space::RelayedIds] {
        assert_eq!(world.rows(space).await, [], "{space:?}");
    }
}

#[tokio::test]
async fn what_another_domain_took_a_while_ago_is_dated_then() {
    let (world, _) = world().await;
    let alice = world.login("alice").await;
    world.services.clock.advance(2 * world.services.config.validity_max);
    let now = world.services.clock.now().seconds();
    let longest = world.services.config.validity_max.as_secs();
    for (id, given, shown) in [
        ("m-1", Some(now - 600), now - 600),
        ("m-2", Some(now + 600), now),
        ("m-3", Some(now - longest - 1), now),
        ("m-4", None, now),
    ] {
        let mut message = reported(&["alice@x"], id);
        message.info.date_time = given.map(imps_types::DateTime::from_unix);
        world.im().receive(from(id), message).await.unwrap();
        let pushed = world.pushed(&alice).await;
        assert_eq!(pushed.info.date_time.map(imps_types::DateTime::to_unix), Some(shown), "{id}");
        world.im().delivered(&alice, &pushed.id.to_string(), Some(&pushed)).await.unwrap();
    }
}

#[tokio::test]
async fn two_copies_at_once_are_one_message() {
    let world = World::slow(&["alice"], |_| {}).await;
    let alice = world.login("alice").await;
    let im = world.im();
    let (one, two) = tokio::join!(
        im.receive(from("m-9"), text(&["alice@x"], "hello")),
        im.receive(from("m-9"), text(&["alice@x"], "hello"))
    );
    assert_eq!(one.unwrap().id, two.unwrap().id);
    assert_eq!(world.offered(&alice).await, ["new hello"]);
}

#[tokio::test]
async fn a_report_from_abroad_is_for_whoever_sent_the_message_there() {
    let (world, _) = world().await;
    let (alice, carl) = (world.login("alice").await, world.login("carl").await);
    let id = world.sent(&alice, reported(&["bob@b.example"], "hi")).await;
    let silent = world.sent(&alice, text(&["bob@b.example"], "hi")).await;
    let info = |id: &str| MessageInfo {
        message_id: Some(id.into()),
        recipient: super::to(&["wv:bob@b.example"]),
        ..MessageInfo::default()
    };
    let told = |peer: &str, id: String| {
        let (peer, info, world) = (domain(peer), info(&id), &world);
        async move { world.im().reported(&peer, info, Status::SUCCESSFUL).await }
    };
    for _ in 0..2 {
        assert_eq!(told("b.example", id.to_string()).await, Ok(()), "once, or once more");
    }
    for (peer, id) in [("c.example", id.to_string()), ("b.example", silent.to_string()), ("b.example", "m-9".into())] {
        assert_eq!(told(peer, id).await, Err(Error::UnknownMessage));
    }
    assert_eq!(world.offered(&alice).await, ["report 200 wv:bob@b.example"]);
    assert!(world.offered(&carl).await.is_empty());
}

#[tokio::test]
async fn a_message_has_one_end_whoever_sees_it_first() {
    let (world, _) = world().await;
    let alice = world.login("alice").await;
    world.send(&alice, reported(&["bob@b.example"], "hi")).await;
    let waiting = world.waiting_for("b.example").await;
    let refused = |status| [(Address::new("wv:bob@b.example"), status)];
    world.im().settled_abroad(&waiting[0], &refused(Status::UNABLE_TO_DELIVER)).await.unwrap();
    world.im().settled_abroad(&waiting[0], &refused(Status::UNKNOWN_USER)).await.unwrap();
    assert_eq!(world.offered(&alice).await, ["report 410 wv:bob@b.example"]);
}

#[tokio::test]
async fn a_damaged_row_stops_neither_the_others_nor_the_sweep() {
    let (world, _) = world().await;
    let alice = world.login("alice").await;
    for text_of_it in ["one", "two"] {
        world.send(&alice, reported(&["bob@b.example"], text_of_it)).await;
    }
    let first = world.waiting_for("b.example").await[0].sequence;
    let mut batch = Batch::new();
    batch.put(Space::Relay, relay_key(&domain("b.example"), first, ""), &b"\xff"[..]);
    world.services.store.commit(batch).await.unwrap();
    assert_eq!(world.waiting_for("b.example").await.len(), 1);
    world.services.clock.advance(world.services.config.validity_default + DAY + Duration::from_secs(61));
    world.services.sweep().await;
    for space in [Space::Relay, Space::RelayExpiry, Space::RelaySent] {
        assert_eq!(world.rows(space).await, [], "{space:?}");
    }
}

#[tokio::test]
async fn what_nobody_took_in_time_is_reported_as_undeliverable() {
    let (world, _) = world().await;
    let alice = world.login("alice").await;
    let mut message = reported(&["bob@b.example"], "hi");
    message.info.validity = Some(60);
    world.sent(&alice, message).await;
    world.services.clock.advance(Duration::from_secs(61));
    world.services.sweep().await;
    assert_eq!(world.waiting_for("b.example").await, []);
    assert_eq!(world.offered(&alice).await, ["report 410 wv:bob@b.example"]);
    world.services.clock.advance(DAY);
    world.services.sweep().await;
    for space in [Space::RelayExpiry, Space::RelaySent] {
        assert_eq!(world.rows(space).await, [], "{space:?}");
    }
}

#[tokio::test]
async fn one_message_may_come_in_several_transactions() {
    let world = World::of(&["alice", "carl"]).await;
    let (alice, carl) = (world.login("alice").await, world.login("carl").await);
    for to in ["alice@x", "carl@x", "alice@x"] {
        world.im().receive(from("m-9"), text(&[to], "hello")).await.unwrap();
    }
    let of_bea = FromAbroad { sender: UserId::from_canonical("wv:bea@b.example"), ..from("m-9") };
    world.im().receive(of_bea, text(&["carl@x"], "from another")).await.unwrap();
    assert_eq!(world.offered(&alice).await, ["new hello"]);
    assert_eq!(world.offered(&carl).await, ["new hello", "new from another"]);
}

#[tokio::test]
async fn a_name_that_is_used_again_for_something_else_is_another_message() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    for words in ["first", "second", "first"] {
        world.im().receive(from("1"), text(&["alice@x"], words)).await.unwrap();
    }
    assert_eq!(world.offered(&alice).await, ["new first", "new second"]);
}

#[tokio::test]
async fn a_message_without_a_name_is_known_by_its_transaction_for_a_while() {
    let world = World::of(&["alice"]).await;
    let by = |id: &str| FromAbroad { id: None, transaction: Some(id.into()), ..from("") };
    let first = world.im().receive(by("TX1"), text(&["alice@x"], "hi")).await.unwrap();
    let world = world.restarted().await;
    let again = world.im().receive(by("TX1"), text(&["alice@x"], "hi")).await.unwrap();
    assert_eq!((again.id, &again.result), (first.id, &first.result));
    world.im().receive(by("TX2"), text(&["alice@x"], "hi")).await.unwrap();
    world.im().receive(by("TX1"), text(&["alice@x"], "ho")).await.unwrap();
    let alice = world.login("alice").await;
    assert_eq!(world.offered(&alice).await, ["new hi", "new hi", "new ho"]);
    // A peer that was started again counts from one again, and says the same again.
    world.services.clock.advance(world.services.config.repeat_window);
    for _ in 0..2 {
        world.im().receive(by("TX1"), text(&["alice@x"], "hi")).await.unwrap();
    }
    assert_eq!(world.offered(&alice).await, ["new hi"]);
    world.services.clock.advance(world.services.config.repeat_window + Duration::from_secs(61));
    world.services.sweep().await;
    for space in [Space::Relayed, Space::RelayExpiry] {
        assert_eq!(world.rows(space).await, [], "{space:?}");
    }
}

#[tokio::test]
async fn what_was_taken_by_an_earlier_version_is_known_still() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let sent = world.im().receive(from("m-9"), text(&["alice@x"], "hello")).await.unwrap();
    let [row] = <[_; 1]>::try_from(world.rows(Space::Relayed).await).unwrap();
    // Its name was its MessageID, and a print of the sender and the recipients.
    let mut batch = Batch::new();
    batch.delete(Space::Relayed, row.key.clone());
    let name = "m-9 d7533543c6a8ef65c09015f2e5eb720b";
    batch.put(Space::Relayed, taken_key(&domain("b.example"), name), row.value.clone());
    world.services.store.commit(batch).await.unwrap();
    let again = world.im().receive(from("m-9"), text(&["alice@x"], "hello")).await.unwrap();
    assert_eq!(again.id, sent.id);
    assert_eq!(world.offered(&alice).await, ["new hello"]);
    // But that name is also that of what says something else.
    world.services.clock.advance(world.services.config.repeat_window);
    world.im().receive(from("m-9"), text(&["alice@x"], "another")).await.unwrap();
    assert_eq!(world.offered(&alice).await, ["new another"]);
}

#[tokio::test]
async fn only_recipients_are_reported_on_each_once_while_the_queue_has_room() {
    let world = World::with(&["alice"], |config| config.queue_max = 3).await;
    world.services.router.set_gateway(Arc::new(OneWay::default()));
    let alice = world.login("alice").await;
    let id = world.sent(&alice, reported(&["x@b.example", "y@b.example", "z@b.example"], "hi")).await.to_string();
    let told = |names: &[&str], id: &str, outcome| {
        let info = MessageInfo {
            message_id: Some(id.into()),
            recipient: super::to(names),
            sender: Some(Sender::User(User::of("wv:eve@b.example"))),
            ..MessageInfo::default()
        };
        let im = world.im();
        async move { im.reported(&domain("b.example"), info, outcome).await }
    };
    for forged in [&["v0@b.example"][..], &["x@b.example", "v0@b.example"], &["x@c.example"], &[]] {
        assert_eq!(
            told(forged, &id, Status::RECIPIENT_BLOCKED_THE_SENDER).await,
            Err(Error::UnknownMessage),
            "{forged:?}"
        );
    }
    assert_eq!(told(&["X@B.example"], &id, Status::SUCCESSFUL).await, Ok(()));
    assert_eq!(told(&["x@b.example"], &id, Status::RECIPIENT_BLOCKED_THE_SENDER).await, Ok(()), "the first one holds");
    assert_eq!(
        told(&["x@b.example", "wv:y@b.example"], &id, Status::RECIPIENT_BLOCKED_THE_SENDER).await,
        Ok(()),
        "of y it is the first"
    );
    let Some(Event::DeliveryReport(report)) = world.im().next_event(&alice).await else { panic!("no report") };
    assert_eq!(report.info.sender, Some(Sender::User(User::of("wv:alice@x"))), "as it was sent");
    assert_eq!(world.offered(&alice).await, ["report 532 wv:y@b.example"]);
    // Of a single recipient it may go without saying that it is he.
    let single = world.sent(&alice, reported(&["x@b.example"], "ho")).await.to_string();
    assert_eq!(told(&[], &single, Status::SUCCESSFUL).await, Ok(()));
    assert_eq!(told(&["z@b.example"], &id, Status::SUCCESSFUL).await, Err(Error::QueueFull));
}

#[tokio::test]
async fn a_message_sent_by_an_earlier_version_is_reported_on_still() {
    let (world, _) = world().await;
    let alice = world.login("alice").await;
    let id = world.sent(&alice, reported(&["bob@b.example"], "hi")).await;
    let mut before = RecordWriter::new(1);
    before.text("wv:alice@x");
    let mut batch = Batch::new();
    batch.put(Space::RelaySent, sent_key(id.sequence(), &domain("b.example")), before.done());
    world.services.store.commit(batch).await.unwrap();
    let info = MessageInfo {
        message_id: Some(id.to_string().into()),
        recipient: super::to(&["wv:bob@b.example"]),
        ..MessageInfo::default()
    };
    world.im().reported(&domain("b.example"), info, Status::SUCCESSFUL).await.unwrap();
    assert_eq!(world.offered(&alice).await, ["report 200 wv:bob@b.example"]);
}

#[tokio::test]
async fn who_speaks_in_a_group_elsewhere_has_a_name_that_he_could_have_here() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let cars = "wv:bob/cars@b.example";
    world.services.router.set_gateway(Arc::new(OneWay::default()));
    world.services.group().joined_abroad(&alice, &GroupId::from_canonical(cars), true).await.unwrap();
    let said = async |name: &str| {
        let name = ScreenName { name: name.into(), group_id: Address::new(cars) };
        let mut message = text(&["alice@x"], "hi");
        message.info.sender = Some(Sender::Group(Group::ScreenName(name)));
        let sender = UserId::from_canonical(cars);
        world.im().receive(FromAbroad { sender, ..from("m-1") }, message).await
    };
    for name in ["N".repeat(200_000).as_str(), "ad\u{200b}min", "a\nb"] {
        assert!(matches!(said(name).await, Err(Error::BadParameter(_))), "{}", name.len());
    }
    said("Zoë").await.unwrap();
    assert_eq!(world.offered(&alice).await, ["new hi"]);
}

#[tokio::test]
async fn the_last_report_may_come_a_while_after_the_end() {
    let (world, _) = world().await;
    let alice = world.login("alice").await;
    let mut message = reported(&["bob@b.example"], "hi");
    message.info.validity = Some(60);
    let id = world.sent(&alice, message).await;
    let waiting = world.waiting_for("b.example").await;
    world.im().settled_abroad(&waiting[0], &[]).await.unwrap();
    world.services.clock.advance(Duration::from_secs(90));
    world.services.sweep().await;
    let info = MessageInfo {
        message_id: Some(id.to_string().into()),
        recipient: super::to(&["wv:bob@b.example"]),
        ..MessageInfo::default()
    };
    world.im().reported(&domain("b.example"), info, Status::UNABLE_TO_DELIVER).await.unwrap();
    assert_eq!(world.offered(&alice).await, ["report 410 wv:bob@b.example"]);
}

#[tokio::test]
async fn a_report_on_a_group_elsewhere_is_for_who_has_joined_it_once_and_while_his_queue_has_room() {
    let world = World::with(&["alice", "carl"], |config| config.queue_max = 2).await;
    world.services.router.set_gateway(Arc::new(OneWay::default()));
    let alice = world.login("alice").await;
    let told = |user: &str, id: &str, group: &str| {
        let group = Group::Id(Address::new(group));
        let info = MessageInfo {
            message_id: Some(id.into()),
            recipient: Recipient { groups: vec![group], ..Recipient::default() },
            sender: Some(Sender::User(User::of(user))),
            ..MessageInfo::default()
        };
        let im = world.im();
        async move { im.reported_there(&domain("b.example"), false, info, Status::SUCCESSFUL).await }
    };
    let (cars, bikes) = ("wv:bob/cars@b.example", "wv:bob/bikes@b.example");
    let joined = GroupId::from_canonical(cars);
    world.services.group().joined_abroad(&alice, &joined, true).await.unwrap();
    for (user, group) in [("wv:carl@x", cars), ("wv:alice@x", bikes), ("wv:nobody@x", cars), ("wv:bob@b.example", cars)]
    {
        assert_eq!(told(user, "m-1", group).await, Err(Error::UnknownMessage), "{user} {group}");
    }
    for id in ["m-1", "m-1", "m-2"] {
        assert_eq!(told("wv:alice@x", id, cars).await, Ok(()), "once, or once more");
    }
    assert_eq!(told("wv:alice@x", "m-3", cars).await, Err(Error::QueueFull));
    let long = "m".repeat(256);
    assert!(matches!(told("wv:alice@x", &long, cars).await, Err(Error::BadParameter(_))));
    assert_eq!(world.rows(Space::MessageIndex).await.len(), 2);
    world.services.clock.advance(world.services.config.validity_default + Duration::from_secs(61));
    world.services.sweep().await;
    for space in [Space::Relayed, Space::RelayExpiry] {
        assert_eq!(world.rows(space).await, [], "{space:?}");
    }
}

#[tokio::test]
async fn a_report_on_a_group_elsewhere_comes_after_its_sender_has_left_too() {
    let world = World::of(&["alice", "carl"]).await;
    world.services.router.set_gateway(Arc::new(OneWay::default()));
    let (alice, _) = (world.login("alice").await, world.login("carl").await);
    let (cars, bikes) = ("wv:bob/cars@b.example", "wv:bob/bikes@b.example");
    let joined = GroupId::from_canonical(cars);
    let group = |group: &str| Group::Id(Address::new(group));
    world.services.group().joined_abroad(&alice, &joined, true).await.unwrap();
    let ids = ["m-1", "m-2"];
    world.im().said_there(&domain("b.example"), &alice.user.id, &ids, &[group(cars)]).await.unwrap();
    world.services.group().left_abroad(&alice, &joined).await.unwrap();
    let told = async |peer: &str, user: &str, id: &str, whole: &[&str]| {
        let info = MessageInfo {
            message_id: Some(id.into()),
            recipient: Recipient { groups: whole.iter().map(|it| group(it)).collect(), ..Recipient::default() },
            sender: Some(Sender::User(User::of(user))),
            ..MessageInfo::default()
        };
        world.im().reported_there(&domain(peer), false, info, Status::SUCCESSFUL).await
    };
    for (peer, user, id, groups) in [
        ("b.example", "wv:alice@x", "m-3", &[cars][..]),
        ("b.example", "wv:carl@x", "m-1", &[cars][..]),
        ("b.example", "wv:alice@x", "m-1", &[bikes][..]),
        ("b.example", "wv:alice@x", "m-1", &[bikes, cars][..]),
        ("c.example", "wv:alice@x", "m-1", &[cars][..]),
    ] {
        assert_eq!(told(peer, user, id, groups).await, Err(Error::UnknownMessage), "{peer} {user} {id} {groups:?}");
    }
    for id in ids {
        assert_eq!(told("b.example", "wv:alice@x", id, &["wv:Bob/Cars@b.example"]).await, Ok(()), "{id}");
    }
    assert_eq!(world.rows(Space::MessageIndex).await.len(), 2);
    world.services.clock.advance(world.services.config.validity_default + Duration::from_secs(25 * 3600));
    world.services.sweep().await;
    for space in [Space::Relayed, Space::RelayExpiry] {
        assert_eq!(world.rows(space).await, [], "{space:?}");
    }
}

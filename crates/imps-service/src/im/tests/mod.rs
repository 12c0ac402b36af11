//! The rules of CSP 12 as users and clients notice them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imps_types::element::{
    CapabilityList, Content, DeliveryMethod, Group, MessageInfo, NickEntry, Recipient, ResultInfo, ScreenName, Sender,
    User,
};
use imps_types::{Address, ClientId, MessageId, Status, Version};

use super::{Im, Once, OutgoingMessage, Sent};
use crate::event::{Event, Message};
use crate::seam::{KeyRange, Order, Row, Space, StoreError};
use crate::testing::{World, user};
use crate::{Error, Session};

mod abroad;
mod delivery;
mod forward;
mod held;

fn to(names: &[&str]) -> Recipient {
    let (lists, users): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains('/'));
    let one = |name: &&str| match name.split_once('#') {
        Some((name, client)) => User { client_id: Some(ClientId::of_url(client)), ..User::of(name) },
        None => User::of(*name),
    };
    let contact_lists = lists.into_iter().map(Address::new).collect();
    Recipient { users: users.iter().map(one).collect(), contact_lists, ..Recipient::default() }
}

fn text(names: &[&str], text: &str) -> OutgoingMessage {
    let info = MessageInfo { recipient: to(names), ..MessageInfo::default() };
    OutgoingMessage { info, content: Content::text(text), delivery_report: false }
}

fn reported(names: &[&str], words: &str) -> OutgoingMessage {
    OutgoingMessage { delivery_report: true, ..text(names, words) }
}

fn once(transaction: &str, content: u64) -> Option<Once> {
    Some(Once { transaction: transaction.into(), content })
}

/// `200`, or `201 531[wv:x] 700[wv:y/z]`.
fn outcome(result: &ResultInfo) -> String {
    let mut text = result.status.to_string();
    for one in &result.detailed {
        let addresses = [&one.user_ids, &one.contact_lists, &one.group_ids];
        let mut items: Vec<_> = addresses.into_iter().flatten().map(Address::to_string).collect();
        items.extend(one.screen_names.iter().map(|name| name.name.to_string()));
        items.extend(one.message_ids.iter().map(|id| id.to_string()));
        text.push_str(&format!(" {}[{}]", one.status, items.join(",")));
    }
    text
}

impl World {
    fn im(&self) -> Im<'_> {
        self.services.im()
    }

    async fn send(&self, session: &Arc<Session>, message: OutgoingMessage) -> Sent {
        self.im().send(session, message, None).await.unwrap()
    }

    async fn sent(&self, session: &Arc<Session>, message: OutgoingMessage) -> MessageId {
        self.send(session, message).await.id.unwrap()
    }

    /// What a session is offered now: `new hi`, `notify 2`, `report 200 wv:bob@x`.
    async fn offered(&self, session: &Session) -> Vec<String> {
        let mut offered = Vec::new();
        while let Some(event) = self.im().next_event(session).await {
            offered.push(match event {
                Event::NewMessage(message) => format!("new {}", String::from_utf8_lossy(&message.content)),
                Event::MessageNotification(message) => format!("notify {}", message.info.content_size),
                Event::DeliveryReport(report) => {
                    format!("report {} {}", report.result, report.info.recipient.users[0].user_id)
                }
                other => panic!("{other:?}"),
            });
        }
        offered
    }

    async fn pushed(&self, session: &Session) -> Arc<Message> {
        match self.im().next_event(session).await {
            Some(Event::NewMessage(message)) => message,
            other => panic!("{other:?}"),
        }
    }

    async fn rows(&self, space: Space) -> Vec<Row> {
        self.services.store.scan(space, KeyRange::all(), Order::Forwards, 10_000).await.unwrap()
    }

    /// Rows of messages, of the index and of ends.
    async fn kept(&self) -> (usize, usize, usize) {
        let [messages, index, ends] = [Space::Messages, Space::MessageIndex, Space::MessageExpiry];
        (self.rows(messages).await.len(), self.rows(index).await.len(), self.rows(ends).await.len())
    }

    async fn make_list(&self, session: &Session, list: &str, members: &[&str]) {
        let entry = |name: &&str| NickEntry { name: None, user_id: Address::new(name) };
        let members = members.iter().map(entry).collect();
        self.services.presence().create_list(session, &Address::new(list), members, Vec::new()).await.unwrap();
    }

    fn waiting(&self, name: &str) -> Option<u64> {
        self.services.users.loaded(&user(name)).unwrap().lock().waiting.map(|waiting| waiting.count)
    }
}

#[tokio::test]
async fn recipients_fail_one_by_one() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login("alice").await;
    world.make_list(&alice, "alice/f", &["bob", "carol"]).await;
    world.make_list(&alice, "alice/nobody", &[]).await;
    let bob = world.login("bob").await;
    world.make_list(&bob, "bob/f", &["carol"]).await;
    for (names, expected, accepted) in [
        (&["bob"][..], "200", 1),
        (&["bob", "wv:bob@x", "WV:BOB", "alice/f"], "200", 2),
        (&["bob", "nobody", "nobody"], "201 531[nobody]", 1),
        (&["nobody"], "531 531[nobody]", 0),
        (&["a@elsewhere"], "516 516[a@elsewhere]", 0),
        (
            &["nobody", "a@elsewhere", "bob/f", "alice/none"],
            "900 531[nobody] 516[a@elsewhere] 700[bob/f,alice/none]",
            0,
        ),
        (&["alice"], "200", 1),
    ] {
        let before = world.rows(Space::MessageIndex).await.len();
        let sent = world.send(&alice, text(names, "hi")).await;
        assert_eq!(outcome(&sent.result), expected, "{names:?}");
        assert_eq!(sent.id.is_some(), accepted > 0, "{names:?}");
        assert_eq!(world.rows(Space::MessageIndex).await.len() - before, accepted, "{names:?}");
    }
    let mut groups = text(&[], "hi");
    groups.info.recipient.groups.push(Group::Id("wv:/chat".into()));
    groups.info.recipient.groups.push(Group::ScreenName(ScreenName { name: "Al".into(), group_id: "wv:/c".into() }));
    assert_eq!(outcome(&world.send(&alice, groups).await.result), "800 800[wv:/chat,Al]");
    for names in [&[][..], &["alice/nobody"]] {
        let nobody = world.im().send(&alice, text(names, "hi"), None).await;
        assert_eq!(nobody.unwrap_err().status().code(), 402, "{names:?}");
    }
    assert_eq!(world.services.metrics.messages_accepted.value(), 5);
}

#[tokio::test]
async fn the_sender_is_the_sessions_user() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let client = |url: &str| Some(ClientId::of_url(url));
    for (sender, expected) in [
        (None, Some(User::of("wv:alice@x"))),
        (Some(User::of("ALICE")), Some(User::of("wv:alice@x"))),
        (Some(User { client_id: Some(ClientId::default()), ..User::of("alice@x") }), Some(User::of("wv:alice@x"))),
        (
            Some(User { client_id: client("alice"), ..User::of("wv:alice") }),
            Some(User { client_id: client("alice"), ..User::of("wv:alice@x") }),
        ),
        (Some(User { client_id: client("other"), ..User::of("wv:alice") }), None),
        (Some(User::of("bob")), None),
        (Some(User::of("alice@elsewhere")), None),
    ] {
        let mut message = text(&["bob"], "hi");
        message.info.sender = sender.clone().map(Sender::User);
        let sent = world.im().send(&alice, message, None).await;
        match expected {
            None => assert_eq!(sent, Err(Error::NotYourself), "{sender:?}"),
            Some(user) => {
                let told = world.pushed(&bob).await;
                assert_eq!(told.info.sender, Some(Sender::User(user)), "{sender:?}");
                assert_eq!(sent.unwrap().id, Some(told.id));
            }
        }
    }
}

#[tokio::test]
async fn what_the_recipient_is_told() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let mut message = text(&["bob#bob", "carol"], "h\u{e4}");
    message.info.message_id = Some("mine".into());
    message.info.content_size = 999;
    message.info.date_time = Some(imps_types::DateTime::from_unix(1));
    message.info.content_type = Some("text/plain".into());
    let id = world.sent(&alice, message).await;
    let told = world.pushed(&bob).await;
    let expected = MessageInfo {
        message_id: Some(id.to_string().into()),
        content_type: Some("text/plain".into()),
        content_size: 3,
        recipient: to(&["wv:bob@x#bob"]),
        sender: Some(Sender::User(User::of("wv:alice@x"))),
        date_time: Some(world.services.clock.now().date_time()),
        validity: Some(7 * 86_400),
        ..MessageInfo::default()
    };
    assert_eq!(told.info, expected);
    let world = world.restarted().await;
    let bob = world.services.sessions.find(&bob.id).unwrap();
    assert_eq!(world.pushed(&bob).await, told, "the same from the store");
    let listed = world.im().message_list(&bob, None, None).await.unwrap();
    assert_eq!(listed, [expected]);

    let mut message = text(&["bob"], "");
    message.content = Content { data: Bytes::from_static(&[0, 1, 2, 3]), binary: true };
    message.info.validity = Some(u32::MAX);
    let alice = world.services.sessions.find(&alice.id).unwrap();
    world.send(&alice, message).await;
    let told = world.pushed(&bob).await;
    assert_eq!(told.info.content_encoding, Some(imps_types::element::ContentEncoding::Base64));
    assert_eq!((told.info.content_size, told.info.validity), (4, Some(30 * 86_400)));
}

#[tokio::test]
async fn delivered_and_reported() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login("alice").await;
    let id = world.sent(&alice, reported(&["bob", "carol"], "hi")).await.to_string();
    world.services.access().logout(&alice).await.unwrap();
    let (bob, carol) = (world.login("bob").await, world.login("carol").await);
    let hi = world.pushed(&bob).await;
    assert!(world.im().is_waiting(&bob, &hi).await);
    world.im().delivered(&bob, &id, Some(&hi)).await.unwrap();
    assert!(!world.im().is_waiting(&bob, &hi).await);
    world.im().delivered(&bob, &id, Some(&hi)).await.unwrap();
    assert_eq!(world.services.metrics.messages_delivered.value(), 1, "a second acknowledgement changes nothing");
    assert_eq!(world.im().delivered(&bob, &id, None).await, Err(Error::UnknownMessage));
    assert_eq!(world.im().delivered(&bob, "what?", None).await, Err(Error::UnknownMessage));
    let unknown = world.im().reject(&carol, &["what?".into()]).await.unwrap();
    assert_eq!(outcome(&unknown), "426 426[what?]");
    let rejected = world.im().reject(&carol, &[id.as_str().into(), "m2".into(), id.as_str().into()]).await.unwrap();
    assert_eq!(outcome(&rejected), "201 426[m2]");
    assert_eq!(world.offered(&carol).await, [""; 0]);

    let world = world.restarted().await;
    let alice = world.login("alice").await;
    let mut reports = Vec::new();
    while let Some(event) = world.im().next_event(&alice).await {
        let Event::DeliveryReport(report) = event else { panic!("{event:?}") };
        assert_eq!(report.info.message_id.as_deref(), Some(id.as_str()));
        assert_eq!(report.info.sender, Some(Sender::User(User::of("wv:alice@x"))));
        reports.push(format!("{} {}", report.result, report.info.recipient.users[0].user_id));
        world.im().report_acknowledged(&report).await.unwrap();
    }
    assert_eq!(reports, ["200 wv:bob@x", "538 wv:carol@x"]);
    assert_eq!(world.kept().await, (0, 0, 0));
}

#[tokio::test]
async fn whoever_was_left_out_is_reported_too() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.make_list(&alice, "alice/f", &["bob", "carol"]).await;
    world.services.access().remove_user(&user("carol")).await.unwrap();
    let id = world.sent(&alice, reported(&["wv:ghost", "alice/f", "alice/none"], "hi")).await;
    let mut reports = Vec::new();
    while let Some(Event::DeliveryReport(report)) = world.im().next_event(&alice).await {
        assert_eq!(report.info.message_id, Some(id.to_string().into()));
        let recipient = &report.info.recipient;
        let named = recipient.users.iter().map(|user| &user.user_id).chain(&recipient.contact_lists);
        reports.push(format!("{} {}", report.result, named.map(Address::as_str).collect::<String>()));
        world.im().report_acknowledged(&report).await.unwrap();
    }
    assert_eq!(reports, ["531 wv:ghost", "531 wv:carol@x", "700 alice/none"]);
    let told = world.pushed(&bob).await;
    world.im().delivered(&bob, &id.to_string(), Some(&told)).await.unwrap();
    assert_eq!(world.offered(&alice).await, ["report 200 wv:bob@x"]);
    // Nobody got it: the response says all there is to say.
    world.send(&alice, reported(&["wv:ghost"], "hi")).await;
    assert_eq!(world.offered(&alice).await, [""; 0]);
}

#[tokio::test]
async fn validity_ends() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let big = "x".repeat(2000);
    for (names, content) in [(&["bob"][..], "hi"), (&["bob", "carol"], &big)] {
        let mut message = reported(names, content);
        message.info.validity = Some(60);
        world.send(&alice, message).await;
    }
    world.send(&alice, text(&["bob"], "stays")).await;
    assert_eq!(world.kept().await, (5, 4, 4), "what stays has no row of its end yet");
    assert!(world.im().has_pending(&bob).await);
    world.services.clock.advance(Duration::from_secs(61));
    assert_eq!(world.im().message_list(&bob, None, None).await.unwrap().len(), 1);
    world.services.sweep().await;
    assert_eq!(world.offered(&bob).await, ["new stays"]);
    let expected = ["report 542 wv:bob@x", "report 542 wv:bob@x", "report 542 wv:carol@x"];
    assert_eq!(world.offered(&alice).await, expected);
    assert_eq!(world.services.metrics.messages_expired.value(), 3);
    assert_eq!(world.kept().await, (4, 4, 0), "one message and three reports");
    assert_eq!((world.waiting("bob"), world.waiting("carol")), (Some(1), Some(0)));

    world.services.clock.advance(Duration::from_secs(8 * 86_400));
    world.services.sweep().await;
    assert_eq!(world.kept().await, (0, 0, 0), "reports end too");
    assert_eq!((world.waiting("alice"), world.waiting("bob")), (None, Some(0)));
    assert_eq!(world.services.metrics.reports.value(), 3);
}

#[tokio::test]
async fn what_waits_for_an_hour_gets_a_row_of_its_end() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let ids = [world.sent(&alice, text(&["bob"], "one")).await, world.sent(&alice, text(&["bob"], "two")).await];
    world.services.clock.advance(Duration::from_secs(3599));
    world.services.sweep().await;
    assert_eq!(world.kept().await, (2, 2, 0));
    world.services.clock.advance(Duration::from_secs(2));
    world.services.sweep().await;
    assert_eq!(world.kept().await, (2, 2, 2));
    world.im().delivered(&bob, &ids[0].to_string(), None).await.unwrap();
    assert_eq!(world.kept().await, (1, 1, 1), "it goes with its message");

    let world = world.restarted().await;
    world.services.sweep().await;
    assert_eq!(world.kept().await, (1, 1, 1));
    world.services.clock.advance(Duration::from_secs(365 * 86_400));
    world.services.sweep().await;
    assert_eq!(world.kept().await, (0, 0, 0));
}

#[tokio::test]
async fn many_end_at_once() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    for number in 0..300 {
        let mut message = if number % 3 == 0 { reported(&["bob"], "hi") } else { text(&["bob"], "hi") };
        message.info.validity = Some(60);
        world.send(&alice, message).await;
    }
    world.services.clock.advance(Duration::from_secs(61));
    world.services.sweep().await;
    assert_eq!(world.services.metrics.messages_expired.value(), 300);
    assert_eq!(world.kept().await, (100, 100, 0), "the reports");
    assert_eq!(world.waiting("bob"), Some(0));
}

#[tokio::test]
async fn a_large_content_is_kept_once_and_goes_with_the_last() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    let big = "x".repeat(2000);
    let id = world.sent(&alice, text(&["bob", "carol"], &big)).await.to_string();
    assert_eq!(world.kept().await, (3, 2, 1), "the content's end alone has a row");
    let world = world.restarted().await;
    let [bob, carol] = [bob, carol].map(|session| world.services.sessions.find(&session.id).unwrap());
    let message = world.pushed(&bob).await;
    assert_eq!(message.content.len(), 2000);
    world.im().delivered(&bob, &id, Some(&message)).await.unwrap();
    assert_eq!(world.kept().await, (2, 1, 1));
    assert_eq!(world.im().message(&carol, &id).await.unwrap().content.len(), 2000);
    world.im().delivered(&carol, &id, None).await.unwrap();
    assert_eq!(world.kept().await, (0, 0, 0));
    assert_eq!(world.offered(&carol).await, [""; 0]);
}

#[tokio::test]
async fn a_shared_content_that_was_left_behind_goes_with_its_validity() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login("alice").await;
    world.send(&alice, text(&["bob", "carol"], &"x".repeat(2000))).await;
    // As if the server had been killed between the last deletion and the removal of the content.
    for row in world.rows(Space::MessageIndex).await {
        let mut batch = crate::seam::Batch::new();
        let sequence = super::queue::index_sequence(&row.key).unwrap();
        for name in ["bob", "carol"] {
            let expires = super::queue::IndexRow::read(&row.value).unwrap().expires;
            super::queue::delete(&mut batch, sequence, &user(name), expires, world.services.clock.now());
        }
        world.services.store.commit(batch).await.unwrap();
    }
    assert_eq!(world.kept().await, (1, 0, 1));
    world.services.clock.advance(Duration::from_secs(7 * 86_400 + 61));
    world.services.sweep().await;
    assert_eq!(world.kept().await, (0, 0, 0));
}

#[tokio::test]
async fn pushed_or_notified() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let long = "x".repeat(40);
    let agreed = CapabilityList {
        initial_delivery_method: Some(DeliveryMethod::Push),
        content_length: Some(30),
        parser_size: Some(1054),
        ..CapabilityList::default()
    };
    world.services.access().negotiate_capabilities(&bob, agreed.clone()).await.unwrap();
    world.send(&alice, text(&["bob"], &long[..30])).await;
    world.send(&alice, text(&["bob"], &long[..31])).await;
    let mut image = text(&["bob"], "gif");
    image.info.content_type = Some("image/gif".into());
    world.send(&alice, image).await;
    assert_eq!(world.offered(&bob).await, [format!("new {}", &long[..30]), "notify 31".into(), "notify 3".into()]);

    let small = CapabilityList { parser_size: Some(1053), ..agreed };
    world.services.access().negotiate_capabilities(&bob, small).await.unwrap();
    world.send(&alice, text(&["bob"], &long[..29])).await;
    world.send(&alice, text(&["bob"], &long[..30])).await;
    assert_eq!(
        world.offered(&bob).await,
        [format!("new {}", &long[..29]), "notify 30".into()],
        "it could not parse it"
    );

    let im = world.im();
    let set = |method, length| im.set_delivery_method(&bob, method, length, None);
    set(Some(DeliveryMethod::Notify), None).await.unwrap();
    world.send(&alice, text(&["bob"], "hi")).await;
    assert_eq!(world.offered(&bob).await, ["notify 2"]);
    set(Some(DeliveryMethod::Push), Some(1)).await.unwrap();
    world.send(&alice, text(&["bob"], "hi")).await;
    world.send(&alice, text(&["bob"], "h")).await;
    assert_eq!(world.offered(&bob).await, ["notify 2", "new h"]);
    let group = Some(Address::new("wv:/chat"));
    let of_group = world.im().set_delivery_method(&bob, None, None, group.as_ref()).await;
    assert_eq!(of_group, Err(Error::UnknownGroup));
}

#[tokio::test]
async fn what_is_acknowledged_twice_at_once_counts_once() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let id = world.sent(&alice, text(&["bob"], "one")).await;
    world.sent(&alice, text(&["bob"], "two")).await;
    let counted = || bob.user.lock().waiting.as_ref().map(|waiting| waiting.count);
    assert_eq!(counted(), Some(2));
    // Both acknowledgements have found it before either has ended it.
    let im = world.im();
    let found = [im.find(&bob, id).await.unwrap(), im.find(&bob, id).await.unwrap()];
    assert_eq!(im.settle_once(&bob.user.id, &found[0], Status::SUCCESSFUL, true).await, Ok(true));
    assert_eq!(im.settle_once(&bob.user.id, &found[1], Status::SUCCESSFUL, true).await, Ok(false));
    assert_eq!(counted(), Some(1), "the other one waits");
}

#[tokio::test]
async fn what_has_expired_is_not_promised() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    assert_eq!(world.offered(&bob).await, [""; 0]);
    for content in ["one", "two"] {
        let mut message = text(&["bob"], content);
        message.info.validity = Some(60);
        world.send(&alice, message).await;
    }
    assert!(world.im().has_pending(&bob).await);
    world.services.clock.advance(Duration::from_secs(61));
    assert!(!world.im().has_pending(&bob).await, "though nobody has swept yet");
    assert_eq!(world.offered(&bob).await, [""; 0]);
    world.send(&alice, text(&["bob"], "three")).await;
    assert!(world.im().has_pending(&bob).await);
    assert_eq!(world.offered(&bob).await, ["new three"]);
}

#[tokio::test]
async fn what_was_fetched_is_not_offered_any_more() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let first = world.sent(&alice, text(&["bob"], "one")).await.to_string();
    let second = world.sent(&alice, text(&["bob"], "two")).await.to_string();
    assert!(world.im().has_pending(&bob).await);
    assert_eq!(world.im().message(&bob, &first).await.unwrap().content, "one");
    world.im().delivered(&bob, &first, None).await.unwrap();
    assert_eq!(world.im().message(&bob, &first).await.unwrap_err(), Error::UnknownMessage);
    assert_eq!(world.im().message(&alice, &second).await.unwrap_err(), Error::UnknownMessage, "it is not hers");
    assert_eq!(world.offered(&bob).await, ["new two"]);
}

#[tokio::test]
async fn several_clients_of_a_user() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    let (one, two) =
        (world.login_as("bob", "one", Version::V1_1).await, world.login_as("bob", "two", Version::V1_2).await);
    world.send(&alice, text(&["bob"], "both")).await;
    world.send(&alice, text(&["bob#one"], "first")).await;
    world.send(&alice, text(&["bob#one", "bob#two"], "named")).await;
    let mut empty = text(&["bob"], "empty");
    empty.info.recipient.users[0].client_id = Some(ClientId::default());
    world.send(&alice, empty).await;
    assert_eq!(world.offered(&one).await, ["new both", "new first", "new named", "new empty"]);
    assert_eq!(world.offered(&two).await, ["new both", "new named", "new empty"]);
}

#[tokio::test]
async fn others_messages_do_not_hide_ones_own() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    for _ in 0..100 {
        world.send(&alice, text(&["bob#other"], "for another client")).await;
    }
    world.send(&alice, text(&["bob"], "hi")).await;
    let bob = world.login("bob").await;
    assert!(world.im().has_pending(&bob).await);
    assert_eq!(world.offered(&bob).await, ["new hi"]);
    assert_eq!(world.im().message_list(&bob, None, None).await.unwrap().len(), 1);
    let other = world.login_as("bob", "other", Version::V1_2).await;
    assert_eq!(world.offered(&other).await.len(), 101);
}

#[tokio::test]
async fn a_list_fits_the_client() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(world.sent(&alice, text(&["bob"], "hi")).await.to_string());
    }
    let listed = world.im().message_list(&bob, None, Some(3)).await.unwrap();
    let listed: Vec<_> = listed.iter().map(|info| info.message_id.as_deref().unwrap()).collect();
    assert_eq!(listed, ids[..3], "oldest first");
    for (parser_size, expected) in [(0, 50), (1, 1), (4096, 4), (32_767, 50)] {
        let agreed = CapabilityList { parser_size: Some(parser_size), ..CapabilityList::default() };
        world.services.access().negotiate_capabilities(&bob, agreed).await.unwrap();
        let listed = world.im().message_list(&bob, None, None).await.unwrap().len();
        assert!((expected..=expected * 2).contains(&listed), "{listed} with {parser_size}");
    }
}

#[tokio::test]
async fn a_repeat_is_carried_out_once() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    let mut partly = text(&["bob", "nobody", "alice/none"], "hi");
    partly.info.recipient.groups.push(Group::ScreenName(ScreenName { name: "Al".into(), group_id: "wv:/c".into() }));
    let first = world.im().send(&alice, partly.clone(), once("1", 1)).await.unwrap();
    for number in 2..50 {
        world.im().send(&alice, text(&["bob"], "more"), once(&number.to_string(), number)).await.unwrap();
    }
    let repeat = |world: &World, alice: &Arc<Session>| {
        let (services, alice, message) = (world.services.clone(), alice.clone(), partly.clone());
        async move { services.im().send(&alice, message, once("1", 1)).await.unwrap() }
    };
    assert_eq!(repeat(&world, &alice).await, first);
    assert_eq!(world.services.metrics.messages_repeated.value(), 1);
    world.services.clock.advance(Duration::from_secs(600));
    world.services.sweep().await;

    let world = world.restarted().await;
    let alice = world.services.sessions.find(&alice.id).unwrap();
    assert_eq!(repeat(&world, &alice).await, first, "the same answer after a restart");
    assert_eq!(world.rows(Space::Transactions).await.len(), 49);
    let other = world.im().send(&alice, text(&["bob"], "new"), once("1", 99)).await.unwrap();
    assert_ne!(other.id, first.id, "numbers wrap: other content is another request");
    world.services.clock.advance(Duration::from_secs(1));
    world.services.sweep().await;
    assert_eq!(world.rows(Space::Transactions).await.len(), 1, "those of ten minutes ago are gone");
    assert_ne!(repeat(&world, &alice).await.id, first.id);
}

#[tokio::test]
async fn many_transactions_are_swept_in_pieces() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    for number in 0..1200 {
        world.im().send(&alice, text(&["bob"], "hi"), once("1", number)).await.unwrap();
    }
    world.services.clock.advance(Duration::from_secs(601));
    world.im().send(&alice, text(&["bob"], "hi"), once("1", 7)).await.unwrap();
    world.services.sweep().await;
    assert_eq!(world.rows(Space::Transactions).await.len(), 1);
}

#[tokio::test]
async fn when_the_store_fails_nothing_is_half_done() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    assert!(!world.im().has_pending(&bob).await);
    for error in [StoreError::Full, StoreError::Busy, StoreError::Unknown] {
        world.engine.refuse(Some(error.clone()));
        let failed = world.im().send(&alice, text(&["bob"], "hi"), once("1", 1)).await;
        assert_eq!(failed.unwrap_err().status().code(), 503, "{error:?}");
    }
    assert!(!world.im().has_pending(&bob).await);
    assert_eq!((world.kept().await, world.waiting("bob")), ((0, 0, 0), Some(0)));
    world.engine.refuse(None);
    let sent = world.im().send(&alice, reported(&["bob"], "hi"), once("1", 1)).await.unwrap();
    assert_eq!(outcome(&sent.result), "200", "a repeat of what was not carried out is carried out");

    let message = world.pushed(&bob).await;
    let id = message.id.to_string();
    world.engine.refuse(Some(StoreError::Full));
    assert!(matches!(world.im().delivered(&bob, &id, Some(&message)).await, Err(Error::Store(_))));
    assert!(matches!(world.im().reject(&bob, &[id.as_str().into()]).await, Err(Error::Store(_))));
    assert_eq!((world.kept().await, world.waiting("bob")), ((1, 1, 0), Some(1)));
    assert_eq!(world.services.metrics.reports.value(), 0);
    world.engine.refuse(None);
    world.im().delivered(&bob, &id, Some(&message)).await.unwrap();
    assert_eq!(world.offered(&alice).await, ["report 200 wv:bob@x"]);
    assert_eq!(world.waiting("bob"), Some(0));
}

#[tokio::test]
async fn a_queue_is_bounded() {
    let world = World::with(&["alice", "bob", "carol"], |config| config.queue_max = 2).await;
    let alice = world.login("alice").await;
    for expected in ["200", "200", "507 507[bob]", "507 507[bob]"] {
        assert_eq!(outcome(&world.send(&alice, text(&["bob"], "hi")).await.result), expected);
    }
    assert_eq!(outcome(&world.send(&alice, text(&["bob", "carol"], "hi")).await.result), "201 507[bob]");
    let bob = world.login("bob").await;
    let message = world.pushed(&bob).await;
    world.im().delivered(&bob, &message.id.to_string(), Some(&message)).await.unwrap();
    assert_eq!(outcome(&world.send(&alice, text(&["bob"], "hi")).await.result), "200");
}

#[tokio::test]
async fn a_row_of_another_version_can_be_ended() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let id = world.sent(&alice, reported(&["bob"], "hi")).await.to_string();
    let [row] = world.rows(Space::MessageIndex).await.try_into().unwrap();
    let mut longer = row.value.to_vec();
    longer.push(0);
    let mut batch = crate::seam::Batch::new();
    batch.put(Space::MessageIndex, row.key, longer);
    world.services.store.commit(batch).await.unwrap();
    world.im().delivered(&bob, &id, None).await.unwrap();
    assert_eq!(world.offered(&alice).await, ["report 200 wv:bob@x"]);
    assert_eq!(world.kept().await, (1, 1, 0), "the report alone");
}

#[tokio::test]
async fn who_is_named_is_bounded_whoever_gets_it() {
    let world = World::with(&["alice", "bob"], |config| config.recipients_max = 3).await;
    let alice = world.login("alice").await;
    world.make_list(&alice, "alice/f", &["bob"]).await;
    for (names, expected) in [
        (&["nobody", "no", "none"][..], "531 531[nobody,no,none]"),
        (&["alice/none", "alice/none", "bob"], "201 700[alice/none]"),
        (&["alice/f", "ALICE/F", "wv:alice/f@x"], "200"),
    ] {
        assert_eq!(outcome(&world.send(&alice, text(names, "hi")).await.result), expected, "{names:?}");
    }
    for names in [&["nobody", "no", "none", "nil"][..], &["bob", "bob", "alice/f", "alice/f"]] {
        let sent = world.im().send(&alice, text(names, "hi"), None).await;
        assert_eq!(sent.unwrap_err().status().code(), 402, "{names:?}");
    }
}

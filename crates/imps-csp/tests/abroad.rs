//! Messages from users of other domains, as our clients list and fetch them. CSP 12.2.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod world;

use imps_service::im::{FromAbroad, OutgoingMessage};
use imps_types::element::{Content, MessageInfo, Recipient, Sender, User};
use imps_types::{Address, Domain, UserId};
use world::{STATUS, World, between, code, message};

/// A text for Bob that another domain brings from one of its users.
async fn bring(world: &World, from: &str, text: &str) {
    let sender = UserId::from_canonical(from);
    let info = MessageInfo {
        content_type: Some("text/plain".into()),
        content_size: u32::try_from(text.len()).unwrap(),
        recipient: Recipient::user(User::of(Address::new("wv:bob@localhost"))),
        sender: Some(Sender::User(User::of(&sender))),
        ..MessageInfo::default()
    };
    let peer = Domain::parse(sender.domain()).unwrap();
    let from = FromAbroad { peer, sender, id: Some("m1".into()), transaction: None };
    let message = OutgoingMessage { info, content: Content::text(text), delivery_report: false };
    assert!(world.csp.services().im().receive(from, message).await.unwrap().id.is_some());
}

/// Who sent what a list has, and by which names it is fetched.
fn listed(answer: &str) -> (Vec<String>, Vec<String>) {
    let infos = || answer.split("<MessageInfo>").skip(1);
    let senders = infos().map(|info| {
        let sender = between(info, "<Sender>", "</Sender>");
        between(sender, "<UserID>", "</UserID>").to_owned()
    });
    (senders.collect(), infos().map(|info| between(info, "<MessageID>", "</MessageID>").to_owned()).collect())
}

#[tokio::test]
async fn what_waits_from_other_domains_is_listed_and_fetched() {
    const LIST: &str = "<GetMessageList-Request/>";
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    bring(&world, "wv:ann@a.example", "from afar").await;
    assert!(alice.ask("2", &message("wv:bob", "from here", false)).await.contains("<Code>200</Code>"));
    // Two domains may give the same name to what they send.
    bring(&world, "wv:zoe@z.example", "and from there").await;
    let (senders, ids) = listed(&bob.ask("2", LIST).await);
    assert_eq!(senders, ["wv:ann@a.example", "wv:alice@localhost", "wv:zoe@z.example"]);
    let [first, _, last] = ids.as_slice() else { panic!("{ids:?}") };
    for (transaction, id, text) in [("3", first, "from afar"), ("4", last, "and from there")] {
        let get = format!("<GetMessage-Request><MessageID>{id}</MessageID></GetMessage-Request>");
        let fetched = bob.ask(transaction, &get).await;
        assert!(fetched.contains("GetMessage-Response") && fetched.contains(text), "{fetched}");
    }
    let delivered = format!("<MessageDelivered><MessageID>{first}</MessageID></MessageDelivered>");
    assert_eq!(code(&bob.ask("5", &delivered).await), "200");
    let reject = format!("<RejectMessage-Request><MessageID>{last}</MessageID></RejectMessage-Request>");
    assert_eq!(code(&bob.ask("6", &reject).await), "200");
    let (senders, _) = listed(&bob.ask("7", LIST).await);
    assert_eq!(senders, ["wv:alice@localhost"]);
    // It is pushed, or told of, like any other.
    let offered = bob.poll().await;
    assert!(offered.contains("wv:alice@localhost") && !offered.contains("a.example"), "{offered}");
    bob.answer(&offered, STATUS).await;
}

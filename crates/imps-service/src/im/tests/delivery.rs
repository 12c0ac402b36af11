//! To which clients a message comes, and how (CSP 6, 12.2).

use super::*;
use imps_types::element::{AcceptedContentType, OfflineHandling, OnlineHandling};
use imps_types::service_tree::{Function, FunctionSet};

impl World {
    async fn can(&self, session: &Session, list: CapabilityList) {
        self.services.access().negotiate_capabilities(session, list).await.unwrap();
    }

    async fn wants(&self, session: &Session, functions: &[Function]) {
        let mut set = FunctionSet::EMPTY;
        functions.iter().for_each(|function| set.insert(*function));
        self.services.access().negotiate_services(session, Some(set)).await.unwrap();
    }

    async fn newest(&self, name: &str, client: &str, list: CapabilityList) -> Arc<Session> {
        let session = self.login_as(name, client, Version::V1_3).await;
        self.can(&session, list).await;
        session
    }
}

fn of_type(names: &[&str], content_type: &str, size: usize) -> OutgoingMessage {
    let mut message = text(names, &"x".repeat(size));
    message.info.content_type = Some(content_type.into());
    message
}

fn priority(priority: u32, online_handling: Option<OnlineHandling>) -> CapabilityList {
    CapabilityList { session_priority: Some(priority), online_handling, ..CapabilityList::default() }
}

#[tokio::test]
async fn functions_that_a_client_named_decide_how_it_is_told() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.wants(&bob, &[Function::Notif]).await;
    world.send(&alice, text(&["bob"], "one")).await;
    assert_eq!(world.offered(&bob).await, ["notify 3"]);
    world.wants(&bob, &[Function::NewM]).await;
    world.send(&alice, text(&["bob"], "two")).await;
    world.send(&alice, of_type(&["bob"], "image/x", 9)).await;
    assert_eq!(world.offered(&bob).await, ["new two", "notify 9"], "what cannot be pushed is told of all the same");
    world.wants(&bob, &[Function::GetLm, Function::GetM]).await;
    world.send(&alice, text(&["bob"], "three")).await;
    assert!(!world.im().has_pending(&bob).await);
    assert_eq!(world.offered(&bob).await, [""; 0], "it asks itself");
    assert_eq!(world.im().message_list(&bob, None, None).await.unwrap().len(), 4);
    world.wants(&bob, &[Function::GetPr]).await;
    assert_eq!(world.offered(&bob).await, ["new three"], "it named nothing of messages, and gets what it missed");
}

#[tokio::test]
async fn what_came_before_the_client_is_told_of_if_it_agreed_on_that() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    for functions in [&[Function::NewM, Function::Notif][..], &[Function::Notif, Function::OffNotif]] {
        world.send(&alice, text(&["bob"], "before")).await;
        world.services.clock.advance(Duration::from_secs(1));
        let list = CapabilityList { initial_delivery_method: Some(DeliveryMethod::Notify), ..Default::default() };
        let bob = world.newest("bob", "bob", list).await;
        world.wants(&bob, functions).await;
        world.send(&alice, text(&["bob"], "after")).await;
        let told = world.offered(&bob).await;
        let all = world.im().message_list(&bob, None, None).await.unwrap();
        assert_eq!(all.len(), 2);
        match functions.contains(&Function::OffNotif) {
            false => assert_eq!(told, ["notify 5"]),
            true => assert_eq!(told, ["notify 6", "notify 5"]),
        }
        for info in all {
            world.im().delivered(&bob, info.message_id.as_deref().unwrap(), None).await.unwrap();
        }
        world.services.access().logout(&bob).await.unwrap();
    }
}

#[tokio::test]
async fn only_the_first_of_the_users_clients_gets_it_if_he_said_so() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    let low = world.newest("bob", "low", priority(1, Some(OnlineHandling::PriorityStore))).await;
    let high = world.newest("bob", "high", priority(5, None)).await;
    world.send(&alice, text(&["bob"], "one")).await;
    assert_eq!(world.offered(&low).await, [""; 0]);
    assert_eq!(world.offered(&high).await, ["new one"]);
    world.send(&alice, text(&["bob#low"], "for the other")).await;
    assert_eq!(world.offered(&low).await, ["new for the other"], "of those that it is addressed to");
    world.send(&alice, of_type(&["bob"], "image/x", 3)).await;
    assert_eq!(world.offered(&high).await, [""; 0], "it is stored: that client knows no images");
    world.send(&alice, text(&["bob"], "two")).await;
    world.services.access().logout(&high).await.unwrap();
    assert_eq!(world.offered(&low).await, ["new one", "new for the other", "new two"], "now it is the first");
    world.can(&low, CapabilityList { any_content: Some(true), ..priority(1, None) }).await;
    assert!(world.offered(&low).await.contains(&"new xxx".to_owned()), "and now it knows images");

    let world = world.restarted().await;
    let alice = world.services.sessions.find(&alice.id).unwrap();
    world.newest("bob", "high", priority(7, Some(OnlineHandling::PriorityReject))).await;
    assert_eq!(outcome(&world.send(&alice, of_type(&["bob"], "image/x", 3)).await.result), "415 415[bob]");
    assert_eq!(outcome(&world.send(&alice, text(&["bob"], "three")).await.result), "200");
    let low = world.services.sessions.find(&low.id).unwrap();
    world.can(&low, priority(1, Some(OnlineHandling::ForkAll))).await;
    assert_eq!(outcome(&world.send(&alice, of_type(&["bob"], "image/x", 3)).await.result), "200");
}

#[tokio::test]
async fn who_wants_nothing_while_he_is_away_gets_nothing_then() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    for handling in [OfflineHandling::Reject, OfflineHandling::SendReject, OfflineHandling::SendStore] {
        let list = CapabilityList { offline_handling: Some(handling), ..CapabilityList::default() };
        let bob = world.newest("bob", "bob", list).await;
        assert_eq!(outcome(&world.send(&alice, text(&["bob"], "hi")).await.result), "200");
        world.services.access().logout(&bob).await.unwrap();
        let expected = if handling == OfflineHandling::SendStore { "200" } else { "533 533[bob]" };
        assert_eq!(outcome(&world.send(&alice, text(&["bob"], "hi")).await.result), expected, "{handling:?}");
    }
    let list = CapabilityList { offline_handling: Some(OfflineHandling::Reject), ..CapabilityList::default() };
    let bob = world.newest("bob", "bob", list).await;
    world.services.access().logout(&bob).await.unwrap();
    let world = world.restarted().await;
    let alice = world.services.sessions.find(&alice.id).unwrap();
    assert_eq!(outcome(&world.send(&alice, text(&["bob"], "hi")).await.result), "533 533[bob]");
    world.services.access().remove_user(&user("bob")).await.unwrap();
    assert!(world.rows(Space::Handling).await.is_empty());
}

#[tokio::test]
async fn a_policy_refuses_what_is_too_large() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    let png = AcceptedContentType {
        content_type: "image/png".into(),
        policy: Some("R".into()),
        policy_limit: Some(10),
        ..Default::default()
    };
    let list = CapabilityList { content_types: vec![png], ..CapabilityList::default() };
    let waiting = OutgoingMessage { delivery_report: true, ..of_type(&["bob"], "image/png", 11) };
    assert_eq!(outcome(&world.send(&alice, waiting).await.result), "200", "nobody knows yet");
    let bob = world.newest("bob", "bob", list).await;
    assert_eq!(world.offered(&bob).await, [""; 0]);
    assert_eq!(world.offered(&alice).await, ["report 415 wv:bob@x"]);
    assert_eq!(world.kept().await.1, 1, "the report");
    assert_eq!(outcome(&world.send(&alice, of_type(&["bob"], "image/png", 10)).await.result), "200");
    assert_eq!(outcome(&world.send(&alice, of_type(&["bob"], "image/png", 11)).await.result), "415 415[bob]");
    let other = world.login_as("bob", "other", Version::V1_2).await;
    assert_eq!(outcome(&world.send(&alice, of_type(&["bob"], "image/png", 11)).await.result), "200");
    assert_eq!(world.offered(&bob).await, ["new xxxxxxxxxx"]);
    assert_eq!(world.offered(&other).await, ["notify 10", "notify 11"], "the other client decides for itself");
}

#[tokio::test]
async fn a_message_for_an_application_is_for_its_client() {
    let world = World::of(&["alice", "bob"]).await;
    let application = |name: &'static str| {
        move |attempt: &mut crate::access::LoginAttempt| {
            attempt.application = Some(name.into());
        }
    };
    let alice = world.login_how("alice", "alice", Version::V1_3, application("chess")).await;
    let chess = world.login_how("bob", "one", Version::V1_3, application("chess")).await;
    let other = world.login_how("bob", "two", Version::V1_3, application("chat")).await;
    let mut message = text(&[], "e2e4");
    let to_chess = User { application_id: Some("chess".into()), ..User::of("bob") };
    message.info.recipient = Recipient::user(to_chess.clone());
    message.info.sender = Some(Sender::User(User { application_id: Some("chess".into()), ..User::of("alice") }));
    world.send(&alice, message.clone()).await;
    let told = world.pushed(&chess).await;
    assert_eq!(told.info.recipient.users, [User { user_id: "wv:bob@x".into(), ..to_chess }]);
    assert_eq!(world.offered(&other).await, [""; 0]);
    message.info.sender = Some(Sender::User(User { application_id: Some("chat".into()), ..User::of("alice") }));
    assert_eq!(world.im().send(&alice, message, None).await, Err(Error::NotYourself));
}

#[tokio::test]
async fn text_comes_in_a_character_set_that_the_client_reads() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let mut message = text(&["bob"], "");
    message.info.content_type = Some("text/plain; charset=iso-8859-1".into());
    message.content = Content { data: Bytes::from_static(b"Gr\xfc\xdfe"), binary: true };
    let id = world.sent(&alice, message).await.to_string();
    let told = world.pushed(&bob).await;
    assert_eq!((&told.content[..], told.binary), ("Grüße".as_bytes(), false));
    assert_eq!(told.info.content_type.as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(world.im().message(&bob, &id).await.unwrap().content, told.content);
    world.im().delivered(&bob, &id, Some(&told)).await.unwrap();
    assert_eq!(world.kept().await, (0, 0, 0));
}

#[tokio::test]
async fn what_is_too_large_for_a_client_is_not_given_to_it() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    let list = |pull_length, parser_size| CapabilityList {
        push_length: Some(10),
        pull_length,
        parser_size,
        ..CapabilityList::default()
    };
    let bob = world.newest("bob", "bob", list(Some(100), None)).await;
    let id = world.sent(&alice, text(&["bob"], &"&".repeat(100))).await.to_string();
    let larger = world.sent(&alice, text(&["bob"], &"&".repeat(101))).await.to_string();
    assert_eq!(world.im().message(&bob, &id).await.unwrap().content.len(), 100);
    assert_eq!(world.im().message(&bob, &larger).await, Err(Error::TooLarge));
    world.can(&bob, list(None, Some(1024 + 500))).await;
    assert_eq!(world.im().message(&bob, &id).await.unwrap().content.len(), 100, "500 bytes when it is escaped");
    world.can(&bob, list(None, Some(1024 + 499))).await;
    assert_eq!(world.im().message(&bob, &id).await, Err(Error::TooLarge));
}

#[tokio::test]
async fn a_url_names_one_content_for_a_while() {
    let world =
        World::with(&["alice", "bob", "carol"], |config| config.content_url_life = Duration::from_secs(60)).await;
    let (alice, carol) = (world.login("alice").await, world.login("carol").await);
    let list = CapabilityList { push_length: Some(10), pull_length: Some(10), ..CapabilityList::default() };
    let bob = world.newest("bob", "bob", list).await;
    let uri = |event: Option<Event>| match event {
        Some(Event::MessageNotification(message)) => message.info.message_uri.clone(),
        other => panic!("{other:?}"),
    };
    world.send(&alice, text(&["bob"], "larger than that")).await;
    assert_eq!(uri(world.im().next_event(&bob).await), None, "nobody said where it can be had");
    world.im().offer_content(Some("http://im.x/content/".into()));
    let mut message = text(&["bob", "carol"], "larger than that");
    message.info.validity = Some(30);
    let id = world.sent(&alice, message).await.to_string();
    let url = uri(world.im().next_event(&bob).await).unwrap();
    let token = url.strip_prefix("http://im.x/content/").unwrap();
    assert_eq!(world.im().content(token).await.unwrap().unwrap().content, "larger than that");
    let middle = token.len() / 2;
    let other = if token.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let forged = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
    let session = world.services.access().cir_token(&bob.id).unwrap();
    for nothing in [&forged, "", "A", &session, &token.repeat(20)] {
        assert_eq!(world.im().content(nothing).await, Ok(None), "{nothing}");
    }
    assert!(!token.contains("bob"), "who reads it in a log learns nothing");
    // It is bob's: what carol does with hers is no matter.
    let hers = world.pushed(&carol).await;
    world.im().delivered(&carol, &id, Some(&hers)).await.unwrap();
    let token = token.to_owned();
    let world = world.restarted().await;
    assert!(world.im().content(&token).await.unwrap().is_some());
    world.services.clock.advance(Duration::from_secs(30));
    assert_eq!(world.im().content(&token).await, Ok(None), "never longer than the message");
}

#[tokio::test]
async fn what_is_for_others_does_not_shorten_a_list() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let mut own = Vec::new();
    for _ in 0..15 {
        world.send(&alice, text(&["bob#other"], "for another client")).await;
        world.send(&alice, text(&["bob#other"], "for another client")).await;
        own.push(world.sent(&alice, text(&["bob"], "hi")).await.to_string());
    }
    for most in [0, 1, 2, 10, 15, 16] {
        let listed = world.im().message_list(&bob, None, Some(most)).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|info| info.message_id.as_deref().unwrap()).collect();
        assert_eq!(listed, own[..15.min(most as usize)], "{most}");
    }
}

#[tokio::test]
async fn messages_of_one_client_that_are_sent_together_keep_their_order() {
    // Some go to somebody whose state must be read first, some to one who is there: the later must not overtake.
    let world = World::slow(&["alice", "bob", "carol"], |_| {}).await;
    let alice = world.login_as("alice", "a", Version::V1_2).await;
    let bob = world.login_as("bob", "b", Version::V1_2).await;
    let im = world.im();
    let messages: Vec<_> = (0..200)
        .map(|number| {
            let names: &[&str] = if number % 7 == 0 { &["wv:bob@x", "wv:carol@x"] } else { &["wv:bob@x"] };
            im.send(&alice, text(names, &number.to_string()), None)
        })
        .collect();
    let sent = futures_util::future::join_all(messages).await;
    let ids: Vec<_> = sent.into_iter().map(|sent| sent.unwrap().id.unwrap()).collect();
    assert!(ids.is_sorted(), "numbers are in the order of the requests");
    let expected: Vec<_> = (0..200).map(|number| format!("new {number}")).collect();
    assert_eq!(world.offered(&bob).await, expected);
}

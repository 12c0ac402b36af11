//! ForwardMessage (CSP 12.4).

use super::*;
use crate::im::Forward;

impl World {
    async fn forward(&self, session: &Arc<Session>, id: MessageId, names: &[&str]) -> Result<Sent, Error> {
        let forward = Forward { message_id: id.to_string().into(), recipient: to(names), sender: None };
        self.im().forward(session, forward, None).await
    }
}

#[tokio::test]
async fn it_goes_on_in_the_name_of_who_forwards_it() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    let mut message = reported(&["bob"], "hi");
    message.info.content_type = Some("text/x-poem".into());
    message.info.content_name = Some("poem".into());
    message.info.validity = Some(100);
    let id = world.sent(&alice, message).await;
    world.services.clock.advance(Duration::from_secs(40));
    let forwarded = world.forward(&bob, id, &["carol", "nobody"]).await.unwrap();
    assert_eq!(outcome(&forwarded.result), "201 531[nobody]");
    assert_ne!(forwarded.id, Some(id));
    assert_eq!(world.offered(&alice).await, ["report 541 wv:bob@x"]);
    assert_eq!(world.offered(&bob).await, [""; 0], "he has it no longer");
    assert_eq!(world.forward(&bob, id, &["carol"]).await, Err(Error::UnknownMessage));
    let told = match world.im().next_event(&carol).await {
        Some(Event::MessageNotification(told)) => told,
        other => panic!("{other:?}"),
    };
    let expected = MessageInfo {
        message_id: Some(forwarded.id.unwrap().to_string().into()),
        content_type: Some("text/x-poem".into()),
        content_name: Some("poem".into()),
        content_size: 2,
        recipient: to(&["wv:carol@x"]),
        sender: Some(Sender::User(User::of("wv:bob@x"))),
        date_time: Some(world.services.clock.now().date_time()),
        validity: Some(60),
        ..MessageInfo::default()
    };
    assert_eq!(told.info, expected);
    let fetched = world.im().message(&carol, &forwarded.id.unwrap().to_string()).await.unwrap();
    assert_eq!(fetched.content, "hi");
    world.im().delivered(&carol, &fetched.id.to_string(), None).await.unwrap();
    assert_eq!(world.offered(&alice).await, [""; 0], "what became of the copy is not her business");
    assert_eq!(world.offered(&bob).await, [""; 0]);
    assert_eq!((world.waiting("bob"), world.waiting("carol")), (Some(0), Some(0)));
}

#[tokio::test]
async fn what_nobody_gets_waits_on() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let id = world.sent(&alice, reported(&["bob"], "hi")).await;
    let forwarded = world.forward(&bob, id, &["nobody"]).await.unwrap();
    assert_eq!((outcome(&forwarded.result).as_str(), forwarded.id), ("531 531[nobody]", None));
    assert_eq!(world.forward(&bob, id, &[]).await.unwrap_err().status().code(), 402);
    assert_eq!(world.forward(&alice, id, &["bob"]).await, Err(Error::UnknownMessage), "it is not hers");
    assert_eq!(world.offered(&alice).await, [""; 0]);
    assert_eq!(world.offered(&bob).await, ["new hi"]);
}

#[tokio::test]
async fn a_repeat_is_answered_like_the_first_after_a_restart_too() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let id = world.sent(&alice, text(&["bob"], "hi")).await;
    let forward = Forward { message_id: id.to_string().into(), recipient: to(&["carol"]), sender: None };
    let first = world.im().forward(&bob, forward.clone(), once("7", 1)).await.unwrap();
    assert_eq!(world.im().forward(&bob, forward.clone(), once("7", 1)).await.unwrap(), first);
    let world = world.restarted().await;
    let bob = world.services.sessions.find(&bob.id).unwrap();
    assert_eq!(world.im().forward(&bob, forward, once("7", 1)).await.unwrap(), first);
    let carol = world.login("carol").await;
    assert_eq!(world.offered(&carol).await, ["new hi"]);
    let bob = world.login("bob").await;
    assert_eq!(world.offered(&bob).await, [""; 0]);
}

#[tokio::test]
async fn a_shared_content_goes_on_and_goes() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    let big = "x".repeat(2000);
    let id = world.sent(&alice, text(&["bob", "carol"], &big)).await;
    let forwarded = world.forward(&bob, id, &["alice"]).await.unwrap();
    assert_eq!(world.pushed(&alice).await.content.len(), 2000);
    world.im().delivered(&carol, &id.to_string(), None).await.unwrap();
    world.im().delivered(&alice, &forwarded.id.unwrap().to_string(), None).await.unwrap();
    assert_eq!(world.kept().await, (0, 0, 0));
}

#[tokio::test]
async fn the_forwarder_may_be_blocked_too() {
    use imps_types::element::{AccessList, AccessLists, EntityList};
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    let add = Some(EntityList::users([Address::new("bob")]));
    let block = Some(AccessList { in_use: Some(true), add, ..AccessList::default() });
    world.im().change_blocking(&carol, AccessLists { block, grant: None }).await.unwrap();
    let id = world.sent(&alice, text(&["bob"], "hi")).await;
    let forwarded = world.forward(&bob, id, &["carol", "alice"]).await.unwrap();
    assert_eq!(outcome(&forwarded.result), "201 532[carol]");
    assert_eq!(world.offered(&alice).await, ["new hi"]);
}

#[tokio::test]
async fn what_stands_beside_an_address_is_bounded() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let word = |length: usize| Some("x".repeat(length).into());
    let users = |length: usize| {
        let client = |url, msisdn| Some(ClientId { url, msisdn });
        [
            User { friendly_name: word(length), ..User::of("bob") },
            User { application_id: word(length), ..User::of("bob") },
            User { client_id: client(word(length), None), ..User::of("bob") },
            User { client_id: client(None, word(length)), ..User::of("bob") },
        ]
    };
    for (length, expected) in [(255, 200), (256, 402)] {
        let code = |sent: Result<Sent, Error>| match sent {
            Ok(sent) => sent.result.status.code(),
            Err(error) => error.status().code(),
        };
        let sender = Some(Sender::User(User { friendly_name: word(length), ..User::of("alice") }));
        let mut message = text(&["bob"], "hi");
        message.info.sender = sender.clone();
        assert_eq!(code(world.im().send(&alice, message, None).await), expected, "the sender's name");
        let id = world.sent(&bob, text(&["alice"], "hi")).await.to_string();
        let forward = Forward { message_id: id.into(), recipient: to(&["bob"]), sender };
        assert_eq!(code(world.im().forward(&alice, forward, None).await), expected, "who forwards it");
        for user in users(length) {
            let mut message = text(&[], "hi");
            message.info.recipient = Recipient::user(user.clone());
            assert_eq!(code(world.im().send(&alice, message, None).await), expected, "{user:?}");
            let id = world.sent(&bob, text(&["alice"], "hi")).await.to_string();
            let forward = Forward { message_id: id.into(), recipient: Recipient::user(user.clone()), sender: None };
            assert_eq!(code(world.im().forward(&alice, forward, None).await), expected, "forwarded: {user:?}");
        }
    }
}

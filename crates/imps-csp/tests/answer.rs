//! Whole messages through the face, with the engine in memory and a clock that is set.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod world;

use std::time::Duration;

use imps_service::seam::StoreError;
use world::{STATUS, World, between, envelope, message};

#[tokio::test]
async fn two_phones_see_each_other_and_a_message_gets_through() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let capabilities = "<ClientCapability-Request><CapabilityList><ClientType>MOBILE_PHONE</ClientType>\
        <InitialDeliveryMethod>P</InitialDeliveryMethod><AnyContent>T</AnyContent><SupportedBearer>HTTP</SupportedBearer>\
        <ServerPollMin>1</ServerPollMin></CapabilityList></ClientCapability-Request>";
    let answer = alice.ask("2", capabilities).await;
    assert!(
        answer.contains("<AgreedCapabilityList><SupportedBearer>HTTP</SupportedBearer><ServerPollMin>2<"),
        "{answer}"
    );
    let service = "<Service-Request><Functions><WVCSPFeat><IMFeat/></WVCSPFeat></Functions>\
        <AllFunctionsRequest>T</AllFunctionsRequest></Service-Request>";
    let answer = alice.ask("3", service).await;
    assert!(answer.contains("<AllFunctions><WVCSPFeat/>") && !answer.contains("<Functions>"), "{answer}");
    let answer = bob
        .ask("2", "<CreateAttributeList-Request><PresenceSubList><OnlineStatus/><StatusText/></PresenceSubList><DefaultList>T</DefaultList></CreateAttributeList-Request>")
        .await;
    assert!(answer.contains("<Code>200</Code>"), "{answer}");
    let answer = alice
        .ask(
            "4",
            "<SubscribePresence-Request><User><UserID>wv:bob@localhost</UserID></User></SubscribePresence-Request>",
        )
        .await;
    assert!(answer.contains("<Code>200</Code>") && answer.contains("<Poll>T</Poll>"), "{answer}");
    let notification = alice.poll().await;
    assert!(notification.contains("<OnlineStatus><Qualifier>T</Qualifier><PresenceValue>T<"), "{notification}");
    assert_eq!(alice.answer(&notification, STATUS).await, "");
    let update = "<UpdatePresence-Request><PresenceSubList><StatusText><Qualifier>T</Qualifier>\
        <PresenceValue>at lunch</PresenceValue></StatusText></PresenceSubList></UpdatePresence-Request>";
    assert!(bob.ask("5", update).await.contains("<Code>200</Code>"));
    let notification = alice.poll().await;
    assert!(notification.contains("<PresenceValue>at lunch</PresenceValue>"), "{notification}");
    assert!(!notification.contains("OnlineStatus"), "{notification}");
    alice.answer(&notification, STATUS).await;

    let sent = alice.ask("6", &message("wv:bob@localhost", "a &lt; b", true)).await;
    let id = between(&sent, "<MessageID>", "</MessageID>").to_owned();
    assert_eq!(
        alice.ask("6", &message("wv:bob@localhost", "a &lt; b", true)).await,
        sent,
        "a repeat is answered alike"
    );
    let new = bob.poll().await;
    assert!(new.contains(&id) && new.contains("<ContentData>a &lt; b</ContentData>"), "{new}");
    assert!(new.contains("<Poll>F</Poll>"), "and not carried out twice: {new}");
    let delivered = format!("<MessageDelivered><MessageID>{id}</MessageID></MessageDelivered>");
    assert_eq!(bob.answer(&new, &delivered).await, "");
    let report = alice.poll().await;
    assert!(report.contains("<DeliveryReport-Request><Result><Code>200</Code>") && report.contains(&id), "{report}");
    assert_eq!(alice.answer(&report, STATUS).await, "");
    assert_eq!(bob.poll().await, "");
    assert!(bob.ask("9", "<Logout-Request/>").await.contains("<Status><Result><Code>200</Code>"));
    assert!(bob.poll().await.contains("<Code>604</Code>"));
    let notification = alice.poll().await;
    assert!(notification.contains("<OnlineStatus><Qualifier>T</Qualifier><PresenceValue>F<"), "{notification}");
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    alice.ask("2", &message("wv:bob", "hi", false)).await;
    let first = bob.poll().await;
    assert_eq!(bob.poll().await, "");
    world.csp.services().clock.advance(Duration::from_secs(61));
    let second = bob.poll().await;
    let id = |text: &str| between(text, "<MessageID>", "</MessageID>").to_owned();
    let transaction = |text: &str| between(text, "<TransactionID>", "</TransactionID>").to_owned();
    assert_eq!(id(&first), id(&second));
    assert_ne!(transaction(&first), transaction(&second));
    bob.answer(&second, &format!("<MessageDelivered><MessageID>{}</MessageID></MessageDelivered>", id(&second))).await;
    world.csp.services().clock.advance(Duration::from_secs(61));
    assert_eq!(bob.poll().await, "");
}

#[tokio::test]
async fn refusals_are_statuses() {
    let world = World::new().await;
    let alice = world.login("alice").await;
    for (primitive, code) in [
        ("<Search-Request/>", "402"),
        ("<Nonsense-Request/>", "501"),
        ("<GetMessage-Request/>", "400"),
        ("<GetMessage-Request><MessageID>m2</MessageID></GetMessage-Request>", "426"),
        (
            "<SetDeliveryMethod-Request><DeliveryMethod>P</DeliveryMethod><AcceptedContentLength>many</AcceptedContentLength></SetDeliveryMethod-Request>",
            "402",
        ),
        ("<DeleteList-Request><ContactList>wv:bob/x</ContactList></DeleteList-Request>", "700"),
        ("<SendMessage-Request><MessageInfo/></SendMessage-Request>", "402"),
        ("<KeepAlive-Request><TimeToLive>1</TimeToLive></KeepAlive-Request>", "605"),
    ] {
        let answer = alice.ask("7", primitive).await;
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{primitive}: {answer}");
        assert!(answer.contains("<TransactionID>7</TransactionID>"), "{answer}");
    }
    let strange = world.post(&envelope(Some("nobody"), "Request", "8", "<GetList-Request/>")).await;
    assert!(strange.contains("<Code>604</Code>"), "{strange}");
    assert!(world.post("hello").await.starts_with("HTTP 4"));
    assert!(world.post("<html/>").await.starts_with("HTTP 400"));
    let other = envelope(None, "Request", "1", "<Login-Request/>").replace("CSP1.2", "CSP2.9");
    assert!(world.post(&other).await.contains("<Code>505</Code>"));
}

#[tokio::test]
async fn a_full_disk_is_said_and_polls_go_on() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.engine.refuse(Some(StoreError::Full));
    let answer = alice.ask("2", &message("wv:bob", "hi", false)).await;
    assert!(answer.contains("<Code>503</Code>"), "{answer}");
    assert_eq!(alice.poll().await, "");
    world.engine.refuse(None);
    let answer = alice.ask("2", &message("wv:bob", "hi", false)).await;
    assert!(answer.contains("<Code>200</Code>"), "{answer}");
    assert!(bob.poll().await.contains("<ContentData>hi</ContentData>"));
}

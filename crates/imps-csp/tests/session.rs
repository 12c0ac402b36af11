//! The life of a session as its client sees it: login, negotiation, what the server asks, the end. CSP 4, 12.2, 16.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod world;

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use imps_csp::{Csp, CspConfig};
use imps_service::seam::StoreError;
use imps_types::{UserId, Version};
use md5::{Digest, Md5};
use world::{NS, Phone, STATUS, World, between, code, envelope, message, of_version};

const VERSIONS: [Version; 3] = [Version::V1_1, Version::V1_2, Version::V1_3];

fn login(user: &str, client: &str, more: &str) -> String {
    format!(
        "<Login-Request><UserID>wv:{user}</UserID><ClientID><URL>{client}</URL></ClientID>{more}\
         <SessionCookie>cookie</SessionCookie></Login-Request>"
    )
}

const PASSWORD: &str = "<Password>secret</Password>";

fn phone<'a>(world: &'a World, answer: &str) -> Phone<'a> {
    assert_eq!(code(answer), "200", "{answer}");
    Phone { world, session: between(answer, "<SessionID>", "</SessionID>").to_owned() }
}

fn digest(nonce: &str, password: &str) -> String {
    let digest = Md5::new().chain_update(nonce).chain_update(password).finalize();
    format!("<DigestBytes>{}</DigestBytes>", BASE64_STANDARD.encode(digest))
}

#[tokio::test]
async fn a_digest_login_takes_two_steps_under_one_transaction_id() {
    let world = World::new().await;
    for version in VERSIONS {
        let offer = login("alice", "nokia", "<DigestSchema>MD5</DigestSchema>");
        let challenge = world.outband(version, "7", &offer).await;
        assert_eq!(code(&challenge), "401");
        assert!(challenge.contains("<SessionType>Outband</SessionType>"), "{challenge}");
        assert!(challenge.contains("<DigestSchema>MD5</DigestSchema>"), "{challenge}");
        assert!(challenge.contains("<CapabilityRequest>F</CapabilityRequest>"), "{challenge}");
        assert!(!challenge.contains("SessionID"), "{challenge}");
        let nonce = between(&challenge, "<Nonce>", "</Nonce>").to_owned();
        let second = login("alice", "nokia", &digest(&nonce, "secret"));
        let other_client = login("alice", "another", &digest(&nonce, "secret"));
        assert_eq!(code(&world.outband(version, "7", &other_client).await), "409", "the nonce is another client's");
        let answer = world.outband(version, "7", &second).await;
        assert!(answer.contains("<TransactionID>7</TransactionID>"), "{answer}");
        assert!(answer.contains("<KeepAliveTime>3600</KeepAliveTime>"), "{answer}");
        assert!(answer.contains("<CapabilityRequest>T</CapabilityRequest>"), "{answer}");
        assert!(answer.contains("<ClientID><URL>nokia</URL></ClientID>"), "{answer}");
        phone(&world, &answer);
        assert_eq!(code(&world.outband(version, "8", &second).await), "409", "a nonce is good once");
    }
}

#[tokio::test]
async fn refused_logins_do_not_tell_who_exists() {
    let world = World::new().await;
    let without_session = |answer: String| {
        assert!(answer.contains("<Login-Response>") && !answer.contains("<SessionID>"), "{answer}");
        code(&answer).to_owned()
    };
    for user in ["alice", "nobody"] {
        let wrong = world.outband(Version::V1_2, "1", &login(user, "x", "<Password>guess</Password>")).await;
        assert_eq!(without_session(wrong), "409");
        let offer = login(user, "x", "<DigestSchema>MD5</DigestSchema>");
        let challenge = world.outband(Version::V1_2, "1", &offer).await;
        let nonce = between(&challenge, "<Nonce>", "</Nonce>").to_owned();
        let wrong = world.outband(Version::V1_2, "2", &login(user, "x", &digest(&nonce, "guess"))).await;
        assert_eq!(without_session(wrong), "409");
        let schema = login(user, "x", "<DigestSchema>MD6</DigestSchema>");
        assert_eq!(without_session(world.outband(Version::V1_2, "1", &schema).await), "543");
        let empty = login(user, "x", "<Password></Password><DigestSchema>SHA</DigestSchema>");
        assert_eq!(without_session(world.outband(Version::V1_2, "1", &empty).await), "401");
    }
    let foreign = login("alice@elsewhere.example", "x", PASSWORD);
    assert_eq!(without_session(world.outband(Version::V1_2, "1", &foreign).await), "516");
    let long = login("alice", &"x".repeat(256), PASSWORD);
    assert_eq!(without_session(world.outband(Version::V1_2, "1", &long).await), "402");
    let pwd = world.outband(Version::V1_1, "1", &login("alice", "x", "<DigestSchema>PWD,MD4</DigestSchema>")).await;
    assert!(pwd.contains("<DigestSchema>PWD</DigestSchema>"), "{pwd}");
    phone(&world, &world.outband(Version::V1_1, "1", &login("alice", "x", PASSWORD)).await);
}

#[tokio::test]
async fn guessing_is_stopped_and_waits_for_its_end() {
    let world = World::new().await;
    for _ in 0..10 {
        let wrong = login("nobody", "x", "<DigestBytes>AAAA</DigestBytes>");
        assert_eq!(code(&world.outband(Version::V1_3, "1", &wrong).await), "409");
    }
    let answer = world.outband(Version::V1_3, "1", &login("nobody", "x", PASSWORD)).await;
    assert_eq!(code(&answer), "503");
    assert!(answer.contains("<TryAgainTimeout>300</TryAgainTimeout>"), "{answer}");
    phone(&world, &world.outband(Version::V1_3, "1", &login("alice", "x", PASSWORD)).await);
}

#[tokio::test]
async fn a_flood_of_guesses_is_turned_away() {
    let world = World::new().await;
    let guess = |n: usize| {
        let (csp, request) = (world.csp.clone(), login(&format!("user{n}"), "x", "<Password>guess</Password>"));
        tokio::spawn(async move {
            let body = bytes::Bytes::from(envelope(None, "Request", "1", &request));
            let exchange = imps_csp::Exchange {
                body: &body,
                content_type: None,
                peer: None,
                msisdn: None,
                channel: imps_csp::Channel::Http,
            };
            match csp.answer(exchange).await {
                imps_csp::Answer::Message(message) => code(&String::from_utf8(message).unwrap()).to_owned(),
                other => panic!("{other:?}"),
            }
        })
    };
    let all: Vec<_> = (0..400).map(guess).collect();
    let mut busy = 0;
    // Only those that are turned away are waited for: the others take their time.
    for one in all {
        tokio::select! {
            answer = one => busy += usize::from(answer.unwrap() == "503"),
            () = tokio::time::sleep(Duration::from_millis(1)) => {}
        }
    }
    assert!((400 - 260..=400).contains(&busy), "{busy}");
    phone(&world, &world.outband(Version::V1_2, "1", &login("alice", "x", PASSWORD)).await);
}

#[tokio::test]
async fn the_poll_flag_and_the_end_are_where_the_version_has_them() {
    for version in VERSIONS {
        let world = World::new().await;
        let alice = phone(&world, &world.outband(version, "1", &login("alice", "x", PASSWORD)).await);
        let sent = envelope(Some(&alice.session), "Request", "2", &message("wv:alice", "to myself", false));
        let sent = world.post(&of_version(version, &sent)).await;
        let (first, second) = ("<Poll>T</Poll></TransactionDescriptor>", "<Poll>T</Poll></Session>");
        let there = if version == Version::V1_1 { first } else { second };
        assert!(sent.contains(there) && sent.matches("<Poll>").count() == 1, "{sent}");
        let logout = envelope(Some(&alice.session), "Request", "3", "<Logout-Request/>");
        let answer = world.post(&of_version(version, &logout)).await;
        let end = if version == Version::V1_1 { "<Disconnect><Result>" } else { "<Status><Result>" };
        assert!(answer.contains(end) && code(&answer) == "200", "{answer}");
        assert!(answer.contains("<Poll>F</Poll>"), "{answer}");
        assert_eq!(code(&alice.poll().await), "604");
    }
}

#[tokio::test]
async fn a_client_that_logs_in_again_replaces_its_session() {
    let world = World::new().await;
    let old = world.login("alice").await;
    let other = phone(&world, &world.outband(Version::V1_2, "1", &login("alice", "other", PASSWORD)).await);
    let new = world.login("alice").await;
    assert_ne!(old.session, new.session);
    assert_eq!(world.saved_sessions().await, 2);
    let told = old.poll().await;
    assert!(told.contains("<Disconnect>") && code(&told) == "601", "{told}");
    assert!(told.contains("<TransactionMode>Request</TransactionMode>"), "{told}");
    assert!(old.poll().await.contains("<Status><Result><Code>604</Code>"), "told once");
    assert_eq!(other.poll().await, "", "another client of the user goes on");
    assert_eq!(new.poll().await, "");
}

#[tokio::test]
async fn a_session_expires_and_its_client_is_told_once() {
    let world = World::new().await;
    let alice = world.login("alice").await;
    world.after(600 + 59).await;
    assert_eq!(alice.poll().await, "", "within the grace; and the timer begins anew");
    world.after(600 + 61).await;
    assert_eq!(world.saved_sessions().await, 0);
    let told = alice.poll().await;
    assert!(told.contains("<Disconnect>") && code(&told) == "600", "{told}");
    assert_eq!(code(&alice.poll().await), "604");
    assert_eq!(code(&alice.ask("3", "<GetList-Request/>").await), "604");
}

#[tokio::test]
async fn keep_alive_tells_the_timer_that_applies() {
    let world = World::new().await;
    let alice = world.login("alice").await;
    for (asked, code_, told) in [
        ("", "200", None),
        ("<TimeToLive>600</TimeToLive>", "200", None),
        ("<TimeToLive>1200</TimeToLive>", "200", Some("1200")),
        ("<TimeToLive>5</TimeToLive>", "605", Some("1200")),
        ("<TimeToLive>86401</TimeToLive>", "605", Some("1200")),
        ("<TimeToLive>0</TimeToLive>", "200", Some("3600")),
    ] {
        let answer = alice.ask("2", &format!("<KeepAlive-Request>{asked}</KeepAlive-Request>")).await;
        assert_eq!(code(&answer), code_, "{answer}");
        let time = answer.contains("<KeepAliveTime>").then(|| between(&answer, "<KeepAliveTime>", "</KeepAliveTime>"));
        assert_eq!(time, told, "{answer}");
    }
}

#[tokio::test]
async fn a_session_of_13_negotiates_at_login_and_can_be_taken_up_again() {
    let world = World::new().await;
    let wishes = format!(
        "{PASSWORD}<TimeToLive>1000</TimeToLive><Functions><WVCSPFeat><FundamentalFeat><ServiceFunc/></FundamentalFeat></WVCSPFeat></Functions>\
         <CapabilityList><ServerPollMin>30</ServerPollMin></CapabilityList>"
    );
    let answer = world.outband(Version::V1_3, "1", &login("alice", "x", &wishes)).await;
    let alice = phone(&world, &answer);
    let functions = between(&answer, "<Functions>", "</Functions>");
    assert!(functions.starts_with("<WVCSPFeat><FundamentalFeat><ServiceFunc><GETMAP/>"), "{functions}");
    assert!(between(&answer, "<AgreedCapabilityList>", "</AgreedCapabilityList>").contains("ServerPollMin>30<"));
    assert!(answer.contains("<CapabilityRequest>F</CapabilityRequest>"), "{answer}");

    let resume = |client: &str, session: &str| {
        let more = format!("{PASSWORD}<SessionID>{session}</SessionID><TimeToLive>2000</TimeToLive>");
        login("alice", client, &more)
    };
    let again = world.outband(Version::V1_3, "2", &resume("x", &alice.session)).await;
    assert_eq!(phone(&world, &again).session, alice.session);
    assert!(again.contains("<CapabilityRequest>F</CapabilityRequest>"), "it has negotiated before: {again}");
    assert!(again.contains("<KeepAliveTime>2000</KeepAliveTime>"), "{again}");
    for (client, session, refused) in
        [("y", alice.session.as_str(), "422"), ("x", "nonsense", "502"), ("x", &"0".repeat(28), "502")]
    {
        let answer = world.outband(Version::V1_3, "2", &resume(client, session)).await;
        assert_eq!(code(&answer), refused, "{answer}");
    }
    let bob = login("bob", "x", &format!("{PASSWORD}<SessionID>{}</SessionID>", alice.session));
    assert_eq!(code(&world.outband(Version::V1_3, "2", &bob).await), "502", "somebody else's is none");
    let older = world.outband(Version::V1_2, "2", &resume("x", &alice.session)).await;
    assert_ne!(phone(&world, &older).session, alice.session, "1.2 knows no such thing: a new session");
    assert_eq!(code(&world.outband(Version::V1_3, "2", &resume("x", &alice.session)).await), "502", "it was replaced");
}

#[tokio::test]
async fn what_was_refused_is_506_and_what_is_unknown_501() {
    let world = World::new().await;
    let alice = phone(&world, &world.outband(Version::V1_3, "1", &login("alice", "x", PASSWORD)).await);
    let ask = async |transaction: &str, primitive: &str| {
        let message = envelope(Some(&alice.session), "Request", transaction, primitive);
        world.post(&of_version(Version::V1_3, &message)).await
    };
    // There are no maps here, and never will be.
    assert_eq!(code(&ask("2", "<GetMap-Request/>").await), "501");
    let service = |functions: &str, all: &str| {
        format!("<Service-Request>{functions}<AllFunctionsRequest>{all}</AllFunctionsRequest></Service-Request>")
    };
    let some = "<Functions><WVCSPFeat><FundamentalFeat/><IMFeat/></WVCSPFeat></Functions>";
    let answer = ask("3", &service(some, "F")).await;
    assert!(answer.contains("<GETMAP/>") && !answer.contains("AllFunctions"), "{answer}");
    assert_eq!(code(&ask("4", "<GetMap-Request/>").await), "506");
    let not_asked_for = "<DeleteList-Request><ContactList>wv:alice/x</ContactList></DeleteList-Request>";
    assert_eq!(code(&ask("7", not_asked_for).await), "700", "and served all the same");
    let available = "<Functions><WVCSPFeat><PresenceFeat><ContListFunc/></PresenceFeat></WVCSPFeat></Functions>";
    let answer = ask("8", &service(available, "T")).await;
    assert!(!answer.contains("<Functions>") && answer.contains("<AllFunctions><WVCSPFeat>"), "{answer}");
    assert_eq!(code(&ask("9", "<GetMap-Request/>").await), "501", "the last negotiation holds");
    let answer = ask("10", &service("<Functions></Functions>", "F")).await;
    assert!(
        answer.contains("<Service-Response/>") || answer.contains("<Service-Response></Service-Response>"),
        "{answer}"
    );
}

#[tokio::test]
async fn capabilities_are_echoed_to_11_only() {
    let world = World::new().await;
    let alice = phone(&world, &world.outband(Version::V1_1, "1", &login("alice", "x", PASSWORD)).await);
    let list = "<ClientCapability-Request><ClientID><URL>x</URL></ClientID><CapabilityList><ClientType>MOBILE_PHONE</ClientType>\
        <InitialDeliveryMethod>P</InitialDeliveryMethod><AnyContent>T</AnyContent><AcceptedCharset>106</AcceptedCharset>\
        <AcceptedContentLength>102400</AcceptedContentLength><SupportedBearer>SMS</SupportedBearer>\
        <SupportedBearer>HTTP</SupportedBearer><MultiTrans>3</MultiTrans><ParserSize>131072</ParserSize>\
        <SupportedCIRMethod>STCP</SupportedCIRMethod><UDPPort>3717</UDPPort></CapabilityList></ClientCapability-Request>";
    let ask = |version| of_version(version, &envelope(Some(&alice.session), "Request", "2", list));
    let answer = world.post(&ask(Version::V1_1)).await;
    let echo = between(&answer, "<CapabilityList>", "</CapabilityList>");
    for kept in ["<ClientType>MOBILE_PHONE<", "<AnyContent>T<", "<MultiTrans>3<", "<ParserSize>131072<", "Bearer>HTTP<"]
    {
        assert!(echo.contains(kept), "{kept}: {echo}");
    }
    for gone in ["SMS", "CIRMethod", "UDPPort", "ServerPollMin"] {
        assert!(!echo.contains(gone), "{gone}: {echo}");
    }
    assert!(answer.contains("<ClientID><URL>x</URL></ClientID>"), "{answer}");
    let bob = world.login("bob").await;
    let answer = bob.ask("2", list).await;
    let agreed = between(&answer, "<AgreedCapabilityList>", "</AgreedCapabilityList>");
    assert_eq!(agreed, "<SupportedBearer>HTTP</SupportedBearer>");
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_nothing_of_it_is_done() {
    let world = World::new().await;
    let alice = world.login("alice").await;
    let good = envelope(Some(&alice.session), "Request", "2", &message("wv:bob", "hi", false));
    let bad_status = |answer: &str| {
        assert!(answer.contains("<Status><Result><Code>400</Code><Description>"), "{answer}");
        assert!(answer.contains("<SessionType>Inband</SessionType>"), "{answer}");
    };
    let between_tags = between(&good, "<Transaction>", "</Session>").to_owned();
    let transaction = format!("<Transaction>{between_tags}");
    let none = world.post(&good.replace(&transaction, "")).await;
    bad_status(&none);
    assert!(none.contains("Transaction is missing"), "{none}");
    let head = format!(
        "<TransactionDescriptor>{}</TransactionDescriptor>",
        between(&good, "<TransactionDescriptor>", "</TransactionDescriptor>")
    );
    bad_status(&world.post(&good.replace(&head, "")).await);
    let cut = &good[..good.find("</SendMessage-Request>").unwrap()];
    let answer = world.post(cut).await;
    bad_status(&answer);
    assert!(answer.contains("<TransactionID>2</TransactionID>"), "{answer}");
    bad_status(&world.post(&good[..good.len() - 3]).await);
    // One that is in order, and one that is not.
    let broken = transaction.replace(">2<", ">3<").replace("<Recipient>", "<Recipient>&nonsense;");
    let answer = world.post(&good.replace("</Session>", &format!("{broken}</Session>"))).await;
    bad_status(&answer);
    assert_eq!(answer.matches("<Code>400</Code>").count(), 2, "{answer}");
    // One that only lacks something does not harm the other.
    let lacking = "<Transaction><TransactionDescriptor><TransactionMode>Request</TransactionMode><TransactionID>4\
        </TransactionID></TransactionDescriptor><TransactionContent><GetMessage-Request/></TransactionContent></Transaction>";
    let bob = world.login("bob").await;
    assert_eq!(bob.poll().await, "", "nothing of all that was carried out");
    let answer = world.post(&good.replace("</Session>", &format!("{lacking}</Session>"))).await;
    assert!(answer.contains("<Code>200</Code>") && answer.contains("<Code>400</Code>"), "{answer}");
    assert!(bob.poll().await.contains("<ContentData>hi</ContentData>"));
    // More than anybody sends.
    let many = good.replace("</Session>", &format!("{}</Session>", lacking.repeat(99)));
    let answer = world.post(&many).await;
    assert_eq!(answer.matches("<TransactionMode>Response</TransactionMode>").count(), 100, "each is answered");
}

#[tokio::test]
async fn a_login_that_names_an_old_session_is_a_login() {
    let world = World::new().await;
    let alice = world.login("alice").await;
    for session in ["gone", &alice.session] {
        let inband = envelope(Some(session), "Request", "1", &login("alice", "y", PASSWORD));
        let answer = world.post(&inband).await;
        assert!(answer.contains("<SessionType>Outband</SessionType>"), "{answer}");
        phone(&world, &answer);
        let outband = inband.replace("<SessionType>Inband", "<SessionType>Outband");
        phone(&world, &world.post(&outband).await);
    }
    let info = envelope(Some("gone"), "Request", "1", "<GetSPInfo-Request/>").replace("Inband", "Outband");
    assert!(world.post(&info).await.contains("<GetSPInfo-Response>"));
    assert_eq!(code(&world.outband(Version::V1_2, "1", "<GetList-Request/>").await), "604");
    assert_eq!(code(&world.outband(Version::V1_2, "1", "<Polling-Request/>").await), "604");
}

#[tokio::test]
async fn unknown_versions_are_505_and_may_discover_ours() {
    let world = World::new().await;
    let old = b"\x01\x0f\x6a\x00";
    let body = bytes::Bytes::from_static(old);
    let exchange = imps_csp::Exchange {
        body: &body,
        content_type: None,
        peer: None,
        msisdn: None,
        channel: imps_csp::Channel::Http,
    };
    let imps_csp::Answer::Message(answer) = world.csp.answer(exchange).await else { panic!("no answer") };
    assert_eq!(answer[..2], [0x03, 0x10], "in WBXML, and in the first version");
    let discovery = "<WV-CSP-VersionDiscovery-Request xmlns=\"http://www.openmobilealliance.org/DTD/IMPS-CSP2.0\"/>";
    let answer = world.post(discovery).await;
    assert!(
        answer.contains("<WV-CSP-VersionDiscovery-Response") && answer.contains(&format!("{NS}CSP1.2")),
        "{answer}"
    );
}

async fn sends_bob(phone: &Phone<'_>, messages: usize) {
    for n in 0..messages {
        let body = message("wv:bob", &format!("message {n}"), false);
        assert_eq!(code(&phone.ask(&format!("m{n}"), &body).await), "200");
    }
}

#[tokio::test]
async fn no_more_is_open_than_the_client_takes() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let capability = "<ClientCapability-Request><CapabilityList><MultiTrans>1</MultiTrans></CapabilityList>\
        </ClientCapability-Request>";
    bob.ask("2", capability).await;
    sends_bob(&alice, 3).await;
    let first = bob.poll().await;
    assert!(first.contains("message 0") && first.contains("<Poll>T</Poll>"), "{first}");
    assert_eq!(bob.poll().await, "", "one is open");
    let delivered = |text: &str| {
        let id = between(text, "<MessageID>", "</MessageID>");
        format!("<MessageDelivered><MessageID>{id}</MessageID></MessageDelivered>")
    };
    let second = bob.answer(&first, &delivered(&first)).await;
    assert!(second.contains("message 1"), "an answer takes the next along: {second}");
    // It is never acknowledged, and the third gets through all the same.
    world.csp.services().clock.advance(Duration::from_secs(61));
    assert!(bob.poll().await.contains("message 1"), "it comes again");
    for _ in 0..3 {
        world.csp.services().clock.advance(Duration::from_secs(61));
        let next = bob.poll().await;
        if next.contains("message 2") {
            return;
        }
    }
    panic!("one message that is not taken keeps all others away");
}

#[tokio::test]
async fn two_polls_at_once_do_not_get_the_same() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    sends_bob(&alice, 1).await;
    let (one, other) = tokio::join!(bob.poll(), bob.poll());
    assert!(one.is_empty() != other.is_empty(), "{one} / {other}");
}

#[tokio::test]
async fn a_message_that_could_not_be_taken_comes_again() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    sends_bob(&alice, 1).await;
    let new = bob.poll().await;
    bob.answer(&new, "<Status><Result><Code>415</Code></Result></Status>").await;
    world.csp.services().clock.advance(Duration::from_secs(61));
    let again = bob.poll().await;
    assert!(again.contains("message 0"), "{again}");
    // The late answer to the first, and nothing is offered any more.
    let id = between(&new, "<MessageID>", "</MessageID>");
    bob.answer(&new, &format!("<MessageDelivered><MessageID>{id}</MessageID></MessageDelivered>")).await;
    world.csp.services().clock.advance(Duration::from_secs(3600));
    assert_eq!(code(&bob.poll().await), "604", "so long a silence ends a session");
    let bob = world.login("bob").await;
    assert_eq!(bob.poll().await, "");
}

#[tokio::test]
async fn a_status_as_a_request_answers_and_takes_nothing_along() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    sends_bob(&alice, 2).await;
    assert!(bob.poll().await.contains("message 0"));
    assert_eq!(bob.ask("77", STATUS).await, "");
    let second = bob.poll().await;
    assert!(second.contains("message 1") && second.contains("<Poll>F</Poll>"), "{second}");
    assert_eq!(bob.ask("78", STATUS).await, "");
    assert_eq!(bob.ask("79", STATUS).await, "", "nothing is open");
    world.csp.services().clock.advance(Duration::from_secs(61));
    assert_eq!(bob.poll().await, "");
}

#[tokio::test]
async fn an_acknowledgement_that_cannot_be_kept_leaves_the_message() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    sends_bob(&alice, 1).await;
    let new = bob.poll().await;
    let id = between(&new, "<MessageID>", "</MessageID>");
    let delivered = format!("<MessageDelivered><MessageID>{id}</MessageID></MessageDelivered>");
    world.engine.refuse(Some(StoreError::Full));
    assert_eq!(code(&bob.answer(&new, &delivered).await), "503");
    world.engine.refuse(None);
    world.csp.services().clock.advance(Duration::from_secs(61));
    let again = bob.poll().await;
    assert!(again.contains("message 0"), "{again}");
    assert_eq!(bob.answer(&again, &delivered).await, "");
    world.csp.services().clock.advance(Duration::from_secs(61));
    assert_eq!(bob.poll().await, "");
}

#[tokio::test]
async fn a_rejected_message_is_not_offered_again() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    sends_bob(&alice, 1).await;
    let new = bob.poll().await;
    let id = between(&new, "<MessageID>", "</MessageID>");
    let reject = format!("<RejectMessage-Request><MessageID>{id}</MessageID></RejectMessage-Request>");
    assert_eq!(code(&bob.ask("5", &reject).await), "200");
    world.csp.services().clock.advance(Duration::from_secs(61));
    assert_eq!(bob.poll().await, "");
}

#[tokio::test]
async fn a_repeated_request_is_answered_like_the_first() {
    let world = World::new().await;
    let alice = world.login("alice").await;
    let create = "<CreateList-Request><ContactList>wv:alice/friends</ContactList></CreateList-Request>";
    let (one, other) = tokio::join!(alice.ask("5", create), alice.ask("5", create));
    assert_eq!(code(&one), "200", "{one}");
    assert_eq!(one, other);
    assert_eq!(code(&alice.ask("6", create).await), "701", "under another ID it is another request");
    assert_eq!(alice.ask("5", create).await, one);
    world.csp.services().clock.advance(Duration::from_secs(500));
    alice.poll().await;
    world.csp.services().clock.advance(Duration::from_secs(101));
    assert_eq!(code(&alice.ask("5", create).await), "701", "after ten minutes numbers have wrapped");
}

#[tokio::test]
async fn what_takes_too_long_is_said_and_done_all_the_same() {
    let mut world = World::new().await;
    let config = CspConfig { answer_within: Duration::from_millis(50), ..CspConfig::default() };
    world.csp = Csp::new(world.csp.services().clone(), config);
    let alice = world.login("alice").await;
    let user = UserId::from_canonical("wv:alice@localhost");
    let state = world.csp.services().user(&user).await.unwrap();
    let create = "<CreateList-Request><ContactList>wv:alice/friends</ContactList></CreateList-Request>";
    let busy = state.change.lock().await;
    let answer = alice.ask("5", create).await;
    assert!(answer.contains("<TransactionID>5</TransactionID>") && code(&answer) == "408", "{answer}");
    drop(busy);
    assert_eq!(code(&alice.ask("5", create).await), "200", "the answer of the first");
}

#[tokio::test]
async fn a_session_that_ends_while_it_negotiates_does_not_come_back() {
    let world = World::new().await;
    let alice = world.login("alice").await;
    let capability = "<ClientCapability-Request><CapabilityList><MultiTrans>1</MultiTrans></CapabilityList>\
        </ClientCapability-Request>";
    world.engine.refuse(Some(StoreError::Full));
    assert_eq!(code(&alice.ask("2", "<Logout-Request/>").await), "503", "it goes on");
    world.engine.refuse(None);
    assert!(alice.ask("3", capability).await.contains("<AgreedCapabilityList>"));
    tokio::join!(alice.ask("4", "<Logout-Request/>"), alice.ask("5", capability));
    assert_eq!(world.saved_sessions().await, 0);
    world.csp.services().resume().await.unwrap();
    assert_eq!(code(&alice.poll().await), "604");
}

#[tokio::test]
async fn a_lost_poll_loses_nothing() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    sends_bob(&alice, 1).await;
    let poll = envelope(Some(&bob.session), "Request", "", "<Polling-Request/>");
    // The connection breaks wherever the poll has got to.
    let lost = tokio::time::timeout(Duration::ZERO, world.post(&poll)).await;
    let now = bob.poll().await;
    world.csp.services().clock.advance(Duration::from_secs(61));
    let later = bob.poll().await;
    assert!(now.contains("message 0") || later.contains("message 0"), "{lost:?}");
}

#[tokio::test]
async fn the_poll_flag_tells_of_what_comes_again() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    alice.ask("2", &message("wv:bob@localhost", "one", false)).await;
    assert!(bob.ask("2", "<KeepAlive-Request/>").await.contains("<Poll>T</Poll>"));
    let first = bob.poll().await;
    assert!(first.contains("one") && first.contains("<Poll>F</Poll>"), "{first}");
    assert!(bob.ask("3", "<KeepAlive-Request/>").await.contains("<Poll>F</Poll>"));
    // It was lost on the way, it seems.
    world.after(61).await;
    assert!(bob.ask("4", "<KeepAlive-Request/>").await.contains("<Poll>T</Poll>"));
    let again = bob.poll().await;
    assert!(again.contains("one"), "{again}");
    bob.answer(&again, STATUS).await;
    assert!(bob.ask("5", "<KeepAlive-Request/>").await.contains("<Poll>F</Poll>"));
}

#[tokio::test]
async fn what_was_done_is_said_though_its_details_do_not_fit() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let capability = "<ClientCapability-Request><CapabilityList><ParserSize>900</ParserSize></CapabilityList>\
        </ClientCapability-Request>";
    alice.ask("2", capability).await;
    let mut recipients = "<User><UserID>wv:bob</UserID></User>".to_owned();
    for n in 0..30 {
        recipients.push_str(&format!("<User><UserID>wv:nobody{n}</UserID></User>"));
    }
    let one = message("wv:bob", "hi", false).replace("<User><UserID>wv:bob</UserID></User>", &recipients);
    let answer = alice.ask("3", &one).await;
    assert_eq!(code(&answer), "201", "{answer}");
    assert!(answer.contains("<MessageID>") && !answer.contains("<DetailedResult>") && answer.len() <= 900, "{answer}");
    assert!(bob.poll().await.contains("hi"));
}

#[tokio::test]
async fn the_poll_flag_beside_what_comes_again_tells_of_the_rest() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    sends_bob(&alice, 2).await;
    assert!(bob.poll().await.contains("message 0"));
    assert!(bob.poll().await.contains("message 1"));
    // Both were lost on the way, it seems.
    world.after(61).await;
    let first = bob.poll().await;
    assert!(first.contains("message 0") && first.contains("<Poll>T</Poll>"), "{first}");
    let second = bob.answer(&first, STATUS).await;
    assert!(second.contains("message 1") && second.contains("<Poll>F</Poll>"), "{second}");
}

#[tokio::test]
async fn the_poll_flag_tells_of_what_there_was_no_room_for() {
    let world = World::new().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let capability = "<ClientCapability-Request><CapabilityList><MultiTrans>2</MultiTrans><ParserSize>1500</ParserSize>\
        </CapabilityList></ClientCapability-Request>";
    bob.ask("2", capability).await;
    sends_bob(&alice, 2).await;
    let first = bob.poll().await;
    assert!(first.contains("message 0") && !first.contains("message 1") && first.contains("<Poll>T</Poll>"), "{first}");
    let second = bob.poll().await;
    assert!(second.contains("message 1") && second.contains("<Poll>F</Poll>"), "{second}");
}

#[tokio::test]
async fn what_does_not_fit_with_all_that_stands_beside_it_is_told_of() {
    let words = "x".repeat(900);
    let with_uri = |uri: usize| {
        let uri = format!("<MessageInfo><MessageURI>{}</MessageURI>", "u".repeat(uri));
        message("wv:bob", &words, false).replace("<MessageInfo>", &uri)
    };
    for most in [1, 2] {
        let world = World::new().await;
        let (alice, bob) = (world.login("alice").await, world.login("bob").await);
        let capability = format!(
            "<ClientCapability-Request><CapabilityList><MultiTrans>{most}</MultiTrans><ParserSize>2000</ParserSize>\
             </CapabilityList></ClientCapability-Request>"
        );
        bob.ask("2", &capability).await;
        assert_eq!(code(&alice.ask("2", &with_uri(1)).await), "200");
        let pushed = bob.poll().await;
        assert!(pushed.contains("<NewMessage>") && pushed.len() <= 2000, "{pushed}");
        bob.answer(&pushed, STATUS).await;
        assert_eq!(code(&alice.ask("3", &with_uri(600)).await), "200");
        let told = bob.poll().await;
        assert!(told.contains("<MessageNotification>") && !told.contains(&words) && told.len() <= 2000, "{told}");
        world.after(61).await;
        let again = bob.poll().await;
        assert!(again.contains("<MessageNotification>"), "it was lost, it seems: {again}");
        assert_eq!(bob.answer(&again, STATUS).await, "");
        let list = bob.ask("3", "<GetMessageList-Request/>").await;
        assert!(list.contains("<MessageURI>uuu"), "it waits: {list}");
    }
}

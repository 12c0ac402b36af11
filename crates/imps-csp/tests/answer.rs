//! Whole messages through the face, with the engine in memory and a clock that is set.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imps_csp::{Answer, Csp, CspConfig, Exchange};
use imps_service::access::PhonePassword;
use imps_service::seam::{LocalBus, MemoryEngine, NodeId, StoreError};
use imps_service::services::SealKey;
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Services, Timestamp};
use imps_types::{Domain, Secret, UserId};

struct World {
    csp: Arc<Csp>,
    engine: Arc<MemoryEngine>,
}

const NS: &str = "http://www.openmobilealliance.org/DTD/WV-";

impl World {
    async fn new() -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let domain = Domain::parse("localhost").unwrap();
        let services = Services::new(
            ServiceConfig::new(domain),
            Clock::set(Timestamp(1_700_000_000_000)),
            Store::new(engine.clone()),
            Arc::new(LocalBus::new(NodeId(1))),
            SealKey::new([1; 32]),
        );
        services.resume().await.unwrap();
        for name in ["alice", "bob"] {
            let user = UserId::from_canonical(&format!("wv:{name}@localhost"));
            let phone = PhonePassword::Set(Secret::new("secret".to_owned()));
            services.access().add_user(&user, None, phone).await.unwrap();
        }
        Self { csp: Csp::new(services, CspConfig::default()), engine }
    }

    async fn post(&self, message: &str) -> String {
        let body = Bytes::copy_from_slice(message.as_bytes());
        let exchange = Exchange { body: &body, content_type: Some("application/vnd.wv.csp.xml"), peer: None };
        match self.csp.answer(exchange).await {
            Answer::Message(message) => String::from_utf8(message).unwrap(),
            Answer::Nothing => String::new(),
            Answer::NoCsp(status, why) => format!("HTTP {status} {why}"),
        }
    }

    async fn login(&self, name: &str) -> Phone<'_> {
        let request = format!(
            "<Login-Request><UserID>wv:{name}</UserID><ClientID><URL>test</URL></ClientID><Password>secret</Password>\
             <TimeToLive>600</TimeToLive><SessionCookie>c-{name}</SessionCookie></Login-Request>"
        );
        let answer = self.post(&envelope(None, "Request", "1", &request)).await;
        assert!(answer.contains("<Code>200</Code>"), "{answer}");
        let session = between(&answer, "<SessionID>", "</SessionID>").to_owned();
        Phone { world: self, session }
    }
}

struct Phone<'a> {
    world: &'a World,
    session: String,
}

impl Phone<'_> {
    async fn ask(&self, transaction: &str, primitive: &str) -> String {
        self.world.post(&envelope(Some(&self.session), "Request", transaction, primitive)).await
    }

    async fn poll(&self) -> String {
        self.ask("", "<Polling-Request/>").await
    }

    async fn answer(&self, to: &str, primitive: &str) -> String {
        let transaction = between(to, "<TransactionID>", "</TransactionID>");
        self.world.post(&envelope(Some(&self.session), "Response", transaction, primitive)).await
    }
}

fn envelope(session: Option<&str>, mode: &str, transaction: &str, primitive: &str) -> String {
    let descriptor = match session {
        Some(id) => format!("<SessionType>Inband</SessionType><SessionID>{id}</SessionID>"),
        None => "<SessionType>Outband</SessionType>".to_owned(),
    };
    format!(
        "<?xml version=\"1.0\"?><WV-CSP-Message xmlns=\"{NS}CSP1.2\"><Session><SessionDescriptor>{descriptor}\
         </SessionDescriptor><Transaction><TransactionDescriptor><TransactionMode>{mode}</TransactionMode>\
         <TransactionID>{transaction}</TransactionID></TransactionDescriptor><TransactionContent \
         xmlns=\"{NS}TRC1.2\">{primitive}</TransactionContent></Transaction></Session></WV-CSP-Message>"
    )
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let from = text.find(start).unwrap_or_else(|| panic!("no {start} in {text}")) + start.len();
    let length = text[from..].find(end).unwrap();
    &text[from..from + length]
}

const STATUS: &str = "<Status><Result><Code>200</Code></Result></Status>";

fn message(recipient: &str, text: &str, report: bool) -> String {
    let report = if report { "T" } else { "F" };
    format!(
        "<SendMessage-Request><DeliveryReport>{report}</DeliveryReport><MessageInfo><ContentSize>9</ContentSize>\
         <Recipient><User><UserID>{recipient}</UserID></User></Recipient></MessageInfo>\
         <ContentData>{text}</ContentData></SendMessage-Request>"
    )
}

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
    assert!(answer.contains("<AllFunctions><WVCSPFeat>"), "{answer}");
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
        ("<Search-Request/>", "501"),
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

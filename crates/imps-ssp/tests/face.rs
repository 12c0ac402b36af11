//! Two domains with all their service elements, over real HTTP on loopback.

#[allow(dead_code, unreachable_pub, reason = "what one file of tests does not use, another does")]
mod world;

use std::sync::Arc;
use std::time::Duration;

use imps_service::access::{LoginAttempt, LoginOutcome, PhonePassword};
use imps_service::event::Event;
use imps_service::im::{OutgoingMessage, Sent};
use imps_service::seam::{LocalBus, MemoryEngine, NodeId};
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Services, Session};
use imps_ssp::{Face, PeerConfig, Ssp, SspConfig};
use imps_types::element::{Content, MessageInfo, Recipient, User};
use imps_types::{Address, ClientId, Secret, Service, Status, UserId, Version};
use tokio::net::TcpListener;
use tokio::sync::watch;
use world::{domain, listen, listener, until};

/// A domain with its users, on a store that outlives it.
struct Home {
    services: Arc<Services>,
    ssp: Arc<Ssp>,
    log: Arc<parking_lot::Mutex<Vec<(String, u16)>>>,
    stop: watch::Sender<bool>,
}

async fn open(name: &str, peer: (&str, &str), engine: &Arc<MemoryEngine>, listener: TcpListener) -> Home {
    let bus = Arc::new(LocalBus::new(NodeId(0)));
    let config = ServiceConfig::new(domain(name));
    let services = Services::new(config, Clock::system(), Store::new(engine.clone()), bus, Secret::new([7; 32]));
    services.resume().await.expect("resumed");
    let peer = PeerConfig { urls: vec![peer.1.to_owned()], ..PeerConfig::of(domain(peer.0)) };
    let mut config = SspConfig { peers: vec![peer], ..SspConfig::of(domain(name)) };
    config.offered = vec![Service::Common, Service::Im];
    config.link.reply_within = Duration::from_secs(5);
    config.link.setup_pause = Duration::from_millis(200);
    let body_max = config.body_max;
    let ssp = Face::open(services.clone(), config, None).await.expect("opened");
    let (log, stop) = listen(ssp.clone(), body_max, listener, None);
    Home { services, ssp, log, stop }
}

impl Home {
    async fn add(&self, address: &str) {
        let password = PhonePassword::Set(Secret::new("secret".to_owned()));
        self.services.access().add_user(&UserId::from_canonical(address), None, password).await.expect("added");
    }

    async fn login(&self, address: &str) -> Arc<Session> {
        let attempt = LoginAttempt {
            user: Some(Address::new(address)),
            client: ClientId::of_url("test"),
            application: None,
            password: Some(Secret::new("secret".into())),
            digest: None,
            schemas: Vec::new(),
            time_to_live: None,
            cookie: "cookie".into(),
            resume: None,
            version: Version::V1_2,
            responses: Vec::new(),
            language: None,
            msisdn: None,
            from: None,
        };
        match self.services.access().login(attempt).await.expect("let in") {
            LoginOutcome::Opened { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&self, by: &Arc<Session>, to: &[&str], text: &str) -> Sent {
        let users = to.iter().map(|it| User::of(*it)).collect();
        let info = MessageInfo { recipient: Recipient { users, ..Recipient::default() }, ..MessageInfo::default() };
        let message = OutgoingMessage { info, content: Content::text(text), delivery_report: true };
        self.services.im().send(by, message, None).await.expect("taken")
    }

    /// What comes for a client next, acknowledged: `hi from wv:alice@a.example`, `200 wv:bob@b.example`.
    async fn next(&self, session: &Arc<Session>) -> String {
        for _ in 0..1000 {
            match self.services.im().next_event(session).await {
                Some(Event::NewMessage(message)) => {
                    self.services.im().delivered(session, &message.id.to_string(), Some(&message)).await.expect("gone");
                    return format!("{} from {}", String::from_utf8_lossy(&message.content), message.sender);
                }
                Some(Event::DeliveryReport(report)) => {
                    self.services.im().report_acknowledged(&report).await.expect("gone");
                    return format!("{} {}", report.result, report.info.recipient.users[0].user_id);
                }
                Some(other) => panic!("{other:?}"),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
        panic!("nothing came")
    }
}

const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_reports_go_both_ways() {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let (engine_a, engine_b) = (Arc::new(MemoryEngine::new()), Arc::new(MemoryEngine::new()));
    let a = open("a.example", ("b.example", &url_b), &engine_a, of_a).await;
    let b = open("b.example", ("a.example", &url_a), &engine_b, of_b).await;
    a.add(ALICE).await;
    b.add(BOB).await;
    let (alice, bob) = (a.login(ALICE).await, b.login(BOB).await);
    let sent = a.send(&alice, &[BOB, "wv:zoe@b.example", "wv:dan@c.example"], "hi").await;
    // Whether there is a Zoe is for B to say, later; that there is no way to C is known at once.
    assert_eq!(sent.result.status, Status::PARTIALLY_SUCCESSFUL);
    assert_eq!(b.next(&bob).await, "hi from wv:alice@a.example");
    let mut reports = vec![a.next(&alice).await, a.next(&alice).await, a.next(&alice).await];
    reports.sort();
    assert_eq!(reports, ["200 wv:bob@b.example", "516 wv:dan@c.example", "531 wv:zoe@b.example"]);
    b.send(&bob, &[ALICE], "hello").await;
    assert_eq!(a.next(&alice).await, "hello from wv:bob@b.example");
    assert_eq!(b.next(&bob).await, "200 wv:alice@a.example");
    // Many, in the order in which they were sent.
    for number in 0..200 {
        a.send(&alice, &[BOB], &number.to_string()).await;
    }
    for number in 0..200 {
        assert_eq!(b.next(&bob).await, format!("{number} from {ALICE}"));
    }
    for _ in 0..200 {
        assert_eq!(a.next(&alice).await, format!("200 {BOB}"));
    }
    assert!(a.services.im().waiting_abroad(&domain("b.example"), 10).await.expect("rows").is_empty());
    assert!(a.log.lock().iter().chain(b.log.lock().iter()).all(|(_, status)| *status == 200));
    assert!(a.services.im().next_event(&alice).await.is_none() && b.services.im().next_event(&bob).await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_survives_both_sides() {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let (at_a, at_b) = (of_a.local_addr().expect("an address"), of_b.local_addr().expect("an address"));
    drop(of_b);
    let (engine_a, engine_b) = (Arc::new(MemoryEngine::new()), Arc::new(MemoryEngine::new()));
    let a = open("a.example", ("b.example", &url_b), &engine_a, of_a).await;
    a.add(ALICE).await;
    let alice = a.login(ALICE).await;
    // Nobody is there. A restarts meanwhile.
    for number in 0..20 {
        assert!(a.send(&alice, &[BOB], &number.to_string()).await.result.status.is_success());
    }
    a.stop.send_replace(true);
    until("A is gone", || a.stop.receiver_count() == 0).await;
    drop((a, alice));
    let of_a = TcpListener::bind(at_a).await.expect("the same port");
    let a = open("a.example", ("b.example", &url_b), &engine_a, of_a).await;
    let of_b = TcpListener::bind(at_b).await.expect("the port");
    let b = open("b.example", ("a.example", &url_a), &engine_b, of_b).await;
    b.add(BOB).await;
    let bob = b.login(BOB).await;
    for number in 0..20 {
        assert_eq!(b.next(&bob).await, format!("{number} from {ALICE}"));
    }
    let alice = a.login(ALICE).await;
    for _ in 0..20 {
        assert_eq!(a.next(&alice).await, format!("200 {BOB}"));
    }
    assert!(b.services.im().next_event(&bob).await.is_none(), "nothing twice");
    assert_eq!(a.ssp.peers()[0].requests, 0);
}

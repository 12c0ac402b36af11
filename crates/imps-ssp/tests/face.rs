//! Two domains with all their service elements, over real HTTP on loopback.

#[allow(dead_code, unreachable_pub, reason = "what one file of tests does not use, another does")]
mod world;

use std::sync::Arc;
use std::time::Duration;

use imps_proto::csp::catalogue::{Request, Response};
use imps_proto::csp::{
    GetBlockedListRequest, GetListRequest, GetMessageListRequest, LeaveGroupRequest, SendMessageRequest,
    StatusPrimitive,
};
use imps_proto::elements::Message;
use imps_proto::ssp::{Primitive, ServiceLine, Services as ServiceLines, UserProfile};
use imps_service::access::{LoginAttempt, LoginOutcome, PhonePassword};
use imps_service::event::Event;
use imps_service::im::{OutgoingMessage, Sent};
use imps_service::presence::WatchTargets;
use imps_service::seam::{Gateway as _, LocalBus, MemoryEngine, NodeId};
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Services, Session};
use imps_ssp::{Asked, Desk, Face, Here, PeerConfig, Provision, Ssp, SspConfig, Terms};
use imps_types::element::{Content, Group, MessageInfo, Recipient, User};
use imps_types::presence::AttributeSet;
use imps_types::{Address, ClientId, Secret, Service, Status, UserId, Version};
use tokio::net::TcpListener;
use tokio::sync::watch;
use world::{ALICE, BOB, Log, Served, domain, listen, listener, serve, until};

/// No guests ask for anything here.
struct Nobody;

impl Desk for Nobody {
    fn perform<'a>(
        &'a self,
        _: &'a Arc<Session>,
        _: &'a str,
        _: u64,
        request: Box<imps_proto::csp::catalogue::Request>,
    ) -> futures_util::future::BoxFuture<'a, imps_proto::csp::catalogue::Response> {
        panic!("{request:?}")
    }
}

/// A domain with its users, on a store that outlives it.
struct Home {
    services: Arc<Services>,
    ssp: Arc<Ssp>,
    face: Arc<Face>,
    log: Log,
    stop: watch::Sender<bool>,
}

async fn open(name: &str, peer: (&str, &str), engine: &Arc<MemoryEngine>, listener: TcpListener) -> Home {
    let peer = PeerConfig { urls: vec![peer.1.to_owned()], ..PeerConfig::of(domain(peer.0)) };
    open_with(name, engine, listener, |config| {
        config.peers.push(peer);
        config.offered = vec![Service::Common, Service::Im];
    })
    .await
}

async fn open_with(
    name: &str,
    engine: &Arc<MemoryEngine>,
    listener: TcpListener,
    change: impl FnOnce(&mut SspConfig),
) -> Home {
    open_as(name, ServiceConfig::new(domain(name)), engine, listener, change).await
}

async fn open_as(
    name: &str,
    config: ServiceConfig,
    engine: &Arc<MemoryEngine>,
    listener: TcpListener,
    change: impl FnOnce(&mut SspConfig),
) -> Home {
    let bus = Arc::new(LocalBus::new(NodeId(0)));
    let services = Services::new(config, Clock::system(), Store::new(engine.clone()), bus, Secret::new([7; 32]));
    services.resume().await.expect("resumed");
    let mut config = SspConfig::of(domain(name));
    config.link.reply_within = Duration::from_secs(5);
    config.link.setup_pause = Duration::from_millis(200);
    change(&mut config);
    let body_max = config.body_max;
    let desk: std::sync::Weak<dyn Desk> = std::sync::Weak::<Nobody>::new();
    let (ssp, face) = Face::open(services.clone(), config, None, desk).await.expect("opened");
    let (log, stop) = listen(ssp.clone(), body_max, listener, None);
    Home { services, ssp, face, log, stop }
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

    /// Nothing waits for a domain any more: a report may be here before what it is about is known to have been taken.
    async fn is_through(&self, name: &str) {
        let domain = domain(name);
        for _ in 0..6000 {
            if self.services.im().waiting_abroad(&domain, 0, 1).await.expect("rows").is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("something waits for {name}");
    }

    /// What comes for a client next, acknowledged: `hi from wv:alice@a.example`, `200 wv:bob@b.example`.
    async fn next(&self, session: &Arc<Session>) -> String {
        for _ in 0..6000 {
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
    a.is_through("b.example").await;
    assert!(a.log.lock().iter().chain(b.log.lock().iter()).all(|(_, status)| status.is_none_or(|it| it == 200)));
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
    until("nothing is under way", || a.ssp.peers()[0].requests == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_on_when_the_other_is_there_again_or_the_operator_says_so() {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let at_b = of_b.local_addr().expect("an address");
    drop(of_b);
    let (engine_a, engine_b) = (Arc::new(MemoryEngine::new()), Arc::new(MemoryEngine::new()));
    let line = PeerConfig { urls: vec![url_b], ..PeerConfig::of(domain("b.example")) };
    let a = open_with("a.example", &engine_a, of_a, |config| {
        config.peers.push(line.clone());
        config.link.setup_pause = Duration::from_secs(600);
        config.link.reply_within = Duration::from_secs(1);
    })
    .await;
    a.add(ALICE).await;
    let alice = a.login(ALICE).await;
    a.send(&alice, &[BOB], "1").await;
    until("it has been tried", || a.ssp.peers().first().is_some_and(|it| it.next_try.is_some())).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let of_b = TcpListener::bind(at_b).await.expect("the port");
    let b = open("b.example", ("a.example", &url_a), &engine_b, of_b).await;
    b.add(BOB).await;
    let bob = b.login(BOB).await;
    // B has nothing to say but that it is there.
    b.ssp.hail(&domain("a.example")).await;
    assert_eq!(b.next(&bob).await, format!("1 from {ALICE}"));
    // B goes, and comes again; A's operator knows.
    end(b).await;
    a.ssp.remove_peer(&domain("b.example"));
    a.ssp.set_peer(line);
    a.send(&alice, &[BOB], "2").await;
    until("it has been tried", || a.ssp.peers().first().is_some_and(|it| it.next_try.is_some())).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let of_b = TcpListener::bind(at_b).await.expect("the port");
    let b = open("b.example", ("a.example", &url_a), &engine_b, of_b).await;
    let bob = b.login(BOB).await;
    a.ssp.end_pause(&domain("b.example"));
    assert_eq!(b.next(&bob).await, format!("2 from {ALICE}"));
}

/// The domain that keeps the messages of A's users: all it does is to hear of them.
fn provider(listener: TcpListener, url_a: &str) -> Served {
    let contract = Some(Terms { ours: im_of_a(), ..Terms::default() });
    let line = PeerConfig { urls: vec![url_a.to_owned()], contract, ..PeerConfig::of(domain("a.example")) };
    let mut config = SspConfig { peers: vec![line], negotiates: false, ..SspConfig::of(domain("p.example")) };
    config.offered = vec![Service::Common, Service::Im];
    serve(config, listener, None, None)
}

fn im_of_a() -> std::collections::BTreeSet<Provision> {
    [Provision { service: Service::Im, domain: domain("a.example") }].into()
}

/// What was told of a user last: whether he is there.
fn last_told(served: &Served, user: &str) -> Option<(u32, bool)> {
    let told = served.service.told.lock();
    let last = told.iter().rev().find(|profile| profile.user_id.as_str() == user)?;
    let is_here = last.services.as_ref()?.services.iter().all(|one| one.status.as_deref() == Some("Active"));
    Some((last.version?, is_here))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_keeps_something_for_a_user_hears_that_he_has_gone_though_it_was_away_then() {
    let ((of_a, url_a), (of_p, url_p)) = (listener().await, listener().await);
    let at_p = of_p.local_addr().expect("an address");
    let engine = Arc::new(MemoryEngine::new());
    let contract = Some(Terms { theirs: im_of_a(), ..Terms::default() });
    let line = PeerConfig { urls: vec![url_p.clone()], contract, ..PeerConfig::of(domain("p.example")) };
    let a = open_with("a.example", &engine, of_a, |config| {
        config.peers.push(line);
        config.negotiates = false;
        config.offered = vec![Service::Common];
        config.link.reply_within = Duration::from_millis(500);
    })
    .await;
    let p = provider(of_p, &url_a);
    a.add(ALICE).await;
    let alice = a.login(ALICE).await;
    until("that she is there is told", || last_told(&p, ALICE).is_some_and(|(_, is_here)| is_here)).await;
    let (version, _) = last_told(&p, ALICE).expect("a profile");
    let tasks = p.stop.clone();
    let _ = p.stop.send(true);
    until("it is down", || tasks.receiver_count() == 0).await;
    a.services.access().logout(&alice).await.expect("gone");
    // Longer than one attempt takes.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let p = provider(TcpListener::bind(at_p).await.expect("the same port"), &url_a);
    until("that she has gone is told", || last_told(&p, ALICE).is_some_and(|(_, is_here)| !is_here)).await;
    let (later, _) = last_told(&p, ALICE).expect("a profile");
    assert!(later > version, "{later} {version}");
}

/// A domain with one peer, in the way in which it was written down before its end.
async fn open_again(name: &str, engine: &Arc<MemoryEngine>, at: std::net::SocketAddr, line: PeerConfig) -> Home {
    let listener = TcpListener::bind(at).await.expect("the same port");
    open_with(name, engine, listener, |config| {
        config.peers.push(line);
        config.negotiates = false;
        config.offered = vec![Service::Common, Service::Presence];
        config.link.reply_within = Duration::from_millis(500);
    })
    .await
}

async fn end(home: Home) {
    home.stop.send_replace(true);
    until("it is down", || home.stop.receiver_count() == 0).await;
}

async fn end_served(served: Served) {
    served.stop.send_replace(true);
    until("it is down", || served.tasks() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_gone_is_told_though_the_peer_was_away_and_we_were_started_again() {
    let ((of_a, url_a), (of_p, url_p)) = (listener().await, listener().await);
    let (at_a, at_p) = (of_a.local_addr().expect("an address"), of_p.local_addr().expect("an address"));
    drop(of_a);
    let engine = Arc::new(MemoryEngine::new());
    let contract = Some(Terms { theirs: im_of_a(), ..Terms::default() });
    let line = PeerConfig { urls: vec![url_p], contract, ..PeerConfig::of(domain("p.example")) };
    let a = open_again("a.example", &engine, at_a, line.clone()).await;
    let p = provider(of_p, &url_a);
    a.add(ALICE).await;
    let alice = a.login(ALICE).await;
    until("that she is there is told", || last_told(&p, ALICE).is_some_and(|(_, is_here)| is_here)).await;
    end_served(p).await;
    a.services.access().logout(&alice).await.expect("gone");
    tokio::time::sleep(Duration::from_secs(1)).await;
    end(a).await;
    drop(alice);
    let _a = open_again("a.example", &engine, at_a, line).await;
    let p = provider(TcpListener::bind(at_p).await.expect("the same port"), &url_a);
    until("that she has gone is told", || last_told(&p, ALICE).is_some_and(|(_, is_here)| !is_here)).await;
    use imps_service::seam::{Engine as _, KeyRange, Order, Space};
    let rows = async || engine.scan(Space::PeersTold, KeyRange::all(), Order::Forwards, 9).await.expect("rows").len();
    for _ in 0..3000 {
        if rows().await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it is remembered for ever");
}

/// What a domain was asked for, by name and the user about whom it is.
fn asked(served: &Served) -> Vec<(&'static str, String)> {
    let of = |(_, said): &(_, Primitive)| match said {
        Primitive::SubscribeRequest(it) => Some(("subscribe", it.user_ids.first()?.as_str().to_owned())),
        Primitive::UnsubscribeRequest(it) => Some(("unsubscribe", it.user_ids.first()?.as_str().to_owned())),
        _ => None,
    };
    served.service.performed.lock().iter().filter_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_subscription_is_told_though_the_peer_was_away_and_we_were_started_again() {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let (at_a, at_b) = (of_a.local_addr().expect("an address"), of_b.local_addr().expect("an address"));
    drop(of_a);
    let b_of = |listener| {
        let line = PeerConfig { urls: vec![url_a.clone()], ..PeerConfig::of(domain("a.example")) };
        let config = SspConfig { peers: vec![line], negotiates: false, ..SspConfig::of(domain("b.example")) };
        serve(config, listener, None, None)
    };
    let engine = Arc::new(MemoryEngine::new());
    let line = PeerConfig { urls: vec![url_b.clone()], ..PeerConfig::of(domain("b.example")) };
    let a = open_again("a.example", &engine, at_a, line.clone()).await;
    let b = b_of(of_b);
    a.add(ALICE).await;
    a.add("wv:ann@a.example").await;
    let (alice, ann) = (a.login(ALICE).await, a.login("wv:ann@a.example").await);
    let watch = async |session: &Arc<Session>, whom: &str| {
        let targets = WatchTargets { users: vec![Address::new(whom)], contact_lists: Vec::new() };
        let how = a.services.presence().subscribe(session, &targets, AttributeSet::ALL, false).await;
        assert!(how.expect("taken").status.is_success());
    };
    watch(&alice, BOB).await;
    watch(&ann, "wv:bea@b.example").await;
    until("both are told", || asked(&b).len() == 2).await;
    end_served(b).await;
    a.services.access().logout(&alice).await.expect("gone");
    tokio::time::sleep(Duration::from_secs(2)).await;
    end(a).await;
    drop((alice, ann));
    let _a = open_again("a.example", &engine, at_a, line).await;
    let b = b_of(TcpListener::bind(at_b).await.expect("the same port"));
    let wanted = [("subscribe", "wv:bea@b.example".to_owned()), ("unsubscribe", BOB.to_owned())];
    until("the end of one, and the other again", || {
        let mut asked = asked(&b);
        asked.sort();
        asked.dedup();
        asked == wanted
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_who_is_here_is_told_however_many_they_are() {
    let ((of_a, url_a), (of_p, url_p)) = (listener().await, listener().await);
    let contract = Some(Terms { theirs: im_of_a(), ..Terms::default() });
    let line = PeerConfig { urls: vec![url_p.clone()], contract, ..PeerConfig::of(domain("p.example")) };
    let a = open_with("a.example", &Arc::new(MemoryEngine::new()), of_a, |config| {
        config.peers.push(line);
        config.negotiates = false;
        config.offered = vec![Service::Common];
        config.link.open_max = 40;
    })
    .await;
    let names: Vec<_> = (0..100).map(|number| format!("wv:user{number}@a.example")).collect();
    let mut sessions = Vec::new();
    for name in &names {
        a.add(name).await;
        sessions.push(a.login(name).await);
    }
    let p = provider(of_p, &url_a);
    until("all are told", || names.iter().all(|name| last_told(&p, name).is_some_and(|(_, is_here)| is_here))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_written_to_and_is_not_in_the_home_domain_is_reported_as_unknown() {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let (theirs, ours) = (im_of_a(), im_of_a());
    let of = |name: &str, url: &str, terms: Terms| PeerConfig {
        urls: vec![url.to_owned()],
        contract: Some(terms),
        ..PeerConfig::of(domain(name))
    };
    let to_b = of("b.example", &url_b, Terms { theirs, ..Terms::default() });
    let to_a = of("a.example", &url_a, Terms { ours, ..Terms::default() });
    let (engine_a, engine_b) = (Arc::new(MemoryEngine::new()), Arc::new(MemoryEngine::new()));
    let a = open_with("a.example", &engine_a, of_a, |config| {
        (config.negotiates, config.offered) = (false, vec![Service::Common]);
        config.peers.push(to_b);
    })
    .await;
    let b = open_with("b.example", &engine_b, of_b, |config| {
        (config.negotiates, config.offered) = (false, vec![Service::Common, Service::Im]);
        config.peers.push(to_a);
    })
    .await;
    a.add(ALICE).await;
    a.add("wv:anna@a.example").await;
    let alice = a.login(ALICE).await;
    let guest = b.services.access().guest_session(&UserId::from_canonical(ALICE)).await.expect("a guest");
    until("that she is here is known", || guest.linked().is_some()).await;
    let sent = b.send(&guest, &["wv:nobody@a.example", "wv:anna@a.example"], "hi").await;
    assert_eq!(sent.result.status, Status::SUCCESSFUL, "who there is, her home knows");
    assert_eq!(a.next(&alice).await, "531 wv:nobody@a.example");
    // The other one has not been here yet: hers waits.
    let anna = UserId::from_canonical("wv:anna@a.example");
    assert_eq!(b.services.im().waiting_messages(&anna, None, 10).await.expect("rows").len(), 1);
    let nobody = UserId::from_canonical("wv:nobody@a.example");
    assert!(b.services.im().waiting_messages(&nobody, None, 10).await.expect("rows").is_empty());
}

/// What gets to the services says so.
struct Carried;

impl Here for Carried {
    fn perform(&self, _: Box<Request>) -> futures_util::future::BoxFuture<'_, Response> {
        Box::pin(async { Response::Status(StatusPrimitive::of(Status::SUCCESSFUL)) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_for_our_users_is_refused() {
    let (of_a, url) = listener().await;
    let a = open_with("a.example", &Arc::new(MemoryEngine::new()), of_a, |config| {
        config.offered = vec![Service::Common, Service::Presence, Service::ContactList];
        config.peers.push(PeerConfig { urls: vec![url], ..PeerConfig::of(domain("b.example")) });
    })
    .await;
    a.add(ALICE).await;
    let alice = a.login(ALICE).await;
    let recipient = |users: &[&str], groups: &[&str]| Recipient {
        users: users.iter().map(|it| User::of(*it)).collect(),
        groups: groups.iter().map(|it| Group::Id(Address::new(it))).collect(),
        ..Recipient::default()
    };
    let message = |recipient: Recipient| -> Request {
        let info = MessageInfo { recipient, ..MessageInfo::default() };
        SendMessageRequest { delivery_report: false, message: Message { info, content: Some(Content::text("hi")) } }
            .into()
    };
    let leave = |group: &str| -> Request { LeaveGroupRequest { group_id: Address::new(group) }.into() };
    let cases: [(Request, Option<u16>); 9] = [
        (message(recipient(&["wv:anna@a.example"], &[])), Some(405)),
        (message(recipient(&["anna"], &[])), Some(405)),
        // Others are reached as far as that is agreed on, which the services see to.
        (message(recipient(&["wv:bob@b.example"], &[])), Some(200)),
        (message(recipient(&[], &["wv:alice/cars@a.example"])), Some(405)),
        (message(recipient(&[], &["wv:bob/cars@b.example"])), Some(506)),
        (leave("wv:alice/cars@a.example"), Some(405)),
        (GetMessageListRequest { group_id: None, message_count: None }.into(), Some(405)),
        (GetBlockedListRequest {}.into(), Some(501)),
        (GetListRequest {}.into(), None),
    ];
    for (request, expected) in cases {
        let concerned = a.face.concerns(&alice, &request);
        assert_eq!(concerned, expected.is_some(), "{request:?}");
        if let Some(expected) = expected {
            let by = Asked { session: &alice, version: Version::V1_2, name: None };
            let response = a.face.carry_request(by, request.clone(), &Carried).await;
            let Response::Status(status) = response else { panic!("{response:?}") };
            assert_eq!(status.result.status.code(), expected, "{request:?}");
        }
    }
    let has = [Service::Im, Service::Group, Service::Presence].map(|service| a.face.has(service));
    assert_eq!(has, [false, false, true]);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_of_strangers_have_their_bound_by_whomever_they_are_named() {
    let (of_a, url) = listener().await;
    let mut config = ServiceConfig::new(domain("a.example"));
    config.guests_stranger_max = 2;
    let a = open_as("a.example", config, &Arc::new(MemoryEngine::new()), of_a, |config| {
        config.open = true;
        config.peers.push(PeerConfig { urls: vec![url], ..PeerConfig::of(domain("b.example")) });
    })
    .await;
    let guests = |of: &str| {
        let guests = a.services.access().guests().into_iter();
        guests.filter(|guest| guest.domain() == of).map(|guest| guest.as_str().to_owned()).collect::<Vec<_>>()
    };
    // Their domains say that they are there.
    for (of, expected) in [("x.example", 2), ("b.example", 4)] {
        for number in 0..4 {
            let line = ServiceLine {
                name: "IM".into(),
                minimum: None,
                role: None,
                for_domain: None,
                subscribed: None,
                status: Some("Active".into()),
                functions: Vec::new(),
            };
            let profile = UserProfile {
                user_id: format!("wv:p{number}@{of}").as_str().into(),
                version: None,
                services: Some(ServiceLines { protocol_version: None, services: vec![line] }),
                privacy: None,
                terminals: None,
            };
            <Face as imps_ssp::Service>::profile_changed(&a.face, &domain(of), &profile).await;
        }
        assert_eq!(guests(of).len(), expected, "{of}");
    }
    // Something waits for them here.
    let wake = |name: &str| a.face.wake_guest(&UserId::from_canonical(name));
    for number in 0..4 {
        wake(&format!("wv:w{number}@y.example"));
    }
    until("there are two", || guests("y.example").len() == 2).await;
    for number in 4..8 {
        wake(&format!("wv:w{number}@y.example"));
    }
    wake("wv:w@b.example");
    until("who is of a peer is here", || guests("b.example").len() == 5).await;
    assert_eq!(guests("y.example").len(), 2);
}

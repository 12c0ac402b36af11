mod access;
mod elsewhere;
pub(crate) mod messages;
mod other;

use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use imps_proto::clp::{Line, Writer};
use imps_service::access::{LoginAttempt, LoginOutcome, PhonePassword};
use imps_service::im::OutgoingMessage;
use imps_service::seam::{Engine, LocalBus, MemoryEngine, NodeId};
use imps_service::services::SealKey;
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Session};
use imps_types::element::{Content, MessageInfo, Recipient, User};
use imps_types::service_tree::FunctionSet;
use imps_types::{Address, ClientId, Domain, Secret, UserId, Version};

use super::*;
use crate::CspConfig;

/// 2026-01-30 14:05 UTC.
const NOW: Timestamp = Timestamp(1_769_781_900_000);
pub(crate) const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

pub(crate) async fn world(change: impl FnOnce(&mut ServiceConfig)) -> Arc<Clp> {
    world_with(Arc::new(MemoryEngine::new()), change, CspConfig::default(), ClpConfig::default()).await
}

pub(crate) async fn world_with(
    engine: Arc<dyn Engine>,
    change: impl FnOnce(&mut ServiceConfig),
    csp: CspConfig,
    clp: ClpConfig,
) -> Arc<Clp> {
    let mut config = ServiceConfig::new(Domain::parse("b.example").unwrap());
    change(&mut config);
    let store = Store::new(engine);
    let bus = Arc::new(LocalBus::new(NodeId(1)));
    let services = Services::new(config, Clock::set(NOW), store, bus, SealKey::new([1; 32]));
    services.resume().await.unwrap();
    for name in ["alice", "bob", "carol"] {
        let phone = PhonePassword::Set(Secret::new("secret".to_owned()));
        let user = UserId::from_canonical(&format!("wv:{name}@b.example"));
        services.access().add_user(&user, None, phone).await.unwrap();
    }
    Clp::new(Csp::new(services, csp), clp)
}

async fn logged_in(clp: &Arc<Clp>, name: &str) -> Dialogue {
    let mut dialogue = Dialogue::new(clp.clone(), ELSEWHERE, true);
    let said = say(&mut dialogue, &format!("login {name} secret")).await;
    assert!(said.starts_with("+200 hello"), "{said}");
    dialogue
}

/// A client of the Client-Server Protocol, which takes anything.
pub(crate) async fn phone(clp: &Clp, name: &str) -> Arc<Session> {
    let attempt = LoginAttempt {
        user: Some(Address::new(&format!("wv:{name}"))),
        client: ClientId::of_url("phone"),
        application: None,
        password: Some(Secret::new("secret".into())),
        digest: None,
        schemas: Vec::new(),
        time_to_live: None,
        cookie: Box::default(),
        resume: None,
        version: Version::V1_2,
        responses: Vec::new(),
        language: None,
        msisdn: None,
        from: None,
    };
    match clp.services().access().login(attempt).await.unwrap() {
        LoginOutcome::Opened { session, .. } => session,
        LoginOutcome::Challenge { .. } => panic!("a challenge"),
    }
}

pub(crate) async fn send(clp: &Clp, from: &Arc<Session>, to: &str, content_type: &str, content: Content) {
    let message = OutgoingMessage {
        info: MessageInfo {
            content_type: Some(content_type.into()),
            content_size: u32::try_from(content.data.len()).unwrap(),
            recipient: Recipient::user(User::of(Address::new(to))),
            ..MessageInfo::default()
        },
        content,
        delivery_report: false,
    };
    assert!(clp.services().im().send(from, message, None).await.unwrap().id.is_some());
}

/// What is answered to a line, without the ends of lines.
async fn say(dialogue: &mut Dialogue, line: &str) -> String {
    let turn = dialogue.line(Line::Text(line.to_owned())).await;
    let mut writer = Writer::default();
    if let Some(reply) = turn.reply {
        reply.write(turn.tag.as_deref(), &mut writer);
    }
    if let Some(read) = turn.read {
        dialogue.heard(&Heard::Read(read)).await.unwrap();
    }
    String::from_utf8(writer.out).unwrap().trim_end().replace("\r\n", " | ")
}

/// What is told, and that it was heard.
async fn told(dialogue: &mut Dialogue) -> String {
    let (events, _) = dialogue.waiting(10).await;
    let mut writer = Writer::default();
    for event in events {
        assert!(dialogue.tell(&event, &mut writer));
        dialogue.heard(&Heard::Event(event)).await.unwrap();
    }
    String::from_utf8(writer.out).unwrap().trim_end().replace("\r\n", " | ")
}

#[tokio::test]
async fn no_password_is_taken_where_others_may_listen() {
    let clp = world(|_| {}).await;
    let mut dialogue = Dialogue::new(clp.clone(), ELSEWHERE, false);
    for line in ["login bob secret", "login bob", "li bob wrong"] {
        assert_eq!(say(&mut dialogue, line).await, "-403 no password without TLS here", "{line}");
    }
    assert!(dialogue.session().is_none());
    assert_eq!(say(&mut dialogue, "ping").await, "+200 pong");
    assert_eq!(say(&mut dialogue, "=3 inbox").await, "=3 -401 log in first");
}

#[tokio::test]
async fn a_password_is_asked_for() {
    let clp = world(|_| {}).await;
    let mut dialogue = Dialogue::new(clp.clone(), ELSEWHERE, true);
    let turn = dialogue.line(Line::Text("=5 login bob".to_owned())).await;
    assert_eq!((turn.next, turn.reply.is_none(), turn.tag.as_deref()), (Next::Secret, true, Some("=5")));
    assert!(dialogue.is_asking());
    assert_eq!(say(&mut dialogue, "secret").await, "=5 +200 hello bob, 0 new");
    assert_eq!(
        dialogue.session().map(|session| session.negotiated().client_type),
        Some(Some(imps_types::element::ClientType::Cli))
    );
    // Another line of the same user is another client.
    let mut other = logged_in(&clp, "bob").await;
    assert_eq!(say(&mut other, "login bob secret").await, "-402 log out first");
}

#[tokio::test]
async fn what_is_no_text_is_announced_and_stays() {
    let clp = world(|_| {}).await;
    let bob = phone(&clp, "bob").await;
    let mut alice = logged_in(&clp, "alice").await;
    let picture = Content { data: Bytes::from(vec![7; 3000]), binary: true };
    send(&clp, &bob, "wv:alice", "image/jpeg", picture).await;
    assert_eq!(told(&mut alice).await, "*1 bob sends 3kB image/jpeg. READ 1");
    assert_eq!(say(&mut alice, "read").await, ":1 bob image/jpeg 3kB | +200 ok");
    assert_eq!(say(&mut alice, "inbox").await, ":1 bob 14:05 image/jpeg 3000 | +200 1 waiting");
    let larger = Content { data: Bytes::from(vec![7; 31_000]), binary: true };
    clp.services().im().offer_content(Some("http://im.b.example/content/".into()));
    send(&clp, &bob, "wv:alice", "image/jpeg", larger).await;
    assert_eq!(told(&mut alice).await, "*2 bob sends 31kB image/jpeg. READ 2");
    let read = say(&mut alice, "read 2").await;
    assert!(read.starts_with(":2 bob image/jpeg 31kB http://im.b.example/content/"), "{read}");
    // A text that is longer than what is pushed comes in lines that can be read.
    let long = "word ".repeat(900);
    send(&clp, &bob, "wv:alice", "text/plain", Content::text(&long)).await;
    assert_eq!(told(&mut alice).await, "*3 bob sends 5kB text. READ 3");
    let read = say(&mut alice, "read 3").await;
    assert!(read.split(" | ").all(|line| line.chars().count() <= 251), "{read}");
    assert_eq!(read.matches("word").count(), 900);
    assert_eq!(say(&mut alice, "drop 2").await, "+200 ok");
}

#[tokio::test]
async fn nobody_writes_lines_of_others() {
    let clp = world(|_| {}).await;
    let bob = phone(&clp, "bob").await;
    let mut alice = logged_in(&clp, "alice").await;
    let text = "hi\r\n+200 all your base\n*9 carol: \u{1b}[2Jfear";
    send(&clp, &bob, "wv:alice", "text/plain", Content::text(text)).await;
    assert_eq!(told(&mut alice).await, "*1 bob: hi\\n+200 all your base\\n*9 carol: [2Jfear");
}

#[tokio::test]
async fn two_terminals_show_the_same_numbers() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    let (mut one, mut other) = (logged_in(&clp, "alice").await, logged_in(&clp, "alice").await);
    assert_eq!(say(&mut bob, "msg alice hi").await, "+200 sent #1");
    assert_eq!(say(&mut bob, "sub alice mood").await, "+200 ok");
    assert_eq!(told(&mut one).await, "*1 bob: hi | *2 bob asks for your presence: mood. ALLOW 2 / DENY 2");
    let seen = told(&mut other).await;
    assert!(seen.is_empty() || seen.starts_with("*1 bob: hi"), "{seen}");
    assert_eq!(say(&mut other, "#1 yes").await, "+200 sent #3");
    assert_eq!(say(&mut other, "allow 2").await, "+200 ok");
    assert_eq!(say(&mut one, "y").await, "-426 nothing fits");
}

#[tokio::test]
async fn talk_ends_by_itself_and_by_its_word() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    // Who only ends it, though it is off, does not speak to whoever wrote last.
    let mut alice = logged_in(&clp, "alice").await;
    assert_eq!(say(&mut alice, "msg bob hi").await, "+200 sent #1");
    assert_eq!(told(&mut bob).await, "*1 alice: hi");
    for line in [".talk", "talk"] {
        assert_eq!(say(&mut bob, line).await, "+200 talk off", "{line}");
    }
    assert_eq!(say(&mut bob, "pass old new").await, "-409 wrong password");
    assert_eq!(say(&mut bob, "talk #1").await, "+200 talking to alice, .TALK ends");
    assert_eq!(say(&mut bob, "talk to you later").await, "+200 sent #2");
    assert_eq!(say(&mut bob, ".talk").await, "+200 talk off");
    assert_eq!(say(&mut bob, "talk alice").await, "+200 talking to alice, .TALK ends");
    assert_eq!(say(&mut bob, "in the evening").await, "+200 sent #3");
    assert_eq!(say(&mut bob, ".ping").await, "+200 pong");
    clp.services().clock.advance(clp.config().talk_idle - Duration::from_secs(1));
    let mut writer = Writer::default();
    bob.end_idle_talk(&mut writer);
    assert!(writer.out.is_empty());
    assert_eq!(say(&mut bob, "ping").await, "+200 sent #4");
    clp.services().clock.advance(clp.config().talk_idle);
    bob.end_idle_talk(&mut writer);
    assert_eq!(writer.out, b"*talk off\r\n");
    assert_eq!(say(&mut bob, "ping").await, "+200 pong");
}

#[tokio::test]
async fn a_nickname_means_one() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    for line in
        ["newlist ~friends", "add alice \"Carol\"", "newlist ~work", "add ~work carol \"C\"", "add ~work alice \"C\""]
    {
        assert_eq!(say(&mut bob, line).await, "+200 ok", "{line}");
    }
    // Whom the domain calls so comes first, unless it is said in quotes.
    assert_eq!(say(&mut bob, "msg carol hi").await, "+200 sent #1");
    assert_eq!(say(&mut bob, "msg \"carol\" hi").await, "+200 sent #2");
    assert_eq!(say(&mut bob, "msg c hi").await, "-402 which: alice, carol");
    let (mut alice, mut carol) = (logged_in(&clp, "alice").await, logged_in(&clp, "carol").await);
    assert_eq!(told(&mut alice).await, "*1 bob: hi");
    assert_eq!(told(&mut carol).await, "*1 bob: hi");
}

#[tokio::test]
async fn what_others_are_refused_is_refused_here() {
    let clp = world(|config| config.functions_off = FunctionSet::parse("SRCH").unwrap()).await;
    let mut bob = logged_in(&clp, "bob").await;
    assert_eq!(say(&mut bob, "find id=a").await, "-405 not offered here");
    assert_eq!(say(&mut bob, "groups").await, "-405 not offered here");
    let burst = clp.csp.config().requests.session_burst;
    let mut last = String::new();
    for _ in 0..=burst {
        last = say(&mut bob, "=1 ping").await;
    }
    assert!(last.starts_with("=1 -503 "), "{last}");
    clp.services().clock.advance(Duration::from_secs(60));
    assert_eq!(say(&mut bob, "ping").await, "+200 pong");
}

#[tokio::test]
async fn texts_are_in_the_persons_language_the_next_time_too() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    assert_eq!(say(&mut bob, "set lang fr").await, "+200 ok");
    assert_eq!(say(&mut bob, "msg zoe hi").await, "-531 pas d'utilisateur zoe");
    assert_eq!(say(&mut bob, "bye").await, "+200 au revoir");
    let mut bob = Dialogue::new(clp.clone(), ELSEWHERE, true);
    assert_eq!(say(&mut bob, "login bob secret").await, "+200 bonjour bob, 0 nouveaux");
    assert_eq!(say(&mut bob, "dellist ~x").await, "-700 pas de liste ~x");
}

#[tokio::test]
async fn a_line_too_long_is_nothing() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    let turn = bob.line(Line::TooLong).await;
    assert_eq!(
        turn.reply.map(|reply| (reply.status, reply.text)),
        Some((imps_types::Status::BAD_PARAMETER, "too long: up to 2000 characters, 50 names, 20 words".to_owned()))
    );
    assert!(say(&mut bob, "").await.is_empty());
}

#[tokio::test]
async fn addresses_that_fail_are_refused_for_a_while() {
    let clp = world(|_| {}).await;
    for _ in 0..clp.config().address_failures {
        assert!(!clp.is_refused(ELSEWHERE));
        clp.failed(ELSEWHERE);
    }
    assert!(clp.is_refused(ELSEWHERE) && !clp.is_refused(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    clp.services().clock.advance(clp.config().address_window);
    assert!(!clp.is_refused(ELSEWHERE));
}

#[tokio::test]
async fn a_failure_names_the_right_thing() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    for (line, said) in [
        ("/cars!Speedy x", "-800 no group /cars"),
        ("/cars x", "-800 no group /cars"),
        ("add alice", "-700 no list ~"),
        ("show", "-700 no list ~"),
        ("add ~work alice", "-700 no list ~work"),
        ("invite alice /nogroup", "-800 no group /nogroup"),
        ("msg zoe hi", "-531 no user zoe"),
        ("set lang xx", "-402 usage: SET lang eng/fin/deu/fra/spa"),
    ] {
        assert_eq!(say(&mut bob, line).await, said, "{line}");
    }
}

#[tokio::test]
async fn all_lines_of_a_person_are_pushed_to_or_none() {
    let clp = world(|_| {}).await;
    let (mut one, mut other) = (logged_in(&clp, "alice").await, logged_in(&clp, "alice").await);
    let bob = phone(&clp, "bob").await;
    assert_eq!(say(&mut one, "push off").await, "+200 ok");
    send(&clp, &bob, "wv:alice", "text/plain", Content::text("hi")).await;
    for line in [&mut one, &mut other] {
        assert_eq!(told(line).await, "*1 bob sends 2B text. READ 1");
    }
    assert_eq!(say(&mut other, "read 1").await, ":1 bob 14:05: hi | +200 ok");
    assert_eq!(say(&mut other, "push on").await, "+200 ok");
    send(&clp, &bob, "wv:alice", "text/plain", Content::text("again")).await;
    assert_eq!(told(&mut one).await, "*2 bob: again");
}

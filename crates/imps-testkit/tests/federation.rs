//! Two domains, each a program of its own, and phones of both (SSP 16.1).

#[path = "federation/between.rs"]
mod between;

use std::time::Duration;

use between::Between;
use imps_proto::wire::Form;
use imps_testkit::phone::forms::{Body, Outgoing, Proof, Targets};
use imps_testkit::phone::{Band, Channel, Node, Personality, Phone, Settings, status_of};
use imps_testkit::server::{End, Program};
use imps_types::Version;

const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";
const ZOE: &str = "wv:zoe@b.example";
/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(60);

/// A domain: its server, and what other domains post to it.
struct Home {
    domain: &'static str,
    server: Program,
    posted: Between,
}

impl Home {
    async fn new(domain: &'static str, user: &str) -> Self {
        // Whoever was away is tried again soon.
        let settings = [("ssp.setup_pause", "1"), ("ssp.setup_pause_max", "1")];
        let settings: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let server = Program::serve(domain, &settings).await.expect("a server");
        server.add_user(user, "secret", None).await.expect("a user");
        let posted = Between::new(server.address()).await;
        Self { domain, server, posted }
    }

    async fn operate(&self, words: &[&str]) -> Result<String, String> {
        self.server.operate(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).await
    }

    /// This domain knows the other one by its URL, and by nothing else.
    async fn knows(&self, other: &Self) {
        let url = format!("http://{}/", other.posted.address());
        self.operate(&["peer", "add", other.domain, "--url", &url]).await.expect("a peer");
    }

    async fn phone(&self, user: &str) -> Phone {
        let settings = Settings {
            version: Version::V1_3,
            form: Form::Xml,
            personality: Personality::Plain,
            user: user.to_owned(),
            password: "secret".to_owned(),
            client: None,
            content_type: None,
            is_silent: false,
            channel: Channel::Http,
            number: None,
        };
        let mut phone = Phone::new(settings, self.server.address());
        let login = phone.speaker.login(Proof::Password("secret"), Some(600), None);
        let answer = phone.request(login, Band::Out).await.expect("an answer").expect("an answer");
        assert_eq!((answer.name.as_str(), status_of(&answer)), ("Login-Response", 200));
        phone.open_session(&answer);
        for request in [phone.speaker.capabilities(&[]), phone.speaker.services(&[], true)] {
            let answer = phone.request(request, Band::In).await.expect("an answer").expect("an answer");
            assert_eq!(status_of(&answer), 200, "{}", answer.pretty());
        }
        phone
    }
}

/// Sends a message, with a report asked for; the status.
async fn send(phone: &mut Phone, to: &[&str], text: &str) -> u16 {
    let users = to.iter().map(|&user| user.to_owned()).collect();
    let to = Targets { users, ..Targets::default() };
    let message = Outgoing { to, report: true, content: Body::Text(text.to_owned()), ..Outgoing::default() };
    let request = phone.speaker.send_message(&message);
    let answer = phone.request(request, Band::In).await.expect("an answer").expect("an answer");
    status_of(&answer)
}

/// What comes next: `hi from wv:alice@a.example`, or `200 for wv:bob@b.example`.
async fn next(phone: &mut Phone) -> String {
    let something = async {
        loop {
            if let Some(received) = phone.take().await.expect("acknowledged") {
                return said(&received.primitive);
            }
            phone.poll_for_what_is_left().await.expect("polled");
            if phone.inbox.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(WITHIN, something).await.expect("something comes in time")
}

fn said(primitive: &Node) -> String {
    let at = |path: &str| primitive.text_at(path).unwrap_or_default().to_owned();
    match primitive.name.as_str() {
        "NewMessage" => format!("{} from {}", at("ContentData"), at("Sender/UserID")),
        "DeliveryReport-Request" => format!("{} for {}", at("Result/Code"), at("Recipient/UserID")),
        other => format!("{other}: {}", primitive.pretty()),
    }
}

/// Nothing comes any more.
async fn is_quiet(phone: &mut Phone) {
    for _ in 0..10 {
        phone.poll_for_what_is_left().await.expect("polled");
        assert!(phone.inbox.is_empty(), "{:?}", phone.inbox);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_domains_that_know_each_others_url() {
    let (a, b) = (Home::new("a.example", "alice").await, Home::new("b.example", "bob").await);
    let (mut alice, mut bob) = (a.phone(ALICE).await, b.phone(BOB).await);
    // Before they know each other there is no way.
    assert_eq!(send(&mut alice, &[BOB], "hi").await, 516);
    let why = a.operate(&["peer", "show", "b.example"]).await.expect_err("no peer yet");
    assert!(why.contains("there is no peer b.example") && why.contains("hamlet peer add"), "{why}");
    a.knows(&b).await;
    // The other side does not know us.
    let steps = a.operate(&["peer", "test", "b.example"]).await.expect_err("not answered");
    assert_eq!(steps.trim(), "hamlet peer test b.example:", "it says it on standard output");
    b.knows(&a).await;
    let steps = a.operate(&["peer", "test", "b.example"]).await.expect("a session");
    assert!(steps.contains("was opened") && steps.contains("offers COMMON, IM"), "{steps}");
    assert!(a.operate(&["peer", "list"]).await.expect("a list").contains("b.example"));

    assert!(send(&mut alice, &[BOB, ZOE], "hi").await == 200);
    assert_eq!(next(&mut bob).await, "hi from wv:alice@a.example");
    let mut reports = [next(&mut alice).await, next(&mut alice).await];
    reports.sort();
    assert_eq!(reports, ["200 for wv:bob@b.example", "531 for wv:zoe@b.example"]);
    assert_eq!(send(&mut bob, &[ALICE], "hello").await, 200);
    assert_eq!(next(&mut alice).await, "hello from wv:bob@b.example");
    assert_eq!(next(&mut bob).await, "200 for wv:alice@a.example");
    is_quiet(&mut alice).await;
    is_quiet(&mut bob).await;

    // 16.1, steps 1 to 3: to B, and to A.
    let (to_b, to_a) = (b.posted.primitives(), a.posted.primitives());
    let place = |log: &[String], name: &str| log.iter().position(|one| one == name);
    for (log, who) in [(&to_b, "b"), (&to_a, "a")] {
        assert_eq!(place(log, "SendSecretToken"), Some(0), "{who}: {log:?}");
        for name in ["LoginRequest", "SendMessageRequest", "SendMessageResponse", "DeliveryStatusReport", "Status"] {
            assert!(place(log, name).is_some(), "no {name} to {who}: {log:?}");
        }
    }
    let in_order = ["GetServiceListRequest", "SetServiceAgreementRequest", "SendMessageRequest", "SendMessageResponse"];
    let places: Vec<_> =
        in_order.iter().map(|name| place(&to_b, name).unwrap_or_else(|| panic!("{name}: {to_b:?}"))).collect();
    assert!(places.is_sorted(), "{to_b:?}");
    let of =
        |name: &str| b.posted.documents().into_iter().find(|one| one.contains(&format!("<{name}"))).expect("posted");
    let sent = of("SendMessageRequest");
    let parts = ["deliveryReport=\"Yes\"", "\"wv:alice@a.example\"", "\"wv:bob@b.example\"", ">aGk=<"];
    assert!(parts.iter().all(|part| sent.contains(part)), "{sent}");

    // What was agreed on is shown, with the server running and without, and counted.
    let shown = a.operate(&["peer", "show", "b.example", "--json"]).await.expect("shown");
    assert!(shown.contains("\"origin\": \"negotiated\"") && shown.contains("\"theirs\""), "{shown}");
    assert!(shown.contains("\"messages\": 0") && shown.contains("\"reports\": 0"), "{shown}");
    let metrics = between::get(a.server.address(), "/metrics").await;
    assert!(metrics.contains("hamlet_ssp_sessions{peer=\"b.example\"} "), "{metrics}");
    let Home { server: mut of_a, .. } = a;
    of_a.end(End::Stop).await.expect("ended");
    let words = ["peer", "show", "b.example"].map(str::to_owned);
    let shown = of_a.operate(&words).await.expect("shown without a server");
    assert!(shown.contains("negotiated, until 2") && shown.contains("no server runs"), "{shown}");
    let words = ["peer", "test", "b.example"].map(str::to_owned);
    assert!(of_a.operate(&words).await.expect_err("no server").contains("no server runs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_gets_everything_once() {
    let (a, mut b) = (Home::new("a.example", "alice").await, Home::new("b.example", "bob").await);
    a.knows(&b).await;
    b.knows(&a).await;
    let mut alice = a.phone(ALICE).await;
    assert_eq!(send(&mut alice, &[BOB], "0").await, 200);
    for (round, end) in [End::Stop, End::Kill].into_iter().enumerate() {
        // Something is under way in a session, and then nobody is there.
        b.server.end(end).await.expect("ended");
        for number in 1..=10 {
            assert_eq!(send(&mut alice, &[BOB], &(10 * round + number).to_string()).await, 200);
        }
        let shown = a.operate(&["peer", "show", "b.example"]).await.expect("shown");
        let waits = ["WAITING", "message", "wv:bob@b.example"];
        assert!(waits.iter().all(|part| shown.contains(part)), "{shown}");
        b.server.go_on().await.expect("started");
        let mut bob = b.phone(BOB).await;
        let first = if round == 0 { 0 } else { 11 };
        for number in first..=(10 * round + 10) {
            assert_eq!(next(&mut bob).await, format!("{number} from {ALICE}"), "in order");
        }
        is_quiet(&mut bob).await;
        for _ in first..=(10 * round + 10) {
            assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
        }
    }
    is_quiet(&mut alice).await;
    // Nobody waits for a domain that is no peer any more.
    b.server.end(End::Stop).await.expect("ended");
    assert_eq!(send(&mut alice, &[BOB], "too late").await, 200);
    a.operate(&["peer", "remove", "b.example"]).await.expect("removed");
    assert_eq!(next(&mut alice).await, format!("516 for {BOB}"));
    assert_eq!(send(&mut alice, &[BOB], "later still").await, 516);
}

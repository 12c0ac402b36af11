//! Two domains, and peers of other kinds, over real HTTP on loopback.

#[allow(dead_code, unreachable_pub, reason = "what one file of tests does not use, another does")]
mod world;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use imps_proto::ssp::{Primitive, Service};
use imps_service::{Clock, Timestamp};
use imps_ssp::{
    Arrival, Ask, CONTENT_TYPE_SSP, DigestScheme, Found, Origin, PeerConfig, Resolver, Srv, Ssp, SspConfig, TlsPolicy,
    TlsTrust,
};
use imps_types::Status;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use world::{
    ALICE, BOB, Served, Yes, acceptor, certificate, domain, elsewhere, listener, message, peer, read_request, serve,
    until,
};

fn config(name: &str, peers: Vec<PeerConfig>) -> SspConfig {
    let mut config = SspConfig { peers, ..SspConfig::of(domain(name)) };
    config.link.reply_within = Duration::from_secs(5);
    config.post.within = Duration::from_secs(5);
    config
}

/// A and B, which know each other.
async fn pair(change: impl Fn(&mut SspConfig)) -> (Served, Served) {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let mut a = config("a.example", vec![peer("b.example", &url_b)]);
    let mut b = config("b.example", vec![peer("a.example", &url_a)]);
    change(&mut a);
    change(&mut b);
    (serve(a, of_a, None, None), serve(b, of_b, None, None))
}

/// The steps of set-ups that came to a domain, by name: the next may be here before the one before has its receipt.
fn steps(served: &Served) -> Vec<&'static str> {
    let names = ["SendSecretToken", "LoginRequest", "LoginResponse"];
    let of = |(text, _): &(String, Option<u16>)| names.into_iter().find(|name| text.contains(&format!("<{name}")));
    let mut steps: Vec<_> = served.log.lock().iter().filter_map(of).collect();
    steps.sort_unstable();
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn all_six_steps_then_messages_both_ways_and_an_agreement() {
    for scheme in [DigestScheme::Md5, DigestScheme::HmacSha256] {
        let (a, b) = pair(|config| config.peers.iter_mut().for_each(|peer| peer.digest = scheme)).await;
        let answer = a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-1"))).await.expect("an answer");
        let Primitive::SendMessageResponse(answer) = answer else { panic!("{answer:?}") };
        assert_eq!((answer.message_id.as_deref(), answer.status.status), (Some("m-1"), Status::SUCCESSFUL));
        for side in [&a, &b] {
            until("three steps each way", || steps(side) == ["LoginRequest", "LoginResponse", "SendSecretToken"]).await;
        }
        let back = b.ssp.ask(&domain("a.example"), Ask::of(message(BOB, ALICE, "m-2"))).await;
        assert!(matches!(back, Ok(Primitive::SendMessageResponse(_))), "{back:?}");
        assert_eq!(steps(&a).len(), 3, "the session serves both directions");
        assert_eq!(a.service.performed.lock().len(), 1);
        assert_eq!(b.service.performed.lock().len(), 1);
        // They have told each other what they have.
        let agreed = |served: &Served| served.ssp.peers()[0].agreement.clone();
        until("an agreement", || [&a, &b].iter().all(|it| agreed(it).origin == Origin::Negotiated)).await;
        assert!(agreed(&a).terms.interop.contains(&Service::Presence));
        assert_eq!(agreed(&a).terms, agreed(&b).terms);
        let states = (a.ssp.peers(), b.ssp.peers());
        let (own, theirs) = (&states.0[0].sessions[0], &states.1[0].sessions[0]);
        assert_eq!((&own.0, &own.1), (&theirs.1, &theirs.0));
        assert!(own.0.ends_with("@a.example") && own.1.ends_with("@b.example"));
        assert!(a.log.lock().iter().chain(b.log.lock().iter()).all(|(_, status)| status.is_none_or(|it| it == 200)));
        a.ssp.stop(Duration::from_secs(2)).await;
        // A has its answer; that it was taken is known to B a moment later.
        until("the session is over", || b.ssp.peers()[0].sessions.is_empty()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn set_ups_cross_and_many_requests_go_both_ways() {
    let (a, b) = pair(|_| {}).await;
    let mut tasks = Vec::new();
    for number in 0..400 {
        for (side, to, from, receiver) in [(&a, "b.example", ALICE, BOB), (&b, "a.example", BOB, ALICE)] {
            let (ssp, to) = (side.ssp.clone(), domain(to));
            let said = message(from, receiver, &format!("m-{number}"));
            tasks
                .push(tokio::spawn(async move { ssp.ask(&to, Ask { lane: Some(number % 7), ..Ask::of(said) }).await }));
        }
    }
    for task in tasks {
        let answer = task.await.expect("no panic");
        assert!(matches!(answer, Ok(Primitive::SendMessageResponse(_))), "{answer:?}");
    }
    for side in [&a, &b] {
        assert_eq!(side.service.performed.lock().len(), 400, "each once");
        // They agree on something by themselves, too.
        let state = || side.ssp.peers().remove(0);
        until("nothing is under way", || (state().requests, state().transactions) == (0, 0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_played_again_or_claimed_is_refused() {
    let (a, b) = pair(|_| {}).await;
    a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-1"))).await.expect("an answer");
    until("A's three steps", || steps(&b) == ["LoginRequest", "LoginResponse", "SendSecretToken"]).await;
    let to_b: Vec<_> = b.log.lock().iter().map(|(text, _)| text.clone()).collect();
    let say = async |text: &str| {
        let body = Bytes::from(text.to_owned());
        let receipt = b
            .ssp
            .receive(Arrival { body: &body, content_type: Some(CONTENT_TYPE_SSP), secure: false, from: None })
            .await;
        (receipt.status, receipt.wv_status)
    };
    // The proof and the half of a set-up that is over.
    for step in ["<LoginRequest", "<LoginResponse"] {
        let text = to_b.iter().find(|text| text.contains(step)).expect("a step");
        assert_eq!(say(text).await, (401, Some(604)), "{text}");
    }
    // The message: it is answered, and not carried out again.
    let before = b.service.performed.lock().len();
    let sent = to_b.iter().find(|text| text.contains("SendMessageRequest")).expect("the message");
    assert_eq!(before, 1);
    assert_eq!(say(sent).await, (200, None));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(b.service.performed.lock().len(), before);
    // A token of a domain that nobody has heard of, of ourselves, and a message in nobody's session.
    let token = to_b.iter().find(|text| text.contains("<SendSecretToken")).expect("the token");
    for text in [
        token.replace("wv:@a.example", "wv:@c.example"),
        token.replace("wv:@a.example", "wv:@b.example"),
        token.replace("wv:@a.example", "nonsense"),
        sent.replace("@a.example\"><Transaction", "@c.example\"><Transaction"),
        "<WV-SSP-Message><Session sessionID=\"1@a.example\"/></WV-SSP-Message>".to_owned(),
    ] {
        assert_eq!(say(&text).await.0, 401, "{text}");
    }
    assert_eq!(say("<WV-SSP-Message>").await.0, 400);
    let body = Bytes::from_static(b"x");
    let other =
        b.ssp.receive(Arrival { body: &body, content_type: Some("text/plain"), secure: false, from: None }).await;
    assert_eq!(other.status, 415);
    let large = Bytes::from(vec![b' '; (4 << 20) + 1]);
    let large =
        b.ssp.receive(Arrival { body: &large, content_type: Some(CONTENT_TYPE_SSP), secure: false, from: None }).await;
    assert_eq!(large.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_comes_back_without_memory_gets_the_same_transaction_again() {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    let at_b = of_b.local_addr().expect("an address");
    let a = serve(config("a.example", vec![peer("b.example", &url_b)]), of_a, None, None);
    let b = serve(config("b.example", vec![peer("a.example", &url_a)]), of_b, None, None);
    a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-1"))).await.expect("an answer");
    // What the two say to each other by themselves would find out before the message does.
    let has_agreed = |of: &Served| {
        let is_over = |it: &imps_ssp::PeerState| it.requests == 0 && it.transactions == 0;
        of.ssp.peers().iter().all(|it| it.agreement.origin == Origin::Negotiated && is_over(it))
    };
    until("they have agreed", || has_agreed(&a) && has_agreed(&b)).await;
    // B is another process now, on the same port: what the old one knew is gone.
    b.stop.send_replace(true);
    until("the old one is gone", || b.tasks() == 0).await;
    let of_new = TcpListener::bind(at_b).await.expect("the same port");
    let new = serve(config("b.example", vec![peer("a.example", &url_a)]), of_new, None, None);
    let answer = a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-2"))).await;
    assert!(matches!(answer, Ok(Primitive::SendMessageResponse(_))), "{answer:?}");
    until("all have their receipts", || new.log.lock().iter().all(|(_, status)| status.is_some())).await;
    let log = new.log.lock().clone();
    let sent: Vec<_> = log.iter().filter(|(text, _)| text.contains("<SendMessageRequest")).collect();
    let statuses: Vec<_> = sent.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [Some(401), Some(200)], "refused in the old session, taken in the new one");
    // B begins a session too when it hears of one that it does not know, so there may be an answer in the same POST.
    let id_of = |text: &str| {
        let (before, _) = text.split_once("<SendMessageRequest").expect("it is there");
        let (_, id) = before.rsplit_once("transactionID=\"").expect("it has an ID");
        id.split('"').next().map(str::to_owned)
    };
    assert_eq!(id_of(&sent[0].0), id_of(&sent[1].0));
    assert_eq!(new.service.performed.lock().len(), 1);
}

async fn post(url: &str, body: &str) -> u16 {
    let at = url.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(at).await.expect("a connection");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {at}\r\nContent-Type: {CONTENT_TYPE_SSP}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(body.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer.split(' ').nth(1).expect("a status").parse().expect("a number")
}

fn value<'a>(text: &'a str, before: &str) -> &'a str {
    text.split_once(before).and_then(|(_, rest)| rest.split(['"', '<']).next()).expect(before).trim()
}

/// How a peer of another kind behaves once the session is up.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// As it should.
    Good,
    /// It takes what comes and never answers.
    Silent,
    /// It answers another transaction.
    OtherId,
    /// It answers HTTP with a body that does not end.
    Endless,
}

/// A peer that is not ours, speaking as Baraza does: it misspells, it writes tokens in BASE64, it keeps the row of a
/// set-up late, it has no namespace, and it answers by POSTs of its own.
async fn stranger(listener: TcpListener, url_a: String, kind: Kind) {
    let mut is_slow = true;
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let Some(text) = read_request(&mut stream).await else { continue };
        // The proof comes before its row is there, the first time.
        if text.contains("<LoginRequest") && std::mem::take(&mut is_slow) {
            continue;
        }
        let mut say = None;
        let id = value(&text, "transactionID=\"").to_owned();
        if text.contains("<SendSecretToken") {
            say = Some(
                "<WV-SSP-Message><SetupTransaction mode=\"Response\" transactionID=\"0000000001-0\"><sendsecrettoken \
                 serviceID=\"wv:@b.example\" protocol=\"WV-SSP\" procotolVersion=\"1.3\">\n <SecretToken encoding=\"base64\">\n\
                 NjAzMDNhZTIyYjk5ODg2MWJjZTNiMjhmMzNlZWMxYmU=\n</SecretToken></sendsecrettoken></SetupTransaction></WV-SSP-Message>".to_owned(),
            );
            TOKEN.lock().clear();
            TOKEN.lock().push_str(value(&text, "<SecretToken>"));
        } else if text.contains("<LoginRequest") {
            // MD5 over the token that was put into BASE64: the vector of the chapter.
            assert_eq!(value(&text, "encoding=\"base64\">"), "fuwcUYoz+/fuNILStTF8Fg==");
            let digest = md5_base64(&TOKEN.lock());
            say = Some(format!(
                "<WV-SSP-Message><SetupTransaction mode=\"Response\" transactionID=\"{id}\"><LoginRequest serviceID=\"@b.example\" \
                 timeToLive=\"86400\"><PasswordDigest encoding=\"base64\">\n {digest}\n</PasswordDigest></LoginRequest>\
                 </SetupTransaction></WV-SSP-Message>"
            ));
        } else if text.contains("<LoginResponse") {
            say = Some(format!(
                "<WV-SSP-Message><SetupTransaction mode=\"Response\" transactionID=\"{id}\"><LoginResponse \
                 sessionID=\"17@b.example\" timeToLive=\"86400\"><Status code=\"200\"/></LoginResponse></SetupTransaction></WV-SSP-Message>"
            ));
        } else if text.contains("<Transaction") && kind != Kind::Silent {
            let id = if kind == Kind::OtherId { "0000000000-0" } else { &id };
            let answer = if text.contains("<SendMessageRequest") {
                "<SendMessageResponse messageID=\"m-1\"><Status code=\"200\"/></SendMessageResponse>"
            } else {
                "<Status code=\"405\"/>"
            };
            say = Some(format!(
                "<WV-SSP-Message><Session sessionID=\"17@b.example\"><Transaction mode=\"Response\" transactionID=\"{id}\">\
                 {answer}</Transaction></Session></WV-SSP-Message>"
            ));
        }
        if kind == Kind::Endless && text.contains("<SendMessageRequest") {
            tokio::spawn(async move {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {CONTENT_TYPE_SSP}\r\nContent-Length: 1073741824\r\n\r\n"
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let piece = vec![b' '; 1 << 20];
                for _ in 0..1024 {
                    if stream.write_all(&piece).await.is_err() {
                        return;
                    }
                }
                panic!("it was read to its end");
            });
        } else {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        }
        if let Some(say) = say {
            let url = url_a.clone();
            tokio::spawn(async move { post(&url, &say).await });
        }
    }
}

static TOKEN: parking_lot::Mutex<String> = parking_lot::Mutex::new(String::new());
/// The strangers share a token.
static ONE_STRANGER: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn md5_base64(token: &str) -> String {
    use md5::Digest as _;
    imps_proto::elements::encode_base64(&md5::Md5::digest(token.as_bytes()))
}

async fn with_stranger(kind: Kind) -> Served {
    let ((of_a, url_a), (of_b, url_b)) = (listener().await, listener().await);
    tokio::spawn(stranger(of_b, url_a.clone(), kind));
    let mut config = config("a.example", vec![peer("b.example", &url_b)]);
    config.link.reply_within = Duration::from_secs(2);
    serve(config, of_a, None, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_its_oddities() {
    let _one = ONE_STRANGER.lock().await;
    let a = with_stranger(Kind::Good).await;
    let answer = a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-1"))).await;
    assert!(matches!(answer, Ok(Primitive::SendMessageResponse(_))), "{answer:?}");
    // It knows nothing of agreements: what can be expected of it holds.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let agreement = a.ssp.peers()[0].agreement.clone();
    assert_eq!(agreement.origin, Origin::Default);
    let expected = [Service::Im, Service::Presence, Service::Group, Service::Common].into();
    assert_eq!(agreement.terms.interop, expected);
    let invited = a.ssp.ask(&domain("b.example"), Ask::of(share())).await;
    assert_eq!(invited.expect_err("not agreed").status, Status::SERVICE_NOT_AGREED);
}

/// An invitation to shared content, which is not among what is expected of everybody.
fn share() -> Primitive {
    let text = include_str!("../../imps-proto/tests/ssp/good/invite_request.xml").replace("\"GR\"", "\"SC\"");
    let read = imps_proto::ssp::Message::read(text.as_bytes(), &imps_proto::ssp::limits(1 << 20)).expect("a message");
    let imps_proto::ssp::Body::Session { mut transactions, .. } = read.body else { panic!("a session") };
    transactions.remove(0).content.expect("an invitation")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_dies_after_its_receipt_or_answers_something_else() {
    let _one = ONE_STRANGER.lock().await;
    for kind in [Kind::Silent, Kind::OtherId] {
        let a = with_stranger(kind).await;
        let answer = a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-1"))).await;
        let failure = answer.expect_err("no answer");
        assert_eq!((failure.status, failure.taken), (Status::TIMEOUT, true));
        let late = a.service.late.lock().len();
        assert_eq!(late > 0, kind == Kind::OtherId);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_with_a_gibibyte_is_not_listened_to() {
    let _one = ONE_STRANGER.lock().await;
    let a = with_stranger(Kind::Endless).await;
    let answer = a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-1"))).await;
    assert!(matches!(answer, Ok(Primitive::SendMessageResponse(_))), "{answer:?}");
    // And one that posts as much is cut off.
    let ((of_c, url_c), (_, url_d)) = (listener().await, listener().await);
    let c = serve(config("c.example", vec![peer("d.example", &url_d)]), of_c, None, None);
    let at = url_c.trim_start_matches("http://").trim_end_matches('/').to_owned();
    let mut stream = TcpStream::connect(&at).await.expect("a connection");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {at}\r\nContent-Type: {CONTENT_TYPE_SSP}\r\nContent-Length: 1073741824\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let piece = vec![b' '; 1 << 20];
    let mut sent = 0;
    while sent < 1024 && stream.write_all(&piece).await.is_ok() {
        sent += 1;
    }
    assert!(sent < 100, "{sent} MiB were taken");
    assert!(c.log.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_stalls_slows_nobody_else() {
    let ((of_a, url_a), (of_b, url_b), (of_s, url_s)) = (listener().await, listener().await, listener().await);
    // It takes connections and says nothing.
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = of_s.accept().await {
            held.push(stream);
        }
    });
    let mut of_three = config("a.example", vec![peer("b.example", &url_b), peer("s.example", &url_s)]);
    of_three.link.reply_within = Duration::from_secs(3);
    let a = serve(of_three, of_a, None, None);
    let _b = serve(config("b.example", vec![peer("a.example", &url_a)]), of_b, None, None);
    let stalled = a.ssp.clone();
    let stalled = tokio::spawn(async move {
        stalled.ask(&domain("s.example"), Ask::of(message(ALICE, "wv:sam@s.example", "m-0"))).await
    });
    let quick = async {
        for number in 0..50 {
            a.ssp
                .ask(&domain("b.example"), Ask::of(message(ALICE, BOB, &number.to_string())))
                .await
                .expect("an answer");
        }
    };
    tokio::time::timeout(Duration::from_secs(3), quick).await.expect("others are not slowed down");
    let failure = stalled.await.expect("no panic").expect_err("no answer");
    assert_eq!((failure.status, failure.taken), (Status::SERVER_UNAVAILABLE, false));
    assert!(failure.try_again.is_some());
}

/// DNS that knows one host for each domain.
struct Names(Vec<(&'static str, u16)>);

impl Resolver for Names {
    fn srv<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Found> {
        let port = self.0.iter().find(|(domain, _)| name == format!("_imps-server._tcp.{domain}.")).map(|it| it.1);
        Box::pin(async move {
            match port {
                Some(port) => {
                    let srv = Srv { priority: 1, weight: 1, port, target: "127.0.0.1".to_owned() };
                    Found::Records(vec![srv], Duration::from_secs(60))
                }
                None => Found::Nothing,
            }
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_dns_knows_are_spoken_with_by_tls() {
    let folder = std::env::temp_dir().join(format!("hamlet-ssp-tls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    // The certificate names the domains, not the host.
    let (file, key) = certificate(&["a.example", "b.example"], &folder);
    let ((of_a, _), (of_b, _)) = (listener().await, listener().await);
    let port = |it: &TcpListener| it.local_addr().expect("an address").port();
    let names = Arc::new(Names(vec![("a.example", port(&of_a)), ("b.example", port(&of_b))]));
    let trust = TlsTrust { authority: Some(file.clone()), ..TlsTrust::default() };
    let line = |name: &str, trust: &TlsTrust| PeerConfig { trust: trust.clone(), ..PeerConfig::of(domain(name)) };
    let tls = || Some(acceptor(&file, &key));
    let a = serve(config("a.example", vec![line("b.example", &trust)]), of_a, tls(), Some(names.clone()));
    let b = serve(config("b.example", vec![line("a.example", &trust)]), of_b, tls(), Some(names.clone()));
    let answer = a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-1"))).await;
    assert!(matches!(answer, Ok(Primitive::SendMessageResponse(_))), "{answer:?}");
    let by_tls = || b.ssp.peers()[0].way.as_deref().is_some_and(|way| way.starts_with("https://127.0.0.1:"));
    until("B's token has its receipt", by_tls).await;
    // The same message without TLS.
    let (text, _) = b.log.lock()[0].clone();
    let body = Bytes::from(text);
    let plain =
        b.ssp.receive(Arrival { body: &body, content_type: Some(CONTENT_TYPE_SSP), secure: false, from: None }).await;
    assert_eq!(plain.status, 401);
    // Who trusts another signer does not get through, and neither does who wants TLS where there is none.
    let (of_c, _) = listener().await;
    let mut strict = config("c.example", vec![line("b.example", &TlsTrust { pin: Some([7; 32]), ..trust.clone() })]);
    strict.link.reply_within = Duration::from_secs(1);
    let c = serve(strict, of_c, tls(), Some(names));
    let failure =
        c.ssp.ask(&domain("b.example"), Ask::of(message("wv:c@c.example", BOB, "m"))).await.expect_err("no trust");
    assert_eq!(failure.status, Status::SERVER_UNAVAILABLE);
    let (of_d, url) = listener().await;
    let required = PeerConfig { tls: Some(TlsPolicy::Required), ..peer("b.example", &url) };
    let d = serve(config("d.example", vec![required]), of_d, None, None);
    let failure =
        d.ssp.ask(&domain("b.example"), Ask::of(message("wv:d@d.example", BOB, "m"))).await.expect_err("no way");
    assert_eq!(failure.status, Status::DOMAIN_NOT_SUPPORTED);
    std::fs::remove_dir_all(&folder).expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_that_are_no_peers_are_not_spoken_with() {
    let (a, _b) = pair(|_| {}).await;
    for name in ["c.example", "a.example"] {
        let failure = a.ssp.ask(&domain(name), Ask::of(message(ALICE, BOB, "m"))).await.expect_err("no peer");
        assert_eq!(failure.status, Status::DOMAIN_NOT_SUPPORTED);
    }
    assert!(a.ssp.peers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_goes_on_to_the_address_where_it_is_taken() {
    for answer in [
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    ] {
        let ((of_a, url_a), (of_b, url_b), (of_other, url)) = (listener().await, listener().await, listener().await);
        tokio::spawn(elsewhere(of_other, answer));
        let line = PeerConfig { urls: vec![url, url_b.clone()], ..PeerConfig::of(domain("b.example")) };
        let a = serve(config("a.example", vec![line]), of_a, None, None);
        let _b = serve(config("b.example", vec![peer("a.example", &url_a)]), of_b, None, None);
        let said = a.ssp.ask(&domain("b.example"), Ask::of(message(ALICE, BOB, "m-1"))).await;
        assert!(matches!(said, Ok(Primitive::SendMessageResponse(_))), "{said:?}");
        until("the token has its receipt", || a.ssp.peers()[0].way.as_deref() == Some(url_b.as_str())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_only_at_its_other_address_any_more_is_found_there() {
    let ((of_a, url_a), (of_b, url_1), (of_b_too, url_2)) = (listener().await, listener().await, listener().await);
    let urls = vec![url_1.clone(), url_2.clone()];
    let a =
        serve(config("a.example", vec![PeerConfig { urls, ..PeerConfig::of(domain("b.example")) }]), of_a, None, None);
    let b = serve(config("b.example", vec![peer("a.example", &url_a)]), of_b, None, None);
    let ask = |id| Ask { within: Some(Duration::from_secs(20)), ..Ask::of(message(ALICE, BOB, id)) };
    let said = a.ssp.ask(&domain("b.example"), ask("m-1")).await;
    assert!(matches!(said, Ok(Primitive::SendMessageResponse(_))), "{said:?}");
    until("the token has its receipt", || a.ssp.peers()[0].way.as_deref() == Some(url_1.as_str())).await;
    let (_log, _stop) = world::listen(b.ssp.clone(), 4 << 20, of_b_too, None);
    b.stop.send_replace(true);
    until("the first address is dead", || b.tasks() == 0).await;
    let said = a.ssp.ask(&domain("b.example"), ask("m-2")).await;
    assert!(matches!(said, Ok(Primitive::SendMessageResponse(_))), "{said:?}");
    until("the next one too", || a.ssp.peers()[0].way.as_deref() == Some(url_2.as_str())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_in_a_session_from_before_our_start_gets_a_new_one() {
    let (a, b) = pair(|_| {}).await;
    let of = |domain: &str| {
        Bytes::from(format!(
            "<WV-SSP-Message><Session sessionID=\"9@{domain}\"><Transaction mode=\"Request\" transactionID=\"1\">\
             <KeepAliveRequest/></Transaction></Session></WV-SSP-Message>"
        ))
    };
    for (domain, is_known) in [("c.example", false), ("a.example", true)] {
        let arrival = Arrival { body: &of(domain), content_type: Some(CONTENT_TYPE_SSP), secure: true, from: None };
        let receipt = b.ssp.receive(arrival).await;
        assert_eq!((receipt.status, receipt.wv_status), (401, Some(604)));
        assert_eq!(b.ssp.peers().len(), usize::from(is_known), "strangers cost nothing");
    }
    until("a session", || [&a, &b].iter().all(|it| it.ssp.peers().first().is_some_and(|it| !it.sessions.is_empty())))
        .await;
    assert!(steps(&a).contains(&"SendSecretToken"), "B began");
}

/// DNS that knows every domain, and says that it is next door.
struct Everybody;

impl Resolver for Everybody {
    fn srv<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Found> {
        let srv = Srv { priority: 1, weight: 1, port: 9, target: "127.0.0.1".to_owned() };
        Box::pin(async { Found::Records(vec![srv], Duration::from_secs(60)) })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_have_a_bound_together_and_lead_to_no_neighbour() {
    let (of_a, _) = listener().await;
    let open = SspConfig { open: true, ..config("a.example", Vec::new()) };
    let a = serve(open, of_a, None, Some(Arc::new(Everybody)));
    let mut last = None;
    for number in 0..257 {
        let receipt = token_of(&a, &format!("x{number}.example")).await;
        assert_eq!(receipt.status, if number < 256 { 200 } else { 503 }, "{number}");
        last = receipt.retry_after;
    }
    assert_eq!(last, Some(60));
    let why = || a.ssp.peers().iter().all(|it| it.last_failure.is_some());
    until("none was posted to", why).await;
    assert!(a.ssp.peers().iter().all(|it| it.way.is_none()));
}

/// A token of a domain that nobody has heard of.
async fn token_of(a: &Served, name: &str) -> imps_ssp::Receipt {
    let body = Bytes::from(format!(
        "<WV-SSP-Message><SetupTransaction mode=\"Request\" transactionID=\"1\"><SendSecretToken \
         serviceID=\"wv:@{name}\"><SecretToken>0123456789abcdef</SecretToken></SendSecretToken>\
         </SetupTransaction></WV-SSP-Message>"
    ));
    a.ssp.receive(Arrival { body: &body, content_type: Some(CONTENT_TYPE_SSP), secure: true, from: None }).await
}

#[tokio::test]
async fn who_is_refused_too_often_is_not_heard_for_a_while() {
    let clock = Clock::set(Timestamp(1_000_000));
    let ssp = Ssp::new(config("a.example", Vec::new()), Arc::new(Yes::default()), None, clock.clone());
    let say = async |text: &'static str, from: &str| {
        let (body, content_type, from) = (Bytes::from(text), Some(CONTENT_TYPE_SSP), from.parse().ok());
        let receipt = ssp.receive(Arrival { body: &body, content_type, secure: true, from }).await;
        (receipt.status, receipt.retry_after)
    };
    let guess = "<WV-SSP-Message><Session sessionID=\"1@c.example\"/></WV-SSP-Message>";
    // What cannot be read costs nothing of that.
    for _ in 0..30 {
        assert_eq!(say("<WV-SSP-Message>", "2001:db8::1").await, (400, None));
    }
    for number in 0..20 {
        assert_eq!(say(guess, "2001:db8::1").await, (401, None), "{number}");
    }
    clock.advance(Duration::from_secs(10));
    assert_eq!(say(guess, "2001:db8::2").await, (503, Some(50)), "all of its network");
    for other in ["2001:db8:0:1::1", "192.0.2.1"] {
        assert_eq!(say(guess, other).await, (401, None), "{other}");
    }
    clock.advance(Duration::from_secs(50));
    assert_eq!(say(guess, "2001:db8::1").await, (401, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_strangers_are_spoken_with_than_there_is_room_for() {
    let ((of_a, _), (_, url)) = (listener().await, listener().await);
    let open = SspConfig { open: true, strangers_max: 4, ..config("a.example", vec![peer("b.example", &url)]) };
    let a = serve(open, of_a, None, Some(Arc::new(Everybody)));
    assert_eq!(token_of(&a, "x.example").await.status, 200);
    // By whomever it is begun: our users name domains too.
    let ask = async |name: String| {
        let within = Some(Duration::from_millis(300));
        a.ssp.ask(&domain(&name), Ask { within, ..Ask::of(message(ALICE, BOB, "m")) }).await
    };
    let said = futures_util::future::join_all((0..6).map(|number| ask(format!("y{number}.example")))).await;
    let full = Some(Duration::from_secs(60));
    assert_eq!(said.iter().filter(|it| it.as_ref().is_err_and(|why| why.try_again == full)).count(), 3);
    assert_eq!(a.ssp.peers().len(), 4);
    let receipt = token_of(&a, "z.example").await;
    assert_eq!((receipt.status, receipt.retry_after), (503, Some(60)));
    assert_eq!(token_of(&a, "x.example").await.status, 200, "who is there is heard");
    let known = ask("b.example".to_owned()).await.expect_err("nobody is there");
    assert_ne!(known.try_again, full, "for those who are written down there is room");
    assert_eq!(a.ssp.peers().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_at_private_addresses_are_spoken_with_where_that_is_wished() {
    for open_private in [false, true] {
        let ((of_a, _), (of_b, _)) = (listener().await, listener().await);
        let names = Arc::new(Names(vec![("b.example", of_b.local_addr().expect("an address").port())]));
        let open = SspConfig { open: true, open_private, ..config("a.example", Vec::new()) };
        let a = serve(open, of_a, None, Some(names));
        let ask = Ask { within: Some(Duration::from_millis(500)), ..Ask::of(message(ALICE, BOB, "m")) };
        let to = domain("b.example");
        let comes = tokio::time::timeout(Duration::from_millis(500), of_b.accept());
        let (said, came) = tokio::join!(a.ssp.ask(&to, ask), comes);
        assert!(said.is_err(), "its certificate is nobody's");
        assert_eq!(came.is_ok(), open_private);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_user_says_is_carried_out_in_the_order_in_which_he_said_it() {
    let (a, b) = pair(|_| {}).await;
    let said = |from, to, number: usize| Ask { lane: Some(1), ..Ask::of(message(from, to, &number.to_string())) };
    let (of_a, of_b) = (domain("a.example"), domain("b.example"));
    // Both sides have their hands full, so that much goes on with one peer at once.
    let there = futures_util::future::join_all((0..300).map(|number| a.ssp.ask(&of_b, said(ALICE, BOB, number))));
    let back = futures_util::future::join_all((0..300).map(|number| b.ssp.ask(&of_a, said(BOB, ALICE, number))));
    let (there, back) = tokio::join!(there, back);
    assert!(there.iter().chain(&back).all(|it| matches!(it, Ok(Primitive::SendMessageResponse(_)))));
    for served in [&a, &b] {
        let performed = served.service.performed.lock();
        let ids = performed.iter().filter_map(|(_, said)| match said {
            Primitive::SendMessageRequest(it) => it.info.message_id.as_deref()?.parse::<usize>().ok(),
            _ => None,
        });
        assert!(ids.eq(0..300));
    }
}

//! CIR over real sockets: what phones say, and what nobody should. CSP 15.4.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use imps_csp::cir::{CirConfig, tcp};
use imps_csp::transport::http::{CIR_PATH, Http, HttpConfig, Page, Pages};
use imps_csp::{CallMethod, Csp, CspConfig, Poked, channels, poke};
use imps_service::access::CirOffer;
use imps_types::SessionId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::timeout;
use world::{World, message};

struct NoPages;

impl Pages for NoPages {
    fn page(&self, _: &str, _: std::net::IpAddr) -> Option<Page> {
        None
    }
}

struct Server {
    world: World,
    tcp: SocketAddr,
    http: SocketAddr,
    stop: watch::Sender<bool>,
}

const PAUSE: Duration = Duration::from_millis(50);

impl Server {
    async fn new(change: impl FnOnce(&mut CirConfig)) -> Self {
        let mut config = CspConfig::default();
        config.cir.pause = PAUSE;
        change(&mut config.cir);
        let mut world = World::new().await;
        world.csp = Csp::new(world.csp.services().clone(), config);
        let csp = &world.csp;
        let (stop, stopped) = watch::channel(false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(tcp::serve(listener, csp.clone(), None, stopped.clone()));
        tokio::spawn(csp.call_again(stopped.clone()));
        let requests = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = requests.local_addr().unwrap();
        tokio::spawn(
            Http::new(csp.clone(), Arc::new(NoPages), HttpConfig::default(), None).serve(requests, None, stopped),
        );
        csp.open_udp("127.0.0.1:0".parse().unwrap()).unwrap();
        csp.services().access().offer_cir(CirOffer {
            tcp: Some(("127.0.0.1".into(), address.port())),
            udp: true,
            http: Some(format!("http://{http}{CIR_PATH}").into()),
        });
        Self { world, tcp: address, http, stop }
    }

    async fn line(&self) -> Line {
        Line(TcpStream::connect(self.tcp).await.unwrap())
    }

    /// What a metric says.
    fn metric(&self, name: &str) -> u64 {
        let rows = self.world.csp.services().metrics.rows();
        rows.iter().find(|row| row.0 == name).unwrap().3
    }
}

struct Line(TcpStream);

impl Line {
    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have hung up already.
        let _ = self.0.write_all(bytes.as_ref()).await;
    }

    /// What one read returns; nothing when the server hangs up.
    async fn hear(&mut self) -> String {
        let mut buffer = [0; 1024];
        let read = timeout(Duration::from_secs(10), self.0.read(&mut buffer)).await.expect("the server says nothing");
        String::from_utf8(buffer[..read.unwrap_or(0)].to_vec()).unwrap()
    }

    async fn hears_nothing(&mut self, within: Duration) {
        let mut buffer = [0; 1024];
        if let Ok(read) = timeout(within, self.0.read(&mut buffer)).await {
            panic!("{:?}", String::from_utf8_lossy(&buffer[..read.unwrap()]));
        }
    }

    async fn is_hung_up_on(&mut self) {
        assert_eq!(self.hear().await, "");
    }
}

#[tokio::test]
async fn helo_ping_and_a_call() {
    let server = Server::new(|_| {}).await;
    let alice = server.world.login("alice").await;
    let bob = server.world.login("bob").await;
    let mut line = server.line().await;
    // Whatever the case, the blanks and the ends of lines.
    line.say(format!("helo {}\n", alice.session)).await;
    assert_eq!(line.hear().await, "OK\r\n");
    for ping in ["PING\r\n", "ping \n", "\r\nPing\r\n"] {
        line.say(ping).await;
        assert_eq!(line.hear().await, "OK\r\n");
    }
    bob.ask("1", &message("wv:alice@localhost", "one", false)).await;
    assert_eq!(line.hear().await, "WVCI 1.2 c-alice\r\n");
    bob.ask("2", &message("wv:alice@localhost", "two", false)).await;
    line.hears_nothing(4 * PAUSE).await;
    assert!(alice.poll().await.contains("one"));
    assert_eq!(server.metric("hamlet_cir_answered_total"), 1);

    let session = SessionId::parse(&alice.session).unwrap();
    let session = server.world.csp.services().sessions.find(&session).unwrap();
    let shown = channels(&session);
    assert_eq!(shown.open, ["cir tcp"]);
    assert_eq!(shown.data.unwrap().0, "http");
    assert!(shown.call.unwrap().result.to_string().starts_with("polled after"));
}

#[tokio::test]
async fn ok_and_wvci_are_never_read_together() {
    let server = Server::new(|_| {}).await;
    let alice = server.world.login("alice").await;
    let bob = server.world.login("bob").await;
    bob.ask("1", &message("wv:alice@localhost", "waiting", false)).await;
    let mut line = server.line().await;
    line.say(format!("HELO {}\r\n", alice.session)).await;
    let began = tokio::time::Instant::now();
    assert_eq!(line.hear().await, "OK\r\n");
    assert_eq!(line.hear().await, "WVCI 1.2 c-alice\r\n");
    assert!(began.elapsed() >= PAUSE - Duration::from_millis(5), "{:?}", began.elapsed());
    // A PING that comes just after a call is answered a moment later.
    line.say("PING\r\n").await;
    assert_eq!(line.hear().await, "OK\r\n");
    assert!(began.elapsed() >= 2 * PAUSE - Duration::from_millis(10), "{:?}", began.elapsed());
    // In pieces, and several at once: one answer.
    for piece in ["P", "ING\r", "\nPING\r\n"] {
        line.say(piece).await;
    }
    assert_eq!(line.hear().await, "OK\r\n");
}

#[tokio::test]
async fn a_new_connection_takes_the_place_of_the_old_one() {
    let server = Server::new(|_| {}).await;
    let alice = server.world.login("alice").await;
    let bob = server.world.login("bob").await;
    let (mut old, mut new) = (server.line().await, server.line().await);
    for line in [&mut old, &mut new] {
        line.say(format!("HELO {}\r\n", alice.session)).await;
        assert_eq!(line.hear().await, "OK\r\n");
    }
    old.is_hung_up_on().await;
    bob.ask("1", &message("wv:alice@localhost", "one", false)).await;
    assert_eq!(new.hear().await, "WVCI 1.2 c-alice\r\n");
    // And the session's end ends it.
    alice.ask("9", "<Logout-Request/>").await;
    new.is_hung_up_on().await;
    tokio::time::sleep(PAUSE).await;
    assert_eq!(server.metric("hamlet_cir_tcp_connections"), 0);
    assert_eq!(server.metric("hamlet_cir_tcp_sessions"), 0);
}

#[tokio::test]
async fn whoever_names_no_session_is_hung_up_on() {
    let server = Server::new(|config| config.hello_within = Duration::from_millis(300)).await;
    let unknown = "a".repeat(28);
    for bytes in [
        format!("HELO {unknown}\r\n").into_bytes(),
        b"HELO x\r\n".to_vec(),
        b"HELO im.user.com#48815@server.com\r\n".to_vec(),
        b"\xff".repeat(300),
        b"x".repeat(10_000),
        b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\nE: f\r\nG: h\r\nI: j\r\nK: l\r\nM: n\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\n".repeat(1000),
        b"HELO\r\n".to_vec(),
        b"HEL".to_vec(),
        Vec::new(),
    ] {
        let mut line = server.line().await;
        line.say(&bytes).await;
        line.is_hung_up_on().await;
    }
    // A session that has ended is none.
    let alice = server.world.login("alice").await;
    alice.ask("9", "<Logout-Request/>").await;
    let mut line = server.line().await;
    line.say(format!("HELO {}\r\n", alice.session)).await;
    line.is_hung_up_on().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.metric("hamlet_cir_tcp_connections"), 0);
    assert!(server.metric("hamlet_cir_tcp_refused_total") >= 8);
}

#[tokio::test]
async fn ten_thousand_wrong_sessions_keep_nobody_away() {
    let server = Arc::new(Server::new(|_| {}).await);
    let alice = server.world.login("alice").await;
    let mut line = server.line().await;
    line.say(format!("HELO {}\r\n", alice.session)).await;
    assert_eq!(line.hear().await, "OK\r\n");
    let guessers = (0..50).map(|guesser| {
        let server = server.clone();
        tokio::spawn(async move {
            for number in 0..200 {
                let mut line = server.line().await;
                line.say(format!("HELO {:028}\r\n", guesser * 1000 + number)).await;
                line.is_hung_up_on().await;
            }
        })
    });
    for guesser in guessers.collect::<Vec<_>>() {
        guesser.await.unwrap();
    }
    line.say("PING\r\n").await;
    assert_eq!(line.hear().await, "OK\r\n");
    assert_eq!(server.metric("hamlet_cir_tcp_refused_total"), 10_000);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(server.metric("hamlet_cir_tcp_connections"), 1);
}

#[tokio::test]
async fn silent_connections_give_way_to_others() {
    // A quarter of the places, and 64 at least, may be taken by connections that have named no session.
    let server = Server::new(|config| config.tcp_connections_max = 100).await;
    let alice = server.world.login("alice").await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(server.line().await);
    }
    let mut line = server.line().await;
    line.say(format!("HELO {}\r\n", alice.session)).await;
    assert_eq!(line.hear().await, "OK\r\n");
    silent[0].is_hung_up_on().await;
    silent[63].hears_nothing(PAUSE).await;
}

#[tokio::test]
async fn a_flood_on_a_good_connection_ends_it() {
    let server = Server::new(|config| config.pause = Duration::ZERO).await;
    let alice = server.world.login("alice").await;
    for flood in ["PING\r\n".repeat(1000), "what?\r\n".repeat(20), "\r\n".repeat(500)] {
        let mut line = server.line().await;
        line.say(format!("HELO {}\r\n", alice.session)).await;
        assert_eq!(line.hear().await, "OK\r\n");
        line.say(&flood).await;
        loop {
            match line.hear().await.as_str() {
                "" => break,
                said => assert!(said.split_inclusive("\r\n").all(|line| line == "OK\r\n"), "{said:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_ends_by_force_is_called_before_its_connection_ends() {
    let server = Server::new(|_| {}).await;
    let alice = server.world.login("alice").await;
    let mut line = server.line().await;
    line.say(format!("HELO {}\r\n", alice.session)).await;
    assert_eq!(line.hear().await, "OK\r\n");
    tokio::time::sleep(2 * PAUSE).await;
    server.world.after(1000).await;
    let said = line.hear().await;
    assert_eq!(said, "WVCI 1.2 c-alice\r\n");
    line.is_hung_up_on().await;
    assert!(alice.poll().await.contains("<Code>600</Code>"));
}

async fn negotiate(alice: &world::Phone<'_>, capabilities: &str) -> String {
    let request =
        format!("<ClientCapability-Request><CapabilityList>{capabilities}</CapabilityList></ClientCapability-Request>");
    alice.ask("c", &request).await
}

#[tokio::test]
async fn datagrams_go_where_requests_come_from() {
    let server = Server::new(|_| {}).await;
    let alice = server.world.login("alice").await;
    let bob = server.world.login("bob").await;
    let phone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = phone.local_addr().unwrap().port();
    let methods = format!("<SupportedCIRMethod>SUDP</SupportedCIRMethod><UDPPort>{port}</UDPPort>");
    assert!(negotiate(&alice, &methods).await.contains("<SupportedCIRMethod>SUDP</SupportedCIRMethod>"));
    // The world's requests come from nowhere: there is nobody to be called.
    bob.ask("1", &message("wv:alice@localhost", "one", false)).await;
    let mut buffer = [0; 100];
    assert!(timeout(4 * PAUSE, phone.recv(&mut buffer)).await.is_err());
    // This one comes over a socket.
    let poll = world::envelope(Some(&alice.session), "Request", "", "<Polling-Request/>");
    let mut stream = TcpStream::connect(server.http).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", poll.len());
    stream.write_all(format!("{head}{poll}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("one"), "{answer}");
    bob.ask("2", &message("wv:alice@localhost", "two", false)).await;
    let read = timeout(Duration::from_secs(10), phone.recv(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(&buffer[..read], b"WVCI 1.2 c-alice");
}

/// Asks for a URL: the head and the body of the answer.
async fn get(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(format!("GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_cir_url_is_answered_when_something_waits() {
    let server = Server::new(|config| config.http_hold = Duration::from_millis(300)).await;
    let alice = server.world.login("alice").await;
    let bob = server.world.login("bob").await;
    let answer = negotiate(&alice, "<SupportedCIRMethod>SHTTP</SupportedCIRMethod>").await;
    let url = world::between(&answer, "<URL>", "</URL>").to_owned();
    let target = url.strip_prefix(&format!("http://{}", server.http)).unwrap().to_owned();
    assert!(get(server.http, &target).await.starts_with("HTTP/1.1 204 "), "nothing comes");
    let address = server.http;
    let waiting = tokio::spawn({
        let target = target.clone();
        async move { get(address, &target).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    bob.ask("1", &message("wv:alice@localhost", "one", false)).await;
    let answer = waiting.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\nWVCI 1.2 c-alice"), "{answer}");
    assert!(answer.contains("Cache-Control: no-store"), "{answer}");
    assert!(get(server.http, &target).await.starts_with("HTTP/1.1 200 "), "it waits still");
    assert!(alice.poll().await.contains("one"));
    // A second question takes the place of the first.
    let first = tokio::spawn({
        let target = target.clone();
        async move { get(address, &target).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (second, first) = tokio::join!(get(server.http, &target), first);
    assert!(first.unwrap().starts_with("HTTP/1.1 204 ") && second.starts_with("HTTP/1.1 204 "));
    // Nobody learns anything from other addresses.
    let mut other = target.clone();
    other.pop();
    for wrong in ["/cir/", "/cir/x", &format!("/cir/{}", alice.session), &other, &format!("{target}a")] {
        assert!(get(server.http, wrong).await.starts_with("HTTP/1.1 404 "), "{wrong}");
    }
    alice.ask("9", "<Logout-Request/>").await;
    assert!(get(server.http, &target).await.starts_with("HTTP/1.1 404 "), "the session has ended");
    assert_eq!(server.metric("hamlet_cir_http_waiting"), 0);
}

#[tokio::test]
async fn stopping_hangs_up() {
    let server = Server::new(|_| {}).await;
    let alice = server.world.login("alice").await;
    let mut line = server.line().await;
    line.say(format!("HELO {}\r\n", alice.session)).await;
    assert_eq!(line.hear().await, "OK\r\n");
    server.stop.send_replace(true);
    line.is_hung_up_on().await;
}

#[tokio::test]
async fn who_never_reads_holds_nothing() {
    let server = Server::new(|_| {}).await;
    let alice = server.world.login("alice").await;
    let mut line = server.line().await;
    line.say(format!("HELO {}\r\n", alice.session)).await;
    assert_eq!(line.hear().await, "OK\r\n");
    assert_eq!(server.metric("hamlet_cir_tcp_sessions"), 1);
    let id = SessionId::parse(&alice.session).unwrap();
    let session = server.world.csp.services().sessions.find(&id).unwrap();
    // What was said and not read lies in the system's buffers; when these are full the connection is given up.
    let mut calls = 0;
    while let Poked::Called(CallMethod::Tcp) = poke(&session) {
        calls += 1;
        assert!(calls < 5_000_000, "there is no end to what is kept for it");
    }
    assert!(calls > 0);
    timeout(Duration::from_secs(10), async {
        while server.metric("hamlet_cir_tcp_connections") > 0 || server.metric("hamlet_cir_tcp_sessions") > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("its task has ended");
    // It is called otherwise, or polls; and may come back.
    assert!(matches!(poke(&session), Poked::NoWay));
    assert!(alice.poll().await.is_empty());
    let mut again = server.line().await;
    again.say(format!("HELO {}\r\n", alice.session)).await;
    assert_eq!(again.hear().await, "OK\r\n");
    assert!(matches!(poke(&session), Poked::Called(CallMethod::Tcp)));
    assert_eq!(again.hear().await, "WVCI 1.2 c-alice\r\n");
}

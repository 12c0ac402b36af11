//! WebSocket and HTTPS over real sockets: pipelines, pushes, and what no client should do.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod world;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use imps_csp::transport::http::{Http, HttpConfig, Page, Pages};
use imps_csp::transport::tls::Tls;
use imps_csp::{Csp, CspConfig};
use imps_types::{UserId, Version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use world::{STATUS, World, between, envelope, message, of_version};

struct NoPages;

impl Pages for NoPages {
    fn page(&self, _: &str, _: std::net::IpAddr) -> Option<Page> {
        None
    }
}

struct Server {
    world: World,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    done: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn new(change: impl FnOnce(&mut HttpConfig)) -> Self {
        Self::with_tls(change, None).await
    }

    async fn with_tls(change: impl FnOnce(&mut HttpConfig), tls: Option<Arc<Tls>>) -> Self {
        Self::of(World::new().await, change, tls).await
    }

    async fn of(world: World, change: impl FnOnce(&mut HttpConfig), tls: Option<Arc<Tls>>) -> Self {
        let mut config = HttpConfig::default();
        change(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let done =
            tokio::spawn(Http::new(world.csp.clone(), Arc::new(NoPages), config, None).serve(listener, tls, stopped));
        Self { world, address, stop, done }
    }

    async fn connect(&self) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Client::open(stream, Some("csp.xml")).await
    }

    fn metric(&self, name: &str) -> u64 {
        let rows = self.world.csp.services().metrics.rows();
        rows.iter().find(|row| row.0 == name).unwrap().3
    }
}

struct Client<S> {
    socket: WebSocketStream<S>,
    session: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    async fn open(stream: S, subprotocol: Option<&'static str>) -> Self {
        let mut request = "ws://localhost/ws".into_client_request().unwrap();
        if let Some(subprotocol) = subprotocol {
            request.headers_mut().insert("Sec-WebSocket-Protocol", subprotocol.parse().unwrap());
        }
        let (socket, answer) = client_async(request, stream).await.unwrap();
        assert_eq!(answer.headers().get("Sec-WebSocket-Protocol").map(|name| name.to_str().unwrap()), subprotocol);
        Self { socket, session: String::new() }
    }

    async fn send(&mut self, text: String) {
        self.socket.send(Message::Text(text.into())).await.unwrap();
    }

    async fn hear(&mut self) -> String {
        let read = timeout(Duration::from_secs(10), self.socket.next()).await.expect("nothing comes");
        read.unwrap().unwrap().into_text().unwrap().as_str().to_owned()
    }

    /// The code and the words of the close that comes.
    async fn is_closed(&mut self) -> (u16, String) {
        loop {
            match timeout(Duration::from_secs(10), self.socket.next()).await.expect("nothing comes") {
                Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.as_str().to_owned()),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn ask(&mut self, transaction: &str, primitive: &str) -> String {
        self.send(envelope(Some(&self.session), "Request", transaction, primitive)).await;
        self.hear().await
    }

    async fn log_in(&mut self, name: &str) {
        let request = format!(
            "<Login-Request><UserID>wv:{name}</UserID><ClientID><URL>test</URL></ClientID><Password>secret</Password>\
             <TimeToLive>600</TimeToLive><SessionCookie>c</SessionCookie></Login-Request>"
        );
        self.send(envelope(None, "Request", "1", &request)).await;
        let answer = self.hear().await;
        self.session = between(&answer, "<SessionID>", "</SessionID>").to_owned();
        assert!(self.ask("2", "<KeepAlive-Request/>").await.contains("<Code>200</Code>"));
    }
}

#[tokio::test]
async fn requests_are_carried_out_together_and_all_are_answered() {
    let server = Server::new(|http| http.websocket.pipeline = 8).await;
    let (mut alice, mut bob) = (server.connect().await, server.connect().await);
    alice.log_in("alice").await;
    bob.log_in("bob").await;
    let capabilities = "<CapabilityList><MultiTrans>5</MultiTrans></CapabilityList>";
    bob.ask("3", &format!("<ClientCapability-Request>{capabilities}</ClientCapability-Request>")).await;
    const COUNT: usize = 200;
    for number in 0..COUNT {
        let text = message("wv:bob@localhost", &format!("number {number}"), false);
        alice
            .socket
            .feed(Message::Text(envelope(Some(&alice.session), "Request", &format!("t{number}"), &text).into()))
            .await
            .unwrap();
    }
    alice.socket.flush().await.unwrap();
    let mut answered = HashSet::new();
    for _ in 0..COUNT {
        let answer = alice.hear().await;
        assert!(answer.contains("<Code>200</Code>") && answer.contains("<Poll>F</Poll>"), "{answer}");
        answered.insert(between(&answer, "<TransactionID>", "</TransactionID>").to_owned());
    }
    assert_eq!(answered.len(), COUNT);
    // Bob gets no more than he can have open, in the order in which they were sent, and the rest as he acknowledges.
    let mut number = 0;
    while number < COUNT {
        let pushed = bob.hear().await;
        for (pushed, open) in transactions(&pushed).into_iter().zip(1..) {
            assert!(open <= 5 && pushed.contains(&format!(">number {number}<")), "{number}: {pushed}");
            number += 1;
            bob.send(envelope(Some(&bob.session), "Response", id_of(pushed), &delivered(pushed))).await;
        }
    }
    assert_eq!(bob.ask("", "<Polling-Request/>").await, "", "nothing waits any more");
    assert_eq!(server.metric("hamlet_websocket_pushed_total"), COUNT as u64);
    assert_eq!(server.metric("hamlet_websockets"), 2);
}

/// The transactions of a message.
fn transactions(message: &str) -> Vec<&str> {
    message.split("<Transaction>").skip(1).collect()
}

fn id_of(transaction: &str) -> &str {
    between(transaction, "<TransactionID>", "</TransactionID>")
}

/// What answers the message that is in this transaction.
fn delivered(transaction: &str) -> String {
    let id = between(transaction, "<MessageID>", "</MessageID>");
    format!("<MessageDelivered><MessageID>{id}</MessageID></MessageDelivered>")
}

/// One message of several transactions: mode, TransactionID, primitive.
fn of_several(session: &str, several: &[(&str, String, String)]) -> String {
    let mut parts = several.iter().map(|(mode, id, primitive)| envelope(Some(session), mode, id, primitive));
    let mut whole = parts.next().unwrap();
    for part in parts {
        let (start, end) = (part.find("<Transaction>").unwrap(), part.find("</Session>").unwrap());
        whole.insert_str(whole.find("</Session>").unwrap(), &part[start..end]);
    }
    whole
}

#[tokio::test]
async fn several_transactions_go_in_one_message_both_ways() {
    let server = Server::new(|_| {}).await;
    let mut alice = server.connect().await;
    alice.log_in("alice").await;
    // Bob agrees to three at once, and is away while they come.
    let mut bob = server.connect().await;
    bob.log_in("bob").await;
    let capabilities = "<CapabilityList><MultiTrans>3</MultiTrans></CapabilityList>";
    bob.ask("c", &format!("<ClientCapability-Request>{capabilities}</ClientCapability-Request>")).await;
    let session = std::mem::take(&mut bob.session);
    drop(bob);
    let send = |number: usize, to: &str| {
        ("Request", format!("t{number}"), message(&format!("wv:{to}@localhost"), &format!("number {number}"), false))
    };
    // One is refused, one is no message: each is answered in its place.
    let mut several: Vec<_> = (0..9).map(|number| send(number, if number == 4 { "nobody" } else { "bob" })).collect();
    several.insert(6, ("Request", "k".to_owned(), "<KeepAlive-Request/>".to_owned()));
    alice.send(of_several(&alice.session, &several)).await;
    let answer = alice.hear().await;
    let answers = transactions(&answer);
    assert_eq!(
        answers.iter().map(|one| id_of(one)).collect::<Vec<_>>(),
        several.iter().map(|one| &one.1).collect::<Vec<_>>()
    );
    for (answer, (_, id, _)) in answers.iter().zip(&several) {
        let code = if id == "t4" { "531" } else { "200" };
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{answer}");
    }
    // Sent again as it was, none is carried out twice.
    alice.send(of_several(&alice.session, &several)).await;
    assert_eq!(transactions(&alice.hear().await).len(), several.len());

    let mut bob = server.connect().await;
    bob.session = session;
    bob.send(envelope(Some(&bob.session), "Request", "k", "<KeepAlive-Request/>")).await;
    let (mut texts, mut most, mut open) = (Vec::new(), 0, Vec::new());
    while texts.len() < 8 {
        let heard = bob.hear().await;
        let pushed: Vec<_> = transactions(&heard).into_iter().filter(|one| one.contains("<NewMessage>")).collect();
        most = most.max(pushed.len());
        texts.extend(pushed.iter().map(|one| between(one, "number ", "<").parse::<usize>().unwrap()));
        open.extend(pushed.iter().map(|one| ("Response", id_of(one).to_owned(), delivered(one))));
        assert!(open.len() <= 3, "more than may be open");
        // All that he has is acknowledged in one message too.
        if open.len() == 3 || texts.len() == 8 {
            bob.send(of_several(&bob.session, &open)).await;
            open.clear();
        }
    }
    assert_eq!(texts, [0, 1, 2, 3, 5, 6, 7, 8]);
    assert!((2..=3).contains(&most), "{most}");
    assert_eq!(bob.ask("", "<Polling-Request/>").await, "", "all were acknowledged");
}

#[tokio::test]
async fn what_takes_too_long_is_said_and_keeps_nobody_waiting() {
    let mut world = World::new().await;
    let config = CspConfig { answer_within: Duration::from_millis(100), ..CspConfig::default() };
    world.csp = Csp::new(world.csp.services().clone(), config);
    let server = Server::of(world, |_| {}, None).await;
    let mut alice = server.connect().await;
    alice.log_in("alice").await;
    let user = UserId::from_canonical("wv:alice@localhost");
    let state = server.world.csp.services().user(&user).await.unwrap();
    let create = "<CreateList-Request><ContactList>wv:alice/friends</ContactList></CreateList-Request>";
    let busy = state.change.lock().await;
    alice.send(envelope(Some(&alice.session), "Request", "5", create)).await;
    let other = alice.ask("6", "<KeepAlive-Request/>").await;
    assert!(other.contains("<TransactionID>6</TransactionID>"), "{other}");
    let late = alice.hear().await;
    assert!(late.contains("<TransactionID>5</TransactionID>") && late.contains("<Code>408</Code>"), "{late}");
    drop(busy);
    let again = alice.ask("5", create).await;
    assert!(again.contains("<TransactionID>5</TransactionID>") && again.contains("<Code>200</Code>"), "{again}");
    let next = alice.ask("7", "<KeepAlive-Request/>").await;
    assert!(next.contains("<TransactionID>7</TransactionID>"), "the first answer came after all: {next}");
}

#[tokio::test]
async fn several_sessions_share_a_connection_and_one_moves() {
    let server = Server::new(|_| {}).await;
    let mut both = server.connect().await;
    both.log_in("alice").await;
    let alice = both.session.clone();
    both.log_in("bob").await;
    let bob = both.session.clone();
    let text = message("wv:alice@localhost", "to oneself, nearly", false);
    both.send(envelope(Some(&bob), "Request", "7", &text)).await;
    let heard = [both.hear().await, both.hear().await];
    assert!(heard.iter().any(|one| one.contains("SendMessage-Response") && one.contains(&bob)), "{heard:?}");
    let pushed = heard.iter().find(|one| one.contains("<NewMessage>")).unwrap();
    assert!(pushed.contains(&alice));
    // Alice's client speaks from elsewhere now: there she is, and what she did not acknowledge comes again.
    let mut elsewhere = server.connect().await;
    elsewhere.session.clone_from(&alice);
    elsewhere.ask("8", "<KeepAlive-Request/>").await;
    assert!(elsewhere.hear().await.contains("to oneself, nearly"));
    both.send(envelope(Some(&bob), "Request", "9", &message("wv:alice@localhost", "there", false))).await;
    assert!(elsewhere.hear().await.contains(">there<"));
    assert!(both.hear().await.contains("SendMessage-Response"));
    // She may poll by HTTP all the same.
    let poll = server.world.post(&envelope(Some(&alice), "Request", "", "<Polling-Request/>")).await;
    assert!(poll.is_empty(), "{poll}");
}

#[tokio::test]
async fn what_is_not_csp_is_said() {
    let server = Server::new(|http| http.websocket.message_max = 10_000).await;
    for (message, code) in [
        (Message::Text("hello".into()), 1003),
        (Message::Text("<html/>".into()), 1003),
        (Message::Binary(vec![7; 100].into()), 1003),
        (Message::Text("x".repeat(20_000).into()), 1009),
    ] {
        let mut client = server.connect().await;
        client.socket.send(message.clone()).await.unwrap();
        assert_eq!(client.is_closed().await.0, code, "{:?}", message.len());
    }
    // What can be answered is: an unknown session is no reason to hang up.
    let mut client = server.connect().await;
    client.session = "a".repeat(28);
    assert!(client.ask("1", "<KeepAlive-Request/>").await.contains("<Code>604</Code>"));
    client.session.clear();
    client.log_in("alice").await;
    assert_eq!(server.metric("hamlet_websocket_refused_total"), 4);
}

#[tokio::test]
async fn bytes_that_are_no_websocket_end_the_connection_alone() {
    let server = Server::new(|_| {}).await;
    let handshake = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut seed = 7_u32;
    for round in 0..300 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(handshake.as_bytes()).await.unwrap();
        let mut head = [0; 4096];
        let read = stream.read(&mut head).await.unwrap();
        let answer = String::from_utf8_lossy(&head[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        let noise: Vec<u8> = (0..round % 40)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 24) as u8
            })
            .collect();
        let _ = stream.write_all(&noise).await;
        let _ = stream.shutdown().await;
        // It ends, whatever the noise was taken for.
        let mut rest = Vec::new();
        timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await.unwrap().ok();
    }
    for (change, status) in [
        (("Upgrade: websocket\r\n", ""), "426"),
        (("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"), "400"),
        (("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), "400"),
        (("\r\n\r\n", "\r\nSec-WebSocket-Protocol: soap\r\n\r\n"), "400"),
        (("/ws", "/other"), "404"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(handshake.replace(change.0, change.1).as_bytes()).await.unwrap();
        let mut answer = vec![0; 1000];
        let read = stream.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    let mut client = server.connect().await;
    client.log_in("alice").await;
    timeout(Duration::from_secs(10), async {
        while server.metric("hamlet_websockets") > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("connections are left over");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody_and_is_let_go() {
    let server = Server::new(|http| {
        http.websocket.buffer_max = 16 << 10;
        http.websocket.write_timeout = Duration::from_secs(1);
    })
    .await;
    let mut slow = server.connect().await;
    slow.log_in("bob").await;
    let session = slow.session.clone();
    // It asks, and never reads: answers fill the sockets, and then nothing more is read from it.
    let flood = async {
        for number in 0_u32.. {
            let ask = envelope(Some(&session), "Request", &number.to_string(), "<GetSPInfo-Request/>");
            if slow.socket.send(Message::Text(ask.into())).await.is_err() {
                return number;
            }
        }
        0
    };
    let asked = timeout(Duration::from_secs(60), flood).await.expect("it is let go");
    assert!(asked > 0);
    let mut other = server.connect().await;
    other.log_in("alice").await;
    assert_eq!(server.metric("hamlet_websockets"), 1);
}

#[tokio::test]
async fn silence_is_asked_about_and_no_login_is_an_end() {
    let server = Server::new(|http| {
        http.websocket.ping = Duration::from_secs(1);
        http.websocket.login_within = Duration::from_secs(3);
    })
    .await;
    let mut nobody = server.connect().await;
    let (code, words) = nobody.is_closed().await;
    assert_eq!((code, words.as_str()), (4000, "no session was opened in time"));
    // This one does not answer pings: it reads nothing.
    let mut client = server.connect().await;
    client.log_in("alice").await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(server.metric("hamlet_websockets"), 0);
    assert_eq!(client.is_closed().await.0, 4002);
}

#[tokio::test]
async fn a_stop_is_said() {
    let server = Server::new(|_| {}).await;
    let mut client = server.connect().await;
    client.log_in("alice").await;
    server.stop.send_replace(true);
    assert_eq!(client.is_closed().await, (1001, "the server stops".to_owned()));
    timeout(Duration::from_secs(5), server.done).await.expect("it stops").unwrap().unwrap();
}

#[tokio::test]
async fn fragments_and_late_bytes_make_a_message() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let server = Server::new(|_| {}).await;
    let mut client = server.connect().await;
    client.log_in("alice").await;
    let text = envelope(Some(&client.session), "Request", "5", "<KeepAlive-Request/>");
    let (one, two) = text.split_at(text.len() / 2);
    let frame = |text: &str, code: Data, is_last: bool| {
        Message::Frame(Frame::message(text.to_owned().into_bytes(), OpCode::Data(code), is_last))
    };
    client.socket.send(frame(one, Data::Text, false)).await.unwrap();
    client.socket.send(Message::Ping(b"there?".to_vec().into())).await.unwrap();
    client.socket.send(frame(two, Data::Continue, true)).await.unwrap();
    let pong = client.socket.next().await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(b"there?".to_vec().into()));
    assert!(client.hear().await.contains("KeepAlive-Response"));
}

#[tokio::test]
async fn who_takes_up_the_session_elsewhere_gets_everything_there() {
    let of_13 = |message: String| of_version(Version::V1_3, &message);
    let login = |session: &str| {
        format!(
            "<Login-Request><UserID>wv:alice</UserID><ClientID><URL>test</URL></ClientID><Password>secret</Password>\
             <SessionCookie>c</SessionCookie>{session}</Login-Request>"
        )
    };
    let server = Server::new(|_| {}).await;
    // Connected by WebSocket, and gone from there without a word.
    let mut lost = server.connect().await;
    lost.send(of_13(envelope(None, "Request", "1", &login("")))).await;
    let answer = lost.hear().await;
    let session = between(&answer, "<SessionID>", "</SessionID>").to_owned();
    lost.send(of_13(envelope(Some(&session), "Request", "2", "<KeepAlive-Request/>"))).await;
    lost.hear().await;
    let bob = server.world.login("bob").await;
    bob.ask("1", &message("wv:alice@localhost", "one", false)).await;
    assert!(lost.hear().await.contains("one"), "pushed, and nobody is there");
    let resumed = login(&format!("<SessionID>{session}</SessionID>"));
    let answer = server.world.post(&of_13(envelope(None, "Request", "3", &resumed))).await;
    assert_eq!(between(&answer, "<SessionID>", "</SessionID>"), session);
    bob.ask("2", &message("wv:alice@localhost", "two", false)).await;
    let poll = of_13(envelope(Some(&session), "Request", "", "<Polling-Request/>"));
    let heard = [server.world.post(&poll).await, server.world.post(&poll).await];
    assert!(heard[0].contains("one") && heard[1].contains("two"), "{heard:?}");
    // The connection is good for something still, and may have the session back.
    lost.send(of_13(envelope(Some(&session), "Request", "4", "<KeepAlive-Request/>"))).await;
    assert!(lost.hear().await.contains("KeepAlive-Response"));
    bob.ask("3", &message("wv:alice@localhost", "three", false)).await;
    assert!(lost.hear().await.contains("three"));
}

#[tokio::test]
async fn one_too_many_is_told_to_come_back() {
    let server = Server::new(|http| http.websocket.connections_max = 1).await;
    let mut first = server.connect().await;
    first.log_in("alice").await;
    let ask = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
               Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut second = TcpStream::connect(server.address).await.unwrap();
    second.write_all(ask.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), second.read_to_string(&mut answer)).await.expect("it is closed").unwrap();
    let head = answer.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 503") && head.contains("\r\nretry-after: 10\r\n"), "{answer}");
    assert!(first.ask("5", "<KeepAlive-Request/>").await.contains("<Code>200</Code>"));
    assert!(server.world.login("bob").await.poll().await.is_empty(), "nobody else is kept out");
    first.socket.close(None).await.unwrap();
    timeout(Duration::from_secs(10), async {
        while server.metric("hamlet_websockets") > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("it is gone");
    server.connect().await.log_in("bob").await;
}

#[tokio::test]
async fn what_all_hold_together_is_bounded() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let server = Server::new(|http| http.websocket.memory = 400 << 10).await;
    let mut alice = server.connect().await;
    alice.log_in("alice").await;
    let piece = |code: Data| Message::Frame(Frame::message(vec![b' '; 50 << 10], OpCode::Data(code), false));
    let mut others = Vec::new();
    for _ in 0..4 {
        let mut other = server.connect().await;
        // Messages that are never complete, with something between that is.
        other.socket.send(piece(Data::Text)).await.unwrap();
        for _ in 0..4 {
            let _ = other.socket.send(Message::Ping(vec![0; 100].into())).await;
            let _ = other.socket.send(piece(Data::Continue)).await;
        }
        others.push(other);
    }
    timeout(Duration::from_secs(10), async {
        while server.metric("hamlet_websockets") > 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("nobody has to go");
    // Who holds little is not touched, and it is over with those who held much.
    assert!(alice.ask("5", "<KeepAlive-Request/>").await.contains("<Code>200</Code>"));
    drop(others);
    let mut bob = server.connect().await;
    bob.log_in("bob").await;
    let long = "x".repeat(300 << 10);
    let sent = bob.ask("6", &message("wv:alice@localhost", &long, false)).await;
    assert!(sent.contains("<Code>200</Code>"), "{sent}");
    assert!(alice.hear().await.contains("<MessageNotification>"), "a large message went through");
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn https_and_websocket_inside_tls_with_a_certificate_that_is_replaced() {
    let folder = Folder(std::env::temp_dir().join(format!("imps-csp-https-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).unwrap();
    let (certificate, key) = (folder.0.join("cert.pem"), folder.0.join("key.pem"));
    let write = || {
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate, signed.cert.pem()).unwrap();
        std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        signed.cert.der().clone()
    };
    let first = write();
    let tls = Tls::load(&certificate, &key).unwrap();
    let server = Server::with_tls(|_| {}, Some(tls.clone())).await;
    tokio::spawn(tls.watch(
        Duration::from_millis(50),
        server.world.csp.services().metrics.clone(),
        server.stop.subscribe(),
    ));
    let connect = |trusted: CertificateDer<'static>| {
        let address = server.address;
        async move {
            let mut roots = RootCertStore::empty();
            roots.add(trusted).unwrap();
            let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
        }
    };
    // A request.
    let mut stream = connect(first.clone()).await.unwrap();
    let login = "<Login-Request><UserID>wv:alice</UserID><ClientID><URL>t</URL></ClientID><Password>secret</Password>\
                 <SessionCookie>c</SessionCookie></Login-Request>";
    let body = envelope(None, "Request", "1", login);
    let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("<SessionID>"), "{answer}");
    // A WebSocket.
    let mut client = Client::open(connect(first.clone()).await.unwrap(), Some("csp.xml")).await;
    client.log_in("bob").await;
    assert!(server.metric("hamlet_tls_certificate_expiry_seconds") > 0);

    let second = write();
    timeout(Duration::from_secs(10), async {
        while server.metric("hamlet_tls_reloads_total") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("the new certificate is not seen");
    assert!(connect(first.clone()).await.is_err(), "the old one is not used any more");
    // A file that is no certificate changes nothing.
    std::fs::write(&certificate, "nothing").unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    connect(second).await.unwrap();
    // And the WebSocket from before lives on.
    assert!(client.ask("9", "<KeepAlive-Request/>").await.contains("<Code>200</Code>"));
    // Who speaks no TLS.
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    timeout(Duration::from_secs(10), plain.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(!rest.starts_with(b"HTTP"), "an alert, and the end");
    assert!(server.metric("hamlet_tls_failures_total") >= 2);
}

#[tokio::test]
async fn a_client_may_name_no_subprotocol() {
    let server = Server::new(|_| {}).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let mut client = Client::open(stream, None).await;
    client.log_in("alice").await;
    let text = message("wv:alice@localhost", "to oneself", false);
    client.send(envelope(Some(&client.session), "Request", "7", &text)).await;
    let heard = [client.hear().await, client.hear().await];
    assert!(heard.iter().any(|one| one.contains("<NewMessage>")), "{heard:?}");
    let pushed = heard.iter().find(|one| one.contains("<NewMessage>")).unwrap();
    let transaction = between(pushed, "<TransactionID>", "</TransactionID>");
    client.send(envelope(Some(&client.session), "Response", transaction, STATUS)).await;
    assert_eq!(client.ask("", "<Polling-Request/>").await, "");
}

//! What no client says, thrown at the HTTP listener: whatever comes, the server stays up, holds nothing for it, and others
//! are served meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use imps_csp::transport::http::{Http, HttpConfig, Page, Pages};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use world::{World, between, envelope};

struct NoPages;

impl Pages for NoPages {
    fn page(&self, _: &str, _: std::net::IpAddr) -> Option<Page> {
        None
    }
}

struct Server {
    world: World,
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Server {
    async fn new() -> Self {
        let world = World::new().await;
        let mut config = HttpConfig { header_timeout: Duration::from_secs(2), ..HttpConfig::default() };
        config.body_timeout = Duration::from_secs(2);
        config.websocket.write_timeout = Duration::from_secs(1);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(Http::new(world.csp.clone(), Arc::new(NoPages), config, None).serve(listener, None, stopped));
        Self { world, address, _stop: stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A WebSocket that is open, and nothing was said on it.
    async fn web_socket(&self) -> TcpStream {
        let mut stream = self.connect().await;
        let ask = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        stream
    }

    /// A request on a new connection, with nothing special about it.
    async fn ask(&self, session: &str) -> String {
        let body = envelope(Some(session), "Request", "9", "<KeepAlive-Request/>");
        let mut stream = self.connect().await;
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.expect("no answer").unwrap();
        answer
    }

    async fn no_web_socket_is_left(&self) {
        let left = || {
            let rows = self.world.csp.services().metrics.rows();
            rows.iter().find(|row| row.0 == "hamlet_websockets").unwrap().3
        };
        for _ in 0..2000 {
            if left() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} are left", left());
    }
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.next() % most).map(|_| self.next() as u8).collect()
    }
}

/// Says something, and hangs up when the server does, or after a while.
async fn throw(mut stream: TcpStream, bytes: &[u8]) {
    // The server may have hung up on the first of it.
    let _ = stream.write_all(bytes).await;
    let mut rest = vec![0; 4096];
    while let Ok(Ok(read)) = timeout(Duration::from_millis(20), stream.read(&mut rest)).await {
        if read == 0 {
            break;
        }
    }
}

/// A frame of a client, masked with nothing.
fn frame(first: u8, length: u64, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match length {
        0..=125 => frame.push(0x80 | length as u8),
        126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(content);
    frame
}

#[tokio::test]
async fn rubbish_to_the_http_parser() {
    let server = Server::new().await;
    let alice = server.world.login("alice").await;
    let mut dice = Dice(0x5eed);
    let mut thrown: Vec<Vec<u8>> = (0..60).map(|_| dice.bytes(2000)).collect();
    let heads: [&[u8]; 14] = [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\nshort",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"GET /cir/%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /content/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
    ];
    thrown.extend(heads.iter().map(|head| head.to_vec()));
    // A head without an end, one header without an end, and thousands of them.
    thrown.push([b"GET / HTTP/1.1\r\n".as_slice(), &b"X: y\r\n".repeat(20_000)].concat());
    thrown.push([b"GET / HTTP/1.1\r\nX: ".as_slice(), &b"y".repeat(300_000)].concat());
    // A message that is cut off everywhere.
    let body = envelope(Some(&alice.session), "Request", "5", "<KeepAlive-Request/>");
    let whole = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    thrown.extend((1..whole.len()).step_by(29).map(|end| whole.as_bytes()[..end].to_vec()));
    for one in &thrown {
        throw(server.connect().await, one).await;
    }
    assert!(server.ask(&alice.session).await.contains("<Code>200</Code>"));
    // Rubbish behind an answer that was asked for spoils nothing but its own connection.
    let mut stream = server.connect().await;
    stream.write_all(whole.as_bytes()).await.unwrap();
    stream.write_all(&dice.bytes(500)).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.expect("it is hung up on");
    assert!(String::from_utf8_lossy(&answer).contains("<Code>200</Code>"));
    assert!(server.ask(&alice.session).await.contains("<Code>200</Code>"));
}

#[tokio::test]
async fn rubbish_to_the_web_socket_parser() {
    let server = Server::new().await;
    let alice = server.world.login("alice").await;
    let mut dice = Dice(0xfeed);
    let text = envelope(Some(&alice.session), "Request", "5", "<KeepAlive-Request/>");
    let good = frame(0x81, text.len() as u64, text.as_bytes());
    let mut thrown: Vec<Vec<u8>> = (0..40).map(|_| dice.bytes(600)).collect();
    thrown.extend([
        // Frames that announce more than may come: 16 MB, and all that can be said.
        frame(0x82, 16 << 20, b"short"),
        frame(0x82, u64::MAX, b""),
        frame(0x82, 1 << 63, b""),
        // Almost as much as may come, and then nothing.
        frame(0x82, (2 << 20) - 1, b"short"),
        // A continuation of nothing, a new message inside another, reserved bits and opcodes.
        frame(0x80, 2, b"ab"),
        [frame(0x01, 2, b"ab"), frame(0x81, 2, b"cd")].concat(),
        frame(0xf1, 2, b"ab"),
        frame(0x83, 2, b"ab"),
        frame(0x8f, 2, b"ab"),
        // Control frames that are too long, or in pieces.
        frame(0x89, 126, &[0; 126]),
        frame(0x09, 2, b"ab"),
        // Closes: of one byte, with a code that nobody may send, with words that are no text.
        frame(0x88, 1, b"a"),
        frame(0x88, 2, &[0x03, 0xed]),
        frame(0x88, 4, &[0x03, 0xe8, 0xff, 0xfe]),
        // Text that is none, a frame without a mask, no CSP at all, and nothing.
        frame(0x81, 3, &[0xff, 0xfe, 0xfd]),
        b"\x81\x02ab".to_vec(),
        frame(0x81, 5, b"hello"),
        frame(0x81, 0, b""),
    ]);
    // Whole messages in between, and a flood of empty fragments.
    thrown.push([good.clone(), frame(0x8b, 3, b"abc"), dice.bytes(100)].concat());
    thrown.push([frame(0x01, 0, b""), frame(0x00, 0, b"").repeat(50_000)].concat());
    thrown.extend((1..good.len()).step_by(37).map(|end| good[..end].to_vec()));
    for one in &thrown {
        throw(server.web_socket().await, one).await;
    }
    assert!(server.ask(&alice.session).await.contains("<Code>200</Code>"));
    // Closed in the middle, again and again, while something is being answered.
    for _ in 0..50 {
        let mut stream = server.web_socket().await;
        stream.write_all(&good).await.unwrap();
        stream.write_all(&good[..good.len() / 2]).await.unwrap();
        drop(stream);
    }
    server.no_web_socket_is_left().await;
    assert!(server.ask(&alice.session).await.contains("<Code>200</Code>"));
}

#[tokio::test]
async fn a_flood_of_pings_holds_up_nobody() {
    let server = Server::new().await;
    let alice = server.world.login("alice").await;
    let pings = frame(0x89, 100, &[b'p'; 100]).repeat(1000);
    // One who reads the answers, one who does not.
    let (mut reads, mut never) = (server.web_socket().await, server.web_socket().await);
    let flood = tokio::spawn(async move {
        let began = std::time::Duration::from_secs(3);
        let _ = timeout(began, async { while never.write_all(&pings).await.is_ok() {} }).await;
        never
    });
    let pings = frame(0x89, 100, &[b'p'; 100]).repeat(50);
    let mut pong = [0; 102];
    for _ in 0..200 {
        reads.write_all(&pings).await.unwrap();
        // The protocol answers the last of what came together; one answer comes in any case.
        timeout(Duration::from_secs(10), reads.read_exact(&mut pong)).await.expect("no pong").unwrap();
        assert_eq!(pong[..2], [0x8a, 100]);
        let asked = timeout(Duration::from_secs(5), alice.ask("7", "<KeepAlive-Request/>"));
        assert!(asked.await.expect("others wait").contains("<Code>200</Code>"));
    }
    // A message comes through among the pings.
    let login = "<Login-Request><UserID>wv:bob</UserID><ClientID><URL>t</URL></ClientID><Password>secret</Password>\
                 <SessionCookie>c</SessionCookie></Login-Request>";
    let text = envelope(None, "Request", "1", login);
    reads.write_all(&frame(0x81, text.len() as u64, text.as_bytes())).await.unwrap();
    let mut heard = String::new();
    let mut buffer = vec![0; 65_536];
    while !heard.contains("</WV-CSP-Message>") {
        let read = timeout(Duration::from_secs(10), reads.read(&mut buffer)).await.expect("no answer").unwrap();
        assert!(read > 0);
        heard.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    assert!(!between(&heard, "<SessionID>", "</SessionID>").is_empty());
    drop((flood.await.unwrap(), reads));
    server.no_web_socket_is_left().await;
}

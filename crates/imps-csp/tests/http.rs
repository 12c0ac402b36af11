//! The HTTP side, byte by byte over real sockets. CSP 15.1.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod world;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use imps_csp::transport::http::{Http, HttpConfig, OtherAnswer, OtherFace, OtherPost, Page, Pages, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use world::{World, between, envelope};

struct Health;

impl Pages for Health {
    fn page(&self, path: &str, _: IpAddr) -> Option<Page> {
        (path == "/healthz").then(|| Page {
            status: 200,
            content_type: "text/plain",
            body: Bytes::from_static(b"ready\n"),
        })
    }
}

struct Server {
    address: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl Server {
    async fn new(world: &World, config: HttpConfig) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(listener, world.csp.clone(), Arc::new(Health), config, stopped));
        Self { address, _stop: stop }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the server closes; the request says that it shall.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }
}

/// One answer of a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length: usize = between(&format!("{head}\r\n"), "Content-Length: ", "\r\n").parse().unwrap();
            if body.len() >= length {
                assert_eq!(body.len(), length, "nothing follows");
                return text;
            }
        }
        let mut some = [0; 4096];
        let count = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut some)).await.unwrap().unwrap();
        assert_ne!(count, 0, "closed after {text}");
        read.extend_from_slice(&some[..count]);
    }
}

fn post(target: &str, version: &str, headers: &str, body: &str) -> String {
    format!("POST {target} {version}\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

const TYPE: &str = "Content-Type: application/vnd.wv.csp+xml; charset=utf-8\r\n";

#[tokio::test]
async fn answers_have_a_length_and_the_type_of_the_request() {
    let world = World::new().await;
    let server = Server::new(&world, HttpConfig::default()).await;
    let alice = world.login("alice").await;
    let get_list = envelope(Some(&alice.session), "Request", "1", "<GetList-Request/>");
    let poll = envelope(Some(&alice.session), "Request", "", "<Polling-Request/>");
    let mut stream = server.connect().await;
    for target in ["/", "/any/path?query", "http://imps.example:8080/"] {
        stream.write_all(post(target, "HTTP/1.1", TYPE, &get_list).as_bytes()).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("<GetList-Response"), "{text}");
        assert!(text.contains(TYPE) && !text.contains("Transfer-Encoding"), "{text}");
        let head = text.split("\r\n\r\n").next().unwrap();
        for line in head.lines().skip(1) {
            let name = line.split(':').next().unwrap();
            assert!(name.split('-').all(|word| word.starts_with(char::is_uppercase)), "{name}");
        }
        stream.write_all(post(target, "HTTP/1.1", TYPE, &poll).as_bytes()).await.unwrap();
        let text = answer(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("Content-Length: 0\r\n"), "{text}");
    }
    // Two at once on one connection are answered one after the other.
    let both = post("/", "HTTP/1.1", TYPE, &get_list) + &post("/", "HTTP/1.1", "Connection: close\r\n", &poll);
    let text = server.exchange(both.as_bytes()).await;
    let (first, second) = (text.find("<GetList-Response").unwrap(), text.find("Content-Length: 0\r\n").unwrap());
    assert!(first < second, "{text}");
    assert!(
        text.contains("Content-Type: application/vnd.wv.csp.xml\r\n"),
        "without a type, that of what is said: {text}"
    );
}

#[tokio::test]
async fn old_and_careful_clients_are_served() {
    let world = World::new().await;
    let server = Server::new(&world, HttpConfig::default()).await;
    let body = envelope(None, "Request", "1", "<GetSPInfo-Request/>");
    let text = server.exchange(post("/", "HTTP/1.0", TYPE, &body).as_bytes()).await;
    assert!(
        text.contains(" 200 OK\r\n") && text.contains("Content-Length: ") && text.contains("<GetSPInfo-Response>"),
        "{text}"
    );
    let mut stream = server.connect().await;
    stream
        .write_all(post("/", "HTTP/1.0", &format!("{TYPE}Connection: keep-alive\r\n"), &body).as_bytes())
        .await
        .unwrap();
    assert!(answer(&mut stream).await.to_ascii_lowercase().contains("connection: keep-alive\r\n"));
    stream.write_all(post("/", "HTTP/1.0", TYPE, &body).as_bytes()).await.unwrap();
    assert!(answer(&mut stream).await.contains("<GetSPInfo-Response>"));

    let mut stream = server.connect().await;
    let (head, content) = (post("/", "HTTP/1.1", &format!("{TYPE}Expect: 100-continue\r\n"), &body), body.as_bytes());
    stream.write_all(&head.as_bytes()[..head.len() - content.len()]).await.unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(content).await.unwrap();
    assert!(answer(&mut stream).await.contains("<GetSPInfo-Response>"));

    let (one, other) = body.split_at(100);
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n",
        one.len(),
        other.len()
    );
    let text = server.exchange(chunked.as_bytes()).await;
    assert!(text.contains("<GetSPInfo-Response>") && text.contains("Content-Length: "), "{text}");
}

#[tokio::test]
async fn what_is_no_message_is_refused_in_words() {
    let world = World::new().await;
    let config = HttpConfig { body_max: 100_000, bodies_max: 0, ..HttpConfig::default() };
    let server = Server::new(&world, config).await;
    let close = "Connection: close\r\n";
    for (request, status, says) in [
        (format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{close}\r\n"), 200, "\r\n\r\nready\n"),
        (format!("HEAD /healthz HTTP/1.1\r\nHost: x\r\n{close}\r\n"), 200, "Content-Length: 6\r\n"),
        (format!("GET / HTTP/1.1\r\nHost: x\r\n{close}\r\n"), 404, "POST their messages"),
        (format!("DELETE / HTTP/1.1\r\nHost: x\r\n{close}\r\n"), 405, "Allow: POST, GET, HEAD\r\n"),
        (post("/", "HTTP/1.1", close, "hello"), 415, "CSP is spoken here"),
        (post("/", "HTTP/1.1", close, ""), 415, "CSP is spoken here"),
        (post("/", "HTTP/1.1", close, "<html/>"), 400, "no CSP message"),
        (format!("POST / HTTP/1.1\r\nHost: x\r\n{close}Content-Length: 100001\r\n\r\n"), 413, "too large"),
    ] {
        let text = server.exchange(request.as_bytes()).await;
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")) && text.contains(says), "{request}: {text}");
    }
    // A large one is taken as well, in pieces.
    let mut slow = server.connect().await;
    slow.write_all(format!("POST / HTTP/1.1\r\nHost: x\r\n{close}Content-Length: 90000\r\n\r\n<").as_bytes())
        .await
        .unwrap();
    slow.write_all(" ".repeat(89_999).as_bytes()).await.unwrap();
    assert!(answer(&mut slow).await.starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn large_bodies_that_stall_make_room_for_those_that_come() {
    let world = World::new().await;
    let config = HttpConfig { body_max: 200_000, bodies_max: 420_000, ..HttpConfig::default() };
    let server = Server::new(&world, config).await;
    let close = "Connection: close\r\n";
    let head = |length: usize| format!("POST / HTTP/1.1\r\nHost: x\r\n{close}Content-Length: {length}\r\n\r\n");
    let mut stalled = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(format!("{}{}", head(200_000), " ".repeat(190_000)).as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    // Small ones are not concerned.
    let small = post("/", "HTTP/1.1", close, &envelope(None, "Request", "1", "<GetSPInfo-Request/>"));
    let text = server.exchange(small.as_bytes()).await;
    assert!(text.contains("<GetSPInfo-Response>"), "{text}");
    // Long before their time is over there is room, whatever trickles.
    let large = format!("{}{}", head(180_000), " ".repeat(180_000));
    let comes_in = async {
        loop {
            let mut stream = server.connect().await;
            // Whoever is refused meanwhile may find the connection closed.
            let _ = stream.write_all(large.as_bytes()).await;
            let text = to_end(&mut stream).await;
            if text.starts_with("HTTP/1.1 415 ") {
                return;
            }
            assert!(text.is_empty() || text.starts_with("HTTP/1.1 503 "), "{text}");
            for stream in &mut stalled {
                let _ = stream.write_all(b" ").await;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), comes_in).await.unwrap();
    // Whoever made room hears so.
    let [one, other] = &mut stalled[..] else { panic!("there are two") };
    let told = async {
        tokio::select! { text = to_end(one) => text, text = to_end(other) => text }
    };
    let text = tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 503 "), "{text}");
}

/// What comes until the connection ends, however that is.
async fn to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn slow_connections_hinder_nobody_and_too_many_are_told() {
    let world = World::new().await;
    let server = Server::new(&world, HttpConfig { connections_max: 201, ..HttpConfig::default() }).await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = server.connect().await;
        stream.write_all(b"P").await.unwrap();
        slow.push(stream);
    }
    let request =
        post("/", "HTTP/1.1", "Connection: close\r\n", &envelope(None, "Request", "1", "<GetSPInfo-Request/>"));
    let served = tokio::time::timeout(Duration::from_secs(1), server.exchange(request.as_bytes())).await;
    assert!(served.unwrap().contains("<GetSPInfo-Response>"));
    let mut last = server.connect().await;
    last.write_all(b"P").await.unwrap();
    let mut told = Vec::new();
    for _ in 0..100 {
        let mut stream = server.connect().await;
        told.clear();
        // Nothing is sent, so the refusal comes whole.
        let read = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut told)).await;
        if matches!(read, Ok(Ok(_))) {
            break;
        }
    }
    assert!(told.starts_with(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\n"), "{}", told.escape_ascii());
}

#[tokio::test]
async fn an_idle_connection_is_kept_until_its_time() {
    let world = World::new().await;
    let config = HttpConfig { header_timeout: Duration::from_millis(300), ..HttpConfig::default() };
    assert!(HttpConfig::default().header_timeout > Duration::from_secs(120), "Nokia polls every 90 s");
    let server = Server::new(&world, config).await;
    let request = post("/", "HTTP/1.1", TYPE, &envelope(None, "Request", "1", "<GetSPInfo-Request/>"));
    let mut stream = server.connect().await;
    for _ in 0..5 {
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(&mut stream).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut rest)).await;
    assert!(matches!(ended, Ok(Ok(0))), "closed without a word");
}

/// A face that says what it got.
struct Echo;

impl OtherFace for Echo {
    fn takes(&self, content_type: &str) -> bool {
        content_type == "application/vnd.wv.ssp+xml"
    }

    fn post<'a>(&'a self, posted: OtherPost<'a>) -> BoxFuture<'a, OtherAnswer> {
        Box::pin(async move {
            assert!(!posted.secure);
            let headers = vec![("x-wv-status", posted.body.len().to_string())];
            OtherAnswer { status: 401, headers, body: "no such session" }
        })
    }
}

#[tokio::test]
async fn another_face_takes_what_is_of_its_own_type() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let http = Http::new(world.csp.clone(), Arc::new(Health), HttpConfig::default(), None);
    http.share_with(Arc::new(Echo));
    tokio::spawn(http.serve(listener, None, stopped));
    let server = Server { address, _stop: stop };
    let of = |content_type: &str, body: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let other = server.exchange(of("application/vnd.wv.ssp+xml", "12345").as_bytes()).await.to_lowercase();
    assert!(other.starts_with("http/1.1 401"), "{other}");
    assert!(other.contains("x-wv-status: 5\r\n") && other.ends_with("no such session"), "{other}");
    let message = envelope(None, "Request", "1", "<Polling-Request/>");
    let own = server.exchange(of("application/vnd.wv.csp.xml", &message).as_bytes()).await;
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
}

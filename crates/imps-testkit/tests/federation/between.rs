//! Stands between two domains, remembers what one posts to the other, and can be a bad connection.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::WITHIN;

/// A message that one domain posted to another.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) document: String,
    /// Whether a test posted it in the name of the domain.
    pub(crate) is_forged: bool,
}

impl Posted {
    /// The value of an attribute, wherever it stands first.
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        let start = self.document.find(&format!(" {name}=\""))? + name.len() + 3;
        self.document.get(start..)?.split('"').next()
    }

    /// Its transactions: mode, ID and content.
    pub(crate) fn transactions(&self) -> Vec<(&str, &str, &str)> {
        fn one(rest: &str) -> Option<(&str, &str, &str)> {
            let (mode, rest) = rest.split_once('"')?;
            let (head, rest) = rest.split_once('>')?;
            let id = head.split("transactionID=\"").nth(1)?.split('"').next()?;
            let content = rest.split("</Transaction>").next()?.split("</SetupTransaction>").next()?;
            Some((mode, id, content.trim()))
        }
        self.document.split("Transaction mode=\"").skip(1).filter_map(one).collect()
    }

    /// The names of its primitives.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.transactions().into_iter().map(|(_, _, content)| name_of(content)).collect()
    }
}

/// The name of the element that a text begins with.
pub(crate) fn name_of(content: &str) -> &str {
    content.trim_start_matches('<').split(['>', ' ', '/']).next().unwrap_or_default()
}

/// Everything that was posted between all domains, in the order in which it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wire(Arc<Mutex<Vec<Posted>>>);

impl Wire {
    fn add(&self, posted: Posted) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(posted);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What was posted since there were so many.
    pub(crate) fn since(&self, count: usize) -> Vec<Posted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(count..).unwrap_or_default().to_vec()
    }

    /// What was posted from one domain to another.
    pub(crate) fn posted(&self, from: &str, to: &str) -> Vec<Posted> {
        self.since(0).into_iter().filter(|one| one.from == from && one.to == to).collect()
    }

    /// The names of the primitives that went from one domain to another since there were so many messages.
    pub(crate) fn names(&self, since: usize, from: &str, to: &str) -> Vec<String> {
        let posted = self.since(since).into_iter().filter(|one| one.from == from && one.to == to);
        posted.flat_map(|one| one.names().into_iter().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// Waits until a primitive of this name has gone from one domain to another since there were so many messages; its
    /// transaction ID and the element.
    pub(crate) async fn wait_for(&self, since: usize, from: &str, to: &str, name: &str) -> (String, String) {
        let look = async {
            loop {
                for one in self.since(since).iter().filter(|one| one.from == from && one.to == to) {
                    if let Some((_, id, content)) = one.transactions().into_iter().find(|it| name_of(it.2) == name) {
                        return (id.to_owned(), content.to_owned());
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(WITHIN, look).await;
        found.unwrap_or_else(|_| panic!("no {name} from {from} to {to}: {:#?}", self.since(since)))
    }

    /// Waits until one domain has answered a transaction of another; the answer.
    pub(crate) async fn answer_to(&self, transaction: &str, from: &str, to: &str) -> String {
        self.answer_since(0, transaction, from, to).await
    }

    /// The same, since there were so many messages.
    pub(crate) async fn answer_since(&self, since: usize, transaction: &str, from: &str, to: &str) -> String {
        let look = async {
            loop {
                for one in self.since(since).iter().filter(|one| one.from == from && one.to == to) {
                    let is_it = |it: &(&str, &str, &str)| it.0 == "Response" && it.1 == transaction;
                    if let Some((_, _, content)) = one.transactions().into_iter().find(is_it) {
                        return content.to_owned();
                    }
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(WITHIN, look).await;
        found.unwrap_or_else(|_| panic!("{from} does not answer {transaction}: {:#?}", self.since(since)))
    }

    /// Waits until nothing has been posted for a while.
    pub(crate) async fn quiet(&self) {
        let (mut last, mut still) = (self.len(), 0);
        while still < 8 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = self.len();
            still = if now == last { still + 1 } else { 0 };
            last = now;
        }
    }
}

/// What kind of connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    /// Passes on what comes.
    Well = 0,
    /// Hangs up on everybody.
    Cut = 1,
    /// Says that it took a message, and forgets it.
    Forgetful = 2,
}

/// Passes on what one domain posts to another.
pub(crate) struct Between {
    address: SocketAddr,
    mood: Arc<AtomicU8>,
}

/// What a connection is part of.
#[derive(Clone)]
struct Way {
    wire: Wire,
    from: String,
    to: String,
    server: SocketAddr,
    mood: Arc<AtomicU8>,
}

impl Between {
    /// In front of this server.
    pub(crate) async fn new(wire: &Wire, from: &str, to: &str, server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mood = Arc::new(AtomicU8::new(Mood::Well as u8));
        let way = Way { wire: wire.clone(), from: from.to_owned(), to: to.to_owned(), server, mood: mood.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(way.clone().pass(stream));
            }
        });
        Self { address, mood }
    }

    /// Where to post instead.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it is such a connection.
    pub(crate) fn becomes(&self, mood: Mood) {
        self.mood.store(mood as u8, Ordering::SeqCst);
    }
}

impl Way {
    fn is(&self, mood: Mood) -> bool {
        self.mood.load(Ordering::SeqCst) == mood as u8
    }

    async fn pass(self, from: TcpStream) {
        if self.is(Mood::Cut) {
            return;
        }
        let Ok(to) = TcpStream::connect(self.server).await else { return };
        let ((mut from_read, from_write), (mut to_read, mut to_write)) = (from.into_split(), to.into_split());
        let from_write = Arc::new(tokio::sync::Mutex::new(from_write));
        let back_to = from_write.clone();
        let forth = async {
            let (mut piece, mut rest, mut held) = (vec![0; 64 << 10], Vec::new(), Vec::new());
            while let Ok(count @ 1..) = from_read.read(&mut piece).await {
                let Some(read) = piece.get(..count) else { break };
                rest.extend_from_slice(read);
                held.extend_from_slice(read);
                let mut whole = 0;
                while let Some((document, length, is_forged)) = first(&rest) {
                    let (from, to) = (self.from.clone(), self.to.clone());
                    self.wire.add(Posted { from, to, document, is_forged });
                    rest.drain(..length);
                    whole += 1;
                }
                if self.is(Mood::Cut) {
                    break;
                }
                if self.is(Mood::Forgetful) {
                    let receipt = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".repeat(whole);
                    held.clear();
                    if from_write.lock().await.write_all(&receipt).await.is_err() {
                        break;
                    }
                    continue;
                }
                if to_write.write_all(&std::mem::take(&mut held)).await.is_err() {
                    break;
                }
            }
        };
        let back = async {
            let mut piece = vec![0; 64 << 10];
            while let Ok(count @ 1..) = to_read.read(&mut piece).await {
                let Some(read) = piece.get(..count) else { break };
                if self.is(Mood::Cut) || back_to.lock().await.write_all(read).await.is_err() {
                    break;
                }
            }
        };
        // When one side is gone, so is the other.
        tokio::select! {
            () = forth => {}
            () = back => {}
        }
    }
}

/// What a test says of itself when it posts something in the name of a domain.
const FORGED: &str = "x-forged: yes";

/// The first request of a connection: its body, how long it is, and whether a test has made it up.
fn first(bytes: &[u8]) -> Option<(String, usize, bool)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(bytes.get(..end)?).to_lowercase();
    let length = head.split("content-length:").nth(1)?.split("\r\n").next()?.trim().parse::<usize>().ok()?;
    let body = bytes.get(end..end + length)?;
    Some((String::from_utf8_lossy(body).into_owned(), end + length, head.contains(FORGED)))
}

/// A page of a server.
pub(crate) async fn get(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

/// Posts a document to a server; the HTTP status, 0 where there is no answer.
pub(crate) async fn post(server: SocketAddr, document: &str) -> u16 {
    let mut stream = TcpStream::connect(server).await.expect("a connection");
    let length = document.len();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/vnd.wv.ssp+xml\r\nContent-Length: {length}\r\n\
         {FORGED}\r\nConnection: close\r\n\r\n{document}"
    );
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    // Whoever hangs up has not answered.
    let _ = stream.read_to_string(&mut answer).await;
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
}

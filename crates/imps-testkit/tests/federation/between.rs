//! Stands between two domains, and remembers what one posts to the other.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The bytes of each connection, as they came.
type Heard = Arc<Mutex<Vec<(usize, Vec<u8>)>>>;

/// Passes on what is posted to a server.
pub(crate) struct Between {
    address: SocketAddr,
    heard: Heard,
}

impl Between {
    /// In front of this server.
    pub(crate) async fn new(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let heard = Heard::default();
        let log = heard.clone();
        tokio::spawn(async move {
            let mut connections = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connections += 1;
                tokio::spawn(pass(stream, server, log.clone(), connections));
            }
        });
        Self { address, heard }
    }

    /// Where to post instead.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The messages, by the order in which they began to come.
    pub(crate) fn documents(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (mut open, mut documents) = (std::collections::HashMap::<usize, Vec<u8>>::new(), Vec::new());
        for (connection, bytes) in heard {
            let rest = open.entry(connection).or_default();
            rest.extend(bytes);
            while let Some((document, length)) = first(rest) {
                documents.push(document);
                rest.drain(..length);
            }
        }
        documents
    }

    /// The primitives that were posted, by name.
    pub(crate) fn primitives(&self) -> Vec<String> {
        self.documents().iter().flat_map(|document| names(document)).collect()
    }
}

/// The first request of a connection: its body, and how long it is.
fn first(bytes: &[u8]) -> Option<(String, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
    let length = head.split("content-length:").nth(1)?.split("\r\n").next()?.trim().parse::<usize>().ok()?;
    let body = bytes.get(end..end + length)?;
    Some((String::from_utf8_lossy(body).into_owned(), end + length))
}

/// The names of the primitives of a message: the first thing in each transaction, or in the step of a set-up.
fn names(document: &str) -> Vec<String> {
    let contents = document.split("Transaction mode=").skip(1);
    let name = |content: &str| {
        let inside = content.split_once('>')?.1.trim_start().strip_prefix('<')?;
        Some(inside.split(['>', ' ', '/']).next()?.to_owned())
    };
    contents.filter_map(name).collect()
}

async fn pass(from: TcpStream, server: SocketAddr, log: Heard, connection: usize) {
    let Ok(to) = TcpStream::connect(server).await else { return };
    let ((mut from_read, mut from_write), (mut to_read, mut to_write)) = (from.into_split(), to.into_split());
    let forth = async {
        let mut piece = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_read.read(&mut piece).await {
            log.lock().unwrap_or_else(PoisonError::into_inner).push((connection, piece[..count].to_vec()));
            if to_write.write_all(&piece[..count]).await.is_err() {
                break;
            }
        }
    };
    let back = tokio::io::copy(&mut to_read, &mut from_write);
    // When one side is gone, so is the other.
    tokio::select! {
        () = forth => {}
        _ = back => {}
    }
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

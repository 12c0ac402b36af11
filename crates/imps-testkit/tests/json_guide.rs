//! The examples of `docs/json.md`, sent to a server as they stand: what comes back must be what stands there.
//!
//! With `HAMLET_WRITE_GUIDE=1` the answers in the document are replaced by those that came.

use std::path::Path;

use imps_testkit::phone::schema;
use imps_testkit::server::{EngineKind, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is different each time, by key: the document has a name for each.
const DIFFERENT: [&str; 3] = ["SessionID", "MessageID", "TransactionID"];

/// A piece of the document.
enum Piece<'a> {
    Prose(&'a str),
    /// A request: all of its block.
    Request(&'a str),
    /// The answer to the request before.
    Answer(&'a str),
}

fn pieces(document: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = document;
    while let Some(start) = rest.find("```") {
        let (prose, block) = rest.split_at(start);
        pieces.push(Piece::Prose(prose));
        let end = block.find("\n```\n").expect("a block that ends") + 5;
        let (block, behind) = block.split_at(end);
        pieces.push(match block {
            _ if block.starts_with("```json\n") => Piece::Answer(block),
            _ if block.contains("<<'END'") => Piece::Request(block),
            _ => Piece::Prose(block),
        });
        rest = behind;
    }
    pieces.push(Piece::Prose(rest));
    pieces
}

/// The message in a block with a `curl` line.
fn message(block: &str) -> &str {
    let (_, rest) = block.split_once("<<'END'\n").expect("a message");
    rest.split_once("\nEND\n").expect("an end").0
}

async fn post(server: &Server, body: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/vnd.hamlet.csp+json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

/// Gives what is different each time the name that it has in the document, or a new one.
fn renamed(text: &str, names: &mut Vec<(String, &'static str)>) -> String {
    let mut renamed = text.to_owned();
    for key in DIFFERENT {
        let start = format!("\"{key}\":\"");
        let Some((_, rest)) = text.split_once(&start) else { continue };
        let value = rest.split('"').next().unwrap_or_default();
        // Of the TransactionIDs only the server's own are different each time.
        let is_ours = key == "TransactionID" && value.parse::<u32>().is_ok();
        if !is_ours && names.iter().all(|(known, _)| known != value) {
            let known = |start: &str| names.iter().filter(|(_, name)| name.starts_with(start)).count();
            let name = match key {
                "SessionID" if known("SESSION") == 0 => "SESSION",
                "SessionID" => "SESSION-OF-BOB",
                "TransactionID" if known("SERVERS") == 0 => "SERVERS-1",
                "TransactionID" => "SERVERS-2",
                _ => "MESSAGE",
            };
            names.push((value.to_owned(), name));
        }
    }
    for (value, name) in names {
        renamed = renamed.replace(&format!("\"{value}\""), &format!("\"{name}\""));
    }
    renamed
}

/// Compact JSON as people write it: what fits into a line stands in one.
fn pretty(text: &str, indent: usize) -> String {
    const WIDTH: usize = 110;
    let parts = parts(text);
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().last()) else { return String::new() };
    if parts.is_empty() || !matches!(first, '{' | '[') {
        return text.to_owned();
    }
    let laid_out = |part: &&str, indent: usize| match part.split_once("\":").filter(|_| first == '{') {
        Some((key, value)) => format!("{key}\": {}", pretty(value, indent)),
        None => pretty(part, indent),
    };
    let line: Vec<String> = parts.iter().map(|part| laid_out(part, 0)).collect();
    let line = format!("{first}{}{last}", line.join(", "));
    if line.len() + indent <= WIDTH && !line.contains('\n') {
        return line;
    }
    let lines: Vec<String> =
        parts.iter().map(|part| format!("{:indent$}{}", "", laid_out(part, indent + 2), indent = indent + 2)).collect();
    format!("{first}\n{}\n{:indent$}{last}", lines.join(",\n"), "")
}

/// The members or items of an object or list.
fn parts(text: &str) -> Vec<&str> {
    let Some(inner) = text.get(1..text.len().saturating_sub(1)) else { return Vec::new() };
    let (mut parts, mut start, mut nesting, mut in_string, mut escaped) = (Vec::new(), 0, 0, false, false);
    for (at, character) in inner.char_indices() {
        match character {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if in_string => escaped = true,
            '"' => in_string = !in_string,
            '{' | '[' if !in_string => nesting += 1,
            '}' | ']' if !in_string => nesting -= 1,
            ',' if !in_string && nesting == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(Some(&inner[start..]).filter(|last| !last.is_empty()));
    parts
}

#[tokio::test]
async fn what_stands_in_the_guide_is_what_comes_back() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json.md");
    let document = std::fs::read_to_string(&path).expect("the guide");
    let server = Server::start(EngineKind::Memory, &[]).await.expect("a server");
    for user in ["alice", "bob"] {
        server.add_user(user, "PASSWORD", None).await.expect("a user");
    }
    // What came, and its name in the document.
    let mut names = Vec::new();
    let (mut written, mut answer, mut count) = (String::new(), None, 0);
    for piece in pieces(&document) {
        match piece {
            Piece::Prose(prose) => written.push_str(prose),
            Piece::Request(block) => {
                assert_eq!(answer, None, "an answer that the guide does not show");
                let mut body = message(block).to_owned();
                check_request(&body);
                for (value, name) in &names {
                    body = body.replace(&format!("\"{name}\""), &format!("\"{value}\""));
                }
                let came = post(&server, &body).await;
                answer = (!came.is_empty()).then_some(came);
                written.push_str(block);
                count += 1;
            }
            Piece::Answer(block) => {
                let came = answer.take().expect("an answer");
                schema::check(came.as_bytes()).expect("an answer as the schema has it");
                let block_now = format!("```json\n{}\n```\n", pretty(&renamed(&came, &mut names), 0));
                written.push_str(&block_now);
                if std::env::var_os("HAMLET_WRITE_GUIDE").is_none() {
                    assert_eq!(block, block_now, "docs/json.md: run this test with HAMLET_WRITE_GUIDE=1");
                }
            }
        }
    }
    assert_eq!(answer, None, "an answer that the guide does not show");
    assert!(count >= 8, "{count} requests");
    if std::env::var_os("HAMLET_WRITE_GUIDE").is_some() {
        std::fs::write(&path, written).expect("the guide");
    }
}

/// What we tell others to send is what the schema says.
fn check_request(body: &str) {
    if let Err(error) = schema::check(body.as_bytes()) {
        panic!("{error}");
    }
}

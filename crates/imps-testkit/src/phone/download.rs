//! Contents by their URL, as something beside the phone fetches them (CSP 1, MessageURI).

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a content may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a URL gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The content.
    pub body: Vec<u8>,
}

impl Download {
    /// The value of a header, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Fetches a URL of this server.
///
/// # Errors
/// When it is no URL, or the answer is no HTTP.
pub async fn download(url: &str) -> Result<Download, String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("`{url}` is no URL"))?;
    let (host, path) = rest.split_once('/').ok_or_else(|| format!("`{url}` has no path"))?;
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(host).await.map_err(text)?;
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(text)?;
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    read.map_err(|_| "the content does not come".to_owned())?.map_err(text)?;
    parse(&answer).ok_or_else(|| format!("`{url}` is answered with something that is no HTTP"))
}

fn parse(answer: &[u8]) -> Option<Download> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(answer.get(..end)?).ok()?, answer.get(end + 4..)?);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers: Vec<_> = lines.filter_map(header).collect();
    let download = Download { status, headers, body: body.to_vec() };
    let length = download.header("content-length")?.parse::<usize>().ok()?;
    (length == download.body.len()).then_some(download)
}

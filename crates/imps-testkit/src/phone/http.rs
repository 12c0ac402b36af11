//! HTTP/1.1 as a phone speaks it: one connection that is kept, one exchange at a time, and a close look at every answer.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::secure::{Stream, connect};

/// How long a phone waits for an answer (CSP 17: Android's is 45 s; nobody here is on a phone network).
const PATIENCE: Duration = Duration::from_secs(20);
/// Largest answer that is read.
const ANSWER_MAX: usize = 16 << 20;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// Header fields in their order, names as sent.
    pub headers: Vec<(String, String)>,
    /// What was in it.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// What phones would stumble over in an answer that is CSP, to a request of this type (CSP 15.1).
    ///
    /// # Errors
    /// The first thing found.
    pub fn check_csp(&self, request_type: &str) -> Result<(), String> {
        if self.status != 200 {
            return Err(format!("HTTP {} instead of 200: {}", self.status, String::from_utf8_lossy(&self.body)));
        }
        self.check_form()?;
        if !self.body.is_empty() && self.header("Content-Type") != Some(request_type) {
            return Err(format!(
                "the answer to `{request_type}` has the Content-Type {:?}",
                self.header("Content-Type").unwrap_or("(none)")
            ));
        }
        Ok(())
    }

    /// What holds for every answer, CSP or not.
    ///
    /// # Errors
    /// The first thing found.
    pub fn check_form(&self) -> Result<(), String> {
        for (name, _) in &self.headers {
            let is_title_case = name.split('-').all(|word| word.starts_with(|first: char| first.is_ascii_uppercase()));
            if !is_title_case {
                return Err(format!("header `{name}` is not in Title-Case"));
            }
        }
        if self.header("Transfer-Encoding").is_some() {
            return Err("the answer has a Transfer-Encoding".to_owned());
        }
        if self.header("Content-Encoding").is_some() {
            return Err("the answer is compressed".to_owned());
        }
        match self.headers.iter().filter(|(name, _)| name == "Content-Length").count() {
            1 => Ok(()),
            count => Err(format!("the answer has {count} Content-Length headers")),
        }
    }
}

/// A client with at most one connection.
#[derive(Debug)]
pub struct Http {
    address: SocketAddr,
    is_secure: bool,
    connection: Option<Box<dyn Stream>>,
    /// Bytes that were read and not used.
    rest: Vec<u8>,
    /// Whether every request waits for `100 Continue` before its body (CSP 17, Colibria).
    pub expects_continue: bool,
    /// Where requests go.
    pub path: String,
    /// The number that the gateway of its network puts into the header.
    pub number: Option<String>,
}

enum Failure {
    /// The connection was closed before the first byte of an answer.
    Gone,
    Other(String),
}

fn other(error: impl std::fmt::Display) -> Failure {
    Failure::Other(error.to_string())
}

impl Http {
    /// For this server; nothing is connected yet.
    pub fn new(address: SocketAddr, is_secure: bool) -> Self {
        Self {
            address,
            is_secure,
            connection: None,
            rest: Vec::new(),
            expects_continue: false,
            path: "/".to_owned(),
            number: None,
        }
    }

    /// The server is to be found elsewhere from now on.
    pub fn moves_to(&mut self, address: SocketAddr) {
        self.address = address;
        self.connection = None;
    }

    /// Goes away without a word.
    pub fn hang_up(&mut self) {
        self.connection = None;
    }

    /// Posts a message. On a kept connection that turns out to be closed the request goes out once more on a new one, as
    /// HTTP libraries do.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub async fn post(&mut self, content_type: &str, body: &[u8]) -> Result<Answer, String> {
        let is_fresh = self.connection.is_none();
        match timeout(PATIENCE, self.exchange(content_type, body)).await {
            Err(_) => {
                self.connection = None;
                Err(format!("no HTTP answer within {} s", PATIENCE.as_secs()))
            }
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(Failure::Gone)) if !is_fresh => {
                self.connection = None;
                match timeout(PATIENCE, self.exchange(content_type, body)).await {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(Failure::Other(text))) => Err(text),
                    Ok(Err(Failure::Gone)) => Err("the server closes connections without an answer".to_owned()),
                    Err(_) => Err(format!("no HTTP answer within {} s", PATIENCE.as_secs())),
                }
            }
            Ok(Err(failure)) => {
                self.connection = None;
                Err(match failure {
                    Failure::Gone => "the server closed the connection without an answer".to_owned(),
                    Failure::Other(text) => text,
                })
            }
        }
    }

    async fn exchange(&mut self, content_type: &str, body: &[u8]) -> Result<Answer, Failure> {
        if self.connection.is_none() {
            let connection = connect(self.address, self.is_secure).await.map_err(other)?;
            self.rest.clear();
            self.connection = Some(connection);
        }
        let expect = if self.expects_continue { "Expect: 100-continue\r\n" } else { "" };
        let number = self.number.as_ref().map(|number| format!("X-MSISDN: {number}\r\n")).unwrap_or_default();
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nAccept: */*\r\n\
            {number}{expect}\r\n",
            self.path,
            self.address,
            body.len()
        );
        let mut request = head.into_bytes();
        if self.expects_continue {
            self.write(&request).await?;
            let interim = self.read_head().await?;
            if interim.status != 100 {
                // The server has decided without the body.
                return self.read_body(interim).await;
            }
            self.write(body).await?;
        } else {
            request.extend_from_slice(body);
            self.write(&request).await?;
        }
        let answer = self.read_head().await?;
        self.read_body(answer).await
    }

    fn stream(&mut self) -> Result<&mut Box<dyn Stream>, Failure> {
        self.connection.as_mut().ok_or(Failure::Gone)
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        // What the server says before it hangs up is read first; so a failed write is no answer, no more.
        let stream = self.stream()?;
        stream.write_all(bytes).await.map_err(|_| Failure::Gone)?;
        // What TLS has made of it.
        stream.flush().await.map_err(|_| Failure::Gone)
    }

    async fn read_more(&mut self) -> Result<usize, Failure> {
        let mut buffer = vec![0; 16 << 10];
        let stream = self.connection.as_mut().ok_or(Failure::Gone)?;
        let read = match stream.read(&mut buffer).await {
            Ok(read) => read,
            Err(_) if self.rest.is_empty() => return Err(Failure::Gone),
            Err(error) => return Err(other(error)),
        };
        self.rest.extend_from_slice(buffer.get(..read).unwrap_or_default());
        Ok(read)
    }

    async fn read_head(&mut self) -> Result<Answer, Failure> {
        let end = loop {
            if let Some(end) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if self.rest.len() > 64 << 10 {
                return Err(other("the answer has more than 64 KiB of headers"));
            }
            if self.read_more().await? == 0 {
                return Err(if self.rest.is_empty() { Failure::Gone } else { other("the answer ends in its headers") });
            }
        };
        let head: Vec<u8> = self.rest.drain(..end + 4).collect();
        let head = String::from_utf8(head).map_err(|_| other("the headers are not UTF-8"))?;
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| other(format!("`{status_line}` is no status line of HTTP/1.1")))?;
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or_else(|| other(format!("`{line}` is no header")))?;
            headers.push((name.to_owned(), value.trim().to_owned()));
        }
        Ok(Answer { status, headers, body: Vec::new() })
    }

    async fn read_body(&mut self, mut answer: Answer) -> Result<Answer, Failure> {
        let length: usize = match answer.header("Content-Length").map(str::parse) {
            Some(Ok(length)) if length <= ANSWER_MAX => length,
            Some(_) => return Err(other("the answer has a Content-Length that cannot be")),
            None => return Err(other("the answer has no Content-Length")),
        };
        while self.rest.len() < length {
            if self.read_more().await? == 0 {
                return Err(other(format!("the answer ends after {} of {length} bytes", self.rest.len())));
            }
        }
        answer.body = self.rest.drain(..length).collect();
        let closes = answer.header("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if closes || !self.rest.is_empty() {
            self.connection = None;
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "application/vnd.wv.csp.xml";

    fn outcome(status: u16, headers: &[(&str, &str)], body: &str) -> Result<(), String> {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Answer { status, headers, body: body.into() }.check_csp(TYPE)
    }

    #[test]
    fn what_phones_stumble_over() {
        let (length, right) = (("Content-Length", "1"), ("Content-Type", TYPE));
        assert_eq!(outcome(200, &[length, right, ("Date", "today")], "x"), Ok(()));
        assert_eq!(outcome(200, &[("Content-Length", "0")], ""), Ok(()), "nothing to send has no type");
        for (status, headers) in [
            (204, vec![length, right]),
            (404, vec![length, right]),
            (200, vec![right]),
            (200, vec![length, length, right]),
            (200, vec![length, ("content-type", TYPE)]),
            (200, vec![length, ("Content-Type", "application/xml")]),
            (200, vec![length, right, ("Transfer-Encoding", "chunked")]),
            (200, vec![length, right, ("Content-Encoding", "gzip")]),
        ] {
            assert!(outcome(status, &headers, "x").is_err(), "{status} {headers:?}");
        }
    }
}

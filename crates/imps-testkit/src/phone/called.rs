//! Being called: the phone's side of the CIR channels (CSP 15.4).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

/// How long a phone waits for what must come.
const PATIENCE: Duration = Duration::from_secs(15);

/// The channels that a phone listens on.
#[derive(Debug, Default)]
pub struct Called {
    tcp: Option<Line>,
    udp: Option<UdpSocket>,
    http: Option<Http>,
    /// Where it asks by HTTP: a URL of its own.
    url: Option<(SocketAddr, String)>,
}

/// A TCP connection that speaks in lines. What one read returns counts as one, as for a Nokia.
#[derive(Debug)]
struct Line {
    stream: TcpStream,
    reads: VecDeque<String>,
}

/// A request that waits.
#[derive(Debug)]
struct Http {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What came on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `tcp`, `udp` or `http`.
    pub way: &'static str,
    /// What it said.
    pub said: String,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl Line {
    async fn read(&mut self, within: Duration) -> Result<Option<String>, String> {
        if let Some(read) = self.reads.pop_front() {
            return Ok(Some(read));
        }
        let mut buffer = [0; 512];
        let Ok(read) = timeout(within, self.stream.read(&mut buffer)).await else { return Ok(None) };
        match read.map_err(text)? {
            0 => Err("the server hung up".to_owned()),
            read => {
                let said = String::from_utf8(buffer.get(..read).unwrap_or_default().to_vec()).map_err(text)?;
                let line = said.strip_suffix("\r\n").ok_or_else(|| format!("{said:?} does not end a line"))?;
                if line.contains('\n') {
                    return Err(format!("two lines came together: {said:?}"));
                }
                Ok(Some(line.to_owned()))
            }
        }
    }

    async fn ask(&mut self, line: &str) -> Result<(), String> {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.map_err(text)?;
        loop {
            match self.read(PATIENCE).await? {
                Some(said) if said == "OK" => return Ok(()),
                // It may be called just now.
                Some(said) if said.starts_with("WVCI ") => self.reads.push_back(said),
                Some(said) => return Err(format!("{line} was answered with {said:?}")),
                None => return Err(format!("{line} was not answered")),
            }
        }
    }
}

impl Http {
    /// The answer, if it has come in this time: status, and body.
    async fn answer(&mut self, within: Duration) -> Result<Option<(u16, String)>, String> {
        let mut buffer = [0; 1024];
        loop {
            let said = String::from_utf8_lossy(&self.read).into_owned();
            if let Some((head, body)) = said.split_once("\r\n\r\n") {
                let status: u16 = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or(0);
                let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    return Ok(Some((status, body.to_owned())));
                }
            }
            let Ok(read) = timeout(within, self.stream.read(&mut buffer)).await else { return Ok(None) };
            match read.map_err(text)? {
                0 => return Err("the server hung up without an answer".to_owned()),
                read => self.read.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            }
        }
    }
}

impl Called {
    /// Connects by TCP and names the session.
    ///
    /// # Errors
    /// Among others when the server hangs up: it does not know the session.
    pub async fn listen_by_tcp(&mut self, address: SocketAddr, session: &str) -> Result<(), String> {
        let stream = TcpStream::connect(address).await.map_err(text)?;
        let mut line = Line { stream, reads: VecDeque::new() };
        line.ask(&format!("HELO {session}")).await?;
        self.tcp = Some(line);
        Ok(())
    }

    /// Opens a port for datagrams: which one.
    ///
    /// # Errors
    /// When there is none.
    pub async fn listen_by_udp(&mut self) -> Result<u16, String> {
        let socket = UdpSocket::bind("127.0.0.1:0").await.map_err(text)?;
        let port = socket.local_addr().map_err(text)?.port();
        self.udp = Some(socket);
        Ok(port)
    }

    /// The port for datagrams.
    pub fn udp_port(&self) -> Option<u16> {
        self.udp.as_ref()?.local_addr().ok().map(|address| address.port())
    }

    /// Asks for the CIR URL, and leaves the question open.
    ///
    /// # Errors
    /// When the URL is none, or the server does not answer there.
    pub async fn listen_by_http(&mut self, url: &str) -> Result<(), String> {
        let rest = url.strip_prefix("http://").ok_or_else(|| format!("`{url}` is no URL"))?;
        let (host, path) = rest.split_once('/').ok_or_else(|| format!("`{url}` has no path"))?;
        let address = host.parse().map_err(|_| format!("`{host}` is no address"))?;
        self.url = Some((address, format!("/{path}")));
        self.ask_by_http().await
    }

    async fn ask_by_http(&mut self) -> Result<(), String> {
        let Some((address, path)) = &self.url else { return Err("there is no CIR URL yet".to_owned()) };
        let mut stream = TcpStream::connect(address).await.map_err(text)?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(text)?;
        self.http = Some(Http { stream, read: Vec::new() });
        Ok(())
    }

    /// Goes off one channel, or all.
    pub fn hang_up(&mut self, way: Option<&str>) {
        if matches!(way, None | Some("tcp")) {
            self.tcp = None;
        }
        if matches!(way, None | Some("udp")) {
            self.udp = None;
        }
        if matches!(way, None | Some("http")) {
            (self.http, self.url) = (None, None);
        }
    }

    /// Asks whether the server is there.
    ///
    /// # Errors
    /// When it does not answer as it should.
    pub async fn ping(&mut self) -> Result<(), String> {
        self.tcp.as_mut().ok_or("there is no TCP connection")?.ask("PING ").await
    }

    /// Whether the server ends the TCP connection.
    ///
    /// # Errors
    /// When it says something instead, or nothing.
    pub async fn is_hung_up(&mut self) -> Result<(), String> {
        let line = self.tcp.as_mut().ok_or("there is no TCP connection")?;
        loop {
            match line.read(PATIENCE).await {
                Err(_) => break,
                Ok(Some(said)) if said.starts_with("WVCI ") => {}
                Ok(Some(said)) => return Err(format!("the server said {said:?}")),
                Ok(None) => return Err("the server did not hang up".to_owned()),
            }
        }
        self.tcp = None;
        Ok(())
    }

    /// The next call on any channel, if there is one in this time. A request by HTTP that was answered with nothing is
    /// repeated, as clients do; one that was answered with a call is not: the client polls now.
    ///
    /// # Errors
    /// When a channel fails.
    pub async fn next(&mut self, within: Option<Duration>) -> Result<Option<Call>, String> {
        const GLANCE: Duration = Duration::from_millis(10);
        let rounds = within.unwrap_or(PATIENCE).as_millis() / GLANCE.as_millis();
        for _ in 0..=rounds {
            let mut has_waited = false;
            if let Some(line) = &mut self.tcp {
                has_waited = true;
                if let Some(said) = line.read(GLANCE).await? {
                    return Ok(Some(Call { way: "tcp", said }));
                }
            }
            if let Some(socket) = &self.udp {
                has_waited = true;
                let mut buffer = [0; 512];
                if let Ok(read) = timeout(GLANCE, socket.recv(&mut buffer)).await {
                    let said = String::from_utf8_lossy(buffer.get(..read.map_err(text)?).unwrap_or_default());
                    return Ok(Some(Call { way: "udp", said: said.into_owned() }));
                }
            }
            if let Some(http) = &mut self.http {
                has_waited = true;
                match http.answer(GLANCE).await? {
                    None => {}
                    Some((200, said)) => {
                        self.http = None;
                        return Ok(Some(Call { way: "http", said }));
                    }
                    Some((204, body)) if body.is_empty() => self.ask_by_http().await?,
                    Some(other) => return Err(format!("the CIR URL was answered with {other:?}")),
                }
            }
            if !has_waited {
                tokio::time::sleep(GLANCE).await;
            }
        }
        Ok(None)
    }
}

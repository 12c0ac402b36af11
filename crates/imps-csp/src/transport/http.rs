//! CSP over HTTP/1.1 and HTTPS (CSP 15.1): POST on any path, an answer with Content-Length, and nothing to send is an
//! empty 200. GET is for pages, for large contents, for CIR URLs (CSP 15.4), and for opening a WebSocket.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::account;
use super::bodies::{Bodies, Full as NoRoom, Share};
use super::content;
use super::gateway::{Gateways, Networks};
use super::tls::Tls;
use super::websocket::{self, Agreed, Memory, Opening, WebSocketConfig};
use crate::channel::Channel;
use crate::cir::http::Called;
use crate::{Answer, Csp, Exchange};

/// Settings of the listener.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Bytes of the largest body.
    pub body_max: usize,
    /// Bytes of large bodies that are in memory at once. When there is no more room, those that have stalled are told to come
    /// back, or else further ones are.
    pub bodies_max: usize,
    /// How long a connection may at least wait for, or take over, the head of a request; twice as long at most. Phones poll every 90 s when nothing
    /// happens (CSP 15.4), and must not find the connection closed just then.
    pub header_timeout: Duration,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// Connections at once; further ones are told to come back.
    pub connections_max: usize,
    /// How long open requests get to finish when the server stops.
    pub stop_timeout: Duration,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// What holds for WebSocket connections.
    pub websocket: WebSocketConfig,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            body_max: 4 << 20,
            bodies_max: 256 << 20,
            header_timeout: Duration::from_secs(180),
            body_timeout: Duration::from_secs(60),
            connections_max: 20_000,
            stop_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(20),
            websocket: WebSocketConfig::default(),
        }
    }
}

/// What is answered to GET: pages of the program around this face.
pub trait Pages: Send + Sync {
    /// The page at this path for somebody at this address; `None`: 404.
    fn page(&self, path: &str, peer: IpAddr) -> Option<Page>;
}

/// A page.
#[derive(Clone, Debug)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Its MIME type.
    pub content_type: &'static str,
    /// What it says.
    pub body: Bytes,
}

/// Another face on the same listener: it takes the POSTs of its own content type (SSP 4).
pub trait OtherFace: Send + Sync {
    /// Whether this content type is its own.
    fn takes(&self, content_type: &str) -> bool;

    /// Answers a POST.
    fn post<'a>(&'a self, posted: OtherPost<'a>) -> BoxFuture<'a, OtherAnswer>;
}

/// A POST for another face.
#[derive(Clone, Copy, Debug)]
pub struct OtherPost<'a> {
    /// Its body.
    pub body: &'a Bytes,
    /// Its content type.
    pub content_type: &'a str,
    /// Whether it came by TLS.
    pub secure: bool,
    /// Where it came from.
    pub peer: IpAddr,
}

/// What it is answered.
#[derive(Clone, Debug, Default)]
pub struct OtherAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers, lower case.
    pub headers: Vec<(&'static str, String)>,
    /// What it says.
    pub body: &'static str,
}

/// URLs of large contents: what comes after names the content.
pub const CONTENT_PATH: &str = "/content/";

/// CIR URLs: what comes after names the session.
pub const CIR_PATH: &str = "/cir/";

/// The HTTP side of CSP, for one listener or several.
pub struct Http {
    csp: Arc<Csp>,
    /// Connections that may be opened yet.
    open: Arc<Semaphore>,
    /// Likewise, shared with whatever else needs descriptors.
    places: Option<Arc<Semaphore>>,
    bodies: Bodies,
    /// WebSockets that may be opened yet.
    web_sockets: Arc<Semaphore>,
    /// What they hold.
    web_socket_memory: Arc<Memory>,
    pages: Arc<dyn Pages>,
    other: OnceLock<Arc<dyn OtherFace>>,
    gateways: Gateways,
    config: HttpConfig,
    /// Requests that are being answered.
    busy: AtomicU64,
    stopping: AtomicBool,
}

/// Serves connections until `stop` turns true, then finishes what is open: one listener, without TLS.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    csp: Arc<Csp>,
    pages: Arc<dyn Pages>,
    config: HttpConfig,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    Http::new(csp, pages, config, None).serve(listener, None, stop).await
}

impl Http {
    /// What the listeners share. Each connection takes one of `places`, if there is such a limit.
    pub fn new(csp: Arc<Csp>, pages: Arc<dyn Pages>, config: HttpConfig, places: Option<Arc<Semaphore>>) -> Arc<Self> {
        let open = Arc::new(Semaphore::new(config.connections_max.clamp(1, Semaphore::MAX_PERMITS)));
        let networks = Networks::parse(&csp.config().gateways).unwrap_or_default();
        let bodies = Bodies::new(config.bodies_max, config.body_max, networks);
        let web_sockets = config.websocket.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let web_sockets = Arc::new(Semaphore::new(web_sockets));
        let web_socket_memory = Memory::new(config.websocket.memory);
        let gateways = Gateways::new(&csp.config().gateways, &csp.config().gateway_headers);
        Arc::new(Self {
            csp,
            open,
            places,
            bodies,
            web_sockets,
            web_socket_memory,
            pages,
            other: OnceLock::new(),
            gateways,
            config,
            busy: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    /// Has another face take the POSTs that are for it. The first one stays.
    pub fn share_with(&self, other: Arc<dyn OtherFace>) {
        let _ = self.other.set(other);
    }

    /// Serves the connections of a listener until `stop` turns true, then finishes what is open.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Option<Arc<Tls>>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped(&mut stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or the peer was gone already: others may do better in a moment.
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let Some(place) = self.place() else {
                // It fits into the empty buffer of the socket, so this does not wait. There is no such word in TLS.
                if let (None, Ok(mut stream)) = (&tls, stream.into_std()) {
                    let _ = stream.write(FULL);
                }
                continue;
            };
            // An answer is one small packet: it must not wait for the next.
            let _ = stream.set_nodelay(true);
            let guest = Guest { face: self.clone(), place: Arc::new(place), peer, stop: stop.clone() };
            match tls.clone() {
                None => drop(tokio::spawn(guest.converse::<TcpStream>(stream, Channel::Http))),
                Some(tls) => drop(tokio::spawn(guest.secure(stream, tls))),
            }
        }
        drop(listener);
        // What is being answered is answered; connections that wait for a request are just cut.
        self.stopping.store(true, Ordering::Release);
        let answered = async {
            while self.busy.load(Ordering::Acquire) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(self.config.stop_timeout, answered).await;
        Ok(())
    }

    fn place(&self) -> Option<Place> {
        let own = self.open.clone().try_acquire_owned().ok()?;
        match &self.places {
            Some(places) => Some((own, Some(places.clone().try_acquire_owned().ok()?))),
            None => Some((own, None)),
        }
    }
}

type Place = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A connection that was accepted.
struct Guest {
    face: Arc<Http>,
    /// Its place among the connections, which a WebSocket takes along.
    place: Arc<Place>,
    peer: SocketAddr,
    stop: watch::Receiver<bool>,
}

impl Guest {
    async fn secure(self, stream: TcpStream, tls: Arc<Tls>) {
        let accepted = tokio::time::timeout(self.face.config.handshake_timeout, tls.accept(stream)).await;
        match accepted {
            Ok(Ok(stream)) => self.converse::<TlsStream<TcpStream>>(stream, Channel::Https).await,
            failed => {
                let peer = self.peer;
                let error = failed.map_or_else(
                    |_| "it takes too long".to_owned(),
                    |error| match error {
                        Ok(_) => String::new(),
                        Err(error) => error.to_string(),
                    },
                );
                tracing::debug!(%peer, error, "no TLS connection came about");
                self.face.csp.services().metrics.tls_failures.up();
            }
        }
    }

    async fn converse<S>(self, stream: S, channel: Channel)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (face, peer) = (&self.face, self.peer);
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.title_case_headers(true).ignore_invalid_headers(true).max_buf_size(64 * 1024).keep_alive(true);
        let requests = Requests::default();
        let service = service_fn(|mut request| {
            requests.begun.fetch_add(1, Ordering::Relaxed);
            let requests = &requests;
            let guest = &self;
            async move {
                let _busy = Busy::new(&face.busy);
                let mut response = match guest.web_socket::<S>(&mut request, channel) {
                    Some(response) => response,
                    None => face.answer(request, peer.ip(), channel).await,
                };
                requests.ended.fetch_add(1, Ordering::Relaxed);
                if face.stopping.load(Ordering::Acquire) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        // One timer for the connection's whole life, which is looked at now and then, costs less than one for each
        // request.
        let mut looks = tokio::time::interval(face.config.header_timeout);
        looks.tick().await;
        let mut seen = requests.begun();
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = connection.as_mut() => break outcome,
                _ = looks.tick() => {
                    if requests.are_answered() && requests.begun() == seen {
                        break Ok(());
                    }
                    seen = requests.begun();
                }
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }

    /// Opens a WebSocket if that is what is asked for: the answer then. It goes on in a task of its own, since this one
    /// holds what HTTP needs.
    fn web_socket<S>(&self, request: &mut Request<Incoming>, channel: Channel) -> Option<Response<Full<Bytes>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = &self.face.config.websocket;
        if request.method() != Method::GET || request.uri().path() != config.path {
            return None;
        }
        let refuse = |words: String| Some(text(StatusCode::BAD_REQUEST, &words));
        let headers = request.headers();
        let says = |name: HeaderName, word: &str| {
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
        };
        if !says(UPGRADE, "websocket") || !says(CONNECTION, "upgrade") {
            let mut response = text(StatusCode::UPGRADE_REQUIRED, "WebSocket is spoken here\n");
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            return Some(response);
        }
        let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|_| says(SEC_WEBSOCKET_VERSION, "13")) else {
            let mut response =
                text(StatusCode::BAD_REQUEST, "version 13 of WebSocket is spoken here, and needs a key\n");
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            return Some(response);
        };
        let wishes = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter().filter_map(|value| value.to_str().ok());
        let Some(agreed) = Agreed::new(wishes) else {
            return refuse(format!("the subprotocols that are spoken here: {}\n", websocket::subprotocols()));
        };
        let Ok(web_socket) = self.face.web_sockets.clone().try_acquire_owned() else {
            self.face.csp.services().metrics.websocket_refused.up();
            let mut response = later("too many are connected by WebSocket, try again later\n");
            // It would keep a place that somebody else can use.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            return Some(response);
        };
        let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) else {
            return refuse("this is no key\n".to_owned());
        };
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let answer = response.headers_mut();
        answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
        answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        answer.insert(SEC_WEBSOCKET_ACCEPT, accept);
        if let Some(name) = agreed.name() {
            answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
        }
        let msisdn = self.face.gateways.number(self.peer.ip(), request.headers());
        let upgrade = hyper::upgrade::on(request);
        let (face, place, peer, stop) = (self.face.clone(), self.place.clone(), self.peer.ip(), self.stop.clone());
        tokio::spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            let Ok(parts) = upgraded.downcast::<TokioIo<S>>() else { return };
            // Counted, so that the server does not stop before it has said so.
            let _busy = Busy::new(&face.busy);
            let channel = if channel == Channel::Https { Channel::SecureWebSocket } else { Channel::WebSocket };
            let (csp, config) = (face.csp.clone(), face.config.websocket.clone());
            let memory = face.web_socket_memory.clone();
            let opening = Opening { csp, config, agreed, channel, peer, msisdn, read: parts.read_buf, memory };
            websocket::serve(parts.io.into_inner(), opening, stop).await;
            drop((web_socket, place));
        });
        Some(response)
    }
}

/// The requests of one connection.
#[derive(Default)]
struct Requests {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Requests {
    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    fn are_answered(&self) -> bool {
        self.ended.load(Ordering::Relaxed) == self.begun()
    }
}

/// Counts a request as being answered, until it is or its connection is gone.
struct Busy<'a>(&'a AtomicU64);

impl<'a> Busy<'a> {
    fn new(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

enum BodyError {
    TooLarge,
    TooSlow,
    TooMany,
    Broken,
}

impl Http {
    async fn answer(&self, request: Request<Incoming>, peer: IpAddr, channel: Channel) -> Response<Full<Bytes>> {
        match *request.method() {
            Method::POST => self.post(request, peer, channel).await,
            Method::GET if request.uri().path().starts_with(CIR_PATH) => {
                let token = request.uri().path().strip_prefix(CIR_PATH).unwrap_or_default();
                called(self.csp.cir().wait(token).await)
            }
            Method::GET | Method::HEAD if request.uri().path().starts_with(CONTENT_PATH) => {
                let token = request.uri().path().strip_prefix(CONTENT_PATH).unwrap_or_default();
                content::answer(self.csp.services(), token).await
            }
            Method::GET | Method::HEAD => match self.pages.page(request.uri().path(), peer) {
                Some(page) => {
                    let status = StatusCode::from_u16(page.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                    respond(status, HeaderValue::from_static(page.content_type), page.body)
                }
                None => text(StatusCode::NOT_FOUND, "nothing is here; phones POST their messages to any path\n"),
            },
            _ => {
                let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "phones POST their messages to any path\n");
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, HEAD"));
                response
            }
        }
    }

    async fn post(&self, request: Request<Incoming>, peer: IpAddr, channel: Channel) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let metrics = &self.csp.services().metrics;
        let read = tokio::time::timeout(self.config.body_timeout, self.read(body, peer));
        let (body, _share) = match read.await.unwrap_or(Err(BodyError::TooSlow)) {
            Ok(read) => read,
            Err(error) => {
                metrics.refused_http.up();
                return match error {
                    BodyError::TooLarge => text(StatusCode::PAYLOAD_TOO_LARGE, "the message is too large\n"),
                    BodyError::TooSlow => text(StatusCode::REQUEST_TIMEOUT, "the message came too slowly\n"),
                    BodyError::TooMany => later("too many large messages at once, try again later\n"),
                    BodyError::Broken => text(StatusCode::BAD_REQUEST, "the message was cut off\n"),
                };
            }
        };
        if head.uri.path().starts_with(account::PATH) {
            return account_answer(account::answer(self.csp.services(), head.uri.path(), &body, peer).await);
        }
        let content_type = head.headers.get(CONTENT_TYPE);
        if let (Some(other), Some(Ok(content_type))) = (self.other.get(), content_type.map(HeaderValue::to_str))
            && other.takes(content_type)
        {
            let secure = channel == Channel::Https;
            return other_answer(other.post(OtherPost { body: &body, content_type, secure, peer }).await);
        }
        let msisdn = self.gateways.number(peer, &head.headers);
        let exchange = Exchange {
            body: &body,
            content_type: content_type.and_then(|value| value.to_str().ok()),
            peer: Some(peer),
            msisdn: msisdn.as_deref(),
            channel,
        };
        let answer = self.csp.answer(exchange).await;
        let same_type = || match content_type {
            Some(content_type) => content_type.clone(),
            None => HeaderValue::from_static(match body.first() {
                Some(0..=3) => "application/vnd.wv.csp.wbxml",
                Some(b'{') => "application/vnd.hamlet.csp+json",
                Some(b'W') => "application/vnd.wv.csp.sms",
                _ => "application/vnd.wv.csp.xml",
            }),
        };
        match answer {
            Answer::Message(message) => respond(StatusCode::OK, same_type(), message.into()),
            Answer::Nothing => respond(StatusCode::OK, same_type(), Bytes::new()),
            Answer::NoCsp(status, why) => {
                metrics.refused_http.up();
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
                text(status, &format!("{why}\n"))
            }
        }
    }

    /// The body, and its share of the memory; one that comes in one piece is not copied.
    async fn read(&self, mut body: Incoming, peer: IpAddr) -> Result<(Bytes, Share<'_>), BodyError> {
        let most = self.config.body_max;
        if hyper::body::Body::size_hint(&body).lower() > most as u64 {
            return Err(BodyError::TooLarge);
        }
        let mut share = self.bodies.share(peer);
        let mut first = Bytes::new();
        let mut more: Option<BytesMut> = None;
        loop {
            let frame = tokio::select! {
                biased;
                () = share.given_away() => return Err(BodyError::TooMany),
                frame = body.frame() => frame,
            };
            let Some(frame) = frame else { break };
            let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
            let so_far = more.as_ref().map_or(first.len(), BytesMut::len);
            if so_far + data.len() > most {
                return Err(BodyError::TooLarge);
            }
            share.grow(so_far + data.len(), Instant::now())?;
            if so_far == 0 {
                first = data;
            } else {
                more.get_or_insert_with(|| BytesMut::from(&first[..])).extend_from_slice(&data);
            }
        }
        share.is_whole()?;
        Ok((more.map_or(first, BytesMut::freeze), share))
    }
}

impl From<NoRoom> for BodyError {
    fn from(_: NoRoom) -> Self {
        Self::TooMany
    }
}

/// The answer to a request for a CIR URL (CSP 15.4). It holds for now, and for this request.
fn called(called: Called) -> Response<Full<Bytes>> {
    let mut response = match called {
        Called::Pending(invitation) => text(StatusCode::OK, &invitation),
        Called::Nothing => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        Called::NoSession => text(StatusCode::NOT_FOUND, "no open session has this address\n"),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) fn respond(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

pub(super) fn text(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    respond(status, HeaderValue::from_static("text/plain; charset=utf-8"), Bytes::copy_from_slice(words.as_bytes()))
}

/// There is too much of something: 503, and when to come back.
fn later(words: &str) -> Response<Full<Bytes>> {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, words);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

fn other_answer(answer: OtherAnswer) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = text(status, answer.body);
    for (name, value) in answer.headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn account_answer(answered: account::Answered) -> Response<Full<Bytes>> {
    let json = HeaderValue::from_static("application/json");
    let mut response = respond(answered.status, json, answered.body.into());
    if let Some(seconds) = answered.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

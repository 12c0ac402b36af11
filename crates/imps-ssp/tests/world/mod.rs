//! Domains on loopback: real HTTP on both sides.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use imps_proto::ssp::{MetaInfo, Primitive, SendMessageRequest, SendMessageResponse, UserProfile};
use imps_service::Clock;
use imps_ssp::{Arrival, PeerConfig, Service, Ssp, SspConfig, Unanswered};
use imps_types::element::{MessageInfo, Recipient, ResultInfo, Sender, User};
use imps_types::{Address, Domain, Status, TransactionId};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub const ALICE: &str = "wv:alice@a.example";
pub const BOB: &str = "wv:bob@b.example";

pub fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("a domain")
}

/// A service that writes down what it is told, and says yes.
#[derive(Default)]
pub struct Yes {
    pub performed: Mutex<Vec<(Domain, Primitive)>>,
    pub late: Mutex<Vec<String>>,
    /// How long it thinks.
    pub pause: Mutex<Duration>,
    /// What could not be passed on, where it is to be kept.
    pub held: Mutex<Option<Vec<Primitive>>>,
    /// The profile of every user.
    pub profile: Mutex<Option<UserProfile>>,
    /// Profiles that other domains told.
    pub told: Mutex<Vec<UserProfile>>,
}

impl Service for Yes {
    fn perform<'a>(&'a self, peer: &'a Domain, _: &'a TransactionId, said: Primitive) -> BoxFuture<'a, Primitive> {
        Box::pin(async move {
            let pause = *self.pause.lock();
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            self.performed.lock().push((peer.clone(), said.clone()));
            let status = ResultInfo::of(Status::SUCCESSFUL);
            match said {
                Primitive::SendMessageRequest(it) => {
                    SendMessageResponse { message_id: it.info.message_id, status }.into()
                }
                _ => Primitive::Status(status),
            }
        })
    }

    fn name<'a>(&'a self, _: &'a Domain, id: &'a TransactionId, mut said: Primitive) -> BoxFuture<'a, Primitive> {
        if let Primitive::SendMessageRequest(it) = &mut said {
            it.info.message_id = Some(format!("of-{}", id.as_str()).into());
        }
        Box::pin(async move { said })
    }

    fn hold<'a>(&'a self, _: &'a Domain, said: Primitive, _: &'a Unanswered) -> BoxFuture<'a, Option<Primitive>> {
        let mut held = self.held.lock();
        let is_held = held.as_mut().map(|held| held.push(said)).is_some();
        let answer = is_held.then(|| Primitive::Status(ResultInfo::of(Status::ACCEPTED)));
        Box::pin(async move { answer })
    }

    fn profile<'a>(&'a self, user: &'a Address) -> BoxFuture<'a, Option<UserProfile>> {
        let profile = self.profile.lock().clone().filter(|it| it.user_id == *user);
        Box::pin(async move { profile })
    }

    fn profile_changed<'a>(&'a self, _: &'a Domain, profile: &'a UserProfile) -> BoxFuture<'a, ()> {
        self.told.lock().push(profile.clone());
        Box::pin(async {})
    }

    fn late(&self, _: &Domain, id: &imps_types::TransactionId, _: Primitive) {
        self.late.lock().push(id.as_str().to_owned());
    }
}

/// A domain that is served.
pub struct Served {
    pub ssp: Arc<Ssp>,
    pub service: Arc<Yes>,
    pub log: Log,
    /// Ends the listener and every connection.
    pub stop: watch::Sender<bool>,
}

impl Served {
    /// How many tasks the listener and its connections are.
    pub fn tasks(&self) -> usize {
        self.stop.receiver_count()
    }
}

pub async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    (listener, url)
}

/// Serves a domain on this listener.
pub fn serve(
    config: SspConfig,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    resolver: Option<Arc<dyn imps_ssp::Resolver>>,
) -> Served {
    let service = Arc::new(Yes::default());
    let body_max = config.body_max;
    let ssp = Ssp::new(config, service.clone(), resolver, Clock::system());
    let (log, stop) = listen(ssp.clone(), body_max, listener, tls);
    Served { ssp, service, log, stop }
}

/// What was posted to a domain, as it came, and the HTTP status that it was answered with: what was asked may be carried
/// out, and answered, before the POST has its receipt.
pub type Log = Arc<Mutex<Vec<(String, Option<u16>)>>>;

/// Gives what is posted to this listener to a face.
pub fn listen(
    ssp: Arc<Ssp>,
    body_max: usize,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
) -> (Log, watch::Sender<bool>) {
    let log: Log = Arc::default();
    let (of_task, log_of_task) = (ssp, log.clone());
    let (stop, mut stopped) = watch::channel(false);
    tokio::spawn(async move {
        loop {
            let stream = tokio::select! {
                Ok((stream, _)) = listener.accept() => stream,
                _ = stopped.wait_for(|stop| *stop) => return,
            };
            let (ssp, log, tls) = (of_task.clone(), log_of_task.clone(), tls.clone());
            let mut stopped = stopped.clone();
            tokio::spawn(async move {
                let secure = tls.is_some();
                let answer = service_fn(move |request| answer(ssp.clone(), log.clone(), body_max, secure, request));
                let builder = hyper::server::conn::http1::Builder::new();
                let conversation = async {
                    match tls {
                        None => drop(builder.serve_connection(TokioIo::new(stream), answer).await),
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else { return };
                            drop(builder.serve_connection(TokioIo::new(stream), answer).await);
                        }
                    }
                };
                tokio::select! {
                    () = conversation => {}
                    _ = stopped.wait_for(|stop| *stop) => {}
                }
            });
        }
    });
    (log, stop)
}

async fn answer(
    ssp: Arc<Ssp>,
    log: Log,
    body_max: usize,
    secure: bool,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let Ok(body) = Limited::new(body, body_max).collect().await else {
        return Ok(Response::builder().status(413).body(Full::default()).expect("a response"));
    };
    let body = body.to_bytes();
    let place = {
        let mut log = log.lock();
        log.push((String::from_utf8_lossy(&body).into_owned(), None));
        log.len() - 1
    };
    let receipt = ssp.receive(Arrival { body: &body, content_type, secure, from: None }).await;
    log.lock()[place].1 = Some(receipt.status);
    let mut response = Response::builder().status(receipt.status);
    if let Some(status) = receipt.wv_status {
        response = response.header("x-wv-status", status);
    }
    if let Some(seconds) = receipt.retry_after {
        response = response.header("retry-after", seconds);
    }
    Ok(response.body(Full::default()).expect("a response"))
}

pub fn user(address: &str) -> User {
    User { user_id: address.into(), ..User::default() }
}

/// A message from one to another.
pub fn message(from: &str, to: &str, id: &str) -> Primitive {
    let (_, domain) = from.rsplit_once('@').expect("a domain");
    let info = MessageInfo {
        message_id: Some(id.into()),
        recipient: Recipient { users: vec![user(to)], ..Recipient::default() },
        sender: Some(Sender::User(user(from))),
        ..MessageInfo::default()
    };
    let meta = MetaInfo::of_user(format!("wv:@{domain}").as_str().into(), user(from));
    SendMessageRequest { meta, delivery_report: None, info, content: None }.into()
}

/// A certificate for these names, signed by itself: the files of it and of its key.
/// A certificate that signed itself and may sign others, as `openssl req -x509` makes it, and its key.
pub fn authority(names: &[&str], folder: &Path) -> (PathBuf, PathBuf) {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).expect("names");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    let (certificate, path) = (folder.join("authority.pem"), folder.join("authority.key"));
    std::fs::write(&certificate, made.pem()).expect("written");
    std::fs::write(&path, key.serialize_pem()).expect("written");
    (certificate, path)
}

pub fn certificate(names: &[&str], folder: &Path) -> (PathBuf, PathBuf) {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    (certificate, key)
}

/// What serves by TLS with this certificate and its key.
pub fn acceptor(certificate: &Path, key: &Path) -> TlsAcceptor {
    let chain =
        CertificateDer::pem_file_iter(certificate).expect("a file").collect::<Result<Vec<_>, _>>().expect("PEM");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate");
    TlsAcceptor::from(Arc::new(config))
}

/// Another domain, and where it is.
pub fn peer(name: &str, url: &str) -> PeerConfig {
    PeerConfig { urls: vec![url.to_owned()], ..PeerConfig::of(domain(name)) }
}

/// Reads one request from a connection: its body.
pub async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let head_end = text.windows(4).position(|it| it == b"\r\n\r\n");
        if let Some(end) = head_end {
            let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
            let length: usize = length.trim().parse().ok()?;
            if text.len() >= end + 4 + length {
                return Some(String::from_utf8_lossy(&text[end + 4..]).into_owned());
            }
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => text.extend_from_slice(&piece[..read]),
        }
    }
}

/// Something else than a server of SSP.
pub async fn elsewhere(listener: TcpListener, answer: &'static str) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = read_request(&mut stream).await;
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..3000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("not within a minute: {what}");
}

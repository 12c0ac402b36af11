//! POSTs to a peer: a pool of connections for each, and what their outcome means. SSP 4.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use imps_types::Domain;

use crate::find::is_public;
use crate::machine::{Post, Posted};
use crate::tls::{TlsTrust, client_config};
use crate::why;

/// The type of every message.
pub const CONTENT_TYPE_SSP: &str = "application/vnd.wv.ssp+xml";

/// Settings of the way out.
#[derive(Clone, Debug)]
pub struct PostSettings {
    /// Connections to a peer that are kept open.
    pub pool: usize,
    /// How long they are, unused.
    pub idle: Duration,
    /// How long a connection may take.
    pub connect_within: Duration,
    /// How long a POST may take, all in all.
    pub within: Duration,
    /// Bytes of an answer that are looked at.
    pub answer_max: usize,
}

impl Default for PostSettings {
    fn default() -> Self {
        Self {
            pool: 4,
            idle: Duration::from_secs(60),
            connect_within: Duration::from_secs(10),
            within: Duration::from_secs(30),
            answer_max: 4 << 20,
        }
    }
}

/// Where names lead to. Those of strangers lead to public addresses only: whoever writes records for his domain could name
/// our own neighbours. It is looked at when a connection is made, since a name may lead elsewhere a moment later.
#[derive(Clone)]
struct Names {
    system: GaiResolver,
    only_public: bool,
}

impl tower_service::Service<Name> for Names {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<Self::Response>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.system.poll_ready(context)
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (asked, only_public) = (name.to_string(), self.only_public);
        let found = self.system.call(name);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = found.await?.collect();
            if only_public && !addresses.iter().all(|it| is_public(it.ip())) {
                tracing::info!(name = asked, "it leads to an address that is not public");
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            Ok(addresses.into_iter())
        })
    }
}

/// The way to one peer.
pub(crate) struct Poster {
    client: Client<HttpsConnector<HttpConnector<Names>>, Full<Bytes>>,
    settings: PostSettings,
}

impl Poster {
    /// `is_outside`: nobody wrote this domain down, and it is at public addresses or nowhere.
    pub(crate) fn new(
        domain: &Domain,
        trust: &TlsTrust,
        settings: &PostSettings,
        is_outside: bool,
    ) -> Result<Self, String> {
        let names = Names { system: GaiResolver::new(), only_public: is_outside };
        let mut tcp = HttpConnector::new_with_resolver(names);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(settings.connect_within));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(domain, trust)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(settings.idle)
            .pool_max_idle_per_host(settings.pool)
            .build(connector);
        Ok(Self { client, settings: settings.clone() })
    }

    /// Posts a message to this address.
    pub(crate) async fn post(&self, url: &str, post: &Post, body: &Bytes) -> Sent {
        let Some(request) = request(url, post, body) else {
            return Sent::because(Posted::Unreachable, format!("`{url}` is no URL"));
        };
        let within = self.settings.within;
        match tokio::time::timeout(within, self.exchange(request)).await {
            Ok(sent) => sent,
            // It may have been taken or not: the peer knows the ID when it comes again.
            Err(_) => Sent::because(Posted::Unreachable, format!("there is no answer within {} s", within.as_secs())),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Sent {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                tracing::debug!(?error, "no connection");
                return Sent::because(Posted::Unreachable, why::no_connection(&error));
            }
            Err(error) => return Sent { why: why::no_answer(&error), ..Sent::of(Posted::Closed) },
        };
        let posted = outcome(&response);
        if posted != Posted::Taken {
            let status = response.status();
            let is_trouble = matches!(posted, Posted::Busy(_)) && status != StatusCode::SERVICE_UNAVAILABLE;
            let why = is_trouble
                .then(|| format!("HTTP {}: something between, or the server, is in trouble", status.as_u16()));
            return Sent { why, ..Sent::of(posted) };
        }
        let is_message = is_ssp(response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()));
        if !is_message {
            return Sent::of(Posted::Taken);
        }
        // What it says beyond the receipt is welcome, but is no part of it.
        let body = Limited::new(response.into_body(), self.settings.answer_max).collect();
        let message = match tokio::time::timeout(self.settings.within / 3, body).await {
            Ok(Ok(body)) => Some(body.to_bytes()).filter(|body| !body.is_empty()),
            Ok(Err(_)) | Err(_) => None,
        };
        Sent { message, ..Sent::of(Posted::Taken) }
    }
}

/// What came of a POST.
pub(crate) struct Sent {
    pub(crate) how: Posted,
    /// What the answer holds, if that is a message too.
    pub(crate) message: Option<Bytes>,
    /// Why it was not taken, where there is more to say.
    pub(crate) why: Option<String>,
}

impl Sent {
    pub(crate) fn of(how: Posted) -> Self {
        Self { how, message: None, why: None }
    }

    pub(crate) fn because(how: Posted, why: String) -> Self {
        Self { why: Some(why), ..Self::of(how) }
    }
}

/// Whether a content type is SSP's.
pub(crate) fn is_ssp(content_type: Option<&str>) -> bool {
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(CONTENT_TYPE_SSP)
}

fn request(url: &str, post: &Post, body: &Bytes) -> Option<Request<Full<Bytes>>> {
    let url: Uri = url.parse().ok()?;
    let mut request = Request::post(url)
        .header(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_SSP))
        .header(USER_AGENT, HeaderValue::from_static(concat!("hamlet/", env!("CARGO_PKG_VERSION"))));
    // Hints for load balancers: what cannot be a header is left out.
    if let Some(id) = post.transaction.as_ref().and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
        request = request.header("x-wv-transactionid", id);
    }
    if let Some(id) = post.session.as_ref().and_then(|id| HeaderValue::from_str(id).ok()) {
        request = request.header("x-wv-sessionid", id);
    }
    request.body(Full::new(body.clone())).ok()
}

fn outcome<B>(response: &Response<B>) -> Posted {
    match response.status() {
        StatusCode::UNAUTHORIZED => Posted::Unauthorized,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            let seconds =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            Posted::Busy(Duration::from_secs(seconds.unwrap_or(10).clamp(1, 3600)))
        }
        status if status.is_success() => Posted::Taken,
        // Who does not know what a POST is will not know it later.
        StatusCode::NOT_IMPLEMENTED => Posted::Refused(501),
        // A proxy before the peer, or the peer in trouble: not a word about the message.
        status if status.is_server_error() => Posted::Busy(Duration::from_secs(10)),
        status => Posted::Refused(status.as_u16()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn the_name_of_a_stranger_leads_to_no_neighbour() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://localhost:{}/", listener.local_addr().expect("an address").port());
        let domain = Domain::parse("b.example").expect("a domain");
        let settings = PostSettings { within: Duration::from_millis(500), ..PostSettings::default() };
        for (is_stranger, comes) in [(true, false), (false, true)] {
            let poster = Poster::new(&domain, &TlsTrust::default(), &settings, is_stranger).expect("a way");
            let (body, after) = (b"1".to_vec(), Duration::ZERO);
            let post = Post { id: 1, body, transaction: None, session: None, finds_way: true, instead: None, after };
            let comes_in = tokio::time::timeout(Duration::from_millis(400), listener.accept());
            let (posted, came) =
                futures_util::future::join(poster.post(&url, &post, &Bytes::from("1")), comes_in).await;
            assert_eq!((posted.how, came.is_ok()), (Posted::Unreachable, comes), "a stranger: {is_stranger}");
        }
    }
}

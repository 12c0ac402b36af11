//! POSTs to a peer: a pool of connections for each, and what their outcome means. SSP 4.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use imps_types::Domain;

use crate::machine::{Post, Posted};
use crate::tls::{TlsTrust, client_config};

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

/// The way to one peer.
pub(crate) struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    settings: PostSettings,
}

impl Poster {
    pub(crate) fn new(domain: &Domain, trust: &TlsTrust, settings: &PostSettings) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
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

    /// Posts a message to this address. With it comes what the answer holds, if that is a message too.
    pub(crate) async fn post(&self, url: &str, post: &Post, body: &Bytes) -> (Posted, Option<Bytes>) {
        let Some(request) = request(url, post, body) else { return (Posted::Unreachable, None) };
        match tokio::time::timeout(self.settings.within, self.exchange(request)).await {
            Ok(outcome) => outcome,
            // It may have been taken or not: the peer knows the ID when it comes again.
            Err(_) => (Posted::Unreachable, None),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> (Posted, Option<Bytes>) {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) if error.is_connect() => {
                tracing::debug!(?error, "no connection");
                return (Posted::Unreachable, None);
            }
            Err(_) => return (Posted::Closed, None),
        };
        let posted = outcome(&response);
        if posted != Posted::Taken {
            return (posted, None);
        }
        let is_message = is_ssp(response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()));
        if !is_message {
            return (Posted::Taken, None);
        }
        // What it says beyond the receipt is welcome, but is no part of it.
        let body = Limited::new(response.into_body(), self.settings.answer_max).collect();
        let message = match tokio::time::timeout(self.settings.within / 3, body).await {
            Ok(Ok(body)) => Some(body.to_bytes()).filter(|body| !body.is_empty()),
            Ok(Err(_)) | Err(_) => None,
        };
        (Posted::Taken, message)
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
        // A proxy before the peer, or the peer in trouble: not a word about the message.
        status if status.is_server_error() => Posted::Busy(Duration::from_secs(10)),
        status => Posted::Refused(status.as_u16()),
    }
}

//! What clients connect to: listeners are opened before anybody is told of them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use imps_csp::transport::http::{CIR_PATH, CONTENT_PATH};
use imps_csp::transport::tls::Tls;
use imps_service::access::CirOffer;
use tokio::net::TcpListener;
use tracing::warn;

use crate::command::Failure;
use crate::config::{Config, HttpsSettings, Settings, Source};

/// The listeners, and what clients are told of them.
pub(crate) struct Channels {
    pub(crate) http: TcpListener,
    pub(crate) https: Option<(TcpListener, Arc<Tls>)>,
    pub(crate) cir: Option<TcpListener>,
    /// Where lines of text come in: plain, and in TLS.
    pub(crate) clp: Option<TcpListener>,
    pub(crate) clps: Option<(TcpListener, Arc<Tls>)>,
    /// Where datagrams come from.
    pub(crate) udp: Option<SocketAddr>,
    pub(crate) offer: CirOffer,
    /// What the URLs of large contents begin with.
    pub(crate) content_url: String,
}

impl Channels {
    /// Opens every listener.
    pub(crate) async fn open(config: &Config) -> Result<Self, Failure> {
        let settings = &config.settings;
        let http = listen("listen", settings.listen).await?;
        let address = http.local_addr().map_err(|error| Failure::new(format!("listen: {error}")))?;
        let https = match settings.https.listen {
            Some(wanted) => {
                let tls = certificate(&settings.https)?;
                Some((listen("https.listen", wanted).await?, tls))
            }
            None => None,
        };
        let cir = cir(config).await?;
        let clp = match settings.clp.listen {
            Some(wanted) => Some(listen("clp.listen", wanted).await?),
            None => None,
        };
        let clps = match (settings.clp.tls_listen, &https) {
            (Some(wanted), Some((_, tls))) => Some((listen("clp.tls_listen", wanted).await?, tls.clone())),
            (Some(wanted), None) => {
                let tls = certificate_for("clp.tls_listen", &settings.https)?;
                Some((listen("clp.tls_listen", wanted).await?, tls))
            }
            (None, _) => None,
        };
        let udp = settings.cir.udp.then(|| SocketAddr::new(settings.listen.ip(), settings.cir.udp_port));
        let host = host(settings, address);
        let offer = CirOffer {
            tcp: cir.as_ref().and_then(|cir| Some((host.clone().into(), cir.local_addr().ok()?.port()))),
            udp: settings.cir.udp,
            http: settings.cir.http.then(|| url(&settings.cir.http_url, CIR_PATH, &host, address).into()),
        };
        let content_url = url(&settings.content_url, CONTENT_PATH, &host, address);
        Ok(Self { http, https, cir, clp, clps, udp, offer, content_url })
    }
}

/// The certificate that HTTPS needs.
pub(crate) fn certificate(https: &HttpsSettings) -> Result<Arc<Tls>, Failure> {
    certificate_for("https.listen", https)
}

/// The certificate for a listener whose setting this is.
fn certificate_for(listener: &str, https: &HttpsSettings) -> Result<Arc<Tls>, Failure> {
    for (key, path) in [("https.certificate", &https.certificate), ("https.key", &https.key)] {
        if path.as_os_str().is_empty() {
            return Err(Failure::new(format!("{listener} is set, and {key} is not"))
                .hint("name the files of the certificate and of its key, in PEM"));
        }
    }
    Tls::load(&https.certificate, &https.key).map_err(|error| {
        Failure::new(error).hint("https.certificate and https.key are files in PEM that belong together")
    })
}

/// The listener for those who want to be called. A port that nobody chose may be another program's: then none.
async fn cir(config: &Config) -> Result<Option<TcpListener>, Failure> {
    const KEY: &str = "cir.tcp_port";
    let settings = &config.settings;
    if settings.cir.tcp_port == 0 {
        return Ok(None);
    }
    let wanted = SocketAddr::new(settings.listen.ip(), settings.cir.tcp_port);
    match listen(KEY, wanted).await {
        Ok(listener) => Ok(Some(listener)),
        Err(failure) if *config.source(KEY) == Source::Default => {
            warn!(%wanted, error = %failure.message, "clients cannot be called by TCP; cir.tcp_port chooses another port, or 0 for none");
            Ok(None)
        }
        Err(failure) => Err(failure),
    }
}

/// The host that clients are told.
fn host(settings: &Settings, address: SocketAddr) -> String {
    if !settings.cir.host.is_empty() {
        return settings.cir.host.clone();
    }
    let own = Some(address.ip()).filter(|ip| !ip.is_unspecified()).or_else(crate::serve::network_address);
    own.map_or_else(|| settings.service.domain.to_string(), |ip| ip.to_string())
}

/// What URLs of this path begin with: as it is set, or where the listener is.
fn url(set: &str, path: &str, host: &str, address: SocketAddr) -> String {
    if set.is_empty() {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        return format!("http://{host}:{}{path}", address.port());
    }
    if set.ends_with('/') { set.to_owned() } else { format!("{set}/") }
}

async fn listen(key: &str, wanted: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(wanted).await.map_err(|error| {
        let option = match key {
            "listen" => "--listen".to_owned(),
            "clp.listen" => "--clp-listen".to_owned(),
            other => format!("the setting {other}"),
        };
        let failure = Failure::new(format!("cannot listen on {wanted}: {error}"));
        match error.kind() {
            io::ErrorKind::AddrInUse => failure.hint(format!(
                "another program has this port; choose another one: {option} {}:{}",
                wanted.ip(),
                wanted.port().checked_add(1).unwrap_or(8080)
            )),
            io::ErrorKind::PermissionDenied => {
                failure.hint(format!("ports below 1024 are for root: use a higher one, and {option} it"))
            }
            io::ErrorKind::AddrNotAvailable => {
                failure.hint("this machine does not have that address; 0.0.0.0 means all it has")
            }
            _ => failure,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_what_they_can_reach() {
        let check = |host_set: &str, url_set: &str, listen: &str, wanted: (&str, &str)| {
            let mut settings = Settings::default();
            settings.cir.host = host_set.to_owned();
            let address = listen.parse().unwrap();
            let host = host(&settings, address);
            assert_eq!((host.as_str(), url(url_set, CIR_PATH, &host, address).as_str()), wanted);
        };
        check("", "", "192.0.2.7:8080", ("192.0.2.7", "http://192.0.2.7:8080/cir/"));
        check("", "", "[2001:db8::1]:80", ("2001:db8::1", "http://[2001:db8::1]:80/cir/"));
        check("im.example", "", "0.0.0.0:8080", ("im.example", "http://im.example:8080/cir/"));
        check("im.example", "https://im.example/cir", "0.0.0.0:8080", ("im.example", "https://im.example/cir/"));
    }
}

//! TLS between phones and servers under test: one certificate for the time of a run, which nobody else trusts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use imps_csp::transport::tls::Tls;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// The name that it is for.
const NAME: &str = "localhost";

struct Certificate {
    pem: String,
    key: String,
    der: CertificateDer<'static>,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn certificate() -> Result<&'static Certificate, String> {
    static MADE: OnceLock<Result<Certificate, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let signed = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).map_err(text)?;
        let (pem, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        Ok(Certificate { pem, key, der: signed.cert.der().clone() })
    });
    made.as_ref().map_err(Clone::clone)
}

/// Writes the certificate and its key into a folder: the paths of both.
pub(crate) fn write_certificate(folder: &Path) -> Result<(PathBuf, PathBuf), String> {
    let made = certificate()?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    for (path, content) in [(&certificate, &made.pem), (&key, &made.key)] {
        std::fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok((certificate, key))
}

/// What a server in this process needs.
pub(crate) fn server() -> Result<Arc<Tls>, String> {
    static LOADED: OnceLock<Result<Arc<Tls>, String>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("imps-testkit-tls-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(text)?;
        let (certificate, key) = write_certificate(&folder)?;
        let loaded = Tls::load(&certificate, &key);
        std::fs::remove_dir_all(&folder).map_err(text)?;
        loaded
    });
    loaded.clone()
}

/// A connection, in TLS or not.
pub trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Stream for S {}

/// Connects; in TLS only to a server with our certificate.
///
/// # Errors
/// What prevented it, in words.
pub async fn connect(address: SocketAddr, is_secure: bool) -> Result<Box<dyn Stream>, String> {
    let stream = TcpStream::connect(address).await.map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    if !is_secure {
        return Ok(Box::new(stream));
    }
    let mut roots = RootCertStore::empty();
    roots.add(certificate()?.der.clone()).map_err(text)?;
    let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(text)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).map_err(text)?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(text)?;
    Ok(Box::new(stream))
}

//! What is believed of a peer's certificate. SSP 4.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use imps_types::Domain;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme, version,
};

use crate::why::{self, Distrust};

/// What a peer's certificate must be, and what we show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsTrust {
    /// Who must have signed it (PEM), or that very certificate; none: whom the system trusts.
    pub authority: Option<PathBuf>,
    /// The SHA-256 of the certificate itself, whoever signed it.
    pub pin: Option<[u8; 32]>,
    /// The certificate and the key that we show, where the peer asks.
    pub own: Option<(PathBuf, PathBuf)>,
}

impl TlsTrust {
    /// Whether the files that are named can be used.
    ///
    /// # Errors
    /// Which cannot, and why.
    pub fn check(&self, domain: &Domain) -> Result<(), String> {
        client_config(domain, self).map(drop)
    }
}

/// Takes a certificate for the host that was called, or for the peer's domain; or the one that was pinned, only.
#[derive(Debug)]
struct Verifier {
    domain: Option<ServerName<'static>>,
    pin: Option<[u8; 32]>,
    /// What the operator named as signers. One that signed itself may be what the peer shows: it vouches for nobody else then,
    /// and is believed as one that is pinned, for its own names.
    named: Vec<CertificateDer<'static>>,
    usual: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(pin) = &self.pin {
            let digest = Sha256::digest(end_entity);
            if bool::from(digest.as_slice().ct_eq(pin)) {
                return Ok(ServerCertVerified::assertion());
            }
            let hex = hex(&digest);
            return Err(Distrust(format!("its certificate is not the one of --pin: it has the SHA-256 {hex}")).into());
        }
        let unknown = || {
            let issuer = why::issuer(end_entity).unwrap_or_else(|| "nobody".to_owned());
            let hex = hex(&Sha256::digest(end_entity));
            Distrust(format!(
                "its certificate was issued by `{issuer}`, who is not trusted here: see --ca and --pin (it has the SHA-256 {hex})"
            ))
        };
        let usual = self.usual.as_ref().ok_or_else(unknown)?;
        let is_named = self.named.iter().any(|named| named.as_ref() == end_entity.as_ref());
        let check = |name: &ServerName<'_>| {
            if is_named {
                let parsed = ParsedCertificate::try_from(end_entity)?;
                return verify_server_name(&parsed, name).map(|()| ServerCertVerified::assertion());
            }
            usual.verify_server_cert(end_entity, intermediates, name, ocsp_response, now)
        };
        match (check(server_name), &self.domain) {
            (
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )),
                Some(domain),
            ) => check(domain),
            (checked, _) => checked,
        }
        .map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => unknown().into(),
            // One that may sign others, and is shown by a server: what `openssl req -x509` makes.
            Error::InvalidCertificate(CertificateError::Other(other)) if format!("{other}").contains(AUTHORITY) => {
                unknown().into()
            }
            other => other,
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What webpki says of the certificate of an authority that a server shows as its own.
const AUTHORITY: &str = "CaUsedAsEndEntity";

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whom the system trusts; read once.
fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "certificates that the system trusts");
        }
        roots.add_parsable_certificates(found.certs);
        Arc::new(roots)
    };
    ROOTS.get_or_init(read).clone()
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let found = CertificateDer::pem_file_iter(path).map_err(|error| named(&error))?;
    found.collect::<Result<Vec<_>, _>>().map_err(|error| named(&error))
}

/// The settings of TLS towards a peer.
pub(crate) fn client_config(domain: &Domain, trust: &TlsTrust) -> Result<ClientConfig, String> {
    let provider = Arc::new(ring::default_provider());
    let mut named = Vec::new();
    let roots = match &trust.authority {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            named = certificates(path)?;
            let (added, _) = roots.add_parsable_certificates(named.iter().cloned());
            if added == 0 {
                return Err(format!("{}: no certificate (PEM) is in it", path.display()));
            }
            Arc::new(roots)
        }
        None => system_roots(),
    };
    let usual = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
    let usual = match usual {
        Ok(usual) => Some(usual),
        Err(error) => {
            tracing::warn!(%error, "no certificate of a peer can be believed");
            None
        }
    };
    let name = ServerName::try_from(domain.as_str().to_owned()).ok();
    let verifier = Verifier { domain: name, pin: trust.pin, named, usual, provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &trust.own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let read = PrivateKeyDer::from_pem_file(key).map_err(|error| format!("{}: {error}", key.display()))?;
            builder.with_client_auth_cert(certificates(certificate)?, read).map_err(|error| error.to_string())?
        }
    };
    // The place for them is taken at once, and a peer is called by few names: those of the usual number cost each peer 30 KiB.
    config.resumption = Resumption::in_memory_sessions(8);
    Ok(config)
}

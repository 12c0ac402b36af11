//! TLS for the HTTP listener: certificate and key from files, which are read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use imps_service::metrics::Metrics;
use parking_lot::{Mutex, RwLock};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{ServerConfig, version};
use tokio_rustls::server::TlsStream;

/// Bytes of the largest file that is read.
const FILE_MAX: u64 = 1 << 20;

/// A certificate with its key, and the acceptor that uses it.
pub struct Tls {
    files: Files,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
    /// How the files looked when they were read last, and whether what was read is of use.
    seen: Mutex<(Option<Stamp>, bool)>,
}

#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// How files look from outside.
type Stamp = [(Option<SystemTime>, u64); 2];

/// The certificate in use. Handshakes take whichever is there.
#[derive(Debug)]
struct Current(RwLock<Loaded>);

#[derive(Clone, Debug)]
struct Loaded {
    certified: Arc<CertifiedKey>,
    expiry: u64,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().certified.clone())
    }
}

impl Files {
    fn stamp(&self) -> std::io::Result<Stamp> {
        let stamp = |path: &Path| std::fs::metadata(path).map(|about| (about.modified().ok(), about.len()));
        Ok([stamp(&self.certificate)?, stamp(&self.key)?])
    }

    fn load(&self) -> Result<Loaded, String> {
        let named = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let bytes = |path: &Path| {
            let length = std::fs::metadata(path).map_err(|error| named(path, &error))?.len();
            if length > FILE_MAX {
                return Err(named(path, &"this is no file of certificates or keys, it is too large"));
            }
            std::fs::read(path).map_err(|error| named(path, &error))
        };
        let chain = CertificateDer::pem_slice_iter(&bytes(&self.certificate)?).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| named(&self.certificate, &error))?;
        let first = chain.first().ok_or_else(|| named(&self.certificate, &"no certificate (PEM) is in it"))?;
        let expiry = not_after(first).ok_or_else(|| named(&self.certificate, &"the certificate says no end"))?;
        let key = PrivateKeyDer::from_pem_slice(&bytes(&self.key)?)
            .map_err(|error| named(&self.key, &format!("no private key (PEM) can be read: {error}")))?;
        let certified = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|error| format!("{} and {}: {error}", self.certificate.display(), self.key.display()))?;
        Ok(Loaded { certified: Arc::new(certified), expiry })
    }
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

impl Tls {
    /// Reads certificate and key, in PEM.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(certificate: &Path, key: &Path) -> Result<Arc<Self>, String> {
        let files = Files { certificate: certificate.to_owned(), key: key.to_owned() };
        let stamp = files.stamp().ok();
        let current = Arc::new(Current(RwLock::new(files.load()?)));
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Arc::new(Self { files, current, acceptor, seen: Mutex::new((stamp, true)) }))
    }

    /// When the certificate ends: seconds since 1970.
    pub fn expiry(&self) -> u64 {
        self.current.0.read().expiry
    }

    /// Reads the files again if they look different from the last time, or could not be used then. `Some(Ok)`: there is a
    /// new certificate. What cannot be used is not used: the certificate from before stays.
    pub fn reload(&self) -> Option<Result<(), String>> {
        let mut seen = self.seen.lock();
        let stamp = self.files.stamp().ok();
        let is_new = stamp != seen.0;
        if !is_new && seen.1 {
            return None;
        }
        let loaded = self.files.load();
        let was_good = seen.1;
        *seen = (stamp, loaded.is_ok());
        match loaded {
            Ok(loaded) => {
                *self.current.0.write() = loaded;
                Some(Ok(()))
            }
            // Said once, not every few seconds.
            Err(_) if !is_new && !was_good => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Looks after the files until `stop` turns true.
    pub async fn watch(self: Arc<Self>, every: Duration, metrics: Arc<Metrics>, mut stop: watch::Receiver<bool>) {
        metrics.tls_expiry.set(self.expiry());
        let mut looks = tokio::time::interval(every.max(Duration::from_millis(10)));
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let tls = self.clone();
            match tokio::task::spawn_blocking(move || tls.reload()).await {
                Ok(Some(Ok(()))) => {
                    metrics.tls_reloads.up();
                    metrics.tls_expiry.set(self.expiry());
                    tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is in use");
                }
                Ok(Some(Err(error))) => {
                    tracing::error!(%error, "the new certificate cannot be used, the old one stays");
                }
                Ok(None) | Err(_) => {}
            }
        }
    }

    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.acceptor.accept(stream).await
    }
}

/// When a certificate ends, seconds since 1970. X.509 has it in the first part, after version, serial number, algorithm
/// and issuer; no more of it is looked at here.
pub fn not_after(certificate: &[u8]) -> Option<u64> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (tag, certificate, _) = element(certificate)?;
    let (inner_tag, mut rest, _) = element(certificate)?;
    if (tag, inner_tag) != (SEQUENCE, SEQUENCE) {
        return None;
    }
    let (tag, _, behind) = element(rest)?;
    if tag == VERSION {
        rest = behind;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (_, _, behind) = element(validity)?;
    let (tag, text, _) = element(behind)?;
    moment(tag, text)
}

/// The first element of a DER encoding: its tag, what is in it, and what comes after it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let count = usize::from(length & 0x7f);
        let digits = rest.get(..count).filter(|_| (1..=4).contains(&count))?;
        let length = digits
            .iter()
            .try_fold(0_usize, |length, digit| length.checked_mul(256)?.checked_add(usize::from(*digit)))?;
        (length, rest.get(count..)?)
    };
    Some((tag, rest.get(..length)?, rest.get(length..)?))
}

/// A UTCTime or GeneralizedTime, as X.509 allows them: with seconds, in UTC.
fn moment(tag: u8, text: &[u8]) -> Option<u64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: u64 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 || !rest.bytes().all(|byte| byte.is_ascii_digit()) || year < 1970 {
        return None;
    }
    let two = |at: usize| rest.get(at..at + 2)?.parse::<u64>().ok();
    let (month, day) = (two(0)?, two(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970-01-01; years are counted from March, so that the leap day comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    Some(days * 86_400 + two(4)? * 3600 + two(6)? * 60 + two(8)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_certificates() {
        for (tag, text, wanted) in [
            (0x17, "700101000000Z", Some(0)),
            (0x17, "250301120000Z", Some(1_740_830_400)),
            (0x17, "491231235959Z", Some(2_524_607_999)),
            (0x18, "20240229000001Z", Some(1_709_164_801)),
            (0x18, "99991231235959Z", Some(253_402_300_799)),
            (0x17, "691231235959Z", None),
            (0x17, "2503011200Z", None),
            (0x17, "251301120000Z", None),
            (0x17, "250301120000", None),
            (0x04, "250301120000Z", None),
        ] {
            assert_eq!(moment(tag, text.as_bytes()), wanted, "{text}");
        }
    }

    #[test]
    fn the_end_of_a_certificate_is_found_and_damage_is_survived() {
        let names = vec!["im.example".to_owned()];
        let signed = rcgen::generate_simple_self_signed(names).unwrap();
        let der = signed.cert.der();
        // What rcgen says by default.
        assert_eq!(not_after(der), moment(0x18, b"40960101000000Z"));
        for at in 0..der.len() {
            assert_eq!(not_after(&der[..at]), None, "cut at {at}");
            for byte in [0, 0x7f, 0x80, 0x84, 0xff] {
                let mut damaged = der.to_vec();
                damaged[at] = byte;
                let _ = not_after(&damaged);
            }
        }
    }

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_bad_file_leaves_the_old_certificate_in_place() {
        let folder = Folder(std::env::temp_dir().join(format!("imps-csp-tls-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0).unwrap();
        let (certificate, key) = (folder.0.join("cert.pem"), folder.0.join("key.pem"));
        let write = |name: &str| {
            let signed = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
            std::fs::write(&certificate, signed.cert.pem()).unwrap();
            std::fs::write(&key, signed.signing_key.serialize_pem()).unwrap();
        };
        assert!(Tls::load(&certificate, &key).is_err(), "no files");
        write("one.example");
        let tls = Tls::load(&certificate, &key).unwrap();
        let in_use = || tls.current.0.read().certified.cert.clone();
        let first = in_use();
        assert_eq!(tls.reload(), None, "nothing has changed");

        std::fs::write(&certificate, "no certificate").unwrap();
        assert!(tls.reload().is_some_and(|outcome| outcome.is_err()));
        assert_eq!(tls.reload(), None, "it is said once");
        assert_eq!(in_use(), first);

        // The certificate is there, its key is not yet.
        let second = rcgen::generate_simple_self_signed(vec!["a.much.longer.name.example".to_owned()]).unwrap();
        std::fs::write(&certificate, second.cert.pem()).unwrap();
        assert!(tls.reload().is_some_and(|outcome| outcome.is_err()), "of another key");
        assert_eq!(in_use(), first);
        std::fs::write(&key, second.signing_key.serialize_pem()).unwrap();
        assert_eq!(tls.reload(), Some(Ok(())));
        assert_ne!(in_use(), first);
        assert!(tls.expiry() > 0);
    }
}

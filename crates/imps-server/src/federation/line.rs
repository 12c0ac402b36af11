//! A line of the table of peers, as operators write it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use imps_ssp::{DigestScheme, PeerConfig, Provision, Terms, TlsPolicy, TlsTrust};
use imps_types::{Domain, Service};
use serde::{Deserialize, Serialize};

use super::{OFFERED, parse};
use crate::command::Failure;

/// A line as an operator writes it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) urls: Vec<String>,
    pub(crate) digest: Option<String>,
    pub(crate) tls: Option<String>,
    pub(crate) authority: Option<PathBuf>,
    pub(crate) pin: Option<String>,
    /// What is used with it, whatever is negotiated.
    pub(crate) services: Option<Vec<String>>,
    /// What it provides for our domain, or for another one: SERVICE or SERVICE@DOMAIN.
    #[serde(default)]
    pub(crate) provides: Vec<String>,
    /// What we provide for its domain, or for another one.
    #[serde(default)]
    pub(crate) served: Vec<String>,
    /// Domains that it relays for.
    #[serde(default)]
    pub(crate) behind: Vec<String>,
}

impl Line {
    /// What the table of peers holds of it.
    pub(super) fn read(self, domain: Domain, home: &Domain) -> Result<PeerConfig, Failure> {
        if domain == *home {
            return Err(Failure::new(format!("{domain} is the domain of this server")));
        }
        for url in &self.urls {
            if !PeerConfig::is_url(url) {
                let why = Failure::new(format!("`{url}` is no URL"));
                return Err(why.hint(
                    "write http://HOST:PORT/ or https://HOST:PORT/, as the peer is reached from here; a PORT is 1 to 65535",
                ));
            }
        }
        let word =
            |what: &str, given: &str, words: &str| Failure::new(format!("--{what} {given}: it is one of {words}"));
        let digest = match self.digest.as_deref() {
            None => DigestScheme::default(),
            Some(given) => DigestScheme::parse(given).ok_or_else(|| word("digest", given, "md5, hmac-sha256"))?,
        };
        let tls = self
            .tls
            .as_deref()
            .map(|given| TlsPolicy::parse(given).ok_or_else(|| word("tls", given, "required, preferred, off")));
        let pin = self.pin.as_deref().map(|given| {
            octets(given).ok_or_else(|| Failure::new(format!("--pin {given}: a SHA-256 has 64 hexadecimal digits")))
        });
        let trust = TlsTrust { authority: self.authority.clone(), pin: pin.transpose()?, own: None };
        let contract = self.contract(&domain, home)?;
        let config = PeerConfig { domain, urls: self.urls, tls: tls.transpose()?, trust, digest, contract };
        is_usable(&config)?;
        Ok(config)
    }

    /// What operators agreed on, if anything of it is said.
    fn contract(&self, domain: &Domain, home: &Domain) -> Result<Option<Terms>, Failure> {
        let is_said =
            self.services.is_some() || !self.provides.is_empty() || !self.served.is_empty() || !self.behind.is_empty();
        if !is_said {
            return Ok(None);
        }
        // Who provides what, and who is behind it, takes nothing from what both use between each other.
        let interop = self.services.as_deref().map_or_else(|| Ok(Terms::usual()), interop)?;
        let theirs = provisions("provides", &self.provides, home)?;
        let ours = provisions("served", &self.served, domain)?;
        let behind: BTreeSet<_> =
            self.behind.iter().map(|name| named("behind", name, name)).collect::<Result<_, _>>()?;
        if behind.contains(home) {
            let why = Failure::new(format!("--behind {home}: that is the domain of this server"));
            return Err(why.hint("name a domain whose users the peer may speak for besides its own"));
        }
        Ok(Some(Terms { interop, theirs, ours, behind }))
    }

    pub(super) fn of(line: &PeerConfig) -> Self {
        let pin = |pin: &[u8; 32]| pin.iter().map(|octet| format!("{octet:02x}")).collect();
        let terms = line.contract.as_ref();
        let names = |terms: &Terms| terms.interop.iter().map(ToString::to_string).collect();
        let provisions = |lines: &BTreeSet<Provision>| {
            lines.iter().map(|one| format!("{}@{}", one.service, one.domain)).collect::<Vec<_>>()
        };
        Self {
            urls: line.urls.clone(),
            digest: Some(line.digest.as_str().to_owned()),
            tls: line.tls.map(|policy| policy.as_str().to_owned()),
            authority: line.trust.authority.clone(),
            pin: line.trust.pin.as_ref().map(pin),
            services: terms.map(names),
            provides: terms.map(|terms| provisions(&terms.theirs)).unwrap_or_default(),
            served: terms.map(|terms| provisions(&terms.ours)).unwrap_or_default(),
            behind: terms.iter().flat_map(|terms| &terms.behind).map(ToString::to_string).collect(),
        }
    }
}

/// Refuses a line by which the peer could never be spoken with.
fn is_usable(config: &PeerConfig) -> Result<(), Failure> {
    let Some((url, policy)) = config.useless_url() else { return Ok(()) };
    let (why, what) = match policy {
        TlsPolicy::Off => ("TLS is off", "write http://…, or leave --tls off out"),
        _ if config.tls.is_some() => ("TLS is required", "write https://…, or leave --tls required out"),
        _ => (
            "TLS is required but for URLs of this machine and of private networks",
            "write https://…, or --tls preferred if everybody on the way may read and change what is said",
        ),
    };
    Err(Failure::new(format!("`{url}` would never be used: {why}")).hint(what))
}

/// A domain that is named by an option.
fn named(option: &str, name: &str, whole: &str) -> Result<Domain, Failure> {
    parse(name).map_err(|why| Failure { message: format!("--{option} {whole}: {}", why.message), ..why })
}

/// The services that both use: none that this server does not have.
fn interop(names: &[String]) -> Result<BTreeSet<Service>, Failure> {
    let mut interop = BTreeSet::from([Service::Common]);
    let offered = || OFFERED.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ");
    for name in names {
        match Service::parse(name) {
            Some(service) if OFFERED.contains(&service) => interop.insert(service),
            _ => {
                let why = Failure::new(format!("--services {name}: this server has no such service for other domains"));
                return Err(why.hint(format!("it has {}", offered())));
            }
        };
    }
    Ok(interop)
}

/// What one provides for the users of a domain: of this one, unless another is named.
fn provisions(option: &str, lines: &[String], usual: &Domain) -> Result<BTreeSet<Provision>, Failure> {
    let provision = |line: &String| {
        let (name, domain) = match line.split_once('@') {
            Some((name, domain)) => (name, named(option, domain, line)?),
            None => (line.as_str(), usual.clone()),
        };
        Ok(Provision {
            service: service(name).map_err(|why| Failure::new(format!("--{option} {line}: {why}")))?,
            domain,
        })
    };
    lines.iter().map(provision).collect()
}

/// A service by its name.
pub(super) fn service(name: &str) -> Result<Service, String> {
    let all = || Service::ALL.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ");
    Service::parse(name).ok_or_else(|| format!("there is no service `{name}`; there are {}", all()))
}

/// 32 octets in hexadecimal digits, with or without colons between.
fn octets(text: &str) -> Option<[u8; 32]> {
    let digits: String = text.chars().filter(|&c| c != ':').collect();
    if digits.len() != 64 || !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = (0..32).map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok());
    pairs.collect::<Option<Vec<_>>>()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: Line) -> Result<PeerConfig, String> {
        let parsed = |name| Domain::parse(name).unwrap();
        line.read(parsed("b.example"), &parsed("a.example")).map_err(|failure| failure.message)
    }

    #[test]
    fn a_line_is_shown_as_it_was_written() {
        let line = Line {
            urls: vec!["https://b.example:8443/ssp".into()],
            digest: Some("hmac-sha256".into()),
            tls: Some("required".into()),
            authority: Some("ca.pem".into()),
            pin: Some("0a".repeat(32)),
            services: Some(vec!["COMMON".into(), "IM".into()]),
            provides: vec!["PRESENCE@a.example".into(), "IM@c.example".into()],
            served: vec!["GROUP@b.example".into()],
            behind: vec!["d.example".into()],
        };
        let config = read(line.clone()).unwrap();
        assert_eq!(config.trust.pin, Some([10; 32]));
        assert_eq!(Line::of(&config), line);
        let few = read(Line { services: Some(vec!["im".into()]), ..Line::default() }).unwrap();
        let both = [Service::Common, Service::Im].into();
        assert_eq!(few.contract.map(|terms| terms.interop), Some(both), "COMMON is always used");
        // The domain that is meant without a word is ours for what is provided to us, and the peer's for what we provide.
        let few =
            Line { provides: vec!["presence".into(), "IM@c.example".into()], served: vec!["group".into()], ..line };
        assert_eq!(read(few.clone()).unwrap().contract, config.contract);
        // Only `services` takes something away.
        for one in [
            Line { behind: vec!["d.example".into()], ..Line::default() },
            Line { provides: vec!["IM".into()], ..Line::default() },
            Line { served: vec!["IM".into()], ..Line::default() },
        ] {
            let alone = read(one).unwrap().contract.unwrap();
            let usual = [Service::Common, Service::Im, Service::Presence, Service::Group, Service::Content];
            assert_eq!(alone.interop, usual.into());
            assert_eq!(alone.behind.len() + alone.theirs.len() + alone.ours.len(), 1);
        }
        assert_eq!(read(Line::default()).unwrap().contract, None);
    }

    fn at(url: &str, tls: Option<&str>) -> Line {
        Line { urls: vec![url.into()], tls: tls.map(str::to_owned), ..Line::default() }
    }

    #[test]
    fn what_can_work_is_taken() {
        for (url, tls) in [
            ("http://127.0.0.1:8082/", None),
            ("http://[::1]/ssp", None),
            ("https://example.org", None),
            ("https://example.org:8443/x?y", Some("required")),
            ("http://example.org/", Some("preferred")),
            ("http://example.org/", Some("off")),
        ] {
            assert_eq!(read(at(url, tls)).map(|config| config.urls), Ok(vec![url.to_owned()]), "{tls:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, part) in [
            (Line { urls: vec!["b.example:80".into()], ..Line::default() }, "is no URL"),
            (Line { urls: vec!["ftp://b.example/".into()], ..Line::default() }, "is no URL"),
            (Line { digest: Some("sha1".into()), ..Line::default() }, "md5, hmac-sha256"),
            (Line { tls: Some("on".into()), ..Line::default() }, "required, preferred, off"),
            (Line { pin: Some("0a".repeat(31)), ..Line::default() }, "64 hexadecimal digits"),
            (Line { pin: Some("é".repeat(32)), ..Line::default() }, "64 hexadecimal digits"),
            (Line { services: Some(vec!["MAIL".into()]), ..Line::default() }, "no such service"),
            (Line { provides: vec!["MAIL".into()], ..Line::default() }, "--provides MAIL: there is no service `MAIL`"),
            (Line { served: vec!["IM@a b".into()], ..Line::default() }, "is no domain"),
            (Line { behind: vec!["".into()], ..Line::default() }, "--behind : `` is no domain"),
            (Line { behind: vec!["A.example".into()], ..Line::default() }, "the domain of this server"),
            (Line { provides: vec!["IM@".into()], ..Line::default() }, "--provides IM@: `` is no domain"),
            (at("http://127.0.0.1:99999/", None), "is no URL"),
            (at("http://127.0.0.1:/", None), "is no URL"),
            (at("http://[::1]:0/", None), "is no URL"),
            (at("http://example.org/", None), "would never be used: TLS is required but for"),
            (at("http://127.0.0.1/", Some("required")), "would never be used: TLS is required"),
            (at("https://127.0.0.1/", Some("off")), "would never be used: TLS is off"),
        ] {
            let why = read(line).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
        let own = Domain::parse("a.example").unwrap();
        assert!(Line::default().read(own.clone(), &own).is_err());
    }
}

//! Where a domain takes SSP: the table first, then DNS. SSP 3.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use imps_service::{Clock, Timestamp};
use imps_types::Domain;
use parking_lot::{Mutex, RwLock};

use crate::PeerConfig;

/// The label of our service in DNS.
const SERVICE: &str = "_imps-server._tcp";
/// How long it is remembered that there is nothing.
const NEGATIVE: Duration = Duration::from_secs(300);
/// The longest time to live that is believed.
const TTL_MAX: Duration = Duration::from_secs(86_400);
/// How many domains are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// How many records of a domain are used.
const RECORDS_MAX: usize = 16;

/// Whether a channel must be secure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// Nothing goes or comes without TLS.
    Required,
    /// TLS where it can be had.
    Preferred,
    /// Without.
    Off,
}

impl TlsPolicy {
    /// Its name in settings and commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Preferred => "preferred",
            Self::Off => "off",
        }
    }

    /// The one of this name.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Required, Self::Preferred, Self::Off];
        all.into_iter().find(|it| it.as_str().eq_ignore_ascii_case(text.trim()))
    }

    pub(crate) fn allows(self, url: &str) -> bool {
        let is_secure = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        match self {
            Self::Required => is_secure,
            Self::Preferred => true,
            Self::Off => !is_secure,
        }
    }
}

/// A record: where a service is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// The lowest is tried first.
    pub priority: u16,
    /// Among equals, how often.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host.
    pub target: String,
}

/// What DNS says of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// These, for so long.
    Records(Vec<Srv>, Duration),
    /// That there is nothing.
    Nothing,
    /// It could not be asked.
    Failed(String),
}

/// Asks DNS; tests answer by themselves.
pub trait Resolver: Send + Sync {
    /// The SRV records of this name.
    fn srv<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Found>;
}

/// The system's name servers.
pub struct SystemResolver(TokioResolver);

impl SystemResolver {
    /// As `/etc/resolv.conf` has them.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new() -> Result<Self, String> {
        let resolver = TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build);
        resolver.map(Self).map_err(|error| format!("name servers: {error}"))
    }
}

impl Resolver for SystemResolver {
    fn srv<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Found> {
        Box::pin(async move {
            match self.0.srv_lookup(name).await {
                Ok(lookup) => {
                    let (mut records, mut ttl) = (Vec::new(), TTL_MAX);
                    for record in lookup.answers() {
                        let RData::SRV(srv) = &record.data else { continue };
                        ttl = ttl.min(Duration::from_secs(u64::from(record.ttl)));
                        let target = srv.target.to_ascii().trim_end_matches('.').to_owned();
                        let (priority, weight, port) = (srv.priority, srv.weight, srv.port);
                        records.push(Srv { priority, weight, port, target });
                    }
                    Found::Records(records, ttl)
                }
                Err(error) if error.is_no_records_found() => Found::Nothing,
                Err(error) => Found::Failed(error.to_string()),
            }
        })
    }
}

/// Finds the addresses of peers.
pub(crate) struct Finder {
    table: RwLock<HashMap<Domain, Arc<PeerConfig>>>,
    /// None: only the table counts.
    resolver: Option<Arc<dyn Resolver>>,
    remembered: Mutex<HashMap<Domain, (Vec<Srv>, Timestamp)>>,
    clock: Clock,
}

/// Why a domain has no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoWay {
    /// It is not in the table, and DNS has nothing: it does not speak SSP.
    Unknown,
    /// It has, but none that may be used.
    NotSecure,
    /// DNS could not be asked.
    Failed,
}

impl Finder {
    pub(crate) fn new(peers: Vec<PeerConfig>, resolver: Option<Arc<dyn Resolver>>, clock: Clock) -> Self {
        let table = peers.into_iter().map(|peer| (peer.domain.clone(), Arc::new(peer))).collect();
        Self { table: RwLock::new(table), resolver, remembered: Mutex::default(), clock }
    }

    /// The line of the table, if there is one.
    pub(crate) fn line(&self, domain: &Domain) -> Option<Arc<PeerConfig>> {
        self.table.read().get(domain).cloned()
    }

    /// Writes a line, or the line anew.
    pub(crate) fn set_line(&self, line: PeerConfig) {
        self.table.write().insert(line.domain.clone(), Arc::new(line));
    }

    /// Strikes a line out.
    pub(crate) fn remove_line(&self, domain: &Domain) {
        self.table.write().remove(domain);
    }

    /// Every domain of the table.
    pub(crate) fn domains(&self) -> Vec<Domain> {
        self.table.read().keys().cloned().collect()
    }

    /// Every line of the table, by domain: which of two that say the same thing counts is not for chance.
    pub(crate) fn lines(&self) -> Vec<Arc<PeerConfig>> {
        let mut lines: Vec<_> = self.table.read().values().cloned().collect();
        lines.sort_by(|one, other| one.domain.cmp(&other.domain));
        lines
    }

    /// How secure the way to a domain must be.
    pub(crate) fn policy(&self, domain: &Domain) -> TlsPolicy {
        match self.line(domain) {
            None => TlsPolicy::Required,
            Some(line) => policy_of(&line),
        }
    }

    /// The addresses of a domain, in the order in which they are to be tried.
    pub(crate) async fn ways(&self, domain: &Domain) -> Result<Vec<String>, NoWay> {
        let policy = self.policy(domain);
        if let Some(line) = self.line(domain).filter(|line| !line.urls.is_empty()) {
            let allowed: Vec<_> = line.urls.iter().filter(|url| policy.allows(url)).cloned().collect();
            return if allowed.is_empty() { Err(NoWay::NotSecure) } else { Ok(allowed) };
        }
        let records = self.records(domain).await?;
        let mut ways = Vec::new();
        for record in in_order(records, &mut random) {
            let host = record.target;
            for scheme in ["https", "http"] {
                let url = format!("{scheme}://{host}:{}/", record.port);
                if policy.allows(&url) {
                    ways.push(url);
                }
            }
        }
        if ways.is_empty() { Err(NoWay::Unknown) } else { Ok(ways) }
    }

    async fn records(&self, domain: &Domain) -> Result<Vec<Srv>, NoWay> {
        let Some(resolver) = &self.resolver else { return Err(NoWay::Unknown) };
        let now = self.clock.now();
        let remembered = {
            let remembered = self.remembered.lock();
            remembered.get(domain).filter(|(_, until)| *until > now).map(|(records, _)| records.clone())
        };
        let records = match remembered {
            Some(records) => records,
            None => {
                let (records, keep) = match resolver.srv(&format!("{SERVICE}.{domain}.")).await {
                    Found::Records(records, ttl) if !records.is_empty() => (records, ttl.min(TTL_MAX)),
                    Found::Records(..) | Found::Nothing => (Vec::new(), NEGATIVE),
                    Found::Failed(error) => {
                        tracing::warn!(%domain, error, "name servers do not answer");
                        return Err(NoWay::Failed);
                    }
                };
                self.remember(domain, &records, now, keep);
                records
            }
        };
        if records.is_empty() { Err(NoWay::Unknown) } else { Ok(records) }
    }

    fn remember(&self, domain: &Domain, records: &[Srv], now: Timestamp, keep: Duration) {
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.retain(|_, (_, until)| *until > now);
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
        }
        remembered.insert(domain.clone(), (records.to_vec(), now.plus(keep)));
    }
}

/// How secure the way to a peer must be by its line.
pub(crate) fn policy_of(line: &PeerConfig) -> TlsPolicy {
    line.tls.unwrap_or_else(|| {
        let is_near = !line.urls.is_empty() && line.urls.iter().all(|url| is_near(url));
        if is_near { TlsPolicy::Preferred } else { TlsPolicy::Required }
    })
}

/// A number that nobody can foresee.
fn random() -> u64 {
    let mut octets = [0; 8];
    // Without random numbers the first is taken, which is one of the right ones too.
    let _ = getrandom::fill(&mut octets);
    u64::from_be_bytes(octets)
}

/// By priority, and among equals by chance, weighted (RFC 2782).
fn in_order(mut records: Vec<Srv>, random: &mut dyn FnMut() -> u64) -> Vec<Srv> {
    // A target of nothing says that there is no service.
    records.retain(|record| !record.target.is_empty());
    records.truncate(RECORDS_MAX);
    records.sort_by_key(|record| record.priority);
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let equals = records.iter().take_while(|record| record.priority == priority).count();
        let weights = || records.iter().take(equals).map(|record| u64::from(record.weight) + 1);
        let mut chosen = random() % weights().sum::<u64>().max(1);
        let mut at = 0;
        for weight in weights() {
            if chosen < weight {
                break;
            }
            chosen -= weight;
            at += 1;
        }
        ordered.push(records.remove(at.min(records.len().saturating_sub(1))));
    }
    ordered
}

/// The host of a URL, without brackets.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => authority.split(':').next(),
    }
}

/// Whether a URL leads to this machine or to a private network.
fn is_near(url: &str) -> bool {
    let Some(host) = host_of(url) else { return false };
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether an address is one of the public network, as far as can be told from it.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [first, second, third, _] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            let is_protocols = (first, second, third) == (192, 0, 0) || (first == 198 && second & 0xfe == 18);
            let is_special = ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified();
            let is_nobodys = ip.is_broadcast() || ip.is_multicast() || ip.is_documentation() || first == 0;
            !is_special && !is_nobodys && !is_shared && !is_protocols && first < 240
        }
        IpAddr::V6(ip) => {
            if let Some(ip) = ip.to_ipv4() {
                return is_public(IpAddr::V4(ip));
            }
            // An address of the other network may be inside one that is translated or tunnelled.
            let inside = match ip.segments() {
                [0x2002, high, low, ..] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some((high, low)),
                _ => None,
            };
            if let Some((high, low)) = inside {
                let octets = (u32::from(high) << 16) | u32::from(low);
                return is_public(IpAddr::V4(octets.into()));
            }
            // All that is given to anybody begins so.
            ip.segments().first().is_some_and(|first| first & 0xe000 == 0x2000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Fake(Found, AtomicUsize);

    impl Resolver for Fake {
        fn srv<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Found> {
            assert_eq!(name, "_imps-server._tcp.b.example.");
            self.1.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { self.0.clone() })
        }
    }

    fn domain() -> Domain {
        Domain::parse("b.example").expect("a domain")
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 8181, target: target.to_owned() }
    }

    #[test]
    fn by_priority_then_by_weight() {
        let records = vec![srv(20, 0, "c"), srv(10, 1, "a"), srv(10, 99, "b"), srv(30, 0, "")];
        let names = |random: u64| -> String {
            in_order(records.clone(), &mut || random).into_iter().map(|it| it.target).collect()
        };
        // The sums are 2 and 102.
        assert_eq!([names(0), names(1), names(2), names(101)], ["abc", "abc", "bac", "bac"]);
    }

    #[tokio::test]
    async fn dns_is_asked_once_for_each_ttl() {
        let clock = Clock::set(Timestamp(1_000_000));
        for (found, keep, expected) in [
            (
                Found::Records(vec![srv(1, 1, "ssp.b.example")], Duration::from_secs(60)),
                60,
                Ok(vec!["https://ssp.b.example:8181/".to_owned()]),
            ),
            (Found::Nothing, 300, Err(NoWay::Unknown)),
            (Found::Failed("refused".to_owned()), 0, Err(NoWay::Failed)),
        ] {
            let fake = Arc::new(Fake(found, AtomicUsize::new(0)));
            let finder = Finder::new(Vec::new(), Some(fake.clone()), clock.clone());
            assert_eq!(finder.ways(&domain()).await, expected);
            clock.advance(Duration::from_secs(keep).saturating_sub(Duration::from_millis(1)));
            let _ = finder.ways(&domain()).await;
            assert_eq!(fake.1.load(Ordering::Relaxed), if keep == 0 { 2 } else { 1 });
            clock.advance(Duration::from_millis(1));
            let _ = finder.ways(&domain()).await;
            assert_eq!(fake.1.load(Ordering::Relaxed), if keep == 0 { 3 } else { 2 });
        }
    }

    #[tokio::test]
    async fn the_table_comes_first_and_its_policy_holds() {
        let finder = |urls: &[&str], tls| {
            let urls = urls.iter().map(|&url| url.to_owned()).collect();
            let peer = PeerConfig { urls, tls, ..PeerConfig::of(domain()) };
            Finder::new(vec![peer], None, Clock::set(Timestamp(0)))
        };
        let both = &["http://127.0.0.1:1/", "https://ssp.b.example/"];
        for (urls, tls, policy, ways) in [
            (&both[..1], None, TlsPolicy::Preferred, Ok(vec![both[0].to_owned()])),
            (&both[..], None, TlsPolicy::Required, Ok(vec![both[1].to_owned()])),
            (&both[..1], Some(TlsPolicy::Required), TlsPolicy::Required, Err(NoWay::NotSecure)),
            (&both[..], Some(TlsPolicy::Off), TlsPolicy::Off, Ok(vec![both[0].to_owned()])),
        ] {
            let finder = finder(urls, tls);
            assert_eq!((finder.policy(&domain()), finder.ways(&domain()).await), (policy, ways));
        }
        let stranger = Domain::parse("c.example").expect("a domain");
        let finder = finder(both, None);
        assert_eq!(finder.ways(&stranger).await, Err(NoWay::Unknown));
        assert_eq!(finder.policy(&stranger), TlsPolicy::Required);
    }

    #[test]
    fn what_is_near() {
        for near in [
            "http://127.0.0.1/",
            "http://10.1.2.3:80/x",
            "https://[::1]:1/",
            "http://localhost:1",
            "http://192.168.0.1",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in ["http://8.8.8.8/", "https://ssp.b.example/", "nonsense", "http://localhost.evil.example/"] {
            assert!(!is_near(far), "{far}");
        }
    }
}

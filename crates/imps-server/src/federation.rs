//! Other domains (SSP): on the listeners of the clients, told from them by its content type; and what operators ask of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use imps_csp::transport::http::{OtherAnswer, OtherFace, OtherPost};
use imps_service::im::{Abroad, AbroadWhat};
use imps_service::{Error, Services};
use imps_ssp::{
    Agreement, Arrival, DigestScheme, Face, OpenTransaction, PeerConfig, PeerState, Peers, Resolver, Ssp, SspConfig,
    SystemResolver, Terms, TlsPolicy, TlsTrust,
};
use imps_types::{Domain, Service};
use serde::{Deserialize, Serialize};

use crate::command::{Failure, Outcome, moment};
use crate::config::SspSettings;
use crate::wire::Node;

/// What this server has for other domains.
const OFFERED: &[Service] = &[Service::Common, Service::Im];

/// How long peers may take to say goodbye when the server stops.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);

/// How many of those that wait are shown one by one.
const SHOWN: usize = 10;

/// SSP on the listeners of CSP.
pub(crate) struct Shared(pub(crate) Arc<Ssp>);

impl OtherFace for Shared {
    fn takes(&self, content_type: &str) -> bool {
        Ssp::takes(content_type)
    }

    fn post<'a>(&'a self, posted: OtherPost<'a>) -> std::pin::Pin<Box<dyn Future<Output = OtherAnswer> + Send + 'a>> {
        Box::pin(async move {
            let arrival = Arrival { body: posted.body, content_type: Some(posted.content_type), secure: posted.secure };
            let receipt = self.0.receive(arrival).await;
            let wv_status = receipt.wv_status.map(|status| ("x-wv-status", status.to_string()));
            let retry_after = receipt.retry_after.map(|seconds| ("retry-after", seconds.to_string()));
            let headers = wv_status.into_iter().chain(retry_after).collect();
            OtherAnswer { status: receipt.status, headers, body: receipt.why }
        })
    }
}

/// Opens the way to other domains, if it is to be open; what waits for them is posted from now on.
pub(crate) async fn open(services: &Arc<Services>, settings: &SspSettings) -> Result<Option<Arc<Ssp>>, Error> {
    if !settings.enabled {
        return Ok(None);
    }
    let mut config = SspConfig { domain: services.router.home().clone(), ..settings.config.clone() };
    config.offered = OFFERED.to_vec();
    let resolver = match SystemResolver::new() {
        Ok(resolver) => Some(Arc::new(resolver) as Arc<dyn Resolver>),
        Err(error) => {
            tracing::warn!(error, "domains are found by the table of peers only");
            None
        }
    };
    Face::open(services.clone(), config, resolver).await.map(Some)
}

/// What an operator wants of other domains.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wish {
    /// A line of the table of peers, or the line anew.
    Add {
        domain: String,
        line: Line,
    },
    List,
    Show {
        domain: String,
    },
    /// Speaks with it.
    Test {
        domain: String,
    },
    Remove {
        domain: String,
    },
}

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
}

/// A peer, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PeerView {
    pub(crate) domain: String,
    /// Absent when DNS alone knows it.
    pub(crate) line: Option<Line>,
    pub(crate) agreement: AgreementView,
    /// Absent when nothing goes on with it, or no server runs.
    pub(crate) state: Option<StateView>,
    /// Absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) queue: Option<QueueView>,
    /// Some of what is open; in lists, nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) open: Vec<OpenView>,
}

/// A transaction that is not through.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OpenView {
    pub(crate) transaction: String,
    /// Whether we began it.
    pub(crate) ours: bool,
    pub(crate) name: Option<String>,
    pub(crate) state: String,
}

/// What holds between this domain and a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct AgreementView {
    /// default, negotiated, or contract: the line says it.
    pub(crate) origin: String,
    pub(crate) id: String,
    pub(crate) until: Option<String>,
    /// Used between both.
    pub(crate) services: Vec<String>,
    /// What the peer provides to others on our side, and we on its side: SERVICE for DOMAIN.
    pub(crate) theirs: Vec<String>,
    pub(crate) ours: Vec<String>,
    /// Domains that it relays for.
    pub(crate) behind: Vec<String>,
}

/// What goes on with a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StateView {
    pub(crate) sessions: Vec<SessionOfPeer>,
    /// Our requests that are not through.
    pub(crate) requests: usize,
    /// Its transactions that are being worked on.
    pub(crate) transactions: usize,
    pub(crate) url: Option<String>,
    pub(crate) posts: u64,
    pub(crate) posts_failed: u64,
    pub(crate) arrivals: u64,
    pub(crate) arrivals_refused: u64,
    /// When a POST was not taken last, and what happened.
    pub(crate) failed_at: Option<String>,
    pub(crate) failure: Option<String>,
}

/// A session with a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionOfPeer {
    pub(crate) own: String,
    pub(crate) theirs: String,
    pub(crate) until: String,
}

/// What waits for a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct QueueView {
    pub(crate) messages: u64,
    pub(crate) reports: u64,
    pub(crate) bytes: u64,
    /// Those that wait longest.
    pub(crate) first: Vec<WaitingView>,
}

/// Something that waits for a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct WaitingView {
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) expires: String,
}

/// What was tried with a peer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepView {
    pub(crate) good: bool,
    pub(crate) said: String,
}

/// Carries a wish out.
pub(crate) async fn run(node: &Node, wish: Wish) -> Result<Outcome, Failure> {
    let peers = Peers(&node.services.store);
    let running = node.is_running;
    match wish {
        Wish::Add { domain, line } => {
            let line = line.read(parse(&domain)?, node.services.router.home())?;
            let domain = line.domain.clone();
            if peers.line(&domain).await?.as_ref() != Some(&line) {
                peers.set(&line).await?;
                if let Some(ssp) = node.ssp.get() {
                    ssp.set_peer(line);
                }
            }
            wake(node, &domain);
            Ok(Outcome::Peers { peers: vec![show(node, &domain).await?], running })
        }
        Wish::List => {
            let mut views = Vec::new();
            let states = states(node);
            for line in peers.lines().await? {
                let state = states.iter().find(|state| state.domain == line.domain);
                views.push(view(node, &line.domain, Some(&line), state).await?);
            }
            for state in &states {
                if !views.iter().any(|view| view.domain == state.domain.as_str()) {
                    views.push(view(node, &state.domain, None, Some(state)).await?);
                }
            }
            Ok(Outcome::Peers { peers: views, running })
        }
        Wish::Show { domain } => Ok(Outcome::Peers { peers: vec![show(node, &parse(&domain)?).await?], running }),
        Wish::Test { domain } => {
            let domain = parse(&domain)?;
            let Some(ssp) = node.ssp.get() else { return Err(silent(node)) };
            let steps = ssp.probe(&domain).await.into_iter();
            Ok(Outcome::PeerTested {
                steps: steps.map(|step| StepView { good: step.is_good, said: step.said }).collect(),
            })
        }
        Wish::Remove { domain } => {
            let domain = parse(&domain)?;
            peers.line(&domain).await?.ok_or_else(|| unknown(&domain))?;
            peers.remove(&domain).await?;
            if let Some(ssp) = node.ssp.get() {
                ssp.remove_peer(&domain);
            }
            // Whoever waits for it is told that it cannot be reached.
            wake(node, &domain);
            Ok(Outcome::PeerRemoved { domain: domain.to_string() })
        }
    }
}

fn silent(node: &Node) -> Failure {
    if node.is_running {
        return Failure::new("this server speaks with no other domain")
            .hint("set ssp.enabled to true and start it again");
    }
    Failure::new("no server runs with this data folder, and without one no peer can answer").hint("hamlet serve")
}

fn parse(domain: &str) -> Result<Domain, Failure> {
    Domain::parse(domain).map_err(|error| {
        Failure::new(format!("`{domain}` is no domain: {error}")).hint("write it as in addresses: example.org")
    })
}

fn unknown(domain: &Domain) -> Failure {
    Failure::new(format!("there is no peer {domain}"))
        .hint(format!("`hamlet peer list` shows which there are, `hamlet peer add {domain} --url URL` adds it"))
}

fn wake(node: &Node, domain: &Domain) {
    if let Some(gateway) = node.services.router.gateway() {
        gateway.wake(domain);
    }
}

fn states(node: &Node) -> Vec<PeerState> {
    node.ssp.get().map(|ssp| ssp.peers()).unwrap_or_default()
}

async fn show(node: &Node, domain: &Domain) -> Result<PeerView, Failure> {
    let line = Peers(&node.services.store).line(domain).await?;
    let states = states(node);
    let state = states.iter().find(|state| state.domain == *domain);
    if line.is_none() && state.is_none() {
        return Err(unknown(domain));
    }
    let mut view = view(node, domain, line.as_ref(), state).await?;
    let im = node.services.im();
    let backlog = im.backlog(domain).await?;
    let first = im.waiting_abroad(domain, SHOWN).await?;
    view.queue = Some(QueueView {
        messages: backlog.messages,
        reports: backlog.reports,
        bytes: backlog.bytes,
        first: first.iter().map(waiting_view).collect(),
    });
    if let Some(ssp) = node.ssp.get() {
        let (requests, transactions) = ssp.open_with(domain, SHOWN);
        let open = requests.iter().map(|one| (true, one)).chain(transactions.iter().map(|one| (false, one)));
        view.open = open.map(|(ours, one)| open_view(ours, one)).collect();
    }
    Ok(view)
}

async fn view(
    node: &Node,
    domain: &Domain,
    line: Option<&PeerConfig>,
    state: Option<&PeerState>,
) -> Result<PeerView, Failure> {
    let contract = line.and_then(|line| line.contract.clone());
    let agreement = match (state, contract) {
        (Some(state), _) => state.agreement.clone(),
        (None, Some(contract)) => Agreement::of_contract(contract),
        (None, None) => {
            let now = node.services.clock.now();
            let kept = Peers(&node.services.store).agreement(domain).await?;
            let kept = kept.filter(|kept| kept.until.is_none_or(|until| until > now));
            kept.unwrap_or_else(|| Agreement::default_with(&OFFERED.iter().copied().collect()))
        }
    };
    Ok(PeerView {
        domain: domain.to_string(),
        line: line.map(Line::of),
        agreement: agreement_view(&agreement),
        state: state.map(state_view),
        queue: None,
        open: Vec::new(),
    })
}

fn agreement_view(agreement: &Agreement) -> AgreementView {
    let terms = &agreement.terms;
    let provision = |one: &imps_ssp::Provision| format!("{} for {}", one.service, one.domain);
    AgreementView {
        origin: agreement.origin.as_str().to_owned(),
        id: agreement.id.to_string(),
        until: agreement.until.map(moment),
        services: terms.interop.iter().map(ToString::to_string).collect(),
        theirs: terms.theirs.iter().map(provision).collect(),
        ours: terms.ours.iter().map(provision).collect(),
        behind: terms.behind.iter().map(ToString::to_string).collect(),
    }
}

fn state_view(state: &PeerState) -> StateView {
    let session = |(own, theirs, until): &(Arc<str>, Arc<str>, imps_service::Timestamp)| SessionOfPeer {
        own: own.to_string(),
        theirs: theirs.to_string(),
        until: moment(*until),
    };
    let failure = state.last_failure.as_ref();
    StateView {
        sessions: state.sessions.iter().map(session).collect(),
        requests: state.requests,
        transactions: state.transactions,
        url: state.way.clone(),
        posts: state.posts.0,
        posts_failed: state.posts.1,
        arrivals: state.arrivals.0,
        arrivals_refused: state.arrivals.1,
        failed_at: failure.map(|(at, _)| moment(*at)),
        failure: failure.map(|(_, why)| why.clone()),
    }
}

fn open_view(ours: bool, one: &OpenTransaction) -> OpenView {
    OpenView {
        transaction: one.id.as_str().to_owned(),
        ours,
        name: one.name.map(str::to_owned),
        state: one.state.to_owned(),
    }
}

fn waiting_view(one: &Abroad) -> WaitingView {
    let message = imps_types::MessageId::new(one.sequence).to_string();
    match &one.what {
        AbroadWhat::Message(waiting) => WaitingView {
            message,
            kind: "message".to_owned(),
            from: waiting.sender.to_string(),
            to: waiting.info.recipient.users.iter().map(|user| user.user_id.to_string()).collect(),
            expires: moment(waiting.expires),
        },
        AbroadWhat::Report(waiting) => WaitingView {
            message,
            kind: "report".to_owned(),
            from: waiting.info.recipient.users.first().map(|user| user.user_id.to_string()).unwrap_or_default(),
            to: vec![waiting.recipient.to_string()],
            expires: moment(waiting.expires),
        },
    }
}

impl Line {
    /// What the table of peers holds of it.
    fn read(self, domain: Domain, home: &Domain) -> Result<PeerConfig, Failure> {
        if domain == *home {
            return Err(Failure::new(format!("{domain} is the domain of this server")));
        }
        for url in &self.urls {
            if !PeerConfig::is_url(url) {
                let why = Failure::new(format!("`{url}` is no URL"));
                return Err(why.hint("write http://HOST:PORT/ or https://HOST:PORT/, as the peer is reached from here"));
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
        let trust = TlsTrust { authority: self.authority, pin: pin.transpose()?, own: None };
        let contract = self.services.map(contract).transpose()?;
        Ok(PeerConfig { domain, urls: self.urls, tls: tls.transpose()?, trust, digest, contract })
    }

    fn of(line: &PeerConfig) -> Self {
        let pin = |pin: &[u8; 32]| pin.iter().map(|octet| format!("{octet:02x}")).collect();
        let names = |terms: &Terms| terms.interop.iter().map(ToString::to_string).collect();
        Self {
            urls: line.urls.clone(),
            digest: Some(line.digest.as_str().to_owned()),
            tls: line.tls.map(|policy| policy.as_str().to_owned()),
            authority: line.trust.authority.clone(),
            pin: line.trust.pin.as_ref().map(pin),
            services: line.contract.as_ref().map(names),
        }
    }
}

/// The services that operators agreed on: none that this server does not have.
fn contract(names: Vec<String>) -> Result<Terms, Failure> {
    let mut interop = std::collections::BTreeSet::from([Service::Common]);
    let offered = || OFFERED.iter().map(|service| service.as_str()).collect::<Vec<_>>().join(", ");
    for name in names {
        match Service::parse(&name) {
            Some(service) if OFFERED.contains(&service) => interop.insert(service),
            _ => {
                let why = Failure::new(format!("--services {name}: this server has no such service for other domains"));
                return Err(why.hint(format!("it has {}", offered())));
            }
        };
    }
    Ok(Terms { interop, ..Terms::default() })
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

/// What is counted of one peer: name, kind, meaning, value.
type Meter = (&'static str, &'static str, &'static str, fn(&PeerState) -> u64);

/// What is counted of each peer with which something goes on.
pub(crate) const METERS: &[Meter] = &[
    ("hamlet_ssp_sessions", "gauge", "Sessions with a peer", |peer| peer.sessions.len() as u64),
    ("hamlet_ssp_requests_open", "gauge", "Requests to a peer that are not through", |peer| peer.requests as u64),
    ("hamlet_ssp_transactions_open", "gauge", "Transactions of a peer that are carried out", |peer| {
        peer.transactions as u64
    }),
    ("hamlet_ssp_posts_total", "counter", "Messages posted to a peer", |peer| peer.posts.0),
    ("hamlet_ssp_posts_failed_total", "counter", "Messages posted to a peer and not taken", |peer| peer.posts.1),
    ("hamlet_ssp_arrivals_total", "counter", "Messages that a peer posted", |peer| peer.arrivals.0),
    ("hamlet_ssp_arrivals_refused_total", "counter", "Messages that a peer posted and that were refused", |peer| {
        peer.arrivals.1
    }),
];

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
        };
        let config = read(line.clone()).unwrap();
        assert_eq!(config.trust.pin, Some([10; 32]));
        assert_eq!(Line::of(&config), line);
        let few = read(Line { services: Some(vec!["im".into()]), ..Line::default() }).unwrap();
        assert_eq!(few.contract, config.contract, "COMMON is always used");
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
            (Line { services: Some(vec!["PRESENCE".into()]), ..Line::default() }, "no such service"),
        ] {
            let why = read(line).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
        let own = Domain::parse("a.example").unwrap();
        assert!(Line::default().read(own.clone(), &own).is_err());
    }
}

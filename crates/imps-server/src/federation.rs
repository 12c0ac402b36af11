//! Other domains (SSP): on the listeners of the clients, told from them by its content type; and what operators ask of them.

mod line;
mod view;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use imps_csp::Csp;
use imps_csp::transport::http::{OtherAnswer, OtherFace, OtherPost};
use imps_ssp::{
    Agreement, Arrival, Desk, Face, PeerConfig, PeerState, Peers, Provider, Resolver, RouteLine, ServiceTable, Ssp,
    SspConfig, SystemResolver, TableLine,
};
use imps_types::{Domain, Service};
use serde::{Deserialize, Serialize};

use crate::command::{Failure, Outcome};
use crate::config::SspSettings;
use crate::guests::{GuestDesk, OtherDomains};
use crate::wire::Node;

pub(crate) use line::Line;
pub(crate) use view::message_view;
pub(crate) use view::{OpenView, PeerView, QueueView, RelayedView, ServiceView, StateView, StepView};
use view::{agreement_view, open_view, relayed_view, service_view, state_view, waiting_view};

/// What this server has for other domains.
const OFFERED: &[Service] = Service::ALL;

/// What of it this domain is to have itself; the rest, others may provide for it.
pub(crate) fn has(settings: &SspSettings) -> BTreeSet<Service> {
    OFFERED.iter().copied().filter(|service| settings.services.has(*service)).collect()
}

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
            let arrival = Arrival {
                body: posted.body,
                content_type: Some(posted.content_type),
                secure: posted.secure,
                from: Some(posted.peer),
            };
            let receipt = self.0.receive(arrival).await;
            let wv_status = receipt.wv_status.map(|status| ("x-wv-status", status.to_string()));
            let retry_after = receipt.retry_after.map(|seconds| ("retry-after", seconds.to_string()));
            let headers = wv_status.into_iter().chain(retry_after).collect();
            OtherAnswer { status: receipt.status, headers, body: receipt.why }
        })
    }
}

/// Opens the way to other domains, if it is to be open; what waits for them is posted from now on.
///
/// # Errors
/// The store's failure; or lines of the Service Table lead in a circle, or contradict each other (SSP 13.4).
pub(crate) async fn open(csp: &Arc<Csp>, settings: &SspSettings) -> Result<Option<Arc<Ssp>>, String> {
    if !settings.enabled {
        return Ok(None);
    }
    let services = csp.services();
    let own = services.router.home();
    let mut config = SspConfig { domain: own.clone(), ..settings.config.clone() };
    config.offered = has(settings).into_iter().collect();
    let peers = Peers(&services.store);
    config.routes = peers.routes().await.map_err(|error| error.to_string())?;
    let lines = peers.lines().await.map_err(|error| error.to_string())?;
    table_of(own, &has(settings), &lines, &config.routes).check()?;
    let resolver = match SystemResolver::new() {
        Ok(resolver) => Some(Arc::new(resolver) as Arc<dyn Resolver>),
        Err(error) => {
            tracing::warn!(error, "domains are found by the table of peers only");
            None
        }
    };
    let desk = Arc::new(GuestDesk(Arc::downgrade(csp)));
    let guests: Weak<dyn Desk> = Arc::downgrade(&(desk.clone() as Arc<dyn Desk>));
    let opened = Face::open(services.clone(), config, resolver, guests).await;
    let (ssp, face) = opened.map_err(|error| error.to_string())?;
    ssp.greet(ssp.table());
    csp.set_elsewhere(Arc::new(OtherDomains { face, _desk: desk }));
    Ok(Some(ssp))
}

/// The Service Table that these lines make.
fn table_of(own: &Domain, has: &BTreeSet<Service>, lines: &[PeerConfig], routes: &[RouteLine]) -> ServiceTable {
    let contracts = lines.iter().filter_map(|line| Some((&line.domain, line.contract.as_ref()?)));
    ServiceTable::of(own, has.iter().copied(), contracts, routes)
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
    /// The Service Table.
    Routes,
    /// Who provides a service for a domain: a peer, `local`, or `-` for what contracts say.
    Route {
        domain: String,
        service: String,
        to: String,
    },
}

/// Carries a wish out.
pub(crate) async fn run(node: &Node, wish: Wish) -> Result<Outcome, Failure> {
    let peers = Peers(&node.services.store);
    let running = node.is_running;
    match wish {
        Wish::Add { domain, line } => {
            let line = line.read(parse(&domain)?, node.services.router.home())?;
            let domain = line.domain.clone();
            line.trust.check(&domain).map_err(|why| {
                Failure::new(format!("--ca: {why}"))
                    .hint("name a file with certificates (PEM) that the server can read")
            })?;
            if peers.line(&domain).await?.as_ref() != Some(&line) {
                let mut lines = peers.lines().await?;
                lines.retain(|other| other.domain != domain);
                lines.push(line.clone());
                check(node, &lines, &peers.routes().await?)?;
                peers.set(&line).await?;
                if let Some(ssp) = node.ssp.get() {
                    ssp.set_peer(line);
                }
            }
            wake(node, &domain);
            if let Some(ssp) = node.ssp.get() {
                ssp.end_pause(&domain);
                ssp.greet(vec![domain.clone()]);
            }
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
            if !ssp.is_peer(&domain) {
                return Err(unknown(&domain));
            }
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
        Wish::Routes => {
            Ok(Outcome::PeerRoutes { lines: table(node).await?.lines().iter().map(service_view).collect() })
        }
        Wish::Route { domain, service, to } => route(node, parse(&domain)?, &service, &to).await,
    }
}

/// Writes a line of the Service Table, or strikes it out.
async fn route(node: &Node, domain: Domain, service: &str, to: &str) -> Result<Outcome, Failure> {
    let peers = Peers(&node.services.store);
    let service = line::service(service).map_err(Failure::new)?;
    let mut routes = peers.routes().await?;
    routes.retain(|line| (&line.domain, line.service) != (&domain, service));
    if to == "-" {
        peers.remove_route(&domain, service).await?;
    } else {
        let provider = if to == "local" { None } else { Some(parse(to)?) };
        if let Some(peer) = &provider {
            peers.line(peer).await?.ok_or_else(|| unknown(peer))?;
        }
        let line = RouteLine { domain: domain.clone(), service, provider };
        routes.push(line.clone());
        check(node, &peers.lines().await?, &routes)?;
        peers.set_route(&line).await?;
    }
    if let Some(ssp) = node.ssp.get() {
        ssp.set_routes(routes);
    }
    let table = table(node).await?;
    let lines = table.lines();
    let its = lines.iter().filter(|line| line.domain == domain && line.service == service);
    Ok(Outcome::PeerRoutes { lines: its.map(service_view).collect() })
}

/// Refuses lines of the Service Table with which this server would not start.
fn check(node: &Node, lines: &[PeerConfig], routes: &[RouteLine]) -> Result<(), Failure> {
    let table = table_of(node.services.router.home(), &node.services_for_peers, lines, routes);
    table.check().map_err(|why| {
        Failure::new(why)
            .hint("`hamlet peer route` shows the table, `hamlet peer route DOMAIN SERVICE PEER` changes it")
    })
}

/// The Service Table: the running server's, or the one that it would have.
async fn table(node: &Node) -> Result<Arc<ServiceTable>, Failure> {
    if let Some(ssp) = node.ssp.get() {
        return Ok(ssp.service_table());
    }
    let peers = Peers(&node.services.store);
    let (lines, routes) = (peers.lines().await?, peers.routes().await?);
    Ok(Arc::new(table_of(node.services.router.home(), &node.services_for_peers, &lines, &routes)))
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
    let first = im.waiting_abroad(domain, 0, SHOWN).await?;
    view.queue = Some(QueueView {
        messages: backlog.messages,
        reports: backlog.reports,
        bytes: backlog.bytes,
        first: first.iter().map(waiting_view).collect(),
    });
    let own = node.services.router.home();
    let is_in = |line: &&TableLine| {
        let is_it = |peer: &Domain| peer == domain;
        let provides = matches!(&line.provider, Provider::Peer(peer) if is_it(peer));
        provides || line.domain == *own || is_it(&line.domain) || line.requestor.as_ref().is_some_and(is_it)
    };
    view.table = table(node).await?.lines().iter().filter(is_in).map(service_view).collect();
    if let Some(ssp) = node.ssp.get() {
        view.relayed = ssp.relayed(Some(domain), SHOWN).iter().map(relayed_view).collect();
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
            match kept {
                Some(kept) => kept,
                None => Agreement::default_with(table(node).await?.offered()),
            }
        }
    };
    Ok(PeerView {
        domain: domain.to_string(),
        line: line.map(Line::of),
        agreement: agreement_view(&agreement),
        state: state.map(state_view),
        queue: None,
        open: Vec::new(),
        table: Vec::new(),
        relayed: Vec::new(),
    })
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

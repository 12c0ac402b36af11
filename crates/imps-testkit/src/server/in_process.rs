//! The server in this process: everything but the program around it, on real sockets.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use imps_csp::transport::http::{CIR_PATH, CONTENT_PATH, Http, HttpConfig, Page, Pages};
use imps_csp::{Csp, CspConfig, cir};
use imps_service::access::{CirOffer, PhonePassword, Registration};
use imps_service::config::Logo;
use imps_service::seam::{KeyRange, LocalBus, MemoryEngine, NodeId, Order, Row, Space};
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Services, Timestamp};
use imps_types::service_tree::FunctionSet;
use imps_types::{Domain, Secret, UserId};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};

use super::{DOMAIN, End};

/// Noon of 2005-03-10, UTC: when IMPS was young. In milliseconds.
const BEGINNING: u64 = 1_110_456_000_000;

/// A server that serves phones, and no pages.
struct NoPages;

impl Pages for NoPages {
    fn page(&self, _path: &str, _peer: IpAddr) -> Option<Page> {
        None
    }
}

/// A server in this process.
pub struct InProcess {
    engine: Arc<MemoryEngine>,
    clock: Clock,
    config: ServiceConfig,
    csp: CspConfig,
    running: Running,
}

struct Running {
    address: SocketAddr,
    /// Where TLS is spoken.
    secure_address: SocketAddr,
    services: Arc<Services>,
    stop: watch::Sender<bool>,
    task: JoinHandle<std::io::Result<()>>,
    /// Where clients wait to be called: the same after a restart, since they were told.
    calls_port: u16,
    /// Of what calls clients, and of the other listener.
    others: Vec<AbortHandle>,
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").field("address", &self.running.address).finish_non_exhaustive()
    }
}

/// A setting that scenarios may make, and what it changes.
type Setting = (&'static str, fn(&mut ServiceConfig, &mut CspConfig, &str) -> Option<()>);

fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

/// The keys are the program's.
const SETTINGS: &[Setting] = &[
    ("provider.name", |service, _, value| {
        service.provider_name = value.to_owned();
        Some(())
    }),
    ("provider.description", |service, _, value| {
        service.provider_description = value.to_owned();
        Some(())
    }),
    ("provider.url", |service, _, value| {
        service.provider_url = value.to_owned();
        Some(())
    }),
    ("provider.logo", |service, _, value| {
        let data = std::fs::read(value).ok()?.into();
        service.provider_logo = Some(Logo { content_type: "image/gif".into(), data });
        Some(())
    }),
    ("service.off", |service, _, value| FunctionSet::parse(value).ok().map(|value| service.functions_off = value)),
    ("session.ttl_min", |service, _, value| seconds(value).map(|value| service.ttl_min = value)),
    ("session.ttl_max", |service, _, value| seconds(value).map(|value| service.ttl_max = value)),
    ("session.ttl_default", |service, _, value| seconds(value).map(|value| service.ttl_default = value)),
    ("gateway.networks", |_, csp, value| {
        csp.gateways = value.to_owned();
        Some(())
    }),
    ("limit.session_rate", |_, csp, value| value.parse().ok().map(|value| csp.requests.session_rate = value)),
    ("limit.session_burst", |_, csp, value| value.parse().ok().map(|value| csp.requests.session_burst = value)),
    ("registration.who", |service, _, value| Registration::parse(value).map(|who| service.registration = who)),
    ("registration.at_login", |service, _, value| value.parse().ok().map(|value| service.register_at_login = value)),
    ("registration.per_hour", |service, _, value| {
        value.parse().ok().map(|value| service.registrations_per_hour = value)
    }),
    ("session.per_user", |service, _, value| value.parse().ok().map(|value| service.sessions_per_user = value)),
    ("login.failures", |service, _, value| value.parse().ok().map(|value| service.login_failures = value)),
    ("message.queue_max", |service, _, value| value.parse().ok().map(|value| service.queue_max = value)),
    ("message.content_url_life", |service, _, value| seconds(value).map(|value| service.content_url_life = value)),
    ("message.queue_bytes", |service, _, value| value.parse().ok().map(|value| service.queue_bytes = value)),
    ("message.body_max", |service, _, value| value.parse().ok().map(|value| service.message_max = value)),
    ("list.per_user", |service, _, value| value.parse().ok().map(|value| service.lists_max = value)),
    ("list.members_max", |service, _, value| value.parse().ok().map(|value| service.members_max = value)),
    ("group.per_user", |service, _, value| value.parse().ok().map(|value| service.groups_per_user = value)),
    ("group.members_max", |service, _, value| value.parse().ok().map(|value| service.group_members_max = value)),
    ("csp.two_level_clients", |_, csp, value| {
        csp.two_level_clients = value.to_owned();
        Some(())
    }),
    ("presence.default_for_everybody", |service, _, value| {
        value.parse().ok().map(|value| service.default_list_for_everybody = value)
    }),
    ("presence.subscriptions_max", |service, _, value| {
        value.parse().ok().map(|value| service.subscriptions_max = value)
    }),
    ("presence.authorisations_max", |service, _, value| {
        value.parse().ok().map(|value| service.authorisations_max = value)
    }),
    ("presence.watcher_keep", |service, _, value| seconds(value).map(|value| service.watcher_keep = value)),
    ("session.ttl_called", |service, _, value| seconds(value).map(|value| service.ttl_called = value)),
    ("cir.repeat_after", |_, csp, value| seconds(value).map(|value| csp.cir.repeat_after = value)),
    ("cir.http_hold", |_, csp, value| seconds(value).map(|value| csp.cir.http_hold = value)),
    ("pts.project_codes", |_, csp, value| value.parse().ok().map(|value| csp.pts_project_codes = value)),
    ("pts.message_max", |_, csp, value| value.parse().ok().map(|value| csp.limits.pts_bytes = value)),
    ("search.results_max", |service, _, value| value.parse().ok().map(|value| service.search_results_max = value)),
    ("search.per_session", |service, _, value| value.parse().ok().map(|value| service.searches_per_session = value)),
    ("search.life", |service, _, value| seconds(value).map(|value| service.search_life = value)),
    ("invitation.per_user", |service, _, value| value.parse().ok().map(|value| service.invitations_max = value)),
    ("profile.value_max", |service, _, value| value.parse().ok().map(|value| service.profile_value_max = value)),
    ("csp.redeliver_after", |_, csp, value| seconds(value).map(|value| csp.redeliver_after = value)),
];

pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl InProcess {
    pub(super) async fn start(settings: &[(String, String)]) -> Result<Self, String> {
        let mut config = ServiceConfig::new(Domain::parse(DOMAIN).map_err(|error| format!("{error:?}"))?);
        let mut csp = CspConfig { pts_project_codes: true, ..CspConfig::default() };
        for (key, value) in settings {
            let (_, set) = SETTINGS
                .iter()
                .find(|(known, _)| known == key)
                .ok_or_else(|| format!("the server in this process has no setting `{key}`"))?;
            set(&mut config, &mut csp, value).ok_or_else(|| format!("`{value}` is no value for `{key}`"))?;
        }
        let engine = Arc::new(MemoryEngine::new());
        let clock = Clock::set(Timestamp(BEGINNING));
        let running = Running::start(&config, &csp, &clock, &engine, 0).await?;
        Ok(Self { engine, clock, config, csp, running })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.running.address
    }

    pub(super) fn secure_address(&self) -> SocketAddr {
        self.running.secure_address
    }

    pub(super) async fn add_user(&self, name: &str, phone: &str, account: Option<&str>) -> Result<(), String> {
        let user = UserId::parse(&format!("wv:{name}@{DOMAIN}"), &self.config.domain).map_err(text)?;
        let account = account.map(|password| Secret::new(password.to_owned()));
        let phone = PhonePassword::Set(Secret::new(phone.to_owned()));
        self.running.services.access().add_user(&user, account, phone).await.map(drop).map_err(text)
    }

    pub(super) async fn operate(&self, words: &[String]) -> Result<String, String> {
        super::operator::operate(&self.running.services, words).await
    }

    /// Everything that is stored for good, as text that two moments can be compared by: all rows but those of sessions
    /// and of what was answered lately.
    ///
    /// # Errors
    /// The store's failure, in words.
    pub async fn stored(&self) -> Result<Vec<String>, String> {
        let store = &self.running.services.store;
        store.flush().await.map_err(text)?;
        let mut found = Vec::new();
        for space in Space::ALL.iter().filter(|space| !matches!(space, Space::Sessions | Space::Transactions)) {
            let rows = store.scan(*space, KeyRange::all(), Order::Forwards, usize::MAX).await.map_err(text)?;
            let line = |row: &Row| {
                format!("{} {} {}", space.table(), row.key.as_bytes().escape_ascii(), row.value.escape_ascii())
            };
            found.extend(rows.iter().map(line));
        }
        Ok(found)
    }

    pub(super) async fn restart(&mut self, end: End) -> Result<(), String> {
        self.running.end(end).await?;
        self.running =
            Running::start(&self.config, &self.csp, &self.clock, &self.engine, self.running.calls_port).await?;
        Ok(())
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.running.services.sweep().await;
    }
}

impl Running {
    async fn start(
        config: &ServiceConfig,
        csp: &CspConfig,
        clock: &Clock,
        engine: &Arc<MemoryEngine>,
        calls_port: u16,
    ) -> Result<Self, String> {
        let bus = Arc::new(LocalBus::new(NodeId(1)));
        let store = Store::new(engine.clone());
        let services = Services::new(config.clone(), clock.clone(), store, bus, Secret::new([7; 32]));
        services.resume().await.map_err(text)?;
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let address = listener.local_addr().map_err(text)?;
        let (stop, stopped) = watch::channel(false);
        let face = Csp::new(services.clone(), csp.clone());
        let calls = bind_again(calls_port).await?;
        let calls_port = calls.local_addr().map_err(text)?.port();
        face.open_udp(SocketAddr::from(([127, 0, 0, 1], 0))).map_err(text)?;
        services.access().offer_cir(CirOffer {
            tcp: Some(("127.0.0.1".into(), calls_port)),
            udp: true,
            http: Some(format!("http://{address}{CIR_PATH}").into()),
        });
        services.im().offer_content(Some(format!("http://{address}{CONTENT_PATH}").into()));
        let mut others = vec![
            tokio::spawn(face.call_again(stopped.clone())).abort_handle(),
            tokio::spawn(cir::tcp::serve(calls, face.clone(), None, stopped.clone())).abort_handle(),
        ];
        let http = Http::new(face, Arc::new(NoPages), HttpConfig::default(), None);
        let secure = TcpListener::bind("127.0.0.1:0").await.map_err(text)?;
        let secure_address = secure.local_addr().map_err(text)?;
        let tls = crate::secure::server()?;
        others.push(tokio::spawn(http.clone().serve(secure, Some(tls), stopped.clone())).abort_handle());
        let task = tokio::spawn(http.serve(listener, None, stopped));
        Ok(Self { address, secure_address, services, stop, task, calls_port, others })
    }

    async fn end(&mut self, end: End) -> Result<(), String> {
        if end == End::Kill {
            self.abort();
            return Ok(());
        }
        // Nobody listens any more when the task has failed; then there is nothing to stop.
        let _ = self.stop.send(true);
        (&mut self.task).await.map_err(text)?.map_err(text)?;
        self.services.store.flush().await.map_err(text)
    }
}

/// Listens on a port, or any. A listener whose task was aborted a moment ago may still be there.
async fn bind_again(port: u16) -> Result<TcpListener, String> {
    let mut looks = 0;
    loop {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && looks < 200 => looks += 1,
            bound => return bound.map_err(text),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Running {
    fn abort(&self) {
        self.task.abort();
        self.others.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.abort();
    }
}

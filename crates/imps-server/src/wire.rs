//! Puts the parts together. The only file that names every one of them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use imps_csp::clp::Clp;
use imps_csp::transport::{http, line};
use imps_csp::{Csp, cir};
use imps_service::account::Account;
use imps_service::config::Logo;
use imps_service::seam::{Batch, KeyRange, LocalBus, NodeId, Order, Space};
use imps_service::store::Store;
use imps_service::{Clock, Error, Services};
use imps_ssp::Ssp;
use imps_store::{OpenError, SqliteEngine};
use imps_types::Domain;
use tokio::sync::watch;

use crate::backup;
use crate::channels::Channels;
use crate::command::Failure;
use crate::config::{Config, Settings, Source};
use crate::federation;
use crate::key::{self, KeyFile};
use crate::limits;
use crate::pages::Pages;

/// The services over an opened data folder.
pub(crate) struct Node {
    pub(crate) services: Arc<Services>,
    pub(crate) engine: Arc<SqliteEngine>,
    /// Whether clients are served; else it is a single command's.
    pub(crate) is_running: bool,
    /// What distinguishes this run from others.
    pub(crate) life: u64,
    /// Turns true when the server is to stop and start anew.
    pub(crate) begin_anew: watch::Sender<bool>,
    /// Where clients connect.
    pub(crate) listen: Option<SocketAddr>,
    /// Other domains, when they are spoken with.
    pub(crate) ssp: OnceLock<Arc<Ssp>>,
    /// What this domain has itself of what is shared with them.
    pub(crate) services_for_peers: std::collections::BTreeSet<imps_types::Service>,
    /// Where they connect by HTTPS, and to be called.
    pub(crate) https: Option<SocketAddr>,
    pub(crate) cir: Option<SocketAddr>,
}

/// What a folder is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// To serve clients. The key must fit.
    Serve,
    /// For a command that seals a password. The key must fit.
    Seal,
    /// For any other command.
    Look,
}

/// Rows of one scan.
const PAGE: usize = 500;

/// In the space of the server itself: the domain that was served last.
const DOMAIN: &str = "domain";

/// Opens the data folder and takes up what it holds. The folder stays locked until the node is dropped.
pub(crate) async fn open(config: &mut Config, purpose: Purpose) -> Result<Node, Opening> {
    let folder = config.settings.data.clone();
    finish_restore(&folder)?;
    let engine = imps_store::open(&folder, config.settings.store_options()).map_err(Opening::from)?;
    let store = Store::new(engine.clone());
    let domain = known_domain(&store).await?;
    let is_new = domain.is_none();
    match domain {
        // Whoever served the folder as example.org need not say so for every command.
        Some(domain) if purpose != Purpose::Serve && *config.source("domain") == Source::Default => {
            config.set_domain(domain)
        }
        Some(domain) if purpose == Purpose::Serve && domain != config.settings.service.domain => {
            tracing::warn!(before = %domain, now = %config.settings.service.domain, "the domain has changed: users of the former one cannot log in");
        }
        _ => {}
    }
    if purpose == Purpose::Serve {
        config.settings.service.provider_logo = logo(&config.settings.logo)?;
    }
    let key = seal_key(&folder, &store, purpose).await?;
    let bus = Arc::new(LocalBus::new(NodeId(0)));
    let services = Services::new(config.settings.service.clone(), Clock::system(), store, bus, key);
    if purpose != Purpose::Look && key_fits(&services).await? == Some(false) {
        return Err(Failure::new(format!(
            "the key file {} does not open the phone passwords",
            key::path(&folder).display()
        ))
        .hint(KEY_HINT)
        .into());
    }
    services.resume().await.map_err(Failure::from)?;
    if purpose == Purpose::Serve || (purpose == Purpose::Seal && is_new) {
        remember_domain(&services).await?;
    }
    let mut life = [0; 8];
    let _ = getrandom::fill(&mut life);
    Ok(Node {
        services,
        engine,
        is_running: purpose == Purpose::Serve,
        life: u64::from_be_bytes(life) >> 1,
        begin_anew: watch::Sender::new(false),
        listen: None,
        ssp: OnceLock::new(),
        services_for_peers: federation::has(&config.settings.ssp),
        https: None,
        cir: None,
    })
}

/// Bytes of the largest picture.
const LOGO_MAX: usize = 64 * 1024;

/// Types of pictures by the endings of their files.
const PICTURES: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("svg", "image/svg+xml"),
    ("wbmp", "image/vnd.wap.wbmp"),
];

/// The provider's picture, if there is one.
fn logo(path: &str) -> Result<Option<Logo>, Failure> {
    if path.is_empty() {
        return Ok(None);
    }
    let wrong = |why: String| Failure::new(format!("provider.logo: {path}: {why}"));
    let ending = Path::new(path).extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
    let content_type = PICTURES.iter().find(|(known, _)| *known == ending).map(|(_, content_type)| *content_type);
    let content_type =
        content_type.ok_or_else(|| wrong("a picture ends in .png, .gif, .jpg, .svg or .wbmp".to_owned()))?;
    let data = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    if data.is_empty() || data.len() > LOGO_MAX {
        return Err(wrong("a picture has up to 64 KiB".to_owned()));
    }
    Ok(Some(Logo { content_type: content_type.into(), data: data.into() }))
}

/// A backup that was laid ready is put in place before anything is opened.
fn finish_restore(folder: &Path) -> Result<(), Opening> {
    if !backup::is_staged(folder) {
        return Ok(());
    }
    let _lock = imps_store::lock(folder).map_err(Opening::from)?;
    if let Some(former) = backup::finish(folder)? {
        tracing::warn!(former = %former.display(), "a backup was put in place; what was there before is kept");
    }
    Ok(())
}

const KEY_HINT: &str = "restore phone.key from a backup; or, if it is lost, revoke each phone password (hamlet user \
                        phone-password NAME --revoke), remove phone.key, and give out new ones";

/// Why a folder was not opened.
pub(crate) enum Opening {
    /// Somebody else has it now: a server, or a command that is done soon.
    Locked(Failure),
    /// It cannot be used.
    Failed(Failure),
}

impl From<Failure> for Opening {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<OpenError> for Opening {
    fn from(error: OpenError) -> Self {
        let failure = Failure::new(error.to_string());
        match error {
            OpenError::Locked { .. } => {
                Self::Locked(failure.hint("stop that process, or use another folder: --data DIR"))
            }
            OpenError::Folder { .. } => {
                Self::Failed(failure.hint("name a folder that this user can write with --data DIR"))
            }
            OpenError::Newer { .. } => {
                Self::Failed(failure.hint("use the version of hamlet that wrote it, or a later one"))
            }
            OpenError::NotOurs(_) => Self::Failed(failure.hint("use another folder: --data DIR")),
            OpenError::Database(_) => {
                Self::Failed(failure.hint("`hamlet doctor` says more; restore the folder from a backup"))
            }
        }
    }
}

async fn known_domain(store: &Store) -> Result<Option<Domain>, Failure> {
    let row = store.get_one(Space::Server, DOMAIN).await.map_err(Error::from)?;
    Ok(row.and_then(|row| Domain::parse(std::str::from_utf8(&row).ok()?).ok()))
}

async fn remember_domain(services: &Services) -> Result<(), Failure> {
    let home = services.router.home();
    if known_domain(&services.store).await?.as_ref() == Some(home) {
        return Ok(());
    }
    let mut batch = Batch::new();
    batch.put(Space::Server, DOMAIN, home.as_str().as_bytes().to_vec());
    Ok(services.store.commit(batch).await.map_err(Error::from)?)
}

async fn seal_key(folder: &Path, store: &Store, purpose: Purpose) -> Result<imps_service::services::SealKey, Failure> {
    match key::read(folder).map_err(Failure::new)? {
        KeyFile::Present(key) => Ok(key),
        // It seals nothing, so that any key will do; a new one must not be kept while the old one may come back.
        KeyFile::Missing if purpose == Purpose::Look => key::random().map_err(Failure::new),
        KeyFile::Missing if !has_sealed(store).await? => key::create(folder).map_err(Failure::new),
        KeyFile::Missing => Err(Failure::new(format!(
            "there are phone passwords, and the key file {} is missing",
            key::path(folder).display()
        ))
        .hint(KEY_HINT)),
    }
}

/// Whether a phone password is stored.
async fn has_sealed(store: &Store) -> Result<bool, Failure> {
    let mut range = KeyRange::all();
    loop {
        let rows = store.scan(Space::Users, range.clone(), Order::Forwards, PAGE).await.map_err(Error::from)?;
        let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(false) };
        let is_sealed = |account: Account| account.phone_password.is_some();
        if rows.iter().any(|row| Account::from_record(&row.value).is_ok_and(is_sealed)) {
            return Ok(true);
        }
        range = range.after(&last);
    }
}

/// Whether the key opens the phone passwords, tried with one; absent when there is none.
pub(crate) async fn key_fits(services: &Services) -> Result<Option<bool>, Failure> {
    let access = services.access();
    let mut after = None;
    loop {
        let users = access.list_users(after.as_ref(), PAGE).await?;
        if let Some(user) = users.iter().find(|user| user.has_phone_password) {
            return Ok(access.phone_password_opens(&user.id).await?);
        }
        after = match users.last() {
            Some(last) => Some(last.id.clone()),
            None => return Ok(None),
        };
    }
}

/// The face for lines of text. Those of a former run are gone, and so are their sessions.
async fn clp(node: &Node, settings: &Settings, csp: &Arc<Csp>) -> Arc<Clp> {
    let mut config = settings.clp.lines.clone();
    config.connections_max = limits::lasting(limits::connections(config.connections_max));
    config.handshake_timeout = settings.http.handshake_timeout;
    config.stop_timeout = settings.http.stop_timeout;
    debug_assert!(node.is_running, "commands serve nobody");
    let clp = Clp::new(csp.clone(), config);
    clp.end_former_sessions().await;
    clp
}

/// Serves clients on every channel until `stop` says so and open requests are done.
pub(crate) async fn clients(
    node: &Node,
    settings: &Settings,
    channels: Channels,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut csp = settings.csp_config();
    csp.cir.tcp_connections_max = limits::called(csp.cir.tcp_connections_max);
    let csp = Csp::new(node.services.clone(), csp);
    if let Some(from) = channels.udp {
        csp.open_udp(from)?;
    }
    node.services.access().offer_cir(channels.offer);
    node.services.im().offer_content(Some(channels.content_url.into()));
    let ssp = federation::open(&csp, &settings.ssp).await.map_err(std::io::Error::other)?;
    let pages = Arc::new(Pages::new(node.services.clone(), ssp.clone(), settings.metrics_remote, stop.clone()));
    let places = limits::places();
    let mut config = settings.http.clone();
    config.connections_max = limits::connections(config.connections_max);
    config.websocket.connections_max = config.websocket.connections_max.min(limits::lasting(config.connections_max));
    let http = http::Http::new(csp.clone(), pages, config, places.clone());
    if let Some(ssp) = &ssp {
        let _ = node.ssp.set(ssp.clone());
        http.share_with(Arc::new(federation::Shared(ssp.clone())));
    }
    let mut tasks = tokio::task::JoinSet::new();
    // Peers answer a goodbye by a POST of their own, so the listeners go last.
    let (close, closed) = watch::channel(false);
    let mut stopped = stop.clone();
    tasks.spawn(async move {
        let _ = stopped.wait_for(|stop| *stop).await;
        if let Some(ssp) = ssp {
            ssp.stop(federation::GOODBYE).await;
        }
        close.send_replace(true);
        Ok(())
    });
    stop = closed;
    let again = csp.call_again(stop.clone());
    tasks.spawn(async move {
        again.await;
        Ok(())
    });
    tasks.spawn(http.clone().serve(channels.http, None, stop.clone()));
    let lines = line::Lines::new(clp(node, settings, &csp).await, places.clone());
    if let Some(listener) = channels.clp {
        tasks.spawn(lines.clone().serve(listener, None, stop.clone()));
    }
    if let Some((listener, tls)) = channels.clps {
        if channels.https.is_none() {
            let metrics = node.services.metrics.clone();
            let watched = tls.clone().watch(settings.https.reload, metrics, stop.clone());
            tasks.spawn(async move {
                watched.await;
                Ok(())
            });
        }
        tasks.spawn(lines.serve(listener, Some(tls), stop.clone()));
    }
    if let Some((listener, tls)) = channels.https {
        let metrics = node.services.metrics.clone();
        let watched = tls.clone().watch(settings.https.reload, metrics, stop.clone());
        tasks.spawn(async move {
            watched.await;
            Ok(())
        });
        tasks.spawn(http.serve(listener, Some(tls), stop.clone()));
    }
    if let Some(listener) = channels.cir {
        tasks.spawn(cir::tcp::serve(listener, csp, places, stop));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(std::io::Error::other)??;
    }
    Ok(())
}

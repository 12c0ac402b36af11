//! The server's life: open, resume, serve, stop.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::{error, info, warn};

use crate::channels::Channels;
use crate::command::Failure;
use crate::config::{Config, Settings};
use crate::control;
use crate::wire::{self, Node, Opening, Purpose};

/// Tells, in the data folder, which address the running server listens on.
pub(crate) const ADDRESS: &str = "listen.addr";

/// How often what is due is done.
const SWEEP: Duration = Duration::from_secs(1);

/// How long a command that has the folder may keep the server from starting.
const LOCK_PATIENCE: Duration = Duration::from_secs(3);

/// A server that is ready.
pub(crate) struct Ready<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) address: SocketAddr,
    /// Where people connect by the Command Line Protocol: plainly, and by TLS.
    pub(crate) clp: Option<SocketAddr>,
    pub(crate) clps: Option<SocketAddr>,
    /// There are no users yet.
    pub(crate) is_first: bool,
}

/// Why serving ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// A signal said stop.
    Stopped,
    /// The program is to begin anew: a backup was laid ready.
    BeginAnew,
}

/// Serves until a signal says stop. `announce` is called when clients can connect.
pub(crate) async fn serve(mut config: Config, announce: impl FnOnce(&Ready<'_>)) -> Result<Ended, Failure> {
    crate::limits::raise_open_files();
    // Before anything else, so that a signal during the start is not lost, and stops in order.
    let mut signals = Signals::new().map_err(|error| Failure::new(format!("signals: {error}")))?;
    let mut node = tokio::select! {
        opened = open(&mut config) => opened?,
        () = signals.next() => return Ok(Ended::Stopped),
    };
    let settings = &config.settings;
    let folder = &settings.data;
    warn_of_open_folder(folder);
    let channels = Channels::open(&config).await?;
    let address = channels.http.local_addr().map_err(|error| Failure::new(format!("listen: {error}")))?;
    node.listen = Some(address);
    node.https = channels.https.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
    node.cir = channels.cir.as_ref().and_then(|listener| listener.local_addr().ok());
    let clp = channels.clp.as_ref().and_then(|listener| listener.local_addr().ok());
    let clps = channels.clps.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
    let node = Arc::new(node);
    let socket = control::listen(folder)
        .map_err(|error| Failure::new(format!("control socket in {}: {error}", folder.display())))?;
    write_address(folder, address)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.join(ADDRESS).display())))?;

    let (stop, stopped) = watch::channel(false);
    let operators = tokio::spawn(control::serve(socket, node.clone()));
    let sweeper = tokio::spawn(sweep(node.clone(), crate::limits::memory(settings.memory_max)));
    let searcher = tokio::spawn(prepare_search(node.clone()));
    let mut clients = tokio::spawn(clients(node.clone(), settings.clone(), channels, stopped));
    let users = node.services.access().list_users(None, 1).await?;
    announce(&Ready { settings, address, clp, clps, is_first: users.is_empty() });
    for (address, tls) in [(clp, false), (clps, true)] {
        if let Some(address) = address {
            info!(%address, tls, "Command Line Protocol");
        }
    }
    info!(%address, domain = %settings.service.domain, data = %folder.display(), process = std::process::id(), "ready");

    let mut anew = node.begin_anew.subscribe();
    let mut kind = Ended::Stopped;
    let ended = tokio::select! {
        () = signals.next() => None,
        _ = anew.wait_for(|anew| *anew) => {
            kind = Ended::BeginAnew;
            None
        }
        ended = &mut clients => Some(ended),
    };
    info!("stopping");
    stop.send_replace(true);
    let outcome = match ended {
        Some(Ok(Ok(()))) => Ok(()),
        Some(Ok(Err(error))) => Err(Failure::new(format!("clients cannot be served any more: {error}"))),
        Some(Err(error)) => Err(Failure::new(format!("clients cannot be served any more: {error}"))),
        None => finish(clients, settings.http.stop_timeout + Duration::from_secs(5), &mut signals).await,
    };
    operators.abort();
    sweeper.abort();
    searcher.abort();
    for name in [control::SOCKET, ADDRESS] {
        // What is left behind confuses nobody: the lock tells whether a server runs.
        let _ = std::fs::remove_file(folder.join(name));
    }
    close(&node).await;
    info!("stopped");
    outcome.map(|()| kind)
}

/// Reads who can be searched for while clients log in already: the first search waits for it.
async fn prepare_search(node: Arc<Node>) {
    if let Err(error) = node.services.common().prepare_search().await {
        warn!(%error, "users cannot be searched for yet");
    }
}

fn warn_of_open_folder(folder: &Path) {
    let mode = std::fs::metadata(folder).map_or(0, |about| about.permissions().mode() & 0o777);
    if mode & 0o077 != 0 {
        warn!(folder = %folder.display(), mode = format!("{mode:04o}"), "others can read the data folder: chmod 700 it");
    }
}

async fn open(config: &mut Config) -> Result<Node, Failure> {
    let mut waited = Duration::ZERO;
    loop {
        match wire::open(config, Purpose::Serve).await {
            Ok(node) => return Ok(node),
            Err(Opening::Failed(failure)) => return Err(failure),
            Err(Opening::Locked(failure)) => {
                // A command has it for a moment; a server that answers has it for good.
                let is_server = control::Client::connect(&config.settings.data)?.is_some();
                if is_server || waited >= LOCK_PATIENCE {
                    return Err(failure);
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        waited += Duration::from_millis(50);
    }
}

fn write_address(folder: &Path, address: SocketAddr) -> io::Result<()> {
    // Moved into place whole, since others read it as soon as it is there.
    let new = folder.join(format!("{ADDRESS}.new"));
    std::fs::write(&new, format!("{address}\n"))?;
    std::fs::rename(new, folder.join(ADDRESS))
}

async fn clients(
    node: Arc<Node>,
    settings: Settings,
    channels: Channels,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    wire::clients(&node, &settings, channels, stop).await
}

async fn finish(
    mut clients: JoinHandle<io::Result<()>>,
    patience: Duration,
    signals: &mut Signals,
) -> Result<(), Failure> {
    let ended = tokio::select! {
        ended = tokio::time::timeout(patience, &mut clients) => ended.ok(),
        () = signals.next() => None,
    };
    match ended {
        Some(Ok(Err(error))) => warn!(%error, "clients"),
        Some(Err(error)) => error!(%error, "clients"),
        Some(Ok(Ok(()))) => {}
        None => {
            warn!("requests that are still open are cut off");
            clients.abort();
        }
    }
    Ok(())
}

async fn sweep(node: Arc<Node>, memory_max: Option<u64>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let (Some(most), Some(used)) = (memory_max, crate::pages::resident()) {
            node.services.set_overloaded(used > most);
        }
        let services = node.services.clone();
        // In a task of its own: if it ends by a defect, the next one is tried all the same.
        if let Err(error) = tokio::spawn(async move { services.sweep().await }).await {
            error!(%error, "the sweep failed");
        }
    }
}

/// Writes out what waits, and lets go of the store.
pub(crate) async fn close(node: &Node) {
    if let Err(error) = node.services.store.flush().await {
        warn!(%error, "the last changes of presence could not be written");
    }
    let engine = node.engine.clone();
    if let Err(error) = tokio::task::spawn_blocking(move || engine.close()).await {
        error!(%error, "the store did not close");
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Where clients reach the server that runs over this folder, as far as can be told.
pub(crate) fn clients_connect_to(folder: &Path) -> Option<SocketAddr> {
    let listens: SocketAddr = std::fs::read_to_string(folder.join(ADDRESS)).ok()?.trim().parse().ok()?;
    let host = network_address().filter(|_| listens.ip().is_unspecified()).unwrap_or(listens.ip());
    Some(SocketAddr::new(host, listens.port()))
}

/// The address under which other machines probably reach this one. Nothing is sent: the system is only asked which of
/// its addresses it would use.
pub(crate) fn network_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then_some(address)
}

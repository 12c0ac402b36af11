//! The server that is measured: a process of its own, with a data folder of its own.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use imps_service::Services;
use imps_service::access::PhonePassword;
use imps_service::clock::Clock;
use imps_service::config::ServiceConfig;
use imps_service::seam::{LocalBus, NodeId};
use imps_service::store::Store;
use imps_types::{Domain, Secret, UserId};

use super::{Outcome, now};

/// The home domain of all users.
pub(crate) const DOMAIN: &str = "localhost";
/// The phone password of all users.
pub(crate) const PASSWORD: &str = "kx7wvq3m9t";
/// The key file of a data folder.
const KEY: &str = "phone.key";
/// Where the server says on which address it listens.
const LISTEN: &str = "listen.addr";
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The address of a user; a name without a domain is one of the home domain.
pub(crate) fn address(name: &str) -> String {
    if name.contains('@') { format!("wv:{name}") } else { format!("wv:{name}@{DOMAIN}") }
}

/// Where data folders are made unless something else is asked for: beside the program, which lies on a disk, whereas a
/// temporary folder may lie in memory.
pub(crate) fn default_folder() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
    beside.unwrap_or_else(std::env::temp_dir)
}

/// A folder that is removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A new folder in `within`.
    pub(crate) fn new(within: &Path, name: &str) -> Outcome<Self> {
        let path = within.join(format!("hamlet-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| format!("cannot create {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in the way of nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A server that runs.
pub(crate) struct Hamlet {
    child: Child,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where they connect to be called.
    pub(crate) cir: SocketAddr,
    /// Where lines of text come in.
    pub(crate) clp: SocketAddr,
    /// Its process.
    pub(crate) process: u32,
}

/// Whose server it is, and where.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) domain: &'a str,
    pub(crate) listen: SocketAddr,
    /// Settings, as variables of the environment.
    pub(crate) settings: &'a [(&'a str, &'a str)],
}

impl Hamlet {
    /// Starts the server, and waits until it is ready. `wrapper` is a program that starts it, if any.
    pub(crate) fn start(program: &Path, data: &Path, wrapper: &[OsString]) -> Outcome<Self> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start_at(program, data, wrapper, Place { domain: DOMAIN, listen, settings: &[] })
    }

    /// The same, of a domain, at an address.
    pub(crate) fn start_at(program: &Path, data: &Path, wrapper: &[OsString], place: Place<'_>) -> Outcome<Self> {
        let announced = data.join(LISTEN);
        // One of an earlier run would be taken for this one's.
        let _ = fs::remove_file(&announced);
        fs::create_dir_all(data).map_err(|error| format!("cannot create {}: {error}", data.display()))?;
        let log = data.with_extension("log");
        let log_file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|error| format!("cannot create {}: {error}", log.display()))?;
        let mut command = match wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.arg("serve").arg("--data").arg(data);
        command.args(["--domain", place.domain, "--listen", &place.listen.to_string(), "--log", "warn"]);
        command.envs(place.settings.iter().copied());
        let cir = free_address().map_err(|error| format!("no port is free: {error}"))?;
        // What is measured is how much it can do, not how much a client may.
        command.env("HAMLET_LIMIT__SESSION_RATE", "0").env("HAMLET_LIMIT__ADDRESS_RATE", "0");
        command.env("HAMLET_CIR__TCP_PORT", cir.port().to_string());
        let clp = free_address().map_err(|error| format!("no port is free: {error}"))?;
        command.env("HAMLET_CLP__LISTEN", clp.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log_file);
        let child = command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let process = child.id();
        let mut hamlet = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), cir, clp, process };
        let began = now();
        loop {
            let address = fs::read_to_string(&announced).ok().and_then(|text| text.trim().parse().ok());
            if let Some(address) = address
                && get(address, "/healthz").is_ok()
            {
                hamlet.address = address;
                if !wrapper.is_empty() {
                    let lock = fs::read_to_string(data.join(imps_store::LOCK)).unwrap_or_default();
                    hamlet.process = lock.trim().parse().unwrap_or(process);
                }
                return Ok(hamlet);
            }
            if let Ok(Some(status)) = hamlet.child.try_wait() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("the server ended at once ({status}): {}", last_lines(&said)));
            }
            if began.elapsed() > START_TIMEOUT {
                return Err(format!("the server is not ready after {} s", START_TIMEOUT.as_secs()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Outcome {
        self.child.kill().map_err(|error| format!("cannot kill the server: {error}"))?;
        self.child.wait().map_err(|error| format!("cannot wait for the server: {error}"))?;
        Ok(())
    }

    /// Lets it do nothing any more, or go on: whoever connects meanwhile is not answered.
    pub(crate) fn freeze(&self, is_frozen: bool) -> Outcome {
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        let sent = Command::new("kill").args([signal, &self.process.to_string()]).status();
        let is_done = sent.is_ok_and(|status| status.success());
        if is_done { Ok(()) } else { Err(format!("kill {signal} failed")) }
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) -> Outcome {
        let asked = Command::new("kill").args(["-TERM", &self.process.to_string()]).status();
        if !asked.is_ok_and(|status| status.success()) {
            return self.kill();
        }
        let began = now();
        loop {
            match self.child.try_wait() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) if began.elapsed() < START_TIMEOUT => std::thread::sleep(Duration::from_millis(5)),
                _ => return Err("the server does not stop when asked".to_owned()),
            }
        }
    }

    /// Its metrics.
    pub(crate) fn metrics(&self) -> Metrics {
        Metrics(get(self.address, "/metrics").unwrap_or_default())
    }

    /// Bytes of memory that it uses.
    pub(crate) fn memory(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process))
            .map_err(|error| format!("the server's memory is not known: {error}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.ok_or("no VmRSS")? * 1024)
    }

    /// Seconds of processor time that it used.
    pub(crate) fn cpu(&self) -> f64 {
        cpu(self.process)
    }
}

impl Drop for Hamlet {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address on this machine that nobody listens on.
pub(crate) fn free_address() -> std::io::Result<SocketAddr> {
    std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// Seconds of processor time that a process used.
pub(crate) fn cpu(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(") ").next().unwrap_or_default().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    let ticks = fields.get(11).unwrap_or(&0) + fields.get(12).unwrap_or(&0);
    ticks as f64 / 100.0
}

/// Processor time of the whole machine since it started: what the host of a virtual machine took for others, and all.
pub(crate) fn stolen() -> (u64, u64) {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
    let fields: Vec<u64> = fields.map(|field| field.parse().unwrap_or(0)).take(8).collect();
    (fields.get(7).copied().unwrap_or(0), fields.iter().sum())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(5)..).unwrap_or_default().join("; ")
}

/// The body of a page, if it is answered by 200.
fn get(address: SocketAddr, path: &str) -> Result<String, std::io::Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(std::io::Error::other("no answer of 200")),
    }
}

/// What `/metrics` said.
pub(crate) struct Metrics(String);

impl Metrics {
    /// The value of a metric; 0 where there is none.
    pub(crate) fn get(&self, name: &str) -> f64 {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
        self.0.lines().find_map(value).unwrap_or(0.0)
    }
}

/// Makes a data folder with these users, by the store itself: thousands of calls of `hamlet user add` would take minutes.
pub(crate) fn make_users(data: &Path, names: &[String]) -> Outcome {
    make_users_at(data, DOMAIN, names)
}

/// The same, of a domain.
pub(crate) fn make_users_at(data: &Path, domain: &str, names: &[String]) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| format!("cannot make users in {}: {error}", data.display());
    let engine = imps_store::open(data, imps_store::Options::default()).map_err(|error| failed(&error))?;
    let key = key(data)?;
    let domain = Domain::parse(domain).map_err(|error| failed(&error))?;
    let bus = Arc::new(LocalBus::new(NodeId(0)));
    let services =
        Services::new(ServiceConfig::new(domain), Clock::system(), Store::new(engine.clone()), bus, Secret::new(key));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    runtime.block_on(async {
        for some in names.chunks(1000) {
            let adding: Vec<_> = some
                .iter()
                .map(|name| {
                    let (services, name) = (services.clone(), format!("wv:{name}@{}", services.config.domain));
                    tokio::spawn(async move {
                        let user = UserId::parse(&name, &services.config.domain).map_err(|error| error.to_string())?;
                        let phone = PhonePassword::Set(Secret::new(PASSWORD.to_owned()));
                        let added = services.access().add_user(&user, None, phone).await;
                        added.map(drop).map_err(|error| error.to_string())
                    })
                })
                .collect();
            for one in adding {
                one.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
            }
        }
        Ok::<(), String>(())
    })?;
    // The server takes the folder next.
    engine.close();
    Ok(())
}

/// The key of a data folder, made if there is none.
fn key(data: &Path) -> Outcome<[u8; 32]> {
    let path = data.join(KEY);
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if let Ok(bytes) = fs::read(&path) {
        return bytes.try_into().map_err(|_| failed(&"not 32 bytes"));
    }
    let mut key = [0; 32];
    let mut random = fs::File::open("/dev/urandom").map_err(|error| failed(&error))?;
    random.read_exact(&mut key).map_err(|error| failed(&error))?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(|error| failed(&error))?;
    file.write_all(&key).map_err(|error| failed(&error))?;
    Ok(key)
}

/// Another process of our own program, which tells its address in a line.
pub(crate) struct Helper {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Helper {
    pub(crate) fn start(arguments: &[&str]) -> Outcome<Self> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot start a helper process: {error}");
        let program = std::env::current_exe().map_err(|error| failed(&error))?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| failed(&error))?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line).map_err(|error| failed(&error))?;
        }
        let address = line.trim().parse().map_err(|error| failed(&error))?;
        Ok(Self { child, address })
    }

    pub(crate) fn cpu(&self) -> f64 {
        cpu(self.child.id())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

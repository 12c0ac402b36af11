//! What can be wrong with an installation, each looked at by a function of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

use imps_service::Clock;
use serde::Serialize;

use crate::command::{Failure, moment};
use crate::config::{Config, Source};
use crate::key;
use crate::limits;

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) ok: bool,
    pub(crate) text: String,
    pub(crate) advice: Option<String>,
}

impl Finding {
    fn right(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, ok: true, text: text.into(), advice: None }
    }

    pub(crate) fn wrong(check: &'static str, text: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, ok: false, text: text.into(), advice: Some(advice.into()) }
    }
}

/// The store, as far as it could be opened.
pub(crate) enum Patient {
    /// There is none yet.
    New,
    /// It could not be opened.
    Closed(Failure),
    /// It was looked at: by the server with this process number, or here.
    Open {
        process: Option<u32>,
        listen: Option<SocketAddr>,
        /// Where the running server listens for HTTPS, and for those who want to be called.
        https: Option<SocketAddr>,
        cir: Option<SocketAddr>,
        problems: Vec<String>,
        key_fits: Option<bool>,
    },
}

impl Patient {
    fn is_running(&self) -> bool {
        matches!(self, Self::Open { process: Some(_), .. })
    }
}

type Check = fn(&Config, &Patient) -> Finding;

const CHECKS: &[Check] = &[settings, folder, server, store, key_file, disk, files, clock, port, https, cir];

/// Looks at everything.
pub(crate) fn examine(config: &Config, patient: &Patient) -> Vec<Finding> {
    CHECKS.iter().map(|check| check(config, patient)).collect()
}

fn settings(config: &Config, _: &Patient) -> Finding {
    let file = match &config.file {
        Some(path) => format!("read from {}", path.display()),
        None => "no file; defaults, environment and options".to_owned(),
    };
    match config.warnings.as_slice() {
        [] => Finding::right("settings", file),
        warnings => Finding::wrong("settings", warnings.join("\n"), "correct the name, or unset it"),
    }
}

fn folder(config: &Config, _: &Patient) -> Finding {
    let folder = &config.settings.data;
    let shown = folder.display();
    let check = "data folder";
    let about = match fs::metadata(folder) {
        Ok(about) if about.is_dir() => about,
        Ok(_) => return Finding::wrong(check, format!("{shown} is no folder"), "name another one with --data DIR"),
        Err(error) => {
            let advice = "`hamlet serve` or `hamlet user add` makes it; or name another one with --data DIR";
            return Finding::wrong(check, format!("{shown}: {error}"), advice);
        }
    };
    let probe = folder.join(format!(".doctor-{}", std::process::id()));
    let written = fs::write(&probe, b"written by hamlet doctor").and_then(|()| fs::remove_file(&probe));
    if let Err(error) = written {
        return Finding::wrong(
            check,
            format!("{shown} cannot be written: {error}"),
            "run this as the user whose folder it is",
        );
    }
    match about.permissions().mode() & 0o777 {
        mode if mode & 0o077 != 0 => {
            Finding::wrong(check, format!("{shown} is open to others (mode {mode:04o})"), format!("chmod 700 {shown}"))
        }
        mode => Finding::right(check, format!("{shown} can be written, mode {mode:04o}")),
    }
}

fn server(_: &Config, patient: &Patient) -> Finding {
    match patient {
        Patient::New => Finding::right("server", "not running; nothing is stored yet"),
        Patient::Open { process: Some(process), listen: Some(listen), .. } => {
            Finding::right("server", format!("process {process} serves clients on {listen}"))
        }
        Patient::Open { .. } => Finding::right("server", "not running; the folder is free"),
        Patient::Closed(failure) => {
            Finding::wrong("server", &*failure.message, failure.hint.clone().unwrap_or_default())
        }
    }
}

fn store(_: &Config, patient: &Patient) -> Finding {
    match patient {
        Patient::New => Finding::right("store", "made at the first start"),
        Patient::Closed(_) => {
            Finding::wrong("store", "could not be looked at", "first see to what is said of the server")
        }
        Patient::Open { problems, .. } if problems.is_empty() => {
            Finding::right("store", "every page and index was read and is sound")
        }
        Patient::Open { problems, .. } => {
            Finding::wrong("store", problems.join("\n"), "restore the data folder from a backup")
        }
    }
}

fn key_file(config: &Config, patient: &Patient) -> Finding {
    let folder = &config.settings.data;
    let shown = key::path(folder);
    let shown = shown.display();
    let fits = match patient {
        Patient::Open { key_fits, .. } => *key_fits,
        Patient::New | Patient::Closed(_) => None,
    };
    let lost = "restore it from a backup; or give out new phone passwords: hamlet user phone-password NAME --reset";
    match key::mode(folder) {
        Err(_) if fits.is_none() && !matches!(patient, Patient::Closed(_)) => {
            Finding::right("key file", "made with the first phone password")
        }
        Err(error) => Finding::wrong("key file", format!("{shown}: {error}"), lost),
        Ok(mode) if mode != key::MODE => {
            Finding::wrong("key file", format!("{shown} has mode {mode:04o}"), format!("chmod 600 {shown}"))
        }
        Ok(_) => match (key::read(folder), fits) {
            (Err(error), _) => Finding::wrong("key file", error, lost),
            (Ok(_), Some(false)) => {
                Finding::wrong("key file", format!("{shown} does not open the phone passwords"), lost)
            }
            (Ok(_), Some(true)) => Finding::right("key file", "mode 0600, and opens a phone password"),
            (Ok(_), None) => Finding::right("key file", "mode 0600; no phone password to try it with"),
        },
    }
}

/// With less than this the next backlog of messages fills the disk.
const SPACE: u64 = 256 << 20;

fn disk(config: &Config, _: &Patient) -> Finding {
    // Where the folder will be made, when it is not there.
    let folder = config.settings.data.ancestors().find(|folder| folder.exists());
    let folder = folder.unwrap_or(std::path::Path::new("."));
    match limits::free_space(folder) {
        Ok(free) if free >= SPACE => Finding::right("disk", format!("{} MiB are free", free >> 20)),
        Ok(free) => {
            Finding::wrong("disk", format!("only {} MiB are free", free >> 20), "make space, or move the data folder")
        }
        Err(error) => Finding::wrong("disk", format!("{}: {error}", folder.display()), "is the disk there?"),
    }
}

/// With fewer a handful of curious neighbours can keep phones out.
const FEW_FILES: u64 = 1024;

fn files(config: &Config, _: &Patient) -> Finding {
    limits::raise_open_files();
    let wanted = config.settings.http.connections_max;
    let served = limits::connections(wanted);
    let advice = "raise the limit: LimitNOFILE in a systemd unit, ulimit -n in a shell";
    let is_set = *config.source("http.connections_max") != Source::Default;
    match limits::open_files() {
        Some(limit) if limit < FEW_FILES => Finding::wrong("open files", format!("only {limit} are allowed"), advice),
        Some(limit) if is_set && served < wanted => Finding::wrong(
            "open files",
            format!("{limit} are allowed: enough for {served} connections, and http.connections_max is {wanted}"),
            advice,
        ),
        Some(limit) => Finding::right("open files", format!("{limit} are allowed: enough for {served} connections")),
        None => Finding::right("open files", "no limit"),
    }
}

/// 2025 in seconds since 1970: this program did not exist before.
const EARLIEST: u64 = 1_735_689_600;

fn clock(config: &Config, _: &Patient) -> Finding {
    let now = Clock::system().now();
    let advice = "set the clock: messages are kept and sessions end by it";
    if now.seconds() < EARLIEST {
        return Finding::wrong("clock", format!("it says {}", moment(now)), advice);
    }
    let written = fs::metadata(config.settings.data.join(imps_store::DATABASE)).and_then(|about| about.modified());
    let written = written.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |at| at.as_secs());
    if written > now.seconds() + 3600 {
        return Finding::wrong(
            "clock",
            format!("it says {}, and the store was written after that", moment(now)),
            advice,
        );
    }
    Finding::right("clock", format!("it says {}", moment(now)))
}

fn port(config: &Config, patient: &Patient) -> Finding {
    let wanted = config.settings.listen;
    if let Patient::Open { listen: Some(listen), .. } = patient
        && patient.is_running()
    {
        return match healthy(*listen) {
            Ok(()) => Finding::right("port", format!("our server answers on {listen}")),
            Err(error) => {
                Finding::wrong("port", format!("our server does not answer on {listen}: {error}"), "look at its log")
            }
        };
    }
    match TcpListener::bind(wanted) {
        Ok(_) => Finding::right("port", format!("{wanted} is free")),
        Err(error) => Finding::wrong("port", format!("{wanted}: {error}"), "choose another one: --listen ADDRESS:PORT"),
    }
}

/// A certificate that ends within this time wants to be replaced: seconds.
const SOON: u64 = 14 * 86_400;

fn https(config: &Config, patient: &Patient) -> Finding {
    let settings = &config.settings.https;
    let Some(wanted) = settings.listen else { return Finding::right("https", "off") };
    let tls = match crate::channels::certificate(settings) {
        Ok(tls) => tls,
        Err(failure) => return Finding::wrong("https", &*failure.message, failure.hint.unwrap_or_default()),
    };
    let (now, expiry) = (Clock::system().now().seconds(), tls.expiry());
    let until = moment(imps_service::Timestamp(expiry.saturating_mul(1000)));
    let shown = settings.certificate.display();
    if expiry <= now {
        return Finding::wrong("https", format!("{shown} has ended: {until}"), "put a new certificate there");
    }
    if expiry - now < SOON {
        return Finding::wrong("https", format!("{shown} ends soon: {until}"), "put a new certificate there");
    }
    let running = if let Patient::Open { https, .. } = patient { *https } else { None };
    match reach(patient, running, wanted) {
        Ok(text) => Finding::right("https", format!("{text}; the certificate is good until {until}")),
        Err(text) => {
            Finding::wrong("https", text, "another program has the port, or the settings changed: see https.listen")
        }
    }
}

fn cir(config: &Config, patient: &Patient) -> Finding {
    let settings = &config.settings;
    if settings.cir.tcp_port == 0 {
        return Finding::right("cir port", "off: clients are called by other ways, or poll");
    }
    let wanted = SocketAddr::new(settings.listen.ip(), settings.cir.tcp_port);
    let running = if let Patient::Open { cir, .. } = patient { *cir } else { None };
    if patient.is_running() && running.is_none() {
        // It would not have started without the port that it was to have.
        let text = "off in the running server, which was started with other settings than these: clients are called by other ways, or poll";
        return Finding::right("cir port", text);
    }
    match reach(patient, running, wanted) {
        Ok(text) => Finding::right("cir port", text),
        Err(text) => {
            Finding::wrong("cir port", text, "clients cannot be called by TCP; choose another port: cir.tcp_port")
        }
    }
}

/// Whether the running server can be reached there, or the port can be had.
fn reach(patient: &Patient, running: Option<SocketAddr>, wanted: SocketAddr) -> Result<String, String> {
    if !patient.is_running() {
        return match TcpListener::bind(wanted) {
            Ok(_) => Ok(format!("{wanted} is free")),
            Err(error) => Err(format!("{wanted}: {error}")),
        };
    }
    let address = running.ok_or_else(|| format!("our server does not listen on {wanted}"))?;
    match TcpStream::connect_timeout(&reachable(address), Duration::from_secs(5)) {
        Ok(_) => Ok(format!("our server listens on {address}")),
        Err(error) => Err(format!("our server does not answer on {address}: {error}")),
    }
}

fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    address
}

fn healthy(address: SocketAddr) -> std::io::Result<()> {
    let address = reachable(address);
    let wait = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, wait)?;
    stream.set_read_timeout(Some(wait))?;
    write!(stream, "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    let first = answer.lines().next().unwrap_or_default();
    if first.contains(" 200 ") { Ok(()) } else { Err(std::io::Error::other(format!("`{first}`"))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn config(data: &std::path::Path) -> Config {
        let values = [("data", data.display().to_string()), ("listen", "127.0.0.1:0".to_owned())];
        let values = values.into_iter().map(|(key, value)| (key.to_owned(), format!("--{key}"), value)).collect();
        Config::load(&Flags { file: None, values }, std::iter::empty()).unwrap()
    }

    fn wrong(config: &Config, patient: &Patient) -> Vec<&'static str> {
        examine(config, patient).into_iter().filter(|finding| !finding.ok).map(|finding| finding.check).collect()
    }

    #[test]
    fn what_is_wrong_is_found() {
        let folder = std::env::temp_dir().join(format!("hamlet-doctor-{}", std::process::id()));
        let config = config(&folder);
        let open = |problems: Vec<String>, key_fits| Patient::Open {
            process: None,
            listen: None,
            https: None,
            cir: None,
            problems,
            key_fits,
        };
        assert!(wrong(&config, &Patient::New).contains(&"data folder"));

        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(wrong(&config, &Patient::New).contains(&"data folder"));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!wrong(&config, &Patient::New).contains(&"data folder"));

        assert!(wrong(&config, &open(Vec::new(), Some(false))).contains(&"key file"));
        assert!(!wrong(&config, &open(Vec::new(), None)).contains(&"key file"));
        key::create(&folder).unwrap();
        assert!(!wrong(&config, &open(Vec::new(), Some(true))).contains(&"key file"));
        assert!(wrong(&config, &open(Vec::new(), Some(false))).contains(&"key file"));
        fs::set_permissions(key::path(&folder), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(wrong(&config, &open(Vec::new(), Some(true))).contains(&"key file"));

        // The running server has other settings than these: it was told so on its command line.
        let running = Patient::Open {
            process: Some(1),
            listen: None,
            https: None,
            cir: None,
            problems: Vec::new(),
            key_fits: None,
        };
        assert!(!wrong(&config, &running).contains(&"cir port"));
        assert!(wrong(&config, &open(vec!["row 5 missing".to_owned()], None)).contains(&"store"));
        let found = wrong(&config, &Patient::Closed(Failure::new("it is damaged")));
        assert!(found.contains(&"store") && found.contains(&"server"), "{found:?}");
        fs::remove_dir_all(folder).unwrap();
    }
}

//! The program `hamlet`, as an operator starts it: in a folder of its own, with users added on the command line.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{DOMAIN, End};
use crate::secure::write_certificate;

/// Ports are taken below those that the system gives to clients, so that a server that starts again finds its own free.
const FIRST_PORT: u16 = 21_000;
const PORTS: u16 = 10_000;
/// How often, and at which interval, a starting or stopping server is looked at.
const LOOKS: u32 = 1500;
const INTERVAL: Duration = Duration::from_millis(10);

/// The program in a folder of its own; both go when this is dropped.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    domain: String,
    folder: PathBuf,
    address: SocketAddr,
    secure_address: SocketAddr,
    settings: Vec<(String, String)>,
    child: Child,
}

/// Where the program is: `HAMLET_BIN`, or beside this test's own folder.
///
/// # Errors
/// What to do when it is not there.
pub fn program_path() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("HAMLET_BIN") {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            Err(format!("HAMLET_BIN is {}, which is no file", path.display()))
        };
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    // target/debug/deps/scenarios-0123 and target/debug/hamlet.
    let found = own.ancestors().skip(1).take(2).map(|folder| folder.join("hamlet")).find(|path| path.is_file());
    found.ok_or_else(|| {
        "the program `hamlet` is not built: cargo build -p imps-server --bin hamlet (or name it in HAMLET_BIN)"
            .to_owned()
    })
}

/// A number that no other server of this run has.
fn next_number() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn free_port() -> Result<u16, String> {
    // Test programs that run at the same time begin in different places.
    let offset = (std::process::id().wrapping_mul(487) % u32::from(PORTS)) as u16;
    for _ in 0..PORTS {
        let port = FIRST_PORT + (offset + next_number() * 7) % PORTS;
        if std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free".to_owned())
}

impl Program {
    pub(super) async fn start(settings: &[(String, String)]) -> Result<Self, String> {
        Self::serve(DOMAIN, settings).await
    }

    /// Starts it for a domain. Settings are keys as in `hamlet.toml`, and values.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn serve(domain: &str, settings: &[(String, String)]) -> Result<Self, String> {
        let path = program_path()?;
        let mut tries = 0;
        loop {
            let folder = std::env::temp_dir().join(format!("imps-testkit-{}-{}", std::process::id(), next_number()));
            std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            let secure_address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            let (certificate, key) = write_certificate(&folder)?;
            let own = [
                ("pts.project_codes", "true".to_owned()),
                ("cir.tcp_port", free_port()?.to_string()),
                ("https.listen", secure_address.to_string()),
                ("https.certificate", certificate.display().to_string()),
                ("https.key", key.display().to_string()),
            ];
            let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
            let settings: Vec<_> = own.chain(settings.iter().cloned()).collect();
            let child = spawn(&path, domain, &folder, address, &settings)?;
            let (path, domain) = (path.clone(), domain.to_owned());
            let mut program = Self { path, domain, folder, address, secure_address, settings, child };
            match program.wait_until_ready().await {
                Ok(()) => return Ok(program),
                // Another test program took the port between the look and the start.
                Err(why) if why.contains("Address already in use") && tries < 10 => {
                    tries += 1;
                }
                Err(why) => return Err(why),
            }
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn secure_address(&self) -> SocketAddr {
        self.secure_address
    }

    /// Makes an account: the password that phones use, and the one of the account if there is to be one.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn add_user(&self, name: &str, phone: &str, account: Option<&str>) -> Result<(), String> {
        let mut words = vec!["user", "add", name, "--phone-password", phone];
        words.extend(account.iter().flat_map(|account| ["--password", account]));
        let words: Vec<String> = words.into_iter().map(str::to_owned).collect();
        self.operate(&words).await.map(drop)
    }

    /// Carries out what an operator types; what is printed.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn operate(&self, words: &[String]) -> Result<String, String> {
        let mut command = command(&self.path);
        command.args(words).args(["--domain", &self.domain]);
        command.arg("--data").arg(data(&self.folder)).stdin(Stdio::null());
        let typed = words.join(" ");
        let output = tokio::task::spawn_blocking(move || command.output())
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("hamlet {typed}: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("hamlet {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }

    pub(super) async fn restart(&mut self, end: End) -> Result<(), String> {
        self.end(end).await?;
        self.go_on().await
    }

    /// Ends it. What it stored stays.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn end(&mut self, end: End) -> Result<(), String> {
        match end {
            End::Kill => self.child.kill().map_err(|error| error.to_string())?,
            End::Stop => self.ask_to_stop()?,
        }
        self.wait_until_gone().await
    }

    /// Starts again what was ended, at the same address.
    ///
    /// # Errors
    /// What prevented it, in words.
    pub async fn go_on(&mut self) -> Result<(), String> {
        self.child = spawn(&self.path, &self.domain, &self.folder, self.address, &self.settings)?;
        self.wait_until_ready().await
    }

    fn ask_to_stop(&self) -> Result<(), String> {
        let status = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("kill -TERM failed: {status}")),
            Err(error) => Err(format!("kill -TERM failed: {error}")),
        }
    }

    async fn wait_until_gone(&mut self) -> Result<(), String> {
        for _ in 0..LOOKS {
            if self.child.try_wait().map_err(|error| error.to_string())?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Err("the server does not stop".to_owned())
    }

    async fn wait_until_ready(&mut self) -> Result<(), String> {
        for _ in 0..LOOKS {
            if let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? {
                return Err(format!("the server ended at once ({status}):\n{}", self.log()));
            }
            if is_healthy(self.address).await {
                return Ok(());
            }
            tokio::time::sleep(INTERVAL).await;
        }
        Err(format!("the server is not ready:\n{}", self.log()))
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(log_file(&self.folder)).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already, and so may its folder.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// The program without settings of whoever runs the test.
fn command(path: &Path) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HAMLET_") {
            command.env_remove(name);
        }
    }
    command
}

fn spawn(
    path: &Path,
    domain: &str,
    folder: &Path,
    address: SocketAddr,
    settings: &[(String, String)],
) -> Result<Child, String> {
    let file = log_file(folder);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&file);
    let log = log.map_err(|error| format!("{}: {error}", file.display()))?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let mut command = command(path);
    command.current_dir(folder).arg("serve").arg("--data").arg(data(folder));
    command.args(["--domain", domain, "--listen", &address.to_string(), "--log", "warn"]);
    for (key, value) in settings {
        command.env(format!("HAMLET_{}", key.replace('.', "__").to_uppercase()), value);
    }
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    command.spawn().map_err(|error| format!("{}: {error}", path.display()))
}

async fn is_healthy(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok()?;
        answer.starts_with(b"HTTP/1.1 200").then_some(())
    };
    matches!(tokio::time::timeout(Duration::from_secs(2), ask).await, Ok(Some(())))
}

//! `cargo xtask run`: a server with two demo users, ready to be tried.
//!
//! The server itself ends up in the foreground: this process *becomes* it (`exec`), so that Ctrl-C, a kill and the exit code
//! are the server's own. What is to be said once it answers is said by a second process, which starts first and waits.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::Outcome;
use crate::metadata::Metadata;
use crate::process::{capture, cargo, now, root, stream, succeeds};

pub(crate) const HELP: &str = "\
Build Hamlet and start it with two demo users, alice and bob.

Usage: cargo xtask run [OPTIONS] [-- ARGUMENTS OF hamlet serve]

Options:
  --listen ADDR:PORT   where phones connect [default: 127.0.0.1:8080]
  --data DIR           the data folder [default: ./hamlet-data]
  --domain NAME        the domain of the users [default: localhost]
  --dev                the development build: slower, but compiled sooner

Prints, once the server answers, both users' passwords and a curl line that logs alice in. A second run finds the same
users: their passwords are kept in demo.json in the data folder. Ctrl-C ends the server.

A phone in your network needs an address of this machine: --listen 0.0.0.0:8080";

/// The hidden subcommand under which this program waits for the server.
pub(crate) const ANNOUNCE: &str = "announce-demo";

/// The users that a demo has.
const USERS: [&str; 2] = ["alice", "bob"];

/// The server's own default.
const DOMAIN: &str = "localhost";

/// Letters and digits that nobody confuses: no l, o, 0, 1. There are 32, so a random byte chooses fairly.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// How long the server may take until it answers; a big data folder is opened in seconds.
const PATIENCE: Duration = Duration::from_secs(60);

struct Options {
    listen: SocketAddr,
    data: PathBuf,
    domain: String,
    development: bool,
    rest: Vec<String>,
}

/// The subcommand.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    // Before the build: nobody wants to wait for minutes to hear this.
    port_is_free(options.listen)?;
    let hamlet = build(options.development)?;
    let demo = Demo::prepare(&hamlet, &options)?;

    let program = std::env::current_exe().map_err(|e| format!("cannot find this program: {e}"))?;
    // By way of a shell that ends at once, so that the waiting process is not a child of the server.
    let announcer = ["-c", "\"$0\" \"$@\" &"];
    let listen = options.listen.to_string();
    let server = std::process::id().to_string();
    let started = Command::new("sh")
        .args(announcer)
        .arg(program)
        .args([ANNOUNCE, &server, &listen, &options.domain])
        .arg(&demo.file)
        .status();
    if !started.is_ok_and(|status| status.success()) {
        return Err("cannot start the process that waits for the server".to_owned());
    }

    let mut serve = Command::new(&hamlet);
    serve.current_dir(root()).arg("serve").arg("--data").arg(&options.data);
    serve.args(["--domain", &options.domain, "--listen", &listen]).args(&options.rest);
    let error = serve.exec();
    Err(format!("cannot start {}: {error}", hamlet.display()))
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Self> {
        // Relative to where the developer stands, not to the root of the repository.
        let here = std::env::current_dir().map_err(|e| format!("the current folder is gone: {e}"))?;
        let mut options = Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            data: root().join("hamlet-data"),
            domain: DOMAIN.to_owned(),
            development: false,
            rest: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value =
                || inline.clone().or_else(|| arguments.next().cloned()).ok_or_else(|| format!("{name} needs a value"));
            match name {
                "--" => {
                    options.rest = arguments.cloned().collect();
                    break;
                }
                "--dev" => options.development = true,
                "--data" => options.data = here.join(value()?),
                "--domain" => options.domain = value()?,
                "--listen" => {
                    let text = value()?;
                    options.listen = text.parse().map_err(|_| format!("`{text}` is no ADDRESS:PORT"))?;
                    if options.listen.port() == 0 {
                        return Err("port 0 would be one that nobody knows; please name one".to_owned());
                    }
                }
                _ => {
                    return Err(format!(
                        "run does not know `{argument}`; the server's own arguments follow `--`\n\n{HELP}"
                    ));
                }
            }
        }
        Ok(options)
    }
}

fn port_is_free(listen: SocketAddr) -> Outcome {
    match TcpListener::bind(listen) {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => Err(format!(
            "{listen} is taken: another server is running there. Stop it, or choose another port: \
             cargo xtask run --listen {}:{}",
            listen.ip(),
            listen.port().checked_add(1).unwrap_or(8080)
        )),
        Err(e) => Err(format!("cannot listen on {listen}: {e}")),
    }
}

fn build(development: bool) -> Outcome<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--locked", "-p", "imps-server", "--bin", "hamlet"]);
    if !development {
        command.arg("--release");
    }
    stream(&mut command)?;
    // The sources are there now, so asking needs no network.
    let target = Metadata::read()?.target_directory;
    Ok(target.join(if development { "debug" } else { "release" }).join("hamlet"))
}

/// The demo users' passwords, kept beside the data that they open.
struct Demo {
    file: PathBuf,
    users: Map<String, Value>,
}

impl Demo {
    /// Sees to it that both users exist.
    fn prepare(hamlet: &Path, options: &Options) -> Outcome<Self> {
        let data = &options.data;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .map_err(|e| format!("cannot create {}: {e}", data.display()))?;
        let mut demo = Self::load(data.join("demo.json"))?;
        for name in USERS {
            demo.ensure(hamlet, options, name)?;
        }
        Ok(demo)
    }

    fn load(file: PathBuf) -> Outcome<Self> {
        let users = match std::fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| format!("{}: {e}", file.display()))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(e) => return Err(format!("cannot read {}: {e}", file.display())),
        };
        Ok(Self { file, users })
    }

    fn save(&self) -> Outcome {
        let failed = |e: std::io::Error| format!("cannot write {}: {e}", self.file.display());
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&self.file)
            .map_err(failed)?;
        let text = serde_json::to_string_pretty(&self.users).map_err(|e| e.to_string())?;
        writeln!(file, "{text}").map_err(failed)
    }

    fn ensure(&mut self, hamlet: &Path, options: &Options, name: &str) -> Outcome {
        let user = |verb: &str| {
            let mut command = Command::new(hamlet);
            command.args(["user", verb, name, "--data"]).arg(&options.data);
            if options.domain != DOMAIN {
                command.args(["--domain", &options.domain]);
            }
            command
        };
        if succeeds(&mut user("show")) {
            if self.password(name, "password").is_none() {
                eprintln!("{name} exists already; the password is whatever you set (hamlet user passwd {name})");
            }
            return Ok(());
        }
        if self.password(name, "password").is_none() {
            self.users.insert(name.to_owned(), json!({ "password": random(16)?, "phone_password": random(10)? }));
        }
        // Saved before the user is there: a run that is interrupted between the two must not lose the password.
        self.save()?;
        let passwords = ["--password", self.password(name, "password").unwrap_or_default()];
        let phone = ["--phone-password", self.password(name, "phone_password").unwrap_or_default()];
        // The passwords are not for the screen twice, so this is not shown as it runs.
        capture(user("add").args(passwords).args(phone)).map(drop).map_err(|error| {
            let reason = error.split_once(":\n").map_or(&*error, |(_, complaint)| complaint);
            format!("cannot add the user {name}: {reason}")
        })
    }

    fn password(&self, name: &str, which: &str) -> Option<&str> {
        self.users.get(name)?[which].as_str()
    }
}

/// A random word, from the operating system's source.
fn random(length: usize) -> Outcome<String> {
    let mut bytes = vec![0; length];
    let mut source = std::fs::File::open("/dev/urandom").map_err(|e| format!("no randomness: {e}"))?;
    source.read_exact(&mut bytes).map_err(|e| format!("no randomness: {e}"))?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect())
}

/// Waits until the server answers and says how to try it. Started by [`run`], not by people.
pub(crate) fn announce(arguments: &[String]) -> Outcome {
    let [server, listen, domain, file] = arguments else { return Err(HELP.to_owned()) };
    let listen: SocketAddr = listen.parse().map_err(|e| format!("{listen}: {e}"))?;
    let listen = reachable(listen);
    let server = Path::new("/proc").join(server);
    let began = now();
    while !answers(listen) {
        // It has said why.
        if !server.exists() {
            return Ok(());
        }
        if now() - began > PATIENCE {
            return Err(format!("the server does not answer at http://{listen}/healthz yet"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{}", ready(&Demo::load(file.into())?, listen, domain));
    Ok(())
}

/// Where to reach a server that listens on all addresses.
fn reachable(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(if listen.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1].into() });
    }
    listen
}

fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let wait = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, wait)?;
        stream.set_read_timeout(Some(wait))?;
        let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200 "))
    };
    ask().unwrap_or(false)
}

fn ready(demo: &Demo, listen: SocketAddr, domain: &str) -> String {
    let mut text = format!("\nHamlet is ready at http://{listen}/\n\n");
    text.push_str(&format!("  {:<26}{:<20}phone password\n", "user", "password"));
    for name in USERS {
        let shown = |which| demo.password(name, which).unwrap_or("(yours)");
        let user = format!("wv:{name}@{domain}");
        text.push_str(&format!("  {user:<26}{:<20}{}\n", shown("password"), shown("phone_password")));
    }
    if let Some(password) = demo.password(USERS[0], "password") {
        text.push_str("\nLog alice in:\n\n");
        text.push_str(&login_line(listen, domain, password));
        text.push('\n');
    }
    text
}

/// A line for a shell that logs alice in: a Login-Request of CSP 1.2 in XML, with the password in clear (2-way).
fn login_line(listen: SocketAddr, domain: &str, password: &str) -> String {
    const DTD: &str = "http://www.openmobilealliance.org/DTD";
    let login = format!(
        "<Login-Request><UserID>wv:alice@{domain}</UserID><ClientID><URL>curl</URL></ClientID>\
         <Password>{password}</Password><TimeToLive>600</TimeToLive><SessionCookie>curl</SessionCookie></Login-Request>"
    );
    let message = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><WV-CSP-Message xmlns=\"{DTD}/WV-CSP1.2\"><Session>\
         <SessionDescriptor><SessionType>Outband</SessionType></SessionDescriptor><Transaction>\
         <TransactionDescriptor><TransactionMode>Request</TransactionMode><TransactionID>1</TransactionID>\
         </TransactionDescriptor><TransactionContent xmlns=\"{DTD}/WV-TRC1.2\">{login}</TransactionContent>\
         </Transaction></Session></WV-CSP-Message>"
    );
    format!("curl -sS -H 'Content-Type: application/vnd.wv.csp.xml' --data-binary '{message}' http://{listen}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Outcome<Options> {
        Options::parse(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_the_rest_is_the_servers() {
        let options = parse(&["--listen", "0.0.0.0:9000", "--data=d", "--dev", "--", "--log", "debug"]).expect("valid");
        assert_eq!(reachable(options.listen).to_string(), "127.0.0.1:9000");
        assert!(options.data.is_absolute() && options.data.ends_with("d"));
        assert!(options.development);
        assert_eq!(options.rest, ["--log", "debug"]);
        for bad in [&["--listen", "8080"][..], &["--listen", "127.0.0.1:0"], &["--data"], &["--log", "debug"]] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_taken_port_is_told_with_another_one() -> std::io::Result<()> {
        let taken = TcpListener::bind("127.0.0.1:0")?;
        let error = port_is_free(taken.local_addr()?).expect_err("it is taken");
        assert!(error.contains("is taken") && error.contains("--listen 127.0.0.1:"), "{error}");
        Ok(())
    }

    #[test]
    fn only_a_200_counts_as_an_answer() -> std::io::Result<()> {
        for (status, expected) in [("200 OK", true), ("503 Service Unavailable", false)] {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            let address = listener.local_addr()?;
            let server = std::thread::spawn(move || -> std::io::Result<()> {
                let (mut peer, _) = listener.accept()?;
                let (mut request, mut part) = (Vec::new(), [0; 512]);
                while !request.ends_with(b"\r\n\r\n") {
                    let length = peer.read(&mut part)?;
                    assert_ne!(length, 0, "the request ends too early");
                    request.extend_from_slice(&part[..length]);
                }
                assert!(request.starts_with(b"GET /healthz HTTP/1.1\r\n"));
                peer.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())
            });
            assert_eq!(answers(address), expected);
            server.join().expect("the server's own assertion")?;
        }
        Ok(())
    }

    #[test]
    fn passwords_are_random_and_survive_a_second_run() -> Outcome {
        let folder = std::env::temp_dir().join(format!("hamlet-xtask-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        let mut demo = Demo::load(folder.join("demo.json"))?;
        demo.users.insert("alice".to_owned(), json!({ "password": random(16)?, "phone_password": random(10)? }));
        demo.save()?;
        let again = Demo::load(folder.join("demo.json"))?;
        assert_eq!(again.password("alice", "password"), demo.password("alice", "password"));
        assert_ne!(again.password("alice", "phone_password"), Some(random(10)?).as_deref());
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(&demo.file).map_err(|e| e.to_string())?.permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_dir_all(&folder).map_err(|e| e.to_string())
    }

    #[test]
    fn the_login_line_is_one_line_and_quoted() {
        let line = login_line(SocketAddr::from(([127, 0, 0, 1], 8080)), "localhost", "secret");
        assert_eq!(line.lines().count(), 1);
        assert_eq!(line.matches('\'').count(), 4, "{line}");
        assert!(line.contains("<Password>secret</Password>") && line.ends_with(" http://127.0.0.1:8080/"));
    }
}

//! Other domains: messages from phones of one to phones of another, and what peers cost with which nothing goes on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use imps_proto::wire::Form;
use imps_service::store::Store;
use imps_ssp::{PeerConfig, Peers};
use imps_types::Domain;

use super::super::chat::Couple;
use super::super::net::Net;
use super::super::report::{Figure, Target};
use super::super::scan::Scanner;
use super::super::server::{DOMAIN, Hamlet, Place, free_address, make_users, make_users_at};
use super::super::sockets::Sockets;
use super::super::talk::{self, talk};
use super::super::template::SocketRequests;
use super::super::{Outcome, Sleeper, login, now};
use super::messages::fill;
use super::{Bench, TRANSACTIONS_OPEN, names, tell};

/// The domain of the recipients.
const OTHER: &str = "other.example";
/// The domain that stalls.
const THIRD: &str = "third.example";
/// Messages that wait for it.
const WAITING: u64 = 1000;
/// How long they may take when it goes on.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is to be reached, and half of it for the latency.
const RATE: f64 = 2500.0;
/// Senders, and recipients.
const PAIRS: usize = 32;
/// A sender's messages that may be under way: each waits for two disks.
const AHEAD: usize = 32;
/// More than one domain posts to another in a second here.
const SETTINGS: &[(&str, &str)] = &[("HAMLET_SSP__RATE", "100000"), ("HAMLET_SSP__SETUP_PAUSE", "1")];
/// Peers with which nothing goes on.
const IDLE_PEERS: usize = 1000;
/// How long nothing goes on.
const IDLE: Duration = Duration::from_secs(10);
/// Until what a start begins is through.
const SETTLES: Duration = Duration::from_secs(3);

fn start(program: &Path, data: &Path, domain: &str, listen: SocketAddr) -> Outcome<Hamlet> {
    Hamlet::start_at(program, data, &[], Place { domain, listen, settings: SETTINGS })
}

/// `hamlet peer add`, on a folder whose server does not run.
fn knows(program: &Path, data: &Path, domain: &str, other: &str, url: &str) -> Outcome {
    let mut command = Command::new(program);
    command.args(["peer", "add", other, "--url", url, "--domain", domain, "--data"]).arg(data);
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("hamlet peer add {other}: {said}")) }
}

/// Waits until a server has taken so many messages, and no more.
fn arrived(server: &Hamlet, wanted: u64) -> Outcome {
    let began = now();
    loop {
        let taken = server.metrics().get("hamlet_messages_accepted_total");
        if taken == wanted as f64 {
            return Ok(());
        }
        if taken > wanted as f64 || began.elapsed() > PATIENCE {
            return Err(format!("{taken} messages came to a domain that should have {wanted}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Bench<'_> {
    /// Messages between two domains on this machine, each with its own store, to clients over WebSocket; and once more while much
    /// waits for a third one, which does not answer.
    pub(super) fn relay(&mut self) -> Outcome {
        if let Some(mut server) = self.server.take() {
            server.stop()?;
        }
        let (senders, recipients) = (names("sender", PAIRS), names("recipient", PAIRS));
        let folders = ["relay-home", "relay-other", "relay-third"].map(|name| self.folder.file(name));
        let [home, other, third] = &folders;
        make_users(home, &senders)?;
        make_users_at(other, OTHER, &recipients)?;
        make_users_at(third, THIRD, &names("late", 1))?;
        let port = || free_address().map_err(|error| format!("no port is free: {error}"));
        let (at_home, at_other, at_third) = (port()?, port()?, port()?);
        let program = &self.options.hamlet;
        for (data, domain, address) in [(other, OTHER, at_other), (third, THIRD, at_third)] {
            knows(program, home, DOMAIN, domain, &format!("http://{address}/"))?;
            knows(program, data, domain, DOMAIN, &format!("http://{at_home}/"))?;
        }
        let there = start(program, other, OTHER, at_other)?;
        let stalling = start(program, third, THIRD, at_third)?;
        self.server = Some(start(program, home, DOMAIN, at_home)?);
        let half = RATE / 2.0;
        let all = self.relay_at(None, &there, &senders, &recipients)?;
        let rate = all.value;
        self.figures.push(all.target(Target::AtLeast(RATE)));
        let paced = self.relay_at(Some(half), &there, &senders, &recipients)?;
        self.figures.push(paced.target(Target::AtMost(100.0)));
        self.wait_for(&stalling)?;
        for paced in [None, Some(half)] {
            let mut figure = self.relay_at(paced, &there, &senders, &recipients)?;
            figure.name = match paced {
                None => "  while another domain stalls".to_owned(),
                Some(_) => format!("{}, likewise", figure.name),
            };
            let figure = match paced {
                None => figure.beside("while none does", rate).target(Target::OfReference(0.8)),
                Some(_) => figure.target(Target::AtMost(100.0)),
            };
            self.figures.push(figure.note(format!("{WAITING} messages wait for the one that stalls")));
        }
        stalling.freeze(false)?;
        arrived(&stalling, WAITING + 1)
    }

    /// Opens a session with a domain, lets its server do nothing any more, and sends it messages.
    fn wait_for(&self, stalling: &Hamlet) -> Outcome {
        tell("messages to a domain that stalls");
        let late = names("late", 1).iter().map(|name| format!("{name}@{THIRD}")).collect::<Vec<_>>();
        let session = self.log_in(&names("sender", 1))?.pop().unwrap_or_default();
        fill(self.server()?, &late, session, 1)?;
        arrived(stalling, 1)?;
        stalling.freeze(true)?;
        let session = self.log_in(&names("sender", 1))?.pop().unwrap_or_default();
        fill(self.server()?, &late, session, WAITING)
    }

    fn relay_at(
        &self,
        rate: Option<f64>,
        there: &Hamlet,
        senders: &[String],
        recipients: &[String],
    ) -> Outcome<Figure> {
        let at = rate.map_or_else(String::new, |rate| format!(" at {rate:.0}/s"));
        tell(&format!("messages to another domain{at}"));
        let requests = SocketRequests::new(Form::Wbxml, TRANSACTIONS_OPEN);
        let plan = talk::Plan { rate, ahead: AHEAD, is_relayed: true, ..self.options.socket_plan };
        let sessions = self.log_in(senders)?;
        let recipients: Vec<_> = recipients.iter().map(|name| format!("{name}@{OTHER}")).collect();
        let mut net = Net::open(there.address, 16)?;
        let others = login::log_in(&mut net, &self.requests, &self.scanner, &recipients)?;
        drop(net);
        let pairs = sessions.into_iter().zip(others).zip(recipients);
        let couples: Vec<_> =
            pairs.map(|((sender, recipient), recipient_name)| Couple { sender, recipient, recipient_name }).collect();
        let subprotocol = crate::phone::websocket::subprotocol(Form::Wbxml);
        let addresses = [self.server()?.address, there.address];
        let mut sockets = Sockets::open_at(&addresses, 2 * couples.len(), subprotocol, false)?;
        let (sleeper, used) = (Sleeper::start(), there.cpu());
        let scan: (&Scanner, talk::Scan) = (&self.scanner, Scanner::scan_all);
        let said = self.converse(|window| talk(&mut sockets, &requests, scan, couples, plan, window))?;
        let (late, used) = (sleeper.stop(), there.cpu() - used);
        let about = format!(
            "{PAIRS} senders, {AHEAD} under way at most, {:.0} messages/s; both domains on this machine, each with its own store; the other \
             server used {used:.1} s of processor time; whoever merely sleeps waits longer by: p50 {:.2} ms, p99 {:.2} ms",
            said.rate,
            late.at(0.5),
            late.at(0.99)
        );
        let figure = match rate {
            None => Figure::new("messages to another domain", said.rate, "1/s"),
            Some(rate) => {
                Figure::new(format!("  p99 at {rate:.0}/s offered"), said.chatted.to_delivered.at(0.99), "ms")
            }
        };
        Ok(figure.note(about).notes(said.notes()).faults(said.chatted.faults.clone()))
    }

    /// A server with a thousand peers and nothing to do: memory and processor time beside one without.
    pub(super) fn peers(&mut self) -> Outcome {
        tell(&format!("{IDLE_PEERS} peers"));
        if let Some(mut server) = self.server.take() {
            server.stop()?;
        }
        let (without, with) = (self.folder.file("peers-none"), self.folder.file("peers"));
        make_users(&without, &names("user", 1))?;
        make_users(&with, &names("user", 1))?;
        make_peers(&with, IDLE_PEERS)?;
        let (alone, _) = self.idles(&without)?;
        let (beside, used) = self.idles(&with)?;
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        let memory = Figure::new(format!("memory of {IDLE_PEERS} peers"), mib(beside.saturating_sub(alone)), "MiB")
            .target(Target::AtMost(20.0))
            .note(format!("resident memory {:.1} MiB without, {:.1} MiB with them", mib(alone), mib(beside)));
        let share = used / IDLE.as_secs_f64() * 100.0;
        let processor = Figure::new(format!("  processor with {IDLE_PEERS} idle peers"), share, "%")
            .target(Target::AtMost(1.0))
            .note(format!("{used:.2} s of processor time in {} s", IDLE.as_secs()));
        self.figures.extend([memory, processor]);
        Ok(())
    }

    /// Memory of a server to which nothing is done, and the seconds of processor time that it takes for it.
    fn idles(&self, data: &Path) -> Outcome<(u64, f64)> {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = start(&self.options.hamlet, data, DOMAIN, listen)?;
        std::thread::sleep(SETTLES);
        let (used, began) = (server.cpu(), now());
        std::thread::sleep(IDLE);
        let (used, spent) = (server.cpu() - used, began.elapsed());
        let memory = server.memory()?;
        server.stop()?;
        Ok((memory, used * IDLE.as_secs_f64() / spent.as_secs_f64()))
    }
}

/// Writes peers down, in the store itself: a thousand calls of `hamlet peer add` would take minutes.
fn make_peers(data: &Path, count: usize) -> Outcome {
    let failed = |error: &dyn std::fmt::Display| format!("cannot make peers in {}: {error}", data.display());
    let engine = imps_store::open(data, imps_store::Options::default()).map_err(|error| failed(&error))?;
    let store = Store::new(engine.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    runtime.block_on(async {
        for number in 0..count {
            let domain = Domain::parse(&format!("peer{number}.example")).map_err(|error| failed(&error))?;
            // Nobody is there.
            let urls = vec![format!("http://127.0.0.1:9/{number}")];
            let line = PeerConfig { urls, ..PeerConfig::of(domain) };
            Peers(&store).set(&line).await.map_err(|error| failed(&error))?;
        }
        Ok::<(), String>(())
    })?;
    // The server takes the folder next.
    engine.close();
    Ok(())
}

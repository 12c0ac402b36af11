//! `hamlet-torture`: the server is killed at random moments under full load, and everything is counted.
//!
//! Senders post messages as fast as they are answered; recipients poll and acknowledge. When the server dies, every
//! client keeps the request that was not answered and repeats it, byte for byte, once the server is back: a message must
//! then have one MessageID, and no session may need a new login. A message is lost when it was accepted and never
//! arrives; it is doubled when it is offered after its acknowledgement was answered, or arrives under two MessageIDs.

mod domains;
mod mix;
mod tough;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use imps_proto::Element;
use serde_json::json;

use super::faults::Faults;
use super::login;
use super::net::{Answer, Driver, Net};
use super::scan::Scanner;
use super::server::{Folder, Hamlet, address, default_folder, make_users};
use super::template::Requests;
use super::{Dice, Outcome, now, trace};

/// What `--help` says.
pub const HELP: &str = "\
Kill the server at random moments under full load, and count: no acknowledged message lost, none doubled.

Usage: hamlet-torture [OPTIONS]

Options:
  --cycles N      how often the server is killed [default: 200]
  --senders N     how many send at the same time, each to a recipient of his own [default: 16]
  --clubs N       how many groups of four phones write, invite and change presence meanwhile [default: 4]
  --hamlet PATH   the server [default: hamlet beside this program]
  --dir DIR       where the data folder is made [default: beside this program]
  --domains N     so many servers that know each other instead, of which any is killed, while phones of each write to users
                  of the others and ask for reports
  --minutes N     how long that goes on [default: 10]
  --phones N      phones of each domain [default: 6]
  --sync-proof    trace the server's system calls instead (strace), and show for 1,000 messages that the log of the
                  database is synced between reading each SendMessage-Request and writing its answer
  --json          the counts as JSON

Exit code 1 when a message was lost or doubled, or a session did not survive.";

struct Options {
    cycles: u64,
    senders: usize,
    clubs: usize,
    domains: usize,
    minutes: f64,
    phones: usize,
    hamlet: PathBuf,
    folder: PathBuf,
    sync_proof: bool,
    json: bool,
}

/// Messages of the proof.
const PROOFS: u64 = 1000;
/// A sender waits while so many of his messages are not acknowledged, so that the queue of nobody fills up.
const AHEAD: usize = 200;
const PAUSE: Duration = Duration::from_millis(1);
/// When the server is asked how many repeats it recognised: all are answered by then, and it is not killed yet.
const LOOK_AFTER: Duration = Duration::from_millis(40);
/// When the server is killed: after so many milliseconds, and up to so many more.
const EARLIEST: u64 = 50;
const SPAN: u64 = 350;
const DRAIN: Duration = Duration::from_secs(60);

/// Runs the program; whether everything was found in order.
///
/// # Errors
/// When it could not be run to its end.
pub fn run(arguments: &[String]) -> Outcome<bool> {
    let Some(options) = Options::parse(arguments)? else {
        say(HELP);
        return Ok(true);
    };
    if options.sync_proof {
        return prove(&options);
    }
    if options.domains > 1 {
        let Options { domains, phones, minutes, hamlet, folder, json, .. } = options;
        return domains::torture(&domains::Options { domains, phones, minutes, hamlet, folder, json });
    }
    torture(&options)
}

#[expect(clippy::print_stdout, reason = "the output of the program")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "progress, for the person who waits")]
fn tell(text: &str) {
    eprintln!("{text}");
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Option<Self>> {
        let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join("hamlet")));
        let mut options = Self {
            cycles: 200,
            senders: 16,
            clubs: 4,
            domains: 1,
            minutes: 10.0,
            phones: 6,
            hamlet: beside.unwrap_or_else(|| "hamlet".into()),
            folder: default_folder(),
            sync_proof: false,
            json: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || given.clone().or_else(|| rest.next().cloned()).ok_or(format!("{name} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("{name}: `{text}` is no number"));
            match name {
                "--help" | "-h" => return Ok(None),
                "--cycles" => options.cycles = number(value()?)?,
                "--senders" => options.senders = number(value()?)?.clamp(1, 10_000) as usize,
                "--clubs" => options.clubs = number(value()?)?.min(1000) as usize,
                "--domains" => options.domains = number(value()?)?.clamp(1, 20) as usize,
                "--phones" => options.phones = number(value()?)?.clamp(1, 1000) as usize,
                "--minutes" => {
                    let given = value()?;
                    options.minutes = given.parse().map_err(|_| format!("{name}: `{given}` is no number"))?;
                }
                "--hamlet" => options.hamlet = value()?.into(),
                "--dir" => options.folder = value()?.into(),
                "--sync-proof" => options.sync_proof = true,
                "--json" => options.json = true,
                _ => return Err(format!("unknown option {argument}; see --help")),
            }
        }
        Ok(Some(options))
    }
}

/// A message as its sender and its recipient know it.
#[derive(Default)]
struct Known {
    accepted: Option<Vec<u8>>,
    delivered: Option<Vec<u8>>,
    is_acknowledged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Waits {
    Nothing,
    Poll,
    /// For the answer to the acknowledgement of this number.
    Acknowledge(u64),
}

struct Pair {
    sender: Vec<u8>,
    recipient: Vec<u8>,
    address: String,
    next: u64,
    /// The sender waits for the answer to this number.
    sending: Option<u64>,
    waits: Waits,
    more: bool,
    messages: HashMap<u64, Known>,
    unacknowledged: usize,
    /// MessageIDs whose acknowledgement was answered.
    acknowledged: HashSet<Vec<u8>>,
}

#[derive(Default)]
struct Counts {
    accepted: u64,
    delivered: u64,
    acknowledged: u64,
    /// Requests that were repeated after the server came back.
    repeated: u64,
    /// Repeats that the server knew: the message was committed, and only its answer lost.
    recognised: u64,
    /// Offers of a message whose acknowledgement was not answered: these are right.
    offered_again: u64,
    doubled: u64,
    lost: u64,
    sessions_lost: u64,
    refused: u64,
}

struct Torture<'a> {
    requests: &'a Requests,
    scanner: &'a Scanner,
    pairs: Vec<Pair>,
    /// The request of each connection that is not answered.
    open: Vec<Vec<u8>>,
    server: Hamlet,
    broken: usize,
    is_dead: bool,
    is_draining: bool,
    is_drained: bool,
    give_up: Instant,
    counts: Counts,
    faults: Faults,
}

const KILL: usize = usize::MAX;
const CHECK: usize = usize::MAX - 1;
const LOOK: usize = usize::MAX - 2;

fn torture(options: &Options) -> Outcome<bool> {
    let folder = Folder::new(&options.folder, "torture")?;
    let data = folder.file("data");
    let (senders, recipients): (Vec<String>, Vec<String>) =
        (0..options.senders).map(|number| (format!("sender{number}"), format!("recipient{number}"))).unzip();
    make_users(&data, &[senders.clone(), recipients.clone(), mix::names(options.clubs)].concat())?;
    let server = Hamlet::start(&options.hamlet, &data, &[])?;
    let (requests, scanner) = (Requests::new(), Scanner::new());
    let mut net = Net::open(server.address, 8)?;
    let sessions_of_senders = login::log_in(&mut net, &requests, &scanner, &senders)?;
    let sessions_of_recipients = login::log_in(&mut net, &requests, &scanner, &recipients)?;
    let pair = |((sender, recipient), name): ((Vec<u8>, Vec<u8>), &String)| Pair {
        sender,
        recipient,
        address: address(name),
        next: 0,
        sending: None,
        waits: Waits::Nothing,
        more: false,
        messages: HashMap::new(),
        unacknowledged: 0,
        acknowledged: HashSet::new(),
    };
    let mut it = Torture {
        requests: &requests,
        scanner: &scanner,
        pairs: sessions_of_senders.into_iter().zip(sessions_of_recipients).zip(&recipients).map(pair).collect(),
        open: vec![Vec::new(); 2 * options.senders],
        server,
        broken: 0,
        is_dead: false,
        is_draining: false,
        is_drained: false,
        give_up: now(),
        counts: Counts::default(),
        faults: Faults::default(),
    };
    let mut net = Net::open(it.server.address, 2 * options.senders)?;
    let clubs = mix::Mix::start(it.server.address, options.clubs)?;
    let mut dice = Dice::new(u64::from(std::process::id()) << 20 | u64::from(it.server.process));
    let mut slowest_start = Duration::ZERO;
    let began = now();
    it.begin(&mut net);
    for cycle in 1..=options.cycles {
        net.wake_at(now() + Duration::from_millis(EARLIEST + dice.below(SPAN)), KILL);
        net.run(&mut it)?;
        let starting = now();
        it.server = Hamlet::start(&options.hamlet, &data, &[])?;
        slowest_start = slowest_start.max(starting.elapsed());
        net.reopen(it.server.address)?;
        clubs.moves_to(it.server.address);
        (it.broken, it.is_dead) = (0, false);
        it.repeat(&mut net);
        net.wake_at(now() + LOOK_AFTER, LOOK);
        if cycle % 10 == 0 {
            let counts = &it.counts;
            tell(&format!(
                "{cycle} kills: {} accepted, {} delivered, {} acknowledged, {} repeated; {} doubled, {} sessions lost, {} other \
                 errors",
                counts.accepted,
                counts.delivered,
                counts.acknowledged,
                counts.repeated,
                counts.doubled,
                counts.sessions_lost,
                it.faults.count
            ));
        }
    }
    it.is_draining = true;
    it.give_up = now() + DRAIN;
    net.wake_at(now(), CHECK);
    net.run(&mut it)?;
    it.count_lost();
    let (mixed, faults) = clubs.finish()?;
    it.faults.merge(faults);
    it.server.stop()?;
    Ok(it.report(options, &mixed, slowest_start, began.elapsed()))
}

impl Torture<'_> {
    fn begin(&mut self, net: &mut Net) {
        for pair in 0..self.pairs.len() {
            self.send_next(net, pair);
            self.poll(net, pair);
        }
    }

    /// Every client sends again what was not answered.
    fn repeat(&mut self, net: &mut Net) {
        for (connection, request) in self.open.iter().enumerate() {
            if !request.is_empty() {
                self.counts.repeated += 1;
                net.send(connection, |out| out.extend_from_slice(request));
            }
        }
        for pair in 0..self.pairs.len() {
            let waits = self.pairs.get(pair).map(|it| (it.sending, it.waits));
            if let Some((None, _)) = waits {
                self.send_next(net, pair);
            }
            if let Some((_, Waits::Nothing)) = waits {
                self.poll(net, pair);
            }
        }
    }

    fn request(&mut self, net: &mut Net, connection: usize, request: Vec<u8>) {
        net.send(connection, |out| out.extend_from_slice(&request));
        if let Some(open) = self.open.get_mut(connection) {
            *open = request;
        }
    }

    fn answered_all(&mut self, connection: usize) {
        if let Some(open) = self.open.get_mut(connection) {
            open.clear();
        }
    }

    fn send_next(&mut self, net: &mut Net, pair: usize) {
        let requests = self.requests;
        let Some(it) = self.pairs.get_mut(pair) else { return };
        if self.is_draining || it.sending.is_some() || it.unacknowledged >= AHEAD {
            return;
        }
        let number = it.next;
        it.next += 1;
        it.sending = Some(number);
        it.unacknowledged += 1;
        it.messages.insert(number, Known::default());
        let (transaction, content) =
            (number.to_string(), format!("{pair} {number} and some more text, as people write"));
        let mut request = Vec::with_capacity(512);
        let values: [&[u8]; 4] = [&it.sender, transaction.as_bytes(), it.address.as_bytes(), content.as_bytes()];
        requests.send.render(&mut request, &values);
        self.request(net, 2 * pair, request);
    }

    fn poll(&mut self, net: &mut Net, pair: usize) {
        let requests = self.requests;
        let Some(it) = self.pairs.get_mut(pair) else { return };
        it.waits = Waits::Poll;
        let mut request = Vec::with_capacity(256);
        requests.poll.render(&mut request, &[&it.recipient]);
        self.request(net, 2 * pair + 1, request);
    }

    /// A refusal, or nothing that could be read.
    fn wrong(&mut self, what: &str, answer: &Answer<'_>) {
        let code = self.scanner.scan(answer.body).map_or(0, |seen| seen.code);
        match code {
            604 => self.counts.sessions_lost += 1,
            503 => self.counts.refused += 1,
            _ => {}
        }
        self.faults.add(|| format!("{what} was answered by HTTP {} with code {code}", answer.status));
    }

    fn accepted(&mut self, net: &mut Net, pair: usize, answer: &Answer<'_>) {
        let scanner = self.scanner;
        let Some(it) = self.pairs.get_mut(pair) else { return };
        let Some(number) = it.sending.take() else { return };
        let seen = scanner.scan(answer.body).filter(|seen| {
            answer.status == 200
                && seen.primitive == Some(Element::SendMessageResponse)
                && seen.code == 200
                && seen.transaction_id == number.to_string().as_bytes()
        });
        match (seen, it.messages.get_mut(&number)) {
            (Some(seen), Some(known)) => {
                self.counts.accepted += 1;
                if known.delivered.as_ref().is_some_and(|id| *id != seen.message_id) {
                    self.counts.doubled += 1;
                    self.faults.add(|| format!("message {number} of {pair} has two MessageIDs"));
                }
                known.accepted = Some(seen.message_id.to_vec());
            }
            _ => {
                it.messages.remove(&number);
                it.unacknowledged -= 1;
                self.wrong("SendMessage", answer);
            }
        }
        self.send_next(net, pair);
    }

    fn received(&mut self, net: &mut Net, pair: usize, answer: &Answer<'_>) {
        let (requests, scanner) = (self.requests, self.scanner);
        let Some(it) = self.pairs.get_mut(pair) else { return };
        let waited = std::mem::replace(&mut it.waits, Waits::Nothing);
        if let Waits::Acknowledge(number) = waited
            && answer.status == 200
            && let Some(known) = it.messages.get_mut(&number)
            && let Some(id) = &known.delivered
            && it.acknowledged.insert(id.clone())
            && !known.is_acknowledged
        {
            known.is_acknowledged = true;
            it.unacknowledged -= 1;
            self.counts.acknowledged += 1;
        }
        if answer.status == 200 && answer.body.is_empty() {
            let again = std::mem::take(&mut it.more) && matches!(waited, Waits::Acknowledge(_));
            if again {
                self.poll(net, pair);
            } else {
                net.wake_at(now() + PAUSE, pair);
            }
            return self.send_next(net, pair);
        }
        let seen = scanner.scan(answer.body);
        let seen = seen.filter(|seen| answer.status == 200 && seen.primitive == Some(Element::NewMessage));
        let Some(seen) = seen else {
            net.wake_at(now() + Duration::from_millis(20), pair);
            return self.wrong(&format!("{waited:?}"), answer);
        };
        it.more = seen.poll;
        let mut words = std::str::from_utf8(seen.content).unwrap_or_default().split(' ');
        let mut word = || words.next().and_then(|word| word.parse::<u64>().ok());
        let number = word().filter(|of| *of == pair as u64).and_then(|_| word());
        let Some((number, known)) = number.and_then(|number| Some((number, it.messages.get_mut(&number)?))) else {
            self.faults.add(|| "a message that nobody sent".to_owned());
            net.wake_at(now() + PAUSE, pair);
            return;
        };
        if it.acknowledged.contains(seen.message_id) {
            self.counts.doubled += 1;
            self.faults
                .add(|| format!("message {number} of {pair} was offered after its acknowledgement was answered"));
        } else if known.delivered.as_ref().is_some_and(|id| id == seen.message_id) {
            self.counts.offered_again += 1;
        } else {
            let other = known.delivered.is_some() || known.accepted.as_ref().is_some_and(|id| id != seen.message_id);
            if other {
                self.counts.doubled += 1;
                self.faults.add(|| format!("message {number} of {pair} has two MessageIDs"));
            }
            self.counts.delivered += 1;
        }
        known.delivered = Some(seen.message_id.to_vec());
        it.waits = Waits::Acknowledge(number);
        let mut request = Vec::with_capacity(256);
        requests.delivered.render(&mut request, &[&it.recipient, seen.transaction_id, seen.message_id]);
        self.request(net, 2 * pair + 1, request);
        self.send_next(net, pair);
    }

    fn count_lost(&mut self) {
        for (index, pair) in self.pairs.iter().enumerate() {
            for (number, known) in &pair.messages {
                if known.accepted.is_some() && known.delivered.is_none() {
                    self.counts.lost += 1;
                    self.faults.add(|| format!("message {number} of {index} was accepted and did not arrive"));
                } else if !known.is_acknowledged {
                    self.faults.add(|| format!("message {number} of {index} was never acknowledged"));
                }
            }
        }
    }

    fn report(&self, options: &Options, mixed: &mix::Counts, slowest_start: Duration, took: Duration) -> bool {
        let counts = &self.counts;
        let ok =
            counts.lost + mixed.lost + counts.doubled + mixed.doubled + counts.sessions_lost + self.faults.count == 0;
        if options.json {
            let document = json!({
                "cycles": options.cycles, "senders": options.senders, "seconds": took.as_secs_f64(),
                "accepted": counts.accepted, "delivered": counts.delivered, "acknowledged": counts.acknowledged,
                "lost": counts.lost, "doubled": counts.doubled, "sessions_lost": counts.sessions_lost,
                "requests_repeated": counts.repeated, "repeats_recognised": counts.recognised,
                "offered_again_before_acknowledgement": counts.offered_again,
                "answered_503": counts.refused, "errors": self.faults.count, "first_errors": self.faults.first,
                "group_messages": mixed.group_messages, "group_deliveries": mixed.group_deliveries,
                "invitations": mixed.invitations, "invitations_seen": mixed.invitations_seen,
                "presence_updates": mixed.presence, "mixed_requests_repeated": mixed.repeated,
                "mixed_lost": mixed.lost, "mixed_doubled": mixed.doubled,
                "slowest_start_ms": slowest_start.as_millis() as u64, "ok": ok,
            });
            say(&document.to_string());
            return ok;
        }
        say(&format!(
            "{} kills of the server under {} senders in {:.0} s; the slowest start took {} ms",
            options.cycles,
            options.senders,
            took.as_secs_f64(),
            slowest_start.as_millis()
        ));
        say(&format!(
            "accepted {}, delivered {}, acknowledged {}; {} requests were repeated after a kill, of which {} had been \
             carried out already; {} messages offered again before their acknowledgement was answered",
            counts.accepted,
            counts.delivered,
            counts.acknowledged,
            counts.repeated,
            counts.recognised,
            counts.offered_again
        ));
        if options.clubs > 0 {
            say(&format!(
                "{} groups of {}: {} messages to groups and {} deliveries, {} invitations of which {} were seen, {} presence \
                 updates; {} requests repeated; lost {}, doubled {}",
                options.clubs,
                mix::MEMBERS,
                mixed.group_messages,
                mixed.group_deliveries,
                mixed.invitations,
                mixed.invitations_seen,
                mixed.presence,
                mixed.repeated,
                mixed.lost,
                mixed.doubled
            ));
        }
        say(&format!(
            "lost {}, doubled {}, sessions lost {}, errors {}",
            counts.lost, counts.doubled, counts.sessions_lost, self.faults.count
        ));
        for fault in &self.faults.first {
            say(&format!("    {fault}"));
        }
        say(if ok { "none lost, none doubled" } else { "FAILED" });
        ok
    }
}

impl Driver for Torture<'_> {
    fn answered(&mut self, net: &mut Net, connection: usize, answer: &Answer<'_>) {
        self.answered_all(connection);
        if connection.is_multiple_of(2) {
            self.accepted(net, connection / 2, answer);
        } else {
            self.received(net, connection / 2, answer);
        }
    }

    fn woken(&mut self, net: &mut Net, what: usize) {
        match what {
            KILL => {
                self.is_dead = true;
                if let Err(why) = self.server.kill() {
                    self.faults.add(|| why);
                }
            }
            LOOK => self.counts.recognised += self.server.metrics().get("hamlet_messages_repeated_total") as u64,
            CHECK => {
                let quiet = |pair: &Pair| pair.unacknowledged == 0 && pair.sending.is_none();
                self.is_drained = self.pairs.iter().all(quiet) || now() > self.give_up;
                net.wake_at(now() + Duration::from_millis(5), CHECK);
            }
            pair => {
                let connection = 2 * pair + 1;
                if net.is_open(connection) && self.pairs.get(pair).is_some_and(|it| it.waits == Waits::Nothing) {
                    self.poll(net, pair);
                }
            }
        }
    }

    fn broken(&mut self, _: &mut Net, connection: usize, why: &str) {
        self.broken += 1;
        if !self.is_dead {
            self.faults.add(|| format!("connection {connection} lost while the server lives: {why}"));
        }
    }

    fn is_done(&self) -> bool {
        // What the server wrote before it died is read to its end.
        if self.is_draining { self.is_drained } else { self.is_dead && self.broken == self.open.len() }
    }
}

/// `--sync-proof`.
fn prove(options: &Options) -> Outcome<bool> {
    let folder = Folder::new(&options.folder, "proof")?;
    let proof = trace::prove(&options.hamlet, &folder, PROOFS)?;
    if options.json {
        say(&json!({
            "messages": proof.messages, "proven": proof.proven, "ok": proof.is_complete(),
            "syncs_of_log": proof.syncs, "failed_syncs": proof.failed_syncs, "missing": proof.missing,
        })
        .to_string());
    } else {
        say(&format!(
            "{} messages, one after another: for {} the trace shows the request read, pages written to the log of the database, \
             the log synced with success, and only then the 200 written",
            proof.messages, proof.proven
        ));
        say(&format!("{} syncs of the log, {} of them failed", proof.syncs, proof.failed_syncs));
        for missing in &proof.missing {
            say(&format!("    {missing}"));
        }
        say(if proof.is_complete() { "the sync precedes every answer" } else { "FAILED" });
    }
    Ok(proof.is_complete())
}

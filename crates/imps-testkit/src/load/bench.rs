//! `hamlet-bench`: every figure beside its reference, measured in the same run.

mod relay;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imps_proto::Element;
use imps_proto::wire::Form;
use serde_json::json;

use super::chat::{Chatted, Couple, Plan, chat};
use super::echo::{self, Echoed};
use super::net::{Answer, Net};
use super::presence::{self, watch};
use super::repeat::{Exchange, Repeated, repeat, repeat_times};
use super::report::{Figure, Target, table};
use super::scan::{Scanner, scan_json};
use super::server::{Folder, Hamlet, Helper, address, cpu, default_folder, make_users, stolen};
use super::sockets::Sockets;
use super::talk::{self, talk};
use super::template::{Requests, SocketRequests, Template, send_to};
use super::{Latencies, Outcome, Sleeper, Window, called, codec, disk, group, idle, lines, lists, login, now, search};

/// What `--help` says.
pub const HELP: &str = "\
Measure the server, each figure beside a reference that is measured in the same run.

Usage: hamlet-bench [OPTIONS]

Options:
  --json             one JSON document on standard output instead of the table
  --quick            one to two seconds for each figure, and less data
  --hamlet PATH      the server [default: hamlet beside this program]
  --libwbxml PATH    the program that measures libwbxml (reference/wbxml_bench.c), compiled
  --only NAME        this group of figures alone (may be repeated): polls, get-presence, logins, presence, messages,
                     backlog, sockets, memory, called, codec, search, group, lists, clp, relay, peers
  --dir DIR          where data folders are made: the disk that is measured [default: beside this program]
  --seconds S        how long each figure is measured [default: 5, with --quick 1.5]
  --ahead N          messages: so many of a sender's may be unacknowledged at full rate [default: 2]
  --pause-ms MS      messages: between an empty poll and the next one, at full rate [default: 3]
  --calm-pairs N     messages at 2,000/s: senders, and recipients [default: 8]
  --calm-pause-ms MS messages at 2,000/s: between an empty poll and the next one [default: 0.7]
  --socket-pairs N   messages over WebSocket: senders, and recipients [default: 32]
  --socket-ahead N   messages over WebSocket: so many of a sender's may be under way [default: 16]
  --socket-together N  messages over WebSocket: transactions that a client may have in one message [default: 16]
  --watch-share X    presence: the next value is published when this share of the watchers has the last [default: 0.5]
  --watch-pause-ms MS  presence: between an empty poll and the next one [default: 4]
  --group-share X    group: a message is no longer under way when this share of those who have joined have it [default: 0.5]
  --group-ahead N    group: so many messages may be under way [default: 32]
  --group-together N group: transactions that a client may have in one message [default: 16]
  --group-pause-ms MS  group: between an empty poll and the next one [default: 4]

The server is started in a folder of its own on 127.0.0.1 and is a process of its own; so is this generator of load, on
one thread. It speaks CSP 1.2 in WBXML over connections that stay open, looks at every answer, and counts wrong ones.";

/// Connections of the figures that repeat one request.
const CONNECTIONS: usize = 32;
const PAIRS: usize = 64;
const CALM_RATE: f64 = 2000.0;
/// Messages a second over WebSocket, for the latency.
const SOCKET_RATE: f64 = 10_000.0;
/// Transactions that clients over WebSocket take at once.
const TRANSACTIONS_OPEN: u32 = 64;
/// CIR connections: as many as the server takes where the system allows 20,000 descriptors.
const CALLED: usize = 15_900;
const WATCHERS: usize = 500;
const LOGIN_CLIENTS: usize = 64;
/// Users who search at the same time.
const SEARCHERS: usize = 8;
/// Users who have joined a group, its sender beside them.
const JOINED: usize = 1000;
/// Lines of the Command Line Protocol.
const LINES: usize = 100;
/// Recipients of one message of the backlog, and users who share it.
const BACKLOG_WIDTH: usize = 500;
const MESSAGE_SIZE: usize = 80;
/// Rows that are written for a message: body, index, expiry, transaction; and deleted for it: all but the last.
const ROWS_OF_MESSAGE: f64 = 7.0;

struct Options {
    json: bool,
    quick: bool,
    hamlet: PathBuf,
    libwbxml: Option<PathBuf>,
    only: Vec<String>,
    folder: PathBuf,
    time: Duration,
    plan: Plan,
    calm_pairs: usize,
    calm_plan: Plan,
    socket_pairs: usize,
    socket_plan: talk::Plan,
    watch_plan: presence::Plan,
    group_plan: group::Plan,
}

/// Runs the program: exit code 0 when everything could be measured without errors, whatever the figures.
///
/// # Errors
/// When something could not be measured.
pub fn run(arguments: &[String]) -> Outcome<bool> {
    if let [first, size] = arguments
        && first == "echo-server"
    {
        return echo::serve(size.parse().map_err(|_| "a size")?).map(|()| true);
    }
    if let [first] = arguments
        && first == "line-echo-server"
    {
        return lines::serve_echo().map(|()| true);
    }
    let Some(options) = Options::parse(arguments)? else {
        say(HELP);
        return Ok(true);
    };
    let mut bench = Bench::prepare(&options)?;
    bench.everything()?;
    let without_errors = bench.figures.iter().all(|figure| figure.faults.count == 0);
    if options.json {
        let figures: Vec<_> = bench.figures.iter().map(Figure::to_json).collect();
        let processors = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let document = json!({ "quick": options.quick, "processors": processors, "figures": figures });
        say(&serde_json::to_string_pretty(&document).map_err(|error| error.to_string())?);
    } else {
        say(table(&bench.figures).trim_end());
    }
    Ok(without_errors)
}

#[expect(clippy::print_stdout, reason = "the output of the program")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "what is going on, for the person who waits")]
fn tell(text: &str) {
    eprintln!("{text}");
}

impl Options {
    fn parse(arguments: &[String]) -> Outcome<Option<Self>> {
        let beside = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.join("hamlet")));
        let mut options = Self {
            json: false,
            quick: false,
            hamlet: beside.unwrap_or_else(|| "hamlet".into()),
            libwbxml: None,
            only: Vec::new(),
            folder: default_folder(),
            time: Duration::ZERO,
            plan: Plan { rate: None, ahead: 2, pause: Duration::from_millis(3), size: MESSAGE_SIZE },
            calm_pairs: 8,
            calm_plan: Plan {
                rate: Some(CALM_RATE),
                ahead: 1000,
                pause: Duration::from_micros(700),
                size: MESSAGE_SIZE,
            },
            socket_pairs: 32,
            socket_plan: talk::Plan { rate: None, ahead: 16, together: 16, size: MESSAGE_SIZE, is_relayed: false },
            watch_plan: presence::Plan { share: 0.5, pause: Duration::from_millis(4) },
            group_plan: group::Plan {
                share: 0.5,
                ahead: 32,
                together: 16,
                pause: Duration::from_millis(4),
                size: MESSAGE_SIZE,
            },
        };
        let mut seconds = None;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, given) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || given.clone().or_else(|| rest.next().cloned()).ok_or(format!("{name} needs a value"));
            let number = |text: String| text.parse::<f64>().map_err(|_| format!("{name}: `{text}` is no number"));
            match name {
                "--help" | "-h" => return Ok(None),
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--hamlet" => options.hamlet = value()?.into(),
                "--libwbxml" => options.libwbxml = Some(value()?.into()),
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--dir" => options.folder = value()?.into(),
                "--seconds" => seconds = Some(number(value()?)?),
                "--ahead" => options.plan.ahead = number(value()?)? as usize,
                "--pause-ms" => options.plan.pause = millis(number(value()?)?),
                "--calm-pairs" => options.calm_pairs = number(value()?)?.clamp(1.0, PAIRS as f64) as usize,
                "--calm-pause-ms" => options.calm_plan.pause = millis(number(value()?)?),
                "--socket-pairs" => options.socket_pairs = number(value()?)?.clamp(1.0, PAIRS as f64) as usize,
                "--socket-together" => options.socket_plan.together = number(value()?)?.clamp(1.0, 60.0) as usize,
                "--socket-ahead" => options.socket_plan.ahead = number(value()?)?.clamp(1.0, 60.0) as usize,
                "--watch-share" => options.watch_plan.share = number(value()?)?,
                "--watch-pause-ms" => options.watch_plan.pause = millis(number(value()?)?),
                "--group-ahead" => options.group_plan.ahead = number(value()?)?.clamp(1.0, 1e6) as usize,
                "--group-together" => options.group_plan.together = number(value()?)?.clamp(1.0, 60.0) as u32,
                "--group-share" => options.group_plan.share = number(value()?)?,
                "--group-pause-ms" => options.group_plan.pause = millis(number(value()?)?),
                _ => return Err(format!("unknown option {argument}; see --help")),
            }
        }
        let seconds = seconds.unwrap_or(if options.quick { 1.5 } else { 5.0 });
        options.time = Duration::from_secs_f64(seconds.clamp(0.1, 600.0));
        Ok(Some(options))
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

fn millis(number: f64) -> Duration {
    Duration::from_secs_f64(number.clamp(0.0, 10_000.0) / 1000.0)
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}{number}")).collect()
}

struct Bench<'a> {
    options: &'a Options,
    folder: Folder,
    requests: Requests,
    scanner: Scanner,
    figures: Vec<Figure>,
    server: Option<Hamlet>,
    idle_users: Vec<String>,
    called_users: Vec<String>,
    backlog: usize,
}

/// An exchange of one of our templates in a session of each connection.
struct InSession<'a> {
    template: &'a Template,
    scanner: &'a Scanner,
    sessions: &'a [Vec<u8>],
    user: String,
    check: fn(&Self, &Answer<'_>, &str) -> bool,
}

impl Exchange for InSession<'_> {
    fn render(&mut self, connection: usize, number: u64, out: &mut Vec<u8>) {
        let session = self.sessions.get(connection).map_or(&b""[..], Vec::as_slice);
        let transaction = number.to_string();
        self.template.render(out, &[session, transaction.as_bytes(), self.user.as_bytes()]);
    }

    fn check(&mut self, _: usize, number: u64, answer: &Answer<'_>) -> Result<(), String> {
        if answer.status == 200 && (self.check)(self, answer, &number.to_string()) {
            return Ok(());
        }
        let seen = self.scanner.scan(answer.body);
        Err(format!("answered by HTTP {} and {:?}", answer.status, seen.map(|seen| (seen.primitive, seen.code))))
    }
}

impl<'a> Bench<'a> {
    fn prepare(options: &'a Options) -> Outcome<Self> {
        let folder = Folder::new(&options.folder, "bench")?;
        let (idle, backlog) = if options.quick { (10_000, 30_000) } else { (50_000, 300_000) };
        let idle_users = if options.wants("memory") { names("idle", idle) } else { Vec::new() };
        Ok(Self {
            options,
            folder,
            requests: Requests::new(),
            scanner: Scanner::new(),
            figures: Vec::new(),
            server: None,
            idle_users,
            called_users: if options.wants("called") { names("called", called::most(CALLED)) } else { Vec::new() },
            backlog,
        })
    }

    fn window(&self) -> Window {
        Window::new(self.options.time / 4, self.options.time)
    }

    /// A server with these users, in place of the one that ran before.
    fn start(&mut self, name: &str, users: &[String]) -> Outcome {
        if let Some(mut server) = self.server.take() {
            server.stop()?;
        }
        let data = self.folder.file(name);
        make_users(&data, users)?;
        self.server = Some(Hamlet::start(&self.options.hamlet, &data, &[])?);
        Ok(())
    }

    fn server(&self) -> Outcome<&Hamlet> {
        self.server.as_ref().ok_or_else(|| "no server runs".to_owned())
    }

    fn log_in(&self, users: &[String]) -> Outcome<Vec<Vec<u8>>> {
        let mut net = Net::open(self.server()?.address, 16.min(users.len().max(1)))?;
        login::log_in(&mut net, &self.requests, &self.scanner, users)
    }

    fn everything(&mut self) -> Outcome {
        let wants = |name: &str| self.options.wants(name);
        let all = [
            "polls",
            "get-presence",
            "logins",
            "presence",
            "messages",
            "backlog",
            "sockets",
            "memory",
            "called",
            "codec",
            "search",
            "group",
            "lists",
            "clp",
            "relay",
            "peers",
        ];
        if let Some(unknown) = self.options.only.iter().find(|only| !all.contains(&only.as_str())) {
            return Err(format!("--only {unknown}: there is {}", all.join(", ")));
        }
        let talks = all.iter().take(7).any(|name| wants(name));
        if talks {
            let backlog_users = if wants("backlog") { BACKLOG_WIDTH } else { 0 };
            let users: Vec<String> = [
                names("client", CONNECTIONS),
                names("sender", PAIRS),
                names("recipient", PAIRS),
                names("watcher", WATCHERS),
                names("login", LOGIN_CLIENTS),
                names("absent", backlog_users),
                vec!["publisher".to_owned()],
            ]
            .concat();
            self.start("talk", &users)?;
        }
        if wants("polls") {
            self.polls()?;
        }
        if wants("get-presence") {
            self.get_presence()?;
        }
        if wants("logins") {
            self.logins()?;
        }
        if wants("presence") {
            self.presence()?;
        }
        if wants("messages") {
            self.messages("")?;
        }
        if wants("sockets") {
            self.sockets("WBXML", Form::Wbxml, Scanner::scan_all)?;
            self.sockets("JSON", Form::Json, scan_json)?;
        }
        if wants("backlog") {
            self.fill_backlog()?;
            let text = format!(", {} stored", self.backlog);
            self.messages(&text)?;
        }
        if wants("memory") {
            self.memory()?;
        }
        if wants("called") {
            self.called()?;
        }
        if wants("codec") {
            self.codec()?;
        }
        if wants("search") {
            self.search()?;
        }
        if wants("group") {
            self.group_in_memory()?;
            self.group()?;
        }
        if wants("lists") {
            self.lists()?;
        }
        if wants("clp") {
            self.clp()?;
        }
        if wants("relay") {
            self.relay()?;
        }
        if wants("peers") {
            self.peers()?;
        }
        Ok(())
    }

    /// Measures an exchange, and the echo server with the same bytes both ways.
    fn beside_echo(&self, name: &'static str, share: f64, mut exchange: InSession<'_>) -> Outcome<Figure> {
        tell(name);
        let server = self.server()?;
        let mut net = Net::open(server.address, CONNECTIONS)?;
        let (used, own) = (server.cpu(), cpu(std::process::id()));
        let (began, host) = (now(), stolen());
        let measured = repeat(&mut net, &mut exchange, self.window())?;
        let (spent, taken) = (began.elapsed().as_secs_f64(), stolen_since(host));
        let (used, own) = (server.cpu() - used, cpu(std::process::id()) - own);
        drop(net);

        let size = measured.body;
        let helper = Helper::start(&["echo-server", &size.to_string()])?;
        let mut net = Net::open(helper.address, CONNECTIONS)?;
        let (echo_used, echo_began) = (helper.cpu(), now());
        let echoed = repeat(&mut net, &mut Echoed { exchange: &mut exchange, size }, self.window())?;
        let echo_used = helper.cpu() - echo_used;
        let echo_spent = echo_began.elapsed().as_secs_f64();
        let mut faults = measured.faults.clone();
        faults.merge(echoed.faults.clone());
        let each = |used: f64, spent: f64, measured: &Repeated| used / spent / measured.rate() * 1e6;
        Ok(Figure::new(name, measured.rate(), "1/s")
            .beside("bare hyper echo", echoed.rate())
            .target(Target::OfReference(share))
            .note(latency_note("latency", &measured.latencies))
            .note(format!(
                "processor time for each: server {:.1} us, echo server {:.1} us, generator {:.1} us; answers of {size} bytes{}",
                each(used, spent, &measured),
                each(echo_used, echo_spent, &echoed),
                each(own, spent, &measured),
                stolen_note(taken),
            ))
            .faults(faults))
    }

    fn polls(&mut self) -> Outcome {
        let sessions = self.log_in(&names("client", CONNECTIONS))?;
        let exchange = InSession {
            template: &self.requests.poll,
            scanner: &self.scanner,
            sessions: &sessions,
            user: String::new(),
            check: |_, answer, _| answer.body.is_empty(),
        };
        let figure = self.beside_echo("empty polls", 0.6, exchange)?;
        self.figures.push(figure);
        Ok(())
    }

    /// The publisher's session, and what he publishes and authorises.
    fn publisher(&self) -> Outcome<Vec<u8>> {
        let session = self.log_in(&["publisher".to_owned()])?.pop().unwrap_or_default();
        let mut net = Net::open(self.server()?.address, 1)?;
        let sessions = [session];
        let is_done = |it: &InSession<'_>, answer: &Answer<'_>, _: &str| {
            it.scanner.scan(answer.body).is_some_and(|seen| seen.primitive == Some(Element::Status) && seen.code == 200)
        };
        for (template, text) in [(&self.requests.authorise, String::new()), (&self.requests.update, presence::text(0))]
        {
            let mut exchange =
                InSession { template, scanner: &self.scanner, sessions: &sessions, user: text, check: is_done };
            let faults = repeat_times(&mut net, &mut exchange, 1)?;
            if let Some(why) = faults.first.first() {
                return Err(format!("the publisher could not publish: {why}"));
            }
        }
        let [session] = sessions;
        Ok(session)
    }

    fn get_presence(&mut self) -> Outcome {
        self.publisher()?;
        let sessions = self.log_in(&names("client", CONNECTIONS))?;
        let exchange = InSession {
            template: &self.requests.get_presence,
            scanner: &self.scanner,
            sessions: &sessions,
            user: address("publisher"),
            check: |it, answer, transaction| {
                it.scanner.scan(answer.body).is_some_and(|seen| {
                    seen.primitive == Some(Element::GetPresenceResponse)
                        && seen.code == 200
                        && seen.transaction_id == transaction.as_bytes()
                        && seen.user == it.user.as_bytes()
                        && seen.status_text == presence::text(0).as_bytes()
                })
            },
        };
        let figure = self.beside_echo("GetPresence of one user", 0.5, exchange)?;
        self.figures.push(figure);
        Ok(())
    }

    fn logins(&mut self) -> Outcome {
        tell("logins");
        let server = self.server()?;
        let mut net = Net::open(server.address, LOGIN_CLIENTS)?;
        let users = names("login", LOGIN_CLIENTS);
        let (used, before, began) = (server.cpu(), server.metrics(), now());
        let cycles = login::cycles(&mut net, &self.requests, &self.scanner, &users, self.window())?;
        let (spent, after) = (began.elapsed().as_secs_f64(), server.metrics());
        let per_cycle = |name: &str| (after.get(name) - before.get(name)) / spent / cycles.rate;
        let figure = Figure::new("digest login cycles, 5 requests", cycles.rate, "1/s")
            .target(Target::AtLeast(4000.0))
            .note(latency_note("a cycle", &cycles.latencies))
            .note(format!(
                "processor time of the server: {:.0} us each; {:.1} batches, {:.2} commits each",
                (server.cpu() - used) / spent / cycles.rate * 1e6,
                per_cycle("hamlet_store_batches_total"),
                per_cycle("hamlet_store_commits_total"),
            ))
            .faults(cycles.faults);
        self.figures.push(figure);
        Ok(())
    }

    fn presence(&mut self) -> Outcome {
        tell("presence");
        let publisher = self.publisher()?;
        let sessions = self.log_in(&names("watcher", WATCHERS))?;
        let server = self.server()?;
        let mut net = Net::open(server.address, WATCHERS + 1)?;
        let mut subscribing = Net::open(server.address, 1)?;
        for session in &sessions {
            let sessions = [session.clone()];
            let mut exchange = InSession {
                template: &self.requests.subscribe,
                scanner: &self.scanner,
                sessions: &sessions,
                user: address("publisher"),
                check: |it, answer, _| it.scanner.scan(answer.body).is_some_and(|seen| seen.code == 200),
            };
            if let Some(why) = repeat_times(&mut subscribing, &mut exchange, 1)?.first.first() {
                return Err(format!("a watcher could not subscribe: {why}"));
            }
        }
        let plan = self.options.watch_plan;
        let (used, own, began) = (server.cpu(), cpu(std::process::id()), now());
        let window = self.window();
        let publisher = (publisher, address("publisher"));
        let watched = watch(&mut net, &self.requests, &self.scanner, publisher, sessions, plan, window)?;
        let spent = began.elapsed().as_secs_f64();
        let rate = watched.deliveries as f64 / window.seconds();
        let each = |used: f64| used / spent / rate * 1e6;
        let figure = Figure::new(format!("presence deliveries, 1 to {WATCHERS}"), rate, "1/s")
            .target(Target::AtLeast(25_000.0))
            .note(latency_note("from the update to its arrival", &watched.latencies))
            .note(format!(
                "{:.1} updates/s, {:.2} requests for each delivery, {} notifications with nothing new; processor time: server {:.1} us, \
                 generator {:.1} us",
                watched.updates as f64 / window.seconds(),
                watched.requests as f64 / watched.deliveries.max(1) as f64,
                watched.again,
                each(server.cpu() - used),
                each(cpu(std::process::id()) - own),
            ))
            .faults(watched.faults);
        self.figures.push(figure);
        Ok(())
    }

    /// A client that subscribes to a thousand contacts in one request, and a publisher with a thousand watchers.
    fn lists(&mut self) -> Outcome {
        tell("lists");
        let contacts = names("contact", lists::LISTS * lists::MEMBERS);
        let clients: Vec<String> = ["warm", "cold", "publisher"].into_iter().map(str::to_owned).collect();
        self.start("lists", &[contacts.clone(), clients.clone()].concat())?;
        let (requests, scanner) = (&self.requests, &self.scanner);
        // All contacts are logged in, so they are in memory; each lets everybody see something.
        let sessions = self.log_in(&contacts)?;
        let mut net = Net::open(self.server()?.address, 1)?;
        for session in &sessions {
            lists::once(&mut net, scanner, &requests.authorise, &[session, b""], 1)?;
        }
        let clients = self.log_in(&clients)?;
        let [warm, cold, publisher] = clients.as_slice() else { return Err("three clients".to_owned()) };
        for (session, user) in [(warm, "warm"), (cold, "cold")] {
            lists::make_lists(&mut net, scanner, session, user, &contacts)?;
        }
        let times = if self.options.quick { 20 } else { 100 };
        let subscription = lists::subscription("warm");
        let (mut latencies, mut notifications, mut fetched) = (Latencies::new(), 0, Duration::ZERO);
        for time in 0..times {
            latencies.record(lists::once(&mut net, scanner, &subscription, &[warm, b""], 2000 + time)?);
            (notifications, fetched) = lists::fetch_all(&mut net, requests, scanner, warm)?;
        }
        for session in &sessions {
            let user = address("publisher");
            let values: [&[u8]; 3] = [session, b"", user.as_bytes()];
            lists::once(&mut net, scanner, &requests.subscribe, &values, 3)?;
        }
        lists::once(&mut net, scanner, &requests.authorise, &[publisher, b""], 1)?;
        let changes = lists::publish(&mut net, requests, scanner, publisher, times)?;
        // A server that knows nobody: the sessions of the contacts are over.
        drop(net);
        let cold_took = self.cold_subscription(&sessions, cold)?;
        let count = contacts.len();
        let subscribing = Figure::new(
            format!("subscribing to {} lists of {} in one request, p99", lists::LISTS, lists::MEMBERS),
            latencies.at(0.99),
            "ms",
        )
        .target(Target::AtMost(10.0))
        .note(latency_note("from the request to its answer, durable", &latencies))
        .note(format!(
            "all {count} are told in {notifications} notifications, {:.1} ms; with nobody in memory the request takes {:.1} ms",
            fetched.as_secs_f64() * 1000.0,
            cold_took.as_secs_f64() * 1000.0,
        ));
        let changing = Figure::new(format!("presence change to {count} watchers, p99"), changes.at(0.99), "ms")
            .target(Target::AtMost(20.0))
            .note(latency_note("until it is in every outbox and answered", &changes));
        self.figures.extend([subscribing, changing]);
        Ok(())
    }

    /// How long the request takes of a client whose contacts nobody has used since the server was started.
    fn cold_subscription(&mut self, sessions: &[Vec<u8>], cold: &[u8]) -> Outcome<Duration> {
        let mut net = Net::open(self.server()?.address, 1)?;
        for session in sessions {
            lists::once(&mut net, &self.scanner, &self.requests.logout, &[session, b""], 9)?;
        }
        drop(net);
        let Some(mut server) = self.server.take() else { return Err("no server runs".to_owned()) };
        server.stop()?;
        let data = self.folder.file("lists");
        self.server = Some(Hamlet::start(&self.options.hamlet, &data, &[])?);
        let mut net = Net::open(self.server()?.address, 1)?;
        lists::once(&mut net, &self.scanner, &lists::subscription("cold"), &[cold, b""], 7000)
    }

    fn couples(&self, count: usize) -> Outcome<Vec<Couple>> {
        let senders = self.log_in(&names("sender", count))?;
        let recipient_names = names("recipient", count);
        let recipients = self.log_in(&recipient_names)?;
        let pairs = senders.into_iter().zip(recipients).zip(recipient_names);
        Ok(pairs.map(|((sender, recipient), recipient_name)| Couple { sender, recipient, recipient_name }).collect())
    }

    fn messages(&mut self, over: &str) -> Outcome {
        tell(&format!("messages{over}"));
        let couples = self.couples(PAIRS)?;
        let plan = self.options.plan;
        let full = self.chat(couples, plan)?;
        let batch = full.rows_per_commit.max(ROWS_OF_MESSAGE);
        let rows = if self.options.quick { 200_000 } else { 1_000_000 };
        let raw = imps_store::reference::raw_inserts(&self.folder.file("raw"), rows, batch as u64, 100)?;
        let note = format!(
            "{PAIRS} senders, {} ahead at most; raw SQLite inserts {raw:.0} rows/s in batches of {batch:.0}, which are {:.0} \
             messages of {ROWS_OF_MESSAGE:.0} rows",
            plan.ahead,
            raw / ROWS_OF_MESSAGE,
        );
        let mut figures = vec![
            Figure::new(format!("messages end to end{over}"), full.rate, "1/s")
                .beside("raw SQLite rows / 7", raw / ROWS_OF_MESSAGE)
                .target(Target::AtLeast(10_000.0))
                .note(note)
                .notes(full.notes())
                .faults(full.chatted.faults.clone()),
            Figure::new(format!("  p99 until delivered{over}"), full.chatted.to_delivered.at(0.99), "ms")
                .target(Target::AtMost(20.0)),
        ];

        let (pairs, plan) = (self.options.calm_pairs, self.options.calm_plan);
        let couples = self.couples(pairs)?;
        let sleeper = Sleeper::start();
        let calm = self.chat(couples, plan)?;
        let late = sleeper.stop();
        let syncs = self.syncs(if self.options.quick { 300 } else { 2000 })?;
        let figure = |share: f64, most: f64| {
            let name = format!("  p{:.0} at {CALM_RATE:.0}/s offered{over}", share * 100.0);
            Figure::new(name, calm.chatted.to_delivered.at(share), "ms")
                .beside("write and fdatasync alone, ms", syncs.at(share))
                .target(Target::AtMost(most))
        };
        figures.push(
            figure(0.5, 1.5)
                .note(format!(
                    "{pairs} pairs, {:.0} messages/s; recipients wait {:.1} ms between polls",
                    calm.rate,
                    plan.pause.as_secs_f64() * 1000.0
                ))
                .notes(calm.notes())
                .faults(calm.chatted.faults.clone()),
        );
        figures.push(figure(0.99, 5.0).note(format!(
            "whoever merely sleeps on this machine in the same run waits longer by: p50 {:.2} ms, p99 {:.2} ms, p99.9 {:.2} ms",
            late.at(0.5),
            late.at(0.99),
            late.at(0.999)
        )));
        self.figures.append(&mut figures);
        Ok(())
    }

    /// What the disk needs for what a commit is made of: so many appends of three pages, each synced.
    fn syncs(&self, count: usize) -> Outcome<Latencies> {
        let path = self.folder.file("syncs");
        let mut latencies = Latencies::new();
        let mut measure = || {
            let mut file = std::fs::File::create(&path)?;
            for _ in 0..count {
                let began = now();
                file.write_all(&[7; 3 * 4096])?;
                file.sync_data()?;
                latencies.record(began.elapsed());
            }
            std::fs::remove_file(&path)
        };
        measure().map_err(|error: std::io::Error| format!("{}: {error}", path.display()))?;
        Ok(latencies)
    }

    fn chat(&self, couples: Vec<Couple>, plan: Plan) -> Outcome<Conversation> {
        let mut net = Net::open(self.server()?.address, 2 * couples.len())?;
        self.converse(|window| chat(&mut net, &self.requests, &self.scanner, couples, plan, window))
    }

    /// Has a conversation, and looks at what the server spends on it.
    fn converse(&self, talk: impl FnOnce(Window) -> Outcome<Chatted>) -> Outcome<Conversation> {
        let server = self.server()?;
        let (used, own, before, began) = (server.cpu(), cpu(std::process::id()), server.metrics(), now());
        let host = stolen();
        let window = self.window();
        let chatted = talk(window)?;
        let (spent, after) = (began.elapsed().as_secs_f64(), server.metrics());
        let grown = |name: &str| after.get(name) - before.get(name);
        let messages = grown("hamlet_messages_accepted_total").max(1.0);
        let commits = grown("hamlet_store_commits_total").max(1.0);
        Ok(Conversation {
            rate: chatted.acknowledged as f64 / window.seconds(),
            server_micros: (server.cpu() - used) / messages * 1e6,
            own_micros: (cpu(std::process::id()) - own) / messages * 1e6,
            rows_per_commit: grown("hamlet_store_rows_total") / commits,
            batches_per_message: grown("hamlet_store_batches_total") / messages,
            commits_per_second: commits / spent,
            stolen: stolen_since(host),
            commit_millis: grown("hamlet_store_commit_microseconds_total") / commits / 1000.0,
            chatted,
        })
    }

    /// Messages to users who are not there.
    fn fill_backlog(&mut self) -> Outcome {
        tell(&format!("storing {} messages", self.backlog));
        let absent: Vec<String> = names("absent", BACKLOG_WIDTH).iter().map(|name| address(name)).collect();
        let session = self.log_in(&names("sender", 1))?.pop().unwrap_or_default();
        let server = self.server()?;
        let (before, began) = (server.metrics().get("hamlet_messages_accepted_total"), now());
        fill(server, &absent, session, (self.backlog / BACKLOG_WIDTH) as u64)?;
        let stored = server.metrics().get("hamlet_messages_accepted_total") - before;
        if stored != self.backlog as f64 {
            return Err(format!("{stored} messages were stored and should be {}", self.backlog));
        }
        let rate = stored / began.elapsed().as_secs_f64();
        self.figures.push(Figure::new("storing a backlog", rate, "messages/s").note(format!(
            "{stored:.0} messages, each request to {BACKLOG_WIDTH} users who are not there, one at a time"
        )));
        Ok(())
    }

    fn memory(&mut self) -> Outcome {
        tell("memory");
        let users = std::mem::take(&mut self.idle_users);
        self.start("idle", &users)?;
        let idle = idle::measure(self.server()?, &self.requests, &self.scanner, &users)?;
        let each = |bytes: u64| bytes as f64 / idle.sessions.max(1) as f64;
        let grown = idle.after.saturating_sub(idle.before);
        let figure = Figure::new("memory of an idle session", each(grown) / 1024.0, "KiB")
            .target(Target::AtMost(3.0))
            .note(format!(
                "{} sessions without a connection; resident memory {:.1} MiB before, {:.1} MiB after ({:.2} KiB a session with \
                 nothing subtracted)",
                idle.sessions,
                idle.before as f64 / 1_048_576.0,
                idle.after as f64 / 1_048_576.0,
                each(idle.after) / 1024.0,
            ));
        self.figures.push(figure);
        Ok(())
    }

    /// Idle sessions with a CIR connection each.
    fn called(&mut self) -> Outcome {
        let users = std::mem::take(&mut self.called_users);
        tell(&format!("{} sessions with a CIR connection", users.len()));
        self.start("called", &users)?;
        let called = called::measure(self.server()?, &self.requests, &self.scanner, &users)?;
        let each = |bytes: u64| bytes as f64 / called.sessions.max(1) as f64 / 1024.0;
        let grown = called.after.saturating_sub(called.before);
        let figure = Figure::new("memory of a session with CIR by TCP", each(called.after), "KiB")
            .target(Target::AtMost(12.0))
            .note(format!(
                "{} sessions with a connection each, the client in another process; resident memory {:.1} MiB before, {:.1} MiB after:                  {:.2} KiB a session if what the program needs by itself is subtracted; HELO and OK {:.0}/s, one after the other",
                called.sessions,
                called.before as f64 / 1_048_576.0,
                called.after as f64 / 1_048_576.0,
                each(grown),
                called.sessions as f64 / called.helloes.as_secs_f64(),
            ));
        self.figures.push(figure);
        Ok(())
    }

    /// Commands over lines of text: what is answered from memory, and messages, which wait for a commit. Beside it the same
    /// lines to somebody who merely sends them back.
    fn clp(&mut self) -> Outcome {
        tell("commands over lines of text");
        let users = names("line", LINES);
        // They are away, so that nothing but answers comes over the lines.
        let absent = names("absent", PAIRS);
        self.start("clp", &[users.clone(), absent.clone()].concat())?;
        let command = |text: &str| format!("{text}\r\n");
        let quick = ["ping", "show line0", "lists", "text on a line"].map(command);
        let sent: Vec<_> = absent.iter().map(|user| format!("msg {user} {}\r\n", "x".repeat(MESSAGE_SIZE))).collect();
        let helper = Helper::start(&["line-echo-server"])?;
        let echoed = lines::repeat(helper.address, lines::Peer::Echo, LINES, &quick, || self.window())?;
        for (name, commands, target) in [
            ("commands over 100 lines (CLP)", &quick[..3], Some(Target::AtLeast(20_000.0))),
            ("commands over 100 lines, presence published too", &quick[..], None),
            ("messages sent over 100 lines (CLP)", &sent[..], None),
        ] {
            let server = self.server()?;
            let (used, began, host) = (server.cpu(), now(), stolen());
            let measured = lines::repeat(server.clp, lines::Peer::Server(&users), LINES, commands, || self.window())?;
            let (used, spent) = (server.cpu() - used, began.elapsed().as_secs_f64());
            let mut faults = measured.faults.clone();
            faults.merge(echoed.faults.clone());
            let mut figure = Figure::new(name, measured.rate(), "1/s")
                .beside("bare TCP echo", echoed.rate())
                .note(latency_note("latency", &measured.latencies))
                .note(format!(
                    "one command under way on each line; the server used {:.2} processors{}",
                    used / spent,
                    stolen_note(stolen_since(host)),
                ))
                .faults(faults);
            if let Some(target) = target {
                figure = figure.target(target);
            }
            self.figures.push(figure);
        }
        Ok(())
    }

    /// Messages end to end over WebSocket: at full rate, by clients that agreed to several transactions in a message and
    /// have them at hand (CSP 3) and by clients that send one at a time, and at a steady rate.
    fn sockets(&mut self, name: &str, form: Form, scan: talk::Scan) -> Outcome {
        let requests = SocketRequests::new(form, TRANSACTIONS_OPEN);
        let several = self.options.socket_plan.together;
        for (rate, together) in [(None, several), (None, 1), (Some(SOCKET_RATE), several)] {
            let plan = talk::Plan { rate, together, ..self.options.socket_plan };
            let at = rate.map_or_else(String::new, |rate| format!(" at {rate:.0}/s"));
            let one = if together == 1 { ", sent one by one" } else { "" };
            tell(&format!("messages over WebSocket, {name}{at}{one}"));
            let couples = self.couples(self.options.socket_pairs)?;
            let server = self.server()?;
            let subprotocol = crate::phone::websocket::subprotocol(form);
            let mut sockets = Sockets::open(server.address, 2 * couples.len(), subprotocol, form != Form::Wbxml)?;
            let sleeper = Sleeper::start();
            let said =
                self.converse(|window| talk(&mut sockets, &requests, (&self.scanner, scan), couples, plan, window))?;
            let late = sleeper.stop();
            let pairs = self.options.socket_pairs;
            let about = format!(
                "{pairs} senders, {} under way at most, {together} in a message at most, {:.0} messages/s; whoever merely sleeps waits longer by: p50 {:.2} ms, p99 {:.2} ms",
                plan.ahead,
                said.rate,
                late.at(0.5),
                late.at(0.99)
            );
            let figure = match rate {
                None if together == 1 => Figure::new(format!("  sent one by one, {name}"), said.rate, "1/s"),
                None => Figure::new(format!("messages over WebSocket, {name}"), said.rate, "1/s")
                    .target(Target::AtLeast(40_000.0)),
                Some(rate) => Figure::new(
                    format!("  p99 at {rate:.0}/s offered, {name}"),
                    said.chatted.to_delivered.at(0.99),
                    "ms",
                )
                .target(Target::AtMost(5.0)),
            };
            // Each message is answered after a sync; that takes what it takes.
            let figure = match rate {
                Some(_) => figure.note(latency_note("a write and a sync alone", &disk::syncs(self.folder.path())?)),
                None => figure,
            };
            self.figures.push(figure.note(about).notes(said.notes()).faults(said.chatted.faults.clone()));
        }
        Ok(())
    }

    /// A start with a great many users, and searches among them by part of a name.
    fn search(&mut self) -> Outcome {
        let count = if self.options.quick { 100_000 } else { 1_000_000 };
        tell("search: making people");
        if let Some(mut server) = self.server.take() {
            server.stop()?;
        }
        let data = self.folder.file("search");
        let searchers = search::searchers(SEARCHERS);
        make_users(&data, &searchers)?;
        search::make_people(&data, count)?;
        tell("search: start");
        let (requests, scanner) = (&self.requests, &self.scanner);
        let log_in = |server: &Hamlet| {
            let mut net = Net::open(server.address, SEARCHERS)?;
            login::log_in(&mut net, requests, scanner, &searchers)
        };
        let template = &self.requests.search;
        let (server, sessions, started) = search::start(&self.options.hamlet, &data, template, log_in, scanner)?;
        let mib = |bytes: f64| bytes / 1_048_576.0;
        let start = Figure::new(format!("start with {count} stored users"), started.ready.as_secs_f64(), "s")
            .target(Target::AtMost(5.0))
            .note(format!(
                "the first search was answered {:.2} s after the program was begun; {:.1} MiB of memory then, {:.1} of them for \
                 what is searched",
                started.searched.as_secs_f64(),
                mib(started.memory as f64),
                mib(started.arena),
            ));
        tell("search: one at a time, and all at once");
        let one = sessions.get(..1).unwrap_or_default();
        let alone = search::search(&server, template, scanner, one, self.window())?;
        let (used, began) = (server.cpu(), now());
        let together = search::search(&server, template, scanner, &sessions, self.window())?;
        let (used, spent) = (server.cpu() - used, began.elapsed().as_secs_f64());
        let bare = search::bare_scan(count);
        let mut faults = alone.faults.clone();
        faults.merge(together.faults.clone());
        let found = Figure::new(format!("search among {count} users, p99"), alone.latencies.at(0.99), "ms")
            .beside("the names alone, merely gone through", bare)
            .target(Target::AtMost(30.0))
            .note(latency_note("one at a time", &alone.latencies))
            .note(format!(
                "{SEARCHERS} at once: {:.0}/s, {}; processor time for each {:.2} ms",
                together.rate(),
                latency_note("each", &together.latencies),
                used / spent / together.rate() * 1000.0,
            ))
            .faults(faults);
        self.figures.extend([start, found]);
        self.server = Some(server);
        Ok(())
    }

    /// Messages to a group in this process: what the service itself takes for each who has joined.
    fn group_in_memory(&mut self) -> Outcome {
        tell("group, in memory");
        let users = names("member", JOINED + 1);
        let own = cpu(std::process::id());
        let measured = group::in_memory(&users, self.options.group_plan.size, self.options.time)?;
        let spent = cpu(std::process::id()) - own;
        let figure = Figure::new(format!("group deliveries, 1 to {JOINED} outboxes"), measured.rate, "1/s")
            .target(Target::AtLeast(60_000.0))
            .note(format!(
                "{} messages in this process, on one thread, with the store in memory; taken and acknowledged too: {:.0}/s; \
                 {spent:.1} s of processor time with logging in and joining",
                measured.messages, measured.acknowledged,
            ))
            .faults(measured.faults);
        self.figures.push(figure);
        Ok(())
    }

    /// Messages to a group, fetched by polling and acknowledged: by listeners that agreed to several transactions in a
    /// message, and by those that did not.
    fn group(&mut self) -> Outcome {
        tell("group");
        let users = names("member", JOINED + 1);
        called::most(2 * JOINED);
        self.start("group", &users)?;
        let sessions = self.log_in(&users)?;
        let server = self.server()?;
        let mut joining = Net::open(server.address, 1)?;
        group::gather(&mut joining, &self.requests, &self.scanner, &users, &sessions)?;
        let alone = group::Plan { together: 1, ahead: 1, ..self.options.group_plan };
        let figure = self.group_polled("  one message in an answer", alone, &users, sessions.clone())?;
        let plan = self.options.group_plan;
        let several = SocketRequests::new(Form::Wbxml, plan.together);
        group::agree(&mut joining, &several, &self.scanner, &users, &sessions)?;
        let several =
            self.group_polled(&format!("group deliveries by polling, 1 to {JOINED}"), plan, &users, sessions)?;
        self.figures.extend([several.target(Target::AtLeast(25_000.0)), figure]);
        Ok(())
    }

    fn group_polled(&self, name: &str, plan: group::Plan, users: &[String], sessions: Vec<Vec<u8>>) -> Outcome<Figure> {
        let server = self.server()?;
        let mut net = Net::open(server.address, sessions.len())?;
        let sender = users.first().map_or("", String::as_str);
        let (used, own, before, began) = (server.cpu(), cpu(std::process::id()), server.metrics(), now());
        let window = self.window();
        let requests = (&self.requests, &SocketRequests::new(Form::Wbxml, plan.together));
        let heard = group::listen(&mut net, requests, &self.scanner, (sender, sessions), plan, window)?;
        let (spent, after) = (began.elapsed().as_secs_f64(), server.metrics());
        let rate = heard.deliveries as f64 / window.seconds();
        let each = |used: f64| used / spent / rate * 1e6;
        let grown = |name: &str| after.get(name) - before.get(name);
        let commits = grown("hamlet_store_commits_total").max(1.0);
        Ok(Figure::new(name, rate, "1/s")
            .note(latency_note("from sending to the arrival", &heard.latencies))
            .note(format!(
                "{:.1} messages/s, {} under way at most, {} in an answer at most, {:.2} requests for each delivery; processor \
                 time for each: server {:.1} us, generator {:.1} us; {:.0} commits/s of {:.0} rows",
                heard.messages as f64 / window.seconds(),
                plan.ahead,
                plan.together,
                heard.requests as f64 / heard.deliveries.max(1) as f64,
                each(server.cpu() - used),
                each(cpu(std::process::id()) - own),
                commits / spent,
                grown("hamlet_store_rows_total") / commits,
            ))
            .faults(heard.faults))
    }

    fn codec(&mut self) -> Outcome {
        tell("codec");
        let time = self.options.time.min(Duration::from_secs(2));
        let speeds = codec::measure(time, self.options.libwbxml.as_deref().map(Path::new), self.folder.path())?;
        let of = |name: &str, value: f64| Figure::new(name, value, "MB/s");
        let wbxml = |figure: Figure, reference: Option<f64>| match reference {
            Some(value) => figure.beside("libwbxml", value).target(Target::OfReference(3.0)),
            None => figure.target(Target::OfReference(3.0)).note("libwbxml was not given (--libwbxml)"),
        };
        let about = format!(
            "{} messages, {} bytes in WBXML, {} in XML, {} in JSON",
            speeds.documents, speeds.wbxml_bytes, speeds.xml_bytes, speeds.json_bytes
        );
        self.figures.extend([
            wbxml(of("WBXML decode", speeds.wbxml_decode), speeds.libwbxml.map(|(decode, _)| decode)).note(about),
            wbxml(of("WBXML encode", speeds.wbxml_encode), speeds.libwbxml.map(|(_, encode)| encode)),
            of("XML decode", speeds.xml_decode)
                .beside("quick-xml, events only", speeds.xml_events)
                .target(Target::OfReference(0.5)),
            of("XML encode", speeds.xml_encode),
            of("JSON decode", speeds.json_decode).beside("serde_json, into values", speeds.json_values),
            of("JSON encode", speeds.json_encode),
        ]);
        Ok(())
    }
}

/// Sends so many messages to users who do not fetch them, one at a time.
fn fill(server: &Hamlet, recipients: &[String], session: Vec<u8>, times: u64) -> Outcome {
    struct Filling {
        template: Template,
        session: Vec<u8>,
        scanner: Scanner,
    }
    impl Exchange for Filling {
        fn render(&mut self, _: usize, number: u64, out: &mut Vec<u8>) {
            let transaction = number.to_string();
            let content = format!("{:MESSAGE_SIZE$}", format!("message {number} of many, for later"));
            self.template.render(out, &[&self.session, transaction.as_bytes(), b"", content.as_bytes()]);
        }
        fn check(&mut self, _: usize, _: u64, answer: &Answer<'_>) -> Result<(), String> {
            match self.scanner.scan(answer.body) {
                Some(seen) if seen.code == 200 && !seen.message_id.is_empty() => Ok(()),
                seen => Err(format!("HTTP {}, {:?}", answer.status, seen.map(|seen| seen.code))),
            }
        }
    }
    let mut net = Net::open(server.address, 1)?;
    let mut filling = Filling { template: send_to(recipients), session, scanner: Scanner::new() };
    let faults = repeat_times(&mut net, &mut filling, times)?;
    faults.first.first().map_or(Ok(()), |why| Err(format!("messages for later could not be stored: {why}")))
}

/// A chat with what the server spent on it.
struct Conversation {
    rate: f64,
    server_micros: f64,
    own_micros: f64,
    rows_per_commit: f64,
    batches_per_message: f64,
    commits_per_second: f64,
    commit_millis: f64,
    /// The share of the processors that the host took for others.
    stolen: f64,
    chatted: Chatted,
}

impl Conversation {
    fn notes(&self) -> Vec<String> {
        let chatted = &self.chatted;
        let each = |count: u64| count as f64 / chatted.acknowledged.max(1) as f64;
        vec![
            format!(
                "accepted {}, delivered {}, acknowledged {} in the window",
                chatted.accepted, chatted.delivered, chatted.acknowledged
            ),
            format!(
                "{}; {}; {}",
                latency_note("accepted", &chatted.to_accepted),
                latency_note("delivered", &chatted.to_delivered),
                latency_note("acknowledged", &chatted.to_acknowledged)
            ),
            format!(
                "{:.2} requests a message, {:.2} of them empty polls; processor time: server {:.0} us, generator {:.0} us",
                each(chatted.requests),
                each(chatted.empty_polls),
                self.server_micros,
                self.own_micros
            ),
            format!(
                "store: {:.2} batches a message, {:.0} commits/s of {:.2} ms and {:.0} rows{}",
                self.batches_per_message,
                self.commits_per_second,
                self.commit_millis,
                self.rows_per_commit,
                stolen_note(self.stolen)
            ),
        ]
    }
}

fn stolen_since((stolen_before, all_before): (u64, u64)) -> f64 {
    let (stolen, all) = stolen();
    (stolen - stolen_before.min(stolen)) as f64 / (all.saturating_sub(all_before)).max(1) as f64
}

/// Worth saying only where it is a virtual machine that does not get all it asks for.
fn stolen_note(share: f64) -> String {
    if share < 0.005 {
        return String::new();
    }
    format!("; {:.0} % of the processors were taken by the host of this virtual machine", share * 100.0)
}

fn latency_note(what: &str, latencies: &Latencies) -> String {
    format!("{what}: p50 {:.2} ms, p99 {:.2} ms", latencies.at(0.5), latencies.at(0.99))
}

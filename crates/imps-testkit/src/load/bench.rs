//! `hamlet-bench`: every figure beside its reference, measured in the same run.

mod clp;
mod codecs;
mod groups;
mod memory;
mod messages;
mod notes;
mod options;
mod people;
mod relay;
mod requests;
mod sockets;
mod watching;

use imps_proto::wire::Form;
use options::Options;
use serde_json::json;

use super::net::Net;
use super::report::{Figure, table};
use super::scan::{Scanner, scan_json};
use super::server::{Folder, Hamlet, make_users};
use super::template::Requests;
use super::{Outcome, Window, called, echo, lines, login};

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
}

//! The Command Line Protocol as people meet it: the program, and lines of text over TCP.
//!
//! `clp/session.txt` has a dialogue in which every command is given; what comes back must be what stands there. With
//! `HAMLET_WRITE_CLP=1` the answers are replaced by those that came. A run leaves the page of which `cargo xtask generate`
//! makes `docs/clp.md`.

mod terminal;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imps_proto::clp::{COMMANDS, Command, Section};
use imps_testkit::server::{End, EngineKind, Server};
use terminal::{IAC, PATIENCE, Terminal, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long is waited for what may come yet while answers are recorded.
const QUIET: Duration = Duration::from_millis(150);

/// A server with lines, and bob, ann and zoe.
async fn server(more: &[(&str, &str)]) -> (Server, SocketAddr) {
    let address = free_port();
    let lines = [("clp.listen".to_owned(), address.to_string())];
    let more = more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let settings: Vec<_> = lines.into_iter().chain(more).collect();
    let server = Server::start(EngineKind::Sqlite, &settings).await.expect("a server");
    for name in ["bob", "ann", "zoe"] {
        server.add_user(name, &format!("secret-{name}"), None).await.expect("a user");
    }
    (server, address)
}

/// A person who is logged in.
async fn logged_in(address: SocketAddr, name: &str) -> Terminal {
    let mut terminal = Terminal::connect(address).await;
    terminal.line().await;
    let outcome = terminal.outcome(&format!("login {name} secret-{name}")).await;
    assert!(outcome.starts_with("+200 hello"), "{outcome}");
    terminal
}

/// Times are different each time.
fn same_times(line: &str) -> String {
    let bytes = line.as_bytes();
    let is_time = |at: usize| match bytes.get(at..at + 5) {
        Some([a, b, b':', c, d]) => [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()),
        _ => false,
    };
    let mut text = String::new();
    let mut rest = line.char_indices();
    while let Some((at, character)) = rest.next() {
        if is_time(at) {
            text.push_str("14:05");
            rest.nth(3);
        } else {
            text.push(character);
        }
    }
    text
}

/// The dialogue of the file, carried out: the same lines, with the answers that came.
struct Session {
    address: SocketAddr,
    terminals: BTreeMap<String, Terminal>,
    is_recorded: bool,
}

impl Session {
    /// A line of the script that does something, and the lines that are expected behind it: who sees what.
    async fn step(&mut self, line: &str, expected: &[(String, String)]) -> Vec<(String, String)> {
        if let Some(name) = line.strip_prefix('(').and_then(|line| line.strip_suffix(" connects)")) {
            let mut terminal = Terminal::connect(self.address).await;
            let greeting = terminal.line().await;
            self.terminals.insert(name.to_owned(), terminal);
            return vec![(name.to_owned(), greeting)];
        }
        if let Some(name) = line.strip_prefix('(').and_then(|line| line.strip_suffix(" hangs up)")) {
            let mut terminal = self.terminals.remove(name).expect("a terminal");
            assert!(terminal.is_closed().await, "{name} is not hung up");
            return Vec::new();
        }
        let (name, typed) = line.split_once("> ").unwrap_or_else(|| panic!("no step: {line}"));
        let terminal = self.terminals.get_mut(name).unwrap_or_else(|| panic!("{name} is not connected"));
        let answer = terminal.ask(typed).await;
        let mut came: Vec<_> = answer.into_iter().map(|line| (name.to_owned(), line)).collect();
        if self.is_recorded {
            for (name, terminal) in &mut self.terminals {
                while let Some(line) = terminal.line_within(QUIET).await {
                    came.push((name.clone(), line));
                }
            }
        } else {
            for (name, wanted) in expected.iter().skip(came.len()) {
                let terminal = self.terminals.get_mut(name).unwrap_or_else(|| panic!("{name} is not connected"));
                let line = terminal.line_within(PATIENCE).await;
                came.push((name.clone(), line.unwrap_or_else(|| panic!("{name} does not see {wanted}"))));
            }
        }
        came.into_iter().map(|(name, line)| (name, same_times(&line))).collect()
    }
}

/// What somebody sees: `ann: *1 bob: hello`.
fn seen(line: &str) -> Option<(String, String)> {
    let (name, seen) = line.split_once(": ")?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    is_name.then(|| (name.to_owned(), seen.to_owned()))
}

fn script_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clp/session.txt")
}

/// The table of commands as the page shows it.
fn command_table() -> String {
    let mut table = String::new();
    for section in Section::ALL {
        table.push_str(&format!("\n### {}\n\n| command | |\n|---|---|\n", section.name()));
        for row in COMMANDS.iter().filter(|row| row.section == *section) {
            let short = if row.short.is_empty() { String::new() } else { format!(" ({})", row.short.join(", ")) };
            table.push_str(&format!("| `{}`{short} | {} |\n", row.line(), row.about));
        }
    }
    table
}

/// Leaves the page of which the document is made.
fn write_page(dialogue: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clp");
    std::fs::create_dir_all(&folder).expect("a folder for the page");
    let introduction = include_str!("../clp/introduction.md");
    let mut page = format!("{introduction}{}", command_table());
    page.push_str(
        "\n## A session\n\nEvery command, as `cargo test -p imps-testkit --test clp` gives it to a server with three people: what stands \
         behind `bob>` is\ntyped by bob, what stands behind `bob:` is what he sees. Numbers in headings are those of the \
         specification's chapter.\n",
    );
    let mut is_open = false;
    for line in dialogue.lines() {
        let is_prose = line.is_empty() || line.starts_with('#');
        if is_prose && is_open {
            page.push_str("```\n");
        } else if !is_prose && !is_open {
            page.push_str("```text\n");
        }
        is_open = !is_prose;
        if line.starts_with('#') {
            // Below the page's own headings.
            page.push('#');
        }
        page.push_str(line);
        page.push('\n');
    }
    if is_open {
        page.push_str("```\n");
    }
    std::fs::write(folder.join("page.md"), page).expect("the page");
}

#[tokio::test]
async fn every_command_is_answered_as_the_document_says() {
    // Two hits for each page, so that a search has more to tell.
    let (_server, address) = server(&[("search.page", "2")]).await;
    let script = std::fs::read_to_string(script_file()).expect("the script");
    let is_recorded = std::env::var_os("HAMLET_WRITE_CLP").is_some();
    let mut session = Session { address, terminals: BTreeMap::new(), is_recorded };
    let mut written = String::new();
    let mut done = BTreeMap::new();
    let mut answers: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let lines: Vec<&str> = script.lines().collect();
    let mut rest = lines.as_slice();
    while let Some((line, behind)) = rest.split_first() {
        rest = behind;
        written.push_str(line);
        written.push('\n');
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let count = rest.iter().take_while(|line| seen(line).is_some()).count();
        let (expected, behind) = rest.split_at(count);
        rest = behind;
        let expected: Vec<_> = expected.iter().filter_map(|line| seen(line)).collect();
        let came = session.step(line, &expected).await;
        if !is_recorded {
            assert_eq!(came, expected, "after `{line}`");
        }
        if let Some((_, typed)) = line.split_once("> ") {
            let is_done = came.iter().any(|(_, line)| line.trim_start_matches(['=', '1', '9', ' ']).starts_with('+'));
            let word = typed.trim_start_matches(|c: char| c == '=' || c == '.' || c == ' ' || c.is_ascii_digit());
            if let Some(command) = Command::of_word(word.split(' ').next().unwrap_or_default()) {
                *done.entry(command.row().keyword).or_insert(false) |= is_done;
                let codes = came.iter().filter_map(|(_, line)| code(line).map(str::to_owned));
                answers.entry(command.row().keyword).or_default().extend(codes);
            }
        }
        for (name, line) in came {
            written.push_str(&format!("{name}: {line}\n"));
        }
    }
    let missing: Vec<_> =
        COMMANDS.iter().map(|row| row.keyword).filter(|keyword| done.get(keyword) != Some(&true)).collect();
    // Whoever is still there has nothing more to see.
    for (name, terminal) in &mut session.terminals {
        assert_eq!(terminal.ask("ping").await, ["+200 pong"], "{name}");
    }
    if is_recorded {
        std::fs::write(script_file(), &written).expect("the script");
    }
    assert!(missing.is_empty(), "commands that the session does not carry out: {missing:?}");
    write_page(&written);
    write_answers(&answers);
}

/// `+200` or `-409` of the line that ends an answer.
fn code(line: &str) -> Option<&str> {
    let line = line.split_once(' ').filter(|(tag, _)| tag.starts_with('=')).map_or(line, |(_, rest)| rest);
    line.get(..4).filter(|code| code.starts_with(['+', '-']) && code.bytes().skip(1).all(|it| it.is_ascii_digit()))
}

/// Leaves how each command was answered, for the table of conformance.
fn write_answers(answers: &BTreeMap<&str, BTreeSet<String>>) {
    let row = |row: &imps_proto::clp::Row| {
        let codes: Vec<_> = answers.get(row.keyword).into_iter().flatten().map(String::as_str).collect();
        format!("{}\t{}\t{}\n", row.section.name(), row.line(), codes.join(" "))
    };
    let rows: String = COMMANDS.iter().map(row).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clp");
    std::fs::write(folder.join("commands.txt"), rows).expect("the answers");
}

#[tokio::test]
async fn any_octets_are_answered_and_harm_nobody() {
    let settings = [
        ("clp.login_within", "3600"),
        ("limit.session_rate", "0"),
        ("clp.login_failures", "1000"),
        ("clp.address_failures", "100000"),
    ];
    let (_server, address) = server(&settings).await;
    let mut bob = logged_in(address, "bob").await;
    let mut number: u64 = 1;
    let mut random = move || {
        // Numerical Recipes' generator: any octets do, the same each time.
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number >> 33) as u8
    };
    for round in 0..60 {
        let mut terminal =
            if round % 2 == 0 { Terminal::connect(address).await } else { logged_in(address, "zoe").await };
        let mut bytes: Vec<u8> = (0..3000).map(|_| random()).collect();
        for row in COMMANDS.iter().skip(round % 7).step_by(7).filter(|row| row.keyword != "LOGOUT") {
            bytes.extend_from_slice(row.keyword.as_bytes());
            bytes.push(b' ');
            bytes.extend((0..random() % 40).map(|_| random()).filter(|byte| *byte != IAC));
            bytes.push(b'\n');
        }
        // Out of telnet's sequences, whatever was begun.
        bytes.extend_from_slice(b"\xf0\xff\xf0\n\n=4242 .ping\n");
        if terminal.stream.write_all(&bytes).await.is_err() {
            continue;
        }
        // Answers are lines of the protocol to the last; the line may be closed meanwhile, but not the server.
        loop {
            let mut buffer = [0; 4096];
            match tokio::time::timeout(PATIENCE, terminal.stream.read(&mut buffer)).await {
                Ok(Ok(count)) if count > 0 => {
                    terminal.bytes.extend_from_slice(buffer.get(..count).expect("what was read"));
                    if terminal.bytes.windows(12).any(|found| found == b"=4242 +200 p") {
                        break;
                    }
                }
                other => panic!("the line is silent in round {round}: {other:?}"),
            }
        }
    }
    assert_eq!(bob.outcome("ping").await, "+200 pong");
}

#[tokio::test]
async fn a_line_that_breaks_ends_its_session_and_loses_nothing() {
    let (mut server, address) = server(&[]).await;
    let mut bob = logged_in(address, "bob").await;
    let mut ann = logged_in(address, "ann").await;
    ann.outcome("allow bob").await;
    // Closed in the middle of a line: nothing of it is carried out.
    ann.stream.write_all(b"msg bob half a li").await.expect("half a line");
    drop(ann);
    let mut offline = false;
    for _ in 0..500 {
        if bob.ask("show ann online").await.first().is_some_and(|line| line == ":ann off") {
            offline = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(offline, "ann's session goes on");
    assert_eq!(bob.outcome("msg ann are you there?").await, "+200 sent #1");
    let mut ann = logged_in(address, "ann").await;
    assert_eq!(ann.line().await, "*1 bob: are you there?");
    // What was told is not told again, and numbers go on.
    drop(ann);
    server.restart(End::Stop).await.expect("a restart");
    assert_eq!(bob.line().await, "*bye the server stops");
    assert!(bob.is_closed().await);
    let mut bob = logged_in(address, "bob").await;
    let mut ann = logged_in(address, "ann").await;
    assert_eq!(bob.outcome("msg ann again").await, "+200 sent #2");
    assert_eq!(ann.line().await, "*2 bob: again");
    assert_eq!(ann.outcome("#2 yes").await, "+200 sent #3");
    assert_eq!(bob.line().await, "*3 ann: yes");
    // From one moment to the next: whoever had a line has no session afterwards.
    server.restart(End::Kill).await.expect("a restart");
    let mut bob = logged_in(address, "bob").await;
    // What was told in the last moment may be told again.
    let shown = bob.ask("show ann online").await;
    assert!(shown.iter().any(|line| line == ":ann off"), "{shown:?}");
}

#[tokio::test]
async fn passwords_are_not_guessed() {
    let (_server, address) = server(&[("login.failures", "1000"), ("clp.address_failures", "7")]).await;
    for round in 0..3 {
        let mut terminal = Terminal::connect(address).await;
        let greeting = terminal.line().await;
        if round == 2 {
            assert!(greeting.starts_with("+200"), "{greeting}");
            assert_eq!(terminal.outcome("login zoe wrong").await, "-409 wrong password");
            break;
        }
        assert_eq!(terminal.outcome("login bob wrong").await, "-409 wrong password");
        // Nobody learns who exists.
        assert_eq!(terminal.outcome("login nobody wrong").await, "-409 wrong password");
        assert_eq!(terminal.outcome("login bob wrong").await, "-401 wrong password 3 times, bye");
        assert!(terminal.is_closed().await);
    }
    let mut refused = Terminal::connect(address).await;
    assert_eq!(refused.line().await, "-401 too many wrong passwords from your address, bye");
    assert!(refused.is_closed().await);
}

#[tokio::test]
async fn who_does_not_log_in_or_says_nothing_is_hung_up() {
    let (_server, address) = server(&[("clp.login_within", "1"), ("clp.idle", "10")]).await;
    let mut silent = Terminal::connect(address).await;
    silent.line().await;
    let mut bob = logged_in(address, "bob").await;
    assert_eq!(silent.line().await, "-401 nobody logged in, bye");
    assert!(silent.is_closed().await);
    assert_eq!(bob.line().await, "*bye idle");
    assert!(bob.is_closed().await);
}

#[tokio::test]
async fn a_line_in_tls_is_a_line() {
    let secure = free_port();
    let (_server, address) = server(&[("clp.tls_listen", &secure.to_string())]).await;
    let mut bob = Terminal::connect_by(secure, true).await;
    assert!(bob.line().await.starts_with("+200 wv:@localhost CLP 1"));
    assert_eq!(bob.outcome("login bob secret-bob").await, "+200 hello bob, 0 new");
    let mut ann = logged_in(address, "ann").await;
    assert_eq!(ann.outcome("msg bob hi").await, "+200 sent #1");
    assert_eq!(bob.line().await, "*1 ann: hi");
    assert_eq!(bob.outcome("bye").await, "+200 bye");
    assert!(bob.is_closed().await);
    // Whoever speaks no TLS there gets nowhere.
    let mut plain = Terminal::connect(secure).await;
    plain.say("login bob secret-bob").await;
    while let Some(count) = plain.stream.read(&mut [0; 64]).await.ok().filter(|count| *count > 0) {
        assert!(count <= 64);
    }
}

/// Lines that say nothing, as many as this process may open, 10,000 at most.
#[tokio::test]
async fn thousands_of_idle_lines_are_kept() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(20_000);
    let count = usize::try_from(limit).unwrap_or(20_000).saturating_sub(200).min(10_000);
    let (server, address) = server(&[("clp.login_within", "3600")]).await;
    let mut idle = Vec::with_capacity(count);
    for _ in 0..count {
        let mut terminal = Terminal::connect(address).await;
        let greeting = terminal.line().await;
        assert!(greeting.starts_with("+200") || greeting.starts_with("-503"), "{greeting}");
        if greeting.starts_with("-503") {
            // The server may open fewer than this process.
            break;
        }
        idle.push(terminal);
    }
    assert!(idle.len() >= count / 2, "{} of {count} lines", idle.len());
    let mut stream = TcpStream::connect(server.address()).await.expect("a connection");
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("a request");
    let mut page = String::new();
    stream.read_to_string(&mut page).await.expect("the metrics");
    let lines = page.lines().find_map(|line| line.strip_prefix("hamlet_clp_lines "));
    assert_eq!(lines.and_then(|lines| lines.parse().ok()), Some(idle.len()));
    // Each of them is there still.
    for terminal in idle.iter_mut().step_by(997) {
        assert_eq!(terminal.outcome("ping").await, "+200 pong");
    }
}

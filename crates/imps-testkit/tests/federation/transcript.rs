//! The story of a scenario: what people did and saw, what went between the domains meanwhile, and the tables behind it. It
//! becomes a chapter of `docs/federation-transcripts.md`.
//!
//! IDs, tokens and times become the same in every run. What happens at the same time may come in another order, so the chapter that
//! is committed stays as it is while a run says the same in each step, in whatever order. `HAMLET_WRITE_SSP=1` writes it anew.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::between::{Posted, Wire, name_of};
use super::home::{Home, World};

/// A chapter that is being written.
pub(crate) struct Transcript {
    name: &'static str,
    wire: Wire,
    seen: usize,
    page: String,
    /// What people did and saw in this step.
    notes: Vec<String>,
    tables: Vec<String>,
    /// Of what goes over the wire in this step, only requests of these names are shown, with their answers or without.
    only: Option<(&'static [&'static str], bool)>,
    ids: Ids,
}

/// What is different in each run, and what stands for it: by kind and value.
#[derive(Default)]
struct Ids(HashMap<(&'static str, String), usize>);

impl Ids {
    /// `t1`, `t2` and so on, in the order in which they appear.
    fn of(&mut self, kind: &'static str, value: &str) -> String {
        let count = self.0.keys().filter(|(known, _)| *known == kind).count();
        let number = self.0.entry((kind, value.to_owned())).or_insert(count + 1);
        format!("{kind}{number}")
    }
}

impl Transcript {
    pub(crate) fn new(name: &'static str, title: &str, world: &World) -> Self {
        let page = format!("\n## {name} {title}\n");
        let (seen, notes, tables) = (world.wire.len(), Vec::new(), Vec::new());
        Self { name, wire: world.wire.clone(), seen, page, notes, tables, only: None, ids: Ids::default() }
    }

    /// Begins a step; the one before is through when nothing goes over the wire any more.
    pub(crate) async fn step(&mut self, title: &str) {
        self.end_step().await;
        self.page.push_str(&format!("\n### {title}\n"));
    }

    /// How many messages had been posted when the step began.
    pub(crate) fn began(&self) -> usize {
        self.seen
    }

    /// What somebody did or saw.
    pub(crate) fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// Shows of this step's transactions only requests of these names, and their answers if they are to be seen: when a lost
    /// session is noticed, and what is told anew after that, is not the same in every run.
    pub(crate) fn shows_only(&mut self, names: &'static [&'static str], answers: bool) {
        self.only = Some((names, answers));
    }

    /// What an operator sees of a peer.
    pub(crate) async fn shows(&mut self, home: &Home, peer: &str) {
        self.wire.quiet().await;
        let shown = home.do_(&["peer", "show", peer]).await;
        let shown: Vec<_> = shown.lines().filter_map(|line| self.same_line(line)).collect();
        self.tables.push(format!("{}$ hamlet peer show {peer}\n{}", home.domain, shown.join("\n")));
    }

    async fn end_step(&mut self) {
        self.wire.quiet().await;
        let posted = self.wire.since(self.seen);
        self.seen += posted.len();
        if !self.notes.is_empty() {
            self.page.push('\n');
        }
        for note in std::mem::take(&mut self.notes) {
            self.page.push_str(&format!("- {note}\n"));
        }
        let mut posted = in_order(&posted);
        if let Some((names, answers)) = self.only.take() {
            let which = if answers { "with their answers" } else { "without their answers" };
            let shown = if names.is_empty() { "nothing".to_owned() } else { format!("{}, {which}", names.join(", ")) };
            self.page.push_str(&format!("\nOf what went over the wire, this shows: {shown}.\n"));
            posted = only(&posted, names, answers);
        }
        let posted: Vec<_> = posted.iter().map(|one| self.render(one)).collect();
        for block in [posted, std::mem::take(&mut self.tables)] {
            if !block.is_empty() {
                self.page.push_str(&format!("\n```text\n{}\n```\n", block.join("\n\n")));
            }
        }
    }

    fn render(&mut self, one: &One) -> String {
        let id = self.ids.of("t", &one.id);
        let content = self.same(&one.content);
        format!("{} → {}  {} {id}\n{}", one.from, one.to, one.mode, pretty(&content))
    }

    /// The same text in every run.
    fn same(&mut self, text: &str) -> String {
        let ids = &mut self.ids;
        let mut text = text.to_owned();
        for (name, kind) in [("messageID", "m"), ("agreementID", "ag"), ("searchID", "q")] {
            text = attribute(&text, name, &mut |value| ids.of(kind, value));
        }
        text = attribute(&text, "sessionID", &mut |value| same_session(ids, value));
        // Of a profile, where it is a time.
        text = attribute(&text, "version", &mut |value| {
            if value.len() >= 10 { ids.of("v", value) } else { value.to_owned() }
        });
        text = attribute(&text, "msLeft", &mut |_| "…".to_owned());
        text = attribute(&text, "validity", &mut |value| {
            // A second may have passed since.
            value.parse::<u64>().map_or(value.to_owned(), |seconds| seconds.next_multiple_of(10).to_string())
        });
        if text.contains("<Route ") {
            text = attribute(&text, "id", &mut |value| ids.of("r", value));
        }
        text = element(&text, "MessageID", &mut |value| ids.of("m", value));
        text = element(&text, "SecretToken", &mut |value| ids.of("token", value));
        // A profile may be told before its phone has said what it takes, or after it, or both.
        text = element(&text, "MaxLength", &mut |_| "…".to_owned());
        text = element(&text, "PasswordDigest", &mut |_| "(proof)".to_owned());
        text = element(&text, "DeliveryTime", &mut |_| "2026-01-31T12:00:00Z".to_owned());
        element(&text, "DateTime", &mut |_| "2026-01-31T12:00:00Z".to_owned())
    }

    /// A line of a table; none for one that only counts.
    fn same_line(&mut self, line: &str) -> Option<String> {
        let words: Vec<_> = line.split_inclusive(' ').map(|word| self.same_word(word)).collect();
        let line = words.concat().trim_end().to_owned();
        let counts = ["Posted ", "Came ", "Last failure "];
        (!counts.iter().any(|word| line.starts_with(word))).then_some(line)
    }

    fn same_word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches([' ', ',', ':']);
        let rest = &word[bare.len()..];
        let is_time = bare.len() >= 20 && bare.ends_with('Z') && bare.as_bytes().get(10) == Some(&b'T');
        let port = bare.strip_prefix("http://127.0.0.1:").map(|it| it.trim_end_matches('/'));
        let bare = if is_time {
            "(time)".to_owned()
        } else if port.is_some() {
            "http://(there)/".to_owned()
        } else if bare.len() > 32 && bare.contains('@') {
            same_session(&mut self.ids, bare)
        } else if bare.len() == 32 && bare.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.ids.of("t", bare)
        } else {
            bare.to_owned()
        };
        bare + rest
    }

    /// Ends the chapter: it says what the committed one says.
    pub(crate) async fn finish(mut self) {
        self.end_step().await;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("federation").join(format!("{}.md", self.name));
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        let (now, before) = (loose(&self.page), loose(&committed));
        let page = if now == before { committed } else { self.page };
        if now != before {
            if std::env::var_os("HAMLET_WRITE_SSP").is_some() {
                std::fs::write(&file, &page).expect("the chapter");
            } else {
                let found: Vec<_> = now.iter().filter(|part| !before.contains(part)).collect();
                let missing: Vec<_> = before.iter().filter(|part| !now.contains(part)).collect();
                panic!(
                    "{} says something else (HAMLET_WRITE_SSP=1 writes it anew)\nnot in it: {found:#?}\nonly in it: {missing:#?}",
                    file.display()
                );
            }
        }
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("federation");
        std::fs::create_dir_all(&folder).expect("a folder for the chapter");
        std::fs::write(folder.join(format!("{}.md", self.name)), page).expect("the chapter");
    }
}

/// A transaction that went over the wire, half of it.
#[derive(Clone)]
struct One {
    from: String,
    to: String,
    mode: String,
    id: String,
    content: String,
    is_setup: bool,
}

/// Halves of transactions in the order in which they came, but an answer follows its question.
fn in_order(posted: &[Posted]) -> Vec<One> {
    let mut rest: Vec<One> = Vec::new();
    for message in posted {
        let is_setup = message.document.contains("<SetupTransaction");
        for (mode, id, content) in message.transactions() {
            let (from, to) = (message.from.clone(), message.to.clone());
            let (mode, id, content) = (mode.to_owned(), id.to_owned(), content.to_owned());
            rest.push(One { from, to, mode, id, content, is_setup });
        }
    }
    let mut ordered = Vec::new();
    while !rest.is_empty() {
        let one = rest.remove(0);
        let is_answer =
            |other: &One| !other.is_setup && other.mode == "Response" && (&other.id, &other.from) == (&one.id, &one.to);
        let answer = if one.is_setup { None } else { rest.iter().position(is_answer) };
        ordered.push(one);
        ordered.extend(answer.map(|at| rest.remove(at)));
    }
    ordered
}

/// Requests of these names, and their answers if they are wanted.
fn only(all: &[One], names: &[&str], answers: bool) -> Vec<One> {
    let is_asked = |one: &One| !one.is_setup && one.mode == "Request" && names.contains(&name_of(&one.content));
    let is_answer = |one: &One| {
        let of = |other: &One| is_asked(other) && (&other.id, &other.from, &other.to) == (&one.id, &one.to, &one.from);
        !one.is_setup && one.mode == "Response" && all.iter().any(of)
    };
    all.iter().filter(|one| is_asked(one) || (answers && is_answer(one))).cloned().collect()
}

fn same_session(ids: &mut Ids, session: &str) -> String {
    match session.rsplit_once('@') {
        Some((random, domain)) => format!("{}@{domain}", ids.of("s", random)),
        None => session.to_owned(),
    }
}

/// Changes the value of an attribute wherever it stands.
fn attribute(text: &str, name: &str, change: &mut dyn FnMut(&str) -> String) -> String {
    between(text, &format!(" {name}=\""), "\"", change)
}

/// Changes the text of an element wherever it stands, whatever its attributes are.
fn element(text: &str, name: &str, change: &mut dyn FnMut(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&format!("<{name}")) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let Some(end) = from.find('>') else { break };
        let (start, inside) = from.split_at(end + 1);
        out.push_str(start);
        let close = inside.find('<').unwrap_or(inside.len());
        let (value, behind) = inside.split_at(close);
        if !value.is_empty() && !start.ends_with("/>") {
            out.push_str(&change(value));
        }
        rest = behind;
    }
    out + rest
}

fn between(text: &str, start: &str, end: &str, change: &mut dyn FnMut(&str) -> String) -> String {
    let mut pieces = text.split(start);
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str(start);
        match piece.split_once(end) {
            Some((value, rest)) => out.push_str(&[change(value).as_str(), end, rest].concat()),
            None => out.push_str(piece),
        }
    }
    out
}

/// An element, one line for each that has others inside, and one for each that has not.
fn pretty(text: &str) -> String {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut depth = 0_usize;
    // Whether the line before is a start with nothing behind it yet.
    let mut is_open = false;
    for piece in text.split('<').skip(1) {
        let (tag, behind) = piece.split_once('>').unwrap_or((piece, ""));
        let is_end = tag.starts_with('/');
        if is_end {
            depth = depth.saturating_sub(1);
        }
        match lines.last_mut() {
            Some((_, line)) if is_end && is_open => line.push_str(&format!("<{tag}>")),
            _ => lines.push((depth, format!("<{tag}>{}", behind.trim()))),
        }
        is_open = !is_end && !tag.ends_with('/');
        depth += usize::from(is_open);
    }
    let lines: Vec<_> = lines.iter().map(|(depth, line)| format!("  {}{line}", "  ".repeat(*depth))).collect();
    lines.join("\n")
}

/// What a chapter says, without the order in which things came at the same time.
fn loose(page: &str) -> Vec<String> {
    let mut steps: Vec<Vec<String>> = vec![vec![String::new()]];
    for line in page.lines() {
        if line.starts_with("### ") {
            steps.push(vec![String::new()]);
        }
        let step = steps.last_mut().expect("there is one");
        if line.contains(" → ") || line.contains("$ hamlet ") || line.starts_with("- ") || line.is_empty() {
            step.push(String::new());
        }
        let last = step.last_mut().expect("there is one");
        last.push_str(&without_numbers(line));
        last.push('\n');
    }
    let mut all = Vec::new();
    for (number, mut step) in steps.into_iter().enumerate() {
        step.retain(|part| !part.trim().is_empty() && part.trim() != "```" && part.trim() != "```text");
        step.sort();
        // What may go together may be told once or twice.
        step.dedup();
        all.extend(step.into_iter().map(|part| format!("step {number}: {}", part.replace("```", "").trim_end())));
    }
    all
}

/// `t12` and its like as `t`.
fn without_numbers(line: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    let end = |word: &mut String, out: &mut String| {
        let bare = word.trim_end_matches(|it: char| it.is_ascii_digit());
        let is_id = ["t", "m", "s", "ag", "q", "r", "v", "token"].contains(&bare) && bare.len() < word.len();
        out.push_str(if is_id { bare } else { word });
        word.clear();
    };
    for letter in line.chars() {
        if letter.is_ascii_alphanumeric() {
            word.push(letter);
        } else {
            end(&mut word, &mut out);
            out.push(letter);
        }
    }
    end(&mut word, &mut out);
    out
}

#[test]
fn a_transaction_is_written_as_people_read_it() {
    let text = "<A b=\"1\"><C>x</C><D/><E><F>y</F></E></A>";
    assert_eq!(pretty(text), "  <A b=\"1\">\n    <C>x</C>\n    <D/>\n    <E>\n      <F>y</F>\n    </E>\n  </A>");
    assert_eq!(
        element("<T>a</T><T e=\"1\">b</T><T/>", "T", &mut |it| it.to_uppercase()),
        "<T>A</T><T e=\"1\">B</T><T/>"
    );
    assert_eq!(attribute(" a=\"1\" b=\"2\" a=\"3\"", "a", &mut |_| "x".to_owned()), " a=\"x\" b=\"2\" a=\"x\"");
    assert_eq!(without_numbers("t12 m3=\"s4@a.example\" text5"), "t m=\"s@a.example\" text5");
}

#[test]
fn a_step_may_show_some_transactions_only() {
    let one = |from: &str, to: &str, mode: &str, id: &str, content: &str| One {
        from: from.to_owned(),
        to: to.to_owned(),
        mode: mode.to_owned(),
        id: id.to_owned(),
        content: content.to_owned(),
        is_setup: false,
    };
    let all = [
        one("a", "b", "Request", "1", "<X/>"),
        one("b", "a", "Request", "1", "<Y/>"),
        one("a", "b", "Response", "1", "<Status/>"),
        one("b", "a", "Response", "1", "<Z/>"),
    ];
    let shown =
        |names: &[&str], answers| only(&all, names, answers).into_iter().map(|it| it.content).collect::<Vec<_>>();
    assert_eq!(shown(&["X"], true), ["<X/>", "<Z/>"]);
    assert_eq!(shown(&["X", "Y"], false), ["<X/>", "<Y/>"]);
    assert!(shown(&[], true).is_empty());
}

#[test]
fn what_comes_at_the_same_time_may_change_places() {
    let chapter = |first: &str, second: &str| format!("## 1\n\n### a\n\n```text\n{first}\n\n{second}\n```\n");
    let (one, two) = ("a → b  Request t1\n<X/>", "b → a  Request t2\n<Y/>");
    assert_eq!(loose(&chapter(one, two)), loose(&chapter(two, one)));
    assert_eq!(loose(&chapter(one, one)), loose(&chapter(one, one)));
    assert_ne!(loose(&chapter(one, two)), loose(&chapter(one, one)));
    assert_ne!(loose(&chapter(one, two)), loose(&chapter(one, "b → a  Request t2\n<Z/>")));
}

//! Bad input for every transaction, made of a table: each primitive as it should be, then without each of its elements, with
//! each value as it cannot be, with each element twice, and about what belongs to somebody else.
//!
//! Whatever comes, the answer is an HTTP 200 with a status of the specification that is no failure of the server; the
//! session and the connection live on; and what is refused has changed nothing in the store.

mod bad_input_table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use bad_input_table::{FOREIGN, REQUESTS};
use imps_proto::csp::{CATALOGUE, Initiator};
use imps_proto::wire::{Form, PtsCodes};
use imps_testkit::phone::forms::Proof;
use imps_testkit::phone::{Band, Node, Personality, Phone, Polled, Settings, conformity, status_of};
use imps_testkit::server::{EngineKind, Server};
use imps_types::Version;
use tokio::task::JoinSet;

/// A primitive of the table: a tree, and which of its elements it cannot be without.
#[derive(Clone, Debug)]
struct Sample {
    node: Node,
    /// Paths (by index) of elements that may not be missing.
    mandatory: BTreeSet<Vec<usize>>,
    /// Paths of values that must be right.
    strict: BTreeSet<Vec<usize>>,
}

/// Reads `Name=value Name(children) ..`; `Name!` may not be missing, and `Name#` may not have a wrong value.
struct Parser<'a> {
    rest: &'a str,
    sample: Sample,
}

impl<'a> Parser<'a> {
    fn read(name: &str, text: &'a str) -> Sample {
        let sample = Sample { node: Node::empty(name), mandatory: BTreeSet::new(), strict: BTreeSet::new() };
        let mut parser = Self { rest: text.trim(), sample };
        let children = parser.children(&mut Vec::new());
        parser.sample.node.children = children;
        assert!(parser.rest.is_empty(), "{name}: what is `{}`?", parser.rest);
        parser.sample
    }

    fn children(&mut self, path: &mut Vec<usize>) -> Vec<Node> {
        let mut found = Vec::new();
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                return found;
            }
            path.push(found.len());
            let end = self.rest.find(|c: char| "!#=( )".contains(c)).unwrap_or(self.rest.len());
            let (name, rest) = self.rest.split_at(end);
            self.rest = rest;
            while let Some(mark) = self.rest.chars().next().filter(|mark| "!#".contains(*mark)) {
                let marked = if mark == '!' { &mut self.sample.mandatory } else { &mut self.sample.strict };
                marked.insert(path.clone());
                self.rest = &self.rest[1..];
            }
            let node = if let Some(rest) = self.rest.strip_prefix('(') {
                self.rest = rest;
                let children = self.children(path);
                self.rest = self.rest.strip_prefix(')').expect("a closing bracket");
                Node::new(name, children)
            } else if let Some(rest) = self.rest.strip_prefix('=') {
                let end = rest.find([' ', ')']).unwrap_or(rest.len());
                self.rest = &rest[end..];
                Node::leaf(name, rest[..end].replace('^', " "))
            } else {
                Node::empty(name)
            };
            path.pop();
            found.push(node);
        }
    }
}

fn at_mut<'a>(node: &'a mut Node, path: &[usize]) -> &'a mut Node {
    path.iter().fold(node, |node, index| &mut node.children[*index])
}

/// The paths of all elements below the root.
fn paths(node: &Node) -> Vec<Vec<usize>> {
    fn walk(node: &Node, path: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
        for (index, child) in node.children.iter().enumerate() {
            path.push(index);
            found.push(path.clone());
            walk(child, path, found);
            path.pop();
        }
    }
    let mut found = Vec::new();
    walk(node, &mut Vec::new(), &mut found);
    found
}

fn named(node: &Node, path: &[usize]) -> String {
    let mut name = node.name.clone();
    let mut here = node;
    for index in path {
        here = &here.children[*index];
        let _ = write!(name, "/{}", here.name);
    }
    name
}

/// Values that an element of this type cannot have.
fn wrong_values(kind: &str) -> Vec<String> {
    let values: &[&str] = match kind {
        "integer" => &["", "abc", "-1", "4294967296", "99999999999999999999999999"],
        "boolean" => &["", "X", "0"],
        "enum" => &["", "NO_SUCH_WORD"],
        "date" => &["", "yesterday", "99999999T999999Z"],
        _ => {
            &["", " ", "wv:", "wv:@", "@", "/", "wv:a b@c d", "wv:nobody/x/y@localhost", "%zz", "wv:a@b@c", "\u{fffd}"]
        }
    };
    let mut values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    values.push("x".repeat(20_000));
    values
}

struct World {
    server: Server,
    alice: Phone,
    mallory: Phone,
    /// What `$NAME` stands for.
    words: BTreeMap<&'static str, String>,
    cases: usize,
    wrong: Vec<String>,
}

fn phone(server: &Server, user: &str, version: Version, form: Form) -> Phone {
    let settings = Settings {
        version,
        form,
        personality: Personality::Plain,
        user: format!("wv:{user}@localhost"),
        password: "secret".to_owned(),
        client: None,
        content_type: None,
        channel: imps_testkit::phone::Channel::Http,
        is_silent: false,
        number: None,
    };
    Phone::new(settings, server.address())
}

async fn log_in(phone: &mut Phone) {
    let login = phone.speaker.login(Proof::Password("secret"), None, None);
    let answer = phone.request(login, Band::Out).await.expect("an answer").expect("a login");
    phone.open_session(&answer);
    let capabilities = phone.speaker.capabilities(&[]);
    phone.request(capabilities, Band::In).await.expect("capabilities");
}

async fn ask(phone: &mut Phone, name: &str, text: &str) -> Node {
    let node = Parser::read(name, text).node;
    phone.request_anything(node, Band::In).await.unwrap_or_else(|why| panic!("{name}: {why}")).expect("an answer")
}

fn is_built(name: &str) -> bool {
    CATALOGUE.iter().any(|row| row.request.name() == name && row.initiator != Initiator::Server && row.built)
}

/// A server that answers everything: how often one may ask is not what is shown here.
async fn server(settings: &[(&str, &str)]) -> Server {
    let settings = [&[("limit.session_rate", "0")], settings].concat();
    let owned: Vec<_> = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Server::start(EngineKind::Memory, &owned).await.expect("a server")
}

impl World {
    async fn new(version: Version, form: Form) -> Self {
        Self::with(version, form, &[]).await
    }

    /// A world in which mallory was told that there is nothing of what he then asks for.
    async fn of_refusals(version: Version, form: Form) -> Self {
        let server = server(&[("service.off", "FundamentalFeat PresenceFeat IMFeat GroupFeat")]).await;
        for name in ["alice", "mallory"] {
            server.add_user(name, "secret", None).await.expect("an account");
        }
        let (alice, mut mallory) = (phone(&server, "alice", version, form), phone(&server, "mallory", version, form));
        log_in(&mut mallory).await;
        let wish = mallory
            .speaker
            .services(&["FundamentalFeat", "PresenceFeat", "IMFeat", "GroupFeat"].map(str::to_owned), false);
        mallory.request(wish, Band::In).await.expect("services");
        Self { server, alice, mallory, words: BTreeMap::new(), cases: 0, wrong: Vec::new() }
    }

    async fn with(version: Version, form: Form, settings: &[(&str, &str)]) -> Self {
        let server = server(settings).await;
        for name in ["alice", "mallory", "bob"] {
            server.add_user(name, "secret", None).await.expect("an account");
        }
        let (mut alice, mut mallory) =
            (phone(&server, "alice", version, form), phone(&server, "mallory", version, form));
        log_in(&mut alice).await;
        log_in(&mut mallory).await;
        let mut words = BTreeMap::new();
        let created = ask(&mut alice, "CreateList-Request", "ContactList=wv:alice/friends@localhost").await;
        assert!(status_of(&created) == 200, "{created:?}");
        let sent = ask(
            &mut alice,
            "SendMessage-Request",
            "DeliveryReport=F MessageInfo(ContentType=text/plain ContentSize=2 Recipient(User(UserID=wv:mallory@localhost)) \
             Sender(User(UserID=wv:alice@localhost))) ContentData=hi",
        )
        .await;
        words.insert("$MESSAGE", sent.child_text("MessageID").expect("a MessageID").to_owned());
        let to_bob = ask(
            &mut alice,
            "SendMessage-Request",
            "DeliveryReport=F MessageInfo(ContentType=text/plain ContentSize=2 Recipient(User(UserID=wv:bob@localhost)) \
             Sender(User(UserID=wv:alice@localhost))) ContentData=hi",
        )
        .await;
        words.insert("$BOBS", to_bob.child_text("MessageID").expect("a MessageID").to_owned());
        if is_built("CreateGroup-Request") {
            let properties =
                "GroupProperties(Property(Name=Name Value=Club) Property(Name=AccessType Value=Restricted))";
            let rest = "JoinGroup=F SubscribeNotification=F";
            for (owner, group) in [(&mut alice, "wv:alice/club@localhost"), (&mut mallory, "wv:mallory/den@localhost")]
            {
                let text = format!("GroupID={group} {properties} {rest}");
                let made = ask(owner, "CreateGroup-Request", &text).await;
                assert!(status_of(&made) == 200, "{made:?}");
            }
        }
        if is_built("Invite-Request") {
            let invited = ask(
                &mut alice,
                "Invite-Request",
                "InviteID=i1 InviteType=IM Recipient(User(UserID=wv:mallory@localhost)) InviteNote=come Validity=600",
            )
            .await;
            assert!(status_of(&invited) == 200, "{invited:?}");
        }
        Self { server, alice, mallory, words, cases: 0, wrong: Vec::new() }
    }

    async fn stored(&self) -> Vec<String> {
        match &self.server {
            Server::InProcess(server) => server.stored().await.expect("the store"),
            Server::Program(_) => unreachable!("this server is in memory"),
        }
    }

    fn fill(&self, node: &mut Node) {
        for (word, value) in &self.words {
            node.text = node.text.replace(word, value);
        }
        for child in &mut node.children {
            self.fill(child);
        }
    }

    /// Sends it; what it is answered, after everything that must hold whatever comes.
    async fn try_it(&mut self, mut node: Node, what: &str, must_fail: bool, codes: Option<&[u16]>) {
        self.cases += 1;
        self.fill(&mut node);
        let before = self.stored().await;
        let answer = match self.mallory.request_anything(node.clone(), Band::In).await {
            Ok(Some(answer)) => answer,
            Ok(None) => return self.wrong.push(format!("{what}: no answer")),
            Err(why) => {
                self.wrong.push(format!("{what}: {why}"));
                // The session may be at fault, or what is in it: the next case begins anew.
                log_in(&mut self.mallory).await;
                return;
            }
        };
        let code = status_of(&answer);
        let is_wanted = codes.is_some_and(|codes| codes.contains(&code));
        if !is_wanted && matches!(code, 500 | 501 | 503 | 504 | 408 | 604 | 600 | 601) {
            self.wrong.push(format!("{what}: {code}"));
        }
        if let Some(codes) = codes.filter(|_| !is_wanted) {
            self.wrong.push(format!("{what}: {code}, expected {codes:?}"));
        }
        let is_refused = !matches!(code, 200 | 201);
        if must_fail && !is_refused {
            self.wrong.push(format!("{what}: {code}, and it must be refused"));
        }
        if is_refused && self.stored().await != before {
            self.wrong.push(format!("{what}: refused with {code}, and the store has changed"));
        }
        if node.name == "Logout-Request" && code == 200 {
            log_in(&mut self.mallory).await;
        }
        // What all this brings about is taken and acknowledged, as a phone does.
        for _ in 0..50 {
            if !matches!(self.mallory.poll().await, Ok(Polled::Something)) {
                break;
            }
            while let Ok(Some(_)) = self.mallory.take().await {}
        }
    }
}

fn texts_of(version: Version) -> impl Iterator<Item = (&'static str, Sample, &'static [u16])> {
    REQUESTS
        .iter()
        .filter(move |row| row.versions.contains(version.as_str()))
        .filter(|row| is_built(row.request))
        .map(|row| (row.request, Parser::read(row.request, row.text), row.codes))
}

/// What must be refused is refused for what it says, not for the state of things.
const REFUSALS: &[u16] = &[400, 402, 426];

async fn all_of(version: Version, form: Form) -> (usize, Vec<String>) {
    let mut world = World::new(version, form).await;
    // As it should be: else what follows would prove nothing.
    for (name, sample, codes) in texts_of(version) {
        let mut world = World::new(version, form).await;
        world.try_it(sample.node, &format!("{name}, as it should be"), false, Some(codes)).await;
        assert_eq!(world.wrong, Vec::<String>::new(), "{version} {form:?}");
    }
    for (_, sample, codes) in texts_of(version) {
        for path in paths(&sample.node) {
            let here = named(&sample.node, &path);
            let mut without = sample.node.clone();
            let (last, parent) = path.split_last().expect("no root");
            at_mut(&mut without, parent).children.remove(*last);
            let is_mandatory = sample.mandatory.contains(&path);
            // What the row itself is refused with may come first; the message of an earlier case is gone.
            let refusals: Vec<u16> = REFUSALS.iter().chain(codes).copied().filter(|code| *code != 200).collect();
            let wanted = is_mandatory.then_some(&*refusals);
            world.try_it(without, &format!("without {here}"), is_mandatory, wanted).await;

            let mut twice = sample.node.clone();
            let again = at_mut(&mut twice, &path).clone();
            at_mut(&mut twice, parent).children.push(again);
            world.try_it(twice, &format!("twice {here}"), false, None).await;

            let mut node = sample.node.clone();
            let leaf = at_mut(&mut node, &path);
            if leaf.children.is_empty() && !leaf.text.is_empty() {
                let kind = conformity::kind_of(&leaf.name, version).unwrap_or("string");
                for value in wrong_values(kind) {
                    let mut wrong = sample.node.clone();
                    at_mut(&mut wrong, &path).text.clone_from(&value);
                    let short: String = value.chars().take(30).collect();
                    let is_strict = sample.strict.contains(&path);
                    world.try_it(wrong, &format!("{here} = `{short}`"), is_strict, None).await;
                }
            } else {
                let mut strange = sample.node.clone();
                at_mut(&mut strange, &path).children.insert(0, Node::leaf("NoSuchElement", "x"));
                let known = Node::new("Status", [Node::leaf("Code", "200")]);
                at_mut(&mut strange, &path).children.push(known);
                world.try_it(strange, &format!("strangers in {here}"), false, None).await;
            }
        }
    }
    // In a session that was told that there is no such function.
    let mut refused = World::of_refusals(version, form).await;
    for (name, sample, _) in texts_of(version) {
        let row = CATALOGUE.iter().find(|row| row.request.name() == name && row.initiator != Initiator::Server);
        let has_function = row.and_then(|row| row.function).is_some_and(|function| function.row().in_version(version));
        if has_function {
            // Android asks for its blocked list whatever was agreed, and goes on after 501 only (CSP 14).
            let refusal = if name == "GetBlockedList-Request" { 501 } else { 506 };
            refused.try_it(sample.node, &format!("not agreed: {name}"), true, Some(&[refusal])).await;
        }
    }
    world.cases += refused.cases;
    world.wrong.append(&mut refused.wrong);
    for row in FOREIGN.iter().filter(|row| row.versions.contains(version.as_str()) && is_built(row.request)) {
        let node = Parser::read(row.request, row.text).node;
        let mut fresh = World::new(version, form).await;
        fresh.try_it(node, &format!("somebody else's: {} {}", row.request, row.text), true, Some(row.codes)).await;
        fresh.alice.poll().await.expect("alice is there still");
        world.cases += fresh.cases;
        world.wrong.append(&mut fresh.wrong);
    }
    (world.cases, world.wrong)
}

#[test]
fn bad_input_of_every_transaction_is_refused_by_a_status_and_changes_nothing() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (mut all, mut wrong) = (0, Vec::new());
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for version in Version::ALL {
            for form in [Form::Xml, Form::Wbxml, Form::Json, Form::Pts(PtsCodes::Project)] {
                running.spawn(async move { (version, form, Box::pin(all_of(version, form)).await) });
            }
        }
        while let Some(done) = running.join_next().await {
            let (version, form, (cases, found)) = done.expect("cases to their end");
            println!("{version} {form:?}: {cases} cases");
            all += cases;
            wrong.extend(found.into_iter().map(|one| format!("{version} {form:?}: {one}")));
        }
    });
    println!("{all} cases of bad input");
    assert!(wrong.is_empty(), "{} of {all} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_has_every_transaction_that_clients_begin() {
    let ours: BTreeSet<&str> = REQUESTS.iter().map(|row| row.request).collect();
    // Outside a session, or answered by what waits; and the map that nobody has draws 501 whatever is asked (CSP 7.4).
    let outside = ["Login-Request", "WV-CSP-VersionDiscovery-Request", "Polling-Request", "GetMap-Request"];
    for row in CATALOGUE.iter().filter(|row| row.initiator != Initiator::Server && row.built) {
        let name = row.request.name();
        assert!(ours.contains(name) || outside.contains(&name), "the table of bad input lacks {name}");
    }
}

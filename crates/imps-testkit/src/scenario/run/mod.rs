//! Carries a scenario out, statement by statement.

mod acts;
mod groups;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use imps_proto::wire::{Form, PtsCodes};
use imps_types::Version;

use super::combine::Combination;
use super::expect::{self, Field};
use super::parse::{Expect, Kind, PhoneLine, Scenario, ServerLine, Statement, Word};
use super::record::{Proof, Recorder};
use crate::phone::{Node, Phone, Polled, Received, Settings, status_of};
use crate::server::{DOMAIN, End, EngineKind, Server};

/// The password that phones log in with.
const PASSWORD: &str = "q7wx2kmp9r";
/// How often, and at which interval, a phone polls for what must come.
const POLLS: u32 = 100;
const INTERVAL: Duration = Duration::from_millis(20);
/// How long a phone listens before it says that nothing came.
const SILENCE: Duration = Duration::from_millis(25);

/// Where a scenario finds what it needs.
#[derive(Clone, Debug)]
pub struct Place {
    /// The folder of raw files; names that are not there are looked for among the vectors.
    pub raw: PathBuf,
    /// The folder of the specification's vectors.
    pub vectors: PathBuf,
}

/// Carries out a scenario in a combination, and says what it has proven. `shared` serves scenarios that do nothing to
/// their server.
///
/// # Errors
/// Which statement failed, what it expected and what came, with file and line.
pub async fn run(
    scenario: &Scenario,
    combination: Combination,
    shared: Option<Arc<Server>>,
    place: &Place,
) -> Result<BTreeSet<Proof>, String> {
    let failed = |error: String| format!("{} ({combination}): {error}", scenario.file);
    let server = match shared.filter(|_| !scenario.needs_own_server()) {
        Some(server) => Host::Shared(server),
        None => Host::Own(Box::new(Server::start(combination.engine, &scenario.settings()).await.map_err(failed)?)),
    };
    let mut world = World::new(scenario, combination, server, place);
    let mut recorder = Recorder::default();
    for (number, statement) in scenario.statements.iter().enumerate() {
        if let Err(error) = Box::pin(world.carry_out(statement)).await {
            return Err(world.report(scenario, statement, &error));
        }
        recorder.held(number, statement, world.phones.iter_mut());
    }
    Ok(recorder.proofs())
}

enum Host {
    Shared(Arc<Server>),
    Own(Box<Server>),
}

impl Host {
    fn server(&self) -> &Server {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }
}

struct World<'a> {
    combination: Combination,
    host: Host,
    place: &'a Place,
    phones: HashMap<String, Phone>,
    /// The users' real names: one server serves many stories with an alice.
    users: HashMap<String, String>,
    has_account: Vec<String>,
    names: HashMap<String, String>,
    /// What the requests that are held back are expected to bring: the names of their responses.
    gathered: Vec<&'static str>,
    /// What the operator's last command printed.
    printed: String,
    /// Who acted last: for reports.
    last: String,
}

impl<'a> World<'a> {
    fn new(scenario: &Scenario, combination: Combination, host: Host, place: &'a Place) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let users = scenario.phones().map(|phone| (phone.user.clone(), format!("{}{number}", phone.user))).collect();
        Self {
            combination,
            host,
            place,
            phones: HashMap::new(),
            users,
            has_account: Vec::new(),
            names: HashMap::new(),
            gathered: Vec::new(),
            printed: String::new(),
            last: String::new(),
        }
    }

    fn report(&self, scenario: &Scenario, statement: &Statement, error: &str) -> String {
        let heard = self.phones.get(&self.last).and_then(|phone| phone.heard.as_ref());
        let heard = heard.map_or_else(|| "nothing yet".to_owned(), |root| format!("\n{}", root.pretty()));
        format!(
            "{}:{} ({})\n  {}\n  {error}\n  last message to {}: {heard}\n",
            scenario.file, statement.line, self.combination, statement.source, self.last
        )
    }

    /// `$name`, users' names in addresses, and users' names alone.
    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.names {
            text = text.replace(&format!("${name}"), value);
        }
        if self.users.contains_key(&text) {
            return self.address(&text);
        }
        let mut filled = String::new();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("wv:") {
            let (before, after) = rest.split_at(at + 3);
            let end = after.find(['@', '/', ' ', '"']).unwrap_or(after.len());
            let (name, behind) = after.split_at(end);
            filled.push_str(before);
            filled.push_str(self.users.get(name).map_or(name, String::as_str));
            rest = behind;
        }
        filled.push_str(rest);
        filled
    }

    /// A user's address; anything that looks like an address is one.
    fn address(&self, name: &str) -> String {
        if name.contains(':') || name.contains('@') {
            return self.fill(name);
        }
        let local = self.users.get(name).map_or(name, String::as_str);
        format!("wv:{local}@{DOMAIN}")
    }

    /// The address of a list of this phone's user; anything that looks like an address is one.
    fn list(&self, phone: &Phone, name: &str) -> String {
        if name.contains(':') {
            return self.fill(name);
        }
        phone.speaker.user.replace('@', &format!("/{name}@"))
    }

    async fn carry_out(&mut self, statement: &Statement) -> Result<(), String> {
        match &statement.kind {
            Kind::Phone(line) => self.add_phone(line).await,
            Kind::Server(line) => self.server(line).await,
            Kind::Operator(words) => {
                let words: Vec<String> = words.iter().map(|word| self.fill(&word.text)).collect();
                self.printed = self.host.server().operate(&words).await?;
                Ok(())
            }
            Kind::OperatorReads(words) => self.operator_reads(words),
            Kind::Clock(by) => {
                self.host.server().advance(*by).await?;
                self.phones.values_mut().for_each(Phone::forget_promises);
                Ok(())
            }
            Kind::Does { who, verb, arguments, expect } => {
                let mut phone = self.take_phone(who)?;
                let outcome = self.act(&mut phone, *verb, arguments, expect).await;
                self.phones.insert(who.clone(), phone);
                outcome
            }
            Kind::Gets { who, primitive, fields } => {
                let mut phone = self.take_phone(who)?;
                let outcome = self.gets(&mut phone, primitive, fields).await;
                self.phones.insert(who.clone(), phone);
                outcome
            }
            Kind::GetsNothing { who } => {
                let mut phone = self.take_phone(who)?;
                let outcome = gets_nothing(&mut phone).await;
                self.phones.insert(who.clone(), phone);
                outcome
            }
            Kind::Raw { who, file, label, expect } => {
                let mut phone = self.take_phone(who)?;
                let outcome = self.send_raw(&mut phone, file, label.as_deref(), expect).await;
                self.phones.insert(who.clone(), phone);
                outcome
            }
        }
    }

    fn take_phone(&mut self, name: &str) -> Result<Phone, String> {
        self.last = name.to_owned();
        self.phones.remove(name).ok_or_else(|| format!("there is no phone `{name}`"))
    }

    /// Texts that were printed; and `=name` for the value that follows the text before, as JSON has it.
    fn operator_reads(&mut self, words: &[Word]) -> Result<(), String> {
        let mut rest = self.printed.clone();
        for word in words {
            if let Some(name) = word.text.strip_prefix('=').filter(|_| !word.is_quoted) {
                let value = rest.split('"').nth(2).ok_or_else(|| format!("no value stands there:\n{rest}"))?;
                self.names.insert(name.to_owned(), value.to_owned());
                continue;
            }
            let text = self.fill(&word.text);
            let at = self.printed.find(&text).ok_or_else(|| format!("`{text}` was not printed:\n{}", self.printed))?;
            rest = self.printed.get(at + text.len()..).unwrap_or_default().to_owned();
        }
        Ok(())
    }

    async fn add_phone(&mut self, line: &PhoneLine) -> Result<(), String> {
        let user = self.users.get(&line.user).cloned().unwrap_or_default();
        if line.has_account && !self.has_account.contains(&user) {
            self.host.server().add_user(&user, PASSWORD, line.account.as_deref()).await?;
            self.has_account.push(user.clone());
        }
        let settings = Settings {
            version: line.version.unwrap_or(self.combination.version),
            form: line.form.unwrap_or(self.combination.form),
            personality: line.personality,
            user: format!("wv:{user}@{DOMAIN}"),
            password: PASSWORD.to_owned(),
            client: line.client.clone(),
            content_type: line.label.clone(),
            is_silent: line.is_silent,
            channel: line.channel,
            number: line.number.clone(),
        };
        self.phones.insert(line.name.clone(), Phone::new(settings, self.host.server().address_of(line.channel)));
        Ok(())
    }

    async fn server(&mut self, line: &ServerLine) -> Result<(), String> {
        let end = match line {
            ServerLine::Restarts => End::Stop,
            ServerLine::IsKilled => End::Kill,
            ServerLine::Set(..) if self.phones.is_empty() => return Ok(()),
            ServerLine::Set(..) => return Err("`server set` stands before the first phone".to_owned()),
        };
        let Host::Own(server) = &mut self.host else { return Err("this server is not to be ended".to_owned()) };
        server.restart(end).await?;
        for phone in self.phones.values_mut() {
            phone.moves_to(server.address_of(phone.channel));
        }
        Ok(())
    }

    async fn gets(&mut self, phone: &mut Phone, primitive: &str, fields: &[Word]) -> Result<(), String> {
        let fields = expect::fields(fields, &|text| self.fill(text))?;
        let Some(received) = receive(phone).await? else {
            return Err(format!("{primitive} was expected, and nothing came"));
        };
        if received.primitive.name != primitive {
            return Err(format!(
                "{primitive} was expected, and {} came:\n{}",
                received.primitive.name,
                received.primitive.pretty()
            ));
        }
        self.check(&received.primitive, &fields)
    }

    fn check(&mut self, primitive: &Node, fields: &[Field]) -> Result<(), String> {
        expect::check(primitive, fields, &mut self.names).map_err(|error| format!("{error}:\n{}", primitive.pretty()))
    }

    async fn send_raw(
        &mut self,
        phone: &mut Phone,
        file: &str,
        label: Option<&str>,
        expect: &Expect,
    ) -> Result<(), String> {
        let bytes = read_raw(self.place, file)?;
        // What is text may name the session and users.
        let bytes = match String::from_utf8(bytes) {
            Ok(text) if [".xml", ".json", ".pts"].iter().any(|ending| file.ends_with(ending)) => {
                self.names.insert("SESSION".to_owned(), phone.session_id().to_owned());
                self.fill(&text).into_bytes()
            }
            Ok(text) => text.into_bytes(),
            Err(error) => error.into_bytes(),
        };
        let usual = match file.rsplit('.').next() {
            Some("wbxml") => "application/vnd.wv.csp.wbxml",
            Some("json") => "application/vnd.hamlet.csp+json",
            _ => "application/vnd.wv.csp.xml",
        };
        let (http, answer) = phone.post_raw(&bytes, Some(label.unwrap_or(usual))).await?;
        let said = |answer: &Node| status_of(answer);
        match (expect, &answer) {
            (Expect::Http(code), _) if http == *code => Ok(()),
            (Expect::Nothing, None) if http == 200 => Ok(()),
            (Expect::Something, Some(_)) => Ok(()),
            (Expect::Default, Some(answer)) if said(answer) == 200 => Ok(()),
            (Expect::Status(codes), Some(answer)) if codes == &[said(answer)] => Ok(()),
            (expect, answer) => {
                let answer = answer.as_ref().map_or_else(|| "an empty body".to_owned(), Node::pretty);
                Err(format!("{expect:?} was expected, and HTTP {http} came with {answer}"))
            }
        }
    }
}

/// The next transaction of the server, polling for it if need be.
async fn receive(phone: &mut Phone) -> Result<Option<Received>, String> {
    for _ in 0..POLLS {
        if let Some(received) = phone.take().await? {
            return Ok(Some(received));
        }
        match phone.fetch(INTERVAL).await? {
            Polled::Something => {}
            Polled::Nothing if phone.polls() => tokio::time::sleep(INTERVAL).await,
            Polled::Nothing => {}
            Polled::Refused(answer) => return Err(format!("the poll was answered with\n{}", answer.pretty())),
        }
    }
    Ok(None)
}

async fn gets_nothing(phone: &mut Phone) -> Result<(), String> {
    for _ in 0..2 {
        match phone.fetch(2 * SILENCE).await? {
            Polled::Nothing if phone.inbox.is_empty() => {}
            Polled::Refused(answer) => return Err(format!("the poll was answered with\n{}", answer.pretty())),
            _ => {
                let came = phone.inbox.front().map_or_else(String::new, |one| one.primitive.pretty());
                return Err(format!("nothing was expected, and this came:\n{came}"));
            }
        }
        tokio::time::sleep(SILENCE).await;
    }
    Ok(())
}

fn check_status(answer: &Node, expect: &Expect) -> Result<(), String> {
    let code = status_of(answer);
    let fits = match expect {
        Expect::Default => code == 200,
        Expect::Status(codes) => codes == &[code],
        Expect::Something => true,
        Expect::Nothing | Expect::Http(_) => false,
    };
    if fits { Ok(()) } else { Err(format!("{expect:?} was expected, and {code} came:\n{}", answer.pretty())) }
}

fn check_response(answer: &Node, name: &str, expect: &Expect) -> Result<(), String> {
    check_status(answer, expect)?;
    // Failure, and success in part, may always be told by a plain Status (CSP 3).
    if answer.name != name && !(answer.name == "Status" && status_of(answer) != 200) {
        return Err(format!("{name} was expected:\n{}", answer.pretty()));
    }
    Ok(())
}

fn read_raw(place: &Place, file: &str) -> Result<Vec<u8>, String> {
    let in_folder = |folder: &Path| std::fs::read(folder.join(file));
    in_folder(&place.raw).or_else(|_| in_folder(&place.vectors)).map_err(|error| format!("{file}: {error}"))
}

/// What runs where: for tables.
pub fn label(engine: EngineKind, version: Version, form: Form) -> String {
    let form = match form {
        Form::Xml => "xml",
        Form::Wbxml => "wbxml",
        Form::Json => "json",
        Form::Pts(PtsCodes::Project) => "pts",
        Form::Pts(PtsCodes::Attested) => "pts-attested",
    };
    format!("{engine} {version} {form}")
}

//! Access (CLP 6.1): log-in and log-out, help, settings.

use imps_proto::clp::{Arguments, COMMANDS, Command, DATA_MAX, Reply, Section, Who, wrapped};
use imps_proto::element::Element;
use imps_service::Error;
use imps_service::access::{LoginAttempt, LoginOutcome};
use imps_service::language::Language;
use imps_service::presence::WatchTargets;
use imps_service::terminal::TerminalSettings;
use imps_types::element::{AcceptedContentType, CapabilityList, ClientType, DeliveryMethod};
use imps_types::presence::Attribute;
use imps_types::{Address, ClientId, Secret, Status, Version};

use super::dialogue::{Dialogue, Failure, Next, Outcome, Pages, Person};
use super::recent::Recent;
use super::texts::Say;
use super::{CLIENT, shown};
use crate::language;

/// Bytes of the largest answer that a line takes: it is no primitive, so none is too large.
const PARSER_SIZE: u32 = 1 << 24;
/// MIBenum of UTF-8.
const UTF_8: u32 = 106;
/// Lines of a page that may be set.
const PAGE_MAX: u16 = 999;

impl Dialogue {
    pub(super) async fn access(&mut self, command: Command, arguments: Arguments) -> Outcome {
        match command {
            Command::Login => self.login(arguments).await,
            Command::Logout => {
                self.next = Next::Close;
                self.log_out().await?;
                self.ok(Say::Bye, &[])
            }
            Command::WhoAmI => self.who_am_i().await,
            Command::Help => self.help(arguments.words.first().map(|word| &**word)),
            Command::Set => self.set(&arguments).await,
            Command::More => self.next_page().await,
            Command::Info => self.info(),
            Command::Pass => self.change_password(arguments).await,
            Command::Ping => {
                if let Some(person) = &self.person {
                    self.services().access().keep_alive(&person.session, None).await?;
                }
                self.ok(Say::Pong, &[])
            }
            _ => Err(Failure::Usage),
        }
    }

    async fn login(&mut self, arguments: Arguments) -> Outcome {
        if self.person.is_some() {
            return Err(Failure::Said(Status::BAD_PARAMETER, Say::LogOutFirst, String::new()));
        }
        let mut words = arguments.words.into_iter();
        // On a line nobody is known without his name.
        let user = words.next().ok_or(Failure::Usage)?;
        if !self.is_private {
            return Err(Failure::Said(Status::FORBIDDEN, Say::NotWithoutTls, String::new()));
        }
        self.check_address()?;
        let Some(password) = words.next() else {
            self.asked = Some((user, None));
            self.next = Next::Secret;
            return self.ok(Say::Ok, &[]);
        };
        let who = Who::parse(&user).ok_or(Failure::Usage)?;
        let (address, is_nobody) = match self.user(&who).await {
            // Whose number nobody has goes the same way, and learns no sooner that it was the wrong one.
            Err(Failure::Said(Status::UNKNOWN_USER, ..)) => (Address::new(&format!("wv:{who}@{}", self.home())), true),
            named => (named?, false),
        };
        match self.open(address, password).await {
            // Nobody registers a number by a password.
            Err(Failure::Service(Error::BadParameter(_))) if is_nobody => {
                Err(self.login_failed(Error::WrongPassword.into()))
            }
            Ok(count) => {
                let name = self.person()?.session.user.id.local().to_owned();
                self.ok(Say::Hello, &[&name, &count.to_string()])
            }
            Err(failure) => Err(self.login_failed(failure)),
        }
    }

    /// Whether passwords are taken from this address still: lines that are open are no way around that.
    fn check_address(&mut self) -> Result<(), Failure> {
        if !self.clp.is_refused(self.peer) {
            return Ok(());
        }
        self.next = Next::Close;
        Err(Failure::Said(Status::UNAUTHORIZED, Say::NotFromHere, String::new()))
    }

    /// A login failed; too many of them end the line.
    fn login_failed(&mut self, failure: Failure) -> Failure {
        if !matches!(failure, Failure::Service(Error::WrongPassword | Error::TooManyFailures(_))) {
            return failure;
        }
        self.clp.failed(self.peer);
        self.failures += 1;
        if self.failures >= self.clp.config().login_failures {
            self.next = Next::Close;
            return Failure::Said(Status::UNAUTHORIZED, Say::WrongTooOften, self.failures.to_string());
        }
        failure
    }

    /// Opens a session. How many messages wait.
    async fn open(&mut self, address: Address, password: Box<str>) -> Result<u32, Failure> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|_| Error::BadParameter("no random numbers"))?;
        let client = ClientId::of_url(&format!("{CLIENT}{:016x}", u64::from_be_bytes(random)));
        let idle = u32::try_from(self.clp.config().idle.as_secs()).unwrap_or(u32::MAX);
        let attempt = LoginAttempt {
            user: Some(address),
            client,
            application: None,
            password: Some(Secret::new(password)),
            digest: None,
            schemas: Vec::new(),
            // The line is closed before that.
            time_to_live: Some(idle.saturating_add(60)),
            cookie: Box::default(),
            resume: None,
            version: Version::V1_2,
            responses: Vec::new(),
            language: None,
            msisdn: None,
            from: Some(self.peer),
        };
        let services = self.services().clone();
        let session = match services.access().login(attempt).await? {
            LoginOutcome::Opened { session, .. } => session,
            LoginOutcome::Challenge { .. } => return Err(Error::WrongPassword.into()),
        };
        session.set_address(Some(self.peer));
        let link = self.link.clone();
        session.link(move || link);
        let terminal = match services.terminals().of(&session).await {
            Ok(terminal) => terminal,
            Err(error) => {
                let _ = services.access().logout(&session).await;
                return Err(error.into());
            }
        };
        let settings = services.terminals().settings(&terminal);
        self.language = language::of_code(settings.language.as_deref());
        self.person = Some(Person { session: session.clone(), terminal });
        if let Err(error) = services.access().negotiate_capabilities(&session, self.capabilities(&settings)).await {
            self.log_out().await?;
            return Err(error.into());
        }
        self.offset = self.zone().await;
        self.link.poke();
        // He is logged in, whatever can be said of what waits.
        Ok(services.im().message_count(&session, None).await.unwrap_or_default())
    }

    /// What a line can do.
    fn capabilities(&self, settings: &TerminalSettings) -> CapabilityList {
        let config = self.clp.config();
        let text = AcceptedContentType {
            content_type: "text/plain".into(),
            rich_length: None,
            policy: None,
            policy_limit: None,
        };
        let delivery = if settings.push { DeliveryMethod::Push } else { DeliveryMethod::Notify };
        CapabilityList {
            client_type: Some(ClientType::Cli),
            initial_delivery_method: Some(delivery),
            any_content: Some(false),
            content_types: vec![text],
            charsets: vec![UTF_8],
            push_length: Some(config.push_length),
            pull_length: Some(config.pull_length),
            text_content_length: Some(config.pull_length),
            parser_size: Some(PARSER_SIZE),
            default_language: settings.language.clone(),
            ..CapabilityList::default()
        }
    }

    /// Ends the session, if there is one.
    pub(crate) async fn log_out(&mut self) -> Result<(), Error> {
        self.talk = None;
        self.search = None;
        self.pages = Pages::default();
        self.recent = Recent::default();
        match self.person.take() {
            Some(person) if !person.session.is_closed() => self.services().access().logout(&person.session).await,
            _ => Ok(()),
        }
    }

    /// The server stops: whoever is there learns it, and his session ends.
    pub(crate) async fn hang_up(&mut self) {
        if let Err(error) = self.log_out().await {
            tracing::debug!(%error, "the session of a line is left to end by itself");
        }
    }

    async fn who_am_i(&self) -> Outcome {
        let person = self.person()?;
        let me = &person.session.user.id;
        let shown = if self.agreed(Element::GetPresenceRequest).is_ok() {
            let targets = WatchTargets { users: vec![Address::from(me)], contact_lists: Vec::new() };
            let wanted = [Attribute::UserAvailability, Attribute::StatusText].into_iter().collect();
            let found = self.presence_known(&targets, wanted).await?;
            found.first().map(|(_, list)| shown::own_presence(list)).unwrap_or_default()
        } else {
            String::new()
        };
        let count = self.services().im().message_count(&person.session, None).await?;
        let address = shown::address(me.as_str(), "");
        let line = format!("{address} tcp{shown} {}", self.say(Say::New, &[&count.to_string()]));
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(vec![line]))
    }

    /// All commands in a few lines, or one in two.
    fn help(&self, word: Option<&str>) -> Outcome {
        let Some(word) = word else {
            let mut lines = Vec::new();
            for section in Section::ALL {
                let words: Vec<_> =
                    COMMANDS.iter().filter(|row| row.section == *section).map(|row| row.keyword).collect();
                lines.extend(wrapped(&format!("{}: {}", section.name(), words.join(" ")), DATA_MAX));
            }
            return Ok(Reply::ok(self.say(Say::Usage, &["HELP command"])).with(lines));
        };
        let Some(command) = Command::of_word(word) else {
            return Err(Failure::Said(Status::BAD_REQUEST, Say::What, String::new()));
        };
        let row = command.row();
        let short = if row.short.is_empty() { String::new() } else { format!(" ({})", row.short.join(", ")) };
        let lines = vec![format!("{}{short}: {}", row.line(), row.about)];
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(lines))
    }

    /// Shows how the person wants his replies, or changes it.
    async fn set(&mut self, arguments: &Arguments) -> Outcome {
        let person = self.person()?.clone();
        let services = self.services().clone();
        let (key, value) = match arguments.words.as_slice() {
            [] => {
                let settings = services.terminals().settings(&person.terminal);
                return Ok(Reply::ok(self.say(Say::Ok, &[])).with(setting_lines(&settings)));
            }
            [key, value] => (key.to_ascii_lowercase(), value.to_ascii_lowercase()),
            _ => return Err(Failure::Usage),
        };
        if key == "push" {
            self.set_push(on_or_off(&value).ok_or(Failure::Usage)?).await?;
            return self.ok(Say::Ok, &[]);
        }
        let cannot = || match key.as_str() {
            "lang" => Failure::Said(Status::BAD_PARAMETER, Say::Usage, languages()),
            _ => Failure::Usage,
        };
        change(&mut TerminalSettings::default(), &key, &value).ok_or_else(cannot)?;
        let make = |settings: &mut TerminalSettings| {
            let _ = change(settings, &key, &value);
        };
        let changed = services.terminals().set(&person.terminal, make).await?;
        if key == "lang" {
            self.language = language::of_code(changed.language.as_deref());
            services.access().negotiate_capabilities(&person.session, self.capabilities(&changed)).await?;
        }
        self.ok(Say::Ok, &[])
    }

    async fn next_page(&mut self) -> Outcome {
        if self.pages.lines.is_empty() {
            if let Some(found) = self.find_more().await {
                return found;
            }
            return Err(Failure::Said(Status::NOT_FOUND, Say::NoMore, String::new()));
        }
        let person = self.person()?;
        let page = usize::from(self.services().terminals().settings(&person.terminal).page).max(1);
        let count = self.pages.lines.len().min(page);
        let lines: Vec<_> = self.pages.lines.drain(..count).collect();
        self.pages.shown += 1;
        if self.pages.lines.is_empty() {
            self.read = self.pages.read.take();
        }
        let mut reply = Reply::ok(self.say(Say::Ok, &[])).with(lines);
        reply.page = Some((self.pages.shown, self.pages.count)).filter(|_| !self.pages.lines.is_empty());
        Ok(reply)
    }

    fn info(&self) -> Outcome {
        let provider = self.services().access().service_provider();
        let texts = [provider.name, provider.description, provider.url];
        let lines = texts.iter().filter(|text| !text.is_empty()).flat_map(|text| wrapped(text, DATA_MAX)).collect();
        Ok(Reply::ok(self.say(Say::Ok, &[])).with(lines))
    }

    async fn change_password(&mut self, arguments: Arguments) -> Outcome {
        if !self.is_private {
            return Err(Failure::Said(Status::FORBIDDEN, Say::NotWithoutTls, String::new()));
        }
        self.check_address()?;
        let [present, next]: [Box<str>; 2] = arguments.words.try_into().map_err(|_| Failure::Usage)?;
        let me = self.person()?.session.user.id.clone();
        let (present, next) = (Secret::new(present), Secret::new(String::from(next)));
        let changed =
            self.services().access().change_password(me.as_str(), &present, Some(next), false, Some(self.peer)).await;
        match changed {
            Ok(_) => self.ok(Say::Ok, &[]),
            Err(error) => Err(self.login_failed(error.into())),
        }
    }
}

fn on_or_off(value: &str) -> Option<bool> {
    match value {
        "on" | "y" | "yes" => Some(true),
        "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// How the language is set, and which ones there are.
fn languages() -> String {
    let codes: Vec<_> = Language::ALL.iter().map(|language| language.code()).collect();
    format!("SET lang {}", codes.join("/"))
}

fn word(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

fn setting_lines(settings: &TerminalSettings) -> Vec<String> {
    let number = |number: u16| if number == 0 { "off".to_owned() } else { number.to_string() };
    let quiet = settings.quiet.map_or_else(|| "off".to_owned(), |(from, to)| format!("{from}-{to}"));
    vec![
        format!("push {}", word(settings.push)),
        format!("report {}", word(settings.report)),
        format!("pages {}", settings.pages),
        format!("page {}", number(settings.page)),
        format!("codes {}", word(settings.codes)),
        format!("lang {}", settings.language.as_deref().unwrap_or("eng")),
        format!("quiet {quiet}"),
        format!("auto {}", word(settings.auto)),
        format!("presence {}", word(settings.presence)),
    ]
}

/// Changes one of the settings; none where it cannot have this value.
fn change(settings: &mut TerminalSettings, key: &str, value: &str) -> Option<()> {
    match key {
        "report" => settings.report = on_or_off(value)?,
        "codes" => settings.codes = on_or_off(value)?,
        "auto" => settings.auto = on_or_off(value)?,
        "presence" => settings.presence = on_or_off(value)?,
        "pages" => settings.pages = value.parse().ok().filter(|pages| (1..=5).contains(pages))?,
        "page" if value == "off" => settings.page = 0,
        "page" => settings.page = value.parse().ok().filter(|page| *page <= PAGE_MAX)?,
        "lang" => settings.language = Some(Language::parse(value)?.code().into()),
        "quiet" if value == "off" => settings.quiet = None,
        "quiet" => {
            let (from, to) = value.split_once('-')?;
            let hour = |text: &str| text.parse::<u8>().ok().filter(|hour| *hour < 24);
            settings.quiet = Some((hour(from)?, hour(to)?));
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_what_they_can() {
        let set = |key, value| {
            let mut settings = TerminalSettings::default();
            change(&mut settings, key, value).map(|()| settings)
        };
        assert_eq!(set("quiet", "22-7").unwrap().quiet, Some((22, 7)));
        assert_eq!(set("lang", "de").unwrap().language.as_deref(), Some("deu"));
        assert_eq!(set("page", "40").unwrap().page, 40);
        assert_eq!(set("pages", "5").unwrap().pages, 5);
        for (key, value) in
            [("pages", "6"), ("pages", "0"), ("quiet", "24-1"), ("lang", "tlh"), ("report", "maybe"), ("x", "on")]
        {
            assert!(set(key, value).is_none(), "{key} {value}");
        }
        assert_eq!(setting_lines(&set("page", "40").unwrap()).get(3).map(String::as_str), Some("page 40"));
    }
}

//! The dialogue with one person: a line in, a reply out, and what happened meanwhile (CLP 2 to 4).

use std::collections::VecDeque;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use imps_proto::clp::{
    ARGUMENTS_MAX, Arguments, Command, LINE_MAX, Line, ParseError, Reply, Request, Section, TARGETS_MAX, Target,
    Writer, parse,
};
use imps_proto::csp::catalogue::Row;
use imps_proto::element::Element;
use imps_service::access::{Bucket, Rate};
use imps_service::language::{Language, translation};
use imps_service::terminal::Terminal;
use imps_service::{Error, Services, Session, Timestamp};
use imps_types::element::{Recipient, ResultInfo};
use imps_types::{Domain, Status};

use super::recent::Recent;
use super::subject::{self, Subject};
use super::texts::Say;
use super::{Clp, LineLink, shown};

/// A person who is logged in.
#[derive(Clone)]
pub(super) struct Person {
    pub(super) session: Arc<Session>,
    pub(super) terminal: Arc<Terminal>,
}

/// Where the lines go while TALK is on.
pub(super) struct Talk {
    /// As it was named, for the words of a failure.
    pub(super) target: Target,
    /// Who that was then: a name, or a number, may be another's by now.
    pub(super) recipient: Recipient,
    pub(super) since: Timestamp,
}

/// What a reply is not through with.
#[derive(Default)]
pub(super) struct Pages {
    pub(super) lines: VecDeque<String>,
    pub(super) shown: usize,
    pub(super) count: usize,
    /// The message of which it is the text: read when the last page is.
    pub(super) read: Option<Read>,
}

/// A search that has more to tell.
pub(super) struct OpenSearch {
    pub(super) id: Box<str>,
    pub(super) index: Option<u32>,
    pub(super) number: Option<u16>,
}

/// A message whose text is shown. It is delivered when that is written.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(super) id: Box<str>,
    pub(super) number: u16,
}

/// What the binding does after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Reads the next one.
    Go,
    /// Reads a password, without showing it.
    Secret,
    /// Hangs up.
    Close,
}

/// The answer to a line.
pub(crate) struct Turn {
    /// Nothing where nothing was asked.
    pub(crate) reply: Option<Reply>,
    pub(crate) tag: Option<Box<str>>,
    pub(crate) next: Next,
    /// What was shown with it.
    pub(crate) read: Option<Read>,
}

/// Why a command was not carried out.
pub(super) enum Failure {
    /// A service element says so.
    Service(Error),
    /// It concerns single recipients.
    Result(ResultInfo),
    /// The same, of what went to another domain.
    Elsewhere(ResultInfo, Domain),
    /// It is said here: what was typed means nothing.
    Said(Status, Say, String),
    /// It is used otherwise.
    Usage,
}

impl Failure {
    /// The status code, where that alone matters.
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Service(error) => error.status(),
            Self::Result(result) | Self::Elsewhere(result, _) => result.status,
            Self::Said(status, ..) => *status,
            Self::Usage => Status::BAD_PARAMETER,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}

pub(super) type Outcome = Result<Reply, Failure>;

/// The dialogue with one person.
pub(crate) struct Dialogue {
    pub(super) clp: Arc<Clp>,
    pub(super) peer: IpAddr,
    /// Whether a password may be said here.
    pub(super) is_private: bool,
    pub(super) person: Option<Person>,
    pub(super) talk: Option<Talk>,
    pub(super) pages: Pages,
    pub(super) search: Option<OpenSearch>,
    /// The message that the reply shows to its end.
    pub(super) read: Option<Read>,
    /// Whom a line of TALK is for.
    pub(super) talked_to: Option<Recipient>,
    pub(super) recent: Recent,
    pub(super) language: Language,
    /// Minutes that the person's clock is before UTC.
    pub(super) offset: i64,
    /// Who logs in and is asked for his password, and the tag of the line in which he did.
    pub(super) asked: Option<(Box<str>, Option<Box<str>>)>,
    pub(super) failures: u32,
    pub(super) next: Next,
    /// How often something is asked.
    rate: Bucket,
    pub(super) link: Arc<LineLink>,
}

impl Dialogue {
    pub(crate) fn new(clp: Arc<Clp>, peer: IpAddr, is_private: bool) -> Self {
        Self {
            clp,
            peer,
            is_private,
            person: None,
            talk: None,
            pages: Pages::default(),
            search: None,
            read: None,
            talked_to: None,
            recent: Recent::default(),
            language: Language::English,
            offset: 0,
            asked: None,
            failures: 0,
            next: Next::Go,
            rate: Bucket::default(),
            link: Arc::default(),
        }
    }

    pub(crate) fn link(&self) -> &Arc<LineLink> {
        &self.link
    }

    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.person.as_ref().map(|person| &person.session)
    }

    pub(super) fn services(&self) -> &Arc<Services> {
        self.clp.services()
    }

    pub(super) fn person(&self) -> Result<&Person, Failure> {
        self.person.as_ref().ok_or(Failure::Said(Status::UNAUTHORIZED, Say::LogInFirst, String::new()))
    }

    pub(super) fn home(&self) -> &str {
        self.services().router.home().as_str()
    }

    pub(super) fn now(&self) -> u64 {
        self.services().clock.now().seconds()
    }

    pub(super) fn say(&self, say: Say, words: &[&str]) -> String {
        say.with(self.language, words)
    }

    pub(super) fn ok(&self, say: Say, words: &[&str]) -> Outcome {
        Ok(Reply::ok(self.say(say, words)))
    }

    /// The first line of all.
    pub(crate) fn greeting(&self) -> Reply {
        let domain = format!("wv:@{}", self.home());
        Reply::ok(self.say(Say::Greeting, &[&domain]))
    }

    /// What is said to who did not log in.
    pub(crate) fn refusal(&self) -> Reply {
        Reply::new(Status::UNAUTHORIZED, self.say(Say::NoLogin, &[]))
    }

    /// Carries out a line.
    pub(crate) async fn line(&mut self, line: Line) -> Turn {
        self.next = Next::Go;
        (self.read, self.talked_to) = (None, None);
        let text = match line {
            Line::Text(text) => text,
            Line::TooLong => {
                self.asked = None;
                let reply = self.parse_failure(ParseError::TooLong);
                return self.turn(None, Some(reply));
            }
        };
        if let Some((user, tag)) = self.asked.take() {
            if let Err(reply) = self.admit() {
                return self.turn(tag, Some(reply));
            }
            let reply = self.guarded(
                Command::Login,
                Box::new(Arguments { words: vec![user, text.into()], ..Arguments::default() }),
            );
            let reply = reply.await;
            return self.turn(tag, Some(reply));
        }
        let input = parse(&text, self.talk.is_some(), true);
        let request = match input.request {
            Ok(Request::Nothing) => return self.turn(input.tag, None),
            Ok(request) => request,
            Err(error) => {
                let reply = self.parse_failure(error);
                return self.turn(input.tag, Some(reply));
            }
        };
        if let Err(reply) = self.admit() {
            return self.turn(input.tag, Some(reply));
        }
        let (command, arguments) = match request {
            Request::Command(command, arguments) => (command, arguments),
            Request::Text(target, text) => (Command::Msg, to(target, text)),
            Request::Talk(text) => match &mut self.talk {
                Some(talk) => {
                    talk.since = self.clp.services().clock.now();
                    self.talked_to = Some(talk.recipient.clone());
                    (Command::Msg, to(talk.target.clone(), text))
                }
                None => {
                    let reply = self.parse_failure(ParseError::What);
                    return self.turn(input.tag, Some(reply));
                }
            },
            Request::Nothing => return self.turn(input.tag, None),
        };
        let reply = self.guarded(command, arguments).await;
        if self.next == Next::Secret
            && let Some((_, tag)) = &mut self.asked
        {
            tag.clone_from(&input.tag);
            // It is answered when the password is there.
            return self.turn(input.tag, None);
        }
        self.turn(input.tag, Some(reply))
    }

    fn turn(&mut self, tag: Option<Box<str>>, reply: Option<Reply>) -> Turn {
        Turn { reply, tag, next: self.next, read: self.read.take() }
    }

    /// Whether the next line is a password.
    pub(crate) fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// How long TALK stays on if nothing is said.
    pub(crate) fn talk_ends_in(&self) -> Option<Duration> {
        let silent = self.services().clock.now().since(self.talk.as_ref()?.since);
        Some(self.clp.config().talk_idle.saturating_sub(silent))
    }

    /// TALK ends by itself.
    pub(crate) fn end_idle_talk(&mut self, writer: &mut Writer) {
        if self.talk_ends_in().is_some_and(|left| left.is_zero()) {
            self.talk = None;
            writer.event(None, &self.say(Say::TalkOff, &[]));
        }
    }

    /// Whether there is room for one more; else what is said to that.
    fn admit(&self) -> Result<(), Reply> {
        self.room().map_err(|wait| self.failure(Failure::Service(Error::TooManyRequests(wait)), &Subject::default()))
    }

    fn room(&self) -> Result<(), Duration> {
        let services = self.services();
        self.clp.csp.busy().admit(services, Some(self.peer), None)?;
        let limits = self.clp.csp.config().requests;
        let rate = Rate::new(limits.session_rate, Duration::from_secs(1), limits.session_burst);
        if rate.is_unlimited() { Ok(()) } else { self.rate.take(rate, services.clock.now()) }
    }

    /// A defect of the server costs its command, not the line or the session.
    async fn guarded(&mut self, command: Command, arguments: Box<Arguments>) -> Reply {
        let subject = Subject::of(&arguments);
        let metrics = self.services().metrics.clone();
        metrics.clp_commands.up();
        let clp = self.clp.clone();
        let _busy = clp.csp.busy().begin();
        let outcome = AssertUnwindSafe(Box::pin(self.carry_out(command, arguments))).catch_unwind().await;
        match outcome {
            Ok(Ok(reply)) => self.paged(command, reply),
            Ok(Err(Failure::Usage)) => self.parse_failure(ParseError::Usage(command)),
            Ok(Err(failure)) => self.failure(failure, &subject),
            Err(_) => {
                metrics.panics.up();
                tracing::error!(command = command.row().keyword, "a command panicked");
                self.failure(Failure::Result(ResultInfo::of(Status::INTERNAL_ERROR)), &Subject::default())
            }
        }
    }

    async fn carry_out(&mut self, command: Command, arguments: Box<Arguments>) -> Outcome {
        let row = command.row();
        if let Some(person) = &self.person {
            if person.session.is_closed() {
                self.person = None;
                self.next = Next::Close;
                return Err(Failure::Said(Status::NOT_LOGGED_IN, Say::SessionOver, String::new()));
            }
            person.session.touch(self.services().clock.now());
        }
        if self.person.is_none() && !row.before_login {
            return Err(Failure::Said(Status::UNAUTHORIZED, Say::LogInFirst, String::new()));
        }
        if let Some(element) = row.imps {
            self.agreed(element)?;
        }
        if self.person.is_some() {
            self.served(command)?;
        }
        // Each in a box of its own size: whoever waits for one of them holds no more than a pointer.
        match row.section {
            Section::Access => Box::pin(self.access(command, *arguments)).await,
            Section::Presence => Box::pin(self.presence(command, *arguments)).await,
            Section::Lists => Box::pin(self.lists(command, *arguments)).await,
            Section::Messages => Box::pin(self.messages(command, *arguments)).await,
            Section::Groups => Box::pin(self.groups(command, *arguments)).await,
            Section::Invitations => Box::pin(self.invitations(command, *arguments)).await,
        }
    }

    /// Whether this user has the function by which a transaction is refused to others.
    pub(super) fn agreed(&self, element: Element) -> Result<(), Failure> {
        let Some(person) = &self.person else { return Ok(()) };
        let Some(function) = Row::of_client(element).and_then(|row| row.function) else { return Ok(()) };
        if self.services().access().off_for(&person.session).contains(function) {
            return Err(Failure::Said(Status::SERVICE_NOT_SUPPORTED, Say::NotOffered, String::new()));
        }
        Ok(())
    }

    /// Cuts a reply into pages, if the person wants it in pages.
    fn paged(&mut self, command: Command, mut reply: Reply) -> Reply {
        let Some(person) = &self.person else { return reply };
        let page = usize::from(self.services().terminals().settings(&person.terminal).page);
        if page == 0 || reply.lines.len() <= page || reply.page.is_some() {
            return reply;
        }
        if !matches!(command, Command::Find | Command::More) {
            // MORE is about this from now on.
            self.drop_search();
        }
        let count = reply.lines.len().div_ceil(page);
        let read = self.read.take();
        self.pages = Pages { lines: reply.lines.split_off(page).into(), shown: 1, count, read };
        reply.page = Some((1, count));
        reply
    }

    pub(super) fn parse_failure(&self, error: ParseError) -> Reply {
        let (status, text) = match error {
            ParseError::What => (Status::BAD_REQUEST, self.say(Say::What, &[])),
            ParseError::Usage(command) => (Status::BAD_PARAMETER, self.say(Say::Usage, &[&command.row().line()])),
            ParseError::NoText => (Status::BAD_PARAMETER, self.say(Say::NoText, &[])),
            ParseError::TooLong => {
                let most = [LINE_MAX, TARGETS_MAX, ARGUMENTS_MAX].map(|most| most.to_string());
                (Status::BAD_PARAMETER, self.say(Say::TooLong, &most.each_ref().map(|most| most.as_str())))
            }
        };
        Reply::new(status, text)
    }

    /// A failure in words. `subject`: whom or what the command was about.
    pub(super) fn failure(&self, failure: Failure, subject: &Subject) -> Reply {
        match failure {
            Failure::Service(error) => {
                let text = match &error {
                    // What the store says is for the operator.
                    Error::Store(why) => {
                        self.services().metrics.store_failures.up();
                        tracing::warn!(%why, "command failed");
                        "the server cannot take this now, try again later".to_owned()
                    }
                    other => other.to_string(),
                };
                let status = error.status();
                Reply::new(status, self.text_of(status, &subject.named(status), &text))
            }
            Failure::Result(result) => self.refused(&result, subject, None),
            Failure::Elsewhere(result, domain) => self.refused(&result, subject, Some(&domain)),
            Failure::Said(status, say, word) => Reply::new(status, self.say(say, &[&word])),
            Failure::Usage => Reply::new(Status::BAD_PARAMETER, self.say(Say::What, &[])),
        }
    }

    /// What is not done, and for whom. `asked`: the domain that was to do it, if it was not this one.
    fn refused(&self, result: &ResultInfo, subject: &Subject, asked: Option<&Domain>) -> Reply {
        let refused = shown::refused(result, self.home());
        let single = result.detailed.first().filter(|_| result.detailed.len() == 1);
        let status = single.map_or(result.status, |one| one.status);
        let (whole, plain) = (subject.named(status), status.text());
        // Somebody in a group is not there because the group is not.
        let through = single.and_then(|one| one.screen_names.first()).filter(|_| subject::is_of_group(status));
        let named = match through {
            Some(name) => self.group_shown(name.group_id.as_str()),
            None => refused.rsplit_once(' ').map_or(whole.to_string(), |(name, _)| name.to_owned()),
        };
        if let Some(domain) = asked
            && let Some(text) =
                self.text_of_domain(status, named.rsplit_once('@').map_or(domain.as_str(), |(_, it)| it))
            && (single.is_some() || refused.is_empty())
        {
            return Reply::new(status, text);
        }
        let text = match single {
            Some(_) if !refused.contains(", ") => self.text_of(status, &named, plain),
            _ if refused.is_empty() => self.text_of(status, &whole, plain),
            _ => self.say(Say::Not, &[&self.text_of(status, "", plain), &refused]),
        };
        Reply::new(status, text)
    }

    /// The text of a failure for which a domain is to blame.
    fn text_of_domain(&self, status: Status, domain: &str) -> Option<String> {
        let say = match status {
            Status::DOMAIN_NOT_SUPPORTED => Say::CannotReach,
            Status::SERVICE_NOT_AGREED => Say::NotAgreed,
            Status::SERVER_UNAVAILABLE => Say::NoAnswer,
            _ => return None,
        };
        Some(self.say(say, &[domain]))
    }

    /// The text of a failure: the short ones of CLP 6.7, else what the server says in the person's language.
    pub(super) fn text_of(&self, status: Status, subject: &str, english: &str) -> String {
        let say = match status {
            Status::INVALID_PASSWORD => Say::WrongPassword,
            Status::UNKNOWN_USER if !subject.is_empty() => Say::NoUser,
            Status::MESSAGE_RECIPIENT_NOT_LOGGED_IN if !subject.is_empty() => Say::Offline,
            Status::RECIPIENT_BLOCKED_THE_SENDER if !subject.is_empty() => Say::Blocks,
            Status::NOT_LOGGED_IN => Say::SessionOver,
            Status::UNKNOWN_CONTACT_LIST if !subject.is_empty() => Say::NoList,
            Status::GROUP_DOES_NOT_EXIST if !subject.is_empty() => Say::NoGroup,
            Status::GROUP_IS_NOT_JOINED if !subject.is_empty() => Say::JoinFirst,
            Status::REJECTED => Say::Banned,
            Status::SCREEN_NAME_ALREADY_IN_USE => Say::NickTaken,
            Status::INSUFFICIENT_GROUP_PRIVILEGES => Say::NotAllowed,
            _ => {
                // Of a domain that cannot be reached, or was not agreed with, the domain is of interest.
                let is_known = matches!(status, Status::DOMAIN_NOT_SUPPORTED | Status::SERVICE_NOT_AGREED);
                let domain = subject.rsplit_once('@').filter(|_| is_known).map(|(_, domain)| domain);
                let of_domain = domain.and_then(|domain| self.text_of_domain(status, domain));
                let translated = || translation(self.language, status, english).map(str::to_owned);
                return of_domain.or_else(translated).unwrap_or_else(|| english.to_owned());
            }
        };
        self.say(say, &[subject])
    }

    /// The result of something that may have succeeded in part.
    pub(super) fn result(&self, result: ResultInfo, say: Say, words: &[&str]) -> Outcome {
        if !result.status.is_success() {
            return Err(Failure::Result(result));
        }
        let said = shown::partly(self.say(say, words), &result, self.language, self.home());
        Ok(Reply::new(result.status, said))
    }
}

/// A message to one target.
fn to(target: Target, text: String) -> Box<Arguments> {
    Box::new(Arguments { targets: vec![target], text: Some(text), ..Arguments::default() })
}

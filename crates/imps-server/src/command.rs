//! What an operator can ask for, as data: carried out in the running server, or in the command's own process when no
//! server runs. One function for both.

use std::fmt;
use std::path::PathBuf;

use imps_service::access::{InviteCode, PersonChange, PhonePassword, UserSummary};
use imps_service::{Error, Services, Session, Timestamp};
use imps_types::service_tree::FunctionSet;
use imps_types::{Address, Domain, Secret, SessionId, Status, UserId};
use serde::{Deserialize, Serialize};

use crate::backup::{self, About};
use crate::wire::Node;

/// A password on its way to the services: shown by nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(..)")
    }
}

/// A user as an operator writes it: `alice`, `wv:alice@example.org`, and the domain beside it if it was named.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) domain: Option<String>,
}

/// What is to become of a phone password.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phone {
    Generate,
    Set(Hidden),
    Revoke,
}

/// An operator's wish.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Command {
    UserAdd {
        who: Who,
        password: Option<Hidden>,
        phone: Phone,
    },
    UserList {
        after: Option<String>,
    },
    UserShow {
        who: Who,
    },
    UserPasswd {
        who: Who,
        password: Hidden,
    },
    UserPhonePassword {
        who: Who,
        phone: Phone,
    },
    UserBar {
        who: Who,
        barred: bool,
    },
    /// Functions of the service tree that the user does not have.
    UserServices {
        who: Who,
        without: String,
    },
    UserRemove {
        who: Who,
    },
    /// Who the person behind an account is, for those who search.
    UserSet {
        who: Who,
        person: Person,
    },
    SessionList {
        who: Option<Who>,
        after: Option<String>,
    },
    SessionShow {
        id: String,
    },
    /// Calls the client of a session now.
    SessionPoke {
        id: String,
    },
    SessionClose {
        id: String,
    },
    SessionCloseAll {
        who: Who,
    },
    MessageList {
        who: Option<Who>,
        after: Option<String>,
        limit: usize,
    },
    /// The service says something to its users.
    Broadcast(crate::broadcast::Wish),
    /// What the service has said.
    Broadcasts,
    /// What was answered to it.
    BroadcastAnswers {
        number: u32,
        after: Option<String>,
    },
    /// Nobody is told it any more.
    BroadcastEnd {
        number: u32,
        forget: bool,
    },
    /// A code with which users register themselves.
    InviteCreate {
        uses: u32,
        /// Seconds.
        valid: u64,
        note: String,
    },
    InviteList,
    InviteRevoke {
        code: String,
    },
    /// A verified copy of everything in a new folder.
    Backup {
        to: PathBuf,
    },
    /// A backup is put in place, and the server starts anew.
    Restore {
        from: PathBuf,
    },
    /// What distinguishes this run of the server from others.
    Life,
    /// Groups.
    Group(crate::group::Wish),
    /// Other domains.
    Peer(crate::federation::Wish),
    /// Contact lists of a user; with their members where one is named.
    Lists {
        who: Who,
        list: Option<String>,
    },
    /// The block list and the grant list of a user.
    Blocking {
        who: Who,
    },
    /// Everything that is counted.
    Statistics,
    /// Which address is listened on, and whether the store is sound; for `doctor`.
    Check,
}

impl Command {
    /// Whether it seals a password, so that the key must be the right one.
    pub(crate) fn needs_key(&self) -> bool {
        match self {
            Self::UserAdd { phone, .. } | Self::UserPhonePassword { phone, .. } => *phone != Phone::Revoke,
            Self::Check => true,
            _ => false,
        }
    }
}

/// What is to change of a person: nothing said leaves it, nothing in it takes it away.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) mobile_number: Option<String>,
    pub(crate) searchable: Option<bool>,
}

/// A user, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct UserView {
    pub(crate) user: String,
    pub(crate) password: bool,
    pub(crate) phone_password: bool,
    pub(crate) barred: bool,
    pub(crate) created: String,
    pub(crate) sessions: usize,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) mobile_number: Option<String>,
    pub(crate) searchable: bool,
    /// What the user tells everybody, by property.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<std::collections::BTreeMap<String, String>>,
    /// Functions of the service tree that the user does not have.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) without: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) messages: Option<usize>,
}

/// A code with which users register themselves, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InviteView {
    pub(crate) code: String,
    pub(crate) left: u32,
    pub(crate) created: String,
    pub(crate) expires: String,
    pub(crate) note: String,
    pub(crate) used_by: Vec<String>,
}

/// A session, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SessionView {
    pub(crate) session: String,
    pub(crate) user: String,
    pub(crate) client: String,
    pub(crate) version: String,
    pub(crate) opened: String,
    /// Absent when no server runs: then nobody was heard of.
    pub(crate) last_seen: Option<String>,
    pub(crate) time_to_live: u32,
    pub(crate) waiting: usize,
    pub(crate) delivery: String,
    pub(crate) push_length: u32,
    pub(crate) parser_size: u32,
    pub(crate) language: Option<String>,
    /// Absent when no server runs, or the client was not heard of since it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channels: Option<ChannelsView>,
    /// The ways of being called that were agreed upon, in the client's order.
    #[serde(default)]
    pub(crate) call_methods: Vec<String>,
}

/// How a client is reached, for people and scripts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChannelsView {
    /// What carried its last message: http, https, websocket; the encoding, when, and what it got.
    pub(crate) data: Option<String>,
    pub(crate) data_form: Option<String>,
    pub(crate) data_at: Option<String>,
    pub(crate) data_result: Option<String>,
    /// Where its last message came from.
    pub(crate) address: Option<String>,
    /// How it was called last: tcp, udp, http; when, and what came of it.
    pub(crate) call: Option<String>,
    pub(crate) call_at: Option<String>,
    pub(crate) call_result: Option<String>,
    /// What is connected, or waits, right now.
    pub(crate) open: Vec<String>,
    /// Whether it was told that something waits and has not polled since.
    pub(crate) told: bool,
}

/// A message that waits, without its content.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MessageView {
    pub(crate) message: String,
    pub(crate) user: String,
    pub(crate) kind: String,
    pub(crate) size: u64,
    pub(crate) expires: String,
}

/// A contact list, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ListView {
    pub(crate) list: String,
    pub(crate) name: String,
    pub(crate) default: bool,
    pub(crate) members: Vec<MemberView>,
}

/// Somebody on a contact list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MemberView {
    pub(crate) user: String,
    pub(crate) name: Option<String>,
}

/// A block list or a grant list, for people and scripts.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EntitiesView {
    pub(crate) in_use: bool,
    pub(crate) entities: Vec<String>,
}

/// Something that is counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) meaning: String,
    pub(crate) value: u64,
}

/// What came of a wish.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The user, and the phone password if there is a new one.
    Account {
        user: String,
        phone_password: Option<Hidden>,
    },
    Users {
        users: Vec<UserView>,
        next: Option<String>,
    },
    Sessions {
        sessions: Vec<SessionView>,
        next: Option<String>,
        running: bool,
    },
    Messages {
        messages: Vec<MessageView>,
        next: Option<String>,
    },
    Closed {
        sessions: usize,
    },
    Invites {
        codes: Vec<InviteView>,
    },
    Broadcasts {
        broadcasts: Vec<crate::broadcast::BroadcastView>,
    },
    BroadcastAnswers {
        answers: Vec<crate::broadcast::AnswerView>,
        next: Option<String>,
    },
    /// How a client was called; absent: there is no way to call it.
    Poked {
        call: Option<String>,
        failure: Option<String>,
    },
    BackedUp(About),
    /// The server starts anew with so many rows; `life` is what it is now.
    Restoring {
        rows: std::collections::BTreeMap<String, u64>,
        life: u64,
    },
    Life {
        life: u64,
    },
    Groups {
        groups: Vec<crate::group::GroupView>,
        next: Option<String>,
    },
    GroupRemoved {
        group: String,
    },
    Peers {
        peers: Vec<crate::federation::PeerView>,
        running: bool,
    },
    PeerTested {
        steps: Vec<crate::federation::StepView>,
    },
    PeerRemoved {
        domain: String,
    },
    PeerRoutes {
        lines: Vec<crate::federation::ServiceView>,
    },
    Lists {
        lists: Vec<ListView>,
    },
    Blocking {
        block: EntitiesView,
        grant: EntitiesView,
    },
    Statistics {
        figures: Vec<Figure>,
    },
    Checked {
        listen: Option<String>,
        https: Option<String>,
        cir: Option<String>,
        process: u32,
        problems: Vec<String>,
        key_fits: Option<bool>,
    },
}

/// Why a wish was refused, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    fn of(error: &Error, user: &UserId, home: &Domain) -> Self {
        let name = user.local();
        match error {
            Error::UnknownUser => Self::new(format!("there is no user {user}"))
                .hint(format!("`hamlet user list` shows who is there, `hamlet user add {name}` adds one")),
            Error::UserExists => Self::new(format!("there is a user {user} already"))
                .hint(format!("`hamlet user passwd {name}` sets another password")),
            Error::ForeignDomain => {
                Self::new(format!("{user} is of the domain {}, and this server is {home}", user.domain())).hint(
                    format!(
                        "name the user without a domain, or serve that domain: hamlet serve --domain {}",
                        user.domain()
                    ),
                )
            }
            other => Self::from(other.clone()),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let failure = Self::new(error.to_string());
        if matches!(error, Error::Store(_)) { failure.hint("`hamlet doctor` looks at disk and store") } else { failure }
    }
}

/// Rows of one answer: it travels as one line.
pub(crate) const PAGE: usize = 500;

/// Carries a wish out.
pub(crate) async fn run(node: &Node, command: Command) -> Result<Outcome, Failure> {
    let services = &*node.services;
    let access = services.access();
    match command {
        Command::UserAdd { who, password, phone } => {
            let user = find(services, &who)?;
            let password = password.map(|password| Secret::new(password.0));
            let made = access
                .add_user(&user, password, wish(phone))
                .await
                .map_err(|error| refused(&error, &user, services))?;
            Ok(account(&user, made))
        }
        Command::UserList { after } => {
            let after = after.as_deref().map(UserId::from_canonical);
            let users = access.list_users(after.as_ref(), PAGE).await?;
            let next = users.last().filter(|_| users.len() == PAGE).map(|last| last.id.to_string());
            Ok(Outcome::Users { users: users.iter().map(user_view).collect(), next })
        }
        Command::UserShow { who } => {
            let user = find(services, &who)?;
            let summary = access.user_summary(&user).await.map_err(|error| refused(&error, &user, services))?;
            let messages = services.im().waiting_messages(&user, None, usize::MAX).await?.len();
            let profile = services.common().profile_of(&user).await?;
            let profile = profile.properties.into_iter();
            let profile = profile.map(|one| (one.name.into(), one.value.unwrap_or_default().into())).collect();
            let view = UserView { messages: Some(messages), profile: Some(profile), ..user_view(&summary) };
            Ok(Outcome::Users { users: vec![view], next: None })
        }
        Command::UserPasswd { who, password } => {
            let user = find(services, &who)?;
            let set = access.set_password(&user, Secret::new(password.0)).await;
            set.map_err(|error| refused(&error, &user, services))?;
            Ok(account(&user, None))
        }
        Command::UserPhonePassword { who, phone } => {
            let user = find(services, &who)?;
            let made = access.set_phone_password(&user, wish(phone)).await;
            Ok(account(&user, made.map_err(|error| refused(&error, &user, services))?))
        }
        Command::UserBar { who, barred } => {
            let user = find(services, &who)?;
            access.set_barred(&user, barred).await.map_err(|error| refused(&error, &user, services))?;
            Ok(account(&user, None))
        }
        Command::UserServices { who, without } => {
            let user = find(services, &who)?;
            let without = FunctionSet::parse(&without).map_err(|word| {
                Failure::new(format!("`{word}` is no function of the service tree"))
                    .hint("names are those of the specification, such as GroupFeat, SearchFunc or EXCON")
            })?;
            access.set_refused(&user, without).await.map_err(|error| refused(&error, &user, services))?;
            Ok(account(&user, None))
        }
        Command::UserRemove { who } => {
            let user = find(services, &who)?;
            access.remove_user(&user).await.map_err(|error| refused(&error, &user, services))?;
            Ok(account(&user, None))
        }
        Command::UserSet { who, person } => {
            let user = find(services, &who)?;
            let Person { first_name, last_name, email, mobile_number, searchable } = person;
            let change = PersonChange { first_name, last_name, email, mobile_number, searchable };
            access.set_person(&user, &change).await.map_err(|error| refused(&error, &user, services))?;
            Ok(account(&user, None))
        }
        Command::SessionList { who, after } => {
            let user = who.map(|who| find(services, &who)).transpose()?;
            Ok(session_page(node, user.as_ref(), after.as_deref()))
        }
        Command::SessionShow { id } => {
            let session = session(services, &id)?;
            Ok(Outcome::Sessions {
                sessions: vec![session_view(&session, node.is_running)],
                next: None,
                running: node.is_running,
            })
        }
        Command::SessionPoke { id } => {
            let session = session(services, &id)?;
            Ok(poke(&session))
        }
        Command::SessionClose { id } => {
            let session = session(services, &id)?;
            access.disconnect(&session, Status::FORCED_LOGOUT, CLOSED).await?;
            Ok(Outcome::Closed { sessions: 1 })
        }
        Command::SessionCloseAll { who } => {
            let user = find(services, &who)?;
            let state = services.user(&user).await.map_err(|error| refused(&error, &user, services))?;
            let sessions = state.sessions();
            for session in &sessions {
                access.disconnect(session, Status::FORCED_LOGOUT, CLOSED).await?;
            }
            Ok(Outcome::Closed { sessions: sessions.len() })
        }
        Command::MessageList { who: Some(who), limit, .. } => {
            let user = find(services, &who)?;
            access.user_summary(&user).await.map_err(|error| refused(&error, &user, services))?;
            Ok(Outcome::Messages { messages: messages(services, &user, limit).await?, next: None })
        }
        Command::MessageList { who: None, after, limit } => everybodys_messages(services, after, limit).await,
        Command::Group(wish) => crate::group::run(services, wish).await,
        Command::Peer(wish) => crate::federation::run(node, wish).await,
        Command::Broadcast(wish) => crate::broadcast::make(services, wish).await,
        Command::Broadcasts => Ok(crate::broadcast::all(services)),
        Command::BroadcastAnswers { number, after } => crate::broadcast::answers(services, number, after).await,
        Command::BroadcastEnd { number, forget } => crate::broadcast::end(services, number, forget).await,
        Command::InviteCreate { uses, valid, note } => {
            let code = access.create_invite_code(uses, std::time::Duration::from_secs(valid), &note).await?;
            Ok(Outcome::Invites { codes: vec![invite_view(&code)] })
        }
        Command::InviteList => {
            Ok(Outcome::Invites { codes: access.invite_codes().await?.iter().map(invite_view).collect() })
        }
        Command::InviteRevoke { code } => {
            access.revoke_invite_code(&code).await.map_err(|error| match error {
                Error::BadInviteCode => {
                    Failure::new(format!("there is no code {code}")).hint("`hamlet invite list` shows which there are")
                }
                other => other.into(),
            })?;
            Ok(Outcome::Invites { codes: access.invite_codes().await?.iter().map(invite_view).collect() })
        }
        Command::Backup { to } => backup::make(node, &to).await.map(Outcome::BackedUp),
        Command::Restore { from } => restore(node, from).await,
        Command::Life => Ok(Outcome::Life { life: node.life }),
        Command::Lists { who, list } => {
            let user = find(services, &who)?;
            let state = services.user(&user).await.map_err(|error| refused(&error, &user, services))?;
            let lists = lists(&state, list.as_deref())?;
            Ok(Outcome::Lists { lists })
        }
        Command::Blocking { who } => {
            let user = find(services, &who)?;
            let blocking = services.im().blocking(&user).await.map_err(|error| refused(&error, &user, services))?;
            Ok(Outcome::Blocking { block: entities(&blocking.block), grant: entities(&blocking.grant) })
        }
        Command::Statistics => Ok(Outcome::Statistics { figures: figures(services) }),
        Command::Check => check(node).await,
    }
}

/// The server stops when the answer is on its way, and starts anew with the backup.
async fn restore(node: &Node, from: PathBuf) -> Result<Outcome, Failure> {
    let data = node.engine.path().parent().map(std::path::Path::to_owned).unwrap_or_default();
    let staged = tokio::task::spawn_blocking(move || backup::stage(&from, &data)).await;
    let rows = staged.map_err(|error| Failure::new(error.to_string()))??;
    node.begin_anew.send_replace(true);
    Ok(Outcome::Restoring { rows, life: node.life })
}

fn lists(state: &imps_service::user::UserState, only: Option<&str>) -> Result<Vec<ListView>, Failure> {
    let inner = state.lock();
    let is_meant = |id: &str| {
        only.is_none_or(|only| {
            let only = only.to_ascii_lowercase();
            id == only || id.split_once('/').is_some_and(|(_, rest)| rest.split('@').next() == Some(&*only))
        })
    };
    let found: Vec<ListView> = inner
        .lists
        .iter()
        .filter(|list| is_meant(list.id.as_str()))
        .map(|list| ListView {
            list: list.id.to_string(),
            name: list.display_name.to_string(),
            default: list.is_default,
            members: list
                .members
                .iter()
                .map(|one| MemberView { user: one.user.to_string(), name: one.name.as_deref().map(str::to_owned) })
                .collect(),
        })
        .collect();
    match only {
        Some(name) if found.is_empty() => Err(Failure::new(format!("{} has no contact list {name}", state.id))
            .hint(format!("`hamlet list show {}` shows which there are", state.id.local()))),
        _ => Ok(found),
    }
}

fn entities(list: &imps_service::im::Entities) -> EntitiesView {
    EntitiesView { in_use: list.in_use, entities: list.iter().map(ToString::to_string).collect() }
}

fn figures(services: &Services) -> Vec<Figure> {
    let rows = services.metrics.rows().into_iter();
    let of_services =
        rows.map(|(name, _, meaning, value)| Figure { name: name.to_owned(), meaning: meaning.to_owned(), value });
    let engine = services.store.gauges().into_iter().map(|(name, value)| Figure {
        name: format!("hamlet_store_{name}"),
        meaning: "As the storage engine shows it".to_owned(),
        value,
    });
    of_services.chain(engine).collect()
}

/// What the client of a closed session is told.
const CLOSED: &str = "closed by the operator";

fn refused(error: &Error, user: &UserId, services: &Services) -> Failure {
    Failure::of(error, user, services.router.home())
}

/// A user of ours.
pub(crate) fn find(services: &Services, who: &Who) -> Result<UserId, Failure> {
    let user = named(services, who)?;
    services.router.local_user(&Address::from(&user)).map_err(|error| refused(&error, &user, services))
}

/// A user, of whatever domain.
pub(crate) fn named(services: &Services, who: &Who) -> Result<UserId, Failure> {
    let text = match &who.domain {
        Some(domain) if !who.name.contains('@') => format!("{}@{domain}", who.name),
        _ => who.name.clone(),
    };
    let user = UserId::parse(&text, services.router.home()).map_err(|error| {
        Failure::new(format!("`{text}` is no user: {error}")).hint("write alice, or wv:alice@example.org")
    })?;
    if let Some(domain) = &who.domain {
        let named = Domain::parse(domain).map_err(|error| Failure::new(format!("`{domain}` is no domain: {error}")))?;
        if named.as_str() != user.domain() {
            return Err(Failure::new(format!("the user is {user}, and the domain that is named beside it is {named}")));
        }
    }
    Ok(user)
}

fn wish(phone: Phone) -> PhonePassword {
    match phone {
        Phone::Generate => PhonePassword::Generate,
        Phone::Set(password) => PhonePassword::Set(Secret::new(password.0)),
        Phone::Revoke => PhonePassword::None,
    }
}

fn account(user: &UserId, phone_password: Option<String>) -> Outcome {
    Outcome::Account { user: user.to_string(), phone_password: phone_password.map(Hidden) }
}

fn invite_view(code: &InviteCode) -> InviteView {
    InviteView {
        code: code.code.to_string(),
        left: code.left,
        created: moment(code.created),
        expires: moment(code.expires),
        note: code.note.to_string(),
        used_by: code.used_by.iter().map(ToString::to_string).collect(),
    }
}

fn user_view(summary: &UserSummary) -> UserView {
    UserView {
        user: summary.id.to_string(),
        password: summary.has_password,
        phone_password: summary.has_phone_password,
        barred: summary.barred,
        created: moment(Timestamp(summary.created.saturating_mul(1000))),
        sessions: summary.sessions,
        first_name: summary.person.first_name.as_deref().map(str::to_owned),
        last_name: summary.person.last_name.as_deref().map(str::to_owned),
        email: summary.person.email.as_deref().map(str::to_owned),
        mobile_number: summary.person.mobile_number.as_deref().map(str::to_owned),
        searchable: summary.person.searchable,
        profile: None,
        without: summary.refused.names(),
        messages: None,
    }
}

fn session(services: &Services, id: &str) -> Result<std::sync::Arc<Session>, Failure> {
    SessionId::parse(id).and_then(|id| services.sessions.find(&id)).ok_or_else(|| {
        Failure::new(format!("there is no session {id}")).hint("`hamlet session list` shows the sessions that are open")
    })
}

/// Those of clients: guests speak through their domains, which `hamlet peer` shows.
fn session_page(node: &Node, user: Option<&UserId>, after: Option<&str>) -> Outcome {
    let mut sessions = node.services.sessions.all();
    sessions.retain(|one| {
        !one.user.is_guest
            && user.is_none_or(|user| one.user.id == *user)
            && after.is_none_or(|after| one.id.as_str() > after)
    });
    sessions.sort_unstable_by_key(|session| session.id);
    let is_more = sessions.len() > PAGE;
    sessions.truncate(PAGE);
    let next = sessions.last().filter(|_| is_more).map(|last| last.id.to_string());
    let sessions = sessions.iter().map(|session| session_view(session, node.is_running)).collect();
    Outcome::Sessions { sessions, next, running: node.is_running }
}

fn session_view(session: &Session, is_running: bool) -> SessionView {
    let agreed = session.negotiated();
    SessionView {
        session: session.id.to_string(),
        user: session.user.id.to_string(),
        client: session.client.to_string(),
        version: session.version.as_str().to_owned(),
        opened: moment(session.opened),
        last_seen: is_running.then(|| moment(session.last_seen())),
        time_to_live: session.time_to_live(),
        waiting: session.outbox().len(),
        delivery: format!("{:?}", agreed.delivery),
        push_length: agreed.push_length,
        parser_size: agreed.parser_size,
        language: agreed.language.as_deref().map(str::to_owned),
        channels: Some(channels_view(session))
            .filter(|view| is_running && (view.data.is_some() || view.call.is_some())),
        call_methods: agreed.cir_methods.iter().map(|method| method.as_str().to_owned()).collect(),
    }
}

fn channels_view(session: &Session) -> ChannelsView {
    let channels = imps_csp::channels(session);
    let data = channels.data.as_ref();
    let call = channels.call.as_ref();
    ChannelsView {
        data: data.map(|data| data.0.to_owned()),
        data_form: data.map(|data| data.1.clone()),
        data_at: data.map(|data| moment(data.2)),
        data_result: data.map(|data| data.3.clone()),
        address: session.address().map(|address| address.to_canonical().to_string()),
        call: call.map(|call| call.method.name().to_owned()),
        call_at: call.map(|call| moment(call.at)),
        call_result: call.map(|call| call.result.to_string()),
        open: channels.open.iter().map(|&one| one.to_owned()).collect(),
        told: channels.is_told,
    }
}

fn poke(session: &std::sync::Arc<Session>) -> Outcome {
    use imps_csp::Poked;
    let (call, failure) = match imps_csp::poke(session) {
        Poked::Called(method) => (Some(method.name()), None),
        Poked::Connected => (Some("websocket"), None),
        Poked::Failed(why) => (None, Some(why)),
        Poked::NoWay => (None, None),
    };
    Outcome::Poked { call: call.map(str::to_owned), failure: failure.map(str::to_owned) }
}

async fn messages(services: &Services, user: &UserId, limit: usize) -> Result<Vec<MessageView>, Failure> {
    let waiting = services.im().waiting_messages(user, None, limit).await?;
    let view = |one: &imps_service::im::WaitingMessage| MessageView {
        message: one.id.to_string(),
        user: user.to_string(),
        kind: one.kind.name().to_owned(),
        size: one.size,
        expires: moment(one.expires),
    };
    Ok(waiting.iter().map(view).collect())
}

/// What begins the name of a page of what waits for other domains: no user is called so.
const ABROAD: &str = "abroad ";

/// What waits for other domains, page by page: behind a domain and a number of it.
async fn messages_abroad(services: &Services, after: &str, limit: usize) -> Result<Outcome, Failure> {
    let (domain, sequence) = after.split_once(' ').unwrap_or((after, ""));
    let sequence = sequence.parse::<u64>().map_or(0, |last| last.saturating_add(1));
    let mut domains = services.im().domains_waited_for().await?;
    domains.retain(|one| one.as_str() >= domain);
    domains.sort();
    let (most, mut found) = (PAGE.min(limit), Vec::new());
    for one in &domains {
        let from = if one.as_str() == domain { sequence } else { 0 };
        let rows = services.im().waiting_abroad(one, from, most.saturating_sub(found.len())).await?;
        found.extend(rows.iter().map(crate::federation::message_view));
        if found.len() >= most {
            let next =
                rows.last().filter(|_| found.len() < limit).map(|last| format!("{ABROAD}{one} {}", last.sequence));
            return Ok(Outcome::Messages { messages: found, next });
        }
    }
    Ok(Outcome::Messages { messages: found, next: None })
}

/// A page ends with the user whose messages fill it. Behind the last user comes what waits for other domains.
async fn everybodys_messages(services: &Services, after: Option<String>, limit: usize) -> Result<Outcome, Failure> {
    if let Some(after) = after.as_deref().and_then(|after| after.strip_prefix(ABROAD)) {
        return messages_abroad(services, after, limit).await;
    }
    let after = after.as_deref().map(UserId::from_canonical);
    let users = services.access().list_users(after.as_ref(), PAGE).await?;
    let mut found = Vec::new();
    for user in &users {
        found.extend(messages(services, &user.id, limit.saturating_sub(found.len())).await?);
        if found.len() >= PAGE.min(limit) {
            let next = Some(user.id.to_string()).filter(|_| found.len() < limit);
            return Ok(Outcome::Messages { messages: found, next });
        }
    }
    if let Some(last) = users.last().filter(|_| users.len() == PAGE) {
        return Ok(Outcome::Messages { messages: found, next: Some(last.id.to_string()) });
    }
    // Users of other domains whose messages this one has, and who are in groups of it.
    for guest in guests(services) {
        found.extend(messages(services, &guest, limit.saturating_sub(found.len())).await?);
    }
    Ok(Outcome::Messages { messages: found, next: Some(ABROAD.to_owned()) })
}

/// Users of other domains who are here as guests, in the order of their addresses.
fn guests(services: &Services) -> Vec<UserId> {
    let sessions = &services.sessions;
    let of = |shard| sessions.collect(shard, |session| session.user.is_guest);
    let mut guests: Vec<UserId> = (0..sessions.shards()).flat_map(of).map(|session| session.user.id.clone()).collect();
    guests.sort();
    guests.dedup();
    guests
}

async fn check(node: &Node) -> Result<Outcome, Failure> {
    let engine = node.engine.clone();
    let problems = tokio::task::spawn_blocking(move || engine.integrity_check()).await;
    let problems = match problems {
        Ok(Ok(problems)) => problems,
        Ok(Err(error)) => vec![error.to_string()],
        Err(error) => vec![error.to_string()],
    };
    let key_fits = crate::wire::key_fits(&node.services).await?;
    let text = |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
    let (listen, https, cir) = (text(node.listen), text(node.https), text(node.cir));
    Ok(Outcome::Checked { listen, https, cir, process: std::process::id(), problems, key_fits })
}

/// A moment as people and scripts read it: `2026-01-31T12:00:00Z`.
pub(crate) fn moment(at: Timestamp) -> String {
    let text = at.date_time().to_basic();
    let parts = (text.get(..4), text.get(4..6), text.get(6..11), text.get(11..13), text.get(13..));
    match parts {
        (Some(year), Some(month), Some(hours), Some(minutes), Some(seconds)) => {
            format!("{year}-{month}-{hours}:{minutes}:{seconds}")
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_extended() {
        assert_eq!(moment(Timestamp(1_764_087_342_000)), "2025-11-25T16:15:42Z");
    }

    #[test]
    fn passwords_do_not_show() {
        let who = Who { name: "alice".to_owned(), domain: None };
        let command =
            Command::UserAdd { who, password: Some(Hidden("pw1".into())), phone: Phone::Set(Hidden("pw2".into())) };
        let shown = format!("{command:?}");
        assert!(!shown.contains("pw1") && !shown.contains("pw2"), "{shown}");
        let line = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&line).unwrap(), command);
    }
}

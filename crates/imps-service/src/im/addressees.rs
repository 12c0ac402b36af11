//! Who gets a message: recipients become users, each once, and whoever cannot be reached is told of by code (CSP 12.1).

use std::sync::Arc;

use imps_types::element::{DetailedResult, Group, OfflineHandling, Recipient, ScreenName, Sender, User};
use imps_types::{Address, ClientId, Service, Status, UserId};
use rustc_hash::FxHashSet;

use super::Im;
use super::abroad::ToDomain;
use super::blocking::Origin;
use super::delivery::Kind;
use super::group::ToGroup;
use super::queue::{IndexRow, index_range};
use crate::error::Error;
use crate::seam::{Order, Row, Space};
use crate::session::Session;
use crate::user::{QueueLoad, UserState};

/// Somebody who gets the message.
pub(super) struct Addressee {
    pub(super) state: Arc<UserState>,
    /// He alone, as he was addressed.
    pub(super) recipient: Recipient,
    /// As whom the sender is shown to him, if otherwise than to others: by the name that he has in a group.
    pub(super) sender: Option<Sender>,
}

/// Failures, gathered by code.
#[derive(Default)]
pub(super) struct Refusals(Vec<DetailedResult>);

impl Refusals {
    /// The items that failed with this code.
    pub(super) fn of(&mut self, status: Status) -> &mut DetailedResult {
        if let Some(index) = self.0.iter().position(|one| one.status == status) {
            return &mut self.0[index];
        }
        self.0.push(DetailedResult::of(status));
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    /// A user as he was named, each once.
    pub(super) fn user(&mut self, status: Status, named: &Address) {
        let users = &mut self.of(status).user_ids;
        if !users.contains(named) {
            users.push(named.clone());
        }
    }

    /// Whether nothing failed.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many items failed.
    pub(super) fn count(&self) -> usize {
        let of = |one: &DetailedResult| {
            one.user_ids.len() + one.group_ids.len() + one.screen_names.len() + one.contact_lists.len()
        };
        self.0.iter().map(of).sum()
    }

    /// All of them.
    pub(super) fn done(self) -> Vec<DetailedResult> {
        self.0
    }
}

/// What is known of a message when its recipients are found.
#[derive(Clone, Copy)]
pub(super) struct Letter<'a> {
    /// Where it comes from.
    pub(super) origin: &'a Origin,
    /// Its content.
    pub(super) kind: Kind<'a>,
}

/// What became of the recipients of a message.
#[derive(Default)]
pub(super) struct Addressees {
    /// Who gets it.
    pub(super) found: Vec<Addressee>,
    /// The groups whose joined users get it.
    pub(super) groups: Vec<ToGroup>,
    /// Those in other domains, by domain.
    pub(super) abroad: Vec<ToDomain>,
    /// Who does not, and why.
    pub(super) refusals: Refusals,
}

impl Addressees {
    /// Whether nobody gets it.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.groups.is_empty() && self.abroad.is_empty()
    }
}

impl Im<'_> {
    /// Turns recipients into users, each once; lists into their members, groups into those who have joined.
    pub(super) async fn addressees(
        &self,
        session: &Session,
        letter: Letter<'_>,
        recipient: &Recipient,
    ) -> Result<Addressees, Error> {
        // Those who do not get it cost as much as those who do.
        if recipient.users.len() + recipient.contact_lists.len() + recipient.groups.len() > self.config.recipients_max {
            return Err(Error::BadParameter("the message names more recipients than this server takes"));
        }
        let mut all = Addressees { found: Vec::with_capacity(1), ..Addressees::default() };
        let mut expanded = FxHashSet::default();
        for user in &recipient.users {
            match self.router.kept_user(&user.user_id, Service::Im) {
                Ok(id) => {
                    self.add(&mut all, letter, User { user_id: Address::from(&id), ..named(user) }, id, &user.user_id)
                        .await?
                }
                Err(Error::ForeignDomain) => self.add_abroad(&mut all, letter.kind.size(), user).await?,
                Err(error) => all.refusals.user(error.status(), &user.user_id),
            }
        }
        for list in &recipient.contact_lists {
            let id = self.router.list(list).ok();
            if id.as_ref().is_some_and(|id| !expanded.insert(id.clone())) {
                continue;
            }
            match id.and_then(|id| self.presence().members(&session.user, &id)) {
                Some(members) => {
                    for member in members {
                        let named = Address::from(&member);
                        if self.router.keeps(member.domain(), Service::Im) {
                            self.add(&mut all, letter, User::of(&member), member, &named).await?;
                        } else {
                            self.add_abroad(&mut all, letter.kind.size(), &User::of(&member)).await?;
                        }
                    }
                }
                None => all.refusals.of(Status::UNKNOWN_CONTACT_LIST).contact_lists.push(list.clone()),
            }
        }
        for group in &recipient.groups {
            match group {
                Group::Id(id) => {
                    if let Err(error) = Box::pin(self.add_group(&mut all, session, letter, id)).await {
                        all.refusals.of(refusal(error)?).group_ids.push(id.clone());
                    }
                }
                Group::ScreenName(name) => {
                    if let Err(error) = Box::pin(self.add_screen_name(&mut all, session, letter, name)).await {
                        all.refusals.of(refusal(error)?).screen_names.push(name.clone());
                    }
                }
            }
        }
        all.each_once();
        Ok(all)
    }

    /// The joined users of a group.
    async fn add_group(
        &self,
        all: &mut Addressees,
        session: &Session,
        letter: Letter<'_>,
        address: &Address,
    ) -> Result<(), Error> {
        let group = self.group().find(address)?;
        if all.groups.iter().any(|known| Arc::ptr_eq(&known.group, &group)) {
            return Ok(());
        }
        if all.groups.len() >= self.config.groups_joined_max {
            return Err(Error::BadParameter("the message has more recipients than this server takes"));
        }
        let name = group.screen_name_in(session)?;
        let origin = letter.origin.in_group(&group.id, &name);
        let mut receivers: Vec<Arc<UserState>> = Vec::new();
        for user in group.roster().iter() {
            // Nobody gets his own words back, on none of his clients (CSP 18, row 19).
            if user.id == session.user.id || self.refuses(user, &origin) {
                continue;
            }
            if !self.is_full(user, letter.kind.size()).await? {
                receivers.push(user.clone());
            }
        }
        let keeps_history = group.keeps_history() && self.config.group_history_max > 0;
        let sender = Group::ScreenName(ScreenName { name: (&*name).into(), group_id: Address::from(&group.id) });
        all.groups.push(ToGroup { group, sender, receivers, keeps_history });
        Ok(())
    }

    /// Somebody in a group, by his screen name.
    async fn add_screen_name(
        &self,
        all: &mut Addressees,
        session: &Session,
        letter: Letter<'_>,
        named: &ScreenName,
    ) -> Result<(), Error> {
        let group = self.group().find(&named.group_id)?;
        let own = group.screen_name_in(session)?;
        let (user, name) = group.private_addressee(&named.name)?;
        if all.found.iter().any(|one| one.state.id == user.id) {
            return Ok(());
        }
        if all.found.len() >= self.config.recipients_max {
            return Err(Error::BadParameter("the message has more recipients than this server takes"));
        }
        let group_id = Address::from(&group.id);
        let in_group = |name: &str| Group::ScreenName(ScreenName { name: name.into(), group_id: group_id.clone() });
        let recipient = Recipient { groups: vec![in_group(&name)], ..Recipient::default() };
        let origin = letter.origin.in_group(&group.id, &own);
        match self.why_not(&user, Letter { origin: &origin, ..letter }, &recipient).await? {
            Some(status) => all.refusals.of(status).screen_names.push(named.clone()),
            None => {
                let sender = Some(Sender::Group(in_group(&own)));
                all.found.push(Addressee { state: user, recipient, sender });
            }
        }
        Ok(())
    }

    /// `user`: as he is told that he was addressed; `named`: as the sender wrote it.
    pub(super) async fn add(
        &self,
        all: &mut Addressees,
        letter: Letter<'_>,
        user: User,
        id: UserId,
        named: &Address,
    ) -> Result<(), Error> {
        if let Some(known) = all.found.iter_mut().find(|one| one.state.id == id) {
            // Named twice with different clients: all of them get it.
            for before in &mut known.recipient.users {
                before.client_id.take_if(|client| user.client_id.as_ref() != Some(client));
                before.application_id.take_if(|one| user.application_id.as_ref() != Some(one));
            }
            return Ok(());
        }
        if all.found.len() >= self.config.recipients_max {
            return Err(Error::BadParameter("the message has more recipients than this server takes"));
        }
        let state = match self.user(&id).await {
            Ok(state) => state,
            Err(Error::UnknownUser) => {
                all.refusals.user(Status::UNKNOWN_USER, named);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let recipient = Recipient::user(user);
        match self.why_not(&state, letter, &recipient).await? {
            Some(status) => all.refusals.user(status, named),
            None => all.found.push(Addressee { state, recipient, sender: None }),
        }
        Ok(())
    }

    /// Why a user does not get a message.
    pub(super) async fn why_not(
        &self,
        user: &UserState,
        letter: Letter<'_>,
        recipient: &Recipient,
    ) -> Result<Option<Status>, Error> {
        if self.refuses(user, letter.origin) {
            return Ok(Some(Status::RECIPIENT_BLOCKED_THE_SENDER));
        }
        let is_kept = user.lock().handling.offline == OfflineHandling::SendStore;
        if !is_kept && !user.is_online() {
            // No bearer leads to a client that is off yet, so that SENDREJECT has nothing to send by.
            return Ok(Some(Status::MESSAGE_RECIPIENT_NOT_LOGGED_IN));
        }
        if self.nobody_takes(user, letter.kind, recipient) {
            return Ok(Some(Status::UNSUPPORTED_MEDIA_TYPE));
        }
        Ok(self.is_full(user, letter.kind.size()).await?.then_some(Status::MESSAGE_QUEUE_IS_FULL))
    }

    /// Whether so much waits for a user that nothing more with a content of this size is taken for him.
    pub(crate) async fn is_full(&self, user: &UserState, size: usize) -> Result<bool, Error> {
        let waiting = self.waiting(user).await?;
        let bytes = waiting.bytes.saturating_add(size as u64);
        // A single message may be as large as the server takes.
        Ok(waiting.count >= self.config.queue_max || (waiting.bytes > 0 && bytes > self.config.queue_bytes))
    }

    /// How much waits for a user.
    pub(crate) async fn waiting(&self, user: &UserState) -> Result<QueueLoad, Error> {
        if let Some(waiting) = user.lock().waiting {
            return Ok(waiting);
        }
        let most = usize::try_from(self.config.queue_max).unwrap_or(usize::MAX);
        let rows = Box::pin(self.store.scan(Space::MessageIndex, index_range(&user.id), Order::Forwards, most)).await?;
        let size = |row: &Row| IndexRow::read(&row.value).map_or(0, |row| row.size);
        let found = QueueLoad { count: rows.len() as u64, bytes: rows.iter().map(size).sum() };
        Ok(*user.lock().waiting.get_or_insert(found))
    }
}

impl Addressees {
    /// Whoever is reached in several ways gets it once: addressed by himself, or by the group that was named first.
    fn each_once(&mut self) {
        if self.groups.is_empty() || (self.groups.len() == 1 && self.found.is_empty()) {
            return;
        }
        let mut reached: FxHashSet<UserId> = self.found.iter().map(|one| one.state.id.clone()).collect();
        for group in &mut self.groups {
            group.receivers.retain(|user| reached.insert(user.id.clone()));
        }
    }
}

/// The client or the application that a User names.
pub(super) fn named(user: &User) -> User {
    let application_id = user.application_id.clone().filter(|application| !application.is_empty());
    User { client_id: named_client(user), application_id, ..User::default() }
}

/// What a recipient failed for; a failure of the store, or of the request as such, is handed back.
fn refusal(error: Error) -> Result<Status, Error> {
    match error {
        Error::Store(_) | Error::BadParameter(_) => Err(error),
        _ => Ok(error.status()),
    }
}

/// The client that a User names; an empty ClientID names none.
pub(super) fn named_client(user: &User) -> Option<ClientId> {
    user.client_id.clone().filter(|client| !client.is_empty())
}

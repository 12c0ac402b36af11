//! Who gets a message: recipients become users, each once, and whoever cannot be reached is told of by code (CSP 12.1).

use std::sync::Arc;

use imps_types::element::{DetailedResult, Group, Recipient, ScreenName, Sender, User};
use imps_types::{Address, ClientId, Status, UserId};
use rustc_hash::FxHashSet;

use super::Im;
use super::blocking::Origin;
use super::group::ToGroup;
use super::queue::index_range;
use crate::error::Error;
use crate::routing::Place;
use crate::seam::{Order, Space};
use crate::session::Session;
use crate::user::UserState;

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

/// What became of the recipients of a message.
#[derive(Default)]
pub(super) struct Addressees {
    /// Who gets it.
    pub(super) found: Vec<Addressee>,
    /// The groups whose joined users get it.
    pub(super) groups: Vec<ToGroup>,
    /// Who does not, and why.
    pub(super) refusals: Refusals,
}

impl Addressees {
    /// Whether nobody gets it.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty() && self.groups.is_empty()
    }
}

impl Im<'_> {
    /// Turns recipients into users, each once; lists into their members, groups into those who have joined.
    pub(super) async fn addressees(
        &self,
        session: &Session,
        origin: &Origin,
        recipient: &Recipient,
    ) -> Result<Addressees, Error> {
        let mut all = Addressees { found: Vec::with_capacity(1), ..Addressees::default() };
        for user in &recipient.users {
            match self.router.local_user(&user.user_id) {
                Ok(id) => self.add(&mut all, origin, id, &user.user_id, named_client(user)).await?,
                Err(error) => all.refusals.user(error.status(), &user.user_id),
            }
        }
        for list in &recipient.contact_lists {
            let id = self.router.list(list).ok();
            match id.and_then(|id| self.presence().members(&session.user, &id)) {
                Some(members) => {
                    for member in members {
                        let named = Address::from(&member);
                        match self.router.place(&member) {
                            Place::Here(_) => self.add(&mut all, origin, member, &named, None).await?,
                            Place::Foreign => all.refusals.user(Error::ForeignDomain.status(), &named),
                        }
                    }
                }
                None => all.refusals.of(Status::UNKNOWN_CONTACT_LIST).contact_lists.push(list.clone()),
            }
        }
        for group in &recipient.groups {
            match group {
                Group::Id(id) => {
                    if let Err(error) = self.add_group(&mut all, session, origin, id).await {
                        all.refusals.of(refusal(error)?).group_ids.push(id.clone());
                    }
                }
                Group::ScreenName(name) => {
                    if let Err(error) = self.add_screen_name(&mut all, session, origin, name).await {
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
        origin: &Origin,
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
        let origin = origin.in_group(&group.id, &name);
        let mut receivers: Vec<Arc<UserState>> = Vec::new();
        for user in group.roster().iter() {
            // Nobody gets his own words back, on none of his clients (CSP 18, row 19).
            if user.id == session.user.id || self.refuses(user, &origin) {
                continue;
            }
            if self.waiting(user).await? < self.config.queue_max {
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
        origin: &Origin,
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
        if self.refuses(&user, &origin.in_group(&group.id, &own)) {
            return Err(Error::Refused);
        }
        if self.waiting(&user).await? >= self.config.queue_max {
            return Err(Error::QueueFull);
        }
        let group_id = Address::from(&group.id);
        let in_group = |name: &str| Group::ScreenName(ScreenName { name: name.into(), group_id: group_id.clone() });
        all.found.push(Addressee {
            state: user,
            recipient: Recipient { groups: vec![in_group(&name)], ..Recipient::default() },
            sender: Some(Sender::Group(in_group(&own))),
        });
        Ok(())
    }

    async fn add(
        &self,
        all: &mut Addressees,
        origin: &Origin,
        id: UserId,
        named: &Address,
        client_id: Option<ClientId>,
    ) -> Result<(), Error> {
        if let Some(known) = all.found.iter_mut().find(|one| one.state.id == id) {
            // Named twice with different clients: all of them get it.
            known.recipient.users.iter_mut().filter(|user| user.client_id != client_id).for_each(|user| {
                user.client_id = None;
            });
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
        if self.refuses(&state, origin) {
            all.refusals.user(Status::RECIPIENT_BLOCKED_THE_SENDER, named);
            return Ok(());
        }
        if self.waiting(&state).await? >= self.config.queue_max {
            all.refusals.user(Status::MESSAGE_QUEUE_IS_FULL, named);
            return Ok(());
        }
        let user = User { client_id, ..User::of(&id) };
        all.found.push(Addressee { state, recipient: Recipient::user(user), sender: None });
        Ok(())
    }

    /// How much waits for a user.
    pub(crate) async fn waiting(&self, user: &UserState) -> Result<u64, Error> {
        if let Some(waiting) = user.lock().waiting {
            return Ok(waiting);
        }
        let most = usize::try_from(self.config.queue_max).unwrap_or(usize::MAX);
        let rows = self.store.scan(Space::MessageIndex, index_range(&user.id), Order::Forwards, most).await?;
        Ok(*user.lock().waiting.get_or_insert(rows.len() as u64))
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

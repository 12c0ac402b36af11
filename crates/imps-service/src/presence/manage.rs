//! *GetList*, *CreateList*, *DeleteList*, *ListManage* (CSP 8).

use std::sync::Arc;

use imps_types::element::{NickEntry, Notification, NotificationType, Property};
use imps_types::presence::AttributeSet;
use imps_types::{Address, ContactListId, UserId};
use rustc_hash::FxHashSet;

use super::Presence;
use super::attribute_lists::{Target, attribute_list_key};
use super::authorisation::Decision;
use super::lists::{
    ContactList, DEFAULT, DISPLAY_NAME, ListChange, ListNames, ListOutcome, ManagedList, Member, list_key,
};
use super::outcomes::Outcomes;
use crate::Error;
use crate::happening::Happening;
use crate::seam::{Batch, Space};
use crate::session::Session;
use crate::user::UserState;

/// Bytes that a nickname or a DisplayName may have.
const NAME_MAX: usize = 255;

/// The properties that a request sets.
#[derive(Default)]
struct Wanted {
    display_name: Option<Box<str>>,
    default: Option<bool>,
}

impl Wanted {
    fn read(properties: Vec<Property>) -> Result<Self, Error> {
        let mut wanted = Self::default();
        for property in properties {
            let value = property.value.as_deref().unwrap_or_default().trim();
            if property.name.trim().eq_ignore_ascii_case(DISPLAY_NAME) {
                if value.len() > NAME_MAX {
                    return Err(Error::BadListProperty("DisplayName is too long"));
                }
                wanted.display_name = Some(value.into());
            } else if property.name.trim().eq_ignore_ascii_case(DEFAULT) {
                wanted.default = Some(match value {
                    "T" | "t" => true,
                    "F" | "f" => false,
                    _ => return Err(Error::BadListProperty("Default must be T or F")),
                });
            } else {
                return Err(Error::BadListProperty("a contact list has DisplayName and Default only"));
            }
        }
        Ok(wanted)
    }

    /// The DisplayName for this list; an empty one is the list's own name.
    fn name_of(&mut self, list: &ContactListId) -> Option<Box<str>> {
        let name = self.display_name.take()?;
        Some(if name.is_empty() { list.name().into() } else { name })
    }
}

impl Presence<'_> {
    /// The lists of the session's user.
    pub fn list_names(&self, session: &Session) -> ListNames {
        let inner = session.user.lock();
        let names = |is_default: bool| {
            inner.lists.iter().filter(move |list| list.is_default == is_default).map(|list| list.id.clone())
        };
        ListNames { lists: names(false).collect(), default: names(true).next() }
    }

    /// The members of a list of `owner`, for a message to all of them; `None` when there is no such list.
    pub fn members(&self, owner: &UserState, list: &ContactListId) -> Option<Vec<UserId>> {
        let inner = owner.lock();
        let list = inner.lists.find(list)?;
        Some(list.members.iter().map(|member| member.user.clone()).collect())
    }

    /// Creates a list. Members who cannot be added do not hinder it: the result is 201 then.
    ///
    /// # Errors
    /// When the address is no own one (752), the list exists (701), or there are too many (753, 754).
    pub async fn create_list(
        &self,
        session: &Session,
        list: &Address,
        members: Vec<NickEntry>,
        properties: Vec<Property>,
    ) -> Result<ListOutcome, Error> {
        let services = self.0;
        let owner = &session.user;
        let not_a_list = Error::BadListProperty("this is no address of a contact list");
        let id = services.router.list(list).map_err(|_| not_a_list)?;
        if id.owner() != owner.id {
            return Err(Error::ForeignList);
        }
        let mut wanted = Wanted::read(properties)?;
        let mut outcomes = Outcomes::default();
        outcomes.good();
        let members = self.known_members(members, &mut outcomes).await?;

        let change = owner.change.lock().await;
        let (list, together) = {
            let lists = &owner.lock().lists;
            if lists.find(&id).is_some() {
                return Err(Error::ListExists);
            }
            if lists.len() >= services.config.lists_max {
                return Err(Error::TooManyLists);
            }
            let mut list = ContactList {
                display_name: wanted.name_of(&id).unwrap_or_else(|| id.name().into()),
                is_default: wanted.default == Some(true) || lists.default_list().is_none(),
                members: Vec::new(),
                id: id.clone(),
            };
            list.add(members);
            if list.members.len() > services.config.members_max {
                return Err(Error::TooManyMembers);
            }
            (list.clone(), lists.together(list))
        };
        let former = former_default(&together, &id);
        self.commit_lists(owner, together, Batch::new(), None).await?;
        drop(change);
        self.notify_lists(session, NotificationType::ContactListCreated, [id.clone()]);
        self.notify_lists(session, NotificationType::ContactListChanged, former);
        self.notify_members(owner, None, &list);
        services.tell(Happening::AuthorisationChanged { user: owner.clone() }).await;
        Ok(ListOutcome { id, properties: list.properties(), result: outcomes.done() })
    }

    /// Deletes a list, with its attribute list.
    ///
    /// # Errors
    /// When the user has no such list (700).
    pub async fn delete_list(&self, session: &Session, list: &Address) -> Result<(), Error> {
        let owner = &session.user;
        let id = self.own_list(session, list)?;
        let change = owner.change.lock().await;
        let successor = {
            let inner = owner.lock();
            inner.lists.find(&id).ok_or(Error::UnknownList)?;
            inner.lists.successor(&id)
        };
        let mut batch = Batch::new();
        batch.delete(Space::Lists, list_key(&id));
        batch.delete(Space::AttributeLists, attribute_list_key(&owner.id, &Target::List(id.clone())));
        let next_default = successor.as_ref().map(|list| list.id.clone());
        self.commit_lists(owner, successor.into_iter().collect(), batch, Some(&id)).await?;
        drop(change);
        self.notify_lists(session, NotificationType::ContactListDeleted, [id.clone()]);
        self.notify_lists(session, NotificationType::ContactListChanged, next_default);
        self.0.tell(Happening::ListChanged { user: owner.clone(), list: id }).await;
        self.0.tell(Happening::AuthorisationChanged { user: owner.clone() }).await;
        Ok(())
    }

    /// Changes members and properties of a list, and tells the whole list as it is then.
    ///
    /// # Errors
    /// When the user has no such list (700), a property is none (752), or there are too many members (754).
    pub async fn manage_list(
        &self,
        session: &Session,
        list: &Address,
        change: ListChange,
    ) -> Result<ManagedList, Error> {
        let services = self.0;
        let owner = &session.user;
        let id = self.own_list(session, list)?;
        owner.lock().lists.find(&id).ok_or(Error::UnknownList)?;
        let mut outcomes = Outcomes::default();
        if change.add.is_empty() || !change.remove.is_empty() || !change.properties.is_empty() {
            outcomes.good();
        }
        let mut wanted = Wanted::read(change.properties)?;
        let add = self.known_members(change.add, &mut outcomes).await?;
        let authorised: Vec<UserId> = match change.authorise {
            true => add.iter().map(|member| member.user.clone()).collect(),
            false => Vec::new(),
        };
        // Whoever is not on the list need not be removed from it, be he unknown or no user at all.
        let remove: FxHashSet<UserId> =
            change.remove.iter().filter_map(|address| services.router.user(address).ok()).collect();

        let guard = owner.change.lock().await;
        let (before, list, together) = {
            let lists = &owner.lock().lists;
            let before = lists.find(&id).cloned().ok_or(Error::UnknownList)?;
            let mut list = before.clone();
            list.add(add);
            list.members.retain(|member| !remove.contains(&member.user));
            if list.members.len() > services.config.members_max.max(before.members.len()) {
                return Err(Error::TooManyMembers);
            }
            if let Some(name) = wanted.name_of(&id) {
                list.display_name = name;
            }
            // There is always a default list, so F alone moves nothing.
            list.is_default |= wanted.default == Some(true);
            (before, list.clone(), lists.together(list))
        };
        let mut batch = Batch::new();
        let mut blocking = None;
        if !authorised.is_empty() {
            self.unblock_presence(session, &authorised).await?;
            blocking = services.im().grant(owner, &authorised, &mut batch);
        }
        let changed = before != list;
        if changed || !batch.is_empty() {
            let ids: Vec<_> = together.iter().map(|list| list.id.clone()).collect();
            self.commit_lists(owner, together, batch, None).await?;
            if changed {
                self.notify_lists(session, NotificationType::ContactListChanged, ids);
                self.notify_members(owner, Some(&before), &list);
            }
        }
        if let Some(blocking) = blocking {
            services.im().set_blocking(session, blocking);
        }
        drop(guard);
        let users = |list: &ContactList| list.members.iter().map(|member| member.user.clone()).collect::<Vec<_>>();
        if users(&before) != users(&list) {
            services.tell(Happening::ListChanged { user: owner.clone(), list: id }).await;
        }
        if users(&before) != users(&list) || !authorised.is_empty() {
            services.tell(Happening::AuthorisationChanged { user: owner.clone() }).await;
        }
        self.authorise_undecided(owner, &authorised).await?;
        Ok(ManagedList { result: outcomes.done(), members: list.nick_list(), properties: list.properties() })
    }

    /// Attribute lists by which users were shut out of the owner's presence go (AuthorizeAndGrant). His change lock is
    /// held.
    async fn unblock_presence(&self, session: &Session, users: &[UserId]) -> Result<(), Error> {
        let shut_out: Vec<_> = {
            let lists = &session.user.lock().attribute_lists;
            let is_shut_out = |user: &&UserId| lists.of_user(user).is_some_and(|list| list.attributes.is_empty());
            users.iter().filter(is_shut_out).cloned().map(Target::User).collect()
        };
        self.put_attribute_lists(session, shut_out, None, &mut Outcomes::default()).await
    }

    /// Users about whom no attribute list decides, their contact list's neither, are granted all of the owner's presence
    /// (AuthorizeAndGrant).
    async fn authorise_undecided(&self, owner: &Arc<UserState>, users: &[UserId]) -> Result<(), Error> {
        for user in users {
            let is_undecided = self.decision(&owner.id, &owner.lock(), user) == Decision::Undecided;
            if is_undecided {
                self.decide_reactively(owner, user, true, AttributeSet::ALL).await?;
            }
        }
        Ok(())
    }

    /// The user's other clients hear what became of these lists (CSP 4.10).
    fn notify_lists(&self, session: &Session, kind: NotificationType, lists: impl IntoIterator<Item = ContactListId>) {
        let mut lists = lists.into_iter().peekable();
        if lists.peek().is_some() {
            let what = Notification::of_lists(kind, lists.map(|list| Address::from(&list)));
            self.0.access().notify(&session.user.id, Some(session), what);
        }
    }

    /// Those who came onto a list hear whose it is.
    fn notify_members(&self, owner: &UserState, before: Option<&ContactList>, list: &ContactList) {
        let known: FxHashSet<&UserId> =
            before.into_iter().flat_map(|list| &list.members).map(|one| &one.user).collect();
        for member in list.members.iter().filter(|member| !known.contains(&member.user) && member.user != owner.id) {
            let what = Notification::of_users(NotificationType::AddedToContactList, [&owner.id]);
            self.0.access().notify(&member.user, None, what);
        }
    }

    /// The entries whose users exist here; the others are noted.
    async fn known_members(&self, entries: Vec<NickEntry>, outcomes: &mut Outcomes) -> Result<Vec<Member>, Error> {
        if entries.iter().any(|entry| entry.name.as_ref().is_some_and(|name| name.len() > NAME_MAX)) {
            return Err(Error::BadParameter("a nickname is too long"));
        }
        let users = self.known_users(entries.iter().map(|entry| &entry.user_id), outcomes).await?;
        let member = |(entry, user): (NickEntry, Option<UserId>)| Some(Member { user: user?, name: entry.name });
        Ok(entries.into_iter().zip(users).filter_map(member).collect())
    }

    /// Commits what is in `batch` and these lists, and then changes memory. The owner's change lock is held.
    async fn commit_lists(
        &self,
        owner: &Arc<UserState>,
        lists: Vec<ContactList>,
        mut batch: Batch,
        gone: Option<&ContactListId>,
    ) -> Result<(), Error> {
        for list in &lists {
            batch.put(Space::Lists, list_key(&list.id), list.to_record());
        }
        self.0.store.commit(batch).await?;
        let mut inner = owner.lock();
        if let Some(gone) = gone {
            inner.lists.remove(gone);
            inner.attribute_lists.set(&Target::List(gone.clone()), None);
        }
        for list in lists {
            inner.lists.put(list);
        }
        Ok(())
    }
}

/// The list among these that is the default one no longer.
fn former_default(together: &[ContactList], new: &ContactListId) -> Option<ContactListId> {
    together.iter().map(|list| &list.id).find(|id| *id != new).cloned()
}

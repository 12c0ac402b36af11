//! Block and grant lists (CSP 12.5): who may reach a user with messages and invitations.
//!
//! 1. Whoever is on the block list, while that is in use, is refused.
//! 2. Whoever is not on the grant list, while that is in use, is refused.
//! 3. Everybody else is accepted.
//!
//! The lists are looked at when something arrives, for each recipient. A list that is not in use keeps its entities.

use imps_types::element::{
    AccessList, AccessLists, EntityList, Notification, NotificationType, ResultInfo, ScreenName,
};
use imps_types::{Address, ContactListId, Domain, GroupId, Status, UserId};

use super::Im;
use super::addressees::Refusals;
use crate::Error;
use crate::account::user_key;
use crate::group::is_same_name;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::routing::{Place, Router};
use crate::seam::{Batch, Key, Space};
use crate::session::Session;
use crate::user::{UserInner, UserState};

/// The longest ApplicationID or screen name that is kept.
const TEXT_MAX: usize = 128;

/// Where a message or an invitation comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who sends it.
    pub user: UserId,
    /// The group and the name in it under which he speaks.
    pub screen_name: Option<(GroupId, Box<str>)>,
    /// The group through which it comes.
    pub group: Option<GroupId>,
    /// The application that it belongs to, 1.3.
    pub application: Option<Box<str>>,
}

impl Origin {
    /// A user who speaks for himself.
    pub fn of(user: &UserId) -> Self {
        Self { user: user.clone(), screen_name: None, group: None, application: None }
    }

    /// The user of a session, with the application that it belongs to.
    pub fn of_session(session: &Session) -> Self {
        Self { application: session.application.clone(), ..Self::of(&session.user.id) }
    }

    /// The same in a group, under this name.
    pub fn in_group(&self, group: &GroupId, name: &str) -> Self {
        Self { screen_name: Some((group.clone(), name.into())), group: Some(group.clone()), ..self.clone() }
    }
}

/// Somebody, or several, on a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entity {
    /// A user, whatever name he speaks under.
    User(UserId),
    /// Whoever has this name in this group.
    ScreenName(GroupId, Box<str>),
    /// Everything that comes from a group.
    Group(GroupId),
    /// Everybody on a contact list of the owner.
    ContactList(ContactListId),
    /// An application.
    Application(Box<str>),
    /// Every user of a domain.
    Domain(Domain),
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(user) => user.fmt(f),
            Self::ScreenName(group, name) => write!(f, "{name} in {group}"),
            Self::Group(group) => group.fmt(f),
            Self::ContactList(list) => list.fmt(f),
            Self::Application(application) => write!(f, "the application {application}"),
            Self::Domain(domain) => write!(f, "everybody of {domain}"),
        }
    }
}

impl Entity {
    /// Whether something of this origin comes from it. `owner`: whose list it is on.
    fn covers(&self, origin: &Origin, owner: &UserInner) -> bool {
        match self {
            Self::User(user) => *user == origin.user,
            Self::ScreenName(group, name) => origin
                .screen_name
                .as_ref()
                .is_some_and(|(in_group, screen_name)| in_group == group && is_same_name(screen_name, name)),
            Self::Group(group) => origin.group.as_ref() == Some(group),
            Self::ContactList(list) => owner.lists.find(list).is_some_and(|list| list.contains(&origin.user)),
            Self::Application(application) => origin.application.as_ref() == Some(application),
            Self::Domain(domain) => origin.user.domain() == domain.as_str(),
        }
    }

    fn write(&self, writer: &mut RecordWriter) {
        match self {
            Self::User(user) => writer.number(0).text(user.as_str()),
            Self::ScreenName(group, name) => writer.number(1).text(group.as_str()).text(name),
            Self::Group(group) => writer.number(2).text(group.as_str()),
            Self::ContactList(list) => writer.number(3).text(list.as_str()),
            Self::Application(application) => writer.number(4).text(application),
            Self::Domain(domain) => writer.number(5).text(domain.as_str()),
        };
    }

    fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let (kind, text) = (reader.number()?, reader.text()?);
        Ok(match kind {
            0 => Self::User(UserId::from_canonical(text)),
            1 => Self::ScreenName(GroupId::from_canonical(text), reader.text()?.into()),
            2 => Self::Group(GroupId::from_canonical(text)),
            3 => Self::ContactList(ContactListId::from_canonical(text)),
            4 => Self::Application(text.into()),
            5 => Self::Domain(Domain::parse(text).map_err(|_| RecordError("domain on a list"))?),
            _ => return Err(RecordError("unknown kind of entity")),
        })
    }
}

/// One of the lists: in the order of the entities.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Entities {
    /// Whether it is looked at.
    pub in_use: bool,
    list: Vec<Entity>,
}

impl Entities {
    /// Who is on it.
    pub fn iter(&self) -> impl Iterator<Item = &Entity> {
        self.list.iter()
    }

    /// How many entities it has.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn add(&mut self, entity: Entity) {
        if let Err(place) = self.list.binary_search(&entity) {
            self.list.insert(place, entity);
        }
    }

    fn remove(&mut self, entity: &Entity) {
        if let Ok(place) = self.list.binary_search(entity) {
            self.list.remove(place);
        }
    }

    fn cover(&self, origin: &Origin, owner: &UserInner) -> bool {
        // Users come first, so that the usual question is answered by halving.
        let users = self.list.partition_point(|entity| matches!(entity, Entity::User(_)));
        let (users, others) = self.list.split_at_checked(users).unwrap_or_default();
        let by_id = |entity: &Entity| match entity {
            Entity::User(user) => user.cmp(&origin.user),
            _ => std::cmp::Ordering::Greater,
        };
        users.binary_search_by(by_id).is_ok() || others.iter().any(|entity| entity.covers(origin, owner))
    }

    fn to_list(&self) -> AccessList {
        let mut entities = EntityList::default();
        for entity in &self.list {
            match entity {
                Entity::User(user) => entities.user_ids.push(user.into()),
                Entity::ScreenName(group, name) => {
                    entities.screen_names.push(ScreenName { name: name.clone(), group_id: group.into() });
                }
                Entity::Group(group) => entities.group_ids.push(group.into()),
                Entity::ContactList(list) => entities.contact_lists.push(list.into()),
                Entity::Application(application) => entities.application_ids.push(application.clone()),
                Entity::Domain(domain) => entities.domains.push(domain.as_str().into()),
            }
        }
        AccessList { in_use: Some(self.in_use), entities: Some(entities), ..AccessList::default() }
    }

    fn write(&self, writer: &mut RecordWriter) {
        writer.flag(self.in_use).list(self.list.iter(), |writer, entity| entity.write(writer));
    }

    fn read(reader: &mut RecordReader<'_>) -> Result<Self, RecordError> {
        let in_use = reader.flag()?;
        let mut list = reader.list(Entity::read)?;
        list.sort_unstable();
        Ok(Self { in_use, list })
    }
}

/// A user's block and grant list. Both begin empty and not in use.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Blocking {
    /// Whoever is on it is refused.
    pub block: Entities,
    /// Whoever is not on it is refused.
    pub grant: Entities,
}

impl Blocking {
    /// By their record, if there is one.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(record: Option<&[u8]>) -> Result<Self, RecordError> {
        record.map_or_else(|| Ok(Self::default()), Self::from_record)
    }

    /// The lists as *GetBlockedList-Response* tells them.
    pub fn to_lists(&self) -> AccessLists {
        AccessLists { block: Some(self.block.to_list()), grant: Some(self.grant.to_list()) }
    }

    fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        self.block.write(&mut writer);
        self.grant.write(&mut writer);
        writer.done()
    }

    fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        Ok(Self { block: Entities::read(&mut reader)?, grant: Entities::read(&mut reader)? })
    }

    /// The rule of CSP 12.5. `owner` has these lists.
    fn refuses(&self, origin: &Origin, owner: &UserInner) -> bool {
        (self.block.in_use && self.block.cover(origin, owner))
            || (self.grant.in_use && !self.grant.cover(origin, owner))
    }
}

/// What a request changes in one list, as far as it makes sense.
#[derive(Debug, Default)]
struct Change {
    in_use: Option<bool>,
    add: Vec<Entity>,
    remove: Vec<Entity>,
}

impl Change {
    fn apply(self, entities: &mut Entities) {
        entities.in_use = self.in_use.unwrap_or(entities.in_use);
        for entity in &self.remove {
            entities.remove(entity);
        }
        for entity in self.add {
            entities.add(entity);
        }
    }
}

impl Im<'_> {
    /// Whether a user does not want what comes from there (CSP 12.5).
    pub fn refuses(&self, recipient: &UserState, origin: &Origin) -> bool {
        let inner = recipient.lock();
        inner.blocking.refuses(origin, &inner)
    }

    /// A user's lists: for the operator.
    ///
    /// # Errors
    /// `UnknownUser`, or the store's failure.
    pub async fn blocking(&self, user: &UserId) -> Result<Blocking, Error> {
        Ok(self.user(user).await?.lock().blocking.clone())
    }

    /// Changes the lists of the session's user. What is there already is added, and what is not there removed, without an
    /// error; what cannot be understood, or does not exist, is in the result.
    ///
    /// # Errors
    /// When a list becomes longer than allowed (402), or the store's failure.
    pub async fn change_blocking(&self, session: &Session, lists: AccessLists) -> Result<ResultInfo, Error> {
        let owner = &session.user;
        let mut refusals = Refusals::default();
        let block = self.change(owner, lists.block.unwrap_or_default(), &mut refusals).await?;
        let grant = self.change(owner, lists.grant.unwrap_or_default(), &mut refusals).await?;
        let any = [&block, &grant]
            .iter()
            .any(|change| change.in_use.is_some() || !change.add.is_empty() || !change.remove.is_empty());

        let _change = owner.change.lock().await;
        let mut blocking = owner.lock().blocking.clone();
        block.apply(&mut blocking.block);
        grant.apply(&mut blocking.grant);
        let most = self.config.blocking_max;
        if blocking.block.len() > most || blocking.grant.len() > most {
            return Err(Error::BadParameter("the list has more entities than this server keeps"));
        }
        if blocking != owner.lock().blocking {
            let mut batch = Batch::new();
            batch.put(Space::Blocking, user_key(&owner.id), blocking.to_record());
            self.store.commit(batch).await?;
            self.set_blocking(session, blocking);
        }
        Ok(ResultInfo::partial(any, refusals.done()))
    }

    /// Adds to `batch` that these users may reach `owner`: they come onto his grant list, and those who are on his block
    /// list go from there. For ListManage's AuthorizeAndGrant. The caller holds the owner's `change`, commits, and then
    /// gives the lists that are returned to [`Im::set_blocking`]; `None`: nothing changes.
    pub fn grant(&self, owner: &UserState, users: &[UserId], batch: &mut Batch) -> Option<Blocking> {
        let mut blocking = owner.lock().blocking.clone();
        for user in users {
            let entity = Entity::User(user.clone());
            blocking.block.remove(&entity);
            if blocking.grant.len() < self.config.blocking_max {
                blocking.grant.add(entity);
            }
        }
        if blocking == owner.lock().blocking {
            return None;
        }
        batch.put(Space::Blocking, user_key(&owner.id), blocking.to_record());
        Some(blocking)
    }

    /// The lists of the session's user are these from now on: they are committed. His other clients hear of it.
    pub fn set_blocking(&self, session: &Session, blocking: Blocking) {
        let owner = &session.user;
        let before = std::mem::replace(&mut owner.lock().blocking, blocking.clone());
        let changes = [
            (before.block.list != blocking.block.list, Notification::of(NotificationType::BlockListChanged)),
            (before.block.in_use != blocking.block.in_use, Notification::block_list_in_use(blocking.block.in_use)),
            (before.grant.list != blocking.grant.list, Notification::of(NotificationType::GrantListChanged)),
            (before.grant.in_use != blocking.grant.in_use, Notification::grant_list_in_use(blocking.grant.in_use)),
        ];
        for (_, what) in changes.into_iter().filter(|(is_changed, _)| *is_changed) {
            self.access().notify(&owner.id, Some(session), what);
        }
    }

    /// Adds to `batch` that everything goes which this service element keeps of a user beside his messages. For the
    /// removal of the account.
    pub(crate) fn remove_user(&self, user: &UserId, batch: &mut Batch) {
        batch.delete(Space::Blocking, user_key(user)).delete(Space::Handling, user_key(user));
    }

    async fn change(&self, owner: &UserState, list: AccessList, refusals: &mut Refusals) -> Result<Change, Error> {
        let mut add = list.entities.unwrap_or_default();
        add.append(list.add.unwrap_or_default());
        let remove = list.remove.unwrap_or_default();
        if add.len() > self.config.blocking_max || remove.len() > self.config.blocking_max {
            return Err(Error::BadParameter("the request names more entities than this server keeps"));
        }
        let add = self.existing(named(&self.router, owner, add, refusals), refusals).await?;
        // One that cannot be on the list need not be taken off it.
        let remove = named(&self.router, owner, remove, &mut Refusals::default());
        let without_name =
            |named: Vec<(Entity, Option<Address>)>| named.into_iter().map(|(entity, _)| entity).collect();
        Ok(Change { in_use: list.in_use, add, remove: without_name(remove) })
    }

    /// Leaves out the users of this domain who do not exist (531).
    async fn existing(
        &self,
        entities: Vec<(Entity, Option<Address>)>,
        refusals: &mut Refusals,
    ) -> Result<Vec<Entity>, Error> {
        let is_asked = |entity: &Entity| match entity {
            Entity::User(user) => {
                matches!(self.router.place(user), Place::Here(_)) && self.users.loaded(user).is_none()
            }
            _ => false,
        };
        let keys: Vec<Key> = entities
            .iter()
            .filter(|(entity, _)| is_asked(entity))
            .filter_map(|(entity, _)| if let Entity::User(user) = entity { Some(user_key(user)) } else { None })
            .collect();
        if keys.is_empty() {
            return Ok(entities.into_iter().map(|(entity, _)| entity).collect());
        }
        let records = self.store.get(Space::Users, &keys).await?;
        let unknown: Vec<Key> =
            keys.into_iter().zip(records).filter(|(_, record)| record.is_none()).map(|(key, _)| key).collect();
        let mut known = Vec::with_capacity(entities.len());
        for (entity, address) in entities {
            match (&entity, address) {
                (Entity::User(user), Some(address)) if unknown.contains(&user_key(user)) => {
                    refusals.user(Status::UNKNOWN_USER, &address);
                }
                _ => known.push(entity),
            }
        }
        Ok(known)
    }
}

/// The entities that a request names, users with the address as it was written; what is none is refused.
fn named(
    router: &Router,
    owner: &UserState,
    list: EntityList,
    refusals: &mut Refusals,
) -> Vec<(Entity, Option<Address>)> {
    let mut found = Vec::with_capacity(list.len());
    for address in list.user_ids {
        match router.user(&address) {
            Ok(user) => found.push((Entity::User(user), Some(address))),
            Err(error) => refusals.user(error.status(), &address),
        }
    }
    for name in list.screen_names {
        match router.group(&name.group_id) {
            Ok(group) if !name.name.is_empty() && name.name.len() <= TEXT_MAX => {
                found.push((Entity::ScreenName(group, name.name), None));
            }
            _ => refusals.of(Status::GROUP_DOES_NOT_EXIST).screen_names.push(name),
        }
    }
    for address in list.group_ids {
        match router.group(&address) {
            Ok(group) => found.push((Entity::Group(group), None)),
            Err(error) => refusals.of(error.status()).group_ids.push(address),
        }
    }
    for address in list.contact_lists {
        match router.list(&address).ok().filter(|list| owner.lock().lists.find(list).is_some()) {
            Some(list) => found.push((Entity::ContactList(list), None)),
            None => refusals.of(Status::UNKNOWN_CONTACT_LIST).contact_lists.push(address),
        }
    }
    let applications = list.application_ids.into_iter().filter(|one| !one.is_empty() && one.len() <= TEXT_MAX);
    found.extend(applications.map(|application| (Entity::Application(application), None)));
    for domain in list.domains {
        match Domain::parse(&domain) {
            Ok(domain) => found.push((Entity::Domain(domain), None)),
            Err(_) => refusals.of(Status::DOMAIN_NOT_SUPPORTED).domains.push(domain),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::im::OutgoingMessage;
    use crate::testing::{World, user};
    use imps_types::element::{Content, MessageInfo, NickEntry, Recipient, User};

    fn users(names: &[&str]) -> EntityList {
        EntityList::users(names.iter().map(|name| Address::from(&user(name))))
    }

    fn adding(in_use: bool, add: EntityList) -> Option<AccessList> {
        Some(AccessList { in_use: Some(in_use), add: Some(add), ..AccessList::default() })
    }

    async fn set(world: &World, session: &Arc<Session>, block: Option<AccessList>, grant: Option<AccessList>) {
        let result = world.services.im().change_blocking(session, AccessLists { block, grant }).await.unwrap();
        assert_eq!(result.status, Status::SUCCESSFUL, "{result:?}");
    }

    async fn send(world: &World, from: &Arc<Session>, to: &str) -> ResultInfo {
        let info = MessageInfo { recipient: Recipient::user(User::of(&user(to))), ..MessageInfo::default() };
        let message = OutgoingMessage { info, content: Content::text("hi"), delivery_report: false };
        world.services.im().send(from, message, None).await.unwrap().result
    }

    #[tokio::test]
    async fn the_rules_in_their_order() {
        let world = World::of(&["alice", "bob", "carol"]).await;
        let (alice, bob) = (world.login("alice").await, world.login("bob").await);
        let blocked = Status::RECIPIENT_BLOCKED_THE_SENDER;
        assert_eq!(send(&world, &alice, "bob").await.status, Status::SUCCESSFUL, "neither is in use");
        set(&world, &bob, adding(false, users(&["alice"])), None).await;
        assert_eq!(send(&world, &alice, "bob").await.status, Status::SUCCESSFUL, "not in use yet");
        set(&world, &bob, adding(true, EntityList::default()), adding(true, users(&["alice"]))).await;
        let result = send(&world, &alice, "bob").await;
        assert_eq!(result.status, blocked, "the block list goes first");
        assert_eq!(result.detailed[0].user_ids, [Address::from(&user("bob"))]);
        set(&world, &bob, adding(false, EntityList::default()), None).await;
        assert_eq!(send(&world, &alice, "bob").await.status, Status::SUCCESSFUL, "granted");
        let carol = world.login("carol").await;
        assert_eq!(send(&world, &carol, "bob").await.status, blocked, "a grant list in use, and she is not on it");
        let off = Some(AccessList { in_use: Some(false), ..AccessList::default() });
        set(&world, &bob, None, off).await;
        assert_eq!(send(&world, &carol, "bob").await.status, Status::SUCCESSFUL);
    }

    #[tokio::test]
    async fn an_origin_is_known_by_any_of_its_marks() {
        let world = World::of(&["alice", "bob", "carol"]).await;
        let (bob, im) = (world.login("bob").await, world.services.im());
        let friends = Address::new("wv:bob/friends@x");
        let member = NickEntry { name: None, user_id: Address::from(&user("carol")) };
        world.services.presence().create_list(&bob, &friends, vec![member], vec![]).await.unwrap();
        let group = GroupId::from_canonical("wv:bob/g@x");
        let entities = EntityList {
            screen_names: vec![ScreenName { name: "Troll".into(), group_id: (&group).into() }],
            group_ids: vec![Address::new("wv:/noise")],
            contact_lists: vec![friends],
            application_ids: vec!["ads".into()],
            domains: vec!["bad.example".into()],
            ..EntityList::default()
        };
        set(&world, &bob, adding(true, entities), None).await;
        let refuses = |origin: &Origin| im.refuses(&bob.user, origin);
        let alice = Origin::of(&user("alice"));
        assert!(!refuses(&alice));
        assert!(refuses(&Origin::of(&user("carol"))), "on the contact list");
        assert!(refuses(&Origin { screen_name: Some((group.clone(), "troll".into())), ..alice.clone() }));
        let elsewhere = GroupId::from_canonical("wv:bob/h@x");
        assert!(!refuses(&Origin { screen_name: Some((elsewhere, "troll".into())), ..alice.clone() }));
        assert!(refuses(&Origin { group: Some(GroupId::from_canonical("wv:/noise@x")), ..alice.clone() }));
        assert!(!refuses(&Origin { group: Some(group), ..alice.clone() }));
        assert!(refuses(&Origin { application: Some("ads".into()), ..alice }));
        assert!(refuses(&Origin::of(&UserId::from_canonical("wv:mallory@bad.example"))));
    }

    #[tokio::test]
    async fn what_does_not_exist_is_named_and_the_rest_done() {
        let world = World::of(&["alice", "bob"]).await;
        let bob = world.login("bob").await;
        let add = EntityList {
            user_ids: vec![Address::new("wv:nobody"), Address::new("alice"), Address::new("wv:a/b")],
            contact_lists: vec![Address::new("wv:bob/none")],
            ..EntityList::default()
        };
        let remove = Some(users(&["stranger"]));
        let block = Some(AccessList { add: Some(add), remove, ..AccessList::default() });
        let result = world.services.im().change_blocking(&bob, AccessLists { block, grant: None }).await.unwrap();
        assert_eq!(result.status, Status::PARTIALLY_SUCCESSFUL);
        let codes: Vec<_> = result.detailed.iter().map(|one| (one.status.code(), one.user_ids.len())).collect();
        assert_eq!(codes, [(531, 2), (700, 0)]);
        let lists = world.services.im().blocking(&user("bob")).await.unwrap();
        assert_eq!(lists.block.iter().collect::<Vec<_>>(), [&Entity::User(user("alice"))]);
        let long = EntityList::users((0..2000).map(|n| Address::new(&format!("wv:u{n}@elsewhere"))));
        let lists = AccessLists { block: adding(true, long), grant: None };
        assert!(world.services.im().change_blocking(&bob, lists).await.is_err());
    }

    #[tokio::test]
    async fn they_survive_and_go_with_the_account() {
        let world = World::of(&["alice", "bob"]).await;
        let bob = world.login("bob").await;
        set(&world, &bob, adding(true, users(&["alice"])), None).await;
        let world = world.restarted().await;
        let alice = world.login("alice").await;
        assert_eq!(send(&world, &alice, "bob").await.status, Status::RECIPIENT_BLOCKED_THE_SENDER);
        world.services.access().remove_user(&user("bob")).await.unwrap();
        assert!(world.services.store.get_one(Space::Blocking, user_key(&user("bob"))).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn granting_opens_what_was_closed() {
        let world = World::of(&["alice", "bob"]).await;
        let (alice, bob) = (world.login("alice").await, world.login("bob").await);
        set(&world, &bob, adding(true, users(&["alice"])), adding(true, EntityList::default())).await;
        let mut batch = Batch::new();
        let lists = world.services.im().grant(&bob.user, &[user("alice")], &mut batch).unwrap();
        world.services.store.commit(batch).await.unwrap();
        world.services.im().set_blocking(&bob, lists);
        assert_eq!(send(&world, &alice, "bob").await.status, Status::SUCCESSFUL);
        assert_eq!(world.services.im().grant(&bob.user, &[user("alice")], &mut Batch::new()), None);
    }

    #[test]
    fn golden_octets_of_version_1() {
        let entities = [
            Entity::User(UserId::from_canonical("wv:a@x")),
            Entity::ScreenName(GroupId::from_canonical("wv:/g@x"), "S".into()),
            Entity::Group(GroupId::from_canonical("wv:/g@x")),
            Entity::ContactList(ContactListId::from_canonical("wv:a/l@x")),
            Entity::Application("ap".into()),
            Entity::Domain(Domain::parse("y").unwrap()),
        ];
        let block = Entities { in_use: true, list: entities.to_vec() };
        let blocking = Blocking { block, grant: Entities::default() };
        let golden = b"\x01\x01\x06\x00\x06wv:a@x\x01\x07wv:/g@x\x01S\x02\x07wv:/g@x\x03\x08wv:a/l@x\x04\x02ap\
            \x05\x01y\x00\x00";
        assert_eq!(blocking.to_record().escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!(Blocking::from_record(golden), Ok(blocking));
    }
}

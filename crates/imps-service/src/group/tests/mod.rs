//! The rules of CSP 13 as users and clients notice them.

use std::sync::Arc;
use std::time::Duration;

use imps_types::element::{
    Content, Group, GroupProperties, MessageInfo, Property, Recipient, ResultInfo, Role, ScreenName, Sender,
    SubscribeType, User, UserList, WelcomeNote,
};
use imps_types::{Address, GroupId, MessageId, Status, Version};

use super::{GroupError, JoinWish, JoinedUsers, Joining, Manager, NewGroup};
use crate::event::{Event, GroupChange, Message};
use crate::im::OutgoingMessage;
use crate::seam::{KeyRange, Order, Space};
use crate::testing::{World, user};
use crate::{Error, Session};

mod abroad;
mod messages;
mod people;

const PARTY: &str = "wv:alice/party@x";

fn party() -> Address {
    Address::new(PARTY)
}

fn properties(pairs: &[(&str, &str)]) -> GroupProperties {
    let properties = pairs.iter().map(|(name, value)| Property::new(name, value)).collect();
    GroupProperties { properties, welcome_note: None }
}

fn named(name: &str) -> JoinWish {
    JoinWish { screen_name: Some(name.into()), subscribe: true, own: Vec::new() }
}

fn users(names: &[&str]) -> UserList {
    UserList { users: names.iter().map(|name| User::of(*name)).collect(), screen_names: Vec::new() }
}

fn refused<T>(error: GroupError) -> Result<T, Error> {
    Err(Error::Group(error))
}

/// `200`, or `201 531[wv:x]`.
fn outcome(result: &ResultInfo) -> String {
    let mut text = result.status.to_string();
    for one in &result.detailed {
        let mut items: Vec<_> = one.user_ids.iter().chain(&one.group_ids).map(Address::to_string).collect();
        items.extend(one.screen_names.iter().map(|name| name.name.to_string()));
        text.push_str(&format!(" {}[{}]", one.status, items.join(",")));
    }
    text
}

impl World {
    async fn party(&self, session: &Arc<Session>, pairs: &[(&str, &str)]) {
        let new = NewGroup { properties: properties(pairs), join: true, wish: named("Ali") };
        self.services.group().create(session, &party(), new).await.unwrap();
    }

    async fn join(&self, session: &Arc<Session>, name: &str) -> Result<Joining, Error> {
        self.services.group().join(session, &party(), named(name)).await
    }

    /// What a session is told now: `joined Bob, left Al`, `forced 809`, `new hi`.
    async fn heard(&self, session: &Session) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.services.im().next_event(session).await {
            told.push(match event {
                Event::GroupChange(change) => say(&change),
                Event::ForcedLeave(leave) => format!("forced {}", leave.reason),
                Event::NewMessage(message) => format!("new {}", String::from_utf8_lossy(&message.content)),
                Event::MessageNotification(message) => format!("notify {}", message.info.content_size),
                Event::DeliveryReport(report) => format!("report {}", report.result),
                other => panic!("{other:?}"),
            });
        }
        told
    }

    async fn count(&self, space: Space) -> usize {
        self.services.store.scan(space, KeyRange::all(), Order::Forwards, 10_000).await.unwrap().len()
    }
}

fn say(change: &GroupChange) -> String {
    let mut parts = Vec::new();
    for mapping in &change.joined {
        let id = mapping.user_id.as_ref().map_or_else(String::new, |id| format!(" ({id})"));
        parts.push(format!("joined {}{id}", mapping.name));
    }
    parts.extend(change.left.iter().map(|name| format!("left {name}")));
    parts.extend(change.joined_blocked.iter().map(|name| format!("not let in {name}")));
    parts.extend(change.left_blocked.iter().map(|name| format!("thrown out {name}")));
    if let Some(properties) = &change.properties {
        let each = properties.properties.iter();
        parts.extend(each.map(|one| format!("{}={}", one.name, one.value.as_deref().unwrap_or_default())));
        parts.extend(properties.welcome_note.iter().map(|note| format!("note {}", note.content.data.len())));
    }
    if let Some(own) = &change.own {
        let level = own.iter().find(|one| &*one.name == "PrivilegeLevel");
        parts.push(format!("own {}", level.and_then(|one| one.value.as_deref()).unwrap_or_default()));
    }
    parts.join(", ")
}

#[tokio::test]
async fn a_group_is_made_under_ones_own_address_and_once() {
    let world = World::with(&["alice", "bob"], |config| config.groups_per_user = 2).await;
    let alice = world.login("alice").await;
    let groups = world.services.group();
    let create = |address: &str| {
        let (groups, alice, address) = (world.services.group(), alice.clone(), Address::new(address));
        async move { groups.create(&alice, &address, NewGroup::default()).await }
    };
    for address in ["wv:bob/party@x", "wv:/lobby@x", "wv:alice/party@y", "wv:alice@x", ""] {
        assert_eq!(create(address).await, refused(GroupError::Foreign), "{address}");
    }
    assert_eq!(create("ALICE/Party").await, Ok(()));
    assert_eq!(create(PARTY).await, refused(GroupError::Exists));
    assert_eq!(create("alice/two").await, Ok(()));
    assert_eq!(create("alice/three").await, refused(GroupError::TooManyGroups));
    let bad = NewGroup { properties: properties(&[("Searchable", "T")]), ..NewGroup::default() };
    groups.delete(&alice, &Address::new("alice/two")).await.unwrap();
    assert_eq!(groups.create(&alice, &Address::new("alice/two"), bad).await, refused(GroupError::Unnamed));
    let summary = groups.find(&party()).unwrap().summary();
    assert_eq!((summary.owner, summary.joined, summary.searchable), (Some(user("alice")), 0, false));
}

#[tokio::test]
async fn groups_made_at_the_same_time_are_counted_too() {
    let world = World::slow(&["alice"], |config| config.groups_per_user = 1).await;
    let (one, two) = (world.login("alice").await, world.login_as("alice", "two", Version::V1_2).await);
    let groups = world.services.group();
    let (first, second) = (Address::new("alice/one"), Address::new("alice/two"));
    let create = async |session: &Arc<Session>, address: &Address| {
        let new = NewGroup { join: true, ..NewGroup::default() };
        groups.create(session, address, new).await
    };
    let (first, second) = tokio::join!(create(&one, &first), create(&two, &second));
    assert_eq!((first, second), (Ok(()), refused(GroupError::TooManyGroups)));
    assert_eq!(groups.owned_by(&user("alice")).len(), 1);
}

#[tokio::test]
async fn who_joins_is_told_who_is_there_and_the_others_of_him() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[]).await;
    let joining = world.join(&bob, "Bobby").await.unwrap();
    assert_eq!((&*joining.screen_name, &joining.group), ("Bobby", &GroupId::from_canonical(PARTY)));
    assert_eq!(world.heard(&alice).await, ["joined Bobby (wv:bob@x)"], "an administrator sees whose it is");
    let shown = world.services.group().shown_to(&bob, &joining.group);
    let names: Vec<_> = shown.iter().map(|one| (&*one.name, one.user_id.is_some())).collect();
    assert_eq!(names, [("Ali", false), ("Bobby", false)]);
    // Screen names are one whatever their case, and whatever joins their letters; whoever names none gets one.
    assert_eq!(world.join(&carol, "BOBBY").await, refused(GroupError::NameInUse));
    assert_eq!(world.join(&carol, "Bob\u{200d}by").await, refused(GroupError::NameInUse));
    let made = world.services.group().join(&carol, &party(), JoinWish::default()).await.unwrap();
    assert_eq!(&*made.screen_name, "carol");
    assert_eq!(world.heard(&bob).await, ["joined carol"], "and nobody else does");
    // He is called otherwise from now on.
    assert_eq!(&*world.join(&carol, "Caro").await.unwrap().screen_name, "Caro");
    assert_eq!(world.heard(&bob).await, ["joined Caro, left carol"]);
    assert_eq!(world.heard(&alice).await, ["joined Caro (wv:carol@x)"], "what was not told yet is not told of");
    let group = world.services.group().find(&party()).unwrap();
    assert_eq!(group.user_of_screen_name("cARO"), Some(user("carol")));
    assert_eq!(group.user_of_screen_name("carol"), None);
    assert_eq!(world.join(&bob, &"x".repeat(129)).await, refused(GroupError::ScreenName));
}

#[tokio::test]
async fn the_order_of_checks_when_joining() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    assert_eq!(world.join(&bob, "Bob").await, Err(Error::UnknownGroup));
    let foreign = world.services.group().join(&bob, &Address::new("wv:/lobby@y"), JoinWish::default()).await;
    assert_eq!(foreign, Err(Error::ForeignDomain));
    world.party(&alice, &[("Accesstype", "Restricted"), ("MaxActiveUsers", "1")]).await;
    let by = Manager::User(&alice);
    let groups = world.services.group();
    groups.reject(by, &party(), users(&["bob"]), UserList::default()).await.unwrap();
    assert_eq!(world.join(&bob, "Ali").await, refused(GroupError::Rejected));
    groups.reject(by, &party(), UserList::default(), users(&["bob"])).await.unwrap();
    assert_eq!(world.join(&bob, "Ali").await, refused(GroupError::NotAMember));
    groups.add_members(by, &party(), users(&["bob"])).await.unwrap();
    assert_eq!(world.join(&bob, "Ali").await, refused(GroupError::Full));
    groups.set_properties(&alice, &party(), Some(properties(&[("MaxActiveUsers", "2")])), None).await.unwrap();
    assert_eq!(world.join(&bob, "Ali").await, refused(GroupError::NameInUse));
    assert!(world.join(&bob, "Bob").await.is_ok());
    // Whoever is there may come with another client, and is nobody more.
    let other = world.login_as("bob", "other", Version::V1_1).await;
    let name = groups.join(&other, &party(), JoinWish::default()).await.unwrap().screen_name;
    assert_eq!(&*name, "Bob");
    groups.add_members(by, &party(), users(&["carol"])).await.unwrap();
    assert_eq!(world.join(&carol, "Carol").await, refused(GroupError::Full));
}

#[tokio::test]
async fn an_invitation_lets_in_where_one_is_required() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[("RequireInvitation", "T")]).await;
    assert_eq!(world.join(&bob, "Bob").await, refused(GroupError::Restricted));
    let id = GroupId::from_canonical(PARTY);
    world.services.group().admit(&id, &user("bob")).await.unwrap();
    let world = world.restarted().await;
    let session = |session: &Arc<Session>| world.services.sessions.find(&session.id).unwrap();
    let (alice, bob, carol) = (session(&alice), session(&bob), session(&carol));
    assert!(world.join(&bob, "Bob").await.is_ok(), "it survives");
    let groups = world.services.group();
    groups.add_members(Manager::User(&alice), &party(), users(&["carol"])).await.unwrap();
    assert!(world.join(&carol, "Carol").await.is_ok(), "members need none");
    // Restricted without it, an invitation is of no use.
    groups.leave(&bob, &party()).await.unwrap();
    let restricted = properties(&[("RequireInvitation", "F"), ("Accesstype", "Restricted")]);
    groups.set_properties(&alice, &party(), Some(restricted), None).await.unwrap();
    assert_eq!(world.join(&bob, "Bob").await, refused(GroupError::NotAMember));
}

#[tokio::test]
async fn who_is_too_young_is_not_let_in() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.party(&alice, &[("MinimumAge", "18")]).await;
    assert_eq!(world.join(&bob, "Bob").await, refused(GroupError::TooYoung), "his age is not known");
    for (age, lets_in) in [("17", false), ("18", true)] {
        let profile =
            imps_types::element::PublicProfile { user_id: None, properties: vec![Property::new("PP_AGE", age)] };
        world.services.common().update_profile(&bob, false, &profile).await.unwrap();
        assert_eq!(world.join(&bob, "Bob").await.is_ok(), lets_in, "{age}");
    }
}

#[tokio::test]
async fn a_session_that_ends_leaves_silently_and_the_last_one_counts() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let other = world.login_as("bob", "other", Version::V1_2).await;
    world.party(&alice, &[]).await;
    world.join(&bob, "Bob").await.unwrap();
    world.join(&other, "Bob").await.unwrap();
    assert_eq!(world.heard(&alice).await, ["joined Bob (wv:bob@x)"]);
    world.services.access().logout(&bob).await.unwrap();
    assert!(world.heard(&alice).await.is_empty());
    world.services.clock.advance(Duration::from_secs(5 * 3600));
    alice.touch(world.services.clock.now());
    world.services.sweep().await;
    assert!(other.is_closed());
    assert_eq!(world.heard(&alice).await, ["left Bob"]);
    assert!(!world.services.group().find(&party()).unwrap().is_joined(&user("bob")));
    assert_eq!(world.services.group().leave(&alice, &party()).await.unwrap().as_str(), PARTY);
    assert_eq!(world.services.group().leave(&alice, &party()).await, refused(GroupError::NotJoined));
    assert_eq!(world.count(Space::GroupJoined).await, 0);
}

#[tokio::test]
async fn a_group_ends_with_its_last_user_or_its_validity_or_its_owner() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.party(&alice, &[("AutoDelete", "T")]).await;
    world.join(&bob, "Bob").await.unwrap();
    world.services.group().leave(&alice, &party()).await.unwrap();
    assert!(world.services.group().find(&party()).is_ok());
    world.services.access().logout(&bob).await.unwrap();
    assert_eq!(world.services.group().find(&party()).err(), Some(Error::UnknownGroup));
    assert_eq!((world.count(Space::Groups).await, world.count(Space::GroupPeople).await), (0, 0));

    let bob = world.login("bob").await;
    world.party(&alice, &[("Validity", "60")]).await;
    world.join(&bob, "Bob").await.unwrap();
    world.services.clock.advance(Duration::from_secs(59));
    world.services.sweep().await;
    assert!(world.services.group().find(&party()).is_ok());
    world.services.clock.advance(Duration::from_secs(1));
    world.services.sweep().await;
    assert_eq!(world.heard(&bob).await, ["forced 800"]);
    assert!(world.services.group().find(&party()).is_err());

    world.party(&alice, &[]).await;
    world.join(&bob, "Bob").await.unwrap();
    world.services.access().remove_user(&user("alice")).await.unwrap();
    assert_eq!(world.heard(&bob).await, ["forced 800"]);
    assert!(world.services.group().find(&party()).is_err());
    assert!(world.services.groups.of_user(&user("alice")).is_empty());
}

#[tokio::test]
async fn whoever_is_in_a_group_that_ends_is_told_why() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.party(&alice, &[]).await;
    world.join(&bob, "Bob").await.unwrap();
    let groups = world.services.group();
    assert_eq!(groups.delete(&bob, &party()).await, refused(GroupError::NoPrivilege));
    groups.create_public(&GroupId::from_canonical("wv:/lobby@x"), &GroupProperties::default()).await.unwrap();
    assert_eq!(groups.delete(&alice, &Address::new("wv:/lobby")).await, refused(GroupError::Public));
    groups.delete(&alice, &party()).await.unwrap();
    assert_eq!(groups.delete(&alice, &party()).await, Err(Error::UnknownGroup));
    // The server is killed before the clients have heard of it.
    let world = world.restarted().await;
    let bob = world.services.sessions.find(&bob.id).unwrap();
    let Some(Event::ForcedLeave(leave)) = world.services.im().next_event(&bob).await else { panic!() };
    assert_eq!((leave.group.as_str(), leave.reason), (PARTY, Status::GROUP_DOES_NOT_EXIST));
    world.services.group().leave_heard(&bob, &leave.group).await.unwrap();
    let world = world.restarted().await;
    let bob = world.services.sessions.find(&bob.id).unwrap();
    assert!(world.services.im().next_event(&bob).await.is_none());
    let alice = world.services.sessions.find(&alice.id).unwrap();
    assert_eq!(world.heard(&alice).await, ["forced 800"], "she has not heard of it yet");
}

#[tokio::test]
async fn a_restart_forgets_nobody_who_had_joined() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[("Topic", "Friday")]).await;
    world.join(&bob, "Bobby").await.unwrap();
    world.join(&carol, "Caro").await.unwrap();
    world.services.group().subscribe(&carol, &party(), SubscribeType::Unset).await.unwrap();
    let before = world.services.group().find(&party()).unwrap().summary();
    let world = world.restarted().await;
    let group = world.services.group().find(&party()).unwrap();
    assert_eq!(group.summary(), before);
    assert_eq!(group.screen_name_of(&user("bob")).as_deref(), Some("Bobby"));
    assert_eq!(group.role_of(&user("alice")), Some(Role::Admin));
    let session = |session: &Arc<Session>| world.services.sessions.find(&session.id).unwrap();
    let (bob, carol) = (session(&bob), session(&carol));
    assert_eq!(world.heard(&bob).await, ["joined Ali, joined Caro"], "once, since notices are not kept");
    assert!(world.heard(&carol).await.is_empty());
    assert!(!world.services.group().subscribe(&carol, &party(), SubscribeType::Get).await.unwrap());
    world.services.group().leave(&carol, &party()).await.unwrap();
    assert_eq!(world.heard(&bob).await, ["left Caro"]);
}

#[tokio::test]
async fn properties_are_read_and_set_by_those_who_may() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[("Topic", "Friday")]).await;
    world.join(&bob, "Bob").await.unwrap();
    world.heard(&alice).await;
    let groups = world.services.group();
    let told = groups.properties(&bob, &party()).unwrap();
    assert!(told.common.properties.contains(&Property::new("ActiveUsers", "2")));
    assert!(told.own.unwrap().contains(&Property::new("ScreenName", "Bob")));
    assert_eq!(groups.properties(&carol, &party()).unwrap().own, None, "she is a stranger");
    // A plain user sets his own and nothing else.
    let set = |session: &Arc<Session>, common: &[(&str, &str)], own: &[(&str, &str)]| {
        let (groups, session) = (world.services.group(), session.clone());
        let (common, own) = (properties(common), properties(own).properties);
        async move { groups.set_properties(&session, &party(), Some(common), Some(own)).await }
    };
    let both = set(&bob, &[("Topic", "Monday")], &[("ShowID", "T")]).await.unwrap();
    assert_eq!(outcome(&both), "201 816[wv:alice/party@x]");
    assert_eq!(set(&bob, &[("Topic", "Monday")], &[]).await, refused(GroupError::NoPrivilege));
    assert_eq!(set(&carol, &[], &[("ShowID", "T")]).await, refused(GroupError::NotJoined));
    let wrong = set(&alice, &[("MaxActiveUsers", "many")], &[]).await.unwrap_err();
    assert_eq!(wrong.status(), Status::INVALID_OR_UNSUPPORTED_GROUP_PROPERTIES);
    assert_eq!(set(&alice, &[("Searchable", "T"), ("Topic", "")], &[]).await, refused(GroupError::Unnamed));
    // Subscribers are told what has another value.
    let changed = set(&alice, &[("Topic", "Monday"), ("PrivateMessaging", "T"), ("Searchable", "T")], &[]).await;
    assert_eq!(outcome(&changed.unwrap()), "200");
    assert_eq!(world.heard(&bob).await, ["Topic=Monday, Searchable=T"]);
    assert!(world.heard(&alice).await.is_empty(), "she did it herself");
    // A moderator sets topic and welcome note.
    let by = Manager::User(&alice);
    groups.add_members(by, &party(), users(&["bob"])).await.unwrap();
    groups.set_access(by, &party(), vec![(Role::Mod, users(&["bob"]))]).await.unwrap();
    assert_eq!(world.heard(&bob).await, ["own Mod"]);
    assert_eq!(outcome(&set(&bob, &[("Topic", "Tuesday")], &[]).await.unwrap()), "200");
    assert_eq!(set(&bob, &[("Name", "Mine")], &[]).await, refused(GroupError::NoPrivilege));
    let note = WelcomeNote { content_type: "text/plain".into(), content: Content::text("Be nice") };
    let common = GroupProperties { welcome_note: Some(note.clone()), ..GroupProperties::default() };
    groups.set_properties(&bob, &party(), Some(common), None).await.unwrap();
    assert_eq!(world.heard(&alice).await, ["Topic=Tuesday, note 7"]);
    assert_eq!(world.join(&carol, "Carol").await.unwrap().welcome_note, Some(note));
}

#[tokio::test]
async fn a_group_that_becomes_restricted_keeps_its_members() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[]).await;
    world.join(&bob, "Bob").await.unwrap();
    world.join(&carol, "Carol").await.unwrap();
    let groups = world.services.group();
    groups.add_members(Manager::User(&alice), &party(), users(&["bob"])).await.unwrap();
    world.heard(&bob).await;
    let restricted = properties(&[("AccessType", "Restricted")]);
    groups.set_properties(&alice, &party(), Some(restricted), None).await.unwrap();
    assert_eq!(world.heard(&carol).await, ["forced 810"]);
    assert_eq!(world.heard(&bob).await, ["left Carol, Accesstype=Restricted"]);
    assert_eq!(groups.properties(&carol, &party()), refused(GroupError::NoPrivilege), "nor does she see it");
}

#[tokio::test]
async fn who_joins_by_himself_is_there_after_the_negotiation() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.party(&alice, &[]).await;
    let wish = JoinWish { own: vec![Property::new("AutoJoin", "T")], ..named("Bobby") };
    world.services.group().join(&bob, &party(), wish).await.unwrap();
    let group = world.services.group().find(&party()).unwrap();
    assert_eq!(group.auto_join_users(), [user("bob")]);
    world.services.access().logout(&bob).await.unwrap();
    world.heard(&alice).await;
    let bob = world.login("bob").await;
    assert!(!group.is_joined(&user("bob")), "his client has not said what it can do");
    let negotiate = async || world.services.access().negotiate_capabilities(&bob, Default::default()).await.unwrap();
    negotiate().await;
    assert_eq!(group.screen_name_of(&user("bob")).as_deref(), Some("Bobby"));
    assert_eq!(world.heard(&bob).await, ["joined Ali, joined Bobby"], "he is among them");
    assert_eq!(world.heard(&alice).await, ["joined Bobby (wv:bob@x)"]);
    world.services.group().leave(&bob, &party()).await.unwrap();
    negotiate().await;
    assert!(!group.is_joined(&user("bob")), "once for each session");
}

#[tokio::test]
async fn a_conversation_becomes_a_group() {
    let world = World::of(&["alice", "bob", "carol", "dave"]).await;
    let alice = world.login_as("alice", "alice", Version::V1_3).await;
    let bob = world.login_as("bob", "bob", Version::V1_3).await;
    let dave = world.login("dave").await;
    let wish = super::Extension {
        id: Some("ec-1".into()),
        partner: Some(User::of("bob")),
        others: vec![Address::new("carol"), Address::new("ghost")],
        wish: named("Ali"),
        ..Default::default()
    };
    let extended = world.services.group().extend_conversation(&alice, wish).await.unwrap();
    assert_eq!((&*extended.id, outcome(&extended.result)), ("ec-1", "201 531[ghost]".to_owned()));
    let Some(Event::Notice(notice)) = world.services.im().next_event(&bob).await else { panic!() };
    let crate::event::NoticeContent::Invitation(invitation) = &notice.content else { panic!("{notice:?}") };
    assert_eq!(invitation.occasion.group_id, extended.group.as_ref().map(Address::from));
    let address = Address::from(extended.group.as_ref().unwrap());
    let join = |session: &Arc<Session>| {
        let (groups, session, group) = (world.services.group(), session.clone(), address.clone());
        async move { groups.join(&session, &group, JoinWish::default()).await }
    };
    assert_eq!(&*join(&bob).await.unwrap().screen_name, "bob");
    assert_eq!(join(&dave).await, refused(GroupError::Restricted), "he was not invited");
    let alone = super::Extension { partner: Some(User::of("ghost")), ..Default::default() };
    let failed = world.services.group().extend_conversation(&alice, alone).await.unwrap();
    assert_eq!((failed.group, outcome(&failed.result)), (None, "531 531[ghost]".to_owned()));
    assert_eq!(world.services.group().owned_by(&user("alice")).len(), 1, "nobody came, so there is no group");
    let nobody = super::Extension::default();
    assert!(matches!(world.services.group().extend_conversation(&alice, nobody).await, Err(Error::BadParameter(_))));
}

//! The rules of CSP 8 to 11 as a user notices them.

use std::sync::Arc;

use imps_types::element::{CapabilityList, ClientType, NickEntry, Property, ResultInfo};
use imps_types::presence::Attribute::{
    self, Alias, ClientInfo, CommCap, InfoLink, OnlineStatus, StatusMood, StatusText, TimeZone,
};
use imps_types::presence::{AttributeSet, Field, FieldValue, PresenceAttribute, PresenceSubList};
use imps_types::{Address, ClientId, Domain, Secret, Status, UserId, Version};

use super::{AttributeListTargets, ListChange, Presence, WatchTargets};
use crate::access::{LoginAttempt, LoginOutcome, PhonePassword};
use crate::event::Event;
use crate::seam::{LocalBus, MemoryEngine, NodeId, StoreError};
use crate::store::Store;
use crate::{Clock, Error, ServiceConfig, Services, Session, Timestamp};

struct World {
    services: Arc<Services>,
    engine: Arc<MemoryEngine>,
}

fn start(engine: &Arc<MemoryEngine>, change: impl FnOnce(&mut ServiceConfig)) -> Arc<Services> {
    let mut config = ServiceConfig::new(Domain::parse("x").unwrap());
    change(&mut config);
    let clock = Clock::set(Timestamp(1_000_000));
    let bus = Arc::new(LocalBus::new(NodeId(1)));
    Services::new(config, clock, Store::new(engine.clone()), bus, Secret::new([7; 32]))
}

fn user(name: &str) -> UserId {
    UserId::from_canonical(&format!("wv:{name}@x"))
}

fn addresses(names: &[&str]) -> Vec<Address> {
    names.iter().map(|name| Address::new(name)).collect()
}

fn set(attributes: &[Attribute]) -> AttributeSet {
    attributes.iter().copied().collect()
}

fn users(names: &[&str]) -> WatchTargets {
    WatchTargets { users: addresses(names), contact_lists: Vec::new() }
}

fn lists(names: &[&str]) -> WatchTargets {
    WatchTargets { users: Vec::new(), contact_lists: addresses(names) }
}

fn nick(names: &[&str]) -> Vec<NickEntry> {
    let entry = |text: &&str| match text.split_once('=') {
        Some((user, name)) => NickEntry { name: Some(name.into()), user_id: Address::new(user) },
        None => NickEntry { name: None, user_id: Address::new(text) },
    };
    names.iter().map(entry).collect()
}

fn properties(list: &[(&str, &str)]) -> Vec<Property> {
    list.iter().map(|(name, value)| Property::new(name, value)).collect()
}

fn text(attribute: Attribute, value: &str) -> PresenceAttribute {
    PresenceAttribute::with_value(attribute, value)
}

fn zone(value: &str) -> PresenceAttribute {
    let fields = vec![(Field::Zone, FieldValue::Text(value.into()))];
    PresenceAttribute { attribute: TimeZone, qualifier: Some(true), fields, client_id: None }
}

/// `OnlineStatus=T StatusText=-`; a ClientID comes after `@`, `-` is Qualifier F.
fn shown(list: &PresenceSubList) -> String {
    let one = |one: &PresenceAttribute| {
        let value = match (one.qualifier, one.fields.first()) {
            (Some(false), _) => "-".to_owned(),
            (_, Some((_, FieldValue::Text(text)))) => text.to_string(),
            (_, Some((field, FieldValue::Struct(_)))) => field.name().to_owned(),
            (_, None) => String::new(),
        };
        let client = one.client_id.as_ref().map(|id| format!("@{id}")).unwrap_or_default();
        format!("{}={value}{client}", one.attribute.row().name)
    };
    list.attributes.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// `200`, or `201 531[wv:x] 700[wv:y/z]`.
fn outcome(result: &ResultInfo) -> String {
    let mut text = result.status.to_string();
    for one in &result.detailed {
        let items: Vec<_> = one.user_ids.iter().chain(&one.contact_lists).map(Address::as_str).collect();
        text.push_str(&format!(" {}[{}]", one.status, items.join(",")));
    }
    text
}

impl World {
    async fn of(names: &[&str]) -> Self {
        Self::with(names, |_| {}).await
    }

    async fn with(names: &[&str], change: impl FnOnce(&mut ServiceConfig)) -> Self {
        let engine = Arc::new(MemoryEngine::new());
        let services = start(&engine, change);
        for name in names {
            let password = PhonePassword::Set(Secret::new("secret".to_owned()));
            services.access().add_user(&user(name), None, password).await.unwrap();
        }
        Self { services, engine }
    }

    fn presence(&self) -> Presence<'_> {
        self.services.presence()
    }

    async fn login_as(&self, name: &str, client: &str, version: Version) -> Arc<Session> {
        let attempt = LoginAttempt {
            user: Some(Address::new(name)),
            client: ClientId::of_url(client),
            application: None,
            password: Some(Secret::new("secret".into())),
            digest: None,
            schemas: Vec::new(),
            time_to_live: None,
            cookie: "cookie".into(),
            resume: None,
            version,
            from: None,
        };
        match self.services.access().login(attempt).await.unwrap() {
            LoginOutcome::Opened { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    async fn login(&self, name: &str) -> Arc<Session> {
        self.login_as(name, name, Version::V1_2).await
    }

    /// What a session is told now, one text for each publisher.
    async fn told(&self, session: &Session) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(event) = self.services.im().next_event(session).await {
            match event {
                Event::Presence(snapshot) => {
                    told.push(format!("{}: {}", snapshot.user.local(), shown(&snapshot.list)));
                }
                other => panic!("{other:?}"),
            }
        }
        told
    }

    async fn list(&self, session: &Session, name: &str, members: &[&str]) -> String {
        let made = self.presence().create_list(session, &Address::new(name), nick(members), Vec::new()).await;
        made.map_or_else(|error| error.status().to_string(), |made| outcome(&made.result))
    }

    async fn manage(&self, session: &Session, name: &str, add: &[&str], remove: &[&str]) -> String {
        let change = ListChange { add: nick(add), remove: addresses(remove), properties: Vec::new() };
        match self.presence().manage_list(session, &Address::new(name), change).await {
            Ok(managed) => {
                let member = |one: &NickEntry| match &one.name {
                    Some(name) => format!("{}={name}", one.user_id),
                    None => one.user_id.to_string(),
                };
                let members: Vec<_> = managed.members.iter().map(member).collect();
                format!("{} ({})", outcome(&managed.result), members.join(" "))
            }
            Err(error) => error.status().to_string(),
        }
    }

    /// Attaches an attribute list to `targets`: users, lists (with a `/`) or `default`.
    async fn allow(&self, session: &Session, targets: &[&str], attributes: &[Attribute]) -> String {
        let (targets, all) = (targets.iter().copied(), AttributeListTargets::default());
        let targets = targets.fold(all, |mut all, target| {
            match target {
                "default" => all.default = true,
                list if list.contains('/') => all.contact_lists.push(Address::new(list)),
                user => all.users.push(Address::new(user)),
            }
            all
        });
        let made = self.presence().create_attribute_list(session, set(attributes), &targets).await;
        made.map_or_else(|error| error.status().to_string(), |result| outcome(&result))
    }

    async fn update(&self, session: &Arc<Session>, attributes: Vec<PresenceAttribute>) -> u16 {
        let result = self.presence().update(session, PresenceSubList { attributes }).await;
        result.map_or_else(|error| error.status(), |result| result.status).code()
    }

    async fn subscribe(&self, session: &Arc<Session>, targets: WatchTargets, wanted: &[Attribute]) -> String {
        outcome(&self.presence().subscribe(session, &targets, set(wanted), false).await.unwrap())
    }

    async fn follow(&self, session: &Arc<Session>, targets: WatchTargets, wanted: &[Attribute]) -> String {
        outcome(&self.presence().subscribe(session, &targets, set(wanted), true).await.unwrap())
    }

    async fn seen(&self, session: &Session, targets: WatchTargets, wanted: &[Attribute]) -> (String, Vec<String>) {
        let (result, found) = self.presence().get(session, &targets, set(wanted)).await.unwrap();
        let found = found.iter().map(|(user, list)| format!("{}: {}", user.local(), shown(list))).collect();
        (outcome(&result), found)
    }
}

#[tokio::test]
async fn creating_lists() {
    let world = World::with(&["alice", "bob"], |config| (config.lists_max, config.members_max) = (3, 2)).await;
    let alice = world.login("alice").await;
    for (list, members, expected) in [
        ("wv:Alice/Friends", ["bob=Bob"].as_slice(), "200"),
        ("alice/friends@X", &[], "701"),
        ("wv:bob/friends", &[], "752"),
        ("wv:alice/friends@elsewhere", &[], "752"),
        ("wv:alice", &[], "752"),
        ("wv:alice/a", &["nobody", "bob", "carol@elsewhere"], "201 516[carol@elsewhere] 531[nobody]"),
        ("wv:alice/b", &["nobody"], "201 531[nobody]"),
        ("wv:alice/c", &[], "753"),
    ] {
        assert_eq!(world.list(&alice, list, members).await, expected, "{list}");
    }
    assert_eq!(world.manage(&alice, "wv:alice/friends", &["alice"], &[]).await, "200 (wv:bob@x=Bob wv:alice@x)");
    assert_eq!(world.manage(&alice, "wv:alice/a", &["alice"], &[]).await, "200 (wv:bob@x wv:alice@x)");
    world.list(&alice, "wv:alice/b", &[]).await;
    assert_eq!(
        world.services.presence().members(&alice.user, &world.services.router.list(&"alice/b".into()).unwrap()),
        Some(vec![])
    );
}

#[tokio::test]
async fn managing_lists() {
    let world = World::with(&["alice", "bob", "carol"], |config| config.members_max = 2).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    assert_eq!(world.list(&alice, "alice/f", &[]).await, "200");
    for (list, add, remove, expected) in [
        ("alice/f", ["bob=B"].as_slice(), [].as_slice(), "200 (wv:bob@x=B)"),
        ("alice/f", &["bob=Bobby"], &[], "200 (wv:bob@x=Bobby)"),
        ("alice/f", &["bob"], &[], "200 (wv:bob@x=Bobby)"),
        ("alice/f", &["nobody"], &[], "531 531[nobody] (wv:bob@x=Bobby)"),
        ("alice/f", &["nobody", "d@elsewhere"], &[], "900 516[d@elsewhere] 531[nobody] (wv:bob@x=Bobby)"),
        ("alice/f", &["nobody", "carol"], &[], "201 531[nobody] (wv:bob@x=Bobby wv:carol@x)"),
        ("alice/f", &["alice"], &[], "754"),
        ("alice/f", &["alice"], &["WV:Bob@X"], "200 (wv:carol@x wv:alice@x)"),
        ("alice/f", &[], &["bob", "nobody"], "200 (wv:carol@x wv:alice@x)"),
        ("alice/f", &[], &[], "200 (wv:carol@x wv:alice@x)"),
        ("alice/g", &[], &[], "700"),
        ("bob/f", &[], &[], "700"),
    ] {
        assert_eq!(world.manage(&alice, list, add, remove).await, expected, "{add:?} {remove:?}");
    }
    assert_eq!(world.manage(&bob, "alice/f", &[], &[]).await, "700");
    assert_eq!(world.presence().delete_list(&bob, &"alice/f".into()).await, Err(Error::UnknownList));
    // What was answered is in the store.
    let again = start(&world.engine, |_| {});
    let state = again.user(&user("alice")).await.unwrap();
    let list = again.router.list(&"alice/f".into()).unwrap();
    assert_eq!(again.presence().members(&state, &list), Some(vec![user("carol"), user("alice")]));
}

#[tokio::test]
async fn a_list_is_not_changed_when_the_store_refuses() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    world.list(&alice, "alice/f", &[]).await;
    world.engine.refuse(Some(StoreError::Full));
    assert_eq!(world.list(&alice, "alice/g", &[]).await, "503");
    assert_eq!(world.manage(&alice, "alice/f", &["bob"], &[]).await, "503");
    assert_eq!(world.allow(&alice, &["bob"], &[Alias]).await, "503");
    let subscribed = world.presence().subscribe(&alice, &users(&["bob"]), AttributeSet::ALL, false).await;
    assert_eq!(subscribed.unwrap_err().status(), Status::SERVER_UNAVAILABLE);
    assert_eq!(world.update(&alice, vec![text(Alias, "A")]).await, 503);
    world.engine.refuse(None);
    assert_eq!(world.manage(&alice, "alice/f", &[], &[]).await, "200 ()");
    assert_eq!(world.presence().list_names(&alice).lists.len(), 0);
    assert!(alice.subscriptions.lock().is_empty());
    assert_eq!(world.seen(&alice, users(&["alice"]), &[Alias]).await.1, ["alice: Alias=-"]);
}

#[tokio::test]
async fn default_lists_and_properties() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let presence = world.presence();
    let create = async |name: &str, list: &[(&str, &str)]| {
        let made = presence.create_list(&alice, &name.into(), Vec::new(), properties(list)).await;
        made.map(|made| made.properties).map_err(|error| error.status().code())
    };
    let manage = async |name: &str, list: &[(&str, &str)]| {
        let change = ListChange { properties: properties(list), ..ListChange::default() };
        let managed = presence.manage_list(&alice, &name.into(), change).await;
        managed.map(|managed| managed.properties).map_err(|error| error.status().code())
    };
    let names = || {
        let names = presence.list_names(&alice);
        let lists: Vec<_> = names.lists.iter().map(|list| list.name().to_owned()).collect();
        format!("{} ({})", lists.join(" "), names.default.map(|list| list.name().to_owned()).unwrap_or_default())
    };
    let both = |name: &str, default: &str| Ok(properties(&[("DisplayName", name), ("Default", default)]));

    assert_eq!(names(), " ()");
    assert_eq!(create("alice/b", &[("default", "F")]).await, both("b", "T"), "the first one is it, whatever is asked");
    assert_eq!(create("alice/c", &[("DISPLAYNAME", "See")]).await, both("See", "F"));
    assert_eq!(names(), "c (b)");
    assert_eq!(create("alice/a", &[("Default", "T")]).await, both("a", "T"));
    assert_eq!(names(), "b c (a)");
    assert_eq!(manage("alice/a", &[("Default", "F")]).await, both("a", "T"), "there is always one");
    assert_eq!(manage("alice/c", &[("Default", "T"), ("DisplayName", "")]).await, both("c", "T"));
    assert_eq!(names(), "a b (c)");
    for bad in [[("Colour", "red")], [("Default", "yes")], [("DisplayName", &*"x".repeat(300))]] {
        assert_eq!(manage("alice/c", &bad).await, Err(752), "{bad:?}");
        assert_eq!(create("alice/d", &bad).await, Err(752), "{bad:?}");
    }
    presence.delete_list(&alice, &"alice/c".into()).await.unwrap();
    assert_eq!(names(), "b (a)", "another one takes its place");
    let again = start(&world.engine, |_| {});
    let state = again.user(&user("alice")).await.unwrap();
    assert_eq!(state.lock().lists.default_list().map(|list| list.id.name().to_owned()).as_deref(), Some("a"));
    for list in ["alice/a", "alice/b"] {
        presence.delete_list(&alice, &list.into()).await.unwrap();
    }
    assert_eq!(names(), " ()");
}

#[tokio::test]
async fn attribute_lists_are_kept_and_told() {
    let world = World::with(&["alice", "bob", "carol"], |config| config.attribute_lists_max = 3).await;
    let alice = world.login("alice").await;
    let presence = world.presence();
    world.list(&alice, "alice/f", &["bob"]).await;
    for (targets, expected) in [
        (["bob", "nobody"].as_slice(), "201 531[nobody]"),
        (&["carol@elsewhere"], "516 516[carol@elsewhere]"),
        (&["alice/g", "bob/f"], "700 700[alice/g,bob/f]"),
        (&["alice/f", "default"], "200"),
        (&["carol"], "755"),
        (&["bob"], "200"),
        (&[], "402"),
    ] {
        assert_eq!(world.allow(&alice, targets, &[OnlineStatus]).await, expected, "{targets:?}");
    }
    let named = |users: &[&str], lists: &[&str], default| AttributeListTargets {
        users: addresses(users),
        contact_lists: addresses(lists),
        default,
    };
    let check = |targets: AttributeListTargets, status: u16, default: bool, users: usize, lists: usize| {
        let found = presence.attribute_lists(&alice, &targets).unwrap();
        let shape = (found.result.status.code(), found.default.is_some(), found.users.len(), found.contact_lists.len());
        assert_eq!(shape, (status, default, users, lists), "{targets:?}");
    };
    check(named(&[], &[], true), 200, true, 1, 1);
    check(named(&["bob"], &[], false), 200, false, 1, 0);
    check(named(&["carol"], &["alice/f"], true), 200, true, 0, 1);
    check(named(&[], &["bob/f"], false), 700, false, 0, 0);
    let state = start(&world.engine, |_| {}).user(&user("alice")).await.unwrap();
    assert_eq!(state.lock().attribute_lists, alice.user.lock().attribute_lists);

    for (targets, expected) in [
        (named(&["nobody", "bob"], &[], false), "201 531[nobody]"),
        (named(&["bob"], &[], false), "200"),
        (named(&[], &["alice/g"], true), "201 700[alice/g]"),
    ] {
        assert_eq!(outcome(&presence.delete_attribute_list(&alice, &targets).await.unwrap()), expected);
    }
    check(named(&[], &[], true), 200, false, 0, 1);
    presence.delete_list(&alice, &"alice/f".into()).await.unwrap();
    check(named(&[], &[], true), 200, false, 0, 0);
}

#[tokio::test]
async fn without_authorisation_nothing_is_seen() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    assert_eq!(world.subscribe(&bob, users(&["alice"]), &[OnlineStatus, StatusText]).await, "200");
    assert_eq!(world.update(&alice, vec![text(StatusText, "hi")]).await, 200);
    assert_eq!(world.told(&bob).await, [""; 0]);
    assert_eq!(world.seen(&bob, users(&["alice"]), &[StatusText]).await, ("200".into(), vec!["alice: ".into()]));

    world.allow(&alice, &["bob"], &[StatusText, Alias]).await;
    assert_eq!(world.told(&bob).await, ["alice: StatusText=hi"], "granted: the values come");
    world.allow(&alice, &["bob"], &[OnlineStatus, StatusText]).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T"]);
    world.allow(&alice, &["bob"], &[OnlineStatus]).await;
    assert_eq!(world.told(&bob).await, ["alice: StatusText=-"], "withdrawn: Qualifier F");
    world.update(&alice, vec![text(StatusText, "secret")]).await;
    assert_eq!(world.told(&bob).await, [""; 0]);
    world.allow(&alice, &["bob"], &[]).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=-"]);
    world.allow(&alice, &["default"], &[Alias]).await;
    let targets = AttributeListTargets { users: addresses(&["bob"]), ..Default::default() };
    world.presence().delete_attribute_list(&alice, &targets).await.unwrap();
    assert_eq!(world.told(&bob).await, [""; 0], "the default list says Alias, which bob does not want");
    assert_eq!(world.seen(&bob, users(&["alice"]), &[StatusText, Alias]).await.1, ["alice: Alias=-"]);
}

#[tokio::test]
async fn being_put_on_a_list_authorises() {
    let world = World::with(&["alice", "bob"], |config| config.default_list_for_everybody = false).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus, Alias]).await;
    world.allow(&alice, &["default"], &[OnlineStatus]).await;
    assert_eq!(world.told(&bob).await, [""; 0]);
    world.list(&alice, "alice/f", &["bob"]).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T"]);
    world.allow(&alice, &["alice/f"], &[Alias]).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=- Alias=-"]);
    world.manage(&alice, "alice/f", &[], &["bob"]).await;
    assert_eq!(world.told(&bob).await, ["alice: Alias=-"]);
    world.manage(&alice, "alice/f", &["bob"], &[]).await;
    world.presence().delete_list(&alice, &"alice/f".into()).await.unwrap();
    assert_eq!(world.told(&bob).await, ["alice: Alias=-"], "both before bob looked");
}

#[tokio::test]
async fn subscribing() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.allow(&alice, &["default"], &[OnlineStatus, StatusText, Alias]).await;
    for (targets, expected) in [
        (users(&["nobody"]), "531 531[nobody]"),
        (users(&["alice", "nobody", "a@elsewhere"]), "201 516[a@elsewhere] 531[nobody]"),
        (lists(&["alice/f"]), "700 700[alice/f]"),
        (lists(&["bob/none"]), "700 700[bob/none]"),
    ] {
        assert_eq!(world.subscribe(&bob, targets.clone(), &[StatusText]).await, expected, "{targets:?}");
    }
    assert_eq!(world.told(&bob).await, ["alice: StatusText=-"], "never set");
    world.update(&alice, vec![text(StatusText, "one"), text(Alias, "Al")]).await;
    world.update(&alice, vec![text(StatusText, "two")]).await;
    assert_eq!(world.told(&bob).await, ["alice: StatusText=two"], "what was not fetched is merged");
    world.update(&alice, vec![text(StatusText, "two")]).await;
    assert_eq!(world.told(&bob).await, [""; 0], "no change");
    assert_eq!(world.subscribe(&bob, users(&["alice"]), &[Alias, OnlineStatus]).await, "200");
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T Alias=Al"], "replaced, and told again");
    world.update(&alice, vec![text(StatusText, "three")]).await;
    assert_eq!(world.told(&bob).await, [""; 0]);

    world.update(&alice, vec![text(Alias, "A")]).await;
    for name in ["alice", "bob", "nobody"] {
        let result = world.presence().unsubscribe(&bob, &users(&[name])).await.unwrap();
        assert_eq!(outcome(&result), "200", "{name}");
    }
    assert_eq!(world.told(&bob).await, [""; 0], "not even what waited");
    assert!(!alice.user.lock().presence.is_watched());
    assert_eq!(outcome(&world.presence().unsubscribe(&bob, &lists(&["alice/f"])).await.unwrap()), "700 700[alice/f]");

    world.subscribe(&bob, users(&["bob"]), &[OnlineStatus, Alias]).await;
    world.update(&bob, vec![text(Alias, "B")]).await;
    assert_eq!(world.told(&bob).await, ["bob: OnlineStatus=T Alias=B"], "oneself, without any attribute list");
}

#[tokio::test]
async fn lists_are_followed_when_asked() {
    let world = World::of(&["alice", "bob", "carol", "watcher"]).await;
    for name in ["alice", "bob", "carol"] {
        let session = world.login(name).await;
        world.allow(&session, &["default"], &[OnlineStatus, Alias]).await;
        world.update(&session, vec![text(Alias, name)]).await;
    }
    let watcher = world.login("watcher").await;
    world.list(&watcher, "watcher/f", &["alice", "bob"]).await;
    world.list(&watcher, "watcher/fixed", &["bob"]).await;
    assert_eq!(world.subscribe(&watcher, lists(&["watcher/fixed"]), &[OnlineStatus]).await, "200");
    assert_eq!(world.told(&watcher).await, ["bob: OnlineStatus=T"]);
    assert_eq!(world.follow(&watcher, lists(&["watcher/f"]), &[Alias]).await, "200");
    assert_eq!(world.told(&watcher).await, ["alice: Alias=alice", "bob: Alias=bob"]);

    world.manage(&watcher, "watcher/f", &["carol"], &["alice"]).await;
    world.manage(&watcher, "watcher/fixed", &["alice"], &["bob"]).await;
    assert_eq!(world.told(&watcher).await, ["carol: Alias=carol"]);
    assert!(!world.services.users.loaded(&user("alice")).unwrap().lock().presence.is_watched());
    world.presence().delete_list(&watcher, &"watcher/f".into()).await.unwrap();
    let targets = world.services.users.loaded(&user("bob")).unwrap();
    assert_eq!(world.told(&watcher).await, ["bob: OnlineStatus=T"], "the earlier subscription counts again");
    assert!(targets.lock().presence.is_watched());
    assert_eq!(outcome(&world.presence().unsubscribe(&watcher, &lists(&["watcher/fixed"])).await.unwrap()), "200");
    assert!(!targets.lock().presence.is_watched());
}

#[tokio::test]
async fn values_are_checked_and_replaced_whole() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let all = [OnlineStatus, StatusText, StatusMood];
    assert_eq!(world.update(&alice, vec![text(StatusText, "hi"), text(StatusMood, "MEH")]).await, 751);
    assert_eq!(
        world.seen(&alice, users(&["alice"]), &all).await.1,
        ["alice: OnlineStatus=T StatusText=- StatusMood=-"]
    );
    assert_eq!(world.services.metrics.presence_updates.value(), 0);
    let unqualified = PresenceAttribute { qualifier: None, ..text(StatusText, "hi") };
    let bare = PresenceAttribute { qualifier: Some(true), ..PresenceAttribute::name_only(OnlineStatus) };
    let updates = [
        (vec![unqualified, text(StatusMood, "in_love")], "StatusText=hi StatusMood=IN_LOVE"),
        (vec![PresenceAttribute::name_only(StatusText), bare], "StatusText=hi StatusMood=IN_LOVE"),
        (vec![text(OnlineStatus, "F")], "StatusText=hi StatusMood=IN_LOVE"),
        (vec![PresenceAttribute::unknown(StatusMood)], "StatusText=hi StatusMood=-"),
        (vec![text(StatusText, "")], "StatusText= StatusMood=-"),
    ];
    for (update, expected) in updates {
        assert_eq!(world.update(&alice, update).await, 200);
        let expected = format!("alice: OnlineStatus=T {expected}");
        assert_eq!(world.seen(&alice, users(&["alice"]), &all).await.1, [expected]);
    }
    assert_eq!(world.services.metrics.presence_updates.value(), 3);
}

#[tokio::test]
async fn online_status_is_the_servers() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let first = world.login_as("alice", "one", Version::V1_3).await;
    world.allow(&first, &["default"], &[OnlineStatus, ClientInfo, CommCap, TimeZone]).await;
    let old = world.login_as("bob", "bob", Version::V1_1).await;
    let new = world.login_as("carol", "carol", Version::V1_3).await;
    let wanted = [OnlineStatus, ClientInfo, CommCap, TimeZone];
    for session in [&old, &new] {
        world.subscribe(session, users(&["alice"]), &wanted).await;
    }
    assert_eq!(world.told(&old).await, ["alice: OnlineStatus=T ClientInfo=- TimeZone=- CommCap=-"]);
    assert_eq!(world.told(&new).await, ["alice: OnlineStatus=T@one ClientInfo=- TimeZone=- CommCap=-"]);

    let second = world.login_as("alice", "two", Version::V1_2).await;
    assert_eq!(world.told(&old).await, ["alice: ClientInfo=MOBILE_PHONE CommCap=CommC"], "she was online already");
    let told = "alice: OnlineStatus=T@two OnlineStatus=T@one ClientInfo=MOBILE_PHONE@two CommCap=CommC@two";
    assert_eq!(world.told(&new).await, [told]);

    world.update(&first, vec![zone("+02")]).await;
    world.update(&second, vec![zone("+03"), PresenceAttribute::unknown(CommCap)]).await;
    assert_eq!(world.told(&old).await, ["alice: TimeZone=+03 CommCap=-"], "the newest, and none of the server's own");
    assert_eq!(world.told(&new).await, ["alice: TimeZone=+03@two TimeZone=+02@one CommCap=-"]);

    world.services.access().logout(&second).await.unwrap();
    assert_eq!(world.told(&old).await, ["alice: ClientInfo=- TimeZone=+02"]);
    assert_eq!(world.told(&new).await, ["alice: OnlineStatus=T@one ClientInfo=- TimeZone=+02@one"]);
    world.services.access().logout(&first).await.unwrap();
    assert_eq!(world.told(&old).await, ["alice: OnlineStatus=F TimeZone=-"]);
    assert_eq!(world.told(&new).await, ["alice: OnlineStatus=F TimeZone=-"]);

    let third = world.login_as("alice", "three", Version::V1_2).await;
    assert_eq!(world.told(&old).await, ["alice: OnlineStatus=T ClientInfo=MOBILE_PHONE CommCap=CommC"]);
    third.negotiated().set_capabilities(&CapabilityList { client_type: Some(ClientType::Pda), ..Default::default() });
    world.presence().client_changed(&third);
    assert_eq!(world.told(&old).await, ["alice: ClientInfo=PDA"]);
    let expired = world.services.config.ttl_default * 2;
    world.services.clock.advance(expired);
    old.touch(world.services.clock.now());
    world.services.sweep().await;
    assert_eq!(world.told(&old).await, ["alice: OnlineStatus=F ClientInfo=- CommCap=-"]);
    assert_eq!(third.user.lock().presence.watchers.len(), 1, "carol expired too");
}

#[tokio::test]
async fn older_versions_hear_of_what_they_know() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login_as("alice", "one", Version::V1_2).await;
    world.allow(&alice, &["default"], &[InfoLink, Alias]).await;
    let old = world.login_as("bob", "old", Version::V1_1).await;
    let new = world.login_as("bob", "new", Version::V1_2).await;
    for session in [&old, &new] {
        world.subscribe(session, users(&["alice"]), &[InfoLink]).await;
    }
    assert_eq!(world.told(&old).await, [""; 0]);
    assert_eq!(world.told(&new).await, ["alice: InfoLink=-"]);
    assert_eq!(world.seen(&old, users(&["alice"]), &[InfoLink, Alias]).await.1, ["alice: Alias=-"]);
}

#[tokio::test]
async fn one_snapshot_serves_all_who_see_the_same() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login("alice").await;
    world.allow(&alice, &["default"], &[Alias]).await;
    let watchers = [world.login("bob").await, world.login("carol").await];
    for watcher in &watchers {
        world.subscribe(watcher, users(&["alice"]), &[Alias]).await;
    }
    let snapshot = |session: &Arc<Session>| {
        world.presence().snapshot(session, &alice.user, set(&[Alias]), AttributeSet::EMPTY).unwrap()
    };
    let first = snapshot(&watchers[0]);
    assert!(Arc::ptr_eq(&first, &snapshot(&watchers[1])));
    world.update(&alice, vec![text(Alias, "A")]).await;
    let second = snapshot(&watchers[1]);
    assert_eq!(shown(&second.list), "Alias=A");
    assert!(Arc::ptr_eq(&second, &snapshot(&watchers[0])));
    assert_eq!(world.services.metrics.presence_queued.value(), 4);
    world.services.access().logout(&watchers[0]).await.unwrap();
    assert!(world.presence().snapshot(&watchers[0], &alice.user, set(&[Alias]), AttributeSet::EMPTY).is_none());
}

#[tokio::test]
async fn getting_presence() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login("alice").await;
    world.list(&alice, "alice/f", &["bob", "carol"]).await;
    let bob = world.login("bob").await;
    world.allow(&bob, &["alice"], &[OnlineStatus, Alias]).await;
    let wanted = [OnlineStatus, StatusText];
    let cases = [
        (users(&["alice"]), "200", vec!["alice: OnlineStatus=T StatusText=-"]),
        (users(&["alice", "nobody"]), "201 531[nobody]", vec!["alice: OnlineStatus=T StatusText=-"]),
        (users(&["nobody"]), "531 531[nobody]", vec![]),
        (users(&["nobody", "a@elsewhere"]), "900 516[a@elsewhere] 531[nobody]", vec![]),
        (lists(&["alice/f"]), "200", vec!["bob: OnlineStatus=T", "carol: "]),
        (lists(&["bob/f"]), "700 700[bob/f]", vec![]),
    ];
    for (targets, status, found) in cases {
        let (result, seen) = world.seen(&alice, targets, &wanted).await;
        assert_eq!((result.as_str(), seen), (status, found.into_iter().map(str::to_owned).collect()));
    }
    let nobody = world.presence().get(&alice, &WatchTargets::default(), AttributeSet::ALL).await;
    assert_eq!(nobody.unwrap_err().status(), Status::BAD_PARAMETER);
    let everything = world.presence().get(&alice, &users(&["alice"]), AttributeSet::ALL).await.unwrap().1;
    assert_eq!(everything[0].1.names(), AttributeSet::ALL, "a client reads all of its own user");
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login("alice").await;
    world.allow(&alice, &["default"], &[OnlineStatus, Alias, TimeZone]).await;
    world.update(&alice, vec![text(Alias, "A"), zone("+02")]).await;
    let bob = world.login("bob").await;
    world.list(&bob, "bob/f", &["alice"]).await;
    world.follow(&bob, lists(&["bob/f"]), &[OnlineStatus, Alias, TimeZone]).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T TimeZone=+02 Alias=A"]);

    let world = World { services: start(&world.engine, |_| {}), engine: world.engine };
    world.services.resume().await.unwrap();
    let [alice, bob] = [alice, bob].map(|session| world.services.sessions.find(&session.id).unwrap());
    assert_eq!(
        world.told(&bob).await,
        ["alice: OnlineStatus=T TimeZone=+02 Alias=A"],
        "once, so that nothing is missed"
    );
    world.update(&alice, vec![text(Alias, "B")]).await;
    assert_eq!(world.told(&bob).await, ["alice: Alias=B"]);
    let carol = world.login("carol").await;
    world.allow(&carol, &["default"], &[Alias]).await;
    world.manage(&bob, "bob/f", &["carol"], &[]).await;
    assert_eq!(world.told(&bob).await, ["carol: Alias=-"]);
    world.services.access().logout(&alice).await.unwrap();
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=F TimeZone=-"], "the user's own status stays");
    let state = start(&world.engine, |_| {}).user(&user("alice")).await.unwrap();
    assert_eq!(
        shown(&PresenceSubList {
            attributes: state.lock().presence.values.view(&user("alice"), &[], set(&[Alias, TimeZone]))
        }),
        "TimeZone=- Alias=B"
    );
}

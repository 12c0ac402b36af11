//! Who sees what, and when he is told.

use super::*;
use imps_types::presence::Extension;

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
    world.update(&alice, vec![text(Alias, "Ali")]).await;
    world.subscribe(&bob, users(&["alice"]), &[StatusMood]).await;
    assert!(!world.services.im().has_pending(&bob).await, "what waited is not wanted any more");

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
    let capabilities = CapabilityList { client_type: Some(ClientType::Pda), ..CapabilityList::default() };
    world.services.access().negotiate_capabilities(&third, capabilities).await.unwrap();
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
    assert!(!world.services.im().has_pending(&old).await, "nothing that would be told waits");
    assert_eq!(world.told(&old).await, [""; 0]);
    assert_eq!(world.told(&new).await, ["alice: InfoLink=-"]);
    assert_eq!(world.seen(&old, users(&["alice"]), &[InfoLink, Alias]).await.1, ["alice: Alias=-"]);
}

#[tokio::test]
async fn what_is_not_seen_any_more_is_not_promised() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login_as("bob", "old", Version::V1_1).await);
    world.allow(&alice, &["default"], &[Alias]).await;
    world.subscribe(&bob, users(&["alice"]), &[Alias]).await;
    world.told(&bob).await;
    let im = world.services.im();
    world.update(&alice, vec![text(Alias, "Al")]).await;
    assert!(im.has_pending(&bob).await && im.has_pending(&bob).await, "asking changes nothing");
    assert_eq!(world.told(&bob).await, ["alice: Alias=Al"]);
    // Something waits of which his version knows nothing.
    bob.outbox().presence(&alice.user, [InfoLink].into_iter().collect(), AttributeSet::EMPTY);
    assert!(!im.has_pending(&bob).await);
    assert!(bob.outbox().is_empty(), "and it waits no more");
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
    let snapshot = |session: &Arc<Session>| world.presence().snapshot(session, &alice.user, set(&[Alias])).unwrap();
    let first = snapshot(&watchers[0]);
    assert!(Arc::ptr_eq(&first, &snapshot(&watchers[1])));
    world.update(&alice, vec![text(Alias, "A")]).await;
    let second = snapshot(&watchers[1]);
    assert_eq!(shown(&second.list), "Alias=A");
    assert!(Arc::ptr_eq(&second, &snapshot(&watchers[0])));
    assert_eq!(world.services.metrics.presence_queued.value(), 4);
    world.services.access().logout(&watchers[0]).await.unwrap();
    assert!(world.presence().snapshot(&watchers[0], &alice.user, set(&[Alias])).is_none());
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
    let known = AttributeSet::ALL.without(AttributeSet::EXTENSIONS);
    assert_eq!(everything[0].1.names(), known, "a client reads all of its own user");
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
            attributes: state.lock().presence.values.view(&user("alice"), &[], set(&[Alias, TimeZone])),
            extensions: Vec::new(),
        }),
        "TimeZone=- Alias=B"
    );
}

/// The publishers in each event that a session gets now.
async fn events(world: &World, session: &Session) -> Vec<Vec<String>> {
    let mut events = Vec::new();
    while let Some(event) = world.services.im().next_event(session).await {
        let Event::Presence(snapshots) = event else { panic!("{event:?}") };
        let one = |one: &Arc<PresenceSnapshot>| format!("{}: {}", one.user.local(), shown(&one.list));
        events.push(snapshots.iter().map(one).collect());
    }
    events
}

#[tokio::test]
async fn one_notification_tells_of_as_many_as_the_client_can_parse() {
    let names: Vec<String> = (0..40).map(|number| format!("user{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).chain(["watcher"]).collect();
    let world = World::of(&names).await;
    let watcher = world.login("watcher").await;
    for name in &names[..40] {
        let session = world.login(name).await;
        world.allow(&session, &["default"], &[Alias, StatusText]).await;
        world.update(&session, vec![text(Alias, &"<x>".repeat(20))]).await;
    }
    world.subscribe(&watcher, users(&names[..40]), &[Alias]).await;
    let told = events(&world, &watcher).await;
    assert_eq!((told.len(), told[0].len()), (1, 40));
    let small = CapabilityList { parser_size: Some(3000), ..CapabilityList::default() };
    world.services.access().negotiate_capabilities(&watcher, small).await.unwrap();
    world.subscribe(&watcher, users(&names[..40]), &[Alias]).await;
    let told = events(&world, &watcher).await;
    assert!(told.len() >= 10 && told.iter().all(|one| one.len() < 5), "{told:?}");
    assert_eq!(told.into_iter().flatten().count(), 40, "all in their turn");
}

#[tokio::test]
async fn what_is_too_much_at_once_comes_in_pieces() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.allow(&alice, &["default"], &[Alias, StatusText, StatusMood, FreeTextLocation]).await;
    let (long, longer) = ("x".repeat(1000), "x".repeat(3000));
    let values = vec![text(Alias, &long), text(StatusText, &long), text(FreeTextLocation, &longer)];
    world.update(&alice, values).await;
    let small = CapabilityList { parser_size: Some(3000), ..CapabilityList::default() };
    world.services.access().negotiate_capabilities(&bob, small).await.unwrap();
    world.subscribe(&bob, users(&["alice"]), &[Alias, StatusText, StatusMood, FreeTextLocation]).await;
    let expected = [vec![format!("alice: StatusText={long} StatusMood=-")], vec![format!("alice: Alias={long}")]];
    assert_eq!(events(&world, &bob).await, expected, "and what never fits is left out");
    world.update(&alice, vec![text(FreeTextLocation, "home")]).await;
    assert_eq!(events(&world, &bob).await, [["alice: FreeTextLocation=home"]]);
}

#[tokio::test]
async fn nobody_is_told_the_same_value_twice_in_a_burst() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.allow(&alice, &["default"], &[Alias, StatusText]).await;
    world.subscribe(&bob, users(&["alice"]), &[Alias, StatusText]).await;
    world.told(&bob).await;
    world.update(&alice, vec![text(Alias, "one")]).await;
    // The next value comes between the moment when it is bob's turn and that when the values are looked at.
    let (publisher, told) = bob.outbox().presence_queue().take().unwrap();
    world.update(&alice, vec![text(Alias, "two"), text(StatusText, "hi")]).await;
    let told = world.presence().collect(&bob, publisher, told);
    assert_eq!(shown(&told[0].list), "StatusText=hi Alias=two");
    assert!(!world.services.im().has_pending(&bob).await);
    // What was not acknowledged is told as it is by then.
    world.update(&alice, vec![text(Alias, "three")]).await;
    let again = world.presence().renewed(&bob, &told);
    assert_eq!(shown(&again[0].list), "StatusText=hi Alias=three");
    assert_eq!(world.told(&bob).await, [""; 0]);
    world.presence().unsubscribe(&bob, &users(&["alice"])).await.unwrap();
    assert!(world.presence().renewed(&bob, &told).is_empty());
}

fn own(name: &str, text: &str) -> Extension {
    Extension { name: name.into(), namespace: Some("http://a.example".into()), text: text.into(), children: vec![] }
}

#[tokio::test]
async fn what_no_table_knows_is_passed_on_to_those_who_want_all() {
    let world = World::of(&["alice", "bob", "carol", "dave"]).await;
    let alice = world.login("alice").await;
    world.decide(&alice, "bob", true, None).await;
    world.decide(&alice, "dave", true, None).await;
    world.allow(&alice, &["carol"], &[StatusText]).await;
    let (bob, carol) = (world.login("bob").await, world.login("carol").await);
    let dave = world.login_as("dave", "dave", Version::V1_1).await;
    let value = PresenceAttribute { extensions: vec![own("Detail", "x")], ..text(StatusText, "hi") };
    let list = PresenceSubList { attributes: vec![value], extensions: vec![own("Hobby", "football")] };
    world.presence().update(&alice, list.clone()).await.unwrap();
    let get = async |session: &Session, wanted: AttributeSet| {
        let found = world.presence().get(session, &users(&["alice"]), wanted).await.unwrap().1;
        let field = |one: &PresenceAttribute| one.extensions.len();
        (found[0].1.attributes.iter().map(field).sum::<usize>(), found[0].1.extensions.len())
    };
    assert_eq!(get(&bob, AttributeSet::ALL).await, (1, 1));
    assert_eq!(get(&bob, set(&[StatusText])).await, (0, 0), "he names what he wants");
    assert_eq!(get(&carol, AttributeSet::ALL).await, (1, 0), "she may not see everything");
    assert_eq!(get(&dave, AttributeSet::ALL).await, (0, 0), "1.1 has no extensions");

    for session in [&bob, &carol, &dave] {
        world.presence().subscribe(session, &users(&["alice"]), AttributeSet::ALL, false).await.unwrap();
    }
    assert!(world.told(&bob).await[0].ends_with(" Hobby=football"));
    assert!(world.told(&carol).await[0].ends_with("StatusText=hi"));
    world.told(&dave).await;
    let mut next = list;
    next.attributes[0].extensions = vec![own("Detail", "y")];
    world.presence().update(&alice, next.clone()).await.unwrap();
    assert_eq!(world.told(&bob).await, ["alice: StatusText=hi"], "a field of it changed");
    assert_eq!(world.told(&dave).await, [""; 0]);
    world.told(&carol).await;
    next.extensions = vec![own("Hobby", "fishing")];
    world.presence().update(&alice, next.clone()).await.unwrap();
    world.presence().update(&alice, next).await.unwrap();
    for (session, expected) in [(&bob, vec!["alice: Hobby=fishing"]), (&carol, vec![]), (&dave, vec![])] {
        assert_eq!(world.told(session).await, expected);
    }
    let world = world.restarted().await;
    let [alice, bob] = [alice, bob].map(|session| world.services.sessions.find(&session.id).unwrap());
    assert!(world.told(&bob).await[0].ends_with(" Hobby=fishing"), "it survives");
    world.decide(&alice, "bob", false, None).await;
    assert!(world.told(&bob).await[0].ends_with(" Hobby=-"), "withdrawn");
}

#[tokio::test]
async fn the_session_of_the_highest_priority_comes_first() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let first = world.login_as("alice", "one", Version::V1_3).await;
    let second = world.login_as("alice", "two", Version::V1_3).await;
    world.allow(&first, &["default"], &[TimeZone]).await;
    world.update(&first, vec![zone("+01")]).await;
    world.update(&second, vec![zone("+02")]).await;
    let (old, new) = (world.login("bob").await, world.login_as("carol", "carol", Version::V1_3).await);
    for session in [&old, &new] {
        world.subscribe(session, users(&["alice"]), &[TimeZone]).await;
    }
    assert_eq!(world.told(&old).await, ["alice: TimeZone=+02"]);
    assert_eq!(world.told(&new).await, ["alice: TimeZone=+02@two TimeZone=+01@one"]);
    let capabilities = CapabilityList { session_priority: Some(5), ..CapabilityList::default() };
    world.services.access().negotiate_capabilities(&first, capabilities).await.unwrap();
    assert_eq!(world.told(&old).await, ["alice: TimeZone=+01"]);
    assert_eq!(world.told(&new).await, ["alice: TimeZone=+01@one TimeZone=+02@two"]);
    world.update(&second, vec![zone("+03")]).await;
    assert_eq!(world.told(&old).await, [""; 0], "newer, but of less priority");
    world.services.access().logout(&first).await.unwrap();
    assert_eq!(world.told(&old).await, ["alice: TimeZone=+03"]);
}

#[tokio::test]
async fn the_same_value_again_is_the_newest_again() {
    let world = World::of(&["alice", "bob"]).await;
    let first = world.login_as("alice", "one", Version::V1_2).await;
    world.update(&first, vec![text(OnlineStatus, "T"), zone("+01")]).await;
    let second = world.login_as("alice", "two", Version::V1_2).await;
    world.allow(&first, &["default"], &[TimeZone]).await;
    world.update(&second, vec![zone("+02")]).await;
    let bob = world.login("bob").await;
    world.subscribe(&bob, users(&["alice"]), &[TimeZone]).await;
    assert_eq!(world.told(&bob).await, ["alice: TimeZone=+02"]);
    world.update(&first, vec![zone("+01")]).await;
    assert_eq!(world.told(&bob).await, ["alice: TimeZone=+01"], "she uses the first one again");
    let before = world.services.metrics.presence_updates.value();
    world.update(&first, vec![zone("+01")]).await;
    assert_eq!(world.services.metrics.presence_updates.value(), before, "it is the newest already");
    world.update(&second, vec![zone("+02")]).await;
    assert_eq!(world.told(&bob).await, ["alice: TimeZone=+02"]);
}

#[tokio::test]
async fn what_a_list_took_is_told_though_the_watcher_subscribes_otherwise_first() {
    use crate::presence::attribute_lists::{AttributeList, Target};
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.allow(&alice, &["bob"], &[OnlineStatus, Alias]).await;
    world.list(&bob, "bob/f", &["alice"]).await;
    let wanted = [OnlineStatus, Alias, StatusText];
    for targets in [lists(&["bob/f"]), users(&["alice"])] {
        world.subscribe(&bob, targets, &wanted).await;
    }
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T Alias=-"]);
    // The list has changed, and nobody has looked at the watchers yet.
    let change = |attributes: &[Attribute]| {
        let list = AttributeList { attributes: set(attributes), notify: false };
        alice.user.lock().attribute_lists.set(&Target::User(user("bob")), Some(list));
    };
    change(&[OnlineStatus, StatusText]);
    world.presence().unsubscribe(&bob, &lists(&["bob/f"])).await.unwrap();
    assert_eq!(world.told(&bob).await, ["alice: StatusText=- Alias=-"], "got, and lost");
    change(&[StatusText]);
    world.subscribe(&bob, users(&["alice"]), &wanted).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=- StatusText=-"], "subscribed again");
}

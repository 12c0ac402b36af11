//! Contact lists and attribute lists.

use super::*;

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
    let check = async |targets: AttributeListTargets, status: u16, default: bool, users: usize, lists: usize| {
        let found = presence.attribute_lists(&alice, &targets).await.unwrap();
        let shape = (found.result.status.code(), found.default.is_some(), found.users.len(), found.contact_lists.len());
        assert_eq!(shape, (status, default, users, lists), "{targets:?}");
    };
    check(named(&[], &[], true), 200, true, 1, 1).await;
    check(named(&["bob"], &[], false), 200, false, 1, 0).await;
    check(named(&["carol"], &["alice/f"], true), 200, true, 0, 1).await;
    check(named(&[], &["bob/f"], false), 700, false, 0, 0).await;
    check(named(&["nobody"], &[], false), 531, false, 0, 0).await;
    let found = presence.attribute_lists(&alice, &named(&["bob", "nobody", "a@elsewhere"], &[], false)).await.unwrap();
    assert_eq!((outcome(&found.result).as_str(), found.users.len()), ("201 516[a@elsewhere] 531[nobody]", 1));
    let state = start(&world.engine, |_| {}).user(&user("alice")).await.unwrap();
    assert_eq!(state.lock().attribute_lists, alice.user.lock().attribute_lists);

    for (targets, expected) in [
        (named(&["nobody", "bob"], &[], false), "201 531[nobody]"),
        (named(&["bob"], &[], false), "200"),
        (named(&[], &["alice/g"], true), "201 700[alice/g]"),
    ] {
        assert_eq!(outcome(&presence.delete_attribute_list(&alice, &targets).await.unwrap()), expected);
    }
    check(named(&[], &[], true), 200, false, 0, 1).await;
    presence.delete_list(&alice, &"alice/f".into()).await.unwrap();
    check(named(&[], &[], true), 200, false, 0, 0).await;
}

#[tokio::test]
async fn watchers_hear_that_a_list_is_gone_though_the_decision_stays() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login_as("alice", "alice", Version::V1_3).await, world.login("bob").await);
    world.decide(&alice, "bob", true, Some(&[StatusText])).await;
    world.allow(&alice, &["bob"], &[OnlineStatus]).await;
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus, StatusText]).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T"]);
    let pair = world.services.pairs.lock(&user("bob")).await;
    let targets = AttributeListTargets { users: addresses(&["bob"]), ..AttributeListTargets::default() };
    let presence = world.presence();
    let mut deleting = Box::pin(presence.delete_attribute_list(&alice, &targets));
    while alice.user.lock().attribute_lists.of_user(&user("bob")).is_some() {
        assert!(poll(&mut deleting).await.is_pending(), "the decision is guarded");
        tokio::task::yield_now().await;
    }
    world.engine.refuse(Some(StoreError::Full));
    drop(pair);
    assert_eq!(deleting.await.unwrap_err().status(), Status::SERVER_UNAVAILABLE);
    world.engine.refuse(None);
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=- StatusText=-"], "what she decided counts again");
}

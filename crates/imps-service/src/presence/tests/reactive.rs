//! Publishers who are asked, and what they answer (CSP 9).

use super::*;
use imps_types::service_tree::{Function, FunctionSet};

#[tokio::test]
async fn a_publisher_is_asked_and_decides() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.update(&alice, vec![text(StatusText, "hi"), text(Alias, "A")]).await;
    assert_eq!(world.subscribe(&bob, users(&["alice"]), &[OnlineStatus, StatusText]).await, "200");
    assert_eq!(world.asked(&alice).await, ["bob: OnlineStatus StatusText"]);
    assert_eq!(world.told(&bob).await, [""; 0], "nothing while she has not answered");
    assert_eq!(world.statuses(&alice, &[]).await, ["bob PENDING: OnlineStatus StatusText"]);

    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus, StatusText, Alias]).await;
    assert_eq!(world.asked(&alice).await, [""; 0], "not again while the first question waits");
    assert_eq!(world.decide(&alice, "bob", true, Some(&[OnlineStatus, Alias])).await, 200);
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T Alias=A"]);
    assert_eq!(world.statuses(&alice, &["bob"]).await, ["bob GRANTED: OnlineStatus Alias"]);

    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus, StatusText, Alias]).await;
    assert_eq!(world.asked(&alice).await, ["bob: StatusText"], "only what is not decided yet");
    assert_eq!(world.decide(&alice, "bob", false, Some(&[StatusText])).await, 200);
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T Alias=A"]);
    world.subscribe(&bob, users(&["alice"]), &[StatusText]).await;
    assert_eq!(world.asked(&alice).await, [""; 0], "a denial is a decision");
    assert_eq!(world.statuses(&alice, &[]).await, ["bob GRANTED: OnlineStatus Alias", "bob DENIED: StatusText"]);

    world.decide(&alice, "bob", true, None).await;
    assert_eq!(world.told(&bob).await, ["alice: StatusText=hi"]);
    assert_eq!(world.statuses(&alice, &[]).await, ["bob GRANTED: all"]);
    world.decide(&alice, "bob", false, Some(&[StatusText])).await;
    assert_eq!(world.told(&bob).await, ["alice: StatusText=-"], "withdrawn at once");
}

#[tokio::test]
async fn who_asks_for_all_is_asked_for_without_names() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login_as("bob", "bob", Version::V1_1).await);
    world.presence().subscribe(&bob, &users(&["alice"]), AttributeSet::ALL, false).await.unwrap();
    assert_eq!(world.asked(&alice).await, ["bob: all"]);
    assert_eq!(world.statuses(&alice, &["bob", "carol"]).await, ["bob PENDING: all"]);
    for (watchers, expected) in [(["carol"].as_slice(), [""; 0].as_slice()), (&["nobody"], &["531"])] {
        assert_eq!(world.statuses(&alice, watchers).await, expected);
    }
    assert_eq!(world.decide(&alice, "bob", true, None).await, 200);
    assert!(world.told(&bob).await[0].starts_with("alice: OnlineStatus=T"));
    for (watcher, status) in [("nobody", 531), ("bob@elsewhere", 516), ("carol", 200)] {
        assert_eq!(world.decide(&alice, watcher, true, None).await, status, "{watcher}");
        assert_eq!(world.cancel(&alice, watcher).await, status, "{watcher}");
    }
    assert_eq!(world.cancel(&alice, "carol").await, 200, "nothing to forget");
}

#[tokio::test]
async fn cancelling_forgets_and_asks_again() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    for accept in [true, false] {
        world.subscribe(&bob, users(&["alice"]), &[OnlineStatus]).await;
        assert_eq!(world.asked(&alice).await, ["bob: OnlineStatus"]);
        world.decide(&alice, "bob", accept, None).await;
        assert_eq!(world.told(&bob).await, if accept { vec!["alice: OnlineStatus=T"] } else { vec![] });
        assert_eq!(world.cancel(&alice, "bob").await, 200);
        assert_eq!(world.told(&bob).await, if accept { vec!["alice: OnlineStatus=-"] } else { vec![] });
        assert_eq!(world.statuses(&alice, &[]).await, [""; 0]);
        assert_eq!(world.asked(&alice).await, [""; 0], "the next request asks, nothing before");
    }
    // A question that waits is cancelled too.
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus]).await;
    assert_eq!(world.cancel(&alice, "bob").await, 200);
    assert_eq!(world.asked(&alice).await, [""; 0]);
    assert!(world.services.im().waiting_messages(&user("alice"), None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_question_ends_when_the_watcher_is_content() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let other = world.login_as("bob", "other", Version::V1_2).await;
    for session in [&bob, &other] {
        world.subscribe(session, users(&["alice"]), &[OnlineStatus]).await;
    }
    world.presence().unsubscribe(&bob, &users(&["alice"])).await.unwrap();
    assert_eq!(world.statuses(&alice, &[]).await, ["bob PENDING: OnlineStatus"], "his other phone wants to know");
    world.presence().unsubscribe(&other, &users(&["alice"])).await.unwrap();
    assert_eq!(world.asked(&alice).await, [""; 0]);
    assert_eq!(world.statuses(&alice, &[]).await, [""; 0]);
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus]).await;
    assert_eq!(world.asked(&alice).await, ["bob: OnlineStatus"]);
    world.services.access().logout(&bob).await.unwrap();
    assert_eq!(world.statuses(&alice, &[]).await, ["bob PENDING: OnlineStatus"], "a session's end unsubscribes nobody");
    let bob = world.login("bob").await;
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus]).await;
    assert_eq!(world.asked(&alice).await, [""; 0]);
    world.decide(&alice, "bob", true, None).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T"]);
}

#[tokio::test]
async fn attribute_lists_go_first() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.decide(&alice, "bob", true, Some(&[StatusText])).await;
    world.allow(&alice, &["bob"], &[OnlineStatus]).await;
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus, StatusText, Alias]).await;
    assert_eq!(world.asked(&alice).await, [""; 0], "some attributes are authorised: she is not asked for others");
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T"], "nor does her answer count");
    let targets = AttributeListTargets { users: addresses(&["bob"]), ..Default::default() };
    world.presence().delete_attribute_list(&alice, &targets).await.unwrap();
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=- StatusText=-"], "her answer counts again");
    world.subscribe(&bob, users(&["alice"]), &[StatusText, Alias]).await;
    assert_eq!(world.told(&bob).await, ["alice: StatusText=-"]);
    // What is asked still is answered by an attribute list, even by one that allows nothing.
    world.allow(&alice, &["bob"], &[]).await;
    assert_eq!(world.statuses(&alice, &[]).await, ["bob GRANTED: StatusText"]);
    assert_eq!(world.asked(&alice).await, [""; 0]);
    assert_eq!(world.told(&bob).await, ["alice: StatusText=-"]);
}

#[tokio::test]
async fn a_contact_list_alone_decides_nothing() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.list(&alice, "alice/f", &["bob"]).await;
    world.list(&bob, "bob/f", &[]).await;
    world.follow(&bob, lists(&["bob/f"]), &[OnlineStatus]).await;
    world.manage(&bob, "bob/f", &["alice"], &[]).await;
    assert_eq!(world.asked(&alice).await, ["bob: OnlineStatus"], "whoever comes to a list that is followed is asked");
    world.manage(&bob, "bob/f", &[], &["alice"]).await;
    assert_eq!(world.statuses(&alice, &[]).await, [""; 0]);
    assert_eq!(world.seen(&bob, users(&["alice"]), &[OnlineStatus]).await.1, ["alice: "]);
    assert_eq!(world.asked(&alice).await, [""; 0], "nobody is asked for presence that is got once");
}

#[tokio::test]
async fn only_clients_that_agreed_are_asked() {
    let world = World::of(&["alice", "bob"]).await;
    let bob = world.login("bob").await;
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus]).await;
    let deaf = world.login("alice").await;
    let without = FunctionSet::from_iter([Function::PresenceAuthFunc, Function::GetWl]);
    let wish = without.expanded(deaf.version);
    world.services.access().negotiate_services(&deaf, Some(wish)).await.unwrap();
    let new = world.login_as("alice", "new", Version::V1_3).await;
    for session in [&deaf, &new] {
        assert_eq!(world.asked(session).await, [""; 0]);
    }
    let old = world.login_as("alice", "old", Version::V1_1).await;
    assert_eq!(world.asked(&old).await, ["bob: OnlineStatus"], "kept until somebody can be asked");
}

#[tokio::test]
async fn decisions_and_questions_survive_a_kill() {
    let world = World::of(&["alice", "bob", "carol", "dave"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let (carol, dave) = (world.login("carol").await, world.login("dave").await);
    world.update(&alice, vec![text(Alias, "A")]).await;
    for watcher in [&bob, &carol, &dave] {
        world.subscribe(watcher, users(&["alice"]), &[Alias]).await;
    }
    assert_eq!(world.decide(&alice, "bob", true, None).await, 200);
    assert_eq!(world.decide(&alice, "carol", false, Some(&[Alias])).await, 200);
    let world = world.restarted().await;
    let [alice, bob, carol, dave] =
        [alice, bob, carol, dave].map(|session| world.services.sessions.find(&session.id).unwrap());
    assert_eq!(world.asked(&alice).await, ["dave: Alias"], "the two others are answered");
    let expected = ["bob GRANTED: all", "carol DENIED: Alias", "dave PENDING: Alias"];
    assert_eq!(world.statuses(&alice, &[]).await, expected);
    assert_eq!(world.told(&bob).await, ["alice: Alias=A"]);
    for watcher in [&carol, &dave] {
        world.subscribe(watcher, users(&["alice"]), &[Alias]).await;
        assert_eq!(world.told(watcher).await, [""; 0]);
    }
    assert_eq!(world.asked(&alice).await, [""; 0]);
    let world = world.restarted().await;
    let state = world.services.user(&user("alice")).await.unwrap();
    assert_eq!(state.lock().presence.reactive.granted(&user("bob")), AttributeSet::ALL);
}

#[tokio::test]
async fn nothing_is_half_decided_when_the_store_refuses() {
    let world = World::with(&["alice", "bob", "carol"], |config| config.authorisations_max = 1).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.engine.refuse(Some(StoreError::Full));
    assert_eq!(world.decide(&alice, "bob", true, None).await, 503);
    let refused = world.presence().subscribe(&bob, &users(&["alice"]), set(&[Alias]), false).await;
    assert_eq!(refused.unwrap_err().status(), Status::SERVER_UNAVAILABLE);
    world.engine.refuse(None);
    assert_eq!(world.statuses(&alice, &[]).await, [""; 0]);
    world.subscribe(&bob, users(&["alice"]), &[Alias]).await;
    assert_eq!(world.asked(&alice).await, ["bob: Alias"]);
    assert_eq!(world.decide(&alice, "carol", true, None).await, 755, "one decision is all she may have");
    let carol = world.login("carol").await;
    assert_eq!(world.subscribe(&carol, users(&["alice"]), &[Alias]).await, "200");
    assert_eq!(world.asked(&alice).await, [""; 0]);
}

#[tokio::test]
async fn a_client_of_13_is_asked_by_a_notification_and_answers_by_an_attribute_list() {
    use imps_types::element::NotificationType::AuthorizationOfUser;
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login_as("alice", "alice", Version::V1_3).await, world.login("bob").await);
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus, Alias]).await;
    assert_eq!(world.asked(&alice).await, [""; 0], "she did not subscribe to it");
    let access = world.services.access();
    access.subscribe_notifications(&alice, &[AuthorizationOfUser]).await.unwrap();
    access.unsubscribe_notifications(&alice, &[AuthorizationOfUser]).await.unwrap();
    assert!(!world.services.im().has_pending(&alice).await);
    access.subscribe_notifications(&alice, &[AuthorizationOfUser]).await.unwrap();
    assert_eq!(world.asked(&alice).await, ["bob: OnlineStatus Alias"], "what waited comes now");
    world.allow(&alice, &["bob"], &[OnlineStatus]).await;
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T"]);
    assert_eq!(world.statuses(&alice, &[]).await, [""; 0]);
}

#[tokio::test]
async fn who_negotiates_later_is_asked_later() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus]).await;
    assert!(world.services.im().has_pending(&alice).await);
    let only = |function| Some(FunctionSet::from_iter([function]).expanded(Version::V1_2));
    let access = world.services.access();
    access.negotiate_services(&alice, only(Function::ImFeat)).await.unwrap();
    assert!(!world.services.im().has_pending(&alice).await, "she does not want to be asked");
    access.negotiate_services(&alice, only(Function::PresenceFeat)).await.unwrap();
    assert_eq!(world.asked(&alice).await, ["bob: OnlineStatus"]);
}

#[tokio::test]
async fn old_and_new_clients_share_what_was_decided() {
    let world = World::of(&["alice", "bob"]).await;
    let (old, bob) = (world.login("alice").await, world.login("bob").await);
    let new = world.login_as("alice", "new", Version::V1_3).await;
    world.subscribe(&bob, users(&["alice"]), &[Alias, StatusText]).await;
    world.decide(&old, "bob", true, Some(&[Alias])).await;
    assert_eq!(world.told(&bob).await, ["alice: Alias=-"]);
    let bobs = AttributeListTargets { users: addresses(&["bob"]), ..AttributeListTargets::default() };
    let lists = async |session: &Arc<Session>| {
        let found = world.presence().attribute_lists(session, &bobs).await.unwrap();
        found
            .users
            .into_iter()
            .map(|(user, list)| format!("{}: {}", user.local(), names(Some(list.attributes))))
            .collect::<Vec<_>>()
    };
    assert_eq!(lists(&new).await, ["bob: Alias"], "1.3 knows attribute lists only");
    assert_eq!(lists(&old).await, [""; 0]);
    world.presence().delete_attribute_list(&old, &bobs).await.unwrap();
    assert_eq!(world.statuses(&old, &[]).await, ["bob GRANTED: Alias"]);
    world.presence().delete_attribute_list(&new, &bobs).await.unwrap();
    assert_eq!(world.statuses(&old, &[]).await, [""; 0]);
    assert_eq!(world.told(&bob).await, ["alice: Alias=-"], "what he lost");
    assert_eq!(lists(&new).await, [""; 0]);
}

/// `ANU bob: Alias`, `ANC alice/f: Alias`, `AND: Alias`, each notification that a session gets.
async fn needed(world: &World, session: &Session) -> Vec<String> {
    use imps_types::element::Payload;
    let mut needed = Vec::new();
    while let Some(event) = world.services.im().next_event(session).await {
        let Event::Notification(what) = event else { panic!("{event:?}") };
        let Payload::Authorization(of) = &what.payload else { panic!("{what:?}") };
        let targets: Vec<_> = of.users.iter().chain(&of.contact_lists).map(Address::to_string).collect();
        let attributes = of.attributes.as_ref().map(PresenceSubList::names);
        needed.push(format!("{} {}: {}", what.kind.as_str(), targets.join(" "), names(attributes)));
    }
    needed
}

#[tokio::test]
async fn a_publisher_hears_of_those_who_want_more_if_she_likes() {
    use imps_types::element::NotificationType::{AuthorizationOfDefault, AuthorizationOfList, AuthorizationOfUser};
    let world = World::of(&["alice", "bob", "carol", "dave"]).await;
    let alice = world.login_as("alice", "alice", Version::V1_3).await;
    let types = [AuthorizationOfUser, AuthorizationOfList, AuthorizationOfDefault];
    world.services.access().subscribe_notifications(&alice, &types).await.unwrap();
    world.list(&alice, "alice/f", &["carol"]).await;
    let watchers = [world.login("bob").await, world.login("carol").await, world.login("dave").await];
    let attach = async |users: &[&str], lists: &[&str], default: bool, flag: Option<bool>| {
        let targets = AttributeListTargets { users: addresses(users), contact_lists: addresses(lists), default };
        let notify = NotifyFlags { default: flag, users: flag, contact_lists: flag };
        world.presence().create_attribute_list(&alice, set(&[OnlineStatus]), &targets, notify).await.unwrap();
    };
    attach(&["bob"], &["alice/f"], true, None).await;
    let ask = async || {
        for watcher in &watchers {
            world.subscribe(watcher, users(&["alice"]), &[OnlineStatus, Alias]).await;
        }
    };
    ask().await;
    assert_eq!(needed(&world, &alice).await, [""; 0]);
    attach(&["bob"], &["alice/f"], true, Some(true)).await;
    ask().await;
    assert_eq!(needed(&world, &alice).await, ["ANU wv:bob@x: Alias", "ANC wv:alice/f@x: Alias", "AND : Alias"]);
    attach(&["bob"], &["alice/f"], true, None).await;
    ask().await;
    assert_eq!(needed(&world, &alice).await.len(), 3, "who does not say leaves it as it was");
    for watcher in &watchers {
        world.subscribe(watcher, users(&["alice"]), &[OnlineStatus]).await;
        world.seen(watcher, users(&["alice"]), &[Alias]).await;
    }
    assert_eq!(needed(&world, &alice).await, [""; 0]);
    let state = start(&world.engine, |_| {}).user(&user("alice")).await.unwrap();
    assert!(state.lock().attribute_lists.default_list().unwrap().notify, "it is kept");
}

#[tokio::test]
async fn adding_authorises_and_grants_at_once() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login_as("alice", "alice", Version::V1_3).await;
    let (bob, carol) = (world.login("bob").await, world.login("carol").await);
    world.list(&alice, "alice/f", &[]).await;
    world.list(&alice, "alice/work", &[]).await;
    world.allow(&alice, &["alice/work"], &[OnlineStatus]).await;
    world.allow(&alice, &["carol"], &[]).await;
    for watcher in [&bob, &carol] {
        world.subscribe(watcher, users(&["alice"]), &[OnlineStatus, Alias]).await;
    }
    let add = async |list: &str, member: &str| {
        let change = ListChange { add: nick(&[member]), authorise: true, ..ListChange::default() };
        outcome(&world.presence().manage_list(&alice, &list.into(), change).await.unwrap().result)
    };
    assert_eq!(add("alice/f", "bob").await, "200");
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T Alias=-"], "no attribute list says otherwise");
    assert_eq!(add("alice/work", "carol").await, "200");
    assert_eq!(
        world.told(&carol).await,
        ["alice: OnlineStatus=T"],
        "as much as the list allows, though she was shut out"
    );
    assert_eq!(add("alice/f", "nobody").await, "531 531[nobody]");
    let granted = alice.user.lock().blocking.grant.len();
    assert_eq!(granted, 2, "and both are on the grant list");
    assert!(
        world.services.im().waiting_messages(&user("alice"), None, 9).await.unwrap().is_empty(),
        "nothing is asked any more"
    );
}

#[tokio::test]
async fn a_question_that_nobody_answers_in_time_is_forgotten() {
    use std::time::Duration;
    let world = World::with(&["alice", "bob", "carol", "dave"], |config| {
        config.authorisations_max = 1;
        config.question_keep = Duration::from_secs(60);
    })
    .await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.subscribe(&bob, users(&["alice"]), &[Alias]).await;
    assert_eq!(world.asked(&alice).await, ["bob: Alias"]);
    world.services.clock.advance(Duration::from_secs(59));
    world.subscribe(&carol, users(&["alice"]), &[Alias]).await;
    assert_eq!(world.asked(&alice).await, [""; 0], "there is no room");
    world.services.clock.advance(Duration::from_secs(2));
    assert_eq!(world.statuses(&alice, &[]).await, [""; 0], "bob's question waits no longer");
    world.subscribe(&carol, users(&["alice"]), &[Alias]).await;
    assert_eq!(world.asked(&alice).await, ["carol: Alias"], "and makes room");
    assert_eq!(world.statuses(&alice, &[]).await, ["carol PENDING: Alias"]);
    world.services.clock.advance(Duration::from_secs(61));
    assert_eq!(world.decide(&alice, "dave", true, None).await, 200);
    assert_eq!(world.decide(&alice, "bob", true, None).await, 755, "what is decided is not forgotten");
    let world = world.restarted().await;
    let alice = world.services.sessions.find(&alice.id).unwrap();
    assert_eq!(world.statuses(&alice, &[]).await, ["dave GRANTED: all"]);
}

#[tokio::test]
async fn an_attribute_list_that_comes_while_the_question_is_written_answers_it() {
    let world = World::slow(&["alice", "bob"], |_| {}).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let waiting = async || world.services.im().waiting_messages(&user("alice"), None, 9).await.unwrap().len();
    let mut subscribing = Box::pin(world.subscribe(&bob, users(&["alice"]), &[OnlineStatus]));
    let before = world.services.sequence.last();
    while world.services.sequence.last() == before {
        assert!(poll(&mut subscribing).await.is_pending(), "the question is written before it is in memory");
    }
    world.allow(&alice, &["bob"], &[OnlineStatus]).await;
    assert_eq!(waiting().await, 1, "nobody knows of the question yet");
    assert_eq!(subscribing.await, "200");
    assert_eq!(waiting().await, 0);
    assert_eq!(world.statuses(&alice, &[]).await, [""; 0]);
    assert_eq!(world.asked(&alice).await, [""; 0]);
    assert_eq!(world.told(&bob).await, ["alice: OnlineStatus=T"]);
}

#[tokio::test]
async fn a_later_user_of_a_removed_address_may_see_nothing() {
    use crate::access::PhonePassword;
    use imps_types::Secret;
    let world = World::of(&["alice", "bob", "carol", "dave", "erin"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    let (dave, erin) = (world.login("dave").await, world.login("erin").await);
    world.allow(&alice, &["bob", "dave"], &[OnlineStatus]).await;
    world.decide(&carol, "bob", true, None).await;
    world.decide(&carol, "erin", true, None).await;
    world.subscribe(&bob, users(&["dave"]), &[OnlineStatus]).await;
    let access = world.services.access();
    access.remove_user(&user("bob")).await.unwrap();
    assert_eq!(world.statuses(&carol, &[]).await, ["erin GRANTED: all"]);
    assert_eq!(world.statuses(&dave, &[]).await, [""; 0]);
    assert_eq!(world.asked(&dave).await, [""; 0], "nobody wants to know any more");
    access.add_user(&user("bob"), None, PhonePassword::Set(Secret::new("secret".to_owned()))).await.unwrap();
    let world = world.restarted().await;
    let [alice, carol, dave, erin] =
        [alice, carol, dave, erin].map(|session| world.services.sessions.find(&session.id).unwrap());
    let bob = world.login("bob").await;
    world.subscribe(&bob, users(&["alice", "carol"]), &[OnlineStatus]).await;
    assert_eq!(world.told(&bob).await, [""; 0]);
    for publisher in [&alice, &carol] {
        assert_eq!(world.asked(publisher).await, ["bob: OnlineStatus"]);
    }
    for (watcher, publisher) in [(&dave, "alice"), (&erin, "carol")] {
        let (_, seen) = world.seen(watcher, users(&[publisher]), &[OnlineStatus]).await;
        assert_eq!(seen, [format!("{publisher}: OnlineStatus=T")], "others are no part of it");
    }
}

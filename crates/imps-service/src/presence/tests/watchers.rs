//! Who watches (CSP 10).

use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn whoever_subscribed_is_listed_until_he_unsubscribes() {
    let world = World::of(&["alice", "bob", "carol", "dave"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let carol = world.login("carol").await;
    assert_eq!(world.watchers(&alice, None).await, [""; 0]);
    world.allow(&alice, &["carol"], &[Alias]).await;
    world.list(&carol, "carol/f", &["alice"]).await;
    world.follow(&carol, lists(&["carol/f"]), &[Alias]).await;
    world.subscribe(&bob, users(&["alice"]), &[OnlineStatus]).await;
    let both = ["bob CURRENT_SUBSCRIBER", "carol CURRENT_SUBSCRIBER"];
    assert_eq!(world.watchers(&alice, None).await, both, "authorised or not");

    world.services.access().logout(&bob).await.unwrap();
    world.services.clock.advance(Duration::from_secs(1));
    assert_eq!(world.watchers(&alice, None).await, [both[1], both[0]], "a session's end removes nobody");
    world.manage(&carol, "carol/f", &[], &["alice"]).await;
    assert_eq!(world.watchers(&alice, Some(3600)).await, [both[0], "carol FORMER_SUBSCRIBER"]);
    assert_eq!(world.watchers(&alice, None).await, [both[0]]);

    let bob = world.login("bob").await;
    let result = world.presence().unsubscribe(&bob, &users(&["alice", "dave"])).await.unwrap();
    assert_eq!(outcome(&result), "200", "this session was not subscribed, an earlier one was");
    assert_eq!(world.watchers(&alice, None).await, [""; 0]);
    assert_eq!(world.watchers(&alice, Some(3600)).await, ["bob FORMER_SUBSCRIBER", "carol FORMER_SUBSCRIBER"]);
    world.services.clock.advance(Duration::from_secs(60));
    assert_eq!(world.watchers(&alice, Some(30)).await, [""; 0], "too long ago for this period");
}

#[tokio::test]
async fn looking_once_is_history_at_most() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let carol = world.login("carol").await;
    world.allow(&alice, &["bob"], &[Alias]).await;
    for watcher in [&alice, &bob, &carol] {
        world.seen(watcher, users(&["alice"]), &[Alias]).await;
    }
    assert_eq!(world.watchers(&alice, None).await, [""; 0]);
    assert_eq!(world.watchers(&alice, Some(60)).await, ["bob PRESENCE_ACCESS"], "carol may see nothing");
    let list = world.presence().watcher_list(&alice, Some(u32::MAX), None).await.unwrap();
    assert_eq!(list.history_period, Some(30 * 86_400), "as far back as is kept");
    let world = world.restarted().await;
    let [alice, bob] = [alice, bob].map(|session| world.services.sessions.find(&session.id).unwrap());
    assert_eq!(world.watchers(&alice, Some(60)).await, ["bob PRESENCE_ACCESS"]);
    world.subscribe(&bob, users(&["alice"]), &[Alias]).await;
    assert_eq!(world.watchers(&alice, Some(60)).await, ["bob CURRENT_SUBSCRIBER"]);
}

#[tokio::test]
async fn the_list_survives_a_kill_and_grows_old() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let carol = world.login("carol").await;
    for watcher in [&bob, &carol] {
        world.subscribe(watcher, users(&["alice"]), &[Alias]).await;
    }
    world.services.access().logout(&bob).await.unwrap();
    let world = world.restarted().await;
    let [alice, carol] = [alice, carol].map(|session| world.services.sessions.find(&session.id).unwrap());
    assert_eq!(world.watchers(&alice, None).await, ["bob CURRENT_SUBSCRIBER", "carol CURRENT_SUBSCRIBER"]);
    world.presence().unsubscribe(&carol, &users(&["alice"])).await.unwrap();
    let rows = async || {
        let all = crate::seam::KeyRange::all();
        world
            .services
            .store
            .scan(crate::seam::Space::Watchers, all, crate::seam::Order::Forwards, 9)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(rows().await, 2);
    for (days, listed, kept) in [(29, 2, 2), (31, 1, 1), (89, 1, 1), (91, 0, 0)] {
        let start = Timestamp(1_000_000);
        world.services.clock.advance(start.plus(DAY * days).since(world.services.clock.now()));
        assert_eq!(world.watchers(&alice, Some(u32::MAX)).await.len(), listed, "{days} days");
        world.presence().tidy_watcher_lists().await.unwrap();
        assert_eq!(rows().await, kept, "{days} days");
    }
}

#[tokio::test]
async fn no_more_are_listed_than_asked_for() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login("alice").await;
    for name in ["bob", "carol"] {
        let watcher = world.login(name).await;
        world.subscribe(&watcher, users(&["alice"]), &[Alias]).await;
    }
    let list = world.presence().watcher_list(&alice, None, Some(1)).await.unwrap();
    assert_eq!((list.count, list.watchers.len(), list.history_period), (2, 1, None));
}

#[tokio::test]
async fn who_left_a_list_that_is_subscribed_to_again_is_watched_no_more() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let carol = world.login("carol").await;
    world.list(&carol, "carol/f", &["alice", "bob"]).await;
    world.subscribe(&carol, lists(&["carol/f"]), &[Alias]).await;
    world.manage(&carol, "carol/f", &[], &["alice"]).await;
    assert_eq!(world.watchers(&alice, None).await, ["carol CURRENT_SUBSCRIBER"], "she did not want to follow it");
    assert_eq!(world.statuses(&alice, &[]).await, ["carol PENDING: Alias"]);
    world.subscribe(&carol, lists(&["carol/f"]), &[Alias]).await;
    assert_eq!(world.watchers(&alice, Some(60)).await, ["carol FORMER_SUBSCRIBER"]);
    assert_eq!(world.statuses(&alice, &[]).await, [""; 0], "nor is alice asked any more");
    assert!(!alice.user.lock().presence.is_watched());
    assert_eq!(world.watchers(&bob, None).await, ["carol CURRENT_SUBSCRIBER"]);
    world.allow(&alice, &["carol"], &[Alias]).await;
    assert_eq!(world.told(&carol).await, [""; 0]);
}

//! Watchers from other domains, and publishers in them.

use imps_types::{Domain, UserId};

use super::*;

fn bob() -> UserId {
    UserId::from_canonical("wv:bob@b.example")
}

fn told(attributes: &[(Attribute, &str)]) -> PresenceSubList {
    let attributes = attributes.iter().map(|(attribute, value)| text(*attribute, value)).collect();
    PresenceSubList { attributes, extensions: Vec::new() }
}

/// What a session is told of presence now: `wv:bob@b.example StatusText=in`.
async fn heard(world: &World, session: &Session) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(event) = world.services.im().next_event(session).await {
        let Event::Presence(snapshots) = event else { panic!("{event:?}") };
        all.extend(snapshots.iter().map(|one| format!("{} {}", one.user, shown(&one.list))));
    }
    all
}

#[tokio::test]
async fn a_guest_watches_as_anybody_does() {
    let world = World::of(&["alice"]).await;
    let _neighbour = world.with_neighbour();
    let alice = world.login("alice").await;
    let guest = world.services.access().guest_session(&bob()).await.unwrap();
    let presence = world.services.presence();
    let result = presence.subscribe(&guest, &users(&["wv:alice@x"]), set(&[StatusText]), false).await.unwrap();
    assert_eq!(result.status, Status::SUCCESSFUL);
    assert!(heard(&world, &guest).await.is_empty(), "she has not decided");
    // She is asked, though he is of another domain.
    presence.authorise(&alice, &Address::from(&bob()), true, None).await.unwrap();
    assert_eq!(heard(&world, &guest).await, ["wv:alice@x StatusText=-"]);
    presence.update(&alice, told(&[(StatusText, "out")])).await.unwrap();
    assert_eq!(heard(&world, &guest).await, ["wv:alice@x StatusText=out"]);
}

#[tokio::test]
async fn what_is_told_of_a_publisher_elsewhere_is_for_the_watcher_it_names() {
    let world = World::of(&["alice", "carol"]).await;
    let neighbour = world.with_neighbour();
    let (alice, carol) = (world.login("alice").await, world.login("carol").await);
    let presence = world.services.presence();
    for session in [&alice, &carol] {
        let wanted = set(&[StatusText, OnlineStatus]);
        presence.subscribe(session, &users(&["wv:bob@b.example"]), wanted, false).await.unwrap();
    }
    assert!(neighbour.take().contains(&"watching b.example".to_owned()));
    let domain = Domain::parse("b.example").unwrap();
    let mut watched: Vec<_> = presence.watched_abroad(&domain).into_iter().map(|one| one.watcher).collect();
    watched.sort();
    assert_eq!(watched, [user("alice"), user("carol")]);

    presence.told(&bob(), &[user("alice")], &told(&[(StatusText, "in")])).await.unwrap();
    assert_eq!(heard(&world, &alice).await, ["wv:bob@b.example StatusText=in"]);
    assert!(heard(&world, &carol).await.is_empty(), "she may not see it");
    // Two changes before she looks are one to her, and what she did not ask for is nothing.
    presence.told(&bob(), &[user("alice")], &told(&[(StatusText, "a"), (Alias, "Bobby")])).await.unwrap();
    presence.told(&bob(), &[user("alice")], &told(&[(OnlineStatus, "T")])).await.unwrap();
    assert_eq!(heard(&world, &alice).await, ["wv:bob@b.example OnlineStatus=T StatusText=a"]);

    presence.unsubscribe(&alice, &users(&["wv:bob@b.example"])).await.unwrap();
    presence.told(&bob(), &[user("alice")], &told(&[(StatusText, "b")])).await.unwrap();
    assert!(heard(&world, &alice).await.is_empty());
    world.services.access().logout(&carol).await.unwrap();
    assert!(presence.watched_abroad(&domain).is_empty());
    // Nothing of it is left, until she watches again.
    presence.subscribe(&alice, &users(&["wv:bob@b.example"]), AttributeSet::ALL, false).await.unwrap();
    assert_eq!(presence.watched_abroad(&domain).len(), 1);
}

/// Asks whom its users watch as soon as it hears that they are others.
struct Prompt {
    services: std::sync::Weak<crate::Services>,
    seen: parking_lot::Mutex<Vec<usize>>,
}

impl crate::seam::Gateway for Prompt {
    fn reaches(&self, _: &Domain, _: imps_types::Service) -> crate::seam::Reach {
        crate::seam::Reach::Agreed
    }

    fn keeps(&self, domain: &str, _: imps_types::Service) -> bool {
        domain == "x"
    }

    fn wake(&self, _: &Domain) {}

    fn wake_guest(&self, _: &UserId) {}

    fn watching_changed(&self, domain: &str) {
        let services = self.services.upgrade().unwrap();
        self.seen.lock().push(services.presence().watched_abroad(&Domain::parse(domain).unwrap()).len());
    }

    fn left_group(&self, _: &UserId, _: &imps_types::GroupId) {}

    fn user_changed(&self, _: &UserId) {}
}

#[tokio::test]
async fn that_watchers_are_others_is_said_when_they_are() {
    let world = World::of(&["alice"]).await;
    let services = Arc::downgrade(&world.services);
    let prompt = Arc::new(Prompt { services, seen: parking_lot::Mutex::default() });
    world.services.router.set_gateway(prompt.clone());
    let alice = world.login("alice").await;
    let presence = world.services.presence();
    presence.subscribe(&alice, &users(&["wv:bob@b.example"]), AttributeSet::ALL, false).await.unwrap();
    assert_eq!(prompt.seen.lock().last(), Some(&1));
    presence.unsubscribe(&alice, &users(&["wv:bob@b.example"])).await.unwrap();
    assert_eq!(prompt.seen.lock().last(), Some(&0));
}

#[tokio::test]
async fn a_domain_that_cannot_be_reached_is_refused() {
    let world = World::of(&["alice"]).await;
    let _neighbour = world.with_neighbour();
    let alice = world.login("alice").await;
    let names = users(&["wv:eve@c.example"]);
    let result = world.services.presence().subscribe(&alice, &names, AttributeSet::ALL, false).await.unwrap();
    assert_eq!(result.detailed[0].status, Status::DOMAIN_NOT_SUPPORTED);
}

#[tokio::test]
async fn who_watched_somebody_elsewhere_does_so_after_a_restart() {
    let world = World::of(&["alice"]).await;
    let neighbour = world.with_neighbour();
    let alice = world.login("alice").await;
    let wanted = set(&[StatusText]);
    world.services.presence().subscribe(&alice, &users(&["wv:bob@b.example"]), wanted, false).await.unwrap();
    drop(neighbour);
    let world = world.restarted().await;
    let _neighbour = world.with_neighbour();
    let domain = Domain::parse("b.example").unwrap();
    assert_eq!(world.services.presence().domains_watched(), [domain]);
    let alice = world.services.sessions.find(&alice.id).unwrap();
    world.services.presence().told(&bob(), &[user("alice")], &told(&[(StatusText, "in")])).await.unwrap();
    assert_eq!(heard(&world, &alice).await, ["wv:bob@b.example StatusText=in"]);
}

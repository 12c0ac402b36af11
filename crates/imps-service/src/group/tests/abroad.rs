//! Guests in our groups, and our users in those of other domains.

use imps_types::{Domain, UserId};

use super::*;
use crate::im::FromAbroad;
use crate::testing::Neighbour;

const CARS: &str = "wv:bob/cars@b.example";

fn bob() -> UserId {
    UserId::from_canonical("wv:bob@b.example")
}

fn cars() -> GroupId {
    GroupId::from_canonical(CARS)
}

fn in_cars(name: &str) -> Group {
    Group::ScreenName(ScreenName { name: name.into(), group_id: Address::new(CARS) })
}

impl World {
    /// Bob, who has joined the party.
    async fn guest(&self) -> Arc<Session> {
        let guest = self.services.access().guest_session(&bob()).await.unwrap();
        self.join(&guest, "Bobby").await.unwrap();
        guest
    }

    /// Alice with two clients.
    async fn alice_twice(&self) -> (Arc<Session>, Arc<Session>) {
        let one = self.login_as("alice", "one", Version::V1_3).await;
        (one, self.login_as("alice", "two", Version::V1_3).await)
    }

    async fn say(&self, session: &Arc<Session>, text: &str) -> Status {
        let recipient = Recipient { groups: vec![Group::Id(party())], ..Recipient::default() };
        let info = MessageInfo { recipient, ..MessageInfo::default() };
        let message = OutgoingMessage { info, content: Content::text(text), delivery_report: false };
        self.services.im().send(session, message, None).await.unwrap().result.status
    }

    /// What is said in the group of the other domain, to this user of ours.
    async fn said_in_cars(&self, id: &str, to: &str, text: &str) -> ResultInfo {
        self.said_to(id, Recipient::user(User::of(&user(to))), text).await
    }

    async fn said_to(&self, id: &str, recipient: Recipient, text: &str) -> ResultInfo {
        let sender = Some(Sender::Group(in_cars("Bobby")));
        let info = MessageInfo { recipient, sender, ..MessageInfo::default() };
        let message = OutgoingMessage { info, content: Content::text(text), delivery_report: false };
        let peer = Domain::parse("b.example").unwrap();
        let from = FromAbroad { peer, sender: UserId::from_canonical(CARS), id: Some(id.into()), transaction: None };
        self.services.im().receive(from, message).await.unwrap().result
    }
}

/// Alice has a party, and the domain of guests is reached.
async fn party_near_bob() -> (World, Arc<Neighbour>, Arc<Session>) {
    let world = World::of(&["alice"]).await;
    let neighbour = world.with_neighbour();
    let alice = world.login("alice").await;
    world.party(&alice, &[]).await;
    (world, neighbour, alice)
}

#[tokio::test]
async fn a_guest_joins_speaks_hears_and_is_thrown_out() {
    let (world, _neighbour, alice) = party_near_bob().await;
    let guest = world.guest().await;
    assert_eq!(world.say(&guest, "hi").await, Status::SUCCESSFUL);
    assert_eq!(world.say(&alice, "yo").await, Status::SUCCESSFUL);
    assert_eq!(world.heard(&guest).await, ["new yo"]);
    let members = world.services.group();
    members.reject(Manager::User(&alice), &party(), users(&["wv:bob@b.example"]), users(&[])).await.unwrap();
    assert_eq!(world.heard(&guest).await, ["forced 809"]);
}

#[tokio::test]
async fn what_is_said_in_a_group_elsewhere_reaches_who_has_joined_it_once() {
    let world = World::of(&["alice", "carol"]).await;
    let neighbour = world.with_neighbour();
    let (alice, other) = world.alice_twice().await;
    let carol = world.login("carol").await;
    world.services.group().joined_abroad(&alice, &cars(), true).await.unwrap();
    for (id, to) in [("1", "alice"), ("1", "alice"), ("1", "carol")] {
        let result = world.said_in_cars(id, to, "brum").await;
        let expected = if to == "carol" { Status::GROUP_IS_NOT_JOINED } else { Status::SUCCESSFUL };
        let status = result.detailed.first().map_or(result.status, |one| one.status);
        assert_eq!(status, expected, "{to}");
    }
    assert_eq!(world.heard(&alice).await, ["new brum"]);
    assert_eq!((world.heard(&other).await, world.heard(&carol).await), (Vec::new(), Vec::new()));

    let change = GroupChange {
        group: cars(),
        joined: Vec::new(),
        left: vec!["Al".into()],
        joined_blocked: Vec::new(),
        left_blocked: Vec::new(),
        properties: None,
        own: None,
    };
    world.services.group().told_abroad(&[user("alice"), user("carol")], change);
    assert_eq!(world.heard(&alice).await, ["left Al"]);
    assert!(world.heard(&other).await.is_empty());

    // The last client of hers to go is what its domain hears.
    world.services.group().joined_abroad(&other, &cars(), false).await.unwrap();
    neighbour.take();
    world.services.access().logout(&other).await.unwrap();
    assert!(!neighbour.take().iter().any(|told| told.contains("left")));
    world.services.access().logout(&alice).await.unwrap();
    assert!(neighbour.take().contains(&format!("wv:alice@x left {CARS}")));
}

#[tokio::test]
async fn who_has_joined_elsewhere_is_there_after_a_restart_and_may_be_made_to_leave() {
    let world = World::of(&["alice"]).await;
    let alice = world.login_as("alice", "one", Version::V1_3).await;
    world.services.group().joined_abroad(&alice, &cars(), true).await.unwrap();
    let world = world.restarted().await;
    let _neighbour = world.with_neighbour();
    let alice = world.services.sessions.find(&alice.id).unwrap();
    assert_eq!(world.said_in_cars("2", "alice", "brum").await.status, Status::SUCCESSFUL);
    assert_eq!(world.heard(&alice).await, ["new brum"]);
    world.services.group().forced_abroad(&cars(), &[user("alice")], Status::GROUP_DOES_NOT_EXIST).await;
    assert_eq!(world.heard(&alice).await, ["forced 800"]);
    let result = world.said_in_cars("3", "alice", "brum").await;
    assert_eq!(result.detailed.first().map_or(result.status, |one| one.status), Status::GROUP_IS_NOT_JOINED);
}

#[tokio::test]
async fn what_is_said_to_one_in_a_group_elsewhere_is_for_him_alone_there() {
    let world = World::of(&["alice", "carol"]).await;
    let _neighbour = world.with_neighbour();
    let alice = world.login("alice").await;
    world.services.group().joined_abroad(&alice, &cars(), false).await.unwrap();
    let to_max = |name: &str| Recipient { groups: vec![in_cars("Max")], ..Recipient::user(User::of(&user(name))) };
    assert_eq!(outcome(&world.said_to("1", to_max("alice"), "psst").await), "200");
    assert_eq!(outcome(&world.said_to("2", to_max("carol"), "psst").await), "808 808[wv:carol@x]");
    let Some(Event::NewMessage(message)) = world.services.im().next_event(&alice).await else { panic!("nothing") };
    assert_eq!(
        (&message.info.sender, &*message.info.recipient.groups),
        (&Some(Sender::Group(in_cars("Bobby"))), &[in_cars("Max")][..])
    );
    assert!(message.info.recipient.users.is_empty());
    // Of another group nobody speaks so.
    let other = ScreenName { name: "Max".into(), group_id: Address::new("wv:bob/boats@b.example") };
    let to_other = Recipient { groups: vec![Group::ScreenName(other)], ..Recipient::user(User::of(&user("alice"))) };
    assert_eq!(outcome(&world.said_to("3", to_other, "psst").await), "201 808[Max]");
}

#[tokio::test]
async fn what_was_not_heard_elsewhere_goes_with_whoever_leaves_and_waits_for_whoever_comes_back() {
    let world = World::of(&["alice"]).await;
    let _neighbour = world.with_neighbour();
    let groups = world.services.group();
    let (one, two) = world.alice_twice().await;
    for session in [&one, &two] {
        groups.joined_abroad(session, &cars(), false).await.unwrap();
    }
    world.said_in_cars("1", "alice", "brum").await;
    groups.left_abroad(&one, &cars()).await.unwrap();
    assert_eq!(world.count(Space::MessageIndex).await, 1, "she is there with another client");
    groups.left_abroad(&two, &cars()).await.unwrap();
    assert_eq!(world.count(Space::MessageIndex).await, 0);
    groups.joined_abroad(&one, &cars(), false).await.unwrap();
    assert!(world.heard(&one).await.is_empty());

    world.said_in_cars("2", "alice", "vroom").await;
    for session in [&one, &two] {
        world.services.access().logout(session).await.unwrap();
    }
    let back = world.login("alice").await;
    assert!(world.heard(&back).await.is_empty(), "she has not joined");
    groups.joined_abroad(&back, &cars(), false).await.unwrap();
    assert_eq!(world.heard(&back).await, ["new vroom"]);
    groups.joined_abroad(&back, &cars(), true).await.unwrap();
    assert!(world.heard(&back).await.is_empty(), "once");
}

#[tokio::test]
async fn after_a_restart_nobody_is_told_that_he_has_joined_himself() {
    let (world, _neighbour, alice) = party_near_bob().await;
    let world = world.restarted().await;
    let alice = world.services.sessions.find(&alice.id).unwrap();
    assert!(!world.services.im().has_pending(&alice).await && world.heard(&alice).await.is_empty());

    let _neighbour = world.with_neighbour();
    let guest = world.guest().await;
    assert_eq!(world.heard(&alice).await, ["joined Bobby (wv:bob@b.example)"]);
    let world = world.restarted().await;
    let session = |session: &Arc<Session>| world.services.sessions.find(&session.id).unwrap();
    assert_eq!(world.heard(&session(&guest)).await, ["joined Ali"]);
    assert_eq!(world.heard(&session(&alice)).await, ["joined Bobby (wv:bob@b.example)"]);
}

#[tokio::test]
async fn an_operator_deals_with_guests_whether_their_domain_is_reached_or_not() {
    let (world, _neighbour, _alice) = party_near_bob().await;
    let guest = world.guest().await;
    world.services.group().kick(&party(), &bob()).await.unwrap();
    assert_eq!(world.heard(&guest).await, ["forced 601"]);
    world.join(&guest, "Bobby").await.unwrap();
    // Nothing leads there any more.
    let world = world.restarted().await;
    let groups = world.services.group();
    let reject = async |name: &str| {
        let (result, _) = groups.reject(Manager::Operator, &party(), users(&[name]), users(&[])).await.unwrap();
        outcome(&result)
    };
    assert_eq!(reject("wv:eve@b.example").await, "201 516[wv:eve@b.example]");
    assert_eq!(reject("wv:bob@b.example").await, "200");
    assert!(!groups.find(&party()).unwrap().is_joined(&bob()));
}

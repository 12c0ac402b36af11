//! Members, roles and the reject list (CSP 13.5).

use super::*;

async fn members(world: &World, session: &Arc<Session>) -> Vec<String> {
    let members = world.services.group().members(Manager::User(session), &party()).unwrap();
    let lists = [("admin", members.admins), ("mod", members.mods), ("user", members.users)];
    lists.iter().flat_map(|(role, users)| users.iter().map(move |user| format!("{role} {}", user.local()))).collect()
}

#[tokio::test]
async fn members_are_added_given_roles_and_removed() {
    let world = World::with(&["alice", "bob", "carol", "dave"], |config| config.group_members_max = 3).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[]).await;
    let groups = world.services.group();
    let by = Manager::User(&alice);
    assert_eq!(groups.members(Manager::User(&bob), &party()), refused(GroupError::NoPrivilege));
    let added = groups.add_members(by, &party(), users(&["bob", "ghost", "wv:far@y", "bob", "carol"])).await.unwrap();
    assert_eq!(outcome(&added), "201 516[wv:far@y] 531[ghost]");
    assert_eq!(members(&world, &alice).await, ["admin alice", "user bob", "user carol"]);
    let full = groups.add_members(by, &party(), users(&["dave", "bob"])).await.unwrap();
    assert_eq!(outcome(&full), "201 823[dave]", "who is one stays one");
    let full = groups.add_members(by, &party(), users(&["dave"])).await.unwrap();
    assert_eq!(outcome(&full), "823 823[dave]");

    let roles = vec![(Role::Admin, users(&["carol"])), (Role::Mod, users(&["bob", "dave"]))];
    assert_eq!(outcome(&groups.set_access(by, &party(), roles).await.unwrap()), "201 810[dave]");
    assert_eq!(members(&world, &alice).await, ["admin alice", "admin carol", "mod bob"]);
    // Nobody harms the owner, and nobody those above him.
    let down = |name: &str| vec![(Role::User, users(&[name]))];
    let by_carol = groups.set_access(Manager::User(&carol), &party(), down("alice")).await.unwrap();
    assert_eq!(outcome(&by_carol), "816 816[alice]");
    let by_bob = groups.set_access(Manager::User(&bob), &party(), down("carol")).await.unwrap();
    assert_eq!(outcome(&by_bob), "816 816[carol]");
    let by_bob = groups.remove_members(Manager::User(&bob), &party(), users(&["carol", "alice"])).await.unwrap();
    assert_eq!(outcome(&by_bob), "816 816[carol,alice]");
    let removed = groups.remove_members(Manager::User(&carol), &party(), users(&["bob", "dave"])).await.unwrap();
    assert_eq!(outcome(&removed), "201 810[dave]");
    assert_eq!(
        groups.set_access(Manager::User(&bob), &party(), down("carol")).await,
        refused(GroupError::NoPrivilege),
        "he is a moderator no longer"
    );
    let world = world.restarted().await;
    let alice = world.services.sessions.find(&alice.id).unwrap();
    assert_eq!(members(&world, &alice).await, ["admin alice", "admin carol"]);
}

#[tokio::test]
async fn who_is_a_member_no_longer_leaves_a_restricted_group() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[]).await;
    let groups = world.services.group();
    let by = Manager::User(&alice);
    groups.add_members(by, &party(), users(&["bob", "carol"])).await.unwrap();
    world.join(&bob, "Bob").await.unwrap();
    world.join(&carol, "Carol").await.unwrap();
    world.heard(&bob).await;
    groups.remove_members(by, &party(), users(&["bob"])).await.unwrap();
    assert_eq!(world.heard(&bob).await, ["own User"], "in an open group he stays");
    groups.set_properties(&alice, &party(), Some(properties(&[("Accesstype", "Restricted")])), None).await.unwrap();
    assert_eq!(world.heard(&bob).await, ["forced 810"]);
    // By his screen name, which is all that a moderator may know of somebody.
    let name = ScreenName { name: "cAROL".into(), group_id: party() };
    let by_name = UserList { users: Vec::new(), screen_names: vec![name] };
    groups.remove_members(by, &party(), by_name).await.unwrap();
    assert!(world.heard(&carol).await.contains(&"forced 810".to_owned()));
    assert_eq!(groups.find(&party()).unwrap().joined_users(), [user("alice")]);
}

#[tokio::test]
async fn a_rejected_user_is_thrown_out_and_not_let_in() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login_as("alice", "alice", Version::V1_3).await;
    let (bob, carol) = (world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[]).await;
    world.join(&bob, "Bob").await.unwrap();
    world.join(&carol, "Carol").await.unwrap();
    for session in [&alice, &bob, &carol] {
        world.heard(session).await;
    }
    let groups = world.services.group();
    let by = Manager::User(&alice);
    let (result, list) =
        groups.reject(by, &party(), users(&["bob", "ghost", "alice"]), UserList::default()).await.unwrap();
    assert_eq!((outcome(&result).as_str(), list), ("201 531[ghost] 816[alice]", vec![user("bob")]));
    assert_eq!(world.heard(&bob).await, ["forced 809"]);
    assert_eq!(world.heard(&carol).await, ["left Bob"]);
    assert_eq!(world.heard(&alice).await, ["left Bob, thrown out Bob"], "1.3 says why");
    assert_eq!(world.join(&bob, "Bob").await, refused(GroupError::Rejected));
    assert_eq!(world.heard(&alice).await, ["not let in Bob"]);
    assert!(world.heard(&carol).await.is_empty(), "1.2 knows no such thing");
    let (_, list) = groups.reject(by, &party(), UserList::default(), UserList::default()).await.unwrap();
    assert_eq!(list, [user("bob")], "just read");
    assert!(groups.reject(Manager::User(&carol), &party(), UserList::default(), UserList::default()).await.is_err());
    let (_, list) = groups.reject(by, &party(), UserList::default(), users(&["bob", "carol"])).await.unwrap();
    assert!(list.is_empty());
    assert!(world.join(&bob, "Bob").await.is_ok());
    assert_eq!(world.services.groups.of_user(&user("bob")).len(), 0, "nothing is kept of him any more");
}

#[tokio::test]
async fn a_rejected_moderator_manages_nothing() {
    let world = World::of(&["alice", "bob", "carol", "dave"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[]).await;
    let groups = world.services.group();
    let by = Manager::User(&alice);
    groups.add_members(by, &party(), users(&["bob", "carol", "dave"])).await.unwrap();
    let roles = vec![(Role::Admin, users(&["bob", "carol"])), (Role::Mod, users(&["dave"]))];
    groups.set_access(by, &party(), roles).await.unwrap();
    groups.reject(by, &party(), users(&["bob", "carol"]), UserList::default()).await.unwrap();
    for session in [&bob, &carol] {
        let himself = session.user.id.local();
        let rejected = Manager::User(session);
        let off = groups.reject(rejected, &party(), UserList::default(), users(&[himself])).await;
        assert_eq!(off.map(|_| ()), refused(GroupError::NoPrivilege));
        assert_eq!(groups.members(rejected, &party()), refused(GroupError::NoPrivilege));
        assert_eq!(groups.delete(session, &party()).await, refused(GroupError::NoPrivilege));
        assert_eq!(groups.remove_members(rejected, &party(), users(&["dave"])).await, refused(GroupError::NoPrivilege));
    }
    // He is an administrator still, whom a moderator does not harm.
    let dave = world.login("dave").await;
    let removed = groups.remove_members(Manager::User(&dave), &party(), users(&["carol"])).await.unwrap();
    assert_eq!(outcome(&removed), "816 816[carol]");
    groups.reject(by, &party(), UserList::default(), users(&["bob"])).await.unwrap();
    assert!(groups.members(Manager::User(&bob), &party()).is_ok(), "what he was he is again");
}

#[tokio::test]
async fn who_is_not_let_in_is_told_of_by_a_name_that_he_may_have() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login_as("alice", "alice", Version::V1_3).await, world.login("bob").await);
    world.party(&alice, &[]).await;
    let groups = world.services.group();
    let by = Manager::User(&alice);
    groups.reject(by, &party(), users(&["bob"]), UserList::default()).await.unwrap();
    world.heard(&alice).await;
    let long = "x".repeat(129);
    for (wished, told) in [(" Robert ", "Robert"), (&long, "bob"), ("B\u{7}b", "bob"), (" ", "bob"), ("aLI", "bob")] {
        assert_eq!(world.join(&bob, wished).await, refused(GroupError::Rejected));
        assert_eq!(world.heard(&alice).await, [format!("not let in {told}")], "{wished:?}");
    }
    groups.reject(by, &party(), UserList::default(), users(&["bob"])).await.unwrap();
    groups.add_members(by, &party(), users(&["bob"])).await.unwrap();
    world.join(&bob, "Bobby").await.unwrap();
    groups.reject(by, &party(), users(&["bob"]), UserList::default()).await.unwrap();
    world.heard(&alice).await;
    assert_eq!(world.join(&bob, "Ali").await, refused(GroupError::Rejected));
    assert_eq!(world.heard(&alice).await, ["not let in Bobby"], "what he was called last");
}

#[tokio::test]
async fn who_sees_whose_a_screen_name_is() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[]).await;
    world.join(&bob, "Bob").await.unwrap();
    let groups = world.services.group();
    assert_eq!(groups.joined_users(&carol, &party()), refused(GroupError::NotJoined));
    world.join(&carol, "Carol").await.unwrap();
    groups.set_properties(&carol, &party(), None, Some(vec![Property::new("ShowID", "T")])).await.unwrap();
    let (JoinedUsers::All(seen), _) = groups.joined_users(&bob, &party()).unwrap() else { panic!() };
    let seen: Vec<_> = seen.iter().map(|one| (&*one.name, one.user_id.is_some())).collect();
    assert_eq!(seen, [("Ali", false), ("Bob", false), ("Carol", true)]);
    let (JoinedUsers::ByRole { admins, mods, users }, _) = groups.joined_users(&alice, &party()).unwrap() else {
        panic!()
    };
    assert_eq!((admins.len(), mods.len(), users.len()), (1, 0, 2));
    assert!(users.iter().all(|one| one.user_id.is_some()), "an administrator sees all");
    // A client that cannot parse so much is told so.
    bob.negotiated().parser_size = 1100;
    assert_eq!(groups.joined_users(&bob, &party()), Err(Error::TooLarge));
}

#[tokio::test]
async fn who_wants_no_notices_gets_none() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    world.party(&alice, &[]).await;
    let groups = world.services.group();
    groups.join(&bob, &party(), JoinWish { subscribe: false, ..named("Bob") }).await.unwrap();
    assert_eq!(groups.subscribe(&carol, &party(), SubscribeType::Get).await, refused(GroupError::NotJoined));
    assert_eq!(groups.subscribe(&bob, &party(), SubscribeType::Get).await, Ok(false));
    world.join(&carol, "Carol").await.unwrap();
    assert!(world.heard(&bob).await.is_empty());
    assert_eq!(groups.subscribe(&bob, &party(), SubscribeType::Set).await, Ok(true));
    groups.leave(&carol, &party()).await.unwrap();
    assert_eq!(world.heard(&bob).await, ["left Carol"]);
    groups.set_properties(&bob, &party(), None, Some(vec![Property::new("DoNotNotify", "T")])).await.unwrap();
    world.join(&carol, "Carol").await.unwrap();
    assert!(world.heard(&bob).await.is_empty());
}

#[tokio::test]
async fn a_small_client_hears_of_many_in_several_notices() {
    let names: Vec<String> = (0..60).map(|number| format!("user{number}")).collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.push("alice");
    let world = World::of(&all).await;
    let alice = world.login("alice").await;
    alice.negotiated().parser_size = 3000;
    world.party(&alice, &[]).await;
    for name in &names {
        let session = world.login(name).await;
        world.join(&session, name).await.unwrap();
    }
    let told = world.heard(&alice).await;
    assert!(told.len() > 2, "{}", told.len());
    let joined: Vec<_> = told.iter().flat_map(|one| one.split(", ")).collect();
    assert_eq!(joined.len(), 60, "each once");
}

#[tokio::test]
async fn who_came_and_went_is_not_promised() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.party(&alice, &[]).await;
    let (im, groups) = (world.services.im(), world.services.group());
    world.join(&bob, "Bob").await.unwrap();
    assert!(im.has_pending(&alice).await);
    groups.leave(&bob, &party()).await.unwrap();
    assert!(!im.has_pending(&alice).await, "nothing is left to tell");
    assert_eq!(world.heard(&alice).await, [""; 0]);
    world.join(&bob, "Bob").await.unwrap();
    assert_eq!(world.heard(&alice).await, ["joined Bob (wv:bob@x)"]);
    for _ in 0..2 {
        groups.leave(&bob, &party()).await.unwrap();
        assert!(im.has_pending(&alice).await);
        world.join(&bob, "Bob").await.unwrap();
    }
    groups.leave(&bob, &party()).await.unwrap();
    assert!(im.has_pending(&alice).await);
    assert_eq!(world.heard(&alice).await, ["left Bob"], "she was told that he was there");
    // What her version does not know is not promised either: who was not let in.
    groups.reject(Manager::User(&alice), &party(), users(&["bob"]), UserList::default()).await.unwrap();
    world.heard(&alice).await;
    assert!(world.join(&bob, "Bob").await.is_err());
    assert!(!im.has_pending(&alice).await);
    assert_eq!(world.heard(&alice).await, [""; 0]);
}

#[tokio::test]
async fn who_logs_out_while_joining_takes_no_other_client_along() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let other = world.login_as("bob", "other", Version::V1_2).await;
    world.party(&alice, &[]).await;
    world.join(&bob, "Bob").await.unwrap();
    // The other client's session ends between the commit of its joining and the moment when it has joined.
    let group = world.services.group().find(&party()).unwrap();
    let groups = world.services.group();
    let plan = groups.plan(&group.lock(), &other, &group.id, &named("Bob")).unwrap();
    let mut batch = crate::seam::Batch::new();
    groups.put_join(&mut batch, &other, &group.id, &plan);
    world.services.store.commit(batch).await.unwrap();
    assert!(other.close());
    assert_eq!(groups.apply_join(&other, &group, plan, false).map(drop), Err(Error::NotLoggedIn));
    assert!(!other.has_joined(PARTY));
    let world = world.restarted().await;
    let bob = world.services.sessions.find(&bob.id).unwrap();
    assert!(bob.has_joined(PARTY), "and he is there after a restart");
}

//! A group that is managed from another domain (SSP 9.7).

use imps_testkit::phone::forms::{GroupWish, Person};
use imps_testkit::phone::{Node, Phone, status_of};
use imps_types::Version;

use crate::federation::*;
use crate::{ALICE, ANN, BEA, BOB, CARS, failed, neighbours, property, texts};

const CARL: &str = "wv:carl@a.example";
const ZOE: &str = "wv:zoe@a.example";

fn people(users: &[&str]) -> Vec<Person> {
    users.iter().map(|&user| Person::User(user.to_owned())).collect()
}

/// Adds members, or removes them; the answer.
async fn members(phone: &mut Phone, request: &str, users: &[&str]) -> Node {
    try_to(phone, |it| it.speaker.members_request(request, CARS, &people(users))).await
}

/// Makes members administrators and moderators; the status.
async fn access(phone: &mut Phone, admins: &[&str], mods: &[&str], users: &[&str]) -> u16 {
    let [admins, mods, users] = [admins, mods, users].map(people);
    status_of(&try_to(phone, |it| it.speaker.member_access(CARS, &admins, &mods, &users)).await)
}

/// The members by role: `alice, bob | bea | ann`.
async fn roles(phone: &mut Phone) -> String {
    let told = ask(phone, |it| it.speaker.of_group("GetGroupMembers-Request", CARS)).await;
    let mut beside = told.clone();
    beside.children.retain(|child| !["Admin", "Mod"].contains(&child.name.as_str()));
    let name = |address: &String| address.trim_start_matches("wv:").split('@').next().unwrap_or_default().to_owned();
    let list = |texts: Vec<String>| texts.iter().map(name).collect::<Vec<_>>().join(", ");
    [texts(&told, "Admin/UserID"), texts(&told, "Mod/UserID"), texts(&beside, "UserID")].map(list).join(" | ")
}

async fn properties(phone: &mut Phone) -> Node {
    ask(phone, |it| it.speaker.of_group("GetGroupProps-Request", CARS)).await
}

/// Sets one property, of the group or one's own; the status.
async fn set(phone: &mut Phone, is_own: bool, name: &str, value: &str) -> u16 {
    let property = vec![(name.to_owned(), value.to_owned())];
    let mut wish = GroupWish { group: CARS.to_owned(), ..GroupWish::default() };
    *if is_own { &mut wish.own } else { &mut wish.properties } = property;
    status_of(&try_to(phone, |it| it.speaker.group_request("SetGroupProps-Request", &wish)).await)
}

/// Puts somebody on the reject list, or takes him off it; who is on it then.
async fn reject(phone: &mut Phone, add: &[&str], remove: &[&str]) -> Vec<String> {
    let (add, remove) = (people(add), people(remove));
    texts(&ask(phone, |it| it.speaker.reject_list(CARS, &add, &remove)).await, "UserID")
}

/// Is told of changes (`S`), or not any more (`U`), or asks whether (`G`): the answer.
async fn notices(phone: &mut Phone, kind: &str) -> Node {
    let answer = try_to(phone, |it| {
        let mut request = it.speaker.of_group("SubscribeGroupNotice-Request", CARS);
        request.children.push(Node::leaf("SubscribeType", kind));
        request
    });
    answer.await
}

async fn is_told(phone: &mut Phone) -> bool {
    notices(phone, "G").await.child_text("Value") == Some("T")
}

/// What a phone was told last.
fn last(phone: &Phone) -> &Node {
    &phone.current.as_ref().expect("it was told something").primitive
}

/// Of Alice's group, in which she and Bob of B are, Bob is an administrator.
async fn administered(a: &Home, b: &Home) -> (Phone, Phone) {
    let (mut alice, mut bob) = (a.phone("alice").await, b.phone("bob").await);
    create_group(&mut alice, CARS, "Ali").await;
    // Before he joins: whoever has joined is told what he may do from now on.
    assert_eq!(status_of(&members(&mut alice, "AddGroupMembers-Request", &[BOB]).await), 200);
    assert_eq!(access(&mut alice, &[BOB], &[], &[]).await, 200);
    assert_eq!(status_of(&join(&mut bob, CARS, "Speedy").await), 200);
    assert_eq!(next(&mut alice).await, format!("{CARS} joined by Speedy"));
    (alice, bob)
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_group_of_another_domain() {
    let (_world, a, b) = neighbours("members_of_a_group_of_another_domain", &[]).await;
    let (mut alice, mut bob) = (a.phone("alice").await, b.phone("bob").await);
    create_group(&mut alice, CARS, "Ali").await;
    // Whoever is no member manages nothing, and reads no members.
    assert_eq!(status_of(&members(&mut bob, "AddGroupMembers-Request", &[BEA]).await), 816);
    assert_eq!(access(&mut bob, &[BOB], &[], &[]).await, 816);
    let refused = try_to(&mut bob, |it| it.speaker.of_group("GetGroupMembers-Request", CARS)).await;
    assert_eq!(status_of(&refused), 816, "{}", refused.pretty());
    assert_eq!(roles(&mut alice).await, "alice |  | ");

    assert_eq!(status_of(&members(&mut alice, "AddGroupMembers-Request", &[BOB]).await), 200);
    assert_eq!(access(&mut alice, &[BOB], &[], &[]).await, 200);
    assert_eq!(roles(&mut bob).await, "alice, bob |  | ");
    // He adds people of both domains; one is not there.
    let added = members(&mut bob, "AddGroupMembers-Request", &[ANN, BEA, ZOE]).await;
    assert_eq!((status_of(&added), failed(&added)), (201, vec![format!("531 {ZOE}")]), "{}", added.pretty());
    assert_eq!(roles(&mut alice).await, "alice, bob |  | ann, bea");
    // He gives Bea what he has not got from anybody of his own domain.
    let mut bea = b.phone("bea").await;
    let refused = try_to(&mut bea, |it| it.speaker.of_group("GetGroupMembers-Request", CARS)).await;
    assert_eq!(status_of(&refused), 816, "{}", refused.pretty());
    assert_eq!(access(&mut bob, &[], &[BEA], &[]).await, 200);
    assert_eq!(roles(&mut bea).await, "alice, bob | bea | ann");
    assert_eq!(access(&mut bob, &[], &[], &[ALICE]).await, 816, "she owns it");
    assert_eq!(access(&mut bob, &[], &[], &[BEA]).await, 200);
    assert_eq!(roles(&mut alice).await, "alice, bob |  | ann, bea");
    // A restricted group is for members, wherever they are.
    assert_eq!(set(&mut bob, false, "AccessType", "Restricted").await, 200);
    assert_eq!(status_of(&join(&mut bea, CARS, "Bea").await), 200);
    let removed = members(&mut bob, "RemoveGroupMembers-Request", &[BEA, ANN]).await;
    assert_eq!(status_of(&removed), 200, "{}", removed.pretty());
    assert_eq!(next(&mut bea).await, format!("out of {CARS}: 810"));
    assert_eq!(roles(&mut alice).await, "alice, bob |  | ");
    assert_eq!(status_of(&join(&mut bea, CARS, "Bea").await), 810);
}

#[tokio::test(flavor = "multi_thread")]
async fn properties_of_a_group_of_another_domain() {
    let (_world, a, b) = neighbours("properties_of_a_group_of_another_domain", &[]).await;
    let (mut alice, mut bob) = administered(&a, &b).await;
    let (mut bea, mut ann) = (b.phone("bea").await, a.phone("ann").await);
    assert_eq!(status_of(&join(&mut bea, CARS, "Bea").await), 200);
    for phone in [&mut alice, &mut bob] {
        assert_eq!(next(phone).await, format!("{CARS} joined by Bea"));
    }
    // What everybody may read, and only an administrator may change.
    let read = properties(&mut bea).await;
    assert_eq!(property(&read, "Name"), Some("Cars"), "{}", read.pretty());
    assert_eq!(set(&mut bea, false, "Topic", "Trains").await, 816);
    assert_eq!(set(&mut bob, false, "Topic", "Fast & loud").await, 200);
    assert_eq!(property(&properties(&mut ann).await, "Topic"), Some("Fast & loud"));
    assert_eq!(property(&properties(&mut bea).await, "Topic"), Some("Fast & loud"));
    // Those who have joined are told, here and there.
    for phone in [&mut alice, &mut bea] {
        assert_eq!(next(phone).await, CARS);
        let told = last(phone);
        assert_eq!(property(told, "Topic"), Some("Fast & loud"), "{}", told.pretty());
    }
    is_quiet(&mut bob).await;
    // What is one's own: who has a name is hidden until he shows it.
    let of_bob = async |phone: &mut Phone| {
        let there = ask(phone, |it| it.speaker.of_group("GetJoinedUsers-Request", CARS)).await;
        texts(&there, "UserID").contains(&BOB.to_owned())
    };
    assert!(!of_bob(&mut bea).await);
    assert_eq!(set(&mut bob, true, "ShowID", "T").await, 200);
    let read = properties(&mut bob).await;
    let own = read.child("OwnProperties").expect("his own");
    assert_eq!(property(own, "ShowID"), Some("T"), "{}", read.pretty());
    assert!(of_bob(&mut bea).await, "he shows it");
    assert_eq!(status_of(&join(&mut ann, CARS, "Ann").await), 200);
    assert!(of_bob(&mut ann).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_rejected_from_another_domain() {
    let (_world, a, b) = neighbours("who_is_rejected_from_another_domain", &[]).await;
    let (mut alice, mut bob) = administered(&a, &b).await;
    let (mut carl, mut bea) = (a.phone("carl").await, b.phone("bea").await);
    for (phone, name) in [(&mut carl, "Carl"), (&mut bea, "Bea")] {
        assert_eq!(status_of(&join(phone, CARS, name).await), 200);
        assert_eq!(next(&mut alice).await, format!("{CARS} joined by {name}"));
        assert_eq!(next(&mut bob).await, format!("{CARS} joined by {name}"));
    }
    assert_eq!(next(&mut carl).await, format!("{CARS} joined by Bea"));
    assert_eq!(reject(&mut bob, &[], &[]).await, Vec::<String>::new());
    assert_eq!(reject(&mut bob, &[CARL, BEA], &[]).await, [BEA, CARL]);
    for phone in [&mut carl, &mut bea] {
        assert_eq!(next(phone).await, format!("out of {CARS}: 809"));
    }
    assert_eq!(status_of(&join(&mut bea, CARS, "Bea").await), 809);
    assert_eq!(status_of(&join(&mut carl, CARS, "Carl").await), 809);
    assert_eq!(reject(&mut alice, &[], &[]).await, [BEA, CARL], "at home it is the same list");
    assert_eq!(reject(&mut bob, &[], &[BEA]).await, [CARL]);
    assert_eq!(status_of(&join(&mut bea, CARS, "Bea again").await), 200);
    assert_eq!(status_of(&join(&mut carl, CARS, "Carl").await), 809);
    // An owner is not rejected by anybody, and one who may not reject rejects nobody.
    let refused = try_to(&mut bob, |it| it.speaker.reject_list(CARS, &people(&[ALICE]), &[])).await;
    assert!([201, 816].contains(&status_of(&refused)) && refused.pretty().contains("816"), "{}", refused.pretty());
    let refused = try_to(&mut bea, |it| it.speaker.reject_list(CARS, &people(&[BOB]), &[])).await;
    assert_eq!(status_of(&refused), 816, "{}", refused.pretty());
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_of_a_group_of_another_domain() {
    let (_world, a, b) = neighbours("notices_of_a_group_of_another_domain", &[]).await;
    let (mut alice, mut bob) = administered(&a, &b).await;
    let mut carl = a.phone("carl").await;
    assert!(is_told(&mut bob).await);
    assert_eq!(status_of(&notices(&mut bob, "U").await), 200);
    assert!(!is_told(&mut bob).await);
    assert_eq!(status_of(&join(&mut carl, CARS, "Carl").await), 200);
    assert_eq!(next(&mut alice).await, format!("{CARS} joined by Carl"));
    is_quiet(&mut bob).await;
    assert_eq!(status_of(&notices(&mut bob, "S").await), 200);
    assert!(is_told(&mut bob).await);
    assert_eq!(leave(&mut carl, CARS).await, 200);
    assert_eq!(next(&mut bob).await, format!("{CARS} left by Carl"));
    assert_eq!(next(&mut alice).await, format!("{CARS} left by Carl"));

    // Each client of a user decides for itself, though the other domain knows of one user only.
    let mut web = b.client_of("bob", Version::V1_3, Some("web")).await;
    assert_eq!(status_of(&join(&mut web, CARS, "Speedy").await), 200);
    assert_eq!(status_of(&notices(&mut web, "U").await), 200);
    assert!(is_told(&mut bob).await && !is_told(&mut web).await, "one is, and one is not");
    assert_eq!(status_of(&join(&mut carl, CARS, "Carl").await), 200);
    assert_eq!(next(&mut bob).await, format!("{CARS} joined by Carl"));
    is_quiet(&mut web).await;
    assert_eq!(status_of(&notices(&mut web, "S").await), 200);
    assert_eq!(status_of(&notices(&mut bob, "U").await), 200);
    assert!(!is_told(&mut bob).await && is_told(&mut web).await, "the other way round");
    assert_eq!(leave(&mut carl, CARS).await, 200);
    assert_eq!(next(&mut web).await, format!("{CARS} left by Carl"));
    is_quiet(&mut bob).await;
    // Who is in no group has nothing to be told of.
    let mut bea = b.phone("bea").await;
    assert_eq!(status_of(&notices(&mut bea, "S").await), 808);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_deleted_from_another_domain() {
    let (_world, a, b) = neighbours("a_group_is_deleted_from_another_domain", &[]).await;
    let (mut alice, mut bob) = administered(&a, &b).await;
    let mut bea = b.phone("bea").await;
    assert_eq!(status_of(&join(&mut bea, CARS, "Bea").await), 200);
    for phone in [&mut alice, &mut bob] {
        assert_eq!(next(phone).await, format!("{CARS} joined by Bea"));
    }
    let refused = try_to(&mut bea, |it| it.speaker.of_group("DeleteGroup-Request", CARS)).await;
    assert_eq!(status_of(&refused), 816, "{}", refused.pretty());
    assert_eq!(send(&mut bea, &[CARS], "still here").await, 200);
    for phone in [&mut alice, &mut bob] {
        assert_eq!(next(phone).await, format!("still here from Bea in {CARS}"));
    }
    ask(&mut bob, |it| it.speaker.of_group("DeleteGroup-Request", CARS)).await;
    for phone in [&mut alice, &mut bea] {
        assert_eq!(next(phone).await, format!("out of {CARS}: 800"));
    }
    for phone in [&mut alice, &mut bob, &mut bea] {
        let gone = try_to(phone, |it| it.speaker.of_group("GetGroupProps-Request", CARS)).await;
        assert_eq!(status_of(&gone), 800, "{}", gone.pretty());
    }
    assert_eq!(leave(&mut bea, CARS).await, 808);
    // The name is free again.
    create_group(&mut alice, CARS, "Ali").await;
    assert_eq!(status_of(&join(&mut bob, CARS, "Speedy").await), 200);
}

//! One request about things whose services are in several places: each part goes to its own (SSP 10, 13.2, 16.2).

use imps_testkit::phone::forms::{Body, Outgoing, Targets};
use imps_testkit::phone::{Node, Phone, status_of};

use crate::federation::*;
use crate::lists::change;
use crate::{ALICE, ANN, BEA, BOB, failed};

/// Of Alice, and of Bob; A keeps both.
const CARS: &str = "wv:alice/cars@a.example";
const BOATS: &str = "wv:bob/boats@b.example";
/// Alice's list.
const QUEUE: &str = "wv:alice/~queue@a.example";

/// A has presence, lists and groups, for B too; B has messages, for A too.
async fn complementary(test: &'static str) -> (World, Home, Home) {
    let world = World::of(test);
    let services = |names: &'static str| [("ssp.services", names)];
    let of_a = services("COMMON,CONTACTLIST,PRESENCE,GROUP,CONTENT,PROFILE");
    let a = world.home("a.example", &["alice", "ann"], &of_a).await;
    let b = world.home("b.example", &["bob", "bea"], &services("COMMON,IM,CONTENT,PROFILE")).await;
    let of_a = "PRESENCE,CONTACTLIST,GROUP";
    a.knows(&b, &["--provides", "IM", "--served", of_a]).await;
    b.knows(&a, &["--provides", of_a, "--served", "IM"]).await;
    a.meets(&b).await;
    (world, a, b)
}

/// Sends a message; the answer.
async fn write(phone: &mut Phone, users: &[&str], lists: &[&str], groups: &[&str], text: &str) -> Node {
    let all = |addresses: &[&str]| addresses.iter().map(|&one| one.to_owned()).collect();
    let to = Targets { users: all(users), lists: all(lists), groups: all(groups), ..Targets::default() };
    let sender = Some(phone.speaker.user.clone());
    let message = Outgoing { to, sender, content: Body::Text(text.to_owned()), ..Outgoing::default() };
    try_to(phone, |it| it.speaker.send_message(&message)).await
}

/// A message is what comes next, but for who has joined.
async fn hears(phone: &mut Phone, text: &str) {
    loop {
        let said = next(phone).await;
        if said.starts_with(&format!("{text} from ")) {
            return;
        }
        assert!(said.contains(" joined by "), "{}: {said}", phone.speaker.user);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_users_lists_and_groups_of_complementary_domains() {
    let (_world, a, b) = complementary("a_message_to_users_lists_and_groups_of_complementary_domains").await;
    let (mut alice, mut ann) = (a.phone("alice").await, a.phone("ann").await);
    let (mut bob, mut bea) = (b.phone("bob").await, b.phone("bea").await);
    create_group(&mut alice, CARS, "Ali").await;
    create_group(&mut bob, BOATS, "Bo").await;
    for (phone, group, name) in [(&mut ann, CARS, "Annie"), (&mut bob, CARS, "Bo"), (&mut alice, BOATS, "Ali")] {
        assert_eq!(status_of(&join(phone, group, name).await), 200);
    }
    ask(&mut alice, |it| it.speaker.create_list(&change(QUEUE, &[BEA, BOB], &[], &[]))).await;

    // Of his own domain, and into his group, which the other domain keeps.
    assert_eq!(status_of(&write(&mut bob, &[BEA], &[], &[BOATS], "one").await), 200);
    hears(&mut bea, "one").await;
    hears(&mut alice, "one").await;
    // Into two groups of two domains, both of which are kept here.
    assert_eq!(status_of(&write(&mut alice, &[], &[], &[CARS, BOATS], "two").await), 200);
    hears(&mut ann, "two").await;
    hears(&mut bob, "two").await;
    hears(&mut bob, "two").await;
    assert_eq!(status_of(&write(&mut alice, &[BEA], &[], &[BOATS], "three").await), 200);
    hears(&mut bea, "three").await;
    hears(&mut bob, "three").await;
    assert_eq!(status_of(&write(&mut alice, &[ANN, BEA], &[], &[BOATS], "four").await), 200);
    for phone in [&mut ann, &mut bea, &mut bob] {
        hears(phone, "four").await;
    }
    let none = "wv:bob/none@b.example";
    let sent = write(&mut bob, &[BEA], &[], &[none], "five").await;
    assert_eq!((status_of(&sent), failed(&sent)), (201, vec![format!("800 {none}")]), "{}", sent.pretty());
    hears(&mut bea, "five").await;
    assert_eq!(status_of(&write(&mut alice, &[ANN], &[], &[CARS], "six").await), 200);
    hears(&mut ann, "six").await;
    hears(&mut ann, "six").await;
    hears(&mut bob, "six").await;
    // Who has the messages does not have the lists.
    assert_eq!(status_of(&write(&mut alice, &[ANN], &[QUEUE], &[], "seven").await), 200);
    for phone in [&mut ann, &mut bea, &mut bob] {
        hears(phone, "seven").await;
    }
    assert_eq!(status_of(&write(&mut alice, &[], &[QUEUE], &[], "eight").await), 200);
    for phone in [&mut bea, &mut bob] {
        hears(phone, "eight").await;
    }
    let unknown = "wv:alice/~nobody@a.example";
    let sent = write(&mut alice, &[ANN], &[unknown], &[], "nine").await;
    assert_eq!((status_of(&sent), failed(&sent)), (201, vec![format!("700 {unknown}")]), "{}", sent.pretty());
    hears(&mut ann, "nine").await;
    for phone in [&mut alice, &mut ann, &mut bob, &mut bea] {
        is_quiet(phone).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_group_at_another_domain_invites_to_it() {
    let (_world, a, b) = complementary("who_has_a_group_at_another_domain_invites_to_it").await;
    let (mut alice, mut bob, mut bea) = (a.phone("alice").await, b.phone("bob").await, b.phone("bea").await);
    let invitation = Invitation { id: "i-1", to: &[ALICE, BEA], group: Some(BOATS), note: "come" };
    assert_eq!(invite(&mut bob, invitation).await, 808, "he is in no such group");
    create_group(&mut bob, BOATS, "Bo").await;
    assert_eq!(invite(&mut bob, invitation).await, 200);
    for (phone, name) in [(&mut alice, "Ali"), (&mut bea, "Bea")] {
        assert_eq!(next(phone).await, format!("invited to {BOATS} by {BOB}: come"));
        let id = phone.current.as_ref().and_then(|it| it.primitive.text_at("InviteID")).expect("an ID").to_owned();
        assert_eq!(answer(phone, &id, BOB, true, "gladly").await, 200);
        assert_eq!(status_of(&join(phone, BOATS, name).await), 200);
    }
    // Who has joined is told of one by one, or of both together.
    let mut awaited =
        vec![format!("{ALICE} accepts: gladly"), format!("{BEA} accepts: gladly"), " Ali".into(), " Bea".into()];
    while !awaited.is_empty() {
        let said = next(&mut bob).await;
        let is_new = |one: &String| !said.contains(one.as_str());
        let before = awaited.len();
        awaited.retain(is_new);
        assert!(awaited.len() < before, "{said}, and not {awaited:?}");
    }
}

//! A user whose lists, presence and profile another domain keeps (SSP 9.3 to 9.5, 16.2).

use imps_testkit::phone::forms::{Contact, ListChange, Targets};
use imps_testkit::phone::{Node, Phone, status_of};
use imps_types::Version;

use crate::federation::*;
use crate::names::{profiles, tell_of_oneself, told_of};
use crate::presence::{authorize, take_back, watchers};
use crate::{ALICE, ANN, BOB, failed, texts};

const DAVE: &str = "wv:dave@d.example";
const FRIENDS: &str = "wv:bob/~friends@b.example";
const OTHERS: &str = "wv:bob/~others@b.example";

/// What A has for B.
const OF_A: [&str; 4] = ["PRESENCE@b.example", "CONTACTLIST@b.example", "GROUP@b.example", "COMMON@b.example"];

/// B has messages and content itself, and A the rest for it; D is a third one.
async fn provided(test: &'static str) -> (World, Home, Home, Home) {
    let world = World::of(test);
    let a = world.home("a.example", &["alice", "ann"], &[]).await;
    let b = world.home("b.example", &["bob", "bea"], &[("ssp.services", "IM,CONTENT")]).await;
    let d = world.home("d.example", &["dave"], &[]).await;
    let between = ["--services", "IM,CONTENT,COMMON,PRESENCE,GROUP"];
    let options = |option: &'static str| OF_A.iter().flat_map(move |one| [option, *one]).chain(between);
    a.knows(&b, &options("--served").collect::<Vec<_>>()).await;
    b.knows(&a, &options("--provides").collect::<Vec<_>>()).await;
    for (one, other) in [(&a, &d), (&b, &d), (&d, &a), (&d, &b)] {
        one.knows(other, &[]).await;
    }
    for (one, other) in [(&a, &b), (&d, &a), (&d, &b)] {
        one.meets(other).await;
    }
    (world, a, b, d)
}

pub(crate) fn change(list: &str, add: &[&str], remove: &[&str], properties: &[(&str, &str)]) -> ListChange {
    let contact = |address: &&str| Contact { address: (*address).to_owned(), nick: Some((*address)[3..6].to_owned()) };
    ListChange {
        list: list.to_owned(),
        add: add.iter().map(contact).collect(),
        remove: remove.iter().map(|&one| one.to_owned()).collect(),
        properties: properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        receive: Some(true),
    }
}

fn of_lists(lists: &[&str]) -> Targets {
    Targets { lists: lists.iter().map(|&one| one.to_owned()).collect(), ..Targets::default() }
}

fn of_users(users: &[&str]) -> Targets {
    Targets { users: users.iter().map(|&one| one.to_owned()).collect(), ..Targets::default() }
}

/// One's own lists, the default one first.
async fn lists(phone: &mut Phone) -> Vec<String> {
    let told = ask(phone, |it| it.speaker.get_lists()).await;
    [texts(&told, "DefaultContactList"), texts(&told, "ContactList")].concat()
}

/// Who is on a list.
async fn members(phone: &mut Phone, list: &str) -> Vec<String> {
    texts(&ask(phone, |it| it.speaker.manage_list(&change(list, &[], &[], &[]))).await, "UserID")
}

#[tokio::test(flavor = "multi_thread")]
async fn contact_lists_that_another_domain_keeps() {
    let (world, a, mut b, _d) = provided("contact_lists_that_another_domain_keeps").await;
    let mut bob = b.phone("bob").await;
    assert_eq!(lists(&mut bob).await, Vec::<String>::new());
    for (list, who) in [(FRIENDS, [ALICE, ANN]), (OTHERS, [ANN, DAVE])] {
        ask(&mut bob, |it| it.speaker.create_list(&change(list, &who, &[], &[("DisplayName", "People")]))).await;
    }
    let both = [FRIENDS.to_owned(), OTHERS.to_owned()];
    assert_eq!(lists(&mut bob).await, both);
    let again = try_to(&mut bob, |it| it.speaker.create_list(&change(FRIENDS, &[], &[], &[]))).await;
    assert_eq!(status_of(&again), 701, "{}", again.pretty());
    // One goes, and one comes; and the list has another name.
    let answer =
        ask(&mut bob, |it| it.speaker.manage_list(&change(FRIENDS, &[DAVE], &[ANN], &[("DisplayName", "Few")]))).await;
    assert_eq!(texts(&answer, "UserID"), [ALICE, DAVE], "{}", answer.pretty());
    assert!(answer.pretty().contains("Few"), "{}", answer.pretty());
    // Another client of his reads the same, and so do both when everybody was gone.
    let mut web = b.client_of("bob", Version::V1_2, Some("web")).await;
    assert_eq!(members(&mut web, FRIENDS).await, [ALICE, DAVE]);
    b.restart(imps_testkit::server::End::Kill).await;
    let mut bob = b.phone("bob").await;
    assert_eq!(members(&mut bob, FRIENDS).await, [ALICE, DAVE]);
    // Nobody else sees it, least of all by A.
    let mut alice = a.phone("alice").await;
    let other = try_to(&mut alice, |it| it.speaker.manage_list(&change(FRIENDS, &[], &[], &[]))).await;
    assert_eq!(status_of(&other), 700, "{}", other.pretty());
    let mut bea = b.phone("bea").await;
    let other = try_to(&mut bea, |it| it.speaker.manage_list(&change(FRIENDS, &[], &[], &[]))).await;
    assert_eq!(status_of(&other), 700, "{}", other.pretty());
    let since = world.wire.len();
    ask(&mut bob, |_| Node::new("DeleteList-Request", [Node::leaf("ContactList", OTHERS)])).await;
    world.wire.wait_for(since, "b.example", "a.example", "DeleteListRequest").await;
    assert_eq!(lists(&mut bob).await, both[..1]);
    let gone = try_to(&mut bob, |it| it.speaker.manage_list(&change(OTHERS, &[], &[], &[]))).await;
    assert_eq!(status_of(&gone), 700, "{}", gone.pretty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_on_a_list_that_another_domain_keeps() {
    let (_world, a, b, d) = provided("who_is_on_a_list_that_another_domain_keeps").await;
    let (mut alice, mut dave) = (a.phone("alice").await, d.phone("dave").await);
    let mut bob = b.phone("bob").await;
    for (phone, text) in [(&mut alice, "at home"), (&mut dave, "far away")] {
        show_all(phone, &["StatusText"]).await;
        publish(phone, "StatusText", text).await;
    }
    ask(&mut bob, |it| it.speaker.create_list(&change(FRIENDS, &[ALICE, DAVE], &[], &[]))).await;
    // Once, and then whenever it changes.
    let names = ["StatusText".to_owned()];
    let both = format!("{ALICE} StatusText=at home; {DAVE} StatusText=far away");
    let answer = ask(&mut bob, |it| it.speaker.get_presence(&of_lists(&[FRIENDS]), &names)).await;
    assert_eq!(presence(&answer), both, "{}", answer.pretty());
    ask(&mut bob, |it| it.speaker.subscribe(&of_lists(&[FRIENDS]), &names, None)).await;
    let mut told = Vec::new();
    while told.len() < 2 {
        told.extend(next(&mut bob).await.split("; ").map(str::to_owned));
    }
    told.sort();
    assert_eq!(told.join("; "), both);
    publish(&mut dave, "StatusText", "closer").await;
    assert_eq!(next(&mut bob).await, format!("{DAVE} StatusText=closer"));
    ask(&mut bob, |it| it.speaker.unsubscribe(&of_lists(&[FRIENDS]))).await;
    for phone in [&mut alice, &mut dave] {
        publish(phone, "StatusText", "unseen").await;
    }
    is_quiet(&mut bob).await;
    // Messages to a list go to who is on it.
    let to = of_lists(&[FRIENDS]);
    let message = imps_testkit::phone::forms::Outgoing {
        to,
        content: imps_testkit::phone::forms::Body::Text("hello all".to_owned()),
        ..Default::default()
    };
    ask(&mut bob, |it| it.speaker.send_message(&message)).await;
    for phone in [&mut alice, &mut dave] {
        assert_eq!(next(phone).await, format!("hello all from {BOB}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_see_what_another_domain_keeps() {
    let (_world, a, b, d) = provided("who_may_see_what_another_domain_keeps").await;
    let (mut alice, mut ann, mut dave) = (a.phone("alice").await, a.phone("ann").await, d.phone("dave").await);
    let mut bob = b.phone_of("bob", Version::V1_2).await;
    publish(&mut bob, "StatusText", "in the garage").await;
    ask(&mut bob, |it| it.speaker.create_list(&change(FRIENDS, &[ALICE, DAVE], &[], &[]))).await;
    // Attribute lists: for a contact list, for a user, for everybody.
    let names = |names: &[&str]| names.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
    ask(&mut bob, |it| it.speaker.create_attribute_list(&of_lists(&[FRIENDS]), &names(&["StatusText"]))).await;
    ask(&mut bob, |it| it.speaker.create_attribute_list(&of_users(&[ANN]), &names(&["OnlineStatus"]))).await;
    let all =
        ask(&mut bob, |it| it.speaker.get_attribute_lists(&Targets { default: true, ..Targets::default() })).await;
    assert_eq!(texts(&all, "Presence/ContactList"), [FRIENDS], "{}", all.pretty());
    assert_eq!(texts(&all, "Presence/UserID"), [ANN], "{}", all.pretty());
    let one = ask(&mut bob, |it| it.speaker.get_attribute_lists(&of_users(&[ANN]))).await;
    assert!(one.find("OnlineStatus").len() == 1 && one.find("StatusText").is_empty(), "{}", one.pretty());
    let of_bob =
        async |phone: &mut Phone| presence(&get_presence(phone, &[BOB], &["OnlineStatus", "StatusText"]).await);
    for phone in [&mut alice, &mut dave] {
        assert_eq!(of_bob(phone).await, format!("{BOB} StatusText=in the garage"));
    }
    assert_eq!(of_bob(&mut ann).await, format!("{BOB} OnlineStatus=T"));
    // Who watches him is known where his presence is.
    for phone in [&mut alice, &mut dave] {
        assert_eq!(status_of(&subscribe(phone, &[BOB], &["StatusText"]).await), 200);
        assert_eq!(next(phone).await, format!("{BOB} StatusText=in the garage"));
    }
    assert_eq!(watchers(&mut bob).await, [ALICE, DAVE]);
    // The list for his friends goes, and they see nothing any more.
    ask(&mut bob, |it| it.speaker.delete_attribute_list(&of_lists(&[FRIENDS]))).await;
    publish(&mut bob, "StatusText", "on the road").await;
    let left =
        ask(&mut bob, |it| it.speaker.get_attribute_lists(&Targets { default: true, ..Targets::default() })).await;
    assert_eq!(texts(&left, "Presence/ContactList"), Vec::<String>::new(), "{}", left.pretty());
    for phone in [&mut alice, &mut dave] {
        let answer = get_presence(phone, &[BOB], &["StatusText"]).await;
        assert!(!answer.pretty().contains("on the road"), "{}", answer.pretty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_is_taken_back_where_another_domain_keeps_it() {
    let (world, a, b, _d) = provided("what_was_granted_is_taken_back_where_another_domain_keeps_it").await;
    let (mut alice, mut ann) = (a.phone("alice").await, a.phone("ann").await);
    let mut bob = b.phone_of("bob", Version::V1_2).await;
    publish(&mut bob, "StatusText", "in the garage").await;
    for (phone, who) in [(&mut alice, ALICE), (&mut ann, ANN)] {
        assert_eq!(status_of(&subscribe(phone, &[BOB], &["StatusText"]).await), 200);
        assert_eq!(next(&mut bob).await, format!("{who} wants to see presence"));
        authorize(&mut bob, who, "StatusText").await;
        assert_eq!(next(phone).await, format!("{BOB} StatusText=in the garage"));
    }
    let since = world.wire.len();
    assert_eq!(take_back(&mut bob, ALICE).await, 200);
    world.wire.wait_for(since, "b.example", "a.example", "CancelAuthorizationRequest").await;
    publish(&mut bob, "StatusText", "on the road").await;
    assert_eq!(next(&mut ann).await, format!("{BOB} StatusText=on the road"));
    let answer = get_presence(&mut alice, &[BOB], &["StatusText"]).await;
    assert!(!answer.pretty().contains("on the road"), "{}", answer.pretty());
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles_that_another_domain_keeps() {
    let (world, a, b, d) = provided("profiles_that_another_domain_keeps").await;
    let (mut alice, mut dave, mut bob) = (a.phone("alice").await, d.phone("dave").await, b.phone("bob").await);
    let since = world.wire.len();
    assert_eq!(tell_of_oneself(&mut bob, &[("PP_CITY", "Oulu")]).await, 200);
    world.wire.wait_for(since, "b.example", "a.example", "UpdatePublicProfileRequest").await;
    for phone in [&mut bob, &mut alice, &mut dave] {
        let answer = profiles(phone, &[BOB]).await;
        let city = told_of(&answer, "PP_CITY");
        assert_eq!(city, [format!("{BOB} Oulu")], "{}: {}", phone.speaker.user, answer.pretty());
    }
    // Whoever is nobody's user has none.
    assert_eq!(tell_of_oneself(&mut alice, &[("PP_CITY", "Kemi")]).await, 200);
    let answer = profiles(&mut bob, &[ALICE, BOB, "wv:zoe@a.example"]).await;
    assert_eq!(failed(&answer), ["531 wv:zoe@a.example"], "{}", answer.pretty());
    assert_eq!(told_of(&answer, "PP_CITY"), [format!("{ALICE} Kemi"), format!("{BOB} Oulu")]);
    // Who provides the service for a user is asked by his own clients only; of another domain it is told all the same.
    ask(&mut bob, |it| it.speaker.service_info()).await;
    let info = "<GetSPInfoRequest><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@b.example\"><User \
                userID=\"wv:bob@b.example\"/></Requestor></MetaInfo></GetSPInfoRequest>";
    let told = a.is_told_by(&b, "info-1", info).await;
    assert!(told.starts_with("<GetSPInfoResponse>") && told.contains("code=\"200\""), "{told}");
    assert!(told.contains("<Name>"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tells_a_part_of_a_profile_is_asked_for_all_of_it() {
    let (world, a, b, d) = provided("who_tells_a_part_of_a_profile_is_asked_for_all_of_it").await;
    world.wire.quiet().await;
    let since = world.wire.len();
    // Another server may tell what has changed of somebody of whom A knows nothing.
    let update = "<UpdateUserProfileRequest><MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@b.example\"/></MetaInfo>\
                  <UserProfile userID=\"wv:bea@b.example\" version=\"8\"><Privacy><Location share=\"No\"/></Privacy></UserProfile>\
                  </UpdateUserProfileRequest>";
    assert!(a.is_told_by(&b, "part-1", update).await.contains("code=\"200\""));
    let (id, asked) = world.wire.wait_for(since, "a.example", "b.example", "GetUserProfileRequest").await;
    assert!(asked.contains("wv:bea@b.example"), "{asked}");
    let (answered, told) = world.wire.wait_for(since, "b.example", "a.example", "GetUserProfileResponse").await;
    assert_eq!(answered, id);
    let parts =
        ["userID=\"wv:bea@b.example\"", "<Service name=\"IM\" subscribed=\"Yes\" status=\"Inactive\"", "<Privacy>"];
    assert!(parts.iter().all(|part| told.contains(part)), "{told}");
    // Of somebody who is known already, a part is enough.
    let since = world.wire.len();
    let update = update.replace("version=\"8\"", "version=\"4000000000\"");
    assert!(a.is_told_by(&b, "part-2", &update).await.contains("code=\"200\""));
    world.wire.quiet().await;
    let log = world.wire.names(since, "a.example", "b.example");
    assert!(!log.iter().any(|name| name == "GetUserProfileRequest"), "{log:?}");
    // D provides nothing for B, and is told nothing of its users; nor does it tell anything of them.
    let ask = "<GetUserProfileRequest><MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@d.example\"/></MetaInfo>\
               <UserID userID=\"wv:bea@b.example\"/></GetUserProfileRequest>";
    let answer = b.is_told_by(&d, "curious-1", ask).await;
    assert!(answer.starts_with("<Status code=\"403\""), "{answer}");
}

//! Searches, names to verify, and public profiles in another domain (SSP 9.3).

use imps_testkit::phone::{Node, Phone, status_of};

use crate::federation::*;
use crate::{ALICE, ANN, BEA, BOB, CARS, failed, neighbours, property, texts};

const CARL: &str = "wv:carl@a.example";
const ZOE: &str = "wv:zoe@a.example";

/// Searches; the answer, whatever it says.
async fn search(phone: &mut Phone, criteria: &[(&str, &str)], limit: u32) -> Node {
    let pair = |(element, string): &(&str, &str)| {
        let children = [Node::leaf("SearchElement", *element), Node::leaf("SearchString", *string)];
        Node::new("SearchPairList", children)
    };
    let limit = Node::leaf("SearchLimit", limit.to_string());
    try_to(phone, |_| Node::new("Search-Request", criteria.iter().map(pair).chain([limit]))).await
}

/// Goes on with a search.
async fn more(phone: &mut Phone, id: &str, index: &str) -> Node {
    let children = [Node::leaf("SearchLimit", "2"), Node::leaf("SearchID", id), Node::leaf("SearchIndex", index)];
    try_to(phone, |_| Node::new("Search-Request", children)).await
}

/// The addresses that were found, how many there are in all, and whether that is all.
fn found(answer: &Node) -> (Vec<String>, &str, &str) {
    let [findings, is_all] = ["SearchFindings", "CompletionFlag"].map(|name| answer.child_text(name).unwrap_or("none"));
    ([texts(answer, "UserID"), texts(answer, "GroupID")].concat(), findings, is_all)
}

#[tokio::test(flavor = "multi_thread")]
async fn search_in_another_domain() {
    let (_world, a, b) = neighbours("search_in_another_domain", &[]).await;
    let (mut alice, mut bob, mut bea) = (a.phone("alice").await, b.phone("bob").await, b.phone("bea").await);
    let all = search(&mut bob, &[("USER_ID", "@a.example")], 10).await;
    let everybody = [ALICE, ANN, CARL].map(str::to_owned).to_vec();
    assert_eq!(found(&all), (everybody, "3", "T"), "{}", all.pretty());
    a.do_(&["user", "set", "ann", "--last-name", "Pager"]).await;
    let one = search(&mut bob, &[("USER_LAST_NAME", "pager"), ("USER_ID", "@a.example")], 10).await;
    assert_eq!(found(&one), (vec![ANN.to_owned()], "1", "T"), "{}", one.pretty());
    let none = search(&mut bob, &[("USER_ID", "zoe@a.example")], 10).await;
    assert_eq!(found(&none), (vec![], "0", "T"), "{}", none.pretty());
    // Groups by their address; what is not to be found is not.
    create_group(&mut alice, CARS, "Ali").await;
    let hidden = search(&mut bob, &[("GROUP_ID", "/cars@a.example")], 10).await;
    assert_eq!(found(&hidden), (vec![], "0", "T"), "{}", hidden.pretty());
    let wish = imps_testkit::phone::forms::GroupWish {
        group: CARS.to_owned(),
        properties: vec![("Searchable".to_owned(), "T".to_owned())],
        ..Default::default()
    };
    ask(&mut alice, |it| it.speaker.group_request("SetGroupProps-Request", &wish)).await;
    let group = search(&mut bob, &[("GROUP_ID", "/cars@a.example")], 10).await;
    assert_eq!(found(&group), (vec![CARS.to_owned()], "1", "T"), "{}", group.pretty());
    assert_eq!(status_of(&join(&mut bob, &found(&group).0[0], "Speedy").await), 200, "what was found can be joined");

    // Page by page: the search stays where it is, and is its user's.
    let first = search(&mut bob, &[("USER_ID", "@a.example")], 2).await;
    let (some, findings, is_all) = found(&first);
    assert_eq!((some.len(), findings, is_all), (2, "3", "F"), "{}", first.pretty());
    let (id, index) =
        (first.child_text("SearchID").expect("an ID"), first.child_text("SearchIndex").expect("an index"));
    assert_eq!(status_of(&more(&mut bea, id, index).await), 424, "hers is another");
    assert_eq!(status_of(&more(&mut bob, id, "9").await), 425);
    let rest = more(&mut bob, id, index).await;
    let (others, findings, is_all) = found(&rest);
    assert_eq!((others.len(), findings, is_all), (1, "3", "T"), "{}", rest.pretty());
    assert!(!some.contains(&others[0]));
    assert_eq!(status_of(&more(&mut bob, id, index).await), 424, "it is over");

    // One that is stopped is over too.
    let first = search(&mut bob, &[("USER_ID", "@a.example")], 2).await;
    let (id, index) =
        (first.child_text("SearchID").expect("an ID"), first.child_text("SearchIndex").expect("an index"));
    let stop = |id: &str| Node::new("StopSearch-Request", [Node::leaf("SearchID", id)]);
    assert_eq!(status_of(&try_to(&mut bea, |_| stop(id)).await), 424, "nobody stops another's");
    assert_eq!(found(&more(&mut bob, id, index).await).0.len(), 1);
    let first = search(&mut bob, &[("USER_ID", "@a.example")], 2).await;
    let id = first.child_text("SearchID").expect("an ID");
    ask(&mut bob, |_| stop(id)).await;
    assert_eq!(status_of(&more(&mut bob, id, index).await), 424);
    assert_eq!(status_of(&try_to(&mut bob, |_| stop(id)).await), 424);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_another_domain_are_verified() {
    let (_world, a, b) = neighbours("names_of_another_domain_are_verified", &[]).await;
    let (mut alice, mut bob) = (a.phone("alice").await, b.phone("bob").await);
    create_group(&mut alice, CARS, "Ali").await;
    let name =
        |name: &str, group: &str| Node::new("ScreenName", [Node::leaf("SName", name), Node::leaf("GroupID", group)]);
    let list = |children: Vec<Node>| Node::new("VerifyID-Request", [Node::new("IDList", children)]);
    let good = vec![
        Node::leaf("UserID", ALICE),
        Node::leaf("UserID", BEA),
        Node::leaf("GroupID", CARS),
        name("Ali", CARS),
        Node::leaf("Domain", "a.example"),
        Node::leaf("Domain", "b.example"),
    ];
    ask(&mut bob, |_| list(good)).await;
    // Each with his own code, whichever domain said it.
    let boats = "wv:alice/boats@a.example";
    let mixed = vec![
        Node::leaf("UserID", ALICE),
        Node::leaf("UserID", ZOE),
        Node::leaf("UserID", "wv:ben@b.example"),
        Node::leaf("UserID", "wv:dave@d.example"),
        Node::leaf("GroupID", boats),
        name("Nobody", CARS),
        Node::leaf("Domain", "d.example"),
    ];
    let answer = try_to(&mut bob, |_| list(mixed)).await;
    assert_eq!(status_of(&answer), 201, "{}", answer.pretty());
    let failures = failed(&answer);
    let expected = ["516 d.example", "516 wv:dave@d.example", "531 wv:ben@b.example", "531 wv:zoe@a.example"];
    for one in expected.iter().map(|one| (*one).to_owned()).chain([format!("800 {boats}")]) {
        assert!(failures.contains(&one), "no {one}: {failures:#?}");
    }
    assert!(failures.iter().any(|one| one.starts_with("901") && one.contains("Nobody")), "{failures:#?}");
    assert_eq!(failures.len(), 6, "{failures:#?}");
    let nothing = try_to(&mut bob, |_| list(vec![Node::leaf("UserID", ZOE)])).await;
    assert_eq!((status_of(&nothing), failed(&nothing)), (531, vec![format!("531 {ZOE}")]), "{}", nothing.pretty());
    // Who is there can be written to, and who is not cannot.
    assert_eq!(send(&mut bob, &[ALICE], "you exist").await, 200);
    assert_eq!(next(&mut alice).await, format!("you exist from {BOB}"));
}

/// Changes one's own public profile; the status.
pub(crate) async fn tell_of_oneself(phone: &mut Phone, properties: &[(&str, &str)]) -> u16 {
    let property =
        |(name, value): &(&str, &str)| Node::new("Property", [Node::leaf("Name", *name), Node::leaf("Value", *value)]);
    let profile = Node::new("PublicProfile", properties.iter().map(property));
    status_of(&try_to(phone, |_| Node::new("UpdatePublicProfile-Request", [profile])).await)
}

/// The public profiles of users.
pub(crate) async fn profiles(phone: &mut Phone, users: &[&str]) -> Node {
    try_to(phone, |_| Node::new("GetPublicProfile-Request", users.iter().map(|user| Node::leaf("UserID", *user)))).await
}

/// Of whom an answer has a profile, with a property of it.
pub(crate) fn told_of(answer: &Node, name: &str) -> Vec<String> {
    let one = |profile: &&Node| {
        let user = profile.child_text("UserID").unwrap_or_default();
        format!("{user} {}", property(profile, name).unwrap_or("-"))
    };
    let mut all: Vec<_> = answer.find("PublicProfile").iter().map(one).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn public_profiles_of_another_domain() {
    let (_world, a, b) = neighbours("public_profiles_of_another_domain", &[]).await;
    let (mut alice, mut bob, mut bea) = (a.phone("alice").await, b.phone("bob").await, b.phone("bea").await);
    let (age, city) = (("PP_AGE", "30"), ("PP_CITY", "Oulu & around"));
    assert_eq!(tell_of_oneself(&mut alice, &[age, city]).await, 200);
    assert_eq!(tell_of_oneself(&mut bea, &[("PP_CITY", "Turku")]).await, 200);
    let answer = profiles(&mut bob, &[ALICE]).await;
    assert_eq!(status_of(&answer), 200, "{}", answer.pretty());
    assert_eq!(told_of(&answer, "PP_CITY"), [format!("{ALICE} Oulu & around")], "{}", answer.pretty());
    assert_eq!(told_of(&answer, "PP_AGE"), [format!("{ALICE} 30")]);
    // Of both domains at once, and of one who is not there.
    let answer = profiles(&mut bob, &[ALICE, BEA, ZOE]).await;
    assert_eq!((status_of(&answer), failed(&answer)), (201, vec![format!("531 {ZOE}")]), "{}", answer.pretty());
    assert_eq!(told_of(&answer, "PP_CITY"), [format!("{ALICE} Oulu & around"), format!("{BEA} Turku")]);
    let nobody = profiles(&mut bob, &[ZOE]).await;
    assert_eq!(status_of(&nobody), 531, "{}", nobody.pretty());
    // It changes, and is read anew; and who tells it can be found by it.
    assert_eq!(tell_of_oneself(&mut alice, &[("PP_CITY", "Kemi")]).await, 200);
    assert_eq!(told_of(&profiles(&mut bob, &[ALICE]).await, "PP_CITY"), [format!("{ALICE} Kemi")]);
    let one = search(&mut bob, &[("USER_CITY", "kemi"), ("USER_ID", "@a.example")], 10).await;
    assert_eq!(found(&one).0, [ALICE], "{}", one.pretty());
    // Nobody changes another's.
    let other = Node::new("PublicProfile", [Node::leaf("UserID", ALICE)]);
    let refused = try_to(&mut bob, |_| Node::new("UpdatePublicProfile-Request", [other])).await;
    assert_ne!(status_of(&refused), 200, "{}", refused.pretty());
    assert_eq!(told_of(&profiles(&mut bob, &[ALICE]).await, "PP_CITY"), [format!("{ALICE} Kemi")]);
}

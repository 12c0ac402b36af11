use std::time::Duration;

use imps_types::element::{Property, PublicProfile, SearchPair, SearchResult};
use imps_types::presence::{Attribute, PresenceAttribute, PresenceSubList};
use imps_types::{Address, Status, Version};

use super::{Found, SearchRequest};
use crate::access::PersonChange;
use crate::error::Error;
use crate::presence::AttributeListTargets;
use crate::session::Session;
use crate::testing::{World, user};

fn pairs(criteria: &[(&str, &str)]) -> Vec<SearchPair> {
    let pair = |(number, (element, string)): (usize, &(&str, &str))| SearchPair {
        element: (*element).into(),
        string: Some((*string).into()),
        pair_id: Some(number as u32 + 1),
    };
    criteria.iter().enumerate().map(pair).collect()
}

async fn ask(world: &World, session: &Session, request: SearchRequest) -> Result<Found, Error> {
    world.services.common().search(session, request).await
}

fn names(found: &Found) -> Vec<String> {
    match &found.items {
        Some(SearchResult::Users(users)) => {
            let name = |user: &Address| user.as_str().trim_start_matches("wv:").trim_end_matches("@x").to_owned();
            users.iter().map(name).collect()
        }
        Some(SearchResult::Groups(groups)) => groups.iter().map(ToString::to_string).collect(),
        None => Vec::new(),
    }
}

async fn search(world: &World, session: &Session, criteria: &[(&str, &str)]) -> Vec<String> {
    let request = SearchRequest { pairs: pairs(criteria), limit: Some(100), ..SearchRequest::default() };
    let found = ask(world, session, request).await.unwrap();
    assert_eq!(found.id, None);
    let names = names(&found);
    assert_eq!(found.findings as usize, names.len());
    names
}

async fn refused(world: &World, session: &Session, criteria: &[(&str, &str)]) -> Status {
    let request = SearchRequest { pairs: pairs(criteria), ..SearchRequest::default() };
    ask(world, session, request).await.expect_err("it is refused").status()
}

async fn is_person(world: &World, name: &str, first: &str, last: &str) {
    let change = PersonChange {
        first_name: Some(first.into()),
        last_name: Some(last.into()),
        email: Some(format!("{first}.{last}@mail.example")),
        mobile_number: Some("+34 600-100 200".into()),
        searchable: None,
    };
    world.services.access().set_person(&user(name), &change).await.unwrap();
}

#[tokio::test]
async fn users_are_found_by_what_is_known_of_them() {
    let world = World::of(&["alice", "bob", "bobby"]).await;
    let alice = world.login("alice").await;
    is_person(&world, "bob", "Robert", "Smith").await;
    is_person(&world, "bobby", "Roberta", "Jones").await;
    assert_eq!(search(&world, &alice, &[("USER_ID", "OB")]).await, ["bob", "bobby"]);
    assert_eq!(search(&world, &alice, &[("USER_ID", "wv:bob@")]).await, ["bob"]);
    assert_eq!(search(&world, &alice, &[("USER_FIRST_NAME", "robert")]).await, ["bob", "bobby"]);
    assert_eq!(search(&world, &alice, &[("USER_FIRST_NAME", "robert"), ("USER_LAST_NAME", "mit")]).await, ["bob"]);
    assert_eq!(search(&world, &alice, &[("USER_EMAIL_ADDRESS", "jones@mail")]).await, ["bobby"]);
    assert_eq!(search(&world, &alice, &[("USER_MOBILE_NUMBER", "600 100 200")]).await, ["bob", "bobby"]);
    assert_eq!(search(&world, &alice, &[("USER_LAST_NAME", "smith"), ("USER_ID", "bobby")]).await, [""; 0]);
    assert_eq!(search(&world, &alice, &[("USER_LAST_NAME", "%")]).await, [""; 0], "no character is a wild card");
    // What changes is found as it is now.
    is_person(&world, "bob", "Bob", "Miller").await;
    assert_eq!(search(&world, &alice, &[("USER_FIRST_NAME", "robert")]).await, ["bobby"]);
    world.services.access().remove_user(&user("bobby")).await.unwrap();
    assert_eq!(search(&world, &alice, &[("USER_ID", "bob")]).await, ["bob"]);
    let world = world.restarted().await;
    let alice = world.login("alice").await;
    assert_eq!(search(&world, &alice, &[("USER_LAST_NAME", "MILL")]).await, ["bob"]);
}

#[tokio::test]
async fn whoever_does_not_want_to_be_found_is_not() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    is_person(&world, "bob", "Robert", "Smith").await;
    let hide = |searchable| PersonChange { searchable: Some(searchable), ..PersonChange::default() };
    world.services.access().set_person(&user("bob"), &hide(false)).await.unwrap();
    for criterion in [("USER_ID", "bob"), ("USER_LAST_NAME", "smith"), ("USER_EMAIL_ADDRESS", "smith")] {
        assert_eq!(search(&world, &alice, &[criterion]).await, [""; 0]);
    }
    world.services.access().set_person(&user("bob"), &hide(true)).await.unwrap();
    assert_eq!(search(&world, &alice, &[("USER_LAST_NAME", "smith")]).await, ["bob"]);
    world.services.access().set_barred(&user("bob"), true).await.unwrap();
    assert_eq!(search(&world, &alice, &[("USER_LAST_NAME", "smith")]).await, [""; 0], "nor who is barred");
}

#[tokio::test]
async fn an_alias_is_found_as_it_is_published() {
    let world = World::of(&["alice", "bob"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let publish = |value: Option<&str>| {
        let one = value.map_or_else(
            || PresenceAttribute::unknown(Attribute::Alias),
            |value| PresenceAttribute::with_value(Attribute::Alias, value),
        );
        PresenceSubList { attributes: vec![one], ..PresenceSubList::default() }
    };
    assert_eq!(search(&world, &alice, &[("USER_ALIAS", "bee")]).await, [""; 0]);
    world.services.presence().update(&bob, publish(Some("Busy Bee"))).await.unwrap();
    assert_eq!(search(&world, &alice, &[("USER_ALIAS", "bee")]).await, ["bob"]);
    world.services.store.flush().await.unwrap();
    let world = world.restarted().await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    assert_eq!(search(&world, &alice, &[("USER_ALIAS", "bee")]).await, ["bob"]);
    world.services.presence().update(&bob, publish(None)).await.unwrap();
    assert_eq!(search(&world, &alice, &[("USER_ALIAS", "bee")]).await, [""; 0]);
}

#[tokio::test]
async fn online_status_is_told_to_whoever_may_know_it() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let online = ("USER_ONLINE_STATUS", "T");
    assert_eq!(search(&world, &alice, &[online, ("USER_ID", "wv:")]).await, ["alice"], "bob has not let her know");
    let everybody = AttributeListTargets { default: true, ..AttributeListTargets::default() };
    let set = [Attribute::OnlineStatus].into_iter().collect();
    world.services.presence().create_attribute_list(&bob, set, &everybody, Default::default()).await.unwrap();
    assert_eq!(search(&world, &alice, &[online]).await, ["alice", "bob"]);
    let carol = world.login("carol").await;
    world.services.presence().create_attribute_list(&carol, set, &everybody, Default::default()).await.unwrap();
    world.services.access().logout(&carol).await.unwrap();
    let offline = ("USER_ONLINE_STATUS", "F");
    assert_eq!(search(&world, &alice, &[("USER_ID", "o"), offline]).await, ["carol"]);
    assert_eq!(search(&world, &alice, &[("USER_ID", "o"), online]).await, ["bob"]);
    assert_eq!(refused(&world, &alice, &[offline]).await, Status::TOO_BROAD_SEARCH_CRITERIA);
    assert_eq!(refused(&world, &alice, &[("USER_ONLINE_STATUS", "maybe")]).await, Status::BAD_PARAMETER);
}

#[tokio::test]
async fn public_profiles_are_searched_and_criteria_are_joined_as_wished() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login_as("alice", "phone", Version::V1_3).await;
    for (name, age, city) in [("bob", "30", "Oulu"), ("carol", "40", "Turku")] {
        let session = world.login_as(name, name, Version::V1_3).await;
        let properties = vec![
            Property::new("PP_AGE", age),
            Property::new("PP_CITY", city),
            Property::new("PP_INTERESTS", "Fishing, chess"),
            Property::new("PP_GENDER", if name == "bob" { "male" } else { "female" }),
        ];
        let profile = PublicProfile { user_id: None, properties };
        world.services.common().update_profile(&session, true, &profile).await.unwrap();
    }
    assert_eq!(search(&world, &alice, &[("USER_CITY", "oul")]).await, ["bob"]);
    assert_eq!(search(&world, &alice, &[("PP_CITY", "tur")]).await, ["carol"]);
    assert_eq!(search(&world, &alice, &[("USER_INTERESTS_HOBBIES", "CHESS")]).await, ["bob", "carol"]);
    assert_eq!(search(&world, &alice, &[("USER_GENDER", "Male")]).await, ["bob"]);
    assert_eq!(search(&world, &alice, &[("USER_AGE_MIN", "30"), ("USER_AGE_MAX", "39")]).await, ["bob"]);
    assert_eq!(refused(&world, &alice, &[("USER_AGE_MIN", "young")]).await, Status::BAD_PARAMETER);
    let advanced = async |criteria: &[(&str, &str)], text: &str| {
        let pairs = pairs(criteria);
        let request = SearchRequest { pairs, advanced: Some(text.into()), ..SearchRequest::default() };
        ask(&world, &alice, request).await.map(|found| names(&found))
    };
    let criteria = [("USER_CITY", "Oulu"), ("USER_CITY", "Turku"), ("USER_AGE_MIN", "35")];
    assert_eq!(advanced(&criteria, "1 OR 2").await.unwrap(), ["carol"], "the third is joined by AND");
    assert_eq!(advanced(&criteria, "(1 OR 2) AND NOT 3").await.unwrap(), ["bob"]);
    for bad in ["1 OR", "1 AND 9", "(((", "PP_CITY"] {
        assert_eq!(advanced(&criteria, bad).await.unwrap_err().status(), Status::INVALID_SEARCH, "{bad}");
    }
    let online = [("USER_ID", "bob"), ("USER_ONLINE_STATUS", "T"), ("USER_CITY", "Turku")];
    assert_eq!(advanced(&online, "(1 AND 2) OR 3").await.unwrap(), ["carol"], "bob does not let her know");
}

#[tokio::test]
async fn what_is_no_search() {
    let world = World::with(&["alice", "anna", "anton"], |config| config.search_results_max = 2).await;
    let alice = world.login("alice").await;
    assert_eq!(refused(&world, &alice, &[]).await, Status::BAD_PARAMETER);
    assert_eq!(refused(&world, &alice, &[("USER_SHOE_SIZE", "42")]).await, Status::BAD_PARAMETER);
    assert_eq!(refused(&world, &alice, &[("PP_AGE", "42")]).await, Status::BAD_PARAMETER);
    assert_eq!(refused(&world, &alice, &[("USER_ID", "a"), ("GROUP_ID", "a")]).await, Status::INVALID_SEARCH);
    assert_eq!(refused(&world, &alice, &[("USER_ID", "")]).await, Status::TOO_BROAD_SEARCH_CRITERIA);
    assert_eq!(refused(&world, &alice, &[("GROUP_NAME", " ")]).await, Status::TOO_BROAD_SEARCH_CRITERIA);
    assert_eq!(refused(&world, &alice, &[("USER_ID", "a")]).await, Status::TOO_MANY_HITS);
    assert_eq!(refused(&world, &alice, &[("USER_ID", &"a".repeat(256))]).await, Status::BAD_PARAMETER);
    assert_eq!(refused(&world, &alice, &[("USER_ID", "a"); 65]).await, Status::BAD_PARAMETER);
    let no_string = vec![SearchPair { element: "USER_ID".into(), ..SearchPair::default() }];
    let request = SearchRequest { pairs: no_string, ..SearchRequest::default() };
    assert_eq!(ask(&world, &alice, request).await.unwrap_err().status(), Status::BAD_PARAMETER);
    assert_eq!(search(&world, &alice, &[("USER_ID", "an")]).await, ["anna", "anton"]);
    assert_eq!(search(&world, &alice, &[("USER_ID", "nobody")]).await, [""; 0]);
}

#[tokio::test]
async fn pages_go_on_until_all_is_told() {
    let users: Vec<String> = (1..=7).map(|number| format!("u{number}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).chain(["alice", "eve"]).collect();
    let world = World::of(&users).await;
    let alice = world.login("alice").await;
    let begin = || SearchRequest { pairs: pairs(&[("USER_ID", "wv:u")]), limit: Some(3), ..SearchRequest::default() };
    let more = |id: &Option<u32>, index| {
        let id = Some(id.unwrap().to_string().into());
        SearchRequest { id, index, ..SearchRequest::default() }
    };
    let first = ask(&world, &alice, begin()).await.unwrap();
    assert_eq!((first.findings, first.next), (7, Some(4)));
    assert_eq!(names(&first), ["u1", "u2", "u3"]);
    // Another client of the user may go on with it, another user may not.
    let web = world.login_as("alice", "web", Version::V1_2).await;
    let second = ask(&world, &web, more(&first.id, Some(3))).await.unwrap();
    assert_eq!((names(&second), second.next), (vec!["u3".into(), "u4".into(), "u5".into()], Some(6)));
    let eve = world.login("eve").await;
    assert_eq!(ask(&world, &eve, more(&first.id, None)).await, Err(Error::UnknownSearch));
    assert_eq!(world.services.common().stop_search(&eve, &first.id.unwrap().to_string()), Err(Error::UnknownSearch));
    assert_eq!(ask(&world, &alice, more(&first.id, Some(8))).await, Err(Error::BadSearchIndex));
    let last = ask(&world, &alice, more(&first.id, None)).await.unwrap();
    assert_eq!((names(&last), last.id, last.next), (vec!["u6".into(), "u7".into()], None, None));
    assert_eq!(ask(&world, &alice, more(&first.id, Some(1))).await, Err(Error::UnknownSearch));
    // It is stopped, it expires, and it ends with its session.
    let stopped = ask(&world, &alice, begin()).await.unwrap();
    world.services.common().stop_search(&alice, &stopped.id.unwrap().to_string()).unwrap();
    assert_eq!(ask(&world, &alice, more(&stopped.id, None)).await, Err(Error::UnknownSearch));
    let expired = ask(&world, &alice, begin()).await.unwrap();
    world.services.clock.advance(Duration::from_secs(601));
    world.services.sweep().await;
    assert_eq!(ask(&world, &alice, more(&expired.id, None)).await, Err(Error::UnknownSearch));
    let left = ask(&world, &alice, begin()).await.unwrap();
    world.services.access().logout(&alice).await.unwrap();
    assert_eq!(ask(&world, &web, more(&left.id, None)).await, Err(Error::UnknownSearch));
    assert_eq!(world.services.searches.numbers().2, 0);
}

/// What is taken over while the arena is made, and by many changes at once.
#[tokio::test]
async fn many_changes_are_taken_over() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    assert_eq!(search(&world, &alice, &[("USER_ID", "alice")]).await, ["alice"]);
    for number in 0..2100 {
        let user = user(&format!("new{number}"));
        let none = crate::access::PhonePassword::None;
        world.services.access().add_user(&user, None, none).await.unwrap();
    }
    world.services.sweep().await;
    assert_eq!(world.services.searches.numbers().0, 2101, "nobody had to search for it");
    assert_eq!(search(&world, &alice, &[("USER_ID", "new2099@")]).await, ["new2099"]);
}

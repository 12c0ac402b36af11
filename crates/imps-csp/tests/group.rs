//! Lists of joined users as they go over the wire where no phone of the scenarios reads them. CSP 18, row 7.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod world;

use imps_csp::CspConfig;
use world::{World, code};

const CREATE: &str = "<CreateGroup-Request><GroupID>wv:alice/party</GroupID><JoinGroup>T</JoinGroup><ScreenName>\
    <SName>Ali</SName><GroupID>wv:alice/party</GroupID></ScreenName><SubscribeNotification>T</SubscribeNotification>\
    </CreateGroup-Request>";
const JOIN: &str = "<JoinGroup-Request><GroupID>wv:alice/party</GroupID><ScreenName><SName>Bob</SName>\
    <GroupID>wv:alice/party</GroupID></ScreenName><JoinedRequest>T</JoinedRequest>\
    <SubscribeNotification>F</SubscribeNotification></JoinGroup-Request>";
const WHO: &str = "<GetJoinedUsers-Request><GroupID>wv:alice/party</GroupID></GetJoinedUsers-Request>";

/// What Bob is answered when he joins and when he asks who is there, and what Alice is told of it.
async fn told(two_level_clients: &str) -> [String; 3] {
    let config = CspConfig { two_level_clients: two_level_clients.to_owned(), ..CspConfig::default() };
    let world = World::with(config).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    assert_eq!(code(&alice.ask("2", CREATE).await), "200");
    [bob.ask("2", JOIN).await, bob.ask("3", WHO).await, alice.poll().await]
}

#[tokio::test]
async fn mappings_stand_on_three_levels() {
    for clients in ["", "some phone, another"] {
        for answer in told(clients).await {
            assert!(answer.contains("<UserMapList><UserMapping><Mapping>"), "{answer}");
        }
    }
}

#[tokio::test]
async fn clients_that_read_two_levels_get_two() {
    for answer in told("some phone, TEST").await {
        assert!(answer.contains("<UserMapList><Mapping>") && !answer.contains("UserMapping"), "{answer}");
        assert!(answer.contains("<SName>Bob</SName>"), "{answer}");
    }
}

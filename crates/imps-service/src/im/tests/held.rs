//! What is on its way through this domain to whoever keeps our users' messages.

use std::time::Duration;

use imps_types::{Address, Status};

use super::abroad::{DAY, domain, from, world};
use super::{reported, text};
use crate::im::{Abroad, AbroadWhat, FromAbroad};
use crate::seam::Space;
use crate::testing::World;

const PROVIDER: &str = "p.example";

/// By which names what waits for the provider goes on.
async fn names(world: &World) -> Vec<String> {
    let waiting = world.waiting_for(PROVIDER).await;
    let name = |it: &Abroad| match &it.what {
        AbroadWhat::Message(message) => message.info.message_id.as_deref().unwrap_or_default().to_owned(),
        AbroadWhat::Report(_) => "a report".to_owned(),
    };
    waiting.iter().map(name).collect()
}

/// A message without MessageID comes in this transaction.
fn by(transaction: &str) -> FromAbroad {
    FromAbroad { id: None, transaction: Some(transaction.into()), ..from("") }
}

#[tokio::test]
async fn what_is_held_has_no_longer_name_than_what_is_received() {
    let (world, _) = world().await;
    for (length, is_taken) in [(255, true), (256, false)] {
        let held = world.im().hold(from(&"m".repeat(length)), text(&["alice@x"], "hi"), &domain(PROVIDER)).await;
        assert_eq!(held.is_ok(), is_taken, "{length}");
    }
}

#[tokio::test]
async fn what_is_held_goes_on_by_the_name_that_it_came_with_however_often() {
    let (world, _) = world().await;
    for message in [text(&["alice@x"], "hi"), reported(&["alice@x"], "hi")] {
        world.im().hold(from("m-9"), message, &domain(PROVIDER)).await.unwrap();
    }
    // The second one is the same.
    assert_eq!(names(&world).await, ["m-9"]);
    let world = world.restarted().await;
    assert_eq!(names(&world).await, ["m-9"]);
}

#[tokio::test]
async fn a_message_without_a_name_is_given_one_before_it_goes_on_and_keeps_it_over_a_restart() {
    let (world, _) = world().await;
    let first = world.im().name_on_the_way(by("TX1"), &text(&["alice@x"], "hi")).await.unwrap();
    // It was passed on, and nobody is left who knows: whoever sent it sends it again.
    let world = world.restarted().await;
    // Numbers follow the clock, which goes on.
    world.services.clock.advance(Duration::from_secs(1));
    let again = world.im().name_on_the_way(by("TX1"), &text(&["alice@x"], "hi")).await.unwrap();
    assert_eq!(again, first);
    for (transaction, words) in [("TX2", "hi"), ("TX1", "ho")] {
        let other = world.im().name_on_the_way(by(transaction), &text(&["alice@x"], words)).await.unwrap();
        assert_ne!(other, first, "{transaction} {words}");
    }
    // By this name it waits, too.
    let named = FromAbroad { id: Some(first.to_string().into()), ..by("TX1") };
    world.im().hold(named, text(&["alice@x"], "hi"), &domain(PROVIDER)).await.unwrap();
    assert_eq!(names(&world).await, [first.to_string()]);
    let world = world.restarted().await;
    assert_eq!(names(&world).await, [first.to_string()]);
    // A peer that was started again counts from one again, and says the same again.
    world.services.clock.advance(world.services.config.repeat_window);
    let later = world.im().name_on_the_way(by("TX1"), &text(&["alice@x"], "hi")).await.unwrap();
    let again = world.im().name_on_the_way(by("TX1"), &text(&["alice@x"], "hi")).await.unwrap();
    assert!(later != first && again == later);
    world.services.clock.advance(world.services.config.validity_default + DAY + Duration::from_secs(61));
    world.services.sweep().await;
    for space in [Space::Relay, Space::RelayExpiry, Space::RelaySent, Space::Relayed, Space::RelayedIds] {
        assert_eq!(world.rows(space).await, [], "{space:?}");
    }
}

#[tokio::test]
async fn two_copies_at_once_have_one_name() {
    let world = World::slow(&["alice"], |_| {}).await;
    let (im, message) = (world.im(), text(&["alice@x"], "hi"));
    let (one, two) = tokio::join!(im.name_on_the_way(by("TX1"), &message), im.name_on_the_way(by("TX1"), &message));
    assert_eq!(one.unwrap(), two.unwrap());
}

#[tokio::test]
async fn who_sent_what_was_held_hears_by_its_name_there_that_nobody_got_it() {
    let (world, _) = world().await;
    world.im().hold(from("m-9"), reported(&["wv:alice@x"], "hi"), &domain(PROVIDER)).await.unwrap();
    let waiting = world.waiting_for(PROVIDER).await;
    let refused = [(Address::new("wv:alice@x"), Status::UNKNOWN_USER)];
    world.im().settled_abroad(&waiting[0], &refused).await.unwrap();
    assert_eq!(world.waiting_for(PROVIDER).await, []);
    let waiting = world.waiting_for("b.example").await;
    let [Abroad { what: AbroadWhat::Report(report), .. }] = waiting.as_slice() else { panic!("{waiting:?}") };
    assert_eq!((report.result, report.info.message_id.as_deref()), (Status::UNKNOWN_USER, Some("m-9")));
    assert_eq!(report.recipient.as_str(), "wv:bob@b.example");
}

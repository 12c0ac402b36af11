//! Who watches whom, and who may no longer, where each domain keeps the presence of its own users (SSP 9.5).

use imps_testkit::phone::{Node, Phone, status_of};
use imps_types::Version;

use crate::federation::*;
use crate::{ALICE, ANN, BEA, BOB, neighbours, texts};

/// Says whether somebody may see an attribute.
pub(crate) async fn authorize(phone: &mut Phone, who: &str, attribute: &str) {
    let list = phone.speaker.presence_list([Node::empty(attribute)]);
    let children = [Node::leaf("UserID", who), Node::leaf("Acceptance", "T"), list];
    ask(phone, |_| Node::new("PresenceAuth-User", children)).await;
}

/// Takes that back; the status.
pub(crate) async fn take_back(phone: &mut Phone, who: &str) -> u16 {
    status_of(&try_to(phone, |_| Node::new("CancelAuth-Request", [Node::leaf("UserID", who)])).await)
}

/// Who watches a user.
pub(crate) async fn watchers(phone: &mut Phone) -> Vec<String> {
    texts(&ask(phone, |_| Node::empty("GetWatcherList-Request")).await, "UserID")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_from_another_domain() {
    let (world, a, b) = neighbours("who_watches_from_another_domain", &[]).await;
    let mut bob = b.phone_of("bob", Version::V1_2).await;
    let (mut alice, mut ann, mut bea) = (a.phone("alice").await, a.phone("ann").await, b.phone("bea").await);
    publish(&mut bob, "StatusText", "in the garage").await;
    for (phone, who) in [(&mut alice, ALICE), (&mut ann, ANN), (&mut bea, BEA)] {
        assert_eq!(status_of(&subscribe(phone, &[BOB], &["StatusText"]).await), 200);
        assert_eq!(next(&mut bob).await, format!("{who} wants to see presence"));
        authorize(&mut bob, who, "StatusText").await;
        assert_eq!(next(phone).await, format!("{BOB} StatusText=in the garage"));
    }
    assert_eq!(watchers(&mut bob).await, [ALICE, ANN, BEA]);
    // Ann looks away: he sees that, and she sees nothing.
    let since = world.wire.len();
    unsubscribe(&mut ann, &[BOB]).await;
    // Her domain tells it a moment later, with what else has ended meanwhile.
    let (id, _) = world.wire.wait_for(since, "a.example", "b.example", "UnsubscribeRequest").await;
    assert_eq!(world.wire.answer_to(&id, "b.example", "a.example").await, "<Status code=\"200\"/>");
    assert_eq!(watchers(&mut bob).await, [ALICE, BEA]);
    publish(&mut bob, "StatusText", "on the road").await;
    for phone in [&mut alice, &mut bea] {
        assert_eq!(next(phone).await, format!("{BOB} StatusText=on the road"));
    }
    is_quiet(&mut ann).await;
    // He takes back what he had granted: she sees no more, neither told nor asking; Bea of his own domain does.
    assert_eq!(take_back(&mut bob, ALICE).await, 200);
    publish(&mut bob, "StatusText", "back").await;
    assert_eq!(next(&mut bea).await, format!("{BOB} StatusText=back"));
    let answer = get_presence(&mut alice, &[BOB], &["StatusText"]).await;
    assert!(!answer.pretty().contains("back"), "{}", answer.pretty());
    world_is_dark(&mut alice).await;
    // Asking once more, he may grant it once more.
    while let Ok(Some(_)) = bob.take().await {}
    assert_eq!(status_of(&subscribe(&mut alice, &[BOB], &["StatusText"]).await), 200);
    assert_eq!(next(&mut bob).await, format!("{ALICE} wants to see presence"));
    authorize(&mut bob, ALICE, "StatusText").await;
    let mut told = next(&mut alice).await;
    // That there was nothing to be seen may come before.
    while told == format!("{BOB} StatusText=-") {
        told = next(&mut alice).await;
    }
    assert_eq!(told, format!("{BOB} StatusText=back"));
}

/// She is told nothing of what he says of himself; at most that there is nothing any more.
async fn world_is_dark(alice: &mut Phone) {
    for _ in 0..10 {
        alice.poll_for_what_is_left().await.expect("polled");
        while let Some(told) = alice.take().await.expect("taken") {
            assert!(!told.primitive.pretty().contains("back"), "{}", told.primitive.pretty());
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

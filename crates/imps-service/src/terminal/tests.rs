use super::*;
use crate::testing::World;

fn message(id: &str) -> Item {
    Item { who: "wv:bob@x".into(), ..Item::new(ItemKind::Message, id) }
}

#[tokio::test]
async fn numbers_outlive_sessions_and_restarts() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let terminals = world.services.terminals();
    let terminal = terminals.of(&alice).await.unwrap();
    assert_eq!(terminals.number(&terminal, message("a")), Ok(1));
    assert_eq!(terminals.number(&terminal, message("b")), Ok(2));
    assert_eq!(terminals.number(&terminal, message("a")), Ok(1));
    assert!(Arc::ptr_eq(&terminals.of(&alice).await.unwrap(), &terminal));
    drop(terminal);
    let settings = TerminalSettings { page: 40, ..TerminalSettings::default() };
    let terminal = terminals.of(&alice).await.unwrap();
    assert_eq!(terminals.set(&terminal, |settings| settings.page = 40).await.as_ref(), Ok(&settings));

    drop(terminal);
    let world = world.restarted().await;
    let terminals = world.services.terminals();
    let alice = world.services.access().session(alice.id.as_str()).unwrap();
    let terminal = terminals.of(&alice).await.unwrap();
    assert_eq!(terminals.settings(&terminal), settings);
    assert_eq!(terminals.number_of(&terminal, ItemKind::Message, "b"), Some(2));
    assert_eq!(terminals.number(&terminal, message("c")), Ok(3));
    assert_eq!(terminals.newest(&terminal, |item| &*item.id != "c").map(|(number, _)| number), Some(2));
}

#[tokio::test]
async fn numbers_begin_again_and_pass_over_what_is_open() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let terminals = world.services.terminals();
    let terminal = terminals.of(&alice).await.unwrap();
    assert_eq!(terminals.number(&terminal, Item::new(ItemKind::Invited, "open")), Ok(1));
    for number in 2..=LAST_NUMBER {
        assert_eq!(terminals.number(&terminal, message(&number.to_string())), Ok(number));
    }
    assert_eq!(terminals.number(&terminal, message("x")), Ok(2));
    assert_eq!(terminals.item(&terminal, 2).map(|item| item.id), Some("x".into()));
    terminals.close(&terminal, 1);
    for number in 3..=LAST_NUMBER {
        assert_eq!(terminals.number(&terminal, message(&format!("{number}'"))), Ok(number));
    }
    assert_eq!(terminals.number(&terminal, message("y")), Ok(1));
    assert_eq!(terminals.all(&terminal, |_| true).len(), usize::from(LAST_NUMBER));
}

#[tokio::test]
async fn numbers_are_forgotten_after_a_week() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let terminals = world.services.terminals();
    let terminal = terminals.of(&alice).await.unwrap();
    terminals.number(&terminal, message("a")).unwrap();
    terminals.number(&terminal, Item::new(ItemKind::Asked, "zoe")).unwrap();
    world.services.clock.advance(KEPT - Duration::from_secs(1));
    assert!(terminals.item(&terminal, 1).is_some() && terminals.item(&terminal, 2).is_some());
    world.services.clock.advance(Duration::from_secs(1));
    // What is open too: nobody waits for it any more.
    assert_eq!((terminals.item(&terminal, 1), terminals.item(&terminal, 2)), (None, None));
    assert_eq!(terminals.number(&terminal, message("a")), Ok(3));
}

#[tokio::test]
async fn when_all_numbers_are_open_the_oldest_goes() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let terminals = world.services.terminals();
    let terminal = terminals.of(&alice).await.unwrap();
    let open = |name: String| Item::new(ItemKind::Waiting, &name);
    for number in 1..=LAST_NUMBER {
        assert_eq!(terminals.number(&terminal, open(number.to_string())), Ok(number));
    }
    for number in 1..=3 {
        assert_eq!(terminals.number(&terminal, open(format!("more {number}"))), Ok(number));
    }
    assert_eq!(terminals.item(&terminal, 2).map(|item| item.id), Some("more 2".into()));
    terminals.close(&terminal, 7);
    assert_eq!(terminals.number(&terminal, open("into the gap".into())), Ok(7));
    // The oldest is the fourth still.
    assert_eq!(terminals.number(&terminal, open("one more".into())), Ok(4));
}

#[tokio::test]
async fn a_message_has_one_number_whether_it_is_announced_or_pushed() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let terminals = world.services.terminals();
    let terminal = terminals.of(&alice).await.unwrap();
    assert_eq!(terminals.number(&terminal, Item::new(ItemKind::Waiting, "a")), Ok(1));
    assert_eq!(terminals.number(&terminal, message("a")), Ok(1));
    assert_eq!(terminals.number(&terminal, message("b")), Ok(2));
    assert_eq!(terminals.number(&terminal, Item::new(ItemKind::Waiting, "b")), Ok(2));
    assert_eq!(terminals.number(&terminal, Item::new(ItemKind::Sent, "b")), Ok(3));
}

#[tokio::test]
async fn settings_of_two_terminals_do_not_undo_one_another() {
    let world = World::slow(&["alice"], |_| {}).await;
    let alice = world.login("alice").await;
    let terminals = world.services.terminals();
    let terminal = terminals.of(&alice).await.unwrap();
    let one = terminals.set(&terminal, |settings| settings.page = 40);
    let other = terminals.set(&terminal, |settings| settings.report = true);
    let (one, other) = tokio::join!(one, other);
    assert!(one.is_ok() && other.is_ok());
    let settings = terminals.settings(&terminal);
    assert_eq!((settings.page, settings.report), (40, true));
}

#[tokio::test]
async fn nothing_is_left_of_a_removed_user() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let terminals = world.services.terminals();
    let terminal = terminals.of(&alice).await.unwrap();
    terminals.number(&terminal, message("a")).unwrap();
    world.services.access().remove_user(&alice.user.id).await.unwrap();
    // A line may be in the middle of a command.
    assert_eq!(terminals.number(&terminal, message("b")), Err(Error::NotLoggedIn));
    assert!(terminals.set(&terminal, |settings| settings.page = 1).await.is_err());
    terminals.close(&terminal, 1);
    assert!(terminals.of(&alice).await.is_err());
    for space in [Space::Terminals, Space::TerminalItems] {
        let rows = world.services.store.scan(space, crate::seam::KeyRange::all(), Order::Forwards, 9).await.unwrap();
        assert!(rows.is_empty());
    }
}

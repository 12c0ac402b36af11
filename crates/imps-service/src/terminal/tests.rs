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
    terminals.set(&terminal, settings.clone()).await.unwrap();

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
    world.services.clock.advance(KEPT);
    assert_eq!(terminals.item(&terminal, 1), None);
    assert!(terminals.item(&terminal, 2).is_some());
    assert_eq!(terminals.number(&terminal, message("a")), Ok(3));
}

#[tokio::test]
async fn nothing_is_left_of_a_removed_user() {
    let world = World::of(&["alice"]).await;
    let alice = world.login("alice").await;
    let terminals = world.services.terminals();
    let terminal = terminals.of(&alice).await.unwrap();
    terminals.number(&terminal, message("a")).unwrap();
    world.services.access().remove_user(&alice.user.id).await.unwrap();
    for space in [Space::Terminals, Space::TerminalItems] {
        let rows = world.services.store.scan(space, crate::seam::KeyRange::all(), Order::Forwards, 9).await.unwrap();
        assert!(rows.is_empty());
    }
}

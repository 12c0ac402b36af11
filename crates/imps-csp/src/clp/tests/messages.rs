//! Messages: whom an answer goes to, when one is delivered, and what can be done with it afterwards.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use imps_service::im::FromAbroad;
use imps_service::seam::{Batch, Key, KeyRange, Order, Row, Space, StoreError, Write};
use imps_types::element::Sender;

use super::*;

/// A store that has no room for numbers while it is so told.
#[derive(Default)]
pub(crate) struct Numberless {
    memory: MemoryEngine,
    pub(crate) is_busy: AtomicBool,
}

impl Engine for Numberless {
    fn get<'a>(&'a self, space: Space, keys: &'a [Key]) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, StoreError>> {
        self.memory.get(space, keys)
    }

    fn scan<'a>(
        &'a self,
        space: Space,
        range: KeyRange,
        order: Order,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        self.memory.scan(space, range, order, limit)
    }

    fn apply<'a>(&'a self, batches: &'a [Batch]) -> BoxFuture<'a, Vec<Result<(), StoreError>>> {
        let is_number = |write: &Write| matches!(write, Write::Put { space: Space::TerminalItems, .. });
        let has_numbers = batches.iter().any(|batch| batch.writes.iter().any(is_number));
        if has_numbers && self.is_busy.load(Ordering::Relaxed) {
            let refused = batches.iter().map(|_| Err(StoreError::Busy)).collect();
            return Box::pin(std::future::ready(refused));
        }
        self.memory.apply(batches)
    }

    fn snapshot<'a>(&'a self, to: &'a std::path::Path) -> BoxFuture<'a, Result<(), StoreError>> {
        self.memory.snapshot(to)
    }
}

/// A world on such a store.
pub(crate) async fn numberless(clp: ClpConfig) -> (Arc<Clp>, Arc<Numberless>) {
    let engine = Arc::new(Numberless::default());
    (world_with(engine.clone(), |_| {}, CspConfig::default(), clp).await, engine)
}

#[tokio::test]
async fn what_was_said_to_one_alone_is_answered_to_one_alone() {
    let clp = world(|_| {}).await;
    let (mut bob, mut alice) = (logged_in(&clp, "bob").await, logged_in(&clp, "alice").await);
    let mut carol = logged_in(&clp, "carol").await;
    assert_eq!(say(&mut bob, "newgroup /cars as=Speedy").await, "+200 joined /cars");
    assert!(say(&mut alice, "join bob/cars \"Big Max\"").await.ends_with("+200 joined /cars"));
    assert!(say(&mut carol, "join bob/cars").await.ends_with("+200 joined /cars"));
    assert_eq!(say(&mut alice, "/cars!Speedy psst").await, "+200 sent #1");
    assert_eq!(told(&mut bob).await, "*1 /cars!\"Big Max\": psst");
    assert_eq!(say(&mut bob, "reply to you alone").await, "+200 sent #2");
    assert_eq!(told(&mut alice).await, "*2 /cars!Speedy: to you alone");
    assert_eq!(told(&mut carol).await, "");
    // It stays between the two whatever number it is answered by, and what was said to all is answered to all.
    assert_eq!(say(&mut alice, "#2 and back").await, "+200 sent #3");
    assert_eq!(told(&mut bob).await, "*3 /cars!\"Big Max\": and back");
    assert_eq!(say(&mut alice, "/cars all of you").await, "+200 sent #4");
    assert_eq!(told(&mut carol).await, "*1 Big Max /cars: all of you");
    assert_eq!(told(&mut bob).await, "*4 Big Max /cars: all of you");
    assert_eq!(say(&mut bob, "reply yes").await, "+200 sent #5");
    assert_eq!(told(&mut carol).await, "*2 Speedy /cars: yes");
}

#[tokio::test]
async fn a_message_is_delivered_when_its_text_is_written() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    let (mut one, mut other) = (logged_in(&clp, "alice").await, logged_in(&clp, "alice").await);
    assert_eq!(say(&mut one, "push off").await, "+200 ok");
    assert_eq!(say(&mut other, "push off").await, "+200 ok");
    assert_eq!(say(&mut bob, "msg alice hi").await, "+200 sent #1");
    assert_eq!(told(&mut one).await, "*1 bob sends 2B text. READ 1");
    let turn = other.line(Line::Text("read 1".to_owned())).await;
    // The line broke before it was written.
    assert!(turn.reply.is_some_and(|reply| reply.is_success()) && turn.read.is_some());
    assert_eq!(say(&mut one, "inbox").await, ":1 bob 14:05 text 2 | +200 1 waiting");
    assert_eq!(say(&mut other, "read 1").await, ":1 bob 14:05: hi | +200 ok");
    assert_eq!(say(&mut one, "inbox").await, "+200 0 waiting");
    // And it is not announced behind that.
    assert_eq!(told(&mut other).await, "");
}

#[tokio::test]
async fn a_message_in_pages_is_delivered_with_the_last_of_them() {
    let clp = world(|_| {}).await;
    let (mut bob, mut alice) = (logged_in(&clp, "bob").await, logged_in(&clp, "alice").await);
    for line in ["push off", "set page 1"] {
        assert_eq!(say(&mut alice, line).await, "+200 ok");
    }
    assert_eq!(say(&mut bob, &format!("msg alice {}", "word ".repeat(80))).await, "+200 sent #1");
    assert_eq!(told(&mut alice).await, "*1 bob sends 399B text. READ 1");
    assert!(say(&mut alice, "read").await.ends_with(" | >1/2 more | +200 ok"));
    assert!(say(&mut alice, "inbox").await.ends_with("+200 1 waiting"));
    assert!(say(&mut alice, "more").await.ends_with("word | +200 ok"));
    assert_eq!(say(&mut alice, "inbox").await, "+200 0 waiting");
}

#[tokio::test]
async fn a_text_that_came_as_octets_is_a_text() {
    let clp = world(|_| {}).await;
    let bob = phone(&clp, "bob").await;
    let mut alice = logged_in(&clp, "alice").await;
    let text = |octets: &'static [u8]| Content { data: Bytes::from_static(octets), binary: true };
    send(&clp, &bob, "wv:alice", "text/plain", text("pâté".as_bytes())).await;
    assert_eq!(told(&mut alice).await, "*1 bob: pâté");
    send(&clp, &bob, "wv:alice", "text/plain", text(b"\xff\xfe")).await;
    assert_eq!(told(&mut alice).await, "*2 bob sends 2B text. READ 2");
}

#[tokio::test]
async fn what_was_shown_is_sent_on() {
    let clp = world(|_| {}).await;
    let (mut bob, mut alice) = (logged_in(&clp, "bob").await, logged_in(&clp, "alice").await);
    let mut carol = logged_in(&clp, "carol").await;
    assert_eq!(say(&mut bob, r"msg alice one\ntwo").await, "+200 sent #1");
    assert_eq!(told(&mut alice).await, r"*1 bob: one\ntwo");
    assert_eq!(say(&mut alice, "fwd 1 carol").await, "+200 sent #2");
    assert_eq!(told(&mut carol).await, r"*1 alice: one\ntwo");
    assert_eq!(say(&mut alice, "push off").await, "+200 ok");
    assert_eq!(say(&mut bob, "msg alice three").await, "+200 sent #2");
    assert_eq!(told(&mut alice).await, "*3 bob sends 5B text. READ 3");
    assert_eq!(say(&mut alice, "read").await, ":3 bob 14:05: three | +200 ok");
    assert_eq!(say(&mut alice, "fwd 3 carol").await, "+200 sent #4");
    assert_eq!(told(&mut carol).await, "*2 alice: three");
    // Another session has not shown it.
    let mut other = logged_in(&clp, "alice").await;
    assert_eq!(say(&mut other, "fwd 1 carol").await, "-426 no item #1");
}

/// A text that another domain brings from one of its users.
async fn bring(clp: &Clp, from: &str, to: &str, id: &str, text: &str) {
    let sender = UserId::from_canonical(from);
    let peer = Domain::parse(sender.domain()).unwrap();
    let content = Content::text(text);
    let info = MessageInfo {
        content_type: Some("text/plain".into()),
        content_size: u32::try_from(content.data.len()).unwrap(),
        recipient: Recipient::user(User::of(Address::new(to))),
        sender: Some(Sender::User(User::of(&sender))),
        ..MessageInfo::default()
    };
    let from = FromAbroad { peer, sender, id: Some(id.into()), transaction: None };
    let message = OutgoingMessage { info, content, delivery_report: false };
    assert!(clp.services().im().receive(from, message).await.unwrap().id.is_some());
}

#[tokio::test]
async fn what_comes_from_another_domain_waits_like_anything_else() {
    let clp = world(|_| {}).await;
    let (mut bob, mut carol) = (logged_in(&clp, "bob").await, logged_in(&clp, "carol").await);
    assert_eq!(say(&mut bob, "push off").await, "+200 ok");
    bring(&clp, "wv:ann@a.example", "wv:bob@b.example", "m1", "first").await;
    bring(&clp, "wv:zoe@z.example", "wv:bob@b.example", "m1", "second").await;
    assert_eq!(say(&mut carol, "msg bob third").await, "+200 sent #1");
    let waiting = ":1 ann@a.example 14:05 text 5 | :2 zoe@z.example 14:05 text 6 | :3 carol 14:05 text 5";
    assert_eq!(say(&mut bob, "inbox").await, format!("{waiting} | +200 3 waiting"));
    let announced = told(&mut bob).await;
    assert!(announced.starts_with("*1 ann@a.example sends 5B text. READ 1 | *2 zoe@z.example sends "), "{announced}");
    assert_eq!(say(&mut bob, "read 2").await, ":2 zoe@z.example 14:05: second | +200 ok");
    assert_eq!(say(&mut bob, "inbox").await, ":1 ann@a.example 14:05 text 5 | :3 carol 14:05 text 5 | +200 2 waiting");
    assert_eq!(say(&mut bob, "fwd 1 carol").await, "+200 sent #4");
    assert_eq!(told(&mut carol).await, "*2 bob: first");
    assert_eq!(say(&mut bob, "drop 3").await, "+200 ok");
    assert_eq!(say(&mut bob, "inbox").await, "+200 0 waiting");
}

#[tokio::test]
async fn what_was_taken_elsewhere_waits_no_longer() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    let (mut one, phone) = (logged_in(&clp, "alice").await, phone(&clp, "alice").await);
    assert_eq!(say(&mut one, "push off").await, "+200 ok");
    for line in ["msg alice first", "msg alice second"] {
        assert!(say(&mut bob, line).await.starts_with("+200"));
    }
    assert_eq!(told(&mut one).await, "*1 bob sends 5B text. READ 1 | *2 bob sends 6B text. READ 2");
    let im = clp.services().im();
    let second = im.message_list(&phone, None, None).await.unwrap().pop().and_then(|info| info.message_id).unwrap();
    im.delivered(&phone, &second, None).await.unwrap();
    assert_eq!(say(&mut one, "read").await, ":1 bob 14:05: first | +200 ok");
    assert_eq!(say(&mut one, "read").await, "-426 nothing fits");
    // What is pushed to another line is read with that.
    assert!(say(&mut bob, "msg alice third").await.starts_with("+200"));
    assert_eq!(told(&mut one).await, "*3 bob sends 5B text. READ 3");
    let mut other = logged_in(&clp, "alice").await;
    assert_eq!(say(&mut other, "push on").await, "+200 ok");
    assert_eq!(told(&mut other).await, "*3 bob: third");
    let terminals = clp.services().terminals();
    let terminal = terminals.of(one.session().unwrap()).await.unwrap();
    assert!(terminals.all(&terminal, |item| item.is_open).is_empty());
}

#[tokio::test]
async fn talk_goes_on_with_whom_it_began() {
    let clp = world(|_| {}).await;
    let (mut bob, mut alice) = (logged_in(&clp, "bob").await, logged_in(&clp, "alice").await);
    assert_eq!(say(&mut bob, "newgroup /cars as=Speedy").await, "+200 joined /cars");
    assert!(say(&mut alice, "join bob/cars Max").await.ends_with("+200 joined /cars"));
    assert_eq!(say(&mut alice, "talk /cars").await, "+200 talking to /cars, .TALK ends");
    assert_eq!(say(&mut alice, "hi").await, "+200 sent #1");
    assert_eq!(say(&mut alice, ".leave /cars").await, "+200 left /cars");
    // Not the public one of that name, which by now the name would mean.
    assert_eq!(say(&mut alice, "still there?").await, "-808 join bob/cars first");
}

#[tokio::test]
async fn what_is_done_is_done_without_a_number_too() {
    let (clp, engine) = numberless(ClpConfig::default()).await;
    let (mut bob, mut alice) = (logged_in(&clp, "bob").await, logged_in(&clp, "alice").await);
    engine.is_busy.store(true, Ordering::Relaxed);
    for line in ["msg alice hi", "invite alice presence", "share alice http://x.example/y", "find id=alice"] {
        assert!(say(&mut bob, line).await.ends_with("+200 ok"), "{line}");
    }
    engine.is_busy.store(false, Ordering::Relaxed);
    let told = told(&mut alice).await;
    assert!(told.contains("bob: hi") && told.contains("to presence") && told.contains("http://x.example/y"), "{told}");
    assert!(say(&mut bob, "msg alice hi").await.starts_with("+200 sent #"));
}

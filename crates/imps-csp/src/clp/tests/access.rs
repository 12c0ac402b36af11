//! Who gets in, what is on offer, and pages.

use futures_util::FutureExt;
use imps_service::access::PersonChange;

use super::other::Other;
use super::*;

#[tokio::test]
async fn lines_that_are_open_do_not_go_on_guessing() {
    let clp = world(|_| {}).await;
    let mut open = Dialogue::new(clp.clone(), ELSEWHERE, true);
    let mut bob = logged_in(&clp, "bob").await;
    for _ in 0..clp.config().address_failures {
        clp.failed(ELSEWHERE);
    }
    for (dialogue, line) in [(&mut open, "login bob secret"), (&mut bob, "pass secret new-secret")] {
        let turn = dialogue.line(Line::Text(line.to_owned())).await;
        let said = turn.reply.map(|reply| (reply.status, reply.text));
        assert_eq!(
            said,
            Some((imps_types::Status::UNAUTHORIZED, "too many wrong passwords from your address, bye".to_owned())),
            "{line}"
        );
        assert_eq!(turn.next, Next::Close);
    }
    assert!(open.session().is_none());
    // Nor is a password asked for.
    let turn = open.line(Line::Text("login bob".to_owned())).await;
    assert_eq!((turn.next, open.is_asking()), (Next::Close, false));
    clp.services().clock.advance(clp.config().address_window);
    assert_eq!(say(&mut open, "login bob secret").await, "+200 hello bob, 0 new");
}

#[tokio::test]
async fn whether_somebody_has_a_number_is_not_told() {
    let clp = world(|_| {}).await;
    let change = PersonChange { mobile_number: Some("+358401234567".to_owned()), ..PersonChange::default() };
    let bob = UserId::from_canonical("wv:bob@b.example");
    clp.services().access().set_person(&bob, &change).await.unwrap();
    let mut dialogue = Dialogue::new(clp.clone(), ELSEWHERE, true);
    for (count, number) in [(1, "+358401234567"), (2, "+358409999999")] {
        assert_eq!(say(&mut dialogue, &format!("login {number} wrong")).await, "-409 wrong password");
        // Both were looked at by who looks at passwords, and takes his time.
        assert_eq!(clp.services().metrics.login_failures.value(), count, "{number}");
    }
    assert_eq!(say(&mut dialogue, "login +358401234567 secret").await, "+200 hello bob, 0 new");
}

#[tokio::test]
async fn what_is_switched_off_is_not_reached_by_another_way() {
    let clp = world(|config| config.functions_off = FunctionSet::parse("GETPR").unwrap()).await;
    let (mut bob, mut alice) = (logged_in(&clp, "bob").await, logged_in(&clp, "alice").await);
    for line in ["allow alice", "text lunch"] {
        assert_eq!(say(&mut bob, line).await, "+200 ok");
    }
    for line in ["newlist ~friends", "add bob"] {
        assert_eq!(say(&mut alice, line).await, "+200 ok");
    }
    assert_eq!(say(&mut alice, "list").await, ":bob ? | +200 ok");
    assert_eq!(say(&mut bob, "whoami").await, ":bob@b.example tcp 0 new | +200 ok");

    let clp = world(|config| config.functions_off = FunctionSet::parse("REACT").unwrap()).await;
    let (mut bob, mut alice) = (logged_in(&clp, "bob").await, logged_in(&clp, "alice").await);
    assert_eq!(say(&mut bob, "sub alice mood").await, "+200 ok");
    assert_eq!(told(&mut alice).await, "*1 bob asks for your presence: mood. ALLOW 1 / DENY 1");
    for line in ["y", "n 1", "allow 1"] {
        assert_eq!(say(&mut alice, line).await, "-405 not offered here", "{line}");
    }

    let clp = world(|config| config.functions_off = FunctionSet::parse("MP").unwrap()).await;
    let (mut bob, mut alice) = (logged_in(&clp, "bob").await, logged_in(&clp, "alice").await);
    assert_eq!(say(&mut bob, "invite alice presence").await, "+200 invited #1");
    assert_eq!(told(&mut alice).await, "*1 bob invites you to presence. Y 1 / N 1");
    assert_eq!(say(&mut alice, "y").await, "-405 not offered here");
    assert_eq!(say(&mut alice, "n").await, "+200 ok");
}

#[tokio::test]
async fn more_is_about_what_was_asked_last() {
    let clp = world(|config| config.search_page = 2).await;
    let mut bob = logged_in(&clp, "bob").await;
    assert_eq!(say(&mut bob, "set page 3").await, "+200 ok");
    assert!(say(&mut bob, "help").await.contains(">1/2 more"));
    assert_eq!(say(&mut bob, "find id=o").await, ":bob | :carol | +200 #1 found 2");
    assert_eq!(say(&mut bob, "more").await, "-404 no more");
    assert_eq!(say(&mut bob, "find id=example").await, ":alice | :bob | +200 #2 found 3, MORE");
    assert!(say(&mut bob, "help").await.contains(">1/2 more"));
    assert!(say(&mut bob, "more").await.starts_with(":messages: "));
    assert_eq!(say(&mut bob, "more").await, "-404 no more");
    // What was found is told to its end, in pages that are shorter than the server's.
    assert_eq!(say(&mut bob, "set page 1").await, "+200 ok");
    assert_eq!(say(&mut bob, "find id=example").await, ":alice | >1/2 more | +200 #3 found 3, MORE");
    assert_eq!(say(&mut bob, "more").await, ":bob | +200 ok");
    assert_eq!(say(&mut bob, "more").await, ":carol | +200 #3 found 3");
}

#[tokio::test]
async fn commands_count_as_work_of_the_server() {
    let mut csp = CspConfig::default();
    csp.requests.busy_max = 0;
    let clp = world_with(Arc::new(MemoryEngine::new()), |_| {}, csp, ClpConfig::default()).await;
    let (mut one, mut other) =
        (Dialogue::new(clp.clone(), ELSEWHERE, true), Dialogue::new(clp.clone(), ELSEWHERE, true));
    assert_eq!(say(&mut other, "ping").await, "+200 pong");
    {
        let mut login = Box::pin(one.line(Line::Text("login bob wrong".to_owned())));
        assert!((&mut login).now_or_never().is_none());
        assert!(say(&mut other, "ping").await.starts_with("-503 "));
        login.await;
    }
    assert_eq!(say(&mut other, "ping").await, "+200 pong");
}

#[tokio::test]
async fn a_password_that_was_asked_for_is_admitted_like_anything_else() {
    let mut csp = CspConfig::default();
    (csp.requests.session_rate, csp.requests.session_burst) = (1, 1);
    let clp = world_with(Arc::new(MemoryEngine::new()), |_| {}, csp, ClpConfig::default()).await;
    let mut bob = Dialogue::new(clp.clone(), ELSEWHERE, true);
    assert_eq!(bob.line(Line::Text("=4 login bob".to_owned())).await.next, Next::Secret);
    assert!(say(&mut bob, "secret").await.starts_with("=4 -503 "));
    assert!(bob.session().is_none() && !bob.is_asking());
}

#[tokio::test]
async fn who_am_i_and_how() {
    let clp = world(|_| {}).await;
    let mut bob = logged_in(&clp, "bob").await;
    assert_eq!(say(&mut bob, "me").await, ":bob@b.example tcp available 0 new | +200 ok");
    assert_eq!(say(&mut bob, "away lunch").await, "+200 ok");
    assert_eq!(say(&mut bob, "me").await, ":bob@b.example tcp away \"lunch\" 0 new | +200 ok");
}

#[tokio::test]
async fn what_nobody_has_for_the_domain_is_not_done() {
    let clp = world(|_| {}).await;
    clp.csp.set_elsewhere(Arc::new(Other::nobody()));
    let mut alice = logged_in(&clp, "alice").await;
    for line in ["away", "text here", "lists", "add bob", "newgroup /cars", "inbox", "block bob"] {
        assert_eq!(say(&mut alice, line).await, "-405 not offered here", "{line}");
    }
    // Of these it is for others to say, where they are about others.
    for line in ["msg bob hi", "show bob", "sub bob", "join alice/cars", "share bob http://x.example/y"] {
        assert!(say(&mut alice, line).await.starts_with("-405 "), "{line}");
    }
    assert_eq!(say(&mut alice, "ping").await, "+200 pong");
}

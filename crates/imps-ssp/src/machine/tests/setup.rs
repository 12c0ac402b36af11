//! Set-ups and sessions.

use super::*;

const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";

fn strong() -> [DigestScheme; 2] {
    [DigestScheme::HmacSha256; 2]
}

#[test]
fn six_steps_as_the_table_has_them() {
    for schemes in [[DigestScheme::Md5; 2], strong()] {
        let mut wire = Wire::new(&LinkSettings::default(), schemes);
        let now = wire.now;
        wire.sides[0].link.open(now);
        wire.run();
        let lines = wire.transcript();
        let said: Vec<_> = lines.iter().map(|(from, mode, _, name)| (*from, *mode, *name)).collect();
        assert_eq!(
            said,
            [
                (0, "Request", "SendSecretToken"),
                (1, "Response", "SendSecretToken"),
                (0, "Request", "LoginRequest"),
                (1, "Response", "LoginRequest"),
                (0, "Request", "LoginResponse"),
                (1, "Response", "LoginResponse"),
            ]
        );
        let ids: Vec<_> = lines.iter().map(|(_, _, id, _)| id.as_str()).collect();
        assert!(ids.iter().enumerate().all(|(at, id)| (at == 1) != (*id == ids[0])), "step 2 has B's own: {ids:?}");
        let [a, b] = &wire.sides;
        let (ours, theirs) = (a.link.sessions(now), b.link.sessions(now));
        let ([(a_own, a_peer, a_until)], [(b_own, b_peer, b_until)]) = (ours.as_slice(), theirs.as_slice()) else {
            panic!("{ours:?} {theirs:?}")
        };
        assert_eq!((a_own, a_peer, a_until), (b_peer, b_own, b_until));
        assert!(a_own.ends_with("@a.example") && a_own.len() >= 32 + 10, "128 random bits: {a_own}");
        assert!(b_own.ends_with("@b.example"));
        assert_eq!(a_until.since(now), Duration::from_secs(86_400));
    }
}

#[test]
fn the_shorter_life_holds() {
    let mut wire = Wire::plain();
    let short = LinkSettings { time_to_live: Duration::from_secs(100), ..LinkSettings::default() };
    wire.sides[1] = Side::new(link("b.example", "a.example", &short, DigestScheme::Md5, 2));
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.run();
    for side in &wire.sides {
        assert_eq!(side.link.sessions(now)[0].2.since(now), Duration::from_secs(100));
    }
    // Before nine tenths have gone, who opened it opens the next; both are taken until the old one ends.
    wire.wait(Duration::from_secs(91));
    for side in &wire.sides {
        assert_eq!(side.link.sessions(wire.now).len(), 2);
    }
    wire.wait(Duration::from_secs(10));
    for side in &wire.sides {
        assert_eq!(side.link.sessions(wire.now).len(), 1);
    }
}

#[test]
fn a_session_without_life_is_none() {
    for opener in 0..2 {
        let mut wire = Wire::plain();
        let none = LinkSettings { time_to_live: Duration::ZERO, ..LinkSettings::default() };
        wire.sides[1] = Side::new(link("b.example", "a.example", &none, DigestScheme::Md5, 2));
        let now = wire.now;
        wire.sides[opener].link.open(now);
        wire.run();
        assert!(wire.sides[0].link.sessions(now).is_empty());
        let posted = wire.log.len();
        wire.sides[opener].link.open(now);
        wire.run();
        assert_eq!(wire.log.len(), posted, "the next attempt has time");
    }
}

#[test]
fn a_renewal_that_takes_time_is_waited_for_asleep() {
    let short = LinkSettings {
        time_to_live: Duration::from_secs(100),
        setup_within: Duration::from_secs(3),
        setup_pause: Duration::from_secs(4),
        ..LinkSettings::default()
    };
    let mut wire = Wire::new(&short, [DigestScheme::Md5; 2]);
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.run();
    // The token of the renewal gets lost; that a machine sleeps is what `run` looks at.
    wire.fate = [Some(Posted::Taken)].into();
    wire.wait(Duration::from_secs(90));
    assert!(wire.sides[0].link.is_setting_up());
    wire.wait(Duration::from_secs(3));
    assert!(!wire.sides[0].link.is_setting_up());
    wire.wait(Duration::from_secs(4));
    assert_eq!(wire.sides[0].link.sessions(wire.now).len(), 2);
}

#[test]
fn set_ups_that_cross_both_come_to_their_end() {
    let mut wire = Wire::plain();
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.sides[1].link.open(now);
    wire.run();
    for side in &wire.sides {
        assert_eq!(side.link.sessions(now).len(), 2);
    }
    wire.send(0, 1, message("wv:alice@a.example", &["wv:bob@b.example"], "one"));
    wire.send(1, 2, message("wv:bob@b.example", &["wv:alice@a.example"], "two"));
    wire.run();
    assert_eq!(wire.sides[0].finished.len(), 1);
    assert_eq!(wire.sides[1].finished.len(), 1);
    assert_eq!((wire.sides[0].performed.len(), wire.sides[1].performed.len()), (1, 1));
}

#[test]
fn who_cannot_prove_gets_no_session() {
    for schemes in [[DigestScheme::Md5, DigestScheme::HmacSha256], [DigestScheme::HmacSha256, DigestScheme::Md5]] {
        let mut wire = Wire::new(&LinkSettings::default(), schemes);
        let now = wire.now;
        wire.sides[0].link.open(now);
        wire.run();
        assert!(wire.sides.iter().all(|side| !side.link.is_up(now)), "{schemes:?}");
    }
    // Somebody in between who shows a digest of his own.
    let mut wire = Wire::plain();
    let now = wire.now;
    wire.sides[0].link.open(now);
    let step = |wire: &mut Wire, from: usize| match wire.sides[from].link.actions().remove(0) {
        Action::Post(post) => String::from_utf8(post.body).expect("text"),
        other => panic!("{other:?}"),
    };
    let one = step(&mut wire, 0);
    assert_eq!(wire.give(1, &one), Verdict::Taken);
    let two = step(&mut wire, 1);
    assert_eq!(wire.give(0, &two), Verdict::Taken);
    let three = step(&mut wire, 0);
    let (before, rest) = three.split_once("base64\">").expect("a digest");
    let (_, after) = rest.split_once('<').expect("its end");
    let forged = format!("{before}base64\">AAAAAAAAAAAAAAAAAAAAAA==<{after}");
    assert_eq!(wire.give(1, &forged), Verdict::Unauthorized);
    assert_eq!(wire.give(1, &three), Verdict::Unauthorized, "one attempt for each token");
}

#[test]
fn steps_that_are_played_again_do_nothing() {
    let mut wire = Wire::plain();
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.run();
    let steps: Vec<_> = wire.log.iter().map(|(from, text, _)| (*from, text.clone())).collect();
    // All but the first are of a set-up that is over.
    for (from, text) in &steps[1..] {
        assert_eq!(wire.give(1 - from, text), Verdict::Unauthorized, "{text}");
    }
    // The first begins another one, whose token the old proof knows nothing of.
    assert_eq!(wire.give(1, &steps[0].1), Verdict::Taken);
    assert_eq!(wire.give(1, &steps[2].1), Verdict::Unauthorized);
    assert_eq!(wire.sides[1].link.sessions(now).len(), 1);
}

#[test]
fn a_half_that_names_another_domain_is_no_session() {
    let mut wire = Wire::plain();
    let now = wire.now;
    wire.sides[0].link.open(now);
    for from in [0, 1, 0, 1] {
        let Action::Post(post) = wire.sides[from].link.actions().remove(0) else { panic!("a post") };
        let text = String::from_utf8(post.body).expect("text");
        wire.give(1 - from, &text);
    }
    let Action::Post(post) = wire.sides[0].link.actions().remove(0) else { panic!("a post") };
    let text = String::from_utf8(post.body).expect("text").replace("@a.example\"", "@evil.example\"");
    assert_eq!(wire.give(1, &text), Verdict::Unauthorized);
    assert!(wire.sides[1].link.sessions(now).is_empty());
    // And a token that comes in another's name is not for this machine.
    let mut wire = Wire::plain();
    wire.sides[0].link.open(now);
    let Action::Post(post) = wire.sides[0].link.actions().remove(0) else { panic!("a post") };
    let text = String::from_utf8(post.body).expect("text").replace("a.example", "c.example");
    assert_eq!(wire.give(1, &text), Verdict::Unauthorized);
}

#[test]
fn pauses_double_after_failures() {
    let mut wire = Wire::plain();
    wire.fate = std::iter::repeat_n(Some(Posted::Unreachable), 100).collect();
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.run();
    let mut pauses = Vec::new();
    for _ in 0..9 {
        // Something waits at the end of each pause: a session is wanted for nothing else.
        let (primitive, within) =
            (message("wv:alice@a.example", &["wv:bob@b.example"], "x"), Duration::from_secs(1000));
        let what = Outgoing { number: 1, id: None, primitive, lane: None, within, haste: Haste::None };
        wire.sides[0].link.send(what, wire.now);
        let at = wire.sides[0].link.next_tick(wire.now).expect("it waits");
        let again = wire.sides[0].link.setup.not_before;
        assert!(at <= again);
        pauses.push(again.since(wire.now).as_secs());
        let pause = again.since(wire.now);
        wire.wait(pause);
    }
    assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
    assert!(wire.sides[0].finished.iter().all(|(_, how)| code(how) == 503), "{:?}", wire.sides[0].finished);
    assert!(!wire.sides[0].finished.is_empty());
}

#[test]
fn a_peer_that_keeps_its_half_late_is_tried_once_more_with_patience() {
    let mut wire = Wire::plain();
    // Step 3 of the first attempt is hung up on.
    wire.fate = [None, None, Some(Posted::Closed)].into();
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.run();
    assert!(wire.sides[0].link.is_up(now), "{:?}", wire.transcript());
    let proofs: Vec<_> =
        wire.log.iter().filter(|(from, text, _)| *from == 0 && text.contains("LoginRequest")).collect();
    assert_eq!(proofs.iter().map(|(_, _, after)| after.as_millis()).collect::<Vec<_>>(), [0, 300]);
    // Twice is a refusal.
    let mut wire = Wire::plain();
    wire.fate = [None, None, Some(Posted::Closed), None, None, Some(Posted::Closed)].into();
    wire.sides[0].link.open(now);
    wire.run();
    assert!(!wire.sides[0].link.is_up(now));
    assert_eq!(wire.sides[0].link.setup_pause(now), Duration::from_secs(10));
}

#[test]
fn a_set_up_that_stalls_ends() {
    let mut wire = Wire::plain();
    wire.fate = [None, Some(Posted::Taken)].into();
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.run();
    assert!(!wire.sides[0].link.is_idle(now));
    assert_eq!(wire.sides[0].link.next_tick(now), Some(now.plus(Duration::from_secs(60))));
    wire.wait(Duration::from_secs(60));
    assert!(wire.sides[1].link.setup.is_idle(wire.now), "the half that the other one had is forgotten too");
    assert_eq!(wire.sides[0].link.setup_pause(wire.now), Duration::from_secs(10));
}

#[test]
fn a_peer_may_not_begin_without_end() {
    let mut wire = Wire::plain();
    wire.sides[0].link.open(wire.now);
    let Action::Post(post) = wire.sides[0].link.actions().remove(0) else { panic!("a post") };
    let text = String::from_utf8(post.body).expect("text");
    for _ in 0..10 {
        assert_eq!(wire.give(1, &text), Verdict::Taken);
    }
    assert_eq!(wire.give(1, &text), Verdict::Busy);
    wire.now = wire.now.plus(Duration::from_secs(60));
    assert_eq!(wire.give(1, &text), Verdict::Taken);
}

#[test]
fn where_a_peer_is_published_it_may_begin_before_anything_was_proved() {
    let mut wire = Wire::plain();
    let give = |wire: &mut Wire, id: &str, from: &str| {
        let text = format!(
            "<WV-SSP-Message><SetupTransaction mode=\"Request\" transactionID=\"{id}\"><SendSecretToken \
             serviceID=\"wv:@a.example\"><SecretToken>abcdef</SecretToken></SendSecretToken></SetupTransaction>\
             </WV-SSP-Message>"
        );
        let message = Message::read(text.as_bytes(), &ssp::limits(1 << 20)).expect("a message");
        wire.sides[1].link.receive(message, from.parse().ok(), wire.now)
    };
    let crowd = |wire: &mut Wire| {
        let mut last = None;
        for number in 0..140 {
            last = Some(give(wire, &format!("x{number}"), &format!("192.0.2.{}", 20 + number % 12)));
        }
        last
    };
    let published = || vec!["192.0.2.1".parse().expect("an address")];
    wire.sides[1].link.is_published_at(published());
    assert_eq!(crowd(&mut wire), Some(Verdict::Busy));
    assert_eq!(give(&mut wire, "t1", "192.0.2.99"), Verdict::Busy, "elsewhere it is one of many");
    assert_eq!(give(&mut wire, "t1", "::ffff:192.0.2.1"), Verdict::Taken);
    // What it has begun does not make room for the others, and has a bound as well.
    let mut wire = Wire::plain();
    wire.sides[1].link.is_published_at(published());
    assert_eq!(give(&mut wire, "t1", "192.0.2.1"), Verdict::Taken);
    crowd(&mut wire);
    assert!(wire.sides[1].link.setup.is_accepting(&TransactionId::new("t1")));
    let taken = (0..20).filter(|number| give(&mut wire, &format!("t{number}"), "192.0.2.1") == Verdict::Taken).count();
    assert_eq!(taken, 9);
    assert!(!wire.sides[1].link.is_at("192.0.2.1".parse().ok()), "nothing is proved by that");
}

#[test]
fn a_refusal_with_another_address_of_the_domain_is_followed_once() {
    let answer = |id: &str, url: &str| {
        format!(
            "<WV-SSP-Message><SetupTransaction mode=\"Response\" transactionID=\"{id}\"><LoginResponse><Status code=\"503\"/>\
             <RedirectList><RedirectURL>{url}</RedirectURL></RedirectList></LoginResponse></SetupTransaction></WV-SSP-Message>"
        )
    };
    for (url, follows) in [
        ("https://other.b.example:8443/", true),
        ("http://b.example/", true),
        ("https://evil.example/", false),
        ("https://evilb.example/", false),
        ("https://b.example@evil.example/", false),
        ("nonsense", false),
    ] {
        let mut wire = Wire::plain();
        let now = wire.now;
        wire.sides[0].link.open(now);
        let Action::Post(post) = wire.sides[0].link.actions().remove(0) else { panic!("a post") };
        let id = post.transaction.expect("an ID");
        wire.give(0, &answer(id.as_str(), url));
        let posts = wire.sides[0].link.actions();
        let Some(Action::Post(post)) = posts.first() else {
            assert!(!follows, "{url}");
            continue;
        };
        assert!(follows, "{url}");
        assert_eq!(post.instead.as_deref(), Some(url));
        let id = post.transaction.clone().expect("an ID");
        wire.give(0, &answer(id.as_str(), url));
        assert!(wire.sides[0].link.actions().is_empty(), "once");
    }
}

#[test]
fn a_peer_that_is_silent_is_asked_whether_it_is_there() {
    let mut wire = Wire::up();
    assert_eq!(wire.sides[0].link.next_tick(wire.now), Some(wire.now.plus(Duration::from_secs(150))));
    wire.wait(Duration::from_secs(150));
    let names: Vec<_> = wire.transcript().into_iter().map(|(from, _, _, name)| (from, name)).collect();
    assert!(names.contains(&(0, "KeepAliveRequest")) && names.contains(&(1, "KeepAliveResponse")), "{names:?}");
    assert!(wire.sides[0].link.is_up(wire.now));
    // Whatever is answered proves life.
    wire.log.clear();
    wire.fate = [Some(Posted::Taken), Some(Posted::Taken)].into();
    wire.wait(Duration::from_secs(150));
    let ids: Vec<_> = wire.transcript();
    let (_, _, id, name) = &ids[0];
    assert_eq!(*name, "KeepAliveRequest");
    let session = wire.sides[0].link.sessions(wire.now)[0].1.clone();
    let answer = format!(
        "<WV-SSP-Message><Session sessionID=\"{session}\"><Transaction mode=\"Response\" transactionID=\"{id}\">\
         <Status code=\"405\"/></Transaction></Session></WV-SSP-Message>"
    );
    wire.give(0, &answer);
    wire.wait(Duration::from_secs(40));
    assert!(wire.sides[0].link.is_up(wire.now));
    // The other one asked too, and nobody answered it.
    assert!(!wire.sides[1].link.is_up(wire.now));
}

#[test]
fn a_session_is_ended_politely_or_at_once() {
    let mut wire = Wire::up();
    wire.sides[0].link.log_out(wire.now);
    wire.run();
    assert!(wire.sides.iter().all(|side| side.link.sessions(wire.now).is_empty()), "{:?}", wire.transcript());
    let mut wire = Wire::up();
    let session = wire.sides[0].link.sessions(wire.now)[0].1.clone();
    let text = format!(
        "<WV-SSP-Message><Session sessionID=\"{session}\"><Transaction mode=\"Request\" transactionID=\"1\">\
         <Disconnect><Status code=\"503\"/></Disconnect></Transaction></Session></WV-SSP-Message>"
    );
    assert_eq!(wire.give(0, &text), Verdict::Taken);
    wire.run();
    assert!(wire.sides[0].link.sessions(wire.now).is_empty());
    assert_eq!(wire.give(0, &text), Verdict::Unauthorized);
}

#[test]
fn whoever_has_ended_the_session_begins_no_other() {
    let mut wire = Wire::up();
    let now = wire.now;
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    let Some(Action::Post(late)) = wire.sides[0].link.actions().pop() else { panic!("a message") };
    wire.sides[0].link.log_out(now);
    wire.run();
    // It comes there after the goodbye: it is not worth a session any more, and neither is anything after it.
    wire.sides[0].link.posted(late.id, Posted::Unauthorized, now);
    wire.send(0, 8, message(ALICE, &[BOB], "are you there?"));
    wire.run();
    let finished: Vec<_> = wire.sides[0].finished.iter().map(|(number, how)| (*number, code(how))).collect();
    assert_eq!(finished, [(7, 503), (8, 503)]);
    let names: Vec<_> = wire.transcript().into_iter().map(|(from, _, _, name)| (from, name)).collect();
    assert_eq!(names, [(0, "LogoutRequest"), (1, "Status")]);
    assert!(wire.sides[0].link.is_idle(now));
}

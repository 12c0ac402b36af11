//! What machines do when a peer is in trouble, forgets, or is imitated.

use std::net::{IpAddr, Ipv4Addr};

use imps_proto::ssp::Dialect;

use super::*;

const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";

fn hasty(wire: &mut Wire, number: u64) {
    in_haste(wire, number, Haste::Great);
}

fn in_haste(wire: &mut Wire, number: u64, haste: Haste) {
    let (primitive, within) = (message(ALICE, &[BOB], "hello"), Duration::from_secs(30));
    let now = wire.now;
    wire.sides[0].link.send(Outgoing { number, id: None, primitive, lane: None, within, haste }, now);
    wire.run();
}

fn failed(wire: &Wire) -> Vec<(u64, u16, u64)> {
    let of = |(number, how): &(u64, Result<Primitive, Failure>)| match how {
        Err(Failure::NotSent(code, _, pause)) => (*number, code.code(), pause.as_secs()),
        other => (*number, code(other), 0),
    };
    wire.sides[0].finished.iter().map(of).collect()
}

#[test]
fn what_is_passed_on_does_not_wait_for_a_peer_that_is_away() {
    let mut wire = Wire::plain();
    wire.fate = std::iter::repeat_n(Some(Posted::Unreachable), 9).collect();
    wire.send(0, 1, message(ALICE, &[BOB], "patient"));
    hasty(&mut wire, 2);
    assert_eq!(failed(&wire), [(2, 503, 10)], "it is told when to try again");
    wire.wait(Duration::from_secs(4));
    hasty(&mut wire, 3);
    assert_eq!(failed(&wire), [(2, 503, 10), (3, 503, 6)], "at once, as long as the pause lasts");
    wire.fate.clear();
    wire.wait(Duration::from_secs(6));
    assert_eq!(failed(&wire).last(), Some(&(1, 200, 0)), "and what can wait did");
    hasty(&mut wire, 4);
    assert_eq!(failed(&wire).last(), Some(&(4, 200, 0)));
    // A session is up, and nobody is there.
    wire.fate = [Some(Posted::Unreachable)].into();
    hasty(&mut wire, 5);
    assert_eq!(failed(&wire).last(), Some(&(5, 503, 1)));
}

#[test]
fn who_waits_for_an_answer_waits_for_a_set_up_and_not_for_the_next_one() {
    let mut wire = Wire::plain();
    wire.fate = std::iter::repeat_n(Some(Posted::Unreachable), 9).collect();
    in_haste(&mut wire, 1, Haste::UntilPause);
    assert_eq!(failed(&wire), [(1, 503, 10)], "the set-up that it began has failed");
    assert_eq!(wire.sides[0].link.next_try(wire.now), Some(wire.now.plus(Duration::from_secs(10))));
    wire.wait(Duration::from_secs(3));
    in_haste(&mut wire, 2, Haste::UntilPause);
    assert_eq!(failed(&wire).last(), Some(&(2, 503, 7)), "at once");
    wire.fate.clear();
    wire.wait(Duration::from_secs(7));
    assert_eq!(wire.sides[0].link.next_try(wire.now), None);
    in_haste(&mut wire, 3, Haste::UntilPause);
    assert_eq!(failed(&wire).last(), Some(&(3, 200, 0)));
    // A session is up, and a POST goes astray: the next one is a second away.
    wire.fate = [Some(Posted::Unreachable)].into();
    in_haste(&mut wire, 4, Haste::UntilPause);
    wire.wait(Duration::from_secs(1));
    assert_eq!(failed(&wire).last(), Some(&(4, 200, 0)));
    // Whoever is there says when to come again.
    wire.fate = [Some(Posted::Busy(Duration::from_secs(60)))].into();
    in_haste(&mut wire, 5, Haste::UntilPause);
    assert_eq!(failed(&wire).last(), Some(&(5, 503, 60)));
}

#[test]
fn who_speaks_is_there() {
    // B began a session while A was in its pause.
    let mut wire = Wire::plain();
    wire.fate = [Some(Posted::Unreachable)].into();
    wire.send(0, 1, message(ALICE, &[BOB], "hello"));
    wire.run();
    let now = wire.now;
    wire.sides[1].link.open(now);
    wire.run();
    assert_eq!(failed(&wire), [(1, 200, 0)]);
    assert!(wire.sides[0].link.setup.not_before <= wire.now);
    // A did not find B, and B says something.
    wire.fate = std::iter::repeat_n(Some(Posted::Unreachable), 2).collect();
    wire.send(0, 2, message(ALICE, &[BOB], "again"));
    wire.run();
    wire.wait(Duration::from_secs(1));
    assert_eq!(wire.sides[0].link.next_try(wire.now), Some(wire.now.plus(Duration::from_secs(2))));
    wire.send(1, 3, message(BOB, &[ALICE], "are you there?"));
    wire.run();
    assert_eq!(failed(&wire).last(), Some(&(2, 200, 0)));
    // But not when B said that it has no time.
    wire.fate = [Some(Posted::Busy(Duration::from_secs(60)))].into();
    wire.send(0, 4, message(ALICE, &[BOB], "and now?"));
    wire.run();
    wire.send(1, 5, message(BOB, &[ALICE], "no"));
    wire.run();
    assert_eq!(failed(&wire).last(), Some(&(2, 200, 0)));
}

#[test]
fn who_is_not_where_it_was_is_looked_for_by_a_new_set_up() {
    let mut wire = Wire::up();
    wire.fate = std::iter::repeat_n(Some(Posted::Unreachable), 3).collect();
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    for _ in 0..7 {
        wire.wait(Duration::from_secs(1));
    }
    let tokens = wire.transcript().iter().filter(|it| (it.0, it.3) == (0, "SendSecretToken")).count();
    assert_eq!((failed(&wire), tokens), (vec![(7, 200, 0)], 1));
}

#[test]
fn a_peer_that_speaks_in_a_forgotten_session_is_set_up_anew() {
    let mut wire = Wire::up();
    // A has lost its memory, and B does not notice.
    wire.sides[0] = Side::new(link("a.example", "b.example", &LinkSettings::default(), DigestScheme::Md5, 3));
    let text = "<WV-SSP-Message><Session sessionID=\"s9@b.example\"><Transaction mode=\"Request\" transactionID=\"1\">\
        <KeepAliveRequest/></Transaction></Session></WV-SSP-Message>";
    let now = wire.now;
    assert_eq!(wire.give(0, text), Verdict::Unauthorized);
    wire.sides[0].link.reopen(now);
    wire.run();
    assert!(wire.sides[0].link.is_up(now));
    wire.log.clear();
    // Anybody can say so: with a session up, or in the pause after a failure, nothing comes of it.
    wire.sides[0].link.reopen(now);
    let mut away = Wire::plain();
    away.fate = std::iter::repeat_n(Some(Posted::Unreachable), 9).collect();
    for _ in 0..5 {
        away.sides[0].link.reopen(now);
        away.run();
    }
    assert_eq!((wire.sides[0].link.actions().len(), away.log.len()), (0, 1));
    // Who has just said goodbye is not called back for what he posted before.
    wire.sides[1].link.log_out(now);
    wire.run();
    wire.sides[0].link.reopen(now);
    assert!(wire.sides[0].link.actions().is_empty());
    wire.sides[0].link.reopen(now.plus(Duration::from_secs(60)));
    assert_eq!(wire.sides[0].link.actions().len(), 1);
}

#[test]
fn a_goodbye_ends_what_was_up_and_not_what_came_up_since() {
    let mut wire = Wire::up();
    let now = wire.now;
    wire.sides[1].link.log_out(now);
    let Some(Action::Post(goodbye)) = wire.sides[1].link.actions().pop() else { panic!("a goodbye") };
    let goodbye = String::from_utf8(goodbye.body).expect("text");
    assert_eq!(wire.give(0, &goodbye), Verdict::Taken);
    let Some(Action::Post(answer)) = wire.sides[0].link.actions().pop() else { panic!("an answer") };
    // B is another one now, and both have begun anew before the receipt of that answer is here.
    wire.sides[1] = Side::new(link("b.example", "a.example", &LinkSettings::default(), DigestScheme::Md5, 4));
    wire.sides[1].link.open(now);
    wire.run();
    wire.sides[0].link.posted(answer.id, Posted::Taken, now);
    wire.run();
    let of =
        |side: &Side| side.link.sessions(now).into_iter().map(|(own, theirs, _)| (own, theirs)).collect::<Vec<_>>();
    let theirs: Vec<_> = of(&wire.sides[1]).into_iter().map(|(own, theirs)| (theirs, own)).collect();
    assert_eq!((of(&wire.sides[0]), theirs.len()), (theirs, 1));
}

#[test]
fn nothing_is_remembered_for_ever() {
    let mut wire = Wire::up();
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    assert_eq!(wire.sides[1].link.remembered(), 1);
    wire.sides[1].link.log_out(wire.now);
    wire.run();
    wire.wait(Duration::from_secs(599));
    assert!(!wire.sides[1].link.is_idle(wire.now), "it may come again");
    assert_eq!(wire.sides[1].link.next_tick(wire.now), Some(wire.now.plus(Duration::from_secs(1))));
    wire.wait(Duration::from_secs(1));
    assert!(wire.sides[1].link.is_idle(wire.now));
    assert_eq!(wire.sides[1].link.next_tick(wire.now), None);
    // A failure is forgotten with its pause.
    let mut wire = Wire::plain();
    wire.fate = [Some(Posted::Unreachable)].into();
    wire.sides[0].link.open(wire.now);
    wire.run();
    assert!(!wire.sides[0].link.is_idle(wire.now));
    wire.wait(Duration::from_secs(10));
    assert!(wire.sides[0].link.is_idle(wire.now));
}

#[test]
fn answers_are_remembered_as_they_were() {
    use imps_proto::ssp::{GetPresenceResponse, SendMessageResponse};
    use imps_types::element::{DetailedResult, ResultInfo};
    let said = |status| ResultInfo { description: Some("in words".into()), ..ResultInfo::of(status) };
    let sent =
        |message_id: Option<&str>, status| SendMessageResponse { message_id: message_id.map(Into::into), status };
    let detailed = vec![DetailedResult::of(Status::UNKNOWN_USER)];
    let partly = ResultInfo { detailed, ..ResultInfo::of(Status::PARTIALLY_SUCCESSFUL) };
    for answer in [
        status(Status::SUCCESSFUL, ""),
        status(Status::UNKNOWN_USER, ""),
        status(Status::SERVER_UNAVAILABLE, "for a reason"),
        sent(Some("m-1"), ResultInfo::of(Status::SUCCESSFUL)).into(),
        sent(None, said(Status::SUCCESSFUL)).into(),
        sent(Some("m-2"), partly).into(),
        GetPresenceResponse { status: None, values: Vec::new() }.into(),
    ] {
        let mut wire = Wire::up();
        wire.answers = false;
        wire.send(0, 7, message(ALICE, &[BOB], "hello"));
        wire.run();
        let (id, _) = wire.sides[1].performed[0].clone();
        let first = wire.log.last().expect("the request").1.clone();
        let now = wire.now;
        wire.sides[1].link.answered(&id, answer, now);
        wire.run();
        let once = wire.log.last().expect("the answer").clone();
        assert_eq!(wire.give(1, &first), Verdict::Taken);
        wire.run();
        let twice = wire.log.last().expect("the answer again").clone();
        assert_eq!((wire.log.len(), once), (3, twice));
        assert_eq!(wire.sides[1].performed.len(), 1);
    }
}

fn token(wire: &mut Wire) -> String {
    let now = wire.now;
    wire.sides[0].link.open(now);
    let Action::Post(post) = wire.sides[0].link.actions().remove(0) else { panic!("a post") };
    String::from_utf8(post.body).expect("text")
}

fn from(last: u8) -> Option<IpAddr> {
    Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)))
}

#[test]
fn who_imitates_a_peer_does_not_lock_it_out() {
    let mut wire = Wire::plain();
    let text = token(&mut wire);
    let mut give = |text: &str, from| {
        let message = Message::read(text.as_bytes(), &ssp::limits(1 << 20)).expect("a message");
        wire.sides[1].link.receive(message, from, wire.now)
    };
    // The peer itself is half way, when somebody else begins and begins in its name.
    assert_eq!(give(&text, from(1)), Verdict::Taken);
    for number in 0..20 {
        let forged = text.replacen("transactionID=\"", &format!("transactionID=\"x{number}"), 1);
        let expected = if number < 10 { Verdict::Taken } else { Verdict::Busy };
        assert_eq!(give(&forged, from(2)), expected, "{number}");
    }
    let id = text.split("transactionID=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an ID");
    let id = TransactionId::new(id);
    assert!(wire.sides[1].link.setup.is_accepting(&id), "what it has begun is not lost");
    let message = Message::read(text.as_bytes(), &ssp::limits(1 << 20)).expect("a message");
    assert_eq!(wire.sides[1].link.receive(message, from(1), wire.now), Verdict::Taken, "and it may begin again");
    // All together have an end too.
    let mut last = Verdict::Taken;
    for number in 0..100 {
        let message = Message::read(text.as_bytes(), &ssp::limits(1 << 20)).expect("a message");
        last = wire.sides[1].link.receive(message, from(100 + number), wire.now);
    }
    assert_eq!(last, Verdict::Busy);
}

#[test]
fn a_peer_is_answered_in_its_namespace_and_a_token_proves_none() {
    let in_bare = |text: &str| text.replace(" xmlns=\"http://www.openmobilealliance.org/DTD/WV-SSP1.3\"", "");
    let mut wire = Wire::plain();
    let text = token(&mut wire);
    let bare = in_bare(&text);
    assert_ne!(text, bare);
    assert_eq!(wire.give(1, &bare), Verdict::Taken);
    let Some(Action::Post(back)) = wire.sides[1].link.actions().pop() else { panic!("step 2") };
    let back = String::from_utf8(back.body).expect("text");
    assert!(!back.contains("WV-SSP1.3"), "step 2 is in the namespace of step 1: {back}");
    assert_eq!(wire.sides[1].link.dialect(), Dialect::V1_3, "but it may have been anybody's");
    assert_eq!(wire.give(0, &back), Verdict::Taken);
    let Some(Action::Post(proof)) = wire.sides[0].link.actions().pop() else { panic!("step 3") };
    let proof = String::from_utf8(proof.body).expect("text");
    assert_eq!(wire.give(1, &in_bare(&proof)), Verdict::Taken);
    assert_eq!(wire.sides[1].link.dialect(), Dialect::Bare);
}

#[test]
fn a_keep_alive_that_is_answered_with_rubbish_is_answered() {
    let mut wire = Wire::up();
    wire.fate = [Some(Posted::Taken), Some(Posted::Taken)].into();
    wire.wait(Duration::from_secs(150));
    let lines = wire.transcript();
    let (_, _, id, _) = lines.iter().find(|it| it.0 == 0 && it.3 == "KeepAliveRequest").expect("it asks");
    let session = wire.sides[0].link.sessions(wire.now)[0].1.clone();
    let rubbish = format!(
        "<WV-SSP-Message><Session sessionID=\"{session}\"><Transaction mode=\"Response\" transactionID=\"{id}\">\
         <Whatever/></Transaction></Session></WV-SSP-Message>"
    );
    assert_eq!(wire.give(0, &rubbish), Verdict::Taken);
    assert!(!wire.sides[0].link.sessions.asking, "it is there, whatever it says");
}

/// Gives a message to a side as if somebody at this address had posted it.
fn give_from(wire: &mut Wire, to: usize, text: &str, at: Option<IpAddr>) -> Verdict {
    let message = Message::read(text.as_bytes(), &ssp::limits(1 << 20)).expect("a message");
    wire.sides[to].link.receive(message, at, wire.now)
}

/// What a side posts next, with its number.
fn posts(wire: &mut Wire, side: usize) -> Option<(u64, String)> {
    wire.sides[side].link.actions().into_iter().find_map(|action| match action {
        Action::Post(post) => Some((post.id, String::from_utf8(post.body).expect("text"))),
        _ => None,
    })
}

fn forged_token(number: u8) -> String {
    format!(
        "<WV-SSP-Message><SetupTransaction mode=\"Response\" transactionID=\"zz\"><SendSecretToken \
         serviceID=\"wv:@b.example\"><SecretToken>{number}77777777777777777777777777777777</SecretToken></SendSecretToken>\
         </SetupTransaction></WV-SSP-Message>"
    )
}

#[test]
fn a_token_that_somebody_else_posts_costs_one_attempt() {
    let mut wire = Wire::plain();
    let (peer, stranger) = (from(1), from(66));
    wire.sides[0].link.open(wire.now);
    let (_, one) = posts(&mut wire, 0).expect("a token");
    assert_eq!(give_from(&mut wire, 0, &forged_token(1), stranger), Verdict::Taken);
    let (number, three) = posts(&mut wire, 0).expect("a proof");
    assert_eq!(give_from(&mut wire, 1, &one, peer), Verdict::Taken);
    let (_, two) = posts(&mut wire, 1).expect("a token");
    assert_eq!(give_from(&mut wire, 0, &two, peer), Verdict::Unauthorized, "it is too late");
    assert_eq!(give_from(&mut wire, 1, &three, peer), Verdict::Unauthorized, "and the proof was for the other one");
    let now = wire.now;
    wire.sides[0].link.posted(number, Posted::Unauthorized, now);
    // The next set-up begins at once, and whoever lied is not the first to be believed.
    let (_, one) = posts(&mut wire, 0).expect("another token");
    assert_eq!(give_from(&mut wire, 0, &forged_token(2), stranger), Verdict::Taken);
    assert_eq!(posts(&mut wire, 0), None, "something better may come");
    assert_eq!(wire.sides[0].link.next_tick(now), Some(now.plus(Duration::from_secs(2))));
    assert_eq!(give_from(&mut wire, 1, &one, peer), Verdict::Taken);
    let (_, two) = posts(&mut wire, 1).expect("a token");
    assert_eq!(give_from(&mut wire, 0, &two, peer), Verdict::Taken);
    wire.run();
    assert!(wire.sides.iter().all(|side| side.link.is_up(now)));
    // From now on it is known where the peer is, and a stranger is not heard at all as long as the peer is.
    wire.sides[0].link.sessions_lost(now);
    wire.sides[0].link.open(now);
    posts(&mut wire, 0);
    assert_eq!(give_from(&mut wire, 0, &forged_token(3), from(67)), Verdict::Taken);
    assert_eq!(posts(&mut wire, 0), None);
    wire.wait(Duration::from_secs(2));
    assert!(wire.log.iter().any(|(side, text, _)| *side == 0 && text.contains("LoginRequest")), "nobody else came");
}

#[test]
fn forged_tokens_do_not_make_the_pause_longer() {
    let mut wire = Wire::plain();
    for round in 0..40_u8 {
        let now = wire.now;
        if !wire.sides[0].link.is_setting_up() {
            wire.sides[0].link.open(now);
        }
        posts(&mut wire, 0).expect("a token");
        give_from(&mut wire, 0, &forged_token(1), from(2 * round + 1));
        wire.sides[0].link.tick(wire.now);
        let (number, _) = posts(&mut wire, 0).expect("a proof");
        give_from(&mut wire, 0, &forged_token(2), from(2 * round + 2));
        wire.sides[0].link.posted(number, Posted::Unauthorized, wire.now);
        let pause = wire.sides[0].link.setup_pause(wire.now);
        assert!(pause <= Duration::from_secs(10), "{pause:?}");
        if pause > Duration::ZERO {
            wire.now = wire.now.plus(pause);
        }
    }
}

/// A set-up by A, up to its fifth step, which is returned: the proof came from the first address.
fn five_steps(wire: &mut Wire) -> String {
    wire.sides[0].link.open(wire.now);
    for side in [0, 1, 0, 1] {
        let (_, text) = posts(wire, side).expect("a step");
        assert_eq!(give_from(wire, 1 - side, &text, from(1)), Verdict::Taken);
    }
    posts(wire, 0).expect("the fifth").1
}

#[test]
fn a_half_counts_from_where_the_proof_came_from() {
    let mut wire = Wire::plain();
    let five = five_steps(&mut wire);
    let (before, after) = five.split_once("sessionID=\"").expect("a session");
    let stolen = format!("{before}sessionID=\"stolen{after}");
    assert_eq!(give_from(&mut wire, 1, &stolen, from(9)), Verdict::Unauthorized);
    assert!(wire.sides[1].link.sessions(wire.now).is_empty());
    assert_eq!(give_from(&mut wire, 1, &five, from(1)), Verdict::Taken, "the peer's own is not lost by it");
    assert_eq!(wire.sides[1].link.sessions(wire.now).len(), 1);
    // Another one from elsewhere does nothing; from the same place, one of the two was not the peer's.
    assert_eq!(give_from(&mut wire, 1, &stolen, from(9)), Verdict::Unauthorized);
    assert_eq!(give_from(&mut wire, 1, &five, from(1)), Verdict::Unauthorized);
    assert_eq!(wire.sides[1].link.sessions(wire.now).len(), 1);
    assert_eq!(give_from(&mut wire, 1, &stolen, from(1)), Verdict::Unauthorized);
    assert!(wire.sides[1].link.sessions(wire.now).is_empty());
}

#[test]
fn a_session_that_can_be_guessed_is_spoken_in_from_where_it_was_opened() {
    for (id, elsewhere) in [("4711", Verdict::Unauthorized), ("9f86d081884c7d659a2feaa0c55ad015", Verdict::Taken)] {
        let mut wire = Wire::plain();
        let five = five_steps(&mut wire);
        let own = five.split("sessionID=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a session ID");
        assert_eq!(give_from(&mut wire, 1, &five.replace(own, &format!("{id}@a.example")), from(1)), Verdict::Taken);
        let said = format!("<WV-SSP-Message><Session sessionID=\"{id}@a.example\"/></WV-SSP-Message>");
        assert_eq!(give_from(&mut wire, 1, &said, from(88)), elsewhere, "{id}");
        assert_eq!(give_from(&mut wire, 1, &said, from(1)), Verdict::Taken, "{id}");
    }
}

#[test]
fn where_the_peer_was_proved_to_be_it_may_begin_whatever_others_claim() {
    let mut wire = Wire::plain();
    let five = five_steps(&mut wire);
    assert_eq!(give_from(&mut wire, 1, &five, from(1)), Verdict::Taken);
    let token = |number: u32| {
        format!(
            "<WV-SSP-Message><SetupTransaction mode=\"Request\" transactionID=\"t{number}\"><SendSecretToken \
             serviceID=\"wv:@a.example\"><SecretToken>abcdef</SecretToken></SendSecretToken></SetupTransaction>\
             </WV-SSP-Message>"
        )
    };
    let mut last = Verdict::Taken;
    for number in 0..140 {
        last = give_from(&mut wire, 1, &token(number), from(20 + u8::try_from(number % 12).expect("few")));
    }
    assert_eq!(last, Verdict::Busy);
    assert_eq!(give_from(&mut wire, 1, &token(1000), from(1)), Verdict::Taken);
    // And what it has begun is not what makes room for the others.
    wire.now = wire.now.plus(Duration::from_secs(59));
    for number in 0..50_u8 {
        give_from(&mut wire, 1, &token(2000 + u32::from(number)), from(100 + number));
    }
    assert!(wire.sides[1].link.setup.is_accepting(&TransactionId::new("t1000")));
}

#[test]
fn answers_that_nobody_asked_for_count_as_requests_do() {
    let settings = LinkSettings { rate: 10, ..LinkSettings::default() };
    let mut wire = Wire::new(&settings, [DigestScheme::Md5; 2]);
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.run();
    let session = wire.sides[0].link.sessions(now)[0].1.clone();
    let answers: String = (0..100)
        .map(|number| {
            format!("<Transaction mode=\"Response\" transactionID=\"u{number}\"><Status code=\"200\"/></Transaction>")
        })
        .collect();
    let text = format!("<WV-SSP-Message><Session sessionID=\"{session}\">{answers}</Session></WV-SSP-Message>");
    assert_eq!(wire.give(0, &text), Verdict::Taken);
    wire.run();
    assert_eq!(wire.sides[0].late.len(), 10);
}

#[test]
fn answers_that_wait_have_a_bound_in_octets() {
    let settings = LinkSettings { reply_bytes: 100_000, posts_max: 1, ..LinkSettings::default() };
    let mut wire = Wire::new(&settings, [DigestScheme::Md5; 2]);
    let now = wire.now;
    wire.sides[0].link.open(now);
    wire.run();
    let long = || {
        let mut said = imps_proto::ssp::JoinGroupResponse {
            status: imps_types::element::ResultInfo::of(Status::SUCCESSFUL),
            joined: None,
            welcome_note: None,
        };
        said.status.description = Some("x".repeat(30_000).into());
        Primitive::from(said)
    };
    let link = &mut wire.sides[0].link;
    for number in 0..10 {
        link.reply_with(TransactionId::new(&format!("r{number}")), long(), None, now);
    }
    assert!(link.outgoing.reply_bytes() <= 100_000, "{}", link.outgoing.reply_bytes());
    // Each is answered all the same.
    wire.wait(Duration::ZERO);
    let answered = wire.log.iter().map(|(_, text, _)| text.matches("mode=\"Response\"").count()).sum::<usize>();
    assert!(wire.log.iter().any(|(_, text, _)| text.contains("code=\"503\"")));
    assert!(answered >= 10, "{answered}");
}

//! Transactions.

use super::*;

const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";

/// A message of B in the session that A knows.
fn of_b(wire: &Wire, transactions: &str) -> String {
    let session = wire.sides[0].link.sessions(wire.now)[0].1.clone();
    format!("<WV-SSP-Message><Session sessionID=\"{session}\">{transactions}</Session></WV-SSP-Message>")
}

fn send_of_b(id: &str, text: &str) -> String {
    format!(
        "<Transaction mode=\"Request\" transactionID=\"{id}\"><SendMessageRequest><MetaInfo clientOriginated=\"Yes\">\
         <Requestor serviceID=\"wv:@b.example\"><User userID=\"{BOB}\"/></Requestor></MetaInfo><MessageInfo messageID=\"{text}\">\
         <Recipient><User userID=\"{ALICE}\"/></Recipient></MessageInfo></SendMessageRequest></Transaction>"
    )
}

#[test]
fn a_request_opens_the_session_and_gets_its_answer() {
    let mut wire = Wire::plain();
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    assert_eq!(wire.sides[1].performed.len(), 1);
    let finished = &wire.sides[0].finished;
    assert!(matches!(finished.as_slice(), [(7, how)] if code(how) == 200), "{finished:?}");
    let lines = wire.transcript();
    let (request, answer) = (&lines[6], &lines[7]);
    assert_eq!((request.0, request.1, request.3), (0, "Request", "SendMessageRequest"));
    assert_eq!((answer.0, answer.1, answer.3), (1, "Response", "Status"));
    assert_eq!(request.2, answer.2);
    assert_eq!(wire.sides[0].link.open_requests(), 0);
}

#[test]
fn what_is_open_is_shown() {
    let states = |of: Vec<OpenTransaction>| of.into_iter().map(|it| (it.name, it.state)).collect::<Vec<_>>();
    let mut wire = Wire::plain();
    wire.answers = false;
    // Nobody is there, so it waits; and it need not wait for the pause to be over.
    wire.fate.push_back(Some(Posted::Unreachable));
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    assert_eq!(states(wire.sides[0].link.requests(10)), [(Some("SendMessageRequest"), "waits for a session")]);
    wire.sides[0].link.try_now(wire.now);
    wire.wait(Duration::ZERO);
    assert_eq!(states(wire.sides[0].link.requests(10)), [(Some("SendMessageRequest"), "waits for its answer")]);
    assert_eq!(states(wire.sides[1].link.transactions(10)), [(None, "is carried out")]);
    assert!(wire.sides[0].link.requests(0).is_empty() && wire.sides[1].link.transactions(0).is_empty());
}

/// A system that has no random numbers.
struct NoDice;

impl Dice for NoDice {
    fn octets(&mut self) -> Option<[u8; 32]> {
        None
    }
}

#[test]
fn without_random_numbers_nothing_is_begun() {
    let mut wire = Wire::plain();
    wire.sides[0].link.dice = Box::new(NoDice);
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    assert_eq!(code(&wire.sides[0].finished[0].1), Status::SERVER_UNAVAILABLE.code());
    // Nor is the set-up of somebody else answered: he is told to come back.
    wire.send(1, 8, message(BOB, &[ALICE], "hello"));
    wire.run();
    assert!(wire.log.iter().all(|(from, ..)| *from == 1), "{:?}", wire.log);
    assert_eq!(wire.log.len(), 1);
    let now = wire.now;
    assert!(wire.sides.iter().all(|side| !side.link.is_up(now)));
}

#[test]
fn the_same_transaction_is_carried_out_once_and_answered_the_same() {
    let mut wire = Wire::up();
    let text = of_b(&wire, &send_of_b("t1", "one"));
    for _ in 0..3 {
        assert_eq!(wire.give(0, &text), Verdict::Taken);
        wire.run();
    }
    assert_eq!(wire.sides[0].performed.len(), 1);
    let answers: Vec<_> = wire.log.iter().map(|(_, text, _)| text.clone()).collect();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|it| *it == answers[0]));
    // It is good for less long than at the last attempt, and still the same.
    let later = text.replace(" messageID=\"one\"", " messageID=\"one\" validity=\"60\"");
    assert_ne!(later, text);
    wire.give(0, &later);
    wire.run();
    assert_eq!((wire.sides[0].performed.len(), &wire.log.last().expect("an answer").1), (1, &answers[0]));
    // The ID for something else.
    let other = of_b(&wire, &send_of_b("t1", "two"));
    wire.give(0, &other);
    wire.run();
    assert!(wire.log.last().expect("an answer").1.contains("code=\"420\""), "{:?}", wire.log.last());
    assert_eq!(wire.sides[0].performed.len(), 1);
    // One that is being worked on is not begun again either.
    wire.answers = false;
    let text = of_b(&wire, &send_of_b("t2", "three"));
    wire.give(0, &text);
    wire.give(0, &text);
    wire.run();
    assert_eq!(wire.sides[0].performed.len(), 2);
    assert_eq!(wire.sides[0].link.open_transactions(), 1);
}

#[test]
fn what_only_reads_is_carried_out_again_and_not_remembered() {
    let mut wire = Wire::up();
    let ask = imps_proto::ssp::VerifyIdRequest {
        meta: meta(BOB),
        user_ids: vec![ALICE.into()],
        screen_names: Vec::new(),
        group_ids: Vec::new(),
        domains: Vec::new(),
    };
    for number in [7, 8] {
        let (id, primitive) = (Some(TransactionId::new("r-1")), ask.clone().into());
        let within = Duration::from_secs(30);
        wire.sides[1].link.send(Outgoing { number, id, primitive, lane: None, within, haste: Haste::None }, wire.now);
        wire.run();
    }
    assert_eq!((wire.sides[0].performed.len(), wire.sides[0].link.remembered()), (2, 0));
    assert_eq!(wire.sides[1].finished.iter().map(|(_, how)| code(how)).collect::<Vec<_>>(), [200, 200]);
}

#[test]
fn answers_are_remembered_within_a_number_of_octets() {
    let settings = LinkSettings { remember_bytes: 3000, ..LinkSettings::default() };
    let mut wire = Wire::new(&settings, [DigestScheme::Md5; 2]);
    wire.sides[0].link.open(wire.now);
    wire.run();
    wire.answers = false;
    let long = "so ".repeat(600);
    for id in ["t1", "t2"] {
        let text = of_b(&wire, &send_of_b(id, id));
        wire.give(0, &text);
        wire.run();
        wire.sides[0].link.answered(&TransactionId::new(id), status(Status::UNKNOWN_USER, &long), wire.now);
        wire.run();
    }
    let again = |wire: &mut Wire, id: &str| {
        let text = of_b(wire, &send_of_b(id, id));
        wire.give(0, &text);
        wire.run();
        let (_, answer, _) = wire.log.last().expect("an answer");
        (answer.contains("code=\"531\"") || answer.contains("<Code>531"), answer.contains(long.trim_end()))
    };
    assert_eq!((again(&mut wire, "t1"), again(&mut wire, "t2")), ((true, false), (true, true)));
    assert_eq!(wire.sides[0].performed.len(), 2, "and none is carried out again");
}

#[test]
fn what_is_carried_out_at_once_has_an_end_in_octets() {
    let settings = LinkSettings { open_bytes: 3000, ..LinkSettings::default() };
    let mut wire = Wire::new(&settings, [DigestScheme::Md5; 2]);
    wire.sides[0].link.open(wire.now);
    wire.run();
    wire.answers = false;
    for id in ["t1", "t2", "t3"] {
        let text = of_b(&wire, &send_of_b(id, &format!("{id}{}", "m".repeat(1000))));
        wire.give(0, &text);
        wire.run();
    }
    let performed =
        |wire: &Wire| wire.sides[0].performed.iter().map(|(id, _)| id.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(performed(&wire), ["t1", "t2"]);
    assert!(wire.log.last().expect("an answer").1.contains("503"));
    wire.sides[0].link.answered(&TransactionId::new("t1"), status(Status::SUCCESSFUL, ""), wire.now);
    let text = of_b(&wire, &send_of_b("t3", &"m".repeat(1000)));
    wire.give(0, &text);
    wire.run();
    assert_eq!(performed(&wire), ["t1", "t2", "t3"]);
}

#[test]
fn a_lost_session_is_set_up_again_and_the_request_keeps_its_id() {
    let mut wire = Wire::up();
    // B has lost everything.
    wire.sides[1] = Side::new(link("b.example", "a.example", &LinkSettings::default(), DigestScheme::Md5, 3));
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    let ids: Vec<_> =
        wire.transcript().into_iter().filter(|it| it.3 == "SendMessageRequest").map(|(_, _, id, _)| id).collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
    assert!(matches!(wire.sides[0].finished.as_slice(), [(7, how)] if code(how) == 200));
    assert_eq!(wire.sides[1].performed.len(), 1);
}

#[test]
fn a_connection_that_is_closed_twice_means_that_the_session_is_gone() {
    let mut wire = Wire::up();
    wire.fate = [Some(Posted::Closed), Some(Posted::Closed)].into();
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    let names: Vec<_> = wire.transcript().into_iter().map(|it| it.3).collect();
    assert_eq!(names.iter().filter(|it| **it == "SendMessageRequest").count(), 3);
    assert_eq!(names.iter().filter(|it| **it == "SendSecretToken").count(), 2);
    assert!(matches!(wire.sides[0].finished.as_slice(), [(7, how)] if code(how) == 200));
}

#[test]
fn a_status_that_says_the_session_is_gone_does_the_same_once() {
    let mut wire = Wire::up();
    wire.answers = false;
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    let (id, _) = wire.sides[1].performed[0].clone();
    let gone = format!(
        "<Transaction mode=\"Response\" transactionID=\"{}\"><Status code=\"604\"/></Transaction>",
        id.as_str()
    );
    let gone = of_b(&wire, &gone);
    wire.give(0, &gone);
    assert!(!wire.sides[0].link.is_up(wire.now));
    wire.run();
    assert!(wire.sides[0].link.is_up(wire.now), "it was set up anew");
    wire.sides[1].link.answered(&id, status(Status::SUCCESSFUL, ""), wire.now);
    wire.run();
    assert!(matches!(wire.sides[0].finished.as_slice(), [(7, how)] if code(how) == 200));
    assert_eq!(wire.sides[1].performed.len(), 1, "and B had it already");
}

#[test]
fn times_run_out() {
    // Taken and not answered: 504. The answer that comes then is late.
    let mut wire = Wire::up();
    wire.answers = false;
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    assert!(wire.sides[0].finished.is_empty());
    wire.wait(Duration::from_secs(30));
    assert_eq!(wire.sides[0].finished, [(7, Err(Failure::NoAnswer))]);
    assert_eq!(Failure::NoAnswer.status(), Status::TIMEOUT);
    let (id, _) = wire.sides[1].performed[0].clone();
    wire.sides[1].link.answered(&id, status(Status::SUCCESSFUL, ""), wire.now);
    wire.run();
    assert_eq!(wire.sides[0].late, [id]);
    // Never taken: 503, and when to try again.
    let mut wire = Wire::up();
    wire.fate = std::iter::repeat_n(Some(Posted::Unreachable), 100).collect();
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    for _ in 0..30 {
        wire.wait(Duration::from_secs(1));
    }
    let [(7, Err(Failure::NotSent(code, _, pause)))] = wire.sides[0].finished.as_slice() else {
        panic!("{:?}", wire.sides[0].finished)
    };
    assert_eq!(*code, Status::SERVER_UNAVAILABLE);
    assert!(*pause >= Duration::from_secs(1));
    assert!(wire.log.len() < 8, "with pauses between: {}", wire.log.len());
    // Where there is no way, nobody waits: 516.
    let mut wire = Wire::plain();
    wire.fate = [Some(Posted::NoWay)].into();
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    assert_eq!(code_of(&wire), [516]);
}

#[test]
fn what_comes_again_after_its_time_is_posted_once() {
    // As what waits in the store does, as long as the peer is away: under the same ID, each time after the one before failed.
    let mut wire = Wire::plain();
    wire.fate = std::iter::repeat_n(Some(Posted::Unreachable), 1000).collect();
    let id = TransactionId::new("held-1");
    for number in 1..=4 {
        let within = Duration::from_secs(30);
        let primitive = message(ALICE, &[BOB], "hello");
        let what = Outgoing { number, id: Some(id.clone()), primitive, lane: Some(1), within, haste: Haste::None };
        wire.sides[0].link.send(what, wire.now);
        wire.run();
        if number < 4 {
            wire.wait(within);
            assert_eq!(code_of(&wire).len() as u64, number);
        }
    }
    wire.fate.clear();
    wire.log.clear();
    wire.sides[0].link.end_pause(wire.now);
    wire.run();
    let sent = wire.transcript().into_iter().filter(|it| it.3 == "SendMessageRequest").count();
    assert_eq!((sent, code_of(&wire).last().copied()), (1, Some(200)));
}

fn code_of(wire: &Wire) -> Vec<u16> {
    wire.sides[0].finished.iter().map(|(_, how)| code(how)).collect()
}

fn told() -> Primitive {
    let told = imps_proto::ssp::InviteResponse {
        meta: None,
        invite_id: "i-5".into(),
        acceptance: true,
        status: None,
        inviting: Some(imps_proto::ssp::Party::User(user(BOB))),
        responding: Some(imps_proto::ssp::Party::User(user(ALICE))),
        note: None,
        screen_name: None,
    };
    told.into()
}

#[test]
fn who_tells_is_done_when_it_was_taken_and_nobody_objects() {
    let mut wire = Wire::up();
    wire.answers = false;
    wire.send(0, 7, told());
    wire.run();
    assert_eq!(code_of(&wire), [0_u16; 0], "an objection may come yet");
    wire.wait(Duration::from_secs(2));
    assert_eq!(code_of(&wire), [200]);
    assert_eq!(wire.sides[1].performed.len(), 1);
}

#[test]
fn with_whom_something_was_agreed_on_answers_what_it_is_told() {
    let mut wire = Wire::up();
    wire.answers = false;
    wire.sides[0].link.set_agreement(Agreement::of_contract(crate::Terms::default()));
    wire.send(0, 7, told());
    wire.run();
    wire.wait(Duration::from_secs(29));
    assert_eq!(code_of(&wire), [0_u16; 0], "that it was taken is no sign that it is kept");
    wire.wait(Duration::from_secs(1));
    assert_eq!(wire.sides[0].finished, [(7, Err(Failure::NoAnswer))]);
    wire.answers = true;
    wire.send(0, 8, told());
    wire.run();
    assert_eq!(code_of(&wire), [504, 200]);
}

#[test]
fn what_was_told_may_be_refused_and_that_is_its_end() {
    let mut wire = Wire::up();
    wire.answers = false;
    wire.send(0, 7, told());
    wire.run();
    let id = wire.sides[1].performed[0].0.clone();
    let now = wire.now;
    wire.sides[1].link.answered(&id, status(Status::SERVER_UNAVAILABLE, ""), now);
    wire.run();
    wire.wait(Duration::from_secs(2));
    assert_eq!(code_of(&wire), [503], "and there is no second end");
}

#[test]
fn a_peer_that_logs_in_and_then_denies_it_is_not_set_up_without_a_pause() {
    let mut wire = Wire::up();
    let denied = std::iter::once(Some(Posted::Unauthorized)).chain(std::iter::repeat_n(None, 6));
    wire.fate = denied.clone().chain(denied.clone()).chain(denied).collect();
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    let begun = |wire: &Wire| {
        wire.transcript().iter().filter(|it| (it.0, it.1, it.3) == (0, "Request", "SendSecretToken")).count()
    };
    assert_eq!(begun(&wire), 1, "once at once");
    wire.wait(Duration::from_secs(21));
    assert_eq!(begun(&wire), 2);
    wire.send(0, 8, message(ALICE, &[BOB], "hello"));
    wire.run();
    assert_eq!(begun(&wire), 2, "again not at once");
}

#[test]
fn the_order_in_a_lane_holds_and_others_pass() {
    let mut wire = Wire::up();
    for (number, lane) in [(1, 1), (2, 1), (3, 2), (4, 1)] {
        wire.send_in(0, number, message(ALICE, &[BOB], &number.to_string()), Some(lane));
    }
    // The first alone is under way; of the others, only the one of the other lane.
    let posts = wire.sides[0].link.actions();
    assert_eq!(posts.len(), 2, "{posts:?}");
    for post in posts {
        wire.act(0, post);
    }
    wire.run();
    let order: Vec<_> = wire.sides[1]
        .performed
        .iter()
        .map(|(_, it)| match it {
            Primitive::SendMessageRequest(it) => it.info.message_id.clone().expect("an ID"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(order.iter().map(|it| &**it).collect::<Vec<_>>(), ["1", "3", "2", "4"]);
    assert_eq!(code_of(&wire).len(), 4);
}

#[test]
fn an_answer_may_be_quicker_than_the_receipt() {
    let mut wire = Wire::up();
    wire.send_in(0, 1, message(ALICE, &[BOB], "1"), Some(7));
    wire.send_in(0, 2, message(ALICE, &[BOB], "2"), Some(7));
    let Some(Action::Post(post)) = wire.sides[0].link.actions().pop() else { panic!("a post") };
    let id = post.transaction.clone().expect("an ID");
    let answer = format!(
        "<Transaction mode=\"Response\" transactionID=\"{}\"><Status code=\"200\"/></Transaction>",
        id.as_str()
    );
    let answer = of_b(&wire, &answer);
    wire.give(0, &answer);
    assert!(matches!(wire.sides[0].link.actions().as_slice(), [Action::Finished(1, Ok(_))]));
    wire.sides[0].link.posted(post.id, Posted::Taken, wire.now);
    wire.run();
    assert_eq!(code_of(&wire), [200], "and the lane is free for the next one");
    assert_eq!(wire.sides[1].performed.len(), 1);
}

#[test]
fn several_go_in_one_message_and_a_bad_one_does_not_spoil_the_others() {
    let settings = LinkSettings { posts_max: 1, ..LinkSettings::default() };
    let mut wire = Wire::new(&settings, [DigestScheme::Md5; 2]);
    for number in 1..=3 {
        wire.send(0, number, message(ALICE, &[BOB], &number.to_string()));
    }
    wire.fate = [None, None, None, None, None, None, Some(Posted::Refused(400)), Some(Posted::Refused(400))].into();
    wire.run();
    assert_eq!(wire.log[6].1.matches("<Transaction ").count(), 3, "{}", wire.log[6].1);
    assert_eq!(wire.log[7].1.matches("<Transaction ").count(), 1, "then one by one");
    let mut codes = code_of(&wire);
    codes.sort_unstable();
    assert_eq!(codes, [200, 200, 402]);
    assert_eq!(wire.sides[1].performed.len(), 2);
}

#[test]
fn a_peer_that_is_busy_is_left_alone_for_so_long() {
    let mut wire = Wire::up();
    wire.fate = [Some(Posted::Busy(Duration::from_secs(7)))].into();
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    assert_eq!(wire.log.len(), 1);
    assert_eq!(wire.sides[0].link.next_tick(wire.now), Some(wire.now.plus(Duration::from_secs(7))));
    wire.wait(Duration::from_secs(6));
    assert_eq!(wire.log.len(), 1);
    wire.wait(Duration::from_secs(1));
    assert_eq!(code_of(&wire), [200]);
}

#[test]
fn answers_that_fit_nothing_do_nothing() {
    let mut wire = Wire::up();
    wire.answers = false;
    wire.send(0, 7, message(ALICE, &[BOB], "hello"));
    wire.run();
    let other =
        of_b(&wire, "<Transaction mode=\"Response\" transactionID=\"nobody's\"><Status code=\"200\"/></Transaction>");
    wire.give(0, &other);
    wire.run();
    assert!(wire.sides[0].finished.is_empty());
    assert_eq!(wire.sides[0].late.len(), 1);
    let (id, _) = wire.sides[1].performed[0].clone();
    let wrong = format!(
        "<Transaction mode=\"Response\" transactionID=\"{}\"><RejectListResponse><Status code=\"200\"/></RejectListResponse></Transaction>",
        id.as_str()
    );
    let wrong = of_b(&wire, &wrong);
    wire.give(0, &wrong);
    wire.run();
    assert!(matches!(wire.sides[0].finished.as_slice(), [(7, Err(Failure::WrongAnswer(_)))]));
}

#[test]
fn a_report_comes_in_either_form() {
    let mut wire = Wire::up();
    let report = "<DeliveryStatusReport><DeliveryResult><Status code=\"200\"/></DeliveryResult><MessageInfo messageID=\"m-81\">\
        <Recipient><User userID=\"wv:bob@b.example\"/></Recipient></MessageInfo></DeliveryStatusReport>";
    for (mode, id) in [("Response", "m-81"), ("Request", "77")] {
        let text = format!("<Transaction mode=\"{mode}\" transactionID=\"{id}\">{report}</Transaction>");
        let text = of_b(&wire, &text);
        assert_eq!(wire.give(0, &text), Verdict::Taken);
        wire.run();
    }
    assert_eq!(wire.sides[0].performed.len(), 2);
    assert_eq!(wire.log.len(), 1, "only the request is answered");
    let said = wire.sides[0].performed[0].1.clone();
    wire.log.clear();
    wire.sides[0].link.tell_as_answer(TransactionId::new("m-9"), said, wire.now);
    wire.run();
    assert_eq!(wire.transcript()[0].1, "Response");
}

#[test]
fn reports_in_the_form_of_answers_have_the_limits_of_requests() {
    let mut wire = Wire::up();
    let settings = LinkSettings { open_max: 2, ..LinkSettings::default() };
    wire.sides[0].link.settings = Arc::new(settings);
    wire.answers = false;
    let report = |id: &str, about: &str| {
        format!(
            "<Transaction mode=\"Response\" transactionID=\"{id}\"><DeliveryStatusReport><DeliveryResult><Status code=\"200\"/>\
             </DeliveryResult><MessageInfo messageID=\"m-81\"><Recipient><User userID=\"{about}\"/></Recipient></MessageInfo>\
             </DeliveryStatusReport></Transaction>"
        )
    };
    let give = |wire: &mut Wire, id: &str, about: &str| {
        let text = of_b(wire, &report(id, about));
        assert_eq!(wire.give(0, &text), Verdict::Taken);
        wire.run();
        (wire.sides[0].performed.len(), wire.sides[0].link.open_transactions())
    };
    assert_eq!(give(&mut wire, "1", "wv:carl@c.example"), (0, 0), "nobody of the peer's");
    assert_eq!(give(&mut wire, "1", BOB), (1, 1));
    assert_eq!(give(&mut wire, "1", BOB), (2, 2));
    assert_eq!(give(&mut wire, "2", BOB), (2, 2), "two are open");
    let now = wire.now;
    for open in [1, 0, 0] {
        wire.sides[0].link.answered(&TransactionId::new("1"), status(Status::SUCCESSFUL, ""), now);
        assert_eq!(wire.sides[0].link.open_transactions(), open);
    }
    assert_eq!(give(&mut wire, "2", BOB), (3, 1));
}

#[test]
fn too_much_is_refused() {
    let settings = LinkSettings { open_max: 2, rate: 3, recipients_max: 2, posts_max: 1, ..LinkSettings::default() };
    let mut wire = Wire::new(&settings, [DigestScheme::Md5; 2]);
    wire.sides[1] = Side::new(link("b.example", "a.example", &LinkSettings::default(), DigestScheme::Md5, 2));
    let now = wire.now;
    wire.sides[1].link.open(now);
    wire.run();
    wire.answers = false;
    let many: &[&str] = &["wv:a1@a.example", "wv:a2@a.example", "wv:a3@a.example"];
    wire.send(1, 1, message(BOB, many, "many"));
    for number in 2..=4 {
        wire.send(1, number, message(BOB, &[ALICE], &number.to_string()));
    }
    wire.run();
    let answers = |wire: &Wire| -> Vec<(u64, u16, Option<u32>)> {
        let of = |(number, how): &(u64, Result<Primitive, Failure>)| {
            (*number, code(how), how.as_ref().ok().and_then(|it| it.outcome()?.try_again))
        };
        wire.sides[1].finished.iter().map(of).collect()
    };
    assert_eq!(answers(&wire), [(1, 507, None), (4, 503, Some(1))]);
    let open: Vec<_> = wire.sides[0].performed.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(open.len(), 2);
    for id in open {
        wire.sides[0].link.answered(&id, status(Status::SUCCESSFUL, ""), now);
    }
    // Two of three have been taken in this second.
    wire.send(1, 5, message(BOB, &[ALICE], "5"));
    wire.send(1, 6, message(BOB, &[ALICE], "6"));
    wire.run();
    assert!(answers(&wire).contains(&(6, 503, Some(1))), "{:?}", answers(&wire));
    // And ours are bounded too.
    wire.fate = [Some(Posted::Taken), Some(Posted::Taken)].into();
    for number in 10..13 {
        wire.send(0, number, message(ALICE, &[BOB], "x"));
    }
    wire.run();
    assert!(matches!(wire.sides[0].finished.as_slice(), [(12, how)] if code(how) == 503));
}

#[test]
fn nobody_speaks_for_others_or_to_others_or_outside_the_agreement() {
    let mut wire = Wire::up();
    for (said, expected) in [
        (message("wv:mallory@c.example", &[ALICE], "x"), 901),
        (message(BOB, &["wv:zoe@c.example"], "x"), 516),
        (message(BOB, &["zoe"], "x"), 516),
        (subscribe(BOB, ALICE), 405),
        (message(BOB, &[ALICE], "x"), 200),
    ] {
        wire.sides[1].finished.clear();
        wire.send(1, 1, said.clone());
        wire.run();
        assert_eq!(wire.sides[1].finished.iter().map(|(_, how)| code(how)).collect::<Vec<_>>(), [expected], "{said:?}");
    }
    assert_eq!(wire.sides[0].performed.len(), 1);
    // With an agreement, what is outside of it is 506.
    let interop = [Service::Im, Service::Common].into();
    wire.sides[0].link.set_agreement(Agreement::of_contract(crate::Terms { interop, ..crate::Terms::default() }));
    wire.sides[1].finished.clear();
    wire.send(1, 2, subscribe(BOB, ALICE));
    wire.run();
    assert_eq!(code(&wire.sides[1].finished[0].1), 506);
    // A sender who is not the user that MetaInfo names is looked at too.
    let Primitive::SendMessageRequest(mut forged) = message(BOB, &[ALICE], "x") else { panic!("a message") };
    forged.info.sender = Some(Sender::User(user("wv:mallory@c.example")));
    wire.sides[1].finished.clear();
    wire.send(1, 3, forged.into());
    wire.run();
    assert_eq!(code(&wire.sides[1].finished[0].1), 901);
}

#[test]
fn a_relay_may_bring_strangers_to_whom_it_is_agreed_for() {
    let mut wire = Wire::up();
    let provision = crate::Provision { service: Service::Im, domain: domain("b.example") };
    let interop = [Service::Im, Service::Common].into();
    let terms = crate::Terms { interop, ours: [provision].into(), ..crate::Terms::default() };
    wire.sides[0].link.territory = territory("a.example", &[(domain("b.example"), terms.clone())]);
    wire.sides[0].link.set_agreement(Agreement::of_contract(terms));
    for (from, to, expected) in [
        // Dave of D to Bob of B, whose messages A keeps: B vouches.
        ("wv:dave@d.example", BOB, 200),
        // But not for a word to somebody else.
        ("wv:dave@d.example", ALICE, 901),
        (BOB, ALICE, 200),
    ] {
        wire.sides[1].finished.clear();
        wire.send(1, 1, message(from, &[to], "x"));
        wire.run();
        assert_eq!(code(&wire.sides[1].finished[0].1), expected, "{from} to {to}");
    }
}

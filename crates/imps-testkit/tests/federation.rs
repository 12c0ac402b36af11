//! Two domains, each a program of its own, and phones of both (SSP 16.1).

#[path = "federation/mod.rs"]
mod federation;

use federation::*;
use imps_testkit::phone::forms::{Body, Outgoing, Targets};
use imps_testkit::phone::status_of;
use imps_testkit::server::End;

const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";
const ZOE: &str = "wv:zoe@b.example";
const CARS: &str = "wv:alice/cars@a.example";

/// A message as a domain posts it.
fn message(requestor: (&str, &str), from: &str, to: &[&str], text: &str) -> String {
    use base64::Engine as _;
    let (service, user) = requestor;
    let to: String = to.iter().map(|one| format!("<Recipient><User userID=\"{one}\"/></Recipient>")).collect();
    let data = base64::engine::general_purpose::STANDARD.encode(text);
    let size = text.len();
    format!(
        "<SendMessageRequest deliveryReport=\"No\"><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"{service}\"><User \
         userID=\"{user}\"/></Requestor></MetaInfo><MessageInfo messageID=\"forged-{text}\" contentType=\"text/plain\" \
         contentSize=\"{size}\" validity=\"600\">{to}<Sender><User userID=\"{from}\"/></Sender></MessageInfo><ContentData \
         contentType=\"text/plain\" encoding=\"base64\">{data}</ContentData></SendMessageRequest>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_domains_that_know_each_others_url() {
    let world = World::of("two_domains_that_know_each_others_url");
    let (a, b) = (world.home("a.example", &["alice"], &[]).await, world.home("b.example", &["bob"], &[]).await);
    let (mut alice, mut bob) = (a.phone("alice").await, b.phone("bob").await);
    // Before they know each other there is no way.
    assert_eq!(send(&mut alice, &[BOB], "hi").await, 516);
    let why = a.operate(&["peer", "show", "b.example"]).await.expect_err("no peer yet");
    assert!(why.contains("there is no peer b.example") && why.contains("hamlet peer add"), "{why}");
    a.knows(&b, &[]).await;
    // The other side does not know us.
    let steps = a.operate(&["peer", "test", "b.example"]).await.expect_err("not answered");
    assert_eq!(steps.trim(), "hamlet peer test b.example:", "it says it on standard output");
    b.knows(&a, &[]).await;
    let steps = a.do_(&["peer", "test", "b.example"]).await;
    assert!(steps.contains("was opened") && steps.contains("and offers COMMON, "), "{steps}");
    assert!(a.do_(&["peer", "list"]).await.contains("b.example"));

    assert!(send(&mut alice, &[BOB, ZOE], "hi").await == 200);
    assert_eq!(next(&mut bob).await, "hi from wv:alice@a.example");
    assert_eq!(next_of(&mut alice, 2).await, ["200 for wv:bob@b.example", "531 for wv:zoe@b.example"]);
    assert_eq!(send(&mut bob, &[ALICE], "hello").await, 200);
    assert_eq!(next(&mut alice).await, "hello from wv:bob@b.example");
    assert_eq!(next(&mut bob).await, "200 for wv:alice@a.example");
    is_quiet(&mut alice).await;
    is_quiet(&mut bob).await;

    // What went to B, and to A.
    let (to_b, to_a) = (world.wire.names(0, "a.example", "b.example"), world.wire.names(0, "b.example", "a.example"));
    let place = |log: &[String], name: &str| log.iter().position(|one| one == name);
    for (log, who) in [(&to_b, "b"), (&to_a, "a")] {
        assert_eq!(place(log, "SendSecretToken"), Some(0), "{who}: {log:?}");
        for name in ["LoginRequest", "SendMessageRequest", "SendMessageResponse", "DeliveryStatusReport", "Status"] {
            assert!(place(log, name).is_some(), "no {name} to {who}: {log:?}");
        }
    }
    let in_order = ["GetServiceListRequest", "SetServiceAgreementRequest", "SendMessageRequest", "SendMessageResponse"];
    let places: Vec<_> =
        in_order.iter().map(|name| place(&to_b, name).unwrap_or_else(|| panic!("{name}: {to_b:?}"))).collect();
    assert!(places.is_sorted(), "{to_b:?}");

    // What was agreed on is shown, with the server running and without, and counted.
    let shown = a.shown("b.example").await;
    assert_eq!(shown["agreement"]["origin"], "negotiated", "{shown}");
    assert_eq!((&shown["queue"]["messages"], &shown["queue"]["reports"]), (&0.into(), &0.into()), "{shown}");
    let metrics = get(a.server.address(), "/metrics").await;
    assert!(metrics.contains("hamlet_ssp_sessions{peer=\"b.example\"} "), "{metrics}");
    let Home { server: mut of_a, .. } = a;
    of_a.end(End::Stop).await.expect("ended");
    let words = ["peer", "show", "b.example"].map(str::to_owned);
    let shown = of_a.operate(&words).await.expect("shown without a server");
    assert!(shown.contains("negotiated, until 2") && shown.contains("no server runs"), "{shown}");
    let words = ["peer", "test", "b.example"].map(str::to_owned);
    assert!(of_a.operate(&words).await.expect_err("no server").contains("no server runs"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_gets_everything_once() {
    let world = World::of("who_was_away_gets_everything_once");
    let (a, mut b) = (world.home("a.example", &["alice"], &[]).await, world.home("b.example", &["bob"], &[]).await);
    a.knows(&b, &[]).await;
    b.knows(&a, &[]).await;
    let mut alice = a.phone("alice").await;
    assert_eq!(send(&mut alice, &[BOB], "0").await, 200);
    for (round, end) in [End::Stop, End::Kill].into_iter().enumerate() {
        // Something is under way in a session, and then nobody is there.
        b.server.end(end).await.expect("ended");
        for number in 1..=10 {
            assert_eq!(send(&mut alice, &[BOB], &(10 * round + number).to_string()).await, 200);
        }
        let shown = a.do_(&["peer", "show", "b.example"]).await;
        let waits = ["WAITING", "message", "wv:bob@b.example"];
        assert!(waits.iter().all(|part| shown.contains(part)), "{shown}");
        b.server.go_on().await.expect("started");
        let mut bob = b.phone("bob").await;
        let first = if round == 0 { 0 } else { 11 };
        for number in first..=(10 * round + 10) {
            assert_eq!(next(&mut bob).await, format!("{number} from {ALICE}"), "in order");
        }
        is_quiet(&mut bob).await;
        for _ in first..=(10 * round + 10) {
            assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
        }
    }
    is_quiet(&mut alice).await;
    // Nobody waits for a domain that is no peer any more.
    b.server.end(End::Stop).await.expect("ended");
    assert_eq!(send(&mut alice, &[BOB], "too late").await, 200);
    a.do_(&["peer", "remove", "b.example"]).await;
    assert_eq!(next(&mut alice).await, format!("516 for {BOB}"));
    assert_eq!(send(&mut alice, &[BOB], "later still").await, 516);
}

/// Scenario 16.1: a domain with instant messages and groups, and one with everything.
#[tokio::test(flavor = "multi_thread")]
async fn figure_2_minimal_interoperability() {
    let world = World::of("figure_2_minimal_interoperability");
    let few = [("ssp.services", "COMMON,IM,GROUP")];
    let a = world.home("a.example", &["alice"], &few).await;
    let b = world.home("b.example", &["bob"], &[]).await;
    a.knows(&b, &[]).await;
    b.knows(&a, &[]).await;
    let (mut alice, mut bob) = (a.phone("alice").await, b.phone("bob").await);
    let mut story = Transcript::new("16.1", "Minimal interoperability (figure 2)", &world);
    let to_b = |since| world.wire.names(since, "a.example", "b.example");
    let to_a = |since| world.wire.names(since, "b.example", "a.example");

    story.step("1 and 2. A and B find out what the other has, and agree").await;
    a.meets(&b).await;
    b.meets(&a).await;
    for (log, who) in [(to_b(0), "b"), (to_a(0), "a")] {
        assert!(log.iter().any(|one| one == "GetServiceListRequest"), "{who}: {log:?}");
    }
    assert!(to_b(0).iter().any(|one| one == "SetServiceAgreementRequest"), "{:?}", to_b(0));
    for (home, other) in [(&a, "b.example"), (&b, "a.example")] {
        let shown = home.shown(other).await;
        assert_eq!(shown["agreement"]["services"], serde_json::json!(["COMMON", "IM", "GROUP"]), "{shown}");
        let session = &shown["state"]["sessions"][0];
        let ends_in = |key: &str, domain: &str| session[key].as_str().is_some_and(|id| id.ends_with(domain));
        assert!(ends_in("own", &format!("@{}", home.domain)) && ends_in("theirs", &format!("@{other}")), "{shown}");
    }
    story.shows(&a, "b.example").await;
    story.shows(&b, "a.example").await;

    story.step("3. Alice sends “hi” to Bob, with a delivery report").await;
    assert_eq!(send(&mut alice, &[BOB], "hi").await, 200);
    story.note("alice sends “hi” to bob: 200");
    assert_eq!(next(&mut bob).await, format!("hi from {ALICE}"));
    story.note(format!("bob gets: hi from {ALICE}"));
    assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
    story.note(format!("alice gets a delivery report: 200 for {BOB}"));
    let (_, sent) = world.wire.wait_for(story.began(), "a.example", "b.example", "SendMessageRequest").await;
    let parts = ["deliveryReport=\"Yes\"", "\"wv:alice@a.example\"", "\"wv:bob@b.example\"", ">aGk=<"];
    assert!(parts.iter().all(|part| sent.contains(part)), "{sent}");
    world.wire.wait_for(story.began(), "b.example", "a.example", "DeliveryStatusReport").await;

    story.step("4. Bob joins Alice's group as “Speedy”").await;
    create_group(&mut alice, CARS, "Ali").await;
    let joined = join(&mut bob, CARS, "Speedy").await;
    assert_eq!(joined.name, "JoinGroup-Response", "{}", joined.pretty());
    assert_eq!(
        joined.find("Joined/SName").iter().map(|name| name.text.as_str()).collect::<Vec<_>>(),
        ["Ali", "Speedy"]
    );
    story.note("bob joins wv:alice/cars@a.example; in it is: Ali");
    assert_eq!(next(&mut alice).await, format!("{CARS} joined by Speedy"));
    story.note(format!("alice is told: {CARS} joined by Speedy"));

    story.step("5. Bob says something in the group").await;
    assert_eq!(send(&mut bob, &[CARS], "vroom").await, 200);
    assert_eq!(next(&mut alice).await, format!("vroom from Speedy in {CARS}"));
    story.note(format!("alice gets: vroom from Speedy in {CARS}"));
    is_quiet(&mut bob).await;
    assert_eq!(send(&mut alice, &[CARS], "hello all").await, 200);
    assert_eq!(next(&mut bob).await, format!("hello all from Ali in {CARS}"));
    story.note(format!("alice says “hello all” there, and bob gets: hello all from Ali in {CARS}"));
    is_quiet(&mut alice).await;

    story.step("6. Bob leaves").await;
    assert_eq!(leave(&mut bob, CARS).await, 200);
    assert_eq!(next(&mut alice).await, format!("{CARS} left by Speedy"));
    story.note(format!("bob leaves: 200; alice is told: {CARS} left by Speedy"));
    assert!(to_a(story.began()).iter().any(|name| name == "LeaveGroupRequest"));
    assert!(to_b(story.began()).iter().any(|name| name == "LeaveGroupIndication"));

    story.step("7. What was not agreed on").await;
    let refused = subscribe(&mut bob, &[ALICE], &["OnlineStatus"]).await;
    assert_eq!(status_of(&refused), 506, "{}", refused.pretty());
    story.note("bob subscribes to alice's presence: 506, and nothing is sent");
    let shares = Invitation { id: "sc-1", to: &[BOB], group: None, note: "look" };
    assert_eq!(invite(&mut alice, shares).await, 506);
    story.note("alice invites bob to content: 506, and nothing is sent");
    assert_eq!(world.wire.len(), story.began(), "{:?}", world.wire.since(story.began()));
    let forced = "<SubscribeRequest><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@b.example\"><User \
                  userID=\"wv:bob@b.example\"/></Requestor></MetaInfo><UserID userID=\"wv:alice@a.example\"/></SubscribeRequest>";
    let answer = a.is_told_by(&b, "forced-1", forced).await;
    assert!(answer.starts_with("<Status code=\"506\""), "{answer}");
    story.note("a SubscribeRequest that B sends all the same: 506");

    story.step("8. What is refused, and what comes twice").await;
    let (ours, meta) = ("wv:@b.example", ("wv:@b.example", "wv:mallory@c.example"));
    let answer = a.is_told_by(&b, "forged-1", &message(meta, BOB, &[ALICE], "x")).await;
    assert!(answer.starts_with("<Status code=\"901\""), "{answer}");
    let answer = a.is_told_by(&b, "forged-2", &message((ours, BOB), "wv:mallory@c.example", &[ALICE], "y")).await;
    assert!(answer.starts_with("<Status code=\"901\""), "{answer}");
    story.note("a message in the name of mallory of c.example: 901");
    let to = [ALICE, "wv:zoe@a.example"];
    let answer = a.is_told_by(&b, "unknown-1", &message((ours, BOB), BOB, &to, "z")).await;
    assert!(answer.contains("code=\"201\"") && answer.contains("code=\"531\""), "{answer}");
    assert_eq!(next(&mut alice).await, format!("z from {BOB}"));
    story.note("a message to alice and to zoe, whom nobody knows: 201, with 531 for zoe");
    let twice = message((ours, BOB), BOB, &[ALICE], "once");
    let first = a.is_told_by(&b, "twice-1", &twice).await;
    assert_eq!(next(&mut alice).await, format!("once from {BOB}"));
    assert_eq!(a.is_told_by(&b, "twice-1", &twice).await, first);
    is_quiet(&mut alice).await;
    is_quiet(&mut bob).await;
    story.note("the same transaction twice: alice gets it once, and the answer is the same");
    story.shows(&a, "b.example").await;
    story.finish().await;
}

/// What guests of a group hear, and what an operator sees of them and does with them.
#[tokio::test(flavor = "multi_thread")]
async fn a_guest_of_a_group_is_spoken_to_alone_and_thrown_out() {
    let world = World::of("a_guest_of_a_group_is_spoken_to_alone_and_thrown_out");
    let (mut a, b) = (world.home("a.example", &["alice"], &[]).await, world.home("b.example", &["bob"], &[]).await);
    a.knows(&b, &[]).await;
    b.knows(&a, &[]).await;
    let (mut alice, mut bob) = (a.phone("alice").await, b.phone("bob").await);
    create_group(&mut alice, CARS, "Ali").await;
    assert_eq!(join(&mut bob, CARS, "Speedy").await.name, "JoinGroup-Response");
    assert_eq!(next(&mut alice).await, format!("{CARS} joined by Speedy"));

    let psst = |name: &str, text: &str| {
        let to = Targets { names: vec![(name.to_owned(), CARS.to_owned())], ..Targets::default() };
        Outgoing { to, content: Body::Text(text.to_owned()), ..Outgoing::default() }
    };
    let said = psst("Speedy", "psst");
    assert_eq!(status_of(&try_to(&mut alice, |it| it.speaker.send_message(&said)).await), 200);
    let heard = loop {
        bob.poll_for_what_is_left().await.expect("polled");
        if let Some(received) = bob.take().await.expect("acknowledged") {
            break received.primitive;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let at = |path: &str| heard.text_at(path).unwrap_or_default();
    assert_eq!((at("Recipient/SName"), at("Recipient/GroupID")), ("Speedy", CARS), "{}", heard.pretty());
    assert_eq!((at("Sender/SName"), at("ContentData")), ("Ali", "psst"), "{}", heard.pretty());
    let said = psst("Ali", "what?");
    assert_eq!(status_of(&try_to(&mut bob, |it| it.speaker.send_message(&said)).await), 200);
    assert_eq!(next(&mut alice).await, format!("what? from Speedy in {CARS}"));

    // A guest is no client of ours.
    let sessions = a.do_(&["session", "list", "--json"]).await;
    assert!(sessions.contains(ALICE) && !sessions.contains(BOB), "{sessions}");

    // After a restart each hears who else is there.
    a.restart(End::Stop).await;
    assert_eq!(next(&mut bob).await, format!("{CARS} joined by Ali"));
    assert_eq!(next(&mut alice).await, format!("{CARS} joined by Speedy"));

    // What he has not heard when he leaves is never heard.
    assert_eq!(send(&mut alice, &[CARS], "vroom").await, 200);
    world.wire.quiet().await;
    assert_eq!(leave(&mut bob, CARS).await, 200);
    assert_eq!(next(&mut alice).await, format!("{CARS} left by Speedy"));
    is_quiet(&mut bob).await;
    assert!(!b.do_(&["message", "list", "bob"]).await.contains(CARS));

    assert_eq!(join(&mut bob, CARS, "Speedy").await.name, "JoinGroup-Response");
    assert_eq!(next(&mut alice).await, format!("{CARS} joined by Speedy"));
    a.do_(&["group", "kick", CARS, BOB]).await;
    assert_eq!(next(&mut bob).await, format!("out of {CARS}: 601"));
    assert_eq!(next(&mut alice).await, format!("{CARS} left by Speedy"));
    a.do_(&["group", "members", CARS, "--reject", BOB]).await;
    assert_eq!(status_of(&join(&mut bob, CARS, "Speedy").await), 809);
}

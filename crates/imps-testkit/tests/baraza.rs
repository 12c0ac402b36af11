//! A domain of ours, and a peer in Python that speaks as the open-source server does, with all its oddities (SSP 17).

#[path = "federation/mod.rs"]
mod federation;

use federation::*;
use imps_testkit::phone::status_of;
use serde_json::{Value, json};

const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";
/// The same as the peer says them.
const THEIR_ALICE: &str = "alice@a.example";
const THEIR_BOB: &str = "bob@b.example";
const CARS: &str = "wv:alice/cars@a.example";
const BOATS: &str = "wv:bob/boats@b.example";

/// Content is shared with nobody unless that was agreed on, and the peer does not negotiate.
const SHARING: [&str; 2] = ["--services", "COMMON,IM,PRESENCE,GROUP,CONTENT"];

/// Our domain, which has alice, and the peer, which has bob: each knows where the other is.
async fn neighbours(test: &'static str, agreed: &[&str]) -> (World, Home, Python) {
    let world = World::of(test);
    let a = world.home("a.example", &["alice", "ann"], &[]).await;
    let mut b = Python::start("b.example").await;
    a.knows_at("b.example", b.address, agreed).await;
    let between = Between::new(&world.wire, "b.example", "a.example", a.server.address()).await;
    b.do_("know", json!({ "domain": "a.example", "url": between.url() })).await;
    b.do_("add", json!({ "user": "bob", "StatusText": "here" })).await;
    (world, a, b)
}

/// The same, with a session.
async fn acquainted(test: &'static str) -> (World, Home, Python) {
    acquainted_by(test, &[]).await
}

/// The same, with what the two operators agreed on.
async fn acquainted_by(test: &'static str, agreed: &[&str]) -> (World, Home, Python) {
    let (world, a, mut b) = neighbours(test, agreed).await;
    b.do_("open", json!({ "domain": "a.example" })).await;
    b.event("session").await;
    (world, a, b)
}

fn ends_in(session: &Value, own: &str, theirs: &str) -> bool {
    let ends = |key: &str, domain: &str| session[key].as_str().is_some_and(|id| id.ends_with(domain));
    ends("own", own) && ends("theirs", theirs)
}

#[tokio::test(flavor = "multi_thread")]
async fn we_open_a_session_with_it() {
    let (world, a, mut b) = neighbours("baraza_we_open_a_session_with_it", &[]).await;
    let mut alice = a.phone("alice").await;
    assert_eq!(send(&mut alice, &[BOB], "hi").await, 200);
    // It keeps its half late, and hangs up on whoever is quick: the second attempt has patience.
    let session = b.event("session").await;
    assert_eq!(session["opened"], "by them");
    assert!(ends_in(&session, "@b.example", "@a.example"), "{session}");
    assert_eq!(b.event("message").await["text"], "hi");
    let misspelt = world.wire.posted("b.example", "a.example");
    assert!(misspelt.iter().any(|one| one.document.contains("procotolVersion")), "{misspelt:?}");
    // It knows nothing of agreements, so what is usual holds.
    assert_eq!(b.event("refused").await["code"], 405);
    let shown = a.shown("b.example").await;
    assert_eq!(shown["agreement"]["origin"], "default", "{shown}");
    assert_eq!(shown["state"]["sessions"].as_array().map(Vec::len), Some(1), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_opens_a_session_with_us() {
    let (_world, a, mut b) = neighbours("baraza_it_opens_a_session_with_us", &[]).await;
    // In the name of a domain that we do not know, or that is somewhere else, nobody gets anywhere.
    b.do_("claim", json!({ "domain": "a.example", "service": "c.example" })).await;
    b.event("set-up failed").await;
    let mut alice = a.phone("alice").await;
    b.do_("say", json!({ "user": "bob", "to": [ALICE], "text": "hi" })).await;
    let session = b.event("session").await;
    assert_eq!(session["opened"], "by us");
    assert!(ends_in(&session, "@b.example", "@a.example"), "{session}");
    assert_eq!(next(&mut alice).await, format!("hi from {BOB}"));
    // Another set-up does no harm: it goes on sending in the older session.
    b.do_("open", json!({ "domain": "a.example" })).await;
    b.event("session").await;
    b.do_("say", json!({ "user": "bob", "to": [ALICE], "text": "again" })).await;
    assert_eq!(next(&mut alice).await, format!("again from {BOB}"));
    assert_eq!(send(&mut alice, &[BOB], "and back").await, 200);
    assert_eq!(b.event("message").await["text"], "and back");
    // What cannot be read is answered by 400, and a session that nobody knows by 401.
    let octets = |body: &str| json!({ "domain": "a.example", "body": body });
    assert_eq!(b.do_("octets", octets("<WV-SSP-Message><Session>")).await, 400);
    let unknown = "<WV-SSP-Message><Session sessionID=\"9@b.example\"><Transaction mode=\"Request\" \
                   transactionID=\"9\"><Status code=\"200\"/></Transaction></Session></WV-SSP-Message>";
    assert_eq!(b.do_("octets", octets(unknown)).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_both_ways() {
    let (_world, a, mut b) = acquainted("baraza_messages_both_ways").await;
    let mut alice = a.phone("alice").await;
    let said = b.ask("say", json!({ "user": "bob", "to": [ALICE], "text": "hi <&> \u{e9}" })).await;
    assert_eq!((&said["primitive"], &said["code"]), (&"sendmessageresponse".into(), &200.into()), "{said}");
    assert_eq!(next(&mut alice).await, format!("hi <&> \u{e9} from {BOB}"));
    assert_eq!(send(&mut alice, &[BOB], "hello <&> \u{e9}").await, 200);
    let came = b.event("message").await;
    assert_eq!(
        (&came["text"], &came["of"], &came["to"]),
        (&"hello <&> \u{e9}".into(), &THEIR_ALICE.into(), &THEIR_BOB.into())
    );
    assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
    // Whom we do not know, it is told; and it speaks for its own people only.
    let said = b.ask("say", json!({ "user": "bob", "to": ["wv:zoe@a.example"], "text": "hi" })).await;
    assert_eq!((&said["code"], &said["details"]["zoe@a.example"]), (&531.into(), &531.into()), "{said}");
    let said = b.ask("say", json!({ "user": "mallory@c.example", "to": [ALICE], "text": "hi" })).await;
    assert_eq!(said["code"], 901, "{said}");
    // It forwards nothing for a third domain, and neither do we.
    let other = "<SendMessageRequest deliveryReport=\"No\"><MetaInfo clientOriginated=\"Yes\"><Requestor \
                 serviceID=\"wv:@b.example\"><User userID=\"wv:bob@b.example\"/></Requestor></MetaInfo><MessageInfo \
                 messageID=\"m-9\" contentType=\"text/plain\" contentSize=\"0\"><Recipient><User \
                 userID=\"wv:dave@d.example\"/></Recipient><Sender><User userID=\"wv:bob@b.example\"/></Sender></MessageInfo>\
                 </SendMessageRequest>";
    let said = b.ask("raw", json!({ "domain": "a.example", "inside": other })).await;
    assert_eq!(said["code"], 516, "{said}");
    is_quiet(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_both_ways() {
    let (_world, a, mut b) = acquainted("baraza_reports_both_ways").await;
    let mut alice = a.phone("alice").await;
    // Its report comes in the form of an answer, under the ID of the message.
    assert_eq!(send(&mut alice, &[BOB, "wv:zoe@b.example"], "hi").await, 200);
    assert_eq!(next_of(&mut alice, 2).await, ["200 for wv:bob@b.example", "531 for wv:zoe@b.example"]);
    // And so it wants ours: what comes as a request is dropped.
    let message = b.do_("say", json!({ "user": "bob", "to": [ALICE], "text": "hi", "report": true })).await;
    assert_eq!(next(&mut alice).await, format!("hi from {BOB}"));
    let report = b.event("report").await;
    assert_eq!(
        (&report["message"], &report["code"], &report["of"]),
        (&message["message"], &200.into(), &THEIR_ALICE.into())
    );
    // Nobody is told of a message for which no report was asked.
    b.do_("say", json!({ "user": "bob", "to": [ALICE], "text": "psst", "report": false })).await;
    assert_eq!(next(&mut alice).await, format!("psst from {BOB}"));
    b.no("report").await;
    b.no("stray report").await;
    is_quiet(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_of_its_users() {
    let (_world, a, mut b) = acquainted("baraza_presence_of_its_users").await;
    let mut alice = a.phone("alice").await;
    assert_eq!(status_of(&subscribe(&mut alice, &[BOB], &["OnlineStatus", "StatusText"]).await), 200);
    let subscribed = b.event("subscribed").await;
    assert_eq!((&subscribed["by"], &subscribed["to"]), (&THEIR_ALICE.into(), &json!([THEIR_BOB])), "{subscribed}");
    assert_eq!(subscribed["attributes"], json!(["OnlineStatus", "StatusText"]));
    assert_eq!(next(&mut alice).await, format!("{BOB} OnlineStatus=T StatusText=here"));
    b.do_("presence", json!({ "user": "bob", "StatusText": "gone <fishing>" })).await;
    let told = next(&mut alice).await;
    assert!(told.starts_with(BOB) && told.contains("StatusText=gone <fishing>"), "{told}");
    // Once, without a subscription. It leaves the Status out.
    let answer = get_presence(&mut alice, &[BOB], &["StatusText"]).await;
    assert_eq!(presence(&answer), format!("{BOB} StatusText=gone <fishing>"), "{}", answer.pretty());
    unsubscribe(&mut alice, &[BOB]).await;
    assert_eq!(b.event("unsubscribed").await["to"], json!([THEIR_BOB]));
    b.do_("presence", json!({ "user": "bob", "StatusText": "back" })).await;
    is_quiet(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_of_our_users() {
    let (_world, a, mut b) = acquainted("baraza_presence_of_our_users").await;
    let mut alice = a.phone("alice").await;
    show_all(&mut alice, &["StatusText"]).await;
    publish(&mut alice, "StatusText", "here").await;
    let of_alice = |more: Value| {
        let mut given = json!({ "user": "bob", "to": [ALICE] });
        given.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        given
    };
    assert_eq!(b.ask("subscribe", of_alice(json!({ "attributes": ["StatusText"] }))).await["code"], 200);
    let told = b.event("presence").await;
    assert_eq!((&told["of"], &told["to"]), (&THEIR_ALICE.into(), &json!([THEIR_BOB])), "{told}");
    assert_eq!(told["values"], json!({ "StatusText": "here" }));
    publish(&mut alice, "StatusText", "gone <fishing>").await;
    assert_eq!(b.event("presence").await["values"], json!({ "StatusText": "gone <fishing>" }));
    // It believes only an answer that has a Status.
    let answer = b.ask("get_presence", of_alice(json!({ "attributes": ["StatusText"] }))).await;
    assert_eq!(answer["values"][THEIR_ALICE]["StatusText"], "gone <fishing>", "{answer}");
    assert_eq!(b.ask("unsubscribe", of_alice(json!({}))).await["code"], 200);
    publish(&mut alice, "StatusText", "back").await;
    b.no("presence").await;
    // Nobody sees what was not shown.
    let answer = b.ask("get_presence", of_alice(json!({ "attributes": ["StatusMood"] }))).await;
    assert!(answer["values"][THEIR_ALICE].get("StatusMood").is_none(), "{answer}");
    let unknown = json!({ "user": "bob", "to": ["wv:zoe@a.example"] });
    assert_eq!(b.ask("subscribe", unknown).await["code"], 531);
}

#[tokio::test(flavor = "multi_thread")]
async fn its_users_in_our_group() {
    let (_world, a, mut b) = acquainted("baraza_its_users_in_our_group").await;
    let mut alice = a.phone("alice").await;
    create_group(&mut alice, CARS, "Ali").await;
    let bob = |more: Value| {
        let mut given = json!({ "user": "bob", "group": CARS });
        given.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        given
    };
    let joined = b.ask("join", bob(json!({ "name": "Speedy" }))).await;
    assert_eq!((&joined["primitive"], &joined["code"]), (&"joingroupresponse".into(), &200.into()), "{joined}");
    assert_eq!(joined["joined"], json!(["Ali", "Speedy"]), "names without user IDs");
    assert_eq!(next(&mut alice).await, format!("{CARS} joined by Speedy"));
    // Who is there: the peer reads JoinedAdmin and JoinedUsers.
    let there = b.ask("of_group", bob(json!({ "primitive": "GetJoinedUsersRequest" }))).await;
    let mut names: Vec<_> = there["joined"].as_object().expect("names").keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["Ali", "Speedy"], "{there}");
    let said = b.ask("say", json!({ "user": "bob", "to": [CARS], "text": "vroom", "report": false })).await;
    assert_eq!(said["code"], 200, "{said}");
    assert_eq!(next(&mut alice).await, format!("vroom from Speedy in {CARS}"));
    assert_eq!(send(&mut alice, &[CARS], "hello all").await, 200);
    let came = b.event("message").await;
    assert_eq!((&came["text"], &came["to"], &came["name"]), (&"hello all".into(), &THEIR_BOB.into(), &"Ali".into()));
    assert_eq!(came["of"], "alice/cars@a.example", "{came}");
    // He hears of others who come and go.
    let mut ann = a.phone("ann").await;
    assert_eq!(status_of(&join(&mut ann, CARS, "Ann").await), 200);
    let notice = b.event("notice").await;
    assert_eq!((&notice["joined"], &notice["to"]), (&json!(["Ann"]), &json!([THEIR_BOB])), "{notice}");
    assert_eq!(leave(&mut ann, CARS).await, 200);
    assert_eq!(b.event("notice").await["left"], json!(["Ann"]));
    let left = b.ask("leave", bob(json!({}))).await;
    assert_eq!((&left["primitive"], &left["code"]), (&"leavegroupindication".into(), &200.into()), "{left}");
    assert_eq!(b.ask("leave", bob(json!({}))).await["code"], 808);
    b.no("message").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_users_in_its_group() {
    let (_world, a, mut b) = acquainted("baraza_our_users_in_its_group").await;
    let mut alice = a.phone("alice").await;
    b.do_("group", json!({ "group": BOATS, "owner": "bob" })).await;
    b.do_("join", json!({ "user": "bob", "group": BOATS, "name": "Skipper" })).await;
    let joined = join(&mut alice, BOATS, "Ali").await;
    assert_eq!((joined.name.as_str(), status_of(&joined)), ("JoinGroup-Response", 200), "{}", joined.pretty());
    assert_eq!(joined.text_at("SName"), Some("Skipper"), "{}", joined.pretty());
    assert!(joined.pretty().contains("welcome"), "{}", joined.pretty());
    b.event_with("joined", |it| it["of"] == THEIR_ALICE).await;
    let there = try_to(&mut alice, |it| it.speaker.of_group("GetJoinedUsers-Request", BOATS)).await;
    let mut names: Vec<_> = there.find("SName").iter().map(|name| name.text.clone()).collect();
    names.sort();
    assert_eq!(names, ["Ali", "Skipper"], "{}", there.pretty());
    // It hands what we say on to its own people; what they say it does not hand on to ours.
    assert_eq!(send(&mut alice, &[BOATS], "ahoy").await, 200);
    let came = b.event("group message").await;
    assert_eq!((&came["text"], &came["name"], &came["to"]), (&"ahoy".into(), &"Ali".into(), &THEIR_BOB.into()));
    b.do_("say", json!({ "user": "bob", "to": [BOATS], "text": "nobody hears this" })).await;
    // But it tells who comes and goes.
    b.do_("add", json!({ "user": "bea" })).await;
    b.do_("join", json!({ "user": "bea", "group": BOATS, "name": "Bea" })).await;
    assert_eq!(next(&mut alice).await, format!("{BOATS} joined by Bea"));
    b.do_("leave", json!({ "user": "bea", "group": BOATS })).await;
    assert_eq!(next(&mut alice).await, format!("{BOATS} left by Bea"));
    assert_eq!(leave(&mut alice, BOATS).await, 200);
    b.event_with("left", |it| it["of"] == THEIR_ALICE).await;
    assert_eq!(leave(&mut alice, BOATS).await, 808);
    // A group that is not there.
    let none = join(&mut alice, "wv:bob/none@b.example", "Ali").await;
    assert_eq!(status_of(&none), 800, "{}", none.pretty());
    is_quiet(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_users_invite_its_users() {
    let (_world, a, mut b) = acquainted_by("baraza_our_users_invite_its_users", &SHARING).await;
    let mut alice = a.phone("alice").await;
    for (id, accepts, verb) in [("i-1", true, "accepts"), ("i-2", false, "rejects")] {
        let what = Invitation { id, to: &[BOB], group: None, note: "look & see" };
        assert_eq!(invite(&mut alice, what).await, 200);
        let invited = b.event("invited").await;
        assert_eq!((&invited["of"], &invited["to"]), (&THEIR_ALICE.into(), &THEIR_BOB.into()), "{invited}");
        assert_eq!((&invited["kind"], &invited["note"]), (&"SC".into(), &"look & see".into()), "{invited}");
        assert_eq!(invited["urls"], json!(["http://pictures.example/1.jpg"]));
        // The two parties are swapped in what it answers, and a rejection has the status 404.
        let answer = json!({ "invitation": invited["invitation"], "accepts": accepts, "note": "so be it" });
        b.do_("answer", answer).await;
        assert_eq!(next(&mut alice).await, format!("{BOB} {verb}: so be it"));
    }
    // To a group, and not any more.
    create_group(&mut alice, CARS, "Ali").await;
    let what = Invitation { id: "i-3", to: &[BOB], group: Some(CARS), note: "come" };
    assert_eq!(invite(&mut alice, what).await, 200);
    let invited = b.event("invited").await;
    assert_eq!((&invited["kind"], &invited["group"]), (&"GR".into(), &"alice/cars@a.example".into()), "{invited}");
    assert_eq!(cancel(&mut alice, Invitation { note: "too late", ..what }).await, 200);
    let cancelled = b.event("invitation cancelled").await;
    assert_eq!((&cancelled["invitation"], &cancelled["note"]), (&invited["invitation"], &"too late".into()));
    is_quiet(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn its_users_invite_our_users() {
    let (_world, a, mut b) = acquainted_by("baraza_its_users_invite_our_users", &SHARING).await;
    let mut alice = a.phone("alice").await;
    let what = |note: &str| json!({ "user": "bob", "to": [ALICE], "kind": "SC", "urls": ["http://x/1"], "note": note });
    for (accepts, note) in [(true, "gladly"), (false, "never")] {
        let id = b.do_("invite", what("look")).await;
        assert_eq!(next(&mut alice).await, format!("invited to http://x/1 by {BOB}: look"));
        let ours = alice.current.as_ref().and_then(|it| it.primitive.child_text("InviteID")).expect("an ID").to_owned();
        assert_eq!(answer(&mut alice, &ours, BOB, accepts, note).await, 200);
        let answered = b.event("invitation answered").await;
        assert_eq!((&answered["invitation"], &answered["accepted"]), (&id, &accepts.into()), "{answered}");
        assert_eq!(answered["note"], note);
    }
    // What it writes to take one back is not well-formed: there is nothing to answer but 400, and all goes on.
    let id = b.do_("invite", what("quick")).await;
    assert_eq!(next(&mut alice).await, format!("invited to http://x/1 by {BOB}: quick"));
    b.do_("cancel", json!({ "user": "bob", "invitation": id })).await;
    assert_eq!(b.event("not taken").await["http"], 400);
    // And it does not escape what people write.
    b.do_("invite", what("rock & roll")).await;
    assert_eq!(b.event("not taken").await["http"], 400);
    b.ask("say", json!({ "user": "bob", "to": [ALICE], "text": "still there" })).await;
    assert_eq!(next(&mut alice).await, format!("still there from {BOB}"));
    is_quiet(&mut alice).await;
    // Several are invited in as many transactions.
    let two = json!({ "user": "bob", "to": [ALICE, "wv:zoe@a.example"], "kind": "SC", "urls": ["http://x/1"] });
    b.do_("invite", two).await;
    b.event_with("answer", |it| it["of"] == "InviteRequest" && it["code"] == 531).await;
    assert!(next(&mut alice).await.starts_with("invited to http://x/1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_survives_that_we_lose_our_state() {
    let (_world, mut a, mut b) = acquainted("baraza_it_survives_that_we_lose_our_state").await;
    let mut alice = a.phone("alice").await;
    assert_eq!(send(&mut alice, &[BOB], "before").await, 200);
    assert_eq!(b.event("message").await["text"], "before");
    // Until its answer is on the disk here it might come again: the peer does not know what it had before.
    assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
    while a.shown("b.example").await["queue"]["messages"] != 0 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    a.restart(imps_testkit::server::End::Kill).await;
    let mut alice = a.phone("alice").await;
    // It does not log in again while it has a row of us, so we must.
    assert_eq!(send(&mut alice, &[BOB], "after").await, 200);
    assert_eq!(b.event("session").await["opened"], "by them");
    assert_eq!(b.event("message").await["text"], "after");
    b.do_("say", json!({ "user": "bob", "to": [ALICE], "text": "and back", "report": false })).await;
    let mut came = next(&mut alice).await;
    // Reports of messages before may come in between.
    while came.starts_with("200 for") {
        came = next(&mut alice).await;
    }
    assert_eq!(came, format!("and back from {BOB}"));
}

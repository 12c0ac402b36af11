//! A chain of domains: A, B with no instant messages of its own, two relays, and P, which has them for B (SSP 16.3).

#[path = "federation/mod.rs"]
mod federation;

use std::time::Duration;

use federation::*;
use imps_testkit::phone::forms::AccessChange;
use imps_testkit::phone::{Node, Phone, status_of};
use imps_testkit::server::End;

const ALICE: &str = "wv:alice@a.example";
const BOB: &str = "wv:bob@b.example";

/// Everything but what B lacks.
const NO_IM: (&str, &str) = ("ssp.services", "COMMON,PRESENCE,CONTACTLIST,GROUP,CONTENT");

/// The five domains of the figure.
struct Chain {
    a: Home,
    b: Home,
    h1: Home,
    h2: Home,
    p: Home,
}

impl Chain {
    /// A–B, B–H1, H1–H2 and H2–P know each other, and nobody else.
    async fn new(world: &World) -> Self {
        let a = world.home("a.example", &["alice"], &[]).await;
        let b = world.home("b.example", &["bob"], &[NO_IM]).await;
        let h1 = world.home("h1.example", &["carol"], &[]).await;
        let h2 = world.home("h2.example", &[], &[]).await;
        let p = world.home("p.example", &[], &[]).await;
        let im = ["--provides", "IM@b.example"];
        let for_b = ["--served", "IM@b.example"];
        let behind = ["--served", "IM@b.example", "--behind", "b.example"];
        a.knows(&b, &[]).await;
        b.knows(&a, &[]).await;
        b.knows(&h1, &im).await;
        h1.knows(&b, &for_b).await;
        h1.knows(&h2, &im).await;
        h2.knows(&h1, &behind).await;
        h2.knows(&p, &im).await;
        p.knows(&h2, &behind).await;
        let chain = Self { a, b, h1, h2, p };
        chain.a.meets(&chain.b).await;
        chain.b.meets(&chain.h1).await;
        chain.h1.meets(&chain.h2).await;
        chain.h2.meets(&chain.p).await;
        chain
    }

    fn all(&self) -> [&Home; 5] {
        [&self.a, &self.b, &self.h1, &self.h2, &self.p]
    }

    /// No relay has a row in its transaction table.
    async fn nothing_is_open(&self) {
        for (home, peers) in [(&self.h1, ["b.example", "h2.example"]), (&self.h2, ["h1.example", "p.example"])] {
            for peer in peers {
                let shown = home.shown(peer).await;
                let open = shown["open"].as_array().map_or(0, Vec::len);
                assert_eq!(open, 0, "{}: {shown}", home.domain);
            }
        }
    }
}

/// The hops of a chain, in this direction.
const UP: [(&str, &str); 3] = [("b.example", "h1.example"), ("h1.example", "h2.example"), ("h2.example", "p.example")];
const DOWN: [(&str, &str); 3] =
    [("p.example", "h2.example"), ("h2.example", "h1.example"), ("h1.example", "b.example")];

/// A primitive on each hop: its transaction IDs and contents.
async fn along(wire: &Wire, since: usize, hops: &[(&str, &str)], name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (from, to) in hops {
        found.push(wire.wait_for(since, from, to, name).await);
    }
    found
}

fn are_different(ids: &[(String, String)]) {
    let mut all: Vec<_> = ids.iter().map(|(id, _)| id).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), ids.len(), "{ids:?}");
}

/// Asks whom a user blocks: what the home of his messages knows.
async fn blocked(phone: &mut Phone) -> Node {
    try_to(phone, |_| Node::empty("GetBlockedList-Request")).await
}

/// How the sending of a message ended: what is answered at once, or the report that says it.
async fn outcome(phone: &mut Phone, to: &str, text: &str) -> u16 {
    match send(phone, &[to], text).await {
        200 => {
            let report = next(phone).await;
            let code = report.split(' ').next().and_then(|code| code.parse().ok());
            code.unwrap_or_else(|| panic!("no report: {report}"))
        }
        refused => refused,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_4_a_chain_of_relays() {
    let world = World::of("figure_4_a_chain_of_relays");
    let wire = world.wire.clone();
    let mut chain = Chain::new(&world).await;
    let (mut alice, mut bob) = (chain.a.phone("alice").await, chain.b.phone("bob").await);
    wire.quiet().await;
    let mut story = Transcript::new("16.3", "A chain of relays (figure 4)", &world);

    story.step("1. Alice writes to Bob, whose messages P has").await;
    assert_eq!(send(&mut alice, &[BOB], "hello").await, 200);
    let (first, _) = wire.wait_for(story.began(), "a.example", "b.example", "SendMessageRequest").await;
    let asked = along(&wire, story.began(), &UP, "SendMessageRequest").await;
    let mut ids = asked.clone();
    ids.push((first, String::new()));
    are_different(&ids);
    for ((_, said), hops) in asked.iter().zip([7, 6, 5]) {
        assert!(said.contains(&format!("hopsLeft=\"{hops}\"")), "{said}");
        assert!(said.contains("alice@a.example"), "{said}");
    }
    let vias = |said: &str| said.matches("<Via ").count();
    assert_eq!(asked.iter().map(|(_, said)| vias(said)).collect::<Vec<_>>(), [1, 2, 3]);
    along(&wire, story.began(), &DOWN, "SendMessageResponse").await;
    wire.wait_for(story.began(), "b.example", "a.example", "SendMessageResponse").await;
    story.note("alice sends “hello” to bob: 200");

    story.step("2. P delivers it, and the report comes back").await;
    assert_eq!(next(&mut bob).await, format!("hello from {ALICE}"));
    story.note(format!("bob gets: hello from {ALICE}"));
    assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
    story.note(format!("alice gets a delivery report: 200 for {BOB}"));
    let since = 0;
    are_different(&along(&wire, since, &DOWN, "NewMessage").await);
    along(&wire, since, &UP, "MessageDelivered").await;
    along(&wire, since, &DOWN, "DeliveryStatusReport").await;
    wire.wait_for(since, "b.example", "a.example", "DeliveryStatusReport").await;
    wire.quiet().await;
    chain.nothing_is_open().await;
    for home in chain.all() {
        let peers: &[&str] = match home.domain {
            "a.example" => &["b.example"],
            "b.example" => &["a.example", "h1.example"],
            "h1.example" => &["b.example", "h2.example"],
            "h2.example" => &["h1.example", "p.example"],
            _ => &["h2.example"],
        };
        for peer in peers {
            story.shows(home, peer).await;
        }
    }

    story.step("3. Bob writes to Alice").await;
    assert_eq!(send(&mut bob, &[ALICE], "hello back").await, 200);
    assert_eq!(next(&mut alice).await, format!("hello back from {BOB}"));
    assert_eq!(next(&mut bob).await, format!("200 for {ALICE}"));
    wire.quiet().await;
    assert!(wire.names(story.began(), "b.example", "a.example").contains(&"SendMessageRequest".to_owned()));
    assert!(wire.names(story.began(), "b.example", "h1.example").is_empty(), "no relay is involved");
    story.note(format!("alice gets: hello back from {BOB}"));

    story.step("4. Bob's own data are P's").await;
    let list = blocked(&mut bob).await;
    assert_eq!(status_of(&list), 200, "{}", list.pretty());
    along(&wire, story.began(), &UP, "GetBlockedListRequest").await;
    along(&wire, story.began(), &DOWN, "GetBlockedListResponse").await;
    let change = AccessChange { in_use: Some(true), add: Some(vec![Node::leaf("UserID", ALICE)]), remove: None };
    ask(&mut bob, |it| it.speaker.block_entity("BlockList", change)).await;
    along(&wire, story.began(), &UP, "BlockEntityRequest").await;
    story.note("bob reads whom he blocks, and blocks alice");
    let waits = ask(&mut bob, |it| it.speaker.get_message_list(None, None)).await;
    assert!(waits.find("MessageInfo").is_empty(), "{}", waits.pretty());
    along(&wire, story.began(), &UP, "GetMessageListRequest").await;
    along(&wire, story.began(), &DOWN, "GetMessageListResponse").await;
    story.note("no message waits for bob");
    assert_eq!(outcome(&mut alice, BOB, "do you hear me?").await, 532);
    story.note("alice's next message: 532");
    let change = AccessChange { in_use: Some(false), add: None, remove: Some(vec![Node::leaf("UserID", ALICE)]) };
    ask(&mut bob, |it| it.speaker.block_entity("BlockList", change)).await;

    story.step("4a. Bob's phone fetches its messages, from P").await;
    ask(&mut bob, |it| it.speaker.set_delivery_method("N", None, None)).await;
    along(&wire, story.began(), &UP, "SetMessageDeliveryMethodRequest").await;
    assert_eq!(send(&mut alice, &[BOB], "when you have time").await, 200);
    assert_eq!(next(&mut bob).await, format!("a message from {ALICE}"));
    along(&wire, story.began(), &DOWN, "MessageNotification").await;
    let told = bob.current.as_ref().and_then(|it| it.primitive.text_at("MessageID")).expect("an ID").to_owned();
    let fetched = ask(&mut bob, |it| it.speaker.of_messages("GetMessage-Request", std::slice::from_ref(&told))).await;
    assert_eq!(fetched.text_at("ContentData"), Some("when you have time"), "{}", fetched.pretty());
    ask(&mut bob, |it| it.speaker.of_messages("MessageDelivered", &[told])).await;
    for name in ["GetMessageRequest", "MessageDelivered"] {
        are_different(&along(&wire, story.began(), &UP, name).await);
    }
    assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
    story.note(format!(
        "bob is told of a message from {ALICE}, and fetches it: when you have time; then alice gets 200"
    ));
    ask(&mut bob, |it| it.speaker.set_delivery_method("P", None, None)).await;

    story.step("5. P is down").await;
    chain.p.server.end(End::Stop).await.expect("ended");
    wire.quiet().await;
    let since = wire.len();
    assert_eq!(send(&mut alice, &[BOB], "are you there?").await, 200);
    let (_, answer) = wire.wait_for(since, "b.example", "a.example", "SendMessageResponse").await;
    assert!(answer.contains("code=\"202\""), "{answer}");
    let (_, refused) = wire.wait_for(since, "h2.example", "h1.example", "Status").await;
    assert!(refused.contains("code=\"503\"") && refused.contains("TryAgainTimeout"), "{refused}");
    story.note("H2 answers 503; B keeps the message and answers A 202");
    chain.p.server.go_on().await.expect("started");
    assert_eq!(next(&mut bob).await, format!("are you there? from {ALICE}"));
    assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
    story.note(format!("P is up again, and bob gets: are you there? from {ALICE}"));
    is_quiet(&mut bob).await;
    story.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_4_when_something_is_wrong() {
    let world = World::of("figure_4_when_something_is_wrong");
    let wire = world.wire.clone();
    let mut chain = Chain::new(&world).await;
    let (mut alice, mut bob) = (chain.a.phone("alice").await, chain.b.phone("bob").await);
    wire.quiet().await;
    let mut story = Transcript::new("16.3-failures", "The same chain when something is wrong", &world);

    story.step("6. P is silent").await;
    chain.h2.way_becomes(&chain.p, Mood::Forgetful);
    let list = blocked(&mut bob).await;
    assert_eq!(status_of(&list), 504, "{}", list.pretty());
    for (_, said) in along(&wire, story.began(), &DOWN[1..], "Status").await {
        assert!(said.contains("code=\"504\""), "{said}");
    }
    chain.h2.way_becomes(&chain.p, Mood::Well);
    story.note("bob asks whom he blocks: 504, which H2 says first");

    story.step("7. What would go in a circle").await;
    let why = chain.h2.operate(&["peer", "route", "b.example", "IM", "h1.example"]).await.expect_err("a circle");
    assert!(why.contains("circle"), "{why}");
    story.note("H2 does not let its operator send back what comes from H1");
    // Somebody else does all the same: H1 finds itself in the Route.
    let asks = |route: &str| {
        format!(
            "<GetBlockedListRequest><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@b.example\"><User \
             userID=\"wv:bob@b.example\"/></Requestor>{route}</MetaInfo></GetBlockedListRequest>"
        )
    };
    let vias = ["b", "h1", "h2"].map(|name| format!("<Via serviceID=\"wv:@{name}.example\"/>")).concat();
    let route = |hops: u32| {
        format!(
            "<Route xmlns=\"urn:x-imps:ssp-route:1\" id=\"loop\" hopsLeft=\"{hops}\" msLeft=\"20000\">{vias}</Route>"
        )
    };
    let since = wire.len();
    let said = chain.h1.is_told_by(&chain.b, "loop-1", &asks(&route(5))).await;
    assert!(said.contains("code=\"516\""), "{said}");
    story.note("a request comes to H1 that has come through it already: 516");
    // From an old domain, which writes no Route: B's own people do not come from there.
    let said = chain.h1.is_told_by(&chain.h2, "loop-2", &asks("")).await;
    assert!(said.contains("code=\"901\""), "{said}");
    wire.quiet().await;
    for (from, to) in &UP[1..] {
        assert!(!wire.names(since, from, to).contains(&"GetBlockedListRequest".to_owned()), "forwarded to {to}");
    }
    story.note("without a Route, from where B is not: 901; nothing is forwarded");
    let few = "<Route xmlns=\"urn:x-imps:ssp-route:1\" id=\"far\" hopsLeft=\"0\" msLeft=\"20000\"/>";
    let said = chain.h1.is_told_by(&chain.b, "far-1", &asks(few)).await;
    assert!(said.contains("code=\"516\""), "{said}");
    story.note("a request that has no hops left: 516");
    assert_eq!(status_of(&blocked(&mut bob).await), 200);

    story.step("7a. Each of the three is right, and together they are a circle").await;
    story.shows_only(&["GetBlockedListRequest"], true);
    // P is told that H1 has the messages of B. It cannot see that this leads back.
    chain.p.knows(&chain.h1, &["--provides", "IM@b.example"]).await;
    chain.h1.knows(&chain.p, &[]).await;
    chain.p.meets(&chain.h1).await;
    let since = wire.len();
    let refused = blocked(&mut bob).await;
    assert_eq!(status_of(&refused), 516, "{}", refused.pretty());
    let ring = [UP[0], UP[1], UP[2], ("p.example", "h1.example")];
    are_different(&along(&wire, since, &ring, "GetBlockedListRequest").await);
    let (_, said) = wire.wait_for(since, "h1.example", "p.example", "Status").await;
    assert!(said.contains("code=\"516\"") && said.contains("loop"), "{said}");
    wire.quiet().await;
    for (from, to) in ring {
        let asked = wire.names(since, from, to).into_iter().filter(|name| name == "GetBlockedListRequest").count();
        assert_eq!(asked, 1, "{from} to {to}");
    }
    chain.nothing_is_open().await;
    story.note("bob asks whom he blocks: it comes to H1 for the second time, which answers 516, and that goes back all the way");
    chain.p.do_(&["peer", "remove", "h1.example"]).await;
    chain.h1.do_(&["peer", "remove", "p.example"]).await;
    assert_eq!(status_of(&blocked(&mut bob).await), 200);

    story.step("8. H2 does no longer serve H1").await;
    story.shows_only(&["SendMessageRequest"], true);
    let began = wire.len();
    let served = ["--behind", "b.example", "--services", "COMMON,PRESENCE"];
    chain.h2.knows(&chain.h1, &served).await;
    assert_eq!(outcome(&mut alice, BOB, "anybody?").await, 506);
    let (_, said) = wire.wait_for(began, "h2.example", "h1.example", "Status").await;
    assert!(said.contains("code=\"506\""), "{said}");
    story.note("alice writes to bob, and H2 answers 506: that is what she hears");
    chain.h2.knows(&chain.h1, &["--served", "IM@b.example", "--behind", "b.example"]).await;
    chain.h1.meets(&chain.h2).await;

    story.step("9. H1 starts anew while something is under way").await;
    story.shows_only(&["GetBlockedListRequest"], false);
    chain.h2.way_becomes(&chain.p, Mood::Forgetful);
    let since = wire.len();
    let asks = async { status_of(&blocked(&mut bob).await) };
    let restarts = async {
        wire.wait_for(since, "h2.example", "p.example", "GetBlockedListRequest").await;
        chain.h1.restart(End::Kill).await;
    };
    let (code, ()) = tokio::join!(asks, restarts);
    assert_eq!(code, 504);
    story.note("bob asks whom he blocks, H1 forgets it, and he is answered 504");
    chain.h2.way_becomes(&chain.p, Mood::Well);
    chain.b.meets(&chain.h1).await;
    chain.h1.meets(&chain.h2).await;
    story.step("9a. And the next message passes").await;
    story.shows_only(&["SendMessageRequest", "NewMessage"], true);
    assert_eq!(outcome(&mut alice, BOB, "once more").await, 200);
    assert_eq!(next(&mut bob).await, format!("once more from {ALICE}"));
    story.note(format!("bob gets: once more from {ALICE}"));

    story.step("10. What nobody vouches for").await;
    story.shows_only(&[], true);
    let about_carol = "<GetBlockedListRequest><MetaInfo clientOriginated=\"Yes\"><Requestor serviceID=\"wv:@c.example\"><User \
                       userID=\"wv:carol@c.example\"/></Requestor></MetaInfo></GetBlockedListRequest>";
    let said = chain.h2.is_told_by(&chain.h1, "stranger-1", about_carol).await;
    assert!(said.contains("code=\"516\"") || said.contains("code=\"901\""), "{said}");
    let to_carol = "<NewMessage><MetaInfo clientOriginated=\"No\"><Requestor serviceID=\"wv:@h2.example\"/></MetaInfo><MessageInfo \
                    messageID=\"m-9\" contentType=\"text/plain\" contentSize=\"0\"><Recipient><User \
                    userID=\"wv:carol@c.example\"/></Recipient><Sender><User userID=\"wv:alice@a.example\"/></Sender></MessageInfo>\
                    </NewMessage>";
    let said = chain.h1.is_told_by(&chain.h2, "stranger-2", to_carol).await;
    assert!(said.contains("code=\"516\""), "{said}");
    story.note("H1 asks H2 something about a user of a domain that is not behind it, and H2 brings H1 a message for one: refused");
    tokio::time::sleep(Duration::from_millis(100)).await;
    is_quiet(&mut bob).await;
    story.finish().await;
}

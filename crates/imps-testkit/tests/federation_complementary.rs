//! Two domains of which each has half of the service elements, and borrows the rest from the other (SSP 16.2).

#[path = "federation/mod.rs"]
mod federation;

use federation::*;
use imps_testkit::phone::forms::{AccessChange, Body, Contact, ListChange, Outgoing, Targets};
use imps_testkit::phone::{Node, Phone, status_of};
use imps_types::Version;

const ALICE: &str = "wv:alice@a.example";
const CAROL: &str = "wv:carol@a.example";
const BOB: &str = "wv:bob@b.example";
const CARS: &str = "wv:bob/cars@b.example";

/// What A has for B, and B for A.
const OF_A: [&str; 3] = ["PRESENCE@b.example", "CONTACTLIST@b.example", "GROUP@b.example"];
const OF_B: [&str; 2] = ["IM@a.example", "CONTENT@a.example"];

fn options<'a>(option: &'a str, provisions: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    provisions.iter().flat_map(move |one| [option, *one])
}

/// Says that somebody may see this.
async fn authorize(phone: &mut Phone, who: &str, attribute: &str) {
    let children = [
        Node::leaf("UserID", who),
        Node::leaf("Acceptance", "T"),
        phone.speaker.presence_list([Node::empty(attribute)]),
    ];
    ask(phone, |_| Node::new("PresenceAuth-User", children)).await;
}

/// The ID of the message that a phone is told of next.
async fn notified(phone: &mut Phone) -> String {
    assert_eq!(next(phone).await, format!("a message from {ALICE}"));
    phone.current.as_ref().and_then(|it| it.primitive.text_at("MessageID")).expect("an ID").to_owned()
}

/// The IDs of the messages that wait for a phone.
async fn waiting(phone: &mut Phone) -> Vec<String> {
    let list = ask(phone, |it| it.speaker.get_message_list(None, None)).await;
    let ids: Vec<_> =
        list.find("MessageInfo").iter().filter_map(|info| info.text_at("MessageID")).map(str::to_owned).collect();
    assert_eq!(list.child_text("MessageTotalCount"), Some(ids.len().to_string().as_str()), "{}", list.pretty());
    ids
}

fn to_users(users: &[&str]) -> Targets {
    Targets { users: users.iter().map(|&user| user.to_owned()).collect(), ..Targets::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn figure_3_complementary_services() {
    let world = World::of("figure_3_complementary_services");
    let wire = world.wire.clone();
    let a =
        world.home("a.example", &["alice", "carol"], &[("ssp.services", "COMMON,PRESENCE,CONTACTLIST,GROUP")]).await;
    let b = world.home("b.example", &["bob"], &[("ssp.services", "COMMON,IM,CONTENT")]).await;
    let d = world.home("d.example", &["dave"], &[]).await;
    let of_b: Vec<_> = options("--provides", &OF_B).chain(options("--served", &OF_A)).collect();
    let of_a: Vec<_> = options("--provides", &OF_A).chain(options("--served", &OF_B)).collect();
    a.knows(&b, &of_b).await;
    b.knows(&a, &of_a).await;
    for (one, other) in [(&a, &d), (&b, &d), (&d, &a), (&d, &b)] {
        one.knows(other, &[]).await;
    }
    a.meets(&b).await;
    d.meets(&a).await;
    d.meets(&b).await;
    let to_a = |since| wire.names(since, "b.example", "a.example");
    let to_b = |since| wire.names(since, "a.example", "b.example");
    let has = |log: &[String], name: &str| log.iter().any(|one| one == name);
    let mut story = Transcript::new("16.2", "Complementary services (figure 3)", &world);

    story.step("1. Bob and Alice log in, each at home").await;
    // Only phones before 1.3 are asked who may see their users.
    let mut bob = b.phone_of("bob", Version::V1_2).await;
    let mut alice = a.phone("alice").await;
    wire.wait_for(story.began(), "b.example", "a.example", "UpdateUserProfileRequest").await;
    wire.wait_for(story.began(), "a.example", "b.example", "UpdateUserProfileRequest").await;
    // A has Bob's presence, and hears what his phone publishes by being there.
    let (_, published) = wire.wait_for(story.began(), "b.example", "a.example", "UpdatePresenceRequest").await;
    assert!(published.contains("wv:bob@b.example") && published.contains("<OnlineStatus>"), "{published}");
    assert!(!has(&to_b(story.began()), "UpdatePresenceRequest"), "Alice's is at A");
    // Both see in service negotiation what a domain offers that has everything.
    for (phone, version) in [(&mut alice, Version::V1_3), (&mut bob, Version::V1_2)] {
        let offered = try_to(phone, |it| it.speaker.services(&[], true)).await;
        let mut dave = d.phone_of("dave", version).await;
        let all = try_to(&mut dave, |it| it.speaker.services(&[], true)).await;
        assert_eq!(offered.pretty(), all.pretty());
    }
    story.note("alice and bob are offered all services");

    story.step("2. Bob makes a contact list with Alice in it, and reads it").await;
    let list = "wv:bob/~friends@b.example".to_owned();
    let add = vec![Contact { address: ALICE.to_owned(), nick: Some("Al".to_owned()) }];
    let change = ListChange { list: list.clone(), add, ..ListChange::default() };
    ask(&mut bob, |it| it.speaker.create_list(&change)).await;
    let lists = ask(&mut bob, |it| it.speaker.get_lists()).await;
    assert!(lists.pretty().contains("friends"), "{}", lists.pretty());
    story.note("bob's contact lists: wv:bob/~friends@b.example");
    let log = to_a(story.began());
    assert!(has(&log, "CreateListRequest") && has(&log, "GetListRequest"), "{log:?}");

    story.step("3. Alice subscribes to Bob, who is asked").await;
    publish(&mut bob, "StatusText", "in the garage").await;
    assert_eq!(status_of(&subscribe(&mut alice, &[BOB], &["StatusText"]).await), 200);
    assert_eq!(next(&mut bob).await, format!("{ALICE} wants to see presence"));
    story.note(format!("bob is asked: {ALICE} wants to see presence"));
    authorize(&mut bob, ALICE, "StatusText").await;
    assert_eq!(next(&mut alice).await, format!("{BOB} StatusText=in the garage"));
    story.note(format!("alice sees: {BOB} StatusText=in the garage"));
    assert!(has(&to_b(story.began()), "AuthorizationRequest"), "{:?}", to_b(story.began()));
    assert!(has(&to_a(story.began()), "AuthorizationResponse"), "{:?}", to_a(story.began()));

    story.step("4. Bob subscribes to Alice").await;
    show_all(&mut alice, &["StatusText"]).await;
    publish(&mut alice, "StatusText", "at home").await;
    assert_eq!(status_of(&subscribe(&mut bob, &[ALICE], &["StatusText"]).await), 200);
    assert_eq!(next(&mut bob).await, format!("{ALICE} StatusText=at home"));
    story.note(format!("bob sees: {ALICE} StatusText=at home"));
    assert!(has(&to_a(story.began()), "SubscribeRequest"));
    wire.wait_for(story.began(), "a.example", "b.example", "PresenceNotification").await;

    story.step("5. Alice writes to Carol: both are at A, and the messages are B's").await;
    let mut carol = a.phone("carol").await;
    wire.quiet().await;
    let since = wire.len();
    assert_eq!(send(&mut alice, &[CAROL], "hi").await, 200);
    assert_eq!(next(&mut carol).await, format!("hi from {ALICE}"));
    assert_eq!(next(&mut alice).await, format!("200 for {CAROL}"));
    story.note(format!("carol gets: hi from {ALICE}; alice gets the report: 200 for {CAROL}"));
    wire.quiet().await;
    let count = |log: Vec<String>, name: &str| log.iter().filter(|one| *one == name).count();
    assert_eq!(count(to_b(since), "SendMessageRequest"), 1, "it was sent to B again: {:?}", to_b(since));
    assert_eq!(count(to_a(since), "NewMessage"), 1);
    assert_eq!(count(to_b(since), "MessageDelivered"), 1);
    assert_eq!(count(to_a(since), "DeliveryStatusReport"), 1);

    story.step("6. Alice writes to Bob").await;
    assert_eq!(send(&mut alice, &[BOB], "hello").await, 200);
    assert_eq!(next(&mut bob).await, format!("hello from {ALICE}"));
    assert_eq!(next(&mut alice).await, format!("200 for {BOB}"));
    story.note(format!("bob gets: hello from {ALICE}; alice gets the report: 200 for {BOB}"));
    assert!(has(&to_b(story.began()), "SendMessageRequest"));

    story.step("7. Carol is away, and comes back").await;
    ask(&mut carol, |_| Node::empty("Logout-Request")).await;
    wire.quiet().await;
    assert_eq!(send(&mut alice, &[CAROL], "later").await, 200);
    wire.quiet().await;
    let mut carol = a.phone("carol").await;
    assert_eq!(next(&mut carol).await, format!("later from {ALICE}"));
    story.note(format!("carol logs in and gets: later from {ALICE}"));
    assert_eq!(next(&mut alice).await, format!("200 for {CAROL}"));

    story.step("7a. Carol's phone says that it fetches its messages, and does").await;
    ask(&mut carol, |it| it.speaker.set_delivery_method("N", None, None)).await;
    wire.wait_for(story.began(), "a.example", "b.example", "SetMessageDeliveryMethodRequest").await;
    wire.quiet().await;
    assert_eq!(send(&mut alice, &[CAROL], "fetch me").await, 200);
    let id = notified(&mut carol).await;
    assert_eq!(waiting(&mut carol).await, std::slice::from_ref(&id));
    let fetched = ask(&mut carol, |it| it.speaker.of_messages("GetMessage-Request", std::slice::from_ref(&id))).await;
    assert_eq!(fetched.text_at("ContentData"), Some("fetch me"), "{}", fetched.pretty());
    assert_eq!(fetched.text_at("MessageInfo/Sender/User/UserID"), Some(ALICE), "{}", fetched.pretty());
    // It is there until she has it.
    assert_eq!(waiting(&mut carol).await, std::slice::from_ref(&id));
    ask(&mut carol, |it| it.speaker.of_messages("MessageDelivered", std::slice::from_ref(&id))).await;
    assert_eq!(next(&mut alice).await, format!("200 for {CAROL}"));
    assert!(waiting(&mut carol).await.is_empty());
    let again = try_to(&mut carol, |it| it.speaker.of_messages("GetMessage-Request", &[id])).await;
    assert_eq!(status_of(&again), 426, "{}", again.pretty());
    story.note("carol is told of the next one, sees it in the list, and fetches it: fetch me; then it is gone, and alice gets 200");
    for name in ["GetMessageListRequest", "GetMessageRequest", "MessageDelivered"] {
        assert!(has(&to_b(story.began()), name), "{name}: {:?}", to_b(story.began()));
    }
    assert!(has(&to_a(story.began()), "MessageNotification") && !has(&to_a(story.began()), "NewMessage"));

    story.step("7b. She does not want the next one").await;
    assert_eq!(send(&mut alice, &[CAROL], "not this").await, 200);
    let id = notified(&mut carol).await;
    let rejected = |it: &Phone| it.speaker.of_messages("RejectMessage-Request", std::slice::from_ref(&id));
    ask(&mut carol, rejected).await;
    assert_eq!(next(&mut alice).await, format!("538 for {CAROL}"));
    assert_eq!(status_of(&try_to(&mut carol, rejected).await), 426);
    assert!(has(&to_b(story.began()), "RejectMessageRequest"), "{:?}", to_b(story.began()));
    story.note("carol rejects it, and alice gets 538; it cannot be rejected twice");

    story.step("7c. She forwards one to Alice, unseen, and one to Bob").await;
    assert_eq!(send(&mut alice, &[CAROL], "pass it on").await, 200);
    let id = notified(&mut carol).await;
    let forwarded = ask(&mut carol, |it| it.speaker.forward_message(&id, &to_users(&[ALICE]))).await;
    assert_eq!(status_of(&forwarded), 200, "{}", forwarded.pretty());
    let mut both = [next(&mut alice).await, next(&mut alice).await];
    both.sort();
    assert_eq!(both, [format!("541 for {CAROL}"), format!("pass it on from {CAROL}")]);
    assert!(has(&to_b(story.began()), "ForwardMessageRequest"), "{:?}", to_b(story.began()));
    story.note("alice gets her own words from carol, and that they were forwarded: 541");
    let since = wire.len();
    assert_eq!(send(&mut alice, &[CAROL], "to the garage").await, 200);
    let id = notified(&mut carol).await;
    ask(&mut carol, |it| it.speaker.forward_message(&id, &to_users(&[BOB]))).await;
    assert_eq!(next(&mut bob).await, format!("to the garage from {CAROL}"));
    assert_eq!(next(&mut alice).await, format!("200 for {CAROL}"));
    // Who is of another domain hears Carol from her own.
    let log = to_b(since);
    assert!(has(&log, "GetMessageRequest") && !has(&log, "ForwardMessageRequest"), "{log:?}");
    story.note(format!("bob gets: to the garage from {CAROL}"));
    assert!(waiting(&mut carol).await.is_empty());

    story.step("7d. Of what waits for Carol, some is here and some is there").await;
    ask(&mut carol, |it| it.speaker.set_delivery_method("P", None, None)).await;
    wire.quiet().await;
    for text in ["this is here", "so is this"] {
        assert_eq!(send(&mut alice, &[CAROL], text).await, 200);
        assert_eq!(next(&mut alice).await, format!("200 for {CAROL}"));
    }
    ask(&mut carol, |it| it.speaker.set_delivery_method("N", None, None)).await;
    wire.quiet().await;
    assert_eq!(send(&mut alice, &[CAROL], "this is there").await, 200);
    wire.wait_for(story.began(), "b.example", "a.example", "MessageNotification").await;
    let ids = waiting(&mut carol).await;
    let [here, also_here, there] = ids.as_slice() else { panic!("{ids:?}") };
    let both = [here.clone(), "m0".to_owned(), there.clone()];
    let rejected = try_to(&mut carol, |it| it.speaker.of_messages("RejectMessage-Request", &both)).await;
    assert_eq!(status_of(&rejected), 201, "{}", rejected.pretty());
    let refused = rejected.find("DetailedResult");
    assert_eq!(refused.len(), 1, "{}", rejected.pretty());
    assert_eq!((refused[0].text_at("Code"), refused[0].text_at("MessageID")), (Some("426"), Some("m0")));
    assert_eq!(next(&mut alice).await, format!("538 for {CAROL}"));
    story.note("carol rejects one of each, and one that there is not: 201, with 426 for that");
    ask(&mut carol, |it| it.speaker.forward_message(also_here, &to_users(&[BOB]))).await;
    assert_eq!(next(&mut bob).await, format!("so is this from {CAROL}"));
    assert!(waiting(&mut carol).await.is_empty());
    is_quiet(&mut carol).await;
    story.note(format!("she forwards the other one: bob gets: so is this from {CAROL}"));

    story.step("8. Bob's group, which A has for him").await;
    create_group(&mut bob, CARS, "Bobby").await;
    assert_eq!(status_of(&join(&mut alice, CARS, "Ali").await), 200);
    assert_eq!(next(&mut bob).await, format!("{CARS} joined by Ali"));
    assert_eq!(send(&mut alice, &[CARS], "vroom").await, 200);
    assert_eq!(next(&mut bob).await, format!("vroom from Ali in {CARS}"));
    story.note(format!("bob gets: vroom from Ali in {CARS}"));
    assert!(has(&to_a(story.began()), "CreateGroupRequest"), "{:?}", to_a(story.began()));
    assert!(has(&to_b(story.began()), "NewMessage"), "{:?}", to_b(story.began()));

    story.step("9. Alice shares something with Bob").await;
    let shares = Invitation { id: "sc-1", to: &[BOB], group: None, note: "look" };
    assert_eq!(invite(&mut alice, shares).await, 200);
    assert_eq!(next(&mut bob).await, format!("invited to http://pictures.example/1.jpg by {ALICE}: look"));
    assert_eq!(answer(&mut bob, "sc-1", ALICE, true, "nice").await, 200);
    assert_eq!(next(&mut alice).await, format!("{BOB} accepts: nice"));
    assert_eq!(cancel(&mut alice, shares).await, 200);
    assert_eq!(next(&mut bob).await, format!("not invited by {ALICE} any more: look"));
    story.note("bob is invited, accepts, and is told that the invitation is taken back");
    assert!(has(&to_b(story.began()), "InviteRequest") && has(&to_b(story.began()), "CancelInviteRequest"));
    assert!(has(&to_a(story.began()), "InviteResponse"));

    story.step("10. Alice blocks Bob").await;
    let entity = vec![Node::leaf("UserID", BOB)];
    let change = AccessChange { in_use: Some(true), add: Some(entity), remove: None };
    ask(&mut alice, |it| it.speaker.block_entity("BlockList", change)).await;
    assert!(has(&to_b(story.began()), "BlockEntityRequest"), "{:?}", to_b(story.began()));
    assert_eq!(send(&mut bob, &[ALICE], "are you there?").await, 532);
    story.note("bob writes to alice: 532");
    let entity = vec![Node::leaf("UserID", BOB)];
    let change = AccessChange { in_use: Some(false), add: None, remove: Some(entity) };
    ask(&mut alice, |it| it.speaker.block_entity("BlockList", change)).await;

    story.step("11. Dave of a third domain subscribes to Bob").await;
    show_all(&mut bob, &["OnlineStatus", "StatusText"]).await;
    let mut dave = d.phone("dave").await;
    assert_eq!(status_of(&subscribe(&mut dave, &[BOB], &["OnlineStatus", "StatusText"]).await), 200);
    let sees = format!("{BOB} OnlineStatus=T StatusText=in the garage");
    assert_eq!(next(&mut dave).await, sees);
    story.note(format!("dave sees: {sees}"));
    wire.quiet().await;
    assert!(has(&wire.names(story.began(), "d.example", "b.example"), "SubscribeRequest"));
    assert!(has(&to_a(story.began()), "SubscribeRequest") && has(&to_b(story.began()), "PresenceNotification"));
    assert!(has(&wire.names(story.began(), "b.example", "d.example"), "PresenceNotification"));
    assert!(!has(&wire.names(story.began(), "a.example", "d.example"), "PresenceNotification"));
    story.shows(&a, "b.example").await;
    story.shows(&b, "a.example").await;

    story.step("11a. Bob's list, and names and searches, each where it is known").await;
    story.shows_only(&[], true);
    // Bob writes to his list, which A keeps: who is on it is known there, and the message is B's.
    let since = wire.len();
    let to = Targets { lists: vec![list.clone()], ..Targets::default() };
    let sender = Some(bob.speaker.user.clone());
    let message =
        Outgoing { to, report: true, sender, content: Body::Text("all of you".into()), ..Outgoing::default() };
    ask(&mut bob, |it| it.speaker.send_message(&message)).await;
    assert_eq!(next(&mut alice).await, format!("all of you from {BOB}"));
    assert_eq!(next(&mut bob).await, format!("200 for {ALICE}"));
    assert!(has(&to_a(since), "ListManageRequest"), "{:?}", to_a(since));
    let unknown = Targets { lists: vec!["wv:bob/~nobody@b.example".to_owned()], ..Targets::default() };
    let message = Outgoing { to: unknown, ..message };
    assert_eq!(status_of(&try_to(&mut bob, |it| it.speaker.send_message(&message)).await), 700);

    // Names are verified, and things searched for, where they are known: users at home, groups by who has them.
    for (user, group, code) in
        [(BOB, CARS, 200), (ALICE, CARS, 200), (BOB, "wv:bob/bikes@b.example", 800), ("wv:nobody@b.example", CARS, 531)]
    {
        let names = [Node::leaf("UserID", user), Node::leaf("GroupID", group)];
        let answer = try_to(&mut bob, |_| Node::new("VerifyID-Request", [Node::new("IDList", names)])).await;
        let failed = answer.pretty();
        assert!(code == 200 || failed.contains(&code.to_string()), "{user} {group}: {failed}");
        assert_eq!(status_of(&answer) == 200, code == 200, "{user} {group}: {failed}");
    }
    for (element, string, found) in [("GROUP_NAME", "Cars", CARS), ("USER_ID", "bob", BOB), ("USER_ID", ALICE, ALICE)] {
        let pair = [Node::leaf("SearchElement", element), Node::leaf("SearchString", string)];
        let search = [Node::new("SearchPairList", pair), Node::leaf("SearchLimit", "5")];
        let answer = ask(&mut bob, |_| Node::new("Search-Request", search)).await;
        assert!(answer.pretty().contains(found), "{element} {string}: {}", answer.pretty());
    }

    story.note(
        "bob writes to his list, and alice gets it; names are verified, and things found, wherever they are known",
    );

    story.step("12. A and B lose each other, and find each other again").await;
    story.shows_only(&[], true);
    for mood in [Mood::Cut, Mood::Well] {
        a.way_becomes(&b, mood);
        b.way_becomes(&a, mood);
        if mood == Mood::Cut {
            let answer = get_presence(&mut alice, &[CAROL], &["OnlineStatus"]).await;
            assert_eq!(status_of(&answer), 200, "{}", answer.pretty());
            assert_eq!(send(&mut alice, &[CAROL], "lost").await, 503);
            story.note("alice still gets carol's presence, which A has; what she writes is answered 503");
        }
    }
    a.meets(&b).await;
    story.step("12a. After that everything flows, and Carol has her messages pushed again").await;
    story.shows_only(
        &["SetMessageDeliveryMethodRequest", "SendMessageRequest", "NewMessage", "DeliveryStatusReport"],
        true,
    );
    ask(&mut carol, |it| it.speaker.set_delivery_method("P", None, None)).await;
    assert_eq!(send(&mut alice, &[CAROL], "found").await, 200);
    assert_eq!(next(&mut carol).await, format!("found from {ALICE}"));
    assert_eq!(next(&mut alice).await, format!("200 for {CAROL}"));
    story.note(format!("carol gets: found from {ALICE}"));
    story.finish().await;
}

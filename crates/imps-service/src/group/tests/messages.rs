//! Messages in groups (CSP 12.1, 13.8).

use super::*;

fn to(recipient: &[Group], words: &str) -> OutgoingMessage {
    let recipient = Recipient { groups: recipient.to_vec(), ..Recipient::default() };
    let info = MessageInfo { recipient, ..MessageInfo::default() };
    OutgoingMessage { info, content: Content::text(words), delivery_report: false }
}

fn everybody() -> Group {
    Group::Id(party())
}

fn person(name: &str) -> Group {
    Group::ScreenName(ScreenName { name: name.into(), group_id: party() })
}

async fn send(world: &World, session: &Arc<Session>, message: OutgoingMessage) -> String {
    outcome(&world.services.im().send(session, message, None).await.unwrap().result)
}

async fn pushed(world: &World, session: &Session) -> Arc<Message> {
    match world.services.im().next_event(session).await {
        Some(Event::NewMessage(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// Rows of messages, of the index and of ends.
async fn kept(world: &World) -> (usize, usize, usize) {
    (
        world.count(Space::Messages).await,
        world.count(Space::MessageIndex).await,
        world.count(Space::MessageExpiry).await,
    )
}

/// Alice's party with Bob and Carol; nobody is told of changes.
async fn gathered(pairs: &[(&str, &str)]) -> (World, [Arc<Session>; 3]) {
    let world = World::of(&["alice", "bob", "carol", "dave"]).await;
    let sessions = [world.login("alice").await, world.login("bob").await, world.login("carol").await];
    let new =
        NewGroup { properties: properties(pairs), join: true, wish: JoinWish { subscribe: false, ..named("Ali") } };
    world.services.group().create(&sessions[0], &party(), new).await.unwrap();
    for (session, name) in sessions[1..].iter().zip(["Bob", "Carol"]) {
        let wish = JoinWish { subscribe: false, ..named(name) };
        world.services.group().join(session, &party(), wish).await.unwrap();
    }
    (world, sessions)
}

#[tokio::test]
async fn all_who_have_joined_get_one_message() {
    let (world, [alice, bob, carol]) = gathered(&[]).await;
    let other = world.login_as("alice", "other", Version::V1_2).await;
    world.join(&other, "Ali").await.unwrap();
    assert_eq!(send(&world, &alice, to(&[everybody()], "hi")).await, "200");
    assert_eq!(kept(&world).await, (1, 2, 1), "one body, a row for each receiver, one end");
    let (one, another) = (pushed(&world, &bob).await, pushed(&world, &carol).await);
    assert!(Arc::ptr_eq(&one, &another), "it is one in memory too");
    assert_eq!(one.info.recipient.groups, [everybody()]);
    assert!(one.info.recipient.users.is_empty());
    assert_eq!(one.info.sender, Some(Sender::Group(person("Ali"))), "nobody sees her address");
    assert!(
        world.heard(&alice).await.is_empty() && world.heard(&other).await.is_empty(),
        "none of her clients gets it"
    );
    let id = one.id.to_string();
    world.services.im().delivered(&bob, &id, Some(&one)).await.unwrap();
    assert_eq!(kept(&world).await, (1, 1, 1));
    // A second acknowledgement does not take it from Carol.
    world.services.im().delivered(&bob, &id, Some(&one)).await.unwrap();
    assert_eq!(kept(&world).await, (1, 1, 1));
    world.services.im().delivered(&carol, &id, None).await.unwrap();
    assert_eq!(kept(&world).await, (0, 0, 0));
}

#[tokio::test]
async fn only_who_has_joined_speaks_and_hears() {
    let (world, [alice, bob, _]) = gathered(&[]).await;
    let dave = world.login("dave").await;
    assert_eq!(send(&world, &dave, to(&[everybody()], "hi")).await, "808 808[wv:alice/party@x]");
    assert_eq!(send(&world, &dave, to(&[person("Bob")], "hi")).await, "808 808[Bob]");
    let unknown = Group::Id(Address::new("wv:/nowhere"));
    let far = Group::Id(Address::new("wv:/lobby@y"));
    assert_eq!(send(&world, &alice, to(&[unknown, far], "hi")).await, "900 800[wv:/nowhere] 516[wv:/lobby@y]");
    // Bob's other client has not joined.
    let other = world.login_as("bob", "other", Version::V1_2).await;
    send(&world, &alice, to(&[everybody()], "hi")).await;
    assert!(world.heard(&other).await.is_empty());
    assert_eq!(world.heard(&bob).await, ["new hi"]);
    assert!(world.services.im().message_list(&bob, None, None).await.unwrap().is_empty(), "not those of groups");
}

#[tokio::test]
async fn a_message_to_one_person_in_the_group() {
    let (world, [alice, bob, carol]) = gathered(&[]).await;
    let private = OutgoingMessage { delivery_report: true, ..to(&[person("bOB")], "psst") };
    assert_eq!(send(&world, &alice, private).await, "200");
    let psst = pushed(&world, &bob).await;
    assert_eq!(psst.info.recipient.groups, [person("Bob")]);
    assert_eq!(psst.info.sender, Some(Sender::Group(person("Ali"))));
    assert!(world.heard(&carol).await.is_empty());
    world.services.im().delivered(&bob, &psst.id.to_string(), Some(&psst)).await.unwrap();
    let Some(Event::DeliveryReport(report)) = world.services.im().next_event(&alice).await else { panic!() };
    assert_eq!((report.result, &report.info.recipient.groups), (Status::SUCCESSFUL, &vec![person("Bob")]));
    assert_eq!(send(&world, &alice, to(&[person("Nobody")], "psst")).await, "410 410[Nobody]");
    let groups = world.services.group();
    groups.set_properties(&bob, &party(), None, Some(vec![Property::new("PrivateMessaging", "F")])).await.unwrap();
    assert_eq!(send(&world, &alice, to(&[person("Bob"), person("Carol")], "x")).await, "201 813[Bob]");
    let none = properties(&[("PrivateMessaging", "F")]);
    groups.set_properties(&alice, &party(), Some(none), None).await.unwrap();
    assert_eq!(send(&world, &alice, to(&[person("Carol")], "x")).await, "812 812[Carol]");
}

#[tokio::test]
async fn each_receiver_gets_it_once_however_he_is_reached() {
    let (world, [alice, bob, carol]) = gathered(&[]).await;
    let two = Address::new("alice/two");
    let wish = JoinWish { subscribe: false, ..named("Ali") };
    let new = NewGroup { join: true, wish: wish.clone(), ..NewGroup::default() };
    world.services.group().create(&alice, &two, new).await.unwrap();
    world.services.group().join(&carol, &two, JoinWish { subscribe: false, ..named("Caro") }).await.unwrap();
    let mut message = to(&[everybody(), Group::Id(two.clone()), everybody()], "hi");
    message.info.recipient.users.push(User::of("bob"));
    assert_eq!(send(&world, &alice, message).await, "200");
    let (at_bob, at_carol) = (pushed(&world, &bob).await, pushed(&world, &carol).await);
    assert!(at_bob.info.recipient.groups.is_empty() && at_bob.id == at_carol.id);
    assert_eq!(at_bob.info.sender, Some(Sender::User(User::of("wv:alice@x"))));
    assert_eq!(at_carol.info.recipient.groups, [everybody()]);
    assert!(world.heard(&bob).await.is_empty() && world.heard(&carol).await.is_empty());
    for (session, message) in [(&bob, &at_bob), (&carol, &at_carol)] {
        world.services.im().delivered(session, &message.id.to_string(), Some(message)).await.unwrap();
    }
    assert_eq!(kept(&world).await, (0, 0, 0));
}

#[tokio::test]
async fn a_sender_speaks_under_his_own_name_only() {
    let (world, [alice, bob, _]) = gathered(&[]).await;
    let from = |sender: Group| {
        let mut message = to(&[], "hi");
        message.info.recipient.users.push(User::of("bob"));
        message.info.sender = Some(Sender::Group(sender));
        message
    };
    for (sender, wrong) in [(person("Bob"), Error::NotYourself), (Group::Id("wv:/no".into()), Error::UnknownGroup)] {
        assert_eq!(world.services.im().send(&alice, from(sender), None).await.err(), Some(wrong));
    }
    for sender in [person("aLI"), everybody()] {
        send(&world, &alice, from(sender)).await;
        assert_eq!(pushed(&world, &bob).await.info.sender, Some(Sender::Group(person("Ali"))));
    }
}

#[tokio::test]
async fn one_report_tells_that_the_group_was_reached() {
    let (world, [alice, bob, _]) = gathered(&[]).await;
    let message = OutgoingMessage { delivery_report: true, ..to(&[everybody()], "hi") };
    let id = world.services.im().send(&alice, message, None).await.unwrap().id.unwrap();
    let Some(Event::DeliveryReport(report)) = world.services.im().next_event(&alice).await else { panic!() };
    assert_eq!(report.result, Status::SUCCESSFUL);
    assert_eq!(report.info.message_id.as_deref(), Some(id.to_string().as_str()));
    assert_eq!(report.info.recipient.groups, [everybody()]);
    let hi = pushed(&world, &bob).await;
    world.services.im().delivered(&bob, &id.to_string(), Some(&hi)).await.unwrap();
    assert!(world.heard(&alice).await.is_empty(), "and not of each user in it");
}

#[tokio::test]
async fn it_waits_over_a_kill_and_is_offered_again() {
    let (world, [alice, bob, carol]) = gathered(&[]).await;
    for words in ["one", "two"] {
        send(&world, &alice, to(&[everybody()], words)).await;
    }
    let one = pushed(&world, &bob).await;
    let world = world.restarted().await;
    let session = |session: &Arc<Session>| world.services.sessions.find(&session.id).unwrap();
    let (bob, carol) = (session(&bob), session(&carol));
    let again = pushed(&world, &bob).await;
    assert_eq!((again.id, &again.content, &again.info), (one.id, &one.content, &one.info));
    assert!(Arc::ptr_eq(&again, &pushed(&world, &carol).await), "one for both again");
    world.services.im().delivered(&bob, &again.id.to_string(), Some(&again)).await.unwrap();
    assert_eq!(world.heard(&bob).await, ["new two"]);
    assert_eq!(world.heard(&carol).await, ["new two"]);
    assert_eq!(kept(&world).await, (2, 3, 2));
    world.services.clock.advance(Duration::from_secs(8 * 86_400));
    world.services.im().sweep().await;
    assert_eq!(kept(&world).await, (0, 0, 0), "the end of validity takes away what nobody fetched");
}

#[tokio::test]
async fn who_comes_back_gets_what_he_missed_and_who_leaves_nothing_more() {
    let (world, [alice, bob, carol]) = gathered(&[]).await;
    send(&world, &alice, to(&[everybody()], "hi")).await;
    // Bob's phone has lost its battery; Carol leaves.
    let bob = world.login_as("bob", &bob.client.to_string(), Version::V1_2).await;
    assert!(world.heard(&bob).await.is_empty(), "he has not joined");
    world.services.group().leave(&carol, &party()).await.unwrap();
    assert!(world.heard(&carol).await.is_empty());
    let wish = JoinWish { subscribe: false, ..named("Bob") };
    world.services.group().join(&bob, &party(), wish.clone()).await.unwrap();
    assert_eq!(world.heard(&bob).await, ["new hi"]);
    world.services.group().join(&bob, &party(), wish).await.unwrap();
    assert!(world.heard(&bob).await.is_empty(), "once");
    world.services.group().join(&carol, &party(), named("Carol")).await.unwrap();
    assert!(world.heard(&carol).await.is_empty());
    assert_eq!(kept(&world).await.1, 1);
}

#[tokio::test]
async fn whoever_blocks_the_speaker_or_the_group_hears_nothing() {
    use imps_types::element::{AccessList, AccessLists, EntityList};
    let (world, [alice, bob, carol]) = gathered(&[]).await;
    let block = |entities: EntityList| AccessLists {
        block: Some(AccessList { in_use: Some(true), add: Some(entities), ..AccessList::default() }),
        grant: None,
    };
    let im = world.services.im();
    im.change_blocking(&bob, block(EntityList::users([Address::new("alice")]))).await.unwrap();
    let name = ScreenName { name: "ali".into(), group_id: party() };
    let by_name = EntityList { screen_names: vec![name], ..EntityList::default() };
    im.change_blocking(&carol, block(by_name)).await.unwrap();
    assert_eq!(send(&world, &alice, to(&[everybody()], "hi")).await, "200", "the group was reached");
    assert!(world.heard(&bob).await.is_empty() && world.heard(&carol).await.is_empty());
    assert_eq!(send(&world, &alice, to(&[person("Bob")], "hi")).await, "532 532[Bob]");
    let (_, blocked) = world.services.group().joined_users(&bob, &party()).unwrap();
    assert_eq!(blocked, ["Ali".into()], "he is told whom he does not hear");
    let by_group = EntityList { group_ids: vec![party()], ..EntityList::default() };
    im.change_blocking(&carol, block(by_group)).await.unwrap();
    send(&world, &bob, to(&[everybody()], "hello")).await;
    assert!(world.heard(&carol).await.is_empty());
    assert_eq!(world.heard(&alice).await, ["new hello"]);
}

#[tokio::test]
async fn a_history_keeps_the_last_messages() {
    let (world, [alice, bob, carol]) = gathered(&[("History", "T")]).await;
    let im = world.services.im();
    let list = |session: &Arc<Session>, count: Option<u32>| {
        let (im, session) = (world.services.im(), session.clone());
        async move {
            let found = im.message_list(&session, Some(&party()), count).await?;
            Ok::<_, Error>(found.into_iter().map(|info| info.message_id.unwrap().to_string()).collect::<Vec<_>>())
        }
    };
    bob.negotiated().parser_size = 1_000_000;
    let mut ids = Vec::new();
    for number in 0..102 {
        let sent = im.send(&alice, to(&[everybody()], &number.to_string()), None).await.unwrap();
        ids.push(sent.id.unwrap().to_string());
    }
    world.services.group().leave(&carol, &party()).await.unwrap();
    assert_eq!(list(&carol, None).await, refused(GroupError::NotJoined));
    assert_eq!(list(&bob, None).await.unwrap(), ids[2..], "the last hundred, oldest first");
    assert_eq!(list(&bob, Some(2)).await.unwrap(), ids[100..]);
    while let Some(Event::NewMessage(message)) = im.next_event(&bob).await {
        im.delivered(&bob, &message.id.to_string(), Some(&message)).await.unwrap();
    }
    // Everybody has got them, and they are there still, also for who comes later, and after their validity.
    world.services.clock.advance(Duration::from_secs(8 * 86_400));
    im.sweep().await;
    let dave = world.login("dave").await;
    dave.negotiated().parser_size = 1_000_000;
    let wish = JoinWish { subscribe: false, ..named("Dave") };
    world.services.group().join(&dave, &party(), wish).await.unwrap();
    assert_eq!(list(&dave, None).await.unwrap().len(), 100);
    assert_eq!(&im.message(&dave, &ids[101]).await.unwrap().content[..], b"101");
    assert_eq!(im.message(&dave, &ids[1]).await.err(), Some(Error::UnknownMessage));
    assert_eq!(im.delivered(&dave, &ids[101], None).await, Ok(()));
    assert_eq!(kept(&world).await.0, 100);
    let off = properties(&[("History", "F")]);
    world.services.group().set_properties(&alice, &party(), Some(off), None).await.unwrap();
    assert_eq!(list(&dave, None).await, Err(Error::NoHistory));
    assert_eq!(kept(&world).await, (0, 0, 0));
}

#[tokio::test]
async fn a_client_says_how_the_messages_of_a_group_come() {
    use imps_types::element::DeliveryMethod::{Notify, Push};
    let (world, [alice, bob, _]) = gathered(&[]).await;
    let im = world.services.im();
    let dave = world.login("dave").await;
    let set = im.set_delivery_method(&dave, Some(Notify), None, Some(&party())).await;
    assert_eq!(set, refused(GroupError::NotJoined));
    im.set_delivery_method(&bob, Some(Notify), None, Some(&party())).await.unwrap();
    send(&world, &alice, to(&[everybody()], "hi")).await;
    let mut direct = to(&[], "direct");
    direct.info.recipient.users.push(User::of("bob"));
    send(&world, &alice, direct).await;
    assert_eq!(world.heard(&bob).await, ["notify 2", "new direct"], "others come as before");
    im.set_delivery_method(&bob, Some(Push), Some(3), Some(&party())).await.unwrap();
    let world = world.restarted().await;
    let session = |session: &Arc<Session>| world.services.sessions.find(&session.id).unwrap();
    let (alice, bob) = (session(&alice), session(&bob));
    send(&world, &alice, to(&[everybody()], "long")).await;
    let told = world.heard(&bob).await;
    assert_eq!(told, ["new hi", "new direct", "notify 4"], "it survives");
    let waiting = world.services.im().message_list(&bob, None, None).await.unwrap();
    assert_eq!(waiting.len(), 1);
}

#[tokio::test]
async fn a_full_queue_costs_its_owner_only() {
    let world = World::with(&["alice", "bob"], |config| config.queue_max = 2).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    world.party(&alice, &[]).await;
    world.services.group().join(&bob, &party(), JoinWish { subscribe: false, ..named("Bob") }).await.unwrap();
    world.heard(&alice).await;
    for words in ["1", "2", "3"] {
        assert_eq!(send(&world, &alice, to(&[everybody()], words)).await, "200");
    }
    assert_eq!(world.heard(&bob).await, ["new 1", "new 2"]);
}

#[tokio::test]
async fn a_rejected_message_is_rejected_by_one() {
    let (world, [alice, bob, carol]) = gathered(&[]).await;
    send(&world, &alice, to(&[everybody()], "hi")).await;
    let hi = pushed(&world, &bob).await;
    let result = world.services.im().reject(&bob, &[hi.id.to_string().into()]).await.unwrap();
    assert_eq!(result.status, Status::SUCCESSFUL);
    assert_eq!(world.heard(&carol).await, ["new hi"]);
    let unknown = MessageId::new(7).to_string();
    assert_eq!(world.services.im().message(&bob, &unknown).await.err(), Some(Error::UnknownMessage));
}

use std::sync::Arc;
use std::time::Duration;

use imps_types::element::{Group, InviteType, Recipient, ResultInfo, ScreenName, Sender, User};
use imps_types::presence::Attribute;
use imps_types::{Address, Status, UserId, Version};

use super::{InvitationAnswer, InvitationCancelled, InviteCancel, InviteReply, Occasion, OutgoingInvitation, Shown};
use crate::error::Error;
use crate::event::{Event, Notice, NoticeContent};
use crate::seam::{KeyRange, Order, Space};
use crate::session::Session;
use crate::testing::{World, user};

fn to(names: &[&str]) -> Recipient {
    Recipient { users: names.iter().map(|name| User::of(&user(name))).collect(), ..Recipient::default() }
}

fn invitation(id: &str, invite_type: InviteType, recipient: Recipient) -> OutgoingInvitation {
    OutgoingInvitation {
        invite_id: id.into(),
        invite_type,
        sender: None,
        recipient,
        occasion: Occasion::default(),
        note: Some("come".into()),
        screen_name: None,
        validity: Some(60),
    }
}

fn chat(id: &str, names: &[&str]) -> OutgoingInvitation {
    invitation(id, InviteType::Conversation, to(names))
}

fn content(id: &str, names: &[&str], urls: &[&str]) -> OutgoingInvitation {
    let urls = urls.iter().map(|url| (*url).into()).collect();
    OutgoingInvitation {
        occasion: Occasion { urls, ..Occasion::default() },
        ..invitation(id, InviteType::Content, to(names))
    }
}

fn reply(id: &str, acceptance: bool) -> InviteReply {
    InviteReply {
        invite_id: id.into(),
        acceptance,
        sender: None,
        recipient: None,
        note: Some("well".into()),
        screen_name: None,
    }
}

fn cancel(id: &str, names: &[&str]) -> InviteCancel {
    let recipient = (!names.is_empty()).then(|| to(names));
    InviteCancel { invite_id: id.into(), recipient, note: Some("over".into()), urls: Vec::new() }
}

async fn send(world: &World, session: &Session, invitation: OutgoingInvitation) -> ResultInfo {
    world.services.common().invite(session, invitation).await.unwrap()
}

async fn next(world: &World, session: &Session) -> Option<Arc<Notice>> {
    match world.services.im().next_event(session).await {
        Some(Event::Notice(notice)) => Some(notice),
        None => None,
        other => panic!("{other:?}"),
    }
}

/// Takes the next notice, and acknowledges it.
async fn hears(world: &World, session: &Session) -> NoticeContent {
    let notice = next(world, session).await.expect("a notice");
    world.services.im().notice_acknowledged(&notice).await.unwrap();
    notice.content.clone()
}

async fn is_invited(world: &World, session: &Session) -> super::Invitation {
    match hears(world, session).await {
        NoticeContent::Invitation(one) => *one,
        other => panic!("{other:?}"),
    }
}

async fn is_answered(world: &World, session: &Session) -> InvitationAnswer {
    match hears(world, session).await {
        NoticeContent::InvitationAnswer(one) => *one,
        other => panic!("{other:?}"),
    }
}

async fn is_cancelled(world: &World, session: &Session) -> InvitationCancelled {
    match hears(world, session).await {
        NoticeContent::InvitationCancelled(one) => *one,
        other => panic!("{other:?}"),
    }
}

async fn answers(world: &World, session: &Session, reply: InviteReply) -> Result<(), Error> {
    world.services.common().answer_invitation(session, reply).await
}

/// How many rows of invitations there are, in each of their spaces.
async fn rows(world: &World) -> [usize; 3] {
    let mut counts = [0; 3];
    for (space, count) in [Space::Invitations, Space::Invited, Space::InvitationExpiry].into_iter().zip(&mut counts) {
        *count = world.services.store.scan(space, KeyRange::all(), Order::Forwards, 1000).await.unwrap().len();
    }
    counts
}

#[tokio::test]
async fn the_answer_comes_back_and_does_not_end_it() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    let result = send(&world, &alice, chat("1", &["bob", "ghost", "bob"])).await;
    assert_eq!(result.status, Status::PARTIALLY_SUCCESSFUL);
    assert_eq!(result.detailed[0].status, Status::UNKNOWN_USER);
    let invited = is_invited(&world, &bob).await;
    assert_eq!((invited.shown, invited.validity), (Shown::User(user("alice")), 60));
    assert!(next(&world, &bob).await.is_none(), "he is named twice, and invited once");
    for acceptance in [true, false] {
        answers(&world, &bob, reply("1", acceptance)).await.unwrap();
        let answer = is_answered(&world, &alice).await;
        assert_eq!((answer.acceptance, answer.shown), (acceptance, Shown::User(user("bob"))));
        assert_eq!(answer.note.as_deref(), Some("well"));
    }
    let carol = world.login("carol").await;
    for bad in ["1", "2", ""] {
        assert_eq!(answers(&world, &carol, reply(bad, true)).await, Err(Error::UnknownInvitation));
    }
}

#[tokio::test]
async fn whoever_is_not_there_is_told_later_and_after_a_restart() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    send(&world, &alice, chat("1", &["bob"])).await;
    world.services.access().logout(&alice).await.unwrap();
    let world = world.restarted().await;
    let bob = world.login("bob").await;
    assert_eq!(&*is_invited(&world, &bob).await.invite_id, "1");
    answers(&world, &bob, reply("1", true)).await.unwrap();
    let world = world.restarted().await;
    let alice = world.login("alice").await;
    assert!(is_answered(&world, &alice).await.acceptance);
}

#[tokio::test]
async fn it_ends_with_its_validity() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    send(&world, &alice, chat("1", &["bob"])).await;
    assert_eq!(rows(&world).await, [1; 3]);
    world.services.clock.advance(Duration::from_secs(61));
    let bob = world.login("bob").await;
    assert_eq!(answers(&world, &bob, reply("1", true)).await, Err(Error::UnknownInvitation));
    world.services.sweep().await;
    assert!(next(&world, &bob).await.is_none());
    assert_eq!(rows(&world).await, [0; 3]);
    let cancelled = world.services.common().cancel_invitation(&alice, cancel("1", &[])).await;
    assert_eq!(cancelled, Err(Error::UnknownInvitation));
}

#[tokio::test]
async fn who_heard_of_it_hears_that_it_is_over_and_nobody_else_hears_of_it() {
    let world = World::of(&["alice", "bob", "carol", "dan"]).await;
    let (alice, bob, dan) = (world.login("alice").await, world.login("bob").await, world.login("dan").await);
    send(&world, &alice, content("1", &["bob", "carol", "dan"], &["http://a/p.jpg"])).await;
    assert_eq!(is_invited(&world, &bob).await.occasion.urls, ["http://a/p.jpg".into()]);
    let common = world.services.common();
    let result = common.cancel_invitation(&alice, cancel("1", &["bob", "alice", "ghost"])).await.unwrap();
    assert_eq!(result.status, Status::PARTIALLY_SUCCESSFUL);
    let codes: Vec<u16> = result.detailed.iter().map(|one| one.status.code()).collect();
    assert_eq!(codes, [423, 531], "she did not invite herself, and nobody knows the ghost");
    let cancelled = is_cancelled(&world, &bob).await;
    assert_eq!(cancelled.occasion.urls, ["http://a/p.jpg".into()]);
    assert_eq!(cancelled.note.as_deref(), Some("over"));
    assert_eq!(answers(&world, &bob, reply("1", true)).await, Err(Error::UnknownInvitation));
    // Dan was shown it, and has not said so yet; Carol was never there.
    let shown = next(&world, &dan).await.unwrap();
    common.cancel_invitation(&alice, cancel("1", &[])).await.unwrap();
    assert!(!world.services.im().is_notice_waiting(&shown).await, "it is not offered again");
    is_cancelled(&world, &dan).await;
    let carol = world.login("carol").await;
    assert!(next(&world, &carol).await.is_none());
    assert_eq!(rows(&world).await, [0; 3]);
    assert_eq!(common.cancel_invitation(&alice, cancel("1", &[])).await, Err(Error::UnknownInvitation));
}

#[tokio::test]
async fn the_same_id_again_is_a_new_invitation() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    send(&world, &alice, content("1", &["bob", "carol"], &["http://old"])).await;
    send(&world, &alice, content("1", &["bob"], &["http://new"])).await;
    assert_eq!(is_invited(&world, &bob).await.occasion.urls, ["http://new".into()]);
    assert!(next(&world, &bob).await.is_none(), "the old one is not offered any more");
    let carol = world.login("carol").await;
    assert_eq!(is_invited(&world, &carol).await.occasion.urls, ["http://old".into()]);
    answers(&world, &carol, reply("1", true)).await.unwrap();
    is_answered(&world, &alice).await;
    assert_eq!(rows(&world).await, [2; 3]);
    // What ends now is the first one alone.
    world.services.clock.advance(Duration::from_secs(30));
    send(&world, &alice, content("1", &["bob"], &["http://newest"])).await;
    world.services.clock.advance(Duration::from_secs(31));
    world.services.sweep().await;
    assert_eq!(rows(&world).await, [1; 3]);
    answers(&world, &bob, reply("1", true)).await.unwrap();
}

#[tokio::test]
async fn of_several_inviters_the_named_one_is_answered_else_the_last() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob, carol) = (world.login("alice").await, world.login("bob").await, world.login("carol").await);
    send(&world, &alice, chat("1", &["bob"])).await;
    world.services.clock.advance(Duration::from_millis(5));
    send(&world, &carol, chat("1", &["bob"])).await;
    answers(&world, &bob, reply("1", true)).await.unwrap();
    is_answered(&world, &carol).await;
    assert!(next(&world, &alice).await.is_none());
    // Android names the inviter where others name themselves.
    let sender = Some(Sender::User(User::of("wv:Alice@x")));
    answers(&world, &bob, InviteReply { sender, ..reply("1", true) }).await.unwrap();
    is_answered(&world, &alice).await;
    let recipient = Some(to(&["alice"]));
    let sender = Some(Sender::User(User::of(&user("bob"))));
    answers(&world, &bob, InviteReply { sender, recipient, ..reply("1", true) }).await.unwrap();
    is_answered(&world, &alice).await;
    assert!(next(&world, &carol).await.is_none());
}

#[tokio::test]
async fn what_an_invitation_needs() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login_as("alice", "phone", Version::V1_3).await;
    let common = world.services.common();
    let of = |invite_type| invitation("1", invite_type, to(&["bob"]));
    let with = |occasion: Occasion, invite_type| OutgoingInvitation { occasion, ..of(invite_type) };
    let group = |group: &str| Occasion { group_id: Some(Address::new(group)), ..Occasion::default() };
    let urls = |url: &str| Occasion { urls: vec![url.into()], ..Occasion::default() };
    let bad = Status::BAD_PARAMETER;
    for (invitation, expected) in [
        (of(InviteType::Group), Status::MISSING_GROUP_ID),
        (with(group("wv:/nowhere@x"), InviteType::Group), Status::GROUP_DOES_NOT_EXIST),
        (with(group("wv:/g@elsewhere.example"), InviteType::Membership), Status::DOMAIN_NOT_SUPPORTED),
        (of(InviteType::Presence), bad),
        (of(InviteType::Content), bad),
        (with(urls("picture.jpg"), InviteType::Content), bad),
        (of(InviteType::Application), Status::INVALID_OR_MISSING_APPLICATION_ID),
        (OutgoingInvitation { invite_id: "".into(), ..chat("1", &["bob"]) }, bad),
        (OutgoingInvitation { invite_id: "x".repeat(256).into(), ..chat("1", &["bob"]) }, bad),
        (OutgoingInvitation { note: Some("x".repeat(5000).into()), ..chat("1", &["bob"]) }, bad),
        (chat("1", &[]), bad),
        (
            OutgoingInvitation { sender: Some(Sender::User(User::of(&user("bob")))), ..chat("1", &["bob"]) },
            Error::NotYourself.status(),
        ),
    ] {
        let refused = common.invite(&alice, invitation.clone()).await.expect_err("it is refused").status();
        assert_eq!(refused, expected, "{invitation:?}");
    }
    assert_eq!(rows(&world).await, [0; 3]);
    let attributes = Some([Attribute::StatusText].into_iter().collect());
    let presence = with(Occasion { attributes, ..Occasion::default() }, InviteType::Presence);
    assert_eq!(send(&world, &alice, presence).await.status, Status::SUCCESSFUL);
    let bob = world.login("bob").await;
    assert_eq!(is_invited(&world, &bob).await.occasion.attributes, attributes);
}

#[tokio::test]
async fn an_application_waits_for_a_client_that_knows_applications() {
    let world = World::of(&["alice", "bob"]).await;
    let alice = world.login("alice").await;
    let old = world.login("bob").await;
    let occasion = Occasion { application_id: Some("chess".into()), ..Occasion::default() };
    send(&world, &alice, OutgoingInvitation { occasion, ..invitation("1", InviteType::Application, to(&["bob"])) })
        .await;
    assert!(next(&world, &old).await.is_none());
    let new = world.login_as("bob", "new", Version::V1_3).await;
    assert_eq!(is_invited(&world, &new).await.occasion.application_id.as_deref(), Some("chess"));
}

#[tokio::test]
async fn recipients_fail_one_by_one() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let alice = world.login("alice").await;
    let list = Address::new("wv:alice/friends@x");
    let contact = |name: &str| imps_types::element::NickEntry { name: None, user_id: (&user(name)).into() };
    let contacts = vec![contact("bob"), contact("carol")];
    world.services.presence().create_list(&alice, &list, contacts, Vec::new()).await.unwrap();
    let name = ScreenName { name: "Bo".into(), group_id: Address::new("wv:/g@x") };
    let recipient = Recipient {
        users: vec![User::of("wv:somebody@elsewhere.example"), User::of("wv:ghost@x")],
        groups: vec![Group::Id(Address::new("wv:/g@x")), Group::ScreenName(name)],
        contact_lists: vec![list, Address::new("wv:bob/friends@x")],
    };
    let result = send(&world, &alice, invitation("1", InviteType::Conversation, recipient)).await;
    assert_eq!(result.status, Status::PARTIALLY_SUCCESSFUL);
    let codes: Vec<u16> = result.detailed.iter().map(|one| one.status.code()).collect();
    assert_eq!(codes, [516, 531, 700, 800]);
    assert_eq!((result.detailed[3].group_ids.len(), result.detailed[3].screen_names.len()), (1, 1));
    for name in ["bob", "carol"] {
        let session = world.login(name).await;
        is_invited(&world, &session).await;
    }
    let nobody = send(&world, &alice, chat("2", &["ghost"])).await;
    assert_eq!(nobody.status, Status::UNKNOWN_USER);
    assert_eq!(rows(&world).await, [2; 3]);
}

#[tokio::test]
async fn they_are_bounded() {
    let world = World::with(&["alice", "bob", "carol"], |config| config.invitations_max = 2).await;
    let alice = world.login("alice").await;
    send(&world, &alice, chat("1", &["bob"])).await;
    let common = world.services.common();
    assert_eq!(common.invite(&alice, chat("2", &["bob", "carol"])).await, Err(Error::TooManyInvitations));
    send(&world, &alice, chat("2", &["bob"])).await;
    send(&world, &alice, chat("2", &["bob"])).await;
    assert_eq!(common.invite(&alice, chat("3", &["bob"])).await, Err(Error::TooManyInvitations));
    common.cancel_invitation(&alice, cancel("1", &[])).await.unwrap();
    send(&world, &alice, chat("3", &["bob"])).await;
}

#[tokio::test]
async fn nothing_is_left_of_a_removed_user() {
    let world = World::of(&["alice", "bob", "carol"]).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    send(&world, &alice, chat("1", &["bob", "carol"])).await;
    send(&world, &bob, chat("1", &["carol", "alice"])).await;
    assert_eq!(rows(&world).await, [4; 3]);
    world.services.access().remove_user(&user("bob")).await.unwrap();
    assert_eq!(rows(&world).await, [1; 3]);
    world.services.access().remove_user(&UserId::from_canonical("wv:carol@x")).await.unwrap();
    assert_eq!(rows(&world).await, [0; 3]);
}

#[tokio::test]
async fn who_is_named_is_bounded_whoever_is_invited() {
    let world = World::with(&["alice", "bob"], |config| config.recipients_max = 2).await;
    let alice = world.login("alice").await;
    assert_eq!(send(&world, &alice, chat("1", &["ghost", "bob"])).await.status, Status::PARTIALLY_SUCCESSFUL);
    let invited = world.services.common().invite(&alice, chat("2", &["ghost", "nobody", "none"])).await;
    assert_eq!(invited, Err(Error::TooManyInvitations));
}

#[tokio::test]
async fn answers_are_bounded_as_invitations_are() {
    let world = World::with(&["alice", "bob"], |config| config.queue_max = 1).await;
    let (alice, bob) = (world.login("alice").await, world.login("bob").await);
    send(&world, &alice, chat("1", &["bob"])).await;
    let named = |length: usize| {
        let group_id = Address::new(&"g".repeat(length));
        InviteReply { screen_name: Some(ScreenName { name: "bob".into(), group_id }), ..reply("1", true) }
    };
    assert_eq!(answers(&world, &bob, named(256)).await.unwrap_err().status().code(), 402);
    answers(&world, &bob, named(255)).await.unwrap();
    let full = Err(Error::Undeliverable);
    assert_eq!(answers(&world, &bob, reply("1", false)).await, full, "the first answer waits for her still");
    assert!(is_answered(&world, &alice).await.acceptance);
    answers(&world, &bob, reply("1", false)).await.unwrap();
}

#[tokio::test]
async fn a_guest_has_the_names_that_his_own_domain_knows_of() {
    let world = World::of(&["alice"]).await;
    let _neighbour = world.with_neighbour();
    let alice = world.login("alice").await;
    let guest = world.services.access().guest_session(&UserId::from_canonical("wv:eve@b.example")).await.unwrap();
    let under_name = |group: &str| OutgoingInvitation {
        screen_name: Some(ScreenName { name: "Boss".into(), group_id: Address::new(group) }),
        ..chat("i-1", &["alice"])
    };
    let refused = world.services.common().invite(&guest, under_name("wv:boss/board@third.example")).await;
    assert_eq!(refused.map_err(|error| error.status()), Err(Status::GROUP_IS_NOT_JOINED));
    send(&world, &guest, under_name("wv:boss/board@b.example")).await;
    let invited = is_invited(&world, &alice).await;
    assert!(matches!(invited.shown, Shown::ScreenName(_, name) if &*name == "Boss"));
}

#[tokio::test]
async fn an_invitation_of_a_guest_that_comes_again_is_told_once() {
    let world = World::of(&["alice"]).await;
    let _neighbour = world.with_neighbour();
    let guest = UserId::from_canonical("wv:eve@b.example");
    let eve = world.services.access().guest_session(&guest).await.unwrap();
    send(&world, &eve, chat("i-1", &["alice"])).await;
    // The peer did not see our answer: this server was started again meanwhile.
    let world = world.restarted().await;
    let _neighbour = world.with_neighbour();
    let eve = world.services.access().guest_session(&guest).await.unwrap();
    assert_eq!(send(&world, &eve, chat("i-1", &["alice"])).await.status, Status::SUCCESSFUL);
    let alice = world.login("alice").await;
    is_invited(&world, &alice).await;
    send(&world, &eve, chat("i-1", &["alice"])).await;
    assert!(world.services.im().next_event(&alice).await.is_none(), "once");
    // What says something else under the same InviteID is another one.
    send(&world, &eve, OutgoingInvitation { note: Some("now".into()), ..chat("i-1", &["alice"]) }).await;
    is_invited(&world, &alice).await;
    assert_eq!(rows(&world).await, [1; 3]);
}

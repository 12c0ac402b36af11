//! What happens to guests, as their domain is told, and as it understands it.

use imps_proto::ssp::Party;
use imps_service::Timestamp;
use imps_service::common::{Invitation, InvitationAnswer, InvitationCancelled, Named, Occasion, Shown};
use imps_service::event::{
    ForcedLeave, GroupChange, Kept, Message as Waiting, Notice, PresenceSnapshot, Report, Said, SystemNotice,
};
use imps_types::element::{Group, InviteType, Notification, NotificationType, Recipient, Sender, SystemMessage};
use imps_types::presence::{Attribute, AttributeSet, PresenceAttribute};
use imps_types::{DateTime, GroupId, MessageId};

use super::*;

fn user(text: &str) -> UserId {
    UserId::from_canonical(text)
}

fn bob() -> UserId {
    user("wv:bob@b.example")
}

fn guests() -> Vec<UserId> {
    vec![bob(), user("wv:bea@b.example")]
}

fn addresses() -> Vec<Address> {
    guests().iter().map(Address::from).collect()
}

fn cars() -> GroupId {
    GroupId::from_canonical("wv:alice/cars@a.example")
}

fn said(event: &Event, way: Way) -> Option<Primitive> {
    event_out(event, &guests(), &own(), way).map(wire)
}

fn told(event: &Event, way: Way) -> Told {
    let said = said(event, way).unwrap();
    assert_eq!(request_in(&said), None, "it is told, not asked");
    told_in(said).unwrap()
}

fn notice(content: NoticeContent) -> Event {
    Event::Notice(Arc::new(Notice { id: MessageId::new(1), recipient: bob(), content, expires: Timestamp(1) }))
}

fn message(sender: Sender, recipient: Recipient) -> Arc<Waiting> {
    let info = MessageInfo {
        message_id: Some("m81".into()),
        content_type: Some("text/plain".into()),
        content_size: 5,
        recipient,
        sender: Some(sender),
        date_time: DateTime::parse("20260131T120000Z"),
        ..MessageInfo::default()
    };
    Arc::new(Waiting {
        id: MessageId::new(81),
        sender: user("wv:alice@a.example"),
        info,
        content: b"hello".as_slice().into(),
        binary: false,
        shared: false,
        report: false,
        expires: Timestamp(1),
        kept: Kept::default(),
    })
}

fn group_message() -> Arc<Waiting> {
    let name = ScreenName { name: "Speedy".into(), group_id: Address::from(&cars()) };
    let recipient = Recipient { groups: vec![Group::Id(Address::from(&cars()))], ..Recipient::default() };
    message(Sender::Group(Group::ScreenName(name)), recipient)
}

#[test]
fn presence() {
    let value = PresenceAttribute::with_value(Attribute::StatusText, "busy");
    let list = PresenceSubList { attributes: vec![value], extensions: Vec::new() };
    let about = list.names();
    let snapshot = PresenceSnapshot::new(user("wv:alice@a.example"), about, list.clone());
    let event = Event::Presence(vec![Arc::new(snapshot)]);
    let values = vec![(Address::new("wv:alice@a.example"), list)];
    assert_eq!(told(&event, Way::Direct), Told::Presence { watchers: addresses(), values });
}

#[test]
fn a_group_changes() {
    let change = GroupChange {
        group: cars(),
        joined: vec![Mapping { name: "Speedy".into(), user_id: Some(Address::new("wv:alice@a.example")) }],
        left: vec!["Al".into(), "Bo".into()],
        joined_blocked: vec!["Cy".into()],
        left_blocked: vec!["Di".into()],
        properties: Some(GroupProperties { properties: vec![Property::new("Name", "Cars")], welcome_note: None }),
        own: Some(vec![Property::new("PrivilegeLevel", "Mod")]),
    };
    let expected = Told::Group {
        group: Address::from(&cars()),
        users: addresses(),
        // Names are bare: no address goes with them (SSP 17).
        joined: vec![Mapping { name: "Speedy".into(), user_id: None }],
        left: change.left.clone(),
        joined_blocked: change.joined_blocked.clone(),
        left_blocked: change.left_blocked.clone(),
        properties: change.properties.clone(),
        own_properties: change.own.clone(),
    };
    assert_eq!(told(&Event::GroupChange(Arc::new(change)), Way::Direct), expected);
}

#[test]
fn guests_are_made_to_leave() {
    let event = Event::ForcedLeave(Arc::new(ForcedLeave { group: cars(), reason: Status::REJECTED }));
    let (group, reason) = (Address::from(&cars()), Status::REJECTED);
    assert_eq!(told(&event, Way::Direct), Told::LeftGroup { group, users: addresses(), reason });
}

#[test]
fn a_message_in_a_group() {
    let event = Event::NewMessage(group_message());
    for (way, name) in [(Way::Direct, Name::SendMessageRequest), (Way::Pse, Name::NewMessage)] {
        let primitive = said(&event, way).unwrap();
        assert_eq!(primitive.name(), name);
        let meta = primitive.meta().unwrap();
        assert_eq!((meta.client_originated, &meta.requestor.user), (Some(false), &None));
        // Each guest by his address, and the sender by his name in the group.
        assert_eq!(primitive.spoken_to(), addresses().iter().collect::<Vec<_>>());
        assert_eq!(primitive.spoken_for(), [&Address::from(&cars())]);
        let Told::Message { users, info, content, report } = told(&event, way) else { panic!("another") };
        assert_eq!((users, report), (addresses(), false));
        assert_eq!(content, Some(Content::text("hello")));
        let sent = &group_message().info;
        assert_eq!((&info.sender, &info.recipient), (&sent.sender, &sent.recipient));
        assert_eq!((&info.message_id, &info.date_time), (&sent.message_id, &sent.date_time));
    }
}

#[test]
fn a_message_for_one_in_a_group() {
    let in_cars = |name: &str| Group::ScreenName(ScreenName { name: name.into(), group_id: Address::from(&cars()) });
    let recipient = Recipient { groups: vec![in_cars("Bobby")], ..Recipient::default() };
    let private = message(Sender::Group(in_cars("Speedy")), recipient.clone());
    let event = Event::NewMessage(private.clone());
    for way in [Way::Direct, Way::Pse] {
        let primitive = event_out(&event, &[bob()], &own(), way).map(wire).unwrap();
        // How he is called there is no address besides his own.
        assert_eq!(primitive.spoken_to(), [&Address::from(&bob())]);
        assert_eq!((primitive.service(), primitive.recipients()), (Some(Service::Group), 2));
        assert_eq!(request_in(&primitive), None, "it is told, not asked");
        let Some(Told::Message { users, info, .. }) = told_in(primitive) else { panic!("another") };
        assert_eq!(users, [Address::from(&bob())]);
        assert_eq!((&info.sender, &info.recipient), (&private.info.sender, &recipient));
    }
    // What somebody asks in his name there is a request, whomever it is for besides.
    let mut asked = event_out(&event, &[bob()], &own(), Way::Direct).unwrap();
    asked.meta_mut().unwrap().requestor.user = Some(User::of("wv:alice@a.example"));
    assert_eq!(asked.spoken_to(), [&Address::from(&bob()), &Address::from(&cars())]);
    assert!(told_in(asked).is_none());
}

#[test]
fn a_message_waits_at_the_pse() {
    let sender = Sender::User(User::of("wv:alice@a.example"));
    let waiting = message(sender, Recipient::user(User::of(&bob())));
    let event = Event::MessageNotification(waiting.clone());
    assert_eq!(said(&event, Way::Direct), None);
    let Told::Message { users, info, content, .. } = told(&event, Way::Pse) else { panic!("another") };
    assert_eq!((users, content), (addresses(), None));
    assert_eq!(info.message_id, waiting.info.message_id);
}

#[test]
fn what_became_of_a_message() {
    let sender = Sender::User(User::of(&bob()));
    let info = message(sender, Recipient::user(User::of("wv:alice@a.example"))).info.clone();
    let report = Report {
        id: MessageId::new(2),
        recipient: bob(),
        result: Status::MESSAGE_HAS_BEEN_REJECTED,
        time: DateTime::parse("20260131T120000Z").unwrap(),
        info: info.clone(),
        expires: Timestamp(1),
    };
    let event = Event::DeliveryReport(Arc::new(report.clone()));
    let Some(Primitive::DeliveryStatusReport(said)) = said(&event, Way::Direct) else { panic!("another") };
    assert_eq!(said.result.status.status, report.result);
    assert_eq!(said.time.and_then(|time| time.0), Some(report.time));
    assert_eq!(said.info, info);
}

fn invitation(inviter: &str, shown: Shown) -> Invitation {
    Invitation {
        inviter: user(inviter),
        shown,
        invite_id: "i-5".into(),
        invite_type: InviteType::Group,
        named: Named { shown: Shown::ScreenName(cars(), "Bo".into()), with_group: false },
        occasion: Occasion { group_id: Some(Address::from(&cars())), ..Occasion::default() },
        note: Some("Come!".into()),
        validity: 600,
    }
}

#[test]
fn a_guest_is_invited() {
    let by_name = Shown::ScreenName(cars(), "Speedy".into());
    for shown in [by_name, Shown::User(user("wv:alice@a.example"))] {
        let event = notice(NoticeContent::Invitation(Box::new(invitation("wv:alice@a.example", shown.clone()))));
        for way in [Way::Direct, Way::Pse] {
            let Some(Primitive::InviteRequest(said)) = said(&event, way) else { panic!("another") };
            assert_eq!(said.invited, Party::User(User::of(&bob())), "his domain knows no names of this group");
            let Some(Request::Invite(taken)) = request_in(&said.into()) else { panic!("another") };
            assert_eq!(taken.sender, Some(shown.sender()));
            assert_eq!((&*taken.invite_id, taken.validity), ("i-5", Some(600)));
            assert_eq!(taken.group_id, Some(Address::from(&cars())));
        }
    }
    // Between equals nobody speaks for users of a third domain.
    let shown = Shown::User(user("wv:carol@c.example"));
    let event = notice(NoticeContent::Invitation(Box::new(invitation("wv:carol@c.example", shown))));
    assert_eq!(said(&event, Way::Direct), None);
    assert!(said(&event, Way::Pse).is_some());
}

#[test]
fn who_hides_behind_a_name_is_not_told() {
    let shown = Shown::ScreenName(cars(), "Speedy".into());
    let event = notice(NoticeContent::Invitation(Box::new(invitation("wv:alice@a.example", shown))));
    let said = format!("{:?}", said(&event, Way::Direct).unwrap());
    assert!(!said.contains("wv:alice@"), "{said}");
}

#[test]
fn an_invitation_is_taken_back() {
    let cancelled = InvitationCancelled {
        shown: Shown::User(user("wv:alice@a.example")),
        invite_id: "i-5".into(),
        named: Named { shown: Shown::User(bob()), with_group: false },
        occasion: Occasion { urls: vec!["http://a.example/1".into()], ..Occasion::default() },
        note: Some("Sorry".into()),
    };
    let event = notice(NoticeContent::InvitationCancelled(Box::new(cancelled)));
    let said = said(&event, Way::Pse).unwrap();
    assert_eq!(said.service(), Some(Service::Content));
    let Some(Request::CancelInvite(taken)) = request_in(&said) else { panic!("another") };
    assert_eq!((&*taken.invite_id, taken.invite_note.as_deref()), ("i-5", Some("Sorry")));
    assert_eq!(taken.recipient, Some(Recipient::user(User::of(&bob()))));
}

#[test]
fn who_invited_is_answered() {
    let answer = InvitationAnswer {
        invite_id: "i-5".into(),
        acceptance: true,
        shown: Shown::User(user("wv:alice@a.example")),
        inviter: Shown::User(bob()),
        invite_note: None,
        note: Some("Yes!".into()),
        screen_name: None,
    };
    let event = notice(NoticeContent::InvitationAnswer(Box::new(answer)));
    assert!(said(&event, Way::Direct).unwrap().meta().is_none(), "as it is between equals (SSP 9.3)");
    assert!(said(&event, Way::Pse).unwrap().meta().is_some());
    let expected = Told::InviteAnswer {
        id: "i-5".into(),
        inviting: Some(Address::new("wv:bob@b.example")),
        responding: Some(Address::new("wv:alice@a.example")),
        accepted: true,
        note: Some("Yes!".into()),
        screen_name: None,
    };
    assert_eq!(told(&event, Way::Direct), expected);
}

#[test]
fn a_publisher_is_asked_at_home() {
    let watcher = user("wv:carol@c.example");
    for attributes in [None, Some(AttributeSet::from_iter([Attribute::OnlineStatus]))] {
        let event = notice(NoticeContent::PresenceAuth { watcher: watcher.clone(), attributes });
        assert_eq!(said(&event, Way::Direct), None, "a guest is no publisher here");
        let expected = Told::Authorization {
            publisher: Some(Address::from(&bob())),
            watcher: Address::from(&watcher),
            attributes: attributes.map(PresenceSubList::of_names),
        };
        assert_eq!(told(&event, Way::Pse), expected);
    }
}

#[test]
fn what_is_for_clients_alone_is_not_said() {
    let message = SystemMessage::default();
    let said_once = Said { message, sender: user("wv:/hamlet@a.example"), time: DateTime::from_unix(1) };
    let system = SystemNotice { number: 1, said: Some(said_once) };
    let notification = Notification::of_invite(NotificationType::InvitationAccepted, "i-5");
    for event in [
        notice(NoticeContent::SystemMessage(system)),
        Event::Notification(Arc::new(notification)),
        Event::Disconnect(success()),
    ] {
        for way in [Way::Direct, Way::Pse] {
            assert_eq!(said(&event, way), None);
        }
    }
}

#[test]
fn of_peers_that_do_not_say_who_must_leave() {
    let said = imps_proto::ssp::LeaveGroupIndication {
        meta: Some(meta()),
        group_id: Address::from(&cars()),
        status: None,
        users: Vec::new(),
        reason: None,
    };
    let users = vec![Address::new("wv:alice@a.example")];
    let expected = Told::LeftGroup { group: Address::from(&cars()), users, reason: Status::SUCCESSFUL };
    assert_eq!(told_in(said.into()), Some(expected));
}

//! What other domains have for our users, or keep, is asked there by the requests of CSP.

use imps_proto::csp::catalogue::Request;
use imps_proto::csp::{
    GetListResponse, GetMessageListResponse, GetMessageResponse, GetWatcherListResponse, JoinGroupResponse,
    ListManageResponse, SearchResponse, SendMessageResponse, StatusPrimitive,
};
use imps_proto::elements;
use imps_types::Status;
use imps_types::element::{
    DetailedResult, MessageInfo, NickEntry, ResultInfo, ScreenName, SearchResult, Sender, User, Watcher, WatcherStatus,
    WelcomeNote,
};

use super::other::Other;
use super::*;

/// Bob, who is logged in, and the domain that has everything for him from now on.
async fn served_by(other: Other) -> (Arc<Clp>, Dialogue, Arc<Other>) {
    let clp = world(|_| {}).await;
    let bob = logged_in(&clp, "bob").await;
    let other = Arc::new(other);
    clp.csp.set_elsewhere(other.clone());
    (clp, bob, other)
}

#[tokio::test]
async fn every_command_goes_where_its_service_is() {
    let (_clp, mut bob, other) = served_by(Other::default()).await;
    for (line, request, said) in [
        ("on in a train", "UpdatePresence-Request", "+200 ok"),
        ("mood happy", "UpdatePresence-Request", "+200 ok"),
        ("sub carol", "SubscribePresence-Request", "+200 ok"),
        ("unsub carol", "UnsubscribePresence-Request", "+200 ok"),
        ("show carol", "GetPresence-Request", "+200 ok"),
        ("allow carol mood", "PresenceAuth-User", "+200 ok"),
        ("deny carol", "PresenceAuth-User", "+200 ok"),
        ("unallow carol", "CancelAuth-Request", "+200 ok"),
        ("watchers", "GetWatcherList-Request", "+200 ok"),
        ("give default mood", "CreateAttributeList-Request", "+200 ok"),
        ("given", "GetAttributeList-Request", "+200 ok"),
        ("take carol", "DeleteAttributeList-Request", "+200 ok"),
        ("msg carol hi", "SendMessage-Request", "+200 sent #1"),
        ("block carol", "BlockEntity-Request", "+200 ok"),
        ("newgroup /cars as=Speedy", "CreateGroup-Request", "+200 joined /cars"),
        ("join bob/cars", "JoinGroup-Request", "+200 joined bob/cars"),
        ("users bob/cars", "GetJoinedUsers-Request", "+200 ok"),
        ("members bob/cars", "GetGroupMembers-Request", "+200 ok"),
        ("member bob/cars +carol", "AddGroupMembers-Request", "+200 ok"),
        ("member bob/cars -carol", "RemoveGroupMembers-Request", "+200 ok"),
        ("role bob/cars carol mod", "MemberAccess-Request", "+200 ok"),
        ("topic bob/cars old ones", "SetGroupProps-Request", "+200 ok"),
        ("ban bob/cars carol", "RejectList-Request", "+200 ok"),
        ("watch bob/cars", "SubscribeGroupNotice-Request", "+200 ok"),
        ("leave bob/cars", "LeaveGroup-Request", "+200 left bob/cars"),
        ("delgroup bob/cars", "DeleteGroup-Request", "+200 ok"),
        ("groups", "Search-Request", "+200 ok"),
        ("invite carol presence", "Invite-Request", "+200 invited #2"),
        ("share carol http://x.example/y", "Invite-Request", "+200 shared #3"),
    ] {
        assert_eq!(say(&mut bob, line).await, said, "{line}");
        assert_eq!(other.names(), [request], "{line}");
    }
    let (user_id, status) = (Address::new("wv:ann@a.example"), Some(WatcherStatus::CurrentSubscriber));
    let watchers = vec![Watcher { user_id, friendly_name: None, status }];
    other.answers(GetWatcherListResponse { history_period: None, watcher_count: None, watchers });
    let watchers = say(&mut bob, "watchers").await;
    assert!(watchers.starts_with(":ann@a.example ") && watchers.ends_with(" | +200 ok"), "{watchers}");
    other.answers(SendMessageResponse {
        result: ResultInfo::of(Status::SUCCESSFUL),
        message_id: Some("m@a.example".into()),
    });
    assert_eq!(say(&mut bob, "msg carol hi").await, "+200 sent #4");
}

#[tokio::test]
async fn who_is_invited_joins_where_the_group_is_and_reads_its_note() {
    let (_clp, bob, other) = served_by(Other::default()).await;
    let cars = Address::new("wv:ann/cars@a.example");
    let note = WelcomeNote { content_type: "text/plain".into(), content: Content::text("no politics") };
    other.answers(JoinGroupResponse { joined: None, screen_name: None, welcome_note: Some(note) });
    let Ok(reply) = bob.join_invited(&cars).await else { panic!("not joined") };
    assert_eq!(
        (reply.lines, reply.text),
        (vec!["welcome: no politics".to_owned()], "joined ann/cars@a.example".to_owned())
    );
    assert_eq!(other.names(), ["JoinGroup-Request"]);
    // Who is in it already stays.
    other.refuses(Status::GROUP_IS_ALREADY_JOINED);
    assert!(bob.join_invited(&cars).await.is_ok_and(|reply| reply.status == Status::SUCCESSFUL));
}

#[tokio::test]
async fn a_search_goes_on_and_ends_where_it_began() {
    let (_clp, mut bob, other) = served_by(Other::default()).await;
    let found = |is_last: bool| SearchResponse {
        search_id: Some("7@a.example".into()),
        search_findings: 2,
        completion_flag: is_last,
        search_index: Some(2),
        search_result: Some(SearchResult::Users(vec![Address::new("wv:ann@a.example")])),
    };
    let asked = |id: Option<&str>| {
        let asked = other.asked();
        let is_it = matches!(asked.as_slice(), [Request::Search(it)] if it.search_id.as_deref() == id);
        assert!(is_it, "{asked:?}");
    };
    other.answers(found(false));
    assert_eq!(say(&mut bob, "find id=ann@a.example").await, ":ann@a.example | +200 #1 found 2, MORE");
    asked(None);
    other.answers(found(true));
    assert_eq!(say(&mut bob, "more").await, ":ann@a.example | +200 #1 found 2");
    asked(Some("7@a.example"));
    assert_eq!(say(&mut bob, "more").await, "-404 no more");
    other.answers(found(false));
    assert_eq!(say(&mut bob, "find group id=ann/cars@a.example").await, ":ann@a.example | +200 #2 found 2, MORE");
    assert_eq!(say(&mut bob, "stop").await, "+200 ok");
    assert_eq!(other.names(), ["Search-Request", "StopSearch-Request"]);
}

#[tokio::test]
async fn a_failure_names_the_domain_that_is_to_blame() {
    let (_clp, mut bob, other) = served_by(Other::default()).await;
    for (line, status, said) in [
        ("newgroup /cars as=S", Status::DOMAIN_NOT_SUPPORTED, "-516 cannot reach a.example"),
        ("msg carol hi", Status::SERVICE_NOT_AGREED, "-506 not agreed with a.example"),
        ("text hi", Status::SERVER_UNAVAILABLE, "-503 a.example is not available, try again later"),
        ("join ann/cars@a.example", Status::SERVER_UNAVAILABLE, "-503 a.example is not available, try again later"),
        ("join ann/cars@a.example", Status::GROUP_DOES_NOT_EXIST, "-800 no group ann/cars@a.example"),
    ] {
        other.refuses(status);
        assert_eq!(say(&mut bob, line).await, said, "{line}");
    }
    let one = DetailedResult {
        user_ids: vec![Address::new("wv:zoe@z.example")],
        ..DetailedResult::of(Status::SERVER_UNAVAILABLE)
    };
    let result = ResultInfo { detailed: vec![one], ..ResultInfo::of(Status::SERVER_UNAVAILABLE) };
    other.answers(StatusPrimitive::new(result));
    assert_eq!(say(&mut bob, "sub zoe@z.example").await, "-503 z.example is not available, try again later");
    // Whoever speaks to somebody in a group speaks through the group.
    let speedy = ScreenName { name: "Speedy".into(), group_id: Address::new("wv:/cars@b.example") };
    let one = DetailedResult { screen_names: vec![speedy], ..DetailedResult::of(Status::GROUP_DOES_NOT_EXIST) };
    let result = ResultInfo { detailed: vec![one], ..ResultInfo::of(Status::GROUP_DOES_NOT_EXIST) };
    other.answers(StatusPrimitive::new(result));
    assert_eq!(say(&mut bob, "/cars!Speedy hi").await, "-800 no group /cars");
}

#[tokio::test]
async fn lists_are_read_where_they_are_kept() {
    let (_clp, mut bob, other) = served_by(Other::with_lists()).await;
    let friends = Address::new("wv:bob/friends@b.example");
    let lists = || GetListResponse { contact_lists: Vec::new(), default_contact_list: Some(friends.clone()) };
    let benny = NickEntry { name: Some("Benny".into()), user_id: Address::new("wv:ben@b.example") };
    let list = || ListManageResponse {
        result: ResultInfo::of(Status::SUCCESSFUL),
        nick_list: Some(vec![benny.clone()]),
        properties: vec![imps_types::element::Property::new("DisplayName", "Friends")],
    };
    other.answers(lists());
    other.answers(list());
    assert_eq!(say(&mut bob, "lists").await, ":~friends \"Friends\" 1 default | +200 ok");
    assert_eq!(other.names(), ["GetList-Request", "ListManage-Request"]);
    other.answers(lists());
    other.answers(list());
    assert_eq!(say(&mut bob, "list").await, ":ben \"Benny\" ? | +200 ok");
    assert_eq!(other.names(), ["GetList-Request", "ListManage-Request", "GetPresence-Request"]);
    // Whom they call so is known all the same.
    other.answers(lists());
    other.answers(list());
    assert_eq!(say(&mut bob, "msg benny hi").await, "+200 sent #1");
    let asked = other.asked();
    let is_it = |request: &Request| {
        matches!(request, Request::SendMessage(it)
            if it.message.info.recipient.users.iter().any(|user| user.user_id == benny.user_id))
    };
    assert!(asked.last().is_some_and(is_it), "{asked:?}");
}

#[tokio::test]
async fn messages_that_another_domain_has_are_read_and_thrown_away_there() {
    let (_clp, mut bob, other) = served_by(Other::default()).await;
    let carol = User::of(Address::new("wv:carol@b.example"));
    let info = |id: &str| MessageInfo {
        message_id: Some(id.into()),
        sender: Some(Sender::User(carol.clone())),
        content_size: 2,
        ..MessageInfo::default()
    };
    let messages = vec![info("18@a.example"), info("19@a.example")];
    other.answers(GetMessageListResponse { messages, message_total_count: None });
    let listed = say(&mut bob, "inbox").await;
    assert!(listed.contains(":1 carol ") && listed.ends_with("+200 2 waiting"), "{listed}");
    assert_eq!(other.names(), ["GetMessageList-Request"]);
    let message = elements::Message { info: info("18@a.example"), content: Some(Content::text("hi")) };
    other.answers(GetMessageResponse { message });
    let read = say(&mut bob, "read 1").await;
    assert!(read.starts_with(":1 carol") && read.ends_with(": hi | +200 ok"), "{read}");
    // When it is written it is delivered.
    let asked = other.asked();
    let [Request::GetMessage(got), Request::MessageDelivered(delivered)] = asked.as_slice() else {
        panic!("{asked:?}");
    };
    assert_eq!((&*got.message_id, &*delivered.message_id), ("18@a.example", "18@a.example"));
    assert_eq!(say(&mut bob, "drop 2").await, "+200 ok");
    assert_eq!(other.names(), ["RejectMessage-Request"]);
    // What is not there any more is no item, and what cannot be asked for remains one.
    let messages = vec![info("20@a.example")];
    other.answers(GetMessageListResponse { messages, message_total_count: Some(1) });
    assert!(say(&mut bob, "inbox").await.ends_with("+200 1 waiting"));
    for (line, status, said) in [
        ("read 3", Status::SERVER_UNAVAILABLE, "-503 a.example is not available, try again later"),
        ("drop 3", Status::SERVER_UNAVAILABLE, "-503 a.example is not available, try again later"),
        ("drop 3", Status::INVALID_MESSAGE_ID, "-426 no item #3"),
        ("read 3", Status::INVALID_MESSAGE_ID, "-426 no item #3"),
    ] {
        other.refuses(status);
        assert_eq!(say(&mut bob, line).await, said, "{line}");
    }
}

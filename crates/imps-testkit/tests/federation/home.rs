//! A domain: its server, its phones, and the way that others take to it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use imps_proto::wire::Form;
use imps_testkit::phone::forms::{Body, GroupWish, Outgoing, Proof, Targets};
use imps_testkit::phone::{Band, Channel, Node, Personality, Phone, Settings, status_of};
use imps_testkit::server::{End, Program};
use imps_types::Version;
use serde_json::Value;

use super::between::{Between, Wire, post};
use super::recorded::record;
use super::told::said;
use super::{Mood, WITHIN};

/// All domains of a test, and what goes between them.
pub(crate) struct World {
    test: &'static str,
    pub(crate) wire: Wire,
}

impl World {
    /// Of the test of this name.
    pub(crate) fn of(test: &'static str) -> Self {
        Self { test, wire: Wire::default() }
    }

    /// A domain with these users.
    pub(crate) async fn home(&self, domain: &'static str, users: &[&str], more: &[(&str, &str)]) -> Home {
        // Whoever was away is tried again soon.
        let settings = [("ssp.setup_pause", "1"), ("ssp.setup_pause_max", "1")];
        let settings: Vec<_> =
            settings.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let server = Program::serve(domain, &settings).await.expect("a server");
        for user in users {
            server.add_user(user, "secret", None).await.expect("a user");
        }
        Home { domain, server, wire: self.wire.clone(), ways: Mutex::default() }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // What a test that fails has seen proves nothing.
        if !std::thread::panicking() {
            record(self.test, &self.wire);
        }
    }
}

/// A domain.
pub(crate) struct Home {
    pub(crate) domain: &'static str,
    pub(crate) server: Program,
    wire: Wire,
    /// From this domain to others.
    ways: Mutex<HashMap<String, Between>>,
}

impl Home {
    pub(crate) async fn operate(&self, words: &[&str]) -> Result<String, String> {
        self.server.operate(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).await
    }

    /// Carries out a command that is to succeed.
    pub(crate) async fn do_(&self, words: &[&str]) -> String {
        self.operate(words).await.unwrap_or_else(|why| panic!("{}: hamlet {}: {why}", self.domain, words.join(" ")))
    }

    /// This domain knows the other one by its URL, and by what else is said.
    pub(crate) async fn knows(&self, other: &Self, more: &[&str]) {
        self.knows_at(other.domain, other.server.address(), more).await;
    }

    /// The same of a domain that is no program of ours.
    pub(crate) async fn knows_at(&self, other: &str, address: std::net::SocketAddr, more: &[&str]) {
        let between = Between::new(&self.wire, self.domain, other, address).await;
        let url = between.url();
        self.ways.lock().unwrap_or_else(PoisonError::into_inner).insert(other.to_owned(), between);
        let mut words = vec!["peer", "add", other, "--url", &url];
        words.extend(more);
        self.do_(&words).await;
    }

    /// The way from here to another domain becomes such a one.
    pub(crate) fn way_becomes(&self, other: &Self, mood: Mood) {
        let ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        ways.get(other.domain).expect("a way").becomes(mood);
    }

    /// Has a session with another domain, and whatever is agreed on at its beginning, behind it.
    pub(crate) async fn meets(&self, other: &Self) {
        let mut steps = self.operate(&["peer", "test", other.domain]).await;
        for _ in 0..20 {
            if steps.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            steps = self.operate(&["peer", "test", other.domain]).await;
        }
        steps.unwrap_or_else(|why| panic!("{} and {}: {why}", self.domain, other.domain));
        self.wire.quiet().await;
    }

    /// What `hamlet peer show --json` says.
    pub(crate) async fn shown(&self, other: &str) -> Value {
        serde_json::from_str(&self.do_(&["peer", "show", other, "--json"]).await).expect("JSON")
    }

    /// Ends it and starts it again.
    pub(crate) async fn restart(&mut self, end: End) {
        self.server.end(end).await.expect("ended");
        self.server.go_on().await.expect("started");
    }

    /// A phone of a user, logged in.
    pub(crate) async fn phone(&self, user: &str) -> Phone {
        self.phone_of(user, Version::V1_3).await
    }

    /// The same, of a version.
    pub(crate) async fn phone_of(&self, user: &str, version: Version) -> Phone {
        self.client_of(user, version, None).await
    }

    /// The same, of a ClientID: one user may have several.
    pub(crate) async fn client_of(&self, user: &str, version: Version, client: Option<&str>) -> Phone {
        let settings = Settings {
            version,
            form: Form::Xml,
            personality: Personality::Plain,
            user: format!("wv:{user}@{}", self.domain),
            password: "secret".to_owned(),
            client: client.map(str::to_owned),
            content_type: None,
            is_silent: false,
            channel: Channel::Http,
            number: None,
        };
        let mut phone = Phone::new(settings, self.server.address());
        let login = phone.speaker.login(Proof::Password("secret"), Some(600), None);
        let answer = phone.request(login, Band::Out).await.expect("an answer").expect("an answer");
        assert_eq!((answer.name.as_str(), status_of(&answer)), ("Login-Response", 200), "{}", answer.pretty());
        phone.open_session(&answer);
        ask(&mut phone, |it| it.speaker.capabilities(&[])).await;
        ask(&mut phone, |it| it.speaker.services(&[], true)).await;
        phone
    }

    /// Posts a request to a server in the session that another domain has with it, as that domain would; the answer, as it
    /// was posted back.
    pub(crate) async fn is_told_by(&self, other: &Self, transaction: &str, inside: &str) -> String {
        let since = self.wire.len();
        self.hears_from(other, transaction, inside).await;
        self.wire.answer_since(since, transaction, self.domain, other.domain).await
    }

    /// The same of what nobody answers.
    pub(crate) async fn hears_from(&self, other: &Self, transaction: &str, inside: &str) {
        let session = self.wire.posted(other.domain, self.domain).iter().rev().find_map(|one| {
            let is_in_session = one.document.contains("<Session ");
            one.attribute("sessionID").filter(|_| is_in_session).map(str::to_owned)
        });
        let session = session.expect("a session");
        let document = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<WV-SSP-Message \
             xmlns=\"http://www.openmobilealliance.org/DTD/WV-SSP1.3\"><Session sessionID=\"{session}\"><Transaction \
             mode=\"Request\" transactionID=\"{transaction}\">{inside}</Transaction></Session></WV-SSP-Message>"
        );
        let way = {
            let ways = other.ways.lock().unwrap_or_else(PoisonError::into_inner);
            ways.get(self.domain).expect("a way").address()
        };
        assert_eq!(post(way, &document).await, 200, "{document}");
    }
}

/// Sends a request; the answer, whatever it says.
pub(crate) async fn try_to(phone: &mut Phone, request: impl FnOnce(&Phone) -> Node) -> Node {
    let request = request(phone);
    let name = request.name.clone();
    let answer = phone.request(request, Band::In).await;
    answer.unwrap_or_else(|why| panic!("{name}: {why}")).unwrap_or_else(|| panic!("{name} is not answered"))
}

/// Sends a request that is to succeed; the answer.
pub(crate) async fn ask(phone: &mut Phone, request: impl FnOnce(&Phone) -> Node) -> Node {
    let answer = try_to(phone, request).await;
    assert_eq!(status_of(&answer), 200, "{}", answer.pretty());
    answer
}

/// Sends a message, with a report asked for; the status.
pub(crate) async fn send(phone: &mut Phone, to: &[&str], text: &str) -> u16 {
    let (groups, users): (Vec<_>, Vec<_>) = to.iter().map(|&one| one.to_owned()).partition(|one| one.contains('/'));
    let report = groups.is_empty();
    let to = Targets { users, groups, ..Targets::default() };
    // Before 1.3 it must be said who speaks.
    let sender = report.then(|| phone.speaker.user.clone());
    let message = Outgoing { to, report, sender, content: Body::Text(text.to_owned()), ..Outgoing::default() };
    status_of(&try_to(phone, |it| it.speaker.send_message(&message)).await)
}

/// What comes next: `hi from wv:alice@a.example`, or `200 for wv:bob@b.example`.
pub(crate) async fn next(phone: &mut Phone) -> String {
    let name = phone.speaker.user.clone();
    let something = async {
        loop {
            if let Some(received) = phone.take().await.expect("acknowledged") {
                return said(&received.primitive);
            }
            phone.poll_for_what_is_left().await.expect("polled");
            if phone.inbox.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    };
    tokio::time::timeout(WITHIN, something).await.unwrap_or_else(|_| panic!("nothing comes for {name}"))
}

/// What comes next, and after it, so many: in the order of their words.
pub(crate) async fn next_of(phone: &mut Phone, count: usize) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(next(phone).await);
    }
    all.sort();
    all
}

/// Nothing comes any more.
pub(crate) async fn is_quiet(phone: &mut Phone) {
    for _ in 0..10 {
        phone.poll_for_what_is_left().await.expect("polled");
        assert!(phone.inbox.is_empty(), "{:?}", phone.inbox);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn users(users: &[&str]) -> Targets {
    Targets { users: users.iter().map(|&one| one.to_owned()).collect(), ..Targets::default() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&one| one.to_owned()).collect()
}

/// Everybody may see these attributes.
pub(crate) async fn show_all(phone: &mut Phone, attributes: &[&str]) {
    let everybody = Targets { default: true, ..Targets::default() };
    ask(phone, |it| it.speaker.create_attribute_list(&everybody, &names(attributes))).await;
}

/// Changes an attribute.
pub(crate) async fn publish(phone: &mut Phone, attribute: &str, value: &str) {
    let value = [Node::leaf("Qualifier", "T"), Node::leaf("PresenceValue", value)];
    ask(phone, |it| it.speaker.update_presence(vec![Node::new(attribute, value)])).await;
}

/// Subscribes; the answer.
pub(crate) async fn subscribe(phone: &mut Phone, to: &[&str], attributes: &[&str]) -> Node {
    try_to(phone, |it| it.speaker.subscribe(&users(to), &names(attributes), None)).await
}

/// Subscribes no more.
pub(crate) async fn unsubscribe(phone: &mut Phone, to: &[&str]) {
    ask(phone, |it| it.speaker.unsubscribe(&users(to))).await;
}

/// Asks for presence once; the answer.
pub(crate) async fn get_presence(phone: &mut Phone, of: &[&str], attributes: &[&str]) -> Node {
    try_to(phone, |it| it.speaker.get_presence(&users(of), &names(attributes))).await
}

fn wish(group: &str, name: Option<&str>) -> GroupWish {
    GroupWish { group: group.to_owned(), screen_name: name.map(str::to_owned), subscribe: true, ..GroupWish::default() }
}

/// Makes a group, and joins it under a name.
pub(crate) async fn create_group(phone: &mut Phone, group: &str, name: &str) {
    let mut wish = wish(group, Some(name));
    wish.properties = vec![("Name".to_owned(), "Cars".to_owned())];
    ask(phone, |it| it.speaker.group_request("CreateGroup-Request", &wish)).await;
}

/// Joins a group under a name; the answer.
pub(crate) async fn join(phone: &mut Phone, group: &str, name: &str) -> Node {
    try_to(phone, |it| it.speaker.group_request("JoinGroup-Request", &wish(group, Some(name)))).await
}

/// Leaves a group; the status.
pub(crate) async fn leave(phone: &mut Phone, group: &str) -> u16 {
    let answer = try_to(phone, |it| it.speaker.of_group("LeaveGroup-Request", group)).await;
    assert!(matches!(answer.name.as_str(), "LeaveGroup-Response" | "Status"), "{}", answer.pretty());
    status_of(&answer)
}

/// An invitation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Invitation<'a> {
    pub(crate) id: &'a str,
    pub(crate) to: &'a [&'a str],
    /// A group; none: content.
    pub(crate) group: Option<&'a str>,
    pub(crate) note: &'a str,
}

/// Invites; the status.
pub(crate) async fn invite(phone: &mut Phone, what: Invitation<'_>) -> u16 {
    let to = what.to.iter().map(|one| Node::new("User", [Node::leaf("UserID", *one)]));
    let mut children = vec![
        Node::leaf("InviteID", what.id),
        Node::leaf("InviteType", if what.group.is_some() { "GR" } else { "SC" }),
        Node::new("Recipient", to),
    ];
    match what.group {
        Some(group) => children.push(Node::leaf("GroupID", group)),
        None => children.push(Node::new("URLList", [Node::leaf("URL", "http://pictures.example/1.jpg")])),
    }
    children.extend([Node::leaf("InviteNote", what.note), Node::leaf("Validity", "600")]);
    status_of(&try_to(phone, |_| Node::new("Invite-Request", children)).await)
}

/// Answers an invitation; the status.
pub(crate) async fn answer(phone: &mut Phone, id: &str, to: &str, accepts: bool, note: &str) -> u16 {
    let user = |address: &str| Node::new("User", [Node::leaf("UserID", address)]);
    let mut children = vec![Node::leaf("InviteID", id), Node::leaf("Acceptance", if accepts { "T" } else { "F" })];
    if phone.speaker.version > Version::V1_1 {
        children.push(Node::new("Sender", [user(&phone.speaker.user)]));
    }
    if phone.speaker.version == Version::V1_3 {
        children.push(Node::new("Recipient", [user(to)]));
    }
    children.push(Node::leaf("ResponseNote", note));
    status_of(&try_to(phone, |_| Node::new("InviteUser-Response", children)).await)
}

/// Takes an invitation back; the status.
pub(crate) async fn cancel(phone: &mut Phone, what: Invitation<'_>) -> u16 {
    let to = what.to.iter().map(|one| Node::new("User", [Node::leaf("UserID", *one)]));
    let mut children =
        vec![Node::leaf("InviteID", what.id), Node::new("Recipient", to), Node::leaf("InviteNote", what.note)];
    match what.group {
        Some(group) => children.push(Node::leaf("GroupID", group)),
        None => children.push(Node::new("URLList", [Node::leaf("URL", "http://pictures.example/1.jpg")])),
    }
    status_of(&try_to(phone, |_| Node::new("CancelInvite-Request", children)).await)
}

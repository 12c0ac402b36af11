//! Messages to a group that a great many have joined: to memory outboxes in this process, and by polling.
//!
//! Over HTTP everybody who has joined polls on a connection of his own, acknowledges what he gets (the answer may carry
//! the next messages), and polls again. The sender posts the next messages while few are under way. A client that agreed to
//! several transactions posts several messages at once, or is answered with several and acknowledges them together. Every
//! message must come to everybody, once and in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use imps_proto::Element;
use imps_service::access::{LoginAttempt, LoginOutcome, PhonePassword};
use imps_service::event::Event;
use imps_service::group::{JoinWish, NewGroup};
use imps_service::im::OutgoingMessage;
use imps_service::seam::{LocalBus, MemoryEngine, NodeId};
use imps_service::store::Store;
use imps_service::{Clock, ServiceConfig, Services, Session};
use imps_types::element::{Content, Group, MessageInfo, Recipient};
use imps_types::{Address, ClientId, Domain, Secret, UserId};

use super::faults::Faults;
use super::net::{Answer, Driver, Net};
use super::repeat::{Exchange, repeat_times};
use super::scan::{Scanner, Seen};
use super::server::{DOMAIN, address};
use super::template::{Requests, SocketRequests, Template, VERSION};
use super::{Latencies, Outcome, Window, now};

/// The group, of the sender's.
const NAME: &str = "everybody";

/// How the load is offered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// A message is under way until this share of those who have joined have it.
    pub(crate) share: f64,
    /// So many messages may be under way.
    pub(crate) ahead: usize,
    /// So many transactions a client agreed to have in one message.
    pub(crate) together: u32,
    /// Between an empty poll and the next one.
    pub(crate) pause: Duration,
    /// Bytes of a message.
    pub(crate) size: usize,
}

/// The address of a user's group.
fn group_of(sender: &str) -> String {
    format!("wv:{sender}/{NAME}@{DOMAIN}")
}

/// What a message says.
fn content(number: u64, size: usize) -> String {
    format!("{:size$}", format!("number {number:08}, to all of you"))
}

fn number(content: &[u8]) -> Option<u64> {
    std::str::from_utf8(content.strip_prefix(b"number ")?.get(..8)?).ok()?.parse().ok()
}

/// What was measured in this process.
pub(crate) struct InMemory {
    pub(crate) messages: u64,
    /// Deliveries into outboxes in a second of sending.
    pub(crate) rate: f64,
    /// Deliveries in a second that were also taken and acknowledged, one after the other.
    pub(crate) acknowledged: f64,
    pub(crate) faults: Faults,
}

/// A server in memory whom the users log in to.
struct Hall {
    services: Arc<Services>,
    sessions: Vec<Arc<Session>>,
}

impl Hall {
    async fn open(users: &[String]) -> Outcome<Self> {
        let failed = |error: &dyn std::fmt::Debug| format!("no server in memory: {error:?}");
        let domain = Domain::parse(DOMAIN).map_err(|error| failed(&error))?;
        let (bus, store) = (Arc::new(LocalBus::new(NodeId(0))), Store::new(Arc::new(MemoryEngine::new())));
        let config = ServiceConfig::new(domain);
        let services = Services::new(config, Clock::system(), store, bus, Secret::new([7; 32]));
        let mut sessions = Vec::with_capacity(users.len());
        for name in users {
            let user = UserId::parse(&address(name), &services.config.domain).map_err(|error| failed(&error))?;
            let phone = PhonePassword::Set(Secret::new("secret".to_owned()));
            services.access().add_user(&user, None, phone).await.map_err(|error| failed(&error))?;
            let attempt = LoginAttempt {
                user: Some(Address::new(name)),
                client: ClientId::of_url("load"),
                application: None,
                password: Some(Secret::new("secret".into())),
                digest: None,
                schemas: Vec::new(),
                time_to_live: None,
                cookie: "load".into(),
                resume: None,
                version: VERSION,
                responses: Vec::new(),
                language: None,
                from: None,
                msisdn: None,
            };
            match services.access().login(attempt).await.map_err(|error| failed(&error))? {
                LoginOutcome::Opened { session, .. } => sessions.push(session),
                _ => return Err("a login in memory was not completed".to_owned()),
            }
        }
        Ok(Self { services, sessions })
    }

    /// The first makes the group, and all join.
    async fn gather(&self, users: &[String], group: &Address) -> Outcome {
        let failed = |error| format!("nobody can join: {error:?}");
        let groups = self.services.group();
        for (place, (session, name)) in self.sessions.iter().zip(users).enumerate() {
            let wish = JoinWish { screen_name: Some(name.as_str().into()), subscribe: false, own: Vec::new() };
            if place == 0 {
                let new = NewGroup { join: true, wish, ..NewGroup::default() };
                groups.create(session, group, new).await.map_err(failed)?;
            } else {
                groups.join(session, group, wish).await.map_err(failed)?;
            }
        }
        Ok(())
    }
}

/// Sends messages to a group in this process. The first of the users is the sender.
pub(crate) fn in_memory(users: &[String], size: usize, time: Duration) -> Outcome<InMemory> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let hall = Hall::open(users).await?;
        let group = Address::new(&group_of(users.first().map_or("", String::as_str)));
        hall.gather(users, &group).await?;
        let Some((sender, others)) = hall.sessions.split_first() else { return Err("nobody is there".to_owned()) };
        let (mut faults, mut sending, mut deliveries, mut messages) = (Faults::default(), Duration::ZERO, 0_u64, 0_u64);
        let began = now();
        while began.elapsed() < time {
            let text = content(messages, size);
            let info = MessageInfo {
                content_type: Some("text/plain".into()),
                recipient: Recipient { groups: vec![Group::Id(group.clone())], ..Recipient::default() },
                ..MessageInfo::default()
            };
            let message = OutgoingMessage { info, content: Content::text(&text), delivery_report: false };
            let sent = now();
            let answer = hall.services.im().send(sender, message, None).await;
            sending += sent.elapsed();
            if !answer.as_ref().is_ok_and(|sent| sent.id.is_some()) {
                return Err(format!("a message to the group was answered by {answer:?}"));
            }
            messages += 1;
            for session in others {
                match hall.services.im().next_event(session).await {
                    Some(Event::NewMessage(message)) if message.content == text.as_bytes() => {
                        deliveries += 1;
                        let id = message.id.to_string();
                        if let Err(error) = hall.services.im().delivered(session, &id, Some(&message)).await {
                            faults.add(|| format!("an acknowledgement: {error:?}"));
                        }
                    }
                    other => faults.add(|| format!("instead of message {messages} came {other:?}")),
                }
            }
        }
        let per_second = |spent: Duration| deliveries as f64 / spent.as_secs_f64();
        Ok(InMemory { messages, rate: per_second(sending), acknowledged: per_second(began.elapsed()), faults })
    })
}

/// A request that must succeed, of each session in its turn.
struct Once<'a> {
    template: &'a Template,
    scanner: &'a Scanner,
    values: [&'a [u8]; 4],
}

impl Exchange for Once<'_> {
    fn render(&mut self, _: usize, _: u64, out: &mut Vec<u8>) {
        self.template.render(out, &self.values);
    }

    fn check(&mut self, _: usize, _: u64, answer: &Answer<'_>) -> Result<(), String> {
        match self.scanner.scan(answer.body) {
            // A JoinGroup-Response has no code.
            Some(seen) if answer.status == 200 && (seen.code == 200 || seen.code == 0) => Ok(()),
            seen => Err(format!("HTTP {} and {:?}", answer.status, seen.map(|seen| (seen.primitive, seen.code)))),
        }
    }
}

/// The first makes the group, and all join.
pub(crate) fn gather(
    net: &mut Net,
    requests: &Requests,
    scanner: &Scanner,
    users: &[String],
    sessions: &[Vec<u8>],
) -> Outcome {
    let group = group_of(users.first().map_or("", String::as_str));
    for (place, (session, name)) in sessions.iter().zip(users).enumerate() {
        let template = if place == 0 { &requests.create_group } else { &requests.join_group };
        let mut once = Once { template, scanner, values: [session, b"join", group.as_bytes(), name.as_bytes()] };
        if let Some(why) = repeat_times(net, &mut once, 1)?.first.first() {
            return Err(format!("{name} could not join: {why}"));
        }
    }
    Ok(())
}

/// What was measured over HTTP.
pub(crate) struct Heard {
    pub(crate) deliveries: u64,
    pub(crate) messages: u64,
    pub(crate) requests: u64,
    /// From sending to the arrival.
    pub(crate) latencies: Latencies,
    pub(crate) faults: Faults,
}

/// Clients agree to several transactions.
pub(crate) fn agree(
    net: &mut Net,
    requests: &SocketRequests,
    scanner: &Scanner,
    users: &[String],
    sessions: &[Vec<u8>],
) -> Outcome {
    for (session, name) in sessions.iter().zip(users) {
        let mut once =
            Once { template: &requests.capability, scanner, values: [session, b"capability", b"", name.as_bytes()] };
        if let Some(why) = repeat_times(net, &mut once, 1)?.first.first() {
            return Err(format!("{name} could not agree: {why}"));
        }
    }
    Ok(())
}

struct Listener {
    session: Vec<u8>,
    /// How many messages he has.
    last: u64,
    waits_for_acknowledgement: bool,
    more: bool,
    is_paused: bool,
}

struct Fanning<'a> {
    requests: &'a Requests,
    socket_requests: &'a SocketRequests,
    scanner: &'a Scanner,
    plan: Plan,
    window: Window,
    sender: Vec<u8>,
    group: String,
    listeners: Vec<Listener>,
    /// When each message was sent; the first is number 1.
    sent: Vec<Instant>,
    is_sending: bool,
    /// Listeners that have each of them.
    have: Vec<usize>,
    /// So many, the first ones, are under way no longer.
    settled: usize,
    is_over: bool,
    give_up: Instant,
    result: Heard,
}

const CHECK: usize = usize::MAX;

/// Sends until the window is over and everybody has the last message. The first session is the sender's; his connection is
/// the last one.
pub(crate) fn listen(
    net: &mut Net,
    (requests, socket_requests): (&Requests, &SocketRequests),
    scanner: &Scanner,
    (sender, sessions): (&str, Vec<Vec<u8>>),
    plan: Plan,
    window: Window,
) -> Outcome<Heard> {
    let mut sessions = sessions.into_iter();
    let listener =
        |session| Listener { session, last: 0, waits_for_acknowledgement: false, more: false, is_paused: false };
    let mut fanning = Fanning {
        requests,
        socket_requests,
        scanner,
        plan,
        window,
        sender: sessions.next().unwrap_or_default(),
        group: group_of(sender),
        listeners: sessions.map(listener).collect(),
        sent: Vec::new(),
        is_sending: false,
        have: Vec::new(),
        settled: 0,
        is_over: false,
        give_up: window.until + Duration::from_secs(20),
        result: Heard {
            deliveries: 0,
            messages: 0,
            requests: 0,
            latencies: Latencies::new(),
            faults: Faults::default(),
        },
    };
    for listener in 0..fanning.listeners.len() {
        fanning.poll(net, listener);
    }
    fanning.speak(net);
    net.wake_at(window.until, CHECK);
    net.run(&mut fanning)?;
    let newest = fanning.newest();
    let late = fanning.listeners.iter().filter(|it| it.last != newest).count() as u64;
    fanning.result.faults.add_many(late, || format!("{late} never got the last message"));
    Ok(fanning.result)
}

impl Fanning<'_> {
    fn newest(&self) -> u64 {
        self.sent.len() as u64
    }

    /// Messages of which too few have come yet.
    fn under_way(&mut self) -> usize {
        let wanted = self.listeners.len() as f64 * self.plan.share;
        while self.have.get(self.settled).is_some_and(|have| *have as f64 >= wanted) {
            self.settled += 1;
        }
        self.sent.len() - self.settled
    }

    fn speak(&mut self, net: &mut Net) {
        let (moment, together) = (now(), self.plan.together as usize);
        let may = self.under_way() + together <= self.plan.ahead.max(together);
        if !may || self.is_sending || moment >= self.window.until {
            return;
        }
        let mut posted = Vec::with_capacity(together);
        for _ in 0..together {
            self.result.messages += u64::from(self.window.contains(moment));
            self.sent.push(moment);
            self.have.push(0);
            let number = self.newest();
            // Each of two runs with the same sender has TransactionIDs of its own.
            posted.push((format!("{number}of{together}"), content(number, self.plan.size)));
        }
        self.is_sending = true;
        let (sender, group, connection) = (&self.sender, self.group.as_bytes(), self.listeners.len());
        let values = posted.iter().map(|(transaction, text)| [sender, transaction.as_bytes(), group, text.as_bytes()]);
        net.send(connection, |out| self.socket_requests.send_to_group.render(out, values));
    }

    fn poll(&mut self, net: &mut Net, listener: usize) {
        let requests = self.requests;
        let Some(it) = self.listeners.get_mut(listener) else { return };
        (it.waits_for_acknowledgement, it.is_paused) = (false, false);
        net.send(listener, |out| requests.poll.render(out, &[&it.session]));
    }

    fn accepted(&mut self, net: &mut Net, answer: &Answer<'_>) {
        self.is_sending = false;
        let mut seen = Vec::with_capacity(16);
        let is_read = self.scanner.scan_all(answer.body, &mut seen).is_some() && !seen.is_empty();
        let refused = seen.iter().find(|seen| seen.code != 200 || seen.message_id.is_empty());
        if answer.status != 200 || !is_read || refused.is_some() {
            let what = refused.map(|seen| (seen.primitive, seen.code));
            self.result.faults.add(|| format!("SendMessage was answered by HTTP {}, {what:?}", answer.status));
        }
        self.speak(net);
    }

    fn heard(&mut self, net: &mut Net, listener: usize, answer: &Answer<'_>) {
        let moment = now();
        let newest = self.newest();
        let in_window = self.window.contains(moment);
        self.result.requests += u64::from(in_window);
        let Some(it) = self.listeners.get_mut(listener) else { return };
        if answer.status != 200 {
            self.result.faults.add(|| format!("a listener was answered by HTTP {}", answer.status));
        }
        if answer.body.is_empty() {
            if it.waits_for_acknowledgement && it.more {
                it.more = false;
                self.poll(net, listener);
            } else {
                it.is_paused = true;
                net.wake_at(moment + self.plan.pause, listener);
            }
            return;
        }
        let mut seen = Vec::with_capacity(16);
        let is_message =
            |one: &Seen<'_>| one.is_request && one.primitive == Some(Element::NewMessage) && !one.message_id.is_empty();
        let is_read = self.scanner.scan_all(answer.body, &mut seen).is_some();
        let came: Option<Vec<u64>> =
            seen.iter().map(|one| is_message(one).then(|| number(one.content)).flatten()).collect();
        let Some(came) = came.filter(|came| is_read && !came.is_empty()) else {
            let what = seen.first().map(|seen| (seen.primitive, seen.code));
            self.result.faults.add(|| format!("a listener was answered by {what:?}"));
            it.is_paused = true;
            net.wake_at(moment + Duration::from_millis(10), listener);
            return;
        };
        for came in came {
            if came != it.last + 1 || came > newest {
                let last = it.last;
                self.result.faults.add(|| format!("message {came} after {last}"));
            }
            it.last = came;
            let place = usize::try_from(came).ok().and_then(|came| came.checked_sub(1));
            if in_window {
                self.result.deliveries += 1;
                if let Some(sent) = place.and_then(|place| self.sent.get(place)) {
                    self.result.latencies.record(moment - *sent);
                }
            }
            if let Some(have) = place.and_then(|place| self.have.get_mut(place)) {
                *have += 1;
            }
        }
        (it.more, it.waits_for_acknowledgement) = (seen.iter().any(|one| one.poll), true);
        let delivered = &self.socket_requests.delivered;
        let values = seen.iter().map(|one| [it.session.as_slice(), one.transaction_id, one.message_id, &[]]);
        net.send(listener, |out| delivered.render(out, values));
        self.speak(net);
    }
}

impl Driver for Fanning<'_> {
    fn answered(&mut self, net: &mut Net, connection: usize, answer: &Answer<'_>) {
        if connection == self.listeners.len() {
            self.accepted(net, answer);
        } else {
            self.heard(net, connection, answer);
        }
    }

    fn woken(&mut self, net: &mut Net, what: usize) {
        let newest = self.newest();
        if what != CHECK {
            let is_served = self.listeners.get(what).is_some_and(|it| it.last == newest);
            if !(is_served && now() >= self.window.until && !self.is_sending) {
                self.poll(net, what);
            }
            return;
        }
        let all = self.listeners.iter().all(|it| it.is_paused && it.last == newest);
        self.is_over = all && !self.is_sending || now() >= self.give_up;
        net.wake_at(now() + Duration::from_millis(1), CHECK);
    }

    fn broken(&mut self, _: &mut Net, connection: usize, why: &str) {
        self.result.faults.add(|| format!("connection {connection} lost: {why}"));
        self.is_over = true;
    }

    fn is_done(&self) -> bool {
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_numbered_whatever_their_size() {
        assert_eq!(content(7, 80).len(), 80);
        assert_eq!(number(content(7, 80).as_bytes()), Some(7));
        assert_eq!(number(content(12_345_678, 1).as_bytes()), Some(12_345_678));
        assert_eq!(number(b"something else"), None);
    }

    #[test]
    fn all_who_joined_in_memory_hear_everything() {
        let users: Vec<String> = (0..5).map(|number| format!("member{number}")).collect();
        let measured = in_memory(&users, 80, Duration::from_millis(50)).unwrap();
        assert_eq!((measured.faults.count, measured.messages > 0), (0, true), "{:?}", measured.faults);
        assert!(measured.rate > measured.acknowledged);
    }
}

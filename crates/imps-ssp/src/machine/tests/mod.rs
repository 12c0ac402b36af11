//! Two machines and a wire between them that loses what it is told to.

mod mending;
mod requests;
mod setup;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use imps_proto::ssp::{self, Body, Message, MetaInfo, Primitive, SendMessageRequest, SubscribeRequest};
use imps_service::Timestamp;
use imps_types::element::{MessageInfo, Recipient, Sender, User};
use imps_types::{Address, Domain, TransactionId};

use super::*;
use crate::relay::ServiceTable;
use imps_proto::ssp::Service;

/// Octets that count up.
struct Counting(u64);

impl Dice for Counting {
    fn octets(&mut self) -> Option<[u8; 32]> {
        self.0 += 1;
        let mut octets = [0; 32];
        octets[..8].copy_from_slice(&self.0.to_be_bytes());
        Some(octets)
    }
}

pub(super) fn domain(name: &str) -> Domain {
    Domain::parse(name).expect("a domain")
}

/// What a domain has, and what it provides to others by these contracts.
pub(super) fn territory(own: &str, contracts: &[(Domain, crate::Terms)]) -> Arc<Territory> {
    let contracts = contracts.iter().map(|(peer, terms)| (peer, terms));
    let table = ServiceTable::of(&domain(own), [Service::Im, Service::Group, Service::Common], contracts, &[]);
    Arc::new(Territory::of(domain(own), table))
}

pub(super) fn link(own: &str, peer: &str, settings: &LinkSettings, scheme: DigestScheme, seed: u64) -> Link {
    let territory = territory(own, &[]);
    let agreement = Agreement::default_with(territory.table().offered());
    let names = Names { own: domain(own), peer: domain(peer) };
    Link::new(names, Arc::new(settings.clone()), territory, agreement, scheme, Box::new(Counting(seed << 32)))
}

/// One side: the machine, what it was told to do, and what came of its requests.
pub(super) struct Side {
    pub(super) link: Link,
    pub(super) performed: Vec<(TransactionId, Primitive)>,
    pub(super) finished: Vec<(u64, Result<Primitive, Failure>)>,
    pub(super) late: Vec<TransactionId>,
}

impl Side {
    pub(super) fn new(link: Link) -> Self {
        Self { link, performed: Vec::new(), finished: Vec::new(), late: Vec::new() }
    }
}

/// Both sides, the first being `a.example`, the second `b.example`.
pub(super) struct Wire {
    pub(super) sides: [Side; 2],
    pub(super) now: Timestamp,
    /// Every message that was posted, by whom, and the header's pause.
    pub(super) log: Vec<(usize, String, Duration)>,
    /// What the second side answers by itself: nothing when false.
    pub(super) answers: bool,
    /// How the next POSTs go, whoever posts, before the other side sees them.
    pub(super) fate: VecDeque<Option<Posted>>,
}

impl Wire {
    pub(super) fn new(settings: &LinkSettings, schemes: [DigestScheme; 2]) -> Self {
        let sides = [
            Side::new(link("a.example", "b.example", settings, schemes[0], 1)),
            Side::new(link("b.example", "a.example", settings, schemes[1], 2)),
        ];
        Self { sides, now: Timestamp(1_000_000), log: Vec::new(), answers: true, fate: VecDeque::new() }
    }

    pub(super) fn plain() -> Self {
        Self::new(&LinkSettings::default(), [DigestScheme::Md5; 2])
    }

    /// With a session that A opened.
    pub(super) fn up() -> Self {
        let mut wire = Self::plain();
        let now = wire.now;
        wire.sides[0].link.open(now);
        wire.run();
        assert!(wire.sides.iter().all(|side| side.link.is_up(now)), "the session is up on both sides");
        wire.log.clear();
        wire
    }

    /// Gives a message to a side as if the other one had posted it.
    pub(super) fn give(&mut self, to: usize, text: &str) -> Verdict {
        let message = Message::read(text.as_bytes(), &ssp::limits(1 << 20)).expect("a message");
        self.sides[to].link.receive(message, None, self.now)
    }

    /// Does all that is to be done until nothing is.
    pub(super) fn run(&mut self) {
        for _ in 0..1000 {
            let mut is_done = true;
            for from in 0..2 {
                for action in self.sides[from].link.actions() {
                    is_done = false;
                    self.act(from, action);
                }
            }
            if is_done {
                // Whoever keeps the time has nothing to do at once, or it would never sleep.
                for side in &mut self.sides {
                    side.link.tick(self.now);
                    assert!(side.link.next_tick(self.now).is_none_or(|at| at > self.now), "it wakes for nothing");
                }
                return;
            }
        }
        panic!("it goes on for ever: {:?}", self.log.last());
    }

    fn act(&mut self, from: usize, action: Action) {
        match action {
            Action::Post(post) => {
                let text = String::from_utf8(post.body).expect("text");
                self.log.push((from, text.clone(), post.after));
                let how = match self.fate.pop_front().flatten() {
                    Some(how) => how,
                    None => match self.give(1 - from, &text) {
                        Verdict::Taken => Posted::Taken,
                        Verdict::Unauthorized => Posted::Unauthorized,
                        Verdict::Busy => Posted::Busy(Duration::from_secs(7)),
                    },
                };
                self.sides[from].link.posted(post.id, how, self.now);
            }
            Action::Perform(id, primitive) => {
                self.sides[from].performed.push((id.clone(), primitive));
                if self.answers {
                    self.sides[from].link.answered(&id, status(Status::SUCCESSFUL, ""), self.now);
                }
            }
            Action::Finished(number, how) => self.sides[from].finished.push((number, how)),
            Action::Late(id, _) => self.sides[from].late.push(id),
            Action::Session(_) => {}
        }
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now = self.now.plus(time);
        for side in &mut self.sides {
            side.link.tick(self.now);
        }
        self.run();
    }

    pub(super) fn send(&mut self, from: usize, number: u64, primitive: Primitive) {
        self.send_in(from, number, primitive, None);
    }

    pub(super) fn send_in(&mut self, from: usize, number: u64, primitive: Primitive, lane: Option<u64>) {
        let within = Duration::from_secs(30);
        self.sides[from]
            .link
            .send(Outgoing { number, id: None, primitive, lane, within, haste: Haste::None }, self.now);
    }

    /// What was posted, one line each: who, the mode, the ID, what.
    pub(super) fn transcript(&self) -> Vec<(usize, &'static str, String, &'static str)> {
        let mut lines = Vec::new();
        for (from, text, _) in &self.log {
            let message = Message::read(text.as_bytes(), &ssp::limits(1 << 20)).expect("a message");
            match message.body {
                Body::Setup { mode, id, primitive } => {
                    lines.push((*from, mode.as_str(), id.as_str().to_owned(), primitive.name().as_str()));
                }
                Body::Session { transactions, .. } => {
                    for it in transactions {
                        let name = it.content.expect("a primitive").name().as_str();
                        lines.push((*from, it.mode.as_str(), it.id.as_str().to_owned(), name));
                    }
                }
            }
        }
        lines
    }
}

pub(super) fn user(address: &str) -> User {
    User { user_id: address.into(), ..User::default() }
}

pub(super) fn meta(user_id: &str) -> MetaInfo {
    let (_, domain) = user_id.rsplit_once('@').expect("a domain");
    MetaInfo::of_user(format!("wv:@{domain}").as_str().into(), user(user_id))
}

/// A message from one to others.
pub(super) fn message(from: &str, to: &[&str], text: &str) -> Primitive {
    let recipient = Recipient { users: to.iter().map(|it| user(it)).collect(), ..Recipient::default() };
    let info = MessageInfo {
        message_id: Some(text.into()),
        recipient,
        sender: Some(Sender::User(user(from))),
        ..MessageInfo::default()
    };
    SendMessageRequest { meta: meta(from), delivery_report: None, info, content: None }.into()
}

pub(super) fn subscribe(from: &str, to: &str) -> Primitive {
    SubscribeRequest { meta: meta(from), user_ids: vec![Address::new(to)], attributes: None }.into()
}

/// The code that a request ended with.
pub(super) fn code(how: &Result<Primitive, Failure>) -> u16 {
    match how {
        Ok(answer) => answer.outcome().map_or(200, |it| it.status.code()),
        Err(failure) => failure.status().code(),
    }
}

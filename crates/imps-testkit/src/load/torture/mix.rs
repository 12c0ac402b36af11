//! Beside the messages between users: clubs of phones that write to their groups, invite one another and change their
//! presence while the server is killed. A group stays joined over a kill as a session stays open, a message to it reaches
//! everybody in it, an invitation its invitee, and in the end everybody sees what everybody else published last.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use imps_proto::wire::Form;
use imps_types::Version;

use super::super::faults::Faults;
use super::super::server::address;
use super::super::{Dice, Outcome, now};
use super::tough::{PAUSE, Tough, all_of, settings, spawn};
use crate::phone::forms::Targets;
use crate::phone::{Node, Phone};

/// Phones of one club.
pub(super) const MEMBERS: usize = 4;
/// How long the phones may take at the end.
const DRAIN: Duration = Duration::from_secs(60);

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) group_messages: u64,
    pub(super) group_deliveries: u64,
    pub(super) invitations: u64,
    pub(super) invitations_seen: u64,
    pub(super) presence: u64,
    pub(super) repeated: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
}

/// The clubs at work, on a thread of their own.
pub(super) struct Mix {
    thread: std::thread::JoinHandle<Outcome<(Counts, Faults)>>,
    shared: Arc<Shared>,
}

struct Shared {
    server: RwLock<SocketAddr>,
    is_over: AtomicBool,
}

impl Shared {
    fn server(&self) -> SocketAddr {
        // A thread that panicked while it held this has changed nothing half.
        *self.server.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The names of all users.
pub(super) fn names(clubs: usize) -> Vec<String> {
    (0..clubs * MEMBERS).map(|number| format!("member{number}")).collect()
}

impl Mix {
    /// Logs everybody in, has the groups made and joined, and begins.
    pub(super) fn start(server: SocketAddr, clubs: usize) -> Outcome<Self> {
        let shared = Arc::new(Shared { server: RwLock::new(server), is_over: AtomicBool::new(false) });
        let given = shared.clone();
        let thread = spawn("the clubs", move |ready| work(given, clubs, ready))?;
        Ok(Self { thread, shared })
    }

    /// The server is to be found elsewhere from now on.
    pub(super) fn moves_to(&self, server: SocketAddr) {
        if let Ok(mut here) = self.shared.server.write() {
            *here = server;
        }
    }

    /// No more kills: everybody says a last word and fetches what waits.
    pub(super) fn finish(self) -> Outcome<(Counts, Faults)> {
        self.shared.is_over.store(true, Ordering::Release);
        self.thread.join().map_err(|_| "the clubs panicked".to_owned())?
    }
}

/// What all members of all clubs know together.
#[derive(Default)]
struct Book {
    counts: Counts,
    faults: Faults,
    /// Group messages that were accepted: who wrote, and who has got it.
    messages: HashMap<String, (usize, HashSet<usize>)>,
    /// Seen before their sender had the answer.
    early: HashMap<String, HashSet<usize>>,
    /// Messages whose acknowledgement by somebody was answered.
    acknowledged: HashSet<(String, usize)>,
    /// Invitations that were accepted: the invitee, and whether he has heard.
    invitations: HashMap<String, (usize, bool)>,
    /// What each published last.
    published: HashMap<usize, String>,
}

struct Member {
    number: usize,
    phone: Phone,
    shared: Arc<Shared>,
    book: Rc<RefCell<Book>>,
    count: u64,
}

async fn work(shared: Arc<Shared>, clubs: usize, ready: std::sync::mpsc::Sender<()>) -> Outcome<(Counts, Faults)> {
    let book = Rc::new(RefCell::new(Book::default()));
    let mut members: Vec<Member> =
        (0..clubs * MEMBERS).map(|number| Member::new(number, shared.clone(), book.clone())).collect();
    for member in &mut members {
        member.begin().await.map_err(|why| format!("member{}: {why}", member.number))?;
    }
    let _ = ready.send(());
    let (mut last, failed) = all_of(members.into_iter().map(Member::live)).await;
    for why in failed {
        book.borrow_mut().faults.add(|| format!("a member gave up: {why}"));
    }
    settle(&mut last, &book).await;
    drop(last);
    let mut book = book.borrow_mut();
    Ok((book.counts.clone(), std::mem::take(&mut book.faults)))
}

/// A last word of everybody, and then all of it must arrive.
async fn settle(members: &mut [Member], book: &Rc<RefCell<Book>>) {
    for member in &mut *members {
        member.publish().await;
    }
    let until = now() + DRAIN;
    loop {
        for member in &mut *members {
            member.fetch().await;
        }
        let missing = missing(members, &book.borrow());
        if missing.is_empty() {
            return;
        }
        if now() > until {
            let mut book = book.borrow_mut();
            book.counts.lost += missing.len() as u64;
            for one in missing {
                book.faults.add(|| one);
            }
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn club_of(number: usize) -> std::ops::Range<usize> {
    let first = number / MEMBERS * MEMBERS;
    first..first + MEMBERS
}

fn missing(members: &[Member], book: &Book) -> Vec<String> {
    let mut missing = Vec::new();
    for (id, (writer, heard)) in &book.messages {
        for reader in club_of(*writer).filter(|reader| reader != writer && !heard.contains(reader)) {
            missing.push(format!("the group message {id} of member{writer} did not reach member{reader}"));
        }
    }
    for (id, (invitee, has_heard)) in &book.invitations {
        if !has_heard {
            missing.push(format!("the invitation {id} did not reach member{invitee}"));
        }
    }
    for member in members {
        for other in club_of(member.number).filter(|other| *other != member.number) {
            let key = (address(&format!("member{other}")), "StatusText".to_owned());
            let seen = member.phone.seen.get(&key).and_then(|node| node.child_text("PresenceValue"));
            if seen != book.published.get(&other).map(String::as_str) {
                missing.push(format!("member{} sees {seen:?} of member{other}", member.number));
            }
        }
    }
    missing
}

impl Member {
    fn new(number: usize, shared: Arc<Shared>, book: Rc<RefCell<Book>>) -> Self {
        let kinds = [
            (Version::V1_2, Form::Wbxml),
            (Version::V1_3, Form::Wbxml),
            (Version::V1_1, Form::Xml),
            (Version::V1_2, Form::Xml),
        ];
        let settings = settings(kinds[number % kinds.len()], address(&format!("member{number}")));
        let server = shared.server();
        Self { number, phone: Phone::new(settings, server), shared, book, count: 0 }
    }

    fn group(&self) -> String {
        format!("wv:member{}/club@localhost", club_of(self.number).start)
    }

    fn screen_name(&self) -> Node {
        Node::new(
            "ScreenName",
            [Node::leaf("SName", format!("name{}", self.number)), Node::leaf("GroupID", self.group())],
        )
    }

    async fn begin(&mut self) -> Result<(), String> {
        self.log_in(7200).await?;
        let everybody = Targets { default: true, ..Targets::default() };
        let names = ["OnlineStatus", "StatusText"].map(str::to_owned);
        let list = self.phone.speaker.create_attribute_list(&everybody, &names);
        self.persist(list).await?;
        let others = club_of(self.number).filter(|other| *other != self.number);
        let others =
            Targets { users: others.map(|other| address(&format!("member{other}"))).collect(), ..Targets::default() };
        let subscribe = self.phone.speaker.subscribe(&others, &[], None);
        self.persist(subscribe).await?;
        if club_of(self.number).start == self.number {
            let property = Node::new("Property", [Node::leaf("Name", "Name"), Node::leaf("Value", "Club")]);
            let create = [
                Node::leaf("GroupID", self.group()),
                Node::new("GroupProperties", [property]),
                Node::leaf("JoinGroup", "F"),
                Node::leaf("SubscribeNotification", "F"),
            ];
            self.persist(Node::new("CreateGroup-Request", create)).await?;
        }
        let join = [
            Node::leaf("GroupID", self.group()),
            self.screen_name(),
            Node::leaf("JoinedRequest", "F"),
            Node::leaf("SubscribeNotification", "T"),
        ];
        self.persist(Node::new("JoinGroup-Request", join)).await?;
        Ok(())
    }

    async fn live(mut self) -> Self {
        let mut dice = Dice::new(0x51_7c_c1_b7 * (self.number as u64 + 1));
        while !self.shared.is_over.load(Ordering::Acquire) {
            match dice.below(8) {
                0 | 1 => self.write().await,
                2 => self.invite(&mut dice).await,
                3 => self.publish().await,
                _ => self.fetch().await,
            }
            tokio::time::sleep(Duration::from_millis(dice.below(30))).await;
        }
        self
    }

    async fn write(&mut self) {
        self.count += 1;
        let text = format!("message {} of member{}", self.count, self.number);
        let info = [
            Node::leaf("ContentType", "text/plain"),
            Node::leaf("ContentSize", text.len().to_string()),
            Node::new("Recipient", [Node::new("Group", [Node::leaf("GroupID", self.group())])]),
            Node::new("Sender", [Node::new("Group", [self.screen_name()])]),
        ];
        let message =
            [Node::leaf("DeliveryReport", "F"), Node::new("MessageInfo", info), Node::leaf("ContentData", text)];
        match self.persist(Node::new("SendMessage-Request", message)).await {
            Ok(answer) => {
                let Some(id) = answer.child_text("MessageID") else { return self.fault("no MessageID") };
                let mut book = self.book.borrow_mut();
                book.counts.group_messages += 1;
                let heard = book.early.remove(id).unwrap_or_default();
                book.messages.insert(id.to_owned(), (self.number, heard));
            }
            Err(why) => self.fault(&why),
        }
    }

    async fn invite(&mut self, dice: &mut Dice) {
        self.count += 1;
        let club = club_of(self.number);
        let invitee = club.start + (self.number - club.start + 1 + dice.below(MEMBERS as u64 - 1) as usize) % MEMBERS;
        let id = format!("member{}-{}", self.number, self.count);
        let user = Node::new("User", [Node::leaf("UserID", address(&format!("member{invitee}")))]);
        let invite = [
            Node::leaf("InviteID", &*id),
            Node::leaf("InviteType", "SC"),
            Node::new("Recipient", [user]),
            Node::new("URLList", [Node::leaf("URL", "http://pictures.example/1.jpg")]),
            Node::leaf("InviteNote", "look"),
            Node::leaf("Validity", "7200"),
        ];
        // Noted before it is sent: the invitee may be faster than the answer.
        self.book.borrow_mut().invitations.insert(id.clone(), (invitee, false));
        match self.persist(Node::new("Invite-Request", invite)).await {
            Ok(_) => self.book.borrow_mut().counts.invitations += 1,
            Err(why) => {
                self.book.borrow_mut().invitations.remove(&id);
                self.fault(&why);
            }
        }
    }

    async fn publish(&mut self) {
        self.count += 1;
        let text = format!("status {} of member{}", self.count, self.number);
        let value = [Node::leaf("Qualifier", "T"), Node::leaf("PresenceValue", &*text)];
        let update = self.phone.speaker.update_presence(vec![Node::new("StatusText", value)]);
        match self.persist(update).await {
            Ok(_) => {
                let mut book = self.book.borrow_mut();
                book.counts.presence += 1;
                book.published.insert(self.number, text);
            }
            Err(why) => self.fault(&why),
        }
    }
}

impl Tough for Member {
    fn phone(&mut self) -> &mut Phone {
        &mut self.phone
    }

    fn server(&self) -> SocketAddr {
        self.shared.server()
    }

    fn fault(&self, what: &str) {
        let number = self.number;
        self.book.borrow_mut().faults.add(|| format!("member{number}: {what}"));
    }

    fn repeats(&self) {
        self.book.borrow_mut().counts.repeated += 1;
    }

    fn heard(&self, primitive: &Node, is_acknowledged: bool) {
        let book = &mut *self.book.borrow_mut();
        match primitive.name.as_str() {
            "NewMessage" => {
                let Some(id) = primitive.text_at("MessageInfo/MessageID") else { return };
                let heard = match book.messages.get_mut(id) {
                    Some((_, heard)) => heard,
                    None => book.early.entry(id.to_owned()).or_default(),
                };
                if heard.insert(self.number) {
                    book.counts.group_deliveries += 1;
                }
                let key = (id.to_owned(), self.number);
                let again = book.acknowledged.contains(&key);
                if is_acknowledged {
                    book.acknowledged.insert(key);
                }
                if again {
                    book.counts.doubled += 1;
                    book.faults
                        .add(|| format!("the group message {id} came again after its acknowledgement was answered"));
                }
            }
            "InviteUser-Request" => {
                let id = primitive.child_text("InviteID").unwrap_or_default();
                if let Some((_, has_heard)) = book.invitations.get_mut(id)
                    && !std::mem::replace(has_heard, true)
                {
                    book.counts.invitations_seen += 1;
                }
            }
            "LeaveGroup-Response" | "Disconnect" => {
                let (number, name) = (self.number, &primitive.name);
                book.faults.add(|| format!("member{number} got {name}"));
            }
            _ => {}
        }
    }
}

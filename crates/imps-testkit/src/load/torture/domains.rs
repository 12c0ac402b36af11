//! Several domains that know each other, one of which is killed now and then while phones of each write to users of the others.
//!
//! Every phone repeats the request that was not answered, byte for byte, until it is, and acknowledges what it gets. In the end
//! each message that was accepted has come once, under one MessageID, and its sender has been told so once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use imps_proto::wire::Form;
use imps_types::Version;
use serde_json::json;

use super::super::faults::Faults;
use super::super::server::{Folder, Hamlet, Place, make_users_at};
use super::super::{Dice, Outcome, now};
use super::tough::{PAUSE, Tough, all_of, settings, spawn};
use super::{say, tell};
use crate::phone::forms::{Body, Outgoing, Targets};
use crate::phone::{Node, Phone};

/// What is wanted.
pub(super) struct Options {
    pub(super) domains: usize,
    pub(super) phones: usize,
    pub(super) minutes: f64,
    pub(super) hamlet: PathBuf,
    pub(super) folder: PathBuf,
    pub(super) json: bool,
}

/// A sender waits while so many of his messages have not come.
const AHEAD: usize = 30;
/// A domain lives so many milliseconds at least until one is killed, and up to so many more.
const EARLIEST: u64 = 500;
const SPAN: u64 = 3000;
/// It is away for up to so many.
const AWAY: u64 = 2000;
/// How long it may take in the end until everything has come.
const DRAIN: Duration = Duration::from_secs(180);
/// How often it is said how it goes.
const SAYS: Duration = Duration::from_secs(30);

/// Where a domain listens: below the ports that the system gives to clients, so that a server that starts again finds its own free.
fn free_address(number: usize) -> Outcome<SocketAddr> {
    const FIRST: usize = 11_000;
    const EACH: usize = 400;
    let begin = (std::process::id() as usize).wrapping_mul(7) % EACH;
    let ports = (0..EACH).filter_map(|offset| u16::try_from(FIRST + number * EACH + (begin + offset) % EACH).ok());
    let mut addresses = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    addresses.find(|address| TcpListener::bind(address).is_ok()).ok_or_else(|| "no port is free".to_owned())
}

fn domain(number: usize) -> String {
    format!("d{number}.example")
}

fn name(number: usize) -> String {
    format!("user{number}")
}

/// A domain: where it is, and the server, when it lives.
struct Home {
    domain: String,
    data: PathBuf,
    listen: SocketAddr,
    server: Option<Hamlet>,
}

impl Home {
    fn place(&self) -> Place<'_> {
        // A peer that was away is tried again soon.
        let settings = &[("HAMLET_SSP__SETUP_PAUSE", "1"), ("HAMLET_SSP__SETUP_PAUSE_MAX", "2")];
        Place { domain: &self.domain, listen: self.listen, settings }
    }

    fn start(&mut self, program: &Path) -> Outcome {
        self.server = Some(Hamlet::start_at(program, &self.data, &[], self.place())?);
        Ok(())
    }

    /// Writes down where another domain is.
    fn knows(&self, program: &Path, other: &Self) -> Outcome {
        let mut command = Command::new(program);
        command.args(["peer", "add", &other.domain, "--url", &format!("http://{}/", other.listen)]);
        command.args(["--domain", &self.domain, "--data"]).arg(&self.data);
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(format!("hamlet peer add {}: {said}", other.domain)) }
    }
}

/// Runs it; whether everything was found in order.
pub(super) fn torture(options: &Options) -> Outcome<bool> {
    let folder = Folder::new(&options.folder, "torture")?;
    let mut homes = Vec::new();
    for number in 0..options.domains {
        let listen = free_address(number)?;
        let home = Home { domain: domain(number), data: folder.file(&format!("d{number}")), listen, server: None };
        let users: Vec<_> = (0..options.phones).map(name).collect();
        make_users_at(&home.data, &home.domain, &users)?;
        homes.push(home);
    }
    for home in &homes {
        for other in homes.iter().filter(|other| other.domain != home.domain) {
            home.knows(&options.hamlet, other)?;
        }
    }
    for home in &mut homes {
        home.start(&options.hamlet)?;
    }
    let began = now();
    let phones = Phones::start(&homes, options.phones)?;
    let mut dice = Dice::new(u64::from(std::process::id()) << 20 | 0x5f37);
    let until = began + Duration::from_secs_f64(options.minutes * 60.0);
    let (mut kills, mut says) = (vec![0_u64; homes.len()], began + SAYS);
    while now() < until && !phones.is_finished() {
        std::thread::sleep(Duration::from_millis(EARLIEST + dice.below(SPAN)));
        let victim = dice.below(homes.len() as u64) as usize;
        if let (Some(home), Some(count)) = (homes.get_mut(victim), kills.get_mut(victim)) {
            if let Some(mut server) = home.server.take() {
                server.kill()?;
            }
            *count += 1;
            std::thread::sleep(Duration::from_millis(dice.below(AWAY)));
            home.start(&options.hamlet)?;
        }
        if now() > says {
            says += SAYS;
            tell(&format!("{} s: {} kills", began.elapsed().as_secs(), kills.iter().sum::<u64>()));
        }
    }
    let (counts, faults) = phones.finish()?;
    for home in &mut homes {
        if let Some(mut server) = home.server.take() {
            server.stop()?;
        }
    }
    Ok(report(options, &kills, &counts, &faults, began.elapsed()))
}

fn report(options: &Options, kills: &[u64], counts: &Counts, faults: &Faults, took: Duration) -> bool {
    let wrong = [counts.lost, counts.doubled, counts.reports_lost, counts.reports_doubled, counts.sessions_lost];
    let is_good = wrong.iter().sum::<u64>() + faults.count == 0 && counts.accepted > 0;
    if options.json {
        let document = json!({
            "domains": options.domains, "phones": options.phones, "seconds": took.as_secs_f64(), "kills": kills,
            "accepted": counts.accepted, "delivered": counts.delivered, "acknowledged": counts.acknowledged,
            "reports": counts.reports, "requests_repeated": counts.repeated, "offered_again": counts.offered_again,
            "lost": counts.lost, "doubled": counts.doubled, "reports_lost": counts.reports_lost,
            "reports_doubled": counts.reports_doubled, "sessions_lost": counts.sessions_lost,
            "errors": faults.count, "first_errors": faults.first, "ok": is_good,
        });
        say(&document.to_string());
        return is_good;
    }
    let each: Vec<_> = kills.iter().map(u64::to_string).collect();
    say(&format!(
        "{} domains with {} phones each in {:.0} s; killed {} times ({})",
        options.domains,
        options.phones,
        took.as_secs_f64(),
        kills.iter().sum::<u64>(),
        each.join(", ")
    ));
    say(&format!(
        "accepted {}, delivered {}, acknowledged {}, reports {}; {} requests repeated, {} messages and reports offered again \
         before their acknowledgement was answered",
        counts.accepted, counts.delivered, counts.acknowledged, counts.reports, counts.repeated, counts.offered_again
    ));
    say(&format!(
        "lost {}, doubled {}, reports lost {}, reports doubled {}, sessions lost {}, errors {}",
        counts.lost, counts.doubled, counts.reports_lost, counts.reports_doubled, counts.sessions_lost, faults.count
    ));
    for fault in &faults.first {
        say(&format!("    {fault}"));
    }
    say(if is_good { "none lost, none doubled" } else { "FAILED" });
    is_good
}

#[derive(Clone, Debug, Default)]
struct Counts {
    accepted: u64,
    delivered: u64,
    acknowledged: u64,
    reports: u64,
    repeated: u64,
    offered_again: u64,
    lost: u64,
    doubled: u64,
    reports_lost: u64,
    reports_doubled: u64,
    sessions_lost: u64,
}

/// The phones at work, on a thread of their own.
struct Phones {
    thread: std::thread::JoinHandle<Outcome<(Counts, Faults)>>,
    is_over: Arc<AtomicBool>,
}

impl Phones {
    fn start(homes: &[Home], phones: usize) -> Outcome<Self> {
        let is_over = Arc::new(AtomicBool::new(false));
        let addresses: Vec<_> = homes.iter().map(|home| home.listen).collect();
        let given = is_over.clone();
        let thread = spawn("the phones", move |ready| work(addresses, phones, given, ready))?;
        Ok(Self { thread, is_over })
    }

    fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// No more kills: what is under way comes to its end.
    fn finish(self) -> Outcome<(Counts, Faults)> {
        self.is_over.store(true, Ordering::Release);
        self.thread.join().map_err(|_| "the phones panicked".to_owned())?
    }
}

/// A message: who sent it, and his number for it.
type Key = (usize, u64);

#[derive(Default)]
struct Sent {
    /// The MessageID that the sender was told.
    accepted: Option<String>,
    /// The one that it came under.
    delivered: Option<String>,
    is_acknowledged: bool,
}

/// What all phones know together.
#[derive(Default)]
struct Book {
    counts: Counts,
    faults: Faults,
    messages: HashMap<Key, Sent>,
    /// By sender: how many have not come to their recipients.
    under_way: HashMap<usize, usize>,
    /// Reports by their recipient and the MessageID: whether their acknowledgement was answered.
    reports: HashMap<(usize, String), bool>,
}

impl Book {
    fn message_came(&mut self, recipient: usize, key: Key, id: &str, is_acknowledged: bool) {
        let Some(sent) = self.messages.get_mut(&key) else {
            return self.faults.add(|| format!("user {recipient} got a message that nobody sent: {key:?}"));
        };
        match &sent.delivered {
            None => {
                sent.delivered = Some(id.to_owned());
                self.counts.delivered += 1;
                if let Some(count) = self.under_way.get_mut(&key.0) {
                    *count = count.saturating_sub(1);
                }
            }
            Some(before) if before != id => {
                self.counts.doubled += 1;
                self.faults.add(|| format!("message {key:?} came as {before} and as {id}"));
            }
            Some(_) if sent.is_acknowledged => {
                self.counts.doubled += 1;
                self.faults.add(|| format!("message {key:?} came after its acknowledgement was answered"));
            }
            Some(_) => self.counts.offered_again += 1,
        }
        if is_acknowledged && !sent.is_acknowledged {
            sent.is_acknowledged = true;
            self.counts.acknowledged += 1;
        }
    }

    fn report_came(&mut self, sender: usize, id: &str, code: &str, is_acknowledged: bool) {
        if code != "200" {
            self.faults.add(|| format!("user {sender} is told {code} of message {id}"));
        }
        match self.reports.get_mut(&(sender, id.to_owned())) {
            None => {
                self.reports.insert((sender, id.to_owned()), is_acknowledged);
                self.counts.reports += 1;
            }
            Some(true) => {
                self.counts.reports_doubled += 1;
                self.faults.add(|| format!("the report on {id} came after its acknowledgement was answered"));
            }
            Some(was_acknowledged) => {
                *was_acknowledged = is_acknowledged;
                self.counts.offered_again += 1;
            }
        }
    }

    /// Messages that were accepted and have not come, or of which their senders have not been told.
    fn missing(&self) -> (Vec<String>, Vec<String>) {
        let accepted = self.messages.iter().filter_map(|(key, sent)| Some((key, sent, sent.accepted.as_ref()?)));
        let (mut lost, mut unreported) = (Vec::new(), Vec::new());
        for (key, sent, id) in accepted {
            // One whose acknowledgement was taken and not answered does not come again.
            if sent.delivered.is_none() {
                lost.push(format!("message {key:?} ({id}) did not come"));
            }
            if !self.reports.contains_key(&(key.0, id.clone())) {
                let how = if sent.is_acknowledged { "" } else { ", whose acknowledgement was not answered" };
                unreported.push(format!("user {} was not told of message {key:?} ({id}){how}", key.0));
            }
        }
        (lost, unreported)
    }
}

struct User {
    number: usize,
    /// How many users a domain has, and how many domains there are.
    phones: usize,
    domains: usize,
    phone: Phone,
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    book: Rc<RefCell<Book>>,
    count: u64,
}

async fn work(
    addresses: Vec<SocketAddr>,
    phones: usize,
    is_over: Arc<AtomicBool>,
    ready: std::sync::mpsc::Sender<()>,
) -> Outcome<(Counts, Faults)> {
    let book = Rc::new(RefCell::new(Book::default()));
    let mut users = Vec::new();
    for number in 0..phones * addresses.len() {
        let address = addresses.get(number / phones).copied().ok_or("a domain for each user")?;
        let mut user = User {
            number,
            phones,
            domains: addresses.len(),
            phone: Phone::new(settings(kind_of(number), address_of(number, phones)), address),
            address,
            is_over: is_over.clone(),
            book: book.clone(),
            count: 0,
        };
        user.log_in(86_400).await.map_err(|why| format!("user {number}: {why}"))?;
        users.push(user);
    }
    let _ = ready.send(());
    let (mut last, failed) = all_of(users.into_iter().map(User::live)).await;
    for why in failed {
        book.borrow_mut().faults.add(|| format!("a phone gave up: {why}"));
    }
    settle(&mut last, &book).await;
    drop(last);
    let mut book = book.borrow_mut();
    Ok((book.counts.clone(), std::mem::take(&mut book.faults)))
}

/// Everything that is under way comes to its end.
async fn settle(users: &mut [User], book: &Rc<RefCell<Book>>) {
    let until = now() + DRAIN;
    let mut still = 0;
    loop {
        for user in &mut *users {
            user.fetch().await;
        }
        let (lost, unreported) = book.borrow().missing();
        // What comes twice comes late.
        still = if lost.is_empty() && unreported.is_empty() { still + 1 } else { 0 };
        if still > 100 {
            return;
        }
        if now() > until {
            let mut book = book.borrow_mut();
            book.counts.lost = lost.len() as u64;
            book.counts.reports_lost = unreported.len() as u64;
            for one in lost.into_iter().chain(unreported) {
                book.faults.add(|| one);
            }
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn kind_of(number: usize) -> (Version, Form) {
    let kinds = [(Version::V1_2, Form::Wbxml), (Version::V1_3, Form::Wbxml), (Version::V1_1, Form::Xml)];
    kinds.get(number % kinds.len()).copied().unwrap_or((Version::V1_2, Form::Wbxml))
}

fn address_of(number: usize, phones: usize) -> String {
    format!("wv:{}@{}", name(number % phones), domain(number / phones))
}

impl User {
    async fn live(mut self) -> Self {
        let mut dice = Dice::new(0x51_7c_c1_b7 * (self.number as u64 + 1));
        while !self.is_over.load(Ordering::Acquire) {
            let is_full = self.book.borrow().under_way.get(&self.number).is_some_and(|count| *count >= AHEAD);
            if dice.below(2) == 0 && !is_full {
                self.write(&mut dice).await;
            } else {
                self.fetch().await;
            }
            tokio::time::sleep(Duration::from_millis(dice.below(20))).await;
        }
        self
    }

    /// Writes to somebody of another domain.
    async fn write(&mut self, dice: &mut Dice) {
        self.count += 1;
        let home = self.number / self.phones;
        let elsewhere = (home + 1 + dice.below(self.domains as u64 - 1) as usize) % self.domains;
        let recipient = elsewhere * self.phones + dice.below(self.phones as u64) as usize;
        let to = Targets { users: vec![address_of(recipient, self.phones)], ..Targets::default() };
        let key = (self.number, self.count);
        let content = Body::Text(format!("{} {} and some more text, as people write", key.0, key.1));
        let sender = Some(self.phone.speaker.user.clone());
        let message = Outgoing { to, report: true, content, sender, ..Outgoing::default() };
        // Noted before it is sent: the recipient may be faster than the answer.
        {
            let mut book = self.book.borrow_mut();
            book.messages.insert(key, Sent::default());
            *book.under_way.entry(self.number).or_default() += 1;
        }
        let request = self.phone.speaker.send_message(&message);
        match self.persist(request).await {
            Ok(answer) => {
                let Some(id) = answer.child_text("MessageID") else { return self.fault("no MessageID") };
                let mut book = self.book.borrow_mut();
                book.counts.accepted += 1;
                if let Some(sent) = book.messages.get_mut(&key) {
                    sent.accepted = Some(id.to_owned());
                }
            }
            Err(why) => self.fault(&why),
        }
    }
}

impl Tough for User {
    fn phone(&mut self) -> &mut Phone {
        &mut self.phone
    }

    fn server(&self) -> SocketAddr {
        self.address
    }

    fn fault(&self, what: &str) {
        let number = self.number;
        self.book.borrow_mut().faults.add(|| format!("user {number}: {what}"));
    }

    fn repeats(&self) {
        self.book.borrow_mut().counts.repeated += 1;
    }

    fn refused(&self, code: u16) {
        self.book.borrow_mut().counts.sessions_lost += u64::from(code == 604);
    }

    fn heard(&self, primitive: &Node, is_acknowledged: bool) {
        let id = primitive.text_at("MessageInfo/MessageID").unwrap_or_default();
        match primitive.name.as_str() {
            "NewMessage" => {
                let mut words = primitive.child_text("ContentData").unwrap_or_default().split(' ');
                let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
                let (Some(sender), Some(count)) = (number(), number()) else {
                    return self.fault("a message that nobody wrote");
                };
                let key = (sender as usize, count);
                self.book.borrow_mut().message_came(self.number, key, id, is_acknowledged);
            }
            "DeliveryReport-Request" => {
                let code = primitive.text_at("Result/Code").unwrap_or_default();
                self.book.borrow_mut().report_came(self.number, id, code, is_acknowledged);
            }
            other => self.fault(&format!("got {other}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> Book {
        let mut book = Book::default();
        let sent = Sent { accepted: Some("m1".to_owned()), ..Sent::default() };
        book.messages.insert((0, 1), sent);
        book
    }

    #[test]
    fn what_is_lost_or_doubled_is_found() {
        let mut good = book();
        assert_eq!((good.missing().0.len(), good.missing().1.len()), (1, 1));
        good.message_came(5, (0, 1), "n1", false);
        good.message_came(5, (0, 1), "n1", true);
        good.report_came(0, "m1", "200", true);
        assert_eq!(good.missing(), (Vec::new(), Vec::new()));
        assert_eq!((good.counts.doubled, good.counts.offered_again, good.faults.count), (0, 1, 0));
        // After its acknowledgement; under another ID; a report twice; a report of a failure.
        good.message_came(5, (0, 1), "n1", true);
        good.message_came(5, (0, 1), "n2", true);
        good.report_came(0, "m1", "200", true);
        assert_eq!((good.counts.doubled, good.counts.reports_doubled, good.faults.count), (2, 1, 3));
        let mut failed = book();
        failed.report_came(0, "m1", "410", true);
        assert_eq!(failed.faults.count, 1);
        failed.message_came(5, (7, 1), "n1", true);
        assert_eq!(failed.faults.count, 2);
    }
}

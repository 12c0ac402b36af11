//! Messages to and from other domains (SSP 9.6, 14): what goes out waits in the store, by domain and in order; what comes
//! in is taken once.
//!
//! | space | key | value |
//! |---|---|---|
//! | Relay | domain, sequence, "" | a message to users of the domain |
//! | Relay | domain, sequence, user | a report for a user of the domain |
//! | RelaySent | sequence, domain | whose message it was and for whom, if he wants a report |
//! | RelaySent | sequence, domain, 0, recipient | nothing: a report on him came |
//! | RelaySent | sequence, domain, status, recipients | the same, as it was written before |
//! | Relayed | domain, MessageID or transaction there and a print | our number, and what was answered |
//! | Relayed | domain, print of a report | nothing: such a report came, on what is kept there |
//! | RelayedIds | sequence | domain and MessageID there, if a report is wanted |
//! | RelayExpiry | end, kind, sequence, domain, whose | nothing |

use std::time::Duration;

use bytes::Bytes;
use imps_types::element::{Content, Group, MessageInfo, Recipient, ResultInfo, ScreenName, Sender, User};
use imps_types::{Address, Domain, GroupId, MessageId, Service, Status, UserId};
use md5::{Digest as _, Md5};
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

use super::addressees::{Addressees, Letter, named_client};
use super::blocking::Origin;
use super::delivery::Kind;
use super::queue::{Waiting, message_record, read_body, read_info, report_record, write_info};
use super::repeat::{read_result, write_result};
use super::send::{Draft, OutgoingMessage, Posting, check};
use super::{Im, Sent, Sequence};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::{Kept, Message, Report};
use crate::group::is_screen_name;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, KeyRange, Order, Space, StoreError};
use crate::user::QueueLoad;

/// Kinds of rows of RelayExpiry: what goes with them.
const WAITING: u8 = 0;
const SENT: u8 = 1;
pub(super) const TAKEN: u8 = 2;
/// Rows of one scan.
const PAGE: usize = 256;
/// Pages of one sweep.
const PAGES: usize = 25;
/// For how long it is remembered what a message was called after its end: its last report may be on its way.
pub(super) const GRACE: Duration = Duration::from_secs(24 * 3600);
/// The longest MessageID of another domain.
const ID_MAX: usize = 255;

/// How much waits for each domain, once it was counted.
#[derive(Default)]
pub(crate) struct AbroadLoads(Mutex<FxHashMap<Domain, QueueLoad>>);

impl AbroadLoads {
    fn get(&self, domain: &Domain) -> Option<QueueLoad> {
        self.0.lock().get(domain).copied()
    }

    fn counted(&self, domain: &Domain, load: QueueLoad) -> QueueLoad {
        *self.0.lock().entry(domain.clone()).or_insert(load)
    }

    fn more(&self, domain: &Domain, bytes: u64) {
        if let Some(load) = self.0.lock().get_mut(domain) {
            load.count += 1;
            load.bytes += bytes;
        }
    }

    fn less(&self, domain: &Domain, bytes: u64) {
        if let Some(load) = self.0.lock().get_mut(domain) {
            load.count = load.count.saturating_sub(1);
            load.bytes = if load.count == 0 { 0 } else { load.bytes.saturating_sub(bytes) };
        }
    }
}

/// What a row takes beside the content of its message.
const ROW: u64 = 256;

/// About how many bytes something that waits takes.
fn weight(what: &AbroadWhat) -> u64 {
    match what {
        AbroadWhat::Message(message) => ROW + message.content.len() as u64,
        AbroadWhat::Report(_) => ROW,
    }
}

/// Recipients in another domain.
pub(super) struct ToDomain {
    pub(super) domain: Domain,
    pub(super) recipient: Recipient,
}

/// The rows of a message to another domain, but for the number.
pub(super) struct Rows<'a> {
    domain: &'a Domain,
    body: Bytes,
    /// Whose message it is, if he wants a report.
    sent: Option<Bytes>,
    expires: Timestamp,
}

/// Where a message comes from, and what it is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FromAbroad {
    /// The domain that brought it.
    pub peer: Domain,
    /// Who sends it; the face has seen to it that the peer may speak for him.
    pub sender: UserId,
    /// Its MessageID there.
    pub id: Option<Box<str>>,
    /// The transaction that brought it: some know it by that alone (SSP 17).
    pub transaction: Option<Box<str>>,
}

/// A message from another domain that is being taken.
pub(super) struct Taking {
    from: FromAbroad,
    /// What makes it the same as one that came before: its MessageID, the sender, the recipients and what it says.
    name: Box<str>,
    /// The name as it was before, without what it says.
    old_name: Option<Box<str>>,
    /// For how long one without a MessageID is known: its transaction has this ID for so long (SSP 7.3).
    window: Duration,
    /// What the transaction of this ID brought before that time, if it was the same: another message has its place now.
    outlived: Option<(u64, Bytes)>,
}

/// What waits for another domain, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages.
    pub messages: u64,
    /// Reports.
    pub reports: u64,
    /// What both are in the store.
    pub bytes: u64,
}

/// Something that waits for another domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abroad {
    /// Which.
    pub domain: Domain,
    /// Its number: what waits longer has a smaller one.
    pub sequence: u64,
    /// What it is.
    pub what: AbroadWhat,
}

/// What waits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "nearly all of them are messages")]
pub enum AbroadWhat {
    /// A message to users of the domain.
    Message(Message),
    /// What became of a message that came from there.
    Report(Report),
}

/// Where a row for another domain lies. `whose` is empty for a message.
pub(super) fn relay_key(domain: &Domain, sequence: u64, whose: &str) -> Key {
    Key::build().text(domain.as_str()).u64(sequence).text(whose).done()
}

pub(super) fn sent_key(sequence: u64, domain: &Domain) -> Key {
    Key::build().u64(sequence).text(domain.as_str()).done()
}

/// Where it lies that a report on a recipient came, the only one: behind the row of the message, with which it goes.
fn told_key(sequence: u64, domain: &Domain, about: &Recipient) -> Key {
    reported_key(sequence, domain, Status::new(0), about)
}

/// The same as it was before: of each outcome one, on the recipients as the report had them.
fn reported_key(sequence: u64, domain: &Domain, outcome: Status, about: &Recipient) -> Key {
    let key = Key::build().u64(sequence).text(domain.as_str()).u64(outcome.code().into());
    key.bytes(&print_of_all(about)).done()
}

/// The same for the same recipients, groups among them.
fn print_of_all(recipient: &Recipient) -> [u8; 16] {
    let users = print_of(recipient);
    if recipient.groups.is_empty() {
        return users;
    }
    let mut print = Md5::new();
    print.update(users);
    for group in &recipient.groups {
        let (address, name) = match group {
            Group::Id(id) => (id, ""),
            Group::ScreenName(name) => (&name.group_id, &*name.name),
        };
        for part in [address.as_str(), name] {
            print.update(part);
            print.update([0]);
        }
    }
    print.finalize().into()
}

/// The same for the same recipients, and short however many they are.
fn print_of(recipient: &Recipient) -> [u8; 16] {
    let mut print = Md5::new();
    for user in &recipient.users {
        let client = user.client_id.as_ref();
        let (url, msisdn) = (client.and_then(|it| it.url.as_deref()), client.and_then(|it| it.msisdn.as_deref()));
        for part in [user.user_id.as_str(), url.unwrap_or_default(), msisdn.unwrap_or_default()] {
            print.update(part);
            print.update([0]);
        }
    }
    print.finalize().into()
}

/// Whether a name of another domain for a message is short enough to be a key here.
fn check_id(id: Option<&str>) -> Result<(), Error> {
    match id {
        Some(id) if id.len() > ID_MAX => Err(Error::BadParameter("the MessageID is longer than this server takes")),
        _ => Ok(()),
    }
}

/// By what a report of another domain on what it alone knows is the same as one before. The name of a message that was taken
/// has a space in it, this has none.
fn report_name(info: &MessageInfo, sender: &UserId, outcome: Status) -> Option<String> {
    use std::fmt::Write as _;
    let mut print = Md5::new();
    for part in [info.message_id.as_deref()?, sender.as_str()] {
        print.update(part);
        print.update([0]);
    }
    print.update(outcome.code().to_be_bytes());
    print.update(print_of(&info.recipient));
    for group in &info.recipient.groups {
        let (address, name) = match group {
            Group::Id(id) => (id, ""),
            Group::ScreenName(name) => (&name.group_id, &*name.name),
        };
        for part in [address.as_str(), name] {
            print.update(part);
            print.update([0]);
        }
    }
    let mut name = String::from("report-");
    for octet in print.finalize() {
        let _ = write!(name, "{octet:02x}");
    }
    Some(name)
}

pub(super) fn taken_key(domain: &Domain, name: &str) -> Key {
    Key::build().text(domain.as_str()).text(name).done()
}

fn id_key(sequence: u64) -> Key {
    Key::build().u64(sequence).done()
}

pub(super) fn expiry_key(end: Timestamp, kind: u8, sequence: u64, domain: &Domain, whose: &str) -> Key {
    Key::build().u64(end.0).u8(kind).u64(sequence).text(domain.as_str()).text(whose).done()
}

/// What a message from another domain is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KnownAs {
    pub(super) domain: Domain,
    /// Its MessageID.
    pub(super) id: Box<str>,
    /// The transaction that brought it; since version 2.
    pub(super) transaction: Option<Box<str>>,
}

impl KnownAs {
    fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(2);
        writer.text(self.domain.as_str()).text(&self.id).optional_text(self.transaction.as_deref());
        writer.done()
    }

    fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, written) = RecordReader::new(record, 2)?;
        let domain = Domain::parse(reader.text()?).map_err(|_| RecordError("no domain"))?;
        let id = reader.text()?.into();
        let transaction = if written >= 2 { reader.optional_text()? } else { None };
        Ok(Self { domain, id, transaction })
    }
}

/// A message that went to another domain, of which its sender wants to know what becomes.
struct SentThere {
    by: UserId,
    /// Recipient and Sender, as they were; since version 2.
    info: Option<MessageInfo>,
}

impl SentThere {
    fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(2);
        writer.text(self.by.as_str());
        writer.option(self.info.as_ref(), write_info);
        writer.done()
    }

    fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, written) = RecordReader::new(record, 2)?;
        let by = UserId::from_canonical(reader.text()?);
        let info = if written >= 2 { reader.option(read_info)? } else { None };
        Ok(Self { by, info })
    }

    /// Whom of the recipients a report of `peer` is about, each as the message named him. None: somebody else too, or nobody.
    fn about(&self, peer: &Domain, reported: &Recipient) -> Option<Vec<Recipient>> {
        let canonical = |address: &Address| {
            UserId::parse(address.as_str(), peer).map_or_else(|_| address.to_string(), |id| id.to_string())
        };
        let of_user = |user: &User| Recipient::user(User { friendly_name: None, ..user.clone() });
        let of_group = |group: &Group| Recipient { groups: vec![group.clone()], ..Recipient::default() };
        let Some(info) = &self.info else {
            // Of one that was sent before, it is not known to whom.
            let users = reported.users.iter().map(of_user);
            return Some(users.chain(reported.groups.iter().map(of_group)).collect());
        };
        let sent = &info.recipient;
        if reported.is_empty() {
            // Where there is only one, he need not be named.
            let one = match (sent.users.as_slice(), sent.groups.as_slice()) {
                ([user], []) => of_user(user),
                ([], [group]) => of_group(group),
                _ => return None,
            };
            return Some(vec![one]);
        }
        let named = |user: &User| {
            let name = canonical(&user.user_id);
            let mut of_him = sent.users.iter().filter(|it| canonical(&it.user_id) == name);
            let first = of_him.clone().next()?;
            // Several of his clients may be recipients, and each has its report.
            Some(of_user(of_him.find(|it| it.client_id == user.client_id).unwrap_or(first)))
        };
        let is_same = |one: &Group, other: &Group| match (one, other) {
            (Group::Id(one), Group::Id(other)) => canonical(one) == canonical(other),
            (Group::ScreenName(one), Group::ScreenName(other)) => {
                one.name == other.name && canonical(&one.group_id) == canonical(&other.group_id)
            }
            _ => false,
        };
        let in_group = |group: &Group| sent.groups.iter().find(|it| is_same(it, group)).map(of_group);
        let users = reported.users.iter().map(named);
        users.chain(reported.groups.iter().map(in_group)).collect()
    }
}

/// Adds the rows of a report for a user of another domain.
pub(super) fn put_report(batch: &mut Batch, known: &KnownAs, sequence: u64, report: &Report) {
    let domain = &known.domain;
    if known.transaction.is_some() {
        // The report's own number leads to it, until the report has gone.
        batch.put(Space::RelayedIds, id_key(sequence), known.to_record());
    }
    let whose = report.recipient.as_str();
    batch.put(Space::Relay, relay_key(domain, sequence, whose), report_record(report));
    batch.put(Space::RelayExpiry, expiry_key(report.expires, WAITING, sequence, domain, whose), Bytes::new());
}

impl ToDomain {
    /// What is written of a message to these recipients.
    pub(super) fn rows<'a>(
        &'a self,
        by: &UserId,
        template: &MessageInfo,
        content: &Content,
        (report, expires): (bool, Timestamp),
    ) -> Rows<'a> {
        let message = Message {
            id: MessageId::new(0),
            sender: by.clone(),
            info: MessageInfo { recipient: self.recipient.clone(), ..template.clone() },
            content: content.data.clone(),
            binary: content.binary,
            shared: false,
            report,
            expires,
            kept: Kept::default(),
        };
        let sent = report.then(|| {
            let info = MessageInfo {
                recipient: self.recipient.clone(),
                sender: template.sender.clone(),
                ..MessageInfo::default()
            };
            SentThere { by: by.clone(), info: Some(info) }.to_record().into()
        });
        Rows { domain: &self.domain, body: message_record(&message).into(), sent, expires }
    }
}

impl Rows<'_> {
    /// Adds the rows.
    pub(super) fn put(self, batch: &mut Batch, sequence: u64) {
        let Self { domain, body, sent, expires } = self;
        batch.put(Space::Relay, relay_key(domain, sequence, ""), body);
        batch.put(Space::RelayExpiry, expiry_key(expires, WAITING, sequence, domain, ""), Bytes::new());
        if let Some(sent) = sent {
            batch.put(Space::RelaySent, sent_key(sequence, domain), sent);
            batch.put(Space::RelayExpiry, expiry_key(expires.plus(GRACE), SENT, sequence, domain, ""), Bytes::new());
        }
    }
}

/// The same for the same message of the same sender to the same recipients, whenever it is posted.
fn print_of_message(from: &FromAbroad, message: &OutgoingMessage) -> [u8; 16] {
    let OutgoingMessage { info, content, .. } = message;
    let mut print = Md5::new();
    let mut add = |part: &[u8]| {
        print.update((part.len() as u64).to_be_bytes());
        print.update(part);
    };
    let by = if from.id.is_some() { from.id.as_deref() } else { from.transaction.as_deref() };
    for text in [by, info.content_type.as_deref(), info.content_name.as_deref(), info.message_uri.as_deref()] {
        add(text.unwrap_or_default().as_bytes());
    }
    add(from.sender.as_str().as_bytes());
    add(&print_of_all(&info.recipient));
    add(&content.data);
    print.finalize().into()
}

impl Taking {
    fn new(from: FromAbroad, message: &OutgoingMessage, window: Duration) -> Result<Self, Error> {
        use std::fmt::Write as _;
        check_id(from.id.as_deref())?;
        let hex = |mut name: String, octets: [u8; 16]| {
            for octet in octets {
                let _ = write!(name, "{octet:02x}");
            }
            Box::<str>::from(name)
        };
        let begin = match (&from.id, &from.transaction) {
            (Some(id), _) => format!("{id} is-"),
            // It has a space in front, no MessageID has.
            (None, Some(_)) => " transaction-".to_owned(),
            (None, None) => String::new(),
        };
        let name = hex(begin, print_of_message(&from, message));
        // Some split a message among several transactions, and all of them have its ID (SSP 7.3).
        let old_name = from.id.as_ref().map(|id| {
            let sender: [u8; 16] = Md5::digest(from.sender.as_str()).into();
            let mut both = print_of(&message.info.recipient);
            both.iter_mut().zip(sender).for_each(|(one, other)| *one ^= other);
            hex(format!("{id} "), both)
        });
        Ok(Self { from, name, old_name, window, outlived: None })
    }

    /// Adds the rows by which the message is taken once, and reported on by the name that it has there.
    pub(super) fn put(
        &self,
        batch: &mut Batch,
        sequence: u64,
        result: &ResultInfo,
        (report, expires): (bool, Timestamp),
    ) {
        let Self { from: FromAbroad { peer, id, transaction, .. }, name, .. } = self;
        let end = match (id, transaction) {
            (Some(_), _) => expires.plus(GRACE),
            (None, Some(_)) => self.forgotten(sequence),
            (None, None) => return,
        };
        let mut writer = RecordWriter::new(1);
        writer.number(sequence);
        write_result(&mut writer, result);
        match &self.outlived {
            Some((before, row)) => {
                batch.if_equals(Space::Relayed, taken_key(peer, name), row.clone());
                batch.delete(Space::RelayExpiry, expiry_key(self.forgotten(*before), TAKEN, *before, peer, name));
            }
            None => {
                batch.if_absent(Space::Relayed, taken_key(peer, name));
            }
        }
        batch.put(Space::Relayed, taken_key(peer, name), writer.done());
        batch.put(Space::RelayExpiry, expiry_key(end, TAKEN, sequence, peer, name), Bytes::new());
        if let Some(id) = id.as_ref().filter(|_| report) {
            let known = KnownAs { domain: peer.clone(), id: id.clone(), transaction: transaction.clone() };
            batch.put(Space::RelayedIds, id_key(sequence), known.to_record());
        }
    }

    /// When a message of this number that has no MessageID is known no longer.
    fn forgotten(&self, sequence: u64) -> Timestamp {
        Sequence::time(sequence).plus(self.window)
    }
}

impl Im<'_> {
    /// Adds a recipient who is not ours.
    pub(super) async fn add_abroad(&self, all: &mut Addressees, size: usize, user: &User) -> Result<(), Error> {
        let Ok(id) = self.router.user(&user.user_id) else {
            all.refusals.user(Status::UNKNOWN_USER, &user.user_id);
            return Ok(());
        };
        let domain = match self.router.reach(&id, Service::Im) {
            Ok(domain) => domain,
            Err(error) => {
                all.refusals.user(error.status(), &user.user_id);
                return Ok(());
            }
        };
        let abroad = all.abroad.iter().map(|to| to.recipient.users.len()).sum::<usize>();
        if all.found.len() + abroad >= self.config.recipients_max {
            return Err(Error::BadParameter("the message has more recipients than this server takes"));
        }
        let user = User { user_id: Address::from(&id), ..user.clone() };
        match all.abroad.iter_mut().find(|to| to.domain == domain) {
            Some(to) if to.recipient.users.contains(&user) => {}
            Some(to) => to.recipient.users.push(user),
            // Whoever is down for long must not fill the store.
            None if self.is_full_of(&domain, size).await? => {
                all.refusals.user(Status::MESSAGE_QUEUE_IS_FULL, &user.user_id);
            }
            None => all.abroad.push(ToDomain { domain, recipient: Recipient::user(user) }),
        }
        Ok(())
    }

    /// Whether so much waits for a domain that nothing more with a content of this size is taken for it.
    async fn is_full_of(&self, domain: &Domain, size: usize) -> Result<bool, Error> {
        let load = match self.abroad.get(domain) {
            Some(load) => load,
            None => {
                let backlog = self.backlog(domain).await?;
                let load = QueueLoad { count: backlog.messages + backlog.reports, bytes: backlog.bytes };
                self.abroad.counted(domain, load)
            }
        };
        let bytes = load.bytes.saturating_add(size as u64);
        Ok(load.count >= self.config.queue_abroad_max || (load.count > 0 && bytes > self.config.queue_abroad_bytes))
    }

    /// Tells the gateway that something with a content of so many bytes waits.
    pub(super) fn waits_abroad(&self, domain: &Domain, size: usize) {
        self.abroad.more(domain, ROW + size as u64);
        self.wake_abroad(domain);
    }

    /// Tells the gateway that something waits.
    pub(super) fn wake_abroad(&self, domain: &Domain) {
        if let Some(gateway) = self.router.gateway() {
            gateway.wake(domain);
        }
    }

    /// Tells the gateway that something waits for a user of another domain, if it is for one.
    pub(super) fn wake_guest(&self, user: &UserId) {
        if user.domain() != self.router.home().as_str()
            && let Some(gateway) = self.router.gateway()
        {
            gateway.wake_guest(user);
        }
    }

    /// Domains for which something waits. Asked once, at the start.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn domains_waited_for(&self) -> Result<Vec<Domain>, Error> {
        let (mut domains, mut from) = (Vec::new(), Key::from(&[0_u8; 0][..]));
        let end = Key::from(&[0xff_u8; 8]);
        loop {
            let range = KeyRange::new(from, end.clone());
            let rows = self.store.scan(Space::Relay, range, Order::Forwards, 1).await?;
            let Some(domain) = rows.first().and_then(|row| Domain::parse(&row.key.read().text()?).ok()) else {
                return Ok(domains);
            };
            // Behind all rows of this domain.
            from = Key::build().text(domain.as_str()).u64(u64::MAX).text("\u{10FFFF}").done();
            domains.push(domain);
        }
    }

    /// What waits for a domain, in order, from a number on.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn waiting_abroad(&self, domain: &Domain, from: u64, limit: usize) -> Result<Vec<Abroad>, Error> {
        let mut range = Key::build().text(domain.as_str()).range();
        if from > 0 {
            range.start = Key::build().text(domain.as_str()).u64(from).done();
        }
        let rows = self.store.scan(Space::Relay, range, Order::Forwards, limit).await?;
        let mut waiting = Vec::with_capacity(rows.len());
        for row in rows {
            let mut reader = row.key.read();
            let (Some(_), Some(sequence), Some(whose)) = (reader.text(), reader.u64(), reader.text()) else { continue };
            match read_row(domain, sequence, &whose, &row.value) {
                Ok(it) => waiting.extend(it),
                // The others go out all the same.
                Err(error) => tracing::error!(%domain, sequence, %error, "what waits for a domain is damaged"),
            }
        }
        Ok(waiting)
    }

    /// How much waits for a domain.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn backlog(&self, domain: &Domain) -> Result<Backlog, Error> {
        let (mut backlog, mut range) = (Backlog::default(), Key::build().text(domain.as_str()).range());
        loop {
            let rows = self.store.scan(Space::Relay, range.clone(), Order::Forwards, PAGE).await?;
            for row in &rows {
                let mut reader = row.key.read();
                let whose = (reader.text(), reader.u64(), reader.text()).2.unwrap_or_default();
                let count = if whose.is_empty() { &mut backlog.messages } else { &mut backlog.reports };
                *count += 1;
                backlog.bytes += row.value.len() as u64;
            }
            let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(backlog) };
            range = range.after(&last.key);
        }
    }

    /// It was taken there, but for these recipients, and why not for them: it does not wait any longer.
    ///
    /// # Errors
    /// The store's failure: it waits still then.
    pub async fn settled_abroad(&self, it: &Abroad, refused: &[(Address, Status)]) -> Result<(), Error> {
        self.settle_abroad(it, refused).await.map(drop)
    }

    /// False: it did not wait any longer.
    async fn settle_abroad(&self, it: &Abroad, refused: &[(Address, Status)]) -> Result<bool, Error> {
        let mut batch = Batch::new();
        let mut reports = Vec::new();
        let (whose, expires) = match &it.what {
            AbroadWhat::Message(message) => {
                if message.report {
                    for (address, status) in refused {
                        let recipient = Recipient::user(User::of(address.clone()));
                        let info = MessageInfo { recipient, ..message.info.clone() };
                        reports.push(self.new_report(&message.sender, info, *status));
                    }
                }
                ("", message.expires)
            }
            AbroadWhat::Report(report) => (report.recipient.as_str(), report.expires),
        };
        let expiry = expiry_key(expires, WAITING, it.sequence, &it.domain, whose);
        // Whoever sweeps and whoever posted may both see its end: it has one.
        batch.if_equals(Space::RelayExpiry, expiry.clone(), Bytes::new());
        batch.delete(Space::RelayExpiry, expiry);
        batch.delete(Space::Relay, relay_key(&it.domain, it.sequence, whose));
        if let AbroadWhat::Report(_) = &it.what {
            batch.delete(Space::RelayedIds, id_key(it.sequence));
        }
        let commit = self.sequence.next(self.clock.now(), |next| {
            for report in &mut reports {
                report.put(&mut batch, next, None);
            }
            self.store.commit(batch)
        });
        match commit.await {
            Ok(_) => self.abroad.less(&it.domain, weight(&it.what)),
            Err(StoreError::Condition) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.offer_reports(reports);
        Ok(true)
    }

    /// A message comes from another domain. When this returns with an ID, it is committed. One that came before is
    /// answered, and not taken again.
    ///
    /// # Errors
    /// `BadParameter`, or the store's failure. What concerns single recipients is in the result.
    pub async fn receive(&self, from: FromAbroad, mut message: OutgoingMessage) -> Result<Sent, Error> {
        let mut taking = Taking::new(from, &message, self.config.repeat_window)?;
        if let Some(sent) = self.taken_before(&mut taking).await? {
            return Ok(sent);
        }
        let from = &taking.from;
        if message.content.data.len() > self.config.message_max {
            return Err(Error::BadParameter("the content is larger than this server takes"));
        }
        if message.info.recipient.is_empty() {
            return Err(Error::BadParameter("the message names no recipient"));
        }
        check(&message.info)?;
        let sender = self.sender_abroad(from, message.info.sender.as_ref());
        let spoken = self.spoken_in(&sender)?;
        let mut origin = Origin::of(&from.sender);
        let mut own_name = None;
        // Nobody here could have such a name.
        if spoken.as_ref().is_some_and(|(_, name)| !is_screen_name(name)) {
            return Err(Error::BadParameter("the ScreenName of the sender is none"));
        }
        if let Some((group, name)) = &spoken {
            origin = origin.in_group(group, name);
            own_name = self.take_name(&mut message.info.recipient, group);
        }
        let kind = Kind::new(&message.info, &message.content.data, message.content.binary);
        let mut addressees = self.our_users(Letter { origin: &origin, kind }, &message.info.recipient).await?;
        if let Some((group, _)) = &spoken {
            self.only_joined(&mut addressees, group, own_name);
        }
        let refusals = std::mem::take(&mut addressees.refusals);
        self.metrics.messages_refused.add(refusals.count() as u64);
        if addressees.is_empty() {
            return Ok(Sent { id: None, result: ResultInfo::partial(false, refusals.done()) });
        }
        let result = ResultInfo::partial(true, refusals.done());
        let validity = (self.config.validity_default, self.config.validity_max);
        // A report needs a name by which the other domain knows the message.
        let report = message.delivery_report && from.id.is_some();
        let draft =
            Draft::new(OutgoingMessage { delivery_report: report, ..message }, sender, self.clock.now(), validity);
        let posting = Posting {
            by: &from.sender,
            draft,
            addressees: &addressees,
            once: None,
            from: Some(&taking),
            result: &result,
            reports: Vec::new(),
            replaces: None,
        };
        let posted = self.post(posting, None).await;
        match posted {
            Ok(id) => Ok(Sent { id: Some(id), result }),
            // It came twice at once.
            Err(Error::UnknownMessage) => self.taken_before(&mut taking).await?.ok_or(Error::UnknownMessage),
            Err(error) => Err(error),
        }
    }

    /// The group of another domain in which a message was said, and by whom.
    fn spoken_in(&self, sender: &Sender) -> Result<Option<(GroupId, Box<str>)>, Error> {
        let Sender::Group(group) = sender else { return Ok(None) };
        let (address, name) = match group {
            Group::Id(id) => (id, ""),
            Group::ScreenName(name) => (&name.group_id, &*name.name),
        };
        Ok(Some((self.router.group(address)?, name.into())))
    }

    /// By which name somebody is spoken to in a group of another domain, if what is said there is for him alone.
    fn take_name(&self, recipient: &mut Recipient, group: &GroupId) -> Option<Box<str>> {
        let is_there = |one: &Group| matches!(one, Group::ScreenName(name) if self.router.group(&name.group_id).is_ok_and(|there| there == *group));
        let at = recipient.groups.iter().position(is_there).filter(|_| !recipient.users.is_empty())?;
        match recipient.groups.remove(at) {
            Group::ScreenName(name) => Some(name.name),
            Group::Id(_) => None,
        }
    }

    /// What is said in a group is for those who have joined it, and shown as said to the group; or to him who has this name
    /// there.
    fn only_joined(&self, all: &mut Addressees, group: &GroupId, own_name: Option<Box<str>>) {
        let not_joined: Vec<Address> = {
            let (joined, others): (Vec<_>, Vec<_>) = std::mem::take(&mut all.found)
                .into_iter()
                .partition(|one| self.group().is_joined_abroad(&one.state.id, group));
            all.found = joined;
            others.iter().map(|one| Address::from(&one.state.id)).collect()
        };
        for user in &not_joined {
            all.refusals.user(Status::GROUP_IS_NOT_JOINED, user);
        }
        let group_id = Address::from(group);
        let shown = match own_name {
            Some(name) => Group::ScreenName(ScreenName { name, group_id }),
            None => Group::Id(group_id),
        };
        for one in &mut all.found {
            one.recipient = Recipient { groups: vec![shown.clone()], ..Recipient::default() };
        }
    }

    /// A message for users of ours whose messages another domain keeps, that could not be passed on to it: it waits here, and
    /// goes to `provider` when that can be reached. When this returns, it is committed.
    ///
    /// # Errors
    /// `BadParameter`, `Undeliverable` when too much waits for it, or the store's failure.
    pub async fn hold(&self, from: FromAbroad, message: OutgoingMessage, provider: &Domain) -> Result<Sent, Error> {
        let mut taking = Taking::new(from, &message, self.config.repeat_window)?;
        if let Some(sent) = self.taken_before(&mut taking).await? {
            return Ok(sent);
        }
        check(&message.info)?;
        let size = message.content.data.len();
        if size > self.config.message_max || self.is_full_of(provider, size).await? {
            return Err(Error::Undeliverable);
        }
        let sender = self.sender_abroad(&taking.from, message.info.sender.as_ref());
        let to = ToDomain { domain: provider.clone(), recipient: message.info.recipient.clone() };
        let addressees = Addressees { abroad: vec![to], ..Addressees::default() };
        let result = ResultInfo::of(Status::SUCCESSFUL);
        let validity = (self.config.validity_default, self.config.validity_max);
        let draft = Draft::new(message, sender, self.clock.now(), validity);
        let posting = Posting {
            by: &taking.from.sender,
            draft,
            addressees: &addressees,
            once: None,
            from: Some(&taking),
            result: &result,
            reports: Vec::new(),
            replaces: None,
        };
        let id = self.post(posting, None).await?;
        Ok(Sent { id: Some(id), result })
    }

    /// What a message was answered that came before.
    async fn taken_before(&self, taking: &mut Taking) -> Result<Option<Sent>, Error> {
        let Taking { from: FromAbroad { peer, id, transaction, .. }, name, old_name, .. } = &*taking;
        if id.is_none() && transaction.is_none() {
            return Ok(None);
        }
        let names = [Some(name), old_name.as_ref()].into_iter().flatten();
        let keys: Vec<Key> = names.map(|name| taken_key(peer, name)).collect();
        let mut rows = self.store.get(Space::Relayed, &keys).await?.into_iter();
        let (row, old) = (rows.next().flatten(), rows.next().flatten());
        let is_old = row.is_none();
        let Some(row) = row.or(old) else { return Ok(None) };
        let (mut reader, _) = RecordReader::new(&row, 1)?;
        let sequence = reader.number()?;
        let result = read_result(&mut reader)?;
        // By its old name it may be another one, which says something else: only what is tried again soon is the same.
        if (is_old || id.is_none()) && taking.forgotten(sequence) <= self.clock.now() {
            if !is_old {
                taking.outlived = Some((sequence, row.clone()));
            }
            return Ok(None);
        }
        self.metrics.messages_repeated.up();
        Ok(Some(Sent { id: Some(MessageId::new(sequence)), result }))
    }

    /// The sender as recipients see him: by his address in full.
    fn sender_abroad(&self, from: &FromAbroad, sender: Option<&Sender>) -> Sender {
        let own = User::of(&from.sender);
        match sender {
            Some(Sender::User(user)) => Sender::User(User {
                client_id: named_client(user),
                application_id: user.application_id.clone().filter(|application| !application.is_empty()),
                friendly_name: user.friendly_name.clone(),
                ..own
            }),
            Some(Sender::Group(group)) => Sender::Group(group.clone()),
            None => Sender::User(own),
        }
    }

    /// The users of ours among the recipients of a message from elsewhere.
    async fn our_users(&self, letter: Letter<'_>, recipient: &Recipient) -> Result<Addressees, Error> {
        let mut all = Addressees::default();
        if recipient.users.len() + recipient.groups.len() > self.config.recipients_max {
            return Err(Error::BadParameter("the message names more recipients than this server takes"));
        }
        for user in &recipient.users {
            match self.router.kept_user(&user.user_id, Service::Im).or_else(|_| self.router.local_user(&user.user_id)) {
                Ok(id) => {
                    let shown = User { user_id: Address::from(&id), ..super::addressees::named(user) };
                    self.add(&mut all, letter, shown, id, &user.user_id).await?;
                }
                Err(error) => all.refusals.user(error.status(), &user.user_id),
            }
        }
        for group in &recipient.groups {
            // Who speaks in a group here does so as a guest who has joined it.
            let not_joined = all.refusals.of(Status::GROUP_IS_NOT_JOINED);
            match group {
                Group::Id(id) => not_joined.group_ids.push(id.clone()),
                Group::ScreenName(name) => not_joined.screen_names.push(name.clone()),
            }
        }
        Ok(all)
    }

    /// What a message from elsewhere is called in the domain of its sender.
    pub(super) async fn known_abroad(&self, message: &Message) -> Option<KnownAs> {
        if matches!(self.router.place(&message.sender), crate::routing::Place::Here(_)) {
            return None;
        }
        // If the store does not answer, there is no report: nobody could say on what.
        self.known_as(message.id.sequence()).await.ok()?
    }

    async fn known_as(&self, sequence: u64) -> Result<Option<KnownAs>, Error> {
        let row = self.store.get_one(Space::RelayedIds, id_key(sequence)).await?;
        Ok(row.map(|row| KnownAs::read(&row)).transpose()?)
    }

    /// What a message that was held here for another domain is called in that of its sender, if he wants to know what becomes
    /// of it: by that name it goes on.
    ///
    /// # Errors
    /// The store's failure, or a damaged row.
    pub async fn name_of_held(&self, it: &Abroad) -> Result<Option<Box<str>>, Error> {
        match &it.what {
            AbroadWhat::Message(message) => Ok(self.known_abroad(message).await.map(|known| known.id)),
            AbroadWhat::Report(_) => Ok(None),
        }
    }

    /// The transaction that brought the message which a report that waits is about.
    ///
    /// # Errors
    /// The store's failure, or a damaged row.
    pub async fn transaction_of_report(&self, it: &Abroad) -> Result<Option<Box<str>>, Error> {
        Ok(self.known_as(it.sequence).await?.and_then(|known| known.transaction))
    }

    /// Another domain says what became of a message from here.
    ///
    /// # Errors
    /// `UnknownMessage` when no such message went there, not to these, or nobody wants to know of it; `QueueFull`; or the
    /// store's failure.
    pub async fn reported(&self, peer: &Domain, info: MessageInfo, outcome: Status) -> Result<(), Error> {
        let id = info.message_id.as_deref().and_then(MessageId::parse).ok_or(Error::UnknownMessage)?;
        let row = self.store.get_one(Space::RelaySent, sent_key(id.sequence(), peer)).await?;
        let row = row.ok_or(Error::UnknownMessage)?;
        let sent = SentThere::read(&row)?;
        check(&info)?;
        let about = sent.about(peer, &info.recipient).ok_or(Error::UnknownMessage)?;
        // It may be told again, when the peer did not see our answer; and what was told of somebody is the end of it.
        let mut told: Vec<Key> = about.iter().map(|one| told_key(id.sequence(), peer, one)).collect();
        told.push(reported_key(id.sequence(), peer, outcome, &info.recipient));
        let mut before = self.store.get(Space::RelaySent, &told).await?;
        let mut batch = Batch::new();
        let mut recipient = Recipient::default();
        let was_told = before.pop().flatten().is_some();
        for ((one, key), _) in about.into_iter().zip(told).zip(before).filter(|(_, row)| row.is_none() && !was_told) {
            recipient.users.extend(one.users);
            recipient.groups.extend(one.groups);
            batch.if_absent(Space::RelaySent, key.clone());
            batch.put(Space::RelaySent, key, Bytes::new());
        }
        if batch.is_empty() {
            return Ok(());
        }
        // Of a message that came from elsewhere and was held here, it is told by the name that it has there.
        let known = self.known_as(id.sequence()).await?;
        let is_full = match &known {
            Some(known) => self.is_full_of(&known.domain, 0).await?,
            None => match self.user(&sent.by).await {
                Ok(user) => self.is_full(&user, 0).await?,
                Err(Error::UnknownUser) => false,
                Err(error) => return Err(error),
            },
        };
        if is_full {
            return Err(Error::QueueFull);
        }
        let sender = sent.info.and_then(|info| info.sender).unwrap_or_else(|| Sender::User(User::of(&sent.by)));
        let message_id = known.as_ref().map(|known| known.id.clone()).or(info.message_id);
        let info = MessageInfo { message_id, recipient, sender: Some(sender), ..info };
        let mut report = self.new_report(&sent.by, info, outcome);
        report.abroad = known;
        let commit = self.sequence.next(self.clock.now(), |next| {
            report.put(&mut batch, next, None);
            self.store.commit(batch)
        });
        match commit.await {
            Ok(_) => self.offer_reports([report]),
            Err(StoreError::Condition) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The domain that keeps a group, or (`is_provider`) our users' messages, says what became of what one of them sent there.
    /// It may say so again, when it did not see our answer.
    ///
    /// # Errors
    /// `UnknownMessage` when it is about no group of that domain that a user of ours has joined, and nothing that he said there
    /// before; `QueueFull`; or the store's failure.
    pub async fn reported_there(
        &self,
        peer: &Domain,
        is_provider: bool,
        info: MessageInfo,
        outcome: Status,
    ) -> Result<(), Error> {
        let Some(Sender::User(user)) = &info.sender else { return Err(Error::UnknownMessage) };
        let sender = self.router.local_user(&user.user_id).map_err(|_| Error::UnknownMessage)?;
        let is_where_he_is = |group: &Group| {
            let (Group::Id(address) | Group::ScreenName(ScreenName { group_id: address, .. })) = group;
            let group = self.router.group(address).ok().filter(|group| group.domain() == peer.as_str());
            group.is_some_and(|group| self.group().is_joined_abroad(&sender, &group))
        };
        let is_on_group = info.recipient.users.is_empty();
        let is_of_group = is_on_group && info.recipient.groups.iter().any(is_where_he_is);
        // He may have left since.
        let is_his = is_provider || is_of_group || (is_on_group && self.was_said_there(peer, &sender, &info).await?);
        if !is_his || !self.user_exists(&sender).await? {
            return Err(Error::UnknownMessage);
        }
        check(&info)?;
        check_id(info.message_id.as_deref())?;
        if self.is_full(&*self.user(&sender).await?, 0).await? {
            return Err(Error::QueueFull);
        }
        let name = report_name(&info, &sender, outcome);
        let mut report = self.new_report(&sender, info, outcome);
        let mut batch = Batch::new();
        if let Some(name) = &name {
            batch.if_absent(Space::Relayed, taken_key(peer, name));
            batch.put(Space::Relayed, taken_key(peer, name), Bytes::new());
            let end = self.clock.now().plus(self.config.validity_default);
            batch.put(Space::RelayExpiry, expiry_key(end, TAKEN, 0, peer, name), Bytes::new());
        }
        let commit = self.sequence.next(self.clock.now(), |next| {
            report.put(&mut batch, next, None);
            self.store.commit(batch)
        });
        match commit.await {
            Ok(_) => self.offer_reports([report]),
            Err(StoreError::Condition) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Removes what is over: whoever wants to know is told that it was not delivered.
    pub(super) async fn sweep_abroad(&self, now: Timestamp) -> Result<(), Error> {
        for _ in 0..PAGES {
            let range = KeyRange::new(Key::from(&[0_u8; 0][..]), Key::build().u64(now.0).done());
            let rows = self.store.scan(Space::RelayExpiry, range, Order::Forwards, PAGE).await?;
            for row in &rows {
                self.end_abroad(&row.key).await?;
            }
            if rows.len() < PAGE {
                break;
            }
        }
        Ok(())
    }

    async fn end_abroad(&self, key: &Key) -> Result<(), Error> {
        let mut reader = key.read();
        let parts = (|| Some((reader.u64()?, reader.u8()?, reader.u64()?, reader.text()?, reader.text()?)))();
        let mut batch = Batch::new();
        batch.delete(Space::RelayExpiry, key.clone());
        let domain = parts.as_ref().and_then(|(_, _, _, domain, _)| Domain::parse(domain).ok());
        if let (Some((_, kind, sequence, _, whose)), Some(domain)) = (parts, domain) {
            match kind {
                WAITING => {
                    let row = self.store.get_one(Space::Relay, relay_key(&domain, sequence, &whose)).await?;
                    let it = row.map(|row| read_row(&domain, sequence, &whose, &row)).transpose();
                    let it = it.unwrap_or_else(|error| {
                        tracing::error!(%domain, sequence, %error, "what waited for a domain is damaged, and removed");
                        batch.delete(Space::Relay, relay_key(&domain, sequence, &whose));
                        None
                    });
                    if let Some(it) = it.flatten() {
                        let everybody = match &it.what {
                            AbroadWhat::Message(message) => message.info.recipient.users.as_slice(),
                            AbroadWhat::Report(_) => &[],
                        };
                        let refused: Vec<_> =
                            everybody.iter().map(|user| (user.user_id.clone(), Status::UNABLE_TO_DELIVER)).collect();
                        if self.settle_abroad(&it, &refused).await? {
                            return Ok(());
                        }
                    }
                }
                // And what was told of it.
                SENT => {
                    batch.delete_range(Space::RelaySent, Key::build().u64(sequence).text(domain.as_str()).range());
                }
                _ => {
                    batch.delete(Space::Relayed, taken_key(&domain, &whose));
                    batch.delete(Space::RelayedIds, id_key(sequence));
                }
            }
        }
        Ok(self.store.commit(batch).await?)
    }
}

/// What a row of Relay stands for.
fn read_row(domain: &Domain, sequence: u64, whose: &str, record: &Bytes) -> Result<Option<Abroad>, Error> {
    let what = match read_body(sequence, &UserId::from_canonical(whose), record)? {
        Waiting::Message(message) => AbroadWhat::Message(message),
        Waiting::Report(report) => AbroadWhat::Report(report),
        Waiting::GroupMessage(_) | Waiting::Notice(_) => return Ok(None),
    };
    Ok(Some(Abroad { domain: domain.clone(), sequence, what }))
}

//! The rows of messages that wait.
//!
//! | space | key | value |
//! |---|---|---|
//! | Messages | sequence, recipient | the message, the report or the notice |
//! | Messages | sequence, "" | content that several recipients share |
//! | Messages | sequence, group | a message to all joined users of a group |
//! | MessageIndex | slot, recipient, sequence | kind, size, end and group: enough to choose and to delete |
//! | MessageExpiry | end, sequence, recipient | nothing; only of what ends within an hour, or is an hour old |
//! | MessageExpiry | end, sequence, group | who had joined: so many index rows go then |
//! | MessageExpiry | end and a minute, sequence, "" | nothing: the shared content goes, whatever became of its recipients |
//!
//! All but the index begin with the time, so they are written in order. Most messages are acknowledged at once: those that
//! are good for longer than an hour get a row of their end when they are an hour old and wait still (`expire.rs`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imps_types::element::{ContentEncoding, Font, Group, MessageInfo, Recipient, ScreenName, Sender, User};
use imps_types::{Address, ClientId, DateTime, GroupId, MessageId, Slot, Status, UserId};

use super::{Im, Sequence};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::{Kept, Message, Notice, NoticeContent, Report};
use crate::extension::{read_extensions, write_extensions};
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, KeyRange, Space};

const MESSAGE: u64 = 1;
const REPORT: u64 = 2;
const NOTICE: u64 = 3;
/// A message whose body all joined users of a group share.
const GROUP_MESSAGE: u64 = 4;
/// A message to somebody in a group by his screen name.
const PRIVATE_MESSAGE: u64 = 5;
/// A message to one client or application of a user.
const SELECTIVE_MESSAGE: u64 = 6;
/// From which age on what waits has a row of its end. A part of the format: whoever makes it longer leaves what is in
/// between without one.
const END_ROW_AFTER: Duration = Duration::from_secs(3600);

/// What waits: a message, a report or a notice.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Waiting {
    Message(Message),
    GroupMessage(Arc<Message>),
    Report(Report),
    Notice(Notice),
}

/// What kind of thing a row of the index stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitingKind {
    /// A message.
    Message,
    /// A message to the joined users of a group.
    GroupMessage,
    /// A delivery report.
    Report,
    /// A notice.
    Notice,
}

impl WaitingKind {
    /// A word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::GroupMessage => "group message",
            Self::Report => "report",
            Self::Notice => "notice",
        }
    }

    const fn number(self) -> u64 {
        match self {
            Self::Message => MESSAGE,
            Self::GroupMessage => GROUP_MESSAGE,
            Self::Report => REPORT,
            Self::Notice => NOTICE,
        }
    }

    fn of(number: u64) -> Result<Self, RecordError> {
        match number {
            MESSAGE | PRIVATE_MESSAGE | SELECTIVE_MESSAGE => Ok(Self::Message),
            GROUP_MESSAGE => Ok(Self::GroupMessage),
            REPORT => Ok(Self::Report),
            NOTICE => Ok(Self::Notice),
            _ => Err(RecordError("unknown kind of row")),
        }
    }
}

/// A row of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexRow {
    pub(super) kind: WaitingKind,
    pub(super) size: u64,
    pub(super) expires: Timestamp,
    /// The content lies in a row of its own.
    pub(super) shared: bool,
    /// The group whose joined users get it, if it is a message in a group.
    pub(super) group: Option<GroupId>,
    /// Whether it is for one client or application of the user.
    pub(super) selective: bool,
}

pub(super) fn body_key(sequence: u64, recipient: &UserId) -> Key {
    Key::build().u64(sequence).text(recipient.as_str()).done()
}

pub(super) fn shared_key(sequence: u64) -> Key {
    Key::build().u64(sequence).text("").done()
}

/// All rows of one message.
fn message_range(sequence: u64) -> KeyRange {
    Key::build().u64(sequence).range()
}

pub(super) fn index_key(recipient: &UserId, sequence: u64) -> Key {
    Key::build().u16(Slot::of(recipient.as_str()).number()).text(recipient.as_str()).u64(sequence).done()
}

/// The index rows of one user.
pub(super) fn index_range(recipient: &UserId) -> KeyRange {
    Key::build().u16(Slot::of(recipient.as_str()).number()).text(recipient.as_str()).range()
}

/// The sequence number at the end of an index key.
pub(super) fn index_sequence(key: &Key) -> Option<u64> {
    let mut reader = key.read();
    reader.u16()?;
    reader.text()?;
    reader.u64()
}

fn expiry_key(expires: Timestamp, sequence: u64, recipient: &UserId) -> Key {
    Key::build().u64(expires.0).u64(sequence).text(recipient.as_str()).done()
}

/// Where the body of a message to a group lies: no user's address has a `/` in it.
pub(super) fn group_body_key(sequence: u64, group: &GroupId) -> Key {
    Key::build().u64(sequence).text(group.as_str()).done()
}

pub(super) fn group_expiry_key(expires: Timestamp, sequence: u64, group: &GroupId) -> Key {
    Key::build().u64(expires.0).u64(sequence).text(group.as_str()).done()
}

/// Everything that ended before this moment.
pub(super) fn expired_range(now: Timestamp) -> KeyRange {
    KeyRange::new(Key::from(&[0_u8; 0][..]), Key::build().u64(now.0).done())
}

/// When the row of a shared content goes: once its recipients' rows are certainly gone.
fn shared_end(expires: Timestamp) -> Timestamp {
    Timestamp(expires.0.saturating_add(60_000))
}

/// What ends with a row of the expiry space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// What waits for a user.
    Of(UserId),
    /// A message to a group.
    Group(GroupId),
    /// A shared content.
    Shared,
}

/// End, sequence and what ends, of an expiry key.
pub(super) fn expiry_parts(key: &Key) -> Option<(Timestamp, u64, Ending)> {
    let mut reader = key.read();
    let (end, sequence) = (Timestamp(reader.u64()?), reader.u64()?);
    let whose = reader.text()?;
    let what = if whose.is_empty() {
        Ending::Shared
    } else if whose.contains('/') {
        Ending::Group(GroupId::from_canonical(&whose))
    } else {
        Ending::Of(UserId::from_canonical(&whose))
    };
    Some((end, sequence, what))
}

impl IndexRow {
    pub(super) fn of_message(message: &Message) -> Self {
        let size = message.info.content_size.into();
        let kind = if message.is_to_group() { WaitingKind::GroupMessage } else { WaitingKind::Message };
        let group = message.group().map(GroupId::from_canonical);
        let mut users = message.info.recipient.users.iter();
        let selective = users.any(|user| user.client_id.is_some() || user.application_id.is_some());
        Self { kind, size, expires: message.expires, shared: message.shared, group, selective }
    }

    pub(super) fn of_report(report: &Report) -> Self {
        Self {
            kind: WaitingKind::Report,
            size: 0,
            expires: report.expires,
            shared: false,
            group: None,
            selective: false,
        }
    }

    pub(super) fn of_notice(notice: &Notice) -> Self {
        Self {
            kind: WaitingKind::Notice,
            size: 0,
            expires: notice.expires,
            shared: false,
            group: None,
            selective: false,
        }
    }

    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        let is_private = self.kind == WaitingKind::Message && self.group.is_some();
        writer.number(match self.kind {
            _ if is_private => PRIVATE_MESSAGE,
            WaitingKind::Message if self.selective => SELECTIVE_MESSAGE,
            kind => kind.number(),
        });
        writer.number(self.size).number(self.expires.0).flag(self.shared);
        if let Some(group) = &self.group {
            writer.text(group.as_str());
        }
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let number = reader.number()?;
        let kind = WaitingKind::of(number)?;
        let (size, expires, shared) = (reader.number()?, Timestamp(reader.number()?), reader.flag()?);
        let is_in_group = matches!(number, GROUP_MESSAGE | PRIVATE_MESSAGE);
        let group = if is_in_group { Some(GroupId::from_canonical(reader.text()?)) } else { None };
        Ok(Self { kind, size, expires, shared, group, selective: number == SELECTIVE_MESSAGE })
    }
}

/// What is written of a message or a report and does not depend on its number: made before the number is taken.
pub(super) struct Records {
    body: Bytes,
    index: Bytes,
}

impl Records {
    pub(super) fn of_message(message: &Message) -> Self {
        Self { body: message_record(message).into(), index: IndexRow::of_message(message).to_record().into() }
    }

    pub(super) fn of_report(report: &Report) -> Self {
        Self { body: report_record(report).into(), index: IndexRow::of_report(report).to_record().into() }
    }

    pub(super) fn of_notice(notice: &Notice) -> Self {
        Self { body: notice_record(notice).into(), index: IndexRow::of_notice(notice).to_record().into() }
    }

    /// Adds the rows.
    pub(super) fn put(self, batch: &mut Batch, sequence: u64, recipient: &UserId, expires: Timestamp) {
        // The number is new, and so are the keys.
        batch.insert(Space::Messages, body_key(sequence, recipient), self.body);
        batch.insert(Space::MessageIndex, index_key(recipient, sequence), self.index);
        if ends_early(sequence, expires) {
            put_end(batch, sequence, recipient, expires);
        }
    }
}

/// Whether it ends before it is of the age at which everything gets a row of its end.
fn ends_early(sequence: u64, expires: Timestamp) -> bool {
    expires < Sequence::time(sequence).plus(END_ROW_AFTER)
}

/// Adds the row of the end of what waits.
pub(super) fn put_end(batch: &mut Batch, sequence: u64, recipient: &UserId, expires: Timestamp) {
    batch.put(Space::MessageExpiry, expiry_key(expires, sequence, recipient), Bytes::new());
}

/// Bodies that are old enough to have rows of their ends: from this number on, which is not of them.
pub(super) fn aged_range(from: u64, now: Timestamp) -> KeyRange {
    let end = Sequence::at(aged_before(now));
    KeyRange::new(Key::build().u64(from).done(), Key::build().u64(end.max(from)).done())
}

fn aged_before(now: Timestamp) -> Timestamp {
    let age = u64::try_from(END_ROW_AFTER.as_millis()).unwrap_or(u64::MAX);
    Timestamp(now.0.saturating_sub(age))
}

/// Number and recipient of a body; `None` for what several share.
pub(super) fn body_parts(key: &Key) -> (Option<u64>, Option<UserId>) {
    let mut reader = key.read();
    let sequence = reader.u64();
    let whose = reader.text().filter(|whose| !whose.is_empty() && !whose.contains('/'));
    (sequence, whose.map(|whose| UserId::from_canonical(&whose)))
}

/// Adds the rows of a content that several recipients share.
pub(super) fn put_shared(batch: &mut Batch, sequence: u64, content: &Bytes, expires: Timestamp) {
    batch.put(Space::Messages, shared_key(sequence), content.clone());
    batch.put(Space::MessageExpiry, shared_expiry_key(sequence, expires), Bytes::new());
}

fn shared_expiry_key(sequence: u64, expires: Timestamp) -> Key {
    Key::build().u64(shared_end(expires).0).u64(sequence).text("").done()
}

/// Adds the removal of a shared content's rows.
fn delete_shared(batch: &mut Batch, sequence: u64, expires: Timestamp) {
    batch.delete(Space::Messages, shared_key(sequence));
    batch.delete(Space::MessageExpiry, shared_expiry_key(sequence, expires));
}

/// Adds the removal of what waits. A row of its end that is left behind, because the clock went back, ends by itself.
pub(super) fn delete(batch: &mut Batch, sequence: u64, recipient: &UserId, expires: Timestamp, now: Timestamp) {
    batch.delete(Space::Messages, body_key(sequence, recipient));
    batch.delete(Space::MessageIndex, index_key(recipient, sequence));
    if ends_early(sequence, expires) || Sequence::time(sequence) <= aged_before(now) {
        batch.delete(Space::MessageExpiry, expiry_key(expires, sequence, recipient));
    }
}

pub(super) fn message_record(message: &Message) -> Vec<u8> {
    let inline = if message.shared { 0 } else { message.content.len() };
    // Version 2 appends what clients made up themselves, which few do.
    let version = if message.info.ext_blocks.is_empty() { 1 } else { 2 };
    let mut writer = RecordWriter::with_capacity(version, 256 + inline);
    writer.number(MESSAGE).text(message.sender.as_str());
    write_info(&mut writer, &message.info);
    writer.flag(message.binary).flag(message.report).number(message.expires.0);
    writer.option((!message.shared).then_some(&message.content), |writer, content| {
        writer.bytes(content);
    });
    if version >= 2 {
        write_extensions(&mut writer, &message.info.ext_blocks);
    }
    writer.done()
}

pub(super) fn report_record(report: &Report) -> Vec<u8> {
    let mut writer = RecordWriter::with_capacity(1, 256);
    writer.number(REPORT).number(report.result.code().into()).number(report.time.to_unix());
    write_info(&mut writer, &report.info);
    writer.number(report.expires.0);
    writer.done()
}

fn notice_record(notice: &Notice) -> Vec<u8> {
    let mut writer = RecordWriter::with_capacity(1, 256);
    writer.number(NOTICE).number(notice.expires.0);
    notice.content.write(&mut writer);
    writer.done()
}

/// Reads a body. A shared content is not in it.
pub(super) fn read_body(sequence: u64, recipient: &UserId, record: &Bytes) -> Result<Waiting, RecordError> {
    let (mut reader, written) = RecordReader::new(record, 2)?;
    let id = MessageId::new(sequence);
    let kind = WaitingKind::of(reader.number()?)?;
    if kind == WaitingKind::Notice {
        let expires = Timestamp(reader.number()?);
        let content = NoticeContent::read(&mut reader)?;
        return Ok(Waiting::Notice(Notice { id, recipient: recipient.clone(), content, expires }));
    }
    if kind == WaitingKind::Report {
        let result = Status::new(u16::try_from(reader.number()?).map_err(|_| RecordError("status too large"))?);
        let time = DateTime::from_unix(reader.number()?);
        let info = read_info(&mut reader)?;
        let expires = Timestamp(reader.number()?);
        return Ok(Waiting::Report(Report { id, recipient: recipient.clone(), result, time, info, expires }));
    }
    let sender = UserId::from_canonical(reader.text()?);
    let mut info = read_info(&mut reader)?;
    // The record was made before the number was taken.
    info.message_id.get_or_insert_with(|| id.to_string().into());
    let (binary, report, expires) = (reader.flag()?, reader.flag()?, Timestamp(reader.number()?));
    let content = reader.option(RecordReader::bytes)?;
    let shared = content.is_none();
    let content = content.map(|content| record.slice_ref(content)).unwrap_or_default();
    if written >= 2 {
        info.ext_blocks = read_extensions(&mut reader)?;
    }
    Ok(Waiting::Message(Message { id, sender, info, content, binary, shared, report, expires, kept: Kept::default() }))
}

pub(super) fn write_info(writer: &mut RecordWriter, info: &MessageInfo) {
    writer.optional_text(info.message_id.as_deref()).optional_text(info.message_uri.as_deref());
    writer.optional_text(info.content_type.as_deref()).optional_text(info.content_name.as_deref());
    writer.flag(info.content_encoding == Some(ContentEncoding::Base64)).number(info.content_size.into());
    writer.list(info.recipient.users.iter(), write_user);
    writer.list(info.recipient.groups.iter(), write_group);
    writer.list(info.recipient.contact_lists.iter(), |writer, list| {
        writer.text(list.as_str());
    });
    writer.option(info.sender.as_ref(), |writer, sender| match sender {
        Sender::User(user) => {
            writer.flag(false);
            write_user(writer, user);
        }
        Sender::Group(group) => {
            writer.flag(true);
            write_group(writer, group);
        }
    });
    writer.option(info.date_time, |writer, time| {
        writer.number(time.to_unix());
    });
    writer.option(info.font.as_ref(), |writer, font| {
        writer.optional_text(font.size.as_deref());
        writer.list(font.styles.iter(), |writer, style| {
            writer.text(style);
        });
        writer.optional_text(font.color.as_deref());
    });
    writer.option(info.validity, |writer, validity| {
        writer.number(validity.into());
    });
}

pub(super) fn read_info(reader: &mut RecordReader<'_>) -> Result<MessageInfo, RecordError> {
    let (message_id, message_uri) = (reader.optional_text()?, reader.optional_text()?);
    let (content_type, content_name) = (reader.optional_text()?, reader.optional_text()?);
    let content_encoding = reader.flag()?.then_some(ContentEncoding::Base64);
    let content_size = reader.small()?;
    let users = reader.list(read_user)?;
    let groups = reader.list(read_group)?;
    let contact_lists = reader.list(|reader| Ok(Address::new(reader.text()?)))?;
    let sender = reader.option(|reader| {
        Ok(if reader.flag()? { Sender::Group(read_group(reader)?) } else { Sender::User(read_user(reader)?) })
    })?;
    let date_time = reader.option(RecordReader::number)?.map(DateTime::from_unix);
    let font = reader.option(|reader| {
        let size = reader.optional_text()?;
        let styles = reader.list(|reader| Ok(reader.text()?.into()))?;
        Ok(Font { size, styles, color: reader.optional_text()? })
    })?;
    let validity = reader.option(RecordReader::small)?;
    let recipient = Recipient { users, groups, contact_lists };
    Ok(MessageInfo {
        message_id,
        message_uri,
        content_type,
        content_encoding,
        content_size,
        content_name,
        recipient,
        sender,
        date_time,
        font,
        validity,
        ext_blocks: Vec::new(),
    })
}

fn write_user(writer: &mut RecordWriter, user: &User) {
    writer.text(user.user_id.as_str()).optional_text(user.friendly_name.as_deref());
    writer.option(user.client_id.as_ref(), |writer, client| {
        writer.optional_text(client.url.as_deref()).optional_text(client.msisdn.as_deref());
    });
    writer.optional_text(user.application_id.as_deref());
}

fn read_user(reader: &mut RecordReader<'_>) -> Result<User, RecordError> {
    let (user_id, friendly_name) = (Address::new(reader.text()?), reader.optional_text()?);
    let client_id =
        reader.option(|reader| Ok(ClientId { url: reader.optional_text()?, msisdn: reader.optional_text()? }))?;
    Ok(User { user_id, friendly_name, client_id, application_id: reader.optional_text()? })
}

fn write_group(writer: &mut RecordWriter, group: &Group) {
    match group {
        Group::Id(id) => writer.flag(false).text(id.as_str()),
        Group::ScreenName(name) => writer.flag(true).text(&name.name).text(name.group_id.as_str()),
    };
}

fn read_group(reader: &mut RecordReader<'_>) -> Result<Group, RecordError> {
    Ok(if reader.flag()? {
        Group::ScreenName(ScreenName { name: reader.text()?.into(), group_id: Address::new(reader.text()?) })
    } else {
        Group::Id(Address::new(reader.text()?))
    })
}

impl Im<'_> {
    /// What waits for this user under this number, from the store.
    pub(super) async fn load(&self, recipient: &UserId, sequence: u64) -> Result<Option<Waiting>, Error> {
        Ok(self.load_any(recipient, &[sequence]).await?.pop().flatten())
    }

    /// The same of several numbers, each in its place.
    pub(super) async fn load_any(&self, recipient: &UserId, sequences: &[u64]) -> Result<Vec<Option<Waiting>>, Error> {
        let mut found = self.load_all(recipient, sequences).await?;
        // A message to a group has no body of each recipient's own; the index knows which group it was.
        let missing = found.iter().zip(sequences).filter(|(one, _)| one.is_none());
        let keys: Vec<Key> = missing.map(|(_, sequence)| index_key(recipient, *sequence)).collect();
        if keys.is_empty() {
            return Ok(found);
        }
        let mut rows = self.store.get(Space::MessageIndex, &keys).await?.into_iter();
        for (one, sequence) in found.iter_mut().zip(sequences).filter(|(one, _)| one.is_none()) {
            let row = rows.next().flatten().and_then(|row| IndexRow::read(&row).ok());
            if let Some(IndexRow { kind: WaitingKind::GroupMessage, group: Some(group), .. }) = row {
                *one = self.group_message(*sequence, &group).await?.map(Waiting::GroupMessage);
            }
        }
        Ok(found)
    }

    /// The bodies that rows of a user's index stand for, each in its place.
    pub(super) async fn load_rows(
        &self,
        recipient: &UserId,
        rows: &[(u64, IndexRow)],
    ) -> Result<Vec<Option<Waiting>>, Error> {
        let is_own = |row: &IndexRow| row.kind != WaitingKind::GroupMessage;
        let own: Vec<u64> = rows.iter().filter(|(_, row)| is_own(row)).map(|(sequence, _)| *sequence).collect();
        let mut own = self.load_all(recipient, &own).await?.into_iter();
        let mut found = Vec::with_capacity(rows.len());
        for (sequence, row) in rows {
            found.push(match &row.group {
                Some(group) if !is_own(row) => self.group_message(*sequence, group).await?.map(Waiting::GroupMessage),
                _ => own.next().flatten(),
            });
        }
        Ok(found)
    }

    /// The bodies of several numbers of one user, each in its place; none where there is none that can be read. Messages
    /// to groups have none.
    pub(super) async fn load_all(&self, recipient: &UserId, sequences: &[u64]) -> Result<Vec<Option<Waiting>>, Error> {
        let keys: Vec<Key> = sequences.iter().map(|sequence| body_key(*sequence, recipient)).collect();
        let records = self.store.get(Space::Messages, &keys).await?;
        let mut found = Vec::with_capacity(records.len());
        for (record, sequence) in records.into_iter().zip(sequences) {
            let body = record.and_then(|record| match read_body(*sequence, recipient, &record) {
                Ok(body) => Some(body),
                Err(error) => {
                    // One damaged row must not stand before all that come after it.
                    tracing::warn!(user = %recipient, %error, "a message is left out");
                    None
                }
            });
            found.push(match body {
                Some(Waiting::Message(mut message)) if message.shared => {
                    // Gone with the last recipient: then this message was settled since its body was read.
                    let content = self.store.get_one(Space::Messages, shared_key(*sequence)).await?;
                    content.map(|content| {
                        message.content = content;
                        Waiting::Message(message)
                    })
                }
                body => body,
            });
        }
        Ok(found)
    }

    /// Whether the store has this message or report.
    pub(super) async fn is_stored(&self, recipient: &UserId, sequence: u64) -> Result<bool, Error> {
        Ok(self.store.get_one(Space::MessageIndex, index_key(recipient, sequence)).await?.is_some())
    }

    /// Removes a shared content when its last recipient has been served. Both of two that come last may find it so; when
    /// nobody comes to it, it goes at the end of its validity.
    pub(super) async fn drop_shared(&self, sequence: u64, expires: Timestamp) {
        let rows = self.store.scan(Space::Messages, message_range(sequence), crate::seam::Order::Forwards, 2).await;
        let alone = rows.is_ok_and(|rows| matches!(rows.as_slice(), [row] if row.key == shared_key(sequence)));
        if alone {
            let mut batch = Batch::new();
            delete_shared(&mut batch, sequence, expires);
            if let Err(error) = self.store.commit(batch).await {
                tracing::warn!(%error, "shared content could not be removed");
            }
        }
    }

    /// Removes everything that waits for a user.
    pub(crate) async fn remove_queue(&self, user: &UserId) -> Result<(), Error> {
        loop {
            let rows =
                self.store.scan(Space::MessageIndex, index_range(user), crate::seam::Order::Forwards, 500).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::new();
            let mut shared = Vec::new();
            for row in &rows {
                let (Some(sequence), Ok(index)) = (index_sequence(&row.key), IndexRow::read(&row.value)) else {
                    batch.delete(Space::MessageIndex, row.key.clone());
                    continue;
                };
                // The body of a message to a group is the others' too, and goes with the end of its validity.
                delete(&mut batch, sequence, user, index.expires, self.clock.now());
                if index.shared {
                    shared.push((sequence, index.expires));
                }
            }
            self.store.commit(batch).await?;
            for (sequence, expires) in shared {
                self.drop_shared(sequence, expires).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::presence::Extension;

    fn bob() -> UserId {
        UserId::from_canonical("wv:bob@a.example")
    }

    fn message() -> Message {
        let info = MessageInfo {
            message_id: Some("mx".into()),
            content_type: Some("text/plain".into()),
            content_size: 2,
            recipient: Recipient::user(User::of(&bob())),
            sender: Some(Sender::User(User::of("wv:al@a.example"))),
            date_time: Some(DateTime::from_unix(1_000)),
            validity: Some(60),
            ..MessageInfo::default()
        };
        Message {
            id: MessageId::new(7),
            sender: UserId::from_canonical("wv:al@a.example"),
            info,
            content: Bytes::from_static(b"hi"),
            binary: false,
            shared: false,
            report: true,
            expires: Timestamp(300),
            kept: Kept::default(),
        }
    }

    #[test]
    fn golden_octets_of_a_message() {
        let golden = b"\x01\x01\x0fwv:al@a.example\x01\x02mx\x00\x01\x0atext/plain\x00\x00\x02\x01\x10wv:bob@a.example\
            \x00\x00\x00\x00\x00\x01\x00\x0fwv:al@a.example\x00\x00\x00\x01\xe8\x07\x00\x01\x3c\x00\x01\xac\x02\x01\x02hi";
        let message = message();
        assert_eq!(message_record(&message).escape_ascii().to_string(), golden.escape_ascii().to_string());
        let read = read_body(7, &bob(), &Bytes::from_static(golden)).unwrap();
        assert_eq!(read, Waiting::Message(message));
    }

    #[test]
    fn golden_octets_of_a_message_with_a_block_of_its_clients() {
        let mut message = message();
        let inner = Extension {
            name: "APIClient".into(),
            namespace: Some("urn:n".into()),
            text: "chat".into(),
            children: Vec::new(),
        };
        let block = Extension { name: "ExtBlock".into(), namespace: None, text: "".into(), children: vec![inner] };
        message.info.ext_blocks = vec![block];
        let golden = b"\x01\x02hi\x01\x08ExtBlock\x00\x00\x01\x09APIClient\x01\x05urn:n\x04chat\x00";
        let record = message_record(&message);
        assert_eq!(record[0], 2);
        assert_eq!(record[record.len() - golden.len()..].escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!(read_body(7, &bob(), &record.into()).unwrap(), Waiting::Message(message));
    }

    #[test]
    fn a_record_that_was_made_before_its_number_gets_its_message_id() {
        let mut message = message();
        message.info.message_id = None;
        let read = read_body(7, &bob(), &message_record(&message).into()).unwrap();
        message.info.message_id = Some(message.id.to_string().into());
        assert_eq!(read, Waiting::Message(message));
    }

    #[test]
    fn golden_octets_of_a_report_and_an_index_row() {
        let report = Report {
            id: MessageId::new(9),
            recipient: UserId::from_canonical("wv:al@a.example"),
            result: Status::SUCCESSFUL,
            time: DateTime::from_unix(2_000),
            info: MessageInfo::default(),
            expires: Timestamp(300),
        };
        let golden = b"\x01\x02\xc8\x01\xd0\x0f\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xac\x02";
        assert_eq!(report_record(&report), golden);
        let read = read_body(9, &report.recipient, &Bytes::from_static(golden)).unwrap();
        assert_eq!(read, Waiting::Report(report));
        let row = IndexRow {
            kind: WaitingKind::Message,
            size: 2,
            expires: Timestamp(300),
            shared: false,
            group: None,
            selective: false,
        };
        assert_eq!(row.to_record(), [1, 1, 2, 0xac, 2, 0]);
        assert_eq!(IndexRow::read(&row.to_record()), Ok(row.clone()));
        let row = IndexRow { group: Some(GroupId::from_canonical("wv:/l@x")), ..row };
        assert_eq!(row.to_record(), b"\x01\x05\x02\xac\x02\x00\x07wv:/l@x");
        assert_eq!(IndexRow::read(&row.to_record()), Ok(row.clone()));
        let row = IndexRow { kind: WaitingKind::GroupMessage, ..row };
        assert_eq!(row.to_record(), b"\x01\x04\x02\xac\x02\x00\x07wv:/l@x");
        assert_eq!(IndexRow::read(&row.to_record()), Ok(row));
    }

    #[test]
    fn keys_are_taken_apart_again() {
        let bob = UserId::from_canonical("wv:bob@a.example");
        assert_eq!(index_sequence(&index_key(&bob, 77)), Some(77));
        assert!(
            index_range(&bob).contains(&index_key(&bob, 0)) && index_range(&bob).contains(&index_key(&bob, u64::MAX))
        );
        let longer = UserId::from_canonical("wv:bob@a.example.org");
        assert!(!index_range(&bob).contains(&index_key(&longer, 1)));
        assert_eq!(expiry_parts(&expiry_key(Timestamp(5), 6, &bob)), Some((Timestamp(5), 6, Ending::Of(bob.clone()))));
        assert_eq!(expiry_parts(&shared_expiry_key(6, Timestamp(5))), Some((Timestamp(60_005), 6, Ending::Shared)));
        let lobby = GroupId::from_canonical("wv:/lobby@a.example");
        let ending = expiry_parts(&group_expiry_key(Timestamp(5), 6, &lobby));
        assert_eq!(ending, Some((Timestamp(5), 6, Ending::Group(lobby))));
        assert!(expired_range(Timestamp(6)).contains(&expiry_key(Timestamp(5), 6, &bob)));
        assert!(!expired_range(Timestamp(5)).contains(&expiry_key(Timestamp(5), 6, &bob)));
    }
}

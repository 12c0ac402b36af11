//! A request that comes twice is carried out once (CSP 15.1): what a session sent last, and what it was answered.
//!
//! The same is committed with the message, in a row that outlives it, so that a repeat after a restart is known too.

use std::collections::VecDeque;
use std::time::Duration;

use imps_types::element::{DetailedResult, ResultInfo, ScreenName};
use imps_types::{Address, MessageId, SessionId, Status};
use rustc_hash::FxHashMap;

use super::{Im, Sequence};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, KeyRange, Order, Space};
use crate::session::Session;

/// Rows that are removed in one commit.
const SWEPT: usize = 500;

/// What makes a request the same as another one of its session: TransactionID and content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The TransactionID.
    pub transaction: Box<str>,
    /// A hash over the request's content.
    pub content: u64,
}

/// The outcome of sending a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The message's ID; none when no recipient was left.
    pub id: Option<MessageId>,
    /// How it went, recipient by recipient.
    pub result: ResultInfo,
}

/// Messages that a session's memory reaches back to: more than a person sends while it lasts.
const REMEMBERED: usize = 1024;

/// The last messages of a session, oldest first, and where each is found by the hash of its content.
#[derive(Debug, Default)]
pub(crate) struct SentRing {
    entries: VecDeque<Entry>,
    /// How many entries came before the first of `entries`.
    gone: u64,
    places: FxHashMap<u64, u64>,
}

#[derive(Debug)]
struct Entry {
    once: Once,
    outcome: Outcome,
    time: Timestamp,
}

/// What became of a request. Small: a busy session remembers a thousand.
#[derive(Debug)]
enum Outcome {
    UnderWay,
    /// Accepted for all its recipients, and nothing else was said.
    Accepted(MessageId),
    Other(Box<Sent>),
}

impl From<Sent> for Outcome {
    fn from(sent: Sent) -> Self {
        match sent.id {
            Some(id) if sent.result == ResultInfo::of(Status::SUCCESSFUL) => Self::Accepted(id),
            _ => Self::Other(Box::new(sent)),
        }
    }
}

impl Outcome {
    /// None: under way.
    fn sent(&self) -> Option<Sent> {
        match self {
            Self::UnderWay => None,
            Self::Accepted(id) => Some(Sent { id: Some(*id), result: ResultInfo::of(Status::SUCCESSFUL) }),
            Self::Other(sent) => Some((**sent).clone()),
        }
    }
}

pub(super) enum Known {
    /// Not seen before; it is remembered as under way now.
    New,
    /// Its first copy is being carried out.
    UnderWay,
    /// It was carried out.
    Done(Sent),
}

impl SentRing {
    fn find(&mut self, once: &Once) -> Option<&mut Entry> {
        let place = self.places.get(&once.content)?.checked_sub(self.gone)?;
        self.entries.get_mut(usize::try_from(place).ok()?).filter(|entry| entry.once == *once)
    }

    fn push(&mut self, once: Once, outcome: Outcome, time: Timestamp) {
        if self.entries.len() >= REMEMBERED {
            self.pop();
        }
        self.places.insert(once.content, self.gone + self.entries.len() as u64);
        self.entries.push_back(Entry { once, outcome, time });
    }

    fn pop(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            if self.places.get(&entry.once.content) == Some(&self.gone) {
                self.places.remove(&entry.once.content);
            }
            self.gone += 1;
        }
    }

    pub(super) fn begin(&mut self, once: &Once, now: Timestamp, window: Duration) -> Known {
        if let Some(entry) = self.find(once).filter(|entry| now.since(entry.time) <= window) {
            return entry.outcome.sent().map_or(Known::UnderWay, Known::Done);
        }
        self.push(once.clone(), Outcome::UnderWay, now);
        Known::New
    }

    pub(super) fn finish(&mut self, once: &Once, sent: Sent) {
        if let Some(entry) = self.find(once) {
            entry.outcome = sent.into();
        }
    }

    pub(super) fn give_up(&mut self, once: &Once) {
        if self.find(once).is_some_and(|entry| matches!(entry.outcome, Outcome::UnderWay)) {
            self.places.remove(&once.content);
        }
    }

    /// Forgets what is too old to come again.
    pub(super) fn forget(&mut self, before: Timestamp) {
        while self.entries.front().is_some_and(|entry| entry.time < before) {
            self.pop();
        }
        if self.entries.is_empty() {
            *self = Self { gone: self.gone, ..Self::default() };
        }
    }
}

/// Forgets a request that was not carried out after all, whatever the way out.
pub(super) struct UnderWay<'a> {
    session: &'a Session,
    once: Option<&'a Once>,
}

impl<'a> UnderWay<'a> {
    pub(super) fn new(session: &'a Session, once: Option<&'a Once>) -> Self {
        Self { session, once }
    }

    pub(super) fn finish(mut self, sent: &Sent) {
        if let Some(once) = self.once.take() {
            self.session.sent.lock().finish(once, sent.clone());
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(once) = self.once {
            self.session.sent.lock().give_up(once);
        }
    }
}

/// What a repeat after a restart is told: what the first was answered.
pub(super) fn repeat_record(session: &SessionId, once: &Once, result: &ResultInfo) -> Vec<u8> {
    let mut writer = RecordWriter::new(1);
    writer.text(session.as_str()).text(&once.transaction).number(once.content);
    write_result(&mut writer, result);
    writer.done()
}

/// Adds how a message went, recipient by recipient, without the descriptions.
pub(super) fn write_result(writer: &mut RecordWriter, result: &ResultInfo) {
    writer.number(result.status.code().into());
    writer.list(result.detailed.iter(), |writer, detail| {
        writer.number(detail.status.code().into());
        for addresses in [&detail.user_ids, &detail.group_ids, &detail.contact_lists] {
            writer.list(addresses.iter(), |writer, address| {
                writer.text(address.as_str());
            });
        }
        writer.list(detail.screen_names.iter(), |writer, name| {
            writer.text(&name.name).text(name.group_id.as_str());
        });
    });
}

/// Adds the row with that record.
pub(super) fn put_repeat(batch: &mut Batch, sequence: u64, record: Vec<u8>) {
    batch.put(Space::Transactions, Key::build().u64(sequence).done(), record);
}

fn read_repeat(record: &[u8]) -> Result<(SessionId, Once, ResultInfo), RecordError> {
    let (mut reader, _) = RecordReader::new(record, 1)?;
    let session = SessionId::parse(reader.text()?).ok_or(RecordError("no SessionID"))?;
    let once = Once { transaction: reader.text()?.into(), content: reader.number()? };
    Ok((session, once, read_result(&mut reader)?))
}

/// What [`write_result`] wrote.
pub(super) fn read_result(reader: &mut RecordReader<'_>) -> Result<ResultInfo, RecordError> {
    let code = |reader: &mut RecordReader<'_>| {
        u16::try_from(reader.number()?).map(Status::new).map_err(|_| RecordError("status too large"))
    };
    let status = code(reader)?;
    let detailed = reader.list(|reader| {
        let mut detail = DetailedResult::of(code(reader)?);
        let addresses = |reader: &mut RecordReader<'_>| reader.list(|reader| Ok(Address::new(reader.text()?)));
        detail.user_ids = addresses(reader)?;
        detail.group_ids = addresses(reader)?;
        detail.contact_lists = addresses(reader)?;
        detail.screen_names = reader
            .list(|reader| Ok(ScreenName { name: reader.text()?.into(), group_id: Address::new(reader.text()?) }))?;
        Ok(detail)
    })?;
    Ok(ResultInfo { detailed, ..ResultInfo::of(status) })
}

impl Im<'_> {
    /// Gives the sessions their memory back after a restart.
    pub(crate) async fn resume_repeats(&self) -> Result<(), Error> {
        let since = Sequence::at(self.window_begins(self.clock.now()));
        let mut range = KeyRange::from(Key::build().u64(since).done());
        loop {
            let rows = self.store.scan(Space::Transactions, range.clone(), Order::Forwards, 1000).await?;
            let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(()) };
            for row in &rows {
                let (Some(sequence), Ok((session, once, result))) = (row.key.read().u64(), read_repeat(&row.value))
                else {
                    continue;
                };
                if let Some(session) = self.sessions.find(&session) {
                    let sent = Sent { id: Some(MessageId::new(sequence)), result };
                    session.sent.lock().push(once, sent.into(), Sequence::time(sequence));
                }
            }
            range = range.after(&last);
        }
    }

    /// Forgets what sessions remember longer than the window.
    pub(crate) fn forget_repeats(&self, now: Timestamp) {
        let before = self.window_begins(now);
        for shard in 0..self.sessions.shards() {
            for session in self.sessions.collect(shard, |session| !session.sent.lock().entries.is_empty()) {
                session.sent.lock().forget(before);
            }
        }
    }

    /// Removes rows that are older than the window, in pieces so small that the commits of others hardly wait for them.
    pub(super) async fn sweep_repeats(&self, now: Timestamp) -> Result<(), Error> {
        let end = Key::build().u64(Sequence::at(self.window_begins(now))).done();
        let range = KeyRange { end: Some(end), ..KeyRange::all() };
        loop {
            let rows = self.store.scan(Space::Transactions, range.clone(), Order::Forwards, SWEPT).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            let swept = KeyRange { start: range.start.clone(), end: Some(range.after(&last.key).start) };
            let mut batch = Batch::new();
            batch.delete_range(Space::Transactions, swept);
            self.store.commit(batch).await?;
            if rows.len() < SWEPT {
                return Ok(());
            }
        }
    }

    fn window_begins(&self, now: Timestamp) -> Timestamp {
        let window = u64::try_from(self.config.repeat_window.as_millis()).unwrap_or(u64::MAX);
        Timestamp(now.0.saturating_sub(window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(transaction: &str) -> Once {
        Once { transaction: transaction.into(), content: 1 }
    }

    #[test]
    fn a_repeat_is_known_for_a_while() {
        let (mut ring, window) = (SentRing::default(), Duration::from_secs(600));
        let sent = Sent { id: Some(MessageId::new(3)), result: ResultInfo::of(Status::SUCCESSFUL) };
        assert!(matches!(ring.begin(&once("1"), Timestamp(0), window), Known::New));
        assert!(matches!(ring.begin(&once("1"), Timestamp(0), window), Known::UnderWay));
        ring.finish(&once("1"), sent.clone());
        assert!(matches!(ring.begin(&once("1"), Timestamp(600_000), window), Known::Done(known) if known == sent));
        assert!(matches!(ring.begin(&once("1"), Timestamp(600_001), window), Known::New));
        assert!(matches!(ring.begin(&Once { content: 2, ..once("1") }, Timestamp(0), window), Known::New));
    }

    #[test]
    fn the_memory_is_bounded() {
        let (mut ring, window) = (SentRing::default(), Duration::from_secs(600));
        let numbered = |content: u64| Once { transaction: "1".into(), content };
        let last = 3 * REMEMBERED as u64;
        for content in 0..=last {
            assert!(matches!(ring.begin(&numbered(content), Timestamp(content), window), Known::New));
            match content % 3 {
                0 => ring.give_up(&numbered(content)),
                _ => ring.finish(&numbered(content), Sent { id: None, result: ResultInfo::of(Status::SUCCESSFUL) }),
            }
        }
        assert_eq!(ring.entries.len(), REMEMBERED);
        assert!(ring.places.len() <= REMEMBERED);
        assert!(matches!(ring.begin(&numbered(last), Timestamp(last), window), Known::New), "it was given up");
        assert!(matches!(ring.begin(&numbered(last - 1), Timestamp(last), window), Known::Done(_)));
        let oldest = ring.entries.front().unwrap().once.content;
        assert!(matches!(ring.begin(&numbered(oldest - 1), Timestamp(last), window), Known::New), "it was forgotten");
        ring.forget(Timestamp(last + 1));
        assert!(ring.entries.is_empty() && ring.places.is_empty());
        assert!(matches!(ring.begin(&numbered(7), Timestamp(last), window), Known::New));
        assert!(matches!(ring.begin(&numbered(7), Timestamp(last), window), Known::UnderWay));
    }

    #[test]
    fn golden_octets_of_a_transaction() {
        let session = SessionId::new(imps_types::Slot::of("x"), [1; 25]);
        let mut detail = DetailedResult::of(Status::UNKNOWN_USER);
        detail.user_ids.push(Address::new("wv:x"));
        detail.screen_names.push(ScreenName { name: "s".into(), group_id: Address::new("wv:/g") });
        let result = ResultInfo { detailed: vec![detail], ..ResultInfo::of(Status::PARTIALLY_SUCCESSFUL) };
        let record = repeat_record(&session, &once("12"), &result);
        let tail = b"\x0212\x01\xc9\x01\x01\x93\x04\x01\x04wv:x\x00\x00\x01\x01s\x05wv:/g";
        assert_eq!(record[..2], [1, 28]);
        assert_eq!(record[30..].escape_ascii().to_string(), tail.escape_ascii().to_string());
        assert_eq!(read_repeat(&record), Ok((session, once("12"), result)));
    }
}

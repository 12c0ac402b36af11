//! A request that comes twice is carried out once (CSP 15.1): what a session sent last, and what it was answered.
//!
//! The same is committed with the message, in a row that outlives it, so that a repeat after a restart is known too.

use std::collections::VecDeque;
use std::time::Duration;

use imps_types::element::{DetailedResult, ResultInfo};
use imps_types::{Address, MessageId, SessionId, Status};

use super::{Im, Sequence};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, KeyRange, Order, Space};
use crate::session::Session;

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

/// Repeats that a session's memory reaches back to.
const REMEMBERED: usize = 16;

/// The last messages of a session.
#[derive(Debug, Default)]
pub(crate) struct SentRing(VecDeque<(Once, Option<Sent>, Timestamp)>);

pub(super) enum Known {
    /// Not seen before; it is remembered as under way now.
    New,
    /// Its first copy is being carried out.
    UnderWay,
    /// It was carried out.
    Done(Sent),
}

impl SentRing {
    pub(super) fn begin(&mut self, once: &Once, now: Timestamp, window: Duration) -> Known {
        let fresh = |time: &Timestamp| now.since(*time) <= window;
        match self.0.iter().find(|(known, _, time)| known == once && fresh(time)) {
            Some((_, Some(sent), _)) => return Known::Done(sent.clone()),
            Some((_, None, _)) => return Known::UnderWay,
            None => {}
        }
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((once.clone(), None, now));
        Known::New
    }

    pub(super) fn finish(&mut self, once: &Once, sent: Sent) {
        if let Some(entry) = self.0.iter_mut().rev().find(|(known, _, _)| known == once) {
            entry.1 = Some(sent);
        }
    }

    pub(super) fn give_up(&mut self, once: &Once) {
        self.0.retain(|(known, sent, _)| known != once || sent.is_some());
    }

    fn restore(&mut self, once: Once, sent: Sent, time: Timestamp) {
        if self.0.len() >= REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((once, Some(sent), time));
    }

    /// Forgets what is too old to come again.
    pub(super) fn forget(&mut self, before: Timestamp) {
        if !self.0.is_empty() {
            self.0.retain(|(_, _, time)| *time >= before);
            if self.0.is_empty() {
                self.0 = VecDeque::new();
            }
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

/// Adds the row that tells a repeat after a restart what the first was answered.
pub(super) fn put_repeat(batch: &mut Batch, session: &SessionId, once: &Once, sequence: u64, result: &ResultInfo) {
    let mut writer = RecordWriter::new(1);
    writer.text(session.as_str()).text(&once.transaction).number(once.content);
    writer.number(result.status.code().into());
    writer.list(result.detailed.iter(), |writer, detail| {
        writer.number(detail.status.code().into());
        for addresses in [&detail.user_ids, &detail.group_ids, &detail.contact_lists] {
            writer.list(addresses.iter(), |writer, address| {
                writer.text(address.as_str());
            });
        }
    });
    batch.put(Space::Transactions, Key::build().u64(sequence).done(), writer.done());
}

fn read_repeat(record: &[u8]) -> Result<(SessionId, Once, ResultInfo), RecordError> {
    let (mut reader, _) = RecordReader::new(record, 1)?;
    let session = SessionId::parse(reader.text()?).ok_or(RecordError("no SessionID"))?;
    let once = Once { transaction: reader.text()?.into(), content: reader.number()? };
    let code = |reader: &mut RecordReader<'_>| {
        u16::try_from(reader.number()?).map(Status::new).map_err(|_| RecordError("status too large"))
    };
    let status = code(&mut reader)?;
    let detailed = reader.list(|reader| {
        let mut detail = DetailedResult::of(code(reader)?);
        let addresses = |reader: &mut RecordReader<'_>| reader.list(|reader| Ok(Address::new(reader.text()?)));
        detail.user_ids = addresses(reader)?;
        detail.group_ids = addresses(reader)?;
        detail.contact_lists = addresses(reader)?;
        Ok(detail)
    })?;
    Ok((session, once, ResultInfo { detailed, ..ResultInfo::of(status) }))
}

impl Im<'_> {
    /// Gives the sessions their memory back after a restart.
    pub(crate) async fn resume_repeats(&self) -> Result<(), Error> {
        let now = self.clock.now();
        let window = u64::try_from(self.config.repeat_window.as_millis()).unwrap_or(u64::MAX);
        let since = Timestamp(now.0.saturating_sub(window));
        let mut range = KeyRange::from(Key::build().u64(Sequence::at(since)).done());
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
                    session.sent.lock().restore(once, sent, now);
                }
            }
            range = range.after(&last);
        }
    }

    /// Forgets rows and memories that are older than the window.
    pub(super) async fn sweep_repeats(&self, now: Timestamp) {
        let window = u64::try_from(self.config.repeat_window.as_millis()).unwrap_or(u64::MAX);
        let before = Timestamp(now.0.saturating_sub(window));
        for shard in 0..self.sessions.shards() {
            for session in self.sessions.collect(shard, |session| !session.sent.lock().0.is_empty()) {
                session.sent.lock().forget(before);
            }
        }
        let mut batch = Batch::new();
        let end = Key::build().u64(Sequence::at(before)).done();
        batch.delete_range(Space::Transactions, KeyRange::new(Key::from(&[0_u8; 0][..]), end));
        if let Err(error) = self.store.commit(batch).await {
            tracing::warn!(%error, "old transactions could not be removed");
        }
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
    fn golden_octets_of_a_transaction() {
        let session = SessionId::new(imps_types::Slot::of("x"), [1; 25]);
        let mut detail = DetailedResult::of(Status::UNKNOWN_USER);
        detail.user_ids.push(Address::new("wv:x"));
        let result = ResultInfo { detailed: vec![detail], ..ResultInfo::of(Status::PARTIALLY_SUCCESSFUL) };
        let mut batch = Batch::new();
        put_repeat(&mut batch, &session, &once("12"), 9, &result);
        let [crate::seam::Write::Put { value, .. }] = batch.writes.as_slice() else { panic!("{batch:?}") };
        let tail = b"\x0212\x01\xc9\x01\x01\x93\x04\x01\x04wv:x\x00\x00";
        assert_eq!(value[..2], [1, 28]);
        assert_eq!(value[30..].escape_ascii().to_string(), tail.escape_ascii().to_string());
        assert_eq!(read_repeat(value), Ok((session, once("12"), result)));
    }
}

//! Messages that are too large for who must parse them, in pieces (CSP 3, "Segmentation", 1.3).
//!
//! The document as it would have been sent is cut. The first piece takes the place of the primitive in the transaction that
//! it belongs to, as SegmentContent of a GetSegment-Response, with SegmentInfo in the TransactionDescriptor. The others are
//! fetched by GetSegment-Request, until DropSegment-Request or the end of their time:
//!
//! ```text
//!   server's answer too large ──piece 1──> client ──GetSegment──> piece 2 ... ──> the client has the document
//!   client's request too large ──piece 1──> server ──GetSegment──> piece 2 ... ──> carried out, answered in the last answer
//! ```
//!
//! All of it is kept in memory, within bounds, and for a short time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use imps_proto::elements::{SegmentContent, SegmentId, SegmentInfo};
use imps_proto::wire::{Form, PtsCodes};
use imps_service::{Session, Timestamp};
use imps_types::service_tree::Function;
use imps_types::{SessionId, Status, TransactionId, Version};
use parking_lot::{Mutex, MutexGuard};
use rustc_hash::FxHashMap;

/// Pieces of one message.
const PIECES_MAX: usize = 10_000;
/// Bytes that a piece has at least; a client that can parse less is told 432.
const PIECE_MIN: usize = 64;
/// Messages that are kept for one session; the oldest goes.
const CUTS_MAX: usize = 4;
/// Bytes that letters take which must be written otherwise in XML or JSON.
const ESCAPED: usize = 6;
/// Bytes that a quotation mark takes in PTS.
const DOUBLED: usize = 2;
/// How long the client of an unfinished message is given until it is asked for the next piece again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// What the pieces of messages may cost.
#[derive(Clone, Copy, Debug)]
pub struct SegmentLimits {
    /// Bytes of all that is kept for all clients.
    pub bytes: usize,
    /// Bytes of one message that comes in pieces.
    pub message: usize,
    /// How long pieces are kept after one of them was sent or came.
    pub life: Duration,
}

impl Default for SegmentLimits {
    fn default() -> Self {
        Self { bytes: 64 << 20, message: 4 << 20, life: Duration::from_secs(120) }
    }
}

/// A message that was cut.
struct Cut {
    transaction: Box<str>,
    pieces: Vec<Bytes>,
    bytes: usize,
    at: Timestamp,
}

/// A message that comes in pieces.
struct Assembly {
    transaction: TransactionId,
    parts: Vec<u8>,
    next: u32,
    count: u32,
    /// The server's transaction in which the next piece was asked for.
    asked: Box<str>,
    /// When it was asked for last.
    asked_at: Timestamp,
    /// When the last piece came.
    at: Timestamp,
}

#[derive(Default)]
struct Table {
    cuts: FxHashMap<SessionId, Vec<Cut>>,
    assemblies: FxHashMap<SessionId, Assembly>,
    bytes: usize,
}

/// What a piece that has come leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The next one is to be asked for.
    Ask(SegmentId),
    /// It was the last: the whole message.
    Whole(Bytes),
}

/// What waits to be said about a message that comes in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// The next piece is asked for once more, in this transaction of the server.
    Ask(Box<str>, SegmentId),
    /// It is given up.
    Drop(SegmentId),
}

/// The pieces of all clients.
pub(crate) struct Segments {
    limits: SegmentLimits,
    table: Mutex<Table>,
    /// Whether there may be any: mostly there are none, and then nobody waits for the lock.
    any: AtomicBool,
}

/// Whether messages for this session may be cut: 1.3, and the client asked for it. No codes for it are attested of PTS.
pub(crate) fn are_agreed(session: &Session, form: Form) -> bool {
    let agreed = session.negotiated();
    let has_asked = agreed.requested.is_some_and(|wanted| wanted.contains(Function::Sgmnt));
    session.version >= Version::V1_3
        && has_asked
        && !agreed.refused.contains(Function::Sgmnt)
        && form != Form::Pts(PtsCodes::Attested)
}

impl Segments {
    pub(crate) fn new(limits: SegmentLimits) -> Self {
        Self { limits, table: Mutex::default(), any: AtomicBool::new(false) }
    }

    /// The table, if there is anything in it.
    fn some(&self) -> Option<MutexGuard<'_, Table>> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let table = self.table.lock();
        let is_empty = table.cuts.is_empty() && table.assemblies.is_empty();
        self.any.store(!is_empty, Ordering::Relaxed);
        (!is_empty).then_some(table)
    }

    /// Cuts a message into pieces of which each, written, takes `room` bytes at most, and keeps them. The first one;
    /// `None` when there is no place for it.
    pub(crate) fn cut(
        &self,
        session: &SessionId,
        transaction: &str,
        form: Form,
        message: Vec<u8>,
        room: usize,
        now: Timestamp,
    ) -> Option<(SegmentInfo, SegmentContent)> {
        let pieces = pieces(form, Bytes::from(message), room)?;
        let bytes = pieces.iter().map(Bytes::len).sum();
        let first = pieces.first()?.clone();
        let info = info(transaction, 1, pieces.len());
        let mut table = self.table.lock();
        table.expire(now, self.limits.life);
        if table.bytes.saturating_add(bytes) > self.limits.bytes {
            return None;
        }
        let cuts = table.cuts.entry(*session).or_default();
        let mut freed = 0;
        cuts.retain(|cut| {
            let is_other = *cut.transaction != *transaction;
            freed += if is_other { 0 } else { cut.bytes };
            is_other
        });
        if cuts.len() >= CUTS_MAX {
            freed += cuts.remove(0).bytes;
        }
        self.any.store(true, Ordering::Relaxed);
        cuts.push(Cut { transaction: transaction.into(), pieces, bytes, at: now });
        table.bytes = table.bytes.saturating_sub(freed) + bytes;
        Some((info, SegmentContent(first)))
    }

    /// A piece of a message that was cut.
    pub(crate) fn piece(
        &self,
        session: &SessionId,
        id: &SegmentId,
        now: Timestamp,
    ) -> Result<(SegmentInfo, SegmentContent), Status> {
        let mut table = self.table.lock();
        table.expire(now, self.limits.life);
        let cuts = table.cuts.get_mut(session).ok_or(Status::INVALID_TRANSACTION_ID)?;
        let cut = cuts.iter_mut().find(|cut| *cut.transaction == *id.transaction_id.as_str());
        let cut = cut.ok_or(Status::INVALID_TRANSACTION_ID)?;
        let index = usize::try_from(id.reference).ok().and_then(|number| number.checked_sub(1));
        let piece = index.and_then(|index| cut.pieces.get(index)).ok_or(Status::NOT_FOUND)?;
        cut.at = now;
        Ok((info(&cut.transaction, id.reference, cut.pieces.len()), SegmentContent(piece.clone())))
    }

    /// The client does not want the rest, or has given its own message up.
    pub(crate) fn drop(&self, session: &SessionId, id: &SegmentId) -> Result<(), Status> {
        let mut table = self.table.lock();
        let transaction = id.transaction_id.as_str();
        if table.assemblies.get(session).is_some_and(|one| one.transaction.as_str() == transaction) {
            table.forget_assembly(session);
            return Ok(());
        }
        if table.forget_cut(session, transaction) { Ok(()) } else { Err(Status::INVALID_TRANSACTION_ID) }
    }

    /// A transaction of the server is over: its pieces are of no use any more.
    pub(crate) fn is_over(&self, session: &SessionId, transaction: &str) {
        if let Some(mut table) = self.some() {
            table.forget_cut(session, transaction);
        }
    }

    /// The first piece of a request has come. `asked`: the transaction in which the next one is to be asked for.
    pub(crate) fn begin(
        &self,
        session: &SessionId,
        transaction: &TransactionId,
        info: &SegmentInfo,
        content: &SegmentContent,
        asked: &str,
        now: Timestamp,
    ) -> Result<Progress, Status> {
        let is_first = info.id.as_ref().is_none_or(|id| {
            id.reference <= 1 && (id.transaction_id.as_str().is_empty() || id.transaction_id == *transaction)
        });
        let count = info.count.filter(|count| (1..=PIECES_MAX as u64).contains(&u64::from(*count)));
        let (true, Some(count)) = (is_first, count) else { return Err(Status::BAD_PARAMETER) };
        let mut table = self.table.lock();
        table.expire(now, self.limits.life);
        // One at a time: a client that begins another has given the first one up.
        table.forget_assembly(session);
        let assembly = Assembly {
            transaction: transaction.clone(),
            parts: Vec::new(),
            next: 1,
            count,
            asked: asked.into(),
            asked_at: now,
            at: now,
        };
        self.any.store(true, Ordering::Relaxed);
        table.assemblies.insert(*session, assembly);
        table.add(session, content, asked, now, self.limits)
    }

    /// The piece that was asked for in the transaction `answered` has come. `None`: nothing was asked for there.
    pub(crate) fn go_on(
        &self,
        session: &SessionId,
        answered: &str,
        info: Option<&SegmentInfo>,
        content: &SegmentContent,
        asked: &str,
        now: Timestamp,
    ) -> Option<Result<Progress, (TransactionId, Status)>> {
        let mut table = self.table.lock();
        let assembly = table.assemblies.get_mut(session).filter(|one| *one.asked == *answered)?;
        let transaction = assembly.transaction.clone();
        let reference = info.and_then(|info| info.id.as_ref()).map(|id| id.reference);
        if reference.is_some_and(|reference| reference != assembly.next) {
            // Another one than was asked for: once more.
            assembly.asked = asked.into();
            (assembly.asked_at, assembly.at) = (now, now);
            return Some(Ok(Progress::Ask(SegmentId { transaction_id: transaction, reference: assembly.next })));
        }
        let added = table.add(session, content, asked, now, self.limits);
        Some(added.map_err(|status| (transaction, status)))
    }

    /// What is to be said about a message that comes in pieces and is not complete, when its client polls. The next piece is
    /// asked for again once in a while only: between, the client gets what else waits for it.
    pub(crate) fn unfinished(&self, session: &SessionId, now: Timestamp) -> Option<Unfinished> {
        let mut table = self.some()?;
        let assembly = table.assemblies.get_mut(session)?;
        let id = SegmentId { transaction_id: assembly.transaction.clone(), reference: assembly.next };
        if now.since(assembly.at) >= self.limits.life {
            table.forget_assembly(session);
            return Some(Unfinished::Drop(id));
        }
        if now.since(assembly.asked_at) < ASK_AGAIN {
            return None;
        }
        assembly.asked_at = now;
        Some(Unfinished::Ask(assembly.asked.clone(), id))
    }
}

impl Table {
    fn expire(&mut self, now: Timestamp, life: Duration) {
        let mut freed = 0;
        self.cuts.retain(|_, cuts| {
            cuts.retain(|cut| {
                let is_alive = now.since(cut.at) < life;
                freed += if is_alive { 0 } else { cut.bytes };
                is_alive
            });
            !cuts.is_empty()
        });
        // Twice as long, so that their clients can be told that they are given up.
        self.assemblies.retain(|_, assembly| {
            let is_alive = now.since(assembly.at) < life * 2;
            freed += if is_alive { 0 } else { assembly.parts.len() };
            is_alive
        });
        self.bytes = self.bytes.saturating_sub(freed);
    }

    fn forget_cut(&mut self, session: &SessionId, transaction: &str) -> bool {
        let Some(cuts) = self.cuts.get_mut(session) else { return false };
        let Some(place) = cuts.iter().position(|cut| *cut.transaction == *transaction) else { return false };
        self.bytes = self.bytes.saturating_sub(cuts.remove(place).bytes);
        if cuts.is_empty() {
            self.cuts.remove(session);
        }
        true
    }

    fn forget_assembly(&mut self, session: &SessionId) {
        if let Some(gone) = self.assemblies.remove(session) {
            self.bytes = self.bytes.saturating_sub(gone.parts.len());
        }
    }

    fn add(
        &mut self,
        session: &SessionId,
        content: &SegmentContent,
        asked: &str,
        now: Timestamp,
        limits: SegmentLimits,
    ) -> Result<Progress, Status> {
        let more = content.0.len();
        let all = self.bytes.saturating_add(more);
        let Some(assembly) = self.assemblies.get_mut(session) else { return Err(Status::INVALID_TRANSACTION_ID) };
        let refusal = if assembly.parts.len().saturating_add(more) > limits.message {
            Some(Status::BAD_REQUEST)
        } else if all > limits.bytes {
            Some(Status::SERVER_UNAVAILABLE)
        } else {
            None
        };
        if let Some(status) = refusal {
            self.forget_assembly(session);
            return Err(status);
        }
        assembly.parts.extend_from_slice(&content.0);
        (assembly.asked_at, assembly.at) = (now, now);
        self.bytes = all;
        if assembly.next < assembly.count {
            assembly.next += 1;
            assembly.asked = asked.into();
            let id = SegmentId { transaction_id: assembly.transaction.clone(), reference: assembly.next };
            return Ok(Progress::Ask(id));
        }
        let whole = std::mem::take(&mut assembly.parts);
        self.bytes = self.bytes.saturating_sub(whole.len());
        self.assemblies.remove(session);
        Ok(Progress::Whole(whole.into()))
    }
}

fn info(transaction: &str, reference: u32, count: usize) -> SegmentInfo {
    SegmentInfo {
        count: u32::try_from(count).ok(),
        id: Some(SegmentId { transaction_id: TransactionId::new(transaction), reference }),
    }
}

/// The pieces of a document, each of `room` bytes at most as it is written. `None`: so small pieces are none.
fn pieces(form: Form, message: Bytes, room: usize) -> Option<Vec<Bytes>> {
    if room < PIECE_MIN || message.is_empty() {
        return None;
    }
    let mut pieces = Vec::new();
    if form == Form::Wbxml {
        let mut rest = message;
        while !rest.is_empty() {
            pieces.push(rest.split_to(room.min(rest.len())));
        }
    } else {
        // Text, in whole letters.
        let text = std::str::from_utf8(&message).ok()?;
        let (mut begin, mut cost) = (0, 0);
        for (at, letter) in text.char_indices() {
            let more = match (form, letter) {
                (Form::Pts(_), '"') => DOUBLED,
                (Form::Pts(_), letter) => letter.len_utf8(),
                (_, '&' | '<' | '>' | '"' | '\'' | '\\') => ESCAPED,
                (_, letter) if letter.is_control() => ESCAPED,
                (_, letter) => letter.len_utf8(),
            };
            if cost + more > room {
                pieces.push(message.slice(begin..at));
                (begin, cost) = (at, 0);
            }
            cost += more;
        }
        pieces.push(message.slice(begin..));
    }
    (pieces.len() <= PIECES_MAX).then_some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn later(seconds: u64) -> Timestamp {
        Timestamp(NOW.0 + seconds * 1000)
    }

    fn session(number: u8) -> SessionId {
        SessionId::new(imps_types::Slot::of("wv:a@x"), [number; 25])
    }

    fn segments(bytes: usize) -> Segments {
        Segments::new(SegmentLimits { bytes, message: 200, life: Duration::from_secs(60) })
    }

    fn id(transaction: &str, reference: u32) -> SegmentId {
        SegmentId { transaction_id: TransactionId::new(transaction), reference }
    }

    fn first(count: u32) -> SegmentInfo {
        SegmentInfo { count: Some(count), id: Some(id("7", 1)) }
    }

    fn content(text: &str) -> SegmentContent {
        SegmentContent(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn pieces_are_whole_letters_and_small_enough() {
        let text = "<a>ä&€".repeat(100);
        let all = pieces(Form::Xml, Bytes::from(text.clone()), PIECE_MIN).unwrap();
        assert!(all.iter().all(|piece| std::str::from_utf8(piece).is_ok() && piece.len() <= PIECE_MIN));
        assert_eq!(all.concat(), text.as_bytes());
        let quoted = "\"\"€a".repeat(100);
        let all = pieces(Form::Pts(PtsCodes::Project), Bytes::from(quoted.clone()), PIECE_MIN).unwrap();
        let written = |piece: &Bytes| piece.len() + piece.iter().filter(|byte| **byte == b'"').count();
        assert!(all.iter().all(|piece| std::str::from_utf8(piece).is_ok() && written(piece) <= PIECE_MIN));
        assert_eq!(all.concat(), quoted.as_bytes());
        let all = pieces(Form::Wbxml, Bytes::from(vec![3; 1000]), 300).unwrap();
        assert_eq!(all.iter().map(Bytes::len).collect::<Vec<_>>(), [300, 300, 300, 100]);
        assert!(pieces(Form::Wbxml, Bytes::from(vec![3; 1000]), PIECE_MIN - 1).is_none());
    }

    #[test]
    fn a_cut_message_is_fetched_and_dropped() {
        let segments = segments(1000);
        let alice = session(1);
        let (info, piece) = segments.cut(&alice, "7", Form::Wbxml, vec![5; 150], 100, NOW).unwrap();
        assert_eq!((info, piece.0.len()), (super::info("7", 1, 2), 100));
        assert_eq!(segments.piece(&alice, &id("7", 2), NOW).unwrap().1.0.len(), 50);
        assert_eq!(segments.piece(&alice, &id("7", 3), NOW), Err(Status::NOT_FOUND));
        assert_eq!(segments.piece(&alice, &id("7", 0), NOW), Err(Status::NOT_FOUND));
        assert_eq!(segments.piece(&alice, &id("8", 1), NOW), Err(Status::INVALID_TRANSACTION_ID));
        assert_eq!(segments.piece(&session(2), &id("7", 2), NOW), Err(Status::INVALID_TRANSACTION_ID));
        assert_eq!(segments.drop(&alice, &id("7", 1)), Ok(()));
        assert_eq!(segments.drop(&alice, &id("7", 1)), Err(Status::INVALID_TRANSACTION_ID));
        assert_eq!(segments.table.lock().bytes, 0);
    }

    #[test]
    fn what_is_kept_is_bounded_and_grows_old() {
        let segments = segments(1000);
        for number in 0..10 {
            let cut = segments.cut(&session(1), &number.to_string(), Form::Wbxml, vec![5; 200], 100, NOW);
            assert!(cut.is_some());
        }
        assert_eq!(segments.table.lock().bytes, CUTS_MAX * 200);
        assert!(segments.cut(&session(2), "1", Form::Wbxml, vec![5; 300], 100, NOW).is_none(), "too much for all");
        assert!(segments.cut(&session(2), "1", Form::Wbxml, vec![5; 300], 100, later(60)).is_some());
        assert_eq!(segments.table.lock().bytes, 300);
        assert_eq!(segments.piece(&session(1), &id("9", 1), later(60)), Err(Status::INVALID_TRANSACTION_ID));
    }

    #[test]
    fn a_request_comes_in_pieces() {
        let segments = segments(1000);
        let alice = session(1);
        let transaction = TransactionId::new("7");
        let begun = segments.begin(&alice, &transaction, &first(3), &content("one "), "s1", NOW);
        assert_eq!(begun, Ok(Progress::Ask(id("7", 2))));
        let go_on = |answered: &str, reference: u32, text: &str, asked: &str| {
            let info = SegmentInfo { count: None, id: Some(id("7", reference)) };
            segments.go_on(&alice, answered, Some(&info), &content(text), asked, NOW)
        };
        assert!(go_on("s9", 2, "two ", "s2").is_none(), "nothing was asked there");
        assert_eq!(go_on("s1", 3, "three", "s2"), Some(Ok(Progress::Ask(id("7", 2)))), "not the one");
        assert_eq!(go_on("s2", 2, "two ", "s3"), Some(Ok(Progress::Ask(id("7", 3)))));
        let last = segments.go_on(&alice, "s3", None, &content("three"), "s4", NOW);
        assert_eq!(last, Some(Ok(Progress::Whole("one two three".into()))));
        assert_eq!(segments.table.lock().bytes, 0);
    }

    #[test]
    fn a_request_that_is_too_large_or_never_complete_is_given_up() {
        let segments = segments(1000);
        let (alice, transaction) = (session(1), TransactionId::new("7"));
        let begin = |count: u32, text: &str, now| {
            segments.begin(&alice, &transaction, &first(count), &content(text), "s1", now)
        };
        assert_eq!(begin(2, &"x".repeat(201), NOW), Err(Status::BAD_REQUEST));
        assert_eq!(begin(0, "x", NOW), Err(Status::BAD_PARAMETER));
        let none = SegmentInfo { count: None, id: None };
        let begun = segments.begin(&alice, &transaction, &none, &content("x"), "s1", NOW);
        assert_eq!(begun, Err(Status::BAD_PARAMETER));
        assert!(begin(2, "x", NOW).is_ok());
        assert_eq!(segments.unfinished(&alice, later(1)), None);
        let again = Some(Unfinished::Ask("s1".into(), id("7", 2)));
        assert_eq!(segments.unfinished(&alice, later(5)), again);
        assert_eq!(segments.unfinished(&alice, later(5)), None, "it was asked for just now");
        assert_eq!(segments.unfinished(&alice, later(9)), None);
        assert_eq!(segments.unfinished(&alice, later(10)), again);
        assert_eq!(segments.unfinished(&alice, later(60)), Some(Unfinished::Drop(id("7", 2))));
        assert_eq!(segments.unfinished(&alice, later(60)), None);
        assert!(begin(2, "x", NOW).is_ok());
        assert_eq!(segments.drop(&alice, &id("7", 1)), Ok(()));
        assert_eq!(segments.table.lock().bytes, 0);
    }
}

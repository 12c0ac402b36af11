//! Messages that are longer than one SMS: cut into pieces, and put together again. Encoding 2.6.
//!
//! ```text
//! WV13PN12ac PR=(wv:bob@exam
//! WV13PN12bc ple.org,((OS,T,T),(
//! WV13PN12cc UA,T,AV)))
//! ```
//!
//! Cuts fall anywhere, inside a character too, so nothing here looks behind the preamble. No transport uses this yet: it is
//! for the one that will send SMS.

use super::syntax::Preamble;
use crate::wire::DecodeError;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::time::Duration;

/// Pieces of one message: as many as there are letters.
pub const PIECES: usize = 26;

/// Cuts a message into pieces of at most `limit` bytes; one that fits stays as it is. `None`: it has no preamble, or would
/// need more than 26.
pub fn split(message: &[u8], limit: usize) -> Option<Vec<Vec<u8>>> {
    if message.len() <= limit {
        return Some(vec![message.to_vec()]);
    }
    let preamble = Preamble::read(message).ok().filter(|preamble| preamble.segment.is_none())?;
    let (head, rest) = message.split_at_checked(preamble.length)?;
    let rest = rest.get(1..).unwrap_or_default();
    // Two letters and a space.
    let room = limit.checked_sub(head.len() + 3).filter(|room| *room > 0)?;
    let count = rest.len().div_ceil(room);
    let last = letter(count)?;
    let piece = |(number, bytes): (usize, &[u8])| Some([head, &[letter(number + 1)?, last, b' '], bytes].concat());
    rest.chunks(room).enumerate().map(piece).collect()
}

fn letter(number: usize) -> Option<u8> {
    let place = u8::try_from(number.checked_sub(1)?).ok().filter(|&place| usize::from(place) < PIECES)?;
    b'a'.checked_add(place)
}

/// What an [`Assembler`] may keep.
#[derive(Clone, Debug)]
pub struct AssemblerLimits {
    /// How long it waits for the missing pieces of a message.
    pub life: Duration,
    /// Messages of one sender; the oldest gives way.
    pub per_sender: usize,
    /// Messages in all; further ones are refused.
    pub messages: usize,
    /// Bytes of one message.
    pub bytes: usize,
}

impl Default for AssemblerLimits {
    fn default() -> Self {
        Self { life: Duration::from_secs(300), per_sender: 16, messages: 4096, bytes: 16 << 10 }
    }
}

/// What became of a piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A whole message.
    Whole(Vec<u8>),
    /// Others are missing.
    Waits,
}

/// Why a piece was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceError {
    /// It does not begin as a message does.
    NoMessage(DecodeError),
    /// The message is longer than is allowed; all of it is forgotten.
    TooLarge,
    /// Too many messages wait for their pieces.
    TooMany,
}

impl fmt::Display for PieceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMessage(error) => error.fmt(f),
            Self::TooLarge => f.write_str("the pieces make too long a message"),
            Self::TooMany => f.write_str("too many messages wait for their pieces"),
        }
    }
}

impl std::error::Error for PieceError {}

/// A message of which pieces are missing.
struct Assembly {
    preamble: Preamble,
    count: u8,
    begun: Duration,
    pieces: Vec<Option<Box<[u8]>>>,
}

impl Assembly {
    fn new(preamble: Preamble, count: u8, begun: Duration) -> Self {
        Self { preamble, count, begun, pieces: vec![None; usize::from(count)] }
    }

    fn is_of(&self, preamble: &Preamble, count: u8) -> bool {
        let key = |preamble: &Preamble| (preamble.version, preamble.code, preamble.transaction_id);
        key(&self.preamble) == key(preamble) && self.count == count
    }

    /// Puts a piece in its place. Other content in a place that is taken means a new message under the old TransactionID.
    fn put(&mut self, number: u8, bytes: &[u8], now: Duration) {
        let place = usize::from(number).saturating_sub(1);
        if self.pieces.get(place).and_then(Option::as_deref).is_some_and(|known| known != bytes) {
            *self = Self::new(self.preamble, self.count, now);
        }
        if let Some(piece) = self.pieces.get_mut(place) {
            *piece = Some(bytes.into());
        }
    }

    fn bytes(&self) -> usize {
        self.pieces.iter().flatten().map(|piece| piece.len()).sum()
    }

    /// All pieces behind each other, if they are there.
    fn joined(&self) -> Option<Vec<u8>> {
        let mut joined = Vec::with_capacity(self.bytes());
        for piece in &self.pieces {
            joined.extend_from_slice(piece.as_deref()?);
        }
        Some(joined)
    }
}

/// Puts messages together whose pieces come in any order, and more than once. Time is handed in, counted from anywhere.
pub struct Assembler<S> {
    limits: AssemblerLimits,
    waiting: HashMap<S, Vec<Assembly>>,
    /// How many wait, of all senders.
    messages: usize,
    /// When the next of them may be given up.
    next: Duration,
}

impl<S: Clone + Eq + Hash> Assembler<S> {
    /// One in which nothing waits.
    pub fn new(limits: AssemblerLimits) -> Self {
        Self { limits, waiting: HashMap::new(), messages: 0, next: Duration::MAX }
    }

    /// How many messages wait for pieces.
    pub fn waiting(&self) -> usize {
        self.messages
    }

    /// Takes what came from this sender: a message, or a piece of one.
    ///
    /// # Errors
    /// When it is neither, or more than may be kept.
    pub fn take(&mut self, sender: &S, piece: &[u8], now: Duration) -> Result<Taken, PieceError> {
        self.give_up(now);
        let preamble = Preamble::read(piece).map_err(PieceError::NoMessage)?;
        let Some((number, count)) = preamble.segment else { return Ok(Taken::Whole(piece.to_vec())) };
        let (head, rest) = piece.split_at_checked(preamble.length).unwrap_or((piece, &[]));
        // The preamble without the two letters.
        let head = head.get(..head.len().saturating_sub(2)).unwrap_or_default();
        let rest = rest.get(1..).unwrap_or_default();
        let all = self.waiting.get(sender).map_or(&[][..], Vec::as_slice);
        let known = all.iter().position(|assembly| assembly.is_of(&preamble, count));
        if known.is_none() && self.messages >= self.limits.messages && count > 1 {
            return Err(PieceError::TooMany);
        }
        let known = known.and_then(|place| self.remove(sender, place));
        let mut assembly = known.unwrap_or_else(|| Assembly::new(preamble, count, now));
        assembly.put(number, rest, now);
        if assembly.bytes() + head.len() + 1 > self.limits.bytes {
            return Err(PieceError::TooLarge);
        }
        match assembly.joined() {
            Some(joined) if joined.is_empty() => Ok(Taken::Whole(head.to_vec())),
            Some(joined) => Ok(Taken::Whole([head, b" ", &joined].concat())),
            None => {
                self.keep(sender, assembly);
                Ok(Taken::Waits)
            }
        }
    }

    fn remove(&mut self, sender: &S, place: usize) -> Option<Assembly> {
        let all = self.waiting.get_mut(sender)?;
        let assembly = (place < all.len()).then(|| all.remove(place))?;
        self.messages -= 1;
        if all.is_empty() {
            self.waiting.remove(sender);
        }
        Some(assembly)
    }

    fn keep(&mut self, sender: &S, assembly: Assembly) {
        self.next = self.next.min(assembly.begun.saturating_add(self.limits.life));
        let all = self.waiting.entry(sender.clone()).or_default();
        if all.len() >= self.limits.per_sender
            && let Some(oldest) = (0..all.len()).min_by_key(|&place| all.get(place).map(|it| it.begun))
        {
            all.remove(oldest);
            self.messages -= 1;
        }
        all.push(assembly);
        self.messages += 1;
    }

    /// Forgets what has waited too long.
    fn give_up(&mut self, now: Duration) {
        if now < self.next {
            return;
        }
        let life = self.limits.life;
        let end = |assembly: &Assembly| assembly.begun.saturating_add(life);
        self.waiting.retain(|_, all| {
            all.retain(|assembly| now < end(assembly));
            !all.is_empty()
        });
        self.messages = self.waiting.values().map(Vec::len).sum();
        self.next = self.waiting.values().flatten().map(end).min().unwrap_or(Duration::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "WV13PN12 PR=(wv:bob@example.org,((OS,T,T),(UA,T,AV),(ST,T,\"Grüße, bis später €\")))";

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn assembler() -> Assembler<&'static str> {
        Assembler::new(AssemblerLimits::default())
    }

    #[test]
    fn as_the_specification_cuts() {
        let pieces = ["WV13PN12ac PR=(wv:bob@exam", "WV13PN12bc ple.org,((OS,T,T),(", "WV13PN12cc UA,T,AV)))"];
        let mut assembler = assembler();
        assert_eq!(assembler.take(&"bob", pieces[2].as_bytes(), seconds(0)), Ok(Taken::Waits));
        assert_eq!(assembler.take(&"bob", pieces[0].as_bytes(), seconds(1)), Ok(Taken::Waits));
        assert_eq!(assembler.take(&"bob", pieces[0].as_bytes(), seconds(2)), Ok(Taken::Waits), "once more");
        let whole = assembler.take(&"bob", pieces[1].as_bytes(), seconds(3));
        let expected = b"WV13PN12 PR=(wv:bob@example.org,((OS,T,T),(UA,T,AV)))".to_vec();
        assert_eq!(whole, Ok(Taken::Whole(expected)));
        assert_eq!(assembler.waiting(), 0);
    }

    #[test]
    fn every_size_of_piece_in_every_order() {
        for limit in 16..MESSAGE.len() + 2 {
            let pieces = split(MESSAGE.as_bytes(), limit).unwrap();
            assert!(pieces.len() <= PIECES && pieces.iter().all(|piece| piece.len() <= limit));
            assert_eq!(pieces.len() == 1, limit >= MESSAGE.len());
            for turn in 0..pieces.len() {
                let mut assembler = assembler();
                let (late, early) = pieces.split_at(turn);
                let mut taken = Ok(Taken::Waits);
                for piece in early.iter().rev().chain(late) {
                    assert_eq!(taken, Ok(Taken::Waits), "{limit}");
                    taken = assembler.take(&"bob", piece, seconds(0));
                }
                assert_eq!(taken, Ok(Taken::Whole(MESSAGE.as_bytes().to_vec())), "{limit}");
            }
        }
        assert_eq!(split(MESSAGE.as_bytes(), 11), None, "no room beside the preamble");
        assert_eq!(split(&[b"WV13SM1 MC=".as_slice(), &[b'x'; 4000]].concat(), 140), None, "more than 26");
        assert_eq!(split(b"no message, and longer than that", 10), None);
    }

    #[test]
    fn one_piece_is_a_message() {
        let mut assembler = assembler();
        let whole = assembler.take(&"bob", b"WV13PO0aa SI=s17", seconds(0));
        assert_eq!(whole, Ok(Taken::Whole(b"WV13PO0 SI=s17".to_vec())));
        assert_eq!(assembler.take(&"bob", b"WV13PO0aa", seconds(0)), Ok(Taken::Whole(b"WV13PO0".to_vec())));
        assert_eq!(assembler.take(&"bob", b"WV13PO0", seconds(0)), Ok(Taken::Whole(b"WV13PO0".to_vec())));
    }

    #[test]
    fn what_makes_pieces_belong_together() {
        let mut assembler = assembler();
        for (sender, piece) in [
            ("bob", "WV13SM1ab x"),
            ("carol", "WV13SM1bb y"),
            ("bob", "WV12SM1bb y"),
            ("bob", "WV13UP1bb y"),
            ("bob", "WV13SM2bb y"),
            ("bob", "WV13SM1bc y"),
        ] {
            assert_eq!(assembler.take(&sender, piece.as_bytes(), seconds(0)), Ok(Taken::Waits), "{sender} {piece}");
        }
        assert_eq!(assembler.waiting(), 6);
        let whole = assembler.take(&"bob", b"wv13sm1bb y", seconds(0));
        assert!(matches!(whole, Err(PieceError::NoMessage(_))), "WV itself is in capitals");
        let whole = assembler.take(&"bob", b"WV13sm1BB y", seconds(0));
        assert_eq!(whole, Ok(Taken::Whole(b"WV13sm1 xy".to_vec())));
    }

    #[test]
    fn a_number_above_the_count_is_an_error() {
        let taken = assembler().take(&"bob", b"WV13SM1cb x", seconds(0));
        assert!(matches!(taken, Err(PieceError::NoMessage(_))), "{taken:?}");
    }

    #[test]
    fn a_new_message_under_an_old_id_begins_anew() {
        let mut assembler = assembler();
        assert_eq!(assembler.take(&"bob", b"WV13SM1ab old", seconds(0)), Ok(Taken::Waits));
        assert_eq!(assembler.take(&"bob", b"WV13SM1ab new", seconds(200)), Ok(Taken::Waits));
        assert_eq!(assembler.take(&"bob", b"WV13SM1bb !", seconds(499)), Ok(Taken::Whole(b"WV13SM1 new!".to_vec())));
    }

    #[test]
    fn nothing_waits_for_ever() {
        let mut assembler = assembler();
        assert_eq!(assembler.take(&"bob", b"WV13SM1ab x", seconds(0)), Ok(Taken::Waits));
        assert_eq!(assembler.take(&"bob", b"WV13SM2ab x", seconds(100)), Ok(Taken::Waits));
        assert_eq!(assembler.take(&"bob", b"WV13SM1bb y", seconds(300)), Ok(Taken::Waits), "five minutes later");
        assert_eq!(assembler.waiting(), 2);
        assert_eq!(assembler.take(&"bob", b"WV13SM2bb y", seconds(399)), Ok(Taken::Whole(b"WV13SM2 xy".to_vec())));
        assert_eq!(assembler.take(&"bob", b"WV13PO0", seconds(1000)), Ok(Taken::Whole(b"WV13PO0".to_vec())));
        assert_eq!(assembler.waiting(), 0);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut assembler = assembler();
        for number in 0..100 {
            let piece = format!("WV13SM{number}ab x");
            assert_eq!(assembler.take(&"bob", piece.as_bytes(), seconds(number)), Ok(Taken::Waits));
        }
        assert_eq!(assembler.waiting(), 16);
        assert_eq!(assembler.take(&"bob", b"WV13SM83bb y", seconds(100)), Ok(Taken::Waits), "it gave way");
        assert_eq!(assembler.take(&"bob", b"WV13SM99bb y", seconds(100)), Ok(Taken::Whole(b"WV13SM99 xy".to_vec())));
        let mut many = Assembler::new(AssemblerLimits::default());
        for sender in 0..4096 {
            assert_eq!(many.take(&sender, b"WV13SM1ab x", seconds(0)), Ok(Taken::Waits));
        }
        assert_eq!(many.take(&5000, b"WV13SM1ab x", seconds(0)), Err(PieceError::TooMany));
        assert_eq!(many.take(&5000, b"WV13SM1aa x", seconds(0)), Ok(Taken::Whole(b"WV13SM1 x".to_vec())));
        assert!(matches!(many.take(&7, b"WV13SM1bb x", seconds(0)), Ok(Taken::Whole(_))), "one that waits already");
        let mut large = Assembler::new(AssemblerLimits::default());
        let piece = [b"WV13SM1ab ".as_slice(), &[b'x'; 16 << 10]].concat();
        assert_eq!(large.take(&1, &piece, seconds(0)), Err(PieceError::TooLarge));
        assert_eq!(large.waiting(), 0);
    }
}

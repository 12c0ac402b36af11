//! What the peer's transactions were answered, for as long as one may come again (SSP 7.3, 15.6).
//!
//! Ten minutes of a busy peer are a million and a half of them, so one is 16 octets: the hash of its ID, and in a word the
//! hash of what it said, the form of the answer and its status. Together with the free places of the tables this makes 30
//! octets each at the bound of [`LinkSettings::remember_max`], 49 MB of a peer that is as busy as that for ten minutes.
//! Only an answer that carries more than a status is kept as it was, within a number of octets.
//!
//! Answers are gathered in spans of a tenth of the time, and forgotten by spans: no list says in which order they came.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

use imps_proto::ssp::{MessageDelivered, Primitive, SendMessageResponse};
use imps_service::Timestamp;
use imps_types::element::ResultInfo;
use imps_types::{Status, TransactionId};
use rustc_hash::FxHashMap;

use super::{LinkSettings, status};

/// How many spans the time is divided into.
const SPANS: u32 = 10;
/// About how many octets an answer that is kept as it was takes besides those that it has on the wire.
const BESIDES: usize = 512;

/// The form of an answer. The MessageID of a message comes with the message again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A status and nothing else.
    Status,
    /// A SendMessageResponse with the MessageID of the message.
    Sent,
    /// One without a MessageID.
    SentUnnamed,
    /// A MessageDelivered about the message.
    Delivered,
    /// It says more: it is kept as it was, unless there was no room.
    Whole,
}

const FORMS: [Form; 5] = [Form::Status, Form::Sent, Form::SentUnnamed, Form::Delivered, Form::Whole];

/// A transaction in a word: 45 bits of the hash of what it said, the form of its answer in 3, and its status in 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short(u64);

const CODE_BITS: u32 = 16;
const PRINT_FROM: u32 = 19;

impl Short {
    fn new(print: u64, form: Form, status: Status) -> Self {
        Self(print >> PRINT_FROM << PRINT_FROM | (form as u64) << CODE_BITS | u64::from(status.code()))
    }

    fn says(self, print: u64) -> bool {
        (self.0 ^ print) >> PRINT_FROM == 0
    }

    fn form(self) -> Form {
        let number = usize::try_from(self.0 >> CODE_BITS & 7).unwrap_or_default();
        FORMS.get(number).copied().unwrap_or(Form::Status)
    }

    fn status(self) -> Status {
        Status::new(u16::try_from(self.0 & 0xffff).unwrap_or_default())
    }
}

/// Answers of one span.
#[derive(Default)]
struct Span {
    began: Timestamp,
    /// When the last one was given.
    last: Timestamp,
    answers: FxHashMap<u64, Short>,
    /// Those that are kept as they were, and their octets.
    whole: FxHashMap<u64, (Box<Primitive>, usize)>,
    /// The same, oldest first.
    order: VecDeque<u64>,
}

/// What the peer's transactions were answered.
#[derive(Default)]
pub(super) struct Answers {
    /// A peer that knew how its IDs are hashed could have them all in one place.
    hasher: RandomState,
    spans: VecDeque<Span>,
    len: usize,
    whole_bytes: usize,
}

/// The form of an answer to something that bears this MessageID.
fn form_of(answer: &Primitive, message: Option<&str>) -> Form {
    let is_plain = |result: &ResultInfo| *result == ResultInfo::of(result.status);
    match answer {
        Primitive::Status(result) if is_plain(result) => Form::Status,
        Primitive::SendMessageResponse(it) if is_plain(&it.status) => match it.message_id.as_deref() {
            None => Form::SentUnnamed,
            Some(_) if it.message_id.as_deref() == message => Form::Sent,
            Some(_) => Form::Whole,
        },
        Primitive::MessageDelivered(it)
            if it.meta.is_none() && it.status.is_none() && Some(&*it.message_id) == message =>
        {
            Form::Delivered
        }
        _ => Form::Whole,
    }
}

/// The MessageID of a message that somebody sends or delivers.
pub(super) fn message_of(said: &Primitive) -> Option<&str> {
    match said {
        Primitive::SendMessageRequest(it) => it.info.message_id.as_deref(),
        Primitive::NewMessage(it) => it.info.message_id.as_deref(),
        _ => None,
    }
}

impl Answers {
    /// A number for these octets; the same for the same, and foreseen by nobody.
    pub(super) fn hash(&self, octets: &[u8]) -> u64 {
        self.hasher.hash_one(octets)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What a transaction that says this was answered, if its ID was used within the time; 420 if it was for something else.
    pub(super) fn get(&self, id: &TransactionId, print: u64, said: &Primitive) -> Option<Primitive> {
        let key = self.hash(id.as_str().as_bytes());
        let (span, short) = self.spans.iter().rev().find_map(|span| Some((span, *span.answers.get(&key)?)))?;
        if !short.says(print) {
            return Some(super::used_again());
        }
        let result = ResultInfo::of(short.status());
        let message_id = message_of(said).map(Box::from);
        Some(match short.form() {
            Form::Sent => SendMessageResponse { message_id, status: result }.into(),
            Form::SentUnnamed => SendMessageResponse { message_id: None, status: result }.into(),
            Form::Delivered => {
                MessageDelivered { meta: None, message_id: message_id.unwrap_or_default(), status: None }.into()
            }
            Form::Whole => {
                let whole = span.whole.get(&key).map(|(answer, _)| (**answer).clone());
                whole.unwrap_or_else(|| status(result.status, ""))
            }
            Form::Status => Primitive::Status(result),
        })
    }

    /// Remembers what a transaction was answered. `message`: the MessageID that it bears; `bytes`: of the answer.
    pub(super) fn put(
        &mut self,
        (id, print, message): (&TransactionId, u64, Option<&str>),
        answer: &Primitive,
        bytes: impl FnOnce() -> usize,
        settings: &LinkSettings,
        now: Timestamp,
    ) {
        let most = settings.remember_max.max(1);
        let in_span = (most / SPANS as usize).max(1);
        let is_over = |span: &Span| now.since(span.began) >= settings.remember / SPANS || span.answers.len() >= in_span;
        if self.spans.back().is_none_or(is_over) {
            self.spans.push_back(Span { began: now, ..Span::default() });
        }
        let key = self.hash(id.as_str().as_bytes());
        let Some(span) = self.spans.back_mut() else { return };
        span.last = now;
        let form = form_of(answer, message);
        let code = answer.outcome().map_or(Status::SUCCESSFUL, |result| result.status);
        let before = span.answers.insert(key, Short::new(print, form, code));
        self.len += usize::from(before.is_none());
        if form == Form::Whole {
            let bytes = bytes() + BESIDES;
            let before = span.whole.insert(key, (Box::new(answer.clone()), bytes));
            if before.is_none() {
                span.order.push_back(key);
            }
            self.whole_bytes = (self.whole_bytes + bytes).saturating_sub(before.map_or(0, |(_, bytes)| bytes));
        }
        while self.len > most && self.forget_first() {}
        self.shorten(settings.remember_bytes);
    }

    /// Of those that were kept as they were, the oldest are a status from now on, until all have no more than so many octets.
    fn shorten(&mut self, most: usize) {
        for span in &mut self.spans {
            while self.whole_bytes > most {
                let Some(key) = span.order.pop_front() else { break };
                let bytes = span.whole.remove(&key).map_or(0, |(_, bytes)| bytes);
                self.whole_bytes = self.whole_bytes.saturating_sub(bytes);
            }
        }
    }

    fn forget_first(&mut self) -> bool {
        let Some(span) = self.spans.pop_front() else { return false };
        self.len = self.len.saturating_sub(span.answers.len());
        let bytes: usize = span.whole.values().map(|(_, bytes)| bytes).sum();
        self.whole_bytes = self.whole_bytes.saturating_sub(bytes);
        true
    }

    /// Forgets what no attempt will come of any more.
    pub(super) fn forget_old(&mut self, settings: &LinkSettings, now: Timestamp) {
        while self.next_end(settings).is_some_and(|at| at <= now) {
            self.forget_first();
        }
    }

    /// When the oldest may be forgotten.
    pub(super) fn next_end(&self, settings: &LinkSettings) -> Option<Timestamp> {
        self.spans.front().map(|span| span.last.plus(settings.remember))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::machine::tests::message;

    const BOB: &str = "wv:bob@b.example";
    const ALICE: &str = "wv:alice@a.example";

    fn put(answers: &mut Answers, number: u64, answer: &Primitive, settings: &LinkSettings, now: Timestamp) {
        let id = TransactionId::new(&format!("{number:020}-0"));
        answers.put((&id, print(number), Some("m")), answer, || 100, settings, now);
    }

    fn print(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn get(answers: &Answers, number: u64, said: &Primitive) -> Option<Primitive> {
        answers.get(&TransactionId::new(&format!("{number:020}-0")), print(number), said)
    }

    /// Octets of the tables: buckets are a power of two, an eighth of them stays free, and each has an octet besides.
    fn octets(answers: &Answers) -> usize {
        let buckets = |capacity: usize| (capacity * 8 / 7).next_power_of_two();
        answers.spans.iter().map(|span| buckets(span.answers.capacity()) * (size_of::<(u64, Short)>() + 1)).sum()
    }

    #[test]
    fn ten_minutes_of_a_busy_peer_fit_and_take_little() {
        let settings = LinkSettings::default();
        let said = message(BOB, &[ALICE], "m");
        let sent = SendMessageResponse { message_id: Some("m".into()), status: ResultInfo::of(Status::SUCCESSFUL) };
        let (sent, mut answers) = (sent.into(), Answers::default());
        let begin = Timestamp(1_000_000);
        let mut now = begin;
        let per_second = 2500;
        for second in 0..600 {
            now = begin.plus(Duration::from_secs(second));
            answers.forget_old(&settings, now);
            for number in 0..per_second {
                put(&mut answers, second * per_second + number, &sent, &settings, now);
            }
        }
        assert_eq!(answers.len(), 1_500_000);
        for number in [0, 1, 749_999, 1_499_999] {
            assert_eq!(get(&answers, number, &said), Some(sent.clone()), "{number}");
            let other = answers.get(&TransactionId::new(&format!("{number:020}-0")), !print(number), &said);
            assert_eq!(other, Some(crate::machine::used_again()), "{number}");
        }
        assert_eq!(get(&answers, 1_500_000, &said), None);
        let each = octets(&answers) / answers.len();
        assert!(each <= 32, "{each} octets each");
        // And it has an end, however busy the peer is.
        for number in 1_500_000..1_700_000 {
            put(&mut answers, number, &sent, &settings, now);
        }
        assert!(answers.len() <= settings.remember_max && octets(&answers) < 52 << 20, "{} octets", octets(&answers));
        answers.forget_old(&settings, now.plus(settings.remember));
        assert!(answers.is_empty() && octets(&answers) == 0);
    }

    #[test]
    fn none_is_forgotten_before_its_time() {
        let settings = LinkSettings::default();
        let (said, answer) = (message(BOB, &[ALICE], "m"), status(Status::SUCCESSFUL, ""));
        let mut answers = Answers::default();
        let begin = Timestamp(1_000_000);
        for number in 0..100 {
            let now = begin.plus(Duration::from_secs(number * 25));
            answers.forget_old(&settings, now);
            put(&mut answers, number, &answer, &settings, now);
            for before in number.saturating_sub(23)..number {
                assert!(get(&answers, before, &said).is_some(), "{before} at {number}");
            }
            assert!(answers.len() <= 27, "{} at {number}", answers.len());
        }
    }

    #[test]
    fn every_answer_comes_again_as_it_was() {
        let settings = LinkSettings { remember_bytes: 2000, ..LinkSettings::default() };
        let said = message(BOB, &[ALICE], "m");
        let sent = |id: Option<&str>, code| -> Primitive {
            SendMessageResponse { message_id: id.map(Box::from), status: ResultInfo::of(Status::new(code)) }.into()
        };
        let delivered = |id: &str, status: Option<u16>| -> Primitive {
            let status = status.map(|code| ResultInfo::of(Status::new(code)));
            MessageDelivered { meta: None, message_id: id.into(), status }.into()
        };
        let all = [
            (status(Status::SUCCESSFUL, ""), Form::Status),
            (status(Status::new(65_535), ""), Form::Status),
            (sent(Some("m"), 200), Form::Sent),
            (sent(Some("m"), 507), Form::Sent),
            (sent(None, 202), Form::SentUnnamed),
            (delivered("m", None), Form::Delivered),
            (delivered("m", Some(201)), Form::Whole),
            (sent(Some("n"), 200), Form::Whole),
            (status(Status::UNKNOWN_USER, "Zoe"), Form::Whole),
        ];
        let mut answers = Answers::default();
        for (number, (answer, form)) in (0..).zip(&all) {
            assert_eq!(form_of(answer, Some("m")), *form);
            put(&mut answers, number, answer, &settings, Timestamp(1000));
        }
        for (number, (answer, _)) in (0..).zip(&all) {
            assert_eq!(get(&answers, number, &said).as_ref(), Some(answer));
        }
        // One more than there is room for: the first of them is its status from now on.
        put(&mut answers, 9, &status(Status::UNKNOWN_USER, "Yan"), &settings, Timestamp(1000));
        assert_eq!(get(&answers, 6, &said), Some(status(Status::new(201), "")));
        assert_eq!(get(&answers, 7, &said), Some(sent(Some("n"), 200)));
    }
}

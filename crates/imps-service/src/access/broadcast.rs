//! What the service says to its users: as it is kept (CSP 4.9).
//!
//! | space | key | value |
//! |---|---|---|
//! | SystemMessages | number, "" | the broadcast |
//! | SystemMessages | number, user | when it was given to this user, and what he said to it |
//! | Server | `system_messages` | the last number |

use std::sync::Arc;

use imps_types::UserId;
use imps_types::element::{AnswerOption, SystemMessage, SystemMessageResponse, Verification};
use parking_lot::RwLock;

use crate::clock::Timestamp;
use crate::language::Texts;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Key, KeyRange};

/// Something the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// Its number: the SystemMessageID.
    pub number: u32,
    /// When it was said.
    pub created: Timestamp,
    /// From when on nobody is told any more.
    pub expires: Timestamp,
    /// Whether it is for everybody, those too who were not there; else for those who have a row.
    pub is_for_all: bool,
    /// What it says.
    pub says: Says,
}

/// What a broadcast says, and what may be said to it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Says {
    /// The text.
    pub texts: Texts,
    /// What may be chosen, by its number.
    pub options: Vec<(u32, Texts)>,
    /// Whether something must be said to it.
    pub requires_response: bool,
    /// How a user shows that he is a person.
    pub verification: Option<Verification>,
    /// What the VerificationKey must be.
    pub verification_key: Option<Box<str>>,
    /// Whoever has not chosen this is not let in (1.3).
    pub required_option: Option<u32>,
}

/// What became of a broadcast for one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    /// When it was given to him.
    pub given: Timestamp,
    /// What he said to it.
    pub answer: Option<GivenAnswer>,
}

/// What a user said to a broadcast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenAnswer {
    /// When.
    pub at: Timestamp,
    /// What he chose.
    pub option: Option<u32>,
    /// Whether he showed that he is a person.
    pub verified: bool,
}

/// The broadcasts, in memory: they are few. The store is the truth.
#[derive(Default)]
pub(crate) struct Broadcasts {
    known: RwLock<Vec<Arc<Broadcast>>>,
    /// Held over the commit by whoever makes or ends one.
    pub(super) change: tokio::sync::Mutex<()>,
}

impl Broadcasts {
    pub(super) fn find(&self, number: u32) -> Option<Arc<Broadcast>> {
        self.known.read().iter().find(|one| one.number == number).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<Broadcast>> {
        self.known.read().clone()
    }

    /// Those that somebody may still be told. Mostly there are none.
    pub(super) fn live(&self, now: Timestamp) -> Vec<Arc<Broadcast>> {
        self.known.read().iter().filter(|one| one.expires > now).cloned().collect()
    }

    pub(super) fn put(&self, broadcast: Broadcast) {
        let mut known = self.known.write();
        known.retain(|one| one.number != broadcast.number);
        known.push(Arc::new(broadcast));
        known.sort_by_key(|one| one.number);
    }

    pub(super) fn remove(&self, number: u32) {
        self.known.write().retain(|one| one.number != number);
    }
}

pub(super) const LAST_NUMBER: &str = "system_messages";

pub(super) fn broadcast_key(number: u32) -> Key {
    receipt_key_of(number, "")
}

pub(super) fn receipt_key(number: u32, user: &UserId) -> Key {
    receipt_key_of(number, user.as_str())
}

fn receipt_key_of(number: u32, user: &str) -> Key {
    Key::build().u32(number).text(user).done()
}

/// The broadcast and its receipts.
pub(super) fn broadcast_range(number: u32) -> KeyRange {
    Key::build().u32(number).range()
}

/// The receipts of a broadcast, of those behind this user only.
pub(super) fn receipt_range(number: u32, after: Option<&UserId>) -> KeyRange {
    let after = after.map_or_else(|| broadcast_key(number), |user| receipt_key(number, user));
    broadcast_range(number).after(&after)
}

/// Number and user of a row; the user is empty in that of the broadcast itself.
pub(super) fn key_parts(key: &Key) -> Option<(u32, Box<str>)> {
    let mut reader = key.read();
    Some((reader.u32()?, reader.text()?.into()))
}

impl Broadcast {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.number(self.created.0).number(self.expires.0).flag(self.is_for_all);
        self.says.texts.write(&mut writer);
        writer.list(self.says.options.iter(), |writer, (id, texts)| {
            writer.number((*id).into());
            texts.write(writer);
        });
        writer.flag(self.says.requires_response);
        writer.option(self.says.verification.as_ref(), |writer, verification| match verification {
            Verification::InText(text) => {
                writer.flag(false).text(text);
            }
            Verification::Url(url) => {
                writer.flag(true).text(url);
            }
        });
        writer.optional_text(self.says.verification_key.as_deref());
        writer.option(self.says.required_option, |writer, option| {
            writer.number(option.into());
        });
        writer.done()
    }

    pub(super) fn read(number: u32, record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let (created, expires, is_for_all) = (Timestamp(reader.number()?), Timestamp(reader.number()?), reader.flag()?);
        let texts = Texts::read(&mut reader)?;
        let options = reader.list(|reader| Ok((reader.small()?, Texts::read(reader)?)))?;
        let requires_response = reader.flag()?;
        let verification = reader.option(|reader| {
            let is_url = reader.flag()?;
            let text = reader.text()?.into();
            Ok(if is_url { Verification::Url(text) } else { Verification::InText(text) })
        })?;
        let verification_key = reader.optional_text()?;
        let required_option = reader.option(RecordReader::small)?;
        let says = Says { texts, options, requires_response, verification, verification_key, required_option };
        Ok(Self { number, created, expires, is_for_all, says })
    }

    /// As a reader of this language is told.
    pub(crate) fn message(&self, language: Option<&str>) -> SystemMessage {
        let text = self.says.texts.in_language(language);
        let option = |(id, texts): &(u32, Texts)| AnswerOption { id: *id, text: texts.in_language(language).into() };
        SystemMessage {
            id: self.number.to_string().into(),
            requires_response: self.says.requires_response,
            text: Some(text).filter(|text| !text.is_empty()).map(Into::into),
            options: self.says.options.iter().map(option).collect(),
            verification: self.says.verification.clone(),
        }
    }

    /// Whether this can be said to it: an option that there is, and the key where one is asked for.
    pub(super) fn takes(&self, response: &SystemMessageResponse, at: Timestamp) -> Result<GivenAnswer, &'static str> {
        let says = &self.says;
        match response.chosen_option {
            Some(chosen) if !says.options.iter().any(|(id, _)| *id == chosen) => {
                return Err("the system message has no such answer");
            }
            None if !says.options.is_empty() => return Err("one of the system message's answers must be chosen"),
            _ => {}
        }
        let given = response.verification_key.as_deref().map(str::trim);
        let is_right = |key: &str| given.is_some_and(|given| given.eq_ignore_ascii_case(key));
        match &says.verification_key {
            Some(key) if !is_right(key) => Err("the verification key of the system message is another one"),
            key => Ok(GivenAnswer { at, option: response.chosen_option, verified: key.is_some() }),
        }
    }

    /// Whether with this answer the user is let in.
    pub(super) fn lets_in(&self, answer: Option<&GivenAnswer>) -> bool {
        self.says.required_option.is_none_or(|required| answer.is_some_and(|one| one.option == Some(required)))
    }
}

impl Receipt {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.number(self.given.0);
        writer.option(self.answer.as_ref(), |writer, answer| {
            writer.number(answer.at.0);
            writer.option(answer.option, |writer, option| {
                writer.number(option.into());
            });
            writer.flag(answer.verified);
        });
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let given = Timestamp(reader.number()?);
        let answer = reader.option(|reader| {
            let at = Timestamp(reader.number()?);
            Ok(GivenAnswer { at, option: reader.option(RecordReader::small)?, verified: reader.flag()? })
        })?;
        Ok(Self { given, answer })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> Broadcast {
        Broadcast {
            number: 7,
            created: Timestamp(1),
            expires: Timestamp(300),
            is_for_all: true,
            says: Says {
                texts: Texts::of("Hi"),
                options: vec![(1, Texts::of("Yes")), (2, Texts::of("No"))],
                requires_response: true,
                verification: Some(Verification::InText("w".into())),
                verification_key: Some("k".into()),
                required_option: Some(1),
            },
        }
    }

    #[test]
    fn golden_octets_of_version_1() {
        let golden = b"\x01\x01\xac\x02\x01\x01\x00\x02Hi\x02\x01\x01\x00\x03Yes\x02\x01\x00\x02No\x01\x01\x00\x01w\x01\x01k\x01\x01";
        assert_eq!(terms().to_record().escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!(Broadcast::read(7, golden), Ok(terms()));
        let answer = GivenAnswer { at: Timestamp(5), option: Some(2), verified: true };
        let receipt = Receipt { given: Timestamp(4), answer: Some(answer) };
        assert_eq!(receipt.to_record(), [1, 4, 1, 5, 1, 2, 1]);
        assert_eq!(Receipt::read(&[1, 4, 1, 5, 1, 2, 1]), Ok(receipt));
    }

    #[test]
    fn answers_that_can_be_given() {
        let says = |option: Option<u32>, key: Option<&str>| {
            let response =
                SystemMessageResponse { id: "7".into(), chosen_option: option, verification_key: key.map(Into::into) };
            terms().takes(&response, Timestamp(9))
        };
        let yes = says(Some(1), Some(" K ")).unwrap();
        assert_eq!(yes, GivenAnswer { at: Timestamp(9), option: Some(1), verified: true });
        assert!(terms().lets_in(Some(&yes)));
        let no = says(Some(2), Some("k")).unwrap();
        assert!(!terms().lets_in(Some(&no)) && !terms().lets_in(None));
        for (option, key) in [(Some(3), Some("k")), (None, Some("k")), (Some(1), None), (Some(1), Some("x"))] {
            assert!(says(option, key).is_err(), "{option:?} {key:?}");
        }
    }

    #[test]
    fn keys_are_taken_apart_again() {
        let bob = UserId::from_canonical("wv:bob@x");
        assert_eq!(key_parts(&receipt_key(7, &bob)), Some((7, "wv:bob@x".into())));
        assert_eq!(key_parts(&broadcast_key(7)), Some((7, "".into())));
        assert!(!receipt_range(7, None).contains(&broadcast_key(7)));
        assert!(receipt_range(7, None).contains(&receipt_key(7, &bob)));
        assert!(!receipt_range(7, Some(&bob)).contains(&receipt_key(7, &bob)));
        assert!(!receipt_range(7, None).contains(&receipt_key(8, &bob)));
    }
}

//! How groups are kept.
//!
//! | space | key | value |
//! |---|---|---|
//! | Groups | group | owner, properties, when it ends |
//! | GroupPeople | group, user | role, own properties, whether rejected or invited |
//! | GroupJoined | group, user | screen name, and which of his sessions have joined |
//! | GroupLeaves | session, group | why the client was forced out, until it has heard of it |
//! | GroupHistory | group, sequence | when the message is of no use any more; its content is among the messages |

use imps_types::element::{Content, DeliveryMethod, Role, WelcomeNote};
use imps_types::{GroupId, SessionId, Status, UserId};

use super::properties::{CommonProperties, OwnSettings};
use crate::clock::Timestamp;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Key, KeyRange};

/// A group's own record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupRecord {
    pub(super) owner: Option<UserId>,
    pub(super) created: Timestamp,
    /// When its validity ends.
    pub(super) ends: Option<Timestamp>,
    pub(super) properties: CommonProperties,
}

/// What is kept of somebody in a group, whether he has joined or not.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Person {
    /// Members have one.
    pub(super) role: Option<Role>,
    /// On the reject list.
    pub(super) rejected: bool,
    /// Invited, by somebody who may.
    pub(super) invited: bool,
    pub(super) settings: OwnSettings,
    /// The screen name that he had last.
    pub(super) screen_name: Option<Box<str>>,
}

impl Person {
    /// Whether there is nothing to keep.
    pub(super) fn is_nobody(&self) -> bool {
        // A screen name alone is worth keeping for whoever joins by himself only.
        Self { screen_name: None, ..self.clone() } == Self::default()
    }
}

/// A session that has joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SavedJoin {
    pub(super) session: SessionId,
    pub(super) subscribed: bool,
    pub(super) delivery: Option<DeliveryMethod>,
    pub(super) push_length: Option<u32>,
}

/// A joined user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JoinedRecord {
    pub(super) name: Box<str>,
    pub(super) sessions: Vec<SavedJoin>,
}

pub(super) fn group_key(group: &GroupId) -> Key {
    Key::from(group.as_str())
}

/// The key of what is kept of a user in a group, in both of its spaces.
pub(super) fn person_key(group: &GroupId, user: &UserId) -> Key {
    Key::build().text(group.as_str()).text(user.as_str()).done()
}

/// Whatever is kept of a group's people, or of its history.
pub(super) fn group_range(group: &GroupId) -> KeyRange {
    Key::build().text(group.as_str()).range()
}

/// Group and user of a key of [`person_key`].
pub(super) fn person_parts(key: &Key) -> Option<(GroupId, UserId)> {
    let mut reader = key.read();
    let (group, user) = (reader.text()?, reader.text()?);
    Some((GroupId::from_canonical(&group), UserId::from_canonical(&user)))
}

pub(super) fn leave_key(session: &SessionId, group: &GroupId) -> Key {
    Key::build().text(session.as_str()).text(group.as_str()).done()
}

/// Session and group of a key of [`leave_key`].
pub(super) fn leave_parts(key: &Key) -> Option<(SessionId, GroupId)> {
    let mut reader = key.read();
    let session = SessionId::parse(&reader.text()?)?;
    Some((session, GroupId::from_canonical(&reader.text()?)))
}

pub(crate) fn history_key(group: &GroupId, sequence: u64) -> Key {
    Key::build().text(group.as_str()).u64(sequence).done()
}

/// The history of a group.
pub(crate) fn history_range(group: &GroupId) -> KeyRange {
    group_range(group)
}

/// The sequence number of a key of [`history_key`].
pub(crate) fn history_sequence(key: &Key) -> Option<u64> {
    let mut reader = key.read();
    reader.text()?;
    reader.u64()
}

/// Why a client was forced out.
pub(super) fn leave_record(reason: Status) -> Vec<u8> {
    let mut writer = RecordWriter::new(1);
    writer.number(reason.code().into());
    writer.done()
}

/// Reads what [`leave_record`] wrote.
pub(super) fn read_leave(record: &[u8]) -> Result<Status, RecordError> {
    let (mut reader, _) = RecordReader::new(record, 1)?;
    u16::try_from(reader.number()?).map(Status::new).map_err(|_| RecordError("status too large"))
}

fn number(writer: &mut RecordWriter, value: Option<u32>) {
    writer.option(value, |writer, value| {
        writer.number(value.into());
    });
}

impl GroupRecord {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let properties = &self.properties;
        let mut writer = RecordWriter::new(1);
        writer.optional_text(self.owner.as_ref().map(UserId::as_str)).number(self.created.0);
        writer.option(self.ends, |writer, ends| {
            writer.number(ends.0);
        });
        writer.text(&properties.name).text(&properties.topic);
        writer.flag(properties.restricted).flag(properties.private_messaging).flag(properties.searchable);
        number(&mut writer, properties.max_active_users);
        writer.flag(properties.auto_delete);
        number(&mut writer, properties.validity);
        writer.flag(properties.history).flag(properties.require_invitation);
        number(&mut writer, properties.minimum_age);
        writer.option(properties.welcome_note.as_ref(), |writer, note| {
            writer.text(&note.content_type).bytes(&note.content.data).flag(note.content.binary);
        });
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let owner = reader.optional_text()?.map(|owner| UserId::from_canonical(&owner));
        let created = Timestamp(reader.number()?);
        let ends = reader.option(RecordReader::number)?.map(Timestamp);
        let (name, topic) = (reader.text()?.into(), reader.text()?.into());
        let (restricted, private_messaging, searchable) = (reader.flag()?, reader.flag()?, reader.flag()?);
        let max_active_users = reader.option(RecordReader::small)?;
        let auto_delete = reader.flag()?;
        let validity = reader.option(RecordReader::small)?;
        let (history, require_invitation) = (reader.flag()?, reader.flag()?);
        let minimum_age = reader.option(RecordReader::small)?;
        let welcome_note = reader.option(|reader| {
            let (content_type, data) = (reader.text()?.into(), bytes::Bytes::copy_from_slice(reader.bytes()?));
            Ok(WelcomeNote { content_type, content: Content { data, binary: reader.flag()? } })
        })?;
        let properties = CommonProperties {
            name,
            topic,
            restricted,
            private_messaging,
            searchable,
            max_active_users,
            auto_delete,
            validity,
            history,
            require_invitation,
            minimum_age,
            welcome_note,
        };
        Ok(Self { owner, created, ends, properties })
    }
}

impl Person {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        let role = self.role.and_then(|role| Role::ALL.iter().position(|one| *one == role));
        writer.option(role, |writer, place| {
            writer.number(place as u64);
        });
        writer.flag(self.rejected).flag(self.invited);
        writer.option(self.settings.private_messaging, |writer, value| {
            writer.flag(value);
        });
        writer.flag(self.settings.auto_join).flag(self.settings.show_id).flag(self.settings.do_not_notify);
        writer.optional_text(self.screen_name.as_deref());
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let role = reader.option(|reader| {
            let place = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
            Role::ALL.get(place).copied().ok_or(RecordError("unknown role"))
        })?;
        let (rejected, invited) = (reader.flag()?, reader.flag()?);
        let private_messaging = reader.option(RecordReader::flag)?;
        let (auto_join, show_id, do_not_notify) = (reader.flag()?, reader.flag()?, reader.flag()?);
        let settings = OwnSettings { private_messaging, auto_join, show_id, do_not_notify };
        Ok(Self { role, rejected, invited, settings, screen_name: reader.optional_text()? })
    }
}

impl JoinedRecord {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.text(&self.name);
        writer.list(self.sessions.iter(), |writer, join| {
            writer.text(join.session.as_str()).flag(join.subscribed);
            writer.option(join.delivery, |writer, delivery| {
                writer.flag(delivery == DeliveryMethod::Push);
            });
            number(writer, join.push_length);
        });
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let name = reader.text()?.into();
        let sessions = reader.list(|reader| {
            let session = SessionId::parse(reader.text()?).ok_or(RecordError("no SessionID"))?;
            let subscribed = reader.flag()?;
            let delivery = reader
                .option(|reader| Ok(if reader.flag()? { DeliveryMethod::Push } else { DeliveryMethod::Notify }))?;
            Ok(SavedJoin { session, subscribed, delivery, push_length: reader.option(RecordReader::small)? })
        })?;
        Ok(Self { name, sessions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::Slot;

    #[test]
    fn golden_octets_of_a_group() {
        let group = GroupRecord {
            owner: Some(UserId::from_canonical("wv:a@x")),
            created: Timestamp(300),
            ends: Some(Timestamp(5)),
            properties: CommonProperties {
                name: "N".into(),
                topic: "T".into(),
                restricted: true,
                max_active_users: Some(20),
                validity: Some(7),
                history: true,
                minimum_age: Some(18),
                welcome_note: Some(WelcomeNote { content_type: "text/plain".into(), content: Content::text("Hi") }),
                ..CommonProperties::default()
            },
        };
        let golden: &[u8] =
            b"\x01\x01\x06wv:a@x\xac\x02\x01\x05\x01N\x01T\x01\x01\x00\x01\x14\x00\x01\x07\x01\x00\x01\x12\
            \x01\x0atext/plain\x02Hi\x00";
        assert_eq!(group.to_record().escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!(GroupRecord::read(golden), Ok(group));
    }

    #[test]
    fn golden_octets_of_a_person() {
        let settings =
            OwnSettings { private_messaging: Some(false), auto_join: true, show_id: false, do_not_notify: true };
        let person =
            Person { role: Some(Role::Mod), rejected: false, invited: true, settings, screen_name: Some("Al".into()) };
        let golden: &[u8] = b"\x01\x01\x01\x00\x01\x01\x00\x01\x00\x01\x01\x02Al";
        assert_eq!(person.to_record(), golden);
        assert_eq!(Person::read(golden), Ok(person));
        assert!(Person::read(b"\x01\x01\x09").is_err());
        assert!(Person { screen_name: Some("x".into()), ..Person::default() }.is_nobody());
    }

    #[test]
    fn golden_octets_of_a_joined_user() {
        let session = SessionId::new(Slot::new(1).unwrap(), [7; 25]);
        let join =
            SavedJoin { session, subscribed: true, delivery: Some(DeliveryMethod::Notify), push_length: Some(9) };
        let joined = JoinedRecord { name: "Al".into(), sessions: vec![join] };
        let golden = format!("\x01\x02Al\x01\x1c{}\x01\x01\x00\x01\x09", session.as_str());
        let golden = golden.as_bytes();
        assert_eq!(joined.to_record().escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!(JoinedRecord::read(golden), Ok(joined));
    }

    #[test]
    fn keys_are_taken_apart_again() {
        let (group, user) = (GroupId::from_canonical("wv:/lobby@x"), UserId::from_canonical("wv:a@x"));
        assert_eq!(person_parts(&person_key(&group, &user)), Some((group.clone(), user.clone())));
        assert!(group_range(&group).contains(&person_key(&group, &user)));
        let longer = GroupId::from_canonical("wv:/lobby@x.org");
        assert!(!group_range(&group).contains(&person_key(&longer, &user)));
        assert_eq!(history_sequence(&history_key(&group, 7)), Some(7));
        assert_eq!(read_leave(&leave_record(Status::REJECTED)), Ok(Status::REJECTED));
    }
}

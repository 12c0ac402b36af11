//! The rows of invitations, and their notices as records.
//!
//! | space | key | value |
//! |---|---|---|
//! | Invitations | inviter, InviteID, invited | the invitation, when it was made, when it ends |
//! | Invited | invited, InviteID, inviter | when it was made |
//! | InvitationExpiry | end, inviter, InviteID, invited | nothing |

use bytes::Bytes;
use imps_types::element::{InviteType, ScreenName};
use imps_types::presence::AttributeSet;
use imps_types::{Address, GroupId, MessageId, UserId};

use super::{Invitation, InvitationAnswer, InvitationCancelled, Named, Occasion, Shown};
use crate::clock::Timestamp;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, KeyRange, Space};

/// An invitation as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) invitation: Invitation,
    pub(super) invited: UserId,
    pub(super) made: Timestamp,
    pub(super) expires: Timestamp,
    /// The notice of it.
    pub(super) notice: MessageId,
}

pub(super) fn key(inviter: &UserId, invite_id: &str, invited: &UserId) -> Key {
    Key::build().text(inviter.as_str()).text(invite_id).text(invited.as_str()).done()
}

fn invited_key(inviter: &UserId, invite_id: &str, invited: &UserId) -> Key {
    Key::build().text(invited.as_str()).text(invite_id).text(inviter.as_str()).done()
}

fn expiry_key(expires: Timestamp, inviter: &UserId, invite_id: &str, invited: &UserId) -> Key {
    Key::build().u64(expires.0).text(inviter.as_str()).text(invite_id).text(invited.as_str()).done()
}

/// All that a user invites others to; or of one InviteID of his.
pub(super) fn of_inviter(inviter: &UserId, invite_id: Option<&str>) -> KeyRange {
    let key = Key::build().text(inviter.as_str());
    match invite_id {
        Some(id) => key.text(id).range(),
        None => key.range(),
    }
}

/// Who invited a user; or under one InviteID.
pub(super) fn of_invited(invited: &UserId, invite_id: Option<&str>) -> KeyRange {
    // The keys have the same shape.
    of_inviter(invited, invite_id)
}

/// Everything that ended before this moment.
pub(super) fn expired_range(now: Timestamp) -> KeyRange {
    KeyRange::new(Key::from(&[0_u8; 0][..]), Key::build().u64(now.0).done())
}

/// The three texts of a key of either index.
pub(super) fn parts(key: &Key) -> Option<(UserId, Box<str>, UserId)> {
    let mut reader = key.read();
    let (first, id, last) = (reader.text()?, reader.text()?, reader.text()?);
    Some((UserId::from_canonical(&first), id.into(), UserId::from_canonical(&last)))
}

/// The end and the key of the invitation that a row of the expiry space is about.
pub(super) fn expiry_parts(key: &Key) -> Option<(Timestamp, Key)> {
    let mut reader = key.read();
    Some((Timestamp(reader.u64()?), Key::from(reader.rest())))
}

impl Kept {
    /// Adds the rows.
    pub(super) fn put(&self, batch: &mut Batch) {
        let Invitation { inviter, invite_id, .. } = &self.invitation;
        batch.put(Space::Invitations, key(inviter, invite_id, &self.invited), self.to_record());
        let mut made = RecordWriter::new(1);
        made.number(self.made.0);
        batch.put(Space::Invited, invited_key(inviter, invite_id, &self.invited), made.done());
        batch.put(Space::InvitationExpiry, expiry_key(self.expires, inviter, invite_id, &self.invited), Bytes::new());
    }

    /// Adds the removal of the rows.
    pub(super) fn delete(&self, batch: &mut Batch) {
        let Invitation { inviter, invite_id, .. } = &self.invitation;
        batch.delete(Space::Invitations, key(inviter, invite_id, &self.invited));
        batch.delete(Space::Invited, invited_key(inviter, invite_id, &self.invited));
        batch.delete(Space::InvitationExpiry, expiry_key(self.expires, inviter, invite_id, &self.invited));
    }

    fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::with_capacity(1, 256);
        writer.text(self.invited.as_str()).number(self.made.0).number(self.expires.0).number(self.notice.sequence());
        write_invitation(&mut writer, &self.invitation);
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let invited = UserId::from_canonical(reader.text()?);
        let (made, expires) = (Timestamp(reader.number()?), Timestamp(reader.number()?));
        let notice = MessageId::new(reader.number()?);
        Ok(Self { invited, made, expires, notice, invitation: read_invitation(&mut reader)? })
    }
}

/// When an invitation was made, by its row in the space of the invited.
pub(super) fn read_made(record: &[u8]) -> Result<Timestamp, RecordError> {
    let (mut reader, _) = RecordReader::new(record, 1)?;
    reader.number().map(Timestamp)
}

fn write_shown(writer: &mut RecordWriter, shown: &Shown) {
    match shown {
        Shown::User(user) => writer.flag(false).text(user.as_str()),
        Shown::ScreenName(group, name) => writer.flag(true).text(group.as_str()).text(name),
    };
}

fn read_shown(reader: &mut RecordReader<'_>) -> Result<Shown, RecordError> {
    Ok(if reader.flag()? {
        Shown::ScreenName(GroupId::from_canonical(reader.text()?), reader.text()?.into())
    } else {
        Shown::User(UserId::from_canonical(reader.text()?))
    })
}

fn write_named(writer: &mut RecordWriter, named: &Named) {
    write_shown(writer, &named.shown);
    writer.flag(named.with_group);
}

fn read_named(reader: &mut RecordReader<'_>) -> Result<Named, RecordError> {
    Ok(Named { shown: read_shown(reader)?, with_group: reader.flag()? })
}

fn write_occasion(writer: &mut RecordWriter, occasion: &Occasion) {
    writer.optional_text(occasion.application_id.as_deref());
    writer.optional_text(occasion.group_id.as_ref().map(Address::as_str));
    writer.option(occasion.attributes, |writer, set| {
        writer.number(set.bits().into());
    });
    writer.list(occasion.urls.iter(), |writer, url| {
        writer.text(url);
    });
}

fn read_occasion(reader: &mut RecordReader<'_>) -> Result<Occasion, RecordError> {
    Ok(Occasion {
        application_id: reader.optional_text()?,
        group_id: reader.optional_text()?.map(|group| Address::new(&group)),
        attributes: reader.option(RecordReader::small)?.map(AttributeSet::from_bits),
        urls: reader.list(|reader| Ok(reader.text()?.into()))?,
    })
}

fn write_screen_name(writer: &mut RecordWriter, name: Option<&ScreenName>) {
    writer.option(name, |writer, name| {
        writer.text(&name.name).text(name.group_id.as_str());
    });
}

fn read_screen_name(reader: &mut RecordReader<'_>) -> Result<Option<ScreenName>, RecordError> {
    reader.option(|reader| Ok(ScreenName { name: reader.text()?.into(), group_id: Address::new(reader.text()?) }))
}

/// Writes an invitation: in its own row, and in the notice of it.
pub(crate) fn write_invitation(writer: &mut RecordWriter, invitation: &Invitation) {
    writer.text(invitation.inviter.as_str());
    write_shown(writer, &invitation.shown);
    writer.text(&invitation.invite_id).number(invitation.invite_type as u64);
    write_named(writer, &invitation.named);
    write_occasion(writer, &invitation.occasion);
    writer.optional_text(invitation.note.as_deref()).number(invitation.validity.into());
}

/// Reads an invitation.
pub(crate) fn read_invitation(reader: &mut RecordReader<'_>) -> Result<Invitation, RecordError> {
    let inviter = UserId::from_canonical(reader.text()?);
    let shown = read_shown(reader)?;
    let invite_id = reader.text()?.into();
    let number = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    let invite_type = *InviteType::ALL.get(number).ok_or(RecordError("unknown type of invitation"))?;
    Ok(Invitation {
        inviter,
        shown,
        invite_id,
        invite_type,
        named: read_named(reader)?,
        occasion: read_occasion(reader)?,
        note: reader.optional_text()?,
        validity: reader.small()?,
    })
}

/// Writes an answer.
pub(crate) fn write_answer(writer: &mut RecordWriter, answer: &InvitationAnswer) {
    writer.text(&answer.invite_id).flag(answer.acceptance);
    write_shown(writer, &answer.shown);
    write_shown(writer, &answer.inviter);
    writer.optional_text(answer.invite_note.as_deref()).optional_text(answer.note.as_deref());
    write_screen_name(writer, answer.screen_name.as_ref());
}

/// Reads an answer.
pub(crate) fn read_answer(reader: &mut RecordReader<'_>) -> Result<InvitationAnswer, RecordError> {
    Ok(InvitationAnswer {
        invite_id: reader.text()?.into(),
        acceptance: reader.flag()?,
        shown: read_shown(reader)?,
        inviter: read_shown(reader)?,
        invite_note: reader.optional_text()?,
        note: reader.optional_text()?,
        screen_name: read_screen_name(reader)?,
    })
}

/// Writes that an invitation was taken back.
pub(crate) fn write_cancelled(writer: &mut RecordWriter, cancelled: &InvitationCancelled) {
    write_shown(writer, &cancelled.shown);
    writer.text(&cancelled.invite_id);
    write_named(writer, &cancelled.named);
    write_occasion(writer, &cancelled.occasion);
    writer.optional_text(cancelled.note.as_deref());
}

/// Reads that an invitation was taken back.
pub(crate) fn read_cancelled(reader: &mut RecordReader<'_>) -> Result<InvitationCancelled, RecordError> {
    Ok(InvitationCancelled {
        shown: read_shown(reader)?,
        invite_id: reader.text()?.into(),
        named: read_named(reader)?,
        occasion: read_occasion(reader)?,
        note: reader.optional_text()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::presence::Attribute;

    fn user(name: &str) -> UserId {
        UserId::from_canonical(&format!("wv:{name}@x"))
    }

    fn kept() -> Kept {
        let group = GroupId::from_canonical("wv:/g@x");
        let invitation = Invitation {
            inviter: user("al"),
            shown: Shown::ScreenName(group, "Ali".into()),
            invite_id: "i1".into(),
            invite_type: InviteType::Content,
            named: Named { shown: Shown::User(user("bo")), with_group: false },
            occasion: Occasion {
                application_id: None,
                group_id: Some(Address::new("wv:/g@x")),
                attributes: Some([Attribute::StatusText].into_iter().collect()),
                urls: vec!["http://u".into()],
            },
            note: Some("look".into()),
            validity: 300,
        };
        Kept { invitation, invited: user("bo"), made: Timestamp(5), expires: Timestamp(300), notice: MessageId::new(7) }
    }

    #[test]
    fn golden_octets_of_an_invitation() {
        // StatusText is attribute 12.
        let golden = b"\x01\x07wv:bo@x\x05\xac\x02\x07\x07wv:al@x\x01\x07wv:/g@x\x03Ali\x02i1\x03\x00\x07wv:bo@x\x00\
            \x00\x01\x07wv:/g@x\x01\x80\x20\x01\x08http://u\x01\x04look\xac\x02";
        let kept = kept();
        assert_eq!(kept.to_record().escape_ascii().to_string(), golden.escape_ascii().to_string());
        assert_eq!(Kept::read(golden), Ok(kept));
        for length in 0..golden.len() {
            assert!(Kept::read(&golden[..length]).is_err());
        }
    }

    #[test]
    fn golden_octets_of_an_answer_and_a_cancellation() {
        let answer = InvitationAnswer {
            invite_id: "i1".into(),
            acceptance: true,
            shown: Shown::User(user("bo")),
            inviter: Shown::User(user("al")),
            invite_note: None,
            note: Some("ok".into()),
            screen_name: Some(ScreenName { name: "Bo".into(), group_id: Address::new("g") }),
        };
        let mut writer = RecordWriter::new(1);
        write_answer(&mut writer, &answer);
        let golden = b"\x01\x02i1\x01\x00\x07wv:bo@x\x00\x07wv:al@x\x00\x01\x02ok\x01\x02Bo\x01g";
        let record = writer.done();
        assert_eq!(record.escape_ascii().to_string(), golden.escape_ascii().to_string());
        let (mut reader, _) = RecordReader::new(&record, 1).unwrap();
        assert_eq!(read_answer(&mut reader), Ok(answer));
        let Invitation { shown, invite_id, named, occasion, .. } = kept().invitation;
        let cancelled = InvitationCancelled { shown, invite_id, named, occasion, note: None };
        let mut writer = RecordWriter::new(1);
        write_cancelled(&mut writer, &cancelled);
        let golden =
            b"\x01\x01\x07wv:/g@x\x03Ali\x02i1\x00\x07wv:bo@x\x00\x00\x01\x07wv:/g@x\x01\x80\x20\x01\x08http://u\x00";
        let record = writer.done();
        assert_eq!(record.escape_ascii().to_string(), golden.escape_ascii().to_string());
        let (mut reader, _) = RecordReader::new(&record, 1).unwrap();
        assert_eq!(read_cancelled(&mut reader), Ok(cancelled));
    }

    #[test]
    fn keys_are_taken_apart_again() {
        let (al, bo) = (user("al"), user("bo"));
        let one = key(&al, "i\0 1", &bo);
        assert_eq!(parts(&one), Some((al.clone(), "i\0 1".into(), bo.clone())));
        assert!(of_inviter(&al, None).contains(&one) && of_inviter(&al, Some("i\0 1")).contains(&one));
        assert!(!of_inviter(&al, Some("i")).contains(&one) && !of_inviter(&user("a"), None).contains(&one));
        let expiry = expiry_key(Timestamp(9), &al, "i\0 1", &bo);
        assert_eq!(expiry_parts(&expiry), Some((Timestamp(9), one)));
        assert!(expired_range(Timestamp(10)).contains(&expiry) && !expired_range(Timestamp(9)).contains(&expiry));
    }
}

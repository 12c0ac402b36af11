//! What the rows say of a message that went to another domain, and of one that came from there.

use imps_types::element::{Group, MessageInfo, Recipient, User};
use imps_types::{Address, Domain, UserId};

use super::keys::id_key;
use crate::error::Error;
use crate::event::Message;
use crate::im::Im;
use crate::im::queue::{read_info, write_info};
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::routing::Place;
use crate::seam::Space;

/// What a message from another domain is called there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::im) struct KnownAs {
    pub(in crate::im) domain: Domain,
    /// Its MessageID.
    pub(in crate::im) id: Box<str>,
    /// The transaction that brought it; since version 2.
    pub(in crate::im) transaction: Option<Box<str>>,
}

impl KnownAs {
    pub(super) fn to_record(&self) -> Vec<u8> {
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
pub(super) struct SentThere {
    pub(super) by: UserId,
    /// Recipient and Sender, as they were; since version 2.
    pub(super) info: Option<MessageInfo>,
}

impl SentThere {
    pub(super) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(2);
        writer.text(self.by.as_str());
        writer.option(self.info.as_ref(), write_info);
        writer.done()
    }

    pub(super) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, written) = RecordReader::new(record, 2)?;
        let by = UserId::from_canonical(reader.text()?);
        let info = if written >= 2 { reader.option(read_info)? } else { None };
        Ok(Self { by, info })
    }

    /// Whom of the recipients a report of `peer` is about, each as the message named him. None: somebody else too, or nobody.
    pub(super) fn about(&self, peer: &Domain, reported: &Recipient) -> Option<Vec<Recipient>> {
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

impl Im<'_> {
    /// What a message from elsewhere is called in the domain of its sender.
    pub(in crate::im) async fn known_abroad(&self, message: &Message) -> Option<KnownAs> {
        if matches!(self.router.place(&message.sender), Place::Here(_)) {
            return None;
        }
        // If the store does not answer, there is no report: nobody could say on what.
        self.known_as(message.id.sequence()).await.ok()?
    }

    pub(super) async fn known_as(&self, sequence: u64) -> Result<Option<KnownAs>, Error> {
        let row = self.store.get_one(Space::RelayedIds, id_key(sequence)).await?;
        Ok(row.map(|row| KnownAs::read(&row)).transpose()?)
    }
}

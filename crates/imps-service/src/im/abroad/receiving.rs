//! A message from another domain: it is taken once.

use std::time::Duration;

use bytes::Bytes;
use imps_types::element::{Group, Recipient, ResultInfo, ScreenName, Sender, User};
use imps_types::{Address, DateTime, GroupId, MessageId, Service, Status};
use md5::{Digest as _, Md5};

use super::keys::{TAKEN, expiry_key, id_key, taken_key};
use super::print::{check_id, hex, print_of, print_of_message};
use super::{FromAbroad, GRACE, KnownAs};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::group::is_screen_name;
use crate::im::addressees::{Addressees, Letter, named, named_client};
use crate::im::blocking::Origin;
use crate::im::delivery::Kind;
use crate::im::repeat::{read_result, write_result};
use crate::im::send::{Draft, OutgoingMessage, Posting, check};
use crate::im::{Im, Sent, Sequence};
use crate::record::{RecordReader, RecordWriter};
use crate::seam::{Batch, Key, Space};

/// A message from another domain that is being taken.
pub(in crate::im) struct Taking {
    pub(super) from: FromAbroad,
    /// What makes it the same as one that came before: its MessageID, the sender, the recipients and what it says.
    name: Box<str>,
    /// The name as it was before, without what it says.
    old_name: Option<Box<str>>,
    /// For how long one without a MessageID is known: its transaction has this ID for so long (SSP 7.3).
    window: Duration,
    /// What the transaction of this ID brought before that time, if it was the same: another message has its place now.
    outlived: Option<(u64, Bytes)>,
}

impl Taking {
    /// What is only given a name, by which it goes on.
    pub(super) fn to_name(from: FromAbroad, message: &OutgoingMessage, window: Duration) -> Self {
        // It has a space in front, no MessageID has; nor has what was taken this one.
        let name = hex(" name-".to_owned(), print_of_message(&from, message)).into_boxed_str();
        Self { from, name, old_name: None, window, outlived: None }
    }

    pub(super) fn new(from: FromAbroad, message: &OutgoingMessage, window: Duration) -> Result<Self, Error> {
        check_id(from.id.as_deref())?;
        let begin = match (&from.id, &from.transaction) {
            (Some(id), _) => format!("{id} is-"),
            // It has a space in front, no MessageID has.
            (None, Some(_)) => " transaction-".to_owned(),
            (None, None) => String::new(),
        };
        let name = hex(begin, print_of_message(&from, message)).into_boxed_str();
        // Some split a message among several transactions, and all of them have its ID (SSP 7.3).
        let old_name = from.id.as_ref().map(|id| {
            let sender: [u8; 16] = Md5::digest(from.sender.as_str()).into();
            let mut both = print_of(&message.info.recipient);
            both.iter_mut().zip(sender).for_each(|(one, other)| *one ^= other);
            hex(format!("{id} "), both).into_boxed_str()
        });
        Ok(Self { from, name, old_name, window, outlived: None })
    }

    /// Adds the rows by which the message is taken once, and reported on by the name that it has there.
    pub(in crate::im) fn put(
        &self,
        batch: &mut Batch,
        sequence: u64,
        result: &ResultInfo,
        (report, expires): (bool, Timestamp),
    ) {
        let Self { from: FromAbroad { peer, id, transaction, .. }, name, .. } = self;
        let end = match (id, transaction) {
            (Some(_), _) => expires.plus(GRACE),
            (None, Some(_)) => self.forgotten(sequence),
            (None, None) => return,
        };
        let mut writer = RecordWriter::new(1);
        writer.number(sequence);
        write_result(&mut writer, result);
        match &self.outlived {
            Some((before, row)) => {
                batch.if_equals(Space::Relayed, taken_key(peer, name), row.clone());
                batch.delete(Space::RelayExpiry, expiry_key(self.forgotten(*before), TAKEN, *before, peer, name));
            }
            None => {
                batch.if_absent(Space::Relayed, taken_key(peer, name));
            }
        }
        batch.put(Space::Relayed, taken_key(peer, name), writer.done());
        batch.put(Space::RelayExpiry, expiry_key(end, TAKEN, sequence, peer, name), Bytes::new());
        if let Some(id) = id.as_ref().filter(|_| report) {
            let known = KnownAs { domain: peer.clone(), id: id.clone(), transaction: transaction.clone() };
            batch.put(Space::RelayedIds, id_key(sequence), known.to_record());
        }
    }

    /// When a message of this number that has no MessageID is known no longer.
    fn forgotten(&self, sequence: u64) -> Timestamp {
        Sequence::time(sequence).plus(self.window)
    }
}

impl Im<'_> {
    /// A message comes from another domain. When this returns with an ID, it is committed. One that came before is
    /// answered, and not taken again.
    ///
    /// # Errors
    /// `BadParameter`, or the store's failure. What concerns single recipients is in the result.
    pub async fn receive(&self, from: FromAbroad, mut message: OutgoingMessage) -> Result<Sent, Error> {
        let mut taking = Taking::new(from, &message, self.config.repeat_window)?;
        if let Some(sent) = self.taken_before(&mut taking).await? {
            return Ok(sent);
        }
        let from = &taking.from;
        if message.content.data.len() > self.config.message_max {
            return Err(Error::BadParameter("the content is larger than this server takes"));
        }
        if message.info.recipient.is_empty() {
            return Err(Error::BadParameter("the message names no recipient"));
        }
        check(&message.info)?;
        let sender = self.sender_abroad(from, message.info.sender.as_ref());
        let spoken = self.spoken_in(&sender)?;
        let mut origin = Origin::of(&from.sender);
        let mut own_name = None;
        // Nobody here could have such a name.
        if spoken.as_ref().is_some_and(|(_, name)| !is_screen_name(name)) {
            return Err(Error::BadParameter("the ScreenName of the sender is none"));
        }
        if let Some((group, name)) = &spoken {
            origin = origin.in_group(group, name);
            own_name = self.take_name(&mut message.info.recipient, group);
        }
        let kind = Kind::new(&message.info, &message.content.data, message.content.binary);
        let mut addressees = self.our_users(Letter { origin: &origin, kind }, &message.info.recipient).await?;
        if let Some((group, _)) = &spoken {
            self.only_joined(&mut addressees, group, own_name);
        }
        let refusals = std::mem::take(&mut addressees.refusals);
        self.metrics.messages_refused.add(refusals.count() as u64);
        if addressees.is_empty() {
            return Ok(Sent { id: None, result: ResultInfo::partial(false, refusals.done()) });
        }
        let result = ResultInfo::partial(true, refusals.done());
        // A report needs a name by which the other domain knows the message.
        let delivery_report = message.delivery_report && from.id.is_some();
        let message = OutgoingMessage { delivery_report, ..message };
        let draft = self.draft(message, sender);
        match self.post_taken(&taking, draft, (&addressees, &result)).await {
            Ok(id) => Ok(Sent { id: Some(id), result }),
            // It came twice at once.
            Err(Error::UnknownMessage) => self.taken_before(&mut taking).await?.ok_or(Error::UnknownMessage),
            Err(error) => Err(error),
        }
    }

    /// A message as it is kept here. Its own domain has dated it, and it may have waited there since: that time stands, unless
    /// it is to come, or longer ago than anything waits.
    pub(super) fn draft(&self, message: OutgoingMessage, sender: Sender) -> Draft {
        let (validity, now) = ((self.config.validity_default, self.config.validity_max), self.clock.now());
        let may_be = |at: &DateTime| {
            let ago = now.seconds().checked_sub(at.to_unix());
            ago.is_some_and(|ago| ago <= validity.1.as_secs())
        };
        let dated = message.info.date_time.filter(may_be);
        Draft::new(message, sender, now, validity).dated(dated)
    }

    /// Commits a message that is being taken.
    pub(super) async fn post_taken(
        &self,
        taking: &Taking,
        draft: Draft,
        (addressees, result): (&Addressees, &ResultInfo),
    ) -> Result<MessageId, Error> {
        let posting = Posting {
            by: &taking.from.sender,
            draft,
            addressees,
            once: None,
            from: Some(taking),
            result,
            reports: Vec::new(),
            replaces: None,
        };
        self.post(posting, None).await
    }

    /// The group of another domain in which a message was said, and by whom.
    fn spoken_in(&self, sender: &Sender) -> Result<Option<(GroupId, Box<str>)>, Error> {
        let Sender::Group(group) = sender else { return Ok(None) };
        let (address, name) = match group {
            Group::Id(id) => (id, ""),
            Group::ScreenName(name) => (&name.group_id, &*name.name),
        };
        Ok(Some((self.router.group(address)?, name.into())))
    }

    /// By which name somebody is spoken to in a group of another domain, if what is said there is for him alone.
    fn take_name(&self, recipient: &mut Recipient, group: &GroupId) -> Option<Box<str>> {
        let is_there = |one: &Group| matches!(one, Group::ScreenName(name) if self.router.group(&name.group_id).is_ok_and(|there| there == *group));
        let at = recipient.groups.iter().position(is_there).filter(|_| !recipient.users.is_empty())?;
        match recipient.groups.remove(at) {
            Group::ScreenName(name) => Some(name.name),
            Group::Id(_) => None,
        }
    }

    /// What is said in a group is for those who have joined it, and shown as said to the group; or to him who has this name
    /// there.
    fn only_joined(&self, all: &mut Addressees, group: &GroupId, own_name: Option<Box<str>>) {
        let not_joined: Vec<Address> = {
            let (joined, others): (Vec<_>, Vec<_>) = std::mem::take(&mut all.found)
                .into_iter()
                .partition(|one| self.group().is_joined_abroad(&one.state.id, group));
            all.found = joined;
            others.iter().map(|one| Address::from(&one.state.id)).collect()
        };
        for user in &not_joined {
            all.refusals.user(Status::GROUP_IS_NOT_JOINED, user);
        }
        let group_id = Address::from(group);
        let shown = match own_name {
            Some(name) => Group::ScreenName(ScreenName { name, group_id }),
            None => Group::Id(group_id),
        };
        for one in &mut all.found {
            one.recipient = Recipient { groups: vec![shown.clone()], ..Recipient::default() };
        }
    }

    /// What a message was answered that came before.
    pub(super) async fn taken_before(&self, taking: &mut Taking) -> Result<Option<Sent>, Error> {
        let sent = self.known_before(taking).await?;
        if sent.is_some() {
            self.metrics.messages_repeated.up();
        }
        Ok(sent)
    }

    pub(super) async fn known_before(&self, taking: &mut Taking) -> Result<Option<Sent>, Error> {
        let Taking { from: FromAbroad { peer, id, transaction, .. }, name, old_name, .. } = &*taking;
        if id.is_none() && transaction.is_none() {
            return Ok(None);
        }
        let names = [Some(name), old_name.as_ref()].into_iter().flatten();
        let keys: Vec<Key> = names.map(|name| taken_key(peer, name)).collect();
        let mut rows = self.store.get(Space::Relayed, &keys).await?.into_iter();
        let (row, old) = (rows.next().flatten(), rows.next().flatten());
        let is_old = row.is_none();
        let Some(row) = row.or(old) else { return Ok(None) };
        let (mut reader, _) = RecordReader::new(&row, 1)?;
        let sequence = reader.number()?;
        let result = read_result(&mut reader)?;
        // By its old name it may be another one, which says something else: only what is tried again soon is the same.
        if (is_old || id.is_none()) && taking.forgotten(sequence) <= self.clock.now() {
            if !is_old {
                taking.outlived = Some((sequence, row.clone()));
            }
            return Ok(None);
        }
        Ok(Some(Sent { id: Some(MessageId::new(sequence)), result }))
    }

    /// The sender as recipients see him: by his address in full.
    pub(super) fn sender_abroad(&self, from: &FromAbroad, sender: Option<&Sender>) -> Sender {
        let own = User::of(&from.sender);
        match sender {
            Some(Sender::User(user)) => Sender::User(User {
                client_id: named_client(user),
                application_id: user.application_id.clone().filter(|application| !application.is_empty()),
                friendly_name: user.friendly_name.clone(),
                ..own
            }),
            Some(Sender::Group(group)) => Sender::Group(group.clone()),
            None => Sender::User(own),
        }
    }

    /// The users of ours among the recipients of a message from elsewhere.
    async fn our_users(&self, letter: Letter<'_>, recipient: &Recipient) -> Result<Addressees, Error> {
        let mut all = Addressees::default();
        if recipient.users.len() + recipient.groups.len() > self.config.recipients_max {
            return Err(Error::BadParameter("the message names more recipients than this server takes"));
        }
        for user in &recipient.users {
            match self.router.kept_user(&user.user_id, Service::Im).or_else(|_| self.router.local_user(&user.user_id)) {
                Ok(id) => {
                    let shown = User { user_id: Address::from(&id), ..named(user) };
                    self.add(&mut all, letter, shown, id, &user.user_id).await?;
                }
                Err(error) => all.refusals.user(error.status(), &user.user_id),
            }
        }
        for group in &recipient.groups {
            // Who speaks in a group here does so as a guest who has joined it.
            let not_joined = all.refusals.of(Status::GROUP_IS_NOT_JOINED);
            match group {
                Group::Id(id) => not_joined.group_ids.push(id.clone()),
                Group::ScreenName(name) => not_joined.screen_names.push(name.clone()),
            }
        }
        Ok(all)
    }
}

//! What became of a message, told from domain to domain.

use bytes::Bytes;
use imps_types::element::{Group, MessageInfo, Recipient, ScreenName, Sender, User};
use imps_types::{Domain, MessageId, Status};

use super::keys::{TAKEN, WAITING, expiry_key, id_key, relay_key, reported_key, sent_key, taken_key, told_key};
use super::print::{check_id, report_name};
use super::records::SentThere;
use super::{Abroad, KnownAs};
use crate::error::Error;
use crate::event::Report;
use crate::im::Im;
use crate::im::queue::report_record;
use crate::im::report::NewReport;
use crate::im::send::check;
use crate::seam::{Batch, Key, Space, StoreError};

/// Adds the rows of a report for a user of another domain.
pub(in crate::im) fn put_report(batch: &mut Batch, known: &KnownAs, sequence: u64, report: &Report) {
    let domain = &known.domain;
    if known.transaction.is_some() {
        // The report's own number leads to it, until the report has gone.
        batch.put(Space::RelayedIds, id_key(sequence), known.to_record());
    }
    let whose = report.recipient.as_str();
    batch.put(Space::Relay, relay_key(domain, sequence, whose), report_record(report));
    batch.put(Space::RelayExpiry, expiry_key(report.expires, WAITING, sequence, domain, whose), Bytes::new());
}

impl Im<'_> {
    /// The transaction that brought the message which a report that waits is about.
    ///
    /// # Errors
    /// The store's failure, or a damaged row.
    pub async fn transaction_of_report(&self, it: &Abroad) -> Result<Option<Box<str>>, Error> {
        Ok(self.known_as(it.sequence).await?.and_then(|known| known.transaction))
    }

    /// Another domain says what became of a message from here.
    ///
    /// # Errors
    /// `UnknownMessage` when no such message went there, not to these, or nobody wants to know of it; `QueueFull`; or the
    /// store's failure.
    pub async fn reported(&self, peer: &Domain, info: MessageInfo, outcome: Status) -> Result<(), Error> {
        let id = info.message_id.as_deref().and_then(MessageId::parse).ok_or(Error::UnknownMessage)?;
        let row = self.store.get_one(Space::RelaySent, sent_key(id.sequence(), peer)).await?;
        let row = row.ok_or(Error::UnknownMessage)?;
        let sent = SentThere::read(&row)?;
        check(&info)?;
        let about = sent.about(peer, &info.recipient).ok_or(Error::UnknownMessage)?;
        // It may be told again, when the peer did not see our answer; and what was told of somebody is the end of it.
        let mut told: Vec<Key> = about.iter().map(|one| told_key(id.sequence(), peer, one)).collect();
        told.push(reported_key(id.sequence(), peer, outcome, &info.recipient));
        let mut before = self.store.get(Space::RelaySent, &told).await?;
        let mut batch = Batch::new();
        let mut recipient = Recipient::default();
        let was_told = before.pop().flatten().is_some();
        for ((one, key), _) in about.into_iter().zip(told).zip(before).filter(|(_, row)| row.is_none() && !was_told) {
            recipient.users.extend(one.users);
            recipient.groups.extend(one.groups);
            batch.if_absent(Space::RelaySent, key.clone());
            batch.put(Space::RelaySent, key, Bytes::new());
        }
        if batch.is_empty() {
            return Ok(());
        }
        // Of a message that came from elsewhere and was held here, it is told by the name that it has there.
        let known = self.known_as(id.sequence()).await?;
        let is_full = match &known {
            Some(known) => self.is_full_of(&known.domain, 0).await?,
            None => match self.user(&sent.by).await {
                Ok(user) => self.is_full(&user, 0).await?,
                Err(Error::UnknownUser) => false,
                Err(error) => return Err(error),
            },
        };
        if is_full {
            return Err(Error::QueueFull);
        }
        let sender = sent.info.and_then(|info| info.sender).unwrap_or_else(|| Sender::User(User::of(&sent.by)));
        let message_id = known.as_ref().map(|known| known.id.clone()).or(info.message_id);
        let info = MessageInfo { message_id, recipient, sender: Some(sender), ..info };
        let mut report = self.new_report(&sent.by, info, outcome);
        report.abroad = known;
        self.commit_report(report, batch).await
    }

    /// The domain that keeps a group, or (`is_provider`) our users' messages, says what became of what one of them sent there.
    /// It may say so again, when it did not see our answer.
    ///
    /// # Errors
    /// `UnknownMessage` when it is about no group of that domain that a user of ours has joined, and nothing that he said there
    /// before; `QueueFull`; or the store's failure.
    pub async fn reported_there(
        &self,
        peer: &Domain,
        is_provider: bool,
        info: MessageInfo,
        outcome: Status,
    ) -> Result<(), Error> {
        let Some(Sender::User(user)) = &info.sender else { return Err(Error::UnknownMessage) };
        let sender = self.router.local_user(&user.user_id).map_err(|_| Error::UnknownMessage)?;
        let is_where_he_is = |group: &Group| {
            let (Group::Id(address) | Group::ScreenName(ScreenName { group_id: address, .. })) = group;
            let group = self.router.group(address).ok().filter(|group| group.domain() == peer.as_str());
            group.is_some_and(|group| self.group().is_joined_abroad(&sender, &group))
        };
        let is_on_group = info.recipient.users.is_empty();
        let is_of_group = is_on_group && info.recipient.groups.iter().any(is_where_he_is);
        // He may have left since.
        let is_his = is_provider || is_of_group || (is_on_group && self.was_said_there(peer, &sender, &info).await?);
        if !is_his || !self.user_exists(&sender).await? {
            return Err(Error::UnknownMessage);
        }
        check(&info)?;
        check_id(info.message_id.as_deref())?;
        if self.is_full(&*self.user(&sender).await?, 0).await? {
            return Err(Error::QueueFull);
        }
        let name = report_name(&info, &sender, outcome);
        let report = self.new_report(&sender, info, outcome);
        let mut batch = Batch::new();
        if let Some(name) = &name {
            batch.if_absent(Space::Relayed, taken_key(peer, name));
            batch.put(Space::Relayed, taken_key(peer, name), Bytes::new());
            let end = self.clock.now().plus(self.config.validity_default);
            batch.put(Space::RelayExpiry, expiry_key(end, TAKEN, 0, peer, name), Bytes::new());
        }
        self.commit_report(report, batch).await
    }
    /// Commits what one domain tells. When somebody else did so meanwhile, that is well too.
    async fn commit_report(&self, mut report: NewReport, mut batch: Batch) -> Result<(), Error> {
        let commit = self.sequence.next(self.clock.now(), |next| {
            report.put(&mut batch, next, None);
            self.store.commit(batch)
        });
        match commit.await {
            Ok(_) => self.offer_reports([report]),
            Err(StoreError::Condition) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

//! A message that is on its way through this domain and waits here, since who is to have it cannot be reached.

use imps_types::element::ResultInfo;
use imps_types::{Domain, MessageId, Status};

use super::receiving::Taking;
use super::{Abroad, AbroadWhat, FromAbroad, ToDomain};
use crate::error::Error;
use crate::im::addressees::Addressees;
use crate::im::send::{OutgoingMessage, check};
use crate::im::{Im, Sent};
use crate::seam::{Batch, StoreError};

impl Im<'_> {
    /// The MessageID of a message that comes without one and is on its way through this domain. When this returns it is
    /// committed: for as long as its transaction is known, it is the same however often that comes.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn name_on_the_way(&self, from: FromAbroad, message: &OutgoingMessage) -> Result<MessageId, Error> {
        let mut taking = Taking::to_name(from, message, self.config.repeat_window);
        if let Some(id) = self.known_before(&mut taking).await?.and_then(|it| it.id) {
            return Ok(id);
        }
        let (now, result, mut batch) = (self.clock.now(), ResultInfo::of(Status::SUCCESSFUL), Batch::new());
        let (sequence, commit) = self.sequence.next(now, |next| {
            let sequence = next();
            taking.put(&mut batch, sequence, &result, (false, now));
            (sequence, self.store.commit(batch))
        });
        match commit.await {
            Ok(()) => Ok(MessageId::new(sequence)),
            // It came twice at once.
            Err(StoreError::Condition) => {
                self.known_before(&mut taking).await?.and_then(|it| it.id).ok_or(Error::UnknownMessage)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A message for users of ours whose messages another domain keeps, that could not be passed on to it: it waits here, and
    /// goes to `provider` when that can be reached. When this returns, it is committed.
    ///
    /// # Errors
    /// `BadParameter`, `Undeliverable` when too much waits for it, or the store's failure.
    pub async fn hold(&self, from: FromAbroad, message: OutgoingMessage, provider: &Domain) -> Result<Sent, Error> {
        let mut taking = Taking::new(from, &message, self.config.repeat_window)?;
        if let Some(sent) = self.taken_before(&mut taking).await? {
            return Ok(sent);
        }
        check(&message.info)?;
        let size = message.content.data.len();
        if size > self.config.message_max || self.is_full_of(provider, size).await? {
            return Err(Error::Undeliverable);
        }
        let sender = self.sender_abroad(&taking.from, message.info.sender.as_ref());
        let to = ToDomain { domain: provider.clone(), recipient: message.info.recipient.clone() };
        let addressees = Addressees { abroad: vec![to], ..Addressees::default() };
        let result = ResultInfo::of(Status::SUCCESSFUL);
        // Another attempt may have reached them after all: by the same name they can tell.
        let draft = self.draft(message, sender).called(taking.from.id.clone());
        let id = self.post_taken(&taking, draft, (&addressees, &result)).await?;
        Ok(Sent { id: Some(id), result })
    }

    /// What a message that was held here for another domain is called in that of its sender, if he wants to know what becomes
    /// of it: by that name it goes on. What an earlier version held has no other.
    ///
    /// # Errors
    /// The store's failure, or a damaged row.
    pub async fn name_of_held(&self, it: &Abroad) -> Result<Option<Box<str>>, Error> {
        match &it.what {
            AbroadWhat::Message(message) => Ok(self.known_abroad(message).await.map(|known| known.id)),
            AbroadWhat::Report(_) => Ok(None),
        }
    }
}

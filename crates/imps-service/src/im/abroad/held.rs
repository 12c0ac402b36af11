//! A message that is on its way through this domain and waits here, since who is to have it cannot be reached.

use imps_types::element::ResultInfo;
use imps_types::{Domain, Status};

use super::receiving::Taking;
use super::{Abroad, AbroadWhat, FromAbroad, ToDomain};
use crate::error::Error;
use crate::im::addressees::Addressees;
use crate::im::send::{OutgoingMessage, check};
use crate::im::{Im, Sent};

impl Im<'_> {
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
        let id = self.post_taken(&taking, message, sender, (&addressees, &result)).await?;
        Ok(Sent { id: Some(id), result })
    }

    /// What a message that was held here for another domain is called in that of its sender, if he wants to know what becomes
    /// of it: by that name it goes on.
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

//! ForwardMessage: a message that waits is sent on, seen or unseen (CSP 12.4).
//!
//! The new message, the end of the old one, and the report on it are one commit: whatever happens, there is one of the two.

use std::sync::Arc;

use imps_types::element::{Recipient, ResultInfo, Sender};
use imps_types::{GroupId, MessageId, Status};

use super::addressees::Letter;
use super::delivery::Kind;
use super::queue::index_key;
use super::send::{Begun, Draft, Posting, Replaced, check_people};
use super::{Im, Once, Sent};
use crate::error::Error;
use crate::seam::Space;
use crate::session::Session;

/// What a *ForwardMessage-Request* asks for.
#[derive(Clone, Debug)]
pub struct Forward {
    /// The message that waits, as the client names it.
    pub message_id: Box<str>,
    /// Who gets it.
    pub recipient: Recipient,
    /// As whom the user forwards it, 1.3.
    pub sender: Option<Sender>,
}

impl Im<'_> {
    /// Sends a message that waits for this user to others, under a new ID and in the user's name. The original is gone
    /// then, and its sender is told so (541). A message that nobody gets waits on.
    ///
    /// # Errors
    /// `UnknownMessage`, `NotYourself`, `BadParameter`, or the store's failure. What concerns single recipients is in the
    /// result.
    pub async fn forward(&self, session: &Arc<Session>, forward: Forward, once: Option<Once>) -> Result<Sent, Error> {
        let under_way = match self.begin(session, once.as_ref()).await? {
            Begun::Before(sent) => return Ok(sent),
            Begun::Now(under_way) => under_way,
        };
        let sent = self.forward_new(session, forward, once.as_ref()).await?;
        under_way.finish(&sent);
        Ok(sent)
    }

    async fn forward_new(&self, session: &Arc<Session>, forward: Forward, once: Option<&Once>) -> Result<Sent, Error> {
        let user = &session.user.id;
        let id = MessageId::parse(&forward.message_id).ok_or(Error::UnknownMessage)?;
        let original = self.find(session, id).await?;
        if forward.recipient.is_empty() {
            return Err(Error::BadParameter("the request names no recipient"));
        }
        check_people(forward.sender.as_ref(), &forward.recipient)?;
        let (sender, origin) = self.sender(session, forward.sender.as_ref())?;
        let letter = Letter { origin: &origin, kind: Kind::of(&original) };
        let mut addressees = self.addressees(session, letter, &forward.recipient).await?;
        let refusals = std::mem::take(&mut addressees.refusals);
        self.metrics.messages_refused.add(refusals.count() as u64);
        if addressees.is_empty() {
            if refusals.is_empty() {
                return Err(Error::BadParameter("nobody is on the contact list"));
            }
            return Ok(Sent { id: None, result: ResultInfo::partial(false, refusals.done()) });
        }
        let sequence = id.sequence();
        let row = self.store.get_one(Space::MessageIndex, index_key(user, sequence)).await?;
        let row = row.ok_or(Error::UnknownMessage)?;
        let report = self.report_on(&original, Status::MESSAGE_HAS_BEEN_FORWARDED).await;
        let result = ResultInfo::partial(true, refusals.done());
        let posting = Posting {
            by: user,
            draft: Draft::of_forwarded(&original, sender, self.clock.now()),
            addressees: &addressees,
            once: once.map(|once| (&session.id, once)),
            from: None,
            result: &result,
            reports: report.into_iter().collect(),
            replaces: Some(Replaced { message: &original, row }),
        };
        let id = self.post(posting, None).await?;
        self.metrics.messages_forwarded.up();
        self.one_less(user, original.info.content_size.into());
        self.withdraw_everywhere(user, sequence).await;
        if original.is_to_group()
            && let Some(group) = original.group()
        {
            self.group_message_served(sequence, &GroupId::from_canonical(group), original.expires).await;
        }
        if original.shared {
            self.drop_shared(sequence, original.expires).await;
        }
        Ok(Sent { id: Some(id), result })
    }
}

//! SendMessage: who gets it, the commit, and then the offer (CSP 12.1).

use std::sync::Arc;
use std::time::Duration;

use imps_types::MessageId;
use imps_types::element::{Content, ContentEncoding, MessageInfo, Recipient, ResultInfo, Sender, User};

use super::addressees::{Addressee, Addressees, named_client};
use super::blocking::Origin;
use super::queue::{Records, put_shared};
use super::repeat::{Known, UnderWay, put_repeat, repeat_record};
use super::{Im, Once, Sent};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::Message;
use crate::seam::{Batch, StoreError};
use crate::session::Session;

/// Content that is larger is stored once for all recipients of a message.
const SHARED_FROM: usize = 1024;
/// How often, and at which interval, a repeat looks whether the first copy is done.
const REPEAT_LOOKS: u32 = 500;
const REPEAT_INTERVAL: Duration = Duration::from_millis(20);

/// A message as its sender gives it.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    /// Recipient, Sender, type, validity: as written.
    pub info: MessageInfo,
    /// What it consists of.
    pub content: Content,
    /// Whether the sender wants to know what becomes of it.
    pub delivery_report: bool,
}

impl Im<'_> {
    /// Accepts a message: when this returns with an ID, it is committed. A request that equals one of the last is answered
    /// like that one and not carried out again.
    ///
    /// # Errors
    /// `NotYourself`, `BadParameter`, `UnknownGroup`, or the store's failure. What concerns single recipients is in the
    /// result.
    pub async fn send(
        &self,
        session: &Arc<Session>,
        message: OutgoingMessage,
        once: Option<Once>,
    ) -> Result<Sent, Error> {
        if let Some(once) = &once
            && let Some(sent) = self.repeated(session, once).await?
        {
            self.metrics.messages_repeated.up();
            return Ok(sent);
        }
        let under_way = UnderWay::new(session, once.as_ref());
        let sent = self.send_new(session, message, once.as_ref()).await?;
        under_way.finish(&sent);
        Ok(sent)
    }

    /// What the first copy of this request was answered, once it was.
    async fn repeated(&self, session: &Session, once: &Once) -> Result<Option<Sent>, Error> {
        for _ in 0..REPEAT_LOOKS {
            let known = session.sent.lock().begin(once, self.clock.now(), self.config.repeat_window);
            match known {
                Known::New => return Ok(None),
                Known::Done(sent) => return Ok(Some(sent)),
                Known::UnderWay => tokio::time::sleep(REPEAT_INTERVAL).await,
            }
        }
        Err(Error::Store(StoreError::Busy))
    }

    async fn send_new(
        &self,
        session: &Arc<Session>,
        message: OutgoingMessage,
        once: Option<&Once>,
    ) -> Result<Sent, Error> {
        if message.content.data.len() > self.config.message_max {
            return Err(Error::BadParameter("the content is larger than this server takes"));
        }
        if message.info.recipient.is_empty() {
            return Err(Error::BadParameter("the message names no recipient"));
        }
        let sender = self.sender(session, message.info.sender.as_ref())?;
        let origin = Origin::of(&session.user.id);
        let Addressees { found: addressees, refusals } =
            self.addressees(session, &origin, &message.info.recipient).await?;
        self.metrics.messages_refused.add(refusals.count() as u64);
        if addressees.is_empty() {
            if refusals.is_empty() {
                return Err(Error::BadParameter("nobody is on the contact list"));
            }
            return Ok(Sent { id: None, result: ResultInfo::partial(false, refusals.done()) });
        }
        let result = ResultInfo::partial(true, refusals.done());
        let id = self.commit(session, message, sender, &addressees, once, &result).await?;
        Ok(Sent { id: Some(id), result })
    }

    /// Commits the message for each addressee, and then offers it.
    async fn commit(
        &self,
        session: &Session,
        message: OutgoingMessage,
        sender: User,
        addressees: &[Addressee],
        once: Option<&Once>,
        result: &ResultInfo,
    ) -> Result<MessageId, Error> {
        let now = self.clock.now();
        let OutgoingMessage { info, content, delivery_report: report } = message;
        let shared = addressees.len() > 1 && content.data.len() > SHARED_FROM;
        let mut template = self.template(info, &content, sender, now);
        let expires = now.plus(Duration::from_secs(template.validity.unwrap_or_default().into()));
        // Everything that does not depend on the number is made before the number is taken: others wait for the next one.
        let mut messages = Vec::with_capacity(addressees.len());
        let mut records = Vec::with_capacity(addressees.len());
        for (index, addressee) in addressees.iter().enumerate() {
            let is_last = index + 1 == addressees.len();
            let base = if is_last { std::mem::take(&mut template) } else { template.clone() };
            let message = Message {
                id: MessageId::new(0),
                sender: session.user.id.clone(),
                // The others are nobody's business (CSP 12.1).
                info: MessageInfo { recipient: Recipient::user(addressee.user.clone()), ..base },
                content: content.data.clone(),
                binary: content.binary,
                shared,
                report,
                expires,
            };
            records.push(Records::of_message(&message));
            messages.push(message);
        }
        let repeat = once.map(|once| repeat_record(&session.id, once, result));
        let mut batch = Batch::new();
        let (sequence, commit) = self.sequence.next(now, |next| {
            let sequence = next();
            if shared {
                put_shared(&mut batch, sequence, &content.data, expires);
            }
            for (addressee, records) in addressees.iter().zip(records) {
                records.put(&mut batch, sequence, &addressee.state.id, expires);
            }
            if let Some(repeat) = repeat {
                put_repeat(&mut batch, sequence, repeat);
            }
            (sequence, self.store.commit(batch))
        });
        match commit.await {
            Ok(()) => {}
            // It may have happened, and then the next try would be a second message.
            Err(StoreError::Unknown) if self.is_any_stored(addressees, sequence).await? => {}
            Err(error) => return Err(error.into()),
        }
        self.metrics.messages_accepted.add(messages.len() as u64);
        let id = MessageId::new(sequence);
        let text = id.to_string();
        for (addressee, mut message) in addressees.iter().zip(messages) {
            message.id = id;
            message.info.message_id = Some(text.as_str().into());
            self.offer(&addressee.state, Arc::new(message));
        }
        Ok(id)
    }

    /// Whether the batch of this number was committed: all of it was, if anything was.
    async fn is_any_stored(&self, addressees: &[Addressee], sequence: u64) -> Result<bool, Error> {
        match addressees.first() {
            Some(first) => self.is_stored(&first.state.id, sequence).await,
            None => Ok(false),
        }
    }

    /// The sender as recipients see him; it must be the session's own user (CSP 12.1).
    fn sender(&self, session: &Session, sender: Option<&Sender>) -> Result<User, Error> {
        let own = User::of(&session.user.id);
        match sender {
            None => Ok(own),
            Some(Sender::User(user)) => {
                let is_own_user = self.router.user(&user.user_id).is_ok_and(|user| user == session.user.id);
                let client_id = named_client(user);
                if !is_own_user || client_id.as_ref().is_some_and(|client| *client != session.client) {
                    return Err(Error::NotYourself);
                }
                Ok(User { client_id, friendly_name: user.friendly_name.clone(), ..own })
            }
            Some(Sender::Group(_)) => Err(Error::UnknownGroup),
        }
    }

    /// What all recipients are told alike; the MessageID is not known yet.
    fn template(&self, info: MessageInfo, content: &Content, sender: User, now: Timestamp) -> MessageInfo {
        let most = u32::try_from(self.config.validity_max.as_secs()).unwrap_or(u32::MAX);
        let default = u32::try_from(self.config.validity_default.as_secs()).unwrap_or(u32::MAX);
        MessageInfo {
            message_id: None,
            content_encoding: content.binary.then_some(ContentEncoding::Base64),
            content_size: u32::try_from(content.data.len()).unwrap_or(u32::MAX),
            recipient: Recipient::default(),
            sender: Some(Sender::User(sender)),
            // Senders' clocks are not to be trusted (Encoding 1.5).
            date_time: Some(now.date_time()),
            validity: Some(info.validity.filter(|seconds| *seconds > 0).unwrap_or(default).min(most)),
            ..info
        }
    }
}

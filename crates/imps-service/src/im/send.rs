//! SendMessage: who gets it, the commit, and then the offer (CSP 12.1).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use imps_types::element::{
    Content, ContentEncoding, DetailedResult, Group, MessageInfo, Recipient, ResultInfo, Sender, User,
};
use imps_types::{Address, MessageId, Status, UserId};

use super::queue::{index_range, put_message, put_shared};
use super::repeat::{Known, UnderWay, put_repeat};
use super::{Im, Once, Sent};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::Message;
use crate::seam::{Batch, Order, Space};
use crate::session::Session;
use crate::user::UserState;

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

/// Somebody who gets the message.
struct Addressee {
    state: Arc<UserState>,
    user: User,
}

/// Failures, gathered by code.
#[derive(Default)]
struct Refusals(Vec<DetailedResult>);

impl Refusals {
    fn of(&mut self, status: Status) -> &mut DetailedResult {
        if let Some(index) = self.0.iter().position(|one| one.status == status) {
            return &mut self.0[index];
        }
        self.0.push(DetailedResult::of(status));
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    fn count(&self) -> usize {
        let of = |one: &DetailedResult| {
            one.user_ids.len() + one.group_ids.len() + one.screen_names.len() + one.contact_lists.len()
        };
        self.0.iter().map(of).sum()
    }
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
        Err(Error::Store(crate::seam::StoreError::Busy))
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
        let mut refusals = Refusals::default();
        let addressees = self.addressees(session, &message.info.recipient, &mut refusals).await?;
        self.metrics.messages_refused.add(refusals.count() as u64);
        if addressees.is_empty() {
            return Ok(Sent { id: None, result: ResultInfo::partial(false, refusals.0) });
        }
        let result = ResultInfo::partial(true, refusals.0);
        let now = self.clock.now();
        let template = self.template(message.info, &message.content, sender, now);
        let (batch_commit, messages) = self.sequence.next(now, |next| {
            let sequence = next();
            let mut batch = Batch::new();
            let shared = addressees.len() > 1 && message.content.data.len() > SHARED_FROM;
            if shared {
                put_shared(&mut batch, sequence, &message.content.data);
            }
            let mut messages = Vec::with_capacity(addressees.len());
            for addressee in &addressees {
                let message = self.message_for(
                    sequence,
                    addressee,
                    session,
                    &template,
                    &message.content,
                    message.delivery_report,
                    now,
                );
                put_message(&mut batch, &message, shared);
                messages.push(message);
            }
            if let Some(once) = once {
                put_repeat(&mut batch, &session.id, once, sequence, &result);
            }
            (self.store.commit(batch), messages)
        });
        batch_commit.await?;
        self.metrics.messages_accepted.add(messages.len() as u64);
        let id = messages.first().map(|message| message.id);
        for (addressee, message) in addressees.iter().zip(messages) {
            if let Some(waiting) = &mut addressee.state.lock().waiting {
                *waiting += 1;
            }
            self.offer(&addressee.state, Arc::new(message));
        }
        Ok(Sent { id, result })
    }

    /// The sender as recipients see him; it must be the session's own user (CSP 12.1).
    fn sender(&self, session: &Session, sender: Option<&Sender>) -> Result<User, Error> {
        let own = User::of(&session.user.id);
        match sender {
            None => Ok(own),
            Some(Sender::User(user)) => {
                let is_own_user = self.router.user(&user.user_id).is_ok_and(|user| user == session.user.id);
                let is_own_client = user.client_id.as_ref().is_none_or(|client| *client == session.client);
                if !is_own_user || !is_own_client {
                    return Err(Error::NotYourself);
                }
                Ok(User { client_id: user.client_id.clone(), friendly_name: user.friendly_name.clone(), ..own })
            }
            Some(Sender::Group(_)) => Err(Error::UnknownGroup),
        }
    }

    /// Turns recipients into users, each once; lists into their members.
    async fn addressees(
        &self,
        session: &Session,
        recipient: &Recipient,
        refusals: &mut Refusals,
    ) -> Result<Vec<Addressee>, Error> {
        let mut addressees: Vec<Addressee> = Vec::with_capacity(1);
        for user in &recipient.users {
            match self.router.local_user(&user.user_id) {
                Ok(id) => self.add(&mut addressees, id, user.client_id.clone(), refusals).await?,
                Err(error) => refusals.of(error.status()).user_ids.push(user.user_id.clone()),
            }
        }
        for list in &recipient.contact_lists {
            let id = self.router.list(list).ok();
            match id.and_then(|id| self.presence().members(&session.user, &id)) {
                Some(members) => {
                    for member in members {
                        if member.domain() == self.config.domain.as_str() {
                            self.add(&mut addressees, member, None, refusals).await?;
                        } else {
                            refusals.of(Status::DOMAIN_NOT_SUPPORTED).user_ids.push(Address::from(&member));
                        }
                    }
                }
                None => refusals.of(Status::UNKNOWN_CONTACT_LIST).contact_lists.push(list.clone()),
            }
        }
        for group in &recipient.groups {
            match group {
                Group::Id(id) => refusals.of(Status::GROUP_DOES_NOT_EXIST).group_ids.push(id.clone()),
                Group::ScreenName(name) => {
                    refusals.of(Status::GROUP_DOES_NOT_EXIST).screen_names.push(name.clone());
                }
            }
        }
        Ok(addressees)
    }

    async fn add(
        &self,
        addressees: &mut Vec<Addressee>,
        id: UserId,
        client_id: Option<imps_types::ClientId>,
        refusals: &mut Refusals,
    ) -> Result<(), Error> {
        let same = |one: &Addressee| one.state.id == id;
        if let Some(known) = addressees.iter_mut().find(|one| same(one)) {
            if known.user.client_id != client_id {
                // Named twice with different clients: all of them get it.
                known.user.client_id = None;
            }
            return Ok(());
        }
        if addressees.len() >= self.config.recipients_max {
            return Err(Error::BadParameter("the message has more recipients than this server takes"));
        }
        let state = match self.user(&id).await {
            Ok(state) => state,
            Err(Error::UnknownUser) => {
                refusals.of(Status::UNKNOWN_USER).user_ids.push(Address::from(&id));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if self.waiting(&state).await? >= self.config.queue_max {
            refusals.of(Status::MESSAGE_QUEUE_IS_FULL).user_ids.push(Address::from(&id));
            return Ok(());
        }
        let user = User { client_id, ..User::of(&id) };
        addressees.push(Addressee { state, user });
        Ok(())
    }

    /// How much waits for a user.
    pub(super) async fn waiting(&self, user: &UserState) -> Result<u64, Error> {
        if let Some(waiting) = user.lock().waiting {
            return Ok(waiting);
        }
        let most = usize::try_from(self.config.queue_max).unwrap_or(usize::MAX);
        let rows = self.store.scan(Space::MessageIndex, index_range(&user.id), Order::Forwards, most).await?;
        Ok(*user.lock().waiting.get_or_insert(rows.len() as u64))
    }

    /// What all recipients are told alike.
    fn template(&self, info: MessageInfo, content: &Content, sender: User, now: Timestamp) -> MessageInfo {
        let most = u32::try_from(self.config.validity_max.as_secs()).unwrap_or(u32::MAX);
        let default = u32::try_from(self.config.validity_default.as_secs()).unwrap_or(u32::MAX);
        MessageInfo {
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

    #[expect(clippy::too_many_arguments, reason = "what one message is made of")]
    fn message_for(
        &self,
        sequence: u64,
        addressee: &Addressee,
        session: &Session,
        template: &MessageInfo,
        content: &Content,
        report: bool,
        now: Timestamp,
    ) -> Message {
        let id = MessageId::new(sequence);
        let info = MessageInfo {
            message_id: Some(id.to_string().into()),
            // The others are nobody's business (CSP 12.1).
            recipient: Recipient::user(addressee.user.clone()),
            ..template.clone()
        };
        let validity = Duration::from_secs(template.validity.unwrap_or_default().into());
        Message {
            id,
            recipient: addressee.state.id.clone(),
            sender: session.user.id.clone(),
            info,
            content: Bytes::clone(&content.data),
            binary: content.binary,
            report,
            expires: now.plus(validity),
        }
    }
}

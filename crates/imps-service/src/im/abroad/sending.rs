//! A message of a user of ours to users of another domain: the rows in which it waits.

use bytes::Bytes;
use imps_types::element::{Content, MessageInfo, Recipient, User};
use imps_types::{Address, Domain, MessageId, Service, Status, UserId};

use super::GRACE;
use super::keys::{SENT, WAITING, expiry_key, relay_key, sent_key};
use super::records::SentThere;
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::{Kept, Message};
use crate::im::Im;
use crate::im::addressees::Addressees;
use crate::im::queue::message_record;
use crate::seam::{Batch, Space};

/// Recipients in another domain.
pub(in crate::im) struct ToDomain {
    pub(in crate::im) domain: Domain,
    pub(in crate::im) recipient: Recipient,
}

/// The rows of a message to another domain, but for the number.
pub(in crate::im) struct Rows<'a> {
    domain: &'a Domain,
    body: Bytes,
    /// Whose message it is, if he wants a report.
    sent: Option<Bytes>,
    expires: Timestamp,
}

impl ToDomain {
    /// What is written of a message to these recipients.
    pub(in crate::im) fn rows<'a>(
        &'a self,
        by: &UserId,
        template: &MessageInfo,
        content: &Content,
        (report, expires): (bool, Timestamp),
    ) -> Rows<'a> {
        let message = Message {
            id: MessageId::new(0),
            sender: by.clone(),
            info: MessageInfo { recipient: self.recipient.clone(), ..template.clone() },
            content: content.data.clone(),
            binary: content.binary,
            shared: false,
            report,
            expires,
            kept: Kept::default(),
        };
        let sent = report.then(|| {
            let info = MessageInfo {
                recipient: self.recipient.clone(),
                sender: template.sender.clone(),
                ..MessageInfo::default()
            };
            SentThere { by: by.clone(), info: Some(info) }.to_record().into()
        });
        Rows { domain: &self.domain, body: message_record(&message).into(), sent, expires }
    }
}

impl Rows<'_> {
    /// Adds the rows.
    pub(in crate::im) fn put(self, batch: &mut Batch, sequence: u64) {
        let Self { domain, body, sent, expires } = self;
        batch.put(Space::Relay, relay_key(domain, sequence, ""), body);
        batch.put(Space::RelayExpiry, expiry_key(expires, WAITING, sequence, domain, ""), Bytes::new());
        if let Some(sent) = sent {
            batch.put(Space::RelaySent, sent_key(sequence, domain), sent);
            batch.put(Space::RelayExpiry, expiry_key(expires.plus(GRACE), SENT, sequence, domain, ""), Bytes::new());
        }
    }
}

impl Im<'_> {
    /// Adds a recipient who is not ours.
    pub(in crate::im) async fn add_abroad(&self, all: &mut Addressees, size: usize, user: &User) -> Result<(), Error> {
        let Ok(id) = self.router.user(&user.user_id) else {
            all.refusals.user(Status::UNKNOWN_USER, &user.user_id);
            return Ok(());
        };
        let domain = match self.router.reach(&id, Service::Im) {
            Ok(domain) => domain,
            Err(error) => {
                all.refusals.user(error.status(), &user.user_id);
                return Ok(());
            }
        };
        let abroad = all.abroad.iter().map(|to| to.recipient.users.len()).sum::<usize>();
        if all.found.len() + abroad >= self.config.recipients_max {
            return Err(Error::BadParameter("the message has more recipients than this server takes"));
        }
        let user = User { user_id: Address::from(&id), ..user.clone() };
        match all.abroad.iter_mut().find(|to| to.domain == domain) {
            Some(to) if to.recipient.users.contains(&user) => {}
            Some(to) => to.recipient.users.push(user),
            // Whoever is down for long must not fill the store.
            None if self.is_full_of(&domain, size).await? => {
                all.refusals.user(Status::MESSAGE_QUEUE_IS_FULL, &user.user_id);
            }
            None => all.abroad.push(ToDomain { domain, recipient: Recipient::user(user) }),
        }
        Ok(())
    }

    /// Tells the gateway that something waits.
    pub(in crate::im) fn wake_abroad(&self, domain: &Domain) {
        if let Some(gateway) = self.router.gateway() {
            gateway.wake(domain);
        }
    }

    /// Tells the gateway that something waits for a user of another domain, if it is for one.
    pub(in crate::im) fn wake_guest(&self, user: &UserId) {
        if user.domain() != self.router.home().as_str()
            && let Some(gateway) = self.router.gateway()
        {
            gateway.wake_guest(user);
        }
    }
}

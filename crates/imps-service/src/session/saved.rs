//! The record of a session: enough for the next start to go on as if nothing had happened.

use std::net::IpAddr;
use std::sync::Arc;

use imps_types::element::NotificationTypes;
use imps_types::{ClientId, GroupId, SessionId, UserId, Version};

use super::{JoinedAbroad, Negotiated, NewSession, Session};
use crate::clock::Timestamp;
use crate::presence::SessionSubscriptions;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::user::UserState;

/// A session as it was written.
pub(crate) struct SavedSession {
    pub(crate) user: UserId,
    client: ClientId,
    application: Option<Box<str>>,
    cookie: Box<str>,
    version: Version,
    opened: Timestamp,
    time_to_live: u32,
    negotiated: Negotiated,
    subscriptions: SessionSubscriptions,
    /// Since version 2.
    notifications: NotificationTypes,
    /// Since version 4: where the client was when it was written, for datagrams to it.
    address: Option<IpAddr>,
    /// Since version 5: groups of other domains.
    abroad: Vec<JoinedAbroad>,
}

impl Session {
    /// As a record.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(5);
        writer.text(self.user.id.as_str());
        writer.optional_text(self.client.url.as_deref()).optional_text(self.client.msisdn.as_deref());
        writer.optional_text(self.application.as_deref()).text(&self.cookie()).text(self.version.as_str());
        writer.number(self.opened.0).number(self.time_to_live().into());
        self.negotiated().write(&mut writer);
        self.subscriptions.lock().write(&mut writer);
        writer.number(self.notifications().bits().into());
        self.negotiated().write_contents(&mut writer);
        writer.optional_text(self.address().map(|address| address.to_string()).as_deref());
        writer.list(self.abroad.lock().iter(), |writer, one| {
            writer.text(one.group.as_str()).flag(one.subscribed);
        });
        writer.done()
    }
}

impl SavedSession {
    /// Whom it watches.
    pub(crate) fn publishers(&self) -> Vec<UserId> {
        self.subscriptions.publishers()
    }

    /// From a record.
    pub(crate) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, written) = RecordReader::new(record, 5)?;
        let user = UserId::from_canonical(reader.text()?);
        let client = ClientId { url: reader.optional_text()?, msisdn: reader.optional_text()? };
        let (application, cookie) = (reader.optional_text()?, reader.text()?.into());
        let version = Version::parse(reader.text()?).ok_or(RecordError("unknown protocol version"))?;
        let (opened, time_to_live) = (Timestamp(reader.number()?), reader.small()?);
        let mut negotiated = Negotiated::read(&mut reader)?;
        let subscriptions = SessionSubscriptions::read(&mut reader)?;
        let notifications = if written >= 2 { reader.small()? } else { 0 };
        if written >= 3 {
            negotiated.read_contents(&mut reader)?;
        }
        let address = if written >= 4 { reader.optional_text()? } else { None };
        let joined = |reader: &mut RecordReader<'_>| {
            Ok(JoinedAbroad { group: GroupId::from_canonical(reader.text()?), subscribed: reader.flag()? })
        };
        let abroad = if written >= 5 { reader.list(joined)? } else { Vec::new() };
        Ok(Self {
            user,
            client,
            application,
            cookie,
            version,
            opened,
            time_to_live,
            negotiated,
            subscriptions,
            notifications: NotificationTypes::from_bits(notifications),
            address: address.and_then(|address| address.parse().ok()),
            abroad,
        })
    }

    /// The session again. Its client is heard of now: its time to live begins anew.
    pub(crate) fn open(self, id: SessionId, user: Arc<UserState>, now: Timestamp) -> Session {
        let new = NewSession {
            id,
            user,
            client: self.client,
            application: self.application,
            cookie: self.cookie,
            version: self.version,
            opened: self.opened,
            time_to_live: self.time_to_live,
        };
        let session = Session::new(new, now);
        *session.negotiated() = self.negotiated;
        *session.subscriptions.lock() = self.subscriptions;
        session.set_notifications(self.notifications);
        session.set_address(self.address);
        *session.abroad.lock() = self.abroad;
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;
    use imps_types::element::NotificationType;

    #[tokio::test]
    async fn who_takes_it_up_is_called_by_the_cookie_of_that_login() {
        let world = World::of(&["alice"]).await;
        let alice = world.login_as("alice", "c", Version::V1_3).await;
        for (cookie, expected) in [("", "cookie"), ("another", "another")] {
            let resume = |attempt: &mut crate::access::LoginAttempt| {
                attempt.resume = Some(alice.id.as_str().into());
                attempt.cookie = cookie.into();
            };
            let session = world.login_how("alice", "c", Version::V1_3, resume).await;
            assert!(Arc::ptr_eq(&session, &alice), "it goes on");
            assert_eq!(&*alice.cookie(), expected);
        }
        let world = world.restarted().await;
        let again = world.services.sessions.find(&alice.id).unwrap();
        assert_eq!(&*again.cookie(), "another");
    }

    #[tokio::test]
    async fn what_earlier_servers_wrote_is_read() {
        let world = World::of(&["alice"]).await;
        let alice = world.login_as("alice", "c", Version::V1_3).await;
        alice.set_notifications([NotificationType::AuthorizationOfUser].into_iter().collect());
        let mut record = alice.to_record();
        alice.set_address(Some(IpAddr::from([192, 0, 2, 7])));
        assert_eq!(SavedSession::read(&alice.to_record()).unwrap().address, alice.address());
        let saved = SavedSession::read(&record).unwrap();
        assert_eq!(saved.notifications, alice.notifications());
        // Version 4 ended before the groups of other domains: none.
        assert_eq!(record.pop(), Some(0));
        record[0] = 4;
        assert_eq!(SavedSession::read(&record).unwrap().notifications, alice.notifications());
        // Version 3 ended before the address: none.
        assert_eq!(record.pop(), Some(0));
        record[0] = 3;
        assert_eq!(SavedSession::read(&record).unwrap().notifications, alice.notifications());
        // Version 2 ended before what a client said of contents: no type, UTF-8, no encodings, any length of text.
        let contents = [0, 1, 106, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
        assert_eq!(record.split_off(record.len() - contents.len()), contents);
        record[0] = 2;
        let saved = SavedSession::read(&record).unwrap();
        assert_eq!(saved.notifications, alice.notifications());
        assert_eq!(saved.negotiated, *alice.negotiated());
        // Version 1 ended before the notifications.
        assert_eq!(record.pop(), Some(2));
        record[0] = 1;
        let saved = SavedSession::read(&record).unwrap();
        assert_eq!((saved.notifications, saved.version), (NotificationTypes::EMPTY, Version::V1_3));
        assert!(SavedSession::read(&record[..record.len() - 1]).is_err());
    }
}

//! The record of a session: enough for the next start to go on as if nothing had happened.

use std::sync::Arc;

use imps_types::{ClientId, SessionId, UserId, Version};

use super::{Negotiated, NewSession, Session};
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
}

impl Session {
    /// As a record.
    pub(crate) fn to_record(&self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.text(self.user.id.as_str());
        writer.optional_text(self.client.url.as_deref()).optional_text(self.client.msisdn.as_deref());
        writer.optional_text(self.application.as_deref()).text(&self.cookie).text(self.version.as_str());
        writer.number(self.opened.0).number(self.time_to_live().into());
        self.negotiated().write(&mut writer);
        self.subscriptions.lock().write(&mut writer);
        writer.done()
    }
}

impl SavedSession {
    /// From a record.
    pub(crate) fn read(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let user = UserId::from_canonical(reader.text()?);
        let client = ClientId { url: reader.optional_text()?, msisdn: reader.optional_text()? };
        let (application, cookie) = (reader.optional_text()?, reader.text()?.into());
        let version = Version::parse(reader.text()?).ok_or(RecordError("unknown protocol version"))?;
        let (opened, time_to_live) = (Timestamp(reader.number()?), reader.small()?);
        let negotiated = Negotiated::read(&mut reader)?;
        let subscriptions = SessionSubscriptions::read(&mut reader)?;
        Ok(Self { user, client, application, cookie, version, opened, time_to_live, negotiated, subscriptions })
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
        session
    }
}

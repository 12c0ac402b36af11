//! Which of a user's clients get a message, and what becomes of it while none is there (CSP 6, OnlineETEMHandling and
//! OfflineETEMHandling).
//!
//! It is said by a client, and holds for the user: while he is away too. Who leaves it out leaves it as it is.

use imps_types::element::{Notification, OfflineHandling, OnlineHandling};

use super::Im;
use crate::Error;
use crate::account::user_key;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Space};
use crate::session::Session;

/// What a user's clients said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handling {
    /// Which of his clients get a message.
    pub online: OnlineHandling,
    /// What becomes of a message while he has none.
    pub offline: OfflineHandling,
}

impl Default for Handling {
    fn default() -> Self {
        Self { online: OnlineHandling::ServerLogic, offline: OfflineHandling::SendStore }
    }
}

impl Handling {
    /// By their record, if there is one.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(record: Option<&[u8]>) -> Result<Self, RecordError> {
        record.map_or_else(|| Ok(Self::default()), Self::from_record)
    }

    fn to_record(self) -> Vec<u8> {
        let mut writer = RecordWriter::new(1);
        writer.text(self.online.as_str()).text(self.offline.as_str());
        writer.done()
    }

    fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        let default = Self::default();
        Ok(Self {
            online: OnlineHandling::parse(reader.text()?).unwrap_or(default.online),
            offline: OfflineHandling::parse(reader.text()?).unwrap_or(default.offline),
        })
    }
}

impl Im<'_> {
    /// A client says how its user's messages are to be handled.
    ///
    /// # Errors
    /// The store's failure: it stays as it was then.
    pub(crate) async fn set_handling(
        &self,
        session: &Session,
        online: Option<OnlineHandling>,
        offline: Option<OfflineHandling>,
    ) -> Result<(), Error> {
        let user = &session.user;
        let said = |before: Handling| Handling {
            online: online.unwrap_or(before.online),
            offline: offline.unwrap_or(before.offline),
        };
        let is_new = {
            let before = user.lock().handling;
            said(before) != before
        };
        if !is_new {
            return Ok(());
        }
        let _change = user.change.lock().await;
        let before = user.lock().handling;
        let handling = said(before);
        let mut batch = Batch::new();
        batch.put(Space::Handling, user_key(&user.id), handling.to_record());
        self.store.commit(batch).await?;
        user.lock().handling = handling;
        if handling.online != before.online {
            self.access().notify(&user.id, Some(session), Notification::online_handling(handling.online));
            self.choose_again(user).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_octets_of_version_1() {
        let handling = Handling { online: OnlineHandling::PriorityReject, offline: OfflineHandling::Reject };
        let golden = b"\x01\x0ePRIORITYREJECT\x06REJECT";
        assert_eq!(handling.to_record(), golden);
        assert_eq!(Handling::from_record(golden), Ok(handling));
    }
}

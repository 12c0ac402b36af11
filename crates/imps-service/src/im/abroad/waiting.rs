//! What waits for other domains, until it was taken there or its time is over.

use bytes::Bytes;
use imps_types::element::{MessageInfo, Recipient, User};
use imps_types::{Address, Domain, Status, UserId};

use super::keys::{SENT, WAITING, expiry_key, id_key, relay_key, taken_key};
use super::load::weight;
use super::{Abroad, AbroadWhat, Backlog};
use crate::clock::Timestamp;
use crate::error::Error;
use crate::event::Message;
use crate::im::Im;
use crate::im::queue::{Waiting, read_body};
use crate::seam::{Batch, Key, KeyRange, Order, Space, StoreError};

/// Rows of one scan.
const PAGE: usize = 256;
/// Pages of one sweep.
const PAGES: usize = 25;

impl Im<'_> {
    /// Domains for which something waits. Asked once, at the start.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn domains_waited_for(&self) -> Result<Vec<Domain>, Error> {
        let (mut domains, mut from) = (Vec::new(), Key::from(&[0_u8; 0][..]));
        let end = Key::from(&[0xff_u8; 8]);
        loop {
            let range = KeyRange::new(from, end.clone());
            let rows = self.store.scan(Space::Relay, range, Order::Forwards, 1).await?;
            let Some(domain) = rows.first().and_then(|row| Domain::parse(&row.key.read().text()?).ok()) else {
                return Ok(domains);
            };
            // Behind all rows of this domain.
            from = Key::build().text(domain.as_str()).u64(u64::MAX).text("\u{10FFFF}").done();
            domains.push(domain);
        }
    }

    /// What waits for a domain, in order, from a number on.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn waiting_abroad(&self, domain: &Domain, from: u64, limit: usize) -> Result<Vec<Abroad>, Error> {
        let mut range = Key::build().text(domain.as_str()).range();
        if from > 0 {
            range.start = Key::build().text(domain.as_str()).u64(from).done();
        }
        let rows = self.store.scan(Space::Relay, range, Order::Forwards, limit).await?;
        let mut waiting = Vec::with_capacity(rows.len());
        for row in rows {
            let mut reader = row.key.read();
            let (Some(_), Some(sequence), Some(whose)) = (reader.text(), reader.u64(), reader.text()) else { continue };
            match read_row(domain, sequence, &whose, &row.value) {
                Ok(it) => waiting.extend(it),
                // The others go out all the same.
                Err(error) => tracing::error!(%domain, sequence, %error, "what waits for a domain is damaged"),
            }
        }
        Ok(waiting)
    }

    /// How much waits for a domain.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn backlog(&self, domain: &Domain) -> Result<Backlog, Error> {
        let (mut backlog, mut range) = (Backlog::default(), Key::build().text(domain.as_str()).range());
        loop {
            let rows = self.store.scan(Space::Relay, range.clone(), Order::Forwards, PAGE).await?;
            for row in &rows {
                let mut reader = row.key.read();
                let whose = (reader.text(), reader.u64(), reader.text()).2.unwrap_or_default();
                let count = if whose.is_empty() { &mut backlog.messages } else { &mut backlog.reports };
                *count += 1;
                backlog.bytes += row.value.len() as u64;
            }
            let Some(last) = rows.last().filter(|_| rows.len() == PAGE) else { return Ok(backlog) };
            range = range.after(&last.key);
        }
    }

    /// It was taken there, but for these recipients, and why not for them: it does not wait any longer.
    ///
    /// # Errors
    /// The store's failure: it waits still then.
    pub async fn settled_abroad(&self, it: &Abroad, refused: &[(Address, Status)]) -> Result<(), Error> {
        self.settle_abroad(it, refused).await.map(drop)
    }

    /// False: it did not wait any longer.
    async fn settle_abroad(&self, it: &Abroad, refused: &[(Address, Status)]) -> Result<bool, Error> {
        let mut batch = Batch::new();
        let mut reports = Vec::new();
        let (whose, expires) = match &it.what {
            AbroadWhat::Message(message) => {
                if message.report {
                    for (address, status) in refused {
                        let recipient = Recipient::user(User::of(address.clone()));
                        let info = MessageInfo { recipient, ..message.info.clone() };
                        reports.extend(self.report_on(&Message { info, ..message.clone() }, *status).await);
                    }
                }
                ("", message.expires)
            }
            AbroadWhat::Report(report) => (report.recipient.as_str(), report.expires),
        };
        let expiry = expiry_key(expires, WAITING, it.sequence, &it.domain, whose);
        // Whoever sweeps and whoever posted may both see its end: it has one.
        batch.if_equals(Space::RelayExpiry, expiry.clone(), Bytes::new());
        batch.delete(Space::RelayExpiry, expiry);
        batch.delete(Space::Relay, relay_key(&it.domain, it.sequence, whose));
        if let AbroadWhat::Report(_) = &it.what {
            batch.delete(Space::RelayedIds, id_key(it.sequence));
        }
        let commit = self.sequence.next(self.clock.now(), |next| {
            for report in &mut reports {
                report.put(&mut batch, next, None);
            }
            self.store.commit(batch)
        });
        match commit.await {
            Ok(_) => self.abroad.less(&it.domain, weight(&it.what)),
            Err(StoreError::Condition) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        self.offer_reports(reports);
        Ok(true)
    }

    /// Removes what is over: whoever wants to know is told that it was not delivered.
    pub(in crate::im) async fn sweep_abroad(&self, now: Timestamp) -> Result<(), Error> {
        for _ in 0..PAGES {
            let range = KeyRange::new(Key::from(&[0_u8; 0][..]), Key::build().u64(now.0).done());
            let rows = self.store.scan(Space::RelayExpiry, range, Order::Forwards, PAGE).await?;
            for row in &rows {
                self.end_abroad(&row.key).await?;
            }
            if rows.len() < PAGE {
                break;
            }
        }
        Ok(())
    }

    async fn end_abroad(&self, key: &Key) -> Result<(), Error> {
        let mut reader = key.read();
        let parts = (|| Some((reader.u64()?, reader.u8()?, reader.u64()?, reader.text()?, reader.text()?)))();
        let mut batch = Batch::new();
        batch.delete(Space::RelayExpiry, key.clone());
        let domain = parts.as_ref().and_then(|(_, _, _, domain, _)| Domain::parse(domain).ok());
        if let (Some((_, kind, sequence, _, whose)), Some(domain)) = (parts, domain) {
            match kind {
                WAITING => {
                    let row = self.store.get_one(Space::Relay, relay_key(&domain, sequence, &whose)).await?;
                    let it = row.map(|row| read_row(&domain, sequence, &whose, &row)).transpose();
                    let it = it.unwrap_or_else(|error| {
                        tracing::error!(%domain, sequence, %error, "what waited for a domain is damaged, and removed");
                        batch.delete(Space::Relay, relay_key(&domain, sequence, &whose));
                        None
                    });
                    if let Some(it) = it.flatten() {
                        let everybody = match &it.what {
                            AbroadWhat::Message(message) => message.info.recipient.users.as_slice(),
                            AbroadWhat::Report(_) => &[],
                        };
                        let refused: Vec<_> =
                            everybody.iter().map(|user| (user.user_id.clone(), Status::UNABLE_TO_DELIVER)).collect();
                        if self.settle_abroad(&it, &refused).await? {
                            return Ok(());
                        }
                    }
                }
                // And what was told of it.
                SENT => {
                    batch.delete_range(Space::RelaySent, Key::build().u64(sequence).text(domain.as_str()).range());
                }
                _ => {
                    batch.delete(Space::Relayed, taken_key(&domain, &whose));
                    batch.delete(Space::RelayedIds, id_key(sequence));
                }
            }
        }
        Ok(self.store.commit(batch).await?)
    }
}

/// What a row of Relay stands for.
fn read_row(domain: &Domain, sequence: u64, whose: &str, record: &Bytes) -> Result<Option<Abroad>, Error> {
    let what = match read_body(sequence, &UserId::from_canonical(whose), record)? {
        Waiting::Message(message) => AbroadWhat::Message(message),
        Waiting::Report(report) => AbroadWhat::Report(report),
        Waiting::GroupMessage(_) | Waiting::Notice(_) => return Ok(None),
    };
    Ok(Some(Abroad { domain: domain.clone(), sequence, what }))
}

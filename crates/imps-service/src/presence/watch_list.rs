//! The watcher list (CSP 10): everybody who subscribed, authorised or not, until he unsubscribes.
//!
//! Who is subscribed now is known from the sessions, whose records hold what they subscribed to. When a session ends, a
//! row for each of its publishers is committed together with its end; when somebody unsubscribes, one that says so. So a
//! subscription itself writes nothing here, and the list loses nobody.
//!
//! | kind | value |
//! |---|---|
//! | 0 | whether he is on the list still, and the moment when his session ended or he unsubscribed |
//! | 1 | the moment when he got presence without being subscribed |

use std::time::Duration;

use imps_types::UserId;
use imps_types::element::WatcherStatus;
use rustc_hash::FxHashMap;

use super::Presence;
use crate::Error;
use crate::clock::Timestamp;
use crate::record::{RecordError, RecordReader, RecordWriter};
use crate::seam::{Batch, Key, KeyRange, Order, Space, StoreError};
use crate::session::Session;
use crate::user::UserState;

const SUBSCRIBED: u8 = 0;
const ACCESSED: u8 = 1;

/// Rows of one scan.
const PAGE: usize = 500;
/// How often somebody who gets presence again and again is written down.
const ACCESS_INTERVAL: Duration = Duration::from_secs(60);
/// Of how many it is remembered that they are.
const ACCESSES_MAX: usize = 64;

/// The watchers of a user, as *GetWatcherList* tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatcherList {
    /// How far back the history goes, in seconds; `None`: no history was asked for.
    pub history_period: Option<u32>,
    /// How many there are, though not all may be listed.
    pub count: usize,
    /// Subscribers first, then who was heard of last.
    pub watchers: Vec<(UserId, WatcherStatus)>,
}

/// A row of the first kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subscribed {
    is_listed: bool,
    moment: Timestamp,
}

impl Subscribed {
    fn to_record(self) -> Vec<u8> {
        let mut writer = RecordWriter::with_capacity(1, 10);
        writer.flag(self.is_listed).number(self.moment.0);
        writer.done()
    }

    fn from_record(record: &[u8]) -> Result<Self, RecordError> {
        let (mut reader, _) = RecordReader::new(record, 1)?;
        Ok(Self { is_listed: reader.flag()?, moment: Timestamp(reader.number()?) })
    }
}

fn access_record(moment: Timestamp) -> Vec<u8> {
    let mut writer = RecordWriter::with_capacity(1, 10);
    writer.number(moment.0);
    writer.done()
}

fn access_moment(record: &[u8]) -> Result<Timestamp, RecordError> {
    let (mut reader, _) = RecordReader::new(record, 1)?;
    Ok(Timestamp(reader.number()?))
}

fn key(publisher: &UserId, kind: u8, watcher: &UserId) -> Key {
    Key::build().text(publisher.as_str()).u8(kind).text(watcher.as_str()).done()
}

/// Who got presence lately without being subscribed, and when that was written down.
#[derive(Debug, Default)]
pub(super) struct Accesses(FxHashMap<UserId, Timestamp>);

impl Accesses {
    /// Whether it is time to write this down.
    fn note(&mut self, watcher: &UserId, now: Timestamp) -> bool {
        match self.0.get_mut(watcher) {
            Some(last) if now.since(*last) < ACCESS_INTERVAL => return false,
            Some(last) => *last = now,
            None => {
                if self.0.len() >= ACCESSES_MAX {
                    self.0.clear();
                }
                self.0.insert(watcher.clone(), now);
            }
        }
        true
    }
}

impl Presence<'_> {
    /// Somebody gets presence once. He is noted in the history if he is shown anything, and is not subscribed.
    ///
    /// The row is written with the next commit, a second later at the latest, and not before the answer: a server that is
    /// killed within that second forgets who looked in it. That breaks no promise. Nobody asked for the row; the watcher
    /// list itself, which loses nobody, is about subscribers, and one who looks once is no part of it (CSP 10), so the
    /// history is told as far as it goes. A read would otherwise wait for the disk, and be refused while that is full.
    pub(super) fn accessed(&self, publisher: &UserState, session: &Session) {
        let (watcher, now) = (&session.user.id, self.0.clock.now());
        let is_due = *watcher != publisher.id && {
            let presence = &mut publisher.lock().presence;
            !presence.watchers.contains_key(&session.id) && presence.accesses.note(watcher, now)
        };
        if is_due {
            let key = key(&publisher.id, ACCESSED, watcher);
            if let Err(error) = self.0.store.later(Space::Watchers, key, access_record(now)) {
                tracing::warn!(user = %publisher.id, %error, "who got presence is not written down");
            }
        }
    }

    /// Adds to `batch`, which ends the session, that its user stays on the watcher lists of those whom it watched.
    /// Returns how many that are.
    pub(crate) fn stays_listed(&self, session: &Session, batch: &mut Batch) -> usize {
        let record = Subscribed { is_listed: true, moment: self.0.clock.now() }.to_record();
        let publishers = session.subscriptions.lock().publishers();
        for publisher in &publishers {
            batch.put(Space::Watchers, key(publisher, SUBSCRIBED, &session.user.id), record.clone());
        }
        publishers.len()
    }

    /// Adds to `batch` that the watcher is a former one of these publishers. `known`: he is on their lists for sure; of
    /// the others the rows are looked at.
    pub(super) async fn leaves_lists(
        &self,
        watcher: &UserId,
        known: &[UserId],
        others: &[UserId],
        batch: &mut Batch,
    ) -> Result<(), Error> {
        let keys: Vec<_> = others.iter().map(|publisher| key(publisher, SUBSCRIBED, watcher)).collect();
        let rows = if keys.is_empty() { Vec::new() } else { self.0.store.get(Space::Watchers, &keys).await? };
        let is_listed = |row: Option<bytes::Bytes>| {
            row.and_then(|row| Subscribed::from_record(&row).ok()).is_some_and(|row| row.is_listed)
        };
        let listed = keys.into_iter().zip(rows).filter_map(|(key, row)| is_listed(row).then_some(key));
        let record = Subscribed { is_listed: false, moment: self.0.clock.now() }.to_record();
        for key in known.iter().map(|publisher| key(publisher, SUBSCRIBED, watcher)).chain(listed) {
            batch.put(Space::Watchers, key, record.clone());
        }
        Ok(())
    }

    /// Who watches the session's user. `history`: seconds back to which former subscribers, and those who got presence
    /// without subscribing, are told too.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn watcher_list(
        &self,
        session: &Session,
        history: Option<u32>,
        most: Option<u32>,
    ) -> Result<WatcherList, Error> {
        let (publisher, now) = (&session.user, self.0.clock.now());
        let keep = self.0.config.watcher_history;
        let period = history.map(|asked| Duration::from_secs(asked.into()).min(keep));
        let is_recent = |moment: Timestamp| period.is_some_and(|period| now.since(moment) <= period);
        let mut found: FxHashMap<UserId, (WatcherStatus, Timestamp)> = FxHashMap::default();
        let mut add = |watcher: UserId, status: WatcherStatus, moment: Timestamp| {
            let entry = found.entry(watcher).or_insert((status, moment));
            // A subscriber goes before a former one, and that before one who got presence once.
            if (status, std::cmp::Reverse(moment)) < (entry.0, std::cmp::Reverse(entry.1)) {
                *entry = (status, moment);
            }
        };
        {
            let inner = publisher.lock();
            for watcher in inner.presence.watchers.values() {
                add(watcher.session.user.id.clone(), WatcherStatus::CurrentSubscriber, now);
            }
            // What is to be written soon is not read yet.
            let accesses = inner.presence.accesses.0.iter();
            for (watcher, moment) in accesses.filter(|(_, moment)| is_recent(**moment)) {
                add(watcher.clone(), WatcherStatus::PresenceAccess, *moment);
            }
        }
        for (kind, watcher, value) in self.rows(&publisher.id).await? {
            match kind {
                SUBSCRIBED => {
                    let row = Subscribed::from_record(&value)?;
                    if row.is_listed && now.since(row.moment) <= self.0.config.watcher_keep {
                        add(watcher, WatcherStatus::CurrentSubscriber, row.moment);
                    } else if !row.is_listed && is_recent(row.moment) {
                        add(watcher, WatcherStatus::FormerSubscriber, row.moment);
                    }
                }
                _ => {
                    let moment = access_moment(&value)?;
                    if is_recent(moment) {
                        add(watcher, WatcherStatus::PresenceAccess, moment);
                    }
                }
            }
        }
        let mut watchers: Vec<_> = found.into_iter().collect();
        watchers.sort_by(|(one, (status, moment)), (other, (other_status, other_moment))| {
            (status, other_moment, one).cmp(&(other_status, moment, other))
        });
        let count = watchers.len();
        watchers.truncate(most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX)));
        Ok(WatcherList {
            history_period: period.map(|period| u32::try_from(period.as_secs()).unwrap_or(u32::MAX)),
            count,
            watchers: watchers.into_iter().map(|(watcher, (status, _))| (watcher, status)).collect(),
        })
    }

    /// The rows of one publisher: the newest settings allow so many, the rest is not looked at.
    async fn rows(&self, publisher: &UserId) -> Result<Vec<(u8, UserId, bytes::Bytes)>, Error> {
        let range = Key::build().text(publisher.as_str()).range();
        let rows = self.0.store.scan(Space::Watchers, range, Order::Forwards, self.0.config.watchers_max).await?;
        let parts = rows.into_iter().filter_map(|row| {
            let (kind, watcher) = read_key(&row.key)?;
            Some((kind, watcher, row.value))
        });
        Ok(parts.collect())
    }

    /// Looks at the next page of all watcher lists, and removes what is too old to be told. Called now and then.
    pub(crate) async fn tidy_watcher_lists(&self) -> Result<(), Error> {
        let from = self.0.tidying.lock().clone();
        let range = KeyRange { start: from.unwrap_or_else(|| Key::from(Vec::new())), end: None };
        let rows = self.0.store.scan(Space::Watchers, range.clone(), Order::Forwards, PAGE).await?;
        *self.0.tidying.lock() = match rows.last() {
            Some(last) if rows.len() == PAGE => Some(range.after(&last.key).start),
            _ => None,
        };
        for row in rows {
            if !self.is_outdated(&row.key, &row.value) {
                continue;
            }
            let mut batch = Batch::new();
            // Whoever subscribes or looks meanwhile writes a new row.
            batch.if_equals(Space::Watchers, row.key.clone(), row.value).delete(Space::Watchers, row.key);
            match self.0.store.commit(batch).await {
                Ok(()) | Err(StoreError::Condition) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn is_outdated(&self, key: &Key, value: &[u8]) -> bool {
        let (now, config) = (self.0.clock.now(), &self.0.config);
        let row = match read_key(key) {
            Some((SUBSCRIBED, _)) => Subscribed::from_record(value).map(|row| {
                let keep = if row.is_listed { config.watcher_keep } else { config.watcher_history };
                (row.moment, keep)
            }),
            Some((ACCESSED, _)) => access_moment(value).map(|moment| (moment, config.watcher_history)),
            _ => return false,
        };
        row.is_ok_and(|(moment, keep)| now.since(moment) > keep)
    }
}

fn read_key(key: &Key) -> Option<(u8, UserId)> {
    let mut parts = key.read();
    parts.text()?;
    let kind = parts.u8()?;
    Some((kind, UserId::from_canonical(&parts.text()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_octets_of_version_1() {
        let row = Subscribed { is_listed: true, moment: Timestamp(300) };
        assert_eq!(row.to_record(), [1, 1, 0xac, 2]);
        assert_eq!(Subscribed::from_record(&[1, 1, 0xac, 2]), Ok(row));
        assert_eq!(access_record(Timestamp(300)), [1, 0xac, 2]);
        assert_eq!(access_moment(&[1, 0xac, 2]), Ok(Timestamp(300)));
        assert!(Subscribed::from_record(&[1, 1]).is_err() && access_moment(&[]).is_err());
        let user = |name: &str| UserId::from_canonical(&format!("wv:{name}@x"));
        let key = key(&user("a"), ACCESSED, &user("b"));
        assert_eq!(key.as_bytes(), b"wv:a@x\0\x01\x01wv:b@x\0\x01");
        assert_eq!(read_key(&key), Some((ACCESSED, user("b"))));
    }

    #[test]
    fn who_looks_again_and_again_is_written_now_and_then() {
        let mut accesses = Accesses::default();
        let user = |name: u64| UserId::from_canonical(&format!("wv:{name}@x"));
        assert!(accesses.note(&user(0), Timestamp(0)));
        assert!(!accesses.note(&user(0), Timestamp(59_999)));
        assert!(accesses.note(&user(0), Timestamp(60_000)));
        for name in 1..1000 {
            assert!(accesses.note(&user(name), Timestamp(60_000)));
        }
        assert!(accesses.0.len() <= ACCESSES_MAX);
    }
}

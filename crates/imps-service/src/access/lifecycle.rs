//! The life of sessions after login: keep-alive, logout, expiry, forced end, restart (CSP 4, 16).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use imps_types::element::ResultInfo;
use imps_types::{SessionId, Status};
use rustc_hash::FxHashSet;

use super::Access;
use super::login::session_key;
use crate::config::Logo;
use crate::error::Error;
use crate::happening::Happening;
use crate::language::{Language, translation};
use crate::seam::{Batch, KeyRange, Order, Row, Space};
use crate::session::{Ended, SavedSession, Session};

/// What GetSPInfo tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceProvider {
    /// The name.
    pub name: String,
    /// A line about it.
    pub description: String,
    /// Its page.
    pub url: String,
    /// Its picture.
    pub logo: Option<Logo>,
}

/// Rows of one scan, and users who are read at once.
const PAGE: usize = 500;

fn read_session(row: &Row) -> Option<(SessionId, SavedSession)> {
    let id = std::str::from_utf8(row.key.as_bytes()).ok().and_then(SessionId::parse)?;
    Some((id, SavedSession::read(&row.value).ok()?))
}

impl Access<'_> {
    /// The open session with this ID. Its client was just heard of.
    ///
    /// # Errors
    /// `NotLoggedIn`.
    pub fn session(&self, id: &str) -> Result<Arc<Session>, Error> {
        let session = SessionId::parse(id).and_then(|id| self.sessions.find(&id)).ok_or(Error::NotLoggedIn)?;
        let now = self.clock.now();
        if session.is_closed() || session.is_expired(now, self.config.ttl_grace_percent) {
            return Err(Error::NotLoggedIn);
        }
        session.touch(now);
        Ok(session)
    }

    /// Why the server ended a session that is not found any more; told once.
    pub fn ended(&self, id: &str) -> Option<Ended> {
        self.sessions.take_ended(&SessionId::parse(id)?)
    }

    /// The client asks for another time to live, in seconds. The one in force now, if it changed.
    ///
    /// # Errors
    /// `TimeToLive` with the one in force when the wish is outside the limits, or the store's failure.
    pub async fn keep_alive(&self, session: &Session, asked: Option<u32>) -> Result<Option<u32>, Error> {
        let before = session.time_to_live();
        let granted = match asked {
            Some(asked) => self.clamp_time_to_live(Some(asked)),
            // Who can be called has no reason to be heard of often, and leaves the choice to us (CSP 15.4).
            None if !session.negotiated().cir_methods.is_empty() => {
                before.max(self.clamp_time_to_live(u32::try_from(self.config.ttl_called.as_secs()).ok()))
            }
            None => return Ok(None),
        };
        if asked.is_some_and(|asked| asked != 0 && granted != asked) {
            return Err(Error::TimeToLive(before));
        }
        if granted == before {
            return Ok(None);
        }
        session.set_time_to_live(granted);
        if let Err(error) = self.save_session(session).await {
            session.set_time_to_live(before);
            return Err(error);
        }
        Ok(Some(granted))
    }

    /// Writes the session's record, so that the next start knows what was agreed.
    ///
    /// # Errors
    /// The store's failure.
    pub async fn save_session(&self, session: &Session) -> Result<(), Error> {
        self.save_session_with(session, Batch::new()).await
    }

    /// The same together with what is in the batch.
    ///
    /// # Errors
    /// The store's failure, and that the session is over: nothing of the batch happened then.
    pub(crate) async fn save_session_with(&self, session: &Session, mut batch: Batch) -> Result<(), Error> {
        let (commit, was_written) = {
            let has_row = session.has_row.lock();
            if !*has_row || session.is_closed() {
                // It has ended, and must not come back with the next start.
                return Err(Error::NotLoggedIn);
            }
            batch.put(Space::Sessions, session_key(&session.id), session.to_record());
            (self.store.commit(batch), session.is_written.swap(true, Ordering::AcqRel))
        };
        let committed = commit.await;
        if committed.is_err() && !was_written {
            session.is_written.store(false, Ordering::Release);
        }
        Ok(committed?)
    }

    /// Deletes the rows of sessions, all or none of them: nothing is written of these sessions after that.
    async fn delete_rows(&self, sessions: &[Arc<Session>]) -> Result<(), Error> {
        let mut batch = Batch::new();
        for session in sessions {
            *session.has_row.lock() = false;
            batch.delete(Space::Sessions, session_key(&session.id));
            self.presence().stays_listed(session, &mut batch);
        }
        let deleted = self.store.commit(batch).await;
        if deleted.is_err() {
            for session in sessions {
                *session.has_row.lock() = true;
            }
        }
        Ok(deleted?)
    }

    /// The client leaves.
    ///
    /// # Errors
    /// The store's failure; the session goes on then.
    pub async fn logout(&self, session: &Arc<Session>) -> Result<(), Error> {
        self.delete_rows(std::slice::from_ref(session)).await?;
        self.end_session(session, Status::SUCCESSFUL, "").await;
        Ok(())
    }

    /// The server ends a session: an operator's wish, or the account is gone. The client is told at its next poll.
    ///
    /// # Errors
    /// The store's failure; the session goes on then.
    pub async fn disconnect(&self, session: &Arc<Session>, reason: Status, text: &str) -> Result<(), Error> {
        self.delete_rows(std::slice::from_ref(session)).await?;
        self.end_session(session, reason, text).await;
        Ok(())
    }

    /// Takes a session out of memory and tells the others. Its row is gone already.
    pub(super) async fn end_session(&self, session: &Arc<Session>, reason: Status, text: &str) {
        if !session.close() {
            return;
        }
        self.sessions.remove(&session.id);
        session.user.lock().sessions.retain(|other| other.id != session.id);
        if reason != Status::SUCCESSFUL {
            let mut result = if text.is_empty() { ResultInfo::of(reason) } else { ResultInfo::with_text(reason, text) };
            let language = session.negotiated().language.as_deref().and_then(Language::parse);
            if let Some(said) = language.and_then(|language| translation(language, reason, text)) {
                result.description = Some(said.into());
            }
            self.sessions.remember(session.id, Ended { result: result.clone(), version: session.version });
            session.outbox().disconnect(result);
            session.wake();
        }
        if let Some(link) = session.linked() {
            link.close(&session.id);
        }
        self.tell(Happening::SessionClosed { session: session.clone(), reason }).await;
    }

    /// Ends sessions whose clients were not heard of for too long.
    pub(crate) async fn sweep(&self) {
        let now = self.clock.now();
        let grace = self.config.ttl_grace_percent;
        for shard in 0..self.sessions.shards() {
            let expired = self.sessions.collect(shard, |session| session.is_expired(now, grace));
            // Together, since a network that fails lets many expire at once.
            for expired in expired.chunks(PAGE) {
                if let Err(error) = self.delete_rows(expired).await {
                    // Tried again at the next sweep; requests are refused meanwhile.
                    tracing::warn!(%error, "expired sessions could not be removed");
                    return;
                }
                for session in expired {
                    self.end_session(session, Status::SESSION_EXPIRED, "").await;
                    self.metrics.sessions_expired.up();
                }
            }
        }
    }

    /// Opens the sessions that were open when the server stopped.
    pub(crate) async fn resume_sessions(&self) -> Result<(), Error> {
        let mut range = KeyRange::all();
        loop {
            let rows = self.store.scan(Space::Sessions, range.clone(), Order::Forwards, PAGE).await?;
            let Some(last) = rows.last().map(|row| row.key.clone()) else { return Ok(()) };
            let mut orphans = Batch::new();
            let read = |row: &Row| {
                read_session(row).or_else(|| {
                    tracing::warn!("a session's record cannot be read, the client must log in again");
                    None
                })
            };
            let all: Vec<_> = rows.iter().filter_map(|row| Some((row, read(row)?))).collect();
            self.read_ahead(all.iter().map(|(_, (_, saved))| saved)).await;
            for (row, (id, saved)) in all {
                let user = match self.user_of_saved(&saved.user).await {
                    Ok(user) => user,
                    Err(Error::UnknownUser) => {
                        // The account was removed while its client logged in.
                        orphans.delete(Space::Sessions, row.key.clone());
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                let session = Arc::new(saved.open(id, user.clone(), self.clock.now()));
                self.sessions.insert(session.clone());
                {
                    let mut inner = user.lock();
                    inner.sessions.push(session.clone());
                    inner.sessions.sort_by_key(|session| session.opened);
                }
                self.tell(Happening::SessionOpened { session, resumed: true }).await;
            }
            if !orphans.is_empty() {
                self.store.commit(orphans).await?;
            }
            range = range.after(&last);
        }
    }

    /// Has the users of these sessions in memory, and whom they watch: together they are few reads, one by one they are half a
    /// dozen for each. Whoever cannot be read is seen where he is needed.
    async fn read_ahead(&self, sessions: impl Iterator<Item = &SavedSession>) {
        let mut users = FxHashSet::default();
        for saved in sessions {
            users.insert(saved.user.clone());
            users.extend(saved.publishers());
        }
        let users: Vec<_> = users.into_iter().filter(|user| self.users.loaded(user).is_none()).collect();
        for some in users.chunks(PAGE) {
            if let Err(error) = self.users_of_saved(some).await {
                tracing::debug!(%error, "users are read one by one");
            }
        }
    }

    /// What GetSPInfo tells.
    pub fn service_provider(&self) -> ServiceProvider {
        ServiceProvider {
            name: self.config.provider_name.clone(),
            description: self.config.provider_description.clone(),
            url: self.config.provider_url.clone(),
            logo: self.config.provider_logo.clone(),
        }
    }
}

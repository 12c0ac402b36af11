//! What is committed is offered: to the sessions that are there, as each fetches it (CSP 12.2).

use std::sync::Arc;

use imps_types::element::MessageInfo;

use super::Im;
use super::queue::{IndexRow, Waiting, index_range, index_sequence};
use crate::error::Error;
use crate::event::{Event, Message, Report};
use crate::seam::{KeyRange, Order, Space};
use crate::session::{Negotiated, Pending, Session, Told};
use crate::user::UserState;

/// Bytes of a message beside its content, or a little more.
const ENVELOPE: usize = 1024;
/// Rows that are fetched from the store at once.
const REFILL: usize = 32;

impl Im<'_> {
    /// Puts a committed message into the outbox of each session that it is for.
    pub(super) fn offer(&self, user: &UserState, message: Arc<Message>) {
        for session in waits_for(user) {
            if is_for(&message.info, &session) {
                let (most, bytes) = (self.config.outbox_max, self.config.outbox_bytes);
                let wake = session.outbox().message(message.clone(), most, bytes);
                if wake {
                    session.wake();
                }
            }
        }
    }

    /// Puts a committed report into the outbox of each session of the message's sender.
    pub(super) fn offer_report(&self, user: &UserState, report: &Arc<Report>) {
        for session in waits_for(user) {
            let (most, bytes) = (self.config.outbox_max, self.config.outbox_bytes);
            let wake = session.outbox().report(report.clone(), most, bytes);
            if wake {
                session.wake();
            }
        }
    }

    /// Whether something waits for the session: what the Poll flag tells. Looks into the store when only that knows; when
    /// it does not answer, nothing can be fetched either.
    pub async fn has_pending(&self, session: &Session) -> bool {
        {
            let outbox = session.outbox();
            if !outbox.is_empty() {
                return true;
            }
            if outbox.wants_refill().is_none() {
                return false;
            }
        }
        self.fill(session).await;
        !session.outbox().is_empty()
    }

    /// The next event for a session: it is the face's from now on, until the client has acknowledged it.
    pub async fn next_event(&self, session: &Session) -> Option<Event> {
        loop {
            let pending = {
                let mut outbox = session.outbox();
                if outbox.wants_refill().is_none() { Some(outbox.take()?) } else { None }
            };
            let pending = match pending {
                Some(pending) => pending,
                None => {
                    self.fill(session).await;
                    session.outbox().take()?
                }
            };
            match pending {
                Pending::Message(message) if message.expires <= self.clock.now() => {}
                Pending::Message(message) => {
                    self.metrics.messages_offered.up();
                    let push = is_pushed(&session.negotiated(), &message);
                    return Some(if push { Event::NewMessage(message) } else { Event::MessageNotification(message) });
                }
                Pending::Report(report) => return Some(Event::DeliveryReport(report)),
                Pending::Notice(notice) if notice.expires <= self.clock.now() => {}
                Pending::Notice(notice) => return Some(Event::Notice(notice)),
                Pending::Notification(notification) => return Some(Event::Notification(Arc::new(notification))),
                Pending::Presence { publisher, changed, lost } => {
                    let snapshots = self.presence().collect(session, publisher, Told { changed, lost });
                    if !snapshots.is_empty() {
                        return Some(Event::Presence(snapshots));
                    }
                }
                Pending::Disconnect(result) => return Some(Event::Disconnect(result)),
            }
        }
    }

    /// Fetches from the store until there is something for this session, or nothing waits there. A page of it may be for
    /// other clients of the user.
    pub(super) async fn fill(&self, session: &Session) {
        while session.outbox().wants_refill().is_some() {
            if let Err(error) = self.refill(session).await {
                tracing::warn!(%error, "waiting messages cannot be read");
                return;
            }
        }
    }

    /// Fetches from the store what an outbox left there.
    async fn refill(&self, session: &Session) -> Result<(), Error> {
        let _one_at_a_time = session.refill.lock().await;
        let from = {
            let mut outbox = session.outbox();
            let Some(from) = outbox.wants_refill() else { return Ok(()) };
            outbox.begin_refill();
            from
        };
        let user = &session.user.id;
        let mut range = index_range(user);
        if from > 0 {
            range = KeyRange { start: super::queue::index_key(user, from), ..range };
        }
        let rows = match self.store.scan(Space::MessageIndex, range, Order::Forwards, REFILL).await {
            Ok(rows) => rows,
            Err(error) => {
                // Whatever came meanwhile is still in the store: the next look finds it.
                session.outbox().refilled(Vec::new(), None, false);
                return Err(error.into());
            }
        };
        let mut complete = rows.len() < REFILL;
        let mut chosen = Vec::new();
        let mut bytes = 0;
        for row in &rows {
            let Some(sequence) = index_sequence(&row.key) else { continue };
            let size = IndexRow::read(&row.value).map_or(0, |row| row.size);
            if !chosen.is_empty() && bytes + size > self.config.outbox_bytes as u64 {
                complete = false;
                break;
            }
            bytes += size;
            chosen.push(sequence);
        }
        let bodies = match self.load_all(user, &chosen).await {
            Ok(bodies) => bodies,
            Err(error) => {
                session.outbox().refilled(Vec::new(), None, false);
                return Err(error);
            }
        };
        let last = chosen.last().copied();
        // A page without a single readable key would be read for ever.
        complete |= last.is_none();
        let found = bodies.into_iter().flatten().filter_map(|waiting| match waiting {
            Waiting::Message(message) => is_for(&message.info, session).then(|| Pending::Message(Arc::new(message))),
            Waiting::Report(report) => Some(Pending::Report(Arc::new(report))),
            Waiting::Notice(notice) => notice.content.is_for(session).then(|| Pending::Notice(Arc::new(notice))),
        });
        session.outbox().refilled(found.collect(), last, complete);
        Ok(())
    }
}

/// The sessions of somebody for whom one thing more waits.
pub(super) fn waits_for(user: &UserState) -> Vec<Arc<Session>> {
    let mut inner = user.lock();
    if let Some(waiting) = &mut inner.waiting {
        *waiting += 1;
    }
    inner.sessions.clone()
}

/// Whether a message is pushed to a client that agreed on this, or the client told and left to fetch it (CSP 12.2). What
/// it cannot parse is never pushed (CSP 6): BASE64 takes a third more, and the envelope its share.
fn is_pushed(agreed: &Negotiated, message: &Message) -> bool {
    let size = message.content.len();
    let written = if message.binary { size / 3 * 4 + 4 } else { size };
    agreed.takes_pushed(message.info.content_type.as_deref().unwrap_or_default(), size)
        && written <= parser_room(agreed)
}

/// Bytes that a client can parse beside the envelope. 0 is no size that a client can mean.
pub(crate) fn parser_room(agreed: &Negotiated) -> usize {
    match usize::try_from(agreed.parser_size) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(size) => size.saturating_sub(ENVELOPE),
    }
}

/// Whether a message that may be addressed to one client of the user is for this session.
pub(super) fn is_for(info: &MessageInfo, session: &Session) -> bool {
    let mut users = info.recipient.users.iter();
    users.all(|user| user.client_id.as_ref().is_none_or(|client| *client == session.client))
}

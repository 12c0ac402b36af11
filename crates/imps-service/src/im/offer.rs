//! What is committed is offered: to the sessions that are there, as each fetches it (CSP 12.2).

use std::sync::Arc;

use imps_types::element::{MessageInfo, Recipient};

use super::Im;
use super::queue::{IndexRow, Waiting, index_range, index_sequence};
use crate::error::Error;
use crate::event::{Event, ForcedLeave, Message, Report, group_of};
use crate::seam::{KeyRange, Order, Space};
use crate::session::{Negotiated, Pending, Promise, Session, Told};
use crate::user::UserState;

/// Rows that are fetched from the store at once.
const REFILL: usize = 32;

impl Im<'_> {
    /// Puts a committed message into the outbox of each session that it is for.
    pub(super) fn offer(&self, user: &UserState, message: Arc<Message>) {
        if user.is_guest && !user.is_online() {
            self.wake_guest(&user.id);
        }
        for session in waits_for(user, message.info.content_size.into()) {
            if !is_for(&message.info, &session) {
                continue;
            }
            if !self.is_offered(&session, &message) {
                session.outbox().pass_over(message.id.sequence());
                continue;
            }
            let (most, bytes) = (self.config.outbox_max, self.config.outbox_bytes);
            let wake = session.outbox().message(message.clone(), most, bytes);
            if wake {
                session.wake();
            }
        }
    }

    /// Puts a committed report into the outbox of each session of the message's sender.
    pub(super) fn offer_report(&self, user: &UserState, report: &Arc<Report>) {
        for session in waits_for(user, 0) {
            let (most, bytes) = (self.config.outbox_max, self.config.outbox_bytes);
            let wake = session.outbox().report(report.clone(), most, bytes);
            if wake {
                session.wake();
            }
        }
    }

    /// Whether something waits for the session that it will be told: what the Poll flag tells. Looks into the store when
    /// only that knows; when it does not answer, nothing can be fetched either. What came to nothing meanwhile (who joined a
    /// group has left it again, a message has expired) is dropped. Whatever comes to nothing later than this was told truly.
    pub async fn has_pending(&self, session: &Session) -> bool {
        let mut may_fill = true;
        loop {
            let promise = session.outbox().any();
            let is_told = match promise {
                None if may_fill && session.outbox().wants_refill().is_some() => {
                    // Rare and large: whoever waits for this holds no more than a pointer of it.
                    Box::pin(self.fill(session)).await;
                    may_fill = false;
                    continue;
                }
                None => return false,
                Some(Promise::Certain) => return true,
                Some(Promise::Message(sequence, message)) => {
                    let is_told = message.expires > self.clock.now() && self.is_told(session, &message);
                    if !is_told {
                        session.outbox().remove(sequence);
                    }
                    is_told
                }
                Some(Promise::Notice(sequence, notice)) => {
                    let is_told =
                        notice.expires > self.clock.now() && self.access().addressed(session, notice).is_some();
                    if !is_told {
                        session.outbox().remove(sequence);
                    }
                    is_told
                }
                Some(Promise::GroupChange(group)) => self.group().has_news(session, &group),
                Some(Promise::Presence(publisher)) => self.presence().has_news(session, &publisher),
            };
            if is_told {
                return true;
            }
            may_fill = true;
        }
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
                    Box::pin(self.fill(session)).await;
                    session.outbox().take()?
                }
            };
            match pending {
                Pending::Message(message) if message.expires <= self.clock.now() => {}
                Pending::Message(message) => {
                    if let Some(event) = self.message_event(session, &message) {
                        self.metrics.messages_offered.up();
                        return Some(event);
                    }
                }
                Pending::Report(report) => return Some(Event::DeliveryReport(report)),
                Pending::Notice(notice) if notice.expires <= self.clock.now() => {}
                Pending::Notice(notice) => {
                    if let Some(notice) = self.access().addressed(session, notice) {
                        return Some(Event::Notice(notice));
                    }
                }
                Pending::Notification(notification) => return Some(Event::Notification(Arc::new(notification))),
                Pending::ForcedLeave { group, reason } => {
                    return Some(Event::ForcedLeave(Arc::new(ForcedLeave { group, reason })));
                }
                Pending::GroupChange { group, news } => {
                    if let Some(change) = self.group().change_notice(session, &group, *news) {
                        return Some(Event::GroupChange(Arc::new(change)));
                    }
                }
                Pending::Told(event) => return Some(event),
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
        let mut last = None;
        let mut bytes = 0;
        for row in &rows {
            let Some(sequence) = index_sequence(&row.key) else { continue };
            let Ok(index) = IndexRow::read(&row.value) else {
                last = Some(sequence);
                continue;
            };
            if !chosen.is_empty() && bytes + index.size > self.config.outbox_bytes as u64 {
                complete = false;
                break;
            }
            last = Some(sequence);
            // What is said in groups is for those who have joined; who joins later asks for what he missed.
            if index.group.as_ref().is_none_or(|group| session.has_joined(group.as_str())) {
                bytes += index.size;
                chosen.push((sequence, index));
            }
        }
        let bodies = match self.load_rows(user, &chosen).await {
            Ok(bodies) => bodies,
            Err(error) => {
                session.outbox().refilled(Vec::new(), None, false);
                return Err(error);
            }
        };
        // A page without a single readable key would be read for ever.
        complete |= last.is_none();
        let mut found = Vec::with_capacity(bodies.len());
        let mut passed_over = Vec::new();
        for waiting in bodies.into_iter().flatten() {
            let message = match waiting {
                Waiting::Message(message) => Arc::new(message),
                Waiting::GroupMessage(message) => message,
                Waiting::Report(report) => {
                    found.push(Pending::Report(Arc::new(report)));
                    continue;
                }
                Waiting::Notice(notice) => {
                    if notice.content.is_for(session) {
                        found.push(Pending::Notice(Arc::new(notice)));
                    }
                    continue;
                }
            };
            if !is_for(&message.info, session) {
                continue;
            }
            if self.is_offered(session, &message) {
                found.push(Pending::Message(message));
            } else {
                passed_over.push(message);
            }
        }
        {
            let mut outbox = session.outbox();
            outbox.refilled(found, last, complete);
            passed_over.iter().for_each(|message| outbox.pass_over(message.id.sequence()));
        }
        for message in passed_over {
            self.refuse_stored(session, &message).await?;
        }
        Ok(())
    }
}

/// The sessions of somebody for whom one thing more waits, with a content of so many bytes.
pub(super) fn waits_for(user: &UserState, bytes: u64) -> Vec<Arc<Session>> {
    let mut inner = user.lock();
    if let Some(waiting) = &mut inner.waiting {
        waiting.count += 1;
        waiting.bytes += bytes;
    }
    inner.sessions.clone()
}

/// What holds for messages of a group where the client said so of that group.
pub(super) fn group_agreement(session: &Session, message: &Message) -> Option<Negotiated> {
    let group = message.group()?;
    let groups = session.groups.lock();
    let own = groups.iter().find(|one| one.group.id.as_str() == group)?;
    if own.delivery.is_none() && own.push_length.is_none() {
        return None;
    }
    let (delivery, push_length) = (own.delivery, own.push_length);
    drop(groups);
    let mut agreed = session.negotiated().clone();
    agreed.delivery = delivery.unwrap_or(agreed.delivery);
    agreed.push_length = push_length.unwrap_or(agreed.push_length);
    Some(agreed)
}

/// Whether a message that may be addressed to one client of the user is for this session.
pub(super) fn is_for(info: &MessageInfo, session: &Session) -> bool {
    // Messages in a group are for those who have joined it.
    if group_of(info).is_some_and(|group| !session.has_joined(group)) {
        return false;
    }
    is_addressed(&info.recipient, session)
}

/// Whether a session is of the client or the application that a recipient names, if he names one.
pub(super) fn is_addressed(recipient: &Recipient, session: &Session) -> bool {
    recipient.users.iter().all(|user| {
        user.client_id.as_ref().is_none_or(|client| *client == session.client)
            && user.application_id.as_ref().is_none_or(|application| session.application.as_ref() == Some(application))
    })
}

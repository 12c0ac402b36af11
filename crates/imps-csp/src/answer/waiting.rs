//! What waits for a client: fetched by polls, pushed, offered again.

use std::sync::Arc;

use imps_proto::csp::{Disconnect, Namespaces};
use imps_proto::wire::Form;
use imps_service::Session;
use imps_service::event::Event;
use imps_service::session::Outbox;
use imps_types::Version;

use super::{Answer, Received};
use crate::Csp;
use crate::channel::Channel;
use crate::link::{ClientLink, Open, Talk};
use crate::outgoing::{Addressee, Outgoing};

/// What goes out without being asked for.
#[derive(Default)]
pub(crate) struct Pushed {
    /// Messages, each with one transaction.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Whether there may be more.
    pub(crate) is_more: bool,
    /// Whether the last of them says that the session is over.
    pub(crate) is_last: bool,
}

/// Transactions of the server that one message has at most.
const PER_MESSAGE_MAX: usize = 16;

impl Csp {
    /// What the Poll flag tells: whether something new waits, or something that is to be offered again. Nobody has to poll
    /// for what is pushed.
    pub(super) async fn must_poll(&self, channel: Channel, session: &Session) -> bool {
        !channel.is_pushed() && (self.is_overdue(session) || self.has_pending(session).await)
    }

    /// Whether something is to be offered again that the client did not answer in time.
    pub(super) fn is_overdue(&self, session: &Session) -> bool {
        let repeat = |link: &ClientLink| link.next_repeat(self.config.redeliver_after, self.config.redeliveries);
        ClientLink::known(session).and_then(repeat).is_some_and(|at| at <= self.services.clock.now())
    }

    /// Whether [`Csp::push`] may find something, as far as can be said without asking the store.
    pub(crate) fn may_push(&self, session: &Session) -> bool {
        let waits = |outbox: &Outbox| !outbox.is_empty() || outbox.wants_refill().is_some();
        session.is_closed() || waits(&session.outbox()) || self.is_overdue(session)
    }

    /// What waits for a client that need not poll, up to so many messages.
    pub(crate) async fn push(&self, session: &Arc<Session>, form: Form, most: usize) -> Pushed {
        let mut pushed = Pushed::default();
        let id = session.id.as_str();
        let to = |version: Version| Addressee {
            session,
            form,
            version,
            namespaces: Namespaces::standard(),
            poll: Some(false),
        };
        let per_message = self.per_message(session, form);
        let (mut together, mut taken) = (Vec::new(), 0);
        loop {
            if session.is_closed() {
                pushed.is_last = true;
                if let Some(ended) = self.services.access().ended(id) {
                    let last = Outgoing::Last(Disconnect { result: ended.result });
                    pushed.messages.push(self.message_to(&to(ended.version), &[last]));
                }
                break;
            }
            if taken >= most {
                pushed.is_more = true;
                break;
            }
            // What waits already; nobody waits for more of it.
            while together.len() < per_message
                && let Some(open) = self.next_open(session).await
                // The session ended just now: the next round tells.
                && !matches!(open.event, Event::Disconnect(_))
            {
                together.push(open);
            }
            if together.is_empty() && !session.is_closed() {
                break;
            }
            taken += together.len();
            self.write_together(session, &to(session.version), &mut together, &mut pushed.messages);
        }
        if taken > 0
            && let Some(link) = ClientLink::known(session)
        {
            self.services.metrics.websocket_pushed.add(taken as u64);
            self.cir.expect_answer(session, &mut link.calls());
        }
        pushed
    }

    /// Writes open transactions into one message, or each into its own where they are too large together. None is left.
    pub(super) fn write_together(
        &self,
        session: &Session,
        to: &Addressee<'_>,
        together: &mut Vec<Open>,
        messages: &mut Vec<Vec<u8>>,
    ) {
        let content = |open: &Open| match &open.event {
            Event::NewMessage(message) => message.content.len(),
            _ => 0,
        };
        if together.len() > 1 && together.iter().map(content).sum::<usize>() <= self.parser_size(session) {
            let manner = self.manner(session);
            let all: Vec<_> = together.iter().map(|open| Outgoing::Event(open.clone(), manner)).collect();
            let message = self.message_to(to, &all);
            if message.len() <= self.parser_size(session) {
                together.clear();
                return messages.push(message);
            }
        }
        for open in together.drain(..) {
            messages.extend(self.written(session, open, |event| self.fitted_alone(to, event)));
        }
    }

    /// The oldest of what waits, in the session's version and the request's encoding; or nothing.
    pub(super) async fn carry_event(
        &self,
        received: &Received,
        session: &Arc<Session>,
        talk: &Talk<'_>,
    ) -> (Answer, Option<bool>) {
        let id = session.id.as_str();
        if let Some(unfinished) = self.segments.unfinished(&session.id, self.services.clock.now()) {
            return (self.ask_about_pieces(received, session, unfinished), None);
        }
        let to = self.addressee(received, session, session.version, Some(true));
        let most = self.per_message(session, received.form);
        let mut outgoing = Vec::with_capacity(most.min(2));
        let mut bytes = 0;
        while outgoing.len() < most {
            let Some(open) = self.next_open(session).await else { break };
            if matches!(open.event, Event::Disconnect(_)) {
                if outgoing.is_empty() {
                    // The session ended just now. Two polls at once are not both told.
                    return (self.last_words(received, id).unwrap_or(Answer::Nothing), None);
                }
                break;
            }
            if most == 1 {
                // The usual case, without measuring first what is written then.
                let poll = self.must_poll(received.channel, session).await;
                let to = Addressee { poll: Some(poll), ..to };
                match self.written(session, open, |event| self.fitted_alone(&to, event)) {
                    Some(message) => {
                        talk.expects_answer();
                        return (Answer::Message(message), Some(poll));
                    }
                    None => continue,
                }
            }
            let transaction = open.transaction;
            let Some((event, size)) = self.written(session, open, |event| self.fitted_one(&to, event)) else {
                continue;
            };
            bytes += size;
            if !outgoing.is_empty() && bytes > self.parser_size(session) {
                ClientLink::of(session).into_iter().for_each(|link| link.postpone(transaction));
                break;
            }
            outgoing.push(event);
        }
        if outgoing.is_empty() {
            return (Answer::Nothing, Some(false));
        }
        let poll = self.must_poll(received.channel, session).await;
        talk.expects_answer();
        let message = self.message_to(&Addressee { poll: Some(poll), ..to }, &outgoing);
        (Answer::Message(message), Some(poll))
    }

    /// An open transaction as `write` puts it. A message that is too large with what stands beside its content is one that
    /// its client is told of. What does not fit then either, or has no code in PTS, is withdrawn.
    pub(super) fn written<T>(&self, session: &Session, open: Open, write: impl Fn(Outgoing) -> Option<T>) -> Option<T> {
        let (transaction, told, manner) = (open.transaction, open.as_notification(), self.manner(session));
        if let Some(written) = write(Outgoing::Event(open, manner)) {
            return Some(written);
        }
        let link = ClientLink::known(session)?;
        if let Some(told) = told {
            link.renew(&told);
            if let Some(written) = write(Outgoing::Event(told, manner)) {
                return Some(written);
            }
        }
        link.withdraw(transaction);
        None
    }

    /// Transactions of the server in one message: as many as the client agreed to (CSP 3); PTS carries one.
    pub(super) fn per_message(&self, session: &Session, form: Form) -> usize {
        let agreed = session.negotiated();
        let asked = if session.version >= Version::V1_3 { agreed.multi_trans_per_message } else { agreed.multi_trans };
        let most = asked.map_or(1, |asked| usize::try_from(asked).unwrap_or(PER_MESSAGE_MAX));
        if matches!(form, Form::Pts(_)) { 1 } else { most.clamp(1, PER_MESSAGE_MAX) }
    }

    /// The next transaction for the client: one that it did not answer in time, or a new one.
    pub(super) async fn next_open(&self, session: &Arc<Session>) -> Option<Open> {
        let link = ClientLink::of(session)?;
        let now = self.services.clock.now();
        let after = self.config.redeliver_after;
        while let Some(mut open) = link.overdue(now, after, self.config.redeliveries) {
            if !Box::pin(self.is_to_be_repeated(session, &mut open)).await {
                link.withdraw(open.transaction);
                continue;
            }
            link.renew(&open);
            self.services.metrics.redelivered.up();
            return Some(open);
        }
        if !link.may_open(self.open_max(session), now, after) {
            return None;
        }
        let event = self.services.im().next_event(session).await?;
        Some(link.open(event, now))
    }

    /// Whether what its client did not answer is still to be told: a notice that was taken back, or that another client of
    /// the user has acknowledged, is not; and presence is told as it is now.
    pub(super) async fn is_to_be_repeated(&self, session: &Session, open: &mut Open) -> bool {
        match &mut open.event {
            Event::Notice(notice) => self.services.im().is_notice_waiting(notice).await,
            Event::Presence(snapshots) => {
                *snapshots = self.services.presence().renewed(session, snapshots);
                !snapshots.is_empty()
            }
            _ => true,
        }
    }

    /// How many transactions may be open at once: as many as the client said it can take.
    pub(super) fn open_max(&self, session: &Session) -> u32 {
        session.negotiated().multi_trans.map_or(self.config.open_max, |most| most.max(1))
    }

    /// What the Poll flag tells.
    pub(super) async fn has_pending(&self, session: &Session) -> bool {
        self.services.im().has_pending(session).await
    }
}

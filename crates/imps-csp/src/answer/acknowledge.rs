//! Clients answer the transactions of the server (CSP 12.2).

use std::sync::Arc;

use imps_proto::csp::Mode;
use imps_proto::csp::catalogue;
use imps_proto::wire::Form;
use imps_service::event::Event;
use imps_service::{Error, Session};
use imps_types::Status;

use super::Incoming;
use crate::Csp;
use crate::link::{ClientLink, Open};
use crate::transactions::reply;

impl Csp {
    /// A client answers a transaction of the server (CSP 12.2). Answers to what is not open any more say nothing.
    pub(super) async fn acknowledge(
        &self,
        session: &Arc<Session>,
        form: Form,
        incoming: &Incoming,
        answer: Option<&catalogue::Answer>,
    ) -> Result<(), Error> {
        let Some(link) = ClientLink::of(session) else { return Ok(()) };
        self.segments.is_over(&session.id, incoming.id.as_str());
        // Taken out, so that a poll meanwhile does not get it again.
        let open = match incoming.mode {
            Mode::Response => link.take(incoming.id.as_str(), form),
            // Status as a request of its own answers whatever waits longest (CSP 17, Colibria).
            Mode::Request => link.take(incoming.id.as_str(), form).or_else(|| link.take_oldest()),
        };
        match answer {
            Some(catalogue::Answer::MessageDelivered(delivered)) => {
                let id = delivered.message_id.trim();
                let open = match open {
                    Some(open) if open.is_message(id) => Some(open),
                    other => {
                        other.into_iter().for_each(|open| link.put_back(open));
                        link.take_message(id)
                    }
                };
                if let Some(Event::Notice(notice)) = open.as_ref().map(|open| &open.event) {
                    if let Err(error) = Box::pin(self.services.im().notice_acknowledged(notice)).await {
                        open.into_iter().for_each(|open| link.put_back(open));
                        return Err(error);
                    }
                    return Ok(());
                }
                let known = open.as_ref().and_then(|open| match &open.event {
                    Event::NewMessage(message) | Event::MessageNotification(message) => Some(message),
                    _ => None,
                });
                match self.services.im().delivered(session, id, known).await {
                    Ok(()) | Err(Error::UnknownMessage) => link.close_message(id),
                    Err(error) => {
                        open.into_iter().for_each(|open| link.put_back(open));
                        return Err(error);
                    }
                }
            }
            Some(catalogue::Answer::Status(status)) => {
                let Some(open) = open else { return Ok(()) };
                let heard = Box::pin(self.heard(session, &open, status.result.status)).await;
                if !matches!(heard, Ok(true)) {
                    link.put_back(open);
                }
                heard?;
            }
            // The answer to an invitation in the invitation's own transaction: it was heard, and this is what is said to it.
            Some(catalogue::Answer::InviteUserResponse(response)) => {
                let common = self.services.common();
                let answered = Box::pin(common.answer_invitation(session, reply(response.clone()))).await;
                if answered.is_err() {
                    open.into_iter().for_each(|open| link.put_back(open));
                }
                answered?;
            }
            // A piece that nobody asked for is no answer.
            Some(catalogue::Answer::GetSegment(_)) | None => open.into_iter().for_each(|open| link.put_back(open)),
        }
        Ok(())
    }

    /// A client has answered with a Status. Whether that is the end of it.
    pub(super) async fn heard(&self, session: &Session, open: &Open, status: Status) -> Result<bool, Error> {
        match &open.event {
            // Some say Status instead of MessageDelivered.
            Event::NewMessage(message) if status.is_success() => {
                let id = message.id.to_string();
                match self.services.im().delivered(session, &id, Some(message)).await {
                    Ok(()) | Err(Error::UnknownMessage) => Ok(true),
                    Err(error) => Err(error),
                }
            }
            // One that could not take the message gets it again.
            Event::NewMessage(_) => Ok(false),
            Event::DeliveryReport(report) => self.services.im().report_acknowledged(report).await.map(|()| true),
            Event::Notice(notice) => self.services.im().notice_acknowledged(notice).await.map(|()| true),
            Event::ForcedLeave(leave) => self.services.group().leave_heard(session, &leave.group).await.map(|()| true),
            Event::MessageNotification(_)
            | Event::Notification(_)
            | Event::GroupChange(_)
            | Event::Presence(_)
            | Event::Disconnect(_) => Ok(true),
        }
    }
}

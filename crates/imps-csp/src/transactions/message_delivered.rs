//! *MessageDelivered* as a request: a client has a message, after it fetched it. CSP 12.2.

use imps_proto::csp::MessageDelivered;
use imps_service::Error;
use imps_service::event::Event;
use imps_types::Status;

use super::{Cx, Reply, Transaction};
use crate::link::ClientLink;

impl Transaction for MessageDelivered {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let session = cx.session()?;
        let id = self.message_id.trim();
        let link = ClientLink::of(session);
        if let Some(open) = link.and_then(|link| link.take_notice(id)) {
            // A notice that came as a message, since this client knows nothing else.
            let acknowledged = match &open.event {
                Event::Notice(notice) => cx.services.im().notice_acknowledged(notice).await,
                _ => Ok(()),
            };
            if acknowledged.is_err() {
                link.into_iter().for_each(|link| link.put_back(open.clone()));
            }
            return acknowledged.map(|()| Reply::status(Status::SUCCESSFUL));
        }
        cx.services.im().delivered(session, id, None).await?;
        // It may be the answer to a push, as a request of its own; or the push or the notification was never answered.
        if let Some(link) = link {
            link.close_message(id);
        }
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}

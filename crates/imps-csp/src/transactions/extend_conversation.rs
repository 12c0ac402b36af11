//! *ExtendConversation-Request*: a chat of two becomes a group, 1.3. CSP 13.7.

use imps_proto::csp::{ExtendConversationRequest, ExtendConversationResponse};
use imps_service::Error;
use imps_service::group::{Extension, JoinWish};
use imps_types::Address;

use super::{Cx, Reply, Transaction};

impl Transaction for ExtendConversationRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let extension = Extension {
            id: self.extend_conversation_id,
            partner: self.partner,
            others: self.users,
            welcome_note: self.welcome_note,
            wish: JoinWish {
                screen_name: self.screen_name.map(|name| name.name),
                // Who turns a chat into a group wants to know who comes.
                subscribe: self.subscribe_notification.unwrap_or(true),
                own: Vec::new(),
            },
        };
        let extended = cx.services.group().extend_conversation(cx.session()?, extension).await?;
        Ok(ExtendConversationResponse {
            extend_conversation_id: Some(extended.id),
            group_id: extended.group.as_ref().map(Address::from),
            response_note: None,
            result: Some(extended.result),
        }
        .into())
    }
}

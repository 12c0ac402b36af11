//! *SystemMessage-User*: what a user says to the service. CSP 4.9.

use imps_proto::csp::SystemMessageUser;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for SystemMessageUser {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        cx.services.access().answer_system_messages(cx.session()?, &self.responses).await?;
        Ok(Reply::status(Status::SUCCESSFUL))
    }
}

//! *MemberAccess-Request*: members get roles. CSP 13.5.

use imps_proto::csp::MemberAccessRequest;
use imps_service::Error;
use imps_service::group::Manager;
use imps_types::element::Role;

use super::{Cx, Reply, Transaction};

impl Transaction for MemberAccessRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let by = Manager::User(cx.session()?);
        let (admins, mods) = (self.admins.map(|list| list.0), self.mods.map(|list| list.0));
        let lists = [(Role::Admin, admins), (Role::Mod, mods), (Role::User, self.users)];
        let lists = lists.into_iter().filter_map(|(role, list)| Some((role, list?))).collect();
        Ok(Reply::result(cx.services.group().set_access(by, &self.group_id, lists).await?))
    }
}

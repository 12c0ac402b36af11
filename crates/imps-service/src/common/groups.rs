//! What the Common features ask of groups.

use std::sync::Arc;

use imps_types::{Address, Domain, GroupId, Service, UserId};

use super::Common;
use crate::error::Error;
use crate::group::GroupState;
use crate::seam::Reach;

impl Common<'_> {
    /// The group with this address.
    pub(super) fn group_of(&self, address: &Address) -> Result<Arc<GroupState>, Error> {
        self.group().find(address)
    }

    /// The group with this address, if another domain keeps it that can be reached: its own, or the one that has the groups
    /// of ours.
    pub(super) fn abroad(&self, address: &Address) -> Option<GroupId> {
        let group = self.router.group(address).ok()?;
        let is_ours = group.domain() == self.router.home().as_str();
        let is_reached = self.group().is_abroad(&group)
            && self.router.gateway().is_some_and(|gateway| {
                let domain = Domain::parse(group.domain());
                is_ours || domain.is_ok_and(|domain| gateway.reaches(&domain, Service::Common) != Reach::Unknown)
            });
        is_reached.then_some(group)
    }

    /// Lets a user in who was invited (`RequireInvitation`).
    pub(super) async fn admit(&self, group: &GroupState, user: &UserId) -> Result<(), Error> {
        self.group().admit(&group.id, user).await
    }
}

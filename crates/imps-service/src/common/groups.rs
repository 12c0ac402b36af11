//! What the Common features ask of groups.

use std::sync::Arc;

use imps_types::{Address, UserId};

use super::Common;
use crate::error::Error;
use crate::group::GroupState;

impl Common<'_> {
    /// The group with this address.
    pub(super) fn group_of(&self, address: &Address) -> Result<Arc<GroupState>, Error> {
        self.group().find(address)
    }

    /// Lets a user in who was invited (`RequireInvitation`).
    pub(super) async fn admit(&self, group: &GroupState, user: &UserId) -> Result<(), Error> {
        self.group().admit(&group.id, user).await
    }
}

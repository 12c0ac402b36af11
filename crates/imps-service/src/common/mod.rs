//! The Common features: search, invitations, verifying of names, public profiles (CSP 7).
//!
//! Shared content is an invitation of type SC: see [`content`](crate::content).

mod groups;
mod invitation;
mod outcomes;
mod profile;
mod search;
mod verify;

pub use invitation::{
    Invitation, InvitationAnswer, InvitationCancelled, InviteCancel, InviteReply, Named, Occasion, OutgoingInvitation,
    Shown,
};
pub(crate) use invitation::{
    read_answer, read_cancelled, read_invitation, write_answer, write_cancelled, write_invitation,
};
pub use search::{Found, SearchRequest, Searches};

use imps_types::UserId;

use crate::Services;
use crate::error::Error;
use crate::happening::Happening;
use crate::seam::Batch;

/// Access to the Common features.
#[derive(Clone, Copy)]
pub struct Common<'a>(pub(crate) &'a Services);

impl std::ops::Deref for Common<'_> {
    type Target = Services;

    fn deref(&self) -> &Services {
        self.0
    }
}

impl Common<'_> {
    /// Hears what happened.
    pub(crate) fn on(&self, what: &Happening) {
        match what {
            Happening::FindableChanged { user } => self.searches.is_stale(user),
            Happening::SessionClosed { session, .. } => self.searches.close_all(&session.id),
            _ => {}
        }
    }

    /// Ends invitations whose validity is over and searches that nobody goes on with, and takes over what changed.
    pub(crate) async fn sweep(&self) {
        if let Err(error) = self.expire_invitations().await {
            tracing::warn!(%error, "invitations whose validity has ended could not be removed");
        }
        self.sweep_searches().await;
    }

    /// Adds to `batch` that everything goes which the Common features keep of a user. For the removal of the account.
    pub(crate) async fn remove_user(&self, user: &UserId, batch: &mut Batch) -> Result<(), Error> {
        self.remove_profile(user, batch);
        self.remove_invitations(user, batch).await
    }
}

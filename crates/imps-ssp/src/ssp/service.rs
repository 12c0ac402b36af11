//! What is done with what peers say.

use futures_util::future::BoxFuture;
use imps_proto::ssp::{Primitive, UserProfile};
use imps_types::{Address, Domain, TransactionId};

use super::Unanswered;
use crate::agreement::Agreement;

/// What is done with what peers say.
pub trait Service: Send + Sync {
    /// Carries out what a peer asks for, or was told, in this transaction; what comes back is the answer, where one is
    /// wanted.
    fn perform<'a>(&'a self, peer: &'a Domain, id: &'a TransactionId, said: Primitive) -> BoxFuture<'a, Primitive>;

    /// An answer came after its time was over.
    fn late(&self, peer: &Domain, id: &TransactionId, said: Primitive) {
        let _ = said;
        // A session that was opened anew is asked twice, and answers twice.
        tracing::debug!(%peer, id = ?id.as_str(), "an answer came too late");
    }

    /// An operator wants a peer to be reached now: what waits for it does not wait any longer.
    fn hailed(&self, peer: &Domain) {
        let _ = peer;
    }

    /// A session with a peer came up, or the last one went.
    fn session(&self, peer: &Domain, is_up: bool) {
        tracing::info!(%peer, is_up, "session with a peer");
    }

    /// What holds with a peer has changed.
    fn agreed<'a>(&'a self, peer: &'a Domain, agreement: &'a Agreement) -> BoxFuture<'a, ()> {
        tracing::info!(%peer, id = ?agreement.id, "agreement with a peer");
        Box::pin(async {})
    }

    /// What held with a peer before the server was started again.
    fn kept<'a>(&'a self, peer: &'a Domain) -> BoxFuture<'a, Option<Agreement>> {
        let _ = peer;
        Box::pin(async { None })
    }

    /// A message for a user of our own domain, which has no MessageID, is about to be passed on. Whoever can gives it one: the
    /// same however often the transaction comes, so that whoever gets the message can tell that it is the same.
    fn name<'a>(&'a self, peer: &'a Domain, id: &'a TransactionId, said: Primitive) -> BoxFuture<'a, Primitive> {
        let _ = (peer, id);
        Box::pin(async { said })
    }

    /// A message for a user of our own domain cannot be passed on to who provides his messages at the moment. Whoever keeps it, and
    /// sends it on later, says here what is answered instead: 202. `None`: nobody does.
    fn hold<'a>(&'a self, peer: &'a Domain, said: Primitive, why: &'a Unanswered) -> BoxFuture<'a, Option<Primitive>> {
        let _ = (peer, said, why);
        Box::pin(async { None })
    }

    /// The profile of a user of our own domain, with all its parts (SSP 12). Its version grows with every change, across
    /// restarts too. `None`: there is no such user.
    fn profile<'a>(&'a self, user: &'a Address) -> BoxFuture<'a, Option<UserProfile>> {
        let _ = user;
        Box::pin(async { None })
    }

    /// The home domain of a user for whom we provide something told his profile, or a change of it: what is known of him now.
    fn profile_changed<'a>(&'a self, home: &'a Domain, profile: &'a UserProfile) -> BoxFuture<'a, ()> {
        tracing::debug!(%home, user = %profile.user_id, "a profile");
        Box::pin(async {})
    }
}

//! The Presence service element: contact lists (CSP 8), attribute lists and authorisation (CSP 9), presence (CSP 10).
//!
//! A publisher's values, and who watches him, are together under his lock: a change is one pass over his watchers, which
//! notes in the outbox of each what is to be told. The values themselves are looked up when the client fetches, so that
//! a client that is slow hears once of ten changes, and nobody hears what he may not see any more.
//!
//! Locks are taken in this order: a user's `change`, a user's state, a session's outbox or agreement. The subscriptions
//! of a session are locked by themselves.

mod abroad;
mod attribute_lists;
mod authorisation;
mod lists;
mod manage;
mod outcomes;
mod reactive;
mod removal;
mod state;
mod subscription;
#[cfg(test)]
mod tests;
mod update;
mod values;
mod watch_list;

pub use abroad::WatchedAbroad;
pub(crate) use abroad::WatchedGuests;
pub use attribute_lists::{AttributeList, AttributeListTargets, AttributeLists, FoundAttributeLists, NotifyFlags};
pub use authorisation::Decision;
pub use lists::{ContactList, ContactLists, ListChange, ListNames, ListOutcome, ManagedList, Member};
pub(crate) use reactive::agrees_to_be_asked;
pub use reactive::{AuthorisationStatus, Pairs};
pub use state::PresenceState;
pub use subscription::{SessionSubscriptions, WatchTargets};
pub(crate) use values::text_of_record;
pub use watch_list::WatcherList;

use imps_types::UserId;

use crate::Services;
use crate::account::user_key;
use crate::happening::Happening;
use crate::seam::{Batch, Key, Space};

/// Access to the Presence service element.
#[derive(Clone, Copy)]
pub struct Presence<'a>(pub(crate) &'a Services);

impl Presence<'_> {
    /// Hears what the other service elements do. A user's `change` must not be held by whoever tells of lists.
    pub async fn on(&self, what: &Happening) {
        match what {
            Happening::SessionOpened { session, resumed: true } => self.resume(session).await,
            Happening::SessionOpened { session, resumed: false } => self.opened(session),
            Happening::SessionClosed { session, .. } => self.closed(session),
            Happening::AuthorisationChanged { user } => {
                self.look_at(user, None);
                self.end_decided_questions(user).await;
            }
            Happening::ListChanged { user, list } => self.list_changed(user, list).await,
            Happening::FindableChanged { .. } => {}
        }
    }

    /// Adds to `batch` that everything goes which this service element keeps of a user. For the removal of the account.
    /// What others keep of him: [`Presence::forget_watcher`].
    pub(crate) fn remove_user(&self, user: &UserId, batch: &mut Batch) {
        let all = || Key::build().text(user.as_str()).range();
        for space in [Space::Lists, Space::AttributeLists, Space::Authorisations, Space::Watchers] {
            batch.delete_range(space, all());
        }
        batch.delete(Space::Presence, user_key(user));
    }
}

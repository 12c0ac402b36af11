//! The Access service element: accounts, login, sessions, negotiation (CSP 4 to 6, 16).

mod accounts;
mod broadcast;
mod cir;
mod guard;
mod guest;
mod lifecycle;
mod login;
mod msisdn;
mod negotiation;
mod notification;
mod password;
mod rate;
mod registration;
mod system_message;

pub(crate) use accounts::is_filler;
pub use accounts::{PersonChange, PhonePassword, UserSummary};
pub(crate) use broadcast::Broadcasts;
pub use broadcast::{Broadcast, GivenAnswer, Says};
pub use cir::{CirOffer, UDP_PORT};
pub(crate) use guard::LoginGuard;
pub(crate) use guest::GuestTable;
pub use guest::Visit;
pub use lifecycle::ServiceProvider;
pub use login::{LoginAttempt, LoginOutcome};
pub use msisdn::number_of;
pub use negotiation::ServiceAnswer;
pub use password::generate_password;
pub use rate::{Bucket, Buckets, Rate, network_of};
pub use registration::{InviteCode, Registered, Registrant, Registration};
pub use system_message::{Audience, NewBroadcast, UserAnswer};

use crate::Services;
use crate::happening::Happening;

/// Access to the Access service element.
#[derive(Clone, Copy)]
pub struct Access<'a>(pub(crate) &'a Services);

impl std::ops::Deref for Access<'_> {
    type Target = Services;

    fn deref(&self) -> &Services {
        self.0
    }
}

impl Access<'_> {
    /// Hears what happened: a user who has come is told what the service has to say.
    pub(crate) async fn on(&self, what: &Happening) {
        self.note_guest(what);
        if matches!(what, Happening::SessionOpened { session, .. } if session.user.is_guest) {
            return;
        }
        if let Happening::SessionOpened { session, resumed: false } = what
            && let Err(error) = self.give_what_is_due(session).await
        {
            tracing::warn!(user = %session.user.id, %error, "system messages are not told");
        }
    }
}

//! The Access service element: accounts, login, sessions, negotiation (CSP 4 to 6, 16).

mod accounts;
mod cir;
mod guard;
mod lifecycle;
mod login;
mod negotiation;
mod notification;
mod password;

pub use accounts::{PhonePassword, UserSummary};
pub use cir::{CirOffer, UDP_PORT};
pub(crate) use accounts::is_filler;
pub use accounts::{PersonChange, PhonePassword, UserSummary};
pub(crate) use guard::LoginGuard;
pub use lifecycle::ServiceProvider;
pub use login::{LoginAttempt, LoginOutcome};
pub use negotiation::ServiceAnswer;
pub use password::generate_password;

use crate::Services;

/// Access to the Access service element.
#[derive(Clone, Copy)]
pub struct Access<'a>(pub(crate) &'a Services);

impl std::ops::Deref for Access<'_> {
    type Target = Services;

    fn deref(&self) -> &Services {
        self.0
    }
}

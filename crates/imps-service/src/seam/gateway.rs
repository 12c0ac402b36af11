//! A way to users who are not ours.

use imps_types::{Domain, GroupId, Service, UserId};

/// Whether a domain can be reached for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can.
    Agreed,
    /// It is known, but this service is not agreed on with it: 506.
    NotAgreed,
    /// It is not known: 516.
    Unknown,
}

/// A way to users who are not ours: SSP.
pub trait Gateway: Send + Sync {
    /// Whether it leads to this domain for this service. It does not wait.
    fn reaches(&self, domain: &Domain, service: Service) -> Reach;

    /// Whether users of this domain have this service from us: our own, or those whose PSE we are (SSP 1). It does not wait.
    fn keeps(&self, domain: &str, service: Service) -> bool;

    /// Something was committed that waits for this domain.
    fn wake(&self, domain: &Domain);

    /// Something was committed that waits for this user of another domain.
    fn wake_guest(&self, guest: &UserId);

    /// Users of ours watch others of this domain now than before.
    fn watching_changed(&self, domain: &str);

    /// A user of ours has no client any more in a group of another domain.
    fn left_group(&self, user: &UserId, group: &GroupId);

    /// This user of ours has come, or has gone: whoever keeps something for him wants to know (SSP 12).
    fn user_changed(&self, user: &UserId);
}

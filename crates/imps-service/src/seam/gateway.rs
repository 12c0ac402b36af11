//! A way to users who are not ours.

use imps_types::{Domain, Service};

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

    /// Something was committed that waits for this domain.
    fn wake(&self, domain: &Domain);
}

//! imps-testkit.

pub mod load;

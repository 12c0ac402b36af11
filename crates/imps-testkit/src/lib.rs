//! imps-testkit.

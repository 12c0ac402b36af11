//! imps-store.

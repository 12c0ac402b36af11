//! imps-types.

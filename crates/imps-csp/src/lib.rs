//! imps-csp.

//! imps-service.

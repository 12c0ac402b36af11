//! imps-proto.

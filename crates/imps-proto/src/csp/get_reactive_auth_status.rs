//! *GetReactiveAuthStatus-Request* and *-Response*: what a publisher decided when he was asked. CSP 9; 1.2.

use crate::elements::UserIds;
use crate::grammar::primitive;
use imps_types::Address;
use imps_types::element::ReactiveAuthStatus;

primitive! {
    /// A publisher asks what he decided.
    GetReactiveAuthStatusRequest {
        /// About whom; nobody named: about everybody.
        via user_ids: Vec<Address> = UserIds,
    }
}

primitive! {
    /// His decisions, and the questions that he has not answered.
    GetReactiveAuthStatusResponse {
        /// One for each watcher and state.
        default statuses: Vec<ReactiveAuthStatus> = ReactiveAuthStatusList,
    }
}

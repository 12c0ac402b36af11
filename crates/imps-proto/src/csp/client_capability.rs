//! *ClientCapability-Request* and *-Response*: what a client can do. CSP 4.8, 6.

use crate::grammar::primitive;
use imps_types::ClientId;
use imps_types::element::CapabilityList;

primitive! {
    /// A client says what it can do.
    ClientCapabilityRequest {
        /// The client, 1.1.
        optional client_id: ClientId = ClientId until V1_1,
        /// Its capabilities; 1.1 may leave them out.
        default capability_list: Box<CapabilityList> = CapabilityList,
    }
}

primitive! {
    /// What of it holds: the whole list in 1.1, what the server decides since.
    ClientCapabilityResponse {
        /// The client, 1.1.
        optional client_id: ClientId = ClientId until V1_1,
        /// The agreed capabilities.
        optional capability_list: Box<CapabilityList> = CapabilityList until V1_1 | AgreedCapabilityList since V1_2,
    }
}

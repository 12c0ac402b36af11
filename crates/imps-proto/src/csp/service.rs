//! *Service-Request* and *-Response*: which functions will be used. CSP 4.7.

use crate::grammar::primitive;
use imps_types::ClientId;
use imps_types::service_tree::FunctionSet;

primitive! {
    /// A client names the functions it wishes to use.
    ServiceRequest {
        /// The client, 1.1.
        optional client_id: ClientId = ClientId until V1_1,
        /// The wished functions; absent: none are named.
        optional functions: FunctionSet = Functions,
        /// Whether it wants to know all that the server has.
        default all_functions_request: bool = AllFunctionsRequest,
    }
}

primitive! {
    /// What of it is *not* available.
    ServiceResponse {
        /// The client, 1.1.
        optional client_id: ClientId = ClientId until V1_1,
        /// The wished functions that are not available; `None` when all are.
        optional functions: FunctionSet = Functions,
        /// All that the server has, if the client asked.
        optional all_functions: FunctionSet = AllFunctions,
    }
}

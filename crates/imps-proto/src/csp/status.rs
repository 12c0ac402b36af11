//! *Status*: the answer to whatever has no response of its own, and to everything that failed. CSP 3.

use crate::grammar::primitive;
use imps_types::element::ResultInfo;
use imps_types::{ClientId, Status};

primitive! {
    /// How a transaction went. (`Status` alone is the code in it.)
    StatusPrimitive = Status {
        /// How it went.
        required result: ResultInfo = Result,
        /// The client.
        optional client_id: ClientId = ClientId,
    }
}

impl StatusPrimitive {
    /// Just a result.
    pub fn new(result: ResultInfo) -> Self {
        Self { result, client_id: None }
    }

    /// Just a code.
    pub fn of(status: Status) -> Self {
        Self::new(ResultInfo::of(status))
    }
}

impl From<ResultInfo> for StatusPrimitive {
    fn from(result: ResultInfo) -> Self {
        Self::new(result)
    }
}

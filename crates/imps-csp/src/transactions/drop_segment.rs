//! *DropSegment-Request*: the client does not want the rest of a message. CSP 3, "Segmentation".

use imps_proto::csp::DropSegmentRequest;
use imps_service::Error;
use imps_types::Status;

use super::{Cx, Reply, Transaction};

impl Transaction for DropSegmentRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let dropped = cx.segments.drop(&cx.session()?.id, &self.segment_id);
        Ok(Reply::status(dropped.err().unwrap_or(Status::SUCCESSFUL)))
    }
}

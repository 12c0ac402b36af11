//! *GetSegment-Request*: the next piece of a message that was too large. CSP 3, "Segmentation".

use imps_proto::csp::{GetSegmentRequest, GetSegmentResponse};
use imps_service::Error;

use super::{Cx, Reply, Transaction};

impl Transaction for GetSegmentRequest {
    async fn run(self, cx: &Cx<'_>) -> Result<Reply, Error> {
        let session = cx.session()?;
        Ok(match cx.segments.piece(&session.id, &self.segment_id, cx.services.clock.now()) {
            Ok((info, content)) => GetSegmentResponse { content, info: Some(info) }.into(),
            Err(status) => Reply::status(status),
        })
    }
}

//! *DeliveryReport-Request*: what became of a message. CSP 12.3.

use imps_proto::csp::DeliveryReportRequest;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::event::Report;
use imps_types::element::ResultInfo;

pub(super) fn write(report: &Report, writer: &mut dyn Writer) {
    DeliveryReportRequest {
        result: ResultInfo::of(report.result),
        delivery_time: Some(report.time),
        message_info: report.info.clone(),
    }
    .write(writer);
}

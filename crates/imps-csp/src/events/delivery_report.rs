//! *DeliveryReport-Request*: what became of a message. CSP 12.3.

use imps_proto::csp::DeliveryReportRequest;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::event::Report;
use imps_service::language::Language;
use imps_types::element::ResultInfo;

use crate::language::translate;

pub(super) fn write(report: &Report, language: Language, writer: &mut dyn Writer) {
    let mut result = ResultInfo::of(report.result);
    translate(&mut result, language);
    DeliveryReportRequest { result, delivery_time: Some(report.time), message_info: report.info.clone() }.write(writer);
}

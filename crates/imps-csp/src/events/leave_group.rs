//! *LeaveGroup-Response* as a transaction of the server's own: a client was forced out of a group. CSP 13.4.

use imps_proto::csp::LeaveGroupResponse;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::event::ForcedLeave;
use imps_service::language::Language;
use imps_types::Address;
use imps_types::element::ResultInfo;

use crate::language::translate;

pub(super) fn write(leave: &ForcedLeave, language: Language, writer: &mut dyn Writer) {
    let mut result = ResultInfo::of(leave.reason);
    translate(&mut result, language);
    LeaveGroupResponse { group_id: Some(Address::from(&leave.group)), result }.write(writer);
}

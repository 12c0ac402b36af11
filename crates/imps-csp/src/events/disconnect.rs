//! *Disconnect*: the server ends a session. CSP 4.3.

use imps_proto::csp::Disconnect;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_types::element::ResultInfo;

pub(super) fn write(result: &ResultInfo, writer: &mut dyn Writer) {
    Disconnect { result: result.clone() }.write(writer);
}

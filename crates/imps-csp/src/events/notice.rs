//! Notices as the primitives that tell of them: a file for each.

use imps_proto::wire::Writer;
use imps_service::event::Notice;

pub(super) fn write(notice: &Notice, writer: &mut dyn Writer) {
    let _ = writer;
    match notice.content {}
}

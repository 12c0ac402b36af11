//! *MessageNotification*: a message waits to be fetched. CSP 12.2.

use imps_proto::csp::MessageNotification;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::event::Message;

pub(super) fn write(message: &Message, writer: &mut dyn Writer) {
    MessageNotification { message_info: message.info.clone() }.write(writer);
}

//! *NewMessage*: a message is pushed. CSP 12.2.

use imps_proto::csp::NewMessage;
use imps_proto::elements::Message as MessageElement;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::event::Message;
use imps_types::element::Content;

pub(super) fn write(message: &Message, writer: &mut dyn Writer) {
    NewMessage { message: with_content(message) }.write(writer);
}

/// A message with what it consists of.
pub(crate) fn with_content(message: &Message) -> MessageElement {
    let content = Content { data: message.content.clone(), binary: message.binary };
    MessageElement { info: message.info.clone(), content: Some(content) }
}

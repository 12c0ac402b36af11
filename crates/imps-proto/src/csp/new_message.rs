//! *NewMessage*: a message is pushed to a client. CSP 12.2.

use crate::element::Element;
use crate::elements::{Message, put_message};
use crate::grammar::primitive;
use crate::wire::Writer;
use imps_types::element::{Content, MessageInfo};

primitive! {
    /// A message for this client.
    NewMessage {
        /// The message.
        via message: Message = Message,
    }
}

impl NewMessage {
    /// Writes one of these, whose parts lie somewhere else, without a copy of them.
    pub fn write_of(info: &MessageInfo, content: &Content, writer: &mut dyn Writer) {
        writer.start(Element::NewMessage);
        put_message(info, Some(content), writer);
        writer.end(Element::NewMessage);
    }
}

//! *NewMessage*: a message is pushed. CSP 12.2.

use imps_proto::csp::NewMessage;
use imps_proto::elements::Message as MessageElement;
use imps_proto::wire::{Form, Writer};
use imps_service::event::Message;
use imps_types::element::Content;

use super::kept::write_kept;

/// A message to a group is encoded once for all who get it in the same version and form.
pub(super) fn write(message: &Message, form: Form, writer: &mut dyn Writer) {
    let content = content_of(message);
    let encode = |writer: &mut dyn Writer| NewMessage::write_of(&message.info, &content, writer);
    match message.kept.forms() {
        Some(kept) => write_kept(kept, form, writer, encode),
        None => encode(writer),
    }
}

/// A message with what it consists of.
pub(crate) fn with_content(message: &Message) -> MessageElement {
    MessageElement { info: message.info.clone(), content: Some(content_of(message)) }
}

fn content_of(message: &Message) -> Content {
    Content { data: message.content.clone(), binary: message.binary }
}

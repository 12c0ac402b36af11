//! *SystemMessage-Request*: the service says something; to clients before 1.3 as a NewMessage. CSP 4.9.

use bytes::Bytes;
use imps_proto::csp::{NewMessage, SystemMessageRequest};
use imps_proto::elements::Message;
use imps_proto::grammar::Primitive;
use imps_proto::wire::Writer;
use imps_service::event::{Notice, Said, SystemNotice};
use imps_types::element::{Content, MessageInfo, Recipient, Sender, SystemMessage, User, Verification};
use imps_types::{Address, Version};

pub(super) fn write(notice: &Notice, content: &SystemNotice, writer: &mut dyn Writer) {
    // What waits is never written without having been addressed.
    let Some(said) = &content.said else { return };
    if writer.version() < Version::V1_3 {
        NewMessage { message: as_message(notice, said) }.write(writer);
    } else {
        SystemMessageRequest { messages: vec![said.message.clone()] }.write(writer);
    }
}

/// What a client is told that knows no system messages: a message from the service.
fn as_message(notice: &Notice, said: &Said) -> Message {
    let data = Bytes::from(as_text(&said.message));
    let info = MessageInfo {
        message_id: Some(notice.id.to_string().into()),
        content_type: Some("text/plain".into()),
        content_size: u32::try_from(data.len()).unwrap_or(u32::MAX),
        recipient: Recipient::user(User::of(&notice.recipient)),
        sender: Some(Sender::User(User::of(Address::from(&said.sender)))),
        date_time: Some(said.time),
        ..MessageInfo::default()
    };
    Message { info, content: Some(Content { data, binary: false }) }
}

/// The text, what can be answered, and where to look.
pub(crate) fn as_text(message: &SystemMessage) -> String {
    let mut text = message.text.as_deref().unwrap_or_default().to_owned();
    for option in &message.options {
        text.push_str(&format!("\n{}: {}", option.id, option.text));
    }
    match &message.verification {
        Some(Verification::InText(more) | Verification::Url(more)) => {
            text.push('\n');
            text.push_str(more);
        }
        None => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use imps_types::element::AnswerOption;

    #[test]
    fn a_text_says_it_all() {
        let option = |id, text: &str| AnswerOption { id, text: text.into() };
        let message = SystemMessage {
            text: Some("Agree?".into()),
            options: vec![option(1, "Yes"), option(2, "No")],
            verification: Some(Verification::Url("http://x/".into())),
            ..SystemMessage::default()
        };
        assert_eq!(as_text(&message), "Agree?\n1: Yes\n2: No\nhttp://x/");
    }
}

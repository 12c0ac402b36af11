//! What goes out: as its client can read it, in its language and within its ParserSize.

use imps_proto::csp::catalogue::{Response, ServerRequest};
use imps_proto::csp::{Disconnect, GetSegmentResponse, MessageWriter, Mode, Namespaces, StatusPrimitive};
use imps_proto::elements::{SegmentContent, SegmentId, SegmentInfo};
use imps_proto::grammar::Primitive;
use imps_proto::wire::{Form, Writer};
use imps_service::Session;
use imps_service::event::Event;
use imps_types::element::ResultInfo;
use imps_types::{Status, TransactionId, Version};

use crate::events::{Manner, write_event};
use crate::link::{Open, transaction_text};
use crate::{Csp, language, segments};

/// What the answer's transactions are.
#[expect(clippy::large_enum_variant, reason = "there are one or two, for the time of one answer")]
pub(crate) enum Outgoing {
    Response(TransactionId, Response),
    Event(Open, Manner),
    Last(Disconnect),
    /// The first piece of what is too large.
    Piece(Mode, String, GetSegmentResponse),
    /// What the server asks about pieces: in this transaction.
    Ask(String, ServerRequest),
    /// Nothing: in the place of one that is being dealt with.
    Nothing,
}

/// Whom a message is for, and how it is written.
#[derive(Clone, Copy)]
pub(crate) struct Addressee<'a> {
    pub(crate) session: &'a Session,
    pub(crate) form: Form,
    pub(crate) version: Version,
    pub(crate) namespaces: &'a Namespaces,
    pub(crate) poll: Option<bool>,
}

/// Bytes that the content of a piece may need beside its own.
const MARKS: usize = 16;

/// MIBenum of UTF-8.
const UTF_8: u32 = 106;

impl Csp {
    /// A message that its client can parse. What is too large is cut where that was agreed upon; else a response says no
    /// more than its code, or is refused (432) if it is something else that is too large. `None`: there is an event that the client cannot be told.
    pub(crate) fn fitted(&self, to: &Addressee<'_>, mut outgoing: Vec<Outgoing>) -> Option<Vec<u8>> {
        let whole = self.message_to(to, &outgoing);
        if whole.len() <= self.parser_size(to.session) {
            return Some(whole);
        }
        for one in &mut outgoing {
            let unfitted = std::mem::replace(one, Outgoing::Nothing);
            *one = self.fitted_one(to, unfitted)?.0;
        }
        Some(self.message_to(to, &outgoing))
    }

    /// A message of one transaction that its client can parse; `None` likewise, or where its encoding has nothing for it.
    pub(crate) fn fitted_alone(&self, to: &Addressee<'_>, one: Outgoing) -> Option<Vec<u8>> {
        self.fitted(to, vec![one]).filter(|message| !message.is_empty())
    }

    /// One transaction so that its client can parse it, and the bytes of the message that it is alone. `None`: the client
    /// cannot be told, or not in its encoding.
    pub(crate) fn fitted_one(&self, to: &Addressee<'_>, one: Outgoing) -> Option<(Outgoing, usize)> {
        let alone = self.message_to(to, std::slice::from_ref(&one));
        let (bytes, most) = (alone.len(), self.parser_size(to.session));
        if bytes <= most {
            return (bytes > 0).then_some((one, bytes));
        }
        match (self.cut(to, &one, alone, most), one) {
            (Some(piece), _) => Some((piece, most)),
            (None, Outgoing::Response(id, mut response)) => {
                if let Some(result) = language::result_of(&mut response) {
                    // What was done is done: its client shall not take it for refused, and ask again.
                    (result.description, result.detailed) = (None, Vec::new());
                    let shorter = Outgoing::Response(id.clone(), response);
                    let bytes = self.message_to(to, std::slice::from_ref(&shorter)).len();
                    if (1..=most).contains(&bytes) {
                        return Some((shorter, bytes));
                    }
                }
                let result = ResultInfo { description: None, ..ResultInfo::of(Status::RESPONSE_TOO_LARGE) };
                Some((Outgoing::Response(id, Response::Status(StatusPrimitive::new(result))), most))
            }
            (None, _) => None,
        }
    }

    /// Bytes that a client can parse. 0 is no size that a client can mean.
    pub(crate) fn parser_size(&self, session: &Session) -> usize {
        match session.negotiated().parser_size {
            0 => usize::MAX,
            size => usize::try_from(size).unwrap_or(usize::MAX),
        }
    }

    /// The first piece of a message that is too large, if its client takes pieces.
    fn cut(&self, to: &Addressee<'_>, one: &Outgoing, message: Vec<u8>, most: usize) -> Option<Outgoing> {
        if !segments::are_agreed(to.session, to.form) {
            return None;
        }
        let (mode, id) = match one {
            Outgoing::Response(_, Response::GetSegment(_)) => return None,
            Outgoing::Response(id, _) => (Mode::Response, id.as_str().to_owned()),
            Outgoing::Event(open, _) => (Mode::Request, transaction_text(open.transaction, to.form)),
            Outgoing::Piece(..) | Outgoing::Ask(..) | Outgoing::Last(_) | Outgoing::Nothing => return None,
        };
        // What stands around the piece, with the longest numbers.
        let reference = SegmentId { transaction_id: TransactionId::new(&id), reference: u32::MAX };
        let info = SegmentInfo { count: Some(u32::MAX), id: Some(reference) };
        let nothing = GetSegmentResponse { content: SegmentContent::default(), info: Some(info) };
        let around = Outgoing::Piece(mode, id.clone(), nothing);
        let room = most.checked_sub(self.message_to(to, &[around]).len() + MARKS)?;
        let now = self.services.clock.now();
        let (info, content) = self.segments.cut(&to.session.id, &id, to.form, message, room, now)?;
        self.services.metrics.messages_cut.up();
        Some(Outgoing::Piece(mode, id, GetSegmentResponse { content, info: Some(info) }))
    }

    /// The message, whatever its size.
    pub(crate) fn message_to(&self, to: &Addressee<'_>, outgoing: &[Outgoing]) -> Vec<u8> {
        let message = self.message(to.form, to.version, to.namespaces, Some(to.session.id.as_str()), outgoing, to.poll);
        if to.form == Form::Xml && !reads_utf8(to.session) { in_ascii(message) } else { message }
    }

    /// A message outside a session, or inside.
    pub(crate) fn message(
        &self,
        form: Form,
        version: Version,
        namespaces: &Namespaces,
        session_id: Option<&str>,
        outgoing: &[Outgoing],
        poll: Option<bool>,
    ) -> Vec<u8> {
        let mut writer = MessageWriter::new(form, version, namespaces, session_id, Vec::with_capacity(768));
        for one in outgoing {
            match one {
                Outgoing::Response(id, Response::GetSegment(piece)) => {
                    write_piece(&mut writer, Mode::Response, id.as_str(), poll, piece);
                }
                Outgoing::Piece(mode, id, piece) => write_piece(&mut writer, *mode, id, poll, piece),
                Outgoing::Ask(id, request) => {
                    writer.transaction(Mode::Request, id, poll, |writer| request.write(writer));
                }
                Outgoing::Response(id, response) => {
                    if let Response::GetMessage(fetched) = response {
                        writer.ext_blocks(&fetched.message.info.ext_blocks);
                    }
                    writer.transaction(Mode::Response, id.as_str(), poll, |writer| response.write(writer));
                }
                Outgoing::Event(open, manner) => {
                    if let Event::NewMessage(message) | Event::MessageNotification(message) = &open.event {
                        writer.ext_blocks(&message.info.ext_blocks);
                    }
                    let id = transaction_text(open.transaction, form);
                    writer.transaction(Mode::Request, &id, poll, |writer| {
                        write_event(&open.event, form, *manner, writer);
                    });
                }
                Outgoing::Nothing => {}
                Outgoing::Last(disconnect) => {
                    let write = |writer: &mut dyn Writer| disconnect.write(writer);
                    writer.transaction(Mode::Request, &transaction_text(0, form), poll, write);
                }
            }
        }
        writer.finish(poll)
    }
}

/// Writes a piece of a message: which it is stands in the TransactionDescriptor.
fn write_piece(writer: &mut MessageWriter<'_>, mode: Mode, id: &str, poll: Option<bool>, piece: &GetSegmentResponse) {
    let bare = GetSegmentResponse { content: piece.content.clone(), info: None };
    writer.piece(mode, id, poll, piece.info.as_ref(), |writer| bare.write(writer));
}

/// Whether the client said that it reads UTF-8, or did not say what it reads.
fn reads_utf8(session: &Session) -> bool {
    let agreed = session.negotiated();
    agreed.charsets.is_empty() || agreed.charsets.contains(&UTF_8)
}

/// A document of XML in letters that stand in every character set: the others by their numbers.
fn in_ascii(document: Vec<u8>) -> Vec<u8> {
    if document.is_ascii() {
        return document;
    }
    let Ok(text) = std::str::from_utf8(&document) else { return document };
    let mut plain = String::with_capacity(document.len() + document.len() / 4);
    for letter in text.chars() {
        if letter.is_ascii() {
            plain.push(letter);
        } else {
            plain.push_str(&format!("&#{};", u32::from(letter)));
        }
    }
    plain.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_by_their_numbers() {
        let plain = in_ascii("<a>tomando café €😀</a>".into());
        assert_eq!(plain, b"<a>tomando caf&#233; &#8364;&#128512;</a>");
        assert_eq!(in_ascii(b"<a/>".to_vec()), b"<a/>");
    }
}

//! From one encoding to another, token by token.

use super::{DecodeError, Reader, Start, Tag, Token, Writer, text};
use std::borrow::Cow;

/// Writes everything that is left of a message. What one encoding has and the other has not is kept by value: opaque
/// dates become text, bytes become base64 in XML.
pub fn transcode<'a>(reader: &mut dyn Reader<'a>, writer: &mut dyn Writer) -> Result<(), DecodeError> {
    let mut open: Vec<Tag<'a>> = Vec::new();
    // Pieces of one text are written as one, since only a whole text can be a value token.
    let mut gathered = Cow::Borrowed("");
    loop {
        let token = reader.next()?;
        if !matches!(token, Token::Text(_)) && !gathered.is_empty() {
            writer.text(&gathered);
            gathered = Cow::Borrowed("");
        }
        match token {
            Token::Start(Start { tag, xmlns }) => {
                open.push(tag);
                match (tag, xmlns) {
                    (Tag::Known(element), None) => writer.start(element),
                    (Tag::Known(element), Some(namespace)) => writer.start_with_namespace(element, namespace),
                    (Tag::Unknown(name), namespace) => writer.start_unknown(name, namespace),
                }
            }
            Token::End => match open.pop() {
                Some(Tag::Known(element)) => writer.end(element),
                Some(Tag::Unknown(name)) => writer.end_unknown(name),
                None => {}
            },
            Token::Text(more) => text::append(&mut gathered, more),
            Token::Integer(number) => writer.integer(number),
            Token::Date(date) => writer.date(date),
            Token::Opaque(bytes) => writer.opaque(bytes),
            Token::Eof => return Ok(()),
        }
    }
}

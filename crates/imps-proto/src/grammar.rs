//! How primitives and information elements are read and written: two traits, and the macro that reads a table of fields.
//!
//! Reading is generous (CSP, "Notation"): children come in any order, unknown ones are skipped, the forms of every version
//! are taken in every version, and only what nothing can be done without is [missed](DecodeErrorKind::Missing). Writing
//! is exact: the order of the table, and only what the version of the message has.
//!
//! A row of a table is `KIND field: Type = Element`, after which `since V` and `until V` say in which versions it is
//! written. `| Element` adds another name for it, with versions of its own; `| Element as alias` is only ever read.
//!
//! | kind | the field is | absent |
//! |---|---|---|
//! | `required` | `T` | an error |
//! | `optional` | `Option<T>` | `None` |
//! | `default` | `T` | its default, and it is always written |
//! | `many` | `Vec<T>`, an element for each | empty |
//! | `list` | `Vec<T>`, all in one element | empty; written only if it is not |
//! | `via` | what the named [`Codec`] makes of several elements | whatever it says |

use crate::element::Element;
use crate::wire::{DecodeError, DecodeErrorKind, Reader, Token, Writer};
use imps_types::{Address, DateTime, Secret, Status, TransactionId, Version};
use std::borrow::Cow;

/// What can be read from the content of an element.
pub trait Decode: Sized {
    /// Reads through the end of the element whose start was taken.
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError>;

    /// The same where the value may be absent: `None` for content that says as much, such as an empty number or a word
    /// that is not in the table.
    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        Self::decode(reader).map(Some)
    }
}

/// What can be written into an element.
pub trait Encode {
    /// Writes what stands between the start and the end of `element`.
    fn encode_content(&self, element: Element, writer: &mut dyn Writer);

    /// Writes the element.
    fn encode(&self, element: Element, writer: &mut dyn Writer) {
        writer.start(element);
        self.encode_content(element, writer);
        writer.end(element);
    }
}

/// A primitive: what TransactionContent consists of.
pub trait Primitive: Decode + Encode {
    /// Its element.
    const ELEMENT: Element;

    /// Writes it.
    fn write(&self, writer: &mut dyn Writer) {
        self.encode(Self::ELEMENT, writer);
    }
}

/// Reads and writes several kinds of children that are one value together, or that differ by version.
pub trait Codec {
    /// What was gathered so far.
    type Slot: Default;
    /// The value.
    type Value;

    /// Whether this element is one of them.
    fn takes(element: Element) -> bool;

    /// Reads one of them, through its end.
    fn take(slot: &mut Self::Slot, element: Element, reader: &mut dyn Reader<'_>) -> Result<(), DecodeError>;

    /// The value, when all children were seen.
    fn finish(slot: Self::Slot, at: usize) -> Result<Self::Value, DecodeError>;

    /// Writes them.
    fn put(value: &Self::Value, writer: &mut dyn Writer);
}

/// The next child that is in the table; `None` when the parent has ended. Text between children says nothing.
pub fn next_child(reader: &mut dyn Reader<'_>) -> Result<Option<Element>, DecodeError> {
    loop {
        match reader.next()? {
            Token::Start(start) => match start.tag.known() {
                Some(element) => return Ok(Some(element)),
                None => reader.skip()?,
            },
            Token::End => return Ok(None),
            Token::Eof => return Err(truncated(reader)),
            Token::Text(_) | Token::Integer(_) | Token::Date(_) | Token::Opaque(_) => {}
        }
    }
}

/// The own text of an element that may have children too, without white space at both ends. `child` is called for each
/// child that is in the table, and reads or skips it.
pub(crate) fn mixed<'a>(
    reader: &mut dyn Reader<'a>,
    child: &mut dyn FnMut(Element, &mut dyn Reader<'a>) -> Result<(), DecodeError>,
) -> Result<Cow<'a, str>, DecodeError> {
    let mut content = Cow::Borrowed("");
    loop {
        match reader.next()? {
            Token::Start(start) => match start.tag.known() {
                Some(element) => child(element, reader)?,
                None => reader.skip()?,
            },
            Token::Text(text) if content.is_empty() => content = text,
            Token::Text(text) => content.to_mut().push_str(&text),
            Token::End => break,
            Token::Eof => return Err(truncated(reader)),
            Token::Integer(_) | Token::Date(_) | Token::Opaque(_) => {}
        }
    }
    Ok(match content {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    })
}

/// Reads the children `wanted` of an element into `into`.
pub(crate) fn items<T: Decode>(
    reader: &mut dyn Reader<'_>,
    into: &mut Vec<T>,
    wanted: fn(Element) -> bool,
) -> Result<(), DecodeError> {
    while let Some(element) = next_child(reader)? {
        if wanted(element) {
            into.extend(T::decode_optional(reader)?);
        } else {
            reader.skip()?;
        }
    }
    Ok(())
}

pub(crate) fn truncated(reader: &dyn Reader<'_>) -> DecodeError {
    DecodeError { kind: DecodeErrorKind::Truncated, position: reader.position() }
}

pub(crate) fn bad_value(what: &'static str, at: usize) -> DecodeError {
    DecodeError { kind: DecodeErrorKind::BadValue(what), position: at }
}

pub(crate) fn missing(element: Element, at: usize) -> DecodeError {
    DecodeError { kind: DecodeErrorKind::Missing(element), position: at }
}

impl Decode for Box<str> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        Ok(reader.text()?.into())
    }
}

impl Encode for Box<str> {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.text(self);
    }
}

impl Decode for u32 {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        reader.integer()
    }

    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let at = reader.position();
        match reader.next()? {
            Token::End => Ok(None),
            Token::Eof => Err(truncated(reader)),
            Token::Integer(number) => reader.skip().map(|()| Some(number)),
            first => {
                let first = match first {
                    Token::Text(text) => text,
                    Token::Start(_) => reader.skip().map(|()| Cow::Borrowed(""))?,
                    _ => Cow::Borrowed(""),
                };
                let rest = reader.raw_text()?;
                let text = if rest.is_empty() { first } else { Cow::Owned(first.into_owned() + &rest) };
                let text = text.trim();
                if text.is_empty() {
                    return Ok(None);
                }
                let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
                    Some(digits) => u32::from_str_radix(digits, 16).ok(),
                    None => text.parse().ok(),
                };
                number.map(Some).ok_or(bad_value("integer", at))
            }
        }
    }
}

impl Encode for u32 {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.integer(*self);
    }
}

impl Decode for bool {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        reader.boolean()
    }

    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let at = reader.position();
        match &*reader.text()? {
            "" => Ok(None),
            "T" | "t" => Ok(Some(true)),
            "F" | "f" => Ok(Some(false)),
            _ => Err(bad_value("boolean", at)),
        }
    }
}

impl Encode for bool {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.boolean(*self);
    }
}

impl Decode for DateTime {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        reader.date()
    }

    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        // Phones' clocks and their date formats are not to be relied upon (Encoding 1.5): the server stamps the time.
        match reader.date() {
            Err(DecodeError { kind: DecodeErrorKind::BadValue(_), .. }) => Ok(None),
            other => other.map(Some),
        }
    }
}

impl Encode for DateTime {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.date(*self);
    }
}

impl Decode for Status {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.position();
        u16::try_from(reader.integer()?).map(Self::new).map_err(|_| bad_value("status code", at))
    }
}

impl Encode for Status {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.integer(u32::from(self.code()));
    }
}

impl Decode for TransactionId {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::new(&reader.text()?))
    }
}

impl Encode for TransactionId {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.text(self.as_str());
    }
}

impl Decode for Secret<Box<str>> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        Box::decode(reader).map(Self::new)
    }
}

impl Encode for Secret<Box<str>> {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.text(self.expose());
    }
}

impl Decode for Address {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        let mut inner = None;
        let text = mixed(reader, &mut |element, reader| {
            // A wrapped address, `User(UserID)` where `UserID` should stand (CSP 17).
            if matches!(element, Element::UserId | Element::User | Element::ContactList | Element::GroupId) {
                inner = Some(Self::decode(reader)?);
                Ok(())
            } else {
                reader.skip()
            }
        })?;
        Ok(inner.unwrap_or_else(|| Self::new(&text)))
    }
}

impl Encode for Address {
    fn encode_content(&self, _: Element, writer: &mut dyn Writer) {
        writer.text(self.as_str());
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(reader: &mut dyn Reader<'_>) -> Result<Self, DecodeError> {
        T::decode(reader).map(Self::new)
    }

    fn decode_optional(reader: &mut dyn Reader<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(T::decode_optional(reader)?.map(Self::new))
    }
}

impl<T: Encode> Encode for Box<T> {
    fn encode_content(&self, element: Element, writer: &mut dyn Writer) {
        T::encode_content(self, element, writer);
    }

    fn encode(&self, element: Element, writer: &mut dyn Writer) {
        T::encode(self, element, writer);
    }
}

/// How a field is written that may hold none, one or several values.
pub(crate) trait Put {
    fn put(&self, element: Element, writer: &mut dyn Writer);
}

impl<T: Encode> Put for Option<T> {
    fn put(&self, element: Element, writer: &mut dyn Writer) {
        if let Some(value) = self {
            value.encode(element, writer);
        }
    }
}

impl<T: Encode> Put for Vec<T> {
    fn put(&self, element: Element, writer: &mut dyn Writer) {
        for value in self {
            value.encode(element, writer);
        }
    }
}

/// Whether a row is written in this version. A table has constants in both places.
pub(crate) const fn writes(version: Version, since: Version, until: Version) -> bool {
    since as u8 <= version as u8 && version as u8 <= until as u8
}

/// The versions in which a row is written.
macro_rules! in_range {
    ($version:expr, alias) => {
        false
    };
    ($version:expr, ) => {
        true
    };
    ($version:expr, since $since:ident) => {
        $crate::grammar::writes($version, imps_types::Version::$since, imps_types::Version::V1_3)
    };
    ($version:expr, until $until:ident) => {
        $crate::grammar::writes($version, imps_types::Version::V1_1, imps_types::Version::$until)
    };
    ($version:expr, since $since:ident until $until:ident) => {
        $crate::grammar::writes($version, imps_types::Version::$since, imps_types::Version::$until)
    };
}
pub(crate) use in_range;

/// The type of a field.
macro_rules! field_type {
    (required $type:ty) => { $type };
    (default $type:ty) => { $type };
    (optional $type:ty) => { Option<$type> };
    (many $type:ty) => { Vec<$type> };
    (list $type:ty) => { Vec<$type> };
    (via $type:ty) => { $type };
}
pub(crate) use field_type;

/// What is kept of a field while its siblings are read.
macro_rules! field_slot {
    (required $type:ty, $element:ident) => {
        Option::<$type>::None
    };
    (default $type:ty, $element:ident) => {
        Option::<$type>::None
    };
    (optional $type:ty, $element:ident) => {
        Option::<$type>::None
    };
    (many $type:ty, $element:ident) => {
        Vec::<$type>::new()
    };
    (list $type:ty, $element:ident) => {
        Vec::<$type>::new()
    };
    (via $type:ty, $codec:ident) => {
        <$codec as $crate::grammar::Codec>::Slot::default()
    };
}
pub(crate) use field_slot;

/// Whether a child belongs to a field.
macro_rules! field_takes {
    (via $found:expr, $codec:ident $(| $other:ident)*) => { <$codec as $crate::grammar::Codec>::takes($found) };
    ($kind:ident $found:expr, $($element:ident)|*) => { matches!($found, $($crate::element::Element::$element)|*) };
}
pub(crate) use field_takes;

/// Reads a child into its field.
macro_rules! field_take {
    (many $slot:ident $type:ty, $element:ident, $found:expr, $reader:expr) => {
        $slot.extend(<$type as $crate::grammar::Decode>::decode_optional($reader)?)
    };
    (list $slot:ident $type:ty, $element:ident, $found:expr, $reader:expr) => {
        $slot.append(&mut <Vec<$type> as $crate::grammar::Decode>::decode($reader)?)
    };
    (via $slot:ident $type:ty, $codec:ident, $found:expr, $reader:expr) => {
        <$codec as $crate::grammar::Codec>::take(&mut $slot, $found, $reader)?
    };
    ($kind:ident $slot:ident $type:ty, $element:ident, $found:expr, $reader:expr) => {
        if let Some(value) = <$type as $crate::grammar::Decode>::decode_optional($reader)? {
            $slot = Some(value);
        }
    };
}
pub(crate) use field_take;

/// The field's value when all children were seen.
macro_rules! field_value {
    (required $slot:ident, $element:ident, $at:expr) => {
        match $slot {
            Some(value) => value,
            None => return Err($crate::grammar::missing($crate::element::Element::$element, $at)),
        }
    };
    (default $slot:ident, $element:ident, $at:expr) => {
        $slot.unwrap_or_default()
    };
    (via $slot:ident, $codec:ident, $at:expr) => {
        <$codec as $crate::grammar::Codec>::finish($slot, $at)?
    };
    ($kind:ident $slot:ident, $element:ident, $at:expr) => {
        $slot
    };
}
pub(crate) use field_value;

/// Writes a field.
macro_rules! field_put {
    (via $value:expr, $codec:ident, $writer:expr) => {
        <$codec as $crate::grammar::Codec>::put(&$value, $writer)
    };
    (required $value:expr, $element:ident, $writer:expr) => {
        $crate::grammar::Encode::encode(&$value, $crate::element::Element::$element, $writer)
    };
    (default $value:expr, $element:ident, $writer:expr) => {
        $crate::grammar::Encode::encode(&$value, $crate::element::Element::$element, $writer)
    };
    (list $value:expr, $element:ident, $writer:expr) => {
        if !$value.is_empty() {
            $crate::grammar::Encode::encode(&$value, $crate::element::Element::$element, $writer)
        }
    };
    ($kind:ident $value:expr, $element:ident, $writer:expr) => {
        $crate::grammar::Put::put(&$value, $crate::element::Element::$element, $writer)
    };
}
pub(crate) use field_put;

/// Reads a type from its table.
macro_rules! decode {
    ($name:ident {
        $($kind:ident $field:ident : $type:ty = $element:ident
            $(since $since:ident)? $(until $until:ident)?
            $(| $other:ident $(since $osince:ident)? $(until $ountil:ident)? $(as $oread:ident)?)*
        ),* $(,)?
    }) => {
        impl $crate::grammar::Decode for $name {
            fn decode(reader: &mut dyn $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::DecodeError> {
                $(let mut $field = $crate::grammar::field_slot!($kind $type, $element);)*
                while let Some(found) = $crate::grammar::next_child(reader)? {
                    $(if $crate::grammar::field_takes!($kind found, $element $(| $other)*) {
                        $crate::grammar::field_take!($kind $field $type, $element, found, reader);
                        continue;
                    })*
                    let _: $crate::element::Element = found;
                    reader.skip()?;
                }
                let _at = reader.position();
                Ok(Self { $($field: $crate::grammar::field_value!($kind $field, $element, _at),)* })
            }
        }
    };
}
pub(crate) use decode;

/// Writes a type by its table.
macro_rules! encode {
    ($name:ident {
        $($kind:ident $field:ident : $type:ty = $element:ident
            $(since $since:ident)? $(until $until:ident)?
            $(| $other:ident $(since $osince:ident)? $(until $ountil:ident)? $(as $oread:ident)?)*
        ),* $(,)?
    }) => {
        impl $crate::grammar::Encode for $name {
            fn encode_content(&self, _: $crate::element::Element, writer: &mut dyn $crate::wire::Writer) {
                let _version = writer.version();
                $(
                    if $crate::grammar::in_range!(_version, $(since $since)? $(until $until)?) {
                        $crate::grammar::field_put!($kind self.$field, $element, writer);
                    }
                    $(if $crate::grammar::in_range!(_version, $(since $osince)? $(until $ountil)? $($oread)?) {
                        $crate::grammar::field_put!($kind self.$field, $other, writer);
                    })*
                )*
            }
        }
    };
}
pub(crate) use encode;

/// Reads and writes a type that is defined elsewhere.
macro_rules! codec {
    ($name:ident { $($table:tt)* }) => {
        $crate::grammar::decode! { $name { $($table)* } }
        $crate::grammar::encode! { $name { $($table)* } }
    };
}
pub(crate) use codec;

/// Defines an information element that only primitives of this crate have.
macro_rules! element {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $kind:ident $field:ident : $type:ty = $element:ident
            $(since $since:ident)? $(until $until:ident)?
            $(| $other:ident $(since $osince:ident)? $(until $ountil:ident)? $(as $oread:ident)?)*
        ),* $(,)?
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $crate::grammar::field_type!($kind $type),)*
        }

        $crate::grammar::codec! { $name {
            $($kind $field: $type = $element $(since $since)? $(until $until)?
                $(| $other $(since $osince)? $(until $ountil)? $(as $oread)?)*,)*
        } }
    };
}
pub(crate) use element;

/// Defines a primitive: its type, its reader and its writer, from the table of its fields.
macro_rules! primitive {
    ($(#[$doc:meta])* $name:ident = $primitive:ident { $($table:tt)* }) => {
        $crate::grammar::element! { $(#[$doc])* $name { $($table)* } }

        impl $crate::grammar::Primitive for $name {
            const ELEMENT: $crate::element::Element = $crate::element::Element::$primitive;
        }
    };
    ($(#[$doc:meta])* $name:ident { $($table:tt)* }) => {
        $crate::grammar::primitive! { $(#[$doc])* $name = $name { $($table)* } }
    };
}
pub(crate) use primitive;

//! How the elements of SSP are read and written: two traits, and the macros that read a table of attributes and children.
//!
//! A row is `KIND field: Type = "name"`, and `| "name"` adds a spelling that is only ever read (SSP 17).
//!
//! | kind | the field is | absent |
//! |---|---|---|
//! | `required` | `T` | an error |
//! | `optional` | `Option<T>` | `None` |
//! | `many` | `Vec<T>`, an element for each | empty |
//!
//! Of an element that may stand once, the first counts, as it does for the peers we know.

use super::error::{Error, ErrorKind};
use super::io::{In, Out, Start};
use imps_types::element::InviteType;
use imps_types::{Address, DateTime, Secret, Status};
use std::borrow::Cow;

/// What an element stands for.
pub(crate) trait Part: Sized {
    /// Reads the element whose start is `start`, through its end.
    fn read<'a>(start: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error>;

    /// Writes it as an element of this name.
    fn write(&self, name: &'static str, out: &mut Out);
}

/// What the text of an attribute, or of an element without children, stands for.
pub(crate) trait Value: Sized {
    /// Reads it.
    fn parse(text: &str) -> Option<Self>;

    /// Writes it.
    fn format(&self) -> Cow<'_, str>;
}

impl Value for Box<str> {
    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

impl Value for Secret<Box<str>> {
    fn parse(text: &str) -> Option<Self> {
        Some(Self::new(text.into()))
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.expose())
    }
}

impl Value for Address {
    fn parse(text: &str) -> Option<Self> {
        Some(Self::new(text))
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}

impl Value for u32 {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

impl Value for Status {
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::new)
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Owned(self.code().to_string())
    }
}

/// `Yes` and `No`; CSP's T and F are read too.
impl Value for bool {
    fn parse(text: &str) -> Option<Self> {
        let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
        if is(["Yes", "True", "T", "Y"]) { Some(true) } else { is(["No", "False", "F", "N"]).then_some(false) }
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Borrowed(if *self { "Yes" } else { "No" })
    }
}

impl Value for InviteType {
    fn parse(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    fn format(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.as_str())
    }
}

macro_rules! text_part {
    ($($type:ty)*) => {$(
        impl Part for $type {
            fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
                let at = input.position();
                let text = input.text()?;
                Value::parse(&text).ok_or(Error::new(ErrorKind::BadElement(stringify!($type)), at))
            }

            fn write(&self, name: &'static str, out: &mut Out) {
                out.begin(name);
                out.text(&self.format());
                out.end(name);
            }
        }
    )*};
}

text_part! { Box<str> u32 }

/// A date with the form that it has in SSP (8.3).
impl Part for DateTime {
    fn read<'a>(_: &Start<'a>, input: &mut In<'a>) -> Result<Self, Error> {
        let at = input.position();
        Self::parse(&input.text()?).ok_or(Error::new(ErrorKind::BadElement("date"), at))
    }

    fn write(&self, name: &'static str, out: &mut Out) {
        out.begin(name);
        out.attribute("format", "iso8601");
        out.text(&self.to_utc().to_extended());
        out.end(name);
    }
}

/// An attribute that must be there.
pub(super) fn required<T: Value>(start: &Start<'_>, names: &[&'static str]) -> Result<T, Error> {
    let name = names.first().copied().unwrap_or_default();
    let text = start.attribute(names).ok_or(Error::new(ErrorKind::MissingAttribute(name), start.position()))?;
    T::parse(&text).ok_or(Error::new(ErrorKind::BadAttribute(name), start.position()))
}

/// An attribute that may be there; an empty one is not.
pub(super) fn optional<T: Value>(start: &Start<'_>, names: &[&'static str]) -> Result<Option<T>, Error> {
    match start.attribute(names) {
        Some(text) if !text.is_empty() => {
            let name = names.first().copied().unwrap_or_default();
            T::parse(&text).map(Some).ok_or(Error::new(ErrorKind::BadAttribute(name), start.position()))
        }
        _ => Ok(None),
    }
}

/// The type of a field.
macro_rules! field_type {
    (required $type:ty) => { $type };
    (optional $type:ty) => { Option<$type> };
    (many $type:ty) => { Vec<$type> };
}

/// What is kept of a child while its siblings are read.
macro_rules! slot {
    (required $type:ty) => {
        Option::<$type>::None
    };
    (optional $type:ty) => {
        Option::<$type>::None
    };
    (many $type:ty) => {
        Vec::<$type>::new()
    };
}

/// Reads a child into its field.
macro_rules! take {
    (many $slot:ident $child:ident $input:ident) => {
        $slot.push($crate::ssp::grammar::Part::read(&$child, $input)?)
    };
    ($kind:ident $slot:ident $child:ident $input:ident) => {
        if $slot.is_none() {
            $slot = Some($crate::ssp::grammar::Part::read(&$child, $input)?);
        } else {
            $input.skip()?;
        }
    };
}

/// The field's value when all children were seen.
macro_rules! value {
    (required $slot:ident $name:literal $input:ident) => {
        $slot.ok_or($input.error($crate::ssp::error::ErrorKind::MissingElement($name)))?
    };
    ($kind:ident $slot:ident $name:literal $input:ident) => {
        $slot
    };
}

/// Writes a child.
macro_rules! put {
    (required $value:expr, $name:literal, $out:ident) => {
        $crate::ssp::grammar::Part::write(&$value, $name, $out)
    };
    ($kind:ident $value:expr, $name:literal, $out:ident) => {
        for value in $value.iter() {
            $crate::ssp::grammar::Part::write(value, $name, $out);
        }
    };
}

/// Writes an attribute.
macro_rules! put_attribute {
    (required $value:expr, $name:literal, $out:ident) => {
        $out.attribute($name, &$crate::ssp::grammar::Value::format(&$value))
    };
    (optional $value:expr, $name:literal, $out:ident) => {
        if let Some(value) = &$value {
            $out.attribute($name, &$crate::ssp::grammar::Value::format(value));
        }
    };
}

/// Defines an element: its type, its reader and its writer, from the tables of its attributes and its children.
macro_rules! structure {
    ($(#[$doc:meta])* $name:ident
        [ $($(#[$attribute_doc:meta])* $attribute_kind:ident $attribute:ident : $attribute_type:ty
            = $attribute_name:literal $(| $attribute_alias:literal)*),* $(,)? ]
        { $($(#[$child_doc:meta])* $kind:ident $child:ident : $type:ty
            = $child_name:literal $(| $alias:literal)*),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$attribute_doc])* pub $attribute: $crate::ssp::grammar::field_type!($attribute_kind $attribute_type),)*
            $($(#[$child_doc])* pub $child: $crate::ssp::grammar::field_type!($kind $type),)*
        }

        impl $crate::ssp::grammar::Part for $name {
            fn read<'a>(
                start: &$crate::ssp::io::Start<'a>,
                input: &mut $crate::ssp::io::In<'a>,
            ) -> Result<Self, $crate::ssp::error::Error> {
                let _ = start;
                $(let $attribute: $crate::ssp::grammar::field_type!($attribute_kind $attribute_type) =
                    $crate::ssp::grammar::$attribute_kind(start, &[$attribute_name $(, $attribute_alias)*])?;)*
                $(let mut $child = $crate::ssp::grammar::slot!($kind $type);)*
                while let Some(found) = input.child()? {
                    $(if found.is(&[$child_name $(, $alias)*]) {
                        $crate::ssp::grammar::take!($kind $child found input);
                        continue;
                    })*
                    let _ = found;
                    input.skip()?;
                }
                Ok(Self {
                    $($attribute,)*
                    $($child: $crate::ssp::grammar::value!($kind $child $child_name input),)*
                })
            }

            fn write(&self, name: &'static str, out: &mut $crate::ssp::io::Out) {
                out.begin(name);
                $($crate::ssp::grammar::put_attribute!($attribute_kind self.$attribute, $attribute_name, out);)*
                $($crate::ssp::grammar::put!($kind self.$child, $child_name, out);)*
                out.end(name);
            }
        }

        #[cfg(test)]
        impl $crate::ssp::sample::Sample for $name {
            fn sample(dice: &mut $crate::ssp::sample::Dice) -> Self {
                let _ = &dice;
                Self {
                    $($attribute: $crate::ssp::sample::Sample::sample(dice),)*
                    $($child: $crate::ssp::sample::Sample::sample(dice),)*
                }
            }
        }
    };
}

/// Whether a primitive has MetaInfo, and what it is.
pub(crate) trait About {
    /// Who asks, on whose behalf, by which way.
    fn meta(&self) -> Option<&super::MetaInfo>;

    /// The same, to be changed on the way through a relay.
    fn meta_mut(&mut self) -> Option<&mut super::MetaInfo>;
}

/// Defines a primitive. `(meta)` after the name: MetaInfo is its first child; `(meta?)`: it may be there.
macro_rules! primitive {
    ($(#[$doc:meta])* $name:ident (meta) [$($attributes:tt)*] { $($children:tt)* }) => {
        $crate::ssp::grammar::structure! { $(#[$doc])* $name [$($attributes)*] {
            /// Who asks.
            required meta: $crate::ssp::MetaInfo = "MetaInfo",
            $($children)*
        } }

        impl $crate::ssp::grammar::About for $name {
            fn meta(&self) -> Option<&$crate::ssp::MetaInfo> {
                Some(&self.meta)
            }

            fn meta_mut(&mut self) -> Option<&mut $crate::ssp::MetaInfo> {
                Some(&mut self.meta)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident (meta?) [$($attributes:tt)*] { $($children:tt)* }) => {
        $crate::ssp::grammar::structure! { $(#[$doc])* $name [$($attributes)*] {
            /// Who asks, where the peer says so.
            optional meta: $crate::ssp::MetaInfo = "MetaInfo",
            $($children)*
        } }

        impl $crate::ssp::grammar::About for $name {
            fn meta(&self) -> Option<&$crate::ssp::MetaInfo> {
                self.meta.as_ref()
            }

            fn meta_mut(&mut self) -> Option<&mut $crate::ssp::MetaInfo> {
                self.meta.as_mut()
            }
        }
    };
    ($(#[$doc:meta])* $name:ident [$($attributes:tt)*] { $($children:tt)* }) => {
        $crate::ssp::grammar::structure! { $(#[$doc])* $name [$($attributes)*] { $($children)* } }

        impl $crate::ssp::grammar::About for $name {
            fn meta(&self) -> Option<&$crate::ssp::MetaInfo> {
                None
            }

            fn meta_mut(&mut self) -> Option<&mut $crate::ssp::MetaInfo> {
                None
            }
        }
    };
}

pub(crate) use {field_type, primitive, put, put_attribute, slot, structure, take, value};

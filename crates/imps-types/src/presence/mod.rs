//! Presence information: the attributes, their fields and values (CSP 11).

mod attributes;
mod list;

pub use attributes::{ATTRIBUTES, Attribute, AttributeClass, AttributeRow, Field, FieldKind, FieldRow};
pub use list::{AttributeSet, Extension, FieldValue, PresenceAttribute, PresenceInfo, PresenceSubList, ValueError};

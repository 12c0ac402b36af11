//! PTS, the Plain Text Syntax: one transaction in one line of text, made for SMS. Encoding 2.
//!
//! A message is a preamble (version, transaction, TransactionID) and parameters, whose names are two letters and whose
//! values are text or groups. The letters are in [`tables`]; [`syntax`] turns text into parameters; [`reader`] and
//! [`writer`] turn parameters into the elements that every other encoding has, and back.
//!
//! Only a part of the letters is known from a real client. With [`PtsCodes::Attested`] nothing else is written, and what
//! these letters cannot say is left out. With [`PtsCodes::Project`] every element can be said: by letters of our own, or
//! by its name in full, with the children of a structure as a group of (name,value) pairs.
//!
//! What might surprise:
//! - One element can be a parameter in several forms, and one parameter several elements, by primitive and version: `UI`
//!   is UserID, User or UserIDList. The writer uses letters only where the reader makes the same of them again.
//! - MessageInfo is not written: its children are parameters beside ContentData.
//! - A damaged message is an error only after the start of its primitive, so that the answer can name its TransactionID.

mod reader;
pub mod sms;
mod syntax;
mod tables;
mod writer;

pub use reader::PtsReader;
pub use syntax::{Preamble, PtsVersion};
pub(super) use writer::Node;
pub use writer::PtsWriter;

/// Which codes are used.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum PtsCodes {
    /// Those that a real client is known to use: login, negotiation, contact lists, presence.
    #[default]
    Attested,
    /// Those and our own, and names of elements in full: everything can be said, to clients that know them.
    Project,
}

/// The highest TransactionID.
pub const MAX_TRANSACTION_ID: u16 = 999;

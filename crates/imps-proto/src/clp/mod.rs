//! The Command Line Protocol: lines of text in, lines of text out, for clients that have nothing else (CLP).
//!
//! The grammar is one table ([`COMMANDS`]): the parser, the help and the usage in errors are read from it, so another set
//! of keywords would be another table. Nothing here knows what a command does.

mod attributes;
mod commands;
mod line;
mod parse;
mod reply;
pub mod sms;
mod target;
mod words;

pub use attributes::{attribute_of_word, word_of_attribute};
pub use commands::{Arg, COMMANDS, Command, Need, Param, Row, Section, Shape};
pub use line::{Line, LineReader};
pub use parse::{Arguments, Input, Occasion, Pair, ParseError, Request, parse};
pub use reply::{DATA_MAX, Reply, STATUS_TEXT_MAX, Writer, clean, event, wrapped};
pub use target::{GroupName, Target, Who, quoted};
pub use words::escaped;

/// Characters of an input line, joined lines included (CLP 3).
pub const LINE_MAX: usize = 2000;
/// Targets of one command (CLP 3).
pub const TARGETS_MAX: usize = 50;
/// Arguments of one command (CLP 3).
pub const ARGUMENTS_MAX: usize = 20;
/// The largest number of an item (CLP 5).
pub const ITEM_MAX: u16 = 999;

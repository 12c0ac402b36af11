//! Stories about phones: a small language, and what carries it out.
//!
//! ```text
//! # An instant message waits for a phone that is off.
//! phone alice csp 1.2 wbxml http
//! phone bob   csp 1.1 xml   http
//! alice logs in
//! alice sends bob "are you there?"      -> 200
//! bob   logs in
//! bob   gets  NewMessage from alice "are you there?"
//! ```
//!
//! The language is described in `scenarios/README.md`.

mod arguments;
pub mod combine;
mod expect;
pub mod parse;
pub mod record;
pub mod run;
pub mod verbs;

pub use combine::{Combination, why_not};
pub use parse::{Scenario, parse, read_folder};
pub use record::Proof;
pub use run::{Place, run};

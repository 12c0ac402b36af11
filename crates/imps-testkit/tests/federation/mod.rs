//! What tests of several domains share: homes with their phones, what goes between them, and the story of it.

#![allow(dead_code, unused_imports, reason = "each test takes of this what it needs")]

mod between;
mod home;
mod python;
mod recorded;
mod told;
mod transcript;

pub(crate) use between::{Between, Mood, Posted, Wire, get};
pub(crate) use home::{Home, World};
pub(crate) use python::Python;
pub(crate) use told::*;
pub(crate) use transcript::Transcript;

use std::time::Duration;

/// How long anything may take.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);

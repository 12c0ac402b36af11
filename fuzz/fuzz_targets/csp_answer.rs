#![no_main]

//! Any bytes as a message of a client that is logged in: nothing panics, and what is answered can be read.

use std::sync::LazyLock;

use bytes::Bytes;
use hamlet_fuzz::world::{World, read_answer, with_session};
use imps_csp::Answer;

static WORLD: LazyLock<World> = LazyLock::new(World::new);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut session = WORLD.session();
    let body = with_session(bytes, &session.id.to_string()).unwrap_or_else(|| Bytes::copy_from_slice(bytes));
    let answer = WORLD.answer(&body);
    WORLD.open_again(&mut session);
    if let Answer::Message(message) = answer {
        read_answer(&message, |_, _| {});
    }
});

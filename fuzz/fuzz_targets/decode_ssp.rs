#![no_main]

//! Any bytes as a message of another domain: what can be read can be written, and what was written once stays the same.

use imps_proto::ssp::{Message, limits};
use imps_proto::wire::{self, Form};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = limits(1 << 20);
    let Ok(bytes) = wire::utf8(Form::Xml, bytes) else { return };
    let Ok(message) = Message::read(&bytes, &limits) else { return };
    let text = message.write();
    // It may be longer than what came: names in full, BASE64 where there was none.
    if text.len() > limits.bytes {
        return;
    }
    let again = Message::read(&text, &limits).expect("our own form");
    assert_eq!(again.write(), text);
});

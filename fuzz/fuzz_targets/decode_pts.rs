#![no_main]

use imps_proto::wire::{Form, PtsCodes};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for codes in [PtsCodes::Attested, PtsCodes::Project] {
        hamlet_fuzz::decode_and_back(Form::Pts(codes), bytes);
    }
});

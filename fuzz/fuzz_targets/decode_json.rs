#![no_main]

use imps_proto::wire::Form;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hamlet_fuzz::decode_and_back(Form::Json, bytes));

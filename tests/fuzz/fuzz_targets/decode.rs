//! What a model may write: see tests/src/fuzz/decode.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzz::run("decode", data));

//! Any answers to real diverts: see tests/src/fuzz/answers.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzz::run("answers", data));

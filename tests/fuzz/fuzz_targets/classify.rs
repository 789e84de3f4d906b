//! Any frame, classified: see tests/src/fuzz/classify.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzz::run("classify", data));

//! Any operations on rules: see tests/src/fuzz/rules.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzz::run("rules", data));

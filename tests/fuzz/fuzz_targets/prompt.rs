//! Prompts about any bytes: see tests/src/fuzz/prompt.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzz::run("prompt", data));

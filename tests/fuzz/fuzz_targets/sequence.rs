//! Frames, time, diverts, answers and routes in any order: see tests/src/fuzz/sequence.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzz::run("sequence", data));

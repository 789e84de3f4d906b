//! ICMP errors about any bytes: see tests/src/fuzz/quote.rs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::fuzz::run("quote", data));

//! Softrouter's test bench: a router in virtual time, exact counter deltas, and judges of its own.
//!
//! Everything here looks at the router from outside: `stack`'s public interface on one side, `pktgen`'s
//! from-scratch builders and oracle on the other.
#![forbid(unsafe_code)]

pub mod bench;
pub mod checker;
pub mod counters;
pub mod differences;
pub mod forged;
pub mod fragmenter;
pub mod frames;
pub mod frames_v6;
pub mod fuzz;
pub mod opinion;
pub mod questions;
pub mod recording;
pub mod reference;
pub mod rules;
pub mod sim;
pub mod storage;
mod unforgeable;
pub mod wire;

pub use counters::Delta;
pub use pktgen::oracle::outgoing;
pub use sim::{Divert, Sent, Sim};

/// Says loudly that something was not tested, and fails where that is forbidden (`SOFTROUTER_NO_SKIP=1`).
///
/// # Panics
/// If skips are forbidden.
pub fn skip(what: &str, why: &str) {
    eprintln!("SKIPPED: {what}: {why}");
    assert!(
        std::env::var_os("SOFTROUTER_NO_SKIP").is_none_or(|value| value != "1"),
        "skipped: {what}: {why}"
    );
}

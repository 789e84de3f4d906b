//! Recordings of real runs: everything that is done to a router, and everything that it sends, as one pcapng file
//! that Wireshark opens; and their replay, byte for byte, with no TAP, no model and no clock.
//!
//! Read in this order: `step.rs` (what a packet of the file says), `router.rs` (who writes it), `replay.rs`.

mod header;
mod read;
mod replay;
mod router;
mod step;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use header::fnv;
pub use header::{Header, MadeFrom, config_hash};
pub use read::ReadError;
pub use replay::{Difference, Report, replay};
pub use router::RecordedRouter;
pub use write::{Recorder, Written};

/// What this program writes and reads.
const FORMAT: u32 = 1;

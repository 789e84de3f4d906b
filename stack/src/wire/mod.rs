//! What `smoltcp::wire` does not have: incremental checksums, IPv4 options, and a header digest.

pub mod checksum;
mod ipv4;
pub mod options;

pub use ipv4::{Ipv4Info, MIN_HEADER};

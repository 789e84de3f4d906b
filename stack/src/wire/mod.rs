//! What `smoltcp::wire` does not have: incremental checksums, IPv4 options, digests of headers, and what addresses
//! of both families have in common.

mod address;
pub mod checksum;
mod ipv4;
mod ipv6;
pub mod options;

pub use address::{Address, Key, Prefix};
pub use ipv4::{Ipv4Info, MIN_HEADER};
pub use ipv6::{FragmentInfo, IPV6_HEADER, Ipv6Info};

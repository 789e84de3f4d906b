//! The lab: Linux hosts in namespaces of their own on both sides of the router, with real traffic.
//!
//! Read first: `namespace.rs` (a host), then `traffic/mod.rs` (what it sends), then `memory_hosts.rs`
//! (the same where the kernel refuses TAPs).

pub mod namespace;
pub mod privilege;
mod sys;
#[cfg(test)]
pub(crate) mod test_cable;
pub mod traffic;

//! The lab: Linux hosts in namespaces of their own on both sides of the router, with real traffic.
//!
//! Read first: `netns.rs` (a namespace), `namespace.rs` (a host), `host.rs` (what a load needs of it), then
//! `traffic/mod.rs` (the loads),
//! `memory_hosts/mod.rs` (a host where the kernel refuses TAPs).

pub mod capture;
mod cold_start;
pub mod host;
mod kernel_host;
pub mod memory_hosts;
pub mod namespace;
pub mod netns;
pub mod privilege;
pub mod run;
pub mod scenario;
mod sys;
#[cfg(test)]
pub(crate) mod test_cable;
pub mod traffic;

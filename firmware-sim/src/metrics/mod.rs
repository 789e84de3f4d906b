//! The metrics endpoint: what the router counts, for Prometheus and whatever else reads OpenMetrics.
//!
//! Read in this order: `instruments.rs` (what there is), `scrape.rs` (the owner loop copies what is counted), `traffic.rs` and
//! `slow_path.rs` (a copy becomes samples), `page.rs` (samples become text), `server.rs` and
//! `places.rs` (who may read it). docs/metrics.md is for people.
//!
//! Read first: OpenMetrics 1.0.0, and Prometheus's "Metric and label naming".

mod instruments;
mod listen;
mod page;
mod places;
mod scrape;
mod server;
mod slow_path;
#[cfg(test)]
mod tests;
mod traffic;

pub use instruments::{Instrument, Kind, instruments};
pub use listen::{Endpoint, Listen, MetricsError};
pub use scrape::Scrapes;
pub use server::Server;

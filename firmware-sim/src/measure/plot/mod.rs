//! The plots of the report.

mod latency;
mod law;
mod looks;
mod paths;
mod reasons;
mod saved;
mod sweep;

pub(super) use latency::latency;
pub(super) use law::law;
pub(super) use looks::{LAW, REASONS, SAVED};
pub(super) use paths::{Unit, paths};
pub(super) use reasons::{diverted, reasons};
pub(super) use saved::saved;
pub(super) use sweep::{Panel, panel};

//! Another device under test, behind a TAP or an interface: odd frames to it, what it answers, and whether it still does.
//!
//! Read in this order: `scene.rs` (who is around the device), `dissect.rs` (frames and their answers), `ledger.rs` (which
//! answer is about which frame), `probe.rs` (does it live?), `recent.rs` (the frames before it did not), `aim.rs` (the loop).

mod aim;
mod dissect;
mod ledger;
mod probe;
mod recent;
mod report;
mod scene;
#[cfg(test)]
mod tests;

pub use ledger::{Attribution, Row};
pub use probe::Asked;
pub use report::{Stopped, TargetReport};
pub use scene::PeerAddress;

use super::cases::Cases;
use super::{FuzzError, FuzzPlan};
use crate::port::packet::PacketPort;
use crate::port::tap::{Tap, TapError, TapOptions};
use crate::port::{Netlink, Port};
use pktgen::build::Mac;
use std::sync::atomic::AtomicBool;

/// The device.
#[derive(Debug, Clone)]
pub struct TargetPlan {
    /// The interface that it is behind.
    pub interface: String,
    /// Its hardware address.
    pub peer: Mac,
    /// Its addresses, one of each family at most; of several the last one counts.
    pub addresses: Vec<PeerAddress>,
    /// Frames between two rounds of probes.
    pub probe_every: u64,
}

impl TargetPlan {
    /// The hardware address as it is written.
    pub(super) fn peer_text(&self) -> String {
        self.peer.map(|byte| format!("{byte:02x}")).join(":")
    }
}

/// Aims at the device until an end of the plan is reached, `stop` is set, or it answers no more.
///
/// # Errors
/// See [`FuzzError`].
pub fn target(plan: &FuzzPlan, target: &TargetPlan, stop: &AtomicBool) -> Result<TargetReport, FuzzError> {
    let cases = Cases::prepare(&plan.cases)?;
    let (port, through) = open(&target.interface)?;
    aim::Aim::new(plan, target, &cases, port, through)?.run(stop)
}

/// Attaches to a TAP, or opens an interface that is none or has a holder: the device.
fn open(name: &str) -> Result<(Box<dyn Port>, &'static str), FuzzError> {
    let there = Netlink::open().and_then(|netlink| netlink.link(name)).is_ok();
    match Tap::open(name, &TapOptions::default()) {
        Ok(tap) => Ok((Box::new(tap), if there { "a TAP" } else { "a TAP made for this run" })),
        Err(TapError::Busy { .. } | TapError::Name { .. }) if there => {
            let failed = |source| FuzzError::Interface { name: name.to_owned(), source };
            Ok((Box::new(PacketPort::open(name).map_err(failed)?), "a packet socket"))
        }
        Err(error) => Err(error.into()),
    }
}

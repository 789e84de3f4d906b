//! The judge of ICMP errors of either family.

mod icmpv4;
mod icmpv6;

use super::outgoing::require;
use crate::world::World;
use stack::PortId;

/// Judges an ICMP or ICMPv6 error that the router sent by this port about `frame`, as it was received.
///
/// # Errors
/// Why it should not have been sent so, or not at all.
pub fn judge_error(world: &World, frame: &[u8], (port, sent): (PortId, &[u8])) -> Result<(), String> {
    require(frame.get(12..14) == sent.get(12..14), "an error of another family")?;
    match sent[12..14] {
        [0x86, 0xdd] => icmpv6::judge(world, frame, (port, sent)),
        _ => icmpv4::judge(world, frame, (port, sent)),
    }
}

//! The judge of ICMP errors of either family.

mod icmpv4;
mod icmpv6;

use crate::outgoing::require;
use crate::sim::Sent;
use pktgen::World;

/// Judges an ICMP or ICMPv6 error that the router sent about `frame`, as it was received.
///
/// # Errors
/// Why it should not have been sent so, or not at all.
pub fn judge(world: &World, frame: &[u8], sent: &Sent) -> Result<(), String> {
    require(frame.get(12..14) == sent.bytes.get(12..14), "an error of another family")?;
    match sent.bytes[12..14] {
        [0x86, 0xdd] => icmpv6::judge(world, frame, sent),
        _ => icmpv4::judge(world, frame, sent),
    }
}

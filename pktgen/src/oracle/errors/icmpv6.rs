//! The judge of ICMPv6 errors that the router sends: only where and as RFC 4443 has them.
//!
//! It shares no code with the router. Read first: RFC 4443 §2.2, §2.4, §3.

use super::require;
use crate::oracle::outgoing::{well_formed, word};
use crate::world::World;
use stack::PortId;
use std::net::Ipv6Addr;

const ICMPV6: u8 = 58;
/// RFC 4443 §2.4(c).
const LONGEST_ERROR: usize = 1280;

fn address(packet: &[u8], at: usize) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets.copy_from_slice(&packet[at..at + 16]);
    octets.into()
}

/// Judges an ICMPv6 error that the router sent about `frame`, as it was received.
///
/// # Errors
/// Why it should not have been sent so, or not at all.
pub(super) fn judge(world: &World, frame: &[u8], (port, sent): (PortId, &[u8])) -> Result<(), String> {
    let egress = world.ports.get(port.index()).ok_or("no such port")?;
    well_formed(sent, egress.mtu)?;
    let (about, error) = (&frame[14..], &sent[14..]);
    require(error[6] == ICMPV6, "not plain ICMPv6")?;
    require(error.len() <= LONGEST_ERROR, "longer than 1280 bytes (§2.4(c))")?;
    let from = address(error, 8);
    let ours = |a: Ipv6Addr| world.ports.iter().any(|p| p.ipv6 == a || crate::world::link_local(p.mac) == a);
    require(ours(from), "not from the router (§2.2)")?;
    require(error[24..40] == about[8..24], "not to the source")?;
    let unused = match (error[40], error[41]) {
        (1, 0..=6) | (3, 0 | 1) => &error[44..48],
        (2, 0) | (4, 0..=3) => &[],
        (kind, code) => return Err(format!("type {kind} code {code}")),
    };
    require(unused.iter().all(|&byte| byte == 0), "unused bytes are not 0")?;
    let quote = &error[48..];
    let whole = about.len().min(word(about, 4) + 40);
    require(about.starts_with(quote), "the quote is not what was received")?;
    require(quote.len() == whole.min(LONGEST_ERROR - 48), "not as much of the packet as fits (§2.4(c))")?;
    if error[40] == 4 {
        let pointer = u32::from_be_bytes([error[44], error[45], error[46], error[47]]);
        require((pointer as usize) < whole.max(1), "the pointer is outside of the packet")?;
    }
    forbidden(frame, error)
}

/// RFC 4443 §2.4(e): about what there is never an error.
fn forbidden(frame: &[u8], error: &[u8]) -> Result<(), String> {
    let about = &frame[14..];
    let (source, destination) = (address(about, 8), address(about, 24));
    require(!source.is_multicast() && !source.is_unspecified(), "to a source that is not one node")?;
    let group = frame[0] & 1 == 1 || destination.is_multicast();
    let answers_groups = error[40] == 2 || error[40..42] == [4, 2];
    require(!group || answers_groups, "about a multicast")?;
    let of_error = about[6] == ICMPV6 && matches!(about.get(40), Some(0..=127 | 137));
    require(!of_error, "about an ICMPv6 error or redirect")
}

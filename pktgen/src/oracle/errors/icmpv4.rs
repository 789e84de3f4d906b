//! The judge of ICMP errors that the router sends: only where and as RFC 1812 has them.
//!
//! It shares no code with the router. Read first: RFC 1812 §4.3.2; RFC 792.

use super::require;
use crate::oracle::outgoing::{well_formed, word};
use crate::world::World;
use stack::PortId;
use std::net::Ipv4Addr;

fn address(packet: &[u8], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3])
}

/// Judges an ICMP error that the router sent about `frame`, as it was received: RFC 1812 §4.3.2.
///
/// # Errors
/// Why it should not have been sent so, or not at all.
pub(super) fn judge(world: &World, frame: &[u8], (port, sent): (PortId, &[u8])) -> Result<(), String> {
    let egress = world.ports.get(port.index()).ok_or("no such port")?;
    well_formed(sent, egress.mtu)?;
    let (about, error) = (&frame[14..], &sent[14..]);
    require(error[0] == 0x45 && error[9] == 1, "not plain ICMP")?;
    require(error.len() <= 576, "longer than 576 bytes (§4.3.2.3)")?;
    require(error[1] >> 6 == 3, "precedence is neither 6 nor 7 (§4.3.2.5)")?;
    require(world.is_router(address(error, 12)), "not from the router (§4.3.2.4)")?;
    require(error[16..20] == about[12..16], "not to the source")?;
    let unused = match error[20..22] {
        [3, 4] => &error[24..26],
        [3, 0..=3 | 13] | [11, 0 | 1] => &error[24..28],
        [12, 0] => &error[25..28],
        _ => return Err(format!("type {} code {}", error[20], error[21])),
    };
    require(unused.iter().all(|&byte| byte == 0), "unused bytes are not 0")?;
    let (quote, header) = (&error[28..], usize::from(about[0] & 15) * 4);
    let least = header + 8;
    require(about.starts_with(quote), "the quote is not what was received (§4.3.2.3)")?;
    let whole = about.len().min(word(about, 2).max(header));
    require(quote.len() >= whole.min(least), "less than the header and 64 bits (§4.3.2.3)")?;
    require(quote.len() <= word(about, 2).max(least), "padding is quoted")?;
    // RFC 1812 §4.3.2.7: about what there is never an error.
    require(frame[0] & 1 == 0, "about a link-layer broadcast or multicast")?;
    require(about[6] & 0x1f == 0 && about[7] == 0, "about a fragment other than the first")?;
    let (source, destination) = (address(about, 12), address(about, 16));
    let nobody = |a: Ipv4Addr| {
        a.octets()[0] == 0 || a.is_loopback() || a.octets()[0] >= 224 || world.is_directed_broadcast(a)
    };
    require(!nobody(source), "to a source that is not one host")?;
    // Class E (240/4) is reserved, but neither a broadcast nor a group.
    let group = destination.is_multicast() || destination.is_broadcast();
    require(!group && !world.is_directed_broadcast(destination), "about a broadcast")?;
    let of_error = about[9] == 1 && matches!(about.get(header), Some(3 | 4 | 5 | 11 | 12));
    require(!of_error, "about an ICMP error")
}

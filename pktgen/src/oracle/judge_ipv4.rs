//! What an IPv4 packet is: header, options, addresses, then what only binds transit or only the router.
//!
//! Read first: RFC 1812 §4.2.2, §5.2.2, §5.3.4, §5.3.7; RFC 791 §3.1; RFC 7126 §4; RFC 1858 §4.2; RFC 3927 §7;
//! RFC 6890 §2.2.2. Of several oddities the first of this order is named: unknown option, reserved flag, DF on a
//! fragment, ICMPv6 in IPv4, special-purpose address.

use super::judge::{Check, reject_if, word};
use super::judge_local;
use crate::build::adds_up;
use crate::world::World;
use stack::Anomaly;
use std::net::Ipv4Addr;

/// A packet whose header has passed RFC 1812 §5.2.2.
pub(super) struct Packet<'a> {
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    pub(super) protocol: u8,
    pub(super) header_len: usize,
    pub(super) more_fragments: bool,
    /// Fragment offset in bytes.
    pub(super) offset: usize,
    /// Without padding.
    pub(super) payload: &'a [u8],
}

impl Packet<'_> {
    pub(super) fn is_fragment(&self) -> bool {
        self.more_fragments || self.offset != 0
    }
}

/// Judges what followed EtherType 0x0800.
pub(super) fn packet(world: &World, port: usize, link_group: bool, bytes: &[u8]) -> Check<()> {
    let (packet, kinds) = header(bytes)?;
    addresses(world, link_group, &packet)?;
    reject_if(kinds.iter().any(|kind| matches!(kind, 131 | 137)), Anomaly::Ipv4SourceRoute)?;
    reject_if(packet.protocol == 6 && packet.offset == 8, Anomaly::Ipv4TinyFragment)?;
    let (ingress, to) = (&world.ports[port], packet.destination);
    let to_group = to == Ipv4Addr::BROADCAST || ingress.is_broadcast(to) || to == Ipv4Addr::new(224, 0, 0, 1);
    let local = to_group || world.is_router(to);
    if local {
        judge_local::packet(&packet, to_group || link_group)?;
    } else {
        transit(world, &packet, &kinds)?;
    }
    oddities(&packet, bytes, !local)
}

/// RFC 1812 §5.2.2, in its order: but for the version, a length is believed only under a good checksum.
/// Returns the packet and the kinds of its options.
fn header(bytes: &[u8]) -> Check<(Packet<'_>, Vec<u8>)> {
    reject_if(bytes.len() < 20, Anomaly::Ipv4Truncated)?;
    reject_if(bytes[0] >> 4 != 4, Anomaly::Ipv4Version)?;
    let header_len = usize::from(bytes[0] & 15) * 4;
    reject_if(header_len < 20 || header_len > bytes.len(), Anomaly::Ipv4HeaderLength)?;
    reject_if(!adds_up(&bytes[..header_len]), Anomaly::Ipv4Checksum)?;
    let total = usize::from(word(bytes, 2));
    reject_if(total < header_len, Anomaly::Ipv4TotalLengthShort)?;
    reject_if(total > bytes.len(), Anomaly::Ipv4TotalLengthOverrun)?;
    let kinds = option_kinds(&bytes[20..header_len])?;
    let address = |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
    let packet = Packet {
        source: address(12),
        destination: address(16),
        protocol: bytes[9],
        header_len,
        more_fragments: bytes[6] & 0x20 != 0,
        offset: usize::from(word(bytes, 6) & 0x1fff) * 8,
        payload: &bytes[header_len..total],
    };
    Ok((packet, kinds))
}

/// The kinds of all options but No-Operation, up to End of Option List.
pub(super) fn option_kinds(mut options: &[u8]) -> Check<Vec<u8>> {
    let mut kinds = Vec::new();
    while let Some(&kind) = options.first() {
        let len = match kind {
            0 => break,
            1 => 1,
            _ => {
                kinds.push(kind);
                usize::from(*options.get(1).ok_or(Anomaly::Ipv4OptionMalformed)?)
            }
        };
        reject_if((kind != 1 && len < 2) || len > options.len(), Anomaly::Ipv4OptionMalformed)?;
        options = &options[len..];
    }
    Ok(kinds)
}

/// Where the first malformed option starts.
pub(super) fn bad_option(options: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < options.len() {
        match options[at] {
            0 => return None,
            1 => at += 1,
            _ => match options.get(at + 1) {
                Some(&len) if len >= 2 && at + usize::from(len) <= options.len() => at += usize::from(len),
                _ => return Some(at),
            },
        }
    }
    None
}

/// Addresses that nobody may use on the wire, whoever is meant.
fn addresses(world: &World, link_group: bool, packet: &Packet<'_>) -> Check<()> {
    let (source, destination) = (packet.source, packet.destination);
    let this_network = |address: Ipv4Addr| address.octets()[0] == 0;
    let class_e = |address: Ipv4Addr| address.octets()[0] >= 240;
    // RFC 1122 §3.3.6: for several stations on the link, but for one in IP.
    let one_host = !destination.is_multicast()
        && !destination.is_broadcast()
        && !world.is_directed_broadcast(destination);
    reject_if(link_group && one_host, Anomaly::IpInLinkGroup)?;
    let martian = this_network(source) || source.is_multicast() || class_e(source);
    reject_if(martian, Anomaly::Ipv4SourceMartian)?;
    reject_if(source.is_loopback() || destination.is_loopback(), Anomaly::Ipv4Loopback)?;
    let martian = this_network(destination) || (class_e(destination) && !destination.is_broadcast());
    reject_if(martian, Anomaly::Ipv4DestinationMartian)?;
    reject_if(world.is_router(source), Anomaly::Ipv4SourceOwn)?;
    reject_if(source == destination, Anomaly::Ipv4Land)?;
    reject_if(world.is_directed_broadcast(source), Anomaly::Ipv4SourceBroadcast)
}

/// What binds only packets that go on.
fn transit(world: &World, packet: &Packet<'_>, kinds: &[u8]) -> Check<()> {
    let link_local = packet.source.is_link_local() || packet.destination.is_link_local();
    reject_if(link_local, Anomaly::Ipv4LinkLocal)?;
    reject_if(world.is_directed_broadcast(packet.destination), Anomaly::Ipv4DirectedBroadcast)?;
    // Record Route, Timestamp, Stream ID, MTU Probe and Reply, Traceroute.
    let knob = |kind: &u8| matches!(kind, 7 | 68 | 136 | 11 | 12 | 82);
    reject_if(kinds.iter().any(knob), Anomaly::Ipv4OptionTransit)?;
    // What is left, less Router Alert (RFC 2113), is what this router does not know.
    reject_if(kinds.iter().any(|&kind| kind != 148), Anomaly::Ipv4OptionUnknown)
}

/// What looks wrong and is legal, reported only if nothing else was.
fn oddities(packet: &Packet<'_>, bytes: &[u8], transit: bool) -> Check<()> {
    reject_if(bytes[6] & 0x80 != 0, Anomaly::Ipv4ReservedFlag)?;
    reject_if(bytes[6] & 0x40 != 0 && packet.is_fragment(), Anomaly::Ipv4FragmentDf)?;
    reject_if(packet.protocol == 58, Anomaly::IcmpWrongFamily)?;
    let special = is_special_purpose(packet.source) || is_special_purpose(packet.destination);
    reject_if(transit && special, Anomaly::Ipv4SpecialPurpose)
}

/// Is it in a block that RFC 6890 §2.2.2 calls not forwardable, and that no other check knows? In 192.0.0.0/24
/// 192.0.0.0/29 (DS-Lite), 192.0.0.9 (RFC 7723) and 192.0.0.10 (RFC 8155) have reservations of their own that may
/// be forwarded.
fn is_special_purpose(address: Ipv4Addr) -> bool {
    match address.octets() {
        [192, 0, 0, host] => !matches!(host, 0..=7 | 9 | 10),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_walked_as_rfc_791_says() {
        let malformed = Err(Anomaly::Ipv4OptionMalformed);
        assert_eq!(option_kinds(&[]), Ok(vec![]));
        assert_eq!(option_kinds(&[1, 1, 1, 0]), Ok(vec![]));
        assert_eq!(option_kinds(&[148, 4, 0, 0]), Ok(vec![148]));
        // Whatever follows End of Option List is padding.
        assert_eq!(option_kinds(&[0, 131, 200, 7]), Ok(vec![]));
        assert_eq!(option_kinds(&[7, 0, 0, 0]), malformed);
        assert_eq!(option_kinds(&[7, 1, 0, 0]), malformed);
        assert_eq!(option_kinds(&[205, 2, 205, 2]), Ok(vec![205, 205]));
        assert_eq!(option_kinds(&[7, 5, 0, 0]), malformed);
        assert_eq!(option_kinds(&[1, 1, 1, 7]), malformed);
        assert_eq!(bad_option(&[1, 1, 1, 7]), Some(3));
        assert_eq!(bad_option(&[148, 4, 0, 0, 7, 5, 0, 0]), Some(4));
        assert_eq!(bad_option(&[148, 4, 0, 0, 0, 5]), None);
    }

    #[test]
    fn a_good_checksum_comes_before_any_length() {
        let mut bytes = vec![0x45, 0, 0, 19, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2];
        assert_eq!(header(&bytes).err(), Some(Anomaly::Ipv4Checksum));
        crate::build::seal_ipv4(&mut bytes);
        assert_eq!(header(&bytes).err(), Some(Anomaly::Ipv4TotalLengthShort));
    }
}

//! What forwarding writes into a frame: one hop less, and its MAC addresses. All else stays as it came.
//! Read first: RFC 1812 §4.2.2.9, §5.3.1; RFC 8200 §3; RFC 1624.

use crate::frame::ETHERNET_HEADER;
use crate::wire::{Address, MIN_HEADER, checksum};
use smoltcp::wire::{EthernetAddress, EthernetFrame, EthernetProtocol, Ipv4Packet, Ipv6Packet};

/// Is this an IPv6 packet? Only packets that classification passed are asked about.
#[inline]
pub(crate) fn is_ipv6(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first >> 4 == 6)
}

/// Forwards a frame of the family in place: one hop less, new MAC addresses. The hop count must not be 0.
///
/// One look at the headers as an array of known length: each bound is checked once.
#[inline(always)]
pub(crate) fn forward<A: Address>(frame: &mut [u8], from: EthernetAddress, to: EthernetAddress) {
    // Both families' headers are longer; a shorter frame has not been classified.
    let Some(headers) = frame.first_chunk_mut::<{ ETHERNET_HEADER + MIN_HEADER }>() else { return };
    headers[..6].copy_from_slice(&to.0);
    headers[6..12].copy_from_slice(&from.0);
    let hops = ETHERNET_HEADER + if A::BITS == 32 { 8 } else { 7 };
    if A::BITS == 32 {
        let old = u16::from_be_bytes([headers[hops], headers[hops + 1]]);
        let sum = u16::from_be_bytes([headers[hops + 2], headers[hops + 3]]);
        let sum = checksum::update(sum, old, old - 0x0100).to_be_bytes();
        (headers[hops + 2], headers[hops + 3]) = (sum[0], sum[1]);
    }
    headers[hops] -= 1;
}

/// One hop less in the IP packet of an Ethernet frame without tag. The hop count must not be 0.
#[inline]
pub(crate) fn decrement_hops(frame: &mut [u8]) {
    let packet = &mut frame[ETHERNET_HEADER..];
    if is_ipv6(packet) {
        let mut packet = Ipv6Packet::new_unchecked(packet);
        packet.set_hop_limit(packet.hop_limit() - 1);
    } else {
        let mut packet = Ipv4Packet::new_unchecked(packet);
        let (ttl, protocol) = (packet.hop_limit(), u8::from(packet.next_header()));
        let word = |ttl| u16::from_be_bytes([ttl, protocol]);
        // Updated, not recomputed (RFC 1624).
        let checksum = checksum::update(packet.checksum(), word(ttl), word(ttl - 1));
        packet.set_hop_limit(ttl - 1);
        packet.set_checksum(checksum);
    }
}

/// Writes the Ethernet header in front of an IP packet.
#[inline]
pub(crate) fn address(frame: &mut [u8], from: EthernetAddress, to: EthernetAddress) {
    let ipv6 = is_ipv6(&frame[ETHERNET_HEADER..]);
    let ethertype = if ipv6 { EthernetProtocol::Ipv6 } else { EthernetProtocol::Ipv4 };
    address_as(frame, from, to, ethertype);
}

/// Writes an Ethernet header.
#[inline]
pub(crate) fn address_as(
    frame: &mut [u8],
    from: EthernetAddress,
    to: EthernetAddress,
    ethertype: EthernetProtocol,
) {
    let mut ethernet = EthernetFrame::new_unchecked(frame);
    ethernet.set_dst_addr(to);
    ethernet.set_src_addr(from);
    ethernet.set_ethertype(ethertype);
}

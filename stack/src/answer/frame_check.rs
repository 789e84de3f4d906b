//! The last look at a frame before it is injected: lengths, checksums, MTU. Pure.
//!
//! It shares no code path with what built the frame, so that a slip there is caught here.

use crate::classify::ethernet::word;
use crate::classify::extension::next_header::HOP_BY_HOP;
use crate::classify::ipv4::protocol;
use crate::classify::{ipv6, special};
use crate::frame::ETHERNET_HEADER;
use crate::wire::{IPV6_HEADER, MIN_HEADER, checksum, options};
use smoltcp::wire::checksum::{self as sum, pseudo_header_v6};
use smoltcp::wire::{IpProtocol, Ipv4Address, Ipv6Address};

/// What is wrong with a frame that should have been injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FrameFault {
    /// Not Ethernet II with IPv4 or IPv6, or shorter than its headers.
    NotIp,
    /// A length field does not fit the frame exactly.
    Length,
    /// Larger than the MTU.
    Mtu,
    /// The IPv4 header checksum is wrong.
    HeaderChecksum,
    /// An IPv4 option is malformed.
    Option,
    /// The source or destination is not one host's.
    Address,
    /// The ICMP checksum is wrong, or the message is too short.
    Icmp,
    /// The time to live, or hop limit, is 0.
    Ttl,
}

/// Is this Ethernet frame (IP, no tag, without padding) well-formed on every layer that the router answers
/// for? Transport checksums of forwarded UDP and TCP are the end hosts' (RFC 1812 §5.2).
///
/// # Errors
/// The first fault.
pub fn well_formed(frame: &[u8], mtu: usize) -> Result<(), FrameFault> {
    let packet = frame.get(ETHERNET_HEADER..).ok_or(FrameFault::NotIp)?;
    match (word(frame, 12), packet.first().map(|first| first >> 4)) {
        (0x0800, Some(4)) => ipv4(packet, mtu),
        (0x86dd, Some(6)) => ipv6(packet, mtu),
        _ => Err(FrameFault::NotIp),
    }
}

fn ipv4(packet: &[u8], mtu: usize) -> Result<(), FrameFault> {
    let header_len = usize::from(packet[0] & 0x0f) * 4;
    if packet.len() < MIN_HEADER || header_len < MIN_HEADER {
        return Err(FrameFault::NotIp);
    }
    if header_len > packet.len() || usize::from(word(packet, 2)) != packet.len() {
        return Err(FrameFault::Length);
    }
    if packet.len() > mtu {
        return Err(FrameFault::Mtu);
    }
    if !checksum::verify(&packet[..header_len]) {
        return Err(FrameFault::HeaderChecksum);
    }
    if packet[8] == 0 {
        return Err(FrameFault::Ttl);
    }
    options::survey(&packet[MIN_HEADER..header_len]).map_err(|_| FrameFault::Option)?;
    let address = |at: usize| Ipv4Address::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    if !options::is_one_host(address(12)) || !options::is_one_host(address(16)) {
        return Err(FrameFault::Address);
    }
    let whole = word(packet, 6) & 0x3fff == 0;
    let message = &packet[header_len..];
    if whole && packet[9] == protocol::ICMP && (message.len() < 8 || !checksum::verify(message)) {
        return Err(FrameFault::Icmp);
    }
    Ok(())
}

fn ipv6(packet: &[u8], mtu: usize) -> Result<(), FrameFault> {
    let (Some(source), Some(destination)) = (ipv6::address(packet, 8), ipv6::address(packet, 24)) else {
        return Err(FrameFault::NotIp);
    };
    if IPV6_HEADER + usize::from(word(packet, 4)) != packet.len() {
        return Err(FrameFault::Length);
    }
    if packet.len() > mtu {
        return Err(FrameFault::Mtu);
    }
    if packet[7] == 0 {
        return Err(FrameFault::Ttl);
    }
    let one_host =
        |address: Ipv6Address| !address.is_multicast() && !address.is_unspecified() && !address.is_loopback();
    if !one_host(source) || !one_host(destination) {
        return Err(FrameFault::Address);
    }
    let (mut next_header, mut message) = (packet[6], &packet[IPV6_HEADER..]);
    if next_header == HOP_BY_HOP {
        let len = message.get(1).map(|&units| (usize::from(units) + 1) * 8).ok_or(FrameFault::Length)?;
        (next_header, message) = (message[0], message.get(len..).ok_or(FrameFault::Length)?);
    }
    if next_header == special::ICMPV6 {
        let pseudo = pseudo_header_v6(&source, &destination, IpProtocol::Icmpv6, message.len() as u32);
        if message.len() < 4 || sum::combine(&[pseudo, sum::data(message)]) != 0xffff {
            return Err(FrameFault::Icmp);
        }
    }
    Ok(())
}

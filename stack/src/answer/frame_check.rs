//! The last look at a frame before it is injected: lengths, checksums, MTU. Pure.
//!
//! It shares no code path with what built the frame, so that a slip there is caught here.

use crate::classify::ethernet::word;
use crate::classify::ipv4::protocol;
use crate::frame::ETHERNET_HEADER;
use crate::wire::{MIN_HEADER, checksum, options};
use smoltcp::wire::Ipv4Address;

/// What is wrong with a frame that should have been injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum FrameFault {
    /// Not Ethernet II with IPv4, or shorter than its headers.
    NotIpv4,
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
    /// The time to live is 0.
    Ttl,
}

/// Is this Ethernet frame (IPv4, no tag, without padding) well-formed on every layer that the router
/// answers for? Transport checksums of forwarded UDP and TCP are the end hosts' (RFC 1812 §5.2).
///
/// # Errors
/// The first fault.
pub fn well_formed(frame: &[u8], mtu: usize) -> Result<(), FrameFault> {
    if word(frame, 12) != 0x0800 {
        return Err(FrameFault::NotIpv4);
    }
    let packet = frame.get(ETHERNET_HEADER..).filter(|p| p.len() >= MIN_HEADER).ok_or(FrameFault::NotIpv4)?;
    let header_len = usize::from(packet[0] & 0x0f) * 4;
    if packet[0] >> 4 != 4 || header_len < MIN_HEADER {
        return Err(FrameFault::NotIpv4);
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

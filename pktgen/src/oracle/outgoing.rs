//! What any IP frame must be that the router makes or repairs: well-formed, and what is injected from host to host.
//!
//! Checksums are this crate's own: nothing here runs the router's code.
//! Read first: RFC 1812 §4.2.2, §5.2.2; RFC 8200 §3, §4.3; RFC 4443 §2.1, §2.3.

use crate::build::{adds_up, protocol, segment_checksum};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Source and destination of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Who sends it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
}

/// `Err(what)` unless it holds.
pub(super) fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

pub(super) fn word(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

/// Lengths and checksums of an Ethernet II frame with IPv4 or IPv6, without padding. UDP and TCP checksums of what is
/// sent on are the end hosts' (RFC 1812 §5.2).
///
/// # Errors
/// What is wrong with it.
pub fn well_formed(frame: &[u8], mtu: usize) -> Result<Ends, String> {
    require(frame.len() >= 14, "no Ethernet header")?;
    let packet = &frame[14..];
    let ends = match frame[12..14] {
        [0x08, 0x00] => ipv4(packet)?,
        [0x86, 0xdd] => ipv6(packet)?,
        _ => return Err("not IP over Ethernet II".to_owned()),
    };
    require(packet.len() <= mtu, "larger than the MTU")?;
    require(frame[6] & 1 == 0 && !ends.source.is_multicast(), "from a group")?;
    let group = frame[0] & 1 == 1;
    require(group == ends.destination.is_multicast(), "link-layer and IP destination differ in kind")?;
    Ok(ends)
}

/// Are both ends one host's? What is injected has no others.
///
/// # Errors
/// If not.
pub fn from_host_to_host(ends: Ends) -> Result<(), String> {
    let no_host = |end: IpAddr| {
        end.is_multicast() || end.is_unspecified() || end.is_loopback() || end == Ipv4Addr::BROADCAST
    };
    require(!no_host(ends.source) && !no_host(ends.destination), "an address that is not one host's")
}

fn ipv4(packet: &[u8]) -> Result<Ends, String> {
    require(packet.len() >= 20, "IPv4 header cut off")?;
    let header = usize::from(packet[0] & 15) * 4;
    require(packet[0] >> 4 == 4 && (20..=packet.len()).contains(&header), "version or header length")?;
    require(word(packet, 2) == packet.len(), "total length is not the frame's")?;
    require(adds_up(&packet[..header]), "header checksum")?;
    require(packet[8] > 0, "TTL 0")?;
    if packet[9] == protocol::ICMP && packet[6] & 0x3f == 0 && packet[7] == 0 {
        require(packet.len() >= header + 8 && adds_up(&packet[header..]), "ICMP checksum")?;
    }
    let address = |at: usize| Ipv4Addr::new(packet[at], packet[at + 1], packet[at + 2], packet[at + 3]);
    Ok(Ends { source: address(12).into(), destination: address(16).into() })
}

/// On the way no extension header is looked into but Hop-by-Hop Options (RFC 8200 §4).
fn ipv6(packet: &[u8]) -> Result<Ends, String> {
    require(packet.len() >= 40, "IPv6 header cut off")?;
    require(packet[0] >> 4 == 6, "version")?;
    require(word(packet, 4) == packet.len() - 40, "payload length is not the frame's")?;
    require(packet[7] > 0, "hop limit 0")?;
    let address = |at: usize| {
        let mut octets = [0; 16];
        octets.copy_from_slice(&packet[at..at + 16]);
        Ipv6Addr::from(octets)
    };
    let (source, destination) = (address(8), address(24));
    let (mut next, mut payload) = (packet[6], &packet[40..]);
    if next == protocol::HOP_BY_HOP {
        require(payload.len() >= 8, "Hop-by-Hop Options cut off")?;
        let len = (usize::from(payload[1]) + 1) * 8;
        require(len <= payload.len(), "Hop-by-Hop Options cut off")?;
        (next, payload) = (payload[0], &payload[len..]);
    }
    if next == protocol::ICMPV6 {
        // RFC 4443 §2.1: type, code and checksum are all that every message has.
        let sums = payload.len() >= 4 && segment_checksum(source, destination, next, payload) == 0;
        require(sums, "ICMPv6 checksum")?;
    }
    Ok(Ends { source: source.into(), destination: destination.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Extension, Ipv4, Ipv6, ethernet, ethertype, icmp, icmpv6};

    const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 2, 2], [2, 0, 0, 0, 2, 1]];

    /// The bits of the packet that may be turned without anybody noticing.
    fn blind(frame: &[u8]) -> Vec<usize> {
        assert!(
            well_formed(frame, frame.len() - 14).is_ok() && well_formed(frame, frame.len() - 15).is_err()
        );
        let turned = |bit: &usize| {
            let mut wrong = frame.to_vec();
            wrong[bit / 8] ^= 0x80 >> (bit % 8);
            well_formed(&wrong, 1500).is_ok()
        };
        (14 * 8..frame.len() * 8).filter(turned).map(|bit| bit - 14 * 8).collect()
    }

    #[test]
    fn every_bit_of_ipv4_with_icmp_counts() {
        let (source, destination) = (Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 2, 2));
        let header = Ipv4 { protocol: protocol::ICMP, ..Ipv4::new(source, destination) };
        let packet = header.packet(&icmp(8, 0, [0, 1, 0, 2], &[1, 2, 3, 4]));
        assert!(blind(&ethernet(MACS[0], MACS[1], ethertype::IPV4, &packet)).is_empty());
    }

    #[test]
    fn every_bit_of_ipv6_with_icmpv6_counts_but_for_what_nothing_covers() {
        let (source, destination) = ("fd00:1::2".parse().unwrap(), "fd00:2::2".parse().unwrap());
        let message = icmpv6(source, destination, 128, 0, [0, 1, 0, 2], &[1, 2, 3, 4]);
        let header = Ipv6 { protocol: protocol::ICMPV6, ..Ipv6::new(source, destination) };
        let frame = ethernet(MACS[0], MACS[1], ethertype::IPV6, &header.packet(&message));
        // Traffic class, flow label, next header; a hop limit of 64 less 64 is none.
        let uncovered = (4..32).chain(48..57).chain(58..64);
        // Next header 58 less 58 would be Hop-by-Hop Options, one bit does not make it.
        assert_eq!(blind(&frame), uncovered.collect::<Vec<_>>());
        let header = Ipv6 { extensions: vec![Extension::HopByHop(vec![5, 2, 0, 0])], ..header };
        let behind = ethernet(MACS[0], MACS[1], ethertype::IPV6, &header.packet(&message));
        assert!(well_formed(&behind, 1500).is_ok());
        let mut wrong = behind;
        *wrong.last_mut().expect("a byte") ^= 1;
        assert_eq!(well_formed(&wrong, 1500), Err("ICMPv6 checksum".to_owned()));
    }

    #[test]
    fn groups_and_nobody_are_not_hosts() {
        let ends = |source: &str, destination: &str| Ends {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        };
        assert_eq!(from_host_to_host(ends("fd00:1::2", "fe80::1")), Ok(()));
        assert_eq!(from_host_to_host(ends("10.0.1.2", "10.0.2.2")), Ok(()));
        for none in ["::", "::1", "ff02::1", "0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255"] {
            assert!(from_host_to_host(ends(none, "fd00:2::2")).is_err(), "{none}");
            assert!(from_host_to_host(ends("fd00:2::2", none)).is_err(), "{none}");
        }
    }

    #[test]
    fn a_group_is_a_group_on_both_layers() {
        for (source, destination, mac, right) in [
            ("fe80::1", "ff02::1", [0x33, 0x33, 0, 0, 0, 1], true),
            ("fe80::1", "ff02::1", MACS[0], false),
            ("fe80::1", "fe80::2", [0x33, 0x33, 0, 0, 0, 1], false),
            ("ff02::1", "fe80::2", MACS[0], false),
        ] {
            let packet = Ipv6::new(source.parse().unwrap(), destination.parse().unwrap()).packet(&[]);
            let frame = ethernet(mac, MACS[1], ethertype::IPV6, &packet);
            assert_eq!(well_formed(&frame, 1500).is_ok(), right, "{source} {destination}");
        }
        for other in [&[][..], &[0; 14], &ethernet(MACS[0], MACS[1], ethertype::ARP, &[0; 40])] {
            assert!(well_formed(other, 1500).is_err());
        }
    }
}

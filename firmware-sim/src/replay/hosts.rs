//! Made-up hosts: whoever the router asks for by ARP or Neighbour Discovery answers, or a capture's packets would wait for
//! next hops that are not there.
//!
//! Read first: RFC 826; RFC 4861 §7.2.4.

use pktgen::build::{self, Arp, Ipv6, ethertype, icmpv6_type, nd_option_type, protocol};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Flags of an advertisement: solicited, override (RFC 4861 §4.4).
const SOLICITED_OVERRIDE: u8 = 0x60;

/// The made-up station from which packets without a link layer come: locally administered, and its own name.
pub(super) const STATION: [u8; 6] = *b"\x06host\0";

/// The MAC address of the host that has this IP address.
pub(crate) fn mac([a, b, c, d]: [u8; 4]) -> [u8; 6] {
    [0x06, b'n', a, b, c, d]
}

/// Answers that may wait; more are not needed, since the router asks again.
const ANSWERS: usize = 1024;

/// The hosts behind one port.
#[derive(Debug, Default)]
pub(crate) struct Hosts {
    answers: VecDeque<Vec<u8>>,
}

impl Hosts {
    /// The router has sent this frame; do they answer?
    pub(crate) fn hear(&mut self, frame: &[u8]) -> bool {
        // ARP and IPv6 alone, the latter within a VLAN's tag, too: most frames are neither.
        if matches!(frame.get(12..14), Some([0x08, 0x00])) || self.answers.len() >= ANSWERS {
            return false;
        }
        let answer = answer(frame);
        let answers = answer.is_some();
        self.answers.extend(answer);
        answers
    }

    /// Their next answer, copied into the buffer; its length.
    pub(crate) fn next(&mut self, buf: &mut [u8]) -> Option<usize> {
        let answer = self.answers.pop_front()?;
        let len = answer.len().min(buf.len());
        buf[..len].copy_from_slice(&answer[..len]);
        Some(len)
    }
}

/// What the hosts send back when the router sends this frame.
pub(crate) fn answer(frame: &[u8]) -> Option<Vec<u8>> {
    let tag = match frame.get(12..14)? {
        [0x81, 0x00] => Some(u16::from_be_bytes([*frame.get(14)?, *frame.get(15)?])),
        _ => None,
    };
    let at = if tag.is_some() { ETHERNET + 4 } else { ETHERNET };
    let kind = u16::from_be_bytes([*frame.get(at - 2)?, *frame.get(at - 1)?]);
    let router: [u8; 6] = frame.get(6..12)?.try_into().ok()?;
    let packet = frame.get(at..)?;
    let reply = match kind {
        ethertype::ARP => arp(packet, router)?,
        ethertype::IPV6 => advertisement(packet, router)?,
        _ => return None,
    };
    Some(tag.map_or(reply.clone(), |control| build::tag(&reply, ethertype::VLAN, control)))
}

fn arp(packet: &[u8], router: [u8; 6]) -> Option<Vec<u8>> {
    if *packet.get(6..8)? != [0, 1] {
        return None;
    }
    let asker: [u8; 4] = packet.get(14..18)?.try_into().ok()?;
    let asked: [u8; 4] = packet.get(24..28)?.try_into().ok()?;
    let request = Arp::request(mac(asked), Ipv4Addr::from(asked), Ipv4Addr::from(asker));
    let reply = Arp { operation: 2, target_mac: router, ..request };
    Some(build::ethernet(router, mac(asked), ethertype::ARP, &reply.packet()))
}

fn advertisement(packet: &[u8], router: [u8; 6]) -> Option<Vec<u8>> {
    let (next_header, kind) = (*packet.get(6)?, *packet.get(40)?);
    if next_header != protocol::ICMPV6 || kind != icmpv6_type::NEIGHBOR_SOLICITATION {
        return None;
    }
    let address = |at: usize| -> Option<Ipv6Addr> {
        let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
        Some(octets.into())
    };
    let (asker, asked) = (address(8)?, address(48)?);
    let [.., a, b, c, d] = asked.octets();
    let own = mac([a, b, c, d]);
    let option = build::nd_option(nd_option_type::TARGET_LINK, &own);
    let message = build::advertisement(asked, asker, SOLICITED_OVERRIDE, asked, &option);
    let header = Ipv6 { hop_limit: 255, protocol: protocol::ICMPV6, ..Ipv6::new(asked, asker) };
    Some(build::ethernet(router, own, ethertype::IPV6, &header.packet(&message)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pktgen::build::{multicast_mac, segment_checksum, solicitation, solicited_node};

    const ROUTER: [u8; 6] = [2, 0, 0, 0, 2, 1];

    #[test]
    fn arp_requests_are_answered_with_and_without_a_tag() {
        let request = Arp::request(ROUTER, [10, 0, 2, 1].into(), [10, 0, 2, 9].into());
        let frame = build::ethernet(build::BROADCAST, ROUTER, ethertype::ARP, &request.packet());
        let reply = answer(&frame).unwrap();
        let told = Arp {
            operation: 2,
            target_mac: ROUTER,
            ..Arp::request([6, b'n', 10, 0, 2, 9], [10, 0, 2, 9].into(), [10, 0, 2, 1].into())
        };
        assert_eq!(reply, build::ethernet(ROUTER, told.sender_mac, ethertype::ARP, &told.packet()));
        let tagged = answer(&build::tag(&frame, ethertype::VLAN, 10)).unwrap();
        assert_eq!(tagged, build::tag(&reply, ethertype::VLAN, 10));
        // Nobody answers an answer, or anything else.
        assert_eq!(answer(&reply), None);
        assert_eq!(answer(&frame[..30]), None);
        assert_eq!(answer(&build::ethernet(ROUTER, ROUTER, ethertype::IPV4, &[0x45; 40])), None);
    }

    #[test]
    fn solicitations_are_answered_with_an_advertisement_that_is_sound() {
        let (asker, asked): (Ipv6Addr, Ipv6Addr) =
            ("fd00:2::1".parse().unwrap(), "fd00:2::1234".parse().unwrap());
        let group = solicited_node(asked);
        let message = solicitation(asker, group, asked, &[]);
        let header = Ipv6 { hop_limit: 255, protocol: protocol::ICMPV6, ..Ipv6::new(asker, group) };
        let frame = build::ethernet(multicast_mac(group), ROUTER, ethertype::IPV6, &header.packet(&message));
        let reply = answer(&frame).unwrap();
        assert_eq!((&reply[..6], &reply[6..12]), (&ROUTER[..], &[6, b'n', 0, 0, 0x12, 0x34][..]));
        let packet = &reply[ETHERNET..];
        assert_eq!((packet[7], packet[40], packet[44]), (255, 136, SOLICITED_OVERRIDE));
        assert_eq!(packet[48..64], asked.octets());
        assert_eq!(packet[64..], [2, 1, 6, b'n', 0, 0, 0x12, 0x34]);
        let mut sum = packet[40..].to_vec();
        let sent = u16::from_be_bytes([sum[2], sum[3]]);
        sum[2..4].fill(0);
        assert_eq!(segment_checksum(asked, asker, protocol::ICMPV6, &sum), sent);
        assert_eq!(answer(&reply), None);
    }
}

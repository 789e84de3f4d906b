//! What an IPv4 packet to the router itself is: fragment, ICMP, UDP, TCP (the last two of either family).
//!
//! Read first: RFC 791 §3.2, RFC 792, RFC 1122 §4.1.3.4, RFC 1812 §4.3, RFC 6918, RFC 9293 §3.1 and §3.10.7.

use super::judge::{Check, reject_if, word};
use super::judge_ipv4::{Packet, bad_option};
use crate::build::{adds_up, flags, segment_checksum};
use stack::Anomaly;
use std::net::IpAddr;

/// Judges a packet to the router; `to_group` if several hosts are meant, in IP or on the link.
pub(super) fn packet(packet: &Packet<'_>, to_group: bool) -> Check<()> {
    if packet.is_fragment() {
        // A fragment is no message yet: lengths and checksums of what it is a piece of are the business of
        // whoever reassembles it (RFC 791 §3.2; RFC 1122 §3.3.2).
        return fragment(packet);
    }
    match packet.protocol {
        1 => icmp(packet.payload, to_group),
        6 => tcp(packet.source, packet.destination, packet.payload),
        17 => udp(packet.source, packet.destination, packet.payload),
        _ => Ok(()),
    }
}

/// RFC 791 §3.1: total length counts the header, and has 16 bits, of the reassembled datagram too.
fn fragment(packet: &Packet<'_>) -> Check<()> {
    let len = packet.payload.len();
    reject_if(packet.header_len + packet.offset + len > 65_535, Anomaly::Ipv4FragmentTooLarge)?;
    reject_if(len == 0 || (packet.more_fragments && !len.is_multiple_of(8)), Anomaly::Ipv4FragmentLength)
}

fn icmp(message: &[u8], to_group: bool) -> Check<()> {
    reject_if(message.len() < 8, Anomaly::IcmpTruncated)?;
    reject_if(!adds_up(message), Anomaly::IcmpChecksum)?;
    match message[0] {
        8 | 13 if to_group => Err(Anomaly::IcmpRequestGroup),
        8 => Err(Anomaly::EchoRequest),
        13 => Err(Anomaly::IcmpTimestampRequest),
        4 => Err(Anomaly::IcmpSourceQuench),
        5 => Err(Anomaly::IcmpRedirect),
        // RFC 6918 §2: alternate host address, information, address mask, traceroute to SKIP.
        6 | 15..=18 | 30..=39 => Err(Anomaly::IcmpDeprecated),
        // An error quotes an IPv4 header and 64 bits more (RFC 792).
        3 | 11 | 12 => {
            let quote = &message[8..];
            let header_len = quote.first().map_or(0, |first| usize::from(first & 15) * 4);
            let whole = header_len >= 20 && quote.len() >= header_len + 8;
            reject_if(!whole || quote[0] >> 4 != 4, Anomaly::IcmpErrorQuote)
        }
        // Replies to what somebody here may have asked, and router discovery (RFC 1256).
        0 | 9 | 10 | 14 => Ok(()),
        _ => Err(Anomaly::IcmpTypeUnknown),
    }
}

/// A UDP datagram of either family.
pub(super) fn udp(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, payload: &[u8]) -> Check<()> {
    let (source, destination) = (source.into(), destination.into());
    reject_if(payload.len() < 8, Anomaly::UdpLength)?;
    let claim = usize::from(word(payload, 4));
    reject_if(claim < 8 || claim > payload.len(), Anomaly::UdpLength)?;
    let datagram = &payload[..claim];
    let unchecked = word(datagram, 6) == 0;
    // RFC 8200 §8.1: optional over IPv4 only.
    reject_if(unchecked && source.is_ipv6(), Anomaly::Ipv6UdpChecksumZero)?;
    let wrong = !unchecked && segment_checksum(source, destination, 17, datagram) != 0;
    reject_if(wrong, Anomaly::UdpChecksum)?;
    reject_if(word(datagram, 2) == 0, Anomaly::L4PortZero)
}

/// A TCP segment of either family.
pub(super) fn tcp(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, segment: &[u8]) -> Check<()> {
    reject_if(segment.len() < 20, Anomaly::TcpHeaderLength)?;
    let header_len = usize::from(segment[12] >> 4) * 4;
    reject_if(header_len < 20 || header_len > segment.len(), Anomaly::TcpHeaderLength)?;
    let wrong = segment_checksum(source, destination, 6, segment) != 0;
    reject_if(wrong, Anomaly::TcpChecksum)?;
    // TCP options are encoded as IPv4's are: 0 ends them, 1 is one byte, all others have a length (RFC 9293 §3.1).
    reject_if(bad_option(&segment[20..header_len]).is_some(), Anomaly::TcpOptionMalformed)?;
    reject_if(word(segment, 2) == 0, Anomaly::L4PortZero)?;
    // ECN-Echo and Congestion Window Reduced (RFC 3168) make no difference.
    let set = segment[13] & 0x3f;
    let all = |wanted: u8| set & wanted == wanted;
    let xmas = all(flags::FIN | flags::URG | flags::PSH) && !all(flags::ACK);
    let odd = set == 0 || all(flags::SYN | flags::FIN) || all(flags::SYN | flags::RST) || xmas;
    reject_if(odd, Anomaly::TcpFlags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{icmp as build_icmp, udp as build_udp};
    use std::net::Ipv4Addr;

    fn to_router(protocol: u8, payload: &[u8]) -> Packet<'_> {
        Packet {
            source: Ipv4Addr::new(10, 0, 1, 2),
            destination: Ipv4Addr::new(10, 0, 1, 1),
            protocol,
            header_len: 20,
            more_fragments: false,
            offset: 0,
            payload,
        }
    }

    #[test]
    fn a_first_fragment_is_not_a_message() {
        let half = build_icmp(8, 0, [0; 4], &[7; 64])[..64].to_vec();
        assert_eq!(packet(&to_router(1, &half), false), Err(Anomaly::IcmpChecksum));
        let first = Packet { more_fragments: true, ..to_router(1, &half) };
        assert_eq!(packet(&first, false), Ok(()));
    }

    #[test]
    fn the_largest_datagram_counts_its_header() {
        let payload = [0; 8];
        let ending_at = |end: usize| Packet { offset: end - 8, ..to_router(17, &payload) };
        assert_eq!(packet(&ending_at(65_512), false), Ok(()));
        assert_eq!(packet(&ending_at(65_520), false), Err(Anomaly::Ipv4FragmentTooLarge));
    }

    #[test]
    fn udp_without_a_checksum_is_legal() {
        let from = to_router(17, &[]);
        let mut datagram = build_udp(from.source, from.destination, 5, 6, b"x");
        assert_eq!(packet(&to_router(17, &datagram), false), Ok(()));
        datagram[6] ^= 1;
        assert_eq!(packet(&to_router(17, &datagram), false), Err(Anomaly::UdpChecksum));
        datagram[6..8].fill(0);
        assert_eq!(packet(&to_router(17, &datagram), false), Ok(()));
    }
}

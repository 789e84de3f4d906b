//! The Internet checksum, the slow and obvious way: this is the judge's arithmetic.
//!
//! Read first: RFC 1071 §1; RFC 768, RFC 9293 §3.1 and RFC 8200 §8.1 for the pseudo headers. The router's own code is
//! incremental (RFC 1624) and shares nothing with this, so that one can be tested by the other.

use std::net::IpAddr;

/// The one's complement of the one's complement sum of all 16-bit words; an odd byte is padded with zero.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum: u64 = 0;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8;
        sum += pair.get(1).map_or(0, |&low| u64::from(low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Does data that contains its own checksum add up? (The complement of the sum is then zero.)
pub fn adds_up(bytes: &[u8]) -> bool {
    internet_checksum(bytes) == 0
}

/// The checksum of a segment under the pseudo header of its addresses' family. IPv4: source, destination, zero,
/// protocol, 16-bit length; IPv6: source, destination, 32-bit length, three zeros, next header.
pub fn segment_checksum(
    source: impl Into<IpAddr>,
    destination: impl Into<IpAddr>,
    protocol: u8,
    segment: &[u8],
) -> u16 {
    let mut covered = Vec::with_capacity(40 + segment.len());
    for address in [source.into(), destination.into()] {
        match address {
            IpAddr::V4(address) => covered.extend(address.octets()),
            IpAddr::V6(address) => covered.extend(address.octets()),
        }
    }
    // The sum does not care in which order, nor in how many words, length and protocol come.
    covered.extend((segment.len() as u32).to_be_bytes());
    covered.extend([0, 0, 0, protocol]);
    covered.extend_from_slice(segment);
    internet_checksum(&covered)
}

/// Computes the checksum of an IPv4 header anew, over as many words as its IHL says and the packet holds.
/// A packet too short to have the field is left alone.
pub fn seal_ipv4(packet: &mut [u8]) {
    if packet.len() < 12 {
        return;
    }
    let header = (usize::from(packet[0] & 15) * 4).min(packet.len());
    packet[10..12].fill(0);
    let checksum = internet_checksum(&packet[..header]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// Computes the checksum of an ICMP message anew. A message too short to have the field is left alone.
pub fn seal_icmp(message: &mut [u8]) {
    if message.len() < 4 {
        return;
    }
    message[2..4].fill(0);
    let checksum = internet_checksum(message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
}

/// Computes the checksum of a UDP datagram, a TCP segment or an ICMPv6 message anew; any other protocol, and a
/// segment too short to have the field, is left alone. UDP sends an all-ones checksum in place of zero, which
/// means none (RFC 768).
pub fn seal_segment(
    source: impl Into<IpAddr>,
    destination: impl Into<IpAddr>,
    protocol: u8,
    segment: &mut [u8],
) {
    let at = match protocol {
        6 => 16,
        17 => 6,
        58 => 2,
        _ => return,
    };
    if segment.len() < at + 2 {
        return;
    }
    segment[at..at + 2].fill(0);
    let checksum = match segment_checksum(source, destination, protocol, segment) {
        0 if protocol == 17 => 0xffff,
        checksum => checksum,
    };
    segment[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// RFC 8200 §8.1 by hand: an echo request of 8 bytes from fe80::1 to ff02::1.
    #[test]
    fn the_pseudo_header_of_ipv6() {
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        let destination = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let mut message = [128, 0, 0, 0, 0, 5, 0, 6];
        seal_segment(source, destination, 58, &mut message);
        let sum: u32 = 0xfe80 + 1 + 0xff02 + 1 + 8 + 58 + 0x8000 + 5 + 6;
        assert_eq!(message[2..4], (!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
        assert_eq!(segment_checksum(source, destination, 58, &message), 0);
    }

    #[test]
    fn the_example_of_rfc_1071() {
        // §3: the words 0001 f203 f4f5 f6f7 sum to ddf2.
        let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(internet_checksum(&data), !0xddf2);
        assert_eq!(internet_checksum(&[]), 0xffff);
        assert_eq!(internet_checksum(&[0xab]), !0xab00);
    }

    #[test]
    fn a_known_ipv4_header_adds_up() {
        let header = [
            0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01,
            0xc0, 0xa8, 0x00, 0xc7,
        ];
        assert!(adds_up(&header));
        let mut resealed = header;
        resealed[10] = 0;
        assert!(!adds_up(&resealed));
        seal_ipv4(&mut resealed);
        assert_eq!(resealed, header);
    }

    #[test]
    fn a_udp_checksum_of_zero_is_sent_as_all_ones() {
        let (source, destination) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        // Pseudo header sums to 17 + 8, the segment's own length to 8: the port makes up the rest.
        let mut segment = [0, 0, 0, 0, 0, 8, 0, 0];
        segment[..2].copy_from_slice(&(0xffff_u16 - 17 - 8 - 8).to_be_bytes());
        seal_segment(source, destination, 17, &mut segment);
        assert_eq!(&segment[6..], [0xff, 0xff]);
        assert_eq!(segment_checksum(source, destination, 17, &segment), 0);
    }

    #[test]
    fn too_short_is_left_alone() {
        let address = Ipv4Addr::LOCALHOST;
        for len in 0..20 {
            seal_ipv4(&mut vec![0xff; len]);
            seal_icmp(&mut vec![0xff; len]);
            for protocol in [1, 6, 17, 58] {
                seal_segment(address, address, protocol, &mut vec![0xff; len]);
            }
        }
    }
}

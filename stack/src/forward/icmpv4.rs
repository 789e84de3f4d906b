//! ICMP errors for IPv4 that quote the original bytes, and when one is forbidden.
//! Read first: RFC 1812 §4.3.2, §4.3.3; RFC 792; RFC 1191 §4.

use super::IcmpError;
use crate::classify::ethernet::{self, LinkDestination, word};
use crate::classify::{Locals, icmp, ipv4::protocol};
use crate::config::PortConfig;
use crate::frame::ETHERNET_HEADER;
use crate::wire::{MIN_HEADER, checksum, options};
use smoltcp::wire::Ipv4Address;

/// Longest ICMP error datagram (RFC 1812 §4.3.2.3).
pub(crate) const MAX_LEN: usize = 576;

/// Type, code and the second word of the message. `None`: IPv4 has no such error.
const fn head(error: IcmpError) -> Option<(u8, u8, [u8; 4])> {
    Some(match error {
        IcmpError::NetUnreachable => (3, 0, [0; 4]),
        IcmpError::HostUnreachable | IcmpError::RouteUnreachable => (3, 1, [0; 4]),
        IcmpError::ProtocolUnreachable => (3, 2, [0; 4]),
        IcmpError::PortUnreachable => (3, 3, [0; 4]),
        IcmpError::TooBig(mtu) => (3, 4, [0, 0, (mtu >> 8) as u8, mtu as u8]),
        IcmpError::Prohibited => (3, 13, [0; 4]),
        IcmpError::TimeExceeded => (11, 0, [0; 4]),
        IcmpError::ReassemblyTimeExceeded => (11, 1, [0; 4]),
        IcmpError::Redirect(gateway) => (5, 1, gateway.octets()),
        IcmpError::ParameterProblem { code, pointer } => (12, code, [pointer as u8, 0, 0, 0]),
        IcmpError::BeyondScope => return None,
    })
}

/// Would RFC 1812 §4.3.2.7 forbid an ICMP error about this frame? It must hold 20 bytes of IPv4
/// header after its Ethernet header; its lengths and checksum need not be right.
///
/// Forbidden: about an ICMP error; about a link-layer or IP broadcast or multicast; about a fragment
/// other than the first; to a source that is not one host, or is one of our own addresses.
pub(crate) fn is_forbidden(frame: &[u8], port: &PortConfig, locals: &Locals) -> bool {
    let Some(packet) = frame.get(ETHERNET_HEADER..).filter(|packet| packet.len() >= MIN_HEADER) else {
        return true;
    };
    if ethernet::destination(frame, port.mac) != LinkDestination::Us {
        return true;
    }
    let source = Ipv4Address::new(packet[12], packet[13], packet[14], packet[15]);
    let destination = Ipv4Address::new(packet[16], packet[17], packet[18], packet[19]);
    if !options::is_one_host(source) || locals.is_own(source) || locals.is_broadcast(source) {
        return true;
    }
    if destination.is_multicast() || destination.is_broadcast() || locals.is_broadcast(destination) {
        return true;
    }
    if word(packet, 6) & 0x1fff != 0 {
        return true;
    }
    let header_len = usize::from(packet[0] & 0x0f) * 4;
    packet[9] == protocol::ICMP && icmp::may_be_error(packet.get(header_len.max(MIN_HEADER)).copied())
}

/// Writes the error about `original` (an IPv4 packet as received) from `from` as an IPv4 packet into
/// `out`; its length in bytes. The quote is as long as [`MAX_LEN`] allows.
pub(crate) fn build(error: IcmpError, original: &[u8], from: Ipv4Address, out: &mut [u8]) -> Option<usize> {
    let (icmp_type, code, rest) = head(error)?;
    // Padding is not quoted. A total length that is too short to be true still leaves the header and
    // 8 bytes, which RFC 1122 §3.2.2 asks for.
    let header_len = usize::from(original[0] & 0x0f) * 4;
    let claimed = usize::from(word(original, 2)).max(header_len + 8);
    let quote = original.len().min(claimed).min(MAX_LEN - MIN_HEADER - icmp::HEADER);
    let len = MIN_HEADER + icmp::HEADER + quote;
    let out = &mut out[..len];
    // Precedence 6, and the TOS bits of the original (RFC 1812 §4.3.2.5); ECN is ours: not capable.
    out[..4].copy_from_slice(&[0x45, 0xc0 | (original[1] & 0x1c), (len >> 8) as u8, len as u8]);
    out[4..8].fill(0);
    out[8..12].copy_from_slice(&[64, protocol::ICMP, 0, 0]);
    out[12..16].copy_from_slice(&from.octets());
    out[16..20].copy_from_slice(&original[12..16]);
    let header_checksum = checksum::compute(&out[..MIN_HEADER]);
    out[10..12].copy_from_slice(&header_checksum.to_be_bytes());
    out[20..24].copy_from_slice(&[icmp_type, code, 0, 0]);
    out[24..28].copy_from_slice(&rest);
    out[28..].copy_from_slice(&original[..quote]);
    let message_checksum = checksum::compute(&out[MIN_HEADER..]);
    out[22..24].copy_from_slice(&message_checksum.to_be_bytes());
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn packet(len: usize) -> Vec<u8> {
        let mut packet = vec![0xa5; len];
        packet[..20].copy_from_slice(&[
            0x45,
            0xb9,
            (len >> 8) as u8,
            len as u8,
            0x12,
            0x34,
            0,
            0,
            1,
            17,
            0xde,
            0xad,
            10,
            0,
            1,
            2,
            10,
            9,
            9,
            9,
        ]);
        packet
    }

    #[test]
    fn quotes_the_bytes_as_received_and_no_more_than_576() {
        let from = Ipv4Address::new(10, 0, 1, 1);
        for len in [20, 28, 100, 548, 549, 1500] {
            let original = packet(len);
            let mut out = [0; 1500];
            let written = build(IcmpError::TooBig(1400), &original, from, &mut out).unwrap();
            let out = &out[..written];
            assert_eq!(written, (28 + len).min(576), "{len}");
            assert!(checksum::verify(&out[..20]) && checksum::verify(&out[20..]));
            assert_eq!(out[1], 0xd8, "precedence 6, TOS bits kept, ECN cleared");
            assert_eq!(&out[12..20], &[10, 0, 1, 1, 10, 0, 1, 2]);
            assert_eq!(&out[20..22], &[3, 4]);
            assert_eq!(&out[24..28], &[0, 0, 0x05, 0x78]);
            assert_eq!(&out[28..], &original[..written - 28]);
        }
    }

    #[test]
    fn padding_is_not_quoted() {
        let mut original = packet(28);
        original.extend_from_slice(&[0; 18]);
        let mut out = [0; 600];
        assert_eq!(
            build(IcmpError::TimeExceeded, &original, Ipv4Address::new(1, 2, 3, 4), &mut out),
            Some(56)
        );
    }

    #[test]
    fn a_total_length_that_lies_still_leaves_header_and_8_bytes() {
        let mut original = packet(60);
        original[0] = 0x47;
        original[3] = 10;
        let mut out = [0; 600];
        assert_eq!(
            build(
                IcmpError::ParameterProblem { code: 0, pointer: 2 },
                &original,
                Ipv4Address::new(1, 2, 3, 4),
                &mut out
            ),
            Some(28 + 28 + 8)
        );
    }
}

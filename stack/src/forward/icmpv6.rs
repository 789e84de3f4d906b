//! ICMPv6 errors that quote the original bytes, and when one is forbidden.
//! Read first: RFC 4443 §2.2, §2.4, §3.

use super::IcmpError;
use crate::classify::Locals;
use crate::classify::ethernet::{self, LinkDestination, word};
use crate::classify::{icmpv6, ipv6, special, upper};
use crate::config::{PortConfig, PortId};
use crate::frame::ETHERNET_HEADER;
use crate::wire::IPV6_HEADER;
use smoltcp::wire::{IpProtocol, Ipv6Address, checksum};

/// Longest ICMPv6 error packet: the minimum IPv6 MTU (RFC 4443 §2.4(c)).
pub(crate) const MAX_LEN: usize = 1280;
/// Bytes before the quote.
const HEAD: usize = IPV6_HEADER + 8;
/// The code of a Parameter Problem about an unknown option (RFC 4443 §3.4).
const UNRECOGNIZED_OPTION: u8 = 2;

/// Type, code and the second word of the message. `None`: IPv6 has no such error.
fn head(error: IcmpError) -> Option<(u8, u8, u32)> {
    Some(match error {
        IcmpError::NetUnreachable => (1, 0, 0),
        IcmpError::Prohibited => (1, 1, 0),
        IcmpError::BeyondScope => (1, 2, 0),
        IcmpError::HostUnreachable => (1, 3, 0),
        IcmpError::PortUnreachable => (1, 4, 0),
        IcmpError::RouteUnreachable => (1, 6, 0),
        IcmpError::TooBig(mtu) => (2, 0, mtu.into()),
        IcmpError::TimeExceeded => (3, 0, 0),
        IcmpError::ReassemblyTimeExceeded => (3, 1, 0),
        IcmpError::ParameterProblem { code, pointer } => (4, code, pointer.into()),
        IcmpError::ProtocolUnreachable | IcmpError::Redirect(_) => return None,
    })
}

/// Would RFC 4443 §2.4(e) forbid this error about this frame?
///
/// Forbidden: about an ICMPv6 error or redirect; about a link-layer or IPv6 multicast, except for a Packet Too
/// Big and for an option that asks for an answer even then; to a source that is not one node, or is one of our
/// own addresses.
pub(crate) fn is_forbidden(
    frame: &[u8],
    port: &PortConfig,
    ingress: PortId,
    locals: &Locals,
    error: Option<IcmpError>,
) -> bool {
    let Some(packet) = frame.get(ETHERNET_HEADER..).filter(|packet| packet.len() >= IPV6_HEADER) else {
        return true;
    };
    let (Some(source), Some(destination)) = (ipv6::address(packet, 8), ipv6::address(packet, 24)) else {
        return true;
    };
    let one_node = !source.is_unspecified() && !source.is_multicast() && !source.is_loopback();
    if !one_node || locals.v6.is_us(source, ingress) {
        return true;
    }
    let group = destination.is_multicast() || ethernet::destination(frame, port.mac) != LinkDestination::Us;
    let answers_groups = match error {
        Some(IcmpError::TooBig(_)) => true,
        Some(IcmpError::ParameterProblem { code: UNRECOGNIZED_OPTION, pointer }) => {
            // Only 10xxxxxx asks for an answer to a multicast; 11xxxxxx does not (RFC 8200 §4.2).
            packet.get(usize::from(pointer)).is_some_and(|option| option >> 6 == 0b10)
        }
        Some(_) | None => false,
    };
    if group && !answers_groups {
        return true;
    }
    match upper::upper_layer(packet) {
        // A later fragment of an ICMPv6 message may be of an error.
        Some(upper) if upper.protocol == special::ICMPV6 => {
            !upper.first || icmpv6::may_be_error(packet.get(upper.offset).copied())
        }
        // Or the chain of headers cannot be followed: no error can be known to be in it.
        Some(_) | None => false,
    }
}

/// Writes the error about `original` (an IPv6 packet as received) as an IPv6 packet into `out`; its length in
/// bytes. The quote is as long as [`MAX_LEN`] allows.
pub(crate) fn build(
    error: IcmpError,
    original: &[u8],
    from: Ipv6Address,
    to: Ipv6Address,
    out: &mut [u8],
) -> Option<usize> {
    let (icmp_type, code, rest) = head(error)?;
    // Padding is not quoted.
    let claimed = IPV6_HEADER + usize::from(word(original, 4));
    let quote = original.len().min(claimed).min(MAX_LEN - HEAD);
    let out = out.get_mut(..HEAD + quote)?;
    let payload_len = (HEAD + quote - IPV6_HEADER) as u16;
    out[..4].copy_from_slice(&[0x60, 0, 0, 0]);
    out[4..6].copy_from_slice(&payload_len.to_be_bytes());
    out[6..8].copy_from_slice(&[special::ICMPV6, 64]);
    out[8..24].copy_from_slice(&from.octets());
    out[24..40].copy_from_slice(&to.octets());
    out[40..44].copy_from_slice(&[icmp_type, code, 0, 0]);
    out[44..48].copy_from_slice(&rest.to_be_bytes());
    out[HEAD..].copy_from_slice(&original[..quote]);
    let sum = checksum::combine(&[
        checksum::pseudo_header_v6(&from, &to, IpProtocol::Icmpv6, payload_len.into()),
        checksum::data(&out[IPV6_HEADER..]),
    ]);
    out[42..44].copy_from_slice(&(!sum).to_be_bytes());
    Some(HEAD + quote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn quotes_the_bytes_as_received_and_no_more_than_1280() {
        let (from, to) =
            (Ipv6Address::new(0xfd00, 1, 0, 0, 0, 0, 0, 1), Ipv6Address::new(0xfd00, 1, 0, 0, 0, 0, 0, 2));
        for len in [40, 41, 100, 1232, 1233, 1500] {
            let mut original = vec![0xa5; len];
            original[..8].copy_from_slice(&[
                0x6b,
                0xcd,
                0xef,
                1,
                ((len - 40) >> 8) as u8,
                (len - 40) as u8,
                17,
                1,
            ]);
            original[8..24].copy_from_slice(&to.octets());
            let mut out = [0; 1500];
            let written = build(IcmpError::TooBig(1400), &original, from, to, &mut out).unwrap();
            let out = &out[..written];
            assert_eq!(written, (48 + len).min(1280), "{len}");
            assert_eq!(
                &out[..8],
                &[0x60, 0, 0, 0, ((written - 40) >> 8) as u8, (written - 40) as u8, 58, 64]
            );
            assert_eq!(&out[40..42], &[2, 0]);
            assert_eq!(&out[44..48], &[0, 0, 0x05, 0x78]);
            assert_eq!(&out[48..], &original[..written - 48]);
            let sum = checksum::combine(&[
                checksum::pseudo_header_v6(&from, &to, IpProtocol::Icmpv6, (written - 40) as u32),
                checksum::data(&out[40..]),
            ]);
            assert_eq!(sum, 0xffff);
            original.extend_from_slice(&[0; 6]);
            assert_eq!(build(IcmpError::TimeExceeded, &original, from, to, &mut [0; 1500]), Some(written));
        }
    }
}

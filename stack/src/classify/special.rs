//! What is odd about addresses and protocols all the same. Read first: RFC 6890 §2.2.2, RFC 7335, RFC 4443 §1.

use super::Anomaly;
use super::ipv4::protocol;
use crate::wire::Ipv4Info;
use smoltcp::wire::Ipv4Address;

/// The Next Header value of ICMPv6.
pub(crate) const ICMPV6: u8 = 58;

/// Is the address of a block that RFC 6890 calls not forwardable, and that no other row names?
///
/// Of 192.0.0.0/24 its /29 (RFC 7335) and the anycast addresses of RFC 7723 and RFC 8155 are forwardable.
const fn is_not_forwardable(address: Ipv4Address) -> bool {
    match address.octets() {
        [192, 0, 0, last] => !matches!(last, 0..=7 | 9 | 10),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        _ => false,
    }
}

/// What is odd about the addresses or the protocol of an IPv4 datagram.
pub(super) const fn ipv4_oddity(info: &Ipv4Info, local: bool) -> Option<Anomaly> {
    if info.protocol == ICMPV6 {
        Some(Anomaly::IcmpWrongFamily)
    } else if !local && (is_not_forwardable(info.source()) || is_not_forwardable(info.destination())) {
        Some(Anomaly::Ipv4SpecialPurpose)
    } else {
        None
    }
}

/// What is odd about the protocol of an IPv6 packet in transit. (To the router it is an unknown next header.)
pub(super) const fn ipv6_oddity(next_header: u8) -> Option<Anomaly> {
    if next_header == protocol::ICMP { Some(Anomaly::IcmpWrongFamily) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(source: [u8; 4], destination: [u8; 4], protocol: u8) -> Ipv4Info {
        let mut header = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        header[12..16].copy_from_slice(&source);
        header[16..].copy_from_slice(&destination);
        Ipv4Info::read(&header, 0)
    }

    #[test]
    fn blocks_that_are_not_forwardable_and_their_neighbours() {
        let other = [10, 0, 0, 1];
        for odd in [
            [192, 0, 0, 8],
            [192, 0, 0, 11],
            [192, 0, 0, 170],
            [192, 0, 2, 0],
            [198, 51, 100, 255],
            [203, 0, 113, 7],
        ] {
            assert_eq!(ipv4_oddity(&info(odd, other, 17), false), Some(Anomaly::Ipv4SpecialPurpose));
            assert_eq!(ipv4_oddity(&info(other, odd, 17), false), Some(Anomaly::Ipv4SpecialPurpose));
            assert_eq!(ipv4_oddity(&info(odd, other, 17), true), None);
        }
        for plain in [
            [192, 0, 0, 7],
            [192, 0, 0, 9],
            [192, 0, 0, 10],
            [192, 0, 1, 8],
            [192, 0, 3, 1],
            [198, 51, 101, 1],
            [198, 18, 0, 1],
            [203, 0, 112, 1],
        ] {
            assert_eq!(ipv4_oddity(&info(plain, other, 17), false), None, "{plain:?}");
        }
    }

    #[test]
    fn icmp_of_the_other_family() {
        for local in [false, true] {
            let icmpv6 = info([10, 0, 0, 1], [10, 0, 0, 2], 58);
            assert_eq!(ipv4_oddity(&icmpv6, local), Some(Anomaly::IcmpWrongFamily));
            assert_eq!(ipv4_oddity(&info([10, 0, 0, 1], [10, 0, 0, 2], 1), local), None);
        }
        assert_eq!(ipv6_oddity(1), Some(Anomaly::IcmpWrongFamily));
        assert_eq!(ipv6_oddity(58), None);
    }
}

//! Internet checksums: incremental update (RFC 1624), over a slice (RFC 1071), with a pseudo-header.

use super::{Ipv4Info, Ipv6Info};
use smoltcp::wire::checksum;

/// The header checksum after one 16-bit word changed from `old` to `new`.
///
/// RFC 1624 §3, equation 3: `HC' = ~(~HC + ~m + m')`. Unlike RFC 1141's form it cannot turn a
/// correct checksum into 0xffff where 0x0000 was meant.
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = (!checksum) as u32 + (!old) as u32 + new as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    !(sum as u16)
}

/// Is the checksum that `data` contains right? (Its one's-complement sum is then 0xffff.)
pub fn verify(data: &[u8]) -> bool {
    checksum::data(data) == 0xffff
}

/// Is the checksum of an IPv4 header without options right?
///
/// The sum of 32-bit words in the machine's own byte order, folded: one's-complement sums do not depend on byte
/// order (RFC 1071 §2), and a header of fixed length needs no loop.
#[inline(always)]
pub fn verify_min_header(header: &[u8; 20]) -> bool {
    let word = |at: usize| {
        u64::from(u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]))
    };
    let sum = word(0) + word(4) + word(8) + word(12) + word(16);
    let sum = (sum & 0xffff_ffff) + (sum >> 32);
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

/// The checksum of `data`, whose checksum field must hold zero.
pub fn compute(data: &[u8]) -> u16 {
    !checksum::data(data)
}

/// What a transport checksum covers of the network layer, but for protocol and length: the addresses
/// (RFC 9293 §3.1, RFC 8200 §8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PseudoHeader {
    addresses: u16,
    /// A UDP datagram may have no checksum: in IPv4 only (RFC 8200 §8.1).
    pub optional: bool,
}

impl PseudoHeader {
    /// Is the checksum that `segment` contains right?
    pub fn verify(self, protocol: u8, segment: &[u8]) -> bool {
        // In IPv6 the length has 32 bits, but no packet without a Jumbo Payload option needs them.
        let length = segment.len() as u16;
        checksum::combine(&[self.addresses, u16::from(protocol), length, checksum::data(segment)]) == 0xffff
    }
}

impl From<&Ipv4Info> for PseudoHeader {
    fn from(info: &Ipv4Info) -> Self {
        let sums = [checksum::data(&info.source().octets()), checksum::data(&info.destination().octets())];
        Self { addresses: checksum::combine(&sums), optional: true }
    }
}

impl From<&Ipv6Info> for PseudoHeader {
    fn from(info: &Ipv6Info) -> Self {
        let sums = [checksum::data(&info.source.octets()), checksum::data(&info.destination.octets())];
        Self { addresses: checksum::combine(&sums), optional: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1624 §4: the example on which RFC 1141's equation fails.
    #[test]
    fn rfc_1624_example() {
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn update_agrees_with_a_full_recompute() {
        let mut header = [0x45, 0, 0, 84, 0x12, 0x34, 0x40, 0, 0, 1, 0, 0, 10, 0, 1, 2, 10, 0, 2, 2];
        for word in 0..=u16::MAX {
            // Every value of the TTL/protocol word, decremented as forwarding does it.
            header[8..10].copy_from_slice(&word.to_be_bytes());
            header[10..12].fill(0);
            let before = compute(&header);
            let next = word.wrapping_sub(0x0100);
            header[8..10].copy_from_slice(&next.to_be_bytes());
            header[10..12].copy_from_slice(&update(before, word, next).to_be_bytes());
            assert!(verify(&header) && verify_min_header(&header), "word {word:#06x}");
            header[8] ^= 0x10;
            assert!(!verify(&header) && !verify_min_header(&header), "word {word:#06x}");
        }
    }

    #[test]
    fn pseudo_headers_of_both_families() {
        use smoltcp::wire::{IpAddress, Ipv4Address, Ipv4Packet, Ipv6Address, Ipv6Packet, UdpRepr};
        let udp_of = |source: IpAddress, destination: IpAddress| {
            let repr = UdpRepr { src_port: 7, dst_port: 9 };
            let mut bytes = [0; 13];
            let mut view = smoltcp::wire::UdpPacket::new_unchecked(&mut bytes[..]);
            let caps = smoltcp::phy::ChecksumCapabilities::default();
            repr.emit(
                &mut view,
                &source,
                &destination,
                5,
                |payload| payload.copy_from_slice(b"hello"),
                &caps,
            );
            bytes
        };
        let (a, b) = (Ipv4Address::new(10, 0, 1, 2), Ipv4Address::new(203, 0, 113, 255));
        let mut header = [0x45; 20];
        let mut view = Ipv4Packet::new_unchecked(&mut header[..]);
        view.set_src_addr(a);
        view.set_dst_addr(b);
        let v4 = PseudoHeader::from(&Ipv4Info::read(&header, 0));
        let (c, d) = (
            Ipv6Address::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 6),
            Ipv6Address::new(0xfe80, 0, 0, 0, 9, 8, 7, 6),
        );
        let mut header = [0x60; 40];
        let mut view = Ipv6Packet::new_unchecked(&mut header[..]);
        view.set_src_addr(c);
        view.set_dst_addr(d);
        let v6 = PseudoHeader::from(&Ipv6Info::read(&header));
        for (pseudo, mut udp) in [(v4, udp_of(a.into(), b.into())), (v6, udp_of(c.into(), d.into()))] {
            assert!(pseudo.verify(17, &udp));
            assert!(!pseudo.verify(6, &udp));
            assert!(!pseudo.verify(17, &udp[..12]));
            udp[9] ^= 1;
            assert!(!pseudo.verify(17, &udp));
        }
        assert!(v4.optional && !v6.optional);
    }
}

//! Plain builders of frames, from the link layer up, in the order in which the bytes go out.
//!
//! Read first: RFC 894, RFC 1042, RFC 826, RFC 791 §3.1, RFC 792, RFC 768, RFC 9293 §3.1; IEEE 802.1Q §9;
//! RFC 8200 §3 and §4, RFC 2464, RFC 4443, RFC 4861 §4.
//! Nothing here uses the router's or smoltcp's code: it is the side of the judge.

mod checksum;
mod ipv4;
mod ipv6;
mod l4;
mod link;
mod nd;

pub use checksum::{adds_up, internet_checksum, seal_icmp, seal_ipv4, seal_segment, segment_checksum};
pub use ipv4::{Ipv4, icmp_error_quote};
pub use ipv6::{Extension, Ipv6, Piece, option, option_type, padded_options};
pub use l4::{Tcp, flags, icmp, icmp_type, icmpv6, icmpv6_type, udp};
pub use link::{Arp, BROADCAST, ETHERNET_HEADER, Mac, ethernet, ethertype, llc, pad, snap, tag};
pub use nd::{
    advertisement, listener_report, multicast_mac, nd_option, nd_option_type, solicitation, solicited_node,
};

/// Protocol and next header numbers (IANA).
pub mod protocol {
    /// Hop-by-Hop Options, RFC 8200 §4.3.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing header, RFC 8200 §4.4.
    pub const ROUTING: u8 = 43;
    /// Fragment header, RFC 8200 §4.5.
    pub const FRAGMENT: u8 = 44;
    /// ICMPv6, RFC 4443.
    pub const ICMPV6: u8 = 58;
    /// No next header, RFC 8200 §4.7.
    pub const NO_NEXT: u8 = 59;
    /// Destination Options, RFC 8200 §4.6.
    pub const DESTINATION: u8 = 60;
    /// ICMP, RFC 792.
    pub const ICMP: u8 = 1;
    /// TCP, RFC 9293.
    pub const TCP: u8 = 6;
    /// UDP, RFC 768.
    pub const UDP: u8 = 17;
}

/// Bytes that make a test readable: `0, 1, 2, …`, as ping sends.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| i as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// The whole of a small frame, byte for byte, as RFC 791, 768 and 894 lay it out.
    #[test]
    fn a_whole_udp_frame_by_hand() {
        let (source, destination) = (Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 2, 2));
        let datagram = udp(source, destination, 1000, 2000, b"hi");
        let header =
            Ipv4 { identification: 0x1234, protocol: protocol::UDP, ..Ipv4::new(source, destination) };
        let frame = ethernet([2; 6], [4; 6], ethertype::IPV4, &header.packet(&datagram));
        // IPv4 words: 4500 001e 1234 0000 4011 0a00 0102 0a00 0202, summed in the test itself.
        let words: [u32; 9] = [0x4500, 0x001e, 0x1234, 0, 0x4011, 0x0a00, 0x0102, 0x0a00, 0x0202];
        let sum: u32 = words.iter().sum();
        let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
        let mut right = vec![2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 8, 0];
        right.extend([0x45, 0, 0, 0x1e, 0x12, 0x34, 0, 0, 0x40, 0x11]);
        right.extend(checksum.to_be_bytes());
        right.extend([10, 0, 1, 2, 10, 0, 2, 2]);
        let covered: [u32; 11] = [0x0a00, 0x0102, 0x0a00, 0x0202, 17, 10, 1000, 2000, 10, 0x6869, 0];
        let sum: u32 = covered.iter().sum();
        right.extend([0x03, 0xe8, 0x07, 0xd0, 0, 10]);
        right.extend((!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
        right.extend(b"hi");
        assert_eq!(frame, right);
    }

    #[test]
    fn a_tag_goes_between_source_and_type() {
        let frame = ethernet([1; 6], [2; 6], ethertype::ARP, &[9, 9]);
        let tagged = tag(&frame, ethertype::VLAN, 5 << 13);
        assert_eq!(&tagged[..12], &frame[..12]);
        assert_eq!(&tagged[12..16], [0x81, 0, 0xa0, 0]);
        assert_eq!(&tagged[16..], &frame[12..]);
        assert_eq!(pad(tagged).len(), 60);
    }

    #[test]
    fn snap_counts_its_eight_bytes() {
        let frame = snap([1; 6], [2; 6], ethertype::IPV4, &[7; 20]);
        assert_eq!(&frame[12..22], [0, 28, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
        assert_eq!(frame.len(), 14 + 28);
    }

    #[test]
    fn options_are_padded_to_whole_words() {
        let address = Ipv4Addr::new(10, 0, 0, 1);
        let header = Ipv4 { options: vec![148, 4, 0, 0, 1], ..Ipv4::new(address, address) };
        let packet = header.packet(&[1, 2, 3]);
        assert_eq!((packet[0], packet.len()), (0x47, 31));
        assert!(adds_up(&packet[..28]));
        assert_eq!(u16::from_be_bytes([packet[2], packet[3]]), 31);
    }

    #[test]
    fn tcp_and_icmp_add_up() {
        let (source, destination) = (Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 2, 2));
        let tcp = Tcp { flags: flags::SYN, ..Tcp::new(1, 2) };
        let segment = tcp.segment(source, destination, b"abc");
        assert_eq!((segment.len(), segment[12], segment[13]), (23, 0x50, 2));
        assert_eq!(segment_checksum(source, destination, protocol::TCP, &segment), 0);
        assert!(adds_up(&icmp(icmp_type::ECHO, 0, [0, 1, 0, 2], b"abc")));
        assert_eq!(pattern(3), [0, 1, 2]);
    }
}

//! The IPv4 header, with options, flags and fragments.
//!
//! Read first: RFC 791 §3.1; RFC 792 for the quote inside ICMP errors.

use super::checksum::seal_ipv4;
use std::net::Ipv4Addr;

/// An IPv4 header. Version, header length, total length and checksum are worked out when it is written;
/// to lie about them, change the bytes afterwards and [`seal_ipv4`] again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv4 {
    /// Type of service: DSCP and ECN.
    pub service: u8,
    /// Identification.
    pub identification: u16,
    /// The flag that RFC 791 reserves.
    pub reserved_flag: bool,
    /// Don't Fragment.
    pub dont_fragment: bool,
    /// More Fragments.
    pub more_fragments: bool,
    /// Fragment offset in units of 8 bytes, 13 bits.
    pub offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Options, up to 40 bytes; padded to a multiple of 4 with End of Option List.
    pub options: Vec<u8>,
}

impl Ipv4 {
    /// A plain header: TTL 64, protocol UDP, no options, no fragment.
    pub const fn new(source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Self {
            service: 0,
            identification: 0,
            reserved_flag: false,
            dont_fragment: false,
            more_fragments: false,
            offset: 0,
            ttl: 64,
            protocol: super::protocol::UDP,
            source,
            destination,
            options: Vec::new(),
        }
    }

    /// Bytes of the header with its options.
    pub fn header_len(&self) -> usize {
        20 + self.options.len().min(40).next_multiple_of(4)
    }

    /// Is it part of a fragmented datagram?
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.offset != 0
    }

    /// Header and payload, with the lengths and the checksum worked out.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let header_len = self.header_len();
        let flags = (u16::from(self.reserved_flag) << 15)
            | (u16::from(self.dont_fragment) << 14)
            | (u16::from(self.more_fragments) << 13)
            | (self.offset & 0x1fff);
        let mut packet = vec![0x40 | (header_len / 4) as u8, self.service];
        packet.extend(((header_len + payload.len()) as u16).to_be_bytes());
        packet.extend(self.identification.to_be_bytes());
        packet.extend(flags.to_be_bytes());
        packet.extend([self.ttl, self.protocol, 0, 0]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(self.options.iter().take(40));
        packet.resize(header_len, 0);
        seal_ipv4(&mut packet);
        packet.extend(payload);
        packet
    }
}

/// What an ICMP error quotes of a packet: its header and 64 bits of its data (RFC 792).
pub fn icmp_error_quote(packet: &[u8]) -> Vec<u8> {
    let header = packet.first().map_or(0, |first| usize::from(first & 15) * 4);
    packet[..packet.len().min(header + 8)].to_vec()
}

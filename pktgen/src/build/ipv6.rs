//! The IPv6 header and its chain of extension headers.
//!
//! Read first: RFC 8200 §3 (header), §4.1 (order), §4.2 (options), §4.3-§4.6 (extension headers).

use super::protocol;
use std::net::Ipv6Addr;

/// Option types (IANA). The two highest bits say what a node does that does not know the type (RFC 8200 §4.2).
pub mod option_type {
    /// One byte of padding, without a length.
    pub const PAD_1: u8 = 0;
    /// Two or more bytes of padding.
    pub const PAD_N: u8 = 1;
    /// Router Alert, RFC 2711.
    pub const ROUTER_ALERT: u8 = 5;
}

/// A Fragment header's own fields (RFC 8200 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Offset in units of 8 bytes, 13 bits.
    pub offset: u16,
    /// More Fragments.
    pub more_fragments: bool,
    /// Identification.
    pub identification: u32,
}

/// One extension header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// Hop-by-Hop Options: encoded options, padded to whole words of 8 bytes when written.
    HopByHop(Vec<u8>),
    /// Destination Options: encoded options, padded likewise.
    Destination(Vec<u8>),
    /// Routing: type, segments left, and 4 + 8n bytes that the type defines (filled up with zeros).
    Routing(u8, u8, Vec<u8>),
    /// Fragment.
    Fragment(Piece),
}

impl Extension {
    /// The number that announces it.
    pub const fn number(&self) -> u8 {
        match self {
            Self::HopByHop(_) => protocol::HOP_BY_HOP,
            Self::Destination(_) => protocol::DESTINATION,
            Self::Routing(..) => protocol::ROUTING,
            Self::Fragment(_) => protocol::FRAGMENT,
        }
    }

    /// Its bytes, of which the first names what follows.
    pub fn bytes(&self, next_header: u8) -> Vec<u8> {
        let mut bytes = vec![next_header, 0];
        match self {
            Self::HopByHop(options) | Self::Destination(options) => bytes.extend(padded_options(options)),
            Self::Routing(kind, segments_left, data) => {
                bytes.extend([*kind, *segments_left]);
                bytes.extend(data);
                bytes.resize(bytes.len().next_multiple_of(8), 0);
            }
            Self::Fragment(piece) => {
                bytes.extend((piece.offset << 3 | u16::from(piece.more_fragments)).to_be_bytes());
                bytes.extend(piece.identification.to_be_bytes());
                // The second byte is reserved, not a length.
                return bytes;
            }
        }
        bytes[1] = (bytes.len() / 8 - 1) as u8;
        bytes
    }
}

/// One option: type, length, data.
pub fn option(kind: u8, data: &[u8]) -> Vec<u8> {
    [&[kind, data.len() as u8], data].concat()
}

/// The options with as much padding (Pad1 or PadN) as makes header and options whole words of 8 bytes.
pub fn padded_options(options: &[u8]) -> Vec<u8> {
    let mut padded = options.to_vec();
    let missing = (2 + options.len()).next_multiple_of(8) - (2 + options.len());
    match missing {
        0 => {}
        1 => padded.push(option_type::PAD_1),
        _ => padded.extend(option(option_type::PAD_N, &vec![0; missing - 2])),
    }
    padded
}

/// An IPv6 header with its extension headers. Version, payload length and next headers are worked out when it is
/// written; to lie about them, change the bytes afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv6 {
    /// Traffic class: DSCP and ECN.
    pub traffic_class: u8,
    /// Flow label, 20 bits.
    pub flow_label: u32,
    /// Hop limit.
    pub hop_limit: u8,
    /// What the payload is, behind all extension headers.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Extension headers, in the order in which they go out.
    pub extensions: Vec<Extension>,
}

impl Ipv6 {
    /// A plain header: hop limit 64, UDP, no extension header.
    pub const fn new(source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        Self {
            traffic_class: 0,
            flow_label: 0,
            hop_limit: 64,
            protocol: protocol::UDP,
            source,
            destination,
            extensions: Vec::new(),
        }
    }

    /// Bytes of the header with its extension headers.
    pub fn header_len(&self) -> usize {
        40 + self.extensions.iter().map(|extension| extension.bytes(0).len()).sum::<usize>()
    }

    /// Headers and payload, with the payload length and the next headers worked out.
    pub fn packet(&self, payload: &[u8]) -> Vec<u8> {
        let first = 6 << 28 | u32::from(self.traffic_class) << 20 | self.flow_label & 0xf_ffff;
        let length = self.header_len() - 40 + payload.len();
        let mut packet = first.to_be_bytes().to_vec();
        packet.extend((length as u16).to_be_bytes());
        packet.extend([self.extensions.first().map_or(self.protocol, Extension::number), self.hop_limit]);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        for (index, extension) in self.extensions.iter().enumerate() {
            let next = self.extensions.get(index + 1).map_or(self.protocol, Extension::number);
            packet.extend(extension.bytes(next));
        }
        packet.extend(payload);
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_headers_by_hand() {
        let (source, destination) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let piece = Piece { offset: 3, more_fragments: true, identification: 0x0102_0304 };
        let header = Ipv6 {
            traffic_class: 0xb8,
            flow_label: 0xabcde,
            extensions: vec![
                Extension::HopByHop(option(option_type::ROUTER_ALERT, &[0, 0])),
                Extension::Routing(2, 1, vec![0; 4]),
                Extension::Fragment(piece),
            ],
            ..Ipv6::new(source, destination)
        };
        let packet = header.packet(&[9; 8]);
        assert_eq!(packet[..8], [0x6b, 0x8a, 0xbc, 0xde, 0, 32, 0, 64]);
        assert_eq!(packet[40..48], [43, 0, 5, 2, 0, 0, 1, 0]);
        assert_eq!(packet[48..56], [44, 0, 2, 1, 0, 0, 0, 0]);
        assert_eq!(packet[56..64], [17, 0, 0, 25, 1, 2, 3, 4]);
        assert_eq!((header.header_len(), packet.len()), (64, 72));
    }

    #[test]
    fn options_fill_whole_words() {
        for len in 0..30 {
            let bytes = Extension::Destination(vec![0; len]).bytes(17);
            assert_eq!((bytes.len() % 8, usize::from(bytes[1])), (0, bytes.len() / 8 - 1));
            assert!(bytes.len() - 2 - len < 8);
        }
        assert_eq!(padded_options(&[0, 0, 0, 0, 0]), [0; 6]);
        assert_eq!(padded_options(&[]), [1, 4, 0, 0, 0, 0]);
    }
}

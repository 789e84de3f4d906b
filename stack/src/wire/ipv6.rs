//! A digest of an IPv6 header: what classification and forwarding read, read once.
//! Read first: RFC 8200 §3, §4.5.

use smoltcp::wire::Ipv6Address;

/// Bytes of an IPv6 header.
pub const IPV6_HEADER: usize = 40;

/// A Fragment header (RFC 8200 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FragmentInfo {
    /// Offset of the Fragment header in the packet, in bytes; its payload starts 8 bytes later.
    pub at: u16,
    /// Type of the first header of the fragmentable part.
    pub next_header: u8,
    /// Offset of this fragment's payload in the fragmentable part, in bytes.
    pub offset: u16,
    /// More fragments follow.
    pub more: bool,
    /// Identification.
    pub id: u32,
}

impl FragmentInfo {
    /// Is the packet whole in spite of its Fragment header (RFC 6946)?
    pub const fn is_atomic(&self) -> bool {
        self.offset == 0 && !self.more
    }
}

/// What the fast path needs of an IPv6 header that passed RFC 8200 §3, and, in a packet to the router, of
/// the extension headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv6Info {
    /// Source address.
    pub source: Ipv6Address,
    /// Destination address.
    pub destination: Ipv6Address,
    /// Hop limit, as received.
    pub hop_limit: u8,
    payload_len: u16,
    /// Type of what follows the fixed header.
    pub next_header: u8,
    /// Upper-layer protocol of a packet to the router; what follows the Fragment header, if it is a
    /// fragment. In transit the same as `next_header`.
    pub upper: u8,
    /// Where that starts, in bytes. In transit always 40.
    pub upper_offset: u16,
    /// The Fragment header of a packet to the router. In transit always `None`.
    pub fragment: Option<FragmentInfo>,
    /// It has a Router Alert option (RFC 2711).
    pub router_alert: bool,
}

impl Ipv6Info {
    /// Reads the fixed header of a packet whose payload is all there.
    #[inline(always)]
    pub fn read(header: &[u8; IPV6_HEADER]) -> Self {
        let &[_, _, _, _, l, m, next_header, hop_limit, ..] = header;
        let address = |at: usize| {
            let octets: [u8; 16] = core::array::from_fn(|octet| header[at + octet]);
            Ipv6Address::from_bits(u128::from_be_bytes(octets))
        };
        Self {
            source: address(8),
            destination: address(24),
            hop_limit,
            payload_len: u16::from_be_bytes([l, m]),
            next_header,
            upper: next_header,
            upper_offset: IPV6_HEADER as u16,
            fragment: None,
            router_alert: false,
        }
    }

    /// Length of header and payload in bytes; not more than the frame holds.
    #[inline(always)]
    pub const fn total_len(&self) -> usize {
        IPV6_HEADER + self.payload_len as usize
    }

    /// Is it a part of a larger packet? (A packet with an atomic Fragment header is whole.)
    pub fn is_fragment(&self) -> bool {
        self.fragment.is_some_and(|fragment| !fragment.is_atomic())
    }
}

//! A digest of an IPv4 header: what classification and forwarding read, read once.

use smoltcp::wire::Ipv4Address;

/// Shortest IPv4 header in bytes.
pub const MIN_HEADER: usize = 20;

const RESERVED: u16 = 0x8000;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// What the fast path needs of an IPv4 header that passed RFC 1812 §5.2.2. Small, since it is passed on for
/// every frame; addresses are numbers, since arrays of bytes are copied byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Info {
    source: u32,
    destination: u32,
    total_len: u16,
    /// Flags and fragment offset, as in the header.
    fragment: u16,
    header_len: u8,
    /// Time to live, as received.
    pub ttl: u8,
    /// Protocol number.
    pub protocol: u8,
    /// Options present, as the bits of [`super::options`].
    pub options: u8,
}

impl Ipv4Info {
    /// Reads the fields of a header whose lengths have been checked; `options` was surveyed before.
    #[inline(always)]
    pub const fn read(header: &[u8; MIN_HEADER], options: u8) -> Self {
        let &[first, _, l, m, _, _, f, g, ttl, protocol, _, _, s, t, u, v, w, x, y, z] = header;
        Self {
            source: u32::from_be_bytes([s, t, u, v]),
            destination: u32::from_be_bytes([w, x, y, z]),
            total_len: u16::from_be_bytes([l, m]),
            fragment: u16::from_be_bytes([f, g]),
            header_len: (first & 0x0f) * 4,
            ttl,
            protocol,
            options,
        }
    }

    /// Source address.
    #[inline(always)]
    pub const fn source(&self) -> Ipv4Address {
        Ipv4Address::from_bits(self.source)
    }

    /// Destination address.
    #[inline(always)]
    pub const fn destination(&self) -> Ipv4Address {
        Ipv4Address::from_bits(self.destination)
    }

    /// Header length in bytes, 20 to 60.
    #[inline]
    pub const fn header_len(&self) -> usize {
        self.header_len as usize
    }

    /// Total length in bytes; not more than the frame holds.
    #[inline]
    pub const fn total_len(&self) -> usize {
        self.total_len as usize
    }

    /// Offset of this fragment's payload in bytes.
    #[inline]
    pub const fn fragment_offset(&self) -> usize {
        (self.fragment & OFFSET) as usize * 8
    }

    /// More fragments follow.
    #[inline]
    pub const fn more_fragments(&self) -> bool {
        self.fragment & MORE_FRAGMENTS != 0
    }

    /// Don't Fragment.
    #[inline]
    pub const fn dont_fragment(&self) -> bool {
        self.fragment & DONT_FRAGMENT != 0
    }

    /// The reserved flag is set.
    #[inline]
    pub const fn reserved_flag(&self) -> bool {
        self.fragment & RESERVED != 0
    }

    /// Is it a part of a larger datagram?
    #[inline]
    pub const fn is_fragment(&self) -> bool {
        self.fragment & (OFFSET | MORE_FRAGMENTS) != 0
    }

    /// Is any flag set, or is it a fragment? All else is the most common case.
    pub(crate) const fn is_unfragmented_plain(&self) -> bool {
        self.fragment & !DONT_FRAGMENT == 0
    }
}

//! A digest of an IPv4 header: what classification and forwarding read, read once.

use smoltcp::wire::{Ipv4Address, Ipv4Packet};

/// Shortest IPv4 header in bytes.
pub const MIN_HEADER: usize = 20;

/// What the fast path needs of an IPv4 header that passed RFC 1812 §5.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Info {
    /// Header length in bytes, 20 to 60.
    pub header_len: usize,
    /// Total length in bytes; not more than the frame holds.
    pub total_len: usize,
    /// Source address.
    pub source: Ipv4Address,
    /// Destination address.
    pub destination: Ipv4Address,
    /// Time to live, as received.
    pub ttl: u8,
    /// Protocol number.
    pub protocol: u8,
    /// Offset of this fragment's payload in bytes.
    pub fragment_offset: usize,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Don't Fragment.
    pub dont_fragment: bool,
    /// The reserved flag is set.
    pub reserved_flag: bool,
    /// Options present, as the bits of [`super::options`].
    pub options: u8,
}

impl Ipv4Info {
    /// Reads the fields of a header whose lengths have been checked; `options` was surveyed before.
    pub fn read(packet: &Ipv4Packet<&[u8]>, flags: u8, options: u8) -> Self {
        Self {
            header_len: usize::from(packet.header_len()),
            total_len: usize::from(packet.total_len()),
            source: packet.src_addr(),
            destination: packet.dst_addr(),
            ttl: packet.hop_limit(),
            protocol: packet.next_header().into(),
            fragment_offset: usize::from(packet.frag_offset()),
            more_fragments: packet.more_frags(),
            dont_fragment: packet.dont_frag(),
            reserved_flag: flags & 0x80 != 0,
            options,
        }
    }

    /// Is it a part of a larger datagram?
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    /// Length of what follows the header, in bytes.
    pub const fn payload_len(&self) -> usize {
        self.total_len - self.header_len
    }
}

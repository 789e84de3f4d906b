//! UDP datagrams, TCP segments and ICMP messages: their headers, given the sum of what else their checksums cover.
//!
//! Read first: RFC 768, RFC 9293 §3.1, RFC 792, RFC 4443 §2.1; RFC 1071 §2 (sums of parts).

use super::payload::Payload;
use crate::build::protocol;
use crate::sum::{checksum, sum, udp_checksum};

/// What a packet carries, without its data.
#[derive(Debug, Clone, Copy)]
pub(super) enum Segment {
    Udp { from: u16, to: u16 },
    Tcp { from: u16, to: u16, sequence: u32, acknowledgment: u32, flags: u8 },
    Icmp { kind: u8, rest: [u8; 4] },
}

/// What a packet carries: bytes of the payload, the first eight of which may be a number instead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Data<'a> {
    pub(super) payload: &'a Payload,
    pub(super) len: usize,
    /// Written where there is room for it.
    pub(super) mark: Option<u64>,
}

impl Segment {
    /// Bytes before the data.
    pub(super) const fn header_len(&self) -> usize {
        match self {
            Self::Udp { .. } | Self::Icmp { .. } => 8,
            Self::Tcp { .. } => 20,
        }
    }

    pub(super) const fn protocol(&self, ipv6: bool) -> u8 {
        match self {
            Self::Udp { .. } => protocol::UDP,
            Self::Tcp { .. } => protocol::TCP,
            Self::Icmp { .. } if ipv6 => protocol::ICMPV6,
            Self::Icmp { .. } => protocol::ICMP,
        }
    }

    /// The header with its checksum; `len` counts header and data, and `pseudo` is the sum of what is covered
    /// besides the header.
    pub(super) fn header(&self, len: usize, pseudo: u64) -> [u8; 20] {
        let mut header = [0; 20];
        let (at, udp) = match *self {
            Self::Udp { from, to } => {
                header[..2].copy_from_slice(&from.to_be_bytes());
                header[2..4].copy_from_slice(&to.to_be_bytes());
                header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
                (6, true)
            }
            Self::Tcp { from, to, sequence, acknowledgment, flags } => {
                header[..2].copy_from_slice(&from.to_be_bytes());
                header[2..4].copy_from_slice(&to.to_be_bytes());
                header[4..8].copy_from_slice(&sequence.to_be_bytes());
                header[8..12].copy_from_slice(&acknowledgment.to_be_bytes());
                header[12..16].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
                (16, false)
            }
            Self::Icmp { kind, rest } => {
                header[0] = kind;
                header[4..8].copy_from_slice(&rest);
                (2, false)
            }
        };
        let total = sum(&header) + pseudo;
        let right = if udp { udp_checksum(total) } else { checksum(total) };
        header[at..at + 2].copy_from_slice(&right.to_be_bytes());
        header
    }
}

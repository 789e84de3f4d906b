//! A fragment as it was received, and the packet that is made from the first one's header and a payload.
//! Read first: RFC 791 §3.1, RFC 8200 §4.5, RFC 3168 §5.3.

use super::{Outcome, REASSEMBLED_MAX};
use crate::config::PortId;
use crate::wire::{MIN_HEADER, checksum};
use smoltcp::wire::IpAddress;

/// Bytes of the IPv6 header and of the Fragment header.
const IPV6_HEADER: usize = 40;
const FRAGMENT_HEADER: usize = 8;
/// The number of the Fragment header.
const FRAGMENT: u8 = 44;
/// Longest header kept: IPv4 has at most 60 bytes; IPv6 extension headers before the Fragment header may take 80
/// (a host may limit them: RFC 8504 §5.3).
pub(super) const HEADER_MAX: usize = IPV6_HEADER + 80 + FRAGMENT_HEADER;

/// A fragment for one of the router's own addresses. Classification has judged its headers; values that make no
/// sense do no harm here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragment<'a> {
    /// Source address; its family is that of the packet.
    pub source: IpAddress,
    /// Destination address.
    pub destination: IpAddress,
    /// IPv4: the protocol, a part of the key. IPv6: of no meaning here (RFC 8200 §4.5).
    pub protocol: u8,
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Where it came in.
    pub port: PortId,
    /// Where its payload begins in the datagram's, in bytes.
    pub offset: usize,
    /// More fragments follow.
    pub more: bool,
    /// All that came before the payload: the IPv4 header; or the IPv6 header up to and with the Fragment header.
    pub header: &'a [u8],
    /// The payload, without link-layer padding.
    pub payload: &'a [u8],
}

impl Fragment<'_> {
    pub(super) const fn is_ipv6(&self) -> bool {
        matches!(self.source, IpAddress::Ipv6(_))
    }

    /// Is it a whole datagram?
    pub(super) const fn is_whole(&self) -> bool {
        self.offset == 0 && !self.more
    }

    /// The packet that it is by itself.
    pub(super) fn alone(&self, out: &mut [u8]) -> Outcome {
        rebuild(self.is_ipv6(), self.header, false, self.payload, out)
    }

    /// Where its payload ends in the datagram's, in bytes.
    ///
    /// # Errors
    /// Why no datagram can have it.
    pub(super) fn end(&self) -> Result<usize, Outcome> {
        let shortest = if self.is_ipv6() { IPV6_HEADER + FRAGMENT_HEADER } else { MIN_HEADER };
        if self.header.len() < shortest || self.payload.is_empty() {
            return Err(Outcome::Inconsistent);
        }
        if !self.offset.is_multiple_of(8) || (self.more && !self.payload.len().is_multiple_of(8)) {
            return Err(Outcome::Inconsistent);
        }
        let header_len = if self.offset == 0 {
            if self.header.len() > HEADER_MAX {
                return Err(Outcome::TooLarge);
            }
            if self.is_ipv6() && fragment_named_at(self.header).is_none() {
                return Err(Outcome::Inconsistent);
            }
            self.header.len()
        } else {
            shortest
        };
        let room = REASSEMBLED_MAX - rebuilt_header_len(self.is_ipv6(), header_len);
        let end = self.offset.checked_add(self.payload.len());
        end.filter(|&end| end <= room).ok_or(Outcome::TooLarge)
    }

    /// Its ECN codepoint as a bit of a set: 1 Not-ECT, 2 ECT(1), 4 ECT(0), 8 CE.
    pub(super) fn congestion(&self) -> u8 {
        let byte = self.header.get(1).copied().unwrap_or(0);
        1 << (if self.is_ipv6() { byte >> 4 } else { byte } & 3)
    }
}

/// How much of a first fragment's header is left in the packet, in bytes.
const fn rebuilt_header_len(is_ipv6: bool, header_len: usize) -> usize {
    if is_ipv6 { header_len - FRAGMENT_HEADER } else { header_len }
}

/// Where, in IPv6 headers that end with a Fragment header, the Next Header field is that says so.
fn fragment_named_at(header: &[u8]) -> Option<usize> {
    let fragment_at = header.len().checked_sub(FRAGMENT_HEADER)?;
    let (mut named_at, mut at) = (6, IPV6_HEADER);
    while at < fragment_at {
        named_at = at;
        at += (usize::from(*header.get(at + 1)?) + 1) * 8;
    }
    (at == fragment_at && header[named_at] == FRAGMENT).then_some(named_at)
}

/// Writes the packet that the first fragment's `header`, as received, and the `payload` make.
/// `experienced`: some fragment came with CE (RFC 3168 §5.3).
pub(super) fn rebuild(
    is_ipv6: bool,
    header: &[u8],
    experienced: bool,
    payload: &[u8],
    out: &mut [u8],
) -> Outcome {
    let named_at = if is_ipv6 { fragment_named_at(header) } else { None };
    if header.len() < MIN_HEADER || (is_ipv6 && named_at.is_none()) {
        return Outcome::Inconsistent;
    }
    let (kept, fragment_header) = header.split_at(rebuilt_header_len(is_ipv6, header.len()));
    let len = kept.len() + payload.len();
    let Some(out) = out.get_mut(..len).filter(|_| len <= REASSEMBLED_MAX) else { return Outcome::TooLarge };
    let (head, body) = out.split_at_mut(kept.len());
    head.copy_from_slice(kept);
    body.copy_from_slice(payload);
    if let Some(named_at) = named_at {
        head[named_at] = fragment_header[0];
        head[4..6].copy_from_slice(&((len - IPV6_HEADER) as u16).to_be_bytes());
        head[1] |= if experienced { 0x30 } else { 0 };
    } else {
        head[1] |= if experienced { 0x03 } else { 0 };
        head[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        // The offset of a first fragment is 0 as it is.
        head[6] &= !0x20;
        head[10..12].fill(0);
        let sum = checksum::compute(head);
        head[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    Outcome::Complete(len)
}

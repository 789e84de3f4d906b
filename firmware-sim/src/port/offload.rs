//! Checksum and segmentation offload: what `struct virtio_net_hdr` says of a frame, and doing it in software.
//!
//! Read first: the virtio specification 1.2 §5.1.6 (`VIRTIO_NET_HDR_*`). A host's kernel leaves the checksum
//! of a frame unfinished, and one TCP segment as long as 64 KiB, if whoever takes it promised to cope. Here an
//! unfinished checksum is finished at once; a long segment is a *super-frame*: it is sent on whole to a port
//! that takes it, or cut into the frames that it stands for.

use smoltcp::wire::checksum;
use stack::frame::ETHERNET_HEADER;
use std::net::IpAddr;

/// Bytes of `struct virtio_net_hdr` in front of each frame.
pub(super) const HEADER: usize = 10;
const NEEDS_CHECKSUM: u8 = 1;
const TCP_IPV4: u8 = 1;
const TCP_IPV6: u8 = 4;
/// The sender reduced its window: only the first segment may say so (RFC 3168 §6.1.2).
const ECN: u8 = 0x80;

const TAG: usize = 4;
const IPV6_HEADER: usize = 40;
const TCP_PROTOCOL: u16 = 6;
const TCP_CHECKSUM: usize = 16;
const TCP_FLAGS: usize = 13;
const FIN: u8 = 0x01;
const PUSH: u8 = 0x08;
const CWR: u8 = 0x80;

/// How a super-frame is to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gso {
    /// The virtio type, with its ECN bit.
    kind: u8,
    /// Bytes of TCP payload in each segment but the last.
    size: usize,
    /// Offset of the TCP header in the IP packet.
    l4_offset: usize,
    /// Bytes of IP and TCP headers.
    headers: usize,
}

/// Bytes in front of the IP packet.
fn link_len(frame: &[u8]) -> usize {
    ETHERNET_HEADER + if frame.get(12..14) == Some(&[0x81, 0x00]) { TAG } else { 0 }
}

fn word(frame: &[u8], at: usize) -> Option<u16> {
    frame.get(at..at + 2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
}

fn put(frame: &mut [u8], at: usize, value: u16) {
    frame[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Does what the header asks for, or says how it is to be done later.
///
/// A header that makes no sense is ignored: the frame is then what its bytes say.
pub(super) fn settle(header: [u8; HEADER], frame: &mut [u8]) -> Option<Gso> {
    let [flags, kind, ..] = header;
    // The kernel and its TAP are of one machine, and so of one byte order.
    let [size, start, offset] =
        [4, 6, 8].map(|at| usize::from(u16::from_ne_bytes([header[at], header[at + 1]])));
    if flags & NEEDS_CHECKSUM == 0 {
        return None;
    }
    if kind != 0 {
        return Gso::new(kind, size, start, frame);
    }
    // The field holds the sum of the pseudo-header, and counts in.
    if start + offset + 2 <= frame.len() {
        let sum = !checksum::data(&frame[start..]);
        // What is zero in one's complement is also 0xffff, and UDP takes 0 for "none" (RFC 768).
        put(frame, start + offset, if sum == 0 { 0xffff } else { sum });
    }
    None
}

impl Gso {
    fn new(kind: u8, size: usize, l4_start: usize, frame: &[u8]) -> Option<Self> {
        let link = link_len(frame);
        let version = match kind & !ECN {
            TCP_IPV4 => 4,
            TCP_IPV6 => 6,
            _ => return None,
        };
        let l4_offset = l4_start.checked_sub(link)?;
        let tcp_header = usize::from(frame.get(l4_start + 12)? >> 4) * 4;
        let gso = Self { kind, size, l4_offset, headers: l4_offset + tcp_header };
        let ip_header = if version == 4 { 20 } else { IPV6_HEADER };
        let fits = l4_offset >= ip_header && tcp_header >= 20 && link + gso.headers < frame.len();
        (fits && frame[link] >> 4 == version && size > 0).then_some(gso)
    }

    /// Bytes of the largest IP packet that it becomes.
    pub const fn segment_len(&self) -> usize {
        self.headers + self.size
    }

    /// May this super-frame be forwarded whole? Only as an ordinary packet between others: without options,
    /// with hops left, not to the router itself and not to a group. All else is cut first, so that whatever
    /// keeps, answers or reports a packet sees one that was sent.
    pub fn is_plain_transit(&self, frame: &[u8], is_own: impl Fn(IpAddr) -> bool) -> bool {
        let packet = &frame[link_len(frame)..];
        let (to, hops, plain) = if self.kind & !ECN == TCP_IPV4 {
            let to: [u8; 4] = std::array::from_fn(|i| packet[16 + i]);
            (IpAddr::from(to), packet[8], packet[0] == 0x45 && self.l4_offset == 20)
        } else {
            let to: [u8; 16] = std::array::from_fn(|i| packet[24 + i]);
            // The router has such addresses, and forwards none (RFC 4291 §2.5.6).
            let link_local = packet[24] == 0xfe && packet[25] & 0xc0 == 0x80;
            (IpAddr::from(to), packet[7], self.l4_offset == IPV6_HEADER && !link_local)
        };
        plain && hops > 1 && !to.is_multicast() && !is_own(to)
    }

    /// The header for a port that takes the super-frame whole, wherever its packet begins by now.
    pub(super) fn header(&self, frame: &[u8]) -> [u8; HEADER] {
        let link = link_len(frame);
        let mut header = [0; HEADER];
        header[0] = NEEDS_CHECKSUM;
        header[1] = self.kind;
        // All are below 2^16: they came from fields of that size, or are within a frame.
        let fields = [link + self.headers, self.size, link + self.l4_offset, TCP_CHECKSUM];
        for (at, value) in [2, 4, 6, 8].into_iter().zip(fields) {
            header[at..at + 2].copy_from_slice(&(value as u16).to_ne_bytes());
        }
        header
    }

    /// How many frames it becomes.
    pub fn count(&self, frame: &[u8]) -> usize {
        (frame.len() - link_len(frame) - self.headers).div_ceil(self.size)
    }

    /// Writes frame number `index` of those that `frame` stands for to `out`, with lengths, sequence number, flags
    /// and checksums of its own; its length.
    ///
    /// # Panics
    /// If `index` is not below [`Gso::count`], or `out` is shorter than `frame`.
    pub fn cut(&self, frame: &[u8], index: usize, out: &mut [u8]) -> usize {
        let ip = link_len(frame);
        let (tcp, payload) = (ip + self.l4_offset, ip + self.headers);
        let from = payload + index * self.size;
        let until = (from + self.size).min(frame.len());
        let len = payload + until - from;
        let out = &mut out[..len];
        out[..payload].copy_from_slice(&frame[..payload]);
        out[payload..].copy_from_slice(&frame[from..until]);
        let pseudo_header = if self.kind & !ECN == TCP_IPV4 {
            put(out, ip + 2, (len - ip) as u16);
            let ident = word(out, ip + 4).unwrap_or_default().wrapping_add(index as u16);
            put(out, ip + 4, ident);
            put(out, ip + 10, 0);
            let sum = !checksum::data(&out[ip..tcp]);
            put(out, ip + 10, sum);
            checksum::data(&out[ip + 12..ip + 20])
        } else {
            put(out, ip + 4, (len - ip - IPV6_HEADER) as u16);
            checksum::data(&out[ip + 8..ip + IPV6_HEADER])
        };
        let sequence = [tcp + 4, tcp + 5, tcp + 6, tcp + 7].map(|at| out[at]);
        let sequence = u32::from_be_bytes(sequence).wrapping_add((index * self.size) as u32);
        out[tcp + 4..tcp + 8].copy_from_slice(&sequence.to_be_bytes());
        if until < frame.len() {
            out[tcp + TCP_FLAGS] &= !(FIN | PUSH);
        }
        if index > 0 && self.kind & ECN != 0 {
            out[tcp + TCP_FLAGS] &= !CWR;
        }
        put(out, tcp + TCP_CHECKSUM, 0);
        let rest = [pseudo_header, TCP_PROTOCOL, (len - tcp) as u16, checksum::data(&out[tcp..])];
        put(out, tcp + TCP_CHECKSUM, !checksum::combine(&rest));
        len
    }
}

#[cfg(test)]
mod tests;

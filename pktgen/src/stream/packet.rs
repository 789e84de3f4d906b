//! IP packets written straight into the caller's buffer, their checksums added up from parts.
//!
//! Read first: RFC 791 §3.1, RFC 8200 §3 and §4.5, RFC 4443 §2.1. A test holds that every byte is the one that
//! [`crate::build`] writes, which knows nothing of this.

use super::FRAME_MAX;
use super::party::Party;
use super::segment::{Data, Segment};
use crate::build::{ETHERNET_HEADER, Mac, ethertype, protocol};
use crate::sum::{checksum, sum};
use std::ops::Range;

/// Shortest frame, without FCS (IEEE 802.3 §3.2.8).
const SHORTEST: usize = 60;

/// Source and destination.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ends {
    V4([u8; 4], [u8; 4]),
    V6([u8; 16], [u8; 16]),
}

/// The headers below what a packet carries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet {
    /// MAC addresses.
    pub(super) to: Mac,
    pub(super) from: Mac,
    pub(super) ends: Ends,
    /// Time to live or hop limit.
    pub(super) hops: u8,
    /// IPv4: the low 16 bits are the identification. IPv6: that of a Fragment header, if there is one.
    pub(super) id: u32,
    /// IPv4 only.
    pub(super) dont_fragment: bool,
    /// IPv6 only.
    pub(super) flow_label: u32,
}

impl Packet {
    /// From a host through the router to another host.
    pub(super) const fn transit(from: &Party, to: &Party, ipv6: bool) -> Self {
        Self::through(from, if ipv6 { Ends::V6(from.v6, to.v6) } else { Ends::V4(from.v4, to.v4) })
    }

    /// From a host to its router.
    pub(super) const fn to_router(from: &Party, ipv6: bool) -> Self {
        let ends = if ipv6 { Ends::V6(from.v6, from.router.v6) } else { Ends::V4(from.v4, from.router.v4) };
        Self::through(from, ends)
    }

    const fn through(from: &Party, ends: Ends) -> Self {
        Self {
            to: from.router.mac,
            from: from.mac,
            ends,
            hops: 64,
            id: 0,
            dont_fragment: false,
            flow_label: 0,
        }
    }

    const fn is_ipv6(&self) -> bool {
        matches!(self.ends, Ends::V6(..))
    }

    /// The sum of the pseudo header (RFC 768, RFC 9293 §3.1, RFC 8200 §8.1); ICMP for IPv4 has none.
    fn pseudo(&self, protocol: u8, len: usize) -> u64 {
        let addresses = match self.ends {
            Ends::V4(..) if protocol == protocol::ICMP => return 0,
            Ends::V4(source, destination) => sum(&source) + sum(&destination),
            Ends::V6(source, destination) => sum(&source) + sum(&destination),
        };
        addresses + len as u64 + u64::from(protocol)
    }

    /// Writes the headers below `len` bytes of this protocol; where those begin. `cut`: they are a piece that begins at
    /// this offset, and others follow.
    fn write(
        &self,
        buffer: &mut [u8; FRAME_MAX],
        protocol: u8,
        len: usize,
        cut: Option<(usize, bool)>,
    ) -> usize {
        buffer[..6].copy_from_slice(&self.to);
        buffer[6..12].copy_from_slice(&self.from);
        match self.ends {
            Ends::V4(source, destination) => {
                buffer[12..14].copy_from_slice(&ethertype::IPV4.to_be_bytes());
                let (offset, more) = cut.unwrap_or_default();
                let header: &mut [u8; 20] = buffer[ETHERNET_HEADER..].first_chunk_mut().expect("it fits");
                let total = (20 + len) as u16;
                let flags = u16::from(self.dont_fragment) << 14 | u16::from(more) << 13 | (offset / 8) as u16;
                let words = [0x4500, total, self.id as u16, flags, u16::from_be_bytes([self.hops, protocol])];
                let covered: u64 = words.iter().map(|&word| u64::from(word)).sum();
                let right = checksum(covered + sum(&source) + sum(&destination));
                for (at, word) in words.into_iter().chain([right]).enumerate() {
                    header[at * 2..at * 2 + 2].copy_from_slice(&word.to_be_bytes());
                }
                header[12..16].copy_from_slice(&source);
                header[16..].copy_from_slice(&destination);
                ETHERNET_HEADER + 20
            }
            Ends::V6(source, destination) => {
                buffer[12..14].copy_from_slice(&ethertype::IPV6.to_be_bytes());
                let header: &mut [u8; 48] = buffer[ETHERNET_HEADER..].first_chunk_mut().expect("it fits");
                header[..4].copy_from_slice(&(6 << 28 | self.flow_label).to_be_bytes());
                header[7] = self.hops;
                header[8..24].copy_from_slice(&source);
                header[24..40].copy_from_slice(&destination);
                let (next, extension) = if let Some((offset, more)) = cut {
                    header[40..42].copy_from_slice(&[protocol, 0]);
                    header[42..44].copy_from_slice(&((offset & !7) as u16 | u16::from(more)).to_be_bytes());
                    header[44..].copy_from_slice(&self.id.to_be_bytes());
                    (protocol::FRAGMENT, 8)
                } else {
                    (protocol, 0)
                };
                header[4..6].copy_from_slice(&((extension + len) as u16).to_be_bytes());
                header[6] = next;
                ETHERNET_HEADER + 40 + extension
            }
        }
    }

    /// Writes a whole packet; the length of the frame.
    pub(super) fn whole(&self, buffer: &mut [u8; FRAME_MAX], segment: &Segment, data: Data<'_>) -> usize {
        let Data { payload, len, mark } = data;
        let (head, protocol) = (segment.header_len(), segment.protocol(self.is_ipv6()));
        let at = self.write(buffer, protocol, head + len, None);
        let mut pseudo = self.pseudo(protocol, head + len);
        let out = &mut buffer[at + head..][..len];
        match (mark.map(u64::to_be_bytes), out.split_first_chunk_mut()) {
            (Some(mark), Some((first, rest))) => {
                *first = mark;
                rest.copy_from_slice(payload.bytes(head + 8, len - 8));
                pseudo += sum(&mark) + payload.sum(head + 8, len - 8);
            }
            _ => {
                out.copy_from_slice(payload.bytes(head, len));
                pseudo += payload.sum(head, len);
            }
        }
        let header = segment.header(head + len, pseudo);
        buffer[at..at + head].copy_from_slice(&header[..head]);
        padded(buffer, at + head + len)
    }

    /// Writes the piece of a packet that holds these bytes of the segment, whose header counts; the length of the
    /// frame. `data` counts the bytes of the whole, and a mark is not written.
    pub(super) fn piece(
        &self,
        buffer: &mut [u8; FRAME_MAX],
        segment: &Segment,
        data: Data<'_>,
        range: Range<usize>,
    ) -> usize {
        let (head, protocol) = (segment.header_len(), segment.protocol(self.is_ipv6()));
        let cut = (range.start, range.end < head + data.len);
        let at = self.write(buffer, protocol, range.len(), Some(cut));
        buffer[at..at + range.len()].copy_from_slice(data.payload.bytes(range.start, range.len()));
        if range.start < head {
            let pseudo = self.pseudo(protocol, head + data.len) + data.payload.sum(head, data.len);
            let header = segment.header(head + data.len, pseudo);
            let here = range.start..range.end.min(head);
            buffer[at..at + here.len()].copy_from_slice(&header[here]);
        }
        padded(buffer, at + range.len())
    }

    /// Writes an ICMPv6 message with this body; the length of the frame.
    pub(super) fn message(
        &self,
        buffer: &mut [u8; FRAME_MAX],
        kind: u8,
        rest: [u8; 4],
        body: &[u8],
    ) -> usize {
        let len = 8 + body.len();
        let at = self.write(buffer, protocol::ICMPV6, len, None);
        let pseudo = self.pseudo(protocol::ICMPV6, len) + sum(body);
        let header = Segment::Icmp { kind, rest }.header(len, pseudo);
        buffer[at..at + 8].copy_from_slice(&header[..8]);
        buffer[at + 8..at + len].copy_from_slice(body);
        padded(buffer, at + len)
    }
}

/// Fills a frame of this length up as a network card does; its length then.
pub(super) fn padded(buffer: &mut [u8; FRAME_MAX], len: usize) -> usize {
    if len < SHORTEST {
        buffer[len..SHORTEST].fill(0);
    }
    len.max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::super::party::Parties;
    use super::super::payload::Payload;
    use super::*;
    use crate::World;
    use crate::build::{self, Extension, Ipv4, Ipv6, Piece, Tcp};
    use crate::dice::{Draw, rng_for};
    use rand::Rng;
    use std::net::{Ipv4Addr, Ipv6Addr};

    /// The segment as `build` writes it.
    fn built(packet: &Packet, segment: &Segment, data: &[u8]) -> Vec<u8> {
        let (source, destination): (std::net::IpAddr, std::net::IpAddr) = match packet.ends {
            Ends::V4(source, destination) => (source.into(), destination.into()),
            Ends::V6(source, destination) => (source.into(), destination.into()),
        };
        match *segment {
            Segment::Udp { from, to } => build::udp(source, destination, from, to, data),
            Segment::Tcp { from, to, sequence, acknowledgment, flags } => {
                Tcp { sequence, acknowledgment, flags, ..Tcp::new(from, to) }.segment(
                    source,
                    destination,
                    data,
                )
            }
            Segment::Icmp { kind, rest } => match packet.ends {
                Ends::V4(..) => build::icmp(kind, 0, rest, data),
                Ends::V6(source, destination) => {
                    build::icmpv6(source.into(), destination.into(), kind, 0, rest, data)
                }
            },
        }
    }

    /// The frame around it as `build` writes it.
    fn framed(packet: &Packet, segment: &Segment, bytes: &[u8], cut: Option<(usize, bool)>) -> Vec<u8> {
        let (kind, bytes) = match packet.ends {
            Ends::V4(source, destination) => {
                let (offset, more_fragments) = cut.unwrap_or_default();
                let header = Ipv4 {
                    identification: packet.id as u16,
                    ttl: packet.hops,
                    protocol: segment.protocol(false),
                    dont_fragment: packet.dont_fragment,
                    offset: (offset / 8) as u16,
                    more_fragments,
                    ..Ipv4::new(Ipv4Addr::from(source), Ipv4Addr::from(destination))
                };
                (ethertype::IPV4, header.packet(bytes))
            }
            Ends::V6(source, destination) => {
                let piece = cut.map(|(offset, more_fragments)| {
                    let offset = (offset / 8) as u16;
                    Extension::Fragment(Piece { offset, more_fragments, identification: packet.id })
                });
                let header = Ipv6 {
                    hop_limit: packet.hops,
                    flow_label: packet.flow_label,
                    protocol: segment.protocol(true),
                    extensions: piece.into_iter().collect(),
                    ..Ipv6::new(Ipv6Addr::from(source), Ipv6Addr::from(destination))
                };
                (ethertype::IPV6, header.packet(bytes))
            }
        };
        build::pad(build::ethernet(packet.to, packet.from, kind, &bytes))
    }

    #[test]
    fn every_byte_is_the_one_that_build_writes() {
        let (parties, payload) = (Parties::new(&World::lab()), Payload::new(7));
        let mut buffer = [0xee; FRAME_MAX];
        for index in 0..2_000 {
            let mut rng = rng_for(1, 1, index);
            let rng = &mut rng;
            let (from, to) = parties.two(rng);
            let (ipv6, local) = (rng.one_in(2), rng.one_in(2));
            let packet = Packet {
                hops: rng.byte(),
                id: u32::from(rng.word()) << 8 | 1,
                dont_fragment: rng.one_in(2),
                flow_label: u32::from(rng.word()),
                ..if local { Packet::to_router(from, ipv6) } else { Packet::transit(from, to, ipv6) }
            };
            let (from, to, sequence) = (rng.word(), rng.word(), u32::from(rng.word()) << 3);
            let (kind, rest) = (rng.byte(), [rng.byte(), 2, 3, rng.byte()]);
            let segment = match rng.below(3) {
                0 => Segment::Udp { from, to },
                1 => Segment::Tcp { from, to, sequence, acknowledgment: !sequence, flags: rng.byte() },
                _ => Segment::Icmp { kind, rest },
            };
            let len = rng.below(1_400);
            let data = Data { payload: &payload, len, mark: None };
            let head = segment.header_len();
            let whole = built(&packet, &segment, payload.bytes(head, len));

            let made = packet.whole(&mut buffer, &segment, data);
            assert_eq!(buffer[..made], framed(&packet, &segment, &whole, None));

            let mark = rng.next_u64();
            let made = packet.whole(&mut buffer, &segment, Data { mark: Some(mark), ..data });
            let mut marked = payload.bytes(head, len).to_vec();
            if let Some(first) = marked.first_chunk_mut() {
                *first = mark.to_be_bytes();
            }
            let marked = built(&packet, &segment, &marked);
            assert_eq!(buffer[..made], framed(&packet, &segment, &marked, None));

            let start = rng.below(whole.len() / 8 + 1) * 8;
            let end = start + rng.below(whole.len() - start + 1);
            let made = packet.piece(&mut buffer, &segment, data, start..end);
            let cut = Some((start, end < whole.len()));
            assert_eq!(buffer[..made], framed(&packet, &segment, &whole[start..end], cut));
        }
    }

    #[test]
    fn a_message_is_the_one_that_build_writes() {
        let parties = Parties::new(&World::lab());
        let (from, to) = parties.two(&mut rng_for(0, 0, 0));
        let packet = Packet { hops: 255, ..Packet::transit(from, to, true) };
        let mut buffer = [0xee; FRAME_MAX];
        for len in 0..40 {
            let body = build::pattern(len);
            let made = packet.message(&mut buffer, 135, [1, 2, 3, 4], &body);
            let message = build::icmpv6(from.v6.into(), to.v6.into(), 135, 0, [1, 2, 3, 4], &body);
            let segment = Segment::Icmp { kind: 135, rest: [1, 2, 3, 4] };
            assert_eq!(buffer[..made], framed(&packet, &segment, &message, None));
        }
    }
}

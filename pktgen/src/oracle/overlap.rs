//! Whether two fragments of one datagram overlap: what no single frame shows.
//!
//! Read first: RFC 791 §3.2; RFC 8200 §4.5 (an exact duplicate is no overlap); RFC 5722 §4; RFC 1858 §3.

use std::ops::Range;

/// One fragment: what all pieces of its datagram share, where its bytes lie in it, and the bytes.
struct Fragment<'a> {
    datagram: Vec<u8>,
    range: Range<usize>,
    data: &'a [u8],
}

/// Are both frames fragments of the same datagram, and do some of their bytes claim the same place? Not if the
/// one is the other again. Frames that [`super::judge`] finds nothing wrong with are expected.
pub fn overlaps(earlier: &[u8], later: &[u8]) -> bool {
    let (Some(earlier), Some(later)) = (fragment(earlier), fragment(later)) else { return false };
    let duplicate = earlier.range == later.range && earlier.data == later.data;
    let meet = earlier.range.start < later.range.end && later.range.start < earlier.range.end;
    earlier.datagram == later.datagram && meet && !duplicate
}

fn fragment(frame: &[u8]) -> Option<Fragment<'_>> {
    let packet = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x00] => fragment_ipv4(packet),
        [0x86, 0xdd] => fragment_ipv6(packet),
        _ => None,
    }
}

/// RFC 791 §3.2: source, destination, protocol and identification name the datagram.
fn fragment_ipv4(packet: &[u8]) -> Option<Fragment<'_>> {
    let header = packet.get(..20)?;
    let (header_len, total) = (usize::from(header[0] & 15) * 4, number(header, 2));
    let field = number(header, 6);
    if field & 0x3fff == 0 {
        return None;
    }
    let datagram = [&header[12..20], &header[9..10], &header[4..6]].concat();
    Some(piece(datagram, (field & 0x1fff) * 8, packet.get(header_len..total)?))
}

/// RFC 8200 §4.5: source, destination and identification name the packet.
fn fragment_ipv6(packet: &[u8]) -> Option<Fragment<'_>> {
    let header = packet.get(..40)?;
    let packet = packet.get(..40 + number(header, 4))?;
    let (mut next, mut at) = (header[6], 40);
    while matches!(next, 0 | 43 | 60) {
        let extension = packet.get(at..at + 8)?;
        next = extension[0];
        at += (usize::from(extension[1]) + 1) * 8;
    }
    let extension = packet.get(at..at + 8).filter(|_| next == 44)?;
    let field = number(extension, 2);
    if field & 0xfff9 == 0 {
        return None;
    }
    let datagram = [&header[8..40], &extension[4..8]].concat();
    Some(piece(datagram, field & 0xfff8, &packet[at + 8..]))
}

fn piece(datagram: Vec<u8>, start: usize, data: &[u8]) -> Fragment<'_> {
    Fragment { datagram, range: start..start + data.len(), data }
}

fn number(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Extension, Ipv4, Ipv6, Piece, ethernet, ethertype};
    use crate::generate::Expected;
    use crate::oracle::{Judgement, judge};
    use crate::{Generator, World};
    use stack::Anomaly;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn ipv4(identification: u16, offset: u16, data: &[u8]) -> Vec<u8> {
        let (source, destination) = (Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 1, 1));
        let header = Ipv4 { identification, offset, more_fragments: true, ..Ipv4::new(source, destination) };
        ethernet([2; 6], [4; 6], ethertype::IPV4, &header.packet(data))
    }

    fn ipv6(identification: u32, offset: u16, data: &[u8]) -> Vec<u8> {
        let piece = Piece { offset, more_fragments: true, identification };
        let (hop_by_hop, fragment) = (Extension::HopByHop(vec![]), Extension::Fragment(piece));
        let extensions = vec![hop_by_hop, fragment];
        let header = Ipv6 { extensions, ..Ipv6::new(Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED) };
        ethernet([2; 6], [4; 6], ethertype::IPV6, &header.packet(data))
    }

    #[test]
    fn bytes_of_one_place_overlap_unless_it_is_the_same_piece_again() {
        let both = |a: [u16; 3], b: [u16; 3]| {
            let data = |fill: u16| [fill as u8; 16];
            let v4 = overlaps(&ipv4(a[0], a[1], &data(a[2])), &ipv4(b[0], b[1], &data(b[2])));
            let v6 = overlaps(&ipv6(a[0].into(), a[1], &data(a[2])), &ipv6(b[0].into(), b[1], &data(b[2])));
            assert_eq!(v4, v6);
            v4
        };
        assert!(both([7, 0, 1], [7, 1, 1]));
        assert!(both([7, 3, 1], [7, 2, 1]));
        assert!(both([7, 0, 1], [7, 0, 2]));
        assert!(!both([7, 0, 1], [7, 0, 1]));
        assert!(!both([7, 0, 1], [7, 2, 1]));
        assert!(!both([7, 0, 1], [8, 1, 1]));
        assert!(!overlaps(&ipv4(7, 0, &[1; 16]), &ipv6(7, 1, &[1; 16])));
        assert!(!overlaps(&[], &[0; 14]));
    }

    #[test]
    fn generated_sequences_overlap_in_their_last_frame_and_near_misses_do_not() {
        let generator = Generator::new(World::lab(), 31);
        for &anomaly in Anomaly::ALL {
            for index in 0..200 {
                let made = [generator.sequence(anomaly, index), generator.near_miss_sequence(anomaly, index)];
                let [Some(odd), Some(near)] = made else {
                    assert_eq!(made, [None, None]);
                    continue;
                };
                for (frames, overlap) in [(&odd, true), (&near, false)] {
                    for frame in frames {
                        assert_eq!(judge(generator.world(), frame.port, &frame.bytes), Judgement::Healthy);
                    }
                    assert_eq!(overlaps(&frames[0].bytes, &frames[1].bytes), overlap, "{anomaly} {index}");
                    let last = if overlap { Expected::Anomaly(anomaly) } else { Expected::Healthy };
                    assert_eq!((frames[0].expected, frames[1].expected), (Expected::Healthy, last));
                }
            }
        }
    }
}

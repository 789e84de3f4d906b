//! Frames that are odd as IPv6 fragments, and datagrams of either family whose fragments overlap.
//!
//! Read first: RFC 8200 §4.5; RFC 5722; RFC 6946; RFC 7112 §5; for IPv4 RFC 791 §3.2 and RFC 1858 §3.

use super::Made;
use super::extension::whole;
use super::scene::Scene;
use crate::build::{Extension, Ipv4, Ipv6, Piece, protocol};
use crate::dice::Draw;
use stack::Anomaly;

/// Frames odd as fragments.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let header = scene.local6();
    let more_fragments = scene.rng.one_in(2);
    let any = *scene.rng.pick(&[protocol::UDP, protocol::TCP, protocol::ICMPV6]);
    Some(match anomaly {
        Anomaly::Ipv6FragmentLength => {
            let offset = if scene.rng.one_in(2) { 0 } else { scene.rng.between(1, 4000) as u16 };
            let len = scene.rng.between(4, 60) * 8 + scene.rng.between(1, 7);
            (piece(scene, header, any, offset, true, len), "fragment6_not_in_eights")
        }
        Anomaly::Ipv6FragmentTooLarge => {
            let offset = scene.rng.between(8160, 8191) as u16;
            let room = 65_535 - usize::from(offset) * 8;
            // The first multiple of 8 that no longer fits, and some more.
            let len = (room / 8 + 1 + scene.rng.below(20)) * 8;
            (piece(scene, header, any, offset, more_fragments, len), "fragment6_beyond_65535")
        }
        Anomaly::Ipv6FirstFragmentShort => match scene.rng.below(3) {
            0 => {
                let len = scene.rng.between(1, 2) * 8;
                (piece(scene, header, protocol::TCP, 0, true, len), "first_fragment_cuts_tcp")
            }
            1 => (piece(scene, header, protocol::UDP, 0, true, 0), "first_fragment_without_udp"),
            _ => {
                let options = Extension::Destination(vec![0; 22]).bytes(protocol::UDP);
                let len = scene.rng.between(1, 2) * 8;
                let header = Ipv6 { protocol: protocol::DESTINATION, ..header };
                let packet = fragmented(scene, header, 0, true).packet(&options[..len]);
                (scene.frame6(&packet), "first_fragment_cuts_options")
            }
        },
        Anomaly::Ipv6AtomicFragment => {
            let header = Ipv6 { extensions: vec![whole(scene)], protocol: any, ..header };
            let len = scene.rng.below(201);
            let segment = scene.segment6(&header, len);
            (scene.frame6(&header.packet(&segment)), "atomic_fragment")
        }
        _ => return None,
    })
}

/// The header of a piece.
pub(super) fn fragmented(scene: &mut Scene<'_>, header: Ipv6, offset: u16, more_fragments: bool) -> Ipv6 {
    let identification = u32::from(scene.rng.word()) << 8;
    let piece = Piece { offset, more_fragments, identification };
    Ipv6 { extensions: vec![Extension::Fragment(piece)], ..header }
}

/// A piece with random data.
pub(super) fn piece(
    scene: &mut Scene<'_>,
    header: Ipv6,
    protocol: u8,
    offset: u16,
    more_fragments: bool,
    len: usize,
) -> Vec<u8> {
    let header = fragmented(scene, Ipv6 { protocol, ..header }, offset, more_fragments);
    let data = scene.rng.bytes(len);
    scene.frame6(&header.packet(&data))
}

/// Two pieces of one UDP datagram to the router, the second of which begins some units of 8 bytes
/// before the first ends where they overlap, and where it ends otherwise.
pub(super) fn two_pieces(scene: &mut Scene<'_>, ipv6: bool, overlap: bool) -> [Vec<u8>; 2] {
    let units = scene.rng.between(4, 40);
    let back = if overlap { scene.rng.between(1, units - 1) } else { 0 };
    let (second, more_fragments) = ((units - back) as u16, scene.rng.one_in(2));
    let tail = (back + scene.rng.between(1, 10)) * 8;
    let pieces = [(0, true, units * 8), (second, more_fragments, tail)];
    if ipv6 {
        let header = Ipv6 { protocol: protocol::UDP, ..scene.local6() };
        let identification = u32::from(scene.rng.word()) << 8 | 1;
        return pieces.map(|(offset, more_fragments, len)| {
            let piece = Piece { offset, more_fragments, identification };
            let header = Ipv6 { extensions: vec![Extension::Fragment(piece)], ..header.clone() };
            let data = scene.rng.bytes(len);
            scene.frame6(&header.packet(&data))
        });
    }
    let header = Ipv4 { protocol: protocol::UDP, ..scene.local() };
    pieces.map(|(offset, more_fragments, len)| {
        let header = Ipv4 { offset, more_fragments, ..header.clone() };
        let data = scene.rng.bytes(len);
        scene.frame(&header.packet(&data))
    })
}

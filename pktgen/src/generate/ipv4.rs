//! Frames that are odd in their IPv4 header: lengths, checksum, flags, addresses, fragments.
//!
//! Read first: RFC 1812 §4.2.2, §5.2.2 and §5.3.7; RFC 791 §3.1 and §3.2; RFC 1858; RFC 3927 §7; RFC 2644.

use super::Made;
use super::scene::Scene;
use crate::build::{self, Ipv4, adds_up, protocol, seal_ipv4};
use crate::dice::Draw;
use crate::world::Port;
use stack::Anomaly;
use std::net::Ipv4Addr;

/// Frames odd in header fields.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    Some(match anomaly {
        Anomaly::Ipv4Truncated => {
            let header = scene.either();
            let packet = header.packet(&[]);
            let len = scene.rng.below(20);
            (scene.bare_frame(&packet[..len]), "ipv4_cut")
        }
        Anomaly::Ipv4Version => {
            let header = scene.either();
            let mut packet = scene.packet(header);
            let version = *scene.rng.pick(&[0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
            packet[0] = (version << 4) | (packet[0] & 15);
            if scene.rng.one_in(2) {
                seal_ipv4(&mut packet);
            }
            (scene.frame(&packet), "ipv4_version")
        }
        Anomaly::Ipv4HeaderLength => header_length(scene),
        Anomaly::Ipv4Checksum => checksum(scene),
        Anomaly::Ipv4TotalLengthShort => {
            let (header, link, segment) = scene.maybe_unanswerable();
            let mut packet = header.packet(&segment);
            let claim = scene.rng.below(header.header_len()) as u16;
            set_total_length(&mut packet, claim);
            (scene.frame_to(link, &packet), "total_length_below_header")
        }
        Anomaly::Ipv4TotalLengthOverrun => {
            let (header, link, segment) = scene.maybe_unanswerable();
            let mut packet = header.packet(&segment);
            if scene.rng.one_in(2) {
                let keep = scene.rng.between(header.header_len(), packet.len() - 1);
                packet.truncate(keep);
                (scene.frame_to(link, &packet), "payload_cut")
            } else {
                let claim = scene.rng.between(packet.len() + 1, 0xffff) as u16;
                set_total_length(&mut packet, claim);
                (scene.frame_to(link, &packet), "total_length_beyond_frame")
            }
        }
        Anomaly::Ipv4ReservedFlag => {
            let header = Ipv4 { reserved_flag: true, dont_fragment: scene.rng.one_in(2), ..scene.either() };
            let packet = scene.packet(header);
            (scene.frame(&packet), "reserved_flag")
        }
        Anomaly::IcmpWrongFamily => {
            let header = Ipv4 { protocol: protocol::ICMPV6, ..scene.either() };
            let len = scene.rng.below(60);
            let message = build::icmp(128, 0, [0, 1, 0, 2], &build::pattern(len));
            (scene.frame(&header.packet(&message)), "icmpv6_in_ipv4")
        }
        _ => return addresses(anomaly, scene),
    })
}

/// Frames odd in their addresses; each has only this one wrong.
fn addresses(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let mut header = scene.either();
    let template = match anomaly {
        Anomaly::Ipv4SourceMartian => {
            let random = scene.rng.bytes(3);
            let first = *scene.rng.pick(&[0, 224, 233, 239, 240, 254]);
            header.source = match scene.rng.below(4) {
                0 => Ipv4Addr::UNSPECIFIED,
                1 => Ipv4Addr::BROADCAST,
                _ => Ipv4Addr::new(first, random[0], random[1], random[2]),
            };
            "source_martian"
        }
        Anomaly::Ipv4Loopback => {
            let loopback = Ipv4Addr::new(127, scene.rng.byte(), scene.rng.byte(), scene.rng.byte());
            if scene.rng.one_in(2) {
                header.source = loopback;
                "source_loopback"
            } else {
                header.destination = loopback;
                "destination_loopback"
            }
        }
        Anomaly::Ipv4DestinationMartian => {
            // The last byte stays below 255, so that this is never the limited broadcast.
            let first = *scene.rng.pick(&[0, 240, 251, 255]);
            let last = scene.rng.below(255) as u8;
            header.destination = Ipv4Addr::new(first, scene.rng.byte(), scene.rng.byte(), last);
            "destination_martian"
        }
        Anomaly::Ipv4LinkLocal => {
            header = scene.transit();
            let local = Ipv4Addr::new(169, 254, scene.rng.byte(), scene.rng.byte());
            if scene.rng.one_in(2) {
                header.source = local;
                "source_link_local"
            } else {
                header.destination = local;
                "destination_link_local"
            }
        }
        Anomaly::Ipv4SpecialPurpose => {
            header = scene.transit();
            let block = *scene.rng.pick(&[[192, 0, 0], [192, 0, 2], [198, 51, 100], [203, 0, 113]]);
            // From 16 on nothing in 192.0.0.0/24 has a reservation of its own but .170 and .171 (RFC 8880), which
            // may not be forwarded either.
            let host = scene.rng.between(16, 254) as u8;
            let special = Ipv4Addr::new(block[0], block[1], block[2], host);
            if scene.rng.one_in(2) {
                header.source = special;
                "source_special_purpose"
            } else {
                header.destination = special;
                "destination_special_purpose"
            }
        }
        Anomaly::Ipv4SourceOwn => {
            header.source = scene.rng.pick(&scene.world.ports).address;
            "source_own"
        }
        Anomaly::Ipv4Land => {
            header.source = if scene.rng.one_in(2) { scene.peer.address } else { scene.host.address };
            header.destination = header.source;
            "land"
        }
        Anomaly::Ipv4SourceBroadcast => {
            let broadcasts: Vec<Ipv4Addr> = scene.world.ports.iter().filter_map(Port::broadcast).collect();
            if broadcasts.is_empty() {
                return None;
            }
            header.source = *scene.rng.pick(&broadcasts);
            "source_directed_broadcast"
        }
        Anomaly::Ipv4DirectedBroadcast => {
            header = scene.transit();
            header.destination = scene.world.ports[scene.peer_port].broadcast()?;
            "directed_broadcast_transit"
        }
        _ => return None,
    };
    let packet = scene.packet(header);
    Some((scene.frame(&packet), template))
}

/// Frames odd as fragments.
pub(super) fn make_fragment(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let (header, len, template) = match anomaly {
        Anomaly::Ipv4FragmentDf => {
            let header = Ipv4 { dont_fragment: true, protocol: protocol::UDP, ..scene.either() };
            let offset = scene.rng.between(2, 180) as u16;
            let more_fragments = scene.rng.one_in(2);
            (Ipv4 { offset, more_fragments, ..header }, scene.rng.between(1, 30) * 8, "fragment_with_df")
        }
        Anomaly::Ipv4TinyFragment => {
            let header = Ipv4 { protocol: protocol::TCP, offset: 1, ..scene.either() };
            let more_fragments = scene.rng.one_in(2);
            (Ipv4 { more_fragments, ..header }, scene.rng.between(2, 8) * 8, "tcp_fragment_offset_1")
        }
        Anomaly::Ipv4FragmentTooLarge => {
            let offset = scene.rng.between(8160, 8191) as u16;
            let room = 65_535 - usize::from(offset) * 8;
            // The first multiple of 8 that no longer fits, and some more.
            let len = (room / 8 + 1 + scene.rng.below(20)) * 8;
            let more_fragments = scene.rng.one_in(2);
            let header = Ipv4 { offset, more_fragments, protocol: any_protocol(scene), ..scene.local() };
            (header, len, "fragment_beyond_65535")
        }
        Anomaly::Ipv4FragmentLength => {
            let header = Ipv4 { protocol: any_protocol(scene), ..scene.local() };
            let offset = scene.rng.between(2, 4000) as u16;
            if scene.rng.one_in(3) {
                let more_fragments = scene.rng.one_in(2);
                (Ipv4 { offset, more_fragments, ..header }, 0, "fragment_empty")
            } else {
                let offset = if scene.rng.one_in(2) { 0 } else { offset };
                let len = scene.rng.between(4, 60) * 8 + scene.rng.between(1, 7);
                (Ipv4 { offset, more_fragments: true, ..header }, len, "fragment_not_in_eights")
            }
        }
        _ => return None,
    };
    let payload = scene.rng.bytes(len);
    let packet = header.packet(&payload);
    Some((scene.frame(&packet), template))
}

fn any_protocol(scene: &mut Scene<'_>) -> u8 {
    *scene.rng.pick(&[protocol::UDP, protocol::TCP, protocol::ICMP, 47])
}

fn header_length(scene: &mut Scene<'_>) -> Made {
    let header = scene.either();
    if scene.rng.one_in(2) {
        let mut packet = scene.packet(header);
        packet[0] = 0x40 | scene.rng.below(5) as u8;
        (scene.frame(&packet), "ihl_below_5")
    } else {
        // At most 36 bytes of packet under a header that claims more; a padded frame would hold 46.
        let len = scene.rng.below(17);
        let mut packet = header.packet(&build::pattern(len));
        let words = scene.rng.between(packet.len() / 4 + 1, 15) as u8;
        packet[0] = 0x40 | words;
        (scene.bare_frame(&packet), "ihl_beyond_frame")
    }
}

fn checksum(scene: &mut Scene<'_>) -> Made {
    let header = scene.either();
    let header_len = header.header_len();
    let mut packet = scene.packet(header);
    let template = match scene.rng.below(3) {
        0 => {
            // A router that forgot RFC 1812 §5.3.1: TTL gone down, checksum as before.
            packet[8] = packet[8].wrapping_sub(1);
            "checksum_stale"
        }
        1 => {
            packet[10..12].fill(0);
            "checksum_zero"
        }
        _ => {
            let wrong = scene.rng.bytes(2);
            packet[10..12].copy_from_slice(&wrong);
            "checksum_random"
        }
    };
    // By chance the bytes may still add up: then one bit more makes them wrong for sure.
    if adds_up(&packet[..header_len]) {
        packet[11] ^= 1;
    }
    (scene.frame(&packet), template)
}

/// Claims a total length and makes the checksum agree, so that the length is all that is wrong.
fn set_total_length(packet: &mut [u8], claim: u16) {
    packet[2..4].copy_from_slice(&claim.to_be_bytes());
    seal_ipv4(packet);
}

//! Frames that are odd in their IPv6 extension headers.
//!
//! Read first: RFC 8200 §4.1 to §4.4, §4.6; RFC 2711 §2.1; RFC 5095 §3; RFC 8504 §5.3.

use super::Made;
use super::scene::Scene;
use crate::build::{Extension, Ipv6, Piece, option, option_type, protocol};
use crate::dice::Draw;
use stack::Anomaly;

/// Frames odd in extension headers.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let (extensions, template) = match anomaly {
        Anomaly::Ipv6HopByHopMalformed => return Some(hop_by_hop(scene)),
        Anomaly::Ipv6OptionDiscard => return Some(unknown_option(scene, &[0x40], "option_discard")),
        Anomaly::Ipv6OptionUnknown => return Some(unknown_option(scene, &[0x80, 0xc0], "option_report")),
        Anomaly::Ipv6NextHeaderUnknown => return Some(next_header_unknown(scene)),
        Anomaly::Ipv6ExtensionTruncated => return Some(truncated(scene)),
        Anomaly::Ipv6HopByHopMisplaced => {
            let late = Extension::HopByHop(vec![]);
            let before = match scene.rng.below(3) {
                0 => Extension::HopByHop(vec![]),
                1 => Extension::Destination(vec![]),
                _ => used_up(scene),
            };
            (vec![before, late], "hop_by_hop_not_first")
        }
        Anomaly::Ipv6ExtensionLimit => {
            let count = scene.rng.between(12, 20);
            (vec![Extension::Destination(vec![]); count], "many_extensions")
        }
        Anomaly::Ipv6ExtensionOrder => {
            let (destination, routing) = (Extension::Destination(vec![]), used_up(scene));
            match scene.rng.below(4) {
                0 => (vec![routing.clone(), routing], "routing_twice"),
                1 => (
                    vec![destination.clone(), destination.clone(), destination],
                    "destination_options_thrice",
                ),
                2 => (vec![routing.clone(), destination, routing], "routing_around_options"),
                _ => (vec![whole(scene), routing], "routing_after_fragment"),
            }
        }
        Anomaly::Ipv6RoutingHeader => {
            // Source routes of the first kind, mobility, RPL, segment routing, CRH, experiments.
            let kind = *scene.rng.pick(&[0, 0, 2, 3, 4, 5, 33, 253]);
            let segments = scene.rng.between(1, 3);
            let mut data = vec![0; 4];
            for _ in 0..segments {
                data.extend(scene.peer.ipv6.octets());
            }
            let left = scene.rng.between(1, segments) as u8;
            (vec![Extension::Routing(kind, left, data)], "routing_segments_left")
        }
        _ => return None,
    };
    let header = Ipv6 { extensions, ..scene.local6() };
    let packet = scene.packet6(header);
    Some((scene.frame6(&packet), template))
}

/// A Routing header that has nothing left to do.
pub(super) fn used_up(scene: &mut Scene<'_>) -> Extension {
    Extension::Routing(*scene.rng.pick(&[0, 2, 4, 253]), 0, vec![0; 20])
}

/// The Fragment header of a packet that is whole.
pub(super) fn whole(scene: &mut Scene<'_>) -> Extension {
    let identification = u32::from(scene.rng.word()) << 8;
    Extension::Fragment(Piece { offset: 0, more_fragments: false, identification })
}

/// A header beyond the packet, an option beyond the header or without a length, or a Router Alert that is
/// one of two or has not two bytes.
fn hop_by_hop(scene: &mut Scene<'_>) -> Made {
    let alert = option(option_type::ROUTER_ALERT, &[0, 0]);
    let (options, template) = match scene.rng.below(5) {
        0 => (vec![], "hop_by_hop_beyond_packet"),
        1 => (vec![0x1e, scene.rng.between(5, 255) as u8, 0, 0, 0, 0], "option_beyond_hop_by_hop"),
        2 => (vec![0, 0, 0, 0, 0, 0x1e], "option6_without_length"),
        3 => ([alert.clone(), alert].concat(), "two_router_alerts"),
        _ => (
            option(option_type::ROUTER_ALERT, &vec![0; *scene.rng.pick(&[0, 1, 3, 4])]),
            "router_alert_length",
        ),
    };
    let header = Ipv6 { extensions: vec![Extension::HopByHop(options)], ..scene.either6() };
    let mut packet = scene.packet6(header);
    if template == "hop_by_hop_beyond_packet" {
        // At most 8 + 20 + 200 bytes of payload, so that 255 words always reach beyond.
        packet[41] = scene.rng.between((packet.len() - 40) / 8, 255) as u8;
    }
    (scene.frame6(&packet), template)
}

/// An unknown option whose two highest bits are one of `actions`: for every router in Hop-by-Hop Options, for the
/// destination alone in Destination Options. One that is skipped may come before.
fn unknown_option(scene: &mut Scene<'_>, actions: &[u8], template: &'static str) -> Made {
    let kind = *scene.rng.pick(actions) | scene.rng.below(64) as u8;
    let len = scene.rng.below(12);
    let mut options = if scene.rng.one_in(2) { option(0x1e, &[0; 3]) } else { vec![] };
    options.extend(option(kind, &scene.rng.bytes(len)));
    let header = if scene.rng.one_in(2) {
        Ipv6 { extensions: vec![Extension::HopByHop(options)], ..scene.either6() }
    } else {
        Ipv6 { extensions: vec![Extension::Destination(options)], ..scene.local6() }
    };
    let packet = scene.packet6(header);
    (scene.frame6(&packet), template)
}

/// ICMP for IPv4, IGMP, IPv4 and IPv6 in IPv6, GRE, OSPF, PIM, SCTP, experiments, and the reserved number.
fn next_header_unknown(scene: &mut Scene<'_>) -> Made {
    let protocol = *scene.rng.pick(&[1, 2, 4, 41, 47, 89, 103, 132, 253, 254, 255]);
    let options = vec![Extension::Destination(vec![])];
    let extensions = if scene.rng.one_in(4) { options } else { vec![] };
    let header = Ipv6 { protocol, extensions, ..scene.local6() };
    let len = scene.rng.below(60);
    let data = scene.rng.bytes(len);
    (scene.frame6(&header.packet(&data)), "next_header_unknown")
}

/// An extension header of fewer than 8 bytes, or one whose length runs past the packet.
fn truncated(scene: &mut Scene<'_>) -> Made {
    let number = *scene.rng.pick(&[protocol::DESTINATION, protocol::ROUTING, protocol::FRAGMENT]);
    let header = Ipv6 { protocol: number, ..scene.local6() };
    let cut = number == protocol::FRAGMENT || scene.rng.one_in(2);
    let data = if cut {
        vec![0; scene.rng.below(8)]
    } else {
        let words = scene.rng.between(1, 4);
        let mut data = vec![0; words * 8];
        data[..2].copy_from_slice(&[protocol::NO_NEXT, scene.rng.between(words, 255) as u8]);
        data
    };
    let template = if cut { "extension_cut" } else { "extension_beyond_packet" };
    (scene.frame6(&header.packet(&data)), template)
}

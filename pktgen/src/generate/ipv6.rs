//! Frames that are odd in their IPv6 header: lengths, version, addresses.
//!
//! Read first: RFC 8200 §3; RFC 4291 §2.5 to §2.7; RFC 6890 §2.2.3.

use super::Made;
use super::scene::Scene;
use crate::build::{self, Ipv6, icmp_type, protocol};
use crate::dice::Draw;
use stack::Anomaly;
use std::net::{Ipv4Addr, Ipv6Addr};

/// Frames odd in header fields.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    Some(match anomaly {
        Anomaly::Ipv6Truncated => {
            let packet = scene.either6().packet(&[]);
            let len = scene.rng.below(40);
            (scene.bare_frame6(&packet[..len]), "ipv6_cut")
        }
        Anomaly::Ipv6Version => {
            let header = scene.either6();
            let mut packet = scene.packet6(header);
            let version = *scene.rng.pick(&[0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
            packet[0] = (version << 4) | (packet[0] & 15);
            (scene.frame6(&packet), "ipv6_version")
        }
        Anomaly::Ipv6PayloadLength => {
            let header = scene.either6();
            let mut packet = scene.packet6(header);
            if scene.rng.one_in(2) {
                let keep = scene.rng.between(40, packet.len() - 1);
                packet.truncate(keep);
                (scene.bare_frame6(&packet), "payload6_cut")
            } else {
                let claim = scene.rng.between(packet.len() - 40 + 1, 0xffff) as u16;
                packet[4..6].copy_from_slice(&claim.to_be_bytes());
                (scene.bare_frame6(&packet), "payload_length_beyond_frame")
            }
        }
        _ => return addresses(anomaly, scene),
    })
}

/// Frames odd in their addresses; each has only this one wrong.
fn addresses(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let mut header = scene.either6();
    let template = match anomaly {
        Anomaly::Ipv6SourceMulticast => {
            // Interface, link, site and global scope; well-known and transient.
            let first = *scene.rng.pick(&[0xff01, 0xff02, 0xff05, 0xff0e, 0xff12, 0xff3e]);
            header.source = Ipv6Addr::new(first, 0, 0, 0, 0, 0, scene.rng.word(), scene.rng.word());
            "source6_multicast"
        }
        Anomaly::Ipv6Unspecified => {
            if scene.rng.one_in(2) {
                header.destination = Ipv6Addr::UNSPECIFIED;
                "destination6_unspecified"
            } else {
                header.source = Ipv6Addr::UNSPECIFIED;
                "source6_unspecified"
            }
        }
        Anomaly::Ipv6Loopback => {
            one_end(scene, &mut header, Ipv6Addr::LOCALHOST, ["source6_loopback", "destination6_loopback"])
        }
        Anomaly::Ipv6V4Mapped => {
            let random = scene.rng.bytes(2);
            let mapped = Ipv4Addr::new(10, 0, random[0], random[1]).to_ipv6_mapped();
            one_end(scene, &mut header, mapped, ["source6_v4_mapped", "destination6_v4_mapped"])
        }
        Anomaly::Ipv6LinkLocal => {
            header = scene.transit6();
            let random = Ipv6Addr::new(0xfe80, 0, 0, 0, scene.rng.word() | 1, 0, 0, scene.rng.word());
            if scene.rng.one_in(2) {
                header.source = if scene.rng.one_in(2) { scene.host.link_local() } else { random };
                "source6_link_local"
            } else {
                header.destination = if scene.rng.one_in(2) { scene.peer.link_local() } else { random };
                "destination6_link_local"
            }
        }
        Anomaly::Ipv6SourceOwn => {
            header.source = if scene.rng.one_in(4) {
                scene.router().link_local()
            } else {
                scene.rng.pick(&scene.world.ports).ipv6
            };
            "source6_own"
        }
        Anomaly::Ipv6Land => {
            header.source = if scene.rng.one_in(2) { scene.peer.ipv6 } else { scene.host.ipv6 };
            header.destination = header.source;
            "land6"
        }
        _ => return None,
    };
    let packet = scene.packet6(header);
    Some((scene.frame6(&packet), template))
}

/// Puts an address at one end of the packet.
fn one_end(
    scene: &mut Scene<'_>,
    header: &mut Ipv6,
    address: Ipv6Addr,
    templates: [&'static str; 2],
) -> &'static str {
    if scene.rng.one_in(2) {
        header.source = address;
        templates[0]
    } else {
        header.destination = address;
        templates[1]
    }
}

/// ICMP for IPv4 in IPv6, through the router: to it, it is an unknown next header.
pub(super) fn icmp_in_ipv6(scene: &mut Scene<'_>) -> Made {
    let header = Ipv6 { protocol: protocol::ICMP, ..scene.transit6() };
    let len = scene.rng.below(60);
    let message = build::icmp(icmp_type::ECHO, 0, [0, 1, 0, 2], &build::pattern(len));
    (scene.frame6(&header.packet(&message)), "icmp_in_ipv6")
}

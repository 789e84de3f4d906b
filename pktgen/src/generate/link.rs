//! Frames that are odd on the link: Ethernet, 802.1Q tags, LLC/SNAP envelopes, ARP.
//!
//! Read first: IEEE 802.3 §3.2, IEEE 802.1Q §9, RFC 1042, RFC 826, RFC 5227 §2.4; RFC 1122 §3.3.6.

use super::scene::Scene;
use super::{Made, recipe};
use crate::build::{self, Arp, BROADCAST, ETHERNET_HEADER, Mac, ethertype};
use crate::dice::Draw;
use stack::Anomaly;

/// What else is heard on real links: MPLS, PPPoE, 802.1X, LLDP, IPX, RARP, PTP, MACsec, experiments.
const OTHER_TYPES: [u16; 11] =
    [0x8847, 0x8863, 0x8864, 0x888e, 0x88cc, 0x8137, 0x8035, 0x88f7, 0x88e5, 0x88b5, 0x9100];

/// A packet inside a tag or an envelope may be broken in any of these ways; its class stays the envelope's.
const INNER: [Anomaly; 8] = [
    Anomaly::Ipv4Truncated,
    Anomaly::Ipv4Version,
    Anomaly::Ipv4HeaderLength,
    Anomaly::Ipv4Checksum,
    Anomaly::Ipv4TotalLengthOverrun,
    Anomaly::Ipv4SourceMartian,
    Anomaly::Ipv4SourceRoute,
    Anomaly::IcmpChecksum,
];

/// The same for IPv6, which a tag may hold.
const INNER_IPV6: [Anomaly; 8] = [
    Anomaly::Ipv6Truncated,
    Anomaly::Ipv6Version,
    Anomaly::Ipv6PayloadLength,
    Anomaly::Ipv6SourceMulticast,
    Anomaly::Ipv6HopByHopMalformed,
    Anomaly::Ipv6NextHeaderUnknown,
    Anomaly::Ipv6FragmentLength,
    Anomaly::Icmpv6Checksum,
];

/// Frames odd in their Ethernet header, tag or envelope.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    Some(match anomaly {
        Anomaly::EthernetTruncated => {
            let mut frame = scene.healthy_frame();
            frame.truncate(scene.rng.between(1, ETHERNET_HEADER - 1));
            (frame, "ethernet_cut")
        }
        Anomaly::EthernetSourceGroup => {
            let mut frame = scene.healthy_frame();
            let group =
                if scene.rng.one_in(2) { BROADCAST } else { [scene.host.mac[0] | 1, 0, 0x5e, 1, 2, 3] };
            frame[6..12].copy_from_slice(&group);
            (frame, "source_group")
        }
        Anomaly::EthertypeInvalid => {
            let kind = scene.rng.between(1501, 1535) as u16;
            (other(scene, kind), "type_1501_to_1535")
        }
        Anomaly::EthertypeUnknown => ethertype_unknown(scene),
        Anomaly::LlcTruncated => llc_truncated(scene),
        Anomaly::LlcUnsupported => llc_unsupported(scene),
        Anomaly::SnapIpv4 => {
            let (inner, template) = inner_frame(scene, false, "snap_healthy", "snap_broken");
            let to = link_destination(scene);
            let packet = inner.get(ETHERNET_HEADER..).unwrap_or_default();
            let frame = build::snap(to, scene.host.mac, ethertype::IPV4, packet);
            (if scene.rng.one_in(2) { build::pad(frame) } else { frame }, template)
        }
        Anomaly::VlanTruncated => {
            let kind = tag_kind(scene);
            let left = scene.rng.below(4);
            let rest = scene.rng.bytes(left);
            (build::ethernet(scene.router().mac, scene.host.mac, kind, &rest), "tag_cut")
        }
        Anomaly::VlanNested => {
            let mut frame = scene.healthy_frame();
            for _ in 0..scene.rng.between(2, 3) {
                frame = build::tag(&frame, tag_kind(scene), scene.rng.word());
            }
            (frame, "tag_in_tag")
        }
        Anomaly::VlanUnexpected => {
            let frame = scene.healthy_frame();
            let control = (scene.rng.word() & 0xf000) | scene.rng.between(1, 4095) as u16;
            (build::tag(&frame, tag_kind(scene), control), "tag_with_vlan")
        }
        Anomaly::VlanPriorityTag => {
            let ipv6 = scene.rng.one_in(3);
            let (frame, template) = inner_frame(scene, ipv6, "priority_tag_healthy", "priority_tag_broken");
            // Three bits of priority and the drop-eligible bit; the VLAN id is 0.
            let tagged = build::tag(&frame, tag_kind(scene), scene.rng.word() & 0xf000);
            (if scene.rng.one_in(2) { build::pad(tagged) } else { tagged }, template)
        }
        Anomaly::IpInLinkGroup => {
            let to = scene.group_mac();
            let mut frame = scene.healthy_frame();
            frame[..6].copy_from_slice(&to);
            (frame, "unicast_ip_in_group_frame")
        }
        Anomaly::EthernetSourceOwn => {
            let mut frame = scene.healthy_frame();
            frame[6..12].copy_from_slice(&scene.router().mac);
            (frame, "source_own_mac")
        }
        _ => return None,
    })
}

/// Frames odd in ARP. Except for the field in question they are a host's request for its router.
pub(super) fn make_arp(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let mut arp = Arp::request(scene.host.mac, scene.host.address, scene.router().address);
    arp.operation = scene.rng.between(1, 2) as u16;
    let template = match anomaly {
        Anomaly::ArpTruncated => {
            let len = scene.rng.below(28);
            return Some((arp_frame(scene, &arp.packet()[..len]), "arp_cut"));
        }
        Anomaly::ArpHardwareType => {
            arp.hardware = *scene.rng.pick(&[0, 6, 15, 24, 32, 0xffff]);
            "arp_hardware_type"
        }
        Anomaly::ArpProtocolType => {
            arp.protocol = *scene.rng.pick(&[0, 0x0801, 0x0806, 0x86dd, 0x809b, 0xffff]);
            "arp_protocol_type"
        }
        Anomaly::ArpAddressSize => {
            if scene.rng.one_in(2) {
                arp.hardware_size = *scene.rng.pick(&[0, 1, 5, 7, 8, 20, 255]);
            } else {
                arp.protocol_size = *scene.rng.pick(&[0, 1, 3, 5, 16, 255]);
            }
            "arp_address_size"
        }
        Anomaly::ArpOperation => {
            // 0 is reserved; RARP, DRARP, InARP, and beyond.
            arp.operation = *scene.rng.pick(&[0, 3, 4, 5, 8, 9, 25, 0xffff]);
            "arp_operation"
        }
        Anomaly::ArpSenderGroup => {
            arp.sender_mac = *scene.rng.pick(&[BROADCAST, [0; 6], [1, 0, 0x5e, 0, 0, 5], [3, 0, 0, 0, 0, 1]]);
            "arp_sender_group"
        }
        Anomaly::ArpClaimsOurAddress => {
            arp.sender = scene.rng.pick(&scene.world.ports).address;
            "arp_claims_our_address"
        }
        _ => return None,
    };
    Some((arp_frame(scene, &arp.packet()), template))
}

/// An ARP packet in a frame to all, or to the router alone. A cut packet must not be padded whole again.
fn arp_frame(scene: &mut Scene<'_>, packet: &[u8]) -> Vec<u8> {
    let to = if scene.rng.one_in(2) { BROADCAST } else { scene.router().mac };
    let frame = build::ethernet(to, scene.host.mac, ethertype::ARP, packet);
    if packet.len() == 28 && scene.rng.one_in(2) { build::pad(frame) } else { frame }
}

fn tag_kind(scene: &mut Scene<'_>) -> u16 {
    if scene.rng.one_in(4) { ethertype::SERVICE_VLAN } else { ethertype::VLAN }
}

/// The router in four of six, else a group.
fn link_destination(scene: &mut Scene<'_>) -> Mac {
    if scene.rng.one_in(3) { scene.group_mac() } else { scene.router().mac }
}

/// Any bytes under this type, to anyone who may hear it.
fn other(scene: &mut Scene<'_>, kind: u16) -> Vec<u8> {
    let len = scene.rng.below(301);
    let payload = scene.rng.bytes(len);
    let to = link_destination(scene);
    build::ethernet(to, scene.host.mac, kind, &payload)
}

fn ethertype_unknown(scene: &mut Scene<'_>) -> Made {
    let served = [ethertype::IPV4, ethertype::ARP, ethertype::VLAN, ethertype::SERVICE_VLAN, ethertype::IPV6];
    match scene.rng.below(3) {
        0 => {
            let kind = scene.rng.between(1536, 0xffff) as u16;
            let kind = if served.contains(&kind) { 0x88b5 } else { kind };
            (other(scene, kind), "type_random")
        }
        1 => {
            let kind = *scene.rng.pick(&OTHER_TYPES);
            (other(scene, kind), "type_known_elsewhere")
        }
        _ => {
            // A priority tag around something that the router does not serve in a tag.
            let kind = *scene.rng.pick(&[ethertype::ARP, 0x8847, 0x88cc, 0x8892, 38]);
            let frame = other(scene, kind);
            (build::tag(&frame, ethertype::VLAN, scene.rng.word() & 0xf000), "type_in_priority_tag")
        }
    }
}

fn llc_truncated(scene: &mut Scene<'_>) -> Made {
    let (to, from) = (link_destination(scene), scene.host.mac);
    match scene.rng.below(3) {
        0 => {
            let len = scene.rng.below(100);
            let body = scene.rng.bytes(len);
            let claim = scene.rng.between(len + 1, 1500) as u16;
            (build::ethernet(to, from, claim, &body), "llc_length_overrun")
        }
        1 => {
            let claim = scene.rng.below(3) as u16;
            (build::pad(build::ethernet(to, from, claim, &[0x42, 0x42, 3])), "llc_no_header")
        }
        _ => {
            let len = scene.rng.between(3, 7);
            let body = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
            (build::pad(build::ethernet(to, from, len as u16, &body[..len])), "snap_cut")
        }
    }
}

fn llc_unsupported(scene: &mut Scene<'_>) -> Made {
    let (to, from) = (link_destination(scene), scene.host.mac);
    let len = scene.rng.between(5, 120);
    let body = scene.rng.bytes(len);
    match scene.rng.below(3) {
        0 => {
            // Spanning tree, NetBIOS, IPX over LLC, and raw 802.3 IPX, which has no LLC header at all.
            let header =
                *scene.rng.pick(&[[0x42, 0x42, 3], [0xf0, 0xf0, 3], [0xe0, 0xe0, 3], [0xff, 0xff, 0]]);
            (build::llc(to, from, header, &body), "llc_other")
        }
        1 => {
            let kind = *scene.rng.pick(&[ethertype::ARP, 0x86dd, 0x8137, 0x809b]);
            (build::snap(to, from, kind, &body), "snap_other_type")
        }
        _ => {
            // Cisco's and Apple's organisation codes; 00-00-F8 is RFC 1042's bridge tunnel.
            let oui = *scene.rng.pick(&[[0, 0, 0x0c], [8, 0, 7], [0, 0, 0xf8]]);
            let inside = [&oui[..], &[8, 0], &body].concat();
            (build::llc(to, from, [0xaa, 0xaa, 3], &inside), "snap_other_oui")
        }
    }
}

/// A frame for a tag or envelope: two of three healthy, else broken in one of the ways of [`INNER`].
fn inner_frame(
    scene: &mut Scene<'_>,
    ipv6: bool,
    healthy: &'static str,
    broken: &'static str,
) -> (Vec<u8>, &'static str) {
    if scene.rng.one_in(3) {
        let anomaly = *scene.rng.pick(if ipv6 { &INNER_IPV6 } else { &INNER });
        if let Some((frame, _)) = recipe(anomaly, scene) {
            return (frame, broken);
        }
    }
    let frame = if ipv6 {
        let header = scene.either6();
        let packet = scene.packet6(header);
        scene.bare_frame6(&packet)
    } else {
        let header = scene.either();
        let packet = scene.packet(header);
        scene.bare_frame(&packet)
    };
    (frame, healthy)
}

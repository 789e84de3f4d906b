//! Healthy traffic, which the router must serve without a thought, and the frames that mutants are made of.
//!
//! Read first: RFC 2544 §9 and the IMIX of RFC 6985 for sizes; RFC 1812 §4.3.3.6 for echo.

use super::healthy_ipv6;
use super::scene::Scene;
use crate::build::{self, Arp, Ipv4, ethertype, icmp_type, protocol};
use crate::dice::Draw;
use crate::mutate::Family;
use crate::world::{Host, Port};

/// [`crate::stream::SIMPLE_IMIX`] by IPv4 total length, 7:4:1. 46 bytes fill a 64-byte frame (FCS counted).
pub(super) const IMIX: [usize; 12] = [46, 46, 46, 46, 46, 46, 46, 576, 576, 576, 576, 1500];

/// Any healthy frame of either family: three in four in transit.
pub(super) fn any(scene: &mut Scene<'_>) -> (Vec<u8>, &'static str, Family) {
    if scene.rng.one_in(2) { any_ipv4(scene) } else { healthy_ipv6::any(scene) }
}

fn any_ipv4(scene: &mut Scene<'_>) -> (Vec<u8>, &'static str, Family) {
    match scene.rng.below(16) {
        0..=5 => {
            let mut header = scene.transit();
            header.dont_fragment = scene.rng.one_in(2);
            (sized(scene, header, protocol::UDP), "udp_transit", Family::Udp)
        }
        6..=10 => {
            let mut header = scene.transit();
            header.dont_fragment = true;
            (sized(scene, header, protocol::TCP), "tcp_transit", Family::Tcp)
        }
        11 => (icmp_transit(scene), "icmp_transit", Family::Icmp),
        12 => (echo_request(scene), "echo_to_router", Family::Icmp),
        13 => {
            let header = scene.local();
            (sized(scene, header, protocol::UDP), "udp_to_router", Family::Udp)
        }
        14 => {
            let header = scene.local();
            (sized(scene, header, protocol::TCP), "tcp_to_router", Family::Tcp)
        }
        _ => {
            let header = scene.transit();
            (fragment(scene, header), "udp_fragment_transit", Family::Ipv4Fragments)
        }
    }
}

/// A fitting frame for mutants of this family.
pub(super) fn for_family(family: Family, scene: &mut Scene<'_>) -> Vec<u8> {
    let carries_both = matches!(family, Family::Ethernet | Family::Vlan | Family::Udp | Family::Tcp);
    if carries_both && scene.rng.one_in(2) {
        return healthy_ipv6::for_family(family, scene);
    }
    let len = scene.rng.below(301);
    match family {
        Family::Arp => {
            let frame = arp_request(scene.router(), &scene.host);
            if scene.rng.one_in(2) { build::pad(frame) } else { frame }
        }
        Family::Ipv4Fragments => {
            let header = scene.either();
            fragment(scene, header)
        }
        Family::Icmp => {
            let mut header = if scene.rng.one_in(4) { scene.transit() } else { scene.local() };
            header.protocol = protocol::ICMP;
            let kinds = [0, 3, 8, 8, 11, 12, 13];
            let kind = *scene.rng.pick(&kinds);
            let body = match kind {
                icmp_type::UNREACHABLE | icmp_type::TIME_EXCEEDED | icmp_type::PARAMETER_PROBLEM => {
                    scene.quoted(len)
                }
                icmp_type::TIMESTAMP => vec![0; 12],
                _ => build::pattern(len),
            };
            let packet = header.packet(&build::icmp(kind, 0, [0, 7, 0, 1], &body));
            scene.frame(&packet)
        }
        Family::Udp | Family::Tcp => {
            let mut header = if scene.rng.one_in(4) { scene.transit() } else { scene.local() };
            header.protocol = if family == Family::Udp { protocol::UDP } else { protocol::TCP };
            let segment = scene.segment(&header, len);
            scene.frame(&header.packet(&segment))
        }
        Family::Ipv4Options => {
            let mut header = scene.either();
            // Router Alert (RFC 2113), a Record Route with three free slots (RFC 791), and No-Operations.
            header.options = [&[148, 4, 0, 0][..], &[1, 7, 15, 4], &[0; 12], &[1, 1, 1, 1]].concat();
            let packet = scene.sized_packet(header, len);
            scene.frame(&packet)
        }
        Family::Ipv6Header | Family::Ipv6Extension | Family::Ipv6Fragments | Family::Icmpv6 | Family::Nd => {
            healthy_ipv6::for_family(family, scene)
        }
        Family::Ethernet | Family::Vlan | Family::LlcSnap | Family::Ipv4Header => {
            let header = scene.either();
            let packet = scene.sized_packet(header, len);
            scene.frame(&packet)
        }
    }
}

/// A host asks who has its router's address.
pub(super) fn arp_request(port: &Port, host: &Host) -> Vec<u8> {
    let packet = Arp::request(host.mac, host.address, port.address).packet();
    build::ethernet(build::BROADCAST, host.mac, ethertype::ARP, &packet)
}

/// An echo request to one of the router's addresses, in the sizes people ping with.
pub(super) fn echo_request(scene: &mut Scene<'_>) -> Vec<u8> {
    let header = Ipv4 { protocol: protocol::ICMP, ..scene.local() };
    let len = *scene.rng.pick(&[56, 56, 32, 0, 8, 120, 1400]);
    let rest = [scene.rng.byte(), scene.rng.byte(), 0, scene.rng.byte()];
    let len = len.min(scene.router().mtu - header.header_len() - 8);
    let packet = header.packet(&build::icmp(icmp_type::ECHO, 0, rest, &build::pattern(len)));
    scene.frame(&packet)
}

/// Echo and its reply between hosts.
fn icmp_transit(scene: &mut Scene<'_>) -> Vec<u8> {
    let header = Ipv4 { protocol: protocol::ICMP, ..scene.transit() };
    let kind = *scene.rng.pick(&[icmp_type::ECHO, icmp_type::ECHO_REPLY]);
    let rest = [scene.rng.byte(), scene.rng.byte(), 0, scene.rng.byte()];
    let packet = header.packet(&build::icmp(kind, 0, rest, &build::pattern(56)));
    scene.frame(&packet)
}

/// A datagram or segment that fills an IMIX size, or as much of it as every port passes whole.
fn sized(scene: &mut Scene<'_>, header: Ipv4, protocol: u8) -> Vec<u8> {
    let overhead = header.header_len() + if protocol == protocol::TCP { 20 } else { 8 };
    let total = (*scene.rng.pick(&IMIX)).min(scene.world.path_mtu());
    let header = Ipv4 { protocol, ..header };
    let mut segment = scene.segment(&header, total.saturating_sub(overhead));
    // RFC 768: no checksum is legal over IPv4, and some tunnels do it.
    if protocol == protocol::UDP && scene.rng.one_in(16) {
        segment[6..8].fill(0);
    }
    scene.frame(&header.packet(&segment))
}

/// A piece of a fragmented datagram: first, middle or last.
fn fragment(scene: &mut Scene<'_>, header: Ipv4) -> Vec<u8> {
    let piece = *scene.rng.pick(&[0, 1, 2]);
    let payload = scene.rng.bytes(if piece == 2 { 77 } else { 552.min(scene.world.path_mtu() / 8 * 8 - 24) });
    let header = Ipv4 { protocol: protocol::UDP, more_fragments: piece != 2, offset: piece * 69, ..header };
    scene.frame(&header.packet(&payload))
}

//! Healthy IPv6 traffic, and the IPv6 frames that mutants are made of.
//!
//! Read first: RFC 8200 §4 (what passes a router untouched); RFC 4443 §4; RFC 4861 §7.2; RFC 2710 §3.

use super::healthy::IMIX;
use super::scene::Scene;
use crate::build::{
    self, Extension, Ipv6, Piece, icmpv6_type, multicast_mac, nd_option, nd_option_type, option, option_type,
    protocol, solicited_node,
};
use crate::dice::Draw;
use crate::mutate::Family;
use crate::world::{Host, Port};
use std::net::Ipv6Addr;

/// Option types that RFC 4727 leaves to experiments: any data is right. The first two are to be skipped by those
/// who do not know them.
const EXPERIMENTS: [u8; 8] = [0x1e, 0x3e, 0x5e, 0x7e, 0x9e, 0xbe, 0xde, 0xfe];

/// Any healthy frame: three in four in transit.
pub(super) fn any(scene: &mut Scene<'_>) -> (Vec<u8>, &'static str, Family) {
    match scene.rng.below(20) {
        0..=4 => {
            let header = scene.transit6();
            (sized(scene, header, protocol::UDP), "udp6_transit", Family::Udp)
        }
        5..=8 => {
            let header = scene.transit6();
            (sized(scene, header, protocol::TCP), "tcp6_transit", Family::Tcp)
        }
        9 => (echo(scene, true), "icmpv6_transit", Family::Icmpv6),
        10 => {
            let header = scene.transit6();
            (fragment(scene, header), "fragment6_transit", Family::Ipv6Fragments)
        }
        11 => {
            let header = scene.transit6();
            let options = Extension::HopByHop(harmless_options(scene, true));
            (with(scene, header, options), "hop_by_hop_transit", Family::Ipv6Extension)
        }
        12 => {
            let header = scene.transit6();
            let options = Extension::Destination(any_options(scene));
            (with(scene, header, options), "destination_options_transit", Family::Ipv6Extension)
        }
        13 => {
            let header = Ipv6 { protocol: protocol::NO_NEXT, ..scene.transit6() };
            let len = scene.rng.below(30);
            let data = scene.rng.bytes(len);
            (scene.frame6(&header.packet(&data)), "no_next_header_transit", Family::Ipv6Header)
        }
        14 => (echo(scene, false), "echo6_to_router", Family::Icmpv6),
        15 | 16 => (udp_echo(scene), "udp6_echo_to_router", Family::Udp),
        17 => {
            let header = scene.local6();
            (sized(scene, header, protocol::TCP), "tcp6_to_router", Family::Tcp)
        }
        18 => {
            let header = scene.local6();
            let options = harmless_options(scene, true);
            let extension = *scene.rng.pick(&[Extension::HopByHop, Extension::Destination]);
            (with(scene, header, extension(options)), "options6_to_router", Family::Ipv6Extension)
        }
        _ => on_link(scene),
    }
}

/// What hosts tell their link of their own accord.
fn on_link(scene: &mut Scene<'_>) -> (Vec<u8>, &'static str, Family) {
    let (router, host) = (scene.router(), scene.host);
    match scene.rng.below(4) {
        0 => (solicitation(router, &host, host.ipv6, router.ipv6), "solicitation", Family::Nd),
        1 => {
            let frame = solicitation(router, &host, host.link_local(), router.link_local());
            (frame, "solicitation", Family::Nd)
        }
        2 => (router_solicitation(&host), "router_solicitation", Family::Nd),
        _ => (listener_report(&host), "listener_report", Family::Icmpv6),
    }
}

/// A host asks who has one of its router's addresses, and says its own MAC address.
pub(super) fn solicitation(port: &Port, host: &Host, source: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    debug_assert!(target == port.ipv6 || target == port.link_local());
    let group = solicited_node(target);
    let link = nd_option(nd_option_type::SOURCE_LINK, &host.mac);
    let message = build::solicitation(source, group, target, &link);
    to_group(host, source, group, vec![], &message)
}

/// A host asks for routers (RFC 4861 §4.1).
fn router_solicitation(host: &Host) -> Vec<u8> {
    let (source, group) = (host.link_local(), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2));
    let link = nd_option(nd_option_type::SOURCE_LINK, &host.mac);
    let message = build::icmpv6(source, group, icmpv6_type::ROUTER_SOLICITATION, 0, [0; 4], &link);
    to_group(host, source, group, vec![], &message)
}

/// A host joins the solicited-node group of its own address (RFC 2710 §3: with a Router Alert, hop limit 1).
pub(super) fn listener_report(host: &Host) -> Vec<u8> {
    let (source, group) = (host.link_local(), solicited_node(host.ipv6));
    let alert = vec![Extension::HopByHop(option(option_type::ROUTER_ALERT, &[0, 0]))];
    to_group(host, source, group, alert, &build::listener_report(source, group))
}

/// An ICMPv6 message to a group of the link: ND with hop limit 255, anything with a Router Alert with 1.
fn to_group(
    host: &Host,
    source: Ipv6Addr,
    group: Ipv6Addr,
    extensions: Vec<Extension>,
    message: &[u8],
) -> Vec<u8> {
    let hop_limit = if extensions.is_empty() { 255 } else { 1 };
    let header = Ipv6 { protocol: protocol::ICMPV6, hop_limit, extensions, ..Ipv6::new(source, group) };
    build::ethernet(multicast_mac(group), host.mac, build::ethertype::IPV6, &header.packet(message))
}

/// A fitting frame for mutants of this family.
pub(super) fn for_family(family: Family, scene: &mut Scene<'_>) -> Vec<u8> {
    let len = scene.rng.below(301);
    let mostly_local = if scene.rng.one_in(4) { scene.transit6() } else { scene.local6() };
    match family {
        Family::Ipv6Fragments => fragment(scene, mostly_local),
        Family::Ipv6Extension => {
            // A Router Alert, two unknown options that may be skipped, a Routing header that has been used up.
            let alert = option(option_type::ROUTER_ALERT, &[0, 0]);
            let hop_by_hop = Extension::HopByHop([alert, option(0x1e, &[0; 8])].concat());
            let destination = Extension::Destination(option(0x1e, &[0; 4]));
            let extensions = vec![hop_by_hop, destination, Extension::Routing(0, 0, vec![0; 20])];
            let header = Ipv6 { protocol: protocol::UDP, extensions, ..mostly_local };
            let segment = scene.segment6(&header, len);
            scene.frame6(&header.packet(&segment))
        }
        Family::Icmpv6 => {
            let header = Ipv6 { protocol: protocol::ICMPV6, ..mostly_local };
            let kind = *scene.rng.pick(&[1, 2, 3, 4, 128, 128, 129, 130, 143]);
            let body = if kind < 128 { scene.quoted6(len) } else { build::pattern(len) };
            let (source, destination) = (header.source, header.destination);
            let message = build::icmpv6(source, destination, kind, 0, [0, 7, 0, 1], &body);
            scene.frame6(&header.packet(&message))
        }
        Family::Nd => {
            let (router, host) = (scene.router(), scene.host);
            match scene.rng.below(4) {
                0 => router_solicitation(&host),
                1 => {
                    let header =
                        Ipv6 { hop_limit: 255, protocol: protocol::ICMPV6, ..scene.header6(router.ipv6) };
                    let link = nd_option(nd_option_type::TARGET_LINK, &host.mac);
                    let message = build::advertisement(host.ipv6, router.ipv6, 0x60, host.ipv6, &link);
                    scene.frame6(&header.packet(&message))
                }
                _ => solicitation(router, &host, host.ipv6, router.ipv6),
            }
        }
        Family::Tcp | Family::Udp => {
            let protocol = if family == Family::Udp { protocol::UDP } else { protocol::TCP };
            let header = Ipv6 { protocol, ..mostly_local };
            let segment = scene.segment6(&header, len);
            scene.frame6(&header.packet(&segment))
        }
        // The link families wrap any packet; IPv4's and ARP's have frames of their own.
        Family::Ethernet
        | Family::Vlan
        | Family::LlcSnap
        | Family::Arp
        | Family::Ipv4Header
        | Family::Ipv4Options
        | Family::Ipv4Fragments
        | Family::Icmp
        | Family::Ipv6Header => {
            let header = scene.either6();
            let packet = scene.packet6(header);
            scene.frame6(&packet)
        }
    }
}

/// A datagram or segment that fills an IMIX size, or as much of it as every port passes whole.
fn sized(scene: &mut Scene<'_>, header: Ipv6, protocol: u8) -> Vec<u8> {
    let overhead = header.header_len() + if protocol == protocol::TCP { 20 } else { 8 };
    let total = (*scene.rng.pick(&IMIX)).min(scene.world.path_mtu());
    let header = Ipv6 { protocol, ..header };
    let segment = scene.segment6(&header, total.saturating_sub(overhead));
    scene.frame6(&header.packet(&segment))
}

/// Echo, or its reply, between hosts; or echo to the router.
fn echo(scene: &mut Scene<'_>, transit: bool) -> Vec<u8> {
    let header = if transit { scene.transit6() } else { scene.local6() };
    let header = Ipv6 { protocol: protocol::ICMPV6, ..header };
    let kind = if transit { *scene.rng.pick(&[128, 129]) } else { icmpv6_type::ECHO };
    let total = (*scene.rng.pick(&IMIX)).min(scene.world.path_mtu());
    let rest = [scene.rng.byte(), scene.rng.byte(), 0, scene.rng.byte()];
    let data = build::pattern(total.saturating_sub(48));
    let message = build::icmpv6(header.source, header.destination, kind, 0, rest, &data);
    scene.frame6(&header.packet(&message))
}

/// A datagram to the router's echo service (RFC 862).
fn udp_echo(scene: &mut Scene<'_>) -> Vec<u8> {
    let header = scene.local6();
    let (from, len) = (scene.rng.between(32_768, 60_999) as u16, scene.rng.below(201));
    let data = scene.rng.bytes(len);
    let datagram = build::udp(header.source, header.destination, from, 7, &data);
    scene.frame6(&header.packet(&datagram))
}

/// A piece of a fragmented datagram: first, middle or last. RFC 8200 §4.5: the first holds all headers.
fn fragment(scene: &mut Scene<'_>, header: Ipv6) -> Vec<u8> {
    let piece = *scene.rng.pick(&[0, 1, 2]);
    let data = scene.rng.bytes(if piece == 2 { 77 } else { 552 });
    let identification = u32::from(scene.rng.word()) << 8;
    let fragment = Piece { offset: piece * 69, more_fragments: piece != 2, identification };
    let header = Ipv6 { protocol: protocol::UDP, extensions: vec![Extension::Fragment(fragment)], ..header };
    scene.frame6(&header.packet(&data))
}

/// A packet with one extension header.
fn with(scene: &mut Scene<'_>, header: Ipv6, extension: Extension) -> Vec<u8> {
    let header = Ipv6 { extensions: vec![extension], ..header };
    let packet = scene.packet6(header);
    scene.frame6(&packet)
}

/// Options that every node skips or knows: padding, one Router Alert, and unknown ones of 00xxxxxx.
pub(super) fn harmless_options(scene: &mut Scene<'_>, alert: bool) -> Vec<u8> {
    let mut options = Vec::new();
    for _ in 0..scene.rng.between(1, 3) {
        options.extend(match scene.rng.below(4) {
            0 => vec![option_type::PAD_1],
            1 => option(option_type::PAD_N, &vec![0; scene.rng.below(6)]),
            _ => {
                let (kind, len) = (*scene.rng.pick(&EXPERIMENTS[..2]), scene.rng.below(9));
                let data = scene.rng.bytes(len);
                option(kind, &data)
            }
        });
    }
    if alert && scene.rng.one_in(2) {
        options.extend(option(option_type::ROUTER_ALERT, &[0, 0]));
    }
    options
}

/// Options of any kind: on the way nobody looks into Destination Options.
fn any_options(scene: &mut Scene<'_>) -> Vec<u8> {
    let (kind, len) = (*scene.rng.pick(&EXPERIMENTS), scene.rng.below(9));
    let data = scene.rng.bytes(len);
    option(kind, &data)
}

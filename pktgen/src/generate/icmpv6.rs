//! ICMPv6 messages to the router that it must not take as they are, Neighbour Discovery among them.
//!
//! Read first: RFC 4443 §2.1 to §2.4; RFC 4861 §4, §6.1, §7.1, §8; RFC 6980; RFC 4862 §5.4.

use super::Made;
use super::extension::whole;
use super::fragment_ipv6::fragmented;
use super::scene::Scene;
use crate::build::{
    self, Ipv6, Mac, icmpv6_type as kind, multicast_mac, nd_option, nd_option_type, protocol, solicited_node,
};
use crate::dice::Draw;
use stack::Anomaly;
use std::net::Ipv6Addr;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Frames odd in ICMPv6 but for Neighbour Discovery.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let header = Ipv6 { protocol: protocol::ICMPV6, ..scene.local6() };
    let (source, destination) = (header.source, header.destination);
    let message =
        |kind: u8, code: u8, body: &[u8]| build::icmpv6(source, destination, kind, code, [0, 3, 0, 4], body);
    let (message, template) = match anomaly {
        Anomaly::Icmpv6Truncated => {
            let len = scene.rng.below(8);
            (message(kind::ECHO, 0, &[])[..len].to_vec(), "icmpv6_cut")
        }
        Anomaly::Icmpv6Checksum => {
            let mut message = match scene.rng.below(3) {
                0 => message(kind::UNREACHABLE, 4, &scene.quoted6(24)),
                1 => message(kind::ECHO_REPLY, 0, &build::pattern(33)),
                _ => message(kind::ECHO, 0, &build::pattern(56)),
            };
            let at = if scene.rng.one_in(2) { 2 } else { scene.rng.below(message.len()) };
            message[at] ^= 1 << scene.rng.below(8);
            // 0000 and ffff are the same number to a checksum: a bit of the type is not.
            if build::segment_checksum(source, destination, protocol::ICMPV6, &message) == 0 {
                message[0] ^= 1;
            }
            (message, "icmpv6_checksum")
        }
        Anomaly::Icmpv6TypeUnknown => {
            // Errors that nobody has assigned, private experiments, node information, and far beyond.
            let unknown = *scene.rng.pick(&[5, 42, 100, 101, 127, 139, 140, 180, 200, 201, 254, 255]);
            let (code, len) = (*scene.rng.pick(&[0, 0, 1, 255]), scene.rng.below(60));
            (message(unknown, code, &build::pattern(len)), "icmpv6_type_unknown")
        }
        Anomaly::Icmpv6ErrorQuote => {
            let error = scene.rng.between(1, 4) as u8;
            let mut quoted = scene.quoted6(24);
            let template = if scene.rng.one_in(2) {
                quoted.truncate(scene.rng.below(40));
                "icmpv6_quote_cut"
            } else {
                quoted[0] = *scene.rng.pick(&[0x05, 0x45, 0x75, 0xf5]);
                "icmpv6_quote_version"
            };
            (message(error, 0, &quoted), template)
        }
        _ => return None,
    };
    Some((scene.frame6(&header.packet(&message)), template))
}

/// A Neighbour Discovery message on its way.
pub(super) struct Nd {
    pub(super) header: Ipv6,
    link: Mac,
    pub(super) message: Vec<u8>,
}

impl Nd {
    pub(super) fn new(scene: &Scene<'_>, source: Ipv6Addr, destination: Ipv6Addr, message: Vec<u8>) -> Self {
        let header = Ipv6 { hop_limit: 255, protocol: protocol::ICMPV6, ..Ipv6::new(source, destination) };
        let to_group = destination.is_multicast();
        let link = if to_group { multicast_mac(destination) } else { scene.router().mac };
        Self { header, link, message }
    }

    pub(super) fn frame(mut self, scene: &Scene<'_>) -> Vec<u8> {
        let (source, destination) = (self.header.source, self.header.destination);
        build::seal_segment(source, destination, protocol::ICMPV6, &mut self.message);
        scene.frame6_to(self.link, &self.header.packet(&self.message))
    }
}

/// Frames odd in Neighbour Discovery.
pub(super) fn make_nd(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let (nd, template) = match anomaly {
        Anomaly::NdHopLimit => {
            let mut nd = any(scene);
            nd.header.hop_limit = *scene.rng.pick(&[254, 64, 63, 1, 0, 128]);
            (nd, "nd_hop_limit")
        }
        Anomaly::NdMalformed => malformed(scene),
        Anomaly::NdFragment => {
            let nd = any(scene);
            let (header, template) = if scene.rng.one_in(2) {
                (Ipv6 { extensions: vec![whole(scene)], ..nd.header }, "nd_in_atomic_fragment")
            } else {
                (fragmented(scene, nd.header, 0, true), "nd_in_first_fragment")
            };
            (Nd { header, ..nd }, template)
        }
        Anomaly::NdClaimsOurAddress => {
            let (router, host) = (scene.router(), scene.host);
            let target = if scene.rng.one_in(2) { router.ipv6 } else { router.link_local() };
            let (destination, flags) =
                if scene.rng.one_in(2) { (ALL_NODES, 0x20) } else { (router.ipv6, 0x60) };
            let link = nd_option(nd_option_type::TARGET_LINK, &host.mac);
            let message = build::advertisement(host.ipv6, destination, flags, target, &link);
            (Nd::new(scene, host.ipv6, destination, message), "nd_claims_our_address")
        }
        Anomaly::Icmpv6Redirect => (redirect(scene), "icmpv6_redirect"),
        _ => return None,
    };
    Some((nd.frame(scene), template))
}

/// A well-formed solicitation or advertisement of a neighbour or a router.
pub(super) fn any(scene: &mut Scene<'_>) -> Nd {
    match scene.rng.below(4) {
        0 => solicitation(scene),
        1 => advertisement(scene),
        2 => router_message(scene, kind::ROUTER_SOLICITATION),
        _ => router_message(scene, kind::ROUTER_ADVERTISEMENT),
    }
}

/// For one of the router's addresses on the port, to its group or to itself.
pub(super) fn solicitation(scene: &mut Scene<'_>) -> Nd {
    let (router, host) = (scene.router(), scene.host);
    let (source, target) =
        if scene.rng.one_in(2) { (host.ipv6, router.ipv6) } else { (host.link_local(), router.link_local()) };
    let destination = if scene.rng.one_in(2) { solicited_node(target) } else { target };
    let link = nd_option(nd_option_type::SOURCE_LINK, &host.mac);
    Nd::new(scene, source, destination, build::solicitation(source, destination, target, &link))
}

/// Of the host's own address, as if the router had asked.
pub(super) fn advertisement(scene: &mut Scene<'_>) -> Nd {
    let (router, host) = (scene.router(), scene.host);
    let (source, destination) = (host.ipv6, router.ipv6);
    let link = nd_option(nd_option_type::TARGET_LINK, &host.mac);
    let message = build::advertisement(source, destination, 0x60, source, &link);
    Nd::new(scene, source, destination, message)
}

/// RFC 4861 §4.1 and §4.2: a solicitation to all routers, or an advertisement of another router to all nodes.
fn router_message(scene: &mut Scene<'_>, message_type: u8) -> Nd {
    let host = scene.host;
    let source = host.link_local();
    let link = nd_option(nd_option_type::SOURCE_LINK, &host.mac);
    let (destination, rest, body) = if message_type == kind::ROUTER_SOLICITATION {
        (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), [0; 4], link)
    } else {
        // Current hop limit 64, router lifetime 1800 s; reachable and retransmission time not said.
        (ALL_NODES, [64, 0, 7, 8], [vec![0; 8], link].concat())
    };
    let message = build::icmpv6(source, destination, message_type, 0, rest, &body);
    Nd::new(scene, source, destination, message)
}

/// A host says that there is a better first hop: itself (RFC 4861 §4.5).
pub(super) fn redirect(scene: &mut Scene<'_>) -> Nd {
    let (router, host) = (scene.router(), scene.host);
    let (source, destination) = (host.link_local(), router.ipv6);
    let quoted = nd_option(nd_option_type::REDIRECTED, &[vec![0; 6], scene.quoted6(16)].concat());
    let body = [&source.octets()[..], &scene.peer.ipv6.octets(), &quoted].concat();
    let message = build::icmpv6(source, destination, kind::REDIRECT, 0, [0; 4], &body);
    Nd::new(scene, source, destination, message)
}

/// One rule of RFC 4861 §6.1 or §7.1 broken.
fn malformed(scene: &mut Scene<'_>) -> (Nd, &'static str) {
    let router = scene.router();
    let group = solicited_node(router.ipv6);
    let (nobody, host) = (Ipv6Addr::UNSPECIFIED, scene.host);
    let link = nd_option(nd_option_type::SOURCE_LINK, &host.mac);
    match scene.rng.below(10) {
        0 => {
            let mut nd = any(scene);
            nd.message[1] = scene.rng.between(1, 255) as u8;
            (nd, "nd_code")
        }
        1 => {
            let mut nd = if scene.rng.one_in(2) { solicitation(scene) } else { advertisement(scene) };
            nd.message.truncate(scene.rng.between(8, 23));
            (nd, "nd_cut")
        }
        2 => {
            let mut nd = if scene.rng.one_in(2) { solicitation(scene) } else { advertisement(scene) };
            nd.message[8..24].copy_from_slice(&ALL_NODES.octets());
            (nd, "nd_target_multicast")
        }
        3 => {
            let mut nd = any(scene);
            let at = nd.message.len() - 7;
            nd.message[at] = 0;
            (nd, "nd_option_length_zero")
        }
        4 => {
            let mut nd = any(scene);
            let at = nd.message.len() - 7;
            nd.message[at] = scene.rng.between(2, 255) as u8;
            (nd, "nd_option_beyond_message")
        }
        5 => {
            let message = build::solicitation(nobody, group, router.ipv6, &link);
            (Nd::new(scene, nobody, group, message), "nd_link_address_of_nobody")
        }
        6 => {
            let message = build::solicitation(nobody, ALL_NODES, router.ipv6, &[]);
            (Nd::new(scene, nobody, ALL_NODES, message), "nd_probe_to_all")
        }
        7 => {
            let nd = router_message(scene, kind::ROUTER_SOLICITATION);
            (Nd { header: Ipv6 { source: nobody, ..nd.header }, ..nd }, "nd_router_link_address_of_nobody")
        }
        8 => {
            let nd = router_message(scene, kind::ROUTER_ADVERTISEMENT);
            (Nd { header: Ipv6 { source: host.ipv6, ..nd.header }, ..nd }, "nd_router_not_link_local")
        }
        _ => {
            let message = build::advertisement(host.ipv6, ALL_NODES, 0x60, host.ipv6, &[]);
            (Nd::new(scene, host.ipv6, ALL_NODES, message), "nd_solicited_by_all")
        }
    }
}

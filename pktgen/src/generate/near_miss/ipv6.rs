//! Near misses in the IPv6 header and its extension headers.
//!
//! Read first: RFC 8200 §3 and §4; RFC 4291 §2.5; RFC 4862 §5.4.2 (probes come from nobody).

use super::super::extension::used_up;
use super::super::healthy_ipv6::harmless_options;
use super::super::icmpv6::Nd;
use super::{Made, Scene};
use crate::build::{self, Extension, Ipv6, option, option_type, protocol, solicited_node};
use crate::dice::Draw;
use stack::Anomaly;
use std::net::Ipv6Addr;

/// The most extension headers that the router follows (RFC 8504 §5.3 lets it choose).
const MAX_EXTENSIONS: usize = 8;

pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let header = scene.either6();
    Some(match anomaly {
        Anomaly::Ipv6Truncated => {
            let header = Ipv6 { protocol: protocol::NO_NEXT, ..header };
            (scene.bare_frame6(&header.packet(&[])), "ipv6_header_alone")
        }
        Anomaly::Ipv6Version => {
            let header = Ipv6 { traffic_class: 0xff, flow_label: 0xf_ffff, ..header };
            let packet = scene.packet6(header);
            (scene.frame6(&packet), "traffic_class_and_flow_all_ones")
        }
        Anomaly::Ipv6PayloadLength => {
            let packet = scene.packet6(header);
            (scene.bare_frame6(&packet), "payload_length_exact")
        }
        Anomaly::Ipv6HopByHopMalformed
        | Anomaly::Ipv6OptionDiscard
        | Anomaly::Ipv6OptionUnknown
        | Anomaly::Ipv6HopByHopMisplaced
        | Anomaly::Ipv6NextHeaderUnknown
        | Anomaly::Ipv6ExtensionTruncated
        | Anomaly::Ipv6ExtensionLimit
        | Anomaly::Ipv6ExtensionOrder
        | Anomaly::Ipv6RoutingHeader => extension(anomaly, scene),
        _ => return address(anomaly, scene, header),
    })
}

/// Addresses next to those that are odd.
fn address(anomaly: Anomaly, scene: &mut Scene<'_>, mut header: Ipv6) -> Option<Made> {
    let template = match anomaly {
        Anomaly::Ipv6SourceMulticast => {
            header.source = Ipv6Addr::new(0xfdff, 0xffff, 0, 0, 0, 0, 0, 1);
            "source6_next_to_multicast"
        }
        Anomaly::Ipv6Unspecified => {
            // To the router's own link nobody may speak: that is how an address is tried out.
            let target = scene.router().ipv6;
            let group = solicited_node(target);
            let probe = build::solicitation(Ipv6Addr::UNSPECIFIED, group, target, &[]);
            return Some((
                Nd::new(scene, Ipv6Addr::UNSPECIFIED, group, probe).frame(scene),
                "solicitation_from_nobody",
            ));
        }
        Anomaly::Ipv6Loopback => {
            header.source = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 2);
            "source6_next_to_loopback"
        }
        Anomaly::Ipv6V4Mapped => {
            // One bit less in the mark; and the prefix of RFC 6052, which is a translator's.
            let sources = [
                Ipv6Addr::new(0, 0, 0, 0, 0, 0xfffe, 0x0a00, 0x0102),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0x0a00, 0x0102),
            ];
            header.source = *scene.rng.pick(&sources);
            "source6_next_to_v4_mapped"
        }
        Anomaly::Ipv6LinkLocal => {
            // What comes behind fe80::/10 is unicast like any other (RFC 3879 §4); on its own link it is at home.
            if scene.rng.one_in(2) {
                header = Ipv6 { source: Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 9), ..scene.transit6() };
                "source6_next_to_link_local"
            } else {
                header = Ipv6 { source: scene.host.link_local(), ..scene.header6(scene.router().ipv6) };
                "source6_link_local_to_router"
            }
        }
        Anomaly::Ipv6SourceOwn | Anomaly::Ipv6Land => {
            let own = anomaly == Anomaly::Ipv6SourceOwn;
            let next_to = if own { scene.router().ipv6 } else { header.destination };
            let bit = scene.rng.between(2, 15);
            header.source = Ipv6Addr::from_bits(next_to.to_bits() ^ (1 << bit));
            "source6_but_one_bit"
        }
        _ => return None,
    };
    let packet = scene.packet6(header);
    Some((scene.frame6(&packet), template))
}

fn extension(anomaly: Anomaly, scene: &mut Scene<'_>) -> Made {
    let destination = || Extension::Destination(vec![]);
    let (header, extensions, template) = match anomaly {
        Anomaly::Ipv6HopByHopMalformed => {
            // One Router Alert, and an option that ends where its header does.
            let alert = option(option_type::ROUTER_ALERT, &[0, 0]);
            let options = [alert, option(0x1e, &[7; 8])].concat();
            (scene.either6(), vec![Extension::HopByHop(options)], "options_end_with_header")
        }
        Anomaly::Ipv6OptionDiscard | Anomaly::Ipv6OptionUnknown if scene.rng.one_in(2) => {
            let options = harmless_options(scene, false);
            (scene.either6(), vec![Extension::HopByHop(options)], "options_to_skip")
        }
        Anomaly::Ipv6OptionDiscard | Anomaly::Ipv6OptionUnknown => {
            // On the way nobody looks into Destination Options.
            let kind = if anomaly == Anomaly::Ipv6OptionDiscard { 0x5e } else { 0xde };
            let options = Extension::Destination(option(kind, &[1, 2]));
            (scene.transit6(), vec![options], "destination_option_transit")
        }
        Anomaly::Ipv6HopByHopMisplaced if scene.rng.one_in(2) => {
            let first = Extension::HopByHop(vec![]);
            (scene.local6(), vec![first, destination()], "hop_by_hop_first")
        }
        Anomaly::Ipv6HopByHopMisplaced => {
            let late = Extension::HopByHop(vec![]);
            (scene.transit6(), vec![destination(), late], "hop_by_hop_not_first_transit")
        }
        Anomaly::Ipv6NextHeaderUnknown => {
            let (header, number) = if scene.rng.one_in(2) {
                (scene.transit6(), *scene.rng.pick(&[47, 89, 132, 253]))
            } else {
                (scene.local6(), protocol::NO_NEXT)
            };
            let data = scene.rng.bytes(24);
            let header = Ipv6 { protocol: number, ..header };
            return (scene.frame6(&header.packet(&data)), "next_header_of_no_concern");
        }
        Anomaly::Ipv6ExtensionTruncated => {
            // Nothing follows the extension header, and nothing is said to.
            let header =
                Ipv6 { protocol: protocol::NO_NEXT, extensions: vec![destination()], ..scene.local6() };
            return (scene.bare_frame6(&header.packet(&[])), "extension_ends_with_packet");
        }
        Anomaly::Ipv6ExtensionLimit => {
            (scene.local6(), vec![destination(); MAX_EXTENSIONS], "extensions_to_the_limit")
        }
        Anomaly::Ipv6ExtensionOrder => {
            let chain = vec![Extension::HopByHop(vec![]), destination(), used_up(scene), destination()];
            (scene.local6(), chain, "recommended_order")
        }
        _ => {
            let used_up = used_up(scene);
            (scene.local6(), vec![used_up], "routing_without_segments_left")
        }
    };
    let packet = scene.packet6(Ipv6 { extensions, ..header });
    (scene.frame6(&packet), template)
}

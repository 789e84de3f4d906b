//! Near misses in IPv6 fragments, ICMPv6 and Neighbour Discovery to the router.
//!
//! Read first: RFC 8200 §4.5; RFC 6946; RFC 4443 §2.4; RFC 4861 §7.1; RFC 4862 §5.4.3.

use super::super::extension::whole;
use super::super::fragment_ipv6::piece;
use super::super::icmpv6::{Nd, advertisement, any, redirect, solicitation};
use super::{Made, Scene};
use crate::build::{self, Ipv6, icmpv6_type as kind, protocol, solicited_node};
use crate::dice::Draw;
use stack::Anomaly;
use std::net::Ipv6Addr;

pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    Some(match anomaly {
        Anomaly::Ipv6FragmentLength => {
            let (header, offset) = (scene.local6(), scene.rng.between(1, 4000) as u16);
            let len = scene.rng.between(1, 60);
            (piece(scene, header, protocol::UDP, offset, false, len), "last_fragment6_of_any_length")
        }
        Anomaly::Ipv6FragmentTooLarge => {
            // 8191 · 8 + 7 = 65,535
            let header = scene.local6();
            (piece(scene, header, protocol::UDP, 8191, false, 7), "fragment6_to_65535")
        }
        Anomaly::Ipv6FirstFragmentShort => {
            let header = scene.local6();
            let (number, len) = *scene.rng.pick(&[(protocol::UDP, 8), (protocol::TCP, 24)]);
            (piece(scene, header, number, 0, true, len), "first_fragment_with_all_headers")
        }
        Anomaly::Ipv6AtomicFragment => {
            // On the way a Fragment header is nobody's business.
            let header = Ipv6 { extensions: vec![whole(scene)], ..scene.transit6() };
            let packet = scene.packet6(header);
            (scene.frame6(&packet), "atomic_fragment_transit")
        }
        Anomaly::NdHopLimit | Anomaly::NdMalformed => (any(scene).frame(scene), "nd_as_it_should_be"),
        Anomaly::NdFragment => {
            if scene.rng.one_in(2) {
                (solicitation(scene).frame(scene), "nd_whole")
            } else {
                let header = scene.local6();
                let Ipv6 { source, destination, .. } = header;
                let message = build::icmpv6(source, destination, kind::ECHO, 0, [0, 1, 0, 2], &[0; 24]);
                let header = super::super::fragment_ipv6::fragmented(scene, header, 0, true);
                let packet = Ipv6 { protocol: protocol::ICMPV6, ..header }.packet(&message);
                (scene.frame6(&packet), "echo_in_first_fragment")
            }
        }
        Anomaly::NdClaimsOurAddress => {
            if scene.rng.one_in(2) {
                (advertisement(scene).frame(scene), "nd_claims_its_own_address")
            } else {
                let (nobody, target) = (Ipv6Addr::UNSPECIFIED, scene.router().ipv6);
                let group = solicited_node(target);
                let probe = build::solicitation(nobody, group, target, &[]);
                (Nd::new(scene, nobody, group, probe).frame(scene), "nd_probe_for_our_address")
            }
        }
        Anomaly::Icmpv6Redirect => {
            // Between hosts a Redirect is a packet like any other, with addresses that go through a router.
            let nd = redirect(scene);
            let header = Ipv6 { protocol: protocol::ICMPV6, ..scene.transit6() };
            let mut message = nd.message;
            build::seal_segment(header.source, header.destination, protocol::ICMPV6, &mut message);
            (scene.frame6(&header.packet(&message)), "icmpv6_redirect_transit")
        }
        Anomaly::Icmpv6Truncated => message(scene, kind::ECHO_REPLY, &[], "icmpv6_of_8_bytes"),
        Anomaly::Icmpv6Checksum => checksum_zero(scene),
        Anomaly::Icmpv6TypeUnknown => {
            // RFC 4443 §2.4 binds who receives a message, not who forwards it.
            let header = Ipv6 { protocol: protocol::ICMPV6, ..scene.transit6() };
            let unknown = *scene.rng.pick(&[5, 101, 150, 200, 201]);
            let message = build::icmpv6(header.source, header.destination, unknown, 0, [0; 4], &[]);
            (scene.frame6(&header.packet(&message)), "icmpv6_type_unknown_transit")
        }
        Anomaly::Icmpv6ErrorQuote => {
            // A packet without data is 40 bytes, and so is its quote.
            let sent = Ipv6::new(scene.router().ipv6, scene.host.ipv6);
            let quote = Ipv6 { protocol: protocol::NO_NEXT, ..sent }.packet(&[]);
            message(scene, kind::UNREACHABLE, &quote, "icmpv6_quote_of_40_bytes")
        }
        _ => return None,
    })
}

/// An ICMPv6 message to the router.
fn message(scene: &mut Scene<'_>, kind: u8, body: &[u8], template: &'static str) -> Made {
    let header = Ipv6 { protocol: protocol::ICMPV6, ..scene.local6() };
    let message = build::icmpv6(header.source, header.destination, kind, 0, [0; 4], body);
    (scene.frame6(&header.packet(&message)), template)
}

/// An echo reply whose right checksum is zero: its identifier makes up what the sum lacks.
fn checksum_zero(scene: &mut Scene<'_>) -> Made {
    let header = Ipv6 { protocol: protocol::ICMPV6, ..scene.local6() };
    let reply = |id: [u8; 2]| {
        build::icmpv6(header.source, header.destination, kind::ECHO_REPLY, 0, [id[0], id[1], 0, 0], &[])
    };
    let plain = reply([0, 0]);
    let packet = header.packet(&reply([plain[2], plain[3]]));
    (scene.frame6(&packet), "icmpv6_checksum_that_is_zero")
}

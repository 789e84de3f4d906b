//! ICMP messages to the router that it must not take as they are.
//!
//! Read first: RFC 792; RFC 1812 §4.3 and §5.2.7.2; RFC 6633; RFC 6918; RFC 5927 §4.1.

use super::scene::Scene;
use super::{Made, healthy};
use crate::build::{self, Ipv4, adds_up, icmp_type, protocol, seal_icmp};
use crate::dice::Draw;
use stack::Anomaly;

/// Frames odd in ICMP, and the echo request, which is not odd but may be held.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let (message, template) = match anomaly {
        Anomaly::IcmpTruncated => {
            let len = scene.rng.below(8);
            (build::icmp(icmp_type::ECHO, 0, [0, 1, 0, 1], &[])[..len].to_vec(), "icmp_cut")
        }
        Anomaly::IcmpChecksum => {
            let mut message = any_message(scene);
            let at = if scene.rng.one_in(2) { 2 } else { scene.rng.below(message.len()) };
            message[at] ^= 1 << scene.rng.below(8);
            // 0000 and ffff are the same number to a checksum: a bit of the type is not.
            if adds_up(&message) {
                message[0] ^= 1;
            }
            (message, "icmp_checksum")
        }
        Anomaly::IcmpTypeUnknown => {
            let kind = *scene.rng.pick(&[1, 2, 7, 19, 20, 29, 40, 41, 42, 43, 44, 100, 200, 253, 254, 255]);
            let len = scene.rng.below(60);
            let code = *scene.rng.pick(&[0, 0, 1, 255]);
            (build::icmp(kind, code, [0, 3, 0, 4], &build::pattern(len)), "icmp_type_unknown")
        }
        Anomaly::IcmpTimestampRequest => timestamp_request(scene),
        Anomaly::IcmpDeprecated => {
            let kinds = [6, 15, 16, 17, 18, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39];
            let kind = *scene.rng.pick(&kinds);
            let len = *scene.rng.pick(&[0, 4, 12]);
            (build::icmp(kind, 0, [0, 9, 0, 1], &vec![0; len]), "icmp_deprecated")
        }
        Anomaly::IcmpRedirect => {
            // Network, host, and both again by type of service (RFC 792).
            let code = scene.rng.below(4) as u8;
            let gateway = scene.host.address.octets();
            (build::icmp(icmp_type::REDIRECT, code, gateway, &scene.quoted(24)), "icmp_redirect")
        }
        Anomaly::IcmpSourceQuench => {
            (build::icmp(icmp_type::SOURCE_QUENCH, 0, [0; 4], &scene.quoted(24)), "icmp_source_quench")
        }
        Anomaly::IcmpRequestGroup => return Some(request_to_group(scene)),
        Anomaly::IcmpErrorQuote => error_quote(scene),
        Anomaly::EchoRequest => return Some((healthy::echo_request(scene), "echo_request")),
        _ => return None,
    };
    let packet = Ipv4 { protocol: protocol::ICMP, ..scene.local() }.packet(&message);
    Some((scene.frame(&packet), template))
}

/// A well-formed message of a kind that is common on a link.
fn any_message(scene: &mut Scene<'_>) -> Vec<u8> {
    match scene.rng.below(3) {
        0 => build::icmp(icmp_type::UNREACHABLE, 3, [0; 4], &scene.quoted(24)),
        1 => build::icmp(icmp_type::ECHO_REPLY, 0, [0, 1, 0, 2], &build::pattern(33)),
        _ => build::icmp(icmp_type::ECHO, 0, [0, 1, 0, 2], &build::pattern(56)),
    }
}

/// Half exactly as RFC 792 draws it; else with another code or another length.
fn timestamp_request(scene: &mut Scene<'_>) -> Made {
    let originate = (scene.rng.below(86_400_000) as u32).to_be_bytes();
    let mut body = [&originate[..], &[0; 8]].concat();
    let rest = [scene.rng.byte(), scene.rng.byte(), 0, scene.rng.byte()];
    let (code, template) = match scene.rng.below(4) {
        0 => (scene.rng.between(1, 255) as u8, "timestamp_code"),
        1 => {
            body.resize(*scene.rng.pick(&[0, 4, 8, 11, 13, 16, 40]), 0);
            (0, "timestamp_length")
        }
        _ => (0, "timestamp_request"),
    };
    (build::icmp(icmp_type::TIMESTAMP, code, rest, &body), template)
}

/// A request to every host of a network: the amplifier of RFC 2644.
fn request_to_group(scene: &mut Scene<'_>) -> Made {
    let (destination, link) = scene.group();
    let (kind, body) = if scene.rng.one_in(3) {
        (icmp_type::TIMESTAMP, vec![0; 12])
    } else {
        (icmp_type::ECHO, build::pattern(56))
    };
    let message = build::icmp(kind, 0, [0, 1, 0, scene.rng.byte()], &body);
    let packet = Ipv4 { protocol: protocol::ICMP, ..scene.header(destination) }.packet(&message);
    (scene.frame_to(link, &packet), "icmp_request_to_group")
}

/// An error whose quote is cut short, or shorter than its own header says, or is not of IPv4.
fn error_quote(scene: &mut Scene<'_>) -> Made {
    let kind =
        *scene.rng.pick(&[icmp_type::UNREACHABLE, icmp_type::TIME_EXCEEDED, icmp_type::PARAMETER_PROBLEM]);
    let mut quoted = scene.quoted(24);
    let template = match scene.rng.below(3) {
        0 => {
            quoted.truncate(scene.rng.below(28));
            "icmp_quote_cut"
        }
        1 => {
            // The quote holds 28 bytes: a header of 5 words and 8 bytes more.
            quoted[0] = 0x40 | *scene.rng.pick(&[0, 1, 4, 6, 15]);
            "icmp_quote_header_length"
        }
        _ => {
            quoted[0] = (*scene.rng.pick(&[0, 5, 6, 15]) << 4) | 5;
            "icmp_quote_version"
        }
    };
    let mut message = build::icmp(kind, scene.rng.below(2) as u8, [0; 4], &quoted);
    seal_icmp(&mut message);
    (message, template)
}

//! Near misses in ICMP, UDP and TCP to the router.
//!
//! Read first: RFC 792; RFC 768; RFC 9293 §3.1 and §3.10.7; RFC 3168 (ECN). What binds the router alone passes in
//! transit, however odd it is (RFC 1812 §5.2.6): for some reasons nothing is nearer.

use super::super::l4::with_options;
use super::super::scene_ipv6::Header;
use super::{Made, Scene};
use crate::build::{self, Ipv4, Tcp, flags, icmp_type, protocol};
use crate::dice::Draw;
use stack::Anomaly;

pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    Some(match anomaly {
        Anomaly::IcmpTruncated => to_router(scene, icmp_type::ECHO_REPLY, &[], "icmp_of_8_bytes"),
        Anomaly::IcmpChecksum => {
            let plain = build::icmp(icmp_type::ECHO_REPLY, 0, [0; 4], &[]);
            // Two bytes of data that make up what the sum lacks: the right checksum is zero.
            to_router(scene, icmp_type::ECHO_REPLY, &plain[2..4], "icmp_checksum_that_is_zero")
        }
        Anomaly::IcmpTypeUnknown => in_transit(scene, 200, "icmp_type_unknown_transit"),
        Anomaly::IcmpTimestampRequest => {
            to_router(scene, icmp_type::TIMESTAMP_REPLY, &[0; 12], "timestamp_reply_to_router")
        }
        Anomaly::IcmpDeprecated => in_transit(scene, 17, "icmp_deprecated_transit"),
        Anomaly::IcmpRedirect => in_transit(scene, icmp_type::REDIRECT, "icmp_redirect_transit"),
        Anomaly::IcmpSourceQuench => {
            in_transit(scene, icmp_type::SOURCE_QUENCH, "icmp_source_quench_transit")
        }
        Anomaly::IcmpRequestGroup | Anomaly::EchoRequest => {
            to_router(scene, icmp_type::ECHO_REPLY, &build::pattern(56), "echo_reply_to_router")
        }
        Anomaly::IcmpErrorQuote => {
            let quote = scene.quoted(0);
            to_router(scene, icmp_type::UNREACHABLE, &quote[..28], "icmp_quote_of_28_bytes")
        }
        Anomaly::UdpLength
        | Anomaly::UdpChecksum
        | Anomaly::Ipv6UdpChecksumZero
        | Anomaly::L4PortZero
        | Anomaly::TcpHeaderLength
        | Anomaly::TcpChecksum
        | Anomaly::TcpFlags
        | Anomaly::TcpOptionMalformed => segment(anomaly, scene),
        _ => return None,
    })
}

/// An ICMP message to the router.
fn to_router(scene: &mut Scene<'_>, kind: u8, body: &[u8], template: &'static str) -> Made {
    let header = Ipv4 { protocol: protocol::ICMP, ..scene.local() };
    (scene.frame(&header.packet(&build::icmp(kind, 0, [0; 4], body))), template)
}

/// An ICMP message that the router itself would not take, on its way to a host.
fn in_transit(scene: &mut Scene<'_>, kind: u8, template: &'static str) -> Made {
    let header = Ipv4 { protocol: protocol::ICMP, ..scene.transit() };
    let quoted = scene.quoted(8);
    (scene.frame(&header.packet(&build::icmp(kind, 0, [0; 4], &quoted))), template)
}

fn segment(anomaly: Anomaly, scene: &mut Scene<'_>) -> Made {
    let udp = matches!(anomaly, Anomaly::UdpLength | Anomaly::UdpChecksum | Anomaly::Ipv6UdpChecksumZero);
    let number = if udp { protocol::UDP } else { protocol::TCP };
    let mut header = scene.any_local().carrying(number);
    let mut segment = scene.any_segment(&header, 0);
    let template = match anomaly {
        Anomaly::UdpLength => {
            // Bytes behind the datagram are the IP packet's, not its own.
            let behind = scene.rng.below(9);
            segment.extend(scene.rng.bytes(behind));
            "udp_length_8"
        }
        Anomaly::UdpChecksum => {
            // RFC 768: none, over IPv4.
            header = Header::V4(scene.local()).carrying(number);
            segment = scene.any_segment(&header, 20);
            segment[6..8].fill(0);
            "udp_without_checksum"
        }
        Anomaly::Ipv6UdpChecksumZero => {
            header = Header::V6(scene.local6()).carrying(number);
            segment = scene.any_segment(&header, 2);
            let lacking = [segment[6], segment[7]];
            let data = u16::from_be_bytes([segment[8], segment[9]]);
            // The old sum was data + rest = ffff - checksum: with data + checksum it comes to ffff, that is zero.
            let (sum, carry) = data.overflowing_add(u16::from_be_bytes(lacking));
            segment[8..10].copy_from_slice(&(sum + u16::from(carry)).to_be_bytes());
            header.seal(&mut segment);
            "udp6_checksum_all_ones"
        }
        Anomaly::L4PortZero => {
            // A source port of zero says that no answer is wanted (RFC 768).
            header = header.carrying(protocol::UDP);
            segment = scene.any_segment(&header, 20);
            segment[..2].fill(0);
            header.seal(&mut segment);
            "udp_source_port_zero"
        }
        Anomaly::TcpHeaderLength => {
            segment = with_options(scene, &header, vec![1; 40]);
            "tcp_header_of_15_words"
        }
        Anomaly::TcpChecksum => {
            header = scene.any_transit().carrying(number);
            segment = scene.any_segment(&header, 20);
            segment[16] ^= 1 << scene.rng.below(8);
            "tcp_checksum_transit"
        }
        Anomaly::TcpFlags => {
            // An ECN set-up (RFC 3168 §6.1.1), all flags of an urgent last segment, a reset without more.
            let set = *scene.rng.pick(&[
                flags::SYN | flags::ECE | flags::CWR,
                flags::FIN | flags::URG | flags::PSH | flags::ACK,
                flags::RST,
                flags::SYN | flags::URG | flags::PSH,
            ]);
            let ((from, to), (source, destination)) = (scene.l4_ports(), header.addresses());
            segment = Tcp { flags: set, ..Tcp::new(from, to) }.segment(source, destination, &[]);
            "tcp_flags_that_are_sent"
        }
        _ => {
            // An unknown option that ends where the header does, or garbage behind End of Option List.
            let options = *scene.rng.pick(&[[100, 4, 1, 2], [2, 4, 5, 0xb4], [0, 99, 0, 0], [1, 1, 4, 2]]);
            segment = with_options(scene, &header, options.to_vec());
            "tcp_option_ends_with_header"
        }
    };
    (scene.any_bare_frame(&header, &segment), template)
}

//! UDP datagrams and TCP segments to the router that it must not take as they are.
//!
//! Over IPv4 and IPv6 alike. Read first: RFC 768; RFC 1122 §4.1.3.4; RFC 8200 §8.1; RFC 9293 §3.1, §3.2 and
//! §3.10.7; RFC 6335 §6.

use super::Made;
use super::scene::Scene;
use super::scene_ipv6::Header;
use crate::build::{self, Tcp, flags, protocol};
use crate::dice::Draw;
use stack::Anomaly;

/// Frames odd in UDP or TCP.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let tcp = match anomaly {
        Anomaly::UdpLength | Anomaly::UdpChecksum | Anomaly::Ipv6UdpChecksumZero => false,
        Anomaly::TcpHeaderLength | Anomaly::TcpChecksum | Anomaly::TcpFlags | Anomaly::TcpOptionMalformed => {
            true
        }
        Anomaly::L4PortZero => scene.rng.one_in(2),
        _ => return None,
    };
    let header = match anomaly {
        Anomaly::Ipv6UdpChecksumZero => Header::V6(scene.local6()),
        _ => scene.any_local(),
    };
    let header = header.carrying(if tcp { protocol::TCP } else { protocol::UDP });
    let len = scene.rng.below(101);
    let mut segment = scene.any_segment(&header, len);
    let template = match anomaly {
        Anomaly::UdpLength => udp_length(scene, &mut segment),
        Anomaly::UdpChecksum | Anomaly::TcpChecksum => {
            spoil_checksum(scene, &header, &mut segment);
            if tcp { "tcp_checksum" } else { "udp_checksum" }
        }
        Anomaly::L4PortZero => {
            segment[2..4].fill(0);
            header.seal(&mut segment);
            if tcp { "tcp_port_zero" } else { "udp_port_zero" }
        }
        Anomaly::Ipv6UdpChecksumZero => {
            segment[6..8].fill(0);
            "udp6_without_checksum"
        }
        Anomaly::TcpOptionMalformed => {
            let (options, template) = odd_options(scene);
            segment = with_options(scene, &header, options);
            template
        }
        Anomaly::TcpHeaderLength => tcp_header_length(scene, &header, &mut segment),
        _ => {
            let (from, to) = scene.l4_ports();
            let (flags, template) = odd_flags(scene);
            let data = build::pattern(len);
            let (source, destination) = header.addresses();
            segment = Tcp { flags, ..Tcp::new(from, to) }.segment(source, destination, &data);
            template
        }
    };
    Some((scene.any_frame(&header, &segment), template))
}

/// A SYN with these options.
pub(super) fn with_options(scene: &mut Scene<'_>, header: &Header, options: Vec<u8>) -> Vec<u8> {
    let (from, to) = scene.l4_ports();
    let (source, destination) = header.addresses();
    Tcp { flags: flags::SYN, options, ..Tcp::new(from, to) }.segment(source, destination, &[])
}

/// Options of which the last has a length of 0 or 1, one beyond the header, or no room for a length.
fn odd_options(scene: &mut Scene<'_>) -> (Vec<u8>, &'static str) {
    // Maximum Segment Size, Window Scale, SACK permitted, Timestamps, Fast Open, and one that nobody has assigned.
    let kind = *scene.rng.pick(&[2, 3, 4, 8, 34, 100]);
    let mut options = vec![1; scene.rng.below(5)];
    let template = match scene.rng.below(3) {
        0 => {
            options.extend([kind, scene.rng.below(2) as u8]);
            "tcp_option_length_below_2"
        }
        1 => {
            options.extend([kind, 0]);
            let room = options.len().next_multiple_of(4) - (options.len() - 2);
            let last = options.len() - 1;
            options[last] = scene.rng.between(room + 1, 255) as u8;
            "tcp_option_beyond_header"
        }
        _ => {
            options.resize(options.len() / 4 * 4 + 3, 1);
            options.push(kind);
            "tcp_option_without_length"
        }
    };
    (options, template)
}

/// A header cut short, a length below the header's own 8 bytes, or one beyond the packet.
fn udp_length(scene: &mut Scene<'_>, segment: &mut Vec<u8>) -> &'static str {
    let (claim, template) = match scene.rng.below(3) {
        0 => {
            segment.truncate(scene.rng.below(8));
            return "udp_cut";
        }
        1 => (scene.rng.below(8), "udp_length_below_8"),
        _ => (scene.rng.between(segment.len() + 1, 0xffff), "udp_length_beyond_packet"),
    };
    segment[4..6].copy_from_slice(&(claim as u16).to_be_bytes());
    template
}

/// Flips a bit of the data or draws another checksum, never 0 for UDP, where 0 means none.
fn spoil_checksum(scene: &mut Scene<'_>, header: &Header, segment: &mut [u8]) {
    let at = if header.protocol() == protocol::UDP { 6 } else { 16 };
    let wrong = loop {
        let wrong = scene.rng.word();
        if wrong != 0 {
            break wrong;
        }
    };
    segment[at..at + 2].copy_from_slice(&wrong.to_be_bytes());
    if header.checks(segment) {
        segment[at + 1] ^= if segment[at + 1] == 1 { 2 } else { 1 };
    }
}

/// A segment below 20 bytes, a data offset below 5 words, or one beyond the segment.
fn tcp_header_length(scene: &mut Scene<'_>, header: &Header, segment: &mut Vec<u8>) -> &'static str {
    match scene.rng.below(3) {
        0 => {
            segment.truncate(scene.rng.below(20));
            "tcp_cut"
        }
        1 => {
            segment[12] = (scene.rng.below(5) << 4) as u8;
            header.seal(segment);
            "tcp_offset_below_5"
        }
        _ => {
            // At most 56 bytes, so that 15 words always reach beyond.
            segment.truncate(20 + scene.rng.below(37));
            segment[12] = (scene.rng.between(segment.len() / 4 + 1, 15) << 4) as u8;
            header.seal(segment);
            "tcp_offset_beyond_segment"
        }
    }
}

/// Flags that no state of RFC 9293 §3.10.7 sends.
fn odd_flags(scene: &mut Scene<'_>) -> (u8, &'static str) {
    // The urgent and push flags, and ECN's, may come with any of them.
    let extra = scene.rng.byte() & (flags::ECE | flags::CWR);
    match scene.rng.below(4) {
        0 => (0, "tcp_null"),
        1 => {
            (flags::SYN | flags::FIN | extra | (scene.rng.byte() & (flags::ACK | flags::PSH)), "tcp_syn_fin")
        }
        2 => (flags::SYN | flags::RST | extra | (scene.rng.byte() & flags::ACK), "tcp_syn_rst"),
        _ => (flags::FIN | flags::URG | flags::PSH | extra, "tcp_xmas"),
    }
}

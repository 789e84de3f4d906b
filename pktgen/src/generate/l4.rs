//! UDP datagrams and TCP segments to the router that it must not take as they are.
//!
//! Read first: RFC 768; RFC 1122 §4.1.3.4; RFC 9293 §3.1 and §3.10.7; RFC 6335 §6.

use super::Made;
use super::scene::Scene;
use crate::build::{self, Ipv4, Tcp, flags, protocol, seal_segment, segment_checksum};
use crate::dice::Draw;
use stack::Anomaly;

/// Frames odd in UDP or TCP.
pub(super) fn make(anomaly: Anomaly, scene: &mut Scene<'_>) -> Option<Made> {
    let tcp = match anomaly {
        Anomaly::UdpLength | Anomaly::UdpChecksum => false,
        Anomaly::TcpHeaderLength | Anomaly::TcpChecksum | Anomaly::TcpFlags => true,
        Anomaly::L4PortZero => scene.rng.one_in(2),
        _ => return None,
    };
    let header = Ipv4 { protocol: if tcp { protocol::TCP } else { protocol::UDP }, ..scene.local() };
    let len = scene.rng.below(101);
    let mut segment = scene.segment(&header, len);
    let template = match anomaly {
        Anomaly::UdpLength => udp_length(scene, &mut segment),
        Anomaly::UdpChecksum | Anomaly::TcpChecksum => {
            spoil_checksum(scene, &header, &mut segment);
            if tcp { "tcp_checksum" } else { "udp_checksum" }
        }
        Anomaly::L4PortZero => {
            segment[2..4].fill(0);
            seal(&header, &mut segment);
            if tcp { "tcp_port_zero" } else { "udp_port_zero" }
        }
        Anomaly::TcpHeaderLength => tcp_header_length(scene, &header, &mut segment),
        _ => {
            let (from, to) = scene.l4_ports();
            let (flags, template) = odd_flags(scene);
            let data = build::pattern(len);
            segment = Tcp { flags, ..Tcp::new(from, to) }.segment(header.source, header.destination, &data);
            template
        }
    };
    Some((scene.frame(&header.packet(&segment)), template))
}

fn seal(header: &Ipv4, segment: &mut [u8]) {
    seal_segment(header.source, header.destination, header.protocol, segment);
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
fn spoil_checksum(scene: &mut Scene<'_>, header: &Ipv4, segment: &mut [u8]) {
    let at = if header.protocol == protocol::UDP { 6 } else { 16 };
    let wrong = loop {
        let wrong = scene.rng.word();
        if wrong != 0 {
            break wrong;
        }
    };
    segment[at..at + 2].copy_from_slice(&wrong.to_be_bytes());
    let right =
        |segment: &[u8]| segment_checksum(header.source, header.destination, header.protocol, segment) == 0;
    if right(segment) {
        segment[at + 1] ^= if segment[at + 1] == 1 { 2 } else { 1 };
    }
}

/// A segment below 20 bytes, a data offset below 5 words, or one beyond the segment.
fn tcp_header_length(scene: &mut Scene<'_>, header: &Ipv4, segment: &mut Vec<u8>) -> &'static str {
    match scene.rng.below(3) {
        0 => {
            segment.truncate(scene.rng.below(20));
            "tcp_cut"
        }
        1 => {
            segment[12] = (scene.rng.below(5) << 4) as u8;
            seal(header, segment);
            "tcp_offset_below_5"
        }
        _ => {
            // At most 56 bytes, so that 15 words always reach beyond.
            segment.truncate(20 + scene.rng.below(37));
            segment[12] = (scene.rng.between(segment.len() / 4 + 1, 15) << 4) as u8;
            seal(header, segment);
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

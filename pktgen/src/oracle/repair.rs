//! What may leave, byte for byte: a frame sent on as it is, or after a repair.
//!
//! Read first: RFC 1812 §5.3.1 (TTL); RFC 8200 §3 (hop limit); IEEE 802.1Q §6.8; RFC 1042; RFC 791 §3.1.
//! Everything is computed from scratch; the router's incremental checksums must come to the same bytes.

use crate::build::{ETHERNET_HEADER, Mac, adds_up, ethernet, ethertype, seal_ipv4};
use stack::ActionKind;

/// The frame as it leaves after `action`: for `forward` as it is, for `strip_tag`, `decapsulate` and
/// `clear_options` repaired first. `None` for any other action, where the frame is not one that the action
/// is about, and where nothing may leave because the time to live ends here. This is for packets in transit: one
/// to the router itself is repaired alike, but delivered.
pub fn repair(action: ActionKind, frame: &[u8], source: Mac, destination: Mac) -> Option<Vec<u8>> {
    let packet = match action {
        ActionKind::Forward => ip_payload(frame)?.to_vec(),
        ActionKind::StripTag => tagged_packet(frame)?.to_vec(),
        ActionKind::Decapsulate => snap_packet(frame)?.to_vec(),
        ActionKind::ClearOptions => without_options(ipv4_payload(frame)?)?,
        ActionKind::Drop
        | ActionKind::TimestampReply
        | ActionKind::ParameterProblem
        | ActionKind::EchoReply
        | ActionKind::Inject => return None,
    };
    send_on(&packet, source, destination)
}

/// An IPv4 or IPv6 frame as the router sends it on: padding trimmed, TTL or hop limit one less, checksum and
/// MAC addresses new. `None` if it is no well-formed frame of either, or its time to live ends here.
pub fn forward(frame: &[u8], source: Mac, destination: Mac) -> Option<Vec<u8>> {
    repair(ActionKind::Forward, frame, source, destination)
}

/// Header and total length, if RFC 1812 §5.2.2 has nothing against the header.
pub(super) fn measured(packet: &[u8]) -> Option<(usize, usize)> {
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return None;
    }
    let header_len = usize::from(packet[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let fits = (20..=total).contains(&header_len) && total <= packet.len();
    (fits && adds_up(&packet[..header_len])).then_some((header_len, total))
}

/// Packets of both versions; a frame's type has been compared with the version before.
fn send_on(packet: &[u8], source: Mac, destination: Mac) -> Option<Vec<u8>> {
    if packet.first()? >> 4 == 6 {
        return send_on_ipv6(packet, source, destination);
    }
    let (_, total) = measured(packet)?;
    let mut packet = packet[..total].to_vec();
    // RFC 1812 §5.3.1: it must arrive with 2 or more to leave with 1 or more.
    if packet[8] < 2 {
        return None;
    }
    packet[8] -= 1;
    seal_ipv4(&mut packet);
    Some(ethernet(destination, source, ethertype::IPV4, &packet))
}

/// RFC 8200 §3: the hop limit is all that changes on the way; nothing covers it with a checksum.
fn send_on_ipv6(packet: &[u8], source: Mac, destination: Mac) -> Option<Vec<u8>> {
    let length = usize::from(u16::from_be_bytes([*packet.get(4)?, *packet.get(5)?]));
    let mut packet = packet.get(..40 + length)?.to_vec();
    if packet[7] < 2 {
        return None;
    }
    packet[7] -= 1;
    Some(ethernet(destination, source, ethertype::IPV6, &packet))
}

/// Every option byte becomes No-Operation, so that nothing moves and nothing is left to act upon.
fn without_options(packet: &[u8]) -> Option<Vec<u8>> {
    let (header_len, total) = measured(packet)?;
    let mut packet = packet[..total].to_vec();
    // RFC 7126 §4.5-§4.11 has a knob for these; all others stay (RFC 1812 §5.3.13.1).
    let knob = [7, 68, 136, 11, 12, 82];
    let mut at = 20;
    while at < header_len && packet[at] != 0 {
        let len = if packet[at] == 1 { 1 } else { usize::from(*packet[..header_len].get(at + 1)?) };
        if len == 0 || at + len > header_len || (len == 1 && packet[at] != 1) {
            return None;
        }
        if knob.contains(&packet[at]) {
            packet[at..at + len].fill(1);
        }
        at += len;
    }
    seal_ipv4(&mut packet);
    Some(packet)
}

pub(super) fn ipv4_payload(frame: &[u8]) -> Option<&[u8]> {
    (frame.get(12..14)? == [8, 0]).then_some(&frame[ETHERNET_HEADER..])
}

/// The packet of an untagged frame of either version, whose version agrees with the frame's type.
fn ip_payload(frame: &[u8]) -> Option<&[u8]> {
    versioned(frame.get(12..14)?, &frame[ETHERNET_HEADER..])
}

/// `packet`, if it is of the version that the type announces.
fn versioned<'a>(kind: &[u8], packet: &'a [u8]) -> Option<&'a [u8]> {
    let version = match kind {
        [0x08, 0x00] => 4,
        [0x86, 0xdd] => 6,
        _ => return None,
    };
    (packet.first()? >> 4 == version).then_some(packet)
}

/// What a priority tag holds: type of the tag, VLAN id 0, inner type IPv4 or IPv6.
fn tagged_packet(frame: &[u8]) -> Option<&[u8]> {
    let tag = frame.get(12..18)?;
    let is_tag = matches!(tag[..2], [0x81, 0x00] | [0x88, 0xa8]);
    let priority = is_tag && tag[2] & 15 == 0 && tag[3] == 0;
    if priority { versioned(&tag[4..], &frame[18..]) } else { None }
}

/// What an LLC/SNAP envelope holds, as far as its length field reaches.
fn snap_packet(frame: &[u8]) -> Option<&[u8]> {
    let length = usize::from(u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?]));
    let body = frame.get(ETHERNET_HEADER..)?.get(..length)?;
    body.strip_prefix(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Extension, Ipv4, Ipv6, pad, snap, tag, udp};
    use std::net::Ipv4Addr;

    const IN: [Mac; 2] = [[2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]];
    const OUT: [Mac; 2] = [[2, 0, 0, 0, 2, 1], [2, 0, 0, 0, 2, 2]];

    fn packet(ttl: u8, options: &[u8]) -> Vec<u8> {
        let (source, destination) = (Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 2, 2));
        let header = Ipv4 { ttl, options: options.to_vec(), ..Ipv4::new(source, destination) };
        header.packet(&udp(source, destination, 7, 9, b"data"))
    }

    fn frame(packet: &[u8]) -> Vec<u8> {
        ethernet(IN[0], IN[1], ethertype::IPV4, packet)
    }

    fn leaves(packet: &[u8]) -> Option<Vec<u8>> {
        Some(ethernet(OUT[1], OUT[0], ethertype::IPV4, packet))
    }

    #[test]
    fn each_repair_comes_to_the_plain_packet_with_one_hop_less() {
        let (before, after) = (packet(64, &[]), leaves(&packet(63, &[])));
        let run = |action, bytes: Vec<u8>| repair(action, &bytes, OUT[0], OUT[1]);
        assert_eq!(forward(&pad(frame(&before)), OUT[0], OUT[1]), after);
        assert_eq!(run(ActionKind::StripTag, pad(tag(&frame(&before), 0x8100, 0xb000))), after);
        assert_eq!(run(ActionKind::Decapsulate, pad(snap(IN[0], IN[1], 0x0800, &before))), after);
        let with_route = frame(&packet(64, &[7, 7, 4, 0, 0, 0, 0, 0]));
        assert_eq!(run(ActionKind::ClearOptions, with_route), leaves(&packet(63, &[1; 7])));
    }

    #[test]
    fn an_ipv6_packet_loses_one_hop_and_its_padding_and_tag() {
        let packet = |hop_limit| {
            let (source, destination) = ("fd00:1::2".parse().unwrap(), "fd00:2::2".parse().unwrap());
            let extensions = vec![Extension::HopByHop(vec![0x1e, 1, 9])];
            Ipv6 { hop_limit, extensions, protocol: 59, ..Ipv6::new(source, destination) }.packet(&[])
        };
        let frame = |packet: &[u8]| ethernet(IN[0], IN[1], ethertype::IPV6, packet);
        let after = Some(ethernet(OUT[1], OUT[0], ethertype::IPV6, &packet(63)));
        assert_eq!(forward(&pad(frame(&packet(64))), OUT[0], OUT[1]), after);
        let tagged = tag(&frame(&packet(64)), 0x8100, 0xb000);
        assert_eq!(repair(ActionKind::StripTag, &tagged, OUT[0], OUT[1]), after);
        assert_eq!(forward(&frame(&packet(1)), OUT[0], OUT[1]), None);
        let mistyped = ethernet(IN[0], IN[1], ethertype::IPV4, &packet(64));
        assert_eq!(forward(&mistyped, OUT[0], OUT[1]), None);
        for len in 0..62 {
            assert_eq!(forward(&frame(&packet(64))[..len], OUT[0], OUT[1]), None, "{len}");
        }
    }

    #[test]
    fn what_an_action_is_not_about_does_not_leave() {
        let plain = frame(&packet(64, &[]));
        for &action in ActionKind::ALL {
            for len in 0..plain.len() {
                assert_eq!(repair(action, &plain[..len], OUT[0], OUT[1]), None);
            }
        }
        for action in [ActionKind::Drop, ActionKind::StripTag, ActionKind::Decapsulate, ActionKind::Inject] {
            assert_eq!(repair(action, &plain, OUT[0], OUT[1]), None, "{action}");
        }
        assert_eq!(repair(ActionKind::StripTag, &tag(&plain, 0x8100, 5), OUT[0], OUT[1]), None);
        assert_eq!(forward(&frame(&packet(1, &[])), OUT[0], OUT[1]), None);
        assert!(forward(&frame(&packet(2, &[])), OUT[0], OUT[1]).is_some());
    }
}

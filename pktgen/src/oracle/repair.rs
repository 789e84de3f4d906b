//! What may leave, byte for byte: forwarding, the repairs of discretionary reasons, and timestamp replies.
//!
//! Read first: RFC 1812 §5.3.1 (TTL) and §4.3.3.8; IEEE 802.1Q §6.8; RFC 1042; RFC 791 §3.1; RFC 792.
//! Everything is computed from scratch; the router's incremental checksums must come to the same bytes.

use crate::build::{ETHERNET_HEADER, Mac, adds_up, ethernet, ethertype, seal_ipv4};
use stack::ActionKind;

/// The frame as it leaves after `action`: for `forward` as it is, for `strip_tag`, `decapsulate` and
/// `clear_options` repaired first. `None` for any other action, where the frame is not one that the action
/// is about, and where nothing may leave because the time to live ends here.
pub fn repair(action: ActionKind, frame: &[u8], source: Mac, destination: Mac) -> Option<Vec<u8>> {
    let packet = match action {
        ActionKind::Forward => ipv4_payload(frame)?.to_vec(),
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

/// An IPv4 frame as the router sends it on: padding trimmed, TTL one less, checksum and addresses new.
/// `None` if it is no well-formed IPv4 frame, or its time to live ends here.
pub fn forward(frame: &[u8], source: Mac, destination: Mac) -> Option<Vec<u8>> {
    repair(ActionKind::Forward, frame, source, destination)
}

/// Is `reply` a right answer to this ICMP timestamp request? Identifier, sequence and originate timestamp come
/// back as they were, addresses are exchanged on both layers, both timestamps are set to one same or rising
/// time, all checksums hold, and nothing follows the 20 bytes.
pub fn timestamp_reply_matches(request: &[u8], reply: &[u8]) -> bool {
    matches_or_none(request, reply).unwrap_or(false)
}

fn matches_or_none(request: &[u8], reply: &[u8]) -> Option<bool> {
    let (asked, answered) = (ipv4_payload(request)?, ipv4_payload(reply)?);
    let (question, answer) = (icmp_message(asked)?, icmp_message(answered)?);
    let link = reply[..6] == request[6..12] && reply[6..12] == request[..6];
    let network = answered[16..20] == asked[12..16] && answered[12..16] == asked[16..20];
    if !link || !network || question.len() != 20 || answer.len() != 20 {
        return Some(false);
    }
    let time = |at: usize| u32::from_be_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]);
    let (received, sent) = (time(12), time(16));
    // RFC 792: with the high bit set the time is not milliseconds since midnight UT. In a day are 86,400,000.
    let standard = |at: u32| at & 0x8000_0000 != 0 || at < 86_400_000;
    // At midnight the sent time may be the smaller one.
    let rising = sent >= received || received - sent > 43_200_000;
    let headers = question[..2] == [13, 0] && answer[..2] == [14, 0] && answered[8] > 0;
    let copied = answer[4..12] == question[4..12];
    Some(headers && copied && standard(received) && standard(sent) && rising && adds_up(answer))
}

/// The ICMP message of a whole, well-formed packet.
fn icmp_message(packet: &[u8]) -> Option<&[u8]> {
    let (header_len, total) = measured(packet)?;
    let whole = packet[9] == 1 && packet[6] & 0x3f == 0 && packet[7] == 0;
    whole.then_some(&packet[header_len..total])
}

/// Header and total length, if RFC 1812 §5.2.2 has nothing against the header.
fn measured(packet: &[u8]) -> Option<(usize, usize)> {
    if packet.len() < 20 || packet[0] >> 4 != 4 {
        return None;
    }
    let header_len = usize::from(packet[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let fits = (20..=total).contains(&header_len) && total <= packet.len();
    (fits && adds_up(&packet[..header_len])).then_some((header_len, total))
}

fn send_on(packet: &[u8], source: Mac, destination: Mac) -> Option<Vec<u8>> {
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

/// Every option byte becomes No-Operation, so that nothing moves and nothing is left to act upon.
fn without_options(packet: &[u8]) -> Option<Vec<u8>> {
    let (header_len, total) = measured(packet)?;
    let mut packet = packet[..total].to_vec();
    packet[20..header_len].fill(1);
    seal_ipv4(&mut packet);
    Some(packet)
}

fn ipv4_payload(frame: &[u8]) -> Option<&[u8]> {
    (frame.get(12..14)? == [8, 0]).then_some(&frame[ETHERNET_HEADER..])
}

/// What a priority tag holds: type of the tag, VLAN id 0, inner type IPv4.
fn tagged_packet(frame: &[u8]) -> Option<&[u8]> {
    let tag = frame.get(12..18)?;
    let is_tag = matches!(tag[..2], [0x81, 0x00] | [0x88, 0xa8]);
    (is_tag && tag[2] & 15 == 0 && tag[3] == 0 && tag[4..] == [8, 0]).then_some(&frame[18..])
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
    use crate::build::{Ipv4, icmp, pad, protocol, snap, tag, udp};
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
        assert_eq!(run(ActionKind::ClearOptions, with_route), leaves(&packet(63, &[1; 8])));
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

    fn timestamp(kind: u8, times: [u32; 3]) -> Vec<u8> {
        let (client, router) = (Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 1, 1));
        let message = icmp(kind, 0, [1, 2, 3, 4], &times.map(u32::to_be_bytes).concat());
        let (header, link) = if kind == 13 {
            (Ipv4::new(client, router), IN)
        } else {
            (Ipv4::new(router, client), [IN[1], IN[0]])
        };
        let header = Ipv4 { protocol: protocol::ICMP, ..header };
        ethernet(link[0], link[1], ethertype::IPV4, &header.packet(&message))
    }

    #[test]
    fn a_timestamp_reply_is_checked_in_every_part() {
        let request = timestamp(13, [777, 0, 0]);
        let reply = timestamp(14, [777, 1_000, 1_001]);
        assert!(timestamp_reply_matches(&request, &reply));
        assert!(timestamp_reply_matches(&request, &timestamp(14, [777, 86_399_999, 0])));
        assert!(!timestamp_reply_matches(&request, &timestamp(14, [778, 1_000, 1_001])));
        assert!(!timestamp_reply_matches(&request, &timestamp(14, [777, 1_001, 1_000])));
        assert!(!timestamp_reply_matches(&request, &timestamp(14, [777, 86_400_000, 86_400_000])));
        assert!(!timestamp_reply_matches(&request, &request));
        // Any one bit wrong is found, but for those of the header that a reply may choose, which the
        // header's checksum covers all the same.
        for bit in 0..reply.len() * 8 {
            let mut wrong = reply.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!timestamp_reply_matches(&request, &wrong), "bit {bit}");
        }
        assert!(!timestamp_reply_matches(&[], &[]));
    }
}

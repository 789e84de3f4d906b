//! Whether a reply is a right one: timestamp replies and Parameter Problems, checked part by part.
//!
//! Read first: RFC 792; RFC 1812 §4.3.2 (sending ICMP errors), §4.3.3.5 and §4.3.3.8.

use super::judge::word;
use super::judge_ipv4::bad_option;
use super::repair::{ipv4_payload, measured};
use crate::build::adds_up;
use crate::world::World;
use stack::Anomaly;

/// RFC 1812 §4.3.2.3: an ICMP error is at most this long, with its IP header.
const LONGEST_ERROR: usize = 576;

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

/// Is `reply` a right Parameter Problem about `frame`, which came in by `port` and was judged to be `reason`?
/// It goes back to where the frame came from, from one of the router's addresses; its pointer names the wrong
/// octet; it quotes the header as received and at least 64 bits more, as far as the frame has them.
///
/// # Panics
/// If the world has no such port.
pub fn parameter_problem_matches(
    world: &World,
    port: u8,
    reason: Anomaly,
    frame: &[u8],
    reply: &[u8],
) -> bool {
    problem_or_none(world, port, reason, frame, reply).unwrap_or(false)
}

fn problem_or_none(world: &World, port: u8, reason: Anomaly, frame: &[u8], reply: &[u8]) -> Option<bool> {
    let (wrong, answered) = (ipv4_payload(frame)?, ipv4_payload(reply)?);
    let message = icmp_message(answered)?;
    let header_len = usize::from(wrong.first()? & 15) * 4;
    let pointer = usize::from(*message.get(4)?);
    let pointed = match reason {
        Anomaly::Ipv4TotalLengthShort | Anomaly::Ipv4TotalLengthOverrun => pointer == 2 || pointer == 3,
        Anomaly::Ipv4OptionMalformed => {
            // The option's first octet or its length, which is the one that is wrong; it may be missing.
            let at = 20 + bad_option(wrong.get(20..header_len)?)?;
            pointer == at || (pointer == at + 1 && at + 1 < header_len)
        }
        _ => false,
    };
    let quote = message.get(8..)?;
    let quoted = quote.len() >= wrong.len().min(header_len + 8) && wrong.starts_with(quote);
    let mac = world.ports[usize::from(port)].mac;
    let link = reply[..6] == frame[6..12] && reply[6..12] == mac;
    let from = [answered[12], answered[13], answered[14], answered[15]].into();
    let network = answered[16..20] == wrong[12..16] && world.is_router(from) && answered[8] > 0;
    let sized = usize::from(word(answered, 2)) <= LONGEST_ERROR;
    let head = message[..2] == [12, 0] && message[5..8] == [0; 3];
    Some(pointed && quoted && link && network && sized && head && adds_up(message))
}

/// The ICMP message of a whole, well-formed packet.
fn icmp_message(packet: &[u8]) -> Option<&[u8]> {
    let (header_len, total) = measured(packet)?;
    let whole = packet[9] == 1 && packet[6] & 0x3f == 0 && packet[7] == 0;
    whole.then_some(&packet[header_len..total])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::{Ipv4, Mac, ethernet, ethertype, icmp, protocol};
    use std::net::Ipv4Addr;

    const IN: [Mac; 2] = [[2, 0, 0, 0, 1, 1], [2, 0, 0, 0, 1, 2]];

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

    #[test]
    fn a_parameter_problem_is_checked_in_every_part() {
        let (client, router) = (Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 1, 1));
        let options = vec![1, 1, 7, 99];
        let wrong = Ipv4 { options, ..Ipv4::new(client, Ipv4Addr::new(10, 0, 2, 2)) }.packet(&[5; 20]);
        let frame = ethernet(IN[0], IN[1], ethertype::IPV4, &wrong);
        let reply = |pointer: u8, quote: &[u8], from: Ipv4Addr| {
            let header = Ipv4 { protocol: protocol::ICMP, ..Ipv4::new(from, client) };
            let message = icmp(12, 0, [pointer, 0, 0, 0], quote);
            ethernet(IN[1], IN[0], ethertype::IPV4, &header.packet(&message))
        };
        let matches =
            |reason, reply: &[u8]| parameter_problem_matches(&World::lab(), 0, reason, &frame, reply);
        let option = Anomaly::Ipv4OptionMalformed;
        assert!(matches(option, &reply(22, &wrong, router)));
        assert!(matches(option, &reply(23, &wrong[..32], router)));
        assert!(!matches(option, &reply(20, &wrong, router)));
        assert!(!matches(option, &reply(22, &wrong[..31], router)));
        assert!(!matches(option, &reply(22, &wrong, client)));
        assert!(!matches(option, &reply(22, &[wrong.clone(), vec![0]].concat(), router)));
        assert!(matches(Anomaly::Ipv4TotalLengthOverrun, &reply(2, &wrong, router)));
        assert!(!matches(Anomaly::Ipv4TotalLengthOverrun, &reply(22, &wrong, router)));
        assert!(!matches(Anomaly::Ipv4Checksum, &reply(10, &wrong, router)));
        let good = reply(22, &wrong, router);
        // The length octet may be pointed at as well, but then the checksum would have to follow.
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches(option, &bad), "bit {bit}");
        }
        assert!(!matches(option, &[]));
    }
}

//! Echo requests: the header digits that change (ping-delta), or the whole frame (ping-full).

use super::vocabulary::{self as v, BOS, CHECKSUM_BAD, CHECKSUM_OK, END, EOS, SEP, action, byte_of};
use super::{AnswerTokens, MAX_PROMPT, Prompt, Task};
use smoltcp::wire::{EthernetFrame, EthernetProtocol, Icmpv4Message, Icmpv4Packet, IpProtocol, Ipv4Packet};
use stack::{ActionKind, EchoDelta};
use std::ops::Range;

/// Nibbles of the answer to ping-delta, in order of their places in [`EchoDelta`].
const DELTA_NIBBLES: usize = 12;
const DROP: u16 = action(ActionKind::Drop);
const ECHO: u16 = action(ActionKind::EchoReply);

/// Bytes of the IPv4 header (0-19) and the ICMP header (20-27) in the order of a ping-delta prompt: first
/// those that the reply leaves alone, then those that the answer is made of.
const HEADER_ORDER: [u8; 28] = [
    0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, 24, 25, 26, 27, // copied or swapped
    8, 9, 10, 11, 20, 21, 22, 23, // TTL, protocol, checksum; type, code, checksum
];

/// Bytes of Ethernet, IPv4 and ICMP header.
const HEADERS: usize = 14 + 20 + 8;
/// Payload of the usual `ping`; with more, a frame is too long for ping-full.
pub const MAX_PAYLOAD: usize = 56;
/// Longest frame of ping-full, in bytes.
pub const MAX_FRAME: usize = HEADERS + MAX_PAYLOAD;
/// Where in the frame numbers stand that a reply changes: first byte, and how many.
const NUMBERS: [(usize, usize); 4] = [(22, 1), (24, 2), (34, 1), (36, 2)];
/// Tokens of the headers: one for each byte, one more for each byte of a number.
const HEADER_TOKENS: usize = HEADERS + 6;

/// The packet of a frame that is an ICMP echo request in an IPv4 header without options, unfragmented.
pub(crate) fn echo_request(frame: &[u8]) -> Option<Ipv4Packet<&[u8]>> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
    let whole = !ip.more_frags() && ip.frag_offset() == 0;
    if ip.version() != 4 || ip.header_len() != 20 || ip.next_header() != IpProtocol::Icmp || !whole {
        return None;
    }
    let icmp = Icmpv4Packet::new_checked(ip.payload()).ok()?;
    (icmp.msg_type() == Icmpv4Message::EchoRequest).then_some(ip)
}

/// The ping-delta prompt, if `frame` is an ICMP echo request in an IPv4 header without options. Whether its
/// two checksums are right is worked out here, in code, and told to the model.
pub fn delta_prompt(frame: &[u8]) -> Option<Prompt> {
    let ip = echo_request(frame)?;
    let icmp = Icmpv4Packet::new_checked(ip.payload()).ok()?;
    let verdict = |right: bool| if right { CHECKSUM_OK } else { CHECKSUM_BAD };
    let mut prompt = Prompt::new(Task::PingDelta);
    debug_assert_eq!(prompt.tokens().first(), Some(&BOS));
    prompt.extend([verdict(ip.verify_checksum()), verdict(icmp.verify_checksum())]);
    let header = frame.get(14..42)?;
    for &place in &HEADER_ORDER {
        let byte = u16::from(header[usize::from(place)]);
        prompt.extend([byte >> 4, byte & 15]);
    }
    prompt.push(SEP);
    Some(prompt)
}

/// The tokens of an echo reply's changes, or of `drop`. Checksums are spelt from their least significant digit,
/// as one adds.
pub fn delta_answer(delta: Option<EchoDelta>) -> AnswerTokens {
    let mut answer = AnswerTokens::new();
    match delta {
        None => drop(answer.push(DROP)),
        Some(delta) => {
            let _ = answer.push(ECHO);
            let _ = answer.extend_from_slice(&[u16::from(delta.ttl) >> 4, u16::from(delta.ttl) & 15]);
            let _ = answer.extend_from_slice(&digits(delta.ip_checksum));
            let kind = u16::from(delta.icmp_type);
            let _ = answer.extend_from_slice(&[kind >> 4, kind & 15]);
            let _ = answer.extend_from_slice(&digits(delta.icmp_checksum));
        }
    }
    let _ = answer.push(EOS);
    answer
}

/// What the answer to a ping-delta prompt says. `None` is `drop`.
pub fn delta_of(answer: &[u16]) -> Option<EchoDelta> {
    let [ECHO, digits @ .., EOS] = answer else { return None };
    let digits: &[u16; DELTA_NIBBLES] = digits.try_into().ok()?;
    if digits.iter().any(|&digit| digit > 15) {
        return None;
    }
    let word = |at: usize| (0..4).map(|i| digits[at + i] << (4 * i)).sum();
    let octet = |at: usize| (digits[at] << 4 | digits[at + 1]) as u8;
    Some(EchoDelta { ttl: octet(0), ip_checksum: word(2), icmp_type: octet(6), icmp_checksum: word(8) })
}

const fn digits(word: u16) -> [u16; 4] {
    [word & 15, word >> 4 & 15, word >> 8 & 15, word >> 12]
}

pub(super) fn delta_choices(answer: &[u16], offer: &mut impl FnMut(Range<u16>)) {
    match answer {
        [] => {
            offer(DROP..DROP + 1);
            offer(ECHO..ECHO + 1);
        }
        [ECHO, digits @ ..] if digits.len() < DELTA_NIBBLES => offer(0..16),
        _ => {}
    }
}

/// The ping-full prompt: the whole frame and nothing else, if it is an echo request of at most [`MAX_PAYLOAD`]
/// bytes of payload in an IPv4 header without options.
pub fn frame_prompt(frame: &[u8]) -> Option<Prompt> {
    let ip = echo_request(frame)?;
    let frame = &frame[..14 + usize::from(ip.total_len())];
    if frame.len() > MAX_FRAME {
        return None;
    }
    let mut prompt = Prompt::new(Task::PingFull);
    prompt.extend(spell(frame));
    prompt.push(END);
    prompt.push_at(SEP, MAX_PROMPT - 1);
    Some(prompt)
}

/// The tokens of a whole reply frame.
///
/// # Panics
/// If it is longer than any reply to a prompt of [`frame_prompt`], or shorter than its headers.
pub fn frame_answer(reply: &[u8]) -> AnswerTokens {
    assert!((HEADERS..=HEADERS + MAX_PAYLOAD).contains(&reply.len()), "no reply has {} bytes", reply.len());
    spell(reply).chain([EOS]).collect()
}

/// The reply frame that an answer spells.
pub fn frame_of(answer: &[u16]) -> Option<Vec<u8>> {
    let (&EOS, mut rest) = answer.split_last()? else { return None };
    let mut frame = Vec::new();
    while !rest.is_empty() {
        let (bytes, after) = match NUMBERS.iter().find(|(start, _)| *start == frame.len()) {
            Some(&(_, count)) => {
                let (digits, after) = rest.split_at_checked(2 * count)?;
                let digits = digits.iter().rev().map(|&digit| (digit < 16).then_some(digit as u8));
                let digits: Vec<u8> = digits.collect::<Option<_>>()?;
                (digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect(), after)
            }
            None => (vec![byte_of(rest[0])?], &rest[1..]),
        };
        frame.extend_from_slice(&bytes);
        rest = after;
    }
    (frame.len() >= HEADERS).then_some(frame)
}

/// A frame's tokens: bytes, and the numbers that a reply changes as digits, the least significant first.
fn spell(frame: &[u8]) -> impl Iterator<Item = u16> {
    let number =
        |at: usize| NUMBERS.iter().find(move |&&(start, count)| (start..start + count).contains(&at));
    frame.iter().enumerate().flat_map(move |(at, &value)| {
        let tokens: heapless::Vec<u16, 4> = match number(at) {
            None => [v::byte(value)].into_iter().collect(),
            Some(&(start, count)) if start == at => {
                let bytes = frame[start..start + count].iter().rev();
                bytes.flat_map(|&byte| [u16::from(byte) & 15, u16::from(byte) >> 4]).collect()
            }
            // Spelt with the number's first byte.
            Some(_) => heapless::Vec::new(),
        };
        tokens
    })
}

pub(super) fn frame_choices(answer: &[u16], offer: &mut impl FnMut(Range<u16>)) {
    let ended = answer.last() == Some(&EOS);
    if ended || answer.len() >= HEADER_TOKENS + MAX_PAYLOAD {
        return;
    }
    // Tokens before each number: its first byte's place, and a token more for each byte of a number before it.
    const DIGITS: [Range<usize>; 4] = [22..24, 25..29, 37..39, 40..44];
    if DIGITS.iter().any(|digits| digits.contains(&answer.len())) {
        offer(0..16);
    } else {
        offer(v::BYTE..v::CONSTANT);
    }
    if answer.len() >= HEADER_TOKENS {
        offer(EOS..EOS + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_ANSWER, assert_legal};
    use super::*;

    #[test]
    fn deltas_round_trip_and_are_legal() {
        let delta = EchoDelta { ttl: 64, ip_checksum: 0x1234, icmp_type: 0, icmp_checksum: 0xfedc };
        let answer = delta_answer(Some(delta));
        assert_eq!(delta_of(&answer), Some(delta));
        assert_eq!(answer[3..7], [4, 3, 2, 1]);
        assert_legal(Task::PingDelta, &answer);
        assert_legal(Task::PingDelta, &delta_answer(None));
        assert_eq!(delta_of(&delta_answer(None)), None);
        assert_eq!(delta_of(&[ECHO, 4, 0, EOS]), None);
    }

    #[test]
    fn whole_frames_round_trip_and_are_legal() {
        for payload in [0, 1, 7, MAX_PAYLOAD] {
            let frame: Vec<u8> = (0..HEADERS + payload).map(|at| (at * 37 + 5) as u8).collect();
            let answer = frame_answer(&frame);
            assert_eq!(answer.len(), HEADER_TOKENS + payload + 1);
            assert_eq!(frame_of(&answer).unwrap(), frame);
            assert_legal(Task::PingFull, &answer);
            for cut in 0..HEADER_TOKENS {
                let mut short: AnswerTokens = answer[..cut].iter().copied().collect();
                short.push(EOS).unwrap();
                assert_eq!(frame_of(&short), None, "{cut}");
            }
        }
        assert_eq!(HEADER_TOKENS + MAX_PAYLOAD + 1, MAX_ANSWER);
        assert_eq!(2 + HEADER_TOKENS + MAX_PAYLOAD + 2, MAX_PROMPT);
    }
}

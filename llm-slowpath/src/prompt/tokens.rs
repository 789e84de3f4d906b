//! Tokens of the embedded model: the one vocabulary that training and inference share.
//!
//! A header is spelt in hex digits, one token each, because digits make carries learnable. Everything
//! else is a word of its own: verdicts, postures, directions, fields, reasons, actions.

use heapless::Vec;
use smoltcp::wire::{EthernetFrame, EthernetProtocol, Icmpv4Message, Icmpv4Packet, IpProtocol, Ipv4Packet};
use stack::divert::Field;
use stack::{ActionKind, Anomaly, ClassKey, Direction, EchoDelta, Posture};

/// Number of tokens; a token is one byte.
pub const VOCABULARY: usize = 256;
/// No prompt is longer.
pub const MAX_PROMPT: usize = 64;
/// No answer is longer, with its [`EOS`].
pub const MAX_ANSWER: usize = 14;
/// No prompt and answer together are longer.
pub const MAX_TOKENS: usize = MAX_PROMPT + MAX_ANSWER;

/// Starts every prompt.
pub const BOS: u8 = 16;
/// Ends every prompt.
pub const SEP: u8 = 17;
/// Ends every answer.
pub const EOS: u8 = 18;
/// Fills up what training pads; never occurs in a prompt or an answer.
pub const PAD: u8 = 19;
/// The task: decide about a diverted frame from its class key.
pub const TRIAGE: u8 = 20;
/// The task: compute the reply to an echo request.
pub const PING: u8 = 21;
/// The classifier found the checksum right.
pub const CHECKSUM_OK: u8 = 22;
/// The classifier found the checksum wrong.
pub const CHECKSUM_BAD: u8 = 23;

const DIRECTION: u8 = 24;
const POSTURE: u8 = 26;
const FIELD: u8 = 32;
const ACTION: u8 = 64;
const REASON: u8 = 128;

/// Nibbles of the answer to a ping, in order of their places in [`EchoDelta`].
const DELTA_NIBBLES: usize = 12;

/// Bytes of the IPv4 header (0-19) and the ICMP header (20-27) in the order of a ping prompt: first
/// those that the reply leaves alone, then those that the answer is made of.
const HEADER_ORDER: [u8; 28] = [
    0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15, 16, 17, 18, 19, 24, 25, 26, 27, // copied or swapped
    8, 9, 10, 11, 20, 21, 22, 23, // TTL, protocol, checksum; type, code, checksum
];

/// A prompt.
pub type Prompt = Vec<u8, MAX_PROMPT>;
/// An answer, with its [`EOS`].
pub type AnswerTokens = Vec<u8, MAX_ANSWER>;

/// The token of a direction.
pub const fn direction(direction: Direction) -> u8 {
    DIRECTION
        + match direction {
            Direction::ToSelf => 0,
            Direction::Transit => 1,
        }
}

/// The token of a posture.
pub const fn posture(posture: Posture) -> u8 {
    POSTURE
        + match posture {
            Posture::Strict => 0,
            Posture::Balanced => 1,
            Posture::Open => 2,
        }
}

/// The token of a field's name.
pub const fn field(field: Field) -> u8 {
    FIELD + field as u8
}

/// The token of an action.
pub const fn action(kind: ActionKind) -> u8 {
    ACTION + kind as u8
}

/// The token of a reason.
pub const fn reason(reason: Anomaly) -> u8 {
    REASON + reason.code()
}

/// The action that a token names.
pub const fn action_of(token: u8) -> Option<ActionKind> {
    match token.checked_sub(ACTION) {
        Some(code) => ActionKind::from_code(code),
        None => None,
    }
}

/// How a token is shown to people: hex digits as themselves, words in angle brackets.
pub fn name(token: u8) -> &'static str {
    const DIGITS: [&str; 16] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"];
    match token {
        0..BOS => DIGITS[token as usize],
        BOS => "<begin>",
        SEP => "<answer>",
        EOS => "<end>",
        PAD => "<pad>",
        TRIAGE => "<triage>",
        PING => "<ping>",
        CHECKSUM_OK => "<checksum_ok>",
        CHECKSUM_BAD => "<checksum_bad>",
        DIRECTION => Direction::ToSelf.name(),
        25 => Direction::Transit.name(),
        POSTURE..FIELD => Posture::ALL.get((token - POSTURE) as usize).map_or("<unused>", |p| p.name()),
        FIELD..ACTION => Field::ALL.get((token - FIELD) as usize).map_or("<unused>", |f| f.name()),
        ACTION..REASON => action_of(token).map_or("<unused>", ActionKind::name),
        REASON.. => Anomaly::from_code(token - REASON).map_or("<unused>", Anomaly::name),
    }
}

/// The class prompt: exactly what the class key holds, without the port, which no decision consults.
pub fn triage_prompt(key: &ClassKey) -> Prompt {
    let mut prompt = Prompt::new();
    // Room: 6 tokens and 5 for each of at most MAX_FIELDS (4) fields.
    let head = [BOS, TRIAGE, posture(key.posture), direction(key.direction), reason(key.reason)];
    let _ = prompt.extend_from_slice(&head);
    for &consulted in &key.fields {
        let _ = prompt.push(field(consulted.field));
        for shift in [12, 8, 4, 0] {
            let _ = prompt.push((consulted.value >> shift & 15) as u8);
        }
    }
    let _ = prompt.push(SEP);
    prompt
}

/// The ping prompt, if `frame` is an ICMP echo request in an IPv4 header without options. Whether its
/// two checksums are right is worked out here, in code, and told to the model.
pub fn ping_prompt(frame: &[u8]) -> Option<Prompt> {
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
    if icmp.msg_type() != Icmpv4Message::EchoRequest {
        return None;
    }
    let verdict = |right: bool| if right { CHECKSUM_OK } else { CHECKSUM_BAD };
    let mut prompt = Prompt::new();
    let head = [BOS, PING, verdict(ip.verify_checksum()), verdict(icmp.verify_checksum())];
    let _ = prompt.extend_from_slice(&head);
    let header = ethernet.payload().get(..28)?;
    for &place in &HEADER_ORDER {
        let byte = header[usize::from(place)];
        let _ = prompt.extend_from_slice(&[byte >> 4, byte & 15]);
    }
    let _ = prompt.push(SEP);
    Some(prompt)
}

/// The tokens of an answer that its kind alone describes.
pub fn symbolic_answer(kind: ActionKind) -> AnswerTokens {
    let mut answer = AnswerTokens::new();
    let _ = answer.extend_from_slice(&[action(kind), EOS]);
    answer
}

/// The tokens of an echo reply. Checksums are spelt from their least significant digit, as one adds.
pub fn echo_answer(delta: EchoDelta) -> AnswerTokens {
    let mut answer = AnswerTokens::new();
    let _ = answer.push(action(ActionKind::EchoReply));
    let _ = answer.extend_from_slice(&[delta.ttl >> 4, delta.ttl & 15]);
    let _ = answer.extend_from_slice(&digits(delta.ip_checksum));
    let _ = answer.extend_from_slice(&[delta.icmp_type >> 4, delta.icmp_type & 15]);
    let _ = answer.extend_from_slice(&digits(delta.icmp_checksum));
    let _ = answer.push(EOS);
    answer
}

/// What the tokens after `echo_reply` say, if they are the digits of an [`EchoDelta`].
pub fn echo_delta(digits: &[u8]) -> Option<EchoDelta> {
    let digits: &[u8; DELTA_NIBBLES] = digits.try_into().ok()?;
    if digits.iter().any(|&digit| digit > 15) {
        return None;
    }
    let word = |at: usize| (0..4).map(|i| u16::from(digits[at + i]) << (4 * i)).sum();
    Some(EchoDelta {
        ttl: digits[0] << 4 | digits[1],
        ip_checksum: word(2),
        icmp_type: digits[6] << 4 | digits[7],
        icmp_checksum: word(8),
    })
}

const fn digits(word: u16) -> [u8; 4] {
    [(word & 15) as u8, (word >> 4 & 15) as u8, (word >> 8 & 15) as u8, (word >> 12) as u8]
}

/// May `next` follow `answer` in the reply to a prompt of task `task` ([`TRIAGE`] or [`PING`])? Decoding
/// considers no other token, so every answer parses.
pub fn legal(task: u8, answer: &[u8], next: u8) -> bool {
    const DROP: u8 = action(ActionKind::Drop);
    const ECHO: u8 = action(ActionKind::EchoReply);
    match (answer, task) {
        ([], PING) => matches!(next, DROP | ECHO),
        ([], _) => action_of(next).is_some_and(|kind| kind.symbolic().is_some()),
        ([ECHO, digits @ ..], _) if digits.len() < DELTA_NIBBLES => next < 16,
        _ => next == EOS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_do_not_overlap_and_every_used_one_has_a_name() {
        let mut used = std::collections::BTreeSet::new();
        let mut add = |token: u8| {
            assert!(used.insert(token), "{token} is used twice");
            assert_ne!(name(token), "<unused>");
        };
        (0..=CHECKSUM_BAD).for_each(&mut add);
        [Direction::ToSelf, Direction::Transit].into_iter().for_each(|d| add(direction(d)));
        Posture::ALL.into_iter().for_each(|p| add(posture(p)));
        Field::ALL.iter().for_each(|&f| add(field(f)));
        ActionKind::ALL.iter().for_each(|&a| add(action(a)));
        Anomaly::ALL.iter().for_each(|&a| add(reason(a)));
    }

    #[test]
    fn echo_answers_round_trip_and_are_legal() {
        let delta = EchoDelta { ttl: 64, ip_checksum: 0x1234, icmp_type: 0, icmp_checksum: 0xfedc };
        let answer = echo_answer(delta);
        assert_eq!(answer.len(), MAX_ANSWER);
        assert_eq!(echo_delta(&answer[1..13]), Some(delta));
        assert_eq!(answer[3..7], [4, 3, 2, 1]);
        for at in 0..answer.len() {
            assert!(legal(PING, &answer[..at], answer[at]));
            assert!(!legal(PING, &answer[..at], PAD));
        }
        assert!(!legal(TRIAGE, &[], action(ActionKind::EchoReply)));
    }
}

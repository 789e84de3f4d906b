//! Echo requests for ping-delta and ping-full, some of them steered to where carries run far.
//!
//! Held out: source addresses of 100/8 to 119/8 and 172/8, payloads of 5, 13, 21 ... bytes, every eleventh time to
//! live, and IPv4 identifications from 0xc000 to 0xcfff. Read first: RFC 792, RFC 1071, RFC 1624.

use super::{Item, Question, Right, Split, draw, rng};
use crate::dice::Draw;
use crate::echo::{EchoRequest, Faults, echo_reply};
use crate::oracle;
use rand::Rng;
use stack::EchoDelta;

/// Longest payload of ping-full: that of the usual `ping`.
pub const MAX_PAYLOAD: usize = 56;

/// Does the request show something that training never does?
pub fn held_out(request: &EchoRequest) -> bool {
    let address = matches!(request.source[0], 100..120 | 172);
    let payload = request.payload.len() % 8 == 5;
    address || payload || request.ttl % 11 == 3 || (0xc000..0xd000).contains(&request.ident)
}

/// The ping-delta question number `index`. In `hard` of 100 the checksums are steered to where carries run far,
/// which natural traffic does only once in hundreds of packets.
pub fn delta(split: Split, seed: u64, index: u64, hard: usize) -> Item {
    let rng = &mut rng(1, split, seed, index);
    let request = draw(split, || sample(rng, hard), held_out);
    let frame = request.frame();
    let right = oracle::echo_delta(&frame);
    Item { question: Question::PingDelta(frame), right: Right::PingDelta(right) }
}

/// The ping-full question number `index`: a sound request of at most [`MAX_PAYLOAD`] bytes.
pub fn full(split: Split, seed: u64, index: u64, hard: usize) -> Item {
    let rng = &mut rng(2, split, seed, index);
    let make = || {
        let mut request = sample(rng, hard);
        let sound = request.faults == Faults::default();
        request.faults = Faults::default();
        request.code = 0;
        // A request with an ECN mark is not for a model: its reply must not copy it.
        request.tos &= 0xfc;
        request.payload = payload(rng);
        if rng.one_in(3) {
            confuse(&mut request, rng);
        }
        // The payload has changed the ICMP checksum: steer it anew.
        if sound && rng.below(100) < hard {
            steer(&mut request, rng);
        }
        request
    };
    let request = draw(split, make, held_out);
    let frame = request.frame();
    let reply = echo_reply(&frame).expect("the request is sound");
    Item { question: Question::PingFull(frame), right: Right::PingFull(reply) }
}

/// The fields of a reply that ping-delta asks for.
pub fn delta_of(reply: &[u8]) -> EchoDelta {
    EchoDelta {
        ttl: reply[22],
        ip_checksum: u16::from_be_bytes([reply[24], reply[25]]),
        icmp_type: reply[34],
        icmp_checksum: u16::from_be_bytes([reply[36], reply[37]]),
    }
}

fn sample(rng: &mut impl Rng, hard: usize) -> EchoRequest {
    let mut request = EchoRequest::sample(rng.next_u64(), 0);
    if rng.below(100) < hard {
        steer(&mut request, rng);
    }
    request
}

/// Makes addresses and numbers as people choose them, of few different bytes: those that stand elsewhere in the headers,
/// too. Who copies by what a byte is, and not by where it stands, goes wrong then.
fn confuse(request: &mut EchoRequest, rng: &mut impl Rng) {
    const COMMON: [u8; 8] = [0x00, 0x01, 0x08, 0x40, 0x45, 0x54, 0x80, 0xff];
    let mut plain = |bytes: &mut [u8]| {
        if rng.one_in(4) {
            return;
        }
        let zeros = rng.one_in(2);
        for byte in bytes {
            *byte = match rng.below(4) {
                0 => rng.below(4) as u8,
                1 => *rng.pick(&COMMON),
                _ if zeros => 0,
                _ => rng.below(16) as u8,
            };
        }
    };
    plain(&mut request.link_destination[1..]);
    plain(&mut request.link_source[1..]);
    plain(&mut request.source[1..]);
    plain(&mut request.destination[1..]);
    let mut numbers = [request.ident, request.id, request.sequence].map(u16::to_be_bytes);
    numbers.iter_mut().for_each(|number| plain(number));
    [request.ident, request.id, request.sequence] = numbers.map(u16::from_be_bytes);
    let some = request.payload.len().min(8);
    plain(&mut request.payload[..some]);
}

/// Half of the time the usual 56 bytes, else any number up to it: what `ping` sends, one byte over and over, or
/// anything.
fn payload(rng: &mut impl Rng) -> Vec<u8> {
    let len = if rng.one_in(2) { MAX_PAYLOAD } else { rng.below(MAX_PAYLOAD + 1) };
    match rng.below(4) {
        0 => (0..len).map(|at| if at < 16 { rng.byte() } else { at as u8 }).collect(),
        1 => vec![rng.byte(); len],
        _ => rng.bytes(len),
    }
}

/// Chooses identifiers that bring both checksums to values near a carry.
fn steer(request: &mut EchoRequest, rng: &mut impl Rng) {
    request.faults = Faults::default();
    if rng.one_in(2) {
        // Every time to live as often as every other, and 0 too, which a destination must not refuse.
        request.ttl = rng.byte();
    }
    let frame = request.frame();
    // A checksum falls by what a summed word rises, in one's complement.
    let target = hard_checksum(rng, i32::from(request.ttl) - 64);
    let now = u16::from_be_bytes([frame[24], frame[25]]);
    request.ident = add(request.ident, add(now, !target));
    let target = hard_checksum(rng, 8);
    let now = u16::from_be_bytes([frame[36], frame[37]]);
    request.id = add(request.id, add(now, !target));
}

/// A checksum whose low byte makes an end-around carry run on, or whose high byte is at its edge when `rise` is
/// added to it.
fn hard_checksum(rng: &mut impl Rng, rise: i32) -> u16 {
    let edge = if rise >= 0 { 256 - rise } else { -rise };
    let high = match rng.below(4) {
        0 => rng.byte(),
        1 => (edge - 2 + rng.below(5) as i32).clamp(0, 255) as u8,
        // Past the edge: the carry comes around.
        _ if rise >= 0 => rng.between(edge.min(255) as usize, 255) as u8,
        _ => rng.below(edge as usize) as u8,
    };
    let mut nibble = || match rng.below(4) {
        0 => rng.below(16) as u16,
        _ if rise >= 0 => 15,
        _ => 0,
    };
    u16::from(high) << 8 | nibble() << 4 | nibble()
}

/// One's complement addition.
const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(frame: &[u8], at: usize) -> u16 {
        u16::from_be_bytes([frame[at], frame[at + 1]])
    }

    #[test]
    fn answers_are_incremental_updates_of_the_requests_checksums() {
        // RFC 1624 against the oracle, which computes from scratch.
        let (mut replies, mut carries) = (0, 0);
        for index in 0..4_000 {
            let item = delta(Split::Training, 6, index, 60);
            let (Question::PingDelta(frame), Right::PingDelta(Some(delta))) = (&item.question, &item.right)
            else {
                continue;
            };
            let (ttl, ip, icmp) = (u16::from(frame[22]), word(frame, 24), word(frame, 36));
            let fallen = add(ip, add(ttl << 8, !(64 << 8)));
            // One's complement has two zeroes; a header's checksum is never 0xffff.
            assert_eq!(delta.ip_checksum % 0xffff, fallen % 0xffff, "{index}");
            assert_eq!(delta.icmp_checksum % 0xffff, add(icmp, 0x0800) % 0xffff, "{index}");
            replies += 1;
            carries += u32::from(icmp > 0xf7ff);
        }
        assert!(replies > 3_000 && carries > 700, "{replies} {carries}");
    }

    #[test]
    fn training_draws_nothing_that_is_held_out_and_the_other_split_nothing_else() {
        for index in 0..3_000 {
            for (split, bad) in [(Split::Training, 0), (Split::HeldOut, 1)] {
                for item in [delta(split, 3, index, 40), full(split, 3, index, 40)] {
                    let (Question::PingDelta(frame) | Question::PingFull(frame)) = &item.question else {
                        panic!("{item:?}");
                    };
                    let source = matches!(frame[26], 100..120 | 172);
                    let ident = frame[18] >> 4 == 0xc;
                    let odd = source || ident || (frame.len() - 42) % 8 == 5 || frame[22] % 11 == 3;
                    assert_eq!(u8::from(odd), bad, "{index} {split:?}");
                }
            }
        }
    }

    #[test]
    fn whole_frames_are_sound_and_of_the_usual_length_half_of_the_time() {
        let mut usual = 0;
        for index in 0..2_000 {
            let item = full(Split::Training, 1, index, 50);
            let (Question::PingFull(frame), Right::PingFull(reply)) = (&item.question, &item.right) else {
                panic!("{item:?}");
            };
            assert_eq!(frame.len(), reply.len());
            assert_eq!(frame[42..], reply[42..]);
            usual += u32::from(frame.len() == 98);
            assert!(frame.len() <= 98);
        }
        assert!((800..1_200).contains(&usual), "{usual}");
    }
}

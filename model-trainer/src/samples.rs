//! Training and exam samples: prompts from seeded traffic, and the oracle's answers to them.

use llm_slowpath::prompt::tokens::{self, AnswerTokens, Prompt};
use pktgen::echo::{EchoRequest, echo_reply};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use stack::{ActionKind, EchoDelta};

/// A prompt and the one right answer to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    /// What the model is asked.
    pub(crate) prompt: Prompt,
    /// What it must answer, with the end token.
    pub(crate) answer: AnswerTokens,
}

/// Bytes of one sample on the pipe to the trainer: the two lengths, then the tokens, padded.
pub(crate) const RECORD: usize = 2 + tokens::MAX_TOKENS;

impl Sample {
    /// The sample as it crosses the pipe.
    pub(crate) fn record(&self) -> [u8; RECORD] {
        let mut record = [tokens::PAD; RECORD];
        record[0] = self.prompt.len() as u8;
        record[1] = self.answer.len() as u8;
        let (prompt, rest) = record[2..].split_at_mut(self.prompt.len());
        prompt.copy_from_slice(&self.prompt);
        rest[..self.answer.len()].copy_from_slice(&self.answer);
        record
    }
}

/// The generator of sample number `index` of stream `seed`.
pub(crate) fn rng(seed: u64, index: u64) -> Pcg64Mcg {
    Pcg64Mcg::seed_from_u64(seed ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Ping sample number `index` of stream `seed`. In `hard` of 100 samples the checksums are steered to
/// where carries run far, which natural traffic does only once in hundreds of packets.
pub(crate) fn ping(seed: u64, index: u64, hard: u32) -> Sample {
    let mut request = EchoRequest::sample(seed, index);
    let rng = &mut rng(!seed, index);
    if rng.random_ratio(hard, 100) {
        steer(&mut request, rng);
    }
    ping_sample(&request.frame())
}

/// The sample for one echo request.
///
/// # Panics
/// If the frame is none.
pub(crate) fn ping_sample(frame: &[u8]) -> Sample {
    let prompt = tokens::ping_prompt(frame).expect("the generator makes echo requests only");
    let answer = match echo_reply(frame) {
        None => tokens::symbolic_answer(ActionKind::Drop),
        Some(reply) => tokens::echo_answer(EchoDelta {
            ttl: reply[22],
            ip_checksum: u16::from_be_bytes([reply[24], reply[25]]),
            icmp_type: reply[34],
            icmp_checksum: u16::from_be_bytes([reply[36], reply[37]]),
        }),
    };
    Sample { prompt, answer }
}

/// Chooses identifiers that bring both checksums to values near a carry.
fn steer(request: &mut EchoRequest, rng: &mut impl Rng) {
    request.faults = pktgen::echo::Faults::default();
    if rng.random() {
        // Every time to live as often as every other, and 0 too, which a destination must not refuse.
        request.ttl = rng.random();
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

/// A checksum whose low byte makes an end-around carry run on, or whose high byte is at its edge when
/// `rise` is added to it.
fn hard_checksum(rng: &mut impl Rng, rise: i32) -> u16 {
    let edge = if rise >= 0 { 256 - rise } else { -rise };
    let high = match rng.random_range(0..4_u8) {
        0 => rng.random(),
        1 => (edge + rng.random_range(-2..=2)).clamp(0, 255) as u8,
        // Past the edge: the carry comes around.
        _ if rise >= 0 => rng.random_range(edge.min(255)..=255) as u8,
        _ => rng.random_range(0..edge) as u8,
    };
    let nibble = |rng: &mut _| match RngExt::random_range(rng, 0..4_u8) {
        0 => RngExt::random_range(rng, 0..16_u8),
        _ if rise >= 0 => 15,
        _ => 0,
    };
    u16::from(high) << 8 | u16::from(nibble(rng)) << 4 | u16::from(nibble(rng))
}

/// One's complement addition.
const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_and_index_determine_a_sample_and_a_record_holds_it() {
        for index in 0..200 {
            let sample = ping(5, index, 50);
            assert_eq!(sample, ping(5, index, 50));
            let record = sample.record();
            let (prompt, answer) = (usize::from(record[0]), usize::from(record[1]));
            assert_eq!(record[2..][..prompt], *sample.prompt);
            assert_eq!(record[2 + prompt..][..answer], *sample.answer);
            assert!(record[2 + prompt + answer..].iter().all(|&token| token == tokens::PAD));
        }
    }

    #[test]
    fn answers_are_incremental_updates_of_the_prompts_checksums() {
        // RFC 1624 against the oracle, which computes from scratch; read off the tokens alone.
        let word = |digits: &[u8]| digits.iter().fold(0, |word, &digit| word << 4 | u16::from(digit));
        let (mut replies, mut carries) = (0, 0);
        for index in 0..4_000 {
            let Sample { prompt, answer } = ping(6, index, 60);
            let Some(delta) = tokens::echo_delta(&answer[1..answer.len() - 1]) else { continue };
            let ttl = word(&prompt[44..46]);
            let (ip, icmp) = (word(&prompt[48..52]), word(&prompt[56..60]));
            let fallen = add(ip, add(ttl << 8, !(64 << 8)));
            // One's complement has two zeroes; a header's checksum is never 0xffff.
            assert_eq!(delta.ip_checksum % 0xffff, fallen % 0xffff, "{index}");
            assert_eq!(delta.icmp_checksum % 0xffff, add(icmp, 0x0800) % 0xffff, "{index}");
            replies += 1;
            carries += u32::from(icmp > 0xf7ff);
        }
        assert!(replies > 3_000 && carries > 700, "{replies} {carries}");
    }
}

//! What packets carry: one block of random bytes whose sums are known beforehand.
//!
//! Read first: RFC 1071 §2: a sum over a piece is the difference of two sums from the beginning.

use crate::dice::{Counter, key};
use rand::Rng;

/// The block repeats after this many bytes.
const PERIOD: usize = 4096;
/// The longest piece that is read at once.
const LONGEST: usize = super::FRAME_MAX;
const STREAM: u64 = 0x700;

/// An endless repetition of one block of random bytes.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    bytes: Box<[u8]>,
    /// Sums of the 16-bit words before each word.
    sums: Box<[u64]>,
}

impl Payload {
    pub(super) fn new(seed: u64) -> Self {
        let mut bytes = vec![0; PERIOD + LONGEST];
        Counter::new(key(seed, STREAM), 0).fill_bytes(&mut bytes[..PERIOD]);
        bytes.copy_within(..LONGEST, PERIOD);
        let mut sums = vec![0];
        for word in bytes[..PERIOD].as_chunks::<2>().0 {
            sums.push(sums[sums.len() - 1] + u64::from(u16::from_be_bytes(*word)));
        }
        Self { bytes: bytes.into(), sums: sums.into() }
    }

    /// `len` bytes from `at` on, at most one frame's.
    pub(super) fn bytes(&self, at: usize, len: usize) -> &[u8] {
        &self.bytes[at % PERIOD..][..len]
    }

    /// The sum of the 16-bit words of `len` bytes from `at` on, an odd last byte padded with zero. `at` is even.
    pub(super) fn sum(&self, at: usize, len: usize) -> u64 {
        debug_assert!(at.is_multiple_of(2));
        let end = at + len;
        let odd = if end % 2 == 1 { u64::from(self.bytes[(end - 1) % PERIOD]) << 8 } else { 0 };
        self.before(end & !1) - self.before(at) + odd
    }

    /// The sum of everything before the even offset `at`.
    fn before(&self, at: usize) -> u64 {
        (at / PERIOD) as u64 * self.sums[PERIOD / 2] + self.sums[at % PERIOD / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sum::{fold, sum};

    #[test]
    fn sums_are_those_of_the_bytes() {
        let payload = Payload::new(3);
        for at in [0, 2, 8, 20, 1480, 4090, 4096, 8190] {
            for len in [0, 1, 2, 7, 18, 552, 1473] {
                let bytes = payload.bytes(at, len);
                assert_eq!((bytes.len(), fold(payload.sum(at, len))), (len, sum(bytes) as u16), "{at} {len}");
            }
        }
        // Longer than one frame, and than the period.
        let long: Vec<u8> = (0..7).flat_map(|piece| payload.bytes(piece * 1480, 1480)).copied().collect();
        assert_eq!(fold(payload.sum(8, long.len() - 8)), sum(&long[8..]) as u16);
    }
}

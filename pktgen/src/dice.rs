//! Random draws whose results depend on the generator's raw words alone.
//!
//! `rand`'s own distributions may change their sampling from one release to the next; frames must not, or a
//! seed in a bug report would name another frame next year. So numbers are drawn here, from `next_u64`.
//! Nothing here follows an RFC; the multiply-shift reduction is Lemire's, without the rejection step.

use rand::rand_core::utils::fill_bytes_via_next_word;
use rand::{Rng, TryRng};
use rand_pcg::Pcg64Mcg;
use std::convert::Infallible;

/// Small draws on top of any random number generator.
pub trait Draw: Rng {
    /// A number below `n`; 0 if `n` is 0.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True once in `n` draws on average.
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of the items.
    ///
    /// # Panics
    /// If there are none.
    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Any byte.
    fn byte(&mut self) -> u8 {
        (self.next_u64() >> 56) as u8
    }

    /// Any 16-bit number.
    fn word(&mut self) -> u16 {
        (self.next_u64() >> 48) as u16
    }

    /// `n` random bytes.
    fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        self.fill_bytes(&mut bytes);
        bytes
    }
}

impl<R: Rng + ?Sized> Draw for R {}

/// The generator for item `index` of stream `stream` under `seed`: random access, no order of calls matters.
pub fn rng_for(seed: u64, stream: u64, index: u64) -> Pcg64Mcg {
    let low = scramble(key(seed, stream) ^ index);
    let high = scramble(low ^ seed.rotate_left(32));
    Pcg64Mcg::new((u128::from(high) << 64) | u128::from(low))
}

/// What keeps one stream under one seed apart from all others.
pub(crate) const fn key(seed: u64, stream: u64) -> u64 {
    scramble(seed ^ scramble(stream))
}

/// SplitMix64 from a state that (key, index) names: ready in one step, where [`rng_for`] takes four and a multiplication
/// of 128 bits for each draw. For frames by the million.
#[derive(Debug, Clone)]
pub(crate) struct Counter(u64);

impl Counter {
    /// The draws for item `index` under a [`key`].
    pub(crate) const fn new(key: u64, index: u64) -> Self {
        Self(scramble(key ^ index))
    }

    const fn next(&mut self) -> u64 {
        let word = scramble(self.0);
        self.0 = self.0.wrapping_add(GAMMA);
        word
    }
}

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.next() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.next())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill_bytes_via_next_word(bytes, || self.try_next_u64())
    }
}

/// By how much SplitMix64 counts on: odd, and 2^64 over the golden ratio.
const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64: neighbouring inputs give unrelated outputs.
const fn scramble(word: u64) -> u64 {
    let word = word.wrapping_add(GAMMA);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_within_their_bounds_and_reach_them() {
        let mut rng = rng_for(1, 2, 3);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[rng.below(7)] = true;
            assert!((3..=5).contains(&rng.between(3, 5)));
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(rng.below(0), 0);
        assert_eq!(rng.between(9, 9), 9);
        assert_eq!(rng.bytes(5).len(), 5);
    }

    /// The first outputs of SplitMix64 from state 0, as its authors' code gives them.
    #[test]
    fn the_counter_is_splitmix64() {
        let mut counter = Counter(0);
        let words = [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f];
        assert_eq!([counter.next(), counter.next(), counter.next()], words);
    }

    #[test]
    fn seed_stream_and_index_each_matter() {
        matter(|seed, stream, index| rng_for(seed, stream, index).next_u64());
        matter(|seed, stream, index| Counter::new(key(seed, stream), index).next_u64());
    }

    fn matter(first: impl Fn(u64, u64, u64) -> u64) {
        let base = first(1, 1, 1);
        assert_eq!(base, first(1, 1, 1));
        assert_ne!(base, first(2, 1, 1));
        assert_ne!(base, first(1, 2, 1));
        assert_ne!(base, first(1, 1, 2));
    }
}

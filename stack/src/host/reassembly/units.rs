//! A set of 8-byte units of a datagram: fragments begin and, but for the last, end between units.

use super::REASSEMBLED_MAX;
use core::ops::Range;

const WORDS: usize = REASSEMBLED_MAX / 8 / 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Units([u64; WORDS]);

impl Units {
    pub(super) const NONE: Self = Self([0; WORDS]);

    /// Adds these units; what is past the last one is ignored.
    pub(super) fn add(&mut self, units: Range<usize>) {
        for (word, mask) in self.0.iter_mut().zip(masks(units)) {
            *word |= mask;
        }
    }

    /// How many of these units are in the set?
    pub(super) fn count(&self, units: Range<usize>) -> usize {
        self.0.iter().zip(masks(units)).map(|(word, mask)| (word & mask).count_ones() as usize).sum()
    }

    /// Is this unit in the set?
    pub(super) fn has(&self, unit: usize) -> bool {
        self.count(unit..unit.saturating_add(1)) == 1
    }
}

/// The bits of these units, word by word.
fn masks(units: Range<usize>) -> impl Iterator<Item = u64> {
    (0..WORDS).map(move |word| {
        let bit = |unit: usize| unit.saturating_sub(word * 64).min(64);
        below(bit(units.end)) & !below(bit(units.start))
    })
}

const fn below(bit: usize) -> u64 {
    if bit < 64 { (1 << bit) - 1 } else { u64::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_within_across_and_beyond_words() {
        for (from, to) in [(0, 1), (0, 64), (63, 65), (1, 512), (64, 128), (130, 130), (500, 9000)] {
            let mut set = Units::NONE;
            set.add(from..to);
            for unit in 0..512 {
                assert_eq!(set.has(unit), (from..to).contains(&unit), "{unit} of {from}..{to}");
            }
            assert_eq!(set.count(0..usize::MAX), to.min(512) - from);
        }
        assert!(!Units::NONE.has(usize::MAX));
    }
}

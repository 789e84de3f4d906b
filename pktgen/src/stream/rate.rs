//! When each frame is sent, in virtual time: any frame's time by itself, without those before it.
//!
//! Read first: RFC 2330 §11.1.1 (Poisson sampling: why gaps that are exponentially distributed).

use crate::dice::{Counter, key};
use rand::Rng;
use std::time::Duration;

const STREAM: u64 = 0x701;

/// How much is sent in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// So many packets.
    PacketsPerSecond(u64),
    /// So many bits of frames, on average over the stream: as a capture has the frames, without FCS, preamble and gap.
    BitsPerSecond(u64),
}

/// How far one frame is behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Spacing {
    /// Always the same.
    #[default]
    Constant,
    /// By exponentially distributed gaps, as of many senders that know nothing of each other. Every 65,536 frames take as long
    /// as at constant spacing.
    Poisson,
}

/// Gaps that are drawn at once; a power of two.
const GAPS: usize = 1 << 16;
/// One gap of constant spacing.
const ONE: u64 = 1 << 32;

/// The time of any frame.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    /// Nanoseconds between two frames: whole ones, and 2^-64 of one.
    whole: u64,
    part: u64,
    /// With Poisson spacing: sums of the gaps before each frame, in [`ONE`]; `GAPS + 1` of them.
    gaps: Box<[u64]>,
    key: u64,
}

impl Clock {
    /// `bits` are those of `frames` frames. `None` if the rate is 0.
    pub(super) fn new(seed: u64, rate: Rate, spacing: Spacing, bits: u64, frames: u64) -> Option<Self> {
        let (time, count) = match rate {
            Rate::PacketsPerSecond(packets) => (1_000_000_000, u128::from(packets)),
            Rate::BitsPerSecond(rate) => {
                (u128::from(bits) * 1_000_000_000, u128::from(rate) * u128::from(frames))
            }
        };
        let whole = u64::try_from(time.checked_div(count)?).ok()?;
        let part = part_of(time % count, count);
        let gaps = match spacing {
            Spacing::Constant => Box::default(),
            Spacing::Poisson => exponential(seed),
        };
        Some(Self { whole, part, gaps, key: key(seed, STREAM) })
    }

    /// When frame `index` is sent.
    pub(super) fn at(&self, index: u64) -> Duration {
        if self.gaps.is_empty() {
            return Duration::from_nanos(self.nanos(index));
        }
        let (period, within) = (index / GAPS as u64, (index % GAPS as u64) as usize);
        // Each period goes through the same gaps, from elsewhere on.
        let first = (Counter::new(self.key, period).next_u64() % GAPS as u64) as usize;
        let last = first + within;
        let round = if last < GAPS { 0 } else { self.gaps[GAPS] };
        let ahead = round + self.gaps[last % GAPS] - self.gaps[first];
        let nanos =
            u128::from(ahead) * u128::from(self.whole) + ((u128::from(ahead) * u128::from(self.part)) >> 64);
        let ahead = (nanos >> 32) as u64;
        Duration::from_nanos(self.nanos(period * GAPS as u64).saturating_add(ahead))
    }

    /// So many constant gaps, in nanoseconds.
    const fn nanos(&self, gaps: u64) -> u64 {
        gaps.saturating_mul(self.whole).saturating_add(((gaps as u128 * self.part as u128) >> 64) as u64)
    }
}

/// `numerator / denominator`, which is less than 1, in 2^-64.
fn part_of(mut numerator: u128, denominator: u128) -> u64 {
    // By long division: the numerator may have too many bits to be shifted by 64 at once.
    (0..64).fold(0, |part, _| {
        numerator <<= 1;
        let bit = numerator >= denominator;
        numerator -= if bit { denominator } else { 0 };
        part << 1 | u64::from(bit)
    })
}

/// Sums of exponentially distributed gaps whose mean is exactly [`ONE`].
fn exponential(seed: u64) -> Box<[u64]> {
    let mut counter = Counter::new(key(seed, STREAM), u64::MAX);
    // From 2^-53 to 1.
    let mut uniform = || ((counter.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    let mut sum = 0.0;
    let mut sums = vec![0.0];
    for _ in 0..GAPS {
        sum -= uniform().ln();
        sums.push(sum);
    }
    let scale = (ONE * GAPS as u64) as f64 / sum;
    let mut scaled: Vec<u64> = sums.iter().map(|sum| (sum * scale) as u64).collect();
    scaled[GAPS] = ONE * GAPS as u64;
    scaled.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(rate: Rate, spacing: Spacing) -> Clock {
        // Frames of 100 bytes.
        Clock::new(5, rate, spacing, 800_000, 1_000).expect("not 0")
    }

    #[test]
    fn constant_spacing_is_exact() {
        let thirds = clock(Rate::PacketsPerSecond(3), Spacing::Constant);
        assert_eq!(thirds.at(0), Duration::ZERO);
        assert_eq!(thirds.at(1), Duration::from_nanos(333_333_333));
        let year = 3 * 365 * 86_400;
        assert_eq!(thirds.at(year).as_millis(), Duration::from_secs(365 * 86_400 - 1).as_millis() + 999);
        let bits = clock(Rate::BitsPerSecond(8_000), Spacing::Constant);
        assert_eq!(bits.at(25), Duration::from_millis(2_500));
        let million = clock(Rate::PacketsPerSecond(1_000_000), Spacing::Constant);
        assert_eq!(million.at(1_000_000_007), Duration::from_micros(1_000_000_007));
        assert!(Clock::new(0, Rate::PacketsPerSecond(0), Spacing::Constant, 1, 1).is_none());
    }

    #[test]
    fn poisson_gaps_are_exponential_and_keep_the_rate() {
        let clock = clock(Rate::PacketsPerSecond(1_000_000), Spacing::Poisson);
        let count = 4 * GAPS as u64;
        let times: Vec<f64> = (0..=count).map(|index| clock.at(index).as_nanos() as f64).collect();
        assert_eq!(times[count as usize], count as f64 * 1_000.0);
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(gaps.iter().all(|&gap| gap >= 0.0));
        // The standard deviation of exponential gaps is their mean; e^-1 of them are longer than the mean.
        let deviation =
            (gaps.iter().map(|gap| (gap - 1_000.0).powi(2)).sum::<f64>() / gaps.len() as f64).sqrt();
        let longer = gaps.iter().filter(|&&gap| gap > 1_000.0).count() as f64 / gaps.len() as f64;
        assert!((deviation - 1_000.0).abs() < 20.0, "{deviation}");
        assert!((longer - (-1.0_f64).exp()).abs() < 0.01, "{longer}");
        // Two periods differ.
        assert_ne!(gaps[..20], gaps[GAPS..GAPS + 20]);
    }
}

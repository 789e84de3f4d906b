//! Durations in fixed buckets: what monitoring systems add up over time and over routers, which quantiles cannot be.

use std::time::Duration;

/// Counts of durations by upper bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buckets<const N: usize> {
    /// In ascending order.
    bounds: &'static [Duration; N],
    counts: [u64; N],
    /// Longer than the last bound.
    over: u64,
    sum: Duration,
}

impl<const N: usize> Buckets<N> {
    /// Empty buckets with these upper bounds, in ascending order.
    pub const fn new(bounds: &'static [Duration; N]) -> Self {
        Self { bounds, counts: [0; N], over: 0, sum: Duration::ZERO }
    }

    /// Counts a duration in the first bucket whose bound it does not exceed.
    pub fn record(&mut self, took: Duration) {
        let at = self.bounds.partition_point(|&bound| bound < took);
        *self.counts.get_mut(at).unwrap_or(&mut self.over) += 1;
        self.sum = self.sum.saturating_add(took);
    }

    /// Each bound with the durations counted in its bucket alone; `None`: beyond the last bound.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounded = self.bounds.iter().zip(self.counts).map(|(&bound, count)| (Some(bound), count));
        bounded.chain([(None, self.over)])
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.over
    }

    /// The sum of all.
    pub const fn sum(&self) -> Duration {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn a_bound_belongs_to_its_bucket_and_what_is_longer_than_all_to_the_last() {
        static BOUNDS: [Duration; 2] = [MILLI, Duration::from_millis(10)];
        let mut buckets = Buckets::new(&BOUNDS);
        for took in [Duration::ZERO, MILLI, MILLI + Duration::from_nanos(1), 10 * MILLI, 11 * MILLI] {
            buckets.record(took);
        }
        let counts: Vec<_> = buckets.iter().collect();
        assert_eq!(counts, [(Some(MILLI), 2), (Some(10 * MILLI), 2), (None, 1)]);
        assert_eq!((buckets.count(), buckets.sum()), (5, 23 * MILLI + Duration::from_nanos(1)));
    }
}

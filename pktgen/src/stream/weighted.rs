//! One of several by relative weights.

use crate::dice::Draw;
use rand::Rng;

#[derive(Debug, Clone)]
pub(super) struct Weighted {
    /// Sums of the weights up to each.
    sums: Vec<u64>,
}

impl Weighted {
    /// `None` if no weight is above 0.
    pub(super) fn new(weights: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut sum = 0;
        let sums: Vec<u64> = weights
            .into_iter()
            .map(|weight| {
                sum += u64::from(weight);
                sum
            })
            .collect();
        (sum > 0).then_some(Self { sums })
    }

    /// The index of one of them.
    pub(super) fn draw<R: Rng>(&self, rng: &mut R) -> usize {
        let drawn = rng.below(self.sums[self.sums.len() - 1] as usize) as u64;
        // No branch for each: which one it will be cannot be predicted.
        self.sums.iter().map(|&sum| usize::from(drawn >= sum)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::rng_for;

    #[test]
    fn each_comes_as_often_as_it_weighs() {
        let weighted = Weighted::new([0, 3, 0, 1]).expect("a weight");
        let mut counts = [0; 4];
        let mut rng = rng_for(0, 0, 0);
        for _ in 0..4_000 {
            counts[weighted.draw(&mut rng)] += 1;
        }
        assert_eq!((counts[0], counts[2], counts[1] + counts[3]), (0, 0, 4_000));
        assert!((2_850..3_150).contains(&counts[1]), "{counts:?}");
        assert!(Weighted::new([0, 0]).is_none() && Weighted::new([]).is_none());
    }
}

//! Wilson's confidence interval of a share.

use serde::Serialize;

/// The 97.5th percentile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A share, 0 to 1, and the interval that holds the true one in 95 of 100 cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// The share.
    pub share: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimate {
    /// Of `right` among `total`. With a total of 0 nothing is known: 0, from 0 to 1.
    pub fn of(right: usize, total: usize) -> Self {
        if total == 0 {
            return Self { share: 0.0, low: 0.0, high: 1.0 };
        }
        let n = total as f64;
        let share = right as f64 / n;
        let center = share + Z * Z / (2.0 * n);
        let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        // At the ends rounding must not leave the share outside.
        let low = ((center - half) / scale).clamp(0.0, share);
        let high = ((center + half) / scale).clamp(share, 1.0);
        Self { share, low, high }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_literature() {
        // Newcombe (1998), Statistics in Medicine 17, table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (right, total, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0000, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let estimate = Estimate::of(right, total);
            assert!((estimate.low - low).abs() < 5e-5, "{right} of {total}: {estimate:?}");
            assert!((estimate.high - high).abs() < 5e-5, "{right} of {total}: {estimate:?}");
        }
        assert_eq!(Estimate::of(7, 7).high, 1.0);
        assert_eq!(Estimate::of(0, 0), Estimate { share: 0.0, low: 0.0, high: 1.0 });
    }
}

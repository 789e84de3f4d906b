//! Availability of the slow path: healthy seconds over all seconds.
//!
//! A second is unhealthy if in it a diverted frame ended without judgement because the slow path failed: it
//! refused the frame other than by the operator's budget or values, its backend failed, or no answer came by the deadline.

use serde::Serialize;
use smoltcp::time::Instant;
use std::fmt;

/// Seconds by their health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Availability {
    /// The second, from the start of the clock, in which a failure was seen last.
    last: Option<i64>,
    unhealthy: u64,
}

/// As a report shows it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AvailabilityLine {
    /// Seconds without a failure.
    pub healthy_seconds: u64,
    /// All seconds that have begun.
    pub seconds: u64,
    /// The one over the other, 0 to 1.
    pub share: f64,
}

impl fmt::Display for AvailabilityLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { healthy_seconds, seconds, share } = self;
        write!(
            f,
            "{healthy_seconds} of {seconds} s without a failure of the slow path ({:.2} %)",
            share * 100.0
        )
    }
}

fn second(now: Instant) -> i64 {
    now.total_micros().div_euclid(1_000_000)
}

impl Availability {
    /// The slow path failed a frame. A time before that of the last failure counts as that.
    pub fn failed(&mut self, now: Instant) {
        let second = second(now);
        if self.last.is_none_or(|last| last < second) {
            self.last = Some(second);
            self.unhealthy += 1;
        }
    }

    /// Of the seconds from the start of the clock until `now`, the one under way included.
    pub fn until(&self, now: Instant) -> AvailabilityLine {
        let last = second(now).max(self.last.unwrap_or_default()).max(0);
        let seconds = last.unsigned_abs() + 1;
        let healthy_seconds = seconds - self.unhealthy;
        AvailabilityLine { healthy_seconds, seconds, share: healthy_seconds as f64 / seconds as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(failures_ms: &[i64], end_ms: i64) -> (u64, u64) {
        let mut availability = Availability::default();
        for &at in failures_ms {
            availability.failed(Instant::from_millis(at));
        }
        let line = availability.until(Instant::from_millis(end_ms));
        assert!((line.share * line.seconds as f64 - line.healthy_seconds as f64).abs() < 1e-9);
        (line.healthy_seconds, line.seconds)
    }

    #[test]
    fn without_failures_every_second_is_healthy() {
        assert_eq!(after(&[], 0), (1, 1));
        assert_eq!(after(&[], 999), (1, 1));
        assert_eq!(after(&[], 20_000), (21, 21));
    }

    #[test]
    fn a_second_with_many_failures_is_one_unhealthy_second() {
        assert_eq!(after(&[1_000, 1_001, 1_999], 9_999), (9, 10));
        assert_eq!(after(&[999, 1_000, 5_500], 9_999), (7, 10));
        assert_eq!(after(&[0], 500), (0, 1));
    }

    #[test]
    fn times_that_go_back_add_no_second() {
        assert_eq!(after(&[2_000, 1_999, 2_001], 2_999), (2, 3));
        assert_eq!(after(&[5_000], 3_000), (5, 6), "the end is not before a failure");
    }
}

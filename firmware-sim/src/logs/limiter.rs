//! How many anomalies of one reason are logged: the first ones, then one in so many, and all anew after a while.
//!
//! Read first: Zeek's `Weird::sampling_threshold`, `sampling_rate` and `sampling_duration`, which it follows.

use stack::Anomaly;
use std::str::FromStr;
use std::time::Duration;

/// The limit for each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimit {
    /// So many pass.
    pub pass: u64,
    /// Of those beyond, each so many-th passes; 0: none.
    pub one_in: u64,
    /// So long after the first one, the count begins anew; not 0.
    pub period: Duration,
}

impl Default for LogLimit {
    /// Zeek's: 25, then one in 1000, for 10 minutes.
    fn default() -> Self {
        Self { pass: 25, one_in: 1_000, period: Duration::from_secs(600) }
    }
}

impl LogLimit {
    /// Everything is logged.
    pub const OFF: Self = Self { pass: u64::MAX, one_in: 0, period: Duration::MAX };
}

impl FromStr for LogLimit {
    type Err = String;

    /// `PASS,ONE_IN,SECONDS`, or `off`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::OFF);
        }
        let numbers = text.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<u64>>>();
        match numbers.as_deref() {
            Some([_, _, 0]) => {
                Err("after 0 seconds all would be anew at once: write off to log all of them".into())
            }
            Some([0, 0, _]) => Err("0,0 would let none pass: leave --eve and --weird out instead".into()),
            Some(&[pass, one_in, seconds]) => Ok(Self { pass, one_in, period: Duration::from_secs(seconds) }),
            _ => Err("write PASS,ONE_IN,SECONDS, as in 25,1000,600, or off".into()),
        }
    }
}

/// One reason's count.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    since: Duration,
    seen: u64,
    /// Held back since the last one that passed.
    held_back: u64,
}

/// The counts of all reasons.
#[derive(Debug, Clone)]
pub(super) struct Limiter {
    limit: LogLimit,
    counts: [Count; Anomaly::COUNT],
}

impl Limiter {
    pub(super) fn new(limit: LogLimit) -> Self {
        Self { limit, counts: [Count::default(); Anomaly::COUNT] }
    }

    /// Is one more of this reason to be logged at this time? If so, how many were held back since the last one.
    pub(super) fn permit(&mut self, anomaly: Anomaly, now: Duration) -> Option<u64> {
        let count = &mut self.counts[anomaly as usize];
        // A capture's clock may be turned back: what is before the count's beginning is no reason for a new one.
        if count.seen == 0 || now.saturating_sub(count.since) >= self.limit.period {
            *count = Count { since: now, seen: 0, ..*count };
        }
        count.seen += 1;
        let beyond = count.seen.saturating_sub(self.limit.pass);
        if beyond == 0 || (self.limit.one_in > 0 && beyond.is_multiple_of(self.limit.one_in)) {
            return Some(std::mem::take(&mut count.held_back));
        }
        count.held_back += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(limiter: &mut Limiter, at: u64, times: u64) -> Vec<(u64, u64)> {
        let permit = |n| Some((n, limiter.permit(Anomaly::Ipv4Land, Duration::from_secs(at))?));
        (1..=times).filter_map(permit).collect()
    }

    #[test]
    fn the_first_pass_then_one_in_so_many_and_after_the_period_all_anew() {
        let mut limiter = Limiter::new(LogLimit::default());
        let first = passed(&mut limiter, 100, 2_100);
        let expected: Vec<_> = (1..=25).map(|n| (n, 0)).chain([(1_025, 999), (2_025, 999)]).collect();
        assert_eq!(first, expected);
        assert_eq!(
            limiter.permit(Anomaly::Ipv4Checksum, Duration::from_secs(100)),
            Some(0),
            "each has its own"
        );
        assert_eq!(passed(&mut limiter, 699, 10), []);
        let again = passed(&mut limiter, 700, 30);
        assert_eq!(again.len(), 25);
        assert_eq!(again[0], (1, 85), "those held back are told of");
    }

    #[test]
    fn limits_are_read_and_wrong_ones_explained() {
        let limit = LogLimit { pass: 3, one_in: 0, period: Duration::from_secs(60) };
        assert_eq!("3,0,60".parse(), Ok(limit));
        assert_eq!(passed(&mut Limiter::new(limit), 0, 9).len(), 3);
        assert_eq!(passed(&mut Limiter::new("off".parse().unwrap()), 0, 5_000).len(), 5_000);
        assert!("25,1000,0".parse::<LogLimit>().unwrap_err().contains("write off"));
        assert!("0,0,600".parse::<LogLimit>().unwrap_err().contains("leave --eve"));
        assert_eq!(passed(&mut Limiter::new("0,4,600".parse().unwrap()), 0, 9), [(4, 3), (8, 3)]);
        for wrong in ["", "1,2", "1,2,3,4", "1,x,3", "-1,2,3"] {
            assert!(wrong.parse::<LogLimit>().unwrap_err().contains("25,1000,600"), "{wrong}");
        }
    }
}

//! Token buckets over the caller's clock.

use crate::config::Rate;
use smoltcp::time::Instant;

/// Micro-tokens in a token.
const SCALE: u64 = 1_000_000;

/// A token bucket: at most `burst` at once, refilled at `per_second`.
///
/// Time comes in with each call and may stand still; if it runs backwards nothing is refilled.
#[derive(Debug, Clone, Copy)]
pub struct TokenBucket {
    /// Saved-up tokens, in micro-tokens.
    tokens: u64,
    refilled_at: Instant,
}

impl TokenBucket {
    /// A full bucket.
    pub const fn full(rate: Rate, now: Instant) -> Self {
        Self { tokens: rate.burst as u64 * SCALE, refilled_at: now }
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, rate: Rate, now: Instant) -> bool {
        if now > self.refilled_at {
            let elapsed = now.total_micros().saturating_sub(self.refilled_at.total_micros()).unsigned_abs();
            let refill = elapsed.saturating_mul(u64::from(rate.per_second));
            self.tokens = self.tokens.saturating_add(refill).min(u64::from(rate.burst) * SCALE);
            self.refilled_at = now;
        }
        if self.tokens < SCALE {
            return false;
        }
        self.tokens -= SCALE;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::time::Duration;

    #[test]
    fn burst_then_rate() {
        let rate = Rate { per_second: 10, burst: 3 };
        let mut now = Instant::from_secs(5);
        let mut bucket = TokenBucket::full(rate, now);
        assert_eq!((0..5).filter(|_| bucket.take(rate, now)).count(), 3);
        now += Duration::from_millis(99);
        assert!(!bucket.take(rate, now));
        now += Duration::from_millis(1);
        assert!(bucket.take(rate, now));
        now += Duration::from_secs(3_600);
        assert_eq!(
            (0..9).filter(|_| bucket.take(rate, now)).count(),
            3,
            "idle time saves up no more than a burst"
        );
    }

    #[test]
    fn time_running_backwards_refills_nothing() {
        let rate = Rate { per_second: 1_000_000, burst: 1 };
        let mut bucket = TokenBucket::full(rate, Instant::from_secs(9));
        assert!(bucket.take(rate, Instant::from_secs(9)));
        assert!(!bucket.take(rate, Instant::from_secs(1)));
    }
}

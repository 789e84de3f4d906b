//! A circuit breaker: after some failures in a row the backend is left alone for a while, then tried once.
//!
//! Read first: Nygard, *Release It!*, "Circuit Breaker"; the states bear its names.

use std::time::{Duration, Instant};

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row that open it; 0 never does.
    pub failures: u32,
    /// How long it stays open the first time; each failed trial doubles it.
    pub open_for: Duration,
    /// The longest that it stays open.
    pub open_at_most: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(1), open_at_most: Duration::from_secs(60) }
    }
}

/// Whether requests pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    Closed,
    /// None passes until then.
    Open {
        /// When a trial is due.
        until: Instant,
    },
    /// One trial is under way; nothing else passes.
    HalfOpen,
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    state: BreakerState,
    /// In a row.
    failures: u32,
    /// Times that it opened since it was last closed.
    openings: u32,
}

impl Breaker {
    /// A closed one.
    pub const fn new(config: BreakerConfig) -> Self {
        Self { config, state: BreakerState::Closed, failures: 0, openings: 0 }
    }

    /// Its state. An open one whose time is over is still open: the next request is the trial.
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// May a request be made now? If this says yes to an open breaker, the request is the trial.
    #[must_use]
    pub fn allow(&mut self, now: Instant) -> bool {
        match self.state {
            BreakerState::Closed => true,
            BreakerState::HalfOpen => false,
            BreakerState::Open { until } if now < until => false,
            BreakerState::Open { .. } => {
                self.state = BreakerState::HalfOpen;
                true
            }
        }
    }

    /// The backend answered, usably or not: it is there.
    pub const fn succeeded(&mut self) {
        self.state = BreakerState::Closed;
        self.failures = 0;
        self.openings = 0;
    }

    /// The backend failed, or did not answer in time. True if that opened the breaker.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let trial = self.state == BreakerState::HalfOpen;
        let enough = self.config.failures != 0 && self.failures >= self.config.failures;
        if matches!(self.state, BreakerState::Open { .. }) || !(trial || enough) {
            return false;
        }
        let wait = self.config.open_for.saturating_mul(1 << self.openings.min(16));
        self.openings = self.openings.saturating_add(1);
        self.state = BreakerState::Open { until: now + wait.min(self.config.open_at_most) };
        true
    }

    /// A request that was allowed was never made: a trial is still to come.
    pub fn withdrawn(&mut self, now: Instant) {
        if self.state == BreakerState::HalfOpen {
            self.state = BreakerState::Open { until: now };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_opens_after_failures_in_a_row_and_a_good_trial_closes_it() {
        let start = Instant::now();
        let mut breaker = Breaker::new(BreakerConfig { failures: 3, ..BreakerConfig::default() });
        assert!(!breaker.failed(start) && !breaker.failed(start));
        breaker.succeeded();
        assert!(!breaker.failed(start) && !breaker.failed(start) && breaker.allow(start));
        assert!(breaker.failed(start));
        assert!(!breaker.allow(start) && !breaker.allow(start + SECOND / 2));
        assert!(breaker.allow(start + SECOND));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert!(!breaker.allow(start + SECOND), "one trial at a time");
        breaker.succeeded();
        assert!(breaker.allow(start + SECOND));
    }

    #[test]
    fn each_failed_trial_doubles_the_wait_up_to_its_limit() {
        let mut now = Instant::now();
        let config = BreakerConfig { failures: 1, open_for: SECOND, open_at_most: 10 * SECOND };
        let mut breaker = Breaker::new(config);
        for wait in [1, 2, 4, 8, 10, 10] {
            assert!(breaker.allow(now));
            assert!(breaker.failed(now));
            assert_eq!(breaker.state(), BreakerState::Open { until: now + wait * SECOND });
            // Answers that were under way when it opened do not open it again.
            assert!(!breaker.failed(now));
            now += wait * SECOND;
        }
    }

    #[test]
    fn a_trial_that_was_not_made_is_made_later() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerConfig { failures: 1, ..BreakerConfig::default() });
        assert!(breaker.failed(now));
        assert!(breaker.allow(now + SECOND));
        breaker.withdrawn(now + SECOND);
        assert!(breaker.allow(now + SECOND));
    }

    #[test]
    fn zero_failures_never_open_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(BreakerConfig { failures: 0, ..BreakerConfig::default() });
        assert!((0..1_000).all(|_| !breaker.failed(now) && breaker.allow(now)));
    }
}

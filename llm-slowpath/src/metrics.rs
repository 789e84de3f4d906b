//! What the slow path counts: one ending for each frame, and how long requests took.

use crate::error::Refused;
use hdrhistogram::Histogram;
use std::time::Duration;

/// Longer durations than this are counted as this long.
const LONGEST: Duration = Duration::from_secs(300);

/// How one frame ended: exactly one of these for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    Cached,
    Followed,
    BackendError,
    Deadline,
    Unsure,
    ClassFailed,
    Refused(Refused),
    Stopped,
}

/// The service's counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    counts: Snapshot,
    waiting: Histogram<u32>,
    working: Histogram<u32>,
    total: Histogram<u32>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        // Two significant digits: about 20 KiB each, allocated once.
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST.as_micros() as u64, 2).expect("the bounds are constants")
        };
        Self { counts: Snapshot::default(), waiting: histogram(), working: histogram(), total: histogram() }
    }

    pub(crate) const fn submitted(&mut self) {
        self.counts.submitted += 1;
    }

    pub(crate) const fn ended(&mut self, ending: Ending) {
        let counts = &mut self.counts;
        *match ending {
            Ending::Answered => &mut counts.answered,
            Ending::Cached => &mut counts.cached,
            Ending::Followed => &mut counts.followed,
            Ending::BackendError => &mut counts.backend_errors,
            Ending::Deadline => &mut counts.deadlines,
            Ending::Unsure => &mut counts.unsure,
            Ending::ClassFailed => &mut counts.class_failed,
            Ending::Refused(why) => &mut counts.refusals[why as usize],
            Ending::Stopped => &mut counts.stopped,
        } += 1;
    }

    /// The next backend of the cascade was asked, since one was unsure, or else had failed.
    pub(crate) const fn passed_on(&mut self, unsure: bool) {
        *if unsure { &mut self.counts.escalated } else { &mut self.counts.failed_over } += 1;
    }

    pub(crate) fn tokens(&mut self, prompt: u32, answer: u32) {
        self.counts.prompt_tokens += u64::from(prompt);
        self.counts.answer_tokens += u64::from(answer);
    }

    /// One request that a backend was asked: how long it waited, and how long the backend took.
    pub(crate) fn took(&mut self, waiting: Duration, working: Duration) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counts.asked += 1;
        self.waiting.saturating_record(micros(waiting));
        self.working.saturating_record(micros(working));
        self.total.saturating_record(micros(waiting + working));
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.counts;
        snapshot.in_flight = snapshot.submitted - snapshot.ended();
        snapshot.waiting = Latency::of(&self.waiting);
        snapshot.working = Latency::of(&self.working);
        snapshot.total = Latency::of(&self.total);
        snapshot
    }
}

/// The counters at one instant. `submitted` = the endings + `in_flight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Calls of `submit`.
    pub submitted: u64,
    /// Ended: a model was asked about this very frame, and its answer delivered.
    pub answered: u64,
    /// Ended: the class's answer was known.
    pub cached: u64,
    /// Ended: it waited for the answer to another frame of its class, and got it.
    pub followed: u64,
    /// Ended: the backend failed.
    pub backend_errors: u64,
    /// Ended: its time was up.
    pub deadlines: u64,
    /// Ended: no backend was sure enough.
    pub unsure: u64,
    /// Ended: it waited for the answer to another frame of its class, which served nobody.
    pub class_failed: u64,
    /// Ended: `submit` refused it, by [`Refused`].
    pub refusals: [u64; Refused::ALL.len()],
    /// Ended: the service was stopped first.
    pub stopped: u64,
    /// Gauge: with a backend, or waiting for one.
    pub in_flight: u64,
    /// Requests that a backend began to answer: model calls.
    pub asked: u64,
    /// Requests that went on to the next backend since one was unsure.
    pub escalated: u64,
    /// Requests that went on to the next backend since one failed.
    pub failed_over: u64,
    /// Tokens read by models, over all requests, failed ones too.
    pub prompt_tokens: u64,
    /// Tokens written by models, over all requests, failed ones too.
    pub answer_tokens: u64,
    /// From `submit` until the backend was asked.
    pub waiting: Latency,
    /// From the backend being asked until it answered, failed or was given up.
    pub working: Latency,
    /// The two together.
    pub total: Latency,
}

impl Snapshot {
    /// Frames that `submit` refused for this.
    pub const fn refused(&self, why: Refused) -> u64 {
        self.refusals[why as usize]
    }

    /// The sum of the endings.
    pub fn ended(&self) -> u64 {
        self.answered
            + self.cached
            + self.followed
            + self.backend_errors
            + self.deadlines
            + self.unsure
            + self.class_failed
            + self.refusals.iter().sum::<u64>()
            + self.stopped
    }
}

/// A summary of durations, to two significant digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// Half were at most this long.
    pub p50: Duration,
    /// 99 of 100 were at most this long.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Latency {
    fn of(histogram: &Histogram<u32>) -> Self {
        Self {
            count: histogram.len(),
            p50: Duration::from_micros(histogram.value_at_quantile(0.5)),
            p99: Duration::from_micros(histogram.value_at_quantile(0.99)),
            max: Duration::from_micros(histogram.max()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_balances_and_summarises() {
        let mut metrics = Metrics::new();
        for millis in 1..=100 {
            metrics.submitted();
            metrics.took(Duration::from_millis(millis), Duration::ZERO);
            metrics.ended(Ending::Answered);
        }
        metrics.submitted();
        metrics.took(Duration::MAX / 2, Duration::ZERO);
        metrics.tokens(3, 4);
        let snapshot = metrics.snapshot();
        assert_eq!((snapshot.submitted, snapshot.answered, snapshot.in_flight), (101, 100, 1));
        assert_eq!((snapshot.prompt_tokens, snapshot.answer_tokens), (3, 4));
        assert_eq!(snapshot.total.count, 101);
        assert!(snapshot.total.p50.as_millis().abs_diff(51) <= 1, "{:?}", snapshot.total);
        assert!(snapshot.total.max >= LONGEST);
    }
}

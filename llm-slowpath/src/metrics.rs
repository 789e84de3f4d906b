//! What the slow path counts: one result for each request, and how long requests took.

use hdrhistogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Longer durations than this are counted as this long.
const LONGEST: Duration = Duration::from_secs(300);

/// How one request ended: exactly one of these for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    BackendError,
    Deadline,
    Refused,
    ReplyDropped,
    Stopped,
}

/// Counters that the service's threads share.
#[derive(Debug)]
pub(crate) struct Metrics {
    submitted: AtomicU64,
    /// By [`Ending`].
    endings: [AtomicU64; 6],
    prompt_tokens: AtomicU64,
    answer_tokens: AtomicU64,
    times: Mutex<Times>,
}

#[derive(Debug)]
struct Times {
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
        Self {
            submitted: AtomicU64::new(0),
            endings: [const { AtomicU64::new(0) }; 6],
            prompt_tokens: AtomicU64::new(0),
            answer_tokens: AtomicU64::new(0),
            times: Mutex::new(Times { waiting: histogram(), working: histogram(), total: histogram() }),
        }
    }

    pub(crate) fn submitted(&self) {
        self.submitted.fetch_add(1, Ordering::Relaxed);
    }

    /// Release, so that a snapshot that sees an ending sees its submission too.
    pub(crate) fn ended(&self, ending: Ending) {
        self.endings[ending as usize].fetch_add(1, Ordering::Release);
    }

    pub(crate) fn tokens(&self, prompt: u32, answer: u32) {
        self.prompt_tokens.fetch_add(prompt.into(), Ordering::Relaxed);
        self.answer_tokens.fetch_add(answer.into(), Ordering::Relaxed);
    }

    /// One request that the backend was asked: how long it waited, and how long the backend took.
    pub(crate) fn took(&self, waiting: Duration, working: Duration) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let mut times = self.times();
        times.waiting.saturating_record(micros(waiting));
        times.working.saturating_record(micros(working));
        times.total.saturating_record(micros(waiting + working));
    }

    /// A panic while recording leaves at worst one sample out, so poison is no reason to stop.
    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let ending = |ending: Ending| self.endings[ending as usize].load(Ordering::Acquire);
        let mut snapshot = Snapshot {
            answered: ending(Ending::Answered),
            backend_errors: ending(Ending::BackendError),
            deadlines: ending(Ending::Deadline),
            refused: ending(Ending::Refused),
            replies_dropped: ending(Ending::ReplyDropped),
            stopped: ending(Ending::Stopped),
            prompt_tokens: self.prompt_tokens.load(Ordering::Relaxed),
            answer_tokens: self.answer_tokens.load(Ordering::Relaxed),
            ..Snapshot::default()
        };
        // Read last: what has ended had been submitted, so the gauge is never negative.
        snapshot.submitted = self.submitted.load(Ordering::Relaxed);
        snapshot.in_flight = snapshot.submitted - snapshot.ended();
        let times = self.times();
        snapshot.waiting = Latency::of(&times.waiting);
        snapshot.working = Latency::of(&times.working);
        snapshot.total = Latency::of(&times.total);
        snapshot
    }
}

/// The counters at one instant. `submitted` = the six endings + `in_flight`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Calls of `submit`.
    pub submitted: u64,
    /// Ended: an answer was delivered.
    pub answered: u64,
    /// Ended: the backend failed, and that was delivered.
    pub backend_errors: u64,
    /// Ended: its time was up, and that was delivered.
    pub deadlines: u64,
    /// Ended: `submit` refused it.
    pub refused: u64,
    /// Ended: the reply channel was full, whatever the reply was.
    pub replies_dropped: u64,
    /// Ended: the service was stopped first.
    pub stopped: u64,
    /// Gauge: queued or being worked on.
    pub in_flight: u64,
    /// Tokens read by the model, over the requests that it answered.
    pub prompt_tokens: u64,
    /// Tokens written by the model, over the requests that it answered.
    pub answer_tokens: u64,
    /// From `submit` until the backend was asked.
    pub waiting: Latency,
    /// From the backend being asked until it answered, failed or was given up.
    pub working: Latency,
    /// The two together.
    pub total: Latency,
}

impl Snapshot {
    /// The sum of the endings.
    pub const fn ended(&self) -> u64 {
        self.answered
            + self.backend_errors
            + self.deadlines
            + self.refused
            + self.replies_dropped
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
        let metrics = Metrics::new();
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

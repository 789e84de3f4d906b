//! How long things took: `handle_frame` in nanoseconds, divert to action in microseconds.

use hdrhistogram::Histogram;
use llm_slowpath::{Buckets, Latency};
use smoltcp::time::Instant;
use stack::{Anomaly, DivertId, Diverted, Source};
use std::time::{Duration, Instant as Timer};

/// One frame in so many is timed: reading the clock twice takes as long as forwarding a frame.
const SAMPLED: u32 = 64;

/// Upper bounds of the buckets of `handle_frame`.
static FAST: [Duration; 14] = [
    Duration::from_nanos(50),
    Duration::from_nanos(100),
    Duration::from_nanos(200),
    Duration::from_nanos(400),
    Duration::from_nanos(800),
    Duration::from_nanos(1_600),
    Duration::from_nanos(3_200),
    Duration::from_nanos(6_400),
    Duration::from_nanos(12_800),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_millis(1),
    Duration::from_millis(10),
];
/// Upper bounds of the buckets from divert to action: from answers that are known to deadlines of servers.
static SLOW: [Duration; 18] = [
    Duration::from_micros(5),
    Duration::from_micros(10),
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
];

/// The same measurements in buckets: `handle_frame`, and divert to action by [`Source`].
#[derive(Debug, Clone, Copy)]
pub struct Bucketed {
    /// `handle_frame`, for the sample.
    pub handle_frame: Buckets<14>,
    /// Divert to action, where a model was asked about this very frame.
    pub by_model: Buckets<18>,
    /// Divert to action, where the class's answer was known.
    pub by_cache: Buckets<18>,
}

/// A divert that is under way.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    id: DivertId,
    reason: Anomaly,
    received_at: Instant,
    /// Whose answer has acted, if one has.
    applied: Option<Source>,
}

/// All measurements of a run.
#[derive(Debug)]
pub struct Latencies {
    fast: Histogram<u64>,
    /// Frames until the next one that is timed.
    until_sample: u32,
    /// By reason: from reception to the approved action, its frame sent.
    slow: Vec<Histogram<u64>>,
    bucketed: Bucketed,
    /// By slot of the divert arena.
    under_way: Vec<Option<UnderWay>>,
}

impl Latencies {
    pub(super) fn new() -> Self {
        // Two significant digits: as good as the clock, and small.
        let histogram = |high| Histogram::new_with_bounds(1, high, 2).expect("the bounds are constants");
        Self {
            fast: histogram(10_000_000_000),
            until_sample: 0,
            slow: Anomaly::ALL.iter().map(|_| histogram(300_000_000)).collect(),
            bucketed: Bucketed {
                handle_frame: Buckets::new(&FAST),
                by_model: Buckets::new(&SLOW),
                by_cache: Buckets::new(&SLOW),
            },
            under_way: Vec::new(),
        }
    }

    /// Starts to time a frame, if it is one of the sample.
    pub(super) fn start(&mut self) -> Option<Timer> {
        if self.until_sample > 0 {
            self.until_sample -= 1;
            return None;
        }
        self.until_sample = SAMPLED - 1;
        Some(Timer::now())
    }

    /// `handle_frame` has returned.
    pub(super) fn fast(&mut self, started: Option<Timer>) {
        if let Some(started) = started {
            let took = started.elapsed();
            self.fast.saturating_record((took.as_nanos() as u64).max(1));
            self.bucketed.handle_frame.record(took);
        }
    }

    pub(super) fn diverted(&mut self, diverted: &Diverted) {
        let slot = usize::from(diverted.id.slot);
        if self.under_way.len() <= slot {
            self.under_way.resize(slot + 1, None);
        }
        let (reason, received_at) = (diverted.reason(), diverted.received_at);
        self.under_way[slot] = Some(UnderWay { id: diverted.id, reason, received_at, applied: None });
    }

    fn find(&mut self, id: DivertId) -> Option<&mut UnderWay> {
        self.under_way.get_mut(usize::from(id.slot))?.as_mut().filter(|under_way| under_way.id == id)
    }

    pub(super) fn applied(&mut self, id: DivertId, source: Source) {
        if let Some(under_way) = self.find(id) {
            under_way.applied = Some(source);
        }
    }

    /// The answer has been dealt with, and what it caused has been sent.
    pub(super) fn answered(&mut self, id: DivertId, now: Instant) {
        if let Some(&mut UnderWay { reason, received_at, applied: Some(source), .. }) = self.find(id) {
            let micros = now.total_micros().saturating_sub(received_at.total_micros()).max(1).unsigned_abs();
            self.slow[reason as usize].saturating_record(micros);
            let buckets = match source {
                Source::Model => &mut self.bucketed.by_model,
                Source::Cache => &mut self.bucketed.by_cache,
            };
            buckets.record(Duration::from_micros(micros));
        }
    }

    /// All of them in buckets; divert to action over all reasons.
    pub const fn bucketed(&self) -> &Bucketed {
        &self.bucketed
    }

    /// `handle_frame` alone, for one in 64 of the frames received.
    pub fn handle_frame(&self) -> Latency {
        quantiles(&self.fast, Duration::from_nanos)
    }

    /// The mean of [`Latencies::handle_frame`].
    pub fn handle_frame_mean(&self) -> Duration {
        Duration::from_secs_f64(self.fast.mean() * 1e-9)
    }

    /// Divert to action for one reason; `None` for all but the ping experiment's.
    pub fn slow(&self, reason: Option<Anomaly>) -> Latency {
        let mut sum = Histogram::new_with_bounds(1, 300_000_000, 2).expect("the bounds are constants");
        for (&anomaly, histogram) in Anomaly::ALL.iter().zip(&self.slow) {
            let wanted = reason.map_or(anomaly != Anomaly::EchoRequest, |reason| reason == anomaly);
            if wanted {
                sum.add(histogram).expect("the bounds are equal");
            }
        }
        quantiles(&sum, Duration::from_micros)
    }
}

fn quantiles(histogram: &Histogram<u64>, unit: impl Fn(u64) -> Duration) -> Latency {
    Latency {
        count: histogram.len(),
        p50: unit(histogram.value_at_quantile(0.5)),
        p99: unit(histogram.value_at_quantile(0.99)),
        max: unit(histogram.max()),
    }
}

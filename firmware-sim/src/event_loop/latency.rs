//! How long things took: `handle_frame` in nanoseconds, divert to action in microseconds.

use hdrhistogram::Histogram;
use llm_slowpath::Latency;
use smoltcp::time::Instant;
use stack::{Anomaly, DivertId, Diverted};
use std::time::{Duration, Instant as Timer};

/// One frame in so many is timed: reading the clock twice takes as long as forwarding a frame.
const SAMPLED: u32 = 64;

/// A divert that is under way.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    id: DivertId,
    reason: Anomaly,
    received_at: Instant,
    applied: bool,
}

/// All measurements of a run.
#[derive(Debug)]
pub struct Latencies {
    fast: Histogram<u64>,
    /// Frames until the next one that is timed.
    until_sample: u32,
    /// By reason: from reception to the approved action, its frame sent.
    slow: Vec<Histogram<u64>>,
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
            self.fast.saturating_record((started.elapsed().as_nanos() as u64).max(1));
        }
    }

    pub(super) fn diverted(&mut self, diverted: &Diverted) {
        let slot = usize::from(diverted.id.slot);
        if self.under_way.len() <= slot {
            self.under_way.resize(slot + 1, None);
        }
        let (reason, received_at) = (diverted.reason(), diverted.received_at);
        self.under_way[slot] = Some(UnderWay { id: diverted.id, reason, received_at, applied: false });
    }

    fn find(&mut self, id: DivertId) -> Option<&mut UnderWay> {
        self.under_way.get_mut(usize::from(id.slot))?.as_mut().filter(|under_way| under_way.id == id)
    }

    pub(super) fn applied(&mut self, id: DivertId) {
        if let Some(under_way) = self.find(id) {
            under_way.applied = true;
        }
    }

    /// The answer has been dealt with, and what it caused has been sent.
    pub(super) fn answered(&mut self, id: DivertId, now: Instant) {
        if let Some(&mut UnderWay { reason, received_at, applied: true, .. }) = self.find(id) {
            let micros = now.total_micros().saturating_sub(received_at.total_micros()).max(1).unsigned_abs();
            self.slow[reason as usize].saturating_record(micros);
        }
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

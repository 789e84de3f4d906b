//! How long frames take on each path: from reception until `handle_frame` has returned, or until an approved answer has acted
//! and what it sends has been sent.

use super::hand::new_histogram;
use crate::watch::{Judged, Watch};
use hdrhistogram::Histogram;
use llm_slowpath::Reply;
use stack::stats::Path;
use stack::{DivertId, Event, Mode, PortId, Router, Source, Stats};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Nanoseconds by path; nothing by refusals.
#[derive(Debug, Clone)]
pub(super) struct Times(Arc<Mutex<[Histogram<u64>; Path::ALL.len()]>>);

impl Times {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Path::ALL.map(|_| new_histogram()))))
    }

    /// Whoever panicked has left whole numbers.
    pub(super) fn lock(&self) -> MutexGuard<'_, [Histogram<u64>; Path::ALL.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Measures every frame.
pub(super) struct Stopwatch {
    times: Times,
    received: Instant,
    /// Frames that had ended by a rule, and without the slow path, before the one in hand.
    before: [u64; 2],
    /// Since when each held frame waits, and where its answer came from once there is one.
    held: HashMap<DivertId, (Instant, Option<Source>)>,
}

impl Stopwatch {
    pub(super) fn new(times: Times) -> Self {
        Self { times, received: Instant::now(), before: [0; 2], held: HashMap::new() }
    }

    fn record(&self, path: Path, since: Instant) {
        let nanos = since.elapsed().as_nanos() as u64;
        self.times.lock()[path as usize].saturating_record(nanos.max(1));
    }
}

/// Frames that have ended by a rule, and without the slow path.
fn at_once(stats: &Stats) -> [u64; 2] {
    [Path::Rule, Path::Fast].map(|path| stats.by_path(path).frames)
}

impl Watch for Stopwatch {
    fn received(&mut self, _port: PortId, _frame: &[u8], stats: &Stats) {
        self.before = at_once(stats);
        self.received = Instant::now();
    }

    fn judged(&mut self, judged: &Judged<'_>, _router: &Router<'static>) {
        // What is not diverted may have been refused by the slow path: that is neither.
        let [ruled, fast] = at_once(judged.stats);
        if ruled > self.before[0] {
            self.record(Path::Rule, self.received);
        } else if fast > self.before[1] {
            self.record(Path::Fast, self.received);
        }
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Diverted { id, mode: Mode::Enforce, .. } => {
                self.held.insert(*id, (self.received, None));
            }
            Event::Applied { id, .. } => match self.held.remove(id) {
                Some((since, Some(Source::Model))) => self.record(Path::SlowModel, since),
                Some((since, Some(Source::Cache))) => self.record(Path::SlowCached, since),
                _ => {}
            },
            Event::Unanswered { id, .. } | Event::Rejected { id, .. } => {
                self.held.remove(id);
            }
            _ => {}
        }
    }

    fn reply(&mut self, reply: &Reply) {
        if let (Some(held), Ok(answer)) = (self.held.get_mut(&reply.id), &reply.answer) {
            held.1 = Some(answer.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::{replay, run};
    use smoltcp::time::Instant as RouterInstant;
    use stack::stats::Disposition;
    use stack::{Anomaly, DropReason, Verdict};

    #[test]
    fn a_frame_is_timed_on_the_path_that_it_ended_on_and_a_refused_one_on_none() {
        let router = run::router(&replay::lab_router(&Clock::start()).unwrap()).unwrap();
        let times = Times::new();
        let mut stopwatch = Stopwatch::new(times.clone());
        let verdict = Verdict::Drop(DropReason::Anomaly(Anomaly::UdpLength));
        for (path, timed) in
            [(Path::Fast, [1, 0]), (Path::Rule, [1, 1]), (Path::SlowRefused, [1, 1]), (Path::Fast, [2, 1])]
        {
            let before = Stats::default();
            let mut after = before.clone();
            after.dispositions[Disposition::Dropped as usize][path as usize].frames = 1;
            stopwatch.received(PortId(0), b"frame", &before);
            let now = RouterInstant::ZERO;
            let judged = Judged { now, port: PortId(0), frame: b"frame", verdict, stats: &after };
            stopwatch.judged(&judged, &router);
            let counts = [Path::Fast, Path::Rule].map(|path| times.lock()[path as usize].len());
            assert_eq!(counts, timed, "{path:?}");
        }
        assert!(times.lock()[Path::SlowRefused as usize].is_empty());
    }
}

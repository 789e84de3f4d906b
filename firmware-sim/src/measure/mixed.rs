//! Traffic of all kinds at a rate: the fast/slow ratio over time, latency by path, diverts by reason.

use super::feed::Feed;
use super::hand::Hand;
use super::port::SupplyPort;
use super::report::{Help, Histogram, Mixed, Moment, Named, Reason, named};
use super::rig::{Limits, Rig, drive};
use super::stopwatch::{Stopwatch, Times};
use super::{MeasureError, Session};
use crate::event_loop::EventLoop;
use crate::lab::run::LabPlan;
use crate::port::Port;
use crate::replay::{Annotator, Stamp};
use crate::report::Outcome;
use crate::watch::Watch;
use pktgen::stream::Rate;
use pktgen::{Stream, StreamMix, StreamPlan, World};
use stack::stats::{Disposition, Path};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of a hundred frames: 90 of healthy flows, 4 healthy ones of other kinds, 3 odd, 1 that nearly is, 1 mutant, 1 of a sequence.
const MIX: StreamMix =
    StreamMix { traffic: 90, varied: 4, odd: 3, near_miss: 1, mutant: 1, captured: 0, sequence: 1 };
const TRAFFIC: &str = "of 100 frames 90 of 1,000 healthy flows in IMIX sizes, 4 healthy ones of other kinds, 3 of any anomaly, \
                       1 that nearly is one, 1 mutant, 1 of a sequence (fragments, handshakes gone wrong, ARP and ND)";
/// Frames a second.
const RATE: u64 = 20_000;
/// Intervals of the plot over time.
const INTERVALS: u32 = 40;

/// What ended by now, by path.
#[derive(Debug, Clone, Default)]
struct Ended {
    frames: Vec<u64>,
    bytes: Vec<u64>,
}

impl Ended {
    fn read(owner: &EventLoop) -> Self {
        let counts = Path::ALL.map(|path| owner.router().stats().by_path(path));
        Self {
            frames: counts.map(|count| count.frames).into(),
            bytes: counts.map(|count| count.bytes).into(),
        }
    }

    fn since(&self, before: &Self, seconds: f64) -> Moment {
        let less = |now: &[u64], before: &[u64]| {
            now.iter().enumerate().map(|(at, &now)| now - before.get(at).copied().unwrap_or(0)).collect()
        };
        Moment {
            seconds,
            frames: less(&self.frames, &before.frames),
            bytes: less(&self.bytes, &before.bytes),
        }
    }
}

/// Measures it.
///
/// # Errors
/// See [`MeasureError`].
pub(super) fn measure(session: &Session<'_>) -> Result<Option<Mixed>, MeasureError> {
    let plan = session.plan;
    let span = Duration::from_secs(if plan.quick { 3 } else { 12 });
    session.say(format_args!("traffic of all kinds, {RATE} frames a second for {} s", span.as_secs()));
    let config = Rig { plan, help: Help::Rules, limits: Limits::Usual }.configuration()?;
    let stream =
        StreamPlan { seed: plan.seed, mix: MIX, rate: Rate::PacketsPerSecond(RATE), ..StreamPlan::default() };
    let stream = Arc::new(Stream::new(World::lab(), stream)?);
    let (hand, stamp, times) = (Arc::new(Hand::new(2)), Arc::new(Stamp::default()), Times::new());
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut ports: Vec<Box<dyn Port>> = Vec::new();
    for (port, name) in (0..).zip(&config.port_names) {
        let shared = (Arc::clone(&stamp), epoch);
        let feed = Feed::new(Arc::clone(&stream), port, (span, plan.ring), Arc::clone(&hand), shared);
        ports.push(Box::new(SupplyPort::new(name, feed)?));
    }
    let mut watches: Vec<Box<dyn Watch>> = Vec::new();
    let mut written = None;
    if let Some(path) = &plan.write {
        let sources = config.port_names.iter().map(|name| format!("seed {} at {name}", plan.seed)).collect();
        let annotator = Annotator::create(
            path,
            &config.port_names,
            sources,
            config.slow_path.list(),
            &config.router,
            stamp,
        )
        .map_err(|source| MeasureError::Output { path: path.clone(), source })?;
        written = Some(annotator.outcome());
        watches.push(Box::new(annotator));
    }
    // Last: no other watcher's work is timed.
    watches.push(Box::new(Stopwatch::new(times.clone())));
    let (interval, mut last, mut series) = (span / INTERVALS, Ended::default(), Vec::new());
    let owner = drive(&config, ports, watches, &hand, session.stop, |owner| {
        if hand.elapsed() >= interval * (series.len() as u32 + 1) {
            let now = Ended::read(owner);
            series.push(now.since(&last, hand.elapsed().as_secs_f64()));
            last = now;
        }
    })?;
    let rest = Ended::read(&owner).since(&last, hand.elapsed().as_secs_f64());
    if rest.frames.iter().any(|&frames| frames > 0) {
        series.push(rest);
    }
    if session.is_stopped() {
        return Ok(None);
    }
    let lab = LabPlan { memory: true, ..LabPlan::new(config.slow_path.clone(), config.router.posture) };
    let outcome = Outcome::new(&lab, &owner, hand.elapsed(), None, None, None, false);
    // What waits is written when its writer goes.
    drop(owner);
    let written = match written.map(|written| written.lock().clone()) {
        None => None,
        Some(written) => match written.error {
            None => Some(written.file.display().to_string()),
            Some(error) => {
                let source = std::io::Error::other(error);
                return Err(MeasureError::Output { path: written.file, source });
            }
        },
    };
    let [forwarded, originated, injected] = outcome.sent;
    let times = times.lock();
    let histogram = |path: Path| Histogram::of(&times[path as usize]);
    let slow = [Path::Rule, Path::SlowCached, Path::SlowModel];
    let due = hand.counts().due;
    Ok(Some(Mixed {
        traffic: TRAFFIC.into(),
        offered: RATE as f64,
        lost_before: due.lost.iter().sum(),
        seconds: outcome.seconds,
        received: outcome.received,
        paths: named(Path::ALL.map(|path| (path.name(), outcome.paths[path.name()]))),
        dispositions: named(Disposition::ALL.map(|disposition| {
            let by_path = &outcome.dispositions[disposition.name()];
            (disposition.name(), by_path.values().copied().sum())
        })),
        sent: named([("forwarded", forwarded), ("originated", originated), ("injected", injected)]),
        series,
        reasons: reasons(&outcome),
        fast_ns: histogram(Path::Fast),
        slow_ns: named(slow.map(|path| (path.name(), histogram(path)))),
        checks: outcome
            .checks
            .iter()
            .filter(|check| check.holds.is_some())
            .map(|check| Named { name: format!("{} ({})", check.name.trim(), check.how), value: check.holds })
            .collect(),
        written,
    }))
}

/// Most frequent first.
fn reasons(outcome: &Outcome) -> Vec<Reason> {
    let mut reasons: Vec<_> = outcome
        .reasons
        .iter()
        .map(|(&name, line)| Reason {
            name: name.to_owned(),
            seen: line.seen,
            held: line.held,
            observed: line.observed,
            refused: line.refused,
            approved: line.approved,
            rejected: line.rejected,
            unanswered: line.unanswered,
        })
        .collect();
    reasons.sort_by(|a, b| b.seen.cmp(&a.seen).then_with(|| a.name.cmp(&b.name)));
    reasons
}

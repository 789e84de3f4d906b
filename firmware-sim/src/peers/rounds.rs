//! The rounds: each measures every subject once, so that what disturbs the machine disturbs all of them.

use super::echo::{Echo, micros};
use super::flood::Flood;
use super::report::{
    Flooded, Offered, PeerReport, Sample, Skipped, SubjectLine, SweepLine, median_sample, ratios,
};
use super::set_up::{Fabric, SetUp};
use super::transactions::Connections;
use super::{Failure, PeerError, PeerPlan};
use crate::lab::traffic::counters::KernelCounters;
use std::sync::atomic::{AtomicBool, Ordering};

/// One fabric, at work, and what was measured of it.
pub(super) struct Subject<'a> {
    fabric: Fabric,
    set_up: &'a SetUp,
    flood: Flood<'a>,
    samples: Vec<Sample>,
    /// By share, then by round.
    sweep: Vec<Vec<Flooded>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(fabric: Fabric, set_up: &'a SetUp) -> Result<Self, Failure> {
        Ok(Self { fabric, set_up, flood: Flood::new(set_up)?, samples: Vec::new(), sweep: Vec::new() })
    }

    fn sample(&self, plan: &PeerPlan, stop: &AtomicBool) -> Result<Sample, Failure> {
        let transactions = |count| Connections::open(self.set_up, count)?.run(plan.span, stop);
        let times = Echo::open(self.set_up)?.round_trips(plan.echoes, stop)?;
        Ok(Sample {
            transactions_one: transactions(1)?,
            transactions_many: transactions(plan.connections)?,
            udp: self.flood.capacity(plan.span, stop)?,
            rtt_p50_us: micros(&times, 0.5),
            rtt_p99_us: micros(&times, 0.99),
        })
    }

    fn flooded(
        &self,
        plan: &PeerPlan,
        healthy: f64,
        share: u32,
        stop: &AtomicBool,
    ) -> Result<Flooded, Failure> {
        let asked = healthy * f64::from(share) / f64::from(100 - share);
        let outcome = self.flood.fire(healthy, asked, plan.span, stop)?;
        let connections = Connections::open(self.set_up, plan.connections)?;
        let (transactions, malformed_beside) =
            self.flood.beside(asked, stop, || connections.run(plan.span, stop))?;
        Ok(Flooded { asked, outcome, transactions, malformed_beside })
    }
}

/// All rounds, first without and then with a flood; the healthy load of the latter. A figure that the stop cut short is none.
pub(super) fn compare(
    plan: &PeerPlan,
    subjects: &mut [Subject<'_>],
    progress: &mut dyn FnMut(&str),
    stop: &AtomicBool,
) -> Result<Option<Offered>, PeerError> {
    let stopped = || stop.load(Ordering::Relaxed);
    for round in 1..=plan.rounds {
        for subject in &mut *subjects {
            let sample = subject.sample(plan, stop);
            if stopped() {
                return Ok(None);
            }
            let sample = sample.map_err(subject.fabric.failed())?;
            progress(&format!(
                "round {round}: {}: {:.0} and {:.0} transactions/s, {:.1} kpps, {:.1} us",
                subject.fabric.name(),
                sample.transactions_one,
                sample.transactions_many,
                sample.udp / 1e3,
                sample.rtt_p50_us
            ));
            subject.samples.push(sample);
        }
    }
    let capacities =
        subjects.iter().filter_map(|subject| Some((median_sample(&subject.samples)?.udp, subject.fabric)));
    let Some((capacity, slowest)) = capacities.min_by(|a, b| a.0.total_cmp(&b.0)) else { return Ok(None) };
    let offered = Offered { frames_per_second: capacity / 2.0, slowest: slowest.name().into() };
    for subject in &mut *subjects {
        subject.sweep.resize(plan.shares.len(), Vec::new());
    }
    for round in 1..=plan.rounds {
        for (at, &share) in plan.shares.iter().enumerate() {
            progress(&format!("round {round}: {share} % malformed"));
            for subject in &mut *subjects {
                let flooded = subject.flooded(plan, offered.frames_per_second, share, stop);
                if stopped() {
                    return Ok(Some(offered));
                }
                subject.sweep[at].push(flooded.map_err(subject.fabric.failed())?);
            }
        }
    }
    Ok(Some(offered))
}

/// What the rounds came to.
///
/// # Errors
/// A server's counters cannot be read.
pub(super) fn report(
    plan: &PeerPlan,
    subjects: &[Subject<'_>],
    offered: Option<Offered>,
    skipped: Vec<Skipped>,
    interrupted: bool,
) -> Result<PeerReport, PeerError> {
    let bare = subjects.iter().find(|subject| matches!(subject.fabric, Fabric::Bare { .. }));
    let line = |subject: &Subject<'_>| {
        let server = KernelCounters::read(subject.set_up.server.namespace());
        let loads = || plan.shares.iter().zip(&subject.sweep);
        let quiet = loads().find(|(share, _)| **share == 0).map_or(&[][..], |(_, rounds)| rounds);
        Ok(SubjectLine {
            subject: subject.fabric.name().into(),
            does: subject.fabric.does().into(),
            median: median_sample(&subject.samples),
            to_bare: bare.and_then(|bare| ratios(&subject.samples, &bare.samples)),
            samples: subject.samples.clone(),
            sweep: loads().filter_map(|(&share, rounds)| SweepLine::of(share, rounds, quiet)).collect(),
            socket_drops: server.map_err(|error| subject.fabric.failed()(error.into()))?.udp_rcvbuf_errors,
        })
    };
    Ok(PeerReport {
        rounds: plan.rounds,
        cpus: plan.cpus,
        connections: plan.connections,
        offered,
        subjects: subjects.iter().map(line).collect::<Result<_, PeerError>>()?,
        skipped,
        interrupted,
    })
}

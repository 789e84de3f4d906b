//! `softrouter measure`: the standard report, in one command.
//!
//! Read in this order: `report.rs` (what comes of it), `load.rs` (what is offered), `rig.rs` (to which router), then each
//! section by its name. All but the pings run in memory: the owner loop, the router and the slow path are the real ones,
//! the wires are not.

pub mod compare;
mod costs;
mod feed;
pub mod figures;
mod hand;
mod html;
mod law;
mod load;
mod machine;
mod mixed;
mod pings;
mod plot;
mod pool;
mod port;
pub mod report;
mod rig;
#[cfg(test)]
mod sample;
mod saved;
mod stopwatch;
mod sweep;
#[cfg(test)]
mod tests;
mod text;
mod transactions;

use crate::config::FileError;
use crate::event_loop::LoopError;
use crate::lab::run::LabError;
use crate::peers::{self, PeerError, PeerPlan, PeerReport};
use crate::progress::Progress;
use crate::slow_path::SlowPathPlan;
use clap::ValueEnum;
use llm_slowpath::{PingTask, SetupError};
use pktgen::stream::PlanError;
use report::{FORMAT, Help, MeasureReport, Subject};
use stack::{ConfigError, Posture};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

/// One part of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Section {
    /// Traffic of all kinds: the fast/slow ratio, latency by path, diverts by reason.
    Mixed,
    /// Model calls that the cache and the rules spare.
    Saved,
    /// Anomaly share against what is left of healthy traffic.
    Sweep,
    /// What a core can do of one kind of frame.
    Costs,
    /// The fraction law, predicted and measured.
    Law,
    /// The article's table.
    Pings,
    /// The same load through the Linux kernel and Open vSwitch, over real devices: as root, and only if it is asked for.
    Peers,
}

impl Section {
    /// Those that are measured unless others are asked for.
    pub const USUAL: [Self; 6] = [Self::Pings, Self::Mixed, Self::Saved, Self::Sweep, Self::Costs, Self::Law];
    /// As it is named on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }

    /// All, in the order in which they are measured.
    const ALL: [Self; 7] =
        [Self::Pings, Self::Mixed, Self::Saved, Self::Sweep, Self::Costs, Self::Law, Self::Peers];
}

/// What to measure.
#[derive(Debug, Clone)]
pub struct MeasurePlan {
    /// Who answers.
    pub slow_path: SlowPathPlan,
    /// Where RFCs leave a choice.
    pub posture: Posture,
    /// Of the generated frames.
    pub seed: u64,
    /// Frames a second that the sweep and the law offer.
    pub offered: f64,
    /// Frames that wait at a port before the next is lost.
    pub ring: usize,
    /// Fewer and shorter measurements.
    pub quick: bool,
    /// Which parts.
    pub sections: BTreeSet<Section>,
    /// Where the frames of [`Section::Mixed`] go, each with what became of it.
    pub write: Option<PathBuf>,
}

impl MeasurePlan {
    /// Single points are measured so often, in rounds over all of them, so that a quiet minute favours none; medians are told.
    const fn rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// The lab's configuration is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The router refused the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The backend could not be set up.
    #[error(transparent)]
    Backend(#[from] SetupError),
    /// The owner loop failed.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// The peers cannot be measured.
    #[error(transparent)]
    Peers(#[from] PeerError),
    /// The lab failed.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// No such frames can be made.
    #[error("frames to measure with: {0}")]
    Frames(#[from] PlanError),
    /// The kernel gives no descriptor for a port.
    #[error("a port: {0}\n  remedy: raise the limit of open files")]
    Descriptor(#[from] io::Error),
    /// A file to be written cannot be.
    #[error("{}: {source}\n  remedy: name a file in a folder that exists, on a disk with room", path.display())]
    Output {
        /// Where it should have been.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// One run: its plan, its end, and its progress line.
struct Session<'a> {
    plan: &'a MeasurePlan,
    stop: &'a Arc<AtomicBool>,
    started: Instant,
    progress: Progress,
    ran: Cell<Option<f64>>,
}

impl Session<'_> {
    /// Has the user had enough?
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// In a run the owner loop's thread ran for this share of the time.
    fn ran(&self, share: f64) {
        self.ran.set(Some(self.ran.get().map_or(share, |least| least.min(share))));
    }

    /// What is done now.
    fn say(&self, what: fmt::Arguments<'_>) {
        let seconds = self.started.elapsed().as_secs_f64();
        self.progress.tell(format_args!("{seconds:6.1} s  {what}"));
    }
}

/// Measures the plan's sections, until their end or until `stop` is set; then what is whole is reported.
///
/// # Errors
/// See [`MeasureError`].
pub fn run(plan: &MeasurePlan, stop: &Arc<AtomicBool>) -> Result<MeasureReport, MeasureError> {
    // Whoever cannot be asked is not found out after minutes.
    plan.slow_path.open(PingTask::default())?;
    let session =
        Session { plan, stop, started: Instant::now(), progress: Progress::new(), ran: Cell::new(None) };
    let mut report = MeasureReport {
        format: FORMAT,
        version: env!("CARGO_PKG_VERSION").into(),
        began: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        seconds: 0.0,
        interrupted: false,
        machine: machine::machine(),
        subject: Subject {
            backend: plan.slow_path.names(),
            posture: plan.posture.name().into(),
            seed: plan.seed,
            offered: plan.offered,
            ring: plan.ring,
            quick: plan.quick,
        },
        mixed: None,
        saved: Vec::new(),
        sweep: Vec::new(),
        law: Vec::new(),
        costs: Vec::new(),
        pings: Vec::new(),
        peers: None,
        notes: notes(plan),
        ran: None,
        not_measured: Vec::new(),
        failures: Vec::new(),
    };
    for section in Section::ALL.into_iter().filter(|section| plan.sections.contains(section)) {
        if session.is_stopped() {
            break;
        }
        match measure(section, &session, &mut report) {
            // Devices and other programs may fail halfway: that costs no other part.
            Err(error @ (MeasureError::Lab(_) | MeasureError::Peers(_))) => {
                report.not_measured.push(format!("{}: {error}", section.name()));
            }
            result => result?,
        }
    }
    session.progress.end();
    report.interrupted = session.is_stopped();
    report.seconds = session.started.elapsed().as_secs_f64();
    report.ran = session.ran.get();
    report.failures = failures(&report);
    Ok(report)
}

fn measure(section: Section, session: &Session<'_>, report: &mut MeasureReport) -> Result<(), MeasureError> {
    match section {
        Section::Pings => report.pings = pings::measure(session)?,
        Section::Mixed => report.mixed = mixed::measure(session)?,
        Section::Saved => report.saved = saved::measure(session)?,
        Section::Sweep => report.sweep = sweep::measure(session)?,
        Section::Costs => report.costs.extend(costs::measure(session)?),
        Section::Peers => report.peers = Some(compare_peers(session)?),
        Section::Law => {
            let (law, costs) = law::measure(session)?;
            report.law = law;
            report.costs.extend(costs);
        }
    }
    Ok(())
}

fn compare_peers(session: &Session<'_>) -> Result<PeerReport, PeerError> {
    let plan = if session.plan.quick { PeerPlan::quick() } else { PeerPlan::default() };
    peers::measure(&plan, &mut |what| session.say(format_args!("peers: {what}")), session.stop)
}

/// What makes the figures unbelievable.
fn failures(report: &MeasureReport) -> Vec<String> {
    let checks = report.mixed.iter().flat_map(|mixed| &mixed.checks);
    let broken = checks.filter(|check| check.value == Some(false));
    let mut failures: Vec<_> = broken.map(|check| format!("BROKEN: {}", check.name)).collect();
    for ping in &report.pings {
        if ping.received < ping.sent && !report.interrupted {
            failures.push(format!(
                "{} of {} pings unanswered: {}",
                ping.sent - ping.received,
                ping.sent,
                ping.who
            ));
        }
    }
    failures
}

fn notes(plan: &MeasurePlan) -> Vec<String> {
    vec![
        format!(
            "All but the pings runs in memory on one machine: the owner loop, the router, its slow path and their threads \
             are the real ones; there is no wire, and reading and writing a device costs nothing. A frame is due at its time, \
             whether the router is ready or not, and is lost if {} frames wait at its port.",
            plan.ring
        ),
        "A router that is measured does not sleep: it looks at its ports all the time, so latency has no wake-ups in it, and \
         the processor's time of the sweep is not a cost. Costs are measured with frames offered without pause."
            .into(),
        "Transactions are UDP, request and response one after another as netperf's TCP_RR, answered at once by the other end; \
         one that loses a datagram asks again after 10 ms."
            .into(),
        format!(
            "The slow path: {}. The sweep keeps the limits that people get (each reason has its token bucket), so what is not \
             served there was mostly refused by them; the fraction law and its costs lift all limits but the model's own, and \
             offer odd frames of one class, to a router with the posture open.",
            Help::ALL.map(Help::name).join(", ")
        ),
        "The embedded model is trained by this project for this task: its figures say nothing about general models. `softrouter \
         exam` asks other models the same questions."
            .into(),
        "The machine may be shared. Figures of one run are compared with each other first; between runs use --compare."
            .into(),
    ]
}

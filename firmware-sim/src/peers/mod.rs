//! The router among its peers: the same load, in the same run, through a Linux kernel, through Open vSwitch's userspace
//! datapath, through a bare loop, and through the router.
//!
//! Read first: `set_up.rs` (the hosts and what joins them), then `flood.rs` and `transactions.rs` (the loads). Needs root or
//! a user namespace, iproute2, and for Open vSwitch its Debian package; what is missing is left out, with its reason.

mod bare;
mod cpu;
mod echo;
mod flood;
mod ovs;
mod report;
mod rounds;
mod router;
mod set_up;
mod text;
mod tools;
mod transactions;

pub use cpu::CpuClock;
pub use echo::{Echo, is_lost, micros, shown};
pub use flood::{Flood, Outcome};
pub use report::{HOW, Offered, PeerReport, Sample, Skipped, SubjectLine, SweepLine};
pub use set_up::{CLIENT, Cpus, End, Fabric, ROUTER, SERVER, SetUp, pin};
pub use transactions::Connections;

use crate::lab::privilege::{LabUnavailable, no_skip, probe_tap};
use cpu::{Unpin, allowed};
use rounds::Subject;
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Any failure, with a text that says what failed.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What is to be compared, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerPlan {
    /// What joins the hosts, one after another in every round.
    pub fabrics: Vec<Fabric>,
    /// How often each is measured.
    pub rounds: usize,
    /// How long each load of a round lasts.
    pub span: Duration,
    /// Echo requests of a round.
    pub echoes: u32,
    /// TCP connections of transactions, beside one.
    pub connections: usize,
    /// Malformed frames of 100, in the order of the sweep; each is below 100.
    pub shares: Vec<u32>,
    /// Where threads run.
    pub cpus: Cpus,
}

impl Default for PeerPlan {
    /// About 90 seconds.
    fn default() -> Self {
        let cpus = allowed();
        let first = cpus.first().copied().unwrap_or(0);
        Self {
            fabrics: vec![
                Fabric::Kernel,
                Fabric::Ovs,
                Fabric::Bare { offload: false },
                Fabric::Softrouter { offload: false },
                Fabric::Softrouter { offload: true },
            ],
            rounds: 3,
            span: Duration::from_millis(350),
            echoes: 2_000,
            connections: 16,
            shares: vec![0, 50, 75, 90, 99],
            cpus: [first, cpus.get(1).copied().unwrap_or(first)],
        }
    }
}

impl PeerPlan {
    /// About 20 seconds.
    pub fn quick() -> Self {
        Self {
            rounds: 1,
            span: Duration::from_millis(250),
            echoes: 1_000,
            shares: vec![0, 50, 90, 99],
            ..Self::default()
        }
    }
}

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// No hosts.
    #[error(transparent)]
    Unavailable(#[from] LabUnavailable),
    /// A program is missing that every subject needs, or a subject is not to be left out.
    #[error("{subject}: {reason}")]
    Missing {
        /// Who needs it.
        subject: String,
        /// What is missing, and what to do.
        reason: String,
    },
    /// A measurement went wrong.
    #[error("{subject}: {source}")]
    Failed {
        /// Whose.
        subject: &'static str,
        /// What.
        source: Failure,
    },
    /// The plan cannot be carried out.
    #[error("peers: {0}")]
    Plan(String),
}

/// Compares them. `progress` is told what is being done, a line at a time; `stop` ends it early, and cleanly.
///
/// The calling thread is kept on one core while the loads run.
///
/// # Errors
/// See [`PeerError`]. A peer that is not here is no error, unless `SOFTROUTER_NO_SKIP=1`.
pub fn measure(
    plan: &PeerPlan,
    progress: &mut dyn FnMut(&str),
    stop: &AtomicBool,
) -> Result<PeerReport, PeerError> {
    if let Some(share) = plan.shares.iter().find(|&&share| share >= 100) {
        return Err(PeerError::Plan(format!(
            "{share} % malformed leaves nothing healthy: name shares below 100"
        )));
    }
    probe_tap()?;
    if let Some(reason) = tools::missing(&[["ip", "-V"]]) {
        return Err(PeerError::Missing { subject: "peers".into(), reason });
    }
    let (mut set_ups, mut skipped) = (Vec::new(), Vec::new());
    for &fabric in &plan.fabrics {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let subject = fabric.name();
        match start(fabric, plan.cpus, stop) {
            Ok(set_up) => set_ups.push((fabric, set_up)),
            Err(_) if stop.load(Ordering::Relaxed) => break,
            Err(reason) if is_ours(fabric) => return Err(PeerError::Failed { subject, source: reason }),
            Err(reason) if no_skip() => {
                let reason = format!("{reason} (and SOFTROUTER_NO_SKIP=1 forbids leaving it out)");
                return Err(PeerError::Missing { subject: subject.into(), reason });
            }
            Err(reason) => {
                progress(&format!("SKIP: {subject}: {reason}"));
                skipped.push(Skipped { subject: subject.into(), reason: reason.to_string() });
            }
        }
    }
    // Not before: the fabrics' threads, and with them the slow path's, would begin on this core, and the latter stay there.
    let _unpin = Unpin::later();
    pin(plan.cpus[0]).map_err(|error| PeerError::Plan(error.to_string()))?;
    let mut subjects = Vec::new();
    for (fabric, set_up) in &set_ups {
        subjects.push(Subject::new(*fabric, set_up).map_err(fabric.failed())?);
    }
    let offered = rounds::compare(plan, &mut subjects, progress, stop)?;
    let report = rounds::report(plan, &subjects, offered, skipped, stop.load(Ordering::Relaxed))?;
    drop(subjects);
    for (fabric, set_up) in set_ups {
        set_up.finish().map_err(fabric.failed())?;
    }
    Ok(report)
}

/// Without these there is nothing to compare with.
const fn is_ours(fabric: Fabric) -> bool {
    match fabric {
        Fabric::Bare { offload } | Fabric::Softrouter { offload } => !offload,
        Fabric::Kernel | Fabric::Ovs => false,
    }
}

impl Fabric {
    fn failed(self) -> impl FnOnce(Failure) -> PeerError {
        move |source| PeerError::Failed { subject: self.name(), source }
    }
}

/// Ready for a load, its neighbours known.
fn start(fabric: Fabric, cpus: Cpus, stop: &AtomicBool) -> Result<SetUp, Failure> {
    if fabric == Fabric::Ovs
        && let Some(reason) = tools::missing(&ovs::PROGRAMS)
    {
        return Err(reason.into());
    }
    let set_up = SetUp::start(fabric, cpus)?;
    Echo::open(&set_up)?.round_trips(50, stop)?;
    Ok(set_up)
}

//! `softrouter fuzz`: frames of a stream at a router in memory with every law checked, into a file, or at another device.
//!
//! Read in this order: `setup.rs` (a router's settings), `bench.rs` (the router and what is done to it), `laws.rs`,
//! `forwarded.rs` and `sent.rs` (what must hold), `act.rs` and `answers.rs` (what comes beside frames), `life.rs` (a
//! stretch of the stream), `memory.rs` (one after another), `shrink.rs` and `case.rs` (what is left of a violation),
//! `recipe.rs` (how to do a run again); then `file.rs`, and `device/mod.rs` (another device).

mod act;
mod answers;
mod args;
mod bench;
mod case;
mod cases;
mod device;
mod file;
mod forwarded;
mod heard;
mod invariant;
mod laws;
mod life;
mod memory;
mod recipe;
mod report;
mod sent;
mod setup;
mod shrink;
mod tally;
#[cfg(test)]
mod tests;

pub use args::FuzzArgs;
pub use device::{Asked, Attribution, PeerAddress, Row, Stopped, TargetPlan, TargetReport, target};
pub use file::{WriteReport, write};
pub use invariant::{Invariant, Violation};
pub use memory::{CaseReport, replay_case};
pub use recipe::Recipe;
pub use report::{AnswerLine, Found, FuzzReport, LawLine, ReasonLine};

use crate::port::tap::TapError;
use crate::replay::{ReadError, load};
use pktgen::oracle::Judgement;
use pktgen::stream::{Made, PlanError, Rate, Sample};
use pktgen::{Stream, StreamMix, StreamPlan, World};
use stack::Posture;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// Frames of captures that are kept as samples.
const SAMPLES: usize = 100_000;

/// What to make, and for how long.
#[derive(Debug, Clone)]
pub struct FuzzPlan {
    /// Names the frames, the routers' settings and all that is done beside.
    pub seed: u64,
    /// What frames are made of.
    pub mix: StreamMix,
    /// Captures whose frames are mutated.
    pub corpus: Vec<PathBuf>,
    /// Ports with a host behind each, from 2 to 15.
    pub ports: u8,
    /// The posture of all routers; `None`: any.
    pub posture: Option<Posture>,
    /// Ends after so many frames.
    pub frames: Option<u64>,
    /// Ends after so many seconds.
    pub seconds: Option<f64>,
    /// Ends once every reason was seen so many times.
    pub until: Option<u64>,
    /// Threads.
    pub threads: usize,
    /// Frames a second: of virtual time in memory.
    pub pps: u64,
    /// The folder that cases are written to.
    pub cases: PathBuf,
}

impl FuzzPlan {
    /// The mix as it is given on the command line.
    fn mix_text(&self) -> String {
        let StreamMix { traffic, varied, odd, near_miss, mutant, captured, sequence } = self.mix;
        format!(
            "traffic={traffic},varied={varied},odd={odd},near_miss={near_miss},mutant={mutant},captured={captured},\
             sequence={sequence}"
        )
    }
}

/// Why nothing was fuzzed.
#[derive(Debug, thiserror::Error)]
pub enum FuzzError {
    /// No stream can be made.
    #[error("{0}\n  remedy: see `softrouter fuzz --help` about --mix, --ports and --corpus")]
    Plan(#[from] PlanError),
    /// The mix may never come to every reason.
    #[error(
        "--until waits for every reason, and the mix {0} may never have them all\n  remedy: give both odd and sequence a weight in --mix, which have every reason between them, or name another end beside: --frames or --seconds"
    )]
    Endless(String),
    /// There is nothing to mutate.
    #[error(
        "captured weighs {0} in the mix, but there are no captures\n  remedy: name some with --corpus FILE, or leave captured out of --mix"
    )]
    NoCorpus(u32),
    /// A capture cannot be read.
    #[error(transparent)]
    Corpus(#[from] ReadError),
    /// A file cannot be written.
    #[error("{}: {source}\n  remedy: name a file or folder that can be written", path.display())]
    Output {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nothing can be written into the folder for cases.
    #[error("--cases {}: {source}\n  remedy: name another folder with --cases, one that can be written or made", path.display())]
    Cases {
        /// Which.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no such interface, or it cannot be used.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// The same, of an interface that is no TAP, or one that somebody holds.
    #[error("{name}: {source}\n  remedy: name an interface of this namespace or a new TAP, and run as root")]
    Interface {
        /// Which.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The device was never heard.
    #[error(
        "{name}: no answer from {peer} to ARP, Neighbour Discovery or echo requests\n  remedy: give the device one of these addresses, or name its own with --peer-ip: {asked}"
    )]
    Silent {
        /// The interface.
        name: String,
        /// The device's hardware address.
        peer: String,
        /// What was asked for.
        asked: String,
    },
    /// A file is no case.
    #[error("{}: {problem}\n  remedy: name a file that `softrouter fuzz` wrote", path.display())]
    Case {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The stream of this plan in this world, in which samples come from the hosts behind the first `hosts` ports; and how
/// many samples there are.
fn stream(plan: &FuzzPlan, world: World, hosts: u8) -> Result<(Stream, usize), FuzzError> {
    if plan.mix.captured > 0 && plan.corpus.is_empty() {
        return Err(FuzzError::NoCorpus(plan.mix.captured));
    }
    if plan.until.is_some()
        && plan.frames.is_none()
        && plan.seconds.is_none()
        && plan.mix.odd.min(plan.mix.sequence) == 0
    {
        return Err(FuzzError::Endless(plan.mix_text()));
    }
    let frames = load(&plan.corpus, SAMPLES)?;
    let count = frames.len();
    let hosts = usize::from(hosts.max(1));
    let samples = frames.into_iter().enumerate();
    let samples = samples.map(|(at, bytes)| Sample { port: (at % hosts) as u8, bytes }).collect();
    let rate = Rate::PacketsPerSecond(plan.pps);
    let plan = StreamPlan { seed: plan.seed, mix: plan.mix, samples, rate, ..StreamPlan::default() };
    Ok((Stream::new(world, plan)?, count))
}

/// What a router ought to see in a frame: a reason, `healthy`, or `foreign` (it is for another station).
fn reason(stream: &Stream, made: &Made, frame: &[u8]) -> &'static str {
    match stream.judgement(made, frame) {
        Judgement::Foreign => "foreign",
        Judgement::Healthy => "healthy",
        Judgement::Anomaly(anomaly) => anomaly.name(),
    }
}

/// Fuzzes in memory until an end of the plan is reached, `stop` is set, or a law is broken.
///
/// # Errors
/// See [`FuzzError`].
pub fn run(plan: &FuzzPlan, stop: &AtomicBool) -> Result<FuzzReport, FuzzError> {
    memory::run(plan, stop)
}

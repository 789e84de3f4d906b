//! `softrouter replay`: captures played through the real owner loop, at ports of its own, and what became of each frame.
//!
//! Read in this order: `source.rs` (packets of a file), `link.rs` (frames of packets), `tape.rs` (frames in order),
//! `port.rs` (where the router receives them), `annotate` (what is written beside them). Not to be confused with
//! `recording`, which repeats every call of a recorded run.

mod annotate;
pub(crate) mod hosts;
mod input;
mod link;
mod pace;
mod patience;
mod pcapng;
mod port;
mod progress;
mod report;
mod source;
mod stamp;
mod tape;
#[cfg(test)]
mod tests;

pub use annotate::Annotated;
pub(crate) use annotate::Annotator;
pub use link::readdress;
pub use pace::Pace;
pub use report::{Played, ReplayReport};
pub use source::ReadError;
pub(crate) use stamp::Stamp;
pub(crate) use tape::Meta as Packet;
pub(crate) use tape::load;
pub use tape::{FileLine, Tally};

use crate::clock::Clock;
use crate::config::{self, FileError, RunConfig};
use crate::decision_log::DecisionLog;
use crate::event_loop::{EventLoop, LoopError, READ_MAX, Settling};
use crate::logs::{LogError, LogPlan, Moment};
use crate::port::Port;
use crate::port::vlan::VlanPort;
use crate::recording::config_hash;
use crate::run;
use crate::slow_path::{SlowPathPlan, suit_servers};
use llm_slowpath::{BackendSpec, PingTask, SetupError};
use patience::Patience;
use port::ReplayPort;
use progress::ReplayProgress;
use report::Ended;
use source::Source;
use stack::{Anomaly, ConfigError, Mode, PortId, Posture};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tape::{Reel, SharedTally, Tape};

/// The lab's router with a way out, as a configuration file.
const LAB: &str = include_str!("lab.toml");
/// Time between two looks at whether all has ended.
const TICK: Duration = Duration::from_millis(10);
/// The longest that held frames may need to settle after the last frame, beyond the slow path's deadline.
const SETTLE: Duration = Duration::from_secs(5);

/// What to play, and how.
#[derive(Debug, Clone)]
pub struct ReplayPlan {
    /// The captures, in order.
    pub files: Vec<PathBuf>,
    /// A configuration instead of the lab's.
    pub config: Option<PathBuf>,
    /// Another posture than the configuration's.
    pub posture: Option<Posture>,
    /// Other backends than the configuration's, if any.
    pub backends: Vec<BackendSpec>,
    /// Every reason's default acts at once, and nothing is diverted.
    pub no_slow_path: bool,
    /// The port that all frames come in by.
    pub port: u8,
    /// Frames keep their destination MAC addresses.
    pub keep_mac: bool,
    /// How fast.
    pub pace: Pace,
    /// The next frame waits until the slow path is done with the one before.
    pub wait: bool,
    /// Loads all frames first and plays them so many times; `None`: once, read as they are needed.
    pub rounds: Option<u64>,
    /// Where the annotated frames go.
    pub write: Option<PathBuf>,
    /// Logs of anomalies.
    pub logs: LogPlan,
    /// Where the decision log goes.
    pub decision_log: Option<PathBuf>,
    /// Where the answers of model servers go.
    pub transcript: Option<PathBuf>,
}

/// Why nothing was played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The configuration file is wrong.
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
    /// A log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A capture is not there.
    #[error("{}: {source}\n  remedy: name a pcap or pcapng file that can be read", path.display())]
    Capture {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file is no capture.
    #[error(transparent)]
    NoCapture(#[from] ReadError),
    /// The annotated frames would replace a capture.
    #[error("--write would replace the capture {}\n  remedy: name another file", .0.display())]
    Overwrite(PathBuf),
    /// There is no such port, or it is a VLAN's, which has no device.
    #[error("frames cannot come in by port {port}: it {problem}\n  remedy: name one of {known} with --port")]
    Port {
        /// The port that was named.
        port: u8,
        /// What is wrong with it.
        problem: &'static str,
        /// Those that can be named.
        known: String,
    },
    /// A file to be written cannot be.
    #[error("{}: {source}\n  remedy: name a file in a folder that exists", path.display())]
    Output {
        /// Where it should have been.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel gives no descriptor for a port.
    #[error("a port: {0}\n  remedy: raise the limit of open files")]
    Descriptor(io::Error),
}

fn configuration(plan: &ReplayPlan, clock: &Clock) -> Result<RunConfig, ReplayError> {
    let mut config = match &plan.config {
        Some(path) => config::load(path, Clock::secret(), clock.midnight_offset_ms())?.0,
        None => lab_router(clock)?,
    };
    config.router.posture = plan.posture.unwrap_or(config.router.posture);
    if !plan.backends.is_empty() {
        config.slow_path = SlowPathPlan::of(plan.backends.iter().cloned());
        if !config.slow_path.is_local() {
            suit_servers(&mut config.router.limits);
        }
    }
    config.slow_path.transcript.clone_from(&plan.transcript);
    if plan.no_slow_path {
        config.slow_path = SlowPathPlan::default();
        for &anomaly in Anomaly::ALL {
            config.router.set_mode(anomaly, Mode::Off)?;
        }
    }
    check_port(plan.port, &config)?;
    Ok(config)
}

/// The lab's router with a way out.
pub(crate) fn lab_router(clock: &Clock) -> Result<RunConfig, FileError> {
    config::parse("the lab's router", LAB, Clock::secret(), clock.midnight_offset_ms())
}

fn check_port(port: u8, config: &RunConfig) -> Result<(), ReplayError> {
    let ports = &config.router.ports;
    let problem = match ports.get(usize::from(port)) {
        None => "is not there",
        Some(named) if named.vlan.is_some() => "is a VLAN, whose frames come in by its trunk",
        Some(_) => return Ok(()),
    };
    let own = ports.iter().enumerate().filter(|(_, port)| port.vlan.is_none());
    let known = own.map(|(at, _)| format!("{at} ({})", config.port_names[at])).collect::<Vec<_>>().join(", ");
    Err(ReplayError::Port { port, problem, known })
}

/// Are all captures there, captures by their headers, and none of them what is to be written? A pipe is not to be opened
/// twice.
fn check_files(plan: &ReplayPlan) -> Result<(), ReplayError> {
    let written = plan.write.as_deref().and_then(|path| std::fs::metadata(path).ok());
    for path in &plan.files {
        let known =
            std::fs::metadata(path).map_err(|source| ReplayError::Capture { path: path.clone(), source })?;
        let same = |other: &Metadata| (other.dev(), other.ino()) == (known.dev(), known.ino());
        if known.is_file() && written.as_ref().is_some_and(same) {
            return Err(ReplayError::Overwrite(path.clone()));
        }
        if known.is_file() || known.is_dir() {
            Source::open(path)?;
        }
    }
    Ok(())
}

fn ports(
    config: &RunConfig,
    at: u8,
    tape: Tape,
    stamp: &Arc<Stamp>,
) -> Result<Vec<Box<dyn Port>>, ReplayError> {
    let mut tape = Some(tape);
    let open = |(index, name): (usize, &String)| -> io::Result<Box<dyn Port>> {
        if config.router.ports[index].vlan.is_some() {
            return Ok(Box::new(VlanPort::new(name)?));
        }
        let tape = if index == usize::from(at) { tape.take() } else { None };
        Ok(Box::new(ReplayPort::new(name, tape, Arc::clone(stamp))?))
    };
    config.port_names.iter().enumerate().map(open).collect::<io::Result<_>>().map_err(ReplayError::Descriptor)
}

/// Plays the captures until their end, or until `stop` is set; then what was played so far is reported.
///
/// # Errors
/// See [`ReplayError`]. What is wrong within a capture is in the report.
pub fn run(plan: &ReplayPlan, stop: &AtomicBool) -> Result<ReplayReport, ReplayError> {
    let clock = Clock::start();
    let config = configuration(plan, &clock)?;
    check_files(plan)?;
    let router = run::router(&config)?;
    let backends = config.slow_path.open(PingTask::default())?;
    let stamp = Arc::new(Stamp::default());
    let names: Vec<String> = plan.files.iter().map(|path| path.display().to_string()).collect();
    let output = |path: &Path| {
        let path = path.to_owned();
        move |source| ReplayError::Output { path, source }
    };
    let log = plan.decision_log.as_deref().map(|path| {
        let hash = config_hash(&config.router, &config.routes, &config.routes_v6);
        DecisionLog::open(path, hash, &config.slow_path.list()).map_err(output(path))
    });
    let moments = Arc::clone(&stamp);
    let logs = plan.logs.open(
        config.port_names.clone(),
        names.clone(),
        Box::new(move |_| {
            let in_hand = moments.in_hand();
            Moment { time: in_hand.time, packet: in_hand.packet }
        }),
    )?;
    let counts = logs.as_ref().map(crate::logs::AnomalyLogs::counts);
    let annotator = plan.write.as_deref().map(|path| {
        let (list, stamp) = (config.slow_path.list(), Arc::clone(&stamp));
        Annotator::create(path, &config.port_names, names, list, &config.router, stamp).map_err(output(path))
    });
    let annotator = annotator.transpose()?;
    let annotated = annotator.as_ref().map(Annotator::outcome);

    let tally = SharedTally::default();
    let mac = config.router.ports[usize::from(plan.port)].mac.0;
    let reel = Reel::new(&plan.files, mac, !plan.keep_mac, READ_MAX, tally.clone());
    let tape = Tape::new(reel, plan.pace, plan.rounds, stop);
    let ports = ports(&config, plan.port, tape, &stamp)?;
    let mut owner =
        EventLoop::new(router, ports, backends, config.slow_path.service(), clock, log.transpose()?)?;
    if let Some(logs) = logs {
        owner.watch(Box::new(logs));
    }
    if let Some(annotator) = annotator {
        owner.watch(Box::new(annotator));
    }
    if plan.wait {
        owner.watch(Box::new(Patience::new(&config.router, Arc::clone(&stamp))));
    }
    let interrupted = play(&mut owner, stop, &stamp, &tally, plan)?;
    let outcome = report::books(&owner, plan, &config, stamp.elapsed(), interrupted);
    // What the watchers still have is written when they go.
    drop(owner);
    let logs = counts.map(|counts| plan.logs.line(&counts));
    let annotated = annotated.map(|annotated| annotated.lock().clone());
    let ended = Ended { stamp: &stamp, tally: tally.lock().clone(), logs, annotated, interrupted };
    Ok(ReplayReport::new(plan, &config, ended, outcome))
}

/// Runs the loop until all has been played and has ended; was it stopped before?
fn play(
    owner: &mut EventLoop,
    stop: &AtomicBool,
    stamp: &Stamp,
    tally: &SharedTally,
    plan: &ReplayPlan,
) -> Result<bool, ReplayError> {
    let done = AtomicBool::new(false);
    let mut settling = Settling::new(owner, SETTLE);
    let mut progress = ReplayProgress::new(plan);
    let mut interrupted = false;
    let result = owner.run(&done, TICK, |owner| {
        if stop.load(Ordering::Relaxed) && !stamp.has_ended() {
            interrupted = true;
            // The next frame may be due in an hour.
            stamp.halt();
            stamp.end();
        }
        progress.show(stamp, tally, owner.router().stats());
        if stamp.has_ended() && settling.is_over(owner) {
            done.store(true, Ordering::Relaxed);
        }
    });
    progress.end();
    result?;
    Ok(interrupted)
}

/// The port that a frame comes in by, by name.
fn port_name(config: &RunConfig, port: PortId) -> &str {
    &config.port_names[port.index()]
}

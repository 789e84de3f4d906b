//! `softrouter run`: the router on TAP devices that the user names, until Ctrl-C.

use crate::clock::Clock;
use crate::config::{self, FileError, RunConfig};
use crate::decision_log::DecisionLog;
use crate::event_loop::{EventLoop, LoopError};
use crate::logs::{LogError, LogPlan, wall_clock};
use crate::metrics::{Endpoint, Listen, MetricsError};
use crate::port::Port;
use crate::port::tap::{Tap, TapError, TapOptions};
use crate::port::vlan::VlanPort;
use crate::recording::{Header, MadeFrom, RecordedRouter, Recorder, config_hash};
use crate::report::SlowPathLine;
use crate::rules::{ControlPlan, Names, RulesPlan, Upkeep, UpkeepError};
use crate::storage;
use llm_slowpath::{PingTask, SetupError};
use stack::stats::{Disposition, Path as FramePath};
use stack::{ConfigError, PortId, Router};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

/// Time between two lines of counters.
const INTERVAL: Duration = Duration::from_secs(10);

/// Why the router could not start, or ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration file is wrong.
    #[error(transparent)]
    File(#[from] FileError),
    /// The router refused the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A TAP could not be had.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// The backend could not be set up.
    #[error(transparent)]
    Backend(#[from] SetupError),
    /// The owner loop failed.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// A log of anomalies cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The control socket or the rules file cannot be had.
    #[error(transparent)]
    Rules(#[from] UpkeepError),
    /// The metrics endpoint cannot be had.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The decision log or the recording could not be made.
    #[error("{what} {path}: {source}: name a file in a folder that exists")]
    Output {
        /// Which of them.
        what: &'static str,
        /// Where it should have been.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// A router that was told what the configuration says.
///
/// # Errors
/// It refuses that.
pub(crate) fn router(config: &RunConfig) -> Result<Router<'static>, ConfigError> {
    let mut router =
        Router::new(config.router.clone(), storage::storage(&config.router.limits, config.tables))?;
    router.add_routes(config.routes.iter().copied())?;
    router.add_routes(config.routes_v6.iter().copied())?;
    Ok(router)
}

/// Files that a run writes, if they are named.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    /// The decision log, which is added to.
    pub decision_log: Option<PathBuf>,
    /// The transcript, which is added to.
    pub transcript: Option<PathBuf>,
    /// The recording.
    pub record: Option<PathBuf>,
    /// Logs of anomalies, which are added to.
    pub logs: LogPlan,
    /// The control socket, instead of the configuration's.
    pub control: Option<PathBuf>,
    /// The metrics endpoint, instead of the configuration's.
    pub metrics: Option<Listen>,
}

/// Runs until `stop` is set.
///
/// # Errors
/// See [`RunError`].
pub fn run(path: &Path, outputs: &Outputs, stop: &AtomicBool) -> Result<(), RunError> {
    let clock = Clock::start();
    let (mut config, text) = config::load(path, Clock::secret(), clock.midnight_offset_ms())?;
    config.slow_path.transcript.clone_from(&outputs.transcript);
    let backends = config.slow_path.open(PingTask::default())?;
    let hash = config_hash(&config.router, &config.routes, &config.routes_v6);
    let socket = outputs.control.as_ref().or(config.control_socket.as_ref());
    let upkeep = Upkeep::prepare(&RulesPlan {
        file: config.rules_file.clone(),
        control: socket.map_or(ControlPlan::Usual, |path| ControlPlan::At(path.clone())),
    })?;
    let endpoint = outputs.metrics.or(config.metrics).map(Endpoint::bind).transpose()?;
    let output = |what, path: &Path| {
        let path = path.to_owned();
        move |source| RunError::Output { what, path, source }
    };
    let log = outputs.decision_log.as_deref().map(|path| {
        DecisionLog::open(path, hash, &config.slow_path.list()).map_err(output("decision log", path))
    });
    let log = log.transpose()?;
    let recorder = outputs.record.as_deref().map(|file| {
        let header = Header::new(&config.router, hash, MadeFrom::File(path.display().to_string()), text);
        let names = config.port_names.iter().map(String::as_str);
        Recorder::create(file, &header, names).map_err(output("recording", file))
    });
    let mut router = RecordedRouter::new(router(&config)?, recorder.transpose()?);
    let mut ports: Vec<Box<dyn Port>> = Vec::new();
    for index in 0..config.port_names.len() {
        ports.push(open_port(&config, PortId(index as u8))?);
    }
    let socket = upkeep.socket().map(Path::to_owned);
    let (desk, opening) =
        upkeep.load(clock, &mut router, Names::of(&config.port_names, &config.slow_path))?;
    let mut owner = EventLoop::new(router, ports, backends, config.slow_path.service(), clock, log)?;
    let names = config.port_names.clone();
    if let Some(logs) = outputs.logs.open(names, Vec::new(), wall_clock(clock.now()))? {
        owner.watch(Box::new(logs));
    }
    owner.open_desk(desk);
    let control = opening.serve(clock, owner.waker())?;
    let serve = |endpoint: Endpoint| endpoint.serve(&mut owner, &config.slow_path, config.tables);
    let metrics = endpoint.map(serve).transpose()?;
    if let Some(socket) = socket {
        let _ = writeln!(io::stdout(), "control socket {}", socket.display());
    }
    let _ = writeln!(
        io::stdout(),
        "backend {}, posture {}; Ctrl-C ends",
        config.slow_path.names(),
        config.router.posture.name()
    );
    // A reader that stalls or goes away must not stall the router: a thread prints, and lines that it has
    // no time for are left out.
    let (lines, printed) = sync_channel::<String>(1);
    let printer = std::thread::spawn(move || {
        for line in printed {
            // A closed pipe is the reader's business.
            let _ = writeln!(io::stdout(), "{line}");
        }
    });
    let result = owner.run(stop, INTERVAL, |owner| {
        let _ = lines.try_send(counters(owner));
    });
    drop((control, metrics));
    owner.close_desk();
    if let Some(written) = owner.end_recording(result.is_ok()) {
        eprintln!("{written}");
    }
    drop(lines);
    let patience = Instant::now() + Duration::from_millis(500);
    while !printer.is_finished() && Instant::now() < patience {
        std::thread::sleep(Duration::from_millis(5));
    }
    // One that is stuck has the output for itself, and ends with the process.
    if printer.is_finished() {
        let books = SlowPathLine::new(&owner, &config.slow_path);
        let _ =
            writeln!(io::stdout(), "{}\n  availability: {}{books}", counters(&owner), owner.availability());
    }
    Ok(result?)
}

/// Opens the port's device, if it has one of its own, and says what the port is.
fn open_port(config: &RunConfig, id: PortId) -> Result<Box<dyn Port>, RunError> {
    let (port, name) = (&config.router.ports[id.index()], &config.port_names[id.index()]);
    let device: Box<dyn Port> = match port.vlan {
        None => {
            let options = TapOptions {
                mtu: Some(config.device_mtu(id) as u32),
                offload: config.offload,
                ..TapOptions::default()
            };
            Box::new(Tap::open(name, &options)?)
        }
        Some(_) => Box::new(VlanPort::new(name).map_err(LoopError::Wait)?),
    };
    let v4 = port.addresses.iter().map(ToString::to_string);
    // The link-local address is not in the file, as a rule.
    let named = port.ipv6.iter().filter(|cidr| !cidr.address().is_unicast_link_local());
    let v6 = named.map(ToString::to_string).chain(port.link_local().map(|address| address.to_string()));
    let addresses: Vec<String> = v4.chain(v6).collect();
    let mac = port.mac.0.map(|byte| format!("{byte:02x}")).join(":");
    let vlan = port.vlan.map(|vlan| format!(" VLAN {} of port {}", vlan.id, vlan.trunk)).unwrap_or_default();
    let _ =
        writeln!(io::stdout(), "port {id} = {name}:{vlan} {mac} {} mtu {}", addresses.join(" "), port.mtu);
    Ok(device)
}

fn counters(owner: &EventLoop) -> String {
    let stats = owner.router().stats();
    let disposed = |d| stats.disposed(d).frames;
    let by_path = |path| stats.by_path(path).frames;
    let slow: u64 = FramePath::ALL.into_iter().filter(|path| path.is_slow()).map(by_path).sum();
    format!(
        "in {}  forwarded {}  delivered {}  consumed {}  dropped {}  held {}  |  by rule {}, slow path {slow}, injected {}",
        stats.received.frames,
        disposed(Disposition::Forwarded),
        disposed(Disposition::Delivered),
        disposed(Disposition::Consumed),
        disposed(Disposition::Dropped),
        stats.held.frames,
        by_path(FramePath::Rule),
        stats.sent.injected.frames,
    )
}

//! The lab from beginning to end: hosts, router, load, and what came of it.

use super::host::LabHost;
use super::memory_hosts::MemoryHost;
use super::namespace::{Host, HostError, HostPlan};
use super::privilege::probe_tap;
use super::scenario::{Load, Seen};
use super::traffic::ping::{PingPlan, PingReport};
use crate::clock::Clock;
use crate::decision_log::DecisionLog;
use crate::event_loop::{EventLoop, LoopError};
use crate::lab::capture::Capture;
use crate::logs::{LogError, LogPlan, wall_clock};
use crate::metrics::{Endpoint, Listen, MetricsError};
use crate::port::{Port, memory};
use crate::progress::Progress;
use crate::recording::{self, Header, MadeFrom, RecordedRouter, Recorder, config_hash};
use crate::report::Outcome;
use crate::rules::{Names, RulesPlan, Upkeep, UpkeepError};
use crate::slow_path::{SlowPathPlan, suit_servers};
use crate::storage;
use llm_slowpath::{PingTask, SetupError};
use serde::{Deserialize, Serialize};
use smoltcp::time::Duration as RouterDuration;
use smoltcp::wire::{EthernetAddress, Ipv4Cidr, Ipv6Cidr};
use stack::{Anomaly, Config, ConfigError, Mode, PortConfig, Posture, Rate, Router};
use std::io;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Frames that an in-memory cable holds in each direction.
const CABLE: usize = 1024;
/// Time between two looks at the router's counters.
const TICK: Duration = Duration::from_millis(100);
/// Time between two looks at how far the load is.
const LOOK: Duration = Duration::from_millis(200);
/// The longest that held frames may need to settle after the load has ended.
const SETTLE: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Debug, Clone)]
pub struct LabPlan {
    /// How long the steady load lasts.
    pub duration: Duration,
    /// The ping experiment with this many requests, instead of the mixed load.
    pub ping: Option<u64>,
    /// What the embedded model is asked in it; `None`: the fast path answers, as it does outside of the experiment.
    pub ping_task: Option<PingTask>,
    /// Who answers, and within what limits.
    pub slow_path: SlowPathPlan,
    /// The router's stance.
    pub posture: Posture,
    /// Seeds the odd frames.
    pub seed: u64,
    /// In memory, even where TAPs are to be had.
    pub memory: bool,
    /// Super-frames and unfinished checksums over the TAPs, if the kernel can?
    pub offload: bool,
    /// Where the decision log goes.
    pub decision_log: Option<PathBuf>,
    /// A folder for captures of what each host received.
    pub capture: Option<PathBuf>,
    /// Where the recording goes.
    pub record: Option<PathBuf>,
    /// Logs of anomalies.
    pub logs: LogPlan,
    /// Where rules are kept, and the control socket.
    pub rules: RulesPlan,
    /// Where the metrics endpoint listens, if there is one.
    pub metrics: Option<Listen>,
}

impl LabPlan {
    /// The mixed load with nothing beside it, for no time yet.
    pub fn new(slow_path: SlowPathPlan, posture: Posture) -> Self {
        Self {
            duration: Duration::ZERO,
            ping: None,
            ping_task: None,
            slow_path,
            posture,
            seed: 0,
            memory: false,
            offload: false,
            decision_log: None,
            capture: None,
            record: None,
            logs: LogPlan::default(),
            rules: RulesPlan::default(),
            metrics: None,
        }
    }
}

/// Why the lab could not run.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A host could not be made.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The backend could not be set up.
    #[error(transparent)]
    Backend(#[from] SetupError),
    /// The router refused its configuration.
    #[error("the lab's configuration: {0}")]
    Config(#[from] ConfigError),
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
    /// A socket, thread or file was refused.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> LabError {
    move |source| LabError::Io { what: what.into(), source }
}

/// The hosts, and the router's ends of their cables.
struct Bench {
    hosts: [Arc<dyn LabHost>; 2],
    ports: Vec<Box<dyn Port>>,
    captures: Vec<Capture>,
    /// Why this is not a TAP run, if it is not.
    not_tap: Option<String>,
}

fn set_up(plan: &LabPlan) -> Result<Bench, LabError> {
    let why_not =
        if plan.memory { Some("--memory".to_owned()) } else { probe_tap().err().map(|e| e.to_string()) };
    let plans =
        [HostPlan::client(), HostPlan::server()].map(|host| HostPlan { offload: plan.offload, ..host });
    let mut hosts: Vec<Arc<dyn LabHost>> = Vec::new();
    let mut ports: Vec<Box<dyn Port>> = Vec::new();
    let mut captures = Vec::new();
    for host_plan in plans {
        let name = host_plan.name.clone();
        if why_not.is_some() {
            let (near, far) = memory::pair(&name, "lan0", CABLE).map_err(failed("a cable in memory"))?;
            hosts.push(Arc::new(MemoryHost::start(host_plan, far).map_err(failed(format!("host {name}")))?));
            ports.push(Box::new(near));
        } else {
            let (host, tap) = Host::start(host_plan)?;
            for warning in host.warnings() {
                eprintln!("{warning}");
            }
            if let Some(folder) = &plan.capture {
                let path = folder.join(format!("{name}.pcap"));
                captures.push(Capture::start(&host, &path).map_err(failed(path.display().to_string()))?);
            }
            hosts.push(Arc::new(host));
            ports.push(Box::new(tap));
        }
    }
    let hosts = hosts.try_into().map_err(|_| ()).expect("two plans make two hosts");
    Ok(Bench { hosts, ports, captures, not_tap: why_not })
}

/// What the configuration of the lab's router depends on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabConfig {
    posture: String,
    ping: bool,
    /// Does a server answer, which takes seconds?
    remote: bool,
}

impl LabConfig {
    fn of(plan: &LabPlan) -> Self {
        let remote = !plan.slow_path.is_local();
        Self {
            posture: plan.posture.name().into(),
            ping: plan.ping.is_some() && plan.ping_task.is_some(),
            remote,
        }
    }

    /// The router's configuration; `None` if there is no such posture.
    pub(crate) fn router(&self, secret: u64, midnight_offset_ms: Option<u32>) -> Option<Config> {
        let posture = Posture::from_name(&self.posture)?;
        Some(router_config(
            posture,
            self.ping,
            self.remote,
            Config { midnight_offset_ms, ..Config::new(secret) },
        ))
    }
}

/// The lab's router: one address of each family on each side, and the link-local one.
pub(crate) fn router_config(posture: Posture, ping: bool, remote: bool, mut config: Config) -> Config {
    config.posture = posture;
    for network in [1, 2] {
        let mac = EthernetAddress([2, 0, 0, 0, network, 1]);
        let mut port = PortConfig::new(mac, 1500);
        // One address of each family fits, and two ports do.
        let _ = port.addresses.push(Ipv4Cidr::new([10, 0, network, 1].into(), 24));
        let ipv6 = Ipv6Addr::new(0xfd00, network.into(), 0, 0, 0, 0, 0, 1);
        let _ = port.ipv6.push(Ipv6Cidr::new(ipv6, 64));
        let _ = config.ports.push(port);
    }
    let limits = &mut config.limits;
    match (remote, ping) {
        (false, false) => {}
        // A request may wait for the slow path as long as `ping` waits for a reply.
        (false, true) => limits.divert_rate = Rate { per_second: 2_000, burst: 200 },
        (true, false) => suit_servers(limits),
        (true, true) => {
            limits.divert_deadline = RouterDuration::from_secs(90);
            limits.divert_rate = Rate { per_second: 2, burst: 16 };
        }
    }
    if ping {
        // Not a reason that must pass: this cannot be refused.
        let _ = config.set_mode(Anomaly::EchoRequest, Mode::Enforce);
    }
    config
}

/// Runs the lab until its load is over or `stop` is set.
///
/// # Errors
/// See [`LabError`].
pub fn run(plan: &LabPlan, stop: &Arc<AtomicBool>) -> Result<Outcome, LabError> {
    let upkeep = Upkeep::prepare(&plan.rules)?;
    let endpoint = plan.metrics.map(Endpoint::bind).transpose()?;
    let bench = set_up(plan)?;
    let clock = Clock::start();
    let made_from = LabConfig::of(plan);
    let config = made_from
        .router(Clock::secret(), clock.midnight_offset_ms())
        .expect("the plan's posture is one of the postures");
    let hash = config_hash(&config, &[], &[]);
    let recorder = plan.record.as_ref().map(|path| {
        let header = Header::new(&config, hash, MadeFrom::Lab(made_from), String::new());
        let names = bench.ports.iter().map(|port| port.name());
        Recorder::create(path, &header, names).map_err(failed(path.display().to_string()))
    });
    let recorder = recorder.transpose()?;
    let storage = storage::storage(&config.limits, storage::Tables::default());
    let mut router = RecordedRouter::new(Router::new(config, storage)?, recorder);
    // Both interfaces may have one name, each in a namespace of its own.
    let names = [HostPlan::client(), HostPlan::server()].map(|host| host.name);
    let (desk, opening) = upkeep.load(clock, &mut router, Names::of(&names, &plan.slow_path))?;
    let backends = plan.slow_path.open(plan.ping_task.unwrap_or_default())?;
    let log = plan.decision_log.as_ref().map(|path| {
        DecisionLog::open(path, hash, &plan.slow_path.list()).map_err(failed(path.display().to_string()))
    });
    let names = bench.ports.iter().map(|port| port.name().to_owned()).collect();
    let logs = plan.logs.open(names, Vec::new(), wall_clock(clock.now()))?;
    let mut owner =
        EventLoop::new(router, bench.ports, backends, plan.slow_path.service(), clock, log.transpose()?)?;
    if let Some(logs) = logs {
        owner.watch(Box::new(logs));
    }
    owner.open_desk(desk);
    let control = opening.serve(clock, owner.waker())?;
    let serve = |endpoint: Endpoint| endpoint.serve(&mut owner, &plan.slow_path, storage::Tables::default());
    let metrics = endpoint.map(serve).transpose()?;
    let loop_stop = Arc::new(AtomicBool::new(false));
    let ticker = Ticker::default();
    let (inner_stop, inner_ticker) = (Arc::clone(&loop_stop), ticker.clone());
    let owner = std::thread::Builder::new()
        .name("router".into())
        .spawn(move || {
            let result = owner.run(&inner_stop, TICK, |owner| inner_ticker.take(owner));
            (owner, result)
        })
        .map_err(failed("the router's thread"))?;
    let started = Instant::now();
    // The router's thread ends only here or on a failure of its own, which ends the load, too.
    let watch = || stop.load(Ordering::Relaxed) || owner.is_finished();
    let done = load(plan, &bench.hosts, &ticker, watch);
    ticker.settle(|| owner.is_finished());
    let elapsed = started.elapsed();
    loop_stop.store(true, Ordering::Relaxed);
    let (mut owner, result) = owner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    drop((control, metrics));
    owner.close_desk();
    let recording = owner.end_recording(result.is_ok());
    result?;
    let captured = bench.captures.into_iter().map(Capture::finish).collect::<io::Result<Vec<_>>>();
    captured.map_err(failed("a capture"))?;
    let (seen, ping) = done?;
    let interrupted = stop.load(Ordering::Relaxed);
    let outcome = Outcome::new(plan, &owner, elapsed, bench.not_tap, seen, ping, interrupted);
    Ok(match recording {
        None => outcome,
        Some(written) => {
            let replayed = recording::replay(&written.file);
            outcome.with_recording(written, replayed)
        }
    })
}

type Done = (Option<Seen>, Option<PingReport>);

fn load(
    plan: &LabPlan,
    hosts: &[Arc<dyn LabHost>; 2],
    ticker: &Ticker,
    stopped: impl Fn() -> bool,
) -> Result<Done, LabError> {
    let [client, server] = hosts;
    let start = Instant::now();
    if let Some(count) = plan.ping {
        let remote = !plan.slow_path.is_local();
        let patience = Duration::from_secs(if remote { 95 } else { 1 });
        let interval = if remote { Duration::from_secs(1) } else { Duration::from_millis(5) };
        let target = HostPlan::client().gateway.expect("the client has a gateway");
        let ping = PingPlan { target: target.into(), count, interval, size: 56, timeout: patience };
        let stop = Arc::new(AtomicBool::new(false));
        let running = client.spawn_ping(&ping, Arc::clone(&stop)).map_err(failed("ping"))?;
        let (answered, mut progress) = (running.progress(), Progress::new());
        while !running.is_finished() {
            let load = || format!("{} of {count} pings answered", answered.get());
            progress.show(|| ticker.line(start.elapsed(), &load()));
            std::thread::sleep(LOOK);
            if stopped() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        progress.end();
        return Ok((None, Some(running.join())));
    }
    let mut progress = Progress::new();
    let load = Load::start(Arc::clone(client), Arc::clone(server), plan.seed, |bursts| {
        progress.show(|| {
            format!("{:5.1} s  cold start: {bursts} bursts of echoes are over", start.elapsed().as_secs_f64())
        });
        stopped()
    });
    progress.end();
    let load = load.map_err(failed("the load"))?;
    let (echoes, tcp) = load.progress();
    // The cold start before the steady load takes its own time.
    let start = Instant::now();
    while start.elapsed() < plan.duration && !stopped() {
        progress.show(|| {
            let replies: u64 = echoes.iter().map(super::traffic::Progress::get).sum();
            let bytes: u64 = tcp.iter().map(super::traffic::Progress::get).sum();
            let megabytes = bytes / 1_000_000;
            ticker.line(start.elapsed(), &format!("{replies} echoes and {megabytes} MB of TCP returned"))
        });
        std::thread::sleep(LOOK);
    }
    progress.end();
    Ok((Some(load.finish(|| ticker.settle(&stopped)).map_err(failed("the load"))?), None))
}

/// What the progress line tells, fed by the router's thread.
#[derive(Debug, Clone, Default)]
struct Ticker(Arc<std::sync::Mutex<Tick>>);

#[derive(Debug, Clone, Copy, Default)]
struct Tick {
    received: u64,
    forwarded: u64,
    diverted: u64,
    injected: u64,
    held: u64,
    seen: bool,
}

impl Ticker {
    fn lock(&self) -> std::sync::MutexGuard<'_, Tick> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn take(&self, owner: &EventLoop) {
        let stats = owner.router().stats();
        *self.lock() = Tick {
            received: stats.received.frames,
            forwarded: stats.sent.forwarded.frames,
            diverted: stats.diverts.iter().map(|d| d.held + d.observed).sum(),
            injected: stats.sent.injected.frames,
            held: stats.held.frames,
            seen: true,
        };
    }

    fn is_settled(&self) -> bool {
        let tick = self.lock();
        tick.seen && tick.held == 0
    }

    /// Waits until the router holds nothing more; not for ever, and not longer than until `ended`.
    fn settle(&self, ended: impl Fn() -> bool) {
        let deadline = Instant::now() + SETTLE;
        // What was sent last may not have been counted yet.
        std::thread::sleep(TICK * 2);
        while !self.is_settled() && Instant::now() < deadline && !ended() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How far the run is.
    fn line(&self, elapsed: Duration, load: &str) -> String {
        let Tick { received, forwarded, diverted, injected, .. } = *self.lock();
        let seconds = elapsed.as_secs_f64();
        format!(
            "{seconds:5.1} s  in {received}  forwarded {forwarded}  diverted {diverted}  injected {injected}  |  {load}"
        )
    }
}

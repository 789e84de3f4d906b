//! The report of a replay: what was read, what was played how fast, and the router's own books.

use super::annotate::Annotated;
use super::link::link_name;
use super::pace::Pace;
use super::stamp::Stamp;
use super::tape::Tally;
use super::{ReplayPlan, port_name};
use crate::config::RunConfig;
use crate::event_loop::EventLoop;
use crate::lab::run::LabPlan;
use crate::logs::LogLine;
use crate::report::Outcome;
use serde::Serialize;
use stack::PortId;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// What was played.
#[derive(Debug, Clone, Serialize)]
pub struct Played {
    /// Frames of the captures that the router received.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Answers of made-up hosts to the router's ARP and Neighbour Discovery, which it received beside them.
    pub made_up: u64,
    /// How often the captures were played, if they were loaded first.
    pub rounds: Option<u64>,
    /// From the first frame's reception until the last one had been handled.
    pub seconds: f64,
    /// Frames of the captures a second of that.
    pub frames_per_second: f64,
    /// Bits of them a second.
    pub bits_per_second: f64,
    /// The processor's time for that, in the owner loop's thread.
    pub cpu_seconds: f64,
    /// Frames of the captures a second of the processor's time: what a core can do that does nothing else.
    pub frames_per_cpu_second: f64,
}

/// What came of a replay.
#[derive(Debug, Clone, Serialize)]
pub struct ReplayReport {
    /// Whose router.
    pub configuration: String,
    /// The port that all frames came in by.
    pub port: String,
    /// How fast they were played.
    pub pace: String,
    /// Were destination MAC addresses made the port's?
    pub readdressed: bool,
    /// Who answered; `off`: nothing was diverted.
    pub slow_path: String,
    /// What was played.
    pub played: Played,
    /// What was read.
    pub read: Tally,
    /// The logs, if there are any.
    pub logs: Option<LogLine>,
    /// The annotated frames, if they were asked for.
    pub annotated: Option<Annotated>,
    /// Ended before its time.
    pub interrupted: bool,
    /// The router's books, as the lab's report has them; there are no hosts in them.
    pub router: Outcome,
    /// Were all files read to their ends, and does every invariant hold?
    pub success: bool,
}

/// What the replay has left behind.
pub(super) struct Ended<'a> {
    pub(super) stamp: &'a Stamp,
    pub(super) tally: Tally,
    pub(super) logs: Option<LogLine>,
    pub(super) annotated: Option<Annotated>,
    pub(super) interrupted: bool,
}

/// The router's books.
pub(super) fn books(
    owner: &EventLoop,
    plan: &ReplayPlan,
    config: &RunConfig,
    elapsed: Duration,
    interrupted: bool,
) -> Outcome {
    let run = LabPlan {
        duration: elapsed,
        memory: true,
        decision_log: plan.decision_log.clone(),
        logs: plan.logs.clone(),
        ..LabPlan::new(config.slow_path.clone(), config.router.posture)
    };
    Outcome {
        ports: "a replay of captures".into(),
        ..Outcome::new(&run, owner, elapsed, None, None, None, interrupted)
    }
}

fn pace(pace: Pace, wait: bool) -> String {
    let text = match pace {
        Pace::Full => "at full speed".into(),
        Pace::Captured { speed, longest_gap } => {
            let gap = longest_gap.map_or(String::new(), |gap| format!(", pauses of at most {gap:?}"));
            format!("as captured, {speed} times as fast{gap}")
        }
        Pace::Rate(rate) => format!("{rate} frames a second"),
    };
    if wait { text + ", waiting for the slow path" } else { text }
}

impl ReplayReport {
    pub(super) fn new(plan: &ReplayPlan, config: &RunConfig, ended: Ended<'_>, router: Outcome) -> Self {
        let Ended { stamp, tally, logs, annotated, interrupted } = ended;
        let (frames, bytes) = stamp.count();
        let (seconds, cpu) = (stamp.elapsed().as_secs_f64(), stamp.cpu().as_secs_f64());
        let rate = |count: f64| if seconds > 0.0 { count / seconds } else { 0.0 };
        let played = Played {
            frames,
            bytes,
            made_up: stamp.made_up_count(),
            rounds: plan.rounds,
            seconds,
            frames_per_second: rate(frames as f64),
            bits_per_second: rate(bytes as f64 * 8.0),
            cpu_seconds: cpu,
            frames_per_cpu_second: if cpu > 0.0 { frames as f64 / cpu } else { 0.0 },
        };
        let broken = annotated.as_ref().is_some_and(|annotated| annotated.error.is_some());
        Self {
            configuration: plan
                .config
                .as_ref()
                .map_or("the lab's router, with default routes to its server".into(), |path| {
                    path.display().to_string()
                }),
            port: port_name(config, PortId(plan.port)).to_owned(),
            pace: pace(plan.pace, plan.wait),
            readdressed: !plan.keep_mac,
            slow_path: if plan.no_slow_path { "off".into() } else { config.slow_path.names() },
            played,
            success: tally.problems.is_empty() && router.success && !broken,
            read: tally,
            logs,
            annotated,
            interrupted,
            router,
        }
    }
}

fn list<K>(counts: &BTreeMap<K, u64>, name: impl Fn(&K) -> String) -> String {
    counts.iter().map(|(key, count)| format!("{}: {count}", name(key))).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for ReplayReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.interrupted { " (interrupted)" } else { "" };
        writeln!(f, "\nSoftrouter replay: {}", self.configuration)?;
        writeln!(
            f,
            "in by port {}, {}{early}, slow path {}, posture {}",
            self.port, self.pace, self.slow_path, self.router.posture
        )?;
        writeln!(f, "\nRead{:>58}", "packets")?;
        for file in &self.read.files {
            let mark = if file.complete || self.interrupted { "" } else { "  <-- NOT ALL" };
            let links = file.link_types.keys().map(|&link| link_name(link)).collect::<Vec<_>>().join(", ");
            writeln!(f, "  {:<50}{:>10}  link type {links}{mark}", file.file.display(), file.packets)?;
        }
        if !self.read.reframed.is_empty() {
            writeln!(
                f,
                "  given an Ethernet header, by link type: {}",
                list(&self.read.reframed, |&link| link_name(link))
            )?;
        }
        if !self.read.left_out.is_empty() {
            writeln!(f, "  NOT PLAYED: {}", list(&self.read.left_out, Clone::clone))?;
        }
        if self.read.cut > 0 {
            writeln!(f, "  cut by the capture, and played as they are: {}", self.read.cut)?;
        }
        for problem in &self.read.problems {
            writeln!(f, "  PROBLEM: {problem}")?;
        }
        self.write_played(f)?;
        self.router.write_books(f)?;
        self.router.write_slow_path(f)?;
        if let Some(logs) = &self.logs {
            let files =
                logs.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
            writeln!(
                f,
                "\nLogs: {} anomalies in {files}; {} held back by the limit{}",
                logs.written,
                logs.suppressed,
                if logs.ended_early { "; ENDED EARLY" } else { "" }
            )?;
        }
        if let Some(annotated) = &self.annotated {
            writeln!(f, "\nAnnotated: {annotated}")?;
        }
        self.router.write_checks(f)?;
        writeln!(
            f,
            "\n{}",
            match (self.success, self.interrupted) {
                (false, _) => "FAILED: see the marks above",
                (true, true) => "everything played so far is accounted for",
                (true, false) => "every frame is accounted for",
            }
        )
    }
}

impl ReplayReport {
    fn write_played(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Played { frames, bytes, made_up, rounds, seconds, frames_per_second, bits_per_second, .. } =
            &self.played;
        let how = match rounds {
            None => "read while they were played".to_owned(),
            Some(rounds) => format!("loaded first, played {rounds} times"),
        };
        writeln!(f, "\nPlayed: {frames} frames, {bytes} bytes, {how}")?;
        if self.readdressed {
            writeln!(f, "  unicast frames were addressed to the port; --keep-mac plays them as they are")?;
        }
        if *made_up > 0 {
            writeln!(
                f,
                "  beside them {made_up} answers of made-up hosts to the router's ARP and Neighbour Discovery"
            )?;
        }
        writeln!(
            f,
            "  {seconds:.3} s from the first frame to the last: {frames_per_second:.0} frames/s, {:.2} Gbit/s",
            bits_per_second / 1e9
        )?;
        writeln!(
            f,
            "  {:.3} s of the processor's time in that thread: {:.0} frames/s of it",
            self.played.cpu_seconds, self.played.frames_per_cpu_second
        )?;
        let counted = match rounds {
            None => {
                "reading the files, copying each frame to the router's buffer, the whole router and its loop"
            }
            Some(_) => {
                "copying each frame to the router's buffer, the whole router and its loop; not reading the files"
            }
        };
        writeln!(f, "  counted: {counted}. Nothing is sent to a device: sent frames are counted and let go")
    }
}

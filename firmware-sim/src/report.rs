//! The report at the end of a lab run: the books, the fast/slow ratio, the slow path, the invariants.

mod checks;
mod rules;
mod slow_path;
mod text;

pub use rules::{RuleLine, RulesLine};
pub use slow_path::{BackendLine, CostLine, SlowPathLine};

use crate::availability::AvailabilityLine;
use crate::event_loop::EventLoop;
use crate::lab::run::LabPlan;
use crate::lab::scenario::{Repaired, Seen};
use crate::lab::traffic::ping::PingReport;
use crate::recording::{ReadError, Report, Written};
use llm_slowpath::prompt::tokens::Task;
use llm_slowpath::{Latency, PingTask};
use serde::{Deserialize, Serialize};
use stack::classify::Anomaly;
use stack::divert::Refusal;
use stack::stats::{Disposition, Path};
use stack::{ActionKind, DropReason, Rejection, Stats};
use std::collections::BTreeMap;
use std::time::Duration;

/// Printed under each ratio.
pub const RATIO_DEFINITION: &str = "fast/slow ratio = received frames (bytes) that ended by a path / all received frames (bytes); \
     each frame has exactly one path. fast: without the slow path; rule: as a rule says that was once learnt of it; slow-cached: by a cached answer; \
     slow-model: by a model's answer; slow-refused: diverted, but the default acted (bucket, full, \
     deadline, rejection, failure). Copies that are only observed count apart.";

/// Microseconds within which the article calls a slow path viable.
const VIABLE_US: f64 = 10_000.0;

/// Frames and bytes, and their shares of what was received.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Frames.
    pub frames: u64,
    /// Bytes.
    pub bytes: u64,
    /// Of the frames received, 0 to 1.
    pub frame_share: f64,
    /// Of the bytes received, 0 to 1.
    pub byte_share: f64,
}

/// What became of the frames of one reason.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ReasonLine {
    /// Frames in which it was seen.
    pub seen: u64,
    /// Held for an answer.
    pub held: u64,
    /// Copied for an answer that is only recorded.
    pub observed: u64,
    /// Not admitted.
    pub refused: u64,
    /// Answers approved.
    pub approved: u64,
    /// Answers rejected.
    pub rejected: u64,
    /// Without an answer at the deadline.
    pub unanswered: u64,
}

/// Latency in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Micros {
    /// How many were measured.
    pub count: u64,
    /// Half took at most this long.
    pub p50: f64,
    /// 99 of 100 took at most this long.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl From<Latency> for Micros {
    fn from(q: Latency) -> Self {
        let micros = |d: Duration| d.as_secs_f64() * 1e6;
        Self { count: q.count, p50: micros(q.p50), p99: micros(q.p99), max: micros(q.max) }
    }
}

/// One healthy kind of traffic.
#[derive(Debug, Clone, Serialize)]
pub struct HealthyLine {
    /// What it is.
    pub name: String,
    /// Sent.
    pub sent: u64,
    /// Arrived.
    pub received: u64,
    /// All of it, and nothing else.
    pub clean: bool,
    /// Median round trip in microseconds.
    pub rtt_p50_us: Option<f64>,
}

/// One class whose repaired frames or replies must be received.
#[derive(Debug, Clone, Serialize)]
pub struct RepairedLine {
    /// The reason.
    pub reason: &'static str,
    /// Frames sent by the client.
    pub sent: u64,
    /// Those that an approved answer, or a rule, served.
    pub served: u64,
    /// Received by a kernel.
    pub received: u64,
}

/// The ping experiment.
#[derive(Debug, Clone, Serialize)]
pub struct PingLine {
    /// What the model was asked: `ping_delta` or `ping_full`; else that there was none.
    pub task: &'static str,
    /// Who judged.
    pub judge: String,
    /// Requests sent.
    pub sent: u64,
    /// Good replies.
    pub received: u64,
    /// Twice or late.
    pub duplicates: u64,
    /// With a wrong byte or checksum, or cut off.
    pub damaged: u64,
    /// Errors of the judge.
    pub errors: u64,
    /// Round trips in microseconds.
    pub rtt_us: Micros,
    /// First answers of the model that approval accepted.
    pub first_attempt_right: u64,
    /// First answers of the model that approval rejected.
    pub first_attempt_wrong: u64,
    /// Of the round trips, those within 10 ms, 0 to 1: what the article calls viable.
    pub within_10_ms: f64,
    /// Requests that the deterministic default answered: rejected, refused or late.
    pub answered_by_default: u64,
}

/// One invariant, and how it was checked in this run.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// The invariant.
    pub name: &'static str,
    /// Does it hold? `None`: this run cannot tell.
    pub holds: Option<bool>,
    /// What was compared.
    pub how: String,
}

/// Everything that came of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Over what.
    pub ports: String,
    /// Ended before its time.
    pub interrupted: bool,
    /// Seconds.
    pub seconds: f64,
    /// Who answered.
    pub backend: String,
    /// The operator's stance.
    pub posture: &'static str,
    /// Seed of the odd frames.
    pub seed: u64,
    /// Received.
    pub received: Share,
    /// By disposition and path: `[disposition][path]`.
    pub dispositions: BTreeMap<&'static str, BTreeMap<&'static str, Share>>,
    /// By path.
    pub paths: BTreeMap<&'static str, Share>,
    /// Sent: forwarded, originated, injected.
    pub sent: [u64; 3],
    /// Still held at the end.
    pub held: u64,
    /// By reason, those seen.
    pub reasons: BTreeMap<&'static str, ReasonLine>,
    /// Drops that are no anomaly.
    pub other_drops: BTreeMap<&'static str, u64>,
    /// Diverts refused, by why.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Answers rejected, by why.
    pub rejections: BTreeMap<&'static str, u64>,
    /// Approved answers that acted, by action.
    pub applied: BTreeMap<&'static str, u64>,
    /// Copies observed.
    pub observed: u64,
    /// `handle_frame`, in microseconds.
    pub handle_frame_us: Micros,
    /// Divert to action, in microseconds, without the ping experiment's.
    pub divert_to_action_us: Micros,
    /// Rules.
    pub rules: RulesLine,
    /// The slow path's service.
    pub slow_path: SlowPathLine,
    /// Seconds in which the slow path failed no frame.
    pub availability: AvailabilityLine,
    /// The recording, if one was asked for.
    pub recording: Option<Written>,
    /// Healthy traffic.
    pub healthy: Vec<HealthyLine>,
    /// The four repaired classes.
    pub repaired: Vec<RepairedLine>,
    /// Packets with a wrong header, length or checksum that the hosts' own stacks counted, by counter.
    pub malformed_at_hosts: BTreeMap<String, u64>,
    /// The ping experiment.
    pub ping: Option<PingLine>,
    /// The invariants.
    pub checks: Vec<Check>,
    /// Did all healthy traffic arrive, and does every invariant hold?
    pub success: bool,
}

impl Outcome {
    /// Draws up the report.
    pub fn new(
        plan: &LabPlan,
        owner: &EventLoop,
        elapsed: Duration,
        not_tap: Option<String>,
        seen: Option<Seen>,
        ping: Option<PingReport>,
        interrupted: bool,
    ) -> Self {
        let stats = owner.router().stats();
        let ping = ping.map(|ping| ping_line(&ping, plan.ping_task, owner));
        let malformed_at_hosts = seen.as_ref().map(malformed).unwrap_or_default();
        let repaired: Vec<_> =
            seen.iter().flat_map(|seen| &seen.repaired).map(|class| repaired_line(stats, class)).collect();
        let checks = checks::checks(&checks::Run {
            stats,
            under_way: owner.router().divert_occupancy(),
            seen: seen.as_ref(),
            repaired: &repaired,
            ping: ping.as_ref(),
            malformed: &malformed_at_hosts,
            interrupted,
        });
        let share = |count: stack::stats::Count| share(count, stats);
        let mut outcome = Self {
            ports: not_tap
                .map_or("two TAP devices, each a Linux host in a namespace of its own".into(), |why| {
                    format!("NOT A TAP RUN: in-memory ports, smoltcp hosts ({why})")
                }),
            interrupted,
            seconds: elapsed.as_secs_f64(),
            backend: plan.slow_path.names(),
            posture: plan.posture.name(),
            seed: plan.seed,
            received: share(stats.received),
            dispositions: Disposition::ALL
                .into_iter()
                .map(|d| {
                    (
                        d.name(),
                        Path::ALL
                            .into_iter()
                            .map(|p| (p.name(), share(stats.dispositions[d as usize][p as usize])))
                            .collect(),
                    )
                })
                .collect(),
            paths: Path::ALL.into_iter().map(|p| (p.name(), share(stats.by_path(p)))).collect(),
            sent: [stats.sent.forwarded.frames, stats.sent.originated.frames, stats.sent.injected.frames],
            held: stats.held.frames,
            reasons: Anomaly::ALL
                .iter()
                .filter(|&&a| stats.seen[a as usize] > 0)
                .map(|&a| (a.name(), reason_line(stats, a)))
                .collect(),
            other_drops: named(DropReason::OTHERS.iter().map(|r| (r.name(), stats.drops(*r)))),
            refusals: named(Refusal::ALL.iter().map(|r| (r.name(), stats.refusals[*r as usize]))),
            rejections: named(Rejection::ALL.iter().map(|r| (r.name(), stats.rejections[*r as usize]))),
            applied: named(ActionKind::ALL.iter().map(|a| (a.name(), stats.applied[*a as usize]))),
            observed: stats.diverts.iter().map(|d| d.observed).sum(),
            handle_frame_us: owner.latencies().handle_frame().into(),
            divert_to_action_us: owner.latencies().slow(None).into(),
            rules: RulesLine::new(owner),
            slow_path: SlowPathLine::new(owner, &plan.slow_path),
            availability: owner.availability(),
            recording: None,
            healthy: Vec::new(),
            repaired,
            malformed_at_hosts,
            ping,
            success: checks.iter().all(|check| check.holds != Some(false)),
            checks,
        };
        if let Some(seen) = seen {
            outcome.success &= seen.all_healthy_arrived() || interrupted && seen.all_sent_arrived();
            let micros = |d: Duration| d.as_secs_f64() * 1e6;
            outcome.healthy = seen
                .healthy
                .into_iter()
                .map(|h| HealthyLine {
                    name: h.name,
                    sent: h.sent,
                    received: h.received,
                    clean: h.clean,
                    rtt_p50_us: h.rtt_p50.map(micros),
                })
                .collect();
        }
        outcome
    }

    /// Adds what was recorded, and what its replay showed.
    pub(crate) fn with_recording(mut self, written: Written, replayed: Result<Report, ReadError>) -> Self {
        let check = checks::replay(&written, replayed);
        self.success &= check.holds != Some(false);
        if let Some(place) = self.checks.iter_mut().find(|other| other.name == check.name) {
            *place = check;
        }
        self.recording = Some(written);
        self
    }
}

fn share(count: stack::stats::Count, stats: &Stats) -> Share {
    let of = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    Share {
        frames: count.frames,
        bytes: count.bytes,
        frame_share: of(count.frames, stats.received.frames),
        byte_share: of(count.bytes, stats.received.bytes),
    }
}

/// Those that are not 0.
fn named(counts: impl Iterator<Item = (&'static str, u64)>) -> BTreeMap<&'static str, u64> {
    counts.filter(|&(_, count)| count > 0).collect()
}

/// Frames of this class, sent alone by the scenario: what was not dropped was sent on, by an answer or by a rule.
fn repaired_line(stats: &Stats, class: &Repaired) -> RepairedLine {
    let at = class.reason as usize;
    let served = stats.seen[at].saturating_sub(stats.anomaly_drops[at]);
    RepairedLine { reason: class.reason.name(), sent: class.sent, served, received: class.received }
}

/// What the hosts' stacks found wrong.
fn malformed(seen: &Seen) -> BTreeMap<String, u64> {
    let hosts = ["client", "server"].into_iter().zip(&seen.kernels);
    hosts
        .flat_map(|(host, kernel)| {
            kernel.faults().map(move |(name, count)| (format!("{host} {name}"), count))
        })
        .filter(|&(_, count)| count > 0)
        .collect()
}

fn reason_line(stats: &Stats, anomaly: Anomaly) -> ReasonLine {
    let diverts = stats.diverts[anomaly as usize];
    ReasonLine {
        seen: stats.seen[anomaly as usize],
        held: diverts.held,
        observed: diverts.observed,
        refused: diverts.refused,
        approved: diverts.approved,
        rejected: diverts.rejected,
        unanswered: diverts.unanswered,
    }
}

fn ping_line(ping: &PingReport, task: Option<PingTask>, owner: &EventLoop) -> PingLine {
    let stats = owner.router().stats();
    let diverts = stats.diverts[Anomaly::EchoRequest as usize];
    let mut rtts: Vec<f64> = ping.rtts.iter().map(|rtt| rtt.as_secs_f64() * 1e6).collect();
    rtts.sort_unstable_by(f64::total_cmp);
    let viable = rtts.partition_point(|&rtt| rtt < VIABLE_US) as f64 / rtts.len().max(1) as f64;
    let at = |quantile: f64| {
        rtts.get(((rtts.len().max(1) - 1) as f64 * quantile).round() as usize).copied().unwrap_or(0.0)
    };
    PingLine {
        task: match task {
            None => "none: the fast path answers",
            Some(PingTask::Delta) => Task::PingDelta.name(),
            Some(PingTask::Full) => Task::PingFull.name(),
        },
        judge: ping.judge.to_string(),
        sent: ping.sent,
        received: ping.received,
        duplicates: ping.duplicates,
        damaged: ping.damaged,
        errors: ping.errors,
        rtt_us: Micros { count: rtts.len() as u64, p50: at(0.5), p99: at(0.99), max: at(1.0) },
        first_attempt_right: diverts.approved,
        first_attempt_wrong: diverts.rejected,
        within_10_ms: viable,
        answered_by_default: diverts.rejected + diverts.refused + diverts.unanswered,
    }
}

impl std::iter::Sum for Share {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), |sum, part| Self {
            frames: sum.frames + part.frames,
            bytes: sum.bytes + part.bytes,
            frame_share: sum.frame_share + part.frame_share,
            byte_share: sum.byte_share + part.byte_share,
        })
    }
}

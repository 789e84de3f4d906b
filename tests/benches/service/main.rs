//! The service around the models: what it adds to an answer at 10,000 diverts a second, and what a bad backend costs
//! healthy traffic at half of the router's capacity.
//!
//! Real time and real threads: on a shared machine read the medians, and ratios of neighbouring rows.

mod flows;
#[path = "../../tests/isolation/rig.rs"]
mod rig;

use llm_slowpath::prompt::canonical::Canonical;
use llm_slowpath::prompt::{Detail, PromptOptions, text};
use llm_slowpath::{BackendAnswer, BackendError, LocalBackend, OwnedAction, Request, Service, ServiceConfig};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use pktgen::{Generator, World};
use rig::{Backend, Plan};
use smoltcp::time::Instant as RouterInstant;
use stack::frame::FRAME_MAX;
use stack::{ActionKind, Anomaly, FrameBuf, PortId};
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use tests::Sim;
use tests::storage::{SIZES, Sizes};

/// Diverts a second.
const RATE: u32 = 10_000;

fn main() {
    let quick = std::env::args().any(|arg| arg == "--test");
    let rounds = if quick { 1 } else { 5 };
    println!("service, beside a model that takes no time: {RATE} diverts a second");
    println!("{:<58}{:>10}{:>10}{:>10}", "divert to inject, model time excluded", "p50", "p99", "max");
    for _ in 0..rounds {
        overhead("every frame asked about", None, quick);
    }
    for _ in 0..rounds {
        overhead("answers cached", ServiceConfig::default().cache, quick);
    }
    unbind();
    prompts(quick);
    flows::rows(quick);
    isolation(quick);
}

/// A model that knows at once.
struct Instantly;

impl LocalBackend for Instantly {
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError> {
        Ok(BackendAnswer {
            nonce: request.diverted.nonce,
            reason: request.diverted.reason(),
            action: OwnedAction::Symbolic(ActionKind::StripTag),
            advice: None,
            probability: None,
            prompt_tokens: 0,
            cached_tokens: 0,
            answer_tokens: 0,
        })
    }
}

/// One second of priority-tagged frames, each handled, diverted, answered, approved, applied and polled for transmission.
fn overhead(name: &str, cache: Option<llm_slowpath::middleware::CacheConfig>, quick: bool) {
    let mut sim = Sim::cold(
        |config| {
            config.limits.divert_rate.per_second = 2 * RATE;
            config.limits.divert_rate.burst = RATE;
            config.limits.divert_queue = 4_096;
            config.limits.divert_outstanding = 4_096;
            config.limits.divert_per_source = 4_096;
            config.limits.inject_rate = config.limits.divert_rate;
        },
        Sizes { diverts: 8_192, ..SIZES },
    );
    sim.prime();
    let mut router = sim.router;
    // The backend's thread on one processor, the owner on another: on two busy ones it would be measured how they share.
    bind(1);
    let mut service =
        Service::start(Instantly, ServiceConfig { cache, ..ServiceConfig::default() }).expect("a thread");
    bind(0);
    let generator = Generator::new(World::lab(), 7);
    let frames = if quick { RATE / 10 } else { RATE };
    let (mut sent, mut ended, mut took) = (0, 0, Vec::with_capacity(frames as usize));
    let mut out = [0; FRAME_MAX];
    let start = Instant::now();
    while ended < frames {
        let elapsed = start.elapsed();
        let now = RouterInstant::from_secs(2) + elapsed.into();
        if sent < frames && elapsed >= Duration::from_secs(1) * sent / RATE {
            let made = generator.of(Anomaly::VlanPriorityTag, 0).expect("it can be made");
            let mut bytes = made.bytes;
            let begun = Instant::now();
            let _ = router.handle_frame(now, PortId(made.port), &mut FrameBuf::new(&mut bytes));
            let diverted = router.poll_divert(&mut out).expect("it is diverted");
            let len = diverted.len;
            service.submit(diverted, &out[..len], Duration::from_secs(1)).expect("there is room");
            sent += 1;
            starts(&mut took, begun);
        }
        while let Some(reply) = service.try_recv() {
            let answer = reply.answer.as_ref().expect("it always answers");
            let approved = router.approve(now, &answer.as_answer());
            let verdict = approved.and_then(|approved| router.apply(now, approved));
            service.judged(&reply, verdict);
            while router.poll_transmit(&mut out).is_some() {}
            let model = reply.times.started.map_or(Duration::ZERO, |started| reply.times.finished - started);
            // Replies come in the order of their frames: there is one backend, one class and one queue.
            took[ended as usize].1 = took[ended as usize].0.elapsed().saturating_sub(model);
            ended += 1;
        }
        router.handle_timeout(now);
    }
    let mut times: Vec<Duration> = took.into_iter().map(|(_, took)| took).collect();
    times.sort_unstable();
    let at = |quantile: f64| micros(times[((times.len() - 1) as f64 * quantile) as usize]);
    println!("{name:<58}{:>10}{:>10}{:>10}", at(0.5), at(0.99), at(1.0));
}

/// Keeps this thread, and those that it starts, on the n-th of the processors that there are.
fn bind(n: usize) {
    static ALLOWED: LazyLock<Option<CpuSet>> = LazyLock::new(|| sched_getaffinity(Pid::from_raw(0)).ok());
    let Some(allowed) = &*ALLOWED else { return };
    let mut one = CpuSet::new();
    let mut cpus = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false));
    if let Some(cpu) = cpus.clone().nth(n).or_else(|| cpus.next_back()) {
        let _ = one.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &one));
    }
}

/// Lets this thread, and those that it starts, run anywhere again.
fn unbind() {
    let mut all = CpuSet::new();
    for cpu in 0..CpuSet::count() {
        let _ = all.set(cpu);
    }
    let _ = sched_setaffinity(Pid::from_raw(0), &all);
}

fn starts(took: &mut Vec<(Instant, Duration)>, begun: Instant) {
    took.push((begun, Duration::ZERO));
}

/// What a request to a model server costs before it is sent: the prompt and its canonical hash.
fn prompts(quick: bool) {
    let mut sim = Sim::lab();
    let generator = Generator::new(World::lab(), 7);
    let frames = (0..)
        .filter_map(|index| generator.of(Anomaly::Ipv4TotalLengthShort, index))
        .filter(|made| made.port == 0);
    let count = if quick { 10 } else { 200 };
    let mut taken = Vec::new();
    for made in frames.take(count) {
        let _ = sim.send(made.port, &made.bytes);
        taken.extend(sim.diverts());
        sim.advance(smoltcp::time::Duration::from_millis(60));
    }
    for (name, detail) in [("class prompt", Detail::Class), ("frame prompt", Detail::Frame)] {
        let options = PromptOptions { detail, payload: 64, ..PromptOptions::default() };
        let mut times: Vec<Duration> = taken
            .iter()
            .map(|divert| {
                let start = Instant::now();
                let user = text::frame_part(&divert.about, &divert.bytes, &options).expect("a prompt");
                let about = &divert.about;
                let canonical = Canonical::of(text::system(), &user, about.nonce, about.boundary);
                std::hint::black_box(canonical);
                start.elapsed()
            })
            .collect();
        times.sort_unstable();
        let at = |quantile: f64| micros(times[((times.len() - 1) as f64 * quantile) as usize]);
        println!("{:<58}{:>10}{:>10}{:>10}", format!("{name} and its hash"), at(0.5), at(0.99), at(1.0));
    }
}

/// Each backend in turn, between two runs without anomalies.
fn isolation(quick: bool) {
    let time = Duration::from_millis(if quick { 300 } else { 2_000 });
    let rounds = if quick { 1 } else { 3 };
    let plan = |backend, healthy, anomalies| Plan { backend, healthy, anomalies, time, log: None };
    // Capacity as in RFC 2544 §26.1: the highest rate, in steps, of which hardly a frame is lost.
    let most = rig::run(&plan(Backend::Embedded, None, 0)).received as f64 / time.as_secs_f64();
    let lossless = |rate: u32| {
        (0..3).all(|_| {
            let run = rig::run(&plan(Backend::Embedded, Some(rate), 0));
            run.received * 10_000 >= run.sent * 9_995
        })
    };
    let capacity =
        (1..).map(|step| (most * 0.8_f64.powi(step)) as u32).find(|&rate| rate < 1_000 || lossless(rate));
    let capacity = capacity.unwrap_or(1_000);
    let half = capacity / 2;
    println!(
        "\nhealthy round trips over ports in memory: {most:.0} a second, 256 at a time; {capacity} a second without loss; \
         offered: {half}"
    );
    println!(
        "{:<10}{:>10}{:>11}{:>11}{:>10}{:>10}{:>8}{:>10}{:>9}{:>9}{:>9}{:>9}{:>14}",
        "backend",
        "deadline",
        "anomalies",
        "delivered",
        "p50",
        "p99",
        "ratio",
        "diverted",
        "approved",
        "rejected",
        "default",
        "calls",
        "peak memory"
    );
    for backend in Backend::ALL {
        for _ in 0..rounds {
            let without = rig::run(&plan(backend, Some(half), 0));
            let with = rig::run(&plan(backend, Some(half), 1_000));
            let sums = with.stats.diverts.iter().fold([0; 4], |sum, d| {
                [
                    sum[0] + d.held + d.observed,
                    sum[1] + d.approved,
                    sum[2] + d.rejected,
                    sum[3] + d.unanswered,
                ]
            });
            let [peak, before] = with.peak_kib;
            println!(
                "{:<10}{:>10}{:>11}{:>10.3}%{:>10}{:>10}{:>8.2}{:>10}{:>9}{:>9}{:>9}{:>9}{:>6} (+{:>2}) MB",
                format!("{backend:?}"),
                format!("{:?}", with.deadline),
                with.anomalies,
                100.0 * with.received as f64 / with.sent as f64,
                micros(with.p50),
                micros(with.p99),
                with.p99.as_secs_f64() / without.p99.as_secs_f64(),
                sums[0],
                sums[1],
                sums[2],
                sums[3],
                with.service.asked,
                peak / 1024,
                peak.saturating_sub(before) / 1024,
            );
        }
    }
}

fn micros(duration: Duration) -> String {
    format!("{:.1} us", duration.as_secs_f64() * 1e6)
}

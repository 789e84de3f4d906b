//! The slow path on one core: a frame is handled, diverted, answered by the embedded models in their own
//! thread, approved, applied and polled for transmission; then the models alone.
//!
//! Prints p50, p99 and the longest of each, and answers a second. All threads are bound to one processor.

mod models;

use llm_slowpath::backend::embedded::Embedded;
use llm_slowpath::{PingTask, Service, ServiceConfig};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use pktgen::{Generator, World};
use smoltcp::time::Instant;
use stack::frame::FRAME_MAX;
use stack::{ActionKind, Anomaly, FrameBuf, Mode, PortId};
use std::sync::mpsc;
use std::time::Duration;
use tests::Sim;

/// Frames measured for each row.
const FRAMES: u64 = 4_000;
/// Times that each prompt is answered by the models alone.
const ROUNDS: usize = 8;
/// Frames before the measurement.
const WARM_UP: u64 = 200;

fn main() {
    // `cargo test --benches` asks for a quick look only.
    let quick = std::env::args().any(|arg| arg == "--test");
    let frames = if quick { 20 } else { FRAMES };
    bind_to_one_processor();
    println!("slow path, embedded model, all threads on one core ({frames} frames a row)");
    println!("{:<44}{:>10}{:>10}{:>10}{:>12}", "divert to inject", "p50", "p99", "max", "answers/s");
    row(
        "triage, the four discretionary classes",
        frames,
        &[
            Anomaly::VlanPriorityTag,
            Anomaly::SnapIpv4,
            Anomaly::Ipv4OptionTransit,
            Anomaly::IcmpTimestampRequest,
        ],
        PingTask::Delta,
    );
    let all: Vec<_> =
        Anomaly::ALL.iter().copied().filter(|&a| a != Anomaly::EchoRequest && !a.must_pass()).collect();
    row("triage, every diverted reason", frames, &all, PingTask::Delta);
    row("ping-delta", frames, &[Anomaly::EchoRequest], PingTask::Delta);
    row("ping-full", frames, &[Anomaly::EchoRequest], PingTask::Full);
    models::rows(if quick { 1 } else { ROUNDS });
}

fn bind_to_one_processor() {
    let Ok(allowed) = sched_getaffinity(Pid::from_raw(0)) else { return };
    let mut one = CpuSet::new();
    if let Some(last) = (0..CpuSet::count()).rfind(|&cpu| allowed.is_set(cpu).unwrap_or(false)) {
        // Threads started later inherit it.
        let _ = one.set(last).and_then(|()| sched_setaffinity(Pid::from_raw(0), &one));
    }
}

/// Frames of these reasons, one at a time.
fn row(name: &str, frames: u64, reasons: &[Anomaly], task: PingTask) {
    let ping = reasons.contains(&Anomaly::EchoRequest);
    let mut sim = Sim::lab_with(|config| {
        if ping {
            config.set_mode(Anomaly::EchoRequest, Mode::Enforce).expect("an experiment may be enforced");
        }
    });
    let (wake, woken) = mpsc::sync_channel(1);
    let waker: llm_slowpath::Waker = std::sync::Arc::new(move || {
        let _ = wake.try_send(());
    });
    let embedded = Embedded::new().expect("the embedded models load").with_ping(task);
    // Every frame is to be answered by the model.
    let config = ServiceConfig { waker: Some(waker), cache: None, ..ServiceConfig::default() };
    let mut service = Service::start(embedded, config).expect("a thread");
    let generator = Generator::new(World::lab(), 7);
    let mut took = Vec::new();
    let mut out = [0; FRAME_MAX];
    let mut injected = 0_u64;
    let begun = std::time::Instant::now();
    for number in 0..WARM_UP + frames {
        let reason = reasons[(number % reasons.len() as u64) as usize];
        let Some(mut made) = generator.of(reason, number) else { continue };
        // Each frame a millisecond after the last, so that no token bucket runs dry.
        let now = Instant::from_millis(1_000 + number as i64);
        let router = &mut sim.router;
        let start = std::time::Instant::now();
        let _ = router.handle_frame(now, PortId(made.port), &mut FrameBuf::new(&mut made.bytes));
        let Some(diverted) = router.poll_divert(&mut out) else { continue };
        let id = diverted.id;
        let len = diverted.len;
        if service.submit(diverted, &out[..len], Duration::from_secs(1)).is_err() {
            router.abandon(now, id);
            continue;
        }
        let reply = loop {
            match service.try_recv() {
                Some(reply) => break reply,
                None => drop(woken.recv_timeout(Duration::from_secs(1))),
            }
        };
        let answer = reply.answer.expect("the embedded model always answers");
        if let Ok(approved) = router.approve(now, &answer.as_answer()) {
            injected += u64::from(approved.action() != ActionKind::Drop);
            let _ = router.apply(now, approved);
        }
        while router.poll_transmit(&mut out).is_some() {}
        if number >= WARM_UP {
            took.push(start.elapsed());
        }
    }
    let rate = took.len() as f64 / took.iter().sum::<Duration>().as_secs_f64();
    took.sort_unstable();
    let at = |quantile: f64| micros(took[((took.len() - 1) as f64 * quantile) as usize]);
    println!("{name:<44}{:>10}{:>10}{:>10}{rate:>12.0}", at(0.5), at(0.99), at(1.0));
    println!("{:<44}{injected} approved actions other than drop, {:.1} s", "", begun.elapsed().as_secs_f64());
}

fn micros(duration: Duration) -> String {
    format!("{:.0} us", duration.as_secs_f64() * 1e6)
}

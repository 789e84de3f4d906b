//! Frames a second of `pktgen`'s streams, on one core, into one buffer: by kind of stream, and for the mix that fuzzing uses.
//!
//! On a shared machine read the medians.

use pktgen::{Stream, StreamMix, StreamPlan, World, stream};
use std::hint::black_box;
use std::time::Instant;

const FRAMES: u64 = 1_000_000;
const ROUNDS: usize = 7;

/// Nothing yet.
const NONE: StreamMix = StreamMix { traffic: 0, ..StreamMix::HEALTHY };

fn main() {
    let quick = std::env::args().any(|arg| arg == "--test");
    let (frames, rounds) = if quick { (FRAMES / 20, 1) } else { (FRAMES, ROUNDS) };
    let samples = samples();
    let poisson = stream::Spacing::Poisson;
    let healthy = StreamPlan::default();
    let of = |mix| StreamPlan { seed: 7, mix, ..StreamPlan::default() };
    let rows = [
        ("healthy IMIX, 1,000 flows", healthy.clone()),
        (
            "healthy IMIX, 1,000,000 flows, Poisson",
            StreamPlan { flows: 1_000_000, spacing: poisson, ..healthy },
        ),
        (
            "healthy, 64 bytes, UDP",
            StreamPlan { sizes: vec![(1, 64)], protocols: stream::Protocols::UDP, ..of(StreamMix::HEALTHY) },
        ),
        ("healthy of all kinds", of(StreamMix { varied: 1, ..NONE })),
        ("malformed templates", of(StreamMix { odd: 1, ..NONE })),
        ("near misses", of(StreamMix { near_miss: 1, ..NONE })),
        ("mutants of templates", of(StreamMix { mutant: 1, ..NONE })),
        ("mutants of given frames", StreamPlan { samples, ..of(StreamMix { captured: 1, ..NONE }) }),
        ("sequences", of(StreamMix { sequence: 1, ..NONE })),
        ("the fuzzing mix", of(StreamMix::FUZZ)),
    ];
    println!("pktgen streams, {frames} frames of each, medians of {rounds} rounds on one core:");
    println!(
        "{:<40}{:>12}{:>10}{:>10}{:>10}{:>12}",
        "stream", "frames/s", "ns/frame", "bytes", "Gbit/s", "set-up ms"
    );
    for (name, plan) in rows {
        row(name, plan, frames, rounds);
    }
}

/// Frames as a capture might have them: a thousand of all kinds.
fn samples() -> Vec<stream::Sample> {
    let mix = StreamMix { traffic: 3, varied: 1, ..NONE };
    let stream = Stream::new(World::lab(), StreamPlan { seed: 1, mix, ..StreamPlan::default() });
    let stream = stream.expect("a sound plan");
    let sample = |index| {
        let (made, bytes) = stream.owned(index);
        stream::Sample { port: made.port, bytes }
    };
    (0..1_000).map(sample).collect()
}

fn row(name: &str, plan: StreamPlan, frames: u64, rounds: usize) {
    let start = Instant::now();
    let stream = Stream::new(World::lab(), plan).expect("a sound plan");
    let set_up = start.elapsed().as_secs_f64() * 1e3;
    let mut buffer = [0; stream::FRAME_MAX];
    let mut bytes = 0_u64;
    let mut times: Vec<f64> = (0..rounds as u64)
        .map(|round| {
            let start = Instant::now();
            for index in round * frames..(round + 1) * frames {
                let made = stream.frame(index, black_box(&mut buffer));
                bytes += black_box(made).len as u64;
            }
            start.elapsed().as_nanos() as f64 / frames as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (nanos, mean) = (times[times.len() / 2], bytes as f64 / (frames * rounds as u64) as f64);
    println!(
        "{name:<40}{:>12.0}{nanos:>10.1}{mean:>10.1}{:>10.1}{set_up:>12.1}",
        1e9 / nanos,
        mean * 8.0 / nanos
    );
}

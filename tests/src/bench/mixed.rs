//! Healthy frames among malformed ones: does a mix cost more than the sum of its parts?

use super::{Driver, lab, transit_frames};
use smoltcp::time::Duration;
use stack::frame::FRAME_MAX;
use stack::{PortId, Verdict};
use std::hint::black_box;
use std::time::Instant;

const FRAMES: usize = 100_000;
const ROUNDS: usize = 9;
/// Malformed frames of 100.
const SHARES: [usize; 5] = [0, 10, 50, 90, 99];

/// Prints the nanoseconds a frame of each mix, beside the weighted sum of its parts in the same rounds.
pub fn print() {
    println!(
        "mixes of 64-byte frames, malformed ones diverted, polled and given up; ns a frame, medians of {ROUNDS}:"
    );
    println!("  malformed   measured   weighted sum   ratio");
    let shares = SHARES.into_iter().chain([100]);
    let mut times: Vec<(usize, Vec<f64>)> = shares.map(|share| (share, Vec::new())).collect();
    for _ in 0..ROUNDS {
        for (share, times) in &mut times {
            times.push(one_round(*share));
        }
    }
    let mut median = |at: usize| {
        times[at].1.sort_by(f64::total_cmp);
        times[at].1[ROUNDS / 2]
    };
    let (forward, divert) = (median(0), median(SHARES.len()));
    for (at, share) in SHARES.into_iter().enumerate() {
        let (measured, part) = (median(at), share as f64 / 100.0);
        let sum = forward * (1.0 - part) + divert * part;
        println!("  {share:>7} %   {measured:>8.1}   {sum:>12.1}   {:>5.2}", measured / sum);
    }
}

fn one_round(share: usize) -> f64 {
    let (mut sim, healthy) = (lab(), transit_frames(64));
    let malformed = healthy.iter().map(|frame| {
        let mut frame = frame.clone();
        frame[24] ^= 1;
        frame
    });
    let (mut healthy, mut malformed) = (Driver::new(healthy.clone()), Driver::new(malformed.collect()));
    let (mut now, mut out, mut state) = (sim.now(), Box::new([0; FRAME_MAX]), 1_u64);
    // Drawn before, so that the draw is not measured.
    let plan: Vec<bool> = (0..FRAMES)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % 100) < share as u64
        })
        .collect();
    let start = Instant::now();
    for is_malformed in plan {
        let driver = if is_malformed { &mut malformed } else { &mut healthy };
        let verdict = black_box(sim.router.handle_frame(now, PortId(0), &mut driver.receive()));
        assert_eq!(matches!(verdict, Verdict::Divert(_)), is_malformed);
        if is_malformed {
            now += Duration::from_millis(1);
            let diverted = black_box(sim.router.poll_divert(&mut out)).expect("a diverted frame");
            sim.router.abandon(now, diverted.id);
            while sim.router.poll_event().is_some() {}
        }
    }
    start.elapsed().as_nanos() as f64 / FRAMES as f64
}

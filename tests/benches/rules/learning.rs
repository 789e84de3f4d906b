//! From the first frames of a class to its rule: model calls, and the time until the rule acts, with the embedded model.

use crate::rig::Rig;
use smoltcp::time::Instant;
use stack::stats::Path;
use std::time::Duration;

/// Frames of the class, and their rate.
const FRAMES: u64 = 1_000_000;
const RATE: u64 = 200_000;
/// Runs, each with a router that knows nothing.
const RUNS: usize = 5;

pub(crate) fn rows(quick: bool) {
    let (frames, runs) = if quick { (2_000, 1) } else { (FRAMES, RUNS) };
    println!("one class, {frames} frames at {RATE} a second (in real time), the embedded model, k = 3");
    println!(
        "{:>12}{:>14}{:>14}{:>14}{:>26}{:>26}",
        "model calls", "by model", "by cache", "by rule", "first frame to active", "k-th frame to active"
    );
    for _ in 0..runs {
        one(frames);
    }
    println!();
}

fn one(frames: u64) {
    let mut rig = Rig::new();
    let mut third = None;
    let began = std::time::Instant::now();
    for number in 0..frames {
        let due = Duration::from_nanos(number * 1_000_000_000 / RATE);
        while began.elapsed() < due {
            rig.turn();
        }
        rig.receive(number);
        if number == 2 {
            third = Some(rig.now());
        }
        rig.turn();
    }
    let calls = rig.service.metrics().asked;
    let stats = rig.router.stats();
    let by = |path| stats.by_path(path).frames;
    let rule = rig.router.rules().find(|rule| rule.active_at.is_some());
    let took = |since: Option<Instant>| {
        let active = rule.as_ref().and_then(|rule| rule.active_at).zip(since);
        active.map_or("no rule".into(), |(at, since)| {
            format!("{:.2} ms", (at - since).total_micros() as f64 / 1e3)
        })
    };
    println!(
        "{calls:>12}{:>14}{:>14}{:>14}{:>26}{:>26}",
        by(Path::SlowModel),
        by(Path::SlowCached),
        by(Path::Rule),
        took(Some(rig.began)),
        took(third),
    );
}

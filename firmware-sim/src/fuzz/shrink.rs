//! The smallest input that still breaks the same law: fewer steps first, then shorter and emptier frames.
//!
//! Read first: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002), §3: ddmin.

use super::bench::Bench;
use super::case::{Step, run};
use super::invariant::{Invariant, Violation};
use super::setup::Setup;
use pktgen::Expected;
use std::time::{Duration, Instant};

/// Shrinks these steps, which break `law`; what is broken in the end. `patience` bounds the time that it takes.
pub(super) fn shrink(
    setup: &Setup,
    steps: Vec<Step>,
    law: Invariant,
    patience: Duration,
    prepare: impl Fn(&mut Bench) + Copy,
) -> (Vec<Step>, Option<Violation>) {
    let end = Instant::now() + patience;
    let breaks = |steps: &[Step]| {
        if Instant::now() > end {
            return None;
        }
        run(setup, steps, prepare).filter(|(violation, _)| violation.invariant == law)
    };
    let mut steps = steps;
    let mut found = None;
    if let Some((violation, done)) = run(setup, &steps, prepare) {
        steps.truncate(done);
        found = Some(violation);
    }
    let mut try_steps = |steps: &mut Vec<Step>, candidate: Vec<Step>| match breaks(&candidate) {
        Some((violation, done)) => {
            *steps = candidate;
            steps.truncate(done);
            found = Some(violation);
            true
        }
        None => false,
    };
    fewer(&mut steps, &mut try_steps);
    for at in 0..steps.len() {
        smaller(&mut steps, at, &mut try_steps);
    }
    (steps, found)
}

/// Leaves out larger and smaller runs of steps, the last one excepted, as long as that helps.
fn fewer(steps: &mut Vec<Step>, try_steps: &mut impl FnMut(&mut Vec<Step>, Vec<Step>) -> bool) {
    let mut chunk = steps.len().div_ceil(2).max(1);
    loop {
        let mut start = 0;
        let mut helped = false;
        while start < steps.len() {
            let end = (start + chunk).min(steps.len());
            let candidate = [&steps[..start], &steps[end..]].concat();
            if try_steps(steps, candidate) {
                helped = true;
            } else {
                start = end;
            }
        }
        if chunk == 1 && !helped {
            return;
        }
        chunk = if chunk > 1 { chunk.div_ceil(2).min(steps.len().div_ceil(2).max(1)) } else { 1 };
    }
}

/// Cuts a frame's tail, and makes its bytes zeros, larger runs first. What nobody foretold of it then is the oracle's to say.
fn smaller(steps: &mut Vec<Step>, at: usize, try_steps: &mut impl FnMut(&mut Vec<Step>, Vec<Step>) -> bool) {
    let frame_of = |steps: &[Step]| match steps.get(at) {
        Some(Step::Frame { frame, .. }) => frame.clone(),
        _ => Vec::new(),
    };
    let with = |steps: &[Step], bytes: Vec<u8>| {
        let mut steps = steps.to_vec();
        if let Some(Step::Frame { frame, expected, .. }) = steps.get_mut(at) {
            (*frame, *expected) = (bytes, Expected::Unknown);
        }
        steps
    };
    let mut cut = frame_of(steps).len();
    while cut > 0 {
        let frame = frame_of(steps);
        let kept = frame.len().saturating_sub(cut);
        if cut > frame.len() || !try_steps(steps, with(steps, frame[..kept].to_vec())) {
            cut /= 2;
        }
    }
    for run in [16, 8, 4, 2, 1] {
        for start in (0..frame_of(steps).len()).step_by(run) {
            let mut frame = frame_of(steps);
            let Some(bytes) = frame.get_mut(start..start + run).filter(|bytes| bytes.iter().any(|&b| b != 0))
            else {
                continue;
            };
            bytes.fill(0);
            try_steps(steps, with(steps, frame));
        }
    }
}

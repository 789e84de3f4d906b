//! How many model calls the cache and the rules spare, on the same odd frames.

use super::load::Offer;
use super::pool::Pool;
use super::report::{Help, Saved};
use super::rig::{Limits, Rig, Work};
use super::{MeasureError, Session};
use stack::stats::Path;
use std::time::Duration;

/// Different odd frames that are offered, one after another, again and again.
const FRAMES: usize = 16_384;

/// Odd frames a second: what a slow path can answer, whoever it is.
const RATES: [f64; 2] = [5_000.0, 20.0];

/// Measures each help.
///
/// # Errors
/// See [`MeasureError`].
pub(super) fn measure(session: &Session<'_>) -> Result<Vec<Saved>, MeasureError> {
    let plan = session.plan;
    let odd = Pool::odd(plan.seed, FRAMES)?;
    let span = Duration::from_secs(if plan.quick { 1 } else { 4 });
    let mut lines = Vec::new();
    for help in [Help::None, Help::Cache, Help::Rules] {
        session.say(format_args!("model calls, {}", help.name()));
        let rate = RATES[usize::from(!plan.slow_path.is_local())];
        let offer = Offer { rate, odd: 1_000_000, ring: plan.ring, span };
        let (warm_up, healthy) = (Duration::ZERO, Pool::default());
        let work = Work { offer, warm_up, healthy, odd: odd.clone(), connections: 0 };
        let observed = Rig { plan, help, limits: Limits::Usual }.run(&work, session)?;
        if session.is_stopped() {
            break;
        }
        // From the first frame on: what was learnt is part of it.
        let after = &observed.after;
        let frames = |path: Path| after.paths[path as usize].frames;
        let (ruled, calls) = (frames(Path::Rule), after.slow.asked);
        let helped = ruled + after.slow.cached + after.slow.followed;
        let offered = after.counts.due.offered[1];
        lines.push(Saved {
            help,
            odd: offered,
            ruled,
            submitted: after.slow.submitted,
            refused: frames(Path::SlowRefused),
            cached: after.slow.cached,
            followed: after.slow.followed,
            calls,
            calls_per_thousand: calls as f64 * 1e3 / offered.max(1) as f64,
            saved_share: helped as f64 / (helped + calls).max(1) as f64,
        });
    }
    Ok(lines)
}

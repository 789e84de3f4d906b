//! What a core can do of one kind of frame, and what a frame takes of the processor's time.

use super::load::Offer;
use super::pool::Pool;
use super::report::{Cost, Help};
use super::rig::{Limits, Observed, Rig, Work};
use super::{MeasureError, Session};
use pktgen::stream::SIMPLE_IMIX;
use std::time::Duration;

/// Frames of each kind in memory.
const FRAMES: usize = 16_384;

/// Measures healthy frames, and odd ones without a slow path.
///
/// # Errors
/// See [`MeasureError`].
pub(super) fn measure(session: &Session<'_>) -> Result<Vec<Cost>, MeasureError> {
    let plan = session.plan;
    let kinds: [(&str, &str, Help, Pool, u64); 4] = [
        (
            "healthy_64",
            "healthy, 64 bytes: forwarded",
            Help::Rules,
            Pool::healthy(plan.seed, &[(1, 64)], FRAMES)?,
            0,
        ),
        (
            "healthy_imix",
            "healthy, IMIX: forwarded",
            Help::Rules,
            Pool::healthy(plan.seed, &SIMPLE_IMIX, FRAMES)?,
            0,
        ),
        (
            "odd_off",
            "every anomaly alike: the defaults act, nobody is asked",
            Help::Off,
            Pool::odd(plan.seed, FRAMES)?,
            1_000_000,
        ),
        (
            "odd_rules",
            "every anomaly alike: usual limits, cache and rules",
            Help::Rules,
            Pool::odd(plan.seed, FRAMES)?,
            1_000_000,
        ),
    ];
    let mut costs = Vec::new();
    for (key, what, help, pool, odd) in kinds {
        session.say(format_args!("cost of frames: {what}"));
        let [warm_up, counted] = if plan.quick { [100, 300] } else { [300, 1_000] };
        let (warm_up, counted) = (Duration::from_millis(warm_up), Duration::from_millis(counted));
        let offer = Offer { rate: f64::INFINITY, odd, ring: plan.ring, span: warm_up + counted };
        let (healthy, odd) = if odd == 0 { (pool, Pool::default()) } else { (Pool::default(), pool) };
        let work = Work { offer, warm_up, healthy, odd, connections: 0 };
        let observed = Rig { plan, help, limits: Limits::Usual }.run(&work, session)?;
        if session.is_stopped() {
            break;
        }
        costs.push(line(key, what.to_owned(), &observed));
    }
    Ok(costs)
}

/// The line about all frames that were received.
pub(super) fn line(key: &str, what: String, observed: &Observed) -> Cost {
    let frames = observed.grew(|books| books.received);
    let [owner, process] = observed.processor().map(|time| time.as_secs_f64() * 1e9 / frames.max(1.0));
    let money = observed.ended.money - observed.before.money;
    Cost {
        key: key.to_owned(),
        what,
        frames: frames as u64,
        frames_per_second: frames / observed.seconds(),
        owner_ns: owner,
        process_ns: process,
        money_per_million: (money > 0.0).then_some(money / frames.max(1.0) * 1e6),
    }
}

/// The line about a model call, if models were asked often enough to say: what the process took beside the owner loop.
pub(super) fn call(help: Help, observed: &Observed) -> Option<Cost> {
    let calls = observed.grew(|books| books.slow.asked);
    let [owner, process] = observed.processor();
    let money = observed.ended.money - observed.before.money;
    (help == Help::None && calls >= 100.0).then(|| Cost {
        key: "model_call".into(),
        what: "a model call, beside the owner loop: all other threads".into(),
        frames: calls as u64,
        frames_per_second: calls / observed.seconds(),
        owner_ns: 0.0,
        process_ns: process.saturating_sub(owner).as_secs_f64() * 1e9 / calls,
        money_per_million: (money > 0.0).then_some(money / calls * 1e6),
    })
}

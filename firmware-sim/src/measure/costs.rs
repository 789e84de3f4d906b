//! What a core can do of one kind of frame, and what a frame takes of the processor's time.

use super::load::Offer;
use super::pool::Pool;
use super::report::{Cost, Help, several};
use super::rig::{Limits, Observed, Rig, Work};
use super::{MeasureError, Session};
use crate::median::median;
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
    let kinds = [
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
    let [warm_up, counted] = if plan.quick { [100, 300] } else { [300, 1_000] }.map(Duration::from_millis);
    let offer = Offer { rate: f64::INFINITY, odd: 0, ring: plan.ring, span: warm_up + counted };
    let mut costs = vec![Vec::new(); kinds.len()];
    for round in 1..=plan.rounds() {
        for ((key, what, help, pool, odd), costs) in kinds.iter().zip(&mut costs) {
            session.say(format_args!("cost of frames: {what}, round {round} of {}", plan.rounds()));
            let (healthy, strange) = match *odd {
                0 => (pool.clone(), Pool::default()),
                _ => (Pool::default(), pool.clone()),
            };
            let offer = Offer { odd: *odd, ..offer };
            let work = Work { offer, warm_up, healthy, odd: strange, connections: 0 };
            let observed = Rig { plan, help: *help, limits: Limits::Usual }.run(&work, session)?;
            if session.is_stopped() {
                // What was cut short says nothing.
                return Ok(Vec::new());
            }
            costs.push(line(key, (*what).to_owned(), &observed));
        }
    }
    Ok(costs.into_iter().map(median_cost).collect())
}

/// The median of rates and times, with the rounds if there were several; there is a round.
fn median_cost(rounds: Vec<Cost>) -> Cost {
    let of = |figure: fn(&Cost) -> f64| median(rounds.iter().map(figure)).unwrap_or_default();
    Cost {
        frames: rounds.iter().map(|cost| cost.frames).sum(),
        frames_per_second: of(|cost| cost.frames_per_second),
        owner_ns: of(|cost| cost.owner_ns),
        process_ns: of(|cost| cost.process_ns),
        money_per_million: median(rounds.iter().filter_map(|cost| cost.money_per_million)),
        key: rounds[0].key.clone(),
        what: rounds[0].what.clone(),
        rounds: several(rounds),
    }
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
        rounds: Vec::new(),
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
        rounds: Vec::new(),
    })
}

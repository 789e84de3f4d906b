//! How much healthy traffic is left beside so many odd frames: at a stated offered load, and as transactions.

use super::load::Offer;
use super::pool::Pool;
use super::report::{CONNECTIONS, Curve, Help, Point, several};
use super::rig::{Limits, Observed, Rig, Work};
use super::{MeasureError, MeasurePlan, Session};
use crate::median::median;
use stack::stats::Path;
use std::time::Duration;

/// Odd frames in a million of all.
const SHARES: [u64; 9] = [0, 10_000, 50_000, 100_000, 250_000, 500_000, 750_000, 900_000, 990_000];
const QUICK: [u64; 5] = [0, 10_000, 100_000, 500_000, 990_000];
/// Frames of each kind in memory: more than the caches of a core, so that they are read as frames are.
const FRAMES: usize = 16_384;
/// Bytes of a healthy frame with its check sequence.
const SMALLEST: [(u32, u16); 1] = [(1, 64)];

/// Time before it is counted, time that is counted, and as much of transactions, each with the same warm-up.
fn spans(plan: &MeasurePlan) -> [Duration; 3] {
    let slow = if plan.slow_path.is_local() { 1 } else { 4 };
    let spans = if plan.quick { [100, 200, 100] } else { [200, 500, 200] };
    spans.map(|millis| Duration::from_millis(millis * slow))
}

/// Measures every help at every share.
///
/// # Errors
/// See [`MeasureError`].
pub(super) fn measure(session: &Session<'_>) -> Result<Vec<Curve>, MeasureError> {
    let plan = session.plan;
    let (shares, rounds) = (if plan.quick { &QUICK[..] } else { &SHARES[..] }, plan.rounds());
    let pools = [Pool::healthy(plan.seed, &SMALLEST, FRAMES)?, Pool::odd(plan.seed, FRAMES)?];
    let mut points: Vec<Vec<Vec<Point>>> = vec![vec![Vec::new(); shares.len()]; Help::ALL.len()];
    for round in 1..=rounds {
        for (help, points) in Help::ALL.into_iter().zip(&mut points) {
            for (&share, points) in shares.iter().zip(points) {
                let percent = share as f64 / 1e4;
                session.say(format_args!(
                    "anomaly share {percent} %, {}, round {round} of {rounds}",
                    help.name()
                ));
                points.push(at(session, help, share, &pools)?);
                if session.is_stopped() {
                    // What was cut short says nothing.
                    return Ok(Vec::new());
                }
            }
        }
    }
    let curve = |(help, points): (Help, Vec<Vec<Point>>)| Curve {
        help,
        points: points.into_iter().map(median_point).collect(),
    };
    Ok(Help::ALL.into_iter().zip(points).map(curve).collect())
}

/// One share: the load, and transactions beside as many odd frames.
fn at(session: &Session<'_>, help: Help, share: u64, pools: &[Pool; 2]) -> Result<Point, MeasureError> {
    let plan = session.plan;
    let rig = Rig { plan, help, limits: Limits::Usual };
    let ([healthy, odd], [warm_up, counted, short]) = (pools.clone(), spans(plan));
    let offer = Offer { rate: plan.offered, odd: share, ring: plan.ring, span: warm_up + counted };
    let work = Work { offer, warm_up, healthy, odd: odd.clone(), connections: 0 };
    let load = rig.run(&work, session)?;
    // The same odd frames, and nothing healthy but the transactions.
    let rate = plan.offered * share as f64 / 1e6;
    let offer = Offer { rate, odd: 1_000_000, span: warm_up + short, ..offer };
    let mut work = Work { offer, healthy: Pool::default(), ..work };
    let mut transactions = |connections| {
        work.connections = connections;
        let observed = rig.run(&work, session)?;
        Ok::<_, MeasureError>(observed.grew(|books| books.counts.transactions) / observed.seconds())
    };
    let (one, many) = (transactions(1)?, transactions(CONNECTIONS)?);
    Ok(Point { transactions: one, transactions_many: many, ..point(share, &load) })
}

/// The median of each figure, with the rounds if there were several; there is a point.
fn median_point(rounds: Vec<Point>) -> Point {
    let of = |figure: fn(&Point) -> f64| median(rounds.iter().map(figure)).unwrap_or_default();
    Point {
        share: of(|point| point.share),
        healthy_offered: of(|point| point.healthy_offered),
        goodput: of(|point| point.goodput),
        loss: of(|point| point.loss),
        p50_us: of(|point| point.p50_us),
        p99_us: of(|point| point.p99_us),
        served: of(|point| point.served),
        calls: of(|point| point.calls),
        transactions: of(|point| point.transactions),
        transactions_many: of(|point| point.transactions_many),
        rounds: several(rounds),
    }
}

fn point(share: u64, observed: &Observed) -> Point {
    let seconds = observed.seconds();
    let offered = observed.grew(|books| books.counts.due.offered[0]);
    let forwarded = observed.grew(|books| books.counts.forwarded);
    let lost = observed.grew(|books| books.counts.due.lost[0])
        + observed.grew(|books| books.counts.received.saturating_sub(books.counts.forwarded));
    let served = observed.served();
    let wanted = served + observed.grew(|books| books.paths[Path::SlowRefused as usize].frames);
    let micros = |quantile: f64| observed.sojourn.value_at_quantile(quantile) as f64 / 1e3;
    Point {
        share: share as f64 / 1e6,
        healthy_offered: offered / seconds,
        goodput: forwarded / seconds,
        loss: if offered > 0.0 { lost / offered } else { 0.0 },
        p50_us: micros(0.5),
        p99_us: micros(0.99),
        served: if wanted > 0.0 { served / wanted } else { 0.0 },
        calls: observed.grew(|books| books.slow.asked) / seconds,
        transactions: 0.0,
        transactions_many: 0.0,
        rounds: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::load::Due;

    #[test]
    fn what_the_ring_lost_and_what_the_router_kept_is_loss_and_refusals_are_not_served() {
        let mut observed = Observed::nothing(Duration::from_secs(2));
        let counts = &mut observed.ended.counts;
        counts.due = Due { offered: [1_000, 400], lost: [100, 40] };
        (counts.received, counts.forwarded) = (900, 850);
        observed.ended.paths[Path::SlowRefused as usize].frames = 30;
        observed.ended.paths[Path::SlowCached as usize].frames = 10;
        observed.ended.slow.asked = 6;
        let point = point(250_000, &observed);
        assert_eq!((point.share, point.healthy_offered, point.goodput), (0.25, 500.0, 425.0));
        assert_eq!((point.loss, point.served, point.calls), (0.15, 0.25, 3.0));
        let other = Point { goodput: 1.0, p99_us: 9.0, ..point.clone() };
        let median = median_point(vec![point.clone(), other.clone(), point.clone()]);
        assert_eq!((median.goodput, median.p99_us), (425.0, 0.0));
        assert_eq!(median.rounds, [point.clone(), other, point.clone()]);
        assert_eq!(median_point(vec![point.clone()]), point);
    }
}

//! What the slow path may spend in an hour: tokens, money, CPU time, in all and for each reason; and on which packets,
//! when it runs low.
//!
//! The hour slides by minutes. What a request will cost is not known before it is answered, so a request passes as long as
//! there is anything left, and its real cost is charged afterwards: the budget can be overdrawn by what is under way.
//!
//! Where answers have a value, the budget is spent as the threshold rule of Chakrabarty, Zhou and Lukose (*Online Knapsack
//! Problems*, 2008) says: with a share z of it spent, only answers worth at least (L/e)·(U·e/L)^z pass, L and U being the
//! least and the greatest value. A flood of cheap packets so cannot spend what the dear ones will need.

use super::Values;
use crate::price::Cost;
use stack::Anomaly;
use std::f64::consts::E;
use std::time::{Duration, Instant};

/// Slots of the sliding hour.
const SLOTS: usize = 60;
const SLOT: Duration = Duration::from_secs(60);

/// The most that may be spent in an hour. `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BudgetLimits {
    /// Tokens.
    pub tokens: Option<u64>,
    /// Money, in picounits of the price table's currency.
    pub money: Option<u64>,
    /// CPU time.
    pub cpu: Option<Duration>,
    /// The share of each of these that one reason may take, above 0 and at most 1. `None` is all of it.
    pub share: Option<f64>,
}

/// Why a request is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overspent {
    /// The hour's budget, or the reason's share of it, is spent.
    Spent,
    /// The answer would cost more than it is worth, or what is left is kept for answers that are worth more.
    NotWorthIt,
}

/// The budget and what has been spent of it.
#[derive(Debug)]
pub struct Budget {
    limits: BudgetLimits,
    values: Values,
    start: Option<Instant>,
    /// Number of the current slot since the start.
    slot: u64,
    spent: [Slot; SLOTS],
    /// Sums over the slots.
    total: Cost,
    reasons: Box<[Cost; Anomaly::COUNT]>,
}

/// What was spent in one slot of time.
#[derive(Debug, Clone, Default)]
struct Slot {
    total: Cost,
    /// Only of reasons that spent anything.
    reasons: Vec<(Anomaly, Cost)>,
}

impl Budget {
    /// A budget of which nothing is spent.
    pub fn new(limits: BudgetLimits, values: Values) -> Self {
        Self {
            limits,
            values,
            start: None,
            slot: 0,
            spent: std::array::from_fn(|_| Slot::default()),
            total: Cost::default(),
            reasons: Box::new([Cost::default(); Anomaly::COUNT]),
        }
    }

    /// Is there anything left for a request about this reason that will cost about so much? Limits on what it does not
    /// cost do not concern it.
    ///
    /// # Errors
    /// Why not.
    pub fn allow(&mut self, now: Instant, reason: Anomaly, expected: &Cost) -> Result<(), Overspent> {
        self.slide(now);
        let used = self.used(&self.total, expected);
        let share = self.limits.share.unwrap_or(1.0);
        if used >= 1.0 || self.used(&self.reasons[reason as usize], expected) >= share {
            return Err(Overspent::Spent);
        }
        let Some(value) = self.values.of(reason).filter(|_| expected.money > 0) else { return Ok(()) };
        let cutoff = match self.values.range() {
            Some((least, most)) => {
                let (least, most) = (least as f64, most as f64);
                least / E * (most * E / least).powf(used)
            }
            None => 0.0,
        };
        if value < expected.money || (value as f64) < cutoff { Err(Overspent::NotWorthIt) } else { Ok(()) }
    }

    /// The share of the limits that is spent, as far as they limit what `expected` costs.
    fn used(&self, spent: &Cost, expected: &Cost) -> f64 {
        let BudgetLimits { tokens, money, cpu, share: _ } = self.limits;
        let part = |spent: f64, limit: Option<f64>, costs: bool| match limit {
            Some(limit) if costs && limit > 0.0 => spent / limit,
            Some(_) if costs => 1.0,
            _ => 0.0,
        };
        let tokens = part(spent.tokens as f64, tokens.map(|limit| limit as f64), expected.tokens > 0);
        let money = part(spent.money as f64, money.map(|limit| limit as f64), expected.money > 0);
        let limit = cpu.map(|limit| limit.as_secs_f64());
        let cpu = part(spent.cpu.as_secs_f64(), limit, expected.cpu > Duration::ZERO);
        tokens.max(money).max(cpu)
    }

    /// Charges what a request about this reason has cost.
    pub fn charge(&mut self, now: Instant, reason: Anomaly, cost: Cost) {
        self.slide(now);
        self.total += cost;
        self.reasons[reason as usize] += cost;
        let slot = &mut self.spent[(self.slot % SLOTS as u64) as usize];
        slot.total += cost;
        match slot.reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, known)) => *known += cost,
            None => slot.reasons.push((reason, cost)),
        }
    }

    /// What was spent in the last hour.
    pub fn spent(&self, now: Instant) -> Cost {
        let mut total = self.total;
        for step in 1..=self.slots_until(now).min(SLOTS as u64) {
            total.remove(self.spent[((self.slot + step) % SLOTS as u64) as usize].total);
        }
        total
    }

    /// Slots that have ended since this was looked at last.
    fn slots_until(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.start.unwrap_or(now));
        (since.as_secs() / SLOT.as_secs()).saturating_sub(self.slot)
    }

    /// Forgets what was spent more than an hour ago.
    fn slide(&mut self, now: Instant) {
        self.start.get_or_insert(now);
        let ended = self.slots_until(now);
        for step in 1..=ended.min(SLOTS as u64) {
            let old = std::mem::take(&mut self.spent[((self.slot + step) % SLOTS as u64) as usize]);
            self.total.remove(old.total);
            for (reason, cost) in old.reasons {
                self.reasons[reason as usize].remove(cost);
            }
        }
        self.slot += ended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::Worth;

    const LAND: Anomaly = Anomaly::Ipv4Land;
    const UDP: Anomaly = Anomaly::UdpLength;
    const SECOND: Duration = Duration::from_secs(1);

    fn tokens(tokens: u64) -> Cost {
        Cost { tokens, ..Cost::default() }
    }

    fn money(money: u64) -> Cost {
        Cost { money, ..Cost::default() }
    }

    #[test]
    fn each_limit_holds_for_an_hour_and_then_gives_way() {
        let start = Instant::now();
        for (limits, cost) in [
            (BudgetLimits { tokens: Some(100), ..BudgetLimits::default() }, tokens(50)),
            (BudgetLimits { money: Some(100), ..BudgetLimits::default() }, money(50)),
            (
                BudgetLimits { cpu: Some(100 * SECOND), ..BudgetLimits::default() },
                Cost { cpu: 50 * SECOND, ..Cost::default() },
            ),
        ] {
            let mut budget = Budget::new(limits, Values::default());
            assert_eq!(budget.allow(start, LAND, &cost), Ok(()));
            budget.charge(start, LAND, cost);
            assert_eq!(budget.allow(start, LAND, &cost), Ok(()));
            let half = start + 1800 * SECOND;
            budget.charge(half, UDP, cost);
            assert_eq!(budget.allow(half, LAND, &cost), Err(Overspent::Spent));
            assert_eq!(
                budget.allow(half, LAND, &Cost::default()),
                Ok(()),
                "what costs nothing of it may pass"
            );
            assert_eq!(budget.allow(start + 3599 * SECOND, LAND, &cost), Err(Overspent::Spent));
            assert_eq!(
                budget.allow(start + 3600 * SECOND, LAND, &cost),
                Ok(()),
                "the first half is an hour ago"
            );
            assert_eq!(budget.spent(start + 3600 * SECOND), cost);
            assert_eq!(budget.spent(start + 100_000 * SECOND), Cost::default());
            assert_eq!(budget.allow(start + 100_000 * SECOND, LAND, &cost), Ok(()));
        }
    }

    #[test]
    fn a_limit_of_nothing_allows_nothing() {
        let limits = BudgetLimits { tokens: Some(0), ..BudgetLimits::default() };
        let mut budget = Budget::new(limits, Values::default());
        assert_eq!(budget.allow(Instant::now(), LAND, &tokens(1)), Err(Overspent::Spent));
    }

    #[test]
    fn one_reason_gets_no_more_than_its_share() {
        let start = Instant::now();
        let limits = BudgetLimits { tokens: Some(100), share: Some(0.3), ..BudgetLimits::default() };
        let mut budget = Budget::new(limits, Values::default());
        budget.charge(start, LAND, tokens(30));
        assert_eq!(budget.allow(start, LAND, &tokens(1)), Err(Overspent::Spent));
        assert_eq!(budget.allow(start, UDP, &tokens(1)), Ok(()));
    }

    #[test]
    fn nothing_is_paid_above_its_value_and_what_runs_low_is_kept_for_the_dear() {
        let start = Instant::now();
        let mut values = Values::default();
        values.set_tier(Worth::Inspection, 10);
        values.set(UDP, 1_000);
        let limits = BudgetLimits { money: Some(1_000), ..BudgetLimits::default() };
        let mut budget = Budget::new(limits, values);
        assert_eq!(budget.allow(start, LAND, &money(11)), Err(Overspent::NotWorthIt));
        let mut cheap = 0;
        while budget.allow(start, LAND, &money(5)).is_ok() {
            budget.charge(start, LAND, money(5));
            cheap += 5;
        }
        // ln(e) of ln(U·e/L) = 1 / 5.6: the share that the cheapest may spend.
        assert_eq!(cheap, 180);
        assert_eq!(budget.allow(start, LAND, &money(5)), Err(Overspent::NotWorthIt));
        let mut dear = 0;
        while budget.allow(start, UDP, &money(5)).is_ok() {
            budget.charge(start, UDP, money(5));
            dear += 5;
        }
        assert_eq!(cheap + dear, 1_000);
        assert_eq!(budget.allow(start, UDP, &money(5)), Err(Overspent::Spent));
        // What is free, or has no value of its own, is not weighed.
        assert_eq!(budget.allow(start, LAND, &tokens(5)), Ok(()));
        assert_eq!(Budget::new(limits, Values::default()).allow(start, LAND, &money(900)), Ok(()));
    }

    #[test]
    fn without_limits_everything_passes() {
        let start = Instant::now();
        let mut budget = Budget::new(BudgetLimits::default(), Values::default());
        budget.charge(start, LAND, Cost { tokens: u64::MAX, money: u64::MAX, cpu: Duration::MAX });
        budget.charge(start, LAND, tokens(1));
        assert_eq!(budget.allow(start, LAND, &tokens(1)), Ok(()));
    }

    #[test]
    fn a_clock_that_goes_back_charges_the_current_slot() {
        let start = Instant::now() + 7200 * SECOND;
        let limits = BudgetLimits { tokens: Some(10), ..BudgetLimits::default() };
        let mut budget = Budget::new(limits, Values::default());
        budget.charge(start + 600 * SECOND, LAND, tokens(5));
        budget.charge(start, LAND, tokens(5));
        assert_eq!(budget.allow(start, LAND, &tokens(1)), Err(Overspent::Spent));
    }
}

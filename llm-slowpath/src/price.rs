//! What answers cost: a price table's rates, and what one answer or many came to.

use std::ops::AddAssign;
use std::time::Duration;

/// Picounits in one unit of the price table's currency. An answer of the embedded model costs some thousands of them.
pub const UNIT: u64 = 1_000_000_000_000;

/// What a backend takes. All rates are finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Price {
    /// For a million tokens read.
    pub input: f64,
    /// For a million tokens read that the server had kept from before.
    pub cached_input: f64,
    /// For a million tokens written.
    pub output: f64,
    /// For a second of CPU time on this machine.
    pub cpu_second: f64,
}

/// What one answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens read, with the cached ones.
    pub prompt_tokens: u32,
    /// Those of them that the server had kept.
    pub cached_tokens: u32,
    /// Tokens written.
    pub answer_tokens: u32,
    /// CPU time on this machine, for a model in this process.
    pub cpu: Duration,
}

/// What answers came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Tokens read and written.
    pub tokens: u64,
    /// Money, in picounits: [`UNIT`] of them are one unit of the price table's currency.
    pub money: u64,
    /// CPU time of this machine.
    pub cpu: Duration,
}

impl Price {
    /// What this usage costs.
    pub fn of(&self, usage: &Usage) -> Cost {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let million = 1e-6 * UNIT as f64;
        let money = f64::from(usage.prompt_tokens - cached) * self.input * million
            + f64::from(cached) * self.cached_input * million
            + f64::from(usage.answer_tokens) * self.output * million
            + usage.cpu.as_secs_f64() * self.cpu_second * UNIT as f64;
        let tokens = u64::from(usage.prompt_tokens) + u64::from(usage.answer_tokens);
        Cost { tokens, money: money.round() as u64, cpu: usage.cpu }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.tokens = self.tokens.saturating_add(other.tokens);
        self.money = self.money.saturating_add(other.money);
        self.cpu = self.cpu.saturating_add(other.cpu);
    }
}

impl Cost {
    /// Without `part`, which was added before.
    pub(crate) fn remove(&mut self, part: Self) {
        self.tokens = self.tokens.saturating_sub(part.tokens);
        self.money = self.money.saturating_sub(part.money);
        self.cpu = self.cpu.saturating_sub(part.cpu);
    }

    /// The money, in units of the currency.
    pub fn units(&self) -> f64 {
        self.money as f64 / UNIT as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rate_counts_and_small_costs_are_not_lost() {
        let price = Price { input: 1.0, cached_input: 0.1, output: 5.0, cpu_second: 1e-5 };
        let usage = Usage {
            prompt_tokens: 600,
            cached_tokens: 400,
            answer_tokens: 20,
            cpu: Duration::from_micros(100),
        };
        let cost = price.of(&usage);
        // 200 + 40 + 100 millionths, and a thousandth of a millionth.
        assert_eq!(cost.money, 340_000_000 + 1_000);
        assert_eq!((cost.tokens, cost.cpu), (620, Duration::from_micros(100)));
        assert!((cost.units() - 340.001e-6).abs() < 1e-12);
        assert_eq!(Price::default().of(&usage).money, 0);
        let mut sum = cost;
        sum += cost;
        sum.remove(cost);
        assert_eq!(sum, cost);
        let absurd = Price { input: f64::MAX, ..Price::default() };
        assert_eq!(absurd.of(&usage).money, u64::MAX);
    }
}

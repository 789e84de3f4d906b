//! What the records of one part amount to: accuracy beside the baselines, latency, processor time, tokens, price.

use super::baseline::Baseline;
use super::interval::Estimate;
use super::items::{Part, Question};
use super::sitting::{Ending, Record};
use crate::report::Micros;
use llm_slowpath::prompt::tokens::Task;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a million tokens cost, in any currency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Prices {
    /// Read.
    pub input: f64,
    /// Written.
    pub output: f64,
}

/// A baseline on the same questions.
#[derive(Debug, Clone, Serialize)]
pub struct Beside {
    /// Its name.
    pub name: &'static str,
    /// Its accuracy; for triage that of the action alone.
    pub accuracy: Estimate,
    /// How many percentage points the examinee is better.
    pub gain_points: f64,
}

/// One part's result.
#[derive(Debug, Clone, Serialize)]
pub struct Score {
    /// The task.
    pub task: &'static str,
    /// Where the questions come from.
    pub source: &'static str,
    /// A sanity check, not a score.
    pub sanity_check: bool,
    /// Questions asked.
    pub asked: usize,
    /// Of them, questions that differ from each other.
    pub distinct: usize,
    /// Right at the first attempt; there is no other.
    pub right: usize,
    /// Of those asked.
    pub accuracy: Estimate,
    /// 1 - accuracy.
    pub first_attempt_error: f64,
    /// Triage: the action is right, whatever scope and lifetime are.
    pub action_accuracy: Option<Estimate>,
    /// The baselines.
    pub baselines: Vec<Beside>,
    /// Questions that could not be put, or without a usable answer: wrong.
    pub unanswered: usize,
    /// Questions at which the backend failed: wrong.
    pub failed: usize,
    /// How long answers took.
    pub latency_us: Micros,
    /// One after the other.
    pub answers_a_second: f64,
    /// Processor time of an answer, where it is computed in this process.
    pub cpu_ms: Option<f64>,
    /// Tokens read for an answer, on average.
    pub tokens_in: f64,
    /// Tokens written for an answer, on average.
    pub tokens_out: f64,
    /// Of an answer. In this process 0: it costs processor time only. `None`: unknown.
    pub price: Option<f64>,
}

impl Score {
    /// Of one part's records, at least one, with their questions.
    pub(super) fn of(
        part: Part,
        all: &[(&Record, &Question)],
        in_process: bool,
        prices: Option<Prices>,
    ) -> Self {
        let asked = all.len();
        let count = |holds: &dyn Fn(&Record) -> bool| all.iter().filter(|(record, _)| holds(record)).count();
        let right = count(&|record| record.judgement.right);
        let accuracy = Estimate::of(right, asked);
        let beside = |(at, baseline): (usize, Baseline)| {
            let right = Estimate::of(count(&|record| record.baselines[at]), asked);
            let gain_points = 100.0 * (accuracy.share - right.share);
            Beside { name: baseline.name(), accuracy: right, gain_points }
        };
        let answered = count(&|record| record.ending == Ending::Answered);
        let each = |sum: f64| if answered == 0 { 0.0 } else { sum / answered as f64 };
        let tokens_in = each(all.iter().map(|(record, _)| f64::from(record.tokens.0)).sum());
        let tokens_out = each(all.iter().map(|(record, _)| f64::from(record.tokens.1)).sum());
        let cost = |prices: Prices| (tokens_in * prices.input + tokens_out * prices.output) / 1e6;
        let time: Duration = all.iter().map(|(record, _)| record.time).sum();
        let cpu: Option<Duration> = all.iter().map(|(record, _)| record.cpu).sum();
        let seconds = time.as_secs_f64();
        Self {
            task: part.task.name(),
            source: part.source.name(),
            sanity_check: part.source.is_sanity_check(),
            asked,
            distinct: all
                .iter()
                .map(|(_, question)| format!("{:?}", question.item.question))
                .collect::<BTreeSet<_>>()
                .len(),
            right,
            accuracy,
            first_attempt_error: 1.0 - accuracy.share,
            action_accuracy: (part.task == Task::Triage)
                .then(|| Estimate::of(count(&|record| record.judgement.action), asked)),
            baselines: Baseline::ALL.into_iter().enumerate().map(beside).collect(),
            unanswered: count(&|record| record.ending == Ending::Unanswered),
            failed: count(&|record| record.ending == Ending::Failed),
            latency_us: latency(all.iter().map(|(record, _)| record.time).collect()),
            answers_a_second: if seconds == 0.0 { 0.0 } else { answered as f64 / seconds },
            cpu_ms: cpu.map(|cpu| 1e3 * each(cpu.as_secs_f64())),
            tokens_in,
            tokens_out,
            price: if in_process { Some(0.0) } else { prices.map(cost) },
        }
    }
}

/// The smallest time that so many were not above.
fn latency(mut times: Vec<Duration>) -> Micros {
    times.sort_unstable();
    let at = |share: f64| {
        let rank = (share * times.len() as f64).ceil() as usize;
        times.get(rank.max(1) - 1).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    Micros { count: times.len() as u64, p50: at(0.5), p99: at(0.99), max: at(1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_times() {
        let micros = latency((1..=200).rev().map(Duration::from_micros).collect());
        assert_eq!((micros.p50.round(), micros.p99.round(), micros.max.round()), (100.0, 198.0, 200.0));
        assert_eq!(latency(vec![Duration::from_micros(7)]).p99.round(), 7.0);
        assert_eq!(latency(Vec::new()).max, 0.0);
    }
}

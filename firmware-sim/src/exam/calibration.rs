//! Are probabilities worth what they say? Reliability by bins, expected calibration error, and what a threshold escalates.

use super::interval::Estimate;
use super::sitting::Record;
use serde::Serialize;

/// Edges of the bins: narrow where most answers are.
const EDGES: [f64; 10] = [0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0];
/// Below which probability an answer might be escalated.
const THRESHOLDS: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// Answers whose probabilities are close together.
#[derive(Debug, Clone, Serialize)]
pub struct Bin {
    /// From this probability.
    pub from: f64,
    /// To this one; it belongs to the next bin, if there is one.
    pub to: f64,
    /// Answers.
    pub count: usize,
    /// Of their probabilities.
    pub mean_probability: f64,
    /// How many of them are right.
    pub accuracy: Estimate,
}

/// What remains where answers below a threshold are left to another backend.
#[derive(Debug, Clone, Serialize)]
pub struct Coverage {
    /// The lowest probability that is believed.
    pub threshold: f64,
    /// Answers that are believed, 0 to 1 of all.
    pub covered: f64,
    /// Of those.
    pub accuracy: Estimate,
    /// Answers left to another backend.
    pub escalated: usize,
    /// Of them, those that were wrong.
    pub escalated_wrong: usize,
}

/// The probabilities of one task's answers, or of all.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// The task, or `all`.
    pub task: &'static str,
    /// Answers with a probability.
    pub answers: usize,
    /// Mean difference of probability and accuracy over the bins, weighted by their answers.
    pub expected_error: f64,
    /// Those that are not empty.
    pub bins: Vec<Bin>,
    /// By threshold.
    pub coverage: Vec<Coverage>,
}

impl Calibration {
    /// Of these records; `None` where no answer has a probability.
    pub(super) fn of<'a>(task: &'static str, records: impl Iterator<Item = &'a Record>) -> Option<Self> {
        let answers: Vec<(f64, bool)> = records
            .filter_map(|record| Some((f64::from(record.probability?), record.judgement.right)))
            .collect();
        if answers.is_empty() {
            return None;
        }
        let right = |answers: &[(f64, bool)]| answers.iter().filter(|(_, right)| *right).count();
        let bins: Vec<Bin> = EDGES
            .windows(2)
            .filter_map(|edge| {
                let (from, to) = (edge[0], edge[1]);
                // Rounding may take a probability beyond 1.
                let inside = |p: f64| p >= from && (p < to || to == 1.0);
                let within: Vec<_> = answers.iter().copied().filter(|(p, _)| inside(*p)).collect();
                let mean = within.iter().map(|(p, _)| p).sum::<f64>() / within.len().max(1) as f64;
                let accuracy = Estimate::of(right(&within), within.len());
                let bin = Bin { from, to, count: within.len(), mean_probability: mean, accuracy };
                (bin.count > 0).then_some(bin)
            })
            .collect();
        let total = answers.len();
        let error = |bin: &Bin| bin.count as f64 * (bin.mean_probability - bin.accuracy.share).abs();
        let coverage = THRESHOLDS.map(|threshold| {
            let (sure, unsure): (Vec<_>, Vec<_>) =
                answers.iter().copied().partition(|(p, _)| *p >= threshold);
            Coverage {
                threshold,
                covered: sure.len() as f64 / total as f64,
                accuracy: Estimate::of(right(&sure), sure.len()),
                escalated: unsure.len(),
                escalated_wrong: unsure.len() - right(&unsure),
            }
        });
        Some(Self {
            task,
            answers: total,
            expected_error: bins.iter().map(error).sum::<f64>() / total as f64,
            bins,
            coverage: coverage.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::items::{Part, Source};
    use super::super::judge::Judgement;
    use super::super::sitting::Ending;
    use super::*;
    use llm_slowpath::prompt::tokens::Task;
    use std::time::Duration;

    fn record(probability: f32, right: bool) -> Record {
        Record {
            part: Part { task: Task::Repair, source: Source::HeldOut },
            ending: Ending::Answered,
            judgement: Judgement { right, action: right },
            baselines: [false; 2],
            probability: Some(probability),
            tokens: (0, 0),
            time: Duration::ZERO,
            cpu: None,
        }
    }

    #[test]
    fn overconfidence_is_the_expected_error_and_thresholds_escalate() {
        // Ten answers at 0.95 of which eight are right, ten at 0.55 of which five are.
        let sure = (0..10).map(|at| record(0.95, at < 8));
        let unsure = (0..10).map(|at| record(0.55, at < 5));
        let records: Vec<Record> = sure.chain(unsure).collect();
        let calibration = Calibration::of("repair", records.iter()).unwrap();
        assert_eq!(calibration.bins.iter().map(|bin| bin.count).collect::<Vec<_>>(), [10, 10]);
        assert!((calibration.expected_error - (0.15 + 0.05) / 2.0).abs() < 1e-6, "{calibration:?}");
        let at = &calibration.coverage[1];
        assert_eq!((at.threshold, at.covered, at.accuracy.share), (0.9, 0.5, 0.8));
        assert_eq!((at.escalated, at.escalated_wrong), (10, 5));
        // Probability 1 has a bin, and nothing at all has none.
        assert_eq!(Calibration::of("repair", [record(1.0, true)].iter()).unwrap().bins[0].from, 0.999);
        assert!(Calibration::of("repair", [].into_iter()).is_none());
    }
}

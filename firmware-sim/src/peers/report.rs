//! What a comparison came to: medians over rounds, and ratios within a round.

use super::flood::Outcome;
use crate::median::median;
use serde::{Deserialize, Serialize};

/// Printed under the report.
pub const HOW: &str = "Every round measures each subject once, one after another; figures are medians over rounds, ratios (in \
     brackets, to the bare loop without offload, above 1 is better) medians of ratios within a round; so is the ratio under \
     malformed frames, to the same subject without them. Round trip: ICMP echo, one at a time, a lost one counted as 200 ms. CPU: time of the \
     fabric's thread or process on its core for each frame at the offered load; the kernel forwards in the hosts' time, where it \
     cannot be told apart. Malformed: a wrong IPv4 header checksum. *: the sender had no time for all that was asked, so the \
     hosts' core is full and the row says little of the fabric.";

/// The whole comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerReport {
    /// Rounds that were wanted.
    pub rounds: usize,
    /// Cores: of the hosts, and of the fabric.
    pub cpus: [usize; 2],
    /// Connections of the transactions under a flood, and of the second figure without.
    pub connections: usize,
    /// What every subject was offered under the flood; `None`: ended before.
    pub offered: Option<Offered>,
    /// In the order in which they were measured.
    pub subjects: Vec<SubjectLine>,
    /// Those that could not be had.
    pub skipped: Vec<Skipped>,
    /// Ended before its time.
    pub interrupted: bool,
}

/// The healthy load of the flood's table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offered {
    /// Healthy frames a second, for every subject.
    pub frames_per_second: f64,
    /// It is half of the capacity of this one, the slowest.
    pub slowest: String,
}

/// A subject that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub subject: String,
    /// Why, and what to do.
    pub reason: String,
}

/// One subject's figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectLine {
    /// Its name.
    pub subject: String,
    /// What it does with a frame.
    pub does: String,
    /// By round.
    pub samples: Vec<Sample>,
    /// Over the rounds; `None`: no round came to its end.
    pub median: Option<Sample>,
    /// To the bare loop: medians of the ratios within a round, of which those above 1 are better.
    pub to_bare: Option<Sample>,
    /// By share of malformed frames.
    pub sweep: Vec<SweepLine>,
    /// Healthy frames of all loads that the fabric delivered, but the server dropped because its socket was full: in no goodput
    /// and in no loss.
    #[serde(default)]
    pub socket_drops: u64,
}

/// One round's figures without a flood.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// TCP transactions a second, on one connection.
    pub transactions_one: f64,
    /// On several.
    pub transactions_many: f64,
    /// Smallest UDP frames a second that arrive, however many are sent.
    pub udp: f64,
    /// Round trip: median, in microseconds.
    pub rtt_p50_us: f64,
    /// Round trip: 99th percentile, in microseconds; a lost one is counted as long as was waited for it, 200 ms.
    pub rtt_p99_us: f64,
}

/// One load with a flood.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SweepLine {
    /// Malformed frames of 100, as asked for.
    pub share: u32,
    /// Did the sender have no time for all of it?
    pub saturated: bool,
    /// Malformed frames a second that were sent.
    pub malformed: f64,
    /// Those of them that came out at the other end.
    pub passed_on: f64,
    /// Healthy frames a second that were sent.
    pub healthy: f64,
    /// Those that had arrived when the last was sent.
    pub goodput: f64,
    /// The share of them that the fabric lost.
    pub loss: f64,
    /// 99th percentile of the round trip beside it, in microseconds, counted as in [`Sample`]; `None`: there were too few.
    pub rtt_p99_us: Option<f64>,
    /// The fabric's time on its core for each frame, in nanoseconds.
    pub cpu_ns: Option<f64>,
    /// TCP transactions a second beside the malformed frames alone.
    pub transactions: f64,
    /// To those without malformed frames: the median of the ratios within a round.
    pub to_quiet: Option<f64>,
    /// Malformed frames a second that were sent beside those.
    pub malformed_beside: f64,
}

impl Sample {
    /// Each figure's ratio to the other's, turned so that more is better.
    fn over(&self, other: &Self) -> Self {
        Self {
            transactions_one: self.transactions_one / other.transactions_one,
            transactions_many: self.transactions_many / other.transactions_many,
            udp: self.udp / other.udp,
            rtt_p50_us: other.rtt_p50_us / self.rtt_p50_us,
            rtt_p99_us: other.rtt_p99_us / self.rtt_p99_us,
        }
    }
}

/// Of each figure by itself; `None` of nothing.
pub(super) fn median_sample(samples: &[Sample]) -> Option<Sample> {
    let of = |figure: fn(&Sample) -> f64| median(samples.iter().map(figure));
    Some(Sample {
        transactions_one: of(|sample| sample.transactions_one)?,
        transactions_many: of(|sample| sample.transactions_many)?,
        udp: of(|sample| sample.udp)?,
        rtt_p50_us: of(|sample| sample.rtt_p50_us)?,
        rtt_p99_us: of(|sample| sample.rtt_p99_us)?,
    })
}

/// The median of the ratios, round by round.
pub(super) fn ratios(samples: &[Sample], to: &[Sample]) -> Option<Sample> {
    let ratios: Vec<_> = samples.iter().zip(to).map(|(ours, theirs)| ours.over(theirs)).collect();
    median_sample(&ratios)
}

/// One load of a sweep, in one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flooded {
    /// Malformed frames a second that were asked for.
    pub(super) asked: f64,
    pub(super) outcome: Outcome,
    pub(super) transactions: f64,
    pub(super) malformed_beside: f64,
}

impl SweepLine {
    /// Medians over the rounds; `None` of nothing. `quiet`: the same rounds without malformed frames.
    pub(super) fn of(share: u32, rounds: &[Flooded], quiet: &[Flooded]) -> Option<Self> {
        let of = |figure: fn(&Flooded) -> f64| median(rounds.iter().map(figure));
        let told = |figure: fn(&Flooded) -> Option<f64>| median(rounds.iter().filter_map(figure));
        let (malformed, malformed_beside) =
            (of(|flooded| flooded.outcome.malformed)?, of(|flooded| flooded.malformed_beside)?);
        let asked = of(|flooded| flooded.asked)?;
        Some(Self {
            share,
            saturated: malformed.min(malformed_beside) < asked * 0.9,
            malformed,
            passed_on: of(|flooded| flooded.outcome.passed_on)?,
            healthy: of(|flooded| flooded.outcome.healthy)?,
            goodput: of(|flooded| flooded.outcome.goodput)?,
            loss: of(|flooded| flooded.outcome.loss)?,
            rtt_p99_us: told(|flooded| flooded.outcome.rtt_p99_us),
            cpu_ns: told(|flooded| flooded.outcome.cpu_ns),
            transactions: of(|flooded| flooded.transactions)?,
            to_quiet: median(
                rounds.iter().zip(quiet).map(|(loud, quiet)| loud.transactions / quiet.transactions),
            ),
            malformed_beside,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(factor: f64) -> Sample {
        Sample {
            transactions_one: 10.0 * factor,
            transactions_many: 40.0 * factor,
            udp: 100.0 * factor,
            rtt_p50_us: 60.0 / factor,
            rtt_p99_us: 90.0 / factor,
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round_and_more_is_better() {
        // The machine is half as fast in the second round; we are always twice as fast as the other.
        let (ours, theirs) = ([2.0, 1.0, 2.0].map(sample), [1.0, 0.5, 1.0].map(sample));
        let ratio = ratios(&ours, &theirs).unwrap();
        for figure in
            [ratio.transactions_one, ratio.transactions_many, ratio.udp, ratio.rtt_p50_us, ratio.rtt_p99_us]
        {
            assert!((figure - 2.0).abs() < 1e-9, "{ratio:?}");
        }
        assert_eq!(median_sample(&ours), Some(sample(2.0)));
        assert_eq!(median_sample(&[]), None);
        // A round that only one of them came to counts for neither.
        assert_eq!(ratios(&ours, &theirs[..1]), Some(sample(2.0).over(&sample(1.0))));
    }

    #[test]
    fn a_sender_without_time_is_marked() {
        let outcome = Outcome {
            healthy: 10.0,
            malformed: 50.0,
            goodput: 10.0,
            loss: 0.0,
            passed_on: 0.0,
            rtt_p99_us: None,
            cpu_ns: Some(3.0),
        };
        let flooded = |asked| Flooded { asked, outcome, transactions: 7.0, malformed_beside: 52.0 };
        let line = SweepLine::of(50, &[flooded(55.0), flooded(55.0)], &[]).unwrap();
        assert!(!line.saturated && line.cpu_ns == Some(3.0) && line.rtt_p99_us.is_none());
        assert!(SweepLine::of(50, &[flooded(60.0)], &[]).unwrap().saturated);
        assert!(SweepLine::of(50, &[], &[]).is_none());
        // Half as many transactions as without malformed frames, in each round.
        let faster = |factor: f64| Flooded { transactions: 7.0 * factor, ..flooded(55.0) };
        let (loud, quiet) = ([1.0, 8.0, 3.0].map(faster), [2.0, 16.0, 6.0].map(faster));
        assert_eq!((line.to_quiet, SweepLine::of(50, &loud, &quiet).unwrap().to_quiet), (None, Some(0.5)));
    }
}

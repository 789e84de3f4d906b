//! The form of the standard report: what `softrouter measure` writes as JSON, and reads again to compare two runs.
//!
//! Frames are Ethernet frames without their check sequence; shares are from 0 to 1 unless a name says otherwise.

pub use crate::report::Share as Part;

pub use crate::peers::{PeerReport, Skipped};
use serde::{Deserialize, Serialize};

/// The form's version: another one is not read.
pub const FORMAT: u32 = 1;

/// A share of [`MeasureReport::ran`] below which the figures are those of a machine with other work.
pub const DISTURBED: f64 = 0.9;

/// Everything that came of a run. A section that was not measured is absent or empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureReport {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of softrouter.
    pub version: String,
    /// When it began: RFC 3339, in UTC.
    pub began: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Ended before its time: what is there is whole, the rest is missing.
    pub interrupted: bool,
    /// On what.
    pub machine: Machine,
    /// What was asked for.
    pub subject: Subject,
    /// Traffic of all kinds at a rate.
    pub mixed: Option<Mixed>,
    /// The same odd frames with each help: what was asked of the model.
    pub saved: Vec<Saved>,
    /// Anomaly share against what is left of healthy traffic, with each help.
    pub sweep: Vec<Curve>,
    /// The fraction law, with each help.
    pub law: Vec<Law>,
    /// What a core can do of one kind of frame.
    pub costs: Vec<Cost>,
    /// The article's table, our rows.
    pub pings: Vec<Ping>,
    /// The same load through others.
    #[serde(default)]
    pub peers: Option<PeerReport>,
    /// The definitions, and what the figures do not show.
    pub notes: Vec<String>,
    /// Of the time that was measured, the share in which the owner loop's thread ran, in the worst run. It never sleeps
    /// meanwhile: what is missing others have taken. Absent where nothing was measured so.
    #[serde(default)]
    pub ran: Option<f64>,
    /// Parts that were asked for and could not be measured, and why.
    #[serde(default)]
    pub not_measured: Vec<String>,
    /// Checks that failed: empty, or the figures are not to be believed.
    pub failures: Vec<String>,
}

/// On what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Threads that may run at once.
    pub threads: usize,
    /// The kernel's name and release.
    pub kernel: String,
    /// Was softrouter built with optimisation?
    pub optimised: bool,
    /// Load average over the last minute before it began: others at work.
    pub load: String,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// Who answers.
    pub backend: String,
    /// Where RFCs leave a choice.
    pub posture: String,
    /// Of the generated frames.
    pub seed: u64,
    /// Frames a second that the sweep and the law offer.
    pub offered: f64,
    /// Frames that wait at a port before the next is lost.
    pub ring: usize,
    /// Fewer and shorter measurements.
    pub quick: bool,
}

/// Traffic of all kinds at a rate, through the owner loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mixed {
    /// What was sent, in words.
    pub traffic: String,
    /// Frames a second that were offered.
    pub offered: f64,
    /// Frames that found a full ring, and were not received.
    pub lost_before: u64,
    /// How long it was offered, in seconds.
    pub seconds: f64,
    /// All received.
    pub received: Part,
    /// By path, in the order of the router's: fast, rule, slow-cached, slow-model, slow-refused.
    pub paths: Vec<Named<Part>>,
    /// By how they ended.
    pub dispositions: Vec<Named<Part>>,
    /// Sent: forwarded, originated, injected.
    pub sent: Vec<Named<u64>>,
    /// By path, over time.
    pub series: Vec<Moment>,
    /// Reasons that were seen, most frequent first.
    pub reasons: Vec<Reason>,
    /// Frames without the slow path: from reception until `handle_frame` had returned, in nanoseconds.
    pub fast_ns: Histogram,
    /// By a rule: until `handle_frame` had returned. By an answer: until it had acted, and what it sends had been sent. In
    /// nanoseconds, by path.
    pub slow_ns: Vec<Named<Histogram>>,
    /// Invariants, and whether they held.
    pub checks: Vec<Named<Option<bool>>>,
    /// The frames as a pcapng file, if it was asked for.
    pub written: Option<String>,
}

/// A value and its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named<T> {
    /// The name.
    pub name: String,
    /// The value.
    pub value: T,
}

/// What ended in one interval, by path in the order of [`Mixed::paths`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The interval's end, in seconds from the beginning.
    pub seconds: f64,
    /// Frames.
    pub frames: Vec<u64>,
    /// Bytes.
    pub bytes: Vec<u64>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Its name.
    pub name: String,
    /// Frames in which it was seen.
    pub seen: u64,
    /// Held for an answer.
    pub held: u64,
    /// Copied for an answer that is only recorded.
    pub observed: u64,
    /// Not admitted to the slow path.
    pub refused: u64,
    /// Answers approved.
    pub approved: u64,
    /// Answers rejected.
    pub rejected: u64,
    /// Without an answer at the deadline.
    pub unanswered: u64,
}

/// How often a value was measured, in bins of equal width on a logarithmic scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// How many were measured.
    pub count: u64,
    /// Half are at most this.
    pub p50: f64,
    /// 99 of 100 are at most this.
    pub p99: f64,
    /// 999 of 1000 are at most this.
    pub p999: f64,
    /// The largest.
    pub max: f64,
    /// Bins that are not empty: the lower edge, and how many. A bin is a tenth of a decade wide.
    pub bins: Vec<(f64, u64)>,
}

/// What spares the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Help {
    /// Nobody is asked: the default of each reason acts.
    Off,
    /// Nothing: each frame is asked about.
    None,
    /// Answers about classes are kept.
    Cache,
    /// Rules, and the cache while they are learnt.
    Rules,
}

/// What was asked of the model, for the same frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// With this help.
    pub help: Help,
    /// Odd frames that were offered.
    pub odd: u64,
    /// Ended by a rule.
    pub ruled: u64,
    /// Handed to the slow path's service.
    pub submitted: u64,
    /// Not handed over: no room, no token, no time.
    pub refused: u64,
    /// Answered by the cache.
    pub cached: u64,
    /// Answered by another frame's call that was under way.
    pub followed: u64,
    /// Model calls.
    pub calls: u64,
    /// Model calls for a thousand odd frames.
    pub calls_per_thousand: f64,
    /// Of what was served, the share that needed no call of its own.
    pub saved_share: f64,
}

/// One line of the sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// With this help.
    pub help: Help,
    /// By share.
    pub points: Vec<Point>,
}

/// What is left of healthy traffic at one anomaly share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Odd frames of all that are offered.
    pub share: f64,
    /// Healthy frames a second that were offered.
    pub healthy_offered: f64,
    /// Healthy frames a second that were forwarded.
    pub goodput: f64,
    /// Healthy frames that were not forwarded, of those offered.
    pub loss: f64,
    /// From when a healthy frame was due until it was sent, in microseconds: half of them.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// Odd frames that a rule, the cache or a model served, of those that the router would have diverted; 0 if there were none.
    pub served: f64,
    /// Model calls a second.
    pub calls: f64,
    /// Request and response, one after another, beside as many odd frames: transactions a second.
    pub transactions: f64,
    /// The same with [`CONNECTIONS`] at once.
    pub transactions_many: f64,
    /// What each round gave, if there were several: the figures above are medians.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<Self>,
}

/// How many transactions are under way at once in [`Point::transactions_many`].
pub const CONNECTIONS: usize = 16;

/// The fraction law: a slow path of u answers a second lasts up to an odd share of u/R at R frames a second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// With this help.
    pub help: Help,
    /// Odd frames a second that are served when nothing else is offered: u.
    pub alone: f64,
    /// u/R, at most 1.
    pub predicted: f64,
    /// The largest share that was sustained; `None`: not even the smallest that was tried.
    pub sustained: Option<f64>,
    /// The smallest share that was not; `None`: all that were tried were.
    pub not_sustained: Option<f64>,
}

/// What a core can do of one kind of frame, offered without pause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// What it is called in comparisons.
    pub key: String,
    /// Which frames, and what is done with them.
    pub what: String,
    /// Frames, of all rounds.
    pub frames: u64,
    /// Frames a second by the clock.
    pub frames_per_second: f64,
    /// Processor time of the owner loop's thread, in nanoseconds a frame received.
    pub owner_ns: f64,
    /// Processor time of the whole process, in nanoseconds a frame received: with the model's.
    pub process_ns: f64,
    /// Money a million frames, if the backend has a price.
    pub money_per_million: Option<f64>,
    /// What each round gave, if there were several: rates and times above are medians.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rounds: Vec<Self>,
}

/// Echo requests to the router, one after another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ping {
    /// What it is called in comparisons: `fast`, or the task.
    pub key: String,
    /// Who answered, and how it was asked.
    pub who: String,
    /// Sent.
    pub sent: u64,
    /// Answered with a right reply in time, whoever made it.
    pub received: u64,
    /// Half took at most this, in microseconds.
    pub p50_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
    /// Of the round trips, those within 10 ms.
    pub within_10_ms: f64,
    /// First answers that were wrong, unusable or too late, of all; absent where no model is asked.
    pub first_attempt_errors: Option<f64>,
    /// Requests that the deterministic default answered, since the model did not in time.
    pub by_default: u64,
    /// Who compared the replies with what is right.
    pub judge: String,
}

impl Help {
    /// All, in the order of the report.
    pub const ALL: [Self; 4] = [Self::Off, Self::None, Self::Cache, Self::Rules];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "slow path off",
            Self::None => "every frame asked",
            Self::Cache => "answers cached",
            Self::Rules => "rules",
        }
    }
}

/// Rounds that are worth keeping: one alone says no more than its own figures.
pub(super) fn several<T>(rounds: Vec<T>) -> Vec<T> {
    if rounds.len() > 1 { rounds } else { Vec::new() }
}

/// Values by name.
pub(super) fn named<T>(values: impl IntoIterator<Item = (&'static str, T)>) -> Vec<Named<T>> {
    values.into_iter().map(|(name, value)| Named { name: name.to_owned(), value }).collect()
}

impl Histogram {
    /// Bins in a decade.
    const BINS: f64 = 10.0;

    /// The same in bins.
    pub(super) fn of(recorded: &hdrhistogram::Histogram<u64>) -> Self {
        let mut bins: Vec<(i32, u64)> = Vec::new();
        for value in recorded.iter_recorded() {
            let bin = ((value.value_iterated_to() as f64).log10() * Self::BINS).floor() as i32;
            match bins.last_mut() {
                Some((last, count)) if *last == bin => *count += value.count_at_value(),
                _ => bins.push((bin, value.count_at_value())),
            }
        }
        let at = |quantile: f64| recorded.value_at_quantile(quantile) as f64;
        Self {
            count: recorded.len(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: recorded.max() as f64,
            bins: bins
                .into_iter()
                .map(|(bin, count)| (10_f64.powf(f64::from(bin) / Self::BINS), count))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_value_and_are_a_tenth_of_a_decade_wide() {
        let mut recorded = hdrhistogram::Histogram::new_with_bounds(1, 1_000_000, 2).unwrap();
        for value in [100, 110, 120, 130, 999, 100_000] {
            recorded.record(value).unwrap();
        }
        let histogram = Histogram::of(&recorded);
        assert_eq!(histogram.count, 6);
        assert_eq!(histogram.bins.iter().map(|bin| bin.1).sum::<u64>(), 6);
        assert_eq!(histogram.bins.iter().map(|bin| bin.1).collect::<Vec<_>>(), [3, 1, 1, 1]);
        assert!((histogram.bins[1].0 - 125.892).abs() < 0.01, "{:?}", histogram.bins);
        assert_eq!(Histogram::of(&hdrhistogram::Histogram::new(2).unwrap()), Histogram::default());
    }
}

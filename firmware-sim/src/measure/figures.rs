//! The key figures of a report, flat and with stable names: what two runs are compared by.

use super::report::{Cost, Curve, Help, Histogram, Law, MeasureReport, Mixed, Ping, Point, Saved};
use crate::page::number::{figures as plain, grouped, percent, time};
use serde::Serialize;
use std::collections::BTreeSet;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// Its name, the same in every run of the same plan: section, what, figure, with dots between.
    pub name: String,
    /// The value, in its unit; never infinite or no number.
    pub value: f64,
    /// Of what.
    pub unit: Unit,
    /// Which direction is the good one.
    pub better: Better,
    /// How much it differs from run to run.
    pub noise: Noise,
    /// The smallest and the largest value that its rounds gave, or the interval that it lies in.
    pub range: [f64; 2],
}

/// What a value is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Nanoseconds.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Microseconds.
    #[serde(rename = "us")]
    Microseconds,
    /// A second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// From 0 to 1.
    #[serde(rename = "share")]
    Share,
    /// A whole number.
    #[serde(rename = "count")]
    Count,
    /// Model calls for a thousand odd frames.
    #[serde(rename = "1/1000")]
    PerThousand,
    /// Money a million frames.
    #[serde(rename = "money/million")]
    Money,
}

/// The good direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Larger values are.
    Higher,
    /// Smaller values are.
    Lower,
    /// None: it tells of the traffic, not of the router.
    Neither,
}

/// What is to be expected of a figure that nobody changed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// The threshold.
    Usual,
    /// Twice the threshold: a tail, which few values make.
    Tail,
    /// Nothing: two such figures differ where their ranges are apart.
    Interval,
}

/// Values that a p99 must be of, to be one.
const P99: u64 = 100;
/// Values that a p99.9 must be of.
const P999: u64 = 1_000;

impl Unit {
    /// A value in words.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => time(value),
            Self::Microseconds => time(value * 1e3),
            Self::PerSecond => format!("{}/s", plain(value)),
            Self::Share => percent(value),
            Self::Count => grouped(value as u64),
            Self::PerThousand | Self::Money => plain(value),
        }
    }
}

/// The figures of a report. Of what was not measured there is none.
pub fn figures(report: &MeasureReport) -> Vec<Figure> {
    let mut list = List::default();
    list.usual("failures".into(), report.failures.len() as f64, Unit::Count, Better::Lower);
    report.mixed.iter().for_each(|mixed| list.mixed(mixed));
    report.saved.iter().for_each(|saved| list.saved(saved));
    report.sweep.iter().for_each(|curve| list.curve(curve));
    report.law.iter().for_each(|law| list.law(law));
    report.costs.iter().for_each(|cost| list.cost(cost));
    report.pings.iter().for_each(|ping| list.ping(ping));
    list.figures
}

/// What it is called, where it is, and of what kind it is.
type PointFigure = (&'static str, fn(&Point) -> f64, (Unit, Better, Noise));

#[derive(Default)]
struct List {
    figures: Vec<Figure>,
    names: BTreeSet<String>,
}

impl List {
    fn push(&mut self, mut figure: Figure) {
        if !figure.value.is_finite() {
            return;
        }
        // Names may come from users, and two of them may be alike.
        let name = figure.name.clone();
        let mut number = 2;
        while !self.names.insert(figure.name.clone()) {
            figure.name = format!("{name}#{number}");
            number += 1;
        }
        self.figures.push(figure);
    }

    /// A figure that was measured once.
    fn add(&mut self, name: String, value: f64, unit: Unit, better: Better, noise: Noise) {
        self.push(Figure { name, value, unit, better, noise, range: [value; 2] });
    }

    fn usual(&mut self, name: String, value: f64, unit: Unit, better: Better) {
        self.add(name, value, unit, better, Noise::Usual);
    }

    /// A figure of something that was measured in rounds.
    fn rounds<T>(
        &mut self,
        name: String,
        (median, rounds): (&T, &[T]),
        of: impl Fn(&T) -> f64,
        (unit, better, noise): (Unit, Better, Noise),
    ) {
        let value = of(median);
        let range =
            rounds.iter().map(of).fold([value; 2], |[low, high], value| [low.min(value), high.max(value)]);
        self.push(Figure { name, value, unit, better, noise, range });
    }

    fn latency(&mut self, name: &str, of: &Histogram) {
        let lower = |list: &mut Self, what: &str, value, noise| {
            list.add(format!("latency.{name}.{what}"), value, Unit::Nanoseconds, Better::Lower, noise);
        };
        if of.count > 0 {
            lower(self, "p50", of.p50, Noise::Usual);
        }
        if of.count >= P99 {
            lower(self, "p99", of.p99, Noise::Tail);
        }
        if of.count >= P999 {
            lower(self, "p99.9", of.p999, Noise::Tail);
        }
    }

    fn mixed(&mut self, mixed: &Mixed) {
        let offered = mixed.received.frames.saturating_add(mixed.lost_before);
        self.usual("mixed.lost_before".into(), share(mixed.lost_before, offered), Unit::Share, Better::Lower);
        let broken = mixed.checks.iter().filter(|check| check.value == Some(false)).count();
        self.usual("mixed.broken_invariants".into(), broken as f64, Unit::Count, Better::Lower);
        for path in &mixed.paths {
            let named = |what: &str| format!("path.{}.{what}", slug(&path.name));
            self.usual(named("frames"), path.value.frame_share, Unit::Share, Better::Neither);
            self.usual(named("bytes"), path.value.byte_share, Unit::Share, Better::Neither);
        }
        self.latency("fast", &mixed.fast_ns);
        for slow in &mixed.slow_ns {
            self.latency(&slug(&slow.name), &slow.value);
        }
    }

    fn saved(&mut self, saved: &Saved) {
        let named = |what: &str| format!("saved.{}.{what}", key(saved.help));
        self.usual(named("calls"), saved.calls_per_thousand, Unit::PerThousand, Better::Lower);
        self.usual(named("without_call"), saved.saved_share, Unit::Share, Better::Higher);
        self.usual(named("refused"), share(saved.refused, saved.odd), Unit::Share, Better::Lower);
    }

    fn curve(&mut self, curve: &Curve) {
        const FIGURES: [PointFigure; 8] = [
            ("goodput", |point| point.goodput, (Unit::PerSecond, Better::Higher, Noise::Usual)),
            ("loss", |point| point.loss, (Unit::Share, Better::Lower, Noise::Usual)),
            ("p50", |point| point.p50_us, (Unit::Microseconds, Better::Lower, Noise::Usual)),
            ("p99", |point| point.p99_us, (Unit::Microseconds, Better::Lower, Noise::Tail)),
            ("served", |point| point.served, (Unit::Share, Better::Higher, Noise::Usual)),
            ("calls", |point| point.calls, (Unit::PerSecond, Better::Neither, Noise::Usual)),
            ("transactions", |point| point.transactions, (Unit::PerSecond, Better::Higher, Noise::Usual)),
            (
                "transactions_many",
                |point| point.transactions_many,
                (Unit::PerSecond, Better::Higher, Noise::Usual),
            ),
        ];
        for point in &curve.points {
            let at = percent(point.share).replace(' ', "");
            for (what, of, kind) in FIGURES {
                let name = format!("sweep.{}.{at}.{what}", key(curve.help));
                self.rounds(name, (point, &point.rounds), of, kind);
            }
        }
    }

    fn cost(&mut self, cost: &Cost) {
        let named = |what: &str| format!("cost.{}.{what}", slug(&cost.key));
        let of = (cost, &cost.rounds[..]);
        let (rate, time) = (
            (Unit::PerSecond, Better::Higher, Noise::Usual),
            (Unit::Nanoseconds, Better::Lower, Noise::Usual),
        );
        self.rounds(named("frames_per_second"), of, |cost| cost.frames_per_second, rate);
        self.rounds(named("owner"), of, |cost| cost.owner_ns, time);
        self.rounds(named("process"), of, |cost| cost.process_ns, time);
        if let Some(money) = cost.money_per_million {
            let kind = (Unit::Money, Better::Lower, Noise::Usual);
            self.rounds(named("money"), of, |cost| cost.money_per_million.unwrap_or(money), kind);
        }
    }

    fn law(&mut self, law: &Law) {
        let named = |what: &str| format!("law.{}.{what}", key(law.help));
        self.usual(named("alone"), law.alone, Unit::PerSecond, Better::Higher);
        self.usual(named("predicted"), law.predicted, Unit::Share, Better::Neither);
        if law.sustained.is_some() || law.not_sustained.is_some() {
            let value = law.sustained.unwrap_or(0.0);
            self.push(Figure {
                name: named("sustained"),
                value,
                unit: Unit::Share,
                better: Better::Higher,
                noise: Noise::Interval,
                range: [value, law.not_sustained.unwrap_or(1.0)],
            });
        }
    }

    fn ping(&mut self, ping: &Ping) {
        let named = |what: &str| format!("ping.{}.{what}", slug(&ping.key));
        self.usual(named("answered"), share(ping.received, ping.sent), Unit::Share, Better::Higher);
        self.usual(named("by_default"), share(ping.by_default, ping.sent), Unit::Share, Better::Lower);
        if let Some(errors) = ping.first_attempt_errors {
            self.usual(named("first_attempt_errors"), errors, Unit::Share, Better::Lower);
        }
        if ping.received > 0 {
            self.usual(named("p50"), ping.p50_us, Unit::Microseconds, Better::Lower);
            self.usual(named("within_10_ms"), ping.within_10_ms, Unit::Share, Better::Higher);
        }
        if ping.received >= P99 {
            self.add(named("p99"), ping.p99_us, Unit::Microseconds, Better::Lower, Noise::Tail);
        }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// What a help is called in the names of figures.
pub(super) const fn key(help: Help) -> &'static str {
    match help {
        Help::Off => "off",
        Help::None => "none",
        Help::Cache => "cache",
        Help::Rules => "rules",
    }
}

/// A text as part of a name: what is neither letter nor digit becomes one underscore.
fn slug(text: &str) -> String {
    let words = text.split(|character: char| !character.is_alphanumeric() && character != '-');
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

//! Two reports side by side: what differs in how they were made, and which figures became worse.

mod page;
mod read;
mod text;

#[cfg(test)]
mod tests;

pub use read::{ReadReportError, read};

use super::figures::{Better, Figure, Noise, Unit, figures};
use super::report::{DISTURBED, MeasureReport};
use serde::Serialize;

/// Differences up to this share are noise.
pub const THRESHOLD: f64 = 0.1;
/// Tails of latencies may differ by so many times the threshold.
const TAIL: f64 = 2.0;
/// Shares that differ by no more than this are the same: a tenth of a percentage point.
const SHARE: f64 = 0.001;

/// Two runs side by side: `a` is the one before, `b` the one after.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Differences up to this share are noise.
    pub threshold: f64,
    /// How that is applied, in sentences.
    pub rule: Vec<String>,
    /// The two runs.
    pub runs: [Run; 2],
    /// What was not alike when they were made: a difference of figures may come of that.
    pub not_alike: Vec<Difference>,
    /// What makes one of them doubtful: failed checks, an early end, a build without optimisation.
    pub doubts: Vec<String>,
    /// Every figure of either, in the order of the reports.
    pub rows: Vec<Row>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// When it began.
    pub began: String,
    /// How long it took.
    pub seconds: f64,
    /// Version of softrouter.
    pub version: String,
    /// Load average before it.
    pub load: String,
}

/// One condition that was not alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which.
    pub what: &'static str,
    /// There.
    pub a: String,
    /// And here.
    pub b: String,
}

/// One figure of both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Of what.
    pub unit: Unit,
    /// Which direction is the good one.
    pub better: Better,
    /// Before.
    pub a: Option<f64>,
    /// After.
    pub b: Option<f64>,
    /// `b / a`; absent where one is missing or `a` is 0.
    pub ratio: Option<f64>,
    /// What it comes to.
    pub verdict: Verdict,
}

/// What a figure's difference comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Worse, beyond the threshold: a regression.
    Worse,
    /// Better, beyond the threshold.
    Better,
    /// Within the threshold.
    Same,
    /// Has no good direction.
    Neutral,
    /// Only `a` has it.
    OnlyA,
    /// Only `b` has it.
    OnlyB,
}

impl Verdict {
    /// In tables; nothing where there is nothing to say.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Worse => "WORSE",
            Self::Better => "better",
            Self::Same | Self::Neutral => "",
            Self::OnlyA => "only in A",
            Self::OnlyB => "only in B",
        }
    }
}

impl Comparison {
    /// Compares; `threshold` is a share, [`THRESHOLD`] or what the user says.
    pub fn of(a: &MeasureReport, b: &MeasureReport, threshold: f64) -> Self {
        let (before, mut after) = (figures(a), figures(b));
        let mut rows: Vec<Row> = Vec::new();
        for figure in before {
            let same = |other: &Figure| other.name == figure.name && other.unit == figure.unit;
            let other = after.iter().position(same).map(|at| after.remove(at));
            rows.push(row(Some(figure), other, threshold));
        }
        rows.extend(after.into_iter().map(|figure| row(None, Some(figure), threshold)));
        // So few frames may be over before anybody has answered: no share of theirs is one of more.
        let odd = |report: &MeasureReport| report.saved.iter().map(|saved| saved.odd).collect::<Vec<_>>();
        if odd(a) != odd(b) {
            let is_judged = |row: &&mut Row| matches!(row.verdict, Verdict::Worse | Verdict::Better);
            let saved = rows.iter_mut().filter(|row| row.name.starts_with("saved.")).filter(is_judged);
            saved.for_each(|row| row.verdict = Verdict::Neutral);
        }
        let run = |report: &MeasureReport| Run {
            began: report.began.clone(),
            seconds: report.seconds,
            version: report.version.clone(),
            load: report.machine.load.clone(),
        };
        let doubts = [("A", a), ("B", b)].into_iter().flat_map(|(name, report)| doubts(name, report));
        Self {
            threshold,
            rule: rule(threshold),
            runs: [run(a), run(b)],
            not_alike: not_alike(a, b),
            doubts: doubts.collect(),
            rows,
        }
    }

    /// Those that became worse.
    pub fn regressions(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.verdict == Verdict::Worse)
    }

    /// As a page that loads nothing.
    pub fn html(&self) -> String {
        page::page(self)
    }

    /// The result in a line.
    pub fn headline(&self) -> String {
        let count = |verdict: Verdict| self.rows.iter().filter(|row| row.verdict == verdict).count();
        let alone = count(Verdict::OnlyA) + count(Verdict::OnlyB);
        format!(
            "{} figures: {} worse, {} better, {alone} that only one run has, {} within the threshold or without a good direction",
            self.rows.len(),
            count(Verdict::Worse),
            count(Verdict::Better),
            count(Verdict::Same) + count(Verdict::Neutral),
        )
    }
}

fn rule(threshold: f64) -> Vec<String> {
    let percent = crate::page::number::percent;
    vec![
        format!(
            "B is worse where a figure is worse than A's by more than {}; the tails of latencies (p99, p99.9) by more than {}.",
            percent(threshold),
            percent(TAIL * threshold)
        ),
        format!("Shares must differ by more than {} of the whole besides.", percent(SHARE)),
        "What was measured in rounds (the sweep, the costs of frames of one kind) must be worse in every round of B than in any of A, too.".into(),
        "The shares of the fraction law are worse where the interval of B lies below A's and does not touch it.".into(),
        "A p99 of fewer than 100 values, a p99.9 of fewer than 1000 and the longest time are not compared.".into(),
        "These are two runs: a flag is a reason to measure again, not a proof.".into(),
    ]
}

fn row(a: Option<Figure>, b: Option<Figure>, threshold: f64) -> Row {
    let verdict = match (&a, &b) {
        (Some(a), Some(b)) => verdict(a, b, threshold),
        (Some(_), None) => Verdict::OnlyA,
        _ => Verdict::OnlyB,
    };
    let values = [&a, &b].map(|figure| figure.as_ref().map(|figure| figure.value));
    let ratio = match values {
        [Some(a), Some(b)] if a != 0.0 => Some(b / a).filter(|ratio| ratio.is_finite()),
        _ => None,
    };
    let figure = a.or(b).expect("a row is of a figure");
    Row {
        name: figure.name,
        unit: figure.unit,
        better: figure.better,
        a: values[0],
        b: values[1],
        ratio,
        verdict,
    }
}

fn verdict(a: &Figure, b: &Figure, threshold: f64) -> Verdict {
    let rises = match a.better {
        Better::Neither => return Verdict::Neutral,
        Better::Higher => Verdict::Better,
        Better::Lower => Verdict::Worse,
    };
    let falls = if rises == Verdict::Better { Verdict::Worse } else { Verdict::Better };
    let verdict = match () {
        () if b.range[1] < a.range[0] => falls,
        () if a.range[1] < b.range[0] => rises,
        () => return Verdict::Same,
    };
    if a.noise == Noise::Interval {
        return verdict;
    }
    if a.unit == Unit::Share && (a.value - b.value).abs() <= SHARE {
        return Verdict::Same;
    }
    let allowed = 1.0 + threshold * if a.noise == Noise::Tail { TAIL } else { 1.0 };
    // Exactly the threshold is within it, whatever the last digit of a product is.
    let beyond = |large: f64, small: f64| large > small * allowed * (1.0 + 1e-9);
    if beyond(b.value, a.value) || beyond(a.value, b.value) { verdict } else { Verdict::Same }
}

/// What must be alike, and where it is in a report.
type Condition = (&'static str, fn(&MeasureReport) -> String);

fn not_alike(a: &MeasureReport, b: &MeasureReport) -> Vec<Difference> {
    let optimised = |report: &MeasureReport| if report.machine.optimised { "yes" } else { "no" }.to_owned();
    let traffic = |report: &MeasureReport| {
        report.mixed.as_ref().map_or("none".into(), |mixed| format!("{}, {}/s", mixed.traffic, mixed.offered))
    };
    let conditions: [Condition; 15] = [
        ("processor", |report| report.machine.processor.clone()),
        ("threads", |report| report.machine.threads.to_string()),
        ("kernel", |report| report.machine.kernel.clone()),
        ("version", |report| report.version.clone()),
        ("backend", |report| report.subject.backend.clone()),
        ("posture", |report| report.subject.posture.clone()),
        ("seed", |report| report.subject.seed.to_string()),
        ("offered, frames/s", |report| report.subject.offered.to_string()),
        ("ring", |report| report.subject.ring.to_string()),
        ("judges of the pings", |report| {
            let mut judges: Vec<_> = report.pings.iter().map(|ping| ping.judge.as_str()).collect();
            judges.dedup();
            judges.join("; ")
        }),
        ("frames written", |report| {
            let written = report.mixed.as_ref().is_some_and(|mixed| mixed.written.is_some());
            if written { "yes" } else { "no" }.into()
        }),
        ("odd frames of saved.*, not judged then", |report| {
            report.saved.first().map_or("none".into(), |saved| saved.odd.to_string())
        }),
        ("quick", |report| if report.subject.quick { "yes" } else { "no" }.into()),
        ("interrupted", |report| if report.interrupted { "yes" } else { "no" }.into()),
        ("invariants checked", |report| {
            let checks = report.mixed.iter().flat_map(|mixed| &mixed.checks);
            checks.filter(|check| check.value.is_some()).count().to_string()
        }),
    ];
    let mut differences: Vec<Difference> =
        conditions.iter().map(|(what, of)| Difference { what, a: of(a), b: of(b) }).collect();
    differences.push(Difference { what: "optimised", a: optimised(a), b: optimised(b) });
    differences.push(Difference { what: "mixed traffic", a: traffic(a), b: traffic(b) });
    differences.retain(|difference| difference.a != difference.b);
    differences
}

fn doubts(name: &str, report: &MeasureReport) -> Vec<String> {
    let mut doubts = Vec::new();
    if report.interrupted {
        doubts.push(format!("{name} was interrupted: figures are missing"));
    }
    if !report.machine.optimised {
        doubts.push(format!("{name} was measured with a build without optimisation"));
    }
    if let Some(ran) = report.ran.filter(|&ran| ran < DISTURBED) {
        let ran = crate::page::number::percent(ran);
        doubts.push(format!(
            "{name} was disturbed: in its worst run the router's thread ran for {ran} of the time only"
        ));
    }
    doubts.extend(report.failures.iter().map(|failure| format!("{name} failed a check: {failure}")));
    doubts
}

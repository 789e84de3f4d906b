//! A comparison as it is printed.

use super::{Comparison, Row, Verdict};
use crate::page::number::figures;
use std::fmt::{self, Display, Formatter};

/// The longest name that is not cut.
const NAME: usize = 56;

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (name, run) in ["A", "B"].into_iter().zip(&self.runs) {
            let (began, seconds) = (&run.began, run.seconds);
            writeln!(
                f,
                "{name}: {began}, {seconds:.0} s, softrouter {}, load before {}",
                run.version, run.load
            )?;
        }
        for difference in &self.not_alike {
            writeln!(f, "NOT ALIKE: {}: A {}, B {}", difference.what, difference.a, difference.b)?;
        }
        for doubt in &self.doubts {
            writeln!(f, "DOUBTFUL: {doubt}")?;
        }
        writeln!(f, "\n{}\n", self.headline())?;
        // The sweep is long: of it, what differs.
        let shown = |row: &&Row| {
            !row.name.starts_with("sweep.") || !matches!(row.verdict, Verdict::Same | Verdict::Neutral)
        };
        let rows: Vec<&Row> = self.rows.iter().filter(shown).collect();
        let hidden = self.rows.len() - rows.len();
        let mut ordered = rows.clone();
        // Regressions first; otherwise as in the reports.
        ordered.sort_by_key(|row| row.verdict != Verdict::Worse);
        let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).clamp(6, NAME);
        writeln!(f, "{:<width$} {:>14} {:>14} {:>9}", "figure", "A", "B", "B/A")?;
        for row in ordered {
            let name = crate::page::clip(&row.name, NAME);
            let value = |value: Option<f64>| {
                value.map_or("-".into(), |value| row.unit.show(value).replace('\u{202f}', " "))
            };
            let ratio = row.ratio.map_or("-".into(), |ratio| figures(ratio).replace('\u{202f}', " "));
            let line = format!(
                "{name:<width$} {:>14} {:>14} {ratio:>9}  {}",
                value(row.a),
                value(row.b),
                row.verdict.word()
            );
            writeln!(f, "{}", line.trim_end())?;
        }
        if hidden > 0 {
            writeln!(f, "and {hidden} figures of the sweep that do not differ: --json and --html have them")?;
        }
        writeln!(f, "\nHow to read this")?;
        self.rule.iter().try_for_each(|sentence| writeln!(f, "  - {sentence}"))
    }
}

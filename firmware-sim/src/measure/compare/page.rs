//! A comparison as a page that loads nothing.

use super::{Comparison, Row, Verdict};
use crate::page::number::figures;
use crate::page::{document, escape, table};
use std::fmt::Write;

const HEAD: [&str; 5] = ["figure", "A", "B", "B/A", ""];

pub(super) fn page(comparison: &Comparison) -> String {
    let mut body = String::new();
    let runs = ["A, before", "B, after"].into_iter().zip(&comparison.runs).map(|(name, run)| {
        let seconds = format!("{} s", figures(run.seconds));
        let cells = [name, run.began.as_str(), &seconds, &run.version, &run.load].map(str::to_owned);
        (false, cells.into())
    });
    table(&mut body, &["run", "began", "took", "softrouter", "load before"], runs);
    if !comparison.not_alike.is_empty() {
        body.push_str("<div class=\"partial\"><strong>Not alike: differences may come of this</strong>\n");
        let rows = comparison.not_alike.iter().map(|difference| {
            (false, vec![difference.what.to_owned(), difference.a.clone(), difference.b.clone()])
        });
        table(&mut body, &["condition", "A", "B"], rows);
        body.push_str("</div>\n");
    }
    if !comparison.doubts.is_empty() {
        body.push_str("<div class=\"partial\"><strong>Doubtful</strong>");
        for doubt in &comparison.doubts {
            let _ = write!(body, "<br/>{}", escape(doubt));
        }
        body.push_str("</div>\n");
    }
    let _ = writeln!(body, "<p><strong>{}</strong></p>", escape(&comparison.headline()));
    section(&mut body, "Worse", &rows(comparison, |verdict| verdict == Verdict::Worse));
    section(&mut body, "Better", &rows(comparison, |verdict| verdict == Verdict::Better));
    let alone = |verdict| matches!(verdict, Verdict::OnlyA | Verdict::OnlyB);
    section(&mut body, "In one run only", &rows(comparison, alone));
    let all = rows(comparison, |_| true);
    let _ = writeln!(body, "<details><summary>All {} figures</summary>", all.len());
    table(&mut body, &HEAD, all.iter().map(|row| (quiet(row), cells(row))));
    let _ = writeln!(
        body,
        "</details>\n<h2>How to read this</h2>\n<p>{}</p>",
        escape(&comparison.rule.join(" "))
    );
    document("Softrouter: two reports compared", &body)
}

fn rows(comparison: &Comparison, wanted: impl Fn(Verdict) -> bool) -> Vec<&Row> {
    comparison.rows.iter().filter(|row| wanted(row.verdict)).collect()
}

fn section(body: &mut String, heading: &str, rows: &[&Row]) {
    let _ = writeln!(body, "<h2>{heading}</h2>");
    if rows.is_empty() {
        body.push_str("<p class=\"faint\">None.</p>\n");
    } else {
        table(body, &HEAD, rows.iter().map(|row| (false, cells(row))));
    }
}

/// Nothing to look at.
fn quiet(row: &Row) -> bool {
    matches!(row.verdict, Verdict::Same | Verdict::Neutral)
}

fn cells(row: &Row) -> Vec<String> {
    let value = |value: Option<f64>| value.map_or("–".into(), |value| row.unit.show(value));
    let ratio = row.ratio.map_or("–".into(), figures);
    vec![row.name.clone(), value(row.a), value(row.b), ratio, row.verdict.word().into()]
}

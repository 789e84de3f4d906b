//! The report as one page that loads nothing: tables and plots, for light and dark mode.

use super::calibration::Calibration;
use super::plot;
use super::report::{Report, Sitting, time};
use super::score::Score;
use crate::page::{Row, document, escape, list, table};
use std::fmt::Write;

/// The page.
pub(super) fn page(report: &Report) -> String {
    let mut body = String::new();
    for line in report.headline().lines() {
        let _ = writeln!(body, "<p>{}</p>", escape(line));
    }
    report.sittings.iter().for_each(|sitting| write_sitting(&mut body, sitting));
    list(&mut body, "How to read this", &report.notes);
    document("Softrouter exam", &body)
}

fn write_sitting(body: &mut String, sitting: &Sitting) {
    let about = &sitting.about;
    let _ = writeln!(body, "<h2>{}</h2>", escape(&about.name));
    if let Some(why) = &sitting.cut_short {
        let _ = writeln!(body, "<p class=\"partial\">Partial result: {}</p>", escape(why));
    }
    let parameters = about.parameters.map_or("unknown".into(), |count| count.to_string());
    let rows = [
        ("parameters", parameters.as_str()),
        ("hints in the prompt", &about.hints),
        ("training", &about.training),
        ("details", &about.details),
    ];
    let lines = rows
        .map(|(name, value)| format!("<tr><td>{name}</td><td class=\"words\">{}</td></tr>\n", escape(value)));
    let _ = writeln!(body, "<table>\n{}</table>", lines.concat());
    let _ = writeln!(body, "<p>{} questions in {:.1} s</p>", sitting.asked, sitting.seconds);
    if sitting.scores.is_empty() {
        return;
    }
    if let Some(line) = sitting.article_line() {
        let _ = writeln!(body, "<p><strong>{}</strong></p>", escape(&line));
    }
    body.push_str("<h3>Accuracy</h3>\n");
    let key =
        |color: &str, name: &str| format!("<span class=\"key\" style=\"background: {color}\"></span>{name}");
    let keys = [
        key("rgb(37, 130, 220)", "model, with its 95 % interval"),
        key("rgb(226, 138, 28)", "default-table"),
        key("rgb(140, 140, 140)", "always-drop"),
    ];
    let _ = writeln!(
        body,
        "<figure>\n<figcaption>{}</figcaption>\n{}</figure>",
        keys.concat(),
        plot::accuracy(&sitting.scores)
    );
    table(body, &ACCURACY, sitting.scores.iter().map(accuracy_row));
    body.push_str("<h3>Cost of an answer</h3>\n");
    let caption =
        "<figcaption>Disc: half of the answers took at most this long; ring: 99 of 100</figcaption>";
    let _ = writeln!(body, "<figure>\n{caption}\n{}</figure>", plot::latency(&sitting.scores));
    table(body, &COST, sitting.scores.iter().map(cost_row));
    write_calibration(body, &sitting.calibration);
    if !sitting.wrong.is_empty() {
        let _ = writeln!(body, "<h3>Wrong answers (the first {})</h3>", sitting.wrong.len());
        let rows = sitting.wrong.iter().map(|wrong| {
            let sure = wrong.probability.map_or(String::new(), |p| format!("{p:.3}"));
            let cells = [&wrong.part, &wrong.question, &wrong.said, &wrong.right, &sure].map(String::clone);
            (false, cells.into())
        });
        table(body, &["part", "question", "said", "right", "probability"], rows);
    }
}

const ACCURACY: [&str; 8] = [
    "part",
    "asked",
    "distinct",
    "right",
    "95 % interval",
    "first-attempt error",
    "action alone",
    "gain on default-table, always-drop",
];

fn part(score: &Score) -> String {
    let check = if score.sanity_check { " (sanity check, not a score)" } else { "" };
    format!("{}, {}{check}", score.task, score.source)
}

fn accuracy_row(score: &Score) -> Row {
    let percent = |share: f64| format!("{:.2} %", 100.0 * share);
    let gains = score
        .baselines
        .iter()
        .map(|beside| format!("{:+.1} ({:.1} %)", beside.gain_points, 100.0 * beside.accuracy.share));
    let cells = vec![
        part(score),
        score.asked.to_string(),
        score.distinct.to_string(),
        percent(score.accuracy.share),
        format!("{} to {}", percent(score.accuracy.low), percent(score.accuracy.high)),
        percent(score.first_attempt_error),
        score.action_accuracy.map_or(String::new(), |action| percent(action.share)),
        gains.collect::<Vec<_>>().join(", "),
    ];
    (score.sanity_check, cells)
}

const COST: [&str; 9] =
    ["part", "p50", "p99", "max", "answers a second", "CPU ms", "tokens read", "written", "price a packet"];

fn cost_row(score: &Score) -> Row {
    let latency = &score.latency_us;
    let price = match score.price {
        None => "unknown".into(),
        Some(0.0) => "0 (processor time only)".into(),
        Some(price) => format!("{price:.3e}"),
    };
    let cells = vec![
        part(score),
        time(latency.p50),
        time(latency.p99),
        time(latency.max),
        format!("{:.1}", score.answers_a_second),
        score.cpu_ms.map_or("unknown".into(), |ms| format!("{ms:.3}")),
        format!("{:.1}", score.tokens_in),
        format!("{:.1}", score.tokens_out),
        price,
    ];
    (score.sanity_check, cells)
}

fn write_calibration(body: &mut String, calibration: &[Calibration]) {
    body.push_str("<h3>Calibration</h3>\n");
    let Some(all) = calibration.first() else {
        body.push_str("<p>The backend gives no probabilities.</p>\n");
        return;
    };
    let _ = writeln!(body, "<figure>\n{}</figure>", plot::reliability(all));
    let bins = calibration.iter().flat_map(|one| one.bins.iter().map(|bin| (one.task, bin)));
    let rows = bins.map(|(task, bin)| {
        let cells = vec![
            task.to_owned(),
            format!("{} to {}", bin.from, bin.to),
            bin.count.to_string(),
            format!("{:.4}", bin.mean_probability),
            format!("{:.4}", bin.accuracy.share),
            format!("{:.4} to {:.4}", bin.accuracy.low, bin.accuracy.high),
        ];
        (false, cells)
    });
    table(body, &["task", "probability", "answers", "mean probability", "accuracy", "95 % interval"], rows);
    let rows = calibration.iter().flat_map(|one| {
        one.coverage.iter().map(|coverage| {
            let sure = coverage.covered > 0.0;
            let cells = vec![
                one.task.to_owned(),
                format!("{:.4}", one.expected_error),
                format!("{}", coverage.threshold),
                format!("{:.2} %", 100.0 * coverage.covered),
                if sure { format!("{:.3} %", 100.0 * coverage.accuracy.share) } else { String::new() },
                coverage.escalated.to_string(),
                coverage.escalated_wrong.to_string(),
            ];
            (false, cells)
        })
    });
    let head = [
        "task",
        "expected calibration error",
        "threshold",
        "believed",
        "right of these",
        "escalated",
        "of these wrong",
    ];
    table(body, &head, rows);
}

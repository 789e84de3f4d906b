//! Tests of the comparison: what is flagged, what is not, and what is said of files that cannot be read.

use super::super::report::{MeasureReport, Point};
use super::super::sample;
use super::read::parse;
use super::{Comparison, THRESHOLD, Verdict};

/// The sample beside a changed one.
fn beside(change: impl FnOnce(&mut MeasureReport)) -> Comparison {
    let a = sample::report();
    let mut b = a.clone();
    change(&mut b);
    Comparison::of(&a, &b, THRESHOLD)
}

/// The names with this verdict.
fn names(comparison: &Comparison, verdict: Verdict) -> Vec<&str> {
    comparison.rows.iter().filter(|row| row.verdict == verdict).map(|row| row.name.as_str()).collect()
}

#[test]
fn a_report_beside_itself_differs_in_nothing() {
    let same = beside(|_| ());
    assert!(same.not_alike.is_empty() && same.doubts.is_empty() && same.rows.len() > 200, "{same}");
    let quiet = |verdict| matches!(verdict, Verdict::Same | Verdict::Neutral);
    assert!(same.rows.iter().all(|row| quiet(row.verdict)), "{same}");
    assert!(same.rows.iter().all(|row| row.ratio.is_none_or(|ratio| ratio == 1.0)));
    let names: std::collections::BTreeSet<&str> = same.rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), same.rows.len());
}

#[test]
fn only_what_is_beyond_the_threshold_is_worse() {
    let slower = |factor: f64| {
        beside(|b| {
            b.costs[0].owner_ns *= factor;
            b.costs[0].frames_per_second /= factor;
            b.mixed.as_mut().unwrap().fast_ns.p99 *= factor;
        })
    };
    assert!(slower(1.1).regressions().next().is_none());
    let both = ["cost.healthy_forwarded.frames_per_second", "cost.healthy_forwarded.owner"];
    assert_eq!(names(&slower(1.11), Verdict::Worse), both);
    let tail = names(&slower(1.21), Verdict::Worse).len();
    assert_eq!(tail, 3);
    assert_eq!(names(&slower(0.9), Verdict::Better), both);
}

#[test]
fn what_was_measured_in_rounds_is_worse_only_if_every_round_is() {
    let goodput = |report: &mut MeasureReport, rounds: [f64; 3]| {
        let point = &mut report.sweep[0].points[0];
        let round = |goodput| Point { goodput, rounds: Vec::new(), ..point.clone() };
        let rounds = rounds.map(round).into();
        (point.goodput, point.rounds) = (50.0, rounds);
    };
    let compared = |b_rounds: [f64; 3]| {
        let mut a = sample::report();
        let mut b = a.clone();
        goodput(&mut a, [40.0, 50.0, 60.0]);
        goodput(&mut b, b_rounds);
        b.sweep[0].points[0].goodput = 30.0;
        Comparison::of(&a, &b, THRESHOLD)
    };
    assert_eq!(names(&compared([20.0, 30.0, 40.0]), Verdict::Worse), [""; 0]);
    assert_eq!(names(&compared([20.0, 30.0, 39.0]), Verdict::Worse), ["sweep.off.0%.goodput"]);
}

#[test]
fn shares_must_differ_by_something_that_is_worth_a_word() {
    let errors = |share: f64| beside(|b| b.pings[1].first_attempt_errors = Some(share));
    assert!(errors(0.001).regressions().next().is_none());
    let worse = errors(0.002);
    assert_eq!(
        names(&worse, Verdict::Worse),
        ["ping.embedded_ping_delta_header_fields.first_attempt_errors"]
    );
    // From nothing there is no ratio.
    assert_eq!(worse.regressions().next().unwrap().ratio, None);
}

#[test]
fn one_step_of_the_fraction_laws_shares_is_noise() {
    let law = |from, to| beside(|b| (b.law[2].sustained, b.law[2].not_sustained) = (Some(from), Some(to)));
    assert!(law(0.1, 0.2).regressions().next().is_none());
    assert_eq!(names(&law(0.05, 0.1), Verdict::Worse), ["law.cache.sustained"]);
    assert_eq!(names(&law(0.9, 0.99), Verdict::Better), ["law.cache.sustained"]);
}

#[test]
fn a_failed_check_is_a_regression_and_a_doubt() {
    let failed = beside(|b| b.failures.push("a frame has no end".into()));
    assert_eq!(names(&failed, Verdict::Worse), ["failures"]);
    assert!(failed.to_string().contains("DOUBTFUL: B failed a check: a frame has no end"), "{failed}");
}

#[test]
fn other_conditions_are_shown_first_and_missing_figures_are_named() {
    let other = beside(|b| {
        b.machine.processor = "Other 1".into();
        b.subject.seed = 2;
        b.machine.optimised = false;
        b.saved[0].odd = 20;
        b.saved[1].calls_per_thousand *= 2.0;
        b.ran = Some(0.5);
        b.pings.pop();
        b.machine.load = "0.50".into();
    });
    let whats: Vec<&str> = other.not_alike.iter().map(|difference| difference.what).collect();
    assert_eq!(whats, ["processor", "seed", "odd frames of saved.*, not judged then", "optimised"]);
    let text = other.to_string();
    assert!(text.find("NOT ALIKE: processor").unwrap() < text.find("figures:").unwrap());
    // Calls of so few frames say nothing of calls of many.
    let saved = other.rows.iter().find(|row| row.name == "saved.none.calls").unwrap();
    assert_eq!((saved.ratio, saved.verdict), (Some(2.0), Verdict::Neutral));
    assert!(text.contains("DOUBTFUL: B was disturbed"), "{text}");
    assert!(text.contains("only in A") && names(&other, Verdict::OnlyA).len() >= 5, "{text}");
    assert!(other.regressions().next().is_none());
    let json = serde_json::to_value(&other).unwrap();
    assert_eq!(json["not_alike"][0]["b"], "Other 1");
    assert!(json["rows"].as_array().unwrap().iter().any(|row| row["verdict"] == "only_a"));
}

#[test]
fn the_page_is_well_formed_whatever_is_compared() {
    let pairs = [
        (sample::report(), sample::nasty()),
        (sample::nasty(), sample::least()),
        (sample::empty(), sample::report()),
        (sample::report(), sample::report()),
    ];
    for (a, b) in pairs {
        let comparison = Comparison::of(&a, &b, THRESHOLD);
        let page = comparison.html();
        let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
        roxmltree::Document::parse_with_options(&page, options).unwrap();
        assert!(
            !page.contains("NaN") && !page.contains("<script") && !comparison.to_string().contains("NaN")
        );
    }
}

#[test]
fn what_is_written_is_read_again() {
    for report in [sample::report(), sample::least(), sample::empty()] {
        let again = parse("a.json", &serde_json::to_vec_pretty(&report).unwrap()).unwrap();
        let counts = |report: &MeasureReport| {
            let mixed =
                report.mixed.clone().map(|mixed| (mixed.reasons, mixed.checks, mixed.sent, mixed.written));
            (mixed, report.subject.clone(), report.machine.clone(), report.notes.clone())
        };
        assert_eq!(counts(&again), counts(&report));
        // A number's last binary digit may be lost on the way.
        let (figures, read) = (super::figures(&report), super::figures(&again));
        assert_eq!(figures.len(), read.len());
        for (written, read) in figures.iter().zip(&read) {
            let near = (written.value - read.value).abs() <= 1e-12 * written.value.abs();
            assert!(near && written.name == read.name, "{written:?} {read:?}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_told_with_its_place_and_a_remedy() {
    let json = serde_json::to_string_pretty(&sample::report()).unwrap();
    let newer = json.replacen("\"format\": 1", "\"format\": 7", 1);
    let damaged = json.replacen("\"threads\": 4", "\"threads\": \"four\"", 1);
    let cases: [(&str, &[&str]); 7] = [
        ("", &["no JSON"]),
        ("Softrouter lab", &["no JSON", "line 1, column 1", "measure --json"]),
        (&json[..json.len() / 2], &["cut off", "line "]),
        ("[1, 2]", &["no report of `softrouter measure`", "`format`"]),
        ("{\"questions\": 500}", &["no report of `softrouter measure`", "exam"]),
        (&newer, &["form 7", "softrouter 0.1.0", "reads form 1"]),
        (&damaged, &["machine.threads", "invalid type", "measure again"]),
    ];
    for (text, parts) in cases {
        let error = parse("x/a.json", text.as_bytes()).unwrap_err().to_string();
        let shown = format!("{error} of {:.40}", text);
        assert!(error.starts_with("x/a.json: ") && error.contains("remedy: "), "{shown}");
        assert!(parts.iter().all(|part| error.contains(part)), "{shown}");
    }
    let missing = super::read(std::path::Path::new("/nonexistent/a.json")).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/a.json") && missing.contains("remedy"), "{missing}");
}

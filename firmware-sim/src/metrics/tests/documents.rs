//! docs/metrics.md has the table of instruments, docs/grafana.json asks only for what there is.

use crate::metrics::{Instrument, Kind, instruments};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

fn table() -> String {
    let mut table = String::from("| name | kind | labels | counts |\n|---|---|---|---|\n");
    for instrument in instruments() {
        let labels: Vec<_> = instrument.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, labels) = (instrument.name(), instrument.kind.name(), labels.join(", "));
        writeln!(table, "| `{name}` | {kind} | {labels} | {} |", instrument.help).unwrap();
    }
    table
}

#[test]
fn the_document_lists_every_instrument() {
    let document = include_str!("../../../../docs/metrics.md");
    assert!(document.contains(&table()), "docs/metrics.md is stale: its table is to be\n{}", table());
}

#[test]
fn names_follow_the_conventions() {
    let mut names = BTreeSet::new();
    for instrument in instruments() {
        let name = instrument.name();
        assert!(name.starts_with("softrouter_") || name.starts_with("process_"), "{name}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), instrument.kind == Kind::Counter, "{name}");
        assert!(!instrument.help.contains(['\n', '\\', '|', '"']), "{name}");
        assert!(names.insert(name), "twice: {instrument:?}");
    }
}

/// Names of series that a query may use, and of whose labels.
fn series(name: &str) -> Option<&'static Instrument> {
    instruments().find(|instrument| match instrument.kind {
        Kind::Counter | Kind::Gauge => instrument.name() == name,
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| format!("{}{suffix}", instrument.name()) == name),
    })
}

/// Every value of a key, at any depth.
fn each<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map {
                if name == key {
                    found.extend(inner.as_str());
                }
                each(inner, key, found);
            }
        }
        Value::Array(list) => list.iter().for_each(|inner| each(inner, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_dashboard_asks_only_for_what_there_is() {
    let dashboard: Value = serde_json::from_str(include_str!("../../../../docs/grafana.json")).unwrap();
    let mut queries = Vec::new();
    each(&dashboard, "expr", &mut queries);
    assert!(queries.len() >= 10, "{queries:?}");
    for query in queries {
        // Text in quotes is a label's value.
        let bare: String = query.split('"').step_by(2).collect::<Vec<_>>().join("\"");
        let words = || bare.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '$'));
        let asked: Vec<_> =
            words().filter(|word| word.starts_with("softrouter_") || word.starts_with("process_")).collect();
        assert!(!asked.is_empty(), "{query}");
        let mut labels = vec!["le", "instance", "job"];
        for name in asked {
            let instrument = series(name).unwrap_or_else(|| panic!("no such series: {name}: {query}"));
            labels.extend(instrument.labels);
        }
        // Whatever else stands there is a function, a keyword, a number or a label.
        let known = [
            "sum",
            "by",
            "rate",
            "histogram_quantile",
            "max",
            "time",
            "clamp_min",
            "increase",
            "topk",
            "or",
            "on",
            "group_left",
            "$__rate_interval",
        ];
        for word in words().filter(|word| word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')) {
            let is_known = labels.contains(&word) || known.contains(&word) || series(word).is_some();
            assert!(is_known, "{word}: {query}");
        }
    }
}

//! Rules as an aligned table.

use super::form::{RuleForm, StatusForm};
use super::seconds::Seconds;
use super::words::{action_cell, subject_cell};

const HEAD: [&str; 9] = ["id", "state", "reason", "subject", "action", "priority", "hits", "age", "expires"];
/// Columns of numbers and times, which end at the same place.
const RIGHT: [bool; 9] = [true, false, false, false, false, true, true, true, true];

/// One line for each rule, as they were at `now`, below a head.
pub(super) fn table(rules: &[RuleForm], now: Seconds) -> String {
    let mut lines = vec![HEAD.map(String::from)];
    lines.extend(rules.iter().map(|rule| cells(rule, now)));
    let mut widths = [0; HEAD.len()];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).zip(RIGHT).map(|((cell, width), right)| {
            if right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text += &cells.collect::<Vec<_>>().join("  ");
        text.push('\n');
    }
    text
}

fn cells(rule: &RuleForm, now: Seconds) -> [String; HEAD.len()] {
    let unknown = StatusForm::default();
    let status = rule.status.as_ref().unwrap_or(&unknown);
    [
        status.id.to_string(),
        status.state.clone(),
        rule.reason.clone(),
        subject_cell(&rule.subject),
        action_cell(rule),
        rule.priority.to_string(),
        status.hits.to_string(),
        now.since(status.installed_unix_s).to_string(),
        if rule.pinned { "pinned".into() } else { status.expires_in_s.to_string() },
    ]
}

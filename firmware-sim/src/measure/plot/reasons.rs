//! Diverts by reason, as level bars.

use super::super::report::Reason;
use super::looks::REASONS;
use crate::page::axis::Axis;
use crate::page::bars::{Bar, bars};
use crate::page::number::short;

/// Those that were diverted, most often first.
pub(in super::super) fn diverted(reasons: &[Reason]) -> Vec<&Reason> {
    let mut diverted: Vec<&Reason> = reasons.iter().filter(|reason| sum(reason) > 0.0).collect();
    diverted.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    diverted
}

fn parts(reason: &Reason) -> [u64; 3] {
    [reason.held, reason.observed, reason.refused]
}

fn sum(reason: &Reason) -> f64 {
    parts(reason).iter().map(|&part| part as f64).sum()
}

/// The plot of the first of [`diverted`].
pub(in super::super) fn reasons(diverted: &[&Reason]) -> String {
    let most = diverted.iter().map(|reason| sum(reason)).fold(0.0, f64::max);
    let rows: Vec<Bar> = diverted
        .iter()
        .map(|reason| Bar {
            name: reason.name.clone(),
            parts: parts(reason).map(|part| part as f64).into(),
            text: parts(reason).map(|part| short(part as f64)).join(" + "),
        })
        .collect();
    bars("Diverted frames by reason", &rows, &REASONS, Axis::linear("frames", most, short))
}

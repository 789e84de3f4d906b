//! What served the same odd frames with each help, as level bars.

use super::super::report::Saved;
use super::looks::SAVED;
use crate::page::axis::Axis;
use crate::page::bars::{Bar, bars};
use crate::page::number::{percent, short};

/// The plot.
pub(in super::super) fn saved(saved: &[Saved]) -> String {
    let rows: Vec<Bar> = saved
        .iter()
        .map(|saved| {
            let served = [saved.ruled, saved.cached, saved.followed, saved.calls];
            let rest = served.iter().fold(saved.odd, |rest, served| rest.saturating_sub(*served));
            let whole = served.iter().map(|&served| served as f64).sum::<f64>() + rest as f64;
            let share = |part: u64| if whole > 0.0 { part as f64 / whole } else { 0.0 };
            Bar {
                name: saved.help.name().into(),
                parts: served.into_iter().chain([rest]).map(share).collect(),
                text: format!("{} calls for 1000 odd frames", short(saved.calls_per_thousand)),
            }
        })
        .collect();
    let label = |share: f64| percent(share).replace(" %", "");
    bars("Odd frames by what served them", &rows, &SAVED, Axis::linear("% of the odd frames", 1.0, label))
}

//! Shares of the paths over time, as stacked areas: all of them, and all but the fast path on a scale of their own.

use super::super::report::{Mixed, Moment};
use super::looks;
use crate::page::axis::{Axis, Frame, Margins};
use crate::page::clip;
use crate::page::number::percent;
use crate::page::plot::{Area, Failure, GREY, LINE, anchored, spread, svg};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Unit {
    Frames,
    Bytes,
}

impl Unit {
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Bytes => "bytes",
        }
    }

    fn of(self, moment: &Moment) -> &[u64] {
        match self {
            Self::Frames => &moment.frames,
            Self::Bytes => &moment.bytes,
        }
    }
}

const WIDTH: u32 = 960;
const WHOLE: u32 = 250;
const REST: u32 = 210;
/// Where the rest is larger, the whole shows it well enough.
const REST_MOST: f64 = 0.25;
/// For the labels at the areas.
const LABELS: u32 = 214;

/// One interval: from and to in seconds, and each path's share; `None` where nothing ended.
struct Step {
    from: f64,
    to: f64,
    shares: Option<Vec<f64>>,
}

/// The plot; both panels have the same time axis.
pub(in super::super) fn paths(mixed: &Mixed, unit: Unit) -> String {
    let steps = steps(mixed, unit);
    let rest = steps.iter().filter_map(|step| Some(step.shares.as_ref()?.iter().skip(1).sum()));
    let rest = rest.fold(0.0, f64::max);
    let shows_rest = rest > 0.0 && rest <= REST_MOST;
    let height = WHOLE + if shows_rest { REST } else { 0 };
    svg((WIDTH, height), &format!("Share of {} by path over time", unit.name()), |root| {
        let (above, below) = root.split_vertically(WHOLE);
        draw(&above, mixed, unit, &steps, 0, 1.0)?;
        if shows_rest { draw(&below, mixed, unit, &steps, 1, rest) } else { Ok(()) }
    })
}

fn steps(mixed: &Mixed, unit: Unit) -> Vec<Step> {
    let begins = std::iter::once(0.0).chain(mixed.series.iter().map(|moment| moment.seconds));
    let step = |(from, moment): (f64, &Moment)| {
        let counts = unit.of(moment);
        let sum: u128 = counts.iter().map(|&count| u128::from(count)).sum();
        let share = |&count: &u64| count as f64 / sum as f64;
        Step { from, to: moment.seconds, shares: (sum > 0).then(|| counts.iter().map(share).collect()) }
    };
    begins.zip(&mixed.series).map(step).collect()
}

/// The paths from number `first` on, up to this share.
fn draw(
    root: &Area<'_>,
    mixed: &Mixed,
    unit: Unit,
    steps: &[Step],
    first: usize,
    most: f64,
) -> Result<(), Failure> {
    let end = steps.last().map_or(0.0, |step| step.to);
    let what = if first == 0 { "all" } else { "without fast" };
    let y = Axis::linear(&format!("% of {}, {what}", unit.name()), most, |share| {
        percent(share).replace(" %", "")
    });
    let frame = Frame::new(
        root,
        Margins(10, LABELS, 46, 76),
        Axis::linear("time, s", end, crate::page::number::figures),
        y,
    )?;
    let count = mixed.paths.len();
    for path in first..count {
        let name = &mixed.paths[path].name;
        // A gap where nothing ended.
        for run in steps.split(|step| step.shares.is_none()) {
            let at = |step: &Step, upto: usize| -> f64 {
                step.shares.iter().flatten().take(upto).skip(first).sum()
            };
            let (frame, at) = (&frame, &at);
            let edge = |upto: usize| {
                let points = run.iter().flat_map(move |step| [(step.from, step), (step.to, step)]);
                points.map(move |(time, step)| (frame.x(time), frame.y(at(step, upto)))).collect::<Vec<_>>()
            };
            let (upper, lower) = (edge(path + 1), edge(path));
            if upper == lower || run.is_empty() {
                continue;
            }
            let outline: Vec<_> = upper.iter().chain(lower.iter().rev()).copied().collect();
            root.draw(&Polygon::new(outline, looks::path(name).mix(0.85)))?;
            root.draw(&PathElement::new(upper, GREY.stroke_width(1)))?;
        }
    }
    labels(&frame, mixed, unit, steps, first)
}

/// At the right end of its area each path that was taken, with its share of the whole.
fn labels(
    frame: &Frame<'_, '_>,
    mixed: &Mixed,
    unit: Unit,
    steps: &[Step],
    first: usize,
) -> Result<(), Failure> {
    let last = steps.iter().rev().find_map(|step| step.shares.as_ref());
    let seen: Vec<usize> =
        (first..mixed.paths.len()).filter(|&path| mixed.paths[path].value.frames > 0).collect();
    let middles: Vec<i32> = seen
        .iter()
        .map(|&path| {
            let upto = |path: usize| {
                last.iter().flat_map(|shares| shares.iter()).take(path).skip(first).sum::<f64>()
            };
            i32::midpoint(frame.y(upto(path)), frame.y(upto(path + 1)))
        })
        .collect();
    // Those on top of each other in the stack are so in the list.
    let order: Vec<i32> = middles.iter().enumerate().map(|(at, y)| y - at as i32).collect();
    let places = spread(&order, LINE, frame.top() + 6, frame.bottom() - 2);
    for ((&path, middle), place) in seen.iter().zip(middles).zip(places) {
        let named = &mixed.paths[path];
        let share = match unit {
            Unit::Frames => named.value.frame_share,
            Unit::Bytes => named.value.byte_share,
        };
        let color = looks::path(&named.name);
        let leader = [(frame.right() + 2, middle), (frame.right() + 14, place)];
        frame.root.draw(&PathElement::new(leader, color.stroke_width(2)))?;
        let text = format!("{} {}", clip(&named.name, 14), percent(share));
        frame.root.draw(&Text::new(text, (frame.right() + 18, place), anchored(HPos::Left)))?;
    }
    Ok(())
}

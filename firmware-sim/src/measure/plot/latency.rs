//! Histograms of the latency, one row for each path, on one logarithmic time axis.

use super::super::report::{Histogram, Mixed};
use super::looks;
use crate::page::axis::{Axis, Frame, Margins};
use crate::page::clip;
use crate::page::number::{grouped, time};
use crate::page::plot::{Area, BLUE, Failure, GREY, LINE, anchored, svg};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

const WIDTH: u32 = 960;
/// Of one row: labels above, the histogram below.
const ROW: u32 = 76;
const NAMES: u32 = 190;
/// The upper edge of a bin for its lower one: a tenth of a decade.
const BIN: f64 = 1.258_925_411_794_167;

/// Rows that have something to show: what was measured, and the look of its path.
fn rows(mixed: &Mixed) -> Vec<(&str, RGBColor, &Histogram)> {
    let fast = ("fast", BLUE, &mixed.fast_ns);
    let slow = mixed.slow_ns.iter().map(|slow| (slow.name.as_str(), looks::path(&slow.name), &slow.value));
    std::iter::once(fast).chain(slow).filter(|(_, _, histogram)| histogram.count > 0).collect()
}

/// The plot; nothing where nothing was measured.
pub(in super::super) fn latency(mixed: &Mixed) -> Option<String> {
    let rows = rows(mixed);
    let size = (WIDTH, rows.len() as u32 * ROW + 60);
    (!rows.is_empty()).then(|| svg(size, "Latency by path, on a logarithmic axis", |root| draw(root, &rows)))
}

fn draw(root: &Area<'_>, rows: &[(&str, RGBColor, &Histogram)]) -> Result<(), Failure> {
    let values = rows.iter().flat_map(|(_, _, histogram)| {
        let bins = histogram.bins.iter().map(|(edge, _)| *edge);
        bins.chain([histogram.p50, histogram.p99, histogram.max])
    });
    // Room for the label before the leftmost mark.
    let x = Axis::log("time, logarithmic", values, 1.0, time).with_room(1.0);
    let frame = Frame::new(root, Margins(6, 110, 48, NAMES), x, Axis::rows(rows.len()))?;
    for (at, (name, color, histogram)) in rows.iter().enumerate() {
        let bottom = frame.y((rows.len() - at - 1) as f64);
        let top = bottom - ROW as i32 + LINE + 6;
        root.draw(&PathElement::new(
            [(frame.left(), bottom), (frame.right(), bottom)],
            GREY.stroke_width(1),
        ))?;
        let most = histogram.bins.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
        for &(edge, count) in &histogram.bins {
            let height = (count as f64 / most as f64 * f64::from(bottom - top)).round() as i32;
            let height = height.max(i32::from(count > 0));
            let bar = [(frame.x(edge), bottom - height), (frame.x(edge * BIN), bottom)];
            root.draw(&Rectangle::new(bar, color.mix(0.75).filled()))?;
        }
        marks(&frame, histogram, (top - 4, bottom))?;
        let names = [clip(name, 22), format!("n = {}", grouped(histogram.count))];
        for (line, text) in (0..).zip(names) {
            let at = (frame.left() - 10, i32::midpoint(top, bottom) - 8 + line * LINE);
            root.draw(&Text::new(text, at, anchored(HPos::Right)))?;
        }
    }
    Ok(())
}

/// The median, the 99th percentile and the largest, from `top` to `bottom`.
fn marks(frame: &Frame<'_, '_>, histogram: &Histogram, (top, bottom): (i32, i32)) -> Result<(), Failure> {
    let (p50, p99, max) = (frame.x(histogram.p50), frame.x(histogram.p99), frame.x(histogram.max));
    let root = frame.root;
    root.draw(&PathElement::new([(p50, top), (p50, bottom)], GREY.stroke_width(2)))?;
    root.draw(&DashedPathElement::new([(p99, top), (p99, bottom)], 5, 3, GREY.stroke_width(2)))?;
    root.draw(&PathElement::new([(p99, top), (max, top)], GREY.stroke_width(1)))?;
    root.draw(&Circle::new((max, top), 3, GREY.filled()))?;
    let label = |what: &str, ns: f64| format!("{what} {}", time(ns));
    let before = (p50.min(p99) - 4, top - 6);
    root.draw(&Text::new(label("p50", histogram.p50), before, anchored(HPos::Right)))?;
    root.draw(&Text::new(label("p99", histogram.p99), (p99 + 4, top - 6), anchored(HPos::Left)))
}

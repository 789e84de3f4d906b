//! The plots of the report as SVG: accuracy beside the baselines, latency, reliability.
//!
//! Text and axes take their colours from the page, so that both light and dark mode are readable.

use super::calibration::Calibration;
use super::report::time;
use super::score::Score;
use crate::page::plot::{Area, BLUE, FONT, Failure, GREY, LIGHT_GREY, ORANGE, anchored, drawn, finish};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// Of the model, and of the baselines.
const MODEL: RGBColor = BLUE;
const BASELINES: [RGBColor; 2] = [ORANGE, LIGHT_GREY];
const WIDTH: u32 = 960;
/// Of one part's row.
const ROW: u32 = 46;
/// For the parts' names.
const LABELS: u32 = 290;

/// Accuracy by part, with its interval, above that of the two baselines.
pub(super) fn accuracy(scores: &[Score]) -> String {
    let mut svg = String::new();
    drawn(draw_accuracy(&mut svg, scores));
    finish(svg)
}

fn draw_accuracy(svg: &mut String, scores: &[Score]) -> Result<(), Failure> {
    let rows = rows(scores);
    let root = SVGBackend::with_string(svg, (WIDTH, scores.len() as u32 * ROW + 60)).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(36)
        .x_label_area_size(42)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(0.0..100.0, 0.0..rows)?;
    mesh(&mut chart, "percent right", 11, |percent| format!("{percent:.0}"))?;
    for (score, top) in scores.iter().zip(tops(scores)) {
        let bar = |share: f64, from: f64, color: RGBColor| {
            Rectangle::new([(0.0, top - from), (100.0 * share, top - from - 0.22)], color.filled())
        };
        chart.plotting_area().draw(&bar(score.accuracy.share, 0.12, MODEL))?;
        for (beside, (from, color)) in score.baselines.iter().zip([0.38, 0.62].into_iter().zip(BASELINES)) {
            chart.plotting_area().draw(&bar(beside.accuracy.share, from, color))?;
        }
        let (low, high) = (100.0 * score.accuracy.low, 100.0 * score.accuracy.high);
        let interval = PathElement::new([(low, top - 0.23), (high, top - 0.23)], GREY.stroke_width(3));
        chart.plotting_area().draw(&interval)?;
    }
    names(&root, &chart, scores)?;
    root.present()
}

/// Median and 99th percentile of the latency by part, on a logarithmic scale.
pub(super) fn latency(scores: &[Score]) -> String {
    let mut svg = String::new();
    drawn(draw_latency(&mut svg, scores));
    finish(svg)
}

fn draw_latency(svg: &mut String, scores: &[Score]) -> Result<(), Failure> {
    let times = scores.iter().flat_map(|score| [score.latency_us.p50, score.latency_us.p99]);
    // Tens of microseconds; a clock may be too coarse to tell a time from 0.
    let logs: Vec<f64> = times.map(|us| us.max(0.1).log10()).collect();
    let low = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
    let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil().max(low + 1.0);
    let rows = rows(scores);
    let root = SVGBackend::with_string(svg, (WIDTH, scores.len() as u32 * ROW + 60)).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(10)
        .margin_right(36)
        .x_label_area_size(42)
        .y_label_area_size(LABELS)
        .build_cartesian_2d(low..high, 0.0..rows)?;
    // Whole decades: the labels of halves would meet.
    let decades = (high - low) as usize + 1;
    mesh(&mut chart, "time of an answer, logarithmic", decades, |log| time(10_f64.powf(*log)))?;
    for ((score, top), pair) in scores.iter().zip(tops(scores)).zip(logs.chunks(2)) {
        let (y, p50, p99) = (top - 0.45, pair[0], pair[1]);
        let area = chart.plotting_area();
        area.draw(&PathElement::new([(p50, y), (p99, y)], MODEL.stroke_width(3)))?;
        area.draw(&Circle::new((p50, y), 6, MODEL.filled()))?;
        area.draw(&Circle::new((p99, y), 5, MODEL.stroke_width(2)))?;
        let text = format!("{} / {}", time(score.latency_us.p50), time(score.latency_us.p99));
        // Towards the middle, where there is room.
        let side = if p50 > f64::midpoint(low, high) { HPos::Right } else { HPos::Left };
        area.draw(&Text::new(text, (p50, top - 0.8), anchored(side)))?;
    }
    names(&root, &chart, scores)?;
    root.present()
}

/// Accuracy over probability, each bin with its interval; on the diagonal probabilities are worth what they say.
pub(super) fn reliability(calibration: &Calibration) -> String {
    let mut svg = String::new();
    drawn(draw_reliability(&mut svg, calibration));
    finish(svg)
}

fn draw_reliability(svg: &mut String, calibration: &Calibration) -> Result<(), Failure> {
    let root = SVGBackend::with_string(svg, (480, 440)).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..1.0, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_desc("probability")
        .y_desc("accuracy")
        .label_style(FONT)
        .axis_desc_style(FONT)
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.3))
        .light_line_style(TRANSPARENT)
        .draw()?;
    let area = chart.plotting_area();
    area.draw(&PathElement::new([(0.0, 0.0), (1.0, 1.0)], GREY.stroke_width(1)))?;
    for bin in &calibration.bins {
        let x = bin.mean_probability.min(1.0);
        area.draw(&PathElement::new([(x, bin.accuracy.low), (x, bin.accuracy.high)], MODEL.stroke_width(2)))?;
        area.draw(&Circle::new((x, bin.accuracy.share), 5, MODEL.filled()))?;
    }
    root.present()
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The horizontal axis and its lines; rows have names instead.
fn mesh(
    chart: &mut Chart<'_, '_>,
    what: &str,
    labels: usize,
    label: impl Fn(&f64) -> String,
) -> Result<(), Failure> {
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(0)
        .x_labels(labels)
        .x_desc(what)
        .x_label_formatter(&label)
        .label_style(FONT)
        .axis_desc_style(FONT)
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.3))
        .light_line_style(TRANSPARENT)
        .draw()
}

fn names(root: &Area<'_>, chart: &Chart<'_, '_>, scores: &[Score]) -> Result<(), Failure> {
    for (score, top) in scores.iter().zip(tops(scores)) {
        let at = chart.backend_coord(&(chart.x_range().start, top - 0.3));
        root.draw(&Text::new(format!("{}, {}", score.task, score.source), (12, at.1), FONT))?;
    }
    Ok(())
}

fn rows(scores: &[Score]) -> f64 {
    scores.len().max(1) as f64
}

/// The upper edges of the rows, the first on top.
fn tops(scores: &[Score]) -> impl Iterator<Item = f64> {
    (0..scores.len()).rev().map(|below| below as f64 + 1.0)
}

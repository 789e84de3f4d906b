//! What has which look in every plot: paths, helps, and the parts of bars.

use super::super::report::Help;
use crate::page::fill::Fill::{self, Grid, Hollow, Level, Solid, Upright};
use crate::page::fill::Meaning;
use crate::page::plot::{Area, BLUE, Failure, GREEN, LIGHT_GREY, ORANGE, PURPLE, RED};
use plotters::element::DashedPathElement;
use plotters::prelude::{Circle, Color, Cross, PathElement, RGBColor, Rectangle, TriangleMarker};

const fn meaning(name: &'static str, color: RGBColor, fill: Fill) -> Meaning {
    Meaning { name, color, fill }
}

/// The colour of a path; one that is not known is grey.
pub(super) fn path(name: &str) -> RGBColor {
    match name {
        "fast" => BLUE,
        "rule" => GREEN,
        "slow-cached" => PURPLE,
        "slow-model" => ORANGE,
        _ => LIGHT_GREY,
    }
}

/// What became of diverted frames.
pub(in super::super) const REASONS: [Meaning; 3] = [
    meaning("held for an answer", BLUE, Solid),
    meaning("copied, the answer is only recorded", GREEN, Hollow),
    meaning("refused: not admitted to the slow path", ORANGE, Upright),
];

/// What served odd frames.
pub(in super::super) const SAVED: [Meaning; 5] = [
    meaning("ended by a rule", GREEN, Upright),
    meaning("answered by the cache", PURPLE, Level),
    meaning("answered by another frame's call", BLUE, Grid),
    meaning("a model call of its own", ORANGE, Solid),
    meaning("not served: refused, failed or not asked about", LIGHT_GREY, Hollow),
];

/// The parts of the law's rows.
pub(in super::super) const LAW: [Meaning; 1] =
    [meaning("measured: from the largest share sustained to the first that was not", BLUE, Upright)];

/// The colour of a help.
pub(super) const fn color(help: Help) -> RGBColor {
    match help {
        Help::Off => LIGHT_GREY,
        Help::None => RED,
        Help::Cache => BLUE,
        Help::Rules => GREEN,
    }
}

/// A line with the help's dashes.
pub(super) fn line(root: &Area<'_>, help: Help, points: &[(i32, i32)]) -> Result<(), Failure> {
    let style = color(help).stroke_width(2);
    let (dash, gap) = match help {
        Help::Rules => return root.draw(&PathElement::new(points.to_vec(), style)),
        Help::Cache => (10, 5),
        Help::None => (3, 4),
        Help::Off => (16, 8),
    };
    if points.len() < 2 {
        return Ok(());
    }
    root.draw(&DashedPathElement::new(points.iter().copied(), dash, gap, style))
}

/// The help's mark: cross, square, disc, triangle.
pub(super) fn mark(root: &Area<'_>, help: Help, at: (i32, i32)) -> Result<(), Failure> {
    let color = color(help);
    match help {
        Help::Off => root.draw(&Cross::new(at, 4, color.stroke_width(2))),
        Help::None => {
            root.draw(&Rectangle::new([(at.0 - 4, at.1 - 4), (at.0 + 4, at.1 + 4)], color.stroke_width(2)))
        }
        Help::Cache => root.draw(&Circle::new(at, 4, color.filled())),
        Help::Rules => root.draw(&TriangleMarker::new(at, 5, color.filled())),
    }
}

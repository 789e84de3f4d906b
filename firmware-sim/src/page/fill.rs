//! Fills that are told apart without their colours: solid, hollow, upright stripes, level ones, or both.

use super::escape;
use super::plot::{Area, Failure, svg};
use plotters::prelude::*;
use std::fmt::Write;

/// How a bar is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    Solid,
    Hollow,
    Upright,
    Level,
    Grid,
}

/// Pixels from stripe to stripe.
const STRIPE: usize = 4;

impl Fill {
    /// Fills a rectangle of pixels; one without area stays empty.
    pub(crate) fn draw(
        self,
        root: &Area<'_>,
        from: (i32, i32),
        to: (i32, i32),
        color: RGBColor,
    ) -> Result<(), Failure> {
        let ((left, top), (right, bottom)) = (from, to);
        if right <= left || bottom <= top {
            return Ok(());
        }
        if self == Self::Solid {
            return root.draw(&Rectangle::new([from, to], color.filled()));
        }
        let outline = vec![from, (right, top), to, (left, bottom), from];
        root.draw(&PathElement::new(outline, color.stroke_width(1)))?;
        // One line to and fro: a thousand elements would make a slow page.
        let fro = |places: std::ops::RangeInclusive<i32>, ends: [i32; 2]| {
            let at = |(number, place)| [(place, ends[number % 2]), (place, ends[(number + 1) % 2])];
            places.step_by(STRIPE).enumerate().flat_map(at).collect::<Vec<_>>()
        };
        if matches!(self, Self::Upright | Self::Grid) {
            root.draw(&PathElement::new(fro(left..=right, [top, bottom]), color.stroke_width(1)))?;
        }
        if matches!(self, Self::Level | Self::Grid) {
            let level: Vec<_> = fro(top..=bottom, [left, right]).into_iter().map(|(y, x)| (x, y)).collect();
            root.draw(&PathElement::new(level, color.stroke_width(1)))?;
        }
        Ok(())
    }
}

/// What a colour and a fill mean.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meaning {
    pub(crate) name: &'static str,
    pub(crate) color: RGBColor,
    pub(crate) fill: Fill,
}

/// The meanings as a line of the page, in the order of the bars.
pub(crate) fn key(meanings: &[Meaning]) -> String {
    let mut line = String::from("<p class=\"keys\">");
    for meaning in meanings {
        let swatch =
            svg((26, 13), meaning.name, |root| meaning.fill.draw(root, (1, 1), (25, 12), meaning.color));
        let _ = write!(line, "<span>{}{}</span> ", swatch.replace('\n', ""), escape(meaning.name));
    }
    line.push_str("</p>\n");
    line
}

//! Level bars of parts one after another, each row with a name before and figures behind it.

use super::axis::{Axis, Frame, Margins};
use super::clip;
use super::fill::Meaning;
use super::plot::{Area, Failure, anchored, svg};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// One row.
pub(crate) struct Bar {
    pub(crate) name: String,
    /// By meaning.
    pub(crate) parts: Vec<f64>,
    /// Behind the bar.
    pub(crate) text: String,
}

const WIDTH: u32 = 960;
/// Of one row.
const ROW: u32 = 24;
/// For the names, and how many characters these may have.
const NAMES: (u32, usize) = (260, 32);
/// For the figures behind the longest bar.
const FIGURES: u32 = 250;

/// Draws the rows from the top; the axis is of the sums.
pub(crate) fn bars(shows: &str, rows: &[Bar], meanings: &[Meaning], axis: Axis) -> String {
    svg((WIDTH, rows.len() as u32 * ROW + 64), shows, |root| draw(root, rows, meanings, axis))
}

fn draw(root: &Area<'_>, rows: &[Bar], meanings: &[Meaning], axis: Axis) -> Result<(), Failure> {
    let frame = Frame::new(root, Margins(8, FIGURES, 48, NAMES.0), axis, Axis::rows(rows.len()))?;
    for (at, row) in rows.iter().enumerate() {
        let top = frame.y((rows.len() - at) as f64) + 4;
        let bottom = top + ROW as i32 - 8;
        let mut sum = 0.0;
        for (part, meaning) in row.parts.iter().zip(meanings) {
            let from = frame.x(sum);
            sum += part;
            // What is there is seen, however little it is.
            let to = if *part > 0.0 { frame.x(sum).max(from + 1) } else { from };
            meaning.fill.draw(root, (from, top), (to, bottom), meaning.color)?;
        }
        let middle = i32::midpoint(top, bottom);
        root.draw(&Text::new(clip(&row.name, NAMES.1), (frame.left() - 8, middle), anchored(HPos::Right)))?;
        let behind = (frame.x(sum) + 8, middle);
        root.draw(&Text::new(clip(&row.text, 40), behind, anchored(HPos::Left)))?;
    }
    Ok(())
}

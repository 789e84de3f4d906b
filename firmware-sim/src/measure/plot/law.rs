//! The fraction law: the predicted share as a mark, the measured one as an interval, on a logarithmic axis.

use super::super::report::Law;
use super::looks::LAW;
use crate::page::axis::{Axis, Frame, Margins};
use crate::page::number::percent;
use crate::page::plot::{Area, Failure, GREY, anchored, svg};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

const WIDTH: u32 = 960;
const ROW: u32 = 52;
/// Shares below this lie on the lower edge.
const FLOOR: f64 = 1e-6;

/// The plot.
pub(in super::super) fn law(laws: &[Law]) -> String {
    let size = (WIDTH, laws.len() as u32 * ROW + 60);
    svg(size, "The largest anomaly share that was sustained, predicted and measured", |root| draw(root, laws))
}

fn draw(root: &Area<'_>, laws: &[Law]) -> Result<(), Failure> {
    let shares = laws.iter().flat_map(|law| [Some(law.predicted), law.sustained, law.not_sustained]);
    let shares = shares.flatten().filter(|share| *share > 0.0).chain([1.0]);
    let label = |share: f64| percent(share).replace(" %", "");
    let x = Axis::log("anomaly share, % of all frames, logarithmic", shares, FLOOR, label).with_room(0.5);
    let frame = Frame::new(root, Margins(8, 290, 48, 150), x, Axis::rows(laws.len()))?;
    for (at, law) in laws.iter().enumerate() {
        let middle = frame.y((laws.len() - at) as f64 - 0.5);
        // None sustained, or all: open at that end.
        let from = law.sustained.map_or(frame.left() + 1, |share| frame.x(share));
        let to = law.not_sustained.map_or_else(|| frame.x(1.0), |share| frame.x(share));
        LAW[0].fill.draw(root, (from, middle - 2), (to.max(from + 3), middle + 12), LAW[0].color)?;
        let predicted = frame.x(law.predicted);
        root.draw(&PathElement::new(
            [(predicted, middle - 16), (predicted, middle + 14)],
            GREY.stroke_width(2),
        ))?;
        root.draw(&TriangleMarker::new((predicted, middle - 12), -6, GREY.filled()))?;
        root.draw(&Text::new(law.help.name(), (frame.left() - 10, middle), anchored(HPos::Right)))?;
        let texts = [format!("predicted {}", percent(law.predicted)), measured(law)];
        for (text, y) in texts.into_iter().zip([middle - 10, middle + 8]) {
            root.draw(&Text::new(text, (frame.right() + 12, y), anchored(HPos::Left)))?;
        }
    }
    Ok(())
}

fn measured(law: &Law) -> String {
    match (law.sustained, law.not_sustained) {
        (Some(sustained), Some(not)) => format!("measured {} to {}", percent(sustained), percent(not)),
        (Some(sustained), None) => format!("measured {} and more", percent(sustained)),
        (None, Some(not)) => format!("measured: less than {}", percent(not)),
        (None, None) => "not measured".into(),
    }
}

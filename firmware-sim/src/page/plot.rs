//! What all plots share: colours, a drawing as SVG in the page, labels that do not lie on one another.
//!
//! Text and axes take their colours from the page, so that both light and dark mode are readable.

use plotters::coord::Shift;
use plotters::prelude::*;

pub(crate) type Failure = DrawingAreaErrorKind<std::io::Error>;
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

// Readable on white and on black, and told apart by the colour-blind: near to those of Okabe and Ito.
pub(crate) const BLUE: RGBColor = RGBColor(37, 130, 220);
pub(crate) const ORANGE: RGBColor = RGBColor(226, 138, 28);
pub(crate) const GREEN: RGBColor = RGBColor(0, 158, 115);
pub(crate) const PURPLE: RGBColor = RGBColor(190, 110, 165);
pub(crate) const RED: RGBColor = RGBColor(213, 94, 0);
pub(crate) const LIGHT_GREY: RGBColor = RGBColor(140, 140, 140);
pub(crate) const GREY: RGBColor = RGBColor(128, 128, 128);
/// The crate divides sizes by 1.24.
pub(crate) const FONT: (&str, u32) = ("sans-serif", 16);
/// One line of that, in pixels.
pub(crate) const LINE: i32 = 16;

/// Draws a picture of so many pixels; what it shows is told to those who do not see it.
pub(crate) fn svg(
    size: (u32, u32),
    shows: &str,
    draw: impl FnOnce(&Area<'_>) -> Result<(), Failure>,
) -> String {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        drawn(draw(&root).and_then(|()| root.present()));
    }
    let named = format!("<svg role=\"img\" aria-label=\"{}\" ", super::escape(shows));
    finish(svg).replacen("<svg ", &named, 1)
}

/// Drawing into a string fails for no outside cause.
pub(crate) fn drawn(result: Result<(), impl std::error::Error>) {
    if let Err(error) = result {
        unreachable!("a plot in memory: {error}");
    }
}

/// In a page the name space is known, and the page says how wide a plot may be.
pub(crate) fn finish(svg: String) -> String {
    svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", "")
}

/// A style whose text begins (`Left`), ends (`Right`) or has its middle at a point, half above and half below it.
pub(crate) fn anchored(side: plotters::style::text_anchor::HPos) -> TextStyle<'static> {
    use plotters::style::text_anchor::{Pos, VPos};
    FONT.into_font().into_text_style(&(1, 1)).pos(Pos::new(side, VPos::Center))
}

/// Moves places apart until each two are at least `gap` from another, within `low..=high` where there is room, in their order.
pub(crate) fn spread(wanted: &[i32], gap: i32, low: i32, high: i32) -> Vec<i32> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&at| wanted[at]);
    let mut places = vec![0; wanted.len()];
    let mut least = low;
    for &at in &order {
        places[at] = wanted[at].max(least);
        least = places[at] + gap;
    }
    let mut most = high;
    for &at in order.iter().rev() {
        places[at] = places[at].min(most);
        most = places[at] - gap;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_moved_apart_and_stay_within() {
        for wanted in [&[5, 5, 5, 5][..], &[100, 99, 0], &[0, 1, 2, 3, 4], &[], &[7]] {
            let places = spread(wanted, 16, 0, 100);
            let mut sorted = places.clone();
            sorted.sort_unstable();
            assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 16), "{places:?}");
            assert!(sorted.iter().all(|place| (0..=100).contains(place)), "{places:?}");
        }
        assert_eq!(spread(&[10, 60], 16, 0, 100), [10, 60]);
    }
}

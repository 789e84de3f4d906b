//! Axes with the ticks that a figure needs: evenly on a linear scale, by decades, and shares from 0 to 1 with room at both ends.

use super::number::percent;
use super::plot::{Area, Failure, GREY, anchored};
use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::HPos;

/// One axis: a place for each value, ticks by place, and what is measured, with its unit.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    title: String,
    from: f64,
    to: f64,
    ticks: Vec<(f64, String)>,
    scale: Scale,
}

#[derive(Debug, Clone, Copy)]
enum Scale {
    Linear,
    /// Places are decimal logarithms; what is smaller than this value has this value's place.
    Log {
        floor: f64,
    },
    Logit,
}

/// Added to a share and to its rest, so that 0 and 1 have a place on the logit scale.
pub(crate) const LOGIT_OFFSET: f64 = 0.005;
/// Ticks of shares.
const SHARES: [f64; 7] = [0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 1.0];

impl Axis {
    /// From 0 to at least `most`.
    pub(crate) fn linear(title: &str, most: f64, label: impl Fn(f64) -> String) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        let step = step(most / 5.0);
        let ticks = (0..=20).map(|at| f64::from(at) * step).take_while(|tick| *tick <= most * 1.000_001);
        let ticks = ticks.map(|tick| (tick, label(tick))).collect();
        Self { title: title.into(), from: 0.0, to: most, ticks, scale: Scale::Linear }
    }

    /// The decades around all values; what is 0 or below `floor` lies on the lower edge, which says so.
    pub(crate) fn log(
        title: &str,
        values: impl Iterator<Item = f64>,
        floor: f64,
        label: impl Fn(f64) -> String,
    ) -> Self {
        let mut low = f64::INFINITY;
        let mut high = f64::NEG_INFINITY;
        let mut floored = false;
        for value in values.filter(|value| value.is_finite()) {
            floored |= value < floor;
            low = low.min(value.max(floor).log10());
            high = high.max(value.max(floor).log10());
        }
        if low > high {
            (low, high) = (floor.log10(), floor.log10());
        }
        let from = (low + 1e-9).floor();
        let to = (high - 1e-9).ceil().max(from + 1.0);
        // So that labels do not meet, not every decade has one over a long way.
        let every = ((to - from) / 8.0).ceil().max(1.0);
        let count = ((to - from) / every).floor() as i32;
        let tick = |at: i32| {
            let place = f64::from(at).mul_add(every, from);
            let text = label(10_f64.powf(place));
            (place, if floored && at == 0 { format!("≤ {text}") } else { text })
        };
        let ticks = (0..=count).map(tick).collect();
        Self { title: title.into(), from, to, ticks, scale: Scale::Log { floor: 10_f64.powf(from) } }
    }

    /// Shares from 0 to 0.99, or to 1 where one is larger: the logit of a share, with [`LOGIT_OFFSET`].
    pub(crate) fn shares(title: &str, most: f64) -> Self {
        let end = if most > 0.99 { 1.0 } else { 0.99 };
        let ticks = SHARES.into_iter().filter(|share| *share <= end);
        let ticks = ticks.map(|share| (logit(share), percent(share).replace(" %", ""))).collect();
        Self { title: title.into(), from: logit(0.0), to: logit(end), ticks, scale: Scale::Logit }
    }

    /// Without ticks: rows have names instead.
    pub(crate) const fn rows(count: usize) -> Self {
        let to = if count == 0 { 1.0 } else { count as f64 };
        Self { title: String::new(), from: 0.0, to, ticks: Vec::new(), scale: Scale::Linear }
    }

    /// Room below the smallest value, in units of the axis' places: tenfolds on a logarithmic one.
    pub(crate) fn with_room(mut self, below: f64) -> Self {
        self.from -= below;
        if let Scale::Log { floor } = &mut self.scale {
            *floor = 10_f64.powf(self.from);
        }
        self
    }

    /// Where a value lies, within the axis.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear => value,
            Scale::Log { floor } => value.max(floor).log10(),
            Scale::Logit => logit(value.clamp(0.0, 1.0)),
        };
        place.clamp(self.from, self.to)
    }
}

fn logit(share: f64) -> f64 {
    ((share + LOGIT_OFFSET) / (1.0 - share + LOGIT_OFFSET)).ln()
}

/// The step of 1, 2 or 5 times a power of ten that is at least this.
fn step(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * decade)
        .find(|step| *step >= least * 0.999_999)
        .unwrap_or(least)
}

/// Pixels around the plotting area, axes included: top, right, bottom, left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Margins(pub(crate) u32, pub(crate) u32, pub(crate) u32, pub(crate) u32);

/// The plotting area, with its axes drawn: pixels for values.
pub(crate) struct Frame<'r, 'a> {
    pub(crate) root: &'r Area<'a>,
    x: Axis,
    y: Axis,
    left: i32,
    top: i32,
    width: i32,
    height: i32,
}

impl<'r, 'a> Frame<'r, 'a> {
    /// Draws the axes.
    pub(crate) fn new(root: &'r Area<'a>, margins: Margins, x: Axis, y: Axis) -> Result<Self, Failure> {
        let Margins(top, right, bottom, left) = margins;
        let (width, height) = root.dim_in_pixel();
        let (width, height) = (width.saturating_sub(left + right), height.saturating_sub(top + bottom));
        let [left, top, width, height] = [left, top, width, height].map(|pixels| pixels as i32);
        let frame = Self { root, x, y, left, top, width, height };
        frame.draw()?;
        Ok(frame)
    }

    fn draw(&self) -> Result<(), Failure> {
        let line = |from, to, style: ShapeStyle| self.root.draw(&PathElement::new([from, to], style));
        let (axis, grid) = (GREY.stroke_width(1), GREY.mix(0.3).stroke_width(1));
        let (right, bottom) = (self.right(), self.bottom());
        for (place, text) in &self.x.ticks {
            let x = self.across(*place);
            line((x, self.top), (x, bottom), grid)?;
            line((x, bottom), (x, bottom + 5), axis)?;
            self.root.draw(&Text::new(text.clone(), (x, bottom + 15), anchored(HPos::Center)))?;
        }
        for (place, text) in &self.y.ticks {
            let y = self.down(*place);
            line((self.left, y), (right, y), grid)?;
            line((self.left - 5, y), (self.left, y), axis)?;
            self.root.draw(&Text::new(text.clone(), (self.left - 8, y), anchored(HPos::Right)))?;
        }
        line((self.left, bottom), (right, bottom), axis)?;
        line((self.left, self.top), (self.left, bottom), axis)?;
        let below = (i32::midpoint(self.left, right), bottom + 36);
        let beside = (12, i32::midpoint(self.top, bottom));
        let upright = anchored(HPos::Center).transform(FontTransform::Rotate270);
        let titles = [(&self.x.title, below, anchored(HPos::Center)), (&self.y.title, beside, upright)];
        for (title, at, style) in titles.into_iter().filter(|(title, _, _)| !title.is_empty()) {
            self.root.draw(&Text::new(title.clone(), at, style))?;
        }
        Ok(())
    }

    fn across(&self, place: f64) -> i32 {
        let part = (place - self.x.from) / (self.x.to - self.x.from);
        self.left + (part * f64::from(self.width)).round() as i32
    }

    fn down(&self, place: f64) -> i32 {
        let part = (place - self.y.from) / (self.y.to - self.y.from);
        self.top + self.height - (part * f64::from(self.height)).round() as i32
    }

    /// The pixel column of a value.
    pub(crate) fn x(&self, value: f64) -> i32 {
        self.across(self.x.place(value))
    }

    /// The pixel row of a value.
    pub(crate) fn y(&self, value: f64) -> i32 {
        self.down(self.y.place(value))
    }

    pub(crate) const fn left(&self) -> i32 {
        self.left
    }

    pub(crate) const fn right(&self) -> i32 {
        self.left + self.width
    }

    pub(crate) const fn top(&self) -> i32 {
        self.top
    }

    pub(crate) const fn bottom(&self) -> i32 {
        self.top + self.height
    }
}

#[cfg(test)]
mod tests {
    use super::super::number::figures;
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_has_a_few_round_ticks() {
        assert_eq!(labels(&Axis::linear("s", 20.0, figures)), ["0", "5", "10", "15", "20"]);
        assert_eq!(labels(&Axis::linear("s", 0.7, figures)), ["0", "0.2", "0.4", "0.6"]);
        assert!(labels(&Axis::linear("s", f64::NAN, figures)).len() > 1);
        assert!(labels(&Axis::linear("s", 1e300, figures)).len() > 1);
    }

    #[test]
    fn a_logarithmic_axis_has_decades_and_says_what_its_lower_edge_is() {
        let axis = Axis::log("t", [0.0, 30.0].into_iter(), 0.1, figures);
        assert_eq!(labels(&axis), ["≤ 0.1", "1", "10", "100"]);
        assert_eq!((axis.place(0.0), axis.place(1.0), axis.place(1e9)), (-1.0, 0.0, 2.0));
        assert_eq!(labels(&Axis::log("t", [10.0, 10.0].into_iter(), 0.1, figures)), ["10", "100"]);
        assert_eq!(labels(&Axis::log("t", std::iter::empty(), 1.0, figures)), ["1", "10"]);
        assert!(labels(&Axis::log("t", [1e-9, 1e20].into_iter(), 1e-9, figures)).len() <= 9);
    }

    #[test]
    fn the_scale_of_shares_has_room_at_both_ends() {
        let axis = Axis::shares("share", 0.99);
        assert_eq!(labels(&axis), ["0", "1", "10", "50", "90", "99"]);
        let places: Vec<f64> = axis.ticks.iter().map(|(place, _)| *place).collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] > 0.1 * (axis.to - axis.from)), "{places:?}");
        assert_eq!(labels(&Axis::shares("share", 1.0)).last(), Some(&"100"));
    }
}

//! The sweep as small multiples: the anomaly share against what is left of healthy traffic, one line for each help.

use super::super::report::{CONNECTIONS, Curve, Help, Point};
use super::looks;
use crate::page::axis::{Axis, Frame, Margins};
use crate::page::number::{percent, short, time_us};
use crate::page::plot::{Area, Failure, GREY, LINE, anchored, spread, svg};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

/// One figure against the share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Panel {
    Goodput,
    Loss,
    Delay,
    Transactions,
    TransactionsMany,
    Calls,
}

const SIZE: (u32, u32) = (524, 330);
/// For the labels at the lines.
const LABELS: u32 = 152;

impl Panel {
    pub(in super::super) const ALL: [Self; 6] =
        [Self::Goodput, Self::Loss, Self::Delay, Self::Transactions, Self::TransactionsMany, Self::Calls];

    /// Above the panel.
    pub(in super::super) fn title(self) -> String {
        match self {
            Self::Goodput => "Goodput: healthy frames forwarded; thin line: offered".into(),
            Self::Loss => "Loss: healthy frames not forwarded".into(),
            Self::Delay => "Delay of healthy frames, from due to sent: p99".into(),
            Self::Transactions => "Transactions, one after another".into(),
            Self::TransactionsMany => format!("Transactions, {CONNECTIONS} at once"),
            Self::Calls => "Model calls".into(),
        }
    }

    const fn axis_title(self) -> &'static str {
        match self {
            Self::Goodput => "frames/s",
            Self::Loss => "% of healthy frames",
            Self::Delay => "p99, logarithmic",
            Self::Transactions | Self::TransactionsMany => "transactions/s",
            Self::Calls => "calls/s",
        }
    }

    const fn of(self, point: &Point) -> f64 {
        match self {
            Self::Goodput => point.goodput,
            Self::Loss => point.loss,
            Self::Delay => point.p99_us,
            Self::Transactions => point.transactions,
            Self::TransactionsMany => point.transactions_many,
            Self::Calls => point.calls,
        }
    }

    /// Smaller values lie on the lower edge.
    const fn floor(self) -> f64 {
        match self {
            Self::Loss => 1e-4,
            Self::Delay => 0.1,
            _ => 1.0,
        }
    }

    fn label(self, value: f64) -> String {
        match self {
            Self::Loss => percent(value).replace(" %", ""),
            Self::Delay => time_us(value),
            _ => short(value),
        }
    }
}

/// One panel.
pub(in super::super) fn panel(curves: &[Curve], panel: Panel) -> String {
    svg(SIZE, &panel.title(), |root| draw(root, curves, panel))
}

fn draw(root: &Area<'_>, curves: &[Curve], panel: Panel) -> Result<(), Failure> {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let offered = points().map(|point| point.healthy_offered).filter(|_| panel == Panel::Goodput);
    let values = points().map(|point| panel.of(point)).chain(offered);
    let y = Axis::log(panel.axis_title(), values, panel.floor(), |value| panel.label(value));
    let most = points().map(|point| point.share).fold(0.0, f64::max);
    let x = Axis::shares("anomaly share, % of all frames", most);
    let frame = Frame::new(root, Margins(10, LABELS, 46, 84), x, y)?;
    let places = |curve: &Curve, value: &dyn Fn(&Point) -> f64| -> Vec<(i32, i32)> {
        let finite = curve.points.iter().filter(|point| value(point).is_finite() && point.share.is_finite());
        finite.map(|point| (frame.x(point.share), frame.y(value(point)))).collect()
    };
    if panel == Panel::Goodput
        && let Some(longest) = curves.iter().max_by_key(|curve| curve.points.len())
    {
        let offered = places(longest, &|point| point.healthy_offered);
        root.draw(&PathElement::new(offered, GREY.stroke_width(1)))?;
    }
    let mut ends: Vec<(Help, (i32, i32))> = Vec::new();
    for curve in curves {
        let line = places(curve, &|point| panel.of(point));
        looks::line(root, curve.help, &line)?;
        for &at in &line {
            looks::mark(root, curve.help, at)?;
        }
        ends.extend(line.last().map(|&end| (curve.help, end)));
    }
    let wanted: Vec<i32> = ends.iter().map(|(_, (_, y))| *y).collect();
    let lines = spread(&wanted, LINE, frame.top() + 8, frame.bottom() - 4);
    for ((help, end), y) in ends.into_iter().zip(lines) {
        let beside = (frame.right() + 12, y);
        root.draw(&PathElement::new([(end.0 + 6, end.1), beside], looks::color(help).stroke_width(1)))?;
        looks::mark(root, help, (beside.0 + 6, y))?;
        root.draw(&Text::new(help.name(), (beside.0 + 16, y), anchored(HPos::Left)))?;
    }
    Ok(())
}

//! What helps the slow path on the page: the sweep of the anomaly share, calls saved, the fraction law.

use super::super::plot::{self, LAW, Panel, SAVED};
use super::super::report::{CONNECTIONS, Curve, Law, MeasureReport, Point, Saved};
use super::{absent, figure, folded, heading, paragraph, plain};
use crate::page::axis::LOGIT_OFFSET;
use crate::page::escape;
use crate::page::fill::key;
use crate::page::number::{figures, grouped, percent, time_us};
use std::fmt::Write;

pub(super) fn sweep(body: &mut String, report: &MeasureReport) {
    heading(body, "sweep", "Anomaly share against healthy traffic");
    let curves: Vec<Curve> = report.sweep.iter().filter(|curve| !curve.points.is_empty()).cloned().collect();
    if curves.is_empty() {
        return absent(body, "the sweep of the anomaly share");
    }
    let caption = format!(
        "What is left of healthy traffic while a share of all frames is odd, with each help for the slow path. Offered: {} frames/s \
         in all, the share given below being odd; transactions: a request and its response, beside as many odd frames. The \
         share's axis is its logit, ln((s + {LOGIT_OFFSET}) / (1 - s + {LOGIT_OFFSET})), so that 1, 10, 50, 90 and 99 % are as \
         far apart as can be and 0 has a place; the other axes are logarithmic, and what is smaller than “≤” says lies on the edge. \
         No intervals are given. It does not show traffic between real hosts, which would send less \
         when frames are lost.",
        figures(report.subject.offered)
    );
    let _ = writeln!(body, "<figure>\n<figcaption>{}</figcaption>\n<div class=\"plots\">", escape(&caption));
    for panel in Panel::ALL {
        let _ = writeln!(
            body,
            "<div><strong>{}</strong>\n{}</div>",
            escape(&panel.title()),
            plot::panel(&curves, panel)
        );
    }
    body.push_str("</div></figure>\n");
    let many = format!("transactions/s, {CONNECTIONS} at once");
    let head = [
        "help",
        "anomaly share",
        "healthy offered/s",
        "goodput/s",
        "loss",
        "p50",
        "p99",
        "odd served",
        "model calls/s",
        "transactions/s",
        &many,
    ];
    let rows = curves.iter().flat_map(|curve| curve.points.iter().map(|at| point(curve.help.name(), at)));
    folded(body, "All points of the sweep", &head, rows.collect());
}

fn point(help: &str, point: &Point) -> Vec<String> {
    vec![
        help.into(),
        percent(point.share),
        figures(point.healthy_offered),
        figures(point.goodput),
        percent(point.loss),
        time_us(point.p50_us),
        time_us(point.p99_us),
        percent(point.served),
        figures(point.calls),
        figures(point.transactions),
        figures(point.transactions_many),
    ]
}

pub(super) fn saved(body: &mut String, saved: &[Saved]) {
    heading(body, "saved", "Model calls saved by the cache and by rules");
    if saved.is_empty() {
        return absent(body, "what spares the model");
    }
    let mut offered: Vec<String> = saved.iter().map(|saved| grouped(saved.odd)).collect();
    offered.dedup();
    let caption = format!(
        "The same odd frames with each help, and what ended them; each bar is all of them. Offered, from the top: {} odd frames. \
         It does not show a network whose odd frames have other senders: what is asked once is worth as much as it recurs.",
        offered.join(", ")
    );
    figure(body, &caption, &key(&SAVED), &plot::saved(saved));
    let rows = saved.iter().map(|saved| {
        let counts = [
            saved.odd,
            saved.ruled,
            saved.submitted,
            saved.refused,
            saved.cached,
            saved.followed,
            saved.calls,
        ];
        let shares = [figures(saved.calls_per_thousand), percent(saved.saved_share)];
        let name = saved.help.name().to_owned();
        std::iter::once(name).chain(counts.map(grouped)).chain(shares).collect::<Vec<_>>()
    });
    let head = [
        "help",
        "odd frames",
        "by rules",
        "submitted",
        "refused",
        "by the cache",
        "by another's call",
        "model calls",
        "calls for 1000",
        "served without a call of its own",
    ];
    plain(body, &head, rows);
}

pub(super) fn law(body: &mut String, report: &MeasureReport) {
    heading(body, "law", "The fraction law");
    if report.law.is_empty() {
        return absent(body, "the fraction law");
    }
    let caption = format!(
        "A slow path of u answers a second lasts up to an odd share of u/R at R frames a second. Line with a triangle: u/R, with \
         u measured alone; bar: from the largest share that was sustained to the first that was not, which is as fine as \
         the shares that were tried. A bar up to the edge: none, or all, of the shares that were tried were sustained. \
         Offered: R = {} frames/s. It does not show bursts.",
        figures(report.subject.offered)
    );
    figure(body, &caption, &key(&LAW), &plot::law(&report.law));
    let rows = report.law.iter().map(row);
    let head =
        ["help", "served alone, u, frames/s", "predicted u/R", "largest sustained", "first not sustained"];
    plain(body, &head, rows);
    let outside: Vec<&str> =
        report.law.iter().filter(|law| !agrees(law)).map(|law| law.help.name()).collect();
    if !outside.is_empty() {
        paragraph(
            body,
            &format!("The prediction lies outside the measured interval for: {}.", outside.join(", ")),
        );
    }
}

fn row(law: &Law) -> Vec<String> {
    let or = |share: Option<f64>, none: &str| share.map_or_else(|| none.to_owned(), percent);
    vec![
        law.help.name().into(),
        figures(law.alone),
        percent(law.predicted),
        or(law.sustained, "none that was tried"),
        or(law.not_sustained, "all that were tried were"),
    ]
}

fn agrees(law: &Law) -> bool {
    law.sustained.is_none_or(|share| law.predicted >= share)
        && law.not_sustained.is_none_or(|share| law.predicted <= share)
}

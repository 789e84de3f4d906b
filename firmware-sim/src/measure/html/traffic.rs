//! Traffic of all kinds on the page: paths over time, dispositions, latency, reasons.

use super::super::plot::{self, REASONS, Unit, diverted};
use super::super::report::{Histogram, Mixed, Named, Part, Reason};
use super::{absent, boxed, figure, folded, heading, paragraph, plain};
use crate::page::fill::key;
use crate::page::number::{figures, grouped, percent, time};
use crate::report::RATIO_DEFINITION;

/// Reasons in the plot; the table has all.
const MOST: usize = 25;
const RATIO: &str = "Fast/slow ratio";
const LATENCY: &str = "Latency by path";
const DIVERTS: &str = "Diverts by reason";

pub(super) fn sections(body: &mut String, mixed: &Mixed) {
    ratio(body, mixed);
    latency(body, mixed);
    reasons(body, mixed);
}

/// Without such traffic there are the headings, which links lead to.
pub(super) fn missing(body: &mut String) {
    for (id, text) in [("paths", RATIO), ("latency", LATENCY), ("reasons", DIVERTS)] {
        heading(body, id, text);
        absent(body, "traffic of all kinds");
    }
}

fn ratio(body: &mut String, mixed: &Mixed) {
    heading(body, "paths", RATIO);
    let offered = format!(
        "{}, offered at {} frames/s for {} s; {} frames found a full ring and were not received.",
        mixed.traffic.trim_end_matches('.'),
        figures(mixed.offered),
        figures(mixed.seconds),
        grouped(mixed.lost_before)
    );
    paragraph(body, &offered);
    let failed = mixed.checks.iter().filter(|check| check.value == Some(false));
    let failed: Vec<String> = failed.map(|check| check.name.clone()).collect();
    boxed(body, !failed.is_empty(), "These invariants did not hold in this run:", &failed);
    if mixed.series.is_empty() {
        absent(body, "paths over time");
    } else {
        for unit in [Unit::Frames, Unit::Bytes] {
            let caption = format!(
                "Of the received {} that ended in each interval, the share of each path: stacked, in the order of the labels \
                 at the right, which give the share of the whole run. Offered: {} frames/s. A frame is counted when it ends, not when it is \
                 received. It does not show frames that were lost before the router.",
                unit.name(),
                figures(mixed.offered)
            );
            figure(body, &caption, "", &plot::paths(mixed, unit));
            super::small(body, RATIO_DEFINITION);
        }
    }
    shares(body, "path", &mixed.paths, &mixed.received);
    shares(body, "disposition", &mixed.dispositions, &mixed.received);
    let sent = mixed.sent.iter().map(|sent| vec![sent.name.clone(), grouped(sent.value)]);
    plain(body, &["sent", "frames"], sent);
    let checks = mixed.checks.iter().map(|check| {
        let holds = match check.value {
            Some(true) => "holds",
            Some(false) => "DOES NOT HOLD",
            None => "this run cannot tell",
        };
        vec![check.name.clone(), holds.into()]
    });
    plain(body, &["invariant", "in this run"], checks);
    if let Some(file) = &mixed.written {
        paragraph(body, &format!("The frames are in {file}, for an independent count."));
    }
}

fn shares(body: &mut String, what: &str, parts: &[Named<Part>], received: &Part) {
    let row = |name: &str, part: &Part| {
        let shares = [percent(part.frame_share), grouped(part.bytes), percent(part.byte_share)];
        [name.to_owned(), grouped(part.frames)].into_iter().chain(shares).collect::<Vec<_>>()
    };
    let whole = row("received", received);
    let rows = parts.iter().map(|part| row(&part.name, &part.value)).chain([whole]);
    plain(body, &[what, "frames", "of the frames", "bytes", "of the bytes"], rows);
}

fn latency(body: &mut String, mixed: &Mixed) {
    heading(body, "latency", LATENCY);
    let Some(plot) = plot::latency(mixed) else { return absent(body, "latency") };
    let caption = format!(
        "How long frames took, on one logarithmic axis. Fast and rule: from reception until `handle_frame` has returned, every frame. The others: from \
         reception until what an answer or a rule says had been done. Each row has a height of its own, its most frequent bin \
         (a tenth of a decade) being the highest; line: p50, half took at most this; dashed: p99; dot: the longest. Offered: \
         {} frames/s. It does not show how long frames waited in a port's ring, nor those that the slow path refused.",
        figures(mixed.offered)
    );
    figure(body, &caption, "", &plot);
    let row = |name: &str, of: &Histogram| {
        let shown = |ns| if of.count == 0 { "–".into() } else { time(ns) };
        let times = [of.p50, of.p99, of.p999, of.max];
        [name.to_owned(), grouped(of.count)].into_iter().chain(times.map(shown)).collect::<Vec<_>>()
    };
    let slow = mixed.slow_ns.iter().map(|slow| row(&slow.name, &slow.value));
    let rows = std::iter::once(row("fast", &mixed.fast_ns)).chain(slow);
    plain(body, &["path", "measured", "p50", "p99", "p99.9", "longest"], rows);
}

fn reasons(body: &mut String, mixed: &Mixed) {
    heading(body, "reasons", DIVERTS);
    if mixed.reasons.is_empty() {
        return absent(body, "reasons: no anomaly was seen");
    }
    let diverted = diverted(&mixed.reasons);
    if diverted.is_empty() {
        paragraph(body, "No frame was diverted.");
    } else {
        let shown = &diverted[..diverted.len().min(MOST)];
        let caption = format!(
            "Frames of the {} most diverted reasons, of {} that were diverted; behind each bar: held + copied + refused. \
             Offered: {} frames/s of generated traffic. It does not show how often reasons occur in a real network.",
            shown.len(),
            diverted.len(),
            figures(mixed.offered)
        );
        figure(body, &caption, &key(&REASONS), &plot::reasons(shown));
    }
    let row = |reason: &Reason| {
        let counts = [
            reason.seen,
            reason.held,
            reason.observed,
            reason.refused,
            reason.approved,
            reason.rejected,
            reason.unanswered,
        ];
        std::iter::once(reason.name.clone()).chain(counts.map(grouped)).collect()
    };
    let head = ["reason", "seen", "held", "copied", "refused", "approved", "rejected", "unanswered"];
    folded(
        body,
        &format!("All {} reasons that were seen", mixed.reasons.len()),
        &head,
        mixed.reasons.iter().map(row).collect(),
    );
}

//! The process, the router's books and its rules as samples.

use super::instruments::*;
use super::page::{Page, Text};
use super::scrape::{About, Copy};
use nix::time::{ClockId, clock_gettime};
use stack::answer::{ActionKind, Rejection};
use stack::divert::Refusal;
use stack::rules::{Retirement, RuleRefusal};
use stack::stats::{Count, Disposition, DivertCount, Path};
use stack::{Anomaly, DropReason, Stats};

/// Did the slow path have to be asked, and whose decision was it? Two labels, since `sum by (path)` is the article's ratio and
/// `decided_by` splits each part of it.
pub(super) const fn path_labels(path: Path) -> [&'static str; 2] {
    match path {
        Path::Fast => ["fast", "router"],
        Path::Rule => ["fast", "rule"],
        Path::SlowCached => ["slow", "cache"],
        Path::SlowModel => ["slow", "model"],
        Path::SlowRefused => ["slow", "default"],
    }
}

/// What is known without the router.
pub(super) fn process(page: &mut Page, about: &About) {
    page.by(&BUILD, [(env!("CARGO_PKG_VERSION"), 1_u64)]);
    page.one(&UPTIME, about.started.elapsed().as_secs_f64());
    page.one(&START, about.started_at);
    let cpu = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID);
    let seconds = cpu.map(|cpu| cpu.tv_sec() as f64 + cpu.tv_nsec() as f64 * 1e-9);
    page.add(&CPU, seconds.ok().map(|seconds| ([], seconds)));
}

/// What the router counted.
pub(super) fn add(page: &mut Page, copy: &Copy) {
    frames(page, &copy.stats);
    diverts(page, &copy.stats);
    let stats = &copy.stats;
    page.by(
        &ICMP_ERRORS,
        [
            ("sent", stats.icmp_errors),
            ("forbidden", stats.icmp_errors_forbidden),
            ("limited", stats.icmp_errors_limited),
        ],
    );
    page.one(&EVENTS_LOST, stats.events_lost);
    page.one(&FLOWS_FORGOTTEN, stats.flows_forgotten);
    page.by(&TABLE_ENTRIES, copy.tables.map(|(table, entries, _)| (table, entries)));
    page.by(&TABLE_CAPACITY, copy.tables.map(|(table, _, capacity)| (table, capacity)));
    rules(page, copy);
    page.one(&HANDLE_FRAME, &copy.bucketed.handle_frame);
    page.by(&DIVERT_TO_ACTION, [("model", &copy.bucketed.by_model), ("cache", &copy.bucketed.by_cache)]);
}

fn frames(page: &mut Page, stats: &Stats) {
    page.one(&RECEIVED_FRAMES, stats.received.frames);
    page.one(&RECEIVED_BYTES, stats.received.bytes);
    let ended = |part: fn(&Count) -> u64| {
        Disposition::ALL.into_iter().flat_map(move |disposition| {
            Path::ALL.into_iter().map(move |path| {
                let [which, by] = path_labels(path);
                let labels: [Text; 3] = [disposition.name().into(), which.into(), by.into()];
                (labels, part(&stats.dispositions[disposition as usize][path as usize]))
            })
        })
    };
    page.add(&ENDED_FRAMES, ended(|count| count.frames));
    page.add(&ENDED_BYTES, ended(|count| count.bytes));
    page.one(&HELD_FRAMES, stats.held.frames);
    page.one(&HELD_BYTES, stats.held.bytes);
    let sent = &stats.sent;
    let sent = [
        ("forwarded", sent.forwarded),
        ("fragments", sent.fragments),
        ("originated", sent.originated),
        ("injected", sent.injected),
    ];
    page.by(&SENT_FRAMES, sent.map(|(origin, count)| (origin, count.frames)));
    page.by(&SENT_BYTES, sent.map(|(origin, count)| (origin, count.bytes)));
    page.by(&FRAGMENTED, [("forwarded", stats.fragmented), ("injected", stats.injected_fragmented)]);
    page.by(
        &LOST,
        [
            ("fragments", stats.fragments_lost),
            ("originated", stats.originated_lost),
            ("injected", stats.injected_lost),
        ],
    );
    page.one(&REASSEMBLY, stats.reassembly_failed);
    let anomalies = Anomaly::ALL.iter().map(|&anomaly| DropReason::Anomaly(anomaly));
    let reasons = anomalies.chain(DropReason::OTHERS.iter().copied());
    page.by(&DROPPED, reasons.map(|reason| (reason.name(), stats.drops(reason))));
    page.by(&SEEN, Anomaly::ALL.iter().map(|&anomaly| (anomaly.name(), stats.seen[anomaly as usize])));
}

fn diverts(page: &mut Page, stats: &Stats) {
    let by_reason = |parts: fn(&DivertCount) -> [(&'static str, u64); 3]| {
        Anomaly::ALL.iter().flat_map(move |&anomaly| {
            let parts = parts(&stats.diverts[anomaly as usize]);
            parts.map(|(part, count)| -> ([Text; 2], u64) { ([anomaly.name().into(), part.into()], count) })
        })
    };
    let admission = |count: &DivertCount| {
        [("held", count.held), ("observed", count.observed), ("refused", count.refused)]
    };
    let outcome = |count: &DivertCount| {
        [("approved", count.approved), ("rejected", count.rejected), ("unanswered", count.unanswered)]
    };
    page.add(&DIVERTS, by_reason(admission));
    page.add(&ANSWERS, by_reason(outcome));
    page.by(&REFUSALS, Refusal::ALL.iter().map(|&why| (why.name(), stats.refusals[why as usize])));
    page.by(&REJECTIONS, Rejection::ALL.iter().map(|&why| (why.name(), stats.rejections[why as usize])));
    page.by(&APPLIED, ActionKind::ALL.iter().map(|&kind| (kind.name(), stats.applied[kind as usize])));
}

fn rules(page: &mut Page, copy: &Copy) {
    let count = &copy.stats.rules;
    let (shadow, active) = copy.rules;
    page.by(&RULES, [("shadow", shadow), ("active", active)]);
    page.by(
        &RULE_CLASSES,
        [
            ("proposed", count.proposed),
            ("forgotten", count.forgotten),
            ("disagreed", count.disagreed),
            ("concordant", count.concordant),
        ],
    );
    page.one(&RULES_INSTALLED, count.installed);
    page.one(&RULES_ACTIVATED, count.activated);
    page.by(&RULES_RETIRED, Retirement::ALL.iter().map(|&why| (why.name(), count.retired[why as usize])));
    page.by(&RULES_REFUSED, RuleRefusal::ALL.iter().map(|&why| (why.name(), count.refused[why as usize])));
    page.by(
        &RULE_FRAMES,
        [("shadowed", count.shadowed), ("sampled", count.sampled), ("misfit", count.misfits)],
    );
}

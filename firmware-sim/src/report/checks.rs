//! The design's invariants, as far as a run can show them.

use super::{Check, PingLine, RepairedLine};
use crate::lab::scenario::Seen;
use crate::recording::{ReadError, Report, Written};
use stack::Stats;
use stack::stats::{Disposition, Path};
use std::collections::BTreeMap;

const REPLAY: &str = "4. a recording replays byte-identically";

/// What there is to check.
pub(super) struct Run<'a> {
    pub(super) stats: &'a Stats,
    /// Diverted frames queued and outstanding at the end.
    pub(super) under_way: (usize, usize),
    pub(super) seen: Option<&'a Seen>,
    pub(super) repaired: &'a [RepairedLine],
    pub(super) ping: Option<&'a PingLine>,
    /// Malformed packets by the hosts' own counters.
    pub(super) malformed: &'a BTreeMap<String, u64>,
    pub(super) interrupted: bool,
}

/// Every invariant, in order.
pub(super) fn checks(run: &Run<'_>) -> Vec<Check> {
    let mut checks = vec![balance(run.stats)];
    if let Some(seen) = run.seen {
        let lost: u64 = seen.healthy.iter().map(|h| h.sent.abs_diff(h.received)).sum();
        checks.push(Check {
            name: "2. the fast path never waits for the slow path",
            // One that ended before every kind was sent cannot tell.
            holds: match seen.all_healthy_arrived() {
                false if run.interrupted && seen.all_sent_arrived() => None,
                arrived => Some(arrived),
            },
            how: format!(
                "{lost} healthy messages or bytes missing while odd frames were sent (allocations: see make test)"
            ),
        });
    }
    checks.push(injections(run));
    if run.seen.is_some() {
        let (served, received) =
            run.repaired.iter().fold((0, 0), |sum, class| (sum.0 + class.served, sum.1 + class.received));
        checks.push(Check {
            name: "   what is served is received",
            holds: Some(run.repaired.iter().all(|class| class.served == class.received)),
            how: format!("{received} of {served} frames of the discretionary classes reached a host's stack"),
        });
    }
    if let Some(ping) = run.ping {
        checks.push(Check {
            name: "   every ping is answered, and no wrong reply reaches the wire",
            holds: Some(
                ping.damaged == 0 && ping.duplicates == 0 && (run.interrupted || ping.received == ping.sent),
            ),
            how: format!(
                "{} of {} answered, {} damaged and {} duplicate replies by the judge",
                ping.received, ping.sent, ping.damaged, ping.duplicates
            ),
        });
    }
    // Only the lab records.
    if run.seen.is_some() || run.ping.is_some() {
        checks.push(Check {
            name: REPLAY,
            holds: None,
            how: "this run was not recorded: see --record".into(),
        });
    }
    checks.push(endings(run));
    checks
}

/// What the replay of this run's recording showed. One that ended early can show nothing of its end.
pub(super) fn replay(written: &Written, replayed: Result<Report, ReadError>) -> Check {
    let whole = written.error.is_none();
    let (holds, how) = match replayed {
        Ok(Report { difference: Some(difference), .. }) => (
            Some(false),
            format!("another frame or verdict at packet {}: {}", difference.packet, difference.what),
        ),
        Ok(report) => {
            let Report { packets, frames_out, answers, .. } = report;
            let end = if report.complete { "" } else { ", but the recording ends before the run" };
            let how =
                format!("{frames_out} frames and {answers} verdicts in {packets} packets are the same{end}");
            (Some(report.complete || !whole), how)
        }
        Err(error) => (whole.then_some(false), error.to_string()),
    };
    Check { name: REPLAY, holds, how }
}

fn balance(stats: &Stats) -> Check {
    let balance = stats.balance();
    Check {
        name: "1. the counters balance; every drop has a reason",
        holds: Some(balance.is_ok() && stats.held.frames == 0),
        how: match balance {
            Ok(()) => {
                let (received, held) = (stats.received.frames, stats.held.frames);
                format!("{received} received = sum of dispositions, {held} still held")
            }
            Err(imbalance) => format!("{imbalance:?}"),
        },
    }
}

fn injections(run: &Run<'_>) -> Check {
    let stats = run.stats;
    let injected = stats.sent.injected.frames;
    let path = |d: Disposition, p: Path| stats.dispositions[d as usize][p as usize].frames;
    let answered = |d| path(d, Path::SlowModel) + path(d, Path::SlowCached) + path(d, Path::Rule);
    let (consumed, delivered) = (answered(Disposition::Consumed), answered(Disposition::Delivered));
    let malformed = match run.seen {
        None => String::new(),
        Some(_) if run.malformed.is_empty() => "; malformed packets by the hosts' own counters: none".into(),
        Some(_) => format!("; malformed packets by the hosts' own counters: {:?}", run.malformed),
    };
    Check {
        name: "3. nothing from a model reaches a wire except as Approved",
        holds: Some(injected + stats.injected_lost == consumed && run.malformed.is_empty()),
        how: format!(
            "{injected} frames injected for {consumed} frames with an approved answer or a rule ({delivered} more were \
             delivered here){malformed}"
        ),
    }
}

fn endings(run: &Run<'_>) -> Check {
    let ended = |d: &stack::stats::DivertCount| d.approved + d.rejected + d.unanswered;
    let (diverted, ended) =
        run.stats.diverts.iter().fold((0, 0), |sum, d| (sum.0 + d.held + d.observed, sum.1 + ended(d)));
    let under_way = (run.under_way.0 + run.under_way.1) as u64;
    Check {
        name: "5. each diverted frame ends in a named reason by its deadline",
        holds: Some(diverted == ended + under_way && run.stats.held.frames == 0),
        how: format!(
            "{diverted} diverted = {ended} approved, rejected or unanswered + {under_way} observed copies under way"
        ),
    }
}

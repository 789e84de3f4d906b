//! The article's table: echo requests to the router, answered by the fast path, and by models.
//!
//! It is the lab's ping experiment, whose replies a Linux kernel or smoltcp compares with what is right.

use super::report::Ping;
use super::{MeasureError, Session};
use crate::lab::run::{self as lab, LabPlan};
use crate::median::median;
use crate::report::{Micros, PingLine};
use llm_slowpath::PingTask;

/// What the embedded model is asked, what that is called, and how it is said.
const TASKS: [(PingTask, &str, &str); 2] = [
    (PingTask::Full, "full", "gets the request without a hint, writes the whole reply: the article's task"),
    (PingTask::Delta, "delta", "gets the request's header fields, writes those that change"),
];

/// Measures each row.
///
/// # Errors
/// See [`MeasureError`].
pub(super) fn measure(session: &Session<'_>) -> Result<Vec<Ping>, MeasureError> {
    let (plan, local) = (session.plan, session.plan.slow_path.is_local());
    let count = match (local, plan.quick) {
        (true, true) => 200,
        (true, false) => 1_000,
        (false, true) => 5,
        (false, false) => 20,
    };
    let mut rows = vec![("fast", "fast path: deterministic, no model".to_owned(), None)];
    let name = plan.slow_path.names();
    if local {
        rows.extend(TASKS.map(|(task, key, how)| (key, format!("{name}: {how}"), Some(task))));
    } else {
        rows.push(("full", format!("{name}: gets the request, writes the reply"), Some(PingTask::default())));
    }
    let mut pings = Vec::new();
    for (key, who, ping_task) in rows {
        // A server is slower than pings are sent: each has a run of its own, so that none waits for another.
        let runs = if local || ping_task.is_none() { 1 } else { count };
        let (mut lines, mut ports) = (Vec::new(), String::new());
        for run in 1..=runs {
            session.say(format_args!("pings: {who}, run {run} of {runs}"));
            let outcome = lab::run(&lab_plan(session, ping_task, count / runs), session.stop)?;
            if session.is_stopped() {
                return Ok(pings);
            }
            lines.extend(outcome.ping);
            ports = outcome.ports;
        }
        let Some(ping) = together(lines) else { continue };
        // Whatever the default had to answer: rejected, unusable, or too late.
        let tried = ping.first_attempt_right + ping.answered_by_default;
        let wrong = ping.answered_by_default as f64 / tried.max(1) as f64;
        pings.push(Ping {
            key: key.into(),
            who,
            sent: ping.sent,
            received: ping.received,
            p50_us: ping.rtt_us.p50,
            p99_us: ping.rtt_us.p99,
            max_us: ping.rtt_us.max,
            within_10_ms: ping.within_10_ms,
            first_attempt_errors: ping_task.map(|_| wrong),
            by_default: if ping_task.is_some() { ping.answered_by_default } else { 0 },
            judge: format!("{}, over {ports}", ping.judge),
        });
    }
    Ok(pings)
}

/// Several runs as one, each of which but a lone one has a single ping.
fn together(lines: Vec<PingLine>) -> Option<PingLine> {
    let several = lines.len() > 1;
    let answered = lines.iter().filter(|line| line.received > 0);
    let times: Vec<f64> = answered.map(|line| line.rtt_us.max).collect();
    let viable = lines.iter().map(|line| line.within_10_ms * line.received as f64).sum::<f64>();
    let mut sum = lines.into_iter().reduce(|sum, line| PingLine {
        sent: sum.sent + line.sent,
        received: sum.received + line.received,
        first_attempt_right: sum.first_attempt_right + line.first_attempt_right,
        answered_by_default: sum.answered_by_default + line.answered_by_default,
        ..sum
    })?;
    if several {
        let longest = times.iter().copied().fold(0.0, f64::max);
        let p50 = median(times).unwrap_or_default();
        // Of so few the longest is the 99th percentile.
        sum.rtt_us = Micros { count: sum.received, p50, p99: longest, max: longest };
        sum.within_10_ms = viable / sum.received.max(1) as f64;
    }
    Some(sum)
}

fn lab_plan(session: &Session<'_>, ping_task: Option<PingTask>, count: u64) -> LabPlan {
    let plan = session.plan;
    LabPlan {
        ping: Some(count),
        ping_task,
        seed: plan.seed,
        ..LabPlan::new(plan.slow_path.clone(), plan.posture)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_ping_are_told_as_one_row() {
        let line = |received: u64, us: f64, right: u64| PingLine {
            task: "ping_full",
            judge: String::new(),
            sent: 1,
            received,
            duplicates: 0,
            damaged: 0,
            errors: 0,
            rtt_us: Micros { count: received, p50: us, p99: us, max: us },
            first_attempt_right: right,
            first_attempt_wrong: 1 - right,
            within_10_ms: if received == 1 && us < 10_000.0 { 1.0 } else { 0.0 },
            answered_by_default: 1 - right,
        };
        assert!(together(Vec::new()).is_none());
        let lone = together(vec![line(1, 7.0, 1)]).unwrap();
        assert_eq!((lone.sent, lone.rtt_us.p50, lone.within_10_ms), (1, 7.0, 1.0));
        let four =
            together(vec![line(1, 5e6, 0), line(0, 0.0, 0), line(1, 9.0, 1), line(1, 6e6, 0)]).unwrap();
        assert_eq!(
            (four.sent, four.received, four.answered_by_default, four.first_attempt_right),
            (4, 3, 3, 1)
        );
        assert_eq!((four.rtt_us.p50, four.rtt_us.p99, four.rtt_us.max), (5e6, 6e6, 6e6));
        assert_eq!(four.within_10_ms, 1.0 / 3.0);
    }
}

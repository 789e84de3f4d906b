//! The article's table: echo requests to the router, answered by the fast path, and by models.
//!
//! It is the lab's ping experiment, whose replies a Linux kernel or smoltcp compares with what is right.

use super::report::Ping;
use super::{MeasureError, Session};
use crate::lab::run::{self as lab, LabPlan};
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
        session.say(format_args!("pings: {who}"));
        let outcome = lab::run(&lab_plan(session, ping_task, count), session.stop)?;
        if session.is_stopped() {
            break;
        }
        let Some(ping) = outcome.ping else { continue };
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
            judge: format!("{}, over {}", ping.judge, outcome.ports),
        });
    }
    Ok(pings)
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

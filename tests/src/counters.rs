//! The only way for a test to look at counters: the whole difference since the last look, field by field.
//!
//! A test that named the counters it cares about would not see the one that moved by mistake.

use stack::answer::Rejection;
use stack::divert::Refusal;
use stack::rules::{Retirement, RuleRefusal};
use stack::stats::{Count, Disposition, DivertCount, Path, RuleCount, SentCount};
use stack::{ActionKind, Anomaly, DropReason, Stats};
use std::fmt::Write;

/// What the counters are expected to have moved by; all zero at first. `held` is a gauge: its present value.
///
/// Any field of [`Stats`] may be set; the methods move those that always move together.
#[derive(Debug, Clone, Default)]
pub struct Delta(Stats);

impl std::ops::Deref for Delta {
    type Target = Stats;
    fn deref(&self) -> &Stats {
        &self.0
    }
}

impl std::ops::DerefMut for Delta {
    fn deref_mut(&mut self) -> &mut Stats {
        &mut self.0
    }
}

fn add(count: &mut Count, len: usize) {
    count.frames += 1;
    count.bytes += len as u64;
}

impl Delta {
    /// One more frame of this length was received.
    pub fn receives(&mut self, len: usize) -> &mut Self {
        add(&mut self.received, len);
        self
    }

    /// A received frame of this length ended so.
    pub fn ends(&mut self, disposition: Disposition, path: Path, len: usize) -> &mut Self {
        add(&mut self.dispositions[disposition as usize][path as usize], len);
        self
    }

    /// A frame was received with one length and sent on with another, without the slow path.
    pub fn forwards(&mut self, received: usize, sent: usize) -> &mut Self {
        add(&mut self.sent.forwarded, sent);
        self.receives(received).ends(Disposition::Forwarded, Path::Fast, received)
    }

    /// A frame was received and delivered, without the slow path.
    pub fn delivers(&mut self, len: usize) -> &mut Self {
        self.receives(len).ends(Disposition::Delivered, Path::Fast, len)
    }

    /// A frame was received and used up, without the slow path.
    pub fn consumes(&mut self, len: usize) -> &mut Self {
        self.receives(len).ends(Disposition::Consumed, Path::Fast, len)
    }

    /// A frame that had been received was dropped for this reason.
    pub fn discards(&mut self, reason: DropReason, path: Path, len: usize) -> &mut Self {
        match DropReason::OTHERS.iter().position(|&other| other == reason) {
            Some(index) => self.other_drops[index] += 1,
            None => {
                let anomaly = Anomaly::from_name(reason.name()).expect("any other reason is an anomaly");
                self.anomaly_drops[anomaly as usize] += 1;
            }
        }
        self.ends(Disposition::Dropped, path, len)
    }

    /// A frame was received and dropped for this reason, without the slow path.
    pub fn drops(&mut self, reason: DropReason, len: usize) -> &mut Self {
        self.receives(len).discards(reason, Path::Fast, len)
    }

    /// A frame was received, and is held for the slow path.
    pub fn diverts_one(&mut self, reason: Anomaly, len: usize) -> &mut Self {
        self.seen[reason as usize] += 1;
        self.diverts[reason as usize].held += 1;
        self.receives(len).holds(len)
    }

    /// A frame of this reason was received and, as a rule said, ended so.
    pub fn ends_by_rule(&mut self, reason: Anomaly, disposition: Disposition, len: usize) -> &mut Self {
        self.seen[reason as usize] += 1;
        self.receives(len).ends(disposition, Path::Rule, len)
    }

    /// A frame was received, put right as a rule said, and sent on.
    pub fn forwards_by_rule(&mut self, reason: Anomaly, received: usize, sent: usize) -> &mut Self {
        add(&mut self.sent.forwarded, sent);
        self.ends_by_rule(reason, Disposition::Forwarded, received)
    }

    /// A frame was received, and what a rule made of it was sent instead.
    pub fn answers_by_rule(&mut self, reason: Anomaly, received: usize, sent: usize) -> &mut Self {
        add(&mut self.sent.injected, sent);
        self.ends_by_rule(reason, Disposition::Consumed, received)
    }

    /// A frame was received and held, and an approved answer of a model ended it.
    pub fn asks(&mut self, reason: Anomaly, len: usize, action: ActionKind) -> &mut Self {
        self.seen[reason as usize] += 1;
        self.diverts[reason as usize].held += 1;
        self.receives(len).applies(reason, action)
    }

    /// One more received frame of this length has not ended yet.
    pub fn holds(&mut self, len: usize) -> &mut Self {
        add(&mut self.held, len);
        self
    }

    /// The router sent a frame of its own.
    pub fn originates(&mut self, len: usize) -> &mut Self {
        add(&mut self.sent.originated, len);
        self
    }

    /// The router sent an ICMP error.
    pub fn reports(&mut self, len: usize) -> &mut Self {
        self.icmp_errors += 1;
        self.originates(len)
    }

    /// An approved answer acted.
    pub fn applies(&mut self, reason: Anomaly, action: ActionKind) -> &mut Self {
        self.diverts[reason as usize].approved += 1;
        self.applied[action as usize] += 1;
        self
    }

    /// A frame made from an approved answer was sent; the frame that it answers is consumed.
    pub fn injects(&mut self, received: usize, sent: usize, path: Path) -> &mut Self {
        add(&mut self.sent.injected, sent);
        self.ends(Disposition::Consumed, path, received)
    }
}

/// Every counter by name. Written out field by field without `..`: a new counter must be added here.
pub fn all(stats: &Stats) -> Vec<(String, u64)> {
    let Stats {
        received,
        dispositions,
        held,
        sent: SentCount { forwarded, fragments, originated, injected },
        fragmented,
        injected_fragmented,
        fragments_lost,
        reassembly_failed,
        anomaly_drops,
        other_drops,
        seen,
        diverts,
        refusals,
        rejections,
        applied,
        icmp_errors,
        icmp_errors_forbidden,
        icmp_errors_limited,
        originated_lost,
        injected_lost,
        events_lost,
        flows_forgotten,
        rules,
    } = stats;
    let mut list = Vec::with_capacity(700);
    let mut put = |name: String, value: u64| list.push((name, value));
    let mut count = |name: String, count: &Count| {
        let Count { frames, bytes } = *count;
        put(format!("{name}.frames"), frames);
        put(format!("{name}.bytes"), bytes);
    };
    count("received".into(), received);
    for (disposition, paths) in Disposition::ALL.iter().zip(dispositions) {
        for (path, value) in Path::ALL.iter().zip(paths) {
            count(format!("dispositions[{}][{}]", disposition.name(), path.name()), value);
        }
    }
    count("held".into(), held);
    count("sent.forwarded".into(), forwarded);
    count("sent.fragments".into(), fragments);
    count("sent.originated".into(), originated);
    count("sent.injected".into(), injected);
    for (index, &anomaly) in Anomaly::ALL.iter().enumerate() {
        put(format!("anomaly_drops[{anomaly}]"), anomaly_drops[index]);
        put(format!("seen[{anomaly}]"), seen[index]);
        let DivertCount { held, observed, refused, approved, rejected, unanswered } = diverts[index];
        let fates = [
            ("held", held),
            ("observed", observed),
            ("refused", refused),
            ("approved", approved),
            ("rejected", rejected),
            ("unanswered", unanswered),
        ];
        for (fate, value) in fates {
            put(format!("diverts[{anomaly}].{fate}"), value);
        }
    }
    let names = |prefix: &str, name: &str| format!("{prefix}[{name}]");
    DropReason::OTHERS.iter().zip(other_drops).for_each(|(r, &n)| put(names("other_drops", r.name()), n));
    Refusal::ALL.iter().zip(refusals).for_each(|(r, &n)| put(names("refusals", r.name()), n));
    Rejection::ALL.iter().zip(rejections).for_each(|(r, &n)| put(names("rejections", r.name()), n));
    ActionKind::ALL.iter().zip(applied).for_each(|(r, &n)| put(names("applied", r.name()), n));
    put("fragmented".into(), *fragmented);
    put("injected_fragmented".into(), *injected_fragmented);
    put("fragments_lost".into(), *fragments_lost);
    put("reassembly_failed".into(), *reassembly_failed);
    put("icmp_errors".into(), *icmp_errors);
    put("icmp_errors_forbidden".into(), *icmp_errors_forbidden);
    put("icmp_errors_limited".into(), *icmp_errors_limited);
    put("originated_lost".into(), *originated_lost);
    put("injected_lost".into(), *injected_lost);
    put("events_lost".into(), *events_lost);
    put("flows_forgotten".into(), *flows_forgotten);
    let RuleCount {
        proposed,
        forgotten,
        disagreed,
        concordant,
        installed,
        activated,
        retired,
        refused,
        shadowed,
        sampled,
        misfits,
    } = rules;
    let numbers = [
        ("proposed", proposed),
        ("forgotten", forgotten),
        ("disagreed", disagreed),
        ("concordant", concordant),
        ("installed", installed),
        ("activated", activated),
        ("shadowed", shadowed),
        ("sampled", sampled),
        ("misfits", misfits),
    ];
    numbers.into_iter().for_each(|(name, &n)| put(names("rules", name), n));
    Retirement::ALL.iter().zip(retired).for_each(|(r, &n)| put(names("rules.retired", r.name()), n));
    RuleRefusal::ALL.iter().zip(refused).for_each(|(r, &n)| put(names("rules.refused", r.name()), n));
    list
}

/// Fails unless the counters moved from `before` to `now` by exactly `expected`; prints them all then.
///
/// # Panics
/// If any counter moved otherwise.
#[track_caller]
pub fn compare(before: &Stats, now: &Stats, expected: &Delta) {
    let mut wrong = String::new();
    for (((name, now), (_, before)), (_, expected)) in
        all(now).into_iter().zip(all(before)).zip(all(expected))
    {
        let moved = if name.starts_with("held.") { now } else { now.wrapping_sub(before) };
        if moved != expected {
            let _ = writeln!(wrong, "  {name}: expected {expected}, got {}", moved.cast_signed());
        }
    }
    if !wrong.is_empty() {
        let nonzero = all(now).into_iter().filter(|(_, value)| *value != 0);
        let whole: String = nonzero.map(|(name, value)| format!("  {name} = {value}\n")).collect();
        panic!("counters moved otherwise:\n{wrong}all counters that are not 0:\n{whole}");
    }
}

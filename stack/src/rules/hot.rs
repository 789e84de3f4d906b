//! What a lookup and a hit read and write of a rule: two cache lines that are fetched together, beside which the rest of the rule
//! stays untouched.

use super::matching::Key;
use super::{Edits, Reply, Retirement, RuleAction, RuleSpec, RuleState};
use crate::answer::ActionKind;
use smoltcp::time::Instant;

/// What is to be done with a frame, as far as it fits here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Discard it.
    Drop,
    /// Put it right, and let it go on: `transit`, or to the local host.
    GoOn { edits: Edits, transit: bool },
    /// Answer it as an approved answer of this kind would.
    Answer(ActionKind),
    /// Answer it by the template that the rest of the rule holds.
    Template,
}

/// Storage for the hot part of one rule.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(128))]
pub struct RuleHot {
    /// What it matches.
    pub(super) key: Key,
    /// The end of its lifetime; a pinned rule's is the end of time.
    pub(super) until: Instant,
    /// When a frame matched last.
    pub(super) last_hit: Instant,
    /// How long it may idle, in microseconds; 0: for ever.
    pub(super) idle_us: u64,
    pub(super) hits: u64,
    pub(super) bytes: u64,
    /// It was checked against the router of this epoch.
    pub(super) epoch: u32,
    pub(super) state: RuleState,
    pub(super) priority: u8,
    /// Has it a meter, or does it sample?
    pub(super) watched: bool,
    pub(super) step: Step,
}

const _: () = assert!(size_of::<RuleHot>() == 128, "two cache lines");

impl RuleHot {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        key: Key::EMPTY,
        until: Instant::ZERO,
        last_hit: Instant::ZERO,
        idle_us: 0,
        hits: 0,
        bytes: 0,
        epoch: 0,
        state: RuleState::Shadow,
        priority: 0,
        watched: false,
        step: Step::Drop,
    };

    /// A rule that is installed now.
    pub(super) fn new(now: Instant, key: Key, spec: &RuleSpec, (state, epoch): (RuleState, u32)) -> Self {
        let content = &spec.content;
        let step = match &content.action {
            RuleAction::Drop => Step::Drop,
            RuleAction::Forward(edits) => Step::GoOn { edits: *edits, transit: true },
            RuleAction::Deliver(edits) => Step::GoOn { edits: *edits, transit: false },
            RuleAction::Reply(Reply::Timestamp) => Step::Answer(ActionKind::TimestampReply),
            RuleAction::Reply(Reply::ParameterProblem) => Step::Answer(ActionKind::ParameterProblem),
            RuleAction::Reply(Reply::Template(_)) => Step::Template,
        };
        let mut hot = Self {
            key,
            last_hit: now,
            epoch,
            state,
            priority: content.priority,
            watched: content.meter.is_some() || content.sample_one_in > 0,
            step,
            ..Self::EMPTY
        };
        hot.limit(spec, now + spec.lifetime);
        hot
    }

    /// Takes the rule's times over, which pinning changes.
    pub(super) const fn limit(&mut self, spec: &RuleSpec, expires_at: Instant) {
        (self.until, self.idle_us) = if spec.pinned {
            (Instant::from_micros_const(i64::MAX), 0)
        } else {
            (expires_at, spec.idle.total_micros())
        };
    }

    /// Is the rule past its time, if it may idle for a `haste`-th of its idle time?
    #[inline]
    pub(super) fn lapsed(&self, now: Instant, haste: u64) -> Option<Retirement> {
        if now >= self.until {
            return Some(Retirement::Expired);
        }
        let gone = now.total_micros().saturating_sub(self.last_hit.total_micros()).max(0).unsigned_abs();
        (self.idle_us > 0 && gone.saturating_mul(haste) >= self.idle_us).then_some(Retirement::Idle)
    }
}

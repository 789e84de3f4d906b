//! How a rule's life goes on and ends: promotion, expiry, eviction, revalidation, and the names of all of these.

use super::RuleId;
use crate::Router;
use crate::answer::granted;
use crate::classify::Mode;
use crate::event::Event;
use crate::named::named_enum;
use smoltcp::time::Instant;

named_enum! {
    /// Why a rule went.
    pub enum Retirement {
        /// No frame matched for its idle time.
        Idle = "idle";
        /// Its lifetime ended.
        Expired = "expired";
        /// Another rule needed its place, and it was the one unused for longest there.
        Evicted = "evicted";
        /// Another rule with the same match outranks it.
        Outranked = "outranked";
        /// While it was in shadow, or about a sample, the slow path said otherwise.
        Contradicted = "contradicted";
        /// Addresses or routes changed, and it may not be as it is any more.
        Invalidated = "invalidated";
        /// The operator revoked it.
        Revoked = "revoked";
        /// All rules that were not pinned went, since the operator said so; or all learnt ones, since the table was thrashing.
        Flushed = "flushed";
    }
}

named_enum! {
    /// Why a rule was not made.
    pub enum RuleRefusal {
        /// There may be no rule about this reason: it is about ARP or Neighbour Discovery, legal, or an experiment.
        ReasonWithoutRules = "reason_without_rules";
        /// Frames of this reason are not held for the slow path.
        NotEnforced = "not_enforced";
        /// The action is not granted for this reason and posture.
        NotGranted = "not_granted";
        /// The match is not one that this router derives: its port, posture or fields are not the reason's.
        BadMatch = "bad_match";
        /// It is about frames of a gateway, or of the router itself.
        ProtectedSource = "protected_source";
        /// Only the operator may say so.
        OperatorOnly = "operator_only";
        /// No lifetime, or too long a one.
        BadLifetime = "bad_lifetime";
        /// A value is beyond what its field can hold, or a meter lets nothing pass.
        BadValue = "bad_value";
        /// A rule with the same match ranks higher, or is the same.
        Outranked = "outranked";
        /// The table is full of pinned rules, or has no storage.
        RulesFull = "rules_full";
        /// As many pairs of reason and scope have rules as may.
        MasksFull = "masks_full";
        /// The table was thrashing a moment ago.
        Thrashing = "thrashing";
    }
}

impl core::error::Error for RuleRefusal {}

/// What happened to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum RuleChange {
    /// It was installed, and counts what it would do.
    Shadowed,
    /// It acts.
    Activated,
    /// It went.
    Retired(Retirement),
}

/// The earlier of both.
pub(super) fn earlier(one: Option<Instant>, other: Instant) -> Option<Instant> {
    Some(one.map_or(other, |one| one.min(other)))
}

impl Router<'_> {
    /// Does what is due: shadows end, rules expire.
    pub(crate) fn handle_rules_timeout(&mut self, now: Instant) {
        if !self.rules.is_due(now) {
            return;
        }
        let mut next = None;
        for index in 0..self.rules.places() {
            if let Some(why) = self.rules.lapsed(index, now) {
                self.retire(index, why);
                continue;
            }
            match self.rules.shadow_end(index, self.config.rules.shadow) {
                Some(end) if end <= now => self.activate(now, index),
                Some(end) => next = earlier(next, end),
                None => {}
            }
        }
        self.rules.swept(now, next);
    }

    /// The shadow has ended without a contradiction.
    pub(super) fn activate(&mut self, now: Instant, index: usize) {
        if let Some(id) = self.rules.activate(now, index) {
            self.activated(id);
        }
    }

    pub(super) fn activated(&mut self, id: RuleId) {
        self.stats.rules.activated += 1;
        self.note(Event::Rule { id, change: RuleChange::Activated });
    }

    pub(super) fn retire(&mut self, index: usize, why: Retirement) {
        if let Some(id) = self.rules.remove(index) {
            self.retired(id, why);
        }
    }

    pub(super) fn retired(&mut self, id: RuleId, why: Retirement) {
        self.stats.rules.retired[why as usize] += 1;
        self.note(Event::Rule { id, change: RuleChange::Retired(why) });
    }

    /// May this rule be as it is, with the addresses and routes that there are now?
    pub(super) fn validate(&self, rule: &super::RuleSpec) -> Result<(), RuleRefusal> {
        let class = &rule.matches.class;
        if !super::action::may_have_rules(class.reason) {
            return Err(RuleRefusal::ReasonWithoutRules);
        }
        if self.config.mode(class.reason) != Mode::Enforce {
            return Err(RuleRefusal::NotEnforced);
        }
        self.validate_match(&rule.matches)?;
        match rule.content.action.kind() {
            Some(kind) if !granted(class.reason, self.config.posture).contains(&kind) => {
                return Err(RuleRefusal::NotGranted);
            }
            Some(_) => {}
            None if !super::action::may_be_answered(class.reason) => return Err(RuleRefusal::NotGranted),
            None => {}
        }
        self.validate_subject(class.port, &rule.matches.subject)
    }

    /// Is the rule as it should be after addresses, routes or configuration changed?
    pub(super) fn revalidate(&mut self, index: usize) -> bool {
        let epoch = self.epoch;
        let Some(hot) = self.rules.hot(index) else { return false };
        if hot.epoch == epoch {
            return true;
        }
        let sound = self.rules.spec(index).is_some_and(|spec| self.validate(spec).is_ok());
        if sound {
            self.rules.checked(index, epoch);
        } else {
            self.retire(index, Retirement::Invalidated);
        }
        sound
    }
}

//! What the owner of the router can do with its rules: look at them, install, pin, revoke and flush.

use super::{
    MAX_LIFETIME, Match, Reply, Retirement, Rule, RuleAction, RuleId, RuleOrigin, RuleRefusal, RuleSpec,
    RuleState, Subject,
};
use crate::Router;
use crate::config::PortId;
use crate::divert::{ClassKey, Direction, Field};
use core::ops::Range;
use smoltcp::time::Instant;

/// The largest code point (RFC 2474 §3).
const MAX_DSCP: u8 = 63;

impl Router<'_> {
    /// Every rule, in no order.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        self.rules_at(0..self.rules.places())
    }

    /// The rules in some of the table's places, for whoever must not look at all of them at once; there are as many places as
    /// [`Router::rule_occupancy`] says.
    pub fn rules_at(&self, places: Range<usize>) -> impl Iterator<Item = Rule> {
        places.filter_map(|place| self.rules.view(place))
    }

    /// How many of the rules in some of the table's places are in shadow, and how many are active. Cheaper than to look at them.
    pub fn rule_states_at(&self, places: Range<usize>) -> (usize, usize) {
        let states = places.filter_map(|place| self.rules.hot(place)).map(|hot| hot.state);
        states.fold((0, 0), |(shadow, active), state| match state {
            RuleState::Shadow => (shadow + 1, active),
            RuleState::Active => (shadow, active + 1),
        })
    }

    /// The rule with this id.
    pub fn rule(&self, id: RuleId) -> Option<Rule> {
        self.rule_index(id).and_then(|index| self.rules.view(index))
    }

    /// How many rules there are, and how many there may be.
    pub fn rule_occupancy(&self) -> (usize, usize) {
        (self.rules.len(), self.rules.places())
    }

    /// Installs a rule. The operator's acts at once; one that models once agreed on counts first what it would do, like any other.
    ///
    /// # Errors
    /// Why there may be no such rule; counted.
    pub fn install_rule(&mut self, now: Instant, spec: RuleSpec) -> Result<RuleId, RuleRefusal> {
        let checked = check_values(&spec);
        if let Err(refusal) = checked {
            self.stats.rules.refused[refusal as usize] += 1;
            return Err(refusal);
        }
        let state = match spec.origin {
            RuleOrigin::Operator => RuleState::Active,
            RuleOrigin::Model(_) => RuleState::Shadow,
        };
        self.install_checked(now, spec, state)
    }

    /// Pins a rule, or unpins it: a pinned rule neither expires nor gives way. Says whether there is such a rule.
    pub fn pin_rule(&mut self, id: RuleId, pinned: bool) -> bool {
        let Some(index) = self.rule_index(id) else { return false };
        self.rules.pin(index, pinned);
        true
    }

    /// Revokes a rule, and has none made again of what was said about its class, until the rules are flushed. Says whether there
    /// was one.
    pub fn revoke_rule(&mut self, id: RuleId) -> bool {
        let Some(index) = self.rule_index(id) else { return false };
        if let Some(class) = self.rules.spec(index).map(|spec| spec.matches.class.words()) {
            self.rules.candidates.bar(class.digest());
        }
        self.retire(index, Retirement::Revoked);
        true
    }

    /// Flushes all rules that are not pinned, and all that was being learnt; how many rules went.
    pub fn flush_rules(&mut self) -> usize {
        self.flush(|_| true)
    }

    /// The same for rules of which this is true.
    pub(super) fn flush(&mut self, which: impl Fn(&RuleSpec) -> bool) -> usize {
        let mut flushed = 0;
        for index in 0..self.rules.places() {
            if self.rules.spec(index).is_some_and(|spec| !spec.pinned && which(spec)) {
                self.retire(index, Retirement::Flushed);
                flushed += 1;
            }
        }
        self.rules.candidates.clear();
        flushed
    }

    fn rule_index(&self, id: RuleId) -> Option<usize> {
        (0..self.rules.places()).find(|&index| self.rules.id(index) == Some(id))
    }

    /// Is this match one that the router itself could derive?
    pub(super) fn validate_match(&self, matches: &Match) -> Result<(), RuleRefusal> {
        let class = &matches.class;
        let consulted = ClassKey::consulted(class.reason);
        let fields = class.fields.iter().map(|known| known.field);
        let known_port = class.port.index() < self.config.ports.len();
        if !known_port || class.posture != self.config.posture || !fields.eq(consulted.iter().copied()) {
            return Err(RuleRefusal::BadMatch);
        }
        // What a tag or envelope holds is healthy, one of the anomalies, or no IP.
        let inner = class.field(Field::Inner).unwrap_or(0);
        if inner > crate::Anomaly::COUNT as u16 && inner != 255 || !matches.subject.is_derived() {
            return Err(RuleRefusal::BadMatch);
        }
        Ok(())
    }

    /// A rule about one source or flow must not be about a gateway or the router itself.
    pub(super) fn validate_subject(&self, port: PortId, subject: &Subject) -> Result<(), RuleRefusal> {
        let source = match subject {
            Subject::Class => return Ok(()),
            Subject::Source(station) => station,
            Subject::Flow(flow) => &flow.from,
        };
        if self.is_own(source) || self.is_gateway(port, source) {
            return Err(RuleRefusal::ProtectedSource);
        }
        Ok(())
    }
}

/// What can be said of a rule without looking at the router.
fn check_values(spec: &RuleSpec) -> Result<(), RuleRefusal> {
    let RuleSpec { matches, content, lifetime, pinned, origin, .. } = spec;
    if *lifetime > MAX_LIFETIME || !pinned && lifetime.total_micros() == 0 {
        return Err(RuleRefusal::BadLifetime);
    }
    if content.meter.is_some_and(|rate| rate.per_second == 0 || rate.burst == 0) {
        return Err(RuleRefusal::BadValue);
    }
    let is_operators = *origin == RuleOrigin::Operator;
    match &content.action {
        RuleAction::Drop | RuleAction::Reply(Reply::Timestamp | Reply::ParameterProblem) => {}
        RuleAction::Forward(edits) | RuleAction::Deliver(edits) => {
            let transit = matches!(content.action, RuleAction::Forward(_));
            if transit != (matches.class.direction == Direction::Transit) {
                return Err(RuleRefusal::BadMatch);
            }
            if edits.dscp.is_some_and(|dscp| dscp > MAX_DSCP) {
                return Err(RuleRefusal::BadValue);
            }
            if edits.dscp.is_some() && !is_operators {
                return Err(RuleRefusal::OperatorOnly);
            }
        }
        RuleAction::Reply(Reply::Template(_)) if !is_operators => return Err(RuleRefusal::OperatorOnly),
        // Two routers that answer each other would never stop: the meter is what bounds them.
        RuleAction::Reply(Reply::Template(_)) if content.meter.is_none() => {
            return Err(RuleRefusal::BadValue);
        }
        RuleAction::Reply(Reply::Template(_)) => {}
    }
    Ok(())
}

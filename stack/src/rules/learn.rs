//! How answers become rules: each approved answer is heard, and when enough agree, the host derives a rule from the frame.

use super::action::may_have_rules;
use super::candidate::Statement;
use super::{
    Content, LEARNT_PRIORITY, Match, Retirement, RuleAction, RuleChange, RuleOrigin, RuleRefusal, RuleSpec,
    RuleState, Witness,
};
use crate::Router;
use crate::answer::{ActionKind, Advice, Source};
use crate::divert::{ClassKey, Held};
use crate::event::Event;
use smoltcp::time::Instant;

/// What an applied answer said, beside what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Testimony {
    pub(crate) source: Source,
    pub(crate) advice: Option<Advice>,
    pub(crate) witness: Witness,
}

impl Router<'_> {
    /// Takes in an answer that was approved for a held frame, and is being applied.
    pub(crate) fn learn(
        &mut self,
        now: Instant,
        held: Held,
        frame: &[u8],
        kind: ActionKind,
        testimony: Testimony,
    ) {
        let concordance = self.config.rules.concordance;
        // A host outside has no rules: they are about what a router does with a frame.
        if self.rules.places() == 0 || self.outside_host.is_some() || !may_have_rules(held.reason) {
            return;
        }
        let (posture, config) = (self.config.posture, &self.config.ports[held.port.index()]);
        let class = ClassKey::of(held.reason, held.port, frame, posture, config, &self.locals);
        if self.contradicts(now, &class, frame, kind, testimony.source) || concordance == 0 {
            return;
        }
        let digest = class.words().digest();
        if testimony.source == Source::Model
            && let Some(advice) = testimony.advice
        {
            let said = Statement {
                kind,
                advice,
                witness: testimony.witness,
                frame: self.rules.frame_hash(frame),
                received_at: held.received_at,
            };
            let heard = self.rules.candidates.hear(now, digest, concordance, &said);
            let stats = &mut self.stats.rules;
            stats.proposed += u64::from(heard.proposed);
            stats.forgotten += u64::from(heard.forgot);
            stats.disagreed += u64::from(heard.contradicted);
            stats.concordant += u64::from(heard.concordant);
        }
        let Some(agreed) = self.rules.candidates.agreed(now, digest) else { return };
        let Some(action) = RuleAction::learnt(kind, class.direction).filter(|_| agreed.kind == kind) else {
            return;
        };
        let Some(matches) = Match::of(class, agreed.scope, frame) else { return };
        if self.rules.find_match(&matches).is_some_and(|index| self.rules.lapsed(index, now).is_none()) {
            return;
        }
        let spec = RuleSpec {
            matches,
            content: Content {
                priority: LEARNT_PRIORITY,
                action,
                meter: None,
                sample_one_in: self.config.rules.sample_one_in,
            },
            idle: self.config.rules.idle,
            lifetime: agreed.lifetime,
            pinned: false,
            origin: RuleOrigin::Model(agreed.provenance),
        };
        let _ = self.install_checked(now, spec, RuleState::Shadow);
    }

    /// Compares an answer with what the rule for this frame says: a rule that the slow path contradicts goes.
    fn contradicts(
        &mut self,
        now: Instant,
        class: &ClassKey,
        frame: &[u8],
        kind: ActionKind,
        source: Source,
    ) -> bool {
        let found = self.rules.look_up(now, class.reason, class.words(), frame);
        let Some(index) = found.shadow.or(found.active) else { return false };
        let Some(spec) = self.rules.spec(index) else { return false };
        let stays = spec.pinned || spec.origin == RuleOrigin::Operator;
        if spec.content.action.kind() == Some(kind) {
            // The cache only says again what made the rule.
            self.rules.tally(index, |tally| tally.agreed += u64::from(source == Source::Model));
            return false;
        }
        if stays {
            // A model may not take back what the operator said.
            return true;
        }
        self.retire(index, Retirement::Contradicted);
        self.stats.rules.disagreed += u64::from(self.rules.candidates.dispute(class.words().digest()));
        true
    }

    /// Installs a rule if it may be as it is. Every refusal is counted.
    pub(super) fn install_checked(
        &mut self,
        now: Instant,
        spec: RuleSpec,
        state: RuleState,
    ) -> Result<super::RuleId, RuleRefusal> {
        let installed = self.validate(&spec).and_then(|()| {
            if state == RuleState::Shadow && self.rules.rests(now) {
                return Err(RuleRefusal::Thrashing);
            }
            self.rules.install(now, spec, state, (self.epoch, &self.config.rules))
        });
        let installed = installed.inspect_err(|&refusal| self.stats.rules.refused[refusal as usize] += 1)?;
        if let Some((old, why)) = installed.instead_of {
            self.retired(old, why);
        }
        self.stats.rules.installed += 1;
        let id = installed.id;
        self.note(Event::Rule { id, change: RuleChange::Shadowed });
        if state == RuleState::Active {
            self.activated(id);
        }
        if self.rules.is_thrashing() {
            // What the operator said has nothing to do with it.
            self.flush(|spec| spec.origin != RuleOrigin::Operator);
            self.rules.rest(now);
        }
        Ok(id)
    }
}

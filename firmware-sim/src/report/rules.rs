//! What rules did in a run: how many there are, what they carried, and how long each took from its class's first frame.

use super::{Micros, named};
use crate::event_loop::EventLoop;
use serde::Serialize;
use stack::rules::{Retirement, Rule, RuleOrigin, RuleRefusal, RuleState};
use stack::stats::Path;
use std::collections::BTreeMap;
use std::fmt;

/// Rules that are listed.
const LISTED: usize = 12;

/// The rules of a run.
#[derive(Debug, Clone, Serialize)]
pub struct RulesLine {
    /// Active at the end.
    pub active: usize,
    /// In shadow at the end.
    pub shadow: usize,
    /// Installed over the whole run.
    pub installed: u64,
    /// Began to act.
    pub activated: u64,
    /// Classes about which answers began to be compared.
    pub proposed: u64,
    /// Classes about which enough answers agreed.
    pub concordant: u64,
    /// Answers that contradicted those before about their class.
    pub disagreed: u64,
    /// Rules that went, by why.
    pub retired: BTreeMap<&'static str, u64>,
    /// Rules that were not made, by why.
    pub refused: BTreeMap<&'static str, u64>,
    /// Frames that rules carried: without them each would have been a question to the slow path.
    pub carried: u64,
    /// Frames that a rule in shadow matched.
    pub shadowed: u64,
    /// Frames that a rule matched and did not fit.
    pub misfits: u64,
    /// From the first frame of a class to its first active rule, in microseconds, over the classes whose first rule is still there.
    pub first_frame_to_active_us: Micros,
    /// From the last answer that was needed to the active rule, in microseconds; for a class's first rule.
    pub agreed_to_active_us: Micros,
    /// Those that carried most.
    pub most: Vec<RuleLine>,
}

/// One of them.
#[derive(Debug, Clone, Serialize)]
pub struct RuleLine {
    /// Its id.
    pub id: u32,
    /// Shadow or active.
    pub state: &'static str,
    /// Why its frames would be diverted.
    pub reason: &'static str,
    /// Which frames of the class.
    pub scope: &'static str,
    /// What is done.
    pub action: &'static str,
    /// Frames.
    pub hits: u64,
}

impl RulesLine {
    /// Draws them up.
    pub fn new(owner: &EventLoop) -> Self {
        let router = owner.router();
        let stats = router.stats();
        let count = &stats.rules;
        let mut rules: Vec<Rule> = router.rules().collect();
        rules.sort_unstable_by_key(|rule| (std::cmp::Reverse(rule.tally.hits), rule.id));
        let states = |state| rules.iter().filter(|rule| rule.state == state).count();
        let (mut first, mut agreed) = (BTreeMap::new(), BTreeMap::new());
        for rule in &rules {
            let (Some(active_at), RuleOrigin::Model(from)) = (rule.active_at, &rule.spec.origin) else {
                continue;
            };
            // A later rule of the class was made for a frame that came later.
            if rule.installed_at != from.concordant_at {
                continue;
            }
            let class = format!("{:?}", rule.spec.matches.class);
            let micros = |since: smoltcp::time::Instant| (active_at - since).total_micros();
            let keep = |times: &mut BTreeMap<String, u64>, class: &str, took: u64| {
                let best = times.entry(class.to_owned()).or_insert(took);
                *best = took.min(*best);
            };
            keep(&mut first, &class, micros(from.first_seen));
            keep(&mut agreed, &class, micros(from.concordant_at));
        }
        Self {
            active: states(RuleState::Active),
            shadow: states(RuleState::Shadow),
            installed: count.installed,
            activated: count.activated,
            proposed: count.proposed,
            concordant: count.concordant,
            disagreed: count.disagreed,
            retired: named(Retirement::ALL.iter().map(|r| (r.name(), count.retired[*r as usize]))),
            refused: named(RuleRefusal::ALL.iter().map(|r| (r.name(), count.refused[*r as usize]))),
            carried: stats.by_path(Path::Rule).frames,
            shadowed: count.shadowed,
            misfits: count.misfits,
            first_frame_to_active_us: quantiles(first),
            agreed_to_active_us: quantiles(agreed),
            most: rules.iter().take(LISTED).map(line).collect(),
        }
    }
}

fn line(rule: &Rule) -> RuleLine {
    let matches = &rule.spec.matches;
    RuleLine {
        id: rule.id.0,
        state: rule.state.name(),
        reason: matches.class.reason.name(),
        scope: matches.subject.scope().name(),
        action: rule.spec.content.action.kind().map_or("reply", |kind| kind.name()),
        hits: rule.tally.hits,
    }
}

fn quantiles(times: BTreeMap<String, u64>) -> Micros {
    let mut times: Vec<u64> = times.into_values().collect();
    times.sort_unstable();
    let at = |quantile: f64| {
        times
            .get((times.len().saturating_sub(1) as f64 * quantile).round() as usize)
            .map_or(0.0, |&us| us as f64)
    };
    Micros { count: times.len() as u64, p50: at(0.5), p99: at(0.99), max: at(1.0) }
}

impl fmt::Display for RulesLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |counts: &BTreeMap<&str, u64>| {
            let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
        };
        let Self { active, shadow, installed, proposed, concordant, disagreed, carried, .. } = self;
        writeln!(
            f,
            "\nRules: {active} active, {shadow} in shadow; {carried} frames were carried by a rule, not asked about"
        )?;
        writeln!(
            f,
            "  classes compared {proposed}, agreed {concordant}, contradictions {disagreed}; rules made {installed}, gone: {}",
            list(&self.retired)
        )?;
        writeln!(
            f,
            "  not made: {}; matched in shadow {}, misfits {}",
            list(&self.refused),
            self.shadowed,
            self.misfits
        )?;
        for (name, micros) in [
            ("first frame of a class to active rule", &self.first_frame_to_active_us),
            ("last answer needed to active rule", &self.agreed_to_active_us),
        ] {
            let millis = |us: f64| format!("{:.1} ms", us / 1e3);
            let (p50, max) = (millis(micros.p50), millis(micros.max));
            writeln!(f, "  {name:<40} {} classes, p50 {p50}, max {max}", micros.count)?;
        }
        if self.most.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "  {:>5} {:<8}{:<28}{:<8}{:<16}{:>10}",
            "rule", "state", "reason", "scope", "action", "frames"
        )?;
        for RuleLine { id, state, reason, scope, action, hits } in &self.most {
            writeln!(f, "  {id:>5} {state:<8}{reason:<28}{scope:<8}{action:<16}{hits:>10}")?;
        }
        Ok(())
    }
}

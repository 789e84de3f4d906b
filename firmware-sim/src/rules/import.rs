//! `softrouter rules import` on the control socket: a document's rules are installed, and each is accounted for.

use super::control::{Shared, wish};
use super::desk::{Outcome, Wish};
use super::document::{self, Document, Refused};
use super::request::{Answer, Imported};
use super::seconds::{Seconds, Times};
use stack::rules::RuleSpec;
use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

/// Rules of a document that are installed in one turn of the owner loop.
const AT_ONCE: usize = 64;

/// Installs a document's rules: none, if any of them is no rule; then each that the router takes and has not already.
pub(super) fn import(text: &str, shared: &Shared) -> Result<Answer, String> {
    let times = Times::at(shared.clock.now());
    let read = document::read(text, &mut shared.names.lock().unwrap_or_else(PoisonError::into_inner), &times);
    let Document { rules, expired, refused } = read.map_err(|error| error.to_string())?;
    let mut imported = Imported { expired, refused, ..Imported::default() };
    if imported.refused.is_empty() {
        let mut not_taken = Vec::new();
        let mut rest = rules.into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<_> = rest.by_ref().take(AT_ONCE).collect();
            let mut specs: BTreeMap<_, _> =
                some.iter().map(|rule| (rule.number, rule.spec.clone())).collect();
            if let Outcome::Installed(installed, refused) = wish(shared, Wish::Install(some))? {
                imported.installed.extend(installed.iter().map(|id| id.0));
                not_taken.extend(refused.into_iter().map(|refused| (specs.remove(&refused.rule), refused)));
            }
        }
        (imported.there_already, imported.refused) = tell_apart(not_taken, shared);
    }
    let ok = imported.refused.is_empty();
    Ok(Answer { ok, imported: Some(imported), ..Answer::done(Seconds::since_1970()) })
}

/// Of rules that the router did not take: the numbers of those that it has already, and the others.
fn tell_apart(not_taken: Vec<(Option<RuleSpec>, Refused)>, shared: &Shared) -> (Vec<usize>, Vec<Refused>) {
    let copies = if not_taken.is_empty() { None } else { wish(shared, Wish::List).ok() };
    let rules = match &copies {
        Some(Outcome::Rules(copies)) => &copies.rules[..],
        // It installed the others, and that is worth telling: these it did refuse.
        _ => &[],
    };
    let present: HashMap<_, _> = rules.iter().map(|(rule, _)| (&rule.spec.matches, &rule.spec)).collect();
    let is_there = |spec: &RuleSpec| {
        // A pin that the other has not is something to do yet.
        present.get(&spec.matches).is_some_and(|old| old.content == spec.content && old.pinned >= spec.pinned)
    };
    let (mut there, mut others) = (Vec::new(), Vec::new());
    for (spec, refused) in not_taken {
        if spec.as_ref().is_some_and(is_there) {
            there.push(refused.rule);
        } else {
            others.push(refused);
        }
    }
    (there, others)
}

//! Which rule has just acted: of those that the run has made, the one whose hits have grown.

use stack::rules::RuleChange;
use stack::{Router, RuleId};
use std::collections::VecDeque;

/// Rules that are asked, those first that acted last: beyond them a frame's comment does not name its rule.
const ASKED: usize = 1024;

/// A rule as it was when it acted last.
#[derive(Debug)]
struct Seen {
    id: RuleId,
    /// Where the router has it: a rule never moves. `None`: nobody has looked yet.
    place: Option<usize>,
    hits: u64,
}

/// The run's rules.
#[derive(Debug, Default)]
pub(super) struct Acting(VecDeque<Seen>);

impl Acting {
    /// A rule was made, acts, or went.
    pub(super) fn changed(&mut self, id: RuleId, change: RuleChange) {
        match change {
            RuleChange::Shadowed => self.0.push_front(Seen { id, place: None, hits: 0 }),
            RuleChange::Activated => {}
            RuleChange::Retired(_) => self.0.retain(|seen| seen.id != id),
        }
    }

    /// The rule that has acted since the last call, if one has.
    pub(super) fn find(&mut self, router: &Router<'_>) -> Option<RuleId> {
        let mut asked = self.0.iter_mut().take(ASKED).enumerate();
        let (at, hits) = asked.find_map(|(at, seen)| {
            let mut places = seen.place.map_or(0..router.rule_occupancy().1, |place| place..place + 1);
            let at_place = |place| router.rules_at(place..place + 1).find(|rule| rule.id == seen.id);
            let (place, rule) = places.find_map(|place| Some((place, at_place(place)?)))?;
            seen.place = Some(place);
            (rule.tally.hits != seen.hits).then_some((at, rule.tally.hits))
        })?;
        let mut seen = self.0.remove(at)?;
        seen.hits = hits;
        let id = seen.id;
        self.0.push_front(seen);
        Some(id)
    }
}

//! A replay that waits for the slow path: no frame is refused since the tape runs faster than any wire would.

use super::stamp::Stamp;
use crate::watch::Watch;
use stack::{Config, DivertId, Event};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// Holds the tape while the slow path has a frame, and until the token bucket of a reason has what that took.
pub(super) struct Patience {
    stamp: Arc<Stamp>,
    under_way: HashSet<DivertId>,
    /// How long a port's bucket needs for one token.
    token: Duration,
}

impl Patience {
    pub(super) fn new(config: &Config, stamp: Arc<Stamp>) -> Self {
        let (ports, rate) = (config.ports.len() as f64, config.limits.divert_rate.per_second.max(1));
        let token = Duration::from_secs_f64(ports / f64::from(rate));
        Self { stamp, under_way: HashSet::new(), token }
    }
}

impl Watch for Patience {
    fn event(&mut self, event: &Event) {
        match *event {
            Event::Diverted { id, .. } => {
                self.under_way.insert(id);
                self.stamp.not_before(self.stamp.elapsed() + self.token);
            }
            // Each divert ends in one of these by its deadline.
            Event::Applied { id, .. } | Event::Rejected { id, .. } | Event::Unanswered { id, .. } => {
                self.under_way.remove(&id);
            }
            Event::Refused { .. } | Event::Approved { .. } | Event::Rule { .. } => return,
        }
        self.stamp.hold(self.under_way.len());
    }
}

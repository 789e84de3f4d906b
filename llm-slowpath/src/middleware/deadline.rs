//! A request's deadline: after it nobody is asked, and no answer is believed.

use std::time::{Duration, Instant};

/// An instant, or one so far away that the clock cannot express it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// So long after `now`.
    pub fn after(now: Instant, budget: Duration) -> Self {
        Self(now.checked_add(budget))
    }

    /// Is it over?
    pub fn has_passed(self, now: Instant) -> bool {
        self.0.is_some_and(|at| now >= at)
    }

    /// The instant, if the clock can express it.
    pub const fn at(self) -> Option<Instant> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_passes_at_its_instant_or_never() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let deadline = Deadline::after(now, second);
        assert!(!deadline.has_passed(now) && deadline.has_passed(now + second));
        assert!(Deadline::after(now, Duration::ZERO).has_passed(now));
        let never = Deadline::after(now, Duration::MAX);
        assert!(!never.has_passed(now + second) && never.at().is_none());
    }
}

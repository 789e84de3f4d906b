//! Has the router dealt with all that it was given, once nothing more is to come?

use super::EventLoop;
use std::time::{Duration, Instant};

/// Waits for held frames, and not for ever.
#[derive(Debug)]
pub struct Settling {
    patience: Duration,
    since: Option<Instant>,
}

impl Settling {
    /// Held frames get their deadline, and so much beyond it.
    pub fn new(owner: &EventLoop, beyond: Duration) -> Self {
        let deadline = owner.router().config().limits.divert_deadline;
        Self { patience: beyond + Duration::from_micros(deadline.total_micros()), since: None }
    }

    /// Is nothing held any more, or has it been waited for long enough since the first call?
    pub fn is_over(&mut self, owner: &EventLoop) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        let settled = owner.router().is_settled() && owner.router().divert_occupancy() == (0, 0);
        settled || since.elapsed() > self.patience
    }
}

//! The one place that reads a clock for the router: monotonic, from the start of the run.

use smoltcp::time::Instant;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds in a day.
const DAY_MS: u128 = 86_400_000;

/// Time since the start of the run, as the router takes it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: std::time::Instant,
}

impl Clock {
    /// Starts at zero.
    pub fn start() -> Self {
        Self { start: std::time::Instant::now() }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        Instant::from_micros(i64::try_from(self.start.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// How long from `now` until `then`; nothing if that is past.
    pub fn until(now: Instant, then: Instant) -> Duration {
        Duration::from_micros(then.total_micros().saturating_sub(now.total_micros()).max(0).unsigned_abs())
    }

    /// Milliseconds since midnight UTC at the start of the run, if the system clock is set.
    pub fn midnight_offset_ms(&self) -> Option<u32> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let at_start = now.checked_sub(self.start.elapsed())?;
        Some((at_start.as_millis() % DAY_MS) as u32)
    }

    /// A number that differs from run to run, to key nonces with.
    pub fn secret() -> u64 {
        // `RandomState` is seeded by the operating system.
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(std::process::id())
    }
}

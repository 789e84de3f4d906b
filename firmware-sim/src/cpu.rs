//! The processor's time, beside the time of day, so to speak.

use nix::time::ClockId;
use std::time::{Duration, Instant};

/// What three clocks say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) wall: Instant,
    /// The processor's time for the thread that reads it.
    pub(crate) thread: Duration,
    /// For the whole process.
    pub(crate) process: Duration,
}

impl Clocks {
    pub(crate) fn read() -> Self {
        // Linux has had these clocks since 2.6.12.
        let read = |clock: ClockId| clock.now().map_or(Duration::ZERO, Into::into);
        Self {
            wall: Instant::now(),
            thread: read(ClockId::CLOCK_THREAD_CPUTIME_ID),
            process: read(ClockId::CLOCK_PROCESS_CPUTIME_ID),
        }
    }
}

//! When something happened, for logs: by the wall clock, or by the clock of the capture that is played.

use smoltcp::time::Instant;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time, and the packet that is played then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since 1970.
    pub time: Duration,
    /// The capture's file, by its place among the names, and the packet's number in it.
    pub packet: Option<(u32, u64)>,
}

/// The moment at which the router's clock shows so much.
pub type Moments = Box<dyn Fn(Instant) -> Moment + Send>;

/// Moments of the wall clock, for a router whose clock shows `now` just now.
pub fn wall_clock(now: Instant) -> Moments {
    let shown = Duration::from_micros(now.total_micros().max(0).unsigned_abs());
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(shown);
    Box::new(move |now| {
        let passed = Duration::from_micros(now.total_micros().max(0).unsigned_abs());
        Moment { time: start + passed, packet: None }
    })
}

/// A time since 1970 as RFC 3339 has it, in UTC: with microseconds, or without.
pub(super) fn utc(time: Duration, micros: bool) -> impl fmt::Display {
    // Nanoseconds in 64 bits end in 2554, and the format in 9999.
    let at = UNIX_EPOCH + time.min(Duration::from_nanos(u64::MAX));
    if micros { humantime::format_rfc3339_micros(at) } else { humantime::format_rfc3339_seconds(at) }
}

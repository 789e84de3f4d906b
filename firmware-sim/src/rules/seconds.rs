//! Time in a rule's form: seconds as a number, exact to the microsecond until 2038.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smoltcp::time::{Duration, Instant};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const MICROS: i64 = 1_000_000;
/// 126 years: a double still tells its microseconds apart.
const MOST: f64 = 4e9;

/// A length of time, or a time since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Seconds(i64);

impl Seconds {
    /// That long.
    pub const fn of(duration: Duration) -> Self {
        Self(duration.total_micros() as i64)
    }

    /// So many microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// As microseconds.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The time since 1970 by the system's clock; 0 if it is not set.
    pub fn since_1970() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_micros()).unwrap_or(0))
    }

    /// As a length of time, if it is one.
    pub fn duration(self) -> Option<Duration> {
        u64::try_from(self.0).ok().map(Duration::from_micros)
    }

    /// How much later this is, at least nothing.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0).max(0))
    }
}

impl fmt::Display for Seconds {
    /// As people say it: the two largest units.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / MICROS;
        match seconds {
            i64::MIN..10 => write!(f, "{}.{} s", seconds.max(0), (self.0 % MICROS).max(0) / 100_000),
            10..60 => write!(f, "{seconds} s"),
            60..3_600 => write!(f, "{} min {} s", seconds / 60, seconds % 60),
            3_600..86_400 => write!(f, "{} h {} min", seconds / 3_600, seconds / 60 % 60),
            86_400.. => write!(f, "{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
        }
    }
}

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 % MICROS == 0 {
            return serializer.serialize_i64(self.0 / MICROS);
        }
        serializer.serialize_f64(self.0 as f64 / MICROS as f64)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        if !(-MOST..=MOST).contains(&seconds) {
            return Err(D::Error::invalid_value(Unexpected::Float(seconds), &"a number of seconds"));
        }
        Ok(Self((seconds * MICROS as f64).round() as i64))
    }
}

/// When the run's clock said what: the run's time and the time since 1970, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The run's.
    pub now: Instant,
    /// The system's.
    pub unix: Seconds,
}

impl Times {
    /// The run's own time taken for the time since 1970.
    pub const OF_RUN: Self = Self { now: Instant::ZERO, unix: Seconds(0) };

    /// Now, which the run's clock says too.
    pub fn at(now: Instant) -> Self {
        Self { now, unix: Seconds::since_1970() }
    }

    /// The same two clocks at a later time; the system's anew if it has been set meanwhile.
    #[must_use]
    pub fn later(&self, now: Instant) -> Self {
        let (fresh, unix) = (Self::at(now), self.unix_of(now));
        let was_set = (fresh.unix.0 - unix.0).abs() > MICROS;
        if was_set { fresh } else { Self { now, unix } }
    }

    /// A time of the run as one since 1970.
    pub fn unix_of(&self, at: Instant) -> Seconds {
        Seconds(self.unix.0.saturating_add(at.total_micros().saturating_sub(self.now.total_micros())))
    }

    /// A time since 1970 as one of the run; before its start it is negative.
    pub fn run_of(&self, at: Seconds) -> Instant {
        Instant::from_micros(self.now.total_micros().saturating_add(at.0.saturating_sub(self.unix.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pktgen::dice::{Draw, rng_for};

    #[test]
    fn microseconds_survive_the_text() {
        let mut rng = rng_for(1, 0x7365_636f, 0);
        let corners =
            [0, 1, -1, 999_999, 1_000_000, 1_795_460_371_123_457, -3, 86_400_000_000, 1_999_999_999_999_999];
        let random = (0..100_000).map(|_| rng.below(2_000_000_000_000_000) as i64);
        for micros in corners.into_iter().chain(random) {
            let text = serde_json::to_string(&Seconds(micros)).unwrap();
            assert_eq!(serde_json::from_str::<Seconds>(&text).unwrap(), Seconds(micros), "{text}");
        }
        for wrong in ["1e300", "-1e10", "\"5\"", "null"] {
            assert!(serde_json::from_str::<Seconds>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lengths_are_said_in_two_units() {
        let said = [0, 1_500_000, 59_000_000, 61_000_000, 7_260_000_000, 90_000_000_000]
            .map(|us| Seconds(us).to_string());
        assert_eq!(said, ["0.0 s", "1.5 s", "59 s", "1 min 1 s", "2 h 1 min", "1 d 1 h"]);
    }

    #[test]
    fn times_go_both_ways() {
        let times = Times { now: Instant::from_secs(10), unix: Seconds(1_000 * MICROS) };
        let before = times.run_of(Seconds(900 * MICROS));
        assert_eq!(before, Instant::from_secs(-90));
        assert_eq!(times.unix_of(before), Seconds(900 * MICROS));
    }
}

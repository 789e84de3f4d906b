//! When each frame is due: at once, at the times of the capture, or at a given rate.

use std::time::Duration;

/// How fast a capture is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// One frame after the other.
    Full,
    /// As captured, so many times as fast; a pause in the capture is at most so long.
    Captured {
        /// 2: in half the time.
        speed: f64,
        /// The longest pause of the capture that is kept, before it is scaled.
        longest_gap: Option<Duration>,
    },
    /// So many frames a second, evenly.
    Rate(f64),
}

/// The schedule of one run.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    pace: Pace,
    /// Frames scheduled.
    count: u64,
    /// When the last one is due, from the start.
    at: Duration,
    /// Of the last one: its file and when it was captured.
    last: Option<(u32, Duration)>,
}

impl Schedule {
    pub(super) const fn new(pace: Pace) -> Self {
        Self { pace, count: 0, at: Duration::ZERO, last: None }
    }

    /// When the next frame is due, from the start: one of this file, captured then. `None`: at once.
    ///
    /// Each file begins when the one before it has ended: their clocks may be years apart. Within a file, time does not go
    /// backwards.
    pub(super) fn next(&mut self, file: u32, captured: Duration) -> Option<Duration> {
        match self.pace {
            Pace::Full => return None,
            Pace::Rate(rate) => {
                self.at = Duration::try_from_secs_f64(self.count as f64 / rate).unwrap_or(Duration::MAX);
            }
            Pace::Captured { speed, longest_gap } => {
                let before = self.last.filter(|last| last.0 == file).map_or(captured, |last| last.1);
                let gap = captured.saturating_sub(before);
                let gap = longest_gap.map_or(gap, |longest| gap.min(longest));
                let scaled = Duration::try_from_secs_f64(gap.as_secs_f64() / speed).unwrap_or(Duration::MAX);
                self.at = self.at.saturating_add(scaled);
                self.last = Some((file, captured.max(before)));
            }
        }
        self.count += 1;
        Some(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(pace: Pace, frames: &[(u32, u64)]) -> Vec<Option<u64>> {
        let mut schedule = Schedule::new(pace);
        let millis = |due: Duration| due.as_millis() as u64;
        frames.iter().map(|&(file, at)| schedule.next(file, Duration::from_millis(at)).map(millis)).collect()
    }

    #[test]
    fn frames_are_due_as_the_pace_says() {
        let frames = [(0, 5_000), (0, 5_100), (0, 5_050), (0, 6_100), (1, 77), (1, 177)];
        assert_eq!(due(Pace::Full, &frames), [None; 6]);
        let captured = |speed, longest_gap| Pace::Captured { speed, longest_gap };
        let at = |times: [u64; 6]| times.map(Some).to_vec();
        // What is out of order is sent at once, and the second file follows the first.
        assert_eq!(due(captured(1.0, None), &frames), at([0, 100, 100, 1_100, 1_100, 1_200]));
        assert_eq!(due(captured(2.0, None), &frames), at([0, 50, 50, 550, 550, 600]));
        let short = Some(Duration::from_millis(100));
        assert_eq!(due(captured(1.0, short), &frames), at([0, 100, 100, 200, 200, 300]));
        assert_eq!(due(Pace::Rate(100.0), &frames), at([0, 10, 20, 30, 40, 50]));
    }
}

//! Tells on stderr how far a long exam has come.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nobody wants to be told about less.
const QUIET: Duration = Duration::from_secs(2);

/// How far one examinee has come.
pub(super) struct Progress {
    name: String,
    total: usize,
    asked: usize,
    right: usize,
    start: Instant,
    next: Instant,
    /// On a terminal, one line is written over and over.
    terminal: bool,
    told: bool,
}

impl Progress {
    pub(super) fn new(name: &str, total: usize) -> Self {
        let start = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Self {
            name: name.into(),
            total,
            asked: 0,
            right: 0,
            start,
            next: start + QUIET,
            terminal,
            told: false,
        }
    }

    /// One more question has been asked.
    pub(super) fn step(&mut self, right: bool) {
        self.asked += 1;
        self.right += usize::from(right);
        if Instant::now() >= self.next {
            self.next =
                Instant::now() + if self.terminal { Duration::from_secs(1) } else { Duration::from_secs(20) };
            self.tell();
        }
    }

    fn tell(&mut self) {
        let took = self.start.elapsed().as_secs_f64();
        let left = took / self.asked as f64 * (self.total - self.asked) as f64;
        let share = 100.0 * self.right as f64 / self.asked as f64;
        let (begin, end) = if self.terminal { ("\r", "\x1b[K") } else { ("", "\n") };
        // What cannot be told does no harm.
        let _ = write!(
            std::io::stderr(),
            "{begin}{}: {} of {} asked, {share:.2} % right, {left:.0} s to go{end}",
            self.name,
            self.asked,
            self.total
        );
        self.told = true;
    }

    /// Nothing more will be asked.
    pub(super) fn end(self) {
        if self.told && self.terminal {
            let _ = writeln!(std::io::stderr());
        }
    }
}

//! The progress line of a run, on standard error: often on a terminal, now and then elsewhere.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two lines.
const TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);

pub(crate) struct Progress {
    terminal: bool,
    shown: Instant,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), shown: Instant::now() }
    }

    /// Shows the line, if it is time to.
    pub(crate) fn show(&mut self, line: impl FnOnce() -> String) {
        if self.shown.elapsed() < if self.terminal { TERMINAL } else { ELSEWHERE } {
            return;
        }
        self.shown = Instant::now();
        self.tell(line());
    }

    /// Shows the line, whatever time it is.
    pub(crate) fn tell(&self, line: impl Display) {
        let (begin, end) = if self.terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        // Nobody who has closed it wants to read it.
        let _ = write!(io::stderr(), "{begin}{line}{end}");
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if self.terminal {
            self.tell("");
        }
    }
}

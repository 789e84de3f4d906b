//! The progress line of a run, on standard error: often on a terminal, now and then elsewhere.

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
        let line = line();
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            let _ = io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    /// Takes the line away.
    pub(crate) fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

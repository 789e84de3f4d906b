//! The progress line of a replay, on standard error: often on a terminal, now and then elsewhere.

use super::ReplayPlan;
use super::stamp::Stamp;
use super::tape::SharedTally;
use stack::Stats;
use stack::stats::Path;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Time between two lines.
const TERMINAL: Duration = Duration::from_millis(200);
const ELSEWHERE: Duration = Duration::from_secs(5);

pub(super) struct Progress {
    terminal: bool,
    shown: Instant,
    /// Bytes of all files, where they are read as they are played.
    size: Option<u64>,
    files: usize,
}

impl Progress {
    pub(super) fn new(plan: &ReplayPlan) -> Self {
        let size = || plan.files.iter().map(|path| Some(std::fs::metadata(path).ok()?.len())).sum();
        Self {
            terminal: io::stderr().is_terminal(),
            shown: Instant::now(),
            size: if plan.rounds.is_none() { size() } else { None },
            files: plan.files.len(),
        }
    }

    /// Shows the line, if it is time to.
    pub(super) fn show(&mut self, stamp: &Stamp, tally: &SharedTally, stats: &Stats) {
        if self.shown.elapsed() < if self.terminal { TERMINAL } else { ELSEWHERE } {
            return;
        }
        self.shown = Instant::now();
        let (frames, _) = stamp.count();
        let seconds = stamp.elapsed().as_secs_f64();
        let read = self.size.filter(|size| *size > 0).map_or(String::new(), |size| {
            format!("  {:.0} % of the files", 100.0 * tally.lock().bytes_read as f64 / size as f64)
        });
        let slow: u64 =
            Path::ALL.into_iter().filter(|path| path.is_slow()).map(|path| stats.by_path(path).frames).sum();
        let line = format!(
            "{seconds:6.1} s  {frames} frames  {:.0} frames/s  slow path {slow}  file {} of {}{read}",
            if seconds > 0.0 { frames as f64 / seconds } else { 0.0 },
            stamp.file() + 1,
            self.files
        );
        if self.terminal {
            eprint!("\r\x1b[K{line}");
            let _ = io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
    }
}

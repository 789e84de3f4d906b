//! How far a replay is, in a line.

use super::ReplayPlan;
use super::stamp::Stamp;
use super::tape::SharedTally;
use crate::progress::Progress;
use stack::Stats;
use stack::stats::Path;

pub(super) struct ReplayProgress {
    line: Progress,
    /// Bytes of all files, where they are read as they are played.
    size: Option<u64>,
    files: usize,
}

impl ReplayProgress {
    pub(super) fn new(plan: &ReplayPlan) -> Self {
        let size = || plan.files.iter().map(|path| Some(std::fs::metadata(path).ok()?.len())).sum();
        Self {
            line: Progress::new(),
            size: if plan.rounds.is_none() { size() } else { None },
            files: plan.files.len(),
        }
    }

    /// Shows the line, if it is time to.
    pub(super) fn show(&mut self, stamp: &Stamp, tally: &SharedTally, stats: &Stats) {
        let (size, files) = (self.size, self.files);
        self.line.show(|| {
            let (frames, _) = stamp.count();
            let seconds = stamp.elapsed().as_secs_f64();
            let read = size.filter(|size| *size > 0).map_or(String::new(), |size| {
                format!("  {:.0} % of the files", 100.0 * tally.lock().bytes_read as f64 / size as f64)
            });
            let slow = Path::ALL.into_iter().filter(|path| path.is_slow());
            let slow: u64 = slow.map(|path| stats.by_path(path).frames).sum();
            format!(
                "{seconds:6.1} s  {frames} frames  {:.0} frames/s  slow path {slow}  file {} of {files}{read}",
                if seconds > 0.0 { frames as f64 / seconds } else { 0.0 },
                stamp.file() + 1,
            )
        });
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        self.line.end();
    }
}

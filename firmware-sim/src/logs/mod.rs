//! Logs of anomalies in the forms that others read: Suricata's EVE JSON lines and Zeek's `weird.log`.
//!
//! Both say the same: a frame of this reason was seen here, then. Names are those of the anomaly table's columns, and our
//! own where there is none. A reason that comes often is sampled, as Zeek does it.

mod eve;
mod file;
mod limiter;
mod moment;
#[cfg(test)]
mod tests;
mod tuple;
mod weird;

pub use limiter::LogLimit;
pub use moment::{Moment, Moments, wall_clock};

use crate::watch::{Judged, Watch};
use file::{Format, LogFile};
use limiter::Limiter;
use serde::Serialize;
use stack::{Anomaly, Router, Verdict};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tuple::Tuple;

/// Which logs to write.
#[derive(Debug, Clone, Default)]
pub struct LogPlan {
    /// EVE-style JSON lines, which are added to.
    pub eve: Option<PathBuf>,
    /// A Zeek-style `weird.log`, which is added to.
    pub weird: Option<PathBuf>,
    /// How many of each reason.
    pub limit: LogLimit,
}

/// A log that cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("log {}: {source}\n  remedy: name a file in a folder that exists and that can be written to", path.display())]
pub struct LogError {
    path: PathBuf,
    source: io::Error,
}

/// What was logged, to be read while it is.
#[derive(Debug, Default)]
pub struct LogCounts {
    seen: AtomicU64,
    suppressed: AtomicU64,
    failed: AtomicBool,
}

/// What came of the logs.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Anomalies that each of them tells.
    pub written: u64,
    /// Anomalies that the limit held back.
    pub suppressed: u64,
    /// A log could not be written to its end.
    pub ended_early: bool,
}

/// What is told of one anomaly.
struct Record<'a> {
    moment: Moment,
    anomaly: Anomaly,
    port: &'a str,
    verdict: Verdict,
    tuple: Tuple,
    /// Anomalies of this reason held back since the last one that was told.
    suppressed: u64,
    /// The file of the capture, if one is played.
    file: Option<&'a str>,
}

/// The open logs.
pub struct AnomalyLogs {
    logs: Vec<LogFile>,
    limiter: Limiter,
    moments: Moments,
    /// Names of the ports, and of the files that a moment's packet may be of.
    ports: Vec<String>,
    files: Vec<String>,
    /// The books' counts of anomalies, as they were last.
    seen: [u64; Anomaly::COUNT],
    counts: Arc<LogCounts>,
}

impl LogPlan {
    /// Opens the logs; `None` if there are none. `ports` and `files` are the names of what the moments count.
    ///
    /// # Errors
    /// A file cannot be opened or written to.
    pub fn open(
        &self,
        ports: Vec<String>,
        files: Vec<String>,
        moments: Moments,
    ) -> Result<Option<AnomalyLogs>, LogError> {
        let named = [(&self.eve, Format::Eve), (&self.weird, Format::Weird)];
        let named = named.into_iter().filter_map(|(path, format)| Some((path.as_deref()?, format)));
        let open = |(path, format): (&Path, Format)| {
            LogFile::open(path, format).map_err(|source| LogError { path: path.to_owned(), source })
        };
        let logs = named.map(open).collect::<Result<Vec<_>, _>>()?;
        if logs.is_empty() {
            return Ok(None);
        }
        Ok(Some(AnomalyLogs {
            logs,
            limiter: Limiter::new(self.limit),
            moments,
            ports,
            files,
            seen: [0; Anomaly::COUNT],
            counts: Arc::default(),
        }))
    }

    /// What came of them.
    pub fn line(&self, counts: &LogCounts) -> LogLine {
        let suppressed = counts.suppressed.load(Ordering::Relaxed);
        LogLine {
            files: self.eve.iter().chain(&self.weird).cloned().collect(),
            written: counts.seen.load(Ordering::Relaxed) - suppressed,
            suppressed,
            ended_early: counts.failed.load(Ordering::Relaxed),
        }
    }
}

impl AnomalyLogs {
    /// Counts of what is logged.
    pub fn counts(&self) -> Arc<LogCounts> {
        Arc::clone(&self.counts)
    }

    fn log(&mut self, anomaly: Anomaly, judged: &Judged<'_>) {
        let moment = (self.moments)(judged.now);
        self.counts.seen.fetch_add(1, Ordering::Relaxed);
        let Some(suppressed) = self.limiter.permit(anomaly, moment.time) else {
            self.counts.suppressed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let record = Record {
            moment,
            anomaly,
            port: self.ports.get(judged.port.index()).map_or("-", String::as_str),
            verdict: judged.verdict,
            tuple: Tuple::of(judged.frame),
            suppressed,
            file: moment.packet.and_then(|(file, _)| self.files.get(file as usize)).map(String::as_str),
        };
        for log in &mut self.logs {
            log.write(&record, &self.counts);
        }
    }
}

impl Watch for AnomalyLogs {
    fn judged(&mut self, judged: &Judged<'_>, _router: &Router<'static>) {
        let seen = &judged.stats.seen;
        if *seen == self.seen {
            return;
        }
        for (at, &anomaly) in Anomaly::ALL.iter().enumerate() {
            // Once for each: a frame and the datagram that it completes may have the same fault.
            for _ in self.seen[at]..seen[at] {
                self.log(anomaly, judged);
            }
        }
        self.seen = *seen;
    }

    fn flush(&mut self) {
        for log in &mut self.logs {
            log.flush(&self.counts);
        }
    }
}

impl Drop for AnomalyLogs {
    fn drop(&mut self) {
        for log in &mut self.logs {
            log.end(&self.counts);
        }
    }
}

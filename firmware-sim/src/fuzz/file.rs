//! Frames of a stream into a file for another tool: each with a comment that says what it is.

use super::recipe::Recipe;
use super::{FuzzError, FuzzPlan, reason, stream};
use crate::commented::{CommentedFile, INBOUND, Packet};
use crate::progress::Progress;
use pktgen::stream::{FRAME_MAX, Made};
use pktgen::{Expected, Stream};
use serde::Serialize;
use stack::Anomaly;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Frames between two looks at whether all has ended.
const LOOK: u64 = 256;

/// What came of the file.
#[derive(Debug, Clone, Serialize)]
pub struct WriteReport {
    /// The file.
    pub file: PathBuf,
    /// How frames were made.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Ports with hosts.
    pub ports: u8,
    /// Frames in it.
    pub frames: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// The last frame's time.
    pub seconds: f64,
    /// Frames by what a router ought to see in them: the generator's word, or the oracle's where it has none.
    pub reasons: BTreeMap<&'static str, u64>,
    /// With `--until`: reasons that are in it less often than that.
    pub missing: Vec<&'static str>,
    /// Ended before its time.
    pub interrupted: bool,
    /// Is all in it that was asked for?
    pub success: bool,
}

/// What the comment of a frame says.
pub(super) fn comment(stream: &Stream, index: u64, made: &Made, frame: &[u8]) -> String {
    let said = if made.expected == Expected::Unknown { "oracle" } else { "generator" };
    format!("index={index}; expected={} ({said}); made={}", reason(stream, made, frame), made.origin)
}

/// Writes frames to the file until an end of the plan is reached, or `stop` is set.
///
/// # Errors
/// See [`FuzzError`].
pub fn write(plan: &FuzzPlan, file: &Path, stop: &AtomicBool) -> Result<WriteReport, FuzzError> {
    let output = |source| FuzzError::Output { path: file.to_owned(), source };
    let world = super::setup::world(plan.ports);
    let names = (0..world.ports.len()).map(|port| format!("port{port}"));
    let (stream, samples) = stream(plan, world, plan.ports)?;
    let recipe = Recipe::to_file(plan, file, samples);
    let mut to = CommentedFile::create(file, names, &recipe.again).map_err(output)?;
    let mut buffer = [0; FRAME_MAX];
    let mut report = WriteReport {
        file: file.to_owned(),
        recipe,
        ports: plan.ports,
        frames: 0,
        bytes: 0,
        seconds: 0.0,
        reasons: BTreeMap::new(),
        missing: Vec::new(),
        interrupted: false,
        success: false,
    };
    let (mut progress, began) = (Progress::new(), Instant::now());
    for index in 0..plan.frames.unwrap_or(u64::MAX) {
        let made = stream.frame(index, &mut buffer);
        if plan.seconds.is_some_and(|seconds| made.at.as_secs_f64() >= seconds) {
            break;
        }
        if index.is_multiple_of(LOOK) {
            report.interrupted = stop.load(Ordering::Relaxed);
            let enough = plan.until.is_some_and(|until| report.rarer_than(until).next().is_none());
            if report.interrupted || enough {
                break;
            }
            let rate = report.frames as f64 / began.elapsed().as_secs_f64().max(1e-9);
            progress.show(|| format!("{} frames written, {rate:.0} a second", report.frames));
        }
        let frame = &buffer[..made.len];
        let comment = comment(&stream, index, &made, frame);
        let interface = u32::from(made.port);
        let packet = Packet { interface, flags: INBOUND, time: made.at, bytes: frame, comment: &comment };
        to.write(&packet).map_err(output)?;
        report.frames += 1;
        report.bytes += made.len as u64;
        report.seconds = made.at.as_secs_f64();
        *report.reasons.entry(reason(&stream, &made, frame)).or_default() += 1;
    }
    to.flush().map_err(output)?;
    progress.end();
    report.missing = plan.until.map_or_else(Vec::new, |until| report.rarer_than(until).collect());
    report.success = report.missing.is_empty() || report.interrupted;
    Ok(report)
}

impl WriteReport {
    fn rarer_than(&self, than: u64) -> impl Iterator<Item = &'static str> {
        let names = Anomaly::ALL.iter().map(|anomaly| anomaly.name());
        names.filter(move |name| self.reasons.get(name).is_none_or(|&count| count < than))
    }
}

impl fmt::Display for WriteReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.interrupted { " (interrupted)" } else { "" };
        let Recipe { seed, mix, pps, .. } = &self.recipe;
        writeln!(f, "Softrouter fuzz: {}, seed {seed}, mix {mix}", self.file.display())?;
        writeln!(f, "{} ports, {pps} frames a second, {}", self.ports, self.recipe.about())?;
        let reasons = self.rarer_than(1).count();
        writeln!(
            f,
            "{} frames, {} bytes, {:.3} s of the stream{early}; {} of {} reasons are in it",
            self.frames,
            self.bytes,
            self.seconds,
            Anomaly::COUNT - reasons,
            Anomaly::COUNT
        )?;
        if !self.missing.is_empty() {
            writeln!(f, "Not in it often enough: {}", self.missing.join(", "))?;
        }
        Ok(())
    }
}

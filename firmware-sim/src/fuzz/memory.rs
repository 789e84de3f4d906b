//! Fuzzing in memory: routers' lives one after another, on one thread or several, until enough was seen or a law is broken.

use super::bench::Bench;
use super::case::Case;
use super::cases::Cases;
use super::invariant::{Checked, Violation};
use super::life::{LIFE, Source};
use super::recipe::{self, Recipe};
use super::report::{Found, FuzzReport, Spent};
use super::shrink::shrink;
use super::tally::Tally;
use super::{FuzzError, FuzzPlan, stream};
use crate::cli::shell_word;
use crate::progress::Progress;
use serde::Serialize;
use stack::Anomaly;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time between two looks at whether all has ended.
const TICK: Duration = Duration::from_millis(20);
/// The longest that shrinking may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What all threads have come to.
#[derive(Default)]
struct Sum {
    tally: Tally,
    checked: Checked,
    /// The broken law of the earliest life, its life, and the frame that broke it.
    broken: Option<(Violation, u64, u64)>,
}

struct Shared {
    next: AtomicU64,
    done: AtomicBool,
    sum: Mutex<Sum>,
}

impl Shared {
    /// Whoever panicked has left whole numbers.
    fn lock(&self) -> MutexGuard<'_, Sum> {
        self.sum.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fuzzes until an end of the plan is reached, `stop` is set, or a law is broken.
///
/// # Errors
/// See [`FuzzError`].
pub(super) fn run(plan: &FuzzPlan, stop: &AtomicBool) -> Result<FuzzReport, FuzzError> {
    fuzz(plan, stop, |_| ())
}

/// The same, with what a test does to every router first.
pub(super) fn fuzz(
    plan: &FuzzPlan,
    stop: &AtomicBool,
    prepare: impl Fn(&mut Bench) + Copy + Sync,
) -> Result<FuzzReport, FuzzError> {
    let (stream, samples) = stream(plan, super::setup::world(plan.ports), plan.ports)?;
    let cases = Cases::prepare(&plan.cases)?;
    let source = Source { stream, seed: plan.seed, ports: plan.ports, posture: plan.posture };
    let shared =
        Shared { next: AtomicU64::new(0), done: AtomicBool::new(false), sum: Mutex::new(Sum::default()) };
    let began = Instant::now();
    let mut progress = Progress::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..plan.threads).map(|_| scope.spawn(|| work(plan, &source, &shared, prepare))).collect();
        while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(TICK);
            let late = plan.seconds.is_some_and(|seconds| began.elapsed().as_secs_f64() >= seconds);
            if late || stop.load(Ordering::Relaxed) {
                shared.done.store(true, Ordering::Relaxed);
            }
            progress.show(|| line(&shared.lock(), began.elapsed()));
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    progress.end();
    let Sum { tally, checked, broken } = std::mem::take(&mut *shared.lock());
    let found = broken.map(|(violation, life, index)| {
        eprintln!("frame {index} breaks a law: {}\nshrinking ...", violation.invariant.name());
        isolate(plan, &source, &cases, (violation, life, index), prepare)
    });
    let interrupted = stop.load(Ordering::Relaxed);
    let spent = Spent { seconds, interrupted };
    Ok(FuzzReport::new(plan, Recipe::in_memory(plan, samples), &tally, &checked, spent, found))
}

fn line(sum: &Sum, elapsed: Duration) -> String {
    let (tally, seconds) = (&sum.tally, elapsed.as_secs_f64());
    format!(
        "{seconds:7.1} s  {} frames  {:.0} frames/s  reasons {} of {}, the rarest {} times  diverts {}  violations {}",
        tally.frames,
        tally.frames as f64 / seconds.max(1e-9),
        tally.reasons(),
        Anomaly::COUNT,
        tally.rarest(),
        tally.diverts,
        u8::from(sum.broken.is_some()),
    )
}

/// Lives one life after another.
fn work(plan: &FuzzPlan, source: &Source, shared: &Shared, prepare: impl Fn(&mut Bench)) {
    while !shared.done.load(Ordering::Relaxed) {
        let life = shared.next.fetch_add(1, Ordering::Relaxed);
        let left = plan.frames.map_or(LIFE, |frames| frames.saturating_sub(life * LIFE));
        if left == 0 {
            return;
        }
        let lived = source.live(life, left, &prepare);
        let mut sum = shared.lock();
        sum.tally.add(&lived.tally);
        sum.checked.add(&lived.checked);
        if let Some((violation, index)) = lived.broken {
            // Another thread may be in an earlier life, and break a law, too.
            if sum.broken.as_ref().is_none_or(|&(_, other, _)| life < other) {
                sum.broken = Some((violation, life, index));
            }
            shared.done.store(true, Ordering::Relaxed);
        }
        if plan.until.is_some_and(|until| sum.tally.rarest() >= until) {
            shared.done.store(true, Ordering::Relaxed);
        }
    }
}

/// Shrinks what broke a law, and writes the case.
fn isolate(
    plan: &FuzzPlan,
    source: &Source,
    cases: &Cases,
    (violation, life, index): (Violation, u64, u64),
    prepare: impl Fn(&mut Bench) + Copy,
) -> Found {
    let setup = source.setup(life);
    let steps = source.steps(life, index, prepare);
    let before = steps.len();
    let (steps, shrunk) = shrink(&setup, steps, violation.invariant, PATIENCE, prepare);
    let reproduced = shrunk.is_some();
    let violation = shrunk.unwrap_or(violation);
    let case = Case::new(&violation, (plan.seed, index), setup, steps);
    let name = format!("{}-{}-{index}.json", case.invariant, plan.seed);
    let (file, not_written) = match cases.write(&name, |path| fs::write(path, case.text())) {
        Ok((file, ())) => (Some(file), None),
        Err(error) => (None, Some(error)),
    };
    let again = match &file {
        Some(file) if reproduced => format!("softrouter fuzz --replay-case {}", shell_word(file)),
        // The router's whole life, and those before it.
        _ => {
            let frames = Some(((life + 1) * LIFE).min(plan.frames.unwrap_or(u64::MAX)));
            recipe::in_memory(&FuzzPlan { frames, seconds: None, until: None, ..plan.clone() })
        }
    };
    Found {
        violation,
        index,
        steps_before: before,
        steps: case.steps.len(),
        reproduced,
        file,
        not_written,
        again,
    }
}

/// What came of a case that was run again.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// Softrouter's.
    pub version: &'static str,
    /// The case.
    pub case: PathBuf,
    /// The law that it breaks, if it still does.
    pub violation: Option<Violation>,
    /// Was no law broken?
    pub success: bool,
}

impl fmt::Display for CaseReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.violation {
            None => writeln!(f, "{}: every law held", self.case.display()),
            Some(violation) => writeln!(f, "{}: VIOLATION: {violation}", self.case.display()),
        }
    }
}

/// Runs a case again.
///
/// # Errors
/// [`FuzzError::Case`]: the file is none.
pub fn replay_case(path: &Path) -> Result<CaseReport, FuzzError> {
    let error = |problem: String| FuzzError::Case { path: PathBuf::from(path), problem };
    let text = fs::read_to_string(path).map_err(|problem| error(problem.to_string()))?;
    let case = Case::read(&text).map_err(error)?;
    let violation = super::case::run(&case.setup, &case.steps, |_| ()).map(|(violation, _)| violation);
    let success = violation.is_none();
    Ok(CaseReport { version: env!("CARGO_PKG_VERSION"), case: path.to_owned(), violation, success })
}

//! The report of a run in memory: what went in, what became of it, which laws were checked how often.

use super::FuzzPlan;
use super::act::How;
use super::invariant::{Checked, Invariant, Violation};
use super::recipe::Recipe;
use super::tally::Tally;
use crate::watch::VERDICTS;
use serde::Serialize;
use stack::answer::Rejection;
use stack::stats::{Disposition, Path};
use stack::{Anomaly, DropReason, Posture};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// How long it took.
pub(super) struct Spent {
    pub(super) seconds: f64,
    pub(super) interrupted: bool,
}

/// A broken law, and the case that shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// Which, and how.
    #[serde(flatten)]
    pub violation: Violation,
    /// Index of the frame that showed it.
    pub index: u64,
    /// Steps of that router's life until then.
    pub steps_before: usize,
    /// Steps that are left of them.
    pub steps: usize,
    /// Did it happen again when it was run again?
    pub reproduced: bool,
    /// The case, if it could be written.
    pub file: Option<PathBuf>,
    /// Why it could not.
    pub not_written: Option<String>,
    /// The command that shows it again: with the case, or, if there is none or it did not happen again, the whole run's.
    pub again: String,
}

/// How often a reason was expected and seen.
#[derive(Debug, Clone, Serialize)]
pub struct ReasonLine {
    /// Frames of which the generator said so.
    pub expected: u64,
    /// Frames in which the router saw it.
    pub seen: u64,
    /// Frames, or copies, that the slow path was asked about.
    pub diverted: u64,
}

/// What became of one kind of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AnswerLine {
    /// So many were given; those that were never given are counted here as well.
    pub given: u64,
    /// Approved.
    pub approved: u64,
    /// Approved, and carried out.
    pub applied: u64,
    /// Rejected.
    pub rejected: u64,
}

/// A law, and how often it was checked.
#[derive(Debug, Clone, Serialize)]
pub struct LawLine {
    /// Its name.
    pub name: &'static str,
    /// What it demands.
    pub says: &'static str,
    /// How often it was checked.
    pub checked: u64,
    /// Was it broken?
    pub broken: bool,
}

/// What came of a run in memory.
#[derive(Debug, Clone, Serialize)]
pub struct FuzzReport {
    /// How frames and acts were made.
    #[serde(flatten)]
    pub recipe: Recipe,
    /// Ports with hosts.
    pub ports: u8,
    /// The posture of all routers; `None`: each had one by lot.
    pub posture: Option<&'static str>,
    /// Threads.
    pub threads: usize,
    /// Routers that lived, each with settings of its own.
    pub routers: u64,
    /// Frames that they received.
    pub frames: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// How long it took.
    pub seconds: f64,
    /// Frames a second.
    pub frames_per_second: f64,
    /// Frames of which the generator said that they are healthy, and that it does not know.
    pub foretold_healthy: u64,
    /// Those that only the oracle can judge.
    pub foretold_nothing: u64,
    /// Frames by verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Frames by disposition and path.
    pub dispositions: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Frames sent by origin, beside those forwarded in place.
    pub sent: BTreeMap<&'static str, u64>,
    /// Every reason of the table.
    pub reasons: BTreeMap<&'static str, ReasonLine>,
    /// Reasons that were never seen.
    pub never_seen: Vec<&'static str>,
    /// With `--until`: reasons that were seen less often than that.
    pub missing: Vec<&'static str>,
    /// Drops for other reasons.
    pub other_drops: BTreeMap<&'static str, u64>,
    /// Diverts.
    pub diverts: u64,
    /// Generated answers by kind.
    pub answers: BTreeMap<&'static str, AnswerLine>,
    /// Rejections by why.
    pub rejections: BTreeMap<&'static str, u64>,
    /// Rules that were installed.
    pub rules_installed: u64,
    /// ICMP errors that were sent.
    pub icmp_errors: u64,
    /// Every law.
    pub invariants: Vec<LawLine>,
    /// The law that was broken, if one was.
    pub violation: Option<Found>,
    /// Ended before its time.
    pub interrupted: bool,
    /// Was no law broken, and with `--until` every reason seen often enough?
    pub success: bool,
}

impl FuzzReport {
    pub(super) fn new(
        plan: &FuzzPlan,
        recipe: Recipe,
        tally: &Tally,
        checked: &Checked,
        Spent { seconds, interrupted }: Spent,
        violation: Option<Found>,
    ) -> Self {
        let less = |than: u64| {
            let rare = Anomaly::ALL.iter().filter(move |&&a| tally.seen[a as usize] < than);
            rare.map(|anomaly| anomaly.name()).collect::<Vec<_>>()
        };
        let missing = plan.until.map_or_else(Vec::new, less);
        let broken =
            |law: Invariant| violation.as_ref().is_some_and(|found| found.violation.invariant == law);
        let row = |which: Disposition| {
            let frames = |path: Path| tally.dispositions[which as usize][path as usize].frames;
            (which.name(), Path::ALL.into_iter().map(|path| (path.name(), frames(path))).collect())
        };
        Self {
            recipe,
            ports: plan.ports,
            posture: plan.posture.map(Posture::name),
            threads: plan.threads,
            routers: tally.lives,
            frames: tally.frames,
            bytes: tally.bytes,
            seconds,
            frames_per_second: if seconds > 0.0 { tally.frames as f64 / seconds } else { 0.0 },
            foretold_healthy: tally.healthy,
            foretold_nothing: tally.unknown,
            verdicts: VERDICTS.into_iter().zip(tally.verdicts).collect(),
            dispositions: Disposition::ALL.into_iter().map(row).collect(),
            sent: ["forwarded", "fragments", "originated", "injected"].into_iter().zip(tally.sent).collect(),
            reasons: Anomaly::ALL
                .iter()
                .map(|&anomaly| {
                    let at = anomaly as usize;
                    let (expected, seen, diverted) = (tally.expected[at], tally.seen[at], tally.held[at]);
                    (anomaly.name(), ReasonLine { expected, seen, diverted })
                })
                .collect(),
            never_seen: less(1),
            other_drops: DropReason::OTHERS.iter().map(|reason| reason.name()).zip(tally.drops).collect(),
            diverts: tally.diverts,
            answers: How::ALL.into_iter().map(|how| (how.name(), tally.answers[how as usize])).collect(),
            rejections: Rejection::ALL.iter().map(|why| why.name()).zip(tally.rejections).collect(),
            rules_installed: tally.rules_installed,
            icmp_errors: tally.icmp_errors,
            invariants: Invariant::ALL
                .iter()
                .map(|&law| LawLine {
                    name: law.name(),
                    says: law.says(),
                    checked: checked.of(law),
                    broken: broken(law),
                })
                .collect(),
            success: violation.is_none() && (missing.is_empty() || interrupted),
            missing,
            violation,
            interrupted,
        }
    }
}

impl FuzzReport {
    /// Why a case could not be written, if one could not.
    pub fn not_written(&self) -> Option<&str> {
        self.violation.as_ref()?.not_written.as_deref()
    }
}

impl fmt::Display for FuzzReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let early = if self.interrupted { " (interrupted)" } else { "" };
        writeln!(
            f,
            "\nSoftrouter fuzz: in memory, seed {}, mix {}, {} ports",
            self.recipe.seed, self.recipe.mix, self.ports
        )?;
        writeln!(
            f,
            "posture {}, {} frames a second of virtual time, {}",
            self.posture.unwrap_or("by lot"),
            self.recipe.pps,
            self.recipe.about()
        )?;
        writeln!(
            f,
            "{} frames, {} bytes, {:.1} s{early}, {:.0} frames/s on {} thread(s), {} routers",
            self.frames, self.bytes, self.seconds, self.frames_per_second, self.threads, self.routers
        )?;
        write!(f, "\nFrames by disposition and path\n  {:<12}", "")?;
        for path in Path::ALL {
            write!(f, "{:>14}", path.name())?;
        }
        for which in Disposition::ALL {
            write!(f, "\n  {:<12}", which.name())?;
            for path in Path::ALL {
                write!(f, "{:>14}", self.dispositions[which.name()][path.name()])?;
            }
        }
        writeln!(f, "\n\nReasons {:>38}{:>14}{:>14}", "foretold", "seen", "diverted")?;
        let lines =
            [("(healthy)", self.foretold_healthy), ("(for the oracle to say)", self.foretold_nothing)];
        for (name, count) in lines {
            writeln!(f, "  {name:<30}{count:>14}")?;
        }
        for (name, line) in &self.reasons {
            let mark = if line.seen == 0 { "  <-- NEVER SEEN" } else { "" };
            writeln!(f, "  {name:<30}{:>14}{:>14}{:>14}{mark}", line.expected, line.seen, line.diverted)?;
        }
        writeln!(f, "\nAnswers {:>23}{:>14}{:>14}{:>14}", "given", "approved", "applied", "rejected")?;
        for (name, line) in &self.answers {
            let AnswerLine { given, approved, applied, rejected } = line;
            writeln!(f, "  {name:<15}{given:>14}{approved:>14}{applied:>14}{rejected:>14}")?;
        }
        writeln!(
            f,
            "  {} rules were installed, {} ICMP errors sent",
            self.rules_installed, self.icmp_errors
        )?;
        writeln!(f, "\nInvariants {:>36}", "checked")?;
        for law in &self.invariants {
            let mark = if law.broken { "BROKEN" } else { "ok" };
            writeln!(f, "  [{mark}] {:<22}{:>16}  {}", law.name, law.checked, law.says)?;
        }
        if !self.missing.is_empty() {
            writeln!(f, "\nNot seen often enough: {}", self.missing.join(", "))?;
        }
        match &self.violation {
            None if self.never_seen.is_empty() => writeln!(f, "\nevery law held, every reason was seen"),
            None => writeln!(f, "\nevery law held; {} reasons were never seen", self.never_seen.len()),
            Some(found) => {
                writeln!(f, "\nVIOLATION at frame {}: {}", found.index, found.violation)?;
                let steps = (found.steps_before, found.steps);
                if found.reproduced {
                    writeln!(f, "  {} steps of that router's life came to {}", steps.0, steps.1)?;
                } else {
                    let file =
                        found.file.as_ref().map_or(String::new(), |file| format!(": {}", file.display()));
                    writeln!(
                        f,
                        "  the {} steps of that router's life did not show it again, and are as they were{file}",
                        steps.0
                    )?;
                }
                writeln!(f, "  again: {}", found.again)
            }
        }
    }
}

//! The questions of the exam: which parts it has, how many questions each, and in which order they are asked.

use llm_slowpath::prompt::tokens::Task;
use pktgen::tasks::triage::Focus;
use pktgen::tasks::{self, Item, Split, example, ping, repair, triage};
use std::collections::BTreeSet;

/// Where a part's questions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Templates, ranges and protocols that no training draws.
    HeldOut,
    /// Those of training, with a seed that training does not have.
    Training,
    /// Held out, and two things wrong at once.
    Double,
    /// Frames of real captures.
    Captures,
    /// Reasons that leave one answer.
    Fixed,
    /// The same, in real captures.
    CapturedFixed,
}

impl Source {
    /// How it is called in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::HeldOut => "held out",
            Self::Training => "training templates, new seed",
            Self::Double => "held out, two anomalies",
            Self::Captures => "captures",
            Self::Fixed => "fixed reasons",
            Self::CapturedFixed => "captures, fixed reasons",
        }
    }

    /// A fixed reason has one answer that a table knows: no score, but whoever fails here is broken.
    pub const fn is_sanity_check(self) -> bool {
        matches!(self, Self::Fixed | Self::CapturedFixed)
    }
}

/// A part of the exam, scored for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Part {
    /// What is asked for.
    pub task: Task,
    /// Where the questions come from.
    pub source: Source,
}

/// A question of the exam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The part that it counts for.
    pub part: Part,
    /// The question, and what is right.
    pub item: Item,
}

impl Question {
    /// The question as backends take it.
    pub fn asked(&self) -> llm_slowpath::Question<'_> {
        use llm_slowpath::Question as Asked;
        match &self.item.question {
            tasks::Question::Triage(key) => Asked::Triage(key),
            tasks::Question::Repair { allowed, faults } => Asked::Repair { allowed: *allowed, faults },
            tasks::Question::PingDelta(frame) => Asked::PingDelta(frame),
            tasks::Question::PingFull(frame) => Asked::PingFull(frame),
            tasks::Question::Example { exchanges, request } => Asked::Example { exchanges, request },
        }
    }
}

/// The generated parts: how many questions in all, and with `--quick`.
const PARTS: [(Task, Source, usize, usize); 12] = [
    (Task::Triage, Source::HeldOut, 2_000, 40),
    (Task::Triage, Source::Training, 1_500, 30),
    (Task::Triage, Source::Double, 1_500, 30),
    (Task::Triage, Source::Fixed, 1_000, 20),
    (Task::Repair, Source::HeldOut, 1_500, 30),
    (Task::Repair, Source::Training, 1_500, 30),
    (Task::PingDelta, Source::HeldOut, 5_000, 70),
    (Task::PingDelta, Source::Training, 5_000, 70),
    (Task::PingFull, Source::HeldOut, 2_500, 50),
    (Task::PingFull, Source::Training, 2_500, 50),
    (Task::Example, Source::HeldOut, 1_500, 40),
    (Task::Example, Source::Training, 1_500, 40),
];

/// Most questions of each part that `--quick` takes from captures.
const QUICK_CAPTURED: usize = 20;
/// Of 100 pings, how many are steered to where a checksum's carries run far: natural traffic seldom asks that.
pub(crate) const HARD: usize = 50;
/// Seeds of the exam are never small ones, with which models are trained.
const EXAM: u64 = 0x6578_616d << 32;
/// Keeps the questions with two anomalies apart from the other held-out ones.
const DOUBLES: u64 = 1 << 16;
/// The exam goes through all its parts so often, each time with a share of their questions: what is cut short has
/// then asked something of everything.
const ROUNDS: usize = 100;

/// The generated questions of the wanted parts, part by part.
pub fn generated(seed: u64, quick: bool, wanted: &impl Fn(Part) -> bool) -> Vec<Question> {
    let mut questions = Vec::new();
    for (task, source, all, few) in PARTS {
        let part = Part { task, source };
        if wanted(part) {
            let items = stream(part, seed ^ EXAM).take(if quick { few } else { all });
            questions.extend(items.map(|item| Question { part, item }));
        }
    }
    questions
}

/// All questions of a generated part, without end.
fn stream(part: Part, seed: u64) -> Box<dyn Iterator<Item = Item>> {
    let split = if part.source == Source::HeldOut { Split::HeldOut } else { Split::Training };
    let all = 0..u64::MAX;
    match (part.task, part.source) {
        (Task::Triage, Source::Double) => Box::new(
            all.map(move |i| triage::item(Split::HeldOut, Focus::Discretionary, seed ^ DOUBLES, i))
                .filter(is_double),
        ),
        // Both splits by turns: whatever is not right here is a fault.
        (Task::Triage, Source::Fixed) => Box::new(all.map(move |i| {
            let split = if i % 2 == 0 { Split::HeldOut } else { Split::Training };
            triage::item(split, Focus::Fixed, seed, i)
        })),
        (Task::Triage, _) => Box::new(all.map(move |i| triage::item(split, Focus::Discretionary, seed, i))),
        (Task::Repair, _) => Box::new(all.map(move |i| repair::item(split, seed, i))),
        (Task::PingDelta, _) => Box::new(all.map(move |i| ping::delta(split, seed, i, HARD))),
        (Task::PingFull, _) => Box::new(all.map(move |i| ping::full(split, seed, i, HARD))),
        (Task::Example, _) => Box::new(all.map(move |i| example::item(split, seed, i))),
    }
}

fn is_double(item: &Item) -> bool {
    matches!(&item.question, tasks::Question::Triage(key) if triage::is_double(key))
}

/// The captures' questions, or some of each part spread evenly over all.
pub(crate) fn of_captures(questions: Vec<Question>, quick: bool) -> Vec<Question> {
    if !quick {
        return questions;
    }
    let parts: BTreeSet<Part> = questions.iter().map(|question| question.part).collect();
    let few = |part| {
        let all: Vec<&Question> = questions.iter().filter(|question| question.part == part).collect();
        let count = all.len().min(QUICK_CAPTURED);
        (0..count).map(|at| all[at * all.len() / count].clone()).collect::<Vec<_>>()
    };
    parts.into_iter().flat_map(few).collect()
}

/// Sorts the questions into rounds through all parts.
pub(crate) fn in_rounds(questions: &mut Vec<Question>) {
    let parts: BTreeSet<Part> = questions.iter().map(|question| question.part).collect();
    let mut sorted = Vec::with_capacity(questions.len());
    for part in parts {
        let of_part: Vec<Question> = questions.extract_if(.., |question| question.part == part).collect();
        let len = of_part.len();
        sorted.extend(of_part.into_iter().enumerate().map(|(at, question)| (at * ROUNDS / len, question)));
    }
    // Stable: within a round, parts and questions keep their order.
    sorted.sort_by_key(|(round, _)| *round);
    questions.extend(sorted.into_iter().map(|(_, question)| question));
}

/// A hash of all questions and right answers (FNV-1a of their debug text): two reports with the same one are of the
/// same exam.
pub fn hash(questions: &[Question]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let texts = questions.iter().map(|question| format!("{question:?}"));
    texts.fold(0xcbf2_9ce4_8422_2325, |hash, text| text.bytes().fold(hash, step))
}

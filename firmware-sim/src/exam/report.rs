//! Everything that came of an exam, as it is printed and written as JSON.

use super::ExamPlan;
use super::calibration::Calibration;
use super::examinee::About;
use super::items::{self, HARD, Part, Question, Source};
use super::score::{Prices, Score};
use super::sitting::{INTERRUPTED, Record, Sat};
use super::words::Wrong;
use llm_slowpath::prompt::tokens::Task;
use serde::Serialize;
use std::collections::BTreeSet;

/// What is known of the captures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CapturesNote {
    /// No folder was named.
    Missing,
    /// One was read.
    Read {
        /// pcap files.
        files: usize,
        /// Frames in them.
        frames: usize,
        /// Questions that they gave.
        questions: usize,
    },
}

/// One backend's exam.
#[derive(Debug, Clone, Serialize)]
pub struct Sitting {
    /// The backend.
    pub about: About,
    /// Questions that it was asked.
    pub asked: usize,
    /// Why it was not asked everything.
    pub cut_short: Option<String>,
    /// How long that took.
    pub seconds: f64,
    /// By part, those that were reached.
    pub scores: Vec<Score>,
    /// Of all tasks together, then of each; without sanity checks.
    pub calibration: Vec<Calibration>,
    /// The first wrong answers.
    pub wrong: Vec<Wrong>,
}

impl Sitting {
    pub(super) fn new(about: About, sat: Sat, questions: &[Question], prices: Option<Prices>) -> Self {
        let pairs: Vec<(&Record, &Question)> = sat.records.iter().zip(questions).collect();
        let parts: BTreeSet<Part> = sat.records.iter().map(|record| record.part).collect();
        let score = |part: Part| {
            let of_part: Vec<_> = pairs.iter().copied().filter(|(record, _)| record.part == part).collect();
            Score::of(part, &of_part, about.in_process, prices)
        };
        let scored = || sat.records.iter().filter(|record| !record.part.source.is_sanity_check());
        let of_task = |task: Task| {
            Calibration::of(task.name(), scored().filter(move |record| record.part.task == task))
        };
        let all = Calibration::of("all", scored());
        Self {
            asked: sat.records.len(),
            cut_short: sat.cut_short,
            seconds: sat.took.as_secs_f64(),
            scores: parts.into_iter().map(score).collect(),
            calibration: all.into_iter().chain(Task::ALL.into_iter().filter_map(of_task)).collect(),
            wrong: sat.wrong,
            about,
        }
    }

    /// The one result that may stand beside the article's.
    pub fn article_line(&self) -> Option<String> {
        let (task, source) = (Task::PingFull.name(), Source::HeldOut.name());
        let score = self.scores.iter().find(|score| score.task == task && score.source == source)?;
        let percent = |share: f64| 100.0 * (1.0 - share);
        Some(format!(
            "ping_full, held out: first-attempt error {:.2} % ({:.2} to {:.2} %), p50 {}; the article: 5-10 % and 5-10 s",
            percent(score.accuracy.share),
            percent(score.accuracy.high),
            percent(score.accuracy.low),
            time(score.latency_us.p50)
        ))
    }
}

/// The whole exam.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of the program.
    pub version: &'static str,
    /// Which questions.
    pub seed: u64,
    /// 500 generated questions only.
    pub quick: bool,
    /// The tasks.
    pub tasks: Vec<&'static str>,
    /// Questions.
    pub questions: usize,
    /// Of all questions and right answers: equal where the exam was the same.
    pub questions_hash: String,
    /// The part from captures.
    pub captures: CapturesNote,
    /// What a million tokens of an HTTP backend cost.
    pub prices: Option<Prices>,
    /// How to read the figures.
    pub notes: Vec<String>,
    /// By backend.
    pub sittings: Vec<Sitting>,
}

impl Report {
    pub(super) fn new(
        plan: &ExamPlan,
        questions: &[Question],
        captures: CapturesNote,
        sittings: Vec<Sitting>,
    ) -> Self {
        let tasks: BTreeSet<Task> = questions.iter().map(|question| question.part.task).collect();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            seed: plan.seed,
            quick: plan.quick,
            tasks: tasks.into_iter().map(Task::name).collect(),
            questions: questions.len(),
            questions_hash: format!("{:016x}", items::hash(questions)),
            captures,
            prices: plan.prices,
            notes: notes(),
            sittings,
        }
    }

    /// Did somebody cease to answer, so that no more was asked?
    pub fn has_given_up(&self) -> bool {
        self.sittings.iter().filter_map(|sitting| sitting.cut_short.as_ref()).any(|why| why != INTERRUPTED)
    }

    /// As a page that loads nothing.
    pub fn html(&self) -> String {
        super::html::page(self)
    }

    /// What the questions are, in a line or two.
    pub fn headline(&self) -> String {
        let size = if self.quick { ", quick" } else { "" };
        let captures = match self.captures {
            CapturesNote::Missing => {
                "MISSING: questions from captures (name their folder with --captures or SOFTROUTER_CAPTURES)"
                    .into()
            }
            CapturesNote::Read { files, frames, questions } => {
                format!("{questions} of them from {frames} frames in {files} captures")
            }
        };
        let (count, tasks) = (self.questions, self.tasks.join(", "));
        format!(
            "{count} questions{size}, seed {}, hash {}: {tasks}\n{captures}",
            self.seed, self.questions_hash
        )
    }
}

fn notes() -> Vec<String> {
    [
        "Triage: the model is judged on action, scope and lifetime together, the baselines (and who advises neither) \
         on the action alone; `action` is the model's accuracy on that measure. Gains are in percentage points.",
        "Two anomalies at once: the right action is always drop, so that always-drop is right in all of them and nobody \
         gains on it there; scope and lifetime are still the model's to know.",
        "Baselines: default-table gives the anomaly table's deterministic default for the reason, and where a table \
         has none (repair, ping, by example) drops or does not answer; always-drop drops everything.",
        "Intervals: 95 %, Wilson, for questions as they are drawn; short triage questions recur (see `distinct`). First-attempt error: everything that is not right at once, with questions that got \
         no answer.",
        "Held out: templates, ranges of header fields and little protocols that no training draws. Training \
         templates: the others, with another seed than training had; short questions among them were asked in training, too.",
        "Fixed reasons have one answer that any table knows: a sanity check, not a score. Nor do they count for the \
         calibration.",
        "Latency, processor time: from question to answer, one after the other, without the router. A price of 0 \
         means that an answer costs processor time only.",
        "Only ping_full stands beside the article: there the prompt is the whole request and nothing else, the answer \
         the whole reply. In ping_delta code has judged the checksums and copies what does not change.",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([format!("Up to {HARD} % of the generated pings are steered to where a checksum's carries run far, which natural traffic seldom asks.")])
    .collect()
}

/// A time in microseconds, in the unit that suits it.
pub(super) fn time(us: f64) -> String {
    match us {
        ..1e3 => format!("{us:.0} us"),
        1e3..1e6 => format!("{:.2} ms", us / 1e3),
        _ => format!("{:.1} s", us / 1e6),
    }
}

//! The exam: a fixed, seeded set of questions with known right answers, put to any backend, beside two baselines.

mod baseline;
mod calibration;
mod captures;
pub mod examinee;
mod html;
mod interval;
pub mod items;
mod judge;
mod plot;
mod report;
mod score;
mod sitting;
mod text;
mod words;

#[cfg(test)]
mod tests;

pub use report::Report;
pub use score::Prices;

use examinee::Examinee;
use items::{Part, Question};
use llm_slowpath::prompt::tokens::Task;
use llm_slowpath::{BackendSpec, SetupError};
use report::CapturesNote;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

/// What is asked, of whom, and what is told about it.
#[derive(Debug, Clone)]
pub struct ExamPlan {
    /// Who is examined, one after the other.
    pub backends: Vec<BackendSpec>,
    /// 500 generated questions instead of all.
    pub quick: bool,
    /// Which questions.
    pub seed: u64,
    /// Tasks to ask about; none named: all.
    pub tasks: Vec<Task>,
    /// A folder of pcap files to take questions from.
    pub captures: Option<PathBuf>,
    /// What an HTTP backend's tokens cost, where that is known.
    pub prices: Option<Prices>,
    /// Most wrong answers of each backend that are kept in words.
    pub show_wrong: usize,
}

/// Why there is no exam.
#[derive(Debug, thiserror::Error)]
pub enum ExamError {
    /// A backend cannot be set up.
    #[error("--backend: {0}")]
    Backend(#[from] SetupError),
    /// The captures cannot be read.
    #[error("--captures {folder}: {problem}")]
    Captures {
        /// The folder.
        folder: String,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
}

/// An exam that is ready to start: everything that may be refused has been looked at.
pub struct Exam {
    examinees: Vec<Box<dyn Examinee>>,
    questions: Vec<Question>,
    captures: CapturesNote,
    plan: ExamPlan,
}

impl Exam {
    /// Sets up the backends and the questions.
    ///
    /// # Errors
    /// See [`ExamError`]. Nothing has been asked then.
    pub fn new(plan: ExamPlan) -> Result<Self, ExamError> {
        let mut exam = Self::of(Vec::new(), plan)?;
        exam.examinees = exam.plan.backends.iter().map(examinee::open).collect::<Result<_, _>>()?;
        Ok(exam)
    }

    /// The exam of any examinees; the plan's backends are left alone.
    pub(crate) fn of(examinees: Vec<Box<dyn Examinee>>, plan: ExamPlan) -> Result<Self, ExamError> {
        let wanted = |part: Part| plan.tasks.is_empty() || plan.tasks.contains(&part.task);
        let mut questions = items::generated(plan.seed, plan.quick, &wanted);
        let captures = match &plan.captures {
            None => CapturesNote::Missing,
            Some(folder) => {
                let read = captures::read(folder, &wanted)?;
                let (files, frames) = (read.files, read.frames);
                let taken = items::of_captures(read.items, plan.quick);
                let note = CapturesNote::Read { files, frames, questions: taken.len() };
                questions.extend(taken);
                note
            }
        };
        items::in_rounds(&mut questions);
        Ok(Self { examinees, questions, captures, plan })
    }

    /// Asks everything, or as much as there is time for until `stop` is set. Progress is told on stderr.
    pub fn run(mut self, stop: &AtomicBool) -> Report {
        let sittings = self.examinees.iter_mut().map(|examinee| {
            let sat = sitting::sit(examinee.as_mut(), &self.questions, self.plan.show_wrong, stop);
            report::Sitting::new(examinee.about(), sat, &self.questions, self.plan.prices)
        });
        let sittings = sittings.collect();
        Report::new(&self.plan, &self.questions, self.captures, sittings)
    }
}

//! Puts the questions to one examinee and writes down what each answer was worth and what it took.

use super::baseline::Baseline;
use super::examinee::{Examinee, NoAnswer};
use super::items::{Part, Question};
use super::judge::{Judgement, judge};
use super::words::{self, Wrong};
use crate::progress::Progress;
use llm_slowpath::Spoken;
use nix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// After so many questions in a row that could not be asked there is nobody there.
const PATIENCE: usize = 10;
/// Why a sitting that somebody ended was cut short.
pub(super) const INTERRUPTED: &str = "interrupted";

/// How asking went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// There was an answer, right or wrong.
    Answered,
    /// The question could not be put, or what was said was no answer.
    Unanswered,
    /// The backend failed.
    Failed,
}

/// One question, asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) part: Part,
    pub(super) ending: Ending,
    pub(super) judgement: Judgement,
    /// Would each baseline have been right? In the order of [`Baseline::ALL`].
    pub(super) baselines: [bool; 2],
    pub(super) probability: Option<f32>,
    /// Tokens read and written.
    pub(super) tokens: (u32, u32),
    pub(super) time: Duration,
    /// Of this thread, where the answer is computed in it.
    pub(super) cpu: Option<Duration>,
}

/// Everything that came of one examinee's exam.
#[derive(Debug)]
pub(super) struct Sat {
    /// In the order of the questions; the last of these may not have been asked.
    pub(super) records: Vec<Record>,
    /// The first wrong answers in words.
    pub(super) wrong: Vec<Wrong>,
    /// Why not everything was asked.
    pub(super) cut_short: Option<String>,
    pub(super) took: Duration,
}

/// Asks until the end, until `stop` is set, or until the examinee fails time after time.
pub(super) fn sit(
    examinee: &mut dyn Examinee,
    questions: &[Question],
    show_wrong: usize,
    stop: &AtomicBool,
) -> Sat {
    let start = Instant::now();
    let about = examinee.about();
    let mut progress = Progress::new();
    let mut sat = Sat { records: Vec::new(), wrong: Vec::new(), cut_short: None, took: Duration::ZERO };
    let mut failures = 0;
    for question in questions {
        if stop.load(Ordering::Relaxed) {
            sat.cut_short = Some(INTERRUPTED.into());
            break;
        }
        let (record, said) = ask(examinee, question, about.in_process);
        failures = if record.ending == Ending::Failed { failures + 1 } else { 0 };
        if !record.judgement.right && sat.wrong.len() < show_wrong {
            sat.wrong.push(words::wrong(question, &said));
        }
        sat.records.push(record);
        progress.show(|| line(&about.name, &sat.records, questions.len(), start.elapsed()));
        if let Err(NoAnswer::Failed(error)) = said
            && failures == PATIENCE
        {
            sat.cut_short = Some(format!("given up after {PATIENCE} failures in a row; the last: {error}"));
            break;
        }
    }
    progress.end();
    sat.took = start.elapsed();
    sat
}

/// How far the exam has come.
fn line(name: &str, asked: &[Record], total: usize, took: Duration) -> String {
    let right = asked.iter().filter(|record| record.judgement.right).count();
    let (asked, share) = (asked.len(), 100.0 * right as f64 / asked.len() as f64);
    let left = took.as_secs_f64() / asked as f64 * (total - asked) as f64;
    format!("{name}: {asked} of {total} asked, {share:.2} % right, {left:.0} s to go")
}

fn ask(
    examinee: &mut dyn Examinee,
    question: &Question,
    in_process: bool,
) -> (Record, Result<Spoken, NoAnswer>) {
    let asked = question.asked();
    let right = &question.item.right;
    let baselines =
        Baseline::ALL.map(|baseline| baseline.say(&asked).is_some_and(|said| judge(right, &said).right));
    let (cpu, start) = (thread_time(), Instant::now());
    let said = examinee.ask(&asked);
    let time = start.elapsed();
    let cpu = in_process.then(|| thread_time()?.checked_sub(cpu?)).flatten();
    let (ending, judgement, probability, tokens) = match &said {
        Ok(spoken) => {
            let tokens = (spoken.prompt_tokens, spoken.answer_tokens);
            (Ending::Answered, judge(right, &spoken.said), spoken.probability, tokens)
        }
        Err(NoAnswer::Failed(_)) => (Ending::Failed, Judgement::default(), None, (0, 0)),
        Err(NoAnswer::Unasked | NoAnswer::Unusable(_)) => {
            (Ending::Unanswered, Judgement::default(), None, (0, 0))
        }
    };
    (Record { part: question.part, ending, judgement, baselines, probability, tokens, time, cpu }, said)
}

/// The processor time of this thread.
fn thread_time() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).ok().map(Duration::from)
}

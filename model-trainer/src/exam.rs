//! Examines a model in the router's own inference code on samples that training never drew.

use crate::diverted::Diverts;
use crate::samples::{self, Sample};
use crate::triage;
use llm_slowpath::model::{Backend, Model, ModelError, Precision};
use llm_slowpath::prompt::tokens;
use stack::{ActionKind, Anomaly};
use std::time::{Duration, Instant};

/// What to examine.
pub(crate) struct Exam {
    /// Samples of each task.
    pub(crate) count: u64,
    /// Seed of the streams; training must have had another.
    pub(crate) seed: u64,
    /// Of 100 ping samples, how many have checksums near a carry.
    pub(crate) hard: u32,
    /// Also answer with 32-bit floats and count the agreements.
    pub(crate) compare: bool,
}

/// Right answers among some.
#[derive(Default, Clone, Copy)]
struct Score {
    right: u64,
    total: u64,
}

impl Score {
    const fn add(&mut self, right: bool) {
        self.right += right as u64;
        self.total += 1;
    }
}

impl std::fmt::Display for Score {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let share = 100.0 * self.right as f64 / self.total.max(1) as f64;
        write!(f, "{}/{} ({share:.3} %)", self.right, self.total)
    }
}

/// Runs the exam and prints the results.
pub(crate) fn run(model: &Model, exam: &Exam) {
    println!("{}; int8 on {}", model.describe(), Backend::detect().name());
    let mut parts = [
        ("action", 0..1, Score::default()),
        ("ip checksum", 3..7, Score::default()),
        ("icmp checksum", 9..13, Score::default()),
    ];
    let whole = examine(
        model,
        exam,
        "ping",
        |index| samples::ping(exam.seed, index, exam.hard),
        |sample, answer| {
            for (_, digits, score) in &mut parts {
                if let Some(wanted) = sample.answer.get(digits.clone()) {
                    score.add(answer.get(digits.clone()) == Some(wanted));
                }
            }
        },
    );
    for (name, _, score) in &parts {
        println!("    {name}: {score}");
    }
    let mut reasons = [Score::default(); Anomaly::COUNT];
    let triage = examine(
        model,
        exam,
        "triage",
        |index| triage::sample(exam.seed, index),
        |sample, answer| {
            let reason = usize::from(sample.prompt[4] - tokens::reason(Anomaly::ALL[0]));
            reasons[reason].add(sample.answer == answer);
        },
    );
    for (anomaly, score) in Anomaly::ALL.iter().zip(&reasons).filter(|(_, score)| score.right < score.total) {
        println!("    {anomaly}: {score}");
    }
    let mut diverts = Diverts::new(exam.seed);
    examine(
        model,
        exam,
        "diverted by a router",
        |_| diverts.draw(),
        |sample, answer| {
            if sample.answer != answer {
                let text =
                    |tokens: &[u8]| tokens.iter().map(|&t| tokens::name(t)).collect::<Vec<_>>().join(" ");
                println!("    {} {}", text(&sample.prompt), text(answer));
            }
        },
    );
    println!(
        "first-attempt errors: ping {}, triage {}",
        whole.total - whole.right,
        triage.total - triage.right
    );
}

/// Answers `exam.count` samples, shows each to `see`, and prints accuracy, speed and agreement.
fn examine(
    model: &Model,
    exam: &Exam,
    task: &str,
    mut draw: impl FnMut(u64) -> Sample,
    mut see: impl FnMut(&Sample, &[u8]),
) -> Score {
    let mut session = model.session();
    let mut floats = model.session_on(Backend::detect(), Precision::Float32);
    let (mut score, mut agreed) = (Score::default(), Score::default());
    let (mut sure, mut unsure) = (Score::default(), Score::default());
    let mut times = Vec::new();
    for index in 0..exam.count {
        let sample = draw(index);
        let start = Instant::now();
        let answer = model.answer(&mut session, &sample.prompt);
        times.push(start.elapsed());
        let right = answer.tokens == sample.answer;
        score.add(right);
        if answer.probability > 0.99 {
            sure.add(right);
        } else {
            unsure.add(right);
        }
        see(&sample, &answer.tokens);
        if exam.compare {
            agreed.add(model.answer(&mut floats, &sample.prompt).tokens == answer.tokens);
        }
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    println!("{task}: {score}; p50 {:.0} us, p99 {:.0} us", micros(at(0.5)), micros(at(0.99)));
    println!("    probability above 0.99: {sure}; below: {unsure}");
    if exam.compare {
        println!("    as with 32-bit floats: {agreed}");
    }
    score
}

/// Prints how long an answer takes on each kernel that this processor has.
pub(crate) fn speeds(model: &Model, exam: &Exam) {
    for backend in Backend::ALL.into_iter().filter(|backend| backend.available()) {
        let mut session = model.session_on(backend, Precision::Int8);
        let mut median = |draw: &dyn Fn(u64) -> Sample| {
            let mut times: Vec<_> = (0..500)
                .map(|index| {
                    let sample = draw(index);
                    let start = Instant::now();
                    let _ = model.answer(&mut session, &sample.prompt);
                    start.elapsed()
                })
                .collect();
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64() * 1e6
        };
        // Replies, which are the long answers.
        let ping = median(&|index| samples::ping(exam.seed, index, 100));
        let triage = median(&|index| triage::sample(exam.seed, index));
        println!("p50 on {}: ping {ping:.0} us, triage {triage:.0} us", backend.name());
    }
}

/// Reads the model that is to be examined: a file, or the one in this program.
pub(crate) fn model(path: Option<&std::path::Path>) -> Result<Model, ModelError> {
    path.map_or_else(Model::embedded, Model::from_file)
}

/// A triage model that always drops would score this: what a figure above must beat.
pub(crate) fn always_drop(exam: &Exam) {
    let mut score = Score::default();
    for index in 0..exam.count {
        score.add(triage::sample(exam.seed, index).answer == tokens::symbolic_answer(ActionKind::Drop));
    }
    println!("triage by always-drop: {score}");
}

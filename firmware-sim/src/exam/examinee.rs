//! Who is examined: a backend behind one small trait.

use super::ExamError;
use llm_slowpath::{BackendError, BackendSpec, HttpError, Question, Spoken, Style};
use serde::Serialize;
use std::time::Duration;

/// How long a server may take for one answer: the ping experiment's deadline.
const TIMEOUT: Duration = Duration::from_secs(90);

/// What is told about an examinee beside its results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// As `--backend` names it.
    pub name: String,
    /// How many parameters, where that is known.
    pub parameters: Option<u64>,
    /// What the prompt tells it beyond the bare question.
    pub hints: String,
    /// How it came to know what it knows.
    pub training: String,
    /// In one line: sizes, hash, kernel.
    pub details: String,
    /// Does it compute in this process? Then its CPU time is measured, and no packet has a price.
    pub in_process: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The examinee has no prompt for the question.
    Unasked,
    /// It said something, but no answer: what is wrong with it.
    Unusable(String),
    /// It could not be asked.
    Failed(String),
}

/// One who answers questions.
pub trait Examinee {
    /// What is told about it.
    fn about(&self) -> About;

    /// Answers.
    ///
    /// # Errors
    /// See [`NoAnswer`].
    fn ask(&mut self, question: &Question<'_>) -> Result<Spoken, NoAnswer>;
}

/// Sets up the examinee that `--backend` names. To a server nothing is sent yet.
pub(super) fn open(spec: &BackendSpec) -> Result<Box<dyn Examinee>, ExamError> {
    let mut backend = spec.examinee()?;
    let name = spec.to_string();
    let about = match backend.embedded() {
        Some(embedded) => About {
            name,
            parameters: Some(embedded.parameters() as u64),
            hints: "triage, repair: what the classifier found; ping_delta: the verdicts on both checksums; \
                    ping_full: none; by_example: a request's bytes are numbered, and the answer is a template from which \
                    code makes the reply. Decoding allows well-formed answers only"
                .into(),
            training: "from scratch for these tasks, on generated samples of the training split".into(),
            details: embedded.describe(),
            in_process: true,
        },
        None => About {
            name,
            parameters: None,
            hints: hints(spec),
            training: "a general model, not trained for these tasks as far as is known".into(),
            details: "over HTTP: latency includes the network and the server's queue".into(),
            in_process: false,
        },
    };
    Ok(Box::new(Opened { about, backend }))
}

/// What a prompt tells a model behind a server.
fn hints(spec: &BackendSpec) -> String {
    let calculates = spec.http_config().is_some_and(|config| config.style == Style::Tools);
    let tools = if calculates { ". It may call a tool that computes checksums" } else { "" };
    format!(
        "all tasks: their rules in words; triage, repair: what the classifier found; ping_full, by_example: no checksum, \
         sum or verdict{tools}"
    )
}

/// Any backend.
struct Opened {
    about: About,
    backend: llm_slowpath::Examinee,
}

impl Examinee for Opened {
    fn about(&self) -> About {
        self.about.clone()
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Spoken, NoAnswer> {
        match self.backend.ask(question, TIMEOUT) {
            Ok(spoken) => spoken.ok_or(NoAnswer::Unasked),
            // The model's doing.
            Err(
                error @ (BackendError::Decode(_)
                | BackendError::Rounds(_)
                | BackendError::Http(HttpError::Refusal(_) | HttpError::CutOff)),
            ) => Err(NoAnswer::Unusable(error.to_string())),
            Err(error) => Err(NoAnswer::Failed(error.to_string())),
        }
    }
}

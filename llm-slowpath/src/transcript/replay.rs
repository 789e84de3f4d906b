//! A backend that answers from a transcript.

use super::redact::restore;
use super::{Line, Tokens, TranscriptError, read};
use crate::backend::{self, BackendAnswer, LocalBackend, Request};
use crate::error::BackendError;
use crate::prompt::canonical::Canonical;
use crate::prompt::{PromptOptions, text};
use stack::Anomaly;
use std::collections::HashMap;
use std::path::Path;

/// Answers what a model answered when the transcript was recorded, to the same prompts. Where a prompt was answered several
/// times, the answers come in their order, again and again.
///
/// Frame prompts hold pseudonyms: they are the same only with the secret of the run that was recorded.
#[derive(Debug)]
pub struct Replay {
    answers: HashMap<String, Recorded>,
    options: PromptOptions,
}

#[derive(Debug, Default)]
struct Recorded {
    answers: Vec<(String, Tokens)>,
    next: usize,
}

impl Replay {
    /// Reads a transcript, whose prompts were made with these options.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged, foreign or of another version.
    pub fn open(path: &Path, options: PromptOptions) -> Result<Self, TranscriptError> {
        let mut answers = HashMap::<String, Recorded>::new();
        for Line { prompt, answer, tokens, .. } in read(path)? {
            answers.entry(prompt).or_default().answers.push((answer, tokens));
        }
        Ok(Self { answers, options })
    }
}

impl LocalBackend for Replay {
    fn asks_by_class(&self, reason: Anomaly) -> bool {
        text::is_class_prompt(reason, &self.options)
    }

    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError> {
        let Request { diverted, frame } = request;
        let user = text::frame_part(diverted, frame, &self.options).map_err(BackendError::Frame)?;
        let prompt = Canonical::of(text::system(), &user, diverted.nonce, diverted.boundary);
        let Some(recorded) = self.answers.get_mut(&prompt.hash) else {
            return Err(BackendError::NotRecorded { prompt: prompt.hash });
        };
        // Each hash of the map has an answer.
        let (answer, Tokens { read, written }) = recorded.answers[recorded.next].clone();
        let tokens = backend::Tokens { read, cached: 0, written };
        recorded.next = (recorded.next + 1) % recorded.answers.len();
        backend::read(request, &restore(&answer, diverted.nonce), tokens)
    }
}

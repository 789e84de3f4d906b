//! The embedded model as a backend: a diverted frame in, an untrusted action out.

use crate::answer::OwnedAction;
use crate::model::{Decoded, Model, ModelError, Session};
use crate::prompt::tokens::{self, Prompt};
use stack::{ActionKind, Anomaly, ClassKey, Diverted};
use std::path::Path;

/// The embedded model and the memory that it works in.
#[derive(Debug)]
pub struct Embedded {
    model: Model,
    session: Session,
}

/// What the embedded model answers.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddedAnswer {
    /// What to do. Untrusted, like every answer.
    pub action: OwnedAction,
    /// How probable the model holds it, among the answers that the grammar allows.
    pub probability: f32,
    /// Tokens read.
    pub prompt_tokens: u32,
    /// Tokens written, with the end token.
    pub answer_tokens: u32,
}

impl Embedded {
    /// The model that is part of this program.
    ///
    /// # Errors
    /// None, unless the program was built with a damaged file.
    pub fn new() -> Result<Self, ModelError> {
        Ok(Self::from(Model::embedded()?))
    }

    /// A model from a file.
    ///
    /// # Errors
    /// If the file cannot be read, is foreign, damaged, or of another version.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        Ok(Self::from(Model::from_file(path)?))
    }

    /// Answers for one diverted frame.
    pub fn answer(&mut self, diverted: &Diverted, frame: &[u8]) -> EmbeddedAnswer {
        let prompt = prompt(&diverted.class, frame);
        let Decoded { tokens, probability } = self.complete(&prompt);
        EmbeddedAnswer {
            action: action(&tokens),
            probability,
            prompt_tokens: prompt.len() as u32,
            answer_tokens: tokens.len() as u32,
        }
    }

    /// The most probable answer to any prompt.
    pub fn complete(&mut self, prompt: &Prompt) -> Decoded {
        self.model.answer(&mut self.session, prompt)
    }

    /// How many parameters the model has.
    pub const fn parameters(&self) -> usize {
        self.model.parameters()
    }

    /// One line for reports: sizes, hash, training, kernel.
    pub fn describe(&self) -> String {
        format!("{}; int8 on {}", self.model.describe(), self.session.backend().name())
    }
}

impl From<Model> for Embedded {
    fn from(model: Model) -> Self {
        Self { session: model.session(), model }
    }
}

/// The prompt for a frame: the ping task for echo requests that were diverted as such or for their
/// checksum, otherwise the class key.
pub fn prompt(key: &ClassKey, frame: &[u8]) -> Prompt {
    let ping = matches!(key.reason, Anomaly::EchoRequest | Anomaly::IcmpChecksum);
    ping.then(|| tokens::ping_prompt(frame)).flatten().unwrap_or_else(|| tokens::triage_prompt(key))
}

/// What an answer says. Decoding keeps to the grammar, so it always says something.
pub fn action(answer: &[u8]) -> OwnedAction {
    let kind = answer.first().and_then(|&token| tokens::action_of(token));
    match (kind, answer) {
        (Some(ActionKind::EchoReply), [_, digits @ .., tokens::EOS]) => {
            tokens::echo_delta(digits).map_or(OwnedAction::Symbolic(ActionKind::Drop), OwnedAction::EchoReply)
        }
        (Some(kind), _) => OwnedAction::Symbolic(kind),
        (None, _) => OwnedAction::Symbolic(ActionKind::Drop),
    }
}

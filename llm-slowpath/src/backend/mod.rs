//! Backends: what turns a diverted frame into an answer, in this process or over HTTP.

pub mod embedded;
mod examinee;
pub mod openai;
mod spec;

pub use embedded::{Embedded, PingTask};
pub use examinee::Examinee;
pub use openai::{OpenAi, OpenAiConfig};
pub use spec::BackendSpec;

use crate::answer::OwnedAction;
use crate::error::BackendError;
use crate::model::MAX_BATCH;
use crate::prompt::decode::{DecodeError, Decoded, decode};
use crate::prompt::schema::{Form, REASON};
use crate::question::Said;
use embedded::EmbeddedAnswer;
use stack::answer::Advice;
use stack::{ActionKind, Anomaly, Diverted};

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The diverted frame's description.
    pub diverted: Diverted,
    /// A copy of the frame.
    pub frame: Vec<u8>,
}

/// What the model said, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct BackendAnswer {
    /// The nonce, as the model echoed it.
    pub nonce: u32,
    /// The reason, as the model echoed it.
    pub reason: Anomaly,
    /// What to do.
    pub action: OwnedAction,
    /// How far the answer reaches and how long it holds, if the backend says so. For rules to come; approval does not
    /// look at it.
    pub advice: Option<Advice>,
    /// How sure the model is, where the backend knows.
    pub probability: Option<f32>,
    /// Tokens that the model read; 0 where the backend does not say.
    pub prompt_tokens: u32,
    /// Tokens that the model wrote; 0 where the backend does not say.
    pub answer_tokens: u32,
}

/// A model that computes in the calling thread. The service gives it a thread of its own.
pub trait LocalBackend: Send {
    /// Answers one question. It cannot be interrupted, so it should take milliseconds.
    ///
    /// # Errors
    /// Whatever the model cannot answer.
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError>;

    /// How many questions it likes to be asked at once, if so many wait.
    fn batch(&self) -> usize {
        1
    }

    /// Answers several questions. `done` gets each answer as soon as there is one, with its question's number.
    fn answer_batch(
        &mut self,
        requests: &[Request],
        done: &mut dyn FnMut(usize, Result<BackendAnswer, BackendError>),
    ) {
        for (at, request) in requests.iter().enumerate() {
            done(at, self.answer(request));
        }
    }
}

/// The embedded model is not asked for the nonce and the reason: its prompts have no words for the one,
/// and its answers none for the other. They are those of the request.
impl LocalBackend for Embedded {
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError> {
        Ok(answer(request, Self::answer(self, &request.diverted, &request.frame)))
    }

    fn batch(&self) -> usize {
        MAX_BATCH
    }

    fn answer_batch(
        &mut self,
        requests: &[Request],
        done: &mut dyn FnMut(usize, Result<BackendAnswer, BackendError>),
    ) {
        let frames = requests.iter().map(|request| (&request.diverted, &request.frame[..]));
        Self::answer_batch(self, frames, |at, said| done(at, Ok(answer(&requests[at], said))));
    }
}

fn answer(request: &Request, said: EmbeddedAnswer) -> BackendAnswer {
    BackendAnswer {
        nonce: request.diverted.nonce,
        reason: request.diverted.reason(),
        action: said.action,
        advice: said.advice,
        probability: Some(said.probability),
        prompt_tokens: said.prompt_tokens,
        answer_tokens: said.answer_tokens,
    }
}

/// The two ways to get an answer.
pub enum Backend {
    /// In this process.
    Local(Box<dyn LocalBackend>),
    /// An OpenAI-compatible server.
    OpenAi(OpenAi),
}

impl std::fmt::Debug for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(_) => f.write_str("Local"),
            Self::OpenAi(openai) => openai.fmt(f),
        }
    }
}

impl From<OpenAi> for Backend {
    fn from(openai: OpenAi) -> Self {
        Self::OpenAi(openai)
    }
}

impl<B: LocalBackend + 'static> From<B> for Backend {
    fn from(backend: B) -> Self {
        Self::Local(Box::new(backend))
    }
}

/// What a general model wrote, as an answer.
pub(crate) fn read(request: &Request, text: &str, tokens: (u32, u32)) -> Result<BackendAnswer, BackendError> {
    let Decoded { nonce, reason, said } = decode(Form::of(request.diverted.reason()), text)?;
    let action = match said {
        Said::Triage(kind, _) => OwnedAction::Symbolic(kind),
        Said::PingDelta(Some(delta)) => OwnedAction::EchoReply(delta),
        // The last three are answers to the exam alone.
        Said::PingDelta(None) | Said::Repair(_) | Said::PingFull(_) | Said::Example(_) => {
            OwnedAction::Symbolic(ActionKind::Drop)
        }
    };
    Ok(BackendAnswer {
        nonce,
        reason: reason.ok_or(DecodeError::MissingKey(REASON))?,
        action,
        advice: None,
        probability: None,
        prompt_tokens: tokens.0,
        answer_tokens: tokens.1,
    })
}

//! Backends: what turns a diverted frame into an answer, in this process or over HTTP.

pub mod embedded;
pub mod openai;
mod spec;

pub use embedded::Embedded;
pub use openai::{OpenAi, OpenAiConfig};
pub use spec::BackendSpec;

use crate::answer::OwnedAction;
use crate::error::BackendError;
use crate::prompt::{decode, schema::Task};
use stack::{Anomaly, Diverted};

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
}

/// The embedded model is not asked for the nonce and the reason: its prompts have no words for the one,
/// and its answers none for the other. They are those of the request.
impl LocalBackend for Embedded {
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError> {
        let said = Self::answer(self, &request.diverted, &request.frame);
        Ok(BackendAnswer {
            nonce: request.diverted.nonce,
            reason: request.diverted.reason(),
            action: said.action,
            probability: Some(said.probability),
            prompt_tokens: said.prompt_tokens,
            answer_tokens: said.answer_tokens,
        })
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
    let decoded = decode::decode(Task::of(request.diverted.reason()), text)?;
    Ok(BackendAnswer {
        nonce: decoded.nonce,
        reason: decoded.reason,
        action: decoded.action,
        probability: None,
        prompt_tokens: tokens.0,
        answer_tokens: tokens.1,
    })
}

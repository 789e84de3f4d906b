//! Backends: what turns a diverted frame into an answer, in this process or over HTTP.

pub mod embedded;
mod examinee;
pub mod http;
mod meter;
mod retry;
mod spec;
pub mod tools;
mod wire;

pub use embedded::{Embedded, PingTask};
pub use examinee::Examinee;
pub use http::{HttpBackend, HttpConfig};
pub use meter::Meter;
pub use retry::RetryPolicy;
pub use spec::{BackendSpec, Setup};
pub use wire::{Dialect, Style};

use crate::answer::OwnedAction;
use crate::error::BackendError;
use crate::model::MAX_BATCH;
use crate::price::Usage;
use crate::prompt::decode::{DecodeError, Decoded, decode};
use crate::prompt::schema::{Form, REASON};
use crate::question::Said;
use embedded::EmbeddedAnswer;
use stack::answer::Advice;
use stack::{ActionKind, Anomaly, Diverted};
use std::fmt;
use std::sync::Arc;
pub(crate) use wire::Tokens;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The diverted frame's description.
    pub diverted: Diverted,
    /// A copy of the frame.
    pub frame: Arc<[u8]>,
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
    /// Those of them that the server had kept from an earlier prompt; 0 where the backend does not say.
    pub cached_tokens: u32,
    /// Tokens that the model wrote; 0 where the backend does not say.
    pub answer_tokens: u32,
}

impl BackendAnswer {
    /// Its tokens.
    pub(crate) const fn usage(&self) -> Usage {
        let Self { prompt_tokens, cached_tokens, answer_tokens, .. } = *self;
        Usage { prompt_tokens, cached_tokens, answer_tokens, cpu: std::time::Duration::ZERO }
    }
}

/// A model that computes in the calling thread. The service gives it a thread of its own.
pub trait LocalBackend: Send {
    /// Answers one question. It cannot be interrupted, so it should take milliseconds.
    ///
    /// # Errors
    /// Whatever the model cannot answer.
    fn answer(&mut self, request: &Request) -> Result<BackendAnswer, BackendError>;

    /// Does it ask about frames of this reason by class key alone, so that the answer serves the class?
    fn asks_by_class(&self, reason: Anomaly) -> bool {
        Form::of(reason) == Form::Triage
    }

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

    fn asks_by_class(&self, reason: Anomaly) -> bool {
        embedded::asks_by_class(reason)
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
        cached_tokens: 0,
        answer_tokens: said.answer_tokens,
    }
}

/// The two ways to get an answer.
pub enum Backend {
    /// In this process.
    Local(Box<dyn LocalBackend>),
    /// A model server.
    Http(HttpBackend),
}

impl Backend {
    /// Does it compute in this process?
    pub const fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    /// How many questions it likes to be asked at once.
    pub fn batch(&self) -> usize {
        match self {
            Self::Local(backend) => backend.batch(),
            Self::Http(_) => 1,
        }
    }

    /// See [`LocalBackend::asks_by_class`].
    pub fn asks_by_class(&self, reason: Anomaly) -> bool {
        match self {
            Self::Local(backend) => backend.asks_by_class(reason),
            Self::Http(http) => http.asks_by_class(reason),
        }
    }
}

/// What reports call a backend that has no other name.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local(_) => "local",
            Self::Http(_) => "http",
        })
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(_) => f.write_str("Local"),
            Self::Http(http) => http.fmt(f),
        }
    }
}

impl From<HttpBackend> for Backend {
    fn from(http: HttpBackend) -> Self {
        Self::Http(http)
    }
}

impl<B: LocalBackend + 'static> From<B> for Backend {
    fn from(backend: B) -> Self {
        Self::Local(Box::new(backend))
    }
}

/// What a general model wrote, as an answer.
pub(crate) fn read(request: &Request, text: &str, tokens: Tokens) -> Result<BackendAnswer, BackendError> {
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
        prompt_tokens: tokens.read,
        cached_tokens: tokens.cached,
        answer_tokens: tokens.written,
    })
}

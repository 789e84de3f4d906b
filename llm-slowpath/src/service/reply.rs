//! What the owner gets back about each frame that the service took.

use crate::answer::OwnedAnswer;
use crate::error::SlowPathError;
use crate::price::Cost;
use stack::{ClassKey, DivertId};
use std::time::Instant;

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The diverted frame.
    pub id: DivertId,
    /// The untrusted answer, or why there is none.
    pub answer: Result<OwnedAnswer, SlowPathError>,
    /// When it happened.
    pub times: Times,
    /// How sure the model is, where the backend knows.
    pub probability: Option<f32>,
    /// Tokens that the model read; 0 without an answer.
    pub prompt_tokens: u32,
    /// Tokens that the model wrote; 0 without an answer.
    pub answer_tokens: u32,
    /// Which backend of the cascade was the last to be asked about this very frame; `None`: none was.
    pub tier: Option<usize>,
    /// The canonical hash of the last prompt about this very frame, if a model server was asked.
    pub prompt: Option<String>,
    /// What this frame has cost.
    pub cost: Cost,
    /// A hash of the frame, where a backend was asked about its class; else 0.
    pub frame: u64,
    /// The class that the answer serves, if it was asked for by class alone.
    pub class: Option<ClassKey>,
}

/// The instants of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Submitted.
    pub queued: Instant,
    /// The last backend was asked; `None` if none was.
    pub started: Option<Instant>,
    /// The reply was made.
    pub finished: Instant,
}

//! Tokens of the embedded models: the one vocabulary that training and inference share.
//!
//! Where a model must calculate, a header is spelt in hex digits, one token each, because digits make carries
//! learnable; where it must copy, a byte is one token. Everything else is a word of its own.

pub mod decide;
pub mod example;
pub mod ping;
mod vocabulary;

pub use decide::{repair_answer, repair_of, repair_prompt, triage_answer, triage_of, triage_prompt};
pub use example::{example_prompt, template_answer, template_of};
pub use ping::{delta_answer, delta_of, delta_prompt, frame_answer, frame_of, frame_prompt};
pub use vocabulary::*;

use heapless::Vec;
use std::ops::Range;

/// No prompt has more tokens.
pub const MAX_PROMPT: usize = 108;
/// No answer has more tokens, with its [`EOS`].
pub const MAX_ANSWER: usize = 105;
/// No prompt and answer together have more tokens, nor a place beyond this.
pub const MAX_TOKENS: usize = MAX_PROMPT + MAX_ANSWER;

/// What a model is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// From a class key: action, scope and lifetime.
    Triage,
    /// From faults and the operator's powers: what to put right.
    Repair,
    /// From an echo request's headers and the verdicts on its checksums: the reply's changed header digits.
    PingDelta,
    /// From a whole echo request, without any hint: the whole reply.
    PingFull,
    /// From exchanges of an unknown protocol: what each byte of its replies is.
    Example,
}

impl Task {
    /// Every task.
    pub const ALL: [Self; 5] = [Self::Triage, Self::Repair, Self::PingDelta, Self::PingFull, Self::Example];

    /// The stable printed name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Repair => "repair",
            Self::PingDelta => "ping_delta",
            Self::PingFull => "ping_full",
            Self::Example => "by_example",
        }
    }

    /// The token that names it, second in each of its prompts.
    pub const fn token(self) -> u16 {
        match self {
            Self::Triage => TRIAGE,
            Self::Repair => REPAIR,
            Self::PingDelta => PING_DELTA,
            Self::PingFull => PING_FULL,
            Self::Example => EXAMPLE,
        }
    }
}

/// A prompt. Each token has a place, which rises from token to token and may skip some: what is copied then stands
/// at the same distance from its copy, however long the text between the two is. The answer follows the last place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    task: Task,
    tokens: Vec<u16, MAX_PROMPT>,
    places: Vec<u8, MAX_PROMPT>,
}

impl Prompt {
    /// A prompt that holds [`BOS`] and the task.
    pub(crate) fn new(task: Task) -> Self {
        let mut prompt = Self { task, tokens: Vec::new(), places: Vec::new() };
        prompt.push(BOS);
        prompt.push(task.token());
        prompt
    }

    /// Appends a token at the next place. Every prompt has room for what its task appends.
    pub(crate) fn push(&mut self, token: u16) {
        let place = self.places.last().map_or(0, |last| usize::from(*last) + 1);
        self.push_at(token, place);
    }

    /// Appends a token at a place beyond the last one's.
    pub(crate) fn push_at(&mut self, token: u16, place: usize) {
        debug_assert!(self.places.last().is_none_or(|last| usize::from(*last) < place) && place < MAX_TOKENS);
        let pushed = self.tokens.push(token).is_ok() && self.places.push(place as u8).is_ok();
        debug_assert!(pushed, "no room in a prompt");
    }

    /// Appends tokens.
    pub(crate) fn extend(&mut self, tokens: impl IntoIterator<Item = u16>) {
        tokens.into_iter().for_each(|token| self.push(token));
    }

    /// What is asked for.
    pub const fn task(&self) -> Task {
        self.task
    }

    /// The tokens.
    pub fn tokens(&self) -> &[u16] {
        &self.tokens
    }

    /// The place of each token.
    pub fn places(&self) -> &[u8] {
        &self.places
    }
}

/// An answer, with its [`EOS`].
pub type AnswerTokens = Vec<u16, MAX_ANSWER>;

/// The tokens that may come next in an answer.
pub type Choices = Vec<Range<u16>, 4>;

/// The tokens that may follow `answer` in the reply to a prompt of this task: never none. Decoding considers no
/// other, so every answer parses.
pub fn choices(task: Task, answer: &[u16]) -> Choices {
    let mut choices = Choices::new();
    // Four ranges are more than any place offers.
    let mut offer = |range: Range<u16>| drop(choices.push(range));
    match task {
        Task::Triage => decide::triage_choices(answer, &mut offer),
        Task::Repair => decide::repair_choices(answer, &mut offer),
        Task::PingDelta => ping::delta_choices(answer, &mut offer),
        Task::PingFull => ping::frame_choices(answer, &mut offer),
        Task::Example => example::choices(answer, &mut offer),
    }
    if choices.is_empty() {
        let _ = choices.push(EOS..EOS + 1);
    }
    choices
}

/// May `next` follow `answer`?
pub fn legal(task: Task, answer: &[u16], next: u16) -> bool {
    choices(task, answer).iter().any(|range| range.contains(&next))
}

#[cfg(test)]
pub(crate) fn assert_legal(task: Task, answer: &[u16]) {
    for at in 0..answer.len() {
        assert!(legal(task, &answer[..at], answer[at]), "{task:?} {at}: {answer:?}");
        assert!(!legal(task, &answer[..at], PAD));
    }
    assert_eq!(answer.last(), Some(&EOS));
}

//! Questions that any backend can be asked, and what it can say: the common ground of the slow path and the exam.

use crate::prompt::tokens::{self, Prompt, Task};
use stack::answer::{Advice, Fixes};
use stack::{ActionKind, Anomaly, ClassKey, EchoDelta};

/// One request and its reply, as bytes.
pub type Exchange = (Vec<u8>, Vec<u8>);

/// A question. [`Task`] says what each is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// Which action, scope and lifetime for this class of frames?
    Triage(&'a ClassKey),
    /// What must be put right, if this much is allowed?
    Repair {
        /// The operator's powers.
        allowed: Fixes,
        /// The frame's faults from the outermost inwards.
        faults: &'a [Anomaly],
    },
    /// Which header fields has the reply to this echo request (an Ethernet frame)?
    PingDelta(&'a [u8]),
    /// Which frame is the reply to this echo request (an Ethernet frame)?
    PingFull(&'a [u8]),
    /// What is the reply to the request, going by the exchanges?
    Example {
        /// Requests and their replies.
        exchanges: &'a [Exchange],
        /// The request that is to be answered.
        request: &'a [u8],
    },
}

impl Question<'_> {
    /// The task that it belongs to.
    pub const fn task(&self) -> Task {
        match self {
            Self::Triage(_) => Task::Triage,
            Self::Repair { .. } => Task::Repair,
            Self::PingDelta(_) => Task::PingDelta,
            Self::PingFull(_) => Task::PingFull,
            Self::Example { .. } => Task::Example,
        }
    }

    /// The embedded models' prompt. `None`: none can say it (an echo request with options, a message that is too long).
    pub fn tokens(&self) -> Option<Prompt> {
        match self {
            Self::Triage(key) => Some(tokens::triage_prompt(key)),
            Self::Repair { allowed, faults } => Some(tokens::repair_prompt(*allowed, faults)),
            Self::PingDelta(frame) => tokens::delta_prompt(frame),
            Self::PingFull(frame) => tokens::frame_prompt(frame),
            Self::Example { exchanges, .. } => tokens::example_prompt(&borrowed(exchanges)),
        }
    }
}

/// Exchanges as prompts and answers take them.
pub(crate) fn borrowed(exchanges: &[Exchange]) -> Vec<(&[u8], &[u8])> {
    exchanges.iter().map(|(request, reply)| (&request[..], &reply[..])).collect()
}

/// What a backend says. Untrusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// To [`Question::Triage`]. General models advise nothing unless the exam asks them.
    Triage(ActionKind, Option<Advice>),
    /// To [`Question::Repair`]; `None` is to drop the frame.
    Repair(Option<Fixes>),
    /// To [`Question::PingDelta`]; `None` is to drop the request.
    PingDelta(Option<EchoDelta>),
    /// To [`Question::PingFull`]: a whole Ethernet frame.
    PingFull(Vec<u8>),
    /// To [`Question::Example`]: the reply; `None` where what was said makes none.
    Example(Option<Vec<u8>>),
}

/// What a backend says, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    /// What it says.
    pub said: Said,
    /// How sure it is, where the backend knows.
    pub probability: Option<f32>,
    /// Tokens read; 0 where the backend does not say.
    pub prompt_tokens: u32,
    /// Tokens written; 0 where the backend does not say.
    pub answer_tokens: u32,
}

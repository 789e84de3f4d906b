//! How the slow path fails: every way a request can end without an answer.

use crate::middleware::budget::Overspent;
use crate::prompt::decode::DecodeError;

/// Why [`crate::Service::submit`] took nothing: a result like another, and counted. The deterministic default for the
/// reason acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum Refused {
    /// As many frames of the class wait for its answer as may (single-flight).
    #[error("as many frames of its class wait as may")]
    ClassFull,
    /// The class failed lately and is left alone for a while (negative cache).
    #[error("its class failed lately")]
    ClassFailing,
    /// The hour's budget, or the reason's share of it, is spent.
    #[error("the budget is spent")]
    Spent,
    /// The answer would cost more than it is worth, or the rest of the budget is kept for answers that are worth more.
    #[error("the answer is not worth its price")]
    NotWorthIt,
    /// The first backend that might have been asked has failed lately and is left alone for a while (circuit breaker); so
    /// is each that is behind it, or refuses for another reason.
    #[error("the backend's circuit breaker is open")]
    BreakerOpen,
    /// The backend has as many requests as it may (limiter).
    #[error("the backend has as many requests as it may")]
    Busy,
    /// As many replies wait for the owner as may.
    #[error("as many replies wait as may")]
    RepliesFull,
    /// The service has been stopped, or its thread has ended.
    #[error("the slow path is stopped")]
    Stopped,
}

impl Refused {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::ClassFull,
        Self::ClassFailing,
        Self::Spent,
        Self::NotWorthIt,
        Self::BreakerOpen,
        Self::Busy,
        Self::RepliesFull,
        Self::Stopped,
    ];

    /// Is it what the operator wants, and no failure of the slow path?
    pub const fn is_policy(self) -> bool {
        matches!(self, Self::Spent | Self::NotWorthIt)
    }

    /// The stable printed name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClassFull => "class_full",
            Self::ClassFailing => "class_failing",
            Self::Spent => "budget_spent",
            Self::NotWorthIt => "not_worth_it",
            Self::BreakerOpen => "breaker_open",
            Self::Busy => "busy",
            Self::RepliesFull => "replies_full",
            Self::Stopped => "stopped",
        }
    }
}

impl From<Overspent> for Refused {
    fn from(overspent: Overspent) -> Self {
        match overspent {
            Overspent::Spent => Self::Spent,
            Overspent::NotWorthIt => Self::NotWorthIt,
        }
    }
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A queue of no requests, a channel of no replies or no request at a time.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    /// A cascade without a backend.
    #[error("no backend: name at least one")]
    NoBackend,
    /// The operating system refused a thread or the runtime's descriptors.
    #[error("cannot start the slow path's thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// Why an accepted request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlowPathError {
    /// Its time was up: [`crate::service::Times::started`] tells whether the model was asked.
    #[error("no answer in time")]
    Deadline,
    /// The backend was asked and failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The last backend that was asked held its answer less probable than its threshold.
    #[error("the model is unsure")]
    Unsure,
    /// The frame waited for the answer to another of its class, which there was none to, or which was rejected.
    #[error("the frame of its class that was asked about got no answer that serves")]
    ClassFailed,
    /// The service was stopped first.
    #[error("the slow path was stopped")]
    Stopped,
}

/// Why a backend gave no answer. No variant ever holds a key or a whole response body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The frame is not what its reason says, so that there is nothing to ask.
    #[error("the diverted frame does not fit its reason: {0}")]
    Frame(&'static str),
    /// No prompt can say the exam's question.
    #[error("the question cannot be asked: {0}")]
    Question(&'static str),
    /// The transcript has no answer to this prompt.
    #[error(
        "no answer is recorded to prompt {prompt}: record a transcript with the same configuration, prompt options and \
             frames, or name a model as backend"
    )]
    NotRecorded {
        /// The prompt's canonical hash.
        prompt: String,
    },
    /// The model's code failed.
    #[error("the embedded model failed: {0}")]
    Model(String),
    /// The model's code panicked; the panic was caught.
    #[error("the backend panicked")]
    Panicked,
    /// The model answered, but not in the action language.
    #[error("the model's answer is unusable: {0}")]
    Decode(#[from] DecodeError),
    /// The model called tools in every one of so many replies, and proposed nothing.
    #[error("the model called tools {0} times over and proposed no answer")]
    Rounds(u32),
    /// The HTTP exchange failed.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// How an HTTP model server fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection: refused, unresolvable, or no agreement on TLS.
    #[error("cannot connect to the model server: {0}")]
    Connect(String),
    /// The connect timeout or the total timeout of the client was over.
    #[error("the model server did not answer in the client's time limit")]
    Timeout,
    /// The connection broke in the middle.
    #[error("the exchange with the model server broke off: {0}")]
    Broken(String),
    /// A status other than 200, redirects among them: none is followed.
    #[error("the model server answered {code}{}", note(.message))]
    Status {
        /// The status code.
        code: u16,
        /// What the server says about it, quoted and cut; empty where that might name the key.
        message: String,
    },
    /// Status 200, but the body is an error message: what it says, quoted and cut.
    #[error("the model server reports an error{}", note(.0))]
    Reported(String),
    /// The body is larger than any answer can be.
    #[error("the model server's response is longer than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// The body is no reply of the server's dialect.
    #[error("the model server's response is no reply to a chat: {0}")]
    Shape(String),
    /// The model, or a filter before it, declined to answer: the category that the server gives, if it does.
    #[error("the model refused to answer{}", note(.0))]
    Refusal(String),
    /// The answer stopped at the token limit.
    #[error("the model's answer was cut off at its token limit")]
    CutOff,
}

fn note(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// Why a backend cannot be set up at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// `--backend` names nothing that exists.
    #[error(
        "unknown backend `{0}`: use embedded[:FOLDER], openai:URL[#MODEL], ollama:URL#MODEL, anthropic:[URL][#MODEL] or transcript:FILE; openai+tools: \
             and so on for tool calling"
    )]
    UnknownBackend(String),
    /// The URL does not do.
    #[error("backend URL `{url}`: {problem}")]
    Url {
        /// The URL, without credentials.
        url: String,
        /// What is wrong with it, and the remedy.
        problem: &'static str,
    },
    /// The HTTP client cannot be made (no TLS roots, say).
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
    /// The weights that are part of this program are not good.
    #[error("the embedded weights: {0}: build the program anew from a clean checkout")]
    Weights(#[from] crate::model::ModelError),
    /// A file in a folder of weights is not good.
    #[error("{0}: name a folder that `make train` wrote, or leave it out for the embedded weights")]
    WeightsFolder(#[from] crate::backend::embedded::FolderError),
    /// The transcript is not good.
    #[error(transparent)]
    Transcript(#[from] crate::transcript::TranscriptError),
    /// A transcript holds no answers to the exam.
    #[error("a transcript cannot take the exam: name a model")]
    NoExaminee,
    /// The key holds a character that no HTTP header may hold.
    #[error("the key in {0} cannot be sent in an HTTP header: look for a line break in it")]
    Key(&'static str),
}

/// Model or server text in an error or a log: escaped, cut to [`quote::MAX`] characters.
pub(crate) mod quote {
    /// Longest quotation, in characters of the original.
    pub(crate) const MAX: usize = 80;

    /// `text`, escaped and cut.
    pub(crate) fn quote(text: &str) -> String {
        let mut quoted: String = text.chars().take(MAX).flat_map(char::escape_debug).collect();
        if text.chars().nth(MAX).is_some() {
            quoted.push_str("...");
        }
        quoted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_on_one_line() {
        let long = "line\n\u{1b}[31m".repeat(100);
        let quoted = quote::quote(&long);
        assert!(!quoted.contains(['\n', '\u{1b}']));
        assert!(quoted.ends_with("...") && quoted.len() < 10 * quote::MAX);
        assert_eq!(quote::quote("drop"), "drop");
    }

    #[test]
    fn errors_say_what_happened() {
        let status = HttpError::Status { code: 500, message: String::new() };
        assert_eq!(status.to_string(), "the model server answered 500");
        let error = SlowPathError::from(BackendError::from(HttpError::TooLarge { limit: 9 }));
        assert!(error.to_string().contains("longer than 9 bytes"));
    }
}

//! How the slow path fails: every way a request can end without an answer.

use crate::prompt::decode::DecodeError;

/// Why [`crate::Service::submit`] took nothing. The deterministic default for the reason acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The request queue holds as many requests as it may.
    #[error("the slow path's queue is full")]
    QueueFull,
    /// The service has been stopped, or its thread has ended.
    #[error("the slow path is stopped")]
    Stopped,
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A queue of no requests, a channel of no replies or no request at a time.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
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
    /// The model's code failed.
    #[error("the embedded model failed: {0}")]
    Model(String),
    /// The model's code panicked; the panic was caught.
    #[error("the backend panicked")]
    Panicked,
    /// The model answered, but not in the action language.
    #[error("the model's answer is unusable: {0}")]
    Decode(#[from] DecodeError),
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
    /// The body is larger than any answer can be.
    #[error("the model server's response is longer than {limit} bytes")]
    TooLarge {
        /// The most that is read.
        limit: usize,
    },
    /// The body is not a chat completion.
    #[error("the model server's response is no chat completion: {0}")]
    Shape(String),
    /// The model declined to answer (`refusal`, or a content filter).
    #[error("the model refused to answer")]
    Refusal,
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
    #[error("unknown backend `{0}`: use embedded[:FOLDER] or openai:URL[#MODEL]")]
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
    /// The key holds a character that no HTTP header may hold.
    #[error("the key in {0} cannot be sent in an HTTP header")]
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

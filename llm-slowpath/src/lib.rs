//! The slow path: prompts, backends, decoding, and the service that joins them to the router.
#![deny(unsafe_code)]

pub mod answer;
pub mod backend;
pub mod error;
pub mod metrics;
pub mod model;
pub mod prompt;
pub mod question;
pub mod service;

#[cfg(test)]
mod testing;

pub use answer::{OwnedAction, OwnedAnswer};
pub use backend::{
    Backend, BackendAnswer, BackendSpec, Embedded, Examinee, LocalBackend, OpenAi, OpenAiConfig, PingTask,
    Request,
};
pub use error::{BackendError, HttpError, Refused, SetupError, SlowPathError, StartError};
pub use metrics::{Latency, Snapshot};
pub use question::{Question, Said, Spoken};
pub use service::{Reply, Service, ServiceConfig, Times, Waker};

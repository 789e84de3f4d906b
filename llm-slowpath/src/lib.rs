//! The slow path: prompts, backends, decoding, and the service that joins them to the router.
#![deny(unsafe_code)]

pub mod answer;
pub mod backend;
pub mod error;
pub mod metrics;
pub mod model;
pub mod prompt;
pub mod service;

#[cfg(test)]
mod testing;

pub use answer::{OwnedAction, OwnedAnswer};
pub use backend::{
    Backend, BackendAnswer, BackendSpec, Embedded, LocalBackend, OpenAi, OpenAiConfig, Request,
};
pub use error::{BackendError, HttpError, Refused, SetupError, SlowPathError, StartError};
pub use metrics::{Latency, Snapshot};
pub use service::{Reply, Service, ServiceConfig, Times, Waker};

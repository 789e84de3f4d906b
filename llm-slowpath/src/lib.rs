//! The slow path: prompts, backends, decoding, and the service that joins them to the router.
#![deny(unsafe_code)]

pub mod answer;
pub mod backend;
pub mod buckets;
pub mod error;
pub mod metrics;
pub mod middleware;
pub mod model;
pub mod price;
pub mod prompt;
pub mod question;
pub mod service;
pub mod transcript;

#[cfg(test)]
mod testing;

pub use answer::{OwnedAction, OwnedAnswer};
pub use backend::{
    Backend, BackendAnswer, BackendSpec, Dialect, Embedded, Examinee, HttpBackend, HttpConfig, LocalBackend,
    Meter, PingTask, Request, RetryPolicy, Setup, Style,
};
pub use buckets::Buckets;
pub use error::{BackendError, HttpError, Refused, SetupError, SlowPathError, StartError};
pub use metrics::{Latency, Snapshot};
pub use price::{Cost, Price};
pub use question::{Question, Said, Spoken};
pub use service::{Cascade, Reply, Service, ServiceConfig, Tier, Times, Waker};

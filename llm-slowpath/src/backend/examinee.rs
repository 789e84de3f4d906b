//! A backend that takes the exam: one question at a time, in the calling thread, without the service around it.

use super::{Embedded, HttpBackend};
use crate::error::{BackendError, HttpError, SetupError};
use crate::question::{Question, Spoken};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// The one who is examined. [`super::BackendSpec::examinee`] makes it, as does `From` of a backend.
#[derive(Debug)]
pub struct Examinee(Seat);

#[derive(Debug)]
enum Seat {
    Embedded(Box<Embedded>),
    Http { http: Box<HttpBackend>, runtime: Runtime },
}

impl Examinee {
    /// Asks and waits for the answer. `Ok(None)`: this backend has no prompt for the question (an echo request with IP
    /// options, a frame or message that is too long), so that nothing was asked.
    ///
    /// `timeout` is for a server. The embedded model takes milliseconds and cannot be interrupted. Must not be called
    /// from within a tokio runtime, which would have to wait for itself.
    ///
    /// # Errors
    /// No usable answer: [`BackendError::Http`], [`HttpError::Timeout`] among it, or [`BackendError::Decode`].
    pub fn ask(
        &mut self,
        question: &Question<'_>,
        timeout: Duration,
    ) -> Result<Option<Spoken>, BackendError> {
        match &mut self.0 {
            Seat::Embedded(embedded) => Ok(embedded.ask(question)),
            Seat::Http { http, runtime } => {
                let deadline = Instant::now().checked_add(timeout);
                // The timeout is made inside, where its timer's runtime is.
                let answer = async { tokio::time::timeout(timeout, http.ask(question, deadline)).await };
                match runtime.block_on(answer) {
                    Ok(Ok(spoken)) => Ok(Some(spoken)),
                    Ok(Err(BackendError::Question(_))) => Ok(None),
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(HttpError::Timeout.into()),
                }
            }
        }
    }

    /// The embedded model, if it is that which is examined: for its size, its description and its batches.
    pub const fn embedded(&mut self) -> Option<&mut Embedded> {
        match &mut self.0 {
            Seat::Embedded(embedded) => Some(embedded),
            Seat::Http { .. } => None,
        }
    }
}

impl From<Embedded> for Examinee {
    fn from(embedded: Embedded) -> Self {
        Self(Seat::Embedded(Box::new(embedded)))
    }
}

impl TryFrom<HttpBackend> for Examinee {
    type Error = SetupError;

    /// Makes the runtime that its exchanges need: one thread, the caller's.
    fn try_from(http: HttpBackend) -> Result<Self, SetupError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| SetupError::Client(error.to_string()))?;
        Ok(Self(Seat::Http { http: Box::new(http), runtime }))
    }
}

//! One request's way through the service: its clock, its reply, and its one ending.

use crate::answer::OwnedAnswer;
use crate::backend::{BackendAnswer, Request};
use crate::error::{BackendError, SlowPathError};
use crate::metrics::{Ending, Metrics};
use stack::answer::Advice;
use stack::{DivertId, Source};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

/// Called after each reply, so that the owner loop may sleep in `poll()`.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What became of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The diverted frame.
    pub id: DivertId,
    /// The untrusted answer, or why there is none.
    pub answer: Result<OwnedAnswer, SlowPathError>,
    /// When it happened.
    pub times: Times,
    /// How far the answer reaches, where the backend says so.
    pub advice: Option<Advice>,
    /// How sure the model is, where the backend knows.
    pub probability: Option<f32>,
    /// Tokens that the model read; 0 without an answer.
    pub prompt_tokens: u32,
    /// Tokens that the model wrote; 0 without an answer.
    pub answer_tokens: u32,
}

/// The instants of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Submitted.
    pub queued: Instant,
    /// The backend was asked; `None` if it never was.
    pub started: Option<Instant>,
    /// The reply was made.
    pub finished: Instant,
}

/// Where replies go: what all tickets of one service share.
pub(crate) struct Outlet {
    replies: SyncSender<Reply>,
    waker: Option<Waker>,
    pub(crate) metrics: Metrics,
    pub(crate) stopping: AtomicBool,
}

impl Outlet {
    pub(crate) fn new(replies: SyncSender<Reply>, waker: Option<Waker>) -> Self {
        Self { replies, waker, metrics: Metrics::new(), stopping: AtomicBool::new(false) }
    }

    fn send(&self, reply: Reply) {
        let ending = match &reply.answer {
            Ok(_) => Ending::Answered,
            Err(SlowPathError::Backend(_)) => Ending::BackendError,
            Err(SlowPathError::Deadline) => Ending::Deadline,
            Err(SlowPathError::Stopped) => Ending::Stopped,
        };
        if let Some(started) = reply.times.started {
            self.metrics.took(started - reply.times.queued, reply.times.finished - started);
        }
        self.metrics.tokens(reply.prompt_tokens, reply.answer_tokens);
        let sent = self.replies.try_send(reply).is_ok();
        // A full channel is a reason to wake the owner, too.
        self.metrics.ended(if sent { ending } else { Ending::ReplyDropped });
        if let Some(wake) = &self.waker {
            wake();
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").field("metrics", &self.metrics.snapshot()).finish_non_exhaustive()
    }
}

/// A request on its way to the backend.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) ticket: Ticket,
}

/// The duty to reply. Dropped unused, it replies [`SlowPathError::Stopped`], or that the backend
/// panicked: so a request ends exactly once, on whatever way.
#[derive(Debug)]
pub(crate) struct Ticket {
    id: DivertId,
    queued: Instant,
    started: Option<Instant>,
    /// `None`: so far away that the clock cannot express it.
    deadline: Option<Instant>,
    outlet: Arc<Outlet>,
    replied: bool,
}

impl Ticket {
    pub(crate) fn new(id: DivertId, queued: Instant, budget: Duration, outlet: Arc<Outlet>) -> Self {
        Self { id, queued, started: None, deadline: queued.checked_add(budget), outlet, replied: false }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Notes that the backend is asked now, unless there is no point in it any more.
    pub(crate) fn begin(mut self) -> Option<Self> {
        let now = Instant::now();
        if self.outlet.stopping.load(Ordering::Relaxed) {
            return None;
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.reply(now, Err(SlowPathError::Deadline));
            return None;
        }
        self.started = Some(now);
        Some(self)
    }

    /// Replies what the backend said; whatever it says too late is a missed deadline.
    pub(crate) fn finish(mut self, result: Result<BackendAnswer, BackendError>) {
        let now = Instant::now();
        let late = self.deadline.is_some_and(|deadline| now >= deadline);
        self.reply(
            now,
            if late { Err(SlowPathError::Deadline) } else { result.map_err(SlowPathError::Backend) },
        );
    }

    /// The backend was given up at the deadline.
    pub(crate) fn expire(mut self) {
        self.reply(Instant::now(), Err(SlowPathError::Deadline));
    }

    fn reply(&mut self, finished: Instant, result: Result<BackendAnswer, SlowPathError>) {
        self.replied = true;
        let times = Times { queued: self.queued, started: self.started, finished };
        let mut reply = Reply {
            id: self.id,
            answer: Err(SlowPathError::Stopped),
            times,
            advice: None,
            probability: None,
            prompt_tokens: 0,
            answer_tokens: 0,
        };
        match result {
            Ok(BackendAnswer {
                nonce,
                reason,
                action,
                advice,
                probability,
                prompt_tokens,
                answer_tokens,
            }) => {
                // The id is the ticket's: a model is not asked for it.
                let answer = OwnedAnswer { id: self.id, nonce, reason, action, source: Source::Model };
                reply =
                    Reply { answer: Ok(answer), advice, probability, prompt_tokens, answer_tokens, ..reply };
            }
            Err(error) => {
                log::debug!("slow path: divert {}: {error}", self.id);
                reply.answer = Err(error);
            }
        }
        self.outlet.send(reply);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.replied {
            let panicked = std::thread::panicking();
            let error = if panicked { BackendError::Panicked.into() } else { SlowPathError::Stopped };
            self.reply(Instant::now(), Err(error));
        }
    }
}

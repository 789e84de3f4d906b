//! One request's way through a backend's thread: its clock, and its one ending.

use crate::backend::{BackendAnswer, Request};
use crate::error::{BackendError, SlowPathError};
use crate::middleware::Deadline;
use crate::price::Usage;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

/// Called when there is something to receive, so that the owner loop may sleep in `poll()`.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// What a backend's thread says about one request.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) tier: usize,
    pub(crate) serial: u64,
    pub(crate) result: Result<BackendAnswer, SlowPathError>,
    /// When the backend was asked; `None` if it never was.
    pub(crate) started: Option<Instant>,
    pub(crate) finished: Instant,
    pub(crate) work: Work,
}

/// What a request took, whether or not it came to an answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    /// The backend said something, be it too late.
    pub(crate) heard: bool,
    /// It had half of the request's time to answer, at least.
    pub(crate) had_a_chance: bool,
    /// A bound of the prompt's tokens, where the server counts them.
    pub(crate) tokens_at_most: u32,
    pub(crate) usage: Usage,
    pub(crate) retries: u32,
    /// The canonical hash of the prompt, if it was text.
    pub(crate) prompt: Option<String>,
}

/// Where endings go: what all tickets of one service share.
pub(crate) struct Outlet {
    done: SyncSender<Done>,
    waker: Option<Waker>,
    pub(crate) stopping: AtomicBool,
}

impl Outlet {
    /// `done` has room for everything that the limiters let pass: a ticket never finds it full.
    pub(crate) const fn new(done: SyncSender<Done>, waker: Option<Waker>) -> Self {
        Self { done, waker, stopping: AtomicBool::new(false) }
    }

    fn send(&self, done: Done) {
        if self.done.try_send(done).is_err() && !self.stopping.load(Ordering::Relaxed) {
            log::error!("slow path: an ending found no room");
        }
        if let Some(wake) = &self.waker {
            wake();
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet").finish_non_exhaustive()
    }
}

/// A request on its way to the backend.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) ticket: Ticket,
}

/// The duty to say how a request ended. Dropped unused, it says [`SlowPathError::Stopped`], or that the backend
/// panicked: so a request ends exactly once, on whatever way.
#[derive(Debug)]
pub(crate) struct Ticket {
    tier: usize,
    serial: u64,
    started: Option<Instant>,
    queued: Instant,
    deadline: Deadline,
    /// How long the backend usually takes, in microseconds.
    usual: Arc<AtomicU64>,
    work: Work,
    outlet: Arc<Outlet>,
    ended: bool,
}

impl Ticket {
    pub(crate) fn new(
        tier: usize,
        serial: u64,
        (queued, deadline): (Instant, Deadline),
        usual: Arc<AtomicU64>,
        outlet: Arc<Outlet>,
    ) -> Self {
        let work = Work::default();
        Self { tier, serial, started: None, queued, deadline, usual, work, outlet, ended: false }
    }

    /// Half of the time that there was for the request.
    fn half(&self) -> Option<Duration> {
        self.deadline.at().map(|at| at.saturating_duration_since(self.queued) / 2)
    }

    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline.at()
    }

    /// Notes that the backend is asked now, unless there is no point in it any more.
    pub(crate) fn begin(mut self) -> Option<Self> {
        let now = Instant::now();
        if self.outlet.stopping.load(Ordering::Relaxed) {
            return None;
        }
        // What has waited so long that it could hardly be answered in time would only keep others waiting. With half of
        // its time left it is always worth a try.
        let usual = Duration::from_micros(self.usual.load(Ordering::Relaxed));
        let least = self.half().map_or(Duration::ZERO, |half| half.min(usual));
        let left = self.deadline.at().map(|at| at.saturating_duration_since(now));
        if self.deadline.has_passed(now) || left.is_some_and(|left| left < least) {
            self.end(now, Err(SlowPathError::Deadline));
            return None;
        }
        self.started = Some(now);
        Some(self)
    }

    /// Says what the backend said and what it took; whatever comes too late is a missed deadline.
    pub(crate) fn finish(mut self, result: Result<BackendAnswer, BackendError>, work: Work) {
        let now = Instant::now();
        self.work = Work { heard: true, ..work };
        let late = self.deadline.has_passed(now);
        self.end(
            now,
            if late { Err(SlowPathError::Deadline) } else { result.map_err(SlowPathError::Backend) },
        );
    }

    /// The backend was given up at the deadline.
    pub(crate) fn expire(mut self, work: Work) {
        self.work = work;
        self.end(Instant::now(), Err(SlowPathError::Deadline));
    }

    fn end(&mut self, finished: Instant, result: Result<BackendAnswer, SlowPathError>) {
        self.ended = true;
        let Self { tier, serial, started, .. } = *self;
        let had = started.map(|started| finished.saturating_duration_since(started));
        let given_up = matches!(result, Err(SlowPathError::Deadline)) && !self.work.heard;
        let had_a_chance = had.is_some_and(|had| !given_up || self.half().is_none_or(|half| had >= half));
        let work = Work { had_a_chance, ..std::mem::take(&mut self.work) };
        self.outlet.send(Done { tier, serial, result, started, finished, work });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.ended {
            let panicked = std::thread::panicking();
            let error = if panicked { BackendError::Panicked.into() } else { SlowPathError::Stopped };
            self.end(Instant::now(), Err(error));
        }
    }
}

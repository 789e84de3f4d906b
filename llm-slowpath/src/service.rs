//! The service: joins the owner loop, which never waits, to a backend, which may take its time.
//!
//! One thread, two bounded channels. A full request queue refuses; a full reply channel drops the reply.
//! Whatever happens, each submitted request has one ending, counted in [`Snapshot`].

mod ticket;
mod worker;

pub use ticket::{Reply, Times, Waker};

use crate::backend::{Backend, Request};
use crate::error::{Refused, StartError};
use crate::metrics::{Ending, Snapshot};
use stack::Diverted;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use ticket::{Job, Outlet, Ticket};
use tokio::sync::{mpsc, watch};

/// How long [`Service::stop`] waits for a model in the middle of an answer. HTTP never takes so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sizes, and whom to wake.
#[derive(Clone)]
pub struct ServiceConfig {
    /// Requests that may wait for the backend.
    pub queue: usize,
    /// Replies that may wait for the owner.
    pub replies: usize,
    /// Requests that an HTTP backend may work on at once. A model in this process answers those that wait
    /// in batches.
    pub concurrency: usize,
    /// Called after each reply, from the service's thread: it must return at once.
    pub waker: Option<Waker>,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self { queue: 128, replies: 256, concurrency: 8, waker: None }
    }
}

impl fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, replies, concurrency, waker } = self;
        write!(f, "ServiceConfig {{ queue: {queue}, replies: {replies}, concurrency: {concurrency}, ")?;
        write!(f, "waker: {} }}", waker.is_some())
    }
}

/// A running slow path. Dropping it stops it.
#[derive(Debug)]
pub struct Service {
    /// `None` once stopped.
    requests: Option<mpsc::Sender<Job>>,
    replies: std_mpsc::Receiver<Reply>,
    outlet: Arc<Outlet>,
    stop: watch::Sender<bool>,
    /// Disconnects when the thread ends.
    ended: std_mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts the backend's thread.
    ///
    /// # Errors
    /// A size of 0, or no thread or runtime to be had.
    pub fn start(backend: impl Into<Backend>, config: ServiceConfig) -> Result<Self, StartError> {
        for (size, what) in
            [(config.queue, "queue"), (config.replies, "replies"), (config.concurrency, "concurrency")]
        {
            if size == 0 {
                return Err(StartError::Zero(what));
            }
        }
        let (requests, jobs) = mpsc::channel(config.queue);
        let (reply_sender, replies) = std_mpsc::sync_channel(config.replies);
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = std_mpsc::sync_channel(1);
        let outlet = Arc::new(Outlet::new(reply_sender, config.waker));
        let work: Box<dyn FnOnce() + Send> = match backend.into() {
            Backend::Local(backend) => Box::new(move || worker::local(backend, jobs)),
            Backend::OpenAi(openai) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                Box::new(move || worker::http(runtime, openai, config.concurrency, jobs, stopped))
            }
        };
        let thread = std::thread::Builder::new().name("slowpath".into()).spawn(move || {
            work();
            drop::<std_mpsc::SyncSender<()>>(ending);
        })?;
        Ok(Self { requests: Some(requests), replies, outlet, stop, ended, thread: Some(thread) })
    }

    /// Hands a diverted frame to the backend, which has `budget` to answer. Never blocks; copies the
    /// frame only if there is room.
    ///
    /// # Errors
    /// [`Refused`], counted: nothing else will be heard of this request.
    pub fn submit(&self, diverted: Diverted, frame: &[u8], budget: Duration) -> Result<(), Refused> {
        self.outlet.metrics.submitted();
        let room = match &self.requests {
            Some(requests) => requests.try_reserve().map_err(|error| match error {
                mpsc::error::TrySendError::Full(()) => Refused::QueueFull,
                mpsc::error::TrySendError::Closed(()) => Refused::Stopped,
            }),
            None => Err(Refused::Stopped),
        };
        match room {
            Ok(room) => {
                let ticket = Ticket::new(diverted.id, Instant::now(), budget, Arc::clone(&self.outlet));
                room.send(Job { request: Request { diverted, frame: frame.to_vec() }, ticket });
                Ok(())
            }
            Err(refused) => {
                self.outlet.metrics.ended(Ending::Refused);
                Err(refused)
            }
        }
    }

    /// The next reply, if there is one. Never blocks.
    #[must_use]
    pub fn try_recv(&self) -> Option<Reply> {
        self.replies.try_recv().ok()
    }

    /// The counters now.
    #[must_use]
    pub fn metrics(&self) -> Snapshot {
        self.outlet.metrics.snapshot()
    }

    /// Stops the thread and joins it: HTTP exchanges are given up, waiting requests end as stopped. A
    /// model that is still computing after a second is left behind. Replies can still be received.
    pub fn stop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.outlet.stopping.store(true, Ordering::Relaxed);
        self.requests = None;
        self.stop.send_replace(true);
        match self.ended.recv_timeout(PATIENCE) {
            Err(std_mpsc::RecvTimeoutError::Timeout) => {
                log::warn!("slow path: the model is still computing; its thread is left behind");
            }
            Ok(()) | Err(std_mpsc::RecvTimeoutError::Disconnected) => {
                if thread.join().is_err() {
                    log::error!("slow path: its thread had panicked");
                }
            }
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;

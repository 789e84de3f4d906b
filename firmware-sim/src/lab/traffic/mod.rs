//! Real load from real sockets in the hosts' namespaces; every load returns typed counts.
//!
//! Read first: `exchange.rs`. A load makes its socket in its host ([`Host::run`](super::namespace::Host::run)),
//! then runs in a thread of its own until its count is reached or its [`Stop`] is set. Clients and
//! servers take different stops, so that the servers can outlive what their clients have under way.

pub mod counters;
pub mod exchange;
pub mod icmp;
pub mod ping;
pub mod raw;
pub mod tcp;
pub mod udp;

use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Set to true, it ends every load that holds it.
pub type Stop = Arc<AtomicBool>;

/// How long a load may need to notice its stop.
pub(super) const GRAIN: Duration = Duration::from_millis(20);

/// A load at work.
#[derive(Debug)]
pub struct Running<T> {
    thread: JoinHandle<T>,
    progress: Progress,
}

/// A number that grows while a load works: replies, datagrams or bytes, as the load says.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }
}

impl<T: Send + 'static> Running<T> {
    /// Starts `load` in a thread called `name`.
    pub(super) fn start(name: &str, load: impl FnOnce(&Progress) -> T + Send + 'static) -> io::Result<Self> {
        let progress = Progress::default();
        let inner = progress.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || load(&inner))?;
        Ok(Self { thread, progress })
    }

    /// A handle on the load's progress, which outlives the load.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Has the load ended by itself?
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the load's end and returns its counts.
    ///
    /// # Panics
    /// With the load's own panic.
    pub fn join(self) -> T {
        match self.thread.join() {
            Ok(counts) => counts,
            Err(panic) => resume_unwind(panic),
        }
    }
}

/// Is the stop set?
pub(super) fn stopped(stop: &Stop) -> bool {
    stop.load(Ordering::Relaxed)
}

/// Sleeps until `when`, or until the stop is set.
pub(super) fn sleep_until(when: Instant, stop: &Stop) {
    while !stopped(stop) {
        let left = when.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(GRAIN));
    }
}

/// Did a socket merely have nothing within its timeout?
pub(super) fn timed_out(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

//! A network namespace of its own, held by a thread.
//!
//! Read first: `man 7 network_namespaces`. The namespace has no name and no process of its own: it ends
//! with the thread and the descriptors, so nothing is left behind, even by SIGKILL.

use super::sys;
use crate::port::Netlink;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, gettid};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;

/// Why there is no namespace.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// No thread, or it went away.
    #[error("no thread ({0}): raise the limit on processes (ulimit -u)")]
    Thread(io::Error),
    /// The kernel refuses.
    #[error("no network namespace ({0}): run as root, or allow unprivileged user namespaces")]
    Refused(io::Error),
}

type Job = Box<dyn FnOnce() + Send>;

/// A running namespace with its loopback interface up. Dropping it ends its thread; the namespace itself
/// ends with its last socket.
#[derive(Debug)]
pub struct Namespace {
    holder: Pid,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Makes a namespace; `name` is its thread's.
    ///
    /// # Errors
    /// See [`NamespaceError`].
    pub fn start(name: &str) -> Result<Self, NamespaceError> {
        let (ready, made) = sync_channel(1);
        let (jobs, inbox) = channel::<Job>();
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                if ready.send(enter()).is_ok() {
                    serve(&inbox);
                }
            })
            .map_err(NamespaceError::Thread)?;
        let gone = |_| NamespaceError::Thread(io::Error::other("it ended while it started"));
        let holder = made.recv().map_err(gone)?.map_err(NamespaceError::Refused)?;
        Ok(Self { holder, jobs: Some(jobs), thread: Some(thread) })
    }

    /// The thread by which others name the namespace (`ip link set ... netns HOLDER`).
    pub const fn holder(&self) -> Pid {
        self.holder
    }

    /// Runs `job` in the namespace and waits for it: a socket made in it belongs there for ever.
    ///
    /// One job at a time, so a job makes things and returns; loads run in threads of their own.
    ///
    /// # Panics
    /// With the job's own panic.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, result) = sync_channel(1);
        let jobs = self.jobs.as_ref().expect("the sender lives until the namespace is dropped");
        jobs.send(Box::new(move || {
            // The receiver waits below, and cannot be gone.
            let _ = answer.send(catch_unwind(AssertUnwindSafe(job)));
        }))
        .expect("the thread serves until the sender is dropped");
        match result.recv().expect("every job answers") {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        }
    }

    /// Starts a thread that stays in the namespace; it ends when `body` returns.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn spawn(&self, name: &'static str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        // A new thread is born into the namespace of the one that starts it.
        self.run(move || std::thread::Builder::new().name(name.to_owned()).spawn(body).map(drop))
    }

    /// Starts a process in the namespace, which the kernel kills when the namespace's thread ends.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_process(&self, mut command: Command) -> io::Result<Child> {
        self.run(move || sys::die_with_this_thread(&mut command).spawn())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Jobs catch their panics, so there is nothing to learn from it.
            let _ = thread.join();
        }
    }
}

fn enter() -> io::Result<Pid> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let netlink = Netlink::open()?;
    netlink.set_up(netlink.link("lo")?.index)?;
    Ok(gettid())
}

fn serve(inbox: &Receiver<Job>) {
    for job in inbox {
        job();
    }
}

//! The service's thread: one loop for a model in this process, one for HTTP.

use super::ticket::{Job, Ticket, Work};
use crate::backend::{BackendAnswer, HttpBackend, LocalBackend, Meter, Request};
use crate::error::BackendError;
use crate::price::Usage;
use nix::time::{ClockId, clock_gettime};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// Answers what waits, up to as many at once as the backend likes, until the queue is closed and empty.
pub(super) fn local(mut backend: Box<dyn LocalBackend>, mut jobs: mpsc::Receiver<Job>) {
    let most = backend.batch().max(1);
    let mut waiting = Vec::with_capacity(most);
    let mut requests = Vec::with_capacity(most);
    let mut tickets = Vec::with_capacity(most);
    while jobs.blocking_recv_many(&mut waiting, most) > 0 {
        for Job { request, ticket } in waiting.drain(..) {
            if let Some(ticket) = ticket.begin() {
                requests.push(request);
                tickets.push(Some(ticket));
            }
        }
        ask(&mut *backend, &requests, &mut tickets);
        requests.clear();
        tickets.clear();
    }
}

/// Asks the backend, and finishes each ticket once.
fn ask(backend: &mut dyn LocalBackend, requests: &[Request], tickets: &mut [Option<Ticket>]) {
    // What was computed since the last answer is this answer's, and what a batch computes for all, the first one's.
    let mut charged = cpu_time();
    let mut done = |at: usize, result: Result<BackendAnswer, BackendError>| {
        if let Some(ticket) = tickets.get_mut(at).and_then(Option::take) {
            let now = cpu_time();
            let cpu = now.saturating_sub(charged);
            charged = now;
            let work = computed(&result, cpu);
            ticket.finish(result, work);
        }
    };
    // A model is code over untrusted bytes: a panic costs answers, not the slow path. What it leaves half-written
    // is its scratch memory, which the next prompt overwrites.
    let result = match requests {
        [] => return,
        [request] => {
            let result = catch_unwind(AssertUnwindSafe(|| backend.answer(request)));
            return done(0, result.unwrap_or(Err(BackendError::Panicked)));
        }
        _ => catch_unwind(AssertUnwindSafe(|| backend.answer_batch(requests, &mut done))),
    };
    let error =
        if result.is_err() { BackendError::Panicked } else { BackendError::Model("no answer".into()) };
    for ticket in tickets.iter_mut().filter_map(Option::take) {
        ticket.finish(Err(error.clone()), Work::default());
    }
}

/// What a model in this process took for an answer.
fn computed(result: &Result<BackendAnswer, BackendError>, cpu: Duration) -> Work {
    let usage = Usage { cpu, ..result.as_ref().map_or(Usage::default(), BackendAnswer::usage) };
    Work { usage, ..Work::default() }
}

/// CPU time that this thread has used.
fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Keeps up to `concurrency` exchanges going until it is stopped.
pub(super) fn http(
    runtime: Runtime,
    backend: HttpBackend,
    concurrency: usize,
    mut jobs: mpsc::Receiver<Job>,
    mut stopped: watch::Receiver<bool>,
) {
    let backend = Arc::new(backend);
    let permits = Arc::new(Semaphore::new(concurrency));
    runtime.block_on(async {
        let mut exchanges = JoinSet::new();
        let serve = async {
            loop {
                // A permit first: what cannot be asked yet stays in the queue, where it is counted.
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                let Some(job) = jobs.recv().await else { return };
                let backend = Arc::clone(&backend);
                exchanges.spawn(async move {
                    exchange(&backend, job).await;
                    drop(permit);
                });
                while exchanges.try_join_next().is_some() {}
            }
        };
        tokio::select! {
            () = serve => {}
            _ = stopped.wait_for(|&stopped| stopped) => {}
        }
        // The set is dropped with its exchanges, and each ticket in them replies that it was stopped.
    });
    // Not `drop`, which would wait for a name server that does not answer.
    runtime.shutdown_background();
}

async fn exchange(backend: &HttpBackend, Job { request, ticket }: Job) {
    let Some(ticket) = ticket.begin() else { return };
    let meter = Meter::default();
    let answer = backend.answer(&request, ticket.deadline(), &meter);
    let result = match ticket.deadline() {
        Some(deadline) => tokio::time::timeout_at(deadline.into(), answer).await,
        None => Ok(answer.await),
    };
    // What a server computes is in its price; what is computed here for an exchange is next to nothing.
    let work = Work {
        usage: meter.usage(Duration::ZERO),
        retries: meter.retries(),
        prompt: meter.prompt().map(str::to_owned),
        tokens_at_most: meter.tokens_at_most(),
        ..Work::default()
    };
    match result {
        Ok(result) => ticket.finish(result, work),
        Err(_) => ticket.expire(work),
    }
}

//! The service's thread: one loop for a model in this process, one for HTTP.

use super::ticket::{Job, Ticket};
use crate::backend::{LocalBackend, OpenAi, Request};
use crate::error::BackendError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
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
    let mut done = |at: usize, result| {
        if let Some(ticket) = tickets.get_mut(at).and_then(Option::take) {
            ticket.finish(result);
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
        ticket.finish(Err(error.clone()));
    }
}

/// Keeps up to `concurrency` exchanges going until it is stopped.
pub(super) fn http(
    runtime: Runtime,
    openai: OpenAi,
    concurrency: usize,
    mut jobs: mpsc::Receiver<Job>,
    mut stopped: watch::Receiver<bool>,
) {
    let openai = Arc::new(openai);
    let permits = Arc::new(Semaphore::new(concurrency));
    runtime.block_on(async {
        let mut exchanges = JoinSet::new();
        let serve = async {
            loop {
                // A permit first: what cannot be asked yet stays in the queue, where it is counted.
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
                let Some(job) = jobs.recv().await else { return };
                let openai = Arc::clone(&openai);
                exchanges.spawn(async move {
                    exchange(&openai, job).await;
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

async fn exchange(openai: &OpenAi, Job { request, ticket }: Job) {
    let Some(ticket) = ticket.begin() else { return };
    let answer = openai.answer(&request);
    let result = match ticket.deadline() {
        Some(deadline) => tokio::time::timeout_at(deadline.into(), answer).await,
        None => Ok(answer.await),
    };
    match result {
        Ok(result) => ticket.finish(result),
        Err(_) => ticket.expire(),
    }
}

//! The service's thread: one loop for a model in this process, one for HTTP.

use super::ticket::Job;
use crate::backend::{LocalBackend, OpenAi};
use crate::error::BackendError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// Answers one by one until the queue is closed and empty.
pub(super) fn local(mut backend: Box<dyn LocalBackend>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(Job { request, ticket }) = jobs.blocking_recv() {
        if let Some(ticket) = ticket.begin() {
            // A model is code over untrusted bytes: a panic costs one answer, not the slow path. What it
            // leaves half-written is its scratch memory, which the next prompt overwrites.
            let result = catch_unwind(AssertUnwindSafe(|| backend.answer(&request)));
            ticket.finish(result.unwrap_or(Err(BackendError::Panicked)));
        }
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

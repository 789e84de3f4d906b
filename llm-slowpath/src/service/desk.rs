//! One backend of the service, seen from the owner's side: its thread, its breaker and limiter, its account.

use super::config::{ServiceConfig, Tier};
use super::ticket::{Job, Ticket};
use super::worker;
use crate::backend::{Backend, BackendAnswer, Request};
use crate::buckets::Buckets;
use crate::error::{BackendError, HttpError, Refused, SlowPathError, StartError};
use crate::middleware::{Breaker, BreakerState, Limiter};
use crate::price::{Cost, Price, Usage};
use stack::Anomaly;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Upper bounds of the buckets of how long backends take: from embedded models to servers that are given up.
static WORKING: [Duration; 18] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// What one backend was asked, and what came of it.
#[derive(Debug, Clone)]
pub struct Account {
    /// What reports call it.
    pub name: String,
    /// Requests handed to it.
    pub asked: u64,
    /// Those that it answered.
    pub answered: u64,
    /// Those that it failed at or was too late with, or that ended before it was asked.
    pub failed: u64,
    /// Attempts at a request that followed a failed one.
    pub retries: u64,
    /// Times that its circuit breaker opened.
    pub openings: u64,
    /// Tokens read by it.
    pub prompt_tokens: u64,
    /// Tokens written by it.
    pub answer_tokens: u64,
    /// From being asked until it answered, failed or was given up.
    pub working: Buckets<18>,
    /// By reason: requests handed over, and what they have cost.
    pub by_reason: Box<[(u64, Cost); Anomaly::COUNT]>,
}

/// What a request took.
#[derive(Debug)]
pub(super) struct Taken {
    /// The backend was asked.
    pub(super) asked: bool,
    /// It said something, be it too late.
    pub(super) heard: bool,
    /// It had half of the request's time, at least.
    pub(super) had_a_chance: bool,
    /// A bound of the prompt's tokens; 0 where nobody else counts.
    pub(super) tokens_at_most: u32,
    pub(super) retries: u32,
    pub(super) usage: Usage,
    /// How long it took.
    pub(super) working: Duration,
}

/// What answers cost is remembered for so long after the last one.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The owner's side of one backend.
#[derive(Debug)]
pub(super) struct Desk {
    /// `None` once closed.
    requests: Option<mpsc::Sender<Job>>,
    stop: watch::Sender<bool>,
    /// Disconnects when the thread ends.
    ended: std_mpsc::Receiver<()>,
    thread: Option<JoinHandle<()>>,
    breaker: Breaker,
    limiter: Limiter,
    threshold: f32,
    price: Price,
    /// What a request is expected to cost: a moving average.
    expected: Cost,
    /// What is expected before the first answer.
    unknown: Cost,
    /// When the last answer came.
    learnt: Option<Instant>,
    /// How long an answer takes: a moving average in microseconds, which tickets read.
    usual: Arc<AtomicU64>,
    by_class: [bool; Anomaly::COUNT],
    account: Account,
}

impl Desk {
    /// Requests that this backend may have at once.
    pub(super) fn limit(backend: &Backend, config: &ServiceConfig) -> usize {
        config.queue + if backend.is_local() { backend.batch() } else { config.concurrency }
    }

    /// Starts the backend's thread.
    pub(super) fn open(tier: Tier, config: &ServiceConfig) -> Result<Self, StartError> {
        let Tier { name, backend, threshold, price } = tier;
        let limit = Self::limit(&backend, config);
        let local = backend.is_local();
        let by_class = Anomaly::ALL.iter().map(|&reason| backend.asks_by_class(reason)).collect::<Vec<_>>();
        let (requests, jobs) = mpsc::channel(limit);
        let (stop, stopped) = watch::channel(false);
        let (ending, ended) = std_mpsc::sync_channel(1);
        let work: Box<dyn FnOnce() + Send> = match backend {
            Backend::Local(backend) => Box::new(move || worker::local(backend, jobs)),
            Backend::Http(http) => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let concurrency = config.concurrency;
                Box::new(move || worker::http(runtime, http, concurrency, jobs, stopped))
            }
        };
        let thread = std::thread::Builder::new().name("slowpath".into()).spawn(move || {
            work();
            drop::<std_mpsc::SyncSender<()>>(ending);
        })?;
        let costs = |rate: f64| u64::from(rate > 0.0);
        let tokens = price.input + price.cached_input + price.output;
        // Until the first answer it is only known what it costs, not how much.
        let unknown = Cost {
            tokens: 1,
            money: costs(if local { tokens + price.cpu_second } else { tokens }),
            cpu: Duration::from_nanos(u64::from(local)),
        };
        Ok(Self {
            requests: Some(requests),
            stop,
            ended,
            thread: Some(thread),
            breaker: Breaker::new(config.breaker),
            limiter: Limiter::new(limit),
            threshold,
            price,
            expected: unknown,
            unknown,
            learnt: None,
            usual: Arc::new(AtomicU64::new(0)),
            by_class: by_class.try_into().unwrap_or([false; Anomaly::COUNT]),
            account: Account {
                name,
                asked: 0,
                answered: 0,
                failed: 0,
                retries: 0,
                openings: 0,
                prompt_tokens: 0,
                answer_tokens: 0,
                working: Buckets::new(&WORKING),
                by_reason: Box::new([(0, Cost::default()); Anomaly::COUNT]),
            },
        })
    }

    /// Are its prompts about this reason class prompts?
    pub(super) const fn asks_by_class(&self, reason: Anomaly) -> bool {
        self.by_class[reason as usize]
    }

    /// What one request is expected to cost. What was learnt long ago is forgotten, or else a backend that was once too
    /// dear would never be asked again.
    pub(super) fn expected(&mut self, now: Instant) -> &Cost {
        if self.learnt.is_some_and(|learnt| now.saturating_duration_since(learnt) > REMEMBERED) {
            self.learnt = None;
            self.expected = self.unknown;
        }
        &self.expected
    }

    /// How long it usually takes, in microseconds.
    pub(super) fn usual(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.usual)
    }

    pub(super) const fn threshold(&self) -> f32 {
        self.threshold
    }

    pub(super) const fn account(&self) -> &Account {
        &self.account
    }

    pub(super) const fn breaker(&self) -> BreakerState {
        self.breaker.state()
    }

    /// May it be asked now? If so, a place is taken: [`Desk::hand_over`] must follow.
    pub(super) fn admit(&mut self, now: Instant) -> Result<(), Refused> {
        if self.requests.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return Err(Refused::Stopped);
        }
        if !self.limiter.has_room() {
            // A breaker that is open says more than a queue that is still full.
            let open = matches!(self.breaker.state(), BreakerState::Open { .. } | BreakerState::HalfOpen);
            return Err(if open { Refused::BreakerOpen } else { Refused::Busy });
        }
        if !self.breaker.allow(now) {
            return Err(Refused::BreakerOpen);
        }
        let _ = self.limiter.acquire();
        Ok(())
    }

    /// Sends a request on its way.
    pub(super) fn hand_over(&mut self, request: Request, ticket: Ticket) {
        self.account.asked += 1;
        self.account.by_reason[request.diverted.reason() as usize].0 += 1;
        if let Some(requests) = &self.requests {
            // The limiter leaves room; if the thread has just ended, the ticket says so when it is dropped.
            let _ = requests.try_send(Job { request, ticket });
        }
    }

    /// A request has ended: frees its place, teaches the breaker, and says what it has cost.
    pub(super) fn settle(
        &mut self,
        now: Instant,
        reason: Anomaly,
        result: &Result<BackendAnswer, SlowPathError>,
        taken: &Taken,
    ) -> (Cost, Usage) {
        let &Taken { asked, heard, had_a_chance, retries, usage, tokens_at_most, working } = taken;
        self.limiter.release();
        self.account.retries += u64::from(retries);
        if asked {
            self.account.working.record(working);
        }
        match result {
            Ok(_) => self.account.answered += 1,
            Err(_) => self.account.failed += 1,
        }
        if !asked || !had_a_chance {
            self.breaker.withdrawn(now);
        } else if is_there(result, heard) {
            self.breaker.succeeded();
        } else if self.breaker.failed(now) {
            self.account.openings += 1;
            log::warn!("slow path: {}: left alone for a while after failures", self.account.name);
        }
        // A server that does not say what it took, or was given up before it could, is charged by what it was sent.
        let connected =
            !matches!(result, Err(SlowPathError::Backend(BackendError::Http(HttpError::Connect(_)))));
        let silent = connected && usage.prompt_tokens == 0 && usage.answer_tokens == 0;
        let usage = if silent { Usage { prompt_tokens: tokens_at_most, ..usage } } else { usage };
        self.account.prompt_tokens += u64::from(usage.prompt_tokens);
        self.account.answer_tokens += u64::from(usage.answer_tokens);
        let cost = self.price.of(&usage);
        self.account.by_reason[reason as usize].1 += cost;
        if result.is_ok() {
            self.learnt = Some(now);
            let usual = self.usual.load(Ordering::Relaxed);
            let micros = u64::try_from(working.as_micros()).unwrap_or(u64::MAX);
            self.usual.store(mean(usual, micros), Ordering::Relaxed);
            self.expected = Cost {
                tokens: mean(self.expected.tokens, cost.tokens),
                money: mean(self.expected.money, cost.money),
                cpu: mean_of(self.expected.cpu, cost.cpu),
            };
        }
        (cost, usage)
    }

    /// Takes no more requests, and tells the thread to end.
    pub(super) fn close(&mut self) {
        self.requests = None;
        self.stop.send_replace(true);
    }

    /// Waits for the thread until then.
    pub(super) fn join(&mut self, until: Instant) {
        let Some(thread) = self.thread.take() else { return };
        match self.ended.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Err(std_mpsc::RecvTimeoutError::Timeout) => {
                log::warn!("slow path: {}: still computing; its thread is left behind", self.account.name);
            }
            Ok(()) | Err(std_mpsc::RecvTimeoutError::Disconnected) => {
                if thread.join().is_err() {
                    log::error!("slow path: {}: its thread had panicked", self.account.name);
                }
            }
        }
    }
}

/// Does this ending show that the backend is there, whatever it said? One that answers too late is there: to leave it
/// alone would not make a busy machine faster.
const fn is_there(result: &Result<BackendAnswer, SlowPathError>, heard: bool) -> bool {
    match result {
        Ok(_) => true,
        Err(SlowPathError::Backend(error)) => match error {
            BackendError::Http(error) => matches!(error, HttpError::Refusal(_) | HttpError::CutOff),
            BackendError::Model(_) | BackendError::Panicked => false,
            BackendError::Frame(_)
            | BackendError::Question(_)
            | BackendError::Decode(_)
            | BackendError::NotRecorded { .. }
            | BackendError::Rounds(_) => true,
        },
        Err(SlowPathError::Deadline) => heard,
        Err(_) => false,
    }
}

/// A moving average over about eight requests. It starts with the first real one, and what costs something never comes to
/// nothing.
fn mean(old: u64, new: u64) -> u64 {
    match (old, new) {
        (0 | 1, new) => new.max(old),
        (old, new) => (old - old / 8 + new / 8).max(1),
    }
}

fn mean_of(old: Duration, new: Duration) -> Duration {
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(mean(nanos(old), nanos(new)))
}

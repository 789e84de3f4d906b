//! The service: joins the owner loop, which never waits, to backends, which may take their time.
//!
//! A frame meets the layers of [`crate::middleware`] here, on the owner's side; what they let pass goes through a bounded
//! channel to a backend's thread, and its ending comes back through another. Limiters bound what is under way, so that
//! neither channel is ever full. Whatever happens, each submitted frame has one ending, counted in [`Snapshot`].

mod config;
mod desk;
mod reply;
mod testimony;
mod ticket;
mod worker;

pub use config::{Cascade, ServiceConfig, Tier};
pub use desk::Account;
pub use reply::{Reply, Times};
pub use ticket::Waker;

use crate::answer::OwnedAnswer;
use crate::backend::{BackendAnswer, Request};
use crate::error::{BackendError, HttpError, Refused, SlowPathError, StartError};
use crate::metrics::{Ending, Metrics, Snapshot};
use crate::middleware::{AnswerCache, Boarding, BreakerState, Budget, Cached, Deadline, Kept, SingleFlight};
use crate::price::Cost;
use desk::{Desk, Taken};
use siphasher::sip::SipHasher13;
use stack::{Anomaly, ClassKey, DivertId, Diverted, Rejection, Source};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use testimony::{unsaid, witness};
use ticket::{Done, Outlet, Ticket, Work};

/// How long [`Service::stop`] waits for models in the middle of an answer. HTTP never takes so long.
const PATIENCE: Duration = Duration::from_secs(1);

/// A running slow path. Dropping it stops it.
#[derive(Debug)]
pub struct Service {
    desks: Vec<Desk>,
    done: mpsc::Receiver<Done>,
    outlet: Arc<Outlet>,
    /// Made, and not yet received.
    ready: VecDeque<Reply>,
    ready_at_most: usize,
    classes: Option<Classes>,
    budget: Budget,
    /// By serial number.
    under_way: HashMap<u64, UnderWay>,
    next_serial: u64,
    metrics: Metrics,
    /// Keys the hashes of frames, so that nobody can make two that differ look the same.
    secret: u64,
    stopped: bool,
}

/// What is known of classes: who is being asked about, and what was answered.
#[derive(Debug)]
struct Classes {
    flights: SingleFlight<Frame>,
    cache: AnswerCache,
}

/// A frame that waits for an answer.
#[derive(Debug, Clone)]
struct Frame {
    id: DivertId,
    nonce: u32,
    reason: Anomaly,
    queued: Instant,
    deadline: Deadline,
}

/// A request that a backend has.
#[derive(Debug)]
struct UnderWay {
    frame: Frame,
    /// The class that it leads.
    class: Option<ClassKey>,
    /// A hash of the frame, if it leads a class: tells frames apart.
    hash: u64,
    /// Kept while another backend may have to be asked.
    request: Option<Request>,
    /// What backends have cost.
    cost: Cost,
    /// The canonical hash of the last prompt, if it was text.
    prompt: Option<String>,
}

impl Service {
    /// Starts a thread for each backend.
    ///
    /// # Errors
    /// A size of 0, no backend, or no thread or runtime to be had.
    pub fn start(backends: impl Into<Cascade>, config: ServiceConfig) -> Result<Self, StartError> {
        for (size, what) in
            [(config.queue, "queue"), (config.replies, "replies"), (config.concurrency, "concurrency")]
        {
            if size == 0 {
                return Err(StartError::Zero(what));
            }
        }
        let Cascade(tiers) = backends.into();
        if tiers.is_empty() {
            return Err(StartError::NoBackend);
        }
        let limit = tiers.iter().map(|tier| Desk::limit(&tier.backend, &config)).sum();
        let (sender, done) = mpsc::sync_channel(limit);
        let outlet = Arc::new(Outlet::new(sender, config.waker.clone()));
        let desks = tiers.into_iter().map(|tier| Desk::open(tier, &config)).collect::<Result<_, _>>()?;
        Ok(Self {
            desks,
            done,
            outlet,
            ready: VecDeque::new(),
            ready_at_most: config.replies,
            classes: config.cache.map(|cache| Classes {
                flights: SingleFlight::new(cache.waiting),
                cache: AnswerCache::new(cache),
            }),
            budget: Budget::new(config.budget, config.values),
            under_way: HashMap::new(),
            next_serial: 0,
            metrics: Metrics::new(),
            secret: RandomState::new().build_hasher().finish(),
            stopped: false,
        })
    }

    /// Hands over a diverted frame, which must be answered within `budget`. Never blocks.
    ///
    /// # Errors
    /// [`Refused`], counted: nothing else will be heard of this frame.
    pub fn submit(&mut self, diverted: Diverted, frame: &[u8], budget: Duration) -> Result<(), Refused> {
        self.metrics.submitted();
        let admitted = self.admit(Instant::now(), diverted, frame, budget);
        admitted.inspect_err(|&refused| self.metrics.ended(Ending::Refused(refused)))
    }

    fn admit(
        &mut self,
        now: Instant,
        diverted: Diverted,
        bytes: &[u8],
        budget: Duration,
    ) -> Result<(), Refused> {
        if self.stopped {
            return Err(Refused::Stopped);
        }
        if self.ready.len() >= self.ready_at_most {
            return Err(Refused::RepliesFull);
        }
        let (id, nonce, reason) = (diverted.id, diverted.nonce, diverted.reason());
        let by_class = self.asks_by_class(reason) && self.classes.is_some();
        let hasher = SipHasher13::new_with_keys(self.secret, 0);
        let frame = Frame { id, nonce, reason, queued: now, deadline: Deadline::after(now, budget) };
        let class = by_class.then(|| diverted.class.clone());
        if let (Some(class), Some(Classes { flights, cache })) = (&class, &mut self.classes) {
            if !flights.is_under_way(class) {
                match cache.look_up(now, class, || hasher.hash(bytes)) {
                    Cached::Answer(kept) => {
                        self.metrics.ended(Ending::Cached);
                        self.ready.push_back(from_class(frame, Some(class.clone()), Ok(kept), now));
                        return Ok(());
                    }
                    Cached::Failing => return Err(Refused::ClassFailing),
                    Cached::Unknown => {}
                }
            }
            match flights.board(class, frame.clone()) {
                Boarding::Leads => {}
                Boarding::Waits => return Ok(()),
                Boarding::Full => return Err(Refused::ClassFull),
            }
        }
        let tier = self.choose(now, 0, reason).inspect_err(|_| {
            if let (Some(class), Some(classes)) = (&class, &mut self.classes) {
                // Nobody has joined it yet.
                let _ = classes.flights.land(class);
            }
        })?;
        let request = Request { diverted, frame: bytes.into() };
        let hash = if class.is_some() { hasher.hash(bytes) } else { 0 };
        let (cost, prompt) = (Cost::default(), None);
        let under_way = UnderWay { frame, class, hash, request: None, cost, prompt };
        self.hand_over(tier, request, under_way);
        Ok(())
    }

    /// The first backend from this one on that may be asked about this reason. A place with it is taken.
    fn choose(&mut self, now: Instant, from: usize, reason: Anomaly) -> Result<usize, Refused> {
        let mut why = None;
        for (tier, desk) in self.desks.iter_mut().enumerate().skip(from) {
            let admitted = match self.budget.allow(now, reason, desk.expected(now)) {
                Ok(()) => desk.admit(now),
                Err(overspent) => Err(overspent.into()),
            };
            let Err(refused) = admitted else { return Ok(tier) };
            why.get_or_insert(refused);
            // A busy backend is there: what is too much for it must not all go to a dearer one.
            if refused == Refused::Busy {
                break;
            }
        }
        Err(why.unwrap_or(Refused::Stopped))
    }

    fn hand_over(&mut self, tier: usize, request: Request, mut under_way: UnderWay) {
        let serial = self.next_serial;
        self.next_serial += 1;
        let usual = self.desks[tier].usual();
        let times = (under_way.frame.queued, under_way.frame.deadline);
        let ticket = Ticket::new(tier, serial, times, usual, Arc::clone(&self.outlet));
        under_way.request = (tier + 1 < self.desks.len()).then(|| request.clone());
        self.under_way.insert(serial, under_way);
        self.desks[tier].hand_over(request, ticket);
    }

    /// The next reply, if there is one. Never blocks. What came of an answer is to be told with [`Service::judged`].
    #[must_use]
    pub fn try_recv(&mut self) -> Option<Reply> {
        while let Ok(done) = self.done.try_recv() {
            self.settle(done);
        }
        self.ready.pop_front()
    }

    /// A backend's thread is done with a request.
    fn settle(&mut self, done: Done) {
        let Done { tier, serial, result, started, finished, work } = done;
        let Work { heard, had_a_chance, retries, usage, tokens_at_most, prompt } = work;
        let desk = &mut self.desks[tier];
        let Some(mut under_way) = self.under_way.remove(&serial) else { return };
        let Frame { reason, queued, deadline, .. } = under_way.frame;
        if let Some(started) = started {
            self.metrics.took(started - queued, finished - started);
        }
        let working = started.map_or(Duration::ZERO, |started| finished - started);
        let answered = result.as_ref().ok();
        let (cost, usage) = desk.settle(
            finished,
            reason,
            &result,
            &Taken { asked: started.is_some(), heard, had_a_chance, retries, usage, tokens_at_most, working },
        );
        self.budget.charge(finished, reason, cost);
        self.metrics.tokens(usage.prompt_tokens, usage.answer_tokens);
        under_way.cost += cost;
        let unsure = answered.and_then(|answer| answer.probability).is_some_and(|p| p < desk.threshold());
        let failed = match &result {
            Ok(_) => unsure,
            // To decline is an answer.
            Err(SlowPathError::Backend(BackendError::Http(HttpError::Refusal(_)))) => false,
            Err(SlowPathError::Backend(_)) => true,
            Err(_) => false,
        };
        if failed
            && !self.stopped
            && !deadline.has_passed(finished)
            && let Some(request) = under_way.request.take()
            && let Ok(next) = self.choose(finished, tier + 1, reason)
        {
            self.hand_over(next, request, under_way);
            return self.metrics.passed_on(unsure);
        }
        let result = if unsure { Err(SlowPathError::Unsure) } else { result };
        under_way.prompt = prompt;
        self.end(tier, under_way, result, (started, finished), had_a_chance);
    }

    /// A frame that was asked about has its reply.
    fn end(
        &mut self,
        tier: usize,
        under_way: UnderWay,
        result: Result<BackendAnswer, SlowPathError>,
        (started, finished): (Option<Instant>, Instant),
        had_a_chance: bool,
    ) {
        let UnderWay { frame, class, hash, cost, prompt, .. } = under_way;
        self.metrics.ended(match &result {
            Ok(_) => Ending::Answered,
            Err(error) => ending(error),
        });
        if let Err(error) = &result {
            log::debug!("slow path: divert {}: {error}", frame.id);
            if let (Some(class), Some(classes)) = (&class, &mut self.classes) {
                // What had no chance says nothing about the class.
                if had_a_chance {
                    classes.cache.failed(finished, class);
                }
                self.let_down(class, finished);
            }
        }
        let times = Times { queued: frame.queued, started, finished };
        let mut reply = Reply {
            id: frame.id,
            answer: Err(SlowPathError::Stopped),
            times,
            probability: None,
            prompt_tokens: 0,
            answer_tokens: 0,
            tier: Some(tier),
            prompt,
            cost,
            frame: hash,
            class,
        };
        match result {
            Ok(answer) => {
                let BackendAnswer { nonce, reason, action, advice, .. } = answer;
                let advice = advice.or_else(|| reply.class.is_some().then(|| unsaid(&action)).flatten());
                let witness = witness(tier, &reply);
                let source = Source::Model;
                // The id is the request's: a model is not asked for it.
                let id = frame.id;
                reply.answer = Ok(OwnedAnswer { id, nonce, reason, action, source, advice, witness });
                reply.probability = answer.probability;
                reply.prompt_tokens = answer.prompt_tokens;
                reply.answer_tokens = answer.answer_tokens;
            }
            Err(error) => reply.answer = Err(error),
        }
        self.ready.push_back(reply);
    }

    /// The frames that waited for the answer about this class get none.
    fn let_down(&mut self, class: &ClassKey, now: Instant) {
        let Some(classes) = &mut self.classes else { return };
        for frame in classes.flights.land(class) {
            self.metrics.ended(Ending::ClassFailed);
            self.ready.push_back(from_class(frame, None, Err(SlowPathError::ClassFailed), now));
        }
    }

    /// Tells what came of a reply's answer: approved and applied, or rejected. An answer about a class serves the frames
    /// that waited for it, and is remembered, unless it was rejected for what it says.
    pub fn judged(&mut self, reply: &Reply, verdict: Result<(), Rejection>) {
        let (Some(class), Some(classes), Ok(answer)) = (&reply.class, &mut self.classes, &reply.answer)
        else {
            return;
        };
        let now = Instant::now();
        let useless = verdict.is_err_and(is_about_the_answer);
        if answer.source == Source::Cache {
            if useless {
                classes.cache.forget(class);
            }
        } else if useless {
            classes.cache.failed(now, class);
            self.let_down(class, now);
        } else {
            let OwnedAnswer { action, advice, witness, .. } = answer.clone();
            let kept = Kept { action, advice, witness };
            // Where the frame had ended already, nobody has looked at the answer: it is not kept. What was rejected for one
            // frame's bytes or way is: or each such frame would be a question.
            if !verdict.is_err_and(has_ended) {
                classes.cache.approved(now, class, kept.clone(), reply.frame);
            }
            for frame in classes.flights.land(class) {
                let late = frame.deadline.has_passed(now);
                let answer = if late { Err(SlowPathError::Deadline) } else { Ok(kept.clone()) };
                self.metrics.ended(if late { Ending::Deadline } else { Ending::Followed });
                self.ready.push_back(from_class(frame, Some(class.clone()), answer, now));
            }
        }
    }

    /// Are frames of this reason asked about by class alone? Only if every backend does: whichever answers, its answer
    /// serves the class.
    pub fn asks_by_class(&self, reason: Anomaly) -> bool {
        self.desks.iter().all(|desk| desk.asks_by_class(reason))
    }

    /// The counters now.
    #[must_use]
    pub fn metrics(&self) -> Snapshot {
        self.metrics.snapshot()
    }

    /// What each backend was asked, and what that has cost, in the order of the cascade.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.desks.iter().map(Desk::account)
    }

    /// Each backend's circuit breaker, in the order of the cascade.
    pub fn breakers(&self) -> impl Iterator<Item = BreakerState> {
        self.desks.iter().map(Desk::breaker)
    }

    /// What was spent of the budget in the last hour.
    pub fn spent(&self) -> Cost {
        self.budget.spent(Instant::now())
    }

    /// Stops the threads and joins them: HTTP exchanges are given up, waiting requests end as stopped. A
    /// model that is still computing after a second is left behind. Replies can still be received.
    pub fn stop(&mut self) {
        if std::mem::replace(&mut self.stopped, true) {
            return;
        }
        self.outlet.stopping.store(true, Ordering::Relaxed);
        self.desks.iter_mut().for_each(Desk::close);
        let until = Instant::now() + PATIENCE;
        for desk in &mut self.desks {
            desk.join(until);
        }
        let now = Instant::now();
        let waiting: Vec<Frame> =
            self.classes.iter_mut().flat_map(|classes| classes.flights.land_all()).collect();
        for frame in waiting {
            self.metrics.ended(Ending::Stopped);
            self.ready.push_back(from_class(frame, None, Err(SlowPathError::Stopped), now));
        }
        while let Ok(done) = self.done.try_recv() {
            self.settle(done);
        }
        // What a thread was left behind with.
        for (_, under_way) in std::mem::take(&mut self.under_way) {
            self.end(0, under_way, Err(SlowPathError::Stopped), (None, now), false);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The reply to a frame that no backend was asked about.
fn from_class(
    frame: Frame,
    class: Option<ClassKey>,
    answer: Result<Kept, SlowPathError>,
    now: Instant,
) -> Reply {
    let Frame { id, nonce, reason, queued, .. } = frame;
    let source = Source::Cache;
    Reply {
        id,
        answer: answer.map(|Kept { action, advice, witness }| OwnedAnswer {
            id,
            nonce,
            reason,
            action,
            source,
            advice,
            witness,
        }),
        times: Times { queued, started: None, finished: now },
        probability: None,
        prompt_tokens: 0,
        answer_tokens: 0,
        tier: None,
        prompt: None,
        cost: Cost::default(),
        frame: 0,
        class,
    }
}

const fn ending(error: &SlowPathError) -> Ending {
    match error {
        SlowPathError::Backend(_) => Ending::BackendError,
        SlowPathError::Deadline => Ending::Deadline,
        SlowPathError::Unsure => Ending::Unsure,
        SlowPathError::ClassFailed => Ending::ClassFailed,
        SlowPathError::Stopped => Ending::Stopped,
    }
}

/// Was an answer rejected for what it says of the class? All other rejections are about one frame's bytes, its way or its
/// time, and must not cost the rest of the class its answer.
const fn is_about_the_answer(rejection: Rejection) -> bool {
    matches!(
        rejection,
        Rejection::NotGranted | Rejection::MustPass | Rejection::WrongNonce | Rejection::WrongReason
    )
}

/// Did the answer come to a frame that was not waiting for one?
const fn has_ended(rejection: Rejection) -> bool {
    matches!(rejection, Rejection::UnknownDivert | Rejection::Late | Rejection::AlreadyAnswered)
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;

#[cfg(test)]
#[path = "service/layers_tests.rs"]
mod layers_tests;

//! The router under a load in memory: the real owner loop, on this thread, with the real slow path behind it.

use super::hand::{Counts, Hand, Onlooker};
use super::load::{Arrivals, Offer};
use super::pool::Pool;
use super::port::{Load, SupplyPort};
use super::report::Help;
use super::transactions::sides;
use super::{MeasureError, MeasurePlan, Session};
use crate::clock::Clock;
use crate::config::RunConfig;
use crate::cpu::Clocks;
use crate::event_loop::{EventLoop, Settling};
use crate::port::Port;
use crate::replay;
use crate::run;
use crate::slow_path::suit_servers;
use crate::watch::Watch;
use hdrhistogram::Histogram;
use llm_slowpath::{PingTask, Snapshot};
use smoltcp::time::Duration as RouterDuration;
use stack::stats::{Count, Path};
use stack::{Anomaly, Mode, Posture, Rate, RuleLimits};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time between two looks at how far the run is.
const TICK: Duration = Duration::from_millis(5);
/// How long held frames may need beyond the slow path's deadline.
const SETTLE: Duration = Duration::from_secs(1);
/// A run in which less than half of the time was counted is no measurement.
const TRIES: usize = 3;
/// Frames that may wait for a model, and as many that it may have, where nothing else is to be the limit.
const ROOM: usize = 20_480;

/// What holds the slow path back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limits {
    /// The limits that people get.
    Usual,
    /// Nothing but the model itself.
    Model,
}

/// A router that can be built anew for each run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rig<'a> {
    pub(super) plan: &'a MeasurePlan,
    pub(super) help: Help,
    pub(super) limits: Limits,
}

/// What is offered in one run.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) offer: Offer,
    /// What is offered until then is not counted: so that what can be learnt is.
    pub(super) warm_up: Duration,
    pub(super) healthy: Pool,
    pub(super) odd: Pool,
    /// Transactions that are under way at once beside it.
    pub(super) connections: usize,
}

/// The figures at one moment.
#[derive(Debug, Clone)]
pub(super) struct Books {
    pub(super) counts: Counts,
    pub(super) paths: [Count; Path::ALL.len()],
    pub(super) received: u64,
    pub(super) slow: Snapshot,
    pub(super) money: f64,
    clocks: Clocks,
    elapsed: Duration,
}

/// What came of a run, after its warm-up.
#[derive(Debug, Clone)]
pub(super) struct Observed {
    pub(super) before: Books,
    /// When the last frame had been offered.
    pub(super) ended: Books,
    /// When all had been dealt with.
    pub(super) after: Books,
    /// From when a healthy frame was due until it was sent, in nanoseconds.
    pub(super) sojourn: Histogram<u64>,
}

impl Observed {
    /// Seconds in which frames were offered.
    pub(super) fn seconds(&self) -> f64 {
        (self.ended.elapsed.saturating_sub(self.before.elapsed)).as_secs_f64().max(1e-9)
    }

    /// By how much a figure grew in these seconds.
    pub(super) fn grew(&self, figure: impl Fn(&Books) -> u64) -> f64 {
        figure(&self.ended).saturating_sub(figure(&self.before)) as f64
    }

    /// The share of the time that the owner loop's thread ran: it never sleeps meanwhile.
    pub(super) fn ran(&self) -> f64 {
        let [thread, _] = self.processor();
        let wall = self.ended.clocks.wall.saturating_duration_since(self.before.clocks.wall);
        thread.as_secs_f64() / wall.as_secs_f64().max(1e-9)
    }

    /// Odd frames that a rule, the cache or a model served.
    pub(super) fn served(&self) -> f64 {
        let served = [Path::Rule, Path::SlowCached, Path::SlowModel];
        self.grew(|books| served.iter().map(|&path| books.paths[path as usize].frames).sum())
    }

    /// Processor time of the owner loop's thread, and of the whole process.
    pub(super) fn processor(&self) -> [Duration; 2] {
        let (before, after) = (&self.before.clocks, &self.ended.clocks);
        [after.thread.saturating_sub(before.thread), after.process.saturating_sub(before.process)]
    }
}

#[cfg(test)]
impl Observed {
    /// A run of this length in which nothing happened.
    pub(super) fn nothing(span: Duration) -> Self {
        let before = Books {
            counts: Counts::default(),
            paths: Default::default(),
            received: 0,
            slow: Snapshot::default(),
            money: 0.0,
            clocks: Clocks::read(),
            elapsed: Duration::ZERO,
        };
        let after = Books { elapsed: span, ..before.clone() };
        Self { before, ended: after.clone(), after, sojourn: super::hand::new_histogram() }
    }
}

impl Books {
    fn read(owner: &EventLoop, hand: &Hand) -> Self {
        let stats = owner.router().stats();
        Self {
            counts: hand.counts(),
            paths: Path::ALL.map(|path| stats.by_path(path)),
            received: stats.received.frames,
            slow: owner.service().metrics(),
            money: owner
                .service()
                .accounts()
                .flat_map(|account| account.by_reason.iter().map(|(_, cost)| cost.units()))
                .sum(),
            clocks: Clocks::read(),
            elapsed: hand.elapsed(),
        }
    }
}

impl Rig<'_> {
    /// The lab's router with this help and these limits.
    pub(super) fn configuration(&self) -> Result<RunConfig, MeasureError> {
        let clock = Clock::start();
        let mut config = replay::lab_router(&clock)?;
        config.router.posture = self.plan.posture;
        config.slow_path = self.plan.slow_path.clone();
        let (limits, local) = (&mut config.router.limits, config.slow_path.is_local());
        if !local {
            suit_servers(limits);
        }
        if self.limits == Limits::Model {
            config.router.posture = Posture::Open;
            limits.inject_rate = Rate { per_second: 4_000_000_000, burst: 1_000_000 };
            limits.divert_rate = Rate { per_second: 4_000_000, burst: 40_000 };
            (limits.divert_queue, limits.divert_outstanding) = (ROOM, ROOM);
            limits.divert_per_source = ROOM;
            if local {
                limits.divert_deadline = RouterDuration::from_millis(10);
            }
            if let Some(cache) = &mut config.slow_path.cache {
                cache.waiting = ROOM;
            }
        }
        let no_rules = RuleLimits { concordance: 0, ..RuleLimits::default() };
        match self.help {
            Help::Off => {
                for &anomaly in Anomaly::ALL {
                    config.router.set_mode(anomaly, Mode::Off)?;
                }
            }
            Help::None => (config.router.rules, config.slow_path.cache) = (no_rules, None),
            Help::Cache => {
                config.router.rules = no_rules;
                config.slow_path.ask_so_often(1);
            }
            Help::Rules => {}
        }
        Ok(config)
    }

    /// Offers the work to a new router, and waits until it has dealt with it. If the machine stood still, it is done again.
    pub(super) fn run(&self, work: &Work, session: &Session<'_>) -> Result<Observed, MeasureError> {
        let counted = work.offer.span.saturating_sub(work.warm_up).as_secs_f64();
        let mut observed = self.run_once(work.clone(), session.stop)?;
        for _ in 1..TRIES {
            if observed.seconds() >= counted / 2.0 || session.is_stopped() {
                break;
            }
            observed = self.run_once(work.clone(), session.stop)?;
        }
        session.ran(observed.ran());
        Ok(observed)
    }

    fn run_once(&self, work: Work, stop: &AtomicBool) -> Result<Observed, MeasureError> {
        let hand = Arc::new(Hand::new(1));
        let Work { offer, warm_up, healthy, odd, connections } = work;
        let [client, server] = sides(connections);
        let silent = Offer { rate: 0.0, ..offer };
        let lead = Load::new(Arrivals::new(offer, healthy, odd), client, Arc::clone(&hand), true);
        let follow = Arrivals::new(silent, Pool::default(), Pool::default());
        let follow = Load::new(follow, server, Arc::clone(&hand), false);
        let ports: Vec<Box<dyn Port>> =
            vec![Box::new(SupplyPort::new("client", lead)?), Box::new(SupplyPort::new("server", follow)?)];
        let (mut before, mut ended) = (None, None);
        let onlooker = Box::new(Onlooker(Arc::clone(&hand)));
        let owner = drive(&self.configuration()?, ports, vec![onlooker], &hand, stop, |owner| {
            if before.is_none() && hand.elapsed() >= warm_up {
                hand.count();
                before = Some(Books::read(owner, &hand));
            }
            if ended.is_none() && hand.has_ended() {
                ended = Some(Books::read(owner, &hand));
            }
        })?;
        let after = Books::read(&owner, &hand);
        let ended = ended.unwrap_or_else(|| after.clone());
        let before = before.unwrap_or_else(|| ended.clone());
        Ok(Observed { before, ended, after, sojourn: hand.sojourn() })
    }
}

/// Runs the owner loop until all that is offered has been dealt with, or `stop` is set; calls `tick` now and then.
pub(super) fn drive(
    config: &RunConfig,
    ports: Vec<Box<dyn Port>>,
    watches: Vec<Box<dyn Watch>>,
    hand: &Hand,
    stop: &AtomicBool,
    mut tick: impl FnMut(&EventLoop),
) -> Result<EventLoop, MeasureError> {
    let router = run::router(config)?;
    let backends = config.slow_path.open(PingTask::default())?;
    let mut owner =
        EventLoop::new(router, ports, backends, config.slow_path.service(), Clock::start(), None)?;
    watches.into_iter().for_each(|watch| owner.watch(watch));
    let (done, mut settling) = (AtomicBool::new(false), Settling::new(&owner, SETTLE));
    owner.run(&done, TICK, |owner| {
        tick(owner);
        if stop.load(Ordering::Relaxed) {
            hand.end();
            done.store(true, Ordering::Relaxed);
        }
        if hand.has_ended() && settling.is_over(owner) {
            done.store(true, Ordering::Relaxed);
        }
    })?;
    Ok(owner)
}

//! The owner loop's part: it takes operators' orders, and hands rules that changed to whoever keeps them. It copies, and
//! leaves words, files and sockets to other threads.

use super::document::{Candidate, Refused};
use super::file::Keeper;
use super::refusal::explain_refusal;
use super::seconds::Times;
use crate::recording::RecordedRouter;
use smoltcp::time::{Duration, Instant};
use stack::rules::{Rule, RuleChange, RuleId, RuleState, Tally};
use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Orders that may wait: one for each client.
pub(super) const ORDERS: usize = 4;
/// Rules that change are saved as often, at most.
const SAVE: Duration = Duration::from_secs(1);

/// Places of the table that are copied in one turn.
const PIECE: usize = 512;

/// What an operator wants.
#[derive(Debug)]
pub enum Wish {
    /// All rules.
    List,
    /// One rule.
    Show(RuleId),
    /// To pin it, or to unpin it.
    Pin(RuleId, bool),
    /// To revoke it.
    Revoke(RuleId),
    /// To flush all that are not pinned.
    Flush,
    /// To install these.
    Install(Vec<Candidate>),
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// These rules, of so many places; all of them were copied in turns, so one may have changed since another was.
    Rules(Copies),
    /// There is no such rule.
    NoSuchRule,
    /// It is gone.
    Revoked,
    /// So many rules are gone.
    Flushed(usize),
    /// These were installed, and these not.
    Installed(Vec<RuleId>, Vec<Refused>),
}

/// Rules as they were, each with what it did in earlier runs.
#[derive(Debug)]
pub struct Copies {
    /// The rules.
    pub rules: Vec<(Rule, Tally)>,
    /// How many there may be.
    pub places: usize,
    /// When that was.
    pub times: Times,
}

/// A wish, and where its outcome goes.
#[derive(Debug)]
pub struct Order {
    /// What is wanted.
    pub wish: Wish,
    /// Has room for the outcome.
    pub outcome: SyncSender<Outcome>,
}

/// Copying of rules that goes on.
#[derive(Debug)]
struct Job {
    /// All rules, or those that outlast the run?
    all: bool,
    /// The next place of the table.
    place: usize,
    rules: Vec<(Rule, Tally)>,
    /// The client; or else whoever keeps rules.
    client: Option<SyncSender<Outcome>>,
}

/// Where orders are taken.
#[derive(Debug)]
pub struct Desk {
    orders: Receiver<Order>,
    keeper: Option<Keeper>,
    /// In order; no more than there are clients, and one to keep rules.
    jobs: VecDeque<Job>,
    /// What rules of earlier runs had done then.
    before: HashMap<RuleId, Tally>,
    /// Read once, so that a time is told the same each time.
    times: Option<Times>,
    changed: bool,
    next_save: Instant,
}

impl Desk {
    /// A desk, and where its orders come in.
    pub fn new() -> (Self, SyncSender<Order>) {
        let (sender, orders) = sync_channel(ORDERS);
        let desk = Self {
            orders,
            keeper: None,
            jobs: VecDeque::new(),
            before: HashMap::new(),
            times: None,
            changed: false,
            next_save: Instant::ZERO,
        };
        (desk, sender)
    }

    /// Has rules kept that change.
    pub fn keep(&mut self, keeper: Keeper) {
        self.keeper = Some(keeper);
    }

    /// Installs rules; those that were, and those that the router refuses.
    pub fn install(
        &mut self,
        now: Instant,
        router: &mut RecordedRouter,
        rules: Vec<Candidate>,
    ) -> (Vec<RuleId>, Vec<Refused>) {
        let (mut installed, mut refused) = (Vec::new(), Vec::new());
        for Candidate { number, spec, before } in rules {
            match router.install_rule(now, spec) {
                Ok(id) => {
                    installed.push(id);
                    self.before.insert(id, before);
                }
                Err(refusal) => refused.push(Refused { rule: number, problem: explain_refusal(refusal) }),
            }
        }
        self.changed = true;
        (installed, refused)
    }

    /// Some rule came, acts or went.
    pub fn rule_changed(&mut self, id: RuleId, change: RuleChange) {
        self.changed = true;
        if let RuleChange::Retired(_) = change {
            self.before.remove(&id);
        }
    }

    /// When it must be served again, at the latest.
    pub fn due(&self) -> Option<Instant> {
        if !self.jobs.is_empty() {
            return Some(Instant::ZERO);
        }
        (self.changed && self.keeper.is_some()).then_some(self.next_save)
    }

    /// Takes the orders that wait, copies some rules, and has them kept if that is due.
    pub fn serve(&mut self, now: Instant, router: &mut RecordedRouter) {
        for _ in 0..ORDERS {
            let Ok(Order { wish, outcome }) = self.orders.try_recv() else { break };
            if let Some(done) = self.fulfil(now, router, wish) {
                // Whoever gave up waiting does not want to know.
                let _ = outcome.try_send(done);
            } else {
                self.jobs.push_back(Job { all: true, place: 0, rules: Vec::new(), client: Some(outcome) });
            }
        }
        let is_copying = self.jobs.iter().any(|job| job.client.is_none());
        if self.changed && self.keeper.is_some() && now >= self.next_save && !is_copying {
            self.next_save = now + SAVE;
            self.changed = false;
            self.jobs.push_back(Job { all: false, place: 0, rules: Vec::new(), client: None });
        }
        if let Some(mut job) = self.jobs.pop_front() {
            if self.goes_on(&mut job, router) {
                self.jobs.push_front(job);
            } else {
                self.hand_over(now, router, job);
            }
        }
    }

    /// Copies some more rules; says whether there are others.
    fn goes_on(&self, job: &mut Job, router: &RecordedRouter) -> bool {
        let (len, places) = router.rule_occupancy();
        if job.rules.capacity() == 0 {
            job.rules.reserve(len);
        }
        let end = places.min(job.place + PIECE);
        for rule in router.rules_at(job.place..end) {
            if job.all || outlasts(&rule) {
                job.rules.push(self.with_before(rule));
            }
        }
        job.place = end;
        end < places
    }

    fn hand_over(&mut self, now: Instant, router: &RecordedRouter, Job { rules, client, .. }: Job) {
        let copies = Copies { rules, places: router.rule_occupancy().1, times: self.times(now) };
        match client {
            Some(client) => drop(client.try_send(Outcome::Rules(copies))),
            // While the disk is slow, this is tried again.
            None => self.changed |= self.keeper.as_ref().is_some_and(|keeper| !keeper.offer(copies)),
        }
    }

    /// Has the rules kept as they are at the end of the run, and waits for that.
    pub fn finish(&mut self, now: Instant, router: &RecordedRouter) {
        let copies = self.copies(now, router, router.rules().filter(outlasts));
        if let Some(keeper) = self.keeper.take() {
            keeper.finish(copies);
        }
    }

    /// Does what is wanted; `None` if that is to copy all rules.
    fn fulfil(&mut self, now: Instant, router: &mut RecordedRouter, wish: Wish) -> Option<Outcome> {
        Some(match wish {
            Wish::List => return None,
            Wish::Show(id) => self.one(now, router, id),
            Wish::Pin(id, pinned) => {
                if router.pin_rule(id, pinned) {
                    self.changed = true;
                }
                self.one(now, router, id)
            }
            Wish::Revoke(id) => {
                if router.revoke_rule(id) {
                    Outcome::Revoked
                } else {
                    Outcome::NoSuchRule
                }
            }
            Wish::Flush => Outcome::Flushed(router.flush_rules()),
            Wish::Install(rules) => {
                let (installed, refused) = self.install(now, router, rules);
                Outcome::Installed(installed, refused)
            }
        })
    }

    fn one(&mut self, now: Instant, router: &RecordedRouter, id: RuleId) -> Outcome {
        let Some(rule) = router.rule(id) else { return Outcome::NoSuchRule };
        Outcome::Rules(self.copies(now, router, [rule]))
    }

    fn copies(
        &mut self,
        now: Instant,
        router: &RecordedRouter,
        rules: impl IntoIterator<Item = Rule>,
    ) -> Copies {
        let rules = rules.into_iter().map(|rule| self.with_before(rule)).collect();
        Copies { rules, places: router.rule_occupancy().1, times: self.times(now) }
    }

    /// A rule, and what it had done in earlier runs.
    fn with_before(&self, rule: Rule) -> (Rule, Tally) {
        let before = self.before.get(&rule.id).copied().unwrap_or_default();
        (rule, before)
    }

    /// What both clocks say.
    pub fn times(&mut self, now: Instant) -> Times {
        let times = self.times.map_or_else(|| Times::at(now), |times| times.later(now));
        self.times = Some(times);
        times
    }
}

/// Does it outlast the run? Rules do that proved themselves, and those that the operator holds on to.
fn outlasts(rule: &Rule) -> bool {
    rule.state == RuleState::Active || rule.spec.pinned
}

//! A scrape on both sides of the owner loop: a thread asks, and the loop copies what is counted, without text, files or sockets.
//!
//! The loop looks at one flag a turn. Asked, it looks at some of the rules in each of the next turns, then makes one copy of a few
//! tens of kilobytes, however many clients there are: the asker asks no more often than [`FRESH`].

use super::page::Page;
use super::{slow_path, traffic};
use crate::availability::AvailabilityLine;
use crate::event_loop::{Bucketed, EventLoop};
use crate::slow_path::SlowPathPlan;
use crate::storage::{ROUTES, Tables, sizes};
use hyper::body::Bytes;
use llm_slowpath::Cost;
use llm_slowpath::middleware::{BreakerState, BudgetLimits};
use llm_slowpath::service::Account;
use stack::Stats;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Mutex, mpsc};

/// Places of the rule table that are looked at in one turn.
const PIECE: usize = 1024;
/// No copy is made sooner after the one before.
pub(super) const FRESH: Duration = Duration::from_millis(100);
/// How long the loop may take; it never takes so long unless a port hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that is counted, at one instant between two turns of the loop.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) stats: Stats,
    /// In shadow, active: counted over some turns, so a little earlier than the rest.
    pub(super) rules: (usize, usize),
    /// Name, entries, the most that there may be.
    pub(super) tables: [(&'static str, usize, usize); 8],
    pub(super) service: llm_slowpath::Snapshot,
    pub(super) backends: Vec<(Account, BreakerState)>,
    pub(super) spent: Cost,
    pub(super) bucketed: Bucketed,
    pub(super) availability: AvailabilityLine,
}

impl Copy {
    pub(super) fn of(owner: &EventLoop, lengths: Tables, rules: (usize, usize)) -> Self {
        let router = owner.router();
        let limits = &router.config().limits;
        let (queued, outstanding) = router.divert_occupancy();
        let (rules_used, places) = router.rule_occupancy();
        let neighbors = sizes(limits, lengths).neighbors;
        let service = owner.service();
        Self {
            stats: router.snapshot(),
            rules,
            tables: [
                ("rules", rules_used, places),
                ("flows", router.flows_remembered(), lengths.flows),
                ("divert_queue", queued, limits.divert_queue),
                ("divert_outstanding", outstanding, limits.divert_outstanding),
                ("routes_ipv4", router.routes().len(), ROUTES),
                ("routes_ipv6", router.routes_v6().len(), ROUTES),
                ("neighbors_ipv4", router.neighbors().iter().count(), neighbors),
                ("neighbors_ipv6", router.neighbors_v6().iter().count(), neighbors),
            ],
            service: service.metrics(),
            backends: service.accounts().cloned().zip(service.breakers()).collect(),
            spent: service.spent(),
            bucketed: *owner.latencies().bucketed(),
            availability: owner.availability(),
        }
    }
}

/// The owner loop's side.
#[derive(Debug)]
pub struct Scrapes {
    asked: Arc<AtomicBool>,
    copies: mpsc::Sender<Box<Copy>>,
    lengths: Tables,
    /// The next place of the rule table.
    place: usize,
    /// In shadow, active, in the places before.
    rules: (usize, usize),
}

impl Scrapes {
    /// Does somebody want a copy?
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Looks at some more rules, and hands over a copy if that were all; says whether there are others.
    pub(crate) fn serve(&mut self, owner: &EventLoop) -> bool {
        let places = owner.router().rule_occupancy().1;
        let end = places.min(self.place + PIECE);
        let (shadow, active) = owner.router().rule_states_at(self.place..end);
        self.rules = (self.rules.0 + shadow, self.rules.1 + active);
        self.place = end;
        if end < places {
            return true;
        }
        let copy = Copy::of(owner, self.lengths, self.rules);
        (self.place, self.rules) = (0, (0, 0));
        self.asked.store(false, Ordering::Release);
        // An asker that gave up has left its copy there.
        let _ = self.copies.try_send(Box::new(copy));
        false
    }
}

/// What a page says beside what is counted.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) currency: String,
    pub(super) budget: BudgetLimits,
    pub(super) started: Instant,
    /// Since 1970, in seconds.
    pub(super) started_at: f64,
}

impl About {
    pub(super) fn new(plan: &SlowPathPlan) -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (currency, budget) = (plan.currency.clone(), plan.budget);
        Self { currency, budget, started: Instant::now(), started_at: since_1970.as_secs_f64() }
    }

    /// The text about a copy.
    pub(super) fn text(&self, copy: &Copy) -> String {
        let mut page = Page::default();
        traffic::process(&mut page, self);
        traffic::add(&mut page, copy);
        slow_path::add(&mut page, copy, self);
        page.text()
    }
}

/// The server's side.
pub(super) struct Asker {
    asked: Arc<AtomicBool>,
    wake: Box<dyn Fn() + Send + Sync>,
    about: About,
    known: Mutex<Known>,
}

struct Known {
    copies: mpsc::Receiver<Box<Copy>>,
    /// The last page, and when it was made.
    last: Option<(Instant, Bytes)>,
}

impl Asker {
    /// The page; `None` if the loop does not answer.
    pub(super) async fn page(&self) -> Option<Bytes> {
        // Clients that come meanwhile get the page that the first of them waits for.
        let mut known = self.known.lock().await;
        if let Some((made, page)) = &known.last
            && made.elapsed() < FRESH
        {
            return Some(page.clone());
        }
        // What came too late for whoever asked.
        while known.copies.try_recv().is_ok() {}
        self.asked.store(true, Ordering::Release);
        (self.wake)();
        let copy = tokio::time::timeout(PATIENCE, known.copies.recv()).await.ok()??;
        let page = Bytes::from(self.about.text(&copy));
        known.last = Some((Instant::now(), page.clone()));
        Some(page)
    }
}

/// Both sides. `wake` wakes the loop.
pub(super) fn pair(
    about: About,
    lengths: Tables,
    wake: impl Fn() + Send + Sync + 'static,
) -> (Scrapes, Asker) {
    let (sender, copies) = mpsc::channel(1);
    let asked = Arc::new(AtomicBool::new(false));
    let scrapes = Scrapes { asked: Arc::clone(&asked), copies: sender, lengths, place: 0, rules: (0, 0) };
    let known = Mutex::new(Known { copies, last: None });
    (scrapes, Asker { asked, wake: Box::new(wake), about, known })
}

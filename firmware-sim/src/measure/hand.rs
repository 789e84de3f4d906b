//! What the ports of a measured router and whoever reads the figures share: counters that one thread writes.

use super::load::Due;
use crate::watch::Watch;
use hdrhistogram::Histogram;
use stack::{Origin, PortId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// One healthy frame in so many is timed.
const SAMPLED: u64 = 8;
/// No healthy frame is in hand.
const NONE: u64 = u64::MAX;

/// Counters of one run.
#[derive(Debug)]
pub(super) struct Hand {
    beginning: OnceLock<Instant>,
    ended: OnceLock<Instant>,
    /// Supplies that have not ended.
    supplies: AtomicU64,
    offered: [AtomicU64; 2],
    lost: [AtomicU64; 2],
    received: AtomicU64,
    forwarded: AtomicU64,
    transactions: AtomicU64,
    /// When the healthy frame in hand was due, in nanoseconds.
    due: AtomicU64,
    /// Healthy frames are timed from now on.
    counting: AtomicBool,
    /// From when a healthy frame was due until it was sent, in nanoseconds.
    sojourn: Mutex<Histogram<u64>>,
}

/// A copy of the counters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) due: Due,
    /// Healthy frames that the router received.
    pub(super) received: u64,
    /// Those of them that it forwarded at once.
    pub(super) forwarded: u64,
    pub(super) transactions: u64,
}

impl Hand {
    /// A run lasts until so many supplies have ended.
    pub(super) fn new(supplies: u64) -> Self {
        Self {
            beginning: OnceLock::new(),
            ended: OnceLock::new(),
            supplies: AtomicU64::new(supplies),
            offered: Default::default(),
            lost: Default::default(),
            received: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            due: AtomicU64::new(NONE),
            counting: AtomicBool::new(false),
            sojourn: Mutex::new(new_histogram()),
        }
    }

    /// When the first frame was asked for: now, if none was.
    pub(super) fn beginning(&self) -> Instant {
        *self.beginning.get_or_init(Instant::now)
    }

    /// How long it has been offered frames, until the end.
    pub(super) fn elapsed(&self) -> Duration {
        let Some(beginning) = self.beginning.get() else { return Duration::ZERO };
        self.ended.get().map_or_else(|| beginning.elapsed(), |&ended| ended - *beginning)
    }

    /// Nothing more is offered.
    pub(super) fn end(&self) {
        let _ = self.ended.set(Instant::now());
    }

    /// One supply has ended.
    pub(super) fn leave(&self) {
        if self.supplies.fetch_sub(1, Relaxed) == 1 {
            self.end();
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    pub(super) fn offered(&self, due: Due) {
        for kind in [0, 1] {
            self.offered[kind].store(due.offered[kind], Relaxed);
            self.lost[kind].store(due.lost[kind], Relaxed);
        }
    }

    /// One of several supplies was due to give this.
    pub(super) fn add(&self, due: Due) {
        for kind in [0, 1] {
            self.offered[kind].fetch_add(due.offered[kind], Relaxed);
            self.lost[kind].fetch_add(due.lost[kind], Relaxed);
        }
    }

    pub(super) fn done(&self, transactions: u64) {
        self.transactions.store(transactions, Relaxed);
    }

    /// A frame is received; of a healthy one: when it was due.
    pub(super) fn takes(&self, healthy: Option<Duration>) {
        self.received.store(self.received.load(Relaxed) + u64::from(healthy.is_some()), Relaxed);
        self.due.store(healthy.map_or(NONE, |due| due.as_nanos() as u64), Relaxed);
    }

    /// Frames are timed from now on.
    pub(super) fn count(&self) {
        self.counting.store(true, Relaxed);
    }

    pub(super) fn counts(&self) -> Counts {
        let load = |pair: &[AtomicU64; 2]| [pair[0].load(Relaxed), pair[1].load(Relaxed)];
        Counts {
            due: Due { offered: load(&self.offered), lost: load(&self.lost) },
            received: self.received.load(Relaxed),
            forwarded: self.forwarded.load(Relaxed),
            transactions: self.transactions.load(Relaxed),
        }
    }

    /// Of the healthy frames that were timed.
    pub(super) fn sojourn(&self) -> Histogram<u64> {
        // Whoever panicked has left whole numbers.
        self.sojourn.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Nanoseconds up to five minutes, to two significant digits.
pub(super) fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 300_000_000_000, 2).expect("the bounds are constants")
}

/// Sees healthy frames leave.
pub(super) struct Onlooker(pub(super) Arc<Hand>);

impl Watch for Onlooker {
    fn sent(&mut self, _port: PortId, origin: Option<Origin>, _frame: &[u8]) {
        let hand = &self.0;
        let due = hand.due.load(Relaxed);
        if origin.is_some() || due == NONE {
            return;
        }
        hand.due.store(NONE, Relaxed);
        let count = hand.forwarded.load(Relaxed) + 1;
        hand.forwarded.store(count, Relaxed);
        if count.is_multiple_of(SAMPLED) && hand.counting.load(Relaxed) {
            let now = hand.beginning().elapsed().as_nanos() as u64;
            let mut sojourn = hand.sojourn.lock().unwrap_or_else(PoisonError::into_inner);
            sojourn.saturating_record(now.saturating_sub(due).max(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_healthy_frame_counts_once_and_only_when_it_is_forwarded_at_once() {
        let hand = Arc::new(Hand::new(1));
        let mut onlooker = Onlooker(Arc::clone(&hand));
        let _ = hand.beginning();
        hand.takes(None);
        onlooker.sent(PortId(0), None, b"odd");
        hand.takes(Some(Duration::ZERO));
        onlooker.sent(PortId(0), Some(Origin::Originated), b"an ICMP error beside it");
        onlooker.sent(PortId(0), None, b"healthy");
        onlooker.sent(PortId(0), None, b"another");
        assert_eq!(hand.counts().forwarded, 1);
        assert_eq!(hand.sojourn().len(), 0, "not yet");
        hand.count();
        for _ in 0..SAMPLED {
            hand.takes(Some(Duration::ZERO));
            onlooker.sent(PortId(0), None, b"healthy");
        }
        assert_eq!((hand.counts().forwarded, hand.sojourn().len()), (1 + SAMPLED, 1));
    }
}

//! What a port is offered: frames at a rate into a ring of bounded length, as a network card has one, and transactions
//! beside them.
//!
//! A frame is due at its time, whether the router is ready or not; if the ring is full then, it is lost. So a router that
//! is too slow shows it as loss and as latency, and never as a load that waits for it.

use super::pool::Pool;
use std::collections::VecDeque;
use std::time::Duration;

/// What a frame is, to whoever offers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// To be forwarded.
    Healthy,
    /// To be dealt with.
    Odd,
    /// One side's next frame on this connection.
    Transaction(u16),
}

/// How frames are offered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Offer {
    /// Frames a second; infinite: as many as are taken, without a ring.
    pub(super) rate: f64,
    /// Odd ones in a million.
    pub(super) odd: u64,
    /// Frames that wait before the next is lost.
    pub(super) ring: usize,
    /// From the first frame to the last.
    pub(super) span: Duration,
}

/// A frame that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) kind: Kind,
    /// Since the beginning.
    pub(super) due: Duration,
}

/// What was due so far: healthy frames, and odd ones.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) offered: [u64; 2],
    /// Of these, lost at the ring.
    pub(super) lost: [u64; 2],
}

/// Healthy and odd frames at a rate.
#[derive(Debug)]
pub(super) struct Arrivals {
    offer: Offer,
    healthy: Pool,
    odd: Pool,
    made: u64,
    ring: VecDeque<Waiting>,
    due: Due,
    /// Frames taken since the clock was looked at.
    unlooked: u8,
}

/// Frames that are taken before the clock is looked at again: it takes as long as half a frame.
const LOOK: u8 = 16;

impl Arrivals {
    pub(super) fn new(offer: Offer, healthy: Pool, odd: Pool) -> Self {
        let ring = VecDeque::with_capacity(offer.ring);
        Self { offer, healthy, odd, made: 0, ring, due: Due::default(), unlooked: LOOK }
    }

    /// The next one's kind: odd ones are spread evenly.
    const fn kind(&self) -> Kind {
        let (number, odd) = (self.made, self.offer.odd);
        if (number + 1) * odd / 1_000_000 > number * odd / 1_000_000 { Kind::Odd } else { Kind::Healthy }
    }

    /// Is it time to look at the clock?
    pub(super) fn wants_time(&mut self) -> bool {
        self.unlooked = self.unlooked.saturating_add(1);
        let look = self.unlooked >= LOOK || (self.offer.rate.is_finite() && self.ring.is_empty());
        if look {
            self.unlooked = 0;
        }
        look
    }

    /// Lets what is due by now arrive.
    pub(super) fn arrive(&mut self, elapsed: Duration) {
        if !self.offer.rate.is_finite() {
            return;
        }
        let until = elapsed.min(self.offer.span).as_secs_f64();
        let due = (until * self.offer.rate) as u64;
        while self.made < due {
            let (kind, at) = (self.kind(), Duration::from_secs_f64(self.made as f64 / self.offer.rate));
            self.made += 1;
            self.due.offered[usize::from(kind == Kind::Odd)] += 1;
            if !self.push(kind, at) {
                self.due.lost[usize::from(kind == Kind::Odd)] += 1;
            }
        }
    }

    /// A frame arrives; is there room for it?
    pub(super) fn push(&mut self, kind: Kind, due: Duration) -> bool {
        let room = self.ring.len() < self.offer.ring;
        if room {
            self.ring.push_back(Waiting { kind, due });
        }
        room
    }

    /// The next frame that waits. `elapsed`: a recent look at the clock.
    pub(super) fn take(&mut self, elapsed: Duration) -> Option<Waiting> {
        if self.offer.rate.is_finite() {
            return self.ring.pop_front();
        }
        let kind = self.kind();
        (elapsed < self.offer.span).then(|| {
            self.made += 1;
            self.due.offered[usize::from(kind == Kind::Odd)] += 1;
            Waiting { kind, due: elapsed }
        })
    }

    /// Copies a frame of this kind into the buffer; its length. A plan names a pool for each kind that it offers.
    pub(super) fn copy(&mut self, odd: bool, buf: &mut [u8]) -> usize {
        if odd { self.odd.take(buf) } else { self.healthy.take(buf) }
    }

    /// Has everything been taken?
    pub(super) fn is_over(&self, elapsed: Duration) -> bool {
        elapsed >= self.offer.span && self.ring.is_empty()
    }

    pub(super) const fn due(&self) -> Due {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(frame: &[u8]) -> Pool {
        let mut pool = Pool::default();
        pool.push(frame);
        pool
    }

    fn arrivals(rate: f64, odd: u64, ring: usize) -> Arrivals {
        let offer = Offer { rate, odd, ring, span: Duration::from_secs(1) };
        Arrivals::new(offer, pool(b"healthy"), pool(b"odd"))
    }

    #[test]
    fn frames_are_due_at_their_times_and_odd_ones_are_spread() {
        let mut arrivals = arrivals(1_000.0, 250_000, 8);
        arrivals.arrive(Duration::from_millis(4));
        let mut kinds = Vec::new();
        while let Some(waiting) = arrivals.take(Duration::ZERO) {
            assert_eq!(waiting.due, Duration::from_millis(kinds.len() as u64));
            kinds.push(waiting.kind);
        }
        assert_eq!(kinds, [Kind::Healthy, Kind::Healthy, Kind::Healthy, Kind::Odd]);
        let mut buf = [0; 16];
        assert_eq!([false, true].map(|odd| arrivals.copy(odd, &mut buf)), [7, 3]);
        assert!(!arrivals.is_over(Duration::from_millis(999)) && arrivals.is_over(Duration::from_secs(1)));
    }

    #[test]
    fn what_finds_the_ring_full_is_lost_and_counted() {
        let mut arrivals = arrivals(1_000.0, 500_000, 8);
        arrivals.arrive(Duration::from_secs(3));
        // Nothing arrives after the span.
        assert_eq!(arrivals.due(), Due { offered: [500, 500], lost: [496, 496] });
        assert!(!arrivals.push(Kind::Transaction(3), Duration::ZERO));
        assert!(
            arrivals.take(Duration::ZERO).is_some() && arrivals.push(Kind::Transaction(3), Duration::ZERO)
        );
        assert!(!arrivals.is_over(Duration::from_secs(1)));
    }

    #[test]
    fn without_a_rate_there_is_always_a_next_one_until_the_end() {
        let mut arrivals = arrivals(f64::INFINITY, 1_000_000, 8);
        for _ in 0..100 {
            assert_eq!(arrivals.take(Duration::from_millis(1)).map(|waiting| waiting.kind), Some(Kind::Odd));
        }
        assert_eq!(arrivals.take(Duration::from_secs(1)), None);
        assert_eq!(arrivals.due().offered, [0, 100]);
    }
}

//! The ports of a measured router: frames come from a supply in memory, and what the router sends is looked at and let go.
//! Made-up hosts answer its ARP and Neighbour Discovery.

use super::hand::Hand;
use super::load::{Arrivals, Kind};
use super::transactions::Side;
use crate::port::{Port, Received, Sent};
use crate::replay::hosts::Hosts;
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks at connections that wait for too long.
const REMIND: Duration = Duration::from_millis(1);

/// What a supply has for the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A frame of this length.
    Frame(usize),
    /// Nothing yet.
    Later,
    /// Nothing any more.
    Over,
}

/// Where a port's frames come from.
pub(super) trait Supply: Send {
    /// The next frame, copied into the buffer, which has room for it.
    fn next(&mut self, buf: &mut [u8]) -> Next;
    /// The router has sent a frame here.
    fn sent(&mut self, _frame: &[u8]) {}
    /// The router receives a made-up host's answer, not a frame of this supply.
    fn passed_over(&mut self) {}
}

/// A port that is always looked at while there is something to come: a router that is measured does not sleep.
pub(super) struct SupplyPort<S> {
    name: String,
    supply: S,
    hosts: Hosts,
    /// Readable while there is something to come.
    ready: EventFd,
    is_over: bool,
}

impl<S: Supply> SupplyPort<S> {
    /// # Errors
    /// The kernel gives no descriptor (too many open files).
    pub(super) fn new(name: &str, supply: S) -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let ready = EventFd::from_value_and_flags(1, flags)?;
        Ok(Self { name: name.to_owned(), supply, hosts: Hosts::default(), ready, is_over: false })
    }
}

impl<S: Supply> Port for SupplyPort<S> {
    fn receive(&mut self, buf: &mut [u8]) -> io::Result<Option<Received>> {
        if let Some(len) = self.hosts.next(buf) {
            self.supply.passed_over();
            return Ok(Some(len.into()));
        }
        if self.is_over {
            // Another answer makes it readable again.
            let _ = self.ready.read();
            return Ok(None);
        }
        match self.supply.next(buf) {
            Next::Frame(len) => return Ok(Some(len.into())),
            Next::Later => {}
            Next::Over => self.is_over = true,
        }
        Ok(None)
    }

    fn send(&mut self, frame: &[u8]) -> io::Result<Sent> {
        if self.hosts.hear(frame) {
            self.ready.write(1)?;
        }
        self.supply.sent(frame);
        Ok(Sent::Done)
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }

    fn name(&self) -> &str {
        &self.name
    }
}

/// Frames at a rate, and transactions beside them.
pub(super) struct Load {
    arrivals: Arrivals,
    side: Side,
    hand: Arc<Hand>,
    /// Does the run last as long as this one's frames do?
    leads: bool,
    elapsed: Duration,
    reminded: Duration,
}

impl Load {
    pub(super) const fn new(arrivals: Arrivals, side: Side, hand: Arc<Hand>, leads: bool) -> Self {
        Self { arrivals, side, hand, leads, elapsed: Duration::ZERO, reminded: Duration::ZERO }
    }

    fn look(&mut self) {
        self.elapsed = self.hand.beginning().elapsed();
        self.arrivals.arrive(self.elapsed);
        if self.elapsed >= self.reminded {
            self.reminded = self.elapsed + REMIND;
            for number in self.side.late(self.elapsed) {
                self.side.ask(number, self.elapsed);
                // A full ring loses it, and it is asked again.
                let _ = self.arrivals.push(Kind::Transaction(number), self.elapsed);
            }
        }
    }
}

impl Supply for Load {
    fn next(&mut self, buf: &mut [u8]) -> Next {
        if self.arrivals.wants_time() {
            self.look();
            if self.leads {
                self.hand.offered(self.arrivals.due());
                self.hand.done(self.side.done());
            }
        }
        let Some(waiting) = self.arrivals.take(self.elapsed) else {
            if !self.arrivals.is_over(self.elapsed) {
                return Next::Later;
            }
            if self.leads {
                self.hand.offered(self.arrivals.due());
                self.hand.leave();
            }
            return Next::Over;
        };
        let (len, healthy) = match waiting.kind {
            Kind::Healthy => (self.arrivals.copy(false, buf), Some(waiting.due)),
            Kind::Odd => (self.arrivals.copy(true, buf), None),
            Kind::Transaction(number) => (self.side.copy(number, buf), None),
        };
        self.hand.takes(healthy);
        Next::Frame(len)
    }

    fn passed_over(&mut self) {
        self.hand.takes(None);
    }

    fn sent(&mut self, frame: &[u8]) {
        let hand = &self.hand;
        if let Some(number) = self.side.sent(frame, || hand.beginning().elapsed()) {
            // Behind what is due by now.
            self.look();
            let _ = self.arrivals.push(Kind::Transaction(number), self.elapsed);
        }
    }
}

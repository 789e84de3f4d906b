//! Reassembly for the local host, IPv4 and IPv6: which datagrams are in the making, whose slot is given to
//! another, and what times out. Read first: RFC 791 §3.2, RFC 1122 §3.3.2, RFC 8200 §4.5, RFC 5722.
//!
//! A transit packet never comes here (RFC 1812 §5.2.6). Memory is bounded by the caller's slots. When all are
//! taken, a new datagram takes one over: that of the port with the most datagrams in the making, within that
//! port of the source with the most, the new one counted, and of that source's the oldest. So a port or a source that sends strays only pushes out its own; one
//! that forges sources competes with all who come in by the same port, and with nobody else.

mod datagram;
mod fragment;
#[cfg(test)]
mod tests;
mod units;

use crate::config::PortId;
use core::cmp::Reverse;
pub use datagram::ReassemblySlot;
use datagram::{Key, State};
pub(crate) use fragment::Fragment;
use managed::ManagedSlice;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::IpAddress;

/// Longest reassembled IP packet in bytes, header included (EMTU_R: RFC 1122 §3.3.2).
pub const REASSEMBLED_MAX: usize = 4096;

/// How long a datagram may take, from the arrival of whichever fragment came first.
///
/// RFC 8200 §4.5 says 60 seconds, RFC 1122 §3.3.2 60 to 120 (which replaces the 15 that RFC 791 §3.2 starts
/// from). A slot that is waited for is taken over earlier.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// What became of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was kept. `evicted`: another datagram was given up for it, silently.
    Incomplete {
        /// Another datagram was given up.
        evicted: bool,
    },
    /// It was the missing one: the packet is in `out`, with this length in bytes.
    Complete(usize),
    /// The very same fragment has come before; it is ignored (RFC 8200 §4.5).
    Duplicate,
    /// It covers bytes that have come before: the datagram is given up (RFC 5722 §4, RFC 8200 §4.5).
    Overlap,
    /// It contradicts itself or what has come before (two ends, bytes beyond the end, a length that is no
    /// multiple of 8 before the end), or mixes CE with Not-ECT (RFC 3168 §5.3): the datagram is given up.
    Inconsistent,
    /// The packet would be longer than [`REASSEMBLED_MAX`], or `out`: the datagram is given up.
    TooLarge,
    /// Its datagram has been given up before, and RFC 5722 §4 wants later fragments discarded, too.
    GivenUp,
    /// There is not one slot of storage.
    Full,
}

/// A datagram that did not become complete in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expired {
    /// Where its first fragment came in; or, as long as that is missing, the one that opened it.
    pub port: PortId,
    /// Bytes in `out` of the first fragment, as received. `None`: it did not come, and no ICMP error may be
    /// sent (RFC 792, RFC 1122 §3.3.2, RFC 4443 §3.3).
    pub quote_len: Option<usize>,
}

/// All datagrams in the making.
#[derive(Debug)]
pub(crate) struct Reassembly<'a> {
    slots: ManagedSlice<'a, ReassemblySlot>,
    next_sequence: u64,
    /// The earliest deadline.
    due_at: Option<Instant>,
}

impl<'a> Reassembly<'a> {
    pub(crate) const fn new(slots: ManagedSlice<'a, ReassemblySlot>) -> Self {
        Self { slots, next_sequence: 0, due_at: None }
    }

    /// Takes a fragment in. `out` should hold [`REASSEMBLED_MAX`] bytes; its contents mean something only after
    /// [`Outcome::Complete`]: then a whole IP packet with the first fragment's header, its lengths right,
    /// without More Fragments and offset, or without its Fragment header.
    ///
    /// A fragment that is the whole datagram (offset 0, no more) is finished alone, whatever else is there for
    /// its ident (RFC 6946 §4, RFC 8200 §4.5). Call [`Reassembly::expire`] first if it is due.
    pub(crate) fn insert(&mut self, now: Instant, fragment: &Fragment<'_>, out: &mut [u8]) -> Outcome {
        if fragment.is_whole() {
            return fragment.alone(out);
        }
        let key = Key::of(fragment);
        let known = self.slots.iter().position(|slot| slot.is_of(&key, now));
        let outcome = match known {
            Some(at) => self.slots[at].add(fragment, out),
            None => self.open(now, key, fragment, out),
        };
        self.note_due();
        outcome
    }

    fn open(&mut self, now: Instant, key: Key, fragment: &Fragment<'_>, out: &mut [u8]) -> Outcome {
        let spare = self.spare();
        // One that will be given up at once must not cost another its slot.
        let refused = fragment.end().err();
        let victim = || match refused {
            Some(_) => None,
            None => self.victim(fragment.port, fragment.source),
        };
        let Some(at) = spare.or_else(victim) else { return refused.unwrap_or(Outcome::Full) };
        self.slots[at].open(key, self.next_sequence, now + TIMEOUT, fragment.port);
        self.next_sequence += 1;
        let outcome = self.slots[at].add(fragment, out);
        let kept = outcome == Outcome::Incomplete { evicted: false };
        if kept { Outcome::Incomplete { evicted: spare.is_none() } } else { outcome }
    }

    /// A slot that nobody misses: a free one, or the oldest that only remembers a datagram given up.
    fn spare(&self) -> Option<usize> {
        let slots = || self.slots.iter().enumerate();
        let free = slots().find(|(_, slot)| slot.state() == State::Free);
        let given_up = || {
            slots().filter(|(_, slot)| slot.state() == State::GivenUp).min_by_key(|(_, slot)| slot.sequence())
        };
        free.or_else(given_up).map(|(at, _)| at)
    }

    /// The slot that a new datagram from `source` by `port` takes over, when all are open.
    fn victim(&self, port: PortId, source: IpAddress) -> Option<usize> {
        let of_port =
            |p: PortId| self.slots.iter().filter(|slot| slot.port() == p).count() + usize::from(p == port);
        let of_source = |p: PortId, s: IpAddress| {
            let same = |slot: &&ReassemblySlot| slot.port() == p && slot.source() == s;
            self.slots.iter().filter(same).count() + usize::from(p == port && s == source)
        };
        let claim = |slot: &ReassemblySlot| {
            (of_port(slot.port()), of_source(slot.port(), slot.source()), Reverse(slot.sequence()))
        };
        self.slots.iter().enumerate().max_by_key(|(_, slot)| claim(slot)).map(|(at, _)| at)
    }

    fn note_due(&mut self) {
        let open = self.slots.iter().filter(|slot| slot.state() == State::Open);
        self.due_at = open.map(ReassemblySlot::deadline).min();
    }

    /// When [`Reassembly::expire`] has something to do.
    #[must_use]
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.due_at
    }

    /// Gives up one datagram whose time is over, and writes its first fragment, as received and as far as `out`
    /// has room, into `out`. Call until `None`.
    #[must_use]
    pub(crate) fn expire(&mut self, now: Instant, out: &mut [u8]) -> Option<Expired> {
        if self.due_at.is_none_or(|due| due > now) {
            return None;
        }
        let open = self.slots.iter_mut().filter(|slot| slot.state() == State::Open);
        let slot = open.min_by_key(|slot| slot.deadline())?;
        let expired = Expired { port: slot.port(), quote_len: slot.quote(out) };
        slot.free();
        self.note_due();
        Some(expired)
    }
}

//! One datagram in the making: which of its bytes have come, and what its first fragment was.
//! Read first: RFC 791 §3.2, RFC 8200 §4.5, RFC 5722 §4.

use super::fragment::{Fragment, HEADER_MAX, rebuild};
use super::units::Units;
use super::{Outcome, REASSEMBLED_MAX};
use crate::config::PortId;
use core::ops::Range;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, Ipv4Address};

/// Not-ECT and CE, as bits of [`Fragment::congestion`].
const NOT_CAPABLE: u8 = 1;
const EXPERIENCED: u8 = 8;

/// What fragments of one datagram have in common: RFC 791 §3.2, RFC 8200 §4.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    source: IpAddress,
    destination: IpAddress,
    /// `None` in IPv6.
    protocol: Option<u8>,
    id: u32,
}

impl Key {
    pub(super) fn of(fragment: &Fragment<'_>) -> Self {
        let &Fragment { source, destination, protocol, id, .. } = fragment;
        Self { source, destination, protocol: (!fragment.is_ipv6()).then_some(protocol), id }
    }
}

/// What a slot is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// A datagram is in the making.
    Open,
    /// Only the key is remembered, until the deadline: later fragments are discarded.
    GivenUp,
}

/// Storage for one datagram in the making.
#[derive(Debug, Clone)]
pub struct ReassemblySlot {
    state: State,
    key: Key,
    /// Datagrams in order of their opening.
    sequence: u64,
    deadline: Instant,
    port: PortId,
    /// Bytes of the first fragment's header (0: it has not come) and of its payload.
    header_len: usize,
    first_len: usize,
    /// Bytes of payload in all, once the last fragment has told.
    end: Option<usize>,
    /// Where the farthest payload that came ends.
    top: usize,
    /// Bytes of payload that came.
    received: usize,
    /// ECN codepoints that came: [`Fragment::congestion`].
    congestion: u8,
    arrived: Units,
    /// Where fragments that came begin.
    begins: Units,
    header: [u8; HEADER_MAX],
    payload: [u8; REASSEMBLED_MAX],
}

impl ReassemblySlot {
    /// An empty slot.
    pub const EMPTY: Self = {
        let nowhere = IpAddress::Ipv4(Ipv4Address::UNSPECIFIED);
        Self {
            state: State::Free,
            key: Key { source: nowhere, destination: nowhere, protocol: None, id: 0 },
            sequence: 0,
            deadline: Instant::ZERO,
            port: PortId(0),
            header_len: 0,
            first_len: 0,
            end: None,
            top: 0,
            received: 0,
            congestion: 0,
            arrived: Units::NONE,
            begins: Units::NONE,
            header: [0; HEADER_MAX],
            payload: [0; REASSEMBLED_MAX],
        }
    };

    pub(super) const fn state(&self) -> State {
        self.state
    }

    pub(super) const fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(super) const fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) const fn port(&self) -> PortId {
        self.port
    }

    pub(super) const fn source(&self) -> IpAddress {
        self.key.source
    }

    /// Is it for this datagram? What was given up is forgotten at the deadline, without anybody asking.
    pub(super) fn is_of(&self, key: &Key, now: Instant) -> bool {
        let used = match self.state {
            State::Free => false,
            State::Open => true,
            State::GivenUp => now < self.deadline,
        };
        used && self.key == *key
    }

    pub(super) const fn free(&mut self) {
        self.state = State::Free;
    }

    /// Begins a datagram of which nothing has come. Bytes of an earlier one stay, and are never read.
    pub(super) const fn open(&mut self, key: Key, sequence: u64, deadline: Instant, port: PortId) {
        self.state = State::Open;
        self.key = key;
        self.sequence = sequence;
        self.deadline = deadline;
        self.port = port;
        self.header_len = 0;
        self.first_len = 0;
        self.end = None;
        self.top = 0;
        self.received = 0;
        self.congestion = 0;
        self.arrived = Units::NONE;
        self.begins = Units::NONE;
    }

    /// Adds a fragment that is of this datagram; when it is complete, writes the packet into `out`.
    pub(super) fn add(&mut self, fragment: &Fragment<'_>, out: &mut [u8]) -> Outcome {
        if self.state == State::GivenUp {
            return Outcome::GivenUp;
        }
        let outcome = match fragment.end().and_then(|end| self.place(fragment, end)) {
            Ok(()) if self.end == Some(self.received) => self.rebuild(fragment.is_ipv6(), out),
            Ok(()) => Outcome::Incomplete { evicted: false },
            Err(outcome) => outcome,
        };
        match outcome {
            Outcome::Complete(_) => self.state = State::Free,
            Outcome::Overlap | Outcome::Inconsistent | Outcome::TooLarge => self.state = State::GivenUp,
            Outcome::Incomplete { .. } | Outcome::Duplicate | Outcome::GivenUp | Outcome::Full => {}
        }
        outcome
    }

    /// Puts the payload of a fragment, which ends where [`Fragment::end`] says, in its place.
    fn place(&mut self, fragment: &Fragment<'_>, end: usize) -> Result<(), Outcome> {
        let last = !fragment.more;
        let beyond = self.end.is_some_and(|known| end > known || (last && end != known));
        if beyond || (last && end < self.top) {
            return Err(Outcome::Inconsistent);
        }
        let units = fragment.offset / 8..end.div_ceil(8);
        if self.arrived.count(units.clone()) != 0 {
            let duplicate = self.is_duplicate(fragment, end, units);
            return Err(if duplicate { Outcome::Duplicate } else { Outcome::Overlap });
        }
        let congestion = self.congestion | fragment.congestion();
        if congestion & NOT_CAPABLE != 0 && congestion & EXPERIENCED != 0 {
            return Err(Outcome::Inconsistent);
        }
        if fragment.offset == 0 {
            self.header_len = fragment.header.len();
            self.header[..self.header_len].copy_from_slice(fragment.header);
            self.first_len = fragment.payload.len();
            self.port = fragment.port;
        }
        if last {
            self.end = Some(end);
        }
        self.top = self.top.max(end);
        self.received += fragment.payload.len();
        self.congestion = congestion;
        self.begins.add(units.start..units.start + 1);
        self.arrived.add(units);
        self.payload[fragment.offset..end].copy_from_slice(fragment.payload);
        Ok(())
    }

    /// Has a fragment come with the same bounds, payload and More Fragments? (Some of its units have come.)
    fn is_duplicate(&self, fragment: &Fragment<'_>, end: usize, units: Range<usize>) -> bool {
        // Since nothing overlaps, a fragment reaches from where it begins to where another begins, or to a unit
        // that has not come.
        let same_bounds = self.arrived.count(units.clone()) == units.len()
            && self.begins.has(units.start)
            && self.begins.count(units.clone()) == 1
            && (self.begins.has(units.end) || !self.arrived.has(units.end));
        same_bounds
            && fragment.more == (self.end != Some(end))
            && end <= self.top
            && self.payload[fragment.offset..end] == *fragment.payload
    }

    /// Writes the packet into `out`. All of it has come, so the first fragment has.
    fn rebuild(&self, is_ipv6: bool, out: &mut [u8]) -> Outcome {
        let (header, payload) = (&self.header[..self.header_len], &self.payload[..self.received]);
        rebuild(is_ipv6, header, self.congestion & EXPERIENCED != 0, payload, out)
    }

    /// Writes the first fragment as received, as far as `out` has room; its length in bytes, if it came.
    pub(super) fn quote(&self, out: &mut [u8]) -> Option<usize> {
        let first = self.header[..self.header_len].iter().chain(&self.payload[..self.first_len]);
        let len = out.len().min(self.header_len + self.first_len);
        out.iter_mut().zip(first).for_each(|(to, from)| *to = *from);
        (self.header_len != 0).then_some(len)
    }
}

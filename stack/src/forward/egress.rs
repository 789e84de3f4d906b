//! The transmit queue: frames that the router made or held, until the caller takes them.

use crate::config::PortId;
use crate::divert::DivertId;
use crate::frame::FRAME_MAX;
use crate::stats::Path;
use managed::ManagedSlice;

/// Where a transmitted frame comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Origin {
    /// A received frame that had to wait: for a neighbour, or in vain for the slow path.
    Forwarded {
        /// Its length when it was received.
        received_len: usize,
        /// The path that it took.
        path: Path,
    },
    /// Made by the router: ARP, ICMP errors, its own host.
    Originated,
    /// Made from an approved answer to this divert.
    Injected(DivertId),
}

/// A frame to be sent; its bytes are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Transmit {
    /// Egress port.
    pub port: PortId,
    /// Length in bytes, without FCS.
    pub len: usize,
    /// Where it comes from.
    pub origin: Origin,
}

/// Storage for one queued frame.
#[derive(Debug, Clone)]
pub struct TxSlot {
    transmit: Transmit,
    bytes: [u8; FRAME_MAX],
}

impl TxSlot {
    /// An empty slot.
    pub const EMPTY: Self = Self {
        transmit: Transmit { port: PortId(0), len: 0, origin: Origin::Originated },
        bytes: [0; FRAME_MAX],
    };
}

/// A bounded first-in, first-out queue of frames.
#[derive(Debug)]
pub(crate) struct Egress<'a> {
    slots: ManagedSlice<'a, TxSlot>,
    head: usize,
    len: usize,
}

impl<'a> Egress<'a> {
    pub(crate) const fn new(slots: ManagedSlice<'a, TxSlot>) -> Self {
        Self { slots, head: 0, len: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len == self.slots.len()
    }

    /// Queues a frame; says whether there was room for it.
    pub(crate) fn push(&mut self, port: PortId, origin: Origin, frame: &[u8]) -> bool {
        if self.is_full() || frame.len() > FRAME_MAX {
            return false;
        }
        let at = (self.head + self.len) % self.slots.len();
        let slot = &mut self.slots[at];
        slot.transmit = Transmit { port, len: frame.len(), origin };
        slot.bytes[..frame.len()].copy_from_slice(frame);
        self.len += 1;
        true
    }

    /// Moves the oldest frame to `out`.
    ///
    /// # Panics
    /// If `out` is shorter than [`FRAME_MAX`] and the frame does not fit.
    pub(crate) fn pop(&mut self, out: &mut [u8]) -> Option<Transmit> {
        if self.len == 0 {
            return None;
        }
        let slot = &self.slots[self.head];
        out[..slot.transmit.len].copy_from_slice(&slot.bytes[..slot.transmit.len]);
        self.head = (self.head + 1) % self.slots.len();
        self.len -= 1;
        Some(slot.transmit)
    }
}

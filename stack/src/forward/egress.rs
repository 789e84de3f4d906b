//! The transmit queue: frames that the router made or held, until the caller takes them.

use crate::config::PortId;
use crate::divert::DivertId;
use crate::frame::{FRAME_MAX, TAG, tag_bytes};
use crate::rules::RuleId;
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
    /// One fragment of a received packet that was larger than the egress MTU.
    Fragment,
    /// Made by the router: ARP, ICMP errors, its own host.
    Originated,
    /// Made from an approved answer to this divert.
    Injected(DivertId),
    /// Made by this rule.
    Ruled(RuleId),
}

/// A frame to be sent; its bytes are in the caller's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Transmit {
    /// The port whose device sends it: a VLAN's trunk.
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

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many more frames there is room for.
    pub(crate) fn room(&self) -> usize {
        self.slots.len() - self.len
    }

    /// Queues a frame for this port's device, with this VLAN tag; its length with the tag. `None`: no room.
    pub(crate) fn push(
        &mut self,
        port: PortId,
        tag: Option<u16>,
        origin: Origin,
        frame: &[u8],
    ) -> Option<usize> {
        let len = frame.len() + if tag.is_some() { TAG } else { 0 };
        if self.room() == 0 || len > FRAME_MAX {
            return None;
        }
        let at = (self.head + self.len) % self.slots.len();
        let slot = &mut self.slots[at];
        slot.transmit = Transmit { port, len, origin };
        slot.bytes[..frame.len()].copy_from_slice(frame);
        if let Some(id) = tag {
            slot.bytes.copy_within(12..frame.len(), 12 + TAG);
            slot.bytes[12..12 + TAG].copy_from_slice(&tag_bytes(id));
        }
        self.len += 1;
        Some(len)
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

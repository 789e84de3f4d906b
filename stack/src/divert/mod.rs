//! What leaves for the slow path, and how it comes back: ids, the diverted copy, class keys.

mod class_key;
mod flows;
mod queue;

pub use class_key::{ClassKey, Field, FieldValue, MAX_FIELDS};
pub(crate) use class_key::{ClassWords, network, network_offset, says_ipv6};
pub use flows::{FlowSlot, FlowSummary, RECENT};
pub(crate) use flows::{Flows, Outcome};
pub use queue::{DivertSlot, MAX_SLOTS, Refusal};
pub(crate) use queue::{Held, Queue, SlotState};

use crate::PortId;
use crate::classify::{Anomaly, Mode};
use smoltcp::time::Instant;

/// Names one diverted frame: a slot of the router's arena and that slot's generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct DivertId {
    /// Slot of the arena.
    pub slot: u16,
    /// How often the slot had been used before.
    pub generation: u32,
}

impl core::fmt::Display for DivertId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}.{}", self.slot, self.generation)
    }
}

/// Where a frame was going when it was diverted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Direction {
    /// To one of the router's own addresses, or to no address at all (not IP).
    ToSelf,
    /// Through the router.
    Transit,
}

impl Direction {
    /// `self` or `fwd`, as in the anomaly table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ToSelf => "self",
            Self::Transit => "fwd",
        }
    }
}

/// A frame handed to the slow path. The bytes are a copy, written to the caller's buffer by
/// [`crate::Router::poll_divert`]; the router judges answers against its own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Diverted {
    /// To be echoed in the answer.
    pub id: DivertId,
    /// To be echoed in the answer: a keyed PRF over (run secret, id).
    pub nonce: u32,
    /// Marks where a prompt's data begins and ends. From the same PRF, so that no sender can know it.
    pub boundary: u32,
    /// Everything that a class prompt may hold.
    pub class: ClassKey,
    /// [`Mode::Enforce`]: the frame waits for the answer. [`Mode::Observe`]: the answer is only recorded.
    pub mode: Mode,
    /// When the router received the frame.
    pub received_at: Instant,
    /// After this instant an answer is refused and the default has acted.
    pub deadline: Instant,
    /// Length of the frame in bytes, without FCS.
    pub len: usize,
    /// What is known of the frame's flow. Not for a class prompt: its answer must not depend on it.
    pub flow: Option<FlowSummary>,
}

impl Diverted {
    /// Why the frame was diverted.
    pub const fn reason(&self) -> Anomaly {
        self.class.reason
    }

    /// The port that the frame came in by.
    pub const fn port(&self) -> PortId {
        self.class.port
    }
}
